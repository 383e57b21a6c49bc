//! Owns what goes wrong on purpose: between the merchant and a provider, never inside its rules.
//! What was done stays done, whatever became of the answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// As a number of times: until [`Faults::clear`].
pub const ALWAYS: u32 = u32::MAX;

/// The faults of one provider; every change concerns what comes after it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

/// What happens to a request. Durations are real time, since the merchant's patience is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFault {
    /// The connection is closed and nothing was done.
    DropBefore,
    /// It is done, and the connection is closed without an answer.
    DropAfter,
    /// Nothing happens for so long, then everything as usual, also if the merchant has gone.
    StallBefore(Duration),
    /// Nothing happens until [`Faults::let_go`], then everything as usual, also if the merchant has
    /// gone.
    HoldBefore,
    /// It is done, and the answer is kept back for so long.
    StallAfter(Duration),
    /// Nothing is done, and a proxy on the way answers by a page for people.
    HtmlError(u16),
    /// Nothing is done, and this is answered as JSON.
    Answer {
        /// The status of HTTP.
        status: u16,
        /// The body.
        body: String,
    },
}

/// What happens to a callback. Durations are by the stand-in's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackFault {
    /// It is never sent.
    Lost,
    /// It is sent again so long after; zero sends both at once.
    Doubled {
        /// Counted from the first.
        after: Duration,
    },
    /// It is sent so long after its time.
    Late(Duration),
    /// The owner's answer, and the callback, come before the answer to the request itself. Has no
    /// effect on owners who do nothing by themselves.
    BeforeAnswer,
    /// A callback of success is followed by one of failure.
    ThenFailure {
        /// Counted from the first.
        after: Duration,
    },
    /// Numbers are written as text.
    TextNumbers,
}

/// What happens to callbacks by chance, in per cent of all, drawn from `seed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disturbance {
    /// Where the dice begin.
    pub seed: u64,
    /// Are never sent.
    pub lost: u8,
    /// Are sent twice, the second time after up to the longest delay.
    pub doubled: u8,
    /// Are sent late.
    pub late: u8,
    /// The longest delay, by the stand-in's clock.
    pub longest_delay: Duration,
}

#[derive(Debug, Default)]
struct Plan {
    unreachable: bool,
    requests: Vec<(String, u32, RequestFault)>,
    callbacks: Vec<(u32, CallbackFault)>,
    disturbance: Disturbance,
    dice: fastrand::Rng,
    /// Whether those that are held may go on.
    may_go_on: watch::Sender<bool>,
}

impl Faults {
    /// Connections are closed as soon as they are made.
    pub fn unreachable(&self, unreachable: bool) {
        self.plan().unreachable = unreachable;
    }

    /// The next `times` requests whose path contains `path` meet this. Of several faults for one
    /// path, the one that was told first is used up first.
    pub fn requests(&self, path: &str, times: u32, fault: RequestFault) {
        let mut plan = self.plan();
        if fault == RequestFault::HoldBefore {
            plan.may_go_on.send_replace(false);
        }
        plan.requests.push((path.to_owned(), times, fault));
    }

    /// What is held goes on, and what would be held from now on.
    pub fn let_go(&self) {
        self.plan().may_go_on.send_replace(true);
    }

    /// The next `times` callbacks meet this. Different faults come together at one callback.
    pub fn callbacks(&self, times: u32, fault: CallbackFault) {
        self.plan().callbacks.push((times, fault));
    }

    /// From now on callbacks meet this by chance.
    pub fn disturb(&self, disturbance: Disturbance) {
        let mut plan = self.plan();
        plan.dice = fastrand::Rng::with_seed(disturbance.seed);
        plan.disturbance = disturbance;
    }

    /// Everything works again.
    pub fn clear(&self) {
        *self.plan() = Plan::default();
    }

    pub(crate) fn is_unreachable(&self) -> bool {
        self.plan().unreachable
    }

