//! Sessions of which nothing is heard any more. A NAS that lost power tells nobody that its
//! customers are gone; a line that lost the last report neither. They are closed at the last word
//! of them, for a reason of their own, and opened again by any later one.

use super::ledger::close_silent;
use crate::app::App;
use lango_domain::time::{Span, Timestamp};
use lango_store::radius::RadiusSession;
use lango_store::{Error, Tx};
use tokio_util::sync::CancellationToken;

/// How long a session may say nothing: three reports, and more than a short outage.
pub(super) const SILENCE: Span = Span::minutes(17);
/// How long one may that is on a NAS which never reports of what goes on. Its device takes its
/// place itself when it comes back, and its grant's end is told to the NAS all the same.
const SILENCE_OF_THE_MUTE: Span = Span::hours(24);
/// How often is looked.
const LOOK_EVERY: Span = Span::minutes(1);
/// How many are closed together.
const BATCH: i64 = 500;

/// Looks until stopped.
pub(super) async fn run(app: App, stop: CancellationToken) {
    let mut hearing_since = app.clock().now();
    while !stop.is_cancelled() {
        match sweep(&app, hearing_since).await {
            Ok(0) => {}
            Ok(closed) => tracing::info!(closed, "{closed} sessions closed that fell silent"),
            Err(error) => {
                // What could not be written down meanwhile is no silence.
                hearing_since = app.clock().now();
                tracing::warn!(%error, "silent sessions cannot be closed; trying again");
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.clock().sleep(LOOK_EVERY) => {}
        }
    }
}

/// Closes what fell silent, unless it may be us who did not hear: after a start, or after a fault
/// of the database, every session has as long to be heard of as any other.
async fn sweep(app: &App, hearing_since: Timestamp) -> Result<usize, Error> {
    let mut closed = 0;
    loop {
        let (desk, now) = (app.clone(), app.clock().now());
        let is_silence = now.since(hearing_since) >= SILENCE;
        let round = app
            .store()
            .write(async move |tx: &mut Tx<'_>| {
                let stale = stale(tx, now).await?;
                if !is_silence {
                    return Ok(0);
                }
                let count = stale.len();
                close_silent(tx, &desk, stale, now).await?;
                Ok(count)
            })
            .await?;
        closed += round;
        if (round as i64) < BATCH {
            return Ok(closed);
        }
    }
}

async fn stale(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<RadiusSession>, Error> {
    lango_store::radius::stale(tx, now - SILENCE, now - SILENCE_OF_THE_MUTE, BATCH).await
}
