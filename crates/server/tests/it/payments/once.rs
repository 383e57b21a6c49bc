//! One receipt, one grant: whatever is said twice, late, early or against itself, whoever taps
//! again, on whichever of two nodes, and whatever is left lying in the middle.

use super::shop::{HOUR, Shop, post, price, settings};
use crate::harness::{Engine, mac, pppoe, stories};
use futures_util::future::join_all;
use lango_domain::ids::{GrantId, PaymentId};
use lango_domain::payment::PaymentState;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::plan::Terms;
use lango_domain::sale::Sale;
use lango_domain::time::{Span, Timestamp};
use lango_provider_sim::{
    Amount, CallbackFault, Disturbance, Owner, RequestFault, Transaction, daraja,
};
use lango_server::app::App;
use lango_server::cashier;
use lango_server::operations::accept_payment::{self, Accepted, accept_payment};
use lango_server::operations::add_plan::{NewPlan, add_plan_for_sale};
use lango_server::operations::asked::By;
use lango_server::operations::begin_purchase::{Purchase, begin_purchase};
use lango_store::Tx;
use lango_store::money_in::{Fate, MoneyIn};
use lango_store::payments::Payment;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

stories!(
    one_receipt_is_one_grant_in_whatever_order_it_is_told,
    what_was_paid_while_it_was_asked_stays_paid,
    other_money_by_hand_is_not_taken_for_the_receipt_that_is_missing,
    a_receipt_that_the_desk_used_buys_nothing_more,
    a_question_that_was_left_lying_is_not_asked_beside_a_newer_one,
);

/// How many purchases go through their own kind of trouble, on each database.
const SCHEDULES: u32 = 60;
const LEAP: Span = Span::seconds(95);
const MONTH: Span = Span::days(30);
/// The number that M-Pesa knows for its list.
const LISTS: Option<&str> = Some("254700000000");

async fn one_receipt_is_one_grant_in_whatever_order_it_is_told(engine: Engine) {
    let mut town = Town::on(engine).await;
    for schedule in 1..=SCHEDULES {
        // The first numbers are those of customers who come by another way.
        town.live_through(1_000 + schedule).await;
    }
    town.comes_out_even().await;
}

/// Two nodes on one database, and a provider that tells everything in two ways and in a list.
struct Town {
    shop: Shop,
    nodes: [(App, String); 2],
    sold: usize,
}

/// One purchase under way, and the trouble that it has.
struct Trouble {
    number: u32,
    purchase: Purchase,
    begun: Mutex<BTreeSet<PaymentId>>,
    /// Nodes leave things lying, or the question itself may be lost.
    may_stay_unasked: bool,
    first_end: Option<Timestamp>,
}

/// What happens; several at once.
#[derive(Debug)]
enum Act {
    Tap(usize),
    Work(usize),
    /// A node begins to work and is gone at whichever step it has come to.
    Die(usize, Duration),
    Time(Span),
    People,
    /// What the provider once sent comes again.
    Again(usize, usize),
    /// Both nodes ask for the list.
    List,
}

impl Act {
    fn any(dice: &mut fastrand::Rng, nodes_die: bool) -> Act {
        let node = dice.usize(0..2);
        match dice.u8(0..16) {
            0 => Act::Tap(node),
            1..=2 => Act::Time(Span::seconds(dice.i64(1..12))),
            // Longer than what a node has claimed is its own.
            3 => Act::Time(LEAP),
            4..=5 => Act::People,
            6..=7 => Act::Again(node, dice.usize(0..1_000)),
            8 => Act::List,
            9..=11 if nodes_die => Act::Die(node, Duration::from_micros(dice.u64(0..25_000))),
            _ => Act::Work(node),
        }
    }
}

impl Town {
    async fn on(engine: Engine) -> Town {
        let settings = daraja::Settings { confirms_pushes: true, ..settings() };
        let shop = Shop::with(engine, settings, LISTS).await;
        sell_months(&shop).await;
        let first = (shop.t.app.clone(), shop.url().to_owned());
        let second = shop.second_node().await;
        Town { shop, nodes: [first, second], sold: 0 }
    }

