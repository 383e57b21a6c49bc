//! Owns what the stand-ins send out: callbacks, in their order and with their faults, and the list
//! of what became of each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::agenda::Agenda;
use crate::clock::micros;
use crate::faults::{Fate, Faults};

/// How long a merchant may take to answer, in real time.
const PATIENCE: Duration = Duration::from_secs(10);
/// More of an answer is not read.
const MOST_READ: usize = 64 * 1024;

/// A callback that was sent, and what came back.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// To which URL.
    pub url: String,
    /// What was sent.
    pub body: String,
    /// When, in microseconds since 1970-01-01 UTC by the stand-in's clock.
    pub at_micros: i64,
    /// The answer's status, or why there was none.
    pub status: Result<u16, String>,
    /// The answer's body.
    pub answer: String,
    /// How long the answer took, in real time.
    pub took: Duration,
}

/// A callback to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) url: String,
    pub(crate) kind: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Letter {
    pub(crate) fn json(url: &str, body: &Value) -> Letter {
        Letter {
            url: url.to_owned(),
            kind: "application/json",
            headers: Vec::new(),
            body: body.to_string(),
        }
    }
}

/// Letters about one thing arrive in the order in which they were sent, unless a fault says
/// otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line(Arc<Mutex<Option<oneshot::Receiver<()>>>>);

impl Line {
    /// Who is before us, and what those behind us wait for.
    fn step_in(&self) -> (Option<oneshot::Receiver<()>>, oneshot::Sender<()>) {
        let (done, behind) = oneshot::channel();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (last.replace(behind), done)
    }

    /// Waits until everything sent so far was answered or given up.
    pub(crate) async fn empty(&self) {
        let (before, _done) = self.step_in();
        if let Some(before) = before {
            // Its sender is dropped when it is done.
            let _ = before.await;
        }
    }
}

/// One provider's post. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Post {
    client: Client<HttpConnector, Full<Bytes>>,
    agenda: Weak<Agenda>,
    pub(crate) faults: Faults,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
}

impl Post {
    pub(crate) fn new(agenda: &Arc<Agenda>, faults: &Faults) -> Post {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(PATIENCE));
        Post {
            client: Client::builder(TokioExecutor::new()).build(connector),
            agenda: Arc::downgrade(agenda),
            faults: faults.clone(),
            deliveries: Arc::default(),
        }
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries_mut().clone()
    }

    /// Sends a letter as the faults of the moment have it. `write` is told its fate, and may
    /// write differently; `failure` is the letter that contradicts it.
    pub(crate) fn send(
        &self,
        line: &Line,
        at: i64,
        write: impl FnOnce(&Fate) -> Letter,
        failure: impl FnOnce() -> Option<Letter>,
    ) {
        let fate = self.faults.take_callback();
        let letter = write(&fate);
        let first = at.saturating_add(micros(fate.late));
        if !fate.lost {
            self.send_at(first, at, Some(line), letter.clone());
        }
        if let Some(after) = fate.again {
            self.send_at(first.saturating_add(micros(after)), at, None, letter);
        }
        if let Some(after) = fate.then_failure
            && let Some(failure) = failure()
        {
            self.send_at(first.saturating_add(micros(after)), at, Some(line), failure);
        }
    }

    /// Sends a letter at an instant; at once if that is now.
    fn send_at(&self, at: i64, now: i64, line: Option<&Line>, letter: Letter) {
        let (post, line) = (self.clone(), line.cloned());
        if at <= now {
            return post.hand_over(at, line.as_ref(), letter);
        }
        if let Some(agenda) = self.agenda.upgrade() {
            agenda.enter(at, move |at| post.hand_over(at, line.as_ref(), letter));
        }
    }

    fn hand_over(&self, at: i64, line: Option<&Line>, letter: Letter) {
        let Some(agenda) = self.agenda.upgrade() else { return };
        let (before, done) = line.map(Line::step_in).unzip();
        let post = self.clone();
        agenda.errand(async move {
            if let Some(Some(before)) = before {
                // Whether it arrived or was given up: it is our turn.
                let _ = before.await;
            }
            post.deliver(at, letter).await;
            drop(done);
        });
    }

    /// Delivers a letter and notes what came back.
    pub(crate) async fn deliver(&self, at: i64, letter: Letter) -> Delivery {
        let begun = Instant::now();
        let outcome = tokio::time::timeout(PATIENCE, self.exchange(&letter)).await;
        let (status, answer) = match outcome {
            Ok(Ok((status, answer))) => (Ok(status), answer),
            Ok(Err(reason)) => (Err(reason), String::new()),
            Err(_) => (Err(format!("no answer within {PATIENCE:?}")), String::new()),
        };
        if let Err(reason) = &status {
            tracing::debug!(url = letter.url, reason, "a callback was not answered");
        }
        let (url, body) = (letter.url, letter.body);
        let delivery = Delivery { url, body, at_micros: at, status, answer, took: begun.elapsed() };
        self.deliveries_mut().push(delivery.clone());
        delivery
    }

    async fn exchange(&self, letter: &Letter) -> Result<(u16, String), String> {
        let mut request = Request::post(&letter.url).header("content-type", letter.kind);
        for (name, value) in &letter.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(letter.body.clone())));
        let request = request.map_err(|error| format!("{} is no URL: {error}", letter.url))?;
        let response: Response<_> =
            self.client.request(request).await.map_err(|error| format!("{error:?}"))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MOST_READ).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn deliveries_mut(&self) -> MutexGuard<'_, Vec<Delivery>> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
