//! Who may do what. A role is a word in the database; a permission is what a door asks for.

use std::fmt;
use std::str::FromStr;

/// What a person or program of a business is trusted with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Everything in one business.
    Owner,
    /// Everything but keys, webhooks and the business itself.
    Manager,
    /// Sells: customers, vouchers, services, payments.
    Cashier,
    /// Helps: pauses, suspends, resumes, disconnects, tries again.
    Support,
    /// Looks.
    ReadOnly,
    /// Above all businesses: makes them, and is an owner in each.
    Platform,
}

/// What a door asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Permission {
    /// To see the business.
    Read,
    /// To take money and hand out access for it.
    Sell,
    /// To help a customer without giving anything away.
    Support,
    /// To change what is sold and where, and to give access away.
    Manage,
    /// To hand out keys and change the business.
    Own,
    /// To make businesses.
    Platform,
}

/// Why a text is not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role: write owner, manager, cashier, support, read-only or platform")]
pub struct NotARole(String);

impl Role {
    /// All of them, the most trusted of a business first.
    pub const ALL: [Role; 6] =
        [Role::Owner, Role::Manager, Role::Cashier, Role::Support, Role::ReadOnly, Role::Platform];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Manager => "manager",
            Role::Cashier => "cashier",
            Role::Support => "support",
            Role::ReadOnly => "read-only",
            Role::Platform => "platform",
        }
    }

    /// Whether it has that permission.
    pub const fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::Read => true,
            Permission::Sell => {
                matches!(self, Role::Cashier | Role::Manager | Role::Owner | Role::Platform)
            }
            Permission::Support => {
                matches!(self, Role::Support | Role::Manager | Role::Owner | Role::Platform)
            }
            Permission::Manage => matches!(self, Role::Manager | Role::Owner | Role::Platform),
            Permission::Own => matches!(self, Role::Owner | Role::Platform),
            Permission::Platform => matches!(self, Role::Platform),
        }
    }
}

impl Permission {
    /// All of them.
    pub const ALL: [Permission; 6] = [
        Permission::Read,
        Permission::Sell,
        Permission::Support,
        Permission::Manage,
        Permission::Own,
        Permission::Platform,
    ];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Permission::Read => "read",
            Permission::Sell => "sell",
            Permission::Support => "support",
            Permission::Manage => "manage",
            Permission::Own => "own",
            Permission::Platform => "platform",
        }
    }
}

impl FromStr for Role {
    type Err = NotARole;
    fn from_str(text: &str) -> Result<Self, NotARole> {
        let written = text.trim().to_ascii_lowercase().replace('_', "-");
        let meant = Role::ALL.into_iter().find(|role| role.word() == written);
        meant.ok_or_else(|| NotARole(text.to_owned()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl serde::Serialize for Role {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> serde::Deserialize<'de> for Role {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_sees_and_only_the_platform_makes_businesses() {
        for role in Role::ALL {
            assert!(role.may(Permission::Read));
            assert_eq!(role.may(Permission::Platform), role == Role::Platform);
            assert_eq!(role.word().parse(), Ok(role));
        }
    }

    #[test]
    fn who_sells_cannot_give_away_and_who_helps_cannot_sell() {
        assert!(!Role::Cashier.may(Permission::Manage) && !Role::Cashier.may(Permission::Support));
        assert!(!Role::Support.may(Permission::Sell) && !Role::Support.may(Permission::Manage));
        assert!(!Role::Manager.may(Permission::Own));
        assert_eq!("read_only".parse(), Ok(Role::ReadOnly));
        assert!("admin".parse::<Role>().is_err());
    }
}
