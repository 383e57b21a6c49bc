//! FreeRADIUS, which other people wrote, lets this router's guests in, records its reports and
//! ends its sessions: both sides of our own stories share a codec, these do not. Debian's release
//! puts no Message-Authenticator into replies by itself, which is the trap of the field.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::radius_server::SECRET;
use crate::{Site, mac};

const SOON: Duration = Duration::from_secs(10);

struct FreeRadius {
    home: PathBuf,
    ports: [u16; 2],
    child: Child,
}

impl Drop for FreeRadius {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl FreeRadius {
    async fn open(story: &str, post_auth: &str) -> FreeRadius {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("freeradius-{story}"));
        let _ = std::fs::remove_dir_all(&home);
        std::fs::create_dir_all(&home).unwrap();
        let ports = free_ports();
        std::fs::write(home.join("radiusd.conf"), configuration(&home, ports, post_auth)).unwrap();
        std::fs::write(home.join("users"), USERS).unwrap();
        let child = Command::new("freeradius")
            .args(["-f", "-n", "radiusd", "-l"])
            .arg(home.join("log"))
            .arg("-d")
            .arg(&home)
            .spawn()
            .expect("FreeRADIUS is there: run scripts/test-clients");
        let server = FreeRadius { home, ports, child };
        server.said("log", &["Ready to process requests"]).await;
        server
    }

    fn site(&self) -> Site {
        let site = Site::open();
        let [authentication, accounting] = self.ports;
        let row = site.router.use_radius(Ipv4Addr::LOCALHOST, authentication, accounting, SECRET);
        site.router.set("/radius", &row.unwrap(), &[("timeout", "500ms")]).unwrap();
        site
    }

    /// The report that says all of this, once it is recorded.
    async fn recorded(&self, words: &[&str]) -> String {
        self.said("detail", words).await
    }

    /// The paragraph of a file that says all of this, once it is there.
    async fn said(&self, file: &str, words: &[&str]) -> String {
        for _ in 0..1_000 {
            let text = std::fs::read_to_string(self.home.join(file)).unwrap_or_default();
            let found = text.split("\n\n").find(|it| words.iter().all(|word| it.contains(word)));
            if let Some(found) = found {
                return found.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the {file} of FreeRADIUS did not say {words:?} within ten seconds");
    }
}

/// Two ports that were free a moment ago; both sockets are open until both are known.
fn free_ports() -> [u16; 2] {
    let sockets = [0, 0].map(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
    sockets.each_ref().map(|socket| socket.local_addr().unwrap().port())
}

const USERS: &str = "
amina Cleartext-Password := \"pw\"
\tSession-Timeout = 3600, Mikrotik-Rate-Limit = \"512k/2M\", Class = 0x00ff
house-7 Cleartext-Password := \"pw\"
\tFramed-IP-Address = 10.44.0.7
";

const SIGNED: &str = "
    update reply { &Message-Authenticator := 0x00 }
    Post-Auth-Type REJECT {
        update reply { &Message-Authenticator := 0x00 }
    }
";

fn configuration(home: &Path, [authentication, accounting]: [u16; 2], post_auth: &str) -> String {
    let home = home.display();
    let post_auth = post_auth.replace("{ &", "{\n&").replace("0x00 }", "0x00\n}");
    format!(
        "
prefix = /usr
libdir = /usr/lib/freeradius
logdir = {home}
run_dir = {home}
security {{
}}
modules {{
    pap {{ }}
    chap {{ }}
    mschap {{ use_mppe = yes }}
    files {{ filename = {home}/users }}
    detail {{ filename = {home}/detail }}
}}
client loopback {{
    ipaddr = 127.0.0.0/8
    secret = \"{SECRET}\"
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {authentication}
    }}
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = {accounting}
    }}
    authorize {{
        chap
        mschap
        files
        pap
    }}
    authenticate {{
        Auth-Type PAP {{
            pap
        }}
        Auth-Type CHAP {{
            chap
        }}
        Auth-Type MS-CHAP {{
            mschap
        }}
    }}
    post-auth {{
        {post_auth}
    }}
    accounting {{
        detail
    }}
}}
"
    )
}

