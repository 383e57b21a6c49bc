//! Sessions that live while their terms change, while nobody speaks of them, or behind a wall.

use super::town::{Town, browses, phone, sign_in};
use super::{Lab, Proof, Said};
use crate::harness::Engine;
use lango_domain::grant::{Event, SuspendReason};
use lango_domain::money::{Currency, Money};
use lango_domain::plan::{AfterEnd, Terms};
use lango_domain::quantity::DataSize;
use lango_domain::time::Span;
use lango_radius::accounting::{Count, MIKROTIK_TOTAL_LIMIT, Status};
use lango_radius::dictionary::*;
use lango_radius::{Code, Packet};
use lango_server::operations::accept_payment::{Payment, accept_payment};
use lango_server::operations::asked::By;

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
    whoever_sees_the_pay_page_only_is_left_alone,
    more_time_online_reaches_a_live_session,
    more_data_ends_nobody_and_is_there_at_the_next_login,
    a_router_that_never_says_that_a_session_goes_on_is_believed,
);

#[tokio::test(flavor = "multi_thread")]
async fn more_data_reaches_a_live_session_on_sqlite() {
    more_data_reaches_a_live_session(Lab::on(Engine::Sqlite).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_data_reaches_a_live_session_on_postgres() {
    more_data_reaches_a_live_session(Lab::on(Engine::Postgres).await).await;
}

async fn whoever_sees_the_pay_page_only_is_left_alone(town: Town) {
    let terms = Terms { after_end: AfterEnd::Wall, ..Terms::hotspot(Span::hours(1)) };
    town.plan("Hour", terms).await;
    let (code, grant) = town.voucher("Hour").await;
    let ann = phone(1);
    sign_in(town.lobby(), ann, &code).await.unwrap();
    town.pass(Span::minutes(61)).await;
    town.until("his hour is over", async || town.cuts(grant).await.len() == 2).await;
    town.settle().await;
    let ended = town.sessions(grant).await;
    assert!(ended.iter().all(|(counted, _)| counted.ended_at.is_some()), "{ended:?}");
    // He comes back to the pay page, and stays.
    sign_in(town.lobby(), ann, &code).await.unwrap();
    town.pass(Span::minutes(8)).await;
    town.settle().await;
    let sessions = town.sessions(grant).await;
    assert_eq!(sessions.len(), ended.len() + 1, "nobody kicks him: {sessions:?}");
    let (walled, _) = sessions.last().unwrap();
    assert_eq!((walled.ended_at, &walled.cause), (None, &None));
    assert_eq!(town.lobby().rows("/ip/hotspot/active").len(), 1);
    assert_eq!(town.cuts(grant).await.len(), 2, "he was cut once on each router");
    // Who pays there is let out from behind the wall, which no order can take away.
    town.pay(grant).await;
    town.until("his walled session is over", async || {
        town.sessions(grant).await.last().is_some_and(|(last, _)| last.ended_at.is_some())
    })
    .await;
    town.settle().await;
    if town.lobby().rows("/ip/hotspot/active").is_empty() {
        sign_in(town.lobby(), ann, &code).await.unwrap();
    }
    town.settle().await;
    let listed = town.lobby().rows("/ip/firewall/address-list");
    let walled = listed.iter().any(|row| row.text("list").as_deref() == Some("lango-walled"));
    assert!(!walled, "{listed:?}");
    assert!(browses(town.lobby(), ann));
    town.pass(Span::minutes(8)).await;
    assert!(browses(town.lobby(), ann), "and stays");
}

async fn more_time_online_reaches_a_live_session(town: Town) {
    let mut terms = Terms::hotspot(Span::days(1));
    terms.clock.wall = None;
    terms.clock.uptime = Some(Span::hours(1));
    town.plan("Hour online", terms).await;
    let (code, grant) = town.voucher("Hour online").await;
    let ann = phone(1);
    sign_in(town.lobby(), ann, &code).await.unwrap();
    town.pass(Span::minutes(50)).await;
    town.pay(grant).await;
    town.until("the router knows of the new end", async || {
        let rows = town.lobby().rows("/ip/hotspot/active");
        rows.iter().any(|row| row.text("session-time-left").as_deref() == Some("1h10m"))
    })
    .await;
    town.pass(Span::minutes(65)).await;
    assert!(browses(town.lobby(), ann), "he paid for another hour online");
    assert_eq!(town.sessions(grant).await.len(), 1, "one session all along");
    town.pass(Span::minutes(6)).await;
    town.until("both hours are used up", async || !browses(town.lobby(), ann)).await;
}

fn gigabytes(count: u64) -> DataSize {
    DataSize::bytes(count * 1_000_000_000)
}

/// RouterOS is not known to move this limit in a live session: the simulated one refuses.
async fn more_data_ends_nobody_and_is_there_at_the_next_login(town: Town) {
    let mut terms = Terms::hotspot(Span::days(1));
    terms.clock.data = Some(gigabytes(1));
    town.plan("1 GB", terms).await;
    let (code, grant) = town.voucher("1 GB").await;
    let ann = phone(1);
    sign_in(town.lobby(), ann, &code).await.unwrap();
    town.lobby().transfer(ann, 100_000_000, 800_000_000);
    town.pass(Span::minutes(6)).await;
    town.pay(grant).await;
    assert_eq!(town.grant(grant).await.grant.meter.data_allowed, Some(gigabytes(2)));
    town.pass(Span::minutes(6)).await;
    assert!(browses(town.lobby(), ann), "who paid for more is not put out for it");
    assert_eq!(town.sessions(grant).await.len(), 1);
    // At the limit that it was given at the login the router ends the session itself.
    town.lobby().transfer(ann, 0, 200_000_000);
    town.pass(Span::minutes(1)).await;
    assert!(town.cuts(grant).await.is_empty(), "not we");
    if !browses(town.lobby(), ann) {
        sign_in(town.lobby(), ann, &code).await.unwrap();
    }
    assert!(browses(town.lobby(), ann), "what he paid for is there");
    town.lobby().transfer(ann, 0, 500_000_000);
    town.pass(Span::minutes(6)).await;
    assert!(browses(town.lobby(), ann));
    assert_eq!(town.grant(grant).await.grant.meter.data.as_bytes(), 1_600_000_000);
}

async fn more_data_reaches_a_live_session(lab: Lab) {
    const ANN: &str = "02:00:00:00:00:01";
    let mut terms = Terms::hotspot(Span::days(1));
    terms.clock.data = Some(gigabytes(1));
    lab.plan("1 GB", terms).await;
    let (code, grant) = lab.voucher("1 GB").await;
    let accept = lab.nas.log_in(&code, &code, ANN, Proof::Pap, false).await;
    assert_eq!(MIKROTIK_TOTAL_LIMIT.read(&accept.packet()), Some(Count::Whole(1_000_000_000)));
    let class = Some(accept.packet().read(CLASS).unwrap().to_vec());
    let said = |status, input| Said {
        status,
        name: &code,
        session: "81a00001",
        class: class.clone(),
        mac: ANN,
        seconds: u32::from(input > 0),
        input,
        output: 0,
    };
    assert!(lab.nas.report(said(Status::Start, 0)).await);
    assert!(lab.nas.report(said(Status::Interim, 300_000_000)).await);
    let payment = Payment {
        tenant: lab.tenant,
        grant,
        provider: "mpesa".to_owned(),
        receipt: "R1".to_owned(),
        amount: Money::new(50_00, Currency::KES),
    };
    let now = lab.app.clock().now();
    accept_payment(&lab.app, payment, &By::payment(), now).await.unwrap();
    lab.until("the limit of the session is moved", async || {
        lab.nas.orders().iter().any(|(code, octets)| {
            let packet = Packet::parse(octets).unwrap();
            // From the session's beginning: what it used of it, and what is left.
            let limit = MIKROTIK_TOTAL_LIMIT.read(&packet);
            *code == Code::CoaRequest && limit == Some(Count::Whole(2_000_000_000))
        })
    })
    .await;
    let ended = |(code, _): &(Code, Vec<u8>)| *code == Code::DisconnectRequest;
    assert!(!lab.nas.orders().iter().any(ended), "nobody is put out for having paid");
}

async fn a_router_that_never_says_that_a_session_goes_on_is_believed(town: Town) {
    town.plan("Day", Terms::hotspot(Span::days(1))).await;
    let (code, grant) = town.voucher("Day").await;
    let (other, _) = town.voucher("Day").await;
    let (third, silent) = town.voucher("Day").await;
    let (ann, bob) = (phone(1), phone(2));
    let never = [("radius-interim-update", "0s")];
    town.lobby().set("/ip/hotspot/profile", "hsprof1", &never).unwrap();
    sign_in(town.lobby(), ann, &code).await.unwrap();
    sign_in(town.tower(), bob, &other).await.unwrap();
    town.pass(Span::minutes(6)).await;
    town.until("it is known that the other one says it", async || {
        town.nas(town.places[1].id).await.is_some_and(|nas| nas.interim_at.is_some())
    })
    .await;
    // Of this session nothing is heard but its beginning, by which the router is known all the same.
    sign_in(town.tower(), phone(3), &third).await.unwrap();
    town.settle().await;
    town.tower().faults().silence_radius(true);
    town.pass(Span::hours(1)).await;
    town.until("where silence means something, it does", async || {
        let last = town.sessions(silent).await.pop();
        last.is_some_and(|(last, _)| last.cause.as_deref() == Some("silent"))
    })
    .await;
    let mute = town.sessions(grant).await;
    assert_eq!((mute.len(), mute[0].0.ended_at, mute[0].0.uptime), (1, None, Span::ZERO));
    assert!(town.nas(town.places[0].id).await.is_none_or(|nas| nas.interim_at.is_none()));
    // Its place is not given away, and its end is told to the router.
    assert!(browses(town.lobby(), ann));
    town.tell(grant, Event::Suspend(SuspendReason::Staff)).await;
    town.until("he is off", async || !browses(town.lobby(), ann)).await;
}
