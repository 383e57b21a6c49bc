//! pyrad: a client, and a NAS that takes our orders as real ones do: not always.

use super::*;
use lango_domain::ids::GrantId;
use lango_domain::plan::Terms;
use lango_domain::time::Span;
use lango_radius::accounting::Status;
use lango_radius::dictionary::CLASS;
use lango_server::operations::act_on_grant::{Action, act_on_grant};
use lango_server::operations::asked::By;

fn script(name: &str) -> Command {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/radius/others");
    let mut command = Command::new(tool("venv/bin/python"));
    command.arg("-u").arg(directory.join(name)).env("RADIUS_SECRET", SECRET);
    command.env("RADIUS_DICTIONARY", directory.join("dictionary"));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn pyrad_logs_in_reports_and_believes_our_signatures() {
    let lab = Lab::on(Engine::Sqlite).await;
    lab.plan("Month", Terms::service(Span::days(30))).await;
    let grant = lab.service("Month", "ann", "secret").await;
    let ports = [lab.nas.authentication.port(), lab.nas.accounting.port()].map(|it| it.to_string());
    let said = said(script("client.py").args(ports)).await;
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        ["status 2 5", "wrong 3", "right 2", "start 5", "stop 5"],
        "{said}"
    );
    lab.until("the session is over", async || {
        let grant = lab.grant(grant).await.grant;
        grant.presence.devices() == 0 && grant.meter.data.as_bytes() == 3_000
    })
    .await;
}

/// A NAS by pyrad that does with each order what this says, and ann online there.
async fn ann_at(nas: &str) -> (Lab, Beside, GrantId) {
    let port = free_port();
    let lab = Lab::with_nas_at(Engine::Sqlite, Some(([127, 0, 0, 1], port).into())).await;
    let log = lab.directory.path().join("nas.log");
    let beside = Beside::start(script("nas.py").arg(port.to_string()).arg(nas), log);
    beside.until_it_says(&lab, "listening").await;
    lab.plan("Month", Terms::service(Span::days(30))).await;
    let grant = lab.service("Month", "ann", "secret").await;
    let accept = lab.nas.log_in("ann", "secret", ANN, super::super::Proof::Chap, true).await;
    let class = accept.packet().read(CLASS).map(<[u8]>::to_vec);
    let start = super::super::Said {
        status: Status::Start,
        name: "ann",
        session: "81a00001",
        class,
        mac: ANN,
        seconds: 0,
        input: 0,
        output: 0,
    };
    assert!(lab.nas.report(start).await);
    lab.until("ann is online", async || lab.grant(grant).await.grant.presence.devices() == 1).await;
    (lab, beside, grant)
}

async fn act(lab: &Lab, grant: GrantId, action: Action) {
    let now = lab.app.clock().now();
    let asked = (lab.tenant, grant);
    act_on_grant(&lab.app, asked, action, None, &By::cli(), now).await.unwrap().unwrap();
}

/// How a story ends: what the NAS got, and how many sessions we say that we ended.
async fn ended_at(nas: &str) -> (Vec<String>, i64) {
    let (lab, beside, grant) = ann_at(nas).await;
    act(&lab, grant, Action::End).await;
    lab.until("the cut is confirmed", async || !lab.cuts(grant).await.is_empty()).await;
    let log = beside.log();
    let orders = log.lines().filter(|line| line.starts_with("disconnect"));
    (orders.map(str::to_owned).collect(), lab.cuts(grant).await[0].sessions_ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nas_that_obeys_ends_the_session() {
    let (orders, ended) = ended_at("ack").await;
    assert_eq!((orders.len(), ended), (1, 1), "{orders:?}");
    assert!(orders[0].contains("ann 81a00001"), "{orders:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nas_that_knows_no_such_session_has_none_to_end() {
    // RouterOS says 406 where others say 503.
    for cause in ["503", "406"] {
        let (orders, ended) = ended_at(cause).await;
        assert_eq!((orders.len(), ended), (1, 0), "{cause}: {orders:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nas_that_is_deaf_for_a_while_is_told_again_until_it_hears() {
    let (orders, ended) = ended_at("silence,silence,silence,ack").await;
    assert_eq!((orders.len(), ended), (4, 1), "{orders:?}");
    // The same octets (RFC 5080 §2.2.1): the NAS must be able to see that it is one order.
    assert!(orders.iter().all(|order| *order == orders[0]), "{orders:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_given_while_online_is_told_to_the_nas() {
    let (lab, beside, grant) = ann_at("ack").await;
    act(&lab, grant, Action::Extend { time: Span::days(1) }).await;
    beside.until_it_says(&lab, "coa ann 81a00001").await;
    let log = beside.log();
    let order = log.lines().find(|line| line.starts_with("coa")).unwrap();
    let timeout: i64 = order.split(' ').nth(4).unwrap().parse().unwrap();
    let expected = Span::days(31).as_seconds();
    assert!((expected - 60..=expected + 60).contains(&timeout), "{order}");
    assert_eq!(lab.grant(grant).await.grant.presence.devices(), 1, "and the session goes on");
    assert!(!log.contains("disconnect"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nas_that_cannot_change_a_session_has_it_ended() {
    let (lab, beside, grant) = ann_at("401,ack").await;
    act(&lab, grant, Action::Extend { time: Span::days(1) }).await;
    beside.until_it_says(&lab, "disconnect ann 81a00001").await;
    assert!(beside.log().contains("coa ann 81a00001"));
}
