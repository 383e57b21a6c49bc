//! What goes wrong around Daraja, and that the truth about money does not change by it.

use lango_provider_sim::daraja::Settings;
use lango_provider_sim::{
    ALWAYS, CallbackFault, Disturbance, Forgery, Owner, RequestFault, daraja,
};
use serde_json::json;
use std::time::Duration;

use crate::daraja::{PHONE, Shop, item};

const PUSH: &str = "/mpesa/stkpush/v1/processrequest";

#[tokio::test]
async fn a_connection_is_dropped_after_the_push_was_made() {
    let shop = Shop::open().await;
    shop.daraja.faults().requests("stkpush", 1, RequestFault::DropAfter);
    let token = shop.token().await;
    let lost = shop.merchant.try_post(&shop.at(PUSH), &token, &shop.request(10)).await;
    assert!(lost.is_err());
    shop.town.pass(2).await;
    assert_eq!(shop.merchant.only_heard().path, "/cb/daraja/secret");
    assert_eq!(shop.town.people.transactions().len(), 1);

    shop.daraja.faults().requests("stkpush", 1, RequestFault::DropBefore);
    let lost = shop.merchant.try_post(&shop.at(PUSH), &token, &shop.request(20)).await;
    assert!(lost.is_err());
    assert_eq!(shop.daraja.pushes().len(), 1);
}

#[tokio::test]
async fn gateways_refuse_by_their_own_words() {
    let shop = Shop::open().await;
    let faults = shop.daraja.faults();
    faults.requests("stkpush", 1, daraja::spike_arrest());
    faults.requests("stkpush", 1, daraja::quota_violation());
    faults.requests("stkpush", 1, daraja::overloaded("Unable to lock subscriber"));
    faults.requests("stkpush", 1, RequestFault::HtmlError(502));
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(shop.post(PUSH, &shop.request(10)).await.body["errorCode"].clone());
    }
    assert_eq!(codes, ["500.003.02", "500.003.03", "500.001.1001"]);
    let said = shop.post(PUSH, &shop.request(10)).await;
    assert_eq!(said.status, 502);
    assert!(said.raw.starts_with("<html>") && said.headers["content-type"] == "text/html");
    assert!(shop.daraja.pushes().is_empty());

    faults.unreachable(true);
    let url = shop.at("/oauth/v1/generate?grant_type=client_credentials");
    assert!(shop.merchant.ask("GET", &url, &[], "").await.is_err());
    faults.clear();
    shop.push(10).await;
}

#[tokio::test]
async fn more_pushes_than_a_second_takes_meet_spike_arrest() {
    let shop = Shop::with(Settings { pushes_per_second: Some(2), ..Settings::default() }).await;
    shop.push(10).await;
    shop.push(11).await;
    let said = shop.post(PUSH, &shop.request(12)).await;
    assert_eq!((said.status, &said.body["errorCode"]), (500, &json!("500.003.02")));
    shop.town.pass(1).await;
    shop.push(12).await;
}

#[tokio::test]
async fn a_token_dies_between_two_requests() {
    let shop = Shop::open().await;
    let token = shop.token().await;
    shop.daraja.kill_token();
    let said = shop.merchant.post(&shop.at(PUSH), &token, &shop.request(10)).await;
    assert_eq!(said.body["errorCode"], "404.001.03");
    assert!(shop.daraja.pushes().is_empty());
}

#[tokio::test]
async fn an_answer_comes_late_or_after_the_callback() {
    let shop = Shop::open().await;
    shop.daraja.faults().requests(
        "stkpush",
        1,
        RequestFault::StallAfter(Duration::from_millis(50)),
    );
    shop.push(10).await;
    shop.town.pass(2).await;
    assert_eq!(shop.merchant.heard().len(), 1);

    shop.daraja.faults().callbacks(1, CallbackFault::BeforeAnswer);
    shop.push(20).await;
    assert_eq!(shop.merchant.heard().len(), 2, "the callback was there before the answer");
    shop.town.pass(600).await;
    assert_eq!(shop.merchant.heard().len(), 2);
}

#[tokio::test]
async fn callbacks_are_lost_doubled_late_and_contradicted() {
    let shop = Shop::open().await;
    let faults = shop.daraja.faults();
    faults.callbacks(1, CallbackFault::Lost);
    let id = shop.push(1).await;
    shop.town.pass(30).await;
    assert!(shop.merchant.heard().is_empty());
    assert_eq!(shop.query(&id).await.body["ResultCode"], "0");

    shop.merchant.takes(Duration::from_millis(50));
    faults.callbacks(1, CallbackFault::Doubled { after: Duration::ZERO });
    shop.push(2).await;
    shop.town.pass(2).await;
    let heard = shop.merchant.heard();
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[0].raw, heard[1].raw);
    assert_eq!(shop.merchant.most_at_once(), 2, "both at once");

    faults.callbacks(1, CallbackFault::Late(Duration::from_secs(300)));
    shop.push(3).await;
    shop.town.pass(301).await;
    assert_eq!(shop.merchant.heard().len(), 2);
    shop.town.pass(1).await;
    assert_eq!(shop.merchant.heard().len(), 3);

    faults.callbacks(1, CallbackFault::ThenFailure { after: Duration::from_secs(5) });
    shop.push(4).await;
    shop.town.pass(2).await;
    shop.town.pass(5).await;
    let heard = shop.merchant.heard();
    let codes: Vec<_> =
        heard[3..].iter().map(|one| &one.body["Body"]["stkCallback"]["ResultCode"]).collect();
    assert_eq!(codes, [&json!(0), &json!(1037)]);
    assert_eq!(shop.town.people.transactions().len(), 4);
}

