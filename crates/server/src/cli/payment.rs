//! `lango payment …`: money that somebody took himself.

use super::Everywhere;
use super::desk::Desk;
use super::output::{Shape, json, line, note, printed, shown};
use super::service::in_a_sentence;
use super::settle::{settle_grant, tell};
use super::table::Table;
use crate::operations::accept_payment::{Accepted, Payment, accept_payment};
use crate::operations::asked::By;
use anyhow::bail;
use lango_domain::ids::PlanId;
use lango_domain::money::Money;
use lango_store::Tx;
use lango_store::receipts::Receipt;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum PaymentCommand {
    /// Record a receipt: it starts or renews what it was paid for, once
    Add(AddArguments),
    /// Receipts, latest first
    List(ListArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango payment add ann --receipt CASH-0042")]
pub(super) struct AddArguments {
    /// User name, phone number, voucher code, MAC, IP address or id
    who: String,
    /// The number on the receipt; the same one twice counts once
    #[arg(long, value_name = "RECEIPT")]
    receipt: String,
    /// Who gave the receipt
    #[arg(long, value_name = "PROVIDER", default_value = "cash")]
    provider: String,
    /// How much, if not the plan's price
    #[arg(long, value_name = "AMOUNT")]
    amount: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango payment list --last 20\n  \
                        lango payment list --last 100000 --csv > payments.csv")]
pub(super) struct ListArguments {
    /// How many
    #[arg(long, value_name = "COUNT", default_value = "100",
          value_parser = clap::value_parser!(i64).range(1..=100_000))]
    last: i64,
    #[command(flatten)]
    shape: Shape,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: PaymentCommand,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    match command {
        PaymentCommand::Add(arguments) => add(&desk, arguments).await,
        PaymentCommand::List(arguments) => list(&desk, arguments).await,
    }
}

async fn add(desk: &Desk, arguments: AddArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let found = desk.grant(&tenant, &arguments.who).await?;
    let price = price(desk, found.grant.plan).await?;
    let amount = match &arguments.amount {
        Some(typed) => Money::parse(typed, tenant.currency)?,
        None => price,
    };
    if amount != price {
        note(format!("{amount} is not the plan's price of {price}; it counts as one purchase."));
    }
    let (provider, receipt) = (arguments.provider.trim(), arguments.receipt.trim());
    if receipt.is_empty() || provider.is_empty() {
        bail!("a receipt needs its number and who gave it: --receipt R --provider cash");
    }
    let payment = Payment {
        tenant: tenant.id,
        grant: found.grant.id,
        provider: provider.to_owned(),
        receipt: receipt.to_owned(),
        amount,
    };
    match accept_payment(&desk.app, payment, &By::payment(), desk.now()).await? {
        Accepted::Now(stored) => {
            let settled = settle_grant(desk, tenant.id, stored.grant.id).await?;
            if arguments.json {
                json(&serde_json::json!({
                    "accepted": true, "grant": stored.grant.id, "amount": amount,
                    "state": stored.grant.state.word(), "ends_at": stored.grant.state.ends_at(),
                    "settled": settled,
                }))?;
            } else {
                line(format!("{amount} accepted. {}", in_a_sentence(&tenant, &stored)))?;
                tell(&settled, "On the routers")?;
            }
            // The money counts; a router that is away hears of it when it is back.
            Ok(ExitCode::SUCCESS)
        }
        Accepted::Already(grant) => {
            if arguments.json {
                json(&serde_json::json!({ "accepted": false, "already_for": grant }))?;
            } else if grant == found.grant.id {
                line(format!("Receipt {} was recorded before: nothing changed.", shown(receipt)))?;
            }
            if grant != found.grant.id {
                bail!("receipt {} paid for {grant} already: nothing changed", shown(receipt));
            }
            Ok(ExitCode::SUCCESS)
        }
        Accepted::Refused(refusal) => {
            bail!("{} takes no payment: {refusal}", shown(&found.label))
        }
    }
}

async fn price(desk: &Desk, plan: PlanId) -> anyhow::Result<Money> {
    let one = async move |tx: &mut Tx<'_>| lango_store::plans::one(tx, plan).await;
    Ok(desk.app.store().read(one).await?.plan.price)
}

/// A receipt in the list.
#[derive(serde::Serialize)]
struct Listed {
    #[serde(flatten)]
    receipt: Receipt,
    label: String,
}

const COLUMNS: [&str; 7] =
    ["paid_at", "amount_amount", "amount_currency", "provider", "receipt", "grant", "label"];

async fn list(desk: &Desk, arguments: ListArguments) -> anyhow::Result<ExitCode> {
    let (tenant, last) = (desk.tenant().await?, arguments.last);
    let id = tenant.id;
    let page = async move |tx: &mut Tx<'_>| {
        let mut listed = Vec::new();
        for receipt in lango_store::receipts::page(tx, id, None, last).await? {
            let stored = lango_store::grants::find(tx, receipt.grant).await?;
            let label = stored.map(|stored| stored.label).unwrap_or_default();
            listed.push(Listed { receipt, label });
        }
        Ok(listed)
    };
    let receipts: Vec<Listed> = desk.app.store().report(page).await?;
    if printed(arguments.shape, &receipts, &COLUMNS)? {
        return Ok(ExitCode::SUCCESS);
    }
    if receipts.is_empty() {
        line("No payment yet: lango payment add WHO --receipt R")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["WHEN", "AMOUNT", "PROVIDER", "RECEIPT", "FOR"]);
    for Listed { receipt, label } in receipts {
        let (when, amount) = (tenant.zone.local(receipt.paid_at), receipt.amount.to_string());
        table.row([when, amount, receipt.provider, receipt.receipt, label]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}
