//! A service is opened: a hotspot account, a PPPoE subscription, a fixed address.

use crate::app::App;
use crate::operations::change_grant::Actor;
use crate::operations::install_grants::{Newcomer, install};
use lango_domain::access::{Access, GrantKind};
use lango_domain::ids::{CustomerId, RouterId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::grants::StoredGrant;
use lango_store::{Error, Tx};

/// A service to be opened.
#[derive(Clone, Debug)]
pub struct ServiceOrder {
    /// Whose.
    pub tenant: TenantId,
    /// The plan's name.
    pub plan: String,
    /// What the customer will present.
    pub access: Access,
    /// Who has it.
    pub customer: Option<CustomerId>,
    /// The only router it is good for; none is all.
    pub router: Option<RouterId>,
    /// Whether it runs at once or waits for money.
    pub paid: bool,
}

/// Why a service could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No such plan.
    #[error("there is no plan `{0}`: `lango plan list` shows the plans there are")]
    NoPlan(String),
    /// The login is in use.
    #[error("`{0}` is taken by another service: choose another name or address")]
    Taken(String),
    /// A name that a router cannot hold.
    #[error("`{0}` cannot be a user name: use 1 to 64 letters, digits and . _ - @ +")]
    BadName(String),
    /// The database.
    #[error("opening a service")]
    Store(#[source] Error),
}

/// Opens a service.
///
/// # Errors
/// See [`OpenError`].
pub async fn open_service(
    app: &App,
    order: ServiceOrder,
    now: Timestamp,
) -> Result<StoredGrant, OpenError> {
    let login = order.access.login();
    if !is_safe_login(&login) {
        return Err(OpenError::BadName(login));
    }
    let (desk, missing) = (app.clone(), order.plan.clone());
    let opened = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let plan = lango_store::plans::by_name(tx, order.tenant, &order.plan).await?;
            let Some(plan) = plan else { return Ok(Err(())) };
            let newcomer = newcomer(&order);
            let mut grants = install(tx, &desk, &plan, &[newcomer], Actor::Cli, now).await?;
            grants.pop().map(Ok).ok_or(Error::Missing { attempted: "the new grant".to_owned() })
        })
        .await;
    match opened {
        Ok(Ok(stored)) => Ok(stored),
        Ok(Err(())) => Err(OpenError::NoPlan(missing)),
        Err(Error::Conflict { unique, .. })
            if unique.is("grants", &["tenant_id", "login_hash"]) =>
        {
            Err(OpenError::Taken(login))
        }
        Err(error) => Err(OpenError::Store(error)),
    }
}

fn newcomer(order: &ServiceOrder) -> Newcomer {
    let kind = match order.access {
        Access::Hotspot { .. } => GrantKind::HotspotAccount,
        Access::Pppoe { .. } => GrantKind::Pppoe,
        Access::StaticIp { .. } => GrantKind::StaticIp,
    };
    Newcomer {
        access: order.access.clone(),
        kind,
        customer: order.customer,
        router: order.router,
        paid: order.paid,
    }
}

/// Names go into scripts and queries on routers: nothing that a script could read as its own.
fn is_safe_login(login: &str) -> bool {
    let safe =
        |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '_' | '-' | '@' | '+');
    (1..=64).contains(&login.len()) && login.chars().all(safe)
}
