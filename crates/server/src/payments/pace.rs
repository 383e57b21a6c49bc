//! How fast a provider may be asked: so many questions in a second, and none for a while after it
//! has said that it is too much. Of one process; several nodes together are slowed down by the
//! provider's own refusals.

use lango_domain::time::{Span, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The longest pause.
const LONGEST: Span = Span::seconds(60);
/// What may be asked at once after a silence is what may be asked in this time.
const BURST: Span = Span::seconds(1);

/// The pace of everybody who is asked. Cheap to clone; all clones are the same one.
#[derive(Clone, Default, Debug)]
pub struct Pace(Arc<Mutex<HashMap<String, Bucket>>>);

#[derive(Clone, Copy, Default, Debug)]
struct Bucket {
    /// When all that was let through would be through at an even pace.
    through_at: Timestamp,
    silent_until: Timestamp,
    refusals: u32,
}

impl Pace {
    /// Lets one question to `whom` through, or says how long it has to wait.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&self, whom: &str, per_second: u32, now: Timestamp) -> Result<(), Span> {
        let each = Span::from_micros(1_000_000 / i64::from(per_second.max(1)));
        let mut buckets = self.buckets();
        let bucket = buckets.entry(whom.to_owned()).or_default();
        let silence = bucket.silent_until.since(now);
        if !silence.is_zero() {
            return Err(silence);
        }
        let through_at = bucket.through_at.max(now) + each;
        let wait = through_at.since(now).less(BURST);
        if !wait.is_zero() {
            return Err(wait);
        }
        bucket.through_at = through_at;
        Ok(())
    }

    /// `whom` has said that it is too much. Returns how long nobody asks it: longer each time.
    pub fn too_much(&self, whom: &str, now: Timestamp) -> Span {
        let mut buckets = self.buckets();
        let bucket = buckets.entry(whom.to_owned()).or_default();
        let seconds = 1i64.checked_shl(bucket.refusals.min(6)).unwrap_or(i64::MAX);
        let wait = Span::seconds(seconds).min(LONGEST);
        bucket.refusals = bucket.refusals.saturating_add(1);
        bucket.silent_until = bucket.silent_until.max(now + wait);
        wait
    }

    /// `whom` has answered as usual.
    pub fn went_well(&self, whom: &str) {
        if let Some(bucket) = self.buckets().get_mut(whom) {
            bucket.refusals = 0;
        }
    }

    fn buckets(&self) -> MutexGuard<'_, HashMap<String, Bucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000_000) + Span::millis(millis)
    }

    #[test]
    fn five_go_at_once_and_the_sixth_waits() {
        let pace = Pace::default();
        for _ in 0..5 {
            assert_eq!(pace.take("174379", 5, at(0)), Ok(()));
        }
        assert_eq!(pace.take("174379", 5, at(0)), Err(Span::millis(200)));
        assert_eq!(pace.take("600000", 5, at(0)), Ok(()), "another shortcode");
        assert_eq!(pace.take("174379", 5, at(200)), Ok(()));
    }

    #[test]
    fn who_says_too_much_is_left_alone_longer_each_time() {
        let pace = Pace::default();
        assert_eq!(pace.too_much("174379", at(0)), Span::seconds(1));
        assert_eq!(pace.take("174379", 5, at(400)), Err(Span::millis(600)));
        assert_eq!(pace.too_much("174379", at(1_000)), Span::seconds(2));
        pace.went_well("174379");
        assert_eq!(pace.too_much("174379", at(9_000)), Span::seconds(1));
        for _ in 0..40 {
            assert!(pace.too_much("174379", at(9_000)) <= LONGEST);
        }
    }

    proptest! {
        #[test]
        fn never_more_than_a_burst_and_the_rate(
            steps in proptest::collection::vec(0..400i64, 1..200), rate in 1..20u32
        ) {
            let pace = Pace::default();
            let (mut millis, mut let_through) = (0, 0i64);
            for step in steps {
                millis += step;
                let_through += i64::from(pace.take("till", rate, at(millis)).is_ok());
            }
            prop_assert!(let_through <= i64::from(rate) * (millis + 1_000) / 1_000 + 1);
        }
    }
}
