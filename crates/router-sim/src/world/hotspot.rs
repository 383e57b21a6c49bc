//! Owns the hotspot: who is seen, who is logged in and how, the cookies that log people in again,
//! and the limits that the router enforces by itself.
//!
//! Where the manual leaves a choice, this router takes the one that is worse for whoever wants to
//! cut somebody off: a host keeps its bypass until its row goes, cookies outlive a reboot, limits
//! count the whole user and not the session. (MikroTik manual, "HotSpot" and its menus.)

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;

use lango_routeros::values::{self, MacAddress};

use super::items::Spot;
use super::menu::Range;
use super::menus::Place;
use super::meter::{Meter, Traffic, reached_at};
use super::people::Change;
use super::row::Row;
use super::table::Id;
use super::trap::Trap;
use super::units::{SECOND, duration, duration_text};
use super::{Deadline, World};

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
        }
    }

    /// A silent machine keeps its cookie, everybody else loses it.
    fn kills_mac_cookie(self) -> bool {
        !matches!(self, Logout::IdleTimeout | Logout::KeepaliveTimeout)
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

impl World {
    // --- who is where -------------------------------------------------------------------------

    /// The hotspot server on whose network `ip` is.
    pub(crate) fn hotspot_server(&self, ip: Ipv4Addr) -> Option<Server> {
        let servers = self.table(Place::Hotspot);
        let serves = |id: &Id| {
            servers.is_enabled(*id) && self.pool_contains(&servers.text(*id, "address-pool"), ip)
        };
        let id = servers.ids().find(serves)?;
        Some(Server {
            id,
            profile: self.table(Place::HotspotProfile).first("name", &servers.text(id, "profile")),
        })
    }

    pub(crate) fn pool_ranges(&self, pool: &str) -> Vec<Range> {
        let pools = self.table(Place::Pool);
        let Some(id) = pools.first("name", pool) else { return Vec::new() };
        pools.text(id, "ranges").split(',').filter_map(Range::parse).collect()
    }

    fn pool_contains(&self, pool: &str, ip: Ipv4Addr) -> bool {
        self.pool_ranges(pool).iter().any(|range| range.contains(ip))
    }

    fn server_name(&self, server: Server) -> String {
        self.table(Place::Hotspot).text(server.id, "name")
    }

    pub(super) fn logs_in_by(&self, server: Server, method: &str) -> bool {
        let Some(profile) = server.profile else { return false };
        let methods = self.table(Place::HotspotProfile).text(profile, "login-by");
        methods.split(',').any(|other| other == method)
    }

    /// A packet of a machine arrived: its host row appears, and whatever lets it in without a
    /// question does so. An HTTP cookie needs a browser that asks for a page.
    pub(crate) fn see(&mut self, mac: MacAddress, ip: Ipv4Addr, browsing: bool) {
        let Some(server) = self.hotspot_server(ip) else { return };
        self.ensure_host(server, mac, ip);
        let Some(host) = self.hotspot.host_on(ip) else { return };
        if host.authorized || host.treatment != Treatment::Regular || host.mac != mac {
            return;
        }
        if self.logs_in_by(server, "mac-cookie") && self.login_by_cookie(server, mac, ip, true) {
            return;
        }
        if self.logs_in_by(server, "mac") && self.login_by_mac(server, mac, ip) {
            return;
        }
        if browsing && self.logs_in_by(server, "cookie") {
            self.login_by_cookie(server, mac, ip, false);
        }
    }

    fn ensure_host(&mut self, server: Server, mac: MacAddress, ip: Ipv4Addr) {
        match self.hotspot.host_on.get(&ip).copied() {
            Some(id) if self.hotspot.hosts.get(&id).is_some_and(|host| host.mac == mac) => return,
            // Somebody else has the address now.
            Some(id) => self.forget_host(id, Logout::Replaced),
            None => {}
        }
        // A second host with the same hardware address means that one of them is false.
        if self.hotspot.host_of.get(&mac).is_some_and(|hosts| !hosts.is_empty())
            && let Some(cookie) = self.hotspot.mac_cookie(mac, true)
        {
            self.forget_cookie(cookie);
        }
        self.hotspot.next += 1;
        let id = self.hotspot.next;
        let host = Host {
            mac,
            ip,
            server: self.server_name(server),
            authorized: false,
            treatment: self.treatment(mac, ip),
            since: self.now,
        };
        self.hotspot.hosts.insert(id, host);
        self.hotspot.host_of.entry(mac).or_default().insert(id);
        self.hotspot.host_on.insert(ip, id);
        self.tell_change(Spot::HotspotHost, id);
    }

    /// What the first matching binding says.
    pub(super) fn treatment(&self, mac: MacAddress, ip: Ipv4Addr) -> Treatment {
        let bindings = self.table(Place::HotspotBinding);
        let matching = bindings.ids().find(|id| self.binding_matches(*id, mac, ip));
        matching.map_or(Treatment::Regular, |id| match bindings.text(id, "type").as_str() {
            "bypassed" => Treatment::Bypassed,
            "blocked" => Treatment::Blocked,
            _ => Treatment::Regular,
        })
    }

    fn binding_matches(&self, id: Id, mac: MacAddress, ip: Ipv4Addr) -> bool {
        let bindings = self.table(Place::HotspotBinding);
        let (machine, address) = (bindings.text(id, "mac-address"), bindings.text(id, "address"));
        bindings.is_enabled(id)
            && !(machine.is_empty() && address.is_empty())
            && (machine.is_empty() || MacAddress::parse(&machine) == Some(mac))
            && (address.is_empty()
                || Range::parse(&address).is_some_and(|range| range.contains(ip)))
    }

    /// A new or changed binding takes hold of the hosts that are there. One that is taken away
    /// does not let go of them: that needs the host row to go.
    pub(super) fn apply_binding(&mut self, id: Id) {
        let hosts = self.hotspot.hosts.iter();
        let touched: Vec<Id> = hosts
            .filter(|(_, host)| self.binding_matches(id, host.mac, host.ip))
            .map(|(id, _)| *id)
            .collect();
        for host in touched {
            let Some(there) = self.hotspot.hosts.get(&host) else { continue };
            let treatment = self.treatment(there.mac, there.ip);
            if let Some(there) = self.hotspot.hosts.get_mut(&host) {
                there.treatment = treatment;
            }
            self.tell_change(Spot::HotspotHost, host);
        }
    }

    // --- logging in ---------------------------------------------------------------------------

    /// A login with name and password, by whatever way the machine or the administrator chose.
    pub(crate) fn log_in(
        &mut self,
        mac: MacAddress,
        ip: Ipv4Addr,
        user: &str,
        password: &str,
        by: LoginBy,
    ) -> Result<(), String> {
        let server = self.hotspot_server(ip).ok_or_else(|| format!("unknown host IP {ip}"))?;
        let method_allowed = match by {
            LoginBy::HttpPap => {
                self.logs_in_by(server, "http-pap") || self.logs_in_by(server, "https")
            }
            LoginBy::HttpChap => self.logs_in_by(server, "http-chap"),
            LoginBy::Trial => self.logs_in_by(server, "trial"),
            _ => true,
        };
        if !method_allowed {
            return Err("invalid username or password".to_owned());
        }
        if by == LoginBy::Trial {
            return self.log_in_on_trial(server, mac, ip);
        }
        match self.admit(server, mac, ip, user, password) {
            Ok(id) => {
                self.open_session(server, mac, ip, user, password, by, Some(id));
                Ok(())
            }
            Err(refusal) => {
                self.note("hotspot,info,debug", format!("{user} ({ip}): login failed: {refusal}"));
                if let Some(cookie) = self.hotspot.mac_cookie(mac, true) {
                    self.forget_cookie(cookie);
                }
                Err(refusal)
            }
        }
    }

    /// Whether these credentials would be let in, and as which user.
    fn admit(
        &self,
        server: Server,
        mac: MacAddress,
        ip: Ipv4Addr,
        user: &str,
        password: &str,
    ) -> Result<Id, String> {
        let users = self.table(Place::HotspotUser);
        let name = self.server_name(server);
        let here = |id: &Id| {
            matches!(users.text(*id, "server").as_str(), "" | "all")
                || users.is(*id, "server", &name)
        };
        let id = users.find("name", user).into_iter().find(here);
        let id = id.filter(|id| users.is_enabled(*id) && users.text(*id, "password") == password);
        let id = id.ok_or_else(|| "invalid username or password".to_owned())?;
        let bound = users.text(id, "mac-address");
        if !bound.is_empty() && bound != mac.to_string() && bound != "00:00:00:00:00:00" {
            return Err(format!("user {user} is not allowed to log in from this MAC address"));
        }
        match self.spent_limit(id, user) {
            Some(Logout::UptimeLimit) => {
                return Err(format!("user {user} has reached uptime limit"));
            }
            Some(_) => return Err(format!("user {user} has reached traffic limit")),
            None => {}
        }
        let profile = self.user_profile(id);
        let shared = profile
            .map(|profile| self.table(Place::HotspotUserProfile).text(profile, "shared-users"));
        let shared = shared.unwrap_or_default().parse::<usize>().unwrap_or(usize::MAX);
        let others = self
            .hotspot
            .active_of
            .get(user)
            .map_or(0, |ips| ips.iter().filter(|other| **other != ip).count());
        if others >= shared {
            return Err(format!("no more sessions are allowed for user {user}"));
        }
        if self.make.hotspot_sessions.is_some_and(|most| self.hotspot.actives.len() >= most) {
            return Err("session limit reached (1)".to_owned());
        }
        Ok(id)
    }

    fn user_profile(&self, user: Id) -> Option<Id> {
        let name = self.table(Place::HotspotUser).text(user, "profile");
        self.table(Place::HotspotUserProfile).first("name", &name)
    }

    fn login_by_cookie(
        &mut self,
        server: Server,
        mac: MacAddress,
        ip: Ipv4Addr,
        mac_cookie: bool,
    ) -> bool {
        let Some(id) = self.hotspot.mac_cookie(mac, mac_cookie) else { return false };
        let Some(cookie) = self.hotspot.cookies.get(&id) else { return false };
        let (user, password) = (cookie.user.clone(), cookie.password.clone());
        let by = if mac_cookie { LoginBy::MacCookie } else { LoginBy::Cookie };
        match self.admit(server, mac, ip, &user, &password) {
            Ok(found) => {
                self.open_session(server, mac, ip, &user, &password, by, Some(found));
                true
            }
            Err(refusal) => {
                self.note("hotspot,info,debug", format!("{user} ({ip}): login failed: {refusal}"));
                if mac_cookie {
                    self.forget_cookie(id);
                }
                false
            }
        }
    }

    fn login_by_mac(&mut self, server: Server, mac: MacAddress, ip: Ipv4Addr) -> bool {
        let (user, password) = (mac.to_string(), self.mac_password(server));
        let Ok(id) = self.admit(server, mac, ip, &user, &password) else { return false };
        self.open_session(server, mac, ip, &user, &password, LoginBy::Mac, Some(id));
        true
    }

    fn mac_password(&self, server: Server) -> String {
        let profiles = self.table(Place::HotspotProfile);
        server.profile.map(|id| profiles.text(id, "mac-auth-password")).unwrap_or_default()
    }

    fn log_in_on_trial(
        &mut self,
        server: Server,
        mac: MacAddress,
        ip: Ipv4Addr,
    ) -> Result<(), String> {
        if self.trial_left(server, mac) <= 0 {
            return Err("trial time is used up".to_owned());
        }
        let user = format!("T-{mac}");
        self.open_session(server, mac, ip, &user, "", LoginBy::Trial, None);
        Ok(())
    }

    fn trial_left(&self, server: Server, mac: MacAddress) -> i64 {
        let profiles = self.table(Place::HotspotProfile);
        let span =
            |name| server.profile.and_then(|id| duration(&profiles.text(id, name))).unwrap_or(0);
        let (used, since) = self.hotspot.trials.get(&mac).copied().unwrap_or((0, self.now));
        let over = self.now - since >= span("trial-uptime-reset");
        span("trial-uptime-limit") - if over { 0 } else { used }
    }

    /// Who would be let in by himself if a packet came now.
    pub(crate) fn would_log_in(&self, mac: MacAddress, ip: Ipv4Addr) -> Option<super::Way> {
        let server = self.hotspot_server(ip)?;
        for cookie in self.hotspot.cookies_of_machine(mac) {
            let method = if cookie.is_mac_cookie { "mac-cookie" } else { "cookie" };
            if self.logs_in_by(server, method)
                && self.admit(server, mac, ip, &cookie.user, &cookie.password).is_ok()
            {
                let user = cookie.user.clone();
                return Some(if cookie.is_mac_cookie {
                    super::Way::MacCookie { user }
                } else {
                    super::Way::Cookie { user }
                });
            }
        }
        let user = mac.to_string();
        let by_mac = self.logs_in_by(server, "mac")
            && self.admit(server, mac, ip, &user, &self.mac_password(server)).is_ok();
        by_mac.then_some(super::Way::MacLogin)
    }

    #[expect(clippy::too_many_arguments, reason = "a session is exactly this")]
    fn open_session(
        &mut self,
        server: Server,
        mac: MacAddress,
        ip: Ipv4Addr,
        user: &str,
        password: &str,
        by: LoginBy,
        user_id: Option<Id>,
    ) {
        self.ensure_host(server, mac, ip);
        if self.hotspot.actives.contains_key(&ip) {
            self.log_out(ip, Logout::Replaced);
        }
        let profile = match user_id {
            Some(id) => self.user_profile(id),
            None => self.table(Place::HotspotUserProfile).first("name", "default"),
        };
        let session = self.new_session(server, mac, ip, user, by, profile);
        self.leave_cookies(server, mac, user, password, by, profile);
        self.hotspot.actives.insert(ip, session);
        self.hotspot.active_of.entry(user.to_owned()).or_default().insert(ip);
        self.hotspot.active_at.entry(mac).or_default().insert(ip);
        self.authorize_host(ip, true);
        self.attach_to_session(ip, profile);
        self.note("hotspot,info,debug", format!("{user} ({ip}): logged in"));
        self.tell_change(Spot::HotspotActive, u32::from(ip).into());
        self.announce(mac, ip, user, Change::Connected { how: by.text().to_owned() });
        self.arm_user(user);
    }

    fn new_session(
        &self,
        server: Server,
        mac: MacAddress,
        ip: Ipv4Addr,
        user: &str,
        by: LoginBy,
        profile: Option<Id>,
    ) -> Active {
        let profiles = self.table(Place::HotspotUserProfile);
        let text = |name| profile.map(|id| profiles.text(id, name)).unwrap_or_default();
        let span = |name| duration(&text(name)).filter(|span| *span > 0);
        let trial = (by == LoginBy::Trial).then(|| self.trial_left(server, mac));
        let rate = self.people.rate_of(mac);
        Active {
            user: user.to_owned(),
            mac,
            ip,
            server: self.server_name(server),
            by,
            since: self.now,
            meter: Meter::running(rate, self.now),
            session_timeout: span("session-timeout").into_iter().chain(trial).min(),
            idle_timeout: span("idle-timeout"),
            keepalive_timeout: span("keepalive-timeout"),
            rate_limit: Some(text("rate-limit")).filter(|rate| !rate.is_empty()),
            with: Vec::new(),
            armed: None,
        }
    }

    /// Dynamic queue and address-list entry of a session.
    fn attach_to_session(&mut self, ip: Ipv4Addr, profile: Option<Id>) {
        let Some(active) = self.hotspot.actives.get(&ip) else { return };
        let (user, rate) = (active.user.clone(), active.rate_limit.clone());
        let profiles = self.table(Place::HotspotUserProfile);
        let list = profile.map(|id| profiles.text(id, "address-list")).unwrap_or_default();
        let mut with = Vec::new();
        let address = ip.to_string();
        if let Some(rate) = rate {
            let name = format!("<hotspot-{user}-{ip}>");
            let target = format!("{address}/32");
            let limit = rate.split_whitespace().next().unwrap_or("0/0").to_owned();
            let values = [("name", name.as_str()), ("target", &target), ("max-limit", &limit)];
            with.push((Place::SimpleQueue, self.add_dynamic(Place::SimpleQueue, &values)));
        }
        if !list.is_empty() {
            let values = [("list", list.as_str()), ("address", &address)];
            with.push((Place::AddressList, self.add_dynamic(Place::AddressList, &values)));
        }
        if let Some(active) = self.hotspot.actives.get_mut(&ip) {
            active.with = with;
        }
    }

    /// A login on the page leaves an HTTP cookie, every login with a name a MAC cookie.
    fn leave_cookies(
        &mut self,
        server: Server,
        mac: MacAddress,
        user: &str,
        password: &str,
        by: LoginBy,
        profile: Option<Id>,
    ) {
        let page = matches!(by, LoginBy::HttpPap | LoginBy::HttpChap | LoginBy::Cookie);
        if page && self.logs_in_by(server, "cookie") {
            let profiles = self.table(Place::HotspotProfile);
            let life =
                server.profile.and_then(|id| duration(&profiles.text(id, "http-cookie-lifetime")));
            self.bake(mac, user, password, false, life.unwrap_or(0));
        }
        let profiles = self.table(Place::HotspotUserProfile);
        let wanted = profile.is_some_and(|id| profiles.is(id, "add-mac-cookie", "true"));
        if wanted
            && self.logs_in_by(server, "mac-cookie")
            && !matches!(by, LoginBy::Mac | LoginBy::Trial)
        {
            let life = profile.and_then(|id| duration(&profiles.text(id, "mac-cookie-timeout")));
            self.bake(mac, user, password, true, life.unwrap_or(0));
        }
    }

    fn bake(
        &mut self,
        mac: MacAddress,
        user: &str,
        password: &str,
        is_mac_cookie: bool,
        life: i64,
    ) {
        if let Some(old) = self.hotspot.mac_cookie(mac, is_mac_cookie) {
            self.forget_cookie(old);
        }
        self.hotspot.next += 1;
        let id = self.hotspot.next;
        let ends = self.now + life;
        let cookie = Cookie {
            user: user.to_owned(),
            mac,
            password: password.to_owned(),
            is_mac_cookie,
            ends,
        };
        self.hotspot.cookies.insert(id, cookie);
        self.hotspot.cookie_of.entry(user.to_owned()).or_default().insert(id);
        self.hotspot.cookie_at.entry(mac).or_default().insert(id);
        self.at(ends, Deadline::Cookie(id));
        self.tell_change(Spot::HotspotCookie, id);
    }

    fn authorize_host(&mut self, ip: Ipv4Addr, authorized: bool) {
        let Some(id) = self.hotspot.host_on.get(&ip).copied() else { return };
        if let Some(host) = self.hotspot.hosts.get_mut(&id) {
            host.authorized = authorized;
        }
        self.tell_change(Spot::HotspotHost, id);
    }

    // --- logging out --------------------------------------------------------------------------

    pub(crate) fn log_out(&mut self, ip: Ipv4Addr, why: Logout) {
        let Some(active) = self.hotspot.actives.remove(&ip) else { return };
        forget(&mut self.hotspot.active_of, &active.user, &ip);
        forget(&mut self.hotspot.active_at, &active.mac, &ip);
        self.add_usage(&active);
        for (place, id) in &active.with {
            self.drop_item(*place, *id);
        }
        if why.kills_mac_cookie()
            && why != Logout::Replaced
            && let Some(cookie) = self.hotspot.mac_cookie(active.mac, true)
        {
            self.forget_cookie(cookie);
        }
        self.authorize_host(ip, false);
        self.note(
            "hotspot,info,debug",
            format!("{} ({ip}): logged out: {}", active.user, why.text()),
        );
        self.tell_dead(Spot::HotspotActive, u32::from(ip).into());
        self.announce(
            active.mac,
            ip,
            &active.user,
            Change::Disconnected { why: why.text().to_owned() },
        );
        self.arm_user(&active.user);
        self.expect_packet(active.mac);
    }

    fn add_usage(&mut self, active: &Active) {
        let uptime = self.now - active.since;
        if active.by == LoginBy::Trial {
            let since = self.hotspot.trials.entry(active.mac).or_insert((0, active.since));
            since.0 += uptime;
            return;
        }
        let Some(user) = self.table(Place::HotspotUser).first("name", &active.user) else { return };
        let traffic = active.traffic(self.now);
        let usage = self.hotspot.usage.entry(user).or_default();
        usage.uptime += uptime;
        usage.traffic = usage.traffic.plus(traffic);
    }

    /// An attached machine does not stay silent for long.
    pub(super) fn expect_packet(&mut self, mac: MacAddress) {
        if self.people.is_attached(mac) {
            let at = self.now + BACKGROUND;
            self.at(at, Deadline::Packet(mac.0));
        }
    }

    pub(super) fn background_packet(&mut self, mac: MacAddress) {
        if let Some((ip, busy)) = self.people.attached(mac) {
            self.see(mac, ip, busy);
        }
    }

    pub(super) fn forget_cookie(&mut self, id: Id) {
        let Some(cookie) = self.hotspot.cookies.remove(&id) else { return };
        forget(&mut self.hotspot.cookie_of, &cookie.user, &id);
        forget(&mut self.hotspot.cookie_at, &cookie.mac, &id);
        self.tell_dead(Spot::HotspotCookie, id);
    }

    pub(super) fn forget_host(&mut self, id: Id, why: Logout) {
        let Some(host) = self.hotspot.hosts.get(&id) else { return };
        let (mac, ip) = (host.mac, host.ip);
        if host.authorized {
            self.log_out(ip, why);
        }
        self.hotspot.hosts.remove(&id);
        forget(&mut self.hotspot.host_of, &mac, &id);
        self.hotspot.host_on.remove(&ip);
        self.tell_dead(Spot::HotspotHost, id);
        self.expect_packet(mac);
    }

    pub(super) fn remove_active(&mut self, id: Id) -> Result<(), Trap> {
        let ip = u32::try_from(id).map(Ipv4Addr::from).map_err(|_| Trap::no_such_item())?;
        if !self.hotspot.actives.contains_key(&ip) {
            return Err(Trap::no_such_item());
        }
        self.log_out(ip, Logout::AdminReset);
        Ok(())
    }

    pub(super) fn remove_host(&mut self, id: Id) -> Result<(), Trap> {
        if !self.hotspot.hosts.contains_key(&id) {
            return Err(Trap::no_such_item());
        }
        self.forget_host(id, Logout::AdminReset);
        Ok(())
    }

    pub(super) fn remove_cookie(&mut self, id: Id) -> Result<(), Trap> {
        if !self.hotspot.cookies.contains_key(&id) {
            return Err(Trap::no_such_item());
        }
        self.forget_cookie(id);
        Ok(())
    }

    // --- limits -------------------------------------------------------------------------------

    /// Which limit of a user is used up, counting his past and his present sessions.
    fn spent_limit(&self, id: Id, user: &str) -> Option<Logout> {
        let due = self.limit_due(id, user)?;
        (due.0 <= self.now).then_some(due.1)
    }

    /// When the first limit of a user will be used up if everything goes on as it does.
    fn limit_due(&self, id: Id, user: &str) -> Option<(i64, Logout)> {
        let users = self.table(Place::HotspotUser);
        let past = self.hotspot.usage_of(id);
        let (mut uptime, mut traffic, mut rate, mut sessions) =
            (past.uptime, past.traffic, Traffic::default(), 0);
        for ip in self.hotspot.active_of.get(user).into_iter().flatten() {
            let Some(active) = self.hotspot.actives.get(ip) else { continue };
            uptime += self.now - active.since;
            traffic = traffic.plus(active.traffic(self.now));
            rate = rate.plus(active.meter.rate());
            sessions += 1;
        }
        let limit =
            |name: &str| values::parse_bytes(&users.text(id, name)).filter(|limit| *limit > 0);
        let bytes = |name: &str, used: u64, rate: u64| {
            let at = reached_at(self.now, limit(name)?.saturating_sub(used), rate)?;
            Some((at, Logout::TrafficLimit))
        };
        let time = duration(&users.text(id, "limit-uptime")).filter(|limit| *limit > 0).and_then(
            |limit| {
                let left = (limit - uptime).max(0);
                let at = if left == 0 {
                    Some(self.now)
                } else {
                    (sessions > 0).then(|| self.now + ceil_div(left, sessions))
                };
                Some((at?, Logout::UptimeLimit))
            },
        );
        [
            time,
            bytes("limit-bytes-in", traffic.bytes_in, rate.bytes_in),
            bytes("limit-bytes-out", traffic.bytes_out, rate.bytes_out),
            bytes("limit-bytes-total", traffic.total(), rate.total()),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }

    fn session_due(&self, ip: Ipv4Addr) -> Option<(i64, Logout)> {
        let active = self.hotspot.actives.get(&ip)?;
        let user = self.table(Place::HotspotUser).first("name", &active.user);
        let limit = user.and_then(|id| self.limit_due(id, &active.user));
        let timeout =
            active.session_timeout.map(|span| (active.since + span, Logout::SessionTimeout));
        let silent = self.people.silent_since(active.mac);
        let quiet = |span: Option<i64>, why| Some((silent?.max(active.since) + span?, why));
        let idle = quiet(active.idle_timeout, Logout::IdleTimeout);
        let keepalive = quiet(active.keepalive_timeout, Logout::KeepaliveTimeout);
        [limit, timeout, idle, keepalive].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Sets the alarms of all sessions of a user anew.
    pub(super) fn arm_user(&mut self, user: &str) {
        let ips: Vec<Ipv4Addr> =
            self.hotspot.active_of.get(user).into_iter().flatten().copied().collect();
        for ip in ips {
            self.arm_session(ip);
        }
    }

    pub(super) fn arm_session(&mut self, ip: Ipv4Addr) {
        let due = self.session_due(ip).map(|(at, _)| at.max(self.now));
        let Some(active) = self.hotspot.actives.get_mut(&ip) else { return };
        if active.armed == due {
            return;
        }
        active.armed = due;
        if let Some(at) = due {
            self.at(at, Deadline::Session(ip));
        }
    }

    pub(super) fn check_session(&mut self, ip: Ipv4Addr) {
        // A later alarm was set since: this one is stale.
        if self
            .hotspot
            .actives
            .get(&ip)
            .is_none_or(|active| active.armed.is_none_or(|at| at > self.now))
        {
            return;
        }
        match self.session_due(ip) {
            Some((at, why)) if at <= self.now => self.log_out(ip, why),
            _ => {
                if let Some(active) = self.hotspot.actives.get_mut(&ip) {
                    active.armed = None;
                }
                self.arm_session(ip);
            }
        }
    }

    pub(super) fn check_cookie(&mut self, id: Id) {
        if self.hotspot.cookies.get(&id).is_some_and(|cookie| cookie.ends <= self.now) {
            self.forget_cookie(id);
        }
    }

    /// A host whose machine went away is forgotten after the server's idle timeout.
    pub(super) fn check_host(&mut self, id: Id) {
        let Some(host) = self.hotspot.hosts.get(&id) else { return };
        let Some(silent) = self.people.silent_since(host.mac) else { return };
        let servers = self.table(Place::Hotspot);
        let server = servers.first("name", &host.server);
        let idle = server.and_then(|id| duration(&servers.text(id, "idle-timeout")));
        if idle.is_some_and(|idle| silent + idle <= self.now) {
            self.forget_host(id, Logout::IdleTimeout);
        }
    }

    /// A machine fell silent: from now on idleness counts.
    pub(super) fn hush(&mut self, mac: MacAddress) {
        for id in self.hotspot.host_of.get(&mac).cloned().unwrap_or_default() {
            let servers = self.table(Place::Hotspot);
            let server =
                self.hotspot.hosts.get(&id).and_then(|host| servers.first("name", &host.server));
            let idle = server.and_then(|id| duration(&servers.text(id, "idle-timeout")));
            if let Some(idle) = idle {
                self.at(self.now + idle, Deadline::Host(id));
            }
        }
        for ip in self.hotspot.active_at.get(&mac).cloned().unwrap_or_default() {
            self.arm_session(ip);
        }
    }

    pub(crate) fn reset_counters(&mut self, user: Id) {
        self.hotspot.usage.remove(&user);
        let name = self.table(Place::HotspotUser).text(user, "name");
        self.arm_user(&name);
    }

    /// `/ip/hotspot/host/make-binding`: a binding with the host's address.
    pub(crate) fn make_binding(&mut self, host: Id, kind: &str) -> Result<Id, Trap> {
        let host = self.hotspot.hosts.get(&host).ok_or_else(Trap::no_such_item)?;
        let (mac, ip) = (host.mac.to_string(), host.ip.to_string());
        let values: [super::items::Attribute<'_>; 3] = [
            ("mac-address", Some(mac.as_bytes())),
            ("address", Some(ip.as_bytes())),
            ("type", Some(kind.as_bytes())),
        ];
        self.add(Spot::Table(Place::HotspotBinding), &values)
    }

    // --- rows ---------------------------------------------------------------------------------

    pub(super) fn active_row(&self, id: Id, row: &mut Row) -> Option<()> {
        let active = self.hotspot.actives.get(&u32::try_from(id).ok()?.into())?;
        let traffic = active.traffic(self.now);
        row.push("server", active.server.as_str());
        row.push("user", active.user.as_str());
        row.push("address", active.ip.to_string());
        row.push("mac-address", active.mac.to_string());
        row.push("login-by", active.by.text());
        row.push("uptime", duration_text(self.now - active.since));
        let left = self
            .session_due(active.ip)
            .filter(|(_, why)| matches!(why, Logout::SessionTimeout | Logout::UptimeLimit));
        if let Some((at, _)) = left {
            row.push("session-time-left", duration_text(at - self.now));
        }
        let silent = self.people.silent_since(active.mac).map_or(0, |since| self.now - since);
        row.push("idle-time", duration_text(silent));
        if let Some(keepalive) = active.keepalive_timeout {
            row.push("keepalive-timeout", duration_text(keepalive));
        }
        row.push("bytes-in", traffic.bytes_in.to_string());
        row.push("bytes-out", traffic.bytes_out.to_string());
        row.push("packets-in", (traffic.bytes_in / 1_000).to_string());
        row.push("packets-out", (traffic.bytes_out / 1_000).to_string());
        let users = self.table(Place::HotspotUser);
        if let Some(user) = users.first("name", &active.user) {
            for name in ["limit-bytes-in", "limit-bytes-out", "limit-bytes-total"] {
                if let Some(limit) = users.value(user, name) {
                    row.push(name, limit.into_owned());
                }
            }
        }
        row.push("radius", "false");
        Some(())
    }

    pub(super) fn host_row(&self, id: Id, row: &mut Row) -> Option<()> {
        let host = self.hotspot.hosts.get(&id)?;
        row.push("mac-address", host.mac.to_string());
        row.push("address", host.ip.to_string());
        row.push("to-address", host.ip.to_string());
        row.push("server", host.server.as_str());
        row.push("uptime", duration_text(self.now - host.since));
        let silent = self.people.silent_since(host.mac).map_or(0, |since| self.now - since);
        row.push("idle-time", duration_text(silent));
        row.push("authorized", host.authorized.to_string());
        row.push("bypassed", (host.treatment == Treatment::Bypassed).to_string());
        row.push("blocked", (host.treatment == Treatment::Blocked).to_string());
        row.push("DHCP", "true");
        row.push("bridge-port", "ether2");
        Some(())
    }

    pub(super) fn cookie_row(&self, id: Id, row: &mut Row) -> Option<()> {
        let cookie = self.hotspot.cookies.get(&id)?;
        row.push("user", cookie.user.as_str());
        row.push("mac-address", cookie.mac.to_string());
        row.push("expires-in", duration_text(cookie.ends - self.now));
        row.push("mac-cookie", cookie.is_mac_cookie.to_string());
        Some(())
    }
}

fn ceil_div(left: i64, parts: i64) -> i64 {
    (left + parts - 1) / parts
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
