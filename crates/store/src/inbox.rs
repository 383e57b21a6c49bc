//! The inbox: what providers sent, byte for byte, kept before anybody looks into it.

use crate::{Error, FromRow, Order, Row, Sql, Topic, Tx, args, bulk, sql};
use lango_domain::ids::{GatewayId, InboxId, PaymentId, TenantId};
use lango_domain::time::Timestamp;

/// A message as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// Its identity.
    pub id: InboxId,
    /// For whom.
    pub tenant: TenantId,
    /// By whose path.
    pub gateway: GatewayId,
    /// The payment whose path it came by.
    pub payment: Option<PaymentId>,
    /// Which of the doors.
    pub door: String,
    /// From which address.
    pub source: String,
    /// Its headers, as JSON.
    pub headers: String,
    /// Its body.
    pub body: Vec<u8>,
    /// When it came.
    pub received_at: Timestamp,
    /// When it is worked off; none if it is done.
    pub work_at: Option<Timestamp>,
    /// How often that was tried.
    pub attempt: i64,
    /// What became of it.
    pub outcome: Option<String>,
}

impl FromRow for Letter {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Letter {
            id: row.get(0)?,
            tenant: row.get(1)?,
            gateway: row.get(2)?,
            payment: row.get(3)?,
            door: row.get(4)?,
            source: row.get(5)?,
            headers: row.get(6)?,
            body: row.get(7)?,
            received_at: row.get(8)?,
            work_at: row.get(9)?,
            attempt: row.get(10)?,
            outcome: row.get(11)?,
        })
    }
}

const PUT: crate::Bulk = bulk!(
    sqlite: "INSERT INTO inbox (id, tenant_id, gateway_id, payment_id, door, source, headers, body, \
             received_at, work_at, attempt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, 0)",
    postgres: "INSERT INTO inbox (id, tenant_id, gateway_id, payment_id, door, source, headers, \
               body, received_at, work_at, attempt) SELECT n.id, n.tenant, n.gateway, n.payment, \
               n.door, n.source, n.headers, n.body, n.at, n.at, 0 FROM UNNEST($1::bigint[], \
               $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], \
               $8::bytea[], $9::bigint[]) \
               AS n (id, tenant, gateway, payment, door, source, headers, body, at)",
);
/// Steps from one gateway that has something due to the next, so that the length of a queue costs
/// nothing.
const WAITING: Sql = sql!(
    "WITH RECURSIVE gateway (id) AS (SELECT MIN(gateway_id) FROM inbox WHERE work_at IS NOT NULL \
     UNION ALL SELECT (SELECT MIN(w.gateway_id) FROM inbox w WHERE w.work_at IS NOT NULL \
     AND w.gateway_id > gateway.id) FROM gateway WHERE gateway.id IS NOT NULL) \
     SELECT id FROM (SELECT id, (SELECT MIN(w.work_at) FROM inbox w WHERE w.work_at IS NOT NULL \
     AND w.gateway_id = gateway.id) AS due FROM gateway WHERE id IS NOT NULL) AS waiting \
     WHERE due <= $1 ORDER BY due, id"
);
const CLAIM: Sql = sql!(
    "WITH due AS (SELECT id FROM inbox WHERE gateway_id = $1 AND work_at IS NOT NULL \
     AND work_at <= $2 ORDER BY work_at, id LIMIT $3",
    SKIP_LOCKED,
    ") UPDATE inbox SET attempt = attempt + 1, work_at = $4 \
     WHERE id IN (SELECT id FROM due) \
     RETURNING id, tenant_id, gateway_id, payment_id, door, source, headers, body, received_at, \
     work_at, attempt, outcome"
);
const NEXT: Sql = sql!(
    "WITH RECURSIVE gateway (id) AS (SELECT MIN(gateway_id) FROM inbox WHERE work_at IS NOT NULL \
     UNION ALL SELECT (SELECT MIN(w.gateway_id) FROM inbox w WHERE w.work_at IS NOT NULL \
     AND w.gateway_id > gateway.id) FROM gateway WHERE gateway.id IS NOT NULL) \
     SELECT MIN(due) FROM (SELECT (SELECT MIN(w.work_at) FROM inbox w WHERE w.work_at IS NOT NULL \
     AND w.gateway_id = gateway.id) AS due FROM gateway WHERE id IS NOT NULL) AS waiting"
);
const DONE: Sql =
    sql!("UPDATE inbox SET work_at = NULL, outcome = $1 WHERE id = $2 AND attempt = $3");
const LATER: Sql =
    sql!("UPDATE inbox SET work_at = $1, outcome = $2 WHERE id = $3 AND attempt = $4");
