//! Routers: the boxes that enforce.

use crate::enforcement::Observed;
use crate::observe::chain;
use crate::operations::add_router::{
    AddRouterError, NewRouter, RouterAddress, RouterLogin, RouterTls, add_router,
};
use crate::operations::change_router::{
    ChangeRouterError, RouterChange, change_router, of_tenant, remove_router,
};
use crate::operations::router_api::{self, ApiChange, RouterApi};
use crate::reconcile::connect::connect;
use crate::reconcile::pass::{Errand, run as pass_over_routers};
use crate::reconcile::worker::Condition;
use crate::web::api::activity::{Entry, page_of_router};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::list::{Limit, Page};
use crate::web::api::problem::Problem;
use crate::web::api::table::Paged;
use crate::web::api::words::{Line, Whole};
use lango_domain::ids::{RouterId, TenantId};
use lango_domain::role::Permission;
use lango_domain::time::{Span, Timestamp};
use lango_routeros::Tls;
use lango_store::Tx;
use lango_store::routers::Router as Stored;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Without a sign of life for so long a router counts as out of reach.
const AWAY_AFTER: Span = Span::minutes(2);

/// A box that enforces.
#[derive(Serialize, JsonSchema, Debug)]
pub(crate) struct Router {
    pub(crate) id: RouterId,
    pub(crate) name: String,
    /// Where it is: `apis://10.0.0.1:8729`
    address: Option<String>,
    /// The pinned SHA-256 fingerprint of its certificate
    fingerprint: Option<String>,
    /// Of a router that asks by RADIUS: its API, for orders that it leaves unanswered
    api: Option<String>,
    pub(crate) reachable: bool,
    pub(crate) version: Option<String>,
    board: Option<String>,
    identity: Option<String>,
    pub(crate) uptime_seconds: Option<i64>,
    pub(crate) active_sessions: Option<u64>,
    /// How far its clock is ahead of ours
    clock_ahead_seconds: Option<i64>,
    pub(crate) last_contact_at: Option<Timestamp>,
    last_sync_at: Option<Timestamp>,
    pub(crate) last_error: Option<String>,
    last_error_at: Option<Timestamp>,
    /// Orders that it has not confirmed
    pub(crate) open_orders: i64,
    created_at: Timestamp,
    /// Grows with every change of name, address or login
    revision: i64,
}

impl Shown for Router {}

/// A router to be added.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewRouter")]
struct NewRouterBody {
    name: Line<100>,
    /// `apis://HOST`, `api://HOST`, `rests://HOST`, `rest://HOST` or `radius://IP`, with `:PORT` if
    /// not the usual
    address: Line<255>,
    user: Line<100>,
    /// For RADIUS the shared secret
    password: Line<200>,
    /// SHA-256 of its certificate, to take no other
    #[schemars(regex(pattern = "^[0-9A-Fa-f]{64}$"))]
    fingerprint: Option<String>,
}

/// What is to be different.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RouterChange")]
struct RouterChangeBody {
    name: Option<Line<100>>,
    /// With a new address the fingerprint is to be given again
    address: Option<Line<255>>,
    #[schemars(regex(pattern = "^[0-9A-Fa-f]{64}$"))]
    fingerprint: Option<String>,
    /// With a password
    user: Option<Line<100>>,
    password: Option<Line<200>>,
    /// For a router that asks by RADIUS
    api: Option<ApiBody>,
}

/// The API of a router that asks by RADIUS, for orders that it leaves unanswered.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RouterApi")]
struct ApiBody {
    /// `apis://HOST`, `api://HOST`, `rests://HOST` or `rest://HOST`; null forgets it
    address: Option<Line<255>>,
    #[schemars(regex(pattern = "^[0-9A-Fa-f]{64}$"))]
    fingerprint: Option<String>,
    user: Option<Line<100>>,
    password: Option<Line<200>>,
}

/// Whether anything is changed.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct SyncQuery {
    /// Compares only
    dry_run: Option<bool>,
}

/// What a comparison found and did.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "RouterSync")]
struct Synced {
    /// Whether the router could be worked with
    done: bool,
    error: Option<String>,
    /// What was not as wanted
    differences: Vec<Difference>,
    /// Objects in our way that are not ours to touch
    strangers: Vec<Stranger>,
    expected: u64,
    online: u64,
    cut: u64,
    connected: u64,
    failed: u64,
}

impl Shown for Synced {}

/// One grant that was not as wanted.
#[derive(Serialize, JsonSchema, Debug)]
struct Difference {
    grant: lango_domain::ids::GrantId,
    label: String,
    what: String,
}

