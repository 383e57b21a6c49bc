//! What routers said of sessions and what was acknowledged to them, against what stands in the
//! books: nothing acknowledged may be lost, and nothing counted that was not said.

use lango_domain::ids::{Id, RouterId};
use lango_router_sim::{AccountingReport, Delivery, RouterSim, Status};
use lango_store::radius::RadiusSession;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Acct-Session-Id among a session's identifiers.
const ACCT_SESSION_ID: u8 = 44;

/// By router, and the router's name for the session.
type Name = (i64, String);

/// All of it.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    sessions: HashMap<Name, Told>,
    totals: Totals,
}

/// How many packets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) sent: u32,
    pub(crate) acknowledged: u32,
    pub(crate) given_up: u32,
}

/// Of one session.
#[derive(Default)]
struct Told {
    sent: Most,
    acknowledged: Option<Most>,
    /// Why it ended, as far as its end was acknowledged.
    ended: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Most {
    input: u64,
    output: u64,
    seconds: u32,
}

impl Most {
    fn add(&mut self, report: &AccountingReport) {
        self.input = self.input.max(report.bytes_in);
        self.output = self.output.max(report.bytes_out);
        self.seconds = self.seconds.max(report.session_seconds);
    }
}

impl Tally {
    /// Listens to a router from now on.
    pub(crate) fn follow(&self, router: RouterId, sim: &RouterSim) {
        let (tally, mut events) = (self.clone(), sim.radius_events());
        tokio::spawn(async move {
            // It ends with the router. Whoever lags behind has lost count, which must not happen.
            while let Ok(event) = events.recv().await {
                tally.note(router, &event.report, event.delivery);
            }
        });
    }

    fn note(&self, router: RouterId, report: &AccountingReport, delivery: Delivery) {
        let mut kept = self.0.lock().unwrap();
        let Kept { sessions, totals } = &mut *kept;
        let told = sessions.entry((router.raw(), report.session_id.clone())).or_default();
        match delivery {
            Delivery::Sent { .. } => {
                totals.sent += 1;
                told.sent.add(report);
            }
            Delivery::Acknowledged => {
                totals.acknowledged += 1;
                told.acknowledged.get_or_insert_default().add(report);
                if report.status == Status::Stop {
                    let cause = report.cause.map(|cause| cause.to_string());
                    told.ended = Some(cause.unwrap_or_else(|| "unknown".to_owned()));
                }
            }
            Delivery::GivenUp => totals.given_up += 1,
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        self.0.lock().unwrap().totals
    }

    /// What is wrong with the books: what was lost, and what was counted twice.
    pub(crate) fn compare(&self, books: &[RadiusSession]) -> (Vec<String>, Vec<String>) {
        let kept = self.0.lock().unwrap();
        let (mut lost, mut doubled) = (Vec::new(), Vec::new());
        let mut stored: HashMap<Name, &RadiusSession> = HashMap::new();
        for session in books {
            let name = (session.router.raw(), name_of(session));
            if stored.insert(name.clone(), session).is_some() {
                doubled.push(format!("{name:?} is there twice"));
            }
        }
        for (name, told) in &kept.sessions {
            let Some(session) = stored.get(name) else {
                if told.acknowledged.is_some() {
                    lost.push(format!("{name:?} is not there at all"));
                }
                continue;
            };
            let seconds = session.uptime.as_millis() / 1_000;
            let counts = [session.input.as_bytes(), session.output.as_bytes(), seconds as u64];
            let each = |most: Most| [most.input, most.output, u64::from(most.seconds)];
            let least = each(told.acknowledged.unwrap_or_default());
            if counts.iter().zip(least).any(|(count, least)| *count < least) {
                lost.push(format!("{name:?}: {counts:?} stored, {least:?} acknowledged"));
            }
            if counts.iter().zip(each(told.sent)).any(|(count, most)| *count > most) {
                doubled.push(format!("{name:?}: {counts:?} stored, {:?} sent", told.sent));
            }
            // Whatever we concluded ourselves gives way to what the router said.
            if told.ended.is_some() && (session.ended_at.is_none() || session.cause != told.ended) {
                let (cause, said) = (&session.cause, &told.ended);
                lost.push(format!("{name:?}: its acknowledged end {said:?}, here {cause:?}"));
            }
        }
        (lost, doubled)
    }
}

fn name_of(session: &RadiusSession) -> String {
    let mut rest = session.identifiers.as_slice();
    while let [kind, length, ..] = *rest {
        if kind == ACCT_SESSION_ID {
            return String::from_utf8_lossy(&rest[2..usize::from(length)]).into_owned();
        }
        rest = &rest[usize::from(length)..];
    }
    panic!("a session without a name: {session:?}")
}

/// What was said is what was counted: the sums of a grant's sessions.
pub(crate) fn sums(books: &[RadiusSession]) -> (u64, u64) {
    let input = books.iter().map(|session| session.input.as_bytes()).sum();
    let output = books.iter().map(|session| session.output.as_bytes()).sum();
    (input, output)
}
