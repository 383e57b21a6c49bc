//! The life of grants, as an operator would tell it; then any life at all.

use super::*;
use crate::calendar::{Calendar, CalendarRule};
use crate::ids::Id;
use crate::logins::Logins;
use crate::plan::{AfterEnd, AtDataCap, Clock, Starts, WhenSessionEnds};
use crate::quantity::Speed;
use crate::wanted::{RouterDeadline, Wanted};
use proptest::prelude::*;

const NOON: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

fn grant(terms: Terms, paid: bool) -> Grant {
    let birth = Birth {
        id: GrantId::from_raw(1),
        tenant: TenantId::from_raw(1),
        plan: PlanId::from_raw(1),
        customer: None,
        kind: GrantKind::Voucher,
        terms,
        standing: Standing::paid(paid),
    };
    Grant::new(birth, NOON)
}

#[test]
fn a_service_that_nobody_paid_gives_nothing_and_a_printed_voucher_does() {
    let voucher = grant(Terms::hotspot(Span::hours(1)), false);
    assert!(voucher.wanted().is_online());
    let service = Grant { kind: GrantKind::Pppoe, ..voucher };
    assert_eq!(service.wanted(), Wanted::Cut);
    // Somebody online by it is no first use: there is nothing to be used.
    let (seen, _) = apply(service.clone(), seen(1, NOON), NOON);
    assert_eq!(seen.state.word(), "unused");
    let (paid, _) = apply(service, Event::Paid(Terms::service(Span::days(30))), NOON);
    assert!(paid.wanted().is_online());
}

#[test]
fn what_another_system_sold_goes_on_until_its_end_and_is_renewed_from_there() {
    let brought = |end| {
        let waiting = grant(Terms::service(Span::days(30)), false);
        let Grant { id, tenant, plan, customer, kind, terms, .. } = waiting;
        let standing = Standing::PaidUntil(end);
        Grant::new(Birth { id, tenant, plan, customer, kind, terms, standing }, NOON)
    };
    let running = brought(NOON + Span::days(3));
    assert_eq!(running.state.word(), "active");
    assert_eq!(running.next_deadline().unwrap().at, NOON + Span::days(3));
    let terms = running.terms.clone();
    let (renewed, _) = apply(running, Event::Paid(terms), NOON);
    assert_eq!(renewed.state.ends_at(), Some(NOON + Span::days(33)));

    let over = brought(NOON);
    assert_eq!(ended(&over), Some(EndReason::DateReached));
    assert_eq!(over.next_deadline(), None);
}

fn apply(grant: Grant, event: Event, at: Timestamp) -> (Grant, Vec<Effect>) {
    let applied = grant.apply(event, at).unwrap();
    (applied.grant, applied.effects)
}

fn seen(devices: u16, since: Timestamp) -> Event {
    Event::Seen { devices, since, uptime: Span::ZERO, data: DataSize::ZERO }
}

fn used(uptime: Span, data: DataSize) -> Event {
    Event::Seen { devices: 1, since: NOON, uptime, data }
}

fn ended(grant: &Grant) -> Option<EndReason> {
    match grant.state {
        State::Ended { reason, .. } => Some(reason),
        _ => None,
    }
}

#[test]
fn an_hour_runs_from_the_first_login_and_ends_to_the_second() {
    let voucher = grant(Terms::hotspot(Span::hours(1)), false);
    let login = NOON + Span::minutes(7);
    let (voucher, effects) = apply(voucher, seen(1, login), login + Span::seconds(1));
    let end = login + Span::hours(1);
    assert_eq!(effects, [Effect::Started { ends_at: Some(end) }]);
    assert_eq!(voucher.next_deadline(), Some(Deadline { at: end, kind: DeadlineKind::End }));

    let (voucher, effects) = apply(voucher, Event::TimePassed, end - Span::from_micros(1));
    assert!(effects.is_empty() && voucher.wanted().is_online());
    let (voucher, effects) = apply(voucher, Event::TimePassed, end);
    assert_eq!(effects, [Effect::Ended(EndReason::TimeUp)]);
    assert_eq!(voucher.wanted(), Wanted::Cut);
    assert_eq!(voucher.next_deadline(), None);
}

