//! Airtel Money: tokens of three minutes, states of two letters, a hash over one of two texts.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lango_provider_sim::airtel::{HashOver, Settings};
use lango_provider_sim::{AirtelMoney, Forgery, Owner};
use ring::hmac;
use serde_json::{Value, json};

use crate::Town;
use crate::merchant::{Merchant, Said};

struct Shop {
    town: Town,
    airtel: AirtelMoney,
    merchant: Merchant,
}

impl Shop {
    async fn open(hash: Option<(String, HashOver)>) -> Shop {
        let (town, merchant) = (Town::new(), Merchant::open().await);
        let airtel = AirtelMoney::start(&town.people, Settings { hash, ..Settings::default() });
        let airtel = airtel.unwrap();
        airtel.send_callbacks_to(&format!("{}/cb/airtel/secret", merchant.url));
        Shop { town, airtel, merchant }
    }

    async fn token(&self) -> Said {
        let url = format!("{}/auth/oauth2/token", self.airtel.base_url());
        let body = json!({ "client_id": "client", "client_secret": "secret", "grant_type": "client_credentials" });
        let json = [("content-type", "application/json")];
        self.merchant.ask("POST", &url, &json, &body.to_string()).await.unwrap()
    }

    async fn ask_with(&self, token: &str, method: &str, path: &str, body: &Value) -> Said {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-country", "UG"),
            ("x-currency", "UGX"),
            ("content-type", "application/json"),
        ];
        let url = format!("{}{path}", self.airtel.base_url());
        self.merchant.ask(method, &url, &headers, &body.to_string()).await.unwrap()
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Said {
        let token = self.token().await.body["access_token"].as_str().unwrap().to_owned();
        self.ask_with(&token, method, path, body).await
    }

    async fn pay(&self, id: &str) -> Said {
        self.ask("POST", "/merchant/v1/payments/", &payment(id, "752123456")).await
    }

    async fn state(&self, id: &str) -> Value {
        let said = self.ask("GET", &format!("/standard/v1/payments/{id}"), &Value::Null).await;
        said.body["data"]["transaction"]["status"].clone()
    }
}

fn payment(id: &str, msisdn: &str) -> Value {
    json!({
        "reference": "wifi",
        "subscriber": { "country": "UG", "currency": "UGX", "msisdn": msisdn },
        "transaction": { "amount": 1_000, "country": "UG", "currency": "UGX", "id": id },
    })
}

#[tokio::test]
async fn a_token_lasts_three_minutes() {
    let shop = Shop::open(None).await;
    let said = shop.token().await;
    assert_eq!(said.body["expires_in"], "180");
    let token = said.body["access_token"].as_str().unwrap().to_owned();
    shop.town.pass(180).await;
    let said =
        shop.ask_with(&token, "POST", "/merchant/v1/payments/", &payment("T1", "752123456")).await;
    assert_eq!((said.status, &said.body["error"]), (401, &json!("invalid_token")));
}

#[tokio::test]
async fn a_payment_is_accepted_then_done_and_given_back_once() {
    let shop = Shop::open(None).await;
    let said = shop.pay("T1").await;
    assert_eq!(said.body["status"]["success"], true);
    assert_eq!(said.body["status"]["response_code"], "DP00800001006", "accepted only");
    assert_eq!(said.body["data"]["transaction"]["id"], "T1");
    assert_eq!(shop.pay("T1").await.body["status"]["result_code"], "ESB000041");
    assert_eq!(shop.state("T1").await, "TIP");
    shop.town.pass(2).await;
    let heard = shop.merchant.only_heard();
    assert_eq!(heard.body["transaction"]["status_code"], "TS");
    assert!(heard.body.get("hash").is_none());
    assert_eq!(shop.state("T1").await, "TS");
    let truth = shop.town.people.transactions().remove(0);
    assert_eq!(truth.payer, "256752123456", "it was written without the country's code");
    let order = json!({ "transaction": { "airtel_money_id": truth.receipt } });
    let said = shop.ask("POST", "/standard/v2/payments/refund", &order).await;
    assert_eq!(said.body["status"]["success"], true);
    assert_eq!(shop.state("T1").await, "TR");
    let said = shop.ask("POST", "/standard/v2/payments/refund", &order).await;
    assert_eq!(said.body["status"]["success"], false);
}

#[tokio::test]
async fn failures_ambiguity_and_numbers_with_a_country() {
    let shop = Shop::open(None).await;
    let after = Duration::from_secs(1);
    shop.town.people.owner("256752123456", Owner::WrongPin { after });
    shop.pay("T1").await;
    shop.town.pass(1).await;
    assert_eq!(shop.state("T1").await, "TF");
    shop.town.people.owner("256752123456", Owner::Meets { code: "TA".to_owned(), after });
    shop.pay("T2").await;
    shop.town.pass(1).await;
    assert_eq!(shop.state("T2").await, "TA");
    let path = "/merchant/v1/payments/";
    let said = shop.ask("POST", path, &payment("T3", "256752123456")).await;
    assert_eq!(said.body["status"]["success"], false);
    let said = shop.ask("POST", "/merchant/v2/payments/", &payment("T4", "752123456")).await;
    assert_eq!(said.status, 400, "version 2 wants x-signature and x-key");
}

#[tokio::test]
async fn a_hash_goes_over_one_of_two_texts() {
    for over in [HashOver::Raw, HashOver::Compact] {
        let shop = Shop::open(Some(("test-key".to_owned(), over))).await;
        shop.pay("T1").await;
        shop.town.pass(2).await;
        let heard = shop.merchant.only_heard();
        let transaction = &heard.body["transaction"];
        let raw = heard.raw.split_once("\"transaction\": ").unwrap().1;
        let raw = raw.rsplit_once(", \"hash\"").unwrap().0;
        let text = if over == HashOver::Raw { raw.to_owned() } else { transaction.to_string() };
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"test-key"), text.as_bytes());
        assert_eq!(heard.body["hash"], STANDARD.encode(tag));
        shop.airtel.forge("T1", Forgery::Unpaid).await.unwrap();
        let forged = shop.merchant.heard().pop().unwrap().body;
        assert_eq!(forged["transaction"], heard.body["transaction"]);
        assert_ne!(forged["hash"], heard.body["hash"], "a stranger has no key");
    }
}
