//! The town: two routers and the people around them. They behave by a fixed plan and a seeded
//! dice, so that every demonstration shows the same sorts of things. Who pays by phone lives a life
//! of his own (`buyer.rs`); the town hears of it.

use super::browser::Browser;
use super::buyer::{Buyer, News, Surroundings, Temper, written};
use super::outside::Outside;
use crate::app::App;
use crate::clock::Clock;
use crate::config::public_url::PublicUrl;
use crate::enforcement::routeros::setup::pages;
use crate::enforcement::routeros::setup::portal::PortalSetup;
use crate::operations::accept_payment::{Payment, accept_payment};
use crate::operations::add_customer::{NewCustomer, add_customer};
use crate::operations::add_plan::{NewPlan, add_plan};
use crate::operations::add_router::{
    NewRouter, RouterAddress, RouterLogin, RouterProtocol, RouterTls, add_router,
};
use crate::operations::asked::By;
use crate::operations::begin_purchase::purchase_of_device;
use crate::operations::found_tenant::{Founding, found_tenant};
use crate::operations::issue_vouchers::{VoucherOrder, issue_vouchers, read_code};
use crate::operations::open_service::{ServiceOrder, open_service};
use crate::portal_address::{PAGES, PortalAddress};
use crate::radius;
use lango_domain::access::{Access, Secret};
use lango_domain::ids::{GatewayId, GrantId, Id, RouterId, TenantId};
use lango_domain::language::Language;
use lango_domain::money::{Currency, Money};
use lango_domain::phone_number::Country;
use lango_domain::plan::Terms;
use lango_domain::quantity::Speed;
use lango_domain::time::{Span, Timestamp};
use lango_router_sim::{Change, MacAddress, PersonEvent, Router, RouterSim, Settings};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::{JoinHandle, JoinSet};

/// The plans on sale: name, minutes.
const HOTSPOT_PLANS: [(&str, i64); 3] = [("5 minutes", 5), ("10 minutes", 10), ("15 minutes", 15)];
const SERVICE_PLAN: (&str, i64) = ("Home", 12);
/// A new hotspot customer comes so often.
const ARRIVALS: Span = Span::seconds(25);
/// Longer than a login page keeps anybody waiting, in real time.
const LAST_PAGES: Duration = Duration::from_secs(8);
/// How long before their end those who renew do it.
const RENEW_BEFORE: Span = Span::seconds(60);

/// The device of whoever opens the portal in a browser of his own.
pub(super) const VISITOR: MacAddress = MacAddress([0xDA, 0xA1, 0x19, 0x01, 0, 1]);

/// The town.
pub(super) struct Town {
    app: App,
    tenant: TenantId,
    pub(super) places: Vec<Place>,
    pub(super) people: Vec<Person>,
    dice: fastrand::Rng,
    next_arrival: Span,
    receipts: u32,
    pub(super) payments: u32,
    outage: Outage,
    public: PublicUrl,
    gateway: GatewayId,
    around: Surroundings,
    buyers: JoinSet<(String, anyhow::Result<()>)>,
    news: UnboundedReceiver<(usize, News)>,
    connects: Vec<(MacAddress, i64)>,
    /// What went wrong for those who pay by phone.
    pub(super) faults: Vec<String>,
}

/// A router and what stands around it.
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) protocol: &'static str,
    pub(super) id: RouterId,
    sim: RouterSim,
    pub(super) events: broadcast::Receiver<PersonEvent>,
    arrivals: broadcast::Receiver<PersonEvent>,
    pub(super) away: bool,
    /// When it went away, if it ever did.
    away_since: Option<Timestamp>,
    /// Since when it can be reached again.
    pub(super) back_at: Timestamp,
}

