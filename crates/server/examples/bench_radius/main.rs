//! RADIUS under load: `make bench-radius`. Lango and FreeRADIUS, each in a process of its own, on
//! the same machine, with the same subscribers, asked by the same NASes: by the clock, whether they
//! answer or not. How fast each can go, how soon it answers at half of that, what it costs, and
//! what becomes of 50,000 sessions that come back after a reboot.
//!
//! Ends with 1 if a target is missed.

mod business;
mod freeradius;
mod nas;
mod peak;
mod place;
mod servers;
mod sessions;
mod table;

use anyhow::{Context, bail};
use clap::Parser;
use nas::{Came, Fleet, Flow, Pace, SECRET};
use peak::Peak;
use place::Place;
use servers::{Kind, Server};
use sessions::Proof;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;
use table::{Line, Table};

/// What to measure.
#[derive(Parser, Clone, Debug)]
#[command(about = "Measures Lango's RADIUS server beside FreeRADIUS.")]
struct Arguments {
    /// How much of everything: 1.0 is 50,000 subscribers and sessions.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Which cases.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Case>,
    /// Which servers.
    #[arg(long, value_enum, value_delimiter = ',')]
    servers: Vec<Kind>,
    /// How long each rate is tried.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How many subscribers Lango's memory is measured with, before `--scale`.
    #[arg(long, default_value_t = 1_000_000)]
    subscribers: usize,
    /// A PostgreSQL of this machine, in which databases are made and dropped:
    /// `postgres://USER@HOST:PORT/DATABASE`.
    #[arg(long)]
    postgres: Option<String>,
    /// This process is Lango, on that database. For the benchmark itself.
    #[arg(long, hide = true)]
    serve: Option<String>,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, clap::ValueEnum)]
enum Case {
    /// Logins with passwords.
    Pap,
    /// Logins with CHAP.
    Chap,
    /// Reports of sessions that last.
    Interims,
    /// All come back after a reboot.
    Storm,
    /// Memory with a million subscribers.
    Memory,
}

