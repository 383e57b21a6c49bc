//! The demonstration: a real server on a throw-away database, two simulated routers on real
//! sockets, a town of people who buy, log in, roam and run out, and an auditor who believes
//! nobody. Time runs faster; everything else is as in service.

mod auditor;
mod report;
mod town;

use crate::app::App;
use crate::clock::Clock;
use crate::messaging::sender::Sender;
use crate::radius;
use anyhow::Context;
use auditor::Auditor;
use lango_domain::time::Span;
use lango_routeros::Timeouts;
use lango_store::secrets::SecretKey;
use lango_store::{DatabaseUrl, Settings, Store};
use report::Reporter;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;
use town::Town;

/// What was asked for on the command line.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  lango demo\n  lango demo --speed 120 --for 2h --json")]
pub struct DemoArguments {
    /// How many times faster than life time runs.
    #[arg(long, default_value_t = 60.0)]
    pub speed: f64,
    /// How long it lasts, in the demonstration's own time.
    #[arg(long = "for", default_value = "45m", value_name = "DURATION")]
    pub lasts: Span,
    /// One JSON object per line instead of sentences.
    #[arg(long)]
    pub json: bool,
}

/// How long, at most, the last cuts may take to be confirmed, in real time.
const SETTLE: Duration = Duration::from_secs(20);

/// Runs the demonstration. The exit code is 0 only if everybody whose time was over was confirmed
/// off the routers, and nobody who had paid was cut.
///
/// # Errors
/// It could not be set up: no temporary directory, no free ports.
pub async fn run(arguments: DemoArguments) -> anyhow::Result<ExitCode> {
    let speed = arguments.speed.clamp(1.0, 600.0);
    let place = Place::new()?;
    let clock = Clock::fast(speed);
    let app = open(&place, clock).await?;
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let nases = radius::Settings { authentication: any, accounting: any };
    let nases = radius::bind(nases).context("listening for RADIUS")?;
    let mut town = Town::build(&app, &nases).await.context("building the town")?;
    let timeouts = Timeouts { connect: Duration::from_millis(500), reply: Duration::from_secs(2) };
    let running = crate::run::start(&app, Sender::LogOnly, timeouts, None, Some(nases));
    let mut reporter = Reporter::new(&app, town.tenant(), speed, arguments.json);
    reporter.opening(&town, arguments.lasts);
    let mut auditor = Auditor::default();

    let start = app.clock().now();
    let end = start + arguments.lasts;
    while app.clock().now() < end {
        town.live(app.clock().now().since(start), arguments.lasts).await?;
        auditor.look(&town, app.clock().now());
        reporter.tell(&mut town).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    town.everybody_stays_until_the_end().await;
    settle(&app, &mut town, &mut auditor, &mut reporter).await?;
    auditor.close(&town, app.clock().now());
    let passed = reporter.closing(&town, &auditor).await?;
    running.stop().await;
    app.store().close().await;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Nobody buys any more: waits until everybody ran out and every cut is confirmed.
async fn settle(
    app: &App,
    town: &mut Town,
    auditor: &mut Auditor,
    reporter: &mut Reporter,
) -> anyhow::Result<()> {
    let last = town.last_end().max(app.clock().now());
    let mut patience = None;
    loop {
        let now = app.clock().now();
        auditor.look(town, now);
        reporter.tell(town).await?;
        if now > last + Span::seconds(30) {
            let since = *patience.get_or_insert_with(std::time::Instant::now);
            if reporter.nothing_is_open().await? || since.elapsed() > SETTLE {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn open(place: &Place, clock: Clock) -> anyhow::Result<App> {
    let url = DatabaseUrl::sqlite(place.0.join("demo.db"));
    let store = Store::open(&url, Settings::default()).await.context("opening a database")?;
    let now = clock.now();
    lango_store::migrations::migrate(&store, lango_store::schema::MIGRATIONS, now.micros())
        .await
        .context("making its tables")?;
    Ok(App::new(store, clock, SecretKey::from_bytes(&random_key()?)))
}

fn random_key() -> anyhow::Result<[u8; 32]> {
    use ring::rand::{SecureRandom, SystemRandom};
    let mut key = [0; 32];
    SystemRandom::new()
        .fill(&mut key)
        .map_err(|_| anyhow::anyhow!("the operating system has no random numbers"))?;
    Ok(key)
}

/// A directory that goes when the demonstration goes.
struct Place(std::path::PathBuf);

impl Place {
    fn new() -> anyhow::Result<Place> {
        let name = format!("lango-demo-{}-{:x}", std::process::id(), fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)
            .with_context(|| format!("making the directory {}", path.display()))?;
        Ok(Place(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It lies in the system's directory for temporary files, which is swept anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
