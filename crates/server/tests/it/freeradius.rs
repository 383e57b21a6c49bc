//! Beside a real FreeRADIUS: what Lango writes into its tables, it serves; what it writes, Lango
//! counts; and whoever must go, his NAS is told. Clients are `radclient`, of the same makers.

use crate::cli::{INIT, Shop};
use crate::harness::{Engine, Harness, hotspot};
use lango_domain::access::{Access, Secret};
use lango_domain::grant::{EndReason, Event, State, SuspendReason};
use lango_domain::ids::{GrantId, RouterId};
use lango_domain::plan::Terms;
use lango_domain::quantity::DataSize;
use lango_domain::time::Span;
use lango_radius::{Code, Draft, Packet, dictionary};
use lango_server::app::App;
use lango_server::clock::Clock;
use lango_server::operations::add_router::{
    NewRouter, RouterAddress, RouterLogin, RouterProtocol, RouterTls, add_router,
};
use lango_server::operations::asked::By;
use lango_server::operations::open_service::{ServiceOrder, open_service};
use lango_server::reconcile::freeradius::{FreeradiusPass, create_tables, pass};
use lango_store::secrets::SecretKey;
use lango_store::testing::TestDatabase;
use lango_store::{Sql, Tx, args, sql};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SECRET: &str = "what the NAS and FreeRADIUS share";

// --- the place --------------------------------------------------------------------------------

/// A shop whose customers log in at a FreeRADIUS.
struct Place {
    harness: Harness,
    radius: Option<FreeRadius>,
    /// An address that no other test has, where a NAS of ours may listen.
    nas: Ipv4Addr,
    port: u16,
}

impl Place {
    /// The tables are there; FreeRADIUS is not started yet.
    async fn new() -> Place {
        // FreeRADIUS looks at its own clock.
        let harness = Harness::at(Engine::Postgres, Clock::system().now()).await;
        create_tables(&harness.app).await.unwrap();
        let nas = Ipv4Addr::new(127, 77, fastrand::u8(..), fastrand::u8(1..255));
        let place = Place { harness, radius: None, nas, port: free_port() };
        const CLIENT: Sql = sql!(
            "INSERT INTO radius.nas (nasname, shortname, secret) VALUES ('127.0.0.0/8', 'all', $1)"
        );
        place.run(CLIENT, vec![SECRET.to_owned()]).await;
        place
    }

    /// With the rights that Lango prints, and no others.
    async fn start(&mut self) {
        const ROLE: Sql = sql!(
            "DO $$ BEGIN CREATE ROLE radius LOGIN; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        );
        self.run(ROLE, Vec::new()).await;
        let rights = lango_store::freeradius::RIGHTS.split(';').map(str::trim);
        // The search path of the role belongs to the whole server; the tests say it themselves.
        for postgres in rights.filter(|text| text.starts_with("GRANT")) {
            let at = "rights";
            self.run(Sql { sqlite: "", postgres, at }, Vec::new()).await;
        }
        self.radius = Some(FreeRadius::start(&database_of(&self.harness.app)).await);
    }

    async fn run(&self, sql: Sql, values: Vec<String>) {
        self.harness
            .app
            .store()
            .write(async move |tx: &mut Tx<'_>| {
                let values: Vec<_> = values.iter().map(lango_store::ToArg::to_arg).collect();
                tx.execute(sql, &values).await.map(drop)
            })
            .await
            .unwrap();
    }

    /// A router that Lango knows.
    async fn router(&self, protocol: RouterProtocol, address: Ipv4Addr) -> RouterId {
        let (host, tls) = (address.to_string(), RouterTls::Off);
        let login =
            RouterLogin { user: "lango".to_owned(), password: "sixteen letters!".to_owned() };
        let (tenant, name) = (self.harness.tenant, format!("Router {address}"));
        let address = RouterAddress { host, port: self.port, protocol, tls };
        let new = NewRouter { tenant, name, address, login };
        let (app, now) = (&self.harness.app, self.harness.now());
        add_router(app, new, &By::cli(), now).await.unwrap().id
    }

