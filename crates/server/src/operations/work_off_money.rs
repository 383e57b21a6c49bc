//! Money that waits for a person: he says what it is for, or that he gave it back. Nothing of it can
//! be undone by him; what was used is given back as any other money.

use crate::app::App;
use crate::operations::add_to_grant::Addition;
use crate::operations::asked::{self, Actor, By, Entry, Lost};
use crate::operations::change_grant;
use crate::operations::confirm_payment::{Used, credit, post, spend};
use crate::operations::refund_payment::used_of;
use crate::operations::spend_wallet;
use lango_domain::grant::Refusal;
use lango_domain::ids::{CustomerId, GrantId, MoneyId, PaymentId, TenantId};
use lango_domain::money::Money;
use lango_domain::payment::{Fit, Misfit, PaymentState};
use lango_domain::time::Timestamp;
use lango_store::grants::StoredGrant;
use lango_store::ledger::{self, Account};
use lango_store::money_in::{self, Fate, MoneyIn};
use lango_store::payments::Payment;
use lango_store::plans::StoredPlan;
use lango_store::{Error, Tx};

/// What waiting money is to be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// It renews something, if it is enough; what is left over is the customer's.
    Grant(GrantId),
    /// It is a customer's, for later.
    Wallet(CustomerId),
    /// Somebody gave it back by hand.
    GivenBack,
}

/// Why money was not worked off, or not given back.
#[derive(Debug, thiserror::Error)]
pub enum NotWorkedOff {
    /// No such money, grant or customer, or not as it was read.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The books want to know why.
    #[error("say why: it stands in the books")]
    NoReason,
    /// Somebody has decided about it.
    #[error(
        "this money is {0} already, and that cannot be undone: if it was wrong, give it back and \
         take it again"
    )]
    NotWaiting(&'static str),
    /// It was given back.
    #[error("this money was given back already")]
    GivenBack,
    /// Its provider was told to give it back, and has not said what became of that.
    #[error("this money is on its way back to its payer: `lango payment purchases` says so")]
    GoesBack,
    /// Nothing was decided about it.
    #[error("this money waits: say what it is for, or that it was given back")]
    Waits,
    /// A payment stands behind it.
    #[error("a payment that was asked for brought this money: give {0} back instead")]
    OfPayment(PaymentId),
    /// The customer has spent it.
    #[error("the customer has spent it: his wallet holds too little to take it out again")]
    Spent,
    /// It does not fit what it was to be for.
    #[error("{}", unfit(*.0))]
    Unfit(Misfit),
    /// What it was for takes no money.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database.
    #[error("working off money")]
    Store(#[from] Error),
}

fn unfit(why: Misfit) -> &'static str {
    match why {
        Misfit::OtherCurrency => {
            "it is another currency than the price: put it into a wallet or give it back"
        }
        _ => {
            "it is less than the price, and nobody is known whose wallet could keep it: assign the \
             access to a customer, or say another one"
        }
    }
}

/// Decides what waiting money is for.
///
/// # Errors
/// See [`NotWorkedOff`]; nothing is written then.
pub async fn work_off_money(
    app: &App,
    (tenant, id): (TenantId, MoneyId),
    (what, why): (Use, String),
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<MoneyIn, NotWorkedOff> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let money = match found(tx, (tenant, id), &why, expected).await? {
                Ok(money) => money,
                Err(not) => return Ok(Err(not)),
            };
            if !matches!(money.fate, Fate::Waiting(_)) {
                return Ok(Err(NotWorkedOff::NotWaiting(money.fate.word())));
            }
            if goes_back(tx, &money).await? {
                return Ok(Err(NotWorkedOff::GoesBack));
            }
            noted(tx, &desk, ("money worked off", &money, &why), &by, now).await?;
            if let Err(not) = use_it(tx, &desk, money, what, &by, now).await? {
                return Ok(Err(not));
            }
            read_back(tx, (tenant, id)).await
        })
        .await?
}

