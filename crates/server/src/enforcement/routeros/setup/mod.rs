//! What a router needs before Lango can work on it: the commands that a person pastes into its
//! terminal, and the proof of each.
//!
//! A line is command, reason and proof in one, so that nothing is asked of an operator that
//! `lango router test` cannot prove. Lines look before they add and touch nothing that carries
//! neither our mark nor our name, except the one service that we come by.

mod literal;
mod proof;

pub use literal::quoted;
pub use proof::{Finding, Proof};

use crate::enforcement::MARK;
use ipnet::Ipv4Net;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// What our own things are called in menus that know no comment.
pub const OWN_NAME: &str = "lango";
/// The hotspot's pool and DHCP server.
const HOTSPOT_NAME: &str = "lango-hotspot";
/// Where the time comes from.
const TIME_SERVER: &str = "pool.ntp.org";
/// How people come in. Plain passwords by a form are what a portal elsewhere sends; the MAC cookie
/// dies with every logout by us. Not there: the HTTP cookie, which outlives one, and what lets in
/// without a user of ours, `mac` and `trial`.
const LOGIN_BY: &str = "http-chap,http-pap,mac-cookie";
/// What exists in both major versions and Lango has no use for.
const DENIED: &str = "!local,!telnet,!ssh,!ftp,!reboot,!policy,!test,!winbox,!password,!web,\
                      !sniff,!romon";
/// Services that carry passwords in clear. The web server stays: it may serve the hotspot's pages.
const PLAIN_SERVICES: [&str; 3] = ["telnet", "ftp", "api"];

/// A command for the router's terminal, why it is there, and how it is proven.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SetupLine {
    /// What proves it.
    #[serde(rename = "step")]
    pub proof: Proof,
    /// For whoever pastes it.
    pub why: &'static str,
    /// One line for the terminal.
    pub command: String,
}

/// By which service Lango comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Way {
    /// The binary API with TLS
    Apis,
    /// REST with TLS
    Rests,
    /// The binary API without encryption
    Api,
    /// REST without encryption
    Rest,
}

/// Which language the router speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Major {
    /// RouterOS 6
    Six,
    /// RouterOS 7
    Seven,
}

/// Who Lango is on the router.
#[derive(Debug, Clone)]
pub struct Login {
    /// User name.
    pub user: TerminalText,
    /// Its password; `None` where it is not ours to say.
    pub password: Option<TerminalText>,
}

/// Where a hotspot is to be.
#[derive(Debug, Clone)]
pub struct HotspotPlace {
    /// The interface.
    pub interface: TerminalText,
    /// Its network; the router has the first address of it.
    pub network: HotspotNetwork,
}

/// What is to be set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// From where Lango comes.
    pub from: Vec<OurAddress>,
    /// As whom.
    pub login: Login,
    /// What it runs.
    pub major: Major,
    /// By which service.
    pub by: Way,
    /// Where a hotspot is wanted, if at all.
    pub hotspot: Option<HotspotPlace>,
    /// Whether services without encryption are switched off.
    pub closes_plain: bool,
}

/// Why something cannot be put into a setup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Not text for a terminal.
    #[error("a text for a router's terminal has 1 to 100 printable ASCII characters")]
    Text,
    /// Not an address.
    #[error("`{0}` is not an IPv4 address such as 10.0.0.2 or 10.0.0.0/24")]
    Address(String),
    /// The whole world.
    #[error("`{0}` would let in everybody: name the address that Lango comes from")]
    Everybody(String),
    /// Too small or too big a network.
    #[error("`{0}` is no network for a hotspot: write one such as 10.5.50.0/24, from /16 to /29")]
    Network(String),
    /// Version 6 by REST.
    #[error("RouterOS 6 has no REST: take --by apis, or --by api inside a VPN")]
    NoRest,
}

/// Text that can be pasted into a terminal without steering it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalText(String);

impl TerminalText {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn literal(&self) -> String {
        quoted(&self.0)
    }
}

impl FromStr for TerminalText {
    type Err = SetupError;

