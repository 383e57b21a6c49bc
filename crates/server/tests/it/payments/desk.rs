//! Money that people decide about: what waits, what lies in wallets, what was taken by hand, and
//! what renews itself. The books are right after every story.

use crate::harness::{Engine, Harness, pppoe, stories};
use lango_domain::grant::{EndReason, State};
use lango_domain::ids::{CustomerId, GrantId, MoneyId};
use lango_domain::language::Language;
use lango_domain::money::{Currency, Money};
use lango_domain::phone_number::PhoneNumber;
use lango_domain::plan::Terms;
use lango_domain::sale::Sale;
use lango_domain::time::{Span, Timestamp};
use lango_server::operations::accept_payment::{Accepted, Payment, accept_payment};
use lango_server::operations::add_plan::{NewPlan, add_plan_for_sale};
use lango_server::operations::asked::By;
use lango_server::operations::begin_purchase::{NotBegun, Purchase, begin_purchase};
use lango_server::operations::confirm_payment::{Came, take_money};
use lango_server::operations::diagnose::diagnose;
use lango_server::operations::gateways::{NewGateway, add_gateway, merged_settings, settings_of};
use lango_server::operations::renew_itself::{
    AFTER_THE_END, BEFORE_THE_END, CannotRenew, let_renew_itself, renew_due,
};
use lango_server::operations::spend_wallet::{Buys, NotSpent, spend_wallet, spend_wallet_as_shown};
use lango_server::operations::work_off_money::{
    NotWorkedOff, Use, give_money_back, work_off_money,
};
use lango_server::payments::MoneyIn as Told;
use lango_store::gateways::Gateway;
use lango_store::money_in::{Fate, MoneyIn};
use lango_store::{Order, Tx, ledger};

stories!(
    what_waits_is_given_to_whoever_it_is_for,
    what_waits_is_decided_once,
    a_wallet_is_not_spent_twice,
    a_second_tap_on_what_a_wallet_held_buys_nothing,
    a_bundle_is_bought_anew_and_never_renewed,
    too_little_is_kept_until_it_is_enough,
    too_much_is_a_purchase_and_a_wallet,
    a_receipt_from_a_phone_is_the_same_money_as_the_providers,
    what_renews_itself_is_never_cut_while_there_is_money,
    what_renews_itself_waits_for_money_for_a_week,
    cash_is_given_back_and_the_books_know,
    the_diagnosis_speaks_of_money,
    secrets_stay_when_other_settings_change,
);

struct Desk {
    t: Harness,
    gateway: Gateway,
    service: GrantId,
    customer: CustomerId,
}

fn shillings(amount: i64) -> Money {
    Money::new(amount * 100, Currency::KES)
}

fn by() -> By {
    By::token("manager")
}

impl Desk {
    /// Ann has a line for 50 shillings a day.
    async fn on(engine: Engine) -> Desk {
        let mut t = Harness::on(engine).await;
        t.plan("Day", Terms::service(Span::days(1))).await;
        let service = t.service("Day", pppoe("ann")).await;
        let customer = t.grant(service).await.grant.customer.unwrap();
        let settings = serde_json::json!({
            "provider": "signed_webhook", "secret": "sixteen letters!",
        });
        let name = "Bank".to_owned();
        let new = NewGateway { tenant: t.tenant, name, currency: None, settings };
        let gateway = add_gateway(&t.app, new, &By::cli(), t.now()).await.unwrap();
        Desk { t, gateway, service, customer }
    }

    /// The provider tells of money to an account.
    async fn comes(&self, receipt: &str, amount: i64, account: &str) -> Came {
        let told = Told {
            receipt: receipt.to_owned(),
            amount: shillings(amount),
            account: account.to_owned(),
            payer: Some("2547 ***** 126".to_owned()),
            name: Some("NICHOLAS".to_owned()),
            paid_at: None,
        };
        take_money(&self.t.app, &self.gateway, told, self.t.now()).await.unwrap()
    }

