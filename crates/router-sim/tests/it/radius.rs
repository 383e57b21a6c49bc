//! Guests and clients whom only RADIUS knows: asked about, let in, counted and reported.

use std::collections::HashSet;
use std::time::Duration;

use lango_radius::accounting::{
    Count, INPUT_OCTETS, MIKROTIK_RECV_LIMIT, MIKROTIK_TOTAL_LIMIT, OUTPUT_OCTETS, Status,
    TerminateCause,
};
use lango_radius::{Code, Credentials, Secret, dictionary as field};
use lango_router_sim::{
    Counting, Delivery, Disturbance, MacAddress, RadiusCounters, Reboot, Router, RouterSim,
    Settings, Verdict, Way,
};
use lango_routeros::Protocol;
use tokio::sync::broadcast;

use crate::radius_server::{Heard, SECRET, Server};
use crate::{Site, mac};

/// Long enough for anything on this machine.
const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Isp {
    pub(crate) site: Site,
    pub(crate) server: Server,
    /// The row in `/radius`.
    pub(crate) row: String,
}

impl Isp {
    pub(crate) async fn open() -> Isp {
        Isp::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Isp {
        let (site, server) = (Site::with(settings), Server::open().await);
        let row = use_server(&site.router, &server);
        Isp { site, server, row }
    }

    fn login_by(&self, methods: &str) {
        self.site.router.set("/ip/hotspot/profile", "hsprof1", &[("login-by", methods)]).unwrap();
    }

    pub(crate) async fn dial(&self, number: u8, name: &str) -> bool {
        let router = &self.site.router;
        router.dial(mac(number), name, "pw");
        router
            .wait_for(SOON, |router| {
                router.address_of(mac(number)).is_some() || router.dial_error(mac(number)).is_some()
            })
            .await;
        router.address_of(mac(number)).is_some()
    }

    pub(crate) async fn guest(&self, number: u8, name: &str) {
        self.site.router.join(mac(number));
        self.site.router.sign_in(mac(number), name, "pw").await.unwrap();
    }

    fn proof(&self, heard: &Heard) -> String {
        let secret = Secret::new(SECRET).unwrap();
        let request = heard.packet().verify_request(&secret).unwrap();
        match Credentials::of(&request, &secret).unwrap() {
            Credentials::Password(clear) => {
                format!("password {}", String::from_utf8_lossy(clear.expose()))
            }
            Credentials::Chap(_) => "chap".to_owned(),
            Credentials::MsChap2(_) => "mschap2".to_owned(),
            other => panic!("{other:?}"),
        }
    }
}

fn use_server(router: &RouterSim, server: &Server) -> String {
    let address = server.address().ip().to_string().parse().unwrap();
    let row = router.use_radius(address, server.port, server.port, SECRET).unwrap();
    // Long enough for a busy machine, short enough for a test.
    router.set("/radius", &row, &[("timeout", "300ms")]).unwrap();
    row
}

fn read(heard: &Heard, field: lango_radius::dictionary::Field<lango_radius::format::Text>) -> &str {
    heard.packet().read(field).unwrap_or_default()
}

async fn until(
    events: &mut broadcast::Receiver<lango_router_sim::RadiusEvent>,
    status: Status,
    delivery: Delivery,
) -> lango_router_sim::RadiusEvent {
    let wanted = async {
        loop {
            let event = events.recv().await.unwrap();
            if event.report.status == status && event.delivery == delivery {
                return event;
            }
        }
    };
    tokio::time::timeout(SOON, wanted).await.expect("the event comes in time")
}

#[tokio::test]
async fn a_guest_whom_only_radius_knows_logs_in_by_chap_and_browses() {
    let isp = Isp::open().await;
    isp.server.user("amina", |accept| {
        accept.put(field::SESSION_TIMEOUT, 3_600).unwrap();
        accept.put(field::MIKROTIK_RATE_LIMIT, "512k/2M").unwrap();
        accept.put(field::MIKROTIK_ADDRESS_LIST, "online").unwrap();
        accept.put(field::CLASS, b"\x00token").unwrap();
    });
    let router = &isp.site.router;
    let ip = router.join(mac(1));
    router.sign_in(mac(1), "amina", "pw").await.unwrap();

    let user = "amina".to_owned();
    assert_eq!(
        router.can_browse(mac(1), ip),
        Verdict::Allowed { why: Way::HotspotSession { user } }
    );
    assert_eq!(router.speed_limit(mac(1), ip), Some((512_000, 2_000_000)));
    assert_eq!(router.rows("/ip/firewall/address-list")[0].text("list").unwrap(), "online");
    let active = &router.rows("/ip/hotspot/active")[0];
    assert_eq!(active.text("radius").unwrap(), "true");
    assert_eq!(active.text("session-time-left").unwrap(), "1h");

    let asked = &isp.server.asked()[0];
    assert_eq!(isp.proof(asked), "chap");
    let packet = asked.packet();
    assert_eq!(read(asked, field::CALLING_STATION_ID), "02:4C:00:00:00:01");
    assert_eq!(read(asked, field::CALLED_STATION_ID), "hotspot1");
    assert_eq!(read(asked, field::NAS_IDENTIFIER), "MikroTik");
    assert_eq!(read(asked, field::NAS_PORT_ID), "bridge");
    assert_eq!(packet.read(field::NAS_PORT_TYPE), Some(19));
    assert_eq!(packet.read(field::NAS_IP_ADDRESS), Some([127, 0, 0, 1].into()));
    assert_eq!(packet.read(field::FRAMED_IP_ADDRESS), Some(ip));
    assert_eq!(packet.read(field::MIKROTIK_HOST_IP), Some(ip));
    assert_eq!(packet.read(field::SERVICE_TYPE), None, "the hotspot names no service");
    assert_eq!(read(asked, field::ACCT_SESSION_ID), "80000000");

    let start = isp.server.report(Status::Start).await;
    assert_eq!(read(&start, field::ACCT_SESSION_ID), "80000000");
    assert_eq!(start.packet().read(field::CLASS), Some(&b"\x00token"[..]));
    assert_eq!(start.packet().read(field::EVENT_TIMESTAMP), Some(1_767_348_000));

    isp.site.pass(3_600);
    assert!(!isp.site.browses(mac(1), ip), "Session-Timeout is over");
    let stop = isp.server.report(Status::Stop).await;
    let packet = stop.packet();
    assert_eq!(TerminateCause::of(&packet), Some(TerminateCause::SESSION_TIMEOUT));
    assert_eq!(packet.read(field::ACCT_SESSION_TIME), Some(3_600));
    assert_eq!(packet.read(field::CLASS), Some(&b"\x00token"[..]));
    assert!(router.rows("/queue/simple").is_empty());
}

#[tokio::test]
async fn the_form_of_a_portal_sends_the_password_by_pap() {
    let isp = Isp::open().await;
    isp.server.user_with("amina", "a password longer than sixteen octets");
    isp.site.router.join(mac(1));
    let password = "a password longer than sixteen octets";
    isp.site.router.sign_in_from_portal(mac(1), "amina", password).await.unwrap();
    assert_eq!(isp.proof(&isp.server.asked()[0]), format!("password {password}"));
}

#[tokio::test]
async fn the_page_shows_the_words_of_the_reject() {
    let isp = Isp::open().await;
    isp.server.behave(|manners| manners.refusal = Some("Your voucher has ended.".to_owned()));
    let ip = isp.site.router.join(mac(1));
    let refusal = isp.site.router.sign_in(mac(1), "amina", "pw").await;
    assert_eq!(refusal, Err("Your voucher has ended.".to_owned()));
    assert!(!isp.site.browses(mac(1), ip));
    isp.server.behave(|manners| manners.refusal = None);
    let refusal = isp.site.router.sign_in(mac(1), "amina", "pw").await;
    assert_eq!(refusal, Err("invalid username or password".to_owned()));
    assert_eq!(isp.site.router.radius_counters().rejects, 2);
}

#[tokio::test]
async fn whoever_has_an_entry_of_his_own_is_never_asked_about() {
    let isp = Isp::open().await;
    isp.server.user("amina", |_| ());
    isp.site.user("amina", &[("disabled", "yes")]);
    isp.site.router.add("/ppp/secret", &[("name", "house-7"), ("disabled", "yes")]).unwrap();
    isp.site.router.join(mac(1));
    let refusal = isp.site.router.sign_in(mac(1), "amina", "pw").await;
    assert_eq!(refusal, Err("invalid username or password".to_owned()));
    assert!(!isp.dial(7, "house-7").await);
    assert!(isp.server.heard().is_empty());
    isp.site.router.remove("/ip/hotspot/user", "amina").unwrap();
    isp.site.router.sign_in(mac(1), "amina", "pw").await.unwrap();
}

#[tokio::test]
async fn who_does_not_wait_is_told_to_and_finds_himself_inside() {
    let isp = Isp::open().await;
    isp.server.user("amina", |_| ());
    let router = &isp.site.router;
    let ip = router.join(mac(1));
    let told = Err("already authorizing, retry later".to_owned());
    assert_eq!(router.login(mac(1), "amina", "pw"), told);
    assert_eq!(router.login(mac(1), "amina", "pw"), told, "one question at a time");
    assert!(router.wait_for(SOON, |router| router.can_browse(mac(1), ip).is_allowed()).await);
    assert_eq!(isp.server.asked().len(), 1);
}

#[tokio::test]
async fn the_administrators_login_command_asks_radius_too() {
    let isp = Isp::open().await;
    isp.server.user("amina", |_| ());
    let router = &isp.site.router;
    let ip = router.join(mac(1));
    let values = [("user", "amina"), ("password", "pw"), ("ip", &ip.to_string())];
    router.run("/ip/hotspot/active/login", &values).unwrap();
    assert!(router.wait_for(SOON, |router| router.can_browse(mac(1), ip).is_allowed()).await);
    assert_eq!(router.rows("/ip/hotspot/active")[0].text("login-by").unwrap(), "admin");
}

#[tokio::test]
async fn a_machine_logs_in_by_its_hardware_address_in_the_wanted_form() {
    let isp = Isp::open().await;
    let router = &isp.site.router;
    let values = [
        ("login-by", "mac"),
        ("radius-mac-format", "XXXXXXXXXXXX"),
        ("mac-auth-mode", "mac-as-username-and-password"),
        ("nas-port-type", "ethernet"),
    ];
    router.set("/ip/hotspot/profile", "hsprof1", &values).unwrap();
    isp.server.user_with("024C00000001", "024C00000001");
    let ip = router.join(mac(1));
    assert!(router.wait_for(SOON, |router| router.can_browse(mac(1), ip).is_allowed()).await);
    let asked = &isp.server.asked()[0];
    assert_eq!(isp.proof(asked), "password 024C00000001");
    assert_eq!(read(asked, field::CALLING_STATION_ID), "024C00000001");
    assert_eq!(asked.packet().read(field::NAS_PORT_TYPE), Some(15));

    // Nobody knows the second machine: it is asked about once for as long as its host row lives.
    let stranger = router.join(mac(2));
    assert!(router.wait_for(SOON, |router| router.radius_counters().rejects == 1).await);
    router.surf(mac(2), 1);
    assert!(!router.can_browse(mac(2), stranger).is_allowed());
    assert_eq!(isp.server.asked().len(), 2);
}

#[tokio::test]
async fn a_mac_cookie_asks_again_and_dies_of_a_reject() {
    let isp = Isp::open().await;
    isp.server.user("amina", |_| ());
    let router = &isp.site.router;
    isp.guest(1, "amina").await;
    router.clear_browser(mac(1));
    router.leave(mac(1));
    isp.site.pass(600);
    let stop = isp.server.report(Status::Stop).await;
    assert_eq!(TerminateCause::of(&stop.packet()), Some(TerminateCause::LOST_CARRIER));

    let ip = router.join(mac(1));
    assert!(router.wait_for(SOON, |router| router.can_browse(mac(1), ip).is_allowed()).await);
    assert_eq!(router.rows("/ip/hotspot/active")[0].text("login-by").unwrap(), "mac-cookie");

    router.leave(mac(1));
    isp.site.pass(600);
    isp.server.user_with("amina", "another password");
    router.join(mac(1));
    assert!(
        router.wait_for(SOON, |router| router.rows("/ip/hotspot/cookie").is_empty()).await,
        "a cookie that was refused is thrown away"
    );
    assert!(isp.site.active().is_empty());
}

#[tokio::test]
async fn a_client_dials_by_mschap2_and_gets_what_radius_gives() {
    let isp = Isp::open().await;
    isp.site
        .router
        .add("/ip/pool", &[("name", "gold"), ("ranges", "10.77.0.2-10.77.0.9")])
        .unwrap();
    isp.server.user("house-7", |accept| {
        accept.put(field::FRAMED_POOL, "gold").unwrap();
        accept.put(field::MIKROTIK_RATE_LIMIT, "5M/20M").unwrap();
    });
    isp.server.user("house-8", |accept| {
        accept.put(field::FRAMED_IP_ADDRESS, [10, 88, 0, 8].into()).unwrap();
        accept.put(field::FRAMED_POOL, "gold").unwrap();
    });
    assert!(isp.dial(7, "house-7").await && isp.dial(8, "house-8").await);
    let router = &isp.site.router;
    let ip = router.address_of(mac(7)).unwrap();
    assert_eq!(ip.to_string(), "10.77.0.2");
    assert_eq!(router.address_of(mac(8)).unwrap().to_string(), "10.88.0.8");
    assert_eq!(router.speed_limit(mac(7), ip), Some((5_000_000, 20_000_000)));
    assert!(isp.site.browses(mac(7), ip));

    let asked = &isp.server.asked()[0];
    assert_eq!(isp.proof(asked), "mschap2");
    let packet = asked.packet();
    assert_eq!(packet.read(field::SERVICE_TYPE), Some(2));
    assert_eq!(packet.read(field::FRAMED_PROTOCOL), Some(1));
    assert_eq!(packet.read(field::NAS_PORT_TYPE), Some(15));
    assert_eq!(packet.read(field::FRAMED_IP_ADDRESS), None, "it has none yet");
    assert_eq!(read(asked, field::CALLED_STATION_ID), "pppoe");
    let start = isp.server.report(Status::Start).await;
    assert_eq!(start.packet().read(field::FRAMED_IP_ADDRESS), Some(ip));
    let row = &router.matching("/ppp/active", &[("name", "house-7")])[0];
    let id = read(&start, field::ACCT_SESSION_ID).to_uppercase();
    assert_eq!(row.text("session-id").unwrap(), format!("0x{id}"));
    assert_eq!(row.text("radius").unwrap(), "true");

    router.hang_up(mac(7));
    let stop = isp.server.report(Status::Stop).await;
    assert_eq!(TerminateCause::of(&stop.packet()), Some(TerminateCause::USER_REQUEST));
}

#[tokio::test]
async fn a_client_hangs_up_on_a_server_that_does_not_prove_itself() {
    let isp = Isp::open().await;
    isp.server.user("house-7", |_| ());
    isp.server.behave(|manners| manners.proves = false);
    assert!(!isp.dial(7, "house-7").await);
    assert_eq!(isp.site.router.dial_error(mac(7)).unwrap(), "peer is not authenticated");
    isp.server.behave(|manners| manners.proves = true);
    isp.site.pass(3);
    let router = &isp.site.router;
    assert!(router.wait_for(SOON, |router| router.address_of(mac(7)).is_some()).await);
    assert_eq!(isp.server.reports_of(Status::Start, 1).await.len(), 1);
}

#[tokio::test]
async fn a_refused_client_reads_why_and_dials_again_every_three_seconds() {
    let isp = Isp::open().await;
    isp.server.behave(|manners| manners.refusal = Some("Please pay.".to_owned()));
    assert!(!isp.dial(7, "house-7").await);
    assert_eq!(isp.site.router.dial_error(mac(7)).unwrap(), "Please pay.");
    isp.server.user("house-7", |_| ());
    assert_eq!(isp.server.asked().len(), 1);
    isp.site.pass(3);
    let router = &isp.site.router;
    assert!(router.wait_for(SOON, |router| router.address_of(mac(7)).is_some()).await);
}

#[tokio::test]
async fn silence_turns_to_the_next_server_and_a_reject_does_not() {
    let isp = Isp::open().await;
    let second = Server::open().await;
    second.user("amina", |_| ());
    use_server(&isp.site.router, &second);
    isp.site.router.join(mac(1));
    assert!(isp.site.router.sign_in(mac(1), "amina", "pw").await.is_err());
    assert!(second.heard().is_empty(), "a Reject is final");

    isp.server.behave(|manners| manners.deaf_for = usize::MAX);
    isp.site.router.set("/radius", &isp.row, &[("timeout", "30ms")]).unwrap();
    isp.site.router.sign_in(mac(1), "amina", "pw").await.unwrap();
    second.report(Status::Start).await;
    let asked = isp.server.asked();
    assert_eq!(asked.len(), 1 + 4, "once and three times again");
    assert!(asked[2..].iter().all(|again| again.octets == asked[1].octets));
    assert!(asked[2..].iter().all(|again| again.from == asked[1].from));
    let monitor = isp.site.router.run("/radius/monitor", &[(".id", &isp.row), ("once", "")]);
    let row = &monitor.unwrap().0[0];
    assert_eq!(row.text("rejects").unwrap(), "1");
    assert!(row.text("timeouts").unwrap().parse::<u32>().unwrap() >= 1);
}

#[tokio::test]
async fn when_every_server_is_silent_the_page_says_so() {
    let isp = Isp::open().await;
    isp.site.router.set("/radius", &isp.row, &[("timeout", "20ms")]).unwrap();
    isp.site.router.faults().silence_radius(true);
    isp.site.router.join(mac(1));
    let refusal = isp.site.router.sign_in(mac(1), "amina", "pw").await;
    assert_eq!(refusal, Err("RADIUS server is not responding".to_owned()));
    let counters = isp.site.router.radius_counters();
    assert_eq!((counters.requests, counters.resends, counters.timeouts), (1, 3, 1));
    assert_eq!(counters.pending, 0);
    assert!(isp.server.heard().is_empty());
}

#[tokio::test]
async fn a_reply_without_message_authenticator_is_thrown_away_unless_told_otherwise() {
    let isp = Isp::open().await;
    isp.server.user("amina", |_| ());
    isp.server.behave(|manners| manners.signs = false);
    let router = &isp.site.router;
    router.set("/radius", &isp.row, &[("timeout", "100ms")]).unwrap();
    let ip = router.join(mac(1));
    let refusal = router.sign_in(mac(1), "amina", "pw").await;
    assert_eq!(refusal, Err("RADIUS server is not responding".to_owned()));
    assert!(!isp.site.browses(mac(1), ip));
    assert_eq!(router.radius_counters().bad_replies, 4);
    let has_signature =
        |heard: &Heard| heard.packet().first(field::MESSAGE_AUTHENTICATOR.id()).is_some();
    assert!(isp.server.asked().iter().all(has_signature));

    router.set("/radius", &isp.row, &[("require-message-auth", "no")]).unwrap();
    router.sign_in(mac(1), "amina", "pw").await.unwrap();
}

#[tokio::test]
async fn an_old_release_neither_signs_nor_asks_for_it() {
    let isp =
        Isp::with(Settings { version: "6.48.6 (stable)".into(), ..Settings::default() }).await;
    isp.server.user("amina", |_| ());
    isp.server.behave(|manners| manners.signs = false);
    isp.guest(1, "amina").await;
    let asked = &isp.server.asked()[0];
    assert_eq!(asked.packet().first(field::MESSAGE_AUTHENTICATOR.id()), None);
}

#[tokio::test]
async fn a_wrong_secret_shows_as_bad_replies() {
    let isp = Isp::open().await;
    isp.server.user("house-7", |_| ());
    let values = [("secret", "another secret altogether"), ("timeout", "50ms")];
    isp.site.router.set("/radius", &isp.row, &values).unwrap();
    isp.site.router.set("/radius", &isp.row, &[("require-message-auth", "no")]).unwrap();
    assert!(!isp.dial(7, "house-7").await);
    assert_eq!(
        isp.site.router.dial_error(mac(7)).unwrap(),
        "user authentication failed - radius timeout"
    );
    assert_eq!(isp.site.router.radius_counters().bad_replies, 4);
}

#[tokio::test]
async fn a_report_that_is_lost_is_sent_again_unchanged_until_it_is_acknowledged() {
    let isp = Isp::open().await;
    isp.server.user("amina", |_| ());
    let mut events = isp.site.router.radius_events();
    isp.guest(1, "amina").await;
    until(&mut events, Status::Start, Delivery::Acknowledged).await;
    isp.server.behave(|manners| manners.deaf_for = 2);
    isp.site.router.set("/radius", &isp.row, &[("timeout", "50ms")]).unwrap();
    isp.site.router.press_logout(mac(1));
    let event = until(&mut events, Status::Stop, Delivery::Sent { attempt: 3 }).await;
    assert_eq!((event.report.user.as_str(), event.at_micros), ("amina", crate::START));
    until(&mut events, Status::Stop, Delivery::Acknowledged).await;
    let stops = isp.server.reports_of(Status::Stop, 3).await;
    assert_eq!(stops.len(), 3);
    assert!(stops.iter().all(|stop| stop.octets == stops[0].octets));
    assert_eq!(TerminateCause::of(&stops[0].packet()), Some(TerminateCause::USER_REQUEST));

    isp.guest(1, "amina").await;
    isp.site.router.faults().silence_radius(true);
    isp.site.router.press_logout(mac(1));
    let event = until(&mut events, Status::Stop, Delivery::GivenUp).await;
    assert_eq!(event.report.cause, Some(TerminateCause::USER_REQUEST));
}

#[tokio::test]
async fn interims_come_at_the_interval_that_radius_gave_and_count_past_four_gigabytes() {
    let isp = Isp::open().await;
    isp.server.user("house-7", |accept| {
        accept.put(field::ACCT_INTERIM_INTERVAL, 300).unwrap();
    });
    assert!(isp.dial(7, "house-7").await);
    isp.site.router.keep_busy(mac(7), 1_000, 20_000_000);
    isp.site.pass(299);
    isp.site.router.tick();
    isp.site.pass(1);
    isp.site.router.tick();
    let interim = isp.server.report(Status::Interim).await;
    let packet = interim.packet();
    assert_eq!(packet.read(field::ACCT_SESSION_TIME), Some(300));
    assert_eq!(OUTPUT_OCTETS.read(&packet), Some(Count::Whole(6_000_000_000)));
    assert_eq!(packet.read(field::ACCT_OUTPUT_GIGAWORDS), Some(1));
    assert_eq!(packet.read(field::ACCT_OUTPUT_OCTETS), Some(6_000_000_000_u64 as u32));
    assert_eq!(INPUT_OCTETS.read(&packet), Some(Count::Whole(300_000)));
    isp.site.pass(900);
    isp.site.router.tick();
    let interims = isp.server.reports_of(Status::Interim, 4).await;
    let seconds = interims.iter().map(|it| it.packet().read(field::ACCT_SESSION_TIME).unwrap());
    assert_eq!(seconds.collect::<Vec<_>>(), [300, 600, 900, 1_200]);
    let instants = interims.iter().map(|it| it.packet().read(field::EVENT_TIMESTAMP).unwrap());
    assert!(instants.eq([300, 600, 900, 1_200].map(|after| 1_767_348_000 + after)));
}

#[tokio::test]
async fn the_profile_may_fix_the_interval_or_want_no_reports() {
    let isp = Isp::open().await;
    isp.server.user("amina", |accept| accept.put(field::ACCT_INTERIM_INTERVAL, 60).unwrap());
    let router = &isp.site.router;
    router.set("/ip/hotspot/profile", "hsprof1", &[("radius-interim-update", "10m")]).unwrap();
    isp.guest(1, "amina").await;
    isp.site.pass(600);
    router.tick();
    let interim = isp.server.report(Status::Interim).await;
    assert_eq!(interim.packet().read(field::ACCT_SESSION_TIME), Some(600));
    router.press_logout(mac(1));
    isp.server.report(Status::Stop).await;
    let reports = isp.server.reports().len();
    assert_eq!(reports, 3);
    router.set("/ip/hotspot/profile", "hsprof1", &[("radius-accounting", "no")]).unwrap();
    isp.guest(1, "amina").await;
    router.press_logout(mac(1));
    isp.guest(1, "amina").await;
    assert_eq!(isp.server.reports().len(), reports);
}

#[tokio::test]
async fn a_limit_of_six_gigabytes_is_reached_at_six_gigabytes() {
    let isp = Isp::open().await;
    isp.server.user("amina", |accept| {
        MIKROTIK_TOTAL_LIMIT.put(accept, 6_000_000_000).unwrap();
    });
    isp.guest(1, "amina").await;
    isp.site.router.keep_busy(mac(1), 0, 10_000_000);
    isp.site.pass(599);
    assert_eq!(isp.site.active(), ["amina"]);
    isp.site.pass(1);
    assert!(isp.site.active().is_empty());
    let stop = isp.server.report(Status::Stop).await;
    let packet = stop.packet();
    assert_eq!(TerminateCause::of(&packet), Some(TerminateCause::NAS_REQUEST));
    assert_eq!(OUTPUT_OCTETS.read(&packet), Some(Count::Whole(6_000_000_000)));
}

#[tokio::test]
async fn a_quiet_client_meets_its_idle_timeout() {
    let isp = Isp::open().await;
    isp.server.user("house-7", |accept| accept.put(field::IDLE_TIMEOUT, 120).unwrap());
    assert!(isp.dial(7, "house-7").await);
    isp.site.router.keep_busy(mac(7), 1, 1);
    isp.site.pass(600);
    assert_eq!(isp.site.router.rows("/ppp/active").len(), 1);
    isp.site.router.keep_busy(mac(7), 0, 0);
    isp.site.pass(119);
    assert_eq!(isp.site.router.rows("/ppp/active").len(), 1);
    isp.site.pass(1);
    isp.site.router.tick();
    let stop = isp.server.report(Status::Stop).await;
    assert_eq!(TerminateCause::of(&stop.packet()), Some(TerminateCause::IDLE_TIMEOUT));
}

#[tokio::test]
async fn port_limit_says_how_many_devices_may_share() {
    let isp = Isp::open().await;
    isp.server.user("amina", |accept| accept.put(field::PORT_LIMIT, 2).unwrap());
    isp.guest(1, "amina").await;
    isp.guest(2, "amina").await;
    isp.site.router.join(mac(3));
    assert_eq!(
        isp.site.router.sign_in(mac(3), "amina", "pw").await,
        Err("no more sessions are allowed for user amina".to_owned())
    );
}

#[tokio::test]
async fn a_group_is_a_user_profile() {
    let isp = Isp::open().await;
    let profile = [("name", "fast"), ("rate-limit", "10M/50M"), ("session-timeout", "2h")];
    isp.site.router.add("/ip/hotspot/user/profile", &profile).unwrap();
    isp.server.user("amina", |accept| {
        accept.put(field::MIKROTIK_GROUP, "fast").unwrap();
        accept.put(field::SESSION_TIMEOUT, 60).unwrap();
    });
    isp.guest(1, "amina").await;
    let ip = isp.site.router.address_of(mac(1)).unwrap();
    assert_eq!(isp.site.router.speed_limit(mac(1), ip), Some((10_000_000, 50_000_000)));
    let active = &isp.site.router.rows("/ip/hotspot/active")[0];
    assert_eq!(active.text("session-time-left").unwrap(), "1m", "what RADIUS says wins");
}

#[tokio::test]
async fn a_power_cut_leaves_no_stop_and_ids_of_a_new_start() {
    let isp = Isp::open().await;
    isp.server.user("house-7", |_| ());
    isp.site.router.announce_by_accounting(true);
    assert!(isp.dial(7, "house-7").await);
    let start = isp.server.report(Status::Start).await;
    isp.site.router.reboot(Reboot { ntp_after: None });
    assert!(isp.site.router.rows("/ppp/active").is_empty());
    isp.site.pass(5);
    let router = &isp.site.router;
    assert!(router.wait_for(SOON, |router| router.address_of(mac(7)).is_some()).await);
    let on = isp.server.report(Status::On).await;
    assert_eq!(read(&on, field::NAS_IDENTIFIER), "MikroTik");
    let timestamp = on.packet().read(field::EVENT_TIMESTAMP).unwrap();
    assert!(timestamp < 2 * 86_400, "its clock stands in 1970: {timestamp}");
    let starts = isp.server.reports_of(Status::Start, 2).await;
    assert_eq!(read(&start, field::ACCT_SESSION_ID), "81000000");
    assert_eq!(read(&starts[1], field::ACCT_SESSION_ID), "81100000");
    let stops = isp.server.reports().iter().filter(|it| it.status() == Some(Status::Stop)).count();
    assert_eq!(stops, 0);
}

#[tokio::test]
async fn an_orderly_reboot_reports_every_session_first() {
    let isp = Isp::open().await;
    isp.server.user("amina", |_| ());
    isp.site.router.announce_by_accounting(true);
    isp.guest(1, "amina").await;
    isp.site.router.reboot_in_order(Reboot { ntp_after: None });
    let stop = isp.server.report(Status::Stop).await;
    assert_eq!(TerminateCause::of(&stop.packet()), Some(TerminateCause::NAS_REBOOT));
    isp.server.report(Status::Off).await;
}

#[tokio::test]
async fn nothing_is_lost_or_counted_twice_on_a_bad_line() {
    let isp = Isp::open().await;
    let router = &isp.site.router;
    for number in 1..=20 {
        isp.server.user(&format!("house-{number}"), |_| ());
    }
    router.set("/radius", &isp.row, &[("timeout", "100ms")]).unwrap();
    router.faults().disturb_radius(Disturbance {
        seed: 7,
        lost: 10,
        duplicated: 20,
        delayed: 30,
        longest_delay: Duration::from_millis(30),
    });
    for number in 1..=20 {
        router.dial(mac(number), &format!("house-{number}"), "pw");
    }
    let everybody = |router: &lango_router_sim::Router| router.rows("/ppp/active").len() == 20;
    for _ in 0..20 {
        if router.wait_for(Duration::from_secs(1), everybody).await {
            break;
        }
        isp.site.pass(3);
    }
    assert!(everybody(router));
    let counters = router.radius_counters();
    assert!(counters.resends > 0, "{counters:?}");
    let mut asked: Vec<Vec<u8>> = isp.server.asked().into_iter().map(|it| it.octets).collect();
    let heard = asked.len();
    asked.sort();
    asked.dedup();
    assert!(asked.len() < heard, "some came twice");
}

#[tokio::test]
async fn a_lost_request_and_a_lost_reply_look_the_same_to_the_router() {
    let isp = Isp::open().await;
    isp.server.user("amina", |_| ());
    isp.login_by("http-chap");
    let router = &isp.site.router;
    router.set("/radius", &isp.row, &[("timeout", "100ms")]).unwrap();
    router.faults().lose_radius_sent(1);
    isp.guest(1, "amina").await;
    assert_eq!(isp.server.asked().len(), 1, "the first never arrived");
    isp.server.report(Status::Start).await;
    assert!(router.wait_for(SOON, |router| router.radius_counters().pending == 0).await);
    router.press_logout(mac(1));
    isp.server.report(Status::Stop).await;
    assert!(router.wait_for(SOON, |router| router.radius_counters().pending == 0).await);
    let before = router.radius_counters().resends;
    router.faults().lose_radius_received(1);
    isp.guest(1, "amina").await;
    let asked = isp.server.asked();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[1].octets, asked[2].octets);
    assert!(router.radius_counters().resends > before);
}

