//! The server, in a process of its own, and what its books say at the end.

use crate::street::{PLAN, Street};
use anyhow::Context;
use lango_domain::language::Language;
use lango_domain::money::{Currency, Money};
use lango_domain::phone_number::Country;
use lango_domain::plan::Terms;
use lango_domain::time::Span;
use lango_routeros::Timeouts;
use lango_server::app::App;
use lango_server::clock::Clock;
use lango_server::messaging::sender::Sender;
use lango_server::operations::add_plan::{NewPlan, add_plan};
use lango_server::operations::add_router::{
    NewRouter, RouterAddress, RouterLogin, RouterProtocol, RouterTls, add_router,
};
use lango_server::operations::asked::By;
use lango_server::operations::found_tenant::{Founding, found_tenant};
use lango_server::operations::gateways::{NewGateway, add_gateway};
use lango_server::portal_address::PortalAddress;
use lango_server::run::{self, Http};
use lango_server::web::{Manners, listen};
use lango_store::money_in::Fate;
use lango_store::schema::MIGRATIONS;
use lango_store::secrets::SecretKey;
use lango_store::testing::TestDatabase;
use lango_store::{DatabaseUrl, Order, Settings, Store, Tx, migrations};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

/// On which database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Sqlite => "SQLite",
            Engine::Postgres => "PostgreSQL",
        })
    }
}

/// Where everything is.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Open {
    pub(crate) url: String,
    /// One for each router.
    pub(crate) portals: Vec<String>,
}

/// What the server has written.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Books {
    /// Receipts of money that bought something.
    pub(crate) used: BTreeSet<String>,
    /// How often something was bought.
    pub(crate) bought: usize,
    /// How many different accesses that are.
    pub(crate) grants: usize,
    /// Messages of the provider.
    pub(crate) kept: usize,
    pub(crate) unbalanced: i64,
}

/// A running server. Ends with this handle.
pub(crate) struct Server {
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    pub(crate) open: Open,
}

