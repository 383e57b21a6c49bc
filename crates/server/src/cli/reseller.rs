//! `lango reseller …`: people who sell vouchers for the business.

use super::Everywhere;
use super::desk::Desk;
use super::output::{Shape, json, line, printed, shown};
use super::table::Table;
use crate::operations::asked::By;
use crate::operations::resellers::{
    Commission, NewReseller, ResellerChange, add_reseller, change_reseller,
};
use lango_domain::money::Money;
use lango_store::Tx;
use lango_store::resellers::{self, Reseller, Stock};
use lango_store::tenants::Tenant;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum ResellerCommand {
    /// Add somebody who sells vouchers
    Add(AddArguments),
    /// The resellers there are, with what they have left and what they owe
    List(ListArguments),
    /// A reseller and his stock of each plan
    Show(WhichArguments),
    /// Change a reseller's name, number or share
    Change(ChangeArguments),
    /// Give him no more vouchers; those he has stay good
    Remove(WhichArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango reseller add \"Mama Njeri\" --phone 0712345678 --commission 10\n  \
                        lango reseller add Kiosk")]
pub(super) struct AddArguments {
    /// What he is called
    name: String,
    /// His phone number
    #[arg(long, value_name = "PHONE")]
    phone: Option<String>,
    /// What he keeps of the price, in percent
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    commission: Commission,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango reseller list\n  lango reseller list --csv > owed.csv")]
pub(super) struct ListArguments {
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango reseller show \"Mama Njeri\"\n  \
                        lango reseller remove Kiosk")]
pub(super) struct WhichArguments {
    /// His name or id
    reseller: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango reseller change Kiosk --commission 12.5\n  \
                        lango reseller change Kiosk --again")]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)
                .args(["name", "phone", "no_phone", "commission", "again"])))]
