//! What customers live through on routers that ask by RADIUS, on both databases: asserted on
//! whether they browse.

use super::town::{Town, browses, phone, sign_in};
use crate::harness::Engine;
use lango_domain::grant::{Event, SuspendReason};
use lango_domain::plan::{AtDataCap, Terms, WhenSessionEnds};
use lango_domain::quantity::{DataSize, Speed};
use lango_domain::time::Span;
use lango_router_sim::{Delivery, Reboot, Status};
use std::num::NonZeroU16;

macro_rules! in_town {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Town::on(super::Engine::Sqlite).await).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Town::on(super::Engine::Postgres).await).await;
            })+
        }
    };
}

in_town!(
    a_voucher_from_its_first_login_to_its_end,
    two_gigabytes_are_shared_by_three_devices_on_two_routers,
    a_renewal_extends_a_live_session_without_a_reconnect,
    a_router_reboots_without_a_word_and_nobody_is_cut_who_paid,
    a_router_that_announces_its_start_ends_its_sessions,
    a_ghost_of_the_own_phone_takes_nobodys_place,
    whoever_we_could_not_hear_is_not_taken_for_gone,
    a_pause_stops_the_clock_and_the_customer,
    a_suspended_customer_is_off_at_once_and_may_come_back,
    whoever_used_up_his_data_goes_on_slowly_in_the_same_session,
    a_wrong_secret_shows_as_exactly_that,
);

fn gigabytes(count: u64) -> DataSize {
    DataSize::bytes(count * 1_000_000_000)
}

fn for_devices(count: u16, terms: Terms) -> Terms {
    Terms { devices: NonZeroU16::new(count).unwrap(), ..terms }
}

async fn a_voucher_from_its_first_login_to_its_end(town: Town) {
    town.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (code, grant) = town.voucher("Hour").await;
    let ann = phone(1);
    sign_in(town.lobby(), ann, &code).await.unwrap();
    assert!(browses(town.lobby(), ann));
    assert_eq!(town.grant(grant).await.grant.state.word(), "active");
    town.pass(Span::minutes(59)).await;
    assert!(browses(town.lobby(), ann), "his hour is not over");
    // Interims grow what staff see, too.
    town.lobby().transfer(ann, 1_000, 9_000);
    town.pass(Span::minutes(1)).await;
    town.until("the cut is confirmed on both routers", async || town.cuts(grant).await.len() == 2)
        .await;
    let cuts = town.cuts(grant).await;
    let elsewhere = cuts.iter().find(|cut| cut.router == town.places[1].id).unwrap();
    assert_eq!(elsewhere.confirmed_by, "nobody", "where nobody was, no router did anything");
    assert!(!browses(town.lobby(), ann), "his hour is over");
    assert!(town.lobby().rows("/ip/hotspot/active").is_empty());
    town.settle().await;
    let sessions = town.sessions(grant).await;
    let [(counted, shown)] = &sessions[..] else { panic!("one session: {sessions:?}") };
    assert!(counted.ended_at.is_some(), "it is confirmed gone: {counted:?}");
    assert_eq!((counted.input.as_bytes(), counted.output.as_bytes()), (1_000, 9_000));
    assert_eq!((counted.ended_at, counted.uptime), (shown.ended_at, shown.uptime));
    assert_eq!(shown.data.as_bytes(), 10_000, "what the last report says is what staff see");
    let told = sign_in(town.lobby(), ann, &code).await;
    assert_eq!(told, Err("Your time is over. Buy more to go on.".to_owned()));
    assert!(!browses(town.lobby(), ann));
}

