//! `lango cleanup`: what nobody needs any more.

use super::Everywhere;
use super::desk::Desk;
use super::output::{counted, json, line, note, shown};
use super::progress::Progress;
use crate::operations::clean_up::{KEEP_ENDED, forget_what_is_old, retire_devices, roll_up_usage};
use crate::reconcile::pass::{Errand, run_told as pass_over_routers};
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango cleanup --once")]
pub(super) struct CleanupArguments {
    /// One pass, which is all there is
    #[arg(long)]
    once: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: CleanupArguments,
) -> anyhow::Result<ExitCode> {
    // Accepted for the crontabs that say it; there is no other way to run.
    let _ = arguments.once;
    let desk = Desk::open(everywhere).await?;
    let (tenant, now) = (desk.only_tenant().await?, desk.now());
    forget_what_is_old(&desk.app, now).await?;
    roll_up_usage(&desk.app, now).await?;
    let retired = retire_devices(&desk.app, now).await?;
    let errand = Errand::CleanUp(now - KEEP_ENDED);
    let timeouts = desk.config.router_timeouts;
    let mut progress = Progress::of("routers", arguments.json);
    let told = |done, of| progress.done(done, of);
    let passes = pass_over_routers(&desk.app, tenant, None, errand, timeouts, told).await?;
    drop(progress);
    for (pass, error) in passes.iter().filter_map(|pass| Some((pass, pass.error.as_ref()?))) {
        note(format!("{}: {}; try again later", shown(&pass.router), shown(error)));
    }
    let removed: usize = passes.iter().map(|pass| pass.removed).sum();
    if arguments.json {
        json(&serde_json::json!({ "retired": retired, "removed": removed, "routers": passes }))?;
    } else {
        let devices = counted(usize::try_from(retired)?, "device", "devices");
        line(format!("{devices} retired, {removed} long ended taken off routers"))?;
    }
    let done = passes.iter().all(|pass| pass.error.is_none());
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
