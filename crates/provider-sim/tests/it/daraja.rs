//! Daraja: tokens, pushes, callbacks and queries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lango_provider_sim::{Daraja, Owner, daraja};
use serde_json::{Value, json};
use std::time::Duration;

use crate::Town;
use crate::merchant::{Merchant, Said};

pub(crate) const PHONE: &str = "254712345678";
pub(crate) const KEY_AND_SECRET: &str = "Basic a2V5OnNlY3JldA==";

/// A merchant with a paybill.
pub(crate) struct Shop {
    pub(crate) town: Town,
    pub(crate) daraja: Daraja,
    pub(crate) merchant: Merchant,
}

impl Shop {
    pub(crate) async fn open() -> Shop {
        Shop::with(daraja::Settings::default()).await
    }

    pub(crate) async fn with(settings: daraja::Settings) -> Shop {
        let town = Town::new();
        let daraja = Daraja::start(&town.people, settings).unwrap();
        Shop { town, daraja, merchant: Merchant::open().await }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.daraja.base_url())
    }

    pub(crate) async fn token(&self) -> String {
        let url = self.at("/oauth/v1/generate?grant_type=client_credentials");
        let said = self.merchant.ask("GET", &url, &[("authorization", KEY_AND_SECRET)], "").await;
        said.unwrap().body["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Said {
        let token = self.token().await;
        self.merchant.post(&self.at(path), &token, body).await
    }

    pub(crate) fn request(&self, amount: i64) -> Value {
        json!({
            "BusinessShortCode": "174379",
            "Password": password("174379"),
            "Timestamp": "20260102233000",
            "TransactionType": "CustomerPayBillOnline",
            "Amount": amount.to_string(),
            "PartyA": PHONE,
            "PartyB": "174379",
            "PhoneNumber": PHONE,
            "CallBackURL": format!("{}/cb/daraja/secret", self.merchant.url),
            "AccountReference": "ACC1",
            "TransactionDesc": "wifi",
        })
    }

    /// Pushes and returns the CheckoutRequestID.
    pub(crate) async fn push(&self, amount: i64) -> String {
        let said = self.post("/mpesa/stkpush/v1/processrequest", &self.request(amount)).await;
        assert_eq!(said.status, 200, "{}", said.raw);
        said.body["CheckoutRequestID"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn query(&self, id: &str) -> Said {
        let body = json!({
            "BusinessShortCode": "174379",
            "Password": password("174379"),
            "Timestamp": "20260102233000",
            "CheckoutRequestID": id,
        });
        self.post("/mpesa/stkpushquery/v1/query", &body).await
    }
}

pub(crate) fn password(shortcode: &str) -> String {
    STANDARD.encode(format!("{shortcode}passkey20260102233000"))
}

/// An item of a callback, by its name.
pub(crate) fn item<'a>(callback: &'a Value, name: &str) -> Option<&'a Value> {
    let items = callback.pointer("/Body/stkCallback/CallbackMetadata/Item")?.as_array()?;
    items.iter().find(|item| item["Name"] == name)?.get("Value")
}

