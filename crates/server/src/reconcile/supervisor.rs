//! Keeps one worker per router: starts one for each that appears, stops it when the router goes,
//! and knows how each is doing.

use crate::app::App;
use crate::observe::pulse::Engine;
use crate::reconcile::worker::{Board, Condition, Turns, Worker};
use lango_domain::ids::{RouterId, TenantId};
use lango_domain::time::{Span, Timestamp};
use lango_routeros::Timeouts;
use lango_store::routers::Router;
use lango_store::{Error, Tx};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the list of routers is read: another process may have changed it.
const LOOK_EVERY: Span = Span::seconds(5);

/// How the routers are doing, for the web, the metrics and the demo.
#[derive(Clone, Debug, Default)]
pub struct Boards(Arc<Mutex<BTreeMap<RouterId, Board>>>);

impl Boards {
    /// How each router is doing.
    pub fn read(&self) -> BTreeMap<RouterId, Condition> {
        self.lock().iter().map(|(id, board)| (*id, board.read())).collect()
    }

    /// How one router is doing, if it is worked with here.
    pub fn of(&self, router: RouterId) -> Option<Condition> {
        self.lock().get(&router).map(Board::read)
    }

    /// Whether every router was tried at least once.
    pub fn all_tried(&self) -> bool {
        self.lock().values().all(|board| board.read() != Condition::New)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<RouterId, Board>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the workers.
pub struct Supervisor {
    app: App,
    timeouts: Timeouts,
    boards: Boards,
    turns: Turns,
    workers: HashMap<RouterId, (Router, CancellationToken)>,
    tasks: JoinSet<()>,
    without_router: BTreeMap<TenantId, Timestamp>,
}

impl Supervisor {
    /// A supervisor with no workers yet.
    pub fn new(app: App, timeouts: Timeouts, boards: Boards) -> Supervisor {
        Supervisor {
            app,
            timeouts,
            boards,
            turns: Turns::default(),
            workers: HashMap::new(),
            tasks: JoinSet::new(),
            without_router: BTreeMap::new(),
        }
    }

    /// Works until stopped, then stops the workers and waits for them.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.look(&stop).await {
                tracing::error!(%error, "the list of routers could not be read; trying again");
            }
            self.count();
            let wait = self.app.clock().sleep(LOOK_EVERY);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.app.until_routers_changed() => {}
                () = wait => {}
            }
            while self.tasks.try_join_next().is_some() {}
        }
        while self.tasks.join_next().await.is_some() {}
    }

    async fn look(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        let routers = self
            .app
            .store()
            .read(async |tx: &mut Tx<'_>| lango_store::routers::all(tx).await)
            .await?;
        self.stop_those_gone(&routers);
        for router in routers {
            self.start_if_new(router, stop);
        }
        self.app.pulse().beat(Engine::Routers, self.app.clock().now());
        self.warn_of_tenants_without_routers().await
    }

    fn stop_those_gone(&mut self, routers: &[Router]) {
        let boards = self.boards.clone();
        self.workers.retain(|id, (known, stop)| {
            let stays = routers.iter().any(|router| is_same_box(router, known));
            if !stays {
                stop.cancel();
                boards.lock().remove(id);
            }
            stays
        });
    }

    fn start_if_new(&mut self, router: Router, stop: &CancellationToken) {
        if self.workers.contains_key(&router.id) {
            return;
        }
        let (board, stop) = (Board::default(), stop.child_token());
        self.boards.lock().insert(router.id, board.clone());
        let (app, turns) = (self.app.clone(), self.turns.clone());
        let worker = Worker::new(app, router.clone(), self.timeouts, board, turns);
        self.tasks.spawn(worker.run(stop.clone()));
        self.workers.insert(router.id, (router, stop));
    }

    /// A business whose routers are all away sells what it cannot deliver: said once, aloud.
    async fn warn_of_tenants_without_routers(&mut self) -> Result<(), Error> {
        let tenants = self
            .app
            .store()
            .read(async |tx: &mut Tx<'_>| lango_store::tenants::all(tx).await)
            .await?;
        let conditions = self.boards.read();
        let served: BTreeSet<TenantId> = self
            .workers
            .values()
            .filter(|(router, _)| {
                !matches!(conditions.get(&router.id), Some(Condition::Down { .. }))
            })
            .map(|(router, _)| router.tenant)
            .collect();
        let now = self.app.clock().now();
        for tenant in tenants {
            if served.contains(&tenant.id) {
                self.without_router.remove(&tenant.id);
            } else if self.without_router.insert(tenant.id, now).is_none() {
                tracing::warn!(
                    tenant.id = %tenant.id, tenant.name = %tenant.name,
                    "{} has no active router: nobody can be connected or cut", tenant.name
                );
            }
        }
        Ok(())
    }

    fn count(&self) {
        let conditions = self.boards.read();
        let up = conditions.values().filter(|c| matches!(c, Condition::Up { .. })).count();
        let down = conditions.values().filter(|c| matches!(c, Condition::Down { .. })).count();
        self.app.metrics().routers_up.set(up as i64);
        self.app.metrics().routers_down.set(down as i64);
    }
}

/// A router whose address or login was changed gets a new worker.
fn is_same_box(router: &Router, known: &Router) -> bool {
    router.id == known.id
        && router.endpoint == known.endpoint
        && router.credentials == known.credentials
        && router.name == known.name
}
