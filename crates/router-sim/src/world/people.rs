//! Owns the machines of the customers: where they are attached, how busy they are. What becomes
//! of their packets is the router's business.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use lango_routeros::values::MacAddress;

use super::hotspot::{LoginBy, Logout};
use super::meter::Traffic;
use super::{Verdict, World};

#[derive(Debug, Default)]
pub(crate) struct People {
    machines: HashMap<MacAddress, Machine>,
    /// Bytes per second of those who fetch steadily, however they are connected.
    rates: HashMap<MacAddress, Traffic>,
    leases: HashMap<Ipv4Addr, MacAddress>,
    next_host: u32,
}

#[derive(Debug, Clone, Copy)]
struct Machine {
    ip: Ipv4Addr,
    /// Since when nothing was heard of it; `None` while it is attached.
    silent_since: Option<i64>,
}

/// Somebody came online or went offline, as the router saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonEvent {
    /// The machine.
    pub mac: MacAddress,
    /// Its address.
    pub ip: Ipv4Addr,
    /// The name under which it was logged in.
    pub user: String,
    /// When, on the injected clock.
    pub at_micros: i64,
    /// What happened.
    pub change: Change,
}

/// Whose login page it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// The router's own: it hashes the password where `http-chap` is on.
    Own,
    /// A portal elsewhere, which posts the plain password to the router.
    Portal,
}

/// Which way it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A session began.
    Connected {
        /// `http-pap`, `cookie`, `mac-cookie`, `admin`, `pppoe` …
        how: String,
    },
    /// A session ended.
    Disconnected {
        /// The router's word for the reason, such as `admin reset`.
        why: String,
    },
}

impl People {
    pub(crate) fn rate_of(&self, mac: MacAddress) -> Traffic {
        self.rates.get(&mac).copied().unwrap_or_default()
    }

    pub(crate) fn is_attached(&self, mac: MacAddress) -> bool {
        self.attached(mac).is_some()
    }

    /// Address of an attached machine and whether it is fetching something.
    pub(crate) fn attached(&self, mac: MacAddress) -> Option<(Ipv4Addr, bool)> {
        let machine = self.machines.get(&mac).filter(|machine| machine.silent_since.is_none())?;
        Some((machine.ip, self.rate_of(mac) != Traffic::default()))
    }

    /// `None` for a machine that is attached, or that nobody knows.
    pub(crate) fn silent_since(&self, mac: MacAddress) -> Option<i64> {
        self.machines.get(&mac)?.silent_since
    }

    pub(crate) fn everybody(&self) -> Vec<MacAddress> {
        let mut attached: Vec<_> =
            self.machines.keys().copied().filter(|mac| self.is_attached(*mac)).collect();
        attached.sort_unstable();
        attached
    }
}

impl World {
    pub(super) fn announce(&self, mac: MacAddress, ip: Ipv4Addr, user: &str, change: Change) {
        // Nobody need listen.
        let _ = self.events.send(PersonEvent {
            mac,
            ip,
            user: user.to_owned(),
            at_micros: self.now,
            change,
        });
    }

    /// The machine joins the hotspot's network and gets the address it had before, or a free one.
    pub(crate) fn join(&mut self, mac: MacAddress) -> Ipv4Addr {
        let known = self.people.machines.get(&mac).map(|machine| machine.ip);
        let ip = known.unwrap_or_else(|| self.free_address());
        self.attach(mac, ip)
    }

    /// The machine uses this address, whoever gave it.
    pub(crate) fn attach(&mut self, mac: MacAddress, ip: Ipv4Addr) -> Ipv4Addr {
        let rate = self.people.rate_of(mac);
        self.people.machines.insert(mac, Machine { ip, silent_since: None });
        self.people.leases.insert(ip, mac);
        self.see(mac, ip, rate != Traffic::default());
        self.rearm(mac, ip);
        ip
    }

    fn rearm(&mut self, mac: MacAddress, ip: Ipv4Addr) {
        if self.hotspot.actives.get(&ip).is_some_and(|active| active.mac == mac) {
            self.arm_session(ip);
        }
    }

