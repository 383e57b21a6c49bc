//! Sessions and devices: who was connected where, as routers told it.

use crate::{Error, FromRow, Order, Row, Sql, Tx, args, sql};
use lango_domain::ids::{GrantId, Id, RouterId, SessionId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};

/// A connection seen on a router.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Session {
    /// Its identity.
    pub id: SessionId,
    /// Whose customer.
    pub tenant: TenantId,
    /// On which router.
    pub router: RouterId,
    /// By which right.
    pub grant: GrantId,
    /// The device, if the router says.
    pub mac: Option<MacAddress>,
    /// Its address, if the router says.
    pub address: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; none while it lasts.
    pub ended_at: Option<Timestamp>,
    /// How long it was or is.
    pub uptime: Span,
    /// How much went through.
    pub data: DataSize,
}

impl FromRow for Session {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Session {
            id: row.get(0)?,
            tenant: row.get(1)?,
            router: row.get(2)?,
            grant: row.get(3)?,
            mac: row.get(4)?,
            address: row.get(5)?,
            started_at: row.get(6)?,
            ended_at: row.get(7)?,
            uptime: row.get(8)?,
            data: row.get(9)?,
        })
    }
}

/// A device that was online by a grant.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Device {
    /// Its address now; phones change it, so it is nobody's identity.
    pub mac: MacAddress,
    /// By which grant it was last online.
    pub grant: GrantId,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// When it was last seen to log in.
    pub last_seen_at: Timestamp,
    /// Since when it is forgotten; none if it is not.
    pub retired_at: Option<Timestamp>,
}

impl FromRow for Device {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Device {
            mac: row.get(0)?,
            grant: row.get(1)?,
            first_seen_at: row.get(2)?,
            last_seen_at: row.get(3)?,
            retired_at: row.get(4)?,
        })
    }
}

/// A list of sessions as [`Session`] reads it.
macro_rules! listed {
    ($which:literal) => {
        sql!(
            "SELECT id, tenant_id, router_id, grant_id, mac, address, started_at, ended_at, \
             uptime, data FROM sessions WHERE ",
            $which
        )
    };
}
const BY_AGE: Sql =
    listed!("(tenant_id, id) > ($1, $2) AND tenant_id <= $1 ORDER BY tenant_id, id LIMIT $3");
const BY_AGE_BACKWARDS: Sql = listed!(
    "(tenant_id, id) < ($1, $2) AND tenant_id >= $1 ORDER BY tenant_id DESC, id DESC LIMIT $3"
);
const LIVE: Sql = listed!("tenant_id = $1 AND ended_at IS NULL AND id > $2 ORDER BY id LIMIT $3");
const LIVE_BACKWARDS: Sql =
    listed!("tenant_id = $1 AND ended_at IS NULL AND id < $2 ORDER BY id DESC LIMIT $3");
const FIND: Sql = listed!("id = $1");
const DEVICES: Sql = sql!(
    "SELECT mac, grant_id, first_seen_at, last_seen_at, retired_at FROM devices \
     WHERE tenant_id = $1 AND mac > $2 ORDER BY mac LIMIT $3"
);
const DEVICE: Sql = sql!(
    "SELECT mac, grant_id, first_seen_at, last_seen_at, retired_at FROM devices \
     WHERE tenant_id = $1 AND mac = $2"
);
const OPEN: Sql = sql!(
    "INSERT INTO sessions (id, tenant_id, router_id, grant_id, mac, address, started_at, uptime, \
     data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
);
const CLOSE: Sql = sql!(
    "UPDATE sessions SET ended_at = $1, uptime = $2, data = $3 WHERE id = $4 AND ended_at IS NULL"
);
const SETTLE: Sql = sql!("UPDATE sessions SET ended_at = $1, uptime = $2, data = $3 WHERE id = $4");
const REOPEN: Sql = sql!("UPDATE sessions SET ended_at = NULL WHERE id = $1");
const OPEN_ON: Sql = sql!(
    "SELECT id, tenant_id, router_id, grant_id, mac, address, started_at, ended_at, uptime, data \
     FROM sessions WHERE router_id = $1 AND ended_at IS NULL ORDER BY id"
);
const OPEN_OF_GRANT: Sql = sql!(
    "SELECT id, tenant_id, router_id, grant_id, mac, address, started_at, ended_at, uptime, data \
     FROM sessions WHERE router_id = $1 AND grant_id = $2 AND ended_at IS NULL ORDER BY id"
);
const OPEN_OF_DEVICE: Sql = listed!("router_id = $1 AND mac = $2 AND ended_at IS NULL");
const OPEN_AT: Sql = listed!("router_id = $1 AND address = $2 AND ended_at IS NULL");
const OF_GRANT: Sql = sql!(
    "SELECT id, tenant_id, router_id, grant_id, mac, address, started_at, ended_at, uptime, data \
     FROM sessions WHERE grant_id = $1 ORDER BY id DESC LIMIT $2"
);
const SEE_DEVICE: Sql = sql!(
    "INSERT INTO devices (tenant_id, mac, grant_id, first_seen_at, last_seen_at) \
     VALUES ($1, $2, $3, $4, $4) ON CONFLICT (tenant_id, mac) DO UPDATE SET \
     grant_id = excluded.grant_id, last_seen_at = excluded.last_seen_at, retired_at = NULL"
);
const DEVICES_OF: Sql =
    sql!("SELECT mac FROM devices WHERE grant_id = $1 AND retired_at IS NULL ORDER BY mac");
const BY_MAC: Sql =
    sql!("SELECT grant_id FROM devices WHERE tenant_id = $1 AND mac = $2 AND retired_at IS NULL");