    async fn rename(&self, grant: GrantId, access: Access) {
        const ACCESS: Sql = sql!("UPDATE grants SET access = $1 WHERE id = $2");
        let sealed = self.harness.app.seal_access(grant, &access);
        let write =
            async move |tx: &mut Tx<'_>| tx.execute(ACCESS, &args![sealed, grant]).await.map(drop);
        self.harness.app.store().write(write).await.unwrap();
    }

    async fn number(&self, sql: Sql, value: &str) -> i64 {
        self.harness.app.store().one(sql, &args![value]).await.unwrap()
    }

    async fn pass(&self) -> FreeradiusPass {
        pass(&self.harness.app, self.port).await.unwrap()
    }

    /// Moves Lango's clock on and makes a pass.
    async fn pass_after(&self, span: Span) -> FreeradiusPass {
        self.harness.app.clock().set(self.harness.now() + span);
        self.pass().await
    }

    fn log_in(&self, name: &str, password: &str) -> Answer {
        self.log_in_by(SECRET, name, password)
    }

    fn log_in_by(&self, secret: &str, name: &str, password: &str) -> Answer {
        self.radius.as_ref().unwrap().log_in(secret, name, password)
    }

    /// A report of a session by the NAS.
    fn report(&self, name: &str, session: &str, status: &str, more: &[&str]) {
        let (nas, radius) = (self.nas, self.radius.as_ref().unwrap());
        let mut attributes = vec![
            format!("User-Name = '{name}'"),
            format!("Acct-Session-Id = '{session}'"),
            format!("Acct-Status-Type = {status}"),
            format!("NAS-IP-Address = {nas}"),
            "Framed-IP-Address = 10.5.50.7".to_owned(),
        ];
        attributes.extend(more.iter().map(|&one| one.to_owned()));
        let answer = radius.ask(radius.accounting, "acct", SECRET, &attributes);
        assert!(answer.text.contains("Accounting-Response"), "{answer:?}");
    }

    async fn used(&self, grant: GrantId) -> (Span, DataSize) {
        let meter = self.harness.grant(grant).await.grant.meter;
        (meter.uptime, meter.data)
    }
}

fn free_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The address of the test server with another database, as FreeRADIUS takes it.
fn database_of(app: &App) -> String {
    let shown = app.store().url().to_string();
    let database = shown.rsplit('/').next().unwrap();
    let (host, port) = postgres_server();
    format!("host={host} port={port} dbname={database} user=radius options='-c search_path=radius'")
}

fn postgres_server() -> (String, String) {
    let server = std::env::var("LANGO_TEST_POSTGRES").unwrap();
    let place = server.split('@').nth(1).unwrap().split('/').next().unwrap();
    let (host, port) = place.split_once(':').unwrap();
    (host.to_owned(), port.to_owned())
}

// --- FreeRADIUS ---------------------------------------------------------------------------------

struct FreeRadius {
    child: Child,
    directory: tempfile::TempDir,
    authentication: u16,
    accounting: u16,
}

/// What FreeRADIUS answered, as `radclient` prints it.
#[derive(Debug)]
struct Answer {
    text: String,
}

impl Answer {
    fn is_accept(&self) -> bool {
        self.text.contains("Received Access-Accept")
    }

    #[track_caller]
    fn accepted(self) -> Answer {
        assert!(self.is_accept(), "{}", self.text);
        self
    }

    #[track_caller]
    fn rejected(self) -> Answer {
        assert!(self.text.contains("Received Access-Reject"), "{}", self.text);
        self
    }

    /// The value of an attribute of the answer.
    fn value(&self, attribute: &str) -> Option<String> {
        let (_, received) = self.text.split_once("Received ")?;
        let values = received.lines().filter_map(|line| line.trim().split_once(" = "));
        let mut found = values.filter(|(name, _)| *name == attribute);
        found.next().map(|(_, value)| value.trim_matches('"').to_owned())
    }

    #[track_caller]
    fn number(&self, attribute: &str) -> i64 {
        let value = self.value(attribute);
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{}", self.text))
    }
}

