//! The goals of the portal, each a test, in Debian's Chromium: a phone of 360 pixels, without scripts,
//! cookies and storage unless a test says otherwise. `scripts/test-browser` installs what they need.
//! Pictures of every screen are left in `target/test-browser/pictures`.

mod driver;
mod eyes;
mod keyboard;
mod purchase;
mod screens;

use super::{Cafe, mac_text};
use driver::{Browser, Kind};
use lango_domain::payment::FailureReason;
use lango_domain::time::Span;
use std::path::PathBuf;
use std::time::{Duration, Instant};

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
    browser.follow("main form button").await;
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
    browser.follow("form[action*='/voucher'] button").await;
    browser.until("/online?").await;
    assert!(browser.taps <= 3 && cafe.browses(&phone), "{} taps", browser.taps);
    browser.close().await;
}

#[tokio::test]
async fn goal_4_everything_works_with_scripts_cookies_and_storage_off_and_with_them_on() {
    let cafe = Cafe::opens().await;
    for (number, on) in [(1, false), (2, true)] {
        let kind = Kind { scripts: on, cookies: on, ..Kind::default() };
        let mut browser = Browser::open(kind).await;
        every_task(&cafe, &mut browser, cafe.phone(number)).await;
        assert_eq!(browser.complaints().await, Vec::<String>::new());
        assert_eq!(browser.cookies().await, 0, "a sheet keeps none, so none are given");
        if on {
            let kept = browser.run("return localStorage.length + sessionStorage.length;").await;
            assert_eq!(kept, 0);
        }
        browser.close().await;
    }
}

/// Languages, recovery, a voucher, what is left of it, logging out and coming back.
async fn every_task(cafe: &Cafe, browser: &mut Browser, phone: super::Phone) {
    let (_, code) = cafe.voucher().await;
    browser.visit(&cafe.url(&cafe.door(&phone, ""))).await;
    assert_eq!(browser.heading().await, "Get online");
    browser.follow("footer a[hreflang='fr']").await;
    assert_eq!(browser.heading().await, "Se connecter à Internet");
    browser.follow("footer a[href*='/terms?']").await;
    browser.follow("footer a[href*='/recover?']").await;
    browser.type_into("#what", "TKL4X7Y2QP").await;
    browser.follow("main form button").await;
    browser.until("wrong=not_seen").await;
    assert!(browser.text("[role=alert]").await.contains("Ne payez pas de nouveau"));
    // A voucher is good in that field too: who has a code in hand is not sent elsewhere.
    browser.type_into("#what", &code).await;
    browser.follow("main form button").await;
    browser.until("/online?").await;
    assert!(cafe.browses(&phone));
    browser.follow("a[href*='/status?']").await;
    let page = browser.page().await;
    assert!(page.contains(&code), "{page}");
    assert!(!page.contains(&mac_text(phone.mac)), "the whole address is nobody's business");
    browser.follow("form[action*='/leave'] button").await;
    browser.until("left=1").await;
    assert!(!cafe.browses(&phone), "logged out");
    browser.follow("form[action*='/connect?'] button").await;
    browser.until("/online?").await;
    assert!(cafe.browses(&phone), "and in again");
}

#[tokio::test]
async fn goal_3_waiting_weighs_next_to_nothing() {
    let cafe = Cafe::opens().await;
    let mut browser = Browser::open(Kind::default()).await;
    let phone = cafe.phone(1);
    let payment = cafe.order(&phone, Span::ZERO).await;
    browser.visit(&cafe.url(&cafe.door(&phone, ""))).await;
    browser.until("/wait?").await;
    assert!(browser.page().await.contains("0712\u{a0}…\u{a0}678"), "{}", browser.page().await);
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
    browser.follow("a.g").await;
    assert_eq!(browser.heading().await, "Get online");
    assert!(browser.has("input[type=radio]:checked").await, "the plan is chosen already");
    browser.close().await;
}

#[tokio::test]
async fn goal_6_paid_but_not_connected_repairs_itself_by_one_field() {
    let cafe = Cafe::opens().await;
    let mut browser = Browser::open(Kind::default()).await;
    for (number, what) in [(1, "tkl4x7y2qp"), (2, "0712 345 678")] {
        let (payer, other) = (cafe.phone(number), cafe.phone(number + 100));
        let payment = cafe.order(&payer, Span::seconds(40)).await;
        cafe.pays(payment, &format!("TKL4X7Y2Q{}", ["P", "R"][usize::from(number) - 1])).await;
        // The phone comes back with another address, as phones do now.
        browser.visit(&cafe.url(&cafe.door(&other, ""))).await;
        recovers(&cafe, &mut browser, what, &other).await;
    }
    // The same receipt in a third phone's hands: one access, one phone, and a person decides which.
    let (second, third) = (cafe.phone(102), cafe.phone(103));
    browser.visit(&cafe.url(&cafe.door(&third, ""))).await;
    browser.follow("footer a[href*='/recover?']").await;
    browser.type_into("#what", "TKL4X7Y2QR").await;
    browser.follow("main form button").await;
    browser.until("/move?").await;
    assert!(cafe.browses(&second) && !cafe.browses(&third), "nobody is cut off by a question");
    browser.follow("main form button").await;
    browser.until("/online?").await;
    assert!(cafe.browses(&third) && !cafe.browses(&second), "the access moved");
    browser.close().await;
}

async fn recovers(cafe: &Cafe, browser: &mut Browser, what: &str, phone: &super::Phone) {
    let begun = Instant::now();
    browser.follow("footer a[href*='/recover?']").await;
    assert!(!browser.has("main input:not(#what)").await, "one field");
    browser.type_into("#what", what).await;
    browser.follow("main form button").await;
    browser.until("/online?").await;
    println!("recovered by {what}: {:.1?}, budget 20 s", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(20) && cafe.browses(phone));
}
