//! Owns PPP: sessions, and the clients that redial within seconds whatever happens to them.
//! (MikroTik manual, "PPP AAA" and "PPPoE".)

mod radius;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;

use lango_routeros::values::{self, MacAddress};

use super::items::Spot;
use super::menus::Place;
use super::meter::{Meter, Traffic, reached_at};
use super::people::Change;
use super::radius::RadiusSession;
use super::row::Row;
use super::table::Id;
use super::trap::Trap;
use super::units::{SECOND, duration, duration_text};
use super::{Deadline, World};

/// How soon a client tries again.
const REDIAL: i64 = 3 * SECOND;

/// First session number; the router shows them as eight hex digits.
const SESSION_BASE: u64 = 0x8110_0000;

#[derive(Debug, Default)]
pub(crate) struct Ppp {
    pub(crate) sessions: BTreeMap<Id, Session>,
    dialers: HashMap<MacAddress, Dialer>,
    by_name: HashMap<String, BTreeSet<Id>>,
    by_ip: HashMap<Ipv4Addr, Id>,
    /// Clients that will be refused at every attempt until something changes, by name. Their
    /// attempts in between are not acted out: a month of them would take minutes.
    refused: BTreeMap<String, BTreeSet<MacAddress>>,
    next: Id,
    next_host: u32,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) name: String,
    pub(crate) mac: MacAddress,
    pub(crate) ip: Ipv4Addr,
    since: i64,
    meter: Meter,
    session_timeout: Option<i64>,
    idle_timeout: Option<i64>,
    /// Since when nothing passes; `None` while something does.
    quiet_since: Option<i64>,
    limit: Traffic,
    pub(crate) rate_limit: Option<String>,
    address_list: Option<String>,
    /// What RADIUS said, if it let this one in.
    pub(crate) radius: Option<Box<RadiusSession>>,
    with: Vec<(Place, Id)>,
    /// The client vanished at this instant without hanging up; keepalive has not noticed yet.
    vanished: Option<i64>,
    armed: Option<i64>,
}

/// A client: it wants to be online and keeps dialling.
#[derive(Debug)]
struct Dialer {
    name: String,
    password: String,
    session: Option<Id>,
    /// The question that RADIUS has not answered yet.
    asking: Option<u64>,
    tried_at: i64,
    last_error: Option<String>,
}

/// By whose word a client is let in.
enum Admission {
    Secret(Id),
    /// With the profile that counts.
    Radius(Box<RadiusSession>, Option<Id>),
}

impl Ppp {
    pub(crate) fn sessions_of(&self, name: &str) -> Vec<Id> {
        self.by_name.get(name).into_iter().flatten().copied().collect()
    }

    pub(crate) fn sessions_on(&self, ip: &str) -> Vec<Id> {
        ip.parse().ok().and_then(|ip: Ipv4Addr| self.by_ip.get(&ip)).copied().into_iter().collect()
    }

    pub(crate) fn session_on(&self, ip: Ipv4Addr) -> Option<&Session> {
        self.by_ip.get(&ip).and_then(|id| self.sessions.get(id))
    }

    pub(crate) fn address_of(&self, mac: MacAddress) -> Option<Ipv4Addr> {
        let session = self.dialers.get(&mac)?.session?;
        self.sessions.get(&session).map(|session| session.ip)
    }

    /// Whether this machine gets its address by dialling.
    pub(crate) fn dials(&self, mac: MacAddress) -> bool {
        self.dialers.contains_key(&mac)
    }

    pub(crate) fn last_error(&self, mac: MacAddress) -> Option<String> {
        self.dialers.get(&mac)?.last_error.clone()
    }

    pub(crate) fn forget_live(&mut self) -> Vec<MacAddress> {
        self.sessions.clear();
        self.by_name.clear();
        self.by_ip.clear();
        for dialer in self.dialers.values_mut() {
            dialer.session = None;
            dialer.asking = None;
        }
        let mut waiting: Vec<MacAddress> = self.dialers.keys().copied().collect();
        waiting.sort_unstable();
        waiting
    }
}

