//! REST (RouterOS 7): JSON over at most two kept-alive HTTP connections.
//!
//! Owns connections, requests and the reading of answers. Requests beyond two wait their turn.
//! What was not sent is sent again on a fresh connection; what may have been carried out is
//! repeated only if it reads. (MikroTik manual, "REST API".)

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::{Error, Trap, TrapKind};
use crate::query::Query;
use crate::row::{ItemId, Reply, Row};
use crate::transport::{Credentials, Endpoint, Timeouts, dial};

/// Every session costs the router memory, and more of them are not faster.
const CONNECTIONS: usize = 2;

/// What one answer may hold.
const MAX_BODY: usize = 256 * 1024 * 1024;

/// The REST service of one router. Clones share it.
#[derive(Clone)]
pub(crate) struct Rest {
    inside: Arc<Inside>,
}

struct Inside {
    endpoint: Endpoint,
    router: Arc<str>,
    user: Box<str>,
    host: HeaderValue,
    authorization: HeaderValue,
    timeouts: Timeouts,
    slots: Semaphore,
    idle: Mutex<Vec<Pipe>>,
    open: watch::Sender<bool>,
}

/// One HTTP connection and the task that drives it.
struct Pipe {
    requests: SendRequest<Full<Bytes>>,
    task: JoinHandle<()>,
    /// It has carried an answer before, so a loss now may only mean it was closed when idle.
    used: bool,
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How an exchange failed.
enum Failure {
    /// Nothing was sent.
    NotSent,
    /// The connection ended without an answer.
    NoAnswer(io::Error),
    Other(Error),
}

/// Whether a request may be repeated when its fate is unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Writes,
}

impl Rest {
    /// Checks address and credentials with one small request.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        credentials: &Credentials,
        timeouts: Timeouts,
    ) -> Result<Rest, Error> {
        let router = endpoint.label();
        let host = HeaderValue::from_str(&router).map_err(|_| Error::Protocol {
            router: router.clone(),
            problem: "the host name cannot stand in an HTTP header".into(),
        })?;
        let inside = Inside {
            endpoint: endpoint.clone(),
            router,
            user: credentials.user.as_str().into(),
            host,
            authorization: basic(credentials),
            timeouts,
            slots: Semaphore::new(CONNECTIONS),
            idle: Mutex::new(Vec::new()),
            open: watch::Sender::new(true),
        };
        let rest = Rest { inside: Arc::new(inside) };
        rest.ping().await?;
        Ok(rest)
    }

    pub(crate) async fn print(
        &self,
        menu: &str,
        only: &[&str],
        query: Option<&Query>,
    ) -> Result<Vec<Row>, Error> {
        let body = print_body(only, query);
        let path = format!("{menu}/print");
        let reply = self.ask(Method::POST, &path, Some(body), Effect::Reads).await?;
        // A menu that is one object may come without its array.
        let lone = reply.rows.is_empty() && !reply.done.is_empty();
        Ok(if lone { vec![reply.done] } else { reply.rows })
    }

    pub(crate) async fn count(&self, menu: &str, query: Option<&Query>) -> Result<u64, Error> {
        let mut body = print_body(&[], query);
        body.insert("count-only".to_owned(), json!(""));
        let path = format!("{menu}/print");
        let reply = self.ask(Method::POST, &path, Some(body), Effect::Reads).await?;
        let lone = reply.rows.first().filter(|row| reply.rows.len() == 1 && row.id().is_none());
        let counted = reply.ret().and_then(|ret| ret.parse().ok());
        Ok(counted
            .or_else(|| lone.and_then(|row| row.number("ret")))
            .unwrap_or(reply.rows.len() as u64))
    }

    pub(crate) async fn add(
        &self,
        menu: &str,
        attributes: &[(&str, &str)],
    ) -> Result<Reply, Error> {
        self.ask(Method::PUT, menu, Some(object(attributes)), Effect::Writes).await
    }

    pub(crate) async fn set(
        &self,
        menu: &str,
        id: &ItemId,
        attributes: &[(&str, &str)],
    ) -> Result<(), Error> {
        let path = item_path(menu, id);
        self.ask(Method::PATCH, &path, Some(object(attributes)), Effect::Writes).await.map(drop)
    }

    pub(crate) async fn remove(&self, menu: &str, id: &ItemId) -> Result<(), Error> {
        let path = item_path(menu, id);
        self.ask(Method::DELETE, &path, None, Effect::Writes).await.map(drop)
    }

    pub(crate) async fn run(
        &self,
        command: &str,
        attributes: &[(&str, &str)],
    ) -> Result<Reply, Error> {
        self.ask(Method::POST, command, Some(object(attributes)), Effect::Writes).await
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        self.ask(Method::GET, "/system/identity", None, Effect::Reads).await.map(drop)
    }

    pub(crate) fn unsupported(&self, what: &'static str) -> Error {
        Error::Unsupported { router: self.inside.router.clone(), what }
    }

    pub(crate) fn router(&self) -> Arc<str> {
        self.inside.router.clone()
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.inside.open.borrow()
    }

    pub(crate) async fn closed(&self) {
        let mut open = self.inside.open.subscribe();
        // The sender lives in `self`, so waiting ends only with the value.
        let _ = open.wait_for(|open| !open).await;
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Map<String, Value>>,
        effect: Effect,
    ) -> Result<Reply, Error> {
        let body = body.map(|body| Bytes::from(Value::Object(body).to_string()));
        let answer = self.inside.exchange(&method, path, body, effect).await;
        let lost = matches!(&answer, Err(error) if error.leaves_doubt());
        self.inside.open.send_if_modified(|open| std::mem::replace(open, !lost) == lost);
        let (status, body) = answer?;
        self.inside.read(&format!("{method} {path}"), status, &body)
    }
}