#[tokio::test]
async fn more_clients_than_identifiers_all_get_in() {
    let isp = Isp::open().await;
    let router = &isp.site.router;
    isp.server.user("everybody", |_| ());
    router.set("/radius", &isp.row, &[("timeout", "5s")]).unwrap();
    let number = |it: u16| MacAddress([0x02, 0x4C, 0, 1, (it >> 8) as u8, it as u8]);
    for it in 0..400 {
        router.dial(number(it), "everybody", "pw");
    }
    let all = |router: &Router| router.rows("/ppp/active").len() == 400;
    assert!(router.wait_for(SOON * 3, all).await);
    let ports: HashSet<u16> = isp.server.asked().iter().map(|it| it.from.port()).collect();
    assert_eq!(ports.len(), 1, "one port, 256 identifiers, each used again");
}

#[tokio::test]
async fn a_report_that_changes_servers_says_how_late_it_is() {
    let isp = Isp::open().await;
    isp.server.user("amina", |_| ());
    let second = Server::open().await;
    let row = use_server(&isp.site.router, &second);
    isp.guest(1, "amina").await;
    isp.server.report(Status::Start).await;
    isp.site.router.set("/radius", &isp.row, &[("timeout", "50ms")]).unwrap();
    isp.site.router.set("/radius", &row, &[("timeout", "50ms")]).unwrap();
    isp.server.behave(|manners| manners.deaf_for = usize::MAX);
    isp.site.router.press_logout(mac(1));
    isp.server.report(Status::Stop).await;
    isp.site.pass(9);
    let stop = second.report(Status::Stop).await;
    let packet = stop.packet();
    assert_eq!(packet.read(field::ACCT_DELAY_TIME), Some(9));
    assert_eq!(packet.read(field::EVENT_TIMESTAMP), Some(1_767_348_000));
    assert!(
        isp.server
            .reports_of(Status::Stop, 4)
            .await
            .iter()
            .all(|stop| stop.packet().read(field::ACCT_DELAY_TIME) == Some(0)),
        "what is sent again says what it said"
    );
}

