//! The servers that are measured, each a process of its own, and what they cost.

use crate::freeradius::{self, Backend};
use crate::{Place, business};
use anyhow::Context;
use lango_server::messaging::sender::Sender;
use lango_server::{radius, run};
use lango_store::DatabaseUrl;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Lango with SQLite on the disk.
    LangoSqlite,
    /// Lango with PostgreSQL.
    LangoPostgres,
    /// FreeRADIUS with PostgreSQL, as Debian sets it up.
    FreeradiusPostgres,
    /// The same without its log of logins (`radpostauth`): logins are reads only, as Lango's are.
    FreeradiusNoLog,
    /// FreeRADIUS with its users in a file.
    FreeradiusFiles,
}

impl Kind {
    pub(crate) const ALL: [Kind; 5] = [
        Kind::LangoSqlite,
        Kind::LangoPostgres,
        Kind::FreeradiusPostgres,
        Kind::FreeradiusNoLog,
        Kind::FreeradiusFiles,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::LangoSqlite => "Lango, SQLite",
            Kind::LangoPostgres => "Lango, PostgreSQL",
            Kind::FreeradiusPostgres => "FreeRADIUS, PostgreSQL",
            Kind::FreeradiusNoLog => "FreeRADIUS, PostgreSQL, no login log",
            Kind::FreeradiusFiles => "FreeRADIUS, files",
        }
    }

    pub(crate) fn is_lango(self) -> bool {
        matches!(self, Kind::LangoSqlite | Kind::LangoPostgres)
    }

    /// Whether its reports go into a database.
    pub(crate) fn keeps_accounts(self) -> bool {
        matches!(self, Kind::LangoSqlite | Kind::LangoPostgres | Kind::FreeradiusPostgres)
    }

    fn uses_postgres(self) -> bool {
        !matches!(self, Kind::LangoSqlite | Kind::FreeradiusFiles)
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) authentication: SocketAddr,
    pub(crate) accounting: SocketAddr,
    pub(crate) database: Option<DatabaseUrl>,
    postmaster: Option<u32>,
}

impl Server {
    /// Fills its database with so many subscribers and starts it.
    pub(crate) async fn start(
        kind: Kind,
        place: &Place,
        subscribers: usize,
    ) -> anyhow::Result<Server> {
        let postmaster = match kind.uses_postgres() {
            true => Some(place.postmaster()?),
            false => None,
        };
        let backend = match kind {
            Kind::LangoSqlite => {
                let url = DatabaseUrl::sqlite(place.fresh_directory("sqlite")?.join("lango.db"));
                return Server::lango(url, place, subscribers, postmaster).await;
            }
            Kind::LangoPostgres => {
                let url: DatabaseUrl = place.fresh_database("lango_bench_radius")?.parse()?;
                return Server::lango(url, place, subscribers, postmaster).await;
            }
            Kind::FreeradiusPostgres => Backend::Postgres { logs_logins: true },
            Kind::FreeradiusNoLog => Backend::Postgres { logs_logins: false },
            Kind::FreeradiusFiles => Backend::Files,
        };
        let (authentication, accounting) = (free_address()?, free_address()?);
        let ports = (authentication.port(), accounting.port());
        let child = freeradius::start(place, backend, ports, subscribers)?;
        Ok(Server { child, authentication, accounting, database: None, postmaster })
    }

    async fn lango(
        url: DatabaseUrl,
        place: &Place,
        subscribers: usize,
        postmaster: Option<u32>,
    ) -> anyhow::Result<Server> {
        business::found(&url, place.orders, subscribers).await?;
        let text = match url.sqlite_path() {
            Some(path) => format!("sqlite:{}", path.display()),
            None => {
                place.tidy("lango_bench_radius")?;
                place.url_of("lango_bench_radius")
            }
        };
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", &text])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting Lango")?;
        let out = child.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).context("reading where the server listens")?;
        let mut addresses = line.split_whitespace().map(str::parse);
        let mut next = || anyhow::Ok(addresses.next().context("the server does not listen")??);
        let (authentication, accounting) = (next()?, next()?);
        Ok(Server { child, authentication, accounting, database: Some(url), postmaster })
    }

    /// Processor time so far, in milliseconds: its own, and that of its database.
    pub(crate) fn cpu_millis(&self) -> anyhow::Result<(u64, u64)> {
        let own = times(self.child.id()).context("the server has died")?.own;
        let Some(postmaster) = self.postmaster else { return Ok((own, 0)) };
        let mut database = 0;
        for entry in std::fs::read_dir("/proc")? {
            let Ok(id) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
            // Processes end while we look.
            let Some(times) = times(id) else { continue };
            if id == postmaster {
                database += times.own + times.of_children;
            } else if times.parent == postmaster {
                database += times.own;
            }
        }
        Ok((own, database))
    }

    /// Its memory now, in MiB.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(kib.context("reading the server's memory")? / 1_024)
    }

    /// Ends it as a loss of power would.
    pub(crate) fn kill(mut self) -> Option<DatabaseUrl> {
        self.end();
        self.database.take()
    }

    fn end(&mut self) {
        // Gone already, if it broke.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

struct Times {
    parent: u32,
    own: u64,
    of_children: u64,
}

fn times(process: u32) -> Option<Times> {
    /// Linux counts in hundredths of a second (proc(5), USER_HZ).
    const MILLIS_PER_TICK: u64 = 10;
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in brackets may hold anything. After it: state, parent, ...; the 12th to 15th are
    // the times.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok());
    let own = (number(11)? + number(12)?) * MILLIS_PER_TICK;
    let of_children = (number(13)? + number(14)?) * MILLIS_PER_TICK;
    Some(Times { parent: u32::try_from(number(1)?).ok()?, own, of_children })
}

/// The parent of a process.
pub(crate) fn parent(process: u32) -> Option<u32> {
    times(process).map(|times| times.parent)
}

fn free_address() -> anyhow::Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(socket.local_addr()?)
}

/// Serves until it is killed.
pub(crate) async fn serve(database: &str) -> anyhow::Result<()> {
    let app = business::open(&database.parse()?).await?;
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let settings = radius::Settings { authentication: any, accounting: any };
    let bound = radius::bind(settings).context("listening")?;
    let places = format!("{} {}", bound.authentication, bound.accounting);
    let timeouts = lango_routeros::Timeouts::default();
    let mut running = run::start(&app, Sender::LogOnly, timeouts, None, Some(bound));
    println!("{places}");
    // Whoever started this reads no more than that.
    tokio::time::sleep(Duration::from_millis(10)).await;
    anyhow::bail!("{} ended", running.until_broken().await)
}