    pub(crate) async fn until_let_go(&self) {
        let mut may_go_on = self.plan().may_go_on.subscribe();
        // An error: everything works again.
        let _ = may_go_on.wait_for(|may_go_on| *may_go_on).await;
    }

    pub(crate) fn take_request(&self, path: &str) -> Option<RequestFault> {
        let mut plan = self.plan();
        let at = plan.requests.iter().position(|(matching, _, _)| path.contains(matching))?;
        let (_, times, fault) = plan.requests.get_mut(at)?;
        let fault = fault.clone();
        if used_up(times) {
            plan.requests.remove(at);
        }
        Some(fault)
    }

    /// Whether the next callback is to come before the answer; that fault is then used up.
    pub(crate) fn take_before_answer(&self) -> bool {
        let mut plan = self.plan();
        let mut all = plan.callbacks.iter();
        let Some(at) = all.position(|(_, fault)| *fault == CallbackFault::BeforeAnswer) else {
            return false;
        };
        if plan.callbacks.get_mut(at).is_some_and(|(times, _)| used_up(times)) {
            plan.callbacks.remove(at);
        }
        true
    }

    /// What the next callback meets: one of each kind that is planned.
    pub(crate) fn take_callback(&self) -> Fate {
        let mut plan = self.plan();
        let mut fate = Fate::default();
        let mut kinds = Vec::new();
        plan.callbacks.retain_mut(|(times, fault)| {
            let kind = std::mem::discriminant(fault);
            if *fault == CallbackFault::BeforeAnswer || kinds.contains(&kind) {
                return true;
            }
            kinds.push(kind);
            fate.meet(fault);
            !used_up(times)
        });
        plan.by_chance(&mut fate);
        fate
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    fn by_chance(&mut self, fate: &mut Fate) {
        let Disturbance { lost, doubled, late, longest_delay, .. } = self.disturbance;
        let mut happens = |chance: u8| self.dice.u8(0..100) < chance;
        let (lost, doubled, late) = (happens(lost), happens(doubled), happens(late));
        fate.lost |= lost;
        if doubled {
            fate.again = Some(longest_delay.mul_f64(self.dice.f64()));
        }
        if late {
            fate.late += longest_delay.mul_f64(self.dice.f64());
        }
    }
}

/// Counts one use; true if that was the last.
fn used_up(times: &mut u32) -> bool {
    if *times != ALWAYS {
        *times = times.saturating_sub(1);
    }
    *times == 0
}

/// What one callback meets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) lost: bool,
    pub(crate) again: Option<Duration>,
    pub(crate) late: Duration,
    pub(crate) then_failure: Option<Duration>,
    pub(crate) text_numbers: bool,
    /// Somebody else writes it, who has no key.
    pub(crate) forged: bool,
}

impl Fate {
    fn meet(&mut self, fault: &CallbackFault) {
        match fault {
            CallbackFault::Lost => self.lost = true,
            CallbackFault::Doubled { after } => self.again = Some(*after),
            CallbackFault::Late(by) => self.late += *by,
            CallbackFault::ThenFailure { after } => self.then_failure = Some(*after),
            CallbackFault::TextNumbers => self.text_numbers = true,
            CallbackFault::BeforeAnswer => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_used_up_and_one_of_each_kind_comes_together() {
        let faults = Faults::default();
        faults.callbacks(1, CallbackFault::Lost);
        faults.callbacks(1, CallbackFault::TextNumbers);
        faults.callbacks(1, CallbackFault::TextNumbers);
        let fate = faults.take_callback();
        assert!(fate.lost && fate.text_numbers);
        let fate = faults.take_callback();
        assert!(!fate.lost && fate.text_numbers);
        assert_eq!(faults.take_callback(), Fate::default());
        faults.requests("/token", ALWAYS, RequestFault::DropBefore);
        faults.requests("/token", 1, RequestFault::DropAfter);
        assert_eq!(faults.take_request("/a/token"), Some(RequestFault::DropBefore));
        assert_eq!(faults.take_request("/a/token"), Some(RequestFault::DropBefore));
        assert_eq!(faults.take_request("/other"), None);
    }
}
