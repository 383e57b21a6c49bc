//! Owns what the hotspot's live menus show.

use super::{Logout, Treatment};
use crate::world::World;
use crate::world::menus::Place;
use crate::world::row::Row;
use crate::world::table::Id;
use crate::world::units::duration_text;

impl World {
    pub(in crate::world) fn active_row(&self, id: Id, row: &mut Row) -> Option<()> {
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
        if let Some(session) = &active.radius {
            let limits = session.grant.limits;
            let shown = [
                ("limit-bytes-in", limits.received),
                ("limit-bytes-out", limits.sent),
                ("limit-bytes-total", limits.total),
            ];
            for (name, limit) in shown {
                if let Some(limit) = limit {
                    row.push(name, limit.to_string());
                }
            }
        }
        let users = self.table(Place::HotspotUser);
        if let Some(user) = users.first("name", &active.user) {
            for name in ["limit-bytes-in", "limit-bytes-out", "limit-bytes-total"] {
                if let Some(limit) = users.value(user, name) {
                    row.push(name, limit.into_owned());
                }
            }
        }
        row.push("radius", active.radius.is_some().to_string());
        Some(())
    }

    pub(in crate::world) fn host_row(&self, id: Id, row: &mut Row) -> Option<()> {
        let host = self.hotspot.hosts.get(&id)?;
        row.push("mac-address", host.mac.to_string());
        row.push("address", host.ip.to_string());
        row.push("to-address", host.to_address.unwrap_or(host.ip).to_string());
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

    pub(in crate::world) fn cookie_row(&self, id: Id, row: &mut Row) -> Option<()> {
        let cookie = self.hotspot.cookies.get(&id)?;
        row.push("user", cookie.user.as_str());
        row.push("mac-address", cookie.mac.to_string());
        row.push("expires-in", duration_text(cookie.ends - self.now));
        row.push("mac-cookie", cookie.is_mac_cookie.to_string());
        Some(())
    }
}
