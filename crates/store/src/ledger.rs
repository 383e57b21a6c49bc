//! The ledger: double entry, only ever added to. Each entry's lines add up to nothing, and what a
//! customer has with us is the sum of his wallet's lines.

use crate::{Arg, Error, FromRow, Row, Sql, ToArg, ToArgs, Tx, args, bulk, sql};
use lango_domain::ids::{CustomerId, GatewayId, Id, PostingId, TenantId};
use lango_domain::money::{Currency, Money};
use lango_domain::time::Timestamp;

/// Where money can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Account {
    /// With a provider, or in the till.
    Clearing(Option<GatewayId>),
    /// Here, and nobody knows what for.
    Suspense,
    /// A customer's, for later.
    Wallet(CustomerId),
    /// Earned.
    Revenue,
    /// On its way back.
    Refunds,
    /// Kept by a provider.
    Fees,
}

impl Account {
    /// The word in the database and in lists.
    pub const fn word(self) -> &'static str {
        match self {
            Account::Clearing(_) => "clearing",
            Account::Suspense => "suspense",
            Account::Wallet(_) => "wallet",
            Account::Revenue => "revenue",
            Account::Refunds => "refunds",
            Account::Fees => "fees",
        }
    }

    fn owner(self) -> i64 {
        match self {
            Account::Clearing(gateway) => gateway.map_or(0, Id::raw),
            Account::Wallet(customer) => customer.raw(),
            _ => 0,
        }
    }
}

/// One line of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Posting {
    /// Its identity.
    pub id: PostingId,
    /// The first line's, for all lines of an entry.
    pub entry: PostingId,
    /// In whose books.
    pub tenant: TenantId,
    /// Where.
    pub account: Account,
    /// Debit is positive, credit negative.
    pub amount: Money,
    /// When.
    pub at: Timestamp,
    /// What for.
    pub what: String,
}

impl ToArgs for Posting {
    fn to_args(&self) -> Vec<Arg<'_>> {
        vec![
            Arg::Int(self.id.raw()),
            Arg::Int(self.tenant.raw()),
            Arg::Int(self.entry.raw()),
            Arg::Text(self.account.word().into()),
            Arg::Int(self.account.owner()),
            Arg::Int(self.amount.amount),
            self.amount.currency.to_arg(),
            Arg::Int(self.at.micros()),
            self.what.to_arg(),
        ]
    }
}

/// A sum of lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Balance {
    /// Of which account.
    pub account: String,
    /// Whose: a customer's or a gateway's number, or 0.
    pub owner: i64,
    /// How much.
    pub amount: Money,
}

impl FromRow for Balance {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Balance {
            account: row.get(0)?,
            owner: row.get(1)?,
            amount: Money::new(row.get(2)?, row.get(3)?),
        })
    }
}

const POST: crate::Bulk = bulk!(
    sqlite: "INSERT INTO postings (id, tenant_id, entry_id, account, owner_id, amount, currency, at, \
             what) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    postgres: "INSERT INTO postings (id, tenant_id, entry_id, account, owner_id, amount, currency, \
               at, what) SELECT n.id, n.tenant, n.entry, n.account, n.owner, n.amount, n.currency, \
               n.at, n.what FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], \
               $5::bigint[], $6::bigint[], $7::text[], $8::bigint[], $9::text[]) \
               AS n (id, tenant, entry, account, owner, amount, currency, at, what)",
);
const BALANCES: Sql = sql!(
    "SELECT account, owner_id, CAST(SUM(amount) AS BIGINT), currency FROM postings \
     WHERE tenant_id = $1 GROUP BY account, owner_id, currency ORDER BY account, owner_id, currency"
);
const UNBALANCED: Sql = sql!(
    "SELECT COUNT(*) FROM (SELECT entry_id FROM postings WHERE tenant_id = $1 \
     GROUP BY entry_id, currency HAVING SUM(amount) <> 0) AS unbalanced"
);
const CREDIT: Sql = sql!(
    "INSERT INTO wallets (tenant_id, customer_id, currency, balance) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (tenant_id, customer_id, currency) \
     DO UPDATE SET balance = wallets.balance + excluded.balance"
);
const SPEND: Sql = sql!(
    "UPDATE wallets SET balance = balance - $1 WHERE tenant_id = $2 AND customer_id = $3 \
     AND currency = $4 AND balance >= $1"
);
const WALLET: Sql =
    sql!("SELECT balance FROM wallets WHERE tenant_id = $1 AND customer_id = $2 AND currency = $3");
