//! Money came. One receipt is one row, and one row buys once: whoever tells it, however often, in
//! whatever order, on whichever node. What it cannot buy waits for a person and is never dropped.

use crate::app::App;
use crate::messaging::notice::Notice;
use crate::messaging::{self, MessageOrder};
use crate::operations::accept_payment::is_read_from_a_phone;
use crate::operations::add_to_grant::Addition;
use crate::operations::admit_device::{self, Admission};
use crate::operations::asked::{self, Actor, Entry};
use crate::operations::issue_vouchers::sell_vouchers;
use crate::operations::work_off_money::{Given, NotGiven, give_to_grant};
use crate::payments;
use lango_domain::ids::{CustomerId, GrantId, Id, JobId, PaymentId, PostingId, TenantId};
use lango_domain::money::Money;
use lango_domain::payment::{Fit, Misfit, PaymentState, Proof};
use lango_domain::time::Timestamp;
use lango_store::customers::Customer;
use lango_store::gateways::Gateway;
use lango_store::ledger::{self, Account, Posting};
use lango_store::money_in::{self, Fate, MoneyIn};
use lango_store::payments::Payment;
use lango_store::receipts::Receipt;
use lango_store::{Error, Tx};

/// What became of money.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Came {
    /// It bought this.
    Bought(GrantId),
    /// It is in a wallet.
    Credited(CustomerId),
    /// It waits for a person, and why.
    Waits(Misfit),
    /// It was known before; nothing changed.
    Known,
}

/// A provider proved that money for a payment came.
///
/// # Errors
/// A fault of the store; nothing of it is written then, and the same call may be repeated.
pub async fn confirm_payment(
    app: &App,
    id: PaymentId,
    proof: Proof,
    now: Timestamp,
) -> Result<Came, Error> {
    let desk = app.clone();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let payment = lango_store::payments::find(tx, id).await?;
            let payment =
                payment.ok_or_else(|| Error::changed_meanwhile("confirming a payment"))?;
            confirm(tx, &desk, payment, &proof, now).await
        })
        .await
}

/// The same in the caller's transaction.
pub(crate) async fn confirm(
    tx: &mut Tx<'_>,
    app: &App,
    payment: Payment,
    proof: &Proof,
    now: Timestamp,
) -> Result<Came, Error> {
    let gateway = lango_store::gateways::find(tx, payment.gateway).await?;
    let provider = gateway.map_or_else(String::new, |gateway| gateway.provider);
    if let Some(known) = same_money(tx, &payment, &provider, proof).await? {
        return Ok(known);
    }
    let mut money = money_for(app, &payment, &provider, proof, now);
    let known = money_in::by_receipt(tx, money.tenant, &provider, &proof.receipt).await?;
    match known {
        // It was told as money paid by hand before anybody knew what for.
        Some(waiting) if matches!(waiting.fate, Fate::Waiting(_)) && !payment.state.has_money() => {
            money = MoneyIn { payment: Some(payment.id), ..waiting };
        }
        // Somebody at the desk typed its receipt in and gave an access for it.
        Some(used) if used.payment.is_none() && !payment.state.has_money() => {
            return used_at_the_desk(tx, payment, used, now).await;
        }
        Some(_) => return Ok(Came::Known),
        None => {
            if !money_in::keep(tx, &money).await? {
                return Err(Error::changed_meanwhile("keeping money that came"));
            }
            came(tx, app, &money, now).await?;
        }
    }
    let fit = Fit::of(money.amount, payment.amount);
    let state = match payment.state.paid(&proof.receipt, fit) {
        Some(PaymentState::Paid { receipt }) if bought_before(tx, &money).await? => {
            Some(PaymentState::Review { receipt, why: Misfit::NotForSale })
        }
        state => state,
    };
    match state {
        Some(state) => use_for(tx, app, (payment, state), money, fit, now).await,
        // Paid twice, by two receipts: the second one is his, for another time.
        None => credit_payer(tx, app, &payment, money, now).await,
    }
}

/// Whether somebody at the desk typed this receipt in, for an access of his choice. Then it has
/// bought something, and a person sees to the rest.
async fn bought_before(tx: &mut Tx<'_>, money: &MoneyIn) -> Result<bool, Error> {
    let MoneyIn { tenant, provider, receipt, .. } = money;
    let used = lango_store::receipts::find(tx, *tenant, provider, receipt).await?;
    Ok(used.is_some())
}

