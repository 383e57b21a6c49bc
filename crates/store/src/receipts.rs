//! Receipts: the unique proof of money. The unique rule of this table is what makes one receipt
//! one grant, whatever repeats.

use crate::{Error, FromRow, Order, Row, Sql, Tx, args, sql};
use lango_domain::ids::{GrantId, TenantId};
use lango_domain::money::Money;
use lango_domain::time::Timestamp;

/// A receipt that was turned into access.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Receipt {
    /// Its number.
    pub id: i64,
    /// Who was paid.
    pub tenant: TenantId,
    /// Who says so: `cash`, `mpesa`, …
    pub provider: String,
    /// The provider's own reference.
    pub receipt: String,
    /// What it paid for.
    pub grant: GrantId,
    /// How much.
    pub amount: Money,
    /// When.
    pub paid_at: Timestamp,
}

impl FromRow for Receipt {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Receipt {
            id: row.get(0)?,
            tenant: row.get(1)?,
            provider: row.get(2)?,
            receipt: row.get(3)?,
            grant: row.get(4)?,
            amount: Money::new(row.get(5)?, row.get(6)?),
            paid_at: row.get(7)?,
        })
    }
}

const INSERT: Sql = sql!(
    "INSERT INTO receipts (id, tenant_id, provider, receipt, grant_id, amount, currency, paid_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
);
const NAME: Sql = sql!(
    "UPDATE receipts SET receipt = $1 WHERE tenant_id = $2 AND provider = $3 AND receipt = $4"
);
const FIND: Sql = sql!(
    "SELECT id, tenant_id, provider, receipt, grant_id, amount, currency, paid_at FROM receipts \
     WHERE tenant_id = $1 AND provider = $2 AND receipt = $3"
);
const PAGE: Sql = sql!(
    "SELECT id, tenant_id, provider, receipt, grant_id, amount, currency, paid_at FROM receipts \
     WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
);
const PAGE_FORWARDS: Sql = sql!(
    "SELECT id, tenant_id, provider, receipt, grant_id, amount, currency, paid_at FROM receipts \
     WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3"
);
const FIND_BY_ID: Sql = sql!(
    "SELECT id, tenant_id, provider, receipt, grant_id, amount, currency, paid_at FROM receipts \
     WHERE tenant_id = $1 AND id = $2"
);
const OF_GRANT: Sql = sql!(
    "SELECT id, tenant_id, provider, receipt, grant_id, amount, currency, paid_at FROM receipts \
     WHERE grant_id = $1 ORDER BY id"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] =
    &[INSERT, NAME, FIND, PAGE, PAGE_FORWARDS, FIND_BY_ID, OF_GRANT];

/// Keeps a receipt. False if it was known already: then nothing may follow from it.
pub async fn keep(tx: &mut Tx<'_>, receipt: &Receipt) -> Result<bool, Error> {
    let r = receipt;
    let Money { amount, currency } = r.amount;
    let row = args![r.id, r.tenant, r.provider, r.receipt, r.grant, amount, currency, r.paid_at];
    Ok(tx.execute(INSERT, &row).await? == 1)
}

/// Gives a receipt its number, which was known by another until now.
///
/// # Errors
/// [`Error::Conflict`] if another has that number.
pub async fn name(
    tx: &mut Tx<'_>,
    (tenant, provider, known_as): (TenantId, &str, &str),
    receipt: &str,
) -> Result<(), Error> {
    tx.execute(NAME, &args![receipt, tenant, provider, known_as]).await.map(drop)
}

/// What became of a receipt.
pub async fn find(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    provider: &str,
    receipt: &str,
) -> Result<Option<Receipt>, Error> {
    tx.optional(FIND, &args![tenant, provider, receipt]).await
}

/// A tenant's receipts, latest first, before the one given.
pub async fn page(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Receipt>, Error> {
    tx.all(PAGE, &args![tenant, before.unwrap_or(i64::MAX), limit]).await
}

/// All receipts of a grant, in order.
pub async fn of_grant(tx: &mut Tx<'_>, grant: GrantId) -> Result<Vec<Receipt>, Error> {
    tx.all(OF_GRANT, &args![grant]).await
}

/// A tenant's receipts, from the one given on.
pub async fn listed(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    order: Order,
    from: Option<i64>,
    limit: i64,
) -> Result<Vec<Receipt>, Error> {
    let statement = match order {
        Order::Ascending => PAGE_FORWARDS,
        Order::Descending => PAGE,
    };
    tx.all(statement, &args![tenant, from.unwrap_or(order.beginning()), limit]).await
}

/// One of a tenant's receipts, if there is such a one.
pub async fn by_id(tx: &mut Tx<'_>, tenant: TenantId, id: i64) -> Result<Option<Receipt>, Error> {
    tx.optional(FIND_BY_ID, &args![tenant, id]).await
}
