//! What devices ask by themselves: whether they are held captive (RFC 8908), and their probes; and
//! what routers fetch, the pages for their own directory. Nobody who asks here has a token, and
//! nothing here names a customer.

use crate::enforcement::routeros::setup::pages;
use crate::operations::captive_status::{CaptiveStatus, Client, captive_status};
use crate::portal_address::{PortalAddress, host_of};
use crate::probes;
use crate::web::Entrance;
use crate::web::api::problem::Problem;
use crate::web::api::rate::Taken;
use crate::web::listen::client_address::{ClientAddress, Origin};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use lango_domain::ids::RouterId;
use lango_domain::mac_address::MacAddress;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

pub(super) fn open(router: Router<Entrance>) -> Router<Entrance> {
    use axum::routing::get;
    router.route("/captive/{router}", get(captive)).route("/hotspot/{router}/{page}", get(page))
}

/// What a client is told (RFC 8908, section 5).
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Told {
    captive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_portal_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    venue_info_url: Option<String>,
    can_extend_session: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_remaining: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_remaining: Option<u64>,
}

#[derive(Deserialize)]
struct Known {
    mac: Option<MacAddress>,
}

/// A device that cannot be told from its neighbours gets no answer but an error, and goes on with
/// its probes: a wrong `false` would hide the portal, a wrong `true` keep the payer at it.
async fn captive(
    State(here): State<Entrance>,
    Path(router): Path<String>,
    Query(known): Query<Known>,
    from: Option<Extension<ClientAddress>>,
) -> Result<Response, Problem> {
    let from = from.map_or_else(ClientAddress::default, |Extension(from)| from).0;
    if let Taken::Wait(seconds) = here.limits.guests.take(Origin::from(from), Instant::now()) {
        return Err(Problem::too_many(seconds, "too many questions from here: wait a little"));
    }
    let router: RouterId = router.parse().map_err(|_| Problem::missing("router"))?;
    let address = of_customers(from);
    let client = known.mac.map(Client::Mac).or(address.map(Client::Address));
    let Some(client) = client else {
        return Err(Problem::missing("device that can be told from others behind this address"));
    };
    let status = captive_status(&here.app, router, client, here.app.clock().now()).await?;
    let status = status.ok_or_else(|| Problem::missing("router"))?;
    Ok(answer(&here, router, &status, address))
}

/// An address from which a device asks itself, and no router for many.
fn of_customers(from: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V4(from) = from.to_canonical() else { return None };
    // 100.64.0.0/10 is for carriers' own networks (RFC 6598).
    let is_shared = from.octets()[0] == 100 && from.octets()[1] & 0xC0 == 64;
    (from.is_private() || is_shared).then_some(from)
}

fn answer(
    here: &Entrance,
    router: RouterId,
    status: &CaptiveStatus,
    address: Option<Ipv4Addr>,
) -> Response {
    let ours = here.app.public_url().map(|public| PortalAddress::of(public, router));
    // Both must be encrypted (RFC 8908, sections 4.1 and 5), or they are not named.
    let ours = ours.filter(PortalAddress::is_secure);
    let address = address.map(|address| address.to_string());
    let portal = ours.map(|ours| ours.portal_for(status.mac, address.as_deref()));
    let told = Told {
        captive: status.access.is_none(),
        venue_info_url: portal.clone(),
        user_portal_url: portal,
        can_extend_session: status.access.is_some(),
        seconds_remaining: status
            .access
            .and_then(|access| access.time)
            .map(|time| time.as_seconds().max(0)),
        bytes_remaining: status.access.and_then(|access| access.data).map(|data| data.as_bytes()),
    };
    // What is told to one is nobody else's, and is over the second that access is given.
    let headers = [
        (header::CONTENT_TYPE, "application/captive+json"),
        (header::CACHE_CONTROL, "private, no-store"),
    ];
    let body = serde_json::to_string(&told).unwrap_or_default();
    (headers, body).into_response()
}

/// A page for a router's own directory; the router fetches it when it is set up.
async fn page(
    State(here): State<Entrance>,
    Path((router, page)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let router: RouterId = router.parse().map_err(|_| Problem::missing("router"))?;
    let Some(public) = here.app.public_url() else {
        return Err(Problem::unavailable("public_url is not set, so no page can name the portal"));
    };
    let ours = PortalAddress::of(public, router);
    let text = pages::text(&page, &ours).ok_or_else(|| Problem::missing("page"))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// Answers probes before anything else: whoever reaches us with one is behind a portal, ours.
pub(super) async fn probe(State(here): State<Entrance>, request: Request, next: Next) -> Response {
    let Some(public) = here.app.public_url() else { return next.run(request).await };
    let public = public.to_string();
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or(request.uri().host()).unwrap_or_default();
    if !probes::is_probe(host, request.uri().path(), Some(host_of(&public))) {
        return next.run(request).await;
    }
    let from = request.extensions().get::<ClientAddress>().copied().unwrap_or_default();
    let portal = match behind(&here, from.0).await {
        Some(router) => match here.app.public_url() {
            Some(public) => {
                let address = of_customers(from.0).map(|address| address.to_string());
                PortalAddress::of(public, router).portal_for(None, address.as_deref())
            }
            None => format!("{public}/p"),
        },
        None => format!("{public}/p"),
    };
    redirect(&portal)
}

/// The only router there is, or the one from whose address somebody asks.
async fn behind(here: &Entrance, from: IpAddr) -> Option<RouterId> {
    use crate::operations::add_router::RouterAddress;
    let all = async |tx: &mut lango_store::Tx<'_>| lango_store::routers::all(tx).await;
    let routers = here.app.store().read(all).await.ok()?;
    if let [only] = routers.as_slice() {
        return Some(only.id);
    }
    let is_there = |endpoint: &str| {
        let address = serde_json::from_str::<RouterAddress>(endpoint).ok();
        let host = address.and_then(|address| address.host.parse::<IpAddr>().ok());
        host.is_some_and(|host| host.to_canonical() == from.to_canonical())
    };
    routers.into_iter().find(|router| is_there(&router.endpoint)).map(|router| router.id)
}

/// A connection that is kept would stay with us after the login, and the next probe with it.
fn redirect(to: &str) -> Response {
    const FIXED: [(HeaderName, &str); 2] =
        [(header::CACHE_CONTROL, "no-store"), (header::CONNECTION, "close")];
    let Ok(location) = HeaderValue::from_str(to) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    (StatusCode::FOUND, FIXED, [(header::LOCATION, location)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_customers_own_networks_tell_devices_apart() {
        let of = |text: &str| of_customers(text.parse().unwrap()).is_some();
        assert!(of("10.5.50.7") && of("192.168.88.2") && of("172.16.0.9") && of("100.64.1.1"));
        assert!(of("::ffff:10.5.50.7"));
        assert!(!of("203.0.113.9") && !of("127.0.0.1") && !of("100.128.0.1") && !of("fe80::1"));
    }
}
