//! The one place where the portal meets the operations: what a screen has to know, and what a person
//! at a screen can have done. Screens call nothing else that reads or writes.

use crate::app::App;
use crate::messaging::notice::Notice;
use crate::messaging::{self, MessageOrder};
use crate::operations;
use crate::operations::accept_payment::is_read_from_a_phone;
use crate::operations::add_to_grant;
use crate::operations::admit_device::{Admission, AdmissionState, move_device, want_admission};
use crate::operations::asked::By;
use crate::operations::begin_purchase::{self, Purchase, begin_purchase, purchase_of_device};
use crate::operations::issue_vouchers::read_code;
use crate::operations::plans_for_sale::{self, Later, Offer};
use crate::operations::spend_wallet::{Buys, NotSpent, spend_wallet_as_shown};
use crate::operations::trials::{self, NotGiven, Taker, TrialWish, give_trial};
use crate::reconcile::connect::connect;
use crate::web::Entrance;
use crate::web::portal::visit::Visit;
use lango_domain::access::Access;
use lango_domain::grant::{EndReason, Presence, State};
use lango_domain::ids::{CustomerId, GatewayId, GrantId, PlanId, RouterId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::money::Money;
use lango_domain::payment::{FailureReason, PaymentState};
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::{Span, Timestamp};
use lango_store::grants::StoredGrant;
use lango_store::money_in::Fate;
use lango_store::payments::Payment;
use lango_store::receipts::Receipt;
use lango_store::routers::Router;
use lango_store::sessions::Session;
use lango_store::tenants::Tenant;
use lango_store::{Error, Tx};
use std::net::IpAddr;

/// How long a failure is what somebody comes back for.
const FAILED_FOR: Span = Span::minutes(10);
/// How long nobody is to pay again because nobody knows.
const SILENT_FOR: Span = Span::minutes(30);
/// How long a person may take to look at money.
const REVIEWED_FOR: Span = Span::days(1);
/// How long after a payment its phone's number alone is enough.
const FRESH: Span = Span::minutes(10);

/// How often a phone may be asked in vain before it is left in peace, and for how long: somebody
/// else's phone is not to ring all day because of us.
const IN_VAIN: (usize, Span) = (6, Span::minutes(10));

/// Where somebody is.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) router: Router,
    pub(crate) tenant: Tenant,
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
    pub(crate) gateway: GatewayId,
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
    /// The phone is being asked for something else, or was asked in vain too often.
    PhoneBusy,
    NotRenewable,
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
    /// The code of what that phone has paid for went to it, if it ever paid here.
    Asked(PhoneNumber),
}

/// The site of a router; none if there is none.
pub(crate) async fn site(app: &App, router: RouterId) -> Result<Option<Site>, Error> {
    let look = async move |tx: &mut Tx<'_>| {
        let Some(router) = lango_store::routers::find(tx, router).await? else { return Ok(None) };
        let tenant = lango_store::tenants::one(tx, router.tenant).await?;
        Ok(Some(Site { router, tenant }))
    };
    app.store().read(look).await
}

/// What is sold at a site, and by whom it is paid.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    pub(crate) offers: Vec<Offer>,
    /// What is sold at other hours.
    pub(crate) later: Vec<Later>,
    /// The providers that take the money; one is no choice.
    pub(crate) gateways: Vec<(GatewayId, String)>,
}

/// What is sold at a site now. A trial is left out where its device had it, or is not to be seen.
pub(crate) async fn shelf(
    app: &App,
    site: &Site,
    visit: &Visit,
    now: Timestamp,
) -> Result<Shelf, Error> {
    let (tenant, currency, router) = (site.tenant.id, site.tenant.currency, site.router.id);
    let mac = visit.mac;
    let look = async move |tx: &mut Tx<'_>| {
        let mut offers = Vec::new();
        for offer in plans_for_sale::offers(tx, tenant, Some(router), now).await? {
            if !offer.trial || may_try(tx, tenant, offer.plan, mac).await? {
                offers.push(offer);
            }
        }
        let later = plans_for_sale::later(tx, tenant, Some(router), now).await?;
        let mut gateways = lango_store::gateways::of_tenant(tx, tenant).await?;
        gateways.retain(|gateway| gateway.currency == currency);
        let gateways = gateways.into_iter().map(|gateway| (gateway.id, gateway.name)).collect();
        Ok(Shelf { offers, later, gateways })
    };
    app.store().read(look).await
}

