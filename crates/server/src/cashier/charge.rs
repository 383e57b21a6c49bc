//! One payment: its payer is asked for the money, once, or its provider what became of it.

use super::gateway;
use crate::app::App;
use crate::operations::confirm_payment::confirm_payment;
use crate::operations::gateways::{provider_of, url_of};
use crate::operations::settle_charge::{about_to_ask, asked_for_money, told};
use crate::payments::provider::Provider;
use crate::payments::{Asked, Charge, Submitted};
use lango_domain::ids::PaymentId;
use lango_domain::payment::{Failure, FailureReason, PaymentState, Verdict};
use lango_store::gateways::Gateway;
use lango_store::payments::Payment;
use lango_store::{Error, Tx};

/// Does what is due for a payment.
pub(super) async fn look_after(app: &App, id: PaymentId) -> Result<(), Error> {
    let found = app
        .store()
        .read(async move |tx: &mut Tx<'_>| lango_store::payments::find(tx, id).await)
        .await?;
    let Some(payment) = found else { return Ok(()) };
    let Some(gateway) = gateway(app, payment.gateway).await? else { return Ok(()) };
    let provider = provider_of(app, &gateway)?;
    match payment.state {
        PaymentState::Created => ask(app, &gateway, &provider, payment).await,
        _ => ask_after(app, &provider, payment).await,
    }
}

/// Asks what became of a payment. Whoever was not asked for the money yet is not asked for it here.
pub(super) async fn ask_now(app: &App, id: PaymentId) -> Result<(), Error> {
    let found = app
        .store()
        .read(async move |tx: &mut Tx<'_>| lango_store::payments::find(tx, id).await)
        .await?;
    let Some(payment) = found else { return Ok(()) };
    if payment.state == PaymentState::Created || payment.state.has_money() {
        return Ok(());
    }
    let Some(gateway) = gateway(app, payment.gateway).await? else { return Ok(()) };
    ask_after(app, &provider_of(app, &gateway)?, payment).await
}

async fn ask(
    app: &App,
    gateway: &Gateway,
    provider: &Provider,
    payment: Payment,
) -> Result<(), Error> {
    let id = payment.id;
    let Some(payment) = about_to_ask(app, id, app.clock().now()).await? else { return Ok(()) };
    let submitted = match charge(app, gateway, provider, &payment)? {
        Ok(charge) => provider.submit(&charge, app.clock().now()).await,
        Err(why) => Submitted::Refused(why),
    };
    asked_for_money(app, id, submitted, app.clock().now()).await
}

/// The question, or why it cannot be asked with our settings.
fn charge(
    app: &App,
    gateway: &Gateway,
    provider: &Provider,
    payment: &Payment,
) -> Result<Result<Charge, Failure>, Error> {
    let setup = |sentence: String| Failure {
        why: FailureReason::Setup,
        code: "public_url".to_owned(),
        sentence,
    };
    let id = payment.id.to_string();
    let url = url_of(app, gateway, provider.door_of_charges(), (&id, &payment.door))?;
    let Some(callback) = url else {
        let why = "say public_url in lango.toml: providers must know where to answer";
        return Ok(Err(setup(why.to_owned())));
    };
    if let Some(why) = provider.minds(&callback) {
        return Ok(Err(setup(format!("{} minds our address: {why}", provider.name()))));
    }
    Ok(Ok(Charge {
        reference: payment.reference.clone(),
        amount: payment.amount,
        phone: payment.phone.clone(),
        callback,
        description: "internet".to_owned(),
    }))
}

async fn ask_after(app: &App, provider: &Provider, payment: Payment) -> Result<(), Error> {
    let verdict = verdict(app, provider, &payment).await;
    let now = app.clock().now();
    match verdict {
        Verdict::Paid(proof) => confirm_payment(app, payment.id, proof, now).await.map(drop),
        other => told(app, payment.id, other, now).await,
    }
}

/// What a provider says now of a payment. Silence is silence.
pub(super) async fn verdict(app: &App, provider: &Provider, payment: &Payment) -> Verdict {
    if payment.provider_id.is_none() && !provider.abilities().query_by_reference {
        let why = "its answer to our question was lost, and it knows no other name for it";
        return Verdict::Unknown(format!("{}: {why}", provider.name()));
    }
    let asked = Asked {
        reference: payment.reference.clone(),
        provider_id: payment.provider_id.clone(),
        amount: payment.amount,
        phone: payment.phone.clone(),
        submitted_at: payment.submitted_at.unwrap_or(payment.created_at),
    };
    let answer = provider.query(&asked, app.clock().now()).await;
    answer.unwrap_or_else(|error| Verdict::Unknown(error.to_string()))
}
