//! Owns where the simulated router gets its time from. Nothing else here may ask the machine's clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of instants: microseconds since 1970-01-01 UTC.
pub trait Clock: Send + Sync + 'static {
    /// The present instant in microseconds since 1970-01-01 UTC.
    fn now_micros(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_micros(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

/// A clock that moves only when told to, so that a story is the same at every run.
#[derive(Debug)]
pub struct ManualClock {
    micros: AtomicI64,
}

impl ManualClock {
    /// A clock that stands at `micros` since 1970-01-01 UTC.
    pub fn at(micros: i64) -> ManualClock {
        ManualClock { micros: AtomicI64::new(micros) }
    }

    /// Moves on by `micros`.
    pub fn advance(&self, micros: i64) {
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }

    /// Moves on by whole seconds.
    pub fn advance_seconds(&self, seconds: i64) {
        self.advance(seconds.saturating_mul(1_000_000));
    }

    /// Puts the hands at `micros` since 1970-01-01 UTC.
    pub fn set(&self, micros: i64) {
        self.micros.store(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_micros(&self) -> i64 {
        self.micros.load(Ordering::SeqCst)
    }
}
