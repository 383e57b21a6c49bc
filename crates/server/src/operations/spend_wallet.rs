//! What a customer has with us buys something. The wallet and what it bought are one transaction,
//! and a wallet never holds less than nothing: that is a rule of its table.

use crate::app::App;
use crate::messaging::notice::Notice;
use crate::messaging::{self, MessageOrder};
use crate::operations::add_to_grant::{Addition, takes};
use crate::operations::asked::{self, Actor, By, Entry, KeyReused, Lost};
use crate::operations::confirm_payment::post;
use crate::operations::issue_vouchers::sell_vouchers;
use lango_domain::grant::Refusal;
use lango_domain::ids::{CustomerId, GrantId, Id, JobId, PlanId, TenantId};
use lango_domain::money::Money;
use lango_domain::time::Timestamp;
use lango_store::customers::Customer;
use lango_store::grants::StoredGrant;
use lango_store::ledger::{self, Account};
use lango_store::plans::StoredPlan;
use lango_store::receipts::Receipt;
use lango_store::{Error, Tx};

/// Who says in receipts that it was paid: we do.
pub const PROVIDER: &str = "wallet";

/// What a wallet is to buy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Buys {
    /// Another period of something that he has.
    Renewal(GrantId),
    /// Something new.
    New(PlanId),
    /// That plan, added to what somebody has shown that he holds, if that takes it; else something new.
    OnTop(GrantId, PlanId),
}

/// What was bought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spent {
    /// What it bought.
    pub grant: GrantId,
    /// The number of the receipt.
    pub receipt: String,
    /// What it cost.
    pub price: Money,
    /// What is left.
    pub left: Money,
}

/// Why a wallet buys nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotSpent {
    /// No such customer, grant or plan.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// It is another's.
    #[error("this access is not this customer's: assign it to him first, or take his money")]
    NotHis,
    /// The plan is sold no more.
    #[error("this plan is not sold any more")]
    NotOnSale,
    /// Its price is that of several vouchers.
    #[error(
        "this is a voucher of a bundle, whose price is that of all of them: buy the bundle anew"
    )]
    Bundle,
    /// A trial costs nothing.
    #[error("this plan costs nothing: a wallet does not pay for it")]
    Free,
    /// There is too little.
    #[error("there is {has} in the wallet, and it costs {price}: take the rest in cash")]
    TooLittle {
        /// What he has.
        has: Money,
        /// What it costs.
        price: Money,
    },
    /// There is another sum in it than whoever asks was shown.
    #[error("the wallet holds {has} by now: look at it again")]
    Changed {
        /// What he has.
        has: Money,
    },
    /// Its life does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The key of the request was used for another.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// The database.
    #[error("spending what is in a wallet")]
    Store(#[from] Error),
}

/// Buys by a customer's wallet.
///
/// # Errors
/// See [`NotSpent`]; nothing is written then.
pub async fn spend_wallet(
    app: &App,
    (tenant, customer): (TenantId, CustomerId),
    what: Buys,
    by: &By,
    now: Timestamp,
) -> Result<Spent, NotSpent> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            match asked::made_before::<GrantId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => return spent_before(tx, (tenant, customer), &made).await.map(Ok),
                Ok(None) => {}
            }
            let spent = buy(tx, &desk, (tenant, customer), what, &by, now).await?;
            if let Ok(spent) = &spent {
                asked::keep_made(tx, &by, &[spent.grant], now).await?;
            }
            Ok(spent)
        })
        .await?
}

/// The same for somebody who was shown what the wallet holds: a second tap finds less in it, and buys
/// nothing again.
///
/// # Errors
/// See [`NotSpent`]; nothing is written then.
pub async fn spend_wallet_as_shown(
    app: &App,
    (tenant, customer): (TenantId, CustomerId),
    what: Buys,
    shown: Money,
    by: &By,
    now: Timestamp,
) -> Result<Spent, NotSpent> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let has = ledger::wallet(tx, tenant, customer, shown.currency).await?;
            if has != shown {
                return Ok(Err(NotSpent::Changed { has }));
            }
            buy(tx, &desk, (tenant, customer), what, &by, now).await
        })
        .await?
}

