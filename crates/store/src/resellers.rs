//! People who sell vouchers for a business, and what became of the vouchers they were given.

use crate::{Error, FromRow, Row, Sql, Tx, args, sql};
use lango_domain::ids::{PlanId, ResellerId, TenantId};
use lango_domain::money::Money;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Timestamp;

/// Somebody who sells vouchers.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Reseller {
    /// His identity.
    pub id: ResellerId,
    /// For whom he sells.
    pub tenant: TenantId,
    /// What he is called.
    pub name: String,
    /// His number.
    pub phone: Option<PhoneNumber>,
    /// What he keeps of the price, in hundredths of a percent.
    pub commission: i64,
    /// Since when he is known.
    pub created_at: Timestamp,
    /// Since when he is given no vouchers any more.
    pub removed_at: Option<Timestamp>,
    /// Grows with every change.
    pub version: i64,
}

/// What a reseller was given of a plan, at one price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stock {
    /// The plan.
    pub plan: PlanId,
    /// What it is called.
    pub name: String,
    /// What one voucher cost when it was made.
    pub price: Money,
    /// How many he was given.
    pub issued: i64,
    /// How many were used for the first time: their users had bought them.
    pub sold: i64,
    /// How many are still good and unused.
    pub left: i64,
}

impl FromRow for Reseller {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Reseller {
            id: row.get(0)?,
            tenant: row.get(1)?,
            name: row.get(2)?,
            phone: row.get(3)?,
            commission: row.get(4)?,
            created_at: row.get(5)?,
            removed_at: row.get(6)?,
            version: row.get(7)?,
        })
    }
}

impl FromRow for Stock {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Stock {
            plan: row.get(0)?,
            name: row.get(1)?,
            price: Money::new(row.get(2)?, row.get(3)?),
            issued: row.get(4)?,
            sold: row.get(5)?,
            left: row.get(6)?,
        })
    }
}

const INSERT: Sql = sql!(
    "INSERT INTO resellers (id, tenant_id, name, phone, commission, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6)"
);
const OF_TENANT: Sql = sql!(
    "SELECT id, tenant_id, name, phone, commission, created_at, removed_at, version \
     FROM resellers WHERE tenant_id = $1 ORDER BY name"
);
const FIND: Sql = sql!(
    "SELECT id, tenant_id, name, phone, commission, created_at, removed_at, version \
     FROM resellers WHERE id = $1"
);
const CHANGE: Sql = sql!(
    "UPDATE resellers SET name = $1, phone = $2, commission = $3, removed_at = $4, \
     version = version + 1 WHERE id = $5 AND version = $6"
);
// Summed up over all that he ever got: some thousand rows of a page that is seldom looked at.
const STOCK: Sql = sql!(
    "SELECT b.plan_id, p.name, b.price, b.currency, COUNT(*), COUNT(v.sold_at), \
     SUM(CASE WHEN g.state = 'unused' THEN 1 ELSE 0 END) \
     FROM voucher_batches b JOIN batch_vouchers v ON v.batch_id = b.id \
     JOIN grants g ON g.id = v.grant_id JOIN plans p ON p.id = b.plan_id \
     WHERE b.reseller_id = $1 GROUP BY b.plan_id, p.name, b.price, b.currency \
     ORDER BY p.name, b.price"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[INSERT, OF_TENANT, FIND, CHANGE, STOCK];

/// Adds a reseller.
///
/// # Errors
/// [`Error::Conflict`] if the name is taken.
pub async fn insert(tx: &mut Tx<'_>, reseller: &Reseller) -> Result<(), Error> {
    let r = reseller;
    let row = args![r.id, r.tenant, r.name, r.phone, r.commission, r.created_at];
    tx.execute(INSERT, &row).await.map(drop)
}

/// A tenant's resellers by name, also those that were removed.
pub async fn of_tenant(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<Reseller>, Error> {
    tx.all(OF_TENANT, &args![tenant]).await
}

/// One reseller, if the tenant has such a one.
pub async fn find(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: ResellerId,
) -> Result<Option<Reseller>, Error> {
    let found: Option<Reseller> = tx.optional(FIND, &args![id]).await?;
    Ok(found.filter(|reseller| reseller.tenant == tenant))
}

/// Writes a changed reseller back. His version must be as read and grows by one.
///
/// # Errors
/// [`Error::Retry`] if somebody else changed him meanwhile; [`Error::Conflict`] if the name is taken.
pub async fn change(tx: &mut Tx<'_>, reseller: &Reseller) -> Result<(), Error> {
    let r = reseller;
    let row = args![r.name, r.phone, r.commission, r.removed_at, r.id, r.version];
    crate::written_once(tx.execute(CHANGE, &row).await?, "changing a reseller")
}

/// What he was given and what became of it, by plan and price.
pub async fn stock(tx: &mut Tx<'_>, id: ResellerId) -> Result<Vec<Stock>, Error> {
    tx.all(STOCK, &args![id]).await
}
