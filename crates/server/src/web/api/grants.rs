//! Grants: whatever their kind, what they are, and what staff do to them.

use crate::operations::act_on_grant::{Action, Undone, act_in_turn};
use crate::web::api::door::{Ask, Doors, Json, Reply, Shown, Sign};
use crate::web::api::enforcements::{Standing, standing_of};
use crate::web::api::list::{Limit, Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::table::Paged;
use crate::web::api::words::{Field, Line, Seconds, Whole};
use lango_domain::access::GrantKind;
use lango_domain::grant::{State, SuspendReason};
use lango_domain::ids::{CustomerId, GrantId, PlanId, RouterId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::grants::{Listed, Pick};
use lango_store::{Order, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// A right to be online.
#[derive(Serialize, JsonSchema, Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) id: GrantId,
    kind: GrantKind,
    /// What staff may see of its login: a user name, an address, the end of a code
    pub(crate) label: String,
    plan: PlanId,
    plan_name: String,
    customer: Option<CustomerId>,
    /// The only router it is good for; null is all of them
    router: Option<RouterId>,
    pub(crate) state: GrantState,
    /// Why it is suspended or has ended
    reason: Option<String>,
    /// Whether somebody has paid for it
    paid: bool,
    /// Until when it must be used for the first time
    activate_by: Option<Timestamp>,
    started_at: Option<Timestamp>,
    /// When its time is over, if a date can be named
    pub(crate) ends_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    /// The time that a pause keeps
    left_seconds: Option<i64>,
    pub(crate) devices_online: u16,
    /// The only device that may use it, where its plan says so and it has logged in
    locked_to: Option<MacAddress>,
    /// Time online so far
    pub(crate) uptime_seconds: i64,
    /// The time online that was sold; null is without limit
    pub(crate) uptime_allowed_seconds: Option<i64>,
    /// Data so far, both directions
    pub(crate) data_bytes: u64,
    /// The data that was sold; null is without limit
    pub(crate) data_allowed_bytes: Option<u64>,
    created_at: Timestamp,
    pub(crate) version: i64,
}

impl Shown for Grant {}

/// Where a grant stands in its life.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum GrantState {
    Unused,
    Active,
    Throttled,
    Grace,
    Paused,
    Suspended,
    Ended,
}

impl GrantState {
    pub(crate) fn of(state: &State) -> GrantState {
        match state {
            State::Unused { .. } => GrantState::Unused,
            State::Active(_) => GrantState::Active,
            State::Throttled(_) => GrantState::Throttled,
            State::Grace { .. } => GrantState::Grace,
            State::Paused { .. } => GrantState::Paused,
            State::Suspended { .. } => GrantState::Suspended,
            State::Ended { .. } => GrantState::Ended,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            GrantState::Unused => "unused",
            GrantState::Active => "active",
            GrantState::Throttled => "throttled",
            GrantState::Grace => "grace",
            GrantState::Paused => "paused",
            GrantState::Suspended => "suspended",
            GrantState::Ended => "ended",
        }
    }
}

impl From<Listed> for Grant {
    fn from(listed: Listed) -> Grant {
        let Listed { stored, plan: plan_name, created_at } = listed;
        let (grant, state) = (stored.grant.clone(), stored.grant.state);
        Grant {
            id: grant.id,
            kind: grant.kind,
            label: stored.label,
            plan: grant.plan,
            plan_name,
            customer: grant.customer,
            router: stored.router,
            state: GrantState::of(&state),
            reason: reason(&state),
            paid: !matches!(state, State::Unused { paid: false, .. }),
            activate_by: match state {
                State::Unused { activate_by, .. } => activate_by,
                _ => None,
            },
            started_at: started_at(&state),
            ends_at: state.ends_at(),
            ended_at: match state {
                State::Ended { at, .. } => Some(at),
                _ => None,
            },
            left_seconds: match state {
                State::Paused { left, .. } => left.map(|left| left.as_seconds()),
                _ => None,
            },
            devices_online: grant.presence.devices(),
            locked_to: grant.locked_to.filter(|_| grant.terms.logins.lock_to_first_device),
            uptime_seconds: grant.meter.uptime.as_seconds(),
            uptime_allowed_seconds: grant.meter.uptime_allowed.map(|span| span.as_seconds()),
            data_bytes: grant.meter.data.as_bytes(),
            data_allowed_bytes: grant.meter.data_allowed.map(|size| size.as_bytes()),
            created_at,
            version: stored.version,
        }
    }
}

fn reason(state: &State) -> Option<String> {
    match state {
        State::Suspended { why: SuspendReason::Staff, .. } => Some("staff".to_owned()),
        State::Suspended { why: SuspendReason::Overdue, .. } => Some("overdue".to_owned()),
        State::Ended { reason, .. } => Some(reason.word().to_owned()),
        _ => None,
    }
}

fn started_at(state: &State) -> Option<Timestamp> {
    match state {
        State::Paused { started, .. } => Some(*started),
        other => other.window().map(|window| window.started),
    }
}

/// Which grants are listed.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantsQuery {
    pub(crate) kind: Option<GrantKind>,
    state: Option<GrantState>,
    customer: Option<CustomerId>,
    plan: Option<PlanId>,
    /// Only those that are good for this router alone
    router: Option<RouterId>,
    /// Only those whose label begins like this
    search: Option<Line<64>>,
    sort: Option<GrantSort>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

/// By what grants are sorted; a minus is backwards.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[schemars(inline)]
pub(crate) enum GrantSort {
    #[serde(rename = "created")]
    Created,
    #[serde(rename = "-created")]
    CreatedBackwards,
    /// Those with an end ahead of them, the next to end first
    #[serde(rename = "ends_at")]
    Ends,
    #[serde(rename = "-ends_at")]
    EndsBackwards,
}

impl Paged for GrantsQuery {
    fn going_on(&self, cursor: Option<String>) -> GrantsQuery {
        GrantsQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

impl GrantsQuery {
    fn keeps(&self, kinds: &[GrantKind], listed: &Listed) -> bool {
        let (stored, grant) = (&listed.stored, &listed.stored.grant);
        (kinds.is_empty() || kinds.contains(&grant.kind))
            && self.kind.is_none_or(|kind| kind == grant.kind)
            && self.state.is_none_or(|state| state == GrantState::of(&grant.state))
            && self.customer.is_none_or(|customer| Some(customer) == grant.customer)
            && self.plan.is_none_or(|plan| plan == grant.plan)
            && self.router.is_none_or(|router| Some(router) == stored.router)
            && self.search.as_ref().is_none_or(|search| stored.label.starts_with(&search.0))
    }

    /// The index that leaves out most.
    fn pick(&self, kinds: &[GrantKind]) -> Pick {
        match (self.customer, self.state, self.kind, kinds) {
            (Some(customer), ..) => Pick::Customer(customer),
            (_, Some(state), None, []) => Pick::State(state.word()),
            (_, _, Some(kind), _) => Pick::Kind(kind),
            (_, _, None, [kind]) => Pick::Kind(*kind),
            _ => Pick::All,
        }
    }

    /// Whether the index leaves out all that is to be left out.
    fn is_all(&self, kinds: &[GrantKind]) -> bool {
        let filters = [
            self.customer.is_some(),
            self.state.is_some(),
            self.kind.is_some() || !kinds.is_empty(),
            self.plan.is_some(),
            self.router.is_some(),
            self.search.is_some(),
        ];
        filters.into_iter().filter(|filter| *filter).count() == 0
    }
}

/// A page of grants of these kinds; no kinds are all of them.
pub(crate) async fn page(
    ask: &Ask<(), GrantsQuery>,
    kinds: &[GrantKind],
) -> Result<Page<Grant>, Problem> {
    let sort = ask.query.sort.unwrap_or(GrantSort::CreatedBackwards);
    match (&ask.query.search, sort) {
        (Some(search), _) => by_label(ask, kinds, &search.0).await,
        (None, GrantSort::Created) => by_age(ask, kinds, Order::Ascending).await,
        (None, GrantSort::CreatedBackwards) => by_age(ask, kinds, Order::Descending).await,
        (None, GrantSort::Ends) => by_end(ask, kinds, Order::Ascending).await,
        (None, GrantSort::EndsBackwards) => by_end(ask, kinds, Order::Descending).await,
    }
}

async fn by_age(
    ask: &Ask<(), GrantsQuery>,
    kinds: &[GrantKind],
    order: Order,
) -> Result<Page<Grant>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let place = Place::read("grants", order, query.limit, query.cursor.as_deref())?;
    let pick = query.pick(kinds);
    let read = |from: Option<GrantId>, limit: i64| {
        let store = store.clone();
        async move {
            let read = async move |tx: &mut Tx<'_>| {
                lango_store::grants::listed(tx, tenant, pick, order, from, limit).await
            };
            store.read(read).await
        }
    };
    let keep = |listed: &Listed| query.keeps(kinds, listed);
    let key = |listed: &Listed| listed.stored.grant.id;
    let (rows, next) = walk(&place, query.is_all(kinds), read, key, keep).await?;
    Ok(place.page(rows.into_iter().map(Grant::from).collect(), next))
}

async fn by_end(
    ask: &Ask<(), GrantsQuery>,
    kinds: &[GrantKind],
    order: Order,
) -> Result<Page<Grant>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let place = Place::read("grants by end", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<(Timestamp, GrantId)>, limit: i64| {
        let store = store.clone();
        async move {
            let read = async move |tx: &mut Tx<'_>| {
                lango_store::grants::listed_by_end(tx, tenant, order, from, limit).await
            };
            store.read(read).await
        }
    };
    let keep = |listed: &Listed| query.keeps(kinds, listed);
    // The index has only those that end.
    let key = |listed: &Listed| {
        let grant = &listed.stored.grant;
        (grant.state.ends_at().unwrap_or_default(), grant.id)
    };
    let (rows, next) = walk(&place, query.is_all(kinds), read, key, keep).await?;
    Ok(place.page(rows.into_iter().map(Grant::from).collect(), next))
}