async fn found(
    tx: &mut Tx<'_>,
    (tenant, id): (TenantId, MoneyId),
    why: &str,
    expected: Option<i64>,
) -> Result<Result<MoneyIn, NotWorkedOff>, Error> {
    if why.trim().is_empty() {
        return Ok(Err(NotWorkedOff::NoReason));
    }
    Ok(match money_in::find(tx, tenant, id).await? {
        None => Err(Lost::Missing("money").into()),
        Some(money) if !asked::is_expected(money.version, expected) => {
            Err(Lost::Stale("money").into())
        }
        Some(money) => Ok(money),
    })
}

async fn read_back(
    tx: &mut Tx<'_>,
    (tenant, id): (TenantId, MoneyId),
) -> Result<Result<MoneyIn, NotWorkedOff>, Error> {
    let found = money_in::find(tx, tenant, id).await?;
    Ok(found.ok_or_else(|| Lost::Missing("money").into()))
}

async fn noted(
    tx: &mut Tx<'_>,
    app: &App,
    (what, money, why): (&str, &MoneyIn, &str),
    by: &By,
    now: Timestamp,
) -> Result<(), Error> {
    let detail = format!("{}, {} {}: {}", money.amount, money.provider, money.receipt, why.trim());
    asked::account(tx, app, &by.actor, Entry::of(money.tenant, what, detail), now).await
}

async fn use_it(
    tx: &mut Tx<'_>,
    app: &App,
    money: MoneyIn,
    what: Use,
    by: &By,
    now: Timestamp,
) -> Result<Result<(), NotWorkedOff>, Error> {
    let (tenant, actor) = (money.tenant, &by.actor);
    match what {
        Use::Grant(grant) => {
            let Some(stored) = super::act_on_grant::of_tenant(tx, tenant, grant).await? else {
                return Ok(Err(Lost::Missing("grant").into()));
            };
            Ok(match give_to_grant(tx, app, money, stored, actor, now).await? {
                Ok(_) => Ok(()),
                Err(NotGiven::Unfit(why)) => Err(NotWorkedOff::Unfit(why)),
                Err(NotGiven::Refused(refusal)) => Err(refusal.into()),
            })
        }
        Use::Wallet(customer) => {
            let found = super::change_customer::of_tenant(tx, tenant, customer).await?;
            if found.is_none() {
                return Ok(Err(Lost::Missing("customer").into()));
            }
            let of = money.payment;
            credit(tx, app, money, customer, actor, now).await?;
            settle_payment(tx, of, None).await.map(Ok)
        }
        Use::GivenBack => {
            let amount = money.amount.amount;
            let lines = [(Account::Suspense, amount), (Account::Clearing(money.gateway), -amount)];
            let what = format!("{} {} given back by hand", money.provider, money.receipt);
            post(tx, app, (tenant, &what), money.amount, &lines, now).await?;
            give_payment_back(tx, money.payment).await?;
            money_in::save(tx, &MoneyIn { fate: Fate::GivenBack, ..money }).await?;
            Ok(Ok(()))
        }
    }
}

/// Whether its provider was told to give it back: until he says what became of that, nobody decides.
pub(crate) async fn goes_back(tx: &mut Tx<'_>, money: &MoneyIn) -> Result<bool, Error> {
    let payment = of_payment(tx, money.payment).await?;
    Ok(payment.is_some_and(|payment| {
        let is_it = payment.state.receipt() == Some(money.receipt.as_str());
        is_it && matches!(payment.state, PaymentState::Refunding { .. })
    }))
}

/// A payment that waited for a person is paid.
async fn settle_payment(
    tx: &mut Tx<'_>,
    id: Option<PaymentId>,
    grant: Option<GrantId>,
) -> Result<(), Error> {
    let Some(payment) = of_payment(tx, id).await? else { return Ok(()) };
    let Some(receipt) = undecided(&payment.state) else { return Ok(()) };
    let grant = payment.grant.or(grant);
    // What it renewed was there before: giving the money back must not end it.
    let renews = payment.renews.or(grant);
    let paid = Payment { state: PaymentState::Paid { receipt }, grant, renews, ..payment };
    lango_store::payments::save(tx, &paid).await
}

