//! What FreeRADIUS wrote of sessions becomes first use, time and data used, and presence of
//! grants. Each session is counted by the highest that was ever read of it, noted in the same
//! transaction as the grant: a pass that is repeated, killed or made twice at once counts nothing
//! twice.
//!
//! FreeRADIUS lets an older report overwrite a newer one, a stop without counters set them to
//! zero, and a late start move the beginning; none of that takes anything back here.

use crate::app::App;
use crate::enforcement::freeradius::marked;
use crate::operations::add_router::RouterProtocol;
use crate::operations::keep_freeradius_rows::place;
use crate::operations::record_presence::{Growth, record_growth};
use lango_domain::ids::{ActivityId, GrantId, RouterId, TenantId};
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_store::activity::Activity;
use lango_store::freeradius::{self, Accounted, Counted, Holder, Which};
use lango_store::{Error, Tx};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// How many sessions one transaction takes.
const PAGE: i64 = 500;
/// How many rows before the last one read are read again: numbers are given before they are
/// committed.
const OVERLAP: i64 = 1_000;
/// How long a stopped session is read again, for a stop that comes late.
const WATCHED: Span = Span::days(1);
/// After how much silence a session that used to be reported no longer counts as online. One that
/// never was reported between start and stop may be on a NAS that does not do that, and stays.
const QUIET: Span = Span::minutes(20);
/// How far a NAS's clock may be off and still be believed; its seconds are whole ones, too.
const SKEW: Span = Span::minutes(10);
/// How long a NAS that reported to Lango's own server counts as one that does.
const LATELY: Span = Span::days(1);
/// The last row there was before we ever looked: what is older was not ours.
const FIRST: &str = "freeradius.first_row";
/// The last row that was there at the last reading.
const LAST: &str = "freeradius.last_row";

/// What a reading found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Read {
    /// Sessions of ours without a stop.
    pub open: usize,
    /// Sessions of which something was new.
    pub news: usize,
    /// Sessions on routers that Lango reads by itself, so not counted here.
    pub read_elsewhere: usize,
}

/// Reads FreeRADIUS's account of sessions at `now`.
///
/// # Errors
/// A fault of the store. What was counted before it is counted.
pub async fn read_sessions(app: &App, now: Timestamp) -> Result<Read, Error> {
    let places = places(app, now).await?;
    let mut read = Read::default();
    let recent = places.first.max(places.last - OVERLAP);
    let walks = [(Which::Open, places.first), (Which::Watched(now), 0), (Which::Closed, recent)];
    for (which, from) in walks {
        let mut after = from;
        while let Some(page) = read_page(app, which, after, &places, now).await? {
            read.open += if which == Which::Open { page.rows } else { 0 };
            read.news += page.news;
            read.read_elsewhere += page.read_elsewhere;
            after = page.last;
        }
    }
    let newest = places.newest.to_string();
    app.store()
        .write(async move |tx: &mut Tx<'_>| lango_store::facts::keep(tx, LAST, &newest).await)
        .await?;
    Ok(read)
}

/// Where reading begins, and whose sessions are read elsewhere.
#[derive(Clone)]
struct Places {
    first: i64,
    last: i64,
    newest: i64,
    driven: Arc<HashSet<IpAddr>>,
}

async fn places(app: &App, now: Timestamp) -> Result<Places, Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let newest = freeradius::last_row(tx).await?;
            let first = match row_of_fact(tx, FIRST).await? {
                Some(first) => first,
                None => {
                    lango_store::facts::keep(tx, FIRST, &newest.to_string()).await?;
                    newest
                }
            };
            let last = row_of_fact(tx, LAST).await?.unwrap_or(first);
            let driven = Arc::new(driven(tx, now).await?);
            Ok(Places { first, last, newest, driven })
        })
        .await
}

