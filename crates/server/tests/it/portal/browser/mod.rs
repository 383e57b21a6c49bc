//! The goals of the portal, each a test, in Debian's Chromium: a phone of 360 pixels, without scripts,
//! cookies and storage unless a test says otherwise. `scripts/test-browser` installs what they need.
//! Pictures of every screen are left in `target/test-browser/pictures`.

mod driver;
mod screens;

use super::{Cafe, mac_text};
use driver::{Browser, Kind};
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
async fn goal_3_pages_are_light_and_usable_on_a_bad_line() {
    let cafe = Cafe::opens().await;
    let mut browser = Browser::open(Kind::default()).await;
    let (phone, (_, code)) = (cafe.phone(1), cafe.voucher().await);
    browser.traffic().await;
    browser.throttle(50.0, 2_000.0).await;
    let begun = Instant::now();
    browser.visit(&cafe.url(&cafe.door(&phone, ""))).await;
    let took = begun.elapsed();
    let plans = browser.traffic().await;
    println!("plans at 50 kbit/s and 2 s: {took:.1?}, {plans:?}, budget 4 s");
    assert!(took < Duration::from_secs(5) && plans.bytes < 14 * 1_024, "{took:?} {plans:?}");
    browser.throttle(250.0, 300.0).await;
    browser.type_into("#code", &code).await;
    browser.tap("form[action*='/voucher'] button").await;
    browser.until("/online?").await;
    let rest = browser.traffic().await;
    println!("from the code to online: {rest:?}; budget of a journey 30 KB, 8 requests");
    assert!(plans.bytes + rest.bytes < 30 * 1_024, "{plans:?} {rest:?}");
    browser.close().await;
}

#[tokio::test]
async fn goal_4_everything_works_with_scripts_cookies_and_storage_off_and_with_them_on() {
    let cafe = Cafe::opens().await;
    for (number, scripts) in [(1, false), (2, true)] {
        let mut browser = Browser::open(Kind { scripts, ..Kind::default() }).await;
        let (phone, (_, code)) = (cafe.phone(number), cafe.voucher().await);
        browser.visit(&cafe.url(&cafe.door(&phone, ""))).await;
        assert_eq!(browser.heading().await, "Get online");
        browser.tap("footer a[hreflang='fr']").await;
        assert_eq!(browser.heading().await, "Aller en ligne");
        browser.tap("footer a[href*='/recover?']").await;
        browser.type_into("#what", "TKL4X7Y2QP").await;
        browser.tap("main form button").await;
        browser.until("wrong=not_seen").await;
        assert!(browser.text("[role=alert]").await.contains("Ne payez pas de nouveau"));
        // A voucher is good in that field too: who has a code in hand is not sent elsewhere.
        browser.type_into("#what", &code).await;
        browser.tap("main form button").await;
        browser.until("/online?").await;
        browser.tap("a[href*='/status?']").await;
        assert!(browser.page().await.contains(&code));
        assert!(
            !browser.page().await.contains(&mac_text(phone.mac)),
            "the whole address is nobody's business"
        );
        browser.tap("form[action*='/leave'] button").await;
        browser.until("left=1").await;
        assert!(!cafe.browses(&phone), "logged out");
        assert_eq!(browser.complaints().await, Vec::<String>::new());
        browser.close().await;
    }
}

#[tokio::test]
async fn goal_5_a_sheet_that_is_closed_comes_back_to_where_it_was() {
    let cafe = Cafe::opens().await;
    let mut browser = Browser::open(Kind::default()).await;
    // Closed after so many milliseconds from the tap on: between any two steps of the way in.
    for cut in 0..20u8 {
        let (phone, (_, code)) = (cafe.phone(cut + 1), cafe.voucher().await);
        browser.visit(&cafe.url(&cafe.door(&phone, ""))).await;
        browser.type_into("#code", &code).await;
        browser.tap("form[action*='/voucher'] button").await;
        tokio::time::sleep(Duration::from_millis(u64::from(cut) * 40)).await;
        browser.visit("about:blank").await;
        browser.visit(&cafe.url(&cafe.door(&phone, ""))).await;
        let begun = Instant::now();
        while !cafe.browses(&phone) {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "cut {cut}: {}",
                browser.page().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // The device alone is enough to be recognised.
        browser.visit(&cafe.url(&cafe.door(&phone, ""))).await;
        browser.until("/online?").await;
    }
    browser.close().await;
}

#[tokio::test]
async fn goal_7_success_is_a_navigation_and_the_first_probe_after_it_passes() {
    let cafe = Cafe::opens().await;
    let mut browser = Browser::open(Kind::default()).await;
    for number in 1..=5 {
        let (phone, (_, code)) = (cafe.phone(number), cafe.voucher().await);
        browser
            .visit(&cafe.url(&cafe.door(&phone, "http://captive.apple.com/hotspot-detect.html")))
            .await;
        browser.type_into("#code", &code).await;
        browser.tap("form[action*='/voucher'] button").await;
        // The phone's system looks after each navigation, and only then.
        let (mut last, mut probes) = (String::new(), Vec::new());
        while !last.contains("/online?") {
            let url = browser.url().await;
            if url != last {
                probes.push((url.contains("/online?"), cafe.browses(&phone)));
                last = url;
            }
        }
        assert_eq!(probes.last(), Some(&(true, true)), "{probes:?}");
        let onward = browser.text("a.g").await;
        assert_eq!(
            onward, "Go on to the internet",
            "a probe is nowhere that somebody wanted to go"
        );
    }
    browser.close().await;
}