/// What `radclient` prints when it gives this order.
async fn radclient(to: SocketAddr, order: &'static str, attributes: &'static str) -> String {
    let give = move || {
        let mut client = Command::new("radclient")
            .args(["-x", "-r", "1", "-t", "3", &to.to_string(), order, SECRET])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("radclient is there: run scripts/test-clients");
        client.stdin.take().unwrap().write_all(attributes.as_bytes()).unwrap();
        let said = client.wait_with_output().unwrap();
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    tokio::task::spawn_blocking(give).await.unwrap()
}

#[tokio::test]
async fn freeradius_lets_guests_and_clients_in_and_records_them() {
    let server = FreeRadius::open("lets-in", SIGNED).await;
    let site = server.site();
    let ip = site.router.join(mac(1));
    assert_eq!(
        site.router.sign_in(mac(1), "amina", "wrong").await,
        Err("invalid username or password".to_owned())
    );
    site.router.sign_in(mac(1), "amina", "pw").await.unwrap();
    assert_eq!(site.router.speed_limit(mac(1), ip), Some((512_000, 2_000_000)));
    site.router.press_logout(mac(1));
    site.router.sign_in_from_portal(mac(1), "amina", "pw").await.unwrap();
    site.router.transfer(mac(1), 1_000, 5_000_000_000);
    site.pass(3_600);
    site.router.tick();
    let stop = server.recorded(&["Acct-Status-Type = Stop", "Session-Timeout"]).await;
    assert!(stop.contains("Acct-Session-Time = 3600"), "{stop}");
    assert!(stop.contains("Acct-Output-Gigawords = 1"), "{stop}");
    assert!(stop.contains("Acct-Output-Octets = 705032704"), "{stop}");
    assert!(stop.contains("Class = 0x00ff"), "{stop}");

    site.router.dial(mac(7), "house-7", "pw");
    let router = &site.router;
    assert!(
        router.wait_for(SOON, |router| router.address_of(mac(7)).is_some()).await,
        "its MS-CHAP2-Success is right: {:?}",
        router.dial_error(mac(7))
    );
    assert_eq!(router.address_of(mac(7)).unwrap().to_string(), "10.44.0.7");
    server.recorded(&["Acct-Status-Type = Start", "house-7", "10.44.0.7"]).await;
    router.dial(mac(8), "house-7", "wrong");
    assert!(router.wait_for(SOON, |router| router.dial_error(mac(8)).is_some()).await);
    assert_eq!(router.address_of(mac(8)), None);
}

#[tokio::test]
async fn freeradius_as_debian_ships_it_looks_dead_to_a_current_routeros() {
    let server = FreeRadius::open("unsigned", "").await;
    let site = server.site();
    let values = [("timeout", "100ms")];
    let row = site.router.rows("/radius")[0].text(".id").unwrap().into_owned();
    site.router.set("/radius", &row, &values).unwrap();
    site.router.join(mac(1));
    assert_eq!(
        site.router.sign_in(mac(1), "amina", "pw").await,
        Err("RADIUS server is not responding".to_owned())
    );
    assert!(site.router.radius_counters().bad_replies > 0);
}

#[tokio::test]
async fn radclient_ends_and_changes_sessions() {
    let server = FreeRadius::open("orders", SIGNED).await;
    let site = server.site();
    let router = &site.router;
    let orders = router.accept_incoming(0).unwrap();
    router.dial(mac(7), "house-7", "pw");
    assert!(router.wait_for(SOON, |router| router.address_of(mac(7)).is_some()).await);
    let change = "User-Name = house-7, Mikrotik-Rate-Limit = \"1M/4M\"";
    let said = radclient(orders, "coa", change).await;
    assert!(said.contains("CoA-ACK"), "{said}");
    let ip = router.address_of(mac(7)).unwrap();
    assert_eq!(router.speed_limit(mac(7), ip), Some((1_000_000, 4_000_000)));
    let end = "User-Name = house-7, Acct-Session-Id = \"81000000\", Message-Authenticator = 0x00";
    let said = radclient(orders, "disconnect", end).await;
    assert!(said.contains("Disconnect-ACK"), "{said}");
    assert!(router.rows("/ppp/active").is_empty());
    let said = radclient(orders, "disconnect", end).await;
    assert!(said.contains("Disconnect-NAK") && said.contains("Error-Cause"), "{said}");
    server.recorded(&["Acct-Status-Type = Stop", "Admin-Reset", "house-7"]).await;
}
