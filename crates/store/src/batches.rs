//! Vouchers that were made together: which they are, who has them, how often they were printed.

use crate::plans::TermsId;
use crate::{Arg, Error, FromRow, Order, Row, Sql, ToArg, ToArgs, Tx, args, bulk, sql};
use lango_domain::ids::{ActivityId, BatchId, GrantId, Id, PlanId, ResellerId, RouterId, TenantId};
use lango_domain::money::Money;
use lango_domain::plan::Terms;
use lango_domain::time::Timestamp;

/// Vouchers that were made together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Its identity, printed on each voucher.
    pub id: BatchId,
    /// Whose.
    pub tenant: TenantId,
    /// What they are vouchers of.
    pub plan: PlanId,
    /// Who sells them; none is the business itself.
    pub reseller: Option<ResellerId>,
    /// The only router they are good for; none is all of the tenant's.
    pub router: Option<RouterId>,
    /// How many.
    pub count: i64,
    /// Signs of a code, its check sign among them.
    pub signs: i64,
    /// What one cost when they were made.
    pub price: Money,
    /// The number of the terms under which they were made.
    pub terms_id: TermsId,
    /// Who made them.
    pub actor: String,
    /// When.
    pub created_at: Timestamp,
    /// When what was unused of them was ended.
    pub voided_at: Option<Timestamp>,
}

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fate {
    /// How many were used for the first time.
    pub sold: i64,
    /// How many are still good and unused.
    pub left: i64,
}

/// A batch as lists show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedBatch {
    /// The batch.
    pub batch: Batch,
    /// The plan's name.
    pub plan: String,
    /// The reseller's name.
    pub reseller: Option<String>,
    /// How often it went onto paper.
    pub prints: i64,
}

/// One voucher of a batch, with its sealed code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchVoucher {
    /// Its number in the batch, from 1.
    pub serial: i64,
    /// Its grant.
    pub grant: GrantId,
    /// The word for its state.
    pub state: String,
    /// Its code, sealed.
    pub access: Vec<u8>,
    /// When it was used for the first time.
    pub sold_at: Option<Timestamp>,
    /// When it lapses if it stays unused.
    pub lapses_at: Option<Timestamp>,
}

/// One time that codes went onto paper.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Print {
    /// The line of the account that says so.
    pub id: ActivityId,
    /// When.
    pub at: Timestamp,
    /// Who asked for it.
    pub actor: String,
    /// Which sheet or roll, or that it was a table.
    pub layout: String,
    /// How many vouchers.
    pub count: i64,
}

impl FromRow for Batch {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Batch {
            id: row.get(0)?,
            tenant: row.get(1)?,
            plan: row.get(2)?,
            reseller: row.get(3)?,
            router: row.get(4)?,
            count: row.get(5)?,
            signs: row.get(6)?,
            price: Money::new(row.get(7)?, row.get(8)?),
            terms_id: row.get(9)?,
            actor: row.get(10)?,
            created_at: row.get(11)?,
            voided_at: row.get(12)?,
        })
    }
}

impl FromRow for ListedBatch {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let batch = Batch::from_row(row)?;
        Ok(ListedBatch { batch, plan: row.get(13)?, reseller: row.get(14)?, prints: row.get(15)? })
    }
}

impl FromRow for Fate {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Fate { sold: row.get(0)?, left: row.get(1)? })
    }
}

impl FromRow for BatchVoucher {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let state: String = row.get(2)?;
        let deadline: Option<Timestamp> = row.get(5)?;
        // What is unused changes by itself only when it lapses.
        let lapses_at = deadline.filter(|_| state == "unused");
        Ok(BatchVoucher {
            serial: row.get(0)?,
            grant: row.get(1)?,
            state,
            access: row.get(3)?,
            sold_at: row.get(4)?,
            lapses_at,
        })
    }
}

impl FromRow for Print {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Print {
            id: row.get(0)?,
            at: row.get(1)?,
            actor: row.get(2)?,
            layout: row.get(3)?,
            count: row.get(4)?,
        })
    }
}

