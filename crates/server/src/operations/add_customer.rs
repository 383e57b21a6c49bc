//! A customer becomes known.

use crate::app::App;
use crate::operations::asked::{self, By, Entry, KeyReused, Lost};
use lango_domain::ids::{CustomerId, TenantId};
use lango_domain::language::Language;
use lango_domain::phone_number::{NotAPhoneNumber, PhoneNumber};
use lango_domain::time::Timestamp;
use lango_store::customers::Customer;
use lango_store::{Error, Tx};

/// A customer to be added.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    /// Whose.
    pub tenant: TenantId,
    /// What he is called.
    pub name: String,
    /// His number, as typed.
    pub phone: Option<String>,
    /// His language, if not the tenant's.
    pub language: Option<Language>,
}

/// Why a customer could not be added.
#[derive(Debug, thiserror::Error)]
pub enum AddCustomerError {
    /// His number cannot be read.
    #[error(transparent)]
    Phone(#[from] NotAPhoneNumber),
    /// Somebody has that number.
    #[error("{0} belongs to another customer: look him up with `lango customer show {0}`")]
    Known(PhoneNumber),
    /// He must be called something.
    #[error("the customer needs a name")]
    NoName,
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// What an earlier request with this key made is gone.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The database.
    #[error("adding a customer")]
    Store(#[from] Error),
}

/// Adds a customer.
///
/// # Errors
/// See [`AddCustomerError`].
pub async fn add_customer(
    app: &App,
    new: NewCustomer,
    by: &By,
    now: Timestamp,
) -> Result<Customer, AddCustomerError> {
    if new.name.trim().is_empty() {
        return Err(AddCustomerError::NoName);
    }
    match try_to_add(app, &new, by, now).await {
        // Two at the same moment: the second look finds the first.
        Err(AddCustomerError::Store(Error::Conflict { .. })) => {
            try_to_add(app, &new, by, now).await
        }
        outcome => outcome,
    }
}

async fn try_to_add(
    app: &App,
    new: &NewCustomer,
    by: &By,
    now: Timestamp,
) -> Result<Customer, AddCustomerError> {
    let (desk, new, by) = (app.clone(), new.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            match asked::made_before::<CustomerId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => return read_back(tx, &made).await,
                Ok(None) => {}
            }
            let customer = match add(tx, &desk, &new, now).await? {
                Ok(customer) => customer,
                Err(refusal) => return Ok(Err(refusal)),
            };
            asked::keep_made(tx, &by, &[customer.id], now).await?;
            let entry = Entry::of(new.tenant, "customer added", customer.id.to_string());
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(customer))
        })
        .await?
}

/// Adds a customer in the caller's transaction.
///
/// # Errors
/// The outer error is a fault; the inner one says why he was not added.
pub(crate) async fn add(
    tx: &mut Tx<'_>,
    app: &App,
    new: &NewCustomer,
    now: Timestamp,
) -> Result<Result<Customer, AddCustomerError>, Error> {
    let home = lango_store::tenants::one(tx, new.tenant).await?.country;
    let read = new.phone.as_deref().map(|typed| PhoneNumber::parse(typed, home)).transpose();
    let phone = match read {
        Ok(phone) => phone,
        Err(error) => return Ok(Err(error.into())),
    };
    if let Some(phone) = &phone
        && lango_store::customers::by_phone(tx, new.tenant, phone).await?.is_some()
    {
        return Ok(Err(AddCustomerError::Known(phone.clone())));
    }
    let customer = Customer {
        id: app.id(now),
        tenant: new.tenant,
        name: new.name.trim().to_owned(),
        phone,
        language: new.language,
        created_at: now,
        version: 1,
    };
    lango_store::customers::insert(tx, &customer).await?;
    Ok(Ok(customer))
}

async fn read_back(
    tx: &mut Tx<'_>,
    made: &[CustomerId],
) -> Result<Result<Customer, AddCustomerError>, Error> {
    let found = match made.first() {
        Some(id) => lango_store::customers::find(tx, *id).await?,
        None => None,
    };
    Ok(found.ok_or(Lost::Missing("customer").into()))
}
