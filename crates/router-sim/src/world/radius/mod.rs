//! Owns the router's side of RADIUS inside the world: whom it asks and what for, what is under
//! way, what its counters say, and what orders from outside do to sessions.
//!
//! Never opens a socket and never waits: questions and reports go out through the outbox, which
//! `nas` empties, and answers come in as calls. (MikroTik manual, "RADIUS"; RFC 2865, 2866, 5176.)

mod changes;
mod counters;
mod facts;
mod grant;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use lango_radius::Secret;
use lango_radius::accounting::{Status, TerminateCause};
use lango_routeros::values::MacAddress;
use tokio::sync::{broadcast, oneshot};

pub use counters::RadiusCounters;
pub(crate) use facts::{About, Facts, Report, Service, Use, mac_text, port_type};
pub(crate) use grant::Grant;

use super::hotspot::Guest;
use super::menus::Place;
use super::meter::Traffic;
use super::table::Id;
use super::units::{SECOND, duration};
use super::{Deadline, World};

/// What the login page shows when nobody answered (stock `errors.txt`).
pub(crate) const SILENT: &str = "RADIUS server is not responding";

/// What it shows while the answer is awaited (stock `errors.txt`).
pub(crate) const AUTHORIZING: &str = "already authorizing, retry later";

/// The first release that knows `require-message-auth`.
const SIGNS_SINCE: (u32, u32) = (7, 15);

/// What `timeout` of `/radius` was before version 7.
const OLD_TIMEOUT: &str = "300ms";

#[derive(Debug)]
pub(crate) struct Radius {
    outbox: Vec<Order>,
    asking: HashMap<u64, Asking>,
    /// Addresses of guests about whom a question is under way.
    asked_for: HashSet<Ipv4Addr>,
    counters: HashMap<Id, RadiusCounters>,
    incoming: counters::Incoming,
    events: broadcast::Sender<RadiusEvent>,
    /// Grows with every question and report.
    orders: u64,
    /// Grows with every start of the router; what an earlier one began is forgotten.
    epoch: u64,
    sessions: u32,
    /// The reports of this moment outlive the reboot that follows.
    leaving: bool,
    /// Whether Accounting-On and Accounting-Off are sent, which RouterOS does not do by itself.
    pub(crate) announces: bool,
}

/// Something to be sent until it is answered or given up.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) number: u64,
    /// Whom to try, in this order.
    pub(crate) entries: Vec<Entry>,
    pub(crate) what: What,
    epoch: Option<u64>,
    since: i64,
}

#[derive(Debug)]
pub(crate) enum What {
    Access(Box<Facts>, Proof),
    Accounting(Box<Report>),
}

/// By what the user proves who he is.
#[derive(Clone)]
pub(crate) enum Proof {
    Pap(String),
    Chap(String),
    MsChap1(String),
    MsChap2(String),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Proof::Pap(_) => "Pap(..)",
            Proof::Chap(_) => "Chap(..)",
            Proof::MsChap1(_) => "MsChap1(..)",
            Proof::MsChap2(_) => "MsChap2(..)",
        })
    }
}

/// A line of `/radius`.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) address: Ipv4Addr,
    pub(crate) authentication_port: u16,
    pub(crate) accounting_port: u16,
    pub(crate) secret: Secret,
    pub(crate) timeout: Duration,
    /// The router's own address towards this server.
    pub(crate) source: Ipv4Addr,
    /// Whether access requests carry a Message-Authenticator and their replies must.
    pub(crate) signs: bool,
}

/// What came of a question.
#[derive(Debug)]
pub(crate) enum Reply {
    Accepted(Box<Grant>),
    /// With the text for the user, if there was one.
    Rejected(Option<String>),
    /// Accepted, but without the proof that the server knows the password too.
    Unproven,
    Silent,
}

#[derive(Debug)]
struct Asking {
    purpose: Purpose,
    facts: Facts,
    waiting: Option<oneshot::Sender<Result<(), String>>>,
}

#[derive(Debug)]
pub(crate) enum Purpose {
    Guest(Box<Guest>),
    Dialer(MacAddress),
}

/// What a session that RADIUS let in carries along.
#[derive(Debug, Clone)]
pub(crate) struct RadiusSession {
    pub(crate) facts: Facts,
    pub(crate) grant: Grant,
    pub(crate) accounted: bool,
    pub(crate) interim: Option<i64>,
    pub(crate) next_interim: Option<i64>,
}

