//! NASes and what was used by the hour, by the API.

use super::{House, NOON};
use crate::harness::Engine;
use lango_domain::ids::GrantId;
use lango_domain::quantity::DataSize;
use lango_domain::role::Role;
use lango_domain::time::Span;
use lango_server::operations::add_router::{NewRouter, RouterLogin, add_router};
use lango_server::operations::asked::By;
use lango_store::Tx;
use lango_store::radius::HourOfUsage;

mod on_sqlite {
    #[tokio::test]
    async fn a_nas_is_seen_and_told_whether_it_must_sign() {
        super::a_nas(super::Engine::Sqlite).await;
    }

    #[tokio::test]
    async fn usage_is_drawn_by_the_hour() {
        super::hours(super::Engine::Sqlite).await;
    }
}

mod on_postgres {
    #[tokio::test]
    async fn a_nas_is_seen_and_told_whether_it_must_sign() {
        super::a_nas(super::Engine::Postgres).await;
    }

    #[tokio::test]
    async fn usage_is_drawn_by_the_hour() {
        super::hours(super::Engine::Postgres).await;
    }
}

async fn a_nas(engine: Engine) {
    let house = House::on(engine).await;
    let none = house.ask(Role::ReadOnly, "GET", "/api/v1/nases", "").await.ok(200);
    assert_eq!(none["items"], serde_json::json!([]), "the router that is there asks nothing");
    let mut ids = Vec::new();
    for tenant in [house.ours.tenant, house.theirs.tenant] {
        let new = NewRouter {
            tenant,
            name: "Lobby".to_owned(),
            address: "radius://10.0.0.2".parse().unwrap(),
            login: RouterLogin { user: String::new(), password: "too short".to_owned() },
        };
        ids.push(add_router(&house.app, new, &By::cli(), NOON).await.unwrap().id);
    }
    let (to, foreign) = (format!("/api/v1/nases/{}", ids[0]), format!("/api/v1/nases/{}", ids[1]));
    let listed = house.ask(Role::ReadOnly, "GET", "/api/v1/nases", "").await.ok(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let seen = &listed["items"][0];
    assert_eq!(
        (&seen["address"], &seen["orders_port"], &seen["signing"], &seen["secret"]),
        (&"10.0.0.2".into(), &3799.into(), &"learning".into(), &"unproven".into())
    );
    assert_eq!((&seen["weak_secret"], &seen["takes_orders"]), (&true.into(), &false.into()));

    let off = r#"{"signing":"off"}"#;
    house.ask(Role::Cashier, "PATCH", &to, off).await.problem(403, "forbidden");
    house.ask(Role::Owner, "PATCH", &foreign, off).await.problem(404, "not-found");
    house.ask(Role::Owner, "GET", &foreign, "").await.problem(404, "not-found");
    let wrong = house.ask(Role::Owner, "PATCH", &to, r#"{"signing":"maybe"}"#).await;
    assert!(matches!(wrong.status.as_u16(), 400 | 422), "{wrong:?}");
    let tag = house.ask(Role::Owner, "GET", &to, "").await.headers["etag"].clone();
    let tag = tag.to_str().unwrap();
    let changed = house.ask_with("PATCH", &to, &[("if-match", tag)], off).await;
    assert_ne!(changed.headers["etag"], tag);
    assert_eq!(changed.ok(200)["signing"], "off");
    house.ask_with("PATCH", &to, &[("if-match", tag)], off).await.problem(412, "stale");

    let check = house.ask(Role::ReadOnly, "GET", "/api/v1/check", "").await.ok(200);
    assert_eq!(check["tenants"][0]["nases"][0]["signing"], "off");
    let findings = check["findings"].to_string();
    assert!(findings.contains("CVE-2024-3596") && findings.contains("fewer than 16"), "{findings}");
    assert!(!findings.contains("too short"), "the secret is nobody's to read");
    let table = [("accept", "text/csv")];
    let table = house.ask_with("GET", "/api/v1/nases", &table, "").await.text();
    assert!(table.lines().nth(1).unwrap().contains("Lobby,10.0.0.2,3799,off"), "{table}");
}

async fn hours(engine: Engine) {
    let house = House::on(engine).await;
    let grant: GrantId = house.ours.ids["grant"].parse().unwrap();
    let used = [1, 2, 30].map(|ago| HourOfUsage {
        grant,
        hour: NOON - Span::hours(ago),
        input: DataSize::bytes(ago as u64),
        output: DataSize::bytes(100),
    });
    let write = async move |tx: &mut Tx<'_>| lango_store::radius::add_usage(tx, &used).await;
    house.app.store().write(write).await.unwrap();
    let to = format!("/api/v1/grants/{grant}/usage/hours");
    let all = house.ask(Role::ReadOnly, "GET", &to, "").await.ok(200);
    let uploads: Vec<i64> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hour| hour["upload_bytes"].as_i64().unwrap())
        .collect();
    assert_eq!(uploads, [30, 2, 1], "oldest first, of the last seven days");
    let from = all["items"][1]["from"].as_str().unwrap();
    let until = all["items"][1]["to"].as_str().unwrap();
    let one = house.ask(Role::Owner, "GET", &format!("{to}?from={from}&to={until}"), "").await;
    assert_eq!(one.ok(200)["items"].as_array().unwrap().len(), 1);
    let backwards =
        house.ask(Role::Owner, "GET", &format!("{to}?from={until}&to={from}"), "").await;
    assert!(matches!(backwards.status.as_u16(), 400 | 422), "{backwards:?}");
    let theirs = format!("/api/v1/grants/{}/usage/hours", house.theirs.ids["grant"]);
    house.ask(Role::Owner, "GET", &theirs, "").await.problem(404, "not-found");
}
