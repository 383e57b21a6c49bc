//! Guests of the hotspot: how they get in, and what throws them out without anybody's command.

use lango_router_sim::{Change, Obstacle, Settings, Verdict, Way};

use crate::{Site, mac};

#[tokio::test]
async fn a_guest_is_seen_logs_in_and_browses() {
    let site = Site::open();
    site.user("amina", &[]);
    let mut events = site.router.subscribe();
    let ip = site.router.join(mac(1));
    assert_eq!(site.router.can_browse(mac(1), ip), Verdict::Blocked { why: Obstacle::NotLoggedIn });
    let host = &site.router.rows("/ip/hotspot/host")[0];
    assert_eq!(host.text("authorized").unwrap(), "false");

    assert_eq!(
        site.router.login(mac(1), "amina", "wrong"),
        Err("invalid username or password".to_owned())
    );
    site.router.login(mac(1), "amina", "pw").unwrap();

    let user = "amina".to_owned();
    assert_eq!(
        site.router.can_browse(mac(1), ip),
        Verdict::Allowed { why: Way::HotspotSession { user } }
    );
    let active = &site.router.rows("/ip/hotspot/active")[0];
    let hex = format!("*{:X}", u32::from(ip));
    assert_eq!(active.text(".id").unwrap(), hex, "the id of an active row is its address");
    assert_eq!(active.text("login-by").unwrap(), "http-chap");
    let event = events.try_recv().unwrap();
    assert_eq!((event.mac, event.user.as_str()), (mac(1), "amina"));
    assert_eq!(event.change, Change::Connected { how: "http-chap".to_owned() });
    assert!(!site.browses(mac(2), ip), "somebody else with that address is not logged in");
}

#[tokio::test]
async fn a_portal_elsewhere_needs_http_pap() {
    let site = Site::open();
    site.user("amina", &[]);
    site.router.join(mac(1));
    site.router.set("/ip/hotspot/profile", "hsprof1", &[("login-by", "cookie,http-chap")]).unwrap();
    assert!(site.router.login_from_portal(mac(1), "amina", "pw").is_err());
    site.router.set("/ip/hotspot/profile", "hsprof1", &[("login-by", "http-pap")]).unwrap();
    site.router.login_from_portal(mac(1), "amina", "pw").unwrap();
}

#[tokio::test]
async fn limit_uptime_cuts_by_itself_at_its_instant() {
    let site = Site::open();
    site.user("amina", &[("limit-uptime", "1h")]);
    let (mac, ip) = site.guest(1, "amina");
    let mut events = site.router.subscribe();
    site.pass(3_599);
    assert!(site.browses(mac, ip));
    site.pass(7_200);
    assert!(!site.browses(mac, ip));
    let event = events.try_recv().unwrap();
    assert_eq!(
        event.at_micros,
        crate::START + 3_600_000_000,
        "cut when it was due, not when looked at"
    );
    assert_eq!(event.change, Change::Disconnected { why: "uptime limit reached".to_owned() });
    let user = &site.router.matching("/ip/hotspot/user", &[("name", "amina")])[0];
    assert_eq!(user.text("uptime").unwrap(), "1h");
    assert_eq!(
        site.router.login(mac, "amina", "pw"),
        Err("user amina has reached uptime limit".to_owned())
    );
    site.router.set("/ip/hotspot/user", "amina", &[("limit-uptime", "2h")]).unwrap();
    site.router.login(mac, "amina", "pw").unwrap();
}

#[tokio::test]
async fn raising_the_limit_keeps_a_running_session() {
    let site = Site::open();
    site.user("amina", &[("limit-uptime", "1h")]);
    let (mac, ip) = site.guest(1, "amina");
    site.pass(1_800);
    site.router.set("/ip/hotspot/user", "amina", &[("limit-uptime", "2h")]).unwrap();
    site.pass(3_600);
    assert!(site.browses(mac, ip));
    site.pass(1_800);
    assert!(!site.browses(mac, ip));
}

#[tokio::test]
async fn a_steady_download_uses_up_its_bytes_exactly() {
    let site = Site::open();
    site.user("amina", &[("limit-bytes-total", "1000000")]);
    let (mac, ip) = site.guest(1, "amina");
    site.router.keep_busy(mac, 0, 10_000);
    site.pass(99);
    assert!(site.browses(mac, ip));
    let users = || site.router.matching("/ip/hotspot/user", &[("name", "amina")]);
    assert_eq!(users()[0].text("bytes-out").unwrap(), "0", "totals move at logout only");
    site.pass(1);
    assert!(!site.browses(mac, ip));
    assert_eq!(users()[0].text("bytes-out").unwrap(), "1000000");
}

