//! What plans say of logins, as customers meet it at a NAS.

use super::{Answered, Lab, Proof, Said};
use crate::harness::Engine;
use lango_domain::access::{Access, Secret as Password};
use lango_domain::calendar::Zone;
use lango_domain::hours::{Door, Hours};
use lango_domain::ids::GrantId;
use lango_domain::language::Language;
use lango_domain::logins::{KnownDevices, Logins, WhenFull};
use lango_domain::plan::Terms;
use lango_domain::time::{Span, Timestamp};
use lango_radius::accounting::Status;
use lango_radius::dictionary::*;
use lango_radius::{Code, Packet};
use lango_server::operations::act_on_grant::{Action, Undone, act_on_grant};
use lango_server::operations::add_customer::{NewCustomer, add_customer};
use lango_server::operations::asked::By;
use lango_server::operations::diagnose::diagnose;
use lango_server::operations::open_service::{ServiceOrder, open_service};
use std::num::NonZeroU16;

const ANN: &str = "02:00:00:00:00:01";
const BOB: &str = "02:00:00:00:00:02";
const CAM: &str = "02:00:00:00:00:03";

macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Lab::on(super::Engine::Sqlite).await).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Lab::on(super::Engine::Postgres).await).await;
            })+
        }
    };
}

on_both!(
    a_newcomer_ends_the_oldest_and_is_not_ended_by_him,
    of_two_places_only_the_oldest_is_made_free,
    two_newcomers_at_once_do_not_both_get_one_place,
    a_locked_voucher_knows_one_device_until_staff_unlock,
    hours_close_the_door_and_the_session,
    a_renewal_does_not_keep_a_session_beyond_its_hours,
    who_is_online_outside_the_hours_is_ended,
    a_plan_names_idle_time_pool_and_profile,
    a_known_device_needs_no_password_where_the_plan_allows_it,
    a_reject_is_in_the_language_of_the_customer,
    check_says_what_a_router_told_by_api_does_not_keep,
);

fn hour_with(logins: Logins) -> Terms {
    Terms { logins, ..Terms::hotspot(Span::hours(1)) }
}

fn ending_oldest() -> Logins {
    Logins { when_full: WhenFull::EndOldest, ..Logins::default() }
}

fn places(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

fn told<'s>(status: Status, name: &'s str, session: &'s str, mac: &'s str) -> Said<'s> {
    Said { status, name, session, class: None, mac, seconds: 1, input: 0, output: 0 }
}

impl Lab {
    async fn enter(&self, code: &str, mac: &str) -> Answered {
        self.nas.log_in(code, code, mac, Proof::Pap, false).await
    }

    /// Logs in and reports the session.
    async fn come(&self, code: &str, session: &str, mac: &str) {
        let accept = self.enter(code, mac).await;
        assert!(accept.is_accept(), "{}", accept.message());
        let class = Some(accept.packet().read(CLASS).unwrap().to_vec());
        let start = Said { class, ..told(Status::Start, code, session, mac) };
        assert!(self.nas.report(Said { seconds: 0, ..start }).await);
    }

    async fn leave(&self, code: &str, session: &str, mac: &str, class: Vec<u8>) {
        let stop = Said { class: Some(class), ..told(Status::Stop, code, session, mac) };
        assert!(self.nas.report(stop).await);
    }

    fn orders_of(&self, code: Code, session: &str) -> usize {
        let orders = self.nas.orders();
        let names =
            |octets: &[u8]| Packet::parse(octets).unwrap().read(ACCT_SESSION_ID) == Some(session);
        orders.iter().filter(|(what, octets)| *what == code && names(octets)).count()
    }

    async fn is_ended(&self, session: &str) {
        self.until("the NAS is told to end a session", async || {
            self.orders_of(Code::DisconnectRequest, session) > 0
        })
        .await;
    }

    async fn act(&self, grant: GrantId, action: Action) -> Result<(), Undone> {
        let now = self.app.clock().now();
        let whose = (self.tenant, grant);
        act_on_grant(&self.app, whose, action, None, &By::cli(), now).await.unwrap().map(drop)
    }

