//! The steps of `lango router test` that prove what `lango router setup` prints, and the traps
//! that no command of ours can take away.

use super::output::shown;
use super::router_setup::for_shell;
use super::router_test::{Protocolled, StepResult, failed, notice, ok, refusal};
use crate::enforcement::MARK;
use crate::enforcement::routeros::setup::portal::{PortalSetup, probes_let_through};
use crate::enforcement::routeros::setup::{
    Finding, HotspotNetwork, HotspotPlace, Login, Major, OurAddress, Setup, SetupLine, Way, quoted,
};
use crate::portal_address::PortalAddress;
use lango_routeros::menus::{HotspotServer, Menu, Resource, Schedule};
use lango_routeros::{Connection, Endpoint, Error, Print, Protocol, Query, Tls};
use std::net::Ipv4Addr;

/// By which service an endpoint is reached.
pub(super) fn way(endpoint: &Endpoint) -> Way {
    match (endpoint.protocol, matches!(endpoint.tls, Tls::Off)) {
        (Protocol::Api, true) => Way::Api,
        (Protocol::Api, false) => Way::Apis,
        (Protocol::Rest, true) => Way::Rest,
        (Protocol::Rest, false) => Way::Rests,
    }
}

/// The command that makes a router ready for us.
pub(super) fn set_up(by: Way, from: Option<Ipv4Addr>) -> String {
    let from = from.map_or("ADDRESS".to_owned(), |from| from.to_string());
    format!(
        "paste what this prints into its terminal: lango router setup --from {from} --by {}",
        by.scheme()
    )
}

/// Goes through the lines that would be printed for this router as it is.
pub(super) async fn prove(
    connection: &Connection,
    (user, by, from): (&str, Way, Option<Ipv4Addr>),
    said: &mut Protocolled,
) -> anyhow::Result<()> {
    let Some(from) = from else {
        let advice = "look at /user, /ip service and the firewall yourself";
        return said.add("setup", notice("not proven: the router is reached by IPv6", advice));
    };
    let setup = match as_it_is(connection, user, by, from).await {
        Ok(Some(setup)) => setup,
        Ok(None) => {
            return said.add("setup", notice("not proven: odd user name", set_up(by, Some(from))));
        }
        Err(error) => return said.add("setup", refusal(&error, "proofs of the setup")),
    };
    for line in setup.plan()? {
        if said.has(line.proof.step()) {
            continue;
        }
        let result = match line.prove(&setup, connection).await {
            Ok(finding) => judged(&line, finding),
            Err(error) => refusal(&error, "proofs of the setup"),
        };
        said.add(line.proof.step(), result)?;
    }
    Ok(())
}

/// Goes through what leads customers of a hotspot to the portal, where that is said to be.
pub(super) async fn portal(
    connection: &Connection,
    (name, ours): (&str, Option<PortalAddress>),
    said: &mut Protocolled,
) -> anyhow::Result<()> {
    match connection.all::<HotspotServer>(None).await {
        Ok(servers) if servers.iter().any(|server| !server.disabled) => {}
        // Without a hotspot there is nobody to lead; that it is not there was said.
        _ => return Ok(()),
    }
    said.add("probes", probes(connection).await)?;
    // Who has no portal is not to be told of one.
    let Some(ours) = ours else { return Ok(()) };
    let setup = PortalSetup { ours, allowed: Vec::new() };
    for line in setup.plan() {
        if said.has(line.step) {
            continue;
        }
        let result = match line.prove(&setup, connection).await {
            Ok(Finding::Right(found)) => ok(found),
            Ok(Finding::Wrong(found)) => notice(
                found,
                format!(
                    "paste what this prints into its terminal: lango router setup {} --portal",
                    for_shell(name)
                ),
            ),
            Ok(Finding::Foreign { found, advice }) => notice(found, advice),
            Err(error) => refusal(&error, "proofs of the portal"),
        };
        said.add(line.step, result)?;
    }
    Ok(())
}

/// Whoever reaches what his phone probes is told "connected, without internet" and sees no portal.
async fn probes(connection: &Connection) -> StepResult {
    match probes_let_through(connection).await {
        Ok(found) if found.is_empty() => ok("phones find out that they must log in"),
        Ok(found) => notice(
            format!("let through before the login: {}", found.join(", ")),
            "phones would show no portal: name exact hosts instead in /ip hotspot walled-garden",
        ),
        Err(error) => refusal(&error, "portals that open by themselves"),
    }
}

/// None of it stops Lango, all of it is worth knowing.
fn judged(line: &SetupLine, finding: Finding) -> StepResult {
    match finding {
        Finding::Right(found) => ok(found),
        Finding::Wrong(found) => {
            notice(found, format!("paste into its terminal: {}", line.command))
        }
        Finding::Foreign { found, advice } => notice(found, advice),
    }
}

/// The setup that would make this router what it is to be.
async fn as_it_is(
    connection: &Connection,
    user: &str,
    by: Way,
    from: Ipv4Addr,
) -> Result<Option<Setup>, Error> {
    let Ok(user) = user.parse() else { return Ok(None) };
    let release = connection.one::<Resource>().await?.and_then(|resource| resource.release());
    let is_old = release.is_some_and(|(major, _)| major < 7);
    Ok(Some(Setup {
        from: vec![OurAddress::single(from)],
        login: Login { user, password: None },
        major: if is_old { Major::Six } else { Major::Seven },
        by,
        hotspot: hotspot_place(connection).await?,
        closes_plain: true,
    }))
}

