//! Money is given back: what was bought by it ends, and the provider is told once. What nobody
//! knows about it a person looks at; it is never told twice.

use crate::app::App;
use crate::operations::asked::{self, Actor, By, Entry, Lost};
use crate::operations::change_grant;
use crate::operations::confirm_payment::post;
use crate::operations::gateways::{provider_of, url_of};
use crate::payments::{Door, Refund, RefundAnswer};
use lango_domain::ids::{GrantId, PaymentId, TenantId};
use lango_domain::money::Money;
use lango_domain::payment::{PaymentState, Verdict};
use lango_domain::time::Timestamp;
use lango_store::gateways::Gateway;
use lango_store::grants::{self, Pick, StoredGrant};
use lango_store::ledger::Account;
use lango_store::money_in::{self, Fate, MoneyIn};
use lango_store::payments::Payment;
use lango_store::{Error, Order, Tx};

/// Why money is not given back.
#[derive(Debug, thiserror::Error)]
pub enum NotRefunded {
    /// No such payment.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// There is nothing to give back.
    #[error("this payment is {0}: only what was paid can be given back")]
    NotPaid(&'static str),
    /// It lay in a wallet, and its customer has bought something by it.
    #[error("the customer has spent it: his wallet holds too little to take it out again")]
    Spent,
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
    let receipt = match (&payment.state, way) {
        (
            PaymentState::Paid { receipt }
            | PaymentState::Review { receipt, .. }
            | PaymentState::RefundFailed { receipt, .. },
            _,
        ) => receipt.clone(),
        // The provider was told, and never said what became of it: somebody has found out, or paid.
        (PaymentState::Refunding { .. }, Way::ByHand) => {
            let amount = payment.amount;
            return noted(tx, app, payment, by, now).await.map(|payment| Ok((payment, amount)));
        }
        (other, _) => return Ok(Err(NotRefunded::NotPaid(other.word()))),
    };
    let gateway = lango_store::gateways::find(tx, payment.gateway).await?;
    let money = money_of(tx, &payment, &receipt).await?;
    let amount = match &money {
        Some(money) => used_of(tx, money).await?,
        None => payment.amount,
    };
    if let Some(gateway) = gateway.filter(|_| way == Way::ByProvider) {
        let provider = provider_of(app, &gateway)?;
        if !provider.abilities().refunds {
            return Ok(Err(NotRefunded::NotOffered(provider.name())));
        }
        // Before anything ends: nobody could say what became of the money.
        if addresses(app, &gateway, &payment)?.is_none() {
            return Ok(Err(NotRefunded::NoAddress));
        }
    }
    if let Some(money) = &money
        && !take_out(tx, app, money, now).await?
    {
        return Ok(Err(NotRefunded::Spent));
    }
    end_what_it_bought(tx, app, &payment, by, now).await?;
    let mut refunding = Payment { state: PaymentState::Refunding { receipt }, ..payment };
    lango_store::payments::save(tx, &refunding).await?;
    refunding.version += 1;
    let refunding = noted(tx, app, refunding, by, now).await?;
    Ok(Ok((refunding, amount)))
}

/// Whoever sees to it stands in the account.
async fn noted(
    tx: &mut Tx<'_>,
    app: &App,
    refunding: Payment,
    by: &By,
    now: Timestamp,
) -> Result<Payment, Error> {
    let detail = format!("{} {}", refunding.amount, refunding.reference);
    let tenant = refunding.tenant;
    let entry = Entry { grant: refunding.grant, ..Entry::of(tenant, "refund begun", detail) };
    asked::account(tx, app, &by.actor, entry, now).await?;
    Ok(refunding)
}

/// What was used of money: what was more than a price is in a wallet, and stays there. All of it, if
/// it bought nothing.
pub(crate) async fn used_of(tx: &mut Tx<'_>, money: &MoneyIn) -> Result<Money, Error> {
    let MoneyIn { tenant, provider, receipt, .. } = money;
    if money.fate != Fate::Used {
        return Ok(money.amount);
    }
    let used = lango_store::receipts::find(tx, *tenant, provider, receipt).await?;
    Ok(used.map_or(money.amount, |used| used.amount))
}

/// Takes what lies in a wallet out of it, before its provider is told: nobody spends it meanwhile.
/// False if somebody has.
async fn take_out(
    tx: &mut Tx<'_>,
    app: &App,
    money: &MoneyIn,
    now: Timestamp,
) -> Result<bool, Error> {
    let Some(wallet) = wallet_of(money) else { return Ok(true) };
    let lines = [(wallet, money.amount.amount), (Account::Refunds, -money.amount.amount)];
    post(tx, app, (money.tenant, &entry_of(money)), money.amount, &lines, now).await
}

/// What could not be given back is in the wallet again.
async fn put_back(
    tx: &mut Tx<'_>,
    app: &App,
    money: &MoneyIn,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(wallet) = wallet_of(money) else { return Ok(()) };
    let lines = [(Account::Refunds, money.amount.amount), (wallet, -money.amount.amount)];
    post(tx, app, (money.tenant, &entry_of(money)), money.amount, &lines, now).await.map(drop)
}

fn wallet_of(money: &MoneyIn) -> Option<Account> {
    money.customer.filter(|_| money.fate == Fate::Credited).map(Account::Wallet)
}

fn entry_of(money: &MoneyIn) -> String {
    format!("refund of {} {}", money.provider, money.receipt)
}

/// A new access ends; of a renewed one nobody knows which part was used, so it stays.
async fn end_what_it_bought(
    tx: &mut Tx<'_>,
    app: &App,
    payment: &Payment,
    by: &By,
    now: Timestamp,
) -> Result<(), Error> {
    let (Some(first), None) = (payment.grant, payment.renews) else { return Ok(()) };
    for stored in bought(tx, payment, first).await? {
        change_grant::end(tx, app, stored, &by.actor, now).await?;
    }
    Ok(())
}

/// The first voucher that was bought and, of a bundle, the others: made in the same moment for the
/// same customer, up to what his next purchase began with. One that somebody else has by now is his.
async fn bought(
    tx: &mut Tx<'_>,
    payment: &Payment,
    first: GrantId,
) -> Result<Vec<StoredGrant>, Error> {
    /// No bundle is as large.
    const MOST: i64 = 70_000;
    let Some(made) = grants::show(tx, first).await? else { return Ok(Vec::new()) };
    let at = made.created_at;
    let mut all = vec![made.stored];
    let Some(customer) = payment.customer else { return Ok(all) };
    let (tenant, pick) = (payment.tenant, Pick::Customer(customer));
    let later = grants::listed(tx, tenant, pick, Order::Ascending, Some(first), MOST).await?;
    for other in later.into_iter().take_while(|other| other.created_at == at) {
        if begins_another(tx, other.stored.grant.id).await? {
            break;
        }
        all.push(other.stored);
    }
    Ok(all)
}

async fn begins_another(tx: &mut Tx<'_>, grant: GrantId) -> Result<bool, Error> {
    let payments = lango_store::payments::of_grant(tx, grant).await?;
    Ok(payments.iter().any(|payment| payment.renews.is_none()))
}

/// Where the provider says what became of it, and that it took too long.
fn addresses(
    app: &App,
    gateway: &Gateway,
    payment: &Payment,
) -> Result<Option<(String, String)>, Error> {
    let id = payment.id.to_string();
    let url = |door| url_of(app, gateway, door, (&id, &payment.door));
    Ok(url(Door::Result)?.zip(url(Door::Timeout)?))
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
    let Some((callback, timeout)) = addresses(app, &gateway, &payment)? else {
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
            if let Some(money) = money_of(tx, &payment, &receipt).await? {
                match &outcome {
                    Ok(()) => give_back(tx, &desk, money, now).await?,
                    Err(_) => put_back(tx, &desk, &money, now).await?,
                }
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

async fn money_of(
    tx: &mut Tx<'_>,
    payment: &Payment,
    receipt: &str,
) -> Result<Option<MoneyIn>, Error> {
    let gateway = lango_store::gateways::find(tx, payment.gateway).await?;
    let provider = gateway.map_or_else(String::new, |gateway| gateway.provider);
    money_in::by_receipt(tx, payment.tenant, &provider, receipt).await
}

async fn give_back(
    tx: &mut Tx<'_>,
    app: &App,
    money: MoneyIn,
    now: Timestamp,
) -> Result<(), Error> {
    let amount = used_of(tx, &money).await?;
    let from = match money.fate {
        Fate::Used => Account::Revenue,
        Fate::Credited => Account::Refunds,
        Fate::Waiting(_) | Fate::GivenBack => Account::Suspense,
    };
    let lines = [(from, amount.amount), (Account::Clearing(money.gateway), -amount.amount)];
    post(tx, app, (money.tenant, &entry_of(&money)), amount, &lines, now).await?;
    money_in::save(tx, &MoneyIn { fate: Fate::GivenBack, ..money }).await
}
