//! The supplicant that others wrote logs in over RADIUS: both sides of our own tests share an
//! author, this one does not. It compares the keys of MS-MPPE-Recv-Key and MS-MPPE-Send-Key with
//! its own. `scripts/test-clients` installs it.

use super::site::{Made, NOW, account};
use lango_radius::dictionary::{FRAMED_MTU, STATE};
use lango_radius::eap::Message;
use lango_radius::{Code, Draft, Packet, Secret, VerifiedRequest};
use lango_server::radius::eap::{EapServer, Settings, Step};
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SECRET: &str = "sixteen octets!!";

/// What the supplicant said, and what the front refused in the meantime.
struct Login {
    said: String,
    accepted: Vec<String>,
    refused: Vec<String>,
}

impl Login {
    fn succeeded(&self) -> bool {
        self.said.trim_end().ends_with("SUCCESS")
    }

    /// The supplicant's keys are the NAS's.
    fn keys_match(&self) -> bool {
        self.said.contains("MPPE keys OK: 1  mismatch: 0")
    }
}

/// Lets the supplicant log in with this network block.
fn log_in(block: &str, between: usize) -> Login {
    log_in_at(&Made::new(between), block)
}

/// The same at a server with these certificates.
fn log_in_at(made: &Made, block: &str) -> Login {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tool = root.join("target/test-clients/eapol_test");
    assert!(tool.exists(), "run scripts/test-clients first: {} is missing", tool.display());

    let files = tempfile::tempdir().unwrap();
    let trusted = files.path().join("root.pem");
    std::fs::write(&trusted, &made.root).unwrap();
    let configuration = files.path().join("network");
    let trust = format!("ca_cert=\"{}\"", trusted.display());
    let network = format!("network={{\nkey_mgmt=WPA-EAP\n{trust}\n{block}\n}}\n");
    std::fs::write(&configuration, network).unwrap();

    let server = EapServer::new(&made.certificates(), Settings::default()).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let front = scope.spawn(|| Front::new(&server, &socket).serve(&is_over));
        let output = Command::new(tool)
            .arg("-c")
            .arg(&configuration)
            .args(["-a", "127.0.0.1", "-p", &port, "-s", SECRET, "-t", "20", "-r", "0"])
            .output();
        is_over.store(true, Ordering::Relaxed);
        let (accepted, refused) = front.join().unwrap();
        let said = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
        assert_eq!(server.under_way(), 0, "nothing is kept of a login that ended");
        Login { said, accepted, refused }
    })
}

/// As much of a RADIUS server as carries EAP.
struct Front<'a> {
    server: &'a EapServer,
    socket: &'a UdpSocket,
    secret: Secret,
    accepted: Vec<String>,
    refused: Vec<String>,
}

impl<'a> Front<'a> {
    fn new(server: &'a EapServer, socket: &'a UdpSocket) -> Front<'a> {
        let secret = Secret::new(SECRET).unwrap();
        Front { server, socket, secret, accepted: Vec::new(), refused: Vec::new() }
    }

    fn serve(mut self, is_over: &AtomicBool) -> (Vec<String>, Vec<String>) {
        self.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut datagram = [0; 4096];
        while !is_over.load(Ordering::Relaxed) {
            let Ok((length, from)) = self.socket.recv_from(&mut datagram) else {
                continue;
            };
            let packet = Packet::parse(&datagram[..length]).unwrap();
            let request = packet.verify_request(&self.secret).unwrap();
            let reply = self.reply(&request);
            assert!(reply.len() <= 1400, "replies are not cut in two on their way");
            self.socket.send_to(&reply, from).unwrap();
        }
        (self.accepted, self.refused)
    }

    fn reply(&mut self, request: &VerifiedRequest<'_>) -> Vec<u8> {
        let message = Message::of(request).unwrap();
        let mut step = match request.read(STATE) {
            Some(state) => self.server.go_on(state, message.octets(), NOW),
            None => self.server.start(message.octets(), request.read(FRAMED_MTU), NOW),
        };
        if let Step::NeedsAccount { conversation, user_name, outer_identity } = step {
            assert_eq!(outer_identity, "anonymous@isp");
            step = self.server.with_account(conversation, account(&user_name), NOW);
        }
        let draft = |code, eap: &[u8]| {
            let mut draft = Draft::reply(request, code).unwrap();
            draft.put_eap(eap).unwrap();
            draft
        };
        let draft = match step {
            Step::Challenge { state, eap } => {
                let mut challenge = draft(Code::AccessChallenge, &eap);
                challenge.put(STATE, state.octets()).unwrap();
                challenge
            }
            Step::Accept { user_name, keys, eap, .. } => {
                let mut accept = draft(Code::AccessAccept, &eap);
                keys.put_into(&mut accept, &self.secret, fastrand::u16(..)).unwrap();
                self.accepted.push(user_name);
                accept
            }
            Step::Reject { eap, why, .. } => {
                self.refused.push(why.to_string());
                draft(Code::AccessReject, &eap)
            }
            Step::NeedsAccount { .. } => unreachable!("an account is asked for once"),
        };
        draft.seal(&self.secret).into_octets()
    }
}

