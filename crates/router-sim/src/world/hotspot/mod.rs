//! Owns the hotspot: who is seen, who is logged in and how, the cookies that log people in again,
//! and the limits that the router enforces by itself.
//!
//! Where the manual leaves a choice, this router takes the one that is worse for whoever wants to
//! cut somebody off: a host keeps its bypass until its row goes, cookies outlive a reboot, limits
//! count the whole user and not the session. (MikroTik manual, "HotSpot" and its menus.)

mod hosts;
mod limits;
mod login;
mod logout;
mod radius;
mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;

use lango_routeros::values::MacAddress;

pub(crate) use login::Login;
pub(crate) use radius::Guest;

use crate::world::menus::Place;
use crate::world::meter::{Meter, Traffic};
use crate::world::radius::RadiusSession;
use crate::world::table::Id;
use crate::world::units::SECOND;

/// How soon an attached machine says something by itself.
const BACKGROUND: i64 = SECOND;

#[derive(Debug, Default)]
pub(crate) struct Hotspot {
    pub(crate) hosts: BTreeMap<Id, Host>,
    pub(crate) actives: BTreeMap<Ipv4Addr, Active>,
    pub(crate) cookies: BTreeMap<Id, Cookie>,
    usage: HashMap<Id, Usage>,
    /// Trial time used up and since when it counts, by machine.
    trials: HashMap<MacAddress, (i64, i64)>,
    host_of: HashMap<MacAddress, BTreeSet<Id>>,
    host_on: HashMap<Ipv4Addr, Id>,
    active_of: HashMap<String, BTreeSet<Ipv4Addr>>,
    active_at: HashMap<MacAddress, BTreeSet<Ipv4Addr>>,
    cookie_of: HashMap<String, BTreeSet<Id>>,
    cookie_at: HashMap<MacAddress, BTreeSet<Id>>,
    next: Id,
}

/// A machine that was heard of on the hotspot's network.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) mac: MacAddress,
    pub(crate) ip: Ipv4Addr,
    pub(crate) server: String,
    pub(crate) authorized: bool,
    pub(crate) treatment: Treatment,
    /// The address that RADIUS gave it; the guest does not know of it.
    to_address: Option<Ipv4Addr>,
    /// RADIUS does not want it by its hardware address.
    mac_refused: bool,
    since: i64,
}

/// What an ip-binding made of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    Regular,
    Bypassed,
    Blocked,
}

/// A logged-in machine.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) user: String,
    pub(crate) mac: MacAddress,
    ip: Ipv4Addr,
    server: String,
    by: LoginBy,
    since: i64,
    meter: Meter,
    session_timeout: Option<i64>,
    idle_timeout: Option<i64>,
    keepalive_timeout: Option<i64>,
    pub(crate) rate_limit: Option<String>,
    address_list: Option<String>,
    /// What RADIUS said, if it let this one in.
    pub(crate) radius: Option<Box<RadiusSession>>,
    /// Dynamic items that go with the session.
    with: Vec<(Place, Id)>,
    armed: Option<i64>,
}

/// What logs a machine in again without a question.
#[derive(Debug)]
pub(crate) struct Cookie {
    pub(crate) user: String,
    pub(crate) mac: MacAddress,
    password: String,
    pub(crate) is_mac_cookie: bool,
    ends: i64,
}

/// Lifetime totals of a user; the router adds to them at logout only.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) uptime: i64,
    pub(crate) traffic: Traffic,
}

/// How somebody got in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginBy {
    HttpPap,
    HttpChap,
    Cookie,
    MacCookie,
    Mac,
    Trial,
    Admin,
}

impl LoginBy {
    fn text(self) -> &'static str {
        match self {
            LoginBy::HttpPap => "http-pap",
            LoginBy::HttpChap => "http-chap",
            LoginBy::Cookie => "cookie",
            LoginBy::MacCookie => "mac-cookie",
            LoginBy::Mac => "mac",
            LoginBy::Trial => "trial",
            LoginBy::Admin => "admin",
        }
    }
}

/// Why somebody was logged out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logout {
    AdminReset,
    UserRequest,
    UptimeLimit,
    TrafficLimit,
    SessionTimeout,
    IdleTimeout,
    KeepaliveTimeout,
    Replaced,
    Reboot,
}

