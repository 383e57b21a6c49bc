//! The RouterOS driver against a simulated router, over both protocols. What counts is whether a
//! machine can browse.

use lango_domain::access::{Access, GrantKind, Secret};
use lango_domain::ids::{GrantId, Id};
use lango_domain::mac_address::MacAddress;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::{Profile, RouterDeadline, Wanted};
use lango_router_sim as sim;
use lango_router_sim::{ManualClock, PrintEnd, RouterSim, Settings};
use lango_routeros::{Credentials, Endpoint, Protocol, Timeouts, Tls};
use lango_server::enforcement::routeros::{ROUTER_MARGIN, RouterOs};
use lango_server::enforcement::{ConfirmedBy, DriverError, LoginKind, Order, Outcome};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// 2026-01-02 10:00:00 UTC.
const START: i64 = 1_767_348_000_000_000;

const BOTH: [Protocol; 2] = [Protocol::Api, Protocol::Rest];

const BY_LANGO: ConfirmedBy = ConfirmedBy::Lango;

/// Long, since tests of many crates may share the machine; nothing here waits for them to pass.
const PATIENCE: Duration = Duration::from_secs(120);

const TIMEOUTS: Timeouts = Timeouts { connect: PATIENCE, reply: PATIENCE };

/// One router whose time stands still until told otherwise, and the driver that holds it.
struct Site {
    router: RouterSim,
    clock: Arc<ManualClock>,
    driver: RouterOs,
    protocol: Protocol,
}

impl Site {
    async fn open(protocol: Protocol) -> Site {
        Site::with(protocol, Settings::default()).await
    }

    async fn with(protocol: Protocol, settings: Settings) -> Site {
        let clock = Arc::new(ManualClock::at(START));
        let router = RouterSim::start(settings, clock.clone()).unwrap();
        let driver = connect(&router, protocol).await;
        Site { router, clock, driver, protocol }
    }

    async fn reconnect(&mut self) {
        self.driver = connect(&self.router, self.protocol).await;
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(sim::Clock::now_micros(&*self.clock))
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
        self.router.tick();
    }

    async fn act(&mut self, orders: &[Order]) -> Vec<Outcome> {
        self.driver.act(orders, self.now()).await.unwrap()
    }

    async fn act_one(&mut self, order: &Order) -> Outcome {
        self.act(std::slice::from_ref(order)).await.remove(0)
    }

    /// What a survey finds different, as text.
    async fn differences(&mut self, expected: &[Order]) -> Vec<String> {
        let survey = self.driver.survey(expected, self.now()).await.unwrap();
        survey.differences.into_iter().map(|(_, text)| text).collect()
    }

    /// A phone joins and logs in.
    fn phone(&self, number: u8, user: &str) -> (sim::MacAddress, Ipv4Addr) {
        let mac = mac(number);
        let ip = self.router.join(mac);
        self.router.login(mac, user, user).unwrap();
        (mac, ip)
    }

    fn browses(&self, mac: sim::MacAddress, ip: Ipv4Addr) -> bool {
        self.router.can_browse(mac, ip).is_allowed()
    }

    fn fasttrack(&self) {
        let states = ("connection-state", "established,related");
        let fasttrack = ("action", "fasttrack-connection");
        self.router.add("/ip/firewall/filter", &[("chain", "forward"), fasttrack, states]).unwrap();
        let accept = ("action", "accept");
        self.router.add("/ip/firewall/filter", &[("chain", "forward"), accept, states]).unwrap();
    }

    fn count(&self, menu: &str) -> usize {
        self.router.rows(menu).len()
    }

    fn text(&self, menu: &str, name: &str, property: &str) -> String {
        let rows = self.router.matching(menu, &[("name", name)]);
        rows.first().and_then(|row| row.text(property)).unwrap_or_default().into_owned()
    }
}

async fn connect(router: &RouterSim, protocol: Protocol) -> RouterOs {
    let address = match protocol {
        Protocol::Api => router.api_address(),
        Protocol::Rest => router.rest_address(),
    };
    let address = address.unwrap();
    let endpoint =
        Endpoint { host: address.ip().to_string(), port: address.port(), protocol, tls: Tls::Off };
    let credentials = Credentials::new("lango", "secret");
    RouterOs::open("roof", &endpoint, &credentials, TIMEOUTS).await.unwrap()
}

fn mac(number: u8) -> sim::MacAddress {
    sim::MacAddress([2, 0, 0, 0, 0, number])
}

fn device(number: u8) -> MacAddress {
    MacAddress::new([2, 0, 0, 0, 0, number])
}

fn profile(devices: u16) -> Profile {
    let speed = Some("2M/5M".parse().unwrap());
    Profile { speed, devices, deadline: None, data: None, metered: false }
}

/// An end such that the router, left alone, acts when so much time has passed.
fn until(site: &Site, left: Span) -> Option<RouterDeadline> {
    Some(RouterDeadline::At(site.now() + left - Span::from(ROUTER_MARGIN)))
}

