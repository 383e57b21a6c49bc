//! MTN's Mobile Money: the merchant's UUID is the key, and the status may know less than the
//! callback.

use std::time::Duration;

use lango_provider_sim::momo::Settings;
use lango_provider_sim::{CallbackFault, Forgery, MobileMoney, Owner};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Town;
use crate::merchant::{Merchant, Said};

const PHONE: &str = "256772123456";
const ID: &str = "c72025f5-5cd1-4630-99e4-8ba4722fad56";

struct Shop {
    town: Town,
    momo: MobileMoney,
    merchant: Merchant,
    environment: String,
    token: String,
}

impl Shop {
    async fn open(settings: Settings) -> Shop {
        let (town, merchant) = (Town::new(), Merchant::open().await);
        let environment = settings.target_environment.clone();
        let momo = MobileMoney::start(&town.people, settings).unwrap();
        let url = format!("{}/collection/token/", momo.base_url());
        let headers = [
            ("authorization", "Basic dXNlcjprZXk="),
            ("ocp-apim-subscription-key", "subscription"),
            ("content-length", "0"),
        ];
        let said = merchant.ask("POST", &url, &headers, "").await.unwrap();
        assert_eq!(said.body["expires_in"], 3_600);
        let token = format!("Bearer {}", said.body["access_token"].as_str().unwrap());
        Shop { town, momo, merchant, environment, token }
    }

    async fn ask(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Said {
        let url = format!("{}/collection/v1_0/{path}", self.momo.base_url());
        let headers = [
            ("authorization", self.token.as_str()),
            ("ocp-apim-subscription-key", "subscription"),
            ("x-target-environment", self.environment.as_str()),
        ];
        let headers = [&headers, more].concat();
        self.merchant.ask(method, &url, &headers, body).await.unwrap()
    }

    async fn request(&self, id: &str, payer: &str, currency: &str) -> Said {
        let body = json!({
            "amount": "500", "currency": currency, "externalId": "ORD1",
            "payer": { "partyIdType": "MSISDN", "partyId": payer },
            "payerMessage": "wifi", "payeeNote": "wifi",
        });
        let url = format!("{}/cb/momo/secret", self.merchant.url);
        let headers = [("x-reference-id", id), ("x-callback-url", url.as_str())];
        self.ask("POST", "requesttopay", &headers, &body.to_string()).await
    }

    async fn status(&self, id: &str) -> Value {
        self.ask("GET", &format!("requesttopay/{id}"), &[], "").await.body
    }
}

#[tokio::test]
async fn a_request_is_named_by_the_merchant_and_taken_once() {
    let shop = Shop::open(Settings::default()).await;
    let said = shop.request(ID, PHONE, "UGX").await;
    assert_eq!((said.status, said.raw.as_str()), (202, ""));
    let again = shop.request(ID, PHONE, "UGX").await;
    assert_eq!((again.status, &again.body["code"]), (409, &json!("RESOURCE_ALREADY_EXIST")));
    assert_eq!(shop.town.people.pending_prompts(PHONE).len(), 1);
    assert_eq!(shop.status(ID).await["status"], "PENDING");
    shop.town.pass(2).await;
    let heard = shop.merchant.only_heard();
    assert_eq!(heard.body, shop.status(ID).await);
    assert_eq!(
        (&heard.body["status"], &heard.body["externalId"]),
        (&json!("SUCCESSFUL"), &json!("ORD1"))
    );
    assert!(!heard.raw.contains(ID), "the callback names the order only");
    assert_eq!(heard.body["financialTransactionId"], shop.town.people.transactions()[0].receipt);
    assert_eq!(shop.request("no-uuid", PHONE, "UGX").await.status, 400);
    let said = shop.request("c72025f5-5cd1-4630-99e4-8ba4722fad57", PHONE, "EUR").await;
    assert_eq!(said.body["code"], "INVALID_CURRENCY");
}

#[tokio::test]
async fn a_post_without_a_length_gets_a_page() {
    let shop = Shop::open(Settings::default()).await;
    let address = shop.momo.base_url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /collection/token/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic dXNlcjprZXk=\r\nOcp-Apim-Subscription-Key: subscription\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 411") && answer.contains("<HTML>"), "{answer}");
}

#[tokio::test]
async fn the_status_knows_less_than_the_callback() {
    let settings = Settings {
        hides_new_for: Duration::from_secs(1),
        shows_end_after: Duration::from_secs(30),
        ..Settings::default()
    };
    let shop = Shop::open(settings).await;
    shop.momo.faults().callbacks(1, CallbackFault::Doubled { after: Duration::from_secs(180) });
    shop.request(ID, PHONE, "UGX").await;
    assert_eq!(shop.status(ID).await["code"], "RESOURCE_NOT_FOUND");
    shop.town.pass(2).await;
    assert_eq!(shop.merchant.only_heard().body["status"], "SUCCESSFUL");
    assert_eq!(shop.status(ID).await["status"], "PENDING");
    shop.town.pass(30).await;
    assert_eq!(shop.status(ID).await["status"], "SUCCESSFUL");
    shop.town.pass(150).await;
    assert_eq!(shop.merchant.heard().len(), 2, "although it was answered by 200");
}

#[tokio::test]
async fn somebody_else_tells_of_money() {
    let shop = Shop::open(Settings::default()).await;
    shop.town.people.owner(PHONE, Owner::Ignores);
    shop.request(ID, PHONE, "UGX").await;
    for forgery in
        [Forgery::Unpaid, Forgery::WrongAmount(1), Forgery::WrongRequest, Forgery::WrongToken]
    {
        shop.momo.forge(ID, forgery).await.unwrap();
    }
    let heard = shop.merchant.heard();
    assert!(heard.iter().all(|one| one.body["status"] == "SUCCESSFUL"));
    assert_eq!(heard[1].body["amount"], "1");
    assert_ne!(heard[2].body["externalId"], "ORD1");
    assert_ne!(heard[3].path, heard[0].path);
    assert_eq!(shop.status(ID).await["status"], "PENDING");
    assert!(shop.town.people.transactions().is_empty());
}

#[tokio::test]
async fn reasons_and_the_payers_of_the_sandbox() {
    let settings = Settings {
        target_environment: "sandbox".to_owned(),
        currency: "EUR".to_owned(),
        ..Settings::default()
    };
    let shop = Shop::open(settings).await;
    let payers = [
        ("56733123453", Value::Null),
        ("46733123451", json!("APPROVAL_REJECTED")),
        ("46733123452", json!("EXPIRED")),
        ("46733123450", json!("INTERNAL_PROCESSING_ERROR")),
        (PHONE, json!("NOT_ENOUGH_FUNDS")),
    ];
    shop.town.people.owner(PHONE, Owner::HasNoMoney { after: Duration::from_secs(1) });
    for (number, (payer, reason)) in payers.into_iter().enumerate() {
        let id = format!("c72025f5-5cd1-4630-99e4-8ba4722fad5{number}");
        shop.request(&id, payer, "EUR").await;
        shop.town.pass(120).await;
        let status = shop.status(&id).await;
        assert_eq!(status["reason"], reason, "{status}");
        assert_eq!(status["status"] == "SUCCESSFUL", reason.is_null());
    }
}
