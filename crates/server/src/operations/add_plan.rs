//! A plan is put on sale.

use crate::app::App;
use crate::operations::asked::{self, By, Entry, KeyReused, Lost};
use lango_domain::ids::{PlanId, RouterId, TenantId};
use lango_domain::money::Money;
use lango_domain::plan::{Plan, Terms};
use lango_domain::sale::Sale;
use lango_domain::time::Timestamp;
use lango_store::plans::StoredPlan;
use lango_store::{Error, Tx};

/// A plan to be put on sale.
#[derive(Clone, Debug)]
pub struct NewPlan {
    /// Whose.
    pub tenant: TenantId,
    /// What it is called.
    pub name: String,
    /// What one purchase costs.
    pub price: Money,
    /// What one purchase gives.
    pub terms: Terms,
}

/// Why a plan could not be added.
#[derive(Debug, thiserror::Error)]
pub enum AddPlanError {
    /// The name is in use.
    #[error("there is a plan `{0}` already: choose another name")]
    Known(String),
    /// Nothing would ever end it.
    #[error("the plan would never end: give it --time, --online, --until or --data")]
    Endless,
    /// It must be called something.
    #[error("the plan needs a name")]
    NoName,
    /// How it is offered makes no sense.
    #[error(transparent)]
    Sale(#[from] SaleError),
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// What an earlier request with this key made is gone.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The database.
    #[error("adding a plan")]
    Store(#[from] Error),
}

/// Why a plan cannot be offered so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaleError {
    /// A trial is free.
    #[error("a free trial costs nothing: make its price 0")]
    TrialHasPrice,
    /// A trial is for one.
    #[error("a free trial is for one device: it cannot be a bundle")]
    TrialIsBundle,
    /// A router of nobody's, or of another business.
    #[error("there is no router {0} to sell it on: see `lango router list`")]
    NoRouter(RouterId),
}

/// Whether a plan can be offered so.
///
/// # Errors
/// The outer one is a fault of the store; the inner one says why not.
pub(crate) async fn check_sale(
    tx: &mut Tx<'_>,
    plan: &Plan,
    sale: &Sale,
) -> Result<Result<(), SaleError>, Error> {
    if sale.trial && plan.price.amount != 0 {
        return Ok(Err(SaleError::TrialHasPrice));
    }
    if sale.trial && sale.is_bundle() {
        return Ok(Err(SaleError::TrialIsBundle));
    }
    let ours = match sale.routers.is_empty() {
        true => Vec::new(),
        false => lango_store::routers::ids_of_tenant(tx, plan.tenant).await?,
    };
    let foreign = sale.routers.iter().find(|router| !ours.contains(router));
    Ok(foreign.map_or(Ok(()), |router| Err(SaleError::NoRouter(*router))))
}

/// Adds a plan that is offered in the usual way.
///
/// # Errors
/// See [`AddPlanError`].
pub async fn add_plan(
    app: &App,
    new: NewPlan,
    by: &By,
    now: Timestamp,
) -> Result<StoredPlan, AddPlanError> {
    add_plan_for_sale(app, new, Sale::default(), by, now).await
}

/// Adds a plan and says how it is offered.
///
/// # Errors
/// See [`AddPlanError`].
pub async fn add_plan_for_sale(
    app: &App,
    new: NewPlan,
    sale: Sale,
    by: &By,
    now: Timestamp,
) -> Result<StoredPlan, AddPlanError> {
    if new.terms.clock.is_endless() {
        return Err(AddPlanError::Endless);
    }
    if new.name.trim().is_empty() {
        return Err(AddPlanError::NoName);
    }
    let NewPlan { tenant, name, price, terms } = new;
    let plan = Plan { id: app.id(now), tenant, name: name.trim().to_owned(), price, terms };
    let (desk, by, name) = (app.clone(), by.clone(), plan.name.clone());
    let added = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let id = match asked::made_before::<PlanId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => made.first().copied(),
                Ok(None) => {
                    if let Err(refusal) = check_sale(tx, &plan, &sale).await? {
                        return Ok(Err(refusal.into()));
                    }
                    lango_store::plans::insert(tx, &plan, &sale, now).await?;
                    asked::keep_made(tx, &by, &[plan.id], now).await?;
                    let entry = Entry::of(tenant, "plan added", plan.name.clone());
                    asked::account(tx, &desk, &by.actor, entry, now).await?;
                    Some(plan.id)
                }
            };
            let found = match id {
                Some(id) => lango_store::plans::find(tx, id).await?,
                None => None,
            };
            Ok(found.ok_or(Lost::Missing("plan").into()))
        })
        .await;
    match added {
        Err(Error::Conflict { unique, .. }) if unique.table == "plans" => {
            Err(AddPlanError::Known(name))
        }
        Err(error) => Err(error.into()),
        Ok(outcome) => outcome,
    }
}
