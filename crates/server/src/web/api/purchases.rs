//! Purchases: what customers were asked to pay by a provider, and what became of it. What came of
//! it is money; what that bought is a receipt.

use crate::cashier;
use crate::operations::begin_purchase::{NotBegun, Purchase as Order, begin_purchase, purchase};
use crate::operations::refund_payment::{NotRefunded, Way, refund_payment};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::list::{Limit, Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::sessions::AgeSort;
use crate::web::api::table::Paged;
use crate::web::api::words::{Line, Whole};
use crate::web::api::{check_customer, check_router, grants, plans};
use axum::http::StatusCode;
use lango_domain::ids::{
    CustomerId, GatewayId, GrantId, InboxId, PaymentId, PlanId, RouterId, TenantId,
};
use lango_domain::language::Language;
use lango_domain::money::Money;
use lango_domain::payment::PaymentState;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::payments::Payment;
use lango_store::{Tx, inbox, payments};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody was asked to pay.
#[derive(Serialize, JsonSchema, Debug)]
struct Purchase {
    id: PaymentId,
    gateway: GatewayId,
    /// Ours, which the payer reads
    reference: String,
    /// The provider's number of the question
    provider_id: Option<String>,
    state: PurchaseState,
    /// Why it failed: a word that stays the same
    failed_because: Option<String>,
    /// The provider's code and sentence, or why it was not given back
    provider_says: Option<String>,
    /// The provider's number of the money
    receipt: Option<String>,
    /// What does not fit, if a person is to decide
    misfit: Option<String>,
    plan: PlanId,
    amount: Money,
    phone: PhoneNumber,
    customer: Option<CustomerId>,
    /// What it renews; null is something new
    renews: Option<GrantId>,
    /// What it bought
    grant: Option<GrantId>,
    router: Option<RouterId>,
    created_at: Timestamp,
    /// When the phone was asked
    submitted_at: Option<Timestamp>,
    settled_at: Option<Timestamp>,
    /// When the provider is asked next what became of it
    next_attempt_at: Option<Timestamp>,
    last_error: Option<String>,
}

impl Shown for Purchase {}

/// Where it stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum PurchaseState {
    Created,
    Submitting,
    Pending,
    Paid,
    Failed,
    Expired,
    Review,
    Refunding,
    Refunded,
    RefundFailed,
}

impl PurchaseState {
    fn of(state: &PaymentState) -> PurchaseState {
        match state {
            PaymentState::Created => PurchaseState::Created,
            PaymentState::Submitting => PurchaseState::Submitting,
            PaymentState::Pending => PurchaseState::Pending,
            PaymentState::Paid { .. } => PurchaseState::Paid,
            PaymentState::Failed(_) => PurchaseState::Failed,
            PaymentState::Expired => PurchaseState::Expired,
            PaymentState::Review { .. } => PurchaseState::Review,
            PaymentState::Refunding { .. } => PurchaseState::Refunding,
            PaymentState::Refunded { .. } => PurchaseState::Refunded,
            PaymentState::RefundFailed { .. } => PurchaseState::RefundFailed,
        }
    }

    /// The word in the database.
    const fn word(self) -> &'static str {
        match self {
            PurchaseState::Created => "created",
            PurchaseState::Submitting => "submitting",
            PurchaseState::Pending => "pending",
            PurchaseState::Paid => "paid",
            PurchaseState::Failed => "failed",
            PurchaseState::Expired => "expired",
            PurchaseState::Review => "review",
            PurchaseState::Refunding => "refunding",
            PurchaseState::Refunded => "refunded",
            PurchaseState::RefundFailed => "refund_failed",
        }
    }
}

