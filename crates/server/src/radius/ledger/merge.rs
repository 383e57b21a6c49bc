//! What a report changes of a session. Reports come in any order, twice, late or not at all;
//! counters never go back and nothing is counted twice.

use super::report::{Report, What};
use crate::radius::identity;
use lango_domain::ids::{GrantId, Id, SessionId};
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_radius::accounting::Count;
use lango_store::radius::RadiusSession;

/// Why a session is closed of which nothing was heard any more.
pub(in crate::radius) const SILENT: &str = "silent";
/// Why a session is closed that a NAS confirmed to have ended at our word.
pub(crate) const DISCONNECTED: &str = "disconnected";
/// Why a session is closed whose name another one has now.
pub(super) const REPLACED: &str = "replaced";
/// Why the sessions of a router are closed that was taken out of service.
pub(super) const REMOVED: &str = "router removed";
/// Why the sessions of a NAS are closed that was started anew.
pub(in crate::radius) const RESET: &str = "NAS-Reboot";

/// How far apart two beginnings of one session may seem: reports are rounded to seconds, and
/// packets wait.
pub(super) const SLACK: Span = Span::seconds(30);
/// How much longer than since its beginning a session may say that it lasted. More is the work of a
/// NAS that reckons by its clock and had that put right meanwhile.
const BEYOND_BELIEF: Span = Span::hours(24);
/// The most that can go through in a second: ten gigabits.
const FASTEST: u64 = 1_250_000_000;

/// What a report made of a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Merged {
    /// As it is now.
    pub(super) session: RadiusSession,
    /// The one that had its name before, if it was another.
    pub(super) replaced: Option<RadiusSession>,
    /// What happened to it.
    pub(super) turn: Turn,
}

/// What happened to a session, as its customer sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// It is new and lasts.
    Begun,
    /// It lasts on, or has been over.
    GoesOn,
    /// It is over now.
    Ended,
    /// It lasts after all.
    Reopened,
    /// It is new and over: nobody told of its beginning.
    Passed,
}

/// Applies a report to the session of its name.
pub(super) fn merge(
    known: Option<RadiusSession>,
    report: &Report,
    grant: Option<GrantId>,
    id: SessionId,
    now: Timestamp,
) -> Merged {
    match known {
        Some(known) if is_another(&known, report) => {
            let session = begun(report, grant, id, now);
            Merged { turn: first_turn(&session), session, replaced: Some(replaced(known)) }
        }
        Some(known) => go_on(known, report, now),
        None => {
            let session = begun(report, grant, id, now);
            Merged { turn: first_turn(&session), session, replaced: None }
        }
    }
}

/// Whether the NAS uses an old name for a new session: RouterOS does after some reboots. The Class
/// tells them apart where there is one; this is for where there is none.
fn is_another(known: &RadiusSession, report: &Report) -> bool {
    if report.pass.is_some() {
        return false;
    }
    let began = report.at - report.uptime;
    let last = known.started_at + known.uptime;
    // Time that went back is a new start, unless the report is just an old one that came late.
    began > last + SLACK && (report.uptime < known.uptime || known.ended_at.is_some())
}

fn replaced(known: RadiusSession) -> RadiusSession {
    let ended_at = known.ended_at.or(Some(known.updated_at));
    let cause = known.cause.or(Some(REPLACED.to_owned()));
    RadiusSession { key: identity::retired(&known.key, known.id.raw()), ended_at, cause, ..known }
}

fn begun(report: &Report, grant: Option<GrantId>, id: SessionId, now: Timestamp) -> RadiusSession {
    let (ended_at, cause) = end(report);
    RadiusSession {
        id,
        tenant: report.tenant,
        router: report.router,
        grant,
        key: report.key.clone(),
        identifiers: report.identifiers.clone(),
        mac: report.mac,
        address: report.address.clone(),
        started_at: report.at - report.uptime,
        updated_at: now,
        ended_at,
        cause,
        uptime: report.uptime,
        input: first_count(report.input),
        output: first_count(report.output),
        uptime_noted: Span::ZERO,
        data_noted: DataSize::ZERO,
        metered: false,
        input_counted: DataSize::ZERO,
        output_counted: DataSize::ZERO,
        version: 0,
    }
}

