//! `lango payment waiting|assign|give-back|renewal|ledger`: money that a person decides about, and
//! the books.

use super::desk::Desk;
use super::output::{Shape, json, line, printed, shown};
use super::payment::{COLUMNS, money, tell_waiting};
use super::table::Table;
use crate::operations::asked::By;
use crate::operations::renew_itself::{let_renew_itself, renews_itself};
use crate::operations::work_off_money::{Use, give_money_back, work_off_money};
use anyhow::{anyhow, bail};
use lango_domain::ids::{MoneyId, TenantId};
use lango_domain::money::Money;
use lango_store::money_in::{Fate, MoneyIn};
use lango_store::{Tx, ledger};
use serde_json::json as value;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// How much money that waits is listed.
const MOST: i64 = 10_000;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango payment waiting\n  lango payment waiting --csv")]
pub(super) struct WaitingArguments {
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    lango payment assign RKL51ZDR4F --to ann --reason \"typed the wrong account\"\n  \
    lango payment assign RKL51ZDR4F --wallet 0712345678 --reason \"called us\"\n  \
    lango payment assign RKL51ZDR4F --given-back --reason \"not our customer\"")]
#[command(group(clap::ArgGroup::new("what").required(true).args(["to", "wallet", "given_back"])))]
#[command(override_usage = "lango payment assign [OPTIONS] <MONEY> --reason <TEXT>")]
pub(super) struct AssignArguments {
    /// Its receipt or id
    money: String,
    /// It renews this: user name, phone, voucher code, MAC, IP or id
    #[arg(long, value_name = "WHO")]
    to: Option<String>,
    /// It is this customer's, for later: phone, name or id
    #[arg(long, value_name = "CUSTOMER")]
    wallet: Option<String>,
    /// You have given it back
    #[arg(long)]
    given_back: bool,
    /// Why; it stands in the account
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    lango payment give-back CASH-0042 --reason \"paid twice\" --end")]
pub(super) struct GiveBackArguments {
    /// Its receipt or id
    money: String,
    /// Why; it stands in the account
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// What it bought ends now
    #[arg(long)]
    end: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango payment renewal ann-home --from-wallet yes\n  \
                        lango payment renewal ann-home")]
pub(super) struct RenewalArguments {
    /// User name, phone number, voucher code, MAC, IP address or id
    who: String,
    /// Whether it renews itself; without it you are told
    #[arg(long, value_name = "YES|NO", value_parser = ["yes", "no"], hide_possible_values = true)]
    from_wallet: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango payment ledger\n  lango payment ledger --csv")]
pub(super) struct LedgerArguments {
    #[command(flatten)]
    shape: Shape,
}

pub(super) async fn waiting(desk: &Desk, arguments: WaitingArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let waiting = money(desk, tenant.id, true, MOST).await?;
    if !printed(arguments.shape, &waiting, &COLUMNS)? {
        tell_waiting(&tenant, waiting)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Money by its id or receipt.
async fn one(desk: &Desk, tenant: TenantId, typed: &str) -> anyhow::Result<MoneyIn> {
    let (id, receipt) = (typed.trim().parse::<MoneyId>().ok(), typed.trim().to_owned());
    let find = async move |tx: &mut Tx<'_>| {
        if let Some(id) = id
            && let Some(found) = lango_store::money_in::find(tx, tenant, id).await?
        {
            return Ok(Some(found));
        }
        lango_store::money_in::by_any_receipt(tx, tenant, &receipt).await
    };
    desk.app.store().read(find).await?.ok_or_else(|| {
        anyhow!(
            "no money is known by `{}`, or several: give the id from `lango payment list --json`",
            shown(typed)
        )
    })
}

pub(super) async fn assign(desk: &Desk, arguments: AssignArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let money = one(desk, tenant.id, &arguments.money).await?;
    let what = match (&arguments.to, &arguments.wallet) {
        (Some(who), _) => Use::Grant(desk.grant(&tenant, who).await?.grant.id),
        (None, Some(customer)) => Use::Wallet(desk.customer(&tenant, customer).await?.id),
        (None, None) => Use::GivenBack,
    };
    let (whose, expected) = ((tenant.id, money.id), Some(money.version));
    let why = (what, arguments.reason);
    let done = work_off_money(&desk.app, whose, why, expected, &By::cli(), desk.now()).await?;
    told(&done, arguments.json)
}

pub(super) async fn give_back(
    desk: &Desk,
    arguments: GiveBackArguments,
) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let money = one(desk, tenant.id, &arguments.money).await?;
    let (whose, expected) = ((tenant.id, money.id), Some(money.version));
    let how = (arguments.end, arguments.reason);
    let done = give_money_back(&desk.app, whose, how, expected, &By::cli(), desk.now()).await?;
    told(&done, arguments.json)
}

fn told(money: &MoneyIn, wants_json: bool) -> anyhow::Result<ExitCode> {
    if wants_json {
        json(&value!({
            "id": money.id, "state": money.fate.word(), "amount": money.amount,
            "receipt": money.receipt, "customer": money.customer, "grant": money.grant,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let what = match (money.fate, money.grant, money.customer) {
        (Fate::Used, Some(grant), _) => format!("paid for {grant}"),
        (Fate::Credited, _, Some(customer)) => format!("is in the wallet of {customer}"),
        (Fate::GivenBack, ..) => "is noted as given back".to_owned(),
        (fate, ..) => format!("is {}", fate.word()),
    };
    line(format!("{}, {}, {what}", money.amount, shown(&money.receipt)))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn renewal(desk: &Desk, arguments: RenewalArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let found = desk.grant(&tenant, &arguments.who).await?;
    let whose = (tenant.id, found.grant.id);
    let since = match arguments.from_wallet.as_deref() {
        None => renews_itself(&desk.app, whose).await?,
        Some(yes_or_no) => {
            let on = yes_or_no == "yes";
            let_renew_itself(&desk.app, whose, on, &By::cli(), desk.now()).await?
        }
    };
    if arguments.json {
        let from_wallet = since.is_some();
        json(&value!({ "grant": found.grant.id, "from_wallet": from_wallet, "since": since }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let label = shown(&found.label);
    line(match since {
        Some(_) => format!("{label} renews itself as long as the wallet covers the price."),
        None => format!("{label} does not renew itself."),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A sum of the books.
#[derive(serde::Serialize)]
struct Sum {
    account: String,
    gateway: String,
    amount: Money,
}

pub(super) async fn ledger(desk: &Desk, arguments: LedgerArguments) -> anyhow::Result<ExitCode> {
    let id = desk.tenant().await?.id;
    let read = async move |tx: &mut Tx<'_>| {
        let names = lango_store::gateways::of_tenant(tx, id).await?;
        let wrong = ledger::count_unbalanced(tx, id).await?;
        let off = ledger::count_wallets_off(tx, id).await?;
        Ok((ledger::balances(tx, id).await?, names, wrong + off))
    };
    let (balances, gateways, wrong) = desk.app.store().report(read).await?;
    let name = |owner: i64| {
        let is_it =
            |one: &&lango_store::gateways::Gateway| lango_domain::ids::Id::raw(one.id) == owner;
        match owner {
            0 => "in the till".to_owned(),
            _ => gateways
                .iter()
                .find(is_it)
                .map_or_else(|| "removed".to_owned(), |one| one.name.clone()),
        }
    };
    let mut sums: BTreeMap<(String, String, String), Money> = BTreeMap::new();
    for one in balances {
        let whose = if one.account == "clearing" { name(one.owner) } else { String::new() };
        let key = (one.account, whose, one.amount.currency.to_string());
        let sum = sums.entry(key).or_insert(Money::new(0, one.amount.currency));
        sum.amount = sum.amount.saturating_add(one.amount.amount);
    }
    let sums: Vec<Sum> = sums
        .into_iter()
        .map(|((account, gateway, _), amount)| Sum { account, gateway, amount })
        .collect();
    if wrong > 0 {
        bail!("the books are wrong in {wrong} places: change nothing, and see `lango check`");
    }
    if printed(arguments.shape, &sums, &["account", "gateway", "amount_amount", "amount_currency"])?
    {
        return Ok(ExitCode::SUCCESS);
    }
    if sums.is_empty() {
        line("Nothing is in the books yet.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["ACCOUNT", "WITH", "SUM"]);
    for Sum { account, gateway, amount } in sums {
        table.row([account, gateway, amount.to_string()]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}
