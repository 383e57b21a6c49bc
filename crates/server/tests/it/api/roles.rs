//! Every door, every role, and a foreign business's ids. A door that is missing from the table here
//! fails the test: whoever adds one says who may pass.

use super::{Answer, Business, House};
use crate::harness::Engine;
use lango_domain::role::Role;
use serde_json::Value;
use std::collections::BTreeSet;

/// Who may pass a door.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum May {
    /// Anybody, without a token.
    Anybody,
    /// Every role.
    Read,
    /// Owner, manager, cashier, platform.
    Sell,
    /// Owner, manager, support, platform.
    Support,
    /// Owner, manager, platform.
    Manage,
    /// Owner, platform.
    Own,
    /// The platform alone.
    Platform,
}

impl May {
    fn pass(self, role: Role) -> bool {
        use Role::{Cashier, Manager, Owner, Platform, Support};
        match self {
            May::Anybody | May::Read => true,
            May::Sell => [Owner, Manager, Cashier, Platform].contains(&role),
            May::Support => [Owner, Manager, Support, Platform].contains(&role),
            May::Manage => [Owner, Manager, Platform].contains(&role),
            May::Own => [Owner, Platform].contains(&role),
            May::Platform => role == Platform,
        }
    }
}

/// Method, path, who may pass, and a good body.
const TABLE: &[(&str, &str, May, &str)] = &[
    ("GET", "/healthz", May::Anybody, ""),
    ("GET", "/readyz", May::Anybody, ""),
    ("GET", "/metrics", May::Anybody, ""),
    ("GET", "/api/openapi.json", May::Anybody, ""),
    ("GET", "/api/v1/whoami", May::Read, ""),
    ("GET", "/api/v1/check", May::Read, ""),
    ("GET", "/api/v1/search", May::Read, ""),
    ("GET", "/api/v1/tenant", May::Read, ""),
    ("PATCH", "/api/v1/tenant", May::Own, r#"{"language":"sw"}"#),
    ("GET", "/api/v1/tenants", May::Platform, ""),
    ("POST", "/api/v1/tenants", May::Platform, NEW_TENANT),
    ("GET", "/api/v1/tenants/{tenant}", May::Platform, ""),
    ("GET", "/api/v1/platform/tokens", May::Platform, ""),
    ("POST", "/api/v1/platform/tokens", May::Platform, r#"{"name":"p"}"#),
    ("DELETE", "/api/v1/platform/tokens/{token}", May::Platform, ""),
    ("GET", "/api/v1/tokens", May::Own, ""),
    ("POST", "/api/v1/tokens", May::Own, r#"{"name":"t","role":"read-only"}"#),
    ("DELETE", "/api/v1/tokens/{token}", May::Own, ""),
    ("GET", "/api/v1/plans", May::Read, ""),
    ("POST", "/api/v1/plans", May::Manage, NEW_PLAN),
    ("GET", "/api/v1/plans/{plan}", May::Read, ""),
    ("PATCH", "/api/v1/plans/{plan}", May::Manage, r#"{"on_sale":true}"#),
    ("GET", "/api/v1/customers", May::Read, ""),
    ("POST", "/api/v1/customers", May::Sell, r#"{"name":"Somebody"}"#),
    ("GET", "/api/v1/customers/{customer}", May::Read, ""),
    ("PATCH", "/api/v1/customers/{customer}", May::Sell, r#"{"language":"fr"}"#),
    ("DELETE", "/api/v1/customers/{customer}", May::Manage, ""),
    ("GET", "/api/v1/routers", May::Read, ""),
    ("POST", "/api/v1/routers", May::Manage, NEW_ROUTER),
    ("GET", "/api/v1/routers/{router}", May::Read, ""),
    ("PATCH", "/api/v1/routers/{router}", May::Manage, r#"{"address":"api://127.0.0.1:9"}"#),
    ("DELETE", "/api/v1/routers/{router}", May::Manage, ""),
    ("GET", "/api/v1/routers/{router}/log", May::Read, ""),
    ("POST", "/api/v1/routers/{router}/sync", May::Support, ""),
    ("POST", "/api/v1/routers/{router}/test", May::Support, ""),
    ("POST", "/api/v1/routers/{router}/enforcements/{grant}/retry", May::Support, ""),
    ("GET", "/api/v1/nases", May::Read, ""),
    ("GET", "/api/v1/nases/{router}", May::Read, ""),
    ("PATCH", "/api/v1/nases/{router}", May::Manage, r#"{"signing":"learning"}"#),
    ("GET", "/api/v1/enforcements", May::Read, ""),
    ("GET", "/api/v1/grants", May::Read, ""),
    ("GET", "/api/v1/grants/{grant}", May::Read, ""),
    ("PATCH", "/api/v1/grants/{grant}", May::Manage, r#"{"router":null}"#),
    ("GET", "/api/v1/grants/{grant}/enforcements", May::Read, ""),
    ("GET", "/api/v1/grants/{grant}/usage", May::Read, ""),
    ("GET", "/api/v1/grants/{grant}/usage/hours", May::Read, ""),
    ("POST", "/api/v1/grants/{grant}/suspend", May::Support, ""),
    ("POST", "/api/v1/grants/{grant}/resume", May::Support, ""),
    ("POST", "/api/v1/grants/{grant}/pause", May::Support, ""),
    ("POST", "/api/v1/grants/{grant}/disconnect", May::Support, ""),
    ("POST", "/api/v1/grants/{grant}/retry", May::Support, ""),
    ("POST", "/api/v1/grants/{grant}/unlock", May::Support, ""),
    ("POST", "/api/v1/grants/{grant}/extend", May::Manage, r#"{"seconds":60}"#),
    ("POST", "/api/v1/grants/{grant}/move", May::Manage, r#"{"router":null}"#),
    ("POST", "/api/v1/grants/{grant}/unassign", May::Manage, ""),
    ("POST", "/api/v1/grants/{grant}/end", May::Manage, ""),
    ("GET", "/api/v1/vouchers", May::Read, ""),
    ("POST", "/api/v1/vouchers", May::Sell, r#"{"plan":"{plan}","count":1}"#),
    ("GET", "/api/v1/vouchers/{voucher}", May::Read, ""),
    ("GET", "/api/v1/voucher-batches", May::Read, ""),
    ("GET", "/api/v1/voucher-batches/{batch}", May::Read, ""),
    ("POST", "/api/v1/voucher-batches/{batch}/print", May::Sell, r#"{"layout":"24"}"#),
    ("POST", "/api/v1/voucher-batches/{batch}/export", May::Sell, ""),
    ("POST", "/api/v1/voucher-batches/{batch}/void", May::Manage, ""),
    ("GET", "/api/v1/resellers", May::Read, ""),
    ("POST", "/api/v1/resellers", May::Manage, r#"{"name":"S-{role}"}"#),
    ("GET", "/api/v1/resellers/{reseller}", May::Read, ""),
    ("PATCH", "/api/v1/resellers/{reseller}", May::Manage, r#"{"commission_basis_points":500}"#),
    ("GET", "/api/v1/services", May::Read, ""),
    ("POST", "/api/v1/services", May::Sell, NEW_SERVICE),
    ("GET", "/api/v1/services/{service}", May::Read, ""),
    ("GET", "/api/v1/payments", May::Read, ""),
    ("POST", "/api/v1/payments", May::Sell, r#"{"grant":"{grant}","receipt":"R-{role}"}"#),
    ("GET", "/api/v1/payments/{receipt}", May::Read, ""),
    ("GET", "/api/v1/purchases", May::Read, ""),
    ("POST", "/api/v1/purchases", May::Sell, r#"{"plan":"{plan}","phone":"0712345678"}"#),
    ("GET", "/api/v1/purchases/{payment}", May::Read, ""),
    ("POST", "/api/v1/purchases/{payment}/ask", May::Support, ""),
    ("POST", "/api/v1/purchases/{payment}/refund", May::Manage, "{}"),
    ("GET", "/api/v1/money", May::Read, ""),
    ("GET", "/api/v1/money/{money}", May::Read, ""),
    ("POST", "/api/v1/money/{money}/work-off", May::Manage, GIVEN_BACK),
    ("POST", "/api/v1/money/{money}/give-back", May::Manage, r#"{"reason":"paid twice"}"#),
    ("GET", "/api/v1/ledger", May::Read, ""),
    ("GET", "/api/v1/customers/{customer}/wallet", May::Read, ""),
    ("POST", "/api/v1/customers/{customer}/wallet/spend", May::Sell, r#"{"plan":"{plan}"}"#),
    ("GET", "/api/v1/grants/{grant}/renewal", May::Read, ""),
    ("PATCH", "/api/v1/grants/{grant}/renewal", May::Sell, r#"{"from_wallet":false}"#),
    ("GET", "/api/v1/gateways", May::Manage, ""),
    ("POST", "/api/v1/gateways", May::Manage, NEW_GATEWAY),
    ("GET", "/api/v1/gateways/{gateway}", May::Manage, ""),
    ("PATCH", "/api/v1/gateways/{gateway}", May::Manage, r#"{"place":1}"#),
    ("DELETE", "/api/v1/gateways/{gateway}", May::Manage, ""),
    ("POST", "/api/v1/gateways/{gateway}/check", May::Manage, ""),
    ("POST", "/api/v1/gateways/{gateway}/register", May::Manage, ""),
    ("GET", "/api/v1/sessions", May::Read, ""),
    ("GET", "/api/v1/sessions/{session}", May::Read, ""),
    ("GET", "/api/v1/devices", May::Read, ""),
    ("GET", "/api/v1/devices/{mac}", May::Read, ""),
    ("GET", "/api/v1/usage", May::Read, ""),
    ("GET", "/api/v1/activity", May::Read, ""),
    ("GET", "/api/v1/activity/{activity}", May::Read, ""),
    ("GET", "/api/v1/events", May::Read, ""),
    ("GET", "/api/v1/cuts", May::Read, ""),
    ("GET", "/api/v1/cuts/{cut}", May::Read, ""),
    ("GET", "/api/v1/jobs", May::Read, ""),
    ("GET", "/api/v1/jobs/{job}", May::Read, ""),
    ("POST", "/api/v1/jobs/{job}/retry", May::Support, ""),
    ("GET", "/api/v1/messages", May::Read, ""),
    ("POST", "/api/v1/messages", May::Manage, r#"{"to":"0712345678","text":"Hello"}"#),
    ("POST", "/api/v1/messages/preview", May::Read, r#"{"message":"ends-soon"}"#),
    ("GET", "/api/v1/messages/{message}", May::Read, ""),
    ("GET", "/api/v1/message-settings", May::Read, ""),
    ("PATCH", "/api/v1/message-settings", May::Manage, r#"{"sender_name":"Lango"}"#),
    ("GET", "/api/v1/message-templates", May::Read, ""),
    ("PATCH", "/api/v1/message-templates/{template}", May::Manage, r#"{"language":"sw"}"#),
    ("GET", "/api/v1/senders", May::Own, ""),
    ("POST", "/api/v1/senders/order", May::Own, r#"{"senders":["{sender}"]}"#),
    ("POST", "/api/v1/senders", May::Own, r#"{"name":"S-{role}","gateway":{"kind":"log"}}"#),
    ("GET", "/api/v1/senders/{sender}", May::Own, ""),
    ("PATCH", "/api/v1/senders/{sender}", May::Own, r#"{"on":true}"#),
    ("DELETE", "/api/v1/senders/{sender}", May::Own, ""),
    ("POST", "/api/v1/senders/{sender}/test", May::Own, r#"{"to":"0712345678"}"#),
    ("GET", "/api/v1/webhooks", May::Own, ""),
    ("POST", "/api/v1/webhooks", May::Own, r#"{"url":"http://127.0.0.1:9/x"}"#),
    ("GET", "/api/v1/webhooks/{webhook}", May::Own, ""),
    ("PATCH", "/api/v1/webhooks/{webhook}", May::Own, r#"{"on":true}"#),
    ("DELETE", "/api/v1/webhooks/{webhook}", May::Own, ""),
    ("GET", "/api/v1/webhooks/{webhook}/deliveries", May::Own, ""),
    ("POST", "/api/v1/webhooks/{webhook}/replay", May::Own, r#"{"after":0}"#),
    ("GET", "/api/v1/tasks", May::Read, ""),
    ("POST", "/api/v1/tasks", May::Manage, r#"{"each":{"action":"retry"},"grants":["{grant}"]}"#),
    ("GET", "/api/v1/tasks/{task}", May::Read, ""),
    ("GET", "/api/v1/tasks/{task}/rows", May::Read, ""),
    ("POST", "/api/v1/tasks/{task}/stop", May::Manage, ""),
    ("POST", "/api/v1/imports/customers", May::Manage, "name\nSomebody\n"),
    ("POST", "/api/v1/imports/services", May::Manage, "kind,plan\npppoe,No such\n"),
    ("POST", "/api/v1/imports/vouchers", May::Manage, "code,plan\n{code},No such\n"),
    ("GET", "/api/admin/expiry-watcher/", May::Read, ""),
    ("POST", "/api/admin/expiry-watcher/", May::Support, ""),
    ("POST", "/api/admin/cleanup-expired/", May::Support, ""),
    ("GET", "/api/admin/mikrotik/status/", May::Read, ""),
    ("GET", "/api/admin/mikrotik/test-connection/", May::Support, ""),
    ("POST", "/api/services/{service}/provision", May::Support, ""),
    ("POST", "/api/services/{service}/deprovision", May::Support, ""),
    ("GET", "/api/cron/provision-active-services", May::Support, ""),
    ("POST", "/api/cron/provision-active-services", May::Support, ""),
    ("GET", "/api/cron/deprovision-inactive-services", May::Support, ""),
    ("POST", "/api/cron/deprovision-inactive-services", May::Support, ""),
    ("POST", "/api/hotspot/login", May::Anybody, r#"{"username":"{code}"}"#),
    ("POST", "/api/hotspot/logout", May::Anybody, r#"{"username":"{code}"}"#),
    ("POST", "/api/hotspot/check-session", May::Anybody, r#"{"username":"{code}"}"#),
];

const GIVEN_BACK: &str = r#"{"reason":"nobody knows him","given_back":true}"#;
const NEW_GATEWAY: &str =
    r#"{"name":"G-{role}","settings":{"provider":"signed_webhook","secret":"0123456789abcdef"}}"#;
const NEW_TENANT: &str =
    r#"{"name":"Third","email":"o@third.example","password":"long enough","country":"TZ"}"#;
const NEW_PLAN: &str = r#"{"name":"P-{role}","price":{"amount":100,"currency":"KES"},
                           "terms":{"time_seconds":3600}}"#;
const NEW_ROUTER: &str =
    r#"{"name":"R-{role}","address":"api://127.0.0.1:9","user":"u","password":"p"}"#;
const NEW_SERVICE: &str =
    r#"{"plan":"{plan}","login":{"by":"pppoe","name":"line-{role}"},"paid":true}"#;

/// A path or body with the ids of a business in it.
fn filled(text: &str, business: &Business, role: &str) -> String {
    let mut text = text.replace("{role}", role);
    for (name, id) in &business.ids {
        text = text.replace(&format!("{{{name}}}"), id);
    }
    // Tokens are named by nobody: one that is not there.
    text.replace("{token}", "k0000000000001")
}

fn with_query(path: &str) -> String {
    match path {
        "/api/v1/search" => format!("{path}?q=nobody"),
        _ if path.starts_with("/api/v1/imports/") => format!("{path}?dry_run=true"),
        "/api/admin/mikrotik/test-connection/" => format!("{path}?router={{router}}"),
        _ => path.to_owned(),
    }
}

/// Removals last: what the others name must still be there.
fn in_order() -> Vec<(&'static str, &'static str, May, &'static str)> {
    let mut rows = TABLE.to_vec();
    rows.sort_by_key(|(method, path, ..)| {
        (*method == "DELETE", path.ends_with("/end") || path.ends_with("/void"))
    });
    rows
}

#[tokio::test]
async fn the_table_has_every_door_and_no_other() {
    let house = House::on(Engine::Sqlite).await;
    let described = house.described().await;
    let doors: BTreeSet<(String, String)> =
        described.iter().map(|(method, path, _)| (method.clone(), path.clone())).collect();
    let table: BTreeSet<(String, String)> =
        TABLE.iter().map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned())).collect();
    let missing: Vec<_> = doors.difference(&table).collect();
    assert!(missing.is_empty(), "say who may pass: {missing:?}");
    let gone: Vec<_> = table.difference(&doors).collect();
    assert!(gone.is_empty(), "no such door: {gone:?}");
}

#[tokio::test]
async fn the_description_says_of_every_door_who_may_pass() {
    let house = House::on(Engine::Sqlite).await;
    for (method, path, operation) in house.described().await {
        let (.., may, _) =
            TABLE.iter().find(|(m, p, ..)| *m == method && *p == path).copied().unwrap();
        let said: Vec<&str> = match operation.get("x-lango-roles").and_then(Value::as_array) {
            Some(roles) => roles.iter().map(|role| role.as_str().unwrap()).collect(),
            None => Vec::new(),
        };
        let passes = |role: &Role| may != May::Anybody && may.pass(*role);
        let expected: Vec<&str> = Role::ALL.into_iter().filter(passes).map(Role::word).collect();
        assert_eq!(said, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn every_role_passes_its_doors_and_no_other() {
    let house = House::on(Engine::Sqlite).await;
    let tenant = house.ours.tenant.to_string();
    for (method, path, may, body) in in_order() {
        for role in Role::ALL {
            let (to, body) = (
                filled(&with_query(path), &house.ours, role.word()),
                filled(body, &house.ours, role.word()),
            );
            let token = format!("Bearer {}", house.key(role));
            let mut headers = vec![("authorization", token.as_str())];
            if role == Role::Platform {
                headers.push(("x-lango-tenant", &tenant));
            }
            let answer = house.send(method, &to, &headers, body).await;
            if may == May::Anybody {
                assert!(
                    answer.status.as_u16() < 500 || path == "/readyz",
                    "{method} {path}: {answer:?}"
                );
            } else if may.pass(role) {
                assert_passed(method, path, role, &answer);
            } else {
                answer.problem(403, "forbidden");
            }
        }
    }
}

#[track_caller]
fn assert_passed(method: &str, path: &str, role: Role, answer: &Answer) {
    let status = answer.status.as_u16();
    // What an earlier role did may stand in the way of the later one: that is no refusal.
    let fine = matches!(status, 200 | 201 | 202 | 204 | 404 | 409);
    assert!(fine, "{role} {method} {path}: {status} {}", answer.text());
}

#[tokio::test]
async fn without_a_good_token_nobody_passes() {
    let house = House::on(Engine::Sqlite).await;
    for (method, path, may, body) in in_order() {
        if may == May::Anybody {
            continue;
        }
        let (to, body) =
            (filled(&with_query(path), &house.ours, "x"), filled(body, &house.ours, "x"));
        house.send(method, &to, &[], body.clone()).await.problem(401, "unauthorized");
    }
    let wrong = [("authorization", "Bearer lango_0123456789")];
    house.send("GET", "/api/v1/grants", &wrong, "").await.problem(401, "unauthorized");
    let old = [("x-admin-token", house.key(Role::ReadOnly))];
    house.send("GET", "/api/v1/grants", &old, "").await.ok(200);
}

#[tokio::test]
async fn guessing_tokens_is_slowed_down() {
    let house = House::on(Engine::Sqlite).await;
    let mut last = 0;
    for guess in 0..40 {
        let token = format!("Bearer lango_{guess:040}");
        let answer = house.send("GET", "/api/v1/grants", &[("authorization", &token)], "").await;
        last = answer.status.as_u16();
    }
    assert_eq!(last, 429);
}

mod on_sqlite {
    #[tokio::test]
    async fn a_foreign_business_is_neither_seen_nor_touched() {
        super::foreign(super::Engine::Sqlite).await;
    }
}

mod on_postgres {
    #[tokio::test]
    async fn a_foreign_business_is_neither_seen_nor_touched() {
        super::foreign(super::Engine::Postgres).await;
    }
}

/// Our owner walks through every door with their ids, in the path and in the body.
async fn foreign(engine: Engine) {
    let house = House::on(engine).await;
    let before = everything_of_theirs(&house).await;
    assert!(before.contains(&house.theirs.mark) && before.contains(&house.theirs.phone));
    for (method, path, may, body) in in_order() {
        // The platform's own doors are for all businesses.
        if may == May::Anybody && path.starts_with("/api/hotspot") {
            continue;
        }
        let role = if may == May::Platform { Role::Platform } else { Role::Owner };
        if role == Role::Platform {
            continue;
        }
        let (to, body) =
            (filled(&with_query(path), &house.theirs, "x"), filled(body, &house.theirs, "x"));
        let answer = house.ask(role, method, &to, &body).await;
        let names_theirs = path.contains('{')
            || body.contains(&house.theirs.ids["plan"])
            || body.contains(&house.theirs.ids["grant"]);
        // A task names what it finds row by row, and finds nothing of theirs.
        // A template is found by its name, and each business has its own of it.
        let is_named = path.starts_with("/api/v1/message-templates");
        if names_theirs && !is_named && path != "/api/v1/tasks" {
            answer.problem(404, "not-found");
        }
        assert_no_leak(&house, &answer, method, path);
    }
    for (path, query) in [
        ("/api/v1/grants", "customer={customer}"),
        ("/api/v1/grants", "plan={plan}"),
        ("/api/v1/grants", "search=zebra"),
        ("/api/v1/customers", "search=Zebra"),
        ("/api/v1/customers", "search=0722000002"),
        ("/api/v1/enforcements", "router={router}"),
        ("/api/v1/sessions", "grant={grant}"),
        ("/api/v1/search", "q={grant}"),
        ("/api/v1/search", "q=zebra-line"),
        ("/api/v1/search", "q={code}"),
        ("/api/admin/mikrotik/test-connection/", "router={router}"),
    ] {
        let to = format!("{path}?{}", filled(query, &house.theirs, "x"));
        let answer = house.ask(Role::Owner, "GET", &to, "").await;
        assert!(answer.status.as_u16() < 500, "{answer:?}");
        assert_no_leak(&house, &answer, "GET", &to);
    }
    // Naming their business helps only the platform.
    let theirs = house.theirs.tenant.to_string();
    let answer =
        house.ask_with("GET", "/api/v1/customers", &[("x-lango-tenant", &theirs)], "").await;
    answer.problem(403, "forbidden");
    assert_no_leak(&house, &answer, "GET", "/api/v1/customers");
    assert_eq!(everything_of_theirs(&house).await, before, "something of theirs was changed");
}

#[track_caller]
pub(super) fn assert_no_leak(house: &House, answer: &Answer, method: &str, path: &str) {
    let text = answer.text();
    let secret = [&house.theirs.mark, &house.theirs.phone, "zebra-line"];
    for secret in secret.iter().copied().map(|s: &_| -> &str { s }) {
        assert!(!text.contains(secret), "{method} {path} tells `{secret}`: {text}");
    }
}

/// All that their owner can see, without what changes by looking.
async fn everything_of_theirs(house: &House) -> String {
    let token = format!("Bearer {}", house.theirs.tokens[&Role::Owner]);
    let mut all = String::new();
    for path in [
        "/api/v1/tenant",
        "/api/v1/plans",
        "/api/v1/customers",
        "/api/v1/grants",
        "/api/v1/enforcements",
        "/api/v1/payments",
        "/api/v1/purchases",
        "/api/v1/money",
        "/api/v1/gateways",
        "/api/v1/ledger",
        "/api/v1/activity",
        "/api/v1/jobs",
        "/api/v1/tokens",
        "/api/v1/sessions",
    ] {
        all += &house.send("GET", path, &[("authorization", &token)], "").await.text();
    }
    all
}