/// An object on a router that is not ours to touch.
#[derive(Serialize, JsonSchema, Debug)]
struct Stranger {
    menu: String,
    name: String,
    why: String,
}

/// What a live test found.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "RouterTest")]
pub(crate) struct Tested {
    pub(crate) reachable: bool,
    pub(crate) error: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) identity: Option<String>,
    pub(crate) board: Option<String>,
    pub(crate) uptime_seconds: Option<i64>,
    pub(crate) took_ms: u64,
}

impl Shown for Tested {}

/// A page of what happened to one router.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogQuery {
    pub(crate) cursor: Option<String>,
    pub(crate) limit: Option<Limit>,
}

impl Paged for LogQuery {
    fn going_on(&self, cursor: Option<String>) -> LogQuery {
        LogQuery { cursor, limit: Some(Whole(500)) }
    }
}

const TAG: &str = "routers";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/routers", "list_routers").about(TAG, "Routers and how they do");
    doors.open_list(list, async |ask: Ask| {
        let items = all(&ask).await?;
        Ok(Reply::ok(Page { items, next: None }))
    });
    let show = Sign::get("/api/v1/routers/{router}", "show_router").about(TAG, "One router");
    doors.open(show, async |ask: Ask<RouterId>| {
        let stored = one(&ask, ask.path).await?;
        reply(&ask, stored).await
    });
    let add = Sign::make("/api/v1/routers", "add_router")
        .about(TAG, "Add a router; every live access is brought onto it")
        .needs(Permission::Manage);
    doors.open(add, async |ask: Ask<(), NoQuery, Json<NewRouterBody>>| add_one(&ask).await);
    let change = Sign::change("/api/v1/routers/{router}", "change_router")
        .about(TAG, "Change its name, address or login")
        .needs(Permission::Manage);
    doors.open(change, async |ask: Ask<RouterId, NoQuery, Json<RouterChangeBody>>| {
        change_one(&ask).await
    });
    let remove = Sign::remove("/api/v1/routers/{router}", "remove_router")
        .about(TAG, "Take it out of service; what it holds stays on it")
        .needs(Permission::Manage);
    doors.open(remove, async |ask: Ask<RouterId>| {
        let whose = (ask.tenant(), ask.path);
        remove_router(&ask.here.app, whose, ask.expected, ask.by(), ask.now()).await?;
        Ok(Reply::nothing())
    });
    let log = Sign::list("/api/v1/routers/{router}/log", "list_router_log")
        .about(TAG, "What happened to a router, latest first");
    doors.open_list(log, async |ask: Ask<RouterId, LogQuery>| {
        let router = one(&ask, ask.path).await?.id;
        let page: Page<Entry> = page_of_router(&ask, router).await?;
        Ok(Reply::ok(page))
    });
    open_visits(doors);
}

fn open_visits(doors: &mut Doors) {
    let sync = Sign::run("/api/v1/routers/{router}/sync", "sync_router")
        .about(TAG, "Compare it with what was paid, and repair")
        .needs(Permission::Support);
    doors.open(sync, async |ask: Ask<RouterId, SyncQuery>| sync_one(&ask).await);
    let test = Sign::run("/api/v1/routers/{router}/test", "test_router")
        .about(TAG, "Try to reach it now")
        .needs(Permission::Support);
    doors.open(test, async |ask: Ask<RouterId>| {
        let stored = one(&ask, ask.path).await?;
        Ok(Reply::ok(tested(&ask.here, &stored).await))
    });
}

/// One router of the caller's business.
pub(crate) async fn one<P, Q, B>(
    ask: &Ask<P, Q, B, TenantId>,
    id: RouterId,
) -> Result<Stored, Problem> {
    let tenant = ask.tenant();
    let find = async move |tx: &mut Tx<'_>| of_tenant(tx, tenant, id).await;
    ask.here.app.store().read(find).await?.ok_or_else(|| Problem::missing("router"))
}

/// All routers of the caller's business.
pub(crate) async fn all<P, Q, B>(ask: &Ask<P, Q, B, TenantId>) -> Result<Vec<Router>, Problem> {
    let tenant = ask.tenant();
    let all = async move |tx: &mut Tx<'_>| lango_store::routers::of_tenant(tx, tenant).await;
    let mut shown = Vec::new();
    for stored in ask.here.app.store().read(all).await? {
        shown.push(router(ask, stored).await?);
    }
    Ok(shown)
}

