//! A world in which time moves only when told to: a store, some routers, and everything that the
//! engines would do, done to the end at every step. Assertions are on what people can do, read
//! from the routers, not on our own rows.

use lango_domain::access::{Access, Secret};
use lango_domain::grant::{EndReason, Event, State};
use lango_domain::ids::{CustomerId, GrantId, Id, RouterId, TenantId};
use lango_domain::language::Language;
use lango_domain::money::{Currency, Money};
use lango_domain::phone_number::Country;
use lango_domain::plan::Terms;
use lango_domain::time::{Span, Timestamp};
use lango_router_sim::{MacAddress, Router, RouterSim, Settings};
use lango_routeros::Timeouts;
use lango_server::app::App;
use lango_server::clock::Clock;
use lango_server::messaging::sender::Sender;
use lango_server::operations::accept_payment::{Accepted, Payment, accept_payment};
use lango_server::operations::add_customer::{NewCustomer, add_customer};
use lango_server::operations::add_plan::{NewPlan, add_plan};
use lango_server::operations::add_router::{
    NewRouter, RouterAddress, RouterLogin, RouterProtocol, RouterTls, add_router,
};
use lango_server::operations::asked;
use lango_server::operations::change_grant::{Actor, change_grant};
use lango_server::operations::end_due_grants::end_due_grants;
use lango_server::operations::found_tenant::{Founding, found_tenant};
use lango_server::operations::issue_vouchers::{VoucherOrder, issue_vouchers, read_code};
use lango_server::operations::open_service::{ServiceOrder, open_service};
use lango_server::reconcile::connect::connect;
use lango_server::reconcile::visit::{SyncReport, Visit};
use lango_store::activity::Activity;
use lango_store::cuts::Cut;
use lango_store::enforcements::Line;
use lango_store::grants::StoredGrant;
use lango_store::jobs::Message;
use lango_store::secrets::SecretKey;
use lango_store::testing::TestStore;
use lango_store::{Store, Tx};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// When every story begins: 21 November 2026, noon in Nairobi.
pub(crate) const NOON: Timestamp = Timestamp::from_micros(1_795_251_600_000_000);

/// Which database a story runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// By which protocol Lango speaks to a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Api,
    Rest,
}

pub(crate) struct Harness {
    pub(crate) app: App,
    pub(crate) tenant: TenantId,
    routers: BTreeMap<&'static str, Site>,
    customers: u32,
    receipts: u32,
    store: TestStore,
}

struct Site {
    sim: RouterSim,
    id: RouterId,
    visit: Option<Visit>,
}

struct Shared(Clock);

impl lango_router_sim::Clock for Shared {
    fn now_micros(&self) -> i64 {
        self.0.now().micros()
    }
}

const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_millis(500), reply: Duration::from_millis(1500) };

impl Harness {
    /// Hotel ABC, with no router yet.
    pub(crate) async fn on(engine: Engine) -> Harness {
        Harness::at(engine, NOON).await
    }

    /// The same at another time, for stories with a program that has a clock of its own.
    pub(crate) async fn at(engine: Engine, start: Timestamp) -> Harness {
        let migrations = lango_store::schema::MIGRATIONS;
        let store = match engine {
            Engine::Sqlite => lango_store::testing::sqlite(migrations).await,
            Engine::Postgres => lango_store::testing::postgres(migrations).await,
        };
        let database: Store = (*store).clone();
        let app = App::new(database, Clock::manual(start), SecretKey::from_bytes(&[7; 32]));
        let founding = Founding {
            business: "Hotel ABC WiFi".to_owned(),
            email: "owner@abc.example".to_owned(),
            password: "long enough".to_owned(),
            country: Country::Ke,
            zone: None,
            language: Language::En,
        };
        let tenant = found_tenant(&app, founding, &asked::By::cli(), start).await.unwrap().tenant;
        let routers = BTreeMap::new();
        Harness { app, tenant, routers, customers: 0, receipts: 0, store }
    }

    /// Another node on the same database, by the same clock.
    pub(crate) async fn second_node(&self) -> App {
        let store = self.store.open_again().await;
        App::new(store, self.app.clock().clone(), SecretKey::from_bytes(&[7; 32]))
    }

    /// Adds a router that Lango knows and can reach.
    pub(crate) async fn router(&mut self, name: &'static str, by: By) -> Router {
        self.router_running(name, by, Settings::default()).await
    }

