//! The portal as people with phones meet it: real sockets, a router that says who can browse, and for
//! the screens a real browser.

mod browser;
mod buying;
mod doors;
mod handing_over;
mod till;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lango_domain::ids::{GrantId, RouterId, TenantId};
use lango_domain::language::Language;
use lango_domain::money::{Currency, Money};
use lango_domain::phone_number::Country;
use lango_domain::plan::Terms;
use lango_domain::time::{Span, Timestamp};
use lango_router_sim::{MacAddress, RouterSim, Settings};
use lango_routeros::Timeouts;
use lango_server::app::App;
use lango_server::clock::Clock;
use lango_server::messaging::sender::Sender;
use lango_server::operations::add_plan::{NewPlan, add_plan};
use lango_server::operations::add_router::{
    NewRouter, RouterAddress, RouterLogin, RouterProtocol, RouterTls, add_router,
};
use lango_server::operations::asked::By;
use lango_server::operations::found_tenant::{Founding, found_tenant};
use lango_server::operations::issue_vouchers::{VoucherOrder, issue_vouchers};
use lango_server::run::{self, Http, Running};
use lango_server::web;
use lango_store::Store;
use lango_store::secrets::SecretKey;
use lango_store::testing::TestStore;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// A café with one router, everything running in real time.
pub(crate) struct Cafe {
    pub(crate) app: App,
    pub(crate) tenant: TenantId,
    pub(crate) router: RouterId,
    pub(crate) sim: RouterSim,
    http: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    _running: Running,
    _store: TestStore,
}

/// A phone in the café's Wi-Fi.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phone {
    pub(crate) mac: MacAddress,
    pub(crate) address: Ipv4Addr,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn leads_to(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.text());
        self.headers["location"].to_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn page(&self) -> String {
        assert_eq!(self.status, 200, "{:?}: {}", self.headers, self.text());
        assert!(self.headers["content-type"].to_str().unwrap().starts_with("text/html"));
        self.text()
    }
}

struct Real(Clock);

impl lango_router_sim::Clock for Real {
    fn now_micros(&self) -> i64 {
        self.0.now().micros()
    }
}

impl lango_provider_sim::Clock for Real {
    fn now_micros(&self) -> i64 {
        self.0.now().micros()
    }
}

impl Cafe {
    pub(crate) async fn opens() -> Cafe {
        Cafe::opens_by(RouterProtocol::Api).await
    }

    /// The same with a router that asks us who may come in.
    pub(crate) async fn opens_by_radius() -> Cafe {
        Cafe::opens_by(RouterProtocol::Radius).await
    }

