//! Shared secrets and clear-text passwords: values that never show themselves and are compared
//! in constant time.

use std::fmt;

use subtle::ConstantTimeEq;

/// The secret that a NAS and this server share.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

/// A shared secret was empty: anybody could then forge every packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the RADIUS shared secret is empty; set at least 16 random characters for this NAS")]
pub struct EmptySecret;

impl Secret {
    /// The length below which a secret is to be replaced (RFC 2865 §3 asks for 16 octets).
    pub const STRONG_LENGTH: usize = 16;

    /// Takes a secret, which must have at least one octet.
    pub fn new(octets: impl Into<Vec<u8>>) -> Result<Secret, EmptySecret> {
        let octets = octets.into();
        if octets.is_empty() { Err(EmptySecret) } else { Ok(Secret(octets.into_boxed_slice())) }
    }

    /// Whether the secret is short enough to be found by trying: worth a warning.
    pub fn is_weak(&self) -> bool {
        self.0.len() < Secret::STRONG_LENGTH
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A password in the clear, or a key that came out of hiding.
#[derive(Clone)]
pub struct ClearText(Vec<u8>);

impl ClearText {
    pub(crate) fn new(octets: Vec<u8>) -> ClearText {
        ClearText(octets)
    }

    /// The octets themselves, for a hash or a comparison elsewhere.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is `expected`, without telling by its duration how much of it matched.
    pub fn matches(&self, expected: &[u8]) -> bool {
        equal_in_constant_time(&self.0, expected)
    }
}

impl fmt::Debug for ClearText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClearText(..)")
    }
}

/// Compares without leaving early. The length itself is no secret here.
pub(crate) fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_must_exist_and_never_shows_itself() {
        assert_eq!(Secret::new("").unwrap_err(), EmptySecret);
        let secret = Secret::new("testing123").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert!(secret.is_weak());
        assert!(!Secret::new("sixteen octets!!").unwrap().is_weak());
    }

    #[test]
    fn a_password_matches_only_itself() {
        let password = ClearText::new(b"arctangent".to_vec());
        assert!(password.matches(b"arctangent"));
        for wrong in [&b"arctangenT"[..], b"arctangen", b"arctangent ", b""] {
            assert!(!password.matches(wrong));
        }
        assert_eq!(format!("{password:?}"), "ClearText(..)");
    }
}
