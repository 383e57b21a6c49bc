//! Schedulers, scripts and clocks that are wrong.

use lango_router_sim::Reboot;

use crate::{Site, mac};

fn guard(site: &Site, more: &[(&str, &str)]) {
    let event = r#":do { /ppp secret disable [find name="house-7"] } on-error={}; /ppp active remove [find name="house-7"]
/system scheduler remove [find name="guard-7"]"#;
    let values = [&[("name", "guard-7"), ("on-event", event)], more].concat();
    site.router.add("/system/scheduler", &values).unwrap();
}

fn client(site: &Site) {
    site.router.add("/ppp/secret", &[("name", "house-7"), ("password", "pw")]).unwrap();
    site.router.dial(mac(7), "house-7", "pw");
}

fn online(site: &Site) -> bool {
    !site.router.rows("/ppp/active").is_empty()
}

#[tokio::test]
async fn a_guard_cuts_one_interval_after_it_was_made_and_removes_itself() {
    let site = Site::open();
    client(&site);
    guard(&site, &[("interval", "1h")]);
    let row = &site.router.rows("/system/scheduler")[0];
    assert_eq!(row.text("next-run").unwrap(), "2026-01-02 11:00:00");
    site.pass(3_599);
    assert!(online(&site));
    site.pass(1);
    assert!(!online(&site));
    assert!(site.router.rows("/system/scheduler").is_empty());
    site.pass(600);
    assert!(!online(&site));
    let secret = &site.router.rows("/ppp/secret")[0];
    assert_eq!(secret.text("last-logged-out").unwrap(), "2026-01-02 11:00:00");
}

#[tokio::test]
async fn a_guard_with_a_date_fires_once_and_old_routers_write_dates_differently() {
    let site = Site::of_version("7.9 (stable)");
    client(&site);
    guard(&site, &[("start-date", "jan/02/2026"), ("start-time", "10:30:00")]);
    assert_eq!(
        site.router.rows("/system/scheduler")[0].text("next-run").unwrap(),
        "jan/02/2026 10:30:00"
    );
    site.pass(1_800);
    assert!(!online(&site));
}

#[tokio::test]
async fn a_dated_guard_is_missed_while_the_clock_stands_in_1970() {
    let site = Site::open();
    client(&site);
    guard(&site, &[("start-date", "2026-01-02"), ("start-time", "10:00:30")]);
    site.router.reboot(Reboot { ntp_after: Some(std::time::Duration::from_secs(60)) });
    site.pass(120);
    assert!(online(&site), "at NTP's jump the date was already past");
    assert_eq!(site.router.rows("/system/scheduler")[0].text("next-run"), None);
}

#[tokio::test]
async fn a_skewed_clock_moves_the_guard() {
    let site = Site::open();
    client(&site);
    guard(&site, &[("start-date", "2026-01-02"), ("start-time", "11:00:00")]);
    site.router.skew_clock(-1_800_000_000);
    site.pass(3_600);
    assert!(online(&site), "the router believes it is half past ten");
    site.pass(1_800);
    assert!(!online(&site));
}

#[tokio::test]
async fn scripts_find_change_and_fail_like_the_routers() {
    let site = Site::open();
    site.router.add("/ip/firewall/address-list", &[("list", "a"), ("address", "1.2.3.4")]).unwrap();
    site.user("x", &[]);
    site.router
        .script("/ip firewall address-list remove [find list=\"a\" address=\"1.2.3.4\"]; /ip hotspot user\nset [find name=x] comment=\"hi there\"")
        .unwrap();
    assert!(site.router.rows("/ip/firewall/address-list").is_empty());
    assert_eq!(
        site.router.matching("/ip/hotspot/user", &[("name", "x")])[0].text("comment").unwrap(),
        "hi there"
    );
    site.router.script("/ppp/secret/disable [find name=nobody]").unwrap();
    assert!(site.router.script("/ppp/secret/disable nobody").is_err());
    assert!(site.router.script(":foreach i in=[find] do={}").is_err());
    assert_eq!(site.router.script(":put [:len [/ip hotspot user find name=x]]").unwrap(), "1\n");
}

#[tokio::test]
async fn connections_go_by_pattern() {
    let site = Site::open();
    site.user("amina", &[]);
    let (mac, ip) = site.guest(1, "amina");
    site.router.open_download(mac).unwrap();
    site.router.script("/ip firewall connection remove [find src-address~\"^1.2.3.4:\"]").unwrap();
    assert_eq!(site.router.rows("/ip/firewall/connection").len(), 1);
    let script = format!("/ip firewall connection remove [find src-address~\"^{ip}:\"]");
    site.router.script(&script).unwrap();
    assert!(site.router.rows("/ip/firewall/connection").is_empty());
}
