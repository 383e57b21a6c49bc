//! `lango token …`: keys for the API.

use super::Everywhere;
use super::desk::Desk;
use super::output::{json, line};
use super::table::Table;
use crate::operations::add_token::{MadeToken, NewToken, add_token};
use crate::operations::asked::By;
use anyhow::bail;
use lango_domain::role::Role;
use lango_store::Tx;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token; it is shown only now
    Add(AddArguments),
    /// The tokens there are, by name
    List(ListArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango token add dashboard")]
pub(super) struct AddArguments {
    /// What it is for
    name: String,
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

pub(super) async fn run(
    everywhere: &Everywhere,
    command: TokenCommand,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    match command {
        TokenCommand::Add(arguments) => add(&desk, arguments).await?,
        TokenCommand::List(arguments) => list(&desk, arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(desk: &Desk, arguments: AddArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?.id;
    if arguments.name.trim().is_empty() {
        bail!("the token needs a name, to know later what it is for");
    }
    let new = NewToken {
        tenant: Some(tenant),
        name: arguments.name.clone(),
        role: Role::Owner,
        expires_at: None,
    };
    let MadeToken { id, clear } = add_token(&desk.app, new, &By::cli(), desk.now()).await?;
    let token = clear.unwrap_or_default();
    if arguments.json {
        return json(&serde_json::json!({ "id": id, "name": arguments.name, "token": token }));
    }
    line(format!("Token, shown only now: {token}"))
}

async fn list(desk: &Desk, arguments: ListArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let id = tenant.id;
    let of_tenant = async move |tx: &mut Tx<'_>| lango_store::tenants::tokens(tx, id).await;
    let tokens = desk.app.store().read(of_tenant).await?;
    if arguments.json {
        return json(&tokens);
    }
    let mut table = Table::new(["NAME", "ROLE", "MADE", "ID"]);
    for token in tokens {
        let made = tenant.zone.local(token.created_at);
        table.row([token.name, token.role.to_string(), made, token.id.to_string()]);
    }
    table.print()
}