impl Session {
    /// What RADIUS says wins over what the profile says.
    fn obey(&mut self, mut radius: Box<RadiusSession>) {
        radius.facts.ip = Some(self.ip);
        let grant = &radius.grant;
        self.session_timeout = grant.session_timeout.or(self.session_timeout);
        self.idle_timeout = grant.idle_timeout;
        self.rate_limit = grant.rate_limit.clone().or(self.rate_limit.take());
        self.address_list = grant.address_list.clone().or(self.address_list.take());
        self.radius = Some(radius);
    }
}

impl World {
    /// A client is switched on; it dials now and again after every failure or hang-up.
    pub(crate) fn dial(&mut self, mac: MacAddress, name: &str, password: &str) {
        let (name, password) = (name.to_owned(), password.to_owned());
        self.hang_up(mac);
        let dialer = Dialer {
            name,
            password,
            session: None,
            asking: None,
            tried_at: self.now,
            last_error: None,
        };
        self.ppp.dialers.insert(mac, dialer);
        self.try_dial(mac);
    }

    /// A client is switched off properly.
    pub(crate) fn hang_up(&mut self, mac: MacAddress) {
        let Some(dialer) = self.ppp.dialers.remove(&mac) else { return };
        if let Some(session) = dialer.session {
            self.end_ppp_session(session, "peer-request");
        }
    }

    /// A client loses power: the router learns it from keepalive, ten seconds twice.
    pub(crate) fn vanish(&mut self, mac: MacAddress) {
        let Some(dialer) = self.ppp.dialers.remove(&mac) else { return };
        let now = self.now;
        if let Some(id) = dialer.session
            && let Some(session) = self.ppp.sessions.get_mut(&id)
        {
            session.vanished = Some(now);
            self.arm_ppp_session(id);
        }
    }

    pub(crate) fn dial_error(&self, mac: MacAddress) -> Option<String> {
        self.ppp.last_error(mac)
    }

    pub(super) fn try_dial(&mut self, mac: MacAddress) {
        let Some(dialer) = self.ppp.dialers.get(&mac) else { return };
        if dialer.session.is_some() || dialer.asking.is_some() {
            return;
        }
        let (name, password) = (dialer.name.clone(), dialer.password.clone());
        if self.asks_radius_about(&name) {
            return self.dial_by_radius(mac, &name, &password);
        }
        let outcome = self.authenticate(mac, &name, &password);
        let outcome =
            outcome.map(|secret| self.open_ppp_session(mac, &name, Admission::Secret(secret)));
        if let Err(refusal) = &outcome {
            self.note("pppoe,ppp,error", format!("<{name}>: {refusal}"));
            self.ppp.refused.entry(name.clone()).or_default().insert(mac);
        }
        let now = self.now;
        if let Some(dialer) = self.ppp.dialers.get_mut(&mac) {
            dialer.tried_at = now;
            dialer.last_error = outcome.as_ref().err().cloned();
            dialer.session = outcome.ok();
        }
    }

    fn dial_by_radius(&mut self, mac: MacAddress, name: &str, password: &str) {
        let asked = self.ask_about_client(mac, name, password);
        let now = self.now;
        if let Some(dialer) = self.ppp.dialers.get_mut(&mac) {
            dialer.tried_at = now;
            dialer.asking = asked.as_ref().ok().copied();
        }
        if let Err(refusal) = asked {
            // It is written down at the dialer.
            let _ = self.dialled_by_radius(mac, Err(refusal));
        }
    }

    /// Something changed for this name, or for all: refused clients try at their next attempt.
    pub(super) fn let_retry(&mut self, name: Option<&str>) {
        let waiting: Vec<MacAddress> = match name {
            Some(name) => self.ppp.refused.remove(name).into_iter().flatten().collect(),
            None => std::mem::take(&mut self.ppp.refused).into_values().flatten().collect(),
        };
        for mac in waiting {
            let Some(dialer) = self.ppp.dialers.get(&mac) else { continue };
            let attempts = (self.now - dialer.tried_at) / REDIAL + 1;
            self.at(dialer.tried_at + attempts * REDIAL, Deadline::Dial(mac.0));
        }
    }

