//! Customers: who buys.

use crate::{Error, FromRow, Row, Sql, Tx, args, sql};
use lango_domain::ids::{CustomerId, TenantId};
use lango_domain::language::Language;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Timestamp;

/// A customer.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Customer {
    /// His identity.
    pub id: CustomerId,
    /// Whose customer he is.
    pub tenant: TenantId,
    /// What he is called.
    pub name: String,
    /// Where messages go.
    pub phone: Option<PhoneNumber>,
    /// His language, if it is not the tenant's.
    pub language: Option<Language>,
    /// Since when he is known.
    pub created_at: Timestamp,
}

impl FromRow for Customer {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Customer {
            id: row.get(0)?,
            tenant: row.get(1)?,
            name: row.get(2)?,
            phone: row.get(3)?,
            language: row.get(4)?,
            created_at: row.get(5)?,
        })
    }
}

const INSERT: Sql = sql!(
    "INSERT INTO customers (id, tenant_id, name, name_fold, phone, language, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)"
);
const PAGE: Sql = sql!(
    "SELECT id, tenant_id, name, phone, language, created_at FROM customers \
     WHERE tenant_id = $1 AND (name_fold, id) > ($2, $3) ORDER BY name_fold, id LIMIT $4"
);
const BY_PHONE: Sql = sql!(
    "SELECT id, tenant_id, name, phone, language, created_at FROM customers \
     WHERE tenant_id = $1 AND phone = $2"
);
const BY_ID: Sql =
    sql!("SELECT id, tenant_id, name, phone, language, created_at FROM customers WHERE id = $1");

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[INSERT, PAGE, BY_PHONE, BY_ID];

/// Adds a customer.
pub async fn insert(tx: &mut Tx<'_>, customer: &Customer) -> Result<(), Error> {
    let c = customer;
    let fold = c.name.to_lowercase();
    let row = args![c.id, c.tenant, c.name, fold, c.phone, c.language, c.created_at];
    tx.execute(INSERT, &row).await.map(drop)
}

/// A tenant's customers by name, after the one given; the first page has none.
pub async fn page(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    after: Option<&Customer>,
    limit: i64,
) -> Result<Vec<Customer>, Error> {
    let fold = after.map(|customer| customer.name.to_lowercase()).unwrap_or_default();
    let id = after.map(|customer| customer.id);
    let first = lango_domain::ids::Id::from_raw(0);
    tx.all(PAGE, &args![tenant, fold, id.unwrap_or(first), limit]).await
}

/// The customer with that number.
pub async fn by_phone(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    phone: &PhoneNumber,
) -> Result<Option<Customer>, Error> {
    tx.optional(BY_PHONE, &args![tenant, phone]).await
}

/// One customer.
pub async fn one(tx: &mut Tx<'_>, id: CustomerId) -> Result<Customer, Error> {
    tx.one(BY_ID, &args![id]).await
}
