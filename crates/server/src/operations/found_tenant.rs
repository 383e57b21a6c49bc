//! A business begins: its tenant, its owner, its first API token.

use crate::app::App;
use crate::operations::asked::{self, By, Entry, KeyReused};
use argon2::{Argon2, PasswordHasher};
use lango_domain::calendar::Zone;
use lango_domain::ids::TenantId;
use lango_domain::language::Language;
use lango_domain::phone_number::Country;
use lango_domain::role::Role;
use lango_domain::time::{Span, Timestamp};
use lango_store::tenants::{Owner, Tenant, Token};
use lango_store::{Error, Tx};
use ring::rand::{SecureRandom, SystemRandom};

/// A business to be founded.
#[derive(Clone)]
pub struct Founding {
    /// Its name, as customers read it.
    pub business: String,
    /// Its owner's e-mail address.
    pub email: String,
    /// Its owner's password.
    pub password: String,
    /// Where it is.
    pub country: Country,
    /// The zone of its clocks; the country's if none.
    pub zone: Option<Zone>,
    /// The language of its customers.
    pub language: Language,
}

/// What a founder takes away.
#[derive(Debug, serde::Serialize)]
pub struct Founded {
    /// The tenant.
    pub tenant: TenantId,
    /// A token for the API, in clear once; none if the request was done before.
    pub token: Option<String>,
}

/// Why a business could not be founded.
#[derive(Debug, thiserror::Error)]
pub enum FoundingError {
    /// Too short.
    #[error("the password is too short: use at least 8 characters")]
    ShortPassword,
    /// Not an address.
    #[error("`{0}` is not an e-mail address")]
    BadEmail(String),
    /// No name.
    #[error("the business needs a name: it stands on every message")]
    NoName,
    /// Hashing failed.
    #[error("hashing the password: {0}")]
    Hash(String),
    /// The zone database lacks the country's zone.
    #[error(transparent)]
    Zone(#[from] lango_domain::calendar::NotAZone),
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// The database.
    #[error("founding the business")]
    Store(#[from] Error),
}

/// Founds a business.
///
/// # Errors
/// See [`FoundingError`]; nothing is written then.
pub async fn found_tenant(
    app: &App,
    founding: Founding,
    by: &By,
    now: Timestamp,
) -> Result<Founded, FoundingError> {
    check(&founding)?;
    let tenant = tenant(app, &founding, now)?;
    let owner = Owner {
        id: app.id(now),
        tenant: tenant.id,
        email: founding.email.trim().to_lowercase(),
        password_hash: hash(&founding.password)?,
    };
    let clear = new_token();
    let token = Token {
        id: app.id(now),
        tenant: Some(tenant.id),
        name: "first token".to_owned(),
        hash: app.token_hash(&clear),
        role: Role::Owner,
        expires_at: None,
    };
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            match asked::made_before::<TenantId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) if !made.is_empty() => {
                    return Ok(Ok(Founded { tenant: made[0], token: None }));
                }
                Ok(_) => {}
            }
            lango_store::tenants::insert(tx, &tenant).await?;
            lango_store::tenants::insert_owner(tx, &owner, now).await?;
            lango_store::tenants::insert_token(tx, &token, now).await?;
            asked::keep_made(tx, &by, &[tenant.id], now).await?;
            let entry = Entry::of(tenant.id, "business founded", tenant.name.clone());
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(Founded { tenant: tenant.id, token: Some(clear.clone()) }))
        })
        .await?
}

fn check(founding: &Founding) -> Result<(), FoundingError> {
    if founding.business.trim().is_empty() {
        return Err(FoundingError::NoName);
    }
    let (name, host) = founding.email.trim().split_once('@').unwrap_or_default();
    if name.is_empty() || !host.contains('.') {
        return Err(FoundingError::BadEmail(founding.email.clone()));
    }
    if founding.password.chars().count() < 8 {
        return Err(FoundingError::ShortPassword);
    }
    Ok(())
}

fn tenant(app: &App, founding: &Founding, now: Timestamp) -> Result<Tenant, FoundingError> {
    let zone = match &founding.zone {
        Some(zone) => zone.clone(),
        None => founding.country.zone().parse()?,
    };
    Ok(Tenant {
        id: app.id(now),
        name: founding.business.trim().to_owned(),
        country: founding.country,
        zone,
        language: founding.language,
        currency: founding.country.currency(),
        device_retention: Span::days(90),
        created_at: now,
        version: 1,
        help_phone: None,
    })
}

fn hash(password: &str) -> Result<String, FoundingError> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| FoundingError::Hash(error.to_string()))
}

/// 192 bits, in letters that survive a copy from a terminal.
pub(crate) fn new_token() -> String {
    let mut bytes = [0u8; 24];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has random numbers");
    bytes.iter().fold(String::from("lango_"), |token, byte| format!("{token}{byte:02x}"))
}
