//! A hotspot that takes money: Lango with a router, its web entrance on a real socket, M-Pesa's
//! stand-in and people with phones, all on one clock that moves when it is told to.

use crate::harness::{By, Engine, Harness, browses};
use crate::paybill;
use lango_domain::ids::{GatewayId, PlanId};
use lango_domain::language::Language;
use lango_domain::mac_address::MacAddress;
use lango_domain::money::Money;
use lango_domain::payment::PaymentState;
use lango_domain::phone_number::{Country, PhoneNumber};
use lango_domain::plan::Terms;
use lango_domain::time::Span;
use lango_provider_sim::{Daraja, Owner, Subscribers, daraja};
use lango_router_sim::{MacAddress as Phone, Router};
use lango_server::app::App;
use lango_server::cashier;
use lango_server::clock::Clock;
use lango_server::operations::begin_purchase::{Begun, NotBegun, Purchase, begin_purchase};
use lango_server::reconcile::supervisor::Boards;
use lango_server::web;
use lango_store::gateways::Gateway;
use lango_store::ledger::Balance;
use lango_store::money_in::MoneyIn;
use lango_store::payments::Payment;
use lango_store::{Order, Tx};
use std::sync::Arc;
use std::time::Duration;

/// One clock for everybody.
struct Shared(Clock);

impl lango_provider_sim::Clock for Shared {
    fn now_micros(&self) -> i64 {
        self.0.now().micros()
    }
}

pub(super) struct Shop {
    pub(super) t: Harness,
    pub(super) router: Router,
    pub(super) people: Subscribers,
    pub(super) daraja: Daraja,
    pub(super) gateway: Gateway,
    url: String,
}

/// The plan that everybody buys: an hour for 50 shillings.
pub(super) const HOUR: &str = "Hour";

impl Shop {
    pub(super) async fn on(engine: Engine) -> Shop {
        Shop::with(engine, settings(), None).await
    }

    /// The same with another M-Pesa, whose list of money is asked for if it has such a number.
    pub(super) async fn with(
        engine: Engine,
        settings: daraja::Settings,
        pull_number: Option<&str>,
    ) -> Shop {
        let mut t = Harness::on(engine).await;
        let router = t.router("Lobby", By::Api).await;
        t.plan(HOUR, Terms::hotspot(Span::hours(1))).await;
        t.pump().await;
        let people = Subscribers::new(Arc::new(Shared(t.app.clock().clone())));
        let daraja = Daraja::start(&people, settings).unwrap();
        let url = serve(&t.app).await;
        let gateway = paybill::add(&t.app, (t.tenant, "Paybill"), &daraja, pull_number).await;
        Shop { t, router, people, daraja, gateway, url }
    }

    /// A second node on the same database, with an entrance of its own.
    pub(super) async fn second_node(&self) -> (App, String) {
        let app = self.t.second_node().await;
        let url = serve(&app).await;
        (app, url)
    }

    /// The entrance of the first node.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Somebody with this phone and this device picks the plan and types his number.
    pub(super) async fn buy(&self, number: u32, phone: Phone) -> Result<Begun, NotBegun> {
        begin_purchase(&self.t.app, self.purchase(number, phone).await, self.t.now()).await
    }

    /// The same by a certain provider.
    pub(super) async fn buy_by(
        &self,
        gateway: GatewayId,
        number: u32,
        phone: Phone,
    ) -> Result<Begun, NotBegun> {
        let purchase = self.purchase(number, phone).await;
        let purchase = Purchase { gateway: Some(gateway), ..purchase };
        begin_purchase(&self.t.app, purchase, self.t.now()).await
    }

    /// A second account with a second provider.
    pub(super) async fn another_gateway(&self) -> (GatewayId, Daraja) {
        let other = Daraja::start(&self.people, daraja::Settings::default()).unwrap();
        let second = (self.t.tenant, "Second");
        (paybill::add(&self.t.app, second, &other, None).await.id, other)
    }

    pub(super) async fn purchase(&self, number: u32, phone: Phone) -> Purchase {
        Purchase {
            tenant: self.t.tenant,
            plan: self.plan().await,
            gateway: None,
            phone: PhoneNumber::parse(&format!("07{number:08}"), Country::Ke).unwrap(),
            customer: None,
            renews: None,
            router: Some(self.t.router_id("Lobby")),
            mac: Some(MacAddress::new(phone.0)),
            address: None,
            language: Language::En,
        }
    }

