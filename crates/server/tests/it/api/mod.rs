//! The API as programs meet it: real sockets, real databases, two businesses beside each other.

mod day;
mod doors;
mod imports;
mod kept;
mod money;
mod mutated;
mod nases;
mod roles;
mod schemathesis;
mod tasks;
mod webhooks;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lango_domain::access::{Access, Secret};
use lango_domain::ids::{ActivityId, CutId, GrantId, Id, PaymentId, PlanId, RouterId, TenantId};
use lango_domain::language::Language;
use lango_domain::money::{Currency, Money};
use lango_domain::payment::PaymentState;
use lango_domain::phone_number::{Country, PhoneNumber};
use lango_domain::plan::Terms;
use lango_domain::role::Role;
use lango_domain::time::{Span, Timestamp};
use lango_server::app::App;
use lango_server::clock::Clock;
use lango_server::messaging::gateways::Gateway;
use lango_server::operations::accept_payment::{Payment, accept_payment};
use lango_server::operations::act_on_grant::Action;
use lango_server::operations::add_customer::{NewCustomer, add_customer};
use lango_server::operations::add_plan::{NewPlan, add_plan};
use lango_server::operations::add_router::{NewRouter, RouterLogin, add_router};
use lango_server::operations::add_token::{NewToken, add_token};
use lango_server::operations::asked::By;
use lango_server::operations::confirm_payment::take_money;
use lango_server::operations::found_tenant::{Founding, found_tenant};
use lango_server::operations::gateways::{NewGateway, add_gateway};
use lango_server::operations::issue_vouchers::{VoucherOrder, issue_batch, issue_vouchers};
use lango_server::operations::open_service::{ServiceOrder, open_service};
use lango_server::operations::resellers::{Commission, NewReseller, add_reseller};
use lango_server::operations::run_task::start_task;
use lango_server::operations::sender::{NewSender, add_sender};
use lango_server::operations::webhook::{NewWebhook, add_webhook};
use lango_server::payments::MoneyIn;
use lango_server::reconcile::supervisor::Boards;
use lango_server::web;
use lango_store::cuts::Cut;
use lango_store::jobs::NewJob;
use lango_store::messages::{Message, MessageState};
use lango_store::secrets::SecretKey;
use lango_store::sessions::Session;
use lango_store::testing::TestStore;
use lango_store::{Store, Tx};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::harness::{Engine, NOON};

/// Two businesses, the entrance to both, and keys of every role.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) ours: Business,
    pub(crate) theirs: Business,
    /// A token of the platform.
    pub(crate) platform: String,
    http: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    stop: CancellationToken,
    _store: TestStore,
}

/// A business and one of everything that it can have.
#[derive(Clone, Debug)]
pub(crate) struct Business {
    pub(crate) tenant: TenantId,
    /// Stands in every text of it.
    pub(crate) mark: String,
    pub(crate) phone: String,
    pub(crate) tokens: BTreeMap<Role, String>,
    /// What a part of a path is called, and the id that stands for it.
    pub(crate) ids: BTreeMap<&'static str, String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    #[track_caller]
    pub(crate) fn problem(&self, status: u16, word: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let told = self.json();
        assert_eq!(told["type"], format!("urn:lango:problem:{word}"), "{told}");
        assert_eq!(told["status"], status);
        told["detail"].as_str().unwrap().to_owned()
    }
}

impl House {
    pub(crate) async fn on(engine: Engine) -> House {
        House::with_rate(engine, 1_000_000).await
    }

    pub(crate) async fn with_rate(engine: Engine, requests_per_second: u32) -> House {
        let manners = web::Manners { requests_per_second, ..web::Manners::default() };
        House::with(engine, manners).await
    }