#[tokio::test]
async fn a_browsers_cookie_asks_radius_again() {
    let isp = Isp::open().await;
    isp.server.user("amina", |_| ());
    let router = &isp.site.router;
    isp.login_by("cookie,http-chap");
    isp.guest(1, "amina").await;
    router.keep_busy(mac(1), 0, 1_000);
    let id = router.rows("/ip/hotspot/active")[0].text(".id").unwrap().into_owned();
    router.remove("/ip/hotspot/active", &id).unwrap();
    assert!(isp.site.active().is_empty());
    isp.site.pass(2);
    let back = |router: &Router| !router.rows("/ip/hotspot/active").is_empty();
    assert!(router.wait_for(SOON, back).await);
    assert_eq!(router.rows("/ip/hotspot/active")[0].text("login-by").unwrap(), "cookie");
    assert_eq!(isp.proof(&isp.server.asked()[1]), "chap");
}

#[tokio::test]
async fn a_framed_address_is_what_the_hotspot_translates_to() {
    let isp = Isp::open().await;
    isp.server.user("amina", |accept| {
        accept.put(field::FRAMED_IP_ADDRESS, [10, 99, 0, 1].into()).unwrap();
    });
    isp.guest(1, "amina").await;
    let start = isp.server.report(Status::Start).await;
    assert_eq!(start.packet().read(field::FRAMED_IP_ADDRESS), Some([10, 99, 0, 1].into()));
    let own = isp.site.router.address_of(mac(1)).unwrap();
    assert_eq!(start.packet().read(field::MIKROTIK_HOST_IP), Some(own));
    let host = &isp.site.router.rows("/ip/hotspot/host")[0];
    assert_eq!(host.text("to-address").unwrap(), "10.99.0.1");
    isp.site.router.press_logout(mac(1));
    let host = &isp.site.router.rows("/ip/hotspot/host")[0];
    assert_eq!(host.text("to-address").unwrap(), own.to_string());
}

