//! Sessions, devices, usage: who was online where, for how long, with how much data.

use crate::web::api::door::{Ask, Doors, Reply, Shown, Sign};
use crate::web::api::grants::{self, GrantsQuery};
use crate::web::api::list::{Limit, Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::table::Paged;
use crate::web::api::words::Whole;
use lango_domain::ids::{GrantId, RouterId, SessionId};
use lango_domain::mac_address::MacAddress;
use lango_domain::time::{Span, Timestamp};
use lango_store::{Order, Tx, radius, sessions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A connection seen on a router.
#[derive(Serialize, JsonSchema, Debug)]
struct Session {
    id: SessionId,
    router: RouterId,
    grant: GrantId,
    mac: Option<MacAddress>,
    address: Option<String>,
    started_at: Timestamp,
    /// Null while it lasts
    ended_at: Option<Timestamp>,
    uptime_seconds: i64,
    data_bytes: u64,
}

impl Shown for Session {}

impl From<sessions::Session> for Session {
    fn from(stored: sessions::Session) -> Session {
        Session {
            id: stored.id,
            router: stored.router,
            grant: stored.grant,
            mac: stored.mac,
            address: stored.address,
            started_at: stored.started_at,
            ended_at: stored.ended_at,
            uptime_seconds: stored.uptime.as_seconds(),
            data_bytes: stored.data.as_bytes(),
        }
    }
}

/// A device that was online.
#[derive(Serialize, JsonSchema, Debug)]
struct Device {
    /// Its address then; phones change it
    mac: MacAddress,
    /// Whether the phone made its address up
    private: bool,
    /// By which grant it was last online
    grant: GrantId,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
    /// Since when it is forgotten
    retired_at: Option<Timestamp>,
}

impl Shown for Device {}

impl From<sessions::Device> for Device {
    fn from(stored: sessions::Device) -> Device {
        let sessions::Device { mac, grant, first_seen_at, last_seen_at, retired_at } = stored;
        Device { mac, private: mac.is_private(), grant, first_seen_at, last_seen_at, retired_at }
    }
}

/// What a grant has used.
#[derive(Serialize, JsonSchema, Debug)]
struct Usage {
    grant: GrantId,
    label: String,
    uptime_seconds: i64,
    /// What was sold; null is without limit
    uptime_allowed_seconds: Option<i64>,
    data_bytes: u64,
    data_allowed_bytes: Option<u64>,
    devices_online: u16,
}

impl Shown for Usage {}

impl From<grants::Grant> for Usage {
    fn from(grant: grants::Grant) -> Usage {
        Usage {
            grant: grant.id,
            label: grant.label,
            uptime_seconds: grant.uptime_seconds,
            uptime_allowed_seconds: grant.uptime_allowed_seconds,
            data_bytes: grant.data_bytes,
            data_allowed_bytes: grant.data_allowed_bytes,
            devices_online: grant.devices_online,
        }
    }
}

/// What a grant used in an hour, or in a whole day where that is more than 40 days ago.
#[derive(Serialize, JsonSchema, Debug)]
struct HourOfUsage {
    from: Timestamp,
    to: Timestamp,
    /// What the customer sent
    upload_bytes: u64,
    /// What the customer received
    download_bytes: u64,
}

impl From<radius::Used> for HourOfUsage {
    fn from(used: radius::Used) -> HourOfUsage {
        HourOfUsage {
            from: used.from,
            to: used.to,
            upload_bytes: used.input.as_bytes(),
            download_bytes: used.output.as_bytes(),
        }
    }
}

/// Of which time.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct HoursQuery {
    /// Seven days before `to` unless it is said
    from: Option<Timestamp>,
    /// Now unless it is said
    to: Option<Timestamp>,
}

impl Paged for HoursQuery {
    fn going_on(&self, _: Option<String>) -> HoursQuery {
        self.clone()
    }
}

/// Which sessions are listed.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct SessionsQuery {
    /// Only those that last
    live: Option<bool>,
    grant: Option<GrantId>,
    router: Option<RouterId>,
    sort: Option<AgeSort>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

/// By age; a minus is latest first.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[schemars(inline)]
pub(crate) enum AgeSort {
    #[serde(rename = "created")]
    Created,
    #[serde(rename = "-created")]
    CreatedBackwards,
}

impl AgeSort {
    /// Latest first unless it was asked for otherwise.
    pub(crate) fn order(sort: Option<AgeSort>) -> Order {
        match sort {
            Some(AgeSort::Created) => Order::Ascending,
            Some(AgeSort::CreatedBackwards) | None => Order::Descending,
        }
    }
}

impl Paged for SessionsQuery {
    fn going_on(&self, cursor: Option<String>) -> SessionsQuery {
        SessionsQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

/// A page of devices.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct DevicesQuery {
    grant: Option<GrantId>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

impl Paged for DevicesQuery {
    fn going_on(&self, cursor: Option<String>) -> DevicesQuery {
        DevicesQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

const TAG: &str = "sessions";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/sessions", "list_sessions").about(TAG, "Who was online where");
    doors.open_list(list, async |ask: Ask<(), SessionsQuery>| page(&ask).await);
    let show = Sign::get("/api/v1/sessions/{session}", "show_session").about(TAG, "One session");
    doors.open(show, async |ask: Ask<SessionId>| {
        let (id, tenant) = (ask.path, ask.tenant());
        let find = async move |tx: &mut Tx<'_>| sessions::find(tx, id).await;
        let found = ask.here.app.store().read(find).await?;
        let own = found.filter(|session| session.tenant == tenant);
        own.map(|session| Reply::ok(Session::from(session)))
            .ok_or_else(|| Problem::missing("session"))
    });
    let devices = Sign::list("/api/v1/devices", "list_devices").about("devices", "Devices");
    doors.open_list(devices, async |ask: Ask<(), DevicesQuery>| devices_page(&ask).await);
    let device = Sign::get("/api/v1/devices/{mac}", "show_device").about("devices", "One device");
    doors.open(device, async |ask: Ask<String>| {
        let tenant = ask.tenant();
        let mac: MacAddress = ask.path.parse().map_err(|_| Problem::missing("device"))?;
        let find = async move |tx: &mut Tx<'_>| sessions::device(tx, tenant, mac).await;
        let found = ask.here.app.store().read(find).await?;
        found
            .map(|device| Reply::ok(Device::from(device)))
            .ok_or_else(|| Problem::missing("device"))
    });
    let usage = Sign::list("/api/v1/usage", "list_usage").about("usage", "What grants have used");
    doors.open_list(usage, async |ask: Ask<(), GrantsQuery>| {
        let Page { items, next } = grants::page(&ask, &[]).await?;
        Ok(Reply::ok(Page { items: items.into_iter().map(Usage::from).collect(), next }))
    });
    let of_grant = Sign::get("/api/v1/grants/{grant}/usage", "show_usage_of_grant")
        .about("usage", "What a grant has used");
    doors.open(of_grant, async |ask: Ask<GrantId>| {
        Ok(Reply::ok(Usage::from(grants::one(&ask, ask.path).await?)))
    });
    let hours = Sign::list("/api/v1/grants/{grant}/usage/hours", "list_usage_of_grant")
        .about("usage", "What a grant used, hour by hour, for graphs");
    doors.open_list(hours, async |ask: Ask<GrantId, HoursQuery>| hours_of(&ask).await);
}

/// No page can be long: there are 40 days of hours, and days for little more than a year.
async fn hours_of(ask: &Ask<GrantId, HoursQuery>) -> Result<Reply<Page<HourOfUsage>>, Problem> {
    let grant = grants::one(ask, ask.path).await?.id;
    let to = ask.query.to.unwrap_or(ask.now());
    let from = ask.query.from.unwrap_or(to - Span::days(7));
    if to < from {
        return Err(Problem::invalid("it ends before it begins").at("to"));
    }
    let read = async move |tx: &mut Tx<'_>| radius::usage(tx, grant, from, to).await;
    let used = ask.here.app.store().read(read).await?;
    let items = used.into_iter().map(HourOfUsage::from).collect();
    Ok(Reply::ok(Page { items, next: None }))
}

async fn page(ask: &Ask<(), SessionsQuery>) -> Result<Reply<Page<Session>>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let order = AgeSort::order(query.sort);
    let live = query.live.unwrap_or(false);
    let place = Place::read("sessions", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<SessionId>, limit: i64| {
        let store = store.clone();
        async move {
            let read = async move |tx: &mut Tx<'_>| {
                sessions::listed(tx, tenant, live, order, from, limit).await
            };
            store.read(read).await
        }
    };
    let keep = |session: &sessions::Session| {
        query.grant.is_none_or(|grant| grant == session.grant)
            && query.router.is_none_or(|router| router == session.router)
            && query.live.is_none_or(|live| live == session.ended_at.is_none())
    };
    let keeps_all = query.grant.is_none() && query.router.is_none() && query.live != Some(false);
    let (rows, next) = walk(&place, keeps_all, read, |session| session.id, keep).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(Session::from).collect(), next)))
}

async fn devices_page(ask: &Ask<(), DevicesQuery>) -> Result<Reply<Page<Device>>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let order = Order::Ascending;
    let place = Place::read("devices", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<MacAddress>, limit: i64| {
        let store = store.clone();
        async move {
            let read =
                async move |tx: &mut Tx<'_>| sessions::devices(tx, tenant, from, limit).await;
            store.read(read).await
        }
    };
    let keep = |device: &sessions::Device| query.grant.is_none_or(|grant| grant == device.grant);
    let (rows, next) = walk(&place, query.grant.is_none(), read, |device| device.mac, keep).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(Device::from).collect(), next)))
}