async fn two_gigabytes_are_shared_by_three_devices_on_two_routers(town: Town) {
    let mut terms = for_devices(3, Terms::hotspot(Span::days(1)));
    terms.clock.data = Some(gigabytes(2));
    town.plan("2 GB", terms).await;
    let (code, grant) = town.voucher("2 GB").await;
    let people = [(town.lobby(), phone(1)), (town.lobby(), phone(2)), (town.tower(), phone(3))];
    for (router, mac) in people {
        sign_in(router, mac, &code).await.unwrap();
    }
    town.settle().await;
    let fourth = sign_in(town.tower(), phone(4), &code).await.unwrap_err();
    assert!(fourth.starts_with("3 device(s) are online"), "{fourth}");
    for (router, mac) in people {
        router.transfer(mac, 100_000_000, 500_000_000);
    }
    town.pass(Span::minutes(6)).await;
    assert_eq!(town.grant(grant).await.grant.meter.data.as_bytes(), 1_800_000_000);
    assert!(people.iter().all(|(router, mac)| browses(router, *mac)), "there is some left");
    town.tower().transfer(phone(3), 0, 200_000_000);
    town.pass(Span::minutes(6)).await;
    town.until("all three are off", async || {
        people.iter().all(|(router, mac)| !browses(router, *mac))
    })
    .await;
    town.until("both routers confirm", async || town.cuts(grant).await.len() == 2).await;
    town.settle().await;
    let sessions = town.sessions(grant).await;
    assert_eq!(sessions.len(), 3);
    let all: u64 = sessions.iter().map(|(_, shown)| shown.data.as_bytes()).sum();
    assert_eq!(all, 2_000_000_000, "every octet once");
    assert!(sessions.iter().all(|(counted, _)| counted.ended_at.is_some()));
    let told = sign_in(town.lobby(), phone(1), &code).await;
    assert_eq!(told, Err("Your data is used up. Buy more to go on.".to_owned()));
}

async fn a_renewal_extends_a_live_session_without_a_reconnect(town: Town) {
    town.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (code, grant) = town.voucher("Hour").await;
    let ann = phone(1);
    let mut told = town.lobby().radius_events();
    sign_in(town.lobby(), ann, &code).await.unwrap();
    town.settle().await;
    town.pass(Span::minutes(50)).await;
    town.pay(grant).await;
    town.until("the router knows of the new end", async || {
        let rows = town.lobby().rows("/ip/hotspot/active");
        rows.iter().any(|row| row.text("session-time-left").as_deref() == Some("1h10m"))
    })
    .await;
    town.pass(Span::minutes(60)).await;
    assert!(browses(town.lobby(), ann), "he paid for another hour");
    let mut reports = Vec::new();
    while let Ok(event) = told.try_recv() {
        if event.delivery == Delivery::Acknowledged {
            reports.push((event.report.status, event.report.session_id));
        }
    }
    let first = reports[0].clone();
    assert_eq!(first.0, Status::Start);
    assert!(reports.len() > 10, "{reports:?}");
    let other =
        reports[1..].iter().find(|(status, id)| (*status, id) != (Status::Interim, &first.1));
    assert_eq!(other, None, "one session all along");
    let sessions = town.sessions(grant).await;
    assert_eq!((sessions.len(), sessions[0].0.ended_at), (1, None));
    assert!(town.cuts(grant).await.is_empty());
    town.pass(Span::minutes(10)).await;
    town.until("he is off", async || !browses(town.lobby(), ann)).await;
    town.until("it is confirmed", async || town.cuts(grant).await.len() == 2).await;
}

async fn a_router_reboots_without_a_word_and_nobody_is_cut_who_paid(town: Town) {
    town.plan("Day", Terms::hotspot(Span::days(1))).await;
    town.plan("Month", Terms::service(Span::days(30))).await;
    let ((ann, bob), router) = ((phone(1), phone(2)), town.lobby());
    let (anns, ann_grant) = town.voucher("Day").await;
    let (bobs, bob_grant) = town.voucher("Day").await;
    let home_grant = town.service("Month", "home").await;
    sign_in(router, ann, &anns).await.unwrap();
    sign_in(router, bob, &bobs).await.unwrap();
    router.dial(phone(3), "home", "secret");
    town.until("all are online", async || {
        [ann, bob, phone(3)].iter().all(|mac| browses(router, *mac))
    })
    .await;
    for mac in [ann, bob, phone(3)] {
        router.transfer(mac, 0, 1_000_000);
    }
    town.pass(Span::minutes(6)).await;
    router.leave(bob);
    router.reboot(Reboot { ntp_after: None });
    assert!(!browses(router, ann));
    town.pass(Span::minutes(1)).await;
    if !browses(router, ann) {
        sign_in(router, ann, &anns).await.unwrap();
    }
    town.until("those who are there are back", async || {
        [ann, phone(3)].iter().all(|mac| browses(router, *mac))
    })
    .await;
    router.transfer(ann, 0, 1_000);
    town.settle().await;
    let sessions = town.sessions(ann_grant).await;
    let causes: Vec<_> = sessions.iter().map(|(counted, _)| counted.cause.as_deref()).collect();
    assert_eq!(causes, [Some("replaced"), None], "her new session says that the old one is over");
    let home = town.sessions(home_grant).await;
    let causes: Vec<_> = home.iter().map(|(counted, _)| counted.cause.as_deref()).collect();
    assert_eq!(causes, [Some("replaced"), None]);
    // Nobody tells of Bob's session: his own silence does.
    assert_eq!(town.sessions(bob_grant).await[0].0.ended_at, None);
    town.pass(Span::minutes(20)).await;
    town.until("his session fell silent", async || {
        town.sessions(bob_grant).await[0].0.cause.as_deref() == Some("silent")
    })
    .await;
    for grant in [ann_grant, bob_grant, home_grant] {
        let state = town.grant(grant).await.grant.state;
        assert_eq!(state.word(), "active");
        assert!(town.cuts(grant).await.is_empty(), "who paid is not cut");
    }
    let anns_data: u64 =
        town.sessions(ann_grant).await.iter().map(|(counted, _)| counted.output.as_bytes()).sum();
    assert_eq!(anns_data, 1_001_000, "both sessions count");
    // The router remembers his phone, or he types his code again.
    router.join(bob);
    town.settle().await;
    if !browses(router, bob) {
        sign_in(router, bob, &bobs).await.unwrap();
    }
    assert!(browses(router, bob));
}

