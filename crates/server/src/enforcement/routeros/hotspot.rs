//! Hotspot accounts: vouchers and named users.
//!
//! A cut follows a fixed order, because each thing left behind brings the device back: account,
//! cookies, every session, bypass bindings, host entries, established connections; then all of it
//! is read again. (RouterOS manual, "HotSpot".)

use super::guard::ROUTER_MARGIN;
use super::owner::{self, Owner, SESSIONS_AT, SESSIONS_OUTDATED, mark, mark_with};
use super::profiles::{self, Treatments};
use super::visit::{Difference, ROUNDS, Task, Visit, Write, any_of_few, each, pick, to_set};
use super::{connections, macs_of};
use crate::enforcement::Order;
use lango_domain::access::Access;
use lango_domain::time::Timestamp;
use lango_domain::wanted::{Profile, RouterDeadline, Wanted};
use lango_routeros::menus::{
    HotspotActive, HotspotBinding, HotspotCookie, HotspotHost, HotspotUser, Menu,
};
use lango_routeros::values::{MacAddress, Prefix, write_duration};
use lango_routeros::{Connection, Error, ItemId, Print, Query, TrapKind};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// What is read of a user: the typed row's properties and the password, which only shows with the
/// policy `sensitive`.
pub(super) const USER_PROPERTIES: [&str; 13] = [
    ".id",
    "name",
    "server",
    "password",
    "profile",
    "limit-uptime",
    "limit-bytes-total",
    "uptime",
    "bytes-in",
    "bytes-out",
    "comment",
    "disabled",
    "dynamic",
];

const ARP: &str = "/ip/arp";
pub(super) const LOGIN: &str = "/ip/hotspot/active/login";

/// How exactly a limit must be as wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tolerance {
    /// So much earlier is still right.
    pub(super) early: Duration,
    /// So much later is still right.
    pub(super) late: Duration,
}

impl Tolerance {
    /// For the first writing.
    const TIGHT: Tolerance =
        Tolerance { early: Duration::from_secs(2), late: Duration::from_secs(2) };
    /// For reading back, and for surveys: a router's counters run on meanwhile.
    pub(super) const LOOSE: Tolerance =
        Tolerance { early: Duration::from_secs(5), late: Duration::from_secs(60) };
}

/// What an account has used: its row, which counts finished sessions, and the running ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Used {
    pub(super) uptime: Duration,
    pub(super) bytes: u64,
}

/// Adds up what an account has used.
pub(super) fn used<'a>(
    row: &HotspotUser,
    sessions: impl IntoIterator<Item = &'a HotspotActive>,
) -> Used {
    let bytes = |up: Option<u64>, down: Option<u64>| up.unwrap_or(0) + down.unwrap_or(0);
    let start =
        Used { uptime: row.uptime.unwrap_or_default(), bytes: bytes(row.bytes_in, row.bytes_out) };
    sessions.into_iter().fold(start, |sum, session| Used {
        uptime: sum.uptime + session.uptime.unwrap_or_default(),
        bytes: sum.bytes + bytes(session.bytes_in, session.bytes_out),
    })
}

/// What an account is found to be.
pub(super) struct Found<'r> {
    pub(super) row: &'r HotspotUser,
    pub(super) used: Used,
}

/// How an account of ours is not as wanted; nothing if it is.
pub(super) fn differences(
    order: &Order,
    found: &Found<'_>,
    now: Timestamp,
    tolerance: Tolerance,
) -> Vec<Difference> {
    let row = found.row;
    let Some(profile) = order.wanted.profile() else {
        return match row.disabled {
            true => Vec::new(),
            false => vec![Difference::new(
                "disabled",
                "yes",
                format!("user is enabled, wanted {}", order.wanted.word()),
            )],
        };
    };
    let mut all = Vec::new();
    all.extend(limit_uptime(profile, found, now, tolerance));
    all.extend(limit_bytes(profile, found));
    let name = profiles::hotspot_name(profile);
    if row.profile != name {
        let said = format!("profile is {}, wanted {name}", row.profile);
        all.push(Difference::new("profile", name, said));
    }
    if row.row.str("password").is_some_and(|password| password != secret(order)) {
        all.push(Difference::new("password", secret(order), "password is another"));
    }
    if row.disabled {
        let said = format!("user is disabled, wanted {}", order.wanted.word());
        all.push(Difference::new("disabled", "no", said));
    }
    all
}