    async fn live_through(&mut self, number: u32) {
        let mut dice = fastrand::Rng::with_seed(number.into());
        let nodes_die = dice.u8(0..5) < 2;
        let trouble = self.trouble(number, nodes_die, &mut dice).await;
        self.everybody_taps(&trouble, 2 + dice.usize(0..3)).await;
        for _ in 0..dice.u8(5..12) {
            let acts: Vec<Act> =
                (0..dice.u8(1..5)).map(|_| Act::any(&mut dice, nodes_die)).collect();
            self.leap_over(&acts).await;
            join_all(acts.iter().map(|act| self.happens(act, &trouble))).await;
            let asked = self.questions_on(number);
            assert!(asked <= 1, "schedule {number}: {asked} questions on one phone");
        }
        self.calms_down().await;
        self.is_right(&trouble).await;
    }

    /// Between two steps: no question is on its way for longer than a phone rings.
    async fn leap_over(&self, acts: &[Act]) {
        let clock = self.shop.t.app.clock();
        for _ in acts.iter().filter(|act| matches!(act, Act::Time(span) if *span == LEAP)) {
            clock.set(clock.now() + LEAP);
            self.shop.people.settle().await;
        }
    }

    async fn trouble(&mut self, number: u32, nodes_die: bool, dice: &mut fastrand::Rng) -> Trouble {
        let later = Duration::from_secs(dice.u64(1..25));
        let owner = match dice.u8(0..10) {
            0 => Owner::Cancels { after: later },
            1 => Owner::Ignores,
            2 => Owner::pays_late(),
            _ => Owner::Approves { after: later },
        };
        self.shop.owner(number, owner);
        let is_lost = self.goes_wrong(dice);
        let mut purchase = self.shop.purchase(number, mac(number as u8)).await;
        let mut first_end = None;
        if dice.bool() {
            let grant = self.shop.t.service("Month", pppoe(&format!("home{number}"))).await;
            first_end = self.shop.t.grant(grant).await.grant.state.ends_at();
            purchase.plan = self.shop.t.grant(grant).await.grant.plan;
            (purchase.renews, purchase.router, purchase.mac) = (Some(grant), None, None);
        }
        let begun = Mutex::default();
        Trouble { number, purchase, begun, may_stay_unasked: nodes_die || is_lost, first_end }
    }

    /// True if the question may never reach the provider.
    fn goes_wrong(&self, dice: &mut fastrand::Rng) -> bool {
        let faults = self.shop.daraja.faults();
        let a_while = Duration::from_millis(dice.u64(20..200));
        let asking = match dice.u8(0..8) {
            0 => Some(RequestFault::DropAfter),
            1 => Some(RequestFault::DropBefore),
            2 | 3 => Some(RequestFault::StallAfter(a_while)),
            _ => None,
        };
        let is_lost = asking == Some(RequestFault::DropBefore);
        if let Some(fault) = asking {
            faults.requests("processrequest", 1, fault);
        }
        match dice.u8(0..4) {
            0 => faults.requests("stkpushquery", 1, RequestFault::StallAfter(a_while)),
            1 => faults.requests("stkpushquery", 2, RequestFault::DropAfter),
            _ => {}
        }
        let after = Duration::from_secs(dice.u64(0..3) * 10);
        match dice.u8(0..6) {
            0 | 1 => faults.callbacks(1, CallbackFault::BeforeAnswer),
            2 => faults.callbacks(2, CallbackFault::ThenFailure { after }),
            3 => faults.callbacks(2, CallbackFault::Doubled { after: Duration::ZERO }),
            4 => faults.callbacks(1, CallbackFault::Lost),
            _ => {}
        }
        faults.disturb(Disturbance {
            seed: dice.u64(..),
            lost: 20,
            doubled: 40,
            late: 40,
            longest_delay: Duration::from_secs(60),
        });
        is_lost
    }