#[test]
fn a_voucher_never_used_in_seven_days_lapses() {
    let terms = Terms { shelf_life: Some(Span::days(7)), ..Terms::hotspot(Span::hours(1)) };
    let (voucher, _) = apply(grant(terms, false), Event::TimePassed, NOON + Span::days(7));
    assert_eq!(ended(&voucher), Some(EndReason::NeverUsed));
}

#[test]
fn paid_but_never_activated_lapses_by_its_own_deadline() {
    let terms = Terms {
        shelf_life: Some(Span::days(90)),
        activate_within: Some(Span::days(1)),
        ..Terms::hotspot(Span::hours(1))
    };
    let (voucher, _) = apply(grant(terms, true), Event::TimePassed, NOON + Span::days(1));
    assert_eq!(ended(&voucher), Some(EndReason::NeverActivated));
}

#[test]
fn a_first_login_that_we_hear_of_late_still_counts() {
    let terms = Terms { shelf_life: Some(Span::days(7)), ..Terms::hotspot(Span::hours(1)) };
    let login = NOON + Span::days(7) - Span::minutes(5);
    let heard = NOON + Span::days(7) + Span::minutes(5);
    let (in_time, _) = apply(grant(terms.clone(), false), seen(1, login), heard);
    assert_eq!(in_time.state.ends_at(), Some(login + Span::hours(1)));
    assert!(in_time.wanted().is_online());
    let (too_late, _) = apply(grant(terms, false), seen(1, heard), heard);
    assert_eq!(ended(&too_late), Some(EndReason::NeverUsed));
}

#[test]
fn uptime_is_ended_by_a_reading_and_never_by_arithmetic() {
    let mut terms = Terms::hotspot(Span::hours(1));
    terms.clock = Clock { uptime: Some(Span::hours(2)), ..Clock::default() };
    let (account, _) = apply(grant(terms, true), seen(1, NOON), NOON);
    let supposed = NOON + Span::hours(2);
    assert_eq!(
        account.next_deadline(),
        Some(Deadline { at: supposed, kind: DeadlineKind::Measure })
    );

    let (account, effects) = apply(account, Event::TimePassed, supposed);
    assert_eq!(effects, [Effect::Measure]);
    assert!(account.wanted().is_online(), "he may have left long ago");
    assert!(account.next_deadline().unwrap().at > supposed, "asked once, not in a loop");

    let (account, _) = apply(account, used(Span::hours(1), DataSize::ZERO), supposed);
    assert!(account.wanted().is_online());
    let later = supposed + Span::hours(1);
    let (account, effects) = apply(account, used(Span::hours(1), DataSize::ZERO), later);
    assert_eq!(effects.last(), Some(&Effect::Ended(EndReason::UptimeUsedUp)));
    assert_eq!(account.wanted(), Wanted::Cut);
}

#[test]
fn data_used_up_ends_or_throttles_as_the_plan_says() {
    let mut terms = Terms::hotspot(Span::days(30));
    terms.clock.data = Some(DataSize::megabytes(2000));
    let capped = used(Span::ZERO, DataSize::megabytes(2000));
    let (cut, _) = apply(grant(terms.clone(), true), capped.clone(), NOON);
    assert_eq!(ended(&cut), Some(EndReason::DataUsedUp));

    let slow = Speed { upload: 64_000, download: 128_000 };
    terms.at_data_cap = AtDataCap::Throttle(slow);
    let (slowed, effects) = apply(grant(terms.clone(), true), capped, NOON);
    assert!(effects.contains(&Effect::Throttled));
    assert!(matches!(slowed.wanted(), Wanted::Throttled(profile) if profile.speed == Some(slow)));
    let (restored, effects) = apply(slowed, Event::Paid(terms), NOON + Span::days(1));
    assert!(effects.contains(&Effect::Unthrottled));
    assert!(matches!(restored.wanted(), Wanted::Allowed(_)));
    assert_eq!(restored.state.ends_at(), Some(NOON + Span::days(60)));
}

#[test]
fn a_purchase_after_the_end_gives_the_whole_allowance_again() {
    let mut terms = Terms::service(Span::days(30));
    terms.clock.data = Some(DataSize::megabytes(2000));
    let (service, _) =
        apply(grant(terms.clone(), true), used(Span::ZERO, DataSize::megabytes(1500)), NOON);
    let (service, _) = apply(service, Event::Paid(terms), NOON + Span::days(40));
    assert_eq!(service.meter.data_left(), Some(DataSize::megabytes(2000)));
    assert_eq!(service.meter.data, DataSize::megabytes(1500), "routers count on as well");
}

