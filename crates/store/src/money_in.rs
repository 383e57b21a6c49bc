//! Money that came: one row for one receipt, however often and by whom it is told. What cannot be
//! used waits here for a person, and is never dropped.

use crate::{Error, FromRow, Order, Row, Sql, Tx, args, sql};
use lango_domain::ids::{CustomerId, GatewayId, GrantId, Id, MoneyId, PaymentId, TenantId};
use lango_domain::money::Money;
use lango_domain::payment::Misfit;
use lango_domain::time::Timestamp;

/// Money that came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MoneyIn {
    /// Its identity.
    pub id: MoneyId,
    /// Who was paid.
    pub tenant: TenantId,
    /// By which gateway; none if a person took it.
    pub gateway: Option<GatewayId>,
    /// Who says so.
    pub provider: String,
    /// The provider's own number of it.
    pub receipt: String,
    /// How much.
    pub amount: Money,
    /// What the payer typed as account.
    pub account: String,
    /// Who paid, as far as it is said.
    pub payer: Option<String>,
    /// His name, as far as it is said.
    pub payer_name: Option<String>,
    /// When it was paid.
    pub paid_at: Timestamp,
    /// When we heard.
    pub heard_at: Timestamp,
    /// What became of it.
    pub fate: Fate,
    /// The payment that it was for.
    pub payment: Option<PaymentId>,
    /// Whose it is.
    pub customer: Option<CustomerId>,
    /// What it bought.
    pub grant: Option<GrantId>,
    /// Grows with every change.
    pub version: i64,
}

/// What became of money.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It bought something.
    Used,
    /// It waits for a person, and why.
    Waiting(Misfit),
    /// It is in somebody's wallet.
    Credited,
    /// It was given back.
    GivenBack,
}

impl Fate {
    /// The word in the database and in lists.
    pub const fn word(self) -> &'static str {
        match self {
            Fate::Used => "used",
            Fate::Waiting(_) => "waiting",
            Fate::Credited => "credited",
            Fate::GivenBack => "given_back",
        }
    }

    const fn why(self) -> Option<Misfit> {
        match self {
            Fate::Waiting(why) => Some(why),
            _ => None,
        }
    }

    fn read(word: &str, why: Option<&str>) -> Result<Fate, Error> {
        Ok(match word {
            "used" => Fate::Used,
            "credited" => Fate::Credited,
            "given_back" => Fate::GivenBack,
            _ => Fate::Waiting(crate::json::read("money_in.why", why.unwrap_or("null"))?),
        })
    }
}

