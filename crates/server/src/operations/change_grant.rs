//! How any change of a grant is written: the grant, what routers are to hold, the messages that
//! follow and the account of it, all in the caller's transaction.

use crate::app::App;
use crate::messaging::notice::Notice;
pub use crate::operations::asked::Actor;
use lango_domain::access::GrantKind;
use lango_domain::grant::{Applied, Effect, Event, Grant, Refusal, State};
use lango_domain::ids::{GrantId, RouterId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::activity::Activity;
use lango_store::enforcements::Wish;
use lango_store::grants::StoredGrant;
use lango_store::jobs::NewJob;
use lango_store::{Error, Tx};
use std::collections::HashMap;

/// A grant before and after an event.
#[derive(Debug)]
pub struct Change {
    /// As it was read.
    pub before: Grant,
    /// As it is to be written; everything but the grant itself as read.
    pub after: StoredGrant,
    /// What follows.
    pub effects: Vec<Effect>,
}

impl Change {
    /// Lets the domain decide what an event does to a grant.
    ///
    /// # Errors
    /// The domain refuses the event.
    pub fn of(stored: StoredGrant, event: Event, now: Timestamp) -> Result<Change, Refusal> {
        let before = stored.grant.clone();
        let Applied { grant, effects } = stored.grant.clone().apply(event, now)?;
        Ok(Change { before, after: StoredGrant { grant, ..stored }, effects })
    }

    /// The same, and then another event.
    ///
    /// # Errors
    /// The domain refuses that event.
    pub fn then(self, event: Event, now: Timestamp) -> Result<Change, Refusal> {
        let Change { before, after, mut effects } = self;
        let applied = after.grant.apply(event, now)?;
        effects.extend(applied.effects);
        Ok(Change { before, after: StoredGrant { grant: applied.grant, ..after }, effects })
    }

    /// Whether anything at all is to be written.
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty() && self.before == self.after.grant
    }
}

/// Applies an event that a person or a payment caused, to one grant.
///
/// # Errors
/// The outer error is a fault; the inner one the domain's refusal.
pub async fn change_grant(
    app: &App,
    id: GrantId,
    event: Event,
    actor: Actor,
    now: Timestamp,
) -> Result<Result<StoredGrant, Refusal>, Error> {
    let desk = app.clone();
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let stored = lango_store::grants::one(tx, id).await?;
            let change = match Change::of(stored, event.clone(), now) {
                Ok(change) => change,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let after = change.after.clone();
            write(tx, &desk, vec![change], &actor, now).await?;
            Ok(Ok(after))
        })
        .await
}

/// Ends a grant for good, in the caller's transaction; one that is over already stays as it is.
pub(crate) async fn end(
    tx: &mut Tx<'_>,
    app: &App,
    stored: StoredGrant,
    actor: &Actor,
    now: Timestamp,
) -> Result<(), Error> {
    match Change::of(stored, Event::Terminate, now) {
        Ok(change) => write(tx, app, vec![change], actor, now).await,
        Err(_) => Ok(()),
    }
}

/// Writes changes and everything that follows from them.
///
/// # Errors
/// A fault of the store; nothing of it is written then.
pub async fn write(
    tx: &mut Tx<'_>,
    app: &App,
    mut changes: Vec<Change>,
    actor: &Actor,
    now: Timestamp,
) -> Result<(), Error> {
    changes.retain(|change| !change.is_empty());
    if changes.is_empty() {
        return Ok(());
    }
    keep_changed_terms(tx, app, &mut changes, now).await?;
    let grants: Vec<StoredGrant> = changes.iter().map(|change| change.after.clone()).collect();
    lango_store::grants::save(tx, &grants).await?;
    lango_store::batches::sell(tx, &first_used(&changes), now).await?;
    lango_store::renewals::look_again(tx, &just_over(&changes), now).await?;
    let wishes = wishes(tx, &changes, now).await?;
    lango_store::enforcements::want(tx, &wishes, now).await?;
    let jobs: Vec<NewJob> = changes.iter().flat_map(|change| notices(app, change, now)).collect();
    lango_store::jobs::push(tx, &jobs).await?;
    let lines: Vec<Activity> =
        changes.iter().flat_map(|change| account(app, change, actor, now)).collect();
    lango_store::activity::append(tx, &lines).await
}

/// What is over: if it renews itself, that is now.
fn just_over(changes: &[Change]) -> Vec<GrantId> {
    let is_over = |effect: &Effect| matches!(effect, Effect::Ended(_) | Effect::GraceBegan { .. });
    let over = changes.iter().filter(|change| change.effects.iter().any(is_over));
    over.map(|change| change.after.grant.id).collect()
}

