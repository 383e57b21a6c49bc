//! MS-CHAP as RADIUS carries it: version 1 (RFC 2433, RFC 2548 §2.1) and version 2 (RFC 2759,
//! RFC 2548 §2.3).
//!
//! Owns the arithmetic and the values of the attributes. Never accepts a LAN Manager response,
//! which is found by trying within minutes. Both versions rest on DES and MD4: whoever saw the
//! packet can find the NT hash, so they are worth something only inside a tunnel or on a wire that
//! nobody else reads.

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::{Digest, Md4};
use sha1::Sha1;

use crate::dictionary::{MS_CHAP_MPPE_KEYS, MS_CHAP2_SUCCESS, MS_MPPE_RECV_KEY, MS_MPPE_SEND_KEY};
use crate::draft::{Draft, EncodeError};
use crate::mppe;
use crate::secret::{Secret, equal_in_constant_time};

/// MD4 over the password in UTF-16 (RFC 2759 §8.3). Whoever has it can log in as if he had the
/// password: it is to be kept as secretly.
#[derive(Clone)]
pub struct NtHash([u8; 16]);

impl NtHash {
    /// The hash of a password.
    pub fn of(clear: &str) -> NtHash {
        let mut hash = Md4::new();
        for unit in clear.encode_utf16() {
            hash.update(unit.to_le_bytes());
        }
        NtHash(hash.finalize().into())
    }

    /// A hash that was stored.
    pub fn from_octets(octets: [u8; 16]) -> NtHash {
        NtHash(octets)
    }

    /// The octets themselves, for storing.
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// The hash of the hash, from which keys and proofs are made (RFC 2759 §8.4).
    pub fn hashed(&self) -> [u8; 16] {
        Md4::digest(self.0).into()
    }
}

impl std::fmt::Debug for NtHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NtHash(..)")
    }
}

/// What this side knows of a user's password.
#[derive(Clone, Copy)]
pub enum Known<'a> {
    /// The password itself.
    ClearText(&'a str),
    /// Its NT hash, which is enough.
    NtHash(&'a NtHash),
}

impl Known<'_> {
    fn nt_hash(self) -> NtHash {
        match self {
            Known::ClearText(clear) => NtHash::of(clear),
            Known::NtHash(hash) => hash.clone(),
        }
    }
}

impl std::fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Known::ClearText(_) => "ClearText(..)",
            Known::NtHash(_) => "NtHash(..)",
        })
    }
}

/// A user's answer to a challenge by MS-CHAP version 1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MsChap1<'a> {
    /// The identifier of the exchange between user and NAS.
    pub identifier: u8,
    /// The NAS's challenge.
    pub challenge: &'a [u8; 8],
    /// The answer, unless the user gave a LAN Manager response only.
    pub nt_response: Option<&'a [u8; 24]>,
}

impl<'a> MsChap1<'a> {
    /// Takes apart the value of MS-CHAP-Response, which has 50 octets (RFC 2548 §2.1.3).
    pub fn parse(response: &'a [u8], challenge: &'a [u8; 8]) -> Option<MsChap1<'a>> {
        let (&[identifier, flags], rest) = response.split_first_chunk::<2>()?;
        let (_lan_manager, nt_response) = rest.split_first_chunk::<24>()?;
        let nt_response = nt_response.try_into().ok()?;
        let nt_response = (flags & USE_NT_RESPONSE != 0).then_some(nt_response);
        Some(MsChap1 { identifier, challenge, nt_response })
    }

    /// Whether the user knows the password; if so, what the reply is made from.
    pub fn verify(&self, known: Known<'_>) -> Option<Verified1> {
        let hash = known.nt_hash();
        let expected = challenge_response(self.challenge, &hash);
        equal_in_constant_time(&expected, self.nt_response?).then_some(Verified1 { hash })
    }

    /// The value of MS-CHAP-Error for an Access-Reject. The challenge is for a next try, which
    /// the user is told not to make; it must be there all the same.
    pub fn refusal(&self, reason: Reason, challenge: &[u8; 8]) -> Vec<u8> {
        refusal(self.identifier, reason, &upper_hex(challenge), " V=2")
    }
}

/// Hides the answer, against which passwords can be tried.
impl std::fmt::Debug for MsChap1<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MsChap1").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}

/// A user's answer to a challenge by MS-CHAP version 2, in which he challenges the server too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MsChap2<'a> {
    /// The identifier of the exchange between user and NAS.
    pub identifier: u8,
    /// The name by which the user calls himself. `DOMAIN\` before it does not count.
    pub user_name: &'a [u8],
    /// The NAS's challenge.
    pub authenticator_challenge: &'a [u8; 16],
    /// The user's challenge.
    pub peer_challenge: &'a [u8; 16],
    /// The answer.
    pub nt_response: &'a [u8; 24],
}

