//! Plans and the terms they are sold under. Terms never change: a changed plan points to others,
//! and what was sold keeps what it had.

use crate::{Error, FromRow, Row, Sql, Tx, args, sql};
use lango_domain::ids::{Id, PlanId, TenantId};
use lango_domain::money::Money;
use lango_domain::plan::{Plan, Terms};
use lango_domain::sale::Sale;
use lango_domain::time::Timestamp;

/// The number of a set of terms.
pub type TermsId = i64;

/// A plan and the number of its terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPlan {
    /// The plan.
    pub plan: Plan,
    /// Its terms' number.
    pub terms_id: TermsId,
    /// Since when it is not sold any more.
    pub retired_at: Option<Timestamp>,
    /// Grows with every change.
    pub version: i64,
    /// How it is put before customers.
    pub sale: Sale,
}

impl FromRow for StoredPlan {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let plan = Plan {
            id: row.get(0)?,
            tenant: row.get(1)?,
            name: row.get(2)?,
            price: Money::new(row.get(3)?, row.get(4)?),
            terms: crate::json::read("terms.body", &row.get::<String>(6)?)?,
        };
        let (terms_id, retired_at, version) = (row.get(5)?, row.get(7)?, row.get(8)?);
        let sale = crate::json::read("plans.sale", &row.get::<String>(9)?)?;
        Ok(StoredPlan { plan, terms_id, retired_at, version, sale })
    }
}

const INSERT: Sql = sql!(
    "INSERT INTO plans (id, tenant_id, name, price, currency, terms_id, sale, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
);
const OF_TENANT: Sql = sql!(
    "SELECT p.id, p.tenant_id, p.name, p.price, p.currency, p.terms_id, t.body, p.retired_at, \
     p.version, p.sale \
     FROM plans p JOIN terms t ON t.id = p.terms_id WHERE p.tenant_id = $1 ORDER BY p.name"
);
const BY_NAME: Sql = sql!(
    "SELECT p.id, p.tenant_id, p.name, p.price, p.currency, p.terms_id, t.body, p.retired_at, \
     p.version, p.sale \
     FROM plans p JOIN terms t ON t.id = p.terms_id WHERE p.tenant_id = $1 AND p.name = $2"
);
const BY_ID: Sql = sql!(
    "SELECT p.id, p.tenant_id, p.name, p.price, p.currency, p.terms_id, t.body, p.retired_at, \
     p.version, p.sale \
     FROM plans p JOIN terms t ON t.id = p.terms_id WHERE p.id = $1"
);
const CHANGE: Sql = sql!(
    "UPDATE plans SET name = $1, price = $2, currency = $3, terms_id = $4, retired_at = $5, \
     sale = $6, version = version + 1 WHERE id = $7 AND version = $8"
);
const KNOWN_TERMS: Sql = sql!("SELECT id FROM terms WHERE tenant_id = $1 AND hash = $2");
const INSERT_TERMS: Sql = sql!(
    "INSERT INTO terms (id, tenant_id, hash, body) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] =
    &[INSERT, OF_TENANT, BY_NAME, BY_ID, CHANGE, KNOWN_TERMS, INSERT_TERMS];

/// Adds a plan.
pub async fn insert(
    tx: &mut Tx<'_>,
    plan: &Plan,
    sale: &Sale,
    now: Timestamp,
) -> Result<TermsId, Error> {
    let terms_id = keep_terms(tx, plan.tenant, &plan.terms, plan.id.raw()).await?;
    let (price, sale) = (plan.price, crate::json::write(sale));
    let row =
        args![plan.id, plan.tenant, plan.name, price.amount, price.currency, terms_id, sale, now];
    tx.execute(INSERT, &row).await?;
    Ok(terms_id)
}

/// A tenant's plans by name.
pub async fn of_tenant(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<StoredPlan>, Error> {
    tx.all(OF_TENANT, &args![tenant]).await
}

/// The plan of that name.
pub async fn by_name(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    name: &str,
) -> Result<Option<StoredPlan>, Error> {
    tx.optional(BY_NAME, &args![tenant, name]).await
}

/// One plan.
pub async fn one(tx: &mut Tx<'_>, id: PlanId) -> Result<StoredPlan, Error> {
    tx.one(BY_ID, &args![id]).await
}

/// One plan, if there is such a one.
pub async fn find(tx: &mut Tx<'_>, id: PlanId) -> Result<Option<StoredPlan>, Error> {
    tx.optional(BY_ID, &args![id]).await
}

/// Writes a changed plan back. Its version must be as read and grows by one. What was sold keeps
/// its terms.
///
/// # Errors
/// [`Error::Retry`] if somebody else changed it meanwhile; [`Error::Conflict`] if the name is taken.
pub async fn change(tx: &mut Tx<'_>, stored: &StoredPlan) -> Result<(), Error> {
    let StoredPlan { plan, terms_id, retired_at, version, sale } = stored;
    let (price, sale) = (plan.price, crate::json::write(sale));
    let (amount, currency) = (price.amount, price.currency);
    let row = args![plan.name, amount, currency, terms_id, retired_at, sale, plan.id, version];
    crate::written_once(tx.execute(CHANGE, &row).await?, "changing a plan")
}

/// The number of these terms; they are stored under `fresh` if they are new to the tenant.
///
/// `fresh` must be a new id of the program's: terms share the number space.
pub async fn keep_terms(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    terms: &Terms,
    fresh: i64,
) -> Result<TermsId, Error> {
    let body = crate::json::write(terms);
    let hash = ring::digest::digest(&ring::digest::SHA256, body.as_bytes());
    if let Some(known) = tx.optional(KNOWN_TERMS, &args![tenant, hash.as_ref()]).await? {
        return Ok(known);
    }
    tx.execute(INSERT_TERMS, &args![fresh, tenant, hash.as_ref(), body]).await?;
    tx.one(KNOWN_TERMS, &args![tenant, hash.as_ref()]).await
}
