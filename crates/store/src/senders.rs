//! Gateways that take a business's texts, in order, how each of them does, and the words of the
//! business: its sender's name, its quiet hours, its own texts.

use crate::{Error, FromRow, Row, Sql, Tx, args, sql};
use lango_domain::ids::{SenderId, TenantId};
use lango_domain::time::Timestamp;

/// A gateway that takes texts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sender {
    /// Its identity.
    pub id: SenderId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What staff call it.
    pub name: String,
    /// Texts go to the smallest first.
    pub place: i64,
    /// How it is spoken to, without what is secret, as JSON.
    pub gateway: String,
    /// What proves that it is us, sealed.
    pub secret: Vec<u8>,
    /// The name that it shows, if not the business's.
    pub from_name: Option<String>,
    /// Of one part, in ten-thousandths of the business's currency.
    pub part_price: Option<i64>,
    /// Since when it exists.
    pub created_at: Timestamp,
    /// Since when it is off; none while it is on.
    pub off_since: Option<Timestamp>,
    /// How it does.
    pub health: SenderHealth,
    /// Below this somebody should buy more; ten-thousandths of its own currency.
    pub low_balance: Option<i64>,
    /// Grows with every change.
    pub version: i64,
}

/// How a gateway does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SenderHealth {
    /// Texts that it did not take, one after the other.
    pub failures: i64,
    /// Since when.
    pub failing_since: Option<Timestamp>,
    /// Why the last of them was not taken.
    pub last_error: Option<String>,
    /// Until then it is tried last.
    pub rests_until: Option<Timestamp>,
    /// What it said was left.
    pub balance: Option<Balance>,
}

/// What a gateway said was left to be spent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Balance {
    /// In ten-thousandths.
    pub amount: i64,
    /// Its currency, or what it counts.
    pub currency: String,
    /// When it said so.
    pub at: Timestamp,
}

impl FromRow for Sender {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Sender {
            id: row.get(0)?,
            tenant: row.get(1)?,
            name: row.get(2)?,
            place: row.get(3)?,
            gateway: row.get(4)?,
            secret: row.get(5)?,
            from_name: row.get(6)?,
            part_price: row.get(7)?,
            created_at: row.get(8)?,
            off_since: row.get(9)?,
            health: SenderHealth {
                failures: row.get(10)?,
                failing_since: row.get(11)?,
                last_error: row.get(12)?,
                rests_until: row.get(13)?,
                balance: balance(row)?,
            },
            low_balance: row.get(17)?,
            version: row.get(18)?,
        })
    }
}

fn balance(row: &Row<'_>) -> Result<Option<Balance>, Error> {
    let (amount, currency, at): (Option<i64>, Option<String>, Option<Timestamp>) =
        (row.get(14)?, row.get(15)?, row.get(16)?);
    let all = amount.zip(currency).zip(at);
    Ok(all.map(|((amount, currency), at)| Balance { amount, currency, at }))
}

const INSERT: Sql = sql!(
    "INSERT INTO senders (id, tenant_id, name, place, gateway, secret, from_name, part_price, \
     created_at, off_since, low_balance) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
);
const OF_TENANT: Sql = sql!(
    "SELECT id, tenant_id, name, place, gateway, secret, from_name, part_price, created_at, \
     off_since, failures, failing_since, last_error, rests_until, balance, balance_currency, \
     balance_at, low_balance, version FROM senders WHERE tenant_id = $1 ORDER BY place, id"
);
const ALL: Sql = sql!(
    "SELECT id, tenant_id, name, place, gateway, secret, from_name, part_price, created_at, \
     off_since, failures, failing_since, last_error, rests_until, balance, balance_currency, \
     balance_at, low_balance, version FROM senders ORDER BY id"
);
const BY_ID: Sql = sql!(
    "SELECT id, tenant_id, name, place, gateway, secret, from_name, part_price, created_at, \
     off_since, failures, failing_since, last_error, rests_until, balance, balance_currency, \
     balance_at, low_balance, version FROM senders WHERE id = $1"
);
const CHANGE: Sql = sql!(
    "UPDATE senders SET name = $1, place = $2, gateway = $3, secret = $4, from_name = $5, \
     part_price = $6, off_since = $7, low_balance = $8, version = version + 1 \
     WHERE id = $9 AND version = $10"
);
const REMOVE: Sql = sql!("DELETE FROM senders WHERE id = $1");
const NOTE_TAKEN: Sql = sql!(
    "UPDATE senders SET failures = 0, failing_since = NULL, last_error = NULL, \
     rests_until = NULL WHERE id = $1 AND failures > 0"
);
const NOTE_FAILURE: Sql = sql!(
    "UPDATE senders SET failures = failures + 1, failing_since = COALESCE(failing_since, $1), \
     last_error = $2, rests_until = $3 WHERE id = $4"
);
const NOTE_BALANCE: Sql =
    sql!("UPDATE senders SET balance = $1, balance_currency = $2, balance_at = $3 WHERE id = $4");