    /// Hours that are open now and close at a midnight within two days; or that are closed now.
    fn hours(&self, is_open: bool) -> Hours {
        const DAYS: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
        let zone: Zone = "Africa/Nairobi".parse().unwrap();
        let (today, _) = zone.weekday_and_time(self.app.clock().now());
        let week = if is_open {
            format!("{},{} 00:00-24:00", DAYS[today], DAYS[(today + 1) % 7])
        } else {
            format!("{} 08:00-18:00", DAYS[(today + 3) % 7])
        };
        Hours { week: week.parse().unwrap(), zone }
    }
}

fn closes(hours: &Hours, now: Timestamp) -> Timestamp {
    match hours.at(now) {
        Door::Open { closes: Some(closes) } => closes,
        other => panic!("{other:?}"),
    }
}

const FULL: &str = "1 device(s) are online with this code. Log one out first.";

async fn a_newcomer_ends_the_oldest_and_is_not_ended_by_him(lab: Lab) {
    lab.plan("Hour", hour_with(ending_oldest())).await;
    let (code, _) = lab.voucher("Hour").await;
    lab.come(&code, "ann1", ANN).await;
    let bob = lab.enter(&code, BOB).await;
    assert!(bob.is_accept(), "{}", bob.message());
    lab.is_ended("ann1").await;
    // Her phone comes back by itself, before and after his session is reported.
    assert_eq!(lab.enter(&code, ANN).await.message(), FULL);
    let class = bob.packet().read(CLASS).unwrap().to_vec();
    let start = Said { class: Some(class.clone()), ..told(Status::Start, &code, "bob1", BOB) };
    assert!(lab.nas.report(start).await);
    assert_eq!(lab.enter(&code, ANN).await.message(), FULL);
    assert_eq!(lab.orders_of(Code::DisconnectRequest, "bob1"), 0);
    // Once there is a place she may have it, and then he ends her again.
    lab.leave(&code, "bob1", BOB, class).await;
    lab.come(&code, "ann2", ANN).await;
    lab.come(&code, "bob2", BOB).await;
    lab.is_ended("ann2").await;
}

async fn of_two_places_only_the_oldest_is_made_free(lab: Lab) {
    let terms = Terms { devices: places(2), ..hour_with(ending_oldest()) };
    lab.plan("Two", terms).await;
    let (code, _) = lab.voucher("Two").await;
    lab.come(&code, "ann1", ANN).await;
    lab.come(&code, "bob1", BOB).await;
    lab.come(&code, "cam1", CAM).await;
    lab.is_ended("ann1").await;
    assert_eq!(lab.orders_of(Code::DisconnectRequest, "bob1"), 0);
    // The same device again replaces its own session.
    assert!(lab.enter(&code, BOB).await.is_accept());
}

async fn two_newcomers_at_once_do_not_both_get_one_place(lab: Lab) {
    lab.plan("Hour", hour_with(ending_oldest())).await;
    let (code, _) = lab.voucher("Hour").await;
    lab.come(&code, "ann1", ANN).await;
    let (bob, cam) = tokio::join!(lab.enter(&code, BOB), lab.enter(&code, CAM));
    assert!(bob.is_accept() != cam.is_accept(), "{} {}", bob.message(), cam.message());
    lab.is_ended("ann1").await;
}

async fn a_locked_voucher_knows_one_device_until_staff_unlock(lab: Lab) {
    let logins = Logins { lock_to_first_device: true, ..Logins::default() };
    lab.plan("Locked", Terms { devices: places(2), ..hour_with(logins) }).await;
    let (code, grant) = lab.voucher("Locked").await;
    let (ann, bob) = tokio::join!(lab.enter(&code, ANN), lab.enter(&code, BOB));
    assert!(ann.is_accept() != bob.is_accept(), "{} {}", ann.message(), bob.message());
    let (first, other) = if ann.is_accept() { (ANN, BOB) } else { (BOB, ANN) };
    assert_eq!(lab.grant(grant).await.grant.locked_to, Some(first.parse().unwrap()));
    let sentence = lab.enter(&code, other).await.message();
    assert!(sentence.starts_with("This code is locked to its first device."), "{sentence}");
    assert!(sentence.contains("private MAC"), "{sentence}");
    // The lock is not the key: the device alone does not come in.
    lab.come(&code, "1", first).await;
    lab.until("the device is known", async || lab.grant(grant).await.grant.presence.devices() == 1)
        .await;
    assert_eq!(
        lab.enter(first, first).await.message(),
        "Please log in with your code or password."
    );
    lab.act(grant, Action::Unlock).await.unwrap();
    assert!(lab.act(grant, Action::Unlock).await.is_err(), "it is open");
    assert!(lab.enter(&code, other).await.is_accept());
    assert!(!lab.enter(&code, first).await.is_accept());
}

