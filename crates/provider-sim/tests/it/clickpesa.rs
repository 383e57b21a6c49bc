//! ClickPesa: a token with its scheme, orders with attempts, one webhook for all.

use std::time::Duration;

use lango_provider_sim::clickpesa::{Checksum, Settings};
use lango_provider_sim::{Amount, ClickPesa, Owner, RequestFault};
use ring::hmac;
use serde_json::{Value, json};

use crate::Town;
use crate::merchant::{Merchant, Said};

const PHONE: &str = "255712345678";

struct Shop {
    town: Town,
    clickpesa: ClickPesa,
    merchant: Merchant,
}

impl Shop {
    async fn open(settings: Settings) -> Shop {
        let (town, merchant) = (Town::new(), Merchant::open().await);
        let webhook_url = Some(format!("{}/cb/clickpesa/secret", merchant.url));
        let settings = Settings { webhook_url, ..settings };
        let clickpesa = ClickPesa::start(&town.people, settings).unwrap();
        Shop { town, clickpesa, merchant }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Said {
        let url = format!("{}/generate-token", self.clickpesa.base_url());
        let headers = [("client-id", "client"), ("api-key", "key")];
        let said = self.merchant.ask("POST", &url, &headers, "").await.unwrap();
        let token = said.body["token"].as_str().unwrap();
        assert!(token.starts_with("Bearer ") && said.body["success"] == true);
        let url = format!("{}{path}", self.clickpesa.base_url());
        let headers = [("authorization", token), ("content-type", "application/json")];
        self.merchant.ask(method, &url, &headers, body).await.unwrap()
    }

    async fn initiate(&self, body: &Value) -> Said {
        self.ask("POST", "/payments/initiate-ussd-push-request", &body.to_string()).await
    }

    async fn attempt(&self, reference: &str) -> Value {
        let said = self.ask("GET", &format!("/payments/{reference}"), "").await;
        assert_eq!(said.body.as_array().unwrap().len(), 1, "an array of attempts");
        said.body[0].clone()
    }
}

fn order(reference: &str) -> Value {
    json!({ "amount": "1000", "currency": "TZS", "orderReference": reference, "phoneNumber": PHONE })
}

#[tokio::test]
async fn an_order_is_pushed_paid_told_and_settled() {
    let shop = Shop::open(Settings::default()).await;
    let said = shop.initiate(&order("ORD1")).await;
    assert_eq!((said.status, &said.body["status"]), (200, &json!("PROCESSING")));
    assert_eq!(said.body["channel"], "TIGO-PESA");
    assert_eq!(shop.attempt("ORD1").await["status"], "PROCESSING");
    shop.town.pass(2).await;
    let heard = shop.merchant.only_heard();
    assert_eq!(heard.body["event"], "PAYMENT RECEIVED");
    assert_eq!(heard.body["data"]["collectedAmount"], "1000", "text in webhooks");
    let attempt = shop.attempt("ORD1").await;
    assert_eq!(
        (&attempt["status"], &attempt["collectedAmount"]),
        (&json!("SUCCESS"), &json!(1_000))
    );
    assert_eq!(attempt["paymentReference"], shop.town.people.transactions()[0].receipt);
    shop.town.pass(24 * 3_600).await;
    assert_eq!(shop.attempt("ORD1").await["status"], "SETTLED");
    assert_eq!(shop.initiate(&order("ORD1")).await.status, 409);
    assert_eq!(shop.initiate(&order("NOT-ALNUM")).await.status, 400);
}

#[tokio::test]
async fn failures_and_states_beside_them() {
    let shop = Shop::open(Settings::default()).await;
    let after = Duration::from_secs(1);
    let owners = [
        (Owner::Cancels { after }, "FAILED"),
        (Owner::HasNoMoney { after }, "FAILED"),
        (Owner::Meets { code: "ON-HOLD".to_owned(), after }, "ON-HOLD"),
    ];
    for (number, (owner, status)) in owners.into_iter().enumerate() {
        shop.town.people.owner(PHONE, owner);
        let reference = format!("ORD{number}");
        shop.initiate(&order(&reference)).await;
        shop.town.pass(1).await;
        assert_eq!(shop.attempt(&reference).await["status"], status);
    }
    assert_eq!(shop.merchant.heard()[0].body["event"], "PAYMENT FAILED");
    assert!(shop.town.people.transactions().is_empty());
}

#[tokio::test]
async fn sums_are_checked_and_sent() {
    let key = "test-key".to_owned();
    let settings = Settings { checksum: Some(Checksum::Json { key }), ..Settings::default() };
    let shop = Shop::open(settings).await;
    let mut body = order("ORD123456");
    assert_eq!(shop.initiate(&body).await.status, 400);
    // Measured elsewhere, by another program.
    body["checksum"] = json!("5af0c9282a32960e9b57078095373bb3877931b571197bdccedc0bd52fdb0823");
    assert_eq!(shop.initiate(&body).await.status, 200);
    shop.town.pass(2).await;
    let mut heard = shop.merchant.only_heard().body;
    let sum = heard.as_object_mut().unwrap().shift_remove("checksum").unwrap();
    let sorted: std::collections::BTreeMap<String, Value> = serde_json::from_value(heard).unwrap();
    let inner: std::collections::BTreeMap<String, Value> =
        serde_json::from_value(sorted["data"].clone()).unwrap();
    let customer: std::collections::BTreeMap<String, Value> =
        serde_json::from_value(inner["customer"].clone()).unwrap();
    let mut inner = inner;
    inner.insert("customer".to_owned(), serde_json::to_value(customer).unwrap());
    let mut sorted = sorted;
    sorted.insert("data".to_owned(), serde_json::to_value(inner).unwrap());
    let text = serde_json::to_string(&sorted).unwrap();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"test-key"), text.as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(sum, json!(hex));
}

#[tokio::test]
async fn an_answer_is_lost_and_the_order_can_still_be_asked_for() {
    let shop = Shop::open(Settings { floors_amounts: true, ..Settings::default() }).await;
    shop.clickpesa.faults().requests("initiate", 1, RequestFault::HtmlError(504));
    assert_eq!(shop.initiate(&order("ORD1")).await.status, 504);
    let said = shop.ask("GET", "/payments/ORD1", "").await;
    assert_eq!(said.status, 404, "nothing was done");
    shop.initiate(&order("ORD2")).await;
    shop.town.pass(2).await;
    assert_eq!(shop.merchant.only_heard().body["data"]["collectedAmount"], "0");
    assert_eq!(shop.attempt("ORD2").await["collectedAmount"], 1_000);
}

#[tokio::test]
async fn a_control_number_is_paid_by_hand() {
    let shop = Shop::open(Settings::default()).await;
    let receipt = shop.clickpesa.pay_by_hand(PHONE, "55042", Amount::whole(2_000, "TZS"));
    shop.town.people.settle().await;
    let heard = shop.merchant.only_heard();
    assert_eq!(heard.body["data"]["paymentReference"], receipt);
    assert_eq!(heard.body["data"]["orderReference"], "55042");
}
