//! A visit to a router: an open driver, and what we know of who logs in there. The worker stays
//! for long, a one-shot command for a moment; both do the same things.

use crate::app::App;
use crate::enforcement::{Driver, DriverError, LoginKind, LoginOnline, Online, Order, Survey};
use crate::operations::record_outcomes::{Round, record_outcomes};
use crate::operations::record_presence::{Reading, is_same, record_presence};
use lango_domain::ids::{GrantId, Id};
use lango_domain::mac_address::MacAddress;
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::{RouterDeadline, Wanted};
use lango_store::enforcements::{Expected, Work};
use lango_store::routers::{Router, Stranger};
use lango_store::sessions::Session;
use lango_store::{Error, Tx};
use std::collections::{BTreeMap, HashMap, HashSet};

/// How long claimed work is ours before another node may take it.
const LEASE: Span = Span::seconds(30);
/// How many orders go to the router at once.
const BATCH: i64 = 200;

/// Why a visit ended.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// The router.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The database.
    #[error("the database")]
    Store(#[from] Error),
}

/// A visit.
pub struct Visit {
    pub(super) app: App,
    pub(super) router: Router,
    pub(super) driver: Driver,
    /// Whose login is whose, as of the last comparison and the orders since.
    known: HashMap<(LoginKind, String), Known>,
    /// Who was online at the last reading.
    online: HashMap<GrantId, Presence>,
}

#[derive(Clone, Copy)]
struct Known {
    grant: GrantId,
    /// Its time online or data is counted: each reading of it matters.
    metered: bool,
}

#[derive(PartialEq, Eq)]
struct Presence {
    sessions: Vec<(Option<MacAddress>, Option<std::net::Ipv4Addr>)>,
    uptime: Span,
    data: lango_domain::quantity::DataSize,
    metered: bool,
}

/// What a comparison found and did.
#[derive(Debug, Default, serde::Serialize)]
pub struct SyncReport {
    /// The router's name.
    pub router: String,
    /// How many grants it should know of.
    pub expected: usize,
    /// How they differ, as a person reads it.
    pub differences: Vec<Difference>,
    /// Objects that are not ours to touch.
    pub strangers: Vec<Stranger>,
    /// How many of our customers are online there.
    pub online: usize,
}

/// One difference between what was paid and what a router holds.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Difference {
    /// Which grant.
    pub grant: GrantId,
    /// What staff may see of its login.
    pub label: String,
    /// The difference.
    pub what: String,
}

impl Visit {
    /// Begins a visit.
    pub fn new(app: App, router: Router, driver: Driver) -> Visit {
        Visit { app, router, driver, known: HashMap::new(), online: HashMap::new() }
    }

    /// The router.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Compares everything without changing anything: for people who look first.
    ///
    /// # Errors
    /// The reading was not complete, or the database failed.
    pub async fn compare(&mut self) -> Result<SyncReport, VisitError> {
        let expected = self.expected().await?;
        let (survey, _) = self.survey(&expected).await?;
        Ok(self.report(&expected, survey))
    }

    /// Compares everything, takes note of who is online, and makes work of the differences.
    ///
    /// # Errors
    /// The reading was not complete, or the database failed. Nothing is concluded then.
    pub async fn sync(&mut self) -> Result<SyncReport, VisitError> {
        let expected = self.expected().await?;
        let (survey, read_at) = self.survey(&expected).await?;
        self.learn(&expected);
        // First who is online: a first login that happened while we were away must start its clock
        // before anything is decided about the grant.
        if !self.driver.reports_by_itself() {
            self.note_online(&expected, &survey.online, read_at).await?;
        }
        self.note_survey(&survey, read_at).await?;
        Ok(self.report(&expected, survey))
    }

