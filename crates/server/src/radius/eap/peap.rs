//! What is said inside PEAP (draft-kamath-pppext-peapv0, [MS-PEAP]): a name, MSCHAPv2
//! (draft-kamath-pppext-eap-mschapv2), and at the end a result that TLS protects.
//!
//! Version 0 leaves the header of inner packets out, except of extensions (method 33).

use lango_radius::eap::Malformed;
use lango_radius::mschap::{MsChap2, Reason};

use super::account::{Account, name};
use super::inner::Reply;
use super::random;
use super::refusal::Refusal;

const IDENTITY: u8 = 1;
const NAK: u8 = 3;
const MS_CHAP2: u8 = 26;
const EXTENSIONS: u8 = 33;

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;

const CHALLENGE: u8 = 1;
const ANSWER: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;

/// The name by which a device may know the server; it counts for nothing.
const OUR_NAME: &[u8] = b"lango";

/// How far the inner conversation is.
pub(super) enum Peap {
    /// The tunnel was just made.
    Begin,
    /// The device was asked for its name.
    AskedIdentity,
    /// It was asked to prove that it knows the password.
    Challenged { name: String, challenge: [u8; 16] },
    /// It answered; the account is being looked up.
    Deciding { name: String, answer: Answer },
    /// It was told how the password was.
    Told(Result<String, Refusal>),
    /// It was told how the login ends.
    Concluded(Result<String, Refusal>),
    /// Nothing more is to be said.
    Over,
}

/// An answer by MSCHAPv2.
pub(super) struct Answer {
    identifier: u8,
    challenge: [u8; 16],
    peer_challenge: [u8; 16],
    nt_response: [u8; 24],
    /// The name that the device used in its arithmetic, with or without a domain.
    name: Vec<u8>,
}

impl Peap {
    /// What is to be said after the device said this. The request that says it will have this
    /// identifier.
    pub(super) fn turn(&mut self, said: &[u8], identifier: u8) -> Result<Reply, Refusal> {
        match std::mem::replace(self, Peap::Over) {
            Peap::Begin if said.is_empty() => {
                *self = Peap::AskedIdentity;
                Ok(Reply::Say(vec![IDENTITY]))
            }
            Peap::AskedIdentity => {
                let name = name(data_of(said, IDENTITY)?)?;
                let challenge = random();
                *self = Peap::Challenged { name, challenge };
                let value = [&[16], &challenge[..], OUR_NAME].concat();
                Ok(Reply::Say(ms_chap2(CHALLENGE, identifier, &value)))
            }
            Peap::Challenged { name, challenge } => {
                let answer = Answer::parse(data_of(said, MS_CHAP2)?, challenge)?;
                *self = Peap::Deciding { name: name.clone(), answer };
                Ok(Reply::LookUp(name))
            }
            Peap::Told(outcome) => self.conclude(outcome, said, identifier),
            Peap::Concluded(outcome) => {
                let name = outcome?;
                let extensions = data_of(said, EXTENSIONS)?;
                match result_of(extensions) {
                    Some(RESULT_SUCCESS) => Ok(Reply::Let(name)),
                    _ => Err(Refusal::DeviceDeclined),
                }
            }
            Peap::Begin | Peap::Deciding { .. } | Peap::Over => {
                Err(Refusal::Unexpected { what: "words inside PEAP" })
            }
        }
    }

    /// What is to be said when the account is known; nothing if it was not asked for.
    pub(super) fn decide(&mut self, account: Option<&Account>) -> Option<Reply> {
        let (name, answer) = match std::mem::replace(self, Peap::Over) {
            Peap::Deciding { name, answer } => (name, answer),
            other => {
                *self = other;
                return None;
            }
        };
        let answer = answer.as_ms_chap2();
        let verified = account
            .ok_or(Refusal::UnknownAccount)
            .and_then(|account| account.verify_ms_chap2(answer));
        let (opcode, value, outcome) = match verified {
            Ok(verified) => {
                let proof = [&verified.authenticator_response()[..], b" M=OK"].concat();
                (SUCCESS, proof, Ok(name))
            }
            Err(refusal) => {
                let text = answer.refusal(
                    Reason::AuthenticationFailure,
                    &random(),
                    "Name or password is wrong",
                );
                // Without the identifier, which EAP carries elsewhere.
                (FAILURE, text[1..].to_vec(), Err(refusal))
            }
        };
        *self = Peap::Told(outcome);
        // The identifier of the challenge is repeated (draft-kamath-pppext-eap-mschapv2 §2.3).
        Some(Reply::Say(ms_chap2(opcode, answer.identifier, &value)))
    }

    /// A device that was told of its failure may say what it likes; one that was told of its
    /// success must say that it believes our proof.
    fn conclude(
        &mut self,
        outcome: Result<String, Refusal>,
        said: &[u8],
        identifier: u8,
    ) -> Result<Reply, Refusal> {
        if outcome.is_ok() && data_of(said, MS_CHAP2)?.first() != Some(&SUCCESS) {
            return Err(Refusal::DeviceDeclined);
        }
        let status = if outcome.is_ok() { RESULT_SUCCESS } else { RESULT_FAILURE };
        *self = Peap::Concluded(outcome);
        Ok(Reply::Say(result(status, identifier)))
    }
}

