//! Carrying out now what a command changed, and waiting, bounded, for the routers' word.

use super::desk::Desk;
use super::output::{counted, line, note, shown};
use crate::reconcile::pass::{Errand, RouterPass, run};
use lango_domain::ids::{GrantId, TenantId};
use lango_store::Tx;
use lango_store::enforcements::Line;
use std::time::{Duration, Instant};

/// How long a command waits for routers that are working on it, here or in a running server.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What routers said of a change.
#[derive(Debug, serde::Serialize)]
pub(super) struct Settled {
    /// Whether every router that matters has confirmed it.
    pub(super) confirmed: bool,
    /// How many routers were to hear of it.
    pub(super) routers: usize,
    /// Which routers have not confirmed it, and why.
    pub(super) open: Vec<Line>,
    /// What went wrong on the way, router by router.
    pub(super) errors: Vec<String>,
}

/// Works off what a grant's change left to do.
pub(super) async fn settle_grant(
    desk: &Desk,
    tenant: TenantId,
    grant: GrantId,
) -> anyhow::Result<Settled> {
    let started = Instant::now();
    let timeouts = desk.config.router_timeouts;
    let routers = routers_of(desk, tenant, grant).await?;
    loop {
        let open = open_work(desk, grant).await?;
        if open.is_empty() {
            return Ok(Settled { confirmed: true, routers, open, errors: Vec::new() });
        }
        let passes = run(&desk.app, Some(tenant), None, Errand::Act, timeouts).await?;
        let open = open_work(desk, grant).await?;
        let failed = open.iter().any(|line| line.failures > 0);
        let errors = errors(&passes, &open);
        if open.is_empty() || failed || !errors.is_empty() || started.elapsed() > PATIENCE {
            return Ok(Settled { confirmed: open.is_empty(), routers, open, errors });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How many routers are to hold something of it; those taken out of service do not count.
async fn routers_of(desk: &Desk, tenant: TenantId, grant: GrantId) -> anyhow::Result<usize> {
    let routers = async move |tx: &mut Tx<'_>| {
        let in_service = lango_store::routers::ids_of_tenant(tx, tenant).await?;
        let of_grant = lango_store::enforcements::routers_of(tx, grant).await?;
        Ok(of_grant.into_iter().filter(|router| in_service.contains(router)).count())
    };
    Ok(desk.app.store().read(routers).await?)
}

async fn open_work(desk: &Desk, grant: GrantId) -> anyhow::Result<Vec<Line>> {
    let open =
        async move |tx: &mut Tx<'_>| lango_store::enforcements::open_of_grant(tx, grant).await;
    Ok(desk.app.store().read(open).await?)
}

/// Only of routers that this grant waits for: others' troubles are not his.
fn errors(passes: &[RouterPass], open: &[Line]) -> Vec<String> {
    let concerns = |pass: &&RouterPass| open.iter().any(|line| line.router_name == pass.router);
    let said = |pass: &RouterPass| pass.error.as_ref().map(|why| format!("{}: {why}", pass.router));
    passes.iter().filter(concerns).filter_map(said).collect()
}

/// Says what routers made of it: `off` or `online again`.
pub(super) fn tell(settled: &Settled, what: &str) -> anyhow::Result<()> {
    if settled.routers == 0 {
        note("no router is to hear of it: add one with `lango router add`");
        return Ok(());
    }
    if settled.confirmed {
        let routers = counted(settled.routers, "router", "routers");
        return line(format!("{what}: confirmed by {routers}"));
    }
    for open in &settled.open {
        let tried = open.last_error.as_deref().map(shown);
        let on_the_way = settled.errors.iter().find_map(|error| {
            error.strip_prefix(&open.router_name).and_then(|error| error.strip_prefix(": "))
        });
        let why = on_the_way.map(shown).or(tried);
        let why = why.unwrap_or_else(|| "it is still being worked on".to_owned());
        note(format!("{} has not confirmed it yet: {why}", shown(&open.router_name)));
    }
    note("It stays queued: `lango serve` tries until it is done, `lango sync --once` tries now.");
    Ok(())
}