fn secret(order: &Order) -> &str {
    match &order.access {
        Access::Hotspot { password, .. } => password.reveal(),
        Access::Pppoe { .. } | Access::StaticIp { .. } => "",
    }
}

/// The limit that ends an account in time. The router counts in whole seconds downwards, and
/// several devices' sessions add up: their limit is never too early, and a guard is exact.
fn limit_uptime(
    profile: Profile,
    found: &Found<'_>,
    now: Timestamp,
    tolerance: Tolerance,
) -> Option<Difference> {
    let present = found.row.limit_uptime.unwrap_or_default();
    let (wanted, tolerance) = match profile.deadline? {
        RouterDeadline::At(end) => {
            let devices = u32::from(profile.devices.max(1));
            let left = end.since(now).to_std().max(Duration::from_secs(1)) + ROUTER_MARGIN;
            let exact = devices == 1;
            let late = if exact { tolerance.late } else { Duration::MAX };
            let wanted = found.used.uptime + left.saturating_mul(devices);
            (wanted, Tolerance { late, ..tolerance })
        }
        RouterDeadline::Online(span) => {
            let bought = span.to_std().max(Duration::from_secs(1));
            let total = if starts_over(found, bought <= found.used.uptime) {
                found.used.uptime + bought
            } else {
                bought
            };
            let right = present == bought || present > found.used.uptime;
            let late = if right && !found.row.disabled { Duration::MAX } else { Duration::ZERO };
            (total, Tolerance { late, early: tolerance.early })
        }
    };
    let wanted = whole_seconds(wanted);
    let right = !present.is_zero()
        && present + tolerance.early >= wanted
        && present <= wanted.saturating_add(tolerance.late);
    let shown = write_duration(wanted);
    let said = format!("limit-uptime is {}, wanted {shown}", write_duration(present));
    (!right).then(|| Difference::new("limit-uptime", shown, said))
}

/// A purchase after the end starts a fresh allowance, but the router's counters run on. An
/// account that was ended with more on its counter than is bought now can only be such a one.
fn starts_over(found: &Found<'_>, used_up: bool) -> bool {
    found.row.disabled && used_up
}

fn limit_bytes(profile: Profile, found: &Found<'_>) -> Option<Difference> {
    let present = found.row.limit_bytes_total.unwrap_or(0);
    let Some(data) = profile.data else {
        return (present > 0).then(|| {
            Difference::new(
                "limit-bytes-total",
                "0",
                format!("data limit is {present}, wanted none"),
            )
        });
    };
    let bought = data.as_bytes().max(1);
    let used = found.used.bytes;
    let fresh = starts_over(found, bought <= used);
    let wanted = if fresh { used + bought } else { bought };
    let later_period = !found.row.disabled && bought <= used && present > used;
    let right = present == wanted || later_period;
    let said = format!("data limit is {present}, wanted {wanted}");
    (!right).then(|| Difference::new("limit-bytes-total", wanted.to_string(), said))
}

fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

/// Whether the router's own limits had ended the account.
fn ended_by_limit(found: &Found<'_>) -> bool {
    let row = found.row;
    let used_up =
        row.limit_uptime.is_some_and(|limit| !limit.is_zero() && found.used.uptime >= limit)
            || row.limit_bytes_total.is_some_and(|limit| limit > 0 && found.used.bytes >= limit);
    used_up || owner::note(row.comment.as_deref()) == owner::CUT_BY_GUARD
}

// ---------------------------------------------------------------------------------------------
// Acting

/// Brings every open hotspot order to what it wants.
pub(super) async fn act(visit: &Visit<'_>, tasks: &mut [Task<'_>]) -> Result<(), Error> {
    let mut devices: Vec<Devices> =
        tasks.iter().map(|task| Devices::known(&macs_of(&task.order.devices))).collect();
    for round in 0..ROUNDS {
        if !tasks.iter().any(Task::is_open) {
            break;
        }
        let known = profiles::ensure_hotspot(visit, tasks).await?;
        let settled = settle_users(visit, tasks, &known, &mut devices, round).await?;
        let mut clean = cut_leftovers(visit, tasks, &mut devices).await?;
        clean.leftovers.extend(settled.written);
        confirm_cuts(tasks, &devices, &clean);
        forget_sessions(visit, tasks, settled.noted).await?;
    }
    Ok(())
}

