//! Daraja's `SecurityCredential`: an initiator's password, encrypted by RSA for Safaricom as
//! PKCS #1 v1.5 has it (RFC 8017, 7.2.1). Only this: nothing is decrypted or signed here, so that
//! no timing can tell a private key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigUint;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Padding and its frame.
const OVERHEAD: usize = 11;
/// The tags of DER that lead to a key.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
/// rsaEncryption, 1.2.840.113549.1.1.1, as DER has it.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// Why a text is no certificate to encrypt with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum NotACertificate {
    /// There is no certificate in it.
    #[error(
        "is no certificate: paste Safaricom's file of this environment, with its lines BEGIN and \
         END CERTIFICATE"
    )]
    Unreadable,
    /// Its key is of another kind.
    #[error("has no RSA key: take the certificate from Safaricom's developer portal")]
    NotRsa,
}

/// Why nothing was encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum NotEncrypted {
    /// The password does not fit.
    #[error("the initiator's password is longer than the certificate's key can carry")]
    TooLong,
    /// There was no randomness.
    #[error("this machine has no randomness to give")]
    NoRandomness,
}

/// Whom a password is encrypted for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PublicKey {
    modulus: BigUint,
    exponent: BigUint,
    length: usize,
}

impl PublicKey {
    /// The key of a certificate as PEM.
    pub(super) fn from_certificate(pem: &str) -> Result<PublicKey, NotACertificate> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| NotACertificate::Unreadable)?;
        let key = subject_key(&der).ok_or(NotACertificate::Unreadable)?;
        rsa_key(key).ok_or(NotACertificate::NotRsa)
    }

    /// A password as Safaricom wants it, in base 64. Never twice the same.
    pub(super) fn encrypt(&self, password: &str) -> Result<String, NotEncrypted> {
        let message = password.as_bytes();
        let room = self.length.saturating_sub(OVERHEAD);
        if message.len() > room {
            return Err(NotEncrypted::TooLong);
        }
        let mut block = vec![0, 2];
        block.extend(without_zeros(self.length - 3 - message.len())?);
        block.push(0);
        block.extend(message);
        let number = BigUint::from_bytes_be(&block).modpow(&self.exponent, &self.modulus);
        let digits = number.to_bytes_be();
        let mut encrypted = vec![0; self.length.saturating_sub(digits.len())];
        encrypted.extend(digits);
        Ok(STANDARD.encode(encrypted))
    }
}

/// Random octets, of which none is zero: a zero ends the padding.
fn without_zeros(count: usize) -> Result<Vec<u8>, NotEncrypted> {
    let random = SystemRandom::new();
    let mut padding = Vec::with_capacity(count);
    while padding.len() < count {
        let mut more = vec![0; count - padding.len()];
        random.fill(&mut more).map_err(|_| NotEncrypted::NoRandomness)?;
        padding.extend(more.into_iter().filter(|octet| *octet != 0));
    }
    Ok(padding)
}

/// What a certificate says of its subject's key (RFC 5280, 4.1).
fn subject_key(certificate: &[u8]) -> Option<&[u8]> {
    let (outer, _) = inside(certificate, SEQUENCE)?;
    let (mut rest, _) = inside(outer, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    // Serial number, algorithm, issuer, validity, subject.
    for _ in 0..5 {
        rest = element(rest)?.2;
    }
    Some(inside(rest, SEQUENCE)?.0)
}

/// The key, if it is one of RSA (RFC 8017, A.1.1).
fn rsa_key(info: &[u8]) -> Option<PublicKey> {
    let (algorithm, rest) = inside(info, SEQUENCE)?;
    if !algorithm.starts_with(RSA) {
        return None;
    }
    let (bits, _) = inside(rest, BIT_STRING)?;
    let (&unused, key) = bits.split_first()?;
    let (numbers, _) = inside(key, SEQUENCE)?;
    let (modulus, rest) = inside(numbers, INTEGER)?;
    let (exponent, _) = inside(rest, INTEGER)?;
    let modulus = BigUint::from_bytes_be(modulus);
    let length = usize::try_from(modulus.bits().div_ceil(8)).ok()?;
    let exponent = BigUint::from_bytes_be(exponent);
    // Less than 1,024 bits is no key of anybody's.
    (unused == 0 && length >= 128 && exponent.bits() > 1).then_some(PublicKey {
        modulus,
        exponent,
        length,
    })
}

/// The contents of an element that must have this tag, and what follows it.
fn inside(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, contents, rest) = element(der)?;
    (found == tag).then_some((contents, rest))
}

/// Tag, contents and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits.iter().fold(0usize, |sum, digit| sum << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Made for these tests by `openssl req -x509 -newkey rsa:2048`.
    pub(crate) const CERTIFICATE: &str = include_str!("certificate_of_tests.pem");
    /// Its private exponent.
    const PRIVATE_EXPONENT: &str = include_str!("certificate_of_tests.exponent");

    fn decrypted(encrypted: &str) -> Vec<u8> {
        let key = PublicKey::from_certificate(CERTIFICATE).unwrap();
        let exponent = BigUint::parse_bytes(PRIVATE_EXPONENT.trim().as_bytes(), 16).unwrap();
        let number = BigUint::from_bytes_be(&STANDARD.decode(encrypted).unwrap());
        number.modpow(&exponent, &key.modulus).to_bytes_be()
    }

    #[test]
    fn safaricom_reads_the_password_that_was_encrypted_for_it() {
        let key = PublicKey::from_certificate(CERTIFICATE).unwrap();
        let encrypted = key.encrypt("Safaricom999!*!").unwrap();
        assert_eq!(STANDARD.decode(&encrypted).unwrap().len(), 256);
        let block = decrypted(&encrypted);
        // The first zero is no digit of the number.
        assert_eq!((block.len(), block[0]), (255, 2));
        let end = block.iter().position(|octet| *octet == 0).unwrap();
        assert_eq!(&block[end + 1..], b"Safaricom999!*!");
        assert_ne!(encrypted, key.encrypt("Safaricom999!*!").unwrap(), "padding is random");
        assert_eq!(key.encrypt(&"x".repeat(246)), Err(NotEncrypted::TooLong));
        assert!(key.encrypt(&"x".repeat(245)).is_ok());
    }

    #[test]
    fn what_is_no_certificate_of_rsa_is_refused() {
        let read = PublicKey::from_certificate;
        assert_eq!(read("MIID"), Err(NotACertificate::Unreadable));
        let other = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
        assert_eq!(read(&other.cert.pem()), Err(NotACertificate::NotRsa));
    }

    proptest! {
        #[test]
        fn no_octets_are_a_fault(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = subject_key(&octets).and_then(rsa_key);
            let _ = rsa_key(&octets);
        }
    }
}
