//! A customer becomes known.

use crate::app::App;
use lango_domain::ids::TenantId;
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
    now: Timestamp,
) -> Result<Customer, AddCustomerError> {
    let tenant = new.tenant;
    let home = app
        .store()
        .read(async move |tx: &mut Tx<'_>| lango_store::tenants::one(tx, tenant).await)
        .await?
        .country;
    let phone = new.phone.as_deref().map(|typed| PhoneNumber::parse(typed, home)).transpose()?;
    let customer = Customer {
        id: app.id(now),
        tenant,
        name: new.name.trim().to_owned(),
        phone: phone.clone(),
        language: new.language,
        created_at: now,
    };
    let row = customer.clone();
    let added = app
        .store()
        .write(async move |tx: &mut Tx<'_>| lango_store::customers::insert(tx, &row).await)
        .await;
    match (added, phone) {
        (Err(Error::Conflict { .. }), Some(phone)) => Err(AddCustomerError::Known(phone)),
        (Err(error), _) => Err(error.into()),
        (Ok(()), _) => Ok(customer),
    }
}
