//! Clients for MikroTik RouterOS: the binary API and REST, behind one connection. No product rules.
//!
//! Callers hold a [`Connection`] and see rows, typed menus and typed errors; which protocol lies
//! below is a line of configuration. [`sentence`] is the wire format alone, for whoever plays the
//! router's side.

mod api;
pub mod challenge;
pub mod connection;
pub mod error;
pub mod menus;
pub mod query;
mod rest;
pub mod row;
pub mod sentence;
mod tls;
pub mod transport;
pub mod values;

pub use api::{Change, Listener};
pub use connection::{Connection, Print};
pub use error::{Error, Trap, TrapKind};
pub use query::Query;
pub use row::{ItemId, Reply, Row};
pub use transport::{Credentials, Endpoint, Protocol, Secret, Timeouts, Tls, fingerprint};
