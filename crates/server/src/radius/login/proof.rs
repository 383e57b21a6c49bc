//! Whether what somebody presents is what he was given. Passwords are kept so that CHAP, which
//! needs them in the clear, works: the hotspot's default.

use super::decision::Refusal;
use super::password;
use lango_domain::access::Access;
use lango_domain::mac_address::MacAddress;
use lango_radius::dictionary::{
    MS_CHAP_ERROR, MS_MPPE_ENCRYPTION_POLICY, MS_MPPE_ENCRYPTION_TYPES,
};
use lango_radius::mppe::{ENCRYPTION_TYPES, Policy};
use lango_radius::mschap::{Known, Reason, Verified1, Verified2};
use lango_radius::{Credentials, Draft, EncodeError, Secret};

/// A proof that holds, with what the answer owes to it.
pub(super) enum Proof<'r> {
    /// The device itself is known.
    Device,
    /// A password, in the clear or as CHAP.
    Password,
    /// MS-CHAP: the answer carries keys.
    MsChap1(Verified1),
    /// MS-CHAPv2: the answer proves that we know the password too.
    MsChap2(Verified2<'r>),
}

impl<'r> Proof<'r> {
    /// Checks what was presented against what was given.
    pub(super) fn of(credentials: &Credentials<'r>, access: &Access) -> Option<Proof<'r>> {
        Proof::by(credentials, password(access)?)
    }

    /// Checks what was presented against a password.
    pub(super) fn by(credentials: &Credentials<'r>, given: &str) -> Option<Proof<'r>> {
        match credentials {
            Credentials::Password(clear) => {
                is_password(clear.expose(), given).then_some(Proof::Password)
            }
            Credentials::Chap(chap) => chap.verifies(given.as_bytes()).then_some(Proof::Password),
            Credentials::MsChap1(answer) => {
                answer.verify(Known::ClearText(given)).map(Proof::MsChap1)
            }
            Credentials::MsChap2(answer) => {
                answer.verify(Known::ClearText(given)).map(Proof::MsChap2)
            }
            _ => None,
        }
    }

    /// Puts into an Accept what the proof asks for.
    pub(super) fn put_into(&self, draft: &mut Draft, secret: &Secret) -> Result<(), EncodeError> {
        match self {
            Proof::Device | Proof::Password => return Ok(()),
            Proof::MsChap1(verified) => verified.put_into(draft, secret)?,
            Proof::MsChap2(verified) => verified.put_into(draft, secret, fastrand::u16(..))?,
        }
        draft.put(MS_MPPE_ENCRYPTION_POLICY, Policy::Allowed.number())?;
        draft.put(MS_MPPE_ENCRYPTION_TYPES, ENCRYPTION_TYPES)
    }
}

/// Voucher codes are passwords too, and typed like codes.
fn is_password(typed: &[u8], given: &str) -> bool {
    let equal = |left: &[u8]| {
        let left = ring::digest::digest(&ring::digest::SHA256, left);
        let right = ring::digest::digest(&ring::digest::SHA256, given.as_bytes());
        left.as_ref() == right.as_ref()
    };
    let code =
        std::str::from_utf8(typed).ok().and_then(crate::operations::issue_vouchers::read_code);
    equal(typed) || code.is_some_and(|code| equal(code.as_bytes()))
}

/// Whether a device logs in by nothing but its address: no password, or the address again.
pub(super) fn is_device(credentials: &Credentials<'_>, name: &str) -> Option<bool> {
    name.parse::<MacAddress>().ok()?;
    let empty = |octets: &[u8]| octets.is_empty() || octets == name.as_bytes() || octets == b" ";
    Some(match credentials {
        Credentials::Absent => true,
        Credentials::Password(clear) => empty(clear.expose()),
        Credentials::Chap(chap) => {
            chap.verifies(b"") || chap.verifies(name.as_bytes()) || chap.verifies(b" ")
        }
        _ => false,
    })
}

/// Puts into a Reject what PPP shows.
pub(super) fn put_refusal_into(
    draft: &mut Draft,
    credentials: &Credentials<'_>,
    refusal: &Refusal,
    sentence: &str,
) -> Result<(), EncodeError> {
    let reason = match refusal {
        Refusal::Wrong => Reason::AuthenticationFailure,
        Refusal::Ended(_) => Reason::PasswordExpired,
        _ => Reason::AccountDisabled,
    };
    let mut challenge = [0u8; 16];
    fastrand::fill(&mut challenge);
    match credentials {
        Credentials::MsChap1(answer) => {
            let mut short = [0u8; 8];
            short.copy_from_slice(&challenge[..8]);
            draft.put(MS_CHAP_ERROR, &answer.refusal(reason, &short))
        }
        Credentials::MsChap2(answer) => {
            draft.put(MS_CHAP_ERROR, &answer.refusal(reason, &challenge, sentence))
        }
        _ => Ok(()),
    }
}
