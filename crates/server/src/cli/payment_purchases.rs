//! `lango payment purchases|show|ask|refund|letters`: what customers were asked to pay, and what
//! providers said of it.

use super::desk::Desk;
use super::output::{Shape, json, line, printed, shown};
use super::table::Table;
use crate::cashier;
use crate::operations::asked::By;
use crate::operations::begin_purchase::purchase;
use crate::operations::refund_payment::{Way, refund_payment};
use anyhow::{anyhow, bail};
use lango_domain::ids::{PaymentId, TenantId};
use lango_domain::payment::PaymentState;
use lango_store::inbox::Letter;
use lango_store::payments::Payment;
use lango_store::{Order, Tx};
use serde_json::{Value, json as value};
use std::process::ExitCode;

const STATES: [&str; 10] = [
    "created",
    "submitting",
    "pending",
    "paid",
    "failed",
    "expired",
    "review",
    "refunding",
    "refunded",
    "refund_failed",
];

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango payment purchases --open\n  \
                        lango payment purchases --state failed --last 20\n  \
                        lango payment purchases --last 100000 --csv > purchases.csv")]
pub(super) struct PurchasesArguments {
    /// Only those that stand there
    #[arg(long, value_name = "STATE", value_parser = STATES, hide_possible_values = true)]
    state: Option<String>,
    /// Only those that may still be paid
    #[arg(long, conflicts_with = "state")]
    open: bool,
    /// How many
    #[arg(long, value_name = "COUNT", default_value = "100",
          value_parser = clap::value_parser!(i64).range(1..=100_000))]
    last: i64,
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango payment show K7M2XQ4R\n  \
                        lango payment ask K7M2XQ4R")]
pub(super) struct WhichArguments {
    /// Its reference or id
    purchase: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango payment refund K7M2XQ4R\n  \
                        lango payment refund K7M2XQ4R --by-hand")]
pub(super) struct RefundArguments {
    /// Its reference or id
    purchase: String,
    /// You have paid it back already: the provider is not told to
    #[arg(long)]
    by_hand: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango payment letters --last 20\n  \
                        lango payment letters --json")]
pub(super) struct LettersArguments {
    /// How many
    #[arg(long, value_name = "COUNT", default_value = "50",
          value_parser = clap::value_parser!(i64).range(1..=10_000))]
    last: i64,
    #[command(flatten)]
    shape: Shape,
}

/// The word, and what stands behind it.
fn standing(state: &PaymentState) -> String {
    let word = state.word().replace('_', " ");
    match state {
        PaymentState::Failed(failure) => format!("{word}: {}", failure.why.word()),
        PaymentState::Review { why, .. } => format!("{word}: {}", why.word()),
        PaymentState::RefundFailed { why, .. } => format!("{word}: {why}"),
        _ => word,
    }
}

fn as_json(payment: &Payment) -> Value {
    value!({
        "id": payment.id, "reference": payment.reference, "gateway": payment.gateway,
        "provider_id": payment.provider_id, "state": payment.state.word(),
        "standing": payment.state, "receipt": payment.state.receipt(), "plan": payment.plan,
        "amount": payment.amount, "phone": payment.phone, "customer": payment.customer,
        "renews": payment.renews, "grant": payment.grant, "router": payment.router,
        "created_at": payment.created_at, "submitted_at": payment.submitted_at,
        "settled_at": payment.settled_at, "next_attempt_at": payment.next_attempt_at,
        "last_error": payment.last_error,
    })
}

const COLUMNS: [&str; 12] = [
    "created_at",
    "reference",
    "phone",
    "amount_amount",
    "amount_currency",
    "state",
    "receipt",
    "grant",
    "customer",
    "settled_at",
    "last_error",
    "id",
];

async fn read(
    desk: &Desk,
    tenant: TenantId,
    state: Option<String>,
    last: i64,
) -> anyhow::Result<Vec<Payment>> {
    let all = async move |tx: &mut Tx<'_>| {
        let order = Order::Descending;
        lango_store::payments::listed(tx, tenant, state.as_deref(), order, None, last).await
    };
    Ok(desk.app.store().report(all).await?)
}

