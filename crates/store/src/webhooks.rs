//! Webhooks: addresses that are told what happens, and the log of what they answered.

use crate::{Error, FromRow, Order, Row, Sql, Tx, args, bulk, sql};
use lango_domain::ids::{ActivityId, DeliveryId, Id, TenantId, WebhookId};
use lango_domain::time::{Span, Timestamp};

/// An address that is told what happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webhook {
    /// Its identity.
    pub id: WebhookId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Where it listens.
    pub url: String,
    /// What it is told of: words of the account; an empty list is everything.
    pub topics: Vec<String>,
    /// What its messages are signed with, sealed.
    pub secret: Vec<u8>,
    /// Since when it exists.
    pub created_at: Timestamp,
    /// Since when it is off; none while it is on.
    pub off_since: Option<Timestamp>,
    /// What it was to be told and never was.
    pub given_up: Option<GivenUp>,
    /// Grows with every change.
    pub version: i64,
}

/// Lines that a webhook was to be told and never was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GivenUp {
    /// How many.
    pub count: i64,
    /// When the last of them was given up.
    pub at: Timestamp,
    /// The place before the first of them.
    pub after: i64,
}

impl Webhook {
    /// Whether it is to be told of that.
    #[must_use]
    pub fn wants(&self, what: &str) -> bool {
        self.off_since.is_none()
            && (self.topics.is_empty() || self.topics.iter().any(|topic| topic == what))
    }
}

impl FromRow for Webhook {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Webhook {
            id: row.get(0)?,
            tenant: row.get(1)?,
            url: row.get(2)?,
            topics: crate::json::read("webhooks.topics", &row.get::<String>(3)?)?,
            secret: row.get(4)?,
            created_at: row.get(5)?,
            off_since: row.get(6)?,
            version: row.get(7)?,
            given_up: given_up(row)?,
        })
    }
}

fn given_up(row: &Row<'_>) -> Result<Option<GivenUp>, Error> {
    let (count, at, after): (i64, Option<Timestamp>, Option<i64>) =
        (row.get(8)?, row.get(9)?, row.get(10)?);
    Ok(at.zip(after).map(|(at, after)| GivenUp { count, at, after }))
}

/// One try to tell a webhook something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Its identity.
    pub id: DeliveryId,
    /// Whose.
    pub tenant: TenantId,
    /// To which webhook.
    pub webhook: WebhookId,
    /// Of which line of the account.
    pub activity: ActivityId,
    /// Which try it was, from 1.
    pub attempt: i64,
    /// When.
    pub at: Timestamp,
    /// How long the answer took.
    pub took: Span,
    /// The status of the answer; none if there was no answer.
    pub status: Option<i64>,
    /// What went wrong; none if it was taken.
    pub error: Option<String>,
}

impl FromRow for Delivery {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Delivery {
            id: row.get(0)?,
            tenant: row.get(1)?,
            webhook: row.get(2)?,
            activity: row.get(3)?,
            attempt: row.get(4)?,
            at: row.get(5)?,
            took: row.get(6)?,
            status: row.get(7)?,
            error: row.get(8)?,
        })
    }
}

/// Something that a webhook is to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// Which webhook.
    pub webhook: WebhookId,
    /// Of which line of the account.
    pub activity: ActivityId,
    /// In whose business.
    pub tenant: TenantId,
    /// The line's place.
    pub place: i64,
    /// The number of this try; 0 before the first.
    pub attempt: i64,
    /// Since when it is to be told.
    pub since: Timestamp,
}

impl FromRow for Due {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Due {
            webhook: row.get(0)?,
            activity: row.get(1)?,
            tenant: row.get(2)?,
            place: row.get(3)?,
            attempt: row.get(4)?,
            since: row.get(5)?,
        })
    }
}

