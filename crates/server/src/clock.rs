//! Time. The only place of the program that asks what time it is.

use lango_domain::time::{Span, Timestamp};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// A clock, cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    System,
    /// Runs faster, for demonstrations.
    Fast {
        origin: Timestamp,
        started: Instant,
        speed: f64,
    },
    /// Stands still until it is moved, for tests.
    Manual(watch::Sender<Timestamp>),
}

impl Clock {
    /// The time of day.
    pub fn system() -> Clock {
        Clock(Arc::new(Kind::System))
    }

    /// Time that starts now and runs `speed` times as fast.
    pub fn fast(speed: f64) -> Clock {
        let origin = Clock::system().now();
        Clock(Arc::new(Kind::Fast { origin, started: Instant::now(), speed }))
    }

    /// Time that stands at `start` until [`Clock::set`] moves it.
    pub fn manual(start: Timestamp) -> Clock {
        Clock(Arc::new(Kind::Manual(watch::Sender::new(start))))
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Kind::System => since_epoch(),
            Kind::Fast { origin, started, speed } => {
                let passed = started.elapsed().as_secs_f64() * speed * 1e6;
                *origin + Span::from_micros(passed as i64)
            }
            Kind::Manual(time) => *time.borrow(),
        }
    }

    /// Moves a manual clock; it never steps back. Other clocks do not obey.
    pub fn set(&self, now: Timestamp) {
        if let Kind::Manual(time) = &*self.0 {
            time.send_modify(|time| *time = now.max(*time));
        }
    }

    /// Waits until that instant.
    pub async fn sleep_until(&self, at: Timestamp) {
        let wait = at.since(self.now()).to_std();
        match &*self.0 {
            Kind::System => tokio::time::sleep(wait).await,
            Kind::Fast { speed, .. } => tokio::time::sleep(wait.div_f64(*speed)).await,
            Kind::Manual(time) => {
                let mut time = time.subscribe();
                // Fails only if the sender is gone, and `self` holds it.
                let _ = time.wait_for(|now| *now >= at).await;
            }
        }
    }

    /// Waits for so long.
    pub async fn sleep(&self, span: Span) {
        self.sleep_until(self.now() + span).await;
    }
}

fn since_epoch() -> Timestamp {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(passed.as_micros()).unwrap_or(i64::MAX))
}