const INSERT: Sql = sql!(
    "INSERT INTO voucher_batches (id, tenant_id, plan_id, reseller_id, router_id, count, signs, \
     price, currency, terms_id, actor, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
);
const GROW: Sql = sql!(
    "UPDATE voucher_batches SET count = count + $1 \
     WHERE tenant_id = $2 AND id = $3 AND voided_at IS NULL"
);
const VOID: Sql = sql!(
    "UPDATE voucher_batches SET voided_at = $1 \
     WHERE tenant_id = $2 AND id = $3 AND voided_at IS NULL"
);
const TERMS: Sql = sql!("SELECT body FROM terms WHERE id = $1");
const ADD: crate::Bulk = bulk!(
    sqlite: "INSERT INTO batch_vouchers (batch_id, serial, grant_id) VALUES ($1, $2, $3)",
    postgres: "INSERT INTO batch_vouchers (batch_id, serial, grant_id) \
               SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[])",
);
const SELL: crate::Bulk = bulk!(
    sqlite: "UPDATE batch_vouchers SET sold_at = $1 WHERE grant_id = $2 AND sold_at IS NULL",
    postgres: "UPDATE batch_vouchers SET sold_at = n.sold_at \
               FROM UNNEST($1::bigint[], $2::bigint[]) AS n (sold_at, grant_id) \
               WHERE batch_vouchers.grant_id = n.grant_id AND batch_vouchers.sold_at IS NULL",
);
/// A list of batches as [`ListedBatch`] reads it.
macro_rules! listed {
    ($which:literal) => {
        sql!(
            "SELECT b.id, b.tenant_id, b.plan_id, b.reseller_id, b.router_id, b.count, b.signs, \
             b.price, b.currency, b.terms_id, b.actor, b.created_at, b.voided_at, p.name, r.name, \
             (SELECT COUNT(*) FROM voucher_prints t WHERE t.batch_id = b.id) \
             FROM voucher_batches b JOIN plans p ON p.id = b.plan_id \
             LEFT JOIN resellers r ON r.id = b.reseller_id WHERE ",
            $which
        )
    };
}
const FIND: Sql = listed!("b.tenant_id = $1 AND b.id = $2");
const PAGE: Sql = listed!("b.tenant_id = $1 AND b.id > $2 ORDER BY b.id LIMIT $3");
const PAGE_BACKWARDS: Sql = listed!("b.tenant_id = $1 AND b.id < $2 ORDER BY b.id DESC LIMIT $3");
const FATE: Sql = sql!(
    "SELECT COUNT(v.sold_at), COALESCE(SUM(CASE WHEN g.state = 'unused' THEN 1 ELSE 0 END), 0) \
     FROM batch_vouchers v JOIN grants g ON g.id = v.grant_id WHERE v.batch_id = $1"
);
const VOUCHERS: Sql = sql!(
    "SELECT v.serial, g.id, g.state, g.access, v.sold_at, g.next_deadline \
     FROM batch_vouchers v JOIN grants g ON g.id = v.grant_id \
     WHERE v.batch_id = $1 AND v.serial > $2 ORDER BY v.serial LIMIT $3"
);
const OF_GRANT: Sql = sql!("SELECT batch_id, serial FROM batch_vouchers WHERE grant_id = $1");
// One more than the limit is never counted: the question is whether there are too many.
const COUNT_IN_STATE: Sql = sql!(
    "SELECT COUNT(*) FROM (SELECT g.id FROM grants g \
     WHERE g.tenant_id = $1 AND g.state = $2 AND g.kind = 'voucher' LIMIT $3) few"
);
const ADD_PRINT: Sql = sql!(
    "INSERT INTO voucher_prints (batch_id, id, at, actor, layout, count) \
     VALUES ($1, $2, $3, $4, $5, $6)"
);
const PRINTS: Sql =
    sql!("SELECT id, at, actor, layout, count FROM voucher_prints WHERE batch_id = $1 ORDER BY id");

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    INSERT,
    GROW,
    VOID,
    TERMS,
    FIND,
    PAGE,
    PAGE_BACKWARDS,
    FATE,
    VOUCHERS,
    OF_GRANT,
    COUNT_IN_STATE,
    ADD_PRINT,
    PRINTS,
];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[ADD, SELL];

