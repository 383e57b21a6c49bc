//! Owns connection tracking: which connections are established and which of them FastTrack has
//! taken past firewall, queues and hotspot.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;

use lango_routeros::values::MacAddress;

use super::World;
use super::firewall::{INTERNET, Outcome, Packet, State};
use super::items::Spot;
use super::row::Row;
use super::table::Id;
use super::trap::Trap;
use super::verdict::Verdict;

#[derive(Debug, Default)]
pub(crate) struct Connections {
    pub(crate) rows: BTreeMap<Id, Connection>,
    by_mac: HashMap<MacAddress, BTreeSet<Id>>,
    next: Id,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) mac: MacAddress,
    pub(crate) ip: Ipv4Addr,
    port: u16,
    pub(crate) fasttracked: bool,
}

impl Connections {
    pub(crate) fn of(&self, mac: MacAddress) -> impl Iterator<Item = &Connection> {
        self.by_mac.get(&mac).into_iter().flatten().filter_map(|id| self.rows.get(id))
    }
}

impl World {
    /// Begins a long download; refused like any other new connection. FastTrack takes it if a
    /// rule says so for established packets.
    pub(crate) fn open_download(&mut self, mac: MacAddress) -> Result<Id, Verdict> {
        let Some(ip) = self.address_of(mac) else { return Err(Verdict::not_attached()) };
        self.see(mac, ip, true);
        let verdict = self.can_open(mac, ip);
        if !verdict.is_allowed() {
            return Err(verdict);
        }
        let packet = Packet::upwards(ip, State::Established, self.arrival(mac, ip));
        let fasttracked = matches!(self.forward(&packet), Outcome::Accept { fasttrack: true });
        self.connections.next += 1;
        let id = self.connections.next;
        let port = 40_000 + u16::try_from(id % 20_000).unwrap_or(0);
        self.connections.rows.insert(id, Connection { mac, ip, port, fasttracked });
        self.connections.by_mac.entry(mac).or_default().insert(id);
        self.tell_change(Spot::Connection, id);
        Ok(id)
    }

    pub(super) fn remove_connection(&mut self, id: Id) -> Result<(), Trap> {
        let connection = self.connections.rows.remove(&id).ok_or_else(Trap::no_such_item)?;
        if let Some(ids) = self.connections.by_mac.get_mut(&connection.mac) {
            ids.remove(&id);
            if ids.is_empty() {
                self.connections.by_mac.remove(&connection.mac);
            }
        }
        self.tell_dead(Spot::Connection, id);
        Ok(())
    }

    pub(super) fn close_connections_of(&mut self, mac: MacAddress) {
        for id in self.connections.by_mac.get(&mac).cloned().unwrap_or_default() {
            // It was listed a line above.
            let _ = self.remove_connection(id);
        }
    }

    pub(super) fn connection_row(&self, id: Id, row: &mut Row) -> Option<()> {
        let connection = self.connections.rows.get(&id)?;
        row.push("protocol", "tcp");
        row.push("src-address", format!("{}:{}", connection.ip, connection.port));
        row.push("dst-address", format!("{INTERNET}:443"));
        row.push("reply-src-address", format!("{INTERNET}:443"));
        row.push("reply-dst-address", format!("{}:{}", connection.ip, connection.port));
        row.push("tcp-state", "established");
        row.push("timeout", "23h59m59s");
        row.push("fasttrack", connection.fasttracked.to_string());
        row.push("assured", "true");
        Some(())
    }
}
