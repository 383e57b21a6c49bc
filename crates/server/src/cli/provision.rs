//! `lango provision`: every live access onto every router that is to have it.

use super::Everywhere;
use super::desk::Desk;
use super::output::{counted, json, line, note, shown};
use super::progress::Progress;
use crate::operations::install_grants::install_on_router;
use crate::reconcile::pass::{Errand, run_told as pass_over_routers};
use anyhow::bail;
use lango_store::Tx;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango provision --once")]
pub(super) struct ProvisionArguments {
    /// One pass, which is all there is: `lango serve` does it all the time
    #[arg(long)]
    once: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: ProvisionArguments,
) -> anyhow::Result<ExitCode> {
    // Accepted for the crontabs that say it; there is no other way to run.
    let _ = arguments.once;
    let desk = Desk::open(everywhere).await?;
    let (routers, wished) = wish(&desk, arguments.json).await?;
    if routers == 0 {
        bail!("there is no router to provision: add one with `lango router add`");
    }
    let (tenant, timeouts) = (desk.only_tenant().await?, desk.config.router_timeouts);
    let mut progress = Progress::of("routers", arguments.json);
    let told = |done, of| progress.done(done, of);
    let passes = pass_over_routers(&desk.app, tenant, None, Errand::Act, timeouts, told).await?;
    drop(progress);
    for (pass, error) in passes.iter().filter_map(|pass| Some((pass, pass.error.as_ref()?))) {
        note(format!("{}: {}", shown(&pass.router), shown(error)));
    }
    let connected: usize = passes.iter().map(|pass| pass.round.connected).sum();
    let cut: usize = passes.iter().map(|pass| pass.round.cut).sum();
    let failed: usize = passes.iter().map(|pass| pass.round.failed).sum();
    if arguments.json {
        json(&serde_json::json!({
            "wished": wished, "connected": connected, "cut": cut, "failed": failed,
            "routers": passes,
        }))?;
    } else {
        let on = counted(routers, "router", "routers");
        line(format!(
            "{wished} wanted on {on}; now {connected} connected, {cut} cut, {failed} failed"
        ))?;
    }
    let done = failed == 0 && passes.iter().all(|pass| pass.error.is_none());
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many routers, and how much is wished onto them. What they hold already is no work.
async fn wish(desk: &Desk, wants_json: bool) -> anyhow::Result<(usize, usize)> {
    let mut routers = Vec::new();
    for tenant in desk.tenants().await? {
        let id = tenant.id;
        let of_tenant =
            async move |tx: &mut Tx<'_>| lango_store::routers::ids_of_tenant(tx, id).await;
        let own = desk.app.store().read(of_tenant).await?;
        routers.extend(own.into_iter().map(|router| (id, router)));
    }
    let (mut wished, mut progress) = (0, Progress::of("routers looked at", wants_json));
    for (done, (tenant, router)) in routers.iter().copied().enumerate() {
        wished += install_on_router(&desk.app, tenant, router, desk.now()).await?;
        progress.done(done + 1, routers.len());
    }
    Ok((routers.len(), wished))
}