    /// Several taps at one moment, on both nodes, are one question.
    async fn everybody_taps(&self, trouble: &Trouble, taps: usize) {
        let now = self.shop.t.now();
        let all = join_all((0..taps).map(|tap| {
            let (app, purchase) = (self.nodes[tap % 2].0.clone(), trouble.purchase.clone());
            // A task of its own: they run on both threads at the same time.
            tokio::spawn(async move { begin_purchase(&app, purchase, now).await.unwrap() })
        }));
        let all: Vec<_> = all.await.into_iter().map(Result::unwrap).collect();
        let new = all.iter().filter(|begun| !begun.already_open).count();
        let ids: BTreeSet<PaymentId> = all.iter().map(|begun| begun.payment.id).collect();
        assert_eq!((new, ids.len()), (1, 1), "schedule {}: {all:#?}", trouble.number);
        trouble.begun.lock().unwrap().extend(ids);
    }

    async fn happens(&self, act: &Act, trouble: &Trouble) {
        let clock = self.shop.t.app.clock();
        match act {
            Act::Tap(node) => {
                let purchase = trouble.purchase.clone();
                let begun = begin_purchase(&self.nodes[*node].0, purchase, clock.now()).await;
                trouble.begun.lock().unwrap().insert(begun.unwrap().payment.id);
            }
            Act::Work(node) => {
                cashier::pass(&self.nodes[*node].0).await.unwrap();
            }
            Act::Die(node, after) => {
                // With the pass all its tasks are dropped, between any two of their steps.
                let _ = tokio::time::timeout(*after, cashier::pass(&self.nodes[*node].0)).await;
            }
            Act::Time(span) if *span == LEAP => {}
            Act::Time(span) => clock.set(clock.now() + *span),
            Act::People => self.shop.people.settle().await,
            Act::Again(node, which) => self.told_again(*node, *which, trouble.number).await,
            Act::List => self.lists().await,
        }
    }

    async fn told_again(&self, node: usize, which: usize, number: u32) {
        let names = self.names_of(number);
        let about = |body: &str| names.iter().any(|name| body.contains(name.as_str()));
        let sent = self.shop.daraja.deliveries();
        let sent: Vec<_> = sent.iter().filter(|one| about(&one.body)).collect();
        if sent.is_empty() {
            return;
        }
        let one = sent[which % sent.len()];
        let path = one.url.splitn(4, '/').nth(3).unwrap();
        assert_eq!(post(&format!("{}/{path}", self.nodes[node].1), &one.body).await, 200);
    }

    /// A prompt stands for a minute; the stand-in may come to take it down a moment later.
    fn questions_on(&self, number: u32) -> usize {
        let since = (self.shop.t.now() - Span::minutes(1)).micros();
        let prompts = self.shop.people.pending_prompts(&msisdn(number));
        prompts.iter().filter(|prompt| prompt.at_micros > since).count()
    }

    /// By which numbers the provider speaks of what one phone was asked and paid.
    fn names_of(&self, number: u32) -> Vec<String> {
        let pushes = self.pushes_to(number);
        let pushes = pushes.into_iter().map(|push| push.checkout_request_id);
        pushes.chain(self.paid_by(number).into_iter().map(|one| one.receipt)).collect()
    }

