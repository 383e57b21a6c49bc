//! Hiding and unhiding values by the shared secret: User-Password (RFC 2865 §5.2) and the salted
//! form of Tunnel-Password and the MPPE keys (RFC 2868 §3.5, RFC 2548 §2.4.2).
//!
//! Hiding is not authentication: unhiding with the wrong secret yields other octets and no error.

use md5::{Digest, Md5};

use crate::secret::{ClearText, Secret};

/// The longest password that can be hidden (RFC 2865 §5.2).
pub const LONGEST_PASSWORD: usize = 128;

/// The longest value that can be hidden with a salt: its length octet and padding must fit into
/// one attribute.
pub const LONGEST_SALTED: usize = 239;

const BLOCK: usize = 16;

/// Hides a password; nothing if it is longer than [`LONGEST_PASSWORD`]. An empty password takes a
/// block of zeros.
pub fn hide(secret: &Secret, request_authenticator: &[u8; 16], clear: &[u8]) -> Option<Vec<u8>> {
    (clear.len() <= LONGEST_PASSWORD).then(|| chain(secret, request_authenticator, padded(clear)))
}

/// Unhides a password; nothing if its length is no multiple of 16 up to 128. The zeros that pad
/// it are gone, and so are zeros that it ended with.
pub fn unhide(
    secret: &Secret,
    request_authenticator: &[u8; 16],
    hidden: &[u8],
) -> Option<ClearText> {
    if hidden.is_empty() || hidden.len() > LONGEST_PASSWORD || !hidden.len().is_multiple_of(BLOCK) {
        return None;
    }
    let mut clear = unchain(secret, request_authenticator, hidden);
    let length = clear.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    clear.truncate(length);
    Some(ClearText::new(clear))
}

/// Hides a value with a salt, whose highest bit is set for the caller. The salt must be unique
/// within its packet. Nothing if the value is longer than [`LONGEST_SALTED`].
pub fn hide_salted(
    secret: &Secret,
    request_authenticator: &[u8; 16],
    salt: u16,
    clear: &[u8],
) -> Option<Vec<u8>> {
    let length = u8::try_from(clear.len()).ok().filter(|_| clear.len() <= LONGEST_SALTED)?;
    let salt = marked(salt).to_be_bytes();
    let start = [&request_authenticator[..], &salt].concat();
    let hidden = chain(secret, &start, padded(&[&[length], clear].concat()));
    Some([&salt[..], &hidden].concat())
}

/// Unhides a salted value (salt first). Nothing if the octets do not add up, which a wrong secret
/// makes likely but not certain.
pub fn unhide_salted(
    secret: &Secret,
    request_authenticator: &[u8; 16],
    hidden: &[u8],
) -> Option<ClearText> {
    let (salt, hidden) = hidden.split_first_chunk::<2>()?;
    if hidden.is_empty() || !hidden.len().is_multiple_of(BLOCK) {
        return None;
    }
    let start = [&request_authenticator[..], salt].concat();
    let clear = unchain(secret, &start, hidden);
    let (length, value) = clear.split_first()?;
    value.get(..usize::from(*length)).map(|value| ClearText::new(value.to_vec()))
}

/// A salt with the bit that RFC 2868 §3.5 wants set.
pub(crate) fn marked(salt: u16) -> u16 {
    salt | 0x8000
}

fn padded(clear: &[u8]) -> Vec<u8> {
    let mut octets = clear.to_vec();
    octets.resize(clear.len().next_multiple_of(BLOCK).max(BLOCK), 0);
    octets
}

/// Each block is masked by a digest of the secret and the hidden block before it.
fn chain(secret: &Secret, start: &[u8], mut octets: Vec<u8>) -> Vec<u8> {
    let mut mask = digest(secret, start);
    for block in octets.chunks_mut(BLOCK) {
        apply(&mask, block);
        mask = digest(secret, block);
    }
    octets
}

fn unchain(secret: &Secret, start: &[u8], hidden: &[u8]) -> Vec<u8> {
    let mut octets = hidden.to_vec();
    let mut mask = digest(secret, start);
    for (block, hidden) in octets.chunks_mut(BLOCK).zip(hidden.chunks(BLOCK)) {
        apply(&mask, block);
        mask = digest(secret, hidden);
    }
    octets
}

fn apply(mask: &[u8; 16], block: &mut [u8]) {
    for (octet, mask) in block.iter_mut().zip(mask) {
        *octet ^= mask;
    }
}

fn digest(secret: &Secret, tail: &[u8]) -> [u8; 16] {
    Md5::new().chain_update(secret.octets()).chain_update(tail).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHENTICATOR: [u8; 16] = *b"0123456789abcdef";

    fn secret() -> Secret {
        Secret::new("testing123").unwrap()
    }

    #[test]
    fn passwords_of_every_length_come_back() {
        for length in 0..=LONGEST_PASSWORD {
            let clear = vec![b'x'; length];
            let hidden = hide(&secret(), &AUTHENTICATOR, &clear).unwrap();
            assert_eq!(hidden.len(), length.next_multiple_of(16).max(16));
            assert!(unhide(&secret(), &AUTHENTICATOR, &hidden).unwrap().matches(&clear));
        }
        assert_eq!(hide(&secret(), &AUTHENTICATOR, &[b'x'; 129]), None);
    }

    #[test]
    fn hidden_passwords_have_whole_blocks() {
        for length in [0, 1, 15, 17, 127, 129, 144] {
            assert!(unhide(&secret(), &AUTHENTICATOR, &vec![0; length]).is_none(), "{length}");
        }
    }

    #[test]
    fn the_single_space_of_a_dhcp_client_is_a_password() {
        let hidden = hide(&secret(), &AUTHENTICATOR, b" ").unwrap();
        assert!(unhide(&secret(), &AUTHENTICATOR, &hidden).unwrap().matches(b" "));
    }

    #[test]
    fn the_wrong_secret_gives_another_password_and_no_error() {
        let hidden = hide(&secret(), &AUTHENTICATOR, b"arctangent").unwrap();
        let other = Secret::new("testing124").unwrap();
        assert!(!unhide(&other, &AUTHENTICATOR, &hidden).unwrap().matches(b"arctangent"));
    }

    #[test]
    fn salted_values_of_every_length_come_back() {
        for length in 0..=LONGEST_SALTED {
            let clear = vec![7; length];
            let hidden = hide_salted(&secret(), &AUTHENTICATOR, 1, &clear).unwrap();
            assert_eq!(hidden[..2], [0x80, 1]);
            assert_eq!((hidden.len() - 2) % 16, 0);
            assert!(unhide_salted(&secret(), &AUTHENTICATOR, &hidden).unwrap().matches(&clear));
        }
        assert_eq!(hide_salted(&secret(), &AUTHENTICATOR, 1, &[7; 240]), None);
    }

    #[test]
    fn a_salted_value_that_does_not_add_up_is_refused() {
        for length in [0, 1, 2, 17, 19] {
            assert!(unhide_salted(&secret(), &AUTHENTICATOR, &vec![0; length]).is_none());
        }
        // The length octet of this one claims more than the block holds.
        let mut hidden = hide_salted(&secret(), &AUTHENTICATOR, 1, b"key").unwrap();
        hidden[2] ^= 3 ^ 16;
        assert!(unhide_salted(&secret(), &AUTHENTICATOR, &hidden).is_none());
    }
}