    /// The same with another make of router.
    pub(crate) async fn router_running(
        &mut self,
        name: &'static str,
        by: By,
        settings: Settings,
    ) -> Router {
        let settings = Settings { identity: name.to_owned(), ..settings };
        let clock = Arc::new(Shared(self.app.clock().clone()));
        let sim = RouterSim::start(settings, clock).unwrap();
        let (address, protocol) = match by {
            By::Api => (sim.router().api_address().unwrap(), RouterProtocol::Api),
            By::Rest => (sim.router().rest_address().unwrap(), RouterProtocol::Rest),
        };
        let address = RouterAddress {
            host: address.ip().to_string(),
            port: address.port(),
            protocol,
            tls: RouterTls::Off,
        };
        let login = RouterLogin { user: "lango".to_owned(), password: "secret".to_owned() };
        let new = NewRouter { tenant: self.tenant, name: name.to_owned(), address, login };
        let id = add_router(&self.app, new, &asked::By::cli(), self.now()).await.unwrap().id;
        let router = sim.router().clone();
        self.routers.insert(name, Site { sim, id, visit: None });
        router
    }

    pub(crate) fn router_id(&self, name: &str) -> RouterId {
        self.routers[name].id
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.app.clock().now()
    }

    // --- the shop ---------------------------------------------------------------------------

    pub(crate) async fn plan(&self, name: &str, terms: Terms) {
        let price = Money::new(50_00, Currency::KES);
        let new = NewPlan { tenant: self.tenant, name: name.to_owned(), price, terms };
        add_plan(&self.app, new, &asked::By::cli(), self.now()).await.unwrap();
    }

    /// A customer with a phone number of his own.
    pub(crate) async fn customer(&mut self) -> CustomerId {
        self.customers += 1;
        let new = NewCustomer {
            tenant: self.tenant,
            name: format!("Customer {}", self.customers),
            phone: Some(format!("07{:08}", self.customers)),
            language: None,
        };
        add_customer(&self.app, new, &asked::By::cli(), self.now()).await.unwrap().id
    }

    /// A voucher, paid by a customer or unsold.
    pub(crate) async fn voucher(
        &self,
        plan: &str,
        customer: Option<CustomerId>,
    ) -> (GrantId, String) {
        let order = VoucherOrder {
            tenant: self.tenant,
            plan: plan.to_owned(),
            count: 1,
            customer,
            router: None,
        };
        let voucher = issue_vouchers(&self.app, order, &asked::By::cli(), self.now())
            .await
            .unwrap()
            .remove(0);
        (voucher.id, read_code(&voucher.code).unwrap())
    }

    /// A service, paid for.
    pub(crate) async fn service(&mut self, plan: &str, access: Access) -> GrantId {
        self.service_on(plan, access, None).await
    }

    pub(crate) async fn service_on(
        &mut self,
        plan: &str,
        access: Access,
        router: Option<&str>,
    ) -> GrantId {
        let customer = self.customer().await;
        let order = ServiceOrder {
            tenant: self.tenant,
            plan: plan.to_owned(),
            access,
            customer: Some(customer),
            router: router.map(|name| self.router_id(name)),
            paid: true,
        };
        open_service(&self.app, order, &asked::By::cli(), self.now()).await.unwrap().grant.id
    }

    /// A payment with a fresh receipt.
    pub(crate) async fn pay(&mut self, grant: GrantId) -> Accepted {
        self.receipts += 1;
        let receipt = format!("R{}", self.receipts);
        self.pay_with(grant, &receipt).await
    }

    pub(crate) async fn pay_with(&self, grant: GrantId, receipt: &str) -> Accepted {
        let payment = Payment {
            tenant: self.tenant,
            grant,
            provider: "mpesa".to_owned(),
            receipt: receipt.to_owned(),
            amount: Money::new(50_00, Currency::KES),
        };
        accept_payment(&self.app, payment, &asked::By::payment(), self.now()).await.unwrap()
    }

    pub(crate) async fn tell(&self, grant: GrantId, event: Event) {
        change_grant(&self.app, grant, event, Actor::Cli, self.now()).await.unwrap().unwrap();
    }

    // --- time -------------------------------------------------------------------------------

