//! Secrets at rest: router, RADIUS and provider passwords, and keyed hashes for
//! what is only ever compared.
//!
//! The key lies outside the database, so that a stolen database or backup alone
//! opens nothing. Must never log a key or a clear text, and never seal without
//! saying where the secret belongs: one moved to another row does not open.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::{Error, Result};

/// First byte of everything sealed: format 1, first key. A later key or cipher
/// gets another number, so that both can be open during a change of keys.
const FIRST_KEY: u8 = 1;

const KEY_LEN: usize = 32;
const TAG_LEN: usize = 16;

/// The key of an installation. Sealing and hashing use keys derived from it.
pub struct SecretKey {
    sealing: LessSafeKey,
    hashing: hmac::Key,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl SecretKey {
    /// The key in this file, which is made on first use, readable by its owner only.
    ///
    /// # Errors
    /// When the file cannot be read or made, is not a key, or others may read it.
    pub fn from_file(path: &Path) -> Result<Self> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => generate(file, path),
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => read(path),
            Err(cause) => {
                let advice = "check that the directory exists and belongs to this user";
                Err(Error::file("cannot make the secret key", path, advice, Some(cause)))
            }
        }
    }

    /// A key from 64 hexadecimal digits, as they stand in an environment variable.
    ///
    /// # Errors
    /// When the text is something else.
    pub fn from_hex(text: &str) -> Result<Self> {
        let bytes = bytes_of_hex(text.trim()).ok_or_else(|| Error::Secret {
            context: "the secret key".to_owned(),
            reason: "it must be 64 hexadecimal digits, as `openssl rand -hex 32` writes them",
        })?;
        Ok(Self::from_bytes(&bytes))
    }

    /// A key from its bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        let sealing = derive(bytes, b"lango sealing 1");
        let hashing = derive(bytes, b"lango hashing 1");
        let sealing =
            UnboundKey::new(&AES_256_GCM, &sealing).expect("32 bytes are a key of AES-256");
        Self {
            sealing: LessSafeKey::new(sealing),
            hashing: hmac::Key::new(hmac::HMAC_SHA256, &hashing),
        }
    }

    /// Encrypts a secret for one place, such as `router 17 password`.
    ///
    /// # Panics
    /// When the system has no random numbers.
    #[must_use]
    pub fn seal(&self, context: &str, clear: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).expect("the system has random numbers");
        let mut sealed = clear.to_vec();
        self.sealing
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut sealed,
            )
            .expect("a secret is shorter than the 64 GiB that AES-GCM takes");
        [&[FIRST_KEY], nonce.as_slice(), &sealed].concat()
    }

    /// Opens what was sealed for the same place.
    ///
    /// # Errors
    /// [`Error::Secret`] when it was sealed with another key, for another place, or
    /// was changed.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let fail = |reason| Error::Secret { context: context.to_owned(), reason };
        let (&version, rest) = sealed.split_first().ok_or_else(|| fail("it is empty"))?;
        if version != FIRST_KEY {
            return Err(fail("it was sealed with a key this program does not have"));
        }
        let (nonce, body) = rest
            .split_first_chunk::<NONCE_LEN>()
            .filter(|(_, body)| body.len() >= TAG_LEN)
            .ok_or_else(|| fail("it is too short"))?;
        let mut body = body.to_vec();
        let clear = self
            .sealing
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut body)
            .map_err(|_| {
                fail("it belongs to another secret key or another place, or was changed")
            })?;
        Ok(clear.to_vec())
    }

    /// A hash to look something up by, such as a voucher code or an API token:
    /// without the key nobody can try guesses against it. The purpose keeps equal
    /// texts of different sorts apart.
    #[must_use]
    pub fn keyed_hash(&self, purpose: &str, text: &[u8]) -> [u8; 32] {
        let mut hash = hmac::Context::with_key(&self.hashing);
        // Length first, so that purpose and text cannot run into each other.
        hash.update(&(purpose.len() as u64).to_be_bytes());
        hash.update(purpose.as_bytes());
        hash.update(text);
        let mut out = [0; 32];
        out.copy_from_slice(hash.sign().as_ref());
        out
    }
}

