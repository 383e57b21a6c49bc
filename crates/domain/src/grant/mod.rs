//! A grant: a right to be online, whatever it is called in the shop. Voucher, hotspot account,
//! PPPoE and static-IP service live one life.
//!
//! The state says only what is true in it. What may happen is in [`Grant::apply`], when something
//! happens by itself in [`Grant::next_deadline`], what routers should hold in
//! [`crate::wanted::Wanted`]. Nothing outside these three may decide about access.

mod deadline;
mod transition;

pub use deadline::{Deadline, DeadlineKind};
pub use transition::{Applied, Effect, Event, Refusal};

use crate::ids::{CustomerId, GrantId, PlanId, TenantId};
use crate::logins::KnownDevices;
use crate::mac_address::MacAddress;
use crate::plan::{EndedBy, Terms};
use crate::quantity::DataSize;
use crate::time::{Span, Timestamp};

pub use crate::access::GrantKind;

/// A right to be online.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Its identity, also printed into the comments of router objects.
    pub id: GrantId,
    /// Whose customer it is.
    pub tenant: TenantId,
    /// What was bought.
    pub plan: PlanId,
    /// Who bought it, if known; an unsold voucher has no customer.
    pub customer: Option<CustomerId>,
    /// What it is called in the shop.
    pub kind: GrantKind,
    /// What was promised at the sale.
    pub terms: Terms,
    /// Where it stands in its life.
    pub state: State,
    /// What was used of it, and what may be used.
    pub meter: Meter,
    /// Whether somebody is online with it now.
    pub presence: Presence,
    /// The end about which the customer was warned already.
    pub warned_of: Option<Timestamp>,
    /// The device of the first login, where the plan locks it to that.
    pub locked_to: Option<MacAddress>,
}

/// Where a grant stands in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Nobody has been online with it.
    Unused {
        /// When it lapses if that stays so.
        activate_by: Option<Timestamp>,
        /// Whether a customer has paid for it; a printed voucher on the shelf is not paid.
        paid: bool,
    },
    /// Online as sold.
    Active(Window),
    /// Online at the reduced speed, its data used up.
    Throttled(Window),
    /// Past its end, still online for a while.
    Grace {
        /// The window that is over.
        window: Window,
        /// When grace is over too.
        until: Timestamp,
    },
    /// The clock stands still at the customer's wish.
    Paused {
        /// The time that will run when it goes on; none if nothing but data or uptime limits it.
        left: Option<Span>,
        /// Which limit that time comes from.
        ended_by: EndedBy,
        /// When the first window began.
        started: Timestamp,
        /// Since when it stands still.
        since: Timestamp,
    },
    /// Barred, while its clock runs on.
    Suspended {
        /// The window that goes on running.
        window: Window,
        /// Since when.
        since: Timestamp,
        /// Why.
        why: SuspendReason,
    },
    /// Over.
    Ended {
        /// The last end of its window, from which a renewal counts; none if it was never used.
        ends_at: Option<Timestamp>,
        /// When it ended.
        at: Timestamp,
        /// Why.
        reason: EndReason,
    },
}

/// A period on the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// When it began.
    pub started: Timestamp,
    /// When it ends by time or date; none if nothing but data or uptime limits it.
    pub ends_at: Option<Timestamp>,
    /// Which of the two gave the end.
    pub ended_by: EndedBy,
}

/// Why a grant is barred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuspendReason {
    /// An invoice is overdue: payment lifts it.
    Overdue,
    /// A person decided: only a person lifts it.
    Staff,
}

/// Why a grant is over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its time on the wall was over.
    TimeUp,
    /// Its date had come.
    DateReached,
    /// Its time online was used up.
    UptimeUsedUp,
    /// Its data was used up.
    DataUsedUp,
    /// The session ended and the plan ends with it.
    SessionEnded,
    /// It lay on the shelf too long.
    NeverUsed,
    /// It was paid and then not used in time.
    NeverActivated,
    /// A person ended it for good.
    Terminated,
}

impl EndReason {
    /// All reasons.
    pub const ALL: [EndReason; 8] = [
        EndReason::TimeUp,
        EndReason::DateReached,
        EndReason::UptimeUsedUp,
        EndReason::DataUsedUp,
        EndReason::SessionEnded,
        EndReason::NeverUsed,
        EndReason::NeverActivated,
        EndReason::Terminated,
    ];