    async fn takes(&self, provider: &str, receipt: &str, amount: i64) -> Accepted {
        let payment = Payment {
            tenant: self.t.tenant,
            grant: self.service,
            provider: provider.to_owned(),
            receipt: receipt.to_owned(),
            amount: shillings(amount),
        };
        accept_payment(&self.t.app, payment, &by(), self.t.now()).await.unwrap()
    }

    async fn money(&self, receipt: &str) -> MoneyIn {
        let (tenant, receipt) = (self.t.tenant, receipt.to_owned());
        let find = async move |tx: &mut Tx<'_>| {
            lango_store::money_in::by_any_receipt(tx, tenant, &receipt).await
        };
        self.t.app.store().read(find).await.unwrap().expect("one such money")
    }

    async fn decide(&self, id: MoneyId, what: Use) -> Result<MoneyIn, NotWorkedOff> {
        let why = (what, "he called us".to_owned());
        work_off_money(&self.t.app, (self.t.tenant, id), why, None, &by(), self.t.now()).await
    }

    async fn renew(&self) -> Result<Money, NotSpent> {
        let (whose, what) = ((self.t.tenant, self.customer), Buys::Renewal(self.service));
        let spent = spend_wallet(&self.t.app, whose, what, &by(), self.t.now()).await?;
        Ok(spent.left)
    }

    async fn wallet(&self) -> i64 {
        let (tenant, customer) = (self.t.tenant, self.customer);
        let has =
            async move |tx: &mut Tx<'_>| ledger::wallet(tx, tenant, customer, Currency::KES).await;
        self.t.app.store().read(has).await.unwrap().amount / 100
    }

    async fn sum(&self, account: &str) -> i64 {
        let tenant = self.t.tenant;
        let all = async move |tx: &mut Tx<'_>| ledger::balances(tx, tenant).await;
        let all = self.t.app.store().read(all).await.unwrap();
        let of = all.iter().filter(|one| one.account == account);
        of.map(|one| one.amount.amount).sum::<i64>() / 100
    }

    async fn ends_at(&self) -> Timestamp {
        self.t.grant(self.service).await.grant.state.ends_at().expect("it has an end")
    }

    /// Time passes, and what renews itself does so at its own instant.
    async fn pass(&mut self, span: Span) {
        let until = self.t.now() + span;
        loop {
            renew_due(&self.t.app, self.t.now()).await.unwrap();
            self.t.pump().await;
            let next = async |tx: &mut Tx<'_>| lango_store::renewals::next(tx).await;
            let next = self.t.app.store().read(next).await.unwrap();
            match next.filter(|next| *next > self.t.now() && *next < until) {
                Some(next) => self.t.advance(next.since(self.t.now())).await,
                None if self.t.now() < until => self.t.advance(until.since(self.t.now())).await,
                None => return,
            }
        }
    }

    async fn close(self) {
        let tenant = self.t.tenant;
        let wrong = async move |tx: &mut Tx<'_>| {
            let unbalanced = ledger::count_unbalanced(tx, tenant).await?;
            Ok((unbalanced, ledger::count_wallets_off(tx, tenant).await?))
        };
        assert_eq!(self.t.app.store().read(wrong).await.unwrap(), (0, 0), "the books are wrong");
        self.t.finish().await;
    }
}

