//! Jobs: effects that must happen at least once, written in the transaction that made them
//! necessary. A job has a reason, and one reason makes one job ever.

use crate::{Arg, Error, FromRow, Order, Row, Sql, ToArg, ToArgs, Topic, Tx, args, bulk, sql};
use lango_domain::ids::{GrantId, Id, JobId, MessageId, TenantId};
use lango_domain::time::Timestamp;

/// A job to be done.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its identity.
    pub id: JobId,
    /// For whom.
    pub tenant: TenantId,
    /// About which grant.
    pub grant: Option<GrantId>,
    /// What sort of work.
    pub kind: &'static str,
    /// The reason; a second job for it is not made.
    pub once_key: String,
    /// What the work needs to know, as JSON.
    pub payload: String,
    /// From when on it may be done.
    pub run_at: Timestamp,
}

impl ToArgs for NewJob {
    fn to_args(&self) -> Vec<Arg<'_>> {
        vec![
            Arg::Int(self.id.raw()),
            Arg::Int(self.tenant.raw()),
            self.grant.map_or(Arg::Null, |id| Arg::Int(id.raw())),
            self.kind.to_arg(),
            self.once_key.to_arg(),
            self.payload.to_arg(),
            Arg::Int(self.run_at.micros()),
        ]
    }
}

/// A claimed job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its identity.
    pub id: JobId,
    /// For whom.
    pub tenant: TenantId,
    /// About which grant.
    pub grant: Option<GrantId>,
    /// What sort of work.
    pub kind: String,
    /// What the work needs to know, as JSON.
    pub payload: String,
    /// The number of this attempt.
    pub attempt: i64,
}

impl FromRow for Job {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Job {
            id: row.get(0)?,
            tenant: row.get(1)?,
            grant: row.get(2)?,
            kind: row.get(3)?,
            payload: row.get(4)?,
            attempt: row.get(5)?,
        })
    }
}

/// A job in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobLine {
    /// Its identity.
    pub id: JobId,
    /// About which grant.
    pub grant: Option<GrantId>,
    /// What sort of work.
    pub kind: String,
    /// When it may be done next; none if it is over.
    pub run_at: Option<Timestamp>,
    /// How many tries were begun.
    pub attempt: i64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// Whether it was given up.
    pub gave_up: bool,
}

impl FromRow for JobLine {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(JobLine {
            id: row.get(0)?,
            grant: row.get(1)?,
            kind: row.get(2)?,
            run_at: row.get(3)?,
            attempt: row.get(4)?,
            last_error: row.get(5)?,
            finished_at: row.get(6)?,
            gave_up: row.get::<i64>(7)? != 0,
        })
    }
}

/// A text that was handed to the sender.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Message {
    /// Its identity.
    pub id: MessageId,
    /// In whose name.
    pub tenant: TenantId,
    /// The job that asked for it.
    pub job: JobId,
    /// About which grant.
    pub grant: Option<GrantId>,
    /// To which number.
    pub recipient: String,
    /// The text.
    pub body: String,
    /// Why.
    pub reason: String,
    /// When.
    pub sent_at: Timestamp,
}

impl FromRow for Message {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Message {
            id: row.get(0)?,
            tenant: row.get(1)?,
            job: row.get(2)?,
            grant: row.get(3)?,
            recipient: row.get(4)?,
            body: row.get(5)?,
            reason: row.get(6)?,
            sent_at: row.get(7)?,
        })
    }
}

