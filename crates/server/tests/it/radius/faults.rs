//! The fault table: whatever happens to the line, the database, the disk or a router's clock,
//! nothing acknowledged is lost, nothing is counted twice, and nobody is turned away who may come
//! in. What is in trouble is silent: routers ask again.

use super::PATIENCE;
use super::tally::{Tally, Totals, sums};
use super::town::{Town, browses, phone, sessions, sign_in};
use crate::harness::Engine;
use lango_domain::ids::GrantId;
use lango_domain::plan::Terms;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_router_sim::{Disturbance, MacAddress, RouterSim};
use lango_store::radius::RadiusSession;
use lango_store::testing::{TestDatabase, fill_disk, free_disk};
use lango_store::{DatabaseUrl, Settings, Store, Tx};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How many use each router.
const GUESTS: u8 = 12;
/// How often some come and go at once.
const VISITS: usize = 3;
/// How large the database may grow where its disk is small.
const FEW_PAGES: u32 = 700;
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Lossy,
    Doubling,
    Reordering,
    AllThree,
    DatabaseAway,
    DiskFull,
    ClocksJump,
}

impl Fault {
    const ALL: [Fault; 8] = [
        Fault::None,
        Fault::Lossy,
        Fault::Doubling,
        Fault::Reordering,
        Fault::AllThree,
        Fault::DatabaseAway,
        Fault::DiskFull,
        Fault::ClocksJump,
    ];

    fn words(self) -> &'static str {
        match self {
            Fault::None => "nothing",
            Fault::Lossy => "one packet in ten is lost",
            Fault::Doubling => "three in ten arrive twice",
            Fault::Reordering => "half arrive late and out of order",
            Fault::AllThree => "all of these at once",
            Fault::DatabaseAway => "the database is away and back",
            Fault::DiskFull => "the disk is full and has room again",
            Fault::ClocksJump => "the routers' clocks jump",
        }
    }

    /// Whether the server can do nothing at all while it lasts.
    fn is_outage(self) -> bool {
        matches!(self, Fault::DatabaseAway | Fault::DiskFull)
    }

    fn disturbance(self) -> Disturbance {
        let (lost, duplicated, delayed) = match self {
            Fault::Lossy => (10, 0, 0),
            Fault::Doubling => (0, 30, 0),
            Fault::Reordering => (0, 0, 50),
            Fault::AllThree => (10, 30, 50),
            _ => (0, 0, 0),
        };
        let longest_delay = Duration::from_millis(150);
        Disturbance { seed: 20_261_121, lost, duplicated, delayed, longest_delay }
    }
}

