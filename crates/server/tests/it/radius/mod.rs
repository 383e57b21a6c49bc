//! RADIUS as NASes meet it: real sockets, real databases, and a NAS that says exactly what it is
//! told to say.

mod books;
mod faults;
mod handed_over;
mod others;
mod plans;
mod second_way;
mod shops;
mod stories;
mod storm;
mod tally;
mod terms;
mod town;
mod view;

use crate::harness::Engine;
use lango_domain::access::{Access, Secret as Password};
use lango_domain::ids::{GrantId, RouterId, TenantId};
use lango_domain::language::Language;
use lango_domain::money::{Currency, Money};
use lango_domain::phone_number::Country;
use lango_domain::plan::Terms;
use lango_domain::time::Timestamp;
use lango_radius::accounting::{INPUT_OCTETS, OUTPUT_OCTETS, Status};
use lango_radius::dictionary::*;
use lango_radius::{Code, Draft, Packet, Secret, chap};
use lango_server::app::App;
use lango_server::clock::Clock;
use lango_server::messaging::sender::Sender;
use lango_server::operations::add_plan::{NewPlan, add_plan};
use lango_server::operations::add_router::{NewRouter, RouterLogin, add_router};
use lango_server::operations::asked::By;
use lango_server::operations::found_tenant::{Founding, found_tenant};
use lango_server::operations::issue_vouchers::{VoucherOrder, issue_vouchers};
use lango_server::operations::open_service::{ServiceOrder, open_service};
use lango_server::radius::certificate::{Certificate, Sources};
use lango_server::radius::eap::NewestTls;
use lango_server::run::Running;
use lango_server::{radius, run};
use lango_store::cuts::Cut;
use lango_store::grants::StoredGrant;
use lango_store::secrets::SecretKey;
use lango_store::testing::TestStore;
use lango_store::{Store, Tx};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::{TcpListener, UdpSocket};

const SECRET: &str = "a secret of sixteen";
/// How long something that must happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server, one business and one NAS.
pub(crate) struct Lab {
    pub(crate) app: App,
    pub(crate) tenant: TenantId,
    pub(crate) router: RouterId,
    pub(crate) nas: Nas,
    /// Where it is asked through TLS.
    pub(crate) radsec: SocketAddr,
    /// Where the certificate is that it made.
    pub(crate) directory: TempDir,
    _running: Running,
    _store: TestStore,
}

impl Lab {
    pub(crate) async fn on(engine: Engine) -> Lab {
        Lab::with_nas_at(engine, None).await
    }

    /// The same, beside a NAS that takes orders elsewhere and speaks from 127.0.0.1 too.
    pub(crate) async fn with_nas_at(engine: Engine, elsewhere: Option<SocketAddr>) -> Lab {
        let migrations = lango_store::schema::MIGRATIONS;
        let store = match engine {
            Engine::Sqlite => lango_store::testing::sqlite(migrations).await,
            Engine::Postgres => lango_store::testing::postgres(migrations).await,
        };
        let database: Store = (*store).clone();
        let app = App::new(database, Clock::system(), SecretKey::from_bytes(&[7; 32]));
        let founding = Founding {
            business: "Hotel".to_owned(),
            email: "o@example.org".to_owned(),
            password: "long enough".to_owned(),
            country: Country::Ke,
            zone: None,
            language: Language::En,
        };
        let by = By::cli();
        let now = app.clock().now();
        let tenant = found_tenant(&app, founding, &by, now).await.unwrap().tenant;
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let settings = radius::Settings { authentication: any, accounting: any };
        let directory = tempfile::tempdir().unwrap();
        let bound = radius::bind(settings).unwrap();
        let sources = Sources {
            files: None,
            directory: directory.path().to_owned(),
            eap_authorities: None,
            radsec_authorities: None,
            newest_tls: NewestTls::Tls12,
        };
        let certificate = Certificate::open(sources, now).unwrap();
        let listener = TcpListener::bind(any).await.unwrap();
        let bound = bound.known_by(certificate, Some(listener));
        let radsec = bound.radsec.unwrap();
        let nas = Nas::start(bound.authentication, bound.accounting).await;
        let login = RouterLogin { user: String::new(), password: SECRET.to_owned() };
        let address = format!("radius://{}", elsewhere.unwrap_or(nas.incoming)).parse().unwrap();
        let new = NewRouter { tenant, name: "Lobby".to_owned(), address, login };
        let router = add_router(&app, new, &by, now).await.unwrap().id;
        let timeouts = lango_routeros::Timeouts::default();
        let running = run::start(&app, Sender::LogOnly, timeouts, None, Some(bound));
        Lab { app, tenant, router, nas, radsec, directory, _running: running, _store: store }
    }