    fn authenticate(&self, mac: MacAddress, name: &str, password: &str) -> Result<Id, String> {
        let servers = self.table(Place::PppoeServer);
        if !servers.ids().any(|id| servers.is_enabled(id)) {
            return Err("no PPPoE server answers".to_owned());
        }
        let secrets = self.table(Place::PppSecret);
        let secret = secrets.first("name", name).filter(|id| {
            secrets.is_enabled(*id)
                && secrets.text(*id, "password") == password
                && matches!(secrets.text(*id, "service").as_str(), "any" | "pppoe")
        });
        let secret = secret.ok_or("user authentication failed")?;
        let caller = secrets.text(secret, "caller-id");
        // Compared as text: the manual wants capitals.
        if !caller.is_empty() && caller != mac.to_string() {
            return Err("user authentication failed - wrong caller-id".to_owned());
        }
        let taken = self.ppp.by_name.get(name).is_some_and(|sessions| !sessions.is_empty());
        let profile = self.profile_of(secret);
        if taken && self.table(Place::PppProfile).is(profile.unwrap_or(0), "only-one", "yes") {
            return Err("user is already active".to_owned());
        }
        Ok(secret)
    }

    fn profile_of(&self, secret: Id) -> Option<Id> {
        let name = self.table(Place::PppSecret).text(secret, "profile");
        self.table(Place::PppProfile).first("name", &name)
    }

    fn open_ppp_session(&mut self, mac: MacAddress, name: &str, admission: Admission) -> Id {
        let profile = match &admission {
            Admission::Secret(secret) => self.profile_of(*secret),
            Admission::Radius(_, profile) => *profile,
        };
        let ip = self.ppp_address(&admission, profile);
        let stale = self.ppp.by_ip.get(&ip).copied();
        if let Some(stale) = stale {
            self.end_ppp_session(stale, "address-taken");
        }
        let profiles = self.table(Place::PppProfile);
        let text = |field| profile.map(|id| profiles.text(id, field)).unwrap_or_default();
        let some = |field| Some(text(field)).filter(|text: &String| !text.is_empty());
        let mut session = Session {
            name: name.to_owned(),
            mac,
            ip,
            since: self.now,
            meter: Meter::running(self.people.rate_of(mac), self.now),
            session_timeout: duration(&text("session-timeout")).filter(|span| *span > 0),
            idle_timeout: None,
            quiet_since: Some(self.now),
            limit: Traffic::default(),
            rate_limit: some("rate-limit"),
            address_list: some("address-list"),
            radius: None,
            with: Vec::new(),
            vanished: None,
            armed: None,
        };
        if session.meter.rate() != Traffic::default() {
            session.quiet_since = None;
        }
        match admission {
            Admission::Secret(secret) => {
                let secrets = self.table(Place::PppSecret);
                let bytes = |field| values::parse_bytes(&secrets.text(secret, field)).unwrap_or(0);
                session.limit.bytes_in = bytes("limit-bytes-in");
                session.limit.bytes_out = bytes("limit-bytes-out");
                let caller = mac.to_string();
                self.table_mut(Place::PppSecret).put_named(secret, "last-caller-id", &caller);
            }
            Admission::Radius(radius, _) => session.obey(radius),
        }
        session.with = self.ppp_extras(&session);
        self.ppp.next += 1;
        let id = self.ppp.next;
        self.ppp.sessions.insert(id, session);
        self.ppp.by_name.entry(name.to_owned()).or_default().insert(id);
        self.ppp.by_ip.insert(ip, id);
        self.note("pppoe,ppp,info,account", format!("{name} logged in, {ip}"));
        self.tell_change(Spot::PppActive, id);
        self.announce(mac, ip, name, Change::Connected { how: "pppoe".to_owned() });
        self.begin_ppp_accounting(id);
        self.arm_ppp_session(id);
        id
    }