fn voucher(number: i64, name: &str, wanted: Wanted) -> Order {
    let access = Access::Hotspot { name: name.to_owned(), password: Secret::new(name) };
    order(number, GrantKind::Voucher, access, wanted)
}

fn dialled(number: i64, name: &str, wanted: Wanted) -> Order {
    let password = Secret::new(name);
    let access = Access::Pppoe { name: name.to_owned(), password, address: None };
    order(number, GrantKind::Pppoe, access, wanted)
}

fn fixed(number: i64, address: Ipv4Addr, wanted: Wanted) -> Order {
    order(number, GrantKind::StaticIp, Access::StaticIp { address, mac: None }, wanted)
}

fn order(number: i64, kind: GrantKind, access: Access, wanted: Wanted) -> Order {
    let label = format!("customer {number}");
    Order { grant: GrantId::from_raw(number), kind, access, label, wanted, devices: Vec::new() }
}

fn wanting(order: &Order, wanted: Wanted) -> Order {
    Order { wanted, ..order.clone() }
}

fn confirmed(by: ConfirmedBy, sessions_ended: u32) -> Outcome {
    Outcome::Confirmed { by, sessions_ended }
}

fn failure(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed(why) => why,
        Outcome::Confirmed { .. } => "",
    }
}

// ---------------------------------------------------------------------------------------------
// Hotspot

#[tokio::test]
async fn a_cut_takes_both_phones_their_cookies_a_bypass_and_a_download() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        site.fasttrack();
        let ann = voucher(1, "ann", Wanted::Allowed(profile(2)));
        assert_eq!(site.act_one(&ann).await, confirmed(BY_LANGO, 0));
        let (one, two) = (site.phone(1, "ann"), site.phone(2, "ann"));
        site.router.open_download(one.0).unwrap();
        let bypass = [
            ("mac-address", "02:00:00:00:00:02"),
            ("type", "bypassed"),
            ("comment", "lango:g0000000000001"),
        ];
        site.router.add("/ip/hotspot/ip-binding", &bypass).unwrap();
        assert!(site.browses(one.0, one.1) && site.browses(two.0, two.1));

        let cut = wanting(&ann, Wanted::Cut);
        assert!(matches!(
            site.act_one(&cut).await,
            Outcome::Confirmed { by: ConfirmedBy::Lango, sessions_ended: 1.. }
        ));
        assert!(!site.browses(one.0, one.1), "{:?}", site.router.can_browse(one.0, one.1));
        assert!(!site.browses(two.0, two.1), "{:?}", site.router.can_browse(two.0, two.1));
        assert_eq!(site.count("/ip/hotspot/cookie"), 0);
        assert_eq!(site.count("/ip/firewall/connection"), 0);
        assert_eq!(site.count("/ip/hotspot/ip-binding"), 0);
        site.router.come_back(one.0);
        assert!(!site.browses(one.0, one.1));
        assert_eq!(site.differences(&[cut]).await, [] as [&str; 0]);
    }
}

#[tokio::test]
async fn doing_it_twice_changes_nothing_the_second_time() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        let deadline = until(&site, Span::hours(1));
        let allowed = Wanted::Allowed(Profile { deadline, ..profile(1) });
        let ann = voucher(1, "ann", allowed);
        for _ in 0..2 {
            assert_eq!(site.act_one(&ann).await, confirmed(BY_LANGO, 0));
        }
        assert_eq!(site.differences(std::slice::from_ref(&ann)).await, [] as [&str; 0]);
        assert_eq!(site.router.matching("/ip/hotspot/user", &[("name", "ann")]).len(), 1);
        assert_eq!(site.text("/ip/hotspot/user", "ann", "profile"), "lango-2M-5M-1");
        site.phone(1, "ann");
        let cut = wanting(&ann, Wanted::Cut);
        assert_eq!(site.act_one(&cut).await, confirmed(BY_LANGO, 1));
        assert_eq!(site.act_one(&cut).await, confirmed(BY_LANGO, 0));
    }
}

#[tokio::test]
async fn another_guests_session_on_the_same_address_pool_is_left_alone() {
    let mut site = Site::open(Protocol::Api).await;
    let (ann, bob) = (
        voucher(1, "ann", Wanted::Allowed(profile(1))),
        voucher(2, "bob", Wanted::Allowed(profile(1))),
    );
    site.act(&[ann.clone(), bob]).await;
    let one = site.phone(1, "ann");
    let two = site.phone(2, "bob");
    // Bob's phone was once online with Ann's voucher; it is Bob's now.
    let cut = Order { devices: vec![device(1), device(2)], ..wanting(&ann, Wanted::Cut) };
    assert_eq!(site.act_one(&cut).await, confirmed(BY_LANGO, 1));
    assert!(!site.browses(one.0, one.1));
    assert!(site.browses(two.0, two.1));
    assert_eq!(site.router.matching("/ip/hotspot/active", &[("user", "bob")]).len(), 1);
}

