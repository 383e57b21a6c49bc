//! `lango router test`: step by step, so that whoever stands before the router knows where to look.

use super::desk::Desk;
use super::output::{Paint, json, line, shown};
use super::router_proofs::{dns, fasttrack, guard, prove, set_up, way};
use super::router_test_radius;
use crate::enforcement::routeros::setup::Way;
use crate::observe::chain;
use crate::radius::directory::source;
use crate::reconcile::connect::{credentials, endpoint};
use lango_routeros::menus::{Clock, Identity, Resource, RouterUser, UserGroup};
use lango_routeros::{Connection, Endpoint, Error, Print, Query, Tls, TrapKind, fingerprint};
use lango_store::routers::Router;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use tokio::net::TcpStream;

/// A clock further off than this puts wrong times into the router's log.
const CLOCK_SKEW_SECONDS: i64 = 120;
/// Logins by name and password without a challenge, which old versions lack.
const OLDEST: (u32, u32) = (6, 43);

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango router test Router1")]
pub(super) struct TestArguments {
    /// Its name or id
    router: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One thing tried.
#[derive(serde::Serialize)]
struct Step {
    step: &'static str,
    #[serde(flatten)]
    result: StepResult,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub(super) enum StepResult {
    Ok {
        found: String,
    },
    /// Works, and somebody should know.
    Notice {
        found: String,
        advice: String,
    },
    Failed {
        problem: String,
        advice: String,
    },
}

use StepResult::{Failed, Notice};

pub(super) fn ok(found: impl Into<String>) -> StepResult {
    StepResult::Ok { found: found.into() }
}

pub(super) fn notice(found: impl Into<String>, advice: impl Into<String>) -> StepResult {
    Notice { found: found.into(), advice: advice.into() }
}

pub(super) fn failed(problem: impl Into<String>, advice: impl Into<String>) -> StepResult {
    Failed { problem: problem.into(), advice: advice.into() }
}

/// What was tried so far; told at once, because a dead router takes its time.
pub(super) struct Protocolled {
    steps: Vec<Step>,
    wants_json: bool,
}

impl Protocolled {
    pub(super) fn add(&mut self, step: &'static str, result: StepResult) -> anyhow::Result<()> {
        let step = Step { step, result };
        if !self.wants_json {
            tell(&step)?;
        }
        self.steps.push(step);
        Ok(())
    }

    pub(super) fn has(&self, step: &str) -> bool {
        self.steps.iter().any(|said| said.step == step)
    }

    fn is_passed(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.result, Failed { .. }))
    }
}

