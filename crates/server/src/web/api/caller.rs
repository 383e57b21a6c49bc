//! Who asks: a token, its role, the business it stands in. Every door is opened here and nowhere
//! else, so that none can be forgotten.

use crate::operations::asked::By;
use crate::web::Entrance;
use crate::web::api::problem::Problem;
use crate::web::api::rate::Taken;
use crate::web::listen::client_address::Origin;
use axum::http::HeaderMap;
use lango_domain::ids::TenantId;
use lango_domain::role::{Permission, Role};
use lango_store::Tx;
use lango_store::tenants::TokenLine;
use std::time::Instant;

/// The header by which a platform token says which business it means.
pub(crate) const TENANT_HEADER: &str = "x-lango-tenant";

/// Somebody with a good token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    token: TokenLine,
    tenant: Option<TenantId>,
    /// How many requests he may make before he has to wait.
    pub(crate) left: u32,
}

/// Where a request stands: in one business, or above all of them.
pub(crate) trait Ground: Sized + Send + 'static {
    /// Whether it is within one business.
    const IN_A_BUSINESS: bool;
    /// The ground on which the caller stands.
    fn of(caller: &Caller) -> Result<Self, Problem>;
}

impl Ground for TenantId {
    const IN_A_BUSINESS: bool = true;

    fn of(caller: &Caller) -> Result<TenantId, Problem> {
        caller.tenant.ok_or_else(|| {
            Problem::unreadable("a platform token must say which business: send X-Lango-Tenant")
                .at(TENANT_HEADER)
        })
    }
}

/// Above all businesses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Above;

impl Ground for Above {
    const IN_A_BUSINESS: bool = false;

    fn of(_: &Caller) -> Result<Above, Problem> {
        Ok(Above)
    }
}

impl Caller {
    /// Finds out who asks.
    ///
    /// # Errors
    /// No token, a wrong or expired one, too many of them, or too many requests.
    pub(crate) async fn of(
        entrance: &Entrance,
        headers: &HeaderMap,
        from: Origin,
    ) -> Result<Caller, Problem> {
        let shown = shown(headers)
            .ok_or_else(|| Problem::unauthorized("send Authorization: Bearer TOKEN"))?;
        let Some(token) = known(entrance, shown).await? else {
            // A good token from the same address is none of the guesser's business.
            return Err(match entrance.limits.wrong_tokens.take(from, Instant::now()) {
                Taken::Left(_) => {
                    Problem::unauthorized("this token opens nothing: it is wrong or was taken away")
                }
                Taken::Wait(seconds) => {
                    Problem::too_many(seconds, "too many wrong tokens from this address")
                }
            });
        };
        if token.expires_at.is_some_and(|at| at <= entrance.app.clock().now()) {
            return Err(Problem::unauthorized("this token has expired: ask for a new one"));
        }
        let left = match entrance.limits.requests.take(token.id, Instant::now()) {
            Taken::Left(left) => left,
            Taken::Wait(seconds) => {
                return Err(Problem::too_many(seconds, "this token asks too often: wait a little"));
            }
        };
        let tenant = match (token.tenant, named(headers)?) {
            (Some(tenant), Some(named)) if named != tenant => {
                return Err(Problem::forbidden("this token is of another business"));
            }
            (Some(tenant), _) => Some(tenant),
            (None, Some(named)) => Some(existing(entrance, named).await?),
            (None, None) => None,
        };
        Ok(Caller { token, tenant, left })
    }

    /// Refuses who has not that permission.
    ///
    /// # Errors
    /// [`Problem::forbidden`], naming both.
    pub(crate) fn needs(&self, permission: Permission) -> Result<(), Problem> {
        let role = self.token.role;
        if role.may(permission) {
            return Ok(());
        }
        let may = Role::ALL.into_iter().filter(|role| role.may(permission)).map(Role::word);
        let may: Vec<&str> = may.collect();
        let may = may.join(", ");
        Err(Problem::forbidden(format!("this token is of a {role}; it takes one of: {may}")))
    }

    /// His token, without its secret.
    pub(crate) fn token(&self) -> &TokenLine {
        &self.token
    }

    /// As the account calls him.
    pub(crate) fn by(&self) -> By {
        By::token(&self.token.name)
    }
}

/// `Authorization: Bearer TOKEN`, or `X-Admin-Token: TOKEN` as older scripts send it.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(axum::http::header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let admin = || headers.get("x-admin-token").and_then(|value| value.to_str().ok());
    bearer.or_else(admin).filter(|token| !token.is_empty() && token.len() <= 200)
}

async fn known(entrance: &Entrance, shown: &str) -> Result<Option<TokenLine>, Problem> {
    let hash = entrance.app.token_hash(shown);
    let find = async move |tx: &mut Tx<'_>| lango_store::tenants::by_hash(tx, &hash).await;
    Ok(entrance.app.store().read(find).await?)
}

/// The business that is named, by whoever.
fn named(headers: &HeaderMap) -> Result<Option<TenantId>, Problem> {
    let Some(said) = headers.get(TENANT_HEADER) else { return Ok(None) };
    let id = said.to_str().ok().and_then(|said| said.parse().ok());
    let refused = || Problem::unreadable("it must be the id of a business").at(TENANT_HEADER);
    id.map(Some).ok_or_else(refused)
}

async fn existing(entrance: &Entrance, id: TenantId) -> Result<TenantId, Problem> {
    let find = async move |tx: &mut Tx<'_>| lango_store::tenants::find(tx, id).await;
    let found = entrance.app.store().read(find).await?;
    let missing = || Problem::missing("business").at(TENANT_HEADER);
    found.map(|tenant| tenant.id).ok_or_else(missing)
}

/// The business at which somebody without a token is: the only one, or the one he names.
///
/// # Errors
/// There are several and he names none, or none of that id.
pub(crate) async fn business_of_guest(
    entrance: &Entrance,
    headers: &HeaderMap,
) -> Result<TenantId, Problem> {
    if let Some(named) = named(headers)? {
        return existing(entrance, named).await;
    }
    let all = async |tx: &mut Tx<'_>| lango_store::tenants::all(tx).await;
    let tenants = entrance.app.store().read(all).await?;
    match tenants.as_slice() {
        [only] => Ok(only.id),
        [] => Err(Problem::unavailable("there is no business here yet")),
        _ => Err(Problem::unreadable("say which business: send X-Lango-Tenant").at(TENANT_HEADER)),
    }
}
