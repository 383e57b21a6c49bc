//! Owns the ways in: page, cookie, hardware address, trial, and the administrator's command.

use std::net::Ipv4Addr;

use lango_routeros::values::MacAddress;

use super::{Active, Cookie, LoginBy, Logout, Server};
use crate::world::items::Spot;
use crate::world::menus::Place;
use crate::world::meter::Meter;
use crate::world::people::Change;
use crate::world::radius::RadiusSession;
use crate::world::table::Id;
use crate::world::units::duration;
use crate::world::{Deadline, Way, World};

/// What came of an attempt to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    In,
    /// RADIUS is asked; the number of the question.
    Asked(u64),
}

/// By whose word somebody is let in.
pub(super) enum Admission {
    User(Id),
    Trial,
    /// With the user profile that counts.
    Radius(Box<RadiusSession>, Option<Id>),
}

impl World {
    /// A login with name and password, by whatever way the machine or the administrator chose.
    pub(crate) fn log_in(
        &mut self,
        mac: MacAddress,
        ip: Ipv4Addr,
        user: &str,
        password: &str,
        by: LoginBy,
    ) -> Result<Login, String> {
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
            return self.log_in_on_trial(server, mac, ip).map(|()| Login::In);
        }
        if self.asks_radius(server, user) {
            return self.ask_about_guest(server, mac, ip, user, password, by).map(Login::Asked);
        }
        match self.admit(server, mac, ip, user, password) {
            Ok(id) => {
                self.open_session(server, mac, ip, user, password, by, Admission::User(id));
                Ok(Login::In)
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
    pub(super) fn admit(
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
        self.check_room(user, ip, shared)?;
        Ok(id)
    }

    /// Whether there is room for one more session, of this user and at all.
    pub(super) fn check_room(&self, user: &str, ip: Ipv4Addr, shared: usize) -> Result<(), String> {
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
        Ok(())
    }

    pub(super) fn user_profile(&self, user: Id) -> Option<Id> {
        let name = self.table(Place::HotspotUser).text(user, "profile");
        self.table(Place::HotspotUserProfile).first("name", &name)
    }

    pub(super) fn login_by_cookie(
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
        if self.asks_radius(server, &user) {
            return self.ask_about_guest(server, mac, ip, &user, &password, by).is_ok();
        }
        match self.admit(server, mac, ip, &user, &password) {
            Ok(found) => {
                self.open_session(server, mac, ip, &user, &password, by, Admission::User(found));
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

    pub(super) fn login_by_mac(&mut self, server: Server, mac: MacAddress, ip: Ipv4Addr) -> bool {
        let name = self.mac_name(server, mac);
        if self.asks_radius(server, &name) && self.asks_radius(server, &mac.to_string()) {
            let password = self.mac_password(server, &name);
            return self.ask_about_guest(server, mac, ip, &name, &password, LoginBy::Mac).is_ok();
        }
        let user = mac.to_string();
        let password = self.mac_password(server, &user);
        let Ok(id) = self.admit(server, mac, ip, &user, &password) else { return false };
        self.open_session(server, mac, ip, &user, &password, LoginBy::Mac, Admission::User(id));
        true
    }

    /// The password that goes with a hardware address as a name.
    pub(super) fn mac_password(&self, server: Server, name: &str) -> String {
        let profiles = self.table(Place::HotspotProfile);
        let both = "mac-as-username-and-password";
        if server.profile.is_some_and(|id| profiles.is(id, "mac-auth-mode", both)) {
            return name.to_owned();
        }
        server.profile.map(|id| profiles.text(id, "mac-auth-password")).unwrap_or_default()
    }

    pub(super) fn log_in_on_trial(
        &mut self,
        server: Server,
        mac: MacAddress,
        ip: Ipv4Addr,
    ) -> Result<(), String> {
        if self.trial_left(server, mac) <= 0 {
            return Err("trial time is used up".to_owned());
        }
        let user = format!("T-{mac}");
        self.open_session(server, mac, ip, &user, "", LoginBy::Trial, Admission::Trial);
        Ok(())
    }

    pub(super) fn trial_left(&self, server: Server, mac: MacAddress) -> i64 {
        let profiles = self.table(Place::HotspotProfile);
        let span =
            |name| server.profile.and_then(|id| duration(&profiles.text(id, name))).unwrap_or(0);
        let (used, since) = self.hotspot.trials.get(&mac).copied().unwrap_or((0, self.now));
        let over = self.now - since >= span("trial-uptime-reset");
        span("trial-uptime-limit") - if over { 0 } else { used }
    }

    /// Who would be let in by himself if a packet came now.
    pub(crate) fn would_log_in(&self, mac: MacAddress, ip: Ipv4Addr) -> Option<Way> {
        let server = self.hotspot_server(ip)?;
        for cookie in self.hotspot.cookies_of_machine(mac) {
            let method = if cookie.is_mac_cookie { "mac-cookie" } else { "cookie" };
            if self.logs_in_by(server, method)
                && self.admit(server, mac, ip, &cookie.user, &cookie.password).is_ok()
            {
                let user = cookie.user.clone();
                return Some(if cookie.is_mac_cookie {
                    Way::MacCookie { user }
                } else {
                    Way::Cookie { user }
                });
            }
        }
        let user = mac.to_string();
        let by_mac = self.logs_in_by(server, "mac")
            && self.admit(server, mac, ip, &user, &self.mac_password(server, &user)).is_ok();
        by_mac.then_some(Way::MacLogin)
    }

    #[expect(clippy::too_many_arguments, reason = "a session is exactly this")]
    pub(super) fn open_session(
        &mut self,
        server: Server,
        mac: MacAddress,
        ip: Ipv4Addr,
        user: &str,
        password: &str,
        by: LoginBy,
        admission: Admission,
    ) {
        self.ensure_host(server, mac, ip);
        if self.hotspot.actives.contains_key(&ip) {
            self.log_out(ip, Logout::Replaced);
        }
        let (profile, radius) = match admission {
            Admission::User(id) => (self.user_profile(id), None),
            Admission::Trial => {
                (self.table(Place::HotspotUserProfile).first("name", "default"), None)
            }
            Admission::Radius(session, profile) => (profile, Some(session)),
        };
        let mut session = self.new_session(server, mac, ip, user, by, profile);
        if let Some(radius) = radius {
            session.obey(radius);
        }
        self.leave_cookies(server, mac, user, password, by, profile);
        self.hotspot.actives.insert(ip, session);
        self.hotspot.active_of.entry(user.to_owned()).or_default().insert(ip);
        self.hotspot.active_at.entry(mac).or_default().insert(ip);
        self.authorize_host(ip, true);
        self.attach_to_session(ip);
        self.note("hotspot,info,debug", format!("{user} ({ip}): logged in"));
        self.tell_change(Spot::HotspotActive, u32::from(ip).into());
        self.announce(mac, ip, user, Change::Connected { how: by.text().to_owned() });
        self.begin_accounting(ip);
        self.arm_user(user);
    }

    pub(super) fn new_session(
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
            address_list: Some(text("address-list")).filter(|list| !list.is_empty()),
            radius: None,
            with: Vec::new(),
            armed: None,
        }
    }

    /// Dynamic queue and address-list entry of a session.
    pub(super) fn attach_to_session(&mut self, ip: Ipv4Addr) {
        let Some(active) = self.hotspot.actives.get(&ip) else { return };
        let (user, rate) = (active.user.clone(), active.rate_limit.clone());
        let list = active.address_list.clone().unwrap_or_default();
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
    pub(super) fn leave_cookies(
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

    pub(super) fn bake(
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

    pub(super) fn authorize_host(&mut self, ip: Ipv4Addr, authorized: bool) {
        let Some(id) = self.hotspot.host_on.get(&ip).copied() else { return };
        if let Some(host) = self.hotspot.hosts.get_mut(&id) {
            host.authorized = authorized;
            host.to_address = None;
        }
        self.tell_change(Spot::HotspotHost, id);
    }
}
