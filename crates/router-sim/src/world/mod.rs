//! Owns everything that the simulated router knows and does: its menus, its hotspot, PPP and
//! firewall, the customers behind it, and its time. No sockets, no threads, no clock of its own:
//! every entrance first brings the world to the caller's instant, working off each deadline at the
//! instant at which it was due and in order. Knows nothing of who has paid for what.

mod captive;
pub(crate) mod command;
mod connections;
mod console;
mod firewall;
pub(crate) mod hotspot;
mod items;
mod menu;
mod menus;
mod meter;
mod people;
mod ppp;
mod query;
pub(crate) mod radius;
mod reboot;
pub(crate) mod row;
mod scheduler;
mod script;
mod table;
mod trap;
mod units;
mod verdict;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::Ipv4Addr;

use lango_radius::ErrorCause;
use lango_routeros::values::MacAddress;
use tokio::sync::broadcast;

pub use captive::Fetched;
pub(crate) use captive::Opened;
pub(crate) use command::{Answer, Command, Permissions};
pub use console::Pasted;
pub(crate) use people::Page;
pub use people::{Change, PersonEvent};
pub use radius::{AccountingReport, Delivery, RadiusCounters, RadiusEvent};
pub use row::Row;
pub(crate) use row::Watch;
pub use trap::Trap;
pub use verdict::{Obstacle, Verdict, Way};

use menus::{MENUS, Place};
use table::{Id, Table};

/// How many lines `/log` keeps.
const LOG_LINES: usize = 1_000;

/// What a world is made of besides what is configured in its menus.
#[derive(Debug, Clone)]
pub(crate) struct Make {
    pub(crate) identity: String,
    /// As `/system/resource` shows it, such as `7.18.2 (stable)`.
    pub(crate) version: String,
    pub(crate) board: String,
    /// Name, password, group.
    pub(crate) users: Vec<(String, String, String)>,
    /// Menus that this router does not have, by path prefix.
    pub(crate) absent: Vec<String>,
    pub(crate) hotspot_sessions: Option<usize>,
    /// As it leaves the factory: no hotspot, no PPPoE, no certificate, no NTP.
    pub(crate) blank: bool,
    /// Fingerprint of the certificate that TLS shows, once one is bound.
    pub(crate) fingerprint: String,
    /// The router's own address, as it names itself to RADIUS.
    pub(crate) address: Ipv4Addr,
    /// What it says when an order means no session that it has.
    pub(crate) missing_session: ErrorCause,
}

/// The router.
pub(crate) struct World {
    now: i64,
    booted_at: i64,
    /// What the router's own clock adds to the true time.
    wall_offset: i64,
    make: Make,
    version: (u32, u32),
    tables: Vec<Table>,
    hotspot: hotspot::Hotspot,
    ppp: ppp::Ppp,
    pub(crate) radius: radius::Radius,
    connections: connections::Connections,
    schedules: HashMap<Id, scheduler::Schedule>,
    list_ends: HashMap<Id, i64>,
    /// Address-list entries that cover more than one address.
    wide_entries: BTreeSet<Id>,
    people: people::People,
    /// What the router can fetch, by address.
    web: HashMap<String, String>,
    /// Grows with every change of any row.
    changes: u64,
    deadlines: BTreeSet<(i64, u64, Deadline)>,
    deadline_number: u64,
    watches: Vec<Watch>,
    events: broadcast::Sender<PersonEvent>,
    log: VecDeque<(i64, String, String)>,
    log_number: u64,
}

/// Something that happens by itself at an instant. Each handler looks again whether it is really
/// due: what caused it may have changed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Session(Ipv4Addr),
    Host(Id),
    Cookie(Id),
    ListEntry(Id),
    Schedule(Id),
    Packet(MacBytes),
    Dial(MacBytes),
    PppSession(Id),
    Interim(Ipv4Addr),
    PppInterim(Id),
    AccountingOn,
    Ntp,
}

type MacBytes = [u8; 6];

impl World {
    pub(crate) fn new(make: Make, now: i64) -> World {
        let (events, _) = broadcast::channel(16_384);
        let version = version_numbers(&make.version);
        let mut world = World {
            now,
            booted_at: now,
            wall_offset: 0,
            version,
            make,
            tables: MENUS.iter().map(|(_, menu)| Table::new(menu)).collect(),
            hotspot: hotspot::Hotspot::default(),
            ppp: ppp::Ppp::default(),
            radius: radius::Radius::new(),
            connections: connections::Connections::default(),
            schedules: HashMap::new(),
            list_ends: HashMap::new(),
            wide_entries: BTreeSet::new(),
            people: people::People::default(),
            web: HashMap::new(),
            changes: 0,
            deadlines: BTreeSet::new(),
            deadline_number: 0,
            watches: Vec::new(),
            events,
            log: VecDeque::new(),
            log_number: 0,
        };
        world.seed();
        world
    }