impl<'a> MsChap2<'a> {
    /// Takes apart the value of MS-CHAP2-Response, which has 50 octets (RFC 2548 §2.3.2).
    pub fn parse(
        response: &'a [u8],
        authenticator_challenge: &'a [u8; 16],
        user_name: &'a [u8],
    ) -> Option<MsChap2<'a>> {
        let (&[identifier, _flags], rest) = response.split_first_chunk::<2>()?;
        let (peer_challenge, rest) = rest.split_first_chunk::<16>()?;
        let (_reserved, nt_response) = rest.split_first_chunk::<8>()?;
        let nt_response = nt_response.try_into().ok()?;
        Some(MsChap2 {
            identifier,
            user_name,
            authenticator_challenge,
            peer_challenge,
            nt_response,
        })
    }

    /// Whether the user knows the password; if so, what the reply is made from.
    pub fn verify(&self, known: Known<'_>) -> Option<Verified2<'a>> {
        let hash = known.nt_hash();
        let challenge = self.challenge_hash();
        let expected = challenge_response(&challenge, &hash);
        equal_in_constant_time(&expected, self.nt_response).then_some(Verified2 {
            answer: *self,
            challenge,
            hash,
        })
    }

    /// The value of MS-CHAP-Error for an Access-Reject, with a message for the user, which is cut
    /// to what the attribute holds. The challenge is for a next try, which the user is told not
    /// to make; it must be there all the same.
    pub fn refusal(&self, reason: Reason, challenge: &[u8; 16], message: &str) -> Vec<u8> {
        let rest = format!(" V=3 M={}", message.replace(char::is_control, " "));
        refusal(self.identifier, reason, &upper_hex(challenge), &rest)
    }

    /// What is answered in fact: both challenges and the name in one (RFC 2759 §8.2).
    pub fn challenge_hash(&self) -> [u8; 8] {
        let hash: [u8; 20] = Sha1::new()
            .chain_update(self.peer_challenge)
            .chain_update(self.authenticator_challenge)
            .chain_update(without_domain(self.user_name))
            .finalize()
            .into();
        std::array::from_fn(|place| hash[place])
    }
}

/// Hides the answer, against which passwords can be tried, and the name.
impl std::fmt::Debug for MsChap2<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MsChap2").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}

/// A user who has shown by version 1 that he knows the password.
#[derive(Clone, Debug)]
pub struct Verified1 {
    hash: NtHash,
}

impl Verified1 {
    /// The value of MS-CHAP-MPPE-Keys, before hiding.
    pub fn keys(&self) -> [u8; 32] {
        mppe::ms_chap_keys(&self.hash)
    }

    /// Writes MS-CHAP-MPPE-Keys into an Access-Accept. Whether encryption is allowed or required
    /// is said by [`mppe::Policy`].
    pub fn put_into(&self, accept: &mut Draft, secret: &Secret) -> Result<(), EncodeError> {
        accept.hide(MS_CHAP_MPPE_KEYS, secret, &self.keys())
    }
}

/// A user who has shown by version 2 that he knows the password, and is owed the same proof.
#[derive(Clone, Debug)]
pub struct Verified2<'a> {
    answer: MsChap2<'a>,
    challenge: [u8; 8],
    hash: NtHash,
}

impl Verified2<'_> {
    /// The value of MS-CHAP2-Success. Without it, or with a wrong one, users hang up.
    pub fn success(&self) -> [u8; 43] {
        let mut value = [self.answer.identifier; 43];
        value[1..].copy_from_slice(&self.authenticator_response());
        value
    }

    /// The proof alone: `S=` and 40 hexadecimal digits, as EAP carries it (RFC 2759 §8.7).
    pub fn authenticator_response(&self) -> [u8; 42] {
        const AGREED: &[u8] = b"Magic server to client signing constant";
        const PADDING: &[u8] = b"Pad to make it do more than one iteration";
        let inner = Sha1::new()
            .chain_update(self.hash.hashed())
            .chain_update(self.answer.nt_response)
            .chain_update(AGREED)
            .finalize();
        let outer = Sha1::new()
            .chain_update(inner)
            .chain_update(self.challenge)
            .chain_update(PADDING)
            .finalize();
        let mut response = *b"S=0000000000000000000000000000000000000000";
        response[2..].copy_from_slice(upper_hex(&outer).as_bytes());
        response
    }

    /// The keys by which the NAS encrypts the connection.
    pub fn keys(&self) -> mppe::Keys {
        mppe::Keys::of(&mppe::master_key(&self.hash, self.answer.nt_response))
    }

    /// Writes MS-CHAP2-Success and the keys into an Access-Accept. The salt should be random.
    /// Whether encryption is allowed or required is said by [`mppe::Policy`].
    pub fn put_into(
        &self,
        accept: &mut Draft,
        secret: &Secret,
        salt: u16,
    ) -> Result<(), EncodeError> {
        let keys = self.keys();
        accept.put(MS_CHAP2_SUCCESS, &self.success())?;
        accept.hide_salted(MS_MPPE_SEND_KEY, secret, salt, keys.send())?;
        accept.hide_salted(MS_MPPE_RECV_KEY, secret, salt, keys.receive())
    }
}