#[tokio::test]
async fn shared_users_counts_sessions() {
    let site = Site::open();
    site.user("amina", &[]);
    site.guest(1, "amina");
    site.router.join(mac(2));
    assert_eq!(
        site.router.login(mac(2), "amina", "pw"),
        Err("no more sessions are allowed for user amina".to_owned())
    );
    site.router.set("/ip/hotspot/user/profile", "default", &[("shared-users", "2")]).unwrap();
    site.router.login(mac(2), "amina", "pw").unwrap();
    assert_eq!(site.active(), ["amina", "amina"]);
}

#[tokio::test]
async fn a_licence_has_an_end() {
    let site = Site::with(Settings { hotspot_sessions: Some(1), ..Settings::default() });
    site.user("amina", &[]);
    site.user("baraka", &[]);
    site.guest(1, "amina");
    site.router.join(mac(2));
    let refusal = site.router.login(mac(2), "baraka", "pw").unwrap_err();
    assert!(refusal.starts_with("session limit reached"), "{refusal}");
}

#[tokio::test]
async fn who_walks_away_is_thrown_out_and_let_in_again_by_his_mac_cookie() {
    let site = Site::open();
    site.user("amina", &[]);
    let (mac, ip) = site.guest(1, "amina");
    site.router.clear_browser(mac);
    site.router.leave(mac);
    site.pass(119);
    assert_eq!(site.active(), ["amina"]);
    site.pass(1);
    assert!(site.active().is_empty(), "keepalive-timeout of the profile is two minutes");
    site.pass(3_600);
    assert!(site.router.rows("/ip/hotspot/host").is_empty());

    assert_eq!(site.router.join(mac), ip);
    assert_eq!(site.active(), ["amina"]);
    assert_eq!(site.router.rows("/ip/hotspot/active")[0].text("login-by").unwrap(), "mac-cookie");
    site.router.leave(mac);
    site.pass(3 * 86_400 + 1);
    site.router.join(mac);
    assert!(site.active().is_empty(), "the cookie is three days old");
}

#[tokio::test]
async fn a_trial_lasts_as_long_as_the_profile_says() {
    let site = Site::open();
    site.router.set("/ip/hotspot/profile", "hsprof1", &[("login-by", "trial,http-pap")]).unwrap();
    let ip = site.router.join(mac(1));
    site.router.take_trial(mac(1)).unwrap();
    site.pass(1_799);
    assert!(site.browses(mac(1), ip));
    site.pass(1);
    assert!(!site.browses(mac(1), ip));
    assert!(site.router.take_trial(mac(1)).is_err());
    site.pass(86_400);
    site.router.take_trial(mac(1)).unwrap();
}

#[tokio::test]
async fn the_profile_brings_queue_and_list_and_takes_them_away() {
    let site = Site::open();
    let profile = [("name", "fast"), ("rate-limit", "512k/2M"), ("address-list", "online")];
    site.router.add("/ip/hotspot/user/profile", &profile).unwrap();
    site.user("amina", &[("profile", "fast")]);
    let (mac, ip) = site.guest(1, "amina");
    assert_eq!(site.router.speed_limit(mac, ip), Some((512_000, 2_000_000)));
    assert_eq!(site.router.rows("/queue/simple").len(), 1);
    assert_eq!(site.router.rows("/ip/firewall/address-list")[0].text("dynamic").unwrap(), "true");
    site.router.press_logout(mac);
    assert!(site.router.rows("/queue/simple").is_empty());
    assert!(site.router.rows("/ip/firewall/address-list").is_empty());
}

#[tokio::test]
async fn login_by_mac_needs_no_page() {
    let site = Site::open();
    site.router.set("/ip/hotspot/profile", "hsprof1", &[("login-by", "mac")]).unwrap();
    site.router.add("/ip/hotspot/user", &[("name", &mac(1).to_string())]).unwrap();
    let ip = site.router.join(mac(1));
    assert!(site.browses(mac(1), ip));
    assert!(!site.browses(mac(2), site.router.join(mac(2))));
}
