//! `lango disconnect`: off now, and off until somebody says otherwise.

use super::Everywhere;
use super::desk::Desk;
use super::output::{json, line, shown};
use super::service::in_a_sentence;
use super::settle::{settle_grant, tell};
use crate::operations::change_grant::{Actor, change_grant};
use anyhow::{anyhow, bail};
use lango_domain::grant::{Event, State, SuspendReason};
use lango_store::grants::StoredGrant;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Suspends the access, so that its router confirms that it is off;\n\
                        `lango service resume` undoes it.\n\nExamples:\n  \
                        lango disconnect 0712345678\n  lango disconnect AA:BB:CC:00:11:22")]
pub(super) struct DisconnectArguments {
    /// User name, phone number, voucher code, MAC, IP address or id
    who: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: DisconnectArguments,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    let tenant = desk.tenant().await?;
    let found = desk.grant(&tenant, &arguments.who).await?;
    let stored = suspend(&desk, found).await?;
    let (grant, label) = (stored.grant.id, shown(&stored.label));
    let settled = settle_grant(&desk, tenant.id, grant).await?;
    if arguments.json {
        json(&serde_json::json!({ "grant": grant, "label": label, "settled": settled }))?;
    } else {
        if !settled.confirmed || settled.routers == 0 {
            line(in_a_sentence(&tenant, &stored))?;
        }
        tell(&settled, &format!("{label} is off"))?;
        line(format!("His time runs on. Let him back in with `lango service resume {grant}`."))?;
    }
    Ok(if settled.confirmed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is off for another reason stays as it is: the routers are asked to confirm it all the same.
async fn suspend(desk: &Desk, found: StoredGrant) -> anyhow::Result<StoredGrant> {
    match found.grant.state {
        State::Ended { .. } | State::Paused { .. } => return Ok(found),
        State::Unused { .. } => bail!(
            "{} has not been used yet, so nobody is connected with it: `lango service terminate \
             {}` ends it for good",
            shown(&found.label),
            found.grant.id
        ),
        _ => {}
    }
    let event = Event::Suspend(SuspendReason::Staff);
    change_grant(&desk.app, found.grant.id, event, Actor::Cli, desk.now())
        .await?
        .map_err(|refusal| anyhow!("{} cannot be disconnected: {refusal}", shown(&found.label)))
}