    pub(crate) async fn plan(&self, name: &str, terms: Terms) {
        let (name, price) = (name.to_owned(), Money::new(50_00, Currency::KES));
        let new = NewPlan { tenant: self.tenant, name, price, terms };
        add_plan(&self.app, new, &By::cli(), self.app.clock().now()).await.unwrap();
    }

    /// A voucher on the shelf: its code without the dash, and its grant.
    pub(crate) async fn voucher(&self, plan: &str) -> (String, GrantId) {
        let order = VoucherOrder {
            tenant: self.tenant,
            plan: plan.to_owned(),
            count: 1,
            customer: None,
            router: None,
        };
        let now = self.app.clock().now();
        let made = issue_vouchers(&self.app, order, &By::cli(), now).await.unwrap();
        (made[0].code.replace('-', ""), made[0].id)
    }

    pub(crate) async fn service(&self, plan: &str, name: &str, password: &str) -> GrantId {
        let order = ServiceOrder {
            tenant: self.tenant,
            plan: plan.to_owned(),
            access: Access::Pppoe {
                name: name.to_owned(),
                password: Password::new(password),
                address: None,
            },
            customer: None,
            router: None,
            paid: true,
        };
        let now = self.app.clock().now();
        open_service(&self.app, order, &By::cli(), now).await.unwrap().grant.id
    }

    pub(crate) async fn grant(&self, id: GrantId) -> StoredGrant {
        let read = async move |tx: &mut Tx<'_>| lango_store::grants::one(tx, id).await;
        self.app.store().read(read).await.unwrap()
    }

    pub(crate) async fn cuts(&self, id: GrantId) -> Vec<Cut> {
        let read = async move |tx: &mut Tx<'_>| lango_store::cuts::of_grant(tx, id).await;
        self.app.store().read(read).await.unwrap()
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, happened: impl AsyncFn() -> bool) {
        let began = Instant::now();
        while !happened().await {
            assert!(began.elapsed() < PATIENCE, "it did not happen: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How a login is proved.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proof {
    Pap,
    Chap,
}

/// What came of a login.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) code: Code,
    octets: Vec<u8>,
}

impl Answered {
    pub(crate) fn packet(&self) -> Packet<'_> {
        Packet::parse(&self.octets).unwrap()
    }

    pub(crate) fn is_accept(&self) -> bool {
        self.code == Code::AccessAccept
    }

    pub(crate) fn message(&self) -> String {
        self.packet().read(REPLY_MESSAGE).unwrap_or_default().to_owned()
    }
}

/// What is said of a session.
#[derive(Clone, Debug)]
pub(crate) struct Said<'s> {
    pub(crate) status: Status,
    pub(crate) name: &'s str,
    pub(crate) session: &'s str,
    pub(crate) class: Option<Vec<u8>>,
    pub(crate) mac: &'s str,
    pub(crate) seconds: u32,
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// What a NAS was told to do: the code and the octets of each order.
type Orders = Arc<Mutex<Vec<(Code, Vec<u8>)>>>;

/// A NAS.
pub(crate) struct Nas {
    authentication: SocketAddr,
    accounting: SocketAddr,
    /// Where it takes orders.
    pub(crate) incoming: SocketAddr,
    orders: Orders,
    pause: Arc<Mutex<Duration>>,
    identifier: AtomicU8,
}

impl Nas {
    async fn start(authentication: SocketAddr, accounting: SocketAddr) -> Nas {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let incoming = socket.local_addr().unwrap();
        let (orders, pause) = (Arc::default(), Arc::default());
        tokio::spawn(obey(socket, Arc::clone(&orders), Arc::clone(&pause)));
        let identifier = AtomicU8::new(0);
        Nas { authentication, accounting, incoming, orders, pause, identifier }
    }

    /// From now on it waits so long between reading an order and acknowledging it.
    pub(crate) fn think_before_it_obeys(&self, pause: Duration) {
        *self.pause.lock().unwrap() = pause;
    }

    /// The orders that it got, but for those that only ask whether it lives.
    pub(crate) fn orders(&self) -> Vec<(Code, Vec<u8>)> {
        self.orders.lock().unwrap().clone()
    }