/// The routers whose sessions Lango reads by itself: by their API, or because they lately reported
/// to its own RADIUS server.
async fn driven(tx: &mut Tx<'_>, now: Timestamp) -> Result<HashSet<IpAddr>, Error> {
    let heard: HashSet<RouterId> = lango_store::radius::nases(tx)
        .await?
        .into_iter()
        .filter(|nas| nas.heard_at.is_some_and(|at| now.since(at) < LATELY))
        .map(|nas| nas.router)
        .collect();
    let routers = lango_store::routers::all(tx).await?;
    let driven = routers.iter().filter_map(|router| match place(router)? {
        (RouterProtocol::Radius, _) if !heard.contains(&router.id) => None,
        (_, address) => Some(address),
    });
    Ok(driven.collect())
}

async fn row_of_fact(tx: &mut Tx<'_>, name: &str) -> Result<Option<i64>, Error> {
    Ok(lango_store::facts::read(tx, name).await?.and_then(|value| value.parse().ok()))
}

/// What a page brought.
struct Page {
    rows: usize,
    news: usize,
    read_elsewhere: usize,
    last: i64,
}

async fn read_page(
    app: &App,
    which: Which,
    after: i64,
    places: &Places,
    now: Timestamp,
) -> Result<Option<Page>, Error> {
    let (desk, places) = (app.clone(), places.clone());
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let rows = freeradius::sessions(tx, which, after, PAGE).await?;
            let Some(last) = rows.last().map(|row| row.row) else { return Ok(None) };
            let total = rows.len();
            let ours: Vec<Accounted> =
                rows.into_iter().filter(|row| !is_driven(row, &places)).collect();
            let read_elsewhere = total - ours.len();
            let news = count(tx, &desk, ours, now).await?;
            Ok(Some(Page { rows: total, news, read_elsewhere, last }))
        })
        .await
}

fn is_driven(row: &Accounted, places: &Places) -> bool {
    row.nas.parse().is_ok_and(|nas: IpAddr| places.driven.contains(&nas))
}

/// Counts what is new in these rows. Returns how many had something new.
async fn count(
    tx: &mut Tx<'_>,
    app: &App,
    rows: Vec<Accounted>,
    now: Timestamp,
) -> Result<usize, Error> {
    let mut steps: BTreeMap<GrantId, Vec<Step>> = BTreeMap::new();
    for row in rows {
        let owner = row.counted.as_ref().map(|counted| counted.grant).or(marked(&row.mark));
        let Some(grant) = owner else { continue };
        if let Some(step) = step(row, grant, now) {
            steps.entry(grant).or_default().push(step);
        }
    }
    if steps.is_empty() {
        return Ok(0);
    }
    let grants: Vec<GrantId> = steps.keys().copied().collect();
    let holders = freeradius::grants(tx, &grants).await?;
    let holders: HashMap<GrantId, Holder> =
        holders.into_iter().map(|holder| (holder.stored.grant.id, holder)).collect();
    // A mark may name a grant that never was.
    steps.retain(|grant, _| holders.contains_key(grant));
    let counted: Vec<Counted> = steps.values().flatten().map(|step| step.after.clone()).collect();
    freeradius::count(tx, &counted).await?;
    let grown = steps
        .iter()
        .filter_map(|(grant, steps)| {
            let holder = holders.get(grant)?;
            Some((holder.stored.clone(), growth(*grant, steps, holder.created_at, now)))
        })
        .collect();
    record_growth(tx, app, grown, now).await?;
    Ok(counted.len())
}

/// What a reading of one session adds.
struct Step {
    after: Counted,
    is_new: bool,
    started_at: Option<Timestamp>,
    uptime: Span,
    data: DataSize,
}