async fn what_waits_is_given_to_whoever_it_is_for(engine: Engine) {
    let desk = Desk::on(engine).await;
    let before = desk.ends_at().await;
    assert!(matches!(desk.comes("B1", 60, "amn").await, Came::Waits(_)));
    let done = desk.decide(desk.money("B1").await.id, Use::Grant(desk.service)).await.unwrap();
    assert_eq!((done.fate, done.grant), (Fate::Used, Some(desk.service)));
    assert_eq!(desk.ends_at().await, before + Span::days(1));
    assert_eq!((desk.wallet().await, desk.sum("revenue").await), (10, -50));

    assert!(matches!(desk.comes("B2", 20, "?").await, Came::Waits(_)));
    let done = desk.decide(desk.money("B2").await.id, Use::Wallet(desk.customer)).await.unwrap();
    assert_eq!(done.fate, Fate::Credited);
    assert_eq!(desk.wallet().await, 30);

    // With what is in the wallet it is enough.
    assert!(matches!(desk.comes("B3", 20, "?").await, Came::Waits(_)));
    desk.decide(desk.money("B3").await.id, Use::Grant(desk.service)).await.unwrap();
    assert_eq!(desk.ends_at().await, before + Span::days(2));
    assert_eq!((desk.wallet().await, desk.sum("revenue").await), (0, -100));

    assert!(matches!(desk.comes("B4", 70, "?").await, Came::Waits(_)));
    let done = desk.decide(desk.money("B4").await.id, Use::GivenBack).await.unwrap();
    assert_eq!(done.fate, Fate::GivenBack);
    assert_eq!((desk.sum("clearing").await, desk.sum("suspense").await), (100, 0));
    let told = desk.t.story_of(desk.service).await;
    assert!(told.iter().any(|line| line.what == "paid" && line.actor == "token manager"));
    desk.close().await;
}

async fn what_waits_is_decided_once(engine: Engine) {
    let desk = Desk::on(engine).await;
    desk.comes("B1", 50, "?").await;
    let id = desk.money("B1").await.id;
    let (one, two) = tokio::join!(
        desk.decide(id, Use::Grant(desk.service)),
        desk.decide(id, Use::Wallet(desk.customer)),
    );
    let (one, two) = (one.is_ok(), two.is_ok());
    assert!(one != two, "one of them decides it: {one} {two}");
    let undone = desk.decide(id, Use::GivenBack).await.unwrap_err().to_string();
    assert!(undone.contains("cannot be undone"), "{undone}");
    let manager = by();
    let nothing = work_off_money(
        &desk.t.app,
        (desk.t.tenant, id),
        (Use::GivenBack, " ".to_owned()),
        None,
        &manager,
        desk.t.now(),
    );
    assert!(matches!(nothing.await, Err(NotWorkedOff::NoReason)));
    desk.close().await;
}

async fn a_wallet_is_not_spent_twice(engine: Engine) {
    let desk = Desk::on(engine).await;
    desk.comes("B1", 60, "?").await;
    desk.decide(desk.money("B1").await.id, Use::Wallet(desk.customer)).await.unwrap();
    let before = desk.ends_at().await;
    let (one, two, three) = tokio::join!(desk.renew(), desk.renew(), desk.renew());
    let outcomes = [one, two, three];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    for outcome in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(matches!(outcome, NotSpent::TooLittle { .. }), "{outcome:?}");
    }
    assert_eq!(desk.ends_at().await, before + Span::days(1));
    assert_eq!((desk.wallet().await, desk.sum("revenue").await), (10, -50));
    let service = desk.service;
    let receipts = async move |tx: &mut Tx<'_>| lango_store::receipts::of_grant(tx, service).await;
    let receipts = desk.t.app.store().read(receipts).await.unwrap();
    assert_eq!((receipts.len(), receipts[0].provider.as_str()), (1, "wallet"));
    desk.close().await;
}

async fn a_second_tap_on_what_a_wallet_held_buys_nothing(engine: Engine) {
    let desk = Desk::on(engine).await;
    desk.comes("B1", 160, "?").await;
    desk.decide(desk.money("B1").await.id, Use::Wallet(desk.customer)).await.unwrap();
    let before = desk.ends_at().await;
    let (whose, what) = ((desk.t.tenant, desk.customer), Buys::Renewal(desk.service));
    let (manager, now) = (by(), desk.t.now());
    let tap = || spend_wallet_as_shown(&desk.t.app, whose, what, shillings(160), &manager, now);
    let (one, two, three) = tokio::join!(tap(), tap(), tap());
    let outcomes = [one, two, three];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    for outcome in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(matches!(outcome, NotSpent::Changed { .. }), "{outcome:?}");
    }
    assert_eq!(desk.ends_at().await, before + Span::days(1), "there was enough for three");
    assert_eq!((desk.wallet().await, desk.sum("revenue").await), (110, -50));
    desk.close().await;
}

