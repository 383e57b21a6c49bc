//! What stands in the books after reports that are odd, late or alone, on both databases.

use super::{Lab, Proof, Said};
use crate::harness::Engine;
use lango_domain::grant::{Event, SuspendReason};
use lango_domain::ids::GrantId;
use lango_domain::plan::Terms;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_radius::accounting::Status;
use lango_radius::dictionary::CLASS;
use lango_server::operations::asked::By;
use lango_server::operations::change_grant::{Actor, change_grant};
use lango_server::operations::change_router::remove_router;
use lango_store::Tx;
use lango_store::radius::{HourOfUsage, RadiusSession};
use lango_store::sessions::Session;
use std::time::Duration;

const ANN: &str = "02:00:00:00:00:01";
const BOB: &str = "02:00:00:00:00:02";
/// In microseconds.
const HOUR: i64 = 3_600_000_000;

macro_rules! in_the_lab {
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

in_the_lab!(
    what_the_last_report_says_survives_the_disconnect,
    a_stop_alone_starts_the_clock,
    a_start_and_its_stop_in_one_breath_start_the_clock,
    a_name_that_is_used_again_is_the_same_customers,
    counters_beyond_reason_hold_nobody_up,
    a_report_that_cannot_be_written_holds_nobody_up,
    a_session_that_seems_to_last_for_decades_uses_nothing_up,
    sessions_of_a_removed_router_take_nobodys_place,
    what_somebody_else_wrote_meanwhile_is_read_again_and_each_hour_has_its_own,
);

fn said<'s>(status: Status, name: &'s str, session: &'s str, mac: &'s str) -> Said<'s> {
    Said { status, name, session, class: None, mac, seconds: 0, input: 0, output: 0 }
}

async fn sessions(lab: &Lab, grant: GrantId) -> Vec<(RadiusSession, Session)> {
    super::town::sessions(lab.app.store(), grant).await
}

/// The Stop comes before the acknowledgement of the order that caused it.
async fn what_the_last_report_says_survives_the_disconnect(lab: Lab) {
    let mut terms = Terms::service(Span::days(30));
    terms.clock.data = Some(DataSize::bytes(5_000_000_000));
    lab.plan("5 GB", terms).await;
    let grant = lab.service("5 GB", "ann", "secret").await;
    let accept = lab.nas.log_in("ann", "secret", ANN, Proof::Pap, true).await;
    let class = Some(accept.packet().read(CLASS).unwrap().to_vec());
    let start = Said { class, ..said(Status::Start, "ann", "1", ANN) };
    assert!(lab.nas.report(start.clone()).await);
    lab.nas.think_before_it_obeys(Duration::from_millis(200));
    let (event, now) = (Event::Suspend(SuspendReason::Staff), lab.app.clock().now());
    change_grant(&lab.app, grant, event, Actor::Cli, now).await.unwrap().unwrap();
    lab.until("the order is there", async || !lab.nas.orders().is_empty()).await;
    let stop = Said { status: Status::Stop, seconds: 60, input: 1_000, output: 9_000, ..start };
    assert!(lab.nas.report(stop.clone()).await);
    lab.until("the cut is confirmed", async || !lab.cuts(grant).await.is_empty()).await;
    let books = sessions(&lab, grant).await;
    let (counted, shown) = &books[0];
    assert_eq!((counted.input.as_bytes(), counted.output.as_bytes()), (1_000, 9_000));
    assert_eq!((shown.data.as_bytes(), shown.uptime), (10_000, Span::seconds(60)));
    // The same again, because its answer was lost: nothing is counted twice.
    assert!(lab.nas.report(stop).await);
    assert_eq!(lab.grant(grant).await.grant.meter.data.as_bytes(), 10_000);
}

async fn a_stop_alone_starts_the_clock(lab: Lab) {
    lab.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (code, grant) = lab.voucher("Hour").await;
    let stop = Said { seconds: 600, output: 9_000, ..said(Status::Stop, &code, "1", ANN) };
    let before = lab.app.clock().now();
    assert!(lab.nas.report(stop).await);
    let stored = lab.grant(grant).await.grant;
    assert_eq!(stored.state.word(), "active", "it was used");
    let ends_at = stored.state.ends_at().unwrap();
    let minutes_left = ends_at.since(before).as_millis() / 60_000;
    assert!((49..=50).contains(&minutes_left), "{minutes_left}");
    assert_eq!(stored.presence.devices(), 0);
}