/// The same request came before: what it bought is what it buys.
async fn spent_before(
    tx: &mut Tx<'_>,
    (tenant, customer): (TenantId, CustomerId),
    made: &[GrantId],
) -> Result<Spent, Error> {
    let grant = *made.first().ok_or_else(|| Error::changed_meanwhile("reading a purchase"))?;
    let receipts = lango_store::receipts::of_grant(tx, grant).await?;
    let last = receipts.into_iter().rfind(|receipt| receipt.provider == PROVIDER);
    let last = last.ok_or_else(|| Error::changed_meanwhile("reading a purchase"))?;
    let left = ledger::wallet(tx, tenant, customer, last.amount.currency).await?;
    Ok(Spent { grant, receipt: last.receipt, price: last.amount, left })
}

async fn buy(
    tx: &mut Tx<'_>,
    app: &App,
    (tenant, customer): (TenantId, CustomerId),
    what: Buys,
    by: &By,
    now: Timestamp,
) -> Result<Result<Spent, NotSpent>, Error> {
    let Some(customer) = super::change_customer::of_tenant(tx, tenant, customer).await? else {
        return Ok(Err(Lost::Missing("customer").into()));
    };
    match what {
        Buys::Renewal(grant) => {
            let Some(stored) = super::act_on_grant::of_tenant(tx, tenant, grant).await? else {
                return Ok(Err(Lost::Missing("grant").into()));
            };
            if stored.grant.customer != Some(customer.id) {
                return Ok(Err(NotSpent::NotHis));
            }
            let plan = lango_store::plans::one(tx, stored.grant.plan).await?;
            let done = renew(tx, app, (stored, &plan), &customer, &by.actor, now).await?;
            Ok(done.map(|(spent, _)| spent))
        }
        Buys::New(plan) => match on_sale(tx, tenant, plan).await? {
            Ok(plan) => new(tx, app, (&plan, &customer), by, now).await,
            Err(not) => Ok(Err(not)),
        },
        Buys::OnTop(held, plan) => {
            let plan = match on_sale(tx, tenant, plan).await? {
                Ok(plan) => plan,
                Err(not) => return Ok(Err(not)),
            };
            let held = super::act_on_grant::of_tenant(tx, tenant, held).await?;
            let Some(held) = held.filter(|held| takes(&held.grant, &plan)) else {
                return new(tx, app, (&plan, &customer), by, now).await;
            };
            let done = renew(tx, app, (held, &plan), &customer, &by.actor, now).await?;
            Ok(done.map(|(spent, _)| spent))
        }
    }
}

async fn on_sale(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plan: PlanId,
) -> Result<Result<StoredPlan, NotSpent>, Error> {
    Ok(match super::change_plan::of_tenant(tx, tenant, plan).await? {
        None => Err(Lost::Missing("plan").into()),
        Some(plan) if plan.retired_at.is_some() => Err(NotSpent::NotOnSale),
        Some(plan) => Ok(plan),
    })
}