async fn may_try(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    plan: PlanId,
    mac: Option<MacAddress>,
) -> Result<bool, Error> {
    let Some(mac) = mac else { return Ok(false) };
    trials::is_open_to(tx, tenant, plan, &Taker { mac: Some(mac), phone: None }).await
}

/// What became of the wish for a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    Given(GrantId),
    Had,
    /// The plan is no trial, or none here and now: it is for sale or it is not.
    No,
}

/// Gives a free trial, if the plan is one.
pub(crate) async fn try_out(
    app: &App,
    site: &Site,
    visit: &Visit,
    (plan, phone): (PlanId, &PhoneNumber),
    now: Timestamp,
) -> Result<Trial, Error> {
    let Some(mac) = visit.mac else { return Ok(Trial::No) };
    let (address, phone) = (visit.address.map(IpAddr::V4), phone.clone());
    let (tenant, router) = (site.tenant.id, site.router.id);
    match give_trial(app, TrialWish { tenant, plan, router, mac, address, phone }, now).await {
        Ok(grant) => Ok(Trial::Given(grant)),
        Err(NotGiven::NoTrial(_)) => Ok(Trial::Had),
        Err(NotGiven::NotOffered(_)) => Ok(Trial::No),
        Err(NotGiven::Store(error)) => Err(error),
    }
}

/// What a customer has with the business, and by which access of his he is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purse {
    customer: CustomerId,
    held: GrantId,
    pub(crate) holds: Money,
}

/// The wallet of who is there, if it holds anything. Only for who has shown what his own device
/// bought by his own phone: a code may have been given away, and a device's address anybody can name.
pub(crate) async fn purse(app: &App, site: &Site, visit: &Visit) -> Result<Option<Purse>, Error> {
    let (Some(held), Some(mac)) = (visit.holds, visit.mac) else { return Ok(None) };
    let (tenant, router, currency) = (site.tenant.id, site.router.id, site.tenant.currency);
    let look = async move |tx: &mut Tx<'_>| {
        let last = lango_store::payments::of_device(tx, router, &mac).await?;
        let his = last.filter(|payment| payment.grant == Some(held) && payment.state.has_money());
        let Some(customer) = his.and_then(|payment| payment.customer) else { return Ok(None) };
        let holds = lango_store::ledger::wallet(tx, tenant, customer, currency).await?;
        Ok((holds.amount > 0).then_some(Purse { customer, held, holds }))
    };
    app.store().read(look).await
}

/// What became of the wish to pay from a wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FromWallet {
    Bought(GrantId),
    /// It is not as it was shown: a second tap, mostly, whose first one bought.
    Changed,
    TooLittle,
    NoSuchPlan,
}

/// Pays a plan from the wallet of who is there: by the same rule as by phone.
pub(crate) async fn pay_from_wallet(
    app: &App,
    site: &Site,
    visit: &Visit,
    (plan, shown): (PlanId, i64),
    now: Timestamp,
) -> Result<FromWallet, Error> {
    let Some(purse) = purse(app, site, visit).await? else { return Ok(FromWallet::Changed) };
    let (tenant, router) = (site.tenant.id, site.router.id);
    let look = async move |tx: &mut Tx<'_>| {
        plans_for_sale::offer(tx, (tenant, plan), Some(router), now).await
    };
    if !app.store().read(look).await?.is_ok_and(|offer| !offer.trial) {
        return Ok(FromWallet::NoSuchPlan);
    }
    let held = added_to(app, site, purse.held, plan).await?;
    let what = held.map_or(Buys::New(plan), |held| Buys::OnTop(held, plan));
    let shown = Money::new(shown, purse.holds.currency);
    let whose = (tenant, purse.customer);
    match spend_wallet_as_shown(app, whose, what, shown, &By::payment(), now).await {
        Ok(spent) => Ok(FromWallet::Bought(spent.grant)),
        Err(NotSpent::TooLittle { .. }) => Ok(FromWallet::TooLittle),
        Err(NotSpent::Store(error)) => Err(error),
        Err(NotSpent::Changed { .. } | NotSpent::Reused(_)) => Ok(FromWallet::Changed),
        Err(
            NotSpent::Lost(_)
            | NotSpent::NotHis
            | NotSpent::NotOnSale
            | NotSpent::Bundle
            | NotSpent::Free
            | NotSpent::Refused(_),
        ) => Ok(FromWallet::NoSuchPlan),
    }
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