#[tokio::test]
async fn a_push_is_accepted_approved_and_told() {
    let shop = Shop::open().await;
    let said = shop.post("/mpesa/stkpush/v1/processrequest", &shop.request(10)).await;
    assert_eq!(said.status, 200);
    assert_eq!(said.body["ResponseCode"], "0");
    assert!(said.body["CheckoutRequestID"].as_str().unwrap().starts_with("ws_CO_"));
    assert!(said.body["MerchantRequestID"].is_string() && said.body["CustomerMessage"].is_string());
    shop.town.people.settle().await;
    assert!(shop.merchant.heard().is_empty() && shop.town.people.transactions().is_empty());

    shop.town.pass(2).await;
    let heard = shop.merchant.only_heard();
    assert_eq!(heard.path, "/cb/daraja/secret");
    assert_eq!(heard.headers["content-type"], "application/json;charset=UTF-8");
    assert_eq!(heard.headers["businessshortcode"], "174379");
    let callback = &heard.body["Body"]["stkCallback"];
    assert_eq!(callback["ResultCode"], 0);
    assert_eq!(callback["CheckoutRequestID"], said.body["CheckoutRequestID"]);
    assert_eq!(item(&heard.body, "TransactionDate"), Some(&json!(20_260_102_233_002_i64)));
    assert_eq!(item(&heard.body, "PhoneNumber"), Some(&json!(254_712_345_678_i64)));
    assert_eq!(item(&heard.body, "Balance"), None);
    assert!(heard.raw.contains(r#""Value":10.00}"#), "{}", heard.raw);
    assert!(!heard.raw.contains("ACC1"), "the account is never returned");

    let truth = shop.town.people.transactions();
    assert_eq!(truth.len(), 1);
    assert_eq!(item(&heard.body, "MpesaReceiptNumber"), Some(&json!(truth[0].receipt)));
    assert_eq!(truth[0].receipt.len(), 10);
    assert_eq!(truth[0].payer, PHONE);
    assert_eq!(shop.town.people.money_taken(PHONE)[0].to_string(), "KES 10.00");
}

#[tokio::test]
async fn a_token_is_text_kills_the_one_before_and_grows_old() {
    let shop = Shop::open().await;
    let url = shop.at("/oauth/v1/generate?grant_type=client_credentials");
    let basic = [("authorization", KEY_AND_SECRET)];
    let first = shop.merchant.ask("GET", &url, &basic, "").await.unwrap();
    assert_eq!(first.body["expires_in"], "3599");
    let first = first.body["access_token"].as_str().unwrap().to_owned();
    let second = shop.token().await;
    let push = shop.at("/mpesa/stkpush/v1/processrequest");
    let said = shop.merchant.post(&push, &first, &shop.request(10)).await;
    assert_eq!((said.status, &said.body["errorCode"]), (401, &json!("404.001.03")));
    assert!(said.body["requestId"].is_string() && said.body["errorMessage"].is_string());
    assert_eq!(shop.merchant.post(&push, &second, &shop.request(10)).await.status, 200);
    shop.town.pass(3_600).await;
    let said = shop.merchant.post(&push, &second, &shop.request(10)).await;
    assert_eq!(said.body["errorCode"], "404.001.03");

    let wrong = [("authorization", "Basic a2V5Ondyb25n")];
    let said = shop.merchant.ask("GET", &url, &wrong, "").await.unwrap();
    assert_eq!((said.status, &said.body["errorCode"]), (400, &json!("400.008.01")));
    let said = shop.merchant.ask("GET", &shop.at("/oauth/v1/generate"), &basic, "").await.unwrap();
    assert_eq!(said.body["errorCode"], "400.008.02");
}

#[tokio::test]
async fn fields_are_checked_and_may_be_numbers_or_text() {
    let shop = Shop::open().await;
    let mut good = shop.request(10);
    good["Amount"] = json!(10);
    good["PartyA"] = json!(254_712_345_678_i64);
    good["PhoneNumber"] = json!(254_712_345_678_i64);
    good["BusinessShortCode"] = json!(174_379);
    good.as_object_mut().unwrap().remove("TransactionDesc");
    assert_eq!(shop.post("/mpesa/stkpush/v1/processrequest", &good).await.status, 200);
    let wrong = [
        ("Amount", json!("0")),
        ("Amount", json!("250001")),
        ("Amount", json!("10.50")),
        ("PhoneNumber", json!("0712345678")),
        ("PhoneNumber", json!("+254712345678")),
        ("Timestamp", json!("2026-01-02")),
        ("AccountReference", json!("THIRTEENSIGNS")),
        ("AccountReference", Value::Null),
        ("TransactionDesc", json!("fourteen signs")),
        ("CallBackURL", json!("http://127.0.0.1:1/cb/mpesa/secret")),
        ("CallBackURL", json!("http://Cafe.example/cb/secret")),
    ];
    for (name, value) in wrong {
        let mut body = shop.request(10);
        body[name] = value;
        let said = shop.post("/mpesa/stkpush/v1/processrequest", &body).await;
        assert_eq!((said.status, &said.body["errorCode"]), (400, &json!("400.002.02")), "{body}");
        assert_eq!(said.body["errorMessage"], format!("Bad Request - Invalid {name}"));
    }
    let mut body = shop.request(10);
    body["Password"] = json!(password("600100"));
    let said = shop.post("/mpesa/stkpush/v1/processrequest", &body).await;
    assert_eq!((said.status, &said.body["errorCode"]), (500, &json!("500.001.1001")));
    assert_eq!(said.body["errorMessage"], "Wrong credentials");
    let said = shop.post("/mpesa/stkpush/v2/processrequest", &body).await;
    assert_eq!((said.status, &said.body["errorCode"]), (404, &json!("404.001.01")));
}

#[tokio::test]
async fn headers_and_methods_have_their_own_codes() {
    let shop = Shop::open().await;
    let url = shop.at("/mpesa/stkpush/v1/processrequest");
    let body = shop.request(10).to_string();
    let said = shop.merchant.ask("POST", &url, &[], &body).await.unwrap();
    assert_eq!(said.body["errorCode"], "404.001.04");
    let bearer = format!("Bearer {}", shop.token().await);
    let authorization = ("authorization", bearer.as_str());
    let said = shop.merchant.ask("POST", &url, &[authorization], &body).await.unwrap();
    assert_eq!((said.status, &said.body["errorCode"]), (400, &json!("400.003.02")));
    let said = shop.merchant.ask("GET", &url, &[authorization], "").await.unwrap();
    assert_eq!((said.status, &said.body["errorCode"]), (405, &json!("405.001")));
    let json = ("content-type", "application/json");
    let said = shop.merchant.ask("POST", &url, &[authorization, json], "{").await.unwrap();
    assert_eq!((said.status, &said.body["errorCode"]), (400, &json!("400.002.05")));
}

#[tokio::test]
async fn a_phone_that_is_asked_can_be_locked() {
    let settings = daraja::Settings { locks_subscriber: true, ..daraja::Settings::default() };
    let shop = Shop::with(settings).await;
    shop.push(10).await;
    let said = shop.post("/mpesa/stkpush/v1/processrequest", &shop.request(20)).await;
    assert_eq!((said.status, &said.body["errorCode"]), (500, &json!("500.001.1001")));
    assert!(said.body["errorMessage"].as_str().unwrap().starts_with("Unable to lock subscriber"));
    shop.town.pass(2).await;
    shop.push(20).await;
}

#[tokio::test]
async fn a_till_is_asked_for_by_its_store() {
    let shop = Shop::open().await;
    let mut body = shop.request(10);
    body["BusinessShortCode"] = json!("600100");
    body["Password"] = json!(password("600100"));
    body["TransactionType"] = json!("CustomerBuyGoodsOnline");
    body["PartyB"] = json!("5600100");
    shop.post("/mpesa/stkpush/v1/processrequest", &body).await;
    shop.town.pass(2).await;
    assert_eq!(shop.merchant.only_heard().body["Body"]["stkCallback"]["ResultCode"], 0);
    assert_eq!(shop.town.people.transactions()[0].payee, "5600100");

    body["PartyB"] = json!("600100");
    shop.post("/mpesa/stkpush/v1/processrequest", &body).await;
    shop.town.pass(1).await;
    let mut mixed = shop.request(10);
    mixed["TransactionType"] = json!("CustomerBuyGoodsOnline");
    shop.post("/mpesa/stkpush/v1/processrequest", &mixed).await;
    shop.town.pass(1).await;
    let codes: Vec<Value> = shop
        .merchant
        .heard()
        .iter()
        .map(|heard| heard.body["Body"]["stkCallback"]["ResultCode"].clone())
        .collect();
    assert_eq!(codes, [json!(0), json!("SFC_IC0003"), json!(2028)]);
}

#[tokio::test]
async fn each_owner_has_his_code() {
    let shop = Shop::open().await;
    let after = Duration::from_secs(5);
    let owners = [
        (Owner::Cancels { after }, 1032),
        (Owner::Ignores, 1037),
        (Owner::Unreachable, 1037),
        (Owner::HasNoMoney { after }, 1),
        (Owner::WrongPin { after }, 2001),
        (Owner::Meets { code: "1019".to_owned(), after }, 1019),
    ];
    for (owner, code) in owners {
        shop.town.people.owner(PHONE, owner);
        let id = shop.push(10).await;
        shop.town.pass(60).await;
        let heard = shop.merchant.heard().pop().unwrap();
        let callback = &heard.body["Body"]["stkCallback"];
        assert_eq!(
            (&callback["CheckoutRequestID"], &callback["ResultCode"]),
            (&json!(id), &json!(code))
        );
        assert!(callback.get("CallbackMetadata").is_none());
    }
    assert!(shop.town.people.transactions().is_empty());
}

#[tokio::test]
async fn the_same_body_twice_asks_twice_and_the_second_is_a_repeat() {
    let shop = Shop::open().await;
    shop.push(10).await;
    shop.push(10).await;
    assert_eq!(shop.town.people.pending_prompts(PHONE).len(), 2);
    shop.town.pass(2).await;
    let codes: Vec<Option<String>> =
        shop.daraja.pushes().into_iter().map(|push| push.result).collect();
    assert_eq!(codes, [Some("0".to_owned()), Some("17".to_owned())]);
    assert_eq!(shop.town.people.transactions().len(), 1);
    shop.town.pass(121).await;
    shop.push(10).await;
    shop.town.pass(2).await;
    assert_eq!(shop.town.people.transactions().len(), 2);
}

#[tokio::test]
async fn a_query_hesitates_as_observed() {
    let shop = Shop::open().await;
    shop.town.people.owner(PHONE, Owner::Approves { after: Duration::from_secs(15) });
    let approved = shop.push(10).await;
    shop.town.pass(10).await;
    let said = shop.query(&approved).await;
    assert_eq!((said.status, &said.body["ResultCode"]), (200, &json!("4999")));
    shop.town.pass(7).await;
    let said = shop.query(&approved).await;
    assert_eq!((&said.body["ResponseCode"], &said.body["ResultCode"]), (&json!("0"), &json!("0")));
    assert!(!said.raw.contains("Receipt") && !said.raw.contains("Amount"));

    shop.town.people.owner(PHONE, Owner::Cancels { after: Duration::from_secs(20) });
    let dismissed = shop.push(10).await;
    shop.town.pass(13).await;
    let said = shop.query(&dismissed).await;
    assert_eq!((said.status, &said.body["errorCode"]), (200, &json!("500.001.1001")));
    assert_eq!(said.body["errorMessage"], "");
    shop.town.pass(14).await;
    assert_eq!(shop.query(&dismissed).await.body["ResultCode"], "1032");

    shop.town.people.owner(PHONE, Owner::Unreachable);
    let lost = shop.push(10).await;
    shop.town.pass(6).await;
    assert_eq!(shop.query(&lost).await.body["ResultCode"], "4999");
    shop.town.pass(8).await;
    assert_eq!(shop.query(&lost).await.body["ResultCode"], "1037");
    shop.town.pass(61).await;
    let (one, other) = (shop.query(&lost).await, shop.query(&lost).await);
    let statuses = [one.status, other.status];
    assert!(statuses.contains(&500) && statuses.contains(&200), "{statuses:?}");
    let unknown = shop.query("ws_CO_0").await;
    assert_eq!((unknown.status, &unknown.body["errorCode"]), (500, &json!("500.001.1001")));
}
