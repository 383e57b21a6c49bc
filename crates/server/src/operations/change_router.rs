//! A router's name, address or login changes, or it is taken out of service.

use crate::app::App;
use crate::operations::add_router::{RouterAddress, RouterLogin, RouterProtocol};
use crate::operations::asked::{self, Actor, By, Entry, Lost};
use crate::operations::router_api::{self, ApiChange, Sealed};
use lango_domain::ids::{RouterId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::routers::Router;
use lango_store::{Error, Tx};

/// What is to be different; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct RouterChange {
    /// What staff call it.
    pub name: Option<String>,
    /// Where it is and how to speak to it.
    pub address: Option<RouterAddress>,
    /// Who we are to it.
    pub login: Option<RouterLogin>,
    /// The second way to one that asks by RADIUS.
    pub api: Option<ApiChange>,
}

/// Why a router could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeRouterError {
    /// No such router, or not as it was read.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// It must be called something.
    #[error("a router needs a name")]
    NoName,
    /// The name is in use.
    #[error("there is a router of that name already: choose another name")]
    Known,
    /// It is reached by its API already.
    #[error(
        "only a router that asks by RADIUS has an API beside it: give it another address instead"
    )]
    OneWay,
    /// The second way is no API.
    #[error("`{0}` is no API: write api://HOST, apis://HOST, rest://HOST or rests://HOST")]
    NoApi(RouterAddress),
    /// What is sealed of it cannot be read, so it cannot be sealed anew in part.
    #[error("what is sealed of it cannot be read: give its secret with --password too")]
    Sealed,
    /// The database.
    #[error("changing a router")]
    Store(#[from] Error),
}

/// Changes a router. Its worker connects anew.
///
/// # Errors
/// See [`ChangeRouterError`].
pub async fn change_router(
    app: &App,
    (tenant, id): (TenantId, RouterId),
    change: RouterChange,
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<Router, ChangeRouterError> {
    let (desk, by) = (app.clone(), by.clone());
    let changed = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let before = match expected_one(tx, tenant, id, expected).await? {
                Ok(before) => before,
                Err(lost) => return Ok(Err(lost.into())),
            };
            let after = match changed(&desk, before, &change) {
                Ok(after) => after,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if after.name.is_empty() {
                return Ok(Err(ChangeRouterError::NoName));
            }
            let others = lango_store::routers::of_tenant(tx, tenant).await?;
            if others.iter().any(|other| other.id != id && other.name == after.name) {
                return Ok(Err(ChangeRouterError::Known));
            }
            lango_store::routers::change(tx, &after).await?;
            account(tx, &desk, &by.actor, &after, "router changed", now).await?;
            Ok(Ok(Router { version: after.version + 1, ..after }))
        })
        .await?;
    app.routers_changed();
    changed
}

fn changed(app: &App, before: Router, change: &RouterChange) -> Result<Router, ChangeRouterError> {
    let mut after = before;
    if let Some(name) = &change.name {
        name.trim().clone_into(&mut after.name);
    }
    if let Some(address) = &change.address {
        // Names, numbers and words: serialising cannot fail.
        after.endpoint = serde_json::to_string(address).unwrap_or_default();
    }
    if change.login.is_none() && change.api.is_none() {
        return Ok(after);
    }
    let sealed = sealed(app, &after, change)?;
    let clear = serde_json::to_vec(&sealed).unwrap_or_default();
    after.credentials = app.seal_credentials(after.id, &clear);
    Ok(after)
}

/// What is to be sealed of a router; what does not change stays.
fn sealed(app: &App, router: &Router, change: &RouterChange) -> Result<Sealed, ChangeRouterError> {
    let before = Sealed::of(app, router);
    let kept = before.as_ref().and_then(|before| before.api.clone());
    let login = change.login.clone().or(before.map(|before| before.login));
    let login = login.ok_or(ChangeRouterError::Sealed)?;
    let address = serde_json::from_str::<RouterAddress>(&router.endpoint).ok();
    let is_radius = address.is_some_and(|address| address.protocol == RouterProtocol::Radius);
    let api = match &change.api {
        Some(ApiChange::Use(_)) if !is_radius => return Err(ChangeRouterError::OneWay),
        Some(ApiChange::Use(api)) if !router_api::is_api(&api.address) => {
            return Err(ChangeRouterError::NoApi(api.address.clone()));
        }
        Some(ApiChange::Use(api)) => Some(api.clone()),
        Some(ApiChange::Forget) => None,
        None => kept.filter(|_| is_radius),
    };
    Ok(Sealed { login, api })
}

/// Takes a router out of service. What it holds stays on it; its open work is dropped.
///
/// # Errors
/// See [`ChangeRouterError`].
pub async fn remove_router(
    app: &App,
    (tenant, id): (TenantId, RouterId),
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<(), ChangeRouterError> {
    let (desk, by) = (app.clone(), by.clone());
    let removed: Result<(), Lost> = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let router = match expected_one(tx, tenant, id, expected).await? {
                Ok(router) => router,
                Err(lost) => return Ok(Err(lost)),
            };
            lango_store::routers::remove(tx, id, now).await?;
            // It is believed no more, so nobody would tell of their end.
            crate::radius::ledger::close_removed(tx, &desk, id, now).await?;
            account(tx, &desk, &by.actor, &router, "router removed", now).await?;
            Ok(Ok(()))
        })
        .await?;
    app.routers_changed();
    Ok(removed?)
}

/// The router, if it is this tenant's and as it was read.
pub(crate) async fn expected_one(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: RouterId,
    expected: Option<i64>,
) -> Result<Result<Router, Lost>, Error> {
    Ok(match of_tenant(tx, tenant, id).await? {
        None => Err(Lost::Missing("router")),
        Some(found) if !asked::is_expected(found.version, expected) => Err(Lost::Stale("router")),
        Some(found) => Ok(found),
    })
}

/// The router, if it is this tenant's and in service.
pub(crate) async fn of_tenant(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: RouterId,
) -> Result<Option<Router>, Error> {
    let found = lango_store::routers::find(tx, id).await?;
    Ok(found.filter(|router| router.tenant == tenant))
}

/// Writes a line about a router into the account.
pub(crate) async fn account(
    tx: &mut Tx<'_>,
    app: &App,
    actor: &Actor,
    router: &Router,
    what: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let entry =
        Entry { router: Some(router.id), ..Entry::of(router.tenant, what, router.name.clone()) };
    asked::account(tx, app, actor, entry, now).await
}
