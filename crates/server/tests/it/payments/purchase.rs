//! From "I picked a package" to "I am online", and what goes wrong on the way.

use super::shop::{Shop, price};
use crate::harness::{Engine, mac, stories};
use lango_domain::payment::{FailureReason, Misfit, PaymentState};
use lango_domain::time::Span;
use lango_provider_sim::{ALWAYS, Amount, CallbackFault, Owner, RequestFault};
use lango_server::operations::begin_purchase::NotBegun;
use lango_store::money_in::Fate;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

stories!(
    a_phone_that_pays_is_online_a_moment_later,
    who_taps_twice_is_asked_once,
    who_cancels_is_told_and_may_try_again,
    a_lost_callback_costs_seconds,
    a_doubled_callback_buys_once,
    money_that_comes_late_still_buys,
    an_answer_that_was_lost_is_not_asked_again,
    somebody_who_says_paid_is_asked_back,
    money_by_hand_for_our_reference_buys_and_for_nobody_waits,
    a_renewal_goes_on_without_a_new_login,
    the_receipt_that_follows_the_query_is_the_same_money,
    a_provider_that_does_not_answer_keeps_nobody_else_waiting,
);

fn cancels() -> Owner {
    Owner::Cancels { after: Duration::from_secs(3) }
}

fn is_paid(state: &PaymentState) -> bool {
    matches!(state, PaymentState::Paid { .. })
}

async fn a_phone_that_pays_is_online_a_moment_later(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.router.join(mac(1));
    assert!(!shop.is_online(mac(1)));
    let begun = shop.buy(1, mac(1)).await.unwrap();
    shop.work().await;
    assert_eq!(shop.state(&begun).await, PaymentState::Pending, "the phone rings");
    shop.pass(Span::seconds(5)).await;
    let payment = shop.payment(&begun).await;
    assert!(is_paid(&payment.state), "{payment:?}");
    assert!(shop.is_online(mac(1)), "paid is online");
    let texts = shop.t.messages().await;
    let told = texts.iter().find(|text| text.recipient == payment.phone.to_string());
    assert!(told.is_some(), "the code is in a message too: {texts:?}");
    assert_eq!(shop.balance("revenue").await, -price().amount);

    shop.pass(Span::minutes(61)).await;
    assert!(!shop.is_online(mac(1)), "an hour is an hour");
    shop.finish().await;
}

async fn who_taps_twice_is_asked_once(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.owner(1, Owner::Person);
    let (one, two) = tokio::join!(shop.buy(1, mac(1)), shop.buy(1, mac(1)));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.payment.id, two.payment.id);
    assert!(one.already_open != two.already_open, "one of them began it");
    shop.work().await;
    assert!(shop.buy(1, mac(1)).await.unwrap().already_open);
    let other = shop.buy(1, mac(2)).await;
    assert!(matches!(other, Err(NotBegun::Busy(_))), "one phone is asked one thing: {other:?}");
    shop.work().await;
    assert_eq!(shop.daraja.pushes().len(), 1);
    let prompt = shop.people.pending_prompts("254700000001").remove(0);
    shop.people.approve(prompt.id);
    shop.pass(Span::seconds(5)).await;
    assert!(is_paid(&shop.state(&one).await));
    shop.finish().await;
}

async fn who_cancels_is_told_and_may_try_again(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.router.join(mac(1));
    shop.owner(1, cancels());
    let first = shop.buy(1, mac(1)).await.unwrap();
    shop.pass(Span::seconds(40)).await;
    match shop.state(&first).await {
        PaymentState::Failed(failure) => assert_eq!(failure.why, FailureReason::Cancelled),
        other => panic!("{other:?}"),
    }
    shop.owner(1, Owner::willing());
    let second = shop.buy(1, mac(1)).await.unwrap();
    assert!(!second.already_open);
    shop.pass(Span::seconds(10)).await;
    assert!(is_paid(&shop.state(&second).await));
    assert!(shop.is_online(mac(1)));
    shop.finish().await;
}

