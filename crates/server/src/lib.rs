//! Everything of Lango that runs: entrances, operations, engines, drivers.
//!
//! Directions: entrances (`web`, `cli`) and engines (`deadlines`, `reconcile`, `jobs`) call
//! `operations`; operations call the store and the domain's rules. Drivers know routers and
//! nothing else. None of these imports `web`: `run` starts it, `cli` sets it up.

pub mod app;
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
pub mod radius;
pub mod reconcile;
pub mod run;
pub(crate) mod sheet;
pub mod web;
pub mod webhooks;
