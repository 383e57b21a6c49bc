//! Our certificate, from files of our own, read again when they change: whoever renews them need not
//! restart anything, and a renewal that went wrong leaves the old one in use.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// A certificate in use.
#[derive(Clone)]
pub struct Certificate(Arc<Inside>);

struct Inside {
    files: Files,
    current: RwLock<(Arc<ServerConfig>, Option<SystemTime>)>,
}

#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file of certificates.
    #[error("cannot read the certificate {path}: it must be a PEM file with the whole chain")]
    Chain {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        cause: rustls::pki_types::pem::Error,
    },
    /// No certificate in it.
    #[error("there is no certificate in {0}: it must be a PEM file with the whole chain")]
    Empty(PathBuf),
    /// The file of the key.
    #[error("cannot read the key {path}: it must be a PEM file, readable by Lango's user")]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        cause: rustls::pki_types::pem::Error,
    },
    /// They are not of one another.
    #[error("the key {key} does not belong to the certificate {certificate}")]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What is wrong.
        #[source]
        cause: rustls::Error,
    },
}

impl Certificate {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Certificate, CertificateError> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let current = RwLock::new((Arc::new(files.read()?), files.changed_at()));
        Ok(Certificate(Arc::new(Inside { files, current })))
    }

    /// What new connections are encrypted with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(current.0.clone())
    }

    /// Looks for new files until stopped.
    pub(super) async fn watch(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => self.look(),
            }
        }
    }

    /// Takes new files into use if they are good.
    pub fn look(&self) {
        let changed_at = self.0.files.changed_at();
        if changed_at == self.0.current.read().unwrap_or_else(PoisonError::into_inner).1 {
            return;
        }
        match self.0.files.read() {
            Ok(config) => {
                let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = (Arc::new(config), changed_at);
                tracing::info!("the new certificate is in use");
            }
            Err(error) => {
                let error = crate::observe::chain(&error);
                tracing::error!(error, "the new certificate is not used; the old one stays");
            }
        }
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({})", self.0.files.certificate.display())
    }
}

impl Files {
    fn read(&self) -> Result<ServerConfig, CertificateError> {
        let chain_error = |cause| CertificateError::Chain { path: self.certificate.clone(), cause };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&self.certificate)
            .map_err(chain_error)?
            .collect::<Result<_, _>>()
            .map_err(chain_error)?;
        if chain.is_empty() {
            return Err(CertificateError::Empty(self.certificate.clone()));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|cause| CertificateError::Key { path: self.key.clone(), cause })?;
        let mismatch = |cause| CertificateError::Mismatch {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            cause,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(mismatch)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(mismatch)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// The later of both; a file that is just being replaced counts as not changed.
    fn changed_at(&self) -> Option<SystemTime> {
        let of = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        Some(of(&self.certificate)?.max(of(&self.key)?))
    }
}