fn open<'t, 'o>(tasks: &'t [Task<'o>]) -> impl Iterator<Item = (usize, &'t Task<'o>)> {
    tasks.iter().enumerate().filter(|(_, task)| task.is_open())
}

fn name_of<'o>(task: &Task<'o>) -> &'o str {
    match &task.order.access {
        Access::Hotspot { name, .. } | Access::Pppoe { name, .. } => name,
        Access::StaticIp { .. } => "",
    }
}

async fn users(visit: &Visit<'_>, tasks: &[Task<'_>]) -> Result<Vec<HotspotUser>, Error> {
    let names = each("name", open(tasks).map(|(_, task)| name_of(task)));
    let mut print = Print::of(HotspotUser::PATH).only(&USER_PROPERTIES);
    if let Some(query) = any_of_few(&names) {
        print = print.matching(query);
    }
    let rows = visit.connection.print(print).await?;
    Ok(rows.into_iter().filter_map(HotspotUser::from_row).collect())
}

async fn sessions(visit: &Visit<'_>, tasks: &[Task<'_>]) -> Result<Vec<HotspotActive>, Error> {
    visit.rows(&each("user", open(tasks).map(|(_, task)| name_of(task)))).await
}

/// What the accounts' turn in a round came to.
struct Settled {
    /// Orders that needed a write.
    written: HashSet<usize>,
    /// Accounts with a note of where their sessions were.
    noted: HashMap<usize, ItemId>,
}

/// Accounts first, so that nothing can log in again. Confirms what is to be online and is.
async fn settle_users(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
    known: &Treatments,
    devices: &mut [Devices],
    round: usize,
) -> Result<Settled, Error> {
    let users = users(visit, tasks).await?;
    let counters_matter = round == 0 || open(tasks).any(|(_, task)| task.order.wanted.is_online());
    let sessions = if counters_matter { sessions(visit, tasks).await? } else { Vec::new() };
    let users = index(&users, |user| user.name.as_str());
    let sessions = index(&sessions, |session| session.user.as_str());
    let tolerance = if round == 0 { Tolerance::TIGHT } else { Tolerance::LOOSE };
    let (mut writes, mut noted) = (Vec::new(), HashMap::new());
    for (at, task) in tasks.iter_mut().enumerate().filter(|(_, task)| task.is_open()) {
        let name = name_of(task);
        let rows = users.get(name).map(Vec::as_slice).unwrap_or_default();
        let live = sessions.get(name).map(Vec::as_slice).unwrap_or_default();
        let row = pick(rows.iter().copied(), task.order, |row| row.comment.as_deref());
        if let Some(row) = row
            && let Some(addresses) = sessions_noted(task.order, row)
        {
            devices[at].noted.extend(addresses);
            noted.insert(at, row.id.clone());
        }
        let steps = settle_user(task, row, live, known, visit.now, (round, tolerance));
        writes.extend(steps.into_iter().map(|write| (at, write)));
    }
    // A login of ours follows the end of the session that it replaces.
    let (logins, writes): (Vec<_>, Vec<_>) =
        writes.into_iter().partition(|(_, write)| matches!(write, Write::Try(..)));
    let written = writes.iter().map(|(at, _)| *at).collect();
    visit.carry_out(tasks, writes).await?;
    visit.carry_out(tasks, logins).await?;
    Ok(Settled { written, noted })
}

/// The addresses that a cut which broke off left on the account.
fn sessions_noted(order: &Order, row: &HotspotUser) -> Option<Vec<Ipv4Addr>> {
    let comment = row.comment.as_deref().filter(|comment| owner::is_of(Some(comment), order.grant));
    let addresses = owner::note(comment).strip_prefix(SESSIONS_AT)?;
    Some(addresses.split(',').filter_map(|address| address.parse().ok()).collect())
}