fn end(report: &Report) -> (Option<Timestamp>, Option<String>) {
    match &report.what {
        What::Stop { cause } => (Some(report.at), Some(cause.clone())),
        What::Start | What::Interim => (None, None),
    }
}

fn first_turn(session: &RadiusSession) -> Turn {
    if session.ended_at.is_some() { Turn::Passed } else { Turn::Begun }
}

/// How many times the counter wrapped before we first heard of it nobody can know.
fn first_count(count: Option<Count>) -> DataSize {
    DataSize::bytes(match count {
        Some(Count::Whole(whole)) => whole,
        Some(Count::Modulo32(low)) => u64::from(low),
        None => 0,
    })
}

fn go_on(known: RadiusSession, report: &Report, now: Timestamp) -> Merged {
    let uptime = believable(&known, report, now);
    let is_newer = uptime > known.uptime;
    let elapsed = uptime.less(known.uptime);
    let (ended_at, cause, turn) = fate(&known, report, is_newer);
    let session = RadiusSession {
        started_at: known.started_at.min(report.at - uptime),
        // A report that came late says nothing of now.
        updated_at: if is_newer { now } else { known.updated_at },
        ended_at,
        cause,
        uptime: known.uptime.max(uptime),
        input: grown(known.input, report.input, elapsed),
        output: grown(known.output, report.output, elapsed),
        mac: report.mac.or(known.mac),
        address: report.address.clone().or(known.address),
        identifiers: match is_newer && report.identifiers != known.identifiers {
            true => report.identifiers.clone(),
            false => known.identifiers,
        },
        ..known
    };
    Merged { session, replaced: None, turn }
}

/// How long it lasted. What cannot be is not believed, so that nobody's time online is used up by
/// a clock that jumps.
fn believable(known: &RadiusSession, report: &Report, now: Timestamp) -> Span {
    let longest = now.since(known.started_at) + BEYOND_BELIEF;
    if report.uptime > longest { known.uptime } else { report.uptime }
}

/// Whether the session is over. A Stop of the NAS is its last word; what we concluded ourselves
/// gives way to any later sign of life.
fn fate(
    known: &RadiusSession,
    report: &Report,
    is_newer: bool,
) -> (Option<Timestamp>, Option<String>, Turn) {
    let ours = matches!(known.cause.as_deref(), Some(SILENT | DISCONNECTED | REPLACED));
    match (&report.what, known.ended_at) {
        (What::Stop { cause }, None) => (Some(report.at), Some(cause.clone()), Turn::Ended),
        (What::Stop { cause }, Some(_)) if ours => {
            (Some(report.at), Some(cause.clone()), Turn::GoesOn)
        }
        // What was sent before our word arrived is no sign that it was not obeyed.
        (What::Interim, Some(ended)) if known.cause.as_deref() == Some(DISCONNECTED) => {
            if report.at > ended + SLACK {
                (None, None, Turn::Reopened)
            } else {
                (known.ended_at, known.cause.clone(), Turn::GoesOn)
            }
        }
        (What::Interim, Some(_)) if is_newer => (None, None, Turn::Reopened),
        _ => (known.ended_at, known.cause.clone(), Turn::GoesOn),
    }
}

