//! Routers: where they are, how to get in, what was last seen of them, and the objects on them
//! that are not ours.

use crate::{Error, FromRow, Row, Sql, Tx, args, bulk, sql};
use lango_domain::ids::{RouterId, TenantId};
use lango_domain::time::Timestamp;

/// A router as stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Router {
    /// Its identity.
    pub id: RouterId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What staff call it.
    pub name: String,
    /// How to reach it, as JSON; the driver knows the shape.
    pub endpoint: String,
    /// User and password, sealed.
    pub credentials: Vec<u8>,
    /// Since when it is known.
    pub created_at: Timestamp,
    /// What it said of itself: version, board, as JSON.
    pub observed: String,
    /// When it last answered.
    pub last_contact_at: Option<Timestamp>,
    /// When all of it was last compared.
    pub last_sync_at: Option<Timestamp>,
    /// What last went wrong; none since the last success.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
    /// Grows with every change of its name, address or login.
    pub version: i64,
}

impl FromRow for Router {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Router {
            id: row.get(0)?,
            tenant: row.get(1)?,
            name: row.get(2)?,
            endpoint: row.get(3)?,
            credentials: row.get(4)?,
            created_at: row.get(5)?,
            observed: row.get(6)?,
            last_contact_at: row.get(7)?,
            last_sync_at: row.get(8)?,
            last_error: row.get(9)?,
            last_error_at: row.get(10)?,
            version: row.get(11)?,
        })
    }
}

/// An object on a router that is not ours to touch.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Stranger {
    /// The menu it is in.
    pub menu: String,
    /// What it is called there.
    pub name: String,
    /// Why it is reported.
    pub why: String,
}

const INSERT: Sql = sql!(
    "INSERT INTO routers (id, tenant_id, name, endpoint, credentials, created_at, observed) \
     VALUES ($1, $2, $3, $4, $5, $6, '{}')"
);
const ALL: Sql = sql!(
    "SELECT id, tenant_id, name, endpoint, credentials, created_at, observed, last_contact_at, \
     last_sync_at, last_error, last_error_at, version FROM routers WHERE removed_at IS NULL ORDER BY id"
);
const OF_TENANT: Sql = sql!(
    "SELECT id, tenant_id, name, endpoint, credentials, created_at, observed, last_contact_at, \
     last_sync_at, last_error, last_error_at, version FROM routers \
     WHERE tenant_id = $1 AND removed_at IS NULL ORDER BY id"
);
const IDS_OF_TENANT: Sql =
    sql!("SELECT id FROM routers WHERE tenant_id = $1 AND removed_at IS NULL ORDER BY id");
const BY_ID: Sql = sql!(
    "SELECT id, tenant_id, name, endpoint, credentials, created_at, observed, last_contact_at, \
     last_sync_at, last_error, last_error_at, version FROM routers \
     WHERE id = $1 AND removed_at IS NULL"
);
const CHANGE: Sql = sql!(
    "UPDATE routers SET name = $1, endpoint = $2, credentials = $3, version = version + 1 \
     WHERE id = $4 AND version = $5 AND removed_at IS NULL"
);
const REMOVE: Sql = sql!(
    "UPDATE routers SET removed_at = $1, name = name || ' (removed ' || id || ')' WHERE id = $2"
);
const FORGET_WORK: Sql =
    sql!("UPDATE enforcements SET next_attempt_at = NULL WHERE router_id = $1");
const CONTACT: Sql =
    sql!("UPDATE routers SET last_contact_at = $1, observed = $2, last_error = NULL WHERE id = $3");
const KEEP_CONTACT: Sql =
    sql!("UPDATE routers SET last_contact_at = $1, last_error = NULL WHERE id = $2");
const SYNCED: Sql = sql!("UPDATE routers SET last_sync_at = $1 WHERE id = $2");
const FAILED: Sql = sql!("UPDATE routers SET last_error = $1, last_error_at = $2 WHERE id = $3");
const FORGET_STRANGERS: Sql = sql!("DELETE FROM strangers WHERE router_id = $1");
const STRANGERS: Sql =
    sql!("SELECT menu, name, why FROM strangers WHERE router_id = $1 ORDER BY menu, name");
