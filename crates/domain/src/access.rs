//! How a customer proves on a router that a grant is his.

use crate::mac_address::MacAddress;
use std::fmt;
use std::net::Ipv4Addr;

/// A password or code. Shown to nobody by accident.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// What kind of right it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// A code for the hotspot, bought or printed.
    Voucher,
    /// A named account for the hotspot.
    HotspotAccount,
    /// A PPPoE subscription.
    Pppoe,
    /// A subscription with a fixed address and no login.
    StaticIp,
}

/// What the customer presents on the router.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Access {
    /// Logs in on the hotspot's page.
    Hotspot {
        /// User name, unique on the router.
        name: String,
        /// Password; the same as the name for vouchers.
        password: Secret,
    },
    /// Dials in.
    Pppoe {
        /// User name, unique on the router.
        name: String,
        /// Password.
        password: Secret,
        /// A fixed address for the session, if he has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<Ipv4Addr>,
    },
    /// Just uses his address.
    StaticIp {
        /// The address.
        address: Ipv4Addr,
        /// The machine that has it, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mac: Option<MacAddress>,
    },
}

impl Access {
    /// What he is looked up by: user name or address.
    pub fn login(&self) -> String {
        match self {
            Access::Hotspot { name, .. } | Access::Pppoe { name, .. } => name.clone(),
            Access::StaticIp { address, .. } => address.to_string(),
        }
    }
}

impl Secret {
    /// Wraps a clear text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The clear text, for the one place that must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Debug for Access {
    /// Neither code nor password: a voucher's name is its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Hotspot { .. } => "Access::Hotspot(…)",
            Access::Pppoe { .. } => "Access::Pppoe(…)",
            Access::StaticIp { .. } => "Access::StaticIp(…)",
        })
    }
}

impl GrantKind {
    /// All kinds.
    pub const ALL: [GrantKind; 4] =
        [GrantKind::Voucher, GrantKind::HotspotAccount, GrantKind::Pppoe, GrantKind::StaticIp];

    /// The word in the database, in JSON and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            GrantKind::Voucher => "voucher",
            GrantKind::HotspotAccount => "hotspot_account",
            GrantKind::Pppoe => "pppoe",
            GrantKind::StaticIp => "static_ip",
        }
    }
}