async fn a_start_and_its_stop_in_one_breath_start_the_clock(lab: Lab) {
    lab.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (code, grant) = lab.voucher("Hour").await;
    let (start, stop) = (
        said(Status::Start, &code, "1", ANN),
        Said { seconds: 1, ..said(Status::Stop, &code, "1", ANN) },
    );
    let (one, other) = tokio::join!(lab.nas.report(start), lab.nas.report(stop));
    assert!(one && other);
    assert_eq!(lab.grant(grant).await.grant.state.word(), "active");
    assert_eq!(lab.grant(grant).await.grant.presence.devices(), 0);
}

/// RouterOS repeats its names for sessions after some reboots, and not every NAS repeats a Class.
async fn a_name_that_is_used_again_is_the_same_customers(lab: Lab) {
    lab.plan("Day", Terms::hotspot(Span::days(1))).await;
    let (code, grant) = lab.voucher("Day").await;
    let earlier = lab.app.clock().now() - Span::minutes(9);
    let old = Said { seconds: 900, output: 5_000, ..said(Status::Stop, &code, "1", ANN) };
    assert!(lab.nas.report_at(Said { status: Status::Interim, ..old.clone() }, earlier).await);
    assert!(lab.nas.report_at(old, earlier).await);
    assert!(lab.nas.report(said(Status::Start, &code, "1", ANN)).await);
    let books = sessions(&lab, grant).await;
    assert_eq!(books.len(), 2, "both are hers: {books:?}");
    assert_eq!((books[1].0.ended_at, books[0].0.output.as_bytes()), (None, 5_000));
}

async fn counters_beyond_reason_hold_nobody_up(lab: Lab) {
    let mut terms = Terms::hotspot(Span::days(1));
    terms.clock.data = Some(DataSize::bytes(5_000_000_000));
    lab.plan("5 GB", terms).await;
    let ((anns, ann), (bobs, bob)) = (lab.voucher("5 GB").await, lab.voucher("5 GB").await);
    let mad = Said {
        input: u64::MAX,
        output: u64::MAX - 9,
        seconds: u32::MAX,
        ..said(Status::Interim, &anns, "1", ANN)
    };
    let of_bob = said(Status::Interim, &bobs, "2", BOB);
    let sane = Said { input: 5, output: 10, seconds: 60, ..of_bob };
    let (one, other) = tokio::join!(lab.nas.report(mad.clone()), lab.nas.report(sane));
    assert!(one && other, "both are written down");
    assert!(lab.nas.report(mad.clone()).await);
    assert_eq!(lab.grant(bob).await.grant.meter.data.as_bytes(), 15);
    let stored = lab.grant(ann).await.grant;
    assert_eq!((stored.state.word(), stored.meter.data.as_bytes()), ("active", 0));
    assert!(lab.nas.report(Said { input: 7, output: 8, seconds: 90, ..mad }).await);
    assert_eq!(lab.grant(ann).await.grant.meter.data.as_bytes(), 15);
}

/// The sum of Ann's hour does not fit any more: none of her reports can be written. Bob's, which
/// come at the same moments, are.
async fn a_report_that_cannot_be_written_holds_nobody_up(lab: Lab) {
    lab.plan("Day", Terms::hotspot(Span::days(1))).await;
    let ((anns, ann), (bobs, bob)) = (lab.voucher("Day").await, lab.voucher("Day").await);
    let now = lab.app.clock().now();
    let write = async move |tx: &mut Tx<'_>| {
        let most = DataSize::bytes(i64::MAX as u64);
        // This hour and the next, in case one ends here.
        for at in [now, now + Span::hours(1)] {
            let hour = Timestamp::from_micros(at.micros() - at.micros().rem_euclid(HOUR));
            let full = HourOfUsage { grant: ann, hour, input: most, output: most };
            lango_store::radius::add_usage(tx, &[full]).await?;
        }
        Ok(())
    };
    lab.app.store().write(write).await.unwrap();
    let names: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let reports = names.iter().enumerate().map(|(number, session)| {
        let (name, mac) = if number % 10 == 0 { (&anns, ANN) } else { (&bobs, BOB) };
        let interim = said(Status::Interim, name, session, mac);
        lab.nas.report(Said { seconds: 60, input: 1_000, output: 1_000, ..interim })
    });
    let written = futures_util::future::join_all(reports).await;
    for (number, written) in written.into_iter().enumerate() {
        assert_eq!(written, number % 10 != 0, "report {number}");
    }
    assert_eq!(sessions(&lab, bob).await.len(), 36);
    assert_eq!(sessions(&lab, ann).await.len(), 0);
}