async fn by_label(
    ask: &Ask<(), GrantsQuery>,
    kinds: &[GrantKind],
    prefix: &str,
) -> Result<Page<Grant>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let place =
        Place::read("grants by label", Order::Ascending, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<(String, GrantId)>, limit: i64| {
        let store = store.clone();
        let prefix = prefix.to_owned();
        async move {
            let read = async move |tx: &mut Tx<'_>| {
                let from = from.clone();
                lango_store::grants::listed_by_label(tx, tenant, &prefix, from, limit).await
            };
            store.read(read).await
        }
    };
    let keep = |listed: &Listed| query.keeps(kinds, listed);
    let key = |listed: &Listed| (listed.stored.label.clone(), listed.stored.grant.id);
    let (rows, next) = walk(&place, false, read, key, keep).await?;
    Ok(place.page(rows.into_iter().map(Grant::from).collect(), next))
}

/// Whether the answer waits for the routers.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    /// Waits so many seconds for the routers to confirm
    pub(crate) wait: Option<Whole<0, 20>>,
}

/// A grant after an action, and what its routers have still to confirm.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "ActedGrant")]
pub(crate) struct Acted {
    pub(crate) grant: Grant,
    /// Whether every router holds what it should
    pub(crate) confirmed: bool,
    /// What routers have not confirmed yet
    pub(crate) open: Vec<Standing>,
}