#[test]
fn the_first_limit_to_come_wins() {
    let zone = "Africa/Nairobi".parse().unwrap();
    let mut terms = Terms::hotspot(Span::days(30));
    terms.clock.calendar = Some(Calendar { rule: CalendarRule::Midnights { count: 1 }, zone });
    terms.starts = Starts::AtPayment;
    let daily = grant(terms, true);
    let end = daily.state.ends_at().unwrap();
    assert!(end < NOON + Span::days(1));
    let (daily, _) = apply(daily, Event::TimePassed, end);
    assert_eq!(ended(&daily), Some(EndReason::DateReached));
}

#[test]
fn a_renewal_counts_from_the_end_or_from_now_whichever_is_later() {
    let monthly = Terms::service(Span::days(30));
    let (early, _) =
        apply(grant(monthly.clone(), true), Event::Paid(monthly.clone()), NOON + Span::days(20));
    assert_eq!(early.state.ends_at(), Some(NOON + Span::days(60)));

    let late = NOON + Span::days(45);
    let (service, effects) = apply(grant(monthly.clone(), true), Event::Paid(monthly), late);
    assert_eq!(
        effects[0],
        Effect::Ended(EndReason::TimeUp),
        "what fell due while down comes first"
    );
    assert_eq!(service.state.ends_at(), Some(late + Span::days(30)));
    assert!(service.wanted().is_online());
}

#[test]
fn an_hour_on_the_clock_and_an_hour_online_are_not_for_ever() {
    let on_the_clock = Terms::hotspot(Span::hours(1));
    let online = Clock { uptime: Some(Span::hours(1)), ..Clock::default() };
    let online = Terms { clock: online, ..Terms::hotspot(Span::ZERO) };
    for (first, second) in [(&on_the_clock, &online), (&online, &on_the_clock)] {
        let unused = grant(first.clone(), true);
        let (running, _) = apply(unused.clone(), seen(1, NOON), NOON);
        let (paused, _) = apply(running.clone(), Event::Pause, NOON);
        for had in [unused, running, paused] {
            let (both, _) = apply(had.clone(), Event::Paid(second.clone()), NOON);
            let both = both.clone().apply(Event::Resume, NOON).map_or(both, |done| done.grant);
            let (both, _) = apply(both, seen(1, NOON), NOON);
            let (both, _) =
                apply(both, used(Span::hours(3), DataSize::ZERO), NOON + Span::hours(3));
            assert!(ended(&both).is_some(), "{had:?} and {second:?}: {both:?}");
        }
    }
}

#[test]
fn grace_keeps_him_online_and_then_shows_the_pay_page() {
    let terms =
        Terms { grace: Span::days(3), after_end: AfterEnd::Wall, ..Terms::service(Span::days(30)) };
    let (service, effects) = apply(grant(terms, true), Event::TimePassed, NOON + Span::days(30));
    assert_eq!(effects, [Effect::GraceBegan { until: NOON + Span::days(33) }]);
    assert!(service.wanted().is_online());
    let (service, _) = apply(service, Event::TimePassed, NOON + Span::days(33));
    assert_eq!(service.wanted(), Wanted::Walled);
}

#[test]
fn a_pause_keeps_the_time_that_is_left() {
    let terms = Terms::service(Span::days(30));
    let (service, _) = apply(grant(terms, true), Event::Pause, NOON + Span::days(10));
    assert_eq!(service.wanted(), Wanted::Cut);
    assert_eq!(service.next_deadline(), None);
    let (service, _) = apply(service, Event::Resume, NOON + Span::days(100));
    assert_eq!(service.state.ends_at(), Some(NOON + Span::days(120)));
}

#[test]
fn suspended_overdue_and_paid_is_online_but_staff_must_lift_their_own_bar() {
    let terms = Terms::service(Span::days(30));
    let barred = |why| {
        let service = grant(terms.clone(), true);
        let (service, _) = apply(service, Event::Suspend(why), NOON + Span::days(1));
        assert_eq!(service.wanted(), Wanted::Cut);
        apply(service, Event::Paid(terms.clone()), NOON + Span::days(2)).0
    };
    assert!(barred(SuspendReason::Overdue).wanted().is_online());
    let kept = barred(SuspendReason::Staff);
    assert_eq!(kept.wanted(), Wanted::Cut);
    assert_eq!(kept.state.ends_at(), Some(NOON + Span::days(60)), "the money is not lost");
}

