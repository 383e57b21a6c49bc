//! A phone that nobody told anything finds the portal, is let in, and is told so: DHCP, probes, the
//! router's pages and the Captive Portal API.

use crate::harness::{By, Engine, Harness, browses, mac, stories};
use lango_domain::ids::RouterId;
use lango_domain::mac_address::MacAddress;
use lango_domain::plan::Terms;
use lango_domain::time::Span;
use lango_router_sim::{Fetched, Router, Settings, Way};
use lango_server::config::public_url::PublicUrl;
use lango_server::enforcement::routeros::setup::pages;
use lango_server::enforcement::routeros::setup::portal::PortalSetup;
use lango_server::operations::admit_device::{Admission, AdmissionState, want_admission};
use lango_server::portal_address::{PAGES, PortalAddress};
use lango_server::reconcile::supervisor::Boards;
use lango_server::web;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

stories!(
    a_phone_finds_the_portal_and_is_let_in,
    a_device_is_told_how_it_stands_and_no_other_is,
    a_probe_that_reaches_us_is_sent_to_the_portal,
);

const PUBLIC: &str = "https://wifi.example.com";

fn address_of(t: &Harness, name: &str) -> PortalAddress {
    let public: PublicUrl = PUBLIC.parse().unwrap();
    t.app.is_reached_at(public.clone());
    PortalAddress::of(&public, t.router_id(name))
}

/// What the operator pastes, and the router fetches.
fn lead_to_portal(router: &Router, ours: &PortalAddress) {
    // As the setup of the router itself leaves it.
    let profile = router.rows("/ip/hotspot")[0].text("profile").unwrap().into_owned();
    let login_by = [("login-by", "http-chap,http-pap,mac-cookie"), ("name", "lango")];
    router.set("/ip/hotspot/profile", &profile, &login_by).unwrap();
    let server = router.rows("/ip/hotspot")[0].text(".id").unwrap().into_owned();
    router.set("/ip/hotspot", &server, &[("profile", "lango")]).unwrap();
    let network = [("address", "10.5.0.0/16"), ("comment", "lango:dhcp network")];
    router.add("/ip/dhcp-server/network", &network).unwrap();
    for page in PAGES {
        router.publish(&ours.page(page), &pages::text(page, ours).unwrap());
    }
    let setup = PortalSetup { ours: ours.clone(), allowed: Vec::new() };
    for line in setup.plan() {
        for pasted in router.paste(&line.command) {
            assert!(pasted.outcome.is_ok(), "{pasted:?}");
        }
    }
}

async fn a_phone_finds_the_portal_and_is_let_in(engine: Engine) {
    for (by, version) in [(By::Api, "7.24.4 (stable)"), (By::Api, "6.49.19 (stable)")] {
        let mut t = Harness::on(engine).await;
        let make = Settings { version: version.to_owned(), ..Settings::default() };
        let router = t.router_running("Lobby", by, make).await;
        let (here, ours) = (t.router_id("Lobby"), address_of(&t, "Lobby"));
        lead_to_portal(&router, &ours);
        t.plan("Hour", Terms::hotspot(Span::hours(1))).await;
        let phone = mac(1);
        let address = router.join(phone);

        assert_eq!(router.dhcp_option(phone, 114), Some(ours.captive()));
        assert!(router.can_reach(phone, "wifi.example.com").is_allowed());
        assert!(!router.can_reach(phone, "captive.apple.com").is_allowed());
        assert_eq!(router.open_page(phone, "https://captive.apple.com/").await, Fetched::Reset);
        let probe = "http://captive.apple.com/hotspot-detect.html";
        let led = router.open_page(phone, probe).await;
        let portal = led.location().expect("the router leads to the portal").to_owned();
        let expected = format!(
            "{}?mac=AA%3ABB%3ACC%3A00%3A00%3A01&ip={address}\
             &login=http%3A%2F%2F10.5.0.1%2Flogin\
             &orig=http%3A%2F%2Fcaptive.apple.com%2Fhotspot-detect.html&error=",
            ours.portal()
        );
        assert_eq!(portal, expected, "{version}");

        let (grant, _) = t.voucher("Hour", None).await;
        let device = MacAddress::new(phone.0);
        let address = Some(address.into());
        let wish = Admission { tenant: t.tenant, router: here, grant, mac: device, address };
        want_admission(&t.app, wish, t.now()).await.unwrap();
        t.pump().await;
        assert!(browses(&router, phone));
        let probed = router.open_page(phone, probe).await;
        assert!(matches!(probed, Fetched::Passes(Way::HotspotSession { .. })), "{probed:?}");
        t.finish().await;
    }
}

