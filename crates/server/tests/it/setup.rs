//! A router comes out of its box: what the program prints is pasted into its terminal, and
//! `lango router test` proves each line of it.

use crate::cli::{INIT, Shop, until};
use crate::harness::browses;
use lango_router_sim::{MacAddress, Router, RouterSim, Row, Settings, SystemClock, Trap};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

const SEVEN: &str = "7.20.6 (stable)";
const SIX: &str = "6.49.18 (long-term)";

/// Everything that setup writes into.
const MENUS: [&str; 13] = [
    "/user/group",
    "/user",
    "/certificate",
    "/ip/service",
    "/ip/firewall/filter",
    "/system/ntp/client",
    "/ip/address",
    "/ip/pool",
    "/ip/dhcp-server",
    "/ip/dhcp-server/network",
    "/ip/hotspot/profile",
    "/ip/hotspot",
    "/system/scheduler",
];

/// A router out of its box, behind the firewall that it is sold with.
fn fresh(version: &str) -> RouterSim {
    let sim = RouterSim::start(Settings::fresh(version), Arc::new(SystemClock)).unwrap();
    let rule = [("chain", "input"), ("action", "drop"), ("in-interface", "ether1")];
    sim.router().add("/ip/firewall/filter", &rule).unwrap();
    sim
}

fn shop() -> Shop {
    let shop = Shop::empty();
    shop.lango(&INIT).ok();
    shop
}

const LOGIN: [&str; 4] = ["--user", "lango", "--password", "pass word"];

/// What is printed, with `more` behind the name and the address.
fn printed(shop: &Shop, login: &[&str], more: &[&str]) -> String {
    let command = ["router", "setup", "Router1", "--from", "127.0.0.1"];
    shop.lango(&[&command[..], login, more].concat()).ok().out
}

/// Pastes and reports the commands that were refused.
fn paste(router: &Router, text: &str) -> Vec<(String, Trap)> {
    let pasted = router.paste(text);
    pasted.into_iter().filter_map(|one| Some((one.command, one.outcome.err()?))).collect()
}

/// Adds the router as the one `setup` was for.
fn add(shop: &Shop, name: &str, router: &Router, scheme: &str, login: &[&str]) {
    let address = match scheme {
        "apis" => router.api_tls_address(),
        "rests" => router.rest_tls_address(),
        _ => router.api_address(),
    };
    let address = format!("{scheme}://{}", address.unwrap());
    let mut command = vec!["router", "add", name, &address];
    command.extend(login);
    let pin: String =
        router.api_tls_fingerprint().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    if scheme.ends_with('s') {
        command.extend(["--fingerprint", &pin]);
    }
    shop.lango(&command).ok();
}

/// Steps of `router test` that are not well, with their advice.
fn complaints(shop: &Shop, name: &str) -> Vec<(String, String)> {
    let tested = shop.lango(&["router", "test", name, "--json"]).json();
    let text = |step: &Value, name: &str| step[name].as_str().unwrap().to_owned();
    let steps = tested["steps"].as_array().unwrap().iter();
    let unwell = steps.filter(|step| step["result"] != "ok");
    let unwell = unwell.map(|step| (text(step, "step"), text(step, "advice")));
    // No PPPoE server is part of this setup.
    unwell.filter(|(step, _)| step != "ppp").collect()
}

fn steps(complaints: &[(String, String)]) -> BTreeSet<&str> {
    complaints.iter().map(|(step, _)| step.as_str()).collect()
}

fn shown(row: &Row) -> String {
    let text = |(name, value): (&str, &[u8])| format!("{name}={} ", String::from_utf8_lossy(value));
    row.fields().map(text).collect()
}

