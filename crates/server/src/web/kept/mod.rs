//! Routes of older systems, so that their scripts keep working. Names and shapes are fixed; what
//! they do is the same operations as everywhere else.

pub(crate) mod cron;
pub(crate) mod expiry_watcher;
pub(crate) mod hotspot;
pub(crate) mod mikrotik;
pub(crate) mod services;

use crate::web::Entrance;
use crate::web::api::door::Doors;
use crate::web::api::problem::Problem;
use lango_domain::ids::TenantId;
use lango_store::Tx;
use lango_store::enforcements::{self, Line};
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many customers an answer lists.
pub(crate) const MOST_LINES: i64 = 1_000;

/// All doors of older systems.
pub(crate) fn open(doors: &mut Doors) {
    expiry_watcher::open(doors);
    mikrotik::open(doors);
    services::open(doors);
    cron::open(doors);
    hotspot::open(doors);
}

/// Who is to be off and is not confirmed off.
pub(crate) async fn uncut(here: &Entrance, tenant: TenantId) -> Result<Vec<Line>, Problem> {
    let uncut = async move |tx: &mut Tx<'_>| enforcements::uncut(tx, tenant, MOST_LINES).await;
    Ok(here.app.store().read(uncut).await?)
}

/// Has everything tried at once that failed and waits, then waits until nobody is left to be cut
/// or the patience is over. Who is left is returned.
pub(crate) async fn cut_all(here: &Entrance, tenant: TenantId) -> Result<Vec<Line>, Problem> {
    let started = Instant::now();
    let now = here.app.clock().now();
    let open: Vec<_> =
        uncut(here, tenant).await?.into_iter().map(|line| (line.router, line.grant)).collect();
    here.app
        .store()
        .write(async move |tx: &mut Tx<'_>| {
            for (router, grant) in open.iter().copied() {
                enforcements::hurry(tx, router, grant, now).await?;
            }
            Ok(())
        })
        .await?;
    loop {
        let left = uncut(here, tenant).await?;
        let waited = started.elapsed();
        let hopeless = left.iter().all(|line| line.failures > 0) && waited > here.patience / 4;
        if left.is_empty() || hopeless || waited > here.patience {
            return Ok(left);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