    async fn expected(&self) -> Result<Vec<(Expected, Order)>, Error> {
        const PAGE: i64 = 2_000;
        let router = self.router.id;
        let mut all = Vec::new();
        let mut after = GrantId::from_raw(0);
        loop {
            let page = self
                .app
                .store()
                .report(async move |tx: &mut Tx<'_>| {
                    lango_store::enforcements::expected(tx, router, after, PAGE).await
                })
                .await?;
            let full = page.len() as i64 == PAGE;
            after = page.last().map_or(after, |last| last.grant);
            for expected in page {
                let order = self.order_of(&expected)?;
                all.push((expected, order));
            }
            if !full {
                return Ok(all);
            }
        }
    }

    fn order_of(&self, expected: &Expected) -> Result<Order, Error> {
        Ok(Order {
            grant: expected.grant,
            kind: expected.kind,
            access: self.app.open_access(expected.grant, &expected.access)?,
            label: expected.label.clone(),
            wanted: expected.wanted,
            devices: Vec::new(),
        })
    }

    async fn survey(
        &mut self,
        expected: &[(Expected, Order)],
    ) -> Result<(Survey, Timestamp), VisitError> {
        let orders: Vec<Order> = expected.iter().map(|(_, order)| order.clone()).collect();
        let asked_at = self.app.clock().now();
        let survey = self.driver.survey(&orders, asked_at).await?;
        Ok((survey, asked_at))
    }

    fn learn(&mut self, expected: &[(Expected, Order)]) {
        self.known = expected.iter().map(|(_, order)| known(order)).collect();
    }

    /// Those who are online, and those whom we thought online and who are not any more.
    async fn note_online(
        &mut self,
        expected: &[(Expected, Order)],
        online: &[Online],
        now: Timestamp,
    ) -> Result<(), Error> {
        let here: HashSet<GrantId> = online.iter().map(|online| online.grant).collect();
        let gone = expected
            .iter()
            .filter(|(row, _)| row.devices > 0 && !here.contains(&row.grant))
            .map(|(row, _)| gone(row.grant));
        let open = self.open_sessions().await?;
        let news = online.iter().filter(|online| is_news_since(online, expected, &open, now));
        let readings: Vec<Reading> = news.map(reading).chain(gone).collect();
        self.online = HashMap::new();
        for online in online.iter().filter(|online| !online.sessions.is_empty()) {
            let metered =
                row_of(online.grant, expected).is_some_and(|(_, order)| is_metered(&order.wanted));
            self.online.insert(online.grant, presence(online, metered));
        }
        record_presence(&self.app, self.router.id, readings, now).await
    }

    async fn open_sessions(&self) -> Result<HashMap<GrantId, Vec<Session>>, Error> {
        let router = self.router.id;
        let open = self
            .app
            .store()
            .report(async move |tx: &mut Tx<'_>| lango_store::sessions::open_on(tx, router).await)
            .await?;
        let mut by_grant: HashMap<GrantId, Vec<Session>> = HashMap::new();
        for session in open {
            by_grant.entry(session.grant).or_default().push(session);
        }
        Ok(by_grant)
    }

    async fn note_survey(&self, survey: &Survey, now: Timestamp) -> Result<(), Error> {
        let router = self.router.id;
        let observed = serde_json::to_string(&survey.observed).unwrap_or_default();
        let (differences, strangers) = (survey.differences.clone(), survey.strangers.clone());
        self.app
            .store()
            .write(async move |tx: &mut Tx<'_>| {
                use lango_store::{enforcements, routers};
                routers::note_contact(tx, router, &observed, now).await?;
                routers::note_sync(tx, router, &strangers, now).await?;
                enforcements::repair(tx, router, &differences, now).await?;
                enforcements::try_at_once(tx, router, now).await
            })
            .await
    }

    fn report(&self, expected: &[(Expected, Order)], survey: Survey) -> SyncReport {
        let labels: BTreeMap<GrantId, &str> =
            expected.iter().map(|(row, _)| (row.grant, row.label.as_str())).collect();
        let difference = |(grant, what): (GrantId, String)| Difference {
            grant,
            label: labels.get(&grant).copied().unwrap_or_default().to_owned(),
            what,
        };
        SyncReport {
            router: self.router.name.clone(),
            expected: expected.len(),
            differences: survey.differences.into_iter().map(difference).collect(),
            strangers: survey.strangers,
            online: survey.online.iter().filter(|online| !online.sessions.is_empty()).count(),
        }
    }

    /// Works off everything that is due for this router, batch after batch, most overdue first:
    /// what it is to hold, and then the devices that are to be logged in by it.
    ///
    /// # Errors
    /// The connection broke or the database failed; unconfirmed work stays work.
    pub async fn act(&mut self) -> Result<Round, VisitError> {
        let mut total = Round::default();
        loop {
            let (orders, admissions) = self.what_is_due().await?;
            let work = if orders { self.claim().await? } else { Vec::new() };
            let acted = !work.is_empty();
            if acted {
                total.add(self.carry_out(work).await?);
            }
            let admitted = if admissions { self.admit().await? } else { 0 };
            if !acted && admitted == 0 {
                return Ok(total);
            }
        }
    }

    /// A look costs microseconds, a claim is a transaction: workers wake far more often than there
    /// is work.
    async fn what_is_due(&self) -> Result<(bool, bool), Error> {
        let now = self.app.clock().now();
        let (orders, admissions) = self.next_attempts().await?;
        let is_due = |next: Option<Timestamp>| next.is_some_and(|next| next <= now);
        Ok((is_due(orders), is_due(admissions)))
    }

    /// When the next piece of work for this router is to be tried.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn next_attempt(&self) -> Result<Option<Timestamp>, Error> {
        let (orders, admissions) = self.next_attempts().await?;
        Ok([orders, admissions].into_iter().flatten().min())
    }

    async fn next_attempts(&self) -> Result<(Option<Timestamp>, Option<Timestamp>), Error> {
        let router = self.router.id;
        self.app
            .store()
            .read(async move |tx: &mut Tx<'_>| {
                let orders = lango_store::enforcements::next_attempt(tx, router).await?;
                Ok((orders, lango_store::admissions::next_attempt(tx, router).await?))
            })
            .await
    }

    /// The same on arrival: what waits for a later try, because the router was away, is tried now.
    ///
    /// # Errors
    /// As [`Visit::act`].
    pub async fn act_at_once(&mut self) -> Result<Round, VisitError> {
        let (router, now) = (self.router.id, self.app.clock().now());
        self.app
            .store()
            .write(async move |tx: &mut Tx<'_>| {
                lango_store::enforcements::try_at_once(tx, router, now).await?;
                lango_store::admissions::try_at_once(tx, router, now).await
            })
            .await?;
        self.act().await
    }

    async fn claim(&self) -> Result<Vec<Work>, Error> {
        let (router, now) = (self.router.id, self.app.clock().now());
        self.app
            .store()
            .write(async move |tx: &mut Tx<'_>| {
                lango_store::enforcements::claim(tx, router, now, now + LEASE, BATCH).await
            })
            .await
    }

    async fn carry_out(&mut self, work: Vec<Work>) -> Result<Round, VisitError> {
        let orders = self.orders(&work).await?;
        self.known.extend(orders.iter().map(known));
        let outcomes = self.driver.act(&orders, self.app.clock().now()).await?;
        let confirmed_at = self.app.clock().now();
        for (work, outcome) in work.iter().zip(&outcomes) {
            self.log(work, outcome, confirmed_at);
        }
        let round =
            record_outcomes(&self.app, self.router.id, work, outcomes, confirmed_at).await?;
        self.count(&round);
        Ok(round)
    }

    async fn orders(&self, work: &[Work]) -> Result<Vec<Order>, Error> {
        let off: Vec<GrantId> =
            work.iter().filter(|work| !work.wanted.is_online()).map(|work| work.grant).collect();
        let devices: HashMap<GrantId, Vec<MacAddress>> = self
            .app
            .store()
            .read(async move |tx: &mut Tx<'_>| {
                let mut devices = HashMap::new();
                for grant in &off {
                    devices.insert(*grant, lango_store::sessions::devices_of(tx, *grant).await?);
                }
                Ok(devices)
            })
            .await?;
        work.iter()
            .map(|work| {
                Ok(Order {
                    grant: work.grant,
                    kind: work.kind,
                    access: self.app.open_access(work.grant, &work.access)?,
                    label: work.label.clone(),
                    wanted: work.wanted,
                    devices: devices.get(&work.grant).cloned().unwrap_or_default(),
                })
            })
            .collect()
    }

    fn log(&self, work: &Work, outcome: &crate::enforcement::Outcome, now: Timestamp) {
        use crate::enforcement::Outcome;
        let (grant, tenant, router) = (work.grant, work.tenant, &self.router.name);
        let (wanted, attempt) = (work.wanted.word(), work.failures + 1);
        let late_ms = now.since(work.due_at).as_millis();
        match outcome {
            Outcome::Confirmed { by, sessions_ended } => tracing::info!(
                grant.id = %grant, tenant.id = %tenant, router.name = %router, label = %work.label,
                late_ms, attempt, by = by.word(), sessions_ended,
                "{} is {wanted} on {router}, {late_ms} ms after it was due, {}", work.label, by.words()
            ),
            Outcome::Failed(error) => tracing::warn!(
                grant.id = %grant, tenant.id = %tenant, router.name = %router, label = %work.label,
                late_ms, attempt, error,
                "{} is not yet {wanted} on {router}; trying again", work.label
            ),
        }
    }

    fn count(&self, round: &Round) {
        let metrics = self.app.metrics();
        metrics.cuts.inc_by(round.cut as u64);
        metrics.connects.inc_by(round.connected as u64);
        metrics.failures.inc_by(round.failed as u64);
        round.lateness.iter().for_each(|lateness| metrics.note_lateness(*lateness));
    }

    /// Reads who is online and records what changed since the last reading.
    ///
    /// # Errors
    /// The reading was not complete, or the database failed.
    pub async fn follow(&mut self) -> Result<(), VisitError> {
        if self.driver.reports_by_itself() {
            return self.ping().await;
        }
        let now = self.app.clock().now();
        let logins = self.driver.online().await?;
        let (mut here, mut told, mut readings) = (HashMap::new(), HashSet::new(), Vec::new());
        for login in logins {
            let Some(known) = self.owner(&login).await? else { continue };
            told.insert(known.grant);
            let seen = presence(&as_online(known.grant, &login), known.metered);
            if self.is_news(known.grant, &seen) {
                readings.push(reading(&as_online(known.grant, &login)));
            }
            if !seen.sessions.is_empty() {
                here.insert(known.grant, seen);
            }
        }
        let left = self.online.keys().filter(|grant| !told.contains(*grant));
        readings.extend(left.map(|grant| gone(*grant)));
        self.online = here;
        record_presence(&self.app, self.router.id, readings, now).await?;
        Ok(())
    }

    /// Whose login this is. One that we do not know may be new in the database.
    async fn owner(&mut self, login: &LoginOnline) -> Result<Option<Known>, Error> {
        let key = (login.by, login.login.clone());
        if let Some(known) = self.known.get(&key) {
            return Ok(Some(*known));
        }
        let purpose = match login.by {
            LoginKind::Hotspot => "hotspot",
            LoginKind::Ppp => "ppp",
            LoginKind::Address => "address",
        };
        let (tenant, hash) = (self.router.tenant, self.app.hash_login(purpose, &login.login));
        let stored = self
            .app
            .store()
            .read(async move |tx: &mut Tx<'_>| {
                lango_store::grants::by_login(tx, tenant, &hash).await
            })
            .await?;
        let known = stored.map(|stored| Known {
            grant: stored.grant.id,
            metered: is_metered(&stored.grant.wanted()),
        });
        if let Some(known) = known {
            self.known.insert(key, known);
        }
        Ok(known)
    }

    fn is_news(&self, grant: GrantId, seen: &Presence) -> bool {
        match self.online.get(&grant) {
            None => true,
            Some(last) if seen.metered => last != seen,
            Some(last) => last.sessions != seen.sessions,
        }
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// There was none.
    pub async fn ping(&mut self) -> Result<(), VisitError> {
        Ok(self.driver.ping().await?)
    }

    /// Waits until the router shows a change, where it can tell.
    pub async fn changed(&mut self) {
        self.driver.changed().await;
    }

    /// Takes the objects of grants that ended before `before` off the router.
    ///
    /// # Errors
    /// The connection broke or the database failed.
    pub async fn clean_up(&mut self, before: Timestamp) -> Result<usize, VisitError> {
        let router = self.router.id;
        let mut removed = 0;
        loop {
            let over = self
                .app
                .store()
                .report(async move |tx: &mut Tx<'_>| {
                    lango_store::enforcements::long_over(tx, router, before, BATCH).await
                })
                .await?;
            let orders: Vec<Order> =
                over.iter().map(|row| self.order_of(row)).collect::<Result<_, _>>()?;
            let outcomes = self.driver.remove(&orders).await?;
            let done: Vec<GrantId> = orders
                .iter()
                .zip(&outcomes)
                .filter(|(_, outcome)| {
                    matches!(outcome, crate::enforcement::Outcome::Confirmed { .. })
                })
                .map(|(order, _)| order.grant)
                .collect();
            if done.is_empty() {
                return Ok(removed);
            }
            removed += done.len();
            self.app
                .store()
                .write(async move |tx: &mut Tx<'_>| {
                    for grant in &done {
                        lango_store::enforcements::forget(tx, router, *grant).await?;
                    }
                    Ok(())
                })
                .await?;
        }
    }
}

