//! Owns what the forward chain does with a packet: rules in order, address lists, FastTrack.
//! Rules with matchers that a plain web page might or might not meet (ports, layer 7, marks) are
//! passed over. (MikroTik manual, "Filter" and "Connection tracking".)

use std::net::Ipv4Addr;

use super::World;
use super::menu::Range;
use super::menus::Place;
use super::table::Id;

/// Where everybody browses to.
pub(crate) const INTERNET: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

/// The interface towards the provider.
const UPLINK: &str = "ether1";

/// How deep rules may jump.
const DEPTH: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    New,
    Established,
}

/// How a packet comes into the router.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) interface: String,
    /// `Some(logged in?)` for a packet of the hotspot.
    pub(crate) hotspot: Option<bool>,
}

#[derive(Debug, Clone)]
pub(crate) struct Packet {
    source: Ipv4Addr,
    target: Ipv4Addr,
    state: State,
    arrival: Arrival,
    upwards: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accept { fasttrack: bool },
    Drop { rule: String },
}

impl Packet {
    pub(crate) fn upwards(ip: Ipv4Addr, state: State, arrival: Arrival) -> Packet {
        Packet { source: ip, target: INTERNET, state, arrival, upwards: true }
    }

    /// The answer to it.
    pub(crate) fn answer(&self) -> Packet {
        Packet {
            source: self.target,
            target: self.source,
            state: State::Established,
            arrival: self.arrival.clone(),
            upwards: false,
        }
    }

    fn interfaces(&self) -> (&str, &str) {
        if self.upwards {
            (&self.arrival.interface, UPLINK)
        } else {
            (UPLINK, &self.arrival.interface)
        }
    }
}

impl World {
    /// What the forward chain does with a packet.
    pub(crate) fn forward(&self, packet: &Packet) -> Outcome {
        let mut fasttrack = false;
        match self.walk("forward", packet, &mut fasttrack, 0) {
            Some(Outcome::Drop { rule }) => Outcome::Drop { rule },
            _ => Outcome::Accept { fasttrack },
        }
    }

    fn walk(
        &self,
        chain: &str,
        packet: &Packet,
        fasttrack: &mut bool,
        depth: usize,
    ) -> Option<Outcome> {
        let rules = self.table(Place::Filter);
        if depth > DEPTH {
            return None;
        }
        for id in rules.ids() {
            if !rules.is_enabled(id)
                || !rules.is(id, "chain", chain)
                || !self.rule_matches(id, packet)
            {
                continue;
            }
            match rules.text(id, "action").as_str() {
                "accept" => return Some(Outcome::Accept { fasttrack: *fasttrack }),
                "drop" | "reject" | "tarpit" => {
                    let comment = rules.text(id, "comment");
                    let rule = if comment.is_empty() { super::row::id_text(id) } else { comment };
                    return Some(Outcome::Drop { rule });
                }
                "fasttrack-connection" => *fasttrack |= packet.state == State::Established,
                "jump" => {
                    let target = rules.text(id, "jump-target");
                    if let Some(end) = self.walk(&target, packet, fasttrack, depth + 1) {
                        return Some(end);
                    }
                }
                "return" => return None,
                _ => {}
            }
        }
        None
    }

    fn rule_matches(&self, id: Id, packet: &Packet) -> bool {
        const UNDECIDABLE: [&str; 6] = [
            "protocol",
            "src-port",
            "dst-port",
            "layer7-protocol",
            "packet-mark",
            "src-mac-address",
        ];
        let rules = self.table(Place::Filter);
        if UNDECIDABLE.iter().any(|name| rules.is_written(id, name)) {
            return false;
        }
        let (inside, outside) = packet.interfaces();
        let holds = |name: &str, test: &dyn Fn(&str) -> bool| {
            let text = rules.text(id, name);
            match text.strip_prefix('!') {
                _ if text.is_empty() => true,
                Some(rest) => !test(rest),
                None => test(&text),
            }
        };
        let within = |ip: Ipv4Addr| {
            move |text: &str| Range::parse(text).is_some_and(|range| range.contains(ip))
        };
        holds("src-address", &within(packet.source))
            && holds("dst-address", &within(packet.target))
            && holds("src-address-list", &|list| self.is_listed(list, packet.source))
            && holds("dst-address-list", &|list| self.is_listed(list, packet.target))
            && holds("in-interface", &|name| is_interface(name, inside))
            && holds("out-interface", &|name| is_interface(name, outside))
            && holds("in-interface-list", &|list| self.is_in_list(list, inside))
            && holds("out-interface-list", &|list| self.is_in_list(list, outside))
            && holds("connection-state", &|states| {
                states.split(',').any(|state| match packet.state {
                    State::New => state == "new",
                    State::Established => state == "established",
                })
            })
            && self.hotspot_matches(&rules.text(id, "hotspot"), packet)
    }

    fn hotspot_matches(&self, wanted: &str, packet: &Packet) -> bool {
        wanted.split(',').filter(|word| !word.is_empty()).all(|word| match word {
            "auth" => packet.arrival.hotspot == Some(true),
            "!auth" => packet.arrival.hotspot == Some(false),
            "from-client" => packet.arrival.hotspot.is_some() && packet.upwards,
            "to-client" => packet.arrival.hotspot.is_some() && !packet.upwards,
            "!from-client" => packet.arrival.hotspot.is_none() || !packet.upwards,
            _ => false,
        })
    }

    fn is_in_list(&self, list: &str, interface: &str) -> bool {
        if list == "all" {
            return true;
        }
        let members = self.table(Place::InterfaceListMember);
        members.ids().any(|id| {
            members.is_enabled(id)
                && members.is(id, "list", list)
                && members.is(id, "interface", interface)
        })
    }

    /// Whether an address list covers an address now.
    pub(crate) fn is_listed(&self, list: &str, ip: Ipv4Addr) -> bool {
        let entries = self.table(Place::AddressList);
        let counts = |id: &Id| entries.is_enabled(*id) && entries.is(*id, "list", list);
        let exact = entries.find("address", &ip.to_string());
        exact.iter().any(counts)
            || self.wide_entries.iter().any(|id| {
                counts(id)
                    && Range::parse(&entries.text(*id, "address"))
                        .is_some_and(|range| range.contains(ip))
            })
    }
}

fn is_interface(name: &str, interface: &str) -> bool {
    name == interface || (name == "all-ppp" && interface.starts_with("<p"))
}
