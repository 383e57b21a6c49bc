//! The API for programs. One file for each resource, which declares its doors, says how its things
//! look from outside, and calls operations. Must never reach a thing of another business: every
//! handler names the business by what its caller may see, not by what he wrote.

pub(crate) mod activity;
pub(crate) mod caller;
pub(crate) mod customers;
pub(crate) mod door;
pub(crate) mod enforcements;
pub(crate) mod events;
pub(crate) mod gateways;
pub(crate) mod grants;
pub(crate) mod imports;
pub(crate) mod jobs;
pub(crate) mod list;
pub(crate) mod messages;
pub(crate) mod money;
pub(crate) mod nases;
pub(crate) mod openapi;
pub(crate) mod overview;
pub(crate) mod payments;
pub(crate) mod plans;
pub(crate) mod problem;
pub(crate) mod purchases;
pub(crate) mod rate;
pub(crate) mod resellers;
pub(crate) mod routers;
pub(crate) mod services;
pub(crate) mod sessions;
pub(crate) mod table;
pub(crate) mod tasks;
pub(crate) mod tenants;
pub(crate) mod tokens;
pub(crate) mod voucher_batches;
pub(crate) mod vouchers;
pub(crate) mod webhooks;
pub(crate) mod words;

use crate::web::api::door::{Ask, Doors};
use crate::web::api::problem::Problem;
use lango_domain::ids::{CustomerId, RouterId, TenantId};
use lango_store::Tx;

/// All doors of the API.
pub(crate) fn doors() -> Doors {
    let mut doors = Doors::new();
    overview::open(&mut doors);
    grants::open(&mut doors);
    vouchers::open(&mut doors);
    voucher_batches::open(&mut doors);
    resellers::open(&mut doors);
    services::open(&mut doors);
    payments::open(&mut doors);
    purchases::open(&mut doors);
    money::open(&mut doors);
    gateways::open(&mut doors);
    customers::open(&mut doors);
    plans::open(&mut doors);
    routers::open(&mut doors);
    nases::open(&mut doors);
    enforcements::open(&mut doors);
    sessions::open(&mut doors);
    activity::open(&mut doors);
    events::open(&mut doors);
    jobs::open(&mut doors);
    messages::open(&mut doors);
    tasks::open(&mut doors);
    imports::open(&mut doors);
    tokens::open(&mut doors);
    webhooks::open(&mut doors);
    tenants::open(&mut doors);
    crate::web::kept::open(&mut doors);
    doors
}

/// Refuses a customer that is not of the caller's business.
pub(crate) async fn check_customer<P, Q, B>(
    ask: &Ask<P, Q, B, TenantId>,
    customer: Option<CustomerId>,
) -> Result<(), Problem> {
    let Some(id) = customer else { return Ok(()) };
    let tenant = ask.tenant();
    let find = async move |tx: &mut Tx<'_>| {
        crate::operations::change_customer::of_tenant(tx, tenant, id).await
    };
    match ask.here.app.store().read(find).await? {
        Some(_) => Ok(()),
        None => Err(Problem::missing("customer").at("/customer")),
    }
}

/// Refuses a router that is not of the caller's business.
pub(crate) async fn check_router<P, Q, B>(
    ask: &Ask<P, Q, B, TenantId>,
    router: Option<RouterId>,
) -> Result<(), Problem> {
    match router {
        Some(id) => routers::one(ask, id).await.map(drop).map_err(|problem| problem.at("/router")),
        None => Ok(()),
    }
}