    async fn lists(&self) {
        let (gateway, now) = (self.shop.gateway.id, self.shop.t.now());
        let due = async move |tx: &mut Tx<'_>| {
            lango_store::gateways::compared(tx, gateway, None, now).await
        };
        self.shop.t.app.store().write(due).await.unwrap();
        self.both_work().await;
    }

    async fn both_work(&self) {
        let [(one, _), (two, _)] = &self.nodes;
        let (one, two) = tokio::join!(cashier::pass(one), cashier::pass(two));
        one.unwrap();
        two.unwrap();
    }

    /// Nothing goes wrong any more, and a quarter of an hour passes.
    async fn calms_down(&mut self) {
        self.shop.daraja.faults().clear();
        for seconds in [0, 5, 15, 30, 95, 95, 95, 300, 300, 120] {
            let clock = self.shop.t.app.clock();
            clock.set(clock.now() + Span::seconds(seconds));
            self.both_work().await;
            self.shop.people.settle().await;
            self.both_work().await;
        }
        self.lists().await;
    }

    fn pushes_to(&self, number: u32) -> Vec<daraja::Push> {
        let mut pushes = self.shop.daraja.pushes();
        pushes.retain(|push| push.msisdn == msisdn(number));
        pushes
    }

    fn paid_by(&self, number: u32) -> Vec<Transaction> {
        let mut all = self.shop.people.transactions();
        all.retain(|one| one.payer == msisdn(number));
        all
    }

    async fn is_right(&mut self, trouble: &Trouble) {
        let number = trouble.number;
        let (begun, paid) = (trouble.begun.lock().unwrap().clone(), self.paid_by(number));
        let payments = self.payments_of(number).await;
        let known: BTreeSet<PaymentId> = payments.iter().map(|payment| payment.id).collect();
        assert_eq!(known, begun, "schedule {number}: every question was begun by a tap");
        self.was_asked_once(trouble, &payments);

        let receipts: BTreeSet<String> = paid.iter().map(|one| one.receipt.clone()).collect();
        let money = self.shop.money().await;
        let money: Vec<&MoneyIn> =
            money.iter().filter(|one| one.payment.is_some_and(|id| begun.contains(&id))).collect();
        let heard: BTreeSet<String> = money.iter().map(|one| one.receipt.clone()).collect();
        assert_eq!(heard, receipts, "schedule {number}: {money:#?}");
        assert_eq!(money.len(), paid.len(), "schedule {number}: {money:#?}");
        assert!(money.iter().all(|one| one.fate == Fate::Used), "schedule {number}: {money:#?}");
        let mut used: Vec<String> = payments.iter().filter_map(receipt_of).collect();
        used.sort();
        assert_eq!(used, receipts.into_iter().collect::<Vec<_>>(), "schedule {number}");
        self.bought_what_was_paid(trouble, &money).await;
        self.sold += paid.len();
    }

    fn was_asked_once(&self, trouble: &Trouble, payments: &[Payment]) {
        let pushes = self.pushes_to(trouble.number);
        for payment in payments {
            let of_it = |push: &&daraja::Push| push.account_reference == payment.reference;
            let times = pushes.iter().filter(of_it).count();
            // One that was begun anew before a node came to it was never asked for.
            let may_be_none = trouble.may_stay_unasked || payment.submitted_at.is_none();
            let right = times == 1 || (times == 0 && may_be_none);
            assert!(right, "schedule {}: asked {times} times: {payment:#?}", trouble.number);
        }
        assert!(pushes.len() <= payments.len());
    }

    async fn bought_what_was_paid(&self, trouble: &Trouble, money: &[&MoneyIn]) {
        let number = trouble.number;
        let bought: BTreeSet<GrantId> = money.iter().filter_map(|one| one.grant).collect();
        for grant in &bought {
            let receipts = self.receipts_of(*grant).await;
            let right: BTreeSet<String> = money
                .iter()
                .filter(|one| one.grant == Some(*grant))
                .map(|one| one.receipt.clone())
                .collect();
            assert_eq!(receipts, right.into_iter().collect::<Vec<_>>(), "schedule {number}");
        }
        let Some(renewed) = trouble.purchase.renews else {
            assert_eq!(bought.len(), money.len(), "schedule {number}: each its own grant");
            assert_eq!(self.grants_of_payer(number).await, bought, "schedule {number}");
            return;
        };
        assert!(bought.iter().all(|grant| *grant == renewed), "schedule {number}");
        let months = Span::from_micros(MONTH.micros() * money.len() as i64);
        let end = self.shop.t.grant(renewed).await.grant.state.ends_at();
        assert_eq!(end, trouble.first_end.map(|first| first + months), "schedule {number}");
    }

    async fn payments_of(&self, number: u32) -> Vec<Payment> {
        let (tenant, phone) = (self.shop.t.tenant, phone(number));
        let all = async move |tx: &mut Tx<'_>| {
            lango_store::payments::of_phone(tx, tenant, &phone, 1_000).await
        };
        self.shop.t.app.store().read(all).await.unwrap()
    }

    async fn receipts_of(&self, grant: GrantId) -> Vec<String> {
        let all = async move |tx: &mut Tx<'_>| lango_store::receipts::of_grant(tx, grant).await;
        let all = self.shop.t.app.store().read(all).await.unwrap();
        let mut all: Vec<String> = all.into_iter().map(|one| one.receipt).collect();
        all.sort();
        all
    }

    /// Everything that whoever has this phone holds, whoever wrote it.
    async fn grants_of_payer(&self, number: u32) -> BTreeSet<GrantId> {
        let (tenant, phone) = (self.shop.t.tenant, phone(number));
        let all = async move |tx: &mut Tx<'_>| {
            let customer = lango_store::customers::by_phone(tx, tenant, &phone).await?;
            let Some(customer) = customer else { return Ok(Vec::new()) };
            lango_store::grants::of_customer(tx, tenant, customer.id).await
        };
        let all = self.shop.t.app.store().read(all).await.unwrap();
        all.into_iter().map(|stored| stored.grant.id).collect()
    }

    async fn comes_out_even(self) {
        let Town { mut shop, nodes, sold } = self;
        println!("{SCHEDULES} schedules, {sold} payments");
        assert!(sold * 2 > SCHEDULES as usize, "only {sold} of {SCHEDULES} were paid");
        drop(nodes);
        shop.work().await;
        assert_eq!(shop.balance("wallet").await, 0);
        assert_eq!(shop.balance("suspense").await, 0);
        assert_eq!(shop.balance("revenue").await, -price().amount * sold as i64);
        shop.finish().await;
    }
}

