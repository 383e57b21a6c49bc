//! RADIUS packets, attributes and authenticators. No product rules.
//!
//! Bytes come in through [`Packet::parse`], which borrows them and decides nothing about trust;
//! [`Packet::verify_request`] and [`Packet::verify_reply`] do that and return types that say so.
//! Bytes go out through a [`Draft`], which cannot outgrow a packet, puts the
//! Message-Authenticator first and is sealed exactly once.
//!
//! Nothing here opens a socket, reads a clock or draws a random number: authenticators and salts
//! come in as arguments, and must be unpredictable.

pub mod accounting;
pub mod attribute;
pub mod authenticator;
pub mod chap;
pub mod coa;
mod code;
pub mod credentials;
pub mod dictionary;
mod draft;
pub mod eap;
pub mod format;
pub mod mppe;
pub mod mschap;
mod packet;
pub mod password;
mod secret;
pub mod vendor;

pub use attribute::{Attribute, AttributeId};
pub use authenticator::{Signature, Untrusted, VerifiedReply, VerifiedRequest};
pub use coa::ErrorCause;
pub use code::Code;
pub use credentials::Credentials;
pub use draft::{Draft, EncodeError, Sealed};
pub use packet::{MAXIMUM_LENGTH, Malformed, Packet, UNFRAGMENTED_LENGTH};
pub use secret::{ClearText, EmptySecret, Secret};