/// A line of the table.
#[derive(Debug)]
struct Line {
    fault: Fault,
    totals: Totals,
    logins: u32,
    silent: u32,
    rejected: Vec<String>,
    lost: Vec<String>,
    doubled: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fault_table_on_sqlite() {
    the_fault_table(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fault_table_on_postgres() {
    the_fault_table(Engine::Postgres).await;
}

async fn the_fault_table(engine: Engine) {
    let mut table = Vec::new();
    for fault in Fault::ALL {
        let place = Ground::lay(engine).await;
        table.push(Day::begin(fault, place).await.live().await);
    }
    print(engine, &table);
    for line in &table {
        assert_eq!(line.rejected, [""; 0], "{:?}: turned away", line.fault);
        assert_eq!(line.lost, [""; 0], "{:?}: acknowledged and lost", line.fault);
        assert_eq!(line.doubled, [""; 0], "{:?}: counted twice", line.fault);
        // Otherwise it proved nothing: each of them told and was heard more than once.
        let each_twice = 4 * u32::from(GUESTS);
        assert!(line.totals.acknowledged > each_twice, "{:?}: {:?}", line.fault, line.totals);
        if line.fault.is_outage() {
            assert!(line.silent > 0 && line.totals.given_up > 0, "{line:?}");
        }
    }
}

fn print(engine: Engine, table: &[Line]) {
    println!("\n{engine:?}");
    println!(
        "{:<38} {:>6} {:>6} {:>8} {:>6} {:>6} {:>8} {:>5} {:>7}",
        "what goes wrong",
        "logins",
        "silent",
        "rejected",
        "sent",
        "acked",
        "given up",
        "lost",
        "doubled"
    );
    for line in table {
        let Totals { sent, acknowledged, given_up } = line.totals;
        println!(
            "{:<38} {:>6} {:>6} {:>8} {:>6} {:>6} {:>8} {:>5} {:>7}",
            line.fault.words(),
            line.logins,
            line.silent,
            line.rejected.len(),
            sent,
            acknowledged,
            given_up,
            line.lost.len(),
            line.doubled.len(),
        );
    }
}

/// A database that can be taken away and filled up.
struct Ground {
    database: TestDatabase,
    store: Store,
    wire: Option<Wire>,
    lock: Option<Lock>,
}

impl Ground {
    async fn lay(engine: Engine) -> Ground {
        let migrations = lango_store::schema::MIGRATIONS;
        if engine == Engine::Postgres {
            let database = TestDatabase::postgres(migrations).await;
            let server = std::env::var("LANGO_TEST_POSTGRES").unwrap();
            let wire = Wire::lay(host_of(&server)).await;
            let name = database.url().to_string();
            let name = name.rsplit_once('/').unwrap().1.to_owned();
            let url = format!("postgres://lango@{}/{name}", wire.address);
            let settings = Settings {
                postgres_connections: 4,
                wait_for_connection: Duration::from_secs(2),
                ..Settings::default()
            };
            let store = Store::open(&url.parse().unwrap(), settings).await.unwrap();
            return Ground { database, store, wire: Some(wire), lock: None };
        }
        let database = TestDatabase::sqlite();
        let settings = Settings { sqlite_most_pages: Some(FEW_PAGES), ..Settings::default() };
        let store = database.open(settings).await;
        lango_store::migrations::migrate(&store, migrations, 0).await.unwrap();
        Ground { database, store, wire: None, lock: None }
    }

    async fn take_away(&mut self) {
        match &self.wire {
            Some(wire) => wire.cut(true),
            None => self.lock = Some(Lock::hold(self.database.url().clone()).await),
        }
    }

    async fn give_back(&mut self) {
        match (&self.wire, self.lock.take()) {
            (Some(wire), _) => wire.cut(false),
            (None, Some(lock)) => lock.release().await,
            (None, None) => {}
        }
    }
}

/// `host:port` of an address of PostgreSQL.
fn host_of(url: &str) -> SocketAddr {
    let after_user = url.rsplit_once('@').unwrap().1;
    after_user.split('/').next().unwrap().parse().unwrap()
}

/// The cable between the server and PostgreSQL.
struct Wire {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Wire {
    async fn lay(server: SocketAddr) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, is_cut) = (listener.local_addr().unwrap(), watch::Sender::new(false));
        let cuts = is_cut.subscribe();
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cuts = cuts.clone();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(server).await else { return };
                    tokio::select! {
                        _ = cuts.wait_for(|is_cut| *is_cut) => {}
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                    }
                });
            }
        });
        Wire { address, is_cut, task }
    }

    fn cut(&self, is_cut: bool) {
        self.is_cut.send_replace(is_cut);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Another program that writes to the SQLite file and does not come to an end.
struct Lock {
    release: mpsc::Sender<()>,
    holding: JoinHandle<()>,
}

impl Lock {
    async fn hold(url: DatabaseUrl) -> Lock {
        let (release, wait) = mpsc::channel();
        let (held, is_held) = tokio::sync::oneshot::channel();
        let (wait, held) = (std::sync::Mutex::new(wait), std::sync::Mutex::new(Some(held)));
        let holding = tokio::spawn(async move {
            let store = Store::open(&url, Settings::default()).await.unwrap();
            let held = store.write(async move |_: &mut Tx<'_>| {
                if let Some(held) = held.lock().unwrap().take() {
                    let _ = held.send(());
                }
                // On the thread that writes for that other program only.
                let _ = wait.lock().unwrap().recv();
                Ok(())
            });
            held.await.unwrap();
        });
        is_held.await.unwrap();
        Lock { release, holding }
    }

    async fn release(self) {
        drop(self.release);
        self.holding.await.unwrap();
    }
}

