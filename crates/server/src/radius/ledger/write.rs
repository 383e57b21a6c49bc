//! A batch of reports becomes rows: sessions, what staff see of them, usage, and what the domain
//! has to hear, in one transaction.

use super::Told;
use super::memory::{ByKey, Memory};
use super::merge::{Merged, REPLACED, RESET, SLACK, Turn, merge};
use super::report::Report;
use crate::app::App;
use crate::operations::change_grant::{self, Actor, Change};
use crate::radius::{closing, identity, wall};
use lango_domain::grant::{Event, Grant};
use lango_domain::ids::{GrantId, Id, RouterId, SessionId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_store::enforcements::Seen;
use lango_store::grants::StoredGrant;
use lango_store::radius::{HourOfUsage, Occupant, RadiusSession, hour, is_same_hour};
use lango_store::sessions::Session;
use lango_store::{Error, Topic, Tx};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Writes what was told.
///
/// # Errors
/// A fault of the store; nothing of it is written then.
pub(super) async fn write(app: &App, told: Arc<[Told]>, memory: &mut Memory) -> Result<(), Error> {
    let known = memory.take(&told);
    let has_guessed = !known.is_empty();
    let mut written = write_with(app, told.clone(), known).await;
    if has_guessed && matches!(written, Err(Error::Retry { .. })) {
        // Somebody else wrote one of them meanwhile.
        written = write_with(app, told, ByKey::new()).await;
    }
    memory.keep(written?);
    Ok(())
}

/// With sessions that need not be read, at the first try.
async fn write_with(
    app: &App,
    told: Arc<[Told]>,
    known: ByKey,
) -> Result<Vec<RadiusSession>, Error> {
    let desk = app.clone();
    let now = app.clock().now();
    let known = Mutex::new(known);
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let mut batch = Batch::default();
            // Nothing is left of it for a second try.
            let known = std::mem::take(&mut *known.lock().unwrap_or_else(PoisonError::into_inner));
            batch.remember(known);
            batch.read(tx, &desk, &told).await?;
            for told in told.iter() {
                match told {
                    Told::Session(report) => batch.apply(&desk, report, now),
                    Told::Reset { router, at, .. } => batch.reset(tx, *router, *at, now).await?,
                }
            }
            batch.lay_ghosts(tx).await?;
            batch.save(tx, &desk, now).await
        })
        .await
}

/// How many sessions are closed together. Everybody else who writes waits for so long.
const CLOSED_TOGETHER: usize = 1_000;

/// A NAS was started anew: closes what began there before. Of a NAS with 50,000 sessions not all at
/// once; what is left when we break down is closed when it tells again.
///
/// # Errors
/// A fault of the store; some may be closed.
pub(super) async fn reset(app: &App, router: RouterId, at: Timestamp) -> Result<(), Error> {
    loop {
        let (desk, now) = (app.clone(), app.clock().now());
        let most = CLOSED_TOGETHER as i64;
        let close_some = async move |tx: &mut Tx<'_>| {
            let open = lango_store::radius::some_open_on(tx, router, at, most).await?;
            let closed = open.len();
            close(tx, &desk, open, RESET, |session| session.updated_at.min(now), now).await?;
            Ok(closed)
        };
        if app.store().write(close_some).await? < CLOSED_TOGETHER {
            return Ok(());
        }
    }
}

/// Closes sessions for a reason of ours, or opens them again, and tells the domain.
///
/// # Errors
/// A fault of the store.
pub(in crate::radius) async fn close(
    tx: &mut Tx<'_>,
    app: &App,
    sessions: Vec<RadiusSession>,
    cause: &str,
    ended_at: impl Fn(&RadiusSession) -> Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    let mut batch = Batch::default();
    for session in sessions {
        let ended_at = ended_at(&session);
        batch.close(session, cause, ended_at);
    }
    batch.save(tx, app, now).await.map(drop)
}

/// What happened to each session, in order.
#[derive(Default)]
struct Turns(HashMap<SessionId, Vec<Turn>>);

