//! CHAP as RADIUS carries it (RFC 2865 §2.2 and §5.3, RFC 1994 §4.1).
//!
//! Checking one needs the password in the clear, and whoever saw the packet can try passwords
//! against it.

use md5::{Digest, Md5};

use crate::secret::equal_in_constant_time;

/// A user's answer to a challenge, as an Access-Request carries it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Chap<'a> {
    /// The identifier of the exchange between user and NAS.
    pub identifier: u8,
    /// The answer.
    pub digest: &'a [u8; 16],
    /// CHAP-Challenge if the packet has one, else its Request Authenticator.
    pub challenge: &'a [u8],
}

impl<'a> Chap<'a> {
    /// Takes apart the value of CHAP-Password, which has 17 octets.
    pub(crate) fn new(password: &'a [u8], challenge: &'a [u8]) -> Option<Chap<'a>> {
        let (identifier, digest) = password.split_first()?;
        Some(Chap { identifier: *identifier, digest: digest.try_into().ok()?, challenge })
    }

    /// Whether the user knows this password.
    pub fn verifies(&self, clear: &[u8]) -> bool {
        equal_in_constant_time(&digest(self.identifier, clear, self.challenge), self.digest)
    }
}

/// Hides the answer, against which passwords can be tried.
impl std::fmt::Debug for Chap<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chap").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}

/// The value of CHAP-Password by which a user shows that he knows the password.
pub fn password(identifier: u8, clear: &[u8], challenge: &[u8]) -> [u8; 17] {
    let mut value = [identifier; 17];
    value[1..].copy_from_slice(&digest(identifier, clear, challenge));
    value
}

fn digest(identifier: u8, clear: &[u8], challenge: &[u8]) -> [u8; 16] {
    Md5::new()
        .chain_update([identifier])
        .chain_update(clear)
        .chain_update(challenge)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_for_this_challenge_verifies() {
        let value = password(9, b"secret", b"challenge of any length");
        let chap = Chap::new(&value, b"challenge of any length").unwrap();
        assert!(chap.verifies(b"secret"));
        assert!(!chap.verifies(b"Secret"));
        assert!(!Chap::new(&value, b"another challenge").unwrap().verifies(b"secret"));
    }

    #[test]
    fn a_chap_password_has_seventeen_octets() {
        for length in [0, 1, 16, 18] {
            assert_eq!(Chap::new(&vec![0; length], b"challenge"), None);
        }
    }
}
