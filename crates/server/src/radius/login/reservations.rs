//! Places that were promised to devices whose sessions have not been reported yet. Between the
//! Accept and the first report a second device would find the place free.
//!
//! Kept in memory: after a restart, or on another node, two may come in at the same instant; the
//! reports show both.

use lango_domain::ids::GrantId;
use lango_domain::mac_address::MacAddress;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a place is kept. NASes report a session when it begins, and repeat it for some
/// seconds.
const KEEP: Duration = Duration::from_secs(20);
/// How many grants may have places promised before old promises are looked for.
const MANY: usize = 50_000;

/// Promises.
#[derive(Debug, Default)]
pub(in crate::radius) struct Reservations(Mutex<HashMap<GrantId, Vec<Promise>>>);

#[derive(Debug)]
struct Promise {
    mac: Option<MacAddress>,
    until: Instant,
}

impl Reservations {
    /// Promises a place if one is free, beside those who are online. The same device gets the
    /// same place again.
    pub(super) fn reserve(
        &self,
        grant: GrantId,
        mac: Option<MacAddress>,
        online: &[Option<MacAddress>],
        places: u16,
    ) -> bool {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > MANY {
            all.retain(|_, promises| {
                promises.retain(|promise| promise.until > now);
                !promises.is_empty()
            });
        }
        let promises = all.entry(grant).or_default();
        // Who is promised a place and online already takes one place, not two.
        promises.retain(|promise| {
            let is_online = promise.mac.is_some() && online.contains(&promise.mac);
            let is_same = promise.mac == mac;
            promise.until > now && !is_online && !is_same
        });
        let free = online.len() + promises.len() < usize::from(places);
        if free {
            promises.push(Promise { mac, until: now + KEEP });
        } else if promises.is_empty() {
            all.remove(&grant);
        }
        free
    }

    /// The session was reported, or is over: its place is counted by the report now.
    pub(in crate::radius) fn settle(&self, grant: GrantId, mac: Option<MacAddress>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(promises) = all.get_mut(&grant) else { return };
        promises.retain(|promise| promise.mac != mac);
        if promises.is_empty() {
            all.remove(&grant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::Id;

    const ANN: Option<MacAddress> = Some(MacAddress::new([2, 0, 0, 0, 0, 1]));
    const BOB: Option<MacAddress> = Some(MacAddress::new([2, 0, 0, 0, 0, 2]));

    #[test]
    fn of_two_devices_at_the_same_moment_one_gets_the_place() {
        let (places, grant) = (Reservations::default(), GrantId::from_raw(1));
        assert!(places.reserve(grant, ANN, &[], 1));
        assert!(!places.reserve(grant, BOB, &[], 1));
        assert!(places.reserve(grant, ANN, &[], 1), "the same device asks again");
        places.settle(grant, ANN);
        assert!(!places.reserve(grant, BOB, &[ANN], 1), "she is online now");
        assert!(places.reserve(grant, BOB, &[], 1), "she is gone");
        assert!(places.0.lock().unwrap().len() == 1);
    }

    #[test]
    fn a_promise_and_its_report_are_one_place() {
        let (places, grant) = (Reservations::default(), GrantId::from_raw(1));
        assert!(places.reserve(grant, ANN, &[], 2));
        assert!(places.reserve(grant, BOB, &[ANN], 2));
    }
}
