//! When a grant next changes by itself. All deadlines are one thing: one column, one loop.

use super::{Grant, Presence, State};
use crate::plan::WhenSessionEnds;
use crate::time::{Span, Timestamp};

/// The next instant at which something happens by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Deadline {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: DeadlineKind,
}

/// What happens at a deadline. Earlier variants win where two fall on one instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DeadlineKind {
    /// Access ends.
    End,
    /// Never used in its shelf life, or paid and never activated.
    Lapse,
    /// Nobody came back after the session.
    SessionOver,
    /// The uptime should be used up: ask the router.
    Measure,
    /// The customer is warned.
    Warn,
}

impl Grant {
    /// How long to wait for a router that was asked for a reading before asking again.
    const ASK_AGAIN: Span = Span::seconds(30);

    /// The next thing that happens by itself; none if nothing does.
    pub fn next_deadline(&self) -> Option<Deadline> {
        let end = self.end_deadline();
        match self.state {
            State::Active(_) | State::Throttled(_) | State::Grace { .. } => {
                [end, self.session_over(), self.measure(), self.warning()]
                    .into_iter()
                    .flatten()
                    .min()
            }
            _ => end,
        }
    }

    fn end_deadline(&self) -> Option<Deadline> {
        let (at, kind) = match self.state {
            State::Unused { activate_by, .. } => (activate_by?, DeadlineKind::Lapse),
            State::Grace { until, .. } => (until, DeadlineKind::End),
            State::Active(window) | State::Throttled(window) | State::Suspended { window, .. } => {
                (window.ends_at?, DeadlineKind::End)
            }
            State::Paused { .. } | State::Ended { .. } => return None,
        };
        Some(Deadline { at, kind })
    }

    fn session_over(&self) -> Option<Deadline> {
        match (self.terms.when_session_ends, self.presence) {
            (WhenSessionEnds::EndAfter(grace), Presence::Left { at }) => {
                Some(Deadline { at: at + grace, kind: DeadlineKind::SessionOver })
            }
            _ => None,
        }
    }

    /// Used-up uptime is only ever concluded from a reading: our arithmetic does not know whether
    /// the customer has left, and nobody who has paid is cut on a guess. The router's own
    /// `limit-uptime` holds meanwhile.
    fn measure(&self) -> Option<Deadline> {
        let Presence::Online { devices, measured_at, asked_at } = self.presence else {
            return None;
        };
        let left = self.meter.uptime_left()?;
        let soonest = measured_at + Span::from_micros(left.micros() / i64::from(devices.max(1)));
        let patience = asked_at.map_or(soonest, |asked| asked + Self::ASK_AGAIN);
        Some(Deadline { at: soonest.max(patience), kind: DeadlineKind::Measure })
    }

    fn warning(&self) -> Option<Deadline> {
        let (window, before) = match self.state {
            State::Active(window) | State::Throttled(window) => (window, self.terms.warn_before?),
            _ => return None,
        };
        let end = window.ends_at?;
        // A plan shorter than its own warning would warn at the moment of purchase.
        let worth_it = end.since(window.started) > before;
        (worth_it && self.warned_of != Some(end))
            .then(|| Deadline { at: end - before, kind: DeadlineKind::Warn })
    }
}
