//! A report as it was read from an Accounting-Request.

use super::Told;
use crate::radius::directory::Nas;
use crate::radius::identity::{self, Pass};
use lango_domain::ids::{RouterId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::time::{Span, Timestamp};
use lango_radius::Packet;
use lango_radius::accounting::{Count, INPUT_OCTETS, OUTPUT_OCTETS, Status, TerminateCause};
use lango_radius::dictionary::{
    ACCT_DELAY_TIME, ACCT_SESSION_ID, ACCT_SESSION_TIME, EVENT_TIMESTAMP, FRAMED_IP_ADDRESS,
};

/// How far a NAS's clock may be off before its word for the time does not count.
const SKEW: Span = Span::minutes(10);
/// Longer than any NAS holds a report back.
const LONGEST_DELAY: Span = Span::hours(24);

/// Longer than any session lasts: ten years.
const LONGEST_SESSION: Span = Span::days(3_650);
/// More than any line carries in a session. A counter beyond it fell below nothing, and sums of
/// such counts would not fit into the books.
const LARGEST: u64 = 1 << 53;

/// What a report says of a session.
#[derive(Clone, Debug)]
pub(in crate::radius) struct Report {
    pub(in crate::radius) router: RouterId,
    pub(in crate::radius) tenant: TenantId,
    pub(in crate::radius) what: What,
    pub(in crate::radius) key: Vec<u8>,
    pub(in crate::radius) identifiers: Vec<u8>,
    /// The Class of the login, if the NAS repeats it.
    pub(in crate::radius) pass: Option<Pass>,
    pub(in crate::radius) name: String,
    pub(in crate::radius) is_ppp: bool,
    pub(in crate::radius) mac: Option<MacAddress>,
    pub(in crate::radius) address: Option<String>,
    /// When it happened.
    pub(in crate::radius) at: Timestamp,
    pub(in crate::radius) uptime: Span,
    /// What the customer sent; none if the NAS does not say.
    pub(in crate::radius) input: Option<Count>,
    /// What he received.
    pub(in crate::radius) output: Option<Count>,
}

/// What happened to a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::radius) enum What {
    /// It began.
    Start,
    /// It goes on.
    Interim,
    /// It ended.
    Stop {
        /// Why, in the NAS's word.
        cause: String,
    },
}

impl Report {
    /// Reads a report. None: it is one that nobody can take, and to which no answer is due.
    pub(in crate::radius) fn read(nas: &Nas, packet: &Packet<'_>, now: Timestamp) -> Option<Told> {
        let (router, tenant) = (nas.router, nas.tenant);
        let (at, clock_ahead) = happened_at(packet, now);
        if let Some(ahead) = clock_ahead {
            nas.note_clock(ahead);
        }
        let what = match Status::of(packet)? {
            Status::Start => What::Start,
            Status::Interim => {
                nas.note_interim(now);
                What::Interim
            }
            Status::Stop => {
                let cause = TerminateCause::of(packet);
                What::Stop { cause: cause.map_or("unknown".to_owned(), |cause| cause.to_string()) }
            }
            Status::On | Status::Off => return Some(Told::Reset { router, at }),
            Status::Other(_) => return None,
        };
        // Without it sessions of one customer cannot be told apart (RFC 2866 §5.5: it must be there).
        packet.first(ACCT_SESSION_ID.id())?;
        let address = packet.read(FRAMED_IP_ADDRESS).map(|address| address.to_string());
        Some(Told::Session(Box::new(Report {
            router,
            tenant,
            what,
            key: identity::key(router, packet),
            identifiers: identity::identifiers(packet),
            pass: Pass::of(packet),
            name: identity::name(packet).unwrap_or_default().to_owned(),
            is_ppp: identity::is_ppp(packet),
            mac: identity::mac(packet),
            address,
            at,
            uptime: lasted(packet),
            input: INPUT_OCTETS.read(packet).filter(is_possible),
            output: OUTPUT_OCTETS.read(packet).filter(is_possible),
        })))
    }
}

fn lasted(packet: &Packet<'_>) -> Span {
    let said = Span::seconds(i64::from(packet.read(ACCT_SESSION_TIME).unwrap_or_default()));
    if said > LONGEST_SESSION { Span::ZERO } else { said }
}

fn is_possible(count: &Count) -> bool {
    !matches!(count, Count::Whole(whole) if *whole > LARGEST)
}

/// When it happened: by the NAS's clock if that is sane, else by how long it says it waited. And how
/// many seconds its clock is ahead of ours, if it says what time it is.
fn happened_at(packet: &Packet<'_>, now: Timestamp) -> (Timestamp, Option<i64>) {
    let delay = Span::seconds(i64::from(packet.read(ACCT_DELAY_TIME).unwrap_or_default()));
    let waited = if delay > LONGEST_DELAY { now } else { now - delay };
    let said = packet
        .read(EVENT_TIMESTAMP)
        .map(|seconds| Timestamp::from_micros(i64::from(seconds) * 1_000_000));
    let Some(said) = said else { return (waited, None) };
    let is_sane = said.since(waited).max(waited.since(said)) <= SKEW;
    let ahead_seconds = (said.micros() - waited.micros()) / 1_000_000;
    (if is_sane { said.min(now) } else { waited }, Some(ahead_seconds))
}
