//! The program as people and cron start it: the real binary, a data directory of its own, what it
//! prints and how it exits.

use lango_router_sim::{RouterSim, Settings, SystemClock};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long something that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A data directory and the program that works on it.
pub(crate) struct Shop {
    directory: tempfile::TempDir,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Said {
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Said {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Said {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in {self:?}");
        }
        assert!(!self.err.contains("panicked"), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Shop {
    /// Nothing there yet.
    pub(crate) fn empty() -> Shop {
        Shop { directory: tempfile::tempdir().unwrap() }
    }

    /// A business with one plan of an hour.
    pub(crate) fn open() -> Shop {
        let shop = Shop::empty();
        shop.lango(&INIT).ok();
        shop.lango(&["plan", "add", "1 hour", "--price", "20", "--time", "1h"]).ok();
        shop
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lango"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LANGO_") {
                command.env_remove(name);
            }
        }
        command.env("LANGO_DATA_DIR", self.path()).env("LANGO_ROUTER_CONNECT_TIMEOUT", "2s");
        for socket in ["LANGO_RADIUS_AUTHENTICATION", "LANGO_RADIUS_ACCOUNTING"] {
            command.env(socket, "127.0.0.1:0");
        }
        command.args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn lango(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn lango_with(&self, variable: &str, value: &str, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).env(variable, value).output().unwrap())
    }

    pub(crate) fn add_router(&self, name: &str, address: &str) {
        let login = ["--user", "lango", "--password", "secret"];
        self.lango(&[&["router", "add", name, address], login.as_slice()].concat()).ok();
    }

    /// A server on a free port; returns when it has said where it listens.
    pub(crate) fn serve(&self) -> Server {
        let mut command = self.command(&["serve", "--http", ":0"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Server { child, listeners: self.path().join("listeners.json") };
        until("the server listens", || server.listeners.exists());
        server
    }
}

pub(crate) const INIT: [&str; 7] =
    ["init", "--business", "Hotel ABC", "--email", "o@abc.example", "--password", "long enough"];

pub(crate) struct Server {
    child: Child,
    listeners: PathBuf,
}

impl Server {
    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        let said = std::fs::read_to_string(&self.listeners).unwrap();
        let said: Value = serde_json::from_str(&said).unwrap();
        format!("http://{}", said["http"].as_str().unwrap())
    }

    /// As systemd stops it.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Stopped already, if the story went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
pub(crate) fn until(what: &str, happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < PATIENCE, "it never happened that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0
}

#[test]
fn nothing_there_is_said_with_what_to_do_and_nothing_is_made() {
    let shop = Shop::empty();
    for command in [["check"].as_slice(), &["serve"], &["plan", "list"], &["expire", "--once"]] {
        let code = if command == ["check"] { 2 } else { 1 };
        shop.lango(command).fails(code, &["there is no database at sqlite:", "run `lango init`"]);
    }
    assert!(!shop.path().exists());
}

#[test]
fn a_shop_opens_and_sells() {
    let shop = Shop::empty();
    let founded = shop.lango(&INIT).ok();
    assert!(founded.out.contains("API token, shown only now: lango_"), "{founded:?}");
    assert!(is_private(&shop.path()) && is_private(&shop.path().join("secret.key")));

    shop.lango(&["plan", "add", "1 hour", "--price", "20", "--time", "1h"]).ok();
    let plans = shop.lango(&["plan", "list", "--json"]).ok().json();
    assert_eq!(plans[0]["name"], "1 hour");
    assert_eq!(plans[0]["price"], serde_json::json!({ "amount": 2000, "currency": "KES" }));

    let printed = shop.lango(&["voucher", "create", "--plan", "1 hour", "--count", "3"]).ok();
    assert_eq!(printed.out.lines().count(), 3);
    assert!(printed.out.lines().all(|code| code.len() == 9 && code.as_bytes()[4] == b'-'));
    let listed = shop.lango(&["voucher", "list", "--json"]).ok();
    assert_eq!(listed.json().as_array().unwrap().len(), 3);
    let code = printed.out.lines().next().unwrap();
    assert!(!listed.out.contains(code), "codes are shown once");

    shop.lango(&["customer", "add", "Ann", "--phone", "0712 345 678"]).ok();
    let customers = shop.lango(&["customer", "list", "--json"]).ok().json();
    assert_eq!(customers[0]["phone"], "+254712345678");

    let order = ["service", "add", "--plan", "1 hour", "--pppoe", "ann", "--customer"];
    shop.lango(&[order.as_slice(), &["0712345678", "--password", "x"]].concat()).ok();
    let services = shop.lango(&["service", "list", "--json"]).ok().json();
    assert_eq!(services[0]["label"], "ann");
    assert_eq!(services[0]["state"], "unused");
    let shown = shop.lango(&["customer", "show", "+254712345678"]).ok();
    assert!(shown.out.contains("PPPoE"), "{shown:?}");
}

#[test]
fn the_dialogue_asks_for_what_was_not_given() {
    let shop = Shop::empty();
    let mut command = shop.command(&["init", "--email", "o@abc.example"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"Hotel ABC\nTZ\nlong enough\n").unwrap();
    let said = Said::of(child.wait_with_output().unwrap()).ok();
    assert!(said.err.contains("Name of the business: Country (KE, TZ, UG, RW) [KE]: "), "{said:?}");
    shop.lango(&["plan", "add", "Day", "--price", "1000", "--time", "1d"]).ok();
    let plans = shop.lango(&["plan", "list"]).ok();
    assert!(plans.out.contains("TZS 1000"), "{plans:?}");

    let unanswered = Shop::empty().lango(&["init"]);
    unanswered.fails(1, &["the dialogue ended", "give --business NAME"]);
}

#[test]
fn bad_input_gets_one_clear_error() {
    let shop = Shop::open();
    let fails = |arguments: &[&str], words: &[&str]| {
        let said = shop.lango(arguments).fails(1, words);
        assert_eq!(said.err.lines().count(), 1, "{said:?}");
    };
    fails(&["plan", "add", "1 hour", "--price", "20", "--time", "1h"], &["choose another name"]);
    fails(&["plan", "add", "Ever", "--price", "20"], &["would never end", "--time"]);
    fails(&["plan", "add", "Dear", "--price", "lots", "--time", "1h"], &["not an amount of KES"]);
    fails(&["voucher", "create", "--plan", "2 hours"], &["no plan `2 hours`", "lango plan list"]);
    fails(&["customer", "add", "Ann", "--phone", "12"], &["not a phone number of Kenya"]);
    fails(&["service", "add", "--plan", "1 hour", "--pppoe", "a b"], &["cannot be a user name"]);
    fails(&["service", "pause", "ann"], &["nobody is known as `ann`"]);
    fails(&["router", "test", "R9"], &["no router `R9`", "lango router list"]);
    fails(&["restore", "/nowhere/backup"], &["there is no backup /nowhere/backup"]);
    fails(&["plan", "list", "--tenant", "Hotel X"], &["no business `Hotel X`", "Hotel ABC"]);

    for usage in [
        ["plan", "add", "P", "--price", "1", "--time", "soon"].as_slice(),
        &["router", "add", "R", "ftp://x", "--user", "u"],
        &["expire"],
        &["expire", "--once", "--interval", "30"],
        &["voucher", "create", "--plan", "P", "--count", "0"],
        &["service", "add", "--plan", "P", "--pppoe", "a", "--ip", "10.0.0.1"],
    ] {
        shop.lango(usage).fails(2, &["error:"]);
    }
}

#[test]
fn several_businesses_are_never_confused() {
    let shop = Shop::open();
    let again = shop.lango(&INIT);
    again.fails(1, &["there is a business `Hotel ABC` here already"]);
    let mut other = INIT;
    other[2] = "Cafe";
    let added = shop.lango(&other).ok();
    assert!(added.err.contains("another is added"), "{added:?}");
    shop.lango(&["plan", "list"]).fails(1, &["say which with --tenant: Hotel ABC, Cafe"]);
    let plans = shop.lango(&["plan", "list", "--json", "--tenant", "cafe"]).ok();
    assert_eq!(plans.json(), serde_json::json!([]));
    let plans = shop.lango_with("LANGO_TENANT", "Hotel ABC", &["plan", "list", "--json"]).ok();
    assert_eq!(plans.json().as_array().unwrap().len(), 1);
}

#[test]
fn who_has_several_things_is_asked_which() {
    let shop = Shop::open();
    shop.lango(&["customer", "add", "Ann", "--phone", "0712345678"]).ok();
    for name in ["ann", "annie"] {
        let order = ["service", "add", "--plan", "1 hour", "--pppoe", name];
        shop.lango(&[order.as_slice(), &["--customer", "0712345678"]].concat()).ok();
    }
    let said = shop.lango(&["service", "terminate", "0712345678"]);
    let said = said.fails(1, &["can mean 2 things", "PPPoE ann (unused)", "PPPoE annie (unused)"]);
    let id = said.err.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    shop.lango(&["service", "terminate", id]).ok();
    // One of the two is over: now the number means the other.
    let left = shop.lango(&["service", "show", "0712345678", "--json"]).ok().json();
    assert_eq!(left["label"], "annie");
}

#[test]
fn vouchers_go_to_a_new_file_and_a_failed_order_leaves_none() {
    let shop = Shop::open();
    let csv = shop.directory.path().join("v.csv");
    let path = csv.to_str().unwrap();
    let order = |plan| ["voucher", "add", "--plan", plan, "--count", "2", "--csv", path];
    shop.lango(&order("none")).fails(1, &["no plan `none`"]);
    assert!(!csv.exists());
    let said = shop.lango(&order("1 hour")).ok();
    assert_eq!(said.out, "");
    let text = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(text.lines().next(), Some("code,plan,id"));
    assert_eq!(text.lines().count(), 3);
    assert!(is_private(&csv));
    shop.lango(&order("1 hour")).fails(1, &["exists", "another name for --csv"]);
    let vouchers = shop.lango(&["voucher", "list", "--json", "--state", "unused"]).ok().json();
    assert_eq!(vouchers.as_array().unwrap().len(), 2);
}

#[test]
fn a_table_is_taken_whole_or_not_at_all() {
    let shop = Shop::open();
    shop.lango(&["plan", "add", "Month", "--price", "2500", "--until", "months:1"]).ok();
    let file = shop.path().join("pppoe.csv");
    let name = file.to_str().unwrap();
    std::fs::write(&file, "kind,plan,login,password,phone,customer\npppoe,Mnth,ann,x,0711,Ann\n")
        .unwrap();
    let said = shop.lango(&["import", "csv", "services", name]);
    let said = said.fails(1, &["2 faults", "nothing was imported"]);
    assert!(said.out.contains("there is no plan `Mnth`: there are 1 hour, Month"), "{said:?}");
    std::fs::write(
        &file,
        "kind,plan,login,password,phone,customer\npppoe,Month,ann,x,0711000001,Ann\n",
    )
    .unwrap();
    let dry = shop.lango(&["import", "csv", "services", name, "--dry-run"]).ok();
    assert_eq!(dry.out, "Nothing is wrong. It would add 1 service, 1 customer.\n");
    assert_eq!(shop.lango(&["service", "list", "--json"]).ok().json(), serde_json::json!([]));
    let done = shop.lango(&["import", "csv", "services", name, "--json"]).ok();
    assert_eq!((&done.json()["grants"], &done.json()["customers"]), (&1.into(), &1.into()));
    shop.lango(&["customer", "show", "0711000001"]).ok();
    shop.lango(&["import", "csv", "customers", "/nowhere"]).fails(1, &["cannot read /nowhere"]);
}

#[test]
fn a_receipt_counts_once() {
    let shop = Shop::open();
    let plan = ["plan", "add", "Home", "--price", "2500", "--time", "30d", "--starts", "payment"];
    shop.lango(&plan).ok();
    for name in ["ann", "ben"] {
        shop.lango(&["service", "add", "--plan", "Home", "--pppoe", name]).ok();
    }
    let pay = |who| shop.lango(&["payment", "add", who, "--receipt", "C-1"]);
    let paid = pay("ann").ok();
    assert!(paid.out.starts_with("KES 2500 accepted. ann (PPPoE) is active until"), "{paid:?}");
    let again = pay("ann").ok();
    assert!(again.out.contains("recorded before: nothing changed"), "{again:?}");
    pay("ben").fails(1, &["receipt C-1 paid for g", "nothing changed"]);
    let receipts = shop.lango(&["payment", "list", "--json"]).ok().json();
    assert_eq!(receipts.as_array().unwrap().len(), 1);
    assert_eq!(receipts[0]["provider"], "cash");
}

#[test]
fn a_check_tells_health_from_trouble_from_blindness() {
    let shop = Shop::open();
    let bare = shop.lango(&["check"]);
    assert_eq!(bare.code, 1);
    assert!(bare.out.contains("Hotel ABC has no router: nobody can be connected or cut"));
    assert!(bare.out.contains("→ add one with `lango router add NAME ADDRESS"), "{bare:?}");
    let report = shop.lango(&["check", "--json"]);
    assert_eq!((report.code, &report.json()["health"]), (1, &Value::from("needs_attention")));
    std::fs::write(shop.path().join("secret.key"), "not a key").unwrap();
    shop.lango(&["check"]).fails(2, &["secret key", "damaged"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn routers_are_tested_compared_and_obeyed() {
    let sim = RouterSim::start(Settings::default(), Arc::new(SystemClock)).unwrap();
    let (shop, api) = (Shop::open(), sim.router().api_address().unwrap());
    shop.add_router("Router1", &format!("api://{api}"));

    let tested = shop.lango(&["router", "test", "Router1", "--json"]).ok().json();
    assert_eq!(tested["passed"], true);
    let steps: Vec<&str> = tested["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(
        steps,
        [
            "reach",
            "encryption",
            "login",
            "version",
            "permissions",
            "hotspot",
            "ppp",
            "address list",
            "scheduler",
            "clock",
            "group",
            "user",
            "service",
            "firewall",
            "ntp",
            "plain services",
            "hotspot address",
            "hotspot pool",
            "dhcp",
            "dhcp network",
            "hotspot login",
            "probes",
            "guard",
            "fasttrack",
            "dns"
        ]
    );

    let order =
        ["service", "add", "--plan", "1 hour", "--hotspot", "ann", "--password", "pw", "--paid"];
    shop.lango(&order).ok();
    let dry = shop.lango(&["sync", "--once", "--dry-run"]).ok();
    assert!(dry.out.contains("Router1: 1 difference (1 expected, 0 online)"), "{dry:?}");
    assert!(sim.router().matching("/ip/hotspot/user", &[("name", "ann")]).is_empty());
    let synced = shop.lango(&["sync", "--once"]).ok();
    assert!(synced.out.contains("0 cut, 1 connected, 0 failed"), "{synced:?}");
    assert_eq!(sim.router().matching("/ip/hotspot/user", &[("name", "ann")]).len(), 1);

    let ended = shop.lango(&["service", "terminate", "ann"]).ok();
    assert!(ended.out.contains("On the routers: confirmed by 1 router"), "{ended:?}");
    let user = sim.router().matching("/ip/hotspot/user", &[("name", "ann"), ("disabled", "true")]);
    assert_eq!(user.len(), 1);
    let idle = shop.lango(&["check"]);
    assert!(idle.code == 1 && idle.out.contains("nobody is at work"), "{idle:?}");
    shop.lango(&["expire", "--once"]).ok();
    let healthy = shop.lango(&["check"]).ok();
    assert!(healthy.out.contains("Healthy: nothing to do."), "{healthy:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_due_is_cut_and_a_dead_router_is_named() {
    let sim = RouterSim::start(Settings::default(), Arc::new(SystemClock)).unwrap();
    let (shop, api) = (Shop::open(), sim.router().api_address().unwrap());
    shop.add_router("Router1", &format!("api://{api}"));
    let plan = ["plan", "add", "Blink", "--price", "1", "--time", "1s", "--starts", "payment"];
    shop.lango(&plan).ok();
    let order = ["service", "add", "--plan", "Blink", "--hotspot", "ann", "--paid"];
    shop.lango(&order).ok();
    let mut cut = 0;
    let started = Instant::now();
    while cut == 0 && started.elapsed() < PATIENCE {
        let pass = shop.lango(&["expire", "--once", "--json"]).ok().json();
        cut = pass["cut"].as_u64().unwrap();
    }
    assert_eq!(cut, 1);
    let quiet = shop.lango(&["expire", "--once"]).ok();
    assert_eq!(quiet.out, "0 cut, 0 failed\n");

    // Nobody listens on the port of a router that has gone.
    let gone = sim.router().rest_address().unwrap();
    shop.add_router("Router2", &format!("api://{gone}"));
    sim.stop().await;
    let order = ["service", "add", "--plan", "Blink", "--hotspot", "ben", "--paid"];
    shop.lango(&order).ok();
    until("ben is due", || shop.lango(&["expire", "--once", "--json"]).json()["ended"] == 1);
    let failed = shop.lango(&["expire", "--once"]);
    let failed = failed.fails(1, &["Router2", "lango router test Router2", "ben is not confirmed"]);
    assert!(failed.out.contains("Router1: out of reach, Router2: out of reach"), "{failed:?}");
    let checked = shop.lango(&["check"]);
    assert_eq!(checked.code, 1);
    assert!(checked.out.contains("Expired and perhaps still connected"), "{checked:?}");
    shop.lango(&["sync", "--once", "--router", "Router2"]).fails(1, &["lango router test Router2"]);
    shop.lango(&["router", "test", "Router2"]).fails(1, &[]);
}

#[test]
fn one_server_at_a_time_says_where_it_listens_and_drains() {
    let shop = Shop::open();
    let server = shop.serve();
    let listeners = std::fs::read_to_string(shop.path().join("listeners.json")).unwrap();
    let listeners: Value = serde_json::from_str(&listeners).unwrap();
    let http: std::net::SocketAddr = listeners["http"].as_str().unwrap().parse().unwrap();
    assert_ne!(http.port(), 0);
    until("it answers", || std::net::TcpStream::connect(http).is_ok());

    let pid = format!("process {}", server.child.id());
    shop.lango(&["serve", "--http", ":0"]).fails(1, &[&pid, "stop that first"]);
    assert!(server.listeners.exists(), "the refused one leaves the file alone");
    let backup = shop.directory.path().join("b");
    shop.lango(&["backup", backup.to_str().unwrap()]).ok();
    shop.lango(&["restore", "--force", backup.to_str().unwrap()]).fails(1, &[&pid]);
    shop.lango(&["voucher", "create", "--plan", "1 hour"]).ok();

    let file = server.listeners.clone();
    assert_eq!(server.stop(), Some(0));
    assert!(!file.exists());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = shop.lango(&["serve", "--http", &address]);
    said.fails(1, &["cannot listen on", "choose another with --http"]);
}

#[test]
fn a_backup_comes_back_with_its_key_and_with_no_other() {
    let shop = Shop::open();
    let backup = shop.directory.path().join("lango.backup");
    let backup = backup.to_str().unwrap();
    let written = shop.lango(&["backup", backup]).ok();
    assert!(written.err.contains("The secret key is not in it"), "{written:?}");
    shop.lango(&["backup", backup]).fails(1, &["the file exists: choose another name"]);
    shop.lango(&["restore", backup]).fails(1, &["it holds a database", "force"]);
    shop.lango(&["plan", "add", "Later", "--price", "1", "--time", "1h"]).ok();
    shop.lango(&["restore", "--force", backup]).ok();
    let plans = shop.lango(&["plan", "list", "--json"]).ok().json();
    assert_eq!(plans.as_array().unwrap().len(), 1, "what came later is gone");

    let elsewhere = Shop::empty();
    elsewhere.lango(&["restore", backup]).fails(1, &["secret.key is missing", "put it back"]);
    assert!(!elsewhere.path().join("secret.key").exists(), "no key is made up beside old data");
    std::fs::copy(shop.path().join("secret.key"), elsewhere.path().join("secret.key")).unwrap();
    elsewhere.lango(&["plan", "list"]).ok();
    let other = "ab".repeat(32);
    let wrong = elsewhere.lango_with("LANGO_SECRET_KEY", &other, &["plan", "list"]);
    wrong.fails(1, &["the secret key in LANGO_SECRET_KEY is not the one that sealed"]);
    let rubbish = elsewhere.lango_with("LANGO_SECRET_KEY", "xyz", &["plan", "list"]);
    rubbish.fails(1, &["64 hexadecimal digits"]);
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let shop = Shop::open();
    let file = shop.path().join("lango.toml");
    std::fs::write(&file, "htpp = \"127.0.0.1:1\"\n").unwrap();
    let said = shop.lango(&["plan", "list"]);
    said.fails(1, &["lango.toml sets `htpp`", "did you mean `http`?"]);
    std::fs::write(&file, "http = 8080\n").unwrap();
    shop.lango(&["plan", "list"]).fails(1, &["lango.toml cannot be understood", "line 1"]);
    std::fs::remove_file(&file).unwrap();
    let said = shop.lango(&["plan", "list", "--config", "/nowhere/lango.toml"]);
    said.fails(1, &["cannot read the settings in /nowhere/lango.toml"]);
    let said = shop.lango_with("LANGO_HTTP", "eighty", &["serve"]);
    said.fails(1, &["LANGO_HTTP: `eighty` is not an address to listen on"]);
    let said = shop.lango(&["plan", "list", "--database-url", "mysql://x"]);
    said.fails(1, &["--database-url does not name a database", "sqlite: or postgres://"]);
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    use lango_store::migrations::{Migration, migrate};
    const KNOWN: &[Migration] = lango_store::schema::MIGRATIONS;
    const LATER: Migration = Migration {
        number: KNOWN.len() as u32 + 1,
        name: "later",
        text: "CREATE TABLE later (id {id} PRIMARY KEY) {strict};",
    };
    let shop = Shop::open();
    let url = lango_store::DatabaseUrl::sqlite(shop.path().join("lango.db"));
    let store = lango_store::Store::open(&url, lango_store::Settings::default()).await.unwrap();
    let all: &[Migration] = Box::leak([KNOWN, &[LATER]].concat().into_boxed_slice());
    migrate(&store, all, 0).await.unwrap();
    store.close().await;
    let version = format!("schema version {}", LATER.number);
    let words = [version.as_str(), "start the newer program"];
    shop.lango(&["plan", "list"]).fails(1, &words);
    shop.lango(&["check"]).fails(2, &words);
}

#[test]
fn output_goes_where_it_belongs() {
    let shop = Shop::open();
    let codes = shop.lango(&["voucher", "create", "--plan", "1 hour", "--count", "2", "--json"]);
    assert_eq!(codes.ok().json().as_array().unwrap().len(), 2, "progress is not in the result");
    let plans = shop.lango(&["plan", "list"]).ok();
    assert!(!plans.out.contains('\x1b'), "no colours into a pipe");
    assert!(plans.out.starts_with("NAME"), "{plans:?}");

    // A reader that has seen enough is no error.
    let mut command = shop.command(&["plan", "list"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let said = Said::of(child.wait_with_output().unwrap()).ok();
    assert_eq!(said.err, "");
}

#[test]
fn install_shows_what_it_writes_and_replaces_only_its_own() {
    let shop = Shop::empty();
    shop.lango(&["install", "systemd", "--print"]).fails(1, &["lango init"]);
    let shop = Shop::open();
    let unit = shop.path().join("lango.service");
    let to = unit.to_str().unwrap();
    let shown = shop.lango(&["install", "systemd", "--print", "--to", to]).ok();
    assert!(!unit.exists(), "only shown");
    let data = std::fs::canonicalize(shop.path()).unwrap();
    let program = env!("CARGO_BIN_EXE_lango");
    let start = format!("ExecStart={program} --data-dir {} serve", data.display());
    assert!(shown.out.contains(&start), "{shown:?}");
    // What the routers hold is compared before anything is ended.
    let place = |words: &str| shown.out.find(words).unwrap_or_else(|| panic!("{words}: {shown:?}"));
    assert!(place("ExecStartPre=-") < place("ExecStart=/"));
    shop.lango(&["install", "systemd", "--to", to]).ok();
    assert_eq!(std::fs::read_to_string(&unit).unwrap().trim(), shown.out.trim());
    shop.lango(&["install", "systemd", "--user", "other", "--to", to]).ok();
    assert!(std::fs::read_to_string(&unit).unwrap().contains("User=other"));
    std::fs::write(&unit, "[Unit]\n").unwrap();
    shop.lango(&["install", "systemd", "--to", to]).fails(1, &["not ours", to]);
    shop.lango(&["install", "systemd", "--user", "a b", "--print"]).fails(1, &["user's name"]);
}

#[test]
fn what_is_set_comes_along_and_only_its_owner_reads_it() {
    let shop = Shop::open();
    let (unit, cron) = (shop.path().join("lango.service"), shop.path().join("cron"));
    let toml = shop.path().join("other.toml");
    std::fs::write(&toml, "log_json = true\n").unwrap();
    let url = "postgres://lango:s3cret%25@db.example/lango?sslmode=disable";
    let install = |kind: &str, to: &Path, more: &[&str]| {
        let to = ["--database-url", url, "install", kind, "--to", to.to_str().unwrap()];
        let mut command = shop.command(&[&to, more].concat());
        command.env("LANGO_HTTP", "[::]:8080").env("LANGO_SECRET_KEY", "5e".repeat(32));
        Said::of(command.env("LANGO_CONFIG", &toml).env("LANGO_TENANT", "x").output().unwrap())
    };
    let settings = std::fs::canonicalize(shop.path()).unwrap().join("lango.env");
    let printed = install("systemd", &unit, &["--print"]).ok();
    assert!(!settings.exists() && !unit.exists(), "only shown");
    let told = [printed, install("systemd", &unit, &[]).ok(), install("cron", &cron, &[]).ok()];
    let names = "LANGO_DATABASE_URL, LANGO_HTTP, LANGO_RADIUS_ACCOUNTING, \
                 LANGO_RADIUS_AUTHENTICATION, LANGO_ROUTER_CONNECT_TIMEOUT, LANGO_SECRET_KEY";
    for said in &told {
        assert!(!format!("{said:?}").contains("s3cret"), "{said:?}");
        assert!(!format!("{said:?}").contains("5e5e"), "{said:?}");
        assert!(said.err.contains(names), "{said:?}");
    }
    let (unit, cron) =
        (std::fs::read_to_string(unit).unwrap(), std::fs::read_to_string(cron).unwrap());
    assert!(unit.contains(&format!("EnvironmentFile={}\n", settings.display())), "{unit}");
    assert!(unit.contains(&format!(" --config {}", toml.canonicalize().unwrap().display())));
    assert_eq!(cron.matches(&format!("set -a; . {}; /", settings.display())).count(), 5, "{cron}");
    assert!(!unit.contains("s3cret") && !cron.contains("s3cret"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&settings.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // A shell reads it as it was set.
    let script = format!(". {}; printf %s \"$LANGO_DATABASE_URL\"", settings.display());
    let read = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(read.stdout).unwrap(), url);
    let quoted = ["--database-url", "postgres://lango:it's@db/lango", "install", "cron", "--print"];
    shop.lango(&quoted).fails(1, &["LANGO_DATABASE_URL", "lango.toml"]);
    // A link that somebody put there is not followed.
    let victim = shop.path().join("victim");
    std::fs::write(&victim, "theirs").unwrap();
    std::fs::remove_file(&settings).unwrap();
    std::os::unix::fs::symlink(&victim, &settings).unwrap();
    install("systemd", &shop.path().join("lango.service"), &[]).fails(1, &["not ours"]);
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "theirs");
}

#[test]
fn a_database_elsewhere_may_be_written() {
    let shop = Shop::open();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("other.db");
    std::fs::copy(shop.path().join("lango.db"), &file).unwrap();
    let mut command = shop.command(&["install", "systemd", "--print", "--json"]);
    command.current_dir(elsewhere.path()).env("LANGO_DATABASE_URL", "sqlite:other.db");
    let said = Said::of(command.output().unwrap()).ok().json();
    let directories = [shop.path(), elsewhere.path().to_owned()]
        .map(|path| path.canonicalize().unwrap().display().to_string())
        .join(" ");
    let text = said["text"].as_str().unwrap();
    assert!(text.contains(&format!("ReadWritePaths={directories}\n")), "{text}");
    let names = said["settings"]["variables"].as_array().unwrap();
    assert!(names.contains(&"LANGO_DATABASE_URL".into()), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_for_cron_runs() {
    let shop = Shop::open();
    let sim = RouterSim::start(Settings::default(), Arc::new(SystemClock)).unwrap();
    shop.add_router("Router1", &format!("api://{}", sim.router().api_address().unwrap()));
    let to = shop.path().join("cron");
    let to = ["install", "cron", "--json", "--to", to.to_str().unwrap()];
    let said = shop.lango(&to).ok().json();
    let text = said["text"].as_str().unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("--data-dir")).collect();
    assert_eq!(lines.len(), 5, "{text}");
    for line in lines {
        // Behind the five fields, or @reboot, and the user stands what the shell is given.
        let skip = if line.starts_with('@') { 2 } else { 6 };
        let command: Vec<&str> = line.split(' ').skip(skip).collect();
        let ran = Command::new("sh").args(["-c", &command.join(" ")]).env_clear().output().unwrap();
        assert!(ran.status.success(), "{line}: {ran:?}");
    }
}

#[test]
fn shells_and_readers_of_manuals_get_theirs() {
    let shop = Shop::empty();
    for shell in ["bash", "zsh", "fish"] {
        let said = shop.lango(&["completions", shell]).ok();
        assert!(said.out.contains("voucher") && said.out.contains("disconnect"), "{shell}");
    }
    let pages = shop.path().join("man");
    shop.lango(&["man", "--to", pages.to_str().unwrap()]).ok();
    let page = std::fs::read_to_string(pages.join("lango-voucher-create.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("csv"), "{page}");
    assert!(shop.lango(&["man"]).ok().out.contains(".TH lango"));
}
