//! Payments: what customers were asked for, and what became of it. The row is the queue: whoever
//! has a next attempt is asked for money or asked after.

use crate::{Error, FromRow, Order, Row, Sql, Topic, Tx, args, sql};
use lango_domain::ids::{CustomerId, GatewayId, GrantId, PaymentId, PlanId, RouterId, TenantId};
use lango_domain::language::Language;
use lango_domain::mac_address::MacAddress;
use lango_domain::money::Money;
use lango_domain::payment::PaymentState;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Timestamp;

/// An intent to pay, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payment {
    /// Its identity.
    pub id: PaymentId,
    /// Who is paid.
    pub tenant: TenantId,
    /// By which provider.
    pub gateway: GatewayId,
    /// Ours, shown to the payer.
    pub reference: String,
    /// The end of the path by which the provider speaks of it, sealed.
    pub door: Vec<u8>,
    /// The same, hashed.
    pub door_hash: Vec<u8>,
    /// The provider's number of the question.
    pub provider_id: Option<String>,
    /// Where it stands.
    pub state: PaymentState,
    /// What is bought.
    pub plan: PlanId,
    /// The price.
    pub amount: Money,
    /// Whose phone is asked.
    pub phone: PhoneNumber,
    /// Whether it may be ringing: it is asked nothing else then.
    pub rings: bool,
    /// For whom; none is whoever has the phone.
    pub customer: Option<CustomerId>,
    /// What it renews; none is a new grant.
    pub renews: Option<GrantId>,
    /// What it bought.
    pub grant: Option<GrantId>,
    /// At which router the customer waits.
    pub router: Option<RouterId>,
    /// With which device.
    pub mac: Option<MacAddress>,
    /// At which address there.
    pub address: Option<String>,
    /// In which language he is spoken to.
    pub language: Language,
    /// When it was intended.
    pub created_at: Timestamp,
    /// When the provider was asked for it; again, if it surely did not hear it.
    pub submitted_at: Option<Timestamp>,
    /// When it was paid, failed or given up.
    pub settled_at: Option<Timestamp>,
    /// When the provider is asked next.
    pub next_attempt_at: Option<Timestamp>,
    /// How often it was asked.
    pub attempt: i64,
    /// What was in the way last.
    pub last_error: Option<String>,
    /// Grows with every change.
    pub version: i64,
}

impl FromRow for Payment {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Payment {
            id: row.get(0)?,
            tenant: row.get(1)?,
            gateway: row.get(2)?,
            reference: row.get(3)?,
            door: row.get(4)?,
            door_hash: row.get(5)?,
            provider_id: row.get(6)?,
            state: crate::json::read("payments.standing", &row.get::<String>(7)?)?,
            plan: row.get(8)?,
            amount: Money::new(row.get(9)?, row.get(10)?),
            phone: row.get(11)?,
            customer: row.get(12)?,
            renews: row.get(13)?,
            grant: row.get(14)?,
            router: row.get(15)?,
            mac: row.get(16)?,
            address: row.get(17)?,
            language: row.get(18)?,
            created_at: row.get(19)?,
            submitted_at: row.get(20)?,
            settled_at: row.get(21)?,
            next_attempt_at: row.get(22)?,
            attempt: row.get(23)?,
            last_error: row.get(24)?,
            version: row.get(25)?,
            rings: row.get::<Option<String>>(26)?.is_some(),
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        sql!(
            "SELECT id, tenant_id, gateway_id, reference, door, door_hash, provider_id, standing, \
             plan_id, amount, currency, phone, customer_id, renews_id, grant_id, router_id, mac, \
             address, language, created_at, submitted_at, settled_at, next_attempt_at, attempt, \
             last_error, version, ringing FROM payments ",
            $rest
        )
    };
}

