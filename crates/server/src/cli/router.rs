//! `lango router …`: the boxes that enforce.

use super::Everywhere;
use super::desk::Desk;
use super::dialogue::ask_secretly;
use super::output::{Paint, Shape, json, line, note, printed, shown};
use super::router_setup::{SetupArguments, setup, setup_portal};
use super::router_test::{TestArguments, test};
use super::table::Table;
use crate::config::environment;
use crate::operations::add_router::{
    NewRouter, RouterAddress, RouterLogin, RouterProtocol, RouterTls, add_router,
};
use crate::operations::asked::By;
use crate::operations::change_router::{RouterChange, change_router, remove_router};
use crate::operations::diagnose::{RouterDiagnosis, diagnose};
use crate::operations::router_api::{self, ApiChange, RouterApi};
use crate::reconcile::connect::credentials;
use anyhow::{Context, bail};
use lango_domain::time::{Span, Timestamp};
use lango_routeros::Tls;
use lango_store::routers::Router;
use lango_store::tenants::Tenant;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum RouterCommand {
    /// Print what to paste into a router's terminal before it is added
    Setup(SetupArguments),
    /// Add a router; every live access is brought onto it
    Add(AddArguments),
    /// Routers and how they do
    List(ListArguments),
    /// A router: how it does, what waits for it, what is in Lango's way on it
    Show(WhichArguments),
    /// Change a router's name, address or login; it is connected anew
    Change(ChangeArguments),
    /// Say step by step what works with a router and what does not
    Test(TestArguments),
    /// Take a router out of service; what it holds stays on it
    Remove(WhichArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango router add Router1 api://10.0.0.1 --user lango\n  \
                        lango router add Hill rests://hill.example --user lango \\\n      \
                        --fingerprint 3f…\n  \
                        lango router add Lobby radius://10.0.0.2")]
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
#[command(after_help = "Examples:\n  lango router list\n  lango router list --csv > routers.csv")]
pub(super) struct ListArguments {
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango router show Router1\n  lango router remove Router1")]
pub(super) struct WhichArguments {
    /// Its name or id
    router: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango router change Router1 --name Hill\n  \
                        lango router change Router1 --address apis://10.0.0.7\n  \
                        lango router change Router1 --password      (asks for it)\n  \
                        lango router change Lobby --api apis://10.0.0.2 --user lango\n  \
                        lango router change Lobby --api off")]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)
                .args(["name", "address", "user", "password", "fingerprint", "api"])))]
#[command(override_usage = "lango router change [OPTIONS] <ROUTER>")]
pub(super) struct ChangeArguments {
    /// Its name or id
    router: String,
    /// Call it so from now on
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where it is from now on: api://HOST, apis://HOST, rest://HOST or rests://HOST
    #[arg(long, value_name = "ADDRESS")]
    address: Option<RouterAddress>,
    /// For a router that asks by RADIUS: its API, for orders that it leaves unanswered; user,
    /// password and fingerprint are those of the API then. `off` forgets it
    #[arg(long, value_name = "ADDRESS")]
    api: Option<String>,
    /// User on the router from now on; its password is asked for
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Its new password; without one it is LANGO_ROUTER_PASSWORD, else it is asked for
    #[arg(long, value_name = "PASSWORD", num_args = 0..=1)]
    password: Option<Option<String>>,
    /// SHA-256 fingerprint of its certificate, as `lango router test` shows it
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: RouterCommand,
) -> anyhow::Result<ExitCode> {
    let desk = async || Desk::open(everywhere).await;
    match command {
        // Works before there is any database.
        RouterCommand::Setup(arguments) if !arguments.is_for_portal() => setup(arguments)?,
        RouterCommand::Setup(arguments) => setup_portal(&desk().await?, arguments).await?,
        RouterCommand::Add(arguments) => add(&desk().await?, arguments).await?,
        RouterCommand::List(arguments) => list(&desk().await?, &arguments).await?,
        RouterCommand::Show(arguments) => show(&desk().await?, &arguments).await?,
        RouterCommand::Change(arguments) => change(&desk().await?, arguments).await?,
        RouterCommand::Test(arguments) => return test(&desk().await?, arguments).await,
        RouterCommand::Remove(arguments) => remove(&desk().await?, &arguments).await?,
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

async fn change(desk: &Desk, arguments: ChangeArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let before = desk.router(Some(tenant.id), &arguments.router).await?;
    let ChangeArguments { address, api, user, password, fingerprint, .. } = arguments;
    let (login, fingerprint, api) = match api {
        Some(way) => (None, None, Some(new_api(&way, user, password, fingerprint)?)),
        None => (new_login(desk, &before, user, password)?, fingerprint, None),
    };
    let address = match (address, fingerprint) {
        (None, None) => None,
        (None, pin) => Some(pinned(address_of(&before)?, pin)?),
        (Some(address), pin) => Some(pinned(address, pin)?),
    };
    let is_any = address.as_ref().is_some_and(|address| address.tls == RouterTls::Any);
    let change = RouterChange { name: arguments.name, address, login, api };
    let (whose, expected) = ((tenant.id, before.id), Some(before.version));
    let after = change_router(&desk.app, whose, change, expected, &By::cli(), desk.now()).await?;
    let address = address_of(&after)?.to_string();
    if arguments.json {
        let (id, name) = (after.id, &after.name);
        return json(&serde_json::json!({ "id": id, "name": name, "address": address }));
    }
    line(format!("{} is changed; it is at {address}", shown(&after.name)))?;
    if is_any {
        note("Any certificate is taken from it: `lango router test` shows its fingerprint to pin.");
    }
    line(format!("Next: lango router test {}", shown(&after.name)))
}

/// A login is a user and his password. A new user has a password of his own; a new password alone
/// is that of the user we are already.
fn new_login(
    desk: &Desk,
    before: &Router,
    user: Option<String>,
    password: Option<Option<String>>,
) -> anyhow::Result<Option<RouterLogin>> {
    if user.is_none() && password.is_none() {
        return Ok(None);
    }
    let user = match user {
        Some(user) => user,
        None => credentials(&desk.app, before)?.user,
    };
    let password = match password.flatten().or_else(|| environment("LANGO_ROUTER_PASSWORD")) {
        Some(password) => password,
        None => ask_secretly(&format!("Password of {user} on the router"), "--password PASSWORD")?,
    };
    Ok(Some(RouterLogin { user, password }))
}

fn new_api(
    way: &str,
    user: Option<String>,
    password: Option<Option<String>>,
    fingerprint: Option<String>,
) -> anyhow::Result<ApiChange> {
    if way == "off" {
        return Ok(ApiChange::Forget);
    }
    let address = pinned(way.parse()?, fingerprint)?;
    let Some(user) = user else { bail!("say who we are on the router: --user lango") };
    let password = match password.flatten().or_else(|| environment("LANGO_ROUTER_PASSWORD")) {
        Some(password) => password,
        None => ask_secretly(&format!("Password of {user} on the router"), "--password PASSWORD")?,
    };
    let login = RouterLogin { user, password };
    Ok(ApiChange::Use(RouterApi { address, login }))
}

fn address_of(router: &Router) -> anyhow::Result<RouterAddress> {
    serde_json::from_str(&router.endpoint).with_context(|| {
        format!("the address of {} cannot be read: give it with --address", shown(&router.name))
    })
}

/// A router in a list.
#[derive(serde::Serialize)]
struct Listed {
    address: Option<String>,
    #[serde(flatten)]
    diagnosis: RouterDiagnosis,
}

const COLUMNS: [&str; 11] = [
    "id",
    "name",
    "address",
    "reachable",
    "last_contact",
    "last_error",
    "observed_version",
    "observed_board",
    "observed_uptime_seconds",
    "observed_active_sessions",
    "waiting",
];

async fn list(desk: &Desk, arguments: &ListArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let now = desk.now();
    let listed = every_router(desk, &tenant).await?;
    if printed(arguments.shape, &listed, &COLUMNS)? {
        return Ok(());
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

async fn every_router(desk: &Desk, tenant: &Tenant) -> anyhow::Result<Vec<Listed>> {
    let diagnosis = diagnose(&desk.app, desk.now()).await?;
    let own = diagnosis.tenants.into_iter().find(|one| one.id == tenant.id);
    let mut listed = Vec::new();
    for diagnosis in own.map(|own| own.routers).unwrap_or_default() {
        let stored = desk.router(Some(tenant.id), &diagnosis.id.to_string()).await?;
        let address = serde_json::from_str::<RouterAddress>(&stored.endpoint).ok();
        listed.push(Listed { address: address.map(|address| address.to_string()), diagnosis });
    }
    Ok(listed)
}

async fn show(desk: &Desk, arguments: &WhichArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let stored = desk.router(Some(tenant.id), &arguments.router).await?;
    let listed = every_router(desk, &tenant).await?;
    let found = listed.into_iter().find(|listed| listed.diagnosis.id == stored.id);
    let Some(Listed { address, diagnosis }) = found else {
        bail!("{} was taken out of service just now", shown(&stored.name));
    };
    if arguments.json {
        return json(&Listed { address, diagnosis });
    }
    let (now, zone) = (desk.now(), &tenant.zone);
    let at = address.unwrap_or_default();
    line(format!("{} ({}) at {at} is {}", shown(&stored.name), stored.id, state(&diagnosis)))?;
    let ago = |at: Timestamp| format!("{} ({} ago)", zone.local(at), now.since(at));
    let beside = router_api::of(&desk.app, &stored).map(|api| api.address.to_string());
    let mut facts = vec![
        ("API beside RADIUS", beside),
        ("last contact", diagnosis.last_contact.map(ago)),
        ("last compared", diagnosis.last_sync.map(ago)),
        ("last trouble", diagnosis.last_error.clone()),
    ];
    if let Some(seen) = &diagnosis.observed {
        facts.extend([
            ("calls itself", Some(format!("{}, {}, {}", seen.identity, seen.board, seen.version))),
            ("up for", Some(Span::seconds(seen.uptime_seconds).to_string())),
            ("sessions", Some(seen.active_sessions.to_string())),
            ("clock ahead of ours", seen.clock_ahead_seconds.map(|ahead| format!("{ahead} s"))),
        ]);
    }
    facts.push(("orders that wait", Some(diagnosis.waiting.to_string())));
    facts.push(("since", diagnosis.oldest_order.map(ago)));
    for (what, fact) in facts {
        fact.map_or(Ok(()), |fact| line(format!("  {what}: {}", shown(&fact))))?;
    }
    if diagnosis.strangers.is_empty() {
        return Ok(());
    }
    line("  not made by Lango, so left alone:")?;
    let mut table = Table::new(["MENU", "NAME", "WHY"]).indented(4);
    for stranger in diagnosis.strangers {
        table.row([stranger.menu, stranger.name, stranger.why]);
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

async fn remove(desk: &Desk, arguments: &WhichArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let router = desk.router(Some(tenant.id), &arguments.router).await?;
    remove_router(&desk.app, (tenant.id, router.id), None, &By::cli(), desk.now()).await?;
    if arguments.json {
        return json(&serde_json::json!({ "removed": router.id, "name": router.name }));
    }
    let paint = Paint::of_stdout();
    line(format!("{} is out of service.", paint.bold(&shown(&router.name))))?;
    line("What it holds stays on it: customers who are online there stay online, and are not cut")?;
    line("when their time is over. Objects with a comment that begins with `lango:` are ours.")
}
