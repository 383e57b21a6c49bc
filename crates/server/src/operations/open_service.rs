//! A service is opened: a hotspot account, a PPPoE subscription, a fixed address.

use crate::app::App;
use crate::operations::asked::{self, By, KeyReused, Lost};
use crate::operations::install_grants::{Newcomer, install};
use lango_domain::access::{Access, GrantKind};
use lango_domain::grant::Standing;
use lango_domain::ids::{CustomerId, GrantId, RouterId, TenantId};
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
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// What an earlier request with this key made is gone.
    #[error(transparent)]
    Lost(#[from] Lost),
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
    by: &By,
    now: Timestamp,
) -> Result<StoredGrant, OpenError> {
    let login = order.access.login();
    if !is_safe_login(&login) {
        return Err(OpenError::BadName(login));
    }
    let (desk, by) = (app.clone(), by.clone());
    let opened = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| open(tx, &desk, &order, &by, now).await)
        .await;
    match opened {
        Ok(outcome) => outcome,
        Err(Error::Conflict { unique, .. })
            if unique.is("grants", &["login_hash", "tenant_id"]) =>
        {
            Err(OpenError::Taken(login))
        }
        Err(error) => Err(OpenError::Store(error)),
    }
}

async fn open(
    tx: &mut Tx<'_>,
    app: &App,
    order: &ServiceOrder,
    by: &By,
    now: Timestamp,
) -> Result<Result<StoredGrant, OpenError>, Error> {
    match asked::made_before::<GrantId>(tx, by).await? {
        Err(reused) => return Ok(Err(reused.into())),
        Ok(Some(made)) => {
            let found = match made.first() {
                Some(id) => lango_store::grants::find(tx, *id).await?,
                None => None,
            };
            return Ok(found.ok_or(Lost::Missing("service").into()));
        }
        Ok(None) => {}
    }
    let plan = lango_store::plans::by_name(tx, order.tenant, &order.plan).await?;
    let Some(plan) = plan.filter(|plan| plan.retired_at.is_none()) else {
        return Ok(Err(OpenError::NoPlan(order.plan.clone())));
    };
    let mut grants = install(tx, app, &plan, &[newcomer(order)], &by.actor, now).await?;
    let Some(stored) = grants.pop() else {
        return Err(Error::Missing { attempted: "the new grant".to_owned() });
    };
    asked::keep_made(tx, by, &[stored.grant.id], now).await?;
    Ok(Ok(stored))
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
        standing: Standing::paid(order.paid),
    }
}

/// Names go into scripts and queries on routers: nothing that a script could read as its own.
pub(crate) fn is_safe_login(login: &str) -> bool {
    let safe =
        |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '_' | '-' | '@' | '+');
    (1..=64).contains(&login.len()) && login.chars().all(safe)
}

/// Ten signs that nobody confuses, from the system's own randomness: some 49 bits.
pub fn made_up_password() -> String {
    use ring::rand::{SecureRandom, SystemRandom};
    const SIGNS: &[u8; 32] = b"23456789abcdefghjkmnpqrstuvwxyzA";
    let mut bytes = [0u8; 10];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has random numbers");
    bytes.iter().map(|byte| char::from(SIGNS[usize::from(byte & 31)])).collect()
}