async fn hours_close_the_door_and_the_session(lab: Lab) {
    let (open, closed) = (lab.hours(true), lab.hours(false));
    let month = |hours| {
        let logins = Logins { hours: Some(hours), ..Logins::default() };
        Terms { logins, ..Terms::hotspot(Span::days(30)) }
    };
    lab.plan("Open", month(open.clone())).await;
    lab.plan("Closed", month(closed)).await;
    let (code, _) = lab.voucher("Open").await;
    let accept = lab.enter(&code, ANN).await;
    let now = lab.app.clock().now();
    let until = i64::from(accept.packet().read(SESSION_TIMEOUT).unwrap());
    let left = closes(&open, now).since(now).as_seconds();
    assert!((left..left + 30).contains(&until), "{until} seconds, {left} are left");
    let (code, grant) = lab.voucher("Closed").await;
    let sentence = lab.enter(&code, ANN).await.message();
    assert!(sentence.starts_with("It is closed at this hour. It opens on "), "{sentence}");
    assert!(sentence.ends_with("day at 08:00."), "{sentence}");
    assert_eq!(lab.grant(grant).await.grant.state.word(), "unused", "his clock has not started");
}

async fn a_renewal_does_not_keep_a_session_beyond_its_hours(lab: Lab) {
    let hours = lab.hours(true);
    let logins = Logins { hours: Some(hours.clone()), ..Logins::default() };
    lab.plan("Open", Terms { logins, ..Terms::hotspot(Span::days(30)) }).await;
    let (code, grant) = lab.voucher("Open").await;
    lab.come(&code, "1", ANN).await;
    let began = lab.app.clock().now();
    lab.act(grant, Action::Extend { time: Span::days(10) }).await.unwrap();
    let changed = || {
        let orders = lab.nas.orders();
        let last = orders.iter().rfind(|(code, _)| *code == Code::CoaRequest);
        last.and_then(|(_, octets)| Packet::parse(octets).unwrap().read(SESSION_TIMEOUT))
    };
    lab.until("the session is changed", async || changed().is_some()).await;
    let left = closes(&hours, began).since(began).as_seconds();
    let seconds = i64::from(changed().unwrap());
    assert!((left - 5..left + 60).contains(&seconds), "{seconds} seconds, {left} are left");
}

async fn who_is_online_outside_the_hours_is_ended(lab: Lab) {
    let logins = Logins { hours: Some(lab.hours(false)), ..Logins::default() };
    lab.plan("Closed", Terms { logins, ..Terms::hotspot(Span::days(30)) }).await;
    let (code, _) = lab.voucher("Closed").await;
    // A NAS that did not keep the Session-Timeout, or was told nothing of it.
    assert!(lab.nas.report(told(Status::Start, &code, "late", ANN)).await);
    lab.is_ended("late").await;
}

async fn a_plan_names_idle_time_pool_and_profile(lab: Lab) {
    let logins = Logins {
        idle_timeout: Some(Span::minutes(10)),
        pool: Some("guests".parse().unwrap()),
        profile: Some("gold".parse().unwrap()),
        ..Logins::default()
    };
    lab.plan("Gold", hour_with(logins)).await;
    let (code, _) = lab.voucher("Gold").await;
    let accept = lab.enter(&code, ANN).await;
    let packet = accept.packet();
    assert_eq!(packet.read(IDLE_TIMEOUT), Some(600));
    assert_eq!(packet.read(FRAMED_POOL), Some("guests"));
    assert_eq!(packet.read(MIKROTIK_GROUP), Some("gold"));
    // Whoever logs in to administer the router is no customer of that profile.
    let accept = lab.enter(&code, "10.0.0.9").await;
    assert_eq!(accept.packet().read(MIKROTIK_GROUP), None);
}

