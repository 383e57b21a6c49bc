//! A plan is put on sale.

use crate::app::App;
use lango_domain::ids::TenantId;
use lango_domain::money::Money;
use lango_domain::plan::{Plan, Terms};
use lango_domain::time::Timestamp;
use lango_store::{Error, Tx};

/// Why a plan could not be added.
#[derive(Debug, thiserror::Error)]
pub enum AddPlanError {
    /// The name is in use.
    #[error("there is a plan `{0}` already: choose another name")]
    Known(String),
    /// Nothing would ever end it.
    #[error("the plan would never end: give it --time, --online, --until or --data")]
    Endless,
    /// The database.
    #[error("adding a plan")]
    Store(#[source] Error),
}

/// Adds a plan.
///
/// # Errors
/// See [`AddPlanError`].
pub async fn add_plan(
    app: &App,
    tenant: TenantId,
    name: &str,
    price: Money,
    terms: Terms,
    now: Timestamp,
) -> Result<Plan, AddPlanError> {
    if terms.clock.is_endless() {
        return Err(AddPlanError::Endless);
    }
    let plan = Plan { id: app.id(now), tenant, name: name.trim().to_owned(), price, terms };
    let row = plan.clone();
    let added = app
        .store()
        .write(async move |tx: &mut Tx<'_>| lango_store::plans::insert(tx, &row, now).await)
        .await;
    match added {
        Ok(_) => Ok(plan),
        Err(Error::Conflict { unique, .. }) if unique.table == "plans" => {
            Err(AddPlanError::Known(plan.name))
        }
        Err(error) => Err(AddPlanError::Store(error)),
    }
}
