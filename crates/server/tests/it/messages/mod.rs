//! Texts on their way: gateways of other people that fail, fall silent, answer late and report
//! early. Stand-ins on real sockets; the clock is ours.

mod gateways;
mod smpp;
mod smtp;

use crate::api::House;
use crate::harness::{Engine, NOON};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use lango_domain::ids::GrantId;
use lango_domain::language::Language;
use lango_domain::phone_number::{Country, PhoneNumber};
use lango_domain::role::Role;
use lango_domain::time::{Span, Timestamp};
use lango_server::jobs;
use lango_server::messaging::notice::Notice;
use lango_server::messaging::sender::Sender;
use lango_server::messaging::{self, MessageOrder};
use lango_store::Tx;
use lango_store::messages::Message;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

pub(crate) const CUSTOMER: &str = "+254712000111";

/// A request that a stand-in heard.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A gateway of somebody else: says what it is told to say.
#[derive(Clone, Default)]
pub(crate) struct StandIn {
    heard: Arc<Mutex<Vec<Heard>>>,
    /// What it answers next; the last one for ever.
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
}

async fn hear(
    State(stand_in): State<StandIn>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let body = String::from_utf8(body.to_vec()).unwrap();
    stand_in.heard.lock().unwrap().push(Heard { method, uri, headers, body });
    let mut answers = stand_in.answers.lock().unwrap();
    let (status, body) = match answers.len() {
        0 => (200, "{}".to_owned()),
        1 => answers[0].clone(),
        _ => answers.pop_front().unwrap(),
    };
    (StatusCode::from_u16(status).unwrap(), body)
}

