//! What renews itself from its customer's wallet: a little before it ends, so that nobody is cut
//! for a moment; and after its end as soon as there is money, for a week.

use crate::app::App;
use crate::operations::asked::{self, Actor, By, Entry, Lost};
use crate::operations::spend_wallet::{NotSpent, renew};
use lango_domain::grant::{EndReason, Grant, State, SuspendReason};
use lango_domain::ids::{GrantId, TenantId};
use lango_domain::time::{Span, Timestamp};
use lango_store::{Error, Tx, renewals};

/// So long before its end it renews itself. Routers count down by themselves and are told in time.
pub const BEFORE_THE_END: Span = Span::minutes(10);
/// For so long after its end it does when money comes; later nobody would expect it any more.
pub const AFTER_THE_END: Span = Span::days(7);
/// What cannot be said when it will be due is looked at so often.
const NOW_AND_THEN: Span = Span::hours(1);
/// How many are looked at before others have their turn.
const BATCH: i64 = 100;

/// Why something cannot renew itself.
#[derive(Debug, thiserror::Error)]
pub enum CannotRenew {
    /// No such grant.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// There is no wallet.
    #[error("it is nobody's, so no wallet can pay for it: assign it to a customer first")]
    Nobodys,
    /// Its price is that of several vouchers.
    #[error("it is a voucher of a bundle, whose price is that of all of them: buy the bundle anew")]
    Bundle,
    /// It is over for good.
    #[error("it was terminated: nothing renews it")]
    Terminated,
    /// The database.
    #[error("changing an automatic renewal")]
    Store(#[from] Error),
}

/// Has a grant renew itself, or no more. Since when it does; none if it does not.
///
/// # Errors
/// See [`CannotRenew`].
pub async fn let_renew_itself(
    app: &App,
    (tenant, id): (TenantId, GrantId),
    on: bool,
    by: &By,
    now: Timestamp,
) -> Result<Option<Timestamp>, CannotRenew> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(stored) = super::act_on_grant::of_tenant(tx, tenant, id).await? else {
                return Ok(Err(Lost::Missing("grant").into()));
            };
            let before = renewals::since(tx, id).await?;
            if before.is_some() == on {
                return Ok(Ok(before));
            }
            if on && stored.grant.customer.is_none() {
                return Ok(Err(CannotRenew::Nobodys));
            }
            if on && is_terminated(&stored.grant) {
                return Ok(Err(CannotRenew::Terminated));
            }
            if on && lango_store::plans::one(tx, stored.grant.plan).await?.sale.is_bundle() {
                return Ok(Err(CannotRenew::Bundle));
            }
            let what = match on {
                true => "renews itself",
                false => "renews itself no more",
            };
            if on {
                renewals::switch_on(tx, tenant, id, now).await?;
            } else {
                renewals::switch_off(tx, id).await?;
            }
            let entry = Entry { grant: Some(id), ..Entry::of(tenant, what, "from the wallet") };
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(on.then_some(now)))
        })
        .await?
}

/// Since when a grant of a tenant renews itself.
///
/// # Errors
/// See [`CannotRenew`].
pub async fn renews_itself(
    app: &App,
    (tenant, id): (TenantId, GrantId),
) -> Result<Option<Timestamp>, CannotRenew> {
    let since = app
        .store()
        .read(async move |tx: &mut Tx<'_>| {
            let Some(_) = super::act_on_grant::of_tenant(tx, tenant, id).await? else {
                return Ok(None);
            };
            renewals::since(tx, id).await.map(Some)
        })
        .await?;
    since.ok_or_else(|| Lost::Missing("grant").into())
}

/// Renews what is due. Returns how many were looked at.
///
/// # Errors
/// A fault of the store. What was renewed before it stays renewed.
pub async fn renew_due(app: &App, now: Timestamp) -> Result<usize, Error> {
    let due =
        app.store().read(async move |tx: &mut Tx<'_>| renewals::due(tx, now, BATCH).await).await?;
    for id in due.iter().copied() {
        let desk = app.clone();
        app.store().write(async move |tx: &mut Tx<'_>| look(tx, &desk, id, now).await).await?;
    }
    Ok(due.len())
}

/// What is to be done about one that renews itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// Nothing yet.
    Later(Timestamp),
    /// It renews itself now, if there is money.
    Now,
    /// It never will any more.
    Never,
}

async fn look(tx: &mut Tx<'_>, app: &App, id: GrantId, now: Timestamp) -> Result<(), Error> {
    let Some(stored) = lango_store::grants::find(tx, id).await? else {
        return renewals::switch_off(tx, id).await;
    };
    let Some(customer) = stored.grant.customer else { return renewals::switch_off(tx, id).await };
    match turn(&stored.grant, now) {
        Turn::Never => return renewals::switch_off(tx, id).await,
        Turn::Later(at) => return renewals::put_off(tx, id, at).await,
        Turn::Now => {}
    }
    let customer = lango_store::customers::one(tx, customer).await?;
    let plan = lango_store::plans::one(tx, stored.grant.plan).await?;
    match renew(tx, app, (stored, &plan), &customer, &Actor::Engine, now).await? {
        Ok((_, after)) => {
            let next = match turn(&after.grant, now) {
                Turn::Later(at) => at,
                Turn::Now | Turn::Never => now + BEFORE_THE_END,
            };
            renewals::put_off(tx, id, next).await
        }
        Err(NotSpent::Free | NotSpent::Bundle) => renewals::switch_off(tx, id).await,
        // Money that comes into the wallet has it looked at again at once.
        Err(_) => renewals::put_off(tx, id, now + NOW_AND_THEN).await,
    }
}

fn turn(grant: &Grant, now: Timestamp) -> Turn {
    match grant.state {
        State::Ended { reason: EndReason::Terminated, .. } => Turn::Never,
        State::Ended { at, .. } if now.since(at) > AFTER_THE_END => Turn::Never,
        State::Ended { .. } | State::Grace { .. } => Turn::Now,
        State::Suspended { why: SuspendReason::Overdue, .. } => Turn::Now,
        State::Active(window) | State::Throttled(window) => match window.ends_at {
            Some(end) if now < end - BEFORE_THE_END => Turn::Later(end - BEFORE_THE_END),
            Some(_) => Turn::Now,
            None => Turn::Later(now + NOW_AND_THEN),
        },
        State::Unused { .. } | State::Paused { .. } | State::Suspended { .. } => {
            Turn::Later(now + NOW_AND_THEN)
        }
    }
}

fn is_terminated(grant: &Grant) -> bool {
    matches!(grant.state, State::Ended { reason: EndReason::Terminated, .. })
}
