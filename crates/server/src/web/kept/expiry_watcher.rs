//! `/api/admin/expiry-watcher/` and `/api/admin/cleanup-expired/`: who is expired, who is still
//! connected, and a pass over both.

use crate::observe::pulse::{self, Engine};
use crate::operations::end_due_grants::end_due_grants;
use crate::web::api::door::{Ask, Doors, Reply, Shown, Sign};
use crate::web::api::problem::Problem;
use crate::web::kept::{cut_all, uncut};
use lango_domain::ids::{CustomerId, GrantId};
use lango_domain::role::Permission;
use lango_domain::time::{Span, Timestamp};
use lango_store::enforcements::Line;
use lango_store::grants::{self, GrantLine};
use lango_store::{Error, Tx};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// How far ahead "soon" looks, as the names of the answer say.
const SOON: Span = Span::minutes(30);
/// How often the watcher looks at the latest; it sleeps until something is due.
const LOOK_EVERY_SECONDS: i64 = 30;
/// Without a pass for so long nobody watches.
const IDLE_AFTER: Span = Span::minutes(3);
const MOST_SOON: i64 = 500;

#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "ExpiryWatch")]
struct Watch {
    success: bool,
    watcher: Watcher,
    statistics: Statistics,
    expiring_soon: Vec<Soon>,
    expired_not_disconnected: Vec<Uncut>,
    health: Health,
    timestamp: Timestamp,
    /// What a check that was asked for did
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Outcome>,
}

impl Shown for Watch {}

#[derive(Serialize, JsonSchema, Debug)]
struct Watcher {
    running: bool,
    check_interval_seconds: i64,
}

#[derive(Serialize, JsonSchema, Debug)]
struct Statistics {
    total_active_users: i64,
    expiring_in_30_min: u64,
    expired_but_still_active: u64,
}

#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "ExpiringSoon")]
struct Soon {
    id: GrantId,
    /// The customer's number; his login if he has none
    phone_number: String,
    expires_at: Timestamp,
    remaining_minutes: i64,
}

#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "ExpiredNotDisconnected")]
struct Uncut {
    id: GrantId,
    /// The customer's number; his login if he has none
    phone_number: String,
    expired_at: Timestamp,
    /// The routers that have not confirmed the cut
    routers: Vec<String>,
}

#[derive(Serialize, JsonSchema, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Health {
    Healthy,
    NeedsAttention,
}

#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "ExpiryOutcome")]
struct Outcome {
    /// Whose time was found to be over
    expired: u64,
    /// Cuts that routers confirmed meanwhile
    disconnected: u64,
    /// Cuts that no router has confirmed yet
    failed: u64,
}

#[derive(Serialize, JsonSchema, Debug)]
struct CleanUp {
    success: bool,
    expired: u64,
    disconnected: u64,
    failed: u64,
    routers: Vec<CleanUpRouter>,
    timestamp: Timestamp,
}

impl Shown for CleanUp {}

#[derive(Serialize, JsonSchema, Debug)]
struct CleanUpRouter {
    router: String,
    disconnected: u64,
    /// Cuts that it has not confirmed yet; they are tried until it does
    failed: u64,
    error: Option<String>,
}

const TAG: &str = "older systems";

pub(crate) fn open(doors: &mut Doors) {
    let look = Sign::get("/api/admin/expiry-watcher/", "expiry_watcher")
        .about(TAG, "Who is expired and who is still connected");
    doors.open(look, async |ask: Ask| watch(&ask, None).await.map(Reply::ok));
    let run = Sign::run("/api/admin/expiry-watcher/", "run_expiry_watcher")
        .about(TAG, "Check now")
        .needs(Permission::Support);
    doors.open(run, async |ask: Ask| {
        let (outcome, _) = pass(&ask).await?;
        watch(&ask, Some(outcome)).await.map(Reply::ok)
    });
    let clean = Sign::run("/api/admin/cleanup-expired/", "cleanup_expired")
        .about(TAG, "Cut every expired user that is still connected, and wait for the routers")
        .needs(Permission::Support);
    doors.open(clean, async |ask: Ask| {
        let (outcome, routers) = pass(&ask).await?;
        let Outcome { expired, disconnected, failed } = outcome;
        let (success, timestamp) = (failed == 0, ask.now());
        Ok(Reply::ok(CleanUp { success, expired, disconnected, failed, routers, timestamp }))
    });
}

async fn pass(ask: &Ask) -> Result<(Outcome, Vec<CleanUpRouter>), Problem> {
    let due = end_due_grants(&ask.here.app, ask.now()).await?;
    let before = uncut(&ask.here, ask.tenant()).await?;
    let after = cut_all(&ask.here, ask.tenant()).await?;
    let expired = due.by_tenant.get(&ask.tenant()).copied().unwrap_or_default() as u64;
    let disconnected = before.iter().filter(|line| !is_among(&after, line)).count() as u64;
    let outcome = Outcome { expired, disconnected, failed: after.len() as u64 };
    Ok((outcome, by_router(&before, &after)))
}

