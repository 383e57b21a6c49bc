//! Owns what the router forgets when it starts anew, and its clock, which no battery keeps.

use super::menus::MENUS;
use super::people::Change;
use super::table::Id;
use super::units::SECOND;
use super::{Deadline, World};

/// 1970-01-02, where clocks without a battery begin.
const EPOCH_DAY_TWO: i64 = 86_400 * SECOND;

/// How long after a start machines and clients speak again.
const SETTLING: i64 = 2 * SECOND;

impl World {
    /// Power off and on. Flash stays: configuration, users' totals, cookies. Memory goes:
    /// sessions, hosts, connections, dynamic items, the log, the time of day.
    pub(crate) fn reboot(&mut self, ntp_after: Option<i64>) {
        self.announce_outage();
        self.hotspot.forget_live();
        let dialers = self.ppp.forget_live();
        self.connections = super::connections::Connections::default();
        self.radius.forget_live();
        for (place, _) in MENUS {
            let table = self.table(*place);
            let dynamic: Vec<Id> =
                table.ids().filter(|id| table.item(*id).is_some_and(|item| item.dynamic)).collect();
            for id in dynamic {
                self.drop_item(*place, id);
            }
        }
        self.log.clear();
        // Listeners die with their connections.
        self.watches.clear();
        self.changes += 1;
        self.booted_at = self.now;
        self.set_wall(EPOCH_DAY_TWO);
        self.note("system,info", "router rebooted".to_owned());
        self.at(self.now + SETTLING, Deadline::AccountingOn);
        let attached = self.people.everybody();
        for mac in attached {
            self.at(self.now + SETTLING, Deadline::Packet(mac.0));
        }
        for mac in dialers {
            self.at(self.now + SETTLING, Deadline::Dial(mac.0));
        }
        if let Some(after) = ntp_after {
            self.at(self.now + after, Deadline::Ntp);
        }
    }

    fn announce_outage(&self) {
        let why = || Change::Disconnected { why: "reboot".to_owned() };
        for (ip, active) in &self.hotspot.actives {
            self.announce(active.mac, *ip, &active.user, why());
        }
        for session in self.ppp.sessions.values() {
            self.announce(session.mac, session.ip, &session.name, why());
        }
    }

    /// Puts the router's own clock to an instant; what follows it is planned anew.
    pub(crate) fn set_wall(&mut self, wall: i64) {
        self.wall_offset = wall - self.now;
        self.replan_all();
    }

    /// Makes the router's own clock wrong by this much.
    pub(crate) fn skew_wall(&mut self, micros: i64) {
        self.wall_offset = micros;
        self.replan_all();
    }

    pub(super) fn synchronise_clock(&mut self) {
        self.wall_offset = 0;
        self.note("system,info", "clock synchronised".to_owned());
        self.replan_all();
    }
}
