//! REST against a small HTTP server that answers as routers do.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use lango_routeros::menus::{HotspotUser, Resource};
use lango_routeros::{Connection, Error, ItemId, Print, Protocol, Query, Timeouts, Tls, TrapKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::time::timeout;

use crate::fake_router::{HASTY, PATIENT, credentials, endpoint};

const USERS: &str = "/ip/hotspot/user";

/// Status and body.
type Answer = (u16, Vec<u8>);

/// A scripted REST service: answers in the order given, remembers what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Service {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    /// When set, this many requests have to be there before any is answered.
    meet: Option<Arc<Barrier>>,
}

impl Service {
    pub(crate) fn will_answer(&self, status: u16, body: impl Into<Vec<u8>>) {
        self.answers.lock().unwrap().push_back((status, body.into()));
    }

    /// Method, path and body of the requests since the last look.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            self.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(self.clone().serve_one(stream));
        }
    }

    async fn serve_one(self, stream: TcpStream) {
        let service = service_fn(|request| self.answer(request));
        // A client may hang up at any time.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(head.headers["authorization"], "Basic bGFuZ286cGFzc1Rlc3Q=");
        assert!(head.headers.contains_key("host"));
        let asked = format!("{} {} {}", head.method, head.uri, String::from_utf8_lossy(&body));
        self.asked.lock().unwrap().push(asked.trim_end().to_owned());
        if let Some(meet) = &self.meet {
            meet.wait().await;
        }
        let scripted = self.answers.lock().unwrap().pop_front();
        let (status, body) = scripted.unwrap_or((200, b"[]".to_vec()));
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok(response)
    }
}

async fn dial(port: u16, timeouts: Timeouts) -> Result<Connection, Error> {
    let endpoint = endpoint(port, Protocol::Rest, Tls::Off);
    Connection::open(&endpoint, &credentials(), timeouts).await
}

async fn bind() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// An open connection and the service behind it, which has forgotten the opening.
pub(crate) async fn open() -> (Connection, Service) {
    let service = Service::default();
    let (listener, port) = bind().await;
    tokio::spawn(service.clone().serve(listener));
    let connection = dial(port, PATIENT).await.unwrap();
    assert_eq!(service.asked(), ["GET /rest/system/identity"]);
    (connection, service)
}

