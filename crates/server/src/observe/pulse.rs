//! The pulse of the engines: when each last finished a pass. Kept in memory for the metrics and,
//! every few seconds, in the database, where another process can see whether anybody is at work.

use crate::app::App;
use lango_domain::time::{Span, Timestamp};
use lango_store::{Error, Tx};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// The fact under which the pulse is kept.
const FACT: &str = "pulse";
/// How often it is kept.
const KEEP_EVERY: Span = Span::seconds(10);

/// An engine.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Ends what is due.
    Deadlines,
    /// Keeps one worker per router.
    Routers,
    /// Does what must happen at least once.
    Jobs,
    /// What is done once a day.
    Housekeeping,
    /// Tells whoever listens what happened.
    Feed,
    /// Tells other programs what happened.
    Webhooks,
}

impl Engine {
    /// The word in metrics and tables.
    pub const fn word(self) -> &'static str {
        match self {
            Engine::Deadlines => "deadlines",
            Engine::Routers => "routers",
            Engine::Jobs => "jobs",
            Engine::Housekeeping => "housekeeping",
            Engine::Feed => "feed",
            Engine::Webhooks => "webhooks",
        }
    }
}

/// When each engine last finished a pass.
pub type Beats = BTreeMap<Engine, Timestamp>;

/// The pulse of this process.
#[derive(Debug, Default)]
pub struct Pulse(Mutex<Beats>);

impl Pulse {
    /// An engine finished a pass.
    pub fn beat(&self, engine: Engine, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(engine, now);
    }

    /// When each last did.
    pub fn read(&self) -> Beats {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps the pulse in the database until stopped.
pub async fn run(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = keep(&app).await {
            tracing::error!(%error, "the pulse could not be kept; trying again");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.clock().sleep(KEEP_EVERY) => {}
        }
    }
}

/// Keeps the pulse of this process in the database.
///
/// # Errors
/// A fault of the store.
pub async fn keep(app: &App) -> Result<(), Error> {
    let beats = app.pulse().read();
    if beats.is_empty() {
        return Ok(());
    }
    // Words and instants: serialising cannot fail.
    let text = serde_json::to_string(&beats).unwrap_or_default();
    app.store()
        .write(async move |tx: &mut Tx<'_>| lango_store::facts::keep(tx, FACT, &text).await)
        .await
}

/// The pulse as last kept by any process; empty if none ever was.
///
/// # Errors
/// A fault of the store.
pub async fn last(tx: &mut Tx<'_>) -> Result<Beats, Error> {
    let kept = lango_store::facts::read(tx, FACT).await?;
    Ok(kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}
