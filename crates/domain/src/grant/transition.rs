//! What may happen to a grant, and what follows. Total: every event in every state either changes
//! the grant or is refused with a reason a person understands.

use super::{
    DeadlineKind, EndReason, Grant, Meter, Presence, State, SuspendReason, Window, activate_by,
};
use crate::mac_address::MacAddress;
use crate::plan::{AtDataCap, EndedBy, Starts, Terms};
use crate::quantity::DataSize;
use crate::time::{Span, Timestamp};

/// Something that happens to a grant.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "an event lives for one call and is never kept")]
pub enum Event {
    /// Time passed; whatever is due happens.
    TimePassed,
    /// One purchase of these terms was paid.
    Paid(Terms),
    /// A complete, successful reading of the routers.
    Seen {
        /// Devices online now, over all routers.
        devices: u16,
        /// When the first of them came online, as far as the router knows.
        since: Timestamp,
        /// Time online since the last reading.
        uptime: Span,
        /// Data since the last reading.
        data: DataSize,
    },
    /// The clock is to stand still.
    Pause,
    /// A pause or a suspension is over.
    Resume,
    /// Access is barred while the clock runs on.
    Suspend(SuspendReason),
    /// A gift of time.
    Extend(Span),
    /// A person ends it for good.
    Terminate,
    /// A device logs in: the first one is the only one from then on, where the plan says so.
    Lock(MacAddress),
    /// Another device may be the first one.
    Unlock,
}

/// What follows from a transition besides the new state. Data: somebody else acts on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The first window began.
    Started {
        /// When it ends, if a date can be named.
        ends_at: Option<Timestamp>,
    },
    /// More was bought.
    Renewed {
        /// When it ends now, if a date can be named.
        ends_at: Option<Timestamp>,
    },
    /// The customer is to be warned of the end.
    Warn {
        /// The end.
        ends_at: Timestamp,
    },
    /// The paid time is over; grace runs.
    GraceBegan {
        /// Its end.
        until: Timestamp,
    },
    /// The data is used up; the speed is reduced.
    Throttled,
    /// The speed is as sold again.
    Unthrottled,
    /// The clock stands still.
    Paused,
    /// The clock runs again, or access is no longer barred.
    Resumed,
    /// Access is barred.
    Suspended(SuspendReason),
    /// It is over.
    Ended(EndReason),
    /// A router must be read: the uptime should be used up.
    Measure,
    /// Only one device may use it from now on.
    Locked,
    /// Another device may be the first one.
    Unlocked,
}

/// Why something cannot happen. A normal answer, not a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// A terminated grant takes no more money.
    #[error("the service was terminated: create a new one instead")]
    Terminated,
    /// Only what is running can be paused.
    #[error("it is {0}: only a running grant can be paused")]
    NotRunning(&'static str),
    /// A date does not wait.
    #[error("its plan ends on a date, and a pause does not move a date")]
    EndsOnADate,
    /// Nothing to resume.
    #[error("it is {0}: only a paused or suspended grant can be resumed")]
    NotHeld(&'static str),
    /// It is over already.
    #[error("it ended already: renew it instead")]
    AlreadyEnded,
    /// Not started, so there is nothing to bar or extend.
    #[error("nobody has used it yet")]
    NotStarted,
    /// No end that could move.
    #[error("it has no end in time that could be moved")]
    NoEnd,
    /// Another device is the only one.
    #[error("it is locked to another device")]
    OtherDevice,
    /// No device is the only one.
    #[error("it is not locked to a device")]
    NotLocked,
}

/// The grant afterwards, and what follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// The grant in its new state.
    pub grant: Grant,
    /// What follows, in order.
    pub effects: Vec<Effect>,
}

impl Grant {
    /// What becomes of the grant when `event` happens at `now`.
    ///
    /// Deadlines that passed before `now` are applied first, so that late work gives the same
    /// result as punctual work: a payment after the end is a renewal, not an extension.
    pub fn apply(self, event: Event, now: Timestamp) -> Result<Applied, Refusal> {
        let mut step = Step { grant: self, effects: Vec::new(), now };
        step.pass_time();
        match event {
            Event::TimePassed => {}
            Event::Paid(terms) => step.pay(terms)?,
            Event::Seen { devices, since, uptime, data } => step.see(devices, since, uptime, data),
            Event::Pause => step.pause()?,
            Event::Resume => step.resume()?,
            Event::Suspend(why) => step.suspend(why)?,
            Event::Extend(span) => step.extend(span)?,
            Event::Terminate => step.terminate(),
            Event::Lock(device) => step.lock(device)?,
            Event::Unlock => step.unlock()?,
        }
        // An event can bring a deadline that has passed: a first login reported late.
        step.pass_time();
        Ok(Applied { grant: step.grant, effects: step.effects })
    }
}