    /// The word in the database, in JSON and in logs.
    pub const fn word(self) -> &'static str {
        match self {
            EndReason::TimeUp => "time_up",
            EndReason::DateReached => "date_reached",
            EndReason::UptimeUsedUp => "uptime_used_up",
            EndReason::DataUsedUp => "data_used_up",
            EndReason::SessionEnded => "session_ended",
            EndReason::NeverUsed => "never_used",
            EndReason::NeverActivated => "never_activated",
            EndReason::Terminated => "terminated",
        }
    }
}

/// What was used since the grant began, over all devices and routers, and what may be used. Never
/// set back: routers' counters run on too, and their limits are compared with them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Meter {
    /// Time online so far.
    pub uptime: Span,
    /// Data so far.
    pub data: DataSize,
    /// Time online bought; none is unlimited.
    pub uptime_allowed: Option<Span>,
    /// Data bought; none is unlimited.
    pub data_allowed: Option<DataSize>,
}

/// Whether somebody is online with a grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "presence")]
pub enum Presence {
    /// Nobody, and nobody has been since it became active.
    #[default]
    Never,
    /// So many devices.
    Online {
        /// How many.
        devices: u16,
        /// When a router was last asked.
        measured_at: Timestamp,
        /// When we last asked for a fresh reading because the uptime should be used up.
        asked_at: Option<Timestamp>,
    },
    /// Nobody any more.
    Left {
        /// Since when.
        at: Timestamp,
    },
}

impl Meter {
    /// Fresh allowances of one purchase.
    pub fn of(terms: &Terms) -> Meter {
        Meter {
            uptime_allowed: terms.clock.uptime,
            data_allowed: terms.clock.data,
            ..Meter::default()
        }
    }

    /// The allowances of a purchase after the end: what was left is gone, what is bought counts
    /// from here.
    #[must_use]
    pub fn topped_up(&self, terms: &Terms) -> Meter {
        Meter {
            uptime_allowed: terms.clock.uptime.map(|more| self.uptime + more),
            data_allowed: terms.clock.data.map(|more| self.data + more),
            ..*self
        }
    }

    /// Time online that is left; none is unlimited.
    pub fn uptime_left(&self) -> Option<Span> {
        self.uptime_allowed.map(|allowed| allowed.less(self.uptime))
    }

    /// Data that is left; none is unlimited.
    pub fn data_left(&self) -> Option<DataSize> {
        self.data_allowed.map(|allowed| allowed.less(self.data))
    }

    fn uptime_is_used_up(&self) -> bool {
        self.uptime_left().is_some_and(Span::is_zero)
    }

    fn data_is_used_up(&self) -> bool {
        self.data_left() == Some(DataSize::ZERO)
    }
}

impl Presence {
    /// How many devices are online.
    pub fn devices(&self) -> u16 {
        match self {
            Presence::Online { devices, .. } => *devices,
            Presence::Never | Presence::Left { .. } => 0,
        }
    }
}

impl State {
    /// The running or last window, if there ever was one.
    pub fn window(&self) -> Option<Window> {
        match *self {
            State::Active(window)
            | State::Throttled(window)
            | State::Grace { window, .. }
            | State::Suspended { window, .. } => Some(window),
            State::Unused { .. } | State::Paused { .. } | State::Ended { .. } => None,
        }
    }

    /// When access ends or ended, as far as a date can be named now.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match self {
            State::Ended { ends_at, .. } => *ends_at,
            other => other.window().and_then(|window| window.ends_at),
        }
    }

    /// The word in the database, in JSON and in tables.
    pub const fn word(&self) -> &'static str {
        match self {
            State::Unused { .. } => "unused",
            State::Active(_) => "active",
            State::Throttled(_) => "throttled",
            State::Grace { .. } => "grace",
            State::Paused { .. } => "paused",
            State::Suspended { .. } => "suspended",
            State::Ended { .. } => "ended",
        }
    }

    /// Whether it is over.
    pub const fn is_ended(&self) -> bool {
        matches!(self, State::Ended { .. })
    }
}

