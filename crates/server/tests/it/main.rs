//! Lango as an operator meets it: real stores, real sockets, a simulated router that answers one
//! question, can this phone browse.

mod cli;
mod driver;
mod harness;
mod stories;