impl Answer {
    /// Opcode, identifier, length, the value with its own length, the name.
    fn parse(data: &[u8], challenge: [u8; 16]) -> Result<Answer, Refusal> {
        let malformed = Refusal::Malformed(Malformed::MethodData { method: MS_CHAP2 });
        let parse = || {
            let (&[opcode, identifier, _, _, length], rest) = data.split_first_chunk::<5>()?;
            let (value, name) = rest.split_first_chunk::<49>()?;
            let (peer_challenge, value) = value.split_first_chunk::<16>()?;
            let (_reserved, value) = value.split_first_chunk::<8>()?;
            let (nt_response, _flags) = value.split_first_chunk::<24>()?;
            (opcode == ANSWER && length == 49).then(|| Answer {
                identifier,
                challenge,
                peer_challenge: *peer_challenge,
                nt_response: *nt_response,
                name: name.to_vec(),
            })
        };
        parse().ok_or(malformed)
    }

    fn as_ms_chap2(&self) -> MsChap2<'_> {
        MsChap2 {
            identifier: self.identifier,
            user_name: &self.name,
            authenticator_challenge: &self.challenge,
            peer_challenge: &self.peer_challenge,
            nt_response: &self.nt_response,
        }
    }
}

/// A request of MSCHAPv2. Its values are far shorter than a length can say.
fn ms_chap2(opcode: u8, identifier: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    [&[MS_CHAP2, opcode, identifier], &length.to_be_bytes()[..], value].concat()
}

/// The type of the result, which must be understood (bit 0x8000).
const RESULT: u16 = 3;
const RESULT_SUCCESS: u16 = 1;
const RESULT_FAILURE: u16 = 2;

/// An extension with a result, with the header that only extensions have ([MS-PEAP] §2.2.8.1.2).
fn result(status: u16, identifier: u8) -> Vec<u8> {
    let mut packet = vec![REQUEST, identifier, 0, 11, EXTENSIONS, 0x80, RESULT as u8, 0, 2];
    packet.extend(status.to_be_bytes());
    packet
}

/// The status of the result among extensions.
fn result_of(mut extensions: &[u8]) -> Option<u16> {
    loop {
        let (&[high, low, length_high, length_low], rest) = extensions.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let (value, rest) = rest.split_at_checked(length)?;
        if u16::from_be_bytes([high, low]) & 0x3fff == RESULT {
            return value.try_into().ok().map(u16::from_be_bytes);
        }
        extensions = rest;
    }
}

/// What an inner answer by a method carries, with or without a header: devices differ in whether
/// they leave it out.
fn data_of(said: &[u8], wanted: u8) -> Result<&[u8], Refusal> {
    let packet = match said {
        [RESPONSE, _, high, low, rest @ ..]
            if usize::from(u16::from_be_bytes([*high, *low])) == said.len() =>
        {
            rest
        }
        _ => said,
    };
    match packet.split_first() {
        Some((&number, data)) if number == wanted => Ok(data),
        Some((&NAK, wanted)) => Err(Refusal::NoCommonInnerMethod { wanted: wanted.into() }),
        Some(_) => Err(Refusal::Unexpected { what: "another inner method" }),
        None => Err(Refusal::Unexpected { what: "nothing inside PEAP" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_found_among_other_extensions() {
        let binding = [&[0, 12, 0, 56][..], &[7; 56]].concat();
        let both = [&binding[..], &[0x80, 3, 0, 2, 0, 1]].concat();
        assert_eq!(result_of(&both), Some(RESULT_SUCCESS));
        assert_eq!(result_of(&result(RESULT_FAILURE, 9)[5..]), Some(RESULT_FAILURE));
        for bad in [&b""[..], &binding, &[0x80, 3, 0, 9, 0, 1], &[0x80, 3, 0, 1, 1], &[0x80, 3]] {
            assert_eq!(result_of(bad), None);
        }
    }

    #[test]
    fn an_inner_packet_is_read_with_and_without_its_header() {
        assert_eq!(data_of(b"\x01bob", IDENTITY).unwrap(), b"bob");
        assert_eq!(data_of(b"\x02\x07\x00\x08\x01bob", IDENTITY).unwrap(), b"bob");
        match data_of(&[NAK, 6, 4], MS_CHAP2) {
            Err(Refusal::NoCommonInnerMethod { wanted }) => assert_eq!(wanted, [6, 4]),
            other => panic!("{other:?}"),
        }
        assert!(data_of(b"", IDENTITY).is_err());
    }

    #[test]
    fn an_answer_by_mschapv2_has_its_one_form() {
        let answer = |opcode, length| {
            [&[opcode, 7, 0, 57, length][..], &[1; 16], &[0; 8], &[2; 24], &[0], b"bob"].concat()
        };
        let read = Answer::parse(&answer(ANSWER, 49), [9; 16]).unwrap();
        assert_eq!((read.identifier, read.name.as_slice()), (7, &b"bob"[..]));
        assert_eq!((read.peer_challenge, read.nt_response), ([1; 16], [2; 24]));
        assert!(Answer::parse(&answer(SUCCESS, 49), [9; 16]).is_err());
        assert!(Answer::parse(&answer(ANSWER, 48), [9; 16]).is_err());
        assert!(Answer::parse(&answer(ANSWER, 49)[..53], [9; 16]).is_err());
    }
}