pub(super) async fn test(desk: &Desk, arguments: TestArguments) -> anyhow::Result<ExitCode> {
    let tenant = desk.tenant().await?;
    let router = desk.router(Some(tenant.id), &arguments.router).await?;
    let mut said = Protocolled { steps: Vec::new(), wants_json: arguments.json };
    match source(&router) {
        Some(address) => router_test_radius::steps(desk, &router, address, &mut said).await?,
        None => connected(desk, &router, &mut said).await?,
    }
    let passed = said.is_passed();
    if arguments.json {
        let steps = &said.steps;
        json(&serde_json::json!({ "router": router.name, "passed": passed, "steps": steps }))?;
    } else {
        line(if passed { "Everything that Lango needs works." } else { "See the advice above." })?;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tries a router to which we connect.
async fn connected(desk: &Desk, router: &Router, said: &mut Protocolled) -> anyhow::Result<()> {
    let (endpoint, credentials) = (endpoint(router)?, credentials(&desk.app, router)?);
    let timeouts = desk.config.router_timeouts;

    let by = way(&endpoint);
    let (reached, from) = reach(&endpoint, timeouts.connect).await;
    said.add("reach", reached)?;
    if said.is_passed() {
        said.add("encryption", encryption(&endpoint, timeouts, from).await)?;
    }
    if said.is_passed() {
        match Connection::open(&endpoint, &credentials, timeouts).await {
            Ok(connection) => {
                said.add("login", ok(format!("as {}", shown(&credentials.user))))?;
                inside(desk, &connection, &credentials.user, said).await?;
                prove(&connection, (&credentials.user, by, from), said).await?;
                said.add("guard", guard(&connection).await)?;
                said.add("fasttrack", fasttrack(&connection).await)?;
                said.add("dns", dns(&connection).await)?;
            }
            Err(error) => {
                said.add("login", failed(chain(&error), login_advice(&error, by, from)))?
            }
        }
    }
    Ok(())
}

/// Whether there is a way to it, and from which address we take it.
async fn reach(endpoint: &Endpoint, limit: std::time::Duration) -> (StepResult, Option<Ipv4Addr>) {
    let (host, port) = (endpoint.host.as_str(), endpoint.port);
    let service = way(endpoint).service();
    let result = match tokio::time::timeout(limit, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => {
            let from = stream.local_addr().ok().map(|address| address.ip().to_canonical());
            let from = from.and_then(|from| match from {
                IpAddr::V4(from) => Some(from),
                IpAddr::V6(_) => None,
            });
            return (ok(format!("{host}:{port} answers")), from);
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => failed(
            format!("{host} refuses port {port}"),
            format!("switch the service on: /ip service enable {service}; look at its port"),
        ),
        Ok(Err(error)) => failed(
            format!("{host}:{port}: {error}"),
            "check the address, the line and the route to it",
        ),
        Err(_) => failed(
            format!("{host}:{port} did not answer within {limit:?}"),
            "check power, line and the router's firewall: it must accept this machine",
        ),
    };
    (result, None)
}

async fn encryption(
    endpoint: &Endpoint,
    timeouts: lango_routeros::Timeouts,
    from: Option<Ipv4Addr>,
) -> StepResult {
    if matches!(endpoint.tls, Tls::Off) {
        return notice("none", "keep it inside a VPN, or use apis:// or rests:// instead");
    }
    match fingerprint(endpoint, timeouts).await {
        Ok(seen) => {
            let hex: String = seen.iter().map(|byte| format!("{byte:02x}")).collect();
            match &endpoint.tls {
                Tls::Pinned(known) if *known == seen => ok(format!("the pinned certificate {hex}")),
                Tls::Pinned(_) => failed(
                    format!("another certificate than the pinned one: {hex}"),
                    "if you have renewed it, add the router again with this --fingerprint; if \
                     not, somebody sits in between",
                ),
                _ => notice(
                    format!("certificate {hex}"),
                    "any is taken: add the router with this --fingerprint to take no other",
                ),
            }
        }
        Err(error) => failed(
            chain(&error),
            format!("its service needs a certificate: {}", set_up(way(endpoint), from)),
        ),
    }
}

fn login_advice(error: &Error, by: Way, from: Option<Ipv4Addr>) -> String {
    let advice = match error {
        Error::LoginRefused { .. } => {
            return format!(
                "check user and password; a router that is still starting refuses too. If it was \
                 never set up for Lango, or the user may not come from here: {}",
                set_up(by, from)
            );
        }
        Error::TimedOut { .. } => {
            "the port answers and the service does not: look at /ip service address="
        }
        Error::Untrusted { .. } => "pin the certificate that the router shows now",
        _ => "is this port the router's API or REST service?",
    };
    advice.to_owned()
}

async fn inside(
    desk: &Desk,
    connection: &Connection,
    user: &str,
    said: &mut Protocolled,
) -> anyhow::Result<()> {
    said.add("version", version(connection).await)?;
    said.add("permissions", permissions(connection, user).await)?;
    said.add("hotspot", hotspot(connection).await)?;
    said.add("ppp", ppp(connection).await)?;
    let list = menu(connection, "/ip/firewall/address-list", "static-IP customers").await;
    said.add("address list", list)?;
    let scheduler = menu(connection, "/system/scheduler", "the router's own deadlines").await;
    said.add("scheduler", scheduler)?;
    said.add("clock", clock(desk, connection).await)
}

async fn version(connection: &Connection) -> StepResult {
    let resource = match connection.one::<Resource>().await {
        Ok(Some(resource)) => resource,
        Ok(None) => return failed("it does not say", "is this a RouterOS router?"),
        Err(error) => return refusal(&error, "everything"),
    };
    let name = connection.one::<Identity>().await.ok().flatten();
    let name = name.map(|identity| identity.name).unwrap_or_default();
    let board = resource.board_name.clone().unwrap_or_default();
    let found = format!("{} RouterOS {} on {}", shown(&name), resource.version, shown(&board));
    match resource.release() {
        Some(release) if release < OLDEST => {
            notice(found, "this version is old and has known holes: upgrade it")
        }
        _ => ok(found),
    }
}

/// The policies that our work needs, beside the one that let us in.
async fn permissions(connection: &Connection, user: &str) -> StepResult {
    let users = match connection.all::<RouterUser>(Some(Query::equals("name", user))).await {
        Ok(users) => users,
        Err(error) => return unseen(&error),
    };
    let Some(group) = users.into_iter().find(|one| one.name == user).map(|one| one.group) else {
        return notice("the user is not one of the router's own", "it may come from RADIUS");
    };
    let groups = match connection.all::<UserGroup>(Some(Query::equals("name", &group))).await {
        Ok(groups) => groups,
        Err(error) => return unseen(&error),
    };
    let Some(found) = groups.into_iter().find(|one| one.name == group) else {
        return notice(format!("group {group} is not shown"), "look at /user group");
    };
    let lacks = |policy: &&&str| !found.allows(policy);
    let missing: Vec<&str> = ["read", "write"].iter().filter(lacks).copied().collect();
    if !missing.is_empty() {
        let missing = missing.join(" and ");
        let advice = "give it a group with the policies read, write, api, rest-api, sensitive";
        return failed(format!("group {group} lacks {missing}"), advice);
    }
    if !found.allows("sensitive") {
        return notice(
            format!("group {group} lacks sensitive"),
            "without it a changed password on the router is not noticed",
        );
    }
    ok(format!("group {group} has what is needed"))
}

fn unseen(error: &Error) -> StepResult {
    notice(format!("not shown: {}", chain(error)), "the next steps try what is needed")
}

async fn hotspot(connection: &Connection) -> StepResult {
    match connection.print(Print::of("/ip/hotspot").only(&["name", "disabled"])).await {
        Ok(servers) => match servers.iter().filter(|server| !server.flag("disabled")).count() {
            0 => notice(
                "no server runs",
                "for hotspot customers: lango router setup --from … --hotspot INTERFACE",
            ),
            count => ok(super::output::counted(count, "server", "servers")),
        },
        Err(error) => refusal(&error, "hotspot customers and vouchers"),
    }
}

async fn ppp(connection: &Connection) -> StepResult {
    if let Err(error) = connection.print(Print::of("/ppp/secret").only(&["name"])).await {
        return refusal(&error, "PPPoE customers");
    }
    let servers = Print::of("/interface/pppoe-server/server").only(&["disabled"]);
    match connection.print(servers).await {
        Ok(servers) => match servers.iter().filter(|server| !server.flag("disabled")).count() {
            0 => notice(
                "no PPPoE server runs",
                "for PPPoE customers add one: /interface pppoe-server server",
            ),
            count => ok(super::output::counted(count, "PPPoE server", "PPPoE servers")),
        },
        Err(error) => refusal(&error, "PPPoE customers"),
    }
}

async fn menu(connection: &Connection, path: &str, needed_for: &str) -> StepResult {
    match connection.count(Print::of(path)).await {
        Ok(count) => ok(super::output::counted(count as usize, "entry", "entries")),
        Err(error) => refusal(&error, needed_for),
    }
}

pub(super) fn refusal(error: &Error, needed_for: &str) -> StepResult {
    let kind = error.trap().map(|trap| &trap.kind);
    match kind {
        Some(TrapKind::NoSuchCommand) => {
            notice("not on this router", format!("its package or menu is missing: no {needed_for}"))
        }
        Some(TrapKind::NotPermitted) => failed(
            "not permitted",
            format!("the user's group lacks a policy that {needed_for} need: read, write"),
        ),
        _ => failed(chain(error), format!("without it there are no {needed_for}")),
    }
}

async fn clock(desk: &Desk, connection: &Connection) -> StepResult {
    let read = match connection.one::<Clock>().await {
        Ok(Some(clock)) => clock.unix_seconds(),
        Ok(None) => None,
        Err(error) => return refusal(&error, "correct times"),
    };
    let Some(there) = read else {
        return notice("written in a way unknown", "compare it yourself: /system clock print");
    };
    let ahead = there - desk.now().micros() / 1_000_000;
    match ahead.abs() <= CLOCK_SKEW_SECONDS {
        true => ok(format!("{ahead} s ahead of ours")),
        false => failed(
            format!("{ahead} s ahead of ours"),
            "paste what lango router setup prints for `ntp`; look at the time zone: /system clock",
        ),
    }
}

fn tell(step: &Step) -> anyhow::Result<()> {
    let paint = Paint::of_stdout();
    let name = step.step;
    match &step.result {
        StepResult::Ok { found } => {
            line(format!("{} {name:<13} {}", paint.green("ok    "), shown(found)))
        }
        Notice { found, advice } => {
            line(format!("{} {name:<13} {}", paint.yellow("notice"), shown(found)))?;
            line(format!("       {:<13} → {advice}", ""))
        }
        Failed { problem, advice } => {
            line(format!("{} {name:<13} {}", paint.red("failed"), shown(problem)))?;
            line(format!("       {:<13} → {advice}", ""))
        }
    }
}