impl FreeRadius {
    /// FreeRADIUS with its own queries and the modules of its shipped site that matter here.
    async fn start(database: &str) -> FreeRadius {
        let directory = tempfile::tempdir().unwrap();
        let (authentication, accounting) = (free_port(), free_port());
        let text = settings(directory.path(), database, authentication, accounting);
        std::fs::write(directory.path().join("radiusd.conf"), text).unwrap();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        // Not every user has this directory among those where programs are looked for.
        let installed = Path::new("/usr/sbin/freeradius");
        let program = if installed.exists() { installed } else { Path::new("freeradius") };
        let child = Command::new(program)
            .arg("-X")
            .arg("-d")
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("FreeRADIUS is installed: run scripts/test-clients");
        let mut radius = FreeRadius { child, directory, authentication, accounting };
        radius.until_ready().await;
        radius
    }

    async fn until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.log().contains("Ready to process requests") {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        let octets = std::fs::read(self.directory.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&octets).into_owned()
    }

    fn log_in(&self, secret: &str, name: &str, password: &str) -> Answer {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
        let attributes = [
            format!("User-Name = '{}'", quoted(name)),
            format!("User-Password = '{}'", quoted(password)),
            "Message-Authenticator = 0x00".to_owned(),
        ];
        self.ask(self.authentication, "auth", secret, &attributes)
    }

    fn ask(&self, port: u16, what: &str, secret: &str, attributes: &[String]) -> Answer {
        let mut client = Command::new("radclient")
            .args(["-x", "-t", "10", "-r", "2", &format!("127.0.0.1:{port}"), what, secret])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("radclient is installed: run scripts/test-clients");
        let mut input = client.stdin.take().unwrap();
        input.write_all(attributes.join("\n").as_bytes()).unwrap();
        drop(input);
        let output = client.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Answer { text }
    }
}

impl Drop for FreeRadius {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn of_clients(file: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-clients/freeradius");
    let path = target.join(file);
    assert!(path.exists(), "{} is missing: run scripts/test-clients", path.display());
    path.canonicalize().unwrap()
}

fn settings(directory: &Path, database: &str, authentication: u16, accounting: u16) -> String {
    let (directory, queries, policies) =
        (directory.display(), of_clients("queries.conf"), of_clients("accounting"));
    let (queries, policies) = (queries.display(), policies.display());
    format!(
        r#"
prefix = /usr
raddbdir = {directory}
logdir = {directory}
run_dir = {directory}
libdir = /usr/lib/freeradius
correct_escapes = true
proxy_requests = no
security {{
  reject_delay = 0
  allow_vulnerable_openssl = yes
}}
modules {{
  expr {{ safe_characters = "@abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_: /" }}
  pap {{ }}
  expiration {{ }}
  sql {{
    dialect = "postgresql"
    driver = "rlm_sql_postgresql"
    radius_db = "{database}"
    acct_table1 = "radacct"
    acct_table2 = "radacct"
    postauth_table = "radpostauth"
    authcheck_table = "radcheck"
    groupcheck_table = "radgroupcheck"
    authreply_table = "radreply"
    groupreply_table = "radgroupreply"
    usergroup_table = "radusergroup"
    client_table = "nas"
    read_clients = yes
    group_attribute = "SQL-Group"
    pool {{
      start = 1
      min = 1
      max = 4
      spare = 1
    }}
    $INCLUDE {queries}
  }}
}}
instantiate {{
  expr
}}
policy {{
  $INCLUDE {policies}
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
    sql
    expiration
    pap
  }}
  authenticate {{
    Auth-Type PAP {{
      pap
    }}
  }}
  preacct {{
    acct_unique
  }}
  accounting {{
    sql
  }}
  session {{
    sql
  }}
  post-auth {{
    update reply {{
      &Message-Authenticator := 0x00
    }}
    sql
    Post-Auth-Type REJECT {{
      sql
      update reply {{
        &Message-Authenticator := 0x00
      }}
    }}
  }}
}}
"#
    )
}

// --- a NAS that takes Disconnect-Requests -----------------------------------------------------------

