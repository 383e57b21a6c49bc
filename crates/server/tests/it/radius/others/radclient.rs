//! radclient, of FreeRADIUS: every way to prove a password, reports, signs of life.

use super::*;
use lango_domain::plan::Terms;
use lango_domain::time::Span;
use std::io::Write;

const PPP: &str = "User-Name=ann,Service-Type=Framed-User,Framed-Protocol=PPP,\
                   NAS-Identifier=lobby,Calling-Station-Id=02-00-00-00-00-01";

/// What it said of the answer.
async fn radclient(to: SocketAddr, kind: &str, attributes: &str) -> String {
    let mut child = Command::new(tool("radclient"))
        .args(["-x", "-t", "3", "-r", "1", &to.to_string(), kind, SECRET])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(attributes.as_bytes()).unwrap();
    let output = tokio::task::block_in_place(|| child.wait_with_output()).unwrap();
    let (said, complained) = (output.stdout, output.stderr);
    format!("{}{}", String::from_utf8_lossy(&said), String::from_utf8_lossy(&complained))
}

#[tokio::test(flavor = "multi_thread")]
async fn radclient_logs_in_by_every_proof_and_reports_its_session() {
    let lab = Lab::on(Engine::Sqlite).await;
    lab.plan("Month", Terms::service(Span::days(30))).await;
    let grant = lab.service("Month", "ann", "secret").await;
    let mut class = String::new();
    for proof in ["User-Password", "CHAP-Password", "MS-CHAP-Password"] {
        let ask = |password: &str| format!("{PPP},{proof}={password},Message-Authenticator=0x00");
        let said = radclient(lab.nas.authentication, "auth", &ask("secret")).await;
        assert!(said.contains("Received Access-Accept"), "{proof}: {said}");
        let line = said.lines().find_map(|line| line.trim().strip_prefix("Class = "));
        class = line.unwrap().to_owned();
        let said = radclient(lab.nas.authentication, "auth", &ask("wrong")).await;
        assert!(said.contains("Received Access-Reject"), "{proof}: {said}");
        assert!(said.contains("Reply-Message = "), "{proof}: {said}");
    }
    let unsigned = format!("{PPP},User-Password=secret");
    let said = radclient(lab.nas.authentication, "auth", &unsigned).await;
    assert!(said.contains("No reply from server"), "who signs once always does: {said}");

    let report = |status: &str, more: &str| {
        format!("{PPP},Acct-Session-Id=1,Class={class},Acct-Status-Type={status}{more}")
    };
    for more in ["", ",Message-Authenticator=0x00"] {
        let said = radclient(lab.nas.accounting, "acct", &report("Start", more)).await;
        assert!(said.contains("Received Accounting-Response"), "{said}");
    }
    lab.until("ann is online", async || lab.grant(grant).await.grant.presence.devices() == 1).await;
    let last = ",Acct-Session-Time=60,Acct-Output-Octets=1000,Message-Authenticator=0x00";
    let said = radclient(lab.nas.accounting, "acct", &report("Stop", last)).await;
    assert!(said.contains("Received Accounting-Response"), "{said}");
    lab.until("ann is offline", async || lab.grant(grant).await.grant.presence.devices() == 0)
        .await;

    for (to, answer) in
        [(lab.nas.authentication, "Access-Accept"), (lab.nas.accounting, "Accounting-Response")]
    {
        let said = radclient(to, "status", "Message-Authenticator=0x00").await;
        assert!(said.contains(&format!("Received {answer}")), "{said}");
    }
}

/// What goes through a proxy is asked like this too.
pub(super) async fn ask_for_ann(to: SocketAddr, proof: &str) -> String {
    radclient(to, "auth", &format!("{PPP},{proof},Message-Authenticator=0x00")).await
}

/// The same for a report.
pub(super) async fn report_of_ann(to: SocketAddr, more: &str) -> String {
    radclient(to, "acct", &format!("{PPP},Acct-Session-Id=1,{more}")).await
}