impl Shown for Acted {}

/// How much time is given.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct Extension {
    seconds: Seconds,
}

/// Where a grant is to be good.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct Move {
    /// The only router; null is all of them
    #[serde(deserialize_with = "Option::deserialize")]
    #[schemars(required)]
    router: Option<RouterId>,
}

/// What is to be different.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct GrantChange {
    /// The plan from the next payment on
    plan: Option<PlanId>,
    /// Who has it; null is nobody
    #[serde(default)]
    customer: Field<CustomerId>,
    /// The only router it is good for; null is all of them
    #[serde(default)]
    router: Field<RouterId>,
}

const TAG: &str = "grants";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/grants", "list_grants").about(TAG, "Grants of all kinds");
    doors.open_list(list, async |ask: Ask<(), GrantsQuery>| page(&ask, &[]).await.map(Reply::ok));
    let show = Sign::get("/api/v1/grants/{grant}", "show_grant").about(TAG, "One grant");
    doors.open(show, async |ask: Ask<GrantId>| {
        let grant = one(&ask, ask.path).await?;
        let version = grant.version;
        Ok(Reply::ok(grant).version(version))
    });
    let change = Sign::change("/api/v1/grants/{grant}", "change_grant")
        .about(TAG, "Sell it as another plan, give it to another customer, move it")
        .needs(Permission::Manage);
    doors.open(change, async |ask: Ask<GrantId, Wait, Json<GrantChange>>| {
        let GrantChange { plan, customer, router } = &ask.body.0;
        let actions = plan.map(|plan| Action::Replan { plan }).into_iter();
        let customer = customer.clone().change().map(|customer| Action::Assign { customer });
        let router = router.clone().change().map(|router| Action::Move { router });
        act(&ask, ask.path, actions.chain(customer).chain(router).collect()).await
    });
    open_actions(doors);
}