/// Nothing if all of it was known.
fn step(row: Accounted, grant: GrantId, now: Timestamp) -> Option<Step> {
    let before = row.counted;
    let (had_uptime, had_data) =
        before.as_ref().map_or((Span::ZERO, DataSize::ZERO), |known| (known.uptime, known.data));
    let (uptime, data) = (had_uptime.max(row.uptime), had_data.max(row.data));
    let grew = uptime > had_uptime || data > had_data;
    let readings = before.as_ref().map_or(0, |known| known.readings) + i64::from(grew);
    let grown_at = before.as_ref().filter(|_| !grew).map_or(now, |known| known.grown_at);
    let gone_at = before.as_ref().filter(|_| !grew).and_then(|known| known.gone_at);
    let is_quiet = readings > 0 && now.since(grown_at) > QUIET;
    let watched_until = match before.as_ref().map(|known| known.watched_until) {
        _ if row.open => FOR_EVER,
        Some(until) if until != FOR_EVER => until,
        _ => now + WATCHED,
    };
    let after = Counted {
        unique_id: row.unique_id,
        grant,
        uptime,
        data,
        online: row.open && gone_at.is_none() && !is_quiet,
        grown_at,
        readings,
        gone_at,
        watched_until,
    };
    let is_news = before.as_ref() != Some(&after);
    is_news.then(|| Step {
        is_new: before.is_none(),
        started_at: row.started_at,
        uptime: uptime.less(had_uptime),
        data: data.less(had_data),
        after,
    })
}

const FOR_EVER: Timestamp = Timestamp::from_micros(i64::MAX);

fn growth(grant: GrantId, steps: &[Step], created_at: Timestamp, now: Timestamp) -> Growth {
    let began = |step: &Step| began(step, created_at, now);
    Growth {
        grant,
        since: steps.iter().filter(|step| step.is_new).map(began).min().unwrap_or(now),
        came_and_went: steps.iter().any(|step| step.is_new && !step.after.online),
        uptime: steps.iter().fold(Span::ZERO, |sum, step| sum + step.uptime),
        data: steps.iter().fold(DataSize::ZERO, |sum, step| sum + step.data),
    }
}

/// When a session began. The time is the NAS's, and one without a clock begins in 1970: a voucher
/// must not be over before it was sold, so what cannot be true gives way to what was counted.
fn began(step: &Step, created_at: Timestamp, now: Timestamp) -> Timestamp {
    let counted = now - step.after.uptime;
    let plausible = created_at - SKEW..=now + SKEW;
    let said = step.started_at.filter(|at| plausible.contains(at));
    said.map_or(counted, |said| said.min(counted)).max(created_at.min(now))
}

/// A session whose NAS confirmed that it is gone.
#[derive(Clone, Debug)]
pub struct Gone {
    /// What FreeRADIUS calls it.
    pub unique_id: String,
    /// Whose.
    pub grant: GrantId,
    /// Whose.
    pub tenant: TenantId,
    /// The address of the NAS.
    pub nas: String,
    /// Whether its stop was lost: then it is written in FreeRADIUS's stead.
    pub stop_was_lost: bool,
}

/// Notes that sessions are gone, and that their customers left.
///
/// # Errors
/// A fault of the store; nothing of it is noted then.
pub async fn record_gone(app: &App, gone: Vec<Gone>, now: Timestamp) -> Result<(), Error> {
    let (desk, gone): (App, Arc<[Gone]>) = (app.clone(), gone.into());
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let mut lines = Vec::new();
            for session in gone.iter() {
                if session.stop_was_lost {
                    freeradius::close(tx, &session.unique_id).await?;
                }
                if freeradius::note_gone(tx, &session.unique_id, now).await? {
                    lines.push(account(&desk, session, now));
                }
            }
            let grants: Vec<GrantId> = lines.iter().filter_map(|line| line.grant).collect();
            let left = |holder: Holder| {
                let grant = holder.stored.grant.id;
                let (uptime, data) = (Span::ZERO, DataSize::ZERO);
                let growth = Growth { grant, since: now, came_and_went: false, uptime, data };
                (holder.stored, growth)
            };
            let holders = freeradius::grants(tx, &grants).await?;
            record_growth(tx, &desk, holders.into_iter().map(left).collect(), now).await?;
            lango_store::activity::append(tx, &lines).await
        })
        .await
}