/// What became of an accounting packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RadiusEvent {
    /// When, on the injected clock.
    pub at_micros: i64,
    /// Which server.
    pub server: SocketAddr,
    /// What the packet says.
    pub report: AccountingReport,
    /// What happened to it.
    pub delivery: Delivery,
}

/// How far an accounting packet has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It left the router, the first time or again.
    Sent {
        /// 1 for the first time.
        attempt: u32,
    },
    /// The server says that it is recorded.
    Acknowledged,
    /// No server answered; what it said is lost.
    GivenUp,
}

/// What an accounting packet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountingReport {
    /// Start, interim, stop, on or off.
    pub status: Status,
    /// Empty for on and off.
    pub session_id: String,
    /// Empty for on and off.
    pub user: String,
    /// From the user.
    pub bytes_in: u64,
    /// To the user.
    pub bytes_out: u64,
    /// How long the session has lasted.
    pub session_seconds: u32,
    /// Why it ended, if it did.
    pub cause: Option<TerminateCause>,
}

impl Radius {
    pub(crate) fn new() -> Radius {
        let (events, _) = broadcast::channel(16_384);
        Radius {
            outbox: Vec::new(),
            asking: HashMap::new(),
            asked_for: HashSet::new(),
            counters: HashMap::new(),
            incoming: counters::Incoming::default(),
            events,
            orders: 0,
            epoch: 0,
            sessions: 0,
            leaving: false,
            announces: false,
        }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<RadiusEvent> {
        self.events.subscribe()
    }

    pub(crate) fn take_outbox(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.outbox)
    }

    /// Whether a question about the guest at this address is under way.
    pub(crate) fn is_asked_for(&self, ip: Ipv4Addr) -> bool {
        self.asked_for.contains(&ip)
    }

    /// Whoever waits for this answer is told the outcome; nothing comes if the router reboots.
    pub(crate) fn await_outcome(
        &mut self,
        number: u64,
    ) -> Option<oneshot::Receiver<Result<(), String>>> {
        let (tell, told) = oneshot::channel();
        self.asking.get_mut(&number)?.waiting = Some(tell);
        Some(told)
    }

    /// Power off: everything under way is forgotten and session ids begin anew.
    pub(crate) fn forget_live(&mut self) {
        self.epoch += 1;
        self.sessions = 0;
        self.asking.clear();
        self.asked_for.clear();
        self.counters.clear();
        self.incoming = counters::Incoming::default();
        self.leaving = false;
    }
}

impl RadiusSession {
    fn report(&self, status: Status, use_so_far: Use) -> Option<(Status, About)> {
        let about = About::Session {
            facts: Box::new(self.facts.clone()),
            class: self.grant.class.clone(),
            use_so_far,
        };
        self.accounted.then_some((status, about))
    }
}

impl World {
    /// Two digits for the service, one that moves on with each reboot, and a counter: an id comes
    /// back after sixteen reboots.
    pub(in crate::world) fn new_session_id(&mut self, service: Service) -> (String, u32) {
        let number = self.radius.sessions;
        self.radius.sessions += 1;
        let reboots = self.radius.epoch % 16;
        (format!("{:02x}{reboots:x}{:05x}", service.digits(), number % 0x10_0000), number)
    }

    /// Asks the servers for this service whether somebody may come in; the number of the question,
    /// or why there is nobody to ask.
    pub(in crate::world) fn ask_radius(
        &mut self,
        facts: Facts,
        proof: Proof,
        purpose: Purpose,
    ) -> Result<u64, String> {
        let entries = self.radius_entries(facts.service, &facts.called);
        if entries.is_empty() {
            return Err(SILENT.to_owned());
        }
        if let Purpose::Guest(guest) = &purpose {
            self.radius.asked_for.insert(guest.ip);
        }
        let number = self.order(entries, What::Access(Box::new(facts.clone()), proof));
        self.radius.asking.insert(number, Asking { purpose, facts, waiting: None });
        Ok(number)
    }

    fn order(&mut self, entries: Vec<Entry>, what: What) -> u64 {
        self.radius.orders += 1;
        let number = self.radius.orders;
        let epoch = (!self.radius.leaving).then_some(self.radius.epoch);
        self.radius.outbox.push(Order { number, entries, what, epoch, since: self.now });
        number
    }

