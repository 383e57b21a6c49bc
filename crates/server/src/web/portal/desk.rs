//! The one place where the portal meets the operations: what a screen has to know, and what a person
//! at a screen can have done. Screens call nothing else that reads or writes.

use crate::app::App;
use crate::operations;
use crate::operations::admit_device::{Admission, AdmissionState, move_device, want_admission};
use crate::operations::issue_vouchers::read_code;
use crate::operations::plans_for_sale::{Offer, plans_for_sale};
use crate::reconcile::connect::connect;
use crate::web::Entrance;
use crate::web::portal::visit::Visit;
use lango_domain::access::Access;
use lango_domain::grant::{EndReason, State};
use lango_domain::ids::{GrantId, PlanId, RouterId};
use lango_domain::mac_address::MacAddress;
use lango_domain::money::Money;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::{Span, Timestamp};
use lango_store::grants::StoredGrant;
use lango_store::receipts::Receipt;
use lango_store::routers::Router;
use lango_store::sessions::Session;
use lango_store::tenants::Tenant;
use lango_store::{Error, Tx};
use std::net::IpAddr;

/// Where somebody is.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) router: Router,
    pub(crate) tenant: Tenant,
    pub(crate) help: Option<PhoneNumber>,
}

/// An access and everything a screen says of it.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    pub(crate) stored: StoredGrant,
    pub(crate) plan: String,
    pub(crate) code: Option<String>,
    /// Its sessions that last, at all sites.
    pub(crate) live: Vec<Session>,
    pub(crate) receipts: Vec<Receipt>,
}

/// A purchase of a device that is not settled, or was a moment ago.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) code: String,
    pub(crate) amount: Money,
    pub(crate) plan: PlanId,
    pub(crate) plan_name: String,
    pub(crate) phone: Option<PhoneNumber>,
    pub(crate) since: Timestamp,
    pub(crate) state: OrderState,
}

/// What became of the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderState {
    Waiting,
    Paid(GrantId),
    Failed(Refusal),
    /// Nobody heard anything; it may still come.
    Silent,
    /// A person has to look at it.
    Review,
}

/// Why a phone did not pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Cancelled,
    NoAnswer,
    LowBalance,
    WrongPin,
    Busy,
    Other,
}

/// Why no purchase began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotBegun {
    NoSuchPlan,
    NoGateway,
}

/// What became of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Redeemed {
    Good(GrantId),
    Not(WrongCode),
}

/// Why a code lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrongCode {
    /// It cannot be a code: somebody mistyped.
    Typing,
    /// It has a sign that no code has.
    NeverOurs,
    Unknown,
    Over,
    Unpaid,
    Barred,
    Paused,
    OtherSite,
}

/// What became of a receipt or a phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Good(GrantId),
    NotSeen,
    UsedUp,
    Review,
    /// Six digits went to that phone, if it ever paid here.
    Asked(PhoneNumber),
}

/// The site of a router; none if there is none.
pub(crate) async fn site(app: &App, router: RouterId) -> Result<Option<Site>, Error> {
    let look = async move |tx: &mut Tx<'_>| {
        let Some(router) = lango_store::routers::find(tx, router).await? else { return Ok(None) };
        let tenant = lango_store::tenants::one(tx, router.tenant).await?;
        Ok(Some(Site { router, tenant, help: None }))
    };
    app.store().read(look).await
}

/// What is sold at a site now.
pub(crate) async fn plans(app: &App, site: &Site, now: Timestamp) -> Result<Vec<Offer>, Error> {
    plans_for_sale(app, site.tenant.id, Some(site.router.id), now).await
}

/// The access by which a device is or was online last.
pub(crate) async fn of_device(
    app: &App,
    site: &Site,
    mac: MacAddress,
) -> Result<Option<GrantId>, Error> {
    let tenant = site.tenant.id;
    let look =
        async move |tx: &mut Tx<'_>| lango_store::sessions::grant_of_device(tx, tenant, mac).await;
    app.store().read(look).await
}

/// An access, if it is one of this site's business.
pub(crate) async fn holding(
    app: &App,
    site: &Site,
    grant: GrantId,
) -> Result<Option<Holding>, Error> {
    let tenant = site.tenant.id;
    let look = async move |tx: &mut Tx<'_>| {
        let stored = lango_store::grants::find(tx, grant).await?;
        let Some(stored) = stored.filter(|stored| stored.grant.tenant == tenant) else {
            return Ok(None);
        };
        let plan = lango_store::plans::one(tx, stored.grant.plan).await?.plan.name;
        let sessions = lango_store::sessions::of_grant(tx, grant, 20).await?;
        let live = sessions.into_iter().filter(|session| session.ended_at.is_none()).collect();
        let receipts = lango_store::receipts::of_grant(tx, grant).await?;
        let sealed = lango_store::grants::access(tx, grant).await?;
        Ok(Some((Holding { stored, plan, code: None, live, receipts }, sealed)))
    };
    let Some((holding, sealed)) = app.store().read(look).await? else { return Ok(None) };
    let code = match app.open_access(grant, &sealed)? {
        // Only a code is its own password, and may be shown as one.
        Access::Hotspot { name, password } if password.reveal() == name => Some(name),
        _ => None,
    };
    Ok(Some(Holding { code, ..holding }))
}

/// The purchase of a device at a site that a screen should speak of.
pub(crate) async fn order(
    _app: &App,
    _site: &Site,
    _visit: &Visit,
    _now: Timestamp,
) -> Result<Option<Order>, Error> {
    Ok(None)
}

/// Asks a phone for money.
pub(crate) async fn begin(
    _app: &App,
    _site: &Site,
    _visit: &Visit,
    _plan: PlanId,
    _phone: &PhoneNumber,
    _now: Timestamp,
) -> Result<Result<(), NotBegun>, Error> {
    Ok(Err(NotBegun::NoGateway))
}