async fn a_known_device_needs_no_password_where_the_plan_allows_it(lab: Lab) {
    let asking = Logins { known_devices: KnownDevices::NeedPassword, ..Logins::default() };
    lab.plan("Welcome", hour_with(Logins::default())).await;
    lab.plan("Asking", hour_with(asking)).await;
    let (welcome, grant) = lab.voucher("Welcome").await;
    let (asking, _) = lab.voucher("Asking").await;
    lab.come(&welcome, "1", ANN).await;
    lab.come(&asking, "2", BOB).await;
    assert!(lab.enter(ANN, ANN).await.is_accept());
    assert_eq!(lab.enter(BOB, BOB).await.message(), "Please log in with your code or password.");
    let stranger = lab.enter(CAM, CAM).await.message();
    assert_eq!(stranger, "The code or password is not right. Look at it again.");
    lab.act(grant, Action::End).await.unwrap();
    assert_eq!(lab.enter(ANN, ANN).await.message(), "This account was closed.");
}

async fn a_reject_is_in_the_language_of_the_customer(lab: Lab) {
    lab.plan("Home", Terms::service(Span::days(30))).await;
    let now = lab.app.clock().now();
    let marie = NewCustomer {
        tenant: lab.tenant,
        name: "Marie".to_owned(),
        phone: None,
        language: Some(Language::Fr),
    };
    let marie = add_customer(&lab.app, marie, &By::cli(), now).await.unwrap().id;
    let order = |name: &str, customer| ServiceOrder {
        tenant: lab.tenant,
        plan: "Home".to_owned(),
        access: Access::Pppoe {
            name: name.to_owned(),
            password: Password::new("secret"),
            address: None,
        },
        customer,
        router: None,
        paid: false,
    };
    for (name, customer) in [("marie", Some(marie)), ("nobody", None)] {
        open_service(&lab.app, order(name, customer), &By::cli(), now).await.unwrap();
    }
    let refused = async |name: &str, password: &str| {
        lab.nas.log_in(name, password, ANN, Proof::Pap, true).await.message()
    };
    assert_eq!(
        refused("marie", "secret").await,
        "Ce compte n'est pas encore paye. Payez pour commencer."
    );
    assert_eq!(refused("nobody", "secret").await, "This account is not paid yet. Pay to begin.");
    // In her language it would tell that she exists.
    let wrong = "The code or password is not right. Look at it again.";
    assert_eq!(refused("marie", "wrong").await, wrong);
}

async fn check_says_what_a_router_told_by_api_does_not_keep(lab: Lab) {
    use lango_server::operations::add_router::{NewRouter, RouterLogin, add_router};
    let logins = Logins { hours: Some(lab.hours(true)), ..ending_oldest() };
    lab.plan("Office", hour_with(logins)).await;
    lab.plan("Plain", hour_with(Logins::default())).await;
    let now = lab.app.clock().now();
    let about_plans = async || {
        let findings = diagnose(&lab.app, now).await.unwrap().findings;
        findings.into_iter().map(|one| one.what).filter(|what| what.contains("plan ")).collect()
    };
    let before: Vec<String> = about_plans().await;
    assert_eq!(before, [""; 0], "a NAS keeps all of it");
    let login = RouterLogin { user: "lango".to_owned(), password: "x".to_owned() };
    let address = "api://127.0.0.1:9".parse().unwrap();
    let new = NewRouter { tenant: lab.tenant, name: "Attic".to_owned(), address, login };
    add_router(&lab.app, new, &By::cli(), now).await.unwrap();
    let found: Vec<String> = about_plans().await;
    assert_eq!(
        found,
        ["Attic does not keep all of plan Office: a further device is refused, none is ended; \
          it is open at all hours"]
    );
}
