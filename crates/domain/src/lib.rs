//! Lango's pure rules: money, time, plans, grants and their life cycle. No I/O, never reads a clock.
