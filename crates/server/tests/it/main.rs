//! Lango as an operator meets it: real stores, real sockets, a simulated router that answers one
//! question, can this phone browse.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod admissions;
mod api;
mod captive;
mod chaos;
mod cli;
mod cli_day;
mod cli_money;
mod cli_verbs;
mod demo;
mod driver;
mod eap;
mod feed;
mod freeradius;
mod harness;
mod house;
mod listener;
mod messages;
mod paybill;
mod payments;
mod portal;
mod radius;
mod setup;
mod stories;
mod vouchers;
