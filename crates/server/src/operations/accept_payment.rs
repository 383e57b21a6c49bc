//! Somebody of the staff took money: cash, a transfer, a receipt on a phone. One receipt makes one
//! grant or one renewal, whatever repeats, and stands in the same books as money of a provider.

use crate::app::App;
use crate::operations::asked::By;
use crate::operations::confirm_payment::came;
use crate::operations::work_off_money::{Given, NotGiven, give_to_grant, goes_back};
use lango_domain::grant::Refusal;
use lango_domain::ids::{CustomerId, GrantId, TenantId};
use lango_domain::money::Money;
use lango_domain::payment::Misfit;
use lango_domain::time::Timestamp;
use lango_store::grants::StoredGrant;
use lango_store::money_in::{self, Fate, MoneyIn};
use lango_store::{Error, Tx};

/// A payment for an existing grant.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Who was paid.
    pub tenant: TenantId,
    /// For what.
    pub grant: GrantId,
    /// Who says so: `cash`, `mpesa`, …
    pub provider: String,
    /// The provider's own reference.
    pub receipt: String,
    /// How much.
    pub amount: Money,
}

/// What became of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It renewed or started the grant. What it was more is in the customer's wallet.
    Now(Box<StoredGrant>),
    /// It was less than the price: it is in the customer's wallet.
    Credited {
        /// Whose.
        customer: CustomerId,
        /// What he has with us now.
        balance: Money,
    },
    /// The receipt was used before, for that grant; nothing changed.
    Already(GrantId),
    /// The receipt was used before, for no grant; nothing changed.
    Elsewhere(Fate),
    /// Its provider was told to give it back, and has not said what became of that.
    GoesBack,
    /// It fits nothing, and nobody is known whose it could be; the receipt was not used up.
    Unfit(Misfit),
    /// The grant takes no money; the receipt was not used up.
    Refused(Refusal),
}

/// Accepts a payment.
///
/// # Errors
/// A fault of the store; nothing is written then, and the same call may be repeated.
pub async fn accept_payment(
    app: &App,
    payment: Payment,
    by: &By,
    now: Timestamp,
) -> Result<Accepted, Error> {
    let (desk, by) = (app.clone(), by.clone());
    let outcome = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| accept(tx, &desk, &payment, &by, now).await)
        .await?;
    Ok(outcome.unwrap_or_else(|not_accepted| not_accepted))
}

/// The inner error is what wrote nothing.
async fn accept(
    tx: &mut Tx<'_>,
    app: &App,
    payment: &Payment,
    by: &By,
    now: Timestamp,
) -> Result<Result<Accepted, Accepted>, Error> {
    let stored = lango_store::grants::one(tx, payment.grant).await?;
    let money = match known(tx, payment).await? {
        // A provider told of it, and nobody knew what for.
        Some(known) if goes_back(tx, &known).await? => return Ok(Err(Accepted::GoesBack)),
        Some(known) if matches!(known.fate, Fate::Waiting(_)) => known,
        Some(known) => return Ok(Err(told_before(&known, &stored))),
        None => {
            let money = taken(app, payment, now);
            if !money_in::keep(tx, &money).await? {
                return Err(Error::changed_meanwhile("keeping a receipt"));
            }
            came(tx, app, &money, now).await?;
            money
        }
    };
    Ok(match give_to_grant(tx, app, money, stored, &by.actor, now).await? {
        Ok(Given::Renewed(after)) => Ok(Accepted::Now(after)),
        Ok(Given::Credited { customer, balance }) => Ok(Accepted::Credited { customer, balance }),
        Err(NotGiven::Unfit(why)) => Err(Accepted::Unfit(why)),
        Err(NotGiven::Refused(refusal)) => Err(Accepted::Refused(refusal)),
    })
}

/// Money with that receipt. One that staff read from a phone may be known by its provider already,
/// who has another name for himself.
async fn known(tx: &mut Tx<'_>, payment: &Payment) -> Result<Option<MoneyIn>, Error> {
    let Payment { tenant, provider, receipt, .. } = payment;
    if let Some(known) = money_in::by_receipt(tx, *tenant, provider, receipt).await? {
        return Ok(Some(known));
    }
    if !is_read_from_a_phone(provider) {
        return Ok(None);
    }
    let known = money_in::by_any_receipt(tx, *tenant, receipt).await?;
    Ok(known.filter(|money| money.gateway.is_some() && money.amount == payment.amount))
}

/// Whether a receipt is one that a payment provider may tell of, too. Who writes receipts himself
/// uses numbers that mean nothing elsewhere.
pub(crate) fn is_read_from_a_phone(provider: &str) -> bool {
    !matches!(provider, "cash" | "bank" | "card" | "cheque")
}

fn told_before(known: &MoneyIn, stored: &StoredGrant) -> Accepted {
    match known.grant {
        _ if known.fate == Fate::GivenBack => Accepted::Elsewhere(known.fate),
        Some(grant) => Accepted::Already(grant),
        None if known.fate == Fate::Credited && known.customer == stored.grant.customer => {
            Accepted::Already(stored.grant.id)
        }
        None => Accepted::Elsewhere(known.fate),
    }
}

fn taken(app: &App, payment: &Payment, now: Timestamp) -> MoneyIn {
    MoneyIn {
        id: app.id(now),
        tenant: payment.tenant,
        gateway: None,
        provider: payment.provider.clone(),
        receipt: payment.receipt.clone(),
        amount: payment.amount,
        account: String::new(),
        payer: None,
        payer_name: None,
        paid_at: now,
        heard_at: now,
        fate: Fate::Waiting(Misfit::UnknownAccount),
        payment: None,
        customer: None,
        grant: None,
        version: 1,
    }
}
