//! Where the customers of a router find us: the addresses that its pages and its DHCP name. Never
//! does anything; who serves them is the web entrance.

use crate::config::public_url::PublicUrl;
use lango_domain::ids::RouterId;
use lango_domain::mac_address::MacAddress;
use std::fmt::Write as _;

/// What the login pages of a router are called, in its directory and at our address.
pub const PAGES: [&str; 7] = [
    "login.html",
    "rlogin.html",
    "flogin.html",
    "alogin.html",
    "status.html",
    "error.html",
    "api.json",
];

/// Our addresses for one router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortalAddress {
    public: String,
    router: RouterId,
}

impl PortalAddress {
    /// Those of a router.
    pub fn of(public: &PublicUrl, router: RouterId) -> PortalAddress {
        PortalAddress { public: public.to_string(), router }
    }

    /// Whether they are encrypted.
    pub fn is_secure(&self) -> bool {
        self.public.starts_with("https://")
    }

    /// The host alone: a name or an IPv4 address.
    pub fn host(&self) -> &str {
        host_of(&self.public)
    }

    /// The portal.
    pub fn portal(&self) -> String {
        format!("{}/p/{}", self.public, self.router)
    }

    /// The portal for a device of which something is known.
    pub fn portal_for(&self, mac: Option<MacAddress>, address: Option<&str>) -> String {
        let mut url = self.portal();
        let mut join = '?';
        let mac = mac.map(|mac| mac.to_string());
        for (name, value) in [("mac", mac.as_deref()), ("ip", address)] {
            let Some(value) = value else { continue };
            // Writing to a String does not fail.
            let _ = write!(url, "{join}{name}={value}");
            join = '&';
        }
        url
    }

    /// The Captive Portal API (RFC 8908).
    pub fn captive(&self) -> String {
        format!("{}/captive/{}", self.public, self.router)
    }

    /// A page for the router's own directory.
    pub fn page(&self, name: &str) -> String {
        format!("{}/hotspot/{}/{name}", self.public, self.router)
    }
}

/// The host of an address of ours.
pub fn host_of(public: &str) -> &str {
    let authority = public.split_once("://").map_or(public, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    authority.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::Id;

    #[test]
    fn a_router_has_its_own_addresses() {
        let public: PublicUrl = "https://wifi.example.com:8443".parse().unwrap();
        let router = RouterId::from_raw(1);
        let ours = PortalAddress::of(&public, router);
        assert_eq!(ours.host(), "wifi.example.com");
        assert!(ours.is_secure());
        assert_eq!(ours.captive(), format!("https://wifi.example.com:8443/captive/{router}"));
        let mac = "AA:BB:CC:00:00:01".parse().unwrap();
        assert_eq!(
            ours.portal_for(Some(mac), Some("10.5.50.7")),
            format!("https://wifi.example.com:8443/p/{router}?mac=AA:BB:CC:00:00:01&ip=10.5.50.7")
        );
    }
}
