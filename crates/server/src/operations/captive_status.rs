//! Whether a device is held captive, and how much it has left: what it asks by itself (RFC 8908).
//! Reads only, and never guesses: of a device that is not told apart it says nothing.

use crate::app::App;
use lango_domain::ids::{RouterId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_store::{Error, Tx};
use std::net::Ipv4Addr;

/// By what a device is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    /// It or its router said its hardware address.
    Mac(MacAddress),
    /// It asks from the customers' network.
    Address(Ipv4Addr),
}

/// How a device stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaptiveStatus {
    /// In whose business.
    pub tenant: TenantId,
    /// The device, if it is known by now.
    pub mac: Option<MacAddress>,
    /// What it has; none if it is held captive.
    pub access: Option<Access>,
}

/// What a device that is online has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Time left; none is without an end.
    pub time: Option<Span>,
    /// Data left; none is without a limit.
    pub data: Option<DataSize>,
}

/// How a device at a router stands; none if there is no such router.
///
/// # Errors
/// A fault of the store.
pub async fn captive_status(
    app: &App,
    router: RouterId,
    client: Client,
    now: Timestamp,
) -> Result<Option<CaptiveStatus>, Error> {
    app.store()
        .read(async move |tx: &mut Tx<'_>| {
            use lango_store::{grants, routers, sessions};
            let Some(known) = routers::find(tx, router).await? else { return Ok(None) };
            let open = match client {
                Client::Mac(mac) => sessions::open_of_device(tx, router, mac).await?,
                Client::Address(address) => {
                    sessions::open_at(tx, router, &address.to_string()).await?
                }
            };
            let said = match client {
                Client::Mac(mac) => Some(mac),
                Client::Address(_) => None,
            };
            let Some(session) = open.into_iter().next_back() else {
                return Ok(Some(CaptiveStatus { tenant: known.tenant, mac: said, access: None }));
            };
            let mac = said.or(session.mac);
            let grant = grants::find(tx, session.grant).await?.map(|stored| stored.grant);
            let access = grant.map(|grant| {
                let by_clock = grant.state.ends_at().map(|end| end.since(now));
                let times = by_clock.into_iter().chain(grant.meter.uptime_left());
                Access { time: times.min(), data: grant.meter.data_left() }
            });
            Ok(Some(CaptiveStatus { tenant: known.tenant, mac, access }))
        })
        .await
}