#[tokio::test]
async fn a_user_that_is_not_ours_is_never_touched() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        let foreign = [("name", "ann"), ("password", "ann"), ("comment", "vc-17")];
        site.router.add("/ip/hotspot/user", &foreign).unwrap();
        let phone = site.phone(1, "ann");
        let ann = voucher(1, "ann", Wanted::Allowed(profile(1)));
        for order in [ann.clone(), wanting(&ann, Wanted::Cut)] {
            let outcome = site.act_one(&order).await;
            assert!(failure(&outcome).contains("without Lango's mark"), "{outcome:?}");
        }
        assert!(site.browses(phone.0, phone.1));
        assert_eq!(site.text("/ip/hotspot/user", "ann", "comment"), "vc-17");
        let survey = site.driver.survey(&[ann], site.now()).await.unwrap();
        assert_eq!(survey.strangers.len(), 1);
    }
}

#[tokio::test]
async fn a_bypass_that_is_not_ours_is_reported_and_kept() {
    let mut site = Site::open(Protocol::Api).await;
    let ann = voucher(1, "ann", Wanted::Allowed(profile(1)));
    site.act_one(&ann).await;
    let phone = site.phone(1, "ann");
    let bypass = [("mac-address", "02:00:00:00:00:01"), ("type", "bypassed"), ("comment", "boss")];
    site.router.add("/ip/hotspot/ip-binding", &bypass).unwrap();
    let cut = Order { devices: vec![device(1)], ..wanting(&ann, Wanted::Cut) };
    let outcome = site.act_one(&cut).await;
    assert!(failure(&outcome).contains("`boss`"), "{outcome:?}");
    assert_eq!(site.count("/ip/hotspot/ip-binding"), 1);
    assert!(site.browses(phone.0, phone.1), "that is what the failure says");
}

#[tokio::test]
async fn the_routers_own_limit_is_credited_to_the_router() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        let deadline = until(&site, Span::minutes(30));
        let ann = voucher(1, "ann", Wanted::Allowed(Profile { deadline, ..profile(1) }));
        site.act_one(&ann).await;
        let phone = site.phone(1, "ann");
        site.pass(30 * 60 - 1);
        assert!(site.browses(phone.0, phone.1), "paid time is not cut short");
        site.pass(5);
        assert!(!site.browses(phone.0, phone.1), "the router ends it without us");
        let cut = wanting(&ann, Wanted::Cut);
        assert_eq!(site.act_one(&cut).await, confirmed(ConfirmedBy::Router, 0));
    }
}

#[tokio::test]
async fn a_renewal_moves_the_routers_limit_with_what_was_used() {
    let mut site = Site::open(Protocol::Api).await;
    let deadline = until(&site, Span::minutes(30));
    let ann = voucher(1, "ann", Wanted::Allowed(Profile { deadline, ..profile(1) }));
    site.act_one(&ann).await;
    let phone = site.phone(1, "ann");
    site.pass(20 * 60);
    let deadline = until(&site, Span::minutes(40));
    let renewed = wanting(&ann, Wanted::Allowed(Profile { deadline, ..profile(1) }));
    assert_eq!(site.differences(std::slice::from_ref(&renewed)).await.len(), 1);
    assert_eq!(site.act_one(&renewed).await, confirmed(BY_LANGO, 0));
    site.pass(29 * 60);
    assert_eq!(site.differences(&[renewed]).await, [] as [&str; 0]);
    site.pass(10 * 60);
    assert!(site.browses(phone.0, phone.1));
    site.pass(2 * 60);
    assert!(!site.browses(phone.0, phone.1));
}

#[tokio::test]
async fn two_devices_have_their_whole_hour_and_no_more() {
    let mut site = Site::open(Protocol::Api).await;
    let deadline = until(&site, Span::hours(1));
    let ann = voucher(1, "ann", Wanted::Allowed(Profile { deadline, ..profile(2) }));
    site.act_one(&ann).await;
    let (one, two) = (site.phone(1, "ann"), site.phone(2, "ann"));
    site.pass(3_599);
    assert!(site.browses(one.0, one.1) && site.browses(two.0, two.1));
    site.pass(5);
    assert!(!site.browses(one.0, one.1) && !site.browses(two.0, two.1));
    let cut = wanting(&ann, Wanted::Cut);
    assert_eq!(site.act_one(&cut).await, confirmed(ConfirmedBy::Router, 0));
    assert_eq!(site.count("/system/scheduler"), 0);
}

