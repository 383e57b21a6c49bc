//! What staff do to one grant: hold it, let it go on, give it time, end it, move it, have its
//! routers tried again.

use crate::app::App;
use crate::operations::asked::{self, By, Entry, Lost};
use crate::operations::change_grant::{self, Change};
use lango_domain::grant::{Event, Grant, Refusal, State, SuspendReason};
use lango_domain::ids::{CustomerId, GrantId, PlanId, RouterId, TenantId};
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::Wanted;
use lango_store::enforcements::Wish;
use lango_store::grants::StoredGrant;
use lango_store::{Error, Tx};

/// What staff can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Action {
    /// Bars access; the clock runs on.
    Suspend,
    /// Off now and until somebody resumes it; what is off already stays as it is.
    Disconnect,
    /// Ends a suspension or a pause.
    Resume,
    /// The clock stands still.
    Pause,
    /// Gives time.
    Extend {
        /// How much.
        time: Span,
    },
    /// Ends it for good.
    End,
    /// Makes it good on one router only, or on all.
    Move {
        /// The router; none is all.
        router: Option<RouterId>,
    },
    /// Sells it as another plan, from the next payment on.
    Replan {
        /// The plan.
        plan: PlanId,
    },
    /// Gives it to a customer, or to nobody.
    Assign {
        /// The customer.
        customer: Option<CustomerId>,
    },
    /// Frees it from the one device that may use it; the next to log in is the one.
    Unlock,
    /// Has its routers tried at once that failed and wait for a later try.
    Retry,
}

/// Why an action was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undone {
    /// No such grant, or not as it was read, or no such router, plan or customer.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// Its life does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody is connected with it, so there is nobody to disconnect.
    #[error("it has not been used yet, so nobody is connected with it")]
    NotUsed,
    /// A plan that is not sold any more.
    #[error("that plan is not sold any more")]
    NotOnSale,
}

/// Does an action to one grant of a tenant.
///
/// # Errors
/// The outer error is a fault; the inner one says why it was not done.
pub async fn act_on_grant(
    app: &App,
    (tenant, id): (TenantId, GrantId),
    action: Action,
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<Result<StoredGrant, Undone>, Error> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(stored) = of_tenant(tx, tenant, id).await? else {
                return Ok(Err(Lost::Missing("grant").into()));
            };
            if !asked::is_expected(stored.version, expected) {
                return Ok(Err(Lost::Stale("grant").into()));
            }
            act(tx, &desk, stored, action, &by, now).await
        })
        .await
}

/// Does several actions to one grant of a tenant, all or none of them.
///
/// # Errors
/// As [`act_on_grant`], for the first that was not done.
pub async fn act_in_turn(
    app: &App,
    (tenant, id): (TenantId, GrantId),
    actions: Vec<Action>,
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<Result<StoredGrant, Undone>, Error> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(mut stored) = of_tenant(tx, tenant, id).await? else {
                return Ok(Err(Lost::Missing("grant").into()));
            };
            if !asked::is_expected(stored.version, expected) {
                return Ok(Err(Lost::Stale("grant").into()));
            }
            for action in actions.iter().copied() {
                stored = match act(tx, &desk, stored, action, &by, now).await? {
                    Ok(stored) => stored,
                    Err(undone) => return Ok(Err(undone)),
                };
            }
            Ok(Ok(stored))
        })
        .await
}