/// Some NASes reckon Session-Time by their clock, which stands in 1970 until it is put right.
async fn a_session_that_seems_to_last_for_decades_uses_nothing_up(lab: Lab) {
    let mut terms = Terms::hotspot(Span::days(30));
    terms.clock.uptime = Some(Span::hours(100));
    lab.plan("100 hours", terms).await;
    let (code, grant) = lab.voucher("100 hours").await;
    assert!(lab.nas.report(said(Status::Start, &code, "1", ANN)).await);
    // Also a jump that is short enough to be the length of a session.
    for seconds in [1_795_000_000, 9 * 365 * 86_400] {
        let jumped = Said { seconds, output: 10, ..said(Status::Interim, &code, "1", ANN) };
        assert!(lab.nas.report(jumped).await);
    }
    let stored = lab.grant(grant).await.grant;
    assert_eq!(stored.state.word(), "active");
    assert_eq!((stored.meter.uptime, stored.meter.data.as_bytes()), (Span::ZERO, 10));
}

async fn sessions_of_a_removed_router_take_nobodys_place(lab: Lab) {
    lab.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (code, grant) = lab.voucher("Hour").await;
    assert!(lab.nas.report(said(Status::Start, &code, "1", ANN)).await);
    assert_eq!(lab.grant(grant).await.grant.presence.devices(), 1);
    let (router, now) = ((lab.tenant, lab.router), lab.app.clock().now());
    remove_router(&lab.app, router, None, &By::cli(), now).await.unwrap();
    let books = sessions(&lab, grant).await;
    assert_eq!(books[0].0.cause.as_deref(), Some("router removed"));
    assert!(books[0].1.ended_at.is_some());
    assert_eq!(lab.grant(grant).await.grant.presence.devices(), 0);
    let read = async move |tx: &mut Tx<'_>| lango_store::radius::occupants(tx, &[grant]).await;
    assert_eq!(lab.app.store().read(read).await.unwrap(), []);
}

/// As another node would: what was remembered of the session is not true any more. It was last heard
/// of an hour before.
async fn what_somebody_else_wrote_meanwhile_is_read_again_and_each_hour_has_its_own(lab: Lab) {
    lab.plan("Day", Terms::hotspot(Span::days(1))).await;
    let (code, grant) = lab.voucher("Day").await;
    let start = said(Status::Start, &code, "1", ANN);
    assert!(lab.nas.report(start.clone()).await);
    let interim = Said { status: Status::Interim, ..start };
    let first = Said { seconds: 60, input: 100, output: 1_000, ..interim.clone() };
    assert!(lab.nas.report(first).await);
    assert_eq!(usage(&lab, grant).await, [(100, 1_000)], "it is seen at once");

    // The server may write it once more between our reading and our writing.
    loop {
        let (session, _) = sessions(&lab, grant).await.remove(0);
        let earlier = RadiusSession { updated_at: session.updated_at - Span::hours(1), ..session };
        let write = async move |tx: &mut Tx<'_>| {
            lango_store::radius::save(tx, &mut [earlier.clone()]).await
        };
        match lab.app.store().write(write).await {
            Err(lango_store::Error::Retry { .. }) => {}
            outcome => break outcome.unwrap(),
        }
    }
    let second = Said { seconds: 120, input: 300, output: 4_000, ..interim.clone() };
    assert!(lab.nas.report(second).await);
    assert_eq!(usage(&lab, grant).await, [(100, 1_000), (200, 3_000)]);

    let stop = Said { status: Status::Stop, seconds: 180, input: 301, output: 4_001, ..interim };
    assert!(lab.nas.report(stop).await);
    let (input, output): (Vec<u64>, Vec<u64>) = usage(&lab, grant).await.into_iter().unzip();
    assert_eq!((input.iter().sum::<u64>(), output.iter().sum::<u64>()), (301, 4_001));
    let books = sessions(&lab, grant).await;
    assert_eq!((books.len(), books[0].0.input.as_bytes()), (1, 301));
    assert!(books[0].0.ended_at.is_some());
}

/// What a grant used, hour by hour: input and output.
async fn usage(lab: &Lab, grant: GrantId) -> Vec<(u64, u64)> {
    let read = async move |tx: &mut Tx<'_>| {
        let (from, to) = (Timestamp::default(), Timestamp::from_micros(i64::MAX));
        lango_store::radius::usage(tx, grant, from, to).await
    };
    let hours = lab.app.store().read(read).await.unwrap();
    hours.iter().map(|hour| (hour.input.as_bytes(), hour.output.as_bytes())).collect()
}
