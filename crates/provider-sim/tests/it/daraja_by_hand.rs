//! Daraja: money that comes unasked, the list of it, the state of a transaction, and money back.

use lango_provider_sim::daraja::Settings;
use lango_provider_sim::{Amount, Way};
use serde_json::{Value, json};

use crate::daraja::{PHONE, Shop};

fn kes(units: i64) -> Amount {
    Amount::whole(units, "KES")
}

async fn register(shop: &Shop, version: &str) -> Value {
    let body = json!({
        "ShortCode": "174379",
        "ResponseType": "Completed",
        "ConfirmationURL": format!("{}/c2b/confirm", shop.merchant.url),
        "ValidationURL": format!("{}/c2b/validate", shop.merchant.url),
    });
    shop.post(&format!("/mpesa/c2b/{version}/registerurl"), &body).await.body
}

#[tokio::test]
async fn somebody_pays_by_hand_and_the_merchant_hears_of_it() {
    let shop = Shop::open().await;
    let said = register(&shop, "v2").await;
    assert_eq!(said["ResponseCode"], "0");
    assert!(said["OriginatorCoversationID"].is_string(), "spelt as the provider spells it");
    let receipt = shop.daraja.pay_by_hand(PHONE, "174379", "acc 1", kes(5)).await.unwrap();
    shop.town.people.settle().await;
    let heard = shop.merchant.only_heard();
    assert_eq!(heard.path, "/c2b/confirm");
    assert_eq!(heard.body["TransactionType"], "Pay Bill");
    assert_eq!(heard.body["TransID"], receipt);
    assert_eq!(heard.body["TransTime"], "20260102233000");
    assert_eq!(heard.body["TransAmount"], "5.00");
    assert_eq!(heard.body["BillRefNumber"], "acc 1");
    assert_eq!(heard.body["MSISDN"], "2547 ***** 678");
    let truth = shop.town.people.transactions();
    assert_eq!((truth[0].way, truth[0].receipt.as_str()), (Way::ByHand, receipt.as_str()));
}

#[tokio::test]
async fn version_one_hashes_who_paid() {
    let shop = Shop::open().await;
    register(&shop, "v1").await;
    shop.daraja.pay_by_hand(PHONE, "174379", "ACC1", kes(5)).await.unwrap();
    shop.town.people.settle().await;
    let msisdn = shop.merchant.only_heard().body["MSISDN"].as_str().unwrap().to_owned();
    assert!(msisdn.len() == 64 && msisdn.bytes().all(|one| one.is_ascii_hexdigit()));
}

