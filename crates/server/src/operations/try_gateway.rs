//! A gateway is tried: whether its settings are right, and whether its provider knows where to tell
//! us of money. Nothing is charged by it.

use crate::app::App;
use crate::operations::asked::Lost;
use crate::operations::begin_purchase::new_door;
use crate::operations::gateways::{provider_of, settings_of, urls_of};
use crate::payments::settings::WrongField;
use crate::payments::{Abilities, ProviderError, Registration};
use lango_domain::ids::{GatewayId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::gateways::{self, Gateway};
use lango_store::{Error, Tx};

/// What came of trying a gateway.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The gateway.
    pub gateway: Gateway,
    /// The provider, as people call it.
    pub provider: &'static str,
    /// What it can do.
    pub abilities: Abilities,
    /// What is in the way now; empty if it works.
    pub wrong: Vec<String>,
    /// What will be in the way soon.
    pub warnings: Vec<WrongField>,
}

/// Why a gateway could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum TryError {
    /// No such gateway.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// Nobody knows under which address we are reached.
    #[error("say public_url in lango.toml: the provider must know where to answer")]
    NoAddress,
    /// The provider refused or did not answer.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The database.
    #[error("trying a gateway")]
    Store(#[from] Error),
}

/// Proves a gateway's settings to its provider, as far as that is possible without money.
///
/// # Errors
/// See [`TryError`]; that the provider refuses is no error but what it found.
pub async fn check_gateway(
    app: &App,
    whose: (TenantId, GatewayId),
    now: Timestamp,
) -> Result<Tried, TryError> {
    let gateway = live(app, whose).await?;
    let provider = provider_of(app, &gateway)?;
    let mut wrong = Vec::new();
    let answer = provider.check(now).await;
    if let Err(error) = &answer {
        wrong.push(error.to_string());
    }
    note(app, gateway.id, answer.err().map(|error| error.to_string()), now).await?;
    match app.public_url() {
        None => wrong.push(TryError::NoAddress.to_string()),
        // Any secret will do: what may be minded is the rest of the address.
        Some(public) => {
            let door = provider.door_of_charges().word();
            let url = format!("{public}/api/payments/{}/{door}/{}", gateway.provider, new_door());
            let minds = provider.minds(&url);
            wrong.extend(minds.map(|why| format!("{} minds {public}: {why}", provider.name())));
        }
    }
    let warnings = settings_of(app, &gateway)?.warnings(now);
    let (provider, abilities) = (provider.name(), provider.abilities());
    Ok(Tried { gateway, provider, abilities, wrong, warnings })
}

/// Tells a gateway's provider where to tell us of money that comes by itself.
///
/// # Errors
/// See [`TryError`].
pub async fn register_gateway(
    app: &App,
    whose: (TenantId, GatewayId),
    now: Timestamp,
) -> Result<Registration, TryError> {
    let gateway = live(app, whose).await?;
    let provider = provider_of(app, &gateway)?;
    if !provider.abilities().registers {
        return Err(ProviderError::NotOffered(provider.name()).into());
    }
    let urls = urls_of(app, &gateway)?.ok_or(TryError::NoAddress)?;
    Ok(provider.register(&urls, now).await?)
}

/// A gateway of a tenant that is in service.
///
/// # Errors
/// There is none, or a fault of the store.
pub async fn live(app: &App, (tenant, id): (TenantId, GatewayId)) -> Result<Gateway, TryError> {
    let find = async move |tx: &mut Tx<'_>| gateways::find(tx, id).await;
    let found = app.store().read(find).await?;
    let found = found.filter(|found| found.tenant == tenant && found.removed_at.is_none());
    found.ok_or_else(|| Lost::Missing("gateway").into())
}

async fn note(
    app: &App,
    id: GatewayId,
    error: Option<String>,
    now: Timestamp,
) -> Result<(), Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| match &error {
            Some(error) => gateways::note_error(tx, id, error, now).await,
            None => gateways::no_error(tx, id).await,
        })
        .await
}
