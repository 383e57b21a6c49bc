//! The real program is killed twenty times while routers report hundreds of sessions a second:
//! what it acknowledged is in the database, and nothing is there twice. Real time, real sockets.

use super::tally::{Tally, sums};
use super::town::{browses, sessions, sign_in};
use super::{PATIENCE, SECRET};
use lango_domain::ids::{GrantId, RouterId, TenantId};
use lango_domain::money::{Currency, Money};
use lango_domain::plan::Terms;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_router_sim::{MacAddress, RouterSim, Settings, SystemClock};
use lango_server::app::App;
use lango_server::clock::Clock;
use lango_server::operations::add_plan::{NewPlan, add_plan};
use lango_server::operations::add_router::{NewRouter, RouterLogin, add_router};
use lango_server::operations::asked::By;
use lango_server::operations::issue_vouchers::{VoucherOrder, issue_vouchers};
use lango_store::radius::RadiusSession;
use lango_store::secrets::SecretKey;
use lango_store::testing::TestDatabase;
use lango_store::{DatabaseUrl, Store, Tx};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const KILLS: u32 = 20;
const ROUTERS: u8 = 3;
const GUESTS: u8 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twenty_times_in_a_storm_it_keeps_what_it_acknowledged_on_sqlite() {
    let place = lango_store::testing::temporary_directory();
    let url = format!("sqlite:{}", place.join("lango.db").display());
    Storm::gather(place, url).await.blow().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twenty_times_in_a_storm_it_keeps_what_it_acknowledged_on_postgres() {
    let place = lango_store::testing::temporary_directory();
    let database = TestDatabase::postgres(lango_store::schema::MIGRATIONS).await;
    let name = database.url().to_string();
    let name = name.rsplit_once('/').unwrap().1;
    let server = std::env::var("LANGO_TEST_POSTGRES").unwrap();
    let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    Storm::gather(place, url).await.blow().await;
}

struct Storm {
    place: PathBuf,
    url: String,
    app: App,
    ports: [u16; 2],
    routers: Vec<RouterSim>,
    guests: Vec<Guest>,
    tally: Tally,
}

struct Guest {
    router: usize,
    mac: MacAddress,
    code: String,
    grant: GrantId,
}

impl Storm {
    async fn gather(place: PathBuf, url: String) -> Storm {
        let tenant = init(&place, &url);
        let database: DatabaseUrl = url.parse().unwrap();
        let store = Store::open(&database, Default::default()).await.unwrap();
        let key = SecretKey::from_file(&place.join("secret.key")).unwrap();
        let app = App::new(store, Clock::system(), key);
        let ports = [(); 2].map(|()| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.local_addr().unwrap().port()
        });
        let (routers, guests, tally) = (Vec::new(), Vec::new(), Tally::default());
        let mut storm = Storm { place, url, app, ports, routers, guests, tally };
        storm.sell(tenant).await;
        for number in 0..ROUTERS {
            storm.router(tenant, number).await;
        }
        storm
    }

    async fn sell(&mut self, tenant: TenantId) {
        let mut terms = Terms::hotspot(Span::days(1));
        // Limited, so that the grant hears every report; far beyond what anybody uses here.
        terms.clock.data = Some(DataSize::bytes(1 << 50));
        let (price, now) = (Money::new(100, Currency::KES), self.app.clock().now());
        let plan = NewPlan { tenant, name: "Day".to_owned(), price, terms };
        add_plan(&self.app, plan, &By::cli(), now).await.unwrap();
        let order = VoucherOrder {
            tenant,
            plan: "Day".to_owned(),
            count: usize::from(ROUTERS * GUESTS),
            customer: None,
            router: None,
        };
        let made = issue_vouchers(&self.app, order, &By::cli(), now).await.unwrap();
        for (number, voucher) in made.into_iter().enumerate() {
            let router = number / usize::from(GUESTS);
            let mac = MacAddress([2, 0, 0, 0, 9, number as u8]);
            let code = voucher.code.replace('-', "");
            self.guests.push(Guest { router, mac, code, grant: voucher.id });
        }
    }

    async fn router(&mut self, tenant: TenantId, number: u8) {
        let address = Ipv4Addr::new(127, 0, 0, 10 + number);
        let settings = Settings { identity: format!("r{number}"), address, ..Settings::default() };
        let sim = RouterSim::start(settings, Arc::new(SystemClock)).unwrap();
        let incoming = sim.accept_incoming(0).unwrap();
        let [asked, told] = self.ports;
        let line = sim.use_radius(Ipv4Addr::LOCALHOST, asked, told, SECRET).unwrap();
        sim.set("/radius", &line, &[("timeout", "300ms")]).unwrap();
        sim.set("/ip/hotspot/profile", "hsprof1", &[("radius-interim-update", "100ms")]).unwrap();
        let login = RouterLogin { user: String::new(), password: SECRET.to_owned() };
        let address = format!("radius://{incoming}").parse().unwrap();
        let new = NewRouter { tenant, name: format!("r{number}"), address, login };
        let now = self.app.clock().now();
        let id: RouterId = add_router(&self.app, new, &By::cli(), now).await.unwrap().id;
        self.tally.follow(id, &sim);
        self.routers.push(sim);
    }

    async fn blow(self) {
        let mut dice = fastrand::Rng::with_seed(20_261_121);
        let mut server = self.serve();
        self.everybody_signs_in().await;
        for kill in 0..KILLS {
            self.until_it_acknowledges().await;
            let until = Instant::now() + Duration::from_millis(dice.u64(50..900));
            while Instant::now() < until {
                self.somebody_leaves_and_comes_back(&mut dice).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            server.kill().unwrap();
            server.wait().unwrap();
            // What was on its way to the routers arrives.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let (lost, doubled) = self.tally.compare(&self.books().await);
            assert_eq!((lost, doubled), (vec![], vec![]), "at kill {kill}");
            server = self.serve();
        }
        self.until_it_acknowledges().await;
        self.everything_adds_up().await;
        server.kill().unwrap();
        server.wait().unwrap();
        let totals = self.tally.totals();
        println!("{KILLS} kills: {totals:?}");
        assert!(totals.acknowledged > 2_000 && totals.sent > totals.acknowledged, "{totals:?}");
        std::fs::remove_dir_all(&self.place).unwrap();
    }

    fn serve(&self) -> Child {
        let [asked, told] = self.ports.map(|port| format!("127.0.0.1:{port}"));
        Command::new(env!("CARGO_BIN_EXE_lango"))
            .arg("--data-dir")
            .arg(&self.place)
            .env("LANGO_DATABASE_URL", &self.url)
            .env("LANGO_RADIUS_AUTHENTICATION", asked)
            .env("LANGO_RADIUS_ACCOUNTING", told)
            .args(["serve", "--http", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    async fn everybody_signs_in(&self) {
        let began = Instant::now();
        for guest in &self.guests {
            let router = &self.routers[guest.router];
            while !browses(router, guest.mac) {
                assert!(began.elapsed() < 2 * PATIENCE, "{} never got in", guest.code);
                drop(sign_in(router, guest.mac, &guest.code).await);
            }
            router.keep_busy(guest.mac, 10_000, 90_000);
        }
    }

    async fn until_it_acknowledges(&self) {
        let (began, before) = (Instant::now(), self.tally.totals().acknowledged);
        while self.tally.totals().acknowledged == before {
            assert!(began.elapsed() < PATIENCE, "it does not come up");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn somebody_leaves_and_comes_back(&self, dice: &mut fastrand::Rng) {
        let guest = &self.guests[dice.usize(0..self.guests.len())];
        let router = &self.routers[guest.router];
        if browses(router, guest.mac) && dice.u8(0..4) == 0 {
            router.press_logout(guest.mac);
        }
        for guest in &self.guests {
            let router = &self.routers[guest.router];
            if !browses(router, guest.mac) {
                // Whether it is answered in time is not what this is about.
                drop(router.login(guest.mac, &guest.code, &guest.code));
            }
        }
    }

    async fn books(&self) -> Vec<RadiusSession> {
        let mut books = Vec::new();
        for guest in &self.guests {
            let own = sessions(self.app.store(), guest.grant).await;
            books.extend(own.into_iter().map(|(counted, _)| counted));
        }
        books
    }

    /// The server stays up, everybody says his last word, and all sums are the same.
    async fn everything_adds_up(&self) {
        for guest in &self.guests {
            let router = &self.routers[guest.router];
            router.keep_busy(guest.mac, 0, 0);
            router.press_logout(guest.mac);
        }
        let began = Instant::now();
        while self.routers.iter().any(|router| router.radius_counters().pending > 0) {
            assert!(began.elapsed() < PATIENCE, "routers wait for answers");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (lost, doubled) = self.tally.compare(&self.books().await);
        assert_eq!((lost, doubled), (vec![], vec![]));
        for guest in &self.guests {
            let grant = guest.grant;
            let own = sessions(self.app.store(), grant).await;
            let own: Vec<RadiusSession> = own.into_iter().map(|(counted, _)| counted).collect();
            let read = async move |tx: &mut Tx<'_>| {
                let (from, to) = (Timestamp::default(), Timestamp::from_micros(i64::MAX));
                let hours = lango_store::radius::usage(tx, grant, from, to).await?;
                Ok((hours, lango_store::grants::one(tx, grant).await?))
            };
            let (hours, stored) = self.app.store().read(read).await.unwrap();
            let by_hours = (
                hours.iter().map(|hour| hour.input.as_bytes()).sum(),
                hours.iter().map(|hour| hour.output.as_bytes()).sum(),
            );
            let (input, output) = sums(&own);
            assert_eq!(by_hours, (input, output), "{}: by the hour", guest.code);
            assert_eq!(stored.grant.meter.data.as_bytes(), input + output, "{}", guest.code);
            assert_eq!(stored.grant.state.word(), "active");
        }
        let rejects: u64 = self.routers.iter().map(|one| one.radius_counters().rejects).sum();
        assert_eq!(rejects, 0, "nobody was turned away for our troubles");
    }
}

fn init(place: &PathBuf, url: &str) -> TenantId {
    let output = Command::new(env!("CARGO_BIN_EXE_lango"))
        .arg("--data-dir")
        .arg(place)
        .env("LANGO_DATABASE_URL", url)
        .args(["init", "--business", "Hotel ABC WiFi", "--email", "owner@abc.example"])
        .args(["--password", "long enough", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let founded: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    founded["tenant"].as_str().unwrap().parse().unwrap()
}
