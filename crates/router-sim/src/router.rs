//! Owns the handle: starting and stopping a simulated router, and reaching into its world. The
//! world sits behind a mutex that is never held across an await.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lango_radius::ErrorCause;
use lango_routeros::values::MacAddress;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::nas::{self, Net, Orders};
use crate::server::{Port, Speaks, serve, tls};
use crate::world::command::Query;
use crate::world::hotspot::Login;
use crate::world::radius::AUTHORIZING;
use crate::world::row::Wanted;
use crate::world::{
    Answer, Command, Fetched, Make, Opened, Page, Pasted, Permissions, PersonEvent, Row, Trap,
    Verdict, World,
};

/// How often a running router looks at the clock by itself.
const TICK: Duration = Duration::from_millis(50);

/// How long after a reboot told by a command NTP takes.
const NTP_AFTER: Duration = Duration::from_secs(60);

/// What to start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `/system/identity`.
    pub identity: String,
    /// As `/system/resource` shows it, such as `7.18.2 (stable)`. Decides the login (challenge
    /// before 6.43), the date format (7.10) and `!empty` (7.18).
    pub version: String,
    /// The board's name.
    pub board: String,
    /// Where to serve the binary API; port 0 picks one.
    pub api: Option<SocketAddr>,
    /// Where to serve the binary API with a self-signed certificate.
    pub api_tls: Option<SocketAddr>,
    /// Where to serve REST by plain HTTP.
    pub rest: Option<SocketAddr>,
    /// Where to serve REST with the same certificate.
    pub rest_tls: Option<SocketAddr>,
    /// Who may use the interfaces.
    pub users: Vec<Account>,
    /// Menus that this router does not have, such as `/ip/hotspot`.
    pub absent_menus: Vec<String>,
    /// How many hotspot sessions the licence allows.
    pub hotspot_sessions: Option<usize>,
    /// As it leaves the factory: no hotspot, no PPPoE server, no certificate, no NTP.
    pub blank: bool,
    /// The router's own address towards RADIUS: where its requests come from, what it calls
    /// itself, and where it takes orders. Routers on one machine need one each, such as
    /// 127.0.0.2, since a server tells them apart by it.
    pub address: Ipv4Addr,
    /// What it answers to a Disconnect-Request or CoA-Request for a session that it has not.
    /// RouterOS is known to say 406, against RFC 5176, which wants 503.
    pub missing_session: ErrorCause,
}

impl Settings {
    /// A router out of its box: nothing is configured, and `admin` has no password yet.
    pub fn fresh(version: &str) -> Settings {
        Settings {
            version: version.to_owned(),
            api_tls: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            rest_tls: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            users: vec![Account::new("admin", "", "full")],
            blank: true,
            ..Settings::default()
        }
    }
}

/// A user of the router itself.
#[derive(Debug, Clone)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Password.
    pub password: String,
    /// `full`, `write`, `read`, or a group added later.
    pub group: String,
}

impl Account {
    /// A user with this name, password and group.
    pub fn new(name: &str, password: &str, group: &str) -> Account {
        Account { name: name.to_owned(), password: password.to_owned(), group: group.to_owned() }
    }
}

impl Default for Settings {
    /// Binary API and REST on free loopback ports, one user `lango` with password `secret`.
    fn default() -> Settings {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Settings {
            identity: "MikroTik".to_owned(),
            version: "7.20.6 (stable)".to_owned(),
            board: "RB5009UG+S+".to_owned(),
            api: Some(loopback),
            api_tls: None,
            rest: Some(loopback),
            rest_tls: None,
            users: vec![Account::new("lango", "secret", "full")],
            absent_menus: Vec::new(),
            hotspot_sessions: None,
            blank: false,
            address: Ipv4Addr::LOCALHOST,
            missing_session: ErrorCause::UnsupportedExtension,
        }
    }
}

/// What a reboot is like.
#[derive(Debug, Clone, Copy)]
pub struct Reboot {
    /// How long after it the clock is right again; `None`: never, it stays in 1970.
    pub ntp_after: Option<Duration>,
}

