//! `/api/admin/mikrotik/…`: how the routers do.

use crate::web::api::door::{Ask, Doors, Reply, Shown, Sign};
use crate::web::api::problem::Problem;
use crate::web::api::routers::{self, Tested};
use crate::web::api::words::Line;
use lango_domain::ids::RouterId;
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "MikrotikStatus")]
struct Status {
    success: bool,
    routers: Vec<Router>,
    timestamp: Timestamp,
}

impl Shown for Status {}

#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "MikrotikRouter")]
struct Router {
    id: RouterId,
    name: String,
    reachable: bool,
    version: Option<String>,
    uptime_seconds: Option<i64>,
    active_users: Option<u64>,
    last_contact: Option<Timestamp>,
    last_error: Option<String>,
}

#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Its name or id; the only one there is if it is left out
    router: Option<Line<100>>,
}

#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "MikrotikTest")]
struct Test {
    success: bool,
    router: String,
    #[serde(flatten)]
    tested: Tested,
}

impl Shown for Test {}

const TAG: &str = "older systems";

pub(crate) fn open(doors: &mut Doors) {
    let status = Sign::get("/api/admin/mikrotik/status/", "mikrotik_status")
        .about(TAG, "Every router and how it does");
    doors.open(status, async |ask: Ask| {
        let routers = routers::all(&ask).await?.into_iter().map(shown).collect();
        Ok(Reply::ok(Status { success: true, routers, timestamp: ask.now() }))
    });
    let test = Sign::get("/api/admin/mikrotik/test-connection/", "mikrotik_test_connection")
        .about(TAG, "Try to reach a router now")
        .needs(Permission::Support);
    doors.open(test, async |ask: Ask<(), Which>| test_one(&ask).await);
}

fn shown(router: routers::Router) -> Router {
    Router {
        id: router.id,
        name: router.name,
        reachable: router.reachable,
        version: router.version,
        uptime_seconds: router.uptime_seconds,
        active_users: router.active_sessions,
        last_contact: router.last_contact_at,
        last_error: router.last_error,
    }
}

async fn test_one(ask: &Ask<(), Which>) -> Result<Reply<Test>, Problem> {
    let tenant = ask.tenant();
    let all =
        async move |tx: &mut lango_store::Tx<'_>| lango_store::routers::of_tenant(tx, tenant).await;
    let mut found = ask.here.app.store().read(all).await?;
    if let Some(which) = &ask.query.router {
        found.retain(|router| router.name == which.0 || router.id.to_string() == which.0);
    }
    let stored = match (found.pop(), found.is_empty()) {
        (Some(stored), true) => stored,
        (None, _) => return Err(Problem::missing("router").at("?router")),
        (Some(_), false) => {
            return Err(
                Problem::unreadable("there are several routers: say ?router=").at("?router")
            );
        }
    };
    let tested = routers::tested(&ask.here, &stored).await;
    Ok(Reply::ok(Test { success: tested.reachable, router: stored.name, tested }))
}
