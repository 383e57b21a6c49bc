//! RouterOS by binary API or REST: what is wanted for a grant, as menus and rows.
//!
//! All objects of ours carry our mark and only those are touched. An order is read, compared,
//! written where it differs and read again until nothing differs: what confirms it is always a
//! reading, and doing it twice does nothing twice. Never says that something is confirmed because
//! a command was accepted.

mod admission;
mod connections;
mod firewall;
mod guard;
mod hotspot;
mod listening;
mod owner;
mod pppoe;
mod presence;
mod profiles;
mod radius_sessions;
pub mod setup;
mod static_ip;
mod survey;
mod visit;

pub use guard::{GUARD_HORIZON, ROUTER_MARGIN};
pub use radius_sessions::{Cookies, LetIn};

use super::{
    Admitted, DriverError, HotspotGuest, HotspotLogin, LoginKind, LoginOnline, Observed, Order,
    Outcome, Survey,
};
use lango_domain::mac_address::MacAddress;
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::Wanted;
use lango_routeros::menus::{Clock, HotspotUser, Identity, Menu, PppSecret, Resource};
use lango_routeros::{Connection, Credentials, Endpoint, Error, Timeouts, values};
use listening::Listening;
use presence::Memory;
use visit::{Task, Visit, Write, each, is_refusal, pick};

/// A router whose clock is further off than this has not been told the time since it started: a
/// guard made now would fire when the clock jumps.
const CLOCK_IS_SET: i64 = 24 * 3_600;

/// One RouterOS router. Not shared: one worker holds it.
pub struct RouterOs {
    name: String,
    connection: Connection,
    observed: Observed,
    memory: Memory,
    listening: Listening,
    /// Whether this router takes guards, as far as was tried.
    takes_guards: bool,
}

impl RouterOs {
    /// Connects, logs in and asks the router what it is.
    ///
    /// # Errors
    /// There is no way to it, it refused the login, or it broke off.
    pub async fn open(
        name: &str,
        endpoint: &Endpoint,
        credentials: &Credentials,
        timeouts: Timeouts,
    ) -> Result<RouterOs, DriverError> {
        let connect = |cause| DriverError::Connect { router: name.to_owned(), cause };
        let connection =
            Connection::open(endpoint, credentials, timeouts).await.map_err(connect)?;
        let observed = observe(&connection, None).await.map_err(connect)?;
        Ok(RouterOs {
            name: name.to_owned(),
            connection,
            observed,
            memory: Memory::default(),
            listening: Listening::default(),
            takes_guards: true,
        })
    }

    /// What the router said of itself at opening or at the last survey.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// See [`super::Driver::act`].
    ///
    /// # Errors
    /// The connection broke: nothing is known of any order.
    pub async fn act(
        &mut self,
        orders: &[Order],
        now: Timestamp,
    ) -> Result<Vec<Outcome>, DriverError> {
        let result = match self.look_at_clock(now).await {
            Ok(()) => self.act_on(orders, now).await,
            Err(error) => Err(error),
        };
        result.map_err(|cause| self.broken("acting on grants", cause))
    }

    async fn look_at_clock(&mut self, now: Timestamp) -> Result<(), Error> {
        if self.observed.clock_ahead_seconds.is_none() {
            self.observed.clock_ahead_seconds = clock_ahead(&self.connection, now).await?;
        }
        Ok(())
    }

    async fn act_on(&mut self, orders: &[Order], now: Timestamp) -> Result<Vec<Outcome>, Error> {
        let guards = self.may_guard();
        let visit = Visit { connection: &self.connection, now };
        let mut outcomes: Vec<Option<Outcome>> = vec![None; orders.len()];
        let mut guarded = true;
        for kind in [LoginKind::Hotspot, LoginKind::Ppp, LoginKind::Address] {
            let (places, mut tasks) = tasks_of(orders, kind);
            if tasks.is_empty() {
                continue;
            }
            guarded &= act_on_kind(&visit, kind, &mut tasks, guards).await?;
            for (place, task) in places.into_iter().zip(tasks) {
                outcomes[place] = Some(task.into_outcome());
            }
        }
        self.takes_guards &= guarded;
        // Every order is of one of the three kinds.
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// See [`super::Driver::survey`].
    ///
    /// # Errors
    /// Any part of the reading failed: then there is no answer at all.
    pub async fn survey(
        &mut self,
        expected: &[Order],
        now: Timestamp,
    ) -> Result<Survey, DriverError> {
        let result = self.survey_all(expected, now).await;
        result.map_err(|cause| self.broken("reading all of what is", cause))
    }

    async fn survey_all(&mut self, expected: &[Order], now: Timestamp) -> Result<Survey, Error> {
        self.observed = observe(&self.connection, Some(now)).await?;
        let visit = Visit { connection: &self.connection, now };
        let (mut survey, users) = survey::take(&visit, expected, self.may_guard()).await?;
        self.memory.learn(&users);
        self.observed.active_sessions = survey.observed.active_sessions;
        survey.observed = self.observed.clone();
        Ok(survey)
    }

    /// See [`super::Driver::online`]. Static addresses are left out: they have no sessions.
    ///
    /// # Errors
    /// The reading was not complete.
    pub async fn online(&mut self) -> Result<Vec<LoginOnline>, DriverError> {
        let visit = Visit { connection: &self.connection, now: Timestamp::default() };
        let online = presence::read(&visit, &mut self.memory).await;
        online.map_err(|cause| self.broken("reading who is online", cause))
    }

    /// See [`super::Driver::changed`].
    pub async fn changed(&mut self) {
        self.listening.changed(&self.connection).await;
    }

    /// See [`super::Driver::remove`]. Whoever is still online by a grant is cut first. A static
    /// address stays blocked: nobody has paid for it.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn remove(&mut self, orders: &[Order]) -> Result<Vec<Outcome>, DriverError> {
        let result = self.remove_all(orders).await;
        result.map_err(|cause| self.broken("removing ended grants", cause))
    }

