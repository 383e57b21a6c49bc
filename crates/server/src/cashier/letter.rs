//! One message of a provider: read, believed as far as it can be, and carried out.

use super::{charge, gateway, headers};
use crate::app::App;
use crate::operations::confirm_payment::{Came, confirm_payment, take_money};
use crate::operations::gateways::provider_of;
use crate::operations::refund_payment;
use crate::operations::settle_charge::{recognized, told};
use crate::payments::provider::Provider;
use crate::payments::{About, Asked, Door, Heard, MoneyIn};
use lango_domain::payment::{Fit, Proof, Verdict};
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Span;
use lango_store::gateways::Gateway;
use lango_store::inbox::Letter;
use lango_store::payments::Payment;
use lango_store::{Error, Tx};

/// After so many tries a message waits for a person.
const MOST_TRIES: i64 = 10;
/// When a message comes again that the database would not take.
const SOON: Span = Span::seconds(3);

/// What became of reading a message.
enum Read {
    /// It is done with.
    Done(String),
    /// It is done with, and somebody has what he paid for.
    Bought(String),
    /// It cannot be believed yet.
    Later(String),
}

/// Reads a message and does what it asks for. What the database does not take comes again soon: until
/// what was claimed is free again by itself, somebody who has paid would wait for it.
pub(super) async fn read(app: &App, letter: Letter) -> Result<(), Error> {
    let Err(error) = read_once(app, letter.clone()).await else { return Ok(()) };
    let soon = app.clock().now() + SOON;
    let why = error.to_string();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            lango_store::inbox::later(tx, &letter, soon, &why).await
        })
        .await?;
    Err(error)
}

async fn read_once(app: &App, letter: Letter) -> Result<(), Error> {
    let read = match gateway(app, letter.gateway).await? {
        Some(gateway) => carry_out(app, &gateway, &letter).await?,
        None => Read::Done("its gateway is gone".to_owned()),
    };
    let now = app.clock().now();
    if let Read::Bought(_) = &read {
        app.metrics().note_granting(now.since(letter.received_at));
    }
    app.store()
        .write(async move |tx: &mut Tx<'_>| match &read {
            Read::Later(why) if letter.attempt < MOST_TRIES => {
                let pause = Span::seconds(5 * letter.attempt.max(1));
                lango_store::inbox::later(tx, &letter, now + pause, why).await
            }
            Read::Done(what) | Read::Bought(what) | Read::Later(what) => {
                lango_store::inbox::done(tx, &letter, what).await.map(drop)
            }
        })
        .await
}

async fn carry_out(app: &App, gateway: &Gateway, letter: &Letter) -> Result<Read, Error> {
    let provider = provider_of(app, gateway)?;
    let Ok(door) = letter.door.parse::<Door>() else {
        return Ok(Read::Done("it came by no door of ours".to_owned()));
    };
    let headers = headers(&letter.headers);
    let callback = provider.read_callback(door, &headers, &letter.body, letter.received_at);
    let callback = match callback {
        Ok(callback) => callback,
        Err(error) => {
            tracing::warn!(letter.id = %letter.id, %error, "a message of a payment provider");
            return Ok(Read::Done(error.to_string()));
        }
    };
    match callback.heard {
        Heard::Charge { about, verdict } => match payment_of(app, gateway, letter, &about).await? {
            Some(payment) => {
                let payment = recognize(app, &provider, payment, &about).await?;
                said_of(app, &provider, payment, verdict, callback.is_signed).await
            }
            None => not_asked_for(app, gateway, &provider, &about, verdict).await,
        },
        Heard::Money(money) => {
            let came = take_money(app, gateway, money, app.clock().now()).await?;
            Ok(read_of(&came, words(&came)))
        }
        Heard::MayPay(_) => Ok(Read::Done("answered at once".to_owned())),
        Heard::Refund { verdict, .. } => {
            refund_payment::heard(app, letter.payment, verdict, app.clock().now()).await?;
            Ok(Read::Done("what became of money given back".to_owned()))
        }
        Heard::Receipt { verdict, .. } => {
            Ok(Read::Done(format!("what is behind a receipt: {verdict:?}")))
        }
        Heard::Nothing(what) => Ok(Read::Done(what)),
    }
}

/// Money by a number that we did not give out, as with control numbers: it is believed when the
/// provider says so himself, and then it is money that came by itself.
async fn not_asked_for(
    app: &App,
    gateway: &Gateway,
    provider: &Provider,
    about: &About,
    verdict: Verdict,
) -> Result<Read, Error> {
    let nothing = || Ok(Read::Done("it is about no payment of ours".to_owned()));
    let (About::Reference(reference), Verdict::Paid(proof)) = (about, verdict) else {
        return nothing();
    };
    let payer = proof.payer.clone().unwrap_or_default();
    let phone = PhoneNumber::from_e164(&format!("+{}", payer.trim_start_matches('+')));
    let (Some(amount), Some(phone)) = (proof.amount, phone) else { return nothing() };
    let now = app.clock().now();
    let asked =
        Asked { reference: reference.clone(), provider_id: None, amount, phone, submitted_at: now };
    let Ok(Verdict::Paid(_)) = provider.query(&asked, now).await else {
        return Ok(Read::Later("it says paid, and nobody confirms it".to_owned()));
    };
    let money = MoneyIn {
        receipt: proof.receipt,
        amount,
        account: reference.clone(),
        payer: Some(payer),
        name: None,
        paid_at: proof.paid_at,
    };
    Ok(Read::Done(words(&take_money(app, gateway, money, now).await?)))
}

