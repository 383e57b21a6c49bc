//! Services: hotspot accounts, PPPoE subscriptions, fixed addresses.

use crate::operations::open_service::{OpenError, ServiceOrder, made_up_password, open_service};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::grants::{self, Grant, GrantsQuery};
use crate::web::api::problem::Problem;
use crate::web::api::words::Line;
use crate::web::api::{check_customer, check_router};
use lango_domain::access::{Access, GrantKind, Secret};
use lango_domain::ids::{CustomerId, GrantId, PlanId, RouterId};
use lango_domain::mac_address::MacAddress;
use lango_domain::role::Permission;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The kinds of grants that are services.
const KINDS: [GrantKind; 3] = [GrantKind::HotspotAccount, GrantKind::Pppoe, GrantKind::StaticIp];

/// What the customer presents.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(rename_all = "snake_case", tag = "by", deny_unknown_fields)]
#[schemars(inline)]
enum Login {
    /// Logs in on the hotspot's page
    Hotspot {
        name: LoginName,
        /// Made up if there is none
        password: Option<Line<64>>,
    },
    /// Dials in
    Pppoe {
        name: LoginName,
        /// Made up if there is none
        password: Option<Line<64>>,
        /// A fixed address for the session
        #[schemars(with = "Option<Address>")]
        address: Option<Ipv4Addr>,
    },
    /// Just uses his address
    StaticIp {
        #[schemars(with = "Address")]
        address: Ipv4Addr,
        mac: Option<MacAddress>,
    },
}

/// A user name that a router can hold.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(transparent)]
#[schemars(inline)]
struct LoginName(#[schemars(regex(pattern = "^[A-Za-z0-9._@+-]{1,64}$"))] String);

/// An IPv4 address, for the schema.
#[derive(JsonSchema)]
#[schemars(inline)]
struct Address(
    #[allow(dead_code, reason = "only its schema is used")]
    #[schemars(extend("format" = "ipv4"))]
    String,
);

/// A service to be opened.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewService")]
struct Order {
    plan: PlanId,
    login: Login,
    customer: Option<CustomerId>,
    /// The only router it is good for; null is all of them
    router: Option<RouterId>,
    /// Whether money for it has arrived; else it waits for a payment
    #[serde(default)]
    paid: bool,
}

/// A service that was opened.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "OpenedService")]
struct Opened {
    service: Grant,
    /// The password, if it was made up; no other answer has it
    password: Option<String>,
}

impl Shown for Opened {}

const TAG: &str = "services";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/services", "list_services").about(TAG, "Services");
    doors.open_list(list, async |ask: Ask<(), GrantsQuery>| {
        grants::page(&ask, &KINDS).await.map(Reply::ok)
    });
    let show = Sign::get("/api/v1/services/{service}", "show_service").about(TAG, "One service");
    doors.open(show, async |ask: Ask<GrantId>| {
        let found = grants::listed(&ask, ask.path).await?;
        if !KINDS.contains(&found.stored.grant.kind) {
            return Err(Problem::missing("service"));
        }
        let version = found.stored.version;
        Ok(Reply::ok(Grant::from(found)).version(version))
    });
    let add = Sign::make("/api/v1/services", "open_service")
        .about(TAG, "Open a service")
        .needs(Permission::Sell);
    doors.open(add, async |ask: Ask<(), NoQuery, Json<Order>>| add_one(&ask).await);
}

async fn add_one(ask: &Ask<(), NoQuery, Json<Order>>) -> Result<Reply<Opened>, Problem> {
    let Order { plan, login, customer, router, paid } = &ask.body.0;
    let plan = super::plans::one(ask, *plan).await.map_err(|problem| problem.at("/plan"))?;
    check_customer(ask, *customer).await?;
    check_router(ask, *router).await?;
    let (access, made_up) = access(login);
    let order = ServiceOrder {
        tenant: ask.tenant(),
        plan: plan.plan.name,
        access,
        customer: *customer,
        router: *router,
        paid: *paid,
    };
    let stored = open_service(&ask.here.app, order, ask.by(), ask.now()).await?;
    let id = stored.grant.id;
    let password = made_up.then(|| password_of(ask, id));
    let password = match password {
        Some(password) => Some(password.await?),
        None => None,
    };
    let service = grants::one(ask, id).await?;
    let version = stored.version;
    Ok(Reply::ok(Opened { service, password })
        .version(version)
        .at(format!("/api/v1/services/{id}")))
}

/// Read back rather than remembered: a repeated request made up another one, which does not count.
async fn password_of(ask: &Ask<(), NoQuery, Json<Order>>, id: GrantId) -> Result<String, Problem> {
    let access =
        async move |tx: &mut lango_store::Tx<'_>| lango_store::grants::access(tx, id).await;
    let sealed = ask.here.app.store().read(access).await?;
    Ok(match ask.here.app.open_access(id, &sealed)? {
        Access::Hotspot { password, .. } | Access::Pppoe { password, .. } => {
            password.reveal().to_owned()
        }
        Access::StaticIp { .. } => String::new(),
    })
}

fn access(login: &Login) -> (Access, bool) {
    let secret = |password: &Option<Line<64>>| match password {
        Some(password) => (Secret::new(password.0.clone()), false),
        None => (Secret::new(made_up_password()), true),
    };
    match login.clone() {
        Login::Hotspot { name, password } => {
            let (password, made_up) = secret(&password);
            (Access::Hotspot { name: name.0, password }, made_up)
        }
        Login::Pppoe { name, password, address } => {
            let (password, made_up) = secret(&password);
            (Access::Pppoe { name: name.0, password, address }, made_up)
        }
        Login::StaticIp { address, mac } => (Access::StaticIp { address, mac }, false),
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Problem {
        match error {
            OpenError::NoPlan(_) => Problem::invalid("that plan is not sold any more").at("/plan"),
            OpenError::Taken(_) => Problem::conflict(error.to_string()).at("/login"),
            OpenError::BadName(_) => Problem::unreadable(error.to_string()).at("/login/name"),
            OpenError::Reused(reused) => reused.into(),
            OpenError::Lost(lost) => lost.into(),
            OpenError::Store(error) => error.into(),
        }
    }
}
