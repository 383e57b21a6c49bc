//! Money arrived: one receipt makes one grant or one renewal, whatever repeats.

use crate::app::App;
use crate::operations::asked::{self, By, Entry};
use crate::operations::change_grant::{self, Change};
use lango_domain::grant::{Event, Refusal};
use lango_domain::ids::{GrantId, Id, JobId, TenantId};
use lango_domain::money::Money;
use lango_domain::time::Timestamp;
use lango_store::grants::StoredGrant;
use lango_store::receipts::Receipt;
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
    /// It renewed or started the grant.
    Now(Box<StoredGrant>),
    /// The receipt was used before, for that grant; nothing changed.
    Already(GrantId),
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
        .attempt(async move |tx: &mut Tx<'_>| {
            let receipt = receipt(&desk, &payment, now);
            if !lango_store::receipts::keep(tx, &receipt).await? {
                let Receipt { tenant, provider, receipt, .. } = &receipt;
                let known = lango_store::receipts::find(tx, *tenant, provider, receipt).await?;
                return Ok(Ok(Accepted::Already(known.map_or(payment.grant, |known| known.grant))));
            }
            let stored = lango_store::grants::one(tx, payment.grant).await?;
            let terms = lango_store::plans::one(tx, stored.grant.plan).await?.plan.terms;
            let change = match Change::of(stored, Event::Paid(terms), now) {
                Ok(change) => change,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let after = change.after.clone();
            let Payment { provider, receipt, amount, .. } = &payment;
            let detail = format!("{amount}, {provider} {receipt}");
            let entry =
                Entry { grant: Some(payment.grant), ..Entry::of(payment.tenant, "paid", detail) };
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            change_grant::write(tx, &desk, vec![change], &by.actor, now).await?;
            Ok(Ok(Accepted::Now(Box::new(after))))
        })
        .await?;
    Ok(outcome.unwrap_or_else(Accepted::Refused))
}

fn receipt(app: &App, payment: &Payment, now: Timestamp) -> Receipt {
    Receipt {
        id: app.id::<JobId>(now).raw(),
        tenant: payment.tenant,
        provider: payment.provider.clone(),
        receipt: payment.receipt.clone(),
        grant: payment.grant,
        amount: payment.amount,
        paid_at: now,
    }
}