impl Grant {
    /// Whether it gives nothing because nobody has paid. A printed voucher is as good as money:
    /// whoever holds the code bought it.
    pub fn waits_for_money(&self) -> bool {
        self.kind != GrantKind::Voucher && matches!(self.state, State::Unused { paid: false, .. })
    }

    /// A new grant at `now`. Paid and starting at payment, it runs at once; else it waits for its
    /// first use. One that was paid before, elsewhere, goes on where it is, or is over.
    pub fn new(birth: Birth, now: Timestamp) -> Grant {
        let Birth { id, tenant, plan, customer, kind, terms, standing } = birth;
        let meter = Meter::of(&terms);
        let waiting = |paid| State::Unused { activate_by: activate_by(&terms, paid, now), paid };
        let state = match standing {
            Standing::Unpaid => waiting(false),
            Standing::Paid if terms.starts == crate::plan::Starts::AtPayment => {
                State::Active(Window::opened(&terms, now))
            }
            Standing::Paid => waiting(true),
            Standing::PaidUntil(end) => brought_along(end, now),
        };
        let (presence, warned_of, locked_to) = (Presence::Never, None, None);
        Grant {
            id,
            tenant,
            plan,
            customer,
            kind,
            terms,
            state,
            meter,
            presence,
            warned_of,
            locked_to,
        }
    }

    /// Whether that device may use it, as far as devices go. One that the router does not name can
    /// be none that is known.
    pub fn admits(&self, device: Option<MacAddress>) -> bool {
        if !self.terms.logins.lock_to_first_device {
            return true;
        }
        device.is_some_and(|device| self.locked_to.is_none_or(|only| only == device))
    }

    /// Whether a device that was online by it comes back without the password. An address can be
    /// copied by whoever is near: where it is the lock, it is not the key too.
    pub fn knows_devices(&self) -> bool {
        let logins = &self.terms.logins;
        logins.known_devices == KnownDevices::Welcome
            && !logins.lock_to_first_device
            && matches!(self.kind, GrantKind::Voucher | GrantKind::HotspotAccount)
            && matches!(self.state, State::Active(_) | State::Throttled(_) | State::Grace { .. })
    }
}

/// What a grant is born with.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Its identity.
    pub id: GrantId,
    /// Whose customer it is.
    pub tenant: TenantId,
    /// What was bought.
    pub plan: PlanId,
    /// Who bought it.
    pub customer: Option<CustomerId>,
    /// What it is called in the shop.
    pub kind: GrantKind,
    /// What was promised.
    pub terms: Terms,
    /// Whether money for it has arrived.
    pub standing: Standing,
}

/// Whether money for a new grant has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Not yet.
    Unpaid,
    /// Just now.
    Paid,
    /// Long ago, elsewhere, until that instant: it comes from another system.
    PaidUntil(Timestamp),
}

impl Standing {
    /// Paid just now or not yet.
    pub const fn paid(paid: bool) -> Standing {
        if paid { Standing::Paid } else { Standing::Unpaid }
    }
}

/// The state of a grant that another system sold until `end`.
fn brought_along(end: Timestamp, now: Timestamp) -> State {
    if end <= now {
        return State::Ended { ends_at: Some(end), at: now, reason: EndReason::DateReached };
    }
    State::Active(Window { started: now, ends_at: Some(end), ended_by: EndedBy::Calendar })
}

impl Window {
    /// The first window under these terms, from `start`.
    pub fn opened(terms: &Terms, start: Timestamp) -> Window {
        let (ends_at, ended_by) = match terms.clock.end_of_period(start) {
            Some((at, by)) => (Some(at), by),
            None => (None, EndedBy::Wall),
        };
        Window { started: start, ends_at, ended_by }
    }

    fn reason(&self) -> EndReason {
        match self.ended_by {
            EndedBy::Wall => EndReason::TimeUp,
            EndedBy::Calendar => EndReason::DateReached,
        }
    }
}

fn activate_by(terms: &Terms, paid: bool, now: Timestamp) -> Option<Timestamp> {
    let wait = if paid { terms.activate_within.or(terms.shelf_life) } else { terms.shelf_life };
    wait.map(|span| now + span)
}

#[cfg(test)]
mod tests;