fn is_among(lines: &[Line], one: &Line) -> bool {
    lines.iter().any(|line| (line.router, line.grant) == (one.router, one.grant))
}

fn by_router(before: &[Line], after: &[Line]) -> Vec<CleanUpRouter> {
    let mut routers: BTreeMap<&str, CleanUpRouter> = BTreeMap::new();
    for line in before.iter().chain(after.iter().filter(|line| !is_among(before, line))) {
        let name = line.router_name.as_str();
        let fresh =
            || CleanUpRouter { router: name.to_owned(), disconnected: 0, failed: 0, error: None };
        let router = routers.entry(name).or_insert_with(fresh);
        match after.iter().find(|left| is_among(std::slice::from_ref(left), line)) {
            Some(left) => {
                router.failed += 1;
                router.error = left.last_error.clone().or(router.error.take());
            }
            None => router.disconnected += 1,
        }
    }
    routers.into_values().collect()
}

async fn watch(ask: &Ask, result: Option<Outcome>) -> Result<Watch, Problem> {
    let (tenant, now) = (ask.tenant(), ask.now());
    let read = async move |tx: &mut Tx<'_>| {
        let soon = grants::ending(tx, tenant, now, now + SOON, MOST_SOON).await?;
        let mut named = Vec::new();
        for line in soon {
            let phone = phone(tx, line.customer, &line.label).await?;
            named.push((line, phone));
        }
        let active = grants::count_running(tx, tenant, now).await?;
        Ok((named, active, pulse::last(tx).await?))
    };
    let (soon, total_active_users, beats) = ask.here.app.store().read(read).await?;
    let expired_not_disconnected = still_connected(ask).await?;
    let healthy = expired_not_disconnected.is_empty();
    let last = beats.get(&Engine::Deadlines).copied();
    // The beat in the database is written seldom; our own engine's is fresh.
    let last = last.max(ask.here.app.pulse().read().get(&Engine::Deadlines).copied());
    Ok(Watch {
        success: true,
        watcher: Watcher {
            running: last.is_some_and(|last| now.since(last) < IDLE_AFTER),
            check_interval_seconds: LOOK_EVERY_SECONDS,
        },
        statistics: Statistics {
            total_active_users,
            expiring_in_30_min: soon.len() as u64,
            expired_but_still_active: expired_not_disconnected.len() as u64,
        },
        expiring_soon: soon.into_iter().map(|(line, phone)| soon_line(line, phone, now)).collect(),
        expired_not_disconnected,
        health: if healthy { Health::Healthy } else { Health::NeedsAttention },
        timestamp: now,
        result,
    })
}

fn soon_line(line: GrantLine, phone_number: String, now: Timestamp) -> Soon {
    let expires_at = line.ends_at.unwrap_or(now);
    let remaining_minutes = expires_at.since(now).as_seconds() / 60;
    Soon { id: line.id, phone_number, expires_at, remaining_minutes }
}

async fn still_connected(ask: &Ask) -> Result<Vec<Uncut>, Problem> {
    let mut by_grant: BTreeMap<GrantId, Uncut> = BTreeMap::new();
    for line in uncut(&ask.here, ask.tenant()).await? {
        let grant = line.grant;
        let label = line.label.clone();
        let name = async move |tx: &mut Tx<'_>| {
            let found = grants::find(tx, grant).await?;
            let customer = found.and_then(|stored| stored.grant.customer);
            phone(tx, customer, &label).await
        };
        let fresh = match by_grant.get_mut(&grant) {
            Some(known) => known,
            None => {
                let phone_number = ask.here.app.store().read(name).await?;
                let (id, expired_at) = (grant, line.due_at);
                let fresh = Uncut { id, phone_number, expired_at, routers: Vec::new() };
                by_grant.entry(grant).or_insert(fresh)
            }
        };
        fresh.expired_at = fresh.expired_at.min(line.due_at);
        fresh.routers.push(line.router_name);
    }
    Ok(by_grant.into_values().collect())
}

async fn phone(
    tx: &mut Tx<'_>,
    customer: Option<CustomerId>,
    label: &str,
) -> Result<String, Error> {
    let Some(customer) = customer else { return Ok(label.to_owned()) };
    let found = lango_store::customers::find(tx, customer).await?;
    let phone = found.and_then(|customer| customer.phone);
    Ok(phone.map_or_else(|| label.to_owned(), |phone| phone.to_string()))
}
