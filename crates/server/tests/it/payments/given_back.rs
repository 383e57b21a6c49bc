//! Money that goes back, whatever became of it meanwhile: never more than came, never beside what it
//! bought, and never twice in the books.

use crate::harness::{Engine, Harness, stories};
use lango_domain::grant::Event;
use lango_domain::ids::{CustomerId, GrantId, PaymentId};
use lango_domain::language::Language;
use lango_domain::money::{Currency, Money};
use lango_domain::payment::{Misfit, PaymentState, Proof};
use lango_domain::phone_number::{Country, PhoneNumber};
use lango_domain::plan::Terms;
use lango_domain::sale::Sale;
use lango_domain::time::Span;
use lango_server::operations::accept_payment::{self, Accepted, accept_payment};
use lango_server::operations::add_plan::{NewPlan, add_plan_for_sale};
use lango_server::operations::asked::By;
use lango_server::operations::begin_purchase::{Purchase, begin_purchase};
use lango_server::operations::confirm_payment::{Came, confirm_payment, take_money};
use lango_server::operations::gateways::{NewGateway, add_gateway};
use lango_server::operations::refund_payment::{NotRefunded, Way, refund_payment};
use lango_server::operations::settle_charge::recognized;
use lango_server::operations::spend_wallet::{Buys, spend_wallet};
use lango_server::operations::work_off_money::{
    NotWorkedOff, Use, give_money_back, work_off_money,
};
use lango_server::payments::MoneyIn as Told;
use lango_store::gateways::Gateway;
use lango_store::money_in::{Fate, MoneyIn};
use lango_store::payments::Payment;
use lango_store::{Order, Tx, ledger};
use std::num::NonZeroU16;

stories!(
    no_more_goes_back_than_was_used,
    a_bundle_ends_as_a_whole_with_its_money,
    what_the_desk_renewed_does_not_end_with_the_money,
    what_the_desk_gave_back_is_not_paid,
    the_receipt_that_follows_is_the_same_money_whatever_became_of_it,
    money_on_its_way_back_buys_nothing,
    what_was_paid_twice_is_given_back_by_itself,
    a_refund_that_nobody_answers_for_is_noted_by_hand,
    what_is_spent_does_not_go_back,
);

const HOUR: &str = "Hour";

/// A shop that is told what its provider says.
struct Till {
    t: Harness,
    gateway: Gateway,
    customer: CustomerId,
}

fn shillings(amount: i64) -> Money {
    Money::new(amount * 100, Currency::KES)
}

impl Till {
    async fn on(engine: Engine) -> Till {
        let mut t = Harness::on(engine).await;
        t.plan(HOUR, Terms::hotspot(Span::hours(1))).await;
        let customer = t.customer().await;
        let settings = serde_json::json!({
            "provider": "signed_webhook", "secret": "sixteen letters!",
        });
        let name = "Bank".to_owned();
        let new = NewGateway { tenant: t.tenant, name, currency: None, settings };
        let gateway = add_gateway(&t.app, new, &By::cli(), t.now()).await.unwrap();
        Till { t, gateway, customer }
    }

    async fn sells(&self, name: &str, price: i64, vouchers: u16) {
        let (tenant, terms) = (self.t.tenant, Terms::hotspot(Span::hours(1)));
        let new = NewPlan { tenant, name: name.to_owned(), price: shillings(price), terms };
        let sale = Sale { vouchers: NonZeroU16::new(vouchers).unwrap(), ..Sale::default() };
        add_plan_for_sale(&self.t.app, new, sale, &By::cli(), self.t.now()).await.unwrap();
    }

    /// Somebody's phone is asked for the price of that plan.
    async fn asks(&self, plan: &str, renews: Option<GrantId>) -> PaymentId {
        let (tenant, name) = (self.t.tenant, plan.to_owned());
        let look =
            async move |tx: &mut Tx<'_>| lango_store::plans::by_name(tx, tenant, &name).await;
        let plan = self.t.app.store().read(look).await.unwrap().unwrap().plan.id;
        let purchase = Purchase {
            tenant,
            plan,
            gateway: None,
            phone: PhoneNumber::parse("0712345678", Country::Ke).unwrap(),
            customer: Some(self.customer),
            renews,
            router: None,
            mac: None,
            address: None,
            language: Language::En,
        };
        begin_purchase(&self.t.app, purchase, self.t.now()).await.unwrap().payment.id
    }