/// Its price is that of three vouchers, and one of them is not worth as much.
async fn a_bundle_is_bought_anew_and_never_renewed(engine: Engine) {
    let mut desk = Desk::on(engine).await;
    desk.takes("cash", "1", 200).await;
    let (tenant, now) = (desk.t.tenant, desk.t.now());
    let terms = Terms::hotspot(Span::hours(1));
    let new = NewPlan { tenant, name: "Family".to_owned(), price: shillings(60), terms };
    let sale = Sale { vouchers: 3.try_into().unwrap(), ..Sale::default() };
    let family = add_plan_for_sale(&desk.t.app, new, sale, &by(), now).await.unwrap().plan.id;
    let whose = (tenant, desk.customer);
    let bought = spend_wallet(&desk.t.app, whose, Buys::New(family), &by(), now).await.unwrap();
    assert_eq!(desk.wallet().await, 90);
    let again = Buys::Renewal(bought.grant);
    let refused = spend_wallet(&desk.t.app, whose, again, &by(), now).await;
    assert!(matches!(refused, Err(NotSpent::Bundle)), "{refused:?}");
    let by_itself = let_renew_itself(&desk.t.app, (tenant, bought.grant), true, &by(), now).await;
    assert!(matches!(by_itself, Err(CannotRenew::Bundle)), "{by_itself:?}");
    let on_top = Buys::OnTop(bought.grant, family);
    let more = spend_wallet(&desk.t.app, whose, on_top, &by(), now).await.unwrap();
    assert_ne!(more.grant, bought.grant, "three more");
    assert_eq!(desk.wallet().await, 30);
    let purchase = Purchase {
        tenant,
        plan: family,
        gateway: None,
        phone: PhoneNumber::from_e164("+254712345678").unwrap(),
        customer: None,
        renews: Some(bought.grant),
        router: None,
        mac: None,
        address: None,
        language: Language::En,
    };
    let by_phone = begin_purchase(&desk.t.app, purchase, now).await;
    assert!(matches!(by_phone, Err(NotBegun::NotRenewable)), "{by_phone:?}");
    desk.t.pump().await;
    desk.close().await;
}

async fn too_little_is_kept_until_it_is_enough(engine: Engine) {
    let desk = Desk::on(engine).await;
    let before = desk.ends_at().await;
    let first = desk.takes("cash", "C1", 30).await;
    assert!(
        matches!(&first, Accepted::Credited { balance, .. } if *balance == shillings(30)),
        "{first:?}"
    );
    assert_eq!(desk.takes("cash", "C1", 30).await, Accepted::Already(desk.service));
    assert_eq!(desk.ends_at().await, before);
    assert!(matches!(desk.takes("cash", "C2", 25).await, Accepted::Now(_)));
    assert_eq!(desk.ends_at().await, before + Span::days(1));
    assert_eq!((desk.wallet().await, desk.sum("revenue").await), (5, -50));
    // The same by an account number.
    assert!(matches!(desk.comes("B1", 20, "ann").await, Came::Credited(_)));
    assert!(matches!(desk.comes("B2", 25, "ANN").await, Came::Bought(_)));
    assert_eq!((desk.wallet().await, desk.sum("revenue").await), (0, -100));
    desk.close().await;
}

async fn too_much_is_a_purchase_and_a_wallet(engine: Engine) {
    let desk = Desk::on(engine).await;
    let before = desk.ends_at().await;
    assert!(matches!(desk.takes("bank", "T1", 120).await, Accepted::Now(_)));
    assert_eq!(desk.ends_at().await, before + Span::days(1), "one purchase");
    assert_eq!((desk.wallet().await, desk.sum("clearing").await), (70, 120));
    assert_eq!(desk.renew().await.unwrap(), shillings(20));
    assert!(matches!(desk.renew().await, Err(NotSpent::TooLittle { .. })));
    desk.close().await;
}

