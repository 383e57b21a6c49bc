//! What a router's worker does with wishes to log devices in: takes those that can be tried, and
//! writes down what became of each, the session with it.

use crate::app::App;
use crate::enforcement::{Admitted, HotspotGuest};
use crate::operations::admit_device::{self, NotAdmitted};
use crate::operations::record_presence::{Reading, record_batch};
use lango_domain::access::Access;
use lango_domain::ids::RouterId;
use lango_domain::time::{Span, Timestamp};
use lango_store::admissions::{self, Admission, Progress};
use lango_store::enforcements::Standing;
use lango_store::{Error, Tx};

/// How many are taken at once.
const BATCH: i64 = 100;
/// How long one that was taken is ours.
const LEASE: Span = Span::seconds(15);
/// How long to wait for the router to know the user; its confirmation comes with the same visit.
const UNCONFIRMED: Span = Span::millis(500);
/// The first pause after a device was not seen, and the longest.
const PAUSES: (Span, Span) = (Span::millis(250), Span::seconds(2));

/// A wish that can be tried now.
#[derive(Clone, Debug)]
pub struct Due {
    /// The wish.
    pub admission: Admission,
    /// What the router is told.
    pub guest: HotspotGuest,
}

/// Takes the wishes that are due at a router. Those that cannot be are settled here; those whose
/// user the router does not have yet wait a moment.
///
/// # Errors
/// A fault of the store.
pub async fn claim_admissions(
    app: &App,
    router: RouterId,
    now: Timestamp,
) -> Result<Vec<Due>, Error> {
    let desk = app.clone();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let mut due = Vec::new();
            for taken in admissions::claim(tx, router, now, now + LEASE, BATCH).await? {
                match prepare(tx, &desk, taken, now).await? {
                    Prepared::Due(one) => due.push(*one),
                    Prepared::Settled(settled) => admissions::write(tx, &settled).await?,
                }
            }
            Ok(due)
        })
        .await
}

enum Prepared {
    Due(Box<Due>),
    Settled(Box<Admission>),
}

fn refused(admission: Admission, why: &NotAdmitted) -> Prepared {
    Prepared::Settled(Box::new(Admission {
        progress: Progress::Refused,
        next_attempt_at: None,
        last_error: Some(why.text()),
        ..admission
    }))
}

async fn prepare(
    tx: &mut Tx<'_>,
    app: &App,
    admission: Admission,
    now: Timestamp,
) -> Result<Prepared, Error> {
    if now >= admission.wanted_until {
        let why = admit_device::gave_up(&admission);
        return Ok(refused(admission, &why));
    }
    let Some(stored) = lango_store::grants::find(tx, admission.grant).await? else {
        return Ok(refused(admission, &NotAdmitted::Unknown));
    };
    if let Some(why) = admit_device::refusal(&stored, admission.router, admission.mac, now) {
        return Ok(refused(admission, &why));
    }
    let sealed = lango_store::grants::access(tx, admission.grant).await?;
    let Access::Hotspot { name, password } = app.open_access(admission.grant, &sealed)? else {
        return Ok(refused(admission, &NotAdmitted::NoHotspot));
    };
    let standing = lango_store::enforcements::standing_of(tx, admission.grant).await?;
    let here = standing.into_iter().find(|standing| standing.router == admission.router);
    if let Err(why) = is_on_the_router(here.as_ref()) {
        return Ok(Prepared::Settled(Box::new(Admission {
            next_attempt_at: Some(now + UNCONFIRMED),
            last_error: Some(why),
            ..admission
        })));
    }
    let guest = HotspotGuest {
        user: name,
        password,
        mac: admission.mac,
        address: admission.address,
        devices: stored.grant.terms.devices.get(),
        displaces: admission.moves,
    };
    Ok(Prepared::Due(Box::new(Due { admission, guest })))
}

/// Whether the router confirmed that it knows the user; else what is in the way.
fn is_on_the_router(standing: Option<&Standing>) -> Result<(), String> {
    let Some(standing) = standing else {
        return Err("the router is not told of this grant yet".to_owned());
    };
    match standing.confirmed.as_deref() {
        Some("allowed" | "throttled") => Ok(()),
        _ => {
            let said = standing.last_error.clone();
            Err(said.unwrap_or_else(|| "the router has not confirmed the user yet".to_owned()))
        }
    }
}

/// Writes down what became of wishes that were tried, and of the sessions that the router showed,
/// by which the clock of a voucher starts. A wish that was renewed meanwhile stays as it is.
///
/// # Errors
/// A fault of the store; the wishes are then tried again after their lease, and the router says
/// that the devices are in.
pub async fn settle_admissions(
    app: &App,
    router: RouterId,
    tried: Vec<(Due, Admitted)>,
    now: Timestamp,
) -> Result<usize, Error> {
    let desk = app.clone();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let mut online = 0;
            for (due, admitted) in &tried {
                settle(tx, &desk, router, &due.admission, admitted, now).await?;
                online += usize::from(matches!(admitted, Admitted::In { .. }));
            }
            Ok(online)
        })
        .await
}

async fn settle(
    tx: &mut Tx<'_>,
    app: &App,
    router: RouterId,
    taken: &Admission,
    admitted: &Admitted,
    now: Timestamp,
) -> Result<(), Error> {
    if let Admitted::In { sessions, instead_of } = admitted {
        let (grant, sessions) = (taken.grant, sessions.clone());
        let reading = Reading { grant, sessions, uptime: None, data: None };
        record_batch(tx, app, router, &[reading], now).await?;
        if let Some(other) = instead_of {
            let where_and_what = (taken.tenant, router, grant);
            let devices = (Some(*other), taken.mac);
            admit_device::note_move(tx, app, where_and_what, devices, now).await?;
        }
    }
    let current = admissions::find(tx, router, taken.mac).await?;
    let Some(current) = current.filter(|current| current.attempt == taken.attempt) else {
        return Ok(());
    };
    let next = outcome(current, admitted, now);
    admissions::write(tx, &next).await
}

fn outcome(row: Admission, admitted: &Admitted, now: Timestamp) -> Admission {
    let again = |row: Admission, error: &str, pause: Span| Admission {
        failures: row.failures + 1,
        last_error: Some(error.to_owned()),
        next_attempt_at: Some(now + pause),
        ..row
    };
    match admitted {
        Admitted::In { .. } => Admission {
            progress: Progress::Connected,
            next_attempt_at: None,
            last_error: None,
            connected_at: Some(now),
            moves: false,
            ..row
        },
        Admitted::Occupied { by } => {
            Admission { progress: Progress::OtherDevice, other: *by, next_attempt_at: None, ..row }
        }
        Admitted::Unseen(error) => {
            let pause = unseen_pause(row.failures);
            again(row, error, pause)
        }
        Admitted::Refused(error) => again(row, error, PAUSES.1),
    }
}

/// A phone that fell asleep over the payment says something again when its owner looks at it.
fn unseen_pause(failures: i64) -> Span {
    let doubled = PAUSES.0.micros().saturating_mul(1 << failures.clamp(0, 10));
    Span::from_micros(doubled).min(PAUSES.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_seen_is_tried_again_soon_and_then_seldom() {
        let pauses: Vec<i64> = (0..6).map(|failures| unseen_pause(failures).as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 2_000, 2_000]);
        assert_eq!(unseen_pause(i64::MAX), PAUSES.1);
    }
}