/// A network block for bob.
fn bob(method: &str, inner: &str, password: &str, more: &str) -> String {
    format!(
        "eap={method}\nidentity=\"bob\"\nanonymous_identity=\"anonymous@isp\"\n\
         password=\"{password}\"\nphase2=\"{inner}\"\n{more}"
    )
}

const METHODS: [(&str, &str); 4] = [
    ("PEAP", "auth=MSCHAPV2"),
    ("TTLS", "auth=PAP"),
    ("TTLS", "auth=MSCHAPV2"),
    ("TTLS", "auth=CHAP"),
];

#[test]
fn the_right_password_lets_the_supplicant_in_with_the_same_keys() {
    for (method, inner) in METHODS {
        for (version, phase1) in [("1.2", ""), ("1.3", "phase1=\"tls_disable_tlsv1_3=0\"")] {
            let login = log_in(&bob(method, inner, "correct horse", phase1), 0);
            let story = format!("{method} {inner} TLS {version}: {}", login.said);
            assert!(login.succeeded() && login.keys_match(), "{story}");
            assert_eq!(login.accepted, ["bob"], "{story}");
            assert!(story.contains(&format!("TLSv{version}")), "{story}");
        }
    }
}

#[test]
fn a_wrong_password_keeps_the_supplicant_out() {
    for (method, inner) in METHODS {
        let login = log_in(&bob(method, inner, "wrong horse", ""), 0);
        assert!(!login.succeeded(), "{method} {inner}: {}", login.said);
        assert_eq!(login.refused, ["the password is wrong"], "{method} {inner}: {}", login.said);
        assert!(login.accepted.is_empty());
    }
}

#[test]
fn long_chains_and_small_fragments_reach_the_supplicant() {
    for (method, inner) in METHODS {
        let login = log_in(&bob(method, inner, "correct horse", "fragment_size=120"), 5);
        assert!(login.succeeded() && login.keys_match(), "{method} {inner}: {}", login.said);
    }
}

#[test]
fn a_supplicant_that_does_not_trust_the_certificate_is_named_as_such() {
    // A later line wins: a root that signed nothing here.
    let files = tempfile::tempdir().unwrap();
    let other = files.path().join("other.pem");
    std::fs::write(&other, Made::new(0).root).unwrap();
    let distrust = format!("ca_cert=\"{}\"", other.display());
    let login = log_in(&bob("PEAP", "auth=MSCHAPV2", "correct horse", &distrust), 0);
    assert!(!login.succeeded(), "{}", login.said);
    assert!(login.refused[0].contains("UnknownCA"), "{:?}", login.refused);
}

#[test]
fn a_supplicant_set_to_a_method_without_a_tunnel_is_told_nothing_and_the_log_everything() {
    let login = log_in(&bob("MD5", "", "correct horse", ""), 0);
    assert!(!login.succeeded(), "{}", login.said);
    assert_eq!(login.refused, ["the device offers EAP MD5: set it to PEAP or TTLS"]);
}

#[test]
fn a_supplicant_with_a_certificate_needs_no_password() {
    let made = Made::with_eap_tls();
    let files = tempfile::tempdir().unwrap();
    let log_in = |signer: &Made, name: &str, version: &str| {
        let (certificate, key) = signer.sign_for(name);
        let write = |name: &str, pem: &str| {
            let file = files.path().join(name);
            std::fs::write(&file, pem).unwrap();
            file.display().to_string()
        };
        let (certificate, key) = (write("certificate.pem", &certificate), write("key.pem", &key));
        let block = format!(
            "eap=TLS\nidentity=\"anonymous@isp\"\nclient_cert=\"{certificate}\"\n\
             private_key=\"{key}\"\nphase1=\"tls_disable_tlsv1_3={version}\""
        );
        log_in_at(&made, &block)
    };
    for version in ["1", "0"] {
        let login = log_in(&made, "bob", version);
        assert!(login.succeeded() && login.keys_match(), "{}", login.said);
        assert_eq!(login.accepted, ["bob"]);
        let login = log_in(&made, "nobody", version);
        assert!(!login.succeeded() && login.accepted.is_empty(), "{}", login.said);
        let login = log_in(&Made::new(0), "bob", version);
        assert!(!login.succeeded() && login.accepted.is_empty(), "{}", login.said);
    }
}
