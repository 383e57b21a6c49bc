//! Tables of other programs: a whole table or nothing of it, every fault with its line.

use super::House;
use crate::harness::Engine;
use lango_domain::role::Role;
use lango_server::operations::import::MOST_LINES;
use serde_json::{Value, json};

async fn send(house: &House, what: &str, query: &str, table: &str) -> super::Answer {
    let path = format!("/api/v1/imports/{what}{query}");
    house.ask_with("POST", &path, &[("content-type", "text/csv")], table).await
}

async fn count(house: &House, list: &str) -> usize {
    let path = format!("/api/v1/{list}?limit=200");
    let page = house.ask(Role::Owner, "GET", &path, "").await.ok(200);
    page["items"].as_array().unwrap().len()
}

async fn plan(house: &House) -> String {
    let path = format!("/api/v1/plans/{}", house.ours.ids["plan"]);
    let plan = house.ask(Role::Owner, "GET", &path, "").await.ok(200);
    plan["name"].as_str().unwrap().to_owned()
}

mod on_sqlite {
    use super::{Engine, House};

    #[tokio::test]
    async fn customers_and_what_they_have_come_along() {
        super::come_along(House::on(Engine::Sqlite).await).await;
    }

    #[tokio::test]
    async fn one_fault_and_nothing_is_done() {
        super::one_fault(House::on(Engine::Sqlite).await).await;
    }
}

mod on_postgres {
    use super::{Engine, House};

    #[tokio::test]
    async fn customers_and_what_they_have_come_along() {
        super::come_along(House::on(Engine::Postgres).await).await;
    }

    #[tokio::test]
    async fn one_fault_and_nothing_is_done() {
        super::one_fault(House::on(Engine::Postgres).await).await;
    }
}

async fn come_along(house: House) {
    let plan = plan(&house).await;
    let customers = "Name;Phone;Language\r\nAnn Wanjiku;0733000001;sw\r\nBob;'+254733000002;\r\n";
    let (before, services) = (count(&house, "customers").await, count(&house, "services").await);
    let tried = send(&house, "customers", "?dry_run=true", customers).await.ok(200);
    assert_eq!(tried["customers"], 2);
    assert_eq!(count(&house, "customers").await, before, "a dry run writes nothing");
    let made = send(&house, "customers", "", customers).await.ok(201);
    assert_eq!(
        made,
        json!({ "dry_run": false, "customers": 2, "grants": 0, "faults": [], "fault_count": 0 })
    );
    assert_eq!(count(&house, "customers").await, before + 2);

    // Ann is known by her number; Carol is new, and has two lines.
    let table = format!(
        "kind,plan,login,password,address,phone,customer,paid_until\n\
         pppoe,{plan},ann,secret,,0733000001,,2026-12-31\n\
         hotspot,{plan},carol,secret,,0733000003,Carol,2026-12-31 18:00\n\
         static_ip,{plan},,,10.7.0.9,0733000003,Carol,2020-01-31\n\
         pppoe,{plan},dan,secret,10.7.0.10,,,\n"
    );
    let made = send(&house, "services", "", &table).await.ok(201);
    assert_eq!((&made["customers"], &made["grants"]), (&json!(1), &json!(4)), "{made}");
    assert_eq!(count(&house, "services").await, services + 4);
    let service = async |login: &str| {
        let path = format!("/api/v1/services?search={login}");
        let page = house.ask(Role::Owner, "GET", &path, "").await.ok(200);
        page["items"][0].clone()
    };
    let ann = service("ann").await;
    assert_eq!(ann["state"], "active");
    // The end of that day in Nairobi.
    assert_eq!(ann["ends_at"], "2026-12-31T21:00:00Z");
    assert_eq!(service("carol").await["ends_at"], "2026-12-31T15:00:00Z");
    assert_eq!(service("10.7.0.9").await["state"], "ended");
    let dan = service("dan").await;
    assert_eq!((&dan["state"], &dan["paid"]), (&json!("unused"), &json!(false)));

    let vouchers = format!("code,plan,password\nab12,{plan},\nCD34,{plan},other\n");
    assert_eq!(send(&house, "vouchers", "", &vouchers).await.ok(201)["grants"], 2);
    let told = house.ask(Role::Owner, "GET", "/api/v1/activity?what=imported", "").await.ok(200);
    let lines: Vec<&Value> = told["items"].as_array().unwrap().iter().collect();
    assert!(lines.iter().any(|line| line["what"] == "imported"), "{told}");
}