    /// Interface, queue and list entry that live as long as the session.
    fn ppp_extras(&mut self, session: &Session) -> Vec<(Place, Id)> {
        let interface = format!("<pppoe-{}>", session.name);
        let values = [("name", interface.as_str()), ("type", "pppoe-in")];
        let mut with = vec![(Place::Interface, self.add_dynamic(Place::Interface, &values))];
        let rate = session.rate_limit.as_deref().unwrap_or_default();
        let list = session.address_list.as_deref().unwrap_or_default();
        with.extend(self.ppp_queue_and_list(&session.name, session.ip, rate, list));
        with
    }

    fn ppp_queue_and_list(
        &mut self,
        name: &str,
        ip: Ipv4Addr,
        rate: &str,
        list: &str,
    ) -> Vec<(Place, Id)> {
        let interface = format!("<pppoe-{name}>");
        let mut with = Vec::new();
        let address = ip.to_string();
        if !rate.is_empty() {
            let limit = rate.split_whitespace().next().unwrap_or("0/0");
            let values =
                [("name", interface.as_str()), ("target", &interface), ("max-limit", limit)];
            with.push((Place::SimpleQueue, self.add_dynamic(Place::SimpleQueue, &values)));
        }
        if !list.is_empty() {
            let values = [("list", list), ("address", address.as_str())];
            with.push((Place::AddressList, self.add_dynamic(Place::AddressList, &values)));
        }
        with
    }

    /// What RADIUS gave or the secret's address, else the profile's address or the next of its pool.
    fn ppp_address(&mut self, admission: &Admission, profile: Option<Id>) -> Ipv4Addr {
        let own = match admission {
            Admission::Secret(secret) => {
                self.table(Place::PppSecret).text(*secret, "remote-address")
            }
            Admission::Radius(session, _) => match (session.grant.ip, &session.grant.pool) {
                (Some(ip), _) => return ip,
                (None, pool) => pool.clone().unwrap_or_default(),
            },
        };
        let profiles = self.table(Place::PppProfile);
        let from_profile =
            profile.map(|id| profiles.text(id, "remote-address")).unwrap_or_default();
        let source = if own.is_empty() { from_profile } else { own };
        if let Ok(ip) = source.parse() {
            return ip;
        }
        let ranges = self.pool_ranges(if source.is_empty() { "ppp-pool" } else { &source });
        let Some(range) = ranges.first() else { return Ipv4Addr::new(10, 255, 255, 254) };
        let size = range.last - range.first + 1;
        for _ in 0..size {
            let ip = Ipv4Addr::from(range.first + self.ppp.next_host % size);
            self.ppp.next_host += 1;
            if !self.ppp.by_ip.contains_key(&ip) {
                return ip;
            }
        }
        Ipv4Addr::from(range.last)
    }

    pub(super) fn end_ppp_session(&mut self, id: Id, why: &str) {
        let Some(session) = self.ppp.sessions.remove(&id) else { return };
        if let Some(ids) = self.ppp.by_name.get_mut(&session.name) {
            ids.remove(&id);
            if ids.is_empty() {
                self.ppp.by_name.remove(&session.name);
            }
        }
        self.ppp.by_ip.remove(&session.ip);
        for (place, id) in &session.with {
            self.drop_item(*place, *id);
        }
        self.end_ppp_accounting(&session, why);
        self.let_retry(Some(&session.name));
        let when = self.wall_text(self.wall());
        let secrets = self.table_mut(Place::PppSecret);
        if let Some(secret) = secrets.first("name", &session.name) {
            secrets.put_named(secret, "last-logged-out", &when);
            secrets.put_named(secret, "last-disconnect-reason", why);
        }
        self.note("pppoe,ppp,info,account", format!("{} logged out", session.name));
        self.tell_dead(Spot::PppActive, id);
        self.announce(
            session.mac,
            session.ip,
            &session.name,
            Change::Disconnected { why: why.to_owned() },
        );
        if let Some(dialer) = self.ppp.dialers.get_mut(&session.mac)
            && dialer.session == Some(id)
        {
            dialer.session = None;
            self.at(self.now + REDIAL, Deadline::Dial(session.mac.0));
        }
    }

    pub(super) fn remove_ppp_session(&mut self, id: Id) -> Result<(), Trap> {
        if !self.ppp.sessions.contains_key(&id) {
            return Err(Trap::no_such_item());
        }
        self.end_ppp_session(id, "admin-reset");
        Ok(())
    }

