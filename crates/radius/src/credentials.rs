//! By what an Access-Request wants to prove who its user is.

use crate::attribute::AttributeId;
use crate::authenticator::VerifiedRequest;
use crate::chap::Chap;
use crate::dictionary::{
    CHAP_CHALLENGE, CHAP_PASSWORD, EAP_MESSAGE, MS_CHAP_RESPONSE, MS_CHAP2_RESPONSE, USER_PASSWORD,
};
use crate::secret::{ClearText, Secret};

/// The one proof that an Access-Request carries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials<'a> {
    /// A password in the clear, brought out of hiding.
    Password(ClearText),
    /// An answer to a CHAP challenge.
    Chap(Chap<'a>),
    /// MS-CHAP or MS-CHAPv2, which this crate does not check.
    MsChap,
    /// A piece of an EAP conversation.
    Eap,
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
}

impl<'a> Credentials<'a> {
    /// Reads the proof from a request.
    pub fn of(
        request: &VerifiedRequest<'a>,
        secret: &Secret,
    ) -> Result<Credentials<'a>, UnusableCredentials> {
        let has = |id| request.first(id).is_some();
        let ms_chap = has(MS_CHAP_RESPONSE.id()) || has(MS_CHAP2_RESPONSE.id());
        let kinds =
            [has(USER_PASSWORD.id()), has(CHAP_PASSWORD.id()), ms_chap, has(EAP_MESSAGE.id())];
        match kinds {
            [false, false, false, false] => Ok(Credentials::Absent),
            [true, false, false, false] => request
                .reveal(USER_PASSWORD, secret)
                .map(Credentials::Password)
                .ok_or(UnusableCredentials::Malformed { id: USER_PASSWORD.id() }),
            [false, true, false, false] => chap(request),
            [false, false, true, false] => Ok(Credentials::MsChap),
            [false, false, false, true] => Ok(Credentials::Eap),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chap;
    use crate::draft::Draft;

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

    #[test]
    fn two_kinds_at_once_are_refused() {
        seen(
            |draft| {
                draft.hide(USER_PASSWORD, &secret(), b"pw").unwrap();
                draft.put(CHAP_PASSWORD, &[1; 17]).unwrap();
            },
            |seen| assert_eq!(seen.unwrap_err(), UnusableCredentials::SeveralKinds),
        );
        seen(
            |draft| {
                draft.hide(USER_PASSWORD, &secret(), b"pw").unwrap();
                draft.put(EAP_MESSAGE, &[2, 1, 0, 5, 1]).unwrap();
            },
            |seen| assert_eq!(seen.unwrap_err(), UnusableCredentials::SeveralKinds),
        );
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
