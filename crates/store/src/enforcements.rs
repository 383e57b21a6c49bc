//! Enforcement: for one grant on one router, what is wanted and what the router confirmed. The
//! difference is the work; there is no other queue.
//!
//! Every attempt has a number. Whoever reports a result says which attempt it was, and a result of
//! an older attempt changes nothing: a worker that wakes up late finds its claim stale.

use std::collections::BTreeMap;

use crate::{Arg, Error, FromRow, Row, Sql, ToArg, ToArgs, Topic, Tx, args, bulk, sql};
use lango_domain::access::GrantKind;
use lango_domain::ids::{GrantId, Id, RouterId, TenantId};
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::Wanted;

/// What is to be wanted from now on.
#[derive(Clone, Debug)]
pub struct Wish {
    /// On which router.
    pub router: RouterId,
    /// For which grant.
    pub grant: GrantId,
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub wanted: Wanted,
    /// The instant from which lateness counts: the deadline that passed, or the event.
    pub due_at: Timestamp,
}

/// A claimed piece of work.
#[derive(Clone, Debug)]
pub struct Work {
    /// For which grant.
    pub grant: GrantId,
    /// Whose.
    pub tenant: TenantId,
    /// What kind of access it has.
    pub kind: GrantKind,
    /// What staff may see of its login.
    pub label: String,
    /// Its login, sealed.
    pub access: Vec<u8>,
    /// What is wanted.
    pub wanted: Wanted,
    /// Which revision of the wish this is.
    pub revision: i64,
    /// The number of this attempt.
    pub attempt: i64,
    /// Tries that failed before it.
    pub failures: i64,
    /// The instant from which lateness counts.
    pub due_at: Timestamp,
}

impl FromRow for Work {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Work {
            grant: row.get(0)?,
            tenant: row.get(1)?,
            kind: row.get(2)?,
            label: row.get(3)?,
            access: row.get(4)?,
            wanted: crate::json::read("enforcements.wanted", &row.get::<String>(5)?)?,
            revision: row.get(6)?,
            attempt: row.get(7)?,
            failures: row.get(8)?,
            due_at: row.get(9)?,
        })
    }
}

/// A router's confirmation.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// For which grant.
    pub grant: GrantId,
    /// Which attempt brought it.
    pub attempt: i64,
    /// Which revision of the wish was confirmed.
    pub revision: i64,
    /// The word for what was confirmed.
    pub access: &'static str,
    /// Who made it so: `lango`, or `router` when its own deadline had fired before us.
    pub by: &'static str,
}

/// A failed attempt.
#[derive(Clone, Debug)]
pub struct Failure {
    /// For which grant.
    pub grant: GrantId,
    /// Which attempt.
    pub attempt: i64,
    /// When to try again.
    pub retry_at: Timestamp,
    /// What went wrong.
    pub error: String,
}

/// What a router should hold of one grant, for comparing.
#[derive(Clone, Debug)]
pub struct Expected {
    /// For which grant.
    pub grant: GrantId,
    /// What kind of access it has.
    pub kind: GrantKind,
    /// What staff may see of its login.
    pub label: String,
    /// Its login, sealed.
    pub access: Vec<u8>,
    /// What is wanted.
    pub wanted: Wanted,
    /// Whether there is work queued for it already.
    pub pending: bool,
    /// Devices online, as last counted there.
    pub devices: i64,
    /// The router's own counter of time online, as last read.
    pub uptime_seen: Span,
    /// The router's own counter of data, as last read.
    pub data_seen: DataSize,
}

impl FromRow for Expected {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Expected {
            grant: row.get(0)?,
            kind: row.get(1)?,
            label: row.get(2)?,
            access: row.get(3)?,
            wanted: crate::json::read("enforcements.wanted", &row.get::<String>(4)?)?,
            pending: row.get::<Option<Timestamp>>(5)?.is_some(),
            devices: row.get(6)?,
            uptime_seen: row.get(7)?,
            data_seen: row.get(8)?,
        })
    }
}

