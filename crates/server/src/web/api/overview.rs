//! The whole at a glance: the diagnosis, and looking for somebody.

use crate::operations::diagnose::diagnose;
use crate::operations::find_customer::find_grants;
use crate::web::api::door::{Ask, Doors, Reply, Shown, Sign};
use crate::web::api::grants::Grant;
use crate::web::api::problem::Problem;
use crate::web::api::words::Line;
use lango_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The diagnosis, as `lango check --json` prints it; the database is the operator's alone.
#[derive(Serialize, JsonSchema, Debug)]
#[serde(transparent)]
struct Check(serde_json::Map<String, serde_json::Value>);

impl Shown for Check {}

/// Whom somebody looks for.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct SearchQuery {
    /// A user name, phone number, voucher code, MAC or IP address, or an id
    q: Line<100>,
}

/// Who may be meant.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "FoundGrants")]
struct Found {
    grants: Vec<Grant>,
}

impl Shown for Found {}

pub(crate) fn open(doors: &mut Doors) {
    let check = Sign::get("/api/v1/check", "check")
        .about("overview", "Who is expired and still connected, how routers and queues do");
    doors.open(check, async |ask: Ask| {
        let diagnosis = diagnose(&ask.here.app, ask.now()).await?.of_tenant(ask.tenant());
        match serde_json::to_value(diagnosis) {
            Ok(serde_json::Value::Object(told)) => Ok(Reply::ok(Check(told))),
            _ => Err(Problem::ours()),
        }
    });
    let search = Sign::get("/api/v1/search", "search")
        .about("overview", "Look for somebody by what is known of him");
    doors.open(search, async |ask: Ask<(), SearchQuery>| search_for(&ask).await);
}

async fn search_for(ask: &Ask<(), SearchQuery>) -> Result<Reply<Found>, Problem> {
    let tenant = super::plans::tenant(ask).await?;
    let app = &ask.here.app;
    let found = find_grants(app, tenant.id, tenant.country, &ask.query.q.0).await?;
    let mut grants = Vec::new();
    for stored in found {
        let id = stored.grant.id;
        let show = async move |tx: &mut Tx<'_>| lango_store::grants::show(tx, id).await;
        grants.extend(app.store().read(show).await?.map(Grant::from));
    }
    Ok(Reply::ok(Found { grants }))
}
