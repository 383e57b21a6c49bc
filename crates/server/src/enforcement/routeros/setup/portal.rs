//! What a router needs for the portal: its login pages lead there, its walled garden lets devices
//! reach it, and DHCP tells them where to ask (RFC 8910). Comes after the router is known, because
//! the portal's address names it. Lines and proofs as in the rest of the setup.

use super::proof::Finding;
use super::{OWN_NAME, quoted, unless};
use crate::enforcement::MARK;
use crate::portal_address::{PAGES, PortalAddress};
use crate::probes;
use lango_routeros::menus::HotspotServer;
use lango_routeros::{Connection, Error, Print, Row};
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Where the pages lie; boards with a `flash` directory forget everything beside it.
const DIRECTORY: &str = "lango";
const FLASH: &str = "flash/lango";
/// The DHCP option and the set with it.
const OPTION_NAME: &str = "lango-portal";
/// Captive-Portal (RFC 8910, section 2.1).
const OPTION_CODE: &str = "114";
/// Our mark on the DHCP network that the setup made.
const DHCP_NETWORK: &str = "dhcp network";

/// What leads a router's customers to the portal.
#[derive(Debug, Clone)]
pub struct PortalSetup {
    /// Where the portal is.
    pub ours: PortalAddress,
    /// What else devices may reach before they are logged in, such as a payment page.
    pub allowed: Vec<GardenHost>,
}

/// A line for the router's terminal.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PortalLine {
    /// Its step in `lango router test`.
    pub step: &'static str,
    /// For whoever pastes it.
    pub why: &'static str,
    /// One line for the terminal.
    pub command: String,
    #[serde(skip)]
    proof: PortalProof,
}

#[derive(Debug, Clone)]
enum PortalProof {
    Pages,
    Directory,
    Garden(String),
    Captive,
}

/// A host that devices may reach before they are logged in. Never one by which they find out
/// whether they are online: they would say "connected, without internet" and show no portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GardenHost(String);

/// Why a host is not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GardenError {
    /// Not a host.
    #[error("`{0}` is no host: write a name such as pay.example.com, *.example.com or an address")]
    NoHost(String),
    /// It is a probe host, or covers one.
    #[error(
        "`{0}` lets through hosts by which phones find out whether they are online: they would \
         show no portal. Name the exact hosts that are needed"
    )]
    Probe(String),
}

impl FromStr for GardenHost {
    type Err = GardenError;

    fn from_str(text: &str) -> Result<Self, GardenError> {
        let text = text.trim().to_ascii_lowercase();
        let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
        let fits = (3..=253).contains(&text.len()) && text.bytes().all(sign);
        if !fits || !text.contains('.') {
            return Err(GardenError::NoHost(text));
        }
        match probes::is_too_broad(&text) {
            true => Err(GardenError::Probe(text)),
            false => Ok(GardenHost(text)),
        }
    }
}

impl PortalSetup {
    /// Everything to be pasted, in order.
    pub fn plan(&self) -> Vec<PortalLine> {
        let mut lines: Vec<PortalLine> = PAGES.iter().map(|name| self.page(name)).collect();
        lines.push(directory());
        lines.extend(self.hosts().map(garden));
        // Devices ask nobody who cannot prove who he is (RFC 8908, section 4.1).
        if self.ours.is_secure() {
            lines.push(self.captive());
        }
        lines
    }

    fn hosts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.ours.host()).chain(self.allowed.iter().map(|host| host.0.as_str()))
    }

    fn page(&self, name: &str) -> PortalLine {
        let url = quoted(&self.ours.page(name));
        let fetch = |directory: &str| {
            format!("/tool fetch url={url} dst-path={}", quoted(&format!("{directory}/{name}")))
        };
        PortalLine {
            proof: PortalProof::Pages,
            step: "portal pages",
            why: "the router's page leads to the portal and says which device comes",
            command: where_it_stays(&fetch(DIRECTORY), &fetch(FLASH)),
        }
    }

    fn captive(&self) -> PortalLine {
        let name = quoted(OPTION_NAME);
        // A text for the DHCP server stands in quotes of its own.
        let value = quoted(&format!("'{}'", self.ours.captive()));
        let network = quoted(&format!("{MARK}{DHCP_NETWORK}"));
        let option = unless(
            &format!("/ip dhcp-server option find name={name}"),
            &format!(
                "/ip dhcp-server option add name={name} code={OPTION_CODE} value={value} force=yes"
            ),
        );
        let set = unless(
            &format!("/ip dhcp-server option sets find name={name}"),
            &format!("/ip dhcp-server option sets add name={name} options={name}"),
        );
        PortalLine {
            proof: PortalProof::Captive,
            step: "portal dhcp",
            why: "DHCP tells devices where to ask whether they are online; needs a certificate \
                  that phones trust",
            command: format!(
                "{option}; /ip dhcp-server option set [find name={name}] value={value}; {set}; \
                 /ip dhcp-server network set [find comment={network}] dhcp-option-set={name}"
            ),
        }
    }
}