#[test]
fn a_terminated_service_takes_no_more_money() {
    let terms = Terms::service(Span::days(30));
    let (service, _) = apply(grant(terms.clone(), true), Event::Terminate, NOON);
    assert_eq!(service.clone().apply(Event::Paid(terms), NOON), Err(Refusal::Terminated));
    assert_eq!(service.wanted(), Wanted::Cut);
}

#[test]
fn the_end_of_a_session_ends_the_grant_only_if_the_plan_says_so() {
    let keep = Terms::hotspot(Span::hours(8));
    let end =
        Terms { when_session_ends: WhenSessionEnds::EndAfter(Span::minutes(10)), ..keep.clone() };
    let leave = |terms| {
        let (grant, _) = apply(grant(terms, true), seen(1, NOON), NOON);
        let (grant, _) = apply(grant, seen(0, NOON), NOON + Span::hours(1));
        grant
    };
    let (kept, _) = apply(leave(keep), Event::TimePassed, NOON + Span::hours(2));
    assert!(kept.wanted().is_online());
    let gone = leave(end);
    let (back, _) = apply(gone.clone(), seen(1, NOON), NOON + Span::minutes(65));
    let (back, _) = apply(back, Event::TimePassed, NOON + Span::hours(2));
    assert!(back.wanted().is_online(), "he came back within the grace time");
    let (gone, _) = apply(gone, Event::TimePassed, NOON + Span::hours(2));
    assert_eq!(ended(&gone), Some(EndReason::SessionEnded));
}

#[test]
fn he_is_warned_once_of_each_end() {
    let terms = Terms { warn_before: Some(Span::minutes(10)), ..Terms::service(Span::hours(1)) };
    let warn_at = NOON + Span::minutes(50);
    let (service, effects) = apply(grant(terms.clone(), true), Event::TimePassed, warn_at);
    assert_eq!(effects, [Effect::Warn { ends_at: NOON + Span::hours(1) }]);
    let (service, effects) = apply(service, Event::TimePassed, warn_at + Span::minutes(1));
    assert!(effects.is_empty());
    let (service, _) = apply(service, Event::Paid(terms), warn_at + Span::minutes(2));
    let (_, effects) = apply(service, Event::TimePassed, NOON + Span::minutes(110));
    assert_eq!(effects, [Effect::Warn { ends_at: NOON + Span::hours(2) }]);
}

#[test]
fn a_warning_that_comes_after_the_end_is_not_sent() {
    let terms = Terms { warn_before: Some(Span::minutes(10)), ..Terms::service(Span::hours(1)) };
    let (_, effects) = apply(grant(terms, true), Event::TimePassed, NOON + Span::hours(5));
    assert_eq!(effects, [Effect::Ended(EndReason::TimeUp)]);
}

#[test]
fn the_router_is_given_a_deadline_of_its_own() {
    let voucher = grant(Terms::hotspot(Span::hours(1)), false);
    let deadline = |grant: &Grant| grant.wanted().profile().unwrap().deadline;
    assert_eq!(deadline(&voucher), Some(RouterDeadline::Online(Span::hours(1))));
    let (voucher, _) = apply(voucher, seen(1, NOON), NOON);
    assert_eq!(deadline(&voucher), Some(RouterDeadline::At(NOON + Span::hours(1))));
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let span = (1..100_000i64).prop_map(Span::seconds);
    let calendar = (1..40u16).prop_map(|count| Calendar {
        rule: CalendarRule::Midnights { count },
        zone: "Africa/Nairobi".parse().unwrap(),
    });
    let clock = (
        proptest::option::of(span.clone()),
        proptest::option::of(span.clone()),
        proptest::option::of(1..10_000u64),
        proptest::option::of(calendar),
    )
        .prop_map(|(wall, uptime, data, calendar)| Clock {
            wall,
            uptime,
            calendar,
            data: data.map(DataSize::bytes),
        });
    let slow = Speed { upload: 1, download: 1 };
    (
        clock,
        any::<bool>(),
        proptest::option::of(span.clone()),
        prop_oneof![Just(Span::ZERO), span.clone()],
        proptest::option::of(span.clone()),
        any::<bool>(),
        proptest::option::of(span),
        any::<bool>(),
    )
        .prop_map(
            move |(
                clock,
                at_payment,
                shelf_life,
                grace,
                warn_before,
                throttle,
                session,
                lock_to_first_device,
            )| Terms {
                logins: Logins { lock_to_first_device, ..Logins::default() },
                starts: if at_payment { Starts::AtPayment } else { Starts::AtFirstUse },
                clock,
                shelf_life,
                activate_within: None,
                grace,
                warn_before,
                at_data_cap: if throttle { AtDataCap::Throttle(slow) } else { AtDataCap::End },
                when_session_ends: session.map_or(WhenSessionEnds::Keep, WhenSessionEnds::EndAfter),
                ..Terms::hotspot(Span::ZERO)
            },
        )
}

