//! By what a NAS names a customer and his session: the login, the device, the Class that we gave
//! him, and the attributes that have to be repeated to the NAS octet by octet.

use lango_domain::ids::{GrantId, Id, RouterId};
use lango_domain::mac_address::MacAddress;
use lango_radius::dictionary::{
    ACCT_SESSION_ID, CALLING_STATION_ID, CLASS, FRAMED_IP_ADDRESS, FRAMED_PROTOCOL, NAS_PORT_TYPE,
    SERVICE_TYPE, USER_NAME,
};
use lango_radius::{AttributeId, Packet};

/// The beginning of every Class of ours.
const MARK: &[u8; 2] = b"lg";
/// The same of whoever is to see the pay page only.
const WALLED_MARK: &[u8; 2] = b"lw";
/// The whole of it: the mark, the grant, eight random octets.
const CLASS_LENGTH: usize = 18;

/// The Class of one login: the NAS repeats it in every report, so that a session is told apart
/// from every other one, whatever the NAS calls it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Pass {
    pub(super) grant: GrantId,
    pub(super) token: [u8; 8],
    /// Whether he is to see the pay page only.
    pub(super) is_walled: bool,
}

impl Pass {
    /// A new one.
    pub(super) fn new(grant: GrantId, token: [u8; 8], is_walled: bool) -> Pass {
        Pass { grant, token, is_walled }
    }

    /// As it goes out.
    pub(super) fn octets(self) -> [u8; CLASS_LENGTH] {
        let mut octets = [0; CLASS_LENGTH];
        octets[..2].copy_from_slice(if self.is_walled { WALLED_MARK } else { MARK });
        octets[2..10].copy_from_slice(&self.grant.raw().to_be_bytes());
        octets[10..].copy_from_slice(&self.token);
        octets
    }

    /// Ours among those that a request repeats; others may add their own.
    pub(super) fn of(packet: &Packet<'_>) -> Option<Pass> {
        packet.read_all(CLASS).find_map(Pass::read)
    }

    fn read(octets: &[u8]) -> Option<Pass> {
        let is_walled = octets.starts_with(WALLED_MARK);
        let rest = octets.strip_prefix(if is_walled { WALLED_MARK } else { MARK })?;
        let (grant, token) = rest.split_first_chunk::<8>()?;
        let grant = GrantId::from_raw(i64::from_be_bytes(*grant));
        Some(Pass { grant, token: token.try_into().ok()?, is_walled })
    }
}

/// The name that logs in, without the NUL that some NASes append.
pub(super) fn name<'a>(packet: &Packet<'a>) -> Option<&'a str> {
    let octets = packet.first(USER_NAME.id())?;
    let end = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    std::str::from_utf8(&octets[..end]).ok().filter(|name| !name.is_empty())
}

/// The device, however the NAS writes it.
pub(super) fn mac(packet: &Packet<'_>) -> Option<MacAddress> {
    packet.read(CALLING_STATION_ID)?.parse().ok()
}

/// Whether it is a PPP session: those have logins of their own.
pub(super) fn is_ppp(packet: &Packet<'_>) -> bool {
    const FRAMED: u32 = 2;
    const PPP: u32 = 1;
    /// Wireless (RFC 2865 §5.41): no PPP, whatever else is said.
    const WIRELESS: u32 = 19;
    packet.read(FRAMED_PROTOCOL) == Some(PPP)
        || (packet.read(SERVICE_TYPE) == Some(FRAMED)
            && packet.read(NAS_PORT_TYPE).is_some_and(|kind| kind != WIRELESS))
}

/// What the login is hashed with.
pub(super) fn purpose(is_ppp: bool) -> &'static str {
    if is_ppp { "ppp" } else { "hotspot" }
}

/// The attributes that name a session to its NAS, as they came: type, length, value.
///
/// RouterOS wants the name and the session together, and for the hotspot the address.
pub(super) fn identifiers(packet: &Packet<'_>) -> Vec<u8> {
    let mut octets = Vec::with_capacity(64);
    for id in
        [USER_NAME.id(), ACCT_SESSION_ID.id(), FRAMED_IP_ADDRESS.id(), CALLING_STATION_ID.id()]
    {
        let AttributeId::Standard(number) = id else { continue };
        if let Some(value) = packet.first(id)
            && let Ok(length) = u8::try_from(value.len() + 2)
        {
            octets.extend([number, length]);
            octets.extend(value);
        }
    }
    // For ourselves: as what he was let in, where it is not as everybody is.
    match Pass::of(packet) {
        Some(pass) if pass.is_walled => octets.extend([CLASS_NUMBER, 2 + 2, b'l', b'w']),
        Some(_) => {}
        None => octets.extend([CLASS_NUMBER, 2]),
    }
    octets
}

