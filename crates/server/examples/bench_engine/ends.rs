//! (a), (b), (c): many ends, and how long each waits until its router has confirmed the cut.

use crate::Size;
use crate::figures::{Figures, percentile, shown, times};
use crate::peer::{Pass, Peer};
use crate::simulators::Browsing;
use crate::world::{Kind, World};
use anyhow::bail;
use lango_domain::ids::GrantId;
use lango_domain::time::{Span, Timestamp};
use lango_routeros::Timeouts;
use lango_server::messaging::sender::Sender;
use lango_server::reconcile::worker::Condition;
use lango_server::run::Running;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Groups at an audit.
const STAYING: u8 = 0;
const PEERS: u8 = 100;
/// How many vouchers today's way is measured on: it would take too long on all.
const PEER_CUTS: usize = 200;
/// How long everything may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(240);

/// Ends at one time or over some.
struct Rush {
    letter: char,
    what: &'static str,
    count: usize,
    over: Span,
}

/// Measures those asked for.
pub(crate) async fn measure(
    size: Size,
    only: &[char],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let mut world = World::found(size.routers()).await?;
    let ending = size.of(10_000);
    let staying = size.of(100_000) - ending;
    let per_grant = stay(&mut world, staying).await?;
    let running =
        lango_server::run::start(&world.app, Sender::LogOnly, Timeouts::default(), None, None);
    let began = Instant::now();
    until_all_up(&running, size.routers()).await?;
    eprintln!("  all routers compared and followed after {:.1?}", began.elapsed());

    let minute = Span::from_micros((Span::minutes(1).micros() as f64 * size.scale) as i64);
    let minute = minute.max(Span::seconds(3)).min(Span::minutes(1));
    let rushes = [
        Rush { letter: 'a', what: "ends over a minute", count: ending, over: minute },
        Rush { letter: 'b', what: "ends in one second", count: ending, over: Span::seconds(1) },
        Rush { letter: 'c', what: "ends at once", count: size.of(1_000), over: Span::ZERO },
    ];
    let mut done = Vec::new();
    for (group, rush) in (1..).zip(rushes) {
        if only.contains(&rush.letter) {
            let lateness =
                run(&mut world, &running, &rush, group, per_grant, staying, figures).await?;
            done.push((rush, lateness));
        }
    }
    running.stop().await;

    eprintln!("today's way, on {PEER_CUTS} vouchers");
    let peer = Peer::with_vouchers(&world, size.of(100_000)).await?;
    let pass = peer.cut(&mut world, PEER_CUTS.min(size.of(20_000)), PEERS).await?;
    for (rush, lateness) in done {
        report(&rush, &lateness, &pass, figures);
    }
    figures.add("peer: one cut", shown(pass.per_cut), "1");
    Ok(())
}

async fn stay(world: &mut World, staying: usize) -> anyhow::Result<Span> {
    eprintln!("{staying} customers go online on {} routers", world.routers.len());
    let (began, end) = (Instant::now(), world.app.clock().now() + Span::hours(24));
    world.add(staying, STAYING, Kind::Online(&[end])).await?;
    let took = crate::peer::span(began);
    eprintln!("  after {}", shown(took));
    Ok(Span::from_micros(took.micros() / staying.max(1) as i64))
}

