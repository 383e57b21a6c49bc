//! What a NAS says to a Disconnect-Request or a CoA-Request (RFC 5176).
//!
//! Owns the meaning of the codes on the wire. That RouterOS says "unsupported extension" when the
//! session is gone is knowledge about a NAS and belongs to the caller.

use std::fmt;

use crate::authenticator::VerifiedReply;
use crate::code::Code;
use crate::dictionary;

/// Why a NAS refused (RFC 5176 §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCause {
    /// The session was gone but traces of it are removed now.
    ResidualSessionContextRemoved,
    /// An EAP packet was invalid.
    InvalidEapPacket,
    /// The request has an attribute that the NAS does not take.
    UnsupportedAttribute,
    /// An attribute is missing that the NAS needs.
    MissingAttribute,
    /// The request names another NAS.
    NasIdentificationMismatch,
    /// The request is wrong in some other way.
    InvalidRequest,
    /// The NAS does not offer the service.
    UnsupportedService,
    /// The NAS does not do this at all.
    UnsupportedExtension,
    /// An attribute has a value that the NAS does not take.
    InvalidAttributeValue,
    /// The NAS is told not to.
    AdministrativelyProhibited,
    /// A proxy knows no way to the NAS.
    RequestNotRoutable,
    /// No session has these identifiers.
    SessionContextNotFound,
    /// The session is there and cannot be removed.
    SessionContextNotRemovable,
    /// A proxy failed.
    OtherProxyProcessingError,
    /// The NAS is short of something; worth another try.
    ResourcesUnavailable,
    /// The NAS has begun and will ask for authorization.
    RequestInitiated,
    /// Several sessions match and the NAS takes one only.
    MultipleSessionSelectionUnsupported,
    /// A cause that has no name here.
    Other(u32),
}

const NAMES: &[(u32, ErrorCause, &str)] = {
    use ErrorCause::*;
    &[
        (201, ResidualSessionContextRemoved, "Residual-Session-Context-Removed"),
        (202, InvalidEapPacket, "Invalid-EAP-Packet"),
        (401, UnsupportedAttribute, "Unsupported-Attribute"),
        (402, MissingAttribute, "Missing-Attribute"),
        (403, NasIdentificationMismatch, "NAS-Identification-Mismatch"),
        (404, InvalidRequest, "Invalid-Request"),
        (405, UnsupportedService, "Unsupported-Service"),
        (406, UnsupportedExtension, "Unsupported-Extension"),
        (407, InvalidAttributeValue, "Invalid-Attribute-Value"),
        (501, AdministrativelyProhibited, "Administratively-Prohibited"),
        (502, RequestNotRoutable, "Request-Not-Routable"),
        (503, SessionContextNotFound, "Session-Context-Not-Found"),
        (504, SessionContextNotRemovable, "Session-Context-Not-Removable"),
        (505, OtherProxyProcessingError, "Other-Proxy-Processing-Error"),
        (506, ResourcesUnavailable, "Resources-Unavailable"),
        (507, RequestInitiated, "Request-Initiated"),
        (508, MultipleSessionSelectionUnsupported, "Multiple-Session-Selection-Unsupported"),
    ]
};

impl ErrorCause {
    /// The cause for a number; every number is one.
    pub fn from_number(number: u32) -> ErrorCause {
        NAMES
            .iter()
            .find(|(known, _, _)| *known == number)
            .map_or(ErrorCause::Other(number), |(_, cause, _)| *cause)
    }

    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            ErrorCause::Other(number) => number,
            named => NAMES
                .iter()
                .find(|(_, cause, _)| *cause == named)
                .map_or(0, |(number, _, _)| *number),
        }
    }
}

impl fmt::Display for ErrorCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, cause, _)| cause == self) {
            Some((number, _, name)) => write!(f, "{name} ({number})"),
            None => write!(f, "Error-Cause {}", self.number()),
        }
    }
}

/// What became of a Disconnect-Request or a CoA-Request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Acknowledged,
    /// Not done. Some NASes give no cause.
    Refused(Option<ErrorCause>),
}

/// Reads the outcome from the reply to a Disconnect-Request or CoA-Request; nothing if the reply
/// is of another kind. A Protocol-Error is a refusal.
pub fn outcome(reply: &VerifiedReply<'_>) -> Option<Outcome> {
    match reply.code() {
        Code::DisconnectAck | Code::CoaAck => Some(Outcome::Acknowledged),
        Code::DisconnectNak | Code::CoaNak | Code::ProtocolError => {
            Some(Outcome::Refused(reply.read(dictionary::ERROR_CAUSE).map(ErrorCause::from_number)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives() {
        for number in (0..=600).chain([u32::MAX]) {
            assert_eq!(ErrorCause::from_number(number).number(), number);
        }
    }

    #[test]
    fn causes_say_name_and_number() {
        let cause = ErrorCause::from_number(503);
        assert_eq!(cause.to_string(), "Session-Context-Not-Found (503)");
        assert_eq!(ErrorCause::Other(299).to_string(), "Error-Cause 299");
    }
}