impl Turns {
    fn add(&mut self, session: SessionId, turn: Turn) {
        self.0.entry(session).or_default().push(turn);
    }

    fn of(&self, session: &RadiusSession) -> &[Turn] {
        self.0.get(&session.id).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Sessions under change.
#[derive(Default)]
struct Batch {
    /// By key.
    sessions: HashMap<Vec<u8>, RadiusSession>,
    turns: Turns,
    /// When those that were in the database had last been heard of.
    heard: HashMap<SessionId, Timestamp>,
    /// Which keys changed.
    replaced: Vec<RadiusSession>,
    /// Of which more changed than counts: the address, what names it to the NAS.
    renamed: HashSet<SessionId>,
    /// Whose a new session is.
    owners: Owners,
    /// What was used, by grant and hour.
    used: Used,
}

/// What was used and is not in the usage by the hour yet.
#[derive(Default)]
struct Used(BTreeMap<(GrantId, Timestamp), (u64, u64)>);

/// What a session had used when it was last heard of.
struct Counts {
    at: Timestamp,
    input: DataSize,
    output: DataSize,
}

impl Counts {
    fn of(session: &RadiusSession) -> Counts {
        let RadiusSession { updated_at: at, input, output, .. } = *session;
        Counts { at, input, output }
    }
}

impl Used {
    /// What a session used up to there, in the hour of it.
    fn count(&mut self, session: &mut RadiusSession, told: &Counts) {
        let Some(grant) = session.grant else { return };
        let input = told.input.less(session.input_counted).as_bytes();
        let output = told.output.less(session.output_counted).as_bytes();
        (session.input_counted, session.output_counted) = (told.input, told.output);
        if input > 0 || output > 0 {
            let used = self.0.entry((grant, hour(told.at))).or_default();
            *used = (used.0.saturating_add(input), used.1.saturating_add(output));
        }
    }

    fn by_hour(self) -> Vec<HourOfUsage> {
        let hours = self.0.into_iter().map(|((grant, hour), (input, output))| {
            let (input, output) = (DataSize::bytes(input), DataSize::bytes(output));
            HourOfUsage { grant, hour, input, output }
        });
        hours.collect()
    }
}

/// Who can own new sessions.
#[derive(Default)]
struct Owners {
    by_id: HashMap<GrantId, TenantId>,
    by_login: HashMap<(TenantId, Vec<u8>), GrantId>,
}

impl Batch {
    /// Takes sessions that need not be read.
    fn remember(&mut self, known: ByKey) {
        self.heard.extend(known.values().map(|session| (session.id, session.updated_at)));
        self.sessions = known;
    }

    /// Reads the sessions that the reports are about, and the owners of new ones.
    async fn read(&mut self, tx: &mut Tx<'_>, app: &App, told: &[Told]) -> Result<(), Error> {
        let reports = || {
            told.iter().filter_map(|told| match told {
                Told::Session(report) => Some(&**report),
                Told::Reset { .. } => None,
            })
        };
        let keys: HashSet<&[u8]> = reports().map(|report| report.key.as_slice()).collect();
        let is_unknown = |key: &&[u8]| !self.sessions.contains_key(*key);
        let keys: Vec<&[u8]> = keys.into_iter().filter(is_unknown).collect();
        for session in lango_store::radius::by_keys(tx, &keys).await? {
            self.heard.insert(session.id, session.updated_at);
            self.sessions.insert(session.key.clone(), session);
        }
        let new: Vec<&Report> =
            reports().filter(|report| !self.sessions.contains_key(&report.key)).collect();
        self.owners.read(tx, app, &new).await
    }

    fn apply(&mut self, app: &App, report: &Report, now: Timestamp) {
        let known = self.sessions.remove(&report.key);
        let before = known.as_ref().map(Counts::of);
        let keeps_names = known.as_ref().is_some_and(|known| keeps_names(known, report));
        // A name that is used again is the same customer's.
        let of_known = known.as_ref().and_then(|known| known.grant);
        let grant = self.owners.of(app, report).or(of_known);
        let Merged { mut session, replaced, turn } = merge(known, report, grant, app.id(now), now);
        // What was used until the last report belongs to the hour of that one.
        if replaced.is_none()
            && let Some(before) =
                before.filter(|before| !is_same_hour(before.at, session.updated_at))
        {
            self.used.count(&mut session, &before);
        }
        if let Some(replaced) = replaced {
            self.turns.add(replaced.id, Turn::Ended);
            self.replaced.push(replaced);
        }
        if !keeps_names {
            self.renamed.insert(session.id);
        }
        self.turns.add(session.id, turn);
        self.sessions.insert(session.key.clone(), session);
    }

    /// The NAS was started anew: what began before is over.
    async fn reset(
        &mut self,
        tx: &mut Tx<'_>,
        router: RouterId,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Error> {
        let open = lango_store::radius::open_on(tx, router).await?;
        for open in self.with_own(open) {
            if open.router == router && open.started_at <= at {
                let ended_at = open.updated_at.min(now);
                self.close(open, RESET, ended_at);
            }
        }
        Ok(())
    }

    /// Sessions that last: those of the database, and those of this batch, which are newer.
    fn with_own(&self, stored: Vec<RadiusSession>) -> Vec<RadiusSession> {
        let other = |session: &RadiusSession| !self.sessions.contains_key(&session.key);
        let own = self.sessions.values().filter(|session| session.ended_at.is_none()).cloned();
        stored.into_iter().filter(other).chain(own).collect()
    }

    fn close(&mut self, session: RadiusSession, cause: &str, ended_at: Timestamp) {
        let cause = Some(cause.to_owned());
        let over = RadiusSession { ended_at: Some(ended_at), cause, ..session };
        self.turns.add(over.id, Turn::Ended);
        self.sessions.insert(over.key.clone(), over);
    }

    /// A device that begins a session on a NAS has left its older one there: nobody told, as in a
    /// power cut. It would take the place of another device.
    async fn lay_ghosts(&mut self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let has_begun = |session: &&RadiusSession| {
            let has_begun = self.turns.of(session).contains(&Turn::Begun);
            has_begun && session.mac.is_some() && session.grant.is_some()
        };
        let begun: Vec<RadiusSession> = self.sessions.values().filter(has_begun).cloned().collect();
        if begun.is_empty() {
            return Ok(());
        }
        let grants: HashSet<GrantId> = begun.iter().filter_map(|session| session.grant).collect();
        let grants: Vec<GrantId> = grants.into_iter().collect();
        let open = lango_store::radius::open_of_grants(tx, &grants).await?;
        let mut latest: HashMap<_, Timestamp> = HashMap::new();
        for session in begun {
            let began = latest.entry(place_of(&session)).or_insert(session.started_at);
            *began = session.started_at.max(*began);
        }
        for open in self.with_own(open) {
            let Some(began) = latest.get(&place_of(&open)).copied() else { continue };
            // Whoever was heard of since is no ghost.
            if open.started_at < began && open.updated_at <= began + SLACK {
                let ended_at = open.updated_at;
                self.close(open, REPLACED, ended_at);
            }
        }
        Ok(())
    }

    /// Returns all that was written.
    async fn save(
        self,
        tx: &mut Tx<'_>,
        app: &App,
        now: Timestamp,
    ) -> Result<Vec<RadiusSession>, Error> {
        let Batch { sessions, turns, mut replaced, renamed, mut used, heard, .. } = self;
        // First those that give up their names; with the others once more, since what they used
        // and the grant was not told yet is told now.
        lango_store::radius::save(tx, &mut replaced).await?;
        let touched = |session: &RadiusSession| !turns.of(session).is_empty();
        let mut changed: Vec<RadiusSession> = sessions.into_values().filter(touched).collect();
        changed.extend(replaced);
        changed.sort_by_key(|session| session.id);
        show(tx, &changed, &turns, now).await?;
        let told = tell(tx, app, &mut changed, &turns, now).await?;
        let (same, mut other): (Vec<_>, Vec<_>) = changed.into_iter().partition(|session| {
            let read = heard.get(&session.id);
            read.is_some_and(|at| is_same_hour(*at, session.updated_at))
                && session.ended_at.is_none()
                && turns.of(session).iter().all(|turn| *turn == Turn::GoesOn)
        });
        for session in &mut other {
            let told = Counts::of(session);
            used.count(session, &told);
        }
        let (mut same, mut grown): (Vec<_>, Vec<_>) = same.into_iter().partition(|session| {
            let is_told = session.grant.is_some_and(|grant| told.contains(&grant));
            is_told || renamed.contains(&session.id)
        });
        lango_store::radius::add_usage(tx, &used.by_hour()).await?;
        lango_store::radius::grow(tx, &mut grown).await?;
        lango_store::radius::go_on(tx, &mut same).await?;
        lango_store::radius::save(tx, &mut other).await?;
        grown.append(&mut same);
        grown.append(&mut other);
        Ok(grown)
    }
}

/// Whether a report names a session as it was named before.
fn keeps_names(known: &RadiusSession, report: &Report) -> bool {
    report.identifiers == known.identifiers
        && (report.mac.is_none() || report.mac == known.mac)
        && (report.address.is_none() || report.address == known.address)
}

/// Which device of which customer is where.
fn place_of(session: &RadiusSession) -> (RouterId, Option<GrantId>, Option<MacAddress>) {
    (session.router, session.grant, session.mac)
}

impl Owners {
    async fn read(&mut self, tx: &mut Tx<'_>, app: &App, new: &[&Report]) -> Result<(), Error> {
        let passes: HashSet<GrantId> =
            new.iter().filter_map(|report| report.pass).map(|pass| pass.grant).collect();
        let passes: Vec<GrantId> = passes.into_iter().collect();
        self.by_id.extend(lango_store::grants::tenants_of(tx, &passes).await?);
        let mut logins: HashMap<TenantId, Vec<Vec<u8>>> = HashMap::new();
        for report in new.iter().filter(|report| report.pass.is_none()) {
            logins.entry(report.tenant).or_default().push(login(app, report));
        }
        for (tenant, hashes) in logins {
            let hashes: Vec<&[u8]> = hashes.iter().map(Vec::as_slice).collect();
            for (hash, grant) in lango_store::grants::by_logins(tx, tenant, &hashes).await? {
                self.by_login.insert((tenant, hash), grant);
            }
        }
        Ok(())
    }

    /// Whose a session is. A Class names a grant, and must name one of the NAS's own business.
    fn of(&self, app: &App, report: &Report) -> Option<GrantId> {
        match report.pass {
            Some(pass) => {
                let tenant = self.by_id.get(&pass.grant)?;
                (*tenant == report.tenant).then_some(pass.grant)
            }
            None => self.by_login.get(&(report.tenant, login(app, report))).copied(),
        }
    }
}

fn login(app: &App, report: &Report) -> Vec<u8> {
    app.hash_login(identity::purpose(report.is_ppp), &report.name)
}

/// What staff see: the sessions of the same ids.
async fn show(
    tx: &mut Tx<'_>,
    changed: &[RadiusSession],
    turns: &Turns,
    now: Timestamp,
) -> Result<(), Error> {
    use lango_store::sessions::{self, End};
    let (mut begun, mut devices) = (Vec::new(), BTreeMap::new());
    let (mut reopened, mut ended) = (Vec::new(), Vec::new());
    for session in changed {
        let Some(grant) = session.grant else { continue };
        let turns = turns.of(session);
        if turns.iter().any(|turn| matches!(turn, Turn::Begun | Turn::Passed)) {
            begun.push(as_shown(session, grant));
            tx.wake(Topic::Admissions(session.router.raw()));
            if let Some(mac) = session.mac {
                devices.insert((session.tenant, mac), grant);
            }
        } else if turns.contains(&Turn::Reopened) {
            reopened.push(session.id);
        }
        // Also if it was over before: the NAS's last report comes after our own conclusion.
        if let Some(at) = session.ended_at {
            let (uptime, data) = (session.uptime, total(session));
            ended.push(End { id: session.id, at, uptime, data });
        }
    }
    sessions::open_all(tx, &begun).await?;
    sessions::see_devices(tx, &devices, now).await?;
    sessions::reopen_all(tx, &reopened).await?;
    sessions::settle_all(tx, &ended).await
}

fn as_shown(session: &RadiusSession, grant: GrantId) -> Session {
    Session {
        id: session.id,
        tenant: session.tenant,
        router: session.router,
        grant,
        mac: session.mac,
        address: session.address.clone(),
        started_at: session.started_at,
        ended_at: None,
        uptime: session.uptime,
        data: total(session),
    }
}

fn total(session: &RadiusSession) -> DataSize {
    DataSize::bytes(session.input.as_bytes().saturating_add(session.output.as_bytes()))
}

/// Tells the domain what it has to hear: who came and went, and what was used of what is limited.
/// To hear again that thousands are still online would keep everything else waiting. Returns which
/// grants heard.
async fn tell(
    tx: &mut Tx<'_>,
    app: &App,
    changed: &mut [RadiusSession],
    turns: &Turns,
    now: Timestamp,
) -> Result<HashSet<GrantId>, Error> {
    let matters = |session: &RadiusSession| {
        session.metered || turns.of(session).iter().any(|turn| *turn != Turn::GoesOn)
    };
    let news: HashSet<GrantId> = changed
        .iter()
        .filter(|session| matters(session))
        .filter_map(|session| session.grant)
        .collect();
    if news.is_empty() {
        return Ok(news);
    }
    let mut by_grant: HashMap<GrantId, Vec<&mut RadiusSession>> = HashMap::new();
    for session in changed {
        if let Some(grant) = session.grant.filter(|grant| news.contains(grant)) {
            by_grant.entry(grant).or_default().push(session);
        }
    }
    let ids: Vec<GrantId> = news.iter().copied().collect();
    let (occupants, seen) = (occupants(tx, &ids).await?, seen(tx, &ids).await?);
    let (mut changes, mut noted) = (Vec::new(), Vec::new());
    for stored in lango_store::grants::with_ids(tx, &ids).await? {
        let id = stored.grant.id;
        let sessions = by_grant.get_mut(&id).map(Vec::as_mut_slice).unwrap_or_default();
        cut_again(tx, &stored.grant, sessions, turns, now).await?;
        if let Some(hours) = &stored.grant.terms.logins.hours {
            for session in sessions.iter().filter(|session| has_come(session, turns)) {
                let closes = closing::closes(hours, now);
                lango_store::radius::close_at(tx, session.id, closes).await?;
            }
        }
        let online = occupants.get(&id).map(Vec::as_slice).unwrap_or_default();
        let since = online.iter().map(|occupant| occupant.started_at).min().unwrap_or(now);
        let growth = growth(sessions, is_metered(&stored));
        let last = seen.get(&id).map(Vec::as_slice).unwrap_or_default();
        noted.extend(noted_of(sessions, online, last, &growth).map(|seen| (id, seen)));
        let event = Event::Seen {
            devices: u16::try_from(online.len()).unwrap_or(u16::MAX),
            since,
            uptime: growth.uptime,
            data: DataSize::bytes(growth.data),
        };
        let change = match came_and_went(sessions, turns).filter(|_| online.is_empty()) {
            Some(since) => {
                let (uptime, data) = (Span::ZERO, DataSize::ZERO);
                let came = Event::Seen { devices: 1, since, uptime, data };
                Change::of(stored, came, now).and_then(|change| change.then(event, now))
            }
            None => Change::of(stored, event, now),
        };
        // A report is never refused.
        changes.extend(change.ok());
    }
    lango_store::enforcements::note_seen(tx, &noted).await?;
    change_grant::write(tx, app, changes, &Actor::Router, now).await?;
    Ok(news)
}

async fn occupants(
    tx: &mut Tx<'_>,
    grants: &[GrantId],
) -> Result<HashMap<GrantId, Vec<Occupant>>, Error> {
    let mut found: HashMap<GrantId, Vec<Occupant>> = HashMap::new();
    for occupant in lango_store::radius::occupants(tx, grants).await? {
        found.entry(occupant.grant).or_default().push(occupant);
    }
    Ok(found)
}

async fn seen(tx: &mut Tx<'_>, grants: &[GrantId]) -> Result<HashMap<GrantId, Vec<Seen>>, Error> {
    let mut found: HashMap<GrantId, Vec<Seen>> = HashMap::new();
    for (grant, seen) in lango_store::enforcements::seen_of(tx, grants).await? {
        found.entry(grant).or_default().push(seen);
    }
    Ok(found)
}

/// Since when somebody was online who is gone already, as far as we hear of it only now: the first
/// use of a voucher starts its clock, also if nothing but its end is told.
fn came_and_went(sessions: &[&mut RadiusSession], turns: &Turns) -> Option<Timestamp> {
    let is_new = |session: &&&mut RadiusSession| {
        turns.of(session).iter().any(|turn| matches!(turn, Turn::Begun | Turn::Passed))
    };
    sessions.iter().filter(is_new).map(|session| session.started_at).min()
}

/// Somebody is online who must not be: an end of a session that was none, or a login that passed
/// while his time ran out. What was confirmed is work again.
async fn cut_again(
    tx: &mut Tx<'_>,
    grant: &Grant,
    sessions: &[&mut RadiusSession],
    turns: &Turns,
    now: Timestamp,
) -> Result<(), Error> {
    let come = sessions.iter().filter(|session| has_come(session, turns));
    for session in come.filter(|session| wall::is_misfit(session, grant)) {
        let difference = [(grant.id, "a session lives that must not".to_owned())];
        lango_store::enforcements::repair(tx, session.router, &difference, now).await?;
    }
    Ok(())
}

/// Whether a session began, or turned out to last after all.
fn has_come(session: &RadiusSession, turns: &Turns) -> bool {
    let came = |turn: &Turn| matches!(turn, Turn::Begun | Turn::Reopened);
    session.ended_at.is_none() && turns.of(session).iter().any(came)
}

fn is_metered(stored: &StoredGrant) -> bool {
    stored.grant.wanted().profile().is_some_and(|profile| profile.metered)
}

/// What sessions used that the grant was not told yet.
#[derive(Default)]
struct Growth {
    uptime: Span,
    data: u64,
}

/// Of the sessions of one grant.
fn growth(sessions: &mut [&mut RadiusSession], metered: bool) -> Growth {
    let mut growth = Growth::default();
    for session in sessions {
        growth.uptime = growth.uptime + session.uptime.less(session.uptime_noted);
        let data = total(session).less(session.data_noted).as_bytes();
        growth.data = growth.data.saturating_add(data);
        session.uptime_noted = session.uptime;
        session.data_noted = total(session);
        session.metered = metered;
    }
    growth
}

/// What the NAS was last seen to hold, as for routers that we read ourselves.
fn noted_of(
    sessions: &[&mut RadiusSession],
    online: &[Occupant],
    last: &[Seen],
    growth: &Growth,
) -> Option<Seen> {
    let router = sessions.first()?.router;
    let last = last.iter().find(|seen| seen.router == router);
    let devices = online.iter().filter(|occupant| occupant.router == router).count() as i64;
    let uptime = last.map_or(Span::ZERO, |last| last.uptime) + growth.uptime;
    let data = last.map_or(0, |last| last.data.as_bytes()).saturating_add(growth.data);
    Some(Seen { router, devices, uptime, data: DataSize::bytes(data) })
}
