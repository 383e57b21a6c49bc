//! A key for the API is made, or taken away.

use crate::app::App;
use crate::operations::asked::{self, By, Entry, KeyReused, Lost};
use crate::operations::found_tenant::new_token;
use lango_domain::ids::{TenantId, TokenId};
use lango_domain::role::Role;
use lango_domain::time::Timestamp;
use lango_store::tenants::Token;
use lango_store::{Error, Tx};

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose it is; none is above all businesses, for the platform role alone.
    pub tenant: Option<TenantId>,
    /// What staff call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// From when on it opens nothing; none is never.
    pub expires_at: Option<Timestamp>,
}

/// A token that was made.
#[derive(Clone, Debug)]
pub struct MadeToken {
    /// Its identity.
    pub id: TokenId,
    /// Its clear text, kept nowhere; none if the request was done before, and it was shown then.
    pub clear: Option<String>,
}

/// Why a token could not be made or taken away.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It must be called something.
    #[error("the token needs a name, to know later what it is for")]
    NoName,
    /// The platform stands above businesses, the other roles within one.
    #[error("the role platform is above all businesses, every other role belongs to one")]
    WrongRole,
    /// It would open nothing.
    #[error("the token would have expired already")]
    Expired,
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// No such token.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The database.
    #[error("making or removing a token")]
    Store(#[from] Error),
}

/// Makes a token. Its clear text is returned and kept nowhere.
///
/// # Errors
/// See [`TokenError`].
pub async fn add_token(
    app: &App,
    new: NewToken,
    by: &By,
    now: Timestamp,
) -> Result<MadeToken, TokenError> {
    check(&new, now)?;
    let clear = new_token();
    let token = Token {
        id: app.id(now),
        tenant: new.tenant,
        name: new.name.trim().to_owned(),
        hash: app.token_hash(&clear),
        role: new.role,
        expires_at: new.expires_at,
    };
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            match asked::made_before::<TokenId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => {
                    let first = made.first().copied();
                    return Ok(first
                        .map(|id| MadeToken { id, clear: None })
                        .ok_or(Lost::Missing("token").into()));
                }
                Ok(None) => {}
            }
            lango_store::tenants::insert_token(tx, &token, now).await?;
            asked::keep_made(tx, &by, &[token.id], now).await?;
            if let Some(tenant) = token.tenant {
                let detail = format!("{} as {}", token.name, token.role);
                let entry = Entry::of(tenant, "token added", detail);
                asked::account(tx, &desk, &by.actor, entry, now).await?;
            }
            Ok(Ok(MadeToken { id: token.id, clear: Some(clear.clone()) }))
        })
        .await?
}

fn check(new: &NewToken, now: Timestamp) -> Result<(), TokenError> {
    if new.name.trim().is_empty() {
        return Err(TokenError::NoName);
    }
    if (new.role == Role::Platform) != new.tenant.is_none() {
        return Err(TokenError::WrongRole);
    }
    match new.expires_at {
        Some(at) if at <= now => Err(TokenError::Expired),
        _ => Ok(()),
    }
}

/// Takes a token away: of a tenant, or one above all businesses. It opens nothing from now on.
///
/// # Errors
/// See [`TokenError`].
pub async fn remove_token(
    app: &App,
    tenant: Option<TenantId>,
    id: TokenId,
    by: &By,
    now: Timestamp,
) -> Result<(), TokenError> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let tokens = match tenant {
                Some(tenant) => lango_store::tenants::tokens(tx, tenant).await?,
                None => lango_store::tenants::platform_tokens(tx).await?,
            };
            let Some(token) = tokens.into_iter().find(|token| token.id == id) else {
                return Ok(Err(Lost::Missing("token").into()));
            };
            lango_store::tenants::remove_token(tx, id).await?;
            if let Some(tenant) = tenant {
                let entry = Entry::of(tenant, "token removed", token.name);
                asked::account(tx, &desk, &by.actor, entry, now).await?;
            }
            Ok(Ok(()))
        })
        .await?
}