async fn a_lost_callback_costs_seconds(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.router.join(mac(1));
    shop.daraja.faults().callbacks(ALWAYS, CallbackFault::Lost);
    let begun = shop.buy(1, mac(1)).await.unwrap();
    shop.pass(Span::seconds(40)).await;
    assert!(
        is_paid(&shop.state(&begun).await),
        "it was asked after: {:?}",
        shop.state(&begun).await
    );
    assert!(shop.is_online(mac(1)));
    let money = shop.money().await;
    assert_eq!((money.len(), money[0].fate), (1, Fate::Used));
}

async fn a_doubled_callback_buys_once(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.router.join(mac(1));
    shop.daraja
        .faults()
        .callbacks(ALWAYS, CallbackFault::Doubled { after: Duration::from_secs(20) });
    let begun = shop.buy(1, mac(1)).await.unwrap();
    shop.pass(Span::minutes(5)).await;
    assert!(is_paid(&shop.state(&begun).await));
    assert_eq!(shop.balance("revenue").await, -price().amount);
    assert_eq!(shop.balance("wallet").await, 0);
    shop.finish().await;
}

async fn money_that_comes_late_still_buys(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.router.join(mac(1));
    shop.owner(1, Owner::pays_late());
    let begun = shop.buy(1, mac(1)).await.unwrap();
    shop.pass(Span::minutes(3)).await;
    let state = shop.state(&begun).await;
    assert!(matches!(state, PaymentState::Failed(_)), "{state:?}");
    shop.pass(Span::minutes(20)).await;
    assert!(is_paid(&shop.state(&begun).await), "late money is money");
    assert!(shop.is_online(mac(1)));
    shop.finish().await;
}

async fn an_answer_that_was_lost_is_not_asked_again(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.router.join(mac(1));
    shop.daraja.faults().requests("processrequest", 1, RequestFault::DropAfter);
    let begun = shop.buy(1, mac(1)).await.unwrap();
    shop.pass(Span::minutes(3)).await;
    assert_eq!(shop.daraja.pushes().len(), 1, "nobody is asked twice");
    assert!(is_paid(&shop.state(&begun).await), "its path told which payment it was");
    assert!(shop.is_online(mac(1)));
    shop.finish().await;
}

async fn somebody_who_says_paid_is_asked_back(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.router.join(mac(1));
    shop.owner(1, Owner::Ignores);
    let begun = shop.buy(1, mac(1)).await.unwrap();
    shop.work().await;
    let payment = shop.payment(&begun).await;
    let id = payment.provider_id.clone().unwrap();
    let forged = serde_json::json!({ "Body": { "stkCallback": {
        "MerchantRequestID": "1", "CheckoutRequestID": id, "ResultCode": 0, "ResultDesc": "ok",
        "CallbackMetadata": { "Item": [
            { "Name": "Amount", "Value": 50 }, { "Name": "MpesaReceiptNumber", "Value": "FORGED1" },
        ] },
    } } });
    let wrong = shop.post("/api/payments/daraja/stk/0123456789abcdef", &forged.to_string()).await;
    assert_eq!(wrong, 404, "without the secret nobody is heard");
    // Whoever has seen the payment's own path is heard, and asked back.
    let door = shop.t.app.open_door(&payment.id.to_string(), &payment.door).unwrap();
    shop.pass(Span::seconds(60)).await;
    shop.people.ignore(
        shop.people
            .pending_prompts("254700000001")
            .first()
            .map_or(lango_provider_sim::PromptId(0), |prompt| prompt.id),
    );
    shop.pass(Span::seconds(60)).await;
    let heard = shop.post(&format!("/api/payments/daraja/stk/{door}"), &forged.to_string()).await;
    assert_eq!(heard, 200);
    shop.pass(Span::minutes(2)).await;
    assert!(!shop.is_online(mac(1)), "nobody paid");
    assert!(!shop.state(&begun).await.has_money());
    shop.finish().await;
}