#[tokio::test]
async fn throttling_takes_effect_at_once_and_keeps_the_guest_online() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        let ann = voucher(1, "ann", Wanted::Allowed(profile(1)));
        site.act_one(&ann).await;
        let (mac, ip) = site.phone(1, "ann");
        assert_eq!(site.router.speed_limit(mac, ip), Some((2_000_000, 5_000_000)));
        let slow = Profile { speed: Some("256k/512k".parse().unwrap()), ..profile(1) };
        let slow = wanting(&ann, Wanted::Throttled(slow));
        assert_eq!(site.act_one(&slow).await, confirmed(BY_LANGO, 1));
        assert_eq!(site.router.speed_limit(mac, ip), Some((256_000, 512_000)));
        assert_eq!(site.act_one(&slow).await, confirmed(BY_LANGO, 0));
    }
}

#[tokio::test]
async fn a_purchase_after_the_end_has_its_data_though_the_counter_runs_on() {
    let mut site = Site::open(Protocol::Api).await;
    let data = Some(DataSize::megabytes(10));
    let ann = voucher(1, "ann", Wanted::Allowed(Profile { data, ..profile(1) }));
    site.act_one(&ann).await;
    let (mac, ip) = site.phone(1, "ann");
    site.router.surf(mac, 10_000_000);
    site.pass(1);
    assert!(!site.browses(mac, ip));
    assert_eq!(site.act_one(&wanting(&ann, Wanted::Cut)).await, confirmed(ConfirmedBy::Router, 0));
    assert_eq!(site.act_one(&ann).await, confirmed(BY_LANGO, 0));
    site.router.login(mac, "ann", "ann").unwrap();
    assert!(site.browses(mac, ip));
    assert_eq!(site.differences(&[ann]).await, [] as [&str; 0]);
}

#[tokio::test]
async fn three_hundred_are_cut_in_one_call() {
    let mut site = Site::open(Protocol::Api).await;
    let names: Vec<String> = (0..300).map(|n| format!("v{n}")).collect();
    let orders: Vec<Order> =
        (1..).zip(&names).map(|(n, name)| voucher(n, name, Wanted::Allowed(profile(1)))).collect();
    assert!(site.act(&orders).await.iter().all(|o| *o == confirmed(BY_LANGO, 0)));
    let phones: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let mac = sim::MacAddress([
                2,
                0,
                0,
                0,
                u8::try_from(n / 200).unwrap(),
                u8::try_from(n % 200).unwrap(),
            ]);
            let ip = site.router.join(mac);
            site.router.login(mac, name, name).unwrap();
            (mac, ip)
        })
        .collect();
    let cuts: Vec<Order> = orders.iter().map(|order| wanting(order, Wanted::Cut)).collect();
    assert!(site.act(&cuts).await.iter().all(|o| *o == confirmed(BY_LANGO, 1)));
    assert!(phones.iter().all(|(mac, ip)| !site.browses(*mac, *ip)));
    assert_eq!(site.count("/ip/hotspot/active"), 0);
    assert_eq!(site.differences(&cuts).await, [] as [&str; 0]);
}

#[tokio::test]
async fn who_is_online_is_known_with_all_he_has_used() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        let ann = voucher(1, "ann", Wanted::Allowed(profile(1)));
        site.act_one(&ann).await;
        let (mac, ip) = site.phone(1, "ann");
        site.pass(60);
        site.router.transfer(mac, 1_000, 9_000);
        let online = site.driver.online().await.unwrap();
        assert_eq!(online.len(), 1);
        assert_eq!((online[0].by, online[0].login.as_str()), (LoginKind::Hotspot, "ann"));
        assert_eq!(online[0].data, DataSize::bytes(10_000));
        assert_eq!(online[0].sessions[0].address, Some(ip));
        assert_eq!(online[0].sessions[0].mac, Some(device(1)));
        // The session ends and another begins: what the first used is not forgotten.
        site.router.press_logout(mac);
        site.router.login(mac, "ann", "ann").unwrap();
        site.pass(30);
        let online = site.driver.online().await.unwrap();
        assert_eq!(online[0].uptime, Span::seconds(90));
        assert_eq!(online[0].data, DataSize::bytes(10_000));
        let survey = site.driver.survey(&[ann], site.now()).await.unwrap();
        assert_eq!(survey.online[0].uptime, Span::seconds(90));
        assert_eq!(survey.observed.active_sessions, 1);
        assert_eq!(survey.observed.clock_ahead_seconds, Some(0));
    }
}

#[tokio::test]
async fn a_login_wakes_who_waits_for_changes() {
    let mut site = Site::open(Protocol::Api).await;
    site.act_one(&voucher(1, "ann", Wanted::Allowed(profile(1)))).await;
    let router = site.router.router().clone();
    let login = async {
        // Listening begins inside `changed`; log in and out until it is heard.
        loop {
            router.join(mac(1));
            router.login(mac(1), "ann", "ann").unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            router.press_logout(mac(1));
        }
    };
    tokio::select! {
        () = site.driver.changed() => {}
        () = login => {}
        () = tokio::time::sleep(PATIENCE) => panic!("nobody heard the login"),
    }
}

// ---------------------------------------------------------------------------------------------
// PPPoE

