//! Each rule, by somebody whom it lets in and somebody whom it does not.

use super::*;
use lango_domain::access::GrantKind;
use lango_domain::grant::{Birth, Standing};
use lango_domain::hours::Hours;
use lango_domain::ids::{GrantId, Id, PlanId, TenantId};
use lango_domain::logins::KnownDevices;
use lango_domain::plan::{AfterEnd, Terms};

/// A Wednesday, six minutes past two in Nairobi.
const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);
const ANN: &str = "02:00:00:00:00:01";
const BOB: &str = "02:00:00:00:00:02";

fn lobby() -> Asking {
    Asking { router: RouterId::from_raw(1), device: ANN.parse().ok(), by_device: false }
}

pub(in crate::radius::login) fn sold(terms: Terms) -> StoredGrant {
    let birth = Birth {
        id: GrantId::from_raw(1),
        tenant: TenantId::from_raw(1),
        plan: PlanId::from_raw(1),
        customer: None,
        kind: GrantKind::Voucher,
        terms,
        standing: Standing::Paid,
    };
    let (label, terms_id) = ("….123".to_owned(), 1);
    StoredGrant { grant: Grant::new(birth, NOW), terms_id, label, router: None, version: 1 }
}

fn told(stored: StoredGrant, event: Event, at: Timestamp) -> StoredGrant {
    let grant = stored.grant.apply(event, at).unwrap().grant;
    StoredGrant { grant, ..stored }
}

/// Online since now.
fn in_use(terms: Terms) -> StoredGrant {
    used(sold(terms), Span::ZERO, 0)
}

fn used(stored: StoredGrant, uptime: Span, bytes: u64) -> StoredGrant {
    let data = DataSize::bytes(bytes);
    told(stored, Event::Seen { devices: 1, since: NOW, uptime, data }, NOW)
}

pub(in crate::radius::login) fn hour() -> Terms {
    Terms::hotspot(Span::hours(1))
}

#[test]
fn an_unused_voucher_gives_what_was_sold_and_starts() {
    let decision = decide(&sold(hour()), &lobby(), NOW).unwrap();
    assert_eq!((decision.lasts, decision.data), (Some(Span::hours(1)), None));
    assert!(decision.is_first_use && !decision.locks && !decision.is_walled);
    let again = decide(&in_use(hour()), &lobby(), NOW + Span::minutes(20)).unwrap();
    assert_eq!(again.lasts, Some(Span::minutes(40)), "the clock runs");
    assert!(!again.is_first_use);
}

#[test]
fn what_is_due_happens_before_the_engine_comes_to_it() {
    let late = decide(&in_use(hour()), &lobby(), NOW + Span::minutes(61));
    assert_eq!(late, Err(Refusal::Ended(EndReason::TimeUp)));
    let last = decide(&in_use(hour()), &lobby(), NOW + Span::hours(1) - Span::millis(1));
    assert_eq!(last, Err(Refusal::Ended(EndReason::TimeUp)), "less than a second is nothing");
}

#[test]
fn it_is_good_for_its_own_router_only() {
    let at = |router| StoredGrant { router: Some(RouterId::from_raw(router)), ..sold(hour()) };
    assert!(decide(&at(1), &lobby(), NOW).is_ok());
    assert_eq!(decide(&at(2), &lobby(), NOW), Err(Refusal::OtherPlace));
}

#[test]
fn a_lock_takes_the_first_device_and_refuses_every_other() {
    let logins = Logins { lock_to_first_device: true, ..Logins::default() };
    let free = in_use(Terms { logins, ..hour() });
    assert!(decide(&free, &lobby(), NOW).unwrap().locks);
    let locked = |to: &str| told(free.clone(), Event::Lock(to.parse().unwrap()), NOW);
    let own = decide(&locked(ANN), &lobby(), NOW).unwrap();
    assert!(!own.locks, "once");
    assert_eq!(decide(&locked(BOB), &lobby(), NOW), Err(Refusal::OtherDevice));
    let nameless = Asking { device: None, ..lobby() };
    assert_eq!(decide(&free, &nameless, NOW), Err(Refusal::OtherDevice));
}

#[test]
fn a_device_alone_comes_in_where_devices_are_known() {
    let alone = Asking { by_device: true, ..lobby() };
    assert!(decide(&in_use(hour()), &alone, NOW).is_ok());
    let logins = Logins { known_devices: KnownDevices::default(), ..Logins::default() };
    assert!(decide(&in_use(Terms { logins, ..hour() }), &alone, NOW).is_ok());
    let logins = Logins { lock_to_first_device: true, ..Logins::default() };
    let locked = in_use(Terms { logins, ..hour() });
    assert_eq!(decide(&locked, &alone, NOW), Err(Refusal::DeviceAlone));
}

#[test]
fn hours_end_a_session_and_close_the_door() {
    let at = |week: &str| {
        let zone = "Africa/Nairobi".parse().unwrap();
        let hours = Some(Hours { week: week.parse().unwrap(), zone });
        in_use(Terms {
            logins: Logins { hours, ..Logins::default() },
            ..Terms::hotspot(Span::days(1))
        })
    };
    let decision = decide(&at("We 08:00-18:00"), &lobby(), NOW).unwrap();
    assert_eq!(decision.lasts, Some(Span::hours(4).less(Span::seconds(400))));
    let closed = decide(&at("We 15:00-18:00"), &lobby(), NOW);
    assert_eq!(closed, Err(Refusal::Closed(Some((2, "15:00".to_owned())))));
}

#[test]
fn time_online_and_data_are_what_is_left_of_them() {
    let mut terms = Terms::hotspot(Span::days(1));
    (terms.clock.wall, terms.clock.uptime) = (None, Some(Span::hours(2)));
    terms.clock.data = Some(DataSize::bytes(1_000));
    let fresh = decide(&sold(terms.clone()), &lobby(), NOW).unwrap();
    assert_eq!((fresh.lasts, fresh.data), (Some(Span::hours(2)), Some(DataSize::bytes(1_000))));
    let stored = used(in_use(terms.clone()), Span::minutes(30), 400);
    let rest = decide(&stored, &lobby(), NOW).unwrap();
    assert_eq!((rest.lasts, rest.data), (Some(Span::minutes(90)), Some(DataSize::bytes(600))));
    // Whichever ends first.
    terms.clock.wall = Some(Span::hours(1));
    let stored = used(in_use(terms), Span::minutes(30), 0);
    let rest = decide(&stored, &lobby(), NOW + Span::minutes(50)).unwrap();
    assert_eq!(rest.lasts, Some(Span::minutes(10)));
    let mut terms = Terms::hotspot(Span::days(1));
    terms.clock.uptime = Some(Span::hours(2));
    let stored = used(in_use(terms), Span::minutes(30), 0);
    assert_eq!(decide(&stored, &lobby(), NOW).unwrap().lasts, Some(Span::minutes(90)));
}

#[test]
fn behind_the_wall_there_is_room_for_a_while_but_not_for_a_device_alone() {
    let terms = Terms { after_end: AfterEnd::Wall, ..hour() };
    let over = in_use(terms);
    let late = NOW + Span::hours(2);
    let walled = decide(&over, &lobby(), late).unwrap();
    assert!(walled.is_walled && !walled.is_first_use);
    assert_eq!((walled.lasts, walled.data), (Some(WALLED_FOR), None));
    let alone = Asking { by_device: true, ..lobby() };
    assert_eq!(decide(&over, &alone, late), Err(Refusal::Ended(EndReason::TimeUp)));
}
