//! The scripts of older systems, as they stand in the operator's guide: each line with curl in it is
//! run as it is written there.

use crate::cli::{Shop, until};
use lango_router_sim::{MacAddress, RouterSim, Settings, SystemClock};
use serde_json::Value;
use std::process::Command;
use std::sync::Arc;

const GUIDE: &str = include_str!("../../../../../docs/operators-guide.md");

/// The lines of the guide's section on older systems that call the server.
fn lines() -> Vec<&'static str> {
    let section = GUIDE.split("## Scripts of older systems").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    section.lines().filter(|line| line.starts_with("curl ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_of_older_systems_run_as_they_are_written() {
    let shop = Shop::open();
    let sim = RouterSim::start(Settings::default(), Arc::new(SystemClock)).unwrap();
    let address = format!("api://{}", sim.router().api_address().unwrap());
    shop.add_router("Router1", &address);
    let token = shop.lango(&["token", "add", "old scripts", "--json"]).ok().json();
    let token = token["token"].as_str().unwrap().to_owned();
    let order = ["voucher", "create", "--plan", "1 hour", "--json"];
    let voucher = shop.lango(&order).ok().json()[0].clone();
    let line = ["service", "add", "--plan", "1 hour", "--pppoe", "ann", "--paid", "--json"];
    let service = shop.lango(&line).ok().json();
    let server = shop.serve();
    let phone = MacAddress([2, 0, 0, 0, 0, 7]);
    sim.router().join(phone);
    sim.router().keep_busy(phone, 10, 10);
    let device = sim.router().address_of(phone).unwrap();
    let is_up = || {
        get(&server.url(), &token, "/api/admin/mikrotik/status/")["routers"][0]["reachable"] == true
    };
    until("the router is up", is_up);

    let lines = lines();
    assert!(lines.len() >= 12, "{lines:?}");
    for line in lines {
        let said = run(
            line,
            &[
                ("LANGO", &server.url()),
                ("TOKEN", &token),
                ("CODE", voucher["code"].as_str().unwrap()),
                ("SERVICE", service["id"].as_str().unwrap()),
                ("ADDRESS", &device.to_string()),
                ("MAC", &phone.to_string()),
            ],
        );
        assert_shape(line, &said);
        if line.contains("hotspot/login") {
            assert!(crate::harness::browses(sim.router(), phone), "{line}: {said}");
        }
        if line.contains("hotspot/logout") {
            assert!(!crate::harness::browses(sim.router(), phone), "{line}: {said}");
        }
    }
}

/// As a shell runs it.
fn run(line: &str, variables: &[(&str, &str)]) -> Value {
    let mut command = Command::new("sh");
    command.args(["-c", line]).envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {line}: {}", String::from_utf8_lossy(&output.stdout))
    })
}

fn get(url: &str, token: &str, path: &str) -> Value {
    run(
        "curl -s -H \"X-Admin-Token: $TOKEN\" $LANGO$WHERE",
        &[("LANGO", url), ("TOKEN", token), ("WHERE", path)],
    )
}

/// The names that scripts read.
#[track_caller]
fn assert_shape(line: &str, said: &Value) {
    assert_eq!(said["success"], true, "{line}: {said}");
    let has = |names: &[&str]| {
        for name in names {
            let place = format!("/{}", name.replace('.', "/"));
            assert!(said.pointer(&place).is_some(), "{line}: no {name} in {said}");
        }
    };
    if line.contains("expiry-watcher") {
        has(&[
            "watcher.running",
            "watcher.check_interval_seconds",
            "statistics.total_active_users",
            "statistics.expiring_in_30_min",
            "statistics.expired_but_still_active",
            "expiring_soon",
            "expired_not_disconnected",
            "health",
            "timestamp",
        ]);
        assert_eq!(said.get("result").is_some(), line.contains("POST"), "{line}: {said}");
    }
    if line.contains("mikrotik/status") {
        has(&[
            "routers.0.reachable",
            "routers.0.version",
            "routers.0.uptime_seconds",
            "routers.0.active_users",
            "routers.0.last_contact",
            "routers.0.last_error",
        ]);
    }
    if line.contains("/api/hotspot/") {
        has(&["session", "time_left_seconds", "data_left_bytes"]);
    }
    if line.contains("/api/cron/") {
        has(&["processed", "failed"]);
    }
    if line.contains("cleanup-expired") {
        has(&["routers", "disconnected"]);
    }
}
