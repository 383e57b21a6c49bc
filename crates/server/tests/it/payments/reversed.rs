//! M-Pesa gives money back for us: told once, its word comes later, and nobody has both the money and
//! what it bought.

use super::shop::Shop;
use crate::harness::{Engine, mac, stories};
use crate::paybill;
use lango_domain::payment::PaymentState;
use lango_domain::time::Span;
use lango_provider_sim::RequestFault;
use lango_server::operations::asked::By;
use lango_server::operations::begin_purchase::Begun;
use lango_server::operations::gateways::{GatewayChange, change_gateway};
use lango_server::operations::refund_payment::{NotRefunded, Way, refund_payment};
use lango_store::money_in::Fate;

stories!(
    money_goes_back_and_what_it_bought_ends_on_the_router,
    what_mpesa_refuses_to_give_back_is_paid_back_by_hand,
    an_order_whose_answer_was_lost_is_not_given_again,
    who_cannot_be_answered_gives_nothing_back,
);

impl Shop {
    /// Its owner typed in who may give money back.
    async fn that_reverses(engine: Engine) -> Shop {
        Shop::that_reverses_by(engine, "initiator").await
    }

    async fn that_reverses_by(engine: Engine, initiator: &str) -> Shop {
        let shop = Shop::on(engine).await;
        let settings = Some(paybill::that_reverses(&shop.daraja, initiator));
        let change = GatewayChange { name: None, settings, place: None };
        let whose = (shop.t.tenant, shop.gateway.id);
        change_gateway(&shop.t.app, whose, change, None, &By::cli(), shop.t.now()).await.unwrap();
        shop
    }

    async fn sells_an_hour(&mut self) -> Begun {
        let phone = mac(1);
        self.router.join(phone);
        let begun = self.buy(1, phone).await.unwrap();
        self.pass(Span::seconds(20)).await;
        assert!(self.is_online(phone));
        begun
    }

    async fn refunds(&self, begun: &Begun, way: Way) -> Result<PaymentState, NotRefunded> {
        let whose = (self.t.tenant, begun.payment.id);
        refund_payment(&self.t.app, whose, way, &By::cli(), self.t.now()).await
    }

    async fn is_back(&self) -> bool {
        let money = self.money().await;
        money.len() == 1 && money[0].fate == Fate::GivenBack
    }
}

async fn money_goes_back_and_what_it_bought_ends_on_the_router(engine: Engine) {
    let mut shop = Shop::that_reverses(engine).await;
    let begun = shop.sells_an_hour().await;
    let state = shop.refunds(&begun, Way::ByProvider).await.unwrap();
    assert!(matches!(state, PaymentState::Refunding { .. }), "ordered, not done: {state:?}");
    shop.pass(Span::seconds(10)).await;
    assert!(matches!(shop.state(&begun).await, PaymentState::Refunded { .. }));
    assert!(!shop.is_online(mac(1)), "nobody has both");
    assert!(shop.is_back().await);
    assert_eq!((shop.balance("revenue").await, shop.balance("clearing").await), (0, 0));
    assert!(shop.people.transactions().iter().all(|one| one.reversed), "the phone has it");
    let again = shop.refunds(&begun, Way::ByProvider).await;
    assert!(matches!(again, Err(NotRefunded::NotPaid(_))), "{again:?}");
}

async fn what_mpesa_refuses_to_give_back_is_paid_back_by_hand(engine: Engine) {
    let mut shop = Shop::that_reverses_by(engine, "somebody").await;
    let begun = shop.sells_an_hour().await;
    shop.refunds(&begun, Way::ByProvider).await.unwrap();
    shop.pass(Span::seconds(10)).await;
    let state = shop.state(&begun).await;
    assert!(matches!(state, PaymentState::RefundFailed { .. }), "{state:?}");
    assert!(!shop.is_back().await);
    let noted = shop.refunds(&begun, Way::ByHand).await.unwrap();
    assert!(matches!(noted, PaymentState::Refunded { .. }), "{noted:?}");
    assert!(shop.is_back().await);
}

async fn an_order_whose_answer_was_lost_is_not_given_again(engine: Engine) {
    let mut shop = Shop::that_reverses(engine).await;
    let begun = shop.sells_an_hour().await;
    shop.daraja.faults().requests("reversal", 1, RequestFault::DropAfter);
    let lost = shop.refunds(&begun, Way::ByProvider).await;
    assert!(matches!(lost, Err(NotRefunded::Provider(_))), "{lost:?}");
    assert!(matches!(shop.state(&begun).await, PaymentState::Refunding { .. }), "it may have been");
    let again = shop.refunds(&begun, Way::ByProvider).await;
    assert!(matches!(again, Err(NotRefunded::NotPaid(_))), "never twice: {again:?}");
    // It was heard, and its result says so.
    shop.pass(Span::seconds(10)).await;
    assert!(matches!(shop.state(&begun).await, PaymentState::Refunded { .. }));
    assert!(shop.is_back().await);
}

/// A node that does not know under which address providers reach it.
async fn who_cannot_be_answered_gives_nothing_back(engine: Engine) {
    let mut shop = Shop::that_reverses(engine).await;
    let begun = shop.sells_an_hour().await;
    let elsewhere = shop.t.second_node().await;
    let whose = (shop.t.tenant, begun.payment.id);
    let way = Way::ByProvider;
    let refused = refund_payment(&elsewhere, whose, way, &By::cli(), shop.t.now()).await;
    assert!(matches!(refused, Err(NotRefunded::NoAddress)), "{refused:?}");
    assert!(matches!(shop.state(&begun).await, PaymentState::Paid { .. }), "nothing was done");
    shop.pass(Span::seconds(10)).await;
    assert!(shop.is_online(mac(1)), "who has paid and has nothing back is not cut");
    drop(elsewhere);
    shop.finish().await;
}
