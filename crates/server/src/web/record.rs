//! What was asked and what was answered: a line of log, a number for scrapers and an id by which both
//! sides can talk about it. Never what was in it: bodies and queries hold codes and phone numbers.

use crate::observe::metrics::Asked;
use crate::web::Entrance;
use crate::web::api::problem::Problem;
use crate::web::listen::client_address::ClientAddress;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

/// The header of the id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long an id of a caller may be.
const LONGEST_ID: usize = 64;

/// Lets a request through and records it. A handler that falls over is an answer too.
pub(super) async fn record(State(here): State<Entrance>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = id(request.headers());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let from = request.extensions().get::<ClientAddress>().copied().unwrap_or_default();
    // What a handler holds of ours is behind transactions, which a panic undoes.
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| Problem::ours().into_response());
    furnish(response.headers_mut(), &id);
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    let asked = Asked { method: word(&method), route: route.to_owned(), status };
    here.app.metrics().note_request(asked, took);
    let (id, from, ms) = (id.to_str().unwrap_or_default(), from.0, took.as_millis());
    if status >= 500 {
        tracing::warn!(%method, route, status, ms, %from, id, "answered");
    } else if method == Method::GET || method == Method::HEAD {
        tracing::debug!(%method, route, status, ms, %from, id, "answered");
    } else {
        tracing::info!(%method, route, status, ms, %from, id, "answered");
    }
    response
}

/// Any method that nobody knows is one word: a label must not be what somebody typed.
fn word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

/// The caller's id if it is harmless, else one of ours.
fn id(headers: &HeaderMap) -> HeaderValue {
    let harmless = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        (1..=LONGEST_ID).contains(&bytes.len()) && bytes.iter().all(is_sign)
    };
    if let Some(given) = headers.get(REQUEST_ID).filter(harmless) {
        return given.clone();
    }
    let made = format!("{:016x}", fastrand::u64(..));
    HeaderValue::from_str(&made).unwrap_or(HeaderValue::from_static("none"))
}

/// What every answer carries. Answers hold customers and codes: nobody between keeps them, and no
/// browser guesses what they are.
fn furnish(headers: &mut HeaderMap, id: &HeaderValue) {
    headers.insert(REQUEST_ID, id.clone());
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_from_outside_is_kept_only_if_it_is_harmless() {
        let given = |value: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
            id(&headers)
        };
        assert_eq!(given(b"order-7.1_a"), "order-7.1_a");
        for wrong in [&b""[..], b"a b", b"a\tb", b"\xff", b"<x>", &[b'a'; 65]] {
            let made = given(wrong);
            assert_eq!(made.len(), 16, "{wrong:?}");
            assert_ne!(made.as_bytes(), wrong);
        }
    }
}