fn device(last: u8) -> MacAddress {
    MacAddress::new([2, 0, 0, 0, 0, last])
}

#[test]
fn the_first_device_is_the_only_one_until_staff_unlock() {
    let logins = Logins { lock_to_first_device: true, ..Logins::default() };
    let voucher = grant(Terms { logins, ..Terms::hotspot(Span::hours(1)) }, true);
    assert!(voucher.admits(Some(device(1))) && !voucher.admits(None));
    let (voucher, effects) = apply(voucher, Event::Lock(device(1)), NOON);
    assert_eq!(effects, [Effect::Locked]);
    assert!(voucher.admits(Some(device(1))) && !voucher.admits(Some(device(2))));
    let (voucher, effects) = apply(voucher, Event::Lock(device(1)), NOON);
    assert_eq!(effects, [], "it is the one");
    assert_eq!(voucher.clone().apply(Event::Lock(device(2)), NOON), Err(Refusal::OtherDevice));
    let (voucher, effects) = apply(voucher, Event::Unlock, NOON);
    assert_eq!(effects, [Effect::Unlocked]);
    assert_eq!(voucher.clone().apply(Event::Unlock, NOON), Err(Refusal::NotLocked));
    let (voucher, _) = apply(voucher, Event::Lock(device(2)), NOON);
    assert!(voucher.admits(Some(device(2))) && !voucher.admits(Some(device(1))));
}