/// Services are not sold at the portal unless somebody wants that.
async fn sell_months(shop: &Shop) {
    let (tenant, terms) = (shop.t.tenant, Terms::service(MONTH));
    let new = NewPlan { tenant, name: "Month".to_owned(), price: price(), terms };
    let sale = Sale { portal: Some(true), ..Sale::default() };
    add_plan_for_sale(&shop.t.app, new, sale, &By::cli(), shop.t.now()).await.unwrap();
}

fn phone(number: u32) -> PhoneNumber {
    PhoneNumber::from_e164(&format!("+{}", msisdn(number))).unwrap()
}

fn msisdn(number: u32) -> String {
    format!("2547{number:08}")
}

fn receipt_of(payment: &Payment) -> Option<String> {
    match &payment.state {
        PaymentState::Paid { receipt } => Some(receipt.clone()),
        other => {
            assert!(!other.has_money(), "{payment:#?}");
            None
        }
    }
}

fn is_paid(state: &PaymentState) -> bool {
    matches!(state, PaymentState::Paid { .. })
}

/// While the provider hesitates to take a question somebody pays by hand for its reference; then it
/// refuses the question for being one too many. That is no reason to ask again.
async fn what_was_paid_while_it_was_asked_stays_paid(engine: Engine) {
    let hurried = daraja::Settings { pushes_per_second: Some(1), ..settings() };
    let mut shop = Shop::with(engine, hurried, None).await;
    let (other_node, _) = shop.second_node().await;
    shop.buy(2, mac(2)).await.unwrap();
    shop.work().await;
    assert_eq!(shop.daraja.pushes().len(), 1, "and no more in this second");

    let begun = shop.buy(1, mac(1)).await.unwrap();
    shop.daraja.faults().requests("processrequest", 1, RequestFault::HoldBefore);
    let app = shop.t.app.clone();
    let asking = tokio::spawn(async move { cashier::pass(&app).await.unwrap() });
    while shop.state(&begun).await != PaymentState::Submitting {
        tokio::task::yield_now().await;
    }
    let fifty = Amount::whole(50, "KES");
    let reference = &begun.payment.reference;
    shop.daraja.pay_by_hand("254711111111", "174379", reference, fifty).await.unwrap();
    shop.people.settle().await;
    cashier::pass(&other_node).await.unwrap();
    assert!(is_paid(&shop.state(&begun).await));
    shop.daraja.faults().let_go();
    asking.await.unwrap();
    assert!(is_paid(&shop.state(&begun).await), "{:?}", shop.state(&begun).await);
    shop.pass(Span::minutes(3)).await;
    assert!(is_paid(&shop.state(&begun).await));
    let asked = shop.daraja.pushes();
    assert!(asked.iter().all(|push| push.msisdn == msisdn(2)), "it was paid: {asked:#?}");
    assert_eq!(shop.balance("wallet").await, 0);
    drop(other_node);
    shop.finish().await;
}

