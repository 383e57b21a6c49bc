//! Who is online and what they have used, as the router counts it.
//!
//! An account's own row counts finished sessions only, so it is read again just when a session of
//! that account has ended or is new; in between a copy is good.

use super::visit::{Visit, any_of_few, each, is_refusal, lacks_menu};
use crate::enforcement::{LiveSession, LoginKind, LoginOnline, Online};
use lango_domain::ids::GrantId;
use lango_domain::mac_address::MacAddress;
use lango_domain::quantity::DataSize;
use lango_domain::time::Span;
use lango_routeros::menus::{HotspotActive, HotspotUser, Menu, PppActive};
use lango_routeros::values::Prefix;
use lango_routeros::{Error, Print};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

const USER_COUNTERS: [&str; 5] = [".id", "name", "uptime", "bytes-in", "bytes-out"];
const INTERFACE: &str = "/interface";
const QUEUE: &str = "/queue/simple";

/// Time online and data.
type Counters = (Span, DataSize);

/// A session, to know it again: user, device, address.
type Trace = (String, String, String);

/// What is remembered between two questions.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Finished sessions of hotspot accounts.
    past: HashMap<String, Counters>,
    /// Sessions seen last time and for how long they had been.
    sessions: HashMap<Trace, Duration>,
}

impl Memory {
    /// Takes in the rows that a survey read.
    pub(super) fn learn(&mut self, users: &[HotspotUser]) {
        self.past = users.iter().map(|row| (row.name.clone(), past(row))).collect();
    }

    /// Users whose copy is not good any more.
    fn outdated(&self, active: &[HotspotActive]) -> BTreeSet<String> {
        let now: HashMap<Trace, Duration> = traces(active);
        let ended = self
            .sessions
            .iter()
            .filter(|(trace, was)| now.get(*trace).is_none_or(|is| *is < **was));
        let unknown = active.iter().filter(|row| !self.past.contains_key(&row.user));
        ended
            .map(|((user, _, _), _)| user.clone())
            .chain(unknown.map(|row| row.user.clone()))
            .filter(|user| !user.is_empty())
            .collect()
    }
}

fn traces(active: &[HotspotActive]) -> HashMap<Trace, Duration> {
    let trace = |row: &HotspotActive| {
        let mac = row.mac_address.map(|mac| mac.to_string()).unwrap_or_default();
        (row.user.clone(), mac, row.address.map(|a| a.to_string()).unwrap_or_default())
    };
    active.iter().map(|row| (trace(row), row.uptime.unwrap_or_default())).collect()
}

/// Everybody who is online.
pub(super) async fn read(
    visit: &Visit<'_>,
    memory: &mut Memory,
) -> Result<Vec<LoginOnline>, Error> {
    let mut online = hotspot(visit, memory).await?;
    online.extend(ppp(visit).await?);
    Ok(online)
}

async fn hotspot(visit: &Visit<'_>, memory: &mut Memory) -> Result<Vec<LoginOnline>, Error> {
    let active: Vec<HotspotActive> = match visit.connection.all(None).await {
        Err(error) if lacks_menu(&error) => return Ok(Vec::new()),
        active => active?,
    };
    let reread = refresh(visit, memory, &active).await?;
    memory.sessions = traces(&active);
    let mut by_user: BTreeMap<&str, Vec<LiveSession>> = BTreeMap::new();
    for row in &active {
        by_user.entry(&row.user).or_default().push(hotspot_session(row));
    }
    // Who has just left counts once more: with what his last session came to in the end.
    for user in &reread {
        by_user.entry(user).or_default();
    }
    let logins = by_user.into_iter().map(|(user, sessions)| {
        let past = memory.past.get(user).copied().unwrap_or_default();
        login(LoginKind::Hotspot, user, sessions, past)
    });
    Ok(logins.collect())
}

/// Reads the rows of those whose copy is outdated. A session that ended between the two readings
/// is counted in neither or, once, in both; the next question puts it right.
async fn refresh(
    visit: &Visit<'_>,
    memory: &mut Memory,
    active: &[HotspotActive],
) -> Result<BTreeSet<String>, Error> {
    let outdated = memory.outdated(active);
    if outdated.is_empty() {
        return Ok(outdated);
    }
    let names = each("name", outdated.iter().map(String::as_str));
    let mut print = Print::of(HotspotUser::PATH).only(&USER_COUNTERS);
    if let Some(query) = any_of_few(&names) {
        print = print.matching(query);
    }
    let rows = visit.connection.print(print).await?;
    for row in rows.into_iter().filter_map(HotspotUser::from_row) {
        let counters = past(&row);
        memory.past.insert(row.name, counters);
    }
    for name in &outdated {
        // Somebody without a row of his own: RADIUS, a trial.
        memory.past.entry(name.clone()).or_default();
    }
    Ok(outdated)
}

