//! Vouchers: codes to print or to sell.

use crate::operations::issue_vouchers::{IssueError, VoucherOrder, issue_batch};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::grants::{self, GrantsQuery};
use crate::web::api::problem::Problem;
use crate::web::api::words::Whole;
use crate::web::api::{check_customer, check_router};
use lango_domain::access::GrantKind;
use lango_domain::ids::{BatchId, CustomerId, GrantId, PlanId, ResellerId, RouterId};
use lango_domain::role::Permission;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Vouchers to be made.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewVouchers")]
struct Order {
    plan: PlanId,
    count: Whole<1, 1000>,
    /// Who has bought them
    customer: Option<CustomerId>,
    /// The only router they are good for; null is all of them
    router: Option<RouterId>,
    /// Who is given them to sell
    reseller: Option<ResellerId>,
}

/// Vouchers that were made.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "IssuedVouchers")]
struct Issued {
    /// The batch that they are; null for what is sold already
    batch: Option<BatchId>,
    vouchers: Vec<Voucher>,
}

impl Shown for Issued {}

/// A voucher with its code, which no other answer has.
#[derive(Serialize, JsonSchema, Debug)]
struct Voucher {
    id: GrantId,
    code: String,
}

const TAG: &str = "vouchers";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/vouchers", "list_vouchers").about(TAG, "Vouchers");
    doors.open_list(list, async |ask: Ask<(), GrantsQuery>| {
        grants::page(&ask, &[GrantKind::Voucher]).await.map(Reply::ok)
    });
    let show = Sign::get("/api/v1/vouchers/{voucher}", "show_voucher").about(TAG, "One voucher");
    doors.open(show, async |ask: Ask<GrantId>| {
        let found = grants::listed(&ask, ask.path).await?;
        if found.stored.grant.kind != GrantKind::Voucher {
            return Err(Problem::missing("voucher"));
        }
        let version = found.stored.version;
        Ok(Reply::ok(grants::Grant::from(found)).version(version))
    });
    let make = Sign::make("/api/v1/vouchers", "make_vouchers")
        .about(TAG, "Make vouchers; only this answer has their codes")
        .needs(Permission::Sell);
    doors.open(make, async |ask: Ask<(), NoQuery, Json<Order>>| {
        let Order { plan, count, customer, router, reseller } = ask.body.0;
        let plan = super::plans::one(&ask, plan).await.map_err(|problem| problem.at("/plan"))?;
        check_customer(&ask, customer).await?;
        check_router(&ask, router).await?;
        super::resellers::check(&ask, reseller).await?;
        let order = VoucherOrder {
            tenant: ask.tenant(),
            plan: plan.plan.name,
            count: count.0 as usize,
            customer,
            router,
        };
        let (by, now) = (ask.by(), ask.now());
        let issued = issue_batch(&ask.here.app, order, reseller, by, now, |_| {}).await?;
        let batch = issued.batch;
        let vouchers = issued
            .vouchers
            .into_iter()
            .map(|voucher| Voucher { id: voucher.id, code: voucher.code });
        Ok(Reply::ok(Issued { batch, vouchers: vouchers.collect() }))
    });
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Problem {
        match error {
            IssueError::NoPlan(_) => Problem::invalid("that plan is not sold any more").at("/plan"),
            IssueError::NoReseller | IssueError::SoldTwice => {
                Problem::invalid(error.to_string()).at("/reseller")
            }
            IssueError::Bundle(_) => Problem::invalid(error.to_string()).at("/plan"),
            IssueError::Voided(..) => Problem::conflict(error.to_string()),
            IssueError::TooMany => Problem::invalid(error.to_string()).at("/count"),
            IssueError::Reused(reused) => reused.into(),
            IssueError::Store(error) => error.into(),
        }
    }
}
