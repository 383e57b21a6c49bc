//! How often somebody may ask: a bucket for each token, and one for each address that shows wrong
//! ones. Kept in memory: after a restart everybody begins anew.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// When a table has so many buckets, those that are full again are thrown away.
const SWEEP_AT: usize = 10_000;

/// Buckets that refill by themselves.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// What taking one left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was there, and so many are left.
    Left(u32),
    /// It was not; one will be there in so many seconds.
    Wait(u64),
}

impl<K: Eq + Hash> Buckets<K> {
    /// Buckets that hold `burst` and refill by `per_minute`.
    pub(crate) fn new(per_minute: u32, burst: u32) -> Buckets<K> {
        let (per_second, burst) = (f64::from(per_minute.max(1)) / 60.0, f64::from(burst.max(1)));
        Buckets { per_second, burst, buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes one.
    pub(crate) fn take(&self, key: K, now: Instant) -> Taken {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= SWEEP_AT {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < self.burst);
        }
        let bucket = buckets.entry(key).or_insert(Bucket { left: self.burst, at: now });
        let left = self.filled(*bucket, now);
        if left < 1.0 {
            return Taken::Wait(((1.0 - left) / self.per_second).ceil() as u64);
        }
        *bucket = Bucket { left: left - 1.0, at: now };
        Taken::Left((left - 1.0) as u32)
    }

    /// Whether there is one to take, without taking it.
    pub(crate) fn has(&self, key: &K, now: Instant) -> bool {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.get(key).is_none_or(|bucket| self.filled(*bucket, now) >= 1.0)
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left + passed * self.per_second).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_empties_and_refills_and_others_have_their_own() {
        let (buckets, now) = (Buckets::new(120, 3), Instant::now());
        let taken: Vec<Taken> = (0..4).map(|_| buckets.take("a", now)).collect();
        assert_eq!(taken, [Taken::Left(2), Taken::Left(1), Taken::Left(0), Taken::Wait(1)]);
        assert_eq!(buckets.take("b", now), Taken::Left(2));
        assert!(!buckets.has(&"a", now));
        let later = now + Duration::from_millis(500);
        assert_eq!(buckets.take("a", later), Taken::Left(0));
        assert_eq!(buckets.take("a", now + Duration::from_secs(60)), Taken::Left(2));
    }

    #[test]
    fn full_buckets_are_forgotten_before_the_table_grows_for_ever() {
        let (buckets, now) = (Buckets::new(600, 10), Instant::now());
        for number in 0..SWEEP_AT {
            buckets.take(number, now);
        }
        buckets.take(SWEEP_AT, now + Duration::from_secs(10));
        assert_eq!(buckets.buckets.lock().unwrap().len(), 1);
    }
}
