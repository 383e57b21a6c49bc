//! How often somebody may be wrong about a secret. A device gets five tries in ten minutes. Devices
//! change their addresses at will, so the wall is the site's: thirty in ten minutes, and then each
//! try waits twice as long as the one before.
//!
//! Kept in memory: after a restart everybody begins anew, and 31^7 codes are still as many.

use lango_domain::ids::RouterId;
use lango_domain::time::{Span, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

const WINDOW: Span = Span::minutes(10);
const OF_A_DEVICE: usize = 5;
const OF_A_SITE: usize = 30;
/// The longest wait between two tries at a site.
const LONGEST_WAIT: Span = Span::seconds(60);
/// When there are so many devices, those without a fresh mistake are thrown away.
const SWEEP_AT: usize = 10_000;

/// The mistakes of the last ten minutes.
#[derive(Debug, Default)]
pub(crate) struct Guesses(Mutex<Mistakes>);

#[derive(Debug, Default)]
struct Mistakes {
    devices: HashMap<(RouterId, String), VecDeque<Timestamp>>,
    sites: HashMap<RouterId, VecDeque<Timestamp>>,
}

impl Guesses {
    /// How long a device at a site has to wait before it may try.
    ///
    /// # Errors
    /// The wait.
    pub(crate) fn may(&self, site: RouterId, device: &str, now: Timestamp) -> Result<(), Span> {
        let mistakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = mistakes.devices.get(&(site, device.to_owned())).and_then(|own| {
            let oldest = own.len().checked_sub(OF_A_DEVICE)?;
            own.get(oldest).map(|mark| (*mark + WINDOW).since(now))
        });
        let all = mistakes.sites.get(&site).and_then(|all| {
            let over = fresh(all, now).checked_sub(OF_A_SITE)?;
            let pause = Span::seconds(1 << over.min(6)).min(LONGEST_WAIT);
            all.back().map(|last| (*last + pause).since(now))
        });
        let wait = own.into_iter().chain(all).max().filter(|wait| *wait > Span::ZERO);
        wait.map_or(Ok(()), Err)
    }

    /// Somebody was wrong.
    pub(crate) fn wrong(&self, site: RouterId, device: &str, now: Timestamp) {
        let mut mistakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if mistakes.devices.len() >= SWEEP_AT {
            mistakes.devices.retain(|_, own| fresh(own, now) > 0);
        }
        note(mistakes.devices.entry((site, device.to_owned())).or_default(), now);
        note(mistakes.sites.entry(site).or_default(), now);
    }
}

fn note(marks: &mut VecDeque<Timestamp>, now: Timestamp) {
    while marks.front().is_some_and(|mark| *mark + WINDOW <= now) {
        marks.pop_front();
    }
    marks.push_back(now);
}

fn fresh(marks: &VecDeque<Timestamp>, now: Timestamp) -> usize {
    marks.iter().rev().take_while(|mark| **mark + WINDOW > now).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::Id;

    const NOON: Timestamp = Timestamp::from_micros(1_795_251_600_000_000);

    #[test]
    fn a_device_has_five_tries_in_ten_minutes() {
        let (guesses, site) = (Guesses::default(), RouterId::from_raw(1));
        for number in 0..5 {
            let now = NOON + Span::seconds(number);
            assert_eq!(guesses.may(site, "a", now), Ok(()));
            guesses.wrong(site, "a", now);
        }
        let now = NOON + Span::seconds(5);
        assert_eq!(guesses.may(site, "a", now), Err(Span::seconds(595)));
        assert_eq!(guesses.may(site, "b", now), Ok(()));
        assert_eq!(guesses.may(RouterId::from_raw(2), "a", now), Ok(()));
        assert_eq!(guesses.may(site, "a", NOON + Span::minutes(10)), Ok(()));
    }

    #[test]
    fn a_site_slows_down_more_and_more_whatever_the_devices_are_called() {
        let (guesses, site) = (Guesses::default(), RouterId::from_raw(1));
        let (mut now, mut tries) = (NOON, 0);
        while now < NOON + Span::minutes(10) {
            let device = tries.to_string();
            match guesses.may(site, &device, now) {
                Ok(()) => {
                    guesses.wrong(site, &device, now);
                    tries += 1;
                }
                Err(wait) => now = now + wait,
            }
        }
        assert!((30..50).contains(&tries), "{tries}");
    }
}