async fn used_at_the_desk(
    tx: &mut Tx<'_>,
    payment: Payment,
    used: MoneyIn,
    now: Timestamp,
) -> Result<Came, Error> {
    let receipt = used.receipt.clone();
    let settled = Payment {
        state: match used.fate {
            Fate::GivenBack => PaymentState::Refunded { receipt },
            _ => PaymentState::Paid { receipt },
        },
        grant: used.grant,
        // The desk added it to what was there before: giving the money back must not end that.
        renews: used.grant,
        customer: used.customer.or(payment.customer),
        settled_at: Some(now),
        next_attempt_at: None,
        rings: false,
        last_error: None,
        ..payment
    };
    lango_store::payments::save(tx, &settled).await?;
    money_in::save(tx, &MoneyIn { payment: Some(settled.id), ..used }).await?;
    Ok(Came::Known)
}

/// Some providers say that it was paid before they say by which receipt; until then their number of
/// the question stands for it. The receipt that follows is no second payment.
async fn same_money(
    tx: &mut Tx<'_>,
    payment: &Payment,
    provider: &str,
    proof: &Proof,
) -> Result<Option<Came>, Error> {
    let Some(receipt) = payment.state.receipt() else { return Ok(None) };
    let question = payment.provider_id.as_deref();
    if question == Some(proof.receipt.as_str()) {
        return Ok(Some(Came::Known));
    }
    // Another sum is other money: paid by hand for the same reference meanwhile.
    let is_the_sum = proof.amount.is_none_or(|came| came == payment.amount);
    if question != Some(receipt) || !is_the_sum {
        return Ok(None);
    }
    let name = (payment.tenant, provider, receipt);
    money_in::name(tx, name, &proof.receipt).await?;
    lango_store::receipts::name(tx, name, &proof.receipt).await?;
    let state = payment.state.clone().known_by(&proof.receipt);
    lango_store::payments::save(tx, &Payment { state, ..payment.clone() }).await?;
    Ok(Some(Came::Known))
}

fn money_for(
    app: &App,
    payment: &Payment,
    provider: &str,
    proof: &Proof,
    now: Timestamp,
) -> MoneyIn {
    MoneyIn {
        id: app.id(now),
        tenant: payment.tenant,
        gateway: Some(payment.gateway),
        provider: provider.to_owned(),
        receipt: proof.receipt.clone(),
        amount: proof.amount.unwrap_or(payment.amount),
        account: payment.reference.clone(),
        payer: proof.payer.clone().or_else(|| Some(payment.phone.to_string())),
        payer_name: None,
        paid_at: proof.paid_at.unwrap_or(now),
        heard_at: now,
        fate: Fate::Waiting(Misfit::NotForSale),
        payment: Some(payment.id),
        customer: payment.customer,
        grant: None,
        version: 1,
    }
}

async fn use_for(
    tx: &mut Tx<'_>,
    app: &App,
    (payment, state): (Payment, PaymentState),
    money: MoneyIn,
    fit: Fit,
    now: Timestamp,
) -> Result<Came, Error> {
    let settled_at = Some(now);
    let payment = Payment {
        state,
        settled_at,
        next_attempt_at: None,
        rings: false,
        last_error: None,
        ..payment
    };
    if let PaymentState::Review { why, .. } = payment.state {
        lango_store::payments::save(tx, &payment).await?;
        return set_aside(tx, app, money, why, now).await;
    }
    let payer = customer_of(tx, app, &payment, now).await?;
    let Some(bought) = buy(tx, app, &payment, payer.id, now).await? else {
        let receipt = money.receipt.clone();
        let why = Misfit::NotForSale;
        let payment = Payment { state: PaymentState::Review { receipt, why }, ..payment };
        lango_store::payments::save(tx, &payment).await?;
        return set_aside(tx, app, money, why, now).await;
    };
    let payment = Payment { customer: Some(payer.id), grant: Some(bought), ..payment };
    lango_store::payments::save(tx, &payment).await?;
    let over = match fit {
        Fit::Over(over) => Some(over),
        _ => None,
    };
    let used = Used { grant: bought, customer: Some(payer.id), price: payment.amount, over };
    spend(tx, app, money.clone(), used, &Actor::Payment, now).await?;
    tell(tx, app, &payment, bought, &money.receipt, now).await?;
    admit(tx, app, &payment, bought, now).await?;
    Ok(Came::Bought(bought))
}

