//! `lango token …`: keys for the API.

use super::Everywhere;
use super::desk::{Desk, meant, the_one};
use super::output::{Shape, json, line, printed, shown};
use super::table::Table;
use crate::operations::add_token::{MadeToken, NewToken, add_token, remove_token};
use crate::operations::asked::By;
use anyhow::anyhow;
use lango_domain::calendar::Zone;
use lango_domain::ids::TenantId;
use lango_domain::role::Role;
use lango_domain::time::{Span, Timestamp};
use lango_store::Tx;
use lango_store::tenants::TokenLine;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token; it is shown only now
    Add(AddArguments),
    /// The tokens there are, by name
    List(ListArguments),
    /// Take a token away: it opens nothing from now on
    Remove(RemoveArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Roles:\n  \
        owner      everything in the business\n  \
        manager    everything but keys, webhooks and the business itself\n  \
        cashier    sells: customers, vouchers, services, payments\n  \
        support    helps: pauses, suspends, resumes, disconnects, tries again\n  \
        read-only  looks\n\n\
    Examples:\n  lango token add dashboard --role read-only --expires 30d\n  \
        lango token add till --role cashier --expires 2026-12-31\n  \
        lango token add panel --platform")]
pub(super) struct AddArguments {
    /// What it is for
    name: String,
    /// What it may do: owner, manager, cashier, support or read-only
    #[arg(long, value_name = "ROLE", default_value = "owner")]
    role: Role,
    /// Until when it is good: 30d from now, or 2026-12-31 (that whole day); else for ever
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// Above all businesses: it makes them, and is an owner in each
    #[arg(long, conflicts_with = "role")]
    platform: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango token list\n  lango token list --platform --json")]
pub(super) struct ListArguments {
    /// Those above all businesses
    #[arg(long)]
    platform: bool,
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango token remove dashboard\n  \
                        lango token remove panel --platform")]
pub(super) struct RemoveArguments {
    /// Its name or id
    token: String,
    /// One above all businesses
    #[arg(long)]
    platform: bool,
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
        TokenCommand::List(arguments) => list(&desk, &arguments).await?,
        TokenCommand::Remove(arguments) => remove(&desk, &arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whose tokens, and in which zone people read its clocks. Above all businesses it is UTC.
async fn whose(desk: &Desk, platform: bool) -> anyhow::Result<(Option<TenantId>, Zone)> {
    if platform {
        return Ok((None, "UTC".parse()?));
    }
    let tenant = desk.tenant().await?;
    Ok((Some(tenant.id), tenant.zone))
}

async fn add(desk: &Desk, arguments: AddArguments) -> anyhow::Result<()> {
    let (tenant, zone) = whose(desk, arguments.platform).await?;
    let (name, now) = (arguments.name.trim().to_owned(), desk.now());
    let role = if arguments.platform { Role::Platform } else { arguments.role };
    let expires = arguments.expires.as_deref();
    let expires_at = expires.map(|text| read_end(text, &zone, now)).transpose()?;
    let new = NewToken { tenant, name: name.clone(), role, expires_at };
    let MadeToken { id, clear } = add_token(&desk.app, new, &By::cli(), now).await?;
    let token = clear.unwrap_or_default();
    if arguments.json {
        return json(&serde_json::json!({
            "id": id, "name": name, "role": role, "expires_at": expires_at, "token": token,
        }));
    }
    line(format!("Token, shown only now: {token}"))
}

fn read_end(text: &str, zone: &Zone, now: Timestamp) -> anyhow::Result<Timestamp> {
    let after = text.parse::<Span>().ok().map(|span| now + span);
    after
        .or_else(|| zone.end_written(text))
        .ok_or_else(|| anyhow!("`{}` is no end: write for example 30d or 2026-12-31", shown(text)))
}

async fn all(desk: &Desk, tenant: Option<TenantId>) -> anyhow::Result<Vec<TokenLine>> {
    let all = async move |tx: &mut Tx<'_>| match tenant {
        Some(tenant) => lango_store::tenants::tokens(tx, tenant).await,
        None => lango_store::tenants::platform_tokens(tx).await,
    };
    Ok(desk.app.store().read(all).await?)
}

const COLUMNS: [&str; 5] = ["id", "name", "role", "created_at", "expires_at"];

async fn list(desk: &Desk, arguments: &ListArguments) -> anyhow::Result<()> {
    let (tenant, zone) = whose(desk, arguments.platform).await?;
    let (tokens, now) = (all(desk, tenant).await?, desk.now());
    if printed(arguments.shape, &tokens, &COLUMNS)? {
        return Ok(());
    }
    if tokens.is_empty() {
        return line("No such token: lango token add NAME makes one");
    }
    let mut table = Table::new(["NAME", "ROLE", "MADE", "GOOD UNTIL", "ID"]);
    for token in tokens {
        let until = match token.expires_at {
            None => "for ever".to_owned(),
            Some(at) if at <= now => format!("{} (over)", zone.local(at)),
            Some(at) => zone.local(at),
        };
        let made = zone.local(token.created_at);
        table.row([token.name, token.role.to_string(), made, until, token.id.to_string()]);
    }
    table.print()
}

async fn remove(desk: &Desk, arguments: &RemoveArguments) -> anyhow::Result<()> {
    let (tenant, zone) = whose(desk, arguments.platform).await?;
    let typed = &arguments.token;
    let tokens = all(desk, tenant).await?;
    let found = meant(tokens, typed, |token| (token.id.to_string(), token.name.clone()));
    let missing = || format!("there is no token `{}`: see `lango token list`", shown(typed));
    let token = the_one(found, typed, missing, |token| {
        let made = zone.local(token.created_at);
        format!("{}  {} ({}), made {made}", token.id, token.name, token.role)
    })?;
    remove_token(&desk.app, tenant, token.id, &By::cli(), desk.now()).await?;
    if arguments.json {
        return json(&serde_json::json!({ "removed": token.id, "name": token.name }));
    }
    line(format!("{} opens nothing any more.", shown(&token.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_span_from_now_or_a_whole_day_at_that_place() {
        let zone: Zone = "Africa/Nairobi".parse().unwrap();
        let now = Timestamp::from_micros(0);
        assert_eq!(read_end("30d", &zone, now).unwrap(), now + Span::days(30));
        // Midnight after that day, three hours before Greenwich.
        let end = read_end("1970-01-02", &zone, now).unwrap();
        assert_eq!(end, now + Span::hours(45));
        assert!(read_end("soon", &zone, now).unwrap_err().to_string().contains("30d"));
    }
}
