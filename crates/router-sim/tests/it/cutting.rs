//! Cutting somebody off the hotspot, and every way in which it fails when a step is left out.

use lango_router_sim::{Change, Reboot, Verdict, Way};

use crate::{Site, mac};

fn remove_all(site: &Site, menu: &str) {
    for row in site.router.rows(menu) {
        site.router.remove(menu, &row.text(".id").unwrap()).unwrap();
    }
}

#[tokio::test]
async fn his_browsers_cookie_logs_him_in_again_when_only_the_active_row_goes() {
    let site = Site::open();
    site.user("amina", &[]);
    let (mac, ip) = site.guest(1, "amina");
    site.router.keep_busy(mac, 0, 1_000);
    remove_all(&site, "/ip/hotspot/active");
    let user = "amina".to_owned();
    assert_eq!(site.router.can_browse(mac, ip), Verdict::Allowed { why: Way::Cookie { user } });
    site.pass(2);
    assert_eq!(site.active(), ["amina"]);
}

#[tokio::test]
async fn an_admins_logout_takes_the_mac_cookie_along() {
    let site = Site::open();
    site.user("amina", &[]);
    let (mac, ip) = site.guest(1, "amina");
    site.router.clear_browser(mac);
    remove_all(&site, "/ip/hotspot/active");
    assert!(site.router.rows("/ip/hotspot/cookie").is_empty());
    site.pass(60);
    assert!(!site.browses(mac, ip));
}

#[tokio::test]
async fn disabling_the_user_alone_ends_no_session() {
    let site = Site::open();
    site.user("amina", &[]);
    let (mac, ip) = site.guest(1, "amina");
    site.router.run("/ip/hotspot/user/disable", &[("numbers", "amina")]).unwrap();
    assert!(site.browses(mac, ip));
    remove_all(&site, "/ip/hotspot/active");
    assert!(!site.browses(mac, ip), "his cookies open nothing any more");
    site.router.surf(mac, 1);
    site.pass(10);
    assert!(site.active().is_empty());
}

#[tokio::test]
async fn a_bypass_outlives_its_binding_until_the_host_goes() {
    let site = Site::open();
    let ip = site.router.join(mac(1));
    let mac = mac(1);
    let binding = site
        .router
        .add("/ip/hotspot/ip-binding", &[("mac-address", &mac.to_string()), ("type", "bypassed")]);
    assert_eq!(site.router.can_browse(mac, ip), Verdict::Allowed { why: Way::Bypassed });
    assert!(site.active().is_empty());
    site.router.remove("/ip/hotspot/ip-binding", &binding.unwrap()).unwrap();
    assert!(site.browses(mac, ip));
    remove_all(&site, "/ip/hotspot/host");
    assert!(!site.browses(mac, ip));
    site.pass(2);
    assert_eq!(
        site.router.rows("/ip/hotspot/host").len(),
        1,
        "it is heard of again with its next packet"
    );
    assert!(!site.browses(mac, ip));
}

fn with_fasttrack(site: &Site) {
    let filter = |values: &[(&str, &str)]| {
        let values = [&[("chain", "forward")], values].concat();
        site.router.add("/ip/firewall/filter", &values).unwrap();
    };
    filter(&[("action", "fasttrack-connection"), ("connection-state", "established,related")]);
    filter(&[("action", "accept"), ("connection-state", "established,related")]);
}

#[tokio::test]
async fn a_fasttracked_download_survives_everything_but_its_row() {
    let site = Site::open();
    with_fasttrack(&site);
    site.user("amina", &[]);
    let (mac, ip) = site.guest(1, "amina");
    let download = site.router.open_download(mac).unwrap();
    site.router.run("/ip/hotspot/user/disable", &[("numbers", "amina")]).unwrap();
    remove_all(&site, "/ip/hotspot/active");
    remove_all(&site, "/ip/hotspot/host");
    assert!(!site.router.can_open(mac, ip).is_allowed());
    assert_eq!(
        site.router.can_browse(mac, ip),
        Verdict::Allowed { why: Way::Established { fasttracked: true } }
    );
    site.router.remove("/ip/firewall/connection", &download).unwrap();
    assert!(!site.browses(mac, ip));
}

#[tokio::test]
async fn without_fasttrack_a_download_ends_with_the_session() {
    let site = Site::open();
    site.user("amina", &[]);
    let (mac, ip) = site.guest(1, "amina");
    site.router.open_download(mac).unwrap();
    site.router.run("/ip/hotspot/user/disable", &[("numbers", "amina")]).unwrap();
    remove_all(&site, "/ip/hotspot/active");
    assert!(!site.browses(mac, ip));
}

#[tokio::test]
async fn a_stale_id_hits_the_next_guest() {
    let site = Site::open();
    site.user("amina", &[]);
    site.user("baraka", &[]);
    let (first, ip) = site.guest(1, "amina");
    let stale = site.router.rows("/ip/hotspot/active")[0].text(".id").unwrap().into_owned();
    site.router.leave(first);
    site.router.use_address(mac(2), ip);
    site.router.login(mac(2), "baraka", "pw").unwrap();
    assert_eq!(site.active(), ["baraka"]);
    site.router.remove("/ip/hotspot/active", &stale).unwrap();
    assert!(site.active().is_empty());
}

#[tokio::test]
async fn a_reboot_forgets_sessions_but_not_users_or_cookies() {
    let site = Site::open();
    site.user("amina", &[("comment", "lango:1")]);
    let (mac, ip) = site.guest(1, "amina");
    site.pass(600);
    let mut events = site.router.subscribe();
    site.router.reboot(Reboot { ntp_after: Some(std::time::Duration::from_secs(60)) });
    assert_eq!(
        events.try_recv().unwrap().change,
        Change::Disconnected { why: "reboot".to_owned() }
    );
    assert!(site.active().is_empty() && site.router.rows("/ip/hotspot/host").is_empty());
    let clock = || site.router.rows("/system/clock")[0].text("date").unwrap().into_owned();
    assert_eq!(clock(), "1970-01-02");
    assert_eq!(site.router.rows("/system/resource")[0].text("uptime").unwrap(), "0s");
    let user = &site.router.matching("/ip/hotspot/user", &[("name", "amina")])[0];
    assert_eq!(user.text("comment").unwrap(), "lango:1");
    assert_eq!(user.text("uptime").unwrap(), "0s", "the session's time was never written down");
    site.pass(60);
    assert_eq!(clock(), "2026-01-02");
    assert_eq!(site.active(), ["amina"], "the mac cookie is on flash");
    assert!(site.browses(mac, ip));
}