#[command(override_usage = "lango reseller change [OPTIONS] <RESELLER>")]
pub(super) struct ChangeArguments {
    /// His name or id
    reseller: String,
    /// His name from now on
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// His phone number
    #[arg(long, value_name = "PHONE", conflicts_with = "no_phone")]
    phone: Option<String>,
    /// He has no number any more
    #[arg(long)]
    no_phone: bool,
    /// What he keeps of the price, in percent
    #[arg(long, value_name = "PERCENT")]
    commission: Option<Commission>,
    /// He sells again
    #[arg(long)]
    again: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: ResellerCommand,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    match command {
        ResellerCommand::Add(arguments) => add(&desk, arguments).await?,
        ResellerCommand::List(arguments) => list(&desk, &arguments).await?,
        ResellerCommand::Show(arguments) => show(&desk, &arguments).await?,
        ResellerCommand::Change(arguments) => change(&desk, arguments).await?,
        ResellerCommand::Remove(arguments) => remove(&desk, &arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(desk: &Desk, arguments: AddArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let AddArguments { name, phone, commission, json: wants_json } = arguments;
    let new = NewReseller { tenant: tenant.id, name, phone, commission };
    let added = add_reseller(&desk.app, new, &By::cli(), desk.now()).await?;
    tell(&tenant, added, wants_json, "sells vouchers now")
}

async fn change(desk: &Desk, arguments: ChangeArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let before = desk.reseller(&tenant, &arguments.reseller).await?;
    let phone = if arguments.no_phone { Some(None) } else { arguments.phone.map(Some) };
    let change = ResellerChange {
        name: arguments.name,
        phone,
        commission: arguments.commission,
        sells: arguments.again.then_some(true),
    };
    let (whose, expected) = ((tenant.id, before.id), Some(before.version));
    let after = change_reseller(&desk.app, whose, change, expected, &By::cli(), desk.now()).await?;
    tell(&tenant, after, arguments.json, "is changed")
}

async fn remove(desk: &Desk, arguments: &WhichArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let before = desk.reseller(&tenant, &arguments.reseller).await?;
    let change = ResellerChange { sells: Some(false), ..ResellerChange::default() };
    let (whose, expected) = ((tenant.id, before.id), Some(before.version));
    let after = change_reseller(&desk.app, whose, change, expected, &By::cli(), desk.now()).await?;
    tell(&tenant, after, arguments.json, "is given no more vouchers; those he has stay good")
}

fn tell(tenant: &Tenant, reseller: Reseller, wants_json: bool, what: &str) -> anyhow::Result<()> {
    if wants_json {
        return json(&as_json(tenant, &reseller, &[]));
    }
    line(format!("{} {what}", shown(&reseller.name)))
}

fn share(reseller: &Reseller) -> Commission {
    Commission::from_hundredths(reseller.commission).unwrap_or_default()
}

/// What was sold of his vouchers, and what of it is his.
fn turnover(reseller: &Reseller, stock: &[Stock]) -> (i64, i64) {
    let sold = |one: &Stock| one.price.amount.saturating_mul(one.sold);
    let total = stock.iter().map(sold).fold(0i64, i64::saturating_add);
    (total, share(reseller).of(total))
}

fn as_json(tenant: &Tenant, reseller: &Reseller, stock: &[Stock]) -> serde_json::Value {
    let money = |amount| Money::new(amount, tenant.currency);
    let (total, his) = turnover(reseller, stock);
    let sum = |of: fn(&Stock) -> i64| stock.iter().map(of).sum::<i64>();
    serde_json::json!({
        "id": reseller.id, "name": reseller.name, "phone": reseller.phone,
        "commission_basis_points": reseller.commission,
        "issued": sum(|one| one.issued), "sold": sum(|one| one.sold), "left": sum(|one| one.left),
        "sales": money(total), "commission": money(his), "owed": money(total - his),
        "created_at": reseller.created_at, "removed_at": reseller.removed_at,
        "version": reseller.version,
    })
}

const COLUMNS: [&str; 12] = [
    "id",
    "name",
    "phone",
    "commission_basis_points",
    "issued",
    "sold",
    "left",
    "sales_amount",
    "commission_amount",
    "owed_amount",
    "sales_currency",
    "removed_at",
];

async fn list(desk: &Desk, arguments: &ListArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let id = tenant.id;
    let all = async move |tx: &mut Tx<'_>| {
        let mut rows = Vec::new();
        for reseller in resellers::of_tenant(tx, id).await? {
            let stock = resellers::stock(tx, reseller.id).await?;
            rows.push((reseller, stock));
        }
        Ok(rows)
    };
    let all = desk.app.store().read(all).await?;
    let rows: Vec<serde_json::Value> =
        all.iter().map(|(reseller, stock)| as_json(&tenant, reseller, stock)).collect();
    if printed(arguments.shape, &rows, &COLUMNS)? {
        return Ok(());
    }
    if all.is_empty() {
        return line("No reseller yet: lango reseller add NAME --commission 10");
    }
    let mut table =
        Table::new(["NAME", "PHONE", "SHARE", "ISSUED", "SOLD", "LEFT", "OWES", "SELLS"]);
    for (reseller, stock) in all {
        let (total, his) = turnover(&reseller, &stock);
        let sum = |of: fn(&Stock) -> i64| stock.iter().map(of).sum::<i64>().to_string();
        table.row([
            reseller.name.clone(),
            reseller.phone.as_ref().map(ToString::to_string).unwrap_or_default(),
            share(&reseller).to_string(),
            sum(|one| one.issued),
            sum(|one| one.sold),
            sum(|one| one.left),
            Money::new(total - his, tenant.currency).to_string(),
            if reseller.removed_at.is_none() { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table.print()
}

async fn show(desk: &Desk, arguments: &WhichArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let reseller = desk.reseller(&tenant, &arguments.reseller).await?;
    let id = reseller.id;
    let stock = async move |tx: &mut Tx<'_>| resellers::stock(tx, id).await;
    let stock = desk.app.store().read(stock).await?;
    if arguments.json {
        let mut shown = as_json(&tenant, &reseller, &stock);
        let plans = stock.iter().map(|one| {
            serde_json::json!({
                "plan": one.name, "plan_id": one.plan, "price": one.price,
                "issued": one.issued, "sold": one.sold, "left": one.left,
            })
        });
        shown["stock"] = plans.collect();
        return json(&shown);
    }
    let (total, his) = turnover(&reseller, &stock);
    let money = |amount| Money::new(amount, tenant.currency);
    let phone = reseller.phone.as_ref().map(|phone| format!(", {phone}")).unwrap_or_default();
    line(format!("{}{phone}, keeps {} of the price", shown(&reseller.name), share(&reseller)))?;
    if let Some(at) = reseller.removed_at {
        line(format!("  is given no more vouchers since {}", tenant.zone.local(at)))?;
    }
    line(format!(
        "  sold for {}: {} are his, {} yours",
        money(total),
        money(his),
        money(total - his)
    ))?;
    if stock.is_empty() {
        return line("  was given no vouchers: lango voucher create --plan PLAN --reseller NAME");
    }
    let mut table = Table::new(["PLAN", "PRICE", "ISSUED", "SOLD", "LEFT"]).indented(2);
    for one in stock {
        table.row([
            one.name,
            one.price.to_string(),
            one.issued.to_string(),
            one.sold.to_string(),
            one.left.to_string(),
        ]);
    }
    table.print()
}