/// The higher of two counts. One of 32 bits that fell while time went on has wrapped, if so much
/// can have gone through; if more than one wrap is possible it is a guess, and none is made.
fn grown(known: DataSize, count: Option<Count>, elapsed: Span) -> DataSize {
    const WRAP: u64 = 1 << 32;
    let known = known.as_bytes();
    let told = match count {
        None => known,
        Some(Count::Whole(whole)) => whole,
        Some(Count::Modulo32(low)) => {
            let same = (known & !(WRAP - 1)) | u64::from(low);
            let wrapped = same + WRAP;
            let seconds = u64::try_from(elapsed.as_millis() / 1_000).unwrap_or(0);
            let possible = seconds.saturating_mul(FASTEST);
            if same < known && wrapped - known <= possible { wrapped } else { same }
        }
    };
    DataSize::bytes(told.max(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::{RouterId, TenantId};
    use proptest::prelude::*;

    const NOON: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

    fn report(what: What, uptime: i64, input: u64) -> Report {
        Report {
            router: RouterId::from_raw(1),
            tenant: TenantId::from_raw(1),
            what,
            key: vec![1; 16],
            identifiers: vec![1, 5, b'a', b'n', b'n'],
            pass: None,
            name: "ann".to_owned(),
            is_ppp: false,
            mac: None,
            address: None,
            at: NOON + Span::seconds(uptime),
            uptime: Span::seconds(uptime),
            input: Some(Count::Whole(input)),
            output: None,
        }
    }

    fn stop(uptime: i64, input: u64) -> Report {
        report(What::Stop { cause: "User-Request".to_owned() }, uptime, input)
    }

    fn told(reports: &[Report]) -> (RadiusSession, Vec<Turn>) {
        let mut known = None;
        let mut turns = Vec::new();
        for (number, report) in reports.iter().enumerate() {
            let id = SessionId::from_raw(number as i64 + 1);
            let merged = merge(known, report, Some(GrantId::from_raw(9)), id, report.at);
            turns.push(merged.turn);
            known = Some(merged.session);
        }
        (known.unwrap(), turns)
    }

    #[test]
    fn a_session_begins_grows_and_ends() {
        let reports =
            [report(What::Start, 0, 0), report(What::Interim, 300, 1_000), stop(400, 1_500)];
        let (session, turns) = told(&reports);
        assert_eq!(turns, [Turn::Begun, Turn::GoesOn, Turn::Ended]);
        assert_eq!(session.started_at, NOON);
        assert_eq!(session.ended_at, Some(NOON + Span::seconds(400)));
        assert_eq!((session.uptime, session.input.as_bytes()), (Span::seconds(400), 1_500));
    }

    #[test]
    fn an_old_report_that_comes_late_takes_nothing_back() {
        let reports = [report(What::Interim, 600, 9_000), report(What::Interim, 300, 1_000)];
        let (session, turns) = told(&reports);
        assert_eq!(turns, [Turn::Begun, Turn::GoesOn]);
        assert_eq!((session.uptime, session.input.as_bytes()), (Span::seconds(600), 9_000));
        // Nor does a Start after the Stop.
        let (session, turns) = told(&[stop(400, 1_500), report(What::Start, 0, 0)]);
        assert_eq!(turns, [Turn::Passed, Turn::GoesOn]);
        assert_eq!(
            (session.ended_at, session.input.as_bytes()),
            (Some(NOON + Span::seconds(400)), 1_500)
        );
    }

    #[test]
    fn a_stop_without_counters_leaves_them() {
        let bare = Report { input: None, ..stop(0, 0) };
        let (session, _) = told(&[report(What::Interim, 600, 9_000), bare]);
        assert_eq!((session.uptime, session.input.as_bytes()), (Span::seconds(600), 9_000));
        assert!(session.ended_at.is_some());
    }

    #[test]
    fn what_we_took_for_its_end_gives_way_to_a_sign_of_life() {
        let (session, _) = told(&[report(What::Interim, 600, 9_000)]);
        let cause = Some(SILENT.to_owned());
        let closed = RadiusSession { ended_at: Some(session.updated_at), cause, ..session };
        let late = report(What::Interim, 4_000, 10_000);
        let merged = merge(Some(closed), &late, None, SessionId::from_raw(7), late.at);
        assert_eq!(merged.turn, Turn::Reopened);
        assert_eq!(merged.session.ended_at, None);
        assert_eq!(merged.session.grant, Some(GrantId::from_raw(9)));
    }

    #[test]
    fn a_name_that_is_used_again_is_another_session() {
        let (ended, _) = told(&[report(What::Start, 0, 0), stop(400, 1_500)]);
        let again = Report { at: NOON + Span::hours(5), ..report(What::Start, 0, 0) };
        let merged = merge(Some(ended.clone()), &again, None, SessionId::from_raw(7), again.at);
        assert_eq!(merged.turn, Turn::Begun);
        let replaced = merged.replaced.unwrap();
        assert_eq!((replaced.id, replaced.ended_at), (ended.id, ended.ended_at));
        assert_ne!(replaced.key, merged.session.key);
        // One that never stopped, as far as we know, ends when it was last heard of.
        let (open, _) = told(&[report(What::Interim, 600, 9_000)]);
        let merged = merge(Some(open.clone()), &again, None, SessionId::from_raw(7), again.at);
        assert_eq!(merged.replaced.unwrap().ended_at, Some(open.updated_at));
    }

    #[test]
    fn a_counter_of_32_bits_that_falls_has_wrapped_if_that_is_possible() {
        let low = |seconds: i64, low: u32| Report {
            input: Some(Count::Modulo32(low)),
            ..report(What::Interim, seconds, 0)
        };
        let (session, _) = told(&[low(300, 4_000_000_000), low(600, 5_000)]);
        assert_eq!(session.input.as_bytes(), (1 << 32) + 5_000);
        // In a second not even ten gigabits wrap it.
        let (session, _) = told(&[low(300, 3_000_000_000), low(301, 1_500_000_000)]);
        assert_eq!(session.input.as_bytes(), 3_000_000_000);
    }

    fn closed(session: RadiusSession, cause: &str, at: Timestamp) -> RadiusSession {
        RadiusSession { ended_at: Some(at), cause: Some(cause.to_owned()), ..session }
    }

    fn merged(known: &RadiusSession, report: &Report, now: Timestamp) -> Merged {
        merge(Some(known.clone()), report, None, SessionId::from_raw(7), now)
    }

    #[test]
    fn what_comes_late_is_no_sign_of_life() {
        let (session, _) = told(&[report(What::Interim, 600, 9_000)]);
        let much_later = NOON + Span::hours(3);
        let early = Report { identifiers: vec![1, 3, b'x'], ..report(What::Interim, 300, 1_000) };
        let late = merged(&session, &early, much_later).session;
        assert_eq!(late.updated_at, session.updated_at, "it was not heard of now");
        assert_eq!(late.identifiers, session.identifiers, "nor does its NAS name it so");
        // What we had closed as silent stays closed.
        let silent = closed(session.clone(), SILENT, session.updated_at);
        let late = merged(&silent, &early, much_later);
        assert_eq!((late.turn, late.session.ended_at), (Turn::GoesOn, silent.ended_at));
        let start = merged(&silent, &report(What::Start, 0, 0), much_later);
        assert_eq!((start.turn, start.session.ended_at), (Turn::GoesOn, silent.ended_at));
    }

    #[test]
    fn the_last_word_of_a_nas_stands_above_our_conclusion_and_above_its_own_earlier_ones() {
        let (session, _) = told(&[report(What::Interim, 600, 9_000)]);
        for ours in [SILENT, DISCONNECTED, REPLACED] {
            let concluded = closed(session.clone(), ours, session.updated_at);
            let over = merged(&concluded, &stop(700, 9_500), NOON + Span::seconds(701)).session;
            assert_eq!(over.ended_at, Some(NOON + Span::seconds(700)), "{ours}");
            assert_eq!(over.cause.as_deref(), Some("User-Request"), "{ours}");
        }
        let (over, _) = told(&[report(What::Start, 0, 0), stop(400, 1_500)]);
        let again = stop(300, 1_000);
        let twice = merged(&over, &again, again.at).session;
        assert_eq!((twice.ended_at, twice.cause), (over.ended_at, over.cause));
    }

    #[test]
    fn a_report_that_crossed_our_disconnect_does_not_undo_it() {
        let (session, _) = told(&[report(What::Interim, 600, 9_000)]);
        let ended = closed(session, DISCONNECTED, NOON + Span::seconds(890));
        let crossed = merged(&ended, &report(What::Interim, 900, 9_500), NOON + Span::seconds(901));
        assert_eq!((crossed.turn, crossed.session.ended_at), (Turn::GoesOn, ended.ended_at));
        assert_eq!(crossed.session.input.as_bytes(), 9_500, "what it used counts");
        let lives =
            merged(&ended, &report(What::Interim, 1_200, 9_900), NOON + Span::seconds(1_200));
        assert_eq!((lives.turn, lives.session.ended_at), (Turn::Reopened, None));
    }

    #[test]
    fn a_beginning_is_the_earliest_that_was_told() {
        let waited = Report { at: NOON + Span::seconds(310), ..report(What::Interim, 300, 0) };
        let (session, _) = told(&[waited, report(What::Interim, 600, 0)]);
        assert_eq!(session.started_at, NOON);
    }

    #[test]
    fn a_class_tells_sessions_apart_whatever_their_times() {
        let (ended, _) = told(&[report(What::Start, 0, 0), stop(400, 1_500)]);
        let pass = Some(crate::radius::identity::Pass::new(GrantId::from_raw(9), [1; 8], false));
        let again = Report { at: NOON + Span::hours(5), pass, ..report(What::Start, 0, 0) };
        assert_eq!(merged(&ended, &again, again.at).replaced, None);
        // A clock that is off by seconds makes no new session, where there is no Class.
        let (open, _) = told(&[report(What::Interim, 600, 9_000)]);
        let slow = Report { at: NOON + Span::seconds(615), ..report(What::Interim, 10, 9_100) };
        assert_eq!(merged(&open, &slow, slow.at).replaced, None);
    }

    #[test]
    fn a_session_replaced_after_its_end_ended_when_it_did() {
        let (mut ended, _) = told(&[report(What::Start, 0, 0), stop(400, 1_500)]);
        ended.updated_at = NOON + Span::seconds(460);
        let again = Report { at: NOON + Span::hours(5), ..report(What::Start, 0, 0) };
        let replaced = merged(&ended, &again, again.at).replaced.unwrap();
        assert_eq!(replaced.ended_at, Some(NOON + Span::seconds(400)));
        assert_eq!(replaced.cause.as_deref(), Some("User-Request"));
        // It was over, so that it lasts no time again is another one as well.
        let (brief, _) = told(&[report(What::Start, 0, 0), stop(0, 0)]);
        let replaced = merged(&brief, &again, again.at).replaced;
        assert_eq!(replaced.map(|replaced| replaced.id), Some(brief.id));
    }

    #[test]
    fn a_first_count_is_what_it_says_and_a_lasting_beyond_belief_is_none() {
        let low = Report { input: Some(Count::Modulo32(77)), ..report(What::Interim, 300, 0) };
        let (session, _) = told(&[low]);
        assert_eq!(session.input.as_bytes(), 77);
        let absurd = Report { uptime: Span::days(900), ..report(What::Interim, 600, 80) };
        let after = merged(&session, &absurd, NOON + Span::seconds(600)).session;
        assert_eq!((after.uptime, after.started_at), (session.uptime, session.started_at));
    }

    proptest! {
        /// Whatever is lost, doubled or late: what is counted is the most that was told, and it
        /// never falls on the way.
        #[test]
        fn in_any_order_the_counters_are_the_highest(
            order in proptest::collection::vec(0usize..12, 1..40),
        ) {
            let all: Vec<Report> = (0..12u64)
                .map(|step| {
                    let (uptime, input) = (step as i64 * 300, step * step * 1_000_000_000);
                    match step {
                        0 => report(What::Start, 0, 0),
                        11 => stop(uptime, input),
                        _ => report(What::Interim, uptime, input),
                    }
                })
                .collect();
            let mut known: Option<RadiusSession> = None;
            for place in &order {
                let report = &all[*place];
                let merged = merge(
                    known.clone(),
                    report,
                    Some(GrantId::from_raw(9)),
                    SessionId::from_raw(1),
                    NOON + Span::hours(2),
                );
                prop_assert!(merged.replaced.is_none());
                if let Some(before) = &known {
                    prop_assert!(merged.session.input >= before.input);
                    prop_assert!(merged.session.uptime >= before.uptime);
                    prop_assert_eq!(merged.session.id, before.id);
                }
                known = Some(merged.session);
            }
            let highest = order.iter().max().copied().unwrap_or_default() as u64;
            let session = known.unwrap();
            prop_assert_eq!(session.input.as_bytes(), highest * highest * 1_000_000_000);
            prop_assert_eq!(session.started_at, NOON);
            prop_assert_eq!(session.ended_at.is_some(), order.contains(&11));
        }
    }
}
