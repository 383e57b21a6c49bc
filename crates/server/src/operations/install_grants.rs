//! New grants come into being: the row, its place on every router, its first line of account.
//! And a new router learns of the grants that were there before it.

use crate::app::App;
use crate::operations::asked::Actor;
use lango_domain::access::{Access, GrantKind};
use lango_domain::grant::{Birth, Grant, Standing};
use lango_domain::ids::{CustomerId, GrantId, Id, RouterId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::activity::Activity;
use lango_store::enforcements::Wish;
use lango_store::grants::{NewGrant, StoredGrant};
use lango_store::plans::StoredPlan;
use lango_store::{Error, Tx};

/// A grant to be made.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// What the customer presents.
    pub access: Access,
    /// What it is called in the shop.
    pub kind: GrantKind,
    /// Who has it.
    pub customer: Option<CustomerId>,
    /// The only router it is good for; none is all of the tenant's.
    pub router: Option<RouterId>,
    /// Whether money for it has arrived.
    pub standing: Standing,
}

/// Makes grants of a plan, in the caller's transaction.
///
/// # Errors
/// [`Error::Conflict`] on `grants(login_hash, tenant_id)` if a login is taken.
pub async fn install(
    tx: &mut Tx<'_>,
    app: &App,
    plan: &StoredPlan,
    newcomers: &[Newcomer],
    actor: &Actor,
    now: Timestamp,
) -> Result<Vec<StoredGrant>, Error> {
    let grants: Vec<NewGrant> =
        newcomers.iter().map(|newcomer| bear(app, plan, newcomer, now)).collect();
    lango_store::grants::insert(tx, &grants, now).await?;
    let stored: Vec<StoredGrant> = grants.into_iter().map(|grant| grant.stored).collect();
    let routers = lango_store::routers::ids_of_tenant(tx, plan.plan.tenant).await?;
    let wishes: Vec<Wish> = stored.iter().flat_map(|stored| on(stored, &routers, now)).collect();
    lango_store::enforcements::want(tx, &wishes, now).await?;
    let lines: Vec<Activity> =
        stored.iter().map(|stored| birth_line(app, plan, stored, actor, now)).collect();
    lango_store::activity::append(tx, &lines).await?;
    Ok(stored)
}

fn bear(app: &App, plan: &StoredPlan, newcomer: &Newcomer, now: Timestamp) -> NewGrant {
    let id = app.id(now);
    let birth = Birth {
        id,
        tenant: plan.plan.tenant,
        plan: plan.plan.id,
        customer: newcomer.customer,
        kind: newcomer.kind,
        terms: plan.plan.terms.clone(),
        standing: newcomer.standing,
    };
    let stored = StoredGrant {
        grant: Grant::new(birth, now),
        terms_id: plan.terms_id,
        label: label(newcomer.kind, &newcomer.access),
        router: newcomer.router,
        version: 1,
    };
    NewGrant {
        stored,
        login_hash: app.login_hash(&newcomer.access),
        access: app.seal_access(id, &newcomer.access),
    }
}

/// What staff may see: names and addresses as they are, of a code its last two signs.
fn label(kind: GrantKind, access: &Access) -> String {
    let login = access.login();
    match kind {
        GrantKind::Voucher => {
            let shown = login.char_indices().rev().nth(1).map_or(0, |(at, _)| at);
            format!("…{}", &login[shown..])
        }
        _ => login,
    }
}

fn on(stored: &StoredGrant, routers: &[RouterId], now: Timestamp) -> Vec<Wish> {
    let grant = &stored.grant;
    let wish = |router| Wish {
        router,
        grant: grant.id,
        tenant: grant.tenant,
        wanted: grant.wanted(),
        due_at: now,
    };
    match stored.router {
        Some(router) => vec![wish(router)],
        None => routers.iter().copied().map(wish).collect(),
    }
}

fn birth_line(
    app: &App,
    plan: &StoredPlan,
    stored: &StoredGrant,
    actor: &Actor,
    now: Timestamp,
) -> Activity {
    Activity {
        id: app.id(now),
        tenant: stored.grant.tenant,
        at: now,
        actor: actor.word(),
        grant: Some(stored.grant.id),
        router: None,
        what: "created".to_owned(),
        detail: format!("{} of plan {}", stored.grant.kind.word(), plan.plan.name),
    }
}

/// Wishes every live grant that is good for all routers onto a router that is new. Safe to repeat.
///
/// # Errors
/// A fault of the store; what was wished before it stays.
pub async fn install_on_router(
    app: &App,
    tenant: TenantId,
    router: RouterId,
    now: Timestamp,
) -> Result<usize, Error> {
    const BATCH: i64 = 1_000;
    let (mut after, mut total) = (GrantId::from_raw(0), 0);
    loop {
        let installed = app
            .store()
            .write(async move |tx: &mut Tx<'_>| {
                let grants = lango_store::grants::for_all_routers(tx, tenant, after, BATCH).await?;
                let wishes: Vec<Wish> =
                    grants.iter().flat_map(|stored| on(stored, &[router], now)).collect();
                lango_store::enforcements::want(tx, &wishes, now).await?;
                Ok(grants.into_iter().map(|stored| stored.grant.id).collect::<Vec<_>>())
            })
            .await?;
        total += installed.len();
        match installed.last() {
            Some(last) if installed.len() as i64 == BATCH => after = *last,
            _ => return Ok(total),
        }
    }
}