struct Guest {
    router: usize,
    mac: MacAddress,
    code: String,
    grant: GrantId,
}

/// A day with a fault in it.
struct Day {
    fault: Fault,
    ground: Ground,
    town: Town,
    guests: Vec<Guest>,
    tally: Tally,
    logins: u32,
    silent: u32,
    rejected: Vec<String>,
}

impl Day {
    async fn begin(fault: Fault, ground: Ground) -> Day {
        let town = Town::of(ground.store.clone()).await;
        let mut terms = Terms::hotspot(Span::days(1));
        // Limited, so that the grant hears every report; far beyond what anybody uses here.
        terms.clock.data = Some(DataSize::bytes(1 << 50));
        town.plan("Day", terms).await;
        let tally = Tally::default();
        for place in &town.places {
            tally.follow(place.id, &place.sim);
            place.sim.set("/radius", &place.line, &[("timeout", "300ms")]).unwrap();
        }
        let vouchers = town.vouchers("Day", 2 * usize::from(GUESTS)).await;
        let guests = vouchers.into_iter().enumerate().map(|(number, (code, grant))| Guest {
            router: number % 2,
            mac: phone(number as u8),
            code,
            grant,
        });
        let guests = guests.collect();
        let (logins, silent, rejected) = (0, 0, Vec::new());
        Day { fault, ground, town, guests, tally, logins, silent, rejected }
    }

    async fn live(mut self) -> Line {
        let half = self.guests.len() / 2;
        if !self.fault.is_outage() {
            self.go_wrong().await;
        }
        self.sign_in(0..half, true).await;
        self.town.pass(Span::minutes(6)).await;
        if self.fault.is_outage() {
            self.go_wrong().await;
        }
        self.sign_in(half..2 * half, !self.fault.is_outage()).await;
        self.town.rush(Span::minutes(30)).await;
        self.some_leave(half / 2);
        self.jump(-DAY * 365 * 56);
        if self.fault.is_outage() {
            self.go_on_until_reports_are_refused(half).await;
        }
        self.town.pass(Span::minutes(2)).await;
        if !self.fault.is_outage() {
            self.some_come_and_go(half / 2).await;
        }
        self.go_right().await;
        self.sign_in(0..2 * half, true).await;
        self.town.pass(Span::minutes(6)).await;
        self.jump(DAY * 3);
        self.town.pass(Span::minutes(6)).await;
        self.add_up().await
    }

    /// What goes on finds room on a full disk, what is new some time does not any more.
    async fn go_on_until_reports_are_refused(&mut self, count: usize) {
        let mut rounds = 0;
        while self.tally.totals().given_up == 0 {
            rounds += 1;
            assert!(rounds < 40, "{:?} does not bite", self.fault);
            self.some_leave(count);
            self.sign_in(0..count, false).await;
            self.town.pass(Span::minutes(1)).await;
        }
    }

    fn routers(&self) -> impl Iterator<Item = &RouterSim> {
        self.town.places.iter().map(|place| &place.sim)
    }

    async fn go_wrong(&mut self) {
        let disturbance = self.fault.disturbance();
        self.routers().for_each(|router| router.faults().disturb_radius(disturbance));
        match self.fault {
            Fault::DatabaseAway => self.ground.take_away().await,
            Fault::DiskFull => fill_disk(self.ground.database.url(), FEW_PAGES).await,
            _ => {}
        }
        self.jump(300_000_000);
    }

    async fn go_right(&mut self) {
        self.routers().for_each(|router| router.faults().disturb_radius(Disturbance::default()));
        match self.fault {
            Fault::DatabaseAway => self.ground.give_back().await,
            Fault::DiskFull => free_disk(self.ground.database.url()).await,
            _ => {}
        }
    }