/// What was last read of one grant on one router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// On which router.
    pub router: RouterId,
    /// Devices online there.
    pub devices: i64,
    /// The router's counter of time online.
    pub uptime: Span,
    /// The router's counter of data.
    pub data: DataSize,
}

impl FromRow for Seen {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Seen {
            router: row.get(0)?,
            devices: row.get(1)?,
            uptime: row.get(2)?,
            data: row.get(3)?,
        })
    }
}

/// A line of a list: one grant on one router.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Line {
    /// For which grant.
    pub grant: GrantId,
    /// On which router.
    pub router: RouterId,
    /// The router's name.
    pub router_name: String,
    /// What staff may see of its login.
    pub label: String,
    /// The word for what is wanted.
    pub wanted: String,
    /// The word for what the router confirmed last.
    pub confirmed: Option<String>,
    /// The instant from which lateness counts.
    pub due_at: Timestamp,
    /// Failed tries since the last success.
    pub failures: i64,
    /// What last went wrong.
    pub last_error: Option<String>,
}

impl FromRow for Line {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Line {
            grant: row.get(0)?,
            router: row.get(1)?,
            router_name: row.get(2)?,
            label: row.get(3)?,
            wanted: row.get(4)?,
            confirmed: row.get(5)?,
            due_at: row.get(6)?,
            failures: row.get(7)?,
            last_error: row.get(8)?,
        })
    }
}

/// One grant on one router, in full.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// On which router.
    pub router: RouterId,
    /// For which grant.
    pub grant: GrantId,
    /// What staff may see of its login.
    pub label: String,
    /// The word for what is wanted.
    pub wanted: String,
    /// Since when.
    pub since: Timestamp,
    /// The instant from which lateness counts.
    pub due_at: Timestamp,
    /// The word for what the router confirmed last.
    pub confirmed: Option<String>,
    /// When it did.
    pub confirmed_at: Option<Timestamp>,
    /// Who made it so: `lango` or `router`.
    pub confirmed_by: Option<String>,
    /// When it is tried next; none if there is no work.
    pub next_attempt_at: Option<Timestamp>,
    /// Failed tries since the last success.
    pub failures: i64,
    /// What last went wrong.
    pub last_error: Option<String>,
    /// Devices online, as last counted.
    pub devices: i64,
    /// The router's counter of time online, as last read.
    pub uptime: Span,
    /// The router's counter of data, as last read.
    pub data: DataSize,
}

impl FromRow for Standing {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Standing {
            router: row.get(0)?,
            grant: row.get(1)?,
            label: row.get(2)?,
            wanted: row.get(3)?,
            since: row.get(4)?,
            due_at: row.get(5)?,
            confirmed: row.get(6)?,
            confirmed_at: row.get(7)?,
            confirmed_by: row.get(8)?,
            next_attempt_at: row.get(9)?,
            failures: row.get(10)?,
            last_error: row.get(11)?,
            devices: row.get(12)?,
            uptime: row.get(13)?,
            data: row.get(14)?,
        })
    }
}

/// A list of enforcements as [`Standing`] reads it.
macro_rules! standing {
    ($which:literal) => {
        sql!(
            "SELECT e.router_id, e.grant_id, g.label, e.access, e.since, e.due_at, \
             e.confirmed_access, e.confirmed_at, e.confirmed_by, e.next_attempt_at, e.failures, \
             e.last_error, e.devices, e.uptime_seen, e.data_seen FROM enforcements e \
             JOIN grants g ON g.id = e.grant_id WHERE ",
            $which
        )
    };
}
const STANDING_ON: Sql =
    standing!("e.router_id = $1 AND e.grant_id > $2 ORDER BY e.grant_id LIMIT $3");
const STANDING_OF: Sql = standing!("e.grant_id = $1 ORDER BY e.router_id");
const WAITING_ON: Sql = standing!(
    "e.router_id = $1 AND e.next_attempt_at IS NOT NULL \
     AND (e.next_attempt_at, e.grant_id) > ($2, $3) \
     ORDER BY e.next_attempt_at, e.grant_id LIMIT $4"
);
const HURRY: Sql = sql!(
    "UPDATE enforcements SET next_attempt_at = due_at WHERE router_id = $1 AND grant_id = $2 \
     AND next_attempt_at IS NOT NULL AND next_attempt_at > $3 AND failures > 0"
);

