//! How the doors behave, whatever is behind them.

use super::House;
use crate::harness::Engine;
use lango_domain::role::Role;
use lango_domain::time::Span;
use lango_server::web::Manners;
use serde_json::{Value, json};

const PLAN: &str = r#"{"name":"Hour","price":{"amount":2000,"currency":"KES"},
                       "terms":{"time_seconds":3600}}"#;

#[tokio::test]
async fn a_request_with_a_key_is_done_once_however_often_it_comes() {
    let house = House::on(Engine::Sqlite).await;
    let key = [("idempotency-key", "8e03978e-40d5-43dd-bc93-6894a57f9324")];
    let first = house.ask_with("POST", "/api/v1/plans", &key, PLAN).await.ok(201);
    let again = house.ask_with("POST", "/api/v1/plans", &key, PLAN).await.ok(201);
    assert_eq!(first, again);
    let vouchers = json!({ "plan": first["id"], "count": 3 }).to_string();
    // The key of another request, and the same key at another door.
    let other = house.ask_with("POST", "/api/v1/plans", &key, &PLAN.replace("Hour", "Two")).await;
    assert!(other.problem(422, "invalid").contains("another request"));
    house.ask_with("POST", "/api/v1/vouchers", &key, &vouchers).await.problem(422, "invalid");
    let there = house.ask(Role::Owner, "GET", "/api/v1/vouchers", "").await.ok(200);
    let there = there["items"].as_array().unwrap().len();
    // Whoever lost the answer gets the same codes again.
    let key = [("idempotency-key", "second")];
    let codes = house.ask_with("POST", "/api/v1/vouchers", &key, &vouchers).await.ok(201);
    let again = house.ask_with("POST", "/api/v1/vouchers", &key, &vouchers).await.ok(201);
    assert_eq!(codes, again);
    let list = house.ask(Role::Owner, "GET", "/api/v1/vouchers", "").await.ok(200);
    assert_eq!(list["items"].as_array().unwrap().len(), there + 3);
    // Without a key twice is twice, and the name stands against it.
    house.ask(Role::Owner, "POST", "/api/v1/plans", PLAN).await.problem(409, "conflict");
}

#[tokio::test]
async fn many_with_one_key_at_the_same_moment_make_one_thing() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let house = std::sync::Arc::new(House::on(engine).await);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let house = house.clone();
            tasks.spawn(async move {
                let (key, body) = ([("idempotency-key", "k")], r#"{"name":"Ann"}"#);
                house.ask_with("POST", "/api/v1/customers", &key, body).await.ok(201)
            });
        }
        let made = tasks.join_all().await;
        assert!(made.iter().all(|one| one["id"] == made[0]["id"]), "{made:?}");
    }
}

#[tokio::test]
async fn a_change_against_an_old_version_is_refused() {
    let house = House::on(Engine::Sqlite).await;
    let path = format!("/api/v1/customers/{}", house.ours.ids["customer"]);
    let shown = house.ask(Role::Owner, "GET", &path, "").await;
    let tag = shown.headers["etag"].to_str().unwrap().to_owned();
    let rename = r#"{"name":"Anna"}"#;
    let changed = house.ask_with("PATCH", &path, &[("if-match", &tag)], rename).await;
    assert_ne!(changed.headers["etag"], tag.as_str());
    assert_eq!(changed.ok(200)["name"], "Anna");
    let late = house.ask_with("PATCH", &path, &[("if-match", &tag)], r#"{"name":"Bea"}"#).await;
    late.problem(412, "stale");
    let grant = format!("/api/v1/grants/{}/suspend", house.ours.ids["service"]);
    house.ask_with("POST", &grant, &[("if-match", "\"7777\"")], "").await.problem(412, "stale");
    // Nothing was expected, so nothing stands against it; null takes a field away.
    let gone = house.ask(Role::Owner, "PATCH", &path, r#"{"phone":null}"#).await.ok(200);
    assert_eq!((&gone["name"], &gone["phone"]), (&json!("Anna"), &Value::Null));
}

#[tokio::test]
async fn an_expectation_is_declared_where_it_is_honoured() {
    let house = House::on(Engine::Sqlite).await;
    let mut checked = 0;
    for (method, path, operation) in house.described().await {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        if method != "DELETE" {
            continue;
        }
        let is_declared = parameters.iter().any(|parameter| parameter["name"] == "If-Match");
        let name = path.rsplit('/').next().unwrap().trim_matches(['{', '}']);
        let is_token = name == "token";
        assert_eq!(is_declared, !is_token, "{path}");
        if !is_token {
            let path = path.replace(&format!("{{{name}}}"), &house.ours.ids[name]);
            let stale = house.ask_with("DELETE", &path, &[("if-match", "\"7777\"")], "").await;
            stale.problem(412, "stale");
        }
        checked += 1;
    }
    assert!(checked >= 5, "{checked}");
}

#[tokio::test]
async fn pages_put_together_are_the_list_in_every_order() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let house = House::on(engine).await;
        for number in 0..23 {
            let body = json!({ "name": format!("Customer {:02}", number * 7 % 23) }).to_string();
            house.ask(Role::Owner, "POST", "/api/v1/customers", &body).await.ok(201);
        }
        let plan = &house.ours.ids["plan"];
        let body = json!({ "plan": plan, "count": 30 }).to_string();
        house.ask(Role::Owner, "POST", "/api/v1/vouchers", &body).await.ok(201);
        for (path, sorts, least) in [
            ("/api/v1/customers", &["name", "-name", "created", "-created"][..], 24),
            ("/api/v1/grants", &["created", "-created"][..], 32),
            ("/api/v1/grants", &["ends_at", "-ends_at"][..], 1),
            ("/api/v1/vouchers", &["created", "-created"][..], 31),
            ("/api/v1/activity", &["created", "-created"][..], 25),
        ] {
            let mut before: Option<Vec<Value>> = None;
            for sort in sorts {
                let all = walk(&house, &format!("{path}?sort={sort}&limit=7")).await;
                let to = format!("{path}?sort={sort}&limit=500");
                let whole = house.ask(Role::Owner, "GET", &to, "");
                assert_eq!(whole.await.ok(200)["items"], json!(all), "{path} {sort}");
                assert!(all.len() >= least, "{path} {sort}: {}", all.len());
                if let Some(before) = before.take().filter(|_| sort.starts_with('-')) {
                    assert!(all.iter().rev().eq(before.iter()), "{path} {sort} is not backwards");
                }
                before = Some(all);
            }
        }
        let named = walk(&house, "/api/v1/customers?search=customer%200&limit=3").await;
        assert_eq!(named.len(), 10);
    }
}