const NOTE_STRANGERS: crate::Bulk = bulk!(
    sqlite: "INSERT INTO strangers (router_id, menu, name, why, seen_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    postgres: "INSERT INTO strangers (router_id, menu, name, why, seen_at) \
               SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[]) \
               ON CONFLICT DO NOTHING",
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    INSERT,
    ALL,
    OF_TENANT,
    IDS_OF_TENANT,
    BY_ID,
    CHANGE,
    REMOVE,
    FORGET_WORK,
    CONTACT,
    KEEP_CONTACT,
    SYNCED,
    FAILED,
    FORGET_STRANGERS,
    STRANGERS,
];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[NOTE_STRANGERS];

/// Adds a router.
pub async fn insert(tx: &mut Tx<'_>, router: &Router) -> Result<(), Error> {
    let r = router;
    let row = args![r.id, r.tenant, r.name, r.endpoint, r.credentials, r.created_at];
    tx.execute(INSERT, &row).await.map(drop)
}

/// All routers of all tenants.
pub async fn all(tx: &mut Tx<'_>) -> Result<Vec<Router>, Error> {
    tx.all(ALL, &[]).await
}

/// A tenant's routers.
pub async fn of_tenant(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<Router>, Error> {
    tx.all(OF_TENANT, &args![tenant]).await
}

/// The ids of a tenant's routers.
pub async fn ids_of_tenant(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<RouterId>, Error> {
    tx.all(IDS_OF_TENANT, &args![tenant]).await
}

/// One router in service, if there is such a one.
pub async fn find(tx: &mut Tx<'_>, id: RouterId) -> Result<Option<Router>, Error> {
    tx.optional(BY_ID, &args![id]).await
}

/// Writes a changed router back: its name, address and login. Its version must be as read and
/// grows by one.
///
/// # Errors
/// [`Error::Retry`] if somebody else changed it meanwhile; [`Error::Conflict`] if the name is taken.
pub async fn change(tx: &mut Tx<'_>, router: &Router) -> Result<(), Error> {
    let r = router;
    let row = args![r.name, r.endpoint, r.credentials, r.id, r.version];
    crate::written_once(tx.execute(CHANGE, &row).await?, "changing a router")
}

/// Takes a router out of service. Its history stays, its name becomes free, its work is dropped.
pub async fn remove(tx: &mut Tx<'_>, id: RouterId, now: Timestamp) -> Result<(), Error> {
    tx.execute(REMOVE, &args![now, id]).await?;
    tx.execute(FORGET_WORK, &args![id]).await.map(drop)
}

/// Notes that a router answered, and what it said of itself.
pub async fn note_contact(
    tx: &mut Tx<'_>,
    id: RouterId,
    observed: &str,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(CONTACT, &args![now, observed, id]).await.map(drop)
}

/// Notes that a router still answers.
pub async fn keep_contact(tx: &mut Tx<'_>, id: RouterId, now: Timestamp) -> Result<(), Error> {
    tx.execute(KEEP_CONTACT, &args![now, id]).await.map(drop)
}

/// Notes that a router could not be worked with.
pub async fn note_failure(
    tx: &mut Tx<'_>,
    id: RouterId,
    error: &str,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(FAILED, &args![error, now, id]).await.map(drop)
}

/// Notes that all of a router was compared, and what strange objects it had.
pub async fn note_sync(
    tx: &mut Tx<'_>,
    id: RouterId,
    strangers: &[Stranger],
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(SYNCED, &args![now, id]).await?;
    tx.execute(FORGET_STRANGERS, &args![id]).await?;
    let rows: Vec<_> = strangers
        .iter()
        .map(|s| (id, s.menu.clone(), s.name.clone(), s.why.clone(), now))
        .collect();
    tx.bulk(NOTE_STRANGERS, &rows).await.map(drop)
}

/// The strange objects of a router, as last seen.
pub async fn strangers(tx: &mut Tx<'_>, id: RouterId) -> Result<Vec<Stranger>, Error> {
    let rows: Vec<(String, String, String)> = tx.all(STRANGERS, &args![id]).await?;
    Ok(rows.into_iter().map(|(menu, name, why)| Stranger { menu, name, why }).collect())
}