// A wish that is the same as before is no news and makes no work: paid again before the router
// answered means nothing to do. Except towards a router that confirmed something else.
const WANT: crate::Bulk = bulk!(
    sqlite: "INSERT INTO enforcements (router_id, grant_id, tenant_id, access, wanted, revision, \
             since, due_at, next_attempt_at, attempt, failures, devices, uptime_seen, data_seen) \
             VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $7, 0, 0, 0, 0, 0) \
             ON CONFLICT (router_id, grant_id) DO UPDATE SET access = excluded.access, \
             wanted = excluded.wanted, revision = enforcements.revision + 1, \
             since = excluded.since, due_at = excluded.due_at, failures = 0, \
             next_attempt_at = excluded.due_at WHERE enforcements.wanted <> excluded.wanted",
    postgres: "INSERT INTO enforcements (router_id, grant_id, tenant_id, access, wanted, revision, \
               since, due_at, next_attempt_at, attempt, failures, devices, uptime_seen, data_seen) \
               SELECT n.router_id, n.grant_id, n.tenant_id, n.access, n.wanted, 1, n.since, \
               n.due_at, n.due_at, 0, 0, 0, 0, 0 \
               FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], \
               $6::bigint[], $7::bigint[]) \
               AS n (router_id, grant_id, tenant_id, access, wanted, since, due_at) \
               ON CONFLICT (router_id, grant_id) DO UPDATE SET access = excluded.access, \
               wanted = excluded.wanted, revision = enforcements.revision + 1, \
               since = excluded.since, due_at = excluded.due_at, failures = 0, \
               next_attempt_at = excluded.due_at WHERE enforcements.wanted <> excluded.wanted",
);
const PENDING: Sql = sql!(
    "SELECT e.grant_id, e.tenant_id, g.kind, g.label, g.access, e.wanted, e.revision, \
     e.attempt + 1, e.failures, e.due_at FROM enforcements e JOIN grants g ON g.id = e.grant_id \
     WHERE e.router_id = $1 AND e.next_attempt_at IS NOT NULL AND e.next_attempt_at <= $2 \
     ORDER BY e.next_attempt_at LIMIT $3"
);
const CLAIM: crate::Bulk = bulk!(
    sqlite: "UPDATE enforcements SET attempt = $1, next_attempt_at = $2 \
             WHERE router_id = $3 AND grant_id = $4 AND attempt = $1 - 1",
    postgres: "UPDATE enforcements SET attempt = n.attempt, next_attempt_at = n.lease \
               FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) \
               AS n (attempt, lease, router_id, grant_id) \
               WHERE enforcements.router_id = n.router_id AND enforcements.grant_id = n.grant_id \
               AND enforcements.attempt = n.attempt - 1",
);
// Confirms the revision that was acted upon. If more was wanted meanwhile, the row stays work.
// A revision that is confirmed already is confirmed by a report that came twice: a proof of it
// exists.
const CONFIRM: crate::Bulk = bulk!(
    sqlite: "UPDATE enforcements SET confirmed_revision = $1, confirmed_access = $2, \
             confirmed_at = $3, confirmed_by = $4, failures = 0, last_error = NULL, \
             next_attempt_at = CASE WHEN revision = $1 THEN NULL ELSE due_at END \
             WHERE router_id = $5 AND grant_id = $6 AND attempt = $7 \
             AND (confirmed_revision IS NULL OR confirmed_revision <> $1)",
    postgres: "UPDATE enforcements SET confirmed_revision = n.revision, \
               confirmed_access = n.access, confirmed_at = n.at, confirmed_by = n.by_whom, \
               failures = 0, last_error = NULL, next_attempt_at = \
               CASE WHEN enforcements.revision = n.revision THEN NULL ELSE enforcements.due_at END \
               FROM UNNEST($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], \
               $6::bigint[], $7::bigint[]) \
               AS n (revision, access, at, by_whom, router_id, grant_id, attempt) \
               WHERE enforcements.router_id = n.router_id AND enforcements.grant_id = n.grant_id \
               AND enforcements.attempt = n.attempt AND (enforcements.confirmed_revision IS NULL \
               OR enforcements.confirmed_revision <> n.revision)",
);
// What is confirmed has no work left that could fail.
const FAIL: crate::Bulk = bulk!(
    sqlite: "UPDATE enforcements SET failures = failures + 1, last_error = $1, \
             next_attempt_at = $2 WHERE router_id = $3 AND grant_id = $4 AND attempt = $5 \
             AND next_attempt_at IS NOT NULL",
    postgres: "UPDATE enforcements SET failures = failures + 1, last_error = n.error, \
               next_attempt_at = n.retry_at \
               FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) \
               AS n (error, retry_at, router_id, grant_id, attempt) \
               WHERE enforcements.router_id = n.router_id AND enforcements.grant_id = n.grant_id \
               AND enforcements.attempt = n.attempt AND enforcements.next_attempt_at IS NOT NULL",
);
// Takes a number of its own, so that a late report of the attempt before does not settle it.
const REPAIR: crate::Bulk = bulk!(
    sqlite: "UPDATE enforcements SET attempt = attempt + 1, confirmed_revision = NULL, \
             confirmed_access = NULL, next_attempt_at = $1, due_at = $1, last_error = $2 \
             WHERE router_id = $3 AND grant_id = $4 AND next_attempt_at IS NULL",
    postgres: "UPDATE enforcements SET attempt = enforcements.attempt + 1, \
               confirmed_revision = NULL, confirmed_access = NULL, next_attempt_at = n.at, due_at = n.at, last_error = n.why \
               FROM UNNEST($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) \
               AS n (at, why, router_id, grant_id) \
               WHERE enforcements.router_id = n.router_id AND enforcements.grant_id = n.grant_id \
               AND enforcements.next_attempt_at IS NULL",
);
const NEXT_ATTEMPT: Sql = sql!(
    "SELECT next_attempt_at FROM enforcements \
     WHERE router_id = $1 AND next_attempt_at IS NOT NULL ORDER BY next_attempt_at LIMIT 1"
);
const AT_ONCE: Sql = sql!(
    "UPDATE enforcements SET next_attempt_at = due_at \
     WHERE router_id = $1 AND next_attempt_at IS NOT NULL AND next_attempt_at > $2"
);
const OF_ROUTER: Sql = sql!(
    "SELECT e.grant_id, g.kind, g.label, g.access, e.wanted, e.next_attempt_at, e.devices, \
     e.uptime_seen, e.data_seen FROM enforcements e JOIN grants g ON g.id = e.grant_id \
     WHERE e.router_id = $1 AND e.grant_id > $2 ORDER BY e.grant_id LIMIT $3"
);
const OF_GRANT: Sql = sql!(
    "SELECT e.grant_id, e.router_id, r.name, g.label, e.access, e.confirmed_access, e.due_at, \
     e.failures, e.last_error FROM enforcements e JOIN routers r ON r.id = e.router_id \
     JOIN grants g ON g.id = e.grant_id WHERE e.grant_id = $1 AND e.next_attempt_at IS NOT NULL \
     ORDER BY e.router_id"
);
const ROUTERS_OF_GRANT: Sql =
    sql!("SELECT router_id FROM enforcements WHERE grant_id = $1 ORDER BY router_id");