    async fn opens_by(protocol: RouterProtocol) -> Cafe {
        let store = lango_store::testing::sqlite(lango_store::schema::MIGRATIONS).await;
        let database: Store = (*store).clone();
        let app = App::new(database, Clock::system(), SecretKey::from_bytes(&[7; 32]));
        let tenant = business(&app).await;
        let clock = Arc::new(Real(app.clock().clone()));
        let sim = RouterSim::start(Settings::default(), clock).unwrap();
        let (router, nases) = match protocol {
            RouterProtocol::Radius => {
                let (router, nases) = asking_router(&app, tenant, &sim).await;
                (router, Some(nases))
            }
            _ => (known_router(&app, tenant, &sim, "cafe").await, None),
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let http = listener.local_addr().unwrap();
        let manners = web::Manners::default();
        let connections = web::listen::Settings::default();
        let http_place = Some(Http { listener, manners, connections });
        let running = run::start(&app, Sender::LogOnly, Timeouts::default(), http_place, nases);
        let client = Client::builder(TokioExecutor::new()).build_http();
        Cafe { app, tenant, router, sim, http, client, _running: running, _store: store }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.app.clock().now()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// Somebody comes in with a phone.
    pub(crate) fn phone(&self, number: u8) -> Phone {
        let mac = MacAddress([0xAA, 0xBB, 0xCC, 0, 0, number]);
        Phone { mac, address: self.sim.router().join(mac) }
    }

    /// Where the router sends a phone that is not logged in.
    pub(crate) fn door(&self, phone: &Phone, wanted: &str) -> String {
        let (mac, ip) = (mac_text(phone.mac), phone.address.to_string());
        let fields = [
            ("mac", mac.as_str()),
            ("ip", &ip),
            ("login", "http://10.5.50.1/login"),
            ("orig", wanted),
        ];
        format!("/p/{}?{}", self.router, serde_urlencoded::to_string(fields).unwrap())
    }

    /// Whether a phone reaches the internet.
    pub(crate) fn browses(&self, phone: &Phone) -> bool {
        self.sim.router().tick();
        self.sim.router().can_browse(phone.mac, phone.address).is_allowed()
    }

    pub(crate) async fn voucher(&self) -> (GrantId, String) {
        let order = VoucherOrder {
            tenant: self.tenant,
            plan: "1 hour".to_owned(),
            count: 1,
            customer: None,
            router: None,
        };
        let issued = issue_vouchers(&self.app, order, &By::cli(), self.now()).await;
        let voucher = issued.unwrap().remove(0);
        (voucher.id, voucher.code)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send("POST", path, &[], &serde_urlencoded::to_string(form).unwrap()).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(self.url(path));
        request = request.header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Follows a page until it stands still, as a browser with patience does.
    pub(crate) async fn follow(&self, path: &str) -> (String, Answer) {
        let mut path = path.to_owned();
        for _ in 0..200 {
            let answer = self.get(&path).await;
            if answer.status == 303 {
                path = answer.leads_to();
                continue;
            }
            let Some(next) = refresh_of(&answer.text()) else { return (path, answer) };
            if !next.starts_with("/p/") {
                return (path, answer);
            }
            path = next;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{path} never stands still");
    }
}

/// Where a page goes by itself.
pub(crate) fn refresh_of(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("http-equiv=\"refresh\" content=\"")?;
    let (content, _) = rest.split_once('"')?;
    let (_, to) = content.split_once("url=")?;
    Some(unescaped(to))
}

/// The address of the form on a page, the `number`th from the top.
pub(crate) fn form_of(page: &str, number: usize) -> String {
    let rest = page.split("<form method=\"post\" action=\"").nth(number + 1).unwrap();
    unescaped(rest.split('"').next().unwrap())
}

fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&").replace("&amp;", "&").replace("&#39;", "'").replace("&#34;", "\"")
}

pub(crate) fn mac_text(mac: MacAddress) -> String {
    mac.0.map(|octet| format!("{octet:02X}")).join(":")
}

async fn business(app: &App) -> TenantId {
    let now = app.clock().now();
    let founding = Founding {
        business: "Mama Njeri Café".to_owned(),
        email: "owner@cafe.example".to_owned(),
        password: "long enough".to_owned(),
        country: Country::Ke,
        zone: None,
        language: Language::Sw,
    };
    let tenant = found_tenant(app, founding, &By::cli(), now).await.unwrap().tenant;
    for (name, minutes, shillings) in
        [("1 hour", 60, 20), ("12 hours", 720, 50), ("Day", 1_440, 80)]
    {
        let new = NewPlan {
            tenant,
            name: name.to_owned(),
            price: Money::new(shillings * 100, Currency::KES),
            terms: Terms::hotspot(Span::minutes(minutes)),
        };
        add_plan(app, new, &By::cli(), now).await.unwrap();
    }
    tenant
}

async fn known_router(app: &App, tenant: TenantId, sim: &RouterSim, name: &str) -> RouterId {
    let at = sim.router().api_address().unwrap();
    add(app, (tenant, name), (RouterProtocol::Api, at), "secret").await
}

/// A router that asks by RADIUS, and takes orders by it.
async fn asking_router(
    app: &App,
    tenant: TenantId,
    sim: &RouterSim,
) -> (RouterId, lango_server::radius::Bound) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let nases = lango_server::radius::Settings { authentication: any, accounting: any };
    let nases = lango_server::radius::bind(nases).unwrap();
    let (asked, told) = (nases.authentication.port(), nases.accounting.port());
    let secret = "shared by router and café";
    sim.router().use_radius(Ipv4Addr::LOCALHOST, asked, told, secret).unwrap();
    let at = sim.router().accept_incoming(0).unwrap();
    (add(app, (tenant, "cafe"), (RouterProtocol::Radius, at), secret).await, nases)
}

async fn add(
    app: &App,
    (tenant, name): (TenantId, &str),
    (protocol, at): (RouterProtocol, SocketAddr),
    password: &str,
) -> RouterId {
    let (host, port) = (at.ip().to_string(), at.port());
    let address = RouterAddress { host, port, protocol, tls: RouterTls::Off };
    let login = RouterLogin { user: "lango".to_owned(), password: password.to_owned() };
    let new = NewRouter { tenant, name: name.to_owned(), address, login };
    add_router(app, new, &By::cli(), app.clock().now()).await.unwrap().id
}
