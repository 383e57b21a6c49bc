//! Money under load: `make bench-money`. A server in a process of its own; this one plays the payment
//! provider, the phones, the routers and the customers' browsers, all by HTTP and the routers' API.
//!
//! (a) Customers buy at a steady rate: how long after the provider's confirmation the router shows
//! the session. (b) A thousand payments are confirmed within one second: how soon each message is
//! answered, and whether each of them bought access exactly once. On SQLite, and on PostgreSQL if
//! `LANGO_TEST_POSTGRES` names a server. Ends with 1 if a target is missed or a promise broken.

#[path = "../../src/demo/browser.rs"]
#[allow(dead_code, reason = "shared with the demonstration, which uses the rest")]
mod browser;
#[path = "../bench_engine/figures.rs"]
#[allow(dead_code, reason = "shared with the engine's benchmark, which uses the rest")]
mod figures;
mod server;
mod street;

use anyhow::bail;
use clap::Parser;
use figures::{Figures, percentile, shown};
use lango_domain::time::Span;
use server::{Engine, Server};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use street::Street;

/// What to measure.
#[derive(Parser, Clone, Debug)]
#[command(about = "Measures Lango while many customers pay.")]
struct Arguments {
    /// How much of everything: 1.0 is 200 purchases a minute and 1,000 messages in a second.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// How long customers buy at the steady rate.
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// Which figures: some of a,b.
    #[arg(long, value_delimiter = ',', default_value = "a,b")]
    only: Vec<char>,
    /// This process is the server, on that engine. For the benchmark itself.
    #[arg(long, hide = true)]
    serve: Option<Engine>,
    /// With `--serve`: the payment provider.
    #[arg(long, hide = true)]
    provider: Option<String>,
    /// With `--serve`: the ports of the routers.
    #[arg(long, hide = true, value_delimiter = ',')]
    routers: Vec<u16>,
}

/// How many routers there are.
const ROUTERS: usize = 10;
/// How many buy at the portal in one second before the thousand messages.
const SETTING_OUT: u32 = 50;
/// From confirmation to session.
const ONLINE_WITHIN: Span = Span::seconds(1);
/// From a message to its answer.
const ANSWERED_WITHIN: Span = Span::millis(250);
/// How long everybody may take to be online before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    lango_server::observe::tracing_setup::start("warn", false);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match (arguments.serve, &arguments.provider) {
        (Some(engine), Some(provider)) => runtime
            .block_on(server::serve(engine, provider, &arguments.routers))
            .map(|()| ExitCode::SUCCESS),
        _ => runtime.block_on(measure(&arguments)),
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let scale = arguments.scale;
    if !(0.01..=10.0).contains(&scale) {
        bail!("--scale {scale}: give a number from 0.01 to 10");
    }
    let mut figures = Figures::default();
    let has_postgres = std::env::var_os("LANGO_TEST_POSTGRES").is_some();
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if engine == Engine::Postgres && !has_postgres {
            eprintln!("no PostgreSQL: export LANGO_TEST_POSTGRES=$(scripts/test-postgres)");
            continue;
        }
        if arguments.only.contains(&'a') {
            steadily(engine, arguments, &mut figures).await?;
        }
        if arguments.only.contains(&'b') {
            at_once(engine, scale, &mut figures).await?;
        }
    }
    figures.print(scale);
    let kept = figures.promises_are_kept();
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// (a) Everybody does what customers do, one after the other.
async fn steadily(
    engine: Engine,
    arguments: &Arguments,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let a_minute = (200.0 * arguments.scale).max(12.0);
    let count = (a_minute * arguments.seconds as f64 / 60.0).ceil() as u32;
    eprintln!("(a) {engine}: {count} purchases, {a_minute} a minute");
    let mut street = Street::open(ROUTERS)?;
    let server = Server::start(engine, &street)?;
    street.know(&server);
    street.everybody_approves_after(Duration::from_millis(1_500));
    let (began, step) = (Instant::now(), Duration::from_secs_f64(60.0 / a_minute));
    let mut customers = tokio::task::JoinSet::new();
    for number in 0..count {
        tokio::time::sleep_until((began + step * number).into()).await;
        let customer = street.customer(number);
        customers.spawn(async move { customer.buys_and_goes_online(PATIENCE).await });
    }
    let ends: Vec<anyhow::Result<()>> = customers.join_all().await;
    let lost: Vec<String> =
        ends.iter().filter_map(|end| end.as_ref().err()).map(|end| format!("{end:#}")).collect();
    figures.promise(lost.is_empty(), || {
        format!("(a) {engine}: {} are not online, such as: {}", lost.len(), lost[0])
    });
    let took = street.between_confirmation_and_session();
    figures.promise(took.len() == count as usize, || {
        format!("(a) {engine}: {} of {count} were seen online", took.len())
    });
    let name = |percent| format!("a: {engine}, {count} purchases, confirmed to online, p{percent}");
    figures.add(&name(50), shown(percentile(&took, 50)), "");
    below(figures, &name(95), percentile(&took, 95), ONLINE_WITHIN);
    figures.add(&name(99), shown(percentile(&took, 99)), "");
    figures.add(&name(100), shown(percentile(&took, 100)), "");
    audit(engine, &server, &street, figures).await
}