// Sessions that FreeRADIUS accounts for are on no router of ours; they are as those of router 0.
const SEEN: Sql = sql!(
    "SELECT router_id, devices, uptime_seen, data_seen FROM enforcements WHERE grant_id = $1 \
     UNION ALL SELECT 0, COUNT(*), 0, 0 FROM freeradius_sessions \
     WHERE grant_id = $1 AND online = 1 GROUP BY grant_id"
);
const SEEN_OF: Sql = sql!(
    sqlite: "SELECT grant_id, router_id, devices, uptime_seen, data_seen FROM enforcements \
             WHERE grant_id IN (SELECT value FROM json_each($1))",
    postgres: "SELECT grant_id, router_id, devices, uptime_seen, data_seen FROM enforcements \
               WHERE grant_id = ANY (ARRAY(SELECT value::bigint \
               FROM json_array_elements_text($1::json) value))",
);
const NOTE_SEEN: crate::Bulk = bulk!(
    sqlite: "UPDATE enforcements SET devices = $1, uptime_seen = $2, data_seen = $3 \
             WHERE router_id = $4 AND grant_id = $5",
    postgres: "UPDATE enforcements SET devices = n.devices, uptime_seen = n.uptime, \
               data_seen = n.data \
               FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) \
               AS n (devices, uptime, data, router_id, grant_id) \
               WHERE enforcements.router_id = n.router_id AND enforcements.grant_id = n.grant_id",
);
const UNCUT: Sql = sql!(
    "SELECT e.grant_id, e.router_id, r.name, g.label, e.access, e.confirmed_access, e.due_at, \
     e.failures, e.last_error FROM enforcements e JOIN routers r ON r.id = e.router_id \
     JOIN grants g ON g.id = e.grant_id \
     WHERE e.tenant_id = $1 AND e.next_attempt_at IS NOT NULL AND e.access IN ('cut', 'walled') \
     AND r.removed_at IS NULL ORDER BY e.due_at LIMIT $2"
);
const COUNT_PENDING: Sql =
    sql!("SELECT COUNT(*) FROM enforcements WHERE router_id = $1 AND next_attempt_at IS NOT NULL");
