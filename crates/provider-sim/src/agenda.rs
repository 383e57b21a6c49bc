//! Owns what happens later: each entry has its instant, and entries happen in the order of their
//! instants however far the clock leapt. An entry never waits; what has to wait (a callback to
//! somebody slow) is an errand of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;

/// How often the clock is looked at while something is to come.
const TICK: Duration = Duration::from_millis(5);

/// What happens, told the instant for which it was meant.
type Entry = Box<dyn FnOnce(i64) + Send>;

/// The agenda of all stand-ins of one set of subscribers.
pub(crate) struct Agenda {
    pub(crate) clock: Arc<dyn Clock>,
    entries: Mutex<Entries>,
    /// Held by whoever works it off.
    turn: Mutex<()>,
    /// Errands under way, and a number that grows with every entry.
    pulse: watch::Sender<Pulse>,
}

#[derive(Default)]
struct Entries {
    next: u64,
    due: BTreeMap<(i64, u64), Entry>,
}

#[derive(Clone, Copy, Default)]
struct Pulse {
    errands: usize,
    entered: u64,
}

impl Agenda {
    /// An agenda that works itself off for as long as somebody holds it.
    pub(crate) fn start(clock: Arc<dyn Clock>) -> Arc<Agenda> {
        let pulse = watch::Sender::new(Pulse::default());
        let agenda =
            Arc::new(Agenda { clock, entries: Mutex::default(), turn: Mutex::default(), pulse });
        tokio::spawn(work_off(Arc::downgrade(&agenda), agenda.pulse.subscribe()));
        agenda
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now_micros()
    }

    /// Enters something for an instant.
    pub(crate) fn enter(&self, at: i64, entry: impl FnOnce(i64) + Send + 'static) {
        let mut entries = self.entries();
        let number = entries.next;
        entries.next += 1;
        entries.due.insert((at, number), Box::new(entry));
        drop(entries);
        self.pulse.send_modify(|pulse| pulse.entered += 1);
    }

    /// Sends somebody on an errand that takes real time.
    pub(crate) fn errand(self: &Arc<Self>, errand: impl Future<Output = ()> + Send + 'static) {
        let under_way = UnderWay::new(self.clone());
        tokio::spawn(async move {
            errand.await;
            drop(under_way);
        });
    }

    /// Waits until nothing is due at the present instant and nobody is on an errand.
    pub(crate) async fn settle(&self) {
        let mut pulse = self.pulse.subscribe();
        loop {
            self.work_off_due();
            let errands = pulse.borrow_and_update().errands;
            if errands == 0 && !self.is_due() {
                return;
            }
            // Fails only if the sender is gone, and `self` holds it.
            let _ = pulse.changed().await;
        }
    }

    /// Does what is due, one worker at a time: two would mix the order.
    fn work_off_due(&self) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((at, entry)) = self.take_due() {
            entry(at);
        }
    }

    fn take_due(&self) -> Option<(i64, Entry)> {
        let now = self.now();
        let mut entries = self.entries();
        let first = entries.due.first_entry().filter(|first| first.key().0 <= now)?;
        let ((at, _), entry) = first.remove_entry();
        Some((at, entry))
    }

    fn is_due(&self) -> bool {
        let now = self.now();
        self.entries().due.first_key_value().is_some_and(|((at, _), _)| *at <= now)
    }

    fn is_empty(&self) -> bool {
        self.entries().due.is_empty()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn work_off(agenda: Weak<Agenda>, mut pulse: watch::Receiver<Pulse>) {
    loop {
        let Some(held) = agenda.upgrade() else { return };
        held.work_off_due();
        let idle = held.is_empty();
        drop(held);
        if !idle {
            // A clock may be anybody's, so it cannot wake us.
            tokio::time::sleep(TICK).await;
        } else if pulse.changed().await.is_err() {
            return;
        }
    }
}

/// One more errand for as long as it lives.
struct UnderWay(Arc<Agenda>);

impl UnderWay {
    fn new(agenda: Arc<Agenda>) -> UnderWay {
        agenda.pulse.send_modify(|pulse| pulse.errands += 1);
        UnderWay(agenda)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.pulse.send_modify(|pulse| pulse.errands -= 1);
    }
}
