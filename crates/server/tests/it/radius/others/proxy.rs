//! radsecproxy: NASes that cannot speak TLS ask it, and it asks us through TLS.

use super::radclient::{ask_for_ann, report_of_ann};
use super::supplicant::{block, came_in, join};
use super::*;
use lango_domain::plan::Terms;
use lango_domain::time::Span;

fn configuration(lab: &Lab, port: u16) -> String {
    let directory = lab.directory.path();
    let key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(["proxy.example".to_owned()]).unwrap();
    std::fs::write(directory.join("proxy.pem"), own.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(directory.join("proxy.key"), key.serialize_pem()).unwrap();
    let (to, directory) = (lab.radsec, directory.display());
    format!(
        "ListenUDP 127.0.0.1:{port}\nLogLevel 2\n\
         tls default {{\n  CACertificateFile {directory}/{root}\n  \
         CertificateFile {directory}/proxy.pem\n  CertificateKeyFile {directory}/proxy.key\n}}\n\
         client lobby {{\n  host 127.0.0.1\n  type udp\n  secret \"{SECRET}\"\n}}\n\
         server lango {{\n  host {host}\n  port {port_of_lango}\n  type tls\n  secret radsec\n  \
         certificateNameCheck off\n  \
         matchCertificateAttribute SubjectAltName:DNS:/^{name}$/\n  statusServer on\n}}\n\
         realm * {{\n  server lango\n  accountingServer lango\n}}\n",
        root = lango_server::radius::ROOT,
        name = lango_server::radius::NAME.replace('.', "\\."),
        host = to.ip(),
        port_of_lango = to.port(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_carries_logins_and_reports_through_tls() {
    let lab = Lab::on(Engine::Sqlite).await;
    lab.plan("Month", Terms::service(Span::days(30))).await;
    let grant = lab.service("Month", "ann", "secret").await;
    let port = free_port();
    let file = lab.directory.path().join("radsecproxy.conf");
    std::fs::write(&file, configuration(&lab, port)).unwrap();
    let mut command = Command::new(tool("radsecproxy"));
    command.arg("-f").arg("-c").arg(&file);
    let proxy = Beside::start(&mut command, lab.directory.path().join("radsecproxy.log"));
    proxy.until_it_says(&lab, "TLS connection to lango").await;

    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let mut class = String::new();
    for proof in ["User-Password", "CHAP-Password", "MS-CHAP-Password"] {
        let said = ask_for_ann(to, &format!("{proof}=secret")).await;
        assert!(said.contains("Received Access-Accept"), "{proof}: {said}");
        let line = said.lines().find_map(|line| line.trim().strip_prefix("Class = "));
        class = line.unwrap().to_owned();
        let said = ask_for_ann(to, &format!("{proof}=wrong")).await;
        assert!(said.contains("Received Access-Reject"), "{proof}: {said}");
    }
    let said =
        join(lab.directory.path(), to, ANN, &block("PEAP", "MSCHAPV2", "ann", "secret")).await;
    assert!(came_in(&said), "{said}");
    let said = report_of_ann(to, &format!("Class={class},Acct-Status-Type=Start")).await;
    assert!(said.contains("Received Accounting-Response"), "{said}");
    lab.until("ann is online", async || lab.grant(grant).await.grant.presence.devices() == 1).await;
}
