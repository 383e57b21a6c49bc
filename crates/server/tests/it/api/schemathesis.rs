//! A tool of others reads our description and tries to prove that it lies.

use super::House;
use crate::harness::Engine;
use lango_domain::role::Role;
use lango_server::web::Manners;
use std::path::Path;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tool = root.join("target/test-clients/venv/bin/st");
    assert!(tool.exists(), "run scripts/test-clients first: {} is missing", tool.display());
    // It shows wrong tokens on purpose, and wants to hear each time that they are wrong.
    let manners = Manners {
        requests_per_second: 1_000_000,
        wrong_tokens_per_minute: 1_000_000,
        ..Manners::default()
    };
    let house = House::with(Engine::Sqlite, manners).await;
    let (url, token) = (house.url(), house.key(Role::Owner).to_owned());
    let said = tokio::task::spawn_blocking(move || {
        Command::new(tool)
            .args(["--config-file", "scripts/schemathesis.toml", "run"])
            .arg(format!("{url}/api/openapi.json"))
            .args(["--url", &url, "--header", &format!("Authorization: Bearer {token}")])
            .current_dir(root)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{out}\n{err}");
    assert!(out.contains("No issues found") || out.contains("passed"), "{out}");
}
