//! What is known of an account's password, and whether a device knows it too.

use lango_radius::chap::Chap;
use lango_radius::mschap::{Known, MsChap2, NtHash, Verified2};
use subtle::ConstantTimeEq;

use super::refusal::Refusal;

/// What is known of the password of an account that may log in.
#[derive(Clone)]
pub enum Account {
    /// The password itself: every method can be checked.
    ClearText(String),
    /// Its NT hash: everything but CHAP can be checked.
    NtHash(NtHash),
}

impl Account {
    pub(super) fn verify_password(&self, given: &[u8]) -> Result<(), Refusal> {
        let is_right = match self {
            Account::ClearText(clear) => clear.as_bytes().ct_eq(given).into(),
            Account::NtHash(hash) => std::str::from_utf8(given)
                .is_ok_and(|given| NtHash::of(given).expose().ct_eq(hash.expose()).into()),
        };
        if is_right { Ok(()) } else { Err(Refusal::WrongPassword) }
    }

    pub(super) fn verify_chap(&self, answer: Chap<'_>) -> Result<(), Refusal> {
        match self {
            Account::ClearText(clear) if answer.verifies(clear.as_bytes()) => Ok(()),
            Account::ClearText(_) => Err(Refusal::WrongPassword),
            Account::NtHash(_) => Err(Refusal::NeedsClearText),
        }
    }

    pub(super) fn verify_ms_chap2<'a>(
        &self,
        answer: MsChap2<'a>,
    ) -> Result<Verified2<'a>, Refusal> {
        let known = match self {
            Account::ClearText(clear) => Known::ClearText(clear),
            Account::NtHash(hash) => Known::NtHash(hash),
        };
        answer.verify(known).ok_or(Refusal::WrongPassword)
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Account::ClearText(_) => "ClearText(..)",
            Account::NtHash(_) => "NtHash(..)",
        })
    }
}

/// The longest name: as much as User-Name holds.
pub(super) const LONGEST_NAME: usize = 253;

/// A name for looking an account up: text up to a NUL, behind which RFC 3748 §5.1 allows options.
pub(super) fn name(octets: &[u8]) -> Result<String, Refusal> {
    let text = octets.split(|octet| *octet == 0).next().unwrap_or_default();
    match std::str::from_utf8(text) {
        Ok(text) if !text.is_empty() && text.len() <= LONGEST_NAME => Ok(text.to_owned()),
        _ => Err(Refusal::NoName),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_itself_and_its_hash() {
        for account in
            [Account::ClearText("pässwörd".into()), Account::NtHash(NtHash::of("pässwörd"))]
        {
            assert!(account.verify_password("pässwörd".as_bytes()).is_ok());
            for wrong in ["passwörd", "", "pässwörd "] {
                assert!(account.verify_password(wrong.as_bytes()).is_err());
            }
            assert!(account.verify_password(&[0xff, 0xfe]).is_err());
            assert!(!format!("{account:?}").contains("wörd"));
        }
    }

    #[test]
    fn a_name_is_text_up_to_a_nul() {
        assert_eq!(name(b"bob").unwrap(), "bob");
        assert_eq!(name(b"bob\0options=1").unwrap(), "bob");
        for bad in [&b""[..], b"\0bob", b"\xff", &[b'x'; 254]] {
            assert!(matches!(name(bad), Err(Refusal::NoName)));
        }
    }
}