/// Expected rows come by grant, in order.
fn row_of(grant: GrantId, expected: &[(Expected, Order)]) -> Option<&(Expected, Order)> {
    let place = expected.binary_search_by_key(&grant, |(row, _)| row.grant).ok()?;
    expected.get(place)
}

/// Whether a comparison found something that is not written down. To write down again that
/// thousands are still online would keep everything else waiting for the database.
fn is_news_since(
    online: &Online,
    expected: &[(Expected, Order)],
    open: &HashMap<GrantId, Vec<Session>>,
    now: Timestamp,
) -> bool {
    let Some((row, order)) = row_of(online.grant, expected) else {
        return !online.sessions.is_empty();
    };
    let open = open.get(&online.grant).map(Vec::as_slice).unwrap_or_default();
    let counted = row.uptime_seen != online.uptime || row.data_seen != online.data;
    if online.sessions.is_empty() {
        return row.devices > 0 || !open.is_empty() || counted;
    }
    let known = row.devices == online.sessions.len() as i64
        && open.len() == online.sessions.len()
        && online.sessions.iter().all(|live| open.iter().any(|open| is_same(open, live, now)));
    // Whoever is online by a grant whose clock stands still must start it, however often it takes.
    !known || awaits_first_use(&order.wanted) || (is_metered(&order.wanted) && counted)
}

