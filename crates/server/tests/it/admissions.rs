//! From "granted" to "this phone is online" without the phone doing anything: what happens at the
//! router, by its API and by REST, on version 7 and version 6.

use crate::harness::{By, Engine, Harness, browses, log_in, mac, stories};
use lango_domain::grant::State;
use lango_domain::ids::{GrantId, RouterId};
use lango_domain::mac_address::MacAddress;
use lango_domain::plan::Terms;
use lango_domain::time::Span;
use lango_router_sim::{MacAddress as Phone, Router, Settings};
use lango_server::operations::admit_device::{
    Admission, AdmissionState, NotAdmitted, admission, await_admission, move_device, want_admission,
};
use lango_server::operations::end_due_grants::end_due_grants;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

stories!(
    paid_is_online_in_one_visit,
    a_sleeping_phone_is_let_in_when_it_wakes,
    who_left_before_his_money_came_loses_none_of_his_time,
    a_phone_that_stays_away_is_given_up,
    a_new_phone_takes_the_place_of_a_silent_one,
    a_new_phone_asks_before_it_takes_the_place_of_a_busy_one,
    what_gives_nothing_lets_nobody_in,
    a_purchase_takes_over_from_what_the_phone_was_online_by,
    a_router_that_was_away_lets_in_when_it_is_back,
    who_pays_while_he_is_being_cut_is_let_in_again,
);

const MAKES: [(&str, By, &str); 3] = [
    ("Lobby", By::Api, "7.24.4 (stable)"),
    ("Garden", By::Rest, "7.20.1 (stable)"),
    ("Cellar", By::Api, "6.49.19 (stable)"),
];

fn running(version: &str) -> Settings {
    Settings { version: version.to_owned(), ..Settings::default() }
}

fn hourly() -> Terms {
    Terms::hotspot(Span::hours(1))
}

fn device(phone: Phone) -> MacAddress {
    MacAddress::new(phone.0)
}

async fn want(t: &Harness, router: RouterId, grant: GrantId, phone: Phone) -> AdmissionState {
    want_at(t, router, grant, phone, None).await
}

async fn want_at(
    t: &Harness,
    router: RouterId,
    grant: GrantId,
    phone: Phone,
    address: Option<IpAddr>,
) -> AdmissionState {
    let wish = Admission { tenant: t.tenant, router, grant, mac: device(phone), address };
    want_admission(&t.app, wish, t.now()).await.unwrap()
}

async fn state(t: &Harness, router: RouterId, phone: Phone) -> AdmissionState {
    admission(&t.app, t.tenant, router, device(phone), t.now()).await.unwrap()
}

async fn said_while_wanted(t: &Harness, router: RouterId, phone: Phone) -> String {
    match state(t, router, phone).await {
        AdmissionState::Connecting { last_error: Some(said), .. } => said,
        other => panic!("it is still wanted: {other:?}"),
    }
}

fn is_connected(state: &AdmissionState) -> bool {
    matches!(state, AdmissionState::Connected { .. })
}

fn how(router: &Router, phone: Phone) -> Option<String> {
    let rows = router.matching("/ip/hotspot/active", &[("mac-address", &phone.to_string())]);
    rows.first()?.text("login-by").map(|word| word.into_owned())
}

async fn paid_is_online_in_one_visit(engine: Engine) {
    for (name, by, version) in MAKES {
        let mut t = Harness::on(engine).await;
        let router = t.router_running(name, by, running(version)).await;
        let here = t.router_id(name);
        t.plan("Hour", hourly()).await;
        t.pump().await;
        let address = router.join(mac(1));
        assert_eq!(state(&t, here, mac(1)).await, AdmissionState::NotAsked);

        let (grant, _) = t.voucher("Hour", None).await;
        let asked = want_at(&t, here, grant, mac(1), Some(address.into())).await;
        assert!(matches!(asked, AdmissionState::Connecting { .. }), "{asked:?}");
        let bought_at = t.now();
        t.pump().await;
        assert!(browses(&router, mac(1)), "{name}");
        assert_eq!(how(&router, mac(1)).as_deref(), Some("admin"));
        let patience = Duration::from_secs(5);
        let told = await_admission(&t.app, t.tenant, here, device(mac(1)), patience).await;
        assert_eq!(told.unwrap(), AdmissionState::Connected { since: bought_at });
        let stored = t.grant(grant).await;
        assert!(matches!(stored.grant.state, State::Active(_)), "its clock runs");

        // To ask again is no second login.
        let again = want(&t, here, grant, mac(1)).await;
        assert!(is_connected(&again), "{again:?}");
        t.advance(Span::minutes(61)).await;
        assert!(!browses(&router, mac(1)), "{name}");
        assert_eq!(state(&t, here, mac(1)).await, AdmissionState::NotAsked);
        t.finish().await;
    }
}

