//! Owns the sockets of the stand-ins: listening, reading a request whole, answering it or not. What
//! a request means is its provider's business.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::faults::{Faults, RequestFault};

/// No request is longer.
const LONGEST: usize = 1024 * 1024;

/// Somebody who answers requests.
pub(crate) trait Answers: Send + Sync + 'static {
    /// Does what is asked.
    fn answer(self: Arc<Self>, asked: Asked) -> impl Future<Output = Answer> + Send;
}

/// A request that was read whole.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// User and password of `Authorization: Basic`.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let encoded = self.header("authorization")?.strip_prefix("Basic ")?;
        let plain = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (user, password) = plain.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// The token of `Authorization: Bearer`.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// One value of the query.
    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&self.query).ok()?;
        pairs.into_iter().find_map(|(key, value)| (key == name).then_some(value))
    }

    pub(crate) fn is_json(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("application/json"))
    }
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: u16, kind: &str, body: impl Into<Bytes>) -> Answer {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Answer { status, headers: vec![("content-type", kind.to_owned())], body: body.into() }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Answer {
        Answer::new(status, "application/json", body.to_string())
    }

    pub(crate) fn html(status: u16, body: String) -> Answer {
        Answer::new(status, "text/html; charset=utf-8", body)
    }

    pub(crate) fn empty(status: u16) -> Answer {
        let mut answer = Answer::new(status, "", Bytes::new());
        answer.headers.clear();
        answer
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Answer {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// A listener that lives as long as somebody holds it.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) base_url: String,
    stop: CancellationToken,
    _until_dropped: DropGuard,
}

impl Listener {
    /// Listens and answers. Port 0 picks one. Needs a tokio runtime.
    pub(crate) fn start<A: Answers>(
        address: SocketAddr,
        answers: &Arc<A>,
        faults: &Faults,
    ) -> io::Result<Listener> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let listener = TcpListener::from_std(listener)?;
        let stop = CancellationToken::new();
        let (answers, faults) = (answers.clone(), faults.clone());
        let until_dropped = stop.clone().drop_guard();
        tokio::spawn(accept(listener, answers, faults, stop.clone()));
        Ok(Listener { base_url, stop, _until_dropped: until_dropped })
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

async fn accept<A: Answers>(
    listener: TcpListener,
    answers: Arc<A>,
    faults: Faults,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if faults.is_unreachable() => drop(stream),
            Ok((stream, _)) => {
                // Small answers must not wait for each other.
                let _ = stream.set_nodelay(true);
                let serving = connection(stream, answers.clone(), faults.clone());
                let stop = stop.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = serving => {}
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was gone before it was accepted");
            }
        }
    }
}

async fn connection<A: Answers>(stream: TcpStream, answers: Arc<A>, faults: Faults) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (answers, faults) = (answers.clone(), faults.clone());
        async move { respond(request, answers, &faults).await }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// An error closes the connection without a word.
async fn respond<A: Answers>(
    request: Request<Incoming>,
    answers: Arc<A>,
    faults: &Faults,
) -> io::Result<Response<Full<Bytes>>> {
    if faults.is_unreachable() {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    let Some(asked) = read(request).await else {
        return Ok(Answer::empty(400).into_response());
    };
    let fault = faults.take_request(&asked.path);
    match &fault {
        Some(RequestFault::DropBefore) => return Err(io::ErrorKind::ConnectionReset.into()),
        Some(RequestFault::HtmlError(status)) => return Ok(proxy_page(*status).into_response()),
        Some(RequestFault::Answer { status, body }) => {
            return Ok(Answer::new(*status, "application/json", body.clone()).into_response());
        }
        _ => {}
    }
    // Done even if the merchant hangs up meanwhile, as at a real provider.
    let (hesitates, holder) = (fault.clone(), faults.clone());
    let done = tokio::spawn(async move {
        match hesitates {
            Some(RequestFault::StallBefore(time)) => tokio::time::sleep(time).await,
            Some(RequestFault::HoldBefore) => holder.until_let_go().await,
            _ => {}
        }
        answers.answer(asked).await
    });
    let done = done.await;
    let answer = done.map_err(|_panicked| io::Error::from(io::ErrorKind::ConnectionReset))?;
    match fault {
        Some(RequestFault::DropAfter) => Err(io::ErrorKind::ConnectionReset.into()),
        Some(RequestFault::StallAfter(time)) => {
            tokio::time::sleep(time).await;
            Ok(answer.into_response())
        }
        _ => Ok(answer.into_response()),
    }
}

async fn read(request: Request<Incoming>) -> Option<Asked> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LONGEST).collect().await.ok()?.to_bytes();
    Some(Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
    })
}

fn proxy_page(status: u16) -> Answer {
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    Answer::new(status, "text/html", page)
}
