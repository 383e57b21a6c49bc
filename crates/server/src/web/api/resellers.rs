//! Resellers: who sells vouchers, and what became of those he was given.

use crate::operations::resellers::{
    Commission, NewReseller, ResellerChange, ResellerError, add_reseller, change_reseller,
};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::list::Page;
use crate::web::api::problem::Problem;
use crate::web::api::words::{Field, Line, Whole};
use lango_domain::ids::{PlanId, ResellerId, TenantId};
use lango_domain::money::Money;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::{Tx, resellers};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who sells vouchers.
#[derive(Serialize, JsonSchema, Clone, Debug)]
struct Reseller {
    id: ResellerId,
    name: String,
    phone: Option<PhoneNumber>,
    /// What he keeps of the price: 1000 is 10 %
    commission_basis_points: i64,
    created_at: Timestamp,
    /// Since when he is given no vouchers; those he has stay good
    removed_at: Option<Timestamp>,
    version: i64,
}

/// Who sells vouchers, and what became of those he was given.
#[derive(Serialize, JsonSchema, Clone, Debug)]
struct ResellerWithStock {
    #[serde(flatten)]
    reseller: Reseller,
    /// By plan and price
    stock: Vec<Stock>,
}

/// What a reseller was given of a plan at one price.
#[derive(Serialize, JsonSchema, Clone, Debug)]
struct Stock {
    plan: PlanId,
    plan_name: String,
    /// What one voucher cost when it was made
    price: Money,
    issued: i64,
    /// Used for the first time: their users had bought them
    sold: i64,
    /// Still good and unused
    left: i64,
}

impl Shown for Reseller {}
impl Shown for ResellerWithStock {}

impl From<resellers::Reseller> for Reseller {
    fn from(stored: resellers::Reseller) -> Reseller {
        Reseller {
            id: stored.id,
            name: stored.name,
            phone: stored.phone,
            commission_basis_points: stored.commission,
            created_at: stored.created_at,
            removed_at: stored.removed_at,
            version: stored.version,
        }
    }
}

impl From<resellers::Stock> for Stock {
    fn from(stored: resellers::Stock) -> Stock {
        let resellers::Stock { plan, name, price, issued, sold, left } = stored;
        Stock { plan, plan_name: name, price, issued, sold, left }
    }
}

/// Somebody who is to sell.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewReseller")]
struct NewResellerBody {
    name: Line<100>,
    /// As people write it
    phone: Option<Line<30>>,
    /// What he keeps of the price: 1000 is 10 %
    commission_basis_points: Option<Whole<0, 10_000>>,
}

/// What is to be different.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ResellerChange")]
struct ResellerChangeBody {
    name: Option<Line<100>>,
    #[serde(default)]
    phone: Field<Line<30>>,
    commission_basis_points: Option<Whole<0, 10_000>>,
    /// Whether he is given vouchers
    sells: Option<bool>,
}

const TAG: &str = "resellers";

pub(crate) fn open(doors: &mut Doors) {
    let list =
        Sign::list("/api/v1/resellers", "list_resellers").about(TAG, "Who sells vouchers, by name");
    doors.open_list(list, async |ask: Ask| {
        let tenant = ask.tenant();
        let all = async move |tx: &mut Tx<'_>| resellers::of_tenant(tx, tenant).await;
        let all = ask.here.app.store().read(all).await?;
        let items: Vec<Reseller> = all.into_iter().map(Reseller::from).collect();
        Ok(Reply::ok(Page { items, next: None }))
    });
    let show = Sign::get("/api/v1/resellers/{reseller}", "show_reseller")
        .about(TAG, "A reseller and his stock");
    doors.open(show, async |ask: Ask<ResellerId>| {
        let reseller = one(&ask, ask.path).await?;
        let (id, version) = (reseller.id, reseller.version);
        let stock = async move |tx: &mut Tx<'_>| resellers::stock(tx, id).await;
        let stock = ask.here.app.store().read(stock).await?;
        let stock = stock.into_iter().map(Stock::from).collect();
        Ok(Reply::ok(ResellerWithStock { reseller: reseller.into(), stock }).version(version))
    });
    let add = Sign::make("/api/v1/resellers", "add_reseller")
        .about(TAG, "Add somebody who sells vouchers")
        .needs(Permission::Manage);
    doors.open(add, async |ask: Ask<(), NoQuery, Json<NewResellerBody>>| {
        let NewResellerBody { name, phone, commission_basis_points } = &ask.body.0;
        let new = NewReseller {
            tenant: ask.tenant(),
            name: name.0.clone(),
            phone: phone.as_ref().map(|phone| phone.0.clone()),
            commission: commission(*commission_basis_points).unwrap_or_default(),
        };
        let added = add_reseller(&ask.here.app, new, ask.by(), ask.now()).await?;
        let location = format!("/api/v1/resellers/{}", added.id);
        Ok(reply(added).at(location))
    });
    let change = Sign::change("/api/v1/resellers/{reseller}", "change_reseller")
        .about(TAG, "Change a reseller, or give him vouchers no more")
        .needs(Permission::Manage);
    doors.open(change, async |ask: Ask<ResellerId, NoQuery, Json<ResellerChangeBody>>| {
        let ResellerChangeBody { name, phone, commission_basis_points, sells } = &ask.body.0;
        let change = ResellerChange {
            name: name.as_ref().map(|name| name.0.clone()),
            phone: phone.clone().change().map(|phone| phone.map(|Line(phone)| phone)),
            commission: commission(*commission_basis_points),
            sells: *sells,
        };
        let (whose, by) = ((ask.tenant(), ask.path), ask.by());
        let changed =
            change_reseller(&ask.here.app, whose, change, ask.expected, by, ask.now()).await?;
        Ok(reply(changed))
    });
}

fn reply(reseller: resellers::Reseller) -> Reply<Reseller> {
    let version = reseller.version;
    Reply::ok(Reseller::from(reseller)).version(version)
}

fn commission(basis_points: Option<Whole<0, 10_000>>) -> Option<Commission> {
    basis_points.and_then(|Whole(points)| Commission::from_hundredths(points.into()))
}

/// One reseller of the caller's business.
async fn one<P, Q, B>(
    ask: &Ask<P, Q, B, TenantId>,
    id: ResellerId,
) -> Result<resellers::Reseller, Problem> {
    let tenant = ask.tenant();
    let find = async move |tx: &mut Tx<'_>| resellers::find(tx, tenant, id).await;
    ask.here.app.store().read(find).await?.ok_or_else(|| Problem::missing("reseller"))
}

/// Refuses a reseller that is not of the caller's business.
pub(crate) async fn check<P, Q, B>(
    ask: &Ask<P, Q, B, TenantId>,
    reseller: Option<ResellerId>,
) -> Result<(), Problem> {
    match reseller {
        Some(id) => one(ask, id).await.map(drop).map_err(|problem| problem.at("/reseller")),
        None => Ok(()),
    }
}

impl From<ResellerError> for Problem {
    fn from(error: ResellerError) -> Problem {
        match error {
            ResellerError::Lost(lost) => lost.into(),
            ResellerError::NoName => Problem::invalid(error.to_string()).at("/name"),
            ResellerError::Phone(_) => Problem::invalid(error.to_string()).at("/phone"),
            ResellerError::Known => Problem::conflict(error.to_string()).at("/name"),
            ResellerError::Reused(reused) => reused.into(),
            ResellerError::Store(error) => error.into(),
        }
    }
}