    async fn paid(&self, payment: PaymentId, receipt: &str, amount: i64) -> Came {
        self.proven(payment, receipt, Some(shillings(amount))).await
    }

    async fn proven(&self, payment: PaymentId, receipt: &str, amount: Option<Money>) -> Came {
        let receipt = receipt.to_owned();
        let proof = Proof { receipt, amount, payer: None, paid_at: None };
        confirm_payment(&self.t.app, payment, proof, self.t.now()).await.unwrap()
    }

    async fn buys(&self, plan: &str, receipt: &str, price: i64) -> (PaymentId, GrantId) {
        let payment = self.asks(plan, None).await;
        match self.paid(payment, receipt, price).await {
            Came::Bought(grant) => (payment, grant),
            other => panic!("{other:?}"),
        }
    }

    async fn refunds(&self, payment: PaymentId) -> Result<PaymentState, NotRefunded> {
        let whose = (self.t.tenant, payment);
        refund_payment(&self.t.app, whose, Way::ByHand, &By::cli(), self.t.now()).await
    }

    async fn payment(&self, id: PaymentId) -> Payment {
        let look = async move |tx: &mut Tx<'_>| lango_store::payments::find(tx, id).await;
        self.t.app.store().read(look).await.unwrap().unwrap()
    }

    /// The provider was told to give it back, and has not said what became of that.
    async fn is_on_its_way_back(&self, id: PaymentId) {
        let payment = self.payment(id).await;
        let receipt = payment.state.receipt().unwrap().to_owned();
        let payment = Payment { state: PaymentState::Refunding { receipt }, ..payment };
        let save = async move |tx: &mut Tx<'_>| lango_store::payments::save(tx, &payment).await;
        self.t.app.store().write(save).await.unwrap();
    }

    async fn works_off(&self, receipt: &str, what: Use) -> Result<MoneyIn, NotWorkedOff> {
        let (whose, why) = ((self.t.tenant, self.money(receipt).await.id), "he asked".to_owned());
        work_off_money(&self.t.app, whose, (what, why), None, &By::cli(), self.t.now()).await
    }

    async fn types_in(&self, grant: GrantId, receipt: &str, amount: i64) -> Accepted {
        let payment = accept_payment::Payment {
            tenant: self.t.tenant,
            grant,
            provider: self.gateway.provider.clone(),
            receipt: receipt.to_owned(),
            amount: shillings(amount),
        };
        accept_payment(&self.t.app, payment, &By::cli(), self.t.now()).await.unwrap()
    }

    async fn all_money(&self) -> Vec<MoneyIn> {
        let tenant = self.t.tenant;
        let all = async move |tx: &mut Tx<'_>| {
            lango_store::money_in::listed(tx, tenant, false, Order::Ascending, None, 100).await
        };
        self.t.app.store().read(all).await.unwrap()
    }

    async fn money(&self, receipt: &str) -> MoneyIn {
        let all = self.all_money().await;
        all.into_iter().find(|money| money.receipt == receipt).expect("money with that receipt")
    }

    async fn grants(&self) -> Vec<GrantId> {
        let (tenant, customer) = (self.t.tenant, self.customer);
        let all = async move |tx: &mut Tx<'_>| {
            lango_store::grants::of_customer(tx, tenant, customer).await
        };
        let all = self.t.app.store().read(all).await.unwrap();
        all.into_iter().map(|stored| stored.grant.id).collect()
    }

    async fn is_good(&self, grant: GrantId) -> bool {
        self.t.grant(grant).await.grant.wanted().is_online()
    }

    /// What is in an account of the books; what is a customer's or earned is negative there.
    async fn sum(&self, account: &str) -> i64 {
        let tenant = self.t.tenant;
        let all = async move |tx: &mut Tx<'_>| ledger::balances(tx, tenant).await;
        let all = self.t.app.store().read(all).await.unwrap();
        let of = all.iter().filter(|one| one.account == account);
        of.map(|one| one.amount.amount).sum::<i64>() / 100
    }

    async fn close(mut self) {
        self.t.pump().await;
        let tenant = self.t.tenant;
        let wrong = async move |tx: &mut Tx<'_>| {
            let unbalanced = ledger::count_unbalanced(tx, tenant).await?;
            Ok((unbalanced, ledger::count_wallets_off(tx, tenant).await?))
        };
        assert_eq!(self.t.app.store().read(wrong).await.unwrap(), (0, 0), "the books are wrong");
        assert_eq!(self.sum("refunds").await, 0, "nothing is on its way any more");
        self.t.finish().await;
    }
}

