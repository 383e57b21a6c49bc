//! Activity: the append-only account of who or what changed which thing, when and why.

use crate::{Arg, Error, FromRow, Row, Sql, ToArg, ToArgs, Tx, args, bulk, sql};
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

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[OF_GRANT, PAGE];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[APPEND];

/// Appends lines.
pub async fn append(tx: &mut Tx<'_>, lines: &[Activity]) -> Result<(), Error> {
    tx.bulk(APPEND, lines).await.map(drop)
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