fn everything(router: &Router) -> Vec<String> {
    MENUS.iter().flat_map(|menu| router.rows(menu)).map(|row| shown(&row)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pasted_into_a_fresh_router_passes_every_step() {
    let all = ["--hotspot", "bridge", "--close-plain"];
    let cases = [
        (SEVEN, "apis", "7", &all[..]),
        (SIX, "apis", "6", &all[..]),
        (SEVEN, "rests", "7", &all[..]),
        (SEVEN, "api", "7", &all[..]),
    ];
    for (version, by, major, more) in cases {
        let (sim, shop) = (fresh(version), shop());
        let text = printed(&shop, &LOGIN, &[more, &["--by", by, "--routeros", major]].concat());
        assert_eq!(paste(sim.router(), &text), [], "{version} {by}");
        let before = everything(sim.router());
        assert_eq!(paste(sim.router(), &text), [], "a second time");
        assert_eq!(everything(sim.router()), before, "a second time changes nothing");

        add(&shop, "Router1", sim.router(), by, &LOGIN);
        let complaints = complaints(&shop, "Router1");
        // Without encryption there is one more thing to know.
        let known = if by == "api" { BTreeSet::from(["encryption"]) } else { BTreeSet::new() };
        assert_eq!(steps(&complaints), known, "{version} {by} {complaints:?}");
        assert_eq!(everything(sim.router()), before, "the test leaves nothing behind");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_come_in_by_the_hotspot_that_was_set_up() {
    let (sim, shop) = (fresh(SEVEN), shop());
    let more = ["--hotspot", "bridge", "--network", "10.7.0.0/24"];
    assert_eq!(paste(sim.router(), &printed(&shop, &LOGIN, &more)), []);
    let phone = MacAddress([2, 0, 0, 0, 0, 7]);
    let ip = sim.router().join(phone);
    assert_eq!(ip.octets()[..3], [10, 7, 0]);
    sim.router().add("/ip/hotspot/user", &[("name", "ann"), ("password", "pw")]).unwrap();
    sim.router().login_from_portal(phone, "ann", "pw").unwrap();
    assert!(browses(sim.router(), phone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_there_already_becomes_the_hotspots() {
    let (sim, shop) = (fresh(SEVEN), shop());
    // As a router comes that was never touched.
    let sold = "/ip pool add name=default-dhcp ranges=192.168.88.10-192.168.88.254\n\
                /ip address add address=192.168.88.1/24 interface=bridge comment=defconf\n\
                /ip dhcp-server add name=defconf interface=bridge address-pool=default-dhcp\n\
                /ip dhcp-server network add address=192.168.88.0/24 gateway=192.168.88.1";
    assert_eq!(paste(sim.router(), sold), []);
    assert_eq!(paste(sim.router(), &printed(&shop, &LOGIN, &["--hotspot", "bridge"])), []);
    for menu in ["/ip/pool", "/ip/address", "/ip/dhcp-server", "/ip/dhcp-server/network"] {
        assert_eq!(sim.router().rows(menu).len(), 1, "{menu}");
    }
    let phone = MacAddress([2, 0, 0, 0, 0, 8]);
    assert_eq!(sim.router().join(phone).octets()[..3], [192, 168, 88]);
    assert!(!browses(sim.router(), phone));
    sim.router().add("/ip/hotspot/user", &[("name", "ann"), ("password", "pw")]).unwrap();
    sim.router().login_from_portal(phone, "ann", "pw").unwrap();
    assert!(browses(sim.router(), phone));
    add(&shop, "Router1", sim.router(), "apis", &LOGIN);
    let found = complaints(&shop, "Router1");
    assert_eq!(steps(&found), BTreeSet::from(["plain services"]), "{found:?}");

    assert_eq!(paste(sim.router(), "/ip dhcp-server remove defconf"), []);
    let found = complaints(&shop, "Router1");
    assert_eq!(steps(&found), BTreeSet::from(["dhcp", "plain services"]), "{found:?}");
    assert!(found.iter().any(|(_, advice)| advice.contains("/ip dhcp-server setup")), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_addresses_and_networks_are_let_in() {
    let (sim, shop) = (fresh(SEVEN), shop());
    let text = printed(&shop, &LOGIN, &["--from", "10.0.0.9,127.0.0.0/28", "--close-plain"]);
    assert_eq!(paste(sim.router(), &text), []);
    let rules = sim.router().matching("/ip/firewall/filter", &[("chain", "input")]);
    let actions: Vec<_> = rules.iter().filter_map(|row| row.text("action")).collect();
    assert_eq!(actions, ["accept", "accept", "accept", "drop"]);
    let services = sim.router().matching("/ip/service", &[("name", "api-ssl")]);
    assert_eq!(services[0].text("address").unwrap(), "127.0.0.1,10.0.0.9,127.0.0.0/28");
    // The network alone lets in too.
    let own = "/ip firewall filter remove [find comment=\"lango:firewall 127.0.0.1\"]";
    assert_eq!(paste(sim.router(), own), []);
    add(&shop, "Router1", sim.router(), "apis", &LOGIN);
    let found = complaints(&shop, "Router1");
    assert_eq!(steps(&found), BTreeSet::from(["hotspot"]), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_left_out_fails_its_own_proof_with_the_advice() {
    let shop = shop();
    let more = ["--hotspot", "bridge", "--close-plain", "--json"];
    let said: Value = serde_json::from_str(&printed(&shop, &LOGIN, &more)).unwrap();
    let lines = said["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 13);
    for (index, left_out) in lines.iter().enumerate() {
        let sim = fresh(SEVEN);
        let rest = lines.iter().filter(|line| *line != left_out);
        let text: Vec<&str> = rest.map(|line| line["command"].as_str().unwrap()).collect();
        let refused = paste(sim.router(), &text.join("\n"));
        let name = format!("Router{index}");
        add(&shop, &name, sim.router(), "apis", &LOGIN);
        let complaints = complaints(&shop, &name);

        let step = left_out["step"].as_str().unwrap();
        let command = left_out["command"].as_str().unwrap();
        // What builds on what is missing is refused by the router, and fails first.
        let (fails, advice, dependents) = match step {
            "group" => ("login", "lango router setup --from 127.0.0.1 --by apis", 1),
            "user" => ("login", "lango router setup --from 127.0.0.1 --by apis", 0),
            "certificate" => ("encryption", "lango router setup --from 127.0.0.1 --by apis", 1),
            "service" => ("encryption", "lango router setup --from 127.0.0.1 --by apis", 0),
            "hotspot login" => ("hotspot", "--hotspot INTERFACE", 1),
            "hotspot" => ("hotspot", "--hotspot INTERFACE", 0),
            own => (own, command, 0),
        };
        assert_eq!(refused.len(), dependents, "{step}: {refused:?}");
        assert_eq!(steps(&complaints), BTreeSet::from([fails]), "{step}: {complaints:?}");
        assert!(complaints[0].1.contains(advice), "{step}: {complaints:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_undone_later_is_found_and_mended_by_pasting_the_advice() {
    let (sim, shop) = (fresh(SEVEN), shop());
    let text = printed(&shop, &LOGIN, &["--hotspot", "bridge", "--close-plain"]);
    assert_eq!(paste(sim.router(), &text), []);
    add(&shop, "Router1", sim.router(), "apis", &LOGIN);
    assert_eq!(complaints(&shop, "Router1"), []);
    let undone = [
        ("group", "/user group set lango policy=read,write,sensitive,api,ssh,policy"),
        ("user", "/user set lango address=\"\""),
        ("service", "/ip service set api-ssl address=0.0.0.0/0"),
        ("firewall", "/ip firewall filter remove [find comment=\"lango:firewall 127.0.0.1\"]"),
        (
            "firewall",
            "/ip firewall filter add chain=input action=reject place-before=[:pick [/ip firewall \
             filter find chain=input] 0]",
        ),
        ("ntp", "/system ntp client set enabled=no"),
        ("plain services", "/ip service set telnet,api disabled=no"),
        ("hotspot address", "/ip address remove [find interface=bridge]"),
        ("hotspot pool", "/ip pool remove lango-hotspot"),
        ("dhcp network", "/ip dhcp-server network remove [find gateway=10.5.50.1]"),
        ("hotspot login", "/ip hotspot profile set lango login-by=http-pap,trial"),
    ];
    for (step, change) in undone {
        assert_eq!(paste(sim.router(), change), [], "{step}");
        let found = complaints(&shop, "Router1");
        assert_eq!(steps(&found), BTreeSet::from([step]), "{found:?}");
        let advice = found[0].1.strip_prefix("paste into its terminal: ").unwrap();
        assert_eq!(paste(sim.router(), advice), [], "{step}");
        assert_eq!(complaints(&shop, "Router1"), [], "{step}: {advice}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn traps_that_no_command_of_ours_can_take_away_are_named() {
    let (sim, shop) = (fresh(SEVEN), shop());
    let text = printed(&shop, &LOGIN, &["--hotspot", "bridge", "--close-plain"]);
    assert_eq!(paste(sim.router(), &text), []);
    add(&shop, "Router1", sim.router(), "apis", &LOGIN);
    let fasttrack = "/ip firewall filter add chain=forward action=fasttrack-connection \
                     connection-state=established,related";
    assert_eq!(paste(sim.router(), fasttrack), []);
    let refusal = "failure: not allowed by device-mode";
    sim.router().faults().refuse("/system/scheduler/add", 1, refusal);
    let found = complaints(&shop, "Router1");
    assert_eq!(steps(&found), BTreeSet::from(["fasttrack", "guard"]), "{found:?}");
    assert!(found.iter().any(|(_, advice)| advice.contains("device-mode")), "{found:?}");

    assert_eq!(paste(sim.router(), "/ip firewall filter remove [find chain=forward]"), []);
    sim.router().skew_clock(11 * 365 * 86_400 * 1_000_000);
    let found = complaints(&shop, "Router1");
    assert_eq!(steps(&found), BTreeSet::from(["certificate", "clock"]), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_made_stays_as_it_is() {
    let (sim, shop) = (fresh(SEVEN), shop());
    let router = sim.router();
    let others = "/user add name=ops group=full password=x comment=\"the boss\"\n\
                  /user add name=lango2 group=read password=y address=10.0.0.9\n\
                  /ip firewall filter add chain=input action=accept comment=theirs\n\
                  /ip pool add name=theirs ranges=10.9.0.2-10.9.0.9\n\
                  /ip address add address=10.9.0.1/24 interface=bridge\n\
                  /ip dhcp-server add name=theirs interface=bridge address-pool=theirs\n\
                  /ip hotspot profile add name=theirs login-by=cookie,http-pap\n\
                  /ip hotspot add name=theirs interface=bridge profile=theirs address-pool=theirs\n\
                  /system ntp client set enabled=yes servers=10.9.0.3";
    assert_eq!(paste(router, others), []);
    let theirs = |menu: &str| {
        let rows = router.rows(menu).into_iter().map(|row| shown(&row));
        rows.filter(|row| !row.contains("lango:") && !row.contains("name=lango"))
            .collect::<Vec<_>>()
    };
    // The service is the one thing of theirs that changes: it is what Lango comes by.
    let menus = MENUS.iter().filter(|menu| **menu != "/ip/service");
    let before: Vec<_> = menus.clone().map(|menu| theirs(menu)).collect();
    let text = printed(&shop, &LOGIN, &["--hotspot", "bridge"]);
    assert_eq!(paste(router, &text), []);
    assert_eq!(menus.clone().map(|menu| theirs(menu)).collect::<Vec<_>>(), before);

    // Named as Lango's user, the boss stays the boss; the test advises a user of its own.
    let boss = ["--user", "ops", "--password", "x"];
    assert_eq!(paste(router, &printed(&shop, &boss, &["--hotspot", "bridge"])), []);
    assert_eq!(menus.map(|menu| theirs(menu)).collect::<Vec<_>>(), before);
    add(&shop, "Router1", router, "apis", &boss);
    let found = complaints(&shop, "Router1");
    for step in ["group", "user"] {
        let (_, advice) = found.iter().find(|(one, _)| one == step).unwrap();
        assert!(advice.contains("lango router setup --from 127.0.0.1"), "{found:?}");
    }
    let (_, advice) = found.iter().find(|(step, _)| step == "hotspot login").unwrap();
    assert!(advice.contains("set [find name=\"theirs\"] login-by="), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_or_password_is_only_a_name_or_a_password() {
    let (sim, shop) = (fresh(SEVEN), shop());
    let user = "a\"]; /user remove [find]; :put \"$b? {(\\";
    let password = "\"; /system reboot; #$(x)\\\\?'";
    let login = ["--user", user, "--password", password];
    assert_eq!(paste(sim.router(), &printed(&shop, &login, &[])), []);
    let names: Vec<String> = sim
        .router()
        .rows("/user")
        .iter()
        .filter_map(|row| Some(row.text("name")?.into()))
        .collect();
    assert_eq!(names, ["admin", user]);
    add(&shop, "Router1", sim.router(), "apis", &login);
    let found = complaints(&shop, "Router1");
    assert_eq!(steps(&found), BTreeSet::from(["hotspot", "plain services"]), "{found:?}");

    let setup = ["router", "setup", "R", "--from", "127.0.0.1"];
    for wrong in [
        ["--password", "two\nlines"],
        ["--user", "a\tb"],
        ["--from", "10.0.0.0/0"],
        ["--hotspot", "brücke"],
        ["--routeros", "8"],
    ] {
        shop.lango(&[&setup[..], &wrong].concat()).fails(2, &["error:"]);
    }
    let six = [&setup[..], &["--by", "rests", "--routeros", "6"]].concat();
    shop.lango(&six).fails(1, &["RouterOS 6 has no REST"]);
}

#[test]
fn a_made_up_password_is_said_once_and_nothing_is_asked_of_a_database() {
    let shop = Shop::empty();
    let say =
        || shop.lango(&["router", "setup", "Lobby 2", "--from", "10.0.0.2", "--json"]).ok().json();
    let (one, other) = (say(), say());
    assert!(one["password"].as_str().unwrap().len() >= 10);
    assert_ne!(one["password"], other["password"]);
    assert_eq!(one["next"], "lango router add 'Lobby 2' apis://ROUTER --user lango");
    assert!(!shop.path().exists());
}

/// Everything that setup by RADIUS writes into.
const RADIUS_MENUS: [&str; 5] =
    ["/radius", "/radius/incoming", "/ip/hotspot/profile", "/ppp/aaa", "/ip/firewall/filter"];

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_was_set_up_for_radius_passes_every_step() {
    for (version, major) in [(SEVEN, "7"), (SIX, "6")] {
        let (sim, shop) = (fresh(version), shop());
        let router = sim.router();
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (port, name) = (free.to_string(), "Lobby");
        let hotspot = printed(&shop, &LOGIN, &["--hotspot", "bridge", "--routeros", major]);
        assert_eq!(paste(router, &hotspot), []);
        let setup = ["router", "setup", name, "--from", "127.0.0.1", "--radius", "--json"];
        let more = ["--orders-port", &port, "--routeros", major];
        let printed = shop.lango(&[&setup[..], &more].concat()).ok().json();
        let commands = printed["lines"].as_array().unwrap().iter();
        let text: Vec<&str> = commands.map(|line| line["command"].as_str().unwrap()).collect();
        let text = text.join("\n");
        assert_eq!(paste(router, &text), [], "{version}");
        let rows = || -> Vec<String> {
            RADIUS_MENUS.iter().flat_map(|menu| router.rows(menu)).map(|row| shown(&row)).collect()
        };
        let before = rows();
        assert_eq!(paste(router, &text), [], "a second time");
        assert_eq!(rows(), before, "a second time changes nothing");
        let all = before.join("\n");
        for said in ["require-message-auth=yes-for-request-resp", "timeout=1s", "use-radius=true"] {
            assert!(all.contains(said), "{said}: {all}");
        }

        // Added with another secret it is deaf, and told as such.
        let address = format!("radius://127.0.0.1:{port}");
        let add = |name: &str, secret: &str| {
            shop.lango(&["router", "add", name, &address, "--password", secret]).ok();
        };
        add("Wrong", "another one of sixteen");
        let wrong = complaints(&shop, "Wrong");
        let deaf = wrong.iter().find(|(step, _)| step == "disconnect").expect("it is told");
        assert!(
            deaf.1.contains(&format!("/radius incoming set accept=yes port={port}")),
            "{deaf:?}"
        );
        shop.lango(&["router", "remove", "Wrong"]).ok();

        // The ports of this server are not the usual ones.
        add(name, printed["secret"].as_str().unwrap());
        let server = shop.serve();
        let listeners = std::fs::read_to_string(shop.path().join("listeners.json")).unwrap();
        let listeners: Value = serde_json::from_str(&listeners).unwrap();
        let port_of = |purpose: &str| {
            let address = listeners[purpose].as_str().unwrap();
            address.rsplit_once(':').unwrap().1.to_owned()
        };
        let entry = router.rows("/radius")[0].text(".id").unwrap().to_string();
        let (login, report) = (port_of("radius_authentication"), port_of("radius_accounting"));
        let ports = [("authentication-port", login.as_str()), ("accounting-port", &report)];
        router.set("/radius", &entry, &ports).unwrap();
        let heard_of = complaints(&shop, name);
        let unheard = BTreeSet::from(["heard", "secret", "signature", "clock"]);
        assert_eq!(steps(&heard_of), unheard, "nobody has logged in yet: {heard_of:?}");

        // One customer comes and goes, and everything is proven.
        shop.lango(&["plan", "add", "1 hour", "--price", "20", "--time", "1h"]).ok();
        let sold = shop.lango(&["voucher", "create", "--plan", "1 hour"]).ok().out;
        let code = sold.trim().replace('-', "");
        let phone = MacAddress([2, 0, 0, 0, 0, 7]);
        router.join(phone);
        until("the server knows the router", || {
            let nases = shop.lango(&["radius", "nases", "--json"]).ok().json();
            nases[0]["takes_orders"] == true
        });
        router.sign_in(phone, &code, &code).await.unwrap();
        assert!(browses(router, phone));
        // Version 6 signs nothing, and that is told.
        let (known, signing) = match major {
            "6" => (BTreeSet::from(["signature"]), "learning"),
            _ => (BTreeSet::new(), "required"),
        };
        until("everything is proven", || steps(&complaints(&shop, name)) == known);
        until("all is well", || shop.lango(&["check"]).code == 0);
        let check = shop.lango(&["check"]).ok().out;
        assert!(check.contains("proven") && check.contains(signing), "{check}");
        shop.lango(&["radius", "signing", name, "off"]).ok();
        let off = shop.lango(&["check"]).fails(1, &[]);
        assert!(off.out.contains("CVE-2024-3596"), "{off:?}");
        drop(server);
    }
}
