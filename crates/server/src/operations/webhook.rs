//! Addresses that are told what happens: added, changed, removed, told again.

use crate::app::App;
use crate::operations::asked::{self, Actor, By, Entry, KeyReused, Lost};
use axum::http::Uri;
use lango_domain::ids::{TenantId, WebhookId};
use lango_domain::time::{Span, Timestamp};
use lango_store::activity::Placed;
use lango_store::webhooks::{self, Due, Webhook};
use lango_store::{Error, Tx};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Known;

/// How many a business may have.
const MOST: usize = 20;
/// How many lines one request tells again.
const MOST_AGAIN: i64 = 1_000;
/// The account says at most so often that lines were given up. Webhooks are told of the account: a
/// line of it for each line given up would bring forth the next for ever.
const SAY_EVERY: Span = Span::hours(1);

/// A webhook to be added.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Whose.
    pub tenant: TenantId,
    /// Where it listens.
    pub url: String,
    /// What it is told of; empty is everything.
    pub topics: Vec<String>,
}

/// What is to be different; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// Where it listens.
    pub url: Option<String>,
    /// What it is told of.
    pub topics: Option<Vec<String>>,
    /// Whether it is on.
    pub on: Option<bool>,
}

/// Why a webhook could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Not an address that can be told.
    #[error("`{0}` is no address to be told: write https://HOST/PATH, without user or password")]
    Url(String),
    /// Enough.
    #[error("a business can have at most {MOST} webhooks: remove one")]
    TooMany,
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// No such webhook, or not as it was read.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The database.
    #[error("changing a webhook")]
    Store(#[from] Error),
}

/// Adds a webhook. Its secret is in the answer of the first request and nowhere else in clear.
///
/// # Errors
/// See [`WebhookError`].
pub async fn add_webhook(
    app: &App,
    new: NewWebhook,
    by: &By,
    now: Timestamp,
) -> Result<(Webhook, Option<String>), WebhookError> {
    check(&new.url)?;
    let (id, clear) = (app.id(now), new_secret());
    let webhook = Webhook {
        id,
        tenant: new.tenant,
        url: new.url,
        topics: new.topics,
        secret: app.seal_webhook(id, clear.as_bytes()),
        created_at: now,
        off_since: None,
        given_up: None,
        version: 1,
    };
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            match asked::made_before::<WebhookId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => {
                    let found = match made.first() {
                        Some(id) => webhooks::find(tx, *id).await?,
                        None => None,
                    };
                    let found = found.ok_or(Lost::Missing("webhook").into());
                    return Ok(found.map(|webhook| (webhook, None)));
                }
                Ok(None) => {}
            }
            if webhooks::of_tenant(tx, webhook.tenant).await?.len() >= MOST {
                return Ok(Err(WebhookError::TooMany));
            }
            webhooks::insert(tx, &webhook).await?;
            asked::keep_made(tx, &by, &[webhook.id], now).await?;
            let entry = Entry::of(webhook.tenant, "webhook added", webhook.url.clone());
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok((webhook.clone(), Some(clear.clone()))))
        })
        .await?
}

/// Changes a webhook. One that is switched on again hears what happens from now on.
///
/// # Errors
/// See [`WebhookError`].
pub async fn change_webhook(
    app: &App,
    (tenant, id): (TenantId, WebhookId),
    change: WebhookChange,
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<Webhook, WebhookError> {
    change.url.as_deref().map_or(Ok(()), check)?;
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(before) = of_tenant(tx, tenant, id).await? else {
                return Ok(Err(Lost::Missing("webhook").into()));
            };
            if !asked::is_expected(before.version, expected) {
                return Ok(Err(Lost::Stale("webhook").into()));
            }
            let change = change.clone();
            let off_since = match change.on {
                Some(true) => None,
                Some(false) => before.off_since.or(Some(now)),
                None => before.off_since,
            };
            let after = Webhook {
                url: change.url.unwrap_or(before.url),
                topics: change.topics.unwrap_or(before.topics),
                off_since,
                ..before
            };
            webhooks::change(tx, &after).await?;
            let entry = Entry::of(tenant, "webhook changed", after.url.clone());
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(Webhook { version: after.version + 1, ..after }))
        })
        .await?
}

/// Removes a webhook, what it was still to be told and its log.
///
/// # Errors
/// See [`WebhookError`].
pub async fn remove_webhook(
    app: &App,
    (tenant, id): (TenantId, WebhookId),
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<(), WebhookError> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(webhook) = of_tenant(tx, tenant, id).await? else {
                return Ok(Err(Lost::Missing("webhook").into()));
            };
            if !asked::is_expected(webhook.version, expected) {
                return Ok(Err(Lost::Stale("webhook").into()));
            }
            webhooks::remove(tx, id).await?;
            let entry = Entry::of(tenant, "webhook removed", webhook.url);
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(()))
        })
        .await?
}