async fn a_router_that_announces_its_start_ends_its_sessions(town: Town) {
    town.plan("Day", Terms::hotspot(Span::days(1))).await;
    let (code, grant) = town.voucher("Day").await;
    let router = town.lobby();
    router.announce_by_accounting(true);
    sign_in(router, phone(1), &code).await.unwrap();
    town.settle().await;
    town.pass(Span::minutes(2)).await;
    router.leave(phone(1));
    router.reboot(Reboot { ntp_after: None });
    town.pass(Span::minutes(1)).await;
    let sessions = town.sessions(grant).await;
    assert_eq!(sessions[0].0.cause.as_deref(), Some("NAS-Reboot"));
    assert!(sessions[0].1.ended_at.is_some());
    assert!(town.cuts(grant).await.is_empty());
    // His other phone finds the place free at once.
    sign_in(town.tower(), phone(2), &code).await.unwrap();
}

/// After a power cut the old session is still in our books. Whoever comes back is the same
/// customer with the same phone, and his second phone still has its place.
async fn a_ghost_of_the_own_phone_takes_nobodys_place(town: Town) {
    town.plan("Two", for_devices(2, Terms::hotspot(Span::days(1)))).await;
    let (code, grant) = town.voucher("Two").await;
    let router = town.lobby();
    sign_in(router, phone(1), &code).await.unwrap();
    town.settle().await;
    town.pass(Span::minutes(1)).await;
    router.reboot(Reboot { ntp_after: None });
    town.pass(Span::minutes(1)).await;
    if !browses(router, phone(1)) {
        sign_in(router, phone(1), &code).await.unwrap();
    }
    town.settle().await;
    assert_eq!(town.grant(grant).await.grant.presence.devices(), 1);
    sign_in(router, phone(2), &code).await.unwrap();
    town.settle().await;
    assert!(browses(router, phone(1)) && browses(router, phone(2)));
    assert_eq!(town.grant(grant).await.grant.presence.devices(), 2);
}

/// The server was down for longer than a session may be silent; nobody noticed at the router.
async fn whoever_we_could_not_hear_is_not_taken_for_gone(mut town: Town) {
    let mut terms = Terms::hotspot(Span::days(1));
    terms.when_session_ends = WhenSessionEnds::EndAfter(Span::minutes(1));
    town.plan("One visit", terms).await;
    let (code, grant) = town.voucher("One visit").await;
    let ann = phone(1);
    let place = &town.places[0];
    place.sim.set("/radius", &place.line, &[("timeout", "100ms")]).unwrap();
    sign_in(town.lobby(), ann, &code).await.unwrap();
    town.settle().await;
    town.be_away(Span::hours(1)).await;
    town.pass(Span::minutes(12)).await;
    assert_eq!(town.grant(grant).await.grant.state.word(), "active", "she never left");
    assert!(browses(town.lobby(), ann));
    let sessions = town.sessions(grant).await;
    assert_eq!((sessions.len(), sessions[0].0.ended_at), (1, None));
    assert!(sessions[0].0.uptime >= Span::minutes(60));
}

