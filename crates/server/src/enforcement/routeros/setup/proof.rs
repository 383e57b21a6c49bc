//! How a line of the setup is proven on the router. Reads only, and says what it found, not what
//! it hoped for.

use super::{
    HOTSPOT_NAME, LOGIN_BY, OWN_NAME, OurAddress, PLAIN_SERVICES, Setup, SetupLine, mark_text,
    quoted,
};
use ipnet::Ipv4Net;
use lango_routeros::menus::{
    Clock, HotspotServer, HotspotServerProfile, Menu, RouterUser, Service, UserGroup,
};
use lango_routeros::{Connection, Error, Print, Query, Row};
use std::net::Ipv4Addr;

/// What shows that a line was pasted and has its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Our group allows what is needed and nothing else.
    Group,
    /// Our user comes from our address only.
    User,
    /// The service shows a certificate.
    Certificate,
    /// The service takes nobody but us.
    Service,
    /// The firewall lets us in before anything keeps us out.
    Input(OurAddress),
    /// Somebody tells the router the time.
    Ntp,
    /// Nothing carries passwords in clear.
    PlainServices,
    /// The router has an address where the hotspot is.
    HotspotAddress,
    /// The pool that the hotspot names is there.
    HotspotPool,
    /// Somebody gives out addresses where the hotspot is.
    Dhcp,
    /// Customers are told of their network.
    DhcpNetwork,
    /// Nothing lets in again who was cut off.
    HotspotProfile,
    /// A hotspot runs.
    HotspotServer,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// As the line wants it.
    Right(String),
    /// Not so; pasting the line makes it so.
    Wrong(String),
    /// Not so, and not by anything that the line may touch.
    Foreign {
        /// What is there.
        found: String,
        /// What its owner can do.
        advice: String,
    },
}

use Finding::{Right, Wrong};

fn foreign(found: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding::Foreign { found: found.into(), advice: advice.into() }
}

impl Proof {
    /// Its step in `lango router test`.
    pub fn step(self) -> &'static str {
        match self {
            Proof::Group => "group",
            Proof::User => "user",
            Proof::Certificate => "certificate",
            Proof::Service => "service",
            Proof::Input(_) => "firewall",
            Proof::Ntp => "ntp",
            Proof::PlainServices => "plain services",
            Proof::HotspotAddress => "hotspot address",
            Proof::HotspotPool => "hotspot pool",
            Proof::Dhcp => "dhcp",
            Proof::DhcpNetwork => "dhcp network",
            Proof::HotspotProfile => "hotspot login",
            Proof::HotspotServer => "hotspot",
        }
    }
}

impl serde::Serialize for Proof {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.step())
    }
}

impl SetupLine {
    /// Looks whether the line has its effect.
    ///
    /// # Errors
    /// The router refused to show it, or broke off.
    pub async fn prove(&self, setup: &Setup, router: &Connection) -> Result<Finding, Error> {
        match self.proof {
            Proof::Group => group(setup, router).await,
            Proof::User => user(setup, router).await,
            Proof::Certificate => certificate(setup, router).await,
            Proof::Service => service(setup, router).await,
            Proof::Input(from) => input(from, router).await,
            Proof::Ntp => time(router).await,
            Proof::PlainServices => plain_services(setup, router).await,
            Proof::HotspotAddress => hotspot_address(setup, router).await,
            Proof::HotspotPool => pool(setup, router).await,
            Proof::Dhcp => dhcp(setup, router).await,
            Proof::DhcpNetwork => dhcp_network(setup, router).await,
            Proof::HotspotProfile => hotspot_profile(router).await,
            Proof::HotspotServer => hotspot_server(router).await,
        }
    }
}

/// The advice where Lango works as somebody else's user.
fn own_user(setup: &Setup) -> String {
    let (from, by) = (setup.our_addresses(), setup.by.scheme());
    format!("give Lango a user of its own: lango router setup --from {from} --by {by}")
}

