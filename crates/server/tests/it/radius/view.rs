//! What staff are told of NASes, and what a person may say about them.

use super::{Lab, Proof, SECRET, ask};
use crate::harness::Engine;
use lango_domain::plan::Terms;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_radius::accounting::Status;
use lango_radius::dictionary::{ACCT_SESSION_ID, ACCT_STATUS_TYPE, EVENT_TIMESTAMP};
use lango_radius::{Draft, Secret};
use lango_server::operations::asked::By;
use lango_server::operations::clean_up::roll_up_usage;
use lango_server::operations::diagnose::diagnose;
use lango_server::operations::nases::{NasDiagnosis, SecretState, change_signing, nases};
use lango_server::radius::directory::Signing;
use lango_server::radius::overload;
use lango_store::Tx;
use lango_store::radius::HourOfUsage;

const ANN: &str = "02:00:00:00:00:01";

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
    a_wrong_secret_is_told_as_exactly_that,
    what_a_person_says_about_signatures_stands,
    usage_is_known_by_the_hour_then_by_the_day_then_not,
);

async fn nas(lab: &Lab) -> NasDiagnosis {
    nases(&lab.app, lab.tenant).await.unwrap().remove(0)
}

/// What `lango check` finds, as one text.
async fn found(lab: &Lab) -> String {
    let diagnosis = diagnose(&lab.app, lab.app.clock().now()).await.unwrap();
    let told = diagnosis.findings.into_iter().map(|one| format!("{} → {}\n", one.what, one.advice));
    told.collect()
}

/// Reports a start with a secret and a clock of one's own; whether that was acknowledged.
async fn report(lab: &Lab, secret: &str, at: Timestamp) -> bool {
    let mut draft = Draft::accounting_request(fastrand::u8(..));
    draft.put(ACCT_STATUS_TYPE, Status::Start.number()).unwrap();
    draft.put(ACCT_SESSION_ID, "81a00009").unwrap();
    draft.put(EVENT_TIMESTAMP, u32::try_from(at.micros() / 1_000_000).unwrap()).unwrap();
    let own = Secret::new(secret).unwrap();
    if secret == SECRET {
        return ask(lab.nas.accounting, draft, &own).await.is_some();
    }
    // Whoever has another secret gets no answer: it is not waited for.
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(draft.seal(&own).octets(), lab.nas.accounting).await.unwrap();
    false
}

async fn a_wrong_secret_is_told_as_exactly_that(lab: Lab) {
    assert_eq!(nas(&lab).await.heard_at, None);
    let said = found(&lab).await;
    assert!(said.contains("router Lobby has never asked anything from 127.0.0.1"), "{said}");
    let now = || lab.app.clock().now();

    assert!(report(&lab, SECRET, now() - Span::minutes(7)).await);
    lab.until("the secret is proven", async || nas(&lab).await.secret == SecretState::Proven).await;
    let well = nas(&lab).await;
    assert_eq!((well.sessions, well.signing), (1, Signing::Learning), "reports teach nothing");
    assert!((-425..=-419).contains(&well.clock_ahead_seconds.unwrap()), "{well:?}");
    let said = found(&lab).await;
    assert!(said.contains("the clock of router Lobby is -42"), "{said}");
    assert!(!said.contains("secret is not the same"), "{said}");

    report(&lab, "another one of sixteen", now()).await;
    lab.until("the secret is wrong", async || nas(&lab).await.secret == SecretState::Wrong).await;
    let said = found(&lab).await;
    assert!(said.contains("the secret is not the same on both sides: what came from"), "{said}");
    assert!(said.contains("/radius set [find comment=\"lango:radius\"] secret="), "{said}");
    assert!(!said.contains(SECRET), "whoever reads a diagnosis may not know the secret");

    assert!(report(&lab, SECRET, now()).await);
    lab.until("it is mended", async || nas(&lab).await.secret == SecretState::Proven).await;

    overload::keep(&lab.app, 3, 40, now()).await.unwrap();
    overload::keep(&lab.app, 0, 2, now()).await.unwrap();
    let said = found(&lab).await;
    assert!(said.contains("45 RADIUS requests") && said.contains("42 of them"), "{said}");
}

