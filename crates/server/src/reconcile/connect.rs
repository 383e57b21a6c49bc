//! From a stored router to an open driver.

use crate::app::App;
use crate::enforcement::radius::{ByApi, RadiusNas};
use crate::enforcement::routeros::RouterOs;
use crate::enforcement::{Driver, DriverError};
use crate::operations::add_router::{RouterAddress, RouterLogin, RouterProtocol, RouterTls};
use crate::operations::router_api;
use lango_radius::Secret;
use lango_routeros::{Credentials, Endpoint, Protocol, Timeouts, Tls};
use lango_store::routers::Router;
use std::net::{IpAddr, SocketAddr};

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
    let address = address(router)?;
    if address.protocol == RouterProtocol::Radius {
        return connect_radius(app, router, &address, timeouts).await;
    }
    let endpoint = endpoint(router)?;
    let credentials = credentials(app, router)?;
    let driver = RouterOs::open(&router.name, &endpoint, &credentials, timeouts).await?;
    Ok(Driver::RouterOs(Box::new(driver)))
}

async fn connect_radius(
    app: &App,
    router: &Router,
    address: &RouterAddress,
    timeouts: Timeouts,
) -> Result<Driver, ConnectError> {
    let host: IpAddr =
        address.host.parse().map_err(|_| stored(router, "its address is no IP address"))?;
    let secret = Secret::new(login(app, router)?.password)
        .map_err(|why| stored(router, &why.to_string()))?;
    let target = SocketAddr::new(host, address.port);
    let api = by_api(app, router, timeouts)?;
    let nas = RadiusNas::open(app, (router.id, &router.name), (target, secret), api).await?;
    Ok(Driver::Radius(Box::new(nas)))
}

fn address(router: &Router) -> Result<RouterAddress, ConnectError> {
    serde_json::from_str(&router.endpoint).map_err(|why| stored(router, &why.to_string()))
}

/// The second way to a stored router that asks by RADIUS, if it has one.
pub(crate) fn by_api(
    app: &App,
    router: &Router,
    timeouts: Timeouts,
) -> Result<Option<ByApi>, ConnectError> {
    let Some(api) = router_api::of(app, router) else { return Ok(None) };
    let endpoint = endpoint_at(router, api.address)?;
    let credentials = Credentials::new(api.login.user, api.login.password);
    Ok(Some(ByApi { endpoint, credentials, timeouts }))
}

/// Where a stored router is that we connect to.
pub(crate) fn endpoint(router: &Router) -> Result<Endpoint, ConnectError> {
    endpoint_at(router, address(router)?)
}

fn endpoint_at(router: &Router, address: RouterAddress) -> Result<Endpoint, ConnectError> {
    let tls = match &address.tls {
        RouterTls::Off => Tls::Off,
        RouterTls::Any => Tls::AnyCertificate,
        RouterTls::Pinned(fingerprint) => Tls::pinned_hex(fingerprint)
            .ok_or_else(|| stored(router, "its fingerprint is not 64 hexadecimal digits"))?,
    };
    let protocol = match address.protocol {
        RouterProtocol::Api => Protocol::Api,
        RouterProtocol::Rest => Protocol::Rest,
        RouterProtocol::Radius => {
            let why = "it asks us by RADIUS, so there is nothing to connect to";
            return Err(stored(router, why));
        }
    };
    Ok(Endpoint { host: address.host, port: address.port, protocol, tls })
}

/// Who we are to a stored router.
pub(crate) fn credentials(app: &App, router: &Router) -> Result<Credentials, ConnectError> {
    let login = login(app, router)?;
    Ok(Credentials::new(login.user, login.password))
}

fn login(app: &App, router: &Router) -> Result<RouterLogin, ConnectError> {
    let clear = app
        .open_credentials(router.id, &router.credentials)
        .map_err(|why| stored(router, &why.to_string()))?;
    serde_json::from_slice(&clear).map_err(|_| stored(router, "its login is damaged"))
}

fn stored(router: &Router, why: &str) -> ConnectError {
    ConnectError::Stored { name: router.name.clone(), why: why.to_owned() }
}