    pub(crate) async fn with(engine: Engine, manners: web::Manners) -> House {
        let migrations = lango_store::schema::MIGRATIONS;
        let store = match engine {
            Engine::Sqlite => lango_store::testing::sqlite(migrations).await,
            Engine::Postgres => lango_store::testing::postgres(migrations).await,
        };
        let database: Store = (*store).clone();
        let app = App::new(database, Clock::manual(NOON), SecretKey::from_bytes(&[7; 32]));
        let ours = business(&app, "Aardvark", "0711000001").await;
        let theirs = business(&app, "Zebra", "0722000002").await;
        let platform = token(&app, None, Role::Platform).await;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (http, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let manners = web::Manners { patience: Duration::from_millis(20), ..manners };
        let routes = web::routes(app.clone(), Boards::default(), manners);
        // A story may say from where somebody asks.
        let trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        let settings = web::listen::Settings { trusted_proxies, ..Default::default() };
        tokio::spawn(web::listen::serve(routes, listener, settings, stop.clone()));
        let client = Client::builder(TokioExecutor::new()).build_http();
        House { app, ours, theirs, platform, http, client, stop, _store: store }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Sends a request. Headers are pairs.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        if parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            // It has no end; that it began is the answer.
            return Answer { status: parts.status, headers: parts.headers, body: Vec::new() };
        }
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Asks as somebody of our business.
    pub(crate) async fn ask(&self, role: Role, method: &str, path: &str, body: &str) -> Answer {
        let token = format!("Bearer {}", self.key(role));
        self.send(method, path, &[("authorization", &token)], body.to_owned()).await
    }

    /// Asks as the owner, with more headers.
    pub(crate) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let token = format!("Bearer {}", self.ours.tokens[&Role::Owner]);
        let headers = [&[("authorization", token.as_str())], headers].concat();
        self.send(method, path, &headers, body.to_owned()).await
    }

    pub(crate) fn key(&self, role: Role) -> &str {
        match role {
            Role::Platform => &self.platform,
            _ => &self.ours.tokens[&role],
        }
    }

    /// The operations that the API says it has: method, path and what is said of each.
    pub(crate) async fn described(&self) -> Vec<(String, String, Value)> {
        let document = self.send("GET", "/api/openapi.json", &[], "").await.ok(200);
        let mut all = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                all.push((method.to_uppercase(), path.clone(), operation.clone()));
            }
        }
        all
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn token(app: &App, tenant: Option<TenantId>, role: Role) -> String {
    let new = NewToken { tenant, name: format!("a {role}"), role, expires_at: None };
    add_token(app, new, &By::cli(), NOON).await.unwrap().clear.unwrap()
}

async fn business(app: &App, mark: &str, phone: &str) -> Business {
    let founding = Founding {
        business: format!("{mark} Net"),
        email: format!("{mark}@example.org"),
        password: "long enough".to_owned(),
        country: Country::Ke,
        zone: None,
        language: Language::En,
    };
    let by = By::token(mark);
    let tenant = found_tenant(app, founding, &by, NOON).await.unwrap().tenant;
    let mut tokens = BTreeMap::new();
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Platform) {
        tokens.insert(role, token(app, Some(tenant), role).await);
    }
    let ids = furnished(app, tenant, mark, phone, &by).await;
    Business { tenant, mark: mark.to_owned(), phone: phone[1..].to_owned(), tokens, ids }
}

