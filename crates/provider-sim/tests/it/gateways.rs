//! Gateways of texts: five formats, the phones they reach, and reports that come early, twice or
//! about nobody.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lango_provider_sim::gateways::Settings;
use lango_provider_sim::{CallbackFault, Gateway, RequestFault, SmsGateways, TextFault};
use ring::hmac;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::Town;
use crate::merchant::{Merchant, Said};

const PHONE: &str = "254712345678";
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

struct Shop {
    town: Town,
    gateways: SmsGateways,
    merchant: Merchant,
}

impl Shop {
    async fn open() -> Shop {
        let town = Town::new();
        let gateways = SmsGateways::start(&town.people, Settings::default()).unwrap();
        Shop { town, gateways, merchant: Merchant::open().await }
    }

    fn reports(&self, gateway: Gateway) {
        let url = format!("{}/reports", self.merchant.url);
        self.gateways.send_reports_to(gateway, &url);
    }

    async fn post(
        &self,
        gateway: Gateway,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Said {
        let url = format!("{}{path}", self.gateways.base_url(gateway));
        self.merchant.ask("POST", &url, headers, body).await.unwrap()
    }

    async fn africas_talking(&self, to: &str) -> Said {
        let body = format!("username=user&to={to}&message=code%201234&bulkSMSMode=1");
        let headers = [("apikey", "secret"), FORM];
        self.post(Gateway::AfricasTalking, "/version1/messaging", &headers, &body).await
    }

    async fn next_sms(&self, to: &str) -> Said {
        let body = json!({ "from": "CAFE", "to": to, "text": "code 1234", "reference": "r1" });
        let headers = [("authorization", BASIC), JSON];
        self.post(Gateway::NextSms, "/api/sms/v1/text/single", &headers, &body.to_string()).await
    }

    async fn beem(&self, to: &str) -> Said {
        let body = json!({
            "source_addr": "CAFE", "encoding": 0, "schedule_time": "", "message": "code 1234",
            "recipients": [{ "recipient_id": 1, "dest_addr": to }],
        });
        let headers = [("authorization", BASIC), JSON];
        self.post(Gateway::Beem, "/v1/send", &headers, &body.to_string()).await
    }

    async fn twilio(&self, to: &str) -> Said {
        let report = format!("{}/reports", self.merchant.url);
        let fields = [
            ("To", to),
            ("From", "+15005550006"),
            ("Body", "code 1234"),
            ("StatusCallback", report.as_str()),
        ];
        let body = serde_urlencoded::to_string(fields).unwrap();
        let headers = [("authorization", BASIC), FORM];
        self.post(Gateway::Twilio, "/2010-04-01/Accounts/user/Messages.json", &headers, &body).await
    }

    async fn plain(&self) -> Said {
        let body = json!({ "to": PHONE, "text": "code 1234", "from": "CAFE" }).to_string();
        let headers = [("authorization", "Bearer secret"), JSON];
        self.post(Gateway::Plain, "/send", &headers, &body).await
    }
}

fn form(raw: &str) -> BTreeMap<String, String> {
    serde_urlencoded::from_str(raw).unwrap()
}

#[tokio::test]
async fn every_gateway_reaches_the_phone() {
    let shop = Shop::open().await;
    let said = shop.africas_talking("%2B254712345678").await;
    assert_eq!(said.status, 201);
    let data = &said.body["SMSMessageData"];
    assert_eq!(data["Message"], "Sent to 1/1 Total Cost: KES 0.8000");
    let recipient = &data["Recipients"][0];
    assert_eq!(
        (&recipient["statusCode"], &recipient["number"]),
        (&json!(101), &json!("+254712345678"))
    );
    let id = recipient["messageId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("ATXid_"));

    let said = shop.next_sms(PHONE).await;
    let message = &said.body["messages"][0];
    assert_eq!(message["status"]["groupName"], "PENDING", "which means accepted");
    assert_eq!((&message["status"]["id"], &message["smsCount"]), (&json!(7), &json!(1)));

    let said = shop.beem(PHONE).await;
    assert_eq!((&said.body["code"], &said.body["valid"]), (&json!(100), &json!(1)));
    assert!(said.body["request_id"].is_number());

    let said = shop.twilio("+254712345678").await;
    assert_eq!((said.status, &said.body["status"]), (201, &json!("queued")));
    assert!(said.body["sid"].as_str().unwrap().starts_with("SM"));
    assert_eq!(said.body["num_segments"], "1");

    assert_eq!(shop.plain().await.body["status"], "accepted");

    let inbox = shop.town.people.inbox("+254 712 345 678");
    let from: Vec<&str> = inbox.iter().map(|text| text.gateway).collect();
    assert_eq!(from, ["africastalking", "nextsms", "beem", "twilio", "plain"]);
    assert!(inbox.iter().all(|text| text.text == "code 1234"));
    assert_eq!(inbox[0].id, id);
}

#[tokio::test]
async fn each_refuses_in_its_own_words_and_nothing_arrives() {
    let shop = Shop::open().await;
    shop.gateways.texts(1, TextFault::WrongSender);
    let said = shop.africas_talking("%2B254712345678").await;
    assert_eq!(said.status, 201, "created, it says");
    assert_eq!(
        said.body["SMSMessageData"],
        json!({ "Message": "InvalidSenderId", "Recipients": [] })
    );
    shop.gateways.texts(5, TextFault::NoBalance);
    let said = shop.africas_talking("%2B254712345678").await;
    assert_eq!(said.body["SMSMessageData"]["Recipients"][0]["statusCode"], 405);
    let said = shop.next_sms(PHONE).await;
    assert_eq!(said.body["messages"][0]["status"]["name"], "REJECTED_NOT_ENOUGH_CREDITS");
    assert_eq!(shop.beem(PHONE).await.body["code"], 102);
    assert_eq!(shop.twilio("+254712345678").await.status, 403);
    assert_eq!(shop.plain().await.body["status"], "refused");
    let said = shop.next_sms("+254712345678").await;
    assert_eq!(said.body["messages"][0]["status"]["groupId"], 5, "no plus");
    assert_eq!(shop.twilio(PHONE).await.body["code"], 21_211, "a plus");
    let faults = shop.gateways.faults();
    faults.requests("/nextsms/", 1, RequestFault::HtmlError(503));
    assert_eq!(shop.next_sms(PHONE).await.status, 503);
    assert!(shop.town.people.inbox(PHONE).is_empty());
    let body = json!({ "from": "CAFE", "to": PHONE, "text": "code 1234" }).to_string();
    let headers = [("authorization", BASIC), JSON];
    let path = "/api/sms/v1/test/text/single";
    let said = shop.post(Gateway::NextSms, path, &headers, &body).await;
    assert_eq!(said.body["messages"][0]["status"]["groupId"], 1);
    assert!(shop.town.people.inbox(PHONE).is_empty(), "only a test");
}

#[tokio::test]
async fn reports_come_late_early_twice_and_about_nobody() {
    let shop = Shop::open().await;
    shop.reports(Gateway::AfricasTalking);
    let id = |said: &Said| {
        said.body["SMSMessageData"]["Recipients"][0]["messageId"].as_str().unwrap().to_owned()
    };
    let first = id(&shop.africas_talking("%2B254712345678").await);
    assert!(shop.merchant.heard().is_empty());
    shop.town.pass(3).await;
    let report = shop.merchant.only_heard();
    assert_eq!(report.headers["content-type"], FORM.1);
    let fields = form(&report.raw);
    assert_eq!((&fields["id"], fields["status"].as_str()), (&first, "Success"));
    assert_eq!(fields["phoneNumber"], "+254712345678");

    let faults = shop.gateways.faults();
    faults.callbacks(1, CallbackFault::BeforeAnswer);
    let early = id(&shop.africas_talking("%2B254712345678").await);
    assert_eq!(form(&shop.merchant.heard()[1].raw)["id"], early);

    faults.callbacks(1, CallbackFault::Doubled { after: Duration::ZERO });
    shop.gateways.texts(1, TextFault::Undelivered);
    let failed = id(&shop.africas_talking("%2B254712345678").await);
    shop.town.pass(3).await;
    for report in &shop.merchant.heard()[2..] {
        let fields = form(&report.raw);
        assert_eq!((&fields["id"], fields["status"].as_str()), (&failed, "Failed"));
        assert_eq!(fields["failureReason"], "AbsentSubscriber");
    }
    assert_eq!(shop.merchant.heard().len(), 4);

    shop.gateways.texts(1, TextFault::UnknownReport);
    let known = id(&shop.africas_talking("%2B254712345678").await);
    shop.town.pass(3).await;
    let ids: Vec<String> =
        shop.merchant.heard()[4..].iter().map(|one| form(&one.raw)["id"].clone()).collect();
    assert!(ids.len() == 2 && ids[0] != known && ids[1] == known);
    assert_eq!(shop.town.people.inbox(PHONE).len(), 3, "all but the undelivered");
}

#[tokio::test]
async fn reports_have_their_gateways_shape() {
    let shop = Shop::open().await;
    shop.reports(Gateway::NextSms);
    shop.reports(Gateway::Plain);
    let next_sms = shop.next_sms(PHONE).await.body["messages"][0]["messageId"].clone();
    shop.town.pass(3).await;
    let result = &shop.merchant.heard()[0].body["results"][0];
    assert_eq!((&result["messageId"], &result["status"]["groupId"]), (&next_sms, &json!(3)));
    let plain = shop.plain().await.body["id"].clone();
    shop.town.pass(3).await;
    assert_eq!(
        shop.merchant.heard()[1].body,
        json!({ "id": plain, "to": PHONE, "status": "delivered" })
    );

    let sent = shop.beem(PHONE).await.body["request_id"].to_string();
    let url = format!(
        "{}/public/v1/delivery-reports?dest_addr={PHONE}&request_id={sent}",
        shop.gateways.base_url(Gateway::Beem)
    );
    let asked = [("authorization", BASIC)];
    let said = shop.merchant.ask("GET", &url, &asked, "").await.unwrap();
    assert_eq!(said.body["status"], "PENDING");
    shop.town.pass(3).await;
    let said = shop.merchant.ask("GET", &url, &asked, "").await.unwrap();
    assert_eq!(said.body["status"], "DELIVERED");
}

#[tokio::test]
async fn twilio_signs_its_reports() {
    let shop = Shop::open().await;
    shop.gateways.texts(1, TextFault::Undelivered);
    let sid = shop.twilio("+254712345678").await.body["sid"].clone();
    shop.town.pass(3).await;
    let heard = shop.merchant.heard();
    let states: Vec<String> =
        heard.iter().map(|one| form(&one.raw)["MessageStatus"].clone()).collect();
    assert_eq!(states, ["sent", "undelivered"]);
    let fields = form(&heard[1].raw);
    assert_eq!((&json!(fields["MessageSid"]), fields["ErrorCode"].as_str()), (&sid, "30003"));
    let mut signed = format!("{}/reports", shop.merchant.url);
    for (name, value) in &fields {
        signed.push_str(name);
        signed.push_str(value);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"secret");
    let right = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    assert_eq!(heard[1].headers["x-twilio-signature"].to_str().unwrap(), right);
}

#[tokio::test]
async fn a_long_text_and_one_curly_quote_cost_more_parts() {
    let shop = Shop::open().await;
    let count = |text: String| {
        let body = json!({ "from": "CAFE", "to": PHONE, "text": text }).to_string();
        let shop = &shop;
        async move {
            let headers = [("authorization", BASIC), JSON];
            let path = "/api/sms/v1/text/single";
            let said = shop.post(Gateway::NextSms, path, &headers, &body).await;
            said.body["messages"][0]["smsCount"].clone()
        }
    };
    let counts: Vec<Value> = vec![
        count("a".repeat(160)).await,
        count("a".repeat(161)).await,
        count(format!("{}{{", "a".repeat(159))).await,
        count(format!("{}\u{2019}", "a".repeat(69))).await,
        count(format!("{}\u{2019}", "a".repeat(70))).await,
    ];
    assert_eq!(counts, [json!(1), json!(2), json!(2), json!(1), json!(2)]);
}