/// Tells a webhook again what happened after a place, as far as it wants to hear it. Returns how
/// many lines and where to go on.
///
/// # Errors
/// See [`WebhookError`].
pub async fn tell_again(
    app: &App,
    (tenant, id): (TenantId, WebhookId),
    after: i64,
    now: Timestamp,
) -> Result<(u64, i64), WebhookError> {
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(webhook) = of_tenant(tx, tenant, id).await? else {
                return Ok(Err(Lost::Missing("webhook").into()));
            };
            let lines = lango_store::activity::news(tx, tenant, after, MOST_AGAIN).await?;
            let next = lines.last().map_or(after, |last| last.place);
            let due: Vec<Due> = lines
                .iter()
                .filter(|placed| webhook.wants(&placed.line.what))
                .map(|placed| due(&webhook, placed, now))
                .collect();
            if webhook.given_up.is_some_and(|given_up| after <= given_up.after) {
                webhooks::nothing_given_up(tx, id).await?;
            }
            Ok(Ok((webhooks::queue(tx, &due).await?, next)))
        })
        .await?
}

/// Queues new lines for the webhooks that want them, in the transaction that gives them places.
///
/// # Errors
/// A fault of the store.
pub(crate) async fn queue(
    tx: &mut Tx<'_>,
    placed: &[Placed],
    now: Timestamp,
) -> Result<u64, Error> {
    let mut of_tenants: BTreeMap<TenantId, Vec<Webhook>> = BTreeMap::new();
    let mut all = Vec::new();
    for line in placed {
        let of_tenant = match of_tenants.entry(line.line.tenant) {
            Known::Occupied(known) => known.into_mut(),
            Known::Vacant(unknown) => {
                let read = webhooks::of_tenant(tx, line.line.tenant).await?;
                unknown.insert(read)
            }
        };
        let wanting = of_tenant.iter().filter(|webhook| webhook.wants(&line.line.what));
        all.extend(wanting.map(|webhook| due(webhook, line, now)));
    }
    webhooks::queue(tx, &all).await
}

fn due(webhook: &Webhook, placed: &Placed, now: Timestamp) -> Due {
    let (activity, place) = (placed.line.id, placed.place);
    Due { webhook: webhook.id, activity, tenant: webhook.tenant, place, attempt: 0, since: now }
}

/// Switches a webhook off that said it is gone, and says so in the account. Returns how many lines
/// it will not be told.
///
/// # Errors
/// A fault of the store.
pub(crate) async fn switch_off(
    tx: &mut Tx<'_>,
    app: &App,
    id: WebhookId,
    why: &str,
    now: Timestamp,
) -> Result<i64, Error> {
    let Some(webhook) = webhooks::find(tx, id).await? else { return Ok(0) };
    if webhook.off_since.is_some() {
        return Ok(0);
    }
    webhooks::change(tx, &Webhook { off_since: Some(now), ..webhook.clone() }).await?;
    let (count, first) = webhooks::queued(tx, id).await?;
    if count > 0 {
        webhooks::give_up(tx, id, count, first, now).await?;
    }
    webhooks::forget_queue(tx, id).await?;
    let detail = format!("{}: {why}; {count} events were not told", webhook.url);
    let entry = Entry::of(webhook.tenant, "webhook switched off", detail);
    asked::account(tx, app, &Actor::Engine, entry, now).await?;
    Ok(count)
}

/// Gives a line up that was tried for long enough, and says so at the webhook and in the account.
/// Returns how many lines that were: none if somebody else has settled it.
///
/// # Errors
/// A fault of the store.
pub(crate) async fn give_up(
    tx: &mut Tx<'_>,
    app: &App,
    due: &Due,
    why: &str,
    now: Timestamp,
) -> Result<i64, Error> {
    let was_open = webhooks::told(tx, due).await?;
    let Some(webhook) = webhooks::find(tx, due.webhook).await?.filter(|_| was_open) else {
        return Ok(0);
    };
    webhooks::give_up(tx, webhook.id, 1, due.place, now).await?;
    let hour = |at: Timestamp| at.micros() / 1_000 / SAY_EVERY.as_millis();
    if webhook.given_up.is_none_or(|before| hour(before.at) != hour(now)) {
        let after =
            webhook.given_up.map_or(due.place - 1, |before| before.after.min(due.place - 1));
        let detail = format!("{}: {why}; /replay after {after} tells it again", webhook.url);
        let entry = Entry::of(webhook.tenant, "webhook gave up", detail);
        asked::account(tx, app, &Actor::Engine, entry, now).await?;
    }
    Ok(1)
}

/// The webhook, if it is this tenant's.
pub(crate) async fn of_tenant(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: WebhookId,
) -> Result<Option<Webhook>, Error> {
    let found = webhooks::find(tx, id).await?;
    Ok(found.filter(|webhook| webhook.tenant == tenant))
}

fn check(url: &str) -> Result<(), WebhookError> {
    let good = url.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    });
    good.map(drop).ok_or_else(|| WebhookError::Url(url.to_owned()))
}

fn new_secret() -> String {
    let mut bytes = [0u8; 24];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has random numbers");
    bytes.iter().fold(String::from("whsec_"), |secret, byte| format!("{secret}{byte:02x}"))
}
