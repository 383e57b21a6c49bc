//! What a caller is told when it did not work: RFC 9457. The one place that turns errors into HTTP
//! and decides what outsiders see. Must never show a cause that speaks of the inside.

use crate::observe::chain;
use crate::operations::asked::{KeyReused, Lost};
use crate::operations::import::{Fault, ImportError};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lango_store::Error;

/// A problem.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    word: &'static str,
    title: &'static str,
    detail: String,
    at: Option<Box<str>>,
    retry_after: Option<u64>,
    faults: Box<[Fault]>,
}

/// How a problem looks in JSON.
#[derive(serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Told {
    /// What sort of problem: a word that stays the same
    #[serde(rename = "type")]
    kind: String,
    /// The same in a few words
    title: &'static str,
    /// The status of the answer
    status: u16,
    /// What was wrong this time and what to do
    detail: String,
    /// Where in the body or query it is wrong, if it is in one place
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// What is wrong in a table, line by line
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Vec<Fault>>,
}

impl Problem {
    fn new(status: StatusCode, word: &'static str, title: &'static str, detail: String) -> Problem {
        Problem { status, word, title, detail, at: None, retry_after: None, faults: Box::default() }
    }

    /// The request cannot be read.
    pub(crate) fn unreadable(detail: impl Into<String>) -> Problem {
        const TITLE: &str = "The request cannot be read";
        Problem::new(StatusCode::BAD_REQUEST, "unreadable", TITLE, detail.into())
    }

    /// Nobody knows who asks.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Problem {
        const TITLE: &str = "A token is needed";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", TITLE, detail.into())
    }

    /// Who asks may not.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Problem {
        const TITLE: &str = "The token's role does not allow it";
        Problem::new(StatusCode::FORBIDDEN, "forbidden", TITLE, detail.into())
    }

    /// There is none.
    pub(crate) fn missing(what: &str) -> Problem {
        let detail = format!("there is no such {what} in this business");
        Problem::new(StatusCode::NOT_FOUND, "not-found", "There is none", detail)
    }

    /// There is nothing at that path.
    pub(crate) fn no_such_path() -> Problem {
        let detail = "there is nothing at this path: /api/openapi.json lists all there is";
        Problem::new(StatusCode::NOT_FOUND, "no-such-path", "No such path", detail.to_owned())
    }

    /// The path does not know the method.
    pub(crate) fn no_such_method() -> Problem {
        let detail = "this path does not know this method: see the header Allow";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Problem::new(status, "no-such-method", "No such method", detail.to_owned())
    }

    /// What there is stands against it.
    pub(crate) fn conflict(detail: impl Into<String>) -> Problem {
        const TITLE: &str = "What there is stands against it";
        Problem::new(StatusCode::CONFLICT, "conflict", TITLE, detail.into())
    }

    /// It is no longer as the caller read it.
    pub(crate) fn stale(detail: impl Into<String>) -> Problem {
        const TITLE: &str = "It was changed meanwhile";
        Problem::new(StatusCode::PRECONDITION_FAILED, "stale", TITLE, detail.into())
    }

    /// It can be read, and cannot be.
    pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
        const TITLE: &str = "It cannot be as it was asked for";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", TITLE, detail.into())
    }

    /// Too large a body.
    pub(crate) fn too_large() -> Problem {
        let detail = "the body is too large: send less at once";
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Problem::new(status, "too-large", "Too much at once", detail.to_owned())
    }

    /// The body came drop by drop.
    pub(crate) fn too_slow() -> Problem {
        let detail = "the body took too long to arrive: send it again";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "Too slow", detail.to_owned())
    }

    /// Another sort of body is needed.
    pub(crate) fn wrong_type(needed: &str) -> Problem {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let detail = format!("send the body with Content-Type: {needed}");
        Problem::new(status, "wrong-type", "The body is of another type", detail)
    }

    /// Too many requests.
    pub(crate) fn too_many(seconds: u64, detail: impl Into<String>) -> Problem {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let detail = detail.into();
        let problem = Problem::new(status, "too-many-requests", "Too many requests", detail);
        Problem { retry_after: Some(seconds.max(1)), ..problem }
    }

    /// A router or the database cannot do it now.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Problem {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let problem = Problem::new(status, "unavailable", "Not now", detail.into());
        Problem { retry_after: Some(1), ..problem }
    }

    /// Our own fault. The caller learns that, the log learns why.
    pub(crate) fn ours() -> Problem {
        let detail = "it is not your fault; the log of the server says what happened";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "ours", "Something broke", detail.to_owned())
    }

    /// A table has faults, and nothing of it was taken.
    pub(crate) fn faulty_table(faults: Vec<Fault>, count: usize) -> Problem {
        let detail = format!("nothing was imported: {count} faults, see `faults`");
        Problem { faults: faults.into(), ..Problem::invalid(detail) }
    }

    /// Names the place that is wrong.
    #[must_use]
    pub(crate) fn at(self, at: impl Into<Box<str>>) -> Problem {
        Problem { at: Some(at.into()), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let told = Told {
            kind: format!("urn:lango:problem:{}", self.word),
            title: self.title,
            status: self.status.as_u16(),
            detail: self.detail,
            at: self.at.map(String::from),
            faults: (!self.faults.is_empty()).then_some(self.faults.into_vec()),
        };
        // Words and a number: serialising cannot fail.
        let body = serde_json::to_vec(&told).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        const TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, TYPE);
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        match error {
            Error::Retry { .. } => {
                Problem::unavailable("the database was busy, nothing was done: try again")
            }
            Error::Full { .. } => Problem::unavailable(
                "the disk of the server is full, nothing was done: its owner must make room",
            ),
            Error::Uncertain { .. } => Problem::unavailable(
                "the database was lost at the last moment: repeat the request with the same \
                 Idempotency-Key, or read what became of it",
            ),
            other => {
                tracing::error!(error = chain(&other), "a request failed in the store");
                Problem::ours()
            }
        }
    }
}

impl From<Lost> for Problem {
    fn from(lost: Lost) -> Problem {
        match lost {
            Lost::Missing(what) => Problem::missing(what),
            Lost::Stale(_) => Problem::stale(lost.to_string()),
        }
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Problem {
        match error {
            ImportError::Reused(reused) => reused.into(),
            ImportError::Store(error) => error.into(),
        }
    }
}

impl From<KeyReused> for Problem {
    fn from(reused: KeyReused) -> Problem {
        Problem::invalid(reused.to_string())
    }
}