#[tokio::test]
async fn who_waits_while_the_router_reboots_is_told() {
    let isp = Isp::open().await;
    isp.server.behave(|manners| manners.deaf_for = usize::MAX);
    isp.site.router.join(mac(1));
    let router = isp.site.router.router().clone();
    let waits = tokio::spawn(async move { router.sign_in(mac(1), "amina", "pw").await });
    assert!(isp.site.router.wait_for(SOON, |router| router.radius_counters().pending == 1).await);
    isp.site.router.reboot(Reboot { ntp_after: None });
    assert_eq!(waits.await.unwrap(), Err("the router has rebooted".to_owned()));
    assert_eq!(isp.site.router.radius_counters(), RadiusCounters::default());
}

#[tokio::test]
async fn some_makes_count_the_other_way_round_and_only_to_four_gigabytes() {
    let isp = Isp::open().await;
    isp.server.user("house-7", |_| ());
    let odd = Counting { swapped: true, without_gigawords: true };
    isp.site.router.faults().count_radius(odd);
    assert!(isp.dial(7, "house-7").await);
    isp.site.router.transfer(mac(7), 17, 5_000_000_000);
    isp.site.router.hang_up(mac(7));
    let stop = isp.server.report(Status::Stop).await;
    assert_eq!(INPUT_OCTETS.read(&stop.packet()), Some(Count::Modulo32(705_032_704)));
    assert_eq!(OUTPUT_OCTETS.read(&stop.packet()), Some(Count::Modulo32(17)));
}