impl From<Payment> for Purchase {
    fn from(stored: Payment) -> Purchase {
        let (state, receipt) = (PurchaseState::of(&stored.state), stored.state.receipt());
        let receipt = receipt.map(str::to_owned);
        let (mut failed_because, mut provider_says, mut misfit) = (None, None, None);
        match stored.state {
            PaymentState::Failed(failure) => {
                failed_because = Some(crate::payments::word(failure.why));
                provider_says = Some(format!("{} {}", failure.code, failure.sentence));
            }
            PaymentState::RefundFailed { why, .. } => provider_says = Some(why),
            PaymentState::Review { why, .. } => misfit = Some(crate::payments::word(why)),
            _ => {}
        }
        Purchase {
            id: stored.id,
            gateway: stored.gateway,
            reference: stored.reference,
            provider_id: stored.provider_id,
            state,
            failed_because,
            provider_says,
            receipt,
            misfit,
            plan: stored.plan,
            amount: stored.amount,
            phone: stored.phone,
            customer: stored.customer,
            renews: stored.renews,
            grant: stored.grant,
            router: stored.router,
            created_at: stored.created_at,
            submitted_at: stored.submitted_at,
            settled_at: stored.settled_at,
            next_attempt_at: stored.next_attempt_at,
            last_error: stored.last_error,
        }
    }
}

/// What somebody was asked to pay, and all that his provider said of it.
#[derive(Serialize, JsonSchema, Debug)]
struct PurchaseWithLetters {
    #[serde(flatten)]
    purchase: Purchase,
    /// What the provider sent, in order, for 90 days
    letters: Vec<Letter>,
}

impl Shown for PurchaseWithLetters {}

/// A message of a provider.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "PaymentLetter")]
struct Letter {
    id: InboxId,
    received_at: Timestamp,
    /// By which of our addresses it came
    door: String,
    /// From which address
    source: String,
    /// As it came
    body: String,
    /// What became of it; null if it is still to be read
    outcome: Option<String>,
}

impl From<inbox::Letter> for Letter {
    fn from(stored: inbox::Letter) -> Letter {
        let inbox::Letter { id, received_at, door, source, body, outcome, .. } = stored;
        let body = String::from_utf8_lossy(&body).into_owned();
        Letter { id, received_at, door, source, body, outcome }
    }
}

/// What is to be bought.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct NewPurchase {
    plan: PlanId,
    /// Whose phone rings, as people write it
    phone: Line<30>,
    /// By whom; if nobody is named, the provider of the phone's network, else the business's first
    gateway: Option<GatewayId>,
    /// For whom; whoever has that phone if nobody is named
    customer: Option<CustomerId>,
    /// What it renews
    renews: Option<GrantId>,
    router: Option<RouterId>,
    language: Option<Language>,
}

/// How money goes back.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewRefund")]
struct RefundBody {
    /// Somebody has given it back already: the provider is not told
    #[serde(default)]
    by_hand: bool,
}

/// Which purchases are listed.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct PurchasesQuery {
    state: Option<PurchaseState>,
    sort: Option<AgeSort>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

