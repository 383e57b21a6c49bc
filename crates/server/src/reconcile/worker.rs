//! The worker of one router: connect, compare, then follow and act until the connection breaks or
//! we are stopped. Its troubles are its own: no other worker waits for it.

use crate::app::App;
use crate::operations::note_router;
use crate::reconcile::backoff;
use crate::reconcile::connect::{ConnectError, connect};
use crate::reconcile::visit::{SyncReport, Visit, VisitError};
use lango_domain::ids::Id;
use lango_domain::time::{Span, Timestamp};
use lango_routeros::Timeouts;
use lango_store::routers::Router;
use lango_store::{Error, Subscription, Topic, Tx};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How often who is online is read, also when the router says nothing.
const FOLLOW_EVERY: Span = Span::seconds(5);
/// How soon after a reading a change leads to the next one. Where thousands are online somebody
/// comes or goes all the time, and our own cuts are changes too: reading may take only a part of
/// a router's time. Sessions tell how long they have been, so nothing is lost by reading later.
const FOLLOW_AGAIN: Span = Span::seconds(1);
/// What reading may take of the time, as one of so many parts.
const FOLLOW_SHARE: i64 = 20;
/// How long a router waits at most for its turn to be compared.
const TURN: Span = Span::seconds(5);
/// How often everything is compared.
const SYNC_EVERY: Span = Span::minutes(5);
/// How often a sign of life is written down.
const CONTACT_EVERY: Span = Span::seconds(30);

/// Why a stay with a router ended.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Visit(#[from] VisitError),
}

/// How a router is doing, for everybody to see.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Condition {
    /// Not tried yet.
    #[default]
    New,
    /// Connected and compared.
    Up {
        /// Since when.
        since: Timestamp,
    },
    /// Out of reach, or not letting us in.
    Down {
        /// Since when.
        since: Timestamp,
        /// Tries that failed.
        failures: i64,
        /// What went wrong last.
        error: String,
    },
}

/// Where a worker shows how its router is doing.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Condition>>);

impl Board {
    /// How the router is doing.
    pub fn read(&self) -> Condition {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, condition: Condition) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = condition;
    }
}

/// Comparing all of a router is work for this machine as well. If fifty did it at the same time,
/// as after a start, all would be slow; so they take turns, and act on what is due while they
/// wait. Somebody who is stuck holds up nobody: after `TURN` the others go on without.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Turns {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Turns(Arc::new(Semaphore::new(2 * cores)))
    }
}

/// A worker.
pub struct Worker {
    app: App,
    router: Router,
    timeouts: Timeouts,
    board: Board,
    news: Subscription,
    turns: Turns,
    failures: i64,
}

impl Worker {
    /// A worker for that router.
    pub fn new(app: App, router: Router, timeouts: Timeouts, board: Board, turns: Turns) -> Worker {
        let news = app.store().subscribe(Topic::Router(router.id.raw()));
        Worker { app, router, timeouts, board, news, turns, failures: 0 }
    }