const QUEUE: crate::Bulk = bulk!(
    sqlite: "INSERT INTO webhook_queue (webhook_id, activity_id, tenant_id, place, attempt, since, \
             run_at) VALUES ($1, $2, $3, $4, 0, $5, $5) ON CONFLICT DO NOTHING",
    postgres: "INSERT INTO webhook_queue (webhook_id, activity_id, tenant_id, place, attempt, \
               since, run_at) SELECT n.webhook, n.activity, n.tenant, n.place, 0, n.since, n.since \
               FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) \
               AS n (webhook, activity, tenant, place, since) ON CONFLICT DO NOTHING",
);
/// Steps from one webhook that has a queue to the next, so that the length of a queue costs nothing.
const WAITING: Sql = sql!(
    "WITH RECURSIVE webhook (id) AS (SELECT MIN(webhook_id) FROM webhook_queue UNION ALL \
     SELECT (SELECT MIN(q.webhook_id) FROM webhook_queue q WHERE q.webhook_id > webhook.id) \
     FROM webhook WHERE webhook.id IS NOT NULL) \
     SELECT id FROM (SELECT id, (SELECT MIN(q.run_at) FROM webhook_queue q \
     WHERE q.webhook_id = webhook.id) AS run_at FROM webhook WHERE id IS NOT NULL) AS waiting \
     WHERE run_at <= $1 ORDER BY run_at, id"
);
const CLAIM: Sql = sql!(
    "WITH due AS (SELECT webhook_id, activity_id FROM webhook_queue \
     WHERE webhook_id = $1 AND run_at <= $2 ORDER BY run_at, activity_id LIMIT $3",
    SKIP_LOCKED,
    ") UPDATE webhook_queue SET run_at = $4, attempt = attempt + 1 \
     WHERE (webhook_id, activity_id) IN (SELECT webhook_id, activity_id FROM due) \
     RETURNING webhook_id, activity_id, tenant_id, place, attempt, since"
);
const NEXT: Sql = sql!("SELECT run_at FROM webhook_queue ORDER BY run_at LIMIT 1");
const TOLD: Sql =
    sql!("DELETE FROM webhook_queue WHERE webhook_id = $1 AND activity_id = $2 AND attempt = $3");
const LATER: Sql = sql!(
    "UPDATE webhook_queue SET run_at = $1 \
     WHERE webhook_id = $2 AND activity_id = $3 AND attempt = $4"
);
const FORGET_QUEUE: Sql = sql!("DELETE FROM webhook_queue WHERE webhook_id = $1");
const FORGET_OLD: Sql = sql!("DELETE FROM deliveries WHERE at < $1");
const INSERT: Sql = sql!(
    "INSERT INTO webhooks (id, tenant_id, url, topics, secret, created_at, off_since) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)"
);
const OF_TENANT: Sql = sql!(
    "SELECT id, tenant_id, url, topics, secret, created_at, off_since, version, given_up, \
     given_up_at, given_up_after FROM webhooks \
     WHERE tenant_id = $1 ORDER BY id"
);
const BY_ID: Sql = sql!(
    "SELECT id, tenant_id, url, topics, secret, created_at, off_since, version, given_up, \
     given_up_at, given_up_after FROM webhooks \
     WHERE id = $1"
);
const CHANGE: Sql = sql!(
    "UPDATE webhooks SET url = $1, topics = $2, secret = $3, off_since = $4, \
     version = version + 1 WHERE id = $5 AND version = $6"
);
const GIVE_UP: Sql = sql!(
    "UPDATE webhooks SET given_up = given_up + $1, given_up_at = $2, given_up_after = \
     CASE WHEN given_up_after < $3 THEN given_up_after ELSE $3 END WHERE id = $4"
);
const NOTHING_GIVEN_UP: Sql = sql!(
    "UPDATE webhooks SET given_up = 0, given_up_at = NULL, given_up_after = NULL WHERE id = $1"
);
const QUEUED: Sql =
    sql!("SELECT COUNT(*), COALESCE(MIN(place), 0) FROM webhook_queue WHERE webhook_id = $1");
const FORGET_DELIVERIES: Sql = sql!("DELETE FROM deliveries WHERE webhook_id = $1");
const REMOVE: Sql = sql!("DELETE FROM webhooks WHERE id = $1");
const LOG: Sql = sql!(
    "INSERT INTO deliveries (id, tenant_id, webhook_id, activity_id, attempt, at, took, status, \
     error) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
);
const DELIVERIES: Sql = sql!(
    "SELECT id, tenant_id, webhook_id, activity_id, attempt, at, took, status, error \
     FROM deliveries WHERE webhook_id = $1 AND id > $2 ORDER BY id LIMIT $3"
);
const DELIVERIES_BACKWARDS: Sql = sql!(
    "SELECT id, tenant_id, webhook_id, activity_id, attempt, at, took, status, error \
     FROM deliveries WHERE webhook_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    INSERT,
    OF_TENANT,
    BY_ID,
    CHANGE,
    GIVE_UP,
    NOTHING_GIVEN_UP,
    QUEUED,
    FORGET_DELIVERIES,
    REMOVE,
    LOG,
    DELIVERIES,
    DELIVERIES_BACKWARDS,
    WAITING,
    CLAIM,
    NEXT,
    TOLD,
    LATER,
    FORGET_QUEUE,
    FORGET_OLD,
];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[QUEUE];

/// Adds a webhook.
pub async fn insert(tx: &mut Tx<'_>, webhook: &Webhook) -> Result<(), Error> {
    let w = webhook;
    let topics = crate::json::write(&w.topics);
    let row = args![w.id, w.tenant, w.url, topics, w.secret, w.created_at, w.off_since];
    tx.execute(INSERT, &row).await.map(drop)
}

