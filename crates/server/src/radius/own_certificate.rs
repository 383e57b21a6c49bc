//! A certificate that this server makes for itself where nobody gives it one: a root, which devices
//! are told to trust once and for years, and below it the certificate that they are shown, which is
//! made anew before it ends without anybody noticing.

use jiff::civil::Date;
use lango_domain::time::{Span, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The name that devices are told to expect. No public name can be this (`.internal` is reserved).
pub const NAME: &str = "radius.lango.internal";

/// What devices trust.
pub const ROOT: &str = "radius-root.pem";
const ROOT_KEY: &str = "radius-root.key";
const CERTIFICATE: &str = "radius.pem";
const KEY: &str = "radius.key";

const ROOT_YEARS: i32 = 20;
/// Apple's devices refuse certificates that are good for more than 825 days.
const DAYS: i64 = 800;
/// How long before its end a certificate is made anew.
const DAYS_BEFORE: i64 = 60;

/// Why there is no certificate of ours.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// A file.
    #[error("cannot keep the certificate for RADIUS in {path}: check the data directory")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// What is in a file, or making a new one.
    #[error(
        "cannot make a certificate for RADIUS: if {ROOT_KEY} in the data directory is damaged, \
         remove it; devices must then be told to trust the new {ROOT}"
    )]
    Making(#[from] rcgen::Error),
}

/// The files of the chain and of its key.
pub(super) fn paths(directory: &Path) -> (PathBuf, PathBuf) {
    (directory.join(CERTIFICATE), directory.join(KEY))
}

/// Makes them if they are missing or about to end.
pub(super) fn keep(directory: &Path, now: Timestamp) -> Result<(), OwnError> {
    let (chain, key) = paths(directory);
    if !(is_good(&chain, now) && key.exists()) {
        let root = Root::keep(directory, now)?;
        let leaf = KeyPair::generate()?;
        let signed = root.sign(&leaf, now)?;
        // A crash between the two leaves a pair that does not fit, so the chain is gone before.
        remove(&chain)?;
        write(&key, &leaf.serialize_pem())?;
        write(&chain, &signed)?;
    }
    Ok(())
}

/// Whether the first line of a chain says that it is good for a while.
fn is_good(chain: &Path, now: Timestamp) -> bool {
    let Ok(text) = std::fs::read_to_string(chain) else { return false };
    let first = text.lines().next().unwrap_or_default();
    let until = first.rsplit(' ').next().and_then(|date| date.parse::<Date>().ok());
    until.is_some_and(|until| day(now, DAYS_BEFORE) < until)
}

/// What signs ours.
struct Root {
    pem: String,
    key: KeyPair,
}

impl Root {
    fn keep(directory: &Path, now: Timestamp) -> Result<Root, OwnError> {
        let (root, key) = (directory.join(ROOT), directory.join(ROOT_KEY));
        if root.exists() && key.exists() {
            return Ok(Root { pem: read(&root)?, key: KeyPair::from_pem(&read(&key)?)? });
        }
        let fresh = KeyPair::generate()?;
        let pem = params_of_root(&fresh, now).self_signed(&fresh)?.pem();
        remove(&root)?;
        write(&key, &fresh.serialize_pem())?;
        write(&root, &pem)?;
        Ok(Root { pem, key: fresh })
    }

    /// A chain for a key: first how long it is good, in words that programs skip.
    fn sign(&self, leaf: &KeyPair, now: Timestamp) -> Result<String, OwnError> {
        let until = day(now, DAYS);
        let mut params = CertificateParams::new([NAME.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, NAME);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        last(&mut params, day(now, -1), until);
        let of_root = params_of_root(&self.key, now);
        let signed = params.signed_by(leaf, &Issuer::from_params(&of_root, &self.key))?.pem();
        Ok(format!("Made by Lango, good until {until}\n{signed}{}", self.pem))
    }
}

/// The same name for the same key: a certificate can be signed without reading the root's.
fn params_of_root(key: &KeyPair, now: Timestamp) -> CertificateParams {
    let hash = digest(&SHA256, key.public_key_raw());
    let mark: String = hash.as_ref()[..4].iter().map(|octet| format!("{octet:02x}")).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("Lango RADIUS {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let first = day(now, -1);
    let years = jiff::Span::new().years(ROOT_YEARS);
    last(&mut params, first, first.saturating_add(years));
    params
}

/// How long a certificate is good.
fn last(params: &mut CertificateParams, first: Date, last: Date) {
    let midnight = |date: Date| {
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        date_time_ymd(date.year().into(), month, day)
    };
    (params.not_before, params.not_after) = (midnight(first), midnight(last));
}

fn day(now: Timestamp, days: i64) -> Date {
    (now + Span::days(days)).to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn read(path: &Path) -> Result<String, OwnError> {
    std::fs::read_to_string(path).map_err(|cause| refused(path, cause))
}

fn remove(path: &Path) -> Result<(), OwnError> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(refused(path, cause)),
        _ => Ok(()),
    }
}

/// Writes a file for its owner only, whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), OwnError> {
    let part = path.with_extension("part");
    let written = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    written().map_err(|cause| refused(path, cause))
}

fn refused(path: &Path, cause: io::Error) -> OwnError {
    OwnError::File { path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use std::sync::Arc;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    /// Whether a device that trusts this root believes that chain.
    fn is_believed(root: &str, chain: &Path, now: Timestamp) -> bool {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let chain: Vec<_> =
            CertificateDer::pem_file_iter(chain).unwrap().collect::<Result<_, _>>().unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let now = Duration::from_micros(now.micros().unsigned_abs());
        let now = UnixTime::since_unix_epoch(now);
        verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now).is_ok()
    }

    #[test]
    fn a_device_that_trusts_the_root_believes_every_certificate_after_it() {
        let directory = tempfile::tempdir().unwrap();
        keep(directory.path(), NOW).unwrap();
        let (chain, key) = paths(directory.path());
        let root = std::fs::read_to_string(directory.path().join(ROOT)).unwrap();
        assert!(is_believed(&root, &chain, NOW));
        let first = std::fs::read_to_string(&chain).unwrap();
        keep(directory.path(), NOW + Span::days(DAYS - DAYS_BEFORE - 1)).unwrap();
        assert_eq!(std::fs::read_to_string(&chain).unwrap(), first, "it is good for long");
        let late = NOW + Span::days(DAYS - DAYS_BEFORE);
        keep(directory.path(), late).unwrap();
        assert_ne!(std::fs::read_to_string(&chain).unwrap(), first, "and made anew in time");
        assert!(is_believed(&root, &chain, late + Span::days(100)));
        assert!(!is_believed(&root, &chain, late + Span::days(DAYS + 1)));
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(key).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn whoever_loses_the_roots_key_keeps_his_certificate_until_its_end() {
        let directory = tempfile::tempdir().unwrap();
        keep(directory.path(), NOW).unwrap();
        let (chain, _) = paths(directory.path());
        let root = std::fs::read_to_string(directory.path().join(ROOT)).unwrap();
        std::fs::remove_file(directory.path().join(ROOT_KEY)).unwrap();
        keep(directory.path(), NOW).unwrap();
        assert!(is_believed(&root, &chain, NOW));
        keep(directory.path(), NOW + Span::days(DAYS)).unwrap();
        assert!(!is_believed(&root, &chain, NOW + Span::days(DAYS)), "the root is another");
    }
}