/// Vouchers that somebody uses for the first time: he has bought them from whoever had them.
fn first_used(changes: &[Change]) -> Vec<GrantId> {
    let is_first_use = |change: &&Change| {
        change.after.grant.kind == GrantKind::Voucher
            && matches!(change.before.state, State::Unused { .. })
            && change.effects.iter().any(|effect| matches!(effect, Effect::Started { .. }))
    };
    changes.iter().filter(is_first_use).map(|change| change.after.grant.id).collect()
}

async fn keep_changed_terms(
    tx: &mut Tx<'_>,
    app: &App,
    changes: &mut [Change],
    now: Timestamp,
) -> Result<(), Error> {
    for change in
        changes.iter_mut().filter(|change| change.before.terms != change.after.grant.terms)
    {
        let fresh = lango_domain::ids::Id::raw(app.id::<GrantId>(now));
        let grant = &change.after.grant;
        change.after.terms_id =
            lango_store::plans::keep_terms(tx, grant.tenant, &grant.terms, fresh).await?;
    }
    Ok(())
}

async fn wishes(tx: &mut Tx<'_>, changes: &[Change], now: Timestamp) -> Result<Vec<Wish>, Error> {
    let mut routers_of: HashMap<TenantId, Vec<RouterId>> = HashMap::new();
    let mut wishes = Vec::new();
    for Change { before, after, .. } in changes {
        let wanted = after.grant.wanted();
        if before.wanted() == wanted {
            continue;
        }
        let tenant = after.grant.tenant;
        let due_at = due_at(&after.grant, now);
        let wish = |router| Wish { router, grant: after.grant.id, tenant, wanted, due_at };
        match (after.router, routers_of.get(&tenant)) {
            (Some(router), _) => wishes.push(wish(router)),
            (None, Some(routers)) => wishes.extend(routers.iter().copied().map(wish)),
            (None, None) => {
                let routers = lango_store::routers::ids_of_tenant(tx, tenant).await?;
                wishes.extend(routers.iter().copied().map(wish));
                routers_of.insert(tenant, routers);
            }
        }
    }
    Ok(wishes)
}

/// The instant from which lateness counts: for an end the deadline itself, not our noticing it.
pub(crate) fn due_at(grant: &Grant, now: Timestamp) -> Timestamp {
    match grant.state {
        State::Ended { at, .. } => at.min(now),
        _ => now,
    }
}

fn notices(app: &App, change: &Change, now: Timestamp) -> Vec<NewJob> {
    let grant = &change.after.grant;
    // Without a customer there is nobody to tell: an unsold voucher.
    let Some(customer) = grant.customer else { return Vec::new() };
    change
        .effects
        .iter()
        .filter_map(|effect| Notice::of(*effect, grant))
        .chain(Notice::of_use(&change.before, grant))
        .map(|notice| NewJob {
            id: app.id(now),
            tenant: grant.tenant,
            grant: Some(grant.id),
            kind: crate::messaging::JOB,
            once_key: notice.once_key(grant.id),
            payload: notice.payload(customer, &change.after.label),
            run_at: now,
        })
        .collect()
}

fn account(app: &App, change: &Change, actor: &Actor, now: Timestamp) -> Vec<Activity> {
    let grant = &change.after.grant;
    change
        .effects
        .iter()
        .map(|effect| {
            let (what, detail) = describe(effect);
            Activity {
                id: app.id(now),
                tenant: grant.tenant,
                at: now,
                actor: actor.word(),
                grant: Some(grant.id),
                router: None,
                what: what.to_owned(),
                detail,
            }
        })
        .collect()
}

fn describe(effect: &Effect) -> (&'static str, String) {
    let until = |at: &Option<Timestamp>| match at {
        Some(at) => format!("ends at {at}"),
        None => "no end in time".to_owned(),
    };
    match effect {
        Effect::Started { ends_at } => ("started", until(ends_at)),
        Effect::Renewed { ends_at } => ("renewed", until(ends_at)),
        Effect::Warn { ends_at } => ("warned", format!("of the end at {ends_at}")),
        Effect::GraceBegan { until } => ("grace began", format!("until {until}")),
        Effect::Throttled => ("throttled", "the data is used up".to_owned()),
        Effect::Unthrottled => ("unthrottled", "full speed again".to_owned()),
        Effect::Paused => ("paused", "the clock stands still".to_owned()),
        Effect::Resumed => ("resumed", "access is open again".to_owned()),
        Effect::Suspended(why) => ("suspended", format!("{why:?}").to_lowercase()),
        Effect::Ended(reason) => ("ended", reason.word().to_owned()),
        Effect::Locked => ("locked", "to the device of its first login".to_owned()),
        Effect::Unlocked => ("unlocked", "the next device to log in is the one".to_owned()),
        Effect::Measure => ("measured", "the time online should be used up".to_owned()),
    }
}