pub(super) async fn list(desk: &Desk, arguments: PurchasesArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let mut payments = Vec::new();
    if arguments.open {
        for state in ["created", "submitting", "pending"] {
            payments.extend(read(desk, tenant.id, Some(state.to_owned()), arguments.last).await?);
        }
        payments.sort_by_key(|payment| std::cmp::Reverse(payment.id));
    } else {
        payments = read(desk, tenant.id, arguments.state, arguments.last).await?;
    }
    let rows: Vec<Value> = payments.iter().map(as_json).collect();
    if printed(arguments.shape, &rows, &COLUMNS)? {
        return Ok(ExitCode::SUCCESS);
    }
    if payments.is_empty() {
        line("Nobody was asked to pay.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["WHEN", "REFERENCE", "PHONE", "AMOUNT", "STATE", "RECEIPT"]);
    for payment in payments {
        table.row([
            tenant.zone.local(payment.created_at),
            payment.reference.clone(),
            payment.phone.to_string(),
            payment.amount.to_string(),
            standing(&payment.state),
            payment.state.receipt().unwrap_or_default().to_owned(),
        ]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}

/// A purchase by its id or the reference that the payer has read.
async fn one(desk: &Desk, tenant: TenantId, typed: &str) -> anyhow::Result<Payment> {
    if let Ok(id) = typed.trim().parse::<PaymentId>()
        && let Some(found) = purchase(&desk.app, tenant, id).await?
    {
        return Ok(found);
    }
    let reference = typed.trim().replace(['-', ' '], "").to_uppercase();
    let find = async move |tx: &mut Tx<'_>| {
        let mut found = Vec::new();
        for gateway in lango_store::gateways::of_tenant(tx, tenant).await? {
            found.extend(lango_store::payments::by_reference(tx, gateway.id, &reference).await?);
        }
        Ok(found)
    };
    let mut found = desk.app.store().read(find).await?;
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => bail!("`{}` is known at several gateways: give the id", shown(typed)),
        (None, _) => {
            Err(anyhow!("there is no purchase `{}`: see `lango payment purchases`", shown(typed)))
        }
    }
}

fn letter_as_json(letter: &Letter) -> Value {
    value!({
        "id": letter.id, "received_at": letter.received_at, "gateway": letter.gateway,
        "payment": letter.payment, "door": letter.door, "source": letter.source,
        "body": String::from_utf8_lossy(&letter.body), "attempt": letter.attempt,
        "outcome": letter.outcome,
    })
}

pub(super) async fn show(desk: &Desk, arguments: &WhichArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let payment = one(desk, tenant.id, &arguments.purchase).await?;
    let id = payment.id;
    let letters = async move |tx: &mut Tx<'_>| lango_store::inbox::of_payment(tx, id).await;
    let letters = desk.app.store().read(letters).await?;
    if arguments.json {
        let letters: Vec<Value> = letters.iter().map(letter_as_json).collect();
        json(&value!({ "purchase": as_json(&payment), "letters": letters }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let local = |at| tenant.zone.local(at);
    line(format!(
        "{}  {} by {}: {}",
        payment.reference,
        payment.amount,
        payment.phone,
        shown(&standing(&payment.state))
    ))?;
    let mut happened = vec![(payment.created_at, "begun".to_owned())];
    happened.extend(payment.submitted_at.map(|at| (at, "the provider was asked".to_owned())));
    happened.extend(letters.into_iter().map(|letter| {
        let outcome = letter.outcome.unwrap_or_else(|| "to be read".to_owned());
        (letter.received_at, format!("a message by {}: {outcome}", letter.door))
    }));
    happened.extend(payment.settled_at.map(|at| (at, payment.state.word().replace('_', " "))));
    happened.extend(payment.next_attempt_at.map(|at| (at, "will be asked after".to_owned())));
    happened.sort_by_key(|(at, _)| *at);
    for (at, what) in happened {
        line(format!("  {}  {}", local(at), shown(&what)))?;
    }
    for (name, text) in [
        ("The provider calls it", payment.provider_id),
        ("Receipt", payment.state.receipt().map(str::to_owned)),
        ("It bought", payment.grant.map(|grant| grant.to_string())),
        ("In the way last", payment.last_error),
    ] {
        if let Some(text) = text {
            line(format!("{name}: {}", shown(&text)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn ask(desk: &Desk, arguments: &WhichArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let before = one(desk, tenant.id, &arguments.purchase).await?;
    cashier::ask_now(&desk.app, before.id).await?;
    let after = one(desk, tenant.id, &before.id.to_string()).await?;
    if arguments.json {
        json(&as_json(&after))?;
        return Ok(ExitCode::SUCCESS);
    }
    line(format!("{} is {}", after.reference, shown(&standing(&after.state))))?;
    if let Some(error) = after.last_error.filter(|_| after.state.is_open()) {
        line(format!("  {}", shown(&error)))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn refund(desk: &Desk, arguments: &RefundArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let payment = one(desk, tenant.id, &arguments.purchase).await?;
    let way = if arguments.by_hand { Way::ByHand } else { Way::ByProvider };
    let whose = (tenant.id, payment.id);
    let state = refund_payment(&desk.app, whose, way, &By::cli(), desk.now()).await?;
    if arguments.json {
        json(&value!({ "id": payment.id, "state": state.word(), "standing": state }))?;
        return Ok(ExitCode::SUCCESS);
    }
    line(match state {
        PaymentState::Refunding { .. } => {
            format!(
                "{} was told to go back; the provider says later whether it did.",
                payment.amount
            )
        }
        _ => format!("{} {}: {}", payment.reference, payment.amount, shown(&standing(&state))),
    })?;
    Ok(ExitCode::SUCCESS)
}

const LETTER_COLUMNS: [&str; 8] =
    ["received_at", "gateway", "payment", "door", "source", "outcome", "body", "id"];

pub(super) async fn letters(desk: &Desk, arguments: LettersArguments) -> anyhow::Result<ExitCode> {
    let (tenant, last) = (desk.tenant().await?, arguments.last);
    let id = tenant.id;
    let all = async move |tx: &mut Tx<'_>| {
        lango_store::inbox::listed(tx, id, Order::Descending, None, last).await
    };
    let letters = desk.app.store().report(all).await?;
    let rows: Vec<Value> = letters.iter().map(letter_as_json).collect();
    if printed(arguments.shape, &rows, &LETTER_COLUMNS)? {
        return Ok(ExitCode::SUCCESS);
    }
    if letters.is_empty() {
        line("No payment provider has sent anything in 90 days.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["WHEN", "DOOR", "FROM", "WHAT CAME OF IT"]);
    for letter in letters {
        table.row([
            tenant.zone.local(letter.received_at),
            letter.door,
            letter.source,
            letter.outcome.unwrap_or_else(|| "to be read".to_owned()),
        ]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}
