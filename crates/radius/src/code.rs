//! What a packet is for: the first octet. Owns which reply answers which request.

use std::fmt;

/// The code of a packet (RFC 2865 §4, RFC 2866 §4, RFC 5176 §2, RFC 5997 §4, RFC 7930 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// A NAS asks whether a user may come in.
    AccessRequest = 1,
    /// Yes, under these conditions.
    AccessAccept = 2,
    /// No.
    AccessReject = 3,
    /// A NAS reports a session.
    AccountingRequest = 4,
    /// The report is recorded.
    AccountingResponse = 5,
    /// One more question before the answer.
    AccessChallenge = 11,
    /// Are you alive?
    StatusServer = 12,
    /// End this session.
    DisconnectRequest = 40,
    /// It has ended.
    DisconnectAck = 41,
    /// It has not; Error-Cause may say why.
    DisconnectNak = 42,
    /// Change this session.
    CoaRequest = 43,
    /// It is changed.
    CoaAck = 44,
    /// It is not; Error-Cause may say why.
    CoaNak = 45,
    /// The request could not be processed at all.
    ProtocolError = 52,
}

impl Code {
    /// The code for an octet, if it is one that this crate speaks.
    pub fn from_octet(octet: u8) -> Option<Code> {
        Some(match octet {
            1 => Code::AccessRequest,
            2 => Code::AccessAccept,
            3 => Code::AccessReject,
            4 => Code::AccountingRequest,
            5 => Code::AccountingResponse,
            11 => Code::AccessChallenge,
            12 => Code::StatusServer,
            40 => Code::DisconnectRequest,
            41 => Code::DisconnectAck,
            42 => Code::DisconnectNak,
            43 => Code::CoaRequest,
            44 => Code::CoaAck,
            45 => Code::CoaNak,
            52 => Code::ProtocolError,
            _ => return None,
        })
    }

    /// The octet on the wire.
    pub fn octet(self) -> u8 {
        self as u8
    }

    /// Whether this opens an exchange.
    pub fn is_request(self) -> bool {
        matches!(
            self,
            Code::AccessRequest
                | Code::AccountingRequest
                | Code::StatusServer
                | Code::DisconnectRequest
                | Code::CoaRequest
        )
    }

    /// Whether a packet with this code may answer `request`.
    pub fn answers(self, request: Code) -> bool {
        use Code::*;
        match self {
            AccessAccept => matches!(request, AccessRequest | StatusServer),
            AccessReject | AccessChallenge => request == AccessRequest,
            AccountingResponse => matches!(request, AccountingRequest | StatusServer),
            DisconnectAck | DisconnectNak => request == DisconnectRequest,
            CoaAck | CoaNak => request == CoaRequest,
            ProtocolError => request.is_request(),
            AccessRequest | AccountingRequest | StatusServer | DisconnectRequest | CoaRequest => {
                false
            }
        }
    }

    /// Whether the request's authenticator is drawn at random, rather than computed over the
    /// packet (RFC 2865 §3, RFC 5997 §3).
    pub(crate) fn has_random_authenticator(self) -> bool {
        matches!(self, Code::AccessRequest | Code::StatusServer)
    }

    /// Whether a draft is signed unless its author says otherwise. Replies to an access request
    /// are the ones that can be forged (CVE-2024-3596); accounting and dynamic authorization are
    /// covered by their own authenticators.
    pub(crate) fn is_signed_by_default(self) -> bool {
        matches!(
            self,
            Code::AccessRequest
                | Code::StatusServer
                | Code::AccessAccept
                | Code::AccessReject
                | Code::AccessChallenge
                | Code::ProtocolError
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Code::AccessRequest => "Access-Request",
            Code::AccessAccept => "Access-Accept",
            Code::AccessReject => "Access-Reject",
            Code::AccountingRequest => "Accounting-Request",
            Code::AccountingResponse => "Accounting-Response",
            Code::AccessChallenge => "Access-Challenge",
            Code::StatusServer => "Status-Server",
            Code::DisconnectRequest => "Disconnect-Request",
            Code::DisconnectAck => "Disconnect-ACK",
            Code::DisconnectNak => "Disconnect-NAK",
            Code::CoaRequest => "CoA-Request",
            Code::CoaAck => "CoA-ACK",
            Code::CoaNak => "CoA-NAK",
            Code::ProtocolError => "Protocol-Error",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_its_octet() {
        let known: Vec<Code> = (0..=255).filter_map(Code::from_octet).collect();
        assert_eq!(known.len(), 14);
        assert!(known.iter().all(|code| Code::from_octet(code.octet()) == Some(*code)));
    }

    #[test]
    fn a_request_never_answers_and_a_reply_is_never_answered() {
        let known: Vec<Code> = (0..=255).filter_map(Code::from_octet).collect();
        for reply in &known {
            let answered: Vec<_> = known.iter().filter(|code| reply.answers(**code)).collect();
            assert_eq!(answered.is_empty(), reply.is_request(), "{reply}");
            assert!(answered.iter().all(|code| code.is_request()), "{reply}");
        }
    }

    #[test]
    fn a_disconnect_is_not_answered_by_a_change() {
        assert!(Code::DisconnectAck.answers(Code::DisconnectRequest));
        assert!(!Code::CoaAck.answers(Code::DisconnectRequest));
    }
}