/// Somebody with a device.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) mac: MacAddress,
    pub(super) grant: GrantId,
    pub(super) kind: Kind,
    /// The router he is at now.
    pub(super) at: usize,
    /// What one purchase gives.
    pub(super) minutes: i64,
    /// Until when he has paid, by our own arithmetic, not Lango's; none before his clock runs.
    pub(super) paid_until: Option<Timestamp>,
    /// How much later it may be over: who pays when his time is over gets all of it from when Lango
    /// hears of it, and a provider's word may be late or lost.
    heard_late: Span,
    /// From when on he should be judged: changes need a moment to arrive.
    pub(super) steady_from: Timestamp,
    pub(super) plan: Plan,
    /// The phone with which he pays for himself.
    pub(super) phone: Option<String>,
    /// What he was given for what he paid by it, by his own count.
    pub(super) purchases: usize,
    pub(super) left_before_paying: bool,
    /// The login page that he waits for: at which router, since when.
    asks: Option<Asks>,
}

impl Person {
    /// When he must be off.
    pub(super) fn over_at(&self) -> Option<Timestamp> {
        self.paid_until.map(|until| until + self.heard_late)
    }
}

/// A login that is under way: where RADIUS is asked, the page takes a moment.
pub(super) struct Asks {
    at: usize,
    since: Timestamp,
    outcome: JoinHandle<Result<(), String>>,
}

/// What sort of customer he is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Hotspot {
        code: String,
    },
    /// Buys at the portal, by phone.
    Buyer,
    Pppoe,
    Fixed,
}

/// What he is going to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// Renews so many times more.
    renewals: u8,
    /// Goes over to the other router halfway.
    roams: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outage {
    ToCome,
    Now,
    Over,
}

struct Shared(Clock);

impl lango_router_sim::Clock for Shared {
    fn now_micros(&self) -> i64 {
        self.0.now().micros()
    }
}

impl Town {
    /// Builds the town: a business, two routers, plans, the customers who are there at the start.
    pub(super) async fn build(
        app: &App,
        nases: &radius::Bound,
        outside: Outside,
        public: PublicUrl,
    ) -> anyhow::Result<Town> {
        let now = app.clock().now();
        let founding = Founding {
            business: "Hotel ABC WiFi".to_owned(),
            email: "owner@abc.example".to_owned(),
            password: "demonstration".to_owned(),
            country: Country::Ke,
            zone: None,
            language: Language::Sw,
        };
        let tenant = found_tenant(app, founding, &By::cli(), now).await?.tenant;
        let gateway = outside.sign_up(app, tenant).await?;
        let (tell, news) = mpsc::unbounded_channel();
        let around = Surroundings {
            clock: app.clock().clone(),
            outside,
            browser: Browser::at(&public.to_string()),
            news: tell,
            closing: Arc::new(AtomicBool::new(false)),
        };
        let mut town = Town {
            app: app.clone(),
            tenant,
            places: Vec::new(),
            people: Vec::new(),
            dice: fastrand::Rng::with_seed(7),
            next_arrival: Span::ZERO,
            receipts: 0,
            payments: 0,
            outage: Outage::ToCome,
            public,
            gateway,
            around,
            buyers: JoinSet::new(),
            news,
            connects: Vec::new(),
            faults: Vec::new(),
        };
        town.put_up_router("Lobby", RouterProtocol::Api, nases).await?;
        town.put_up_router("Garden", RouterProtocol::Radius, nases).await?;
        town.put_plans_on_sale().await?;
        for number in 0..12 {
            town.open_service_for(number).await?;
        }
        Ok(town)
    }

    pub(super) fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub(super) fn gateway(&self) -> GatewayId {
        self.gateway
    }

    pub(super) fn outside(&self) -> &Outside {
        &self.around.outside
    }

    /// The portal, for a phone in the lobby that is nobody's yet.
    pub(super) fn portal_for_a_visitor(&self) -> String {
        let address = self.router(0).join(VISITOR);
        self.router(0).keep_busy(VISITOR, 20_000, 200_000);
        let portal = PortalAddress::of(&self.public, self.places[0].id).portal();
        format!("{portal}?mac={}&ip={address}", written(VISITOR))
    }

    /// When a device next came online, from an instant on.
    pub(super) fn next_connect(&self, mac: MacAddress, from: i64) -> Option<i64> {
        self.connects.iter().filter(|(who, at)| *who == mac && *at >= from).map(|(_, at)| *at).min()
    }

