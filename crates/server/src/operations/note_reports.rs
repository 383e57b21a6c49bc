//! What NASes reported of their sessions, for those who end and change them.

use crate::app::App;
use crate::radius::ledger;
use lango_domain::ids::{GrantId, RouterId, SessionId};
use lango_domain::time::Timestamp;
use lango_store::radius::RadiusSession;
use lango_store::{Error, Tx};

/// A grant's sessions on a NAS, as far as it reported.
#[derive(Debug, Default)]
pub struct OfGrant {
    /// Those that live and may.
    pub open: Vec<RadiusSession>,
    /// Those that live and must be over, whatever the grant gives.
    pub overdue: Vec<RadiusSession>,
    /// When the hours of its plan end; none if they do not.
    pub closes: Option<Timestamp>,
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
                return Ok(OfGrant::default());
            }
            let due = radius::overdue_of_grant(tx, router, grant, now).await?;
            let stored = lango_store::grants::find(tx, grant).await?;
            let hours = stored.and_then(|stored| stored.grant.terms.logins.hours);
            let closes = hours.and_then(|hours| crate::radius::closes(&hours, now));
            let is_over = |session: &RadiusSession| {
                due.contains(&session.id) || closes.is_some_and(|closes| closes <= now)
            };
            let (overdue, open) = sessions.into_iter().partition(is_over);
            Ok(OfGrant { open, overdue, closes })
        })
        .await
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
