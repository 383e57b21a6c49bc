//! A business with simulated routers that ask and report by RADIUS. Time moves when told to, the
//! network is real: datagrams between addresses of this machine.

use super::{PATIENCE, SECRET};
use crate::harness::{Engine, NOON};
use lango_domain::access::{Access, Secret as Password};
use lango_domain::grant::Event;
use lango_domain::ids::{GrantId, RouterId, TenantId};
use lango_domain::language::Language;
use lango_domain::money::{Currency, Money};
use lango_domain::phone_number::Country;
use lango_domain::plan::Terms;
use lango_domain::time::{Span, Timestamp};
use lango_router_sim::{MacAddress, RouterSim, Settings};
use lango_server::app::App;
use lango_server::clock::Clock;
use lango_server::messaging::sender::Sender;
use lango_server::operations::accept_payment::{Accepted, Payment, accept_payment};
use lango_server::operations::add_plan::{NewPlan, add_plan};
use lango_server::operations::add_router::{NewRouter, RouterLogin, add_router};
use lango_server::operations::asked::By;
use lango_server::operations::change_grant::{Actor, change_grant};
use lango_server::operations::found_tenant::{Founding, found_tenant};
use lango_server::operations::issue_vouchers::{VoucherOrder, issue_vouchers};
use lango_server::operations::open_service::{ServiceOrder, open_service};
use lango_server::run::Running;
use lango_server::{radius, run};
use lango_store::cuts::Cut;
use lango_store::grants::StoredGrant;
use lango_store::radius::{Nas, RadiusSession};
use lango_store::secrets::SecretKey;
use lango_store::sessions::Session;
use lango_store::testing::TestStore;
use lango_store::{Store, Tx};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a simulated router reads the time from.
struct Shared(Clock);

impl lango_router_sim::Clock for Shared {
    fn now_micros(&self) -> i64 {
        self.0.now().micros()
    }
}

/// The business.
pub(crate) struct Town {
    pub(crate) app: App,
    pub(crate) tenant: TenantId,
    pub(crate) places: Vec<Place>,
    receipts: std::sync::atomic::AtomicU32,
    settings: radius::Settings,
    running: Option<Running>,
    _store: Option<TestStore>,
}

/// One of its routers.
pub(crate) struct Place {
    pub(crate) sim: RouterSim,
    pub(crate) id: RouterId,
    /// Its line in `/radius`.
    pub(crate) line: String,
}

impl Town {
    /// Two routers: Lobby and Tower.
    pub(crate) async fn on(engine: Engine) -> Town {
        let migrations = lango_store::schema::MIGRATIONS;
        let store = match engine {
            Engine::Sqlite => lango_store::testing::sqlite(migrations).await,
            Engine::Postgres => lango_store::testing::postgres(migrations).await,
        };
        let town = Town::of((*store).clone()).await;
        Town { _store: Some(store), ..town }
    }

    /// The same over a database that somebody else looks after.
    pub(crate) async fn of(store: Store) -> Town {
        let app = App::new(store, Clock::manual(NOON), SecretKey::from_bytes(&[7; 32]));
        let founding = Founding {
            business: "Hotel".to_owned(),
            email: "o@example.org".to_owned(),
            password: "long enough".to_owned(),
            country: Country::Ke,
            zone: None,
            language: Language::En,
        };
        let tenant = found_tenant(&app, founding, &By::cli(), NOON).await.unwrap().tenant;
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let bound = radius::bind(radius::Settings { authentication: any, accounting: any });
        let bound = bound.unwrap();
        let (authentication, accounting) = (bound.authentication, bound.accounting);
        let settings = radius::Settings { authentication, accounting };
        let mut places = Vec::new();
        for (name, host) in [("Lobby", 2), ("Tower", 3)] {
            places.push(place(&app, tenant, &bound, name, host).await);
        }
        let timeouts = lango_routeros::Timeouts::default();
        let running = run::start(&app, Sender::LogOnly, timeouts, None, Some(bound));
        let receipts = std::sync::atomic::AtomicU32::new(0);
        Town { app, tenant, places, receipts, settings, running: Some(running), _store: None }
    }

