//! What routers should hold for a grant. Computed, never typed in.

use crate::grant::{EndReason, Grant, State};
use crate::plan::{AfterEnd, AtDataCap};
use crate::quantity::{DataSize, Speed};
use crate::time::{Span, Timestamp};

/// The access that a grant gives now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "access")]
pub enum Wanted {
    /// Online as sold.
    Allowed(Profile),
    /// Online at the reduced speed.
    Throttled(Profile),
    /// The pay page only.
    Walled,
    /// Nothing.
    Cut,
}

/// How a customer is online.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Profile {
    /// The speed; none is unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<Speed>,
    /// How many devices together.
    pub devices: u16,
    /// The end that the router enforces by itself, should it lose us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<RouterDeadline>,
    /// Data bought in this period; the router stops it there by itself where it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataSize>,
    /// Whether time online or data is counted, so that every reading of it matters.
    #[serde(default)]
    pub metered: bool,
}

/// The end that a router enforces by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouterDeadline {
    /// At an instant.
    At(Timestamp),
    /// After so much time online, counted by the router from the first login.
    Online(Span),
}

impl Wanted {
    /// Whether the customer is to be online.
    pub const fn is_online(&self) -> bool {
        matches!(self, Wanted::Allowed(_) | Wanted::Throttled(_))
    }

    /// How he is to be online, if at all.
    pub const fn profile(&self) -> Option<Profile> {
        match self {
            Wanted::Allowed(profile) | Wanted::Throttled(profile) => Some(*profile),
            Wanted::Walled | Wanted::Cut => None,
        }
    }

    /// The word in the database, in JSON and in tables.
    pub const fn word(&self) -> &'static str {
        match self {
            Wanted::Allowed(_) => "allowed",
            Wanted::Throttled(_) => "throttled",
            Wanted::Walled => "walled",
            Wanted::Cut => "cut",
        }
    }
}

impl Grant {
    /// What every router of this grant should hold.
    pub fn wanted(&self) -> Wanted {
        match self.state {
            State::Unused { .. } if self.waits_for_money() => self.wanted_without_right(),
            State::Unused { .. } | State::Active(_) | State::Grace { .. } => {
                Wanted::Allowed(self.profile(self.terms.speed))
            }
            State::Throttled(_) => Wanted::Throttled(self.profile(self.reduced_speed())),
            State::Paused { .. } => Wanted::Cut,
            State::Ended { reason: EndReason::Terminated | EndReason::NeverUsed, .. } => {
                Wanted::Cut
            }
            State::Suspended { .. } | State::Ended { .. } => self.wanted_without_right(),
        }
    }

    fn wanted_without_right(&self) -> Wanted {
        match self.terms.after_end {
            AfterEnd::Cut => Wanted::Cut,
            AfterEnd::Wall => Wanted::Walled,
        }
    }

    fn profile(&self, speed: Option<Speed>) -> Profile {
        let data = match self.terms.at_data_cap {
            AtDataCap::End => self.meter.data_allowed,
            AtDataCap::Throttle(_) => None,
        };
        let meter = self.meter;
        Profile {
            speed,
            devices: self.terms.devices.get(),
            deadline: self.router_deadline(),
            data,
            metered: meter.uptime_allowed.is_some() || meter.data_allowed.is_some(),
        }
    }

    fn reduced_speed(&self) -> Option<Speed> {
        match self.terms.at_data_cap {
            AtDataCap::Throttle(speed) => Some(speed),
            AtDataCap::End => self.terms.speed,
        }
    }

    /// Wall time and dates are instants once the clock runs. Before that, and for uptime, the
    /// router counts from the first login.
    fn router_deadline(&self) -> Option<RouterDeadline> {
        let end = match self.state {
            State::Unused { .. } => {
                let spans = [self.terms.clock.wall, self.terms.clock.uptime];
                return spans.into_iter().flatten().min().map(RouterDeadline::Online);
            }
            State::Grace { until, .. } => Some(until),
            state => state.window().and_then(|w| w.ends_at).map(|end| end + self.terms.grace),
        };
        match (end, self.meter.uptime_allowed) {
            (Some(end), _) => Some(RouterDeadline::At(end)),
            (None, Some(allowed)) => Some(RouterDeadline::Online(allowed)),
            (None, None) => None,
        }
    }
}
