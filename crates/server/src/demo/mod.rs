//! The demonstration: a real server on a throw-away database, two simulated routers, a payment
//! provider and a gateway of texts on real sockets, a town of people who buy, pay, log in, roam, run
//! out and renew, and an auditor who believes nobody. Time runs faster; everything else is as in
//! service.

mod auditor;
mod books;
mod browser;
mod buyer;
mod outside;
mod report;
mod town;

use crate::app::App;
use crate::clock::Clock;
use crate::config::public_url::PublicUrl;
use crate::messaging::sender::Sender;
use crate::radius;
use crate::run::Http;
use crate::web::{Manners, listen};
use anyhow::Context;
use auditor::Auditor;
use books::Books;
use ipnet::IpNet;
use lango_domain::time::Span;
use lango_routeros::Timeouts;
use lango_store::secrets::SecretKey;
use lango_store::{DatabaseUrl, Settings, Store};
use outside::Outside;
use report::Reporter;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpListener;
use town::Town;

/// What was asked for on the command line.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  lango demo\n  lango demo --speed 120 --for 2h --json\n  \
                        lango demo --speed 1 --for 1h --listen 127.0.0.1:8080")]
pub struct DemoArguments {
    /// How many times faster than life time runs.
    #[arg(long, default_value_t = 60.0)]
    pub speed: f64,
    /// How long it lasts, in the demonstration's own time.
    #[arg(long = "for", default_value = "45m", value_name = "DURATION")]
    pub lasts: Span,
    /// Where the portal is served; port 0 is any that is free.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// One JSON object per line instead of sentences.
    #[arg(long)]
    pub json: bool,
}

/// How long, at most, the last cuts may take to be confirmed, in real time.
const SETTLE: Duration = Duration::from_secs(20);

/// Runs the demonstration. The exit code is 0 only if everybody whose time was over was confirmed
/// off the routers, nobody who had paid was cut, and every payment was used once.
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
    let outside = Outside::open(app.clock(), speed)?;
    let timeouts = Timeouts { connect: Duration::from_millis(500), reply: Duration::from_secs(2) };
    let (http, public) = portal(arguments.listen, timeouts).await?;
    app.is_reached_at(public.clone());
    // The stand-ins are on this machine.
    app.let_webhooks_be_private(true);
    let town = Town::build(&app, &nases, outside, public).await;
    let mut town = town.context("building the town")?;
    let running = crate::run::start(&app, Sender::Configured, timeouts, Some(http), Some(nases));
    let mut reporter = Reporter::new(&app, town.tenant(), speed, arguments.json);
    reporter.opening(&town, arguments.lasts);
    let start = app.clock().now();
    let mut auditor = Auditor::from(start);
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
    let books = Books::close(&app, &town, &auditor.served, speed).await?;
    let passed = reporter.closing(&town, &auditor, books).await?;
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
    let mut patience = None;
    loop {
        let now = app.clock().now();
        town.hear_of_buyers().await?;
        auditor.look(town, now);
        reporter.tell(town).await?;
        if now > town.last_end() + Span::seconds(30) && !town.is_shopping() {
            let since = *patience.get_or_insert_with(std::time::Instant::now);
            if reporter.nothing_is_open().await? || since.elapsed() > SETTLE {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where customers come to pay, and where the provider tells what they paid.
async fn portal(at: SocketAddr, timeouts: Timeouts) -> anyhow::Result<(Http, PublicUrl)> {
    let listener = TcpListener::bind(at).await;
    let listener = listener.with_context(|| format!("serving the portal at {at}"))?;
    let public = format!("http://{}", listener.local_addr()?);
    let public = public.parse().with_context(|| format!("{public} is no address of a portal"))?;
    let manners = Manners { timeouts, ..Manners::default() };
    // Every browser of the town asks from this machine; who it is, is said as by a proxy.
    let trusted_proxies = vec![IpNet::from(IpAddr::from(Ipv4Addr::LOCALHOST))];
    let connections = listen::Settings { trusted_proxies, ..listen::Settings::default() };
    Ok((Http { listener, manners, connections }, public))
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
