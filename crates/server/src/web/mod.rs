//! The web entrance: what machines ask (is it alive, its numbers), the API for programs, and the
//! routes of older systems. It calls operations. `run` starts it and the command line sets it up;
//! operations, engines and drivers must never know it.

pub mod api;
mod callbacks;
mod captive;
pub(crate) mod kept;
pub mod listen;
pub(crate) mod portal;
mod record;
mod reports;

use crate::app::App;
use crate::operations::diagnose_money;
use crate::reconcile::supervisor::Boards;
use crate::web::api::problem::Problem;
use crate::web::api::rate::Buckets;
use crate::web::listen::client_address::Origin;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use lango_domain::ids::TokenId;
use lango_routeros::Timeouts;
use std::sync::Arc;
use std::time::Duration;

/// No report of a gateway is larger.
const LARGEST_REPORT: usize = 64 * 1_024;

/// What every handler has at hand.
#[derive(Clone)]
pub(crate) struct Entrance {
    pub(crate) app: App,
    pub(crate) boards: Boards,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Arc<Limits>,
    /// How long an answer waits for routers.
    pub(crate) patience: Duration,
    description: Arc<str>,
}

/// How often somebody may ask.
#[derive(Debug)]
pub(crate) struct Limits {
    /// By token.
    pub(crate) requests: Buckets<TokenId>,
    /// By the origin from which wrong ones are shown.
    pub(crate) wrong_tokens: Buckets<Origin>,
    /// By the origin of customers, who have none.
    pub(crate) guests: Buckets<Origin>,
    /// By the origin from which wrong codes are typed.
    pub(crate) wrong_codes: Buckets<Origin>,
    /// By device and site, of codes and digits typed into the portal.
    pub(crate) guesses: portal::guesses::Guesses,
}

/// How the entrance behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// How many requests a second a token may make, over time.
    pub requests_per_second: u32,
    /// How many wrong tokens a minute an address may show.
    pub wrong_tokens_per_minute: u32,
    /// How long to wait for a router's answers.
    pub timeouts: Timeouts,
    /// How long an answer of ours waits for routers altogether.
    pub patience: Duration,
}

impl Default for Manners {
    fn default() -> Manners {
        Manners {
            requests_per_second: 100,
            wrong_tokens_per_minute: 60,
            timeouts: Timeouts::default(),
            patience: Duration::from_secs(20),
        }
    }
}

/// Everything that is served.
pub fn routes(app: App, boards: Boards, manners: Manners) -> Router {
    let rate = manners.requests_per_second;
    let requests = Buckets::new(rate.saturating_mul(60), rate.saturating_mul(2));
    let mut doors = api::doors();
    let description = api::openapi::document(&mut doors).to_string().into();
    let limits = Arc::new(Limits {
        requests,
        // Mistakes of scripts, or guesses at 192 bits: only the load of them matters.
        wrong_tokens: Buckets::new(
            manners.wrong_tokens_per_minute,
            manners.wrong_tokens_per_minute / 2,
        ),
        // A whole hotel may come from one address, with phones that ask again and again.
        guests: Buckets::new(3_000, 200),
        // There are 31^7 codes: among 10,000 unused vouchers this finds one in half a year.
        wrong_codes: Buckets::new(10, 60),
        guesses: portal::guesses::Guesses::default(),
    });
    let (timeouts, patience) = (manners.timeouts, manners.patience);
    let entrance = Entrance { app, boards, timeouts, limits, patience, description };
    let record = axum::middleware::from_fn_with_state(entrance.clone(), record::record);
    let probe = axum::middleware::from_fn_with_state(entrance.clone(), captive::probe);
    callbacks::routes(captive::open(doors.router))
        .merge(portal::routes())
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/openapi.json", get(description_of_the_api))
        .route(
            "/api/messages/{sender}/{token}",
            post(reports::hear).layer(DefaultBodyLimit::max(LARGEST_REPORT)),
        )
        .fallback(async || Problem::no_such_path())
        .method_not_allowed_fallback(async || Problem::no_such_method())
        .layer(probe)
        .layer(record)
        .with_state(entrance)
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
    // What cannot be counted now is told as it was counted last.
    if let Err(error) = diagnose_money::count(&entrance.app, entrance.app.clock().now()).await {
        tracing::warn!(%error, "payments could not be counted");
    }
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, TYPE)], entrance.app.metrics().text(&entrance.app.pulse().read()))
}

async fn description_of_the_api(State(entrance): State<Entrance>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], entrance.description.to_string())
}
