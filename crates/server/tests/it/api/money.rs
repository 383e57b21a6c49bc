//! Money by the API: gateways whose secrets stay inside, what waits for a person, wallets and the
//! books.

use super::House;
use crate::harness::Engine;
use lango_domain::role::Role;
use serde_json::{Value, json};

async fn ask(house: &House, role: Role, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = house.ask(role, method, path, &body).await;
    let read = if answer.body.is_empty() { Value::Null } else { answer.json() };
    (answer.status.as_u16(), read)
}

#[tokio::test]
async fn what_waits_goes_into_a_wallet_and_buys_once() {
    let house = House::on(Engine::Sqlite).await;
    let (money, customer, grant) =
        (&house.ours.ids["money"], &house.ours.ids["customer"], &house.ours.ids["grant"]);
    let (_, waiting) =
        ask(&house, Role::Support, "GET", "/api/v1/money?waiting=true", &Value::Null).await;
    assert_eq!(waiting["items"][0]["id"], **money, "{waiting}");
    assert_eq!(waiting["items"][0]["misfit"], "unknown_account");

    let path = format!("/api/v1/money/{money}/work-off");
    let both = json!({ "reason": "?", "customer": customer, "grant": grant });
    assert_eq!(ask(&house, Role::Manager, "POST", &path, &both).await.0, 422, "one of them");
    let to_him = json!({ "reason": "he called", "customer": customer });
    let (status, done) = ask(&house, Role::Manager, "POST", &path, &to_him).await;
    assert_eq!((status, &done["state"]), (200, &json!("credited")), "{done}");
    let (status, again) = ask(&house, Role::Manager, "POST", &path, &to_him).await;
    assert!(status == 409 && again["detail"].as_str().unwrap().contains("undone"), "{again}");

    let spend = format!("/api/v1/customers/{customer}/wallet/spend");
    let body = json!({ "grant": grant }).to_string();
    let key = [("idempotency-key", "spend-1")];
    let first = house.ask_with("POST", &spend, &key, &body).await.ok(201);
    assert_eq!(first["left"]["amount"], 0, "{first}");
    assert_eq!(house.ask_with("POST", &spend, &key, &body).await.ok(201), first, "once a key");
    house.ask_with("POST", &spend, &[], &body).await.problem(409, "conflict");
    let wallet = house.ask(Role::ReadOnly, "GET", &spend.replace("/spend", ""), "").await.ok(200);
    assert_eq!(wallet["balances"], json!([{ "amount": 0, "currency": "KES" }]));
    let lines: Vec<&Value> =
        wallet["lines"].as_array().unwrap().iter().map(|line| &line["amount"]["amount"]).collect();
    assert_eq!(lines, [-50_00, 50_00]);

    let less = json!({ "grant": grant, "receipt": "CASH-9",
                       "amount": { "amount": 20_00, "currency": "KES" } });
    let (status, paid) = ask(&house, Role::Cashier, "POST", "/api/v1/payments", &less).await;
    assert_eq!((status, &paid["credited"]["amount"]), (201, &json!(20_00)), "{paid}");
    let renewal = format!("/api/v1/grants/{grant}/renewal");
    let on = json!({ "from_wallet": true });
    let (_, on) = ask(&house, Role::Cashier, "PATCH", &renewal, &on).await;
    assert!(on["from_wallet"] == true && on["since"].is_string(), "{on}");

    let (_, books) = ask(&house, Role::Support, "GET", "/api/v1/ledger", &Value::Null).await;
    assert_eq!((&books["unbalanced"], &books["wallets_off"]), (&json!(0), &json!(0)));
    let of = |account: &str| {
        let lines = books["balances"].as_array().unwrap().iter();
        let of = lines.filter(|line| line["account"] == account);
        of.map(|line| line["amount"]["amount"].as_i64().unwrap()).sum::<i64>()
    };
    // A receipt of 50 from before, 50 that waited, 20 in cash.
    assert_eq!((of("clearing"), of("revenue"), of("wallet")), (12_000, -10_000, -2_000));
}

#[tokio::test]
async fn a_gateways_secrets_go_in_and_never_come_out() {
    let house = House::on(Engine::Sqlite).await;
    let wrong = json!({ "name": "Paybill", "settings": {
        "provider": "daraja", "consumer_key": "k", "consumer_secret": "s", "passkey": "p",
        "shortcode": "no number",
    } });
    let (status, told) = ask(&house, Role::Owner, "POST", "/api/v1/gateways", &wrong).await;
    assert_eq!((status, &told["at"]), (422, &json!("/settings/shortcode")), "{told}");
    let good = json!({ "name": "Paybill", "settings": {
        "provider": "daraja", "consumer_key": "a long consumer key", "passkey": "a passkey 2345678",
        "consumer_secret": "a long consumer secret", "shortcode": "174379",
        "base_url": "http://127.0.0.1:9",
    } });
    let (status, made) = ask(&house, Role::Owner, "POST", "/api/v1/gateways", &good).await;
    assert_eq!(status, 201, "{made}");
    let path = format!("/api/v1/gateways/{}", made["id"].as_str().unwrap());
    let (_, shown) = ask(&house, Role::Manager, "GET", &path, &Value::Null).await;
    assert!(!shown.to_string().contains("long consumer"), "{shown}");
    assert_eq!(shown["settings"]["shortcode"], "174379");
    let change = json!({ "settings": { "passkey": shown["settings"]["passkey"],
                                       "pushes_per_second": 9 } });
    let (status, changed) = ask(&house, Role::Manager, "PATCH", &path, &change).await;
    assert_eq!((status, &changed["settings"]["pushes_per_second"]), (200, &json!(9)), "{changed}");
    assert_eq!(changed["settings"]["passkey"], shown["settings"]["passkey"], "as it was");
    let check = format!("{path}/check");
    let (status, checked) = ask(&house, Role::Manager, "POST", &check, &Value::Null).await;
    assert_eq!((status, &checked["works"]), (200, &json!(false)), "{checked}");
    assert!(checked["wrong"].to_string().contains("public_url"), "{checked}");
    assert_eq!(ask(&house, Role::Manager, "DELETE", &path, &Value::Null).await.0, 204);
    assert_eq!(ask(&house, Role::Manager, "GET", &path, &Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_purchase_is_shown_with_what_was_said_of_it() {
    let house = House::on(Engine::Sqlite).await;
    let path = format!("/api/v1/purchases/{}", house.ours.ids["payment"]);
    let shown = house.ask(Role::ReadOnly, "GET", &path, "").await.ok(200);
    assert_eq!((&shown["state"], &shown["letters"]), (&json!("paid"), &json!([])), "{shown}");
    let paid = house.ask(Role::ReadOnly, "GET", "/api/v1/purchases?state=paid", "").await.ok(200);
    assert_eq!(paid["items"].as_array().unwrap().len(), 1);
    let failed = house.ask(Role::ReadOnly, "GET", "/api/v1/purchases?state=failed", "").await;
    assert_eq!(failed.ok(200)["items"], json!([]));
    let refund = format!("{path}/refund");
    house.ask(Role::Manager, "POST", &refund, "{}").await.problem(409, "conflict");
    let by_hand = r#"{"by_hand":true}"#;
    let given = house.ask(Role::Manager, "POST", &refund, by_hand).await.ok(200);
    assert_eq!(given["state"], "refunded");
    house.ask(Role::Manager, "POST", &refund, by_hand).await.problem(409, "conflict");
}
