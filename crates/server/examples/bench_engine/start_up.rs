//! (d), (e), (f): a million grants. A server that starts again, then has nothing to do; and one
//! router compared in full.

use crate::Size;
use crate::figures::{Figures, shown, times};
use crate::peer::{CRON, Peer, span};
use crate::serve::Served;
use crate::simulators::name_of;
use crate::world::{self, Kind, World};
use anyhow::{Context, bail};
use lango_domain::time::Span;
use lango_routeros::Timeouts;
use lango_server::reconcile::connect::connect;
use lango_server::reconcile::visit::{SyncReport, Visit};
use lango_store::Tx;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Groups at an audit.
const STAYING: u8 = 0;
const OVERDUE: u8 = 1;
const PEERS: u8 = 100;
/// How many accounts today's way is measured on.
const PEER_ACCOUNTS: usize = 200;

/// Measures those asked for.
pub(crate) async fn measure(
    size: Size,
    idle: u64,
    only: &[char],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let (online, overdue) = (size.of(100_000), size.of(1_000));
    let unused = size.of(1_000_000) - online - overdue;
    let mut world = World::found(size.routers()).await?;
    eprintln!("{online} customers online, {unused} vouchers on {} routers", world.routers.len());
    let (began, end) = (Instant::now(), world.app.clock().now() + Span::hours(24));
    world.add(online, STAYING, Kind::Online(&[end])).await?;
    let vouchers = world.add(unused, STAYING, Kind::Unused).await?;
    eprintln!("  after {:.1?}", began.elapsed());
    let names: Vec<String> = vouchers.iter().take(PEER_ACCOUNTS).copied().map(name_of).collect();
    drop(vouchers);

    let served = restart(&mut world, overdue, idle, figures).await?;
    let stayed = world.simulators.audit()?[usize::from(STAYING)];
    figures.promise(stayed.off == 0 && stayed.on == online, || {
        format!("(f) of those who have paid: {stayed:?}")
    });
    let compared = compare(&world).await?;
    let nothing = look_for_nothing(&world).await?;

    eprintln!("today's way");
    let peer = Peer::with_vouchers(&world, size.of(1_000_000)).await?;
    if only.contains(&'d') {
        let (took, report) = &compared;
        figures.promise(report.differences.is_empty(), || {
            let some: Vec<_> = report.differences.iter().take(3).collect();
            format!("(d) {} differences where nothing changed: {some:?}", report.differences.len())
        });
        let one = peer.compare_one(0, &names).await?;
        let theirs = Span::from_micros(one.micros() * report.expected as i64);
        let what = format!("d: full reconcile of {} objects, best of 3", report.expected);
        let ratio = format!("{} ({} one by one)", times(*took, theirs), shown(theirs));
        figures.add_below(&what, *took, Span::seconds(3), ratio);
    }
    if only.contains(&'e') {
        let theirs = peer.idle_scan().await?;
        let cpu = format!("{:.1} % of a core", served.idle_cpu_millionths as f64 / 1e4);
        figures.add("e: idle, CPU", cpu, "");
        let memory =
            format!("{} MiB (most {})", served.memory_kib / 1024, served.most_memory_kib / 1024);
        figures.add("e: idle, memory", memory, "");
        let ratio = format!("{} ({} full scan)", times(nothing, theirs), shown(theirs));
        figures.add("e: finding that nothing is due", shown(nothing), ratio);
    }
    if only.contains(&'f') {
        let pass = peer.cut(&mut world, 1, PEERS).await?;
        let wait = Span::from_micros(CRON.micros() / 2);
        let theirs = wait + pass.scan + pass.per_cut;
        let first = Span::from_micros(served.first_cut);
        let ratio = format!("{} ({} with cron's mean wait)", times(first, theirs), shown(theirs));
        figures.add_below("f: start to first cut", first, Span::seconds(3), ratio);
        let what = format!("f: start to last of {overdue} overdue");
        figures.add(&what, shown(Span::from_micros(served.last_cut)), "");
        let all = Span::from_micros(served.all_up);
        let cpu = format!("{} ({} ms CPU)", shown(all), served.start_cpu_millis);
        figures.add("f: start to all routers compared", cpu, "");
    }
    Ok(())
}

/// Some customers' time ends while no server runs; then one is started.
async fn restart(
    world: &mut World,
    overdue: usize,
    idle: u64,
    figures: &mut Figures,
) -> anyhow::Result<Served> {
    let end = world.app.clock().now() + Span::seconds(1);
    let grants = world.add(overdue, OVERDUE, Kind::Online(&[end])).await?;
    world.app.clock().sleep_until(end + Span::seconds(1)).await;
    world.app.store().close().await;
    let before = world.simulators.audit()?[usize::from(OVERDUE)];
    if before.off > 0 {
        bail!("this machine is too slow: the routers' own limits came first ({before:?})");
    }
    eprintln!("the server starts");
    let database = world.database();
    let served = tokio::task::spawn_blocking(move || serve(&database, overdue, idle)).await??;
    world.app = world::open(&world.database()).await?;
    let after = world.simulators.audit()?[usize::from(OVERDUE)];
    figures.promise(after.on == 0, || format!("(f) of those whose time is over: {after:?}"));
    let cuts = world.cuts_of(&grants).await?;
    figures.promise(cuts.len() == grants.len(), || {
        format!("(f) {} cuts prove {} ends", cuts.len(), grants.len())
    });
    Ok(served)
}

fn serve(database: &std::path::Path, overdue: usize, idle: u64) -> anyhow::Result<Served> {
    let output = Command::new(std::env::current_exe()?)
        .arg("--serve")
        .arg(database)
        .args(["--waiting", &overdue.to_string(), "--idle", &idle.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .context("starting a server")?;
    if !output.status.success() {
        bail!("the server gave up; see above");
    }
    serde_json::from_slice(&output.stdout).context("reading what the server found")
}

/// The best of three: the first reading also fills the caches of the database.
async fn compare(world: &World) -> anyhow::Result<(Span, SyncReport)> {
    let routers =
        world.app.store().read(async |tx: &mut Tx<'_>| lango_store::routers::all(tx).await);
    let router = routers.await?.into_iter().next().context("there is no router")?;
    let driver = connect(&world.app, &router, Timeouts::default()).await?;
    let mut visit = Visit::new(world.app.clone(), router, driver);
    let mut best: Option<(Span, SyncReport)> = None;
    for _ in 0..3 {
        let began = Instant::now();
        let report = visit.sync().await?;
        let took = span(began);
        if best.as_ref().is_none_or(|(best, _)| took < *best) {
            best = Some((took, report));
        }
    }
    best.context("nothing was compared")
}

async fn look_for_nothing(world: &World) -> anyhow::Result<Span> {
    const TIMES: i64 = 1_000;
    let began = Instant::now();
    for _ in 0..TIMES {
        let next = async |tx: &mut Tx<'_>| lango_store::grants::next_deadline(tx).await;
        world.app.store().read(next).await?;
    }
    Ok(Span::from_micros((span(began).micros() / TIMES).max(1)))
}