    /// Brings the world to `now`, doing on the way whatever fell due, each at its own instant.
    pub(crate) fn advance_to(&mut self, now: i64) {
        while let Some(&(at, number, deadline)) = self.deadlines.first() {
            if at > now {
                break;
            }
            self.deadlines.remove(&(at, number, deadline));
            self.now = self.now.max(at);
            self.fall_due(deadline);
        }
        self.now = self.now.max(now);
    }

    fn fall_due(&mut self, deadline: Deadline) {
        match deadline {
            Deadline::Session(ip) => self.check_session(ip),
            Deadline::Host(id) => self.check_host(id),
            Deadline::Cookie(id) => self.check_cookie(id),
            Deadline::ListEntry(id) => self.check_list_entry(id),
            Deadline::Schedule(id) => self.check_schedule(id),
            Deadline::Packet(mac) => self.background_packet(MacAddress(mac)),
            Deadline::Dial(mac) => self.try_dial(MacAddress(mac)),
            Deadline::PppSession(id) => self.check_ppp_session(id),
            Deadline::Interim(ip) => self.check_interim(ip),
            Deadline::PppInterim(id) => self.check_ppp_interim(id),
            Deadline::AccountingOn => self.announce_start(),
            Deadline::Ntp => self.synchronise_clock(),
        }
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    fn at(&mut self, at: i64, deadline: Deadline) {
        self.deadline_number += 1;
        self.deadlines.insert((at, self.deadline_number, deadline));
    }

    /// What the router's own clock shows.
    fn wall(&self) -> i64 {
        self.now + self.wall_offset
    }

    fn has_property(&self, place: Place, name: &str) -> bool {
        match (place, name) {
            (Place::Ntp, "primary-ntp" | "secondary-ntp" | "server-dns-names") => self.is_old(),
            (Place::Ntp, "servers") => !self.is_old(),
            _ => true,
        }
    }

    fn iso_dates(&self) -> bool {
        self.version >= (7, 10)
    }

    /// Whether a print without rows says so with `!empty`.
    pub(crate) fn says_empty(&self) -> bool {
        self.version >= (7, 18)
    }

    /// Major version 6: other spellings here and there.
    pub(crate) fn is_old(&self) -> bool {
        self.version < (7, 0)
    }

    /// Whether a plain login is answered with a challenge.
    pub(crate) fn challenges(&self) -> bool {
        self.version < (6, 43)
    }

    fn table(&self, place: Place) -> &Table {
        &self.tables[place as usize]
    }

    fn table_mut(&mut self, place: Place) -> &mut Table {
        &mut self.tables[place as usize]
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<PersonEvent> {
        self.events.subscribe()
    }

    fn note(&mut self, topics: &str, message: String) {
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        self.log_number += 1;
        self.log.push_back((self.wall(), topics.to_owned(), message));
    }

    /// What a router has before anybody configures it; unless it is to be blank, also one hotspot
    /// and one PPPoE server.
    fn seed(&mut self) {
        let version = self.make.version.split(' ').next().unwrap_or_default().to_owned();
        let identity = self.make.identity.clone();
        self.table_mut(Place::Identity).put_named(1, "name", &identity);
        for (name, kind) in [("ether1", "ether"), ("ether2", "ether"), ("bridge", "bridge")] {
            self.plant(Place::Interface, &[("name", name), ("type", kind)]);
        }
        self.plant(Place::Bridge, &[("name", "bridge")]);
        self.plant(Place::HotspotProfile, &[("name", "default"), ("default", "true")]);
        self.plant(Place::HotspotUserProfile, &[("name", "default"), ("default", "true")]);
        self.plant(Place::HotspotUser, &[("name", "default-trial"), ("default", "true")]);
        if self.make.blank {
            self.table_mut(Place::Ntp).put_named(1, "enabled", "false");
            // What the provider's DHCP told it.
            self.table_mut(Place::Dns).put_named(1, "dynamic-servers", "192.0.2.1");
            for name in ["default", "default-encryption"] {
                self.plant(Place::PppProfile, &[("name", name), ("default", "true")]);
            }
        } else {
            self.seed_customers();
        }
        self.seed_access();
        self.plant(Place::Package, &[("name", "routeros"), ("version", &version)]);
    }

    fn seed_customers(&mut self) {
        self.plant(Place::Pool, &[("name", "hs-pool"), ("ranges", "10.5.0.2-10.5.255.254")]);
        self.plant(Place::Pool, &[("name", "ppp-pool"), ("ranges", "10.10.0.2-10.10.255.254")]);
        self.plant(Place::Address, &[("address", "10.5.0.1/16"), ("interface", "bridge")]);
        let login_by = "cookie,http-chap,http-pap,mac-cookie";
        self.plant(Place::HotspotProfile, &[("name", "hsprof1"), ("login-by", login_by)]);
        let server = [("name", "hotspot1"), ("interface", "bridge"), ("profile", "hsprof1")];
        let server = [&server[..], &[("address-pool", "hs-pool")]].concat();
        self.plant(Place::Hotspot, &server);
        for name in ["default", "default-encryption"] {
            let pool = ("remote-address", "ppp-pool");
            self.plant(Place::PppProfile, &[("name", name), ("default", "true"), pool]);
        }
        self.plant(Place::PppoeServer, &[("service-name", "pppoe"), ("interface", "bridge")]);
    }

    fn seed_access(&mut self) {
        let services = [
            ("telnet", "23"),
            ("ftp", "21"),
            ("www", "80"),
            ("ssh", "22"),
            ("www-ssl", "443"),
            ("api", "8728"),
            ("winbox", "8291"),
            ("api-ssl", "8729"),
        ];
        for (name, port) in services {
            self.plant(Place::Service, &[("name", name), ("port", port)]);
        }
        if !self.make.blank {
            let id = self.plant(Place::Certificate, &[("name", "own")]);
            self.sign(id);
        }
        for name in ["api-ssl", "www-ssl"] {
            let Some(service) = self.table(Place::Service).first("name", name) else { continue };
            let is_blank = self.make.blank;
            let services = self.table_mut(Place::Service);
            match (is_blank, name) {
                (false, _) => services.put_named(service, "certificate", "own"),
                (true, "www-ssl") => services.put_named(service, "disabled", "true"),
                (true, _) => {}
            }
        }
        // Version 6 has no REST and no policy for it.
        let known = menus::POLICIES.iter().filter(|policy| self.knows_policy(policy));
        let full = known.copied().collect::<Vec<_>>().join(",");
        let read =
            "local,telnet,ssh,reboot,read,test,winbox,password,web,sniff,sensitive,api,romon";
        let rest = if self.is_old() { "" } else { ",rest-api" };
        let (read, write) = (format!("{read}{rest}"), format!("{read},write{rest}"));
        for (name, policy) in [("full", &full), ("read", &read), ("write", &write)] {
            self.plant(Place::UserGroup, &[("name", name), ("policy", policy)]);
        }
        for (name, password, group) in self.make.users.clone() {
            let values = [("name", name), ("password", password), ("group", group)];
            let values: Vec<_> =
                values.iter().map(|(name, value)| (*name, value.as_str())).collect();
            self.plant(Place::User, &values);
        }
    }

    fn knows_policy(&self, policy: &str) -> bool {
        policy.trim_start_matches('!') != "rest-api" || !self.is_old()
    }

    /// Makes a certificate of a form.
    pub(crate) fn sign(&mut self, id: Id) {
        let until = self.wall_text(self.wall() + 3_650 * 86_400 * units::SECOND);
        let fingerprint = self.make.fingerprint.clone();
        self.table_mut(Place::Certificate).put_named(id, "fingerprint", &fingerprint);
        self.table_mut(Place::Certificate).put_named(id, "invalid-after", &until);
    }

    /// Whether TLS of a service has something to show.
    pub(crate) fn shows_certificate(&self, service: &str) -> bool {
        let services = self.table(Place::Service);
        let bound = services.first("name", service).map(|id| services.text(id, "certificate"));
        bound.is_some_and(|name| self.is_signed(&name))
    }

    fn is_signed(&self, certificate: &str) -> bool {
        let certificates = self.table(Place::Certificate);
        let id = certificates.first("name", certificate);
        id.is_some_and(|id| certificates.is_written(id, "fingerprint"))
    }

    /// Puts an item into a menu without the checks that a command goes through.
    fn plant(&mut self, place: Place, values: &[(&str, &str)]) -> Id {
        let table = self.table_mut(place);
        let values = values.iter().filter_map(|(name, value)| {
            table.menu.field(name).map(|(at, _)| (at, value.as_bytes().to_vec()))
        });
        let values = values.collect();
        table.add(values, false, None)
    }
}

fn version_numbers(version: &str) -> (u32, u32) {
    let mut numbers =
        version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(7), numbers.next().unwrap_or(0))
}