struct Step {
    grant: Grant,
    effects: Vec<Effect>,
    now: Timestamp,
}

impl Step {
    /// Applies everything that fell due. Every deadline either moves the grant to a state with a
    /// later deadline or removes it, so the loop ends.
    fn pass_time(&mut self) {
        while let Some(due) = self.grant.next_deadline().filter(|due| due.at <= self.now) {
            match due.kind {
                DeadlineKind::End => self.reach_end(due.at),
                DeadlineKind::Lapse => self.lapse(due.at),
                DeadlineKind::SessionOver => self.end(due.at, EndReason::SessionEnded),
                DeadlineKind::Measure => self.ask_for_reading(),
                DeadlineKind::Warn => self.warn(),
            }
        }
    }

    fn reach_end(&mut self, at: Timestamp) {
        let grace = self.grant.terms.grace;
        match self.grant.state {
            State::Active(window) | State::Throttled(window) if !grace.is_zero() => {
                let until = at + grace;
                self.grant.state = State::Grace { window, until };
                self.effects.push(Effect::GraceBegan { until });
            }
            state => {
                let reason = state.window().map_or(EndReason::TimeUp, |window| window.reason());
                self.end(at, reason);
            }
        }
    }

    fn lapse(&mut self, at: Timestamp) {
        let paid = matches!(self.grant.state, State::Unused { paid: true, .. });
        self.end(at, if paid { EndReason::NeverActivated } else { EndReason::NeverUsed });
    }

    fn ask_for_reading(&mut self) {
        if let Presence::Online { asked_at, .. } = &mut self.grant.presence {
            *asked_at = Some(self.now);
        }
        self.effects.push(Effect::Measure);
    }

    /// Late after a downtime, a warning of an end that is over too would only confuse: the notice
    /// of the end follows in the same step.
    fn warn(&mut self) {
        let Some(ends_at) = self.grant.state.ends_at() else { return };
        self.grant.warned_of = Some(ends_at);
        if ends_at > self.now {
            self.effects.push(Effect::Warn { ends_at });
        }
    }

    fn end(&mut self, at: Timestamp, reason: EndReason) {
        let ends_at = self.grant.state.ends_at();
        self.grant.state = State::Ended { ends_at, at, reason };
        self.effects.push(Effect::Ended(reason));
    }

    fn pay(&mut self, terms: Terms) -> Result<(), Refusal> {
        match self.grant.state {
            State::Ended { reason: EndReason::Terminated, .. } => return Err(Refusal::Terminated),
            State::Unused { paid: false, .. } => self.sell(terms),
            State::Unused { paid: true, .. } => self.stack_on_unused(terms),
            State::Active(window) => self.renew(window.started, window.ends_at, terms),
            State::Throttled(window) => {
                self.renew(window.started, window.ends_at, terms);
                self.restore_speed();
            }
            State::Grace { window, .. } => self.start_over(Some(window), terms),
            State::Suspended { window, why, .. } => self.pay_suspended(window, why, terms),
            State::Paused { .. } => self.pay_paused(terms),
            State::Ended { ends_at, .. } => {
                let last =
                    ends_at.map(|end| Window { started: end, ends_at, ended_by: EndedBy::Wall });
                self.start_over(last, terms);
            }
        }
        Ok(())
    }

    fn sell(&mut self, terms: Terms) {
        self.grant.meter = Meter::of(&terms);
        self.grant.terms = terms;
        if self.grant.terms.starts == Starts::AtPayment {
            return self.start(self.now);
        }
        let activate_by = activate_by(&self.grant.terms, true, self.now);
        self.grant.state = State::Unused { activate_by, paid: true };
    }

    /// Bought twice before the first use: both purchases count, nothing is swallowed.
    fn stack_on_unused(&mut self, terms: Terms) {
        self.add_allowances(&terms);
        let first = self.grant.terms.clock.wall.unwrap_or(Span::ZERO);
        let wall = terms.clock.wall.map(|second| first + second);
        let activate_by = activate_by(&terms, true, self.now);
        self.grant.terms = terms;
        self.grant.terms.clock.wall = wall;
        self.grant.state = State::Unused { activate_by, paid: true };
        self.effects.push(Effect::Renewed { ends_at: None });
    }