impl FromRow for MoneyIn {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let (state, why): (String, Option<String>) = (row.get(12)?, row.get(13)?);
        Ok(MoneyIn {
            id: row.get(0)?,
            tenant: row.get(1)?,
            gateway: row.get(2)?,
            provider: row.get(3)?,
            receipt: row.get(4)?,
            amount: Money::new(row.get(5)?, row.get(6)?),
            account: row.get(7)?,
            payer: row.get(8)?,
            payer_name: row.get(9)?,
            paid_at: row.get(10)?,
            heard_at: row.get(11)?,
            fate: Fate::read(&state, why.as_deref())?,
            payment: row.get(14)?,
            customer: row.get(15)?,
            grant: row.get(16)?,
            version: row.get(17)?,
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        sql!(
            "SELECT id, tenant_id, gateway_id, provider, receipt, amount, currency, account, payer, \
             payer_name, paid_at, heard_at, state, why, payment_id, customer_id, grant_id, version \
             FROM money_in ",
            $rest
        )
    };
}

const KEEP: Sql = sql!(
    "INSERT INTO money_in (id, tenant_id, gateway_id, provider, receipt, amount, currency, account, \
     payer, payer_name, paid_at, heard_at, state, why, payment_id, customer_id, grant_id) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
     ON CONFLICT DO NOTHING"
);
const SAVE: Sql = sql!(
    "UPDATE money_in SET state = $1, why = $2, payment_id = $3, customer_id = $4, grant_id = $5, \
     version = version + 1 WHERE tenant_id = $6 AND id = $7 AND version = $8"
);
const BY_RECEIPT: Sql = select!("WHERE receipt = $1 AND provider = $2 AND tenant_id = $3");
const BY_ANY_RECEIPT: Sql = select!("WHERE receipt = $1 AND tenant_id = $2 LIMIT 2");
const BY_ID: Sql = select!("WHERE tenant_id = $1 AND id = $2");
const PAGE: Sql = select!("WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
const PAGE_FORWARDS: Sql = select!("WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3");
const WAITING: Sql =
    select!("WHERE tenant_id = $1 AND state = 'waiting' AND id < $2 ORDER BY id DESC LIMIT $3");
const WAITING_FORWARDS: Sql =
    select!("WHERE tenant_id = $1 AND state = 'waiting' AND id > $2 ORDER BY id LIMIT $3");
const COUNT_WAITING: Sql =
    sql!("SELECT COUNT(*) FROM money_in WHERE tenant_id = $1 AND state = 'waiting'");

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    KEEP,
    SAVE,
    BY_RECEIPT,
    BY_ANY_RECEIPT,
    BY_ID,
    PAGE,
    PAGE_FORWARDS,
    WAITING,
    WAITING_FORWARDS,
    COUNT_WAITING,
];

/// Keeps money that came. False if it was known already: then nothing may follow from it.
pub async fn keep(tx: &mut Tx<'_>, money: &MoneyIn) -> Result<bool, Error> {
    let m = money;
    let Money { amount, currency } = m.amount;
    let (word, why) = (m.fate.word(), m.fate.why().map(|why| crate::json::write(&why)));
    let row = args![
        m.id,
        m.tenant,
        m.gateway,
        m.provider,
        m.receipt,
        amount,
        currency,
        m.account,
        m.payer,
        m.payer_name,
        m.paid_at,
        m.heard_at,
        word,
        why,
        m.payment,
        m.customer,
        m.grant
    ];
    Ok(tx.execute(KEEP, &row).await? == 1)
}

/// Writes what became of it. Its version must be as read and grows by one.
///
/// # Errors
/// [`Error::Retry`] if somebody else changed it meanwhile.
pub async fn save(tx: &mut Tx<'_>, money: &MoneyIn) -> Result<(), Error> {
    let m = money;
    let (word, why) = (m.fate.word(), m.fate.why().map(|why| crate::json::write(&why)));
    let row = args![word, why, m.payment, m.customer, m.grant, m.tenant, m.id, m.version];
    crate::written_once(tx.execute(SAVE, &row).await?, "changing what became of money")
}

/// The money that a provider calls so.
pub async fn by_receipt(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    provider: &str,
    receipt: &str,
) -> Result<Option<MoneyIn>, Error> {
    tx.optional(BY_RECEIPT, &args![receipt, provider, tenant]).await
}

/// The same for a customer, who knows a number and no provider. None if two providers use it.
pub async fn by_any_receipt(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    receipt: &str,
) -> Result<Option<MoneyIn>, Error> {
    let mut found: Vec<MoneyIn> = tx.all(BY_ANY_RECEIPT, &args![receipt, tenant]).await?;
    Ok(if found.len() == 1 { found.pop() } else { None })
}

/// One, if the business has such a one.
pub async fn find(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: MoneyId,
) -> Result<Option<MoneyIn>, Error> {
    tx.optional(BY_ID, &args![tenant, id]).await
}

/// A business's money, from the one given on; all of it, or what waits for a person.
pub async fn listed(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    only_waiting: bool,
    order: Order,
    from: Option<MoneyId>,
    limit: i64,
) -> Result<Vec<MoneyIn>, Error> {
    let from = from.unwrap_or(MoneyId::from_raw(order.beginning()));
    let statement = match (only_waiting, order) {
        (false, Order::Ascending) => PAGE_FORWARDS,
        (false, Order::Descending) => PAGE,
        (true, Order::Ascending) => WAITING_FORWARDS,
        (true, Order::Descending) => WAITING,
    };
    tx.all(statement, &args![tenant, from, limit]).await
}

/// How much money waits for a person.
pub async fn count_waiting(tx: &mut Tx<'_>, tenant: TenantId) -> Result<i64, Error> {
    tx.one(COUNT_WAITING, &args![tenant]).await
}
