//! Owns the limits that the router enforces by itself: time, bytes, silence.

use std::net::Ipv4Addr;

use lango_routeros::values::{self, MacAddress};

use super::Logout;
use crate::world::items::{Attribute, Spot};
use crate::world::menus::Place;
use crate::world::meter::{Traffic, reached_at};
use crate::world::table::Id;
use crate::world::trap::Trap;
use crate::world::units::duration;
use crate::world::{Deadline, World};

impl World {
    /// Which limit of a user is used up, counting his past and his present sessions.
    pub(super) fn spent_limit(&self, id: Id, user: &str) -> Option<Logout> {
        let due = self.limit_due(id, user)?;
        (due.0 <= self.now).then_some(due.1)
    }

    /// When the first limit of a user will be used up if everything goes on as it does.
    pub(super) fn limit_due(&self, id: Id, user: &str) -> Option<(i64, Logout)> {
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

    pub(in crate::world) fn session_due(&self, ip: Ipv4Addr) -> Option<(i64, Logout)> {
        let active = self.hotspot.actives.get(&ip)?;
        let limit = match &active.radius {
            // What RADIUS limits is the session.
            Some(session) => {
                let (used, rate) = (active.traffic(self.now), active.meter.rate());
                let at = session.grant.limits.reached_at(self.now, used, rate);
                at.map(|at| (at, Logout::TrafficLimit))
            }
            None => {
                let user = self.table(Place::HotspotUser).first("name", &active.user);
                user.and_then(|id| self.limit_due(id, &active.user))
            }
        };
        let timeout =
            active.session_timeout.map(|span| (active.since + span, Logout::SessionTimeout));
        let silent = self.people.silent_since(active.mac);
        let quiet = |span: Option<i64>, why| Some((silent?.max(active.since) + span?, why));
        let idle = quiet(active.idle_timeout, Logout::IdleTimeout);
        let keepalive = quiet(active.keepalive_timeout, Logout::KeepaliveTimeout);
        [limit, timeout, idle, keepalive].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Sets the alarms of all sessions of a user anew.
    pub(in crate::world) fn arm_user(&mut self, user: &str) {
        let ips: Vec<Ipv4Addr> =
            self.hotspot.active_of.get(user).into_iter().flatten().copied().collect();
        for ip in ips {
            self.arm_session(ip);
        }
    }

    pub(in crate::world) fn arm_session(&mut self, ip: Ipv4Addr) {
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

    pub(in crate::world) fn check_session(&mut self, ip: Ipv4Addr) {
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

    pub(in crate::world) fn check_cookie(&mut self, id: Id) {
        if self.hotspot.cookies.get(&id).is_some_and(|cookie| cookie.ends <= self.now) {
            self.forget_cookie(id);
        }
    }

    /// A host whose machine went away is forgotten after the server's idle timeout.
    pub(in crate::world) fn check_host(&mut self, id: Id) {
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
    pub(in crate::world) fn hush(&mut self, mac: MacAddress) {
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
        let values: [Attribute<'_>; 3] = [
            ("mac-address", Some(mac.as_bytes())),
            ("address", Some(ip.as_bytes())),
            ("type", Some(kind.as_bytes())),
        ];
        self.add(Spot::Table(Place::HotspotBinding), &values)
    }
}

fn ceil_div(left: i64, parts: i64) -> i64 {
    (left + parts - 1) / parts
}