const RETIRE: Sql = sql!(
    "UPDATE devices SET retired_at = $1 \
     WHERE tenant_id = $2 AND retired_at IS NULL AND last_seen_at < $3"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    BY_AGE,
    BY_AGE_BACKWARDS,
    LIVE,
    LIVE_BACKWARDS,
    FIND,
    DEVICES,
    DEVICE,
    OPEN,
    CLOSE,
    SETTLE,
    REOPEN,
    OPEN_ON,
    OPEN_OF_GRANT,
    OPEN_OF_DEVICE,
    OPEN_AT,
    OF_GRANT,
    SEE_DEVICE,
    DEVICES_OF,
    BY_MAC,
    RETIRE,
];

/// Notes that a session began.
pub async fn open(tx: &mut Tx<'_>, session: &Session) -> Result<(), Error> {
    let s = session;
    let row =
        args![s.id, s.tenant, s.router, s.grant, s.mac, s.address, s.started_at, s.uptime, s.data];
    tx.execute(OPEN, &row).await.map(drop)
}

/// Notes that a session ended. Twice is once.
pub async fn close(
    tx: &mut Tx<'_>,
    id: SessionId,
    at: Timestamp,
    uptime: Span,
    data: DataSize,
) -> Result<(), Error> {
    tx.execute(CLOSE, &args![at, uptime, data, id]).await.map(drop)
}

/// Notes how a session ended, also if it was noted before: its router knows better.
pub async fn settle(
    tx: &mut Tx<'_>,
    id: SessionId,
    at: Timestamp,
    uptime: Span,
    data: DataSize,
) -> Result<(), Error> {
    tx.execute(SETTLE, &args![at, uptime, data, id]).await.map(drop)
}

/// Notes that a session lasts after all: what was taken for its end was none.
pub async fn reopen(tx: &mut Tx<'_>, id: SessionId) -> Result<(), Error> {
    tx.execute(REOPEN, &args![id]).await.map(drop)
}

/// The sessions that last on a router, as far as we know.
pub async fn open_on(tx: &mut Tx<'_>, router: RouterId) -> Result<Vec<Session>, Error> {
    tx.all(OPEN_ON, &args![router]).await
}

/// A grant's sessions that last on a router, as far as we know.
pub async fn open_of_grant(
    tx: &mut Tx<'_>,
    router: RouterId,
    grant: GrantId,
) -> Result<Vec<Session>, Error> {
    tx.all(OPEN_OF_GRANT, &args![router, grant]).await
}

/// A device's sessions that last on a router, as far as we know; one, unless it was missed that
/// another ended.
pub async fn open_of_device(
    tx: &mut Tx<'_>,
    router: RouterId,
    mac: MacAddress,
) -> Result<Vec<Session>, Error> {
    tx.all(OPEN_OF_DEVICE, &args![router, mac]).await
}

/// The sessions that last on a router at an address, as far as we know; likewise.
pub async fn open_at(
    tx: &mut Tx<'_>,
    router: RouterId,
    address: &str,
) -> Result<Vec<Session>, Error> {
    tx.all(OPEN_AT, &args![router, address]).await
}

/// A grant's sessions, latest first.
pub async fn of_grant(tx: &mut Tx<'_>, grant: GrantId, limit: i64) -> Result<Vec<Session>, Error> {
    tx.all(OF_GRANT, &args![grant, limit]).await
}

/// Notes that a device was online by a grant.
pub async fn see_device(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    mac: MacAddress,
    grant: GrantId,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(SEE_DEVICE, &args![tenant, mac, grant, now]).await.map(drop)
}

/// The devices that were last online by a grant.
pub async fn devices_of(tx: &mut Tx<'_>, grant: GrantId) -> Result<Vec<MacAddress>, Error> {
    tx.all(DEVICES_OF, &args![grant]).await
}

/// The grant by which a device was last online. One that is forgotten was never there.
pub async fn grant_of_device(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    mac: MacAddress,
) -> Result<Option<GrantId>, Error> {
    tx.optional(BY_MAC, &args![tenant, mac]).await
}

/// Retires the devices that were last seen before `before`. Returns how many.
pub async fn retire_devices(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    before: Timestamp,
    now: Timestamp,
) -> Result<u64, Error> {
    tx.execute(RETIRE, &args![now, tenant, before]).await
}

/// A tenant's sessions by age, from the one given on; only those that last, if `live`.
pub async fn listed(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    live: bool,
    order: Order,
    from: Option<SessionId>,
    limit: i64,
) -> Result<Vec<Session>, Error> {
    let from = from.unwrap_or(SessionId::from_raw(order.beginning()));
    let statement = match (live, order) {
        (false, Order::Ascending) => BY_AGE,
        (false, Order::Descending) => BY_AGE_BACKWARDS,
        (true, Order::Ascending) => LIVE,
        (true, Order::Descending) => LIVE_BACKWARDS,
    };
    tx.all(statement, &args![tenant, from, limit]).await
}

/// One session, if there is such a one.
pub async fn find(tx: &mut Tx<'_>, id: SessionId) -> Result<Option<Session>, Error> {
    tx.optional(FIND, &args![id]).await
}

/// A tenant's devices by address, after the one given.
pub async fn devices(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    after: Option<MacAddress>,
    limit: i64,
) -> Result<Vec<Device>, Error> {
    let after = after.map(|mac| mac.to_string()).unwrap_or_default();
    tx.all(DEVICES, &args![tenant, after, limit]).await
}

/// One device of a tenant, if it was ever seen.
pub async fn device(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    mac: MacAddress,
) -> Result<Option<Device>, Error> {
    tx.optional(DEVICE, &args![tenant, mac]).await
}