fn where_it_stays(usual: &str, on_flash: &str) -> String {
    format!(":if ([:len [/file find name=\"flash\"]] = 0) do={{{usual}}} else={{{on_flash}}}")
}

fn directory() -> PortalLine {
    let set = |directory: &str| {
        format!(
            "/ip hotspot profile set [find name={}] html-directory-override={}",
            quoted(OWN_NAME),
            quoted(directory)
        )
    };
    PortalLine {
        proof: PortalProof::Directory,
        step: "portal directory",
        why: "the hotspot uses those pages; all others stay the router's own",
        command: where_it_stays(&set(DIRECTORY), &set(FLASH)),
    }
}

fn garden(host: &str) -> PortalLine {
    let comment = quoted(&format!("{MARK}garden {host}"));
    let to = match host.parse::<Ipv4Addr>() {
        Ok(address) => format!("dst-address={address}"),
        Err(_) => format!("dst-host={}", quoted(host)),
    };
    let menu = "/ip hotspot walled-garden ip";
    PortalLine {
        proof: PortalProof::Garden(host.to_owned()),
        step: "portal garden",
        why: "devices reach it before they are logged in",
        command: unless(
            &format!("{menu} find comment={comment}"),
            &format!("{menu} add action=accept {to} comment={comment}"),
        ),
    }
}

impl PortalLine {
    /// Looks whether the line has its effect.
    ///
    /// # Errors
    /// The router refused to show it, or broke off.
    pub async fn prove(&self, setup: &PortalSetup, router: &Connection) -> Result<Finding, Error> {
        match &self.proof {
            PortalProof::Pages => pages(setup, router).await,
            PortalProof::Directory => directories(router).await,
            PortalProof::Garden(host) => lets_through(host, router).await,
            PortalProof::Captive => option(setup, router).await,
        }
    }
}

async fn pages(setup: &PortalSetup, router: &Connection) -> Result<Finding, Error> {
    let files = router.print(Print::of("/file").only(&["name", "contents"])).await?;
    let of = |page: &str| {
        let names = [format!("{DIRECTORY}/{page}"), format!("{FLASH}/{page}")];
        files.iter().find(|row| names.contains(&row.string("name")))
    };
    let missing: Vec<&str> = PAGES.into_iter().filter(|page| of(page).is_none()).collect();
    if !missing.is_empty() {
        return Ok(Finding::Wrong(format!("not on the router: {}", missing.join(", "))));
    }
    let portal = setup.ours.portal();
    // Long files show no contents.
    let leads_elsewhere = |page: &&str| {
        let contents = of(page).and_then(|row| row.optional("contents"));
        contents.is_some_and(|contents| !contents.is_empty() && !contents.contains(&portal))
    };
    let wrong: Vec<&str> = PAGES.into_iter().filter(leads_elsewhere).collect();
    Ok(match wrong.as_slice() {
        [] => Finding::Right(format!("{} lead to {portal}", PAGES.len())),
        wrong => Finding::Wrong(format!("lead elsewhere: {}", wrong.join(", "))),
    })
}

async fn directories(router: &Connection) -> Result<Finding, Error> {
    let properties = ["name", "html-directory-override"];
    let profiles = router.print(Print::of("/ip/hotspot/profile").only(&properties)).await?;
    let servers: Vec<HotspotServer> = router.all(None).await?;
    for server in servers.into_iter().filter(|server| !server.disabled) {
        let Some(profile) = profiles.iter().find(|row| row.string("name") == server.profile) else {
            continue;
        };
        let used = profile.string("html-directory-override");
        if [DIRECTORY, FLASH].contains(&used.trim_matches('/')) {
            continue;
        }
        let found = format!("{} of {} uses other pages", server.profile, server.name);
        if server.profile == OWN_NAME {
            return Ok(Finding::Wrong(found));
        }
        let command = format!(
            "/ip hotspot profile set [find name={}] html-directory-override={DIRECTORY}",
            quoted(&server.profile)
        );
        let advice = format!("paste into its terminal: {command}");
        return Ok(Finding::Foreign { found, advice });
    }
    Ok(Finding::Right("the hotspot uses them".to_owned()))
}

