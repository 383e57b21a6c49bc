//! From a stored router to an open driver.

use crate::app::App;
use crate::enforcement::routeros::RouterOs;
use crate::enforcement::{Driver, DriverError};
use crate::operations::add_router::{RouterAddress, RouterLogin, RouterProtocol, RouterTls};
use lango_routeros::{Credentials, Endpoint, Protocol, Timeouts, Tls};
use lango_store::routers::Router;

/// Why a stored router cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Its row is damaged, or sealed with another key.
    #[error("router {name} is stored in a way this program cannot read: {why}")]
    Stored {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// It could not be reached or did not let us in.
    #[error(transparent)]
    Driver(#[from] DriverError),
}

/// Opens a router.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect(
    app: &App,
    router: &Router,
    timeouts: Timeouts,
) -> Result<Driver, ConnectError> {
    let endpoint = endpoint(router)?;
    let credentials = credentials(app, router)?;
    let driver = RouterOs::open(&router.name, &endpoint, &credentials, timeouts).await?;
    Ok(Driver::RouterOs(driver))
}

/// Where a stored router is.
pub(crate) fn endpoint(router: &Router) -> Result<Endpoint, ConnectError> {
    let address: RouterAddress =
        serde_json::from_str(&router.endpoint).map_err(|why| stored(router, &why.to_string()))?;
    let tls = match &address.tls {
        RouterTls::Off => Tls::Off,
        RouterTls::Any => Tls::AnyCertificate,
        RouterTls::Pinned(fingerprint) => Tls::pinned_hex(fingerprint)
            .ok_or_else(|| stored(router, "its fingerprint is not 64 hexadecimal digits"))?,
    };
    let protocol = match address.protocol {
        RouterProtocol::Api => Protocol::Api,
        RouterProtocol::Rest => Protocol::Rest,
    };
    Ok(Endpoint { host: address.host, port: address.port, protocol, tls })
}

/// Who we are to a stored router.
pub(crate) fn credentials(app: &App, router: &Router) -> Result<Credentials, ConnectError> {
    let clear = app
        .open_credentials(router.id, &router.credentials)
        .map_err(|why| stored(router, &why.to_string()))?;
    let login: RouterLogin =
        serde_json::from_slice(&clear).map_err(|_| stored(router, "its login is damaged"))?;
    Ok(Credentials::new(login.user, login.password))
}

fn stored(router: &Router, why: &str) -> ConnectError {
    ConnectError::Stored { name: router.name.clone(), why: why.to_owned() }
}
