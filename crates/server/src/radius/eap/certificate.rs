//! The certificate by which devices know this server, and what TLS they may speak with it.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

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
    /// They are not of one another.
    #[error("the key does not belong to the EAP certificate")]
    Mismatch(#[source] rustls::Error),
}

/// What TLS needs. No session is ever resumed: a resumed one would let a device in without asking
/// for the account behind it, which may have ended since.
pub(super) fn tls_for(
    chain: &[u8],
    key: &[u8],
    newest: NewestTls,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(CertificateError::Chain)?;
    if chain.is_empty() {
        return Err(CertificateError::Empty);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(CertificateError::Key)?;
    let versions: &[&'static SupportedProtocolVersion] = match newest {
        NewestTls::Tls12 => &[&TLS12],
        NewestTls::Tls13 => &[&TLS13, &TLS12],
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(CertificateError::Mismatch)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(CertificateError::Mismatch)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