/// What a payment buys: a renewal or new vouchers. None if it cannot be had any more.
async fn buy(
    tx: &mut Tx<'_>,
    app: &App,
    payment: &Payment,
    customer: CustomerId,
    now: Timestamp,
) -> Result<Option<GrantId>, Error> {
    let plan = lango_store::plans::one(tx, payment.plan).await?;
    if let Some(grant) = payment.renews {
        let stored = lango_store::grants::one(tx, grant).await?;
        let Ok(addition) = Addition::of(stored, &plan.plan, now) else { return Ok(None) };
        addition.write(tx, app, &Actor::Payment, now).await?;
        return Ok(Some(grant));
    }
    // The place where he stands is not the only one that it is good for, unless the plan says so.
    let vouchers =
        sell_vouchers(tx, app, &plan, (Some(customer), None), &Actor::Payment, now).await?;
    Ok(vouchers.first().map(|voucher| voucher.id))
}

/// For whom it is: whoever was named, or whoever has the phone that paid, known or not.
async fn customer_of(
    tx: &mut Tx<'_>,
    app: &App,
    payment: &Payment,
    now: Timestamp,
) -> Result<Customer, Error> {
    if let Some(customer) = payment.customer {
        return lango_store::customers::one(tx, customer).await;
    }
    customer_with(tx, app, payment, now).await
}

async fn customer_with(
    tx: &mut Tx<'_>,
    app: &App,
    payment: &Payment,
    now: Timestamp,
) -> Result<Customer, Error> {
    let phone = &payment.phone;
    if let Some(known) = lango_store::customers::by_phone(tx, payment.tenant, phone).await? {
        return Ok(known);
    }
    let customer = Customer {
        id: app.id(now),
        tenant: payment.tenant,
        name: phone.to_string(),
        phone: Some(phone.clone()),
        language: Some(payment.language),
        created_at: now,
        version: 1,
    };
    lango_store::customers::insert(tx, &customer).await?;
    Ok(customer)
}

/// What money was used for.
pub(crate) struct Used {
    /// What it bought.
    pub(crate) grant: GrantId,
    /// For whom, if that is known.
    pub(crate) customer: Option<CustomerId>,
    /// What that costs.
    pub(crate) price: Money,
    /// What it was more; that is his.
    pub(crate) over: Option<Money>,
}

/// Writes what money bought: the receipt, whose uniqueness is the last guard against buying twice,
/// and the books.
pub(crate) async fn spend(
    tx: &mut Tx<'_>,
    app: &App,
    money: MoneyIn,
    used: Used,
    actor: &Actor,
    now: Timestamp,
) -> Result<(), Error> {
    let receipt = Receipt {
        id: app.id::<JobId>(now).raw(),
        tenant: money.tenant,
        provider: money.provider.clone(),
        receipt: money.receipt.clone(),
        grant: used.grant,
        amount: used.price,
        paid_at: money.paid_at,
    };
    if !lango_store::receipts::keep(tx, &receipt).await? {
        return Err(Error::changed_meanwhile("using a receipt"));
    }
    let what = format!("{} {}", money.provider, money.receipt);
    let mut lines =
        vec![(Account::Suspense, money.amount.amount), (Account::Revenue, -used.price.amount)];
    if let Some((over, customer)) = used.over.zip(used.customer) {
        lines.push((Account::Wallet(customer), -over.amount));
    }
    post(tx, app, (money.tenant, &what), money.amount, &lines, now).await?;
    let detail = format!("{}, {what}", money.amount);
    let entry = Entry { grant: Some(used.grant), ..Entry::of(money.tenant, "paid", detail) };
    asked::account(tx, app, actor, entry, now).await?;
    let fate = Fate::Used;
    let (customer, grant) = (used.customer, Some(used.grant));
    money_in::save(tx, &MoneyIn { fate, customer, grant, ..money }).await
}

/// The money is here; what for is the next entry.
pub(crate) async fn came(
    tx: &mut Tx<'_>,
    app: &App,
    money: &MoneyIn,
    now: Timestamp,
) -> Result<(), Error> {
    let what = format!("{} {}", money.provider, money.receipt);
    let amount = money.amount.amount;
    let lines = [(Account::Clearing(money.gateway), amount), (Account::Suspense, -amount)];
    post(tx, app, (money.tenant, &what), money.amount, &lines, now).await.map(drop)
}

