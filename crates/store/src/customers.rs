//! Customers: who buys.

use crate::{Arg, Error, FromRow, Row, Sql, ToArg, ToArgs, Tx, args, bulk, sql};
use lango_domain::ids::{CustomerId, Id, TenantId};
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
    /// Grows with every change.
    pub version: i64,
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
            version: row.get(6)?,
        })
    }
}

const INSERT: Sql = sql!(
    "INSERT INTO customers (id, tenant_id, name, name_fold, phone, language, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)"
);
const INSERT_ALL: crate::Bulk = bulk!(
    sqlite: "INSERT INTO customers (id, tenant_id, name, name_fold, phone, language, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
    postgres: "INSERT INTO customers (id, tenant_id, name, name_fold, phone, language, created_at) \
               SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::text[], \
               $5::text[], $6::text[], $7::bigint[])",
);
const BY_NAME: Sql = sql!(
    "SELECT id, tenant_id, name, phone, language, created_at, version FROM customers \
     WHERE tenant_id = $1 AND (name_fold, id) > ($2, $3) AND name_fold < $4 \
     ORDER BY name_fold, id LIMIT $5"
);
const BY_NAME_BACKWARDS: Sql = sql!(
    "SELECT id, tenant_id, name, phone, language, created_at, version FROM customers \
     WHERE tenant_id = $1 AND (name_fold, id) < ($2, $3) AND name_fold >= $4 \
     ORDER BY name_fold DESC, id DESC LIMIT $5"
);
const BY_AGE: Sql = sql!(
    "SELECT id, tenant_id, name, phone, language, created_at, version FROM customers \
     WHERE (tenant_id, id) > ($1, $2) AND tenant_id <= $1 ORDER BY tenant_id, id LIMIT $3"
);
const BY_AGE_BACKWARDS: Sql = sql!(
    "SELECT id, tenant_id, name, phone, language, created_at, version FROM customers \
     WHERE (tenant_id, id) < ($1, $2) AND tenant_id >= $1 \
     ORDER BY tenant_id DESC, id DESC LIMIT $3"
);
const BY_PHONE: Sql = sql!(
    "SELECT id, tenant_id, name, phone, language, created_at, version FROM customers \
     WHERE tenant_id = $1 AND phone = $2"
);
const BY_ID: Sql = sql!(
    "SELECT id, tenant_id, name, phone, language, created_at, version FROM customers WHERE id = $1"
);
const CHANGE: Sql = sql!(
    "UPDATE customers SET name = $1, name_fold = $2, phone = $3, language = $4, \
     version = version + 1 WHERE id = $5 AND version = $6"
);
const REMOVE: Sql = sql!("DELETE FROM customers WHERE id = $1");

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    INSERT,
    BY_NAME,
    BY_NAME_BACKWARDS,
    BY_AGE,
    BY_AGE_BACKWARDS,
    BY_PHONE,
    BY_ID,
    CHANGE,
    REMOVE,
];

/// Bulk statements, for the same tests.
pub(crate) const BULKS: &[crate::Bulk] = &[INSERT_ALL];

/// As names are compared.
#[must_use]
pub fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// Adds a customer.
pub async fn insert(tx: &mut Tx<'_>, customer: &Customer) -> Result<(), Error> {
    let c = customer;
    let fold = folded(&c.name);
    let row = args![c.id, c.tenant, c.name, fold, c.phone, c.language, c.created_at];
    tx.execute(INSERT, &row).await.map(drop)
}

/// Adds many customers.
///
/// # Errors
/// [`Error::Conflict`] on `customers(tenant_id, phone)` if a number is taken; then none is added.
pub async fn insert_all(tx: &mut Tx<'_>, customers: &[Customer]) -> Result<(), Error> {
    let rows: Vec<_> = customers.iter().map(Inserted).collect();
    tx.bulk(INSERT_ALL, &rows).await.map(drop)
}

/// A customer as a row of a bulk.
struct Inserted<'c>(&'c Customer);

impl ToArgs for Inserted<'_> {
    fn to_args(&self) -> Vec<Arg<'_>> {
        let c = self.0;
        vec![
            Arg::Int(c.id.raw()),
            Arg::Int(c.tenant.raw()),
            c.name.to_arg(),
            Arg::Text(folded(&c.name).into()),
            c.phone.to_arg(),
            c.language.to_arg(),
            Arg::Int(c.created_at.micros()),
        ]
    }
}

/// Where a list by name goes on: a folded name and the id of its owner.
pub type NamePlace = (String, CustomerId);

/// Greater than every name.
const BEYOND: &str = "\u{10FFFF}";

/// A tenant's customers by name, after the one given; the first page has none.
pub async fn page(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    after: Option<&Customer>,
    limit: i64,
) -> Result<Vec<Customer>, Error> {
    let after = after.map(|customer| (folded(&customer.name), customer.id));
    by_name(tx, tenant, "", after, limit).await
}

/// A tenant's customers whose folded name begins with `prefix`, by name, after the place given.
pub async fn by_name(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    prefix: &str,
    after: Option<NamePlace>,
    limit: i64,
) -> Result<Vec<Customer>, Error> {
    // Ids begin at 1, so nobody is left out.
    let (fold, id) = after.unwrap_or_else(|| (prefix.to_owned(), CustomerId::from_raw(0)));
    let end = format!("{prefix}{BEYOND}");
    tx.all(BY_NAME, &args![tenant, fold, id, end, limit]).await
}

/// The same from the last name to the first, before the place given.
pub async fn by_name_backwards(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    prefix: &str,
    before: Option<NamePlace>,
    limit: i64,
) -> Result<Vec<Customer>, Error> {
    let end = || (format!("{prefix}{BEYOND}"), CustomerId::from_raw(i64::MAX));
    let (fold, id) = before.unwrap_or_else(end);
    tx.all(BY_NAME_BACKWARDS, &args![tenant, fold, id, prefix, limit]).await
}

/// A tenant's customers, oldest first, after the one given.
pub async fn by_age(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    after: Option<CustomerId>,
    limit: i64,
) -> Result<Vec<Customer>, Error> {
    let after = after.unwrap_or(CustomerId::from_raw(0));
    tx.all(BY_AGE, &args![tenant, after, limit]).await
}

/// A tenant's customers, latest first, before the one given.
pub async fn by_age_backwards(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    before: Option<CustomerId>,
    limit: i64,
) -> Result<Vec<Customer>, Error> {
    let before = before.unwrap_or(CustomerId::from_raw(i64::MAX));
    tx.all(BY_AGE_BACKWARDS, &args![tenant, before, limit]).await
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

/// One customer, if there is such a one.
pub async fn find(tx: &mut Tx<'_>, id: CustomerId) -> Result<Option<Customer>, Error> {
    tx.optional(BY_ID, &args![id]).await
}

/// Writes a changed customer back. His version must be as read and grows by one.
///
/// # Errors
/// [`Error::Retry`] if somebody else changed him meanwhile; [`Error::Conflict`] if his number is
/// another's.
pub async fn change(tx: &mut Tx<'_>, customer: &Customer) -> Result<(), Error> {
    let c = customer;
    let fold = folded(&c.name);
    let row = args![c.name, fold, c.phone, c.language, c.id, c.version];
    crate::written_once(tx.execute(CHANGE, &row).await?, "changing a customer")
}

/// Deletes a customer who never bought anything.
///
/// # Errors
/// [`Error::MissingReference`] if there is something of his.
pub async fn remove(tx: &mut Tx<'_>, id: CustomerId) -> Result<(), Error> {
    tx.execute(REMOVE, &args![id]).await.map(drop)
}