    /// More of a running grant: what is left stays, the end moves from where it is.
    fn renew(&mut self, started: Timestamp, end: Option<Timestamp>, terms: Terms) {
        self.add_allowances(&terms);
        self.grant.terms = terms;
        let window = self.next_window(started, end);
        self.grant.state = State::Active(window);
        self.effects.push(Effect::Renewed { ends_at: window.ends_at });
    }

    /// A purchase after the end: a fresh period from now, with fresh allowances.
    fn start_over(&mut self, last: Option<Window>, terms: Terms) {
        let never_used = last.is_none() && terms.starts == Starts::AtFirstUse;
        self.grant.meter = self.grant.meter.topped_up(&terms);
        self.grant.terms = terms;
        self.grant.presence = match self.grant.presence {
            Presence::Left { .. } => Presence::Never,
            other => other,
        };
        if never_used {
            let activate_by = activate_by(&self.grant.terms, true, self.now);
            self.grant.state = State::Unused { activate_by, paid: true };
            return self.effects.push(Effect::Renewed { ends_at: None });
        }
        let window = self.next_window(self.now, last.and_then(|window| window.ends_at));
        self.grant.state = State::Active(window);
        self.effects.push(Effect::Renewed { ends_at: window.ends_at });
    }

    fn pay_suspended(&mut self, window: Window, why: SuspendReason, terms: Terms) {
        self.renew(window.started, window.ends_at, terms);
        match why {
            SuspendReason::Overdue => self.effects.push(Effect::Resumed),
            SuspendReason::Staff => {
                if let State::Active(window) = self.grant.state {
                    self.grant.state = State::Suspended { window, since: self.now, why };
                }
            }
        }
    }

    fn pay_paused(&mut self, terms: Terms) {
        self.add_allowances(&terms);
        let more = terms.clock.end_of_period(self.now).map(|(end, _)| end.since(self.now));
        if let State::Paused { left, .. } = &mut self.grant.state {
            *left = more.map(|more| left.unwrap_or(Span::ZERO) + more);
        }
        self.grant.terms = terms;
        self.effects.push(Effect::Renewed { ends_at: None });
    }

    /// The window that ends one period after `max(now, end)`; a renewal never moves the end back.
    fn next_window(&self, started: Timestamp, end: Option<Timestamp>) -> Window {
        let from = end.map_or(self.now, |end| end.max(self.now));
        let window = Window::opened(&self.grant.terms, from);
        let ends_at = match (window.ends_at, end) {
            (Some(new), Some(old)) => Some(new.max(old)),
            (new, _) => new,
        };
        Window { started, ends_at, ..window }
    }

    /// What was bought last says what is limited, and what is left of the same limit comes on top. A
    /// limit that was not there before counts from now on: two purchases with different limits must
    /// not make one without any.
    fn add_allowances(&mut self, terms: &Terms) {
        let meter = &mut self.grant.meter;
        let (uptime, data) = (meter.uptime, meter.data);
        meter.uptime_allowed =
            terms.clock.uptime.map(|more| meter.uptime_allowed.unwrap_or(uptime) + more);
        meter.data_allowed = terms.clock.data.map(|more| meter.data_allowed.unwrap_or(data) + more);
    }

    fn restore_speed(&mut self) {
        if let State::Active(window) = self.grant.state
            && self.grant.meter.data_is_used_up()
        {
            self.grant.state = State::Throttled(window);
            return;
        }
        self.effects.push(Effect::Unthrottled);
    }

    fn see(&mut self, devices: u16, since: Timestamp, uptime: Span, data: DataSize) {
        if devices > 0 && self.was_used_in_time(since) {
            self.start(since.min(self.now));
        }
        if !matches!(self.grant.state, State::Ended { .. }) {
            let meter = &mut self.grant.meter;
            meter.uptime = meter.uptime + uptime;
            meter.data = meter.data + data;
        }
        self.note_presence(devices);
        self.judge_meter();
    }

    /// A first login counts from when it happened, also if we hear of it only after the grant
    /// lapsed: the router was out of reach, the customer was in time.
    fn was_used_in_time(&self, since: Timestamp) -> bool {
        match self.grant.state {
            State::Unused { .. } => !self.grant.waits_for_money(),
            State::Ended {
                at, reason: EndReason::NeverUsed | EndReason::NeverActivated, ..
            } => since < at,
            _ => false,
        }
    }

    fn start(&mut self, at: Timestamp) {
        let window = Window::opened(&self.grant.terms, at);
        self.grant.state = State::Active(window);
        self.effects.push(Effect::Started { ends_at: window.ends_at });
    }

    fn note_presence(&mut self, devices: u16) {
        self.grant.presence = match (devices, self.grant.presence) {
            (0, Presence::Online { .. }) => Presence::Left { at: self.now },
            (0, gone) => gone,
            (devices, _) => Presence::Online { devices, measured_at: self.now, asked_at: None },
        };
    }

