//! The doors under load: `make bench-api`. A server in a process of its own, with its engine at
//! work and simulated routers in a third, is asked at a fixed rate whether it answers or not, while
//! customers run out; then a thousand listen to what happens.

#[path = "../bench_engine/cost.rs"]
mod cost;
#[path = "../bench_engine/figures.rs"]
#[allow(dead_code, reason = "shared with the engine's benchmark, which uses the rest")]
mod figures;
mod listeners;
mod load;
mod server;
#[path = "../bench_engine/simulators.rs"]
#[allow(dead_code, reason = "shared with the engine's benchmark, which uses the rest")]
mod simulators;
#[path = "../bench_engine/world.rs"]
#[allow(dead_code, reason = "shared with the engine's benchmark, which uses the rest")]
mod world;

use anyhow::bail;
use clap::Parser;
use figures::{Figures, percentile, times};
use lango_domain::ids::{GrantId, TenantId};
use lango_domain::role::Role;
use lango_domain::time::{Span, Timestamp};
use lango_server::operations::add_token::{NewToken, add_token};
use lango_server::operations::asked::By;
use lango_store::Tx;
use lango_store::customers::{Customer, folded};
use std::process::ExitCode;
use std::time::Duration;
use world::{Kind, World};

/// What to measure.
#[derive(Parser, Clone, Debug)]
#[command(about = "Measures Lango's API while customers run out.")]
struct Arguments {
    /// How much of everything: 1.0 is 1,000,000 grants, 50,000 customers, 1,000 listeners.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Requests a second.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// How long to ask.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// This process plays the routers. For the benchmark itself.
    #[arg(long, hide = true)]
    play_routers: bool,
    /// This process is the server, on that database. For the benchmark itself.
    #[arg(long, hide = true)]
    serve: Option<std::path::PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    lango_server::observe::tracing_setup::start("warn", false);
    if arguments.play_routers {
        return simulators::play().map(|()| ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &arguments.serve {
        Some(database) => runtime.block_on(server::serve(database)).map(|()| ExitCode::SUCCESS),
        None => runtime.block_on(measure(&arguments)),
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { scale, rate, seconds, .. } = *arguments;
    if !(0.001..=2.0).contains(&scale) {
        bail!("--scale {scale}: give a number from 0.001 to 2");
    }
    let of = |whole: usize| ((whole as f64 * scale).ceil() as usize).max(1);
    let mut figures = Figures::default();
    let mut world = World::found(10).await?;
    eprintln!("{} grants, {} customers", of(1_000_000), of(50_000));
    let unused = world.add(of(1_000_000), 0, Kind::Unused).await?;
    let customers = add_customers(&world, of(50_000)).await?;
    let token = token(&world).await?;
    // The last second of the questions still sees people being cut.
    let first = world.app.clock().now() + WARM_UP + Span::seconds(12);
    let ends: Vec<Timestamp> = (0..1_000)
        .map(|place| first + Span::millis(place * seconds as i64 * 900 / 1_000))
        .collect();
    let ending = world.add(of(1_000).max(50), 1, Kind::Online(&ends)).await?;
    world.app.store().close().await;
    let server = server::Server::start(&world.database())?;
    let shop = load::Shop {
        url: server.url.clone(),
        token,
        grants: unused.iter().step_by(97).copied().collect(),
        customers,
    };
    load::until_ready(&shop).await?;
    let wait = first.since(world::open_clock()).to_std();
    tokio::time::sleep(wait.saturating_sub(Duration::from_secs(1))).await;
    ask(&shop, rate, seconds, &mut figures).await?;
    ended(&world, &ending, &mut figures).await?;
    listen(&shop, of(1_000).max(20), &mut figures).await?;
    figures.add("memory of the server", server.memory()?, "");
    figures.print(scale);
    Ok(if figures.promises_are_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How long the server takes to read its routers before the clock counts.
const WARM_UP: Span = Span::seconds(3);

async fn ask(
    shop: &load::Shop,
    rate: u32,
    seconds: u64,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    const TARGET: Span = Span::millis(20);
    // The floor: the same connections, the same client, and nothing to be looked up.
    let floor = load::run(shop, rate, seconds.min(5), load::Mix::Nothing).await?;
    let asked = load::run(shop, rate, seconds, load::Mix::Reads).await?;
    figures.promise(asked.failed == 0, || format!("{} requests failed", asked.failed));
    figures.promise(asked.sent as u64 >= u64::from(rate) * seconds * 95 / 100, || {
        format!("only {} requests were sent: the client is too slow for {rate}/s", asked.sent)
    });
    let ratio = |percent| {
        format!(
            "{} of /healthz",
            times(percentile(&floor.took, percent), percentile(&asked.took, percent))
        )
    };
    let what = |percent| format!("reads at {rate}/s, p{percent}");
    figures.add(&what(50), figures::shown(percentile(&asked.took, 50)), ratio(50));
    figures.add_below(&what(99), percentile(&asked.took, 99), TARGET, ratio(99));
    figures.add(&what(100), figures::shown(percentile(&asked.took, 100)), ratio(100));
    for (name, took) in &asked.by_door {
        let (count, p99) = (took.len(), figures::shown(percentile(took, 99)));
        figures.add(&format!("  {name}, p99"), p99, format!("{count} times"));
    }
    Ok(())
}

/// The engine did its own work all the while.
async fn ended(world: &World, ending: &[GrantId], figures: &mut Figures) -> anyhow::Result<()> {
    tokio::time::sleep(Duration::from_secs(3)).await;
    let app = world::open(&world.database()).await?;
    let (tenant, ids) = (world.tenant, ending.to_vec());
    let mut late: Vec<Span> = Vec::new();
    for id in ids {
        let of = async move |tx: &mut Tx<'_>| lango_store::cuts::of_grant(tx, id).await;
        late.extend(app.store().read(of).await?.into_iter().map(|cut| cut.lateness));
    }
    late.sort();
    figures.promise(late.len() == ending.len(), || {
        format!("{} of {} were cut at {tenant}", late.len(), ending.len())
    });
    figures.add(
        &format!("{} cuts meanwhile, lateness p99", late.len()),
        figures::shown(percentile(&late, 99)),
        "",
    );
    app.store().close().await;
    Ok(())
}

async fn listen(shop: &load::Shop, count: usize, figures: &mut Figures) -> anyhow::Result<()> {
    const EVENTS: usize = 30;
    let heard = listeners::run(shop, count, EVENTS).await?;
    figures.promise(heard.len() == count * EVENTS, || {
        format!("{} of {} events were heard", heard.len(), count * EVENTS)
    });
    let ratio = format!("{} events heard", heard.len());
    figures.add(&format!("{count} listeners, p50"), figures::shown(percentile(&heard, 50)), ratio);
    let last = percentile(&heard, 100);
    figures.add_below(
        &format!("{count} listeners, the last"),
        last,
        Span::seconds(1),
        String::new(),
    );
    Ok(())
}

async fn add_customers(world: &World, count: usize) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for begin in (0..count).step_by(1_000) {
        let now = world.app.clock().now();
        let batch: Vec<Customer> =
            (begin..count.min(begin + 1_000)).map(|number| customer(world, number, now)).collect();
        names.extend(batch.iter().step_by(50).map(|customer| folded(&customer.name)));
        world
            .app
            .store()
            .write(async move |tx: &mut Tx<'_>| {
                for customer in &batch {
                    lango_store::customers::insert(tx, customer).await?;
                }
                Ok(())
            })
            .await?;
    }
    Ok(names)
}

fn customer(world: &World, number: usize, now: Timestamp) -> Customer {
    // Scattered, so that neighbours in the list are not neighbours in the table.
    let name = format!("Customer {:05}", number * 7_919 % 100_000);
    let (id, tenant): (_, TenantId) = (world.app.id(now), world.tenant);
    Customer { id, tenant, name, phone: None, language: None, created_at: now, version: 1 }
}

async fn token(world: &World) -> anyhow::Result<String> {
    let new = NewToken {
        tenant: Some(world.tenant),
        name: "benchmark".to_owned(),
        role: Role::Owner,
        expires_at: None,
    };
    let made = add_token(&world.app, new, &By::cli(), world.app.clock().now()).await?;
    made.clear.ok_or_else(|| anyhow::anyhow!("the token was made before"))
}