#[tokio::test]
async fn every_verb_has_its_request() {
    let (connection, service) = open().await;
    let id = ItemId::new("*1");

    service.will_answer(200, r#"[{".id":"*1","name":"ann","disabled":"true","uptime":"1h"}]"#);
    let users: Vec<HotspotUser> = connection.all(Some(Query::equals("name", "ann"))).await.unwrap();
    assert_eq!((users[0].name.as_str(), users[0].disabled), ("ann", true));
    let asked = service.asked().remove(0);
    assert!(asked.starts_with("POST /rest/ip/hotspot/user/print {"), "{asked}");
    assert!(asked.contains(r#"".query":["name=ann"]"#), "{asked}");
    assert!(asked.contains(r#"".proplist":[".id","name""#), "{asked}");

    service.will_answer(200, r#"{"ret":"42"}"#);
    assert_eq!(connection.count(Print::of(USERS)).await.unwrap(), 42);
    service.will_answer(201, r#"{".id":"*9","name":"bob","limit-uptime":"1h"}"#);
    let added = connection.add(USERS, &[("name", "bob"), ("limit-uptime", "01")]).await.unwrap();
    assert_eq!(added, ItemId::new("*9"));
    service.will_answer(200, r#"{".id":"*1"}"#);
    connection.set(USERS, &id, &[("disabled", "yes")]).await.unwrap();
    service.will_answer(204, "");
    connection.remove(USERS, &id).await.unwrap();
    connection.unset("/ppp/secret", &id, "remote-address").await.unwrap();
    service.will_answer(200, r#"{"ret":"*2"}"#);
    let reply = connection.run("/execute", &[("script", ":put 1")]).await.unwrap();
    assert_eq!(reply.ret().as_deref(), Some("*2"));
    assert_eq!(
        service.asked(),
        [
            r#"POST /rest/ip/hotspot/user/print {"count-only":""}"#,
            r#"PUT /rest/ip/hotspot/user {"name":"bob","limit-uptime":"01"}"#,
            r#"PATCH /rest/ip/hotspot/user/*1 {"disabled":"yes"}"#,
            "DELETE /rest/ip/hotspot/user/*1",
            r#"POST /rest/ppp/secret/unset {".id":"*1","value-name":"remote-address"}"#,
            r#"POST /rest/execute {"script":":put 1"}"#,
        ]
    );
    assert_eq!(service.connections.load(Ordering::SeqCst), 1, "one connection is kept alive");
}

#[tokio::test]
async fn refusals_mean_the_same_as_over_the_api() {
    let (connection, service) = open().await;
    let vectors = [
        (404, r#"{"error":404,"message":"Not Found"}"#, TrapKind::NoSuchItem),
        (
            404,
            r#"{"error":404,"message":"Not Found","detail":"no such item (4)"}"#,
            TrapKind::NoSuchItem,
        ),
        (
            406,
            r#"{"error":406,"message":"Not Acceptable","detail":"no such command or directory (remove)"}"#,
            TrapKind::NoSuchCommand,
        ),
        (
            500,
            r#"{"error":500,"message":"Internal Server Error","detail":"not enough permissions (9)"}"#,
            TrapKind::NotPermitted,
        ),
        (
            400,
            r#"{"error":400,"message":"Bad Request","detail":"failure: already have user with this name for this server"}"#,
            TrapKind::AlreadyExists,
        ),
        (
            400,
            r#"{"error":400,"message":"Bad Request","detail":"unknown parameter totp-secret"}"#,
            TrapKind::UnknownParameter("totp-secret".into()),
        ),
        (200, r#"{"error":400,"detail":"interrupted"}"#, TrapKind::Interrupted),
        (400, r#"{"detail":"Session closed","error":400}"#, TrapKind::Other),
        (502, "<html>bad gateway</html>", TrapKind::Other),
    ];
    for (status, body, meaning) in vectors {
        service.will_answer(status, body);
        let error = connection.remove(USERS, &ItemId::new("*1")).await.unwrap_err();
        assert_eq!(error.trap().unwrap().kind, meaning, "{body}");
        assert!(connection.is_open(), "a refusal is an answer");
    }
}

#[tokio::test]
async fn a_menu_that_is_one_object_is_read_with_and_without_its_array() {
    let (connection, service) = open().await;
    for body in [r#"[{"version":"7.24.2 (stable)"}]"#, r#"{"version":"7.24.2 (stable)"}"#] {
        service.will_answer(200, body);
        let resource: Resource = connection.one().await.unwrap().unwrap();
        assert_eq!(resource.release(), Some((7, 24)));
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_at_opening() {
    let service = Service::default();
    service.will_answer(401, r#"{"error":401,"message":"Unauthorized"}"#);
    let (listener, port) = bind().await;
    tokio::spawn(service.serve(listener));
    let error = dial(port, PATIENT).await.err().unwrap();
    assert!(matches!(&error, Error::LoginRefused { user, .. } if &**user == "lango"), "{error}");
}

#[tokio::test]
async fn a_router_that_hangs_up_on_strangers_is_recognised() {
    let (listener, port) = bind().await;
    let (opened, ()) = tokio::join!(dial(port, PATIENT), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        // Read first: closing with unread bytes would be a reset, another symptom.
        let mut request = [0; 16];
        stream.read_exact(&mut request).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    });
    let error = opened.err().unwrap();
    assert!(error.to_string().contains("/ip/service address="), "{error}");
}

#[tokio::test]
async fn silence_times_out() {
    let (listener, port) = bind().await;
    let (opened, _stream) = tokio::join!(dial(port, HASTY), listener.accept());
    assert!(matches!(opened, Err(Error::TimedOut { .. })));
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_no_router() {
    let (connection, service) = open().await;
    service.will_answer(200, "<html>welcome</html>");
    assert!(matches!(connection.ping().await, Err(Error::Protocol { .. })));
}

#[tokio::test]
async fn foreign_bytes_damage_only_their_own_value() {
    let (connection, service) = open().await;
    service.will_answer(200, b"[{\".id\":\"*1\",\"comment\":\"caf\xe9\"},{\".id\":\"*2\"}]");
    let rows = connection.print(Print::of(USERS)).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].id(), Some(ItemId::new("*1")));
}

#[tokio::test]
async fn many_calls_share_two_connections() {
    let service = Service::default();
    let (listener, port) = bind().await;
    let opened = tokio::spawn(service.clone().serve(listener));
    let connection = dial(port, PATIENT).await.unwrap();
    join_all((0..20).map(|_| connection.ping())).await.into_iter().for_each(Result::unwrap);
    assert_eq!(service.asked().len(), 21);
    assert!(service.connections.load(Ordering::SeqCst) <= 2);
    opened.abort();
}

#[tokio::test]
async fn two_calls_are_under_way_at_the_same_time() {
    let mut service = Service::default();
    let (listener, port) = bind().await;
    let (second, second_port) = bind().await;
    tokio::spawn(service.clone().serve(listener));
    dial(port, PATIENT).await.unwrap();
    // Every answer waits until two requests are there: the opening and a ping, then two pings.
    service.meet = Some(Arc::new(Barrier::new(2)));
    tokio::spawn(service.clone().serve(second));
    let (one, two) = tokio::join!(dial(second_port, PATIENT), dial(second_port, PATIENT));
    let (one, _two) = (one.unwrap(), two.unwrap());
    let (first, second) = tokio::join!(one.ping(), one.ping());
    first.and(second).unwrap();
}

#[tokio::test]
async fn listening_is_not_possible() {
    let (connection, _service) = open().await;
    assert!(matches!(connection.listen(USERS, &[]).await, Err(Error::Unsupported { .. })));
}

/// Answers one request on a raw stream.
async fn answer_once(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.unwrap();
        request.push(byte[0]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]").await.unwrap();
    String::from_utf8(request).unwrap()
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let (listener, port) = bind().await;
    let (opened, ()) = tokio::join!(dial(port, PATIENT), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer_once(&mut stream).await;
    });
    let connection = opened.unwrap();
    let (pinged, ()) = tokio::join!(connection.ping(), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer_once(&mut stream).await;
    });
    pinged.unwrap();
    assert!(connection.is_open());
}

#[tokio::test]
async fn a_write_whose_fate_is_unknown_is_not_repeated() {
    let (listener, port) = bind().await;
    let (opened, mut stream) = tokio::join!(dial(port, PATIENT), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer_once(&mut stream).await;
        stream
    });
    let connection = opened.unwrap();
    let (added, ()) = tokio::join!(connection.add(USERS, &[("name", "ann")]), async {
        // The request has arrived, perhaps it was carried out; then the router dies.
        let mut request = [0; 16];
        stream.read_exact(&mut request).await.unwrap();
        drop(stream);
    });
    let again = timeout(Duration::ZERO, listener.accept()).await;
    assert!(again.is_err(), "it connected again to repeat the write");
    let error = added.unwrap_err();
    assert!(error.leaves_doubt(), "{error}");
    assert!(!connection.is_open());
    connection.closed().await;
    drop(listener);
    assert!(matches!(connection.ping().await, Err(Error::Unreachable { .. })));
}
