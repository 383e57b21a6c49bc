//! Payments: receipts, each of which was turned into access once.

use crate::operations::accept_payment::{Accepted, Payment, accept_payment};
use crate::web::api::door::{Ask, Doors, Json, Reply, Shown, Sign};
use crate::web::api::grants::{Grant, Wait, acted, listed};
use crate::web::api::list::{Limit, Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::sessions::AgeSort;
use crate::web::api::table::Paged;
use crate::web::api::words::{Line, Whole};
use axum::http::StatusCode;
use lango_domain::ids::{GrantId, Id, ReceiptId};
use lango_domain::money::Money;
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::{Tx, receipts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A receipt that was turned into access.
#[derive(Serialize, JsonSchema, Debug)]
struct Receipt {
    id: ReceiptId,
    /// Who says so: cash, mpesa …
    provider: String,
    /// The provider's own reference
    receipt: String,
    grant: GrantId,
    amount: Money,
    paid_at: Timestamp,
}

impl Shown for Receipt {}

impl From<receipts::Receipt> for Receipt {
    fn from(stored: receipts::Receipt) -> Receipt {
        let receipts::Receipt { id, provider, receipt, grant, amount, paid_at, .. } = stored;
        Receipt { id: ReceiptId::from_raw(id), provider, receipt, grant, amount, paid_at }
    }
}

/// Money that somebody took.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct NewPayment {
    grant: GrantId,
    /// The number on the receipt; the same one twice counts once
    receipt: Line<100>,
    /// Who gave it; cash if nobody is named
    provider: Option<Line<30>>,
    /// How much; the plan's price if nothing is said. Less is kept in the customer's wallet until it
    /// is enough, what is more stays there
    amount: Option<Money>,
}

/// What became of a payment.
#[derive(Serialize, JsonSchema, Debug)]
struct Paid {
    /// Whether it counted now; false if the receipt had counted before
    accepted: bool,
    amount: Money,
    /// What is in the customer's wallet, if it was less than the price and bought nothing yet
    credited: Option<Money>,
    grant: Grant,
    /// Whether every router holds what it should
    confirmed: bool,
}

impl Shown for Paid {}

/// Which receipts are listed.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct PaymentsQuery {
    grant: Option<GrantId>,
    provider: Option<Line<30>>,
    sort: Option<AgeSort>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

impl Paged for PaymentsQuery {
    fn going_on(&self, cursor: Option<String>) -> PaymentsQuery {
        PaymentsQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

const TAG: &str = "payments";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/payments", "list_payments").about(TAG, "Receipts");
    doors.open_list(list, async |ask: Ask<(), PaymentsQuery>| page(&ask).await);
    let show = Sign::get("/api/v1/payments/{receipt}", "show_payment").about(TAG, "One receipt");
    doors.open(show, async |ask: Ask<ReceiptId>| {
        let (tenant, id) = (ask.tenant(), ask.path.raw());
        let find = async move |tx: &mut Tx<'_>| receipts::by_id(tx, tenant, id).await;
        let found = ask.here.app.store().read(find).await?;
        found
            .map(|receipt| Reply::ok(Receipt::from(receipt)))
            .ok_or_else(|| Problem::missing("receipt"))
    });
    let pay = Sign::make("/api/v1/payments", "add_payment")
        .about(TAG, "Record money: it starts or renews what it was paid for, once per receipt")
        .needs(Permission::Sell)
        .or(StatusCode::OK);
    doors.open(pay, async |ask: Ask<(), Wait, Json<NewPayment>>| pay_one(&ask).await);
}

async fn pay_one(ask: &Ask<(), Wait, Json<NewPayment>>) -> Result<Reply<Paid>, Problem> {
    let NewPayment { grant, receipt, provider, amount } = &ask.body.0;
    let at_grant = |problem: Problem| problem.at("/grant");
    let found = listed(ask, *grant).await.map_err(at_grant)?;
    let price = super::plans::one(ask, found.stored.grant.plan).await?.plan.price;
    let tenant = super::plans::tenant(ask).await?;
    let amount = match amount {
        Some(amount) => super::plans::own_money(*amount, &tenant)?,
        None => price,
    };
    let provider = provider.as_ref().map_or("cash", |provider| provider.0.trim());
    let payment = Payment {
        tenant: tenant.id,
        grant: *grant,
        provider: provider.to_owned(),
        receipt: receipt.0.trim().to_owned(),
        amount,
    };
    let (accepted, credited) = match accept_payment(&ask.here.app, payment, ask.by(), ask.now())
        .await?
    {
        Accepted::Now(_) => (true, None),
        Accepted::Credited { balance, .. } => (true, Some(balance)),
        Accepted::Already(other) if other == *grant => (false, None),
        Accepted::Already(other) => {
            let detail = format!("this receipt paid for {other} already: nothing changed");
            return Err(Problem::conflict(detail).at("/receipt"));
        }
        Accepted::Elsewhere(fate) => {
            let fate = fate.word().replace('_', " ");
            let detail = format!("this receipt was {fate} already: nothing changed");
            return Err(Problem::conflict(detail).at("/receipt"));
        }
        Accepted::GoesBack => {
            let detail = "this money is on its way back to its payer: nothing changed";
            return Err(Problem::conflict(detail.to_owned()).at("/receipt"));
        }
        Accepted::Unfit(_) => {
            let detail =
                format!("the price is {price}, and this is nobody's: there is no wallet for less");
            return Err(Problem::conflict(detail).at("/amount"));
        }
        Accepted::Refused(refusal) => return Err(Problem::conflict(refusal.to_string())),
    };
    let acted = acted(ask, *grant).await?.into_body();
    let acted = acted.ok_or_else(Problem::ours)?;
    let status = if accepted { StatusCode::CREATED } else { StatusCode::OK };
    let paid = Paid { accepted, amount, credited, grant: acted.grant, confirmed: acted.confirmed };
    Ok(Reply::ok(paid).status(status))
}

async fn page(ask: &Ask<(), PaymentsQuery>) -> Result<Reply<Page<Receipt>>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let order = AgeSort::order(query.sort);
    let place = Place::read("payments", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<i64>, limit: i64| {
        let store = store.clone();
        async move {
            let read =
                async move |tx: &mut Tx<'_>| receipts::listed(tx, tenant, order, from, limit).await;
            store.read(read).await
        }
    };
    let keep = |receipt: &receipts::Receipt| {
        query.grant.is_none_or(|grant| grant == receipt.grant)
            && query.provider.as_ref().is_none_or(|provider| provider.0 == receipt.provider)
    };
    let keeps_all = query.grant.is_none() && query.provider.is_none();
    let (rows, next) = walk(&place, keeps_all, read, |receipt| receipt.id, keep).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(Receipt::from).collect(), next)))
}
