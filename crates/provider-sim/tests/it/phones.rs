//! A person holds the phone: by the library, and at the page.

use lango_provider_sim::{Owner, PhonePage};
use serde_json::json;

use crate::daraja::{PHONE, Shop};

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
