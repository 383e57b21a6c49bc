//! Lango's data: the only SQL of the program, on SQLite or PostgreSQL.
//!
//! An operation is one async function over [`Tx`]; its statements are constants
//! beside it, written once. [`Store::write`] returns when the work is durable.

pub mod backup;
pub mod checks;
mod columns;
mod engine;
mod error;
mod json;
pub mod migrations;
mod order;
pub mod schema;
pub mod secrets;
pub mod senders;
mod sql;
pub mod testing;
mod value;
mod wake;

pub mod activity;
pub mod admissions;
pub mod batches;
pub mod customers;
pub mod cuts;
pub mod enforcements;
pub mod facts;
pub mod freeradius;
pub mod gateways;
pub mod grants;
pub mod inbox;
pub mod jobs;
pub mod ledger;
pub mod messages;
pub mod money_in;
pub mod payments;
pub mod plans;
pub mod radius;
pub mod receipts;
pub mod renewals;
pub mod requests;
pub mod resellers;
pub mod routers;
pub mod sessions;
pub mod tasks;
pub mod tenants;
pub mod trials;
pub mod webhooks;

pub use engine::{DatabaseUrl, Settings, Store, Tx};
pub use error::{Cause, Error, Result, Unique};
pub use order::Order;
pub use sql::{Bulk, Sql};
pub use value::{Arg, Column, FromRow, IntoArg, Mismatch, Row, ToArg, ToArgs, Value};
pub use wake::{Subscription, Topic};

/// A row whose version was as read was written; any other outcome is another's doing.
fn written_once(rows: u64, attempted: &str) -> Result<()> {
    if rows == 1 { Ok(()) } else { Err(Error::changed_meanwhile(attempted)) }
}