fn derive(key: &[u8; KEY_LEN], purpose: &[u8]) -> [u8; KEY_LEN] {
    let mut out = [0; KEY_LEN];
    Salt::new(HKDF_SHA256, b"lango")
        .extract(key)
        .expand(&[purpose], HKDF_SHA256)
        .and_then(|derived| derived.fill(&mut out))
        .expect("HKDF-SHA256 gives 32 bytes (RFC 5869, section 2.3)");
    out
}

fn generate(mut file: File, path: &Path) -> Result<SecretKey> {
    let mut bytes = [0; KEY_LEN];
    SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
    written.and_then(|()| sync_directory_of(path)).map_err(|cause| {
        // Half a key would be refused at every start from now on.
        let _ = std::fs::remove_file(path);
        Error::file("cannot write the secret key", path, "free space there", Some(cause))
    })?;
    Ok(SecretKey::from_bytes(&bytes))
}

fn read(path: &Path) -> Result<SecretKey> {
    let fail = |advice: &str, cause| Error::file("cannot read the secret key", path, advice, cause);
    let unreadable = |cause| fail("check that it belongs to this user", Some(cause));
    let mut file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(fail("others may read it: run `chmod 600` on it", None));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    SecretKey::from_hex(&text)
        .map_err(|_| fail("it is damaged: restore it from where you keep a copy", None))
}

/// A new name is durable only with its directory.
pub(crate) fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn bytes_of_hex(text: &str) -> Option<[u8; KEY_LEN]> {
    if text.len() != 2 * KEY_LEN || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; KEY_LEN];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let high = char::from(digits[0]).to_digit(16)?;
        let low = char::from(digits[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::temporary_directory;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes(&[byte; 32])
    }

    #[test]
    fn a_secret_opens_where_it_belongs_and_nowhere_else() {
        let sealed = key(1).seal("router 17 password", b"geheim");
        assert_eq!(key(1).open("router 17 password", &sealed).unwrap(), b"geheim");
        assert!(key(1).open("router 18 password", &sealed).is_err());
        assert!(key(2).open("router 17 password", &sealed).is_err());
        assert_ne!(sealed, key(1).seal("router 17 password", b"geheim"), "each has its own nonce");
    }

    #[test]
    fn no_changed_or_shortened_secret_opens() {
        let sealed = key(1).seal("x", b"geheim");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key(1).open("x", &changed).is_err(), "byte {at}");
            assert!(key(1).open("x", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_hash_depends_on_key_purpose_and_text() {
        let hash = key(1).keyed_hash("voucher", b"ABCD");
        assert_eq!(hash, key(1).keyed_hash("voucher", b"ABCD"));
        assert_ne!(hash, key(2).keyed_hash("voucher", b"ABCD"));
        assert_ne!(hash, key(1).keyed_hash("token", b"ABCD"));
        assert_ne!(key(1).keyed_hash("ab", b"c"), key(1).keyed_hash("a", b"bc"));
    }

    #[test]
    fn the_key_file_is_made_once_and_guarded() {
        let directory = temporary_directory();
        let path = directory.join("secret.key");
        let sealed = SecretKey::from_file(&path).unwrap().seal("x", b"geheim");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SecretKey::from_file(&path).unwrap().open("x", &sealed).unwrap(), b"geheim");

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let open_to_all = SecretKey::from_file(&path).unwrap_err().to_string();
        assert!(open_to_all.contains("chmod 600"), "{open_to_all}");

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "not a key").unwrap();
        assert!(SecretKey::from_file(&path).is_err());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_key_is_never_shown() {
        let text = "ab".repeat(32);
        assert_eq!(format!("{:?}", SecretKey::from_hex(&text).unwrap()), "SecretKey(…)");
        assert!(!SecretKey::from_hex("abab").unwrap_err().to_string().contains("abab"));
    }
}
