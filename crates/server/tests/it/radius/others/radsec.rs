//! What one connection of RadSec may do to the others: nothing.

use super::*;
use lango_domain::plan::Terms;
use lango_domain::time::Span;
use lango_radius::dictionary::{NAS_IDENTIFIER, USER_NAME, USER_PASSWORD};
use lango_radius::{Code, Draft, Packet, Secret};
use lango_server::radius::{NAME, ROOT};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A NAS that trusts the server's root.
struct Connection(TlsStream<TcpStream>);

impl Connection {
    async fn open(lab: &Lab, from: &str) -> io::Result<Connection> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(lab.directory.path().join(ROOT)).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"radius/1.0".to_vec()];
        let socket = TcpSocket::new_v4()?;
        socket.bind(format!("{from}:0").parse().unwrap())?;
        let stream = socket.connect(lab.radsec).await?;
        let name = ServerName::try_from(NAME).unwrap();
        Ok(Connection(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
    }

    /// Sends logins of ann without waiting for answers.
    async fn ask(&mut self, identifiers: impl Iterator<Item = u8>, secret: &str) {
        let secret = Secret::new(secret).unwrap();
        let mut octets = Vec::new();
        for identifier in identifiers {
            let mut authenticator = [0; 16];
            fastrand::fill(&mut authenticator);
            let mut draft = Draft::access_request(identifier, authenticator);
            draft.put(USER_NAME, "nobody").unwrap();
            draft.put(NAS_IDENTIFIER, "lobby").unwrap();
            draft.hide(USER_PASSWORD, &secret, b"secret").unwrap();
            octets.extend(draft.seal(&secret).octets());
        }
        self.0.write_all(&octets).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// The identifier of the next answer.
    async fn hear(&mut self) -> io::Result<u8> {
        let mut head = [0; 4];
        self.0.read_exact(&mut head).await?;
        let mut octets = head.to_vec();
        octets.resize(u16::from_be_bytes([head[2], head[3]]).into(), 0);
        self.0.read_exact(&mut octets[4..]).await?;
        let packet = Packet::parse(&octets).unwrap();
        assert_eq!(packet.code(), Code::AccessReject);
        Ok(packet.identifier())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_carries_many_requests_and_slow_ones_do_not_hinder_it() {
    let lab = Lab::on(Engine::Sqlite).await;
    lab.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    // Some stop in the middle of TLS, of a packet, or do not read what they asked for.
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut half = Connection::open(&lab, "127.0.0.1").await.unwrap();
        half.0.write_all(&[1, 1, 1]).await.unwrap();
        let mut deaf = Connection::open(&lab, "127.0.0.1").await.unwrap();
        for _ in 0..8 {
            deaf.ask(0..=255, "radsec").await;
        }
        slow.extend([half, deaf]);
    }
    let silent: Vec<_> = {
        let mut silent = Vec::new();
        for _ in 0..8 {
            silent.push(TcpStream::connect(lab.radsec).await.unwrap());
        }
        silent
    };
    let mut nas = Connection::open(&lab, "127.0.0.1").await.unwrap();
    let mut answered = Vec::new();
    nas.ask(0..=255, "radsec").await;
    for _ in 0..=255 {
        answered.push(tokio::time::timeout(super::super::PATIENCE, nas.hear()).await.unwrap());
    }
    let mut answered: Vec<u8> = answered.into_iter().map(Result::unwrap).collect();
    answered.sort_unstable();
    assert_eq!(answered, (0..=255).collect::<Vec<u8>>(), "each once");
    drop((slow, silent));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_a_nas_needs_are_not_greeted_until_others_end() {
    let lab = Lab::on(Engine::Sqlite).await;
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(Connection::open(&lab, "127.0.0.1").await.unwrap());
    }
    assert!(Connection::open(&lab, "127.0.0.1").await.is_err());
    drop(open);
    lab.until("there is room again", async || Connection::open(&lab, "127.0.0.1").await.is_ok())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_not_greeted_and_who_signs_wrongly_is_cut_off() {
    let lab = Lab::on(Engine::Sqlite).await;
    assert!(Connection::open(&lab, "127.0.0.9").await.is_err(), "no NAS has that address");
    let mut wrong = Connection::open(&lab, "127.0.0.1").await.unwrap();
    wrong.ask(0..1, SECRET).await;
    let heard = tokio::time::timeout(Duration::from_secs(10), wrong.hear()).await;
    assert!(heard.expect("the connection ends").is_err(), "the secret is `radsec`, whatever else");
    let mut right = Connection::open(&lab, "127.0.0.1").await.unwrap();
    right.ask(7..8, "radsec").await;
    assert_eq!(right.hear().await.unwrap(), 7);
    right.0.write_all(&[1, 1, 0, 3]).await.unwrap();
    assert!(right.hear().await.is_err(), "no packet is three octets long");
}
