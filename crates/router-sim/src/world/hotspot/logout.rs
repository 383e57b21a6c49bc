//! Owns the ways out, and what the router writes down and throws away on them.

use std::net::Ipv4Addr;

use lango_routeros::values::MacAddress;

use super::{Active, BACKGROUND, LoginBy, Logout, forget};
use crate::world::items::Spot;
use crate::world::menus::Place;
use crate::world::people::Change;
use crate::world::table::Id;
use crate::world::trap::Trap;
use crate::world::{Deadline, World};

impl World {
    pub(crate) fn log_out(&mut self, ip: Ipv4Addr, why: Logout) {
        let Some(active) = self.hotspot.actives.remove(&ip) else { return };
        forget(&mut self.hotspot.active_of, &active.user, &ip);
        forget(&mut self.hotspot.active_at, &active.mac, &ip);
        self.add_usage(&active);
        self.end_accounting(&active, why);
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

    pub(super) fn add_usage(&mut self, active: &Active) {
        let uptime = self.now - active.since;
        if active.by == LoginBy::Trial {
            let since = self.hotspot.trials.entry(active.mac).or_insert((0, active.since));
            since.0 += uptime;
            return;
        }
        if active.radius.is_some() {
            return;
        }
        let Some(user) = self.table(Place::HotspotUser).first("name", &active.user) else { return };
        let traffic = active.traffic(self.now);
        let usage = self.hotspot.usage.entry(user).or_default();
        usage.uptime += uptime;
        usage.traffic = usage.traffic.plus(traffic);
    }

    /// An attached machine does not stay silent for long.
    pub(in crate::world) fn expect_packet(&mut self, mac: MacAddress) {
        if self.people.is_attached(mac) {
            let at = self.now + BACKGROUND;
            self.at(at, Deadline::Packet(mac.0));
        }
    }

    pub(in crate::world) fn background_packet(&mut self, mac: MacAddress) {
        if let Some((ip, busy)) = self.people.attached(mac) {
            self.see(mac, ip, busy);
        }
    }

    pub(in crate::world) fn forget_cookie(&mut self, id: Id) {
        let Some(cookie) = self.hotspot.cookies.remove(&id) else { return };
        forget(&mut self.hotspot.cookie_of, &cookie.user, &id);
        forget(&mut self.hotspot.cookie_at, &cookie.mac, &id);
        self.tell_dead(Spot::HotspotCookie, id);
    }

    pub(in crate::world) fn forget_host(&mut self, id: Id, why: Logout) {
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

    pub(in crate::world) fn remove_active(&mut self, id: Id) -> Result<(), Trap> {
        let ip = u32::try_from(id).map(Ipv4Addr::from).map_err(|_| Trap::no_such_item())?;
        if !self.hotspot.actives.contains_key(&ip) {
            return Err(Trap::no_such_item());
        }
        self.log_out(ip, Logout::AdminReset);
        Ok(())
    }

    pub(in crate::world) fn remove_host(&mut self, id: Id) -> Result<(), Trap> {
        if !self.hotspot.hosts.contains_key(&id) {
            return Err(Trap::no_such_item());
        }
        self.forget_host(id, Logout::AdminReset);
        Ok(())
    }

    pub(in crate::world) fn remove_cookie(&mut self, id: Id) -> Result<(), Trap> {
        if !self.hotspot.cookies.contains_key(&id) {
            return Err(Trap::no_such_item());
        }
        self.forget_cookie(id);
        Ok(())
    }
}
