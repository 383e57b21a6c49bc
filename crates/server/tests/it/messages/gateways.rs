//! Each gateway as its documentation has it, and its reports: early, twice, of texts that nobody
//! knows, with a wrong signature.

use super::{
    CUSTOMER, StandIn, credentials, house, messages, order, pass_time, sender, states, text, work,
};
use crate::api::House;
use crate::harness::Engine;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lango_domain::time::Span;
use lango_server::messaging::engine;
use serde_json::{Value, json};

async fn report(house: &House, sender: &Value, kind: &str, body: &str) -> u16 {
    let path = sender["report_path"].as_str().unwrap();
    let kind = [("content-type", kind)];
    house.send("POST", path, &kind, body.to_owned()).await.status.as_u16()
}

const FORM: &str = "application/x-www-form-urlencoded";

fn africas_talking(code: u16, id: &str) -> Value {
    json!({ "SMSMessageData": { "Message": "Sent to 1/1 Total Cost: KES 0.8000", "Recipients": [{
        "statusCode": code, "number": CUSTOMER, "status": "Success", "cost": "KES 0.8000",
        "messageId": id, "messageParts": 1 }] } })
}

#[tokio::test(flavor = "multi_thread")]
async fn africas_talking_reports_early_twice_and_of_strangers() {
    let house = house(Engine::Sqlite).await;
    let (gateway, at) = StandIn::start(&[(201, africas_talking(101, "ATXid_1"))]).await;
    let url = format!("http://{at}");
    let at =
        sender(&house, "at", json!({ "kind": "africas-talking", "user": "u", "url": url })).await;
    let stranger = "id=ATXid_9&status=Failed";
    assert_eq!(report(&house, &at, FORM, stranger).await, 200);
    // It comes before the answer that says what the text is called.
    let delivered = "id=ATXid_1&status=Success&phoneNumber=%2B254712000111&networkCode=63902";
    assert_eq!(report(&house, &at, FORM, delivered).await, 200);
    order(&house, "hello", None, text("Hello – you")).await;
    work(&house).await;
    assert_eq!(states(&house).await, ["delivered"]);
    assert_eq!(report(&house, &at, FORM, delivered).await, 200);
    assert_eq!(report(&house, &at, FORM, "id=ATXid_1&status=Failed").await, 200);
    assert_eq!(report(&house, &at, FORM, "\u{fffd}%%%").await, 200);
    assert_eq!(states(&house).await, ["delivered"], "delivered stays delivered");
    let heard = &gateway.heard()[0];
    assert_eq!((heard.method.as_str(), heard.uri.path()), ("POST", "/version1/messaging"));
    let expected = "username=u&to=%2B254712000111&message=Hello+-+you&bulkSMSMode=1&from=DUKA";
    assert_eq!(heard.body, expected);
    let wrong =
        json!({ "report_path": format!("/api/messages/{}/wrong", at["id"].as_str().unwrap()) });
    assert_eq!(report(&house, &wrong, FORM, delivered).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_failed_at_one_goes_to_the_next() {
    let house = house(Engine::Sqlite).await;
    let (_, first_at) = StandIn::start(&[(201, africas_talking(100, "ATXid_1"))]).await;
    let (second, second_at) = StandIn::start(&[(200, json!({}))]).await;
    let url = format!("http://{first_at}");
    let at =
        sender(&house, "at", json!({ "kind": "africas-talking", "user": "u", "url": url })).await;
    sender(&house, "modem", super::http(second_at)).await;
    order(&house, "code", Some("voucher"), credentials()).await;
    work(&house).await;
    let failed = "id=ATXid_1&status=Failed&failureReason=UserDoesNotExist";
    assert_eq!(report(&house, &at, FORM, failed).await, 200);
    assert_eq!(states(&house).await, ["failed"]);
    work(&house).await;
    assert_eq!((second.heard().len(), states(&house).await), (1, vec!["sent"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn next_sms_says_pending_when_it_took_it() {
    let house = house(Engine::Sqlite).await;
    let answer = json!({ "messages": [{ "to": "254712000111", "messageId": "n1", "smsCount": 1,
        "status": { "groupId": 1, "groupName": "PENDING", "id": 7, "name": "PENDING_ENROUTE" } }] });
    let (gateway, at) = StandIn::start(&[(200, answer)]).await;
    let url = format!("http://{at}");
    let next = sender(&house, "next", json!({ "kind": "next-sms", "user": "u", "url": url })).await;
    order(&house, "hello", None, text("Habari")).await;
    work(&house).await;
    let heard = &gateway.heard()[0];
    assert_eq!(heard.headers["authorization"], format!("Basic {}", STANDARD.encode("u:key")));
    let said: Value = serde_json::from_str(&heard.body).unwrap();
    assert_eq!((said["to"].as_str(), said["from"].as_str()), (Some("254712000111"), Some("DUKA")));
    assert_eq!(states(&house).await, ["sent"]);
    let report_body = json!({ "results": [{ "messageId": "n1", "status": { "groupId": 3,
        "name": "DELIVERED_TO_HANDSET" } }] });
    report(&house, &next, "application/json", &report_body.to_string()).await;
    assert_eq!(states(&house).await, ["delivered"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn beem_is_asked_what_became_of_texts() {
    let house = house(Engine::Sqlite).await;
    let taken = json!({ "request_id": 77, "code": 100, "message": "ok", "valid": 1, "invalid": 0,
                        "duplicates": 0 });
    let (_, at) = StandIn::start(&[(200, taken)]).await;
    let pending = json!([{ "dest_addr": "254712000111", "request_id": 77, "status": "PENDING" }]);
    let done = json!({ "dest_addr": "254712000111", "request_id": 77, "status": "DELIVERED" });
    let (reports, reports_at) = StandIn::start(&[(200, pending), (200, done)]).await;
    let gateway = json!({ "kind": "beem", "user": "k", "url": format!("http://{at}"),
                          "report_url": format!("http://{reports_at}") });
    sender(&house, "beem", gateway).await;
    order(&house, "hello", None, text("Habari")).await;
    work(&house).await;
    assert_eq!(engine::pass(&house.app).await.unwrap(), 0, "not yet");
    pass_time(&house, Span::seconds(31));
    assert_eq!(engine::pass(&house.app).await.unwrap(), 1);
    assert_eq!(states(&house).await, ["sent"]);
    pass_time(&house, Span::seconds(61));
    assert_eq!(engine::pass(&house.app).await.unwrap(), 1);
    assert_eq!(states(&house).await, ["delivered"]);
    let asked = &reports.heard()[0].uri;
    assert_eq!(asked.query(), Some("dest_addr=254712000111&request_id=77"));
    pass_time(&house, Span::hours(20));
    assert_eq!(engine::pass(&house.app).await.unwrap(), 0, "delivered is delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_signs_its_reports() {
    let house = house(Engine::Sqlite).await;
    let (gateway, at) = StandIn::start(&[(201, json!({ "sid": "SM1", "status": "queued" }))]).await;
    let settings = json!({ "kind": "twilio", "user": "AC1", "url": format!("http://{at}"),
                           "reports_to": "https://wifi.example" });
    let twilio = sender(&house, "twilio", settings).await;
    order(&house, "hello", None, text("Hello")).await;
    work(&house).await;
    let heard = &gateway.heard()[0];
    assert_eq!(heard.uri.path(), "/2010-04-01/Accounts/AC1/Messages.json");
    assert!(heard.body.contains("StatusCallback=https%3A%2F%2Fwifi.example%2Fapi%2Fmessages%2F"));
    let path = twilio["report_path"].as_str().unwrap();
    let signed = format!("https://wifi.example{path}MessageSidSM1MessageStatusdelivered");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"key");
    let tag = STANDARD.encode(ring::hmac::sign(&key, signed.as_bytes()));
    let body = "MessageSid=SM1&MessageStatus=delivered";
    for (signature, status) in [("", 403), ("AAAA", 403), (tag.as_str(), 200)] {
        let headers = [("content-type", FORM), ("x-twilio-signature", signature)];
        let answer = house.send("POST", path, &headers, body).await;
        assert_eq!(answer.status.as_u16(), status);
    }
    assert_eq!(states(&house).await, ["delivered"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_that_nobody_knows_are_unknown_and_not_failed() {
    for (status, body, expected) in [
        (201, africas_talking(999, "x"), "unknown"),
        (201, africas_talking(403, "x"), "failed"),
        (201, json!("<html>"), "unknown"),
        (401, json!("no"), "queued"),
        (504, json!("late"), "unknown"),
    ] {
        let house = house(Engine::Sqlite).await;
        let (_, at) = StandIn::start(&[(status, body.clone())]).await;
        let url = format!("http://{at}");
        sender(&house, "at", json!({ "kind": "africas-talking", "user": "u", "url": url })).await;
        order(&house, "hello", None, text("Hello")).await;
        work(&house).await;
        assert_eq!(states(&house).await, [expected], "{status} {body}");
        assert!(messages(&house).await[0].last_error.is_some());
    }
}