/// The note for sessions that are not on the account yet.
fn note_sessions(order: &Order, row: &HotspotUser, live: &[&HotspotActive]) -> Option<Difference> {
    let noted = sessions_noted(order, row).unwrap_or_default();
    let seen = live.iter().filter_map(|session| session.address?.single_ipv4());
    let all: BTreeSet<Ipv4Addr> = seen.chain(noted.iter().copied()).collect();
    let is_new = all.len() > noted.len();
    let text = all.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(",");
    let note = mark_with(order.grant, &format!("{SESSIONS_AT}{text}"));
    is_new.then(|| Difference::new("comment", note, "sessions are not noted"))
}

/// After a cut its note has served.
async fn forget_sessions(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
    noted: HashMap<usize, ItemId>,
) -> Result<(), Error> {
    let done = noted.into_iter().filter(|(at, _)| tasks[*at].is_confirmed());
    let writes = done.map(|(at, id)| {
        (at, Write::Set(HotspotUser::PATH, id, vec![("comment", mark(tasks[at].order.grant))]))
    });
    let writes = writes.collect();
    visit.carry_out(tasks, writes).await
}

fn index<M>(rows: &[M], name: fn(&M) -> &str) -> HashMap<&str, Vec<&M>> {
    let mut map: HashMap<&str, Vec<&M>> = HashMap::new();
    for row in rows {
        map.entry(name(row)).or_default().push(row);
    }
    map
}

fn settle_user(
    task: &mut Task<'_>,
    row: Option<&HotspotUser>,
    live: &[&HotspotActive],
    known: &Treatments,
    now: Timestamp,
    (round, tolerance): (usize, Tolerance),
) -> Vec<Write> {
    let order = task.order;
    let Some(row) = row else {
        return if order.wanted.is_online() { vec![new_user(order, now)] } else { Vec::new() };
    };
    let found = Found { row, used: used(row, live.iter().copied()) };
    let comment = row.comment.as_deref();
    match owner::owner(comment) {
        Owner::Foreign => {
            task.fail(stranger(&row.name));
            return Vec::new();
        }
        // What another grant of ours holds under this name is not this grant's to end.
        Owner::Grant(of, _) if of != order.grant && !order.wanted.is_online() => {
            task.confirm();
            return Vec::new();
        }
        Owner::Grant(..) | Owner::Lango(_) => {}
    }
    if round == 0 && !order.wanted.is_online() {
        let was_online = !found.used.uptime.is_zero() || found.used.bytes > 0;
        task.by_router = live.is_empty() && was_online && ended_by_limit(&found);
    }
    let mut differences = differences(order, &found, now, tolerance);
    if !order.wanted.is_online() {
        differences.extend(note_sessions(order, row, live));
        return set(row, &differences);
    }
    if round == 0 && row.row.raw("password").is_none() {
        differences.push(Difference::new("password", secret(order), "password is not shown"));
    }
    settle_online(task, &found, live, known, differences)
}

/// What `already have` would say, before it is tried.
pub(super) fn stranger(name: &str) -> String {
    format!(
        "user `{name}` exists on the router without Lango's mark: rename or remove it there, or \
         give it to Lango by importing it"
    )
}

fn set(row: &HotspotUser, differences: &[Difference]) -> Vec<Write> {
    match differences {
        [] => Vec::new(),
        differences => vec![Write::Set(HotspotUser::PATH, row.id.clone(), to_set(differences))],
    }
}

fn new_user(order: &Order, now: Timestamp) -> Write {
    let login = order.access.login();
    let row = lango_routeros::Row::of([(".id", "*0"), ("name", login.as_str())]);
    let mut values = vec![
        ("name", login.clone()),
        ("password", secret(order).to_owned()),
        ("comment", mark(order.grant)),
    ];
    if let Some(row) = HotspotUser::from_row(row) {
        let found = Found { row: &row, used: Used::default() };
        let wanted = differences(order, &found, now, Tolerance::TIGHT);
        values.extend(to_set(&wanted).into_iter().filter(|(name, _)| *name != "password"));
    }
    Write::Add(HotspotUser::PATH, values)
}

