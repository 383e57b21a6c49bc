//! `lango payment gateway …`: a business's accounts with payment providers. Secrets come from a
//! file, the environment or a dialogue, never from the command line: every user of the machine can
//! read that.

use super::desk::{Desk, meant, the_one};
use super::dialogue::ask_secretly;
use super::output::{Shape, json, line, printed, shown};
use super::table::Table;
use crate::config::environment;
use crate::operations::asked::By;
use crate::operations::gateways::{
    GatewayChange, NewGateway, add_gateway, change_gateway, gateways_of, merged_settings,
    remove_gateway, settings_of, urls_of,
};
use crate::operations::try_gateway::{check_gateway, register_gateway};
use crate::payments::Registered;
use crate::payments::settings::{is_secret, needed_secrets};
use anyhow::{Context, anyhow, bail};
use lango_domain::money::Currency;
use lango_store::gateways::Gateway;
use lango_store::tenants::Tenant;
use serde_json::{Map, Value, json as value};
use std::io::Read;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum GatewayCommand {
    /// Add an account with a payment provider
    Add(AddArguments),
    /// The accounts, in the order in which customers are offered them
    List(ListArguments),
    /// Prove the settings to the provider; nobody is charged
    Test(WhichArguments),
    /// Change settings, name or place of one
    Change(ChangeArguments),
    /// Ask nobody by it any more; money that comes by it still counts
    Remove(WhichArguments),
    /// Tell the provider where to tell us of money that is paid by hand
    Register(WhichArguments),
}

/// Where settings come from.
#[derive(clap::Args)]
struct Typed {
    /// A setting; NAME=@FILE takes it from a file; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// A file of JSON with settings, secrets too; `-` reads it from stdin
    #[arg(long, value_name = "FILE")]
    settings: Option<String>,
}

#[derive(clap::Args)]
#[command(after_help = "Providers and their settings (secrets in capitals):\n  \
    daraja          shortcode, till, CONSUMER_KEY, CONSUMER_SECRET, PASSKEY,\n                  \
    sandbox, pull_number, initiator, INITIATOR_PASSWORD,\n                  certificate\n  \
    clickpesa       client_id, API_KEY, CHECKSUM_KEY, checksum_scheme, preview\n  \
    momo            country, api_user, API_KEY, SUBSCRIPTION_KEY, sandbox\n  \
    airtel          country, client_id, CLIENT_SECRET, CALLBACK_KEY, sandbox\n  \
    signed_webhook  SECRET, header, charge_url, status_url\n\n\
    Secrets are asked for, or come from a file (--settings, NAME=@FILE) or from\n\
    LANGO_GATEWAY_SECRETS='{\"passkey\":\"…\"}'.\n\n\
    Examples:\n  lango payment gateway add Paybill --provider daraja --set shortcode=174379\n  \
    lango payment gateway add Till --provider daraja --settings till.json")]
pub(super) struct AddArguments {
    /// What you call it
    name: String,
    /// daraja, clickpesa, momo, airtel or signed_webhook; may stand in the file
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,
    /// The money it takes, if not the business's
    #[arg(long, value_name = "CODE")]
    currency: Option<Currency>,
    #[command(flatten)]
    typed: Typed,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango payment gateway list\n  \
                        lango payment gateway list --json")]
pub(super) struct ListArguments {
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango payment gateway test Paybill\n  \
                        lango payment gateway register Paybill\n  \
                        lango payment gateway remove Till")]
pub(super) struct WhichArguments {
    /// Its name or id
    gateway: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    lango payment gateway change Paybill --set pushes_per_second=10 --place 2\n  \
    lango payment gateway change Paybill --ask initiator_password \\\n    \
    --set initiator_password_set_on=2026-11-21")]
pub(super) struct ChangeArguments {
    /// Its name or id
    gateway: String,
    /// What you call it from now on
    #[arg(long)]
    name: Option<String>,
    /// Where it stands: customers are offered the smallest first
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..=1000))]
    place: Option<i64>,
    #[command(flatten)]
    typed: Typed,
    /// Ask for this secret; may be given several times
    #[arg(long, value_name = "NAME")]
    ask: Vec<String>,
    /// Take this setting away; may be given several times
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(desk: &Desk, command: GatewayCommand) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    match command {
        GatewayCommand::Add(arguments) => add(desk, &tenant, arguments).await?,
        GatewayCommand::List(arguments) => list(desk, &tenant, &arguments).await?,
        GatewayCommand::Test(arguments) => return test(desk, &tenant, &arguments).await,
        GatewayCommand::Change(arguments) => change(desk, &tenant, arguments).await?,
        GatewayCommand::Remove(arguments) => remove(desk, &tenant, &arguments).await?,
        GatewayCommand::Register(arguments) => register(desk, &tenant, &arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Settings from all places that were named; what is typed goes before what stands in a file.
fn settings(typed: &Typed) -> anyhow::Result<Map<String, Value>> {
    let mut settings = match typed.settings.as_deref() {
        None => Map::new(),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("reading settings from stdin")?;
            object(&text, "stdin")?
        }
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading settings from {path}"))?;
            object(&text, path)?
        }
    };
    if let Some(secrets) = environment("LANGO_GATEWAY_SECRETS") {
        settings.extend(object(&secrets, "LANGO_GATEWAY_SECRETS")?);
    }
    for one in &typed.set {
        let Some((name, text)) = one.split_once('=') else {
            bail!("`{}` is no setting: write NAME=VALUE", shown(one));
        };
        settings.insert(name.to_owned(), setting(name, text)?);
    }
    Ok(settings)
}

fn object(text: &str, whence: &str) -> anyhow::Result<Map<String, Value>> {
    // What is wrong is not quoted: there are secrets in it.
    let read: Result<Map<String, Value>, _> = serde_json::from_str(text);
    read.map_err(|wrong| anyhow!("{whence} is no object of JSON, see line {}", wrong.line()))
}

fn setting(name: &str, text: &str) -> anyhow::Result<Value> {
    if let Some(path) = text.strip_prefix('@') {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("reading the setting {name} from {path}"))?;
        return Ok(Value::String(text.trim().to_owned()));
    }
    if is_secret(name) {
        bail!(
            "{name} is a secret, and every user of this machine can read a command line: leave it \
             away and it is asked for, or write {name}=@FILE"
        );
    }
    Ok(match name {
        "sandbox" | "preview" | "pushes_per_second" => serde_json::from_str(text)
            .map_err(|_| anyhow!("the setting {name} cannot be `{}`", shown(text)))?,
        _ => Value::String(text.to_owned()),
    })
}