/// The query has said that it is paid, its receipt is still missing, and a neighbour pays another
/// sum for the same reference.
async fn other_money_by_hand_is_not_taken_for_the_receipt_that_is_missing(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.daraja.faults().callbacks(1, CallbackFault::Late(Duration::from_secs(120)));
    let begun = shop.buy(1, mac(1)).await.unwrap();
    shop.pass(Span::seconds(60)).await;
    assert!(is_paid(&shop.state(&begun).await));
    let hundred = Amount::whole(100, "KES");
    let reference = &begun.payment.reference;
    shop.daraja.pay_by_hand("254711111111", "174379", reference, hundred).await.unwrap();
    shop.pass(Span::minutes(3)).await;
    let money = shop.money().await;
    assert_eq!(money.len(), 2, "{money:#?}");
    assert_eq!(money.iter().filter(|one| one.fate == Fate::Used).count(), 1, "{money:#?}");
    assert_eq!(shop.balance("revenue").await, -price().amount);
    assert_eq!(shop.balance("wallet").await, -2 * price().amount, "the neighbour's is kept");
    shop.finish().await;
}

/// Nothing was heard of the money, so the desk typed the receipt in that the phone shows. Then it is
/// heard of.
async fn a_receipt_that_the_desk_used_buys_nothing_more(engine: Engine) {
    let mut shop = Shop::with(engine, settings(), LISTS).await;
    let customer = shop.t.customer().await;
    let (by_desk, _) = shop.t.voucher(HOUR, Some(customer)).await;
    let callback = CallbackFault::Late(Duration::from_secs(60));
    shop.daraja.faults().callbacks(1, callback);
    shop.daraja.faults().requests(
        "stkpushquery",
        lango_provider_sim::ALWAYS,
        RequestFault::DropBefore,
    );
    let begun = shop.buy(1, mac(1)).await.unwrap();
    shop.pass(Span::seconds(30)).await;
    assert!(!shop.state(&begun).await.has_money());
    let receipt = shop.people.transactions().remove(0).receipt;
    let typed = accept_payment::Payment {
        tenant: shop.t.tenant,
        grant: by_desk,
        provider: "daraja".to_owned(),
        receipt,
        amount: price(),
    };
    let accepted = accept_payment(&shop.t.app, typed, &By::cli(), shop.t.now()).await.unwrap();
    assert!(matches!(accepted, Accepted::Now(_)), "{accepted:?}");
    shop.pass(Span::minutes(5)).await;
    let state = shop.state(&begun).await;
    assert!(matches!(state, PaymentState::Paid { .. }), "{state:?}");
    assert_eq!(shop.payment(&begun).await.grant, Some(by_desk), "what the desk gave for it");
    let fates: Vec<Fate> = shop.money().await.into_iter().map(|one| one.fate).collect();
    assert_eq!(fates, [Fate::Used]);
    shop.finish().await;
}

/// All nodes were down for a while.
async fn a_question_that_was_left_lying_is_not_asked_beside_a_newer_one(engine: Engine) {
    let mut shop = Shop::on(engine).await;
    shop.owner(1, Owner::Person);
    let left_lying = shop.buy(1, mac(1)).await.unwrap();
    shop.t.app.clock().set(shop.t.now() + Span::seconds(95));
    let newer = shop.buy(1, mac(1)).await.unwrap();
    assert!(!newer.already_open);
    shop.t.app.clock().set(shop.t.now() + Span::seconds(80));
    shop.work().await;
    assert_eq!(shop.people.pending_prompts(&msisdn(1)).len(), 1, "two at once are paid twice");
    assert_eq!(shop.state(&left_lying).await, PaymentState::Expired);
    shop.t.app.clock().set(shop.t.now() + Span::seconds(15));
    assert!(shop.buy(1, mac(1)).await.unwrap().already_open, "it rings since a moment ago");
    shop.people.approve(shop.people.pending_prompts(&msisdn(1)).remove(0).id);
    shop.people.settle().await;
    shop.pass(Span::minutes(2)).await;
    assert!(is_paid(&shop.state(&newer).await));
    assert_eq!(shop.daraja.pushes().len(), 1);
    shop.finish().await;
}
