//! What gateways must be asked for: what became of texts, and how much is left to be spent. Keeps
//! sessions to message centres open, so that they can report. Must never send a text.

use crate::app::App;
use crate::messaging::gateways::{Gateway, smpp};
use crate::operations::hear_report::hear_reports;
use lango_domain::time::{Span, Timestamp};
use lango_store::messages::{self, Message, MessageState};
use lango_store::senders::{self, Balance, Sender};
use lango_store::{Error, Tx};
use tokio_util::sync::CancellationToken;

/// How often it looks.
const LOOK_EVERY: Span = Span::seconds(15);
/// How old what a gateway said of its balance may be.
const BALANCE_EVERY: Span = Span::hours(1);
/// How many texts are asked for at once.
const BATCH: i64 = 50;
/// After each asking it waits so many seconds for the next; then it is left at that.
const POLLS: [i64; 6] = [60, 300, 900, 3_600, 21_600, 43_200];

/// Works until stopped.
pub async fn run(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let looked = async {
            pass(&app).await?;
            ask_balances(&app).await?;
            keep_sessions(&app).await
        };
        if let Err(error) = looked.await {
            tracing::error!(%error, "gateways could not be asked; trying again");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.clock().sleep(LOOK_EVERY) => {}
        }
    }
    smpp::unbind(&app).await;
}

/// Asks what became of texts of which it is time to ask. Returns how many.
///
/// # Errors
/// A fault of the store.
pub async fn pass(app: &App) -> Result<usize, Error> {
    let now = app.clock().now();
    let due = app
        .store()
        .write(async move |tx: &mut Tx<'_>| {
            let due = messages::to_poll(tx, now, BATCH).await?;
            for message in &due {
                messages::poll_later(tx, message, next_poll(message, now)).await?;
            }
            Ok(due)
        })
        .await?;
    let asked = due.len();
    for message in due {
        ask(app, message).await?;
    }
    Ok(asked)
}

fn next_poll(message: &Message, now: Timestamp) -> Option<Timestamp> {
    let pause = POLLS.get(usize::try_from(message.polls).unwrap_or(usize::MAX))?;
    Some(now + Span::seconds(*pause))
}

async fn ask(app: &App, message: Message) -> Result<(), Error> {
    let (tenant, id, sender) = (message.tenant, message.id, message.sender);
    let Some(sender) = sender.filter(|_| message.state == MessageState::Sent) else {
        return Ok(());
    };
    let read = async move |tx: &mut Tx<'_>| {
        Ok((senders::find(tx, sender).await?, messages::parts_of(tx, tenant, id).await?))
    };
    let (Some(sender), parts) = app.store().read(read).await? else { return Ok(()) };
    let Some(gateway) = Gateway::read(&sender) else { return Ok(()) };
    for part in parts.into_iter().filter(|part| part.sender == sender.id) {
        let heard = gateway.ask_report(app, &sender, &message.recipient, &part.gateway_id).await;
        if let Some(report) = heard {
            let whose = (tenant, sender.id);
            hear_reports(app, whose, vec![report], app.clock().now()).await?;
        }
    }
    Ok(())
}

async fn ask_balances(app: &App) -> Result<(), Error> {
    let now = app.clock().now();
    for sender in all(app).await? {
        let known = sender.health.balance.as_ref();
        if sender.off_since.is_some() || known.is_some_and(|it| now.since(it.at) < BALANCE_EVERY) {
            continue;
        }
        ask_balance(app, &sender).await?;
    }
    Ok(())
}

/// Asks a gateway how much is left, and keeps what it says.
///
/// # Errors
/// A fault of the store.
pub async fn ask_balance(app: &App, sender: &Sender) -> Result<Option<Balance>, Error> {
    let Some(gateway) = Gateway::read(sender) else { return Ok(None) };
    let Some((amount, currency)) = gateway.ask_balance(app, sender).await else { return Ok(None) };
    let balance = Balance { amount, currency, at: app.clock().now() };
    let (id, kept) = (sender.id, balance.clone());
    let keep = async move |tx: &mut Tx<'_>| senders::note_balance(tx, id, &kept).await;
    app.store().write(keep).await?;
    Ok(Some(balance))
}

async fn all(app: &App) -> Result<Vec<Sender>, Error> {
    app.store().read(async |tx: &mut Tx<'_>| senders::all(tx).await).await
}

async fn keep_sessions(app: &App) -> Result<(), Error> {
    let all = all(app).await?;
    let on = all.iter().filter(|sender| sender.off_since.is_none());
    let smpp = on.filter_map(|sender| match Gateway::read(sender)? {
        Gateway::Smpp(gateway) => Some((sender.clone(), gateway)),
        _ => None,
    });
    smpp::keep(app, smpp.collect());
    Ok(())
}
