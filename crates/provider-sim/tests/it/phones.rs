//! A person holds the phone: by the library, and at the page.

use std::sync::Arc;
use std::time::Duration;

use lango_provider_sim::{
    Daraja, FastClock, Owner, PhonePage, RequestFault, Subscribers, SystemClock, daraja,
};
use serde_json::json;

use crate::daraja::{PHONE, Shop};
use crate::merchant::Merchant;

#[tokio::test]
async fn a_person_decides_each_prompt_once() {
    let shop = Shop::open().await;
    let people = &shop.town.people;
    people.everybody(Owner::Person);
    shop.push(10).await;
    shop.push(20).await;
    shop.town.pass(5).await;
    let prompts = people.pending_prompts("+254 712 345678");
    assert_eq!(prompts.len(), 2);
    assert_eq!((prompts[0].payee.as_str(), prompts[0].reference.as_str()), ("CAFE WIFI", "ACC1"));
    assert!(people.approve(prompts[0].id) && !people.approve(prompts[0].id));
    assert!(people.cancel(prompts[1].id) && !people.approve(prompts[1].id));
    people.settle().await;
    let codes: Vec<Option<String>> =
        shop.daraja.pushes().into_iter().map(|push| push.result).collect();
    assert_eq!(codes, [Some("0".to_owned()), Some("1032".to_owned())]);
    shop.town.pass(60).await;
    assert_eq!(shop.merchant.heard().len(), 2);

    shop.push(30).await;
    let prompt = people.pending_prompts(PHONE).remove(0);
    assert!(people.ignore(prompt.id) && !people.ignore(prompt.id));
    assert!(people.pending_prompts(PHONE).is_empty());
    shop.town.pass(120).await;
    assert_eq!(shop.merchant.heard().len(), 3, "given up once");
    assert!(people.approve(prompt.id), "a slow network brings his answer after all");
    people.settle().await;
    assert_eq!(shop.merchant.heard().len(), 4);
}

#[tokio::test]
async fn the_page_has_three_buttons_and_no_script() {
    let shop = Shop::open().await;
    let people = &shop.town.people;
    people.everybody(Owner::Person);
    let page = PhonePage::start(people, ([127, 0, 0, 1], 0).into()).unwrap();
    shop.push(10).await;
    let prompt = people.pending_prompts(PHONE).remove(0);
    let said = shop.merchant.ask("GET", &page.url(PHONE), &[], "").await.unwrap();
    assert!(said.raw.contains("KES 10.00") && said.raw.contains("CAFE WIFI"));
    for button in ["Approve", "Cancel", "Ignore"] {
        assert!(said.raw.contains(&format!("<button>{button}</button>")));
    }
    assert!(!said.raw.contains("<script"));
    let press = format!("{}/{}/approve", page.url(PHONE), prompt.id.0);
    let said = shop.merchant.ask("POST", &press, &[], "").await.unwrap();
    assert_eq!(
        (said.status, said.headers["location"].to_str().unwrap()),
        (303, "/phone/254712345678")
    );
    people.settle().await;
    let heard = shop.merchant.only_heard();
    assert_eq!(heard.body["Body"]["stkCallback"]["ResultCode"], json!(0));
    let said = shop.merchant.ask("GET", &page.url(PHONE), &[], "").await.unwrap();
    assert!(said.raw.contains("Nothing is asked"));
    let said = shop.merchant.ask("GET", page.base_url(), &[], "").await.unwrap();
    assert!(said.raw.contains("/phone/254712345678"));
}

/// A shop whose time passes by itself.
async fn shop_by(people: &Subscribers) -> (Daraja, Merchant, String) {
    let daraja = Daraja::start(people, daraja::Settings::default()).unwrap();
    let merchant = Merchant::open().await;
    let url = format!("{}/oauth/v1/generate?grant_type=client_credentials", daraja.base_url());
    let basic = [("authorization", crate::daraja::KEY_AND_SECRET)];
    let said = merchant.ask("GET", &url, &basic, "").await.unwrap();
    let token = said.body["access_token"].as_str().unwrap().to_owned();
    (daraja, merchant, token)
}

fn request(merchant: &Merchant, phone: &str) -> serde_json::Value {
    json!({
        "BusinessShortCode": "174379",
        "Password": crate::daraja::password("174379"),
        "Timestamp": "20260102233000",
        "TransactionType": "CustomerPayBillOnline",
        "Amount": 10,
        "PartyA": phone,
        "PartyB": "174379",
        "PhoneNumber": phone,
        "CallBackURL": format!("{}/cb/daraja/secret", merchant.url),
        "AccountReference": "ACC1",
    })
}

#[tokio::test]
async fn time_may_run_fast() {
    let people = Subscribers::new(Arc::new(FastClock::new(600.0)));
    people.everybody(Owner::pays_late());
    let (daraja, merchant, token) = shop_by(&people).await;
    let push = format!("{}/mpesa/stkpush/v1/processrequest", daraja.base_url());
    merchant.post(&push, &token, &request(&merchant, PHONE)).await;
    // Eleven minutes are a second.
    merchant.hears(2).await;
    let heard = merchant.heard();
    let codes = heard.iter().map(|one| &one.body["Body"]["stkCallback"]["ResultCode"]);
    assert!(codes.eq([&json!(1037), &json!(0)]));
}

#[tokio::test]
async fn a_thousand_people_press_approve_at_once() {
    let people = Subscribers::new(Arc::new(SystemClock));
    people.everybody(Owner::Person);
    let (daraja, merchant, token) = shop_by(&people).await;
    let push = format!("{}/mpesa/stkpush/v1/processrequest", daraja.base_url());
    for number in 0..1_000 {
        let phone = format!("2547{number:08}");
        let said = merchant.post(&push, &token, &request(&merchant, &phone)).await;
        assert_eq!(said.status, 200);
    }
    for prompt in people.open_prompts() {
        assert!(people.approve(prompt.id));
    }
    people.settle().await;
    assert_eq!(merchant.heard().len(), 1_000);
    assert!(daraja.deliveries().iter().all(|delivery| delivery.status == Ok(200)));
    let mut receipts: Vec<String> =
        people.transactions().into_iter().map(|one| one.receipt).collect();
    receipts.sort();
    receipts.dedup();
    assert_eq!(receipts.len(), 1_000, "no receipt twice");
}

#[tokio::test]
async fn a_merchant_loses_patience_and_his_customer_pays_all_the_same() {
    let people = Subscribers::new(Arc::new(SystemClock));
    people.everybody(Owner::Approves { after: Duration::ZERO });
    let (daraja, merchant, token) = shop_by(&people).await;
    let stall = RequestFault::StallBefore(Duration::from_millis(100));
    daraja.faults().requests("stkpush", 1, stall);
    let push = format!("{}/mpesa/stkpush/v1/processrequest", daraja.base_url());
    let body = request(&merchant, PHONE);
    let asked = merchant.post(&push, &token, &body);
    assert!(tokio::time::timeout(Duration::from_millis(20), asked).await.is_err());
    merchant.hears(1).await;
    assert_eq!(people.transactions().len(), 1);
}
