//! Where payment providers speak: `/api/payments/{provider}/{door}/{secret}`. What comes is kept as
//! it came and answered; it is read afterwards, by the cashier.
//!
//! Must never do anything else before it answers: a provider that waits too long takes its message
//! back, and one that is told no may never say it again. The one question that wants an answer now
//! is whether money may be paid by hand, and whoever is asked that has eight seconds.

use crate::app::App;
use crate::operations::confirm_payment;
use crate::operations::gateways::provider_of;
use crate::payments::{Callback, Door, Heard};
use crate::web::Entrance;
use crate::web::api::problem::Problem;
use crate::web::listen::client_address::ClientAddress;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use lango_domain::time::Timestamp;
use lango_store::gateways::{self, Gateway};
use lango_store::inbox::Letter;

/// More is no message of a provider.
const LARGEST: usize = 64 * 1_024;
/// Headers that are worth keeping: who sent it, and by which signature.
const KEPT_HEADERS: usize = 40;

/// The routes of providers.
pub(crate) fn routes(router: Router<Entrance>) -> Router<Entrance> {
    router
        // The name that older systems gave it; Daraja itself refuses addresses with that word.
        .route("/api/payments/mpesa/callback/{secret}", post(from_mpesa))
        .route("/api/payments/{provider}/{door}/{secret}", post(from_provider).put(from_provider))
        .layer(DefaultBodyLimit::max(LARGEST))
}

async fn from_mpesa(
    state: State<Entrance>,
    Path(secret): Path<String>,
    address: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let path = Path(("daraja".to_owned(), Door::Stk.word().to_owned(), secret));
    from_provider(state, path, address, headers, body).await
}

async fn from_provider(
    State(here): State<Entrance>,
    Path((provider, door, secret)): Path<(String, String, String)>,
    address: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(door) = door.parse::<Door>() else { return Problem::no_such_path().into_response() };
    let Ok(body) = to_bytes(body, LARGEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let app = &here.app;
    let whose = match gateways::behind(app.store(), &app.door_hash(&secret)).await {
        Ok(Some(whose)) if whose.gateway.provider == provider => whose,
        Ok(_) => return Problem::no_such_path().into_response(),
        Err(error) => {
            tracing::error!(%error, "whose a message of a payment provider is could not be read");
            return not_kept();
        }
    };
    let now = app.clock().now();
    let letter = Letter {
        id: app.id(now),
        tenant: whose.gateway.tenant,
        gateway: whose.gateway.id,
        payment: whose.payment,
        door: door.word().to_owned(),
        source: address.map_or_else(ClientAddress::default, |Extension(from)| from).0.to_string(),
        headers: written(&headers),
        body: body.to_vec(),
        received_at: now,
        work_at: Some(now),
        attempt: 0,
        outcome: None,
    };
    if !app.postbox().keep(app.store(), letter.clone()).await {
        return not_kept();
    }
    let is_accepted = match door {
        Door::C2bValidate => may_pay(app, &whose.gateway, &letter, now).await,
        _ => true,
    };
    match provider_of(app, &whose.gateway) {
        Ok(provider) => {
            let answer = provider.answer_to(door, is_accepted);
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
            (status, [(header::CONTENT_TYPE, answer.content_type)], answer.body).into_response()
        }
        // It is kept: whoever sent it has done his part.
        Err(_) => StatusCode::OK.into_response(),
    }
}

/// It was not kept, so it must not be told that it was: some providers try again.
fn not_kept() -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

/// Whether money may be paid by hand: to any account that we know. What cannot be found out in time
/// is taken: money that waits for a person is better than a customer who is sent away.
async fn may_pay(app: &App, gateway: &Gateway, letter: &Letter, now: Timestamp) -> bool {
    let Ok(provider) = provider_of(app, gateway) else { return true };
    let read = provider.read_callback(Door::C2bValidate, &[], &letter.body, now);
    let Ok(Callback { heard: Heard::MayPay(money), .. }) = read else { return true };
    confirm_payment::is_known_account(app, gateway, &money.account).await.unwrap_or(true)
}

fn written(headers: &HeaderMap) -> String {
    let kept: Vec<(&str, &str)> = headers
        .iter()
        .filter(|(name, _)| *name != header::AUTHORIZATION && *name != header::COOKIE)
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .take(KEPT_HEADERS)
        .collect();
    // Pairs of text: serialising them cannot fail.
    serde_json::to_string(&kept).unwrap_or_default()
}
