//! A merchant: asks by plain HTTP, and hears callbacks on a socket of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;

/// A callback as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) raw: String,
    pub(crate) body: Value,
}

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) raw: String,
    pub(crate) body: Value,
}

#[derive(Clone)]
pub(crate) struct Merchant {
    client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    count: tokio::sync::watch::Sender<usize>,
    answer: Arc<Mutex<(u16, String)>>,
    pause: Arc<Mutex<Duration>>,
    /// Callbacks being answered, and the most there ever were at once.
    busy: Arc<Mutex<(usize, usize)>>,
}

impl Merchant {
    pub(crate) async fn open() -> Merchant {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let merchant = Merchant {
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
            url: format!("http://{}", listener.local_addr().unwrap()),
            heard: Arc::default(),
            pause: Arc::default(),
            busy: Arc::default(),
            count: tokio::sync::watch::Sender::new(0),
            answer: Arc::new(Mutex::new((200, r#"{"ResultCode":0}"#.to_owned()))),
        };
        tokio::spawn(merchant.clone().listen(listener));
        merchant
    }

    /// What is answered to callbacks from now on.
    pub(crate) fn answers(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    /// How long each callback's answer takes from now on.
    pub(crate) fn takes(&self, pause: Duration) {
        *self.pause.lock().unwrap() = pause;
    }

    /// The most callbacks that ever waited for an answer at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.busy.lock().unwrap().1
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until so many callbacks came.
    pub(crate) async fn hears(&self, count: usize) {
        let mut counted = self.count.subscribe();
        let heard = counted.wait_for(|heard| *heard >= count);
        tokio::time::timeout(Duration::from_secs(20), heard).await.unwrap().unwrap();
    }

    pub(crate) fn only_heard(&self) -> Heard {
        let heard = self.heard();
        assert_eq!(heard.len(), 1, "{heard:#?}");
        heard.into_iter().next().unwrap()
    }

    /// Asks. Headers are `name: value`, one per line.
    pub(crate) async fn ask(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Said, String> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(20), self.client.request(request));
        let response = asked.await.unwrap().map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let raw = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        let raw = String::from_utf8(raw.to_vec()).unwrap();
        let body = serde_json::from_str(&raw).unwrap_or(Value::Null);
        Ok(Said { status: head.status.as_u16(), headers: head.headers, raw, body })
    }

    pub(crate) async fn post(&self, url: &str, token: &str, body: &Value) -> Said {
        self.try_post(url, token, body).await.unwrap()
    }

    pub(crate) async fn try_post(
        &self,
        url: &str,
        token: &str,
        body: &Value,
    ) -> Result<Said, String> {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.ask("POST", url, &headers, &body.to_string()).await
    }

    async fn listen(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let merchant = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let merchant = merchant.clone();
                    async move { merchant.hear(request).await }
                });
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn hear(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let raw = String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap();
        let body = serde_json::from_str(&raw).unwrap_or(Value::Null);
        let path = head.uri.path().to_owned();
        self.heard.lock().unwrap().push(Heard { path, headers: head.headers, raw, body });
        self.count.send_modify(|count| *count += 1);
        {
            let mut busy = self.busy.lock().unwrap();
            busy.0 += 1;
            busy.1 = busy.1.max(busy.0);
        }
        let pause = *self.pause.lock().unwrap();
        tokio::time::sleep(pause).await;
        self.busy.lock().unwrap().0 -= 1;
        let (status, answer) = self.answer.lock().unwrap().clone();
        let response = Response::builder().status(status).body(Full::new(Bytes::from(answer)));
        Ok(response.unwrap())
    }
}