#[tokio::test]
async fn a_clients_upload_limit_list_and_profile_count() {
    let isp = Isp::open().await;
    let router = &isp.site.router;
    router.set("/ppp/aaa", "", &[("interim-update", "10m")]).unwrap();
    let profile = [("name", "gold"), ("rate-limit", "2M/8M"), ("remote-address", "10.66.0.6")];
    router.add("/ppp/profile", &profile).unwrap();
    isp.server.user("house-7", |accept| {
        accept.put(field::MIKROTIK_GROUP, "gold").unwrap();
        accept.put(field::MIKROTIK_ADDRESS_LIST, "paid").unwrap();
        MIKROTIK_RECV_LIMIT.put(accept, 5_000_000_000).unwrap();
    });
    assert!(isp.dial(7, "house-7").await);
    let ip = router.address_of(mac(7)).unwrap();
    assert_eq!(ip.to_string(), "10.66.0.6");
    assert_eq!(router.speed_limit(mac(7), ip), Some((2_000_000, 8_000_000)));
    let listed = router.matching("/ip/firewall/address-list", &[("list", "paid")]);
    assert_eq!(listed[0].text("address").unwrap(), "10.66.0.6");
    router.keep_busy(mac(7), 5_000_000, 50_000_000);
    isp.site.pass(999);
    assert_eq!(router.address_of(mac(7)), Some(ip), "only what the client sends counts");
    isp.site.pass(1);
    assert_eq!(router.address_of(mac(7)), None);
    let stop = isp.server.report(Status::Stop).await;
    assert_eq!(TerminateCause::of(&stop.packet()), Some(TerminateCause::NAS_REQUEST));
    assert_eq!(INPUT_OCTETS.read(&stop.packet()), Some(Count::Whole(5_000_000_000)));
    let interim = isp.server.report(Status::Interim).await;
    assert_eq!(interim.packet().read(field::ACCT_SESSION_TIME), Some(600));
}

