//! What a guest's browser meets before it is logged in.

use lango_router_sim::{Fetched, Way};

use crate::{Site, mac};

/// The profile of the only server.
fn change_profile(site: &Site, values: &[(&str, &str)]) {
    let profile = site.router.rows("/ip/hotspot")[0].text("profile").unwrap().into_owned();
    site.router.set("/ip/hotspot/profile", &profile, values).unwrap();
}

#[tokio::test]
async fn a_page_leads_to_the_login_page_and_after_it_to_where_he_wanted() {
    let site = Site::open();
    site.user("amina", &[]);
    change_profile(&site, &[("login-by", "http-pap")]);
    site.router.join(mac(1));
    let led = site.router.open_page(mac(1), "http://example.org/a?b=c").await;
    let login = "http://10.5.0.1/login?dst=http%3A%2F%2Fexample.org%2Fa%3Fb%3Dc";
    assert_eq!(led.location(), Some(login));
    assert!(matches!(site.router.open_page(mac(1), login).await, Fetched::Page(_)));
    assert_eq!(site.router.open_page(mac(1), "https://example.org/").await, Fetched::Reset);

    let wrong = format!("{login}&username=amina&password=nonsense");
    let Fetched::Page(page) = site.router.open_page(mac(1), &wrong).await else {
        panic!("the login page comes again");
    };
    assert!(page.contains("invalid username or password"), "{page}");
    let right = format!("{login}&username=amina&password=pw");
    let after = site.router.open_page(mac(1), &right).await;
    assert_eq!(after.location(), Some("http://example.org/a?b=c"));
    let passed = site.router.open_page(mac(1), "http://example.org/").await;
    assert_eq!(passed, Fetched::Passes(Way::HotspotSession { user: "amina".to_owned() }));
}

#[tokio::test]
async fn a_plain_password_needs_http_pap() {
    let site = Site::open();
    site.user("amina", &[]);
    change_profile(&site, &[("login-by", "cookie,http-chap")]);
    site.router.join(mac(1));
    let login = "http://10.5.0.1/login?username=amina&password=pw&dst=";
    let refused = site.router.open_page(mac(1), login).await;
    assert!(matches!(refused, Fetched::Page(_)), "{refused:?}");
    assert!(!site.router.can_reach(mac(1), "example.org").is_allowed());
}

#[tokio::test]
async fn the_walled_garden_says_what_is_reached_before_the_login() {
    let site = Site::open();
    site.router.join(mac(1));
    let reaches = |host: &str| site.router.can_reach(mac(1), host).is_allowed();
    assert!(!reaches("pay.example.com") && !reaches("192.0.2.7"));
    let ip = "/ip/hotspot/walled-garden/ip";
    site.router.add(ip, &[("dst-host", "*.example.com"), ("action", "accept")]).unwrap();
    site.router.add(ip, &[("dst-address", "192.0.2.0/24"), ("action", "accept")]).unwrap();
    site.router.add(ip, &[("dst-host", "shop.example.org"), ("action", "drop")]).unwrap();
    assert!(reaches("pay.example.com") && reaches("192.0.2.7"));
    assert!(!reaches("shop.example.org") && !reaches("captive.apple.com"));
    assert!(!site.router.can_reach(mac(2), "pay.example.com").is_allowed(), "it is not there");
}

#[tokio::test]
async fn dhcp_hands_out_the_options_of_its_network() {
    let site = Site::open();
    site.router.join(mac(1));
    assert_eq!(site.router.dhcp_option(mac(1), 114), None);
    let option = [("name", "portal"), ("code", "114"), ("value", "'https://p.example/c'")];
    site.router.add("/ip/dhcp-server/option", &option).unwrap();
    let set = [("name", "set"), ("options", "portal")];
    site.router.add("/ip/dhcp-server/option/sets", &set).unwrap();
    let network = [("address", "10.5.0.0/16"), ("dhcp-option-set", "set")];
    site.router.add("/ip/dhcp-server/network", &network).unwrap();
    assert_eq!(site.router.dhcp_option(mac(1), 114).as_deref(), Some("https://p.example/c"));
    assert_eq!(site.router.dhcp_option(mac(1), 160), None);
}

#[tokio::test]
async fn the_router_fetches_its_pages_and_shows_them() {
    let site = Site::open();
    let fetch = "/tool fetch url=\"http://p.example/login.html\" dst-path=\"own/login.html\"";
    assert!(site.router.paste(fetch)[0].outcome.is_err(), "nobody is there");
    site.router.publish("http://p.example/login.html", "<p>$(mac) at $(ip-esc)</p>");
    assert!(site.router.paste(fetch)[0].outcome.is_ok());
    change_profile(&site, &[("html-directory-override", "own")]);
    let ip = site.router.join(mac(1));
    let page = site.router.open_page(mac(1), "http://10.5.0.1/login").await;
    assert_eq!(page, Fetched::Page(format!("<p>{} at {ip}</p>", mac(1))));
}