const SETTINGS: Sql = sql!("SELECT settings FROM message_settings WHERE tenant_id = $1");
const KEEP_SETTINGS: Sql = sql!(
    "INSERT INTO message_settings (tenant_id, settings, version) VALUES ($1, $2, 1) \
     ON CONFLICT (tenant_id) DO UPDATE SET settings = excluded.settings, \
     version = message_settings.version + 1"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    INSERT,
    OF_TENANT,
    ALL,
    BY_ID,
    CHANGE,
    REMOVE,
    NOTE_TAKEN,
    NOTE_FAILURE,
    NOTE_BALANCE,
    SETTINGS,
    KEEP_SETTINGS,
];

/// Adds a gateway.
pub async fn insert(tx: &mut Tx<'_>, sender: &Sender) -> Result<(), Error> {
    let s = sender;
    let row = args![
        s.id,
        s.tenant,
        s.name,
        s.place,
        s.gateway,
        s.secret,
        s.from_name,
        s.part_price,
        s.created_at,
        s.off_since,
        s.low_balance
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

/// A business's gateways in their order.
pub async fn of_tenant(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<Sender>, Error> {
    tx.all(OF_TENANT, &args![tenant]).await
}

/// All gateways, for the engine.
pub async fn all(tx: &mut Tx<'_>) -> Result<Vec<Sender>, Error> {
    tx.all(ALL, &[]).await
}

/// One gateway, if there is such a one.
pub async fn find(tx: &mut Tx<'_>, id: SenderId) -> Result<Option<Sender>, Error> {
    tx.optional(BY_ID, &args![id]).await
}

/// Writes a changed gateway back. Its version must be as read and grows by one.
///
/// # Errors
/// [`Error::Retry`] if somebody else changed it meanwhile.
pub async fn change(tx: &mut Tx<'_>, sender: &Sender) -> Result<(), Error> {
    let s = sender;
    let row = args![
        s.name,
        s.place,
        s.gateway,
        s.secret,
        s.from_name,
        s.part_price,
        s.off_since,
        s.low_balance,
        s.id,
        s.version
    ];
    crate::written_once(tx.execute(CHANGE, &row).await?, "changing a sender")
}

/// Removes a gateway. What it took keeps its id.
pub async fn remove(tx: &mut Tx<'_>, id: SenderId) -> Result<(), Error> {
    tx.execute(REMOVE, &args![id]).await.map(drop)
}

/// Notes that a gateway took a text.
pub async fn note_taken(tx: &mut Tx<'_>, id: SenderId) -> Result<(), Error> {
    tx.execute(NOTE_TAKEN, &args![id]).await.map(drop)
}

/// Notes that a gateway did not take a text, and until when others are tried first.
pub async fn note_failure(
    tx: &mut Tx<'_>,
    id: SenderId,
    why: &str,
    rests_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(NOTE_FAILURE, &args![now, why, rests_until, id]).await.map(drop)
}

/// Notes what a gateway said was left.
pub async fn note_balance(tx: &mut Tx<'_>, id: SenderId, balance: &Balance) -> Result<(), Error> {
    let row = args![balance.amount, balance.currency, balance.at, id];
    tx.execute(NOTE_BALANCE, &row).await.map(drop)
}

/// The words of a business; none if it has none of its own.
pub async fn settings<S: serde::de::DeserializeOwned>(
    tx: &mut Tx<'_>,
    tenant: TenantId,
) -> Result<Option<S>, Error> {
    let found: Option<String> = tx.optional(SETTINGS, &args![tenant]).await?;
    found.map(|text| crate::json::read("message_settings.settings", &text)).transpose()
}

/// Keeps the words of a business.
pub async fn keep_settings<S: serde::Serialize>(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    settings: &S,
) -> Result<(), Error> {
    let text = crate::json::write(settings);
    tx.execute(KEEP_SETTINGS, &args![tenant, text]).await.map(drop)
}