const OLDEST_PENDING: Sql = sql!(
    "SELECT due_at FROM enforcements WHERE router_id = $1 AND next_attempt_at IS NOT NULL \
     ORDER BY due_at LIMIT 1"
);
const FORGET: Sql = sql!("DELETE FROM enforcements WHERE router_id = $1 AND grant_id = $2");
// What ended long ago but was confirmed lately waits as long again: the index is by confirmation.
const LONG_OVER: Sql = sql!(
    "SELECT e.grant_id, g.kind, g.label, g.access, e.wanted, e.next_attempt_at, e.devices, \
     e.uptime_seen, e.data_seen FROM enforcements e JOIN grants g ON g.id = e.grant_id \
     WHERE e.router_id = $1 AND e.access = 'cut' AND e.next_attempt_at IS NULL \
     AND e.confirmed_at < $2 AND g.ended_at IS NOT NULL AND g.ended_at < $2 \
     ORDER BY e.confirmed_at LIMIT $3"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    STANDING_ON,
    STANDING_OF,
    WAITING_ON,
    HURRY,
    PENDING,
    NEXT_ATTEMPT,
    AT_ONCE,
    OF_ROUTER,
    OF_GRANT,
    ROUTERS_OF_GRANT,
    SEEN,
    SEEN_OF,
    UNCUT,
    COUNT_PENDING,
    OLDEST_PENDING,
    FORGET,
    LONG_OVER,
];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[WANT, CLAIM, CONFIRM, FAIL, REPAIR, NOTE_SEEN];

struct Wished<'w>(&'w Wish, Timestamp);

impl ToArgs for Wished<'_> {
    fn to_args(&self) -> Vec<Arg<'_>> {
        let wish = self.0;
        vec![
            Arg::Int(wish.router.raw()),
            Arg::Int(wish.grant.raw()),
            Arg::Int(wish.tenant.raw()),
            wish.wanted.word().to_arg(),
            Arg::Text(crate::json::write(&wish.wanted).into()),
            Arg::Int(self.1.micros()),
            Arg::Int(wish.due_at.micros()),
        ]
    }
}

/// Sets what is wanted. What is the same as before changes nothing; of several wishes for one
/// grant on one router the last one counts.
pub async fn want(tx: &mut Tx<'_>, wishes: &[Wish], now: Timestamp) -> Result<(), Error> {
    let last: BTreeMap<_, _> = wishes.iter().map(|w| ((w.router, w.grant), w)).collect();
    let rows: Vec<_> = last.values().map(|wish| Wished(wish, now)).collect();
    tx.bulk(WANT, &rows).await?;
    for wish in wishes {
        tx.wake(Topic::Router(wish.router.raw()));
    }
    Ok(())
}