async fn reply<P, Q, B>(
    ask: &Ask<P, Q, B, TenantId>,
    stored: Stored,
) -> Result<Reply<Router>, Problem> {
    let version = stored.version;
    Ok(Reply::ok(router(ask, stored).await?).version(version))
}

async fn router<P, Q, B>(ask: &Ask<P, Q, B, TenantId>, stored: Stored) -> Result<Router, Problem> {
    let id = stored.id;
    let count = async move |tx: &mut Tx<'_>| lango_store::enforcements::count_pending(tx, id).await;
    let open_orders = ask.here.app.store().read(count).await?;
    let address: Option<RouterAddress> = serde_json::from_str(&stored.endpoint).ok();
    let observed: Option<Observed> = serde_json::from_str(&stored.observed).ok();
    let observed = observed.filter(|observed| !observed.version.is_empty());
    let api = router_api::of(&ask.here.app, &stored).map(|api| api.address.to_string());
    Ok(Router {
        api,
        id,
        reachable: is_reachable(ask, &stored),
        address: address.as_ref().map(ToString::to_string),
        fingerprint: address.and_then(|address| match address.tls {
            RouterTls::Pinned(fingerprint) => Some(fingerprint),
            RouterTls::Off | RouterTls::Any => None,
        }),
        version: observed.as_ref().map(|observed| observed.version.clone()),
        board: observed.as_ref().map(|observed| observed.board.clone()),
        identity: observed.as_ref().map(|observed| observed.identity.clone()),
        uptime_seconds: observed.as_ref().map(|observed| observed.uptime.as_seconds()),
        active_sessions: observed.as_ref().map(|observed| observed.active_sessions),
        clock_ahead_seconds: observed.and_then(|observed| observed.clock_ahead_seconds),
        last_contact_at: stored.last_contact_at,
        last_sync_at: stored.last_sync_at,
        last_error: stored.last_error,
        last_error_at: stored.last_error_at,
        open_orders,
        created_at: stored.created_at,
        revision: stored.version,
        name: stored.name,
    })
}

/// The worker here knows best; where it works elsewhere, the last sign of life counts.
fn is_reachable<P, Q, B>(ask: &Ask<P, Q, B, TenantId>, stored: &Stored) -> bool {
    match ask.here.boards.of(stored.id) {
        Some(Condition::Up { .. }) => true,
        Some(Condition::Down { .. }) => false,
        _ => {
            let recent = |at| ask.now().since(at) < AWAY_AFTER;
            stored.last_error.is_none() && stored.last_contact_at.is_some_and(recent)
        }
    }
}

async fn add_one(ask: &Ask<(), NoQuery, Json<NewRouterBody>>) -> Result<Reply<Router>, Problem> {
    let body = &ask.body.0;
    let new = NewRouter {
        tenant: ask.tenant(),
        name: body.name.0.clone(),
        address: address(&body.address, body.fingerprint.as_deref())?,
        login: RouterLogin { user: body.user.0.clone(), password: body.password.0.clone() },
    };
    let stored = add_router(&ask.here.app, new, ask.by(), ask.now()).await?;
    let location = format!("/api/v1/routers/{}", stored.id);
    Ok(reply(ask, stored).await?.at(location))
}

async fn change_one(
    ask: &Ask<RouterId, NoQuery, Json<RouterChangeBody>>,
) -> Result<Reply<Router>, Problem> {
    let body = &ask.body.0;
    let login = match (&body.user, &body.password) {
        (None, None) => None,
        (Some(user), Some(password)) => {
            Some(RouterLogin { user: user.0.clone(), password: password.0.clone() })
        }
        _ => return Err(Problem::invalid("give user and password together").at("/user")),
    };
    if body.address.is_none() && body.fingerprint.is_some() {
        return Err(Problem::invalid("give the address with the fingerprint").at("/address"));
    }
    let fingerprint = body.fingerprint.as_deref();
    let moved = body.address.as_ref().map(|text| address(text, fingerprint)).transpose()?;
    let name = body.name.as_ref().map(|name| name.0.clone());
    let (whose, by) = ((ask.tenant(), ask.path), ask.by());
    let api = body.api.as_ref().map(api_of).transpose()?;
    let change = RouterChange { name, address: moved, login, api };
    let changed = change_router(&ask.here.app, whose, change, ask.expected, by, ask.now()).await?;
    reply(ask, changed).await
}

fn api_of(body: &ApiBody) -> Result<ApiChange, Problem> {
    let Some(text) = &body.address else { return Ok(ApiChange::Forget) };
    let (Some(user), Some(password)) = (&body.user, &body.password) else {
        return Err(Problem::invalid("give user and password of the API").at("/api/user"));
    };
    let address = address(text, body.fingerprint.as_deref())?;
    let login = RouterLogin { user: user.0.clone(), password: password.0.clone() };
    Ok(ApiChange::Use(RouterApi { address, login }))
}