    /// Moves the clock on, doing everything at its own instant on the way.
    pub(crate) async fn advance(&mut self, span: Span) {
        let until = self.now() + span;
        self.pump().await;
        while let Some(next) = self.next_event().await.filter(|next| *next < until) {
            self.app.clock().set(next);
            self.pump().await;
        }
        self.app.clock().set(until);
        self.pump().await;
    }

    /// Moves the clock with nobody at work, as in a power cut.
    pub(crate) fn sleep(&mut self, span: Span) {
        self.app.clock().set(self.now() + span);
        for site in self.routers.values_mut() {
            site.visit = None;
            site.sim.router().tick();
        }
    }

    /// The next instant at which something is to be done. A router that is away is tried again
    /// every half minute.
    async fn next_event(&self) -> Option<Timestamp> {
        let now = self.now();
        let away = self.routers.values().any(|site| site.visit.is_none());
        let again = away.then(|| now + Span::seconds(30));
        let routers: Vec<RouterId> = self.routers.values().map(|site| site.id).collect();
        self.app
            .store()
            .read(async move |tx: &mut Tx<'_>| {
                let mut next = lango_store::grants::next_deadline(tx).await?;
                for router in &routers {
                    let attempt = lango_store::enforcements::next_attempt(tx, *router).await?;
                    let admission = lango_store::admissions::next_attempt(tx, *router).await?;
                    let ahead = [attempt, admission].into_iter().flatten().filter(|at| *at > now);
                    next = ahead.chain(next).min();
                }
                Ok([next, again].into_iter().flatten().min())
            })
            .await
            .unwrap()
    }

    /// Does everything that is due, until nothing is.
    pub(crate) async fn pump(&mut self) {
        for _ in 0..3 {
            for site in self.routers.values() {
                site.sim.router().tick();
            }
            end_due_grants(&self.app, self.now()).await.unwrap();
            for site in self.routers.values_mut() {
                visit(&self.app, self.tenant, site).await;
            }
            while lango_server::jobs::pass(&self.app, &Sender::LogOnly).await.unwrap() > 0 {}
        }
    }

    /// Compares a router with what was paid; changes nothing.
    pub(crate) async fn dry_run(&mut self, name: &str) -> SyncReport {
        let site = self.routers.get_mut(name).unwrap();
        open(&self.app, self.tenant, site).await;
        site.visit.as_mut().unwrap().compare().await.unwrap()
    }

    /// Compares a router with what was paid and repairs.
    pub(crate) async fn sync(&mut self, name: &str) -> SyncReport {
        let site = self.routers.get_mut(name).unwrap();
        open(&self.app, self.tenant, site).await;
        let visit = site.visit.as_mut().unwrap();
        let report = visit.sync().await.unwrap();
        visit.act().await.unwrap();
        report
    }

    /// Compares a router that may fail; true if it could be done.
    pub(crate) async fn try_sync(&mut self, name: &str) -> bool {
        let site = self.routers.get_mut(name).unwrap();
        open(&self.app, self.tenant, site).await;
        match site.visit.as_mut() {
            Some(visit) => visit.sync().await.is_ok(),
            None => false,
        }
    }

    // --- what is so ---------------------------------------------------------------------------

    pub(crate) async fn grant(&self, id: GrantId) -> StoredGrant {
        self.app
            .store()
            .read(async move |tx: &mut Tx<'_>| lango_store::grants::one(tx, id).await)
            .await
            .unwrap()
    }

    pub(crate) async fn ended(&self, id: GrantId) -> Option<EndReason> {
        match self.grant(id).await.grant.state {
            State::Ended { reason, .. } => Some(reason),
            _ => None,
        }
    }

    pub(crate) async fn cuts(&self, id: GrantId) -> Vec<Cut> {
        self.app
            .store()
            .read(async move |tx: &mut Tx<'_>| lango_store::cuts::of_grant(tx, id).await)
            .await
            .unwrap()
    }

    /// Work for this grant that no router has confirmed.
    pub(crate) async fn open_work(&self, id: GrantId) -> Vec<Line> {
        self.app
            .store()
            .read(async move |tx: &mut Tx<'_>| {
                lango_store::enforcements::open_of_grant(tx, id).await
            })
            .await
            .unwrap()
    }

    pub(crate) async fn messages(&self) -> Vec<Message> {
        let tenant = self.tenant;
        let mut messages = self
            .app
            .store()
            .read(async move |tx: &mut Tx<'_>| {
                lango_store::jobs::messages(tx, tenant, None, 1_000).await
            })
            .await
            .unwrap();
        messages.reverse();
        messages
    }

    pub(crate) async fn story_of(&self, id: GrantId) -> Vec<Activity> {
        self.app
            .store()
            .read(async move |tx: &mut Tx<'_>| lango_store::activity::of_grant(tx, id).await)
            .await
            .unwrap()
    }

    /// Ends a story: whatever is due has been done, no router is owed anything.
    pub(crate) async fn finish(mut self) {
        self.pump().await;
        let (now, routers) = (self.now(), self.routers.values().map(|site| site.id));
        let routers: Vec<RouterId> = routers.collect();
        let left = self
            .app
            .store()
            .read(async move |tx: &mut Tx<'_>| {
                let mut left = Vec::new();
                for router in &routers {
                    let waiting = lango_store::enforcements::count_pending(tx, *router).await?;
                    if waiting > 0 {
                        left.push(format!("{waiting} orders wait for router {router}"));
                    }
                }
                if let Some(due) = lango_store::grants::next_deadline(tx).await?
                    && due <= now
                {
                    left.push(format!("a grant has been due since {due}"));
                }
                if let Some(due) = lango_store::jobs::next_run(tx).await?
                    && due <= now
                {
                    left.push(format!("a job has been due since {due}"));
                }
                Ok(left)
            })
            .await
            .unwrap();
        assert_eq!(left, Vec::<String>::new(), "the story leaves work behind");
    }
}