const OF_PAYMENT: Sql = sql!(
    "SELECT id, tenant_id, gateway_id, payment_id, door, source, headers, body, received_at, \
     work_at, attempt, outcome FROM inbox WHERE payment_id = $1 ORDER BY id LIMIT 100"
);
const PAGE: Sql = sql!(
    "SELECT id, tenant_id, gateway_id, payment_id, door, source, headers, body, received_at, \
     work_at, attempt, outcome FROM inbox WHERE tenant_id = $1 AND id < $2 \
     ORDER BY id DESC LIMIT $3"
);
const PAGE_FORWARDS: Sql = sql!(
    "SELECT id, tenant_id, gateway_id, payment_id, door, source, headers, body, received_at, \
     work_at, attempt, outcome FROM inbox WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3"
);
const FORGET: Sql = sql!("DELETE FROM inbox WHERE id > $1 AND id < $2 AND work_at IS NULL");
const OUTCOMES: Sql = sql!(
    "SELECT gateway_id, outcome, received_at FROM inbox WHERE tenant_id = $1 AND id > $2 \
     AND outcome IS NOT NULL ORDER BY id DESC LIMIT $3"
);
const COUNT_WAITING: Sql = sql!("SELECT COUNT(*) FROM inbox WHERE work_at IS NOT NULL");

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    WAITING,
    CLAIM,
    NEXT,
    DONE,
    LATER,
    OF_PAYMENT,
    PAGE,
    PAGE_FORWARDS,
    FORGET,
    OUTCOMES,
    COUNT_WAITING,
];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[PUT];

/// Keeps messages.
pub async fn put(tx: &mut Tx<'_>, letters: &[Letter]) -> Result<(), Error> {
    let rows: Vec<_> = letters
        .iter()
        .map(|l| {
            let Letter { id, tenant, gateway, payment, received_at, .. } = *l;
            let (door, source) = (l.door.clone(), l.source.clone());
            let (headers, body) = (l.headers.clone(), l.body.clone());
            (id, tenant, gateway, payment, door, source, headers, body, received_at)
        })
        .collect();
    tx.bulk(PUT, &rows).await?;
    tx.wake(Topic::Money);
    Ok(())
}

/// The gateways that have something due, whoever waits longest first.
pub async fn waiting(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<GatewayId>, Error> {
    tx.all(WAITING, &args![now]).await
}

/// Claims a gateway's messages to be worked off, until `lease`.
pub async fn claim(
    tx: &mut Tx<'_>,
    gateway: GatewayId,
    now: Timestamp,
    lease: Timestamp,
    limit: i64,
) -> Result<Vec<Letter>, Error> {
    tx.all(CLAIM, &args![gateway, now, limit, lease]).await
}

/// When one is to be worked off next.
pub async fn next(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    tx.one(NEXT, &[]).await
}

/// Settles a message. False if somebody else has it by now: then nothing may follow from it.
pub async fn done(tx: &mut Tx<'_>, letter: &Letter, outcome: &str) -> Result<bool, Error> {
    Ok(tx.execute(DONE, &args![outcome, letter.id, letter.attempt]).await? == 1)
}

/// Puts a message off.
pub async fn later(
    tx: &mut Tx<'_>,
    letter: &Letter,
    at: Timestamp,
    why: &str,
) -> Result<(), Error> {
    tx.execute(LATER, &args![at, why, letter.id, letter.attempt]).await.map(drop)
}

/// What a provider said of a payment, in order.
pub async fn of_payment(tx: &mut Tx<'_>, payment: PaymentId) -> Result<Vec<Letter>, Error> {
    tx.all(OF_PAYMENT, &args![payment]).await
}

/// A business's messages, from the one given on.
pub async fn listed(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    order: Order,
    from: Option<InboxId>,
    limit: i64,
) -> Result<Vec<Letter>, Error> {
    use lango_domain::ids::Id;
    let from = from.unwrap_or(InboxId::from_raw(order.beginning()));
    let statement = match order {
        Order::Ascending => PAGE_FORWARDS,
        Order::Descending => PAGE,
    };
    tx.all(statement, &args![tenant, from, limit]).await
}

/// Forgets messages between two that are done. Returns how many.
pub async fn forget(tx: &mut Tx<'_>, after: InboxId, before: InboxId) -> Result<u64, Error> {
    tx.execute(FORGET, &args![after, before]).await
}

/// What became of a business's last messages after the one given, latest first: by which gateway
/// each came, its outcome, and when it came.
pub async fn outcomes(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    after: InboxId,
    limit: i64,
) -> Result<Vec<(GatewayId, String, Timestamp)>, Error> {
    tx.all(OUTCOMES, &args![tenant, after, limit]).await
}

/// How many messages are to be worked off, over all businesses.
pub async fn count_waiting(tx: &mut Tx<'_>) -> Result<i64, Error> {
    tx.one(COUNT_WAITING, &[]).await
}
