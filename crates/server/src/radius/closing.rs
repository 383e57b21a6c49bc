//! Sessions that must be over before their grant is: the hours of their plan ended, or another
//! device took their place. A NAS ends the first by the Session-Timeout that it was given, and is
//! told to end the second at once; whatever lasts all the same is made work here, again and again.
//! See `docs/decisions/0018-allowed-times.md`.

use crate::app::App;
use lango_domain::hours::{Door, Hours};
use lango_domain::ids::{GrantId, Id, RouterId};
use lango_domain::time::{Span, Timestamp};
use lango_store::radius::{DueWhy, Overdue};
use lango_store::{Error, Topic, Tx};
use std::collections::HashMap;
use tokio_util::sync::CancellationToken;

/// How often is looked. Nothing waits for it but what went wrong.
const LOOK_EVERY: Span = Span::seconds(5);
/// How many are looked at together.
const BATCH: i64 = 500;

/// Looks until stopped.
pub(super) async fn run(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = look(&app).await {
            tracing::warn!(%error, "overdue sessions cannot be looked at; trying again");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.clock().sleep(LOOK_EVERY) => {}
        }
    }
}

/// When the hours end in which a session may last: now, if they have; none if they never do.
pub(crate) fn closes(hours: &Hours, now: Timestamp) -> Option<Timestamp> {
    match hours.at(now) {
        Door::Open { closes } => closes,
        Door::Closed { .. } => Some(now),
    }
}

async fn look(app: &App) -> Result<(), Error> {
    let now = app.clock().now();
    let overdue = async move |tx: &mut Tx<'_>| lango_store::radius::overdue(tx, now, BATCH).await;
    // Reading costs no other writer anything, and nearly always there is nothing.
    let overdue = app.store().read(overdue).await?;
    if overdue.is_empty() {
        return Ok(());
    }
    app.store().write(async move |tx: &mut Tx<'_>| end(tx, &overdue, now).await).await
}

/// Makes work of sessions that must be over. Hours can have changed since it was noted when they
/// end: then it is noted anew.
async fn end(tx: &mut Tx<'_>, overdue: &[Overdue], now: Timestamp) -> Result<(), Error> {
    let by_hours = overdue.iter().filter(|one| one.why == DueWhy::Hours);
    let mut grants: Vec<GrantId> = by_hours.map(|one| one.grant).collect();
    grants.sort_unstable();
    grants.dedup();
    let held = lango_store::grants::held(tx, &grants).await?;
    let hours: HashMap<GrantId, Option<Hours>> = held
        .into_iter()
        .map(|held| (held.stored.grant.id, held.stored.grant.terms.logins.hours))
        .collect();
    let mut work: HashMap<RouterId, Vec<(GrantId, String)>> = HashMap::new();
    for one in overdue {
        let closes = match (one.why, hours.get(&one.grant)) {
            (DueWhy::Displaced, _) => Some(now),
            (DueWhy::Hours, Some(Some(hours))) => closes(hours, now),
            (DueWhy::Hours, _) => None,
        };
        if closes != Some(now) {
            lango_store::radius::close_at(tx, one.session, closes).await?;
            continue;
        }
        let why = match one.why {
            DueWhy::Displaced => "a session lasts whose place another device took",
            DueWhy::Hours => "a session lasts and the hours of its plan are over",
        };
        let of_router = work.entry(one.router).or_default();
        if !of_router.iter().any(|(grant, _)| *grant == one.grant) {
            of_router.push((one.grant, why.to_owned()));
        }
    }
    for (router, differences) in work {
        lango_store::enforcements::repair(tx, router, &differences, now).await?;
        tx.wake(Topic::Router(router.raw()));
    }
    Ok(())
}