/// Renews an access by a customer's wallet, and tells him. Nothing is written if it cannot be.
pub(crate) async fn renew(
    tx: &mut Tx<'_>,
    app: &App,
    (stored, plan): (StoredGrant, &StoredPlan),
    customer: &Customer,
    actor: &Actor,
    now: Timestamp,
) -> Result<Result<(Spent, StoredGrant), NotSpent>, Error> {
    if plan.sale.is_bundle() {
        return Ok(Err(NotSpent::Bundle));
    }
    let addition = match Addition::of(stored, &plan.plan, now) {
        Ok(addition) => addition,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let paid = match pay(tx, app, customer, plan.plan.price, now).await? {
        Ok(paid) => paid,
        Err(not) => return Ok(Err(not)),
    };
    let after = addition.write(tx, app, actor, now).await?;
    let spent = keep(tx, app, (paid, after.grant.id), customer, actor, now).await?;
    let (amount, receipt) = (spent.price, spent.receipt.clone());
    tell(tx, app, customer, &spent, Notice::Receipt { amount, receipt }, now).await?;
    Ok(Ok((spent, after)))
}

async fn new(
    tx: &mut Tx<'_>,
    app: &App,
    (plan, customer): (&StoredPlan, &Customer),
    by: &By,
    now: Timestamp,
) -> Result<Result<Spent, NotSpent>, Error> {
    let paid = match pay(tx, app, customer, plan.plan.price, now).await? {
        Ok(paid) => paid,
        Err(not) => return Ok(Err(not)),
    };
    let his = (Some(customer.id), None);
    let vouchers = sell_vouchers(tx, app, plan, his, &by.actor, now).await?;
    let Some(first) = vouchers.first() else { return Ok(Err(NotSpent::NotOnSale)) };
    let spent = keep(tx, app, (paid, first.id), customer, &by.actor, now).await?;
    let (amount, receipt) = (Some(spent.price), Some(spent.receipt.clone()));
    tell(tx, app, customer, &spent, Notice::Credentials { amount, receipt }, now).await?;
    Ok(Ok(spent))
}

/// Money that left a wallet.
struct Paid {
    receipt: String,
    price: Money,
}

/// Takes the price out of the wallet, if it is there.
async fn pay(
    tx: &mut Tx<'_>,
    app: &App,
    customer: &Customer,
    price: Money,
    now: Timestamp,
) -> Result<Result<Paid, NotSpent>, Error> {
    if price.amount <= 0 {
        return Ok(Err(NotSpent::Free));
    }
    let receipt = format!("W{}", app.id::<JobId>(now)).to_uppercase();
    let what = format!("{PROVIDER} {receipt}");
    let lines = [
        (Account::Wallet(customer.id), price.amount),
        (Account::Revenue, price.amount.saturating_neg()),
    ];
    if !post(tx, app, (customer.tenant, &what), price, &lines, now).await? {
        let has = ledger::wallet(tx, customer.tenant, customer.id, price.currency).await?;
        return Ok(Err(NotSpent::TooLittle { has, price }));
    }
    Ok(Ok(Paid { receipt, price }))
}

async fn keep(
    tx: &mut Tx<'_>,
    app: &App,
    (paid, grant): (Paid, GrantId),
    customer: &Customer,
    actor: &Actor,
    now: Timestamp,
) -> Result<Spent, Error> {
    let Paid { receipt, price } = paid;
    let tenant = customer.tenant;
    let row = Receipt {
        id: app.id::<JobId>(now).raw(),
        tenant,
        provider: PROVIDER.to_owned(),
        receipt: receipt.clone(),
        grant,
        amount: price,
        paid_at: now,
    };
    if !lango_store::receipts::keep(tx, &row).await? {
        return Err(Error::changed_meanwhile("using a receipt"));
    }
    let detail = format!("{price}, {PROVIDER} {receipt}");
    let entry = Entry { grant: Some(grant), ..Entry::of(tenant, "paid", detail) };
    asked::account(tx, app, actor, entry, now).await?;
    let left = ledger::wallet(tx, tenant, customer.id, price.currency).await?;
    Ok(Spent { grant, receipt, price, left })
}

async fn tell(
    tx: &mut Tx<'_>,
    app: &App,
    customer: &Customer,
    spent: &Spent,
    text: Notice,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(recipient) = customer.phone.clone() else { return Ok(()) };
    let order = MessageOrder {
        tenant: customer.tenant,
        recipient,
        language: customer.language,
        grant: Some(spent.grant),
        once_key: format!("paid {}", spent.receipt),
        text,
    };
    messaging::queue(tx, app, order, now).await.map(drop)
}
