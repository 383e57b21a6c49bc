//! Webhooks: addresses that are told what happens, and what they answered.

use crate::operations::webhook::{
    NewWebhook, WebhookChange, WebhookError, add_webhook, change_webhook, of_tenant,
    remove_webhook, tell_again,
};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::list::{Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::routers::LogQuery;
use crate::web::api::words::{Line, Whole};
use lango_domain::ids::{ActivityId, DeliveryId, TenantId, WebhookId};
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::webhooks::{self, Webhook as Stored};
use lango_store::{Order, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An address that is told what happens.
#[derive(Serialize, JsonSchema, Debug)]
struct Webhook {
    id: WebhookId,
    url: String,
    /// What it is told of, words of the account; an empty list is everything
    topics: Vec<String>,
    created_at: Timestamp,
    /// Since when it is off
    off_since: Option<Timestamp>,
    /// What it was to be told and never was; null if nothing, or since it is told again
    given_up: Option<GivenUp>,
    version: i64,
}

impl Shown for Webhook {}

/// Events that a webhook was to be told and never was: it did not take them for a day, or was gone.
#[derive(Serialize, JsonSchema, Debug)]
struct GivenUp {
    /// How many
    count: i64,
    /// When the last of them was given up
    last_at: Timestamp,
    /// Replay after this place tells them again
    after: i64,
}

impl From<webhooks::GivenUp> for GivenUp {
    fn from(stored: webhooks::GivenUp) -> GivenUp {
        let webhooks::GivenUp { count, at, after } = stored;
        GivenUp { count, last_at: at, after }
    }
}

impl From<Stored> for Webhook {
    fn from(stored: Stored) -> Webhook {
        let Stored { id, url, topics, created_at, off_since, given_up, version, .. } = stored;
        let given_up = given_up.map(GivenUp::from);
        Webhook { id, url, topics, created_at, off_since, given_up, version }
    }
}

/// A webhook that was added.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "MadeWebhook")]
struct Made {
    webhook: Webhook,
    /// What its messages are signed with: only this answer has it. Null if the request was repeated
    secret: Option<String>,
}

impl Shown for Made {}

/// One try to tell it something.
#[derive(Serialize, JsonSchema, Debug)]
struct Delivery {
    id: DeliveryId,
    activity: ActivityId,
    attempt: i64,
    at: Timestamp,
    took_ms: i64,
    /// The status of the answer; null if there was none
    status: Option<i64>,
    /// What went wrong; null if it was taken
    error: Option<String>,
}

impl Shown for Delivery {}

impl From<webhooks::Delivery> for Delivery {
    fn from(stored: webhooks::Delivery) -> Delivery {
        let webhooks::Delivery { id, activity, attempt, at, took, status, error, .. } = stored;
        Delivery { id, activity, attempt, at, took_ms: took.as_millis(), status, error }
    }
}

/// A webhook to be added.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewWebhook")]
struct NewBody {
    url: Line<500>,
    #[serde(default)]
    #[schemars(length(max = 50))]
    topics: Vec<Line<50>>,
}

/// What is to be different.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WebhookChange")]
struct ChangeBody {
    url: Option<Line<500>>,
    topics: Option<Vec<Line<50>>>,
    on: Option<bool>,
}

/// From where on it is told again.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct Again {
    /// The place of the last event that it needs not hear again; 0 is everything
    after: Whole<0, 4_000_000_000>,
}

/// What is told again.
#[derive(Serialize, JsonSchema, Debug)]
struct Replayed {
    queued: u64,
    /// Send it as `after` to go on; the same number again means that nothing is left
    next: i64,
}

impl Shown for Replayed {}

const TAG: &str = "webhooks";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/webhooks", "list_webhooks")
        .about(TAG, "Addresses that are told what happens")
        .needs(Permission::Own);
    doors.open_list(list, async |ask: Ask| {
        let tenant = ask.tenant();
        let all = async move |tx: &mut Tx<'_>| webhooks::of_tenant(tx, tenant).await;
        let items = ask.here.app.store().read(all).await?.into_iter().map(Webhook::from).collect();
        Ok(Reply::ok(Page { items, next: None }))
    });
    let show = Sign::get("/api/v1/webhooks/{webhook}", "show_webhook")
        .about(TAG, "One webhook")
        .needs(Permission::Own);
    doors.open(show, async |ask: Ask<WebhookId>| one(&ask, ask.path).await.map(reply));
    let add = Sign::make("/api/v1/webhooks", "add_webhook")
        .about(TAG, "Have an address told what happens")
        .needs(Permission::Own);
    doors.open(add, async |ask: Ask<(), NoQuery, Json<NewBody>>| {
        let NewBody { url, topics } = &ask.body.0;
        let topics = topics.iter().map(|topic| topic.0.clone()).collect();
        let new = NewWebhook { tenant: ask.tenant(), url: url.0.clone(), topics };
        let (webhook, secret) = add_webhook(&ask.here.app, new, ask.by(), ask.now()).await?;
        let location = format!("/api/v1/webhooks/{}", webhook.id);
        Ok(Reply::ok(Made { webhook: webhook.into(), secret }).at(location))
    });
    open_one(doors);
}