fn account(app: &App, session: &Gone, now: Timestamp) -> Activity {
    Activity {
        id: app.id::<ActivityId>(now),
        tenant: session.tenant,
        at: now,
        actor: "engine".to_owned(),
        grant: Some(session.grant),
        router: None,
        what: "disconnected".to_owned(),
        detail: format!("NAS {} confirmed that the session is gone", session.nas),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::Id;

    const NOON: Timestamp = Timestamp::from_micros(1_795_251_600_000_000);

    fn row(uptime: i64, data: u64, counted: Option<Counted>) -> Accounted {
        Accounted {
            row: 1,
            unique_id: "u".to_owned(),
            mark: String::new(),
            name: "ann".to_owned(),
            session_id: "1".to_owned(),
            nas: "10.0.0.1".to_owned(),
            address: None,
            started_at: Some(NOON),
            open: true,
            uptime: Span::seconds(uptime),
            data: DataSize::bytes(data),
            counted,
        }
    }

    fn read(row: Accounted, minutes: i64) -> Option<Step> {
        step(row, GrantId::from_raw(1), NOON + Span::minutes(minutes))
    }

    #[test]
    fn what_was_counted_is_never_counted_again() {
        let first = read(row(300, 1_000, None), 5).unwrap();
        assert_eq!((first.uptime, first.data), (Span::seconds(300), DataSize::bytes(1_000)));
        assert!(read(row(300, 1_000, Some(first.after.clone())), 6).is_none());
        let second = read(row(600, 1_500, Some(first.after)), 10).unwrap();
        assert_eq!((second.uptime, second.data), (Span::seconds(300), DataSize::bytes(500)));
    }

    #[test]
    fn an_older_report_and_a_stop_without_counters_take_nothing_back() {
        let known = read(row(600, 1_500, None), 10).unwrap().after;
        assert!(read(row(300, 1_000, Some(known.clone())), 11).is_none());
        let stop = Accounted { open: false, ..row(0, 0, Some(known)) };
        let stop = read(stop, 12).unwrap();
        assert!(stop.uptime.is_zero() && stop.data == DataSize::ZERO && !stop.after.online);
        assert_eq!(stop.after.data, DataSize::bytes(1_500));
    }

    #[test]
    fn silence_counts_only_after_reports() {
        let reported = read(row(300, 0, None), 5).unwrap().after;
        assert!(read(row(300, 0, Some(reported.clone())), 24).is_none());
        assert!(!read(row(300, 0, Some(reported)), 26).unwrap().after.online);
        let never = read(row(0, 0, None), 0).unwrap().after;
        assert!(read(row(0, 0, Some(never)), 600).is_none(), "this NAS may not report at all");
    }

    #[test]
    fn a_session_that_is_reported_again_is_not_gone() {
        let mut known = read(row(300, 0, None), 5).unwrap().after;
        known.gone_at = Some(NOON + Span::minutes(6));
        known.online = false;
        assert!(read(row(300, 0, Some(known.clone())), 7).is_none());
        assert!(read(row(600, 0, Some(known)), 10).unwrap().after.online);
    }

    #[test]
    fn a_nas_without_a_clock_does_not_end_a_voucher_before_it_was_sold() {
        let sold = NOON - Span::hours(1);
        let now = NOON + Span::minutes(5);
        let a_little = Accounted { started_at: Some(sold - Span::seconds(1)), ..row(120, 0, None) };
        assert_eq!(began(&read(a_little, 5).unwrap(), sold, now), sold);
        for wrong in [Timestamp::default(), NOON + Span::days(400)] {
            let wrong = Accounted { started_at: Some(wrong), ..row(120, 0, None) };
            let step = read(wrong, 5).unwrap();
            assert_eq!(began(&step, sold, now), now - Span::seconds(120));
        }
        let late_start = read(row(600, 0, None), 5).unwrap();
        assert_eq!(began(&late_start, sold, now), now - Span::minutes(10));
    }
}
