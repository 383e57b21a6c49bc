//! The proof: one row for every cut that a router confirmed. Append-only.

use crate::{Error, FromRow, Order, Row, Sql, Tx, args, bulk, sql};
use lango_domain::ids::{GrantId, RouterId, TenantId};
use lango_domain::time::{Span, Timestamp};

/// A confirmed cut.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Cut {
    /// Its number.
    pub id: i64,
    /// Whose customer.
    pub tenant: TenantId,
    /// On which router.
    pub router: RouterId,
    /// Which grant.
    pub grant: GrantId,
    /// When access was to end.
    pub due_at: Timestamp,
    /// When the router had confirmed that it has ended.
    pub confirmed_at: Timestamp,
    /// The time between.
    pub lateness: Span,
    /// How many tries it took.
    pub attempts: i64,
    /// `lango`, or `router` when its own deadline had fired before us.
    pub confirmed_by: String,
    /// How many sessions were ended.
    pub sessions_ended: i64,
}

impl FromRow for Cut {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Cut {
            id: row.get(0)?,
            tenant: row.get(1)?,
            router: row.get(2)?,
            grant: row.get(3)?,
            due_at: row.get(4)?,
            confirmed_at: row.get(5)?,
            lateness: row.get(6)?,
            attempts: row.get(7)?,
            confirmed_by: row.get(8)?,
            sessions_ended: row.get(9)?,
        })
    }
}

const INSERT: crate::Bulk = bulk!(
    sqlite: "INSERT INTO cuts (id, tenant_id, router_id, grant_id, due_at, confirmed_at, lateness, \
             attempts, confirmed_by, sessions_ended) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    postgres: "INSERT INTO cuts (id, tenant_id, router_id, grant_id, due_at, confirmed_at, \
               lateness, attempts, confirmed_by, sessions_ended) SELECT * FROM \
               UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], \
               $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::bigint[])",
);
const PAGE: Sql = sql!(
    "SELECT id, tenant_id, router_id, grant_id, due_at, confirmed_at, lateness, attempts, \
     confirmed_by, sessions_ended FROM cuts WHERE tenant_id = $1 AND id < $2 \
     ORDER BY id DESC LIMIT $3"
);
const PAGE_FORWARDS: Sql = sql!(
    "SELECT id, tenant_id, router_id, grant_id, due_at, confirmed_at, lateness, attempts, \
     confirmed_by, sessions_ended FROM cuts \
     WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3"
);
const FIND_BY_ID: Sql = sql!(
    "SELECT id, tenant_id, router_id, grant_id, due_at, confirmed_at, lateness, attempts, \
     confirmed_by, sessions_ended FROM cuts \
     WHERE tenant_id = $1 AND id = $2"
);
const OF_GRANT: Sql = sql!(
    "SELECT id, tenant_id, router_id, grant_id, due_at, confirmed_at, lateness, attempts, \
     confirmed_by, sessions_ended FROM cuts WHERE grant_id = $1 ORDER BY id"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[PAGE, PAGE_FORWARDS, FIND_BY_ID, OF_GRANT];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[INSERT];

/// Adds proofs.
pub async fn insert(tx: &mut Tx<'_>, cuts: &[Cut]) -> Result<(), Error> {
    let rows: Vec<_> = cuts
        .iter()
        .map(|c| {
            let (lateness, by) = (c.lateness, c.confirmed_by.clone());
            let (due, at) = (c.due_at, c.confirmed_at);
            (c.id, c.tenant, c.router, c.grant, due, at, lateness, c.attempts, by, c.sessions_ended)
        })
        .collect();
    tx.bulk(INSERT, &rows).await.map(drop)
}

/// A tenant's cuts, latest first, before the one given.
pub async fn page(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Cut>, Error> {
    tx.all(PAGE, &args![tenant, before.unwrap_or(i64::MAX), limit]).await
}

/// All cuts of a grant, in order.
pub async fn of_grant(tx: &mut Tx<'_>, grant: GrantId) -> Result<Vec<Cut>, Error> {
    tx.all(OF_GRANT, &args![grant]).await
}

/// A tenant's cuts, from the one given on.
pub async fn listed(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    order: Order,
    from: Option<i64>,
    limit: i64,
) -> Result<Vec<Cut>, Error> {
    let statement = match order {
        Order::Ascending => PAGE_FORWARDS,
        Order::Descending => PAGE,
    };
    tx.all(statement, &args![tenant, from.unwrap_or(order.beginning()), limit]).await
}

/// One of a tenant's cuts, if there is such a one.
pub async fn by_id(tx: &mut Tx<'_>, tenant: TenantId, id: i64) -> Result<Option<Cut>, Error> {
    tx.optional(FIND_BY_ID, &args![tenant, id]).await
}