#[tokio::test]
async fn a_pppoe_client_that_keeps_dialling_stays_out() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        let bob = dialled(1, "bob", Wanted::Allowed(profile(1)));
        assert_eq!(site.act_one(&bob).await, confirmed(BY_LANGO, 0));
        site.router.dial(mac(9), "bob", "bob");
        site.pass(10);
        let ip = site.router.address_of(mac(9)).unwrap();
        assert!(site.browses(mac(9), ip));
        assert_eq!(site.router.speed_limit(mac(9), ip), Some((2_000_000, 5_000_000)));
        let online = site.driver.online().await.unwrap();
        assert_eq!((online[0].by, online[0].login.as_str()), (LoginKind::Ppp, "bob"));

        let cut = wanting(&bob, Wanted::Cut);
        assert_eq!(site.act_one(&cut).await, confirmed(BY_LANGO, 1));
        site.pass(60);
        assert!(!site.browses(mac(9), ip));
        assert_eq!(site.count("/ppp/active"), 0);
        assert_eq!(site.act_one(&cut).await, confirmed(BY_LANGO, 0));
        assert_eq!(site.differences(std::slice::from_ref(&cut)).await, [] as [&str; 0]);

        assert_eq!(site.act_one(&bob).await, confirmed(BY_LANGO, 0));
        site.pass(60);
        let ip = site.router.address_of(mac(9)).unwrap();
        assert!(site.browses(mac(9), ip));
        assert_eq!(site.differences(&[bob]).await, [] as [&str; 0]);
    }
}

#[tokio::test]
async fn a_walled_pppoe_client_dials_in_but_browses_nowhere() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        site.fasttrack();
        let bob = dialled(1, "bob", Wanted::Allowed(profile(1)));
        site.act_one(&bob).await;
        site.router.dial(mac(9), "bob", "bob");
        site.pass(10);
        let walled = wanting(&bob, Wanted::Walled);
        assert_eq!(site.act_one(&walled).await, confirmed(BY_LANGO, 1));
        site.pass(60);
        let ip = site.router.address_of(mac(9)).unwrap();
        assert_eq!(site.count("/ppp/active"), 1, "he sees the pay page");
        assert!(!site.browses(mac(9), ip), "{:?}", site.router.can_browse(mac(9), ip));
        assert_eq!(site.differences(&[walled]).await, [] as [&str; 0]);
        assert_eq!(site.act_one(&bob).await, confirmed(BY_LANGO, 1));
        site.pass(60);
        let ip = site.router.address_of(mac(9)).unwrap();
        assert!(site.browses(mac(9), ip));
    }
}

#[tokio::test]
async fn a_guard_cuts_a_pppoe_client_while_we_are_away() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        let deadline = until(&site, Span::minutes(10));
        let bob = dialled(1, "b$o\"b", Wanted::Allowed(Profile { deadline, ..profile(1) }));
        assert_eq!(site.act_one(&bob).await, confirmed(BY_LANGO, 0));
        assert_eq!(site.count("/system/scheduler"), 1);
        site.router.dial(mac(9), "b$o\"b", "b$o\"b");
        site.pass(599);
        let ip = site.router.address_of(mac(9)).unwrap();
        assert!(site.browses(mac(9), ip));
        site.router.faults().unreachable(true);
        site.pass(60);
        assert!(!site.browses(mac(9), ip), "nobody but the router could do this");
        assert_eq!(site.count("/system/scheduler"), 0, "it removed itself");
        site.router.faults().clear();
        site.reconnect().await;
        let cut = wanting(&bob, Wanted::Cut);
        assert_eq!(site.act_one(&cut).await, confirmed(ConfirmedBy::Router, 0));
    }
}

#[tokio::test]
async fn a_renewal_moves_the_guard_and_a_cut_takes_it_away() {
    let mut site = Site::open(Protocol::Api).await;
    let allowed =
        |site: &Site, left| Wanted::Allowed(Profile { deadline: until(site, left), ..profile(1) });
    let bob = dialled(1, "bob", allowed(&site, Span::minutes(10)));
    site.act_one(&bob).await;
    site.router.dial(mac(9), "bob", "bob");
    site.pass(300);
    let renewed = wanting(&bob, allowed(&site, Span::minutes(30)));
    assert_eq!(site.differences(std::slice::from_ref(&renewed)).await.len(), 1);
    assert_eq!(site.act_one(&renewed).await, confirmed(BY_LANGO, 0));
    site.pass(600);
    let ip = site.router.address_of(mac(9)).unwrap();
    assert!(site.browses(mac(9), ip), "the first guard is gone");
    assert_eq!(site.act_one(&wanting(&bob, Wanted::Cut)).await, confirmed(BY_LANGO, 1));
    assert_eq!(site.count("/system/scheduler"), 0);
    let far = wanting(&bob, allowed(&site, Span::days(30)));
    assert_eq!(site.act_one(&far).await, confirmed(BY_LANGO, 0));
    assert_eq!(site.count("/system/scheduler"), 0, "too far away for a guard");
}

