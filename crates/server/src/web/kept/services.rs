//! `/api/services/{id}/…`: one service now, with the router's word.

use crate::operations::act_on_grant::{Action, act_in_turn};
use crate::web::api::door::{Ask, Doors, Reply, Shown, Sign};
use crate::web::api::enforcements::Standing;
use crate::web::api::grants::{listed, one, open_work};
use crate::web::api::problem::Problem;
use lango_domain::grant::{State, SuspendReason};
use lango_domain::ids::GrantId;
use lango_domain::role::Permission;
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "ServiceProvisioned")]
struct Provisioned {
    /// Whether every router confirmed it
    success: bool,
    id: GrantId,
    state: crate::web::api::grants::GrantState,
    message: String,
    /// What routers have not confirmed yet
    open: Vec<Standing>,
}

impl Shown for Provisioned {}

const TAG: &str = "older systems";

pub(crate) fn open(doors: &mut Doors) {
    let provision = Sign::run("/api/services/{service}/provision", "provision_service")
        .about(TAG, "Bring one service onto its routers now, and wait for them")
        .needs(Permission::Support);
    doors.open(provision, async |ask: Ask<GrantId>| {
        let state = listed(&ask, ask.path).await?.stored.grant.state;
        let held = matches!(state, State::Suspended { why: SuspendReason::Staff, .. });
        let resume = held.then_some(Action::Resume);
        act(&ask, resume.into_iter().chain([Action::Retry]).collect(), "provisioned").await
    });
    let deprovision = Sign::run("/api/services/{service}/deprovision", "deprovision_service")
        .about(TAG, "Take one service off its routers now, and wait for them")
        .needs(Permission::Support);
    doors.open(deprovision, async |ask: Ask<GrantId>| {
        let state = listed(&ask, ask.path).await?.stored.grant.state;
        // What is off already, or was never on, is only to be confirmed.
        let is_on = matches!(state, State::Active(_) | State::Throttled(_) | State::Grace { .. });
        let suspend = is_on.then_some(Action::Suspend);
        act(&ask, suspend.into_iter().chain([Action::Retry]).collect(), "deprovisioned").await
    });
}

async fn act(
    ask: &Ask<GrantId>,
    actions: Vec<Action>,
    word: &str,
) -> Result<Reply<Provisioned>, Problem> {
    let whose = (ask.tenant(), ask.path);
    act_in_turn(&ask.here.app, whose, actions, None, ask.by(), ask.now()).await??;
    let open = open_work(ask, ask.path, ask.here.patience).await?;
    let grant = one(ask, ask.path).await?;
    let message = match open.len() {
        0 => format!("{} is {word}, its routers confirmed it", grant.label),
        left => format!("{} is to be {word}, {left} routers have not confirmed it", grant.label),
    };
    let (id, state) = (grant.id, grant.state);
    Ok(Reply::ok(Provisioned { success: open.is_empty(), id, state, message, open }))
}
