//! Gateways: a business's accounts with payment providers, and the tokens by which we are let in.

use crate::{Error, FromRow, Row, Sql, Store, Tx, args, sql};
use lango_domain::ids::{GatewayId, PaymentId, TenantId};
use lango_domain::money::Currency;
use lango_domain::time::Timestamp;

/// An account with a payment provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gateway {
    /// Its identity.
    pub id: GatewayId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What staff call it.
    pub name: String,
    /// Which provider.
    pub provider: String,
    /// The money it takes.
    pub currency: Currency,
    /// How we are known there, sealed.
    pub settings: Vec<u8>,
    /// The end of the path by which it tells us of money, sealed.
    pub door: Vec<u8>,
    /// The same, hashed.
    pub door_hash: Vec<u8>,
    /// Where it stands among the business's.
    pub place: i64,
    /// Since when it exists.
    pub created_at: Timestamp,
    /// Since when it is no more.
    pub removed_at: Option<Timestamp>,
    /// Up to when its list of money was compared with ours.
    pub compared_until: Option<Timestamp>,
    /// When that is done next.
    pub compare_at: Option<Timestamp>,
    /// What went wrong last, and when.
    pub last_error: Option<(String, Timestamp)>,
    /// Grows with every change.
    pub version: i64,
}

impl FromRow for Gateway {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let (error, error_at): (Option<String>, Option<Timestamp>) = (row.get(13)?, row.get(14)?);
        Ok(Gateway {
            id: row.get(0)?,
            tenant: row.get(1)?,
            name: row.get(2)?,
            provider: row.get(3)?,
            currency: row.get(4)?,
            settings: row.get(5)?,
            door: row.get(6)?,
            door_hash: row.get(7)?,
            place: row.get(8)?,
            created_at: row.get(9)?,
            removed_at: row.get(10)?,
            compared_until: row.get(11)?,
            compare_at: row.get(12)?,
            last_error: error.zip(error_at),
            version: row.get(15)?,
        })
    }
}

/// Who is behind a path by which we are told of money.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behind {
    /// Who tells it.
    pub gateway: Gateway,
    /// The payment whose own path it is.
    pub payment: Option<PaymentId>,
}

impl FromRow for Behind {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Behind { gateway: Gateway::from_row(row)?, payment: row.get(16)? })
    }
}

/// What a gateway is let in by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderToken {
    /// It, sealed; none while the first is being fetched.
    pub token: Option<Vec<u8>>,
    /// Until when it is good.
    pub expires_at: Option<Timestamp>,
    /// Until when somebody may be fetching another.
    pub fetched_until: Option<Timestamp>,
}

impl FromRow for ProviderToken {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(ProviderToken {
            token: row.get(0)?,
            expires_at: row.get(1)?,
            fetched_until: row.get(2)?,
        })
    }
}

const INSERT: Sql = sql!(
    "INSERT INTO gateways (id, tenant_id, name, provider, currency, settings, door, door_hash, \
     place, created_at, compare_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
);
const OF_TENANT: Sql = sql!(
    "SELECT id, tenant_id, name, provider, currency, settings, door, door_hash, place, created_at, \
     removed_at, compared_until, compare_at, last_error, last_error_at, version FROM gateways \
     WHERE tenant_id = $1 AND removed_at IS NULL ORDER BY place, id"
);
const BY_ID: Sql = sql!(
    "SELECT id, tenant_id, name, provider, currency, settings, door, door_hash, place, created_at, \
     removed_at, compared_until, compare_at, last_error, last_error_at, version FROM gateways \
     WHERE id = $1"
);
// The path of one charge, or the gateway's own.
const BEHIND: Sql = sql!(
    "SELECT g.id, g.tenant_id, g.name, g.provider, g.currency, g.settings, g.door, g.door_hash, \
     g.place, g.created_at, g.removed_at, g.compared_until, g.compare_at, g.last_error, \
     g.last_error_at, g.version, p.id FROM payments p JOIN gateways g ON g.id = p.gateway_id \
     WHERE p.door_hash = $1 UNION ALL \
     SELECT id, tenant_id, name, provider, currency, settings, door, door_hash, place, created_at, \
     removed_at, compared_until, compare_at, last_error, last_error_at, version, \
     CAST(NULL AS BIGINT) FROM gateways WHERE door_hash = $1"
);
const CHANGE: Sql = sql!(
    "UPDATE gateways SET name = $1, settings = $2, place = $3, removed_at = $4, compare_at = $5, \
     version = version + 1 WHERE id = $6 AND version = $7"
);
const DUE: Sql = sql!(
    "SELECT id, tenant_id, name, provider, currency, settings, door, door_hash, place, created_at, \
     removed_at, compared_until, compare_at, last_error, last_error_at, version FROM gateways \
     WHERE compare_at IS NOT NULL AND compare_at <= $1 ORDER BY compare_at"
);
const NEXT: Sql = sql!("SELECT MIN(compare_at) FROM gateways WHERE compare_at IS NOT NULL");
const COMPARED: Sql = sql!(
    "UPDATE gateways SET compared_until = COALESCE($1, compared_until), compare_at = $2 \
     WHERE id = $3 AND compare_at IS NOT NULL"
);
const NOTE_ERROR: Sql =
    sql!("UPDATE gateways SET last_error = $1, last_error_at = $2 WHERE id = $3");