/// A server with the harness's clock.
async fn serve(t: &Harness) -> (SocketAddr, CancellationToken) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (at, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let routes = web::routes(t.app.clone(), Boards::default(), web::Manners::default());
    let trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let settings = web::listen::Settings { trusted_proxies, ..Default::default() };
    tokio::spawn(web::listen::serve(routes, listener, settings, stop.clone()));
    (at, stop)
}

/// Asks from an address; head and body of the answer.
async fn get(at: SocketAddr, host: &str, path: &str, from: &str) -> (String, String) {
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {from}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

async fn told(at: SocketAddr, router: RouterId, query: &str, from: &str) -> Value {
    let path = format!("/captive/{router}{query}");
    let (head, body) = get(at, "wifi.example.com", &path, from).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: application/captive+json"), "{head}");
    assert!(head.contains("cache-control: private, no-store"), "{head}");
    serde_json::from_str(&body).unwrap()
}

async fn a_device_is_told_how_it_stands_and_no_other_is(engine: Engine) {
    let mut t = Harness::on(engine).await;
    let router = t.router("Lobby", By::Api).await;
    let (here, ours) = (t.router_id("Lobby"), address_of(&t, "Lobby"));
    t.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (at, stop) = serve(&t).await;
    let (phone, address) = (MacAddress::new(mac(1).0), router.join(mac(1)).to_string());
    let held = told(at, here, "", &address).await;
    assert_eq!(held["captive"], true);
    let portal = format!("{}?ip={address}", ours.portal());
    assert_eq!(held["user-portal-url"], portal);
    assert_eq!(held.get("seconds-remaining"), None);

    let (grant, _) = t.voucher("Hour", None).await;
    let wish = Admission { tenant: t.tenant, router: here, grant, mac: phone, address: None };
    want_admission(&t.app, wish.clone(), t.now()).await.unwrap();
    t.pump().await;
    let state = want_admission(&t.app, wish, t.now()).await.unwrap();
    assert!(matches!(state, AdmissionState::Connected { .. }), "{state:?}");
    let free = told(at, here, "", &address).await;
    assert_eq!((&free["captive"], &free["seconds-remaining"]), (&false.into(), &3_600.into()));
    assert_eq!(free["can-extend-session"], true);
    assert_eq!(told(at, here, &format!("?mac={phone}"), "203.0.113.9").await["captive"], false);
    // Its neighbour is held, and who cannot be told apart is told nothing.
    assert_eq!(told(at, here, "", "10.5.200.200").await["captive"], true);
    let (head, _) = get(at, "wifi.example.com", &format!("/captive/{here}"), "203.0.113.9").await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
    let (head, _) = get(at, "wifi.example.com", "/captive/r0000000000000", &address).await;
    assert!(head.starts_with("http/1.1 404"), "{head}");

    t.advance(Span::minutes(61)).await;
    assert_eq!(told(at, here, "", &address).await["captive"], true);
    stop.cancel();
    t.finish().await;
}

async fn a_probe_that_reaches_us_is_sent_to_the_portal(engine: Engine) {
    let mut t = Harness::on(engine).await;
    t.router("Lobby", By::Api).await;
    let (at, stop) = serve(&t).await;
    let (head, _) = get(at, "captive.apple.com", "/hotspot-detect.html", "10.5.0.9").await;
    assert!(head.starts_with("http/1.1 404"), "nobody said where the portal is: {head}");
    let ours = address_of(&t, "Lobby");
    for (host, path) in [
        ("captive.apple.com", "/hotspot-detect.html"),
        ("connectivitycheck.gstatic.com", "/generate_204"),
        ("www.msftconnecttest.com", "/connecttest.txt"),
        ("detectportal.firefox.com", "/success.txt"),
        ("wifi.new-phone.example", "/generate_204"),
    ] {
        let (head, _) = get(at, host, path, "10.5.0.9").await;
        assert!(head.starts_with("http/1.1 302"), "{host}: {head}");
        let to = format!("location: {}?ip=10.5.0.9", ours.portal());
        assert!(head.contains(&to.to_ascii_lowercase()), "{host}: {head}");
        assert!(head.contains("cache-control: no-store"), "{host}: {head}");
        assert!(head.contains("connection: close"), "{host}: {head}");
    }
    let (head, body) =
        get(at, "wifi.example.com", &ours.page("login.html")[PUBLIC.len()..], "10.0.0.1").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(Some(body), pages::text("login.html", &ours));
    stop.cancel();
}
