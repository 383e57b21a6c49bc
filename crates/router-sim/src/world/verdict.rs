//! Owns the only question that counts: does this machine reach the internet now, and why?

use std::fmt;
use std::net::Ipv4Addr;

use lango_routeros::values::MacAddress;

use super::World;
use super::firewall::{Arrival, Outcome, Packet, State};
use super::hotspot::Treatment;
use super::menus::Place;

/// Whether packets of a machine reach the internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They do.
    Allowed {
        /// What lets them through.
        why: Way,
    },
    /// They do not.
    Blocked {
        /// What is in the way.
        why: Obstacle,
    },
}

/// What lets a machine through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// It is logged in to the hotspot.
    HotspotSession {
        /// Under this name.
        user: String,
    },
    /// It is not logged in, but its next page would do it by an HTTP cookie.
    Cookie {
        /// Under this name.
        user: String,
    },
    /// It is not logged in, but its next packet would do it by a MAC cookie.
    MacCookie {
        /// Under this name.
        user: String,
    },
    /// It is not logged in, but its next packet would do it by its hardware address.
    MacLogin,
    /// An ip-binding lets it pass the hotspot by.
    Bypassed,
    /// It is not logged in, but may reach that host all the same.
    WalledGarden {
        /// Which host.
        host: String,
    },
    /// It has a PPP session.
    PppSession {
        /// Under this name.
        user: String,
    },
    /// It just uses its address, and no rule minds.
    OwnAddress,
    /// Nothing new would pass, but a connection from before does.
    Established {
        /// Because FastTrack took it past every rule.
        fasttracked: bool,
    },
}

/// What stops a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The hotspot wants a login first.
    NotLoggedIn,
    /// An ip-binding blocks it.
    BindingBlocked,
    /// The address belongs to the PPP pool or another machine and has no session of this one.
    NoPppSession,
    /// A filter rule drops it.
    Filter {
        /// Its comment, or its id.
        rule: String,
    },
    /// Its DHCP lease has block-access.
    LeaseBlocked,
    /// It has no address at all.
    NotAttached,
}

impl Verdict {
    /// Whether packets pass.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Verdict::Allowed { .. })
    }

    pub(crate) fn not_attached() -> Verdict {
        Verdict::Blocked { why: Obstacle::NotAttached }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Allowed { why } => write!(f, "browses: {why}"),
            Verdict::Blocked { why } => write!(f, "is blocked: {why}"),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::HotspotSession { user } => write!(f, "hotspot session of {user}"),
            Way::Cookie { user } => write!(f, "an HTTP cookie will log {user} in"),
            Way::MacCookie { user } => write!(f, "a MAC cookie will log {user} in"),
            Way::MacLogin => f.write_str("its hardware address will log it in"),
            Way::Bypassed => f.write_str("an ip-binding bypasses the hotspot"),
            Way::WalledGarden { host } => write!(f, "the walled garden lets it reach {host}"),
            Way::PppSession { user } => write!(f, "PPP session of {user}"),
            Way::OwnAddress => f.write_str("no rule minds its address"),
            Way::Established { fasttracked: true } => {
                f.write_str("a fasttracked connection lives on")
            }
            Way::Established { fasttracked: false } => {
                f.write_str("an established connection lives on")
            }
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::NotLoggedIn => f.write_str("not logged in to the hotspot"),
            Obstacle::BindingBlocked => f.write_str("an ip-binding blocks it"),
            Obstacle::NoPppSession => f.write_str("no PPP session with this address"),
            Obstacle::Filter { rule } => write!(f, "filter rule {rule}"),
            Obstacle::LeaseBlocked => f.write_str("its DHCP lease is blocked"),
            Obstacle::NotAttached => f.write_str("it is not attached"),
        }
    }
}

impl World {
    /// Whether anything at all passes: a new connection, or one from before.
    pub(crate) fn can_browse(&self, mac: MacAddress, ip: Ipv4Addr) -> Verdict {
        let fresh = self.can_open(mac, ip);
        if fresh.is_allowed() {
            return fresh;
        }
        let arrival = self.arrival(mac, ip);
        let gate = self.gate(mac, ip);
        if matches!(gate, Err(Obstacle::NoPppSession)) {
            // There is no interface to send by.
            return fresh;
        }
        for connection in self.connections.of(mac).filter(|connection| connection.ip == ip) {
            let packet = Packet::upwards(ip, State::Established, arrival.clone());
            let passes = connection.fasttracked || (gate.is_ok() && self.passes(&packet).is_ok());
            if passes {
                let why = Way::Established { fasttracked: connection.fasttracked };
                return Verdict::Allowed { why };
            }
        }
        fresh
    }