fn open_actions(doors: &mut Doors) {
    let simple: [(&'static str, &'static str, &'static str, Action); 8] = [
        (
            "/api/v1/grants/{grant}/suspend",
            "suspend_grant",
            "Bar it; its time runs on",
            Action::Suspend,
        ),
        (
            "/api/v1/grants/{grant}/resume",
            "resume_grant",
            "End a pause or suspension",
            Action::Resume,
        ),
        ("/api/v1/grants/{grant}/pause", "pause_grant", "Let its clock stand still", Action::Pause),
        (
            "/api/v1/grants/{grant}/disconnect",
            "disconnect_grant",
            "Throw its devices off and keep them off until it is resumed",
            Action::Disconnect,
        ),
        (
            "/api/v1/grants/{grant}/retry",
            "retry_grant",
            "Try its routers at once that failed and wait for a later try",
            Action::Retry,
        ),
        (
            "/api/v1/grants/{grant}/unlock",
            "unlock_grant",
            "Free it from the one device that may use it; the next to log in is the one",
            Action::Unlock,
        ),
        ("/api/v1/grants/{grant}/end", "end_grant", "End it for good", Action::End),
        (
            "/api/v1/grants/{grant}/unassign",
            "unassign_grant",
            "Take it from its customer",
            Action::Assign { customer: None },
        ),
    ];
    for (path, name, says, action) in simple {
        let needs = match action {
            Action::End | Action::Assign { .. } => Permission::Manage,
            _ => Permission::Support,
        };
        let sign = Sign::act(path, name).about(TAG, says).needs(needs);
        doors.open(sign, move |ask: Ask<GrantId, Wait>| async move {
            act(&ask, ask.path, vec![action]).await
        });
    }
    let extend = Sign::act("/api/v1/grants/{grant}/extend", "extend_grant")
        .about(TAG, "Give it time")
        .needs(Permission::Manage);
    doors.open(extend, async |ask: Ask<GrantId, Wait, Json<Extension>>| {
        let time = ask.body.0.seconds.span();
        act(&ask, ask.path, vec![Action::Extend { time }]).await
    });
    let go = Sign::act("/api/v1/grants/{grant}/move", "move_grant")
        .about(TAG, "Make it good on one router only, or on all")
        .needs(Permission::Manage);
    doors.open(go, async |ask: Ask<GrantId, Wait, Json<Move>>| {
        let router = ask.body.0.router;
        act(&ask, ask.path, vec![Action::Move { router }]).await
    });
}

/// One grant of the caller's business.
pub(crate) async fn one<P, Q, B>(
    ask: &Ask<P, Q, B, TenantId>,
    id: GrantId,
) -> Result<Grant, Problem> {
    listed(ask, id).await.map(Grant::from)
}

/// The same as the store has it.
pub(crate) async fn listed<P, Q, B>(
    ask: &Ask<P, Q, B, TenantId>,
    id: GrantId,
) -> Result<Listed, Problem> {
    let tenant = ask.tenant();
    let show = async move |tx: &mut Tx<'_>| lango_store::grants::show(tx, id).await;
    let found = ask.here.app.store().read(show).await?;
    found
        .filter(|listed| listed.stored.grant.tenant == tenant)
        .ok_or_else(|| Problem::missing("grant"))
}

/// Acts on a grant and says what came of it on the routers.
pub(crate) async fn act<P, B>(
    ask: &Ask<P, Wait, B, TenantId>,
    id: GrantId,
    actions: Vec<Action>,
) -> Result<Reply<Acted>, Problem> {
    let whose = (ask.tenant(), id);
    act_in_turn(&ask.here.app, whose, actions, ask.expected, ask.by(), ask.now()).await??;
    acted(ask, id).await
}

/// A grant as it is after a change, and what its routers have still to confirm.
pub(crate) async fn acted<P, B>(
    ask: &Ask<P, Wait, B, TenantId>,
    id: GrantId,
) -> Result<Reply<Acted>, Problem> {
    let seconds = ask.query.wait.map_or(0, |Whole(seconds)| seconds);
    let wait = Duration::from_secs(seconds.into()).min(ask.here.patience);
    let open = open_work(ask, id, wait).await?;
    let grant = one(ask, id).await?;
    let version = grant.version;
    Ok(Reply::ok(Acted { grant, confirmed: open.is_empty(), open }).version(version))
}

/// The work that is left for a grant, once there is none or the patience is over.
pub(crate) async fn open_work<P, Q, B>(
    ask: &Ask<P, Q, B, TenantId>,
    id: GrantId,
    patience: Duration,
) -> Result<Vec<Standing>, Problem> {
    const LOOK_EVERY: Duration = Duration::from_millis(50);
    let started = Instant::now();
    loop {
        let standing = standing_of(&ask.here.app, id).await?;
        let open: Vec<Standing> = standing.into_iter().filter(Standing::is_open).collect();
        if open.is_empty() || started.elapsed() >= patience {
            return Ok(open);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl From<Undone> for Problem {
    fn from(undone: Undone) -> Problem {
        match undone {
            Undone::Lost(lost) => lost.into(),
            refused => Problem::conflict(refused.to_string()),
        }
    }
}