/// Does an action in the caller's transaction.
///
/// # Errors
/// The outer error is a fault; the inner one says why it was not done.
pub(crate) async fn act(
    tx: &mut Tx<'_>,
    app: &App,
    stored: StoredGrant,
    action: Action,
    by: &By,
    now: Timestamp,
) -> Result<Result<StoredGrant, Undone>, Error> {
    let event = match action {
        Action::Suspend => Event::Suspend(SuspendReason::Staff),
        Action::Disconnect => match stored.grant.state {
            State::Ended { .. } | State::Paused { .. } => return Ok(Ok(stored)),
            State::Unused { .. } => return Ok(Err(Undone::NotUsed)),
            _ => Event::Suspend(SuspendReason::Staff),
        },
        Action::Resume => Event::Resume,
        Action::Pause => Event::Pause,
        Action::Extend { time } => Event::Extend(time),
        Action::End => Event::Terminate,
        Action::Unlock => Event::Unlock,
        Action::Move { router } => return move_to(tx, app, stored, router, by, now).await,
        Action::Replan { plan } => return replan(tx, app, stored, plan, by, now).await,
        Action::Assign { customer } => return assign(tx, app, stored, customer, by, now).await,
        Action::Retry => return retry(tx, stored, now).await,
    };
    let change = match Change::of(stored, event, now) {
        Ok(change) => change,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let mut after = change.after.clone();
    after.version += i64::from(!change.is_empty());
    change_grant::write(tx, app, vec![change], &by.actor, now).await?;
    Ok(Ok(after))
}

/// What a router is no longer to hold is cut there; what another is to hold is wished there.
async fn move_to(
    tx: &mut Tx<'_>,
    app: &App,
    stored: StoredGrant,
    router: Option<RouterId>,
    by: &By,
    now: Timestamp,
) -> Result<Result<StoredGrant, Undone>, Error> {
    let tenant = stored.grant.tenant;
    let all = lango_store::routers::ids_of_tenant(tx, tenant).await?;
    let good_on = match router {
        Some(router) if !all.contains(&router) => return Ok(Err(Lost::Missing("router").into())),
        Some(router) => vec![router],
        None => all.clone(),
    };
    let after = StoredGrant { router, ..stored };
    lango_store::grants::move_to(tx, &after).await?;
    let held = lango_store::enforcements::routers_of(tx, after.grant.id).await?;
    let left = held.into_iter().filter(|held| all.contains(held) && !good_on.contains(held));
    let wishes: Vec<Wish> = left
        .map(|router| wish(&after.grant, router, Wanted::Cut, now))
        .chain(good_on.iter().map(|on| wish(&after.grant, *on, after.grant.wanted(), now)))
        .collect();
    lango_store::enforcements::want(tx, &wishes, now).await?;
    let detail = router.map_or("good on all routers".to_owned(), |id| format!("to router {id}"));
    noted(tx, app, after, "moved", detail, by, now).await
}

fn wish(grant: &Grant, router: RouterId, wanted: Wanted, now: Timestamp) -> Wish {
    Wish { router, grant: grant.id, tenant: grant.tenant, wanted, due_at: now }
}

async fn replan(
    tx: &mut Tx<'_>,
    app: &App,
    stored: StoredGrant,
    plan: PlanId,
    by: &By,
    now: Timestamp,
) -> Result<Result<StoredGrant, Undone>, Error> {
    let tenant = stored.grant.tenant;
    match super::change_plan::of_tenant(tx, tenant, plan).await? {
        None => return Ok(Err(Lost::Missing("plan").into())),
        Some(plan) if plan.retired_at.is_some() => return Ok(Err(Undone::NotOnSale)),
        Some(_) => {}
    }
    let after = StoredGrant { grant: Grant { plan, ..stored.grant }, ..stored };
    lango_store::grants::move_to(tx, &after).await?;
    let detail = format!("plan {plan} from the next payment on");
    noted(tx, app, after, "replanned", detail, by, now).await
}

async fn assign(
    tx: &mut Tx<'_>,
    app: &App,
    stored: StoredGrant,
    customer: Option<CustomerId>,
    by: &By,
    now: Timestamp,
) -> Result<Result<StoredGrant, Undone>, Error> {
    if let Some(id) = customer
        && super::change_customer::of_tenant(tx, stored.grant.tenant, id).await?.is_none()
    {
        return Ok(Err(Lost::Missing("customer").into()));
    }
    let after = StoredGrant { grant: Grant { customer, ..stored.grant }, ..stored };
    lango_store::grants::move_to(tx, &after).await?;
    let detail = customer.map_or("to nobody".to_owned(), |id| format!("to customer {id}"));
    noted(tx, app, after, "assigned", detail, by, now).await
}

async fn noted(
    tx: &mut Tx<'_>,
    app: &App,
    after: StoredGrant,
    what: &str,
    detail: String,
    by: &By,
    now: Timestamp,
) -> Result<Result<StoredGrant, Undone>, Error> {
    let entry =
        Entry { grant: Some(after.grant.id), ..Entry::of(after.grant.tenant, what, detail) };
    asked::account(tx, app, &by.actor, entry, now).await?;
    Ok(Ok(StoredGrant { version: after.version + 1, ..after }))
}

async fn retry(
    tx: &mut Tx<'_>,
    stored: StoredGrant,
    now: Timestamp,
) -> Result<Result<StoredGrant, Undone>, Error> {
    let id = stored.grant.id;
    for router in lango_store::enforcements::routers_of(tx, id).await? {
        lango_store::enforcements::hurry(tx, router, id, now).await?;
    }
    Ok(Ok(stored))
}

/// The grant, if it is this tenant's.
pub(crate) async fn of_tenant(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: GrantId,
) -> Result<Option<StoredGrant>, Error> {
    let found = lango_store::grants::find(tx, id).await?;
    Ok(found.filter(|stored| stored.grant.tenant == tenant))
}
