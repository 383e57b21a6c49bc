//! Money is given back: what was bought by it ends, and the provider is told once. What nobody
//! knows about it a person looks at; it is never told twice.

use crate::app::App;
use crate::operations::asked::{self, Actor, By, Entry, Lost};
use crate::operations::change_grant::{self, Change};
use crate::operations::confirm_payment::post;
use crate::operations::gateways::{provider_of, url_of};
use crate::payments::{Door, Refund, RefundAnswer};
use lango_domain::grant::Event;
use lango_domain::ids::{PaymentId, TenantId};
use lango_domain::money::Money;
use lango_domain::payment::{PaymentState, Verdict};
use lango_domain::time::Timestamp;
use lango_store::ledger::Account;
use lango_store::money_in::{self, Fate, MoneyIn};
use lango_store::payments::Payment;
use lango_store::{Error, Tx};

/// Why money is not given back.
#[derive(Debug, thiserror::Error)]
pub enum NotRefunded {
    /// No such payment.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// There is nothing to give back.
    #[error("this payment is {0}: only what was paid can be given back")]
    NotPaid(&'static str),
    /// The provider does not do it for us.
    #[error(
        "{0} does not give money back for us: pay it back by hand, then note it with --by-hand"
    )]
    NotOffered(&'static str),
    /// The provider refused or did not answer; the payment says so.
    #[error("it is not given back yet: {0}")]
    Provider(String),
    /// Nobody knows under which address we are reached.
    #[error("say public_url in lango.toml: the provider must know where to answer")]
    NoAddress,
    /// The database.
    #[error("giving money back")]
    Store(#[from] Error),
}

/// How the money goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The provider is told to.
    ByProvider,
    /// Somebody has done it.
    ByHand,
}

/// Gives a payment back: what it bought ends first, so that nobody has both.
///
/// # Errors
/// See [`NotRefunded`].
pub async fn refund_payment(
    app: &App,
    (tenant, id): (TenantId, PaymentId),
    way: Way,
    by: &By,
    now: Timestamp,
) -> Result<PaymentState, NotRefunded> {
    let (desk, by) = (app.clone(), by.clone());
    let (begun, amount) = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| begin(tx, &desk, (tenant, id), way, &by, now).await)
        .await??;
    if way == Way::ByHand {
        return settle(app, id, Ok(()), now).await.map_err(NotRefunded::from);
    }
    tell(app, begun, amount, now).await
}

async fn begin(
    tx: &mut Tx<'_>,
    app: &App,
    (tenant, id): (TenantId, PaymentId),
    way: Way,
    by: &By,
    now: Timestamp,
) -> Result<Result<(Payment, Money), NotRefunded>, Error> {
    let found = lango_store::payments::find(tx, id).await?;
    let Some(payment) = found.filter(|payment| payment.tenant == tenant) else {
        return Ok(Err(Lost::Missing("payment").into()));
    };
    let receipt = match &payment.state {
        PaymentState::Paid { receipt }
        | PaymentState::Review { receipt, .. }
        | PaymentState::RefundFailed { receipt, .. } => receipt.clone(),
        other => return Ok(Err(NotRefunded::NotPaid(other.word()))),
    };
    let gateway = lango_store::gateways::find(tx, payment.gateway).await?;
    let told_by = gateway.as_ref().map_or("", |gateway| gateway.provider.as_str());
    let money = money_in::by_receipt(tx, tenant, told_by, &receipt).await?;
    let amount = money.map_or(payment.amount, |money| goes_back(&payment, &money));
    if let Some(gateway) = gateway.filter(|_| way == Way::ByProvider) {
        let provider = provider_of(app, &gateway)?;
        if !provider.abilities().refunds {
            return Ok(Err(NotRefunded::NotOffered(provider.name())));
        }
    }
    end_what_it_bought(tx, app, &payment, by, now).await?;
    let mut refunding = Payment { state: PaymentState::Refunding { receipt }, ..payment };
    lango_store::payments::save(tx, &refunding).await?;
    refunding.version += 1;
    let detail = format!("{} {}", refunding.amount, refunding.reference);
    let entry = Entry { grant: refunding.grant, ..Entry::of(tenant, "refund begun", detail) };
    asked::account(tx, app, &by.actor, entry, now).await?;
    Ok(Ok((refunding, amount)))
}

/// The price of what was bought: what was too much is in the payer's wallet, and stays his. What
/// bought nothing goes back whole.
fn goes_back(payment: &Payment, money: &MoneyIn) -> Money {
    if money.fate == Fate::Used { payment.amount } else { money.amount }
}

/// A new access ends; of a renewed one nobody knows which part was used, so it stays.
async fn end_what_it_bought(
    tx: &mut Tx<'_>,
    app: &App,
    payment: &Payment,
    by: &By,
    now: Timestamp,
) -> Result<(), Error> {
    let (Some(grant), None) = (payment.grant, payment.renews) else { return Ok(()) };
    let stored = lango_store::grants::one(tx, grant).await?;
    match Change::of(stored, Event::Terminate, now) {
        Ok(change) => change_grant::write(tx, app, vec![change], &by.actor, now).await,
        // It is over already.
        Err(_) => Ok(()),
    }
}

