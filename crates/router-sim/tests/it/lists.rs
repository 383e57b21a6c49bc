//! Static addresses: rules set once, data in address lists.

use std::net::Ipv4Addr;

use lango_router_sim::{Obstacle, Reboot, Verdict};

use crate::{Site, mac};

const IP: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 9);

/// Names the customers' network: `!paid` alone would also be true of everybody who answers them.
fn drop_rule(site: &Site, list: (&str, &str)) {
    let network = if list.0 == "src-address-list" { "src-address" } else { "dst-address" };
    let values = [
        ("chain", "forward"),
        ("action", "drop"),
        ("comment", "unpaid"),
        (network, "192.168.50.0/24"),
        list,
    ];
    site.router.add("/ip/firewall/filter", &values).unwrap();
}

fn list(site: &Site, more: &[(&str, &str)]) -> String {
    let values = [&[("address", "192.168.50.9")], more].concat();
    site.router.add("/ip/firewall/address-list", &values).unwrap()
}

#[tokio::test]
async fn whoever_is_listed_as_expired_is_dropped() {
    let site = Site::open();
    site.router.use_address(mac(9), IP);
    drop_rule(&site, ("src-address-list", "expired"));
    assert!(site.browses(mac(9), IP));
    let entry = list(&site, &[("list", "expired")]);
    let rule = "unpaid".to_owned();
    assert_eq!(
        site.router.can_browse(mac(9), IP),
        Verdict::Blocked { why: Obstacle::Filter { rule } }
    );
    site.router.set("/ip/firewall/address-list", &entry, &[("disabled", "yes")]).unwrap();
    assert!(site.browses(mac(9), IP));
}

#[tokio::test]
async fn a_fail_closed_list_expires_without_us_and_is_empty_after_a_reboot() {
    let site = Site::open();
    site.router.use_address(mac(9), IP);
    drop_rule(&site, ("src-address-list", "!paid"));
    assert!(!site.browses(mac(9), IP));
    list(&site, &[("list", "paid"), ("timeout", "1h")]);
    site.pass(3_599);
    assert!(site.browses(mac(9), IP));
    let row = &site.router.rows("/ip/firewall/address-list")[0];
    assert_eq!(
        (row.text("timeout").unwrap(), row.text("dynamic").unwrap()),
        ("1s".into(), "true".into())
    );
    site.pass(1);
    assert!(!site.browses(mac(9), IP));
    assert!(site.router.rows("/ip/firewall/address-list").is_empty());

    let renewed = list(&site, &[("list", "paid"), ("timeout", "1h")]);
    site.router.set("/ip/firewall/address-list", &renewed, &[("timeout", "2h")]).unwrap();
    site.pass(5_400);
    assert!(site.browses(mac(9), IP));
    site.router.reboot(Reboot { ntp_after: None });
    assert!(!site.browses(mac(9), IP), "entries with a timeout live in memory");
}

#[tokio::test]
async fn an_entry_without_timeout_survives_a_reboot_and_may_be_a_prefix() {
    let site = Site::open();
    site.router.use_address(mac(9), IP);
    drop_rule(&site, ("src-address-list", "!paid"));
    site.router
        .add("/ip/firewall/address-list", &[("list", "paid"), ("address", "192.168.50.0/24")])
        .unwrap();
    site.router.reboot(Reboot { ntp_after: None });
    assert!(site.browses(mac(9), IP));
    let again = site
        .router
        .add("/ip/firewall/address-list", &[("list", "paid"), ("address", "192.168.50.0/24")]);
    assert_eq!(again.unwrap_err().message, "failure: already have such entry");
}

#[tokio::test]
async fn a_drop_below_accept_established_lets_old_connections_live() {
    let site = Site::open();
    site.router.use_address(mac(9), IP);
    let accept =
        [("chain", "forward"), ("action", "accept"), ("connection-state", "established,related")];
    let accept = site.router.add("/ip/firewall/filter", &accept).unwrap();
    drop_rule(&site, ("src-address-list", "expired"));
    site.router.open_download(mac(9)).unwrap();
    list(&site, &[("list", "expired")]);
    assert!(!site.router.can_open(mac(9), IP).is_allowed());
    assert!(site.browses(mac(9), IP));
    let drop = site.router.rows("/ip/firewall/filter")[1].text(".id").unwrap().into_owned();
    site.router
        .run("/ip/firewall/filter/move", &[("numbers", &drop), ("destination", &accept)])
        .unwrap();
    assert!(!site.browses(mac(9), IP));
}

#[tokio::test]
async fn the_answers_twin_rule_counts_too() {
    let site = Site::open();
    site.router.use_address(mac(9), IP);
    drop_rule(&site, ("dst-address-list", "expired"));
    list(&site, &[("list", "expired")]);
    assert!(!site.browses(mac(9), IP));
}

#[tokio::test]
async fn a_fail_closed_rule_without_a_network_drops_the_answers_of_those_who_paid() {
    let site = Site::open();
    site.router.use_address(mac(9), IP);
    list(&site, &[("list", "paid")]);
    let rule = [("chain", "forward"), ("action", "drop"), ("src-address-list", "!paid")];
    let rule = site.router.add("/ip/firewall/filter", &rule).unwrap();
    assert!(!site.browses(mac(9), IP));
    site.router.set("/ip/firewall/filter", &rule, &[("out-interface", "ether1")]).unwrap();
    assert!(site.browses(mac(9), IP));
}