/// Why a user is refused, in the numbers that users' systems know (RFC 2759 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not at this hour.
    RestrictedHours,
    /// The account is switched off.
    AccountDisabled,
    /// The password has expired.
    PasswordExpired,
    /// The account may not dial in.
    NoDialIn,
    /// Wrong name or password.
    AuthenticationFailure,
}

impl Reason {
    /// The number after `E=`.
    pub fn number(self) -> u16 {
        match self {
            Reason::RestrictedHours => 646,
            Reason::AccountDisabled => 647,
            Reason::PasswordExpired => 648,
            Reason::NoDialIn => 649,
            Reason::AuthenticationFailure => 691,
        }
    }
}

/// The value of MS-CHAP-Response by which a user shows that he knows the password.
pub fn response1(identifier: u8, known: Known<'_>, challenge: &[u8; 8]) -> [u8; 50] {
    let mut value = [0; 50];
    value[..2].copy_from_slice(&[identifier, USE_NT_RESPONSE]);
    value[26..].copy_from_slice(&challenge_response(challenge, &known.nt_hash()));
    value
}

/// The value of MS-CHAP2-Response by which a user shows that he knows the password. His own
/// challenge must be unpredictable.
pub fn response2(
    identifier: u8,
    known: Known<'_>,
    user_name: &[u8],
    authenticator_challenge: &[u8; 16],
    peer_challenge: &[u8; 16],
) -> [u8; 50] {
    let nt_response = &[0; 24];
    let unanswered =
        MsChap2 { identifier, user_name, authenticator_challenge, peer_challenge, nt_response };
    let answer = challenge_response(&unanswered.challenge_hash(), &known.nt_hash());
    let mut value = [0; 50];
    value[0] = identifier;
    value[2..18].copy_from_slice(peer_challenge);
    value[26..].copy_from_slice(&answer);
    value
}

/// The flag of MS-CHAP-Response by which the NT response counts and not the LAN Manager's.
const USE_NT_RESPONSE: u8 = 1;

/// What follows the header of an attribute of a vendor.
const LONGEST_REFUSAL: usize = 247;

/// `R=0`: the user shall not try again within this exchange. NASes seldom carry a second try
/// through, and a new login costs the user as little.
fn refusal(identifier: u8, reason: Reason, challenge: &str, rest: &str) -> Vec<u8> {
    let mut text = format!("E={} R=0 C={challenge}{rest}", reason.number());
    text.truncate(text.floor_char_boundary(LONGEST_REFUSAL - 1));
    [&[identifier], text.as_bytes()].concat()
}

/// The challenge encrypted with three keys, which the hash and five zeros make (RFC 2759 §8.5).
fn challenge_response(challenge: &[u8; 8], hash: &NtHash) -> [u8; 24] {
    let mut keys = [0; 21];
    keys[..16].copy_from_slice(&hash.0);
    let mut response = [0; 24];
    for (key, block) in keys.as_chunks::<7>().0.iter().zip(response.as_chunks_mut::<8>().0) {
        *block = *challenge;
        Des::new(&des_key(key).into()).encrypt_block(block.into());
    }
    response
}

/// Seven bits to an octet; the eighth, for parity, means nothing to the cipher.
fn des_key(key: &[u8; 7]) -> [u8; 8] {
    let bits = key.iter().fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet));
    std::array::from_fn(|place| ((bits >> (49 - 7 * place)) as u8) << 1)
}

/// Windows sends `DOMAIN\name` and answers for `name` (RFC 2759 §8.2).
fn without_domain(user_name: &[u8]) -> &[u8] {
    match user_name.iter().position(|octet| *octet == b'\\') {
        Some(end) => &user_name[end + 1..],
        None => user_name,
    }
}

