//! An operator's day at a terminal: the real program, command by command, beside a running server
//! and a simulated router. Nothing else is touched.

use crate::cli::{INIT, Shop, until};
use crate::harness::{browses, log_in};
use lango_router_sim::{MacAddress, RouterSim, Settings, SystemClock};
use serde_json::Value;
use std::sync::Arc;

/// The one row of a list that has that label.
fn row(list: &Value, label: &str) -> Value {
    let rows = list.as_array().unwrap();
    rows.iter()
        .find(|row| row["label"] == label)
        .unwrap_or_else(|| panic!("{label}: {list}"))
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_day_by_the_command_line_alone() {
    // Morning: found the business, add the router, see that it works, say what is sold.
    let shop = Shop::empty();
    shop.lango(&INIT).ok();
    shop.lango(&["check"]).fails(1, &[]);
    let sim = RouterSim::start(Settings::default(), Arc::new(SystemClock)).unwrap();
    shop.add_router("Lobby", &format!("api://{}", sim.router().api_address().unwrap()));
    let tested = shop.lango(&["router", "test", "Lobby"]).ok();
    assert!(tested.out.contains("Everything that Lango needs works"), "{tested:?}");
    shop.lango(&["plan", "add", "1 hour", "--price", "20", "--time", "1h"]).ok();
    shop.lango(&["plan", "add", "Taste", "--price", "1", "--time", "2s"]).ok();
    let home = ["plan", "add", "Home", "--price", "1500", "--time", "30d", "--starts", "payment"];
    shop.lango(&home).ok();
    let server = shop.serve();
    let list = || shop.lango(&["router", "list", "--json"]).ok().json();
    until("the router is up", || list()[0]["reachable"] == true);
    let healthy = || shop.lango(&["check", "--json"]).code == 0;
    until("all is well", healthy);

    // Noon: Ann buys an hour and a line for her house, and is online by both.
    shop.lango(&["customer", "add", "Ann Wanjiku", "--phone", "0712345678"]).ok();
    let sold = ["voucher", "create", "--plan", "1 hour", "--customer", "0712345678", "--json"];
    let code = shop.lango(&sold).ok().json()[0]["code"].as_str().unwrap().replace('-', "");
    let line = ["service", "add", "--plan", "Home", "--pppoe", "ann-home", "--password", "dial"];
    shop.lango(&[&line[..], &["--customer", "0712345678"]].concat()).ok();
    shop.lango(&["payment", "add", "ann-home", "--receipt", "CASH-1"]).ok();
    let again = shop.lango(&["payment", "add", "ann-home", "--receipt", "CASH-1"]).ok();
    assert!(again.out.contains("recorded before"), "{again:?}");
    let (phone, box_at_home) = (MacAddress([2, 0, 0, 0, 0, 1]), MacAddress([2, 0, 0, 0, 0, 9]));
    log_in(sim.router(), phone, &code);
    sim.router().dial(box_at_home, "ann-home", "dial");
    let show = |who: &str| shop.lango(&["service", "show", who, "--json"]).ok().json();
    until("her hour runs", || show(&code)["state"] == "active");
    assert!(browses(sim.router(), phone));

    // She loses her phone: off now, and on again when it is found. The router's word counts.
    shop.lango(&["disconnect", &code]).ok();
    assert!(!browses(sim.router(), phone), "the command ends when the router has confirmed");
    shop.lango(&["service", "resume", &code]).ok();
    log_in(sim.router(), phone, &code);
    assert!(browses(sim.router(), phone));
    let before = show("ann-home")["ends_at"].clone();
    shop.lango(&["service", "extend", "ann-home", "1d"]).ok();
    assert_ne!(show("ann-home")["ends_at"], before);

    // Somebody tastes for two seconds, and is cut with proof.
    let order = ["voucher", "create", "--plan", "Taste", "--json"];
    let taste = shop.lango(&order).ok().json()[0]["code"].as_str().unwrap().replace('-', "");
    let guest = MacAddress([2, 0, 0, 0, 0, 2]);
    until("it is on the router", || {
        sim.router().join(guest);
        sim.router().login(guest, &taste, &taste).is_ok()
    });
    until("it is proven over", || {
        show(&taste)["cuts"].as_array().is_some_and(|cuts| !cuts.is_empty())
    });
    assert!(!browses(sim.router(), guest));

    // Evening: the line to the router breaks. Somebody is to be off, and is not called off.
    sim.router().faults().unreachable(true);
    let said = shop.lango(&["service", "suspend", &code]);
    assert_eq!(said.code, 1, "not confirmed is no success: {said:?}");
    until("the diagnosis knows", || {
        let check = shop.lango(&["check"]);
        check.code == 1 && check.out.contains("Lobby")
    });
    sim.router().faults().unreachable(false);
    until("it is made good", || !browses(sim.router(), phone));
    until("all is well", healthy);

    // Night: cron's commands find nothing left to do; the books, a backup, and it can be read back.
    for once in ["expire", "provision", "notify", "cleanup"] {
        shop.lango(&[once, "--once"]).ok();
    }
    shop.lango(&["sync", "--once", "--dry-run"]).ok();
    let services = shop.lango(&["service", "list", "--json"]).ok().json();
    assert_eq!(row(&services, "ann-home")["state"], "active");
    assert_eq!(shop.lango(&["payment", "list", "--json"]).ok().json().as_array().unwrap().len(), 1);
    let copy = shop.path().join("night.backup");
    let copy = copy.to_str().unwrap();
    shop.lango(&["backup", copy]).ok();
    assert_eq!(server.stop(), Some(0));
    shop.lango(&["restore", copy, "--force"]).ok();
    let restored = shop.lango(&["service", "list", "--json"]).ok().json();
    assert_eq!(row(&restored, "ann-home")["state"], "active");
}