fn as_json(desk: &Desk, gateway: &Gateway) -> Value {
    let settings = settings_of(&desk.app, gateway).ok();
    let warnings = settings.as_ref().map(|settings| settings.warnings(desk.now()));
    // Without `public_url` there is none.
    let urls = urls_of(&desk.app, gateway).ok().flatten();
    let told_at = urls.map(|urls| match gateway.provider.as_str() {
        "daraja" => urls.confirm,
        _ => urls.webhook,
    });
    let warnings: Vec<String> =
        warnings.unwrap_or_default().iter().map(ToString::to_string).collect();
    value!({
        "id": gateway.id, "name": gateway.name, "provider": gateway.provider,
        "currency": gateway.currency, "place": gateway.place,
        "settings": settings.map(|settings| settings.shown()), "warnings": warnings,
        "told_at": told_at,
        "last_error": gateway.last_error.as_ref().map(|(error, _)| error),
        "last_error_at": gateway.last_error.as_ref().map(|(_, at)| at),
        "compared_until": gateway.compared_until,
    })
}

/// A gateway by its name or id.
async fn one(desk: &Desk, tenant: &Tenant, typed: &str) -> anyhow::Result<Gateway> {
    let all = gateways_of(&desk.app, tenant.id).await?;
    let found = meant(all, typed, |one| (one.id.to_string(), one.name.clone()));
    let missing =
        || format!("there is no gateway `{}`: see `lango payment gateway list`", shown(typed));
    the_one(found, typed, missing, |one| format!("{}  {}", one.id, one.name))
}

async fn add(desk: &Desk, tenant: &Tenant, arguments: AddArguments) -> anyhow::Result<()> {
    let mut settings = settings(&arguments.typed)?;
    if let Some(provider) = arguments.provider {
        settings.insert("provider".to_owned(), Value::String(provider));
    }
    let provider = settings.get("provider").and_then(Value::as_str).unwrap_or_default().to_owned();
    if provider.is_empty() {
        bail!("say which provider: --provider daraja, clickpesa, momo, airtel or signed_webhook");
    }
    for secret in needed_secrets(&provider) {
        if !settings.contains_key(*secret) {
            let answer = ask_secretly(secret, "--settings FILE")?;
            settings.insert((*secret).to_owned(), Value::String(answer));
        }
    }
    let new = NewGateway {
        tenant: tenant.id,
        name: arguments.name,
        currency: arguments.currency,
        settings: Value::Object(settings),
    };
    let gateway = add_gateway(&desk.app, new, &By::cli(), desk.now()).await?;
    if arguments.json {
        return json(&as_json(desk, &gateway));
    }
    line(format!("{} is added", shown(&gateway.name)))?;
    match urls_of(&desk.app, &gateway)? {
        Some(urls) if gateway.provider == "daraja" => {
            line(format!("Money by hand is told at {}", urls.confirm))?;
        }
        // It is told with each payment where to answer.
        Some(_) if gateway.provider == "momo" => {}
        Some(urls) => {
            line(format!("Payments are told at {}: say so there, as the webhook", urls.webhook))?;
        }
        None => line("Say public_url in lango.toml: the provider must know where to answer.")?,
    }
    line(format!("Next: lango payment gateway test {}", shown(&gateway.name)))
}

