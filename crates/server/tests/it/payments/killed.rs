//! The program is killed at any moment, forty times, while people pay: before the question, after
//! it, between a callback and what it buys. The real binary and the real database in real time; the
//! provider lives on, and what it has to say to a dead program is lost. Nobody pays for nothing,
//! nothing is had twice for one payment, and no phone is asked twice for one purchase.

use super::shop::{price, settings};
use crate::chaos::{init, lango};
use crate::paybill;
use lango_domain::ids::{GrantId, PaymentId, PlanId, TenantId};
use lango_domain::language::Language;
use lango_domain::payment::PaymentState;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::plan::Terms;
use lango_domain::time::{Span, Timestamp};
use lango_provider_sim::{Daraja, Disturbance, Owner, Subscribers, SystemClock, Transaction};
use lango_server::app::App;
use lango_server::clock::Clock;
use lango_server::operations::add_plan::{NewPlan, add_plan};
use lango_server::operations::asked::By;
use lango_server::operations::begin_purchase::{Purchase, begin_purchase};
use lango_store::gateways::Gateway;
use lango_store::money_in::{Fate, MoneyIn};
use lango_store::payments::Payment;
use lango_store::secrets::SecretKey;
use lango_store::{DatabaseUrl, Order, Store, Tx};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const KILLS: u32 = 40;
/// What a dead program had claimed stays its own for a minute and a half; then a minute is enough.
const PATIENCE: Duration = Duration::from_secs(90 + 60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_forty_times_every_payment_buys_once() {
    let mut kiosk = Kiosk::opens().await;
    let mut dice = fastrand::Rng::with_seed(20_261_121);
    let mut at_work = 0;
    for kill in 0..KILLS {
        kiosk.sells(&mut dice).await;
        let mut server = kiosk.serve();
        let lives = Duration::from_millis(dice.u64(50..900));
        tokio::time::sleep(lives / 2).await;
        kiosk.sells(&mut dice).await;
        tokio::time::sleep(lives / 2).await;
        server.kill().unwrap();
        server.wait().unwrap();
        at_work += u32::from(kiosk.payments().await.iter().any(|one| is_under_way(&one.state)));
        kiosk.nothing_is_had_twice(kill).await;
    }
    assert!(at_work * 2 > KILLS, "only {at_work} of {KILLS} kills met a payment under way");
    kiosk.everything_comes_right().await;
}

fn is_under_way(state: &PaymentState) -> bool {
    matches!(state, PaymentState::Submitting | PaymentState::Pending)
}

struct Kiosk {
    app: App,
    tenant: TenantId,
    place: PathBuf,
    port: u16,
    people: Subscribers,
    daraja: Daraja,
    gateway: Gateway,
    plan: PlanId,
    begun: Vec<PaymentId>,
}

impl Kiosk {
    async fn opens() -> Kiosk {
        let place = lango_store::testing::temporary_directory();
        let tenant = init(&place);
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let settings_file = format!("public_url = \"{url}\"\nwebhook_private_addresses = true\n");
        std::fs::write(place.join("lango.toml"), settings_file).unwrap();
        let database = DatabaseUrl::sqlite(place.join("lango.db"));
        let store = Store::open(&database, lango_store::Settings::default()).await.unwrap();
        let key = SecretKey::from_file(&place.join("secret.key")).unwrap();
        let app = App::new(store, Clock::system(), key);
        app.let_webhooks_be_private(true);
        app.is_reached_at(url.parse().unwrap());
        let people = Subscribers::new(Arc::new(SystemClock));
        let daraja = Daraja::start(&people, settings()).unwrap();
        daraja.faults().disturb(Disturbance {
            seed: 7,
            lost: 15,
            doubled: 30,
            late: 30,
            longest_delay: Duration::from_secs(2),
        });
        let pull_number = Some("254700000000");
        let gateway = paybill::add(&app, (tenant, "Paybill"), &daraja, pull_number).await;
        let plan = plan(&app, tenant).await;
        Kiosk { app, tenant, place, port, people, daraja, gateway, plan, begun: Vec::new() }
    }

    fn now(&self) -> Timestamp {
        self.app.clock().now()
    }

    fn serve(&self) -> Child {
        lango(&self.place)
            .args(["serve", "--http", &format!("127.0.0.1:{}", self.port)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Some people pick a plan, each with a phone of his own; some tap twice.
    async fn sells(&mut self, dice: &mut fastrand::Rng) {
        for _ in 0..dice.u8(1..4) {
            let number = format!("2547{:08}", self.begun.len() + 1);
            let after = Duration::from_millis(dice.u64(20..1_500));
            let owner = match dice.u8(0..8) {
                0 => Owner::Cancels { after },
                _ => Owner::Approves { after },
            };
            self.people.owner(&number, owner);
            let id = self.taps(&number).await;
            if dice.bool() {
                assert_eq!(self.taps(&number).await, id);
            }
            self.begun.push(id);
        }
        if dice.u8(0..4) == 0 {
            self.lists().await;
        }
    }

    async fn taps(&self, number: &str) -> PaymentId {
        let purchase = Purchase {
            tenant: self.tenant,
            plan: self.plan,
            gateway: None,
            phone: PhoneNumber::from_e164(&format!("+{number}")).unwrap(),
            customer: None,
            renews: None,
            router: None,
            mac: None,
            address: None,
            language: Language::En,
        };
        begin_purchase(&self.app, purchase, self.now()).await.unwrap().payment.id
    }

    /// The provider's list is due, as it is every hour.
    async fn lists(&self) {
        let (gateway, now) = (self.gateway.id, self.now());
        let due = async move |tx: &mut Tx<'_>| {
            lango_store::gateways::compared(tx, gateway, None, now).await
        };
        self.app.store().write(due).await.unwrap();
    }

    async fn payments(&self) -> Vec<Payment> {
        let ids = self.begun.clone();
        let all = async move |tx: &mut Tx<'_>| {
            let mut all = Vec::new();
            for id in &ids {
                all.extend(lango_store::payments::find(tx, *id).await?);
            }
            Ok(all)
        };
        self.app.store().read(all).await.unwrap()
    }

    async fn money(&self) -> Vec<MoneyIn> {
        let tenant = self.tenant;
        let all = async move |tx: &mut Tx<'_>| {
            lango_store::money_in::listed(tx, tenant, false, Order::Ascending, None, 1_000).await
        };
        self.app.store().read(all).await.unwrap()
    }

    async fn receipts_of(&self, grant: GrantId) -> Vec<String> {
        let all = async move |tx: &mut Tx<'_>| lango_store::receipts::of_grant(tx, grant).await;
        let all = self.app.store().read(all).await.unwrap();
        all.into_iter().map(|one| one.receipt).collect()
    }

    /// At every moment, also in the middle of everything.
    async fn nothing_is_had_twice(&self, kill: u32) {
        let pushes = self.daraja.pushes();
        let payments = self.payments().await;
        for payment in &payments {
            let asked =
                pushes.iter().filter(|push| push.account_reference == payment.reference).count();
            assert!(asked <= 1, "kill {kill}: asked {asked} times: {payment:#?}");
        }
        let money = self.money().await;
        let bought: Vec<GrantId> = money.iter().filter_map(|one| one.grant).collect();
        let different: BTreeSet<GrantId> = bought.iter().copied().collect();
        assert_eq!(bought.len(), different.len(), "kill {kill}: {money:#?}");
        for one in &money {
            let Some(grant) = one.grant else { continue };
            assert_eq!(self.receipts_of(grant).await, [one.receipt.as_str()], "kill {kill}");
            let of_it = |payment: &&Payment| payment.grant == Some(grant);
            assert_eq!(payments.iter().filter(of_it).count(), 1, "kill {kill}: {one:#?}");
        }
    }

    async fn everything_comes_right(&self) {
        self.daraja.faults().clear();
        let mut server = self.serve();
        let begun = Instant::now();
        while let Some(reason) = self.what_is_not_right().await {
            assert!(begun.elapsed() < PATIENCE, "{reason}");
            self.lists().await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let took = begun.elapsed();
        self.nothing_is_had_twice(KILLS).await;
        let (paid, money) = (self.people.transactions(), self.money().await);
        let used = money.iter().filter(|one| one.fate == Fate::Used).count();
        let (purchases, pushes) = (self.begun.len(), self.daraja.pushes().len());
        println!(
            "{KILLS} kills: {purchases} purchases, {pushes} questions, {} paid, {used} bought; \
             right {took:.0?} after the last",
            paid.len()
        );
        assert!(paid.len() > KILLS as usize / 2, "only {} paid", paid.len());
        self.books_are_right(&paid, used as i64).await;
        server.kill().unwrap();
        server.wait().unwrap();
        std::fs::remove_dir_all(&self.place).unwrap();
    }

    async fn books_are_right(&self, paid: &[Transaction], used: i64) {
        let tenant = self.tenant;
        let books = async move |tx: &mut Tx<'_>| {
            let crooked = lango_store::ledger::count_unbalanced(tx, tenant).await?;
            Ok((crooked, lango_store::ledger::balances(tx, tenant).await?))
        };
        let (crooked, balances) = self.app.store().read(books).await.unwrap();
        assert_eq!(crooked, 0, "an entry does not add up");
        let of = |account: &str| -> i64 {
            let all = balances.iter().filter(|one| one.account == account);
            all.map(|one| one.amount.amount).sum()
        };
        let worth: i64 = paid.iter().map(|one| one.amount.hundredths).sum();
        assert_eq!((of("clearing"), of("revenue")), (worth, -price().amount * used));
    }

    /// None if each real transaction is known once and was used or is kept for somebody, and nobody
    /// waits to be asked.
    async fn what_is_not_right(&self) -> Option<String> {
        if let Some(prompt) = self.people.open_prompts().first() {
            return Some(format!("{prompt:?} is not answered yet"));
        }
        let (paid, money) = (self.people.transactions(), self.money().await);
        for one in &paid {
            let known = money.iter().filter(|money| money.receipt == one.receipt).count();
            if known != 1 {
                return Some(format!("{one:?} is known {known} times"));
            }
        }
        if money.len() != paid.len() {
            return Some(format!("money that nobody paid: {money:#?}"));
        }
        let payments = self.payments().await;
        if let Some(waits) = payments.iter().find(|one| one.state == PaymentState::Created) {
            return Some(format!("nobody was asked: {waits:#?}"));
        }
        let has_paid = |one: &&Payment| paid.iter().any(|paid| paid.reference == one.reference);
        let missed = payments.iter().filter(has_paid).find(|one| !one.state.has_money());
        missed.map(|payment| format!("paid and had nothing: {payment:#?}"))
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn plan(app: &App, tenant: TenantId) -> PlanId {
    let terms = Terms::hotspot(Span::hours(1));
    let new = NewPlan { tenant, name: "Hour".to_owned(), price: price(), terms };
    add_plan(app, new, &By::cli(), app.clock().now()).await.unwrap();
    let found = async move |tx: &mut Tx<'_>| lango_store::plans::by_name(tx, tenant, "Hour").await;
    app.store().read(found).await.unwrap().unwrap().plan.id
}