impl Server {
    pub(crate) fn start(engine: Engine, street: &Street) -> anyhow::Result<Server> {
        let word = clap::ValueEnum::to_possible_value(&engine).context("the engine has a name")?;
        let ports: Vec<String> = street.ports().iter().map(u16::to_string).collect();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", word.get_name(), "--provider", street.daraja.base_url()])
            .args(["--routers", &ports.join(",")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the server")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (ask, answer) = pipes.context("the server has no pipes")?;
        let mut answer = BufReader::new(answer);
        let mut line = String::new();
        answer.read_line(&mut line)?;
        let open = serde_json::from_str(&line).context("the server gave up; see above")?;
        Ok(Server { child, pipes: Mutex::new((ask, answer)), open })
    }

    /// What it has written.
    pub(crate) async fn books(&self) -> anyhow::Result<Books> {
        let mut pipes = self.pipes.lock().map_err(|_| anyhow::anyhow!("a reader broke down"))?;
        pipes.0.write_all(b"books\n")?;
        let mut line = String::new();
        // Nothing else happens any more: to wait here holds nobody up.
        pipes.1.read_line(&mut line)?;
        serde_json::from_str(&line).context("the server gave up; see above")
    }

    /// Its processor time.
    pub(crate) fn cpu(&self) -> anyhow::Result<String> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = text.rsplit_once(')').context("its line has no name")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
        Ok(format!("{:.1} s", ticks as f64 / 100.0))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked kindly first, so that it deletes its database.
        if let Ok(mut pipes) = self.pipes.lock() {
            let _ = pipes.0.write_all(b"end\n");
        }
        let _ = self.child.wait();
    }
}

/// Founds a business, serves it, and answers about its books until its input ends.
pub(crate) async fn serve(engine: Engine, provider: &str, routers: &[u16]) -> anyhow::Result<()> {
    let (place, directory) = database(engine).await?;
    let store = Store::open(&place.url, Settings::default()).await.context("opening it")?;
    let clock = Clock::system();
    migrations::migrate(&store, MIGRATIONS, clock.now().micros()).await?;
    let app = App::new(store, clock, SecretKey::from_bytes(&[7; 32]));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let public: lango_server::config::public_url::PublicUrl = url.parse()?;
    app.is_reached_at(public.clone());
    // The provider's stand-in is on this machine.
    app.let_webhooks_be_private(true);
    let (tenant, ids) = found(&app, provider, routers).await?;
    let trusted_proxies = vec!["127.0.0.1/32".parse()?];
    let connections = listen::Settings { trusted_proxies, ..listen::Settings::default() };
    let http = Some(Http { listener, manners: Manners::default(), connections });
    let running = run::start(&app, Sender::LogOnly, Timeouts::default(), http, None);
    let portals = ids.iter().map(|id| PortalAddress::of(&public, *id).portal()).collect();
    println!("{}", serde_json::to_string(&Open { url, portals })?);
    let (lines, mut asked) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = asked.recv().await {
        if line != "books" {
            break;
        }
        println!("{}", serde_json::to_string(&books(&app, tenant).await?)?);
    }
    running.stop().await;
    app.store().close().await;
    drop((place, directory));
    Ok(())
}

/// Where a database is, and what deletes it.
struct Place {
    url: DatabaseUrl,
    _database: Option<TestDatabase>,
}

async fn database(engine: Engine) -> anyhow::Result<(Place, tempfile::TempDir)> {
    // On a disk: what is kept has to be kept there.
    let directory = tempfile::Builder::new().prefix("lango-bench-").tempdir()?;
    Ok(match engine {
        Engine::Sqlite => {
            let url = DatabaseUrl::sqlite(directory.path().join("lango.db"));
            (Place { url, _database: None }, directory)
        }
        Engine::Postgres => {
            let database = TestDatabase::postgres(MIGRATIONS).await;
            (Place { url: database.url().clone(), _database: Some(database) }, directory)
        }
    })
}

async fn found(
    app: &App,
    provider: &str,
    ports: &[u16],
) -> anyhow::Result<(lango_domain::ids::TenantId, Vec<lango_domain::ids::RouterId>)> {
    let now = app.clock().now();
    let founding = Founding {
        business: "Hotel ABC WiFi".to_owned(),
        email: "owner@abc.example".to_owned(),
        password: "benchmark".to_owned(),
        country: Country::Ke,
        zone: None,
        language: Language::En,
    };
    let tenant = found_tenant(app, founding, &By::cli(), now).await?.tenant;
    let (price, terms) = (Money::new(5_000, Currency::KES), Terms::hotspot(Span::hours(24)));
    let new = NewPlan { tenant, name: PLAN.to_owned(), price, terms };
    add_plan(app, new, &By::cli(), now).await?;
    let settings = json!({
        "provider": "daraja", "consumer_key": "key", "consumer_secret": "secret",
        "passkey": "passkey", "shortcode": "174379", "base_url": provider,
        "pushes_per_second": 500,
    });
    let new = NewGateway { tenant, name: "M-Pesa".to_owned(), currency: None, settings };
    add_gateway(app, new, &By::cli(), now).await?;
    let mut ids = Vec::new();
    for (number, port) in ports.iter().enumerate() {
        let address = RouterAddress {
            host: "127.0.0.1".to_owned(),
            port: *port,
            protocol: RouterProtocol::Api,
            tls: RouterTls::Off,
        };
        let login = RouterLogin { user: "lango".to_owned(), password: "secret".to_owned() };
        let new = NewRouter { tenant, name: format!("R{number:02}"), address, login };
        ids.push(add_router(app, new, &By::cli(), now).await?.id);
    }
    Ok((tenant, ids))
}

async fn books(app: &App, tenant: lango_domain::ids::TenantId) -> anyhow::Result<Books> {
    const ALL: i64 = 1_000_000;
    let look = async move |tx: &mut Tx<'_>| {
        let order = Order::Ascending;
        let money = lango_store::money_in::listed(tx, tenant, false, order, None, ALL).await?;
        let receipts = lango_store::receipts::listed(tx, tenant, order, None, ALL).await?;
        let used = money.into_iter().filter(|money| money.fate == Fate::Used);
        let grants: BTreeSet<_> = receipts.iter().map(|receipt| receipt.grant).collect();
        Ok(Books {
            used: used.map(|money| money.receipt).collect(),
            bought: receipts.len(),
            grants: grants.len(),
            kept: lango_store::inbox::listed(tx, tenant, order, None, ALL).await?.len(),
            unbalanced: lango_store::ledger::count_unbalanced(tx, tenant).await?,
        })
    };
    Ok(app.store().report(look).await?)
}