impl StandIn {
    pub(crate) async fn start(answers: &[(u16, Value)]) -> (StandIn, SocketAddr) {
        let stand_in = StandIn::default();
        let answers = answers.iter().map(|(status, body)| (*status, body.to_string()));
        stand_in.answers.lock().unwrap().extend(answers);
        let routes = Router::new().fallback(hear).with_state(stand_in.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (stand_in, at)
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

/// A house whose gateways may be here, without the one it was furnished with.
pub(crate) async fn house(engine: Engine) -> House {
    let house = House::on(engine).await;
    house.app.let_webhooks_be_private(true);
    let path = format!("/api/v1/senders/{}", house.ours.ids["sender"]);
    house.ask(Role::Owner, "DELETE", &path, "").await.ok(204);
    house
}

/// Adds a gateway; its line in the list.
pub(crate) async fn sender(house: &House, name: &str, gateway: Value) -> Value {
    let body = json!({ "name": name, "gateway": gateway, "secret": "key", "from_name": "DUKA",
                       "part_price": "0.8" });
    house.ask(Role::Owner, "POST", "/api/v1/senders", &body.to_string()).await.ok(201)
}

/// A gateway of the generic kind at a stand-in.
pub(crate) fn http(at: SocketAddr) -> Value {
    json!({ "kind": "http", "url": format!("http://{at}/send"),
            "body": r#"{"to":"{to}","text":"{text}","ref":"{reference}"}"# })
}

pub(crate) async fn order(house: &House, reason: &str, grant: Option<&str>, text: Notice) {
    let order = MessageOrder {
        tenant: house.ours.tenant,
        recipient: PhoneNumber::parse(CUSTOMER, Country::Ke).unwrap(),
        language: Some(Language::En),
        grant: grant.map(|name| house.ours.ids[name].parse::<GrantId>().unwrap()),
        once_key: reason.to_owned(),
        text,
    };
    let (app, now) = (house.app.clone(), house.app.clock().now());
    house
        .app
        .store()
        .write(async move |tx: &mut Tx<'_>| {
            messaging::queue(tx, &app, order.clone(), now).await.map(drop)
        })
        .await
        .unwrap();
}

pub(crate) fn credentials() -> Notice {
    Notice::Credentials { amount: None, receipt: Some("SKL1".to_owned()) }
}

pub(crate) fn text(body: &str) -> Notice {
    Notice::Text { body: body.to_owned(), promotion: false }
}

/// Does all that is due now.
pub(crate) async fn work(house: &House) {
    while jobs::pass(&house.app, &Sender::Configured).await.unwrap() > 0 {}
}

pub(crate) fn pass_time(house: &House, span: Span) {
    house.app.clock().set(house.app.clock().now() + span);
}

/// The texts, latest first, without the one of the furniture.
pub(crate) async fn messages(house: &House) -> Vec<Message> {
    let tenant = house.ours.tenant;
    let page =
        async move |tx: &mut Tx<'_>| lango_store::messages::page(tx, tenant, None, 100).await;
    let all: Vec<Message> = house.app.store().read(page).await.unwrap();
    all.into_iter().filter(|message| message.recipient != "+254711000009").collect()
}

pub(crate) async fn states(house: &House) -> Vec<&'static str> {
    messages(house).await.iter().map(|message| message.state.word()).collect()
}

async fn a_code_goes_to_the_next_sender_and_once_for_its_reason(engine: Engine) {
    let house = house(engine).await;
    let no_name = json!({ "SMSMessageData": { "Message": "InvalidSenderId", "Recipients": [] } });
    let (first, first_at) = StandIn::start(&[(201, no_name)]).await;
    let (second, second_at) = StandIn::start(&[(200, json!({ "ok": true }))]).await;
    let url = format!("http://{first_at}");
    sender(&house, "at", json!({ "kind": "africas-talking", "user": "shop", "url": url })).await;
    sender(&house, "modem", http(second_at)).await;
    order(&house, "paid SKL1", Some("voucher"), credentials()).await;
    order(&house, "paid SKL1", Some("voucher"), credentials()).await;
    work(&house).await;
    pass_time(&house, Span::hours(1));
    work(&house).await;
    assert_eq!(first.heard().len(), 1);
    assert_eq!(first.heard()[0].headers["apikey"], "key");
    let heard = second.heard();
    assert_eq!(heard.len(), 1, "one reason, one text");
    let said: Value = serde_json::from_str(&heard[0].body).unwrap();
    let code = &house.ours.ids["code"];
    assert!(said["text"].as_str().unwrap().contains(code.as_str()), "{said}");
    assert_eq!(said["to"], CUSTOMER);
    let sent = messages(&house).await.remove(0);
    assert_eq!((sent.state.word(), sent.parts, sent.cost), ("sent", 1, Some(8_000)));
    assert!(!sent.body.contains(code.as_str()), "the log opens nothing: {}", sent.body);
    let by: Vec<&str> = sent.tries.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(by, ["at", "modem"]);
}

async fn what_may_have_arrived_is_not_sent_twice_but_a_code_once_more(engine: Engine) {
    let house = house(engine).await;
    let (first, first_at) = StandIn::start(&[(502, json!("bad gateway"))]).await;
    let (second, second_at) = StandIn::start(&[(502, json!("bad gateway"))]).await;
    sender(&house, "first", http(first_at)).await;
    sender(&house, "second", http(second_at)).await;
    order(&house, "hello", None, text("Hello")).await;
    work(&house).await;
    pass_time(&house, Span::hours(1));
    work(&house).await;
    assert_eq!((first.heard().len(), second.heard().len()), (1, 0));
    assert_eq!(states(&house).await, ["unknown"]);

    order(&house, "code", Some("voucher"), credentials()).await;
    work(&house).await;
    assert_eq!((first.heard().len(), second.heard().len()), (2, 0), "it waits for a report");
    pass_time(&house, Span::minutes(1));
    work(&house).await;
    assert_eq!(second.heard().len(), 0);
    pass_time(&house, Span::minutes(2));
    work(&house).await;
    assert_eq!((first.heard().len(), second.heard().len()), (2, 1), "once more, by the next");
    for _ in 0..10 {
        pass_time(&house, Span::minutes(30));
        work(&house).await;
    }
    assert_eq!((first.heard().len(), second.heard().len()), (2, 1), "and never again");
}

async fn what_broke_off_while_a_gateway_was_asked_is_unknown(engine: Engine) {
    let house = house(engine).await;
    let (gateway, at) = StandIn::start(&[(200, json!({}))]).await;
    let stored = sender(&house, "modem", http(at)).await;
    order(&house, "hello", None, text("Hello")).await;
    let (app, tenant) = (house.app.clone(), house.ours.tenant);
    let id = stored["id"].as_str().unwrap().parse().unwrap();
    house
        .app
        .store()
        .write(async move |tx: &mut Tx<'_>| {
            // As it is written before the gateway is asked; then the process died.
            let now = app.clock().now();
            let job = lango_store::jobs::claim(tx, now, now + Span::seconds(60), 10).await?;
            let job = job.into_iter().find(|job| job.payload.contains("Hello")).unwrap();
            let message = Message {
                id: app.id(now),
                tenant,
                job: job.id,
                grant: None,
                recipient: CUSTOMER.to_owned(),
                body: "Hello".to_owned(),
                reason: "text".to_owned(),
                sent_at: now,
                state: lango_store::messages::MessageState::Unknown,
                state_at: now,
                sender: Some(id),
                tries: vec![lango_store::messages::Try {
                    sender: id,
                    name: "modem".to_owned(),
                    at: now,
                    outcome: None,
                    detail: None,
                }],
                parts: 1,
                cost: None,
                last_error: None,
                poll_at: None,
                polls: 0,
            };
            lango_store::messages::insert(tx, &message).await.map(drop)
        })
        .await
        .unwrap();
    pass_time(&house, Span::minutes(5));
    work(&house).await;
    assert_eq!(gateway.heard().len(), 0, "it may have arrived");
    assert_eq!(states(&house).await, ["unknown"]);
}

async fn a_dead_gateway_rests_and_texts_wait(engine: Engine) {
    let house = house(engine).await;
    // A port where nobody listens: surely nothing was sent.
    sender(&house, "dead", http("127.0.0.1:9".parse().unwrap())).await;
    order(&house, "hello", None, text("Hello")).await;
    work(&house).await;
    assert_eq!(states(&house).await, ["queued"]);
    pass_time(&house, Span::minutes(1));
    work(&house).await;
    let check = house.ask(Role::Owner, "GET", "/api/v1/senders", "").await.ok(200);
    assert_eq!(check["items"][0]["failures"], 2, "{check}");
    let (gateway, at) = StandIn::start(&[(200, json!({}))]).await;
    let path = format!("/api/v1/senders/{}", check["items"][0]["id"].as_str().unwrap());
    let change = json!({ "gateway": http(at) }).to_string();
    house.ask(Role::Owner, "PATCH", &path, &change).await.ok(200);
    pass_time(&house, Span::minutes(20));
    work(&house).await;
    assert_eq!(gateway.heard().len(), 1);
    assert_eq!(states(&house).await, ["sent"]);
}

async fn promotions_wait_for_the_morning_and_codes_do_not(engine: Engine) {
    let house = house(engine).await;
    let (gateway, at) = StandIn::start(&[(200, json!({}))]).await;
    sender(&house, "modem", http(at)).await;
    house.app.clock().set(instant("2026-11-21T20:00:00Z"));
    let promotion = Notice::Text { body: "Half price".to_owned(), promotion: true };
    order(&house, "promotion", None, promotion).await;
    order(&house, "code", Some("voucher"), Notice::ResumeCode).await;
    work(&house).await;
    assert_eq!(gateway.heard().len(), 1, "the code only");
    house.app.clock().set(instant("2026-11-22T05:00:01Z"));
    work(&house).await;
    assert_eq!(gateway.heard().len(), 2, "eight o'clock in Nairobi");
}

fn instant(text: &str) -> Timestamp {
    let at = Timestamp::from_jiff(text.parse().unwrap());
    assert!(at > NOON);
    at
}

async fn a_business_words_its_messages(engine: Engine) {
    let house = house(engine).await;
    let (gateway, at) = StandIn::start(&[(200, json!({}))]).await;
    sender(&house, "modem", http(at)).await;
    let path = "/api/v1/message-templates/resume-code";
    let wrong = json!({ "language": "en", "text": "Code {kode}" }).to_string();
    let told = house.ask(Role::Owner, "PATCH", path, &wrong).await.problem(422, "invalid");
    assert_eq!(told, "there is no {kode}: did you mean {code}?");
    let good = json!({ "language": "en", "text": "Karibu – {code}" }).to_string();
    house.ask(Role::Owner, "PATCH", path, &good).await.ok(200);
    order(&house, "one", Some("voucher"), Notice::ResumeCode).await;
    work(&house).await;
    let said: Value = serde_json::from_str(&gateway.heard()[0].body).unwrap();
    let code = &house.ours.ids["code"];
    assert_eq!(said["text"], format!("Karibu - {code}"), "the dash is a plain one");
    let look = json!({ "message": "resume-code", "language": "en" }).to_string();
    let made = house.ask(Role::Owner, "POST", "/api/v1/messages/preview", &look).await.ok(200);
    assert_eq!((made["parts"].as_i64(), made["alphabet"].as_str()), (Some(1), Some("gsm")));
    assert_eq!(made["costs"][0]["cost"], "KES 0.8");
    let reset = json!({ "language": "en", "text": null }).to_string();
    let worded = house.ask(Role::Owner, "PATCH", path, &reset).await.ok(200);
    assert_eq!(worded["own"], false);
}

macro_rules! on_both {
    ($($story:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() { super::$story(super::Engine::Sqlite).await; })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() { super::$story(super::Engine::Postgres).await; })*
        }
    };
}
on_both!(
    a_code_goes_to_the_next_sender_and_once_for_its_reason,
    what_may_have_arrived_is_not_sent_twice_but_a_code_once_more,
    what_broke_off_while_a_gateway_was_asked_is_unknown,
    a_dead_gateway_rests_and_texts_wait,
    promotions_wait_for_the_morning_and_codes_do_not,
    a_business_words_its_messages,
);
