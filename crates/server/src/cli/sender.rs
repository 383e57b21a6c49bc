//! `lango sender …`: the gateways that take texts, in order.

use super::Everywhere;
use super::desk::{Desk, meant, the_one};
use super::dialogue::ask_secretly;
use super::output::{Shape, json, line, note, printed, shown};
use super::table::Table;
use crate::messaging::gateways::{Gateway, report_path, ten_thousandths, written};
use crate::operations::asked::By;
use crate::operations::sender::{
    NewSender, SenderChange, add_sender, change_sender, order_senders, remove_sender, test_sender,
};
use anyhow::{anyhow, bail};
use lango_store::Tx;
use lango_store::senders::{self, Sender};
use lango_store::tenants::Tenant;
use serde_json::{Value, json as value};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum SenderCommand {
    /// Add a gateway behind those that there are
    Add(AddArguments),
    /// The gateways in the order in which they are tried, and how they do
    List(ListArguments),
    /// Hand a text to one of them, and ask how much is left to be spent
    Test(TestArguments),
    /// Change one, switch it off or on
    Change(ChangeArguments),
    /// Give it nothing more
    Remove(WhichArguments),
    /// Say in which order they are tried
    Order(OrderArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Gateways and their settings:\n  \
    africas-talking  user\n  next-sms         user\n  beem             user (its API key)\n  \
    twilio           user (account SID), reports_to (else public_url)\n  \
    http             url, method, headers, body, taken_at, taken_is, id_at\n  \
    smpp             host, port, user\n  smtp             host, port, user, from, tls\n  \
    log              none: texts stay in `lango message list`\n\n\
    Examples:\n  lango sender add at --gateway africas-talking --set user=shop --price 0.80\n  \
    lango sender add modem --gateway http --set url=http://192.168.88.5/send \\\n    \
    --set 'body={\"to\":\"{to}\",\"text\":\"{text}\"}'")]
pub(super) struct AddArguments {
    /// What you call it
    name: String,
    /// What it is
    #[arg(long, value_name = "KIND")]
    gateway: String,
    /// A setting of it, may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// API key, password or token; LANGO_SENDER_SECRET keeps it out of the process list; else
    /// it is asked for
    #[arg(long, env = "LANGO_SENDER_SECRET", hide_env_values = true, hide_env = true)]
    secret: Option<String>,
    /// The name that phones show, if not the business's
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// What one part costs, in the currency of the business
    #[arg(long, value_name = "AMOUNT")]
    price: Option<String>,
    /// Have `lango check` warn below this balance
    #[arg(long, value_name = "AMOUNT")]
    low_balance: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango sender list\n  lango sender list --json")]
pub(super) struct ListArguments {
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango sender test at --to 0712345678")]
pub(super) struct TestArguments {
    /// Its name or id
    sender: String,
    /// Where the text goes
    #[arg(long, value_name = "PHONE")]
    to: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango sender change at --off\n  \
                        lango sender change at --set user=shop2 --price 0.75")]
#[command(group(clap::ArgGroup::new("how").required(true).multiple(true)
                .args(["name", "set", "secret", "from", "price", "low_balance", "on", "off"])))]
#[command(override_usage = "lango sender change [OPTIONS] <SENDER>")]
pub(super) struct ChangeArguments {
    /// Its name or id
    sender: String,
    /// What you call it from now on
    #[arg(long)]
    name: Option<String>,
    /// A setting of it, may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Its API key, password or token from now on
    #[arg(long)]
    secret: Option<String>,
    /// The name that phones show; an empty one is the business's
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// What one part costs
    #[arg(long, value_name = "AMOUNT")]
    price: Option<String>,
    /// Have `lango check` warn below this balance
    #[arg(long, value_name = "AMOUNT")]
    low_balance: Option<String>,
    /// Switch it on
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
#[command(after_help = "Example:\n  lango sender remove at")]
pub(super) struct WhichArguments {
    /// Its name or id
    sender: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango sender order beem at modem")]
pub(super) struct OrderArguments {
    /// All of them, first the one that is tried first
    #[arg(required = true)]
    senders: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: SenderCommand,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    let tenant = desk.tenant().await?;
    match command {
        SenderCommand::Add(arguments) => add(&desk, &tenant, arguments).await?,
        SenderCommand::List(arguments) => list(&desk, &tenant, &arguments).await?,
        SenderCommand::Test(arguments) => return test(&desk, &tenant, &arguments).await,
        SenderCommand::Change(arguments) => change(&desk, &tenant, arguments).await?,
        SenderCommand::Remove(arguments) => remove(&desk, &tenant, &arguments).await?,
        SenderCommand::Order(arguments) => order(&desk, &tenant, &arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Settings as they are typed, over those that there are.
fn gateway(mut settings: Value, typed: &[String]) -> anyhow::Result<Gateway> {
    for one in typed {
        let Some((name, text)) = one.split_once('=') else {
            bail!("`{one}` is no setting: write NAME=VALUE");
        };
        settings[name] = match name {
            "port" | "window" | "repeatable" | "headers" | "taken_is" | "report_delivered"
            | "report_failed" => serde_json::from_str(text)
                .map_err(|wrong| anyhow!("the setting {name} is not JSON: {wrong}"))?,
            _ => value!(text),
        };
    }
    serde_json::from_value(settings)
        .map_err(|wrong| anyhow!("{wrong}: see `lango sender add --help`"))
}

fn amount(text: Option<&String>) -> anyhow::Result<Option<i64>> {
    let read = |text: &String| {
        let amount = ten_thousandths(text).filter(|amount| *amount >= 0);
        amount.ok_or_else(|| anyhow!("`{text}` is no amount: write for example 0.80"))
    };
    text.map(read).transpose()
}

fn as_json(desk: &Desk, sender: &Sender) -> Value {
    let health = &sender.health;
    value!({
        "id": sender.id, "name": sender.name, "place": sender.place,
        "gateway": Gateway::read(sender), "from_name": sender.from_name,
        "part_price": sender.part_price.map(written),
        "low_balance": sender.low_balance.map(written), "off_since": sender.off_since,
        "report_path": report_path(&desk.app, sender), "failures": health.failures,
        "failing_since": health.failing_since, "last_error": health.last_error,
        "balance": health.balance.as_ref().map(|left| format!("{} {}", left.currency, written(left.amount))),
    })
}

async fn all(desk: &Desk, tenant: &Tenant) -> anyhow::Result<Vec<Sender>> {
    let id = tenant.id;
    let all = async move |tx: &mut Tx<'_>| senders::of_tenant(tx, id).await;
    Ok(desk.app.store().read(all).await?)
}

async fn one(desk: &Desk, tenant: &Tenant, typed: &str) -> anyhow::Result<Sender> {
    let all = all(desk, tenant).await?;
    let found = meant(all, typed, |one| (one.id.to_string(), one.name.clone()));
    let missing = || format!("there is no sender `{}`: see `lango sender list`", shown(typed));
    the_one(found, typed, missing, |one| format!("{}  {}", one.id, one.name))
}

async fn add(desk: &Desk, tenant: &Tenant, arguments: AddArguments) -> anyhow::Result<()> {
    let gateway = gateway(value!({ "kind": arguments.gateway }), &arguments.set)?;
    let secret = match (arguments.secret, &gateway) {
        (Some(secret), _) => secret,
        (None, Gateway::Log | Gateway::Http(_)) => String::new(),
        (None, _) => ask_secretly("API key, password or token", "--secret SECRET")?,
    };
    let new = NewSender {
        tenant: tenant.id,
        name: arguments.name.trim().to_owned(),
        gateway,
        secret,
        from_name: arguments.from,
        part_price: amount(arguments.price.as_ref())?,
        low_balance: amount(arguments.low_balance.as_ref())?,
    };
    if new.name.is_empty() {
        bail!("the sender needs a name");
    }
    let sender = add_sender(&desk.app, new, &By::cli(), desk.now()).await?;
    if arguments.json {
        return json(&as_json(desk, &sender));
    }
    line(format!("{} is added", shown(&sender.name)))?;
    let host = desk.app.public_url().map_or("https://YOUR-HOST".to_owned(), ToString::to_string);
    line(format!("Reports of delivery go to {host}{}", report_path(&desk.app, &sender)))?;
    line(format!("Next: lango sender test {} --to PHONE", shown(&sender.name)))
}

const COLUMNS: [&str; 8] =
    ["id", "name", "place", "from_name", "part_price", "off_since", "failures", "last_error"];

async fn list(desk: &Desk, tenant: &Tenant, arguments: &ListArguments) -> anyhow::Result<()> {
    let senders = all(desk, tenant).await?;
    let rows: Vec<Value> = senders.iter().map(|sender| as_json(desk, sender)).collect();
    if printed(arguments.shape, &rows, &COLUMNS)? {
        return Ok(());
    }
    if senders.is_empty() {
        return line(
            "No sender yet, texts only go into the log: lango sender add NAME --gateway …",
        );
    }
    let mut table = Table::new(["NAME", "GATEWAY", "STATE", "PART", "BALANCE", "LAST TROUBLE"]);
    for sender in &senders {
        let state = match (sender.off_since, sender.health.failing_since) {
            (Some(at), _) => format!("off since {}", tenant.zone.local(at)),
            (None, Some(at)) => format!("failing since {}", tenant.zone.local(at)),
            (None, None) => "on".to_owned(),
        };
        let balance = sender.health.balance.as_ref();
        table.row([
            sender.name.clone(),
            Gateway::read(sender).map_or("?", |gateway| gateway.word()).to_owned(),
            state,
            sender.part_price.map(written).unwrap_or_default(),
            balance
                .map(|left| format!("{} {}", left.currency, written(left.amount)))
                .unwrap_or_default(),
            sender.health.last_error.clone().unwrap_or_default(),
        ]);
    }
    table.print()
}

async fn test(desk: &Desk, tenant: &Tenant, arguments: &TestArguments) -> anyhow::Result<ExitCode> {
    let sender = one(desk, tenant, &arguments.sender).await?;
    let whose = (tenant.id, sender.id);
    let tried = test_sender(&desk.app, whose, &arguments.to, desk.now()).await?;
    if arguments.json {
        json(&tried)?;
    } else if tried.taken {
        line(format!("{} took it: {}", shown(&sender.name), shown(&tried.detail)))?;
    } else {
        line(format!("{} did not take it: {}", shown(&sender.name), shown(&tried.detail)))?;
    }
    if let Some(balance) = tried.balance.as_ref().filter(|_| !arguments.json) {
        line(format!("It says that {} is left.", shown(balance)))?;
    }
    Ok(if tried.taken { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn change(desk: &Desk, tenant: &Tenant, arguments: ChangeArguments) -> anyhow::Result<()> {
    let before = one(desk, tenant, &arguments.sender).await?;
    let new_gateway = match arguments.set.is_empty() {
        true => None,
        false => Some(gateway(serde_json::from_str(&before.gateway)?, &arguments.set)?),
    };
    let change = SenderChange {
        name: arguments.name,
        gateway: new_gateway,
        secret: arguments.secret,
        from_name: arguments.from.map(|name| Some(name).filter(|name| !name.is_empty())),
        part_price: amount(arguments.price.as_ref())?.map(Some),
        low_balance: amount(arguments.low_balance.as_ref())?.map(Some),
        on: (arguments.on || arguments.off).then_some(arguments.on),
    };
    let (whose, expected) = ((tenant.id, before.id), Some(before.version));
    let after = change_sender(&desk.app, whose, change, expected, &By::cli(), desk.now()).await?;
    if arguments.json {
        return json(&as_json(desk, &after));
    }
    let state = if after.off_since.is_none() { "on" } else { "off" };
    line(format!("{} is changed and {state}", shown(&after.name)))
}

async fn remove(desk: &Desk, tenant: &Tenant, arguments: &WhichArguments) -> anyhow::Result<()> {
    let sender = one(desk, tenant, &arguments.sender).await?;
    remove_sender(&desk.app, (tenant.id, sender.id), None, &By::cli(), desk.now()).await?;
    if arguments.json {
        return json(&value!({ "removed": sender.id, "name": sender.name }));
    }
    line(format!("{} is given nothing more.", shown(&sender.name)))
}

async fn order(desk: &Desk, tenant: &Tenant, arguments: &OrderArguments) -> anyhow::Result<()> {
    let mut order = Vec::new();
    for typed in &arguments.senders {
        order.push(one(desk, tenant, typed).await?.id);
    }
    let all = order_senders(&desk.app, tenant.id, order, &By::cli(), desk.now()).await?;
    if arguments.json {
        let all: Vec<Value> = all.iter().map(|sender| as_json(desk, sender)).collect();
        return json(&all);
    }
    let names: Vec<String> = all.iter().map(|sender| shown(&sender.name)).collect();
    note("Texts go to the first that takes them.");
    line(names.join(", "))
}
