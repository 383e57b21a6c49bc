//! What is sold, and the terms that a grant takes from it at the moment of sale.

use crate::calendar::Calendar;
use crate::ids::{PlanId, TenantId};
use crate::logins::Logins;
use crate::money::Money;
use crate::quantity::{DataSize, Speed};
use crate::time::{Span, Timestamp};
use std::num::NonZeroU16;

/// A product of a tenant.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// Its identity.
    pub id: PlanId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What customers and staff call it.
    pub name: String,
    /// What one purchase costs.
    pub price: Money,
    /// What one purchase gives.
    pub terms: Terms,
}

/// What one purchase gives. Copied into the grant: a plan changed tomorrow changes nothing that
/// was sold today.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// When the clock starts.
    pub starts: Starts,
    /// What ends it; the first to come wins.
    pub clock: Clock,
    /// The speed while all is well; none is unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<Speed>,
    /// How many devices may be online together.
    pub devices: NonZeroU16,
    /// How long an unsold or unused voucher may lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shelf_life: Option<Span>,
    /// How long after payment it must be used for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activate_within: Option<Span>,
    /// Whether the end of a session on the router ends the grant.
    #[serde(default)]
    pub when_session_ends: WhenSessionEnds,
    /// What happens when the data is used up.
    #[serde(default)]
    pub at_data_cap: AtDataCap,
    /// How long access goes on after the end of the paid time.
    #[serde(default)]
    pub grace: Span,
    /// What an ended or suspended customer sees.
    #[serde(default)]
    pub after_end: AfterEnd,
    /// How long before the end the customer is warned; none is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_before: Option<Span>,
    /// From which devices, at what hours and how it is logged in.
    #[serde(default, skip_serializing_if = "Logins::is_usual")]
    pub logins: Logins,
}

/// When a plan's clock starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Starts {
    /// When the customer is online for the first time.
    #[default]
    AtFirstUse,
    /// When it is paid.
    AtPayment,
}

/// What ends a grant. At least one limit, or the plan never ends by itself.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// Time on the wall clock since the start, online or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall: Option<Span>,
    /// Time online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime: Option<Span>,
    /// A date or a time of day at the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Calendar>,
    /// Data, both directions together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataSize>,
}

/// Whether the end of the last session ends the grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenSessionEnds {
    /// No: the customer may come back until his time is over.
    #[default]
    Keep,
    /// Yes, if he has not come back within that time.
    EndAfter(Span),
}

/// What happens when the data is used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtDataCap {
    /// The grant ends.
    #[default]
    End,
    /// It goes on at that speed until its time is over.
    Throttle(Speed),
}

/// What a customer sees whose time is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterEnd {
    /// Nothing: no access at all.
    #[default]
    Cut,
    /// The pay page only.
    Wall,
}

/// Which limit of the clock gave a window its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The time on the wall.
    Wall,
    /// The date.
    Calendar,
}

impl Terms {
    /// Terms of nothing but a time on the wall from first use: the commonest hotspot plan.
    pub fn hotspot(wall: Span) -> Terms {
        Terms {
            starts: Starts::AtFirstUse,
            clock: Clock { wall: Some(wall), ..Clock::default() },
            speed: None,
            devices: NonZeroU16::MIN,
            shelf_life: None,
            activate_within: None,
            when_session_ends: WhenSessionEnds::Keep,
            at_data_cap: AtDataCap::End,
            grace: Span::ZERO,
            after_end: AfterEnd::Cut,
            warn_before: None,
            logins: Logins::default(),
        }
    }

    /// Terms of a service paid by time in advance, running from payment.
    pub fn service(wall: Span) -> Terms {
        Terms { starts: Starts::AtPayment, ..Terms::hotspot(wall) }
    }

    /// Whether this, bought on top of `held` while that lasts, is more of the same: limited by the
    /// same things, and as fast, for as many devices, with the same logins. Anything else would
    /// change what is left, for better or worse.
    pub fn is_more_of(&self, held: &Terms) -> bool {
        self.starts == held.starts
            && self.clock.limits_the_same(&held.clock)
            && self.speed == held.speed
            && self.devices == held.devices
            && self.when_session_ends == held.when_session_ends
            && self.at_data_cap == held.at_data_cap
            && self.logins == held.logins
    }
}

impl Clock {
    /// The end of a period beginning at `start`, and which limit makes it; none if neither wall
    /// time nor calendar limits it.
    pub fn end_of_period(&self, start: Timestamp) -> Option<(Timestamp, EndedBy)> {
        let wall = self.wall.map(|span| (start + span, EndedBy::Wall));
        let calendar =
            self.calendar.as_ref().map(|rule| (rule.end_of_period(start), EndedBy::Calendar));
        [wall, calendar].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    fn limits_the_same(&self, other: &Clock) -> bool {
        self.wall.is_some() == other.wall.is_some()
            && self.uptime.is_some() == other.uptime.is_some()
            && self.calendar.is_some() == other.calendar.is_some()
            && self.data.is_some() == other.data.is_some()
    }

    /// Whether anything ends it at all.
    pub fn is_endless(&self) -> bool {
        self.wall.is_none()
            && self.uptime.is_none()
            && self.calendar.is_none()
            && self.data.is_none()
    }
}