    /// Whether a router could not be reached then, or was just being found again.
    pub(super) fn is_away_at(&self, place: usize, at: i64) -> bool {
        let place = &self.places[place];
        let back = if place.away { i64::MAX } else { (place.back_at + Span::minutes(2)).micros() };
        // Who pays just before waits for it, too.
        place.away_since.is_some_and(|since| (since - Span::minutes(1)).micros() <= at && at < back)
    }

    pub(super) fn router(&self, place: usize) -> &Router {
        self.places[place].sim.router()
    }

    async fn put_up_router(
        &mut self,
        name: &'static str,
        protocol: RouterProtocol,
        nases: &radius::Bound,
    ) -> anyhow::Result<()> {
        let settings = Settings { identity: name.to_owned(), ..Settings::default() };
        let clock = Arc::new(Shared(self.app.clock().clone()));
        let sim = RouterSim::start(settings, clock)?;
        let (address, word, password) = match protocol {
            RouterProtocol::Api => (sim.router().api_address(), "binary API", "secret".to_owned()),
            RouterProtocol::Rest => (sim.router().rest_address(), "REST", "secret".to_owned()),
            RouterProtocol::Radius => {
                let secret = format!("demonstration {:016x}", fastrand::u64(..));
                let address = ask_by_radius(sim.router(), nases, &secret)?;
                (Some(address), "RADIUS", secret)
            }
        };
        let address = address.ok_or_else(|| anyhow::anyhow!("router {name} does not listen"))?;
        let address = RouterAddress {
            host: address.ip().to_string(),
            port: address.port(),
            protocol,
            tls: RouterTls::Off,
        };
        let login = RouterLogin { user: "lango".to_owned(), password };
        let now = self.app.clock().now();
        let new = NewRouter { tenant: self.tenant, name: name.to_owned(), address, login };
        let id = add_router(&self.app, new, &By::cli(), now).await?.id;
        lead_to_portal(sim.router(), &PortalAddress::of(&self.public, id))?;
        let (events, arrivals) = (sim.router().subscribe(), sim.router().subscribe());
        self.places.push(Place {
            name,
            protocol: word,
            id,
            sim,
            events,
            arrivals,
            away: false,
            away_since: None,
            back_at: now,
        });
        Ok(())
    }

    async fn put_plans_on_sale(&self) -> anyhow::Result<()> {
        let now = self.app.clock().now();
        let sold = |terms: Terms| Terms {
            warn_before: Some(Span::minutes(2)),
            devices: NonZeroU16::new(2).unwrap_or(NonZeroU16::MIN),
            speed: Some(Speed { upload: 2_000_000, download: 5_000_000 }),
            ..terms
        };
        for (name, minutes) in HOTSPOT_PLANS {
            let price = Money::new(minutes * 100, Currency::KES);
            let terms = sold(Terms::hotspot(Span::minutes(minutes)));
            let new = NewPlan { tenant: self.tenant, name: name.to_owned(), price, terms };
            add_plan(&self.app, new, &By::cli(), now).await?;
        }
        let (name, minutes) = SERVICE_PLAN;
        let terms = sold(Terms::service(Span::minutes(minutes)));
        let price = Money::new(minutes * 100, Currency::KES);
        let new = NewPlan { tenant: self.tenant, name: name.to_owned(), price, terms };
        add_plan(&self.app, new, &By::cli(), now).await?;
        Ok(())
    }

    /// One step of everybody's life.
    pub(super) async fn live(&mut self, passed: Span, lasts: Span) -> anyhow::Result<()> {
        self.break_a_line(passed, lasts);
        self.hear_of_buyers().await?;
        // The last to come must have time to run out before the summary.
        if passed >= self.next_arrival && passed.micros() < lasts.micros() / 10 * 7 {
            self.next_arrival = passed + ARRIVALS;
            self.somebody_buys().await?;
        }
        for number in 0..self.people.len() {
            self.live_on(number).await?;
        }
        Ok(())
    }