/// Answers with that code and Error-Cause; counts what it was told.
async fn nas_that_says(
    place: &Place,
    code: Code,
    cause: Option<u32>,
) -> (Arc<Mutex<Vec<String>>>, tokio::task::JoinHandle<()>) {
    let address = SocketAddr::new(place.nas.into(), place.port);
    let socket = tokio::net::UdpSocket::bind(address).await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let serving = tokio::spawn(async move {
        let secret = lango_radius::Secret::new(SECRET).unwrap();
        let mut datagram = [0; 4096];
        loop {
            let (length, from) = socket.recv_from(&mut datagram).await.unwrap();
            let request = Packet::parse(&datagram[..length]).unwrap();
            let request = request.verify_request(&secret).unwrap();
            let session = request.read(dictionary::ACCT_SESSION_ID).unwrap().to_owned();
            heard.lock().unwrap().push(session);
            let mut draft = Draft::reply(&request, code).unwrap();
            if let Some(cause) = cause {
                draft.put(dictionary::ERROR_CAUSE, cause).unwrap();
            }
            socket.send_to(draft.seal(&secret).octets(), from).await.unwrap();
        }
    });
    (told, serving)
}

// --- the stories ----------------------------------------------------------------------------------

fn monthly() -> Terms {
    let mut terms = Terms::service(Span::days(30));
    terms.speed = Some("2M/5M".parse().unwrap());
    terms.clock.data = Some(DataSize::bytes(5_000_000_000));
    terms.devices = NonZeroU16::new(2).unwrap();
    terms
}

fn account(name: &str, password: &str) -> Access {
    Access::Hotspot { name: name.to_owned(), password: Secret::new(password) }
}