/// A tenant's webhooks, oldest first.
pub async fn of_tenant(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<Webhook>, Error> {
    tx.all(OF_TENANT, &args![tenant]).await
}

/// One webhook, if there is such a one.
pub async fn find(tx: &mut Tx<'_>, id: WebhookId) -> Result<Option<Webhook>, Error> {
    tx.optional(BY_ID, &args![id]).await
}

/// Writes a changed webhook back. Its version must be as read and grows by one.
///
/// # Errors
/// [`Error::Retry`] if somebody else changed it meanwhile.
pub async fn change(tx: &mut Tx<'_>, webhook: &Webhook) -> Result<(), Error> {
    let w = webhook;
    let topics = crate::json::write(&w.topics);
    let row = args![w.url, topics, w.secret, w.off_since, w.id, w.version];
    crate::written_once(tx.execute(CHANGE, &row).await?, "changing a webhook")
}

/// Notes that a webhook will never be told of lines, so many, from a place on.
pub async fn give_up(
    tx: &mut Tx<'_>,
    id: WebhookId,
    count: i64,
    first: i64,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(GIVE_UP, &args![count, now, first - 1, id]).await.map(drop)
}

/// Notes that a webhook is told again of what was given up.
pub async fn nothing_given_up(tx: &mut Tx<'_>, id: WebhookId) -> Result<(), Error> {
    tx.execute(NOTHING_GIVEN_UP, &args![id]).await.map(drop)
}

/// How many lines a webhook is still to be told, and the place of the first of them.
pub async fn queued(tx: &mut Tx<'_>, id: WebhookId) -> Result<(i64, i64), Error> {
    tx.one(QUEUED, &args![id]).await
}

/// Removes a webhook and its log.
pub async fn remove(tx: &mut Tx<'_>, id: WebhookId) -> Result<(), Error> {
    tx.execute(FORGET_QUEUE, &args![id]).await?;
    tx.execute(FORGET_DELIVERIES, &args![id]).await?;
    tx.execute(REMOVE, &args![id]).await.map(drop)
}

/// Keeps what came of a try.
pub async fn log(tx: &mut Tx<'_>, delivery: &Delivery) -> Result<(), Error> {
    let d = delivery;
    let row =
        args![d.id, d.tenant, d.webhook, d.activity, d.attempt, d.at, d.took, d.status, d.error];
    tx.execute(LOG, &row).await.map(drop)
}

/// A webhook's tries, from the one given on.
pub async fn deliveries(
    tx: &mut Tx<'_>,
    webhook: WebhookId,
    order: Order,
    from: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<Delivery>, Error> {
    let from = from.unwrap_or(DeliveryId::from_raw(order.beginning()));
    let statement = match order {
        Order::Ascending => DELIVERIES,
        Order::Descending => DELIVERIES_BACKWARDS,
    };
    tx.all(statement, &args![webhook, from, limit]).await
}

/// Queues what webhooks are to be told. What is queued already is left as it is.
pub async fn queue(tx: &mut Tx<'_>, due: &[Due]) -> Result<u64, Error> {
    let rows: Vec<_> = due
        .iter()
        .map(|due| (due.webhook, due.activity, due.tenant, due.place, due.since))
        .collect();
    tx.bulk(QUEUE, &rows).await
}

/// The webhooks that have something due, whoever waits longest first.
pub async fn waiting(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<WebhookId>, Error> {
    tx.all(WAITING, &args![now]).await
}

/// Claims what a webhook is due until `lease`; who has not settled it by then has lost it.
pub async fn claim(
    tx: &mut Tx<'_>,
    webhook: WebhookId,
    now: Timestamp,
    lease: Timestamp,
    limit: i64,
) -> Result<Vec<Due>, Error> {
    tx.all(CLAIM, &args![webhook, now, limit, lease]).await
}

/// When something is to be told next.
pub async fn next(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    tx.optional(NEXT, &[]).await
}

/// Takes something off the queue: it was told, or never will be. A stale try changes nothing;
/// returns whether this one did.
pub async fn told(tx: &mut Tx<'_>, due: &Due) -> Result<bool, Error> {
    let row = args![due.webhook, due.activity, due.attempt];
    Ok(tx.execute(TOLD, &row).await? > 0)
}

/// Puts something off. A stale try changes nothing.
pub async fn later(tx: &mut Tx<'_>, due: &Due, at: Timestamp) -> Result<(), Error> {
    let row = args![at, due.webhook, due.activity, due.attempt];
    tx.execute(LATER, &row).await.map(drop)
}

/// Takes all off the queue that a webhook was to be told.
pub async fn forget_queue(tx: &mut Tx<'_>, id: WebhookId) -> Result<(), Error> {
    tx.execute(FORGET_QUEUE, &args![id]).await.map(drop)
}

/// Forgets tries that are older. Returns how many.
pub async fn forget_deliveries(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, Error> {
    tx.execute(FORGET_OLD, &args![before]).await
}
