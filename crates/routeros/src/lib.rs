//! Clients for MikroTik RouterOS: the binary API and REST, behind one connection. No product rules.

pub mod sentence;
pub mod values;