    /// In the middle the line to the first router breaks for a while.
    fn break_a_line(&mut self, passed: Span, lasts: Span) {
        let share = passed.micros() * 100 / lasts.micros().max(1);
        let (next, away) = match (self.outage, share) {
            (Outage::ToCome, 40..) => (Outage::Now, true),
            (Outage::Now, 55..) => (Outage::Over, false),
            _ => return,
        };
        self.outage = next;
        self.places[0].away = away;
        let now = self.app.clock().now();
        self.places[0].back_at = now;
        self.places[0].away_since = self.places[0].away_since.or(Some(now));
        self.router(0).faults().unreachable(away);
    }

    async fn somebody_buys(&mut self) -> anyhow::Result<()> {
        // Every third has a voucher from the desk, the others pay by phone.
        if self.people.len().is_multiple_of(3) {
            return self.somebody_buys_a_voucher().await;
        }
        self.somebody_comes_to_the_portal();
        Ok(())
    }

    fn somebody_comes_to_the_portal(&mut self) {
        let (number, now) = (self.people.len(), self.app.clock().now());
        let (plan, minutes) = HOTSPOT_PLANS[self.dice.usize(0..HOTSPOT_PLANS.len())];
        let at = self.dice.usize(0..self.places.len());
        let temper = Temper::of(self.people.iter().filter(|one| one.phone.is_some()).count());
        let (name, phone, mac) = (name_of(number), format!("+2547{number:08}"), mac(number));
        let buyer = Buyer {
            number,
            mac,
            router: self.router(at).clone(),
            portal: PortalAddress::of(&self.public, self.places[at].id).portal(),
            phone: phone.clone(),
            plan,
            minutes,
            temper,
            renewals: self.dice.u8(0..3),
            taps_twice: self.dice.u8(0..4) == 0,
            presented: AtomicI64::new(0),
        };
        self.router(at).keep_busy(mac, 20_000, 200_000);
        self.people.push(Person {
            name: name.clone(),
            mac,
            // He has none before he has paid.
            grant: GrantId::from_raw(0),
            kind: Kind::Buyer,
            at,
            minutes,
            paid_until: None,
            heard_late: Span::ZERO,
            steady_from: now,
            plan: Plan { renewals: 0, roams: false },
            phone: Some(phone),
            purchases: 0,
            left_before_paying: temper == Temper::PaysLate,
            asks: None,
        });
        let [_, _, high, low] = (number as u32).to_be_bytes();
        let browser = self.around.browser.on(Ipv4Addr::new(10, 99, high, low));
        let around = Surroundings { browser, ..self.around.clone() };
        self.buyers.spawn(async move { (name, buyer.live(around).await) });
    }

    /// What those who pay by phone have to tell, and when routers showed them.
    pub(super) async fn hear_of_buyers(&mut self) -> anyhow::Result<()> {
        for place in &mut self.places {
            while let Ok(event) = place.arrivals.try_recv() {
                if let Change::Connected { .. } = event.change {
                    self.connects.push((event.mac, event.at_micros));
                }
            }
        }
        while let Ok((number, news)) = self.news.try_recv() {
            self.hear(number, news).await?;
        }
        while let Some(ended) = self.buyers.try_join_next() {
            match ended {
                Ok((_, Ok(()))) => {}
                Ok((name, Err(error))) => self.faults.push(format!("{name}: {error:#}")),
                Err(broken) => self.faults.push(format!("a customer broke down: {broken}")),
            }
        }
        Ok(())
    }