    /// Whether a new connection passes.
    pub(crate) fn can_open(&self, mac: MacAddress, ip: Ipv4Addr) -> Verdict {
        let way = match self.gate(mac, ip) {
            Ok(way) => way,
            Err(why) => return Verdict::Blocked { why },
        };
        let mut arrival = self.arrival(mac, ip);
        if arrival.hotspot.is_some() {
            // Whoever is about to be logged in by a cookie is judged as if he were.
            arrival.hotspot = Some(true);
        }
        match self.passes(&Packet::upwards(ip, State::New, arrival)) {
            Ok(()) => Verdict::Allowed { why: way },
            Err(rule) => Verdict::Blocked { why: Obstacle::Filter { rule } },
        }
    }

    fn passes(&self, packet: &Packet) -> Result<(), String> {
        for packet in [packet, &packet.answer()] {
            if let Outcome::Drop { rule } = self.forward(packet) {
                return Err(rule);
            }
        }
        Ok(())
    }

    /// What stands before the filter: hotspot, PPP or nothing.
    fn gate(&self, mac: MacAddress, ip: Ipv4Addr) -> Result<Way, Obstacle> {
        if self.is_lease_blocked(mac) {
            return Err(Obstacle::LeaseBlocked);
        }
        if let Some(session) = self.ppp.session_on(ip) {
            let own = session.mac == mac;
            let way = Way::PppSession { user: session.name.clone() };
            return if own { Ok(way) } else { Err(Obstacle::NoPppSession) };
        }
        if self.ppp.dials(mac) || self.is_ppp_address(ip) {
            return Err(Obstacle::NoPppSession);
        }
        if self.hotspot_server(ip).is_none() {
            return Ok(Way::OwnAddress);
        }
        self.hotspot_gate(mac, ip)
    }

    fn hotspot_gate(&self, mac: MacAddress, ip: Ipv4Addr) -> Result<Way, Obstacle> {
        if let Some(host) = self.hotspot.host_on(ip).filter(|host| host.mac == mac) {
            match host.treatment {
                Treatment::Bypassed => return Ok(Way::Bypassed),
                Treatment::Blocked => return Err(Obstacle::BindingBlocked),
                Treatment::Regular => {}
            }
            let session = self.hotspot.actives.get(&ip).filter(|active| active.mac == mac);
            if let Some(active) = session {
                return Ok(Way::HotspotSession { user: active.user.clone() });
            }
        } else {
            match self.treatment(mac, ip) {
                Treatment::Bypassed => return Ok(Way::Bypassed),
                Treatment::Blocked => return Err(Obstacle::BindingBlocked),
                Treatment::Regular => {}
            }
        }
        self.would_log_in(mac, ip).ok_or(Obstacle::NotLoggedIn)
    }

    /// Whether an address is only ever given out by PPP.
    fn is_ppp_address(&self, ip: Ipv4Addr) -> bool {
        if self.table(Place::PppSecret).first("remote-address", &ip.to_string()).is_some() {
            return true;
        }
        let profiles = self.table(Place::PppProfile);
        let mut pools = profiles.ids().map(|id| profiles.text(id, "remote-address"));
        pools.any(|pool| self.pool_ranges(&pool).iter().any(|range| range.contains(ip)))
    }

    fn is_lease_blocked(&self, mac: MacAddress) -> bool {
        let leases = self.table(Place::Lease);
        let of_machine = leases.find("mac-address", &mac.to_string());
        of_machine.iter().any(|id| leases.is_enabled(*id) && leases.is(*id, "block-access", "true"))
    }

    pub(super) fn arrival(&self, mac: MacAddress, ip: Ipv4Addr) -> Arrival {
        if let Some(session) = self.ppp.session_on(ip) {
            return Arrival { interface: format!("<pppoe-{}>", session.name), hotspot: None };
        }
        match self.hotspot_server(ip) {
            Some(server) => {
                let interface = self.table(Place::Hotspot).text(server.id, "interface");
                let known = self.hotspot.host_on(ip).filter(|host| host.mac == mac);
                let inside = known
                    .is_some_and(|host| host.authorized || host.treatment == Treatment::Bypassed);
                Arrival { interface, hotspot: Some(inside) }
            }
            None => Arrival { interface: "bridge".to_owned(), hotspot: None },
        }
    }

    /// Bits per second up and down that the router lets a machine have; `None`: no limit.
    pub(crate) fn speed(&self, mac: MacAddress, ip: Ipv4Addr) -> Option<(u64, u64)> {
        let session = self.hotspot.actives.get(&ip).filter(|active| active.mac == mac);
        let hotspot = session.and_then(|active| active.rate_limit.clone());
        let ppp = self.ppp.session_on(ip).and_then(|session| session.rate_limit.clone());
        let queues = self.table(Place::SimpleQueue);
        let covers = |id: &super::table::Id| {
            let target = queues.text(*id, "target");
            queues.is_enabled(*id)
                && target.split(',').any(|part| {
                    super::menu::Range::parse(part).is_some_and(|range| range.contains(ip))
                })
        };
        let queue = || queues.ids().find(covers).map(|id| queues.text(id, "max-limit"));
        let text = hotspot.or(ppp).or_else(queue)?;
        let rate = lango_routeros::values::RateLimit::parse(&text)?.rate;
        Some((rate.upload, rate.download)).filter(|pair| *pair != (0, 0))
    }
}