impl Inside {
    /// One request and its whole answer, on an idle connection if there is one.
    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<Bytes>,
        effect: Effect,
    ) -> Result<(StatusCode, Bytes), Error> {
        let _slot = self.slots.acquire().await.map_err(|_| self.no_answer(broken_pipe()))?;
        loop {
            let pipe = match self.take_idle() {
                Some(pipe) => pipe,
                None => self.connect().await?,
            };
            let used = pipe.used;
            let request = self.request(method, path, body.clone())?;
            match self.exchange_on(pipe, request, path).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::NotSent) if used => {}
                Err(Failure::NotSent) => return Err(self.no_answer(broken_pipe())),
                Err(Failure::NoAnswer(_)) if used && effect == Effect::Reads => {}
                Err(Failure::NoAnswer(cause)) if used => return Err(self.lost(cause)),
                Err(Failure::NoAnswer(cause)) => return Err(self.no_answer(cause)),
                Err(Failure::Other(error)) => return Err(error),
            }
        }
    }

    async fn exchange_on(
        &self,
        mut pipe: Pipe,
        request: Request<Full<Bytes>>,
        path: &str,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let limit = self.timeouts.reply;
        let answer = timeout(limit, pipe.requests.try_send_request(request)).await;
        let response = match answer {
            Err(_) => return Err(Failure::Other(self.silence(path))),
            Ok(Err(mut error)) => {
                let unsent = error.take_message().is_some();
                let cause = io::Error::other(error.into_error());
                return Err(if unsent { Failure::NotSent } else { Failure::NoAnswer(cause) });
            }
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        let body = self.read_body(response, path).await.map_err(Failure::Other)?;
        pipe.used = true;
        self.put_idle(pipe);
        Ok((status, body))
    }

    async fn read_body(&self, response: Response<Incoming>, path: &str) -> Result<Bytes, Error> {
        let mut body = response.into_body();
        let mut bytes = BytesMut::new();
        loop {
            let frame = match timeout(self.timeouts.reply, body.frame()).await {
                Err(_) => return Err(self.silence(path)),
                Ok(None) => return Ok(bytes.freeze()),
                Ok(Some(Err(error))) => return Err(self.lost(io::Error::other(error))),
                Ok(Some(Ok(frame))) => frame,
            };
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > MAX_BODY {
                    return Err(self.broken("one answer grew past 256 MiB"));
                }
                bytes.extend_from_slice(&data);
            }
        }
    }

    async fn connect(&self) -> Result<Pipe, Error> {
        let stream = dial(&self.endpoint, self.timeouts.connect).await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (requests, connection) =
            handshake.map_err(|error| self.lost(io::Error::other(error)))?;
        // Its errors reach whoever waits for an answer; it is aborted with its pipe.
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok(Pipe { requests, task, used: false })
    }

    fn take_idle(&self) -> Option<Pipe> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(pipe) = idle.pop() {
            if !pipe.requests.is_closed() {
                return Some(pipe);
            }
        }
        None
    }

    fn put_idle(&self, pipe: Pipe) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(pipe);
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/rest{path}"))
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.authorization);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| self.broken(&format!("`{path}` is no request path: {error}")))
    }

    fn read(&self, command: &str, status: StatusCode, body: &[u8]) -> Result<Reply, Error> {
        let value = parse(body);
        if let Some(refusal) = refusal(status, value.as_ref()) {
            return Err(self.refused(command, status, refusal));
        }
        match value {
            Some(value) => Ok(reply(value)),
            None if body.iter().all(u8::is_ascii_whitespace) => Ok(Reply::default()),
            None => Err(self.broken("the answer is not JSON")),
        }
    }

    fn refused(&self, command: &str, status: StatusCode, trap: Trap) -> Error {
        if status == StatusCode::UNAUTHORIZED {
            return Error::LoginRefused {
                router: self.router.clone(),
                user: self.user.clone(),
                trap,
            };
        }
        Error::Refused { command: command.into(), trap }
    }

    fn silence(&self, path: &str) -> Error {
        Error::TimedOut {
            router: self.router.clone(),
            command: path.into(),
            waited: self.timeouts.reply,
        }
    }

    fn no_answer(&self, cause: io::Error) -> Error {
        self.unreachable(
            "it took the connection and closed it without an answer; our address is probably not \
             in /ip/service address=",
            cause,
        )
    }

    fn lost(&self, cause: io::Error) -> Error {
        self.unreachable("the connection broke before the whole answer was there", cause)
    }

    fn unreachable(&self, hint: &'static str, cause: io::Error) -> Error {
        Error::Unreachable { router: self.router.clone(), hint, cause: Arc::new(cause) }
    }

    fn broken(&self, problem: &str) -> Error {
        Error::Protocol { router: self.router.clone(), problem: problem.into() }
    }
}

