//! `lango router …`: the boxes that enforce.

use super::Everywhere;
use super::desk::Desk;
use super::dialogue::ask_secretly;
use super::output::{Paint, json, line, note, shown};
use super::router_setup::{SetupArguments, setup};
use super::router_test::{TestArguments, test};
use super::table::Table;
use crate::operations::add_router::{
    NewRouter, RouterAddress, RouterLogin, RouterProtocol, RouterTls, add_router,
};
use crate::operations::asked::By;
use crate::operations::change_router::remove_router;
use crate::operations::diagnose::{RouterDiagnosis, diagnose};
use anyhow::bail;
use lango_routeros::Tls;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum RouterCommand {
    /// Print what to paste into a router's terminal before it is added
    Setup(SetupArguments),
    /// Add a router; every live access is brought onto it
    Add(AddArguments),
    /// Routers and how they do
    List(ListArguments),
    /// Say step by step what works with a router and what does not
    Test(TestArguments),
    /// Take a router out of service; what it holds stays on it
    Remove(RemoveArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
                        lango router add Router1 api://10.0.0.1 --user lango --password secret\n  \
                        lango router add Lobby radius://10.0.0.2 --password sharedsecret0123")]
pub(super) struct AddArguments {
    /// What staff call it
    name: String,
    /// api://HOST, apis://HOST, rest://HOST, rests://HOST or radius://IP, with :PORT if it is not
    /// the usual one; for RADIUS that is the port where it takes Disconnect-Requests
    address: RouterAddress,
    /// User on the router
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    user: String,
    /// Its password, for RADIUS the secret; LANGO_ROUTER_PASSWORD keeps it out of the process list; else it is asked for
    #[arg(long, value_name = "PASSWORD", env = "LANGO_ROUTER_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// SHA-256 fingerprint of its certificate, as `lango router test` shows it
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
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
pub(super) struct RemoveArguments {
    /// Its name or id
    router: String,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: RouterCommand,
) -> anyhow::Result<ExitCode> {
    let desk = async || Desk::open(everywhere).await;
    match command {
        // Works before there is any database.
        RouterCommand::Setup(arguments) => setup(arguments)?,
        RouterCommand::Add(arguments) => add(&desk().await?, arguments).await?,
        RouterCommand::List(arguments) => list(&desk().await?, arguments).await?,
        RouterCommand::Test(arguments) => return test(&desk().await?, arguments).await,
        RouterCommand::Remove(arguments) => remove(&desk().await?, arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(desk: &Desk, arguments: AddArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    if arguments.name.trim().is_empty() {
        bail!("the router needs a name");
    }
    let address = pinned(arguments.address, arguments.fingerprint)?;
    let is_radius = address.protocol == RouterProtocol::Radius;
    if arguments.user.is_empty() && !is_radius {
        bail!("say who we are on the router: --user lango");
    }
    let password = match arguments.password {
        Some(password) => password,
        None => {
            let question = match is_radius {
                true => "Secret that the router knows".to_owned(),
                false => format!("Password of {} on the router", arguments.user),
            };
            ask_secretly(&question, "--password PASSWORD")?
        }
    };
    let login = RouterLogin { user: arguments.user, password };
    let name = arguments.name.trim();
    let (tenant, shown_address) = (tenant.id, address.to_string());
    let new = NewRouter { tenant, name: name.to_owned(), address: address.clone(), login };
    let id = add_router(&desk.app, new, &By::cli(), desk.now()).await?.id;
    if arguments.json {
        return json(&serde_json::json!({ "id": id, "name": name, "address": shown_address }));
    }
    line(format!("{} is added at {address}", shown(name)))?;
    if address.tls == RouterTls::Any {
        note("Any certificate is taken from it: `lango router test` shows its fingerprint to pin.");
    }
    line(format!("Next: lango router test {}", shown(name)))
}

fn pinned(address: RouterAddress, fingerprint: Option<String>) -> anyhow::Result<RouterAddress> {
    let Some(fingerprint) = fingerprint else { return Ok(address) };
    if address.tls == RouterTls::Off {
        bail!("{address} is not encrypted, so it has no fingerprint: write apis:// or rests://");
    }
    if Tls::pinned_hex(&fingerprint).is_none() {
        bail!("`{fingerprint}` is not a fingerprint: write 64 hexadecimal digits");
    }
    Ok(RouterAddress { tls: RouterTls::Pinned(fingerprint), ..address })
}

/// A router in a list.
#[derive(serde::Serialize)]
struct Listed {
    address: Option<String>,
    #[serde(flatten)]
    diagnosis: RouterDiagnosis,
}

async fn list(desk: &Desk, arguments: ListArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let now = desk.now();
    let diagnosis = diagnose(&desk.app, now).await?;
    let own = diagnosis.tenants.into_iter().find(|one| one.id == tenant.id);
    let mut listed = Vec::new();
    for diagnosis in own.map(|own| own.routers).unwrap_or_default() {
        let stored = desk.router(Some(tenant.id), &diagnosis.id.to_string()).await?;
        let address = serde_json::from_str::<RouterAddress>(&stored.endpoint).ok();
        listed.push(Listed { address: address.map(|address| address.to_string()), diagnosis });
    }
    if arguments.json {
        return json(&listed);
    }
    if listed.is_empty() {
        return line("No router yet: lango router add NAME api://ADDRESS --user USER");
    }
    let mut table =
        Table::new(["NAME", "ADDRESS", "STATE", "LAST CONTACT", "VERSION", "WAITING", "ID"]);
    for Listed { address, diagnosis } in listed {
        table.row([
            diagnosis.name.clone(),
            address.unwrap_or_default(),
            state(&diagnosis).to_owned(),
            diagnosis
                .last_contact
                .map_or("never".to_owned(), |at| format!("{} ago", now.since(at))),
            diagnosis.observed.map(|observed| observed.version).unwrap_or_default(),
            diagnosis.waiting.to_string(),
            diagnosis.id.to_string(),
        ]);
    }
    table.print()
}

/// In a word.
pub(super) fn state(router: &RouterDiagnosis) -> &'static str {
    match (router.reachable, router.last_contact, &router.last_error) {
        (true, ..) => "up",
        (false, None, None) => "not tried",
        (false, Some(_), None) => "not asked lately",
        (false, _, Some(_)) => "down",
    }
}

async fn remove(desk: &Desk, arguments: RemoveArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let router = desk.router(Some(tenant.id), &arguments.router).await?;
    remove_router(&desk.app, (tenant.id, router.id), None, &By::cli(), desk.now()).await?;
    let paint = Paint::of_stdout();
    line(format!("{} is out of service.", paint.bold(&shown(&router.name))))?;
    line("What it holds stays on it: customers who are online there stay online, and are not cut")?;
    line("when their time is over. Objects with a comment that begins with `lango:` are ours.")
}
