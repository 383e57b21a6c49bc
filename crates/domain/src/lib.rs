//! Lango's rules: what a plan promises, how a grant lives and dies, what routers should hold.
//!
//! Everything here is pure. No I/O, no clock, no randomness, no SQL: a rule takes the instant it
//! is asked about as an argument and answers with data. Whoever breaks that makes the rules
//! untestable, and the rules are the product.

pub mod access;
pub mod calendar;
pub mod grant;
pub mod hours;
pub mod ids;
pub mod language;
pub mod logins;
pub mod mac_address;
pub mod money;
pub mod phone_number;
pub mod plan;
pub mod quantity;
pub mod role;
mod schema;
pub mod time;
pub mod wanted;