fn open_one(doors: &mut Doors) {
    let change = Sign::change("/api/v1/webhooks/{webhook}", "change_webhook")
        .about(TAG, "Change a webhook, switch it off or on")
        .needs(Permission::Own);
    doors.open(change, async |ask: Ask<WebhookId, NoQuery, Json<ChangeBody>>| {
        let ChangeBody { url, topics, on } = &ask.body.0;
        let topics = topics.as_ref();
        let change = WebhookChange {
            url: url.as_ref().map(|url| url.0.clone()),
            topics: topics.map(|topics| topics.iter().map(|topic| topic.0.clone()).collect()),
            on: *on,
        };
        let (whose, by) = ((ask.tenant(), ask.path), ask.by());
        let changed =
            change_webhook(&ask.here.app, whose, change, ask.expected, by, ask.now()).await?;
        Ok(reply(changed))
    });
    let remove = Sign::remove("/api/v1/webhooks/{webhook}", "remove_webhook")
        .about(TAG, "Tell it nothing more, and forget its log")
        .needs(Permission::Own);
    doors.open(remove, async |ask: Ask<WebhookId>| {
        let whose = (ask.tenant(), ask.path);
        remove_webhook(&ask.here.app, whose, ask.expected, ask.by(), ask.now()).await?;
        Ok(Reply::nothing())
    });
    let log = Sign::list("/api/v1/webhooks/{webhook}/deliveries", "list_deliveries")
        .about(TAG, "What it answered, latest first")
        .needs(Permission::Own);
    doors.open_list(log, async |ask: Ask<WebhookId, LogQuery>| deliveries(&ask).await);
    let again = Sign::run("/api/v1/webhooks/{webhook}/replay", "replay_webhook")
        .about(TAG, "Tell it again what happened, at most 1,000 events at once")
        .needs(Permission::Own);
    doors.open(again, async |ask: Ask<WebhookId, NoQuery, Json<Again>>| {
        let (whose, Whole(after)) = ((ask.tenant(), ask.path), ask.body.0.after);
        let (queued, next) = tell_again(&ask.here.app, whose, after.into(), ask.now()).await?;
        Ok(Reply::ok(Replayed { queued, next }))
    });
}

fn reply(stored: Stored) -> Reply<Webhook> {
    let version = stored.version;
    Reply::ok(Webhook::from(stored)).version(version)
}

async fn one<P, Q, B>(ask: &Ask<P, Q, B, TenantId>, id: WebhookId) -> Result<Stored, Problem> {
    let tenant = ask.tenant();
    let find = async move |tx: &mut Tx<'_>| of_tenant(tx, tenant, id).await;
    ask.here.app.store().read(find).await?.ok_or_else(|| Problem::missing("webhook"))
}

async fn deliveries(ask: &Ask<WebhookId, LogQuery>) -> Result<Reply<Page<Delivery>>, Problem> {
    let (query, store, order) = (&ask.query, ask.here.app.store(), Order::Descending);
    let webhook = one(ask, ask.path).await?.id;
    let place = Place::read("deliveries", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<DeliveryId>, limit: i64| {
        let store = store.clone();
        async move {
            let read = async move |tx: &mut Tx<'_>| {
                webhooks::deliveries(tx, webhook, order, from, limit).await
            };
            store.read(read).await
        }
    };
    let (rows, next) = walk(&place, true, read, |delivery| delivery.id, |_| true).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(Delivery::from).collect(), next)))
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Problem {
        match error {
            WebhookError::Url(_) => Problem::invalid(error.to_string()).at("/url"),
            WebhookError::TooMany => Problem::conflict(error.to_string()),
            WebhookError::Reused(reused) => reused.into(),
            WebhookError::Lost(lost) => lost.into(),
            WebhookError::Store(error) => error.into(),
        }
    }
}
