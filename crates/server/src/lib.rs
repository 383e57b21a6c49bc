//! Lango: sells access, grants it on routers, and ends it with proof.