impl Case {
    const ALL: [Case; 5] = [Case::Pap, Case::Chap, Case::Interims, Case::Storm, Case::Memory];
}

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = Arguments::parse();
    lango_server::observe::tracing_setup::start("warn", false);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(database) = &arguments.serve {
        return runtime.block_on(servers::serve(database)).map(|()| ExitCode::SUCCESS);
    }
    if !(0.001..=10.0).contains(&arguments.scale) {
        bail!("--scale {}: give a number from 0.001 to 10", arguments.scale);
    }
    if arguments.only.is_empty() {
        arguments.only = Case::ALL.to_vec();
    }
    if arguments.servers.is_empty() {
        arguments.servers = Kind::ALL.to_vec();
    }
    let scale = arguments.scale;
    let table = Benchmark::new(arguments)?.run(&runtime)?;
    table.print(scale);
    Ok(if table.all_hold() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Benchmark {
    arguments: Arguments,
    place: Place,
    table: Table,
    peaks: HashMap<(Case, Kind), Peak>,
    storms: HashMap<Kind, f64>,
}

/// Longer than any of them needs to come back by itself.
const REDIAL: f64 = 60.0;
/// Sessions that come back together when nobody spreads them.
const UNDER_WAY: usize = 512;
/// How long somebody may take over it.
const PATIENCE: Duration = Duration::from_secs(30);

impl Benchmark {
    fn new(arguments: Arguments) -> anyhow::Result<Benchmark> {
        let place = Place::new(arguments.postgres.as_deref(), take_orders()?)?;
        eprintln!("durability: SQLite synchronous FULL; PostgreSQL {}", place.durability()?);
        let (table, peaks, storms) = (Table::default(), HashMap::new(), HashMap::new());
        Ok(Benchmark { arguments, place, table, peaks, storms })
    }

    fn run(mut self, runtime: &tokio::runtime::Runtime) -> anyhow::Result<Table> {
        let mut kinds = self.arguments.servers.clone();
        if !self.place.has_postgres() {
            eprintln!("without --postgres only what needs none");
            kinds.retain(|kind| matches!(kind, Kind::LangoSqlite | Kind::FreeradiusFiles));
        }
        // FreeRADIUS first: the others are compared with it.
        kinds.sort_by_key(|kind| kind.is_lango());
        for kind in kinds.iter().copied() {
            self.measure(runtime, kind)?;
        }
        if self.does(Case::Memory) && kinds.contains(&Kind::LangoSqlite) {
            self.measure_memory(runtime)?;
        }
        for kind in kinds.iter().copied().filter(|kind| kind.is_lango()) {
            self.judge(kind);
        }
        Ok(self.table)
    }

    fn does(&self, case: Case) -> bool {
        self.arguments.only.contains(&case)
    }

    fn of(&self, whole: usize) -> usize {
        // Both threads of the load have the same part.
        ((whole as f64 * self.arguments.scale).ceil() as usize).max(20).next_multiple_of(2)
    }

    fn measure(&mut self, runtime: &tokio::runtime::Runtime, kind: Kind) -> anyhow::Result<()> {
        let subscribers = self.of(50_000);
        eprintln!("{}: {subscribers} subscribers", kind.name());
        let server = runtime.block_on(Server::start(kind, &self.place, subscribers))?;
        let mut fleet = Fleet::new(server.authentication, server.accounting, subscribers)?;
        if !fleet.is_answered() {
            bail!("{} does not answer", kind.name());
        }
        for (case, proof) in [(Case::Pap, Proof::Pap), (Case::Chap, Proof::Chap)] {
            // The one without its log is there to show what the log costs.
            if self.does(case) && !(kind == Kind::FreeradiusNoLog && case == Case::Chap) {
                self.measure_peak(&server, &mut fleet, kind, case, Flow::Logins(proof))?;
            }
        }
        if kind.keeps_accounts() && (self.does(Case::Storm) || self.does(Case::Interims)) {
            self.come_back_at_once(&server, &mut fleet, kind, subscribers)?;
            if self.does(Case::Interims) {
                let (case, flow) = (Case::Interims, Flow::Interims);
                self.measure_peak(&server, &mut fleet, kind, case, flow)?;
            }
            if self.does(Case::Storm) {
                self.come_back_after_a_reboot(&server, &mut fleet, kind, subscribers)?;
            }
            self.check_what_was_acknowledged(runtime, server, &fleet, kind)?;
        }
        Ok(())
    }

    fn measure_peak(
        &mut self,
        server: &Server,
        fleet: &mut Fleet,
        kind: Kind,
        case: Case,
        flow: Flow,
    ) -> anyhow::Result<()> {
        let what = match case {
            Case::Pap => "PAP logins",
            Case::Chap => "CHAP logins",
            _ => "interims, durable",
        };
        eprintln!("  {what}");
        let peak = peak::find(server, fleet, flow, self.arguments.seconds)?;
        let beside = self.peaks.get(&(case, Kind::FreeradiusPostgres)).map(|peer| peer.rate);
        self.table.add(Line {
            what: what.to_owned(),
            who: kind.name(),
            cells: [
                format!("{:.0}", peak.rate),
                millis(peak.p50),
                millis(peak.p99),
                peak.lost.to_string(),
                format!("{:.3}", peak.cpu / 1_000.0),
                format!("{:.3}", peak.cpu_of_database / 1_000.0),
                ratio(peak.rate, beside),
            ],
        });
        if kind.is_lango() {
            let (who, rejected, wrong) = (kind.name(), peak.rejected, peak.wrong);
            let text = format!("{who}, {what}: no good password refused ({rejected})");
            self.table.target(rejected == 0, text);
            let text = format!("{who}, {what}: no answer to another question ({wrong})");
            self.table.target(wrong == 0, text);
        }
        self.peaks.insert((case, kind), peak);
        Ok(())
    }

    /// Everybody at the same time, as fast as he is answered.
    fn come_back_at_once(
        &mut self,
        server: &Server,
        fleet: &mut Fleet,
        kind: Kind,
        subscribers: usize,
    ) -> anyhow::Result<()> {
        let before = server.cpu_millis()?;
        let pace =
            Pace::AsFastAsPossible { under_way: UNDER_WAY, count: subscribers, patience: PATIENCE };
        let came = fleet.run(Flow::Comebacks, pace);
        let after = server.cpu_millis()?;
        fleet.calm_down();
        let rate = came.reports.len() as f64 / came.took.as_secs_f64();
        let beside = self.storms.get(&Kind::FreeradiusPostgres).copied();
        let what = format!("{subscribers} sessions at once");
        self.storm_line(what, kind, &came, rate, (before, after), ratio(rate, beside));
        self.storms.insert(kind, rate);
        if kind.is_lango() {
            let ok = came.rejected + came.wrong + came.lost == 0;
            let text = format!("{}: all come back at once, nobody lost or refused", kind.name());
            self.table.target(ok, text);
        }
        Ok(())
    }

    /// The BRAS was without power: it says so, and everybody redials within a minute.
    fn come_back_after_a_reboot(
        &mut self,
        server: &Server,
        fleet: &mut Fleet,
        kind: Kind,
        subscribers: usize,
    ) -> anyhow::Result<()> {
        let before = server.cpu_millis()?;
        let open = fleet.open();
        let took = fleet.reboot()?;
        eprintln!("  {open} sessions ended by the reboot: acknowledged after {took:?}");
        let rate = subscribers as f64 / REDIAL;
        let pace = Pace::Clock { rate, count: subscribers, to_the_end: true };
        let came = fleet.run(Flow::Comebacks, pace);
        let after = server.cpu_millis()?;
        let back = fleet.open();
        let what = format!("{subscribers} back in {REDIAL:.0} s after a reboot");
        let share = format!("{:.1} % back", back as f64 * 100.0 / subscribers as f64);
        let rate = came.reports.len() as f64 / came.took.as_secs_f64();
        self.storm_line(what, kind, &came, rate, (before, after), share);
        if kind.is_lango() {
            let ok = came.rejected + came.wrong + came.lost == 0 && back == subscribers;
            let text = format!("{}: all back after a reboot, nobody lost or refused", kind.name());
            self.table.target(ok, text);
        }
        Ok(())
    }

    fn storm_line(
        &mut self,
        what: String,
        kind: Kind,
        came: &Came,
        rate: f64,
        (before, after): ((u64, u64), (u64, u64)),
        ratio: String,
    ) {
        let thousands = came.answered().max(1) as f64 / 1_000.0;
        let per_thousand = |before: u64, after: u64| {
            format!("{:.3}", after.saturating_sub(before) as f64 / 1_000.0 / thousands)
        };
        let cells = [
            format!("{rate:.0}"),
            millis(peak::percentile(came, 50)),
            millis(peak::percentile(came, 99)),
            format!("{} ({} no)", came.lost, came.rejected),
            per_thousand(before.0, after.0),
            per_thousand(before.1, after.1),
            ratio,
        ];
        self.table.add(Line { what, who: kind.name(), cells });
    }

    /// The server dies without a word; what it acknowledged must be there.
    fn check_what_was_acknowledged(
        &mut self,
        runtime: &tokio::runtime::Runtime,
        server: Server,
        fleet: &Fleet,
        kind: Kind,
    ) -> anyhow::Result<()> {
        let acknowledged = fleet.open();
        let Some(url) = server.kill() else { return Ok(()) };
        let kept = runtime.block_on(business::open_sessions(&url))?;
        let text = format!(
            "{}: killed, and of {acknowledged} acknowledged sessions {kept} are in the database",
            kind.name()
        );
        self.table.target(kept >= acknowledged, text);
        Ok(())
    }

    fn measure_memory(&mut self, runtime: &tokio::runtime::Runtime) -> anyhow::Result<()> {
        const MOST_MIB: u64 = 1_024;
        let subscribers = self.of(self.arguments.subscribers);
        eprintln!("memory with {subscribers} subscribers");
        let start = Server::start(Kind::LangoSqlite, &self.place, subscribers);
        let server = runtime.block_on(start)?;
        let mut fleet = Fleet::new(server.authentication, server.accounting, subscribers)?;
        if !fleet.is_answered() {
            bail!("Lango does not answer with {subscribers} subscribers");
        }
        let count = self.of(100_000);
        let rate = 2_000.0;
        let pace = Pace::Clock { rate, count, to_the_end: true };
        let came = fleet.run(Flow::Comebacks, pace);
        let mib = server.memory()?;
        self.table.add(Line {
            what: format!("memory with {subscribers} subscribers"),
            who: Kind::LangoSqlite.name(),
            cells: [
                format!("{:.0}", came.reports.len() as f64 / came.took.as_secs_f64()),
                millis(peak::percentile(&came, 50)),
                millis(peak::percentile(&came, 99)),
                came.lost.to_string(),
                String::new(),
                String::new(),
                format!("{mib} MiB"),
            ],
        });
        let text = format!("memory with {subscribers} subscribers below 1 GiB: {mib} MiB");
        self.table.target(mib < MOST_MIB, text);
        Ok(())
    }

    /// The targets that are ratios and times.
    fn judge(&mut self, kind: Kind) {
        for case in [Case::Pap, Case::Chap, Case::Interims] {
            let Some(peak) = self.peaks.get(&(case, kind)).copied() else { continue };
            let who = format!("{}, {case:?}", kind.name());
            let p99 = f64::from(peak.p99) / 1_000.0;
            let text = format!("{who}: p99 below 20 ms at half of the peak: {p99:.1} ms");
            self.table.target(p99 < 20.0, text);
            let lost = peak.lost;
            self.table.target(lost == 0, format!("{who}: none lost at half of the peak: {lost}"));
            for (peer, times) in [(Kind::FreeradiusPostgres, 10.0), (Kind::FreeradiusFiles, 1.0)] {
                let Some(beside) = self.peaks.get(&(case, peer)) else { continue };
                let ratio = peak.rate / beside.rate.max(1.0);
                let peer = peer.name();
                let text = format!("{who}: at least {times} times {peer}: {ratio:.1} times");
                self.table.target(ratio >= times, text);
            }
        }
    }
}

fn millis(micros: u32) -> String {
    format!("{:.1}", f64::from(micros) / 1_000.0)
}

fn ratio(rate: f64, beside: Option<f64>) -> String {
    beside.map_or(String::new(), |beside| format!("{:.1} x", rate / beside.max(0.1)))
}

/// The NAS that takes orders: it lives, and never has anybody whom it is asked for.
fn take_orders() -> anyhow::Result<SocketAddr> {
    use lango_radius::{Code, Draft, Packet, Secret};
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = socket.local_addr()?;
    let secret = Secret::new(SECRET).context("the secret")?;
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Ok(packet) = Packet::parse(&buffer[..length]) else { continue };
            let Ok(request) = packet.verify_request(&secret) else { continue };
            let code = match request.code() {
                Code::DisconnectRequest => Code::DisconnectNak,
                _ => Code::CoaNak,
            };
            // 503: there is no such session (RFC 5176 §3.5).
            let reply = Draft::reply(&request, code).and_then(|mut reply| {
                reply.put(lango_radius::dictionary::ERROR_CAUSE, 503)?;
                Ok(reply)
            });
            if let Ok(reply) = reply {
                let _ = socket.send_to(reply.seal(&secret).octets(), from);
            }
        }
    });
    Ok(address)
}
