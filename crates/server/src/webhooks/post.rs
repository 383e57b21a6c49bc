//! One message to one address: signed, bounded in time and size, never redirected.

use super::Answer;
use crate::app::App;
use crate::outbound::{self, Limits, Reach};
use hyper::Request;
use hyper::body::Bytes;
use lango_domain::time::Timestamp;
use lango_store::webhooks::{Due, Webhook};
use std::time::Duration;

/// A webhook has less patience with it than money and messages get.
const LIMITS: Limits =
    Limits { connect: Duration::from_secs(10), total: Duration::from_secs(10), answer: 64 * 1_024 };

/// Sends a message and says what came back.
pub(super) async fn post(
    app: &App,
    webhook: &Webhook,
    secret: &[u8],
    body: &str,
    due: &Due,
    now: Timestamp,
) -> Answer {
    let request = match request(webhook, secret, body, due, now) {
        Ok(request) => request,
        Err(error) => return Answer { status: None, error: Some(error.to_string()) },
    };
    match outbound::ask_within(request, Reach::of(app), LIMITS).await {
        Ok(answer) if answer.is_success() => Answer { status: Some(answer.status), error: None },
        Ok(answer) => {
            Answer { status: Some(answer.status), error: Some(format!("status {}", answer.status)) }
        }
        Err(error) => Answer { status: None, error: Some(error.to_string()) },
    }
}

fn request(
    webhook: &Webhook,
    secret: &[u8],
    body: &str,
    due: &Due,
    now: Timestamp,
) -> Result<Request<Bytes>, hyper::http::Error> {
    Request::post(&webhook.url)
        .header("content-type", "application/json")
        .header("lango-event-id", due.activity.to_string())
        .header("lango-attempt", due.attempt)
        .header("lango-signature", signature(secret, body, now))
        .body(Bytes::from(body.to_owned()))
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA-256 of `SECONDS.BODY`, so that an old message cannot be sent again.
fn signature(secret: &[u8], body: &str, now: Timestamp) -> String {
    let seconds = now.micros() / 1_000_000;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let tag = ring::hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_the_guide_says() {
        let now = Timestamp::from_micros(1_795_251_600_000_000);
        let signed = signature(b"whsec_x", "{}", now);
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"whsec_x");
        let hex = signed.strip_prefix("t=1795251600,v1=").unwrap();
        let tag: Vec<u8> = (0..hex.len() / 2)
            .map(|place| u8::from_str_radix(&hex[place * 2..place * 2 + 2], 16).unwrap())
            .collect();
        ring::hmac::verify(&key, b"1795251600.{}", &tag).unwrap();
    }
}
