//! Owns what orders from outside do: whose session they mean, and whether the router obeys.
//! (RFC 5176; MikroTik manual, "RADIUS": connection-terminating from RADIUS, change of
//! authorization; the answers as seen in the field.)

use std::net::Ipv4Addr;

use lango_radius::dictionary as field;
use lango_radius::{AttributeId, Code, ErrorCause, VerifiedRequest};

use super::{Facts, Grant, Service};
use crate::world::World;
use crate::world::hotspot::Logout;
use crate::world::menus::Place;
use crate::world::table::Id;

/// What names a session.
const IDENTIFIERS: &[AttributeId] = &[
    field::USER_NAME.id(),
    field::ACCT_SESSION_ID.id(),
    field::FRAMED_IP_ADDRESS.id(),
    field::CALLING_STATION_ID.id(),
    field::CALLED_STATION_ID.id(),
    field::NAS_PORT.id(),
    field::NAS_PORT_ID.id(),
];

/// What may be there and says nothing about the session.
const SURROUNDINGS: &[AttributeId] = &[
    field::NAS_IP_ADDRESS.id(),
    field::NAS_IDENTIFIER.id(),
    field::NAS_PORT_TYPE.id(),
    field::CLASS.id(),
    field::EVENT_TIMESTAMP.id(),
    field::MESSAGE_AUTHENTICATOR.id(),
    field::PROXY_STATE.id(),
];

/// What a CoA-Request may change. Not the address, the pool or the routes: for those the session
/// must end.
const CHANGEABLE: &[AttributeId] = &[
    field::MIKROTIK_GROUP.id(),
    field::MIKROTIK_RATE_LIMIT.id(),
    field::MIKROTIK_ADDRESS_LIST.id(),
    field::MIKROTIK_RECV_LIMIT.id(),
    field::MIKROTIK_RECV_LIMIT_GIGAWORDS.id(),
    field::MIKROTIK_XMIT_LIMIT.id(),
    field::MIKROTIK_XMIT_LIMIT_GIGAWORDS.id(),
    field::MIKROTIK_MARK_ID.id(),
    field::MIKROTIK_ADVERTISE_URL.id(),
    field::MIKROTIK_ADVERTISE_INTERVAL.id(),
    field::FILTER_ID.id(),
    field::SESSION_TIMEOUT.id(),
    field::IDLE_TIMEOUT.id(),
    field::PORT_LIMIT.id(),
];

/// A session that an order means.
#[derive(Debug, Clone, Copy)]
enum Meant {
    Guest(Ipv4Addr),
    Client(Id),
}

impl World {
    /// Obeys a Disconnect-Request or a CoA-Request, or says why not.
    pub(crate) fn obey(&mut self, order: &VerifiedRequest<'_>) -> Result<(), ErrorCause> {
        self.radius.incoming.requests += 1;
        self.changes += 1;
        let outcome = self.consider(order);
        match &outcome {
            Ok(()) => self.radius.incoming.acks += 1,
            Err(cause) => {
                self.radius.incoming.naks += 1;
                self.note("radius,debug", format!("refused a {}: {cause}", order.code()));
            }
        }
        outcome
    }

    fn consider(&mut self, order: &VerifiedRequest<'_>) -> Result<(), ErrorCause> {
        self.check_addressee(order)?;
        check_attributes(order)?;
        let meant = self.sessions_meant(order);
        if meant.is_empty() {
            return Err(self.make.missing_session);
        }
        let change = (order.code() == Code::CoaRequest).then(|| Grant::read(order));
        for session in meant {
            match (session, &change) {
                (Meant::Guest(ip), Some(change)) => self.change_guest(ip, change),
                (Meant::Guest(ip), None) => self.log_out(ip, Logout::AdminReset),
                (Meant::Client(id), Some(change)) => self.change_client(id, change),
                (Meant::Client(id), None) => self.end_ppp_session(id, "admin-reset"),
            }
        }
        Ok(())
    }

    /// The router must be called by what it calls itself in its own packets.
    fn check_addressee(&self, order: &VerifiedRequest<'_>) -> Result<(), ErrorCause> {
        let table = self.table(Place::Radius);
        let called = order.read(field::NAS_IP_ADDRESS);
        let is_own = |ip: Ipv4Addr| {
            let ip_text = ip.to_string();
            ip == self.make.address || table.ids().any(|id| table.is(id, "src-address", &ip_text))
        };
        let name = order.read(field::NAS_IDENTIFIER);
        let own_name = self.table(Place::Identity).text(1, "name");
        if called.is_some_and(|ip| !is_own(ip)) || name.is_some_and(|name| name != own_name) {
            return Err(ErrorCause::NasIdentificationMismatch);
        }
        Ok(())
    }

    fn sessions_meant(&self, order: &VerifiedRequest<'_>) -> Vec<Meant> {
        let guests = self.hotspot.actives.iter().filter(|(_, active)| {
            active.radius.as_ref().is_some_and(|session| means(order, &session.facts))
        });
        let clients = self.ppp.sessions.iter().filter(|(_, session)| {
            session.radius.as_ref().is_some_and(|session| means(order, &session.facts))
        });
        let guests = guests.map(|(ip, _)| Meant::Guest(*ip));
        guests.chain(clients.map(|(id, _)| Meant::Client(*id))).collect()
    }
}

fn check_attributes(order: &VerifiedRequest<'_>) -> Result<(), ErrorCause> {
    let changes = order.code() == Code::CoaRequest;
    let is_known = |id: AttributeId| {
        IDENTIFIERS.contains(&id)
            || SURROUNDINGS.contains(&id)
            || (changes && CHANGEABLE.contains(&id))
    };
    if order.attributes().any(|attribute| !is_known(attribute.id)) {
        return Err(ErrorCause::UnsupportedAttribute);
    }
    if !order.attributes().any(|attribute| IDENTIFIERS.contains(&attribute.id)) {
        return Err(ErrorCause::MissingAttribute);
    }
    Ok(())
}

/// All identifiers must be those of the session, octet by octet. A hotspot's session is found by
/// its address only.
fn means(order: &VerifiedRequest<'_>, facts: &Facts) -> bool {
    let ip = order.read(field::FRAMED_IP_ADDRESS);
    if facts.service == Service::Hotspot && ip.is_none() {
        return false;
    }
    let texts = [
        (field::USER_NAME, &facts.user),
        (field::ACCT_SESSION_ID, &facts.session_id),
        (field::CALLING_STATION_ID, &facts.calling),
        (field::CALLED_STATION_ID, &facts.called),
        (field::NAS_PORT_ID, &facts.port_id),
    ];
    texts
        .into_iter()
        .all(|(field, own)| order.first(field.id()).is_none_or(|value| value == own.as_bytes()))
        && ip.is_none_or(|ip| Some(ip) == facts.ip)
        && order.read(field::NAS_PORT).is_none_or(|port| port == facts.port)
}
