//! `lango webhook …`: addresses that are told what happens.

use super::Everywhere;
use super::desk::{Desk, meant, the_one};
use super::output::{Shape, counted, json, line, note, printed, shown};
use super::table::Table;
use crate::operations::asked::By;
use crate::operations::webhook::{
    NewWebhook, WebhookChange, add_webhook, change_webhook, remove_webhook, tell_again,
};
use lango_domain::ids::WebhookId;
use lango_store::tenants::Tenant;
use lango_store::webhooks::{self, Delivery, Webhook};
use lango_store::{Order, Tx};
use std::process::ExitCode;

/// How many of the latest tries are shown.
const MOST_TRIES: i64 = 20;

#[derive(clap::Subcommand)]
pub(super) enum WebhookCommand {
    /// Have an address told what happens; its secret is shown only now
    Add(AddArguments),
    /// The webhooks there are
    List(ListArguments),
    /// A webhook and what it answered lately
    Show(WhichArguments),
    /// Change where it is or what it is told, switch it off or on
    Change(ChangeArguments),
    /// Tell it nothing more, and forget what it answered
    Remove(WhichArguments),
    /// Tell it again what happened
    Replay(ReplayArguments),
}

#[derive(clap::Args)]
#[command(after_help = "What happens has the words of `lango service show`: started, renewed,\n\
                        warned, ended …\n\nExamples:\n  \
                        lango webhook add https://example.com/lango\n  \
                        lango webhook add https://example.com/ends --what ended --what warned")]
pub(super) struct AddArguments {
    /// Where it listens: https://HOST/PATH
    url: String,
    /// What it is told, may be given several times; else everything
    #[arg(long, value_name = "WORD")]
    what: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango webhook list\n  lango webhook list --json")]
pub(super) struct ListArguments {
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango webhook show https://example.com/lango\n  \
                        lango webhook remove https://example.com/lango")]
pub(super) struct WhichArguments {
    /// Its address or id
    webhook: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango webhook change https://example.com/lango --on\n  \
                        lango webhook change https://example.com/lango --what ended")]
#[command(group(clap::ArgGroup::new("how").required(true).multiple(true)
                .args(["url", "what", "everything", "on", "off"])))]
