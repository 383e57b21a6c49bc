//! A free trial is taken: once by each device and once by each phone number, for each plan.
//!
//! In the caller's transaction, together with the grant that it gives. A device that changes its
//! address is another device: where that matters the portal asks for the number too.

use lango_domain::ids::{PlanId, TenantId};
use lango_domain::time::Timestamp;
pub use lango_store::trials::Taker;
use lango_store::{Error, Tx};

/// Why a trial is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTrial {
    /// His device or his number had it.
    #[error("this device or this number had the free trial before: choose a plan to buy")]
    Had {
        /// When.
        at: Timestamp,
    },
    /// Nothing is known of who asks.
    #[error("a free trial needs the device or the phone number that takes it")]
    Nobody,
}

/// Takes a trial, or says why not.
///
/// # Errors
/// The outer one is a fault of the store.
pub async fn take(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plan: PlanId,
    taker: &Taker,
    now: Timestamp,
) -> Result<Result<(), NoTrial>, Error> {
    if taker.mac.is_none() && taker.phone.is_none() {
        return Ok(Err(NoTrial::Nobody));
    }
    if let Some(at) = lango_store::trials::taken(tx, (tenant, plan), taker).await? {
        return Ok(Err(NoTrial::Had { at }));
    }
    lango_store::trials::take(tx, (tenant, plan), taker, now).await?;
    Ok(Ok(()))
}

/// Whether somebody could take it now, for a page that leaves out what he cannot have.
///
/// # Errors
/// A fault of the store.
pub async fn is_open_to(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plan: PlanId,
    taker: &Taker,
) -> Result<bool, Error> {
    Ok(lango_store::trials::taken(tx, (tenant, plan), taker).await?.is_none())
}
