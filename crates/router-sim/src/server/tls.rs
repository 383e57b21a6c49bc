//! Owns the self-signed certificate that a router shows on `api-ssl`.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// What a TLS port needs, and the SHA-256 fingerprint of its certificate.
pub(crate) fn self_signed(name: &str) -> io::Result<(TlsAcceptor, [u8; 32])> {
    let made = rcgen::generate_simple_self_signed([name.to_owned(), "localhost".to_owned()]);
    let made = made.map_err(io::Error::other)?;
    let certificate = made.cert.der().clone();
    let digest = ring::digest::digest(&ring::digest::SHA256, &certificate);
    let fingerprint = digest.as_ref().try_into().map_err(io::Error::other)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)?;
    Ok((TlsAcceptor::from(Arc::new(config)), fingerprint))
}

/// What a service without a certificate says: it would only agree to anonymous key exchange, which
/// no client of today offers, so the handshake fails.
pub(crate) async fn refuse(mut stream: TcpStream) {
    /// Alert, TLS 1.2, fatal: handshake_failure (RFC 5246, section 7.2).
    const HANDSHAKE_FAILURE: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];
    // The peer may be gone already; nobody else waits for this. Its greeting is read first, or the
    // answer would be lost in a reset.
    let mut greeting = [0; 4_096];
    let _ = stream.read(&mut greeting).await;
    let _ = stream.write_all(&HANDSHAKE_FAILURE).await;
    let _ = stream.shutdown().await;
}