async fn lets_through(host: &str, router: &Connection) -> Result<Finding, Error> {
    let address = host.parse::<Ipv4Addr>().is_ok();
    let rows = garden_rows(router, GARDEN_IP).await?;
    let is_it = |row: &&Row| {
        let to = if address { row.string("dst-address") } else { row.string("dst-host") };
        to.trim_end_matches("/32").eq_ignore_ascii_case(host)
    };
    Ok(match rows.iter().any(|row| is_it(&row)) {
        true => Finding::Right(format!("{host} can be reached")),
        false => Finding::Wrong(format!("{host} cannot be reached before the login")),
    })
}

const GARDEN_IP: &str = "/ip/hotspot/walled-garden/ip";
const GARDEN: &str = "/ip/hotspot/walled-garden";

/// The entries that let something through.
async fn garden_rows(router: &Connection, menu: &str) -> Result<Vec<Row>, Error> {
    let properties = [".id", "action", "dst-host", "dst-address", "disabled"];
    let mut rows = router.print(Print::of(menu).only(&properties)).await?;
    let lets = |row: &Row| ["accept", "allow", ""].contains(&&*row.string("action"));
    rows.retain(|row| lets(row) && !row.flag("disabled"));
    Ok(rows)
}

/// Entries of the walled garden, whoever made them, that let through what devices probe.
///
/// # Errors
/// The router refused to show it, or broke off.
pub async fn probes_let_through(router: &Connection) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for menu in [GARDEN, GARDEN_IP] {
        let rows = garden_rows(router, menu).await?;
        let hosts = rows.iter().map(|row| row.string("dst-host"));
        found.extend(hosts.filter(|host| probes::is_too_broad(host)));
    }
    Ok(found)
}

async fn option(setup: &PortalSetup, router: &Connection) -> Result<Finding, Error> {
    let properties = ["name", "code", "value"];
    let options = router.print(Print::of("/ip/dhcp-server/option").only(&properties)).await?;
    let captive = setup.ours.captive();
    let is_right = |row: &Row| {
        row.string("code") == OPTION_CODE && row.string("value").trim_matches('\'') == captive
    };
    let named = options.iter().find(|row| row.string("name") == OPTION_NAME);
    if !named.is_some_and(is_right) {
        return Ok(Finding::Wrong(format!("no option {OPTION_CODE} names {captive}")));
    }
    let properties = ["address", "comment", "dhcp-option-set"];
    let networks = router.print(Print::of("/ip/dhcp-server/network").only(&properties)).await?;
    if networks.iter().any(|row| row.string("dhcp-option-set") == OPTION_NAME) {
        return Ok(Finding::Right(format!("devices are told of {captive}")));
    }
    let found = "no DHCP network hands the option out".to_owned();
    let mark = format!("{MARK}{DHCP_NETWORK}");
    if networks.iter().any(|row| row.string("comment") == mark) {
        return Ok(Finding::Wrong(found));
    }
    let advice = format!(
        "the network there is yours; paste with its address: /ip dhcp-server network set [find \
         address=NETWORK] dhcp-option-set={OPTION_NAME}"
    );
    Ok(Finding::Foreign { found, advice })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::{Id, RouterId};

    fn setup(public: &str) -> PortalSetup {
        let ours = PortalAddress::of(&public.parse().unwrap(), RouterId::from_raw(7));
        PortalSetup { ours, allowed: vec!["pay.example.com".parse().unwrap()] }
    }

    #[test]
    fn a_line_is_one_line_of_ascii() {
        for line in setup("https://wifi.example.com").plan() {
            let printable = line.command.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            assert!(printable && !line.command.contains('?'), "{line:?}");
        }
    }

    #[test]
    fn without_encryption_no_device_is_told_to_ask() {
        let steps =
            |public| -> Vec<&str> { setup(public).plan().iter().map(|line| line.step).collect() };
        assert!(steps("https://wifi.example.com").contains(&"portal dhcp"));
        assert!(!steps("http://10.0.0.2:8080").contains(&"portal dhcp"));
    }

    #[test]
    fn a_probe_host_is_not_let_through() {
        for wrong in ["*.google.com", "apple.com", "captive.apple.com", "*.com"] {
            assert_eq!(wrong.parse::<GardenHost>(), Err(GardenError::Probe(wrong.to_owned())));
        }
        for wrong in ["", "localhost", "a b.c", "x.y;/user", "*"] {
            let said = wrong.parse::<GardenHost>();
            assert!(matches!(said, Err(GardenError::NoHost(_))), "{wrong}: {said:?}");
        }
        assert!("*.pesapal.com".parse::<GardenHost>().is_ok());
    }
}
