//! The feed: what happened, told to whoever listens, in the order of commits, with no gap and no
//! repetition. It gives lines of the account their places and hands them on; the account itself is
//! the only store, so a listener that comes late or falls behind reads what it missed.
//!
//! Must never tell a line before it has its place: ids are made before the commit, and who reads
//! by id can miss a line that was committed late.

pub mod listener;

use crate::app::App;
use crate::observe::pulse::Engine;
use crate::operations::webhook;
use lango_store::activity::{self, Placed};
use lango_store::{Error, Topic, Tx};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How many lines get their places in one transaction.
const BATCH: i64 = 500;
/// How many lines are kept at hand, so that a thousand listeners are no thousand queries.
const AT_HAND: usize = 4_096;
/// Another process cannot wake us on SQLite: looking is one read of an index that is empty.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// What happened lately, and that something did.
#[derive(Debug)]
pub struct Feed {
    last: watch::Sender<i64>,
    recent: Mutex<Recent>,
    ended: CancellationToken,
}

/// The lines after a place, without a gap.
#[derive(Debug, Default)]
struct Recent {
    after: i64,
    lines: VecDeque<Arc<Placed>>,
}

impl Default for Feed {
    fn default() -> Feed {
        let last = watch::Sender::new(0);
        Feed { last, recent: Mutex::default(), ended: CancellationToken::new() }
    }
}

impl Feed {
    /// The place that was given last, as far as is known here.
    pub fn last(&self) -> i64 {
        *self.last.borrow()
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines after a place, if all of them are at hand.
    fn at_hand(&self, after: i64) -> Option<Vec<Arc<Placed>>> {
        let recent = self.recent();
        if after < recent.after {
            return None;
        }
        let begin = recent.lines.partition_point(|placed| placed.place <= after);
        Some(recent.lines.iter().skip(begin).cloned().collect())
    }

    fn add(&self, placed: Vec<Placed>) {
        let Some(last) = placed.last().map(|placed| placed.place) else { return };
        let mut recent = self.recent();
        recent.lines.extend(placed.into_iter().map(Arc::new));
        while recent.lines.len() > AT_HAND {
            if let Some(forgotten) = recent.lines.pop_front() {
                recent.after = forgotten.place;
            }
        }
        drop(recent);
        self.last.send_replace(last);
    }

    /// Places were given that are not at hand: by another node, or before we began.
    fn skip_to(&self, last: i64) {
        let mut recent = self.recent();
        recent.lines.clear();
        recent.after = last;
        drop(recent);
        self.last.send_replace(last);
    }
}

/// Works until stopped; then listeners are told that nothing more comes.
pub async fn run(app: App, stop: CancellationToken) {
    let news = app.store().subscribe(Topic::Activity);
    // One that never gets through a pass must be seen to stand still as well.
    app.pulse().beat(Engine::Feed, app.clock().now());
    while !stop.is_cancelled() {
        match pass(&app).await {
            Ok(0) => {}
            Ok(_) => continue,
            // Another node gives places at this moment, or the database is away: look again.
            Err(error) if error.is_retry() => {}
            Err(error) => tracing::error!(%error, "the feed stands still; trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = news.woken() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    app.feed().ended.cancel();
}

/// Gives places to what has none, and hands it on. Returns how many lines there were.
///
/// # Errors
/// A fault of the store.
pub async fn pass(app: &App) -> Result<usize, Error> {
    let count = hand_on(app).await?;
    app.pulse().beat(Engine::Feed, app.clock().now());
    Ok(count)
}

async fn hand_on(app: &App) -> Result<usize, Error> {
    let look = async |tx: &mut Tx<'_>| {
        Ok((activity::last_place(tx).await?, activity::any_unplaced(tx).await?))
    };
    let (last, is_new) = app.store().read(look).await?;
    if last > app.feed().last() {
        app.feed().skip_to(last);
    }
    if !is_new {
        return Ok(0);
    }
    let now = app.clock().now();
    let give = async move |tx: &mut Tx<'_>| {
        let placed = activity::give_places(tx, BATCH).await?;
        webhook::queue(tx, &placed, now).await?;
        Ok(placed)
    };
    let placed = app.store().write(give).await?;
    let (count, before) = (placed.len(), placed.first().map_or(0, |first| first.place - 1));
    if before > app.feed().last() {
        app.feed().skip_to(before);
    }
    app.feed().add(placed);
    Ok(count)
}