/// The purchase of a device at a site that a screen should speak of: what is open or settled lately.
pub(crate) async fn order(
    app: &App,
    site: &Site,
    visit: &Visit,
    now: Timestamp,
) -> Result<Option<Order>, Error> {
    let (router, Some(mac)) = (site.router.id, visit.mac) else { return Ok(None) };
    let look = async move |tx: &mut Tx<'_>| {
        let Some(payment) = lango_store::payments::of_device(tx, router, &mac).await? else {
            return Ok(None);
        };
        let plan = lango_store::plans::one(tx, payment.plan).await?.plan.name;
        Ok(Some((payment, plan)))
    };
    let Some((payment, plan_name)) = app.store().read(look).await? else { return Ok(None) };
    let Some(state) = as_order(&payment, now) else { return Ok(None) };
    Ok(Some(Order {
        code: payment.reference,
        amount: payment.amount,
        plan: payment.plan,
        plan_name,
        gateway: payment.gateway,
        phone: Some(payment.phone),
        since: payment.created_at,
        state,
    }))
}

/// The phone that paid for a device at a site, or was asked to, last.
pub(crate) async fn known_phone(
    app: &App,
    site: &Site,
    visit: &Visit,
) -> Result<Option<PhoneNumber>, Error> {
    let Some(mac) = visit.mac else { return Ok(None) };
    let last = purchase_of_device(app, site.tenant.id, site.router.id, mac).await?;
    Ok(last.map(|payment| payment.phone))
}

/// What a screen says of a payment; none once nobody waits for it any more.
fn as_order(payment: &Payment, now: Timestamp) -> Option<OrderState> {
    let age = now.since(payment.created_at);
    match (&payment.state, payment.grant) {
        (PaymentState::Paid { .. }, Some(grant)) => Some(OrderState::Paid(grant)),
        // Somebody put it into the customer's wallet: there is nothing to wait for.
        (PaymentState::Paid { .. }, None) => None,
        (state, _) if state.is_open() => Some(OrderState::Waiting),
        (PaymentState::Failed(failure), _) => {
            (age < FAILED_FOR).then(|| OrderState::Failed(refusal(failure.why)))
        }
        (PaymentState::Expired, _) => (age < SILENT_FOR).then_some(OrderState::Silent),
        (PaymentState::Review { .. }, _) => (age < REVIEWED_FOR).then_some(OrderState::Review),
        _ => None,
    }
}

fn refusal(why: FailureReason) -> Refusal {
    match why {
        FailureReason::Cancelled => Refusal::Cancelled,
        FailureReason::NoAnswer | FailureReason::Expired | FailureReason::NotDelivered => {
            Refusal::NoAnswer
        }
        FailureReason::NotEnoughMoney => Refusal::LowBalance,
        FailureReason::WrongPin => Refusal::WrongPin,
        FailureReason::Busy | FailureReason::TooSoon => Refusal::Busy,
        FailureReason::OverLimit
        | FailureReason::Locked
        | FailureReason::Setup
        | FailureReason::Refused => Refusal::Other,
    }
}

