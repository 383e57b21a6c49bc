//! Who the router is, by fingerprint, by authority, or not at all.

use std::sync::Arc;

use lango_routeros::sentence::Decoder;
use lango_routeros::{Connection, Error, Protocol, Tls, fingerprint};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::fake_router::{PATIENT, credentials, endpoint, wire};

/// An authority and the certificate it made for 127.0.0.1.
struct Identity {
    authority_pem: String,
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Identity {
    fn new() -> Identity {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap().der().clone();
        Identity { authority_pem, certificate, key }
    }

    fn fingerprint(&self) -> [u8; 32] {
        digest(&SHA256, &self.certificate).as_ref().try_into().unwrap()
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A router with this certificate that logs in whoever trusts it and answers one ping.
    async fn serve(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve_once(listener, self.acceptor()));
        port
    }
}

async fn serve_once(listener: TcpListener, acceptor: TlsAcceptor) {
    let (stream, _) = listener.accept().await.unwrap();
    // A client that does not trust us hangs up here, which is what some tests are about.
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut decoder = Decoder::new();
    while let Ok(1..) = stream.read_buf(decoder.buffer()).await {
        while let Some(sentence) = decoder.next().unwrap() {
            let tag = sentence.tag().map(|tag| [b".tag=", tag].concat()).unwrap_or_default();
            stream.write_all(&wire(&[b"!done".as_slice(), &tag])).await.unwrap();
        }
    }
}

async fn dial(port: u16, tls: Tls) -> Result<Connection, Error> {
    Connection::open(&endpoint(port, Protocol::Api, tls), &credentials(), PATIENT).await
}

#[tokio::test]
async fn the_pinned_certificate_is_trusted() {
    let router = Identity::new();
    let port = router.serve().await;
    let connection = dial(port, Tls::Pinned(router.fingerprint())).await.unwrap();
    connection.ping().await.unwrap();
}

#[tokio::test]
async fn rest_is_encrypted_the_same_way() {
    let router = Identity::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = endpoint(port, Protocol::Rest, Tls::Pinned(router.fingerprint()));
    let credentials = credentials();
    let (opened, ()) = tokio::join!(Connection::open(&endpoint, &credentials, PATIENT), async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = router.acceptor().accept(stream).await.unwrap();
        let mut request = [0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        assert!(request[..length].starts_with(b"GET /rest/system/identity HTTP/1.1\r\n"));
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"name\":\"core\"}";
        stream.write_all(answer).await.unwrap();
        stream.flush().await.unwrap();
    });
    assert_eq!(opened.unwrap().protocol(), Protocol::Rest);
}

#[tokio::test]
async fn any_other_certificate_is_refused_and_its_fingerprint_told() {
    let router = Identity::new();
    let port = router.serve().await;
    let error = dial(port, Tls::Pinned([7; 32])).await.err().unwrap();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
    let shown: String = router.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(error.to_string().contains(&shown), "{error}");
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_taken() {
    let router = Identity::new();
    let port = router.serve().await;
    let tls = Tls::verify_pem(router.authority_pem.as_bytes()).unwrap();
    dial(port, tls).await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let port = Identity::new().serve().await;
    let tls = Tls::verify_pem(Identity::new().authority_pem.as_bytes()).unwrap();
    let error = dial(port, tls).await.err().unwrap();
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn any_certificate_will_do_if_told_so() {
    let port = Identity::new().serve().await;
    dial(port, Tls::AnyCertificate).await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn a_fingerprint_can_be_fetched_to_be_pinned() {
    let router = Identity::new();
    let port = router.serve().await;
    let shown = fingerprint(&endpoint(port, Protocol::Rest, Tls::Off), PATIENT).await.unwrap();
    assert_eq!(shown, router.fingerprint());
}

#[tokio::test]
async fn a_port_without_tls_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (opened, ()) = tokio::join!(dial(port, Tls::AnyCertificate), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"plain speech").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let error = opened.err().unwrap();
    assert!(error.to_string().contains("is this the encrypted port"), "{error}");
}

#[test]
fn a_pem_without_certificates_is_refused() {
    assert!(Tls::verify_pem(b"").is_err());
    assert!(
        Tls::verify_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----").is_err()
    );
}