async fn group(setup: &Setup, router: &Connection) -> Result<Finding, Error> {
    let user = Query::equals("name", setup.login.user.as_str());
    let Some(user) = router.all::<RouterUser>(Some(user)).await?.into_iter().next() else {
        return Ok(foreign("the user is not one of the router's own", own_user(setup)));
    };
    let groups: Vec<UserGroup> = router.all(Some(Query::equals("name", &user.group))).await?;
    let Some(group) = groups.into_iter().next() else {
        return Ok(foreign("it is not shown", "look at it yourself: /user group print"));
    };
    let needed = setup.policies();
    let granted = group.policy.split(',').map(str::trim).filter(|policy| !policy.starts_with('!'));
    let more: Vec<&str> = granted.filter(|policy| !needed.contains(policy)).collect();
    let lacks: Vec<&str> = needed.into_iter().filter(|policy| !group.allows(policy)).collect();
    let name = &group.name;
    let found = match (more.as_slice(), lacks.as_slice()) {
        ([], []) => return Ok(Right(format!("{name} allows what is needed and no more"))),
        ([], lacks) => format!("{name} lacks {}", lacks.join(", ")),
        (more, _) => format!("{name} allows more than is needed: {}", more.join(", ")),
    };
    Ok(if name == OWN_NAME { Wrong(found) } else { foreign(found, own_user(setup)) })
}

async fn user(setup: &Setup, router: &Connection) -> Result<Finding, Error> {
    let name = setup.login.user.as_str();
    let properties = [".id", "name", "address", "comment"];
    let print = Print::of(RouterUser::PATH).only(&properties).matching(Query::equals("name", name));
    let Some(row) = router.print(print).await?.into_iter().next() else {
        return Ok(foreign("the user is not one of the router's own", own_user(setup)));
    };
    let address = row.string("address");
    if is_restricted(&address) {
        return Ok(Right(format!("comes from {address} only")));
    }
    let found = "may come from everywhere";
    let ours = row.string("comment") == mark_text(Proof::User);
    Ok(if ours { Wrong(found.to_owned()) } else { foreign(found, own_user(setup)) })
}

/// Whether an `address=` keeps anybody out.
fn is_restricted(address: &str) -> bool {
    let everybody = |range: &str| matches!(range.trim(), "0.0.0.0/0" | "::/0" | "");
    !address.split(',').any(everybody)
}

async fn own_service(setup: &Setup, router: &Connection) -> Result<Option<Service>, Error> {
    let name = setup.by.service();
    let rows: Vec<Service> = router.all(Some(Query::equals("name", name))).await?;
    // Newer versions show a row for each open connection too.
    Ok(rows.into_iter().find(|row| row.name == name && !row.dynamic))
}

async fn service(setup: &Setup, router: &Connection) -> Result<Finding, Error> {
    let name = setup.by.service();
    let Some(service) = own_service(setup, router).await? else {
        return Ok(foreign(
            format!("{name} is not shown"),
            "look at it yourself: /ip service print",
        ));
    };
    let address = service.address.unwrap_or_default();
    Ok(match is_restricted(&address) {
        true => Right(format!("{name} for {address} only")),
        false => Wrong(format!("{name} is open to every address")),
    })
}

async fn certificate(setup: &Setup, router: &Connection) -> Result<Finding, Error> {
    let service = own_service(setup, router).await?;
    let bound = service.and_then(|service| service.certificate).unwrap_or_default();
    if bound.is_empty() || bound == "none" {
        let service = setup.by.service();
        return Ok(foreign(
            format!("{service} has none"),
            format!("paste into its terminal: /ip service set {service} certificate=lango"),
        ));
    }
    let properties = [".id", "name", "fingerprint", "invalid-after"];
    let print = Print::of("/certificate").only(&properties);
    let rows = router.print(print.matching(Query::equals("name", &bound))).await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(Wrong(format!("{bound} is not among the certificates")));
    };
    if row.optional("fingerprint").is_none() {
        return Ok(Wrong(format!("{bound} is not signed")));
    }
    let until = row.date_time("invalid-after").map(|until| until.unix_seconds(0));
    let now = router.one::<Clock>().await?.and_then(|clock| clock.unix_seconds());
    if until.zip(now).is_some_and(|(until, now)| until < now) {
        let name = quoted(&bound);
        return Ok(foreign(
            format!("{bound} has expired"),
            format!(
                "paste `/certificate remove [find name={name}]` and then what lango router setup \
                 prints; pin the new fingerprint"
            ),
        ));
    }
    Ok(Right(bound))
}