/// The number of Class, which no order names a session by.
const CLASS_NUMBER: u8 = 25;

/// As what somebody was let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LetInAs {
    /// As what he has paid for.
    Customer,
    /// To see the pay page only.
    Walled,
    /// His NAS repeats no Class, so it cannot be told.
    Unsaid,
}

/// As what the customer of a session was let in, by what was kept of it.
pub(crate) fn let_in_as(identifiers: &[u8]) -> LetInAs {
    match each_kept(identifiers).find(|(id, _)| *id == CLASS.id()) {
        None => LetInAs::Customer,
        Some((_, b"")) => LetInAs::Unsaid,
        Some(_) => LetInAs::Walled,
    }
}

/// Identifiers, taken apart again.
pub(crate) fn each_identifier(octets: &[u8]) -> impl Iterator<Item = (AttributeId, &[u8])> {
    each_kept(octets).filter(|(id, _)| *id != CLASS.id())
}

fn each_kept(octets: &[u8]) -> impl Iterator<Item = (AttributeId, &[u8])> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let [number, length, ..] = *rest else { return None };
        let value = rest.get(2..usize::from(length))?;
        rest = &rest[usize::from(length)..];
        Some((AttributeId::Standard(number), value))
    })
}

/// What a session is told apart by, hashed: the NAS, our Class or else the name, and the NAS's own
/// name for the session. RouterOS repeats those names after some reboots; the Class does not.
pub(super) fn key(router: RouterId, packet: &Packet<'_>) -> Vec<u8> {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let mut part = |octets: &[u8]| {
        digest.update(&(octets.len() as u64).to_be_bytes());
        digest.update(octets);
    };
    part(&router.raw().to_be_bytes());
    match Pass::of(packet) {
        Some(pass) => part(&pass.octets()),
        None => part(packet.first(USER_NAME.id()).unwrap_or_default()),
    }
    part(packet.first(ACCT_SESSION_ID.id()).unwrap_or_default());
    digest.finish().as_ref()[..16].to_vec()
}

/// The key of a session that ended and whose name another one has now.
pub(super) fn retired(key: &[u8], id: i64) -> Vec<u8> {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    digest.update(key);
    digest.update(&id.to_be_bytes());
    digest.finish().as_ref()[..16].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_radius::{Draft, Secret};

    #[test]
    fn a_pass_comes_back_and_nothing_else_is_one() {
        for is_walled in [false, true] {
            let pass = Pass::new(GrantId::from_raw(77), [5; 8], is_walled);
            assert_eq!(Pass::read(&pass.octets()), Some(pass));
        }
        for wrong in [&b""[..], b"lg", b"lg1234567", &[0; 18], &[b'l'; 30]] {
            assert_eq!(Pass::read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn identifiers_come_back_octet_by_octet() {
        let mut draft = Draft::accounting_request(1);
        draft.put(USER_NAME, "ann").unwrap();
        draft.put(ACCT_SESSION_ID, "81a00001").unwrap();
        let sealed = draft.seal(&Secret::new("testing123").unwrap());
        let octets = identifiers(&sealed.packet());
        let parts: Vec<_> = each_identifier(&octets).collect();
        let expected: [(AttributeId, &[u8]); 2] =
            [(USER_NAME.id(), b"ann"), (ACCT_SESSION_ID.id(), b"81a00001")];
        assert_eq!(parts, expected);
        // Damaged in the database: what can be read is read.
        assert_eq!(each_identifier(&octets[..octets.len() - 3]).count(), 1);
        assert_eq!(each_identifier(&[1, 0, 0]).count(), 0);
    }

    #[test]
    fn it_is_kept_as_what_somebody_was_let_in() {
        let of = |pass: Option<Pass>| {
            let mut draft = Draft::accounting_request(1);
            draft.put(USER_NAME, "ann").unwrap();
            if let Some(pass) = pass {
                draft.put(CLASS, &pass.octets()).unwrap();
            }
            let sealed = draft.seal(&Secret::new("testing123").unwrap());
            let octets = identifiers(&sealed.packet());
            assert_eq!(each_identifier(&octets).count(), 1, "no order names it");
            let_in_as(&octets)
        };
        let pass = |is_walled| Some(Pass::new(GrantId::from_raw(77), [5; 8], is_walled));
        assert_eq!(of(pass(false)), LetInAs::Customer);
        assert_eq!(of(pass(true)), LetInAs::Walled);
        assert_eq!(of(None), LetInAs::Unsaid);
    }
}
