//! Whether somebody may come in, and how: rules only.

use lango_domain::grant::{EndReason, Event, Grant, State, SuspendReason};
use lango_domain::hours::Door;
use lango_domain::ids::RouterId;
use lango_domain::logins::Logins;
use lango_domain::mac_address::MacAddress;
use lango_domain::quantity::{DataSize, Speed};
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::{RouterDeadline, Wanted};
use lango_store::grants::StoredGrant;

/// Who asks, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    /// At which router.
    pub(super) router: RouterId,
    /// From which device, if the router says.
    pub(super) device: Option<MacAddress>,
    /// Whether the device is all that he presents.
    pub(super) by_device: bool,
}

/// How somebody may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// The speed; none is unlimited.
    pub(super) speed: Option<Speed>,
    /// How many devices together.
    pub(super) devices: u16,
    /// How long this session may last; none is for ever.
    pub(super) lasts: Option<Span>,
    /// How much may go through in this session; none is any amount.
    pub(super) data: Option<DataSize>,
    /// Whether his clock is to start now.
    pub(super) is_first_use: bool,
    /// Whether his device is to be the only one from now on.
    pub(super) locks: bool,
    /// Whether he is to see the pay page only.
    pub(super) is_walled: bool,
    /// What his plan says of logins.
    pub(super) logins: Logins,
}

/// Why somebody may not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody has that name, or the password is another: which of the two is not told.
    Wrong,
    /// Nobody has paid for it.
    Unpaid,
    /// It is over.
    Ended(EndReason),
    /// It stands still at his wish.
    Paused,
    /// It is barred.
    Suspended(SuspendReason),
    /// It is good for another place.
    OtherPlace,
    /// So many devices are online with it already.
    TooManyDevices(u16),
    /// Another device is the only one that may use it.
    OtherDevice,
    /// The device is known, and its password is wanted all the same.
    DeviceAlone,
    /// Not at this hour; the day of the week and the time from which on, if one can be named.
    Closed(Option<(usize, String)>),
}

/// The shortest session that is worth a login.
const SHORTEST: Span = Span::seconds(1);
/// How long a walled customer stays before he is looked at again.
const WALLED_FOR: Span = Span::minutes(10);

/// What a grant gives at that NAS now.
pub(super) fn decide(
    stored: &StoredGrant,
    asking: &Asking,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    // Whatever is due happens first, also if the engine has not come to it yet.
    let passed = stored.grant.clone().apply(Event::TimePassed, now);
    let grant = passed.map_or_else(|_| stored.grant.clone(), |applied| applied.grant);
    if stored.router.is_some_and(|only| only != asking.router) {
        return Err(Refusal::OtherPlace);
    }
    let profile = match grant.wanted() {
        Wanted::Allowed(profile) | Wanted::Throttled(profile) => profile,
        Wanted::Walled if asking.by_device => return Err(refusal(&grant)),
        Wanted::Walled => return Ok(walled(&grant)),
        Wanted::Cut => return Err(refusal(&grant)),
    };
    if !grant.admits(asking.device) {
        return Err(Refusal::OtherDevice);
    }
    if asking.by_device && !grant.knows_devices() {
        return Err(Refusal::DeviceAlone);
    }
    let closes = closes(&grant, now)?.map(|closes| closes.since(now));
    let until = match profile.deadline {
        Some(RouterDeadline::At(end)) => Some(end.since(now)),
        Some(RouterDeadline::Online(span)) if !matches!(grant.state, State::Unused { .. }) => {
            Some(span.less(grant.meter.uptime))
        }
        Some(RouterDeadline::Online(span)) => Some(span),
        None => None,
    };
    let lasts = [until, grant.meter.uptime_left(), closes].into_iter().flatten().min();
    if closes.is_some_and(|closes| closes < SHORTEST) {
        return Err(Refusal::Closed(None));
    }
    if lasts.is_some_and(|lasts| lasts < SHORTEST) {
        return Err(Refusal::Ended(EndReason::TimeUp));
    }
    Ok(Decision {
        speed: profile.speed,
        devices: profile.devices,
        lasts,
        data: profile.data.and(grant.meter.data_left()),
        is_first_use: matches!(grant.state, State::Unused { .. }),
        locks: grant.terms.logins.lock_to_first_device && grant.locked_to.is_none(),
        is_walled: false,
        logins: grant.terms.logins.clone(),
    })
}

/// When the hours of its plan end; none if they do not.
fn closes(grant: &Grant, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    let Some(hours) = &grant.terms.logins.hours else { return Ok(None) };
    match hours.at(now) {
        Door::Open { closes } => Ok(closes),
        Door::Closed { opens } => {
            Err(Refusal::Closed(opens.map(|opens| hours.zone.weekday_and_time(opens))))
        }
    }
}

fn walled(grant: &Grant) -> Decision {
    Decision {
        speed: grant.terms.speed,
        devices: grant.terms.devices.get(),
        lasts: Some(WALLED_FOR),
        data: None,
        is_first_use: false,
        locks: false,
        is_walled: true,
        logins: Logins::default(),
    }
}

/// Why a grant gives nothing.
pub(super) fn refusal(grant: &Grant) -> Refusal {
    match grant.state {
        State::Paused { .. } => Refusal::Paused,
        State::Suspended { why, .. } => Refusal::Suspended(why),
        State::Ended { reason, .. } => Refusal::Ended(reason),
        State::Unused { .. } => Refusal::Unpaid,
        State::Active(_) | State::Throttled(_) | State::Grace { .. } => {
            Refusal::Ended(EndReason::TimeUp)
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
