//! One action on many grants: progress, what came of each, and nothing twice whatever breaks.

use super::House;
use crate::harness::Engine;
use lango_domain::role::Role;
use lango_server::messaging::sender::Sender;
use serde_json::{Value, json};

/// Vouchers that were begun, as a task may suspend or extend them.
async fn services(house: &House, count: usize) -> Vec<Value> {
    let mut made = Vec::new();
    for number in 0..count {
        let login = json!({ "by": "pppoe", "name": format!("line{number}") });
        let body = json!({ "plan": house.ours.ids["plan"], "login": login, "paid": true });
        let opened = house.ask(Role::Owner, "POST", "/api/v1/services", &body.to_string()).await;
        made.push(opened.ok(201)["service"]["id"].clone());
    }
    made
}

async fn get(house: &House, path: &str) -> Value {
    house.ask(Role::ReadOnly, "GET", path, "").await.ok(200)
}

async fn begin(house: &House, each: Value, grants: &[Value]) -> String {
    let body = json!({ "each": each, "grants": grants }).to_string();
    let begun = house.ask(Role::Manager, "POST", "/api/v1/tasks", &body).await.ok(202);
    format!("/api/v1/tasks/{}", begun["id"].as_str().unwrap())
}

async fn jobs_to_the_end(house: &House) {
    while lango_server::jobs::pass(&house.app, &Sender::LogOnly).await.unwrap() > 0 {}
}

#[tokio::test]
async fn every_row_says_what_came_of_it() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let house = House::on(engine).await;
        let mut grants = services(&house, 5).await;
        let theirs = json!(house.theirs.ids["grant"]);
        grants.extend([theirs.clone(), grants[0].clone(), json!("g0000000000001")]);
        let path = begin(&house, json!({ "action": "suspend" }), &grants).await;
        assert_eq!(get(&house, &path).await["done"], 0);
        jobs_to_the_end(&house).await;
        let task = get(&house, &path).await;
        assert_eq!(
            (&task["total"], &task["done"], &task["failed"]),
            (&json!(7), &json!(5), &json!(2))
        );
        assert!(task["finished_at"].is_string(), "{task}");
        let failed = get(&house, &format!("{path}/rows?failed=true")).await;
        let failed = failed["items"].as_array().unwrap();
        assert_eq!(failed.len(), 2);
        assert!(failed.iter().all(|row| row["detail"] == "there is no such grant"), "{failed:?}");
        let one = get(&house, &format!("/api/v1/grants/{}", grants[1].as_str().unwrap())).await;
        assert_eq!(one["state"], "suspended");
        // A refusal of the grant's own life is a sentence.
        let over = grants[2].clone();
        let end = format!("/api/v1/grants/{}/end", over.as_str().unwrap());
        house.ask(Role::Owner, "POST", &end, "").await.ok(200);
        let path = begin(&house, json!({ "action": "extend", "seconds": 60 }), &[over]).await;
        jobs_to_the_end(&house).await;
        let rows = get(&house, &format!("{path}/rows")).await;
        assert_eq!(rows["items"][0]["ok"], false, "{rows}");
    }
}

#[tokio::test]
async fn many_rows_are_many_jobs_and_each_row_is_done_once() {
    let house = House::on(Engine::Sqlite).await;
    let body = json!({ "plan": house.ours.ids["plan"], "count": 1_000 }).to_string();
    let mut grants: Vec<Value> = Vec::new();
    for _ in 0..2 {
        let made = house.ask(Role::Owner, "POST", "/api/v1/vouchers", &body).await.ok(201);
        let vouchers = made["vouchers"].as_array().unwrap().clone();
        grants.extend(vouchers.into_iter().map(|voucher| voucher["id"].clone()));
    }
    let path = begin(&house, json!({ "action": "end" }), &grants).await;
    // Somebody else's server works at it too.
    let (one, two) = tokio::join!(
        lango_server::jobs::pass(&house.app, &Sender::LogOnly),
        lango_server::jobs::pass(&house.app, &Sender::LogOnly),
    );
    assert!(one.unwrap() + two.unwrap() > 0);
    let half = get(&house, &path).await["done"].as_i64().unwrap();
    assert!(half < 2_000, "messages would have waited for {half} rows");
    jobs_to_the_end(&house).await;
    let task = get(&house, &path).await;
    assert_eq!((&task["done"], &task["failed"]), (&json!(2_000), &json!(0)), "{task}");
}

#[tokio::test]
async fn a_task_that_is_stopped_leaves_the_rest_alone() {
    let house = House::on(Engine::Sqlite).await;
    let grants = services(&house, 3).await;
    let path = begin(&house, json!({ "action": "suspend" }), &grants).await;
    house.ask(Role::Manager, "POST", &format!("{path}/stop"), "").await.ok(200);
    jobs_to_the_end(&house).await;
    let task = get(&house, &path).await;
    assert_eq!((&task["done"], &task["finished_at"]), (&json!(0), &Value::Null));
    let again = house.ask(Role::Manager, "POST", &format!("{path}/stop"), "").await;
    again.problem(409, "conflict");
    let empty = json!({ "each": { "action": "end" }, "grants": [] }).to_string();
    house.ask(Role::Manager, "POST", "/api/v1/tasks", &empty).await.problem(400, "unreadable");
}