async fn a_sleeping_phone_is_let_in_when_it_wakes(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let router = t.router("Lobby", By::Api).await;
    let here = t.router_id("Lobby");
    t.plan("Hour", hourly()).await;
    let (grant, _) = t.voucher("Hour", None).await;
    want(&t, here, grant, mac(1)).await;
    t.advance(Span::minutes(3)).await;
    let said = said_while_wanted(&t, here, mac(1)).await;
    assert!(said.contains("has not seen"), "{said}");
    router.join(mac(1));
    t.advance(Span::seconds(2)).await;
    assert!(browses(&router, mac(1)));
    assert!(is_connected(&state(&t, here, mac(1)).await));
    t.finish().await;
}

async fn who_left_before_his_money_came_loses_none_of_his_time(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let router = t.router("Lobby", By::Api).await;
    let here = t.router_id("Lobby");
    t.plan("Hour", hourly()).await;
    router.join(mac(1));
    router.leave(mac(1));
    t.advance(Span::minutes(3)).await;
    // The router remembers him for five minutes, and would log him in.
    let (grant, _) = t.voucher("Hour", None).await;
    want(&t, here, grant, mac(1)).await;
    t.pump().await;
    let said = said_while_wanted(&t, here, mac(1)).await;
    assert!(said.contains("has not heard"), "{said}");
    t.advance(Span::minutes(1)).await;
    assert!(matches!(t.grant(grant).await.grant.state, State::Unused { .. }));
    router.come_back(mac(1));
    let back_at = t.now();
    t.advance(Span::seconds(5)).await;
    assert!(browses(&router, mac(1)));
    let ends_at = t.grant(grant).await.grant.state.ends_at().unwrap();
    assert!(ends_at >= back_at + Span::hours(1), "his hour begins when he is back");
    t.finish().await;
}

async fn a_phone_that_stays_away_is_given_up(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let router = t.router("Lobby", By::Api).await;
    let here = t.router_id("Lobby");
    t.plan("Hour", hourly()).await;
    let (grant, _) = t.voucher("Hour", None).await;
    want(&t, here, grant, mac(1)).await;
    t.advance(Span::minutes(9)).await;
    assert!(matches!(state(&t, here, mac(1)).await, AdmissionState::Connecting { .. }));
    t.advance(Span::minutes(2)).await;
    router.join(mac(1));
    t.advance(Span::seconds(10)).await;
    assert!(!browses(&router, mac(1)), "nobody waits for it any more");
    // Its owner opens the portal again.
    want(&t, here, grant, mac(1)).await;
    t.pump().await;
    assert!(browses(&router, mac(1)));
    t.finish().await;
}

async fn a_new_phone_takes_the_place_of_a_silent_one(engine: Engine) {
    for (name, by, version) in MAKES {
        let mut t = Harness::on(engine).await;
        let router = t.router_running(name, by, running(version)).await;
        let here = t.router_id(name);
        t.plan("Hour", hourly()).await;
        let (grant, code) = t.voucher("Hour", None).await;
        t.pump().await;
        log_in(&router, mac(1), &code);
        t.pump().await;
        router.leave(mac(1));
        // Its session lives on: nobody looks for silent ones here.
        for profile in router.rows("/ip/hotspot/user/profile") {
            let id = profile.text(".id").unwrap();
            router.set("/ip/hotspot/user/profile", &id, &[("keepalive-timeout", "none")]).unwrap();
        }
        t.advance(Span::minutes(1)).await;
        router.join(mac(2));
        want(&t, here, grant, mac(2)).await;
        t.pump().await;
        let told = AdmissionState::OtherDevice { mac: Some(device(mac(1))) };
        assert_eq!(state(&t, here, mac(2)).await, told, "{name}: it may only have been put down");
        // Nobody asks again.
        t.advance(Span::minutes(2)).await;
        assert!(is_connected(&state(&t, here, mac(2)).await), "{name}");
        assert!(browses(&router, mac(2)), "{name}");
        assert!(!browses(&router, mac(1)), "{name}");
        t.finish().await;
    }
}

async fn a_new_phone_asks_before_it_takes_the_place_of_a_busy_one(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let router = t.router("Lobby", By::Api).await;
    let here = t.router_id("Lobby");
    t.plan("Hour", hourly()).await;
    let (grant, code) = t.voucher("Hour", None).await;
    t.pump().await;
    log_in(&router, mac(1), &code);
    t.advance(Span::minutes(5)).await;
    router.join(mac(2));
    want(&t, here, grant, mac(2)).await;
    t.pump().await;
    let told = AdmissionState::OtherDevice { mac: Some(device(mac(1))) };
    assert_eq!(state(&t, here, mac(2)).await, told);
    assert_eq!(want(&t, here, grant, mac(2)).await, told, "to ask again ends nobody's session");
    assert!(browses(&router, mac(1)) && !browses(&router, mac(2)));

    let moved = move_device(&t.app, t.tenant, here, device(mac(2)), t.now()).await.unwrap();
    assert!(matches!(moved, AdmissionState::Connecting { .. }), "{moved:?}");
    t.pump().await;
    assert!(!browses(&router, mac(1)) && browses(&router, mac(2)));
    assert!(is_connected(&state(&t, here, mac(2)).await));
    let story = t.story_of(grant).await;
    let line = story.iter().find(|line| line.what == "moved").expect("the account tells it");
    assert_eq!(line.detail, format!("from {} to {}", mac(1), mac(2)));
    t.finish().await;
}