async fn a_receipt_from_a_phone_is_the_same_money_as_the_providers(engine: Engine) {
    let desk = Desk::on(engine).await;
    // The provider is faster, and nobody knows what it is for.
    desk.comes("RKL51ZDR4F", 50, "?").await;
    assert!(matches!(desk.takes("mpesa", "RKL51ZDR4F", 50).await, Accepted::Now(_)));
    assert_eq!(desk.money("RKL51ZDR4F").await.fate, Fate::Used);
    // The cashier is faster.
    assert!(matches!(desk.takes("mpesa", "RKL51ZDR5G", 50).await, Accepted::Now(_)));
    assert_eq!(desk.comes("RKL51ZDR5G", 50, "ann").await, Came::Known);
    // Both at once.
    let (told, taken) =
        tokio::join!(desk.comes("RKL51ZDR6H", 50, "?"), desk.takes("bank", "C1", 50));
    assert!(matches!(told, Came::Waits(_)) && matches!(taken, Accepted::Now(_)));
    let tenant = desk.t.tenant;
    let all = async move |tx: &mut Tx<'_>| {
        lango_store::money_in::listed(tx, tenant, false, Order::Ascending, None, 10).await
    };
    assert_eq!(desk.t.app.store().read(all).await.unwrap().len(), 4);
    assert_eq!(desk.sum("revenue").await, -150);
    desk.close().await;
}

async fn what_renews_itself_is_never_cut_while_there_is_money(engine: Engine) {
    let mut desk = Desk::on(engine).await;
    desk.comes("B1", 120, "?").await;
    desk.decide(desk.money("B1").await.id, Use::Wallet(desk.customer)).await.unwrap();
    let (whose, first_end) = ((desk.t.tenant, desk.service), desk.ends_at().await);
    let on = let_renew_itself(&desk.t.app, whose, true, &by(), desk.t.now()).await.unwrap();
    assert!(on.is_some());
    desk.pass(first_end.since(desk.t.now()).less(BEFORE_THE_END).less(Span::seconds(1))).await;
    assert_eq!(desk.ends_at().await, first_end, "not before it has to");
    desk.pass(Span::seconds(2)).await;
    assert_eq!(desk.ends_at().await, first_end + Span::days(1));
    assert_eq!(desk.wallet().await, 70);
    let texts = desk.t.messages().await;
    assert!(texts.iter().any(|text| text.body.contains("50")), "he is told: {texts:?}");
    desk.pass(Span::days(1)).await;
    assert_eq!((desk.ends_at().await, desk.wallet().await), (first_end + Span::days(2), 20));
    assert!(matches!(desk.t.grant(desk.service).await.grant.state, State::Active(_)));
    desk.pass(Span::hours(25)).await;
    assert_eq!(desk.t.ended(desk.service).await, Some(EndReason::TimeUp), "20 is too little");
    desk.close().await;
}

async fn what_renews_itself_waits_for_money_for_a_week(engine: Engine) {
    let mut desk = Desk::on(engine).await;
    let whose = (desk.t.tenant, desk.service);
    let_renew_itself(&desk.t.app, whose, true, &by(), desk.t.now()).await.unwrap();
    desk.pass(Span::days(3)).await;
    assert!(desk.t.ended(desk.service).await.is_some());
    desk.comes("B1", 50, "?").await;
    desk.decide(desk.money("B1").await.id, Use::Wallet(desk.customer)).await.unwrap();
    desk.pass(Span::seconds(1)).await;
    assert_eq!(desk.t.ended(desk.service).await, None, "money came, and it goes on");
    desk.pass(AFTER_THE_END + Span::days(3)).await;
    desk.comes("B2", 50, "?").await;
    desk.decide(desk.money("B2").await.id, Use::Wallet(desk.customer)).await.unwrap();
    desk.pass(Span::hours(2)).await;
    assert!(desk.t.ended(desk.service).await.is_some(), "nobody expects that any more");
    assert_eq!(desk.wallet().await, 50);
    // What is nobody's has no wallet.
    let (voucher, _) = desk.t.voucher("Day", None).await;
    let manager = by();
    let nobodys =
        let_renew_itself(&desk.t.app, (desk.t.tenant, voucher), true, &manager, desk.t.now());
    assert!(matches!(nobodys.await, Err(CannotRenew::Nobodys)));
    desk.close().await;
}