/// Claims up to `limit` pieces of due work for one router, longest due first, until `lease`.
pub async fn claim(
    tx: &mut Tx<'_>,
    router: RouterId,
    now: Timestamp,
    lease: Timestamp,
    limit: i64,
) -> Result<Vec<Work>, Error> {
    let work: Vec<Work> = tx.all(PENDING, &args![router, now, limit]).await?;
    let claims: Vec<_> = work.iter().map(|w| (w.attempt, lease, router, w.grant)).collect();
    let claimed = tx.bulk(CLAIM, &claims).await?;
    if claimed != claims.len() as u64 {
        return Err(Error::changed_meanwhile("claiming work for a router"));
    }
    Ok(work)
}

/// Notes what a router confirmed. Returns how many were still the latest attempt.
pub async fn confirm(
    tx: &mut Tx<'_>,
    router: RouterId,
    confirmations: &[Confirmation],
    now: Timestamp,
) -> Result<u64, Error> {
    let rows: Vec<_> = confirmations
        .iter()
        .map(|c| {
            (c.revision, c.access.to_owned(), now, c.by.to_owned(), router, c.grant, c.attempt)
        })
        .collect();
    tx.bulk(CONFIRM, &rows).await
}

/// Like [`confirm`], and says for which grants the attempt was still the latest and new: only
/// those get a proof.
pub async fn confirm_each(
    tx: &mut Tx<'_>,
    router: RouterId,
    confirmations: &[Confirmation],
    now: Timestamp,
) -> Result<Vec<GrantId>, Error> {
    let mut fresh = Vec::with_capacity(confirmations.len());
    for confirmation in confirmations {
        let one = std::slice::from_ref(confirmation);
        if confirm(tx, router, one, now).await? == 1 {
            fresh.push(confirmation.grant);
        }
    }
    Ok(fresh)
}

/// Notes failed attempts.
pub async fn fail(tx: &mut Tx<'_>, router: RouterId, failures: &[Failure]) -> Result<(), Error> {
    let rows: Vec<_> = failures
        .iter()
        .map(|f| (f.error.clone(), f.retry_at, router, f.grant, f.attempt))
        .collect();
    tx.bulk(FAIL, &rows).await.map(drop)
}

/// Makes work of what a comparison found different, unless there is work for it already.
pub async fn repair(
    tx: &mut Tx<'_>,
    router: RouterId,
    differences: &[(GrantId, String)],
    now: Timestamp,
) -> Result<u64, Error> {
    let rows: Vec<_> =
        differences.iter().map(|(grant, why)| (now, why.clone(), router, *grant)).collect();
    tx.bulk(REPAIR, &rows).await
}

/// When the router's next piece of work is to be tried.
pub async fn next_attempt(tx: &mut Tx<'_>, router: RouterId) -> Result<Option<Timestamp>, Error> {
    tx.optional(NEXT_ATTEMPT, &args![router]).await
}

/// The router is back: what waits for a later try is tried at once. Only for the router's one
/// worker, while it has nothing claimed.
pub async fn try_at_once(tx: &mut Tx<'_>, router: RouterId, now: Timestamp) -> Result<(), Error> {
    tx.execute(AT_ONCE, &args![router, now]).await.map(drop)
}

/// What a router should hold, by grant, after the one given.
pub async fn expected(
    tx: &mut Tx<'_>,
    router: RouterId,
    after: GrantId,
    limit: i64,
) -> Result<Vec<Expected>, Error> {
    tx.all(OF_ROUTER, &args![router, after, limit]).await
}

/// The open work of a grant.
pub async fn open_of_grant(tx: &mut Tx<'_>, grant: GrantId) -> Result<Vec<Line>, Error> {
    tx.all(OF_GRANT, &args![grant]).await
}

/// The routers that ever were to hold something of a grant.
pub async fn routers_of(tx: &mut Tx<'_>, grant: GrantId) -> Result<Vec<RouterId>, Error> {
    tx.all(ROUTERS_OF_GRANT, &args![grant]).await
}

