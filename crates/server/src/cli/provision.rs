//! `lango provision`: every live access onto every router that is to have it.

use super::Everywhere;
use super::desk::Desk;
use super::output::{counted, json, line, note, shown};
use crate::operations::install_grants::install_on_router;
use crate::reconcile::pass::{Errand, run as pass_over_routers};
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
    let (routers, wished) = wish(&desk).await?;
    if routers == 0 {
        bail!("there is no router to provision: add one with `lango router add`");
    }
    let (tenant, timeouts) = (desk.only_tenant().await?, desk.config.router_timeouts);
    let passes = pass_over_routers(&desk.app, tenant, None, Errand::Act, timeouts).await?;
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
async fn wish(desk: &Desk) -> anyhow::Result<(usize, usize)> {
    let (mut count, mut wished) = (0, 0);
    for tenant in desk.tenants().await? {
        let id = tenant.id;
        let of_tenant =
            async move |tx: &mut Tx<'_>| lango_store::routers::ids_of_tenant(tx, id).await;
        for router in desk.app.store().read(of_tenant).await? {
            wished += install_on_router(&desk.app, id, router, desk.now()).await?;
            count += 1;
        }
    }
    Ok((count, wished))
}
