//! Tokens: keys for the API, of one business or above all of them.

use crate::operations::add_token::{NewToken, TokenError, add_token, remove_token};
use crate::web::api::caller::{Above, Ground};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Nothing, Reply, Shown, Sign};
use crate::web::api::list::Page;
use crate::web::api::problem::Problem;
use crate::web::api::words::Line;
use lango_domain::ids::{TenantId, TokenId};
use lango_domain::role::{Permission, Role};
use lango_domain::time::Timestamp;
use lango_store::Tx;
use lango_store::tenants::{self, TokenLine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A key for the API.
#[derive(Serialize, JsonSchema, Debug)]
struct Token {
    id: TokenId,
    name: String,
    role: Role,
    created_at: Timestamp,
    /// From when on it opens nothing; null is never
    expires_at: Option<Timestamp>,
}

impl Shown for Token {}

impl From<TokenLine> for Token {
    fn from(line: TokenLine) -> Token {
        let TokenLine { id, name, role, created_at, expires_at, .. } = line;
        Token { id, name, role, created_at, expires_at }
    }
}

/// A key to be made.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewToken")]
struct NewTokenBody {
    /// What it is for
    name: Line<100>,
    role: Role,
    expires_at: Option<Timestamp>,
}

/// A key above all businesses, to be made.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewPlatformToken")]
struct NewPlatformTokenBody {
    /// What it is for
    name: Line<100>,
    expires_at: Option<Timestamp>,
}

/// A key that was made.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "MadeToken")]
struct Made {
    id: TokenId,
    /// The key itself: only this answer has it. Null if the request was repeated
    token: Option<String>,
}

impl Shown for Made {}

/// Who asks, as Lango sees him.
#[derive(Serialize, JsonSchema, Debug)]
struct Who {
    token: TokenId,
    name: String,
    role: Role,
    tenant: Option<TenantId>,
    expires_at: Option<Timestamp>,
    /// Requests that are left in this moment
    requests_left: u32,
}

impl Shown for Who {}

const TAG: &str = "tokens";

pub(crate) fn open(doors: &mut Doors) {
    let who = Sign::get("/api/v1/whoami", "whoami").about(TAG, "Whose token this is");
    doors.open(who, async |ask: Ask<(), NoQuery, Nothing, Above>| {
        let TokenLine { id, name, role, tenant, expires_at, .. } = ask.caller.token().clone();
        let requests_left = ask.caller.left;
        Ok(Reply::ok(Who { token: id, name, role, tenant, expires_at, requests_left }))
    });
    let list = Sign::list("/api/v1/tokens", "list_tokens")
        .about(TAG, "The keys of the business")
        .needs(Permission::Own);
    doors.open_list(list, async |ask: Ask| {
        let tenant = ask.tenant();
        let all = async move |tx: &mut Tx<'_>| tenants::tokens(tx, tenant).await;
        let items = ask.here.app.store().read(all).await?.into_iter().map(Token::from).collect();
        Ok(Reply::ok(Page { items, next: None }))
    });
    let add = Sign::make("/api/v1/tokens", "add_token")
        .about(TAG, "Make a key; only this answer has it")
        .needs(Permission::Own);
    doors.open(add, async |ask: Ask<(), NoQuery, Json<NewTokenBody>>| {
        let NewTokenBody { name, role, expires_at } = &ask.body.0;
        let (name, role, expires_at) = (name.0.clone(), *role, *expires_at);
        make(&ask, NewToken { tenant: Some(ask.tenant()), name, role, expires_at }).await
    });
    let remove = Sign::remove("/api/v1/tokens/{token}", "remove_token")
        .unversioned()
        .about(TAG, "Take a key away; it opens nothing from now on")
        .needs(Permission::Own);
    doors.open(remove, async |ask: Ask<TokenId>| {
        remove_token(&ask.here.app, Some(ask.tenant()), ask.path, ask.by(), ask.now()).await?;
        Ok(Reply::nothing())
    });
    open_platform(doors);
}

fn open_platform(doors: &mut Doors) {
    let list = Sign::get("/api/v1/platform/tokens", "list_platform_tokens")
        .about("platform", "The keys above all businesses")
        .needs(Permission::Platform);
    doors.open(list, async |ask: Ask<(), NoQuery, Nothing, Above>| {
        let all = async |tx: &mut Tx<'_>| tenants::platform_tokens(tx).await;
        let items = ask.here.app.store().read(all).await?.into_iter().map(Token::from).collect();
        Ok(Reply::ok(Page { items, next: None }))
    });
    let add = Sign::make("/api/v1/platform/tokens", "add_platform_token")
        .about("platform", "Make a key above all businesses; only this answer has it")
        .needs(Permission::Platform);
    doors.open(add, async |ask: Ask<(), NoQuery, Json<NewPlatformTokenBody>, Above>| {
        let NewPlatformTokenBody { name, expires_at } = &ask.body.0;
        let (name, expires_at) = (name.0.clone(), *expires_at);
        make(&ask, NewToken { tenant: None, name, role: Role::Platform, expires_at }).await
    });
    let remove = Sign::remove("/api/v1/platform/tokens/{token}", "remove_platform_token")
        .unversioned()
        .about("platform", "Take a key above all businesses away")
        .needs(Permission::Platform);
    doors.open(remove, async |ask: Ask<TokenId, NoQuery, Nothing, Above>| {
        remove_token(&ask.here.app, None, ask.path, ask.by(), ask.now()).await?;
        Ok(Reply::nothing())
    });
}

async fn make<B, G: Ground>(
    ask: &Ask<(), NoQuery, B, G>,
    new: NewToken,
) -> Result<Reply<Made>, Problem> {
    let made = add_token(&ask.here.app, new, ask.by(), ask.now()).await?;
    Ok(Reply::ok(Made { id: made.id, token: made.clear }))
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Problem {
        match error {
            TokenError::NoName => Problem::invalid(error.to_string()).at("/name"),
            TokenError::WrongRole => Problem::invalid(error.to_string()).at("/role"),
            TokenError::Expired => Problem::invalid(error.to_string()).at("/expires_at"),
            TokenError::Reused(reused) => reused.into(),
            TokenError::Lost(lost) => lost.into(),
            TokenError::Store(error) => error.into(),
        }
    }
}
