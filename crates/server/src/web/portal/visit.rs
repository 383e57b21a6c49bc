//! A visit: which device at which site, by which way, and what it has shown to hold. It travels in a
//! signed token inside every link, because mini-browsers keep no cookies and no storage.
//!
//! What stands in a visit without `holds` was said by the browser: it may be looked at, and nothing
//! secret may be shown for it. `holds` is set by us only, after a code, a receipt or a payment.

use crate::app::App;
use lango_domain::ids::{GrantId, PlanId, RouterId};
use lango_domain::language::Language;
use lango_domain::mac_address::MacAddress;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// No link of a router is longer; what is longer was not made by one.
const LONGEST_LINK: usize = 300;

/// Who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) router: RouterId,
    pub(crate) mac: Option<MacAddress>,
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) login: Option<LoginLink>,
    pub(crate) onward: Option<OnwardLink>,
    pub(crate) language: Language,
    /// The grant whose holder this browser has proven to be.
    pub(crate) holds: Option<GrantId>,
}

/// Where a router takes logins. Only ever a router's own page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoginLink(String);

/// Where somebody wanted to go. Shown with its host's name, never followed by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OnwardLink(String);

/// What a router says of a device in the address of the first page.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Said {
    pub(crate) mac: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) login: Option<String>,
    pub(crate) orig: Option<String>,
    pub(crate) lang: Option<String>,
    /// A visit that was before.
    pub(crate) v: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    m: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    a: Option<Ipv4Addr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    l: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    o: Option<String>,
    g: Language,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    h: Option<String>,
}

impl Visit {
    /// The visit that an address tells of. What cannot be read is as if it were not there: a page
    /// with less on it beats none.
    pub(crate) fn read(app: &App, router: RouterId, said: &Said, otherwise: Language) -> Visit {
        let chosen = said.lang.as_deref().and_then(|code| code.parse().ok());
        if let Some(mut visit) = said.v.as_deref().and_then(|token| open(app, router, token)) {
            visit.language = chosen.unwrap_or(visit.language);
            return visit;
        }
        Visit {
            router,
            mac: said.mac.as_deref().and_then(|text| text.parse().ok()),
            address: said.ip.as_deref().and_then(|text| text.parse().ok()),
            login: said.login.as_deref().and_then(LoginLink::read),
            onward: said.orig.as_deref().and_then(OnwardLink::read),
            language: chosen.unwrap_or(otherwise),
            holds: None,
        }
    }

    /// The same visit with that grant in its hands.
    pub(crate) fn holding(&self, grant: GrantId) -> Visit {
        Visit { holds: Some(grant), ..self.clone() }
    }

    /// The same visit with nothing in its hands.
    pub(crate) fn empty_handed(&self) -> Visit {
        Visit { holds: None, ..self.clone() }
    }

    /// The address of a page for this visit. `page` is empty for the plans.
    pub(crate) fn link(&self, app: &App, page: &str) -> String {
        let slash = if page.is_empty() { "" } else { "/" };
        format!("/p/{}{slash}{page}?v={}", self.router, self.token(app))
    }

    /// The same with more said.
    pub(crate) fn link_with(&self, app: &App, page: &str, more: &[(&str, &str)]) -> String {
        let more = serde_urlencoded::to_string(more).unwrap_or_default();
        format!("{}&{more}", self.link(app, page))
    }

    /// The page on which that plan is bought again.
    pub(crate) fn buy_again(&self, app: &App, plan: PlanId) -> String {
        self.link_with(app, "", &[("plan", &plan.to_string())])
    }

    fn token(&self, app: &App) -> String {
        let written = Written {
            m: self.mac.map(|mac| mac.to_string()),
            a: self.address,
            l: self.login.as_ref().map(|link| link.0.clone()),
            o: self.onward.as_ref().map(|link| link.0.clone()),
            g: self.language,
            h: self.holds.map(|grant| grant.to_string()),
        };
        // Texts, an address and a word; writing them cannot fail.
        let written = serde_urlencoded::to_string(written).unwrap_or_default();
        app.portal_token(&bound(self.router), &written)
    }
}

fn open(app: &App, router: RouterId, token: &str) -> Option<Visit> {
    let written = app.read_portal_token(&bound(router), token)?;
    let read: Written = serde_urlencoded::from_str(&written).ok()?;
    Some(Visit {
        router,
        mac: read.m.and_then(|text| text.parse().ok()),
        address: read.a,
        login: read.l.as_deref().and_then(LoginLink::read),
        onward: read.o.as_deref().and_then(OnwardLink::read),
        language: read.g,
        holds: read.h.and_then(|text| text.parse().ok()),
    })
}

/// A token of one site says nothing at another.
fn bound(router: RouterId) -> String {
    format!("visit at {router}")
}

impl LoginLink {
    /// A link to a router's login page. A one-time password goes there, so it must be a router next
    /// to the device: an address or a name that means nothing on the internet. (Scripts in `dst`,
    /// CVE-2025-6563, and passwords for strangers are both ruled out by taking no more than that.)
    pub(crate) fn read(text: &str) -> Option<LoginLink> {
        let (scheme, host, path) = parts(text)?;
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let near = match name.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => is_near(address),
            Ok(IpAddr::V6(_)) => false,
            Err(_) => is_local_name(name),
        };
        (near && path == "/login").then(|| LoginLink(format!("{scheme}://{host}/login")))
    }

    /// The link that logs in with a user name and a password that works once.
    pub(crate) fn with(&self, user: &str, password: &str, after: &str) -> String {
        let fields = [("username", user), ("password", password), ("dst", after)];
        format!("{}?{}", self.0, serde_urlencoded::to_string(fields).unwrap_or_default())
    }
}