    /// The lines of `/radius` that concern a service, in their order.
    fn radius_entries(&self, service: Service, called: &str) -> Vec<Entry> {
        let table = self.table(Place::Radius);
        let concerns = |id: &Id| {
            let wanted = table.text(*id, "called-id");
            table.is_enabled(*id)
                && table.text(*id, "service").split(',').any(|word| word == service.word())
                && (wanted.is_empty() || wanted == called)
        };
        table.ids().filter(concerns).filter_map(|id| self.radius_entry(id)).collect()
    }

    fn radius_entry(&self, id: Id) -> Option<Entry> {
        let table = self.table(Place::Radius);
        let timeout = duration(&self.radius_timeout(id)).and_then(|span| u64::try_from(span).ok());
        let source = table.text(id, "src-address").parse().ok();
        let source = source.filter(|source: &Ipv4Addr| !source.is_unspecified());
        Some(Entry {
            id,
            address: table.text(id, "address").parse().ok()?,
            authentication_port: table.text(id, "authentication-port").parse().ok()?,
            accounting_port: table.text(id, "accounting-port").parse().ok()?,
            secret: Secret::new(table.text(id, "secret")).ok()?,
            timeout: Duration::from_micros(timeout?),
            source: source.unwrap_or(self.make.address),
            signs: self.version >= SIGNS_SINCE && !table.is(id, "require-message-auth", "no"),
        })
    }

    /// What `timeout` shows: its default grew with version 7.
    pub(in crate::world) fn radius_timeout(&self, id: Id) -> String {
        let table = self.table(Place::Radius);
        let is_default = !table.is_written(id, "timeout");
        if is_default && self.is_old() { OLD_TIMEOUT.to_owned() } else { table.text(id, "timeout") }
    }

    /// Whether the router that gave this order is still running.
    pub(crate) fn still_wants(&self, order: &Order) -> bool {
        order.epoch.is_none_or(|epoch| epoch == self.radius.epoch)
    }

    /// Seconds since what an order reports.
    pub(crate) fn delay_of(&self, order: &Order) -> u32 {
        u32::try_from((self.now - order.since) / SECOND).unwrap_or(0)
    }

    /// An answer came, or nobody answered.
    pub(crate) fn radius_answered(&mut self, number: u64, reply: Reply) {
        // The router has rebooted since if nobody remembers the question.
        let Some(asking) = self.radius.asking.remove(&number) else { return };
        self.changes += 1;
        let outcome = match asking.purpose {
            Purpose::Guest(guest) => {
                self.radius.asked_for.remove(&guest.ip);
                self.guest_answered(*guest, asking.facts, reply)
            }
            Purpose::Dialer(mac) => self.dialer_answered(mac, number, asking.facts, reply),
        };
        if let Some(waiting) = asking.waiting {
            // Whoever asked may have gone.
            let _ = waiting.send(outcome);
        }
    }

    // --- accounting ---------------------------------------------------------------------------

    /// Reports a session if it is accounted for.
    pub(in crate::world) fn account(
        &mut self,
        session: Option<&RadiusSession>,
        status: Status,
        use_so_far: Use,
    ) {
        let Some(session) = session else { return };
        if let Some((status, about)) = session.report(status, use_so_far) {
            let entries = self.radius_entries(session.facts.service, &session.facts.called);
            self.send_report(entries, status, about);
        }
    }

    pub(in crate::world) fn account_start(&mut self, session: Option<&RadiusSession>) {
        self.account(session, Status::Start, Use::of(Traffic::default(), 0, None));
    }

    fn send_report(&mut self, entries: Vec<Entry>, status: Status, about: About) {
        if entries.is_empty() {
            return;
        }
        let timestamp = u32::try_from(self.wall() / SECOND).unwrap_or(0);
        let report = Report { status, about, timestamp };
        self.order(entries, What::Accounting(Box::new(report)));
    }

