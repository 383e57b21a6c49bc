//! `lango sync`: what routers hold against what was paid.

use super::Everywhere;
use super::desk::Desk;
use super::output::{Paint, counted, json, line, note, shown};
use super::progress::Progress;
use super::table::Table;
use crate::reconcile::pass::{Errand, RouterPass, run_told as pass_over_routers};
use crate::reconcile::visit::SyncReport;
use anyhow::bail;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango sync --once --dry-run --router Router1")]
pub(super) struct SyncArguments {
    /// One pass, which is all there is: `lango serve` compares all the time
    #[arg(long)]
    once: bool,
    /// Only this router
    #[arg(long, value_name = "NAME")]
    router: Option<String>,
    /// Show the difference and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: SyncArguments,
) -> anyhow::Result<ExitCode> {
    // Accepted for the crontabs that say it; there is no other way to run.
    let _ = arguments.once;
    let desk = Desk::open(everywhere).await?;
    let tenant = desk.only_tenant().await?;
    let only = match &arguments.router {
        Some(name) => Some(desk.router(tenant, name).await?.id),
        None => None,
    };
    let errand = if arguments.dry_run { Errand::DryRun } else { Errand::Sync };
    let timeouts = desk.config.router_timeouts;
    let mut progress = Progress::of("routers", arguments.json);
    let told = |done, of| progress.done(done, of);
    let passes = pass_over_routers(&desk.app, tenant, only, errand, timeouts, told).await?;
    drop(progress);
    if passes.is_empty() {
        bail!("there is no router to compare: add one with `lango router add`");
    }
    if arguments.json {
        json(&passes)?;
    } else {
        passes.iter().try_for_each(|pass| tell(pass, arguments.dry_run))?;
    }
    let done = passes.iter().all(|pass| pass.error.is_none() && pass.round.failed == 0);
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(pass: &RouterPass, dry_run: bool) -> anyhow::Result<()> {
    let (paint, name) = (Paint::of_stdout(), shown(&pass.router));
    if let Some(report) = &pass.sync {
        line(paint.bold(&headline(&name, report)))?;
        tell_differences(report)?;
        tell_strangers(report)?;
        if !dry_run {
            let round = &pass.round;
            let (cut, connected, failed) = (round.cut, round.connected, round.failed);
            line(format!("  {cut} cut, {connected} connected, {failed} failed"))?;
        }
    }
    if let Some(error) = &pass.error {
        line(paint.red(&format!("{name}: could not be compared: {}", shown(error))))?;
        note(format!("Try `lango router test {name}`: it says step by step what works."));
    }
    Ok(())
}

fn headline(name: &str, report: &SyncReport) -> String {
    let differences = match report.differences.len() {
        0 => "as it should be".to_owned(),
        count => counted(count, "difference", "differences"),
    };
    let (expected, online) = (report.expected, report.online);
    format!("{name}: {differences} ({expected} expected, {online} online)")
}

fn tell_differences(report: &SyncReport) -> anyhow::Result<()> {
    if report.differences.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(["WHO", "ID", "DIFFERENCE"]).indented(2);
    for difference in &report.differences {
        let (who, what) = (difference.label.clone(), difference.what.clone());
        table.row([who, difference.grant.to_string(), what]);
    }
    table.print()
}

fn tell_strangers(report: &SyncReport) -> anyhow::Result<()> {
    if report.strangers.is_empty() {
        return Ok(());
    }
    line("  Not made by Lango, so left alone; rename or remove them yourself:")?;
    let mut table = Table::new(["MENU", "NAME", "WHY"]).indented(2);
    for stranger in &report.strangers {
        table.row([stranger.menu.clone(), stranger.name.clone(), stranger.why.clone()]);
    }
    table.print()
}
