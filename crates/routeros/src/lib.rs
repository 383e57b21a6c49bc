//! Clients for MikroTik RouterOS: the binary API and REST, behind one connection. No product rules.

pub mod challenge;
pub mod error;
pub mod query;
pub mod row;
pub mod sentence;
pub mod values;

pub use error::{Error, Trap, TrapKind};
pub use query::Query;
pub use row::{ItemId, Reply, Row};