/// Sets what differs. When the speed changed, sessions are ended and begun again under the new
/// one; a note on the account survives a crash in between.
fn settle_online(
    task: &mut Task<'_>,
    found: &Found<'_>,
    live: &[&HotspotActive],
    known: &Treatments,
    mut differences: Vec<Difference>,
) -> Vec<Write> {
    let (order, row) = (task.order, found.row);
    let comment = row.comment.as_deref();
    let wanted = order.wanted.profile().map(profiles::hotspot_name).unwrap_or_default();
    let outdated = owner::note(comment) == SESSIONS_OUTDATED;
    if !live.is_empty() && profiles::differ(known, &row.profile, &wanted) {
        let note = mark_with(order.grant, SESSIONS_OUTDATED);
        differences.push(Difference::new("comment", note, "sessions have the old speed"));
        return set(row, &differences);
    }
    if outdated && differences.is_empty() {
        let plain = Difference::new("comment", mark(order.grant), "");
        let mut writes: Vec<Write> = live
            .iter()
            .map(|session| Write::End(HotspotActive::PATH, session.id.clone()))
            .collect();
        writes.extend(live.iter().filter_map(|session| login_again(order, session)));
        writes.extend(set(row, &[plain]));
        return writes;
    }
    if !outdated && comment != Some(mark(order.grant).as_str()) {
        differences.push(Difference::new("comment", mark(order.grant), "mark is another grant's"));
    }
    if differences.is_empty() {
        task.confirm();
    }
    set(row, &differences)
}

/// The end of a session also takes its MAC cookie; the customer shall not see the login page.
fn login_again(order: &Order, session: &HotspotActive) -> Option<Write> {
    let (address, mac) = (session.address?.single_ipv4()?, session.mac_address?);
    let values = vec![
        ("user", session.user.clone()),
        ("password", secret(order).to_owned()),
        ("ip", address.to_string()),
        ("mac-address", mac.to_string()),
    ];
    Some(Write::Try(LOGIN, values))
}

/// Removes a user's cookies and sessions, of one device or all. Returns how many sessions.
pub(super) async fn log_out(
    connection: &Connection,
    user: &str,
    mac: Option<lango_domain::mac_address::MacAddress>,
) -> Result<usize, Error> {
    let mac = mac.map(|mac| mac.to_string());
    let is_his = |seen: Option<MacAddress>| {
        mac.as_ref().is_none_or(|mac| seen.is_some_and(|seen| seen.to_string() == *mac))
    };
    let of_user = || Some(Query::equals("user", user));
    for cookie in connection.all::<HotspotCookie>(of_user()).await? {
        if cookie.user == user && is_his(cookie.mac_address) {
            remove_if_there(connection, HotspotCookie::PATH, &cookie.id).await?;
        }
    }
    let mut ended = 0;
    for session in connection.all::<HotspotActive>(of_user()).await? {
        if session.user == user && is_his(session.mac_address) {
            remove_if_there(connection, HotspotActive::PATH, &session.id).await?;
            ended += 1;
        }
    }
    Ok(ended)
}

/// What went by itself meanwhile is gone as well.
async fn remove_if_there(connection: &Connection, menu: &str, id: &ItemId) -> Result<(), Error> {
    match connection.remove(menu, id).await {
        Err(error) if error.trap().is_some_and(|trap| trap.kind == TrapKind::NoSuchItem) => Ok(()),
        other => other,
    }
}

// ---------------------------------------------------------------------------------------------
// Cutting

/// The devices that were online by a grant, with the addresses seen, and whether their hosts and
/// connections were removed since the last session ended.
#[derive(Debug, Default)]
struct Devices {
    addresses: BTreeMap<MacAddress, BTreeSet<Ipv4Addr>>,
    /// Addresses that stood on the account when we came.
    noted: BTreeSet<Ipv4Addr>,
    swept: bool,
}

impl Devices {
    fn known(macs: &[MacAddress]) -> Devices {
        let addresses = macs.iter().map(|mac| (*mac, BTreeSet::new())).collect();
        Devices { addresses, ..Devices::default() }
    }

    fn see(&mut self, mac: Option<MacAddress>, address: Option<Prefix>) {
        let Some(mac) = mac else { return };
        let address = address.and_then(Prefix::single_ipv4);
        self.addresses.entry(mac).or_default().extend(address);
    }
}

/// Per cut order: whether nothing was found that would bring a device back, or what was found
/// that is not ours to remove.
struct Clean {
    leftovers: HashSet<usize>,
    foreign: HashMap<usize, String>,
}

