//! The program is killed at any moment, two hundred times, while people buy, log in, renew and run
//! out on three routers, one of which is dead all the while. The real binary, the real database,
//! real sockets, real time. After every kill the four rules hold.

use crate::harness::browses;
use lango_domain::access::{Access, Secret};
use lango_domain::ids::{GrantId, TenantId};
use lango_domain::plan::Terms;
use lango_domain::time::{Span, Timestamp};
use lango_router_sim::{MacAddress, Router, RouterSim, Settings, SystemClock};
use lango_server::app::App;
use lango_server::clock::Clock;
use lango_server::operations::add_plan::{NewPlan, add_plan};
use lango_server::operations::add_router::{
    NewRouter, RouterAddress, RouterLogin, RouterProtocol, RouterTls, add_router,
};
use lango_server::operations::asked::By;
use lango_server::operations::issue_vouchers::{VoucherOrder, issue_vouchers, read_code};
use lango_server::operations::open_service::{ServiceOrder, open_service};
use lango_store::secrets::SecretKey;
use lango_store::{DatabaseUrl, Store, Tx};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const KILLS: u32 = 200;
const SUBSCRIBERS: u8 = 6;
const MONTH: Span = Span::days(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_two_hundred_times_the_four_rules_hold() {
    let mut world = World::build().await;
    world.everybody_is_online().await;
    let mut dice = fastrand::Rng::with_seed(20_261_121);
    for kill in 0..KILLS {
        let mut server = world.serve();
        world.trade(&mut dice).await;
        let until = Instant::now() + Duration::from_millis(dice.u64(1..350));
        while Instant::now() < until {
            world.people_go_on();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let payment = world.pay_at_random(&mut dice, kill);
        tokio::time::sleep(Duration::from_millis(dice.u64(0..40))).await;
        server.kill().unwrap();
        server.wait().unwrap();
        if let Some(mut payment) = payment {
            if dice.bool() {
                payment.kill().unwrap();
            }
            payment.wait().unwrap();
        }
        world.rules_hold_while_it_is_down(kill).await;
    }
    world.the_kills_hit_it_at_work().await;
    world.everything_comes_right().await;
}

struct World {
    app: App,
    tenant: TenantId,
    place: PathBuf,
    lobby: RouterSim,
    tower: RouterSim,
    dead: RouterSim,
    subscribers: Vec<Subscriber>,
    guests: Vec<Guest>,
    receipts: BTreeMap<String, usize>,
}

/// Paid for months ahead: may never be off.
struct Subscriber {
    name: String,
    mac: MacAddress,
    grant: GrantId,
    first_end: Timestamp,
}

/// Bought a few seconds.
struct Guest {
    code: String,
    mac: MacAddress,
    grant: GrantId,
    online: bool,
}

impl World {
    async fn build() -> World {
        let place = lango_store::testing::temporary_directory();
        let tenant = init(&place);
        let store =
            Store::open(&DatabaseUrl::sqlite(place.join("lango.db")), Default::default()).await;
        let key = SecretKey::from_file(&place.join("secret.key")).unwrap();
        let app = App::new(store.unwrap(), Clock::system(), key);
        let mut world = World {
            app,
            tenant,
            place,
            lobby: router("Lobby"),
            tower: router("Tower"),
            dead: router("Dead"),
            subscribers: Vec::new(),
            guests: Vec::new(),
            receipts: BTreeMap::new(),
        };
        world.plans_and_routers().await;
        for number in 0..SUBSCRIBERS {
            world.subscribe(number).await;
        }
        world
    }

    async fn plans_and_routers(&mut self) {
        let now = self.now();
        let price = lango_domain::money::Money::new(100, lango_domain::money::Currency::KES);
        for (name, terms) in
            [("Seconds", Terms::hotspot(Span::seconds(2))), ("Month", Terms::service(MONTH))]
        {
            let new = NewPlan { tenant: self.tenant, name: name.to_owned(), price, terms };
            add_plan(&self.app, new, &By::cli(), now).await.unwrap();
        }
        let by_api = (&self.lobby, RouterProtocol::Api, "Lobby");
        let by_rest = (&self.tower, RouterProtocol::Rest, "Tower");
        let gone = (&self.dead, RouterProtocol::Api, "Dead");
        for (sim, protocol, name) in [by_api, by_rest, gone] {
            let address = match protocol {
                RouterProtocol::Api => sim.api_address().unwrap(),
                RouterProtocol::Rest => sim.rest_address().unwrap(),
                RouterProtocol::Radius => unreachable!("nobody here asks by RADIUS"),
            };
            let address = RouterAddress {
                host: address.ip().to_string(),
                port: address.port(),
                protocol,
                tls: RouterTls::Off,
            };
            let login = RouterLogin { user: "lango".to_owned(), password: "secret".to_owned() };
            let new = NewRouter { tenant: self.tenant, name: name.to_owned(), address, login };
            add_router(&self.app, new, &By::cli(), now).await.unwrap();
        }
        self.dead.faults().unreachable(true);
    }

    async fn subscribe(&mut self, number: u8) {
        let name = format!("home{number}");
        let password = Secret::new("pass");
        let access = Access::Pppoe { name: name.clone(), password, address: None };
        let order = ServiceOrder {
            tenant: self.tenant,
            plan: "Month".to_owned(),
            access,
            customer: None,
            router: None,
            paid: true,
        };
        let opened = open_service(&self.app, order, &By::cli(), self.now()).await.unwrap();
        let (mac, grant) = (MacAddress([2, 0, 0, 1, 0, number]), opened.grant.id);
        let first_end = opened.grant.state.ends_at().unwrap();
        self.router_of(number).dial(mac, &name, "pass");
        self.subscribers.push(Subscriber { name, mac, grant, first_end });
    }

    fn router_of(&self, number: u8) -> &Router {
        if number.is_multiple_of(2) { self.lobby.router() } else { self.tower.router() }
    }

    fn now(&self) -> Timestamp {
        self.app.clock().now()
    }

    /// Starts the real program.
    fn serve(&self) -> Child {
        lango(&self.place)
            .args(["serve", "--http", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    async fn everybody_is_online(&mut self) {
        let mut server = self.serve();
        let patience = Instant::now() + Duration::from_secs(30);
        while !self.subscribers_who_are_off().is_empty() {
            assert!(Instant::now() < patience, "off: {:?}", self.subscribers_who_are_off());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.kill().unwrap();
        server.wait().unwrap();
    }

    fn subscribers_who_are_off(&self) -> Vec<&str> {
        let off = |(number, subscriber): &(usize, &Subscriber)| {
            !browses(self.router_of(*number as u8), subscriber.mac)
        };
        let off = self.subscribers.iter().enumerate().filter(off);
        off.map(|(_, subscriber)| subscriber.name.as_str()).collect()
    }

    /// Sometimes somebody buys a voucher.
    async fn trade(&mut self, dice: &mut fastrand::Rng) {
        if dice.u8(0..3) == 0 {
            return;
        }
        let order = VoucherOrder {
            tenant: self.tenant,
            plan: "Seconds".to_owned(),
            count: 1,
            customer: None,
            router: None,
        };
        let voucher =
            issue_vouchers(&self.app, order, &By::cli(), self.now()).await.unwrap().remove(0);
        let [high, low] = (self.guests.len() as u16).to_be_bytes();
        let mac = MacAddress([2, 0, 0, 2, high, low]);
        self.lobby.join(mac);
        let code = read_code(&voucher.code).unwrap();
        self.guests.push(Guest { code, mac, grant: voucher.id, online: false });
    }

    /// Guests type their code until it is taken, and stay busy.
    fn people_go_on(&mut self) {
        for guest in self.guests.iter_mut().filter(|guest| !guest.online) {
            if self.lobby.login(guest.mac, &guest.code, &guest.code).is_ok() {
                self.lobby.keep_busy(guest.mac, 100, 1_000);
                guest.online = true;
            }
        }
    }

    /// Sometimes a subscriber pays; sometimes a receipt comes again.
    fn pay_at_random(&mut self, dice: &mut fastrand::Rng, kill: u32) -> Option<Child> {
        if dice.bool() {
            return None;
        }
        let known: Vec<String> = self.receipts.keys().cloned().collect();
        let receipt = match dice.u8(0..3) {
            0 if !known.is_empty() => known[dice.usize(0..known.len())].clone(),
            _ => format!("R{kill}"),
        };
        let fresh = dice.usize(0..self.subscribers.len());
        let who = *self.receipts.entry(receipt.clone()).or_insert(fresh);
        Some(self.payment(&receipt, who))
    }

    fn payment(&self, receipt: &str, who: usize) -> Child {
        lango(&self.place)
            .args(["payment", "add", &self.subscribers[who].name, "--receipt", receipt])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    async fn rules_hold_while_it_is_down(&self, kill: u32) {
        assert_eq!(self.subscribers_who_are_off(), Vec::<&str>::new(), "cut at kill {kill}");
        for guest in &self.guests {
            if self.is_called_cut_in_the_lobby(guest.grant).await {
                assert!(
                    !browses(self.lobby.router(), guest.mac),
                    "called cut and still online at kill {kill}"
                );
            }
        }
        for subscriber in &self.subscribers {
            self.every_receipt_counted_once(subscriber).await;
        }
    }

    async fn is_called_cut_in_the_lobby(&self, grant: GrantId) -> bool {
        let (cuts, routers) = self
            .app
            .store()
            .read(async move |tx: &mut Tx<'_>| {
                let cuts = lango_store::cuts::of_grant(tx, grant).await?;
                Ok((cuts, lango_store::routers::all(tx).await?))
            })
            .await
            .unwrap();
        let lobby = routers.iter().find(|router| router.name == "Lobby").unwrap().id;
        cuts.iter().any(|cut| cut.router == lobby)
    }

    async fn every_receipt_counted_once(&self, subscriber: &Subscriber) {
        let grant = subscriber.grant;
        let (receipts, stored) = self
            .app
            .store()
            .read(async move |tx: &mut Tx<'_>| {
                let receipts = lango_store::receipts::of_grant(tx, grant).await?;
                Ok((receipts, lango_store::grants::one(tx, grant).await?))
            })
            .await
            .unwrap();
        let bought = Span::from_micros(MONTH.micros() * receipts.len() as i64);
        assert_eq!(stored.grant.state.ends_at(), Some(subscriber.first_end + bought));
    }

    /// Otherwise two hundred kills would have proved nothing.
    async fn the_kills_hit_it_at_work(&self) {
        let mut cut = 0;
        for guest in &self.guests {
            cut += usize::from(self.is_called_cut_in_the_lobby(guest.grant).await);
        }
        let (guests, receipts) = (self.guests.len(), self.receipts_in_the_books().await);
        println!("{KILLS} kills: {guests} guests, {cut} cut meanwhile, {receipts} receipts");
        assert!(cut * 2 > guests, "only {cut} of {guests} were cut between the kills");
        assert!(receipts > 10, "only {receipts} receipts were taken between the kills");
    }

    /// The program stays up at last: every receipt counts, everybody whose time is over is off and
    /// proven off, and the dead router owes its confirmations alone, until it is back.
    async fn everything_comes_right(&mut self) {
        let mut server = self.serve();
        let pending: Vec<(String, usize)> = self.receipts.clone().into_iter().collect();
        for (receipt, who) in pending {
            assert!(self.payment(&receipt, who).wait().unwrap().success(), "receipt {receipt}");
        }
        let patience = Instant::now() + Duration::from_secs(60);
        while let Some(reason) = self.what_is_not_right(&["Dead"]).await {
            assert!(Instant::now() < patience, "{reason}");
            self.people_go_on();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.dead.faults().unreachable(false);
        let patience = Instant::now() + Duration::from_secs(120);
        while let Some(reason) = self.what_is_not_right(&[]).await {
            assert!(Instant::now() < patience, "after the dead router came back: {reason}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(self.subscribers_who_are_off(), Vec::<&str>::new());
        let counted: usize = self.receipts_in_the_books().await;
        assert_eq!(counted, self.receipts.len(), "every receipt once, none lost");
        server.kill().unwrap();
        server.wait().unwrap();
        std::fs::remove_dir_all(&self.place).unwrap();
    }

    async fn receipts_in_the_books(&self) -> usize {
        let tenant = self.tenant;
        let page = async move |tx: &mut Tx<'_>| {
            lango_store::receipts::page(tx, tenant, None, 100_000).await
        };
        self.app.store().read(page).await.unwrap().len()
    }

    async fn what_is_not_right(&self, excused: &[&str]) -> Option<String> {
        for guest in &self.guests {
            if !guest.online {
                return Some(format!("{} never got online", guest.grant));
            }
            if browses(self.lobby.router(), guest.mac) {
                return Some(format!("{} is still online", guest.grant));
            }
            let grant = guest.grant;
            let (stored, open) = self
                .app
                .store()
                .read(async move |tx: &mut Tx<'_>| {
                    let open = lango_store::enforcements::open_of_grant(tx, grant).await?;
                    Ok((lango_store::grants::one(tx, grant).await?, open))
                })
                .await
                .unwrap();
            if !stored.grant.state.is_ended() {
                return Some(format!("{grant} has not ended"));
            }
            let owed = |line: &&lango_store::enforcements::Line| {
                !excused.contains(&line.router_name.as_str())
            };
            if let Some(line) = open.iter().find(owed) {
                return Some(format!("{} owes {grant}: {:?}", line.router_name, line.last_error));
            }
        }
        None
    }
}

fn router(name: &str) -> RouterSim {
    let settings = Settings { identity: name.to_owned(), ..Settings::default() };
    RouterSim::start(settings, Arc::new(SystemClock)).unwrap()
}

pub(crate) fn lango(place: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lango"));
    command.arg("--data-dir").arg(place).env_remove("LANGO_DATABASE_URL");
    command
}

pub(crate) fn init(place: &Path) -> TenantId {
    let output = lango(place)
        .args(["init", "--business", "Hotel ABC WiFi", "--email", "owner@abc.example"])
        .args(["--password", "long enough", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let founded: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    founded["tenant"].as_str().unwrap().parse().unwrap()
}