async fn input(from: OurAddress, router: &Connection) -> Result<Finding, Error> {
    let properties =
        [".id", "chain", "action", "src-address", "dst-address", "comment", "disabled", "dynamic"];
    let print = Print::of("/ip/firewall/filter").only(&properties);
    let rows = router.print(print.matching(Query::equals("chain", "input"))).await?;
    let counts = |row: &&Row| !row.flag("disabled") && !row.flag("dynamic");
    let rows: Vec<&Row> = rows.iter().filter(counts).collect();
    let prefix = mark_text(Proof::Input(from));
    let lets_in = |row: &&Row| {
        let source = network(&row.string("src-address"));
        row.string("comment").starts_with(&prefix)
            && row.string("action") == "accept"
            && source.is_some_and(|source| source.contains(&from.network()))
    };
    let keeps_out = |row: &&Row| ["drop", "reject", "tarpit"].contains(&&*row.string("action"));
    let (ours, first_out) = (rows.iter().position(lets_in), rows.iter().position(keeps_out));
    Ok(match (ours, first_out) {
        (_, None) => Right("no rule keeps anybody out".to_owned()),
        (Some(ours), Some(out)) if ours < out => Right(format!("{from} is let in first")),
        (Some(_), Some(_)) => foreign(
            "a rule that keeps others out stands above Lango's",
            format!(
                "paste into its terminal: /ip firewall filter move [find comment~\"^{prefix}\"] \
                 destination=[:pick [/ip firewall filter find chain=input dynamic=no] 0]"
            ),
        ),
        (None, Some(_)) => Wrong("no rule of Lango's stands above those that drop".to_owned()),
    })
}

fn network(text: &str) -> Option<Ipv4Net> {
    let single = || text.parse::<Ipv4Addr>().ok().map(Ipv4Net::from);
    text.parse().ok().or_else(single)
}

async fn time(router: &Connection) -> Result<Finding, Error> {
    let rows = router.print(Print::of("/system/ntp/client").only(&["enabled"])).await?;
    let asks = rows.first().is_some_and(|row| row.flag("enabled"));
    Ok(match asks {
        true => Right("asks for the time".to_owned()),
        false => Wrong("does not ask for the time".to_owned()),
    })
}

async fn plain_services(setup: &Setup, router: &Connection) -> Result<Finding, Error> {
    let services: Vec<Service> = router.all(None).await?;
    let open = |service: &&Service| {
        PLAIN_SERVICES.contains(&&*service.name)
            && service.name != setup.by.service()
            && !service.disabled
            && !service.dynamic
            && !is_restricted(service.address.as_deref().unwrap_or_default())
    };
    let open: Vec<&str> = services.iter().filter(open).map(|service| &*service.name).collect();
    Ok(match open.as_slice() {
        [] => Right("off, or not for everybody".to_owned()),
        open => Wrong(format!("open to every address and without encryption: {}", open.join(", "))),
    })
}

async fn hotspots(router: &Connection) -> Result<Vec<HotspotServer>, Error> {
    let mut servers: Vec<HotspotServer> = router.all(None).await?;
    servers.retain(|server| !server.disabled);
    Ok(servers)
}

async fn hotspot_server(router: &Connection) -> Result<Finding, Error> {
    Ok(match hotspots(router).await?.as_slice() {
        [] => Wrong("no server runs".to_owned()),
        servers => Right(format!("{} running", servers.len())),
    })
}

/// Rows of a menu that are on and belong to the hotspot's interface.
async fn on_interface(
    setup: &Setup,
    router: &Connection,
    menu: &str,
    properties: &[&str],
) -> Result<Vec<Row>, Error> {
    let Some(place) = &setup.hotspot else { return Ok(Vec::new()) };
    let interface = Query::equals("interface", place.interface.as_str());
    let mut rows = router.print(Print::of(menu).only(properties).matching(interface)).await?;
    rows.retain(|row| !row.flag("disabled"));
    Ok(rows)
}

async fn hotspot_address(setup: &Setup, router: &Connection) -> Result<Finding, Error> {
    let rows = on_interface(setup, router, "/ip/address", &["address", "disabled"]).await?;
    Ok(match rows.first() {
        Some(row) => Right(row.string("address")),
        None => Wrong("the router has no address where the hotspot is".to_owned()),
    })
}

