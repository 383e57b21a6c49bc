//! The goals of the portal, each a test, in Debian's Chromium: a phone of 360 pixels, without scripts,
//! cookies and storage unless a test says otherwise. `scripts/test-browser` installs what they need.
//! Pictures of every screen are left in `target/test-browser/pictures`.

mod driver;
mod screens;

use super::Cafe;
use driver::{Browser, Kind};
use lango_domain::payment::FailureReason;
use lango_domain::time::Span;
use std::path::PathBuf;
use std::time::Duration;

pub(super) fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/test-browser")
}

/// What a person's phone does when a QR is read outside the hotspot's own sheet: the printed address,
/// and then the router's answer to the one that leads nowhere.
async fn scans(cafe: &Cafe, browser: &mut Browser, phone: &super::Phone, code: &str) {
    browser.visit(&cafe.url(&format!("/V/{code}"))).await;
    assert!(browser.has("a.g[href^='http://192.0.2.1/V/']").await);
    // The router catches the tap; in this test there is none between browser and server.
    browser.taps += 1;
    browser.visit(&cafe.url(&cafe.door(phone, &format!("http://192.0.2.1/V/{code}")))).await;
}

#[tokio::test]
async fn goal_1_a_voucher_takes_two_taps_by_qr_and_three_typed() {
    let cafe = Cafe::opens().await;
    let mut browser = Browser::open(Kind::default()).await;
    let (phone, (_, code)) = (cafe.phone(1), cafe.voucher().await);
    scans(&cafe, &mut browser, &phone, &code.replace('-', "")).await;
    browser.tap("main form button").await;
    browser.until("/online?").await;
    assert!(cafe.browses(&phone));
    assert!(
        browser.taps <= 2 && browser.typed == 0,
        "{} taps, {} typed",
        browser.taps,
        browser.typed
    );

    let (phone, (_, code)) = (cafe.phone(2), cafe.voucher().await);
    browser.taps = 0;
    browser.visit(&cafe.url(&cafe.door(&phone, ""))).await;
    browser.taps += 1;
    browser.type_into("#code", &code.to_lowercase()).await;
    browser.tap("form[action*='/voucher'] button").await;
    browser.until("/online?").await;
    assert!(browser.taps <= 3 && cafe.browses(&phone), "{} taps", browser.taps);
    browser.close().await;
}

#[tokio::test]
async fn goal_3_waiting_weighs_next_to_nothing() {
    let cafe = Cafe::opens().await;
    let browser = Browser::open(Kind::default()).await;
    let phone = cafe.phone(1);
    let payment = cafe.order(&phone, Span::ZERO).await;
    browser.visit(&cafe.url(&cafe.door(&phone, ""))).await;
    browser.until("/wait?").await;
    assert!(browser.page().await.contains("+254712 … 678"), "{}", browser.page().await);
    browser.traffic().await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    let waited = browser.traffic().await;
    let each = waited.bytes / waited.requests.max(1) as u64;
    println!("waiting: {waited:?}, {each} bytes a refresh, budget 512");
    assert!(waited.requests >= 2 && each <= 512, "{waited:?}");
    cafe.pays(payment, "TKL4X7Y2QP").await;
    browser.until("/online?").await;
    assert!(cafe.browses(&phone));
    browser.close().await;
}

#[tokio::test]
async fn what_the_phone_refused_is_one_sentence_and_one_button() {
    let cafe = Cafe::opens().await;
    let mut browser = Browser::open(Kind::default()).await;
    let phone = cafe.phone(1);
    let payment = cafe.order(&phone, Span::seconds(30)).await;
    browser.visit(&cafe.url(&cafe.door(&phone, ""))).await;
    browser.until("/wait?").await;
    assert!(browser.has("form[action*='/again']").await, "{}", browser.page().await);
    cafe.refuses(payment, FailureReason::Cancelled).await;
    browser.visit(&cafe.url(&cafe.door(&phone, ""))).await;
    assert_eq!(browser.heading().await, "Not paid");
    assert!(browser.page().await.contains("You cancelled the payment"));
    browser.tap("a.g").await;
    assert_eq!(browser.heading().await, "Get online");
    assert!(browser.has("input[type=radio]:checked").await, "the plan is chosen already");
    browser.close().await;
}
