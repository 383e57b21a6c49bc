//! An operator's day by the API alone: the real program, a simulated router, and nothing typed at a
//! terminal after the first token.

use crate::cli::{Shop, until};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use lango_router_sim::{MacAddress, RouterSim, Settings, SystemClock};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Somebody with a key.
#[derive(Clone)]
pub(crate) struct Key {
    url: String,
    token: String,
}

impl Key {
    pub(crate) fn new(url: &str, token: &str) -> Key {
        Key { url: url.to_owned(), token: token.to_owned() }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(&body).unwrap() };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let response = client.request(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    #[track_caller]
    fn expect(answer: (u16, Value), status: u16) -> Value {
        assert_eq!(answer.0, status, "{}", answer.1);
        answer.1
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        Key::expect(self.ask("GET", path, Value::Null).await, 200)
    }

    async fn make(&self, path: &str, body: Value) -> Value {
        Key::expect(self.ask("POST", path, body).await, 201)
    }

    async fn act(&self, path: &str) -> Value {
        Key::expect(self.ask("POST", &format!("{path}?wait=15"), Value::Null).await, 200)
    }

    /// Asks again until it is so.
    async fn until(&self, path: &str, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let answer = self.get(path).await;
            if so(&answer) {
                return answer;
            }
            assert!(started.elapsed() < Duration::from_secs(40), "{what}: {answer}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_day_by_the_api_alone() {
    let shop = Shop::empty();
    let founded = shop.lango(&[&crate::cli::INIT[..], &["--json"]].concat()).ok().json();
    let server = shop.serve();
    let owner = Key::new(&server.url(), text(&founded["token"]));

    // Morning: a router, what is sold, somebody for the counter.
    let sim = RouterSim::start(Settings::default(), Arc::new(SystemClock)).unwrap();
    let address = format!("api://{}", sim.router().api_address().unwrap());
    let login =
        json!({ "name": "Lobby", "address": address, "user": "lango", "password": "secret" });
    let router = owner.make("/api/v1/routers", login).await;
    let path = format!("/api/v1/routers/{}", text(&router["id"]));
    owner.until(&path, "the router is up", |router| router["reachable"] == true).await;
    let tested = Key::expect(owner.ask("POST", &format!("{path}/test"), Value::Null).await, 200);
    assert_eq!(tested["reachable"], true);
    let hour = plan(&owner, "1 hour", json!({ "time_seconds": 3600 })).await;
    let terms = json!({ "starts": "payment", "time_seconds": 2_592_000 });
    let month = plan(&owner, "Home", terms).await;
    let seconds = plan(&owner, "Taste", json!({ "time_seconds": 2 })).await;
    let help = json!({ "name": "counter", "role": "cashier" });
    let help = owner.make("/api/v1/tokens", help).await;
    let cashier = Key::new(&server.url(), text(&help["token"]));

    // Noon: the cashier sells. He cannot give time away.
    let ann = json!({ "name": "Ann Wanjiku", "phone": "0712 345 678" });
    let ann = cashier.make("/api/v1/customers", ann).await;
    assert_eq!(ann["phone"], "+254712345678");
    let order = json!({ "plan": hour, "count": 1, "customer": ann["id"] });
    let voucher = cashier.make("/api/v1/vouchers", order).await["vouchers"][0].clone();
    let order = json!({ "plan": month, "customer": ann["id"],
                        "login": { "by": "pppoe", "name": "ann-home", "password": "dial" } });
    let service = cashier.make("/api/v1/services", order).await["service"].clone();
    let receipt = json!({ "grant": service["id"], "receipt": "CASH-1" });
    let paid = cashier.make("/api/v1/payments", receipt.clone()).await;
    assert_eq!((&paid["accepted"], &paid["grant"]["state"]), (&json!(true), &json!("active")));
    let again = Key::expect(cashier.ask("POST", "/api/v1/payments", receipt).await, 200);
    assert_eq!(again["accepted"], false);
    let of_service = format!("/api/v1/grants/{}", text(&service["id"]));
    let gift = json!({ "seconds": 86_400 });
    let refused = cashier.ask("POST", &format!("{of_service}/extend"), gift.clone()).await;
    assert_eq!(refused.0, 403);

    // Ann is online by both.
    let phone = MacAddress([2, 0, 0, 0, 0, 1]);
    let of_voucher = format!("/api/v1/grants/{}", text(&voucher["id"]));
    let is_there = |standing: &Value| standing["items"][0]["confirmed"] == "allowed";
    owner.until(&format!("{of_voucher}/enforcements"), "it is on the router", is_there).await;
    owner.until(&format!("{of_service}/enforcements"), "it is on the router", is_there).await;
    let code = text(&voucher["code"]).replace('-', "");
    log_in(&sim, phone, &code);
    let is_active = |grant: &Value| grant["state"] == "active";
    owner.until(&of_voucher, "the voucher's hour runs", is_active).await;
    sim.router().dial(MacAddress([2, 0, 0, 0, 0, 9]), "ann-home", "dial");
    let live = |sessions: &Value| sessions["items"].as_array().unwrap().len() == 2;
    owner.until("/api/v1/sessions?live=true", "both are seen", live).await;

    // She loses her phone: off, and on again. The router's word counts.
    let off = owner.act(&format!("{of_voucher}/disconnect")).await;
    assert_eq!((&off["confirmed"], &off["grant"]["state"]), (&json!(true), &json!("suspended")));
    assert!(!browses(&sim, phone));
    let on = owner.act(&format!("{of_voucher}/resume")).await;
    assert_eq!(on["confirmed"], true);
    log_in(&sim, phone, &code);
    assert!(browses(&sim, phone));
    let before = text(&owner.get(&of_service).await["ends_at"]).to_owned();
    let longer = Key::expect(owner.ask("POST", &format!("{of_service}/extend"), gift).await, 200);
    assert!(text(&longer["grant"]["ends_at"]) > before.as_str());

    // Somebody tastes for two seconds, and is cut.
    let order = json!({ "plan": seconds, "count": 1 });
    let taste = owner.make("/api/v1/vouchers", order).await["vouchers"][0].clone();
    let of_taste = format!("/api/v1/grants/{}", text(&taste["id"]));
    owner.until(&format!("{of_taste}/enforcements"), "it is on the router", is_there).await;
    let guest = MacAddress([2, 0, 0, 0, 0, 2]);
    log_in(&sim, guest, &text(&taste["code"]).replace('-', ""));
    owner.until(&of_taste, "the taste is over", |grant| grant["state"] == "ended").await;
    let proof = format!("/api/v1/cuts?grant={}", text(&taste["id"]));
    let cuts =
        owner.until(&proof, "the router confirmed", |cuts| cuts["items"][0].is_object()).await;
    assert!(cuts["items"][0]["lateness_ms"].as_i64().unwrap() < 10_000, "{cuts}");
    assert!(!browses(&sim, guest));

    // Evening: the line to the router is cut; somebody is told, and not called off.
    sim.router().faults().unreachable(true);
    let down = |router: &Value| router["reachable"] == false;
    owner.until(&path, "the router is seen to be down", down).await;
    let off = owner.ask("POST", &format!("{of_voucher}/suspend?wait=1"), Value::Null).await;
    assert_eq!(off.1["confirmed"], false, "nobody is called off before the router said so");
    let check = owner.get("/api/v1/check").await;
    assert_eq!(check["health"], "needs_attention");
    sim.router().faults().unreachable(false);
    let settled = |standing: &Value| standing["items"][0]["next_attempt_at"].is_null();
    owner.until(&format!("{of_voucher}/enforcements"), "it is made good", settled).await;
    assert!(!browses(&sim, phone));

    // Night: the books.
    let receipts = owner.get("/api/v1/payments").await;
    assert_eq!(receipts["items"].as_array().unwrap().len(), 1);
    let path_of_story = format!("/api/v1/activity?grant={}&sort=created", text(&voucher["id"]));
    let story = owner.get(&path_of_story).await;
    let words: Vec<&str> =
        story["items"].as_array().unwrap().iter().map(|line| text(&line["what"])).collect();
    for word in ["created", "started", "suspended", "cut", "resumed"] {
        assert!(words.contains(&word), "{word} is not in {words:?}");
    }
    let log = owner.get(&format!("{path}/log")).await;
    let log: Vec<&str> =
        log["items"].as_array().unwrap().iter().map(|line| text(&line["what"])).collect();
    let log: Vec<&str> = log.into_iter().filter(|what| *what != "cut").collect();
    assert_eq!(log, ["router up", "router down", "router up", "router added"]);
    assert_eq!(server.stop(), Some(0));
    until("the file is gone", || !shop.path().join("listeners.json").exists());
}

async fn plan(owner: &Key, name: &str, terms: Value) -> Value {
    let price = json!({ "amount": 2000, "currency": "KES" });
    let body = json!({ "name": name, "price": price, "terms": terms });
    owner.make("/api/v1/plans", body).await["id"].clone()
}

fn log_in(sim: &RouterSim, phone: MacAddress, code: &str) {
    crate::harness::log_in(sim.router(), phone, code);
}

fn browses(sim: &RouterSim, phone: MacAddress) -> bool {
    crate::harness::browses(sim.router(), phone)
}
