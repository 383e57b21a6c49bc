//! The engine for money: asks phones for what was begun, reads what providers say, asks what they
//! did not say, compares their lists with ours, and renews what renews itself from a wallet.
//!
//! Each question is a task of its own and each gateway has its own places, so that a dead provider
//! delays no other. Must never ask for the same money twice: before a question goes out it is
//! written down that it may have, and from then on it is only asked what became of it.

mod charge;
mod comparison;
mod letter;

use crate::app::App;
use crate::observe::pulse::Engine;
use crate::operations::renew_itself::renew_due;
use lango_domain::ids::{GatewayId, PaymentId};
use lango_domain::time::{Span, Timestamp};
use lango_store::gateways::Gateway;
use lango_store::inbox::Letter;
use lango_store::{Error, Topic, Tx};
use std::collections::HashMap;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How much is worked at at once.
const AT_ONCE: usize = 128;
/// How long something claimed is ours: longer than a provider may take to answer twice.
const LEASE: Span = Span::seconds(90);
/// The longest sleep: wakes can be lost, the timer finds what they would have told.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// Works until stopped; what is under way is finished.
pub async fn run(app: App, stop: CancellationToken) {
    let news = app.store().subscribe(Topic::Money);
    let mut tasks = JoinSet::new();
    app.pulse().beat(Engine::Cashier, app.clock().now());
    while !stop.is_cancelled() {
        let begun = begin_what_is_due(&app, &mut tasks).await.unwrap_or_else(|error| {
            tracing::error!(%error, "money could not be looked after; trying again");
            0
        });
        app.pulse().beat(Engine::Cashier, app.clock().now());
        if begun > 0 && tasks.len() < AT_ONCE {
            continue;
        }
        let until = next_look(&app).await;
        tokio::select! {
            () = stop.cancelled() => {}
            () = news.woken() => {}
            () = app.clock().sleep_until(until) => {}
            () = tokio::time::sleep(LONGEST_SLEEP) => {}
            Some(_) = tasks.join_next() => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Does everything that is due now, to the end. For tests and for commands.
///
/// # Errors
/// A fault of the store.
pub async fn pass(app: &App) -> Result<usize, Error> {
    let (mut tasks, mut done) = (JoinSet::new(), 0);
    loop {
        let begun = begin_what_is_due(app, &mut tasks).await?;
        done += begun;
        match tasks.join_next().await {
            Some(_) => {}
            None if begun == 0 => return Ok(done),
            None => {}
        }
    }
}

/// Asks a provider now what became of a payment, for somebody who wants to know.
///
/// # Errors
/// A fault of the store. That the provider says nothing is none: the payment says so.
pub async fn ask_now(app: &App, id: PaymentId) -> Result<(), Error> {
    charge::ask_now(app, id).await
}

async fn begin_what_is_due(app: &App, tasks: &mut JoinSet<()>) -> Result<usize, Error> {
    let room = AT_ONCE.saturating_sub(tasks.len());
    let now = app.clock().now();
    if room == 0 || next(app).await?.is_none_or(|next| next > now) {
        return Ok(0);
    }
    let renewed = renew_due(app, now).await?;
    let Work { letters, charges, lists } = claim(app, room, now).await?;
    let begun = renewed + letters.len() + charges.len() + lists.len();
    for letter in letters {
        let desk = app.clone();
        tasks.spawn(async move { noted(letter::read(&desk, letter).await) });
    }
    for id in charges {
        let desk = app.clone();
        tasks.spawn(async move { noted(charge::look_after(&desk, id).await) });
    }
    for gateway in lists {
        let desk = app.clone();
        tasks.spawn(async move { noted(comparison::compare(&desk, gateway).await) });
    }
    Ok(begun)
}

/// What could not be written is claimed again when its time is over.
fn noted(outcome: Result<(), Error>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "what a provider said could not be written; it is done again");
    }
}

struct Work {
    letters: Vec<Letter>,
    charges: Vec<PaymentId>,
    lists: Vec<Gateway>,
}

async fn claim(app: &App, room: usize, now: Timestamp) -> Result<Work, Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let lease = now + LEASE;
            // What providers say goes first: somebody waits for it, and it costs no question.
            let letters = lango_store::inbox::claim(tx, now, lease, room as i64).await?;
            let room = room - letters.len();
            let charges = lango_store::payments::claim(tx, now, lease, room as i64).await?;
            let lists = lango_store::gateways::due(tx, now).await?;
            for gateway in &lists {
                lango_store::gateways::compared(tx, gateway.id, None, lease).await?;
            }
            Ok(Work { letters, charges, lists })
        })
        .await
}

async fn next(app: &App) -> Result<Option<Timestamp>, Error> {
    app.store()
        .read(async move |tx: &mut Tx<'_>| {
            let next = [
                lango_store::inbox::next(tx).await?,
                lango_store::payments::next(tx).await?,
                lango_store::gateways::next_comparison(tx).await?,
                lango_store::renewals::next(tx).await?,
            ];
            Ok(next.into_iter().flatten().min())
        })
        .await
}

async fn next_look(app: &App) -> Timestamp {
    let latest = app.clock().now() + Span::seconds(30);
    next(app).await.ok().flatten().map_or(latest, |next| next.min(latest))
}

/// A gateway, read once for a piece of work.
async fn gateway(app: &App, id: GatewayId) -> Result<Option<Gateway>, Error> {
    app.store().read(async move |tx: &mut Tx<'_>| lango_store::gateways::find(tx, id).await).await
}

/// The headers of a message as they were kept.
fn headers(kept: &str) -> Vec<(String, String)> {
    serde_json::from_str::<Vec<(String, String)>>(kept)
        .or_else(|_| {
            serde_json::from_str::<HashMap<String, String>>(kept)
                .map(|all| all.into_iter().collect())
        })
        .unwrap_or_default()
}