/// Which payment a message is about: that of its path, if it names the same one.
async fn payment_of(
    app: &App,
    gateway: &Gateway,
    letter: &Letter,
    about: &About,
) -> Result<Option<Payment>, Error> {
    let (id, by_path, about) = (gateway.id, letter.payment, about.clone());
    app.store()
        .read(async move |tx: &mut Tx<'_>| {
            let Some(by_path) = by_path else {
                return match &about {
                    About::ProviderId(named) => {
                        lango_store::payments::by_provider_id(tx, id, named).await
                    }
                    About::Reference(named) => {
                        lango_store::payments::by_reference(tx, id, named).await
                    }
                };
            };
            let payment = lango_store::payments::find(tx, by_path).await?;
            Ok(payment.filter(|payment| match &about {
                // The answer to our question was lost: the path is all that we know of it.
                About::ProviderId(named) => {
                    payment.provider_id.as_ref().is_none_or(|known| known == named)
                }
                About::Reference(named) => payment.reference == *named,
            }))
        })
        .await
}

/// A payment whose question was answered to nobody has no number yet. The message names one, and the
/// provider is asked whether it knows it: the path alone proves too little.
async fn recognize(
    app: &App,
    provider: &Provider,
    payment: Payment,
    about: &About,
) -> Result<Payment, Error> {
    let (None, About::ProviderId(called)) = (&payment.provider_id, about) else {
        return Ok(payment);
    };
    let named = Payment { provider_id: Some(called.clone()), ..payment.clone() };
    match charge::verdict(app, provider, &named).await {
        Verdict::Unknown(_) => Ok(payment),
        _ => {
            recognized(app, payment.id, called.clone()).await?;
            Ok(named)
        }
    }
}

async fn said_of(
    app: &App,
    provider: &Provider,
    payment: Payment,
    verdict: Verdict,
    is_signed: bool,
) -> Result<Read, Error> {
    let Verdict::Paid(proof) = verdict else {
        let word = format!("{}: {}", payment.reference, said(&verdict));
        // Who does not prove who he is may end nothing: the provider itself is asked.
        if is_signed || payment.state.has_money() {
            told(app, payment.id, verdict, app.clock().now()).await?;
            return Ok(Read::Done(word));
        }
        let asked = charge::verdict(app, provider, &payment).await;
        return confirmed_or_told(app, payment, asked, verdict, word).await;
    };
    if is_signed {
        return paid(app, &payment, proof).await;
    }
    match charge::verdict(app, provider, &payment).await {
        // The question knows whether, the message knows the receipt.
        Verdict::Paid(_) => paid(app, &payment, proof).await,
        Verdict::Failed(failure) => Ok(Read::Later(format!(
            "it says paid, but {} says {} when it is asked",
            provider.name(),
            failure.code
        ))),
        // No answer: then the secret of the path, the number and the amount must do.
        Verdict::Pending | Verdict::Unknown(_) if is_as_asked(&payment, &proof) => {
            paid(app, &payment, proof).await
        }
        Verdict::Pending | Verdict::Unknown(_) => {
            Ok(Read::Later("it says paid, and nobody confirms it".to_owned()))
        }
    }
}

async fn confirmed_or_told(
    app: &App,
    payment: Payment,
    asked: Verdict,
    said: Verdict,
    word: String,
) -> Result<Read, Error> {
    let now = app.clock().now();
    match asked {
        Verdict::Paid(proof) => return paid(app, &payment, proof).await,
        Verdict::Pending => told(app, payment.id, Verdict::Pending, now).await?,
        Verdict::Failed(_) | Verdict::Unknown(_) => told(app, payment.id, said, now).await?,
    }
    Ok(Read::Done(word))
}

/// Whether a message can only come from whoever we asked: it knows the number of the question and
/// the price.
fn is_as_asked(payment: &Payment, proof: &Proof) -> bool {
    let fits = proof.amount.is_none_or(|came| Fit::of(came, payment.amount) == Fit::Exact);
    payment.provider_id.is_some() && fits
}

async fn paid(app: &App, payment: &Payment, proof: Proof) -> Result<Read, Error> {
    let came = confirm_payment(app, payment.id, proof, app.clock().now()).await?;
    Ok(read_of(&came, format!("{}: {}", payment.reference, words(&came))))
}

fn read_of(came: &Came, words: String) -> Read {
    match came {
        Came::Bought(_) => Read::Bought(words),
        _ => Read::Done(words),
    }
}

fn words(came: &Came) -> String {
    match came {
        Came::Bought(grant) => format!("paid, and bought {grant}"),
        Came::Credited(customer) => format!("paid, and credited to {customer}"),
        Came::Waits(why) => format!("paid, and waits for a person: {}", why.word()),
        Came::Known => "paid, and known before".to_owned(),
    }
}

fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Paid(_) => "paid".to_owned(),
        Verdict::Pending => "under way".to_owned(),
        Verdict::Failed(failure) => format!("{} ({})", failure.why.word(), failure.code),
        Verdict::Unknown(why) => why.clone(),
    }
}
