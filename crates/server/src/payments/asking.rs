//! How the clients ask: by a request with a token, once more with a new one if the provider does
//! not know it, and never otherwise. A provider that refuses a token has done nothing, so that one
//! repetition is safe; every other one could be a second charge.

use super::provider::Links;
use super::tokens::Fetched;
use super::{ProviderError, RefundAnswer, Submitted};
use crate::outbound::{self, Answer, NoAnswer};
use bytes::Bytes;
use hyper::{Method, Request};
use lango_domain::access::Secret;
use lango_domain::ids::GatewayId;
use lango_domain::payment::{Failure, FailureReason};
use lango_domain::time::{Span, Timestamp};
use serde_json::Value;

/// How long to wait after a provider was not reached.
pub(super) const SHORT_WHILE: Span = Span::seconds(5);

/// A provider that wants tokens.
pub(super) trait Bearer: Sync {
    /// Its name in sentences.
    const NAME: &'static str;
    /// Its account with us.
    fn gateway(&self) -> GatewayId;
    /// What it shares with the others.
    fn links(&self) -> &Links;
    /// The question for a token.
    fn token_request(&self) -> Result<Request<Bytes>, NoAnswer>;
    /// The token in the answer.
    fn read_token(&self, answer: &Answer) -> Option<Fetched>;
    /// Whether it says that it does not know the token it was shown.
    fn is_token_dead(&self, answer: &Answer) -> bool {
        answer.status == 401
    }
    /// Its own code and sentence, where an answer has any.
    fn refusal(&self, answer: &Answer) -> Option<(String, String)>;
}

/// Why there is no answer to a question.
#[derive(Debug)]
pub(super) enum Unasked {
    /// There is no token to ask with; the question was never sent.
    NoToken(ProviderError),
    /// It was not sent, or it was and nobody knows.
    NoAnswer(NoAnswer),
}

/// Asks with a token; `build` writes the request with it.
pub(super) async fn ask<B: Bearer>(
    bearer: &B,
    now: Timestamp,
    build: impl Fn(&str) -> Result<Request<Bytes>, NoAnswer>,
) -> Result<Answer, Unasked> {
    let token = token(bearer, None, now).await.map_err(Unasked::NoToken)?;
    let answer = ask_once(bearer, &build, &token).await?;
    if !bearer.is_token_dead(&answer) {
        return Ok(answer);
    }
    let token = self::token(bearer, Some(&token), now).await.map_err(Unasked::NoToken)?;
    ask_once(bearer, &build, &token).await
}

async fn ask_once<B: Bearer>(
    bearer: &B,
    build: &impl Fn(&str) -> Result<Request<Bytes>, NoAnswer>,
    token: &Secret,
) -> Result<Answer, Unasked> {
    let request = build(token.reveal()).map_err(Unasked::NoAnswer)?;
    outbound::ask(request, bearer.links().reach).await.map_err(Unasked::NoAnswer)
}

/// A token that is good, as far as we know.
pub(super) async fn token<B: Bearer>(
    bearer: &B,
    dead: Option<&Secret>,
    now: Timestamp,
) -> Result<Secret, ProviderError> {
    bearer.links().tokens.get(bearer.gateway(), dead, now, || fetch(bearer)).await
}

async fn fetch<B: Bearer>(bearer: &B) -> Result<Fetched, ProviderError> {
    let no_answer = |why: String| ProviderError::NoAnswer { provider: B::NAME, why };
    let request = bearer.token_request().map_err(|error| no_answer(error.to_string()))?;
    let answer = outbound::ask(request, bearer.links().reach)
        .await
        .map_err(|error| no_answer(error.to_string()))?;
    if let Some(fetched) = bearer.read_token(&answer) {
        return Ok(fetched);
    }
    Err(refused(bearer, &answer))
}

/// What an answer says that is none to the question.
pub(super) fn refused<B: Bearer>(bearer: &B, answer: &Answer) -> ProviderError {
    let is_refusal = (400..500).contains(&answer.status) && answer.status != 429;
    match bearer.refusal(answer) {
        Some((code, sentence)) if is_refusal => {
            ProviderError::Refused { provider: B::NAME, code, sentence }
        }
        None if is_refusal => ProviderError::Refused {
            provider: B::NAME,
            code: answer.status.to_string(),
            sentence: answer.excerpt(),
        },
        _ => ProviderError::NoAnswer { provider: B::NAME, why: strange(answer) },
    }
}

/// An answer in one line, for whoever looks into it.
pub(super) fn strange(answer: &Answer) -> String {
    format!("status {}: {}", answer.status, answer.excerpt())
}

/// A request, written.
pub(super) fn request(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Request<Bytes>, NoAnswer> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).map_err(|error| NoAnswer::NotSent {
        host: "the provider".to_owned(),
        why: format!("the request cannot be written ({error}): check the gateway's settings"),
    })
}

/// A request with JSON in it and a token.
pub(super) fn post_json(
    url: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Result<Request<Bytes>, NoAnswer> {
    let mut all = vec![("content-type", "application/json"), ("accept", "application/json")];
    all.extend(headers);
    request(Method::POST, url, &all, body.to_string())
}

impl Unasked {
    /// As the outcome of a charge.
    pub(super) fn submitted(self) -> Submitted {
        match self {
            Unasked::NoToken(ProviderError::Refused { code, sentence, .. }) => {
                Submitted::Refused(Failure { why: FailureReason::Setup, code, sentence })
            }
            Unasked::NoToken(error) => {
                Submitted::NotSent { why: error.to_string(), wait: SHORT_WHILE }
            }
            Unasked::NoAnswer(error @ NoAnswer::NotSent { .. }) => {
                Submitted::NotSent { why: error.to_string(), wait: SHORT_WHILE }
            }
            Unasked::NoAnswer(error @ NoAnswer::Unknown { .. }) => {
                Submitted::Unknown(error.to_string())
            }
        }
    }

    /// As the outcome of giving money back.
    pub(super) fn refund(self) -> RefundAnswer {
        match self.submitted() {
            Submitted::Refused(failure) => RefundAnswer::Refused(failure),
            Submitted::NotSent { why, wait } => RefundAnswer::NotSent { why, wait },
            Submitted::Unknown(why) => RefundAnswer::Unknown(why),
            // Nothing was asked, so nothing was taken.
            Submitted::Taken { .. } => RefundAnswer::Unknown(String::new()),
        }
    }

    /// As an error.
    pub(super) fn error(self, provider: &'static str) -> ProviderError {
        match self {
            Unasked::NoToken(error) => error,
            Unasked::NoAnswer(error) => {
                ProviderError::NoAnswer { provider, why: error.to_string() }
            }
        }
    }
}

/// A refusal of our own, before anybody was asked.
pub(super) fn setup(code: &str, sentence: impl Into<String>) -> Failure {
    Failure { why: FailureReason::Setup, code: code.to_owned(), sentence: sentence.into() }
}
