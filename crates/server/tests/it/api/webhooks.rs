//! Somebody else's server is told what happens: signed, again when it fails, and never at the cost
//! of others.

use super::House;
use crate::harness::{Engine, NOON};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use lango_domain::role::Role;
use lango_domain::time::Span;
use lango_server::{feed, webhooks};
use lango_store::Tx;
use lango_store::activity::Activity;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A server of somebody else.
#[derive(Clone, Default)]
struct Theirs {
    heard: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    /// What it answers next; 200 when nothing is left.
    answers: Arc<Mutex<Vec<u16>>>,
}

async fn hear(
    State(theirs): State<Theirs>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, HeaderMap) {
    theirs.heard.lock().unwrap().push((headers, body));
    let mut answers = theirs.answers.lock().unwrap();
    let status = if answers.is_empty() { 200 } else { answers.remove(0) };
    let mut headers = HeaderMap::new();
    headers.insert("location", "/hook".parse().unwrap());
    (StatusCode::from_u16(status).unwrap(), headers)
}

impl Theirs {
    async fn start(&self) -> SocketAddr {
        let routes = Router::new().route("/hook", post(hear)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        at
    }

    fn words(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let what = |body: &String| serde_json::from_str::<Value>(body).unwrap()["what"].clone();
        heard.iter().map(|(_, body)| what(body).as_str().unwrap().to_owned()).collect()
    }
}

/// A house whose webhooks may be here, with the ones it was furnished with switched off.
async fn house(engine: Engine) -> House {
    let house = House::on(engine).await;
    house.app.let_webhooks_be_private(true);
    let path = format!("/api/v1/webhooks/{}", house.ours.ids["webhook"]);
    house.ask(Role::Owner, "DELETE", &path, "").await.ok(204);
    while feed::pass(&house.app).await.unwrap() > 0 {}
    house
}

async fn hook(house: &House, at: SocketAddr, topics: &[&str]) -> (String, String) {
    let body = json!({ "url": format!("http://{at}/hook"), "topics": topics }).to_string();
    let made = house.ask(Role::Owner, "POST", "/api/v1/webhooks", &body).await.ok(201);
    let path = format!("/api/v1/webhooks/{}", made["webhook"]["id"].as_str().unwrap());
    (path, made["secret"].as_str().unwrap().to_owned())
}

async fn happen(house: &House, name: &str) {
    let body = json!({ "name": name }).to_string();
    house.ask(Role::Owner, "POST", "/api/v1/customers", &body).await.ok(201);
    while feed::pass(&house.app).await.unwrap() > 0 {}
}

async fn deliveries(house: &House, path: &str) -> Vec<Value> {
    let list = house.ask(Role::Owner, "GET", &format!("{path}/deliveries"), "").await.ok(200);
    list["items"].as_array().unwrap().clone()
}

async fn told_signed_and_told_again(engine: Engine) {
    let (house, theirs) = (house(engine).await, Theirs::default());
    let at = theirs.start().await;
    let (path, secret) = hook(&house, at, &["customer added"]).await;
    theirs.answers.lock().unwrap().extend([500, 302]);
    happen(&house, "Ann").await;
    for _ in 0..3 {
        webhooks::pass(&house.app).await.unwrap();
        house.app.clock().set(house.app.clock().now() + Span::minutes(1));
    }
    assert_eq!(
        theirs.words(),
        ["customer added"; 3],
        "a redirect is not followed, only tried again"
    );
    let heard = theirs.heard.lock().unwrap().clone();
    let ids: Vec<_> = heard.iter().map(|(headers, _)| headers["lango-event-id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "one event has one id");
    let (headers, body) = &heard[2];
    let signed = headers["lango-signature"].to_str().unwrap();
    let (time, tag) = signed.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let expected = ring::hmac::sign(&key, format!("{time}.{body}").as_bytes());
    let expected: String = expected.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(tag, expected);
    let log = deliveries(&house, &path).await;
    let statuses: Vec<&Value> = log.iter().map(|delivery| &delivery["status"]).collect();
    assert_eq!(statuses, [&json!(200), &json!(302), &json!(500)]);
    // Told is told; what it asks for is told again.
    webhooks::pass(&house.app).await.unwrap();
    assert_eq!(theirs.words().len(), 3);
    let again = house.ask(Role::Owner, "POST", &format!("{path}/replay"), r#"{"after":0}"#).await;
    assert!(
        again.ok(200)["queued"].as_u64().unwrap() >= 2,
        "the first customer is older than the hook"
    );
    webhooks::pass(&house.app).await.unwrap();
    assert!(theirs.words().len() >= 5);
}

mod on_sqlite {
    #[tokio::test(flavor = "multi_thread")]
    async fn told_signed_and_told_again() {
        super::told_signed_and_told_again(super::Engine::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn dead_ones_with_long_queues_delay_nobody() {
        super::dead_ones_with_long_queues_delay_nobody(super::Engine::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_given_up_is_seen_and_can_be_told_again() {
        super::what_is_given_up_is_seen_and_can_be_told_again(super::Engine::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_gone_shows_what_he_was_not_told() {
        super::who_is_gone_shows_what_he_was_not_told(super::Engine::Sqlite).await;
    }
}

mod on_postgres {
    #[tokio::test(flavor = "multi_thread")]
    async fn told_signed_and_told_again() {
        super::told_signed_and_told_again(super::Engine::Postgres).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn dead_ones_with_long_queues_delay_nobody() {
        super::dead_ones_with_long_queues_delay_nobody(super::Engine::Postgres).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_given_up_is_seen_and_can_be_told_again() {
        super::what_is_given_up_is_seen_and_can_be_told_again(super::Engine::Postgres).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_gone_shows_what_he_was_not_told() {
        super::who_is_gone_shows_what_he_was_not_told(super::Engine::Postgres).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_never_answers_delays_no_other() {
    let (house, theirs) = (house(Engine::Sqlite).await, Theirs::default());
    let at = theirs.start().await;
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    hook(&house, silent.local_addr().unwrap(), &["customer added"]).await;
    hook(&house, at, &["customer added"]).await;
    let app = house.app.clone();
    let stop = CancellationToken::new();
    for number in 0..20 {
        happen(&house, &format!("Customer {number}")).await;
    }
    let began = Instant::now();
    let engine = tokio::spawn(webhooks::run(app, stop.clone()));
    while theirs.words().len() < 20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(began.elapsed() < Duration::from_secs(8), "{} of 20", theirs.words().len());
    }
    stop.cancel();
    engine.abort();
}

/// So many lines at once, as a replay or a bad morning makes them.
async fn much_happens(house: &House, what: &str, count: usize) {
    let (app, tenant) = (&house.app, house.ours.tenant);
    let line = || Activity {
        id: app.id(NOON),
        tenant,
        at: NOON,
        actor: "test".to_owned(),
        grant: None,
        router: None,
        what: what.to_owned(),
        detail: String::new(),
    };
    let lines: Vec<Activity> = (0..count).map(|_| line()).collect();
    let append = async move |tx: &mut Tx<'_>| lango_store::activity::append(tx, &lines).await;
    app.store().write(append).await.unwrap();
    while feed::pass(app).await.unwrap() > 0 {}
}

async fn dead_ones_with_long_queues_delay_nobody(engine: Engine) {
    let (house, theirs) = (house(engine).await, Theirs::default());
    let at = theirs.start().await;
    // They take connections and say nothing; each has a thousand lines.
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    for _ in 0..9 {
        hook(&house, silent.local_addr().unwrap(), &["much"]).await;
    }
    much_happens(&house, "much", 1_000).await;
    hook(&house, at, &["customer added"]).await;
    let stop = CancellationToken::new();
    let engine = tokio::spawn(webhooks::run(house.app.clone(), stop.clone()));
    happen(&house, "Ann").await;
    let began = Instant::now();
    while theirs.words().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(began.elapsed() < Duration::from_secs(1), "it waits for the dead ones");
    }
    stop.cancel();
    engine.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_is_switched_off_and_who_is_next_door_is_not_reached() {
    let (house, theirs) = (house(Engine::Sqlite).await, Theirs::default());
    let at = theirs.start().await;
    let (path, _) = hook(&house, at, &[]).await;
    theirs.answers.lock().unwrap().push(410);
    happen(&house, "Ann").await;
    webhooks::pass(&house.app).await.unwrap();
    let shown = house.ask(Role::Owner, "GET", &path, "").await.ok(200);
    assert!(shown["off_since"].is_string(), "{shown}");
    let what = house.ask(Role::Owner, "GET", "/api/v1/activity?limit=1", "").await.ok(200);
    assert_eq!(what["items"][0]["what"], "webhook switched off");
    let heard = theirs.words().len();
    house.app.let_webhooks_be_private(false);
    house.ask(Role::Owner, "PATCH", &path, r#"{"on":true}"#).await.ok(200);
    happen(&house, "Bea").await;
    webhooks::pass(&house.app).await.unwrap();
    assert_eq!(theirs.words().len(), heard);
    let error = deliveries(&house, &path).await[0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("private network"), "{error}");
    for wrong in ["ftp://x.example/", "https://u:p@x.example/", "/hook", "https://"] {
        let body = json!({ "url": wrong }).to_string();
        house.ask(Role::Owner, "POST", "/api/v1/webhooks", &body).await.problem(422, "invalid");
    }
}

/// What the account says of such things.
async fn said(house: &House, what: &str) -> Vec<Value> {
    let list = house.ask(Role::Owner, "GET", "/api/v1/activity?limit=500", "").await.ok(200);
    let lines = list["items"].as_array().unwrap().iter().filter(|line| line["what"] == what);
    lines.cloned().collect()
}

async fn what_is_given_up_is_seen_and_can_be_told_again(engine: Engine) {
    let (house, theirs) = (house(engine).await, Theirs::default());
    let at = theirs.start().await;
    let (path, _) = hook(&house, at, &["much"]).await;
    theirs.answers.lock().unwrap().extend([500; 6]);
    much_happens(&house, "much", 3).await;
    webhooks::pass(&house.app).await.unwrap();
    let shown = house.ask(Role::Owner, "GET", &path, "").await.ok(200);
    assert_eq!(shown["given_up"], Value::Null, "it is tried for a day");
    house.app.clock().set(house.app.clock().now() + Span::hours(25));
    webhooks::pass(&house.app).await.unwrap();
    let given_up = house.ask(Role::Owner, "GET", &path, "").await.ok(200)["given_up"].clone();
    assert_eq!(given_up["count"], 3, "{given_up}");
    assert!(given_up["last_at"].is_string(), "{given_up}");
    let lines = said(&house, "webhook gave up").await;
    assert_eq!(lines.len(), 1, "said once in an hour, however many they are");
    assert!(lines[0]["detail"].as_str().unwrap().contains("status 500"), "{lines:?}");
    let numbers = house.send("GET", "/metrics", &[], "").await.text();
    let counted = numbers.split_once("lango_webhook_lines_given_up_total ").unwrap().1;
    assert!(!counted.starts_with("0\n"), "{numbers}");
    let again = json!({ "after": given_up["after"] }).to_string();
    let again = house.ask(Role::Owner, "POST", &format!("{path}/replay"), &again).await.ok(200);
    assert_eq!(again["queued"], 3);
    webhooks::pass(&house.app).await.unwrap();
    assert_eq!(theirs.words().len(), 9, "six refused, three taken");
    let shown = house.ask(Role::Owner, "GET", &path, "").await.ok(200);
    assert_eq!(shown["given_up"], Value::Null, "told again is no longer given up");
}

async fn who_is_gone_shows_what_he_was_not_told(engine: Engine) {
    let (house, theirs) = (house(engine).await, Theirs::default());
    let at = theirs.start().await;
    let (path, _) = hook(&house, at, &["much"]).await;
    much_happens(&house, "much", 20).await;
    theirs.answers.lock().unwrap().extend([410; 20]);
    webhooks::pass(&house.app).await.unwrap();
    let shown = house.ask(Role::Owner, "GET", &path, "").await.ok(200);
    assert!(shown["off_since"].is_string(), "{shown}");
    assert_eq!(shown["given_up"]["count"], 20, "{shown}");
    let lines = said(&house, "webhook switched off").await;
    assert!(lines[0]["detail"].as_str().unwrap().contains("20 events"), "{lines:?}");
}