async fn cash_is_given_back_and_the_books_know(engine: Engine) {
    let desk = Desk::on(engine).await;
    assert!(matches!(desk.takes("cash", "C1", 60).await, Accepted::Now(_)));
    let give = async |id: MoneyId, ends: bool| {
        let how = (ends, "paid twice".to_owned());
        give_money_back(&desk.t.app, (desk.t.tenant, id), how, None, &by(), desk.t.now()).await
    };
    let id = desk.money("C1").await.id;
    assert_eq!(give(id, false).await.unwrap().fate, Fate::GivenBack);
    assert_eq!(desk.t.ended(desk.service).await, None);
    assert_eq!((desk.sum("clearing").await, desk.sum("revenue").await), (0, 0));
    assert_eq!(desk.wallet().await, 0, "what was too much went back with it");
    assert!(matches!(give(id, false).await, Err(NotWorkedOff::GivenBack)));
    // What he has spent cannot be taken out of his wallet again.
    assert!(matches!(desk.takes("cash", "C2", 100).await, Accepted::Now(_)));
    desk.renew().await.unwrap();
    let spent = give(desk.money("C2").await.id, true).await;
    assert!(matches!(spent, Err(NotWorkedOff::Spent)), "{spent:?}");
    assert_eq!(desk.t.ended(desk.service).await, None, "nothing of it was done");
    desk.comes("B1", 50, "?").await;
    let waits = give(desk.money("B1").await.id, false).await;
    assert!(matches!(waits, Err(NotWorkedOff::Waits)), "{waits:?}");
    assert!(matches!(desk.takes("cash", "C3", 50).await, Accepted::Now(_)));
    give(desk.money("C3").await.id, true).await.unwrap();
    assert_eq!(desk.t.ended(desk.service).await, Some(EndReason::Terminated));
    desk.close().await;
}

async fn the_diagnosis_speaks_of_money(engine: Engine) {
    let desk = Desk::on(engine).await;
    desk.comes("B1", 50, "?").await;
    let found = diagnose(&desk.t.app, desk.t.now()).await.unwrap();
    let money = &found.tenants[0].money;
    assert_eq!((money.waiting, money.unbalanced, money.wallets_off), (1, 0, 0));
    let told: Vec<&str> = found.findings.iter().map(|one| one.what.as_str()).collect();
    assert!(told.iter().any(|what| what.contains("wait for a person")), "{told:?}");
    assert!(told.iter().any(|what| what.contains("public_url is not set")), "{told:?}");
    desk.close().await;
}

async fn secrets_stay_when_other_settings_change(engine: Engine) {
    let desk = Desk::on(engine).await;
    let shown = settings_of(&desk.t.app, &desk.gateway).unwrap().shown();
    assert!(!shown.to_string().contains("sixteen"), "{shown}");
    let mut change = shown.clone();
    change["header"] = "x-signature".into();
    let merged = merged_settings(&desk.t.app, &desk.gateway, &change).unwrap();
    assert_eq!(merged["secret"], "sixteen letters!");
    assert_eq!(merged["header"], "x-signature");
    let gone = serde_json::json!({ "header": null });
    let merged = merged_settings(&desk.t.app, &desk.gateway, &gone).unwrap();
    assert!(merged.get("header").is_none());
    desk.close().await;
}
