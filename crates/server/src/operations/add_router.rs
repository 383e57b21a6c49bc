//! A router becomes known, or is taken out of service.

use crate::app::App;
use lango_domain::ids::{RouterId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::routers::Router;
use lango_store::{Error, Tx};
use std::fmt;
use std::str::FromStr;

/// Where a router is and how to speak to it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct RouterAddress {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Which service listens there.
    pub protocol: RouterProtocol,
    /// How it proves who it is.
    #[serde(default)]
    pub tls: RouterTls,
}

/// Which service of a router.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouterProtocol {
    /// The binary API.
    Api,
    /// REST.
    Rest,
}

/// How a router proves who it is.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouterTls {
    /// Not encrypted: only inside a VPN.
    #[default]
    Off,
    /// The certificate with this SHA-256 fingerprint, in hex.
    Pinned(String),
    /// Any certificate.
    Any,
}

/// Who we are to a router.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct RouterLogin {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

/// Why a text is not a router's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARouterAddress {
    /// Unknown beginning.
    #[error(
        "`{0}` is not a router's address: write api://HOST, apis://HOST, rest://HOST or \
         rests://HOST, with :PORT if it is not the usual one"
    )]
    Scheme(String),
    /// Bad port.
    #[error("`{0}` is not a port: write a number from 1 to 65535")]
    Port(String),
}

/// Why a router could not be added.
#[derive(Debug, thiserror::Error)]
pub enum AddRouterError {
    /// The name is in use.
    #[error("there is a router `{0}` already: choose another name")]
    Known(String),
    /// The database.
    #[error("adding a router")]
    Store(#[from] Error),
}

impl FromStr for RouterAddress {
    type Err = NotARouterAddress;

    fn from_str(text: &str) -> Result<Self, NotARouterAddress> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("api", text));
        let (protocol, tls, usual_port) = match scheme {
            "api" => (RouterProtocol::Api, RouterTls::Off, 8728),
            "apis" => (RouterProtocol::Api, RouterTls::Any, 8729),
            "rest" | "http" => (RouterProtocol::Rest, RouterTls::Off, 80),
            "rests" | "https" => (RouterProtocol::Rest, RouterTls::Any, 443),
            _ => return Err(NotARouterAddress::Scheme(text.to_owned())),
        };
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') => (
                host,
                port.parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| NotARouterAddress::Port(port.to_owned()))?,
            ),
            _ => (rest, usual_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || host.contains(['/', ' ']) {
            return Err(NotARouterAddress::Scheme(text.to_owned()));
        }
        Ok(RouterAddress { host, port, protocol, tls })
    }
}

impl fmt::Display for RouterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.protocol, &self.tls) {
            (RouterProtocol::Api, RouterTls::Off) => "api",
            (RouterProtocol::Api, _) => "apis",
            (RouterProtocol::Rest, RouterTls::Off) => "rest",
            (RouterProtocol::Rest, _) => "rests",
        };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for RouterLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RouterLogin({})", self.user)
    }
}

/// Adds a router and wishes onto it what is good for all routers.
///
/// # Errors
/// See [`AddRouterError`].
pub async fn add_router(
    app: &App,
    tenant: TenantId,
    name: &str,
    address: &RouterAddress,
    login: &RouterLogin,
    now: Timestamp,
) -> Result<RouterId, AddRouterError> {
    let router = new_router(app, tenant, name, address, login, now);
    let (id, name) = (router.id, router.name.clone());
    let added = app
        .store()
        .write(async move |tx: &mut Tx<'_>| lango_store::routers::insert(tx, &router).await)
        .await;
    match added {
        Err(Error::Conflict { unique, .. }) if unique.table == "routers" => {
            return Err(AddRouterError::Known(name));
        }
        other => other?,
    }
    super::install_grants::install_on_router(app, tenant, id, now).await?;
    app.routers_changed();
    Ok(id)
}

fn new_router(
    app: &App,
    tenant: TenantId,
    name: &str,
    address: &RouterAddress,
    login: &RouterLogin,
    now: Timestamp,
) -> Router {
    let id = app.id(now);
    // Names, numbers and words: serialising cannot fail.
    let clear = serde_json::to_vec(login).unwrap_or_default();
    Router {
        id,
        tenant,
        name: name.trim().to_owned(),
        endpoint: serde_json::to_string(address).unwrap_or_default(),
        credentials: app.seal_credentials(id, &clear),
        created_at: now,
        observed: String::new(),
        last_contact_at: None,
        last_sync_at: None,
        last_error: None,
        last_error_at: None,
    }
}

/// Takes a router out of service. What it holds stays on it; its open work is dropped.
///
/// # Errors
/// A fault of the store.
pub async fn remove_router(app: &App, id: RouterId, now: Timestamp) -> Result<(), Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| lango_store::routers::remove(tx, id, now).await)
        .await?;
    app.routers_changed();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        let address: RouterAddress = "10.0.0.1".parse().unwrap();
        assert_eq!((address.protocol, address.port), (RouterProtocol::Api, 8728));
        let address: RouterAddress = "https://router.example/".parse().unwrap();
        assert_eq!(address.to_string(), "rests://router.example:443");
        let address: RouterAddress = "apis://[fd00::1]:8730".parse().unwrap();
        assert_eq!((address.host.as_str(), address.port), ("fd00::1", 8730));
        for wrong in ["", "ftp://x", "api://x:0", "api://x:99999", "api://"] {
            assert!(wrong.parse::<RouterAddress>().is_err(), "{wrong}");
        }
    }
}