    async fn remove_all(&mut self, orders: &[Order]) -> Result<Vec<Outcome>, Error> {
        let cut: Vec<Order> =
            orders.iter().map(|order| Order { wanted: Wanted::Cut, ..order.clone() }).collect();
        // A cut has no deadline, so no clock is asked for.
        let mut outcomes = self.act_on(&cut, Timestamp::default()).await?;
        let visit = Visit { connection: &self.connection, now: Timestamp::default() };
        for kind in [LoginKind::Hotspot, LoginKind::Ppp, LoginKind::Address] {
            // Whoever could not be cut keeps his objects: they say what is left to do.
            let is_cut = |place: &usize| matches!(outcomes[*place], Outcome::Confirmed { .. });
            let (places, tasks) = tasks_of(&cut, kind);
            let (places, mut tasks): (Vec<_>, Vec<_>) =
                places.into_iter().zip(tasks).filter(|(place, _)| is_cut(place)).unzip();
            if let Err(error) = remove_kind(&visit, kind, &mut tasks).await {
                fail_all(&mut tasks, error)?;
            }
            for (place, task) in places.into_iter().zip(tasks).filter(|(_, task)| !task.is_open()) {
                outcomes[place] = task.into_outcome();
            }
        }
        Ok(outcomes)
    }

    /// See [`super::Driver::ping`].
    ///
    /// # Errors
    /// There was no sign of life.
    pub async fn ping(&mut self) -> Result<(), DriverError> {
        let answer = self.connection.ping().await;
        answer.map_err(|cause| self.broken("asking for a sign of life", cause))
    }

    fn may_guard(&self) -> bool {
        let skew = self.observed.clock_ahead_seconds;
        self.takes_guards && skew.is_none_or(|seconds| seconds.abs() < CLOCK_IS_SET)
    }

    /// See [`super::Driver::log_in`]. The router must know the address as a host of its hotspot.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn log_in(
        &mut self,
        login: &HotspotLogin,
    ) -> Result<Result<(), String>, DriverError> {
        let (address, mac) = (login.address.to_string(), login.mac.map(|mac| mac.to_string()));
        let mut values = vec![
            ("user", login.user.as_str()),
            ("password", login.password.reveal()),
            ("ip", address.as_str()),
        ];
        values.extend(mac.as_deref().map(|mac| ("mac-address", mac)));
        match self.connection.run(hotspot::LOGIN, &values).await {
            Ok(_) => Ok(Ok(())),
            Err(error) => match error.trap() {
                Some(trap) => Ok(Err(trap.message.to_string())),
                None => Err(self.broken("logging a device in", error)),
            },
        }
    }

    /// See [`super::Driver::admit`].
    ///
    /// # Errors
    /// The connection broke: whether anybody is in is not known.
    pub async fn admit(&mut self, guests: &[HotspotGuest]) -> Result<Vec<Admitted>, DriverError> {
        /// Devices on the wire at a time.
        const AT_ONCE: usize = 8;
        let mut admitted = Vec::with_capacity(guests.len());
        for chunk in guests.chunks(AT_ONCE) {
            let tries = chunk.iter().map(|guest| admission::admit(&self.connection, guest));
            for tried in futures_util::future::join_all(tries).await {
                admitted.push(tried.map_err(|cause| self.broken("logging devices in", cause))?);
            }
        }
        Ok(admitted)
    }

    /// See [`super::Driver::log_out`]. Cookies go first: one of them would log the device in again.
    ///
    /// # Errors
    /// The connection broke, or the router refused.
    pub async fn log_out(
        &mut self,
        user: &str,
        mac: Option<lango_domain::mac_address::MacAddress>,
    ) -> Result<usize, DriverError> {
        let ended = hotspot::log_out(&self.connection, user, mac).await;
        ended.map_err(|cause| self.broken("logging a device out", cause))
    }

    /// Ends a session that RADIUS let in, and reads back. None: it would not end. Otherwise how many
    /// sessions of that description were ended.
    ///
    /// # Errors
    /// The connection broke, or the router refused.
    pub async fn end_radius_session(
        &mut self,
        who: &LetIn<'_>,
        cookies: Cookies,
    ) -> Result<Option<u32>, DriverError> {
        let visit = Visit { connection: &self.connection, now: Timestamp::default() };
        let ended = radius_sessions::end(&visit, who, cookies).await;
        ended.map_err(|cause| self.broken("ending a session", cause))
    }

    fn broken(&self, attempted: &'static str, cause: Error) -> DriverError {
        DriverError::Broken { router: self.name.clone(), attempted, cause }
    }
}