async fn what_gives_nothing_lets_nobody_in(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let router = t.router("Lobby", By::Api).await;
    t.router("Garden", By::Api).await;
    let (here, there) = (t.router_id("Lobby"), t.router_id("Garden"));
    t.plan("Hour", hourly()).await;
    t.plan("Month", Terms::service(Span::days(30))).await;
    let refused = |why| AdmissionState::Refused { why };
    let (grant, code) = t.voucher("Hour", None).await;
    t.pump().await;
    log_in(&router, mac(1), &code);
    t.pump().await;
    t.advance(Span::hours(2)).await;
    router.join(mac(2));
    assert_eq!(want(&t, here, grant, mac(2)).await, refused(NotAdmitted::Over));

    let line = t.service("Month", crate::harness::pppoe("ann")).await;
    assert_eq!(want(&t, here, line, mac(2)).await, refused(NotAdmitted::NoHotspot));
    let only = t.service_on("Month", crate::harness::hotspot("zoe"), Some("Garden")).await;
    assert_eq!(want(&t, here, only, mac(2)).await, refused(NotAdmitted::OtherPlace));
    assert!(matches!(want(&t, there, only, mac(2)).await, AdmissionState::Connecting { .. }));
    t.pump().await;
    assert!(!browses(&router, mac(2)));

    // One that ends while it waits.
    let (grant, _) = t.voucher("Hour", None).await;
    want(&t, here, grant, mac(3)).await;
    t.pump().await;
    t.tell(grant, lango_domain::grant::Event::Terminate).await;
    router.join(mac(3));
    t.advance(Span::seconds(5)).await;
    assert!(!browses(&router, mac(3)));
    assert_eq!(state(&t, here, mac(3)).await, refused(NotAdmitted::Over));
}

async fn a_purchase_takes_over_from_what_the_phone_was_online_by(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let router = t.router("Lobby", By::Api).await;
    let here = t.router_id("Lobby");
    let two = Terms { devices: NonZeroU16::new(2).unwrap(), ..hourly() };
    t.plan("Hour", hourly()).await;
    t.plan("Pair", two).await;
    let (_, code) = t.voucher("Hour", None).await;
    t.pump().await;
    log_in(&router, mac(1), &code);
    t.pump().await;
    let (second, _) = t.voucher("Pair", None).await;
    let asked = want(&t, here, second, mac(1)).await;
    assert!(matches!(asked, AdmissionState::Connecting { .. }), "online by the old one is not it");
    t.pump().await;
    let rows = router.rows("/ip/hotspot/active");
    assert_eq!(rows.len(), 1);
    assert_ne!(rows[0].text("user").as_deref(), Some(code.as_str()));
    assert!(browses(&router, mac(1)) && is_connected(&state(&t, here, mac(1)).await));
    // The second phone of the pair needs nobody's place.
    router.join(mac(2));
    want(&t, here, second, mac(2)).await;
    t.pump().await;
    assert!(browses(&router, mac(1)) && browses(&router, mac(2)));
    t.finish().await;
}

async fn a_router_that_was_away_lets_in_when_it_is_back(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let router = t.router("Lobby", By::Api).await;
    let here = t.router_id("Lobby");
    t.plan("Hour", hourly()).await;
    t.pump().await;
    router.join(mac(1));
    router.faults().unreachable(true);
    let (grant, _) = t.voucher("Hour", None).await;
    want(&t, here, grant, mac(1)).await;
    t.advance(Span::minutes(2)).await;
    assert!(!browses(&router, mac(1)));
    router.faults().unreachable(false);
    t.advance(Span::minutes(1)).await;
    assert!(browses(&router, mac(1)));
    assert!(is_connected(&state(&t, here, mac(1)).await));
    t.finish().await;
}

async fn who_pays_while_he_is_being_cut_is_let_in_again(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let router = t.router("Lobby", By::Api).await;
    let here = t.router_id("Lobby");
    t.plan("Hour", hourly()).await;
    router.join(mac(1));
    let (grant, _) = t.voucher("Hour", None).await;
    want(&t, here, grant, mac(1)).await;
    t.pump().await;
    assert!(browses(&router, mac(1)));

    // His hour is over, and the router has ended his session; nobody has read it since.
    t.sleep(Span::minutes(60));
    end_due_grants(&t.app, t.now()).await.unwrap();
    let session = router.rows("/ip/hotspot/active").remove(0);
    router.remove("/ip/hotspot/active", &session.text(".id").unwrap()).unwrap();
    assert!(!browses(&router, mac(1)));
    t.pay(grant).await;
    let asked = want(&t, here, grant, mac(1)).await;
    assert!(
        matches!(asked, AdmissionState::Connecting { .. }),
        "not seen at the router: {asked:?}"
    );
    let shown = state(&t, here, mac(1)).await;
    assert!(matches!(shown, AdmissionState::Connecting { .. }), "{shown:?}");
    t.pump().await;
    assert!(browses(&router, mac(1)), "he has paid for another hour");
    assert!(is_connected(&state(&t, here, mac(1)).await));
    t.finish().await;
}
