//! A router that says exactly what a test tells it to, on a loopback socket.

use std::time::Duration;

use bytes::BytesMut;
use lango_routeros::sentence::{Decoder, Sentence, encode};
use lango_routeros::{Connection, Credentials, Endpoint, Error, Protocol, Timeouts, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Long enough for a loaded machine; only tests about silence use less.
pub(crate) const PATIENT: Timeouts =
    Timeouts { connect: Duration::from_secs(20), reply: Duration::from_secs(20) };

/// For tests that wait for a timeout to happen.
pub(crate) const HASTY: Timeouts =
    Timeouts { connect: Duration::from_secs(20), reply: Duration::from_millis(800) };

pub(crate) fn credentials() -> Credentials {
    Credentials::new("lango", "passTest")
}

pub(crate) fn endpoint(port: u16, protocol: Protocol, tls: Tls) -> Endpoint {
    Endpoint { host: "127.0.0.1".to_owned(), port, protocol, tls }
}

pub(crate) struct FakeRouter {
    listener: TcpListener,
}

impl FakeRouter {
    pub(crate) async fn start() -> FakeRouter {
        FakeRouter { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) async fn dial(&self, timeouts: Timeouts) -> Result<Connection, Error> {
        let port = self.listener.local_addr().unwrap().port();
        let endpoint = endpoint(port, Protocol::Api, Tls::Off);
        Connection::open(&endpoint, &credentials(), timeouts).await
    }

    pub(crate) async fn accept(&self) -> Session {
        Session { stream: self.listener.accept().await.unwrap().0, decoder: Decoder::new() }
    }

    /// A client that is logged in and the router's end of its connection.
    pub(crate) async fn logged_in(timeouts: Timeouts) -> (Connection, Session) {
        let router = FakeRouter::start().await;
        let (connection, session) = tokio::join!(router.dial(timeouts), async {
            let mut session = router.accept().await;
            session.hear().await;
            session.say(&["!done"]).await;
            session
        });
        (connection.unwrap(), session)
    }
}

pub(crate) struct Session {
    pub(crate) stream: TcpStream,
    decoder: Decoder,
}

impl Session {
    /// The next command; `None` when the client hung up.
    pub(crate) async fn heard(&mut self) -> Option<Sentence> {
        loop {
            if let Some(sentence) = self.decoder.next().unwrap() {
                return Some(sentence);
            }
            if self.stream.read_buf(self.decoder.buffer()).await.unwrap() == 0 {
                return None;
            }
        }
    }

    /// The next command.
    pub(crate) async fn hear(&mut self) -> Sentence {
        self.heard().await.expect("the client still talks")
    }

    /// The next command's tag, after checking the command's words without it.
    pub(crate) async fn expect(&mut self, words: &[&str]) -> String {
        let sentence = self.hear().await;
        let tag = String::from_utf8(sentence.tag().unwrap().to_vec()).unwrap();
        let got: Vec<_> =
            sentence.words().map(String::from_utf8_lossy).filter(|w| !w.starts_with('.')).collect();
        assert_eq!(got, words);
        tag
    }

    pub(crate) async fn say<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        self.say_raw(&wire(words)).await;
    }

    pub(crate) async fn say_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn done(&mut self, tag: &str) {
        self.say(&["!done", &format!(".tag={tag}")]).await;
    }
}

pub(crate) fn wire<W: AsRef<[u8]>>(words: &[W]) -> BytesMut {
    let mut out = BytesMut::new();
    encode(words, &mut out);
    out
}
