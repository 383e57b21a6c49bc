//! What was bought is added to an access that somebody has, or is an access of its own: by one rule,
//! whoever pays and by whichever way.

use crate::app::App;
use crate::operations::change_grant::{self, Actor, Change};
use lango_domain::grant::{EndReason, Event, Grant, Refusal, State};
use lango_domain::ids::{GrantId, PlanId, RouterId, TenantId};
use lango_domain::plan::Plan;
use lango_domain::time::Timestamp;
use lango_store::grants::StoredGrant;
use lango_store::plans::StoredPlan;
use lango_store::{Error, Tx};

/// Whether a purchase of that plan is added to that access. While it lasts, only the same plan or
/// more of the same is: anything else would take from what is left, or give more than was paid for.
/// What is over begins anew by any plan. A bundle is what it says: so many vouchers.
pub(crate) fn takes(held: &Grant, plan: &StoredPlan) -> bool {
    let is_closed = matches!(held.state, State::Ended { reason: EndReason::Terminated, .. });
    let is_over = matches!(held.state, State::Ended { .. } | State::Grace { .. });
    let begins_anew = is_over || held.waits_for_money();
    let is_more = held.plan == plan.plan.id || plan.plan.terms.is_more_of(&held.terms);
    !is_closed && !plan.sale.is_bundle() && (begins_anew || is_more)
}

/// The access that is held, if a purchase of that plan by somebody at that router is added to it.
///
/// # Errors
/// A fault of the store.
pub async fn added_to(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    (held, router): (GrantId, RouterId),
    plan: PlanId,
) -> Result<Option<GrantId>, Error> {
    let stored = super::act_on_grant::of_tenant(tx, tenant, held).await?;
    let plan = super::change_plan::of_tenant(tx, tenant, plan).await?;
    let Some((stored, plan)) = stored.zip(plan) else { return Ok(None) };
    let is_good_here = stored.router.is_none_or(|only| only == router);
    Ok((is_good_here && takes(&stored.grant, &plan)).then_some(held))
}

/// A period that is paid and about to be added.
#[derive(Debug)]
pub(crate) struct Addition {
    change: Change,
    plan: PlanId,
}

impl Addition {
    /// Lets the domain decide; nothing is written yet.
    ///
    /// # Errors
    /// The access takes no money.
    pub(crate) fn of(stored: StoredGrant, plan: &Plan, now: Timestamp) -> Result<Self, Refusal> {
        let change = Change::of(stored, Event::Paid(plan.terms.clone()), now)?;
        Ok(Addition { change, plan: plan.id })
    }

    /// Writes it. What was bought last is what the access is sold as from now on.
    ///
    /// # Errors
    /// A fault of the store.
    pub(crate) async fn write(
        self,
        tx: &mut Tx<'_>,
        app: &App,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<StoredGrant, Error> {
        let Addition { change, plan } = self;
        let after = change.after.clone();
        change_grant::write(tx, app, vec![change], actor, now).await?;
        if after.grant.plan == plan {
            return Ok(after);
        }
        let grant = Grant { plan, ..after.grant };
        let after = StoredGrant { grant, version: after.version + 1, ..after };
        lango_store::grants::move_to(tx, &after).await?;
        Ok(after)
    }
}