impl Logout {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Logout::AdminReset => "admin reset",
            Logout::UserRequest => "user request",
            Logout::UptimeLimit => "uptime limit reached",
            Logout::TrafficLimit => "traffic limit reached",
            Logout::SessionTimeout => "session timeout",
            Logout::IdleTimeout => "idle timeout",
            Logout::KeepaliveTimeout => "keepalive timeout",
            Logout::Replaced => "user request",
            Logout::Reboot => "reboot",
        }
    }

    /// A silent machine keeps its cookie, everybody else loses it.
    fn kills_mac_cookie(self) -> bool {
        !matches!(self, Logout::IdleTimeout | Logout::KeepaliveTimeout | Logout::Reboot)
    }
}

impl Hotspot {
    pub(crate) fn usage_of(&self, user: Id) -> Usage {
        self.usage.get(&user).copied().unwrap_or_default()
    }

    pub(crate) fn forget_usage(&mut self, user: Id) {
        self.usage.remove(&user);
    }

    pub(crate) fn actives_of(&self, user: &str) -> Vec<Id> {
        self.active_of.get(user).into_iter().flatten().map(|ip| u32::from(*ip).into()).collect()
    }

    pub(crate) fn actives_at(&self, mac: &str) -> Vec<Id> {
        let at = MacAddress::parse(mac).and_then(|mac| self.active_at.get(&mac));
        at.into_iter().flatten().map(|ip| u32::from(*ip).into()).collect()
    }

    pub(crate) fn hosts_at(&self, mac: &str) -> Vec<Id> {
        let at = MacAddress::parse(mac).and_then(|mac| self.host_of.get(&mac));
        at.into_iter().flatten().copied().collect()
    }

    pub(crate) fn hosts_on(&self, ip: &str) -> Vec<Id> {
        ip.parse()
            .ok()
            .and_then(|ip: Ipv4Addr| self.host_on.get(&ip))
            .copied()
            .into_iter()
            .collect()
    }

    pub(crate) fn cookies_of(&self, user: &str) -> Vec<Id> {
        self.cookie_of.get(user).into_iter().flatten().copied().collect()
    }

    pub(crate) fn cookies_at(&self, mac: &str) -> Vec<Id> {
        let at = MacAddress::parse(mac).and_then(|mac| self.cookie_at.get(&mac));
        at.into_iter().flatten().copied().collect()
    }

    pub(crate) fn host_on(&self, ip: Ipv4Addr) -> Option<&Host> {
        self.host_on.get(&ip).and_then(|id| self.hosts.get(id))
    }

    pub(crate) fn cookies_of_machine(&self, mac: MacAddress) -> impl Iterator<Item = &Cookie> {
        let ids = self.cookie_at.get(&mac).into_iter().flatten();
        ids.filter_map(|id| self.cookies.get(id))
    }

    fn mac_cookie(&self, mac: MacAddress, want: bool) -> Option<Id> {
        let ids = self.cookie_at.get(&mac)?;
        ids.iter()
            .copied()
            .find(|id| self.cookies.get(id).is_some_and(|cookie| cookie.is_mac_cookie == want))
    }

    /// Everything that memory alone holds; cookies and totals are on flash.
    pub(crate) fn forget_live(&mut self) {
        self.hosts.clear();
        self.host_of.clear();
        self.host_on.clear();
        self.actives.clear();
        self.active_of.clear();
        self.active_at.clear();
        self.trials.clear();
    }
}

impl Active {
    pub(crate) fn set_rate(&mut self, rate: Traffic, now: i64) {
        self.meter.set_rate(rate, now);
    }

    pub(crate) fn count(&mut self, traffic: Traffic) {
        self.meter.count(traffic);
    }

    /// What RADIUS says wins over what the profile says.
    fn obey(&mut self, session: Box<RadiusSession>) {
        let grant = &session.grant;
        self.session_timeout = grant.session_timeout.or(self.session_timeout);
        self.idle_timeout = grant.idle_timeout.or(self.idle_timeout);
        self.rate_limit = grant.rate_limit.clone().or(self.rate_limit.take());
        self.address_list = grant.address_list.clone().or(self.address_list.take());
        self.radius = Some(session);
    }

    pub(crate) fn traffic(&self, now: i64) -> Traffic {
        self.meter.read(now)
    }
}

/// The server that serves an address, and its profile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    pub(crate) id: Id,
    profile: Option<Id>,
}

fn forget<K, V, Q>(index: &mut HashMap<K, BTreeSet<V>>, key: &Q, value: &V)
where
    K: std::hash::Hash + Eq + std::borrow::Borrow<Q>,
    Q: std::hash::Hash + Eq + ?Sized,
    V: Ord,
{
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}
