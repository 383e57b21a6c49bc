//! Gateways: a business's accounts with payment providers are added, changed and removed. Their
//! settings are sealed; what staff see again is masked.

use crate::app::App;
use crate::operations::asked::{self, By, Entry, KeyReused, Lost};
use crate::operations::begin_purchase::new_door;
use crate::payments::provider::Provider;
use crate::payments::settings::{Settings, WrongField};
use crate::payments::{Door, Till, Urls};
use lango_domain::ids::{GatewayId, TenantId};
use lango_domain::money::Currency;
use lango_domain::time::{Span, Timestamp};
use lango_store::gateways::{self, Gateway};
use lango_store::{Error, Tx};
use serde_json::Value;

/// How often a provider's list of money is compared with ours.
pub const COMPARED_EVERY: Span = Span::hours(1);

/// A gateway to be added.
#[derive(Clone, Debug)]
pub struct NewGateway {
    /// Whose.
    pub tenant: TenantId,
    /// What staff call it.
    pub name: String,
    /// The money it takes; none is the business's.
    pub currency: Option<Currency>,
    /// How we are known there.
    pub settings: Value,
}

/// Why a gateway could not be added or changed.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The settings are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<WrongField>),
    /// It must be called something.
    #[error("the gateway needs a name")]
    NoName,
    /// The name is taken.
    #[error("there is a gateway `{0}` already: choose another name")]
    Taken(String),
    /// No such gateway, or not as it was read.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The key of the request was used for another.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// The database.
    #[error("changing a gateway")]
    Store(#[source] Error),
}

impl From<Error> for GatewayError {
    fn from(error: Error) -> GatewayError {
        GatewayError::Store(error)
    }
}

/// Adds a gateway. Customers are offered it after those there are.
///
/// # Errors
/// See [`GatewayError`].
pub async fn add_gateway(
    app: &App,
    new: NewGateway,
    by: &By,
    now: Timestamp,
) -> Result<Gateway, GatewayError> {
    let name = new.name.trim().to_owned();
    if name.is_empty() {
        return Err(GatewayError::NoName);
    }
    let tenant = new.tenant;
    let home = app
        .store()
        .read(async move |tx: &mut Tx<'_>| lango_store::tenants::one(tx, tenant).await)
        .await?;
    let currency = new.currency.unwrap_or(home.currency);
    let settings = Settings::read(new.settings, currency).map_err(GatewayError::Settings)?;
    let gateway = sealed(app, (tenant, &name, currency), &settings, now);
    let (desk, by) = (app.clone(), by.clone());
    let added = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| {
            match asked::made_before::<GatewayId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => {
                    let before = match made.first() {
                        Some(made) => gateways::find(tx, *made).await?,
                        None => None,
                    };
                    return Ok(before.ok_or_else(|| Lost::Missing("gateway").into()));
                }
                Ok(None) => {}
            }
            let place = gateways::of_tenant(tx, tenant).await?.len() as i64 + 1;
            let gateway = Gateway { place, ..gateway.clone() };
            gateways::insert(tx, &gateway).await?;
            let detail = format!("{} by {}", gateway.name, gateway.provider);
            let entry = Entry::of(tenant, "gateway added", detail);
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            asked::keep_made(tx, &by, &[gateway.id], now).await?;
            Ok(Ok(gateway))
        })
        .await;
    match added {
        Err(Error::Conflict { .. }) => Err(GatewayError::Taken(name)),
        outcome => outcome?,
    }
}

fn sealed(
    app: &App,
    (tenant, name, currency): (TenantId, &str, Currency),
    settings: &Settings,
    now: Timestamp,
) -> Gateway {
    let (id, door) = (app.id(now), new_door());
    let till = Till { gateway: id, currency };
    let lists =
        Provider::from_settings(till, settings.clone(), app.links()).abilities().lists_money;
    Gateway {
        id,
        tenant,
        name: name.to_owned(),
        provider: settings.provider().to_owned(),
        currency,
        settings: app.seal_gateway(id, &written(settings)),
        door: app.seal_door(&id.to_string(), &door),
        door_hash: app.door_hash(&door),
        place: 1,
        created_at: now,
        removed_at: None,
        compared_until: None,
        compare_at: lists.then_some(now + COMPARED_EVERY),
        last_error: None,
        version: 1,
    }
}

fn written(settings: &Settings) -> Vec<u8> {
    // Text, numbers and dates: serialising them cannot fail.
    serde_json::to_vec(settings).unwrap_or_default()
}

/// The settings of a gateway, in clear.
///
/// # Errors
/// They were sealed with another key, or are damaged.
pub fn settings_of(app: &App, gateway: &Gateway) -> Result<Settings, Error> {
    let clear = app.open_gateway(gateway.id, &gateway.settings)?;
    serde_json::from_slice(&clear).map_err(|_| Error::Secret {
        context: format!("settings of {}", gateway.id),
        reason: "they are not settings",
    })
}

/// The client of a gateway.
///
/// # Errors
/// As [`settings_of`].
pub fn provider_of(app: &App, gateway: &Gateway) -> Result<Provider, Error> {
    let till = Till { gateway: gateway.id, currency: gateway.currency };
    Ok(Provider::from_settings(till, settings_of(app, gateway)?, app.links()))
}