    /// Accounting-On or Accounting-Off to every server, each once.
    fn announce_router(&mut self, status: Status) {
        let mut seen = HashSet::new();
        let ppp = self.radius_entries(Service::Ppp, "");
        let entries = self.radius_entries(Service::Hotspot, "").into_iter().chain(ppp);
        let entries: Vec<Entry> = entries.filter(|entry| seen.insert(entry.id)).collect();
        let identity = self.table(Place::Identity).text(1, "name");
        for entry in entries {
            let about = About::Router { identity: identity.clone() };
            self.send_report(vec![entry], status, about);
        }
    }

    pub(in crate::world) fn announce_start(&mut self) {
        if self.radius.announces {
            self.announce_router(Status::On);
        }
    }

    /// Ends every session with a report before a reboot that the administrator wants.
    pub(crate) fn say_goodbye(&mut self) {
        self.radius.leaving = true;
        self.end_every_session();
        if self.radius.announces {
            self.announce_router(Status::Off);
        }
    }

    fn end_every_session(&mut self) {
        let guests: Vec<Ipv4Addr> = self.hotspot.actives.keys().copied().collect();
        for ip in guests {
            self.log_out(ip, super::hotspot::Logout::Reboot);
        }
        let sessions: Vec<Id> = self.ppp.sessions.keys().copied().collect();
        for id in sessions {
            self.end_ppp_session(id, "nas-reboot");
        }
    }

    /// Tells listeners what became of an accounting packet.
    pub(crate) fn tell_delivery(
        &mut self,
        server: SocketAddr,
        report: &Report,
        delivery: Delivery,
    ) {
        self.changes += 1;
        let report = AccountingReport::of(report);
        // Nobody need listen.
        let _ =
            self.radius.events.send(RadiusEvent { at_micros: self.now, server, report, delivery });
    }

    // --- counters -----------------------------------------------------------------------------

    pub(crate) fn count_radius(&mut self, entry: Id, count: impl FnOnce(&mut RadiusCounters)) {
        self.changes += 1;
        count(self.radius.counters.entry(entry).or_default());
    }

    pub(crate) fn radius_counters(&self) -> RadiusCounters {
        self.radius.counters.values().fold(RadiusCounters::default(), |sum, one| sum.plus(one))
    }

    pub(in crate::world) fn radius_counters_of(&self, entry: Id) -> RadiusCounters {
        self.radius.counters.get(&entry).copied().unwrap_or_default()
    }

    pub(in crate::world) fn reset_radius_counters(&mut self, entry: Id) {
        self.radius.counters.remove(&entry);
    }

    // --- orders from outside ------------------------------------------------------------------

    /// The port on which orders from outside are taken, if they are.
    pub(crate) fn incoming_port(&self) -> Option<u16> {
        let incoming = self.table(Place::RadiusIncoming);
        let accepts = incoming.is(1, "accept", "true");
        incoming.text(1, "port").parse().ok().filter(|_| accepts)
    }

    /// The secrets shared with whoever has this address: orders come from servers only.
    pub(crate) fn secrets_of(&self, address: IpAddr) -> Vec<Secret> {
        let table = self.table(Place::Radius);
        let ids = table.ids().filter(|id| table.is_enabled(*id));
        let entries = ids.filter_map(|id| self.radius_entry(id));
        entries
            .filter(|entry| IpAddr::V4(entry.address) == address)
            .map(|entry| entry.secret)
            .collect()
    }

    pub(crate) fn own_address(&self) -> Ipv4Addr {
        self.make.address
    }

    pub(in crate::world) fn plan_interim(&mut self, session: &mut RadiusSession, then: Deadline) {
        session.next_interim = session.interim.map(|span| self.now + span);
        if let Some(at) = session.next_interim.filter(|_| session.accounted) {
            self.at(at, then);
        }
    }
}

impl AccountingReport {
    fn of(report: &Report) -> AccountingReport {
        let status = report.status;
        match &report.about {
            About::Session { facts, use_so_far, .. } => AccountingReport {
                status,
                session_id: facts.session_id.clone(),
                user: facts.user.clone(),
                bytes_in: use_so_far.traffic.bytes_in,
                bytes_out: use_so_far.traffic.bytes_out,
                session_seconds: use_so_far.seconds,
                cause: use_so_far.cause,
            },
            About::Router { .. } => AccountingReport {
                status,
                session_id: String::new(),
                user: String::new(),
                bytes_in: 0,
                bytes_out: 0,
                session_seconds: 0,
                cause: None,
            },
        }
    }
}