    /// Works until stopped. Work that is under way when the stop comes is not torn: an act either
    /// ends and is recorded, or stays unconfirmed work.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let trouble = tokio::select! {
                () = stop.cancelled() => return,
                trouble = self.stay() => trouble,
            };
            self.note_trouble(&trouble).await;
            let pause = backoff::pause(self.failures);
            self.failures += 1;
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.app.clock().sleep(pause) => {}
            }
        }
    }

    /// Stays with the router until something goes wrong.
    async fn stay(&mut self) -> Trouble {
        match self.arrive().await {
            Ok(mut visit) => match self.work(&mut visit).await {
                Ok(never) => match never {},
                Err(error) => error.into(),
            },
            Err(trouble) => trouble,
        }
    }

    async fn arrive(&mut self) -> Result<Visit, Trouble> {
        let driver = connect(&self.app, &self.router, self.timeouts).await?;
        let mut visit = Visit::new(self.app.clone(), self.router.clone(), driver);
        // What is decided does not wait for a comparison, which may take long.
        visit.act_at_once().await?;
        let report = self.compare(&mut visit).await?;
        self.failures = 0;
        let now = self.app.clock().now();
        self.board.write(Condition::Up { since: now });
        note_router::note_up(&self.app, &self.router, now).await.map_err(VisitError::from)?;
        let (differences, online) = (report.differences.len(), report.online);
        let strangers = report.strangers.len();
        tracing::info!(
            router.name = %self.router.name, tenant.id = %self.router.tenant,
            differences, online, strangers,
            "{} is up: {online} online, {differences} differences to repair", self.router.name
        );
        Ok(visit)
    }

    async fn compare(&self, visit: &mut Visit) -> Result<SyncReport, VisitError> {
        let turn = self.turn(visit).await?;
        let report = visit.sync().await?;
        drop(turn);
        Ok(report)
    }

    /// Waits for a turn to compare, and acts on what falls due meanwhile.
    async fn turn(&self, visit: &mut Visit) -> Result<Option<OwnedSemaphorePermit>, VisitError> {
        let mut turn = std::pin::pin!(Arc::clone(&self.turns.0).acquire_owned());
        let latest = self.app.clock().now() + TURN;
        loop {
            tokio::select! {
                // The semaphore is never closed.
                turn = &mut turn => return Ok(turn.ok()),
                () = self.app.clock().sleep_until(latest) => return Ok(None),
                () = self.news.woken() => drop(visit.act().await?),
            }
        }
    }

    async fn work(&mut self, visit: &mut Visit) -> Result<std::convert::Infallible, VisitError> {
        let now = self.app.clock().now();
        let (mut follow_at, mut sync_at, mut contact_at) = (now, now + SYNC_EVERY, now);
        let mut not_before = now;
        loop {
            visit.act().await?;
            let now = self.app.clock().now();
            if now >= follow_at {
                visit.follow().await?;
                let read_at = self.app.clock().now();
                follow_at = read_at + FOLLOW_EVERY;
                not_before = read_at + pause_after(read_at.since(now));
            }
            if now >= sync_at {
                self.compare(visit).await?;
                sync_at = now + SYNC_EVERY;
                continue;
            }
            if now >= contact_at {
                self.note_contact(now).await?;
                contact_at = now + CONTACT_EVERY;
            }
            let wake_at = visit.next_attempt().await?.map_or(follow_at, |next| next.min(follow_at));
            tokio::select! {
                () = self.news.woken() => {}
                // The router says that its sessions changed: read them soon.
                () = visit.changed() => follow_at = follow_at.min(not_before),
                () = self.app.clock().sleep_until(wake_at.min(sync_at)) => {}
            }
        }
    }

    async fn note_contact(&self, now: Timestamp) -> Result<(), Error> {
        let router = self.router.id;
        self.app
            .store()
            .write(async move |tx: &mut Tx<'_>| {
                lango_store::routers::keep_contact(tx, router, now).await
            })
            .await
    }

    async fn note_trouble(&mut self, trouble: &Trouble) {
        let now = self.app.clock().now();
        let error = crate::observe::chain(trouble);
        let since = match self.board.read() {
            Condition::Down { since, .. } => since,
            _ => now,
        };
        let news = self.failures == 0;
        self.board.write(Condition::Down {
            since,
            failures: self.failures + 1,
            error: error.clone(),
        });
        if news {
            tracing::warn!(
                router.name = %self.router.name, tenant.id = %self.router.tenant, error,
                "{} is down; its work waits, nobody else's does", self.router.name
            );
        }
        let noted = note_router::note_down(&self.app, &self.router, error, news, now).await;
        if let Err(error) = noted {
            tracing::error!(%error, router.name = %self.router.name, "a router's trouble could not be noted");
        }
    }
}

/// The pause after a reading that took so long.
fn pause_after(took: Span) -> Span {
    let share = Span::from_micros(took.micros().saturating_mul(FOLLOW_SHARE));
    share.max(FOLLOW_AGAIN).min(FOLLOW_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_takes_a_small_part_of_a_routers_time() {
        assert_eq!(pause_after(Span::millis(1)), FOLLOW_AGAIN);
        assert_eq!(pause_after(Span::millis(100)), Span::seconds(2));
        assert_eq!(pause_after(Span::minutes(1)), FOLLOW_EVERY);
    }
}