fn broken_pipe() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "closed before the request was sent")
}

/// Ids must stand literally (`*1`, not `%2A1`); names are escaped.
fn item_path(menu: &str, id: &ItemId) -> String {
    let mut path = format!("{menu}/");
    for byte in id.as_str().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'*' => {
                path.push(char::from(byte));
            }
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

/// Values go as strings: the router reads JSON numbers with a leading zero as octal.
fn object(attributes: &[(&str, &str)]) -> Map<String, Value> {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

fn print_body(only: &[&str], query: Option<&Query>) -> Map<String, Value> {
    let mut body = Map::new();
    if !only.is_empty() {
        body.insert(".proplist".to_owned(), json!(only));
    }
    if let Some(query) = query {
        body.insert(".query".to_owned(), json!(query.words()));
    }
    body
}

/// Text that is not UTF-8 (comments typed in WinBox) damages its own value only.
fn parse(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body)
        .or_else(|_| serde_json::from_str(&String::from_utf8_lossy(body)))
        .ok()
}

/// A status from 400 up, or any object with a numeric `error`, is a refusal.
fn refusal(status: StatusCode, value: Option<&Value>) -> Option<Trap> {
    let object = value.and_then(Value::as_object);
    let marked = object.is_some_and(|object| object.get("error").is_some_and(Value::is_number));
    if !marked && status.as_u16() < 400 {
        return None;
    }
    let text = |name| object.and_then(|object| object.get(name)).and_then(Value::as_str);
    let detail = text("detail").filter(|detail| !detail.is_empty());
    let code = object.and_then(|object| object.get("error")).and_then(Value::as_u64);
    let code = code.unwrap_or(u64::from(status.as_u16()));
    let message = detail.or(text("message")).unwrap_or(status.as_str());
    let mut trap = Trap::of(message, None);
    if trap.kind == TrapKind::Other {
        trap.kind = kind_of(code);
    }
    Some(trap)
}

fn kind_of(code: u64) -> TrapKind {
    match code {
        401 => TrapKind::WrongCredentials,
        403 => TrapKind::NotPermitted,
        404 => TrapKind::NoSuchItem,
        406 => TrapKind::NoSuchCommand,
        _ => TrapKind::Other,
    }
}

/// An array is rows, an object is what the command's end carried.
fn reply(value: Value) -> Reply {
    match value {
        Value::Array(items) => {
            Reply { rows: items.into_iter().map(row).collect(), done: Row::default() }
        }
        value => Reply { rows: Vec::new(), done: row(value) },
    }
}

fn row(value: Value) -> Row {
    let mut row = Row::default();
    if let Value::Object(object) = value {
        for (name, value) in &object {
            match value {
                Value::String(text) => row.push(name.as_bytes(), text.as_bytes()),
                Value::Null => row.push(name.as_bytes(), b""),
                other => row.push(name.as_bytes(), other.to_string().as_bytes()),
            }
        }
    }
    row
}

fn basic(credentials: &Credentials) -> HeaderValue {
    let pair = format!("{}:{}", credentials.user, credentials.password.reveal());
    let text = format!("Basic {}", base64(pair.as_bytes()));
    let mut value = HeaderValue::try_from(text).expect("base64 is printable ASCII");
    value.set_sensitive(true);
    value
}

/// RFC 4648 section 4; one header is not worth a dependency.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let second = chunk.get(1).copied().unwrap_or(0);
        let third = chunk.get(2).copied().unwrap_or(0);
        let group = u32::from_be_bytes([0, chunk[0], second, third]);
        for position in 0..4 {
            let index = (group >> (18 - 6 * position)) & 0x3F;
            let padded = position > chunk.len();
            out.push(if padded { '=' } else { char::from(ALPHABET[index as usize]) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_matches_the_vectors_of_its_rfc() {
        let vectors = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")];
        for (plain, encoded) in vectors {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64(&[0xFF, 0xFE, 0xFD]), "//79");
    }

    #[test]
    fn ids_stand_literally_in_a_path_and_names_are_escaped() {
        assert_eq!(item_path("/ip/hotspot/user", &ItemId::new("*1A")), "/ip/hotspot/user/*1A");
        assert_eq!(item_path("/user", &ItemId::new("a/b é")), "/user/a%2Fb%20%C3%A9");
    }

    #[test]
    fn any_object_with_a_numeric_error_is_a_refusal() {
        let body = json!({"error": 400, "message": "Bad Request", "detail": "no such item (4)"});
        let trap = refusal(StatusCode::OK, Some(&body)).unwrap();
        assert_eq!(trap.kind, TrapKind::NoSuchItem);
        assert_eq!(refusal(StatusCode::OK, Some(&json!({"error": "none"}))), None);
        let missing = json!({"error": 404, "message": "Not Found"});
        let trap = refusal(StatusCode::NOT_FOUND, Some(&missing)).unwrap();
        assert_eq!((trap.kind, &*trap.message), (TrapKind::NoSuchItem, "Not Found"));
    }

    #[test]
    fn a_row_with_foreign_bytes_is_kept() {
        let value = parse(b"[{\".id\":\"*1\",\"comment\":\"caf\xe9\",\"mtu\":1500}]").unwrap();
        let reply = reply(value);
        assert_eq!(reply.rows[0].str("comment"), Some("caf\u{fffd}"));
        assert_eq!(reply.rows[0].number("mtu"), Some(1_500));
    }
}