#[tokio::test]
async fn a_renewal_takes_the_old_guard_away_even_while_the_routers_clock_is_not_set() {
    let mut site = Site::open(Protocol::Api).await;
    let allowed =
        |site: &Site, left| Wanted::Allowed(Profile { deadline: until(site, left), ..profile(1) });
    let bob = dialled(1, "bob", allowed(&site, Span::minutes(10)));
    site.act_one(&bob).await;
    site.router.dial(mac(9), "bob", "bob");
    site.pass(10);
    let fifty_years = 50 * 365 * 24 * 3_600 * 1_000_000;
    site.router.skew_clock(-fifty_years);
    site.reconnect().await;
    let renewed = wanting(&bob, allowed(&site, Span::hours(2)));
    assert_eq!(site.act_one(&renewed).await, confirmed(BY_LANGO, 0));
    assert_eq!(site.count("/system/scheduler"), 0, "a new one would fire when the clock is set");
    site.router.skew_clock(0);
    site.pass(3_600);
    let ip = site.router.address_of(mac(9)).unwrap();
    assert!(site.browses(mac(9), ip), "he has paid");
    assert_eq!(site.differences(std::slice::from_ref(&renewed)).await.len(), 1);
    assert_eq!(site.act_one(&renewed).await, confirmed(BY_LANGO, 0));
    assert_eq!(site.count("/system/scheduler"), 1, "the clock is right again");
}

#[tokio::test]
async fn a_guard_that_cannot_be_taken_away_fails_the_renewal() {
    let mut site = Site::open(Protocol::Api).await;
    let allowed =
        |site: &Site, left| Wanted::Allowed(Profile { deadline: until(site, left), ..profile(1) });
    let bob = dialled(1, "bob", allowed(&site, Span::minutes(10)));
    site.act_one(&bob).await;
    let renewed = wanting(&bob, allowed(&site, Span::hours(2)));
    site.router.faults().refuse("/system/scheduler/remove", 1, "not enough permissions (9)");
    let outcome = site.act_one(&renewed).await;
    assert!(failure(&outcome).contains("not enough permissions"), "{outcome:?}");
    assert_eq!(site.act_one(&renewed).await, confirmed(BY_LANGO, 0));
}

#[tokio::test]
async fn a_router_without_scheduler_still_serves() {
    let settings =
        Settings { absent_menus: vec!["/system/scheduler".into()], ..Settings::default() };
    let mut site = Site::with(Protocol::Api, settings).await;
    let deadline = until(&site, Span::minutes(10));
    let bob = dialled(1, "bob", Wanted::Allowed(Profile { deadline, ..profile(1) }));
    assert_eq!(site.act_one(&bob).await, confirmed(BY_LANGO, 0));
    assert_eq!(site.differences(&[bob]).await, [] as [&str; 0]);
}

// ---------------------------------------------------------------------------------------------
// Static addresses

const HOME: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 5);

#[tokio::test]
async fn a_static_address_is_let_through_walled_and_cut() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        site.fasttrack();
        site.router.use_address(mac(7), HOME);
        let shop = fixed(1, HOME, Wanted::Allowed(profile(1)));
        assert_eq!(site.act_one(&shop).await, confirmed(BY_LANGO, 0));
        assert!(site.browses(mac(7), HOME));
        assert_eq!(site.router.speed_limit(mac(7), HOME), Some((2_000_000, 5_000_000)));
        for wanted in [Wanted::Walled, Wanted::Cut] {
            site.router.open_download(mac(7)).unwrap();
            let order = wanting(&shop, wanted);
            assert_eq!(site.act_one(&order).await, confirmed(BY_LANGO, 0));
            assert!(!site.browses(mac(7), HOME), "{:?}", site.router.can_browse(mac(7), HOME));
            assert_eq!(site.differences(&[order]).await, [] as [&str; 0]);
            assert_eq!(site.act_one(&shop).await, confirmed(BY_LANGO, 0));
            assert!(site.browses(mac(7), HOME));
        }
        assert_eq!(site.count("/ip/firewall/address-list"), 1);
        assert_eq!(site.differences(&[shop]).await, [] as [&str; 0]);
    }
}

#[tokio::test]
async fn rules_that_were_pushed_below_fasttrack_are_moved_up_again() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        site.router.use_address(mac(7), HOME);
        let shop = fixed(1, HOME, Wanted::Cut);
        site.act_one(&shop).await;
        site.fasttrack();
        let rows = site.router.rows("/ip/firewall/filter");
        let first = rows[0].text(".id").unwrap().into_owned();
        let last = rows[rows.len() - 2].text(".id").unwrap().into_owned();
        let order = [(".id", last.as_str()), ("destination", first.as_str())];
        site.router.run("/ip/firewall/filter/move", &order).unwrap();
        let differences = site.differences(std::slice::from_ref(&shop)).await;
        assert!(differences[0].contains("stands below"), "{differences:?}");
        assert_eq!(site.act_one(&shop).await, confirmed(BY_LANGO, 0));
        assert_eq!(site.differences(&[shop]).await, [] as [&str; 0]);
        assert!(!site.browses(mac(7), HOME));
    }
}

