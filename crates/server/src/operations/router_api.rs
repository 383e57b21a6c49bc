//! The second way to a router that asks by RADIUS: its API, for orders that it does not answer.
//! Sealed together with its secret. It must never be tried before RADIUS was.

use crate::app::App;
use crate::operations::add_router::{RouterAddress, RouterLogin, RouterProtocol};
use lango_store::routers::Router;

/// Where the API of a router is that asks by RADIUS, and who we are to it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct RouterApi {
    /// Where it is; never `radius://`.
    pub address: RouterAddress,
    /// Who we are to it.
    pub login: RouterLogin,
}

/// What is to become of the second way.
#[derive(Clone, Debug)]
pub enum ApiChange {
    /// It is this one from now on.
    Use(RouterApi),
    /// There is none any more.
    Forget,
}

/// What is sealed of a router.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Sealed {
    /// Who we are to it; for RADIUS the secret.
    #[serde(flatten)]
    pub(crate) login: RouterLogin,
    /// The second way, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api: Option<RouterApi>,
}

impl Sealed {
    /// Of a stored router; none if it was sealed with another key.
    pub(crate) fn of(app: &App, router: &Router) -> Option<Sealed> {
        let clear = app.open_credentials(router.id, &router.credentials).ok()?;
        serde_json::from_slice(&clear).ok()
    }
}

/// The second way to a stored router, if it has one.
pub(crate) fn of(app: &App, router: &Router) -> Option<RouterApi> {
    Sealed::of(app, router)?.api
}

/// Whether that is the address of an API.
pub fn is_api(address: &RouterAddress) -> bool {
    address.protocol != RouterProtocol::Radius
}
