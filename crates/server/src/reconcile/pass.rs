//! One pass over the routers in the foreground, for commands that do their work and end. Safe
//! beside a running server: both claim what they do.

use crate::app::App;
use crate::observe::chain;
use crate::operations::record_outcomes::Round;
use crate::reconcile::connect::connect;
use crate::reconcile::visit::{SyncReport, Visit};
use lango_domain::ids::{RouterId, TenantId};
use lango_domain::time::Timestamp;
use lango_routeros::Timeouts;
use lango_store::routers::Router;
use lango_store::{Error, Tx};
use tokio::task::JoinSet;

/// What a pass does at each router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errand {
    /// Carries out what is wanted and not confirmed.
    Act,
    /// Compares everything, then carries out.
    Sync,
    /// Compares and changes nothing.
    DryRun,
    /// Takes objects of grants off that ended before that instant.
    CleanUp(Timestamp),
}

/// What came of it at one router.
#[derive(Debug, Default, serde::Serialize)]
pub struct RouterPass {
    /// The router's name.
    pub router: String,
    /// What the comparison found, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncReport>,
    /// What the orders brought.
    #[serde(flatten)]
    pub round: Round,
    /// Objects taken off.
    #[serde(skip_serializing_if = "is_zero")]
    pub removed: usize,
    /// Why it could not be done; the work stays work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Runs an errand at the routers chosen, all at once: a dead one delays nobody. Ordered as chosen.
///
/// # Errors
/// The list of routers could not be read. What fails at a router is in its line.
pub async fn run(
    app: &App,
    tenant: Option<TenantId>,
    only: Option<RouterId>,
    errand: Errand,
    timeouts: Timeouts,
) -> Result<Vec<RouterPass>, Error> {
    run_told(app, tenant, only, errand, timeouts, |_, _| {}).await
}

/// The same, saying after each router how many of how many are done.
///
/// # Errors
/// As [`run`].
pub async fn run_told(
    app: &App,
    tenant: Option<TenantId>,
    only: Option<RouterId>,
    errand: Errand,
    timeouts: Timeouts,
    mut told: impl FnMut(usize, usize),
) -> Result<Vec<RouterPass>, Error> {
    let routers = chosen(app, tenant, only, errand).await?;
    let total = routers.len();
    let mut tasks = JoinSet::new();
    for (place, router) in routers.into_iter().enumerate() {
        let app = app.clone();
        tasks.spawn(async move { (place, at_router(app, router, errand, timeouts).await) });
    }
    let mut passes = Vec::with_capacity(total);
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(pass) => passes.push(pass),
            // Nobody aborts these tasks: it panicked, and so do we.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
        told(passes.len(), total);
    }
    passes.sort_by_key(|(place, _)| *place);
    Ok(passes.into_iter().map(|(_, pass)| pass).collect())
}

async fn chosen(
    app: &App,
    tenant: Option<TenantId>,
    only: Option<RouterId>,
    errand: Errand,
) -> Result<Vec<Router>, Error> {
    app.store()
        .read(async move |tx: &mut Tx<'_>| {
            let mut chosen = Vec::new();
            for router in lango_store::routers::all(tx).await? {
                let wanted = tenant.is_none_or(|tenant| tenant == router.tenant)
                    && only.is_none_or(|only| only == router.id);
                let busy = errand != Errand::Act
                    || lango_store::enforcements::count_pending(tx, router.id).await? > 0;
                if wanted && busy {
                    chosen.push(router);
                }
            }
            Ok(chosen)
        })
        .await
}

async fn at_router(app: App, router: Router, errand: Errand, timeouts: Timeouts) -> RouterPass {
    let mut pass = RouterPass { router: router.name.clone(), ..RouterPass::default() };
    let id = router.id;
    match connect(&app, &router, timeouts).await {
        Ok(driver) => {
            let mut visit = Visit::new(app.clone(), router, driver);
            if let Err(error) = carry_out(&mut visit, errand, &mut pass).await {
                pass.error = Some(chain(&error));
            }
        }
        Err(error) => pass.error = Some(chain(&error)),
    }
    if errand != Errand::DryRun {
        note(&app, id, pass.error.clone()).await;
    }
    pass
}

/// Notes whether a router answered, so that a diagnosis is right also where only one-shot commands
/// run. That it could not be noted spoils no pass.
async fn note(app: &App, router: RouterId, error: Option<String>) {
    let now = app.clock().now();
    let noted = app
        .store()
        .write(async move |tx: &mut Tx<'_>| match &error {
            Some(error) => lango_store::routers::note_failure(tx, router, error, now).await,
            None => lango_store::routers::keep_contact(tx, router, now).await,
        })
        .await;
    if let Err(error) = noted {
        tracing::warn!(%error, router.id = %router, "a router's answer could not be noted");
    }
}

async fn carry_out(
    visit: &mut Visit,
    errand: Errand,
    pass: &mut RouterPass,
) -> Result<(), crate::reconcile::visit::VisitError> {
    match errand {
        Errand::Act => pass.round = visit.act().await?,
        Errand::Sync => {
            pass.sync = Some(visit.sync().await?);
            pass.round = visit.act().await?;
        }
        Errand::DryRun => pass.sync = Some(visit.compare().await?),
        Errand::CleanUp(before) => pass.removed = visit.clean_up(before).await?,
    }
    Ok(())
}

/// The sentence an operator knows: `3 cut, 0 failed, Router1: 2, Router2: 1`.
pub fn summary(passes: &[RouterPass]) -> String {
    let cut: usize = passes.iter().map(|pass| pass.round.cut).sum();
    let failed: usize = passes.iter().map(|pass| pass.round.failed).sum();
    let mut text = format!("{cut} cut, {failed} failed");
    for pass in passes.iter().filter(|pass| pass.round.cut > 0) {
        text.push_str(&format!(", {}: {}", pass.router, pass.round.cut));
    }
    for pass in passes.iter().filter(|pass| pass.error.is_some()) {
        text.push_str(&format!(", {}: out of reach", pass.router));
    }
    text
}