    fn ppp_due(&self, id: Id) -> Option<(i64, &'static str)> {
        let session = self.ppp.sessions.get(&id)?;
        let (used, rate) = (session.meter.read(self.now), session.meter.rate());
        let bytes = |limit: u64, used: u64, rate: u64| {
            let left = (limit > 0).then(|| limit.saturating_sub(used))?;
            Some((reached_at(self.now, left, rate)?, "traffic-limit"))
        };
        let granted = session.radius.as_ref().and_then(|radius| {
            let at = radius.grant.limits.reached_at(self.now, used, rate)?;
            Some((at, "traffic-limit"))
        });
        let idle = || Some((session.quiet_since? + session.idle_timeout?, "idle-timeout"));
        let timeout = session.session_timeout.map(|span| (session.since + span, "session-timeout"));
        let servers = self.table(Place::PppoeServer);
        let keepalive =
            servers.ids().next().and_then(|id| servers.text(id, "keepalive-timeout").parse().ok());
        let gone = session
            .vanished
            .map(|at| (at + 2 * keepalive.unwrap_or(10) * SECOND, "peer-not-responding"));
        [
            timeout,
            gone,
            granted,
            idle(),
            bytes(session.limit.bytes_in, used.bytes_in, rate.bytes_in),
            bytes(session.limit.bytes_out, used.bytes_out, rate.bytes_out),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }

    pub(super) fn arm_ppp_session(&mut self, id: Id) {
        let due = self.ppp_due(id).map(|(at, _)| at.max(self.now));
        let Some(session) = self.ppp.sessions.get_mut(&id) else { return };
        if session.armed == due {
            return;
        }
        session.armed = due;
        if let Some(at) = due {
            self.at(at, Deadline::PppSession(id));
        }
    }

    pub(super) fn check_ppp_session(&mut self, id: Id) {
        // A later alarm was set since: this one is stale.
        if self
            .ppp
            .sessions
            .get(&id)
            .is_none_or(|session| session.armed.is_none_or(|at| at > self.now))
        {
            return;
        }
        match self.ppp_due(id) {
            Some((at, why)) if at <= self.now => self.end_ppp_session(id, why),
            _ => {
                if let Some(session) = self.ppp.sessions.get_mut(&id) {
                    session.armed = None;
                }
                self.arm_ppp_session(id);
            }
        }
    }

    pub(super) fn ppp_traffic(&mut self, mac: MacAddress, change: impl FnOnce(&mut Meter, i64)) {
        let id = self.ppp.dialers.get(&mac).and_then(|dialer| dialer.session);
        let now = self.now;
        if let Some(id) = id
            && let Some(session) = self.ppp.sessions.get_mut(&id)
        {
            change(&mut session.meter, now);
            let is_quiet = session.meter.rate() == Traffic::default();
            session.quiet_since = is_quiet.then_some(now);
            self.arm_ppp_session(id);
        }
    }

    pub(super) fn ppp_row(&self, id: Id, row: &mut Row) -> Option<()> {
        let session = self.ppp.sessions.get(&id)?;
        row.push("name", session.name.as_str());
        row.push("service", "pppoe");
        row.push("caller-id", session.mac.to_string());
        row.push("address", session.ip.to_string());
        row.push("uptime", duration_text(self.now - session.since));
        row.push("encoding", "");
        let shown = match &session.radius {
            Some(radius) => format!("0x{}", radius.facts.session_id.to_uppercase()),
            None => format!("0x{:X}", SESSION_BASE + id),
        };
        row.push("session-id", shown);
        let granted = session.radius.as_ref().map(|radius| radius.grant.limits).unwrap_or_default();
        let (received, sent) = (granted.received, granted.sent);
        row.push("limit-bytes-in", received.unwrap_or(session.limit.bytes_in).to_string());
        row.push("limit-bytes-out", sent.unwrap_or(session.limit.bytes_out).to_string());
        row.push("radius", session.radius.is_some().to_string());
        Some(())
    }
}