fn is_cut(task: &Task<'_>) -> bool {
    task.is_open() && matches!(task.order.wanted, Wanted::Cut | Wanted::Walled)
}

async fn cut_leftovers(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
    devices: &mut [Devices],
) -> Result<Clean, Error> {
    let mut clean = Clean { leftovers: HashSet::new(), foreign: HashMap::new() };
    let cuts: Vec<usize> =
        tasks.iter().enumerate().filter(|(_, task)| is_cut(task)).map(|(at, _)| at).collect();
    if cuts.is_empty() {
        return Ok(clean);
    }
    remove_cookies(visit, tasks, devices, &cuts, &mut clean).await?;
    let elsewhere = end_sessions(visit, tasks, devices, &cuts, &mut clean).await?;
    for devices in devices.iter_mut() {
        // A device that meanwhile is online by another right keeps everything of that right.
        devices.addresses.retain(|mac, _| !elsewhere.contains(mac));
    }
    for at in &clean.leftovers {
        if let Some(devices) = devices.get_mut(*at) {
            devices.swept = false;
        }
    }
    let hosts = hosts(visit, devices, &cuts).await?;
    remove_bindings(visit, tasks, devices, &cuts, &mut clean).await?;
    sweep(visit, tasks, devices, &cuts, &hosts).await?;
    Ok(clean)
}

async fn remove_cookies(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
    devices: &mut [Devices],
    cuts: &[usize],
    clean: &mut Clean,
) -> Result<(), Error> {
    let names: HashMap<&str, usize> = cuts.iter().map(|at| (name_of(&tasks[*at]), *at)).collect();
    let macs = machines(devices, cuts);
    let mut conditions = each("user", names.keys().copied());
    conditions.extend(macs.keys().map(|mac| ("mac-address", mac.to_string())));
    let cookies: Vec<HotspotCookie> = visit.rows(&conditions).await?;
    let active: Vec<HotspotActive> = match cookies.is_empty() {
        true => Vec::new(),
        false => {
            let macs = cookies.iter().filter_map(|cookie| cookie.mac_address);
            let conditions: Vec<_> = macs.map(|mac| ("mac-address", mac.to_string())).collect();
            visit.rows(&conditions).await?
        }
    };
    let others: HashSet<(MacAddress, &str)> = active
        .iter()
        .filter_map(|session| Some((session.mac_address?, session.user.as_str())))
        .collect();
    let mut writes = Vec::new();
    for cookie in &cookies {
        let by_name = names.get(cookie.user.as_str()).copied();
        // The cookie of another user who is online with this device right now is his.
        let in_use =
            cookie.mac_address.is_some_and(|mac| others.contains(&(mac, cookie.user.as_str())));
        let by_mac = cookie.mac_address.and_then(|mac| macs.get(&mac).copied());
        let Some(at) = by_name.or(by_mac.filter(|_| !in_use)) else { continue };
        if by_name.is_some() {
            devices[at].see(cookie.mac_address, None);
        }
        clean.leftovers.insert(at);
        writes.push((at, Write::Remove(HotspotCookie::PATH, cookie.id.clone())));
    }
    visit.carry_out(tasks, writes).await
}

/// Which order a device belongs to.
fn machines(devices: &[Devices], cuts: &[usize]) -> BTreeMap<MacAddress, usize> {
    cuts.iter().flat_map(|at| devices[*at].addresses.keys().map(|mac| (*mac, *at))).collect()
}

/// Ends the sessions at once after reading them: their ids are addresses, and the next guest may
/// have the address. Returns devices that are online under other names.
async fn end_sessions(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
    devices: &mut [Devices],
    cuts: &[usize],
    clean: &mut Clean,
) -> Result<HashSet<MacAddress>, Error> {
    let names: HashMap<&str, usize> = cuts.iter().map(|at| (name_of(&tasks[*at]), *at)).collect();
    let macs = machines(devices, cuts);
    let mut conditions = each("user", names.keys().copied());
    conditions.extend(macs.keys().map(|mac| ("mac-address", mac.to_string())));
    let sessions: Vec<HotspotActive> = visit.rows(&conditions).await?;
    let mut elsewhere = HashSet::new();
    let mut writes = Vec::new();
    for session in &sessions {
        let Some(at) = names.get(session.user.as_str()).copied() else {
            elsewhere.extend(session.mac_address);
            continue;
        };
        devices[at].see(session.mac_address, session.address);
        clean.leftovers.insert(at);
        writes.push((at, Write::End(HotspotActive::PATH, session.id.clone())));
    }
    visit.carry_out(tasks, writes).await?;
    Ok(elsewhere)
}