    fn from_str(text: &str) -> Result<Self, SetupError> {
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let fits = printable && (1..=100).contains(&text.len()) && text.trim() == text;
        if fits { Ok(TerminalText(text.to_owned())) } else { Err(SetupError::Text) }
    }
}

/// An address or network that Lango comes from; never everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OurAddress(Ipv4Net);

impl OurAddress {
    /// One address.
    pub fn single(address: Ipv4Addr) -> OurAddress {
        OurAddress(Ipv4Net::from(address))
    }

    fn network(self) -> Ipv4Net {
        self.0
    }

    /// The address, if it is one and no network.
    pub fn alone(self) -> Option<Ipv4Addr> {
        (self.0.prefix_len() == 32).then_some(self.0.addr())
    }
}

impl Default for HotspotNetwork {
    fn default() -> Self {
        HotspotNetwork(Ipv4Net::new_assert(Ipv4Addr::new(10, 5, 50, 0), 24))
    }
}

impl FromStr for OurAddress {
    type Err = SetupError;

    fn from_str(text: &str) -> Result<Self, SetupError> {
        let network = read_network(text).ok_or_else(|| SetupError::Address(text.to_owned()))?;
        if network.prefix_len() == 0 {
            return Err(SetupError::Everybody(text.to_owned()));
        }
        Ok(OurAddress(network))
    }
}

impl fmt::Display for OurAddress {
    /// As the router shows it: one address without its mask.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.prefix_len() {
            32 => self.0.addr().fmt(f),
            _ => self.0.fmt(f),
        }
    }
}

/// A network for customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotspotNetwork(Ipv4Net);

impl HotspotNetwork {
    /// What `/ip address` is given.
    fn gateway(self) -> String {
        format!("{}/{}", self.first(), self.0.prefix_len())
    }

    fn first(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.0.network()) + 1)
    }

    fn pool(self) -> String {
        let second = Ipv4Addr::from(u32::from(self.0.network()) + 2);
        let last = Ipv4Addr::from(u32::from(self.0.broadcast()) - 1);
        format!("{second}-{last}")
    }
}

impl FromStr for HotspotNetwork {
    type Err = SetupError;

    fn from_str(text: &str) -> Result<Self, SetupError> {
        let network = read_network(text);
        let fitting = network.filter(|network| (16..=29).contains(&network.prefix_len()));
        fitting.map(HotspotNetwork).ok_or_else(|| SetupError::Network(text.to_owned()))
    }
}

impl fmt::Display for HotspotNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn read_network(text: &str) -> Option<Ipv4Net> {
    let single = || text.parse::<Ipv4Addr>().ok().map(Ipv4Net::from);
    text.parse::<Ipv4Net>().ok().or_else(single).map(|network| network.trunc())
}

impl Way {
    /// The row of `/ip service`.
    pub fn service(self) -> &'static str {
        match self {
            Way::Apis => "api-ssl",
            Way::Rests => "www-ssl",
            Way::Api => "api",
            Way::Rest => "www",
        }
    }

    /// As `lango router add` takes it.
    pub fn scheme(self) -> &'static str {
        match self {
            Way::Apis => "apis",
            Way::Rests => "rests",
            Way::Api => "api",
            Way::Rest => "rest",
        }
    }

    fn port(self) -> u16 {
        match self {
            Way::Apis => 8729,
            Way::Rests => 443,
            Way::Api => 8728,
            Way::Rest => 80,
        }
    }

    fn is_rest(self) -> bool {
        matches!(self, Way::Rest | Way::Rests)
    }

    /// Whether its service shows a certificate.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Way::Apis | Way::Rests)
    }
}