const INSERT: Sql = sql!(
    "INSERT INTO payments (id, tenant_id, gateway_id, reference, door, door_hash, state, standing, \
     plan_id, amount, currency, phone, customer_id, renews_id, router_id, mac, address, language, \
     created_at, next_attempt_at, ringing, attempt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
     $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, 0)"
);
const SAVE: Sql = sql!(
    "UPDATE payments SET provider_id = $1, state = $2, standing = $3, customer_id = $4, \
     grant_id = $5, renews_id = $6, submitted_at = $7, settled_at = $8, next_attempt_at = $9, \
     last_error = $10, ringing = $11, version = version + 1 WHERE id = $12 AND version = $13"
);
/// Steps from one gateway that has something due to the next, so that the length of a queue costs
/// nothing.
const WAITING: Sql = sql!(
    "WITH RECURSIVE gateway (id) AS (SELECT MIN(gateway_id) FROM payments WHERE next_attempt_at IS NOT NULL \
     UNION ALL SELECT (SELECT MIN(w.gateway_id) FROM payments w WHERE w.next_attempt_at IS NOT NULL \
     AND w.gateway_id > gateway.id) FROM gateway WHERE gateway.id IS NOT NULL) \
     SELECT id FROM (SELECT id, (SELECT MIN(w.next_attempt_at) FROM payments w WHERE w.next_attempt_at IS NOT NULL \
     AND w.gateway_id = gateway.id) AS due FROM gateway WHERE id IS NOT NULL) AS waiting \
     WHERE due <= $1 ORDER BY due, id"
);
const CLAIM: Sql = sql!(
    "WITH due AS (SELECT id FROM payments WHERE gateway_id = $1 AND next_attempt_at IS NOT NULL \
     AND next_attempt_at <= $2 ORDER BY next_attempt_at LIMIT $3",
    SKIP_LOCKED,
    ") UPDATE payments SET attempt = attempt + 1, next_attempt_at = $4, version = version + 1 \
     WHERE id IN (SELECT id FROM due) \
     RETURNING id"
);
const NEXT: Sql = sql!(
    "WITH RECURSIVE gateway (id) AS (SELECT MIN(gateway_id) FROM payments WHERE next_attempt_at IS NOT NULL \
     UNION ALL SELECT (SELECT MIN(w.gateway_id) FROM payments w WHERE w.next_attempt_at IS NOT NULL \
     AND w.gateway_id > gateway.id) FROM gateway WHERE gateway.id IS NOT NULL) \
     SELECT MIN(due) FROM (SELECT (SELECT MIN(w.next_attempt_at) FROM payments w WHERE w.next_attempt_at IS NOT NULL \
     AND w.gateway_id = gateway.id) AS due FROM gateway WHERE id IS NOT NULL) AS waiting"
);
const BY_ID: Sql = select!("WHERE id = $1");
const RINGING: Sql = select!("WHERE ringing = $1 AND tenant_id = $2");
const BY_PROVIDER_ID: Sql = select!("WHERE provider_id = $1 AND gateway_id = $2");
const BY_REFERENCE: Sql = select!("WHERE reference = $1 AND gateway_id = $2");
const OF_DEVICE: Sql = select!("WHERE router_id = $1 AND mac = $2 ORDER BY id DESC LIMIT 1");
const OF_PHONE: Sql = select!("WHERE phone = $1 AND tenant_id = $2 ORDER BY id DESC LIMIT $3");
const OF_GRANT: Sql = select!("WHERE grant_id = $1 ORDER BY id DESC LIMIT 50");
const PAGE: Sql = select!("WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
const PAGE_FORWARDS: Sql = select!("WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3");
const PAGE_IN_STATE: Sql =
    select!("WHERE tenant_id = $1 AND state = $2 AND id < $3 ORDER BY id DESC LIMIT $4");
const PAGE_IN_STATE_FORWARDS: Sql =
    select!("WHERE tenant_id = $1 AND state = $2 AND id > $3 ORDER BY id LIMIT $4");
const BY_STATE: Sql = sql!(
    "SELECT state, COUNT(*) FROM (SELECT state FROM payments WHERE tenant_id = $1 AND id > $2 \
     ORDER BY id LIMIT $3) AS lately GROUP BY state"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    BY_STATE,
    INSERT,
    SAVE,
    WAITING,
    CLAIM,
    NEXT,
    BY_ID,
    RINGING,
    BY_PROVIDER_ID,
    BY_REFERENCE,
    OF_DEVICE,
    OF_PHONE,
    OF_GRANT,
    PAGE,
    PAGE_FORWARDS,
    PAGE_IN_STATE,
    PAGE_IN_STATE_FORWARDS,
];

/// Keeps an intent.
pub async fn insert(tx: &mut Tx<'_>, payment: &Payment) -> Result<(), Error> {
    let p = payment;
    let (word, standing) = (p.state.word(), crate::json::write(&p.state));
    let ringing = p.rings.then_some(&p.phone);
    let Money { amount, currency } = p.amount;
    let row = args![
        p.id,
        p.tenant,
        p.gateway,
        p.reference,
        p.door,
        p.door_hash,
        word,
        standing,
        p.plan,
        amount,
        currency,
        p.phone,
        p.customer,
        p.renews,
        p.router,
        p.mac,
        p.address,
        p.language,
        p.created_at,
        p.next_attempt_at,
        ringing
    ];
    tx.execute(INSERT, &row).await?;
    tx.wake(Topic::Money);
    Ok(())
}

/// Writes a changed payment back. Its version must be as read and grows by one.
///
/// # Errors
/// [`Error::Retry`] if somebody else changed it meanwhile.
pub async fn save(tx: &mut Tx<'_>, payment: &Payment) -> Result<(), Error> {
    let p = payment;
    let (word, standing) = (p.state.word(), crate::json::write(&p.state));
    let ringing = p.rings.then_some(&p.phone);
    let row = args![
        p.provider_id,
        word,
        standing,
        p.customer,
        p.grant,
        p.renews,
        p.submitted_at,
        p.settled_at,
        p.next_attempt_at,
        p.last_error,
        ringing,
        p.id,
        p.version
    ];
    let rows = tx.execute(SAVE, &row).await?;
    if p.next_attempt_at.is_some() {
        tx.wake(Topic::Money);
    }
    crate::written_once(rows, "changing a payment")
}

/// The gateways that have something due, whoever waits longest first.
pub async fn waiting(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<GatewayId>, Error> {
    tx.all(WAITING, &args![now]).await
}

/// Claims a gateway's payments of which the provider is to be asked, until `lease`.
pub async fn claim(
    tx: &mut Tx<'_>,
    gateway: GatewayId,
    now: Timestamp,
    lease: Timestamp,
    limit: i64,
) -> Result<Vec<PaymentId>, Error> {
    tx.all(CLAIM, &args![gateway, now, limit, lease]).await
}

/// When a provider is to be asked next.
pub async fn next(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    tx.one(NEXT, &[]).await
}

/// One, if there is such a one.
pub async fn find(tx: &mut Tx<'_>, id: PaymentId) -> Result<Option<Payment>, Error> {
    tx.optional(BY_ID, &args![id]).await
}

/// The one by which a phone may be ringing.
pub async fn ringing(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    phone: &PhoneNumber,
) -> Result<Option<Payment>, Error> {
    tx.optional(RINGING, &args![phone, tenant]).await
}

/// The one that the provider calls so.
pub async fn by_provider_id(
    tx: &mut Tx<'_>,
    gateway: GatewayId,
    id: &str,
) -> Result<Option<Payment>, Error> {
    tx.optional(BY_PROVIDER_ID, &args![id, gateway]).await
}

/// The one that we call so.
pub async fn by_reference(
    tx: &mut Tx<'_>,
    gateway: GatewayId,
    reference: &str,
) -> Result<Option<Payment>, Error> {
    tx.optional(BY_REFERENCE, &args![reference, gateway]).await
}

/// The last one of a device at a router.
pub async fn of_device(
    tx: &mut Tx<'_>,
    router: RouterId,
    mac: &MacAddress,
) -> Result<Option<Payment>, Error> {
    tx.optional(OF_DEVICE, &args![router, mac]).await
}

/// The last ones of a phone, latest first.
pub async fn of_phone(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    phone: &PhoneNumber,
    limit: i64,
) -> Result<Vec<Payment>, Error> {
    tx.all(OF_PHONE, &args![phone, tenant, limit]).await
}

/// What was paid for a grant, latest first.
pub async fn of_grant(tx: &mut Tx<'_>, grant: GrantId) -> Result<Vec<Payment>, Error> {
    tx.all(OF_GRANT, &args![grant]).await
}

/// A business's payments, from the one given on, in one state or all.
pub async fn listed(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    state: Option<&str>,
    order: Order,
    from: Option<PaymentId>,
    limit: i64,
) -> Result<Vec<Payment>, Error> {
    use lango_domain::ids::Id;
    let from = from.unwrap_or(PaymentId::from_raw(order.beginning()));
    match (state, order) {
        (None, Order::Ascending) => tx.all(PAGE_FORWARDS, &args![tenant, from, limit]).await,
        (None, Order::Descending) => tx.all(PAGE, &args![tenant, from, limit]).await,
        (Some(state), Order::Ascending) => {
            tx.all(PAGE_IN_STATE_FORWARDS, &args![tenant, state, from, limit]).await
        }
        (Some(state), Order::Descending) => {
            tx.all(PAGE_IN_STATE, &args![tenant, state, from, limit]).await
        }
    }
}

/// How many of a business's payments after the one given are in which state.
pub async fn by_state(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    after: PaymentId,
) -> Result<Vec<(String, i64)>, Error> {
    const MOST: i64 = 100_000;
    tx.all(BY_STATE, &args![tenant, after, MOST]).await
}
