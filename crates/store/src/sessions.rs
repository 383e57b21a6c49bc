//! Sessions and devices: who was connected where, as routers told it.

use crate::{Arg, Error, FromRow, Order, Row, Sql, ToArg, ToArgs, Tx, args, bulk, sql};
use lango_domain::ids::{GrantId, Id, RouterId, SessionId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use std::collections::BTreeMap;

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
const OPEN: crate::Bulk = bulk!(
    sqlite: "INSERT INTO sessions (id, tenant_id, router_id, grant_id, mac, address, started_at, \
             uptime, data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    postgres: "INSERT INTO sessions (id, tenant_id, router_id, grant_id, mac, address, started_at, \
               uptime, data) SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], \
               $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[])",
);
const CLOSE: Sql = sql!(
    "UPDATE sessions SET ended_at = $1, uptime = $2, data = $3 WHERE id = $4 AND ended_at IS NULL"
);
const REOPEN: crate::Bulk = bulk!(
    sqlite: "UPDATE sessions SET ended_at = NULL WHERE id = $1",
    postgres: "UPDATE sessions SET ended_at = NULL FROM UNNEST($1::bigint[]) AS n (id) \
               WHERE sessions.id = n.id",
);
const SETTLE: crate::Bulk = bulk!(
    sqlite: "UPDATE sessions SET ended_at = $1, uptime = $2, data = $3 WHERE id = $4",
    postgres: "UPDATE sessions SET ended_at = n.ended_at, uptime = n.uptime, data = n.data \
               FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) \
               AS n (ended_at, uptime, data, id) WHERE sessions.id = n.id",
);
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
const SEE_DEVICE: crate::Bulk = bulk!(
    sqlite: "INSERT INTO devices (tenant_id, mac, grant_id, first_seen_at, last_seen_at) \
             VALUES ($1, $2, $3, $4, $4) ON CONFLICT (tenant_id, mac) DO UPDATE SET \
             grant_id = excluded.grant_id, last_seen_at = excluded.last_seen_at, \
             retired_at = NULL",
    postgres: "INSERT INTO devices (tenant_id, mac, grant_id, first_seen_at, last_seen_at) \
               SELECT n.tenant_id, n.mac, n.grant_id, n.at, n.at \
               FROM UNNEST($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) \
               AS n (tenant_id, mac, grant_id, at) \
               ON CONFLICT (tenant_id, mac) DO UPDATE SET grant_id = excluded.grant_id, \
               last_seen_at = excluded.last_seen_at, retired_at = NULL",
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
    CLOSE,
    OPEN_ON,
    OPEN_OF_GRANT,
    OPEN_OF_DEVICE,
    OPEN_AT,
    OF_GRANT,
    DEVICES_OF,
    BY_MAC,
    RETIRE,
];

/// Bulk statements, for the same tests.
pub(crate) const BULKS: &[crate::Bulk] = &[OPEN, SETTLE, REOPEN, SEE_DEVICE];

struct Opened<'s>(&'s Session);

impl ToArgs for Opened<'_> {
    fn to_args(&self) -> Vec<Arg<'_>> {
        let s = self.0;
        vec![
            Arg::Int(s.id.raw()),
            Arg::Int(s.tenant.raw()),
            Arg::Int(s.router.raw()),
            Arg::Int(s.grant.raw()),
            s.mac.map_or(Arg::Null, |mac| Arg::Text(mac.to_string().into())),
            s.address.to_arg(),
            Arg::Int(s.started_at.micros()),
            s.uptime.to_arg(),
            s.data.to_arg(),
        ]
    }
}

/// Notes that a session began.
pub async fn open(tx: &mut Tx<'_>, session: &Session) -> Result<(), Error> {
    open_all(tx, std::slice::from_ref(session)).await
}

/// Notes that sessions began.
pub async fn open_all(tx: &mut Tx<'_>, sessions: &[Session]) -> Result<(), Error> {
    let rows: Vec<_> = sessions.iter().map(Opened).collect();
    tx.bulk(OPEN, &rows).await.map(drop)
}

/// The end of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// Of which.
    pub id: SessionId,
    /// When.
    pub at: Timestamp,
    /// How long it was.
    pub uptime: Span,
    /// How much went through.
    pub data: DataSize,
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

/// Notes how sessions ended, also if it was noted before: their routers know better.
pub async fn settle_all(tx: &mut Tx<'_>, ends: &[End]) -> Result<(), Error> {
    let rows: Vec<_> = ends.iter().map(|end| (end.at, end.uptime, end.data, end.id)).collect();
    tx.bulk(SETTLE, &rows).await.map(drop)
}

/// Notes that sessions last after all: what was taken for their ends was none.
pub async fn reopen_all(tx: &mut Tx<'_>, ids: &[SessionId]) -> Result<(), Error> {
    let rows: Vec<_> = ids.iter().map(|id| (*id,)).collect();
    tx.bulk(REOPEN, &rows).await.map(drop)
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
    see_devices(tx, &BTreeMap::from([((tenant, mac), grant)]), now).await
}

/// Notes that devices were online by grants. In an order, so that two nodes that see the same
/// devices do not wait for each other.
pub async fn see_devices(
    tx: &mut Tx<'_>,
    devices: &BTreeMap<(TenantId, MacAddress), GrantId>,
    now: Timestamp,
) -> Result<(), Error> {
    let rows: Vec<_> =
        devices.iter().map(|((tenant, mac), grant)| (*tenant, *mac, *grant, now)).collect();
    tx.bulk(SEE_DEVICE, &rows).await.map(drop)
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