#[tokio::test]
async fn a_client_that_loses_power_is_a_lost_carrier() {
    let isp = Isp::open().await;
    isp.server.user("house-7", |_| ());
    assert!(isp.dial(7, "house-7").await);
    isp.site.router.vanish(mac(7));
    isp.site.pass(20);
    isp.site.router.tick();
    let stop = isp.server.report(Status::Stop).await;
    assert_eq!(TerminateCause::of(&stop.packet()), Some(TerminateCause::LOST_CARRIER));
    assert_eq!(stop.packet().read(field::ACCT_SESSION_TIME), Some(20));
}

#[tokio::test]
async fn a_called_id_picks_the_server_and_a_disabled_one_is_skipped() {
    let isp = Isp::open().await;
    isp.server.user("house-7", |_| ());
    isp.site.router.set("/radius", &isp.row, &[("called-id", "elsewhere")]).unwrap();
    assert!(!isp.dial(7, "house-7").await);
    assert!(isp.server.heard().is_empty());
    isp.site.router.set("/radius", &isp.row, &[("called-id", "pppoe")]).unwrap();
    isp.site.pass(3);
    let router = &isp.site.router;
    assert!(router.wait_for(SOON, |router| router.address_of(mac(7)).is_some()).await);
    isp.site.router.set("/radius", &isp.row, &[("disabled", "yes")]).unwrap();
    assert!(!isp.dial(8, "house-7").await);
    assert_eq!(isp.server.of_code(Code::AccessRequest), 1);
}

