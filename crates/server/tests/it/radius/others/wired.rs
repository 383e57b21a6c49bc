//! hostapd as a switch: a device behind a cable logs in by EAP, hostapd reports the session, and
//! throws it out when we say so. The device lives in a network namespace of its own, which only
//! root can make: whoever is not root has hostapd's other half, eapol_test, in the other stories.

use super::supplicant::block;
use super::*;
use lango_domain::plan::Terms;
use lango_domain::time::Span;
use lango_server::operations::act_on_grant::{Action, act_on_grant};
use lango_server::operations::asked::By;

/// A cable: one end here, the other in a network namespace.
struct Cable {
    here: String,
    there: String,
    namespace: String,
}

impl Cable {
    fn lay() -> Cable {
        let mark = std::process::id();
        let (here, there) = (format!("lg{mark}a"), format!("lg{mark}b"));
        let cable = Cable { here, there, namespace: format!("lango-{mark}") };
        let Cable { here, there, namespace } = &cable;
        ip(&["netns", "add", namespace]);
        ip(&["link", "add", here, "type", "veth", "peer", "name", there, "netns", namespace]);
        ip(&["link", "set", here, "up"]);
        ip(&["-n", namespace, "link", "set", there, "up"]);
        cable
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // The cable goes with its other end.
        let _ = Command::new("ip").args(["netns", "delete", &self.namespace]).status();
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("iproute2 is installed");
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {complained}", arguments.join(" "));
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

fn hostapd(lab: &Lab, cable: &Cable, orders: u16) -> Beside {
    let (authentication, accounting) = (lab.nas.authentication.port(), lab.nas.accounting.port());
    let interface = &cable.here;
    let configuration = format!(
        "interface={interface}\ndriver=wired\nlogger_stdout=-1\nlogger_stdout_level=0\n\
         ieee8021x=1\nuse_pae_group_addr=1\neap_reauth_period=0\n\
         own_ip_addr=127.0.0.1\nnas_identifier=switch\nradius_client_addr=127.0.0.1\n\
         auth_server_addr=127.0.0.1\nauth_server_port={authentication}\n\
         auth_server_shared_secret={SECRET}\n\
         acct_server_addr=127.0.0.1\nacct_server_port={accounting}\n\
         acct_server_shared_secret={SECRET}\nradius_acct_interim_interval=60\n\
         radius_das_port={orders}\nradius_das_client=127.0.0.1 {SECRET}\n\
         radius_das_time_window=300\nradius_das_require_event_timestamp=1\n"
    );
    let file = lab.directory.path().join("hostapd.conf");
    std::fs::write(&file, configuration).unwrap();
    let log = lab.directory.path().join("hostapd.log");
    Beside::start(Command::new(tool("hostapd")).arg("-dd").arg(file), log)
}

fn device(lab: &Lab, cable: &Cable, network: &str) -> Beside {
    let trusted = lab.directory.path().join(lango_server::radius::ROOT);
    let configuration = format!(
        "ap_scan=0\nnetwork={{\nkey_mgmt=IEEE8021X\neapol_flags=0\n\
         anonymous_identity=\"anonymous@isp\"\nca_cert=\"{}\"\n{network}\n}}\n",
        trusted.display()
    );
    let file = lab.directory.path().join("wpa_supplicant.conf");
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &cable.namespace]).arg(tool("wpa_supplicant"));
    command.args(["-D", "wired", "-i", &cable.there, "-c"]).arg(file);
    Beside::start(&mut command, lab.directory.path().join("wpa_supplicant.log"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_behind_a_switch_comes_in_is_counted_and_thrown_out() {
    if !is_root() {
        return eprintln!("only root can lay a cable into a network namespace");
    }
    let orders = free_port();
    let lab = Lab::with_nas_at(Engine::Sqlite, Some(([127, 0, 0, 1], orders).into())).await;
    lab.plan("Hour", Terms::hotspot(Span::hours(1))).await;
    let (code, grant) = lab.voucher("Hour").await;
    let cable = Cable::lay();
    let switch = hostapd(&lab, &cable, orders);
    switch.until_it_says(&lab, "AP-ENABLED").await;
    let network = block("PEAP", "MSCHAPV2", &code, &code);
    let plugged = device(&lab, &cable, &network);
    plugged.until_it_says(&lab, "CTRL-EVENT-EAP-SUCCESS").await;
    plugged.until_it_says(&lab, "CTRL-EVENT-CONNECTED").await;
    lab.until("it is seen online", async || lab.grant(grant).await.grant.presence.devices() == 1)
        .await;
    assert_eq!(lab.grant(grant).await.grant.state.word(), "active");

    let (asked, now) = ((lab.tenant, grant), lab.app.clock().now());
    act_on_grant(&lab.app, asked, Action::End, None, &By::cli(), now).await.unwrap().unwrap();
    lab.until("the cut is confirmed", async || !lab.cuts(grant).await.is_empty()).await;
    let cut = &lab.cuts(grant).await[0];
    assert_eq!((cut.sessions_ended, cut.router), (1, lab.router), "{}", switch.log());
    switch.until_it_says(&lab, "AP-STA-DISCONNECTED").await;
    // It knocks again and stays outside.
    drop(plugged);
    let plugged = device(&lab, &cable, &network);
    plugged.until_it_says(&lab, "CTRL-EVENT-EAP-FAILURE").await;
    assert_eq!(lab.grant(grant).await.grant.presence.devices(), 0);
}