/// One entry of the ledger. False if a wallet holds too little.
pub(crate) async fn post(
    tx: &mut Tx<'_>,
    app: &App,
    (tenant, what): (TenantId, &str),
    of: Money,
    lines: &[(Account, i64)],
    now: Timestamp,
) -> Result<bool, Error> {
    for (account, amount) in lines {
        if let (Account::Wallet(customer), ..0) = (account, amount) {
            // Something of his may wait for money to renew itself.
            lango_store::renewals::look_again_of(tx, tenant, *customer, now).await?;
        }
    }
    let ids: Vec<PostingId> = lines.iter().map(|_| app.id(now)).collect();
    let Some(entry) = ids.first().copied() else { return Ok(true) };
    let lines: Vec<Posting> = ids
        .into_iter()
        .zip(lines)
        .map(|(id, (account, amount))| Posting {
            id,
            entry,
            tenant,
            account: *account,
            amount: Money::new(*amount, of.currency),
            at: now,
            what: what.to_owned(),
        })
        .collect();
    ledger::post(tx, &lines).await
}

async fn set_aside(
    tx: &mut Tx<'_>,
    app: &App,
    money: MoneyIn,
    why: Misfit,
    now: Timestamp,
) -> Result<Came, Error> {
    let detail = format!("{}, {} {}: {}", money.amount, money.provider, money.receipt, why.word());
    let entry = Entry::of(money.tenant, "money waits", detail);
    asked::account(tx, app, &Actor::Payment, entry, now).await?;
    money_in::save(tx, &MoneyIn { fate: Fate::Waiting(why), ..money }).await?;
    Ok(Came::Waits(why))
}

async fn credit_payer(
    tx: &mut Tx<'_>,
    app: &App,
    payment: &Payment,
    money: MoneyIn,
    now: Timestamp,
) -> Result<Came, Error> {
    let customer = customer_of(tx, app, payment, now).await?.id;
    credit(tx, app, money, customer, &Actor::Payment, now).await
}

/// Puts money into a customer's wallet.
pub(crate) async fn credit(
    tx: &mut Tx<'_>,
    app: &App,
    money: MoneyIn,
    customer: CustomerId,
    actor: &Actor,
    now: Timestamp,
) -> Result<Came, Error> {
    let what = format!("{} {}", money.provider, money.receipt);
    let amount = money.amount.amount;
    let lines = [(Account::Suspense, amount), (Account::Wallet(customer), -amount)];
    post(tx, app, (money.tenant, &what), money.amount, &lines, now).await?;
    let detail = format!("{}, {what}, to {customer}", money.amount);
    asked::account(tx, app, actor, Entry::of(money.tenant, "credited", detail), now).await?;
    money_in::save(tx, &MoneyIn { fate: Fate::Credited, customer: Some(customer), ..money })
        .await?;
    Ok(Came::Credited(customer))
}

/// The code for what was bought goes to the phone that paid: the page may be gone, the device too.
async fn tell(
    tx: &mut Tx<'_>,
    app: &App,
    payment: &Payment,
    grant: GrantId,
    receipt: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let (amount, receipt) = (payment.amount, receipt.to_owned());
    let text = match payment.renews {
        None => Notice::Credentials { amount: Some(amount), receipt: Some(receipt) },
        Some(_) => Notice::Receipt { amount, receipt },
    };
    let order = MessageOrder {
        tenant: payment.tenant,
        recipient: payment.phone.clone(),
        language: Some(payment.language),
        grant: Some(grant),
        once_key: format!("paid {}", payment.id),
        text,
    };
    messaging::queue(tx, app, order, now).await.map(drop)
}

/// The device that waits at the portal is logged in as soon as the router knows the access.
async fn admit(
    tx: &mut Tx<'_>,
    app: &App,
    payment: &Payment,
    grant: GrantId,
    now: Timestamp,
) -> Result<(), Error> {
    let (Some(router), Some(mac)) = (payment.router, payment.mac) else { return Ok(()) };
    let address = payment.address.as_deref().and_then(|address| address.parse().ok());
    let wish = Admission { tenant: payment.tenant, router, grant, mac, address };
    // What it cannot be it is not: the code is in the message.
    admit_device::want(tx, app, &wish, false, now).await.map(drop)
}