    async fn plan(&self) -> PlanId {
        let tenant = self.t.tenant;
        let found =
            async move |tx: &mut Tx<'_>| lango_store::plans::by_name(tx, tenant, HOUR).await;
        self.t.app.store().read(found).await.unwrap().unwrap().plan.id
    }

    pub(super) fn owner(&self, number: u32, owner: Owner) {
        self.people.owner(&format!("2547{number:08}"), owner);
    }

    /// Everybody does what is due at this instant.
    pub(super) async fn work(&mut self) {
        for _ in 0..4 {
            cashier::pass(&self.t.app).await.unwrap();
            self.people.settle().await;
        }
        cashier::pass(&self.t.app).await.unwrap();
        self.t.pump().await;
    }

    /// Time passes, second by second, and everybody does what falls due.
    pub(super) async fn pass(&mut self, span: Span) {
        let until = self.t.now() + span;
        while self.t.now() < until {
            let step =
                Span::seconds(if until.since(self.t.now()) > Span::minutes(5) { 60 } else { 5 });
            self.t.app.clock().set((self.t.now() + step).min(until));
            self.work().await;
        }
    }

    pub(super) async fn payment(&self, begun: &Begun) -> Payment {
        let id = begun.payment.id;
        let found = async move |tx: &mut Tx<'_>| lango_store::payments::find(tx, id).await;
        self.t.app.store().read(found).await.unwrap().unwrap()
    }

    pub(super) async fn state(&self, begun: &Begun) -> PaymentState {
        self.payment(begun).await.state
    }

    pub(super) async fn money(&self) -> Vec<MoneyIn> {
        let tenant = self.t.tenant;
        let all = async move |tx: &mut Tx<'_>| {
            lango_store::money_in::listed(tx, tenant, false, Order::Ascending, None, 1_000).await
        };
        self.t.app.store().read(all).await.unwrap()
    }

    pub(super) async fn balance(&self, account: &str) -> i64 {
        let tenant = self.t.tenant;
        let all = async move |tx: &mut Tx<'_>| lango_store::ledger::balances(tx, tenant).await;
        let all: Vec<Balance> = self.t.app.store().read(all).await.unwrap();
        all.iter().filter(|one| one.account == account).map(|one| one.amount.amount).sum()
    }

    pub(super) fn is_online(&self, phone: Phone) -> bool {
        browses(&self.router, phone)
    }

    /// Something else says what M-Pesa would say.
    pub(super) async fn post(&self, path: &str, body: &str) -> u16 {
        post(&format!("{}{path}", self.url), body).await
    }

    /// What was paid and what the routers hold are the same, to the cent and to the receipt.
    pub(super) async fn finish(mut self) {
        self.work().await;
        let tenant = self.t.tenant;
        let crooked =
            async move |tx: &mut Tx<'_>| lango_store::ledger::count_unbalanced(tx, tenant).await;
        assert_eq!(self.t.app.store().read(crooked).await.unwrap(), 0, "an entry does not add up");
        let taken: Vec<_> = self.people.transactions();
        let money = self.money().await;
        for one in &taken {
            let known = money.iter().filter(|money| money.receipt == one.receipt).count();
            assert_eq!(known, 1, "{one:?} is known {known} times among {money:#?}");
        }
        assert_eq!(money.len(), taken.len(), "money that nobody paid: {money:#?}");
        let worth: i64 = taken.iter().map(|one| one.amount.hundredths).sum();
        assert_eq!(self.balance("clearing").await, worth);
        self.t.finish().await;
    }
}

/// M-Pesa on a good day, asking whether an account is known.
pub(super) fn settings() -> daraja::Settings {
    daraja::Settings { noisy_queries: false, validates: true, ..daraja::Settings::default() }
}

async fn serve(app: &App) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let manners = web::Manners { patience: Duration::from_secs(10), ..web::Manners::default() };
    let routes = web::routes(app.clone(), Boards::default(), manners);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    app.let_webhooks_be_private(true);
    app.is_reached_at(url.parse().unwrap());
    url
}

pub(super) async fn post(url: &str, body: &str) -> u16 {
    let request = axum::http::Request::post(url).body(body.to_owned().into()).unwrap();
    let reach = lango_server::outbound::Reach::Anywhere;
    lango_server::outbound::ask(request, reach).await.unwrap().status
}

/// Fifty shillings.
pub(super) fn price() -> Money {
    Money::new(50_00, lango_domain::money::Currency::KES)
}