const PUSH: crate::Bulk = bulk!(
    sqlite: "INSERT INTO jobs (id, tenant_id, grant_id, kind, once_key, payload, run_at, attempt, \
             gave_up) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0) ON CONFLICT DO NOTHING",
    postgres: "INSERT INTO jobs (id, tenant_id, grant_id, kind, once_key, payload, run_at, attempt, \
               gave_up) SELECT n.id, n.tenant_id, n.grant_id, n.kind, n.once_key, n.payload, \
               n.run_at, 0, 0 FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], \
               $5::text[], $6::text[], $7::bigint[]) \
               AS n (id, tenant_id, grant_id, kind, once_key, payload, run_at) \
               ON CONFLICT DO NOTHING",
);
const CLAIM: Sql = sql!(
    "WITH due AS (SELECT id FROM jobs WHERE run_at IS NOT NULL AND run_at <= $1 \
     ORDER BY run_at LIMIT $2",
    SKIP_LOCKED,
    ") UPDATE jobs SET attempt = attempt + 1, run_at = $3 WHERE id IN (SELECT id FROM due) \
     RETURNING id, tenant_id, grant_id, kind, payload, attempt"
);
const NEXT: Sql = sql!("SELECT run_at FROM jobs WHERE run_at IS NOT NULL ORDER BY run_at LIMIT 1");
const FINISH: Sql = sql!(
    "UPDATE jobs SET run_at = NULL, finished_at = $1, last_error = NULL \
     WHERE id = $2 AND attempt = $3"
);
const RETRY: Sql =
    sql!("UPDATE jobs SET run_at = $1, last_error = $2 WHERE id = $3 AND attempt = $4");
const GIVE_UP: Sql = sql!(
    "UPDATE jobs SET run_at = NULL, finished_at = $1, gave_up = 1, last_error = $2 \
     WHERE id = $3 AND attempt = $4"
);
const COUNT_WAITING: Sql = sql!("SELECT COUNT(*) FROM jobs WHERE run_at IS NOT NULL");
const COUNT_GIVEN_UP: Sql =
    sql!("SELECT COUNT(*) FROM jobs WHERE tenant_id = $1 AND gave_up = 1 AND finished_at > $2");
const LAST_GIVEN_UP: Sql = sql!(
    "SELECT last_error FROM jobs WHERE tenant_id = $1 AND gave_up = 1 AND finished_at > $2 \
     AND last_error IS NOT NULL ORDER BY finished_at DESC LIMIT 1"
);
const LOG: Sql = sql!(
    "INSERT INTO messages (id, tenant_id, job_id, grant_id, recipient, body, reason, sent_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
);
const MESSAGES: Sql = sql!(
    "SELECT id, tenant_id, job_id, grant_id, recipient, body, reason, sent_at FROM messages \
     WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
);

const BY_ID: Sql = sql!(
    "SELECT id, grant_id, kind, run_at, attempt, last_error, finished_at, gave_up FROM jobs \
     WHERE tenant_id = $1 AND id = $2"
);
const PAGE: Sql = sql!(
    "SELECT id, grant_id, kind, run_at, attempt, last_error, finished_at, gave_up FROM jobs \
     WHERE (tenant_id, id) > ($1, $2) AND tenant_id <= $1 ORDER BY tenant_id, id LIMIT $3"
);
const PAGE_BACKWARDS: Sql = sql!(
    "SELECT id, grant_id, kind, run_at, attempt, last_error, finished_at, gave_up FROM jobs \
     WHERE (tenant_id, id) < ($1, $2) AND tenant_id >= $1 \
     ORDER BY tenant_id DESC, id DESC LIMIT $3"
);
// A job that is being done at this moment is left to whom it belongs.
const AGAIN: Sql = sql!(
    "UPDATE jobs SET run_at = $1, finished_at = NULL, gave_up = 0 \
     WHERE tenant_id = $2 AND id = $3 AND (gave_up = 1 OR run_at > $1)"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    CLAIM,
    NEXT,
    FINISH,
    RETRY,
    GIVE_UP,
    COUNT_WAITING,
    COUNT_GIVEN_UP,
    LAST_GIVEN_UP,
    LOG,
    MESSAGES,
    BY_ID,
    PAGE,
    PAGE_BACKWARDS,
    AGAIN,
];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[PUSH];