/// A running router; it stops when dropped.
#[derive(Debug)]
pub struct RouterSim {
    router: Router,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A handle to a router; clones are the same router.
#[derive(Debug, Clone)]
pub struct Router {
    shared: Arc<Shared>,
}

struct Shared {
    world: Mutex<World>,
    clock: Arc<dyn Clock>,
    faults: Faults,
    watches: AtomicU64,
    changed: watch::Sender<u64>,
    /// What the world wants sent to RADIUS servers.
    orders: Orders,
    /// A socket bound ahead of the listener for orders from outside.
    incoming: Mutex<Option<UdpSocket>>,
    api: Option<SocketAddr>,
    api_tls: Option<SocketAddr>,
    fingerprint: Option<[u8; 32]>,
    rest: Option<SocketAddr>,
    rest_tls: Option<SocketAddr>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router")
            .field("api", &self.api)
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}

impl RouterSim {
    /// Starts a router. Must be called inside a tokio runtime.
    pub fn start(settings: Settings, clock: Arc<dyn Clock>) -> io::Result<RouterSim> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let secured = settings
            .api_tls
            .or(settings.rest_tls)
            .map(|_| tls::self_signed(&settings.identity))
            .transpose()?;
        let (acceptor, fingerprint) = secured.unzip();
        let bind = |address: Option<SocketAddr>| address.map(Port::bind).transpose();
        let (api, api_tls) = (bind(settings.api)?, bind(settings.api_tls)?);
        let (rest, rest_tls) = (bind(settings.rest)?, bind(settings.rest_tls)?);
        let address = |port: &Option<Port>| port.as_ref().map(|port| port.address);
        let now = clock.now_micros();
        let (orders, ordered) = nas::orders();
        let shared = Shared {
            world: Mutex::new(World::new(make(settings, fingerprint), now)),
            clock,
            faults: Faults::new(),
            watches: AtomicU64::new(1),
            changed: watch::Sender::new(0),
            orders,
            incoming: Mutex::new(None),
            api: address(&api),
            api_tls: address(&api_tls),
            fingerprint,
            rest: address(&rest),
            rest_tls: address(&rest_tls),
        };
        let router = Router { shared: Arc::new(shared) };
        let ports = [
            (api, Speaks::Api(None)),
            (api_tls, Speaks::Api(acceptor.clone())),
            (rest, Speaks::Rest(None)),
            (rest_tls, Speaks::Rest(acceptor)),
        ];
        for (port, speaks) in ports {
            if let Some(port) = port {
                tasks.spawn(serve(port, speaks, router.clone(), tasks.clone(), stop.clone()));
            }
        }
        tasks.spawn(keep_ticking(router.clone(), stop.clone()));
        nas::start(Net::new(router.clone(), tasks.clone(), stop.clone()), ordered);
        Ok(RouterSim { router, tasks, stop })
    }

    /// The handle.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Stops, and returns when every connection has ended.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for RouterSim {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Deref for RouterSim {
    type Target = Router;

    fn deref(&self) -> &Router {
        &self.router
    }
}

fn make(settings: Settings, fingerprint: Option<[u8; 32]>) -> Make {
    let fingerprint = fingerprint.unwrap_or_default();
    let users = settings.users.into_iter().map(|user| (user.name, user.password, user.group));
    Make {
        identity: settings.identity,
        version: settings.version,
        board: settings.board,
        users: users.collect(),
        absent: settings.absent_menus,
        hotspot_sessions: settings.hotspot_sessions,
        blank: settings.blank,
        fingerprint: fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
        address: settings.address,
        missing_session: settings.missing_session,
    }
}

/// What somebody knows who does not wait for RADIUS.
fn inside(outcome: Result<Login, String>) -> Result<(), String> {
    match outcome? {
        Login::In => Ok(()),
        Login::Asked(_) => Err(AUTHORIZING.to_owned()),
    }
}

async fn keep_ticking(router: Router, stop: CancellationToken) {
    let mut beat = tokio::time::interval(TICK);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = beat.tick() => router.tick(),
        }
    }
}

