//! The web entrance. For now what machines ask: is it alive, is it ready, its numbers.

use crate::app::App;
use crate::reconcile::supervisor::Boards;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
struct Entrance {
    app: App,
    boards: Boards,
}

/// Serves until stopped; requests under way are answered first.
pub async fn serve(app: App, boards: Boards, listener: TcpListener, stop: CancellationToken) {
    let served = axum::serve(listener, routes(app, boards))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the web server ended");
    }
}

fn routes(app: App, boards: Boards) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Entrance { app, boards })
}

/// Alive: the process answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// Ready: the database answers and every router was tried once.
async fn readyz(State(entrance): State<Entrance>) -> impl IntoResponse {
    if let Err(error) = entrance.app.store().ping().await {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("database: {error}\n"));
    }
    if !entrance.boards.all_tried() {
        return (StatusCode::SERVICE_UNAVAILABLE, "routers are being looked at\n".to_owned());
    }
    (StatusCode::OK, "ready\n".to_owned())
}

async fn metrics(State(entrance): State<Entrance>) -> impl IntoResponse {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, TYPE)], entrance.app.metrics().text(&entrance.app.pulse().read()))
}
