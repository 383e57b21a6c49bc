//! The listener under people who mean harm, and people who are slow: they end their own connection
//! and nobody else feels it.

use axum::Router;
use axum::routing::{get, post};
use lango_server::web::listen::{Settings, serve, tls::Certificate};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Something that listens, until the story is over.
struct Listening {
    at: SocketAddr,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

async fn listening(settings: Settings) -> Listening {
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route(
            "/slow",
            get(async || {
                tokio::time::sleep(Duration::from_millis(600)).await;
                "done"
            }),
        )
        .route("/much", get(async || "x".repeat(50_000_000)))
        .route("/body", post(async |body: String| body.len().to_string()));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (at, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let ended = tokio::spawn(serve(router, listener, settings, stop.clone()));
    Listening { at, stop, ended }
}

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// What comes until the other side hangs up.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ask(at: SocketAddr, path: &str) -> (String, Duration) {
    let (began, mut stream) = (Instant::now(), connect(at));
    // Who is turned away may be hung up on before he has asked.
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    (rest(stream), began.elapsed())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_who_send_a_sign_a_second_delay_nobody() {
    let settings = Settings { header_timeout: Duration::from_secs(2), ..Settings::default() };
    let listening = listening(settings).await;
    let at = listening.at;
    let (slow, quick) = blocking(move || {
        let mut slow: Vec<TcpStream> = (0..500).map(|_| connect(at)).collect();
        slow.iter_mut().for_each(|stream| stream.write_all(b"GET / HT").unwrap());
        let mut quick = Vec::new();
        for _ in 0..50 {
            let (answer, took) = ask(at, "/");
            assert!(answer.ends_with("hello"), "{answer}");
            quick.push(took);
        }
        (slow, quick)
    })
    .await;
    assert!(quick.iter().max().unwrap() < &Duration::from_millis(500), "{quick:?}");
    // And they are shown out, although they send something now and then.
    let began = Instant::now();
    blocking(move || {
        for mut stream in slow {
            let _ = stream.write_all(b"T");
            rest(stream);
        }
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_is_hung_up_on() {
    let settings = Settings { stall_timeout: Duration::from_millis(500), ..Settings::default() };
    let listening = listening(settings).await;
    let at = listening.at;
    let read = blocking(move || {
        let mut stream = connect(at);
        stream.write_all(b"GET /much HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        std::thread::sleep(Duration::from_secs(2));
        rest(stream).len()
    })
    .await;
    assert!(read < 50_000_000, "he was waited for");
    assert!(blocking(move || ask(at, "/")).await.0.ends_with("hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_all_places_and_a_full_house_says_so() {
    let settings = Settings { connections_of_one: 5, ..Settings::default() };
    let listening = listening(settings).await;
    let at = listening.at;
    blocking(move || {
        let held: Vec<TcpStream> = (0..5).map(|_| connect(at)).collect();
        let (answer, _) = ask(at, "/");
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("retry-after"), "{answer}");
        drop(held);
        let began = Instant::now();
        while !ask(at, "/").0.ends_with("hello") {
            assert!(began.elapsed() < Duration::from_secs(5), "a place that is free stays taken");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_first_lines_have_a_limit() {
    let listening = listening(Settings::default()).await;
    let at = listening.at;
    blocking(move || {
        let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
        let long = format!("x: {}\r\n", "y".repeat(100_000));
        for head in [many, long] {
            let mut stream = connect(at);
            // He may be hung up on while he is still sending.
            let _ = write!(stream, "GET / HTTP/1.1\r\nhost: x\r\n{head}\r\n");
            let answer = rest(stream);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
        }
        assert!(ask(at, "/").0.ends_with("hello"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_at_a_stop_is_answered() {
    let listening = listening(Settings::default()).await;
    let at = listening.at;
    let (idle, asked) = (connect(at), tokio::task::spawn_blocking(move || ask(at, "/slow")));
    tokio::time::sleep(Duration::from_millis(200)).await;
    listening.stop.cancel();
    assert!(asked.await.unwrap().0.ends_with("done"));
    tokio::time::timeout(Duration::from_secs(5), listening.ended).await.unwrap().unwrap();
    assert_eq!(blocking(move || rest(idle)).await, "");
    assert!(TcpStream::connect(at).is_err());
}

/// A certificate and its key, as files.
fn write_certificate(directory: &Path, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

/// Takes any certificate and notes it.
#[derive(Debug, Default)]
struct Noting(std::sync::Mutex<Vec<u8>>);

impl rustls::client::danger::ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        certificate: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = certificate.to_vec();
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        let provider = rustls::crypto::ring::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Asks over TLS: the answer and the certificate that was shown.
fn ask_encrypted(at: SocketAddr) -> (String, Vec<u8>) {
    let noting = Arc::new(Noting::default());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(noting.clone())
        .with_no_client_auth();
    let name = "lango.example".try_into().unwrap();
    let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(client, connect(at));
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // Without a farewell of TLS the end is an error of the library's, and still an end.
    let _ = stream.read_to_end(&mut answer);
    let shown = noting.0.lock().unwrap().clone();
    (String::from_utf8_lossy(&answer).into_owned(), shown)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = write_certificate(directory.path(), "lango.example");
    let certificate = Certificate::read(&certificate, &key).unwrap();
    let settings = Settings { certificate: Some(certificate.clone()), ..Settings::default() };
    let listening = listening(settings).await;
    let at = listening.at;
    let (answer, first) = blocking(move || ask_encrypted(at)).await;
    assert!(answer.ends_with("hello"), "{answer}");

    // A renewal that went wrong leaves the old one in use.
    std::thread::sleep(Duration::from_millis(20));
    std::fs::write(directory.path().join("cert.pem"), "nonsense").unwrap();
    certificate.look();
    assert_eq!(blocking(move || ask_encrypted(at)).await.1, first);
    std::thread::sleep(Duration::from_millis(20));
    write_certificate(directory.path(), "lango.example");
    certificate.look();
    let (answer, second) = blocking(move || ask_encrypted(at)).await;
    assert!(answer.ends_with("hello") && second != first, "{answer}");
    // Somebody who speaks without encryption gets nothing, and disturbs nobody.
    assert!(!blocking(move || ask(at, "/")).await.0.contains("hello"));
    assert!(blocking(move || ask_encrypted(at)).await.0.ends_with("hello"));
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (certificate, key) = write_certificate(one.path(), "a.example");
    let (_, other_key) = write_certificate(two.path(), "b.example");
    let said = |certificate: &Path, key: &Path| {
        Certificate::read(certificate, key).unwrap_err().to_string()
    };
    assert!(said(&certificate, &other_key).contains("does not belong to"));
    assert!(said(Path::new("/nowhere.pem"), &key).contains("/nowhere.pem"));
    assert!(said(&key, &key).contains("no certificate in"));
    assert!(said(&certificate, &certificate).contains("cannot read the key"));
}
