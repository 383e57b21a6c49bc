//! A customer's name, number or language changes; a customer who never bought anything goes.

use crate::app::App;
use crate::operations::asked::{self, By, Entry, Lost};
use lango_domain::ids::{CustomerId, TenantId};
use lango_domain::language::Language;
use lango_domain::phone_number::{NotAPhoneNumber, PhoneNumber};
use lango_domain::time::Timestamp;
use lango_store::customers::Customer;
use lango_store::{Error, Tx};

/// What is to be different; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct CustomerChange {
    /// What he is called.
    pub name: Option<String>,
    /// His number as typed; an inner none takes it away.
    pub phone: Option<Option<String>>,
    /// His language; an inner none is the tenant's.
    pub language: Option<Option<Language>>,
}

/// Why a customer could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeCustomerError {
    /// No such customer, or not as he was read.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// He must be called something.
    #[error("a customer needs a name")]
    NoName,
    /// His number cannot be read.
    #[error(transparent)]
    Phone(#[from] NotAPhoneNumber),
    /// Somebody has that number.
    #[error("{0} belongs to another customer")]
    Known(PhoneNumber),
    /// Something of his is in the books.
    #[error(
        "the customer has bought something, and the books must say who: take his name and \
             number away instead"
    )]
    InTheBooks,
    /// The database.
    #[error("changing a customer")]
    Store(#[from] Error),
}

/// Changes a customer.
///
/// # Errors
/// See [`ChangeCustomerError`].
pub async fn change_customer(
    app: &App,
    (tenant, id): (TenantId, CustomerId),
    change: CustomerChange,
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<Customer, ChangeCustomerError> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(before) = of_tenant(tx, tenant, id).await? else {
                return Ok(Err(Lost::Missing("customer").into()));
            };
            if !asked::is_expected(before.version, expected) {
                return Ok(Err(Lost::Stale("customer").into()));
            }
            let home = lango_store::tenants::one(tx, tenant).await?.country;
            let after = match changed(before, &change, home) {
                Ok(after) => after,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if let Some(phone) = &after.phone
                && let Some(other) = lango_store::customers::by_phone(tx, tenant, phone).await?
                && other.id != id
            {
                return Ok(Err(ChangeCustomerError::Known(phone.clone())));
            }
            lango_store::customers::change(tx, &after).await?;
            let entry = Entry::of(tenant, "customer changed", id.to_string());
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(Customer { version: after.version + 1, ..after }))
        })
        .await?
}

fn changed(
    before: Customer,
    change: &CustomerChange,
    home: lango_domain::phone_number::Country,
) -> Result<Customer, ChangeCustomerError> {
    let mut after = before;
    if let Some(name) = &change.name {
        name.trim().clone_into(&mut after.name);
    }
    if after.name.is_empty() {
        return Err(ChangeCustomerError::NoName);
    }
    if let Some(phone) = &change.phone {
        let read = phone.as_deref().map(|typed| PhoneNumber::parse(typed, home));
        after.phone = read.transpose()?;
    }
    if let Some(language) = change.language {
        after.language = language;
    }
    Ok(after)
}

/// Deletes a customer who never bought anything.
///
/// # Errors
/// See [`ChangeCustomerError`].
pub async fn remove_customer(
    app: &App,
    (tenant, id): (TenantId, CustomerId),
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<(), ChangeCustomerError> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(customer) = of_tenant(tx, tenant, id).await? else {
                return Ok(Err(Lost::Missing("customer").into()));
            };
            if !asked::is_expected(customer.version, expected) {
                return Ok(Err(Lost::Stale("customer").into()));
            }
            if !lango_store::grants::of_customer(tx, tenant, id).await?.is_empty() {
                return Ok(Err(ChangeCustomerError::InTheBooks));
            }
            lango_store::customers::remove(tx, id).await?;
            let entry = Entry::of(tenant, "customer removed", id.to_string());
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(()))
        })
        .await?
}

/// The customer, if he is this tenant's.
pub(crate) async fn of_tenant(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: CustomerId,
) -> Result<Option<Customer>, Error> {
    let found = lango_store::customers::find(tx, id).await?;
    Ok(found.filter(|customer| customer.tenant == tenant))
}