const NO_ERROR: Sql =
    sql!("UPDATE gateways SET last_error = NULL, last_error_at = NULL WHERE id = $1");
const TOKEN: Sql =
    sql!("SELECT token, expires_at, fetched_until FROM provider_tokens WHERE gateway_id = $1");
const FIRST_FETCH: Sql = sql!(
    "INSERT INTO provider_tokens (gateway_id, fetched_until) VALUES ($1, $2) ON CONFLICT DO NOTHING"
);
const FETCH: Sql = sql!(
    "UPDATE provider_tokens SET fetched_until = $1 WHERE gateway_id = $2 \
     AND (fetched_until IS NULL OR fetched_until <= $3)"
);
const KEEP_TOKEN: Sql = sql!(
    "UPDATE provider_tokens SET token = $1, expires_at = $2, fetched_until = NULL \
     WHERE gateway_id = $3"
);
const NOT_FETCHED: Sql =
    sql!("UPDATE provider_tokens SET fetched_until = NULL WHERE gateway_id = $1");

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    INSERT,
    OF_TENANT,
    BY_ID,
    BEHIND,
    CHANGE,
    DUE,
    NEXT,
    COMPARED,
    NOTE_ERROR,
    NO_ERROR,
    TOKEN,
    FIRST_FETCH,
    FETCH,
    KEEP_TOKEN,
    NOT_FETCHED,
];

/// Adds a gateway.
///
/// # Errors
/// [`Error::Conflict`] on `gateways(tenant_id, name)` if the name is taken.
pub async fn insert(tx: &mut Tx<'_>, gateway: &Gateway) -> Result<(), Error> {
    let g = gateway;
    let row = args![
        g.id,
        g.tenant,
        g.name,
        g.provider,
        g.currency,
        g.settings,
        g.door,
        g.door_hash,
        g.place,
        g.created_at,
        g.compare_at
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

/// A business's gateways, in the order in which customers are offered them.
pub async fn of_tenant(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<Gateway>, Error> {
    tx.all(OF_TENANT, &args![tenant]).await
}

/// One, if there is such a one; also one that was removed, because money may still come by it.
pub async fn find(tx: &mut Tx<'_>, id: GatewayId) -> Result<Option<Gateway>, Error> {
    tx.optional(BY_ID, &args![id]).await
}

/// Who tells us of money by a path, of whose end this is the hash. In a single statement: a provider
/// waits for it.
///
/// # Errors
/// A fault of the store.
pub async fn behind(store: &Store, hash: &[u8]) -> Result<Option<Behind>, Error> {
    store.optional(BEHIND, &args![hash]).await
}

/// Writes a changed gateway back. Its version must be as read and grows by one.
///
/// # Errors
/// [`Error::Retry`] if somebody else changed it meanwhile.
pub async fn change(tx: &mut Tx<'_>, gateway: &Gateway) -> Result<(), Error> {
    let g = gateway;
    let row = args![g.name, g.settings, g.place, g.removed_at, g.compare_at, g.id, g.version];
    crate::written_once(tx.execute(CHANGE, &row).await?, "changing a gateway")
}

/// Gateways whose list of money is to be compared with ours now.
pub async fn due(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Gateway>, Error> {
    tx.all(DUE, &args![now]).await
}

/// When a list is to be compared next.
pub async fn next_comparison(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    tx.one(NEXT, &[]).await
}

/// Notes how far a list was compared, if it was, and when that is done next.
pub async fn compared(
    tx: &mut Tx<'_>,
    id: GatewayId,
    until: Option<Timestamp>,
    next: Timestamp,
) -> Result<(), Error> {
    tx.execute(COMPARED, &args![until, next, id]).await.map(drop)
}

/// Notes what went wrong with it.
pub async fn note_error(
    tx: &mut Tx<'_>,
    id: GatewayId,
    error: &str,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(NOTE_ERROR, &args![error, now, id]).await.map(drop)
}

/// Notes that nothing is wrong with it.
pub async fn no_error(tx: &mut Tx<'_>, id: GatewayId) -> Result<(), Error> {
    tx.execute(NO_ERROR, &args![id]).await.map(drop)
}

/// What a gateway is let in by, if it ever was.
pub async fn token(tx: &mut Tx<'_>, id: GatewayId) -> Result<Option<ProviderToken>, Error> {
    tx.optional(TOKEN, &args![id]).await
}

/// Takes the right to fetch a token until `until`; false if somebody else has it at `now`.
pub async fn claim_fetch(
    tx: &mut Tx<'_>,
    id: GatewayId,
    until: Timestamp,
    now: Timestamp,
) -> Result<bool, Error> {
    if tx.execute(FIRST_FETCH, &args![id, until]).await? == 1 {
        return Ok(true);
    }
    Ok(tx.execute(FETCH, &args![until, id, now]).await? == 1)
}

/// Keeps a token that was fetched.
pub async fn keep_token(
    tx: &mut Tx<'_>,
    id: GatewayId,
    token: &[u8],
    expires_at: Timestamp,
) -> Result<(), Error> {
    tx.execute(KEEP_TOKEN, &args![token, expires_at, id]).await.map(drop)
}

/// Gives the right to fetch back: it came to nothing.
pub async fn not_fetched(tx: &mut Tx<'_>, id: GatewayId) -> Result<(), Error> {
    tx.execute(NOT_FETCHED, &args![id]).await.map(drop)
}
