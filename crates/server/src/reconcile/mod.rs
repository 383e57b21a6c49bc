//! The engine for routers: one worker each, which follows what happens there, acts on what is
//! wanted, and compares everything at every reconnect and on a timer.
//!
//! It must never end anybody's grant by what it does not see: only complete readings become
//! evidence, and the domain decides what evidence means.

pub mod backoff;
pub mod connect;
pub mod freeradius;
pub mod pass;
pub mod supervisor;
pub mod visit;
pub mod worker;