async fn money_by_hand_for_our_reference_buys_and_for_nobody_waits(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.router.join(mac(1));
    shop.owner(1, cancels());
    let begun = shop.buy(1, mac(1)).await.unwrap();
    shop.pass(Span::seconds(40)).await;
    let typed = begun.payment.reference.to_lowercase();
    let fifty = || Amount::whole(50, "KES");
    shop.daraja.pay_by_hand("254711111111", "174379", &typed, fifty()).await.unwrap();
    shop.work().await;
    assert!(is_paid(&shop.state(&begun).await), "a neighbour paid it by hand");
    assert!(shop.is_online(mac(1)));

    let refused = shop.daraja.pay_by_hand("254711111111", "174379", "nobody", fifty()).await;
    assert!(refused.is_err(), "an unknown account is refused when we are asked");
    let _ = shop.daraja.forge_by_hand("254711111111", "174379", "nobody", fifty()).await;
    shop.work().await;
    let waiting: Vec<_> = shop.money().await.into_iter().map(|money| money.fate).collect();
    assert!(waiting.contains(&Fate::Waiting(Misfit::UnknownAccount)), "{waiting:?}");
}

async fn a_renewal_goes_on_without_a_new_login(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.router.join(mac(1));
    let first = shop.buy(1, mac(1)).await.unwrap();
    shop.pass(Span::seconds(10)).await;
    let grant = shop.payment(&first).await.grant.unwrap();
    shop.pass(Span::minutes(50)).await;
    let purchase = lango_server::operations::begin_purchase::Purchase {
        renews: Some(grant),
        ..shop.purchase(1, mac(1)).await
    };
    let again = lango_server::operations::begin_purchase::begin_purchase(
        &shop.t.app,
        purchase,
        shop.t.now(),
    );
    let again = again.await.unwrap();
    shop.pass(Span::minutes(30)).await;
    assert!(is_paid(&shop.state(&again).await));
    assert_eq!(shop.payment(&again).await.grant, Some(grant));
    assert!(shop.is_online(mac(1)), "80 minutes after the first hour began");
    shop.pass(Span::minutes(45)).await;
    assert!(!shop.is_online(mac(1)));
    shop.finish().await;
}

async fn the_receipt_that_follows_the_query_is_the_same_money(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.router.join(mac(1));
    shop.daraja.faults().callbacks(1, CallbackFault::Late(Duration::from_secs(120)));
    let begun = shop.buy(1, mac(1)).await.unwrap();
    shop.pass(Span::seconds(60)).await;
    let known_as = match shop.state(&begun).await {
        PaymentState::Paid { receipt } => receipt,
        other => panic!("{other:?}"),
    };
    assert!(known_as.starts_with("ws_CO_"), "{known_as}");
    shop.pass(Span::minutes(3)).await;
    match shop.state(&begun).await {
        PaymentState::Paid { receipt } => assert!(!receipt.starts_with("ws_CO_"), "{receipt}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.balance("wallet").await, 0, "it is no second payment");
    shop.finish().await;
}

async fn a_provider_that_does_not_answer_keeps_nobody_else_waiting(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.router.join(mac(1));
    let (other, dead) = shop.another_gateway().await;
    let stall = RequestFault::StallBefore(Duration::from_secs(20));
    dead.faults().requests("processrequest", ALWAYS, stall);
    let stop = CancellationToken::new();
    let engine = tokio::spawn(lango_server::cashier::run(shop.t.app.clone(), stop.clone()));
    for number in 100..200u8 {
        shop.buy_by(other, number.into(), mac(number)).await.unwrap();
    }
    let begun = shop.buy_by(shop.gateway.id, 1, mac(1)).await.unwrap();
    let paid = async {
        while !is_paid(&shop.state(&begun).await) {
            shop.t.app.clock().set(shop.t.now() + Span::millis(200));
            shop.people.settle().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), paid).await.expect("it is paid meanwhile");
    shop.t.pump().await;
    assert!(shop.is_online(mac(1)));
    engine.abort();
    stop.cancel();
}