async fn pool(setup: &Setup, router: &Connection) -> Result<Finding, Error> {
    let properties = ["name", "address-pool", "disabled"];
    let servers = on_interface(setup, router, "/ip/dhcp-server", &properties).await?;
    let named = servers.first().map(|row| row.string("address-pool")).unwrap_or_default();
    if named.is_empty() || named == "static-only" {
        return Ok(Right("none is named".to_owned()));
    }
    let query = Query::equals("name", &named);
    let print = Print::of("/ip/pool").only(&["name"]).matching(query);
    if !router.print(print).await?.is_empty() {
        return Ok(Right(named));
    }
    let found = format!("DHCP names the pool {named}, which is not there");
    let advice = "name one that is: /ip dhcp-server set … address-pool=…";
    Ok(if named == HOTSPOT_NAME { Wrong(found) } else { foreign(found, advice) })
}

async fn dhcp(setup: &Setup, router: &Connection) -> Result<Finding, Error> {
    let rows = on_interface(setup, router, "/ip/dhcp-server", &["name", "disabled"]).await?;
    let found = "nobody gives out addresses where the hotspot is".to_owned();
    Ok(match rows.first() {
        Some(row) => Right(row.string("name")),
        None if has_own_network(setup, router).await? => Wrong(found),
        None => foreign(found, SET_UP_DHCP),
    })
}

async fn dhcp_network(setup: &Setup, router: &Connection) -> Result<Finding, Error> {
    let Some(place) = &setup.hotspot else { return Ok(Right("none wanted".to_owned())) };
    let wanted = place.network.0;
    let rows = router.print(Print::of("/ip/dhcp-server/network").only(&["address"])).await?;
    let covers =
        |row: &&Row| network(&row.string("address")).is_some_and(|one| one.contains(&wanted));
    let found = format!("{wanted} is not among the networks that customers are told of");
    Ok(match rows.iter().find(covers) {
        Some(row) => Right(row.string("address")),
        None if has_own_network(setup, router).await? => Wrong(found),
        None => foreign(found, SET_UP_DHCP),
    })
}

/// The advice where the network is the operator's.
const SET_UP_DHCP: &str =
    "the network there is yours; this asks what it needs: /ip dhcp-server setup";

/// Whether lines about the hotspot's network would do anything: they leave a network alone that
/// was there before.
async fn has_own_network(setup: &Setup, router: &Connection) -> Result<bool, Error> {
    let rows = on_interface(setup, router, "/ip/address", &["comment", "disabled"]).await?;
    let ours = mark_text(Proof::HotspotAddress);
    Ok(rows.iter().all(|row| row.string("comment") == ours))
}

async fn hotspot_profile(router: &Connection) -> Result<Finding, Error> {
    let profiles: Vec<HotspotServerProfile> = router.all(None).await?;
    for server in hotspots(router).await? {
        let Some(profile) = profiles.iter().find(|profile| profile.name == server.profile) else {
            continue;
        };
        let Some(problem) = login_problem(&profile.login_by) else { continue };
        let found = format!("{} of {}: {problem}", profile.name, server.name);
        if profile.name == OWN_NAME {
            return Ok(Wrong(found));
        }
        let name = quoted(&profile.name);
        let command = format!("/ip hotspot profile set [find name={name}] login-by={LOGIN_BY}");
        return Ok(foreign(found, format!("paste into its terminal: {command}")));
    }
    Ok(Right("nothing lets in again who was cut off".to_owned()))
}

/// What is wrong with a profile's `login-by`.
fn login_problem(login_by: &str) -> Option<&'static str> {
    let has = |method: &str| login_by.split(',').any(|one| one.trim() == method);
    if has("trial") {
        Some("trial lets in without a voucher")
    } else if has("mac") {
        Some("mac lets in without a login")
    } else if has("cookie") {
        Some("an HTTP cookie logs in again for days who was logged out")
    } else if !has("http-pap") && !has("https") {
        Some("a portal elsewhere needs http-pap or https")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_door_is_told_from_one_for_us() {
        assert!(is_restricted("10.0.0.2") && is_restricted("10.0.0.2,10.0.0.0/28"));
        assert!(!is_restricted("") && !is_restricted("10.0.0.2,0.0.0.0/0"));
    }

    #[test]
    fn what_brings_people_back_is_named() {
        assert_eq!(login_problem(LOGIN_BY), None);
        for login_by in ["cookie,http-pap", "mac,http-pap", "trial,http-pap", "http-chap"] {
            assert!(login_problem(login_by).is_some(), "{login_by}");
        }
    }
}
