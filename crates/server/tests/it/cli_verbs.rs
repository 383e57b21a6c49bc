//! What staff change at the desk: every verb of the command line beyond adding and listing, with
//! the real program.

use crate::cli::{INIT, PATIENCE, Said, Shop, until};
use lango_router_sim::{RouterSim, Settings, SystemClock};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

impl Shop {
    fn says(&self, arguments: &[&str]) -> Value {
        self.lango(&[arguments, &["--json"]].concat()).ok().json()
    }

    fn with_input(&self, input: &str, arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Said::of(child.wait_with_output().unwrap())
    }
}

#[test]
fn a_plan_changes_goes_off_sale_and_comes_back() {
    let shop = Shop::open();
    let shown = shop.says(&["plan", "show", "1 hour"]);
    assert_eq!(shown["terms"]["time_seconds"], 3_600);
    assert_eq!(shown["price"], json!({ "amount": 2_000, "currency": "KES" }));

    let change =
        ["plan", "change", "1 HOUR", "--name", "Hour", "--price", "25", "--speed", "2M/5M"];
    shop.lango(&change).ok();
    let changed = shop.says(&["plan", "show", shown["id"].as_str().unwrap()]);
    assert_eq!((&changed["name"], &changed["price"]["amount"]), (&"Hour".into(), &2_500.into()));
    assert_eq!(changed["terms"]["time_seconds"], 3_600, "what was not said stays as it is");
    let words = shop.lango(&["plan", "show", "Hour"]).ok();
    assert!(words.out.contains("on sale at KES 25") && words.out.contains("2M/5M"), "{words:?}");
    shop.lango(&["plan", "change", "Hour", "--data", "1GB", "--without", "speed"]).ok();
    let changed = shop.says(&["plan", "show", "Hour"]);
    assert_eq!(
        (&changed["terms"]["speed"], &changed["terms"]["data_bytes"]),
        (&Value::Null, &1_000_000_000.into())
    );

    shop.lango(&["plan", "retire", "Hour"]).ok();
    shop.lango(&["voucher", "create", "--plan", "Hour"]).fails(1, &["no plan `Hour`"]);
    assert!(shop.lango(&["plan", "list"]).ok().out.contains("no\n"));
    shop.lango(&["plan", "offer", "Hour"]).ok();
    shop.lango(&["voucher", "create", "--plan", "Hour"]).ok();

    shop.lango(&["plan", "show", "Week"]).fails(1, &["no plan `Week`", "lango plan list"]);
    shop.lango(&["plan", "change", "Hour"]).fails(1, &["nothing is to change"]);
    let endless = ["plan", "change", "Hour", "--without", "time,data"];
    shop.lango(&endless).fails(1, &["would never end"]);
    let throttle = ["plan", "change", "Hour", "--without", "data", "--throttle", "1M/1M"];
    shop.lango(&throttle).fails(1, &["give --data too"]);
}

#[test]
fn two_plans_that_differ_in_case_are_asked_back() {
    let shop = Shop::open();
    shop.lango(&["plan", "add", "1 HOUR", "--price", "30", "--time", "1h"]).ok();
    let asked = shop.lango(&["plan", "retire", "1 Hour"]);
    let asked = asked.fails(1, &["`1 Hour` can mean 2 things", "say which by its id"]);
    let ids = asked.err.lines().skip(1).map(|line| line.split_whitespace().next().unwrap());
    let ids: Vec<&str> = ids.collect();
    assert_eq!(ids.len(), 2, "{asked:?}");
    assert_eq!(shop.says(&["plan", "show", "1 HOUR"])["price"]["amount"], 3_000, "the very name");
    shop.lango(&["plan", "retire", ids[0]]).ok();
}

