//! A business changes what it is called, its clock, its language or how long it remembers devices.

use crate::app::App;
use crate::operations::asked::{self, By, Entry, Lost};
use lango_domain::calendar::Zone;
use lango_domain::ids::TenantId;
use lango_domain::language::Language;
use lango_domain::phone_number::{NotAPhoneNumber, PhoneNumber};
use lango_domain::time::{Span, Timestamp};
use lango_store::tenants::Tenant;
use lango_store::{Error, Tx};

/// What is to be different; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct TenantChange {
    /// The name on the customer's messages.
    pub name: Option<String>,
    /// The zone of its clocks. Plans that were made keep theirs.
    pub zone: Option<Zone>,
    /// The language of its customers.
    pub language: Option<Language>,
    /// After how long unused a device is forgotten.
    pub device_retention: Option<Span>,
    /// Whom its customers call, as typed; an inner none takes it away.
    pub help_phone: Option<Option<String>>,
}

/// Why a business could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeTenantError {
    /// No such business, or not as it was read.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// It must be called something.
    #[error("the business needs a name: it stands on every message")]
    NoName,
    /// The number cannot be read.
    #[error(transparent)]
    Phone(#[from] NotAPhoneNumber),
    /// The database.
    #[error("changing a business")]
    Store(#[from] Error),
}

/// Changes a business.
///
/// # Errors
/// See [`ChangeTenantError`].
pub async fn change_tenant(
    app: &App,
    id: TenantId,
    change: TenantChange,
    expected: Option<i64>,
    by: &By,
    now: Timestamp,
) -> Result<Tenant, ChangeTenantError> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(before) = lango_store::tenants::find(tx, id).await? else {
                return Ok(Err(Lost::Missing("business").into()));
            };
            if !asked::is_expected(before.version, expected) {
                return Ok(Err(Lost::Stale("business").into()));
            }
            let change = change.clone();
            let name = change.name.map_or(before.name, |name| name.trim().to_owned());
            if name.is_empty() {
                return Ok(Err(ChangeTenantError::NoName));
            }
            let help_phone = match change.help_phone {
                None => before.help_phone,
                Some(None) => None,
                Some(Some(typed)) => match PhoneNumber::parse(&typed, before.country) {
                    Ok(phone) => Some(phone),
                    Err(refusal) => return Ok(Err(refusal.into())),
                },
            };
            let after = Tenant {
                name,
                zone: change.zone.unwrap_or(before.zone),
                language: change.language.unwrap_or(before.language),
                device_retention: change.device_retention.unwrap_or(before.device_retention),
                help_phone,
                ..before
            };
            lango_store::tenants::change(tx, &after).await?;
            let entry = Entry::of(id, "business changed", after.name.clone());
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(Tenant { version: after.version + 1, ..after }))
        })
        .await?
}
