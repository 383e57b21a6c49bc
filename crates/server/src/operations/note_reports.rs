//! What NASes reported of their sessions, for those who end and change them.

use crate::app::App;
use crate::radius::ledger;
use lango_domain::ids::{GrantId, RouterId, SessionId};
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_radius::accounting::TerminateCause;
use lango_store::radius::RadiusSession;
use lango_store::{Error, Tx};

/// A grant's sessions on a NAS, as far as it reported.
#[derive(Debug, Default)]
pub struct OfGrant {
    /// Those that live and may.
    pub open: Vec<RadiusSession>,
    /// Those that live and must be over, whatever the grant gives.
    pub overdue: Vec<RadiusSession>,
    /// Those that show the pay page only.
    pub walled: Vec<RadiusSession>,
    /// When the hours of its plan end; none if they do not.
    pub closes: Option<Timestamp>,
    /// What it may still use.
    pub left: Left,
    /// Whether the NAS ended the last one, at a limit that we had given it.
    pub ended_by_limit: bool,
}

/// What a grant may still use: sessions are told it together with what they used of it themselves.
#[derive(Debug, Default, Clone, Copy)]
pub struct Left {
    /// Time online; none is unlimited.
    pub uptime: Option<Span>,
    /// Data; none is unlimited.
    pub data: Option<DataSize>,
}

/// The sessions of a grant that live on a NAS, as far as it reported.
///
/// # Errors
/// A fault of the store.
pub async fn of_grant(
    app: &App,
    router: RouterId,
    grant: GrantId,
    now: Timestamp,
) -> Result<OfGrant, Error> {
    app.store()
        .read(async move |tx: &mut Tx<'_>| {
            use lango_store::radius;
            let sessions = radius::open_of_grant(tx, router, grant).await?;
            if sessions.is_empty() {
                let ended_by_limit = was_ended_by_limit(tx, router, grant).await?;
                return Ok(OfGrant { ended_by_limit, ..OfGrant::default() });
            }
            let due = radius::overdue_of_grant(tx, router, grant, now).await?;
            let stored = lango_store::grants::find(tx, grant).await?;
            let own = stored.as_ref().map(|stored| &stored.grant);
            let meter = own.map(|own| own.meter);
            let left = Left {
                uptime: meter.and_then(|meter| meter.uptime_left()),
                data: meter.and_then(|meter| meter.data_left()),
            };
            let is_walled = |session: &RadiusSession| {
                own.is_some_and(|own| crate::radius::is_walled(session, own))
            };
            let hours = own.and_then(|own| own.terms.logins.hours.clone());
            let closes = hours.and_then(|hours| crate::radius::closes(&hours, now));
            let is_over = |session: &RadiusSession| {
                due.contains(&session.id) || closes.is_some_and(|closes| closes <= now)
            };
            let (overdue, open): (Vec<_>, Vec<_>) = sessions.into_iter().partition(is_over);
            let (walled, open) = open.into_iter().partition(is_walled);
            Ok(OfGrant { open, overdue, walled, closes, left, ended_by_limit: false })
        })
        .await
}

/// Whether a NAS ended a grant's last session there at a limit that we had given it.
async fn was_ended_by_limit(
    tx: &mut Tx<'_>,
    router: RouterId,
    grant: GrantId,
) -> Result<bool, Error> {
    const RECENT: i64 = 20;
    let sessions = lango_store::sessions::of_grant(tx, grant, RECENT).await?;
    let own = sessions.iter().filter(|session| session.router == router);
    let Some(last) = own.max_by_key(|session| session.ended_at) else { return Ok(false) };
    let counted = lango_store::radius::by_ids(tx, &[last.id]).await?;
    let limits = [TerminateCause::SESSION_TIMEOUT, TerminateCause::NAS_REQUEST];
    let causes = limits.map(|cause| cause.to_string());
    Ok(counted.iter().any(|session| session.cause.as_ref().is_some_and(|it| causes.contains(it))))
}

/// All sessions that live on a NAS, as far as it reported.
///
/// # Errors
/// A fault of the store.
pub async fn open_on(app: &App, router: RouterId) -> Result<Vec<RadiusSession>, Error> {
    app.store()
        .report(async move |tx: &mut Tx<'_>| lango_store::radius::open_on(tx, router).await)
        .await
}

/// Closes sessions that a NAS confirmed to have ended at our word. Its own last report may have
/// come before its confirmation: what is closed is what stands in the books now, not what stood
/// there when the order was given.
///
/// # Errors
/// A fault of the store.
pub async fn close_disconnected(app: &App, sessions: Vec<RadiusSession>) -> Result<(), Error> {
    if sessions.is_empty() {
        return Ok(());
    }
    let ids: Vec<SessionId> = sessions.iter().map(|session| session.id).collect();
    let (desk, now) = (app.clone(), app.clock().now());
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let mut open = lango_store::radius::by_ids(tx, &ids).await?;
            open.retain(|session| session.ended_at.is_none());
            ledger::close_disconnected(tx, &desk, open, now).await
        })
        .await
}

/// Says whether the grant must hear every report of its sessions on a NAS, and by when hours end
/// which of them.
///
/// # Errors
/// A fault of the store.
pub async fn changed(
    app: &App,
    router: RouterId,
    grant: GrantId,
    metered: bool,
    closing: Vec<(SessionId, Timestamp)>,
) -> Result<(), Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            for (session, closes) in closing.iter().copied() {
                lango_store::radius::close_at(tx, session, Some(closes)).await?;
            }
            lango_store::radius::meter(tx, router, grant, metered).await
        })
        .await
}