async fn until_all_up(running: &Running, routers: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let boards = running.boards().read();
        let up = boards.values().filter(|board| matches!(board, Condition::Up { .. })).count();
        if up == routers {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            bail!("only {up} of {routers} routers are up: {boards:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn run(
    world: &mut World,
    running: &Running,
    rush: &Rush,
    group: u8,
    per_grant: Span,
    staying: usize,
    figures: &mut Figures,
) -> anyhow::Result<Vec<Span>> {
    let Rush { letter, what, count, over } = rush;
    eprintln!("({letter}) {count} {what}");
    // Long enough before the first end for everybody to be planted and calm again.
    let lead = Span::seconds(6) + Span::from_micros(per_grant.micros() * 3 * *count as i64);
    let start = world.app.clock().now() + lead;
    let end = |at: usize| start + Span::from_micros(over.micros() * at as i64 / *count as i64);
    let ends: Vec<Timestamp> = (0..*count).map(end).collect();
    let grants = world.add(*count, group, Kind::Online(&ends)).await?;
    let before = audit(world, group)?;
    if world.app.clock().now() > start {
        bail!("({letter}) this machine is too slow: the first end came before all were online");
    }
    figures.promise(before.on == *count, || format!("({letter}) {before:?} before the first end"));

    let cut = world.app.metrics().cuts.clone();
    let target = cut.get() + *count as u64;
    world.app.clock().sleep_until(start).await;
    let (began, ours, theirs) =
        (Instant::now(), crate::cost::cpu_millis()?, world.simulators.usage()?);
    while cut.get() < target && began.elapsed() < PATIENCE + over.to_std() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let wall = began.elapsed();
    let (ours, theirs) = (crate::cost::cpu_millis()? - ours, world.simulators.usage()? - theirs);
    eprintln!("  took {wall:.1?}; CPU: Lango {ours} ms, routers {theirs} ms");
    verify(world, rush, group, staying, &grants, figures).await?;
    let boards = running.boards().read();
    let up = boards.values().filter(|board| matches!(board, Condition::Up { .. })).count();
    figures
        .promise(up == boards.len(), || format!("({letter}) {up} of {} routers up", boards.len()));
    let cuts = world.cuts_of(&grants).await?;
    let mut lateness: Vec<Span> = cuts.iter().map(|cut| cut.lateness).collect();
    lateness.sort();
    Ok(lateness)
}

fn audit(world: &mut World, group: u8) -> anyhow::Result<Browsing> {
    Ok(world.simulators.audit()?[usize::from(group)])
}

/// Everybody of the group is off and proved so once, everybody else is on.
async fn verify(
    world: &mut World,
    rush: &Rush,
    group: u8,
    staying: usize,
    grants: &[GrantId],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let letter = rush.letter;
    let (left, stayed) = (audit(world, group)?, audit(world, STAYING)?);
    figures.promise(left.on == 0 && left.off == rush.count, || {
        format!("({letter}) of those whose time is over: {left:?}")
    });
    figures.promise(stayed.off == 0 && stayed.on == staying, || {
        format!("({letter}) of those who have paid: {stayed:?}")
    });
    let cuts = world.cuts_of(grants).await?;
    let proved: HashSet<GrantId> = cuts.iter().map(|cut| cut.grant).collect();
    figures.promise(proved.len() == rush.count && cuts.len() == rush.count, || {
        format!("({letter}) {} cuts prove {} of {} ends", cuts.len(), proved.len(), rush.count)
    });
    figures.promise(cuts.iter().all(|cut| cut.confirmed_at >= cut.due_at), || {
        format!("({letter}) somebody was cut before his time was over")
    });
    let by_router = cuts.iter().filter(|cut| cut.confirmed_by == "router").count();
    if by_router > 0 {
        eprintln!("  {by_router} were ended by the routers' own limits before Lango came");
    }
    Ok(())
}

fn report(rush: &Rush, lateness: &[Span], pass: &Pass, figures: &mut Figures) {
    let Rush { letter, what, count, .. } = rush;
    let at = |percent| percentile(lateness, percent);
    let sequential =
        |cuts: usize| Span::from_micros(pass.scan.micros() + pass.per_cut.micros() * cuts as i64);
    let name = |which: &str| format!("{letter}: {count} {what}, {which}");
    if *letter == 'a' {
        let theirs = percentile(&pass.lateness, 99);
        let measured = pass.lateness.len();
        let ratio = format!("{} ({}, cron on {measured})", times(at(99), theirs), shown(theirs));
        figures.add(&name("p50"), shown(at(50)), "");
        figures.add_below(&name("p99"), at(99), Span::seconds(1), ratio);
        figures.add(&name("last"), shown(at(100)), "");
        return;
    }
    let theirs = sequential(*count);
    let ratio = format!("{} ({} one by one)", times(at(100), theirs), shown(theirs));
    figures.add(&name("p50"), shown(at(50)), "");
    figures.add(&name("p99"), shown(at(99)), "");
    match letter {
        'c' => figures.add_below(&name("last"), at(100), Span::seconds(2), ratio),
        _ => figures.add(&name("last"), shown(at(100)), ratio),
    }
}
