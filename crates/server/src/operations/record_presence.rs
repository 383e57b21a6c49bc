//! What routers say about who is online: first use, time and data used, sessions and devices.
//! Only complete readings come here; half a reading is nobody's evidence.

use crate::app::App;
use crate::enforcement::LiveSession;
use crate::operations::change_grant::{self, Actor, Change};
use lango_domain::grant::Event;
use lango_domain::ids::{GrantId, RouterId, TenantId};
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_store::enforcements::Seen;
use lango_store::grants::StoredGrant;
use lango_store::sessions::Session;
use lango_store::{Error, Tx};
use std::sync::Arc;

/// How many grants one transaction takes.
const BATCH: usize = 200;

/// One grant on one router, as just read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Which grant.
    pub grant: GrantId,
    /// Its sessions there now; none if it just left.
    pub sessions: Vec<LiveSession>,
    /// The router's running total of time online; none if it was not read.
    pub uptime: Option<Span>,
    /// The router's running total of data; none if it was not read.
    pub data: Option<DataSize>,
}

/// Records readings of one router taken at `now`. Returns how many grants were used for the first
/// time.
///
/// # Errors
/// A fault of the store. What was committed before it stays; readings may be recorded again.
pub async fn record_presence(
    app: &App,
    router: RouterId,
    readings: Vec<Reading>,
    now: Timestamp,
) -> Result<(), Error> {
    for batch in readings.chunks(BATCH) {
        let (desk, batch): (App, Arc<[Reading]>) = (app.clone(), batch.into());
        app.store()
            .write(async move |tx: &mut Tx<'_>| record_batch(tx, &desk, router, &batch, now).await)
            .await?;
    }
    Ok(())
}

async fn record_batch(
    tx: &mut Tx<'_>,
    app: &App,
    router: RouterId,
    readings: &[Reading],
    now: Timestamp,
) -> Result<(), Error> {
    let (mut changes, mut noted) = (Vec::new(), Vec::new());
    for reading in readings {
        let Some(stored) = lango_store::grants::find(tx, reading.grant).await? else { continue };
        let seen = lango_store::enforcements::seen(tx, reading.grant).await?;
        let last = seen.iter().find(|seen| seen.router == router);
        let next = next_seen(router, reading, last);
        note_sessions(tx, app, router, &stored, reading, now).await?;
        if let Some(change) = change(stored, reading, &seen, next, last, now) {
            changes.push(change);
        }
        noted.push((reading.grant, next));
    }
    lango_store::enforcements::note_seen(tx, &noted).await?;
    change_grant::write(tx, app, changes, &Actor::Router, now).await
}

/// What a grant's sessions in somebody else's account grew by since it was last read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Growth {
    /// Which grant.
    pub grant: GrantId,
    /// When the first of the sessions that are new began.
    pub since: Timestamp,
    /// Whether a session came and went since the last reading: then he was online, though nobody
    /// is now.
    pub came_and_went: bool,
    /// Time online that was not counted yet.
    pub uptime: Span,
    /// Data that was not counted yet.
    pub data: DataSize,
}

/// Records what was read of an account of sessions, in the caller's transaction, which has noted
/// how far it was read. Who is online now is taken from there.
pub(crate) async fn record_growth(
    tx: &mut Tx<'_>,
    app: &App,
    grown: Vec<(StoredGrant, Growth)>,
    now: Timestamp,
) -> Result<(), Error> {
    let mut changes = Vec::new();
    for (stored, growth) in grown {
        let seen = lango_store::enforcements::seen(tx, growth.grant).await?;
        let devices: i64 = seen.iter().map(|seen| seen.devices).sum();
        changes.extend(grown_by(stored, &growth, devices, now));
    }
    change_grant::write(tx, app, changes, &Actor::Router, now).await
}

