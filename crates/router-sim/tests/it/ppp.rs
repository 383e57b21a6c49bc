//! PPPoE clients: they come back until their secret says no.

use lango_router_sim::{Obstacle, Verdict};

use crate::{Site, mac};

fn secret(site: &Site, name: &str, more: &[(&str, &str)]) {
    let values = [&[("name", name), ("password", "pw")], more].concat();
    site.router.add("/ppp/secret", &values).unwrap();
}

fn kick(site: &Site, name: &str) {
    for row in site.router.matching("/ppp/active", &[("name", name)]) {
        site.router.remove("/ppp/active", &row.text(".id").unwrap()).unwrap();
    }
}

#[tokio::test]
async fn a_kicked_client_is_back_within_seconds() {
    let site = Site::open();
    secret(&site, "house-7", &[("remote-address", "10.10.7.7")]);
    site.router.dial(mac(7), "house-7", "pw");
    let ip = site.router.address_of(mac(7)).unwrap();
    assert_eq!(ip.to_string(), "10.10.7.7");
    assert!(site.browses(mac(7), ip));
    assert_eq!(
        site.router.rows("/interface").last().unwrap().text("name").unwrap(),
        "<pppoe-house-7>"
    );
    kick(&site, "house-7");
    assert_eq!(
        site.router.can_browse(mac(7), ip),
        Verdict::Blocked { why: Obstacle::NoPppSession }
    );
    site.pass(3);
    assert!(site.browses(mac(7), ip));
}

#[tokio::test]
async fn disabling_alone_leaves_the_session_and_both_together_cut() {
    let site = Site::open();
    secret(&site, "house-7", &[]);
    site.router.dial(mac(7), "house-7", "pw");
    let ip = site.router.address_of(mac(7)).unwrap();
    site.router.set("/ppp/secret", "house-7", &[("disabled", "yes")]).unwrap();
    site.pass(60);
    assert!(site.browses(mac(7), ip));
    kick(&site, "house-7");
    site.pass(60);
    assert!(!site.browses(mac(7), ip));
    assert_eq!(site.router.dial_error(mac(7)).unwrap(), "user authentication failed");
    site.router.set("/ppp/secret", "house-7", &[("disabled", "no")]).unwrap();
    site.pass(3);
    assert!(site.browses(mac(7), site.router.address_of(mac(7)).unwrap()));
}

#[tokio::test]
async fn with_only_one_a_stale_session_keeps_its_owner_out_until_keepalive() {
    let site = Site::open();
    site.router.set("/ppp/profile", "default", &[("only-one", "yes")]).unwrap();
    secret(&site, "house-7", &[]);
    site.router.dial(mac(7), "house-7", "pw");
    site.router.vanish(mac(7));
    site.router.dial(mac(8), "house-7", "pw");
    assert_eq!(site.router.dial_error(mac(8)).unwrap(), "user is already active");
    site.pass(25);
    assert_eq!(site.router.rows("/ppp/active")[0].text("caller-id").unwrap(), mac(8).to_string());
}

#[tokio::test]
async fn session_timeout_and_caller_id_hold() {
    let site = Site::open();
    let profile = [
        ("name", "short"),
        ("session-timeout", "10m"),
        ("rate-limit", "1M/4M"),
        ("remote-address", "ppp-pool"),
    ];
    site.router.add("/ppp/profile", &profile).unwrap();
    secret(&site, "house-7", &[("profile", "short"), ("caller-id", &mac(7).to_string())]);
    site.router.dial(mac(8), "house-7", "pw");
    assert!(site.router.dial_error(mac(8)).unwrap().contains("caller-id"));
    site.router.dial(mac(7), "house-7", "pw");
    let ip = site.router.address_of(mac(7)).unwrap();
    assert_eq!(site.router.speed_limit(mac(7), ip), Some((1_000_000, 4_000_000)));
    site.pass(600);
    assert!(!site.browses(mac(7), ip));
    let reason =
        site.router.rows("/ppp/secret")[0].text("last-disconnect-reason").unwrap().into_owned();
    assert_eq!(reason, "session-timeout");
}

#[tokio::test]
async fn an_expired_profile_walls_its_customers_in() {
    let site = Site::open();
    site.router
        .add("/ip/pool", &[("name", "walled"), ("ranges", "10.66.0.2-10.66.0.254")])
        .unwrap();
    let profile = [("name", "expired"), ("remote-address", "walled"), ("address-list", "walled")];
    site.router.add("/ppp/profile", &profile).unwrap();
    let rule = [("chain", "forward"), ("action", "drop"), ("src-address-list", "walled")];
    site.router.add("/ip/firewall/filter", &rule).unwrap();
    secret(&site, "house-7", &[]);
    site.router.dial(mac(7), "house-7", "pw");
    site.router.set("/ppp/secret", "house-7", &[("profile", "expired")]).unwrap();
    let paid = site.router.address_of(mac(7)).unwrap();
    assert!(site.browses(mac(7), paid), "a profile change does not touch the running session");
    kick(&site, "house-7");
    site.pass(3);
    let walled = site.router.address_of(mac(7)).unwrap();
    assert_eq!(walled.octets()[1], 66);
    assert!(!site.browses(mac(7), walled) && !site.browses(mac(7), paid));
    kick(&site, "house-7");
    assert!(!site.browses(mac(7), walled), "nobody has a PPP address without a session");
}

#[tokio::test]
async fn a_month_of_refusals_is_over_with_one_change() {
    let site = Site::open();
    secret(&site, "house-7", &[("disabled", "yes")]);
    site.router.dial(mac(7), "house-7", "pw");
    site.pass(30 * 86_400 + 1);
    assert!(site.router.rows("/ppp/active").is_empty());
    site.router.run("/ppp/secret/enable", &[("numbers", "house-7")]).unwrap();
    assert!(
        site.router.rows("/ppp/active").is_empty(),
        "it tries every three seconds, not at once"
    );
    site.pass(2);
    assert_eq!(site.router.rows("/ppp/active").len(), 1);
}

#[tokio::test]
async fn no_session_no_download_however_fast_its_track() {
    let site = Site::open();
    let rule = [("chain", "forward"), ("action", "fasttrack-connection")];
    site.router.add("/ip/firewall/filter", &rule).unwrap();
    secret(&site, "house-7", &[("limit-bytes-out", "1000")]);
    site.router.dial(mac(7), "house-7", "pw");
    let ip = site.router.address_of(mac(7)).unwrap();
    site.router.open_download(mac(7)).unwrap();
    site.router.keep_busy(mac(7), 0, 100);
    site.pass(10);
    assert!(!site.browses(mac(7), ip), "its bytes are used up");
    site.pass(3);
    let ip = site.router.address_of(mac(7)).unwrap();
    assert!(site.browses(mac(7), ip), "they count per session");
    site.pass(10);
    assert!(!site.browses(mac(7), ip), "and it fetches on after redialling");
}
