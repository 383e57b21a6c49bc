//! What happens at a NAS that asks us, on both databases.

use super::{Lab, Proof, Said};
use crate::harness::Engine;
use lango_domain::plan::Terms;
use lango_domain::quantity::DataSize;
use lango_domain::time::Span;
use lango_radius::accounting::{Count, MIKROTIK_TOTAL_LIMIT, Status};
use lango_radius::dictionary::*;
use lango_radius::{Code, Packet};

const ANN: &str = "02:00:00:00:00:01";
const BOB: &str = "02:00:00:00:00:02";

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
    a_voucher_from_its_first_login_to_its_cut,
    of_two_phones_at_the_same_moment_one_comes_in,
    data_is_counted_over_sessions_and_ends_with_a_disconnect,
    who_may_not_come_in_reads_why,
);

fn start<'s>(name: &'s str, session: &'s str, mac: &'s str, class: &[u8]) -> Said<'s> {
    Said {
        status: Status::Start,
        name,
        session,
        class: Some(class.to_vec()),
        mac,
        seconds: 0,
        input: 0,
        output: 0,
    }
}

async fn a_voucher_from_its_first_login_to_its_cut(lab: Lab) {
    lab.plan("Blink", Terms::hotspot(Span::seconds(4))).await;
    let (code, grant) = lab.voucher("Blink").await;
    let accept = lab.nas.log_in(&code, &code, ANN, Proof::Chap, false).await;
    assert!(accept.is_accept(), "{}", accept.message());
    let packet = accept.packet();
    assert_eq!(packet.read(SESSION_TIMEOUT), Some(4));
    assert_eq!(
        packet.attributes().next().map(|attribute| attribute.id),
        Some(MESSAGE_AUTHENTICATOR.id()),
        "signed, and first of all"
    );
    assert!((270..=330).contains(&packet.read(ACCT_INTERIM_INTERVAL).unwrap()));
    assert_eq!(lab.grant(grant).await.grant.state.word(), "active");
    let class = packet.read(CLASS).unwrap().to_vec();
    assert!(lab.nas.report(start(&code, "81a00001", ANN, &class)).await);
    lab.until("he is seen online", async || lab.grant(grant).await.grant.presence.devices() == 1)
        .await;
    lab.until("the cut is confirmed", async || !lab.cuts(grant).await.is_empty()).await;
    let orders = lab.nas.orders();
    let (code_of_order, octets) = orders.last().unwrap();
    assert_eq!(*code_of_order, Code::DisconnectRequest);
    let order = Packet::parse(octets).unwrap();
    assert_eq!(order.read(ACCT_SESSION_ID), Some("81a00001"));
    assert_eq!(order.read(USER_NAME), Some(code.as_str()));
    let cut = &lab.cuts(grant).await[0];
    assert_eq!((cut.sessions_ended, cut.router), (1, lab.router));
    // Its last report still counts.
    let last = Said {
        status: Status::Stop,
        seconds: 4,
        output: 9_000,
        ..start(&code, "81a00001", ANN, &class)
    };
    assert!(lab.nas.report(last).await);
    let reject = lab.nas.log_in(&code, &code, ANN, Proof::Chap, false).await;
    assert_eq!(reject.message(), "Your time is over. Buy more to go on.");
}

async fn of_two_phones_at_the_same_moment_one_comes_in(lab: Lab) {
    lab.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (code, grant) = lab.voucher("Hour").await;
    let (one, other) = tokio::join!(
        lab.nas.log_in(&code, &code, ANN, Proof::Pap, false),
        lab.nas.log_in(&code, &code, BOB, Proof::Pap, false),
    );
    let refused: Vec<_> = [&one, &other].into_iter().filter(|one| !one.is_accept()).collect();
    assert_eq!(refused.len(), 1, "{} {}", one.message(), other.message());
    assert!(refused[0].message().starts_with("1 device(s) are online"), "{}", refused[0].message());
    let story = {
        let read = async move |tx: &mut lango_store::Tx<'_>| {
            lango_store::activity::of_grant(tx, grant).await
        };
        lab.app.store().read(read).await.unwrap()
    };
    assert_eq!(story.iter().filter(|line| line.what == "started").count(), 1, "{story:?}");
}

async fn data_is_counted_over_sessions_and_ends_with_a_disconnect(lab: Lab) {
    let mut terms = Terms::service(Span::days(30));
    terms.clock.data = Some(DataSize::bytes(5_000_000_000));
    terms.devices = std::num::NonZeroU16::new(2).unwrap();
    lab.plan("5 GB", terms).await;
    let grant = lab.service("5 GB", "ann", "secret").await;
    let accept = lab.nas.log_in("ann", "secret", ANN, Proof::Pap, true).await;
    let limit = MIKROTIK_TOTAL_LIMIT.read(&accept.packet());
    assert_eq!(limit, Some(Count::Whole(5_000_000_000)));
    let class = accept.packet().read(CLASS).unwrap().to_vec();
    let other = lab.nas.log_in("ann", "secret", BOB, Proof::Pap, true).await;
    let other = other.packet().read(CLASS).unwrap().to_vec();
    let first = start("ann", "1", ANN, &class);
    let second = start("ann", "2", BOB, &other);
    assert!(lab.nas.report(first.clone()).await);
    assert!(lab.nas.report(second.clone()).await);
    let interim = |said: &Said<'static>, seconds, output| Said {
        status: Status::Interim,
        seconds,
        output,
        ..said.clone()
    };
    assert!(lab.nas.report(interim(&first, 300, 3_000_000_000)).await);
    // Once more, and an older one that comes late: nothing is counted twice.
    assert!(lab.nas.report(interim(&first, 300, 3_000_000_000)).await);
    assert!(lab.nas.report(interim(&first, 100, 1_000_000_000)).await);
    let left = lab.grant(grant).await.grant.meter.data_left().unwrap();
    assert_eq!(left.as_bytes(), 2_000_000_000);
    assert!(lab.nas.report(interim(&second, 300, 2_000_000_001)).await);
    lab.until("both sessions are ended", async || {
        lab.cuts(grant).await.iter().any(|cut| cut.sessions_ended == 2)
    })
    .await;
    let reject = lab.nas.log_in("ann", "secret", ANN, Proof::Pap, true).await;
    assert_eq!(reject.message(), "Your data is used up. Buy more to go on.");
}

async fn who_may_not_come_in_reads_why(lab: Lab) {
    lab.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (code, _) = lab.voucher("Hour").await;
    let wrong = lab.nas.log_in(&code, "no", ANN, Proof::Pap, false).await;
    assert_eq!(wrong.message(), "The code or password is not right. Look at it again.");
    let nobody = lab.nas.log_in("nobody", "no", ANN, Proof::Chap, false).await;
    assert_eq!(nobody.message(), wrong.message(), "who exists is nobody's business");
    // Typed as people type.
    let typed = format!("{}-{}", &code[..4], &code[4..]).to_lowercase();
    let accept = lab.nas.log_in(&typed, &typed, ANN, Proof::Pap, false).await;
    assert!(accept.is_accept(), "{}", accept.message());
}