async fn a_pause_stops_the_clock_and_the_customer(town: Town) {
    town.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (code, grant) = town.voucher("Hour").await;
    let ann = phone(1);
    sign_in(town.lobby(), ann, &code).await.unwrap();
    town.settle().await;
    town.pass(Span::minutes(20)).await;
    town.tell(grant, Event::Pause).await;
    town.until("she is off", async || !browses(town.lobby(), ann)).await;
    let told = sign_in(town.lobby(), ann, &code).await;
    assert_eq!(told, Err("Your access is paused. Ask to have it resumed.".to_owned()));
    town.pass(Span::hours(3)).await;
    town.tell(grant, Event::Resume).await;
    sign_in(town.lobby(), ann, &code).await.unwrap();
    town.settle().await;
    town.pass(Span::minutes(39)).await;
    assert!(browses(town.lobby(), ann), "a minute is left");
    town.pass(Span::minutes(1)).await;
    town.until("her hour is over", async || !browses(town.lobby(), ann)).await;
}

async fn a_suspended_customer_is_off_at_once_and_may_come_back(town: Town) {
    town.plan("Month", Terms::service(Span::days(30))).await;
    let grant = town.service("Month", "home").await;
    let (router, home) = (town.lobby(), phone(1));
    router.dial(home, "home", "secret");
    town.until("it is online", async || browses(router, home)).await;
    town.settle().await;
    town.tell(grant, Event::Suspend(SuspendReason::Staff)).await;
    town.until("it is off", async || !browses(router, home)).await;
    town.until("that is confirmed", async || town.cuts(grant).await.len() == 2).await;
    // The router dials again and again, and hears why not.
    town.pass(Span::minutes(2)).await;
    assert!(!browses(router, home));
    assert!(router.dial_error(home).is_some());
    town.tell(grant, Event::Resume).await;
    town.pass(Span::minutes(2)).await;
    town.until("it is back", async || browses(router, home)).await;
}

async fn whoever_used_up_his_data_goes_on_slowly_in_the_same_session(town: Town) {
    let mut terms = Terms::service(Span::days(30));
    terms.speed = Some(Speed { upload: 2_000_000, download: 10_000_000 });
    terms.clock.data = Some(gigabytes(1));
    terms.at_data_cap = AtDataCap::Throttle(Speed { upload: 128_000, download: 256_000 });
    town.plan("Fair", terms).await;
    let grant = town.service("Fair", "home").await;
    let (router, home) = (town.lobby(), phone(1));
    router.dial(home, "home", "secret");
    town.until("it is online", async || browses(router, home)).await;
    let ip = router.address_of(home).unwrap();
    assert_eq!(router.speed_limit(home, ip), Some((2_000_000, 10_000_000)));
    router.transfer(home, 0, 1_100_000_000);
    town.pass(Span::minutes(6)).await;
    town.until("it is slow", async || router.speed_limit(home, ip) == Some((128_000, 256_000)))
        .await;
    assert!(browses(router, home));
    let sessions = town.sessions(grant).await;
    assert_eq!((sessions.len(), sessions[0].0.ended_at), (1, None), "nobody was cut for it");
    town.pay(grant).await;
    town.until("it is fast again", async || {
        router.speed_limit(home, ip) == Some((2_000_000, 10_000_000))
    })
    .await;
    assert_eq!(town.sessions(grant).await.len(), 1);
}

async fn a_wrong_secret_shows_as_exactly_that(town: Town) {
    town.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (code, _) = town.voucher("Hour").await;
    let wrong = &town.places[0];
    wrong.sim.set("/radius", &wrong.line, &[("secret", "another of sixteen")]).unwrap();
    let told = sign_in(&wrong.sim, phone(1), &code).await;
    assert_eq!(told, Err("RADIUS server is not responding".to_owned()));
    town.until("it is known", async || {
        town.nas(wrong.id).await.is_some_and(|nas| nas.mistrusted_at.is_some())
    })
    .await;
    let nas = town.nas(wrong.id).await.unwrap();
    assert_eq!(nas.heard_at, None, "nothing of it was believed");
    sign_in(town.tower(), phone(1), &code).await.unwrap();
    town.until("the other is heard", async || {
        town.nas(town.places[1].id).await.is_some_and(|nas| nas.heard_at.is_some())
    })
    .await;
    assert_eq!(town.nas(town.places[1].id).await.unwrap().mistrusted_at, None);
}
