//! What nobody needs any more goes: devices that were not seen for their retention time, objects of
//! long ended grants on the routers, and the hours of usage of long ago.

use crate::app::App;
use lango_domain::ids::{Id as _, IdSequence, InboxId};
use lango_domain::time::{Span, Timestamp};
use lango_store::{Error, Tx};

/// How long an ended grant's objects stay on routers, disabled, for a renewal to find them.
pub const KEEP_ENDED: Span = Span::days(7);
/// The fact that says when devices were last retired.
const LAST_RUN: &str = "devices retired at";

/// Retires the devices of all tenants that were unused for the tenant's retention time.
///
/// # Errors
/// A fault of the store.
pub async fn retire_devices(app: &App, now: Timestamp) -> Result<u64, Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let mut retired = 0;
            for tenant in lango_store::tenants::all(tx).await? {
                let before = now - tenant.device_retention;
                retired +=
                    lango_store::sessions::retire_devices(tx, tenant.id, before, now).await?;
            }
            lango_store::facts::keep(tx, LAST_RUN, &now.micros().to_string()).await?;
            Ok(retired)
        })
        .await
}

/// How long it is known what a request with a key has made.
const KEEP_REQUESTS: Span = Span::days(2);
/// How long what payment providers said is kept as it came; what came of it is kept for ever.
pub const KEEP_LETTERS: Span = Span::days(90);
/// How long it is known what webhooks answered.
const KEEP_DELIVERIES: Span = Span::days(30);

/// How long it is known that a device was to be logged in, after that was given up or done.
const KEEP_ADMISSIONS: Span = Span::days(1);

/// Forgets what programs and devices will not ask for any more.
///
/// # Errors
/// A fault of the store.
pub async fn forget_what_is_old(app: &App, now: Timestamp) -> Result<(), Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            lango_store::requests::forget(tx, now - KEEP_REQUESTS).await?;
            lango_store::admissions::forget(tx, now - KEEP_ADMISSIONS).await?;
            let letters_before = IdSequence::first_at(now - KEEP_LETTERS);
            lango_store::inbox::forget(tx, InboxId::from_raw(0), letters_before).await?;
            lango_store::messages::forget_parts(tx, now - KEEP_PARTS, now - KEEP_EARLY).await?;
            lango_store::webhooks::forget_deliveries(tx, now - KEEP_DELIVERIES).await.map(drop)
        })
        .await
}

/// How long what gateways call texts is known: none reports later.
const KEEP_PARTS: Span = Span::days(30);
/// How long a report waits for a text that it is about.
const KEEP_EARLY: Span = Span::days(1);
/// How long usage is known hour by hour.
const KEEP_HOURS: Span = Span::days(40);
/// How long it is known day by day.
const KEEP_DAYS: Span = Span::days(400);
/// How many hours or days are worked at together: cuts wait for the writer.
const USAGE_BATCH: i64 = 2_000;

/// Makes days of the hours of usage that are long ago, and forgets days that are longer ago.
///
/// # Errors
/// A fault of the store; what was done before it stays done.
pub async fn roll_up_usage(app: &App, now: Timestamp) -> Result<(), Error> {
    // Only whole days, so that no day is told both ways.
    let hours_before = begin_of_day(now - KEEP_HOURS);
    let days_before = begin_of_day(now - KEEP_DAYS);
    loop {
        let rolled_up = app
            .store()
            .write(async move |tx: &mut Tx<'_>| {
                lango_store::radius::roll_up_usage(tx, hours_before, USAGE_BATCH).await
            })
            .await?;
        if (rolled_up as i64) < USAGE_BATCH {
            break;
        }
    }
    loop {
        let forgotten = app
            .store()
            .write(async move |tx: &mut Tx<'_>| {
                lango_store::radius::forget_usage(tx, days_before, USAGE_BATCH).await
            })
            .await?;
        if (forgotten as i64) < USAGE_BATCH {
            return Ok(());
        }
    }
}

fn begin_of_day(at: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400_000_000;
    Timestamp::from_micros(at.micros() - at.micros().rem_euclid(DAY))
}

/// When devices are to be retired next: a day after the last time, also across restarts.
///
/// # Errors
/// A fault of the store.
pub async fn next_retirement(app: &App) -> Result<Timestamp, Error> {
    let last = app
        .store()
        .read(async |tx: &mut Tx<'_>| lango_store::facts::read(tx, LAST_RUN).await)
        .await?;
    let last = last.and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(Timestamp::from_micros(last) + Span::days(1))
}