fn awaits_first_use(wanted: &Wanted) -> bool {
    let deadline = wanted.profile().and_then(|profile| profile.deadline);
    matches!(deadline, Some(RouterDeadline::Online(_)))
}

fn known(order: &Order) -> ((LoginKind, String), Known) {
    let key = (LoginKind::of(&order.access), order.access.login());
    (key, Known { grant: order.grant, metered: is_metered(&order.wanted) })
}

/// Whether the domain must hear every reading: its time online or its data is limited.
fn is_metered(wanted: &Wanted) -> bool {
    wanted.profile().is_some_and(|profile| profile.metered)
}

fn presence(online: &Online, metered: bool) -> Presence {
    let mut sessions: Vec<_> =
        online.sessions.iter().map(|session| (session.mac, session.address)).collect();
    sessions.sort();
    Presence { sessions, uptime: online.uptime, data: online.data, metered }
}

fn as_online(grant: GrantId, login: &LoginOnline) -> Online {
    Online { grant, sessions: login.sessions.clone(), uptime: login.uptime, data: login.data }
}

fn reading(online: &Online) -> Reading {
    Reading {
        grant: online.grant,
        sessions: online.sessions.clone(),
        uptime: Some(online.uptime),
        data: Some(online.data),
    }
}

fn gone(grant: GrantId) -> Reading {
    Reading { grant, sessions: Vec::new(), uptime: None, data: None }
}
