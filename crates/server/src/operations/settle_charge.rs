//! What a provider answered when it was asked for money, or what became of it: everything but that
//! money came, which is [`crate::operations::confirm_payment`].

use crate::app::App;
use crate::operations::asked::{self, Actor, Entry};
use crate::operations::begin_purchase::RINGS_FOR;
use crate::payments::Submitted;
use lango_domain::ids::PaymentId;
use lango_domain::payment::{PaymentState, Verdict};
use lango_domain::time::{Span, Timestamp};
use lango_store::payments::Payment;
use lango_store::{Error, Tx};

/// How long a provider is asked what became of a payment.
pub const ASKED_FOR: Span = Span::hours(24);
/// How often asking for money is tried when surely nothing was heard.
const MOST_TRIES: i64 = 8;

/// Notes that the provider is about to be asked for money; from now on it may have been. None if
/// it is not to be asked any more.
///
/// # Errors
/// A fault of the store: then nobody may be asked.
pub async fn about_to_ask(
    app: &App,
    id: PaymentId,
    now: Timestamp,
) -> Result<Option<Payment>, Error> {
    let desk = app.clone();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let Some(payment) = lango_store::payments::find(tx, id).await? else { return Ok(None) };
            if payment.state != PaymentState::Created {
                return Ok(None);
            }
            if !payment.rings {
                overtaken(tx, &desk, payment, now).await?;
                return Ok(None);
            }
            // What was asked before was surely not heard: its time begins now.
            let mut asking =
                Payment { state: PaymentState::Submitting, submitted_at: Some(now), ..payment };
            lango_store::payments::save(tx, &asking).await?;
            asking.version += 1;
            Ok(Some(asking))
        })
        .await
}

/// It was left lying so long that its payer tapped again: his phone is asked the newer question, and
/// two at once he would pay twice.
async fn overtaken(
    tx: &mut Tx<'_>,
    app: &App,
    payment: Payment,
    now: Timestamp,
) -> Result<(), Error> {
    let before = payment.state.clone();
    let late = Payment {
        next_attempt_at: None,
        last_error: Some("its payer asked again before it could be asked for".to_owned()),
        ..fallen(payment, PaymentState::Expired, now)
    };
    write(tx, app, &before, &late, now).await
}

/// Notes what came of asking for money.
///
/// # Errors
/// A fault of the store; the payment is asked after later.
pub async fn asked_for_money(
    app: &App,
    id: PaymentId,
    submitted: Submitted,
    now: Timestamp,
) -> Result<(), Error> {
    let desk = app.clone();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let Some(payment) = lango_store::payments::find(tx, id).await? else { return Ok(()) };
            // What became of it may have been told before this answer came.
            let before = payment.state.clone();
            let Some(after) = after_asking(payment, &submitted, now) else { return Ok(()) };
            write(tx, &desk, &before, &after, now).await
        })
        .await
}

fn after_asking(payment: Payment, submitted: &Submitted, now: Timestamp) -> Option<Payment> {
    let is_asking = payment.state == PaymentState::Submitting;
    Some(match submitted {
        Submitted::Taken { provider_id } => {
            let state = payment.state.hears(&Verdict::Pending).unwrap_or(payment.state.clone());
            let provider_id = provider_id.clone().or(payment.provider_id.clone());
            asked_again(Payment { state, provider_id, ..payment }, now)
        }
        _ if !is_asking => return None,
        Submitted::Refused(failure) => fallen(payment, PaymentState::Failed(failure.clone()), now),
        Submitted::NotSent { why, wait } if payment.attempt < MOST_TRIES => Payment {
            state: PaymentState::Created,
            next_attempt_at: Some(now + (*wait).max(Span::seconds(1))),
            last_error: Some(why.clone()),
            ..payment
        },
        Submitted::NotSent { why, .. } => {
            let last_error = Some(why.clone());
            Payment { last_error, ..fallen(payment, PaymentState::Expired, now) }
        }
        Submitted::Unknown(why) => {
            asked_again(Payment { last_error: Some(why.clone()), ..payment }, now)
        }
    })
}

/// Notes what a provider calls a payment, learnt from its message because its answer to our question
/// was lost.
///
/// # Errors
/// A fault of the store.
pub async fn recognized(app: &App, id: PaymentId, called: String) -> Result<(), Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let Some(payment) = lango_store::payments::find(tx, id).await? else { return Ok(()) };
            if payment.provider_id.is_some() {
                return Ok(());
            }
            let provider_id = Some(called.clone());
            lango_store::payments::save(tx, &Payment { provider_id, ..payment }).await
        })
        .await
}