    fn jump(&self, micros: i64) {
        if self.fault == Fault::ClocksJump {
            self.routers().for_each(|router| router.skew_clock(micros));
        }
    }

    /// Those who are not in type their codes: until they are, or once each.
    async fn sign_in(&mut self, who: std::ops::Range<usize>, until_they_are_in: bool) {
        let began = Instant::now();
        loop {
            let out: Vec<&Guest> = self.guests[who.clone()]
                .iter()
                .filter(|guest| !browses(&self.town.places[guest.router].sim, guest.mac))
                .collect();
            if out.is_empty() {
                break;
            }
            let tries = out
                .iter()
                .map(|guest| sign_in(&self.town.places[guest.router].sim, guest.mac, &guest.code));
            let told = futures_util::future::join_all(tries).await;
            self.note(told);
            if !until_they_are_in {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{:?}: they do not get in", self.fault);
        }
        for guest in &self.guests[who] {
            self.town.places[guest.router].sim.keep_busy(guest.mac, 1_000, 9_000);
        }
    }

    fn note(&mut self, told: Vec<Result<(), String>>) {
        for told in told {
            self.logins += 1;
            match told {
                Ok(()) => {}
                Err(words) if words.contains("not responding") => self.silent += 1,
                // The router asks about that phone already.
                Err(words) if words.contains("already authorizing") => {}
                Err(words) => self.rejected.push(words),
            }
        }
    }

    /// They leave the moment that they are in: the beginning of a session and its end are on their
    /// way together, and the end arrives first where packets overtake each other.
    async fn some_come_and_go(&mut self, count: usize) {
        self.some_leave(count);
        for _ in 0..VISITS {
            let visits = self.guests[..count].iter().map(async |guest| {
                let router = &self.town.places[guest.router].sim;
                let told = sign_in(router, guest.mac, &guest.code).await;
                router.press_logout(guest.mac);
                told
            });
            let told = futures_util::future::join_all(visits).await;
            self.note(told);
        }
        self.town.settle().await;
    }

    fn some_leave(&self, count: usize) {
        for guest in &self.guests[..count] {
            self.town.places[guest.router].sim.press_logout(guest.mac);
        }
    }

    async fn add_up(self) -> Line {
        let mut books = Vec::new();
        let mut wrong = Vec::new();
        for guest in &self.guests {
            let grant = guest.grant;
            let router = &self.town.places[guest.router].sim;
            assert!(browses(router, guest.mac), "{:?}: {} is off", self.fault, guest.code);
            let own = sessions(self.town.app.store(), grant).await;
            let own: Vec<RadiusSession> = own.into_iter().map(|(counted, _)| counted).collect();
            let (input, output) = sums(&own);
            let read = async move |tx: &mut Tx<'_>| {
                let (from, to) = (Timestamp::default(), Timestamp::from_micros(i64::MAX));
                lango_store::radius::usage(tx, grant, from, to).await
            };
            let hours = self.town.app.store().read(read).await.unwrap();
            let by_hours = (
                hours.iter().map(|hour| hour.input.as_bytes()).sum(),
                hours.iter().map(|hour| hour.output.as_bytes()).sum(),
            );
            let stored = self.town.grant(grant).await.grant;
            let meter = stored.meter.data.as_bytes();
            if by_hours != (input, output) || meter != input + output {
                wrong.push(format!("{}: {by_hours:?}, {meter}, {input}+{output}", guest.code));
            }
            assert_eq!(stored.state.word(), "active", "{:?}", self.fault);
            assert!(self.town.cuts(grant).await.is_empty(), "{:?}", self.fault);
            books.extend(own);
        }
        let (lost, mut doubled) = self.tally.compare(&books);
        doubled.extend(wrong);
        let (fault, totals) = (self.fault, self.tally.totals());
        let (logins, silent, rejected) = (self.logins, self.silent, self.rejected);
        Line { fault, totals, logins, silent, rejected, lost, doubled }
    }
}
