//! Everything of Lango that runs: entrances, operations, engines, drivers.
//!
//! Directions: entrances (`web`, `cli`) and engines (`deadlines`, `reconcile`, `jobs`) call
//! `operations`; operations call the store and the domain's rules. Drivers know routers and
//! nothing else. None of these imports `web`: `run` starts it, `cli` sets it up.

pub mod app;
pub mod cashier;
pub mod cli;
pub mod clock;
pub mod config;
pub mod deadlines;
pub mod demo;
pub mod enforcement;
pub mod feed;
pub mod jobs;
pub mod messaging;
pub mod observe;
pub mod operations;
pub mod outbound;
pub mod payments;
pub mod portal_address;
pub mod printing;
pub mod probes;
pub mod radius;
pub mod reconcile;
pub mod run;
pub(crate) mod sheet;
pub mod web;
pub mod webhooks;

/// Packets become many small pieces that one thread makes and another drops: the system's allocator
/// took a third of the server's time for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
