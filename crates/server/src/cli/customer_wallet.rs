//! `lango customer wallet`: what a customer has with us, and what he buys by it.

use super::desk::Desk;
use super::output::{json, line, shown};
use super::table::Table;
use crate::operations::asked::By;
use crate::operations::spend_wallet::{Buys, spend_wallet};
use lango_store::{Tx, ledger};
use serde_json::{Value, json as value};

/// How many lines of a wallet are told.
const LINES: i64 = 100;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango customer wallet 0712345678\n  \
                        lango customer wallet 0712345678 --renew ann-home\n  \
                        lango customer wallet 0712345678 --buy \"1 day\"")]
pub(super) struct WalletArguments {
    /// His phone number, name or id
    who: String,
    /// Renew this of his by it: user name, voucher code, MAC, IP or id
    #[arg(long, value_name = "WHAT")]
    renew: Option<String>,
    /// Buy this by it
    #[arg(long, value_name = "PLAN", conflicts_with = "renew")]
    buy: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(desk: &Desk, arguments: WalletArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let customer = desk.customer(&tenant, &arguments.who).await?;
    let what = match (&arguments.renew, &arguments.buy) {
        (Some(what), _) => Some(Buys::Renewal(desk.grant(&tenant, what).await?.grant.id)),
        (None, Some(plan)) => Some(Buys::New(desk.plan(&tenant, plan).await?.plan.id)),
        (None, None) => None,
    };
    let (id, whose) = (tenant.id, customer.id);
    if let Some(what) = what {
        let spent = spend_wallet(&desk.app, (id, whose), what, &By::cli(), desk.now()).await?;
        if arguments.json {
            return json(&value!({
                "grant": spent.grant, "receipt": spent.receipt, "price": spent.price,
                "left": spent.left,
            }));
        }
        return line(format!(
            "{} for {}, receipt {}; {} is left",
            spent.price, spent.grant, spent.receipt, spent.left
        ));
    }
    let read = async move |tx: &mut Tx<'_>| {
        let balances = ledger::wallets(tx, id, whose).await?;
        Ok((balances, ledger::wallet_lines(tx, id, whose, None, LINES).await?))
    };
    let (balances, lines) = desk.app.store().read(read).await?;
    if arguments.json {
        let lines: Vec<Value> = lines
            .iter()
            .map(|one| value!({ "at": one.at, "amount": one.amount, "what": one.what }))
            .collect();
        return json(&value!({ "customer": whose, "balances": balances, "lines": lines }));
    }
    let has: Vec<String> = balances.iter().map(ToString::to_string).collect();
    let has = if has.is_empty() { "nothing".to_owned() } else { has.join(", ") };
    line(format!("{} has {has} with us", shown(&customer.name)))?;
    if lines.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(["WHEN", "AMOUNT", "WHAT"]).indented(2);
    for one in lines {
        table.row([tenant.zone.local(one.at), one.amount.to_string(), one.what]);
    }
    table.print()
}