#[command(override_usage = "lango webhook change [OPTIONS] <WEBHOOK>")]
pub(super) struct ChangeArguments {
    /// Its address or id
    webhook: String,
    /// Where it listens from now on
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// What it is told from now on, may be given several times
    #[arg(long, value_name = "WORD", conflicts_with = "everything")]
    what: Vec<String>,
    /// Tell it everything from now on
    #[arg(long)]
    everything: bool,
    /// Switch it on: it hears what happens from now on
    #[arg(long, conflicts_with = "off")]
    on: bool,
    /// Switch it off
    #[arg(long)]
    off: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Every message carries the place of its event. Whoever lost some asks\n\
                        for those after the last one that he has.\n\nExample:\n  \
                        lango webhook replay https://example.com/lango --after 4711")]
pub(super) struct ReplayArguments {
    /// Its address or id
    webhook: String,
    /// The place of the last event that it needs not hear again; 0 is everything
    #[arg(long, value_name = "PLACE", value_parser = clap::value_parser!(i64).range(0..))]
    after: i64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: WebhookCommand,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    let tenant = desk.tenant().await?;
    match command {
        WebhookCommand::Add(arguments) => add(&desk, &tenant, arguments).await?,
        WebhookCommand::List(arguments) => list(&desk, &tenant, &arguments).await?,
        WebhookCommand::Show(arguments) => show(&desk, &tenant, &arguments).await?,
        WebhookCommand::Change(arguments) => change(&desk, &tenant, arguments).await?,
        WebhookCommand::Remove(arguments) => remove(&desk, &tenant, &arguments).await?,
        WebhookCommand::Replay(arguments) => replay(&desk, &tenant, &arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A webhook as it may be shown: without its secret.
#[derive(serde::Serialize)]
struct Listed<'w> {
    id: WebhookId,
    url: &'w str,
    topics: &'w [String],
    created_at: lango_domain::time::Timestamp,
    off_since: Option<lango_domain::time::Timestamp>,
    version: i64,
}

impl<'w> Listed<'w> {
    fn of(webhook: &'w Webhook) -> Listed<'w> {
        let Webhook { id, url, topics, created_at, off_since, version, .. } = webhook;
        let (id, version) = (*id, *version);
        Listed { id, url, topics, created_at: *created_at, off_since: *off_since, version }
    }
}

async fn add(desk: &Desk, tenant: &Tenant, arguments: AddArguments) -> anyhow::Result<()> {
    let AddArguments { url, what: topics, json: wants_json } = arguments;
    let new = NewWebhook { tenant: tenant.id, url, topics };
    let (webhook, secret) = add_webhook(&desk.app, new, &By::cli(), desk.now()).await?;
    if wants_json {
        let webhook = Listed::of(&webhook);
        return json(&serde_json::json!({ "webhook": webhook, "secret": secret }));
    }
    line(format!("{} is told {}", shown(&webhook.url), told(&webhook)))?;
    line(format!("Secret of its signatures, shown only now: {}", secret.unwrap_or_default()))
}

fn told(webhook: &Webhook) -> String {
    if webhook.topics.is_empty() { "everything".to_owned() } else { webhook.topics.join(", ") }
}

async fn all(desk: &Desk, tenant: &Tenant) -> anyhow::Result<Vec<Webhook>> {
    let id = tenant.id;
    let all = async move |tx: &mut Tx<'_>| webhooks::of_tenant(tx, id).await;
    Ok(desk.app.store().read(all).await?)
}

async fn one(desk: &Desk, tenant: &Tenant, typed: &str) -> anyhow::Result<Webhook> {
    let all = all(desk, tenant).await?;
    let found = meant(all, typed, |webhook| (webhook.id.to_string(), webhook.url.clone()));
    let missing = || format!("there is no webhook `{}`: see `lango webhook list`", shown(typed));
    let choice =
        |webhook: &Webhook| format!("{}  {}, told {}", webhook.id, webhook.url, told(webhook));
    the_one(found, typed, missing, choice)
}

const COLUMNS: [&str; 5] = ["id", "url", "topics", "created_at", "off_since"];

async fn list(desk: &Desk, tenant: &Tenant, arguments: &ListArguments) -> anyhow::Result<()> {
    let webhooks = all(desk, tenant).await?;
    let listed: Vec<Listed<'_>> = webhooks.iter().map(Listed::of).collect();
    if printed(arguments.shape, &listed, &COLUMNS)? {
        return Ok(());
    }
    if webhooks.is_empty() {
        return line("No webhook yet: lango webhook add https://HOST/PATH");
    }
    let mut table = Table::new(["URL", "TOLD", "STATE", "ID"]);
    for webhook in &webhooks {
        let state = match webhook.off_since {
            None => "on".to_owned(),
            Some(at) => format!("off since {}", tenant.zone.local(at)),
        };
        table.row([webhook.url.clone(), told(webhook), state, webhook.id.to_string()]);
    }
    table.print()
}

async fn show(desk: &Desk, tenant: &Tenant, arguments: &WhichArguments) -> anyhow::Result<()> {
    let webhook = one(desk, tenant, &arguments.webhook).await?;
    let id = webhook.id;
    let latest = async move |tx: &mut Tx<'_>| {
        webhooks::deliveries(tx, id, Order::Descending, None, MOST_TRIES).await
    };
    let tries: Vec<Delivery> = desk.app.store().read(latest).await?;
    if arguments.json {
        let tries: Vec<serde_json::Value> = tries.iter().map(try_as_json).collect();
        let webhook = Listed::of(&webhook);
        return json(&serde_json::json!({ "webhook": webhook, "deliveries": tries }));
    }
    line(format!("{} is told {}", shown(&webhook.url), shown(&told(&webhook))))?;
    if let Some(at) = webhook.off_since {
        let since = tenant.zone.local(at);
        line(format!("  off since {since}: lango webhook change {id} --on"))?;
    }
    if tries.is_empty() {
        return line("  It was told nothing yet.");
    }
    let mut table = Table::new(["WHEN", "TRY", "ANSWER", "TOOK", "WHAT WENT WRONG"]).indented(2);
    for one in tries {
        table.row([
            tenant.zone.local(one.at),
            one.attempt.to_string(),
            one.status.map_or("none".to_owned(), |status| status.to_string()),
            one.took.to_string(),
            one.error.unwrap_or_default(),
        ]);
    }
    table.print()
}

fn try_as_json(one: &Delivery) -> serde_json::Value {
    serde_json::json!({
        "id": one.id, "activity": one.activity, "attempt": one.attempt, "at": one.at,
        "took_ms": one.took.as_millis(), "status": one.status, "error": one.error,
    })
}

async fn change(desk: &Desk, tenant: &Tenant, arguments: ChangeArguments) -> anyhow::Result<()> {
    let before = one(desk, tenant, &arguments.webhook).await?;
    let ChangeArguments { url, what, everything, on, off, json: wants_json, .. } = arguments;
    let change = WebhookChange {
        url,
        topics: (everything || !what.is_empty()).then_some(what),
        on: (on || off).then_some(on),
    };
    let (whose, expected) = ((tenant.id, before.id), Some(before.version));
    let after = change_webhook(&desk.app, whose, change, expected, &By::cli(), desk.now()).await?;
    if wants_json {
        return json(&Listed::of(&after));
    }
    let state = if after.off_since.is_none() { "on" } else { "off" };
    line(format!("{} is {state} and told {}", shown(&after.url), shown(&told(&after))))
}

async fn remove(desk: &Desk, tenant: &Tenant, arguments: &WhichArguments) -> anyhow::Result<()> {
    let webhook = one(desk, tenant, &arguments.webhook).await?;
    remove_webhook(&desk.app, (tenant.id, webhook.id), None, &By::cli(), desk.now()).await?;
    if arguments.json {
        return json(&serde_json::json!({ "removed": webhook.id, "url": webhook.url }));
    }
    line(format!("{} is told nothing more.", shown(&webhook.url)))
}

async fn replay(desk: &Desk, tenant: &Tenant, arguments: &ReplayArguments) -> anyhow::Result<()> {
    let webhook = one(desk, tenant, &arguments.webhook).await?;
    let (mut queued, mut after) = (0, arguments.after);
    loop {
        let whose = (tenant.id, webhook.id);
        let (more, next) = tell_again(&desk.app, whose, after, desk.now()).await?;
        queued += more;
        // The same place again: nothing happened after it.
        if next == after {
            break;
        }
        after = next;
    }
    if arguments.json {
        return json(&serde_json::json!({ "queued": queued, "next": after }));
    }
    let events = counted(usize::try_from(queued)?, "event", "events");
    line(format!("{events} to be told again to {}", shown(&webhook.url)))?;
    if webhook.off_since.is_some() {
        note(format!("It is off: lango webhook change {} --on", webhook.id));
    }
    note("`lango serve` tells them.");
    Ok(())
}
