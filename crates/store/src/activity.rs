//! Activity: the append-only account of who or what changed which thing, when and why.

use crate::{Arg, Error, FromRow, Order, Row, Sql, ToArg, ToArgs, Topic, Tx, args, bulk, sql};
use lango_domain::ids::{ActivityId, GrantId, Id, RouterId, TenantId};
use lango_domain::time::Timestamp;

/// One line of the account.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Activity {
    /// Its identity.
    pub id: ActivityId,
    /// In whose business.
    pub tenant: TenantId,
    /// When.
    pub at: Timestamp,
    /// Who: `engine`, `cli`, `router`, a person.
    pub actor: String,
    /// About which grant.
    pub grant: Option<GrantId>,
    /// About which router.
    pub router: Option<RouterId>,
    /// What happened, a word.
    pub what: String,
    /// The facts, as a person reads them.
    pub detail: String,
}

impl FromRow for Activity {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Activity {
            id: row.get(0)?,
            tenant: row.get(1)?,
            at: row.get(2)?,
            actor: row.get(3)?,
            grant: row.get(4)?,
            router: row.get(5)?,
            what: row.get(6)?,
            detail: row.get(7)?,
        })
    }
}

impl ToArgs for Activity {
    fn to_args(&self) -> Vec<Arg<'_>> {
        vec![
            Arg::Int(self.id.raw()),
            Arg::Int(self.tenant.raw()),
            Arg::Int(self.at.micros()),
            self.actor.to_arg(),
            self.grant.map_or(Arg::Null, |id| Arg::Int(id.raw())),
            self.router.map_or(Arg::Null, |id| Arg::Int(id.raw())),
            self.what.to_arg(),
            self.detail.to_arg(),
        ]
    }
}

const APPEND: crate::Bulk = bulk!(
    sqlite: "INSERT INTO activity (id, tenant_id, at, actor, grant_id, router_id, what, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    postgres: "INSERT INTO activity (id, tenant_id, at, actor, grant_id, router_id, what, detail) \
               SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], \
               $5::bigint[], $6::bigint[], $7::text[], $8::text[])",
);
const OF_GRANT: Sql = sql!(
    "SELECT id, tenant_id, at, actor, grant_id, router_id, what, detail FROM activity \
     WHERE grant_id = $1 ORDER BY id"
);
const PAGE: Sql = sql!(
    "SELECT id, tenant_id, at, actor, grant_id, router_id, what, detail FROM activity \
     WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
);

const PAGE_FORWARDS: Sql = sql!(
    "SELECT id, tenant_id, at, actor, grant_id, router_id, what, detail FROM activity \
     WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3"
);
const BY_ID: Sql = sql!(
    "SELECT id, tenant_id, at, actor, grant_id, router_id, what, detail FROM activity \
     WHERE tenant_id = $1 AND id = $2"
);
const OF_ROUTER: Sql = sql!(
    "SELECT id, tenant_id, at, actor, grant_id, router_id, what, detail FROM activity \
     WHERE router_id = $1 AND id > $2 ORDER BY id LIMIT $3"
);
const OF_ROUTER_BACKWARDS: Sql = sql!(
    "SELECT id, tenant_id, at, actor, grant_id, router_id, what, detail FROM activity \
     WHERE router_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
);
const UNPLACED: Sql = sql!(
    "SELECT id, tenant_id, at, actor, grant_id, router_id, what, detail FROM activity \
     WHERE place IS NULL ORDER BY id LIMIT $1"
);
const PLACE: crate::Bulk = bulk!(
    sqlite: "UPDATE activity SET place = $1 WHERE tenant_id = $2 AND id = $3 AND place IS NULL",
    postgres: "UPDATE activity SET place = n.place \
               FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[]) AS n (place, tenant_id, id) \
               WHERE activity.tenant_id = n.tenant_id AND activity.id = n.id \
               AND activity.place IS NULL",
);
const NEWS: Sql = sql!(
    "SELECT id, tenant_id, at, actor, grant_id, router_id, what, detail, place FROM activity \
     WHERE tenant_id = $1 AND place > $2 AND place IS NOT NULL ORDER BY place LIMIT $3"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] =
    &[OF_GRANT, PAGE, PAGE_FORWARDS, BY_ID, OF_ROUTER, OF_ROUTER_BACKWARDS, UNPLACED, NEWS];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[APPEND, PLACE];

