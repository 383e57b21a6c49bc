//! A customer wants to buy: the intent is kept before anybody is asked for money.
//!
//! One phone is asked one thing at a time, and that is a rule of the table: a second tap, a second
//! tab or a second node finds the first question instead of asking again.

use crate::app::App;
use crate::operations::asked::{self, Actor, Entry};
use crate::operations::issue_vouchers::{CodeLength, new_code};
use crate::operations::plans_for_sale::{self, NotOffered};
use crate::payments::network;
use lango_domain::grant::State;
use lango_domain::ids::{CustomerId, GatewayId, GrantId, PaymentId, PlanId, RouterId, TenantId};
use lango_domain::language::Language;
use lango_domain::mac_address::MacAddress;
use lango_domain::payment::PaymentState;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::{Span, Timestamp};
use lango_store::gateways::Gateway;
use lango_store::payments::Payment;
use lango_store::{Error, Tx};
use ring::rand::{SecureRandom, SystemRandom};

/// How long a phone may be ringing: providers stop asking after a minute or so.
pub const RINGS_FOR: Span = Span::seconds(90);

/// What somebody wants to buy.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// Of whom.
    pub tenant: TenantId,
    /// What.
    pub plan: PlanId,
    /// By which provider; none is the one of the phone's own network, else the business's first.
    pub gateway: Option<GatewayId>,
    /// Whose phone is asked for the money.
    pub phone: PhoneNumber,
    /// For whom; none is whoever has that phone.
    pub customer: Option<CustomerId>,
    /// What it renews; none is a new access.
    pub renews: Option<GrantId>,
    /// At which router he waits.
    pub router: Option<RouterId>,
    /// With which device.
    pub mac: Option<MacAddress>,
    /// At which address there.
    pub address: Option<String>,
    /// In which language he is spoken to.
    pub language: Language,
}

/// A purchase that was begun, now or a moment ago.
#[derive(Clone, Debug)]
pub struct Begun {
    /// It.
    pub payment: Payment,
    /// Whether the phone was being asked already.
    pub already_open: bool,
}

