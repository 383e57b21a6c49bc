//! What NASes reported of their sessions, for those who end and change them.

use crate::app::App;
use crate::radius::ledger;
use lango_domain::ids::{GrantId, RouterId, SessionId};
use lango_store::radius::RadiusSession;
use lango_store::{Error, Tx};

/// The sessions of a grant that live on a NAS, as far as it reported.
///
/// # Errors
/// A fault of the store.
pub async fn open_of_grant(
    app: &App,
    router: RouterId,
    grant: GrantId,
) -> Result<Vec<RadiusSession>, Error> {
    app.store()
        .read(async move |tx: &mut Tx<'_>| {
            lango_store::radius::open_of_grant(tx, router, grant).await
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

/// Says whether the grant must hear every report of its sessions on a NAS.
///
/// # Errors
/// A fault of the store.
pub async fn meter(
    app: &App,
    router: RouterId,
    grant: GrantId,
    metered: bool,
) -> Result<(), Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            lango_store::radius::meter(tx, router, grant, metered).await
        })
        .await
}