async fn tell(
    app: &App,
    payment: Payment,
    amount: Money,
    now: Timestamp,
) -> Result<PaymentState, NotRefunded> {
    let gateway = payment.gateway;
    let gateway = app
        .store()
        .read(async move |tx: &mut Tx<'_>| lango_store::gateways::find(tx, gateway).await)
        .await?
        .ok_or(Lost::Missing("gateway"))?;
    let provider = provider_of(app, &gateway)?;
    let id = payment.id.to_string();
    let url = |door| url_of(app, &gateway, door, (&id, &payment.door));
    let (Some(callback), Some(timeout)) = (url(Door::Result)?, url(Door::Timeout)?) else {
        return Err(NotRefunded::NoAddress);
    };
    let PaymentState::Refunding { receipt } = payment.state.clone() else {
        return Err(NotRefunded::NotPaid(payment.state.word()));
    };
    let refund = Refund {
        receipt,
        amount,
        phone: Some(payment.phone.clone()),
        reference: payment.reference.clone(),
        callback,
        timeout,
    };
    match provider.refund(&refund, now).await {
        RefundAnswer::Done => Ok(settle(app, payment.id, Ok(()), app.clock().now()).await?),
        RefundAnswer::Ordered { .. } => Ok(payment.state),
        RefundAnswer::Refused(failure) => {
            let why = format!("{} ({})", failure.sentence, failure.code);
            settle(app, payment.id, Err(why.clone()), app.clock().now()).await?;
            Err(NotRefunded::Provider(why))
        }
        RefundAnswer::NotSent { why, .. } => {
            settle(app, payment.id, Err(why.clone()), app.clock().now()).await?;
            Err(NotRefunded::Provider(why))
        }
        RefundAnswer::Unknown(why) => Err(NotRefunded::Provider(why)),
    }
}

/// What a provider says became of money that it was told to give back; its path names the payment.
///
/// # Errors
/// A fault of the store.
pub(crate) async fn heard(
    app: &App,
    payment: Option<PaymentId>,
    verdict: Verdict,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(payment) = payment else { return Ok(()) };
    let outcome = match verdict {
        Verdict::Paid(_) => Ok(()),
        Verdict::Failed(failure) => Err(format!("{} ({})", failure.sentence, failure.code)),
        Verdict::Pending | Verdict::Unknown(_) => return Ok(()),
    };
    settle(app, payment, outcome, now).await.map(drop)
}

async fn settle(
    app: &App,
    id: PaymentId,
    outcome: Result<(), String>,
    now: Timestamp,
) -> Result<PaymentState, Error> {
    let desk = app.clone();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let payment = lango_store::payments::find(tx, id).await?;
            let payment = payment.ok_or_else(|| Error::changed_meanwhile("giving money back"))?;
            let PaymentState::Refunding { receipt } = payment.state.clone() else {
                return Ok(payment.state);
            };
            let state = match &outcome {
                Ok(()) => PaymentState::Refunded { receipt: receipt.clone() },
                Err(why) => {
                    PaymentState::RefundFailed { receipt: receipt.clone(), why: why.clone() }
                }
            };
            if outcome.is_ok() {
                give_back(tx, &desk, &payment, &receipt, now).await?;
            }
            let detail = format!("{} {}", payment.amount, payment.reference);
            let what = if outcome.is_ok() { "refunded" } else { "refund failed" };
            let entry = Entry { grant: payment.grant, ..Entry::of(payment.tenant, what, detail) };
            asked::account(tx, &desk, &Actor::Payment, entry, now).await?;
            lango_store::payments::save(tx, &Payment { state: state.clone(), ..payment }).await?;
            Ok(state)
        })
        .await
}

async fn give_back(
    tx: &mut Tx<'_>,
    app: &App,
    payment: &Payment,
    receipt: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let gateway = lango_store::gateways::find(tx, payment.gateway).await?;
    let provider = gateway.map_or_else(String::new, |gateway| gateway.provider);
    let money = money_in::by_receipt(tx, payment.tenant, &provider, receipt).await?;
    let Some(money) = money else { return Ok(()) };
    let amount = goes_back(payment, &money);
    let from = match (money.fate, money.customer) {
        (Fate::Used, _) => Account::Revenue,
        (Fate::Credited, Some(customer)) => Account::Wallet(customer),
        _ => Account::Suspense,
    };
    let what = format!("refund of {provider} {receipt}");
    let lines = |from| [(from, amount.amount), (Account::Clearing(money.gateway), -amount.amount)];
    if !post(tx, app, (payment.tenant, &what), amount, &lines(from), now).await? {
        // He has spent it, and has it back all the same: that is our loss.
        post(tx, app, (payment.tenant, &what), amount, &lines(Account::Refunds), now).await?;
    }
    money_in::save(tx, &MoneyIn { fate: Fate::GivenBack, ..money }).await
}