    fn judge_meter(&mut self) {
        let window = match self.grant.state {
            State::Active(window) | State::Throttled(window) | State::Grace { window, .. } => {
                window
            }
            _ => return,
        };
        if self.grant.meter.uptime_is_used_up() {
            return self.end(self.now, EndReason::UptimeUsedUp);
        }
        if !self.grant.meter.data_is_used_up() {
            return;
        }
        match (self.grant.terms.at_data_cap, self.grant.state) {
            (AtDataCap::End, _) => self.end(self.now, EndReason::DataUsedUp),
            (AtDataCap::Throttle(_), State::Active(_)) => {
                self.grant.state = State::Throttled(window);
                self.effects.push(Effect::Throttled);
            }
            (AtDataCap::Throttle(_), _) => {}
        }
    }

    fn pause(&mut self) -> Result<(), Refusal> {
        let (State::Active(window) | State::Throttled(window)) = self.grant.state else {
            return Err(match self.grant.state {
                State::Ended { .. } => Refusal::AlreadyEnded,
                other => Refusal::NotRunning(other.word()),
            });
        };
        if window.ends_at.is_some() && window.ended_by == EndedBy::Calendar {
            return Err(Refusal::EndsOnADate);
        }
        self.grant.state = State::Paused {
            left: window.ends_at.map(|end| end.since(self.now)),
            ended_by: window.ended_by,
            started: window.started,
            since: self.now,
        };
        self.effects.push(Effect::Paused);
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Refusal> {
        let window = match self.grant.state {
            State::Paused { left, ended_by, started, .. } => {
                Window { started, ends_at: left.map(|left| self.now + left), ended_by }
            }
            State::Suspended { window, .. } => window,
            State::Ended { .. } => return Err(Refusal::AlreadyEnded),
            other => return Err(Refusal::NotHeld(other.word())),
        };
        self.grant.state = State::Active(window);
        if self.grant.meter.data_is_used_up() {
            self.grant.state = State::Throttled(window);
        }
        // A device that was kept off has not left of its own will.
        self.grant.presence = Presence::Never;
        self.effects.push(Effect::Resumed);
        Ok(())
    }

    fn suspend(&mut self, why: SuspendReason) -> Result<(), Refusal> {
        let window = match self.grant.state {
            State::Active(window) | State::Throttled(window) | State::Grace { window, .. } => {
                window
            }
            State::Suspended { window, .. } => window,
            State::Ended { .. } => return Err(Refusal::AlreadyEnded),
            State::Paused { .. } => return Err(Refusal::NotRunning("paused")),
            State::Unused { .. } => return Err(Refusal::NotStarted),
        };
        self.grant.state = State::Suspended { window, since: self.now, why };
        self.effects.push(Effect::Suspended(why));
        Ok(())
    }

    fn extend(&mut self, span: Span) -> Result<(), Refusal> {
        match &mut self.grant.state {
            State::Active(window) | State::Throttled(window) | State::Suspended { window, .. } => {
                window.ends_at = Some(window.ends_at.ok_or(Refusal::NoEnd)? + span);
            }
            State::Paused { left, .. } => *left = Some(left.ok_or(Refusal::NoEnd)? + span),
            State::Grace { window, .. } => {
                let window = Window { ends_at: Some(self.now + span), ..*window };
                self.grant.state = State::Active(window);
            }
            State::Unused { .. } => return Err(Refusal::NotStarted),
            State::Ended { .. } => return Err(Refusal::AlreadyEnded),
        }
        self.effects.push(Effect::Renewed { ends_at: self.grant.state.ends_at() });
        Ok(())
    }

    fn lock(&mut self, device: MacAddress) -> Result<(), Refusal> {
        if !self.grant.admits(Some(device)) {
            return Err(Refusal::OtherDevice);
        }
        if self.grant.terms.logins.lock_to_first_device && self.grant.locked_to.is_none() {
            self.grant.locked_to = Some(device);
            self.effects.push(Effect::Locked);
        }
        Ok(())
    }

    fn unlock(&mut self) -> Result<(), Refusal> {
        self.grant.locked_to.take().ok_or(Refusal::NotLocked)?;
        self.effects.push(Effect::Unlocked);
        Ok(())
    }

    /// Twice is once. A grant that ended otherwise can still be closed to further payments.
    fn terminate(&mut self) {
        if !matches!(self.grant.state, State::Ended { reason: EndReason::Terminated, .. }) {
            self.end(self.now, EndReason::Terminated);
        }
    }
}