#[tokio::test]
async fn validation_may_refuse_before_money_moves() {
    let shop = Shop::with(Settings { validates: true, ..Settings::default() }).await;
    register(&shop, "v2").await;
    shop.merchant.answers(200, r#"{"ResultCode":"C2B00012","ResultDesc":"Rejected"}"#);
    let rejected = shop.daraja.pay_by_hand(PHONE, "174379", "NOBODY", kes(5)).await.unwrap_err();
    assert_eq!(rejected.code, "C2B00012");
    assert!(shop.town.people.transactions().is_empty());
    shop.merchant.answers(200, r#"{"ResultCode":0,"ResultDesc":"Accepted"}"#);
    shop.daraja.pay_by_hand(PHONE, "174379", "ACC1", kes(5)).await.unwrap();
    shop.town.people.settle().await;
    let paths: Vec<String> = shop.merchant.heard().into_iter().map(|heard| heard.path).collect();
    assert_eq!(paths, ["/c2b/validate", "/c2b/validate", "/c2b/confirm"]);
    shop.merchant.answers(500, "");
    shop.daraja.pay_by_hand(PHONE, "174379", "ACC2", kes(5)).await.unwrap();
}

#[tokio::test]
async fn one_receipt_comes_by_push_and_by_hand() {
    let shop = Shop::with(Settings { confirms_pushes: true, ..Settings::default() }).await;
    register(&shop, "v2").await;
    shop.push(10).await;
    shop.town.pass(2).await;
    let heard = shop.merchant.heard();
    assert_eq!(heard.len(), 2);
    let receipt = &shop.town.people.transactions()[0].receipt;
    assert!(heard.iter().all(|one| one.raw.contains(receipt.as_str())));
    assert_eq!(shop.town.people.transactions().len(), 1);
}

#[tokio::test]
async fn in_production_urls_are_registered_once() {
    let shop = Shop::with(Settings { registers_once: true, ..Settings::default() }).await;
    register(&shop, "v2").await;
    assert_eq!(register(&shop, "v2").await["errorCode"], "500.003.1001");
}

#[tokio::test]
async fn what_was_missed_is_pulled() {
    let shop = Shop::open().await;
    let registration = json!({
        "ShortCode": "174379",
        "RequestType": "Pull",
        "NominatedNumber": PHONE,
        "CallBackURL": format!("{}/pull", shop.merchant.url),
    });
    let said = shop.post("/pulltransactions/v1/register", &registration).await;
    assert_eq!(said.body["ResponseStatus"], "1000");
    let said = shop.post("/pulltransactions/v1/register", &registration).await;
    assert_eq!(said.body["ResponseStatus"], "1001");
    let receipt = shop.daraja.pay_by_hand(PHONE, "174379", "ACC1", kes(168)).await.unwrap();
    let query = |from: &str, to: &str| {
        json!({
            "ShortCode": "174379", "StartDate": from, "EndDate": to, "OffSetValue": "0",
        })
    };
    let asked = query("2026-01-02 23:00:00", "2026-01-03 00:00:00");
    let said = shop.post("/pulltransactions/v1/query", &asked).await;
    assert_eq!(said.body["ResponseCode"], "1000");
    let row = &said.body["Response"][0][0];
    assert_eq!(row["transactionId"], receipt);
    assert_eq!((&row["amount"], &row["billreference"]), (&json!("168.00"), &json!("ACC1")));
    assert_eq!(row["trxDate"], "2026-01-02T20:30:00Z");
    let asked = query("2026-01-02 20:00:00", "2026-01-02 21:00:00");
    let said = shop.post("/pulltransactions/v1/query", &asked).await;
    assert_eq!(said.body["ResponseCode"], "1001");
    shop.town.pass(49 * 3_600).await;
    let asked = query("2026-01-02 23:00:00", "2026-01-03 00:00:00");
    let said = shop.post("/pulltransactions/v1/query", &asked).await;
    assert_eq!(said.body["ResponseCode"], "1001", "older than 48 hours");
}

#[tokio::test]
async fn somebody_else_confirms_what_nobody_paid() {
    let shop = Shop::open().await;
    assert!(shop.daraja.forge_by_hand(PHONE, "174379", "ACC1", kes(5)).await.is_none());
    register(&shop, "v2").await;
    let forged = shop.daraja.forge_by_hand(PHONE, "174379", "ACC1", kes(5)).await.unwrap();
    assert_eq!(forged.status, Ok(200));
    assert_eq!(shop.merchant.only_heard().body["TransAmount"], "5.00");
    assert!(shop.town.people.transactions().is_empty());
}

fn order(shop: &Shop, command: &str, receipt: &str) -> Value {
    json!({
        "Initiator": "initiator",
        "SecurityCredential": "c2VhbGVk",
        "CommandID": command,
        "TransactionID": receipt,
        "ResultURL": format!("{}/result", shop.merchant.url),
        "QueueTimeOutURL": format!("{}/timeout", shop.merchant.url),
        "Remarks": "wifi",
        "PartyA": "174379",
        "IdentifierType": "4",
        "Amount": "10",
        "ReceiverParty": "174379",
        "RecieverIdentifierType": "11",
    })
}

fn parameter<'a>(result: &'a Value, key: &str) -> Option<&'a Value> {
    let all = result["Result"]["ResultParameters"]["ResultParameter"].as_array()?;
    all.iter().find(|one| one["Key"] == key)?.get("Value")
}

#[tokio::test]
async fn the_state_of_a_transaction_comes_to_the_result_url() {
    let shop = Shop::open().await;
    let receipt = shop.daraja.pay_by_hand(PHONE, "174379", "ACC1", kes(10)).await.unwrap();
    let asked = order(&shop, "TransactionStatusQuery", &receipt);
    let said = shop.post("/mpesa/transactionstatus/v1/query", &asked).await;
    assert_eq!(said.body["ResponseCode"], "0");
    shop.town.people.settle().await;
    let heard = shop.merchant.only_heard();
    assert_eq!(heard.path, "/result");
    assert_eq!(heard.body["Result"]["ConversationID"], said.body["ConversationID"]);
    assert_eq!(heard.body["Result"]["ResultCode"], 0);
    assert_eq!(parameter(&heard.body, "TransactionStatus"), Some(&json!("Completed")));
    assert_eq!(parameter(&heard.body, "ReceiptNo"), Some(&json!(receipt)));
    assert_eq!(parameter(&heard.body, "Amount"), Some(&json!(10.0)));
}

#[tokio::test]
async fn money_goes_back_once() {
    let shop = Shop::open().await;
    let receipt = shop.daraja.pay_by_hand(PHONE, "174379", "ACC1", kes(10)).await.unwrap();
    for id in [receipt.as_str(), receipt.as_str(), "SKNOBODY00"] {
        let asked = order(&shop, "TransactionReversal", id);
        let said = shop.post("/mpesa/reversal/v1/request", &asked).await;
        assert_eq!(said.body["ResponseCode"], "0", "{}", said.raw);
        shop.town.people.settle().await;
    }
    let mut stranger = order(&shop, "TransactionReversal", &receipt);
    stranger["Initiator"] = json!("stranger");
    shop.post("/mpesa/reversal/v1/request", &stranger).await;
    shop.town.people.settle().await;
    let heard = shop.merchant.heard();
    let codes: Vec<&Value> = heard.iter().map(|one| &one.body["Result"]["ResultCode"]).collect();
    assert_eq!(codes, [&json!(0), &json!("R000001"), &json!("R000002"), &json!(2001)]);
    assert_eq!(parameter(&heard[0].body, "OriginalTransactionID"), Some(&json!(receipt)));
    assert!(shop.town.people.transactions()[0].reversed);
    assert!(shop.town.people.money_taken(PHONE).is_empty());
}
