//! `lango business …`: the businesses of this database.

use super::Everywhere;
use super::desk::Desk;
use super::output::{Shape, json, line, printed, shown};
use super::table::Table;
use crate::operations::asked::By;
use crate::operations::change_tenant::{TenantChange, change_tenant};
use lango_domain::calendar::Zone;
use lango_domain::language::Language;
use lango_domain::time::Span;
use lango_store::tenants::Tenant;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum BusinessCommand {
    /// The businesses there are, oldest first
    List(ListArguments),
    /// Change a business's name, zone, language or how long it remembers devices
    Change(ChangeArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango business list")]
pub(super) struct ListArguments {
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango business change --name \"Hotel ABC\"\n  \
                        lango business change --language sw --tenant \"Cafe\"")]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)
                .args(["name", "zone", "language", "remember_devices"])))]
#[command(override_usage = "lango business change [OPTIONS]")]
pub(super) struct ChangeArguments {
    /// Its name from now on, as customers read it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The zone of its clocks; plans that were made keep theirs
    #[arg(long, value_name = "ZONE")]
    zone: Option<Zone>,
    /// The language of its customers: en, sw or fr
    #[arg(long, value_name = "CODE")]
    language: Option<Language>,
    /// After how long unused a device is forgotten
    #[arg(long, value_name = "TIME")]
    remember_devices: Option<Span>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: BusinessCommand,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    match command {
        BusinessCommand::List(arguments) => list(&desk, &arguments).await?,
        BusinessCommand::Change(arguments) => change(&desk, arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(tenant: &Tenant) -> serde_json::Value {
    serde_json::json!({
        "id": tenant.id, "name": tenant.name, "country": tenant.country, "zone": tenant.zone,
        "language": tenant.language, "currency": tenant.currency,
        "device_retention_seconds": tenant.device_retention.as_seconds(),
        "created_at": tenant.created_at, "version": tenant.version,
    })
}

const COLUMNS: [&str; 8] = [
    "id",
    "name",
    "country",
    "zone",
    "language",
    "currency",
    "device_retention_seconds",
    "created_at",
];

async fn list(desk: &Desk, arguments: &ListArguments) -> anyhow::Result<()> {
    let tenants = desk.every_tenant().await?;
    let rows: Vec<serde_json::Value> = tenants.iter().map(as_json).collect();
    if printed(arguments.shape, &rows, &COLUMNS)? {
        return Ok(());
    }
    if tenants.is_empty() {
        return line("No business yet: lango init");
    }
    let mut table = Table::new(["NAME", "ZONE", "LANGUAGE", "CURRENCY", "ID"]);
    for tenant in tenants {
        table.row([
            tenant.name,
            tenant.zone.to_string(),
            tenant.language.code().to_owned(),
            tenant.currency.to_string(),
            tenant.id.to_string(),
        ]);
    }
    table.print()
}

async fn change(desk: &Desk, arguments: ChangeArguments) -> anyhow::Result<()> {
    let before = desk.tenant().await?;
    let ChangeArguments { name, zone, language, remember_devices, json: wants_json } = arguments;
    let change = TenantChange { name, zone, language, device_retention: remember_devices };
    let (expected, by) = (Some(before.version), By::cli());
    let after = change_tenant(&desk.app, before.id, change, expected, &by, desk.now()).await?;
    if wants_json {
        return json(&as_json(&after));
    }
    let (zone, language) = (&after.zone, after.language.code());
    line(format!("{} is changed: zone {zone}, language {language}", shown(&after.name)))
}
