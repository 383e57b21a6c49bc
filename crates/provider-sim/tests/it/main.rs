//! Stories about the simulated providers and phones, told by a plain HTTP client. What is asserted
//! of formats is the providers', not ours.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod airtel;
mod clickpesa;
mod daraja;
mod daraja_by_hand;
mod daraja_faults;
mod gateways;
mod mail;
mod merchant;
mod momo;
mod phones;

use std::sync::Arc;

use lango_provider_sim::{ManualClock, Subscribers};

/// 2026-01-02 23:30:00 in East Africa: 20:30:00 UTC.
const START: i64 = 1_767_385_800_000_000;

/// People whose time stands still until told otherwise.
struct Town {
    people: Subscribers,
    clock: Arc<ManualClock>,
}

impl Town {
    fn new() -> Town {
        let clock = Arc::new(ManualClock::at(START));
        Town { people: Subscribers::new(clock.clone()), clock }
    }

    /// Time passes, and everything that is due by then has happened and was answered.
    async fn pass(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
        self.people.settle().await;
    }
}
