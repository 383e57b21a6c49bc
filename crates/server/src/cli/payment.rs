//! `lango payment …`: money that somebody took himself, and all money that came.

use super::desk::Desk;
use super::output::{Shape, json, line, note, printed, shown};
use super::service::in_a_sentence;
use super::settle::{settle_grant, tell};
use super::table::Table;
use super::{Everywhere, payment_gateway, payment_money, payment_purchases};
use crate::operations::accept_payment::{Accepted, Payment, accept_payment};
use crate::operations::asked::By;
use anyhow::bail;
use lango_domain::ids::{CustomerId, GrantId, MoneyId, PaymentId, PlanId, TenantId};
use lango_domain::money::Money;
use lango_domain::time::Timestamp;
use lango_store::money_in::{Fate, MoneyIn};
use lango_store::tenants::Tenant;
use lango_store::{Order, Tx};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum PaymentCommand {
    /// Record a receipt: it starts or renews what it was paid for, once
    Add(AddArguments),
    /// Money that came, latest first
    List(ListArguments),
    /// Accounts with payment providers: add, list, test, change, remove, register
    #[command(subcommand)]
    Gateway(payment_gateway::GatewayCommand),
    /// What customers were asked to pay, latest first
    Purchases(payment_purchases::PurchasesArguments),
    /// One of these, and all that its provider said of it
    Show(payment_purchases::WhichArguments),
    /// Ask the provider now what became of it; nobody is charged by it
    Ask(payment_purchases::WhichArguments),
    /// Give it back; what was bought by it ends first
    Refund(payment_purchases::RefundArguments),
    /// What payment providers sent, latest first
    Letters(payment_purchases::LettersArguments),
    /// Money that waits for a person
    Waiting(payment_money::WaitingArguments),
    /// Say what waiting money is for; that cannot be undone
    Assign(payment_money::AssignArguments),
    /// Note that you gave back money that you had taken
    GiveBack(payment_money::GiveBackArguments),
    /// Have something renew itself from its customer's wallet, or no more
    Renewal(payment_money::RenewalArguments),
    /// The sums of the books
    Ledger(payment_money::LedgerArguments),
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
        PaymentCommand::Gateway(command) => payment_gateway::run(&desk, command).await,
        PaymentCommand::Purchases(arguments) => payment_purchases::list(&desk, arguments).await,
        PaymentCommand::Show(arguments) => payment_purchases::show(&desk, &arguments).await,
        PaymentCommand::Ask(arguments) => payment_purchases::ask(&desk, &arguments).await,
        PaymentCommand::Refund(arguments) => payment_purchases::refund(&desk, &arguments).await,
        PaymentCommand::Letters(arguments) => payment_purchases::letters(&desk, arguments).await,
        PaymentCommand::Waiting(arguments) => payment_money::waiting(&desk, arguments).await,
        PaymentCommand::Assign(arguments) => payment_money::assign(&desk, arguments).await,
        PaymentCommand::GiveBack(arguments) => payment_money::give_back(&desk, arguments).await,
        PaymentCommand::Renewal(arguments) => payment_money::renewal(&desk, arguments).await,
        PaymentCommand::Ledger(arguments) => payment_money::ledger(&desk, arguments).await,
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
        note(format!("{amount} is not the plan's price of {price}: what differs is the wallet's."));
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
        Accepted::Credited { customer, balance } => {
            if arguments.json {
                json(&serde_json::json!({
                    "accepted": true, "grant": found.grant.id, "amount": amount,
                    "credited_to": customer, "balance": balance,
                }))?;
            } else {
                line(format!(
                    "{amount} accepted, less than the price of {price}. {balance} is in the \
                     wallet; {} is renewed when it is enough.",
                    shown(&found.label)
                ))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Accepted::Elsewhere(fate) => {
            let fate = fate.word().replace('_', " ");
            bail!("receipt {} was {fate} already: nothing changed", shown(receipt))
        }
        Accepted::GoesBack => {
            bail!("receipt {} is on its way back to its payer: nothing changed", shown(receipt))
        }
        Accepted::Unfit(_) => bail!(
            "the price is {price}, and {} is nobody's: there is no wallet to keep {amount} in",
            shown(&found.label)
        ),
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

/// Money in the list.
#[derive(serde::Serialize)]
pub(super) struct Listed {
    id: MoneyId,
    paid_at: Timestamp,
    amount: Money,
    provider: String,
    receipt: String,
    grant: Option<GrantId>,
    /// What it bought.
    label: String,
    state: &'static str,
    misfit: Option<&'static str>,
    account: String,
    payer: Option<String>,
    payer_name: Option<String>,
    customer: Option<CustomerId>,
    payment: Option<PaymentId>,
}

pub(super) const COLUMNS: [&str; 14] = [
    "paid_at",
    "amount_amount",
    "amount_currency",
    "provider",
    "receipt",
    "grant",
    "label",
    "id",
    "state",
    "misfit",
    "account",
    "payer",
    "payer_name",
    "customer",
];

impl Listed {
    fn of(money: MoneyIn, label: String) -> Listed {
        let misfit = match money.fate {
            Fate::Waiting(why) => Some(why.word()),
            _ => None,
        };
        Listed {
            id: money.id,
            paid_at: money.paid_at,
            amount: money.amount,
            provider: money.provider,
            receipt: money.receipt,
            grant: money.grant,
            label,
            state: money.fate.word(),
            misfit,
            account: money.account,
            payer: money.payer,
            payer_name: money.payer_name,
            customer: money.customer,
            payment: money.payment,
        }
    }
}

/// The last money of a business, or what of it waits for a person.
pub(super) async fn money(
    desk: &Desk,
    tenant: TenantId,
    only_waiting: bool,
    last: i64,
) -> anyhow::Result<Vec<Listed>> {
    let all = async move |tx: &mut Tx<'_>| {
        let mut listed = Vec::new();
        let order = Order::Descending;
        for money in
            lango_store::money_in::listed(tx, tenant, only_waiting, order, None, last).await?
        {
            let stored = match money.grant {
                Some(grant) => lango_store::grants::find(tx, grant).await?,
                None => None,
            };
            listed.push(Listed::of(money, stored.map(|stored| stored.label).unwrap_or_default()));
        }
        Ok(listed)
    };
    Ok(desk.app.store().report(all).await?)
}

async fn list(desk: &Desk, arguments: ListArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let money = money(desk, tenant.id, false, arguments.last).await?;
    if printed(arguments.shape, &money, &COLUMNS)? {
        return Ok(ExitCode::SUCCESS);
    }
    if money.is_empty() {
        line("No payment yet: lango payment add WHO --receipt R")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["WHEN", "AMOUNT", "PROVIDER", "RECEIPT", "STATE", "FOR"]);
    for Listed { paid_at, amount, provider, receipt, state, label, .. } in money {
        let (when, amount) = (tenant.zone.local(paid_at), amount.to_string());
        table.row([when, amount, provider, receipt, state.replace('_', " "), label]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}

/// Money that waits, with what is known of it.
pub(super) fn tell_waiting(tenant: &Tenant, money: Vec<Listed>) -> anyhow::Result<()> {
    if money.is_empty() {
        return line("No money waits.");
    }
    let mut table = Table::new(["ID", "WHEN", "AMOUNT", "RECEIPT", "WHY", "ACCOUNT", "PAYER"]);
    for one in money {
        let payer = [one.payer, one.payer_name].into_iter().flatten().collect::<Vec<_>>();
        table.row([
            one.id.to_string(),
            tenant.zone.local(one.paid_at),
            one.amount.to_string(),
            one.receipt,
            one.misfit.unwrap_or_default().to_owned(),
            one.account,
            payer.join(" "),
        ]);
    }
    table.print()
}
