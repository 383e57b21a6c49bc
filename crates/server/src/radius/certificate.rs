//! The certificate by which devices and NASes know this server, in logins by EAP and in RadSec: the
//! operator's files, read again when they change, else one of our own. What was renewed wrongly is
//! not taken into use.

use crate::clock::Clock;
use crate::radius::eap::{self, Certificates, EapServer, NewestTls};
use crate::radius::own_certificate::{self, OwnError};
use lango_domain::time::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// What RadSec is called where TLS agrees on a protocol (RFC 9765); 1.1 is not spoken.
const PROTOCOL: &[u8] = b"radius/1.0";

/// Where the certificate comes from, and for what it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The operator's chain and key.
    pub files: Option<(PathBuf, PathBuf)>,
    /// Where one of our own is kept if he gives none.
    pub directory: PathBuf,
    /// Who signs the certificates of devices; without it none logs in by one.
    pub eap_authorities: Option<PathBuf>,
    /// Who signs the certificates of NASes; without it they need none for RadSec.
    pub radsec_authorities: Option<PathBuf>,
    /// What devices are offered.
    pub newest_tls: NewestTls,
}

/// Why there is no certificate for RADIUS.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file.
    #[error(
        "cannot read {path}, which RADIUS needs: it must be a PEM file, readable by Lango's user"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Ours.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// What is in the files.
    #[error("the certificate for RADIUS in {path} cannot be used")]
    Eap {
        /// Where the chain is.
        path: PathBuf,
        /// Why.
        #[source]
        cause: eap::CertificateError,
    },
    /// The authorities of NASes.
    #[error("radsec_authorities must name a PEM file with the authorities of the NASes")]
    Authorities(#[source] rustls::server::VerifierBuilderError),
    /// What TLS makes of it.
    #[error("the certificate for RADIUS cannot be used for RadSec")]
    Tls(#[source] rustls::Error),
    /// PEM.
    #[error("the certificates for RadSec cannot be read: they must be PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
}

/// A certificate in use.
pub struct Certificate {
    sources: Sources,
    eap: EapServer,
    radsec: RwLock<Arc<ServerConfig>>,
    looked: Mutex<Looked>,
}

/// When each file changed, at the last look.
type Looked = Vec<Option<SystemTime>>;

impl Certificate {
    /// Reads the certificate, or makes one.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn open(sources: Sources, now: Timestamp) -> Result<Certificate, CertificateError> {
        let looked = Mutex::new(sources.look());
        let files = sources.read(now)?;
        let settings = eap::Settings { newest_tls: sources.newest_tls, ..eap::Settings::default() };
        let eap =
            EapServer::new(&files.for_eap(), settings).map_err(|cause| files.refused(cause))?;
        let radsec = RwLock::new(Arc::new(files.for_radsec()?));
        Ok(Certificate { sources, eap, radsec, looked })
    }

    /// Where logins by EAP are led.
    pub(super) fn eap(&self) -> &EapServer {
        &self.eap
    }

    /// What new connections are encrypted with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.radsec.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Looks for new files until stopped, and says which logins nobody finished.
    pub(super) async fn watch(&self, clock: &Clock, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.look(clock.now());
            for eap::Abandoned { user_name, outer_identity, why } in self.eap.abandoned(clock.now())
            {
                tracing::info!(user_name, outer_identity, "a login by EAP was not finished: {why}");
            }
        }
    }

    /// Takes new files into use if they are good.
    pub fn look(&self, now: Timestamp) {
        if self.sources.files.is_none()
            && let Err(error) = own_certificate::keep(&self.sources.directory, now)
        {
            let error = crate::observe::chain(&error);
            return tracing::error!(error, "the certificate for RADIUS cannot be renewed");
        }
        let looked = self.sources.look();
        let mut last = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that is just being replaced is looked at when it is there again.
        if *last == looked || looked.contains(&None) {
            return;
        }
        *last = looked;
        match self.renew(now) {
            Ok(()) => tracing::info!("the new certificate for RADIUS is in use"),
            Err(error) => {
                let error = crate::observe::chain(&error);
                tracing::error!(error, "the new certificate for RADIUS is not used");
            }
        }
    }

    fn renew(&self, now: Timestamp) -> Result<(), CertificateError> {
        let files = self.sources.read(now)?;
        let radsec = Arc::new(files.for_radsec()?);
        self.eap.renew(&files.for_eap()).map_err(|cause| files.refused(cause))?;
        *self.radsec.write().unwrap_or_else(PoisonError::into_inner) = radsec;
        Ok(())
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl Sources {
    fn paths(&self) -> (PathBuf, PathBuf) {
        self.files.clone().unwrap_or_else(|| own_certificate::paths(&self.directory))
    }

    fn look(&self) -> Looked {
        let (chain, key) = self.paths();
        let authorities = [&self.eap_authorities, &self.radsec_authorities].into_iter().flatten();
        let changed = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        [&chain, &key].into_iter().chain(authorities).map(|path| changed(path)).collect()
    }

    fn read(&self, now: Timestamp) -> Result<Files, CertificateError> {
        if self.files.is_none() {
            own_certificate::keep(&self.directory, now)?;
        }
        let (path, key) = self.paths();
        Ok(Files {
            chain: read(&path)?,
            key: read(&key)?,
            eap_authorities: self.eap_authorities.as_deref().map(read).transpose()?,
            radsec_authorities: self.radsec_authorities.as_deref().map(read).transpose()?,
            path,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|cause| CertificateError::File { path: path.to_owned(), cause })
}

/// What is in the files.
struct Files {
    path: PathBuf,
    chain: Vec<u8>,
    key: Vec<u8>,
    eap_authorities: Option<Vec<u8>>,
    radsec_authorities: Option<Vec<u8>>,
}

impl Files {
    fn for_eap(&self) -> Certificates<'_> {
        let authorities = self.eap_authorities.as_deref();
        Certificates { chain: &self.chain, key: &self.key, authorities }
    }

    fn refused(&self, cause: eap::CertificateError) -> CertificateError {
        CertificateError::Eap { path: self.path.clone(), cause }
    }

    fn for_radsec(&self) -> Result<ServerConfig, CertificateError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = match &self.radsec_authorities {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(authorities)? {
                    roots.add(authority).map_err(CertificateError::Tls)?;
                }
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .map_err(CertificateError::Authorities)?
            }
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(CertificateError::Pem)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Tls)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates(&self.chain)?, key)
            .map_err(CertificateError::Tls)?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(config)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(CertificateError::Pem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::ServerName;
    use std::fs::File;
    use tokio_rustls::TlsConnector;

    const NOW: Timestamp = Timestamp::from_micros(1_795_251_600_000_000);

    fn sources(directory: &Path) -> Sources {
        Sources {
            files: None,
            directory: directory.to_owned(),
            eap_authorities: None,
            radsec_authorities: None,
            newest_tls: NewestTls::Tls12,
        }
    }

    /// Files of an operator: a certificate for his name, and when they were written.
    fn give(directory: &Path, name: &str, minute: u64) -> (PathBuf, PathBuf) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        (
            put(directory, "given.pem", &certificate, minute),
            put(directory, "given.key", &key.serialize_pem(), minute),
        )
    }

    fn put(directory: &Path, name: &str, text: &str, minute: u64) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minute);
        File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        path
    }

    /// Whether a NAS that trusts only this certificate comes through, and is let in.
    async fn comes_through(certificate: &Certificate, trusted: &Path, name: &str) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (here, there) = tokio::io::duplex(64 * 1_024);
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let acceptor = certificate.acceptor();
        let connector = TlsConnector::from(Arc::new(config));
        let (asked, let_in) = tokio::join!(connector.connect(name, here), acceptor.accept(there));
        asked.is_ok() && let_in.is_ok()
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let (first, key) = give(directory.path(), "one.example", 1);
        let files = Some((first.clone(), key));
        let sources = Sources { files, ..sources(directory.path()) };
        let certificate = Certificate::open(sources, NOW).unwrap();
        assert!(comes_through(&certificate, &first, "one.example").await);
        let kept = directory.path().join("kept.pem");
        std::fs::copy(&first, &kept).unwrap();

        put(directory.path(), "given.pem", "nothing", 2);
        certificate.look(NOW);
        assert!(comes_through(&certificate, &kept, "one.example").await, "the old one stays");
        give(directory.path(), "two.example", 3);
        certificate.look(NOW);
        assert!(comes_through(&certificate, &first, "two.example").await);
        assert!(!comes_through(&certificate, &kept, "one.example").await);
        assert!(!directory.path().join(own_certificate::ROOT).exists(), "none of ours is needed");
    }

    #[tokio::test]
    async fn where_authorities_are_named_a_nas_needs_a_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let open = Certificate::open(sources(directory.path()), NOW).unwrap();
        let root = directory.path().join(own_certificate::ROOT);
        assert!(comes_through(&open, &root, own_certificate::NAME).await);
        let radsec_authorities = Some(root.clone());
        let sources = Sources { radsec_authorities, ..sources(directory.path()) };
        let strict = Certificate::open(sources, NOW).unwrap();
        assert!(!comes_through(&strict, &root, own_certificate::NAME).await);
    }
}
