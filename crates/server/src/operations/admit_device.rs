//! A device is to be online by a grant: now, and without its owner doing anything more. The wish is
//! a row; the router's worker logs the device in where we can reach the router, and where the
//! router asks us by RADIUS the device gets a one-time password to present. Never says that
//! somebody is online before the router showed the session.

use crate::app::App;
use crate::operations::add_router::{RouterAddress, RouterProtocol};
use crate::operations::asked::{self, Actor, Entry};
use lango_domain::access::{Access, Secret};
use lango_domain::grant::Event;
use lango_domain::hours::Door;
use lango_domain::ids::{GrantId, Id, RouterId, TenantId};
use lango_domain::logins::WhenFull;
use lango_domain::mac_address::MacAddress;
use lango_domain::time::{Span, Timestamp};
use lango_store::admissions::{self, Admission as Row, Progress};
use lango_store::grants::StoredGrant;
use lango_store::radius::Occupant;
use lango_store::sessions::Session;
use lango_store::{Error, Topic, Tx};
use std::net::IpAddr;
use std::time::Duration;

/// How long a wish is worked at. A phone that left comes back within it or asks anew.
pub const WANTED_FOR: Span = Span::minutes(10);
/// How long a one-time password is good: for a page to load and a form to be sent.
pub const PASSWORD_LASTS: Span = Span::seconds(60);
/// One that is about to lapse is not shown again.
const PASSWORD_FRESH: Span = Span::seconds(15);

/// Which device is to be online where, and by which right.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Whose.
    pub tenant: TenantId,
    /// At which router the device is.
    pub router: RouterId,
    /// By which grant.
    pub grant: GrantId,
    /// The device.
    pub mac: MacAddress,
    /// Its address, if the router's login page told it.
    pub address: Option<IpAddr>,
}

/// How far the login of a device has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AdmissionState {
    /// Nobody asked for it, or what was asked for is over.
    NotAsked,
    /// It is worked at.
    Connecting {
        /// Since when.
        since: Timestamp,
        /// What last went wrong, for staff.
        last_error: Option<String>,
    },
    /// The device is to present this at the router, which asks us then.
    HandOver {
        /// The user name.
        username: String,
        /// Good for one login.
        one_time_password: Secret,
        /// Until when.
        until: Timestamp,
    },
    /// Another device is online by the grant and not silent: ask its owner, then [`move_device`].
    OtherDevice {
        /// Which one, if the router names it.
        mac: Option<MacAddress>,
    },
    /// The router shows its session.
    Connected {
        /// Since when.
        since: Timestamp,
    },
    /// It is not to be.
    Refused {
        /// Why.
        why: NotAdmitted,
    },
}

/// Why a device is not logged in.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// No such router or grant in this business.
    #[error("there is no such router or grant in this business")]
    Unknown,
    /// The grant gives nothing now.
    #[error("the grant gives no access now")]
    Over,
    /// The grant is good at another router only.
    #[error("the grant is good at another router only")]
    OtherPlace,
    /// The grant is locked to another device.
    #[error("the grant is locked to another device")]
    Locked,
    /// Not at this hour.
    #[error("the plan gives no access at this hour")]
    Closed,
    /// It is no account of the hotspot.
    #[error("the grant is no account of the hotspot")]
    NoHotspot,
    /// It was tried for [`WANTED_FOR`]; what the router said last.
    #[error("the router did not take the device: {0}")]
    GaveUp(String),
}

impl NotAdmitted {
    /// As it stands in the database.
    pub(crate) fn text(&self) -> String {
        match self {
            NotAdmitted::Unknown => "unknown".to_owned(),
            NotAdmitted::Over => "over".to_owned(),
            NotAdmitted::OtherPlace => "other_place".to_owned(),
            NotAdmitted::Locked => "locked".to_owned(),
            NotAdmitted::Closed => "closed".to_owned(),
            NotAdmitted::NoHotspot => "no_hotspot".to_owned(),
            NotAdmitted::GaveUp(said) => format!("gave up: {said}"),
        }
    }

    fn read(text: &str) -> NotAdmitted {
        match text {
            "unknown" => NotAdmitted::Unknown,
            "over" => NotAdmitted::Over,
            "other_place" => NotAdmitted::OtherPlace,
            "locked" => NotAdmitted::Locked,
            "closed" => NotAdmitted::Closed,
            "no_hotspot" => NotAdmitted::NoHotspot,
            other => NotAdmitted::GaveUp(other.trim_start_matches("gave up: ").to_owned()),
        }
    }
}