async fn hotspot_place(connection: &Connection) -> Result<Option<HotspotPlace>, Error> {
    let servers: Vec<HotspotServer> = match connection.all(None).await {
        Ok(servers) => servers,
        // No hotspot package, no hotspot.
        Err(error) if error.trap().is_some() => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(server) = servers.into_iter().find(|server| !server.disabled) else { return Ok(None) };
    let here = Query::equals("interface", &server.interface);
    let print = Print::of("/ip/address").only(&["address"]).matching(here);
    let rows = connection.print(print).await?;
    let network = rows.first().and_then(|row| row.string("address").parse().ok());
    let network: HotspotNetwork = network.unwrap_or_default();
    Ok(server.interface.parse().ok().map(|interface| HotspotPlace { interface, network }))
}

/// Makes an entry that never runs, reads it back and takes it away again.
pub(super) async fn guard(connection: &Connection) -> StepResult {
    match try_guard(connection).await {
        Ok(true) => ok("the router takes its own deadlines"),
        Ok(false) => notice(
            "an entry is kept without the policies read and write",
            "it would run and cut nobody: the user's group needs the policies read and write",
        ),
        Err(error) if error.trap().is_some() => notice(
            format!("the router takes none: {}", shown(&crate::observe::chain(&error))),
            "without them nobody is cut while Lango is away; where device-mode forbids it: \
             /system device-mode update scheduler=yes, then press the button",
        ),
        Err(error) => failed(
            crate::observe::chain(&error),
            format!(
                "try again; an entry may be left: /system scheduler remove [find comment={}]",
                quoted(&trial_mark())
            ),
        ),
    }
}

fn trial_mark() -> String {
    format!("{MARK}test")
}

async fn try_guard(connection: &Connection) -> Result<bool, Error> {
    let (path, mark) = (Schedule::PATH, trial_mark());
    // One that an interrupted trial left behind.
    let left = connection.all::<Schedule>(Some(Query::equals("comment", &mark))).await?;
    for row in left {
        connection.remove(path, &row.id).await?;
    }
    let values = [
        ("name", "lango-test"),
        ("interval", "1d"),
        ("on-event", ":delay 0s"),
        ("policy", "read,write"),
        ("disabled", "yes"),
        ("comment", &mark),
    ];
    let id = connection.add(path, &values).await?;
    let print = Print::of(path).only(&[".id", "policy"]);
    let kept = connection.print(print.matching(Query::equals("comment", &mark))).await;
    connection.remove(path, &id).await?;
    let policy = kept?.first().map(|row| row.string("policy")).unwrap_or_default();
    Ok(["read", "write"].iter().all(|wanted| policy.split(',').any(|one| one == *wanted)))
}

/// Fast-tracked connections skip firewall, queues and hotspot until they end.
pub(super) async fn fasttrack(connection: &Connection) -> StepResult {
    let narrowing = ["src-address", "dst-address", "src-address-list", "dst-address-list"];
    let narrowing =
        [&narrowing[..], &["in-interface", "in-interface-list", "connection-mark"]].concat();
    let properties = [&[".id", "disabled"], &narrowing[..]].concat();
    let query = Query::equals("action", "fasttrack-connection");
    let print = Print::of("/ip/firewall/filter").only(&properties).matching(query);
    let rows = match connection.print(print).await {
        Ok(rows) => rows,
        Err(error) => return refusal(&error, "cuts of open connections"),
    };
    let mut active = rows.iter().filter(|row| !row.flag("disabled")).peekable();
    if active.peek().is_none() {
        return ok("no connection passes by the rules");
    }
    let is_narrow =
        |row: &lango_routeros::Row| narrowing.iter().any(|name| row.optional(name).is_some());
    match active.all(is_narrow) {
        true => ok("not for every network"),
        false => notice(
            "every connection passes by speed limits, and by rules until Lango ends it",
            "leave out the customers' network: /ip firewall filter set [find \
             action=fasttrack-connection] src-address=!NETWORK dst-address=!NETWORK",
        ),
    }
}

/// Names in the walled garden and of time servers are looked up by the router itself.
pub(super) async fn dns(connection: &Connection) -> StepResult {
    let print = Print::of("/ip/dns").only(&["servers", "dynamic-servers"]);
    match connection.print(print).await {
        Ok(rows) => {
            let names = ["servers", "dynamic-servers"];
            let asked = rows.iter().flat_map(|row| names.map(|name| row.optional(name))).flatten();
            let asked: Vec<String> = asked.collect();
            match asked.is_empty() {
                true => notice(
                    "the router asks nobody for names: no time, no walled garden by name",
                    "paste into its terminal, with a server of yours: /ip dns set servers=1.1.1.1",
                ),
                false => ok(format!("asks {}", asked.join(","))),
            }
        }
        Err(error) => refusal(&error, "names"),
    }
}
