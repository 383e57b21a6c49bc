//! Tenants, their staff and their API tokens.

use crate::{Error, FromRow, Row, Sql, Tx, args, sql};
use lango_domain::calendar::Zone;
use lango_domain::ids::{TenantId, TokenId, UserId};
use lango_domain::language::Language;
use lango_domain::money::Currency;
use lango_domain::phone_number::{Country, PhoneNumber};
use lango_domain::role::Role;
use lango_domain::time::{Span, Timestamp};

/// A business.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Tenant {
    /// Its identity.
    pub id: TenantId,
    /// The name on the customer's messages.
    pub name: String,
    /// Where it is, for phone numbers.
    pub country: Country,
    /// The zone of its clocks.
    pub zone: Zone,
    /// The language of its customers, unless one has his own.
    pub language: Language,
    /// What it is paid in.
    pub currency: Currency,
    /// After how long unused a device is forgotten.
    pub device_retention: Span,
    /// Since when it exists.
    pub created_at: Timestamp,
    /// Grows with every change.
    pub version: i64,
    /// Whom its customers call.
    pub help_phone: Option<PhoneNumber>,
}

impl FromRow for Tenant {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Tenant {
            id: row.get(0)?,
            name: row.get(1)?,
            country: row.get(2)?,
            zone: row.get(3)?,
            language: row.get(4)?,
            currency: row.get(5)?,
            device_retention: row.get(6)?,
            created_at: row.get(7)?,
            version: row.get(8)?,
            help_phone: row.get(9)?,
        })
    }
}

const INSERT: Sql = sql!(
    "INSERT INTO tenants (id, name, country, zone, language, currency, device_retention, \
     created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
);
const ALL: Sql = sql!(
    "SELECT id, name, country, zone, language, currency, device_retention, created_at, version, \
     help_phone FROM tenants ORDER BY id"
);
const BY_ID: Sql = sql!(
    "SELECT id, name, country, zone, language, currency, device_retention, created_at, version, \
     help_phone FROM tenants WHERE id = $1"
);
const CHANGE: Sql = sql!(
    "UPDATE tenants SET name = $1, zone = $2, language = $3, device_retention = $4, \
     help_phone = $5, version = version + 1 WHERE id = $6 AND version = $7"
);
const INSERT_STAFF: Sql = sql!(
    "INSERT INTO staff (id, tenant_id, email, password_hash, role, created_at) \
     VALUES ($1, $2, $3, $4, 'owner', $5)"
);
const INSERT_TOKEN: Sql = sql!(
    "INSERT INTO tokens (id, tenant_id, name, hash, role, created_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)"
);
const TOKEN: Sql =
    sql!("SELECT id, tenant_id, name, role, created_at, expires_at FROM tokens WHERE hash = $1");
const TOKENS: Sql = sql!(
    "SELECT id, tenant_id, name, role, created_at, expires_at FROM tokens WHERE tenant_id = $1 \
     ORDER BY name, id"
);
const PLATFORM_TOKENS: Sql = sql!(
    "SELECT id, tenant_id, name, role, created_at, expires_at FROM tokens \
     WHERE tenant_id IS NULL ORDER BY name, id"
);
const REMOVE_TOKEN: Sql = sql!("DELETE FROM tokens WHERE id = $1");

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    INSERT,
    ALL,
    BY_ID,
    CHANGE,
    INSERT_STAFF,
    INSERT_TOKEN,
    TOKEN,
    TOKENS,
    PLATFORM_TOKENS,
    REMOVE_TOKEN,
];

/// Adds a tenant.
pub async fn insert(tx: &mut Tx<'_>, tenant: &Tenant) -> Result<(), Error> {
    let t = tenant;
    let row = args![
        t.id,
        t.name,
        t.country,
        t.zone,
        t.language,
        t.currency,
        t.device_retention,
        t.created_at
    ];
    tx.execute(INSERT, &row).await.map(drop)
}

/// All tenants, oldest first.
pub async fn all(tx: &mut Tx<'_>) -> Result<Vec<Tenant>, Error> {
    tx.all(ALL, &[]).await
}