impl Setup {
    /// Everything to be pasted, in order.
    ///
    /// # Errors
    /// The router's version cannot do what is asked.
    pub fn plan(&self) -> Result<Vec<SetupLine>, SetupError> {
        if self.major == Major::Six && self.by.is_rest() {
            return Err(SetupError::NoRest);
        }
        let mut lines = vec![self.group(), self.user()];
        if self.by.is_encrypted() {
            lines.push(self.certificate());
        }
        lines.push(self.service());
        lines.extend(self.from.iter().map(|from| self.input(*from)));
        lines.push(right_time(self.major));
        if self.closes_plain {
            lines.push(self.plain_services());
        }
        if let Some(place) = &self.hotspot {
            lines.extend(hotspot(place));
        }
        Ok(lines)
    }

    /// The policies that the work needs, and no other.
    fn policies(&self) -> Vec<&'static str> {
        let door = if self.by.is_rest() { "rest-api" } else { "api" };
        vec!["read", "write", "sensitive", door]
    }

    fn group(&self) -> SetupLine {
        let other = match (self.by.is_rest(), self.major) {
            (true, _) => ",!api",
            (false, Major::Seven) => ",!rest-api",
            // Version 6 does not know the word.
            (false, Major::Six) => "",
        };
        let policy = format!("{},{DENIED}{other}", self.policies().join(","));
        let name = quoted(OWN_NAME);
        SetupLine {
            proof: Proof::Group,
            why: "a group that may read, write, see stored passwords and use this service: \
                  nothing else",
            command: format!(
                "{}; /user group set [find name={name}] policy={policy}",
                unless(
                    &format!("/user group find name={name}"),
                    &format!("/user group add name={name} policy={policy}"),
                ),
            ),
        }
    }

    fn user(&self) -> SetupLine {
        let (name, group) = (self.login.user.literal(), quoted(OWN_NAME));
        let (from, comment) = (self.our_addresses(), mark(Proof::User));
        let password = self.login.password.as_ref().map_or("PASSWORD", TerminalText::as_str);
        SetupLine {
            proof: Proof::User,
            why: "Lango's own user; it can come from Lango's address only",
            command: format!(
                "{}; /user set [find name={name} comment={comment}] group={group} address={from} \
                 disabled=no",
                unless(
                    &format!("/user find name={name}"),
                    &format!(
                        "/user add name={name} group={group} password={} address={from} \
                         comment={comment}",
                        quoted(password),
                    ),
                ),
            ),
        }
    }

    fn certificate(&self) -> SetupLine {
        let name = quoted(OWN_NAME);
        SetupLine {
            proof: Proof::Certificate,
            why: "a certificate of the router's own making; without one the service encrypts in \
                  a way that protects from nobody",
            command: format!(
                "{}; {}",
                unless(
                    &format!("/certificate find name={name}"),
                    &format!(
                        "/certificate add name={name} common-name={name} key-size=2048 \
                         days-valid=3650 key-usage=digital-signature,key-encipherment,tls-server"
                    ),
                ),
                // Until it is signed it is a form without a fingerprint.
                unless(
                    &format!("/certificate find name={name} fingerprint~\".\""),
                    &format!("/certificate sign {name}"),
                ),
            ),
        }
    }

    fn service(&self) -> SetupLine {
        let certificate = match self.by.is_encrypted() {
            true => format!(" certificate={}", quoted(OWN_NAME)),
            false => String::new(),
        };
        SetupLine {
            proof: Proof::Service,
            why: "the service that Lango comes by, for Lango's address only; name other programs \
                  that use it by --from too",
            command: format!(
                "/ip service set {} address={} disabled=no{certificate}",
                self.by.service(),
                self.our_addresses(),
            ),
        }
    }

    fn input(&self, from: OurAddress) -> SetupLine {
        let comment = quoted(&format!("{} {from}", mark_text(Proof::Input(from))));
        let port = self.by.port();
        let add = format!(
            "/ip firewall filter add chain=input action=accept protocol=tcp src-address={from} \
             dst-port={port} comment={comment}"
        );
        SetupLine {
            proof: Proof::Input(from),
            why: "no rule of the firewall keeps Lango out",
            command: first_of_input(&comment, &add),
        }
    }

    fn plain_services(&self) -> SetupLine {
        let ours = self.by.service();
        let closed: Vec<&str> =
            PLAIN_SERVICES.into_iter().filter(|service| *service != ours).collect();
        SetupLine {
            proof: Proof::PlainServices,
            why: "what carries passwords in clear is off",
            command: format!("/ip service set {} disabled=yes", closed.join(",")),
        }
    }

    fn our_addresses(&self) -> String {
        self.from.iter().map(OurAddress::to_string).collect::<Vec<_>>().join(",")
    }
}

