//! `lango service …`: hotspot accounts, PPPoE subscriptions, fixed addresses.

use super::Everywhere;
use super::desk::{Desk, kind_in_words};
use super::output::{Shape, json, line, note, printed, shown};
use super::settle::{settle_grant, tell};
use super::table::Table;
use crate::enforcement::ConfirmedBy;
use crate::operations::act_on_grant::{Action, act_in_turn};
use crate::operations::asked::By;
use crate::operations::open_service::{ServiceOrder, made_up_password, open_service};
use anyhow::anyhow;
use lango_domain::access::{Access, GrantKind, Secret};
use lango_domain::grant::State;
use lango_domain::ids::TenantId;
use lango_domain::mac_address::MacAddress;
use lango_domain::time::Span;
use lango_store::Tx;
use lango_store::cuts::Cut;
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
    Show(ShowArguments),
    /// Sell it as another plan from the next payment on, or give it to another customer
    Change(ChangeArguments),
    /// Make it good on one router only, or on all
    Move(MoveArguments),
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
    /// Have routers that failed tried again at once
    Retry(WhoArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango service add --plan Home10 --pppoe ann \\\n      \
                        --customer 0712345678 --paid\n  \
                        lango service add --plan Office --ip 10.5.0.7 --router Router1")]
#[command(group(clap::ArgGroup::new("login").required(true).args(["pppoe", "hotspot", "ip"])))]
#[command(override_usage = "lango service add --plan <PLAN> --pppoe|--hotspot|--ip <…> [OPTIONS]")]
pub(super) struct AddArguments {
    /// The plan's name or id
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
    /// The customer who has it: phone number, name or id
    #[arg(long, value_name = "WHO")]
    customer: Option<String>,
    /// Good on this router only: its name or id
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
#[command(after_help = "Examples:\n  lango service list\n  \
                        lango service list --csv > services.csv")]
pub(super) struct ListArguments {
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango service show ann\n  lango service show 0712345678")]
pub(super) struct ShowArguments {
    /// User name, phone number, MAC, IP address or id
    who: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples, each with what undoes it:\n  \
                        lango service pause ann           lango service resume ann\n  \
                        lango service suspend 10.5.0.7     lango service resume 10.5.0.7\n  \
                        lango service terminate 0712345678\n  \
                        lango service retry ann\n\n\
                        A new phone on a plan that is locked to the device of its first login:\n  \
                        lango service unlock ann")]
pub(super) struct WhoArguments {
    /// User name, phone number, voucher code, MAC, IP address or id
    who: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango service change ann --plan Home20\n  \
                        lango service change ann --customer 0722000111\n  \
                        lango service change ann --no-customer")]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)
                .args(["plan", "customer", "no_customer"])))]
#[command(override_usage = "lango service change [OPTIONS] <WHO>")]
pub(super) struct ChangeArguments {
    /// User name, phone number, voucher code, MAC, IP address or id
    who: String,
    /// The plan that the next payment buys: its name or id
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
    /// The customer who has it from now on: phone number, name or id
    #[arg(long, value_name = "WHO")]
    customer: Option<String>,
    /// Nobody has it from now on
    #[arg(long, conflicts_with = "customer")]
    no_customer: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango service move ann --router Router2\n  \
                        lango service move ann --all-routers")]
#[command(group(clap::ArgGroup::new("where").required(true).args(["router", "all_routers"])))]
pub(super) struct MoveArguments {
    /// User name, phone number, voucher code, MAC, IP address or id
    who: String,
    /// Good on this router only from now on: its name or id
    #[arg(long, value_name = "NAME")]
    router: Option<String>,
    /// Good on all routers from now on
    #[arg(long)]
    all_routers: bool,
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
    let wants = |who: WhoArguments| (who.who, who.json);
    let (who, action) = match command {
        ServiceCommand::Add(arguments) => return add(&desk, *arguments).await,
        ServiceCommand::List(arguments) => return list(&desk, &arguments).await,
        ServiceCommand::Show(arguments) => return show(&desk, arguments).await,
        ServiceCommand::Change(arguments) => return change(&desk, arguments).await,
        ServiceCommand::Move(arguments) => return move_to(&desk, arguments).await,
        ServiceCommand::Pause(who) => (wants(who), Action::Pause),
        ServiceCommand::Resume(who) => (wants(who), Action::Resume),
        ServiceCommand::Suspend(who) => (wants(who), Action::Suspend),
        ServiceCommand::Terminate(who) => (wants(who), Action::End),
        ServiceCommand::Unlock(who) => (wants(who), Action::Unlock),
        ServiceCommand::Retry(who) => (wants(who), Action::Retry),
        ServiceCommand::Extend(ExtendArguments { who, time, json }) => {
            ((who, json), Action::Extend { time })
        }
    };
    let tenant = desk.tenant().await?;
    let found = desk.grant(&tenant, &who.0).await?;
    act(&desk, &tenant, found, vec![action], who.1).await
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
    let plan = desk.plan(&tenant, &arguments.plan).await?.plan.name;
    let paid = arguments.paid;
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

/// The columns of lists of grants.
pub(super) const COLUMNS: [&str; 7] =
    ["id", "kind", "label", "plan", "customer", "state", "ends_at"];

async fn list(desk: &Desk, arguments: &ListArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let kinds = [GrantKind::HotspotAccount, GrantKind::Pppoe, GrantKind::StaticIp];
    let services = lines_of(desk, tenant.id, &kinds).await?;
    if printed(arguments.shape, &services, &COLUMNS)? {
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

async fn change(desk: &Desk, arguments: ChangeArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let found = desk.grant(&tenant, &arguments.who).await?;
    let mut actions = Vec::new();
    if let Some(plan) = &arguments.plan {
        actions.push(Action::Replan { plan: desk.plan(&tenant, plan).await?.plan.id });
    }
    if let Some(customer) = &arguments.customer {
        let customer = Some(desk.customer(&tenant, customer).await?.id);
        actions.push(Action::Assign { customer });
    } else if arguments.no_customer {
        actions.push(Action::Assign { customer: None });
    }
    act(desk, &tenant, found, actions, arguments.json).await
}

async fn move_to(desk: &Desk, arguments: MoveArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let found = desk.grant(&tenant, &arguments.who).await?;
    let router = match &arguments.router {
        Some(name) => Some(desk.router(Some(tenant.id), name).await?.id),
        None => None,
    };
    act(desk, &tenant, found, vec![Action::Move { router }], arguments.json).await
}

/// Does actions to a grant, all or none, and waits for the routers' word.
pub(super) async fn act(
    desk: &Desk,
    tenant: &Tenant,
    found: StoredGrant,
    actions: Vec<Action>,
    wants_json: bool,
) -> anyhow::Result<ExitCode> {
    let whose = (tenant.id, found.grant.id);
    let stored = act_in_turn(&desk.app, whose, actions, None, &By::cli(), desk.now())
        .await?
        .map_err(|undone| anyhow!("{} is left as it is: {undone}", shown(&found.label)))?;
    let settled = settle_grant(desk, tenant.id, stored.grant.id).await?;
    if wants_json {
        let mut said = as_json(&stored);
        said["settled"] = serde_json::to_value(&settled)?;
        json(&said)?;
    } else {
        line(in_a_sentence(tenant, &stored))?;
        tell(&settled, "On the routers")?;
    }
    Ok(if settled.confirmed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn show(desk: &Desk, arguments: ShowArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let stored = desk.grant(&tenant, &arguments.who).await?;
    show_grant(desk, &tenant, &stored, arguments.json).await
}

/// Tells everything about one grant.
pub(super) async fn show_grant(
    desk: &Desk,
    tenant: &Tenant,
    stored: &StoredGrant,
    wants_json: bool,
) -> anyhow::Result<ExitCode> {
    let (grant, plan) = (stored.grant.id, stored.grant.plan);
    let (open, activity, cuts, plan) = desk
        .app
        .store()
        .read(async move |tx: &mut Tx<'_>| {
            let open = lango_store::enforcements::open_of_grant(tx, grant).await?;
            let activity = lango_store::activity::of_grant(tx, grant).await?;
            let cuts = lango_store::cuts::of_grant(tx, grant).await?;
            Ok((open, activity, cuts, lango_store::plans::one(tx, plan).await?.plan.name))
        })
        .await?;
    if wants_json {
        let mut said = as_json(stored);
        said["plan_name"] = plan.into();
        said["open"] = serde_json::to_value(&open)?;
        said["activity"] = serde_json::to_value(&activity)?;
        said["cuts"] = cuts.iter().map(cut_as_json).collect();
        json(&said)?;
        return Ok(ExitCode::SUCCESS);
    }
    line(in_a_sentence(tenant, stored))?;
    line(format!("  plan {}, {} online now", shown(&plan), stored.grant.presence.devices()))?;
    for open in &open {
        let why = open.last_error.as_deref().unwrap_or("not tried yet");
        let (wanted, router) = (&open.wanted, shown(&open.router_name));
        line(format!("  {router} has not confirmed `{wanted}` yet: {}", shown(why)))?;
    }
    for cut in &cuts {
        let (at, late) = (tenant.zone.local(cut.confirmed_at), cut.lateness);
        let by = match cut.confirmed_by == ConfirmedBy::Api.word() {
            true => format!(", {}", ConfirmedBy::Api.words()),
            false => String::new(),
        };
        line(format!("  cut, confirmed {at}, {late} after it was due{by}"))?;
    }
    let mut table = Table::new(["WHEN", "WHO", "WHAT", "DETAIL"]).indented(2);
    for entry in activity {
        table.row([tenant.zone.local(entry.at), entry.actor, entry.what, entry.detail]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}

/// As the API shows it.
fn cut_as_json(cut: &Cut) -> serde_json::Value {
    serde_json::json!({
        "id": cut.id, "router": cut.router, "grant": cut.grant, "due_at": cut.due_at,
        "confirmed_at": cut.confirmed_at, "lateness_ms": cut.lateness.as_millis(),
        "attempts": cut.attempts, "confirmed_by": cut.confirmed_by,
        "sessions_ended": cut.sessions_ended,
    })
}

fn as_json(stored: &StoredGrant) -> serde_json::Value {
    let grant = &stored.grant;
    serde_json::json!({
        "id": grant.id, "kind": grant.kind, "label": stored.label, "plan": grant.plan,
        "customer": grant.customer, "router": stored.router,
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