/// Asks a phone for money. It is added to what the browser holds, or else to what that phone paid for
/// on this device as long as it lasts; if that does not take it, it buys something new.
pub(crate) async fn begin(
    app: &App,
    site: &Site,
    visit: &Visit,
    (plan, gateway): (PlanId, Option<GatewayId>),
    phone: &PhoneNumber,
    now: Timestamp,
) -> Result<Result<(), NotBegun>, Error> {
    if is_left_in_peace(app, site, phone, now).await? {
        return Ok(Err(NotBegun::PhoneBusy));
    }
    let held = match visit.holds {
        Some(held) => Some(held),
        None => paid_by_that_phone(app, site, visit, phone).await?,
    };
    let renews = match held {
        Some(held) => added_to(app, site, held, plan).await?,
        None => None,
    };
    let purchase = Purchase {
        tenant: site.tenant.id,
        plan,
        gateway,
        phone: phone.clone(),
        customer: None,
        renews,
        router: Some(site.router.id),
        mac: visit.mac,
        address: visit.address.map(|address| address.to_string()),
        language: visit.language,
    };
    match begin_purchase(app, purchase, now).await {
        Ok(_) => Ok(Ok(())),
        Err(begin_purchase::NotBegun::Store(error)) => Err(error),
        Err(begin_purchase::NotBegun::NoGateway(_)) => Ok(Err(NotBegun::NoGateway)),
        Err(begin_purchase::NotBegun::Busy(_)) => Ok(Err(NotBegun::PhoneBusy)),
        Err(begin_purchase::NotBegun::NotOffered(_) | begin_purchase::NotBegun::Free) => {
            Ok(Err(NotBegun::NoSuchPlan))
        }
        Err(begin_purchase::NotBegun::NotRenewable) => Ok(Err(NotBegun::NotRenewable)),
    }
}

/// What is held, if a purchase of that plan is added to it.
async fn added_to(
    app: &App,
    site: &Site,
    held: GrantId,
    plan: PlanId,
) -> Result<Option<GrantId>, Error> {
    let (tenant, router) = (site.tenant.id, site.router.id);
    let look =
        async move |tx: &mut Tx<'_>| add_to_grant::added_to(tx, tenant, (held, router), plan).await;
    app.store().read(look).await
}

/// Whether everything that is offered would be added to what is held.
pub(crate) async fn takes_all(
    app: &App,
    site: &Site,
    held: GrantId,
    offers: &[Offer],
) -> Result<bool, Error> {
    let (tenant, router) = (site.tenant.id, site.router.id);
    let sold: Vec<PlanId> =
        offers.iter().filter(|offer| !offer.trial).map(|offer| offer.plan).collect();
    let look = async move |tx: &mut Tx<'_>| {
        for plan in &sold {
            let taken = add_to_grant::added_to(tx, tenant, (held, router), *plan).await?;
            if taken.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    };
    app.store().read(look).await
}

/// Whether a phone was asked so often lately, and did not pay, that it is not asked again. Counted are
/// questions, not taps; and whoever pays may pay as often as he likes.
async fn is_left_in_peace(
    app: &App,
    site: &Site,
    phone: &PhoneNumber,
    now: Timestamp,
) -> Result<bool, Error> {
    let (tenant, phone, (often, lately)) = (site.tenant.id, phone.clone(), IN_VAIN);
    let look = async move |tx: &mut Tx<'_>| {
        lango_store::payments::of_phone(tx, tenant, &phone, often as i64).await
    };
    let last = app.store().read(look).await?;
    let in_vain =
        |payment: &&Payment| now.since(payment.created_at) < lately && !payment.state.has_money();
    Ok(last.iter().filter(in_vain).count() >= often)
}

