//! eapol_test, of hostapd: a device that joins a Wi-Fi with WPA-Enterprise, and the access point.

use super::*;
use lango_domain::plan::Terms;
use lango_domain::time::Span;

/// What a device said that logs in by EAP at the server of a story.
pub(super) async fn join(directory: &Path, to: SocketAddr, mac: &str, block: &str) -> String {
    let trusted = directory.join(lango_server::radius::ROOT);
    let expected = lango_server::radius::NAME;
    let network = format!(
        "network={{\nkey_mgmt=WPA-EAP\nanonymous_identity=\"anonymous@isp\"\n\
         ca_cert=\"{}\"\ndomain_match=\"{expected}\"\n{block}\n}}\n",
        trusted.display()
    );
    let file = directory.join(format!("network-{}", fastrand::u64(..)));
    std::fs::write(&file, network).unwrap();
    let (address, port) = (to.ip().to_string(), to.port().to_string());
    said(
        Command::new(tool("eapol_test"))
            .arg("-c")
            .arg(&file)
            .args(["-a", &address, "-p", &port, "-s", SECRET, "-M", mac, "-t", "20", "-r", "0"]),
    )
    .await
}

pub(super) fn block(method: &str, inner: &str, name: &str, password: &str) -> String {
    format!("eap={method}\nidentity=\"{name}\"\npassword=\"{password}\"\nphase2=\"auth={inner}\"\n")
}

pub(super) fn came_in(said: &str) -> bool {
    said.trim_end().ends_with("SUCCESS") && said.contains("MPPE keys OK: 1  mismatch: 0")
}

const METHODS: [(&str, &str); 4] =
    [("PEAP", "MSCHAPV2"), ("TTLS", "PAP"), ("TTLS", "MSCHAPV2"), ("TTLS", "CHAP")];

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_begins_when_its_device_has_shown_the_password_and_not_before() {
    let lab = Lab::on(Engine::Sqlite).await;
    lab.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let to = lab.nas.authentication;
    for (method, inner) in METHODS {
        let (code, grant) = lab.voucher("Hour").await;
        let said = join(lab.directory.path(), to, ANN, &block(method, inner, &code, "wrong")).await;
        assert!(!came_in(&said), "{method} {inner}: {said}");
        assert_eq!(lab.grant(grant).await.grant.state.word(), "unused", "{method} {inner}");
        let said = join(lab.directory.path(), to, ANN, &block(method, inner, &code, &code)).await;
        assert!(came_in(&said), "{method} {inner}: {said}");
        assert_eq!(lab.grant(grant).await.grant.state.word(), "active", "{method} {inner}");
        // A place is promised to that device; a plan for one has none for another.
        let said = join(lab.directory.path(), to, BOB, &block(method, inner, &code, &code)).await;
        assert!(!came_in(&said), "{method} {inner}: {said}");
        assert!(said.trim_end().ends_with("FAILURE"), "{method} {inner}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lines_name_opens_the_wifi_too_until_the_line_is_over() {
    let lab = Lab::on(Engine::Postgres).await;
    lab.plan("Blink", Terms::service(Span::seconds(15))).await;
    let grant = lab.service("Blink", "ann", "secret").await;
    for name in ["ann", "OFFICE\\\\ann", "ann@isp.example"] {
        let network = block("TTLS", "PAP", name, "secret");
        let said = join(lab.directory.path(), lab.nas.authentication, ANN, &network).await;
        assert!(came_in(&said), "{name}: {said}");
    }
    lab.until("it is over", async || lab.grant(grant).await.grant.state.word() == "ended").await;
    let said = join(
        lab.directory.path(),
        lab.nas.authentication,
        ANN,
        &block("TTLS", "PAP", "ann", "secret"),
    )
    .await;
    assert!(!came_in(&said), "{said}");
}