/// Has a device logged in, and says how far that has come. To ask again changes nothing while it is
/// worked at; a one-time password that is nearly over is replaced.
///
/// # Errors
/// A fault of the store. What cannot be is [`AdmissionState::Refused`], and leaves no wish.
pub async fn want_admission(
    app: &App,
    wish: Admission,
    now: Timestamp,
) -> Result<AdmissionState, Error> {
    let desk = app.clone();
    app.store().write(async move |tx: &mut Tx<'_>| want(tx, &desk, &wish, false, now).await).await
}

/// The owner of the new device says that the grant's other device is to go: ends its session and
/// logs this one in.
///
/// # Errors
/// A fault of the store.
pub async fn move_device(
    app: &App,
    tenant: TenantId,
    router: RouterId,
    mac: MacAddress,
    now: Timestamp,
) -> Result<AdmissionState, Error> {
    let desk = app.clone();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let row = admissions::find(tx, router, mac).await?;
            let Some(row) = row.filter(|row| row.tenant == tenant && now < row.wanted_until) else {
                return Ok(AdmissionState::NotAsked);
            };
            let (grant, address) = (row.grant, row.address);
            want(tx, &desk, &Admission { tenant, router, grant, mac, address }, true, now).await
        })
        .await
}

/// How far the login of a device has come.
///
/// # Errors
/// A fault of the store.
pub async fn admission(
    app: &App,
    tenant: TenantId,
    router: RouterId,
    mac: MacAddress,
    now: Timestamp,
) -> Result<AdmissionState, Error> {
    let desk = app.clone();
    app.store()
        .read(async move |tx: &mut Tx<'_>| read(tx, &desk, (tenant, router, mac), now).await)
        .await
}

/// Waits until it is no longer [`AdmissionState::Connecting`], or the patience is over.
///
/// # Errors
/// A fault of the store.
pub async fn await_admission(
    app: &App,
    tenant: TenantId,
    router: RouterId,
    mac: MacAddress,
    patience: Duration,
) -> Result<AdmissionState, Error> {
    /// Also without being woken: a wake may be lost.
    const LOOK_EVERY: Duration = Duration::from_secs(1);
    let news = app.store().subscribe(Topic::Admissions(router.raw()));
    let latest = tokio::time::Instant::now() + patience;
    loop {
        let state = admission(app, tenant, router, mac, app.clock().now()).await?;
        let left = latest.saturating_duration_since(tokio::time::Instant::now());
        if !matches!(state, AdmissionState::Connecting { .. }) || left.is_zero() {
            return Ok(state);
        }
        // Woken or not, it is read again.
        let _ = tokio::time::timeout(left.min(LOOK_EVERY), news.woken()).await;
    }
}

async fn read(
    tx: &mut Tx<'_>,
    app: &App,
    (tenant, router, mac): (TenantId, RouterId, MacAddress),
    now: Timestamp,
) -> Result<AdmissionState, Error> {
    let row = admissions::find(tx, router, mac).await?.filter(|row| row.tenant == tenant);
    let mut sessions = lango_store::sessions::open_of_device(tx, router, mac).await?;
    sessions.retain(|session| session.tenant == tenant);
    match row {
        Some(row) => state(tx, app, &row, &sessions, now).await,
        None => Ok(sessions.first().map_or(AdmissionState::NotAsked, connected)),
    }
}

fn connected(session: &Session) -> AdmissionState {
    AdmissionState::Connected { since: session.started_at }
}

async fn state(
    tx: &mut Tx<'_>,
    app: &App,
    row: &Row,
    sessions: &[Session],
    now: Timestamp,
) -> Result<AdmissionState, Error> {
    let is_live = now < row.wanted_until;
    // Somebody is about to look, or to log him in: what he is online by may just have been ended.
    let is_looked_after = is_live && row.progress == Progress::Wanted;
    let by_this = sessions.iter().find(|session| session.grant == row.grant && !is_looked_after);
    // Online by something else is not what was asked for.
    let online = by_this.or(sessions.first().filter(|_| !is_live));
    if let Some(session) = online {
        return Ok(connected(session));
    }
    let connecting =
        AdmissionState::Connecting { since: row.asked_at, last_error: row.last_error.clone() };
    Ok(match (row.progress, &row.password, row.password_until) {
        (Progress::Refused, ..) if is_live => {
            let why = NotAdmitted::read(row.last_error.as_deref().unwrap_or_default());
            AdmissionState::Refused { why }
        }
        (Progress::Wanted, ..) if is_live => connecting,
        (Progress::Wanted, ..) => AdmissionState::Refused { why: gave_up(row) },
        (Progress::OtherDevice, ..) if is_live => AdmissionState::OtherDevice { mac: row.other },
        (Progress::HandedOver, Some(sealed), Some(until)) if now < until => {
            let one_time_password = open_password(app, row, sealed)?;
            let username = login_of(tx, app, row.grant).await?.map(|access| access.login());
            let username = username.unwrap_or_default();
            AdmissionState::HandOver { username, one_time_password, until }
        }
        // It was used: the report of the session is on its way.
        (Progress::HandedOver, None, _) if is_live => connecting,
        _ => AdmissionState::NotAsked,
    })
}

pub(crate) fn gave_up(row: &Row) -> NotAdmitted {
    let said = row.last_error.clone();
    NotAdmitted::GaveUp(said.unwrap_or_else(|| "nothing was tried: is it reachable?".to_owned()))
}

pub(crate) fn open_password(app: &App, row: &Row, sealed: &[u8]) -> Result<Secret, Error> {
    app.open_admission(row.router, row.mac, sealed).map(Secret::new)
}

async fn login_of(tx: &mut Tx<'_>, app: &App, grant: GrantId) -> Result<Option<Access>, Error> {
    let sealed = lango_store::grants::access(tx, grant).await?;
    let access = app.open_access(grant, &sealed)?;
    Ok(Some(access).filter(|access| matches!(access, Access::Hotspot { .. })))
}

/// Whether a grant lets that device in at that router now.
pub(crate) fn refusal(
    stored: &StoredGrant,
    router: RouterId,
    mac: MacAddress,
    now: Timestamp,
) -> Option<NotAdmitted> {
    // Whatever is due happens first, also if the engine has not come to it yet.
    let passed = stored.grant.clone().apply(Event::TimePassed, now);
    let grant = passed.map_or_else(|_| stored.grant.clone(), |applied| applied.grant);
    let hours = grant.terms.logins.hours.as_ref();
    if stored.router.is_some_and(|only| only != router) {
        Some(NotAdmitted::OtherPlace)
    } else if !grant.wanted().is_online() {
        Some(NotAdmitted::Over)
    } else if !grant.admits(Some(mac)) {
        Some(NotAdmitted::Locked)
    } else if hours.is_some_and(|hours| matches!(hours.at(now), Door::Closed { .. })) {
        Some(NotAdmitted::Closed)
    } else {
        None
    }
}

pub(crate) async fn want(
    tx: &mut Tx<'_>,
    app: &App,
    wish: &Admission,
    moves: bool,
    now: Timestamp,
) -> Result<AdmissionState, Error> {
    let Admission { tenant, router, grant, mac, .. } = *wish;
    let known = lango_store::routers::find(tx, router).await?;
    let known = known.filter(|known| known.tenant == tenant);
    let stored = lango_store::grants::find(tx, grant).await?;
    let stored = stored.filter(|stored| stored.grant.tenant == tenant);
    let (Some(known), Some(stored)) = (known, stored) else {
        return Ok(AdmissionState::Refused { why: NotAdmitted::Unknown });
    };
    let why = match login_of(tx, app, grant).await? {
        None => Some(NotAdmitted::NoHotspot),
        Some(_) => refusal(&stored, router, mac, now),
    };
    if let Some(why) = why {
        return Ok(AdmissionState::Refused { why });
    }
    let sessions = lango_store::sessions::open_of_device(tx, router, mac).await?;
    if let Some(session) = sessions.iter().find(|session| session.grant == grant)
        && (asks_us(&known) || !owes_an_order(tx, router, grant).await?)
    {
        return Ok(connected(session));
    }
    let before = admissions::find(tx, router, mac).await?;
    let row = match &before {
        Some(before) if !moves && is_under_way(before, wish, now) => {
            return state(tx, app, before, &sessions, now).await;
        }
        Some(before) => renewed(before, wish, moves, now),
        None => begun(wish, moves, now),
    };
    let row = match asks_us(&known) {
        true => handed_over(tx, app, row, &stored, now).await?,
        false => row,
    };
    admissions::write(tx, &row).await?;
    state(tx, app, &row, &sessions, now).await
}

/// Whether a router has yet to confirm what is wanted of a grant. Its order may be the cut that a
/// payment came too late for: the session that our books show is then the one that is being ended,
/// and whoever paid would be online in the books and nowhere else.
async fn owes_an_order(tx: &mut Tx<'_>, router: RouterId, grant: GrantId) -> Result<bool, Error> {
    let standing = lango_store::enforcements::standing_of(tx, grant).await?;
    Ok(standing.iter().any(|here| here.router == router && here.next_attempt_at.is_some()))
}

/// Whether a router asks us by RADIUS, so that there is nothing to connect to.
fn asks_us(router: &lango_store::routers::Router) -> bool {
    serde_json::from_str::<RouterAddress>(&router.endpoint)
        .is_ok_and(|address| address.protocol == RouterProtocol::Radius)
}

fn is_under_way(row: &Row, wish: &Admission, now: Timestamp) -> bool {
    let same = row.grant == wish.grant && row.tenant == wish.tenant;
    let moved_on = wish.address.is_some() && wish.address != row.address;
    let is_good = match row.progress {
        Progress::Wanted => !moved_on,
        // Where the router asks us nobody looks again by himself.
        Progress::OtherDevice => row.next_attempt_at.is_some(),
        Progress::HandedOver if row.password.is_none() => {
            // Used, and no session yet: the router may have refused it after all.
            row.password_until.is_some_and(|until| now < until)
        }
        Progress::HandedOver => {
            row.password_until.is_some_and(|until| now + PASSWORD_FRESH < until)
        }
        Progress::Connected | Progress::Refused => false,
    };
    same && now < row.wanted_until && is_good
}

fn begun(wish: &Admission, moves: bool, now: Timestamp) -> Row {
    Row {
        router: wish.router,
        mac: wish.mac,
        tenant: wish.tenant,
        grant: wish.grant,
        address: wish.address,
        progress: Progress::Wanted,
        asked_at: now,
        wanted_until: now + WANTED_FOR,
        next_attempt_at: Some(now),
        attempt: 1,
        failures: 0,
        last_error: None,
        moves,
        other: None,
        connected_at: None,
        password: None,
        password_until: None,
    }
}

/// A claim of the old wish that is under way settles nothing of the new one.
fn renewed(before: &Row, wish: &Admission, moves: bool, now: Timestamp) -> Row {
    let same = before.grant == wish.grant && now < before.wanted_until;
    let asked_at = if same { before.asked_at } else { now };
    Row {
        attempt: before.attempt + 1,
        address: wish.address.or(before.address),
        asked_at,
        ..begun(wish, moves, now)
    }
}

/// Where the router asks us, the device presents a password that is good once.
async fn handed_over(
    tx: &mut Tx<'_>,
    app: &App,
    row: Row,
    stored: &StoredGrant,
    now: Timestamp,
) -> Result<Row, Error> {
    let row = Row { progress: Progress::HandedOver, next_attempt_at: None, ..row };
    if let Some(other) = in_the_way(tx, stored, row.mac, now).await? {
        if !row.moves {
            return Ok(Row { progress: Progress::OtherDevice, other: other.mac, ..row });
        }
        end_for(tx, app, &other, row.mac, now).await?;
    }
    let clear = one_time_password();
    let password = Some(app.seal_admission(row.router, row.mac, &clear));
    Ok(Row { password, password_until: Some(now + PASSWORD_LASTS), moves: false, ..row })
}

/// Two of what a person would be given: nobody types it, and it is gone in a minute.
fn one_time_password() -> String {
    use crate::operations::open_service::made_up_password;
    [made_up_password(), made_up_password()].concat()
}

/// Who must go first for a device to have a place; none if there is one, or if its login ends who
/// has been online for longest anyway.
async fn in_the_way(
    tx: &mut Tx<'_>,
    stored: &StoredGrant,
    mac: MacAddress,
    now: Timestamp,
) -> Result<Option<Occupant>, Error> {
    let grant = &stored.grant;
    if grant.terms.logins.when_full == WhenFull::EndOldest {
        return Ok(None);
    }
    let mut others = lango_store::radius::occupants(tx, &[grant.id]).await?;
    others.retain(|other| other.mac != Some(mac) && other.due_at.is_none_or(|due| due > now));
    if others.len() < usize::from(grant.terms.devices.get()) {
        return Ok(None);
    }
    Ok(others.into_iter().min_by_key(|other| (other.started_at, other.session)))
}

/// Says of a session that it must be over, and wakes who ends it.
async fn end_for(
    tx: &mut Tx<'_>,
    app: &App,
    other: &Occupant,
    mac: MacAddress,
    now: Timestamp,
) -> Result<(), Error> {
    let Occupant { session, grant, router, .. } = *other;
    let Some(known) = lango_store::sessions::find(tx, session).await? else { return Ok(()) };
    if !lango_store::radius::displace(tx, session, now).await? {
        return Ok(());
    }
    let why = [(grant, "its customer goes on with another device".to_owned())];
    lango_store::enforcements::repair(tx, router, &why, now).await?;
    tx.wake(Topic::Router(router.raw()));
    note_move(tx, app, (known.tenant, router, grant), (other.mac, mac), now).await
}

/// The account says that a grant went on with another device.
pub(crate) async fn note_move(
    tx: &mut Tx<'_>,
    app: &App,
    (tenant, router, grant): (TenantId, RouterId, GrantId),
    (from, to): (Option<MacAddress>, MacAddress),
    now: Timestamp,
) -> Result<(), Error> {
    let from = from.map_or_else(|| "another device".to_owned(), |from| from.to_string());
    let detail = format!("from {from} to {to}");
    let entry =
        Entry { grant: Some(grant), router: Some(router), ..Entry::of(tenant, "moved", detail) };
    asked::account(tx, app, &Actor::Router, entry, now).await
}