const OPEN: Sql =
    sql!("SELECT COUNT(*) FROM radius.radacct WHERE username = $1 AND acctstoptime IS NULL");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_logs_in_by_what_lango_sold_him_and_is_turned_away_with_the_reason() {
    let mut place = Place::new().await;
    place.harness.plan("Monthly", monthly()).await;
    let ann = place.harness.service("Monthly", account("ann@abc.example", "correct horse")).await;
    let fixed = Access::Pppoe {
        name: "ben".to_owned(),
        password: Secret::new("pass"),
        address: Some(Ipv4Addr::new(10, 9, 0, 5)),
    };
    place.harness.service("Monthly", fixed).await;
    place.start().await;
    place.log_in("ann@abc.example", "correct horse").rejected();
    let first = place.pass().await;
    assert_eq!((first.kept.grants, first.kept.in_the_way.len()), (2, 0));

    let accept = place.log_in("ann@abc.example", "correct horse").accepted();
    assert_eq!(accept.value("Mikrotik-Rate-Limit").as_deref(), Some("2M/5M"));
    assert_eq!(accept.number("Mikrotik-Total-Limit"), 5_000_000_000 - (1 << 32));
    assert_eq!(accept.number("Mikrotik-Total-Limit-Gigawords"), 1);
    assert!((270..=330).contains(&accept.number("Acct-Interim-Interval")));
    let month = accept.number("Session-Timeout");
    // The end is rounded up to a whole second, so that nobody loses one.
    assert!((29 * 86_400..=30 * 86_400 + 1).contains(&month), "{month}");
    assert_eq!(accept.value("Tmp-String-8"), None, "the mark stays here");
    place.log_in("ann@abc.example", "wrong").rejected();
    let fixed = place.log_in("ben", "pass").accepted();
    assert_eq!(fixed.value("Framed-IP-Address").as_deref(), Some("10.9.0.5"));

    let again = place.pass().await;
    assert_eq!((again.kept.written, again.read.news), (0, 0), "twice changes nothing");
    assert_eq!((again.answers.accepted, again.answers.rejected), (2, 2));

    place.harness.pay(ann).await;
    place.pass().await;
    let renewed = place.log_in("ann@abc.example", "correct horse").accepted();
    assert!(renewed.number("Session-Timeout") > 59 * 86_400);
    assert_eq!(renewed.number("Mikrotik-Total-Limit-Gigawords"), 2, "10 GB now");

    place.harness.tell(ann, Event::Suspend(SuspendReason::Overdue)).await;
    place.pass().await;
    let reject = place.log_in("ann@abc.example", "correct horse").rejected();
    assert_eq!(
        reject.value("Reply-Message").as_deref(),
        Some("Your bill is overdue. Pay to go on.")
    );
    place.harness.tell(ann, Event::Resume).await;
    place.pass().await;
    place.log_in("ann@abc.example", "correct horse").accepted();

    place.pass_after(Span::days(61)).await;
    assert_eq!(place.harness.ended(ann).await, Some(EndReason::TimeUp));
    let reject = place.log_in("ann@abc.example", "correct horse").rejected();
    let sentence = reject.value("Reply-Message").unwrap();
    assert_eq!(sentence, "Your time is over. Buy more to go on.");
    let forgotten = place.pass_after(Span::days(40)).await;
    assert!(forgotten.kept.written > 0);
    let reject = place.log_in("ann@abc.example", "correct horse").rejected();
    assert_eq!(reject.value("Reply-Message"), None, "long over, so forgotten");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_login_starts_the_clock_of_a_voucher_also_when_it_was_short() {
    let mut place = Place::new().await;
    place.harness.plan("1 hour", Terms::hotspot(Span::hours(1))).await;
    let (long, code) = place.harness.voucher("1 hour", None).await;
    let (short, short_code) = place.harness.voucher("1 hour", None).await;
    place.pass().await;
    place.start().await;
    let accept = place.log_in(&code, &code).accepted();
    assert_eq!(accept.number("Session-Timeout"), 3600, "no session outlasts the hour");
    place.pass_after(Span::minutes(1)).await;
    let unused = place.harness.grant(long).await.grant.state;
    assert!(matches!(unused, State::Unused { .. }), "a login alone is no session: {unused:?}");

    place.report(&code, "long", "Start", &[]);
    place.report(&short_code, "short", "Start", &[]);
    let octets = ["Acct-Session-Time = 7", "Acct-Input-Octets = 100", "Acct-Output-Octets = 50"];
    place.report(&short_code, "short", "Stop", &octets);
    let pass = place.pass_after(Span::minutes(1)).await;
    assert_eq!(pass.read.news, 2);
    for grant in [long, short] {
        let state = place.harness.grant(grant).await.grant.state;
        let State::Active(window) = state else { panic!("{state:?}") };
        assert_eq!(window.ends_at, Some(window.started + Span::hours(1)));
        assert!(window.started < place.harness.now(), "the login counts, not our hearing of it");
    }
    assert_eq!(place.harness.grant(long).await.grant.presence.devices(), 1);
    assert_eq!(place.harness.grant(short).await.grant.presence.devices(), 0);
    assert_eq!(place.used(short).await, (Span::seconds(7), DataSize::bytes(150)));
    let accept = place.log_in(&short_code, &short_code).accepted();
    let left = accept.number("Session-Timeout");
    assert!((3_400..=3_601).contains(&left), "it runs now: {left}");
    place.log_in(&code, &code).rejected();

    place.pass_after(Span::hours(1)).await;
    assert_eq!(place.harness.ended(short).await, Some(EndReason::TimeUp));
    place.log_in(&short_code, &short_code).rejected();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_used_is_counted_once_whatever_freeradius_makes_of_the_reports() {
    let mut place = Place::new().await;
    place.harness.plan("Monthly", monthly()).await;
    let ann = place.harness.service("Monthly", hotspot("ann")).await;
    place.pass().await;
    place.start().await;
    place.report("ann", "1", "Start", &[]);
    let newer = [
        "Acct-Session-Time = 600",
        "Acct-Input-Octets = 1000",
        "Acct-Output-Octets = 705032704",
        "Acct-Output-Gigawords = 0",
    ];
    place.report("ann", "1", "Interim-Update", &newer);
    place.pass_after(Span::minutes(10)).await;
    let used = (Span::seconds(600), DataSize::bytes(705_033_704));
    assert_eq!(place.used(ann).await, used);

    let older = ["Acct-Session-Time = 300", "Acct-Input-Octets = 500", "Acct-Output-Octets = 7"];
    place.report("ann", "1", "Interim-Update", &older);
    place.pass_after(Span::minutes(1)).await;
    assert_eq!(place.used(ann).await, used, "an older report takes nothing back");

    // The program starts again, on the same database.
    let (store, key) = (place.harness.app.store().clone(), SecretKey::from_bytes(&[7; 32]));
    let restarted = App::new(store, Clock::manual(place.harness.now()), key);
    let passes = tokio::join!(pass(&restarted, place.port), place.pass());
    passes.0.unwrap();
    assert_eq!(place.used(ann).await, used);

    place.report("ann", "1", "Stop", &[]);
    place.pass_after(Span::minutes(1)).await;
    assert_eq!(place.used(ann).await.1, used.1, "a stop without counters takes nothing back");
    assert_eq!(place.harness.grant(ann).await.grant.presence.devices(), 0);

    place.report("ann", "2", "Start", &[]);
    let rest = ["Acct-Session-Time = 60", "Acct-Output-Octets = 1", "Acct-Output-Gigawords = 1"];
    place.report("ann", "2", "Interim-Update", &rest);
    let pass = place.pass_after(Span::minutes(1)).await;
    assert_eq!(place.harness.ended(ann).await, Some(EndReason::DataUsedUp), "{pass:?}");
    assert_eq!(place.number(OPEN, "ann").await, 1);
    let sentence = place.log_in("ann", "ann").rejected().value("Reply-Message").unwrap();
    assert_eq!(sentence, "Your data is used up. Buy more to go on.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_must_go_is_ended_at_his_nas_and_called_off_when_that_says_so() {
    let mut place = Place::new().await;
    place.harness.plan("Monthly", monthly()).await;
    let ann = place.harness.service("Monthly", hotspot("ann")).await;
    let ben = place.harness.service("Monthly", hotspot("ben")).await;
    place.pass().await;
    place.start().await;
    place.report("ann", "81a00001", "Start", &[]);
    place.report("ben", "81a00002", "Start", &[]);
    place.pass_after(Span::minutes(1)).await;
    assert_eq!(place.harness.grant(ann).await.grant.presence.devices(), 1);

    place.harness.tell(ann, Event::Terminate).await;
    let silent = place.pass().await;
    assert!(!silent.is_done() && !silent.disconnects[0].confirmed, "{silent:?}");

    let (told, serving) = nas_that_says(&place, Code::DisconnectAck, None).await;
    let pass = place.pass().await;
    assert!(pass.is_done() && pass.disconnects.len() == 1, "{pass:?}");
    assert_eq!(*told.lock().unwrap(), ["81a00001"], "ben has paid");
    assert_eq!(place.harness.grant(ann).await.grant.presence.devices(), 0);
    assert_eq!(place.number(OPEN, "ann").await, 1, "the NAS will report the stop by itself");
    assert_eq!(place.pass().await.disconnects.len(), 0, "told once");
    let account = place.harness.story_of(ann).await;
    assert_eq!(account.iter().filter(|line| line.what == "disconnected").count(), 1);
    serving.abort();
    let _ = serving.await;

    let (told, _serving) = nas_that_says(&place, Code::DisconnectNak, Some(503)).await;
    place.harness.tell(ben, Event::Suspend(SuspendReason::Staff)).await;
    let pass = place.pass().await;
    assert!(pass.is_done(), "{pass:?}");
    assert_eq!(*told.lock().unwrap(), ["81a00002"]);
    assert_eq!(place.number(OPEN, "ben").await, 0, "a lost stop would count as a device for ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_names_break_nothing_and_rows_of_others_stay() {
    const THEIRS: Sql = sql!(
        "INSERT INTO radius.radcheck (username, attribute, op, value) \
         VALUES ($1, 'Cleartext-Password', ':=', 'theirs')"
    );
    const OF_OPERATOR: Sql = sql!(
        "INSERT INTO radius.radreply (username, attribute, op, value) \
         VALUES ($1, 'Filter-Id', '=', 'vip')"
    );
    const ROWS: Sql = sql!(
        "SELECT COUNT(*) FROM radius.radcheck WHERE username = $1 \
         AND attribute = 'Cleartext-Password' AND value = 'theirs'"
    );
    let mut place = Place::new().await;
    place.harness.plan("Monthly", monthly()).await;
    place.run(THEIRS, vec!["carl".to_owned()]).await;
    place.run(THEIRS, vec!["stranger".to_owned()]).await;
    let hostile = ["o'neil", "'; DROP TABLE radius.radcheck; --", "`id`", "%{sql:SELECT 1}", "a b"];
    for (number, name) in hostile.iter().enumerate() {
        // The shop takes no such name; another system's data might bring one along.
        let grant = place.harness.service("Monthly", hotspot(&format!("new-{number}"))).await;
        place.rename(grant, hotspot(name)).await;
    }
    let bent = ["`touch /tmp/lango`", "'quoted'", "\"quoted\"", "back\\slash"];
    for (number, password) in bent.iter().enumerate() {
        let name = format!("bent-{number}");
        place.harness.service("Monthly", account(&name, password)).await;
    }
    let odd = ["it's", "50%{User-Name}", "a\"b`c", "ends with '", "pässwörd", "$5 & #1", "0x41"];
    for (number, password) in odd.iter().enumerate() {
        place.harness.service("Monthly", account(&format!("odd-{number}"), password)).await;
    }
    let dan = place.harness.service("Monthly", hotspot("dan")).await;
    place.harness.service("Monthly", hotspot("carl")).await;
    let pass = place.pass().await;
    assert_eq!(pass.kept.in_the_way.len(), 5 + 4 + 1, "{pass:?}");
    assert!(!pass.is_done());
    place.run(OF_OPERATOR, vec!["dan".to_owned()]).await;
    place.start().await;

    for (number, password) in odd.iter().enumerate() {
        let answer = place.log_in(&format!("odd-{number}"), password);
        assert!(answer.is_accept(), "{password:?}: {}", answer.text);
    }
    for name in hostile {
        place.log_in(name, name).rejected();
    }
    place.log_in("carl", "carl").rejected();
    place.log_in("carl", "theirs").accepted();
    assert_eq!(place.log_in("dan", "dan").accepted().value("Filter-Id").as_deref(), Some("vip"));
    place.harness.tell(dan, Event::Terminate).await;
    place.pass_after(Span::minutes(1)).await;
    place.log_in("dan", "dan").rejected();
    place.pass_after(Span::days(31)).await;
    for name in ["carl", "stranger"] {
        assert_eq!(place.number(ROWS, name).await, 1, "{name}");
    }
    const VIP: Sql = sql!("SELECT COUNT(*) FROM radius.radreply WHERE username = $1");
    assert_eq!(place.number(VIP, "dan").await, 1, "the operator's own row outlives ours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_at_once_write_every_row_once() {
    const DOUBLE: Sql = sql!(
        "SELECT COUNT(*) FROM (SELECT username, attribute FROM radius.radcheck \
         GROUP BY username, attribute HAVING COUNT(*) > 1) AS d WHERE $1 = ''"
    );
    let mut place = Place::new().await;
    place.harness.plan("Monthly", monthly()).await;
    for number in 0..20 {
        place.harness.service("Monthly", hotspot(&format!("user{number}"))).await;
    }
    let passes = tokio::join!(place.pass(), place.pass(), place.pass());
    let written = passes.0.kept.written + passes.1.kept.written + passes.2.kept.written;
    assert_eq!(place.number(DOUBLE, "").await, 0);
    assert_eq!(place.pass().await.kept.written, 0);
    assert!(written >= 20 * 4, "{written}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_asks_by_radius_is_a_nas_with_its_secret() {
    const OURS: Sql = sql!(
        "SELECT COUNT(*) FROM radius.nas WHERE nasname = $1 AND description LIKE 'lango:r%' \
         AND secret = 'sixteen letters!'"
    );
    let place = Place::new().await;
    let address = place.nas.to_string();
    let router = place.router(RouterProtocol::Radius, place.nas).await;
    assert_eq!(place.pass().await.kept.nases_written, 1);
    assert_eq!(place.pass().await.kept.nases_written, 0);
    assert_eq!(place.number(OURS, &address).await, 1);
    let now = place.harness.now();
    let removed = async move |tx: &mut Tx<'_>| lango_store::routers::remove(tx, router, now).await;
    place.harness.app.store().write(removed).await.unwrap();
    assert_eq!(place.pass().await.kept.nases_written, 1);
    assert_eq!(place.number(OURS, &address).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_good_at_one_router_is_good_nowhere_else() {
    let mut place = Place::new().await;
    place.harness.plan("Monthly", monthly()).await;
    let here = place.router(RouterProtocol::Radius, Ipv4Addr::LOCALHOST).await;
    let elsewhere = place.router(RouterProtocol::Radius, place.nas).await;
    let by_api = place.router(RouterProtocol::Api, Ipv4Addr::new(10, 0, 0, 1)).await;
    for (name, router) in [("ann", here), ("ben", elsewhere), ("carl", by_api)] {
        let order = ServiceOrder {
            tenant: place.harness.tenant,
            plan: "Monthly".to_owned(),
            access: hotspot(name),
            customer: None,
            router: Some(router),
            paid: true,
        };
        let (app, now) = (&place.harness.app, place.harness.now());
        open_service(app, order, &By::cli(), now).await.unwrap();
    }
    place.pass().await;
    place.start().await;
    place.log_in_by("sixteen letters!", "ann", "ann").accepted();
    place.log_in_by("sixteen letters!", "ben", "ben").rejected();
    place.log_in_by("sixteen letters!", "carl", "carl").rejected();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lango_reads_by_itself_is_not_counted_again() {
    let mut place = Place::new().await;
    place.harness.plan("Monthly", monthly()).await;
    let ann = place.harness.service("Monthly", hotspot("ann")).await;
    place.router(RouterProtocol::Api, place.nas).await;
    assert_eq!(place.pass().await.kept.nases_written, 0, "nobody asks from there");
    place.start().await;
    place.report("ann", "1", "Start", &[]);
    place.report("ann", "1", "Interim-Update", &["Acct-Session-Time = 60"]);
    let pass = place.pass_after(Span::minutes(1)).await;
    assert_eq!(pass.read.read_elsewhere, 1);
    assert_eq!(place.used(ann).await.0, Span::ZERO);
}

// --- the command ------------------------------------------------------------------------------------

const TABLES: [&str; 2] = ["radius", "freeradius-tables"];

#[test]
fn on_sqlite_the_command_says_what_it_needs() {
    let shop = Shop::open();
    shop.lango(&[&TABLES[..], &["--create", "--once"]].concat())
        .fails(1, &["need PostgreSQL", "LANGO_DATABASE_URL"]);
    let printed = shop.lango(&[&TABLES[..], &["--print"]].concat()).ok();
    for words in ["CREATE TABLE IF NOT EXISTS radius.radacct", "GRANT USAGE", "Message-Authent"] {
        assert!(printed.out.contains(words), "{words}: {}", printed.out);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_the_command_makes_the_tables_and_fills_them() {
    let database = TestDatabase::postgres(lango_store::schema::MIGRATIONS).await;
    let name = database.url().to_string().rsplit('/').next().unwrap().to_owned();
    let (host, port) = postgres_server();
    let url = format!("postgres://lango@{host}:{port}/{name}");
    let shop = Shop::empty();
    let lango = |arguments: &[&str]| shop.lango_with("LANGO_DATABASE_URL", &url, arguments);
    lango(&INIT).ok();
    lango(&["plan", "add", "1 hour", "--price", "20", "--time", "1h"]).ok();
    lango(&["voucher", "create", "--plan", "1 hour", "--count", "3"]).ok();
    let once = [&TABLES[..], &["--once", "--json"]].concat();
    lango(&once).fails(1, &["lacks", "radcheck", "--create"]);
    let made = lango(&[&once[..], &["--create"]].concat()).ok().json();
    assert_eq!(made["kept"]["grants"], 3);
    assert_eq!(made["kept"]["in_the_way"], serde_json::json!([]));
    assert_eq!(lango(&once).ok().json()["kept"]["written"], 0);
}
