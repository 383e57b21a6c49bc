//! Everything of Lango that runs: entrances, operations, engines, drivers.
//!
//! Directions: entrances (`web`, `cli`) and engines (`deadlines`, `reconcile`, `jobs`) call
//! `operations`; operations call the store and the domain's rules. Drivers know routers and
//! nothing else. Nothing imports `web`.

pub mod enforcement;