/// He was asked for fifty, and thirty came: the desk gave him something smaller for it.
async fn no_more_goes_back_than_was_used(engine: Engine) {
    let till = Till::on(engine).await;
    till.sells("Small", 20, 1).await;
    let (small, _) = till.t.voucher("Small", Some(till.customer)).await;
    let payment = till.asks(HOUR, None).await;
    assert_eq!(till.paid(payment, "R1", 30).await, Came::Waits(Misfit::TooLittle));
    till.works_off("R1", Use::Grant(small)).await.unwrap();
    assert_eq!((till.sum("revenue").await, till.sum("wallet").await), (-20, -10));
    till.refunds(payment).await.unwrap();
    assert!(till.is_good(small).await, "he had it before");
    assert_eq!((till.sum("revenue").await, till.sum("wallet").await), (0, -10));
    assert_eq!(till.sum("clearing").await, 10, "what is in his wallet is still here");
    till.close().await;
}

async fn a_bundle_ends_as_a_whole_with_its_money(engine: Engine) {
    let till = Till::on(engine).await;
    till.sells("Family", 120, 3).await;
    let (_, other) = till.buys(HOUR, "R1", 50).await;
    let (payment, first) = till.buys("Family", "R2", 120).await;
    let (_, later) = till.buys("Family", "R3", 120).await;
    assert_eq!(till.grants().await.len(), 7);
    till.refunds(payment).await.unwrap();
    let mut good = Vec::new();
    for grant in till.grants().await {
        good.extend(till.is_good(grant).await.then_some(grant));
    }
    assert_eq!(good.len(), 4, "three have ended");
    assert!(good.contains(&other) && good.contains(&later) && !good.contains(&first));
    till.close().await;
}

async fn what_the_desk_renewed_does_not_end_with_the_money(engine: Engine) {
    let till = Till::on(engine).await;
    let (held, _) = till.t.voucher(HOUR, Some(till.customer)).await;
    let payment = till.asks(HOUR, None).await;
    assert!(matches!(till.types_in(held, "R1", 50).await, Accepted::Now(_)));
    assert_eq!(till.paid(payment, "R1", 50).await, Came::Known);
    till.refunds(payment).await.unwrap();
    assert!(till.is_good(held).await, "he had it before");
    assert_eq!((till.sum("clearing").await, till.sum("revenue").await), (0, 0));
    till.close().await;
}

async fn what_the_desk_gave_back_is_not_paid(engine: Engine) {
    let till = Till::on(engine).await;
    let payment = till.asks(HOUR, None).await;
    let told = Told {
        receipt: "R1".to_owned(),
        amount: shillings(50),
        account: "nobody".to_owned(),
        payer: None,
        name: None,
        paid_at: None,
    };
    let came = take_money(&till.t.app, &till.gateway, told, till.t.now()).await.unwrap();
    assert!(matches!(came, Came::Waits(_)));
    till.works_off("R1", Use::GivenBack).await.unwrap();
    assert_eq!(till.paid(payment, "R1", 50).await, Came::Known);
    let state = till.payment(payment).await.state;
    assert!(matches!(state, PaymentState::Refunded { .. }), "{state:?}");
    assert!(till.refunds(payment).await.is_err(), "he has it back");
    till.close().await;
}

/// The provider says first that it was paid, and only later by which receipt.
async fn the_receipt_that_follows_is_the_same_money_whatever_became_of_it(engine: Engine) {
    let till = Till::on(engine).await;
    let (over, _) = till.t.voucher(HOUR, Some(till.customer)).await;
    let waits = till.asks(HOUR, Some(over)).await;
    recognized(&till.t.app, waits, "Q1".to_owned()).await.unwrap();
    till.t.tell(over, Event::Terminate).await;
    assert_eq!(till.proven(waits, "Q1", None).await, Came::Waits(Misfit::NotForSale));
    assert_eq!(till.paid(waits, "R1", 50).await, Came::Known);

    let goes_back = till.asks(HOUR, None).await;
    recognized(&till.t.app, goes_back, "Q2".to_owned()).await.unwrap();
    assert!(matches!(till.proven(goes_back, "Q2", None).await, Came::Bought(_)));
    till.refunds(goes_back).await.unwrap();
    assert_eq!(till.paid(goes_back, "R2", 50).await, Came::Known);

    let receipts: Vec<_> = till.all_money().await.into_iter().map(|one| one.receipt).collect();
    assert_eq!(receipts, ["R1", "R2"]);
    assert_eq!((till.sum("clearing").await, till.sum("wallet").await), (50, 0));
    assert_eq!(till.payment(waits).await.state.receipt(), Some("R1"));
    assert_eq!(till.payment(goes_back).await.state.word(), "refunded");
    till.close().await;
}