async fn walk(house: &House, path: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = house.ask(Role::Owner, "GET", &format!("{path}{cursor}"), "").await.ok(200);
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn a_list_is_also_a_table() {
    let house = House::on(Engine::Sqlite).await;
    for number in 0..1_200 {
        let body = json!({ "name": format!("=Customer {number:04}") }).to_string();
        house.ask(Role::Owner, "POST", "/api/v1/customers", &body).await.ok(201);
    }
    let csv = [("accept", "text/csv")];
    let answer = house.ask_with("GET", "/api/v1/customers", &csv, "").await;
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    let text = answer.text();
    let mut lines = text.split("\r\n");
    assert_eq!(lines.next(), Some("id,name,phone,language,created_at,version"));
    assert_eq!(lines.clone().filter(|line| line.contains(",'=Customer ")).count(), 1_200);
    let nested = house.ask_with("GET", "/api/v1/payments", &csv, "").await.text();
    assert!(nested.starts_with("id,provider,receipt,grant,amount_amount,amount_currency"));
}

#[tokio::test]
async fn who_asks_too_often_waits() {
    let house = House::with_rate(Engine::Sqlite, 5).await;
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(house.ask(Role::Owner, "GET", "/api/v1/whoami", "").await);
    }
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    refused.problem(429, "too-many-requests");
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    // His neighbour does not.
    house.ask(Role::Manager, "GET", "/api/v1/whoami", "").await.ok(200);
}

#[tokio::test]
async fn a_network_of_ipv6_has_the_limit_of_one_address() {
    let manners = Manners { wrong_tokens_per_minute: 4, ..Manners::default() };
    let house = House::with(Engine::Sqlite, manners).await;
    let guess = async |from: &str| {
        let headers = [("authorization", "Bearer wrong"), ("x-forwarded-for", from)];
        house.send("GET", "/api/v1/whoami", &headers, "").await.status.as_u16()
    };
    let mut answers = Vec::new();
    for from in ["2001:db8::1", "2001:db8::2", "2001:db8::3:0:0:3", "2001:db8:0:1::1"] {
        answers.push(guess(from).await);
    }
    assert_eq!(answers, [401, 401, 429, 401], "the last is his neighbour");
    // Who guesses codes, and who asks without a token, is counted in the same way.
    let code = json!({ "username": "nobody" }).to_string();
    let path = "/api/hotspot/check-session";
    let tenant = house.ours.tenant.to_string();
    let mut answers = Vec::new();
    for number in 1..=80 {
        let from = format!("2001:db8:0:2::{number:x}");
        let headers = [("x-forwarded-for", from.as_str()), ("x-lango-tenant", tenant.as_str())];
        answers.push(house.send("POST", path, &headers, code.clone()).await.status.as_u16());
    }
    assert_eq!(answers[0], 401, "nobody has this code");
    assert!(answers.contains(&429), "eighty wrong codes from one network: {answers:?}");
}

