//! A free trial is taken: once by each device and once by each phone number, for each plan.
//!
//! In one transaction with the grant that it gives. A device that changes its
//! address is another device: where that matters the portal asks for the number too.

use crate::app::App;
use crate::operations::admit_device::{self, Admission};
use crate::operations::asked::{self, Actor, Entry};
use crate::operations::issue_vouchers::sell_vouchers;
use crate::operations::plans_for_sale::{self, NotOffered};
use lango_domain::ids::{GrantId, PlanId, RouterId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Timestamp;
pub use lango_store::trials::Taker;
use lango_store::{Error, Tx};
use std::net::IpAddr;

/// Who wants a trial, and where he stands.
#[derive(Clone, Debug)]
pub struct TrialWish {
    /// Of whom.
    pub tenant: TenantId,
    /// Which.
    pub plan: PlanId,
    /// At which router.
    pub router: RouterId,
    /// With which device.
    pub mac: MacAddress,
    /// At which address there.
    pub address: Option<IpAddr>,
    /// His number.
    pub phone: PhoneNumber,
}

/// Why somebody is given no trial.
#[derive(Debug, thiserror::Error)]
pub enum NotGiven {
    /// It is not given here or now, or is no trial.
    #[error(transparent)]
    NotOffered(#[from] NotOffered),
    /// He had it.
    #[error(transparent)]
    NoTrial(#[from] NoTrial),
    /// The database.
    #[error("giving a free trial")]
    Store(#[from] Error),
}

/// Gives a trial: the access, and the device let in by it.
///
/// # Errors
/// See [`NotGiven`]; nothing is written then.
pub async fn give_trial(app: &App, wish: TrialWish, now: Timestamp) -> Result<GrantId, NotGiven> {
    let desk = app.clone();
    app.store().attempt(async move |tx: &mut Tx<'_>| give(tx, &desk, &wish, now).await).await?
}

async fn give(
    tx: &mut Tx<'_>,
    app: &App,
    wish: &TrialWish,
    now: Timestamp,
) -> Result<Result<GrantId, NotGiven>, Error> {
    let TrialWish { tenant, plan, router, mac, address, .. } = *wish;
    match plans_for_sale::offer(tx, (tenant, plan), Some(router), now).await? {
        Ok(offer) if offer.trial => {}
        Ok(_) => return Ok(Err(NotOffered::NotHere.into())),
        Err(why) => return Ok(Err(why.into())),
    }
    let Some(stored) = super::change_plan::of_tenant(tx, tenant, plan).await? else {
        return Ok(Err(NotOffered::NotHere.into()));
    };
    let taker = Taker { mac: Some(mac), phone: Some(wish.phone.clone()) };
    if let Err(why) = take(tx, tenant, plan, &taker, now).await? {
        return Ok(Err(why.into()));
    }
    // Nobody has proven that the number is his: the access is nobody's but the device's.
    let vouchers = sell_vouchers(tx, app, &stored, (None, None), &Actor::Engine, now).await?;
    let Some(first) = vouchers.first().map(|voucher| voucher.id) else {
        return Ok(Err(NotOffered::NotHere.into()));
    };
    let detail = format!("{} to {mac} and {}", stored.plan.name, wish.phone);
    let entry = Entry {
        grant: Some(first),
        router: Some(router),
        ..Entry::of(tenant, "trial given", detail)
    };
    asked::account(tx, app, &Actor::Engine, entry, now).await?;
    let admission = Admission { tenant, router, grant: first, mac, address };
    admit_device::want(tx, app, &admission, false, now).await?;
    Ok(Ok(first))
}

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
