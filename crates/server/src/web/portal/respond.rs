//! Pages on their way: small, never kept by anybody between, allowed nothing but their own style.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::LazyLock;

/// The one stylesheet, inside every page: a second request costs a whole round trip.
pub(crate) const STYLE: &str = include_str!("../../../templates/portal/style.css");

/// Nothing is loaded, nothing runs, forms go to us only. The style is allowed by what it is.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
    let style = STANDARD.encode(digest);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    // Base 64 and ASCII words are a header's value.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// A page as HTML.
pub(crate) fn html(page: &impl Template) -> String {
    // A template fails only where a value's `Display` does, and ours are texts.
    page.render().unwrap_or_default()
}

/// Answers with a page.
pub(crate) fn page(asked: &HeaderMap, status: StatusCode, page: &impl Template) -> Response {
    let mut answer = encoded(asked, html(page).into_bytes());
    *answer.status_mut() = status;
    answer
}

/// Answers with a page that asks for itself again and again: while it says the same, the answer to
/// that is a few headers. It may be kept by the phone itself for that, which asks every time.
pub(crate) fn repeated(asked: &HeaderMap, page: &impl Template) -> Response {
    let body = html(page).into_bytes();
    let digest = ring::digest::digest(&ring::digest::SHA256, &body);
    let tag = format!("\"{}\"", STANDARD.encode(&digest.as_ref()[..12]));
    let has =
        asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut answer = match has {
        true => (StatusCode::NOT_MODIFIED, policy()).into_response(),
        false => encoded(asked, body),
    };
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    answer
}

/// Sends the browser to another page of ours, by GET.
pub(crate) fn go(to: &str) -> Response {
    // Our links are ASCII.
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)], policy()).into_response()
}

fn policy() -> [(header::HeaderName, HeaderValue); 1] {
    [(header::CONTENT_SECURITY_POLICY, POLICY.clone())]
}

fn encoded(asked: &HeaderMap, body: Vec<u8>) -> Response {
    let kind =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::VARY, "accept-encoding")];
    if !takes_gzip(asked) {
        return (policy(), kind, body).into_response();
    }
    (policy(), kind, [(header::CONTENT_ENCODING, "gzip")], gzip(&body)).into_response()
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let lists = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// In memory, where writing cannot fail.
pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::best());
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_goes_to_who_takes_it() {
        let asked = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            takes_gzip(&headers)
        };
        assert!(asked("gzip, deflate"));
        assert!(asked("br;q=1.0, gzip;q=0.8"));
        assert!(!asked("identity"));
        assert!(!asked("gzip;q=0"));
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_page_may_show_its_style_and_nothing_else() {
        let policy = POLICY.to_str().unwrap();
        assert!(policy.contains("style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    }
}
