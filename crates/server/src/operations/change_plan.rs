//! A plan changes, is taken off sale or put on sale again. What was sold keeps what it had.

use crate::app::App;
use crate::operations::add_plan::{SaleError, check_sale};
use crate::operations::asked::{self, By, Entry, Lost};
use lango_domain::ids::{GrantId, Id, PlanId, TenantId};
use lango_domain::money::Money;
use lango_domain::plan::Terms;
use lango_domain::sale::Sale;
use lango_domain::time::Timestamp;
use lango_store::plans::StoredPlan;
use lango_store::{Error, Tx};

/// What is to be different; what is none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanChange {
    /// What it is called.
    pub name: Option<String>,
    /// What one purchase costs.
    pub price: Option<Money>,
    /// What one purchase gives, from the next one on.
    pub terms: Option<Terms>,
    /// Whether it is sold.
    pub on_sale: Option<bool>,
    /// How it is put before customers.
    pub sale: Option<Sale>,
}

/// Why a plan could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePlanError {
    /// No such plan, or not as it was read.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// It must be called something.
    #[error("a plan needs a name")]
    NoName,
    /// Nothing would ever end it.
    #[error("the plan would never end: limit its time, its time online, its date or its data")]
    Endless,
    /// How it is offered makes no sense.
    #[error(transparent)]
    Sale(#[from] SaleError),
    /// The name is in use.
    #[error("there is a plan of that name already: choose another name")]
    Known,
    /// The database.
    #[error("changing a plan")]
    Store(#[from] Error),
}

/// Changes a plan.
///
/// # Errors
/// See [`ChangePlanError`].
pub async fn change_plan(
    app: &App,
    (tenant, id): (TenantId, PlanId),
    change: PlanChange,
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<StoredPlan, ChangePlanError> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(before) = of_tenant(tx, tenant, id).await? else {
                return Ok(Err(Lost::Missing("plan").into()));
            };
            if !asked::is_expected(before.version, expected) {
                return Ok(Err(Lost::Stale("plan").into()));
            }
            let mut after = match changed(before, &change, now) {
                Ok(after) => after,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let namesake = lango_store::plans::by_name(tx, tenant, &after.plan.name).await?;
            if namesake.is_some_and(|other| other.plan.id != id) {
                return Ok(Err(ChangePlanError::Known));
            }
            // A router that was removed since is no fault of this change.
            if change.sale.is_some() || change.price.is_some() {
                let sale = match change.sale {
                    Some(_) => after.sale.clone(),
                    None => Sale { routers: Vec::new(), ..after.sale.clone() },
                };
                if let Err(refusal) = check_sale(tx, &after.plan, &sale).await? {
                    return Ok(Err(refusal.into()));
                }
            }
            let fresh = desk.id::<GrantId>(now).raw();
            let terms = &after.plan.terms;
            after.terms_id = lango_store::plans::keep_terms(tx, tenant, terms, fresh).await?;
            lango_store::plans::change(tx, &after).await?;
            let entry = Entry::of(tenant, "plan changed", id.to_string());
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(StoredPlan { version: after.version + 1, ..after }))
        })
        .await?
}

fn changed(
    before: StoredPlan,
    change: &PlanChange,
    now: Timestamp,
) -> Result<StoredPlan, ChangePlanError> {
    let mut after = before;
    if let Some(name) = &change.name {
        name.trim().clone_into(&mut after.plan.name);
    }
    if after.plan.name.is_empty() {
        return Err(ChangePlanError::NoName);
    }
    if let Some(price) = change.price {
        after.plan.price = price;
    }
    if let Some(terms) = &change.terms {
        after.plan.terms = terms.clone();
    }
    if after.plan.terms.clock.is_endless() {
        return Err(ChangePlanError::Endless);
    }
    if let Some(sale) = &change.sale {
        after.sale = sale.clone();
    }
    after.retired_at = match change.on_sale {
        Some(true) => None,
        Some(false) => after.retired_at.or(Some(now)),
        None => after.retired_at,
    };
    Ok(after)
}

/// The plan, if it is this tenant's.
pub(crate) async fn of_tenant(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: PlanId,
) -> Result<Option<StoredPlan>, Error> {
    let found = lango_store::plans::find(tx, id).await?;
    Ok(found.filter(|stored| stored.plan.tenant == tenant))
}