fn tasks_of(orders: &[Order], kind: LoginKind) -> (Vec<usize>, Vec<Task<'_>>) {
    let of_kind = orders.iter().enumerate().filter(|(_, o)| LoginKind::of(&o.access) == kind);
    of_kind.map(|(place, order)| (place, Task::new(order))).unzip()
}

/// Returns whether the router took the guards.
async fn act_on_kind(
    visit: &Visit<'_>,
    kind: LoginKind,
    tasks: &mut [Task<'_>],
    guards: bool,
) -> Result<bool, Error> {
    let taken = guard::renew(visit, tasks, guards).await?;
    let acted = match kind {
        LoginKind::Hotspot => hotspot::act(visit, tasks).await,
        LoginKind::Ppp => pppoe::act(visit, tasks).await,
        LoginKind::Address => static_ip::act(visit, tasks).await,
    };
    if let Err(error) = acted {
        fail_all(tasks, error)?;
    }
    guard::dismiss(visit, tasks).await?;
    if guards && !taken {
        tracing::warn!(
            "The router takes no scheduler entries; grants that end soon have no second deadline \
             there. Allow the scheduler in /system/device-mode and the policies read and write."
        );
    }
    Ok(taken)
}

/// A refusal concerns the open orders of one kind; anything else ends the call.
fn fail_all(tasks: &mut [Task<'_>], error: Error) -> Result<(), Error> {
    if !is_refusal(&error) {
        return Err(error);
    }
    for task in tasks {
        task.fail(error.to_string());
    }
    Ok(())
}

async fn remove_kind(
    visit: &Visit<'_>,
    kind: LoginKind,
    tasks: &mut [Task<'_>],
) -> Result<(), Error> {
    if tasks.is_empty() {
        return Ok(());
    }
    let logins: Vec<String> = tasks.iter().map(|task| task.order.access.login()).collect();
    let names = each("name", logins.iter().map(String::as_str));
    let mut writes = Vec::new();
    match kind {
        LoginKind::Address => return static_ip::retire(visit, tasks).await,
        LoginKind::Hotspot => {
            let rows: Vec<HotspotUser> = visit.rows(&names).await?;
            for (at, task) in tasks.iter().enumerate() {
                let of_name = rows.iter().filter(|row| row.name == logins[at]);
                let row = pick(of_name, task.order, |row| row.comment.as_deref());
                let row = row.filter(|row| owner::is_of(row.comment.as_deref(), task.order.grant));
                writes
                    .extend(row.map(|row| (at, Write::Remove(HotspotUser::PATH, row.id.clone()))));
            }
        }
        LoginKind::Ppp => {
            let rows: Vec<PppSecret> = visit.rows(&names).await?;
            for (at, task) in tasks.iter().enumerate() {
                let of_name = rows.iter().filter(|row| row.name == logins[at]);
                let row = pick(of_name, task.order, |row| row.comment.as_deref());
                let row = row.filter(|row| owner::is_of(row.comment.as_deref(), task.order.grant));
                writes.extend(row.map(|row| (at, Write::Remove(PppSecret::PATH, row.id.clone()))));
            }
        }
    }
    visit.carry_out(tasks, writes).await
}

async fn observe(connection: &Connection, now: Option<Timestamp>) -> Result<Observed, Error> {
    let resource = connection.one::<Resource>().await?;
    let identity = connection.one::<Identity>().await?.map(|row| row.name).unwrap_or_default();
    let clock_ahead_seconds = match now {
        Some(now) => clock_ahead(connection, now).await?,
        None => None,
    };
    let uptime = resource.as_ref().and_then(|row| row.uptime).unwrap_or_default();
    Ok(Observed {
        version: resource.as_ref().map(|row| row.version.clone()).unwrap_or_default(),
        identity,
        board: resource.and_then(|row| row.board_name).unwrap_or_default(),
        uptime: Span::from(uptime),
        clock_ahead_seconds,
        active_sessions: 0,
        by_api_only: false,
    })
}

async fn clock_ahead(connection: &Connection, now: Timestamp) -> Result<Option<i64>, Error> {
    let clock = match connection.one::<Clock>().await {
        Err(error) if is_refusal(&error) => return Ok(None),
        clock => clock?,
    };
    let ours = now.micros().div_euclid(1_000_000);
    Ok(clock.and_then(|clock| clock.unix_seconds()).map(|theirs| theirs - ours))
}

/// The domain's addresses as the menus have them.
fn macs_of(devices: &[MacAddress]) -> Vec<values::MacAddress> {
    devices.iter().filter_map(|mac| values::MacAddress::parse(&mac.to_string())).collect()
}