/// A reading is never refused.
fn grown_by(stored: StoredGrant, growth: &Growth, devices: i64, now: Timestamp) -> Option<Change> {
    let devices = u16::try_from(devices).unwrap_or(u16::MAX);
    let seen = |devices| Event::Seen {
        devices,
        since: growth.since,
        uptime: growth.uptime,
        data: growth.data,
    };
    if devices > 0 || !growth.came_and_went {
        return Change::of(stored, seen(devices), now).ok();
    }
    let came = Change::of(stored, seen(1), now).ok()?;
    let left = Event::Seen { devices: 0, since: now, uptime: Span::ZERO, data: DataSize::ZERO };
    let went = Change::of(came.after, left, now).ok()?;
    let effects = came.effects.into_iter().chain(went.effects).collect();
    Some(Change { before: came.before, after: went.after, effects })
}

fn next_seen(router: RouterId, reading: &Reading, last: Option<&Seen>) -> Seen {
    Seen {
        router,
        devices: reading.sessions.len() as i64,
        uptime: reading.uptime.or(last.map(|last| last.uptime)).unwrap_or_default(),
        data: reading.data.or(last.map(|last| last.data)).unwrap_or_default(),
    }
}

fn change(
    stored: StoredGrant,
    reading: &Reading,
    seen: &[Seen],
    next: Seen,
    last: Option<&Seen>,
    now: Timestamp,
) -> Option<Change> {
    let elsewhere: i64 =
        seen.iter().filter(|seen| seen.router != next.router).map(|seen| seen.devices).sum();
    let longest = reading.sessions.iter().map(|session| session.uptime).max().unwrap_or_default();
    let event = Event::Seen {
        devices: u16::try_from(elsewhere + next.devices).unwrap_or(u16::MAX),
        since: now - longest,
        uptime: grown(last.map_or(Span::ZERO, |l| l.uptime).micros(), next.uptime.micros())
            .map_or(Span::ZERO, Span::from_micros),
        data: grown(as_i64(last.map_or(DataSize::ZERO, |l| l.data)), as_i64(next.data))
            .and_then(|bytes| u64::try_from(bytes).ok())
            .map_or(DataSize::ZERO, DataSize::bytes),
    };
    // A reading is never refused.
    Change::of(stored, event, now).ok()
}

fn as_i64(size: DataSize) -> i64 {
    i64::try_from(size.as_bytes()).unwrap_or(i64::MAX)
}

/// What a counter grew by. One that went back was reset on the router and counts from zero.
fn grown(last: i64, next: i64) -> Option<i64> {
    if next >= last { Some(next - last) } else { Some(next) }
}

async fn note_sessions(
    tx: &mut Tx<'_>,
    app: &App,
    router: RouterId,
    stored: &StoredGrant,
    reading: &Reading,
    now: Timestamp,
) -> Result<(), Error> {
    use lango_store::sessions;
    let open = sessions::open_of_grant(tx, router, stored.grant.id).await?;
    for gone in
        open.iter().filter(|open| !reading.sessions.iter().any(|live| is_same(open, live, now)))
    {
        let uptime = now.since(gone.started_at);
        sessions::close(tx, gone.id, now, uptime, gone.data).await?;
    }
    for live in
        reading.sessions.iter().filter(|live| !open.iter().any(|open| is_same(open, live, now)))
    {
        let session = begun(app, router, stored.grant.tenant, stored.grant.id, live, now);
        sessions::open(tx, &session).await?;
        if let Some(mac) = live.mac {
            sessions::see_device(tx, session.tenant, mac, session.grant, now).await?;
        }
    }
    Ok(())
}

/// One device has one session at a time; a second login of it is told apart by its start.
pub(crate) fn is_same(open: &Session, live: &LiveSession, now: Timestamp) -> bool {
    const SLACK: Span = Span::seconds(30);
    let started = now - live.uptime;
    let apart = started.since(open.started_at).max(open.started_at.since(started));
    open.mac == live.mac
        && open.address == live.address.map(|address| address.to_string())
        && apart <= SLACK
}

fn begun(
    app: &App,
    router: RouterId,
    tenant: TenantId,
    grant: GrantId,
    live: &LiveSession,
    now: Timestamp,
) -> Session {
    Session {
        id: app.id(now),
        tenant,
        router,
        grant,
        mac: live.mac,
        address: live.address.map(|address| address.to_string()),
        started_at: now - live.uptime,
        ended_at: None,
        uptime: live.uptime,
        data: live.data,
    }
}