/// Appends lines.
pub async fn append(tx: &mut Tx<'_>, lines: &[Activity]) -> Result<(), Error> {
    if lines.is_empty() {
        return Ok(());
    }
    tx.bulk(APPEND, lines).await?;
    tx.wake(Topic::Activity);
    Ok(())
}

/// The whole story of a grant, in order.
pub async fn of_grant(tx: &mut Tx<'_>, grant: GrantId) -> Result<Vec<Activity>, Error> {
    tx.all(OF_GRANT, &args![grant]).await
}

/// A tenant's account, latest first, before the line given.
pub async fn page(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    before: Option<ActivityId>,
    limit: i64,
) -> Result<Vec<Activity>, Error> {
    let before = before.unwrap_or(ActivityId::from_raw(i64::MAX));
    tx.all(PAGE, &args![tenant, before, limit]).await
}

/// A tenant's account, from the line given on.
pub async fn listed(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    order: Order,
    from: Option<ActivityId>,
    limit: i64,
) -> Result<Vec<Activity>, Error> {
    let from = from.unwrap_or(ActivityId::from_raw(order.beginning()));
    let statement = match order {
        Order::Ascending => PAGE_FORWARDS,
        Order::Descending => PAGE,
    };
    tx.all(statement, &args![tenant, from, limit]).await
}

/// One line of a tenant's account, if there is such a one.
pub async fn find(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: ActivityId,
) -> Result<Option<Activity>, Error> {
    tx.optional(BY_ID, &args![tenant, id]).await
}

/// What happened to a router, from the line given on.
pub async fn of_router(
    tx: &mut Tx<'_>,
    router: RouterId,
    order: Order,
    from: Option<ActivityId>,
    limit: i64,
) -> Result<Vec<Activity>, Error> {
    let from = from.unwrap_or(ActivityId::from_raw(order.beginning()));
    let statement = match order {
        Order::Ascending => OF_ROUTER,
        Order::Descending => OF_ROUTER_BACKWARDS,
    };
    tx.all(statement, &args![router, from, limit]).await
}

/// A line with its place in the order of commits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Its place: grows, and never appears behind one that was read already.
    pub place: i64,
    /// The line.
    pub line: Activity,
}

impl FromRow for Placed {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Placed { line: Activity::from_row(row)?, place: row.get(8)? })
    }
}

/// The fact that says which place was given last.
const LAST_PLACE: &str = "last place in the account";

/// Gives the next places to lines that have none, up to `limit` of them, and returns those.
///
/// Ids are made before the commit, so a later commit can carry an earlier id: who reads by id can
/// miss a line. Places are given to lines that are committed, by one transaction after the other,
/// so who reads by place misses none.
///
/// # Errors
/// [`Error::Retry`] if another node gives places at this moment.
pub async fn give_places(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Placed>, Error> {
    let lines: Vec<Activity> = tx.all(UNPLACED, &args![limit]).await?;
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let last = last_place(tx).await?;
    let placed: Vec<Placed> =
        lines.into_iter().zip(last + 1..).map(|(line, place)| Placed { place, line }).collect();
    let rows: Vec<_> =
        placed.iter().map(|placed| (placed.place, placed.line.tenant, placed.line.id)).collect();
    let written = tx.bulk(PLACE, &rows).await?;
    if written != rows.len() as u64 {
        return Err(Error::changed_meanwhile("giving places in the account"));
    }
    let last = last + placed.len() as i64;
    crate::facts::keep(tx, LAST_PLACE, &last.to_string()).await?;
    Ok(placed)
}

/// Whether any line has no place yet.
pub async fn any_unplaced(tx: &mut Tx<'_>) -> Result<bool, Error> {
    Ok(!tx.all::<Activity>(UNPLACED, &args![1i64]).await?.is_empty())
}

/// The place that was given last; 0 if none was.
pub async fn last_place(tx: &mut Tx<'_>) -> Result<i64, Error> {
    let last = crate::facts::read(tx, LAST_PLACE).await?;
    Ok(last.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// What happened at a tenant's after a place, in order.
pub async fn news(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    after: i64,
    limit: i64,
) -> Result<Vec<Placed>, Error> {
    tx.all(NEWS, &args![tenant, after, limit]).await
}