async fn give_payment_back(tx: &mut Tx<'_>, id: Option<PaymentId>) -> Result<(), Error> {
    let Some(payment) = of_payment(tx, id).await? else { return Ok(()) };
    let Some(receipt) = undecided(&payment.state) else { return Ok(()) };
    let state = PaymentState::Refunded { receipt };
    lango_store::payments::save(tx, &Payment { state, ..payment }).await
}

/// The receipt of money that came and waits: it did not fit, and may have failed to go back.
fn undecided(state: &PaymentState) -> Option<String> {
    match state {
        PaymentState::Review { receipt, .. } | PaymentState::RefundFailed { receipt, .. } => {
            Some(receipt.clone())
        }
        _ => None,
    }
}

async fn of_payment(tx: &mut Tx<'_>, id: Option<PaymentId>) -> Result<Option<Payment>, Error> {
    match id {
        Some(id) => lango_store::payments::find(tx, id).await,
        None => Ok(None),
    }
}

/// What became of money that was given to a grant.
#[derive(Debug)]
pub(crate) enum Given {
    /// It renewed or started it; what it was more is in the customer's wallet.
    Renewed(Box<StoredGrant>),
    /// It is too little, and in the customer's wallet.
    Credited {
        /// Whose.
        customer: CustomerId,
        /// What he has with us now.
        balance: Money,
    },
}

impl Given {
    fn grant(&self) -> Option<GrantId> {
        match self {
            Given::Renewed(stored) => Some(stored.grant.id),
            Given::Credited { .. } => None,
        }
    }
}

/// Why money cannot be given to a grant; nothing was written.
#[derive(Debug)]
pub(crate) enum NotGiven {
    /// It is too little and nobody's, or another currency.
    Unfit(Misfit),
    /// The grant takes no money.
    Refused(Refusal),
}

/// Gives money, which is in suspense, to a grant. What is too much is its customer's. What is too
/// little is his, too, and renews it as soon as his wallet covers the price. A payment that it came
/// for is settled by that.
pub(crate) async fn give_to_grant(
    tx: &mut Tx<'_>,
    app: &App,
    money: MoneyIn,
    stored: StoredGrant,
    actor: &Actor,
    now: Timestamp,
) -> Result<Result<Given, NotGiven>, Error> {
    let of = money.payment;
    let given = give(tx, app, money, stored, actor, now).await?;
    if let Ok(given) = &given {
        settle_payment(tx, of, given.grant()).await?;
    }
    Ok(given)
}

async fn give(
    tx: &mut Tx<'_>,
    app: &App,
    money: MoneyIn,
    stored: StoredGrant,
    actor: &Actor,
    now: Timestamp,
) -> Result<Result<Given, NotGiven>, Error> {
    let (grant, customer) = (stored.grant.id, stored.grant.customer);
    let plan = lango_store::plans::one(tx, stored.grant.plan).await?;
    let price = plan.plan.price;
    let (price, over) = match (Fit::of(money.amount, price), customer) {
        (Fit::Foreign, _) => return Ok(Err(NotGiven::Unfit(Misfit::OtherCurrency))),
        (Fit::Under, None) => return Ok(Err(NotGiven::Unfit(Misfit::TooLittle))),
        (Fit::Under, Some(customer)) => {
            return part_payment(tx, app, money, (stored, &plan, customer), actor, now).await;
        }
        (Fit::Over(over), Some(_)) => (price, Some(over)),
        // There is no wallet for what it is more: all of it is the price.
        (Fit::Over(_) | Fit::Exact, _) => (money.amount, None),
    };
    let addition = match Addition::of(stored, &plan.plan, now) {
        Ok(addition) => addition,
        Err(refusal) => return Ok(Err(NotGiven::Refused(refusal))),
    };
    spend(tx, app, money, Used { grant, customer, price, over }, actor, now).await?;
    let after = addition.write(tx, app, actor, now).await?;
    Ok(Ok(Given::Renewed(Box::new(after))))
}