#[tokio::test]
async fn a_guard_cuts_a_static_address_while_we_are_away() {
    let mut site = Site::open(Protocol::Api).await;
    site.fasttrack();
    site.router.use_address(mac(7), HOME);
    let deadline = until(&site, Span::minutes(10));
    let shop = fixed(1, HOME, Wanted::Allowed(Profile { deadline, ..profile(1) }));
    assert_eq!(site.act_one(&shop).await, confirmed(BY_LANGO, 0));
    site.router.open_download(mac(7)).unwrap();
    site.pass(603);
    assert!(!site.browses(mac(7), HOME), "{:?}", site.router.can_browse(mac(7), HOME));
    let cut = wanting(&shop, Wanted::Cut);
    assert_eq!(site.act_one(&cut).await, confirmed(ConfirmedBy::Router, 0));
    assert_eq!(site.differences(&[cut]).await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_removed_static_address_stays_blocked_until_somebody_new_has_it() {
    let mut site = Site::open(Protocol::Api).await;
    site.router.use_address(mac(7), HOME);
    let shop = fixed(1, HOME, Wanted::Allowed(profile(1)));
    site.act_one(&shop).await;
    let outcomes = site.driver.remove(&[shop]).await.unwrap();
    assert_eq!(outcomes, [confirmed(BY_LANGO, 0)]);
    assert!(!site.browses(mac(7), HOME));
    assert_eq!(site.count("/queue/simple"), 0);
    assert!(site.driver.survey(&[], site.now()).await.unwrap().strangers.is_empty());
    let next = fixed(2, HOME, Wanted::Allowed(profile(1)));
    assert_eq!(site.act_one(&next).await, confirmed(BY_LANGO, 0));
    assert!(site.browses(mac(7), HOME));
}

// ---------------------------------------------------------------------------------------------
// What goes wrong

#[tokio::test]
async fn removing_takes_users_and_secrets_off_but_never_a_strangers() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        let ann = voucher(1, "ann", Wanted::Allowed(profile(1)));
        let bob = dialled(2, "bob", Wanted::Allowed(profile(1)));
        site.act(&[ann.clone(), bob.clone()]).await;
        site.router.add("/ip/hotspot/user", &[("name", "eve"), ("password", "eve")]).unwrap();
        let eve = voucher(3, "eve", Wanted::Cut);
        let phone = site.phone(1, "ann");
        let outcomes = site.driver.remove(&[ann, bob, eve]).await.unwrap();
        assert_eq!(outcomes[..2], [confirmed(BY_LANGO, 1), confirmed(BY_LANGO, 0)]);
        assert!(!failure(&outcomes[2]).is_empty());
        assert!(!site.browses(phone.0, phone.1));
        assert!(site.router.matching("/ip/hotspot/user", &[("name", "ann")]).is_empty());
        assert_eq!(site.router.matching("/ip/hotspot/user", &[("name", "eve")]).len(), 1);
        assert_eq!(site.count("/ppp/secret"), 0);
    }
}

