//! Owns where the stand-ins get their time from. Nothing else here may ask the machine's clock for
//! the time of day.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::Offset;

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
        micros(since)
    }
}

/// A clock that begins at the machine's time and runs some times as fast.
#[derive(Debug)]
pub struct FastClock {
    origin: i64,
    started: Instant,
    speed: f64,
}

impl FastClock {
    /// A clock that runs `speed` times as fast from now on.
    pub fn new(speed: f64) -> FastClock {
        FastClock { origin: SystemClock.now_micros(), started: Instant::now(), speed }
    }
}

impl Clock for FastClock {
    fn now_micros(&self) -> i64 {
        self.origin.saturating_add(micros(self.started.elapsed().mul_f64(self.speed)))
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

/// A duration as the clock counts.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// An instant as a provider writes it, at so many hours from UTC.
pub(crate) fn written(at: i64, hours_from_utc: i8, format: &str) -> String {
    let at = Timestamp::from_microsecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    Offset::constant(hours_from_utc).to_datetime(at).strftime(format).to_string()
}

/// The hours by which East Africa is ahead of UTC, all year.
pub(crate) const EAST_AFRICA: i8 = 3;

/// The instant that was written so, at so many hours from UTC.
pub(crate) fn read(text: &str, hours_from_utc: i8, format: &str) -> Option<i64> {
    let civil = jiff::civil::DateTime::strptime(format, text).ok()?;
    Some(Offset::constant(hours_from_utc).to_timestamp(civil).ok()?.as_microsecond())
}
