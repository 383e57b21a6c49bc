//! By what an Access-Request wants to prove who its user is.

use crate::attribute::AttributeId;
use crate::authenticator::VerifiedRequest;
use crate::chap::Chap;
use crate::dictionary::{
    CHAP_CHALLENGE, CHAP_PASSWORD, MS_CHAP_CHALLENGE, MS_CHAP_RESPONSE, MS_CHAP2_RESPONSE,
    USER_NAME, USER_PASSWORD,
};
use crate::eap;
use crate::mschap::{MsChap1, MsChap2};
use crate::secret::{ClearText, Secret};

/// The one proof that an Access-Request carries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials<'a> {
    /// A password in the clear, brought out of hiding.
    Password(ClearText),
    /// An answer to a CHAP challenge.
    Chap(Chap<'a>),
    /// An answer to a challenge of MS-CHAP version 1.
    MsChap1(MsChap1<'a>),
    /// An answer to a challenge of MS-CHAP version 2.
    MsChap2(MsChap2<'a>),
    /// A piece of an EAP conversation.
    Eap(eap::Message<'a>),
    /// None, as when a NAS asks whether a call is to be taken.
    Absent,
}

/// Why the proof cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableCredentials {
    /// More than one, which RFC 2865 §4.1 and RFC 3579 §3.1 forbid.
    #[error("dropped an Access-Request that carries more than one kind of credentials")]
    SeveralKinds,
    /// One whose octets do not have its format.
    #[error("dropped an Access-Request whose {id} is malformed")]
    Malformed {
        /// Which attribute.
        id: AttributeId,
    },
    /// One that cannot be checked without another attribute.
    #[error("dropped an Access-Request that carries {id} without {missing}")]
    Incomplete {
        /// Which attribute came.
        id: AttributeId,
        /// Which attribute did not.
        missing: AttributeId,
    },
}

impl<'a> Credentials<'a> {
    /// Reads the proof from a request.
    pub fn of(
        request: &VerifiedRequest<'a>,
        secret: &Secret,
    ) -> Result<Credentials<'a>, UnusableCredentials> {
        let has = |id| request.first(id).is_some();
        let kinds = [
            has(USER_PASSWORD.id()),
            has(CHAP_PASSWORD.id()),
            has(MS_CHAP_RESPONSE.id()),
            has(MS_CHAP2_RESPONSE.id()),
        ];
        match (kinds, eap::Message::of(request)) {
            ([false, false, false, false], None) => Ok(Credentials::Absent),
            ([false, false, false, false], Some(message)) => Ok(Credentials::Eap(message)),
            ([true, false, false, false], None) => request
                .reveal(USER_PASSWORD, secret)
                .map(Credentials::Password)
                .ok_or(UnusableCredentials::Malformed { id: USER_PASSWORD.id() }),
            ([false, true, false, false], None) => chap(request),
            ([false, false, true, false], None) => ms_chap1(request),
            ([false, false, false, true], None) => ms_chap2(request),
            _ => Err(UnusableCredentials::SeveralKinds),
        }
    }
}

/// The challenge is CHAP-Challenge if there is one, of whatever length, else the Request
/// Authenticator (RFC 2865 §5.3).
fn chap<'a>(request: &VerifiedRequest<'a>) -> Result<Credentials<'a>, UnusableCredentials> {
    let challenge = request.read(CHAP_CHALLENGE).unwrap_or(request.authenticator());
    request
        .read(CHAP_PASSWORD)
        .and_then(|password| Chap::new(password, challenge))
        .map(Credentials::Chap)
        .ok_or(UnusableCredentials::Malformed { id: CHAP_PASSWORD.id() })
}

fn ms_chap1<'a>(request: &VerifiedRequest<'a>) -> Result<Credentials<'a>, UnusableCredentials> {
    let id = MS_CHAP_RESPONSE.id();
    let challenge = ms_chap_challenge(request, id)?;
    request
        .first(id)
        .and_then(|response| MsChap1::parse(response, challenge))
        .map(Credentials::MsChap1)
        .ok_or(UnusableCredentials::Malformed { id })
}