#[tokio::test]
async fn a_token_that_has_expired_opens_nothing() {
    let house = House::on(Engine::Sqlite).await;
    let body = r#"{"name":"holiday help","role":"cashier","expires_at":"2026-11-21T10:00:00Z"}"#;
    let made = house.ask(Role::Owner, "POST", "/api/v1/tokens", body).await.ok(201);
    let token = format!("Bearer {}", made["token"].as_str().unwrap());
    let key = [("authorization", token.as_str())];
    house.send("GET", "/api/v1/plans", &key, "").await.ok(200);
    house.app.clock().set(house.app.clock().now() + Span::hours(2));
    let late = house.send("GET", "/api/v1/plans", &key, "").await.problem(401, "unauthorized");
    assert!(late.contains("expired"));
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    house.ask(Role::Owner, "DELETE", &path, "").await.ok(204);
    house.ask(Role::Owner, "DELETE", &path, "").await.problem(404, "not-found");
    let role = r#"{"name":"x","role":"platform"}"#;
    house.ask(Role::Owner, "POST", "/api/v1/tokens", role).await.problem(422, "invalid");
}

#[tokio::test]
async fn what_cannot_be_read_is_named_with_its_place() {
    let house = House::on(Engine::Sqlite).await;
    let ask =
        async |path: &str, body: &str| house.ask(Role::Owner, "POST", path, body).await.json();
    let wrong = ask("/api/v1/plans", &PLAN.replace("3600", "-1")).await;
    assert_eq!((&wrong["status"], &wrong["at"]), (&json!(400), &json!("/terms/time_seconds")));
    let wrong = ask("/api/v1/plans", &PLAN.replace("KES", "TZS")).await;
    assert_eq!((&wrong["status"], &wrong["at"]), (&json!(422), &json!("/price/currency")));
    let wrong = ask("/api/v1/customers", r#"{"name":"A","phone":"12"}"#).await;
    assert_eq!((&wrong["status"], &wrong["at"]), (&json!(422), &json!("/phone")));
    house.ask(Role::Owner, "GET", "/api/v1/nothing", "").await.problem(404, "no-such-path");
    house.ask(Role::Owner, "PUT", "/api/v1/plans", "").await.problem(405, "no-such-method");
    house.ask(Role::Owner, "GET", "/api/v1/plans?nmae=x", "").await.problem(400, "unreadable");
    let text = [("content-type", "text/plain")];
    house.ask_with("POST", "/api/v1/plans", &text, PLAN).await.problem(415, "wrong-type");
}

#[tokio::test]
async fn every_answer_has_an_id_and_is_counted_by_its_route() {
    let house = House::on(Engine::Sqlite).await;
    let theirs = format!("/api/v1/grants/{}", house.theirs.ids["grant"]);
    let answer = house.ask_with("GET", &theirs, &[("x-request-id", "monday-7")], "").await;
    assert_eq!(answer.headers["x-request-id"], "monday-7");
    let refused = house.send("GET", "/nowhere/ann", &[], "").await;
    assert_eq!(refused.headers["x-request-id"].len(), 16, "{refused:?}");
    for answer in [&answer, &refused] {
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    let numbers = house.send("GET", "/metrics", &[], "").await.text();
    let counted = |method: &str, route: &str, status: u16| {
        let labels = format!("{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}} 1\n");
        numbers.contains(&format!("lango_http_request_duration_seconds_count{labels}"))
    };
    assert!(counted("GET", "/api/v1/grants/{grant}", 404), "{numbers}");
    // What somebody typed is no label.
    assert!(counted("GET", "none", 404), "{numbers}");
    assert!(!numbers.contains("nowhere") && !numbers.contains(&house.theirs.ids["grant"]));
}

#[tokio::test]
async fn the_description_tells_of_bodies_that_are_too_slow_or_too_large() {
    let house = House::on(Engine::Sqlite).await;
    let behind_doors = |path: &str| path.starts_with("/api/") && path != "/api/openapi.json";
    for (method, path, operation) in house.described().await {
        if !behind_doors(&path) {
            continue;
        }
        for status in ["408", "413"] {
            assert!(operation["responses"][status].is_object(), "{method} {path}: {status}");
        }
    }
    // So it is: also where no body is wanted, one is read, and not more of it than elsewhere.
    let body = "x".repeat(9 * 1_024 * 1_024);
    let path = format!("/api/v1/grants/{}/retry", house.ours.ids["grant"]);
    house.ask(Role::Owner, "POST", &path, &body).await.problem(413, "too-large");
    house.ask(Role::Owner, "POST", &path, "anything").await.ok(200);
    let document = house.send("GET", "/api/openapi.json", &[], "").await.ok(200);
    assert!(document["info"]["description"].as_str().unwrap().contains("405"));
    let put = house.ask(Role::Owner, "PUT", "/api/v1/plans", "").await;
    put.problem(405, "no-such-method");
    assert!(put.headers["allow"].to_str().unwrap().contains("GET"), "{put:?}");
}

#[tokio::test]
async fn every_door_says_how_many_requests_are_left() {
    let house = House::on(Engine::Sqlite).await;
    for path in ["/api/v1/whoami", "/api/v1/plans", "/api/v1/events"] {
        let answer = house.ask(Role::Owner, "GET", path, "").await;
        let left = answer.headers.get("ratelimit").unwrap_or_else(|| panic!("{path}"));
        assert!(left.to_str().unwrap().starts_with("\"token\";r="), "{path}");
    }
}