    async fn hear(&mut self, number: usize, news: News) -> anyhow::Result<()> {
        let now = self.app.clock().now();
        let first = self.connects.iter().find(|(who, _)| *who == self.people[number].mac);
        let began = first.map_or(now, |(_, at)| Timestamp::from_micros(*at));
        let paid_at = self.last_paid(number).unwrap_or(now);
        self.payments += 1;
        let person = &mut self.people[number];
        person.purchases += 1;
        let minutes = Span::minutes(person.minutes);
        match news {
            // His time runs from the login on, and the router shows the session a moment later.
            News::Online { presented } => {
                let began = presented.map_or(began, |presented| presented.min(began));
                person.paid_until = Some(began + minutes);
                person.steady_from = now + Span::seconds(5);
            }
            News::Renewed => {
                if person.paid_until.is_none_or(|until| until < paid_at) {
                    person.steady_from = now + Span::seconds(30);
                }
                let over_at = person.over_at().map(|over| over.max(now) + minutes);
                person.paid_until = person.paid_until.map(|until| until.max(paid_at) + minutes);
                let both = over_at.zip(person.paid_until);
                person.heard_late = both.map_or(Span::ZERO, |(over, until)| over.since(until));
            }
        }
        let (router, mac) = (self.places[person.at].id, person.mac.0);
        let mac = lango_domain::mac_address::MacAddress::new(mac);
        let bought = purchase_of_device(&self.app, self.tenant, router, mac).await?;
        if let Some(grant) = bought.and_then(|payment| payment.grant) {
            self.people[number].grant = grant;
        }
        Ok(())
    }

    /// When a person's phone paid last, in the provider's books: the page says so a little later.
    fn last_paid(&self, number: usize) -> Option<Timestamp> {
        let phone = self.people[number].phone.as_ref()?;
        let transactions = self.outside().people.transactions();
        let mut his =
            transactions.iter().filter(|paid| paid.payer == phone.trim_start_matches('+'));
        his.next_back().map(|paid| Timestamp::from_micros(paid.at_micros))
    }

    /// Whether somebody is still at the portal.
    pub(super) fn is_shopping(&self) -> bool {
        !self.buyers.is_empty()
    }

    async fn somebody_buys_a_voucher(&mut self) -> anyhow::Result<()> {
        let now = self.app.clock().now();
        let number = self.people.len();
        let (plan, minutes) = HOTSPOT_PLANS[self.dice.usize(0..HOTSPOT_PLANS.len())];
        let customer = self.customer(number).await?;
        let order = VoucherOrder {
            tenant: self.tenant,
            plan: plan.to_owned(),
            count: 1,
            customer: Some(customer.0),
            router: None,
        };
        let voucher = issue_vouchers(&self.app, order, &By::cli(), now).await?.remove(0);
        let code = read_code(&voucher.code).unwrap_or(voucher.code);
        let at = self.dice.usize(0..self.places.len());
        let mac = mac(number);
        self.router(at).join(mac);
        self.payments += 1;
        self.people.push(Person {
            name: customer.1,
            mac,
            grant: voucher.id,
            kind: Kind::Hotspot { code },
            at,
            minutes,
            paid_until: None,
            heard_late: Span::ZERO,
            steady_from: now,
            plan: Plan { renewals: self.dice.u8(0..2), roams: self.dice.u8(0..4) == 0 },
            phone: None,
            purchases: 0,
            left_before_paying: false,
            asks: None,
        });
        Ok(())
    }

    async fn customer(
        &self,
        number: usize,
    ) -> anyhow::Result<(lango_domain::ids::CustomerId, String)> {
        let name = name_of(number);
        let new = NewCustomer {
            tenant: self.tenant,
            name: name.clone(),
            phone: Some(format!("07{number:08}")),
            language: None,
        };
        Ok((add_customer(&self.app, new, &By::cli(), self.app.clock().now()).await?.id, name))
    }