#[test]
fn a_device_is_no_key_where_it_is_the_lock_nor_to_what_does_not_run() {
    let voucher = grant(Terms::hotspot(Span::hours(1)), true);
    assert!(!voucher.knows_devices(), "nobody was online by it");
    let (running, _) = apply(voucher, seen(1, NOON), NOON);
    assert!(running.knows_devices());
    assert!(!Grant { kind: GrantKind::Pppoe, ..running.clone() }.knows_devices());
    let (over, _) = apply(running.clone(), Event::TimePassed, NOON + Span::hours(1));
    assert!(!over.knows_devices());
    for logins in [
        Logins { lock_to_first_device: true, ..Logins::default() },
        Logins { known_devices: KnownDevices::NeedPassword, ..Logins::default() },
    ] {
        let terms = Terms { logins, ..running.terms.clone() };
        assert!(!Grant { terms, ..running.clone() }.knows_devices());
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let span = (0..50_000i64).prop_map(Span::seconds);
    prop_oneof![
        Just(Event::TimePassed),
        any_terms().prop_map(Event::Paid),
        (0..4u16, span.clone(), 0..5_000u64).prop_map(|(devices, uptime, data)| Event::Seen {
            devices,
            since: NOON,
            uptime,
            data: DataSize::bytes(data),
        }),
        Just(Event::Pause),
        Just(Event::Resume),
        Just(Event::Suspend(SuspendReason::Overdue)),
        Just(Event::Suspend(SuspendReason::Staff)),
        span.prop_map(Event::Extend),
        Just(Event::Terminate),
        (0..3u8).prop_map(|last| Event::Lock(device(last))),
        Just(Event::Unlock),
    ]
}

fn any_life() -> impl Strategy<Value = (Terms, bool, Vec<(i64, Event)>)> {
    let events = proptest::collection::vec((0..200_000i64, any_event()), 0..25);
    (any_terms(), any::<bool>(), events)
}

proptest! {
    /// Whatever happens in whatever order: nothing that is due is left undone, a payment never
    /// moves an end back, an end has one reason, and online means a right to be online.
    #[test]
    fn any_life_keeps_the_rules((terms, paid, events) in any_life()) {
        let mut grant = grant(terms, paid);
        let mut now = NOON;
        for (wait, event) in events {
            now = now + Span::seconds(wait);
            let due = grant.clone().apply(Event::TimePassed, now).unwrap().grant;
            let before = due.state.ends_at();
            let pays = matches!(event, Event::Paid(_));
            let Ok(Applied { grant: after, effects }) = grant.clone().apply(event, now) else {
                grant = due;
                continue;
            };
            if let (true, Some(old), Some(new)) = (pays, before, after.state.ends_at()) {
                prop_assert!(new >= old, "a renewal moved the end from {old} back to {new}");
            }
            if let Some(deadline) = after.next_deadline() {
                prop_assert!(deadline.at > now, "{deadline:?} is due at {now} and was left undone");
            }
            let ends = effects.iter().filter(|effect| matches!(effect, Effect::Ended(_))).count();
            prop_assert!(ends <= 2, "ended {ends} times in one step");
            if let State::Active(window) | State::Throttled(window) = after.state {
                prop_assert!(window.ends_at.is_none_or(|end| end > now));
                prop_assert!(!after.meter.uptime_is_used_up() || after.wanted().is_online());
            }
            if let (Some(only), Some(now)) = (grant.locked_to, after.locked_to) {
                prop_assert_eq!(only, now, "locked to another device without an unlocking");
            }
            prop_assert!(after.locked_to.is_none() || !after.knows_devices() || !after.terms.logins.lock_to_first_device);
            grant = after;
        }
    }

    /// Whatever somebody has, and however it is held: who buys what ends has something that ends.
    #[test]
    fn what_is_bought_ends_whatever_it_is_added_to(
        (terms, paid, events) in any_life(), more in any_terms()
    ) {
        let mut now = NOON;
        let mut grant = grant(terms, paid);
        for (wait, event) in events {
            now = now + Span::seconds(wait);
            grant = grant.clone().apply(event, now).map_or(grant, |applied| applied.grant);
        }
        let ends = !more.clock.is_endless();
        let Ok(Applied { grant, .. }) = grant.apply(Event::Paid(more), now) else { return Ok(()) };
        let waits = matches!(grant.state, State::Unused { .. }) && !grant.terms.clock.is_endless();
        let left = match grant.state {
            State::Paused { left, .. } => left.is_some(),
            state => state.ends_at().is_some(),
        };
        let counts = grant.meter.uptime_allowed.is_some() || grant.meter.data_allowed.is_some();
        prop_assert!(!ends || waits || left || counts, "{grant:?}");
        let Grant { meter: Meter { uptime_allowed, data_allowed, .. }, terms, .. } = grant;
        prop_assert_eq!(terms.clock.uptime.is_some(), uptime_allowed.is_some());
        prop_assert_eq!(terms.clock.data.is_some(), data_allowed.is_some());
    }

    /// Late work gives the same end as punctual work.
    #[test]
    fn a_downtime_changes_nothing(terms in any_terms(), waits in proptest::collection::vec(1..50_000i64, 1..10)) {
        let total: i64 = waits.iter().sum();
        let late = grant(terms.clone(), true)
            .apply(Event::TimePassed, NOON + Span::seconds(total)).unwrap().grant;
        let mut punctual = grant(terms, true);
        let mut now = NOON;
        for wait in waits {
            now = now + Span::seconds(wait);
            punctual = punctual.apply(Event::TimePassed, now).unwrap().grant;
        }
        prop_assert_eq!(late.state, punctual.state);
    }

    /// The same purchase twice is two purchases, and one is one: time is conserved.
    #[test]
    fn every_purchase_counts_once(wall in 1..100_000i64, purchases in 1..10usize) {
        let terms = Terms::service(Span::seconds(wall));
        let mut service = grant(terms.clone(), true);
        for _ in 0..purchases {
            service = service.apply(Event::Paid(terms.clone()), NOON).unwrap().grant;
        }
        let bought = Span::seconds(wall * (purchases as i64 + 1));
        prop_assert_eq!(service.state.ends_at(), Some(NOON + bought));
    }
}