async fn ppp(visit: &Visit<'_>) -> Result<Vec<LoginOnline>, Error> {
    let active: Vec<PppActive> = match visit.connection.all(None).await {
        Err(error) if lacks_menu(&error) => return Ok(Vec::new()),
        active => active?,
    };
    let data = ppp_data(visit, &active).await?;
    let mut by_user: BTreeMap<&str, Vec<LiveSession>> = BTreeMap::new();
    for row in &active {
        by_user.entry(&row.name).or_default().push(ppp_session(row, &data));
    }
    let logins = by_user
        .into_iter()
        .map(|(user, sessions)| login(LoginKind::Ppp, user, sessions, Counters::default()));
    Ok(logins.collect())
}

/// What went through the dynamic interfaces of PPP sessions, by user. Sessions themselves have no
/// counters; where interfaces have none either, their queues may.
pub(super) async fn ppp_data(
    visit: &Visit<'_>,
    active: &[PppActive],
) -> Result<HashMap<String, DataSize>, Error> {
    if active.is_empty() {
        return Ok(HashMap::new());
    }
    let names: Vec<_> = active.iter().map(|row| ("name", interface(&row.name))).collect();
    let mut data = counted(visit, INTERFACE, &names, |row| {
        Some(row.number("rx-byte")? + row.number("tx-byte")?)
    })
    .await?;
    if active.iter().any(|row| !data.contains_key(&row.name)) {
        let queues = counted(visit, QUEUE, &names, |row| {
            row.byte_pair("bytes").map(|bytes| bytes.upload + bytes.download)
        });
        for (user, bytes) in queues.await? {
            data.entry(user).or_insert(bytes);
        }
    }
    Ok(data)
}

fn interface(user: &str) -> String {
    format!("<pppoe-{user}>")
}

async fn counted(
    visit: &Visit<'_>,
    menu: &str,
    names: &[(&'static str, String)],
    bytes: impl Fn(&lango_routeros::Row) -> Option<u64>,
) -> Result<HashMap<String, DataSize>, Error> {
    let mut print = Print::of(menu).only(&[".id", "name", "rx-byte", "tx-byte", "bytes"]);
    if let Some(query) = any_of_few(names) {
        print = print.matching(query);
    }
    let rows = match visit.connection.print(print).await {
        // Counters are welcome, not needed.
        Err(error) if is_refusal(&error) => Vec::new(),
        rows => rows?,
    };
    let user = |row: &lango_routeros::Row| {
        row.str("name")?.strip_prefix("<pppoe-")?.strip_suffix('>').map(str::to_owned)
    };
    let counted = rows.iter().filter_map(|row| Some((user(row)?, DataSize::bytes(bytes(row)?))));
    Ok(counted.collect())
}

fn login(by: LoginKind, login: &str, sessions: Vec<LiveSession>, past: Counters) -> LoginOnline {
    let (uptime, data) = total(&sessions, past);
    LoginOnline { by, login: login.to_owned(), sessions, uptime, data }
}

fn total(sessions: &[LiveSession], past: Counters) -> Counters {
    sessions
        .iter()
        .fold(past, |(uptime, data), session| (uptime + session.uptime, data + session.data))
}

/// A grant's presence; none if nobody is online and nobody ever was.
pub(super) fn online(
    grant: GrantId,
    sessions: Vec<LiveSession>,
    uptime: Span,
    data: DataSize,
) -> Option<Online> {
    let (uptime, data) = total(&sessions, (uptime, data));
    let ever = !sessions.is_empty() || !uptime.is_zero() || data != DataSize::ZERO;
    ever.then_some(Online { grant, sessions, uptime, data })
}

/// What an account's finished sessions used.
pub(super) fn past(row: &HotspotUser) -> Counters {
    let bytes = row.bytes_in.unwrap_or(0) + row.bytes_out.unwrap_or(0);
    (Span::from(row.uptime.unwrap_or_default()), DataSize::bytes(bytes))
}

/// A hotspot session as read.
pub(super) fn hotspot_session(row: &HotspotActive) -> LiveSession {
    LiveSession {
        mac: row.mac_address.map(|mac| MacAddress::new(mac.0)),
        address: row.address.and_then(Prefix::single_ipv4),
        uptime: Span::from(row.uptime.unwrap_or_default()),
        data: DataSize::bytes(row.bytes_in.unwrap_or(0) + row.bytes_out.unwrap_or(0)),
    }
}

/// A PPP session as read.
pub(super) fn ppp_session(row: &PppActive, data: &HashMap<String, DataSize>) -> LiveSession {
    LiveSession {
        mac: row.row.mac("caller-id").map(|mac| MacAddress::new(mac.0)),
        address: row.address.and_then(Prefix::single_ipv4),
        uptime: Span::from(row.uptime.unwrap_or_default()),
        data: data.get(&row.name).copied().unwrap_or_default(),
    }
}