#[test]
fn a_customer_changes_his_number_and_leaves_if_he_never_bought() {
    let shop = Shop::open();
    shop.lango(&["customer", "add", "Ann", "--phone", "0712345678"]).ok();
    let change =
        ["customer", "change", "0712345678", "--phone", "0722 000 111", "--language", "sw"];
    let changed = shop.says(&change);
    assert_eq!((&changed["phone"], &changed["language"]), (&"+254722000111".into(), &"sw".into()));
    shop.lango(&["customer", "show", "0712345678"]).fails(1, &["no customer has +254712345678"]);
    shop.lango(&["customer", "change", "ann", "--name", "Ann W."]).ok();
    assert_eq!(shop.says(&["customer", "list"])[0]["name"], "Ann W.");
    shop.lango(&["customer", "change", "Ann W.", "--no-phone", "--no-language"]).ok();
    assert_eq!(shop.says(&["customer", "list"])[0]["phone"], Value::Null);

    shop.lango(&["customer", "add", "Ann W.", "--phone", "0733000111"]).ok();
    let asked = shop.lango(&["customer", "remove", "Ann W."]);
    asked.fails(1, &["can mean 2 things", "+254733000111"]);
    shop.lango(&["service", "add", "--plan", "1 hour", "--pppoe", "a", "--customer", "0733000111"])
        .ok();
    shop.lango(&["customer", "remove", "0733000111"]).fails(1, &["the books must say who"]);
    let ids: Vec<String> = shop
        .says(&["customer", "list"])
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["phone"].is_null())
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(shop.says(&["customer", "remove", &ids[0]])["removed"], ids[0].as_str());
    assert_eq!(shop.says(&["customer", "list"]).as_array().unwrap().len(), 1);
    shop.lango(&["customer", "change", "0733000111"]).fails(2, &["required"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_is_renamed_readdressed_and_shown() {
    let sim = RouterSim::start(Settings::default(), Arc::new(SystemClock)).unwrap();
    let (shop, api) = (Shop::open(), sim.router().api_address().unwrap());
    shop.lango(&[
        "router",
        "add",
        "Hill",
        "api://127.0.0.1:1",
        "--user",
        "lango",
        "--password",
        "old",
    ])
    .ok();
    let moved =
        ["router", "change", "hill", "--name", "Lake", "--address", &format!("api://{api}")];
    assert_eq!(shop.says(&moved)["name"], "Lake");
    shop.lango(&["router", "test", "Lake"]).fails(1, &[]);
    // Asked for, and never seen in a process list.
    let asked = shop.with_input("secret\n", &["router", "change", "Lake", "--password"]).ok();
    assert!(asked.err.contains("Password of lango on the router"), "{asked:?}");
    shop.lango(&["router", "test", "Lake"]).ok();
    shop.lango_with(
        "LANGO_ROUTER_PASSWORD",
        "wrong",
        &["router", "change", "Lake", "--name", "Sea"],
    )
    .ok();
    shop.lango(&["router", "test", "Sea"]).ok();

    shop.lango(&["service", "add", "--plan", "1 hour", "--hotspot", "ann"]).ok();
    shop.lango(&["sync", "--once"]).ok();
    let shown = shop.says(&["router", "show", "Sea"]);
    assert_eq!(shown["address"], format!("api://{api}"));
    assert!(shown["observed"]["uptime_seconds"].is_i64(), "{shown}");
    let words = shop.lango(&["router", "show", "Sea"]).ok();
    assert!(
        words.out.contains("is up") && words.out.contains("calls itself: MikroTik"),
        "{words:?}"
    );

    shop.lango(&["router", "change", "Sea"]).fails(2, &["required"]);
    let pin = ["router", "change", "Sea", "--fingerprint", "abc"];
    shop.lango(&pin).fails(1, &["not encrypted", "apis://"]);
    shop.lango(&["router", "change", "Sea", "--name", " "]).fails(1, &["a router needs a name"]);
    let removed = shop.says(&["router", "remove", "Sea"]);
    assert_eq!(removed["name"], "Sea");
    sim.stop().await;
}

#[test]
fn a_voucher_is_shown_and_made_void() {
    let shop = Shop::open();
    let made = shop.lango(&["voucher", "create", "--plan", "1 hour"]).ok();
    let code = made.out.trim().to_lowercase();
    let shown = shop.says(&["voucher", "show", &code]);
    assert_eq!((&shown["state"], &shown["plan_name"]), (&"unused".into(), &"1 hour".into()));
    let voided = shop.lango(&["voucher", "void", &code]);
    assert!(voided.out.contains("(voucher) is ended"), "{voided:?}");
    shop.lango(&["voucher", "show", "ABCD-EFGH"]).fails(1, &["nobody is known as `ABCD-EFGH`"]);
    shop.lango(&["service", "add", "--plan", "1 hour", "--pppoe", "ann"]).ok();
    shop.lango(&["voucher", "void", "ann"]).fails(1, &["ann is no voucher but PPPoE"]);
    assert_eq!(shop.says(&["service", "show", "ann"])["state"], "unused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_moves_between_routers_and_customers() {
    let first = RouterSim::start(Settings::default(), Arc::new(SystemClock)).unwrap();
    let second = RouterSim::start(Settings::default(), Arc::new(SystemClock)).unwrap();
    let shop = Shop::open();
    for (name, sim) in [("R1", &first), ("R2", &second)] {
        shop.add_router(name, &format!("api://{}", sim.router().api_address().unwrap()));
    }
    let holds = |sim: &RouterSim| {
        let there = [("name", "ann"), ("disabled", "false")];
        sim.router().matching("/ip/hotspot/user", &there).len()
    };
    let order = ["service", "add", "--plan", "1 hour", "--hotspot", "ann", "--paid"];
    shop.lango(&[order.as_slice(), &["--router", "R1"]].concat()).ok();
    shop.lango(&["sync", "--once"]).ok();
    assert_eq!((holds(&first), holds(&second)), (1, 0));

    let moved = shop.lango(&["service", "move", "ann", "--router", "r2"]).ok();
    assert!(moved.out.contains("confirmed by 2 routers"), "{moved:?}");
    assert_eq!((holds(&first), holds(&second)), (0, 1));
    shop.lango(&["service", "move", "ann", "--all-routers"]).ok();
    assert_eq!((holds(&first), holds(&second)), (1, 1));
    shop.lango(&["service", "move", "ann", "--router", "R3"]).fails(1, &["no router `R3`"]);
    shop.lango(&["service", "move", "ann"]).fails(2, &["required"]);

    shop.lango(&["plan", "add", "Day", "--price", "50", "--time", "1d"]).ok();
    shop.lango(&["customer", "add", "Ann", "--phone", "0712345678"]).ok();
    let change = ["service", "change", "ann", "--plan", "day", "--customer", "Ann"];
    let changed = shop.says(&change);
    assert!(
        changed["customer"].is_string() && changed["settled"]["confirmed"] == true,
        "{changed}"
    );
    assert_eq!(shop.says(&["service", "show", "ann"])["plan_name"], "Day");
    shop.lango(&["plan", "retire", "1 hour"]).ok();
    let refused = shop.lango(&["service", "change", "ann", "--plan", "1 hour", "--no-customer"]);
    refused.fails(1, &["ann is left as it is", "not sold any more"]);
    assert!(shop.says(&["service", "show", "ann"])["customer"].is_string(), "all or nothing");

    // A router that was away has a later try in mind; it is asked at once.
    let address = second.router().api_address().unwrap();
    second.stop().await;
    assert_eq!(shop.lango(&["service", "suspend", "ann"]).code, 1);
    let again = Settings { api: Some(address), ..Settings::default() };
    let started = Instant::now();
    let back = loop {
        match RouterSim::start(again.clone(), Arc::new(SystemClock)) {
            Ok(sim) => break sim,
            Err(error) => assert!(started.elapsed() < PATIENCE, "{error}"),
        }
    };
    until("the retry is confirmed", || shop.lango(&["service", "retry", "ann"]).code == 0);
    assert_eq!(shop.says(&["service", "show", "ann"])["open"], json!([]));
    back.stop().await;
}

#[test]
fn tokens_have_roles_an_end_and_can_be_taken_away() {
    let shop = Shop::open();
    let made = shop.says(&["token", "add", "till", "--role", "cashier", "--expires", "30d"]);
    assert_eq!(made["role"], "cashier");
    assert!(
        made["token"].as_str().unwrap().starts_with("lango_") && made["expires_at"].is_string()
    );
    shop.lango(&["token", "add", "till"]).ok();
    let asked = shop.lango(&["token", "remove", "till"]);
    asked.fails(1, &["can mean 2 things", "till (cashier)", "till (owner)"]);
    assert_eq!(shop.says(&["token", "remove", made["id"].as_str().unwrap()])["name"], "till");
    shop.lango(&["token", "remove", "TILL"]).ok();
    shop.lango(&["token", "remove", "till"]).fails(1, &["no token `till`", "lango token list"]);

    let panel = shop.says(&["token", "add", "panel", "--platform"]);
    assert_eq!(panel["role"], "platform");
    let above = shop.says(&["token", "list", "--platform"]);
    assert_eq!((above.as_array().unwrap().len(), &above[0]["tenant"]), (1, &Value::Null));
    shop.lango(&["token", "remove", "panel"]).fails(1, &["no token `panel`"]);
    shop.lango(&["token", "remove", "panel", "--platform"]).ok();
    for (arguments, code, word) in [
        (["--expires", "soon"], 1, "30d or 2026-12-31"),
        (["--expires", "2020-01-01"], 1, "expired already"),
        (["--role", "platform"], 1, "above all businesses"),
        (["--role", "king"], 2, "is not a role"),
    ] {
        shop.lango(&[&["token", "add", "x"][..], &arguments].concat()).fails(code, &[word]);
    }
}

#[test]
fn webhooks_are_made_changed_replayed_and_removed() {
    let shop = Shop::open();
    let url = "https://example.com/lango";
    let made = shop.says(&["webhook", "add", url, "--what", "ended", "--what", "plan added"]);
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"), "{made}");
    assert_eq!(made["webhook"]["topics"], json!(["ended", "plan added"]));
    let listed = shop.lango(&["webhook", "list", "--json"]).ok();
    assert!(!listed.out.contains("secret") && listed.out.contains(url), "{listed:?}");
    shop.lango(&["webhook", "change", url, "--off", "--everything"]).ok();
    let shown = shop.says(&["webhook", "show", url]);
    assert!(shown["webhook"]["off_since"].is_string() && shown["deliveries"] == json!([]));
    assert_eq!(shown["webhook"]["topics"], json!([]));
    let off = shop.lango(&["webhook", "list"]).ok();
    assert!(off.out.contains("everything") && off.out.contains("off since"), "{off:?}");
    shop.lango(&["webhook", "change", url, "--on"]).ok();
    let told = shop.says(&["webhook", "replay", url, "--after", "0"]);
    assert!(told["queued"].is_u64() && told["next"].is_i64(), "{told}");
    shop.lango(&["webhook", "add", url]).ok();
    shop.lango(&["webhook", "remove", url]).fails(1, &["can mean 2 things"]);
    shop.lango(&["webhook", "remove", made["webhook"]["id"].as_str().unwrap()]).ok();
    shop.lango(&["webhook", "remove", url]).ok();
    shop.lango(&["webhook", "show", url]).fails(1, &["no webhook", "lango webhook list"]);
    shop.lango(&["webhook", "add", "ftp://x"]).fails(1, &["no address to be told"]);
}

#[tokio::test]
async fn work_that_was_given_up_is_named_and_tried_again() {
    let shop = Shop::open();
    assert_eq!(shop.says(&["job", "list"]), json!([]));
    assert_eq!(shop.says(&["job", "retry", "--all-given-up"])["retried"], 0);
    shop.lango(&["customer", "add", "Ann", "--phone", "0712345678"]).ok();
    let plan = ["plan", "add", "Day", "--price", "50", "--time", "1d", "--starts", "payment"];
    shop.lango(&plan).ok();
    let order = ["service", "add", "--plan", "Day", "--pppoe", "ann", "--paid"];
    shop.lango(&[order.as_slice(), &["--customer", "Ann"]].concat()).ok();
    shop.lango(&["service", "terminate", "ann"]);
    let waiting = shop.says(&["job", "list", "--state", "waiting"]);
    let waiting = waiting.as_array().unwrap();
    assert!(!waiting.is_empty(), "the customer is to be told");

    // As a sender does that has tried often enough.
    let url = lango_store::DatabaseUrl::sqlite(shop.path().join("lango.db"));
    let store = lango_store::Store::open(&url, lango_store::Settings::default()).await.unwrap();
    let now = lango_domain::time::Timestamp::from_jiff(jiff::Timestamp::now());
    let (later, patience) = (now + lango_domain::time::Span::hours(1), now);
    let give_up = async move |tx: &mut lango_store::Tx<'_>| {
        let claimed = lango_store::jobs::claim(tx, patience, later, 100).await?;
        for job in &claimed {
            lango_store::jobs::give_up(tx, job, now, "the sender knows no such number").await?;
        }
        Ok(claimed.len())
    };
    assert_eq!(store.write(give_up).await.unwrap(), waiting.len());
    store.close().await;

    let checked = shop.lango(&["check"]);
    assert!(checked.out.contains("the last one: the sender knows no such number"), "{checked:?}");
    assert!(checked.out.contains("lango job retry --all-given-up"), "{checked:?}");
    let given_up = shop.lango(&["job", "list", "--state", "given-up"]).ok();
    assert!(given_up.out.contains("the sender knows no such number"), "{given_up:?}");
    assert_eq!(shop.says(&["job", "retry", "--all-given-up"])["retried"], waiting.len());
    let id = waiting[0]["id"].as_str().unwrap();
    shop.lango(&["job", "retry", id]).fails(1, &["due already"]);
    shop.lango(&["job", "retry"]).fails(2, &["required"]);
}

#[test]
fn a_business_changes_its_name_and_language() {
    let shop = Shop::open();
    let changed = shop.says(&["business", "change", "--name", "Hotel B", "--language", "sw"]);
    assert_eq!((&changed["name"], &changed["language"]), (&"Hotel B".into(), &"sw".into()));
    assert_eq!(shop.says(&["business", "list"])[0]["name"], "Hotel B");
    shop.lango(&["business", "change", "--zone", "Mars/Base"]).fails(2, &["Mars/Base"]);
    let mut other = INIT;
    other[2] = "Cafe";
    shop.lango(&other).ok();
    let several = shop.lango(&["business", "change", "--language", "fr"]);
    several.fails(1, &["say which with --tenant: Hotel B, Cafe"]);
}

#[test]
fn every_list_is_a_table_that_spreadsheets_open_and_do_not_run() {
    let shop = Shop::open();
    shop.lango(&["customer", "add", "=1+1", "--phone", "0712345678"]).ok();
    shop.lango(&["plan", "add", "a, b", "--price", "1", "--time", "1h"]).ok();
    let customers = shop.lango(&["customer", "list", "--csv"]).ok();
    let mut lines = customers.out.split("\r\n");
    assert_eq!(lines.next(), Some("id,name,phone,language,created_at"));
    assert!(lines.next().unwrap().contains(",'=1+1,+254712345678,"), "{customers:?}");
    let plans = shop.lango(&["plan", "list", "--csv"]).ok();
    assert!(plans.out.contains(",\"a, b\",100,KES,1h,"), "{plans:?}");
    shop.add_router("R1", "api://10.0.0.1");
    let order = ["service", "add", "--plan", "1 hour", "--pppoe", "ann"];
    shop.lango(&order).ok();
    shop.lango(&["voucher", "create", "--plan", "1 hour"]).ok();
    shop.lango(&["payment", "add", "ann", "--receipt", "C-1"]).ok();
    shop.lango(&["webhook", "add", "https://example.com/x"]).ok();
    for (list, cell) in [
        ("router", "api://10.0.0.1:8728"),
        ("service", ",ann,1 hour,"),
        ("voucher", ",voucher,"),
        ("payment", ",2000,KES,cash,C-1,"),
        ("token", ",owner,"),
        ("webhook", ",https://example.com/x,"),
        ("business", ",Hotel ABC,"),
    ] {
        let said = shop.lango(&[list, "list", "--csv"]).ok();
        let lines: Vec<&str> = said.out.trim_end().split("\r\n").collect();
        assert!(lines.len() == 2 && lines[1].contains(cell), "{list}: {said:?}");
        let columns = lines[0].split(',').count();
        assert_eq!(lines[1].split(',').count(), columns, "{list}: {said:?}");
        shop.lango(&[list, "list", "--csv", "--json"]).fails(2, &["cannot be used with"]);
    }
}

#[test]
fn a_check_tells_of_the_database_its_backup_and_the_queues() {
    let shop = Shop::open();
    let report = shop.lango(&["check", "--json"]).json();
    let database = &report["database"];
    assert_eq!((&database["kind"], &database["last_backup"]), (&"sqlite".into(), &Value::Null));
    assert!(database["bytes"].as_u64().unwrap() > 0 && database["schema_version"].is_u64());
    assert_eq!(report["recommendations"], json!([]), "a new business has nothing to lose yet");
    assert_eq!(report["clock"], json!({ "routers": 0, "all_ahead_seconds": null }));
    assert!(report["findings"][0]["advice"].is_string(), "{report}");

    let file = shop.path().join("b.backup");
    let made = shop.says(&["backup", file.to_str().unwrap()]);
    assert!(made["bytes"].as_u64().unwrap() > 0 && made["key_file"].is_string(), "{made}");
    let report = shop.lango(&["check", "--json"]).json();
    assert_eq!(report["database"]["last_backup"]["path"], made["path"]);
    let words = shop.lango(&["check"]);
    for word in ["Queues: 0 messages", "Database: sqlite:", "last backup", "Clock: no router"] {
        assert!(words.out.contains(word), "{word}: {words:?}");
    }
    let restored = shop.says(&["restore", "--force", file.to_str().unwrap()]);
    assert_eq!(restored["restored"], file.to_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_names_who_ends_soon_and_whose_clock_is_wrong() {
    let sims: Vec<RouterSim> = (0..2)
        .map(|_| RouterSim::start(Settings::default(), Arc::new(SystemClock)).unwrap())
        .collect();
    let shop = Shop::open();
    for (number, sim) in sims.iter().enumerate() {
        sim.router().skew_clock(900_000_000);
        let address = format!("api://{}", sim.router().api_address().unwrap());
        shop.add_router(&format!("R{number}"), &address);
    }
    let plan = ["plan", "add", "Short", "--price", "1", "--time", "20m", "--starts", "payment"];
    shop.lango(&plan).ok();
    shop.lango(&["customer", "add", "Ann", "--phone", "0712345678"]).ok();
    let order = ["service", "add", "--plan", "Short", "--hotspot", "ann", "--paid"];
    shop.lango(&[order.as_slice(), &["--customer", "Ann"]].concat()).ok();
    shop.lango(&["sync", "--once"]).ok();

    let report = shop.lango(&["check", "--json"]).json();
    let soon = &report["tenants"][0]["expiring_soon"][0];
    assert_eq!((&soon["label"], &soon["phone"]), (&"ann".into(), &"+254712345678".into()));
    assert!((18..=20).contains(&soon["remaining_minutes"].as_i64().unwrap()), "{soon}");
    let ahead = report["clock"]["all_ahead_seconds"].as_i64().unwrap();
    assert!((890..=910).contains(&ahead), "{report}");
    let words = shop.lango(&["check"]);
    assert!(words.out.contains("the clock of this machine is"), "{words:?}");
    assert!(words.out.contains("timedatectl set-ntp true"), "{words:?}");
    assert!(!words.out.contains("the clock of router"), "{words:?}");

    // One of them is put right: now the other one is wrong, and not we.
    sims[1].router().skew_clock(0);
    shop.lango(&["sync", "--once"]).ok();
    let words = shop.lango(&["check"]);
    assert!(words.out.contains("the clock of router R0 is"), "{words:?}");
    assert!(!words.out.contains("the clock of this machine"), "{words:?}");
    for sim in sims {
        sim.stop().await;
    }
}

#[test]
fn long_work_says_how_far_it_is_and_never_to_a_program() {
    let shop = Shop::open();
    let many = |count| ["voucher", "create", "--plan", "1 hour", "--count", count];
    // What is done within a second is not worth a line: more, until it takes long here too.
    let long = ["20000", "50000", "100000"].into_iter().find_map(|count| {
        let file = shop.path().join(count);
        let started = Instant::now();
        let into = ["--csv", file.to_str().unwrap()];
        let said = shop.lango(&[&many(count)[..], &into].concat()).ok();
        (started.elapsed().as_secs() >= 3).then_some((count, said))
    });
    let (count, said) = long.expect("a hundred thousand vouchers take their time");
    let last = format!("100 %: {count} of {count} vouchers\n");
    assert!(said.err.contains(&last) && !said.err.contains('\x1b'), "{}", said.err);
    assert_eq!(said.out, "", "progress is not in the result");
    let json = shop.lango(&[&many(count)[..], &["--json"]].concat()).ok();
    assert!(!json.err.contains('%'), "{}", json.err);
    assert_eq!(json.json().as_array().unwrap().len().to_string(), count);
}