#[tokio::test]
async fn routers_on_one_machine_are_told_apart_by_their_addresses() {
    let isp = Isp::with(Settings { address: [127, 0, 0, 9].into(), ..Settings::default() }).await;
    isp.server.user("amina", |_| ());
    isp.guest(1, "amina").await;
    let asked = &isp.server.asked()[0];
    assert_eq!(asked.from.ip().to_string(), "127.0.0.9");
    assert_eq!(asked.packet().read(field::NAS_IP_ADDRESS), Some([127, 0, 0, 9].into()));
}

#[tokio::test]
async fn the_counters_are_read_over_the_api() {
    let isp = Isp::open().await;
    isp.server.user("amina", |_| ());
    isp.login_by("http-pap");
    isp.guest(1, "amina").await;
    isp.server.report(Status::Start).await;
    let router = &isp.site.router;
    assert!(router.wait_for(SOON, |router| router.radius_counters().accepts == 2).await);
    for protocol in [Protocol::Api, Protocol::Rest] {
        let client = isp.site.connect(protocol).await.unwrap();
        let attributes = [(".id", isp.row.as_str()), ("once", "")];
        let reply = client.run("/radius/monitor", &attributes).await.unwrap();
        assert_eq!(reply.rows[0].text("accepts").unwrap(), "2", "{protocol:?}");
        assert_eq!(reply.rows[0].text("bad-replies").unwrap(), "0", "{protocol:?}");
    }
    router.run("/radius/reset-counters", &[(".id", &isp.row)]).unwrap();
    assert_eq!(router.radius_counters(), RadiusCounters::default());
}

