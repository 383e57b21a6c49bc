//! Owns which machines were heard of, and what ip-bindings make of them.

use std::net::Ipv4Addr;

use lango_routeros::values::MacAddress;

use super::{Host, Logout, Server, Treatment};
use crate::world::World;
use crate::world::items::Spot;
use crate::world::menu::Range;
use crate::world::menus::Place;
use crate::world::table::Id;

impl World {
    /// The hotspot server on whose network `ip` is.
    pub(crate) fn hotspot_server(&self, ip: Ipv4Addr) -> Option<Server> {
        let servers = self.table(Place::Hotspot);
        let serves = |id: &Id| {
            servers.is_enabled(*id)
                && self.server_ranges(*id).iter().any(|range| range.contains(ip))
        };
        let id = servers.ids().find(serves)?;
        Some(Server {
            id,
            profile: self.table(Place::HotspotProfile).first("name", &servers.text(id, "profile")),
        })
    }

    /// Whom a server serves: the addresses of its pool; without one, the networks that its
    /// interface is in.
    fn server_ranges(&self, server: Id) -> Vec<Range> {
        let servers = self.table(Place::Hotspot);
        let pool = servers.text(server, "address-pool");
        if pool != "none" {
            return self.pool_ranges(&pool);
        }
        let addresses = self.table(Place::Address);
        let here = addresses.find("interface", &servers.text(server, "interface"));
        let here = here.into_iter().filter(|id| addresses.is_enabled(*id));
        here.filter_map(|id| Range::parse(&addresses.text(id, "address"))).collect()
    }

    /// Where who joins gets his address from: the server's pool, else that of DHCP there.
    pub(crate) fn joining_ranges(&self) -> Vec<Range> {
        let servers = self.table(Place::Hotspot);
        let Some(server) = servers.ids().find(|id| servers.is_enabled(*id)) else {
            return Vec::new();
        };
        let pool = servers.text(server, "address-pool");
        if pool != "none" {
            return self.pool_ranges(&pool);
        }
        let leasing = self.table(Place::DhcpServer);
        let here = leasing.find("interface", &servers.text(server, "interface"));
        let on = here.into_iter().find(|id| leasing.is_enabled(*id));
        on.map(|id| self.pool_ranges(&leasing.text(id, "address-pool"))).unwrap_or_default()
    }

    pub(crate) fn pool_ranges(&self, pool: &str) -> Vec<Range> {
        let pools = self.table(Place::Pool);
        let Some(id) = pools.first("name", pool) else { return Vec::new() };
        pools.text(id, "ranges").split(',').filter_map(Range::parse).collect()
    }

    pub(super) fn server_name(&self, server: Server) -> String {
        self.table(Place::Hotspot).text(server.id, "name")
    }

    pub(in crate::world) fn logs_in_by(&self, server: Server, method: &str) -> bool {
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

    pub(super) fn ensure_host(&mut self, server: Server, mac: MacAddress, ip: Ipv4Addr) {
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
    pub(in crate::world) fn treatment(&self, mac: MacAddress, ip: Ipv4Addr) -> Treatment {
        let bindings = self.table(Place::HotspotBinding);
        let matching = bindings.ids().find(|id| self.binding_matches(*id, mac, ip));
        matching.map_or(Treatment::Regular, |id| match bindings.text(id, "type").as_str() {
            "bypassed" => Treatment::Bypassed,
            "blocked" => Treatment::Blocked,
            _ => Treatment::Regular,
        })
    }

    pub(super) fn binding_matches(&self, id: Id, mac: MacAddress, ip: Ipv4Addr) -> bool {
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
    pub(in crate::world) fn apply_binding(&mut self, id: Id) {
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
}
