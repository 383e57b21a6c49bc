//! RADIUS packets, attributes and authenticators. No product rules.