    /// Logs somebody in.
    pub(crate) async fn log_in(
        &self,
        name: &str,
        password: &str,
        mac: &str,
        by: Proof,
        ppp: bool,
    ) -> Answered {
        let identifier = self.identifier.fetch_add(1, Ordering::Relaxed);
        let mut authenticator = [0; 16];
        fastrand::fill(&mut authenticator);
        let mut draft = Draft::access_request(identifier, authenticator);
        let secret = Secret::new(SECRET).unwrap();
        draft.put(USER_NAME, name).unwrap();
        match by {
            Proof::Pap => draft.hide(USER_PASSWORD, &secret, password.as_bytes()).unwrap(),
            Proof::Chap => {
                let answer = chap::password(7, password.as_bytes(), &authenticator);
                draft.put(CHAP_PASSWORD, &answer).unwrap();
            }
        }
        draft.put(CALLING_STATION_ID, mac).unwrap();
        draft.put(NAS_IDENTIFIER, "lobby").unwrap();
        if ppp {
            draft.put(SERVICE_TYPE, 2).unwrap();
            draft.put(FRAMED_PROTOCOL, 1).unwrap();
        }
        let octets = ask(self.authentication, draft, &secret).await;
        let octets = octets.expect("a login is answered");
        let code = Packet::parse(&octets).unwrap().code();
        Answered { code, octets }
    }

    /// Reports a session; whether that was acknowledged.
    pub(crate) async fn report(&self, said: Said<'_>) -> bool {
        self.report_at(said, Timestamp::default()).await
    }

    /// The same with the time of its own clock, if that is not 1970.
    pub(crate) async fn report_at(&self, said: Said<'_>, at: Timestamp) -> bool {
        let identifier = self.identifier.fetch_add(1, Ordering::Relaxed);
        let mut draft = Draft::accounting_request(identifier);
        draft.put(ACCT_STATUS_TYPE, said.status.number()).unwrap();
        draft.put(USER_NAME, said.name).unwrap();
        draft.put(ACCT_SESSION_ID, said.session).unwrap();
        draft.put(CALLING_STATION_ID, said.mac).unwrap();
        draft.put(ACCT_SESSION_TIME, said.seconds).unwrap();
        INPUT_OCTETS.put(&mut draft, said.input).unwrap();
        OUTPUT_OCTETS.put(&mut draft, said.output).unwrap();
        if let Some(class) = &said.class {
            draft.put(CLASS, class).unwrap();
        }
        if at > Timestamp::default() {
            draft.put(EVENT_TIMESTAMP, (at.micros() / 1_000_000) as u32).unwrap();
        }
        ask(self.accounting, draft, &Secret::new(SECRET).unwrap()).await.is_some()
    }
}

/// Sends a request until it is answered, as a NAS does: three times.
async fn ask(to: SocketAddr, draft: Draft, secret: &Secret) -> Option<Vec<u8>> {
    let sealed = draft.seal(secret);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(to).await.unwrap();
    let mut buffer = [0; 4_096];
    for _ in 0..3 {
        socket.send(sealed.octets()).await.unwrap();
        let heard = tokio::time::timeout(Duration::from_secs(3), socket.recv(&mut buffer)).await;
        if let Ok(Ok(length)) = heard {
            let reply = Packet::parse(&buffer[..length]).unwrap();
            reply.verify_reply(&sealed.packet(), secret).expect("the server knows the secret");
            return Some(buffer[..length].to_vec());
        }
    }
    None
}

/// Takes orders: whatever names a session is done, what asks for nobody is refused.
async fn obey(socket: UdpSocket, orders: Orders, pause: Arc<Mutex<Duration>>) {
    let secret = Secret::new(SECRET).unwrap();
    let mut buffer = [0; 4_096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let packet = Packet::parse(&buffer[..length]).unwrap();
        let request = packet.verify_request(&secret).expect("orders are signed with the secret");
        let is_probe = request.read(USER_NAME).unwrap_or_default().starts_with("lango-is");
        let code = match (packet.code(), is_probe) {
            (Code::DisconnectRequest, true) => Code::DisconnectNak,
            (Code::DisconnectRequest, false) => Code::DisconnectAck,
            _ => Code::CoaAck,
        };
        let mut reply = Draft::reply(&request, code).unwrap();
        if is_probe {
            reply.put(ERROR_CAUSE, 503).unwrap();
        } else {
            orders.lock().unwrap().push((packet.code(), packet.octets().to_vec()));
            let pause = *pause.lock().unwrap();
            tokio::time::sleep(pause).await;
        }
        socket.send_to(reply.seal(&secret).octets(), from).await.unwrap();
    }
}