async fn open(app: &App, tenant: TenantId, site: &mut Site) {
    if site.visit.is_some() {
        return;
    }
    let routers = app
        .store()
        .read(async move |tx: &mut Tx<'_>| lango_store::routers::of_tenant(tx, tenant).await)
        .await
        .unwrap();
    let Some(router) = routers.into_iter().find(|router| router.id.raw() == site.id.raw()) else {
        return;
    };
    if let Ok(driver) = connect(app, &router, TIMEOUTS).await {
        site.visit = Some(Visit::new(app.clone(), router, driver));
    }
}

/// What the router's worker does: connect and compare if need be, follow, act.
async fn visit(app: &App, tenant: TenantId, site: &mut Site) {
    let fresh = site.visit.is_none();
    open(app, tenant, site).await;
    let Some(visit) = site.visit.as_mut() else { return };
    let mut done = Ok(());
    if fresh {
        done = visit.sync().await.map(drop);
    }
    if done.is_ok() {
        done = visit.follow().await;
    }
    if done.is_ok() {
        done = visit.act().await.map(drop);
    }
    if done.is_err() {
        site.visit = None;
    }
}

// --- people ---------------------------------------------------------------------------------

pub(crate) fn mac(number: u8) -> MacAddress {
    MacAddress([0xAA, 0xBB, 0xCC, 0x00, 0x00, number])
}

/// Whether a phone reaches the internet through this router, by whatever way.
pub(crate) fn browses(router: &Router, phone: MacAddress) -> bool {
    router.tick();
    router.address_of(phone).is_some_and(|ip| router.can_browse(phone, ip).is_allowed())
}

/// A phone joins the hotspot and types a code.
pub(crate) fn log_in(router: &Router, phone: MacAddress, code: &str) {
    router.join(phone);
    router.login(phone, code, code).unwrap();
    router.keep_busy(phone, 100, 1_000);
}

pub(crate) fn hotspot(name: &str) -> Access {
    Access::Hotspot { name: name.to_owned(), password: Secret::new(name) }
}

pub(crate) fn pppoe(name: &str) -> Access {
    Access::Pppoe { name: name.to_owned(), password: Secret::new("pass"), address: None }
}

pub(crate) fn fixed(last: u8) -> Access {
    Access::StaticIp { address: Ipv4Addr::new(10, 77, 0, last), mac: None }
}

/// Runs stories on SQLite and on PostgreSQL.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod on_sqlite { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() { super::$story(crate::harness::Engine::Sqlite).await }
        )* }
        mod on_postgres { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() { super::$story(crate::harness::Engine::Postgres).await }
        )* }
    };
}
pub(crate) use stories;
