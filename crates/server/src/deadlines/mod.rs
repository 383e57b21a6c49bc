//! The engine for time: sleeps until the smallest deadline, works off everything due, and never
//! looks at what is not.

use crate::app::App;
use crate::observe::pulse::Engine;
use crate::operations::end_due_grants::{DuePass, end_due_grants};
use lango_domain::time::{Span, Timestamp};
use lango_store::{Error, Topic, Tx};
use tokio_util::sync::CancellationToken;

/// The longest sleep: a wake can be lost, and another process may have set an earlier deadline.
const LONGEST_SLEEP: Span = Span::seconds(2);

/// Works until stopped. Faults of the store are logged and tried again.
pub async fn run(app: App, stop: CancellationToken) {
    let news = app.store().subscribe(Topic::Deadlines);
    while !stop.is_cancelled() {
        let until = match pass(&app).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(error = %error, "due grants could not be ended; trying again");
                app.clock().now() + Span::seconds(1)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = news.woken() => {}
            () = app.clock().sleep_until(until) => {}
        }
    }
}

/// Works off what is due now. Returns when to look again.
async fn pass(app: &App) -> Result<Timestamp, Error> {
    let now = app.clock().now();
    let latest = now + LONGEST_SLEEP;
    let next = next_deadline(app).await?;
    app.pulse().beat(Engine::Deadlines, now);
    if next.is_none_or(|next| next > now) {
        return Ok(next.map_or(latest, |next| next.min(latest)));
    }
    report(app, &end_due_grants(app, now).await?);
    Ok(now)
}

async fn next_deadline(app: &App) -> Result<Option<Timestamp>, Error> {
    app.store().read(async |tx: &mut Tx<'_>| lango_store::grants::next_deadline(tx).await).await
}

fn report(app: &App, pass: &DuePass) {
    app.metrics().ended.inc_by(pass.ended as u64);
    let overdue_ms = pass.longest_overdue.as_millis();
    if pass.ended + pass.warned == 0 {
        return tracing::debug!(due = pass.due, overdue_ms, "deadlines worked off");
    }
    let (ended, warned) = (pass.ended, pass.warned);
    tracing::info!(ended, warned, overdue_ms, "{ended} grants ended, {warned} to be warned");
    for (tenant, ended) in &pass.by_tenant {
        tracing::debug!(tenant.id = %tenant, ended, "grants of one tenant ended");
    }
}
