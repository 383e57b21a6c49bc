//! What NASes reported of their sessions, for those who end and change them.

use crate::app::App;
use crate::radius::ledger;
use lango_domain::ids::{GrantId, RouterId};
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

/// Closes sessions that a NAS confirmed to have ended at our word.
///
/// # Errors
/// A fault of the store.
pub async fn close_disconnected(app: &App, sessions: Vec<RadiusSession>) -> Result<(), Error> {
    if sessions.is_empty() {
        return Ok(());
    }
    let (desk, now) = (app.clone(), app.clock().now());
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            ledger::close_disconnected(tx, &desk, sessions.clone(), now).await
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
