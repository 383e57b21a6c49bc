//! What an Access-Accept says: how fast, how long, how much, and the Class by which reports are
//! recognised. In the words of every kind of NAS at once: each reads its own and skips the rest.

use super::decision::{Asking, Decision};
use crate::radius::identity::Pass;
use lango_domain::access::Access;
use lango_domain::quantity::Speed;
use lango_radius::accounting::MIKROTIK_TOTAL_LIMIT;
use lango_radius::dictionary::{
    ACCT_INTERIM_INTERVAL, CLASS, FRAMED_IP_ADDRESS, FRAMED_POOL, FRAMED_PROTOCOL, IDLE_TIMEOUT,
    MIKROTIK_ADDRESS_LIST, MIKROTIK_GROUP, MIKROTIK_RATE_LIMIT, PORT_LIMIT, SERVICE_TYPE,
    SESSION_TIMEOUT, WISPR_BANDWIDTH_MAX_DOWN, WISPR_BANDWIDTH_MAX_UP,
};
use lango_radius::{Draft, EncodeError};

/// How often a NAS reports a session, in seconds.
const INTERIM: u32 = 300;
/// By how much that is varied: sessions that all came back after a reboot must not report in step
/// for ever.
const JITTER: u32 = 30;
/// On which list a walled customer's address is, as with routers that we reach by their API.
pub(super) const WALLED: &str = "lango-walled";

/// Writes a decision.
pub(super) fn write(
    draft: &mut Draft,
    decision: &Decision,
    pass: Pass,
    access: &Access,
    asking: &Asking,
    is_ppp: bool,
) -> Result<(), EncodeError> {
    draft.put(CLASS, &pass.octets())?;
    if is_ppp {
        draft.put(SERVICE_TYPE, 2)?;
        draft.put(FRAMED_PROTOCOL, 1)?;
    } else {
        // Without it RouterOS lets one device in: `shared-users` of its default profile.
        draft.put(PORT_LIMIT, u32::from(decision.devices))?;
    }
    if let Some(lasts) = decision.lasts {
        let seconds = (lasts.as_millis() + 999) / 1_000;
        draft.put(SESSION_TIMEOUT, u32::try_from(seconds.max(1)).unwrap_or(u32::MAX))?;
    }
    if let Some(data) = decision.data {
        // RouterOS takes 0 for no limit.
        MIKROTIK_TOTAL_LIMIT.put(draft, data.as_bytes().max(1))?;
    }
    if let Some(speed) = decision.speed {
        put_speed(draft, speed)?;
        let bits = |bits: u64| u32::try_from(bits).unwrap_or(u32::MAX);
        draft.put(WISPR_BANDWIDTH_MAX_UP, bits(speed.upload))?;
        draft.put(WISPR_BANDWIDTH_MAX_DOWN, bits(speed.download))?;
    }
    if decision.is_walled {
        draft.put(MIKROTIK_ADDRESS_LIST, WALLED)?;
    }
    let logins = &decision.logins;
    if let Some(idle) = logins.idle_timeout {
        draft.put(IDLE_TIMEOUT, u32::try_from(idle.as_seconds().max(1)).unwrap_or(u32::MAX))?;
    }
    match (access, &logins.pool) {
        (Access::Pppoe { address: Some(address), .. }, _) => {
            draft.put(FRAMED_IP_ADDRESS, *address)?;
        }
        (_, Some(pool)) => draft.put(FRAMED_POOL, pool.as_str())?,
        (_, None) => {}
    }
    // RouterOS takes the same attribute for the group of who administers it, and then names the
    // address of his machine instead of a device.
    if let (Some(profile), Some(_)) = (&logins.profile, asking.device) {
        draft.put(MIKROTIK_GROUP, profile.as_str())?;
    }
    draft.put(ACCT_INTERIM_INTERVAL, fastrand::u32(INTERIM - JITTER..=INTERIM + JITTER))
}

/// The router's view: what it receives is what the customer sends. Also as part of an order, where
/// RouterOS refuses other makes' words for it.
pub(crate) fn put_speed(draft: &mut Draft, speed: Speed) -> Result<(), EncodeError> {
    draft.put(MIKROTIK_RATE_LIMIT, &format!("{}/{}", speed.upload, speed.download))
}
