//! The terminal: what is pasted is done, refused aloud or both, line by line.

use super::Site;
use lango_router_sim::{Pasted, Settings};

fn refusals(pasted: &[Pasted]) -> Vec<(usize, String)> {
    let refused = |one: &Pasted| Some((one.line, one.outcome.as_ref().err()?.message.clone()));
    pasted.iter().filter_map(refused).collect()
}

#[test]
fn a_refused_line_is_named_and_stops_no_other() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let site = Site::with(Settings::fresh("7.20.6 (stable)"));
    let pasted = site.router.paste(
        "# a comment\n\
         /ip pool add name=a ranges=10.0.0.2-10.0.0.9\n\
         /ip pool add name=a ranges=10.0.0.2-10.0.0.9\n\n\
         :foreach i in=[/ip pool find] do={:put $i}\n\
         /ip pool add name=b ranges=10.1.0.2-10.1.0.9 colour=red\n\
         :if ([:len [/ip pool find colour=red]] = 0) do={/ip pool add name=c ranges=10.2.0.2}\n\
         \"/ip pool\"\n\
         :if ([:len [/ip pool find name=a]] > 0) do={/ip pool remove a}\n\
         /ip pool add name=\"d\\20d\" ranges=10.3.0.2-10.3.0.9",
    );
    let lines: Vec<usize> = refusals(&pasted).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [3, 5, 6, 7, 8, 9], "{pasted:?}");
    let rows = site.router.rows("/ip/pool");
    let names: Vec<_> = rows.iter().filter_map(|row| row.text("name")).collect();
    assert_eq!(names, ["a", "d d"]);
}

#[test]
fn a_condition_chooses_its_branch() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let site = Site::with(Settings::fresh("7.20.6 (stable)"));
    let drop = "/ip firewall filter add chain=input action=drop";
    let text = format!(
        ":if ([:len [/ip firewall filter find chain=input]] = 0) do={{{drop}}} else={{{drop}}}\n\
         :if ([:len [/ip firewall filter find chain=input]] = 0) do={{{drop}}} else={{/ip firewall \
         filter add chain=input place-before=[:pick [/ip firewall filter find chain=input] 0]}}\n\
         :if ([/system ntp client get enabled] = false) do={{/system ntp client set enabled=yes}}"
    );
    assert_eq!(refusals(&site.router.paste(&text)), []);
    let actions = site.router.rows("/ip/firewall/filter");
    let actions: Vec<_> = actions.iter().filter_map(|row| row.text("action")).collect();
    assert_eq!(actions, ["accept", "drop"]);
    assert_eq!(site.router.matching("/system/ntp/client", &[("enabled", "true")]).len(), 1);
}

#[test]
fn versions_differ_in_what_they_know() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let refused = |version: &str, line: &str| {
        let site = Site::with(Settings::fresh(version));
        refusals(&site.router.paste(line)).pop().map(|(_, message)| message)
    };
    let (six, seven) = ("6.49.18 (long-term)", "7.20.6 (stable)");
    let servers = "/system ntp client set enabled=yes servers=pool.ntp.org";
    assert_eq!(refused(six, servers).as_deref(), Some("unknown parameter servers"));
    assert_eq!(refused(seven, servers), None);
    let names = "/system ntp client set server-dns-names=pool.ntp.org";
    assert_eq!((refused(six, names), refused(seven, names).is_some()), (None, true));
    let group = "/user group add name=g policy=read,!rest-api";
    assert!(refused(six, group).is_some_and(|message| message.contains("policy")));
    assert_eq!(refused(seven, group), None);
}

#[tokio::test]
async fn encryption_begins_with_a_signed_certificate() {
    let site = Site::with(Settings::fresh("7.20.6 (stable)"));
    let endpoint = lango_routeros::Endpoint {
        host: "127.0.0.1".to_owned(),
        port: site.router.api_tls_address().unwrap().port(),
        protocol: lango_routeros::Protocol::Api,
        tls: lango_routeros::Tls::AnyCertificate,
    };
    let seen = async || lango_routeros::fingerprint(&endpoint, Default::default()).await;
    assert!(seen().await.is_err());
    let bind = "/ip service set api-ssl certificate=c";
    assert_eq!(refusals(&site.router.paste(&format!("/certificate add name=c\n{bind}"))).len(), 1);
    assert_eq!(refusals(&site.router.paste(&format!("/certificate sign c\n{bind}"))), []);
    assert_eq!(seen().await.ok(), site.router.api_tls_fingerprint());
}

#[tokio::test]
async fn a_user_is_known_only_where_he_may_come_from() {
    let site = Site::open();
    let open = async |user: &str| {
        let endpoint = lango_routeros::Endpoint {
            host: "127.0.0.1".to_owned(),
            port: site.router.api_address().unwrap().port(),
            protocol: lango_routeros::Protocol::Api,
            tls: lango_routeros::Tls::Off,
        };
        let credentials = lango_routeros::Credentials::new(user, "pw");
        lango_routeros::Connection::open(&endpoint, &credentials, Default::default()).await
    };
    for (name, address) in [("near", "127.0.0.1"), ("far", "10.0.0.0/24")] {
        let values = [("name", name), ("group", "full"), ("password", "pw"), ("address", address)];
        site.router.add("/user", &values).unwrap();
    }
    assert!(open("near").await.is_ok());
    assert!(matches!(open("far").await, Err(lango_routeros::Error::LoginRefused { .. })));
}
