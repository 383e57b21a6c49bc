//! A router that asks us: the phone logs in there with a password that is good once.

use super::{Lab, Proof, Said};
use crate::harness::Engine;
use lango_domain::ids::GrantId;
use lango_domain::plan::Terms;
use lango_domain::time::Span;
use lango_radius::Code;
use lango_radius::accounting::Status;
use lango_radius::dictionary::CLASS;
use lango_server::operations::admit_device::{
    Admission, AdmissionState, await_admission, move_device, want_admission,
};
use std::time::Duration;

const ANN: &str = "02:00:00:00:00:01";
const BOB: &str = "02:00:00:00:00:02";

async fn want(lab: &Lab, grant: GrantId, mac: &str) -> AdmissionState {
    let (tenant, router) = (lab.tenant, lab.router);
    let mac = mac.parse().unwrap();
    let wish = Admission { tenant, router, grant, mac, address: None };
    want_admission(&lab.app, wish, lab.app.clock().now()).await.unwrap()
}

/// The name and the password that the phone is to present.
fn handed(state: AdmissionState) -> (String, String) {
    let AdmissionState::HandOver { username, one_time_password, .. } = state else {
        panic!("it is handed over: {state:?}");
    };
    (username, one_time_password.reveal().to_owned())
}

async fn report(lab: &Lab, name: &str, mac: &str, session: &str, class: &[u8], status: Status) {
    let class = Some(class.to_vec());
    let said = Said { status, name, session, class, mac, seconds: 0, input: 0, output: 0 };
    assert!(lab.nas.report(said).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_good_for_one_login_of_one_device_on_sqlite() {
    one_login(Lab::on(Engine::Sqlite).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_good_for_one_login_of_one_device_on_postgres() {
    one_login(Lab::on(Engine::Postgres).await).await;
}

async fn one_login(lab: Lab) {
    lab.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (code, grant) = lab.voucher("Hour").await;
    let first = want(&lab, grant, ANN).await;
    assert_eq!(want(&lab, grant, ANN).await, first, "a page that is loaded again shows the same");
    let (name, password) = handed(first);
    assert_eq!(name, code);
    assert_ne!(password, code);
    let stranger = lab.nas.log_in(&name, &password, BOB, Proof::Pap, false).await;
    assert!(!stranger.is_accept(), "it is not his");
    let accept = lab.nas.log_in(&name, &password, ANN, Proof::Chap, false).await;
    assert!(accept.is_accept(), "{}", accept.message());
    let again = lab.nas.log_in(&name, &password, ANN, Proof::Pap, false).await;
    assert!(!again.is_accept(), "it was used");
    let state = want(&lab, grant, ANN).await;
    assert!(matches!(state, AdmissionState::Connecting { .. }), "{state:?}");

    let packet = accept.packet();
    let class = packet.read(CLASS).unwrap().to_vec();
    report(&lab, &name, ANN, "81a00001", &class, Status::Start).await;
    let (tenant, router, mac) = (lab.tenant, lab.router, ANN.parse().unwrap());
    let told = await_admission(&lab.app, tenant, router, mac, Duration::from_secs(10)).await;
    assert!(matches!(told.unwrap(), AdmissionState::Connected { .. }));

    // A second phone: its owner is asked, then the first one goes.
    let told = want(&lab, grant, BOB).await;
    assert_eq!(told, AdmissionState::OtherDevice { mac: Some(mac) });
    let now = lab.app.clock().now();
    let moved = move_device(&lab.app, tenant, router, BOB.parse().unwrap(), now).await.unwrap();
    let (name, password) = handed(moved);
    lab.until("the first phone is disconnected", async || {
        lab.nas.orders().iter().any(|(code, _)| *code == Code::DisconnectRequest)
    })
    .await;
    let accept = lab.nas.log_in(&name, &password, BOB, Proof::Pap, false).await;
    assert!(accept.is_accept(), "{}", accept.message());
    // The voucher itself is good as ever.
    let own = lab.nas.log_in(&code, &code, BOB, Proof::Pap, false).await;
    assert!(own.is_accept(), "{}", own.message());
}