/// A router that knows what time it is.
pub(crate) fn right_time(major: Major) -> SetupLine {
    let server = match major {
        Major::Seven => "servers",
        // `primary-ntp` takes no names.
        Major::Six => "server-dns-names",
    };
    SetupLine {
        proof: Proof::Ntp,
        why: "the right time; a board without a battery starts in 1970",
        command: format!(
            ":if ([/system ntp client get enabled] = false) do={{/system ntp client set \
             enabled=yes {server}={TIME_SERVER}}}"
        ),
    }
}

fn hotspot(place: &HotspotPlace) -> Vec<SetupLine> {
    let (interface, network) = (place.interface.literal(), place.network);
    let (own, named) = (quoted(OWN_NAME), quoted(HOTSPOT_NAME));
    let (pool, gateway) = (network.pool(), network.gateway());
    // Where the router has another address, the network there is somebody's already.
    let others = format!("/ip address find interface={interface} address!=\"{gateway}\"");
    let if_free = |find: &str, add: &str| unless(&others, &unless(find, add));
    vec![
        SetupLine {
            proof: Proof::HotspotAddress,
            why: "the router's address in the customers' network, if it has none there",
            command: if_free(
                &format!("/ip address find interface={interface}"),
                &format!(
                    "/ip address add address={gateway} interface={interface} comment={}",
                    mark(Proof::HotspotAddress)
                ),
            ),
        },
        SetupLine {
            proof: Proof::HotspotPool,
            why: "addresses for customers of that network",
            command: if_free(
                &format!("/ip pool find name={named}"),
                &format!("/ip pool add name={named} ranges={pool}"),
            ),
        },
        SetupLine {
            proof: Proof::Dhcp,
            why: "who gives them out, if nobody does there",
            command: if_free(
                &format!("/ip dhcp-server find interface={interface}"),
                &format!(
                    "/ip dhcp-server add name={named} interface={interface} address-pool={named} \
                     lease-time=1h disabled=no"
                ),
            ),
        },
        SetupLine {
            proof: Proof::DhcpNetwork,
            why: "what customers are told of that network",
            command: if_free(
                &format!("/ip dhcp-server network find address={network}"),
                &format!(
                    "/ip dhcp-server network add address={network} gateway={} comment={}",
                    network.first(),
                    mark(Proof::DhcpNetwork)
                ),
            ),
        },
        SetupLine {
            proof: Proof::HotspotProfile,
            why: "how customers come in; nothing that lets in again who was cut off",
            command: format!(
                "{}; /ip hotspot profile set [find name={own}] login-by={LOGIN_BY}",
                unless(
                    &format!("/ip hotspot profile find name={own}"),
                    &format!("/ip hotspot profile add name={own} login-by={LOGIN_BY}"),
                ),
            ),
        },
        SetupLine {
            proof: Proof::HotspotServer,
            why: "the hotspot itself, if there is none on that interface; customers keep the \
                  address that DHCP gave them, and who is silent for five minutes is forgotten",
            command: unless(
                &format!("/ip hotspot find interface={interface}"),
                &format!(
                    "/ip hotspot add name={own} interface={interface} profile={own} \
                     address-pool=none idle-timeout=5m keepalive-timeout=none disabled=no"
                ),
            ),
        },
    ]
}

/// Puts a rule before all others of its chain, once.
pub(crate) fn first_of_input(comment: &str, add: &str) -> String {
    // What the router made itself, such as the hotspot's jumps, cannot be passed by.
    let others = "/ip firewall filter find chain=input dynamic=no";
    let place = format!(
        "{{:if ([:len [{others}]] = 0) do={{{add}}} else={{{add} place-before=[:pick [{others}] \
         0]}}}}"
    );
    format!(":if ([:len [/ip firewall filter find comment={comment}]] = 0) do={place}")
}