/// The host rows of the devices that are not swept yet; teaches the devices' addresses.
async fn hosts(
    visit: &Visit<'_>,
    devices: &mut [Devices],
    cuts: &[usize],
) -> Result<Vec<(usize, HotspotHost)>, Error> {
    let due: Vec<usize> = cuts.iter().copied().filter(|at| !devices[*at].swept).collect();
    let macs = machines(devices, &due);
    let conditions: Vec<_> = macs.keys().map(|mac| ("mac-address", mac.to_string())).collect();
    let rows: Vec<HotspotHost> = visit.rows(&conditions).await?;
    let mut hosts = Vec::new();
    for host in rows {
        let Some(at) = host.mac_address.and_then(|mac| macs.get(&mac).copied()) else { continue };
        devices[at].see(host.mac_address, host.address);
        devices[at].see(host.mac_address, host.to_address);
        hosts.push((at, host));
    }
    ask_arp(visit, devices, &macs).await?;
    Ok(hosts)
}

/// A device whose host row is gone may still have connections: the address from ARP.
async fn ask_arp(
    visit: &Visit<'_>,
    devices: &mut [Devices],
    macs: &BTreeMap<MacAddress, usize>,
) -> Result<(), Error> {
    let unknown: Vec<_> = macs
        .iter()
        .filter(|(mac, at)| devices[**at].addresses.get(*mac).is_some_and(BTreeSet::is_empty))
        .map(|(mac, _)| ("mac-address", mac.to_string()))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let mut print = Print::of(ARP).only(&[".id", "address", "mac-address"]);
    if let Some(query) = any_of_few(&unknown) {
        print = print.matching(query);
    }
    for row in visit.connection.print(print).await? {
        let mac = row.mac("mac-address");
        if let Some(at) = mac.and_then(|mac| macs.get(&mac)) {
            devices[*at].see(mac, row.prefix("address"));
        }
    }
    Ok(())
}

/// Whether a binding lets one of these devices through.
fn binds(binding: &HotspotBinding, devices: &Devices) -> bool {
    if binding.mac_address.is_none() && binding.address.is_none() {
        return false;
    }
    devices.addresses.iter().any(|(mac, addresses)| {
        let by_mac = binding.mac_address.is_none_or(|bound| bound == *mac);
        let by_address = binding.address.is_none_or(|prefix| {
            let unknown = addresses.is_empty() && binding.mac_address.is_some();
            unknown || addresses.iter().any(|address| contains(prefix, *address))
        });
        by_mac && by_address
    })
}

fn contains(prefix: Prefix, address: Ipv4Addr) -> bool {
    let IpAddr::V4(network) = prefix.address else { return false };
    let host_bits = 32_u32.saturating_sub(u32::from(prefix.length));
    let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
    u32::from(network) & mask == u32::from(address) & mask
}

async fn remove_bindings(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
    devices: &mut [Devices],
    cuts: &[usize],
    clean: &mut Clean,
) -> Result<(), Error> {
    let bindings: Vec<HotspotBinding> = visit.rows(&[("type", "bypassed".to_owned())]).await?;
    let mut writes = Vec::new();
    for binding in bindings.iter().filter(|b| b.kind.as_deref() == Some("bypassed") && !b.disabled)
    {
        for at in cuts.iter().copied().filter(|at| binds(binding, &devices[*at])) {
            match owner::owner(binding.comment.as_deref()) {
                Owner::Foreign => drop(clean.foreign.insert(at, foreign_binding(binding))),
                // It is another grant's, and goes with that one.
                Owner::Grant(of, _) if of != tasks[at].order.grant => {}
                Owner::Grant(..) | Owner::Lango(_) => {
                    clean.leftovers.insert(at);
                    writes.push((at, Write::Remove(HotspotBinding::PATH, binding.id.clone())));
                }
            }
        }
    }
    for (at, _) in &writes {
        devices[*at].swept = false;
    }
    visit.carry_out(tasks, writes).await
}