    fn free_address(&mut self) -> Ipv4Addr {
        let ranges = self.joining_ranges();
        let Some(range) = ranges.first() else { return Ipv4Addr::new(10, 5, 255, 254) };
        let size = range.last - range.first + 1;
        for _ in 0..size {
            let ip = Ipv4Addr::from(range.first + self.people.next_host % size);
            self.people.next_host += 1;
            if !self.people.leases.contains_key(&ip) {
                return ip;
            }
        }
        Ipv4Addr::from(range.last)
    }

    pub(crate) fn address_of(&self, mac: MacAddress) -> Option<Ipv4Addr> {
        let machine = self.people.machines.get(&mac).map(|machine| machine.ip);
        self.ppp.address_of(mac).or(machine)
    }

    /// Types name and password into a login page.
    pub(crate) fn type_in(
        &mut self,
        mac: MacAddress,
        user: &str,
        password: &str,
        page: Page,
    ) -> Result<(), String> {
        let Some((ip, _)) = self.people.attached(mac) else {
            return Err("this machine is not attached".to_owned());
        };
        self.see(mac, ip, false);
        let hashed = page == Page::Own
            && self.hotspot_server(ip).is_some_and(|server| self.logs_in_by(server, "http-chap"));
        let by = if hashed { LoginBy::HttpChap } else { LoginBy::HttpPap };
        self.log_in(mac, ip, user, password, by)
    }

    pub(crate) fn take_trial(&mut self, mac: MacAddress) -> Result<(), String> {
        let Some((ip, _)) = self.people.attached(mac) else {
            return Err("this machine is not attached".to_owned());
        };
        self.see(mac, ip, false);
        self.log_in(mac, ip, "", "", LoginBy::Trial)
    }

    /// Presses the log-out button of the status page.
    pub(crate) fn press_logout(&mut self, mac: MacAddress) {
        if let Some((ip, _)) = self.people.attached(mac) {
            self.log_out(ip, Logout::UserRequest);
        }
    }

    /// Fetches something once; counted if it gets through.
    pub(crate) fn transfer(&mut self, mac: MacAddress, up: u64, down: u64) -> Verdict {
        let Some(ip) = self.address_of(mac) else { return Verdict::not_attached() };
        self.see(mac, ip, true);
        let verdict = self.can_browse(mac, ip);
        if verdict.is_allowed() {
            let traffic = Traffic { bytes_in: up, bytes_out: down };
            self.on_meter(mac, ip, |active, _| active.count(traffic));
            self.ppp_traffic(mac, |meter, _| meter.count(traffic));
        }
        verdict
    }

    /// From now on fetches steadily: bytes per second up and down.
    pub(crate) fn keep_busy(&mut self, mac: MacAddress, up: u64, down: u64) {
        let rate = Traffic { bytes_in: up, bytes_out: down };
        if rate == Traffic::default() {
            self.people.rates.remove(&mac);
        } else {
            self.people.rates.insert(mac, rate);
        }
        let Some(ip) = self.address_of(mac) else { return };
        if rate != Traffic::default() {
            self.see(mac, ip, true);
        }
        self.on_meter(mac, ip, |active, now| active.set_rate(rate, now));
        self.ppp_traffic(mac, |meter, now| meter.set_rate(rate, now));
    }

    fn on_meter(
        &mut self,
        mac: MacAddress,
        ip: Ipv4Addr,
        change: impl FnOnce(&mut super::hotspot::Active, i64),
    ) {
        let now = self.now;
        let Some(active) = self.hotspot.actives.get_mut(&ip).filter(|active| active.mac == mac)
        else {
            return;
        };
        change(active, now);
        let user = active.user.clone();
        self.arm_user(&user);
    }

    /// Walks out of reach without a word.
    pub(crate) fn leave(&mut self, mac: MacAddress) {
        let now = self.now;
        self.keep_busy(mac, 0, 0);
        let Some(machine) = self.people.machines.get_mut(&mac) else { return };
        machine.silent_since.get_or_insert(now);
        self.close_connections_of(mac);
        self.hush(mac);
    }

    /// The user's cookie jar is the router's table here; clearing it is what a browser may do.
    pub(crate) fn clear_browser(&mut self, mac: MacAddress) {
        let ids: Vec<_> = self.hotspot.cookies_at(&mac.to_string());
        for id in ids {
            if self.hotspot.cookies.get(&id).is_some_and(|cookie| !cookie.is_mac_cookie) {
                self.forget_cookie(id);
            }
        }
    }
}
