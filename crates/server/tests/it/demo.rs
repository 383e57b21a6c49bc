//! The demonstration as whoever tries Lango runs it, shorter: people buy at the portal by phone from
//! two routers, the provider loses and doubles what it says, and at the end every promise was kept.

use crate::cli::Shop;
use serde_json::Value;

#[test]
fn a_short_demonstration_keeps_every_promise() {
    let place = Shop::empty();
    // Slower than its usual speed: other tests run beside it, and lateness is counted.
    let told = place.lango(&["demo", "--speed", "40", "--for", "14m", "--json"]);
    let lines: Vec<Value> =
        told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (open, summary) = (&lines[0], &lines[lines.len() - 1]["summary"]);
    assert!(open["portal"].as_str().unwrap().contains("/p/r"), "{open}");
    assert!(open["phones"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{open}");
    assert_eq!(summary["passed"], true, "{summary:#}");
    assert_eq!(told.code, 0);

    let money = &summary["money"];
    assert_eq!(money["faults"], serde_json::json!([]));
    let count = |field: &str| money[field].as_u64().unwrap();
    assert!(count("paid") > 5, "{money}");
    assert_eq!(count("paid"), count("used") + count("credited"), "{money}");
    assert!(count("not_paid") > 0, "somebody cancels, ignores or is poor: {money}");
    assert!(count("told_twice") > 0, "{money}");
    assert!(summary["texts_on_phones"].as_u64() > Some(0), "{summary}");
    let happened = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!(happened("payment") as u64, count("paid"));
    assert!(happened("cut") > 0 && happened("connect") > 0);
}