const WALLETS: Sql = sql!(
    "SELECT balance, currency FROM wallets WHERE tenant_id = $1 AND customer_id = $2 \
     ORDER BY currency"
);
// By its key alone SQLite would walk all of a business's postings.
const WALLET_LINES: Sql = sql!(
    "SELECT p.id, p.at, p.amount, p.currency, p.what FROM postings p WHERE p.tenant_id = $1 \
     AND p.id IN (SELECT w.id FROM postings w WHERE w.tenant_id = $1 AND w.account = 'wallet' \
     AND w.owner_id = $2 AND w.id < $3 ORDER BY w.id DESC LIMIT $4) ORDER BY p.id DESC"
);
const WALLETS_OFF: Sql = sql!(
    "SELECT COUNT(*) FROM (SELECT owner, currency FROM \
     (SELECT customer_id AS owner, currency, balance AS amount FROM wallets WHERE tenant_id = $1 \
     UNION ALL SELECT owner_id, currency, amount FROM postings WHERE tenant_id = $1 \
     AND account = 'wallet') AS compared GROUP BY owner, currency HAVING SUM(amount) <> 0) AS off"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] =
    &[BALANCES, UNBALANCED, CREDIT, SPEND, WALLET, WALLETS, WALLET_LINES, WALLETS_OFF];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[POST];

/// Adds the lines of one entry, which add up to nothing, and moves wallets with them. False if a
/// wallet holds less than is taken out of it: then nothing was written.
///
/// # Errors
/// A fault of the store.
///
/// # Panics
/// In tests, when the lines do not add up.
pub async fn post(tx: &mut Tx<'_>, lines: &[Posting]) -> Result<bool, Error> {
    debug_assert_eq!(lines.iter().map(|line| line.amount.amount).sum::<i64>(), 0, "{lines:?}");
    for line in lines {
        let Account::Wallet(customer) = line.account else { continue };
        let Money { amount, currency } = line.amount;
        if amount > 0 {
            let row = args![amount, line.tenant, customer, currency];
            if tx.execute(SPEND, &row).await? == 0 {
                return Ok(false);
            }
        } else {
            let more = -amount;
            let row = args![line.tenant, customer, currency, more];
            tx.execute(CREDIT, &row).await?;
        }
    }
    tx.bulk(POST, lines).await?;
    Ok(true)
}

/// What a customer has with us.
pub async fn wallet(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    customer: CustomerId,
    currency: Currency,
) -> Result<Money, Error> {
    let balance: Option<i64> = tx.optional(WALLET, &args![tenant, customer, currency]).await?;
    Ok(Money::new(balance.unwrap_or(0), currency))
}

/// The sums of all accounts.
pub async fn balances(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<Balance>, Error> {
    tx.all(BALANCES, &args![tenant]).await
}

/// How many entries do not add up to nothing: always none.
pub async fn count_unbalanced(tx: &mut Tx<'_>, tenant: TenantId) -> Result<i64, Error> {
    tx.one(UNBALANCED, &args![tenant]).await
}

/// All that a customer has with us, by currency.
pub async fn wallets(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    customer: CustomerId,
) -> Result<Vec<Money>, Error> {
    let all: Vec<(i64, Currency)> = tx.all(WALLETS, &args![tenant, customer]).await?;
    Ok(all.into_iter().map(|(amount, currency)| Money::new(amount, currency)).collect())
}

/// What came into a wallet or went out of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WalletLine {
    /// Its identity.
    pub id: PostingId,
    /// When.
    pub at: Timestamp,
    /// How much came; negative if it went.
    pub amount: Money,
    /// What for.
    pub what: String,
}

impl FromRow for WalletLine {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        // Credit is negative in the books; for whoever owns the wallet it is more.
        let amount: i64 = row.get(2)?;
        Ok(WalletLine {
            id: row.get(0)?,
            at: row.get(1)?,
            amount: Money::new(-amount, row.get(3)?),
            what: row.get(4)?,
        })
    }
}

/// The lines of a customer's wallet, latest first, before the one given.
pub async fn wallet_lines(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    customer: CustomerId,
    before: Option<PostingId>,
    limit: i64,
) -> Result<Vec<WalletLine>, Error> {
    let before = before.unwrap_or(PostingId::from_raw(i64::MAX));
    tx.all(WALLET_LINES, &args![tenant, customer, before, limit]).await
}

/// How many wallets hold something else than their lines add up to: always none.
pub async fn count_wallets_off(tx: &mut Tx<'_>, tenant: TenantId) -> Result<i64, Error> {
    tx.one(WALLETS_OFF, &args![tenant]).await
}
