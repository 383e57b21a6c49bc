//! What a customer is offered who stands at a router now.

use crate::app::App;
use lango_domain::calendar::CalendarRule;
use lango_domain::hours::Week;
use lango_domain::ids::{PlanId, RouterId, TenantId};
use lango_domain::money::Money;
use lango_domain::plan::AtDataCap;
use lango_domain::quantity::{DataSize, Speed};
use lango_domain::sale::Offered;
use lango_domain::time::{Span, Timestamp};
use lango_store::plans::StoredPlan;
use lango_store::tenants::Tenant;
use lango_store::{Error, Tx};
use std::num::NonZeroU16;

/// A plan as it is put before a customer: facts, which each page says in its own language.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// The plan.
    pub plan: PlanId,
    /// What it is called.
    pub name: String,
    /// What one purchase costs; nothing for a trial.
    pub price: Money,
    /// Ends so long after its start.
    pub time: Option<Span>,
    /// Ends after so much time online.
    pub online: Option<Span>,
    /// Ends by the calendar.
    pub until: Option<CalendarRule>,
    /// Ends after so much data.
    pub data: Option<DataSize>,
    /// At the end of its data it goes on at this speed instead.
    pub throttle: Option<Speed>,
    /// The speed; none is unlimited.
    pub speed: Option<Speed>,
    /// How many devices at a time.
    pub devices: NonZeroU16,
    /// The hours of the week in which it may be used; none is always.
    pub usable: Option<Week>,
    /// How many vouchers one purchase gives: more than one is a bundle.
    pub vouchers: NonZeroU16,
    /// Given away once to each device and phone: see [`crate::operations::trials`].
    pub trial: bool,
    /// Until when it is sold; none if no end of it is known.
    pub sold_until: Option<Timestamp>,
}

/// What is offered on that router now, in the order in which the business wants it: by place, then
/// by price, then by name. Without a router only what is sold on all of them is offered.
///
/// # Errors
/// A fault of the store.
pub async fn plans_for_sale(
    app: &App,
    tenant: TenantId,
    router: Option<RouterId>,
    now: Timestamp,
) -> Result<Vec<Offer>, Error> {
    app.store().read(async move |tx: &mut Tx<'_>| offers(tx, tenant, router, now).await).await
}

/// The same in the caller's transaction.
///
/// # Errors
/// A fault of the store.
pub async fn offers(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    router: Option<RouterId>,
    now: Timestamp,
) -> Result<Vec<Offer>, Error> {
    let seller = lango_store::tenants::one(tx, tenant).await?;
    let mut plans = lango_store::plans::of_tenant(tx, tenant).await?;
    plans.sort_by(|one, other| rank(one).cmp(&rank(other)));
    Ok(plans.iter().filter_map(|stored| offered(&seller, stored, router, now).ok()).collect())
}

/// A plan that is sold there at other hours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Later {
    /// What it is called.
    pub name: String,
    /// What it costs.
    pub price: Money,
    /// From then on.
    pub from: Timestamp,
}

/// What is not offered on that router now and will be, the soonest first.
///
/// # Errors
/// A fault of the store.
pub async fn later(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    router: Option<RouterId>,
    now: Timestamp,
) -> Result<Vec<Later>, Error> {
    let seller = lango_store::tenants::one(tx, tenant).await?;
    let plans = lango_store::plans::of_tenant(tx, tenant).await?;
    let closed = |stored: &StoredPlan| match offered(&seller, stored, router, now) {
        Err(NotOffered::Later { from: Some(from) }) => {
            let (name, price) = (stored.plan.name.clone(), stored.plan.price);
            Some(Later { name, price, from })
        }
        _ => None,
    };
    let mut later: Vec<Later> = plans.iter().filter_map(closed).collect();
    later.sort_by(|one, other| (one.from, &one.name).cmp(&(other.from, &other.name)));
    Ok(later)
}

/// One plan, if it is offered there now; a purchase asks it again, because a page may be old.
///
/// # Errors
/// The outer one is a fault of the store; the inner one says why it is not offered.
pub async fn offer(
    tx: &mut Tx<'_>,
    (tenant, plan): (TenantId, PlanId),
    router: Option<RouterId>,
    now: Timestamp,
) -> Result<Result<Offer, NotOffered>, Error> {
    let Some(stored) = super::change_plan::of_tenant(tx, tenant, plan).await? else {
        return Ok(Err(NotOffered::NotHere));
    };
    let seller = lango_store::tenants::one(tx, tenant).await?;
    Ok(offered(&seller, &stored, router, now))
}

/// Why a plan is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOffered {
    /// No such plan, or retired, or not on this router.
    #[error("this plan is not sold here")]
    NotHere,
    /// Not at this hour.
    #[error("this plan is not sold at this hour")]
    Later {
        /// From then on; none if no such instant can be named.
        from: Option<Timestamp>,
    },
}

fn offered(
    seller: &Tenant,
    stored: &StoredPlan,
    router: Option<RouterId>,
    now: Timestamp,
) -> Result<Offer, NotOffered> {
    if stored.retired_at.is_some() {
        return Err(NotOffered::NotHere);
    }
    let StoredPlan { plan, sale, .. } = stored;
    match sale.offered(&plan.terms, router, &seller.zone, now) {
        Offered::Yes { until } => Ok(as_offer(stored, until)),
        Offered::Later { from } => Err(NotOffered::Later { from }),
        Offered::NotHere => Err(NotOffered::NotHere),
    }
}

fn as_offer(stored: &StoredPlan, sold_until: Option<Timestamp>) -> Offer {
    let StoredPlan { plan, sale, .. } = stored;
    let terms = &plan.terms;
    Offer {
        plan: plan.id,
        name: plan.name.clone(),
        price: plan.price,
        time: terms.clock.wall,
        online: terms.clock.uptime,
        until: terms.clock.calendar.as_ref().map(|calendar| calendar.rule),
        data: terms.clock.data,
        throttle: match terms.at_data_cap {
            AtDataCap::End => None,
            AtDataCap::Throttle(speed) => Some(speed),
        },
        speed: terms.speed,
        devices: terms.devices,
        usable: terms.logins.hours.as_ref().map(|hours| hours.week.clone()),
        vouchers: sale.vouchers,
        trial: sale.trial,
        sold_until,
    }
}

fn rank(stored: &StoredPlan) -> (i32, i64, &str) {
    (stored.sale.place, stored.plan.price.amount, &stored.plan.name)
}