async fn what_a_person_says_about_signatures_stands(lab: Lab) {
    lab.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (code, _) = lab.voucher("Hour").await;
    // Ours signs every request.
    assert!(lab.nas.log_in(&code, &code, ANN, Proof::Pap, false).await.is_accept());
    lab.until("it is learned", async || nas(&lab).await.signing == Signing::Required).await;
    let (whose, by) = ((lab.tenant, lab.router), By::cli());
    let say = async |signing, expected| {
        let now = lab.app.clock().now();
        change_signing(&lab.app, whose, signing, expected, &by, now).await
    };
    let before = nas(&lab).await.revision;
    say(Signing::Off, Some(before)).await.unwrap();
    assert!(say(Signing::Required, Some(before)).await.is_err(), "somebody was quicker");
    assert!(found(&lab).await.contains("CVE-2024-3596"));
    // It signs on, and that changes nothing: a person has said so. What is heard later than the
    // directory is read anew is heard by whom he has told.
    let said_at = lab.app.clock().now();
    lab.until("it is heard again", async || {
        assert!(lab.nas.log_in(&code, &code, ANN, Proof::Pap, false).await.is_accept());
        nas(&lab).await.heard_at.unwrap().since(said_at) > Span::seconds(3)
    })
    .await;
    assert_eq!(nas(&lab).await.signing, Signing::Off);
    say(Signing::Learning, None).await.unwrap();
    lab.until("it is learned again", async || {
        assert!(lab.nas.log_in(&code, &code, ANN, Proof::Pap, false).await.is_accept());
        nas(&lab).await.signing == Signing::Required
    })
    .await;
}

async fn usage_is_known_by_the_hour_then_by_the_day_then_not(lab: Lab) {
    lab.plan("Month", Terms::service(Span::days(30))).await;
    let grant = lab.service("Month", "ann", "secret").await;
    // An instant at noon, far from the borders of days, and so late that nothing of it is long ago
    // for the housekeeping that runs beside this: it would make days and forget between two looks.
    let noon = Timestamp::from_micros(4_102_444_800_000_000);
    let noon = Timestamp::from_micros(noon.micros() - noon.micros().rem_euclid(86_400_000_000))
        + Span::hours(12);
    let used = |ago: Span, input: u64| HourOfUsage {
        grant,
        hour: noon - ago,
        input: DataSize::bytes(input),
        output: DataSize::bytes(10 * input),
    };
    let hours = [
        used(Span::days(500), 7),
        used(Span::days(60), 1),
        used(Span::hours(60 * 24 - 1), 2),
        used(Span::days(59), 4),
        used(Span::hours(2), 100),
        used(Span::hours(1), 200),
    ];
    let write = async move |tx: &mut Tx<'_>| lango_store::radius::add_usage(tx, &hours).await;
    lab.app.store().write(write).await.unwrap();
    let read = async |from: Timestamp, to: Timestamp| {
        let read =
            async move |tx: &mut Tx<'_>| lango_store::radius::usage(tx, grant, from, to).await;
        let used = lab.app.store().read(read).await.unwrap();
        let told = used
            .into_iter()
            .map(|one| (one.to.since(one.from), one.input.as_bytes(), one.output.as_bytes()));
        told.collect::<Vec<_>>()
    };
    let (hour, day) = (Span::hours(1), Span::days(1));
    assert_eq!(read(noon - Span::days(600), noon).await.len(), 6);
    roll_up_usage(&lab.app, noon).await.unwrap();
    roll_up_usage(&lab.app, noon).await.unwrap();
    let all = read(noon - Span::days(600), noon).await;
    assert_eq!(all, [(day, 3, 30), (day, 4, 40), (hour, 100, 1_000), (hour, 200, 2_000)]);
    assert_eq!(read(noon - Span::hours(1), noon).await, [(hour, 200, 2_000)]);
    let within_the_day = noon - Span::days(60) + Span::hours(5);
    assert_eq!(read(within_the_day, within_the_day + hour).await, [(day, 3, 30)]);
}