/// The name goes into the answer: without it, nothing can be checked.
fn ms_chap2<'a>(request: &VerifiedRequest<'a>) -> Result<Credentials<'a>, UnusableCredentials> {
    let id = MS_CHAP2_RESPONSE.id();
    let challenge = ms_chap_challenge(request, id)?;
    let missing = USER_NAME.id();
    let name = request.first(missing).ok_or(UnusableCredentials::Incomplete { id, missing })?;
    request
        .first(id)
        .and_then(|response| MsChap2::parse(response, challenge, without_nul(name)))
        .map(Credentials::MsChap2)
        .ok_or(UnusableCredentials::Malformed { id })
}

/// The challenge for the response `id`, 8 octets or 16 by version.
fn ms_chap_challenge<'a, const LENGTH: usize>(
    request: &VerifiedRequest<'a>,
    id: AttributeId,
) -> Result<&'a [u8; LENGTH], UnusableCredentials> {
    let missing = MS_CHAP_CHALLENGE.id();
    request
        .first(missing)
        .ok_or(UnusableCredentials::Incomplete { id, missing })?
        .try_into()
        .map_err(|_| UnusableCredentials::Malformed { id: missing })
}

/// A NUL that a NAS appended was not part of the name that the user answered for.
fn without_nul(name: &[u8]) -> &[u8] {
    let length = name.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    &name[..length]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::EAP_MESSAGE;
    use crate::draft::Draft;
    use crate::mschap::{Known, response1, response2};
    use crate::packet::Packet;
    use crate::{authenticator, chap};
    use hmac::Mac;

    fn secret() -> Secret {
        Secret::new("testing123").unwrap()
    }

    /// What the server makes of a request that `fill` filled.
    fn seen(
        fill: impl FnOnce(&mut Draft),
        judge: impl FnOnce(Result<Credentials<'_>, UnusableCredentials>),
    ) {
        let mut draft = Draft::access_request(1, [7; 16]);
        fill(&mut draft);
        let sealed = draft.seal(&secret());
        let request = sealed.packet().verify_request(&secret()).unwrap();
        judge(Credentials::of(&request, &secret()));
    }

    #[test]
    fn a_chap_challenge_comes_before_the_authenticator() {
        seen(
            |draft| {
                let password = chap::password(3, b"pw", b"eight!!!");
                draft.put(CHAP_PASSWORD, &password).unwrap();
                draft.put(CHAP_CHALLENGE, b"eight!!!").unwrap();
            },
            |credentials| match credentials.unwrap() {
                Credentials::Chap(chap) => assert!(chap.verifies(b"pw")),
                other => panic!("{other:?}"),
            },
        );
    }

    #[test]
    fn without_a_challenge_the_authenticator_is_the_challenge() {
        seen(
            |draft| draft.put(CHAP_PASSWORD, &chap::password(3, b"pw", &[7; 16])).unwrap(),
            |credentials| match credentials.unwrap() {
                Credentials::Chap(chap) => assert!(chap.verifies(b"pw")),
                other => panic!("{other:?}"),
            },
        );
    }

    const KNOWN: Known<'static> = Known::ClearText("pw");

    fn put_ms_chap1(draft: &mut Draft) {
        draft.put(MS_CHAP_CHALLENGE, b"eight!!!").unwrap();
        draft.put(MS_CHAP_RESPONSE, &response1(3, KNOWN, b"eight!!!")).unwrap();
    }

    fn put_ms_chap2(draft: &mut Draft) {
        let response = response2(3, KNOWN, b"bob", &[8; 16], &[9; 16]);
        draft.put(MS_CHAP_CHALLENGE, &[8; 16]).unwrap();
        draft.put(MS_CHAP2_RESPONSE, &response).unwrap();
    }

    #[test]
    fn both_versions_of_ms_chap_are_told_apart() {
        seen(put_ms_chap1, |seen| match seen.unwrap() {
            Credentials::MsChap1(answer) => assert!(answer.verify(KNOWN).is_some()),
            other => panic!("{other:?}"),
        });
        for name in [&b"bob"[..], b"OFFICE\\bob", b"bob\0"] {
            seen(
                |draft| {
                    draft.put_octets(USER_NAME.id(), name).unwrap();
                    put_ms_chap2(draft);
                },
                |seen| match seen.unwrap() {
                    Credentials::MsChap2(answer) => assert!(answer.verify(KNOWN).is_some()),
                    other => panic!("{other:?}"),
                },
            );
        }
    }

    #[test]
    fn ms_chap_needs_a_challenge_of_its_version_and_the_second_a_name() {
        let id = MS_CHAP_RESPONSE.id();
        let missing = MS_CHAP_CHALLENGE.id();
        seen(
            |draft| draft.put(MS_CHAP_RESPONSE, &[1; 50]).unwrap(),
            |seen| {
                let expected = UnusableCredentials::Incomplete { id, missing };
                assert_eq!(seen.unwrap_err(), expected);
            },
        );
        seen(
            |draft| {
                draft.put(MS_CHAP_CHALLENGE, &[1; 16]).unwrap();
                draft.put(MS_CHAP_RESPONSE, &[1; 50]).unwrap();
            },
            |seen| {
                let expected = UnusableCredentials::Malformed { id: missing };
                assert_eq!(seen.unwrap_err(), expected);
            },
        );
        seen(
            |draft| {
                draft.put(MS_CHAP_CHALLENGE, &[1; 8]).unwrap();
                draft.put(MS_CHAP_RESPONSE, &[1; 49]).unwrap();
            },
            |seen| assert_eq!(seen.unwrap_err(), UnusableCredentials::Malformed { id }),
        );
        seen(put_ms_chap2, |seen| {
            let (id, missing) = (MS_CHAP2_RESPONSE.id(), USER_NAME.id());
            let expected = UnusableCredentials::Incomplete { id, missing };
            assert_eq!(seen.unwrap_err(), expected);
        });
    }

    #[test]
    fn eap_is_put_together_in_its_order() {
        let packet: Vec<u8> = [&[2, 1, 2, 0, 1][..], &[b'x'; 507]].concat();
        seen(
            |draft| {
                draft.put_eap(&packet).unwrap();
                draft.put(USER_NAME, "bob").unwrap();
            },
            |seen| match seen.unwrap() {
                Credentials::Eap(message) => {
                    assert_eq!(message.octets(), packet);
                    assert!(message.packet().is_ok() && !message.is_start());
                }
                other => panic!("{other:?}"),
            },
        );
    }

    /// RFC 3579 §2.1: an EAP-Message without octets asks the server to begin.
    #[test]
    fn an_empty_eap_message_is_a_start_and_not_nothing() {
        let mut draft = Draft::access_request(1, [7; 16]);
        draft.put(EAP_MESSAGE, b"x").unwrap();
        let mut octets = draft.seal(&secret()).into_octets();
        octets.truncate(40);
        octets[3] = 40;
        octets[39] = 2;
        let octets = resigned(octets);
        let request = Packet::parse(&octets).unwrap().verify_request(&secret()).unwrap();
        match Credentials::of(&request, &secret()).unwrap() {
            Credentials::Eap(message) => assert!(message.is_start()),
            other => panic!("{other:?}"),
        }
    }

    /// The packet with the Message-Authenticator, which is its first attribute, computed anew.
    fn resigned(mut octets: Vec<u8>) -> Vec<u8> {
        let signature = authenticator::signing(&octets, &[7; 16], 22, &secret()).finalize();
        octets[22..38].copy_from_slice(&signature.into_bytes());
        octets
    }

    #[test]
    fn two_kinds_at_once_are_refused() {
        let kinds: [fn(&mut Draft); 5] = [
            |draft| draft.hide(USER_PASSWORD, &secret(), b"pw").unwrap(),
            |draft| draft.put(CHAP_PASSWORD, &[1; 17]).unwrap(),
            put_ms_chap1,
            put_ms_chap2,
            |draft| draft.put_eap(&[2, 1, 0, 5, 1]).unwrap(),
        ];
        for (place, one) in kinds.iter().enumerate() {
            for other in &kinds[place + 1..] {
                seen(
                    |draft| {
                        one(draft);
                        other(draft);
                    },
                    |seen| assert_eq!(seen.unwrap_err(), UnusableCredentials::SeveralKinds),
                );
            }
        }
    }

    #[test]
    fn a_short_chap_password_is_malformed_and_none_is_absent() {
        seen(
            |draft| draft.put(CHAP_PASSWORD, &[1; 16]).unwrap(),
            |seen| {
                let expected = UnusableCredentials::Malformed { id: CHAP_PASSWORD.id() };
                assert_eq!(seen.unwrap_err(), expected);
            },
        );
        seen(|_| (), |seen| assert!(matches!(seen, Ok(Credentials::Absent))));
    }
}
