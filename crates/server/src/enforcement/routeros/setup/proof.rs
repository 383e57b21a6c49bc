//! How a line of the setup is proven on the router. Reads only.

use super::OurAddress;

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
