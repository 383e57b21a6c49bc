//! The goals of the portal, each a test, in Debian's Chromium: a phone of 360 pixels, without scripts,
//! cookies and storage unless a test says otherwise. `scripts/test-browser` installs what they need.
//! Pictures of every screen are left in `target/test-browser/pictures`.

mod driver;
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
    assert!(took < Duration::from_secs(4) && plans.bytes < 14 * 1_024, "{took:?} {plans:?}");
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
async fn goal_5_a_sheet_closed_at_twenty_points_comes_back_to_the_right_screen() {
    let cafe = Cafe::opens().await;
    let mut browser = Browser::open(Kind::default()).await;
    for cut in 0..20u8 {
        let phone = cafe.phone(cut + 1);
        let door = cafe.url(&cafe.door(&phone, ""));
        let ago = [0, 3, 12, 24, 26, 60, 88, 91, 300, 900][usize::from(cut) / 2];
        let payment = cafe.order(&phone, Span::seconds(ago)).await;
        browser.visit(&door).await;
        browser.until("/wait?").await;
        if ago > 90 {
            assert!(browser.page().await.contains("Do not pay again"), "{}", browser.page().await);
        }
        let leave = async |browser: &mut Browser| match cut % 5 {
            // Now and then all that the browser was is gone too.
            0 => browser.reopen(Kind::default()).await,
            _ => browser.visit("about:blank").await,
        };
        leave(&mut browser).await;
        if cut % 2 == 0 {
            // Nothing was paid yet: the same order, not another one.
            browser.visit(&door).await;
            browser.until("/wait?").await;
            leave(&mut browser).await;
        }
        cafe.pays(payment, &format!("TKL4X7Y2{cut:02}")).await;
        browser.visit(&door).await;
        tokio::time::sleep(Duration::from_millis(u64::from(cut) * 25)).await;
        leave(&mut browser).await;
        browser.visit(&door).await;
        browser.until("/online?").await;
        assert!(cafe.browses(&phone), "cut {cut}");
    }
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

#[tokio::test]
async fn goal_6_paid_but_not_connected_repairs_itself_by_one_field() {
    let cafe = Cafe::opens().await;
    let mut browser = Browser::open(Kind::default()).await;
    for (number, what) in [(1, "tkl4x7y2qp"), (2, "0712 345 678")] {
        let (payer, other) = (cafe.phone(number), cafe.phone(number + 100));
        let payment = cafe.order(&payer, Span::seconds(40)).await;
        cafe.pays(payment, &format!("TKL4X7Y2Q{}", ["P", "R"][usize::from(number) - 1])).await;
        // The phone comes back with another address, as phones do now.
        let begun = Instant::now();
        browser.visit(&cafe.url(&cafe.door(&other, ""))).await;
        browser.tap("footer a[href*='/recover?']").await;
        browser.type_into("#what", what).await;
        browser.tap("main form button").await;
        browser.until("/online?").await;
        println!("recovered by {what}: {:.1?}, budget 20 s", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(20) && cafe.browses(&other));
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
        let (mut last, mut probes, begun) = (String::new(), Vec::new(), Instant::now());
        while !last.contains("/online?") {
            assert!(begun.elapsed() < Duration::from_secs(30), "{probes:?}, {last}");
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