fn upper_hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: [u8; 16] = *b"0123456789abcdef";
    const PEER: [u8; 16] = *b"fedcba9876543210";

    #[test]
    fn a_stored_hash_is_as_good_as_the_password() {
        let stored = NtHash::of("pässwörd");
        let response = response1(3, Known::ClearText("pässwörd"), b"eight!!!");
        let answer = MsChap1::parse(&response, b"eight!!!").unwrap();
        assert!(answer.verify(Known::NtHash(&stored)).is_some());
        assert!(answer.verify(Known::ClearText("pässwörd")).is_some());
        assert!(answer.verify(Known::ClearText("passwörd")).is_none());
        assert!(
            MsChap1::parse(&response, b"another!")
                .unwrap()
                .verify(Known::NtHash(&stored))
                .is_none()
        );
    }

    #[test]
    fn a_lan_manager_response_alone_proves_nothing() {
        let mut response = response1(3, Known::ClearText("pw"), b"eight!!!");
        response[1] = 0;
        let answer = MsChap1::parse(&response, b"eight!!!").unwrap();
        assert_eq!(answer.nt_response, None);
        assert!(answer.verify(Known::ClearText("pw")).is_none());
    }

    #[test]
    fn the_domain_before_a_name_does_not_count_but_the_name_does() {
        let response = response2(3, Known::ClearText("pw"), b"bob", &CHALLENGE, &PEER);
        let verifies = |name: &[u8]| {
            let answer = MsChap2::parse(&response, &CHALLENGE, name).unwrap();
            answer.verify(Known::ClearText("pw")).is_some()
        };
        assert!(verifies(b"bob"));
        assert!(verifies(b"OFFICE\\bob"));
        assert!(verifies(b"\\bob"));
        assert!(!verifies(b"Bob"), "names are compared by octets");
        assert!(!verifies(b"bob@office"));
        assert!(!verifies(b"bob\\"));
    }

    #[test]
    fn every_part_of_the_exchange_counts() {
        let response = response2(3, Known::ClearText("pw"), b"bob", &CHALLENGE, &PEER);
        let verifies = |response: &[u8], challenge: &[u8; 16], clear| {
            let answer = MsChap2::parse(response, challenge, b"bob").unwrap();
            answer.verify(Known::ClearText(clear)).is_some()
        };
        assert!(verifies(&response, &CHALLENGE, "pw"));
        assert!(!verifies(&response, &CHALLENGE, "Pw"));
        assert!(!verifies(&response, &PEER, "pw"));
        for place in (2..18).chain(26..50) {
            let mut changed = response;
            changed[place] ^= 1;
            assert!(!verifies(&changed, &CHALLENGE, "pw"), "octet {place}");
        }
    }

    #[test]
    fn responses_have_fifty_octets() {
        for length in [0, 1, 2, 26, 49, 51] {
            let response = vec![1; length];
            assert_eq!(MsChap1::parse(&response, &[0; 8]), None);
            assert_eq!(MsChap2::parse(&response, &CHALLENGE, b"bob"), None);
        }
    }

    #[test]
    fn a_refusal_says_why_in_the_version_of_the_question() {
        let response = response1(3, Known::ClearText("pw"), b"eight!!!");
        let answer = MsChap1::parse(&response, b"eight!!!").unwrap();
        let refusal = answer.refusal(Reason::AccountDisabled, b"\x01\xab\0\0\0\0\0\xff");
        assert_eq!(refusal, b"\x03E=647 R=0 C=01AB0000000000FF V=2");

        let response = response2(7, Known::ClearText("pw"), b"bob", &CHALLENGE, &PEER);
        let answer = MsChap2::parse(&response, &CHALLENGE, b"bob").unwrap();
        let refusal = answer.refusal(Reason::AuthenticationFailure, &[0x5a; 16], "Wrong\0code");
        let expected = b"\x07E=691 R=0 C=5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A V=3 M=Wrong code";
        assert_eq!(refusal, expected);
    }

    #[test]
    fn a_long_refusal_is_cut_between_characters() {
        let response = response2(7, Known::ClearText("pw"), b"bob", &CHALLENGE, &PEER);
        let answer = MsChap2::parse(&response, &CHALLENGE, b"bob").unwrap();
        for shift in ["", "x"] {
            let message = format!("{shift}{}", "ü".repeat(300));
            let refusal = answer.refusal(Reason::NoDialIn, &CHALLENGE, &message);
            assert!((246..=247).contains(&refusal.len()));
            assert!(std::str::from_utf8(&refusal[1..]).is_ok());
        }
    }

    #[test]
    fn debug_hides_what_passwords_can_be_tried_against() {
        let hash = NtHash::of("pw");
        let response = response2(7, Known::NtHash(&hash), b"bob", &CHALLENGE, &PEER);
        let answer = MsChap2::parse(&response, &CHALLENGE, b"bob").unwrap();
        assert_eq!(format!("{hash:?}"), "NtHash(..)");
        assert_eq!(format!("{:?}", Known::ClearText("pw")), "ClearText(..)");
        assert_eq!(format!("{answer:?}"), "MsChap2 { identifier: 7, .. }");
        let response = response1(3, Known::NtHash(&hash), b"eight!!!");
        let answer = MsChap1::parse(&response, b"eight!!!").unwrap();
        assert_eq!(format!("{answer:?}"), "MsChap1 { identifier: 3, .. }");
    }
}