    async fn open_service_for(&mut self, number: usize) -> anyhow::Result<()> {
        let now = self.app.clock().now();
        let is_fixed = number.is_multiple_of(3);
        // A fixed address asks nobody: such customers are where Lango writes the firewall's lists.
        let at = if is_fixed { 0 } else { number % self.places.len() };
        let (customer, name) = self.customer(number).await?;
        let address = Ipv4Addr::new(10, 77, 0, 10 + number as u8);
        let (access, kind) = if is_fixed {
            (Access::StaticIp { address, mac: None }, Kind::Fixed)
        } else {
            let password = Secret::new("demo");
            let name = format!("home{number}");
            (Access::Pppoe { name, password, address: None }, Kind::Pppoe)
        };
        let order = ServiceOrder {
            tenant: self.tenant,
            plan: SERVICE_PLAN.0.to_owned(),
            access: access.clone(),
            customer: Some(customer),
            router: Some(self.places[at].id),
            paid: true,
        };
        let opened = open_service(&self.app, order, &By::cli(), now).await?;
        match &access {
            Access::StaticIp { .. } => self.router(at).use_address(mac(number), address),
            other => self.router(at).dial(mac(number), &other.login(), "demo"),
        }
        self.payments += 1;
        self.people.push(Person {
            name,
            mac: mac(number),
            grant: opened.grant.id,
            kind,
            at,
            minutes: SERVICE_PLAN.1,
            paid_until: opened.grant.state.ends_at(),
            heard_late: Span::ZERO,
            steady_from: now + Span::seconds(60),
            plan: Plan { renewals: self.dice.u8(0..4), roams: false },
            phone: None,
            purchases: 0,
            left_before_paying: false,
            asks: None,
        });
        Ok(())
    }