/// `add` only where `find` finds nothing.
pub(crate) fn unless(find: &str, add: &str) -> String {
    format!(":if ([:len [{find}]] = 0) do={{{add}}}")
}

fn mark(proof: Proof) -> String {
    quoted(&mark_text(proof))
}

/// The comment on what a line adds.
fn mark_text(proof: Proof) -> String {
    format!("{MARK}{}", proof.step())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> Setup {
        Setup {
            from: vec!["10.0.0.2".parse().unwrap()],
            login: Login {
                user: "lango".parse().unwrap(),
                password: Some("p$w?\"d".parse().unwrap()),
            },
            major: Major::Seven,
            by: Way::Apis,
            hotspot: None,
            closes_plain: false,
        }
    }

    fn command(setup: &Setup, proof: Proof) -> String {
        let lines = setup.plan().unwrap();
        lines.into_iter().find(|line| line.proof == proof).unwrap().command
    }

    #[test]
    fn the_group_may_do_what_the_work_needs_and_nothing_else() {
        let seven = command(&setup(), Proof::Group);
        assert!(seven.contains("policy=read,write,sensitive,api,!local"), "{seven}");
        assert!(seven.contains("!policy") && seven.contains("!rest-api"), "{seven}");
        let six = command(&Setup { major: Major::Six, ..setup() }, Proof::Group);
        assert!(!six.contains("rest-api"), "{six}");
        let rest = command(&Setup { by: Way::Rests, ..setup() }, Proof::Group);
        assert!(rest.contains("sensitive,rest-api,") && rest.contains(",!api"), "{rest}");
    }

    #[test]
    fn a_password_is_one_literal_whatever_is_in_it() {
        let user = command(&setup(), Proof::User);
        assert!(user.contains(r#" password="p\$w\3F\"d" "#), "{user}");
    }

    #[test]
    fn a_line_is_one_line_of_ascii() {
        let place = HotspotPlace {
            interface: "bridge 1".parse().unwrap(),
            network: "10.5.50.7/24".parse().unwrap(),
        };
        let all = Setup { hotspot: Some(place), closes_plain: true, ..setup() };
        for line in all.plan().unwrap() {
            let printable = line.command.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            let said = line.why.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            assert!(printable && said, "{line:?}");
            // A terminal of version 6 would show its help and swallow the rest.
            assert!(!line.command.contains('?') && !line.why.contains('?'), "{line:?}");
        }
        assert!(command(&all, Proof::HotspotPool).contains("10.5.50.2-10.5.50.254"));
        assert!(command(&all, Proof::HotspotAddress).contains("10.5.50.1/24"));
    }

    #[test]
    fn what_steers_a_terminal_or_lets_in_everybody_is_refused() {
        for text in ["", "a\nb", "a\tb", "Zoë", " a", "a\u{7f}"] {
            assert_eq!(text.parse::<TerminalText>(), Err(SetupError::Text), "{text:?}");
        }
        assert!("0.0.0.0/0".parse::<OurAddress>().is_err());
        assert!("10.0.0.2; /user".parse::<OurAddress>().is_err());
        assert_eq!("10.0.0.2/24".parse::<OurAddress>().unwrap().to_string(), "10.0.0.0/24");
        assert!("10.0.0.0/31".parse::<HotspotNetwork>().is_err());
        let six = Setup { major: Major::Six, by: Way::Rest, ..setup() };
        assert_eq!(six.plan().unwrap_err(), SetupError::NoRest);
    }

    #[test]
    fn the_service_that_lango_comes_by_is_not_switched_off() {
        let plain = Setup { by: Way::Api, closes_plain: true, ..setup() };
        assert!(command(&plain, Proof::PlainServices).starts_with("/ip service set telnet,ftp d"));
    }
}
