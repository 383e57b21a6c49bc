//! Stories of the running server, and of its drivers against simulated routers.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod driver;
