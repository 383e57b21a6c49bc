//! `lango customer …`: who buys.

use super::Everywhere;
use super::desk::{Desk, kind_in_words};
use super::output::{json, line, shown};
use super::table::Table;
use crate::operations::add_customer::{NewCustomer, add_customer};
use crate::operations::asked::By;
use anyhow::bail;
use lango_domain::language::Language;
use lango_store::Tx;
use lango_store::customers::Customer;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum CustomerCommand {
    /// Add a customer
    Add(AddArguments),
    /// The customers, by name
    List(ListArguments),
    /// A customer and what he has
    Show(ShowArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango customer add \"Ann Wanjiku\" --phone 0712345678")]
pub(super) struct AddArguments {
    /// What he is called
    name: String,
    /// His phone number, as people write it
    #[arg(long, value_name = "PHONE")]
    phone: Option<String>,
    /// His language, if not that of the business: en, sw or fr
    #[arg(long, value_name = "CODE")]
    language: Option<Language>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct ListArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct ShowArguments {
    /// His phone number
    phone: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: CustomerCommand,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    match command {
        CustomerCommand::Add(arguments) => add(&desk, arguments).await?,
        CustomerCommand::List(arguments) => list(&desk, arguments).await?,
        CustomerCommand::Show(arguments) => show(&desk, arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(desk: &Desk, arguments: AddArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?.id;
    let AddArguments { name, phone, language, json: wants_json } = arguments;
    if name.trim().is_empty() {
        bail!("the customer needs a name");
    }
    let new = NewCustomer { tenant, name, phone, language };
    let customer = add_customer(&desk.app, new, &By::cli(), desk.now()).await?;
    if wants_json {
        return json(&customer);
    }
    line(format!("{} is a customer now{}", shown(&customer.name), reached_at(&customer)))
}

fn reached_at(customer: &Customer) -> String {
    match &customer.phone {
        Some(phone) => format!(", messages go to {phone}"),
        None => "; without a phone number he gets no messages".to_owned(),
    }
}

async fn list(desk: &Desk, arguments: ListArguments) -> anyhow::Result<()> {
    let customers = every_customer(desk).await?;
    if arguments.json {
        return json(&customers);
    }
    if customers.is_empty() {
        return line("No customer yet: lango customer add NAME --phone NUMBER");
    }
    let mut table = Table::new(["NAME", "PHONE", "LANGUAGE", "ID"]);
    for customer in customers {
        table.row([
            customer.name.clone(),
            customer.phone.map(|phone| phone.to_string()).unwrap_or_default(),
            customer.language.map(|language| language.code().to_owned()).unwrap_or_default(),
            customer.id.to_string(),
        ]);
    }
    table.print()
}

async fn every_customer(desk: &Desk) -> anyhow::Result<Vec<Customer>> {
    const PAGE: i64 = 1_000;
    let tenant = desk.tenant().await?.id;
    let mut all: Vec<Customer> = Vec::new();
    loop {
        let after = all.last().cloned();
        let page = desk
            .app
            .store()
            .report(async move |tx: &mut Tx<'_>| {
                lango_store::customers::page(tx, tenant, after.as_ref(), PAGE).await
            })
            .await?;
        let is_last = (page.len() as i64) < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

async fn show(desk: &Desk, arguments: ShowArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let customer = desk.customer(&tenant, &arguments.phone).await?;
    let (id, of) = (tenant.id, customer.id);
    let grants = desk
        .app
        .store()
        .read(async move |tx: &mut Tx<'_>| lango_store::grants::of_customer(tx, id, of).await)
        .await?;
    if arguments.json {
        let has: Vec<serde_json::Value> = grants
            .iter()
            .map(|stored| {
                serde_json::json!({
                    "id": stored.grant.id, "kind": stored.grant.kind, "label": stored.label,
                    "state": stored.grant.state.word(), "ends_at": stored.grant.state.ends_at(),
                })
            })
            .collect();
        return json(&serde_json::json!({ "customer": customer, "grants": has }));
    }
    line(format!("{}{}", shown(&customer.name), reached_at(&customer)))?;
    if grants.is_empty() {
        return line("He has bought nothing yet.");
    }
    let mut table = Table::new(["WHAT", "LOGIN", "STATE", "ENDS", "ID"]);
    for stored in grants {
        table.row([
            kind_in_words(stored.grant.kind).to_owned(),
            stored.label.clone(),
            stored.grant.state.word().to_owned(),
            stored.grant.state.ends_at().map(|at| tenant.zone.local(at)).unwrap_or_default(),
            stored.grant.id.to_string(),
        ]);
    }
    table.print()
}