/// One tenant.
pub async fn one(tx: &mut Tx<'_>, id: TenantId) -> Result<Tenant, Error> {
    tx.one(BY_ID, &args![id]).await
}

/// One tenant, if there is such a one.
pub async fn find(tx: &mut Tx<'_>, id: TenantId) -> Result<Option<Tenant>, Error> {
    tx.optional(BY_ID, &args![id]).await
}

/// Writes a changed tenant back: its name, zone, language, retention and help. Its version must be as
/// read and grows by one.
///
/// # Errors
/// [`Error::Retry`] if somebody else changed it meanwhile.
pub async fn change(tx: &mut Tx<'_>, tenant: &Tenant) -> Result<(), Error> {
    let t = tenant;
    let (name, retention) = (&t.name, t.device_retention);
    let row = args![name, t.zone, t.language, retention, t.help_phone, t.id, t.version];
    super::written_once(tx.execute(CHANGE, &row).await?, "changing a business")
}

/// The first person of a tenant's staff, its owner.
#[derive(Debug, Clone)]
pub struct Owner {
    /// His identity.
    pub id: UserId,
    /// Where he works.
    pub tenant: TenantId,
    /// What he logs in with.
    pub email: String,
    /// The password, hashed for keeping.
    pub password_hash: String,
}

/// Adds the owner.
pub async fn insert_owner(tx: &mut Tx<'_>, owner: &Owner, now: Timestamp) -> Result<(), Error> {
    let row = args![owner.id, owner.tenant, owner.email, owner.password_hash, now];
    tx.execute(INSERT_STAFF, &row).await.map(drop)
}

/// A key for the API, stored as a keyed hash.
#[derive(Debug, Clone)]
pub struct Token {
    /// Its identity.
    pub id: TokenId,
    /// Whose it is; none is above all businesses.
    pub tenant: Option<TenantId>,
    /// What staff call it.
    pub name: String,
    /// The keyed hash of the token.
    pub hash: Vec<u8>,
    /// What it may do.
    pub role: Role,
    /// From when on it opens nothing; none is never.
    pub expires_at: Option<Timestamp>,
}

/// Adds a token.
pub async fn insert_token(tx: &mut Tx<'_>, token: &Token, now: Timestamp) -> Result<(), Error> {
    let t = token;
    let row = args![t.id, t.tenant, t.name, t.hash, t.role, now, t.expires_at];
    tx.execute(INSERT_TOKEN, &row).await.map(drop)
}

/// The token with that hash, expired or not.
pub async fn by_hash(tx: &mut Tx<'_>, hash: &[u8]) -> Result<Option<TokenLine>, Error> {
    tx.optional(TOKEN, &args![hash]).await
}

/// A token as staff may see it: without its secret.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct TokenLine {
    /// Its identity.
    pub id: TokenId,
    /// Whose it is; none is above all businesses.
    pub tenant: Option<TenantId>,
    /// What staff call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Since when it exists.
    pub created_at: Timestamp,
    /// From when on it opens nothing; none is never.
    pub expires_at: Option<Timestamp>,
}

impl FromRow for TokenLine {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(TokenLine {
            id: row.get(0)?,
            tenant: row.get(1)?,
            name: row.get(2)?,
            role: row.get(3)?,
            created_at: row.get(4)?,
            expires_at: row.get(5)?,
        })
    }
}

/// A tenant's tokens by name.
pub async fn tokens(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<TokenLine>, Error> {
    tx.all(TOKENS, &args![tenant]).await
}

/// The tokens above all businesses, by name.
pub async fn platform_tokens(tx: &mut Tx<'_>) -> Result<Vec<TokenLine>, Error> {
    tx.all(PLATFORM_TOKENS, &[]).await
}

/// Takes a token away; it opens nothing from now on.
pub async fn remove_token(tx: &mut Tx<'_>, id: TokenId) -> Result<(), Error> {
    tx.execute(REMOVE_TOKEN, &args![id]).await.map(drop)
}