#[tokio::test]
async fn a_power_cut_loses_the_report_that_nobody_has_acknowledged() {
    let isp = Isp::open().await;
    isp.server.user("amina", |_| ());
    let router = &isp.site.router;
    let mut events = router.radius_events();
    isp.guest(1, "amina").await;
    until(&mut events, Status::Start, Delivery::Acknowledged).await;
    router.set("/radius", &isp.row, &[("timeout", "100ms")]).unwrap();
    isp.server.behave(|manners| manners.deaf_for = usize::MAX);
    router.press_logout(mac(1));
    until(&mut events, Status::Stop, Delivery::Sent { attempt: 1 }).await;
    let lost = isp.server.report(Status::Stop).await;
    router.reboot(Reboot { ntp_after: None });

    isp.server.behave(|manners| manners.deaf_for = 0);
    isp.guest(2, "amina").await;
    until(&mut events, Status::Start, Delivery::Acknowledged).await;
    isp.server.behave(|manners| manners.deaf_for = usize::MAX);
    router.press_logout(mac(2));
    // It takes as long to give this one up as it would have taken the other.
    until(&mut events, Status::Stop, Delivery::GivenUp).await;
    let stops = isp.server.reports_of(Status::Stop, 5).await;
    assert_eq!(stops.iter().filter(|stop| stop.octets == lost.octets).count(), 1);
}