/// Whoever pays again by the phone that paid before means what he has: a second access would run out
/// beside the first. No proof is needed to pay for it.
async fn paid_by_that_phone(
    app: &App,
    site: &Site,
    visit: &Visit,
    phone: &PhoneNumber,
) -> Result<Option<GrantId>, Error> {
    let Some(mac) = visit.mac else { return Ok(None) };
    let last = purchase_of_device(app, site.tenant.id, site.router.id, mac).await?;
    let last = last.filter(|payment| payment.phone == *phone);
    // A second tap finds the question that is open.
    let Some(grant) = last.and_then(|payment| payment.grant.or(payment.renews)) else {
        return Ok(None);
    };
    let holding = holding(app, site, grant).await?;
    Ok(holding.filter(|holding| is_good(holding, site)).map(|_| grant))
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
    visit: &Visit,
    typed: &str,
    now: Timestamp,
) -> Result<Found, Error> {
    // A customer who has a voucher in hand is not to be sent to another page for it.
    match redeem(app, site, typed).await? {
        Redeemed::Good(grant) => return Ok(Found::Good(grant)),
        Redeemed::Not(_) => {}
    }
    if let Some(found) = by_receipt(app, site, typed).await? {
        return Ok(found);
    }
    match PhoneNumber::parse(typed, site.tenant.country) {
        Ok(phone) => by_phone(app, site, visit, phone, now).await,
        Err(_) => Ok(Found::NotSeen),
    }
}

/// A receipt is one claim to one access, however often it is shown.
async fn by_receipt(app: &App, site: &Site, typed: &str) -> Result<Option<Found>, Error> {
    let (tenant, receipt) = (site.tenant.id, typed.trim().to_ascii_uppercase());
    let look = async move |tx: &mut Tx<'_>| {
        lango_store::money_in::by_any_receipt(tx, tenant, &receipt).await
    };
    // Who writes receipts himself numbers them, and the next number is guessed.
    let money = app.store().read(look).await?;
    let Some(money) = money.filter(|money| is_read_from_a_phone(&money.provider)) else {
        return Ok(None);
    };
    match (money.grant, money.fate) {
        (Some(grant), _) => good_or_used_up(app, site, grant).await.map(Some),
        (None, Fate::Waiting(_)) => Ok(Some(Found::Review)),
        (None, _) => Ok(Some(Found::UsedUp)),
    }
}

async fn good_or_used_up(app: &App, site: &Site, grant: GrantId) -> Result<Found, Error> {
    let holding = holding(app, site, grant).await?;
    let good = holding.is_some_and(|holding| is_good(&holding, site));
    Ok(if good { Found::Good(grant) } else { Found::UsedUp })
}

/// What a phone has paid just now and nobody has used goes to who stands here with the number. For
/// anything older the phone itself has to be shown: it is sent the code. Whether it was is not said,
/// or everybody could ask who buys here.
async fn by_phone(
    app: &App,
    site: &Site,
    visit: &Visit,
    phone: PhoneNumber,
    now: Timestamp,
) -> Result<Found, Error> {
    let (tenant, payer) = (site.tenant.id, phone.clone());
    let look =
        async move |tx: &mut Tx<'_>| lango_store::payments::of_phone(tx, tenant, &payer, 10).await;
    let mut good = None;
    for payment in app.store().read(look).await? {
        let Some(grant) = payment.grant.filter(|_| payment.state.has_money()) else { continue };
        let Some(holding) = holding(app, site, grant).await? else { continue };
        if !is_good(&holding, site) {
            continue;
        }
        let fresh = payment.settled_at.is_some_and(|at| now.since(at) < FRESH);
        if fresh && holding.stored.grant.presence == Presence::Never {
            return Ok(Found::Good(grant));
        }
        good = good.or(Some(grant));
    }
    if let Some(grant) = good {
        send_code(app, visit, (tenant, grant), phone.clone(), now).await?;
    }
    Ok(Found::Asked(phone))
}

/// Sends what opens an access to the phone that paid for it: once in ten minutes, whoever asks.
async fn send_code(
    app: &App,
    visit: &Visit,
    (tenant, grant): (TenantId, GrantId),
    recipient: PhoneNumber,
    now: Timestamp,
) -> Result<(), Error> {
    let (desk, language) = (app.clone(), Some(visit.language));
    let window = now.micros() / FRESH.micros();
    let order = async move |tx: &mut Tx<'_>| {
        let once_key = format!("{grant} resume code {window}");
        let (recipient, grant) = (recipient.clone(), Some(grant));
        let text = Notice::ResumeCode;
        let order = MessageOrder { tenant, recipient, language, grant, once_key, text };
        messaging::queue(tx, &desk, order, now).await
    };
    app.store().write(order).await.map(drop)
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