const COLUMNS: [&str; 8] = [
    "id",
    "name",
    "provider",
    "currency",
    "place",
    "last_error",
    "last_error_at",
    "compared_until",
];

async fn list(desk: &Desk, tenant: &Tenant, arguments: &ListArguments) -> anyhow::Result<()> {
    let gateways = gateways_of(&desk.app, tenant.id).await?;
    let rows: Vec<Value> = gateways.iter().map(|gateway| as_json(desk, gateway)).collect();
    if printed(arguments.shape, &rows, &COLUMNS)? {
        return Ok(());
    }
    if gateways.is_empty() {
        return line("No gateway yet: lango payment gateway add NAME --provider …");
    }
    let mut table = Table::new(["NAME", "PROVIDER", "MONEY", "COMPARED", "LAST TROUBLE"]);
    for gateway in gateways {
        table.row([
            gateway.name,
            gateway.provider,
            gateway.currency.to_string(),
            gateway.compared_until.map(|at| tenant.zone.local(at)).unwrap_or_default(),
            gateway.last_error.map(|(error, _)| error).unwrap_or_default(),
        ]);
    }
    table.print()
}

async fn test(
    desk: &Desk,
    tenant: &Tenant,
    arguments: &WhichArguments,
) -> anyhow::Result<ExitCode> {
    let gateway = one(desk, tenant, &arguments.gateway).await?;
    let tried = check_gateway(&desk.app, (tenant.id, gateway.id), desk.now()).await?;
    let works = tried.wrong.is_empty();
    let warnings: Vec<String> = tried.warnings.iter().map(ToString::to_string).collect();
    if arguments.json {
        json(&value!({
            "id": gateway.id, "works": works, "wrong": tried.wrong, "warnings": warnings,
            "refunds": tried.abilities.refunds, "lists_money": tried.abilities.lists_money,
            "registers": tried.abilities.registers,
        }))?;
    } else {
        match works {
            true => line(format!("{} lets {} in.", tried.provider, shown(&gateway.name)))?,
            false => line(format!("{} does not work:", shown(&gateway.name)))?,
        }
        for text in tried.wrong.iter().chain(&warnings) {
            line(format!("  - {}", shown(text)))?;
        }
        if works && tried.abilities.registers {
            let name = shown(&gateway.name);
            line(format!("For money that is paid by hand: lango payment gateway register {name}"))?;
        }
    }
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn change(desk: &Desk, tenant: &Tenant, arguments: ChangeArguments) -> anyhow::Result<()> {
    let before = one(desk, tenant, &arguments.gateway).await?;
    let mut changes = settings(&arguments.typed)?;
    for name in &arguments.ask {
        changes.insert(name.clone(), Value::String(ask_secretly(name, "--settings FILE")?));
    }
    for name in arguments.unset {
        changes.insert(name, Value::Null);
    }
    if changes.is_empty() && arguments.name.is_none() && arguments.place.is_none() {
        bail!("say what is to be different: --set, --ask, --unset, --settings, --name or --place");
    }
    let settings = match changes.is_empty() {
        true => None,
        false => Some(merged_settings(&desk.app, &before, &Value::Object(changes))?),
    };
    let change = GatewayChange { name: arguments.name, settings, place: arguments.place };
    let (whose, expected) = ((tenant.id, before.id), Some(before.version));
    let after = change_gateway(&desk.app, whose, change, expected, &By::cli(), desk.now()).await?;
    if arguments.json {
        return json(&as_json(desk, &after));
    }
    line(format!("{} is changed", shown(&after.name)))
}

async fn remove(desk: &Desk, tenant: &Tenant, arguments: &WhichArguments) -> anyhow::Result<()> {
    let gateway = one(desk, tenant, &arguments.gateway).await?;
    let whose = (tenant.id, gateway.id);
    remove_gateway(&desk.app, whose, Some(gateway.version), &By::cli(), desk.now()).await?;
    if arguments.json {
        return json(&value!({ "removed": gateway.id, "name": gateway.name }));
    }
    line(format!("Nobody is asked by {} any more.", shown(&gateway.name)))
}

async fn register(desk: &Desk, tenant: &Tenant, arguments: &WhichArguments) -> anyhow::Result<()> {
    let gateway = one(desk, tenant, &arguments.gateway).await?;
    let done = register_gateway(&desk.app, (tenant.id, gateway.id), desk.now()).await?;
    let word = |registered| match registered {
        Registered::Now => "now",
        Registered::Before => "before",
        Registered::NotWanted => "not_wanted",
    };
    let (confirmations, list) = (word(done.confirmations), word(done.list));
    if arguments.json {
        return json(&value!({ "confirmations": confirmations, "list": list }));
    }
    line(match done.confirmations {
        Registered::Now => "It tells us of money that is paid by hand from now on.",
        Registered::Before => {
            "It has addresses already and takes no others: whether they are ours is seen when \
             money comes."
        }
        Registered::NotWanted => "The settings do not ask for it.",
    })
}