/// Pushes jobs; those whose reason had one already are left out.
pub async fn push(tx: &mut Tx<'_>, jobs: &[NewJob]) -> Result<(), Error> {
    tx.bulk(PUSH, jobs).await?;
    tx.wake(Topic::Jobs);
    Ok(())
}

/// Claims due jobs until `lease`; who has not settled one by then has lost it.
pub async fn claim(
    tx: &mut Tx<'_>,
    now: Timestamp,
    lease: Timestamp,
    limit: i64,
) -> Result<Vec<Job>, Error> {
    tx.all(CLAIM, &args![now, limit, lease]).await
}

/// When the next job may be done.
pub async fn next_run(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    tx.optional(NEXT, &[]).await
}

/// Settles a job as done. A stale attempt changes nothing.
pub async fn finish(tx: &mut Tx<'_>, job: &Job, now: Timestamp) -> Result<(), Error> {
    tx.execute(FINISH, &args![now, job.id, job.attempt]).await.map(drop)
}

/// Puts a job off.
pub async fn retry(tx: &mut Tx<'_>, job: &Job, at: Timestamp, error: &str) -> Result<(), Error> {
    tx.execute(RETRY, &args![at, error, job.id, job.attempt]).await.map(drop)
}

/// Gives a job up for good; a person finds it in the diagnosis.
pub async fn give_up(tx: &mut Tx<'_>, job: &Job, now: Timestamp, error: &str) -> Result<(), Error> {
    tx.execute(GIVE_UP, &args![now, error, job.id, job.attempt]).await.map(drop)
}

/// How many jobs wait.
pub async fn count_waiting(tx: &mut Tx<'_>) -> Result<i64, Error> {
    tx.one(COUNT_WAITING, &[]).await
}

/// How many of a tenant's jobs were given up since `since`.
pub async fn count_given_up(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    since: Timestamp,
) -> Result<i64, Error> {
    tx.one(COUNT_GIVEN_UP, &args![tenant, since]).await
}

/// Why the last of those was given up.
pub async fn last_given_up(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    since: Timestamp,
) -> Result<Option<String>, Error> {
    tx.optional(LAST_GIVEN_UP, &args![tenant, since]).await
}

/// Keeps a sent message. A second one of the same job is not kept.
pub async fn log_message(tx: &mut Tx<'_>, message: &Message) -> Result<(), Error> {
    let m = message;
    let row = args![m.id, m.tenant, m.job, m.grant, m.recipient, m.body, m.reason, m.sent_at];
    tx.execute(LOG, &row).await.map(drop)
}

/// A tenant's messages, latest first, before the one given.
pub async fn messages(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    before: Option<MessageId>,
    limit: i64,
) -> Result<Vec<Message>, Error> {
    let before = before.unwrap_or(MessageId::from_raw(i64::MAX));
    tx.all(MESSAGES, &args![tenant, before, limit]).await
}

/// One job, if the tenant has such a one.
pub async fn find(tx: &mut Tx<'_>, tenant: TenantId, id: JobId) -> Result<Option<JobLine>, Error> {
    tx.optional(BY_ID, &args![tenant, id]).await
}

/// A tenant's jobs, from the one given on.
pub async fn listed(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    order: Order,
    from: Option<JobId>,
    limit: i64,
) -> Result<Vec<JobLine>, Error> {
    let from = from.unwrap_or(JobId::from_raw(order.beginning()));
    let statement = match order {
        Order::Ascending => PAGE,
        Order::Descending => PAGE_BACKWARDS,
    };
    tx.all(statement, &args![tenant, from, limit]).await
}

/// Has a job tried at once that was given up or waits for a later try. False if it is neither.
///
/// Its attempts are not forgotten, so one that was given up has one more try, not twenty.
pub async fn try_again(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: JobId,
    now: Timestamp,
) -> Result<bool, Error> {
    let hurried = tx.execute(AGAIN, &args![now, tenant, id]).await? == 1;
    if hurried {
        tx.wake(Topic::Jobs);
    }
    Ok(hurried)
}
