//! `/api/cron/…`: one pass, for those who let cron call a URL.

use crate::operations::end_due_grants::end_due_grants;
use crate::reconcile::pass::{Errand, run as pass_over_routers};
use crate::web::api::door::{Ask, Doors, Reply, Shown, Sign};
use crate::web::api::problem::Problem;
use crate::web::kept::{cut_all, uncut};
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "CronPass")]
struct Pass {
    success: bool,
    /// Services that routers confirmed
    processed: u64,
    failed: u64,
    errors: Vec<String>,
    timestamp: Timestamp,
}

impl Shown for Pass {}

const TAG: &str = "older systems";
const ON: &str = "/api/cron/provision-active-services";
const OFF: &str = "/api/cron/deprovision-inactive-services";

pub(crate) fn open(doors: &mut Doors) {
    let says = "Bring every active service onto its routers, one pass";
    for sign in [Sign::get(ON, "cron_provision"), Sign::run(ON, "cron_provision_by_post")] {
        let sign = sign.about(TAG, says).needs(Permission::Support);
        doors.open(sign, async |ask: Ask| provision(&ask).await);
    }
    let says = "Take every service whose time is over off its routers, one pass";
    for sign in [Sign::get(OFF, "cron_deprovision"), Sign::run(OFF, "cron_deprovision_by_post")] {
        let sign = sign.about(TAG, says).needs(Permission::Support);
        doors.open(sign, async |ask: Ask| deprovision(&ask).await);
    }
}

async fn provision(ask: &Ask) -> Result<Reply<Pass>, Problem> {
    let (tenant, timeouts) = (Some(ask.tenant()), ask.here.timeouts);
    let pass = pass_over_routers(&ask.here.app, tenant, None, Errand::Sync, timeouts);
    let Ok(passes) = tokio::time::timeout(ask.here.patience, pass).await else {
        return Err(Problem::unavailable("some router takes too long; its work goes on"));
    };
    let passes = passes?;
    let said = |name: &str, why: &str| format!("{name}: {why}");
    let errors: Vec<String> = passes
        .iter()
        .filter_map(|pass| pass.error.as_ref().map(|why| said(&pass.router, why)))
        .collect();
    let processed: usize = passes.iter().map(|pass| pass.round.connected + pass.round.cut).sum();
    let failed: usize = passes.iter().map(|pass| pass.round.failed).sum();
    Ok(Reply::ok(Pass {
        success: errors.is_empty() && failed == 0,
        processed: processed as u64,
        failed: failed as u64,
        errors,
        timestamp: ask.now(),
    }))
}

async fn deprovision(ask: &Ask) -> Result<Reply<Pass>, Problem> {
    end_due_grants(&ask.here.app, ask.now()).await?;
    let before = uncut(&ask.here, ask.tenant()).await?.len();
    let left = cut_all(&ask.here, ask.tenant()).await?;
    let errors = left.iter().map(|line| {
        let why = line.last_error.as_deref().unwrap_or("not confirmed yet");
        format!("{} on {}: {why}", line.label, line.router_name)
    });
    Ok(Reply::ok(Pass {
        success: left.is_empty(),
        processed: before.saturating_sub(left.len()) as u64,
        failed: left.len() as u64,
        errors: errors.collect(),
        timestamp: ask.now(),
    }))
}