/// One of everything.
async fn furnished(
    app: &App,
    tenant: TenantId,
    mark: &str,
    phone: &str,
    by: &By,
) -> BTreeMap<&'static str, String> {
    let price = Money::new(50_00, Currency::KES);
    let terms = Terms::service(Span::days(30));
    let new = NewPlan { tenant, name: format!("{mark} Month"), price, terms };
    let plan = add_plan(app, new, by, NOON).await.unwrap();
    let name = format!("{mark} Customer");
    let new = NewCustomer { tenant, name, phone: Some(phone.to_owned()), language: None };
    let customer = add_customer(app, new, by, NOON).await.unwrap().id;
    let new = NewRouter {
        tenant,
        name: format!("{mark} Router"),
        // Nobody listens there, and says so at once.
        address: "api://127.0.0.1:9".parse().unwrap(),
        login: RouterLogin { user: "lango".to_owned(), password: "secret".to_owned() },
    };
    let router = add_router(app, new, by, NOON).await.unwrap().id;
    let order = VoucherOrder {
        tenant,
        plan: plan.plan.name.clone(),
        count: 1,
        customer: Some(customer),
        router: None,
    };
    let voucher = issue_vouchers(app, order, by, NOON).await.unwrap().remove(0);
    let new = NewReseller {
        tenant,
        name: format!("{mark} Kiosk"),
        phone: None,
        commission: Commission::default(),
    };
    let reseller = add_reseller(app, new, by, NOON).await.unwrap().id;
    let order = VoucherOrder {
        tenant,
        plan: plan.plan.name.clone(),
        count: 2,
        customer: None,
        router: None,
    };
    let batch = issue_batch(app, order, Some(reseller), by, NOON, |_| {}).await.unwrap().batch;
    let order = ServiceOrder {
        tenant,
        plan: plan.plan.name,
        access: Access::Pppoe {
            name: format!("{}-line", mark.to_lowercase()),
            password: Secret::new(format!("{mark}-secret")),
            address: None,
        },
        customer: Some(customer),
        router: None,
        paid: true,
    };
    let service = open_service(app, order, by, NOON).await.unwrap().grant.id;
    let payment = Payment {
        tenant,
        grant: service,
        provider: "mpesa".to_owned(),
        receipt: format!("{mark}R1"),
        amount: price,
    };
    accept_payment(app, payment, by, NOON).await.unwrap();
    let paid = paid(app, tenant, (plan.plan.id, service), mark).await;
    let seen = seen(app, tenant, router, service, mark).await;
    let begun = start_task(app, tenant, Action::Retry, vec![service], by, NOON).await.unwrap();
    let url = format!("http://{mark}.example/hook");
    let new = NewWebhook { tenant, url, topics: Vec::new() };
    let (webhook, _) = add_webhook(app, new, by, NOON).await.unwrap();
    let new = NewSender {
        tenant,
        name: format!("{mark} log"),
        gateway: Gateway::Log,
        secret: String::new(),
        from_name: None,
        part_price: None,
        low_balance: None,
    };
    let sender = add_sender(app, new, by, NOON).await.unwrap();
    let mut ids = BTreeMap::from([
        ("sender", sender.id.to_string()),
        ("template", "ends-soon".to_owned()),
        ("webhook", webhook.id.to_string()),
        ("reseller", reseller.to_string()),
        ("batch", batch.unwrap().to_string()),
        ("task", begun.id.to_string()),
        ("plan", plan.plan.id.to_string()),
        ("customer", customer.to_string()),
        ("router", router.to_string()),
        ("voucher", voucher.id.to_string()),
        ("service", service.to_string()),
        ("grant", service.to_string()),
        ("tenant", tenant.to_string()),
        ("code", voucher.code),
    ]);
    ids.extend(seen);
    ids.extend(paid);
    ids
}

/// An account with a payment provider, what somebody was asked to pay by it, and money that waits.
async fn paid(
    app: &App,
    tenant: TenantId,
    (plan, grant): (PlanId, GrantId),
    mark: &str,
) -> BTreeMap<&'static str, String> {
    let settings =
        serde_json::json!({ "provider": "signed_webhook", "secret": format!("{mark} 0123456789") });
    let new = NewGateway { tenant, name: format!("{mark} Bank"), currency: None, settings };
    let gateway = add_gateway(app, new, &By::cli(), NOON).await.unwrap();
    let id: PaymentId = app.id(NOON);
    let payment = lango_store::payments::Payment {
        id,
        tenant,
        gateway: gateway.id,
        reference: format!("{mark}7"),
        door: vec![0],
        door_hash: id.to_string().into_bytes(),
        provider_id: None,
        state: PaymentState::Paid { receipt: format!("{mark}R7") },
        plan,
        amount: Money::new(50_00, Currency::KES),
        phone: PhoneNumber::from_e164("+254733000003").unwrap(),
        rings: false,
        customer: None,
        renews: Some(grant),
        grant: Some(grant),
        router: None,
        mac: None,
        address: None,
        language: Language::En,
        created_at: NOON,
        submitted_at: Some(NOON),
        settled_at: Some(NOON),
        next_attempt_at: None,
        attempt: 1,
        last_error: None,
        version: 1,
    };
    let told = MoneyIn {
        receipt: format!("{mark}R8"),
        amount: Money::new(50_00, Currency::KES),
        account: format!("{mark} nobody"),
        payer: None,
        name: Some(format!("{mark} Payer")),
        paid_at: None,
    };
    take_money(app, &gateway, told, NOON).await.unwrap();
    let money = app
        .store()
        .write(async move |tx: &mut Tx<'_>| {
            lango_store::payments::insert(tx, &payment).await?;
            let order = lango_store::Order::Descending;
            lango_store::money_in::listed(tx, tenant, true, order, None, 1).await
        })
        .await
        .unwrap();
    BTreeMap::from([
        ("gateway", gateway.id.to_string()),
        ("payment", id.to_string()),
        ("money", money[0].id.to_string()),
    ])
}

