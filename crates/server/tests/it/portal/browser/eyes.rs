//! Goal 8 for weak eyes: twice as large, without colours, in colours of one's own, without motion.

use super::driver::{Browser, Kind};
use super::screens::{listed, opens, screens, screens_in};

const TORN: &str = include_str!("torn.js");
const COLOURS: &str = include_str!("colours.js");

/// A page of twice the size on a phone of 360 pixels is one of 180; letters of twice the size, as
/// phones have them in their settings, are another matter.
#[tokio::test]
async fn goal_8_everything_can_be_read_at_twice_the_size() {
    let browser = Browser::open(Kind::default()).await;
    let mut faults = Vec::new();
    for (name, file) in screens() {
        opens(&browser, file).await;
        for (width, dots, letters) in [(180, 2, 100), (360, 1, 200)] {
            browser.resize(width, dots).await;
            let larger = format!("document.documentElement.style.fontSize = '{letters}%'");
            let told = browser.look("page", &format!("{larger};\n{TORN}")).await;
            let sized = format!("{name}, {width} pixels, letters {letters} %");
            faults.extend(listed(&told).into_iter().map(|fault| format!("{sized}: {fault}")));
        }
    }
    println!("{} screens at twice the size: {} faults", screens().len(), faults.len());
    assert_eq!(faults, Vec::<String>::new());
    browser.close().await;
}

#[tokio::test]
async fn goal_8_nothing_is_lost_with_the_colours_or_told_by_them_alone() {
    const FORCED: (&str, &str) = ("forced-colors", "active");
    const LIGHT: (&str, &str) = ("prefers-color-scheme", "light");
    const DARK: (&str, &str) = ("prefers-color-scheme", "dark");
    const STILL: (&str, &str) = ("prefers-reduced-motion", "reduce");
    let browser = Browser::open(Kind::default()).await;
    let mut faults = Vec::new();
    for (name, file) in screens_in(".en") {
        opens(&browser, file).await;
        for wishes in [&[LIGHT][..], &[DARK], &[FORCED, LIGHT], &[FORCED, DARK, STILL]] {
            browser.prefers(wishes).await;
            for (feature, value) in wishes {
                let heard = format!("matchMedia('({feature}: {value})').matches");
                assert_eq!(browser.look("wish", &heard).await, true, "{feature} is not set");
            }
            let told = listed(&browser.look("page", COLOURS).await);
            faults.extend(told.into_iter().map(|fault| format!("{name}, {wishes:?}: {fault}")));
        }
    }
    println!("four sets of colours: {} faults", faults.len());
    assert_eq!(faults, Vec::<String>::new());
    browser.close().await;
}