/// Where a provider tells us of something: `{public_url}/api/payments/{provider}/{door}/{secret}`.
/// None while it is not known under which address we are reached.
///
/// # Errors
/// The secret was sealed with another key.
pub fn url_of(
    app: &App,
    gateway: &Gateway,
    door: Door,
    (of, sealed): (&str, &[u8]),
) -> Result<Option<String>, Error> {
    let Some(public) = app.public_url() else { return Ok(None) };
    let secret = app.open_door(of, sealed)?;
    Ok(Some(format!("{public}/api/payments/{}/{}/{secret}", gateway.provider, door.word())))
}

/// Where a provider is to tell of money that comes by itself.
///
/// # Errors
/// As [`url_of`].
pub fn urls_of(app: &App, gateway: &Gateway) -> Result<Option<Urls>, Error> {
    let id = gateway.id.to_string();
    let url = |door| url_of(app, gateway, door, (&id, &gateway.door));
    let validate = url(Door::C2bValidate)?;
    let confirm = url(Door::C2bConfirm)?;
    let webhook = url(Door::Webhook)?;
    let all = validate.zip(confirm).zip(webhook);
    Ok(all.map(|((validate, confirm), webhook)| Urls { validate, confirm, webhook }))
}

/// What is to be different about a gateway; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct GatewayChange {
    /// What staff call it.
    pub name: Option<String>,
    /// How we are known there; all of it.
    pub settings: Option<Value>,
    /// Where it stands among the business's.
    pub place: Option<i64>,
}

/// Changes a gateway.
///
/// # Errors
/// See [`GatewayError`].
pub async fn change_gateway(
    app: &App,
    (tenant, id): (TenantId, GatewayId),
    change: GatewayChange,
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<Gateway, GatewayError> {
    let (desk, by) = (app.clone(), by.clone());
    let name = change.name.clone().unwrap_or_default();
    let changed = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let before = match live(tx, (tenant, id), expected).await? {
                Ok(before) => before,
                Err(lost) => return Ok(Err(lost.into())),
            };
            let mut after = before;
            if let Some(typed) = change.settings.clone() {
                let settings = match Settings::read(typed, after.currency) {
                    Ok(settings) => settings,
                    Err(wrong) => return Ok(Err(GatewayError::Settings(wrong))),
                };
                after.settings = desk.seal_gateway(id, &written(&settings));
            }
            after.name = change.name.clone().unwrap_or(after.name);
            after.place = change.place.unwrap_or(after.place);
            gateways::change(tx, &after).await?;
            after.version += 1;
            let entry = Entry::of(tenant, "gateway changed", after.name.clone());
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(after))
        })
        .await;
    match changed {
        Err(Error::Conflict { .. }) => Err(GatewayError::Taken(name)),
        outcome => outcome?,
    }
}

/// Takes a gateway out of service. What was asked by it is still asked after, and money that comes
/// by it still counts.
///
/// # Errors
/// See [`GatewayError`].
pub async fn remove_gateway(
    app: &App,
    (tenant, id): (TenantId, GatewayId),
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<(), GatewayError> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let before = match live(tx, (tenant, id), expected).await? {
                Ok(before) => before,
                Err(lost) => return Ok(Err(lost.into())),
            };
            // Its name is free for another.
            let name = format!("{} ({id})", before.name);
            let entry = Entry::of(tenant, "gateway removed", before.name.clone());
            let gone = Gateway { name, removed_at: Some(now), ..before };
            gateways::change(tx, &gone).await?;
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(()))
        })
        .await?
}

async fn live(
    tx: &mut Tx<'_>,
    (tenant, id): (TenantId, GatewayId),
    expected: Option<i64>,
) -> Result<Result<Gateway, Lost>, Error> {
    let found = gateways::find(tx, id).await?;
    let found = found.filter(|found| found.tenant == tenant && found.removed_at.is_none());
    Ok(match found {
        None => Err(Lost::Missing("gateway")),
        Some(found) if !asked::is_expected(found.version, expected) => Err(Lost::Stale("gateway")),
        Some(found) => Ok(found),
    })
}

/// A business's gateways, in the order in which customers are offered them.
///
/// # Errors
/// A fault of the store.
pub async fn gateways_of(app: &App, tenant: TenantId) -> Result<Vec<Gateway>, Error> {
    app.store().read(async move |tx: &mut Tx<'_>| gateways::of_tenant(tx, tenant).await).await
}

/// A gateway's settings with some of them changed; what is null goes away. A secret that comes back
/// as it is shown, masked, stays as it is.
///
/// # Errors
/// As [`settings_of`].
pub fn merged_settings(app: &App, gateway: &Gateway, change: &Value) -> Result<Value, Error> {
    let settings = settings_of(app, gateway)?;
    let shown = settings.shown();
    // Text, numbers and dates: serialising them cannot fail.
    let mut merged = serde_json::to_value(&settings).unwrap_or_default();
    let (Some(fields), Some(changes)) = (merged.as_object_mut(), change.as_object()) else {
        return Ok(change.clone());
    };
    for (name, value) in changes {
        if value.is_null() {
            fields.remove(name);
        } else if shown.get(name) != Some(value) {
            fields.insert(name.clone(), value.clone());
        }
    }
    Ok(merged)
}
