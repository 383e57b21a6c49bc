//! TLS towards a router: pinned fingerprint, authorities, or any certificate.
//!
//! rustls has neither anonymous nor finite-field Diffie-Hellman, so a router whose `api-ssl` or
//! `www-ssl` has no certificate bound cannot be talked to; the error says so.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::challenge::to_hex;
use crate::error::Error;
use crate::transport::{Endpoint, Tls};

pub(crate) fn roots_from_pem(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("the PEM is damaged: {error:?}"))?;
        roots.add(certificate).map_err(|error| format!("not a certificate: {error}"))?;
    }
    if roots.is_empty() {
        return Err("the PEM holds no certificate".to_owned());
    }
    Ok(roots)
}

/// `None` for no TLS at all.
pub(crate) fn client_config(tls: &Tls) -> Option<Arc<ClientConfig>> {
    match tls {
        Tls::Off => None,
        Tls::AnyCertificate => Some(any_certificate()),
        Tls::Pinned(fingerprint) => Some(trusting(Some(*fingerprint))),
        Tls::Verify(roots) => Some(verifying(roots.clone())),
    }
}

pub(crate) fn any_certificate() -> Arc<ClientConfig> {
    trusting(None)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn trusting(pinned: Option<[u8; 32]>) -> Arc<ClientConfig> {
    let provider = provider();
    let verifier = Arc::new(ByFingerprint { pinned, provider: provider.clone() });
    with_verifier(provider, verifier)
}

fn verifying(roots: Arc<RootCertStore>) -> Arc<ClientConfig> {
    let provider = provider();
    match WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build() {
        Ok(verifier) => with_verifier(provider, verifier),
        // No authority to trust: a fingerprint nobody can have refuses everything.
        Err(_) => trusting(Some([0; 32])),
    }
}

fn with_verifier(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring's default provider has suites for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Arc::new(config)
}

pub(crate) async fn handshake(
    socket: TcpStream,
    config: Arc<ClientConfig>,
    endpoint: &Endpoint,
    router: &Arc<str>,
    limit: Duration,
) -> Result<TlsStream<TcpStream>, Error> {
    let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| Error::Untrusted {
        router: router.clone(),
        problem: "the host is neither a DNS name nor an address".into(),
    })?;
    match timeout(limit, TlsConnector::from(config).connect(name, socket)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(cause)) => Err(handshake_error(router.clone(), cause)),
        Err(_) => Err(Error::TimedOut {
            router: router.clone(),
            command: "the TLS handshake".into(),
            waited: limit,
        }),
    }
}

fn handshake_error(router: Arc<str>, cause: io::Error) -> Error {
    let tls = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(problem)) => {
            Error::Untrusted { router, problem: problem.to_string().into() }
        }
        _ => Error::Unreachable {
            router,
            hint: "the TLS handshake failed; is this the encrypted port, and is a certificate \
                   bound to it (/ip/service certificate=)?",
            cause: Arc::new(cause),
        },
    }
}

pub(crate) fn peer_fingerprint(stream: &TlsStream<TcpStream>) -> Option<[u8; 32]> {
    let (_, session) = stream.get_ref();
    session.peer_certificates()?.first().map(sha256)
}

fn sha256(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

/// Trusts a key by the certificate it comes in; the handshake's signature is still checked, so
/// whoever answers holds that certificate's key.
#[derive(Debug)]
struct ByFingerprint {
    /// `None` takes any certificate.
    pinned: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug, thiserror::Error)]
#[error("its SHA-256 fingerprint is {shown}, pinned is {pinned}")]
struct WrongFingerprint {
    shown: String,
    pinned: String,
}

impl ServerCertVerifier for ByFingerprint {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = sha256(end_entity);
        match self.pinned {
            Some(pinned) if pinned != shown => {
                let wrong = WrongFingerprint { shown: to_hex(&shown), pinned: to_hex(&pinned) };
                Err(CertificateError::Other(OtherError(Arc::new(wrong))).into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