fn address(text: &Line<255>, fingerprint: Option<&str>) -> Result<RouterAddress, Problem> {
    let address: RouterAddress = text.0.trim().parse().map_err(
        |error: crate::operations::add_router::NotARouterAddress| {
            Problem::invalid(error.to_string()).at("/address")
        },
    )?;
    let Some(fingerprint) = fingerprint else { return Ok(address) };
    if address.tls == RouterTls::Off {
        let detail = "it is not encrypted, so it has no fingerprint: write apis:// or rests://";
        return Err(Problem::invalid(detail).at("/fingerprint"));
    }
    if Tls::pinned_hex(fingerprint).is_none() {
        let detail = "a fingerprint is 64 hexadecimal digits";
        return Err(Problem::unreadable(detail).at("/fingerprint"));
    }
    Ok(RouterAddress { tls: RouterTls::Pinned(fingerprint.to_owned()), ..address })
}

async fn sync_one(ask: &Ask<RouterId, SyncQuery>) -> Result<Reply<Synced>, Problem> {
    let router = one(ask, ask.path).await?;
    let dry_run = ask.query.dry_run.unwrap_or(false);
    let errand = if dry_run { Errand::DryRun } else { Errand::Sync };
    let tenant = Some(ask.tenant());
    let timeouts = ask.here.timeouts;
    let pass = pass_over_routers(&ask.here.app, tenant, Some(router.id), errand, timeouts);
    let Ok(passes) = tokio::time::timeout(ask.here.patience, pass).await else {
        return Err(Problem::unavailable("the router takes too long; its work goes on"));
    };
    let pass = passes?.pop().unwrap_or_default();
    let report = pass.sync.unwrap_or_default();
    let differences = report.differences.into_iter();
    let strangers = report.strangers.into_iter();
    Ok(Reply::ok(Synced {
        done: pass.error.is_none(),
        error: pass.error,
        differences: differences
            .map(|found| Difference { grant: found.grant, label: found.label, what: found.what })
            .collect(),
        strangers: strangers
            .map(|found| Stranger { menu: found.menu, name: found.name, why: found.why })
            .collect(),
        expected: report.expected as u64,
        online: report.online as u64,
        cut: pass.round.cut as u64,
        connected: pass.round.connected as u64,
        failed: pass.round.failed as u64,
    }))
}

/// Tries to reach a router now.
pub(crate) async fn tested(here: &crate::web::Entrance, stored: &Stored) -> Tested {
    let started = std::time::Instant::now();
    let reached = async {
        let opened = connect(&here.app, stored, here.timeouts).await;
        opened.map(|driver| driver.observed().clone()).map_err(|error| chain(&error))
    };
    let outcome = tokio::time::timeout(here.patience, reached).await;
    let outcome = outcome.unwrap_or_else(|_| Err("it did not answer in time".to_owned()));
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Ok(Observed { version, identity, board, uptime, .. }) => Tested {
            reachable: true,
            error: None,
            version: Some(version),
            identity: Some(identity),
            board: Some(board),
            uptime_seconds: Some(uptime.as_seconds()),
            took_ms,
        },
        Err(error) => Tested {
            reachable: false,
            error: Some(error),
            version: None,
            identity: None,
            board: None,
            uptime_seconds: None,
            took_ms,
        },
    }
}

impl From<AddRouterError> for Problem {
    fn from(error: AddRouterError) -> Problem {
        match error {
            AddRouterError::Known(_) => Problem::conflict(error.to_string()).at("/name"),
            AddRouterError::NoName => Problem::invalid(error.to_string()).at("/name"),
            AddRouterError::Reused(reused) => reused.into(),
            AddRouterError::Lost(lost) => lost.into(),
            AddRouterError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeRouterError> for Problem {
    fn from(error: ChangeRouterError) -> Problem {
        match error {
            ChangeRouterError::Lost(lost) => lost.into(),
            ChangeRouterError::NoName => Problem::invalid(error.to_string()).at("/name"),
            ChangeRouterError::Known => Problem::conflict(error.to_string()).at("/name"),
            ChangeRouterError::OneWay | ChangeRouterError::NoApi(_) => {
                Problem::invalid(error.to_string()).at("/api")
            }
            ChangeRouterError::Sealed => Problem::invalid(error.to_string()).at("/password"),
            ChangeRouterError::Store(error) => error.into(),
        }
    }
}
