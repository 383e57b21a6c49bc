//! A router becomes known, or is taken out of service.

use crate::app::App;
use crate::operations::asked::{self, By, KeyReused, Lost};
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
    /// None of the router's: it asks us, by RADIUS. The port is where it takes orders.
    Radius,
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

/// A router to be added.
#[derive(Clone, Debug)]
pub struct NewRouter {
    /// Whose.
    pub tenant: TenantId,
    /// What staff call it.
    pub name: String,
    /// Where it is.
    pub address: RouterAddress,
    /// Who we are to it.
    pub login: RouterLogin,
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
        "`{0}` is not a router's address: write api://HOST, apis://HOST, rest://HOST, \
         rests://HOST or radius://IP, with :PORT if it is not the usual one"
    )]
    Scheme(String),
    /// A name where an address is needed.
    #[error("`{0}` is not an IP address: write radius://10.0.0.1, from where its requests come")]
    Name(String),
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
    /// It must be called something.
    #[error("the router needs a name")]
    NoName,
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// What an earlier request with this key made is gone.
    #[error(transparent)]
    Lost(#[from] Lost),
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
            "radius" => (RouterProtocol::Radius, RouterTls::Off, 3799),
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
        // Requests are told apart by where they come from: a name would have to be looked up for
        // each of them.
        if protocol == RouterProtocol::Radius && host.parse::<std::net::IpAddr>().is_err() {
            return Err(NotARouterAddress::Name(host));
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
            (RouterProtocol::Radius, _) => "radius",
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
    new: NewRouter,
    by: &By,
    now: Timestamp,
) -> Result<Router, AddRouterError> {
    if new.name.trim().is_empty() {
        return Err(AddRouterError::NoName);
    }
    let router = router(app, &new, now);
    let (desk, by, name) = (app.clone(), by.clone(), router.name.clone());
    let added = app
        .store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let id = match asked::made_before::<RouterId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => made.first().copied(),
                Ok(None) => {
                    lango_store::routers::insert(tx, &router).await?;
                    asked::keep_made(tx, &by, &[router.id], now).await?;
                    let (actor, what) = (&by.actor, "router added");
                    super::change_router::account(tx, &desk, actor, &router, what, now).await?;
                    Some(router.id)
                }
            };
            let found = match id {
                Some(id) => lango_store::routers::find(tx, id).await?,
                None => None,
            };
            Ok(found.ok_or(AddRouterError::Lost(Lost::Missing("router"))))
        })
        .await;
    let added = match added {
        Err(Error::Conflict { unique, .. }) if unique.table == "routers" => {
            return Err(AddRouterError::Known(name));
        }
        other => other??,
    };
    // Repeated after a crash in between, this finds what the first time had not come to.
    super::install_grants::install_on_router(app, added.tenant, added.id, now).await?;
    app.routers_changed();
    Ok(added)
}

fn router(app: &App, new: &NewRouter, now: Timestamp) -> Router {
    let id = app.id(now);
    // Names, numbers and words: serialising cannot fail.
    let clear = serde_json::to_vec(&new.login).unwrap_or_default();
    Router {
        id,
        tenant: new.tenant,
        name: new.name.trim().to_owned(),
        endpoint: serde_json::to_string(&new.address).unwrap_or_default(),
        credentials: app.seal_credentials(id, &clear),
        created_at: now,
        observed: String::new(),
        last_contact_at: None,
        last_sync_at: None,
        last_error: None,
        last_error_at: None,
        version: 1,
    }
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