/// What routers and engines would have written.
async fn seen(
    app: &App,
    tenant: TenantId,
    router: RouterId,
    grant: GrantId,
    mark: &str,
) -> BTreeMap<&'static str, String> {
    let mac: lango_domain::mac_address::MacAddress =
        format!("AA:BB:CC:00:00:{:02X}", mark.len()).parse().unwrap();
    let session = Session {
        id: app.id(NOON),
        tenant,
        router,
        grant,
        mac: Some(mac),
        address: Some("10.5.50.9".to_owned()),
        started_at: NOON,
        ended_at: None,
        uptime: Span::ZERO,
        data: lango_domain::quantity::DataSize::ZERO,
    };
    let cut = Cut {
        id: app.id::<CutId>(NOON).raw(),
        tenant,
        router,
        grant,
        due_at: NOON,
        confirmed_at: NOON + Span::millis(40),
        lateness: Span::millis(40),
        attempts: 1,
        confirmed_by: "lango".to_owned(),
        sessions_ended: 1,
    };
    let job = NewJob {
        id: app.id(NOON),
        tenant,
        grant: Some(grant),
        kind: "notice",
        once_key: format!("{mark} job"),
        payload: "{}".to_owned(),
        run_at: Timestamp::from_micros(i64::MAX / 2),
    };
    let message = Message {
        id: app.id(NOON),
        tenant,
        job: job.id,
        grant: Some(grant),
        recipient: "+254711000009".to_owned(),
        body: format!("{mark}: hello"),
        reason: "text".to_owned(),
        sent_at: NOON,
        state: MessageState::Sent,
        state_at: NOON,
        sender: None,
        tries: Vec::new(),
        parts: 1,
        cost: None,
        last_error: None,
        poll_at: None,
        polls: 0,
    };
    let ids = BTreeMap::from([
        ("message", message.id.to_string()),
        ("session", session.id.to_string()),
        ("cut", CutId::from_raw(cut.id).to_string()),
        ("job", job.id.to_string()),
        ("mac", mac.to_string()),
    ]);
    let (activity, receipt) = app
        .store()
        .write(async move |tx: &mut Tx<'_>| {
            lango_store::sessions::open(tx, &session).await?;
            lango_store::sessions::see_device(tx, tenant, mac, grant, NOON).await?;
            lango_store::cuts::insert(tx, std::slice::from_ref(&cut)).await?;
            lango_store::jobs::push(tx, std::slice::from_ref(&job)).await?;
            lango_store::messages::insert(tx, &message).await?;
            let lines = lango_store::activity::page(tx, tenant, None, 1).await?;
            let receipts = lango_store::receipts::page(tx, tenant, None, 1).await?;
            Ok((lines[0].id, receipts[0].id))
        })
        .await
        .unwrap();
    let activity: ActivityId = activity;
    let receipt = lango_domain::ids::ReceiptId::from_raw(receipt);
    let more = [("activity", activity.to_string()), ("receipt", receipt.to_string())];
    ids.into_iter().chain(more).collect()
}