async fn part_payment(
    tx: &mut Tx<'_>,
    app: &App,
    money: MoneyIn,
    (stored, plan, customer): (StoredGrant, &StoredPlan, CustomerId),
    actor: &Actor,
    now: Timestamp,
) -> Result<Result<Given, NotGiven>, Error> {
    let (tenant, currency) = (money.tenant, money.amount.currency);
    credit(tx, app, money, customer, actor, now).await?;
    let owner = lango_store::customers::one(tx, customer).await?;
    let renewed = spend_wallet::renew(tx, app, (stored, plan), &owner, actor, now).await?;
    if let Ok((_, after)) = renewed {
        return Ok(Ok(Given::Renewed(Box::new(after))));
    }
    let balance = ledger::wallet(tx, tenant, customer, currency).await?;
    Ok(Ok(Given::Credited { customer, balance }))
}

/// Somebody gave back money that he had taken himself, or that was in a wallet: the books say so.
/// What it renewed goes on, unless it is to end with it.
///
/// # Errors
/// See [`NotWorkedOff`]; nothing is written then.
pub async fn give_money_back(
    app: &App,
    (tenant, id): (TenantId, MoneyId),
    (ends_access, why): (bool, String),
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<MoneyIn, NotWorkedOff> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let money = match found(tx, (tenant, id), &why, expected).await? {
                Ok(money) => money,
                Err(not) => return Ok(Err(not)),
            };
            // What was paid a second time for it goes back by itself: it is in a wallet.
            if let Some(payment) = of_payment(tx, money.payment).await?
                && payment.state.receipt() == Some(money.receipt.as_str())
            {
                return Ok(Err(NotWorkedOff::OfPayment(payment.id)));
            }
            noted(tx, &desk, ("money given back", &money, &why), &by, now).await?;
            if let Err(not) = take_out(tx, &desk, &money, now).await? {
                return Ok(Err(not));
            }
            if let Some(grant) = money.grant.filter(|_| ends_access) {
                end(tx, &desk, grant, &by, now).await?;
            }
            money_in::save(tx, &MoneyIn { fate: Fate::GivenBack, ..money }).await?;
            read_back(tx, (tenant, id)).await
        })
        .await?
}

/// Takes it out of where it is.
async fn take_out(
    tx: &mut Tx<'_>,
    app: &App,
    money: &MoneyIn,
    now: Timestamp,
) -> Result<Result<(), NotWorkedOff>, Error> {
    let MoneyIn { tenant, amount, provider, receipt, .. } = money;
    let mut lines = vec![(Account::Clearing(money.gateway), -amount.amount)];
    match (money.fate, money.customer) {
        (Fate::Waiting(_), _) => return Ok(Err(NotWorkedOff::Waits)),
        (Fate::GivenBack, _) => return Ok(Err(NotWorkedOff::GivenBack)),
        (Fate::Credited, Some(customer)) => {
            lines.push((Account::Wallet(customer), amount.amount));
        }
        (Fate::Used | Fate::Credited, customer) => {
            let price = used_of(tx, money).await?.amount;
            lines.push((Account::Revenue, price));
            let over = amount.amount - price;
            if let Some(customer) = customer.filter(|_| over > 0) {
                lines.push((Account::Wallet(customer), over));
            }
        }
    }
    let what = format!("{provider} {receipt} given back by hand");
    let posted = post(tx, app, (*tenant, &what), *amount, &lines, now).await?;
    Ok(if posted { Ok(()) } else { Err(NotWorkedOff::Spent) })
}

async fn end(
    tx: &mut Tx<'_>,
    app: &App,
    grant: GrantId,
    by: &By,
    now: Timestamp,
) -> Result<(), Error> {
    let stored = lango_store::grants::one(tx, grant).await?;
    change_grant::end(tx, app, stored, &by.actor, now).await
}