/// (b) All of them say yes at once.
async fn at_once(engine: Engine, scale: f64, figures: &mut Figures) -> anyhow::Result<()> {
    let count = (1_000.0 * scale).ceil() as u32;
    eprintln!("(b) {engine}: {count} messages in a second");
    let mut street = Street::open(ROUTERS)?;
    let server = Server::start(engine, &street)?;
    street.know(&server);
    street.everybody_waits();
    let (began, step) = (Instant::now(), Duration::from_secs(1) / SETTING_OUT);
    let mut customers = tokio::task::JoinSet::new();
    for number in 0..count {
        tokio::time::sleep_until((began + step * number).into()).await;
        let customer = street.customer(number);
        customers.spawn(async move { customer.buys().await });
    }
    for end in customers.join_all().await {
        end?;
    }
    let prompts = street.prompts(count as usize, PATIENCE).await?;
    eprintln!("  all {count} phones are asked after {:.1?}", began.elapsed());

    let (began, step) = (Instant::now(), Duration::from_secs(1) / count);
    for (place, prompt) in (0..).zip(prompts) {
        tokio::time::sleep_until((began + step * place).into()).await;
        street.approve(prompt);
    }
    let sent = began.elapsed();
    let answers = street.answers(count as usize, PATIENCE).await;
    figures.promise(answers.failed == 0, || {
        format!("(b) {engine}: {} messages were not taken", answers.failed)
    });
    figures.promise(answers.took.len() == count as usize, || {
        format!("(b) {engine}: {} of {count} messages were answered", answers.took.len())
    });
    let name =
        |percent| format!("b: {engine}, {count} messages in {sent:.1?}, answered, p{percent}");
    figures.add(&name(50), shown(percentile(&answers.took, 50)), "");
    below(figures, &name(99), percentile(&answers.took, 99), ANSWERED_WITHIN);
    figures.add(&name(100), shown(percentile(&answers.took, 100)), "");
    street.until_online(count as usize, PATIENCE).await;
    let took = street.between_confirmation_and_session();
    figures.promise(took.len() == count as usize, || {
        format!("(b) {engine}: {} of {count} are online", took.len())
    });
    let name = |percent| format!("b: {engine}, confirmed to online, p{percent}");
    figures.add(&name(50), shown(percentile(&took, 50)), "");
    figures.add(&name(100), shown(percentile(&took, 100)), "");
    audit(engine, &server, &street, figures).await
}

/// A target that is missed is a promise broken: this benchmark guards it.
fn below(figures: &mut Figures, what: &str, is: Span, target: Span) {
    figures.add_below(what, is, target, String::new());
    figures.promise(is < target, || format!("{what}: {}, more than {}", shown(is), shown(target)));
}

/// Every receipt that the provider gave is there once and bought once, and nothing else did.
async fn audit(
    engine: Engine,
    server: &Server,
    street: &Street,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let (truth, began) = (street.receipts(), Instant::now());
    let mut books = server.books().await?;
    // Who was found by asking has his receipt's name from the message that is read after it.
    while books.used != truth && began.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        books = server.books().await?;
    }
    figures.promise(books.used == truth, || {
        format!("{engine}: {} receipts were given, {} were used", truth.len(), books.used.len())
    });
    figures.promise(books.bought == truth.len() && books.grants == truth.len(), || {
        let server::Books { bought, grants, .. } = &books;
        format!("{engine}: {} receipts bought {bought} times, {grants} accesses", truth.len())
    });
    figures.promise(books.kept >= truth.len(), || {
        format!("{engine}: {} messages were kept of {}", books.kept, truth.len())
    });
    figures.promise(books.unbalanced == 0, || format!("{engine}: the ledger does not add up"));
    figures.add(&format!("   {engine}, processor time of the server"), server.cpu()?, "");
    Ok(())
}