#[tokio::test]
async fn numbers_come_as_text() {
    let shop = Shop::open().await;
    shop.daraja.faults().callbacks(1, CallbackFault::TextNumbers);
    shop.push(10).await;
    shop.town.pass(2).await;
    let heard = shop.merchant.only_heard();
    assert_eq!(heard.body["Body"]["stkCallback"]["ResultCode"], "0");
    assert_eq!(item(&heard.body, "Amount"), Some(&json!("10.00")));
    assert_eq!(item(&heard.body, "PhoneNumber"), Some(&json!(PHONE)));
}

#[tokio::test]
async fn somebody_pays_ten_minutes_after_1037_in_one_leap_too() {
    for leaps in [&[60, 600][..], &[700]] {
        let shop = Shop::open().await;
        shop.town.people.owner(PHONE, Owner::pays_late());
        shop.merchant.takes(Duration::from_millis(20));
        let id = shop.push(10).await;
        for leap in leaps {
            shop.town.pass(*leap).await;
        }
        let heard = shop.merchant.heard();
        let codes: Vec<_> =
            heard.iter().map(|one| &one.body["Body"]["stkCallback"]["ResultCode"]).collect();
        assert_eq!(codes, [&json!(1037), &json!(0)]);
        let paid = item(&heard[1].body, "TransactionDate");
        assert_eq!(paid, Some(&json!(20_260_102_234_100_i64)), "paid when he paid");
        assert_eq!(shop.merchant.most_at_once(), 1, "one after the other");
        assert_eq!(shop.query(&id).await.body["ResultCode"], "0");
    }
}

#[tokio::test]
async fn a_day_begins_three_hours_earlier_than_in_utc() {
    let shop = Shop::open().await;
    shop.town.pass(1_800).await;
    shop.push(10).await;
    shop.town.pass(2).await;
    let date = item(&shop.merchant.only_heard().body, "TransactionDate").cloned();
    assert_eq!(date, Some(json!(20_260_103_000_002_i64)), "21:00:02 UTC of the day before");
}

#[tokio::test]
async fn somebody_else_writes_what_looks_like_a_callback() {
    let shop = Shop::open().await;
    shop.town.people.owner(PHONE, Owner::Ignores);
    let id = shop.push(10).await;
    shop.daraja.forge(&id, Forgery::WrongToken).await.unwrap();
    shop.daraja.forge(&id, Forgery::WrongRequest).await.unwrap();
    shop.daraja.forge(&id, Forgery::WrongAmount(1)).await.unwrap();
    let unpaid = shop.daraja.forge(&id, Forgery::Unpaid).await.unwrap();
    assert_eq!(unpaid.status, Ok(200));
    let heard = shop.merchant.heard();
    assert_ne!(heard[0].path, "/cb/daraja/secret");
    assert_ne!(heard[1].body["Body"]["stkCallback"]["CheckoutRequestID"], id);
    assert_eq!(item(&heard[2].body, "Amount"), Some(&json!(1.0)));
    assert_eq!(heard[3].body["Body"]["stkCallback"]["CheckoutRequestID"], id);
    assert_eq!(shop.query(&id).await.body["ResultCode"], "4999");
    assert!(shop.town.people.transactions().is_empty());
}

#[tokio::test]
async fn chance_spares_the_truth() {
    let settings = Settings { refuses_repeats: false, ..Settings::default() };
    let shop = Shop::with(settings).await;
    let longest_delay = Duration::from_secs(60);
    shop.daraja.faults().disturb(Disturbance {
        seed: 7,
        lost: 30,
        doubled: 30,
        late: 30,
        longest_delay,
    });
    for _ in 0..40 {
        shop.push(10).await;
    }
    shop.town.pass(300).await;
    shop.town.pass(300).await;
    let heard = shop.merchant.heard().len();
    assert_eq!(shop.town.people.transactions().len(), 40);
    let mut told: Vec<String> = shop
        .merchant
        .heard()
        .iter()
        .map(|one| item(&one.body, "MpesaReceiptNumber").unwrap().to_string())
        .collect();
    told.sort();
    told.dedup();
    assert!(
        told.len() < 40 && heard > told.len(),
        "some lost, some doubled: {heard} of {}",
        told.len()
    );
}

#[tokio::test]
async fn the_merchant_fails_and_nobody_calls_again() {
    let shop = Shop::open().await;
    shop.merchant.answers(500, "");
    shop.push(10).await;
    shop.town.pass(3_600).await;
    assert_eq!(shop.merchant.heard().len(), 1);
    let delivery = shop.daraja.deliveries().pop().unwrap();
    assert_eq!(delivery.status, Ok(500));
    shop.daraja.faults().requests("stkpush", ALWAYS, RequestFault::DropBefore);
    shop.daraja.faults().clear();
    shop.push(10).await;
}
