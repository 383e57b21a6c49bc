//! A key for the API is made.

use crate::app::App;
use crate::operations::found_tenant::new_token;
use lango_domain::ids::{TenantId, TokenId};
use lango_domain::time::Timestamp;
use lango_store::tenants::Token;
use lango_store::{Error, Tx};

/// Makes a token. Its clear text is returned and kept nowhere.
///
/// # Errors
/// A fault of the store.
pub async fn add_token(
    app: &App,
    tenant: TenantId,
    name: &str,
    now: Timestamp,
) -> Result<(TokenId, String), Error> {
    let clear = new_token();
    let token = Token {
        id: app.id(now),
        tenant,
        name: name.to_owned(),
        hash: app.token_hash(&clear),
        role: "owner".to_owned(),
    };
    let id = token.id;
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            lango_store::tenants::insert_token(tx, &token, now).await
        })
        .await?;
    Ok((id, clear))
}
