//! Clients that other people wrote speak with this router: both sides of our own tests share a
//! codec, these do not. `scripts/test-clients` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::Site;

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-clients")
}

/// Runs a client to its end beside the router and reads what it saw.
async fn drive(runner: PathBuf, script: &str, arguments: Vec<String>) -> Value {
    assert!(
        home().join("stamp").exists(),
        "the third-party clients are absent: run scripts/test-clients"
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let run = move || Command::new(runner).arg(script).args(arguments).output();
    let output =
        tokio::task::spawn_blocking(run).await.unwrap().expect("the client's interpreter starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the client failed: {errors}");
    serde_json::from_slice(&output.stdout).expect("the client prints JSON")
}

fn python() -> PathBuf {
    home().join("venv/bin/python")
}

fn access(site: &Site) -> Vec<String> {
    let port = site.router.api_address().unwrap().port();
    [port.to_string(), "lango".to_owned(), "secret".to_owned()].into()
}

#[tokio::test]
async fn librouteros_works_with_it() {
    let site = Site::of_version("7.20.6 (stable)");
    let seen = drive(python(), "with_librouteros.py", access(&site)).await;
    assert_eq!(seen["identity"], json!(["MikroTik"]));
    let row =
        json!({ ".id": seen["made"], "name": "amina", "limit-uptime": "1d12h", "disabled": false });
    assert_eq!(seen["row"], row);
    assert_eq!(seen["disabled"], json!([true]));
    assert_eq!(seen["either"], json!(["amina", "default-trial"]));
    assert!(
        seen["twice"]
            .as_str()
            .unwrap()
            .contains("already have user with this name for this server"),
        "{seen}"
    );
    assert_eq!(seen["active"], json!([]));
    assert!(seen["gone"].as_str().unwrap().contains("no such item"), "{seen}");
    assert_eq!(seen["after the trap"], json!(1));
}

async fn routeros_api(version: &str, login: &str) {
    let site = Site::of_version(version);
    let arguments = [access(&site), vec![login.to_owned()]].concat();
    let seen = drive(python(), "with_routeros_api.py", arguments).await;
    let twice = seen["twice"].as_str().unwrap();
    assert!(twice.contains("secret with the same name already exists"), "{twice}");
    assert_eq!(seen["identity"], json!("MikroTik"));
    assert_eq!(seen["none"], json!([]));
    assert_eq!(seen["row"], json!(["house-7", "pppoe", "false"]));
    assert_eq!(seen["disabled"], json!("true"));
    assert_eq!(seen["left"], json!([]));
}

#[tokio::test]
async fn routeros_api_works_with_it() {
    routeros_api("7.20.6 (stable)", "plain").await;
}

#[tokio::test]
async fn routeros_api_answers_its_challenge() {
    routeros_api("6.42.12 (long-term)", "challenge").await;
}

#[tokio::test]
async fn node_routeros_works_with_it() {
    // It stumbles over `!empty`, as every client of its time.
    let site = Site::of_version("7.17.2 (stable)");
    let modules = home().join("npm").to_string_lossy().into_owned();
    let arguments = [vec![modules], access(&site)].concat();
    let seen = drive(PathBuf::from("node"), "with_node_routeros.mjs", arguments).await;
    assert_eq!(seen["identity"], json!("MikroTik"));
    assert_eq!(seen["added"], json!("string"));
    assert_eq!(seen["heard"], json!("10.0.0.5"));
    assert_eq!(seen["rows"], json!([["paid", "10.0.0.5", "true"]]));
    assert!(seen["twice"].as_str().unwrap().contains("already have such entry"), "{seen}");
    assert_eq!(seen["left"], json!(0));
}