/// Notes what a provider says of a payment that brought no money, or that it said nothing.
///
/// # Errors
/// A fault of the store; it is asked again later.
pub async fn told(app: &App, id: PaymentId, verdict: Verdict, now: Timestamp) -> Result<(), Error> {
    let desk = app.clone();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let Some(payment) = lango_store::payments::find(tx, id).await? else { return Ok(()) };
            hear(tx, &desk, payment, &verdict, now).await
        })
        .await
}

/// The same in the caller's transaction.
pub(crate) async fn hear(
    tx: &mut Tx<'_>,
    app: &App,
    payment: Payment,
    verdict: &Verdict,
    now: Timestamp,
) -> Result<(), Error> {
    let before = payment.state.clone();
    let after = match (payment.state.hears(verdict), verdict) {
        (Some(state @ PaymentState::Failed(_)), _) => fallen(payment, state, now),
        (Some(state), _) => Payment { state, last_error: None, ..payment },
        (None, Verdict::Unknown(why)) => Payment { last_error: Some(why.clone()), ..payment },
        (None, _) => payment,
    };
    let after = asked_again(after, now);
    write(tx, app, &before, &after, now).await
}

/// Late money makes it paid still, so it is asked after for a while, more and more seldom.
fn fallen(payment: Payment, state: PaymentState, now: Timestamp) -> Payment {
    let settled_at = Some(payment.settled_at.unwrap_or(now));
    Payment { state, settled_at, rings: false, ..payment }
}

/// When a provider is asked next what became of a payment: often while somebody waits for it, then
/// seldom, for a day.
fn asked_again(payment: Payment, now: Timestamp) -> Payment {
    if payment.state.has_money() {
        return Payment { next_attempt_at: None, rings: false, ..payment };
    }
    let since = payment.submitted_at.unwrap_or(payment.created_at);
    let rings = payment.rings && now.since(since) < RINGS_FOR;
    if now.since(since) >= ASKED_FOR {
        let state = payment.state.given_up().unwrap_or(payment.state.clone());
        let settled_at = Some(payment.settled_at.unwrap_or(now));
        return Payment { state, settled_at, next_attempt_at: None, rings: false, ..payment };
    }
    Payment { next_attempt_at: Some(next_look(since, now)), rings, ..payment }
}

/// First after 15 s, every 10 s to 90 s, then after 2, 5, 15 and 60 minutes, then hourly.
pub(crate) fn next_look(since: Timestamp, now: Timestamp) -> Timestamp {
    const FIRST: Span = Span::seconds(15);
    const OFTEN: Span = Span::seconds(10);
    const LATER: [Span; 4] =
        [Span::seconds(120), Span::seconds(300), Span::seconds(900), Span::seconds(3_600)];
    let passed = now.since(since);
    if passed < FIRST {
        return since + FIRST;
    }
    if passed < Span::seconds(90) {
        return now + OFTEN;
    }
    let next = LATER.into_iter().find(|later| *later > passed);
    next.map_or(now + Span::hours(1), |later| since + later)
}

async fn write(
    tx: &mut Tx<'_>,
    app: &App,
    before: &PaymentState,
    after: &Payment,
    now: Timestamp,
) -> Result<(), Error> {
    lango_store::payments::save(tx, after).await?;
    if *before == after.state
        || !matches!(after.state, PaymentState::Failed(_) | PaymentState::Expired)
    {
        return Ok(());
    }
    let why = match &after.state {
        PaymentState::Failed(failure) => format!("{} ({})", failure.why.word(), failure.code),
        _ => after.last_error.clone().unwrap_or_else(|| "nobody said what became of it".to_owned()),
    };
    let detail = format!("{} {}: {why}", after.amount, after.reference);
    let entry = Entry {
        grant: after.renews,
        router: after.router,
        ..Entry::of(after.tenant, "payment failed", detail)
    };
    asked::account(tx, app, &Actor::Payment, entry, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_after_often_while_somebody_waits_and_seldom_then() {
        let since = Timestamp::from_micros(0);
        let (mut at, mut looks) = (since, Vec::new());
        while at.since(since) < Span::hours(4) {
            at = next_look(since, at);
            looks.push(at.since(since).micros() / 1_000_000);
        }
        assert_eq!(looks[..9], [15, 25, 35, 45, 55, 65, 75, 85, 95]);
        assert_eq!(looks[9..], [120, 300, 900, 3_600, 7_200, 10_800, 14_400]);
    }
}
