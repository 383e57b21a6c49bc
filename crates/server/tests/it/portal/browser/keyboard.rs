//! Goal 8 for who uses no finger: the keyboard reaches everything in the order of the eye, shows where
//! it is, and buys. Phones have one for people who cannot touch, and so do their screen readers.

use super::Cafe;
use super::driver::{Browser, Kind};
use super::purchase::Buyer;
use super::screens::{listed, opens, screens_in};

const FOCUS: &str = include_str!("focus.js");

#[tokio::test]
async fn goal_8_the_keyboard_reaches_everything_in_the_order_of_the_eye() {
    let browser = Browser::open(Kind::default()).await;
    let (mut faults, mut presses) = (Vec::new(), 0);
    // In the longest words, so that what stands beside each other comes below.
    for (name, file) in screens_in(".fr") {
        opens(&browser, file).await;
        let (walked, of) = walk(&browser, &mut faults).await;
        presses += walked.len();
        let eye: Vec<i64> = (0..of).collect();
        if walked != eye {
            faults.push(format!("{name}: goes by {walked:?} through {of}"));
        }
    }
    println!("{presses} presses of Tab: {} faults", faults.len());
    assert_eq!(faults, Vec::<String>::new());
    browser.close().await;
}

/// Presses Tab from the beginning until the page is left: which it reached, of how many.
async fn walk(browser: &Browser, faults: &mut Vec<String>) -> (Vec<i64>, i64) {
    let has_main = browser.has("main a, main button, main input").await;
    let mut walked = Vec::new();
    loop {
        browser.press("Tab").await;
        let focus = browser.look("focus", FOCUS).await;
        let (place, of) = (focus["place"].as_i64().unwrap(), focus["of"].as_i64().unwrap());
        faults.extend(listed(&focus["faults"]));
        // Behind the last comes the browser itself, or the first again.
        let over = place < 0 || walked.first() == Some(&place);
        if over || walked.len() > 50 {
            return (walked, of);
        }
        if walked.is_empty() && has_main && focus["main"] != true {
            faults.push("what the page is for does not come first".to_owned());
        }
        walked.push(place);
    }
}

#[tokio::test]
async fn goal_8_a_plan_is_bought_by_the_keyboard_alone() {
    let cafe = Cafe::opens().await;
    let mpesa = cafe.takes_mpesa().await;
    let mut browser = Browser::open(Kind::default()).await;
    // The first plan by Space, and the button.
    let buyer = Buyer::new(&cafe, &mpesa, 1);
    buyer.opens(&mut browser).await;
    for key in ["Tab", "Space", "Tab"] {
        browser.press(key).await;
    }
    browser.type_here(&buyer.number).await;
    browser.press("Tab").await;
    browser.enter().await;
    browser.until("/wait?").await;
    assert!(browser.page().await.contains("KSh\u{a0}20"), "{}", browser.page().await);
    mpesa.approves(&buyer.number).await;
    browser.until("/online?").await;
    assert!(cafe.browses(&buyer.phone));
    // One press from there to where he wanted to go.
    browser.press("Tab").await;
    let onward = browser.look("focus", "document.activeElement.innerText").await;
    assert_eq!(onward, "Go on to the internet");

    // The second by an arrow; who has typed his number presses Enter there.
    let buyer = Buyer::new(&cafe, &mpesa, 2);
    buyer.opens(&mut browser).await;
    for key in ["Tab", "Space", "Down", "Tab"] {
        browser.press(key).await;
    }
    browser.type_here(&buyer.number).await;
    browser.enter().await;
    browser.until("/wait?").await;
    assert!(browser.page().await.contains("KSh\u{a0}50"), "{}", browser.page().await);
    mpesa.approves(&buyer.number).await;
    browser.until("/online?").await;
    assert!(cafe.browses(&buyer.phone));
    assert_eq!(browser.taps, 0);
    browser.close().await;
}