impl Paged for PurchasesQuery {
    fn going_on(&self, cursor: Option<String>) -> PurchasesQuery {
        PurchasesQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

const TAG: &str = "purchases";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/purchases", "list_purchases")
        .about(TAG, "What customers were asked to pay, latest first");
    doors.open_list(list, async |ask: Ask<(), PurchasesQuery>| page(&ask).await);
    let show = Sign::get("/api/v1/purchases/{payment}", "show_purchase")
        .about(TAG, "One purchase and all that its provider said of it");
    doors.open(show, async |ask: Ask<PaymentId>| {
        let payment = one(&ask).await?;
        let id = payment.id;
        let letters = async move |tx: &mut Tx<'_>| inbox::of_payment(tx, id).await;
        let letters = ask.here.app.store().read(letters).await?;
        let letters = letters.into_iter().map(Letter::from).collect();
        Ok(Reply::ok(PurchaseWithLetters { purchase: payment.into(), letters }))
    });
    // One phone is asked one thing, so that a repetition finds the question without any key.
    let begin = Sign::run("/api/v1/purchases", "begin_purchase")
        .about(TAG, "Ask a phone for the price of a plan; asked twice it rings once")
        .answers_with(StatusCode::CREATED)
        .or(StatusCode::OK)
        .needs(Permission::Sell);
    doors.open(begin, async |ask: Ask<(), NoQuery, Json<NewPurchase>>| begin_one(&ask).await);
    let again = Sign::run("/api/v1/purchases/{payment}/ask", "ask_after_purchase")
        .about(TAG, "Ask the provider now what became of it; nobody is charged by it")
        .needs(Permission::Support);
    doors.open(again, async |ask: Ask<PaymentId>| {
        let payment = one(&ask).await?;
        cashier::ask_now(&ask.here.app, payment.id).await?;
        Ok(Reply::ok(Purchase::from(one(&ask).await?)))
    });
    let refund = Sign::run("/api/v1/purchases/{payment}/refund", "refund_purchase")
        .about(TAG, "Give the money back; what was bought by it ends first")
        .needs(Permission::Manage);
    doors.open(refund, async |ask: Ask<PaymentId, NoQuery, Json<RefundBody>>| {
        let way = if ask.body.0.by_hand { Way::ByHand } else { Way::ByProvider };
        let (app, whose) = (&ask.here.app, (ask.tenant(), ask.path));
        refund_payment(app, whose, way, ask.by(), ask.now()).await?;
        Ok(Reply::ok(Purchase::from(one(&ask).await?)))
    });
}

async fn one<Q, B>(ask: &Ask<PaymentId, Q, B, TenantId>) -> Result<Payment, Problem> {
    let found = purchase(&ask.here.app, ask.tenant(), ask.path).await?;
    found.ok_or_else(|| Problem::missing("purchase"))
}

async fn begin_one(ask: &Ask<(), NoQuery, Json<NewPurchase>>) -> Result<Reply<Purchase>, Problem> {
    let body = &ask.body.0;
    let tenant = plans::tenant(ask).await?;
    plans::one(ask, body.plan).await.map_err(|problem| problem.at("/plan"))?;
    check_customer(ask, body.customer).await?;
    check_router(ask, body.router).await?;
    if let Some(grant) = body.renews {
        grants::listed(ask, grant).await.map_err(|problem| problem.at("/renews"))?;
    }
    let phone = PhoneNumber::parse(&body.phone.0, tenant.country)
        .map_err(|error| Problem::invalid(error.to_string()).at("/phone"))?;
    let order = Order {
        tenant: tenant.id,
        plan: body.plan,
        gateway: body.gateway,
        phone,
        customer: body.customer,
        renews: body.renews,
        router: body.router,
        mac: None,
        address: None,
        language: body.language.unwrap_or(tenant.language),
    };
    let begun = begin_purchase(&ask.here.app, order, ask.now()).await?;
    let location = format!("/api/v1/purchases/{}", begun.payment.id);
    let status = if begun.already_open { StatusCode::OK } else { StatusCode::CREATED };
    Ok(Reply::ok(Purchase::from(begun.payment)).at(location).status(status))
}

async fn page(ask: &Ask<(), PurchasesQuery>) -> Result<Reply<Page<Purchase>>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let (order, state) = (AgeSort::order(query.sort), query.state);
    let place = Place::read("purchases", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<PaymentId>, limit: i64| {
        let store = store.clone();
        async move {
            let read = async move |tx: &mut Tx<'_>| {
                let state = state.map(PurchaseState::word);
                payments::listed(tx, tenant, state, order, from, limit).await
            };
            store.read(read).await
        }
    };
    let (rows, next) = walk(&place, true, read, |payment| payment.id, |_| true).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(Purchase::from).collect(), next)))
}

impl From<NotBegun> for Problem {
    fn from(error: NotBegun) -> Problem {
        match error {
            NotBegun::Store(error) => error.into(),
            other => Problem::conflict(other.to_string()),
        }
    }
}

impl From<NotRefunded> for Problem {
    fn from(error: NotRefunded) -> Problem {
        match error {
            NotRefunded::Lost(lost) => lost.into(),
            NotRefunded::Store(error) => error.into(),
            other => Problem::conflict(other.to_string()),
        }
    }
}