/// What was last read of a grant, router by router. Devices that FreeRADIUS accounts for stand under
/// a router with the number 0.
pub async fn seen(tx: &mut Tx<'_>, grant: GrantId) -> Result<Vec<Seen>, Error> {
    tx.all(SEEN, &args![grant]).await
}

/// What was last read of grants, on all their routers, in no order.
pub async fn seen_of(tx: &mut Tx<'_>, grants: &[GrantId]) -> Result<Vec<(GrantId, Seen)>, Error> {
    if grants.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(GrantId, RouterId, i64, Span, DataSize)> =
        tx.all(SEEN_OF, &args![crate::json::id_list(grants)]).await?;
    let read =
        |(grant, router, devices, uptime, data)| (grant, Seen { router, devices, uptime, data });
    Ok(rows.into_iter().map(read).collect())
}

/// Notes what was read of grants.
pub async fn note_seen(tx: &mut Tx<'_>, seen: &[(GrantId, Seen)]) -> Result<(), Error> {
    let rows: Vec<_> =
        seen.iter().map(|(grant, s)| (s.devices, s.uptime, s.data, s.router, *grant)).collect();
    tx.bulk(NOTE_SEEN, &rows).await.map(drop)
}

/// A tenant's customers who are to be off and are not confirmed off, longest overdue first.
pub async fn uncut(tx: &mut Tx<'_>, tenant: TenantId, limit: i64) -> Result<Vec<Line>, Error> {
    tx.all(UNCUT, &args![tenant, limit]).await
}

/// How much work waits for a router.
pub async fn count_pending(tx: &mut Tx<'_>, router: RouterId) -> Result<i64, Error> {
    tx.one(COUNT_PENDING, &args![router]).await
}

/// Since when the oldest of a router's open orders waits.
pub async fn oldest_pending(tx: &mut Tx<'_>, router: RouterId) -> Result<Option<Timestamp>, Error> {
    tx.optional(OLDEST_PENDING, &args![router]).await
}

/// Grants that ended and were confirmed cut before `before`: their objects may be taken off the
/// router.
pub async fn long_over(
    tx: &mut Tx<'_>,
    router: RouterId,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<Expected>, Error> {
    tx.all(LONG_OVER, &args![router, before, limit]).await
}

/// Forgets a grant on a router, after its objects were taken off there.
pub async fn forget(tx: &mut Tx<'_>, router: RouterId, grant: GrantId) -> Result<(), Error> {
    tx.execute(FORGET, &args![router, grant]).await.map(drop)
}

/// What a router is to hold, by grant, after the one given.
pub async fn standing_on(
    tx: &mut Tx<'_>,
    router: RouterId,
    after: GrantId,
    limit: i64,
) -> Result<Vec<Standing>, Error> {
    tx.all(STANDING_ON, &args![router, after, limit]).await
}

/// What waits for a router, soonest first, after the place given.
pub async fn waiting_on(
    tx: &mut Tx<'_>,
    router: RouterId,
    after: Option<(Timestamp, GrantId)>,
    limit: i64,
) -> Result<Vec<Standing>, Error> {
    let (at, grant) = after.unwrap_or((Timestamp::from_micros(0), GrantId::from_raw(0)));
    tx.all(WAITING_ON, &args![router, at, grant, limit]).await
}

/// What routers are to hold of a grant.
pub async fn standing_of(tx: &mut Tx<'_>, grant: GrantId) -> Result<Vec<Standing>, Error> {
    tx.all(STANDING_OF, &args![grant]).await
}

/// Has work tried at once that failed and waits for a later try. False if there is none such: it
/// is done, or due already. Work that a worker has in hand at this moment is done once more; that
/// does no harm, and the later report counts.
pub async fn hurry(
    tx: &mut Tx<'_>,
    router: RouterId,
    grant: GrantId,
    now: Timestamp,
) -> Result<bool, Error> {
    let hurried = tx.execute(HURRY, &args![router, grant, now]).await? == 1;
    if hurried {
        tx.wake(Topic::Router(router.raw()));
    }
    Ok(hurried)
}