/// What a code is good for here. Costs nothing: who calls it counts the mistakes.
pub(crate) async fn redeem(app: &App, site: &Site, typed: &str) -> Result<Redeemed, Error> {
    let Some(code) = read_code(typed) else { return Ok(Redeemed::Not(mistyped(typed))) };
    let (tenant, hash) = (site.tenant.id, app.hash_login("hotspot", &code));
    let look = async move |tx: &mut Tx<'_>| lango_store::grants::by_login(tx, tenant, &hash).await;
    let Some(stored) = app.store().read(look).await? else {
        return Ok(Redeemed::Not(WrongCode::Unknown));
    };
    let grant = stored.grant.id;
    if let Some(why) = closed(&stored, site) {
        return Ok(Redeemed::Not(why));
    }
    Ok(Redeemed::Good(grant))
}

fn mistyped(typed: &str) -> WrongCode {
    match typed.chars().any(|sign| matches!(sign.to_ascii_uppercase(), '0' | 'O' | '1' | 'I' | 'L'))
    {
        true => WrongCode::NeverOurs,
        false => WrongCode::Typing,
    }
}

/// Why an access lets nobody in; none if it does.
fn closed(stored: &StoredGrant, site: &Site) -> Option<WrongCode> {
    if stored.router.is_some_and(|only| only != site.router.id) {
        return Some(WrongCode::OtherSite);
    }
    match stored.grant.state {
        State::Ended { .. } => Some(WrongCode::Over),
        State::Suspended { .. } => Some(WrongCode::Barred),
        State::Paused { .. } => Some(WrongCode::Paused),
        _ if stored.grant.waits_for_money() => Some(WrongCode::Unpaid),
        _ => None,
    }
}

/// Whether an access may be online now, and so may be connected without asking.
pub(crate) fn is_good(holding: &Holding, site: &Site) -> bool {
    closed(&holding.stored, site).is_none()
}

/// Why an access is over; none if it is not.
pub(crate) fn end(holding: &Holding) -> Option<EndReason> {
    match holding.stored.grant.state {
        State::Ended { reason, .. } => Some(reason),
        _ => None,
    }
}

/// Finds what was paid, by a receipt's code or the phone that paid.
pub(crate) async fn recover(
    app: &App,
    site: &Site,
    typed: &str,
    _now: Timestamp,
) -> Result<Found, Error> {
    // A customer who has a voucher in hand is not to be sent to another page for it.
    match redeem(app, site, typed).await? {
        Redeemed::Good(grant) => return Ok(Found::Good(grant)),
        Redeemed::Not(_) => {}
    }
    let (tenant, receipt) = (site.tenant.id, typed.trim().to_ascii_uppercase());
    let _ = (tenant, receipt);
    Ok(Found::NotSeen)
}

/// Whether those are the digits that were sent to a phone, and what it has paid for.
pub(crate) async fn digits(
    _app: &App,
    _site: &Site,
    _phone: &PhoneNumber,
    _typed: &str,
    _now: Timestamp,
) -> Result<Option<Found>, Error> {
    Ok(None)
}

/// Has a device let in by an access, and says how far that has come. None without a device.
pub(crate) async fn want_in(
    app: &App,
    site: &Site,
    visit: &Visit,
    grant: GrantId,
    now: Timestamp,
) -> Result<Option<AdmissionState>, Error> {
    let Some(mac) = visit.mac else { return Ok(None) };
    let (tenant, router) = (site.tenant.id, site.router.id);
    let address = visit.address.map(IpAddr::V4);
    want_admission(app, Admission { tenant, router, grant, mac, address }, now).await.map(Some)
}

/// The same, and the device that has it now is to go.
pub(crate) async fn move_in(
    app: &App,
    site: &Site,
    visit: &Visit,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(mac) = visit.mac else { return Ok(()) };
    move_device(app, site.tenant.id, site.router.id, mac, now).await.map(drop)
}

/// Where a device is on its way in.
pub(crate) async fn admission(
    app: &App,
    site: &Site,
    visit: &Visit,
    now: Timestamp,
) -> Result<AdmissionState, Error> {
    let Some(mac) = visit.mac else { return Ok(AdmissionState::NotAsked) };
    operations::admit_device::admission(app, site.tenant.id, site.router.id, mac, now).await
}

/// Ends the sessions of an access: of one device, or of all. Its holder may come back.
pub(crate) async fn log_out(
    here: &Entrance,
    site: &Site,
    holding: &Holding,
    mac: Option<MacAddress>,
) -> Result<(), Error> {
    let Some(user) = &holding.code else { return Ok(()) };
    let tenant = site.tenant.id;
    let all = async move |tx: &mut Tx<'_>| lango_store::routers::of_tenant(tx, tenant).await;
    let routers = here.app.store().read(all).await?;
    let is_used = |router: &Router| {
        router.id == site.router.id
            || holding.live.iter().any(|session| session.router == router.id)
    };
    for router in routers.iter().filter(|router| is_used(router)) {
        let work = async {
            let mut driver = connect(&here.app, router, here.timeouts).await.ok()?;
            driver.log_out(user, mac).await.ok()
        };
        let _ = tokio::time::timeout(here.patience, work).await;
    }
    Ok(())
}

/// Whether a router has not answered for so long that people should be told.
pub(crate) fn is_down(site: &Site, now: Timestamp) -> bool {
    let quiet = site.router.last_contact_at.map(|at| now.since(at));
    site.router.last_error.is_some() && quiet.is_none_or(|quiet| quiet > Span::minutes(1))
}
