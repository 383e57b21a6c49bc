//! `lango customer …`: who buys.

use super::desk::{Desk, kind_in_words};
use super::output::{Shape, json, line, printed, shown};
use super::table::Table;
use super::{Everywhere, customer_wallet};
use crate::operations::add_customer::{NewCustomer, add_customer};
use crate::operations::asked::By;
use crate::operations::change_customer::{CustomerChange, change_customer, remove_customer};
use anyhow::bail;
use lango_domain::ids::TenantId;
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
    Show(WhoArguments),
    /// Change a customer's name, number or language
    Change(ChangeArguments),
    /// Forget a customer who never bought anything
    Remove(WhoArguments),
    /// What he has with us; buy or renew by it
    Wallet(customer_wallet::WalletArguments),
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
#[command(after_help = "Examples:\n  lango customer list\n  \
                        lango customer list --csv > customers.csv")]
pub(super) struct ListArguments {
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango customer show 0712345678\n  \
                        lango customer remove \"Ann Wanjiku\"")]
pub(super) struct WhoArguments {
    /// His phone number, name or id
    who: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango customer change 0712345678 --phone 0722000111\n  \
                        lango customer change \"Ann Wanjiku\" --language sw\n  \
                        lango customer change 0712345678 --name Nobody --no-phone")]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)
                .args(["name", "phone", "no_phone", "language", "no_language"])))]
#[command(override_usage = "lango customer change [OPTIONS] <WHO>")]
pub(super) struct ChangeArguments {
    /// His phone number, name or id
    who: String,
    /// Call him so from now on
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// His new phone number, as people write it
    #[arg(long, value_name = "PHONE")]
    phone: Option<String>,
    /// Take his phone number away: he gets no more messages
    #[arg(long, conflicts_with = "phone")]
    no_phone: bool,
    /// His language: en, sw or fr
    #[arg(long, value_name = "CODE")]
    language: Option<Language>,
    /// Speak to him in the language of the business
    #[arg(long, conflicts_with = "language")]
    no_language: bool,
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
        CustomerCommand::List(arguments) => list(&desk, &arguments).await?,
        CustomerCommand::Show(arguments) => show(&desk, arguments).await?,
        CustomerCommand::Change(arguments) => change(&desk, arguments).await?,
        CustomerCommand::Remove(arguments) => remove(&desk, &arguments).await?,
        CustomerCommand::Wallet(arguments) => customer_wallet::run(&desk, arguments).await?,
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

async fn change(desk: &Desk, arguments: ChangeArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let before = desk.customer(&tenant, &arguments.who).await?;
    let ChangeArguments { name, phone, no_phone, language, no_language, json: wants_json, .. } =
        arguments;
    let change = CustomerChange {
        name,
        phone: if no_phone { Some(None) } else { phone.map(Some) },
        language: if no_language { Some(None) } else { language.map(Some) },
    };
    let whose = (tenant.id, before.id);
    let (expected, by) = (Some(before.version), By::cli());
    let after = change_customer(&desk.app, whose, change, expected, &by, desk.now()).await?;
    if wants_json {
        return json(&after);
    }
    line(format!("{} is changed{}", shown(&after.name), reached_at(&after)))
}

async fn remove(desk: &Desk, arguments: &WhoArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let found = desk.customer(&tenant, &arguments.who).await?;
    let whose = (tenant.id, found.id);
    remove_customer(&desk.app, whose, None, &By::cli(), desk.now()).await?;
    if arguments.json {
        return json(&serde_json::json!({ "removed": found.id, "name": found.name }));
    }
    line(format!("{} is forgotten.", shown(&found.name)))
}

const COLUMNS: [&str; 5] = ["id", "name", "phone", "language", "created_at"];

async fn list(desk: &Desk, arguments: &ListArguments) -> anyhow::Result<()> {
    let customers = every_customer(desk, desk.tenant().await?.id).await?;
    if printed(arguments.shape, &customers, &COLUMNS)? {
        return Ok(());
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

/// All customers of a business, by name.
pub(super) async fn every_customer(desk: &Desk, tenant: TenantId) -> anyhow::Result<Vec<Customer>> {
    const PAGE: i64 = 1_000;
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

async fn show(desk: &Desk, arguments: WhoArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let customer = desk.customer(&tenant, &arguments.who).await?;
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