    async fn live_on(&mut self, number: usize) -> anyhow::Result<()> {
        let now = self.app.clock().now();
        if self.people[number].asks.is_some() {
            self.hear_the_page(number, now).await;
        }
        let person = &self.people[number];
        match person.paid_until {
            None => {
                self.try_to_log_in(number, now);
                Ok(())
            }
            Some(end) if now < end => {
                let left = end.since(now);
                if person.plan.renewals > 0 && left < RENEW_BEFORE {
                    return self.renew(number).await;
                }
                if person.plan.roams && left.micros() < person.minutes * 30_000_000 {
                    self.roam(number, now);
                }
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    /// Types the code until the page takes it.
    fn try_to_log_in(&mut self, number: usize, now: Timestamp) {
        let at = self.people[number].at;
        self.type_in_code(number, at, now);
    }

    /// Types the code at a router, unless he waits for a page already.
    fn type_in_code(&mut self, number: usize, at: usize, now: Timestamp) {
        let person = &self.people[number];
        let Kind::Hotspot { code } = &person.kind else { return };
        if person.asks.is_some() {
            return;
        }
        let (router, mac, code) = (self.router(at).clone(), person.mac, code.clone());
        let outcome = tokio::spawn(async move { router.sign_in(mac, &code, &code).await });
        self.people[number].asks = Some(Asks { at, since: now, outcome });
    }

    /// Looks whether the page has answered. The clock runs from the first login on, and began when
    /// the code was typed at the earliest: nobody is called cut before he could have been.
    async fn hear_the_page(&mut self, number: usize, now: Timestamp) {
        let asks = self.people[number].asks.take_if(|asks| asks.outcome.is_finished());
        let Some(Asks { at, since, outcome }) = asks else { return };
        if !matches!(outcome.await, Ok(Ok(()))) {
            return;
        }
        let mac = self.people[number].mac;
        self.router(at).keep_busy(mac, 20_000, 200_000);
        let before = self.people[number].at;
        if before != at {
            self.router(before).leave(mac);
        }
        let person = &mut self.people[number];
        if person.paid_until.is_some() {
            person.plan.roams = false;
        }
        person.paid_until.get_or_insert(since + Span::minutes(person.minutes));
        person.at = at;
        person.steady_from = now + Span::seconds(5);
    }

    async fn renew(&mut self, number: usize) -> anyhow::Result<()> {
        self.receipts += 1;
        let receipt = format!("DEMO{:06}", self.receipts);
        // Some tap twice, some callbacks come twice: it must not matter.
        let times = if self.dice.bool() { 2 } else { 1 };
        for _ in 0..times {
            let payment = Payment {
                tenant: self.tenant,
                grant: self.people[number].grant,
                provider: "mpesa".to_owned(),
                receipt: receipt.clone(),
                amount: Money::new(self.people[number].minutes * 100, Currency::KES),
            };
            accept_payment(&self.app, payment, &By::payment(), self.app.clock().now()).await?;
        }
        self.payments += 1;
        let person = &mut self.people[number];
        person.plan.renewals -= 1;
        person.paid_until = person.paid_until.map(|end| end + Span::minutes(person.minutes));
        Ok(())
    }

    /// Walks over to the other router and logs in there.
    fn roam(&mut self, number: usize, now: Timestamp) {
        let Person { mac, at, asks: None, .. } = self.people[number] else { return };
        let other = (at + 1) % self.places.len();
        self.router(other).join(mac);
        self.type_in_code(number, other, now);
    }

    /// Whether somebody reaches the internet now, as the router would decide.
    pub(super) fn browses(&self, person: &Person) -> bool {
        let router = self.router(person.at);
        router
            .address_of(person.mac)
            .is_some_and(|ip| router.can_browse(person.mac, ip).is_allowed())
    }

    /// From now on nobody renews, and nobody who never got in tries any more.
    pub(super) async fn everybody_stays_until_the_end(&mut self) {
        let now = self.app.clock().now();
        self.around.closing.store(true, Ordering::Relaxed);
        for number in 0..self.people.len() {
            self.people[number].plan.renewals = 0;
            if self.people[number].paid_until.is_none() {
                self.try_to_log_in(number, now);
            }
        }
        self.hear_the_last_pages().await;
    }

    /// Pages that were asked for before the end still answer.
    async fn hear_the_last_pages(&mut self) {
        let began = std::time::Instant::now();
        while self.people.iter().any(|person| person.asks.is_some()) && began.elapsed() < LAST_PAGES
        {
            for number in 0..self.people.len() {
                self.hear_the_page(number, self.app.clock().now()).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// When the last of them runs out.
    pub(super) fn last_end(&self) -> Timestamp {
        self.people.iter().filter_map(Person::over_at).max().unwrap_or_default()
    }
}

/// Has a router ask us, report to us, and take orders. Where it takes them.
fn ask_by_radius(
    router: &Router,
    nases: &radius::Bound,
    secret: &str,
) -> anyhow::Result<SocketAddr> {
    let (authentication, accounting) = (nases.authentication.port(), nases.accounting.port());
    router
        .use_radius(Ipv4Addr::LOCALHOST, authentication, accounting, secret)
        .map_err(|trap| anyhow::anyhow!("the router takes no RADIUS server: {trap}"))?;
    Ok(router.accept_incoming(0)?)
}

/// What the operator pastes at the router, and what it fetches: its login page leads to the portal.
fn lead_to_portal(router: &Router, ours: &PortalAddress) -> anyhow::Result<()> {
    let refused = |trap| anyhow::anyhow!("a simulated router refused: {trap:?}");
    let first = |menu: &str, field: &str| -> Option<String> {
        router.rows(menu).first()?.text(field).map(|text| text.into_owned())
    };
    let profile = first("/ip/hotspot", "profile").unwrap_or_default();
    let login_by = [("login-by", "http-chap,http-pap,cookie"), ("name", "lango")];
    router.set("/ip/hotspot/profile", &profile, &login_by).map_err(refused)?;
    let server = first("/ip/hotspot", ".id").unwrap_or_default();
    router.set("/ip/hotspot", &server, &[("profile", "lango")]).map_err(refused)?;
    for page in PAGES {
        let text = pages::text(page, ours).unwrap_or_default();
        router.publish(&ours.page(page), &text);
    }
    for line in (PortalSetup { ours: ours.clone(), allowed: Vec::new() }).plan() {
        for pasted in router.paste(&line.command) {
            if let Err(trap) = pasted.outcome {
                tracing::debug!(?trap, line.command, "a line that this router does not need");
            }
        }
    }
    Ok(())
}

fn name_of(number: usize) -> String {
    const NAMES: [&str; 12] = [
        "Amina", "Baraka", "Chebet", "Daudi", "Esther", "Farida", "Juma", "Kamau", "Lulu", "Moraa",
        "Otieno", "Wanjiru",
    ];
    format!("{} {}", NAMES[number % NAMES.len()], number + 1)
}

fn mac(number: usize) -> MacAddress {
    let [high, low] = (number as u16).to_be_bytes();
    MacAddress([0xDA, 0xA1, 0x19, 0x00, high, low])
}