impl Router {
    /// Looks into the world as it is now.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let now = self.shared.clock.now_micros();
        // A panic elsewhere in a test must not hide behind a second one here.
        let mut world = self.shared.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance_to(now);
        let seen = look(&mut world);
        let changes = world.changes();
        // Under the lock only so that their order is kept; they are sent elsewhere.
        for order in world.radius.take_outbox() {
            self.shared.orders.give(order);
        }
        drop(world);
        self.shared.changed.send_if_modified(|known| {
            let changed = *known < changes;
            *known = changes.max(*known);
            changed
        });
        seen
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    pub(crate) fn bound_ahead(&self) -> &Mutex<Option<UdpSocket>> {
        &self.shared.incoming
    }

    pub(crate) fn next_watch(&self) -> u64 {
        self.shared.watches.fetch_add(1, Ordering::Relaxed)
    }

    /// Works off whatever has fallen due; everything else does this too before it looks.
    pub fn tick(&self) {
        self.with(|_| ());
    }

    /// Where the binary API is served.
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.shared.api
    }

    /// Where the binary API is served over TLS.
    pub fn api_tls_address(&self) -> Option<SocketAddr> {
        self.shared.api_tls
    }

    /// SHA-256 of the certificate shown there.
    pub fn api_tls_fingerprint(&self) -> Option<[u8; 32]> {
        self.shared.fingerprint
    }

    /// Where REST is served.
    pub fn rest_address(&self) -> Option<SocketAddr> {
        self.shared.rest
    }

    /// Where REST is served over TLS, with the same certificate.
    pub fn rest_tls_address(&self) -> Option<SocketAddr> {
        self.shared.rest_tls
    }

    /// What goes wrong between clients and this router.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Who comes online and goes offline from now on, as the router sees it. A receiver that is
    /// more than 16,384 events behind loses the oldest.
    pub fn subscribe(&self) -> broadcast::Receiver<PersonEvent> {
        self.with(|world| world.subscribe())
    }

    /// Waits until something is true of this router, looking again after every change of a row;
    /// `false` if it is not true within `patience` of real time.
    pub async fn wait_for(&self, patience: Duration, is_true: impl Fn(&Router) -> bool) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let until_true = async {
            loop {
                changed.mark_unchanged();
                if is_true(self) {
                    return;
                }
                // The sender lives as long as this handle.
                let _ = changed.changed().await;
            }
        };
        tokio::time::timeout(patience, until_true).await.is_ok()
    }

    // --- the question that counts -------------------------------------------------------------

    /// Whether anything of this machine reaches the internet now: a new connection, or one that
    /// was established before and that nothing stops. Changes nothing.
    pub fn can_browse(&self, mac: MacAddress, ip: Ipv4Addr) -> Verdict {
        self.with(|world| world.can_browse(mac, ip))
    }

    /// Whether a new connection of this machine reaches the internet now. Changes nothing.
    pub fn can_open(&self, mac: MacAddress, ip: Ipv4Addr) -> Verdict {
        self.with(|world| world.can_open(mac, ip))
    }

    /// Bits per second up and down that this machine may have; `None`: no limit.
    pub fn speed_limit(&self, mac: MacAddress, ip: Ipv4Addr) -> Option<(u64, u64)> {
        self.with(|world| world.speed(mac, ip))
    }

    // --- menus --------------------------------------------------------------------------------

    /// Every row of a menu as somebody with all policies sees it; empty for an unknown menu.
    pub fn rows(&self, menu: &str) -> Vec<Row> {
        self.matching(menu, &[])
    }

    /// The rows of a menu in which every named property has the given value.
    pub fn matching(&self, menu: &str, values: &[(&str, &str)]) -> Vec<Row> {
        let equal = |query: Query, (name, value): &(&str, &str)| {
            query.and(Query::equal(name, value.as_bytes()))
        };
        let query = values.iter().fold(Query::default(), equal);
        self.with(|world| {
            let Ok(spot) = world.spot(menu) else { return Vec::new() };
            let ids = world.matching(spot, &query);
            ids.into_iter().filter_map(|id| world.row(spot, id, &Wanted::All, true)).collect()
        })
    }

    /// Adds an item as an administrator at the console; returns its id.
    pub fn add(&self, menu: &str, values: &[(&str, &str)]) -> Result<String, Trap> {
        self.run(&format!("{menu}/add"), values).map(|(_, ret)| ret.unwrap_or_default())
    }

    /// Changes the item with this id or name (any for a menu of settings).
    pub fn set(&self, menu: &str, item: &str, values: &[(&str, &str)]) -> Result<(), Trap> {
        let values = [&[(".id", item)], values].concat();
        self.run(&format!("{menu}/set"), &values).map(drop)
    }

    /// Removes the item with this id or name.
    pub fn remove(&self, menu: &str, item: &str) -> Result<(), Trap> {
        self.run(&format!("{menu}/remove"), &[(".id", item)]).map(drop)
    }

    /// Runs any command with all policies: its rows and its `ret`.
    pub fn run(
        &self,
        path: &str,
        values: &[(&str, &str)],
    ) -> Result<(Vec<Row>, Option<String>), Trap> {
        let command = values
            .iter()
            .fold(Command::of(path), |command, (name, value)| command.with(name, *value));
        match self.with(|world| world.execute(&command, &Permissions::everything()))? {
            Answer::Rows(rows) => Ok((rows, None)),
            Answer::Value(value) => Ok((Vec::new(), Some(value))),
            Answer::Done | Answer::Quit => Ok((Vec::new(), None)),
            Answer::Reboot => {
                self.reboot_as_told();
                Ok((Vec::new(), None))
            }
        }
    }

    /// Pastes text into the router's terminal, as somebody with all policies: what came of each
    /// command.
    pub fn paste(&self, text: &str) -> Vec<Pasted> {
        self.with(|world| world.paste(text))
    }

    /// Runs a script with all policies; returns what it printed.
    pub fn script(&self, source: &str) -> Result<String, Trap> {
        self.with(|world| world.run_script(source, &Permissions::everything()))
    }

    // --- power and clock ----------------------------------------------------------------------

    /// Power off and on at once: every connection is reset, memory is forgotten, flash is kept
    /// (configuration, users' totals, hotspot cookies), the clock stands at 1970-01-02.
    pub fn reboot(&self, reboot: Reboot) {
        let after =
            reboot.ntp_after.map(|after| i64::try_from(after.as_micros()).unwrap_or(i64::MAX));
        self.with(|world| world.reboot(after));
        self.faults().reset_connections();
    }

    pub(crate) fn reboot_as_told(&self) {
        self.reboot(Reboot { ntp_after: Some(NTP_AFTER) });
    }

    /// Makes the router's own clock wrong by so many microseconds; 0 makes it right.
    pub fn skew_clock(&self, micros: i64) {
        self.with(|world| world.skew_wall(micros));
    }

    // --- people -------------------------------------------------------------------------------

    /// A machine joins the hotspot's network: it gets its address (the same as last time), its
    /// host row appears, and cookies log it in where the router allows that.
    pub fn join(&self, mac: MacAddress) -> Ipv4Addr {
        self.with(|world| world.join(mac))
    }

    /// A machine is simply there with an address of its own, such as a static-IP customer.
    pub fn use_address(&self, mac: MacAddress, ip: Ipv4Addr) {
        self.with(|world| world.attach(mac, ip));
    }

    /// The address that a machine has now, by PPP or otherwise.
    pub fn address_of(&self, mac: MacAddress) -> Option<Ipv4Addr> {
        self.with(|world| world.address_of(mac))
    }

    /// Types a name and a password into the router's login page; `Err` is the text that the page
    /// shows. The page hashes the password where `login-by` has `http-chap`. If RADIUS has to be
    /// asked, the text is `already authorizing, retry later`, and the answer is not waited for:
    /// see [`Router::sign_in`].
    pub fn login(&self, mac: MacAddress, user: &str, password: &str) -> Result<(), String> {
        inside(self.with(|world| world.type_in(mac, user, password, Page::Own)))
    }

    /// The same by the form of a portal elsewhere, which sends the plain password to the router:
    /// that needs `http-pap` or `https` in `login-by`.
    pub fn login_from_portal(
        &self,
        mac: MacAddress,
        user: &str,
        password: &str,
    ) -> Result<(), String> {
        inside(self.with(|world| world.type_in(mac, user, password, Page::Portal)))
    }

    /// Opens an address with a guest's browser: by plain HTTP, or with HTTPS, which the router
    /// never answers itself. One that is the router's own, such as a `link-login-only` with
    /// `username` and `password`, logs in; if RADIUS has to be asked, that is waited for.
    pub async fn open_page(&self, mac: MacAddress, url: &str) -> Fetched {
        let (login, dst) = match self.with(|world| world.open_page(mac, url)) {
            Opened::Done(fetched) => return fetched,
            Opened::LoggingIn { login, dst } => (login, dst),
        };
        let told = self.outcome(|_| login).await;
        self.with(|world| world.after_login(mac, &dst, &told))
    }

    /// Whether a guest reaches a host now: by his login, or by the walled garden.
    pub fn can_reach(&self, mac: MacAddress, host: &str) -> Verdict {
        self.with(|world| match world.address_of(mac) {
            Some(ip) => world.can_reach(mac, ip, host),
            None => Verdict::not_attached(),
        })
    }

    /// What DHCP tells a guest's machine, by the number of the option.
    pub fn dhcp_option(&self, mac: MacAddress, code: u8) -> Option<String> {
        self.with(|world| world.dhcp_option(world.address_of(mac)?, code))
    }

    /// Puts something where `/tool fetch` finds it.
    pub fn publish(&self, url: &str, text: &str) {
        self.with(|world| world.publish(url, text));
    }

    /// Presses the trial button of the login page.
    pub fn take_trial(&self, mac: MacAddress) -> Result<(), String> {
        inside(self.with(|world| world.take_trial(mac)))
    }

    /// Presses the log-out button.
    pub fn press_logout(&self, mac: MacAddress) {
        self.with(|world| world.press_logout(mac));
    }

    /// Downloads so many bytes at once if the router lets it; a browser sends its cookie first.
    pub fn surf(&self, mac: MacAddress, bytes: u64) -> Verdict {
        self.transfer(mac, 0, bytes)
    }

    /// Like `surf`, with both directions.
    pub fn transfer(&self, mac: MacAddress, upload: u64, download: u64) -> Verdict {
        self.with(|world| world.transfer(mac, upload, download))
    }

    /// From now on fetches steadily, in bytes per second; 0 and 0 is quiet again. A busy machine
    /// also presents its HTTP cookie by itself whenever it is thrown out.
    pub fn keep_busy(&self, mac: MacAddress, upload: u64, download: u64) {
        self.with(|world| world.keep_busy(mac, upload, download));
    }

    /// Begins a long download, which FastTrack takes if a rule says so. Returns the id of its row
    /// in `/ip/firewall/connection`, or why it could not begin.
    pub fn open_download(&self, mac: MacAddress) -> Result<String, Verdict> {
        self.with(|world| world.open_download(mac)).map(crate::world::row::id_text)
    }

    /// Walks out of reach without logging out.
    pub fn leave(&self, mac: MacAddress) {
        self.with(|world| world.leave(mac));
    }

    /// Comes back into reach, as `join`, and opens a page, so that an HTTP cookie counts too.
    pub fn come_back(&self, mac: MacAddress) -> Ipv4Addr {
        let ip = self.join(mac);
        self.transfer(mac, 0, 0);
        ip
    }

    /// Deletes the browser's cookies (the MAC cookie is the router's and stays).
    pub fn clear_browser(&self, mac: MacAddress) {
        self.with(|world| world.clear_browser(mac));
    }

    /// Switches a PPPoE client on: it dials now and again seconds after every failure or cut.
    pub fn dial(&self, mac: MacAddress, name: &str, password: &str) {
        self.with(|world| world.dial(mac, name, password));
    }

    /// Switches a PPPoE client off; the router is told.
    pub fn hang_up(&self, mac: MacAddress) {
        self.with(|world| world.hang_up(mac));
    }

    /// A PPPoE client loses power; the router finds out by keepalive.
    pub fn vanish(&self, mac: MacAddress) {
        self.with(|world| world.vanish(mac));
    }

    /// Why a PPPoE client's last attempt failed.
    pub fn dial_error(&self, mac: MacAddress) -> Option<String> {
        self.with(|world| world.dial_error(mac))
    }
}