async fn money_on_its_way_back_buys_nothing(engine: Engine) {
    let till = Till::on(engine).await;
    let (held, _) = till.t.voucher(HOUR, Some(till.customer)).await;
    let payment = till.asks(HOUR, None).await;
    till.paid(payment, "R1", 30).await;
    till.is_on_its_way_back(payment).await;
    for what in [Use::Grant(held), Use::Wallet(till.customer), Use::GivenBack] {
        let refused = till.works_off("R1", what).await;
        assert!(matches!(refused, Err(NotWorkedOff::GoesBack)), "{what:?}: {refused:?}");
    }
    let typed = till.types_in(held, "R1", 30).await;
    assert!(matches!(typed, Accepted::GoesBack), "{typed:?}");
    till.refunds(payment).await.unwrap();
    assert_eq!(till.money("R1").await.fate, Fate::GivenBack);
    assert_eq!((till.sum("clearing").await, till.sum("suspense").await), (0, 0));
    till.close().await;
}

async fn what_was_paid_twice_is_given_back_by_itself(engine: Engine) {
    let till = Till::on(engine).await;
    let (payment, grant) = till.buys(HOUR, "R1", 50).await;
    assert_eq!(till.paid(payment, "R2", 50).await, Came::Credited(till.customer));
    let (whose, why) = ((till.t.tenant, till.money("R2").await.id), "paid twice".to_owned());
    give_money_back(&till.t.app, whose, (true, why), None, &By::cli(), till.t.now()).await.unwrap();
    assert_eq!((till.sum("wallet").await, till.sum("clearing").await), (0, 50));
    assert!(till.is_good(grant).await, "the first money bought it");
    assert!(matches!(till.payment(payment).await.state, PaymentState::Paid { .. }));
    let (whose, why) = ((till.t.tenant, till.money("R1").await.id), "and that".to_owned());
    let refused =
        give_money_back(&till.t.app, whose, (true, why), None, &By::cli(), till.t.now()).await;
    assert!(matches!(refused, Err(NotWorkedOff::OfPayment(_))), "{refused:?}");
    till.close().await;
}

async fn a_refund_that_nobody_answers_for_is_noted_by_hand(engine: Engine) {
    let till = Till::on(engine).await;
    let (payment, _) = till.buys(HOUR, "R1", 50).await;
    till.is_on_its_way_back(payment).await;
    let whose = (till.t.tenant, payment);
    let again = refund_payment(&till.t.app, whose, Way::ByProvider, &By::cli(), till.t.now()).await;
    assert!(matches!(again, Err(NotRefunded::NotPaid(_))), "he is told once: {again:?}");
    till.refunds(payment).await.unwrap();
    assert_eq!(till.payment(payment).await.state.word(), "refunded");
    assert_eq!((till.sum("clearing").await, till.sum("revenue").await), (0, 0));
    assert!(till.refunds(payment).await.is_err(), "once");
    till.close().await;
}

async fn what_is_spent_does_not_go_back(engine: Engine) {
    let till = Till::on(engine).await;
    let (held, _) = till.t.voucher(HOUR, Some(till.customer)).await;
    let payment = till.asks(HOUR, None).await;
    till.paid(payment, "R1", 30).await;
    till.works_off("R1", Use::Wallet(till.customer)).await.unwrap();
    let (other, _) = till.buys(HOUR, "R2", 70).await;
    assert_eq!(till.sum("wallet").await, -50);
    let whose = (till.t.tenant, till.customer);
    let what = Buys::Renewal(held);
    spend_wallet(&till.t.app, whose, what, &By::cli(), till.t.now()).await.unwrap();
    assert!(matches!(till.refunds(payment).await, Err(NotRefunded::Spent)));
    assert_eq!(till.payment(payment).await.state.word(), "paid", "nothing was begun");
    till.refunds(other).await.unwrap();
    assert_eq!((till.sum("clearing").await, till.sum("revenue").await), (50, -50));
    till.close().await;
}
