//! Enforcement: for one grant on one router, what is wanted and what the router confirmed.

use crate::app::App;
use crate::web::api::door::{Ask, Doors, Reply, Shown, Sign};
use crate::web::api::list::{Limit, Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::table::Paged;
use crate::web::api::words::Whole;
use lango_domain::ids::{GrantId, Id, RouterId};
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::{Order, Tx, enforcements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One grant on one router.
#[derive(Serialize, JsonSchema, Clone, Debug)]
#[schemars(rename = "Enforcement")]
pub(crate) struct Standing {
    router: RouterId,
    grant: GrantId,
    label: String,
    /// What the router is to hold: allowed, throttled, walled or cut
    wanted: String,
    since: Timestamp,
    /// The instant from which lateness counts
    due_at: Timestamp,
    /// What the router confirmed last
    confirmed: Option<String>,
    confirmed_at: Option<Timestamp>,
    /// Who made it so: lango, or the router by its own deadline
    confirmed_by: Option<String>,
    /// When it is tried next; null if the router holds what it should
    next_attempt_at: Option<Timestamp>,
    /// Failed tries since the last success
    failures: i64,
    last_error: Option<String>,
    devices_online: i64,
    uptime_seconds: i64,
    data_bytes: u64,
}

impl Standing {
    pub(crate) fn is_open(&self) -> bool {
        self.next_attempt_at.is_some()
    }
}

impl From<enforcements::Standing> for Standing {
    fn from(standing: enforcements::Standing) -> Standing {
        Standing {
            router: standing.router,
            grant: standing.grant,
            label: standing.label,
            wanted: standing.wanted,
            since: standing.since,
            due_at: standing.due_at,
            confirmed: standing.confirmed,
            confirmed_at: standing.confirmed_at,
            confirmed_by: standing.confirmed_by,
            next_attempt_at: standing.next_attempt_at,
            failures: standing.failures,
            last_error: standing.last_error,
            devices_online: standing.devices,
            uptime_seconds: standing.uptime.as_seconds(),
            data_bytes: standing.data.as_bytes(),
        }
    }
}

/// What routers are to hold of a grant.
///
/// # Errors
/// A fault of the store.
pub(crate) async fn standing_of(app: &App, grant: GrantId) -> Result<Vec<Standing>, Problem> {
    let of = async move |tx: &mut Tx<'_>| enforcements::standing_of(tx, grant).await;
    Ok(app.store().read(of).await?.into_iter().map(Standing::from).collect())
}

/// Which enforcements are listed.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct EnforcementsQuery {
    /// On which router; all of them if none is named
    router: Option<RouterId>,
    /// Only those that the router has not confirmed
    open: Option<bool>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

impl Paged for EnforcementsQuery {
    fn going_on(&self, cursor: Option<String>) -> EnforcementsQuery {
        EnforcementsQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

const TAG: &str = "enforcements";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/enforcements", "list_enforcements")
        .about(TAG, "What routers are to hold and what they confirmed");
    doors.open_list(list, async |ask: Ask<(), EnforcementsQuery>| page(&ask).await);
    let of_grant = Sign::list("/api/v1/grants/{grant}/enforcements", "list_enforcements_of_grant")
        .about(TAG, "A grant on each of its routers");
    doors.open_list(of_grant, async |ask: Ask<GrantId>| {
        let grant = super::grants::listed(&ask, ask.path).await?.stored.grant.id;
        let items = standing_of(&ask.here.app, grant).await?;
        Ok(Reply::ok(Page { items, next: None }))
    });
    let retry =
        Sign::run("/api/v1/routers/{router}/enforcements/{grant}/retry", "retry_enforcement")
            .about(TAG, "Try at once what failed and waits for a later try")
            .needs(Permission::Support);
    doors.open(retry, async |ask: Ask<(RouterId, GrantId)>| retry_one(&ask).await);
}

/// Router after router, grant after grant.
async fn page(ask: &Ask<(), EnforcementsQuery>) -> Result<Reply<Page<Standing>>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let order = Order::Ascending;
    let place = Place::read("enforcements", order, query.limit, query.cursor.as_deref())?;
    let of = async move |tx: &mut Tx<'_>| lango_store::routers::ids_of_tenant(tx, tenant).await;
    let mut routers = store.read(of).await?;
    routers.sort();
    routers.retain(|router| query.router.is_none_or(|only| only == *router));
    let read = |from: Option<(RouterId, GrantId)>, limit: i64| {
        let store = store.clone();
        let routers = routers.clone();
        async move {
            let read = async move |tx: &mut Tx<'_>| {
                let mut rows = Vec::new();
                let (first, mut after) =
                    from.unwrap_or((RouterId::from_raw(0), GrantId::from_raw(0)));
                for router in routers.iter().copied().filter(|router| *router >= first) {
                    if router > first {
                        after = GrantId::from_raw(0);
                    }
                    let missing = limit - rows.len() as i64;
                    rows.extend(enforcements::standing_on(tx, router, after, missing).await?);
                    if rows.len() as i64 >= limit {
                        break;
                    }
                }
                Ok(rows)
            };
            store.read(read).await
        }
    };
    let only_open = query.open.unwrap_or(false);
    let keep = |row: &enforcements::Standing| !only_open || row.next_attempt_at.is_some();
    let key = |row: &enforcements::Standing| (row.router, row.grant);
    let (rows, next) = walk(&place, !only_open, read, key, keep).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(Standing::from).collect(), next)))
}

/// What came of asking for another try.
#[derive(Serialize, JsonSchema, Debug)]
struct Retried {
    /// Whether anything was waiting for a later try
    hurried: bool,
}

impl Shown for Retried {}

async fn retry_one(ask: &Ask<(RouterId, GrantId)>) -> Result<Reply<Retried>, Problem> {
    let ((router, grant), tenant, now) = (ask.path, ask.tenant(), ask.now());
    super::grants::listed(ask, grant).await?;
    super::routers::one(ask, router).await?;
    let hurry = async move |tx: &mut Tx<'_>| enforcements::hurry(tx, router, grant, now).await;
    let hurried = ask.here.app.store().write(hurry).await?;
    tracing::debug!(tenant.id = %tenant, hurried, "a try was asked for");
    Ok(Reply::ok(Retried { hurried }))
}
