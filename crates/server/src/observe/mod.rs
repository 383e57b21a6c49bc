//! What the program shows of itself: logs and numbers.

pub mod metrics;
pub mod tracing_setup;