    /// The server is down for so long, and comes back at the same place.
    pub(crate) async fn be_away(&mut self, span: Span) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        let until = self.now() + span;
        while self.now() < until {
            self.app.clock().set((self.now() + Span::minutes(10)).min(until));
            self.settle().await;
        }
        let bound = radius::bind(self.settings).unwrap();
        let timeouts = lango_routeros::Timeouts::default();
        self.running = Some(run::start(&self.app, Sender::LogOnly, timeouts, None, Some(bound)));
    }

    pub(crate) fn lobby(&self) -> &RouterSim {
        &self.places[0].sim
    }

    pub(crate) fn tower(&self) -> &RouterSim {
        &self.places[1].sim
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.app.clock().now()
    }

    // --- the shop ---------------------------------------------------------------------------

    pub(crate) async fn plan(&self, name: &str, terms: Terms) {
        let (name, price) = (name.to_owned(), Money::new(50_00, Currency::KES));
        let new = NewPlan { tenant: self.tenant, name, price, terms };
        add_plan(&self.app, new, &By::cli(), self.now()).await.unwrap();
    }

    pub(crate) async fn vouchers(&self, plan: &str, count: usize) -> Vec<(String, GrantId)> {
        let order = VoucherOrder {
            tenant: self.tenant,
            plan: plan.to_owned(),
            count,
            customer: None,
            router: None,
        };
        let made = issue_vouchers(&self.app, order, &By::cli(), self.now()).await.unwrap();
        made.into_iter().map(|one| (one.code.replace('-', ""), one.id)).collect()
    }

    pub(crate) async fn voucher(&self, plan: &str) -> (String, GrantId) {
        self.vouchers(plan, 1).await.remove(0)
    }

    pub(crate) async fn service(&self, plan: &str, name: &str) -> GrantId {
        let password = Password::new("secret");
        let access = Access::Pppoe { name: name.to_owned(), password, address: None };
        let order = ServiceOrder {
            tenant: self.tenant,
            plan: plan.to_owned(),
            access,
            customer: None,
            router: None,
            paid: true,
        };
        open_service(&self.app, order, &By::cli(), self.now()).await.unwrap().grant.id
    }

    pub(crate) async fn pay(&self, grant: GrantId) {
        let number = self.receipts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let payment = Payment {
            tenant: self.tenant,
            grant,
            provider: "mpesa".to_owned(),
            receipt: format!("R{number}"),
            amount: Money::new(50_00, Currency::KES),
        };
        let paid = accept_payment(&self.app, payment, &By::payment(), self.now()).await.unwrap();
        assert!(matches!(paid, Accepted::Now(_)), "{paid:?}");
    }

    pub(crate) async fn tell(&self, grant: GrantId, event: Event) {
        let told = change_grant(&self.app, grant, event, Actor::Cli, self.now()).await;
        told.unwrap().unwrap();
    }

    // --- time -------------------------------------------------------------------------------

    /// Lets time pass, half a minute at a time; routers have said what they had to say at the end
    /// of each.
    pub(crate) async fn pass(&self, span: Span) {
        let until = self.now() + span;
        while self.now() < until {
            self.app.clock().set((self.now() + Span::seconds(30)).min(until));
            self.settle().await;
        }
    }

    /// Lets time pass faster than packets travel: reports of one session overtake each other.
    pub(crate) async fn rush(&self, span: Span) {
        let until = self.now() + span;
        while self.now() < until {
            self.app.clock().set((self.now() + Span::minutes(1)).min(until));
            self.places.iter().for_each(|place| place.sim.tick());
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        self.settle().await;
    }

    /// Waits until no router waits for an answer any more.
    pub(crate) async fn settle(&self) {
        let began = Instant::now();
        loop {
            self.places.iter().for_each(|place| place.sim.tick());
            tokio::time::sleep(Duration::from_millis(3)).await;
            if self.places.iter().all(|place| place.sim.radius_counters().pending == 0) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "a router waits for an answer for ever");
        }
    }

    pub(crate) async fn until(&self, what: &str, happened: impl AsyncFn() -> bool) {
        let began = Instant::now();
        while !happened().await {
            assert!(began.elapsed() < PATIENCE, "it did not happen: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    // --- what is so ---------------------------------------------------------------------------

    pub(crate) async fn grant(&self, id: GrantId) -> StoredGrant {
        let read = async move |tx: &mut Tx<'_>| lango_store::grants::one(tx, id).await;
        self.app.store().read(read).await.unwrap()
    }

    pub(crate) async fn cuts(&self, id: GrantId) -> Vec<Cut> {
        let read = async move |tx: &mut Tx<'_>| lango_store::cuts::of_grant(tx, id).await;
        self.app.store().read(read).await.unwrap()
    }

    /// A grant's sessions as NASes count them and as staff see them, oldest first.
    pub(crate) async fn sessions(&self, grant: GrantId) -> Vec<(RadiusSession, Session)> {
        sessions(self.app.store(), grant).await
    }

    pub(crate) async fn nas(&self, router: RouterId) -> Option<Nas> {
        let read = async move |tx: &mut Tx<'_>| lango_store::radius::nases(tx).await;
        let all = self.app.store().read(read).await.unwrap();
        all.into_iter().find(|nas| nas.router == router)
    }
}

/// A grant's sessions as NASes count them and as staff see them, oldest first.
pub(crate) async fn sessions(store: &Store, grant: GrantId) -> Vec<(RadiusSession, Session)> {
    let read = async move |tx: &mut Tx<'_>| {
        let mut shown = lango_store::sessions::of_grant(tx, grant, 10_000).await?;
        shown.sort_by_key(|session| session.id);
        let ids: Vec<_> = shown.iter().map(|session| session.id).collect();
        let mut counted = lango_store::radius::by_ids(tx, &ids).await?;
        counted.sort_by_key(|session| session.id);
        Ok((counted, shown))
    };
    let (counted, shown) = store.read(read).await.unwrap();
    assert_eq!(counted.len(), shown.len(), "what staff see is what NASes count");
    counted.into_iter().zip(shown).collect()
}

async fn place(app: &App, tenant: TenantId, bound: &radius::Bound, name: &str, host: u8) -> Place {
    let address = Ipv4Addr::new(127, 0, 0, host);
    let settings = Settings { identity: name.to_owned(), address, ..Settings::default() };
    let sim = RouterSim::start(settings, Arc::new(Shared(app.clock().clone()))).unwrap();
    let incoming = sim.accept_incoming(0).unwrap();
    let (asked, told) = (bound.authentication.port(), bound.accounting.port());
    let line = sim.use_radius(Ipv4Addr::LOCALHOST, asked, told, SECRET).unwrap();
    let login = RouterLogin { user: String::new(), password: SECRET.to_owned() };
    let address = format!("radius://{incoming}").parse().unwrap();
    let new = NewRouter { tenant, name: name.to_owned(), address, login };
    let id = add_router(app, new, &By::cli(), app.clock().now()).await.unwrap().id;
    Place { sim, id, line }
}

/// A phone.
pub(crate) fn phone(number: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, number])
}

/// Whether a machine reaches the internet.
pub(crate) fn browses(sim: &RouterSim, mac: MacAddress) -> bool {
    sim.tick();
    sim.address_of(mac).is_some_and(|ip| sim.can_browse(mac, ip).is_allowed())
}

/// A phone joins and its owner types a code: what the page says.
pub(crate) async fn sign_in(sim: &RouterSim, mac: MacAddress, code: &str) -> Result<(), String> {
    sim.join(mac);
    sim.sign_in(mac, code, code).await
}
