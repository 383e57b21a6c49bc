//! Gateways' reports of what became of texts. They prove themselves by a secret in the path, and
//! Twilio by its signature. Whatever they say is kept; who comes with the wrong path learns nothing.

use crate::messaging::gateways::read_reports;
use crate::operations::hear_report::hear_reports;
use crate::web::Entrance;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lango_domain::ids::SenderId;
use lango_store::Tx;
use subtle::ConstantTimeEq;

/// `POST /api/messages/{sender}/{token}`.
pub(super) async fn hear(
    State(here): State<Entrance>,
    Path((sender, token)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(id) = sender.parse::<SenderId>() else { return nothing_here() };
    let expected = here.app.report_token(id);
    if !bool::from(expected.as_bytes().ct_eq(token.as_bytes())) {
        return nothing_here();
    }
    let find = async move |tx: &mut Tx<'_>| lango_store::senders::find(tx, id).await;
    let sender = match here.app.store().read(find).await {
        Ok(Some(sender)) => sender,
        Ok(None) => return nothing_here(),
        Err(error) => return later(&error),
    };
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let signature = headers.get("x-twilio-signature").and_then(|value| value.to_str().ok());
    let Some(reports) = read_reports(&here.app, &sender, (kind, signature), &body) else {
        return (StatusCode::FORBIDDEN, "its signature is wrong\n").into_response();
    };
    let (whose, now) = ((sender.tenant, sender.id), here.app.clock().now());
    match hear_reports(&here.app, whose, reports, now).await {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(error) => later(&error),
    }
}

fn nothing_here() -> Response {
    crate::web::api::problem::Problem::no_such_path().into_response()
}

/// They send it again, which is harmless.
fn later(error: &lango_store::Error) -> Response {
    tracing::error!(%error, "a report of delivery could not be kept");
    (StatusCode::SERVICE_UNAVAILABLE, "try again\n").into_response()
}