#[tokio::test]
async fn a_survey_that_was_half_read_is_no_survey() {
    let mut site = Site::open(Protocol::Api).await;
    let ann = voucher(1, "ann", Wanted::Allowed(profile(1)));
    site.act_one(&ann).await;
    let trap = sim::Trap::new("no such item");
    for end in [PrintEnd::Trap(trap), PrintEnd::Close] {
        site.router.faults().cut_next_print("/ip/hotspot/user/print", 1, end);
        let expected = std::slice::from_ref(&ann);
        let survey = site.driver.survey(expected, site.now()).await;
        assert!(matches!(survey, Err(DriverError::Broken { .. })));
        site.reconnect().await;
        assert_eq!(site.differences(expected).await, [] as [&str; 0]);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_at_any_command_leaves_nothing_that_a_second_try_does_not_finish()
{
    for number in 2..40 {
        let mut site = Site::open(Protocol::Api).await;
        site.fasttrack();
        let deadline = until(&site, Span::hours(1));
        let ann = voucher(1, "ann", Wanted::Allowed(Profile { deadline, ..profile(2) }));
        let bob = dialled(2, "bob", Wanted::Allowed(Profile { deadline, ..profile(1) }));
        site.act(&[ann.clone(), bob.clone()]).await;
        let phone = site.phone(1, "ann");
        site.router.open_download(phone.0).unwrap();
        site.router.dial(mac(9), "bob", "bob");
        site.pass(10);
        let home = site.router.address_of(mac(9)).unwrap();
        let cuts = [
            // Nobody told the driver which devices were online.
            wanting(&ann, Wanted::Cut),
            wanting(&bob, Wanted::Cut),
        ];
        site.router.faults().drop_at_command(number);
        site.reconnect_if_possible().await;
        if site.driver.act(&cuts, site.now()).await.is_err() {
            site.router.faults().clear();
            site.reconnect().await;
            let outcomes = site.act(&cuts).await;
            assert!(
                outcomes.iter().all(|o| matches!(o, Outcome::Confirmed { .. })),
                "{outcomes:?}"
            );
        }
        site.pass(60);
        assert!(
            !site.browses(phone.0, phone.1),
            "broke at {number}: {:?}",
            site.router.can_browse(phone.0, phone.1)
        );
        assert!(!site.browses(mac(9), home), "broke at {number}");
        assert_eq!(site.count("/system/scheduler"), 0, "broke at {number}");
    }
}

impl Site {
    /// A new connection; the old one stays if the router drops it already while it is asked what
    /// it is.
    async fn reconnect_if_possible(&mut self) {
        let address = self.router.api_address().unwrap();
        let endpoint = Endpoint {
            host: address.ip().to_string(),
            port: address.port(),
            protocol: Protocol::Api,
            tls: Tls::Off,
        };
        let credentials = Credentials::new("lango", "secret");
        let opened = RouterOs::open("roof", &endpoint, &credentials, TIMEOUTS).await;
        if let Ok(driver) = opened {
            self.driver = driver;
        }
    }
}

#[tokio::test]
async fn one_refusal_fails_one_order() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        let ann = voucher(1, "ann", Wanted::Allowed(profile(1)));
        let bob = dialled(2, "bob", Wanted::Allowed(profile(1)));
        let matching = match protocol {
            Protocol::Api => "/ppp/secret/add",
            Protocol::Rest => "/ppp/secret",
        };
        site.router.faults().refuse(matching, 1, "failure: flash is full");
        let outcomes = site.act(&[ann, bob.clone()]).await;
        assert_eq!(outcomes[0], confirmed(BY_LANGO, 0));
        assert!(failure(&outcomes[1]).contains("flash is full"), "{:?}", outcomes[1]);
        assert_eq!(site.act_one(&bob).await, confirmed(BY_LANGO, 0));
    }
}

#[tokio::test]
async fn a_reply_that_was_lost_is_no_second_user() {
    for protocol in BOTH {
        let mut site = Site::open(protocol).await;
        let ann = voucher(1, "ann", Wanted::Allowed(profile(1)));
        site.router.faults().lose_reply("/ip/hotspot/user/add", 1);
        let broken = site.driver.act(std::slice::from_ref(&ann), site.now()).await;
        assert!(matches!(broken, Err(DriverError::Broken { .. })), "{broken:?}");
        site.reconnect().await;
        assert_eq!(site.act_one(&ann).await, confirmed(BY_LANGO, 0));
        assert_eq!(site.router.matching("/ip/hotspot/user", &[("name", "ann")]).len(), 1);
    }
}

#[tokio::test]
async fn a_router_without_hotspot_is_surveyed_unless_guests_are_expected() {
    let settings = Settings { absent_menus: vec!["/ip/hotspot".into()], ..Settings::default() };
    let mut site = Site::with(Protocol::Api, settings).await;
    let bob = dialled(1, "bob", Wanted::Allowed(profile(1)));
    assert_eq!(site.act_one(&bob).await, confirmed(BY_LANGO, 0));
    assert_eq!(site.differences(&[bob]).await, [] as [&str; 0]);
    let ann = voucher(2, "ann", Wanted::Allowed(profile(1)));
    assert!(site.driver.survey(std::slice::from_ref(&ann), site.now()).await.is_err());
    assert!(failure(&site.act_one(&ann).await).contains("no such command"));
}

#[tokio::test]
async fn a_connection_table_that_will_not_hold_still_is_emptied_on_the_router() {
    let mut site = Site::open(Protocol::Api).await;
    site.fasttrack();
    let ann = voucher(1, "ann", Wanted::Allowed(profile(1)));
    site.act_one(&ann).await;
    let phone = site.phone(1, "ann");
    site.router.open_download(phone.0).unwrap();
    site.router.faults().refuse("/ip/firewall/connection/print", 4, "no such item (4)");
    assert_eq!(site.act_one(&wanting(&ann, Wanted::Cut)).await, confirmed(BY_LANGO, 1));
    assert!(!site.browses(phone.0, phone.1));
    assert_eq!(site.count("/ip/firewall/connection"), 0);
}

#[tokio::test]
async fn objects_of_unknown_grants_are_reported_and_left() {
    let mut site = Site::open(Protocol::Api).await;
    let ann = voucher(1, "ann", Wanted::Allowed(profile(1)));
    site.act_one(&ann).await;
    let survey = site.driver.survey(&[], site.now()).await.unwrap();
    assert_eq!(survey.strangers.len(), 1);
    assert!(survey.strangers[0].why.contains("belongs to no grant"));
    assert_eq!(site.router.matching("/ip/hotspot/user", &[("name", "ann")]).len(), 1);
}
