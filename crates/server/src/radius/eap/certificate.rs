//! The certificate by which devices know this server, and what TLS they may speak with it.

use std::sync::Arc;

use lango_radius::eap::TlsMethod;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

/// Who this server is, and whom it believes; all in PEM.
#[derive(Clone, Copy)]
pub struct Certificates<'a> {
    /// The server's certificate, then those between it and the root that devices trust.
    pub chain: &'a [u8],
    /// Its key.
    pub key: &'a [u8],
    /// Whoever signs the certificates of devices. Without it, EAP-TLS is not offered.
    pub authorities: Option<&'a [u8]>,
}

/// The newest TLS that is offered. The oldest is always 1.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewestTls {
    /// For devices that agree on 1.3 and then make other keys than RFC 9427 says: their login
    /// succeeds and no data passes.
    Tls12,
    /// What RFC 9427 allows.
    #[default]
    Tls13,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The certificates.
    #[error("cannot read the EAP certificate: it must be PEM with the whole chain")]
    Chain(#[source] rustls::pki_types::pem::Error),
    /// No certificate among them.
    #[error("there is no EAP certificate: it must be PEM with the whole chain")]
    Empty,
    /// The key.
    #[error("cannot read the key of the EAP certificate: it must be PEM, not encrypted")]
    Key(#[source] rustls::pki_types::pem::Error),
    /// The authorities.
    #[error("cannot read the authorities of the devices' certificates: they must be PEM")]
    Authorities(#[source] rustls::pki_types::pem::Error),
    /// One of them.
    #[error("one of the authorities of the devices' certificates is no certificate")]
    Authority(#[source] rustls::Error),
    /// None of them.
    #[error("there is no authority of the devices' certificates: leave it out or name one")]
    NoAuthority(#[source] VerifierBuilderError),
    /// They are not of one another.
    #[error("the key does not belong to the EAP certificate")]
    Mismatch(#[source] rustls::Error),
}

/// What TLS needs, by method.
#[derive(Clone)]
pub(super) struct Configs {
    /// For methods in which the device has no certificate.
    tunnel: Arc<ServerConfig>,
    /// For EAP-TLS, in which it has one.
    mutual: Option<Arc<ServerConfig>>,
}

impl Configs {
    pub(super) fn new(
        certificates: &Certificates<'_>,
        newest: NewestTls,
    ) -> Result<Configs, CertificateError> {
        let mutual = match certificates.authorities {
            Some(authorities) => Some(config(certificates, newest, Some(verifier(authorities)?))?),
            None => None,
        };
        Ok(Configs { tunnel: config(certificates, newest, None)?, mutual })
    }

    /// What a method needs, if it is offered.
    pub(super) fn of(&self, method: TlsMethod) -> Option<&Arc<ServerConfig>> {
        match method {
            TlsMethod::Peap | TlsMethod::Ttls => Some(&self.tunnel),
            TlsMethod::Tls => self.mutual.as_ref(),
        }
    }
}

/// No session is ever resumed: a resumed one would let a device in without asking for the account
/// behind it, which may have ended since.
fn config(
    certificates: &Certificates<'_>,
    newest: NewestTls,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(certificates.chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(CertificateError::Chain)?;
    if chain.is_empty() {
        return Err(CertificateError::Empty);
    }
    let key = PrivateKeyDer::from_pem_slice(certificates.key).map_err(CertificateError::Key)?;
    let versions: &[&'static SupportedProtocolVersion] = match newest {
        NewestTls::Tls12 => &[&TLS12],
        NewestTls::Tls13 => &[&TLS13, &TLS12],
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(CertificateError::Mismatch)?
        .with_client_cert_verifier(verifier.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
        .with_single_cert(chain, key)
        .map_err(CertificateError::Mismatch)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Takes the certificates of devices that these authorities signed.
fn verifier(authorities: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authorities) {
        roots
            .add(authority.map_err(CertificateError::Authorities)?)
            .map_err(CertificateError::Authority)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(CertificateError::NoAuthority)
}