/// Adds a batch without its vouchers.
pub async fn insert(tx: &mut Tx<'_>, batch: &Batch) -> Result<(), Error> {
    let b = batch;
    let Money { amount, currency } = b.price;
    let row = args![
        b.id,
        b.tenant,
        b.plan,
        b.reseller,
        b.router,
        b.count,
        b.signs,
        amount,
        currency,
        b.terms_id,
        b.actor,
        b.created_at
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

/// Says that a batch has so many more. False if it was voided meanwhile.
pub async fn grow(
    tx: &mut Tx<'_>,
    (tenant, id): (TenantId, BatchId),
    by: i64,
) -> Result<bool, Error> {
    Ok(tx.execute(GROW, &args![by, tenant, id]).await? == 1)
}

struct Added(BatchId, i64, GrantId);

impl ToArgs for Added {
    fn to_args(&self) -> Vec<Arg<'_>> {
        vec![Arg::Int(self.0.raw()), Arg::Int(self.1), Arg::Int(self.2.raw())]
    }
}

/// Puts grants into a batch, numbered from `first` on.
pub async fn add(
    tx: &mut Tx<'_>,
    batch: BatchId,
    first: i64,
    grants: &[GrantId],
) -> Result<(), Error> {
    let rows: Vec<Added> =
        grants.iter().zip(first..).map(|(grant, serial)| Added(batch, serial, *grant)).collect();
    tx.bulk(ADD, &rows).await.map(drop)
}

struct Sold(Timestamp, GrantId);

impl ToArgs for Sold {
    fn to_args(&self) -> Vec<Arg<'_>> {
        vec![self.0.to_arg(), self.1.to_arg()]
    }
}

/// Says that these were used for the first time. What is in no batch is none of it.
pub async fn sell(tx: &mut Tx<'_>, grants: &[GrantId], now: Timestamp) -> Result<(), Error> {
    if grants.is_empty() {
        return Ok(());
    }
    let rows: Vec<Sold> = grants.iter().map(|grant| Sold(now, *grant)).collect();
    tx.bulk(SELL, &rows).await.map(drop)
}

/// Says that what was unused of a batch is ended. False if it was said before.
pub async fn void(
    tx: &mut Tx<'_>,
    (tenant, id): (TenantId, BatchId),
    now: Timestamp,
) -> Result<bool, Error> {
    Ok(tx.execute(VOID, &args![now, tenant, id]).await? == 1)
}

/// One batch, if the tenant has such a one.
pub async fn find(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: BatchId,
) -> Result<Option<ListedBatch>, Error> {
    tx.optional(FIND, &args![tenant, id]).await
}

/// A tenant's batches by age, from the one given on.
pub async fn page(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    order: Order,
    from: Option<BatchId>,
    limit: i64,
) -> Result<Vec<ListedBatch>, Error> {
    let from = from.unwrap_or(BatchId::from_raw(order.beginning()));
    let statement = match order {
        Order::Ascending => PAGE,
        Order::Descending => PAGE_BACKWARDS,
    };
    tx.all(statement, &args![tenant, from, limit]).await
}

/// What became of a batch so far.
pub async fn fate(tx: &mut Tx<'_>, id: BatchId) -> Result<Fate, Error> {
    tx.one(FATE, &args![id]).await
}

/// The terms under which a batch was made.
pub async fn terms(tx: &mut Tx<'_>, batch: &Batch) -> Result<Terms, Error> {
    let body: String = tx.one(TERMS, &args![batch.terms_id]).await?;
    crate::json::read("terms.body", &body)
}

/// The vouchers of a batch in the order of their numbers, after the one given.
pub async fn vouchers(
    tx: &mut Tx<'_>,
    id: BatchId,
    after: i64,
    limit: i64,
) -> Result<Vec<BatchVoucher>, Error> {
    tx.all(VOUCHERS, &args![id, after, limit]).await
}

/// In which batch a voucher is, and its number there.
pub async fn of_grant(tx: &mut Tx<'_>, grant: GrantId) -> Result<Option<(BatchId, i64)>, Error> {
    tx.optional(OF_GRANT, &args![grant]).await
}

/// How many vouchers of a tenant somebody could guess, counted up to `most`.
pub async fn count_live(tx: &mut Tx<'_>, tenant: TenantId, most: i64) -> Result<i64, Error> {
    const LIVE: [&str; 6] = ["unused", "active", "throttled", "grace", "paused", "suspended"];
    let mut count: i64 = 0;
    for state in LIVE {
        let few: i64 = tx.one(COUNT_IN_STATE, &args![tenant, state, most - count]).await?;
        count += few;
        if count >= most {
            break;
        }
    }
    Ok(count)
}

/// Writes down that codes went onto paper.
pub async fn note_print(tx: &mut Tx<'_>, batch: BatchId, print: &Print) -> Result<(), Error> {
    let p = print;
    let row = args![batch, p.id, p.at, p.actor, p.layout, p.count];
    tx.execute(ADD_PRINT, &row).await.map(drop)
}

/// Each time that a batch went onto paper.
pub async fn prints(tx: &mut Tx<'_>, batch: BatchId) -> Result<Vec<Print>, Error> {
    tx.all(PRINTS, &args![batch]).await
}