fn foreign_binding(binding: &HotspotBinding) -> String {
    let whom = match (binding.mac_address, binding.address) {
        (Some(mac), _) => mac.to_string(),
        (None, Some(address)) => address.to_string(),
        (None, None) => binding.id.to_string(),
    };
    let whose = binding.comment.as_deref().map(|text| format!(" (`{text}`)")).unwrap_or_default();
    format!(
        "a device of this customer stays online by the bypass binding of {whom}{whose} in /ip \
         hotspot ip-binding, which Lango did not make: remove it, or give it to Lango by setting \
         its comment to `{}` and this grant's id",
        crate::enforcement::MARK
    )
}

/// Host rows and established connections go once, after the last session. The host rows are what
/// tells the addresses, so they go second: a sweep that breaks off is repeated whole. Only what
/// was bypassed could open connections in between, and is swept again.
async fn sweep(
    visit: &Visit<'_>,
    tasks: &mut [Task<'_>],
    devices: &mut [Devices],
    cuts: &[usize],
    hosts: &[(usize, HotspotHost)],
) -> Result<(), Error> {
    let mut addresses = BTreeSet::new();
    for at in cuts.iter().filter(|at| !devices[**at].swept) {
        addresses.extend(devices[*at].addresses.values().flatten().copied());
        addresses.extend(devices[*at].noted.iter().copied());
    }
    connections::remove_of(visit, &addresses).await?;
    let ours: Vec<&(usize, HotspotHost)> = hosts
        .iter()
        .filter(|(at, host)| {
            host.mac_address.is_some_and(|mac| devices[*at].addresses.contains_key(&mac))
        })
        .collect();
    let writes = ours
        .iter()
        .map(|(at, host)| (*at, Write::Remove(HotspotHost::PATH, host.id.clone())))
        .collect();
    visit.carry_out(tasks, writes).await?;
    let bypassed = ours.iter().filter(|(_, host)| host.bypassed);
    let bypassed = bypassed.filter_map(|(_, host)| host.address?.single_ipv4()).collect();
    connections::remove_of(visit, &bypassed).await?;
    for at in cuts {
        devices[*at].swept = true;
    }
    Ok(())
}

/// Confirms the cuts in whose reading nothing was left to write or remove.
fn confirm_cuts(tasks: &mut [Task<'_>], devices: &[Devices], clean: &Clean) {
    for (at, task) in tasks.iter_mut().enumerate() {
        if !is_cut(task) || !devices[at].swept || clean.leftovers.contains(&at) {
            continue;
        }
        match clean.foreign.get(&at) {
            Some(why) => task.fail(why.clone()),
            None => task.confirm(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_routeros::Row;

    fn prefix(text: &str) -> Prefix {
        Prefix::parse(text).unwrap()
    }

    fn binding(mac: Option<&str>, address: Option<&str>) -> HotspotBinding {
        let mut row = vec![(".id", "*1"), ("type", "bypassed")];
        row.extend(mac.map(|mac| ("mac-address", mac)));
        row.extend(address.map(|address| ("address", address)));
        HotspotBinding::from_row(Row::of(row)).unwrap()
    }

    #[test]
    fn a_binding_of_a_whole_network_lets_its_devices_through() {
        let address = Ipv4Addr::new(10, 5, 0, 9);
        assert!(contains(prefix("10.5.0.0/24"), address));
        assert!(contains(prefix("0.0.0.0/0"), address));
        assert!(!contains(prefix("10.5.1.0/24"), address));
    }

    #[test]
    fn a_binding_concerns_a_device_only_if_all_of_it_fits() {
        let mac = MacAddress([2, 0, 0, 0, 0, 1]);
        let mut devices = Devices::known(&[mac]);
        assert!(binds(&binding(Some("02:00:00:00:00:01"), Some("10.5.0.9")), &devices));
        devices.see(Some(mac), Some(prefix("10.5.0.7")));
        assert!(!binds(&binding(Some("02:00:00:00:00:01"), Some("10.5.0.9")), &devices));
        assert!(binds(&binding(None, Some("10.5.0.7")), &devices));
        assert!(!binds(&binding(Some("02:00:00:00:00:02"), None), &devices));
        assert!(!binds(&binding(None, None), &devices));
    }
}