impl OnwardLink {
    /// A link to anywhere on the web, and to nothing else.
    pub(crate) fn read(text: &str) -> Option<OnwardLink> {
        parts(text).map(|_| OnwardLink(text.to_owned()))
    }

    /// Where it leads.
    pub(crate) fn href(&self) -> &str {
        &self.0
    }

    /// Whose page that is.
    pub(crate) fn host(&self) -> &str {
        parts(&self.0).map_or("", |(_, host, _)| host)
    }

    /// The voucher code in it, if it is the address that is printed on a voucher: the router sends
    /// everybody to us who has not logged in, with what he wanted.
    pub(crate) fn voucher(&self) -> Option<&str> {
        let (_, _, path) = parts(&self.0)?;
        let code = path.strip_prefix("/V/").or_else(|| path.strip_prefix("/v/"))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (code.len() <= 24 && code.bytes().all(plain)).then_some(code)
    }

    /// Whether a phone asked for it by itself, to see whether it is online.
    pub(crate) fn is_probe(&self) -> bool {
        const PROBES: [&str; 9] = [
            "/generate_204",
            "/gen_204",
            "/hotspot-detect.html",
            "/connecttest.txt",
            "/ncsi.txt",
            "/success.txt",
            "/canonical.html",
            "/redirect",
            "/library/test/success.html",
        ];
        let path = parts(&self.0).map_or("", |(_, _, path)| path);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        PROBES.contains(&path) || path.ends_with("/wifistub.html")
    }
}

/// Scheme, host with port, and path of a link of the web that is written plainly.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let plain = |byte: u8| {
        byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`')
    };
    if text.len() > LONGEST_LINK || !text.bytes().all(plain) {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
    (!host.is_empty() && host.bytes().all(sign)).then_some((scheme, host, path))
}

fn is_near(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    address.is_private() || address.is_link_local() || shared
}

/// Names that the internet does not have: without a dot, or under an ending that nobody can register.
fn is_local_name(name: &str) -> bool {
    const ENDINGS: [&str; 8] =
        ["wifi", "lan", "local", "internal", "home", "hotspot", "test", "localdomain"];
    let name = name.to_ascii_lowercase();
    let wellformed = name.starts_with(|sign: char| sign.is_ascii_alphabetic())
        && name.split('.').all(|label| !label.is_empty());
    let ending = name.rsplit('.').next().unwrap_or_default();
    wellformed
        && !name.contains(':')
        && (!name.contains('.') || ENDINGS.contains(&ending) || name.ends_with(".home.arpa"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_router_next_door_gets_a_password() {
        for link in [
            "http://10.5.50.1/login",
            "http://192.168.88.1/login",
            "https://login.wifi/login",
            "http://hotspot/login",
            "http://10.0.0.1:8080/login",
        ] {
            assert!(LoginLink::read(link).is_some(), "{link}");
        }
        for link in [
            "http://evil.example/login",
            "http://8.8.8.8/login",
            "http://10.5.50.1@evil.example/login",
            "http://evil.example#10.5.50.1/login",
            "http://10.5.50.1.evil.com/login",
            "http://10.5.50.1/login?dst=javascript:alert(1)",
            "http://10.5.50.1/other",
            "javascript://10.5.50.1/login",
            "//10.5.50.1/login",
            "http:10.5.50.1/login",
            "http://login.wifi.com/login",
            "http://1/login",
            "http://0x0a000001/login",
            "http://\"onload=/login",
            "",
        ] {
            assert!(LoginLink::read(link).is_none(), "{link}");
        }
    }

    #[test]
    fn a_link_onwards_is_one_of_the_web() {
        let host = |link| OnwardLink::read(link).map(|link| link.host().to_owned());
        assert_eq!(host("http://example.org/a?b=c").as_deref(), Some("example.org"));
        for link in
            ["javascript:alert(1)", "data:text/html,x", "http://a@b/", "http://a/\"><script>"]
        {
            assert_eq!(host(link), None, "{link}");
        }
    }

    #[test]
    fn a_voucher_is_read_out_of_where_somebody_wanted_to_go() {
        let code = |link| OnwardLink::read(link).and_then(|link| link.voucher().map(str::to_owned));
        assert_eq!(code("http://192.0.2.1/V/ABCDEFGH").as_deref(), Some("ABCDEFGH"));
        assert_eq!(code("https://portal.example/v/abcd-efgh").as_deref(), Some("abcd-efgh"));
        assert_eq!(code("https://portal.example/v/abcd/efgh"), None);
        assert_eq!(code("https://portal.example/x/ABCDEFGH"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_link_or_none(text in "\\PC{0,60}") {
            let _ = LoginLink::read(&text);
            if let Some(link) = OnwardLink::read(&text) {
                prop_assert!(link.href().starts_with("http"));
            }
        }
    }
}