/// Why a purchase cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// The plan is not sold here or now.
    #[error(transparent)]
    NotOffered(#[from] NotOffered),
    /// Nobody takes money.
    #[error("no payment provider is set up for {0}: `lango payment gateway add` adds one")]
    NoGateway(lango_domain::money::Currency),
    /// A trial costs nothing.
    #[error("this plan costs nothing: it is not paid for")]
    Free,
    /// The phone is being asked for something else.
    #[error("this phone is being asked for another payment: answer that first")]
    Busy(PaymentId),
    /// What is to be renewed is not his, or was closed; or it is a bundle that is bought.
    #[error("this access cannot be renewed by that: buy a new one")]
    NotRenewable,
    /// The database.
    #[error("beginning a purchase")]
    Store(#[from] Error),
}

/// Begins a purchase. The payer's phone rings a moment later.
///
/// # Errors
/// See [`NotBegun`].
pub async fn begin_purchase(
    app: &App,
    purchase: Purchase,
    now: Timestamp,
) -> Result<Begun, NotBegun> {
    match try_to_begin(app, &purchase, now).await {
        // Somebody else asked that phone at the same moment: the second look finds his question.
        Err(NotBegun::Store(Error::Conflict { .. })) => try_to_begin(app, &purchase, now).await,
        outcome => outcome,
    }
}

async fn try_to_begin(app: &App, purchase: &Purchase, now: Timestamp) -> Result<Begun, NotBegun> {
    let (desk, purchase) = (app.clone(), purchase.clone());
    app.store().attempt(async move |tx: &mut Tx<'_>| begin(tx, &desk, &purchase, now).await).await?
}

async fn begin(
    tx: &mut Tx<'_>,
    app: &App,
    purchase: &Purchase,
    now: Timestamp,
) -> Result<Result<Begun, NotBegun>, Error> {
    let Purchase { tenant, plan, router, .. } = *purchase;
    if let Some(open) = lango_store::payments::ringing(tx, tenant, &purchase.phone).await? {
        // A question that was left lying rings from when it went out.
        if now.since(open.submitted_at.unwrap_or(open.created_at)) < RINGS_FOR {
            let is_same =
                (open.plan, open.mac, open.renews) == (plan, purchase.mac, purchase.renews);
            return Ok(if is_same {
                Ok(Begun { payment: open, already_open: true })
            } else {
                Err(NotBegun::Busy(open.id))
            });
        }
        let quiet = Payment { rings: false, ..open };
        lango_store::payments::save(tx, &quiet).await?;
    }
    let offer = match plans_for_sale::offer(tx, (tenant, plan), router, now).await? {
        Ok(offer) => offer,
        Err(why) => return Ok(Err(why.into())),
    };
    if offer.trial || offer.price.amount <= 0 {
        return Ok(Err(NotBegun::Free));
    }
    // A bundle is so many vouchers, and none of them is another period of something.
    if let Some(grant) = purchase.renews
        && (offer.vouchers.get() > 1 || !is_renewable(tx, tenant, grant).await?)
    {
        return Ok(Err(NotBegun::NotRenewable));
    }
    let gateways = lango_store::gateways::of_tenant(tx, tenant).await?;
    let takes = |gateway: &&Gateway| {
        gateway.currency == offer.price.currency
            && purchase.gateway.is_none_or(|wanted| wanted == gateway.id)
    };
    let rank = |gateway: &&Gateway| network::rank(&gateway.provider, &purchase.phone);
    let Some(gateway) = gateways.iter().filter(takes).min_by_key(rank) else {
        return Ok(Err(NotBegun::NoGateway(offer.price.currency)));
    };
    let payment = intent(app, purchase, gateway.id, offer.price, now);
    lango_store::payments::insert(tx, &payment).await?;
    let detail = format!("{} for {}, {}", payment.amount, offer.name, payment.reference);
    let entry =
        Entry { grant: payment.renews, router, ..Entry::of(tenant, "purchase begun", detail) };
    asked::account(tx, app, &Actor::Payment, entry, now).await?;
    Ok(Ok(Begun { payment, already_open: false }))
}

async fn is_renewable(tx: &mut Tx<'_>, tenant: TenantId, grant: GrantId) -> Result<bool, Error> {
    let found = lango_store::grants::find(tx, grant).await?;
    Ok(found.is_some_and(|stored| {
        let closed = matches!(
            stored.grant.state,
            State::Ended { reason: lango_domain::grant::EndReason::Terminated, .. }
        );
        stored.grant.tenant == tenant && !closed
    }))
}

fn intent(
    app: &App,
    purchase: &Purchase,
    gateway: GatewayId,
    amount: lango_domain::money::Money,
    now: Timestamp,
) -> Payment {
    let (id, door) = (app.id(now), new_door());
    Payment {
        id,
        tenant: purchase.tenant,
        gateway,
        reference: new_code(CodeLength::Eight),
        door: app.seal_door(&id.to_string(), &door),
        door_hash: app.door_hash(&door),
        provider_id: None,
        state: PaymentState::Created,
        plan: purchase.plan,
        amount,
        phone: purchase.phone.clone(),
        rings: true,
        customer: purchase.customer,
        renews: purchase.renews,
        grant: None,
        router: purchase.router,
        mac: purchase.mac,
        address: purchase.address.clone(),
        language: purchase.language,
        created_at: now,
        submitted_at: None,
        settled_at: None,
        next_attempt_at: Some(now),
        attempt: 0,
        last_error: None,
        version: 1,
    }
}

/// The secret end of a path: 128 bits. Hexadecimal, because Daraja refuses addresses with words
/// like `exe`, `cmd` or `sql` in them, and none of those can be written in these digits.
pub(crate) fn new_door() -> String {
    let mut bytes = [0u8; 16];
    // An operating system without randomness cannot run TLS or anything else of ours either.
    SystemRandom::new().fill(&mut bytes).expect("the operating system has random numbers");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The last purchase of a device at a router, as it stands.
///
/// # Errors
/// A fault of the store.
pub async fn purchase_of_device(
    app: &App,
    tenant: TenantId,
    router: RouterId,
    mac: MacAddress,
) -> Result<Option<Payment>, Error> {
    let found = app
        .store()
        .read(async move |tx: &mut Tx<'_>| lango_store::payments::of_device(tx, router, &mac).await)
        .await?;
    Ok(found.filter(|payment| payment.tenant == tenant))
}

/// One purchase, for whoever holds its id.
///
/// # Errors
/// A fault of the store.
pub async fn purchase(
    app: &App,
    tenant: TenantId,
    id: PaymentId,
) -> Result<Option<Payment>, Error> {
    let found = app
        .store()
        .read(async move |tx: &mut Tx<'_>| lango_store::payments::find(tx, id).await)
        .await?;
    Ok(found.filter(|payment| payment.tenant == tenant))
}