/// Money that came by itself: paid by hand, or found in a provider's list.
///
/// # Errors
/// A fault of the store; nothing of it is written then, and the same call may be repeated.
pub async fn take_money(
    app: &App,
    gateway: &Gateway,
    came_in: payments::MoneyIn,
    now: Timestamp,
) -> Result<Came, Error> {
    let (desk, gateway) = (app.clone(), gateway.clone());
    app.store()
        .write(async move |tx: &mut Tx<'_>| take(tx, &desk, &gateway, &came_in, now).await)
        .await
}

async fn take(
    tx: &mut Tx<'_>,
    app: &App,
    gateway: &Gateway,
    came_in: &payments::MoneyIn,
    now: Timestamp,
) -> Result<Came, Error> {
    let (tenant, provider) = (gateway.tenant, &gateway.provider);
    if money_in::by_receipt(tx, tenant, provider, &came_in.receipt).await?.is_some() {
        return Ok(Came::Known);
    }
    if is_known_by_hand(tx, tenant, came_in).await? {
        return Ok(Came::Known);
    }
    let account = normal(&came_in.account);
    // What we asked for is told at some providers as if it were paid by hand, too.
    if let Some(payment) = lango_store::payments::by_reference(tx, gateway.id, &account).await? {
        let proof = Proof {
            receipt: came_in.receipt.clone(),
            amount: Some(came_in.amount),
            payer: came_in.payer.clone(),
            paid_at: came_in.paid_at,
        };
        return confirm(tx, app, payment, &proof, now).await;
    }
    let money = MoneyIn {
        id: app.id(now),
        tenant,
        gateway: Some(gateway.id),
        provider: provider.clone(),
        receipt: came_in.receipt.clone(),
        amount: came_in.amount,
        account: came_in.account.clone(),
        payer: came_in.payer.clone(),
        payer_name: came_in.name.clone(),
        paid_at: came_in.paid_at.unwrap_or(now),
        heard_at: now,
        fate: Fate::Waiting(Misfit::UnknownAccount),
        payment: None,
        customer: None,
        grant: None,
        version: 1,
    };
    if !money_in::keep(tx, &money).await? {
        return Err(Error::changed_meanwhile("keeping money that came"));
    }
    came(tx, app, &money, now).await?;
    match account_holder(tx, tenant, &came_in.account).await? {
        Some((grant, customer)) => for_account(tx, app, money, (grant, customer), now).await,
        None => set_aside(tx, app, money, Misfit::UnknownAccount, now).await,
    }
}

/// Whether somebody of the staff read that receipt from a phone and was faster.
async fn is_known_by_hand(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    came_in: &payments::MoneyIn,
) -> Result<bool, Error> {
    let known = money_in::by_any_receipt(tx, tenant, &came_in.receipt).await?;
    Ok(known.is_some_and(|money| {
        let by_hand = money.gateway.is_none() && is_read_from_a_phone(&money.provider);
        by_hand && money.amount == came_in.amount
    }))
}

/// Whether money to an account would find its way.
///
/// # Errors
/// A fault of the store.
pub async fn is_known_account(app: &App, gateway: &Gateway, typed: &str) -> Result<bool, Error> {
    let (tenant, id, typed) = (gateway.tenant, gateway.id, typed.to_owned());
    app.store()
        .read(async move |tx: &mut Tx<'_>| {
            let asked = lango_store::payments::by_reference(tx, id, &normal(&typed)).await?;
            Ok(asked.is_some() || account_holder(tx, tenant, &typed).await?.is_some())
        })
        .await
}

/// As people type an account: spaces and dashes anywhere, any case.
fn normal(typed: &str) -> String {
    typed
        .chars()
        .filter(|sign| !matches!(sign, ' ' | '-' | '.' | '#'))
        .collect::<String>()
        .to_ascii_uppercase()
}

/// Whose service an account number names: the name of a service that somebody has.
async fn account_holder(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    typed: &str,
) -> Result<Option<(GrantId, CustomerId)>, Error> {
    let typed = typed.trim();
    for label in [typed.to_owned(), typed.to_lowercase(), typed.to_uppercase()] {
        let found = lango_store::grants::by_label(tx, tenant, &label).await?;
        if let [stored] = found.as_slice()
            && let Some(customer) = stored.grant.customer
        {
            return Ok(Some((stored.grant.id, customer)));
        }
    }
    Ok(None)
}

/// Money for a service that is known: it renews what the price allows, the rest is the customer's.
async fn for_account(
    tx: &mut Tx<'_>,
    app: &App,
    money: MoneyIn,
    (grant, customer): (GrantId, CustomerId),
    now: Timestamp,
) -> Result<Came, Error> {
    if bought_before(tx, &money).await? {
        return set_aside(tx, app, money, Misfit::NotForSale, now).await;
    }
    let stored = lango_store::grants::one(tx, grant).await?;
    match give_to_grant(tx, app, money.clone(), stored, &Actor::Payment, now).await? {
        Ok(Given::Renewed(_)) => Ok(Came::Bought(grant)),
        // Too little is kept for him: what is missing may follow.
        Ok(Given::Credited { customer, .. }) => Ok(Came::Credited(customer)),
        Err(NotGiven::Unfit(why)) => set_aside(tx, app, money, why, now).await,
        Err(NotGiven::Refused(_)) => credit(tx, app, money, customer, &Actor::Payment, now).await,
    }
}