async fn one_fault(house: House) {
    let plan = plan(&house).await;
    let before = (count(&house, "customers").await, count(&house, "services").await);
    let table = format!(
        "kind,plan,login,password,phone,customer,paid_until,router\n\
         pppoe,{plan},good,secret,0733000009,Eve,2026-12-31,\n\
         dialup,{plan},a,secret,,,,\n\
         pppoe,No such,b,secret,,,,\n\
         pppoe,{plan},c d,secret,,,,\n\
         pppoe,{plan},e,,,,,\n\
         pppoe,{plan},good,secret,,,,\n\
         pppoe,{plan},f,secret,0733000010,,,\n\
         pppoe,{plan},g,secret,2.54712E+11,X,31/12/2026,\n\
         static_ip,{plan},,,,,,Nowhere\n\
         pppoe,{plan},{mark}-line,secret,,,,\n",
        mark = house.ours.mark.to_lowercase(),
    );
    let refused = send(&house, "services", "", &table).await;
    refused.problem(422, "invalid");
    let faults = refused.json()["faults"].clone();
    let told: Vec<(u64, &str)> = faults
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["line"].as_u64().unwrap(), fault["column"].as_str().unwrap_or("")))
        .collect();
    let expected = [
        (3, "kind"),
        (4, "plan"),
        (5, "login"),
        (6, "password"),
        (7, ""),
        (8, "phone"),
        (9, "phone"),
        (9, "paid_until"),
        (10, "address"),
        (10, "router"),
        (11, ""),
    ];
    assert_eq!(told, expected, "{faults}");
    let after = (count(&house, "customers").await, count(&house, "services").await);
    assert_eq!(after, before, "nothing half done");
    // A dry run says the same, as an answer and not as a refusal.
    let tried = send(&house, "services", "?dry_run=true", &table).await.ok(200);
    assert_eq!((&tried["fault_count"], &tried["grants"]), (&json!(11), &json!(0)));
    assert_eq!(tried["faults"], faults);
}

#[tokio::test]
async fn a_table_that_comes_twice_with_one_key_is_taken_once() {
    let house = House::on(Engine::Sqlite).await;
    let table = "name,phone\nAnn,0733000001\n";
    let key = [("content-type", "text/csv"), ("idempotency-key", "monday")];
    let path = "/api/v1/imports/customers";
    let before = count(&house, "customers").await;
    for _ in 0..2 {
        let made = house.ask_with("POST", path, &key, table).await;
        // The second time Ann is there already: the key says that it is her.
        if made.status == 422 {
            panic!("{}", made.text());
        }
        assert_eq!(made.ok(201)["customers"], 1);
    }
    assert_eq!(count(&house, "customers").await, before + 1);
    // Without the key it is another table, and she is there already.
    send(&house, "customers", "", table).await.problem(422, "invalid");
    let mut other = Vec::new();
    for name in ["b", "c"] {
        let table = format!("name,phone\n{name},0733000002\n");
        other.push(house.ask_with("POST", path, &key, &table).await.status.as_u16());
    }
    assert_eq!(other, [422, 422], "the key was used for another table");
}

#[tokio::test]
async fn the_answer_of_a_repetition_is_the_answer_of_the_first() {
    let house = House::on(Engine::Sqlite).await;
    let plan = plan(&house).await;
    for (what, table) in [
        ("customers", "name\nAnn\n".to_owned()),
        ("services", format!("kind,plan,login,password,customer\npppoe,{plan},b,secret,Bob\n")),
        ("vouchers", format!("code,plan,customer\nAB12,{plan},Carol\nCD34,{plan},\n")),
    ] {
        let key = [("content-type", "text/csv"), ("idempotency-key", what)];
        let path = format!("/api/v1/imports/{what}");
        let first = house.ask_with("POST", &path, &key, &table).await.ok(201);
        assert_eq!(first["customers"], 1, "{what}: {first}");
        let again = house.ask_with("POST", &path, &key, &table).await.ok(201);
        assert_eq!(first, again, "{what}");
    }
}

#[tokio::test]
async fn a_large_table_is_taken_quickly_and_a_larger_one_is_split() {
    let house = House::on(Engine::Sqlite).await;
    let plan = plan(&house).await;
    let mut table = String::from("kind,plan,login,password,phone,customer\n");
    for number in 0..MOST_LINES {
        let phone = 711_100_000 + number;
        table.push_str(&format!("pppoe,{plan},line{number},secret,0{phone},Customer {number}\n"));
    }
    let made = send(&house, "services", "", &table).await.ok(201);
    assert_eq!((&made["customers"], &made["grants"]), (&json!(MOST_LINES), &json!(MOST_LINES)));
    table.push_str(&format!("pppoe,{plan},onemore,secret,,\n"));
    let refused = send(&house, "services", "", &table).await;
    refused.problem(422, "invalid");
    let faults = refused.json()["faults"].clone();
    // The first hundred are told: all of them are taken, and one is too many.
    assert_eq!(faults.as_array().unwrap().len(), 100);
}
