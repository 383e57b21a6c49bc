//! Logging a device in on the hotspot from our side: `/ip/hotspot/active/login`. The device has to
//! be a host there, and there has to be a place among the devices of its user. What confirms it is
//! the session, read back. (RouterOS manual, "HotSpot": active, host.)

use super::hotspot::{LOGIN, log_out};
use super::presence::hotspot_session;
use super::visit::is_refusal;
use crate::enforcement::{Admitted, HotspotGuest};
use lango_domain::mac_address::MacAddress;
use lango_routeros::menus::{HotspotActive, HotspotHost};
use lango_routeros::values::{self, Prefix};
use lango_routeros::{Connection, Error, Query, TrapKind};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// A device that said nothing for so long gives its place up without being asked. Nor is it logged
/// in: who left before his money came would use his time up on the way.
const SILENT_AFTER: Duration = Duration::from_secs(2 * 60);

/// Logs a device in and reads back.
pub(super) async fn admit(
    connection: &Connection,
    guest: &HotspotGuest,
) -> Result<Admitted, Error> {
    match try_to(connection, guest).await {
        // The refusal of one device is nobody else's.
        Err(error) if is_refusal(&error) => Ok(Admitted::Refused(said(&error))),
        tried => tried,
    }
}

async fn try_to(connection: &Connection, guest: &HotspotGuest) -> Result<Admitted, Error> {
    let (seen, hosts) = tokio::try_join!(sessions(connection, guest), hosts(connection, guest))?;
    if seen.iter().any(|session| is_in(session, guest)) {
        return Ok(inside(&seen, guest, None));
    }
    // What it is online by besides would keep its place, and its cookie would bring it back.
    for old in seen.iter().filter(|session| is_device(session.mac_address, guest.mac)) {
        log_out(connection, &old.user, Some(guest.mac)).await?;
    }
    let Some((address, silent)) = address(&hosts, guest) else {
        return Ok(Admitted::Unseen(format!(
            "the router has not seen {}: it is out of reach or asleep",
            guest.mac
        )));
    };
    if silent > SILENT_AFTER {
        return Ok(Admitted::Unseen(format!(
            "the router has not heard {} for {} seconds: it is out of reach or asleep",
            guest.mac,
            silent.as_secs()
        )));
    }
    let instead_of = match place(&seen, guest) {
        Place::Free => None,
        Place::Of(other) => {
            log_out(connection, &guest.user, Some(other)).await?;
            Some(other)
        }
        Place::Taken(by) => return Ok(Admitted::Occupied { by }),
    };
    if let Err(error) = log_in(connection, guest, address).await {
        return refused(error);
    }
    let now = sessions(connection, guest).await?;
    if now.iter().any(|session| is_in(session, guest)) {
        return Ok(inside(&now, guest, instead_of));
    }
    Ok(Admitted::Refused("the router took the login and shows no session of it".to_owned()))
}

/// The sessions of the user, and those of the device under whatever name.
async fn sessions(
    connection: &Connection,
    guest: &HotspotGuest,
) -> Result<Vec<HotspotActive>, Error> {
    let of_user = Query::equals("user", &guest.user);
    let of_device = Query::equals("mac-address", &guest.mac.to_string());
    connection.all(Some(of_user.or(of_device))).await
}

async fn hosts(connection: &Connection, guest: &HotspotGuest) -> Result<Vec<HotspotHost>, Error> {
    connection.all(Some(Query::equals("mac-address", &guest.mac.to_string()))).await
}

fn is_device(seen: Option<values::MacAddress>, mac: MacAddress) -> bool {
    seen.is_some_and(|seen| MacAddress::new(seen.0) == mac)
}

fn is_in(session: &HotspotActive, guest: &HotspotGuest) -> bool {
    session.user == guest.user && is_device(session.mac_address, guest.mac)
}

fn inside(
    seen: &[HotspotActive],
    guest: &HotspotGuest,
    instead_of: Option<MacAddress>,
) -> Admitted {
    let of_user = seen.iter().filter(|session| session.user == guest.user);
    Admitted::In { sessions: of_user.map(hotspot_session).collect(), instead_of }
}

/// Where the device is: where its browser says, if the router has seen it there, else where the
/// router heard of it last. One that got another address of the router's own is known by that. And
/// how long it has said nothing.
fn address(hosts: &[HotspotHost], guest: &HotspotGuest) -> Option<(Ipv4Addr, Duration)> {
    let single = |prefix: Option<Prefix>| prefix.and_then(Prefix::single_ipv4);
    let host =
        hosts.iter().filter(|host| is_device(host.mac_address, guest.mac)).min_by_key(|host| {
            let here = single(host.address).map(IpAddr::V4);
            (here.is_none() || here != guest.address, host.idle_time.unwrap_or_default())
        })?;
    let address = single(host.to_address).or_else(|| single(host.address))?;
    Some((address, host.idle_time.unwrap_or_default()))
}

/// Whether there is a place for a device.
enum Place {
    Free,
    /// That of a device which is silent, or whose owner said so.
    Of(MacAddress),
    /// By a device that is busy.
    Taken(Option<MacAddress>),
}

fn place(seen: &[HotspotActive], guest: &HotspotGuest) -> Place {
    let others = || {
        let of_user = seen.iter().filter(|session| session.user == guest.user);
        of_user.filter(|session| !is_device(session.mac_address, guest.mac))
    };
    if others().count() < usize::from(guest.devices) {
        return Place::Free;
    }
    let silent = |session: &&HotspotActive| session.idle_time.unwrap_or_default();
    let Some(other) = others().max_by_key(silent) else { return Place::Taken(None) };
    let mac = other.mac_address.map(|mac| MacAddress::new(mac.0));
    match mac {
        Some(mac) if guest.displaces || silent(&other) > SILENT_AFTER => Place::Of(mac),
        mac => Place::Taken(mac),
    }
}

async fn log_in(
    connection: &Connection,
    guest: &HotspotGuest,
    address: Ipv4Addr,
) -> Result<(), Error> {
    let (address, mac) = (address.to_string(), guest.mac.to_string());
    let values = [
        ("user", guest.user.as_str()),
        ("password", guest.password.reveal()),
        ("ip", address.as_str()),
        ("mac-address", mac.as_str()),
    ];
    connection.run(LOGIN, &values).await.map(drop)
}

fn refused(error: Error) -> Result<Admitted, Error> {
    let Some(trap) = error.trap() else { return Err(error) };
    if trap.kind == TrapKind::UnknownHostIp {
        return Ok(Admitted::Unseen(said(&error)));
    }
    // Somebody else came between the reading and the login.
    if trap.message.contains("no more sessions are allowed") {
        return Ok(Admitted::Occupied { by: None });
    }
    Ok(Admitted::Refused(said(&error)))
}

fn said(error: &Error) -> String {
    error.trap().map_or_else(|| error.to_string(), |trap| trap.message.to_string())
}
