//! `lango service …`: hotspot accounts, PPPoE subscriptions, fixed addresses.

use super::Everywhere;
use super::desk::{Desk, kind_in_words};
use super::output::{json, line, note, shown};
use super::settle::{settle_grant, tell};
use super::table::Table;
use crate::operations::asked::By;
use crate::operations::change_grant::{Actor, change_grant};
use crate::operations::open_service::{ServiceOrder, made_up_password, open_service};
use anyhow::anyhow;
use lango_domain::access::{Access, GrantKind, Secret};
use lango_domain::grant::{Event, State, SuspendReason};
use lango_domain::ids::TenantId;
use lango_domain::mac_address::MacAddress;
use lango_domain::time::Span;
use lango_store::Tx;
use lango_store::grants::{GrantLine, StoredGrant};
use lango_store::tenants::Tenant;
use std::net::Ipv4Addr;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum ServiceCommand {
    /// Open a service
    Add(Box<AddArguments>),
    /// The services there are
    List(ListArguments),
    /// A service, what routers make of it, and everything that happened to it
    Show(WhoArguments),
    /// Stop its clock, and access with it, at the customer's wish
    Pause(WhoArguments),
    /// End a pause or a suspension
    Resume(WhoArguments),
    /// Bar access while its clock runs on
    Suspend(WhoArguments),
    /// End it for good
    Terminate(WhoArguments),
    /// Let another device use it than the one that it is locked to
    Unlock(WhoArguments),
    /// Give time
    Extend(ExtendArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango service add --plan Home10 --pppoe ann --customer 0712345678 \
                        --paid\n  \
                        lango service add --plan Office --ip 10.5.0.7 --router Router1")]
#[command(group(clap::ArgGroup::new("login").required(true).args(["pppoe", "hotspot", "ip"])))]
pub(super) struct AddArguments {
    /// The plan's name
    #[arg(long, value_name = "PLAN")]
    plan: String,
    /// A PPPoE subscription with this user name
    #[arg(long, value_name = "NAME")]
    pppoe: Option<String>,
    /// A hotspot account with this user name
    #[arg(long, value_name = "NAME")]
    hotspot: Option<String>,
    /// A fixed address without a login
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<Ipv4Addr>,
    /// Its password; without one it is made up and shown
    #[arg(long, value_name = "PASSWORD", conflicts_with = "ip")]
    password: Option<String>,
    /// With --pppoe: always this address
    #[arg(long, value_name = "ADDRESS", requires = "pppoe")]
    address: Option<Ipv4Addr>,
    /// With --ip: the machine that has it
    #[arg(long, value_name = "MAC", requires = "ip")]
    mac: Option<MacAddress>,
    /// The phone number of the customer who has it
    #[arg(long, value_name = "PHONE")]
    customer: Option<String>,
    /// Good on this router only
    #[arg(long, value_name = "NAME")]
    router: Option<String>,
    /// Money has arrived; else it waits for `lango payment add`
    #[arg(long)]
    paid: bool,
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
pub(super) struct WhoArguments {
    /// User name, phone number, voucher code, MAC, IP address or id
    who: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango service extend ann 3d")]
pub(super) struct ExtendArguments {
    /// User name, phone number, voucher code, MAC, IP address or id
    who: String,
    /// How much time, as in 2h or 3d
    time: Span,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    command: ServiceCommand,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    match command {
        ServiceCommand::Add(arguments) => add(&desk, *arguments).await,
        ServiceCommand::List(arguments) => list(&desk, arguments).await,
        ServiceCommand::Show(arguments) => show(&desk, arguments).await,
        ServiceCommand::Pause(who) => change(&desk, who, Event::Pause).await,
        ServiceCommand::Resume(who) => change(&desk, who, Event::Resume).await,
        ServiceCommand::Suspend(who) => {
            change(&desk, who, Event::Suspend(SuspendReason::Staff)).await
        }
        ServiceCommand::Terminate(who) => change(&desk, who, Event::Terminate).await,
        ServiceCommand::Unlock(who) => change(&desk, who, Event::Unlock).await,
        ServiceCommand::Extend(ExtendArguments { who, time, json }) => {
            change(&desk, WhoArguments { who, json }, Event::Extend(time)).await
        }
    }
}

async fn add(desk: &Desk, arguments: AddArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let customer = match &arguments.customer {
        Some(phone) => Some(desk.customer(&tenant, phone).await?.id),
        None => None,
    };
    let router = match &arguments.router {
        Some(name) => Some(desk.router(Some(tenant.id), name).await?.id),
        None => None,
    };
    let password = arguments.password.clone().unwrap_or_else(made_up_password);
    let access = access(&arguments, &password)?;
    let has_password = !matches!(access, Access::StaticIp { .. });
    let (plan, paid) = (arguments.plan, arguments.paid);
    let order = ServiceOrder { tenant: tenant.id, plan, access, customer, router, paid };
    let stored = open_service(&desk.app, order, &By::cli(), desk.now()).await?;
    if arguments.json {
        let mut said = as_json(&stored);
        if has_password && arguments.password.is_none() {
            said["password"] = password.into();
        }
        json(&said)?;
        return Ok(ExitCode::SUCCESS);
    }
    line(in_a_sentence(&tenant, &stored))?;
    if has_password && arguments.password.is_none() {
        line(format!("Password, shown only now: {password}"))?;
    }
    if !paid {
        note(format!("It waits for money: lango payment add {} --receipt R", stored.grant.id));
    }
    Ok(ExitCode::SUCCESS)
}

fn access(arguments: &AddArguments, password: &str) -> anyhow::Result<Access> {
    let password = Secret::new(password);
    match (&arguments.pppoe, &arguments.hotspot, arguments.ip) {
        (Some(name), ..) => {
            Ok(Access::Pppoe { name: name.clone(), password, address: arguments.address })
        }
        (_, Some(name), _) => Ok(Access::Hotspot { name: name.clone(), password }),
        (_, _, Some(address)) => Ok(Access::StaticIp { address, mac: arguments.mac }),
        // clap lets nobody come here.
        _ => Err(anyhow!("say what the customer presents: --pppoe, --hotspot or --ip")),
    }
}

async fn list(desk: &Desk, arguments: ListArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let kinds = [GrantKind::HotspotAccount, GrantKind::Pppoe, GrantKind::StaticIp];
    let services = lines_of(desk, tenant.id, &kinds).await?;
    if arguments.json {
        json(&services)?;
        return Ok(ExitCode::SUCCESS);
    }
    if services.is_empty() {
        line("No service yet: lango service add --plan PLAN --pppoe NAME")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["LOGIN", "WHAT", "PLAN", "STATE", "ENDS", "ID"]);
    for service in services {
        table.row([
            service.label,
            kind_in_words(service.kind).to_owned(),
            service.plan,
            service.state,
            service.ends_at.map(|at| tenant.zone.local(at)).unwrap_or_default(),
            service.id.to_string(),
        ]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}

/// All grants of these kinds, kind after kind, oldest first.
pub(super) async fn lines_of(
    desk: &Desk,
    tenant: TenantId,
    kinds: &[GrantKind],
) -> anyhow::Result<Vec<GrantLine>> {
    const PAGE: i64 = 1_000;
    let mut all: Vec<GrantLine> = Vec::new();
    for kind in kinds.iter().copied() {
        let mut after = None;
        loop {
            let page = desk
                .app
                .store()
                .report(async move |tx: &mut Tx<'_>| {
                    lango_store::grants::page(tx, tenant, kind, after, PAGE).await
                })
                .await?;
            let is_last = (page.len() as i64) < PAGE;
            after = page.last().map(|last| last.id);
            all.extend(page);
            if is_last {
                break;
            }
        }
    }
    Ok(all)
}

async fn change(desk: &Desk, arguments: WhoArguments, event: Event) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let found = desk.grant(&tenant, &arguments.who).await?;
    let stored = change_grant(&desk.app, found.grant.id, event, Actor::Cli, desk.now())
        .await?
        .map_err(|refusal| anyhow!("{} is left as it is: {refusal}", shown(&found.label)))?;
    let settled = settle_grant(desk, tenant.id, stored.grant.id).await?;
    if arguments.json {
        let mut said = as_json(&stored);
        said["settled"] = serde_json::to_value(&settled)?;
        json(&said)?;
    } else {
        line(in_a_sentence(&tenant, &stored))?;
        tell(&settled, "On the routers")?;
    }
    Ok(if settled.confirmed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn show(desk: &Desk, arguments: WhoArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let stored = desk.grant(&tenant, &arguments.who).await?;
    let grant = stored.grant.id;
    let (open, activity, cuts) = desk
        .app
        .store()
        .read(async move |tx: &mut Tx<'_>| {
            let open = lango_store::enforcements::open_of_grant(tx, grant).await?;
            let activity = lango_store::activity::of_grant(tx, grant).await?;
            Ok((open, activity, lango_store::cuts::of_grant(tx, grant).await?))
        })
        .await?;
    if arguments.json {
        let mut said = as_json(&stored);
        said["open"] = serde_json::to_value(&open)?;
        said["activity"] = serde_json::to_value(&activity)?;
        said["cuts"] = serde_json::to_value(&cuts)?;
        json(&said)?;
        return Ok(ExitCode::SUCCESS);
    }
    line(in_a_sentence(&tenant, &stored))?;
    for open in &open {
        let why = open.last_error.as_deref().unwrap_or("not tried yet");
        let (wanted, router) = (&open.wanted, shown(&open.router_name));
        line(format!("  {router} has not confirmed `{wanted}` yet: {}", shown(why)))?;
    }
    for cut in &cuts {
        let (at, late) = (tenant.zone.local(cut.confirmed_at), cut.lateness);
        line(format!("  cut, confirmed {at}, {late} after it was due"))?;
    }
    let mut table = Table::new(["WHEN", "WHO", "WHAT", "DETAIL"]).indented(2);
    for entry in activity {
        table.row([tenant.zone.local(entry.at), entry.actor, entry.what, entry.detail]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(stored: &StoredGrant) -> serde_json::Value {
    let grant = &stored.grant;
    serde_json::json!({
        "id": grant.id, "kind": grant.kind, "label": stored.label, "customer": grant.customer,
        "state": grant.state.word(), "ends_at": grant.state.ends_at(),
        "devices_online": grant.presence.devices(), "locked_to": grant.locked_to,
    })
}

/// `ann (PPPoE) is active until 21 Nov 14:05`.
pub(super) fn in_a_sentence(tenant: &Tenant, stored: &StoredGrant) -> String {
    let (label, kind) = (shown(&stored.label), kind_in_words(stored.grant.kind));
    let state = &stored.grant.state;
    let until = match (state, state.ends_at()) {
        (State::Unused { .. }, _) => ": its clock has not started".to_owned(),
        (State::Ended { reason, at, .. }, _) => {
            let reason = reason.word().replace('_', " ");
            format!(" since {}: {reason}", tenant.zone.local(*at))
        }
        (State::Paused { .. }, _) | (_, None) => String::new(),
        (State::Suspended { .. }, Some(at)) => {
            format!("; its time runs on until {}", tenant.zone.local(at))
        }
        (_, Some(at)) => format!(" until {}", tenant.zone.local(at)),
    };
    format!("{label} ({kind}) is {}{until}", state.word())
}
