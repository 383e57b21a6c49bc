//! What a plan says of logins: from which devices, at what hours, into which pool. Rules for NASes
//! that ask us. A router that is told by its API what to hold cannot be asked at each login: which
//! of these it keeps is in [`Logins::not_kept_by_routers`].

use crate::hours::Hours;
use crate::time::Span;
use std::fmt;
use std::str::FromStr;

/// What a plan says of logins.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logins {
    /// What becomes of a further device when all places are taken.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub when_full: WhenFull,
    /// Whether only the device of the first login may use it.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub lock_to_first_device: bool,
    /// When it may be used; none is always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// How long a device may be silent before its session ends; none is as the router has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Span>,
    /// The pool of addresses, by its name on the router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<NameOnRouter>,
    /// The profile, by its name on the router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<NameOnRouter>,
    /// Whether a device that was online by it comes back without the password.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub known_devices: KnownDevices,
}

/// What becomes of a further device when all places are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// It is refused.
    #[default]
    Refuse,
    /// It comes in, and who has been online for longest is ended.
    EndOldest,
}

/// Whether a device that was online comes back by its address alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownDevices {
    /// Yes, where the router asks for it: who set `login-by=mac` there wants it, and an open
    /// hotspot tells devices apart by nothing better anyway.
    #[default]
    Welcome,
    /// No.
    NeedPassword,
}

/// The name of something on a router: letters, digits and a few signs that no program on the way
/// reads as more than that.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct NameOnRouter(String);

/// Why a text is no name on a router.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name on a router: up to 63 letters, digits, spaces and any of . _ - : / @")]
pub struct NotAName(String);

impl Logins {
    /// Whether it says nothing that is not usual.
    pub fn is_usual(&self) -> bool {
        is_usual(self)
    }

    /// What it says that routers cannot be told by their API, in words for staff.
    pub fn not_kept_by_routers(&self) -> Vec<&'static str> {
        let kept_by_nobody = [
            (self.when_full == WhenFull::EndOldest, "a further device is refused, none is ended"),
            (self.lock_to_first_device, "any device may log in"),
            (self.hours.is_some(), "it is open at all hours"),
            (self.idle_timeout.is_some(), "idle devices stay as the router has it"),
            (self.pool.is_some() || self.profile.is_some(), "pool and profile are Lango's own"),
        ];
        kept_by_nobody.into_iter().filter_map(|(is_said, what)| is_said.then_some(what)).collect()
    }
}

fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl NameOnRouter {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NameOnRouter {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let plain = |c: char| c.is_ascii_alphanumeric() || " ._-:/@".contains(c);
        let is_name = (1..=63).contains(&text.len())
            && text.chars().all(plain)
            && !text.starts_with(' ')
            && !text.ends_with(' ');
        is_name.then(|| Self(text.to_owned())).ok_or_else(|| NotAName(text.to_owned()))
    }
}

impl fmt::Display for NameOnRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for NameOnRouter {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Terms;

    #[test]
    fn terms_that_say_nothing_of_logins_are_written_as_before() {
        let terms = Terms::hotspot(Span::hours(1));
        let written = serde_json::to_string(&terms).unwrap();
        assert!(!written.contains("logins"), "their hash would change: {written}");
        assert_eq!(serde_json::from_str::<Terms>(&written).unwrap(), terms);
    }

    #[test]
    fn everything_that_is_said_comes_back() {
        let logins = Logins {
            when_full: WhenFull::EndOldest,
            lock_to_first_device: true,
            hours: Some(Hours {
                week: "Mo-Fr 08:00-18:00".parse().unwrap(),
                zone: "Africa/Nairobi".parse().unwrap(),
            }),
            idle_timeout: Some(Span::minutes(10)),
            pool: Some("guests".parse().unwrap()),
            profile: Some("gold".parse().unwrap()),
            known_devices: KnownDevices::NeedPassword,
        };
        let terms = Terms { logins, ..Terms::hotspot(Span::hours(1)) };
        let written = serde_json::to_string(&terms).unwrap();
        assert_eq!(serde_json::from_str::<Terms>(&written).unwrap(), terms);
        assert_eq!(terms.logins.not_kept_by_routers().len(), 5);
        assert_eq!(Logins::default().not_kept_by_routers(), [""; 0]);
    }

    #[test]
    fn a_name_is_nothing_but_a_name() {
        for name in ["pool1", "Guests 2.4", "hs-pool-1", "a/b@c:d"] {
            assert_eq!(name.parse::<NameOnRouter>().unwrap().as_str(), name);
        }
        for wrong in ["", " a", "a ", "`id`", "a\"b", "a\nb", "%{sql:x}", "é", &"a".repeat(64)] {
            assert!(wrong.parse::<NameOnRouter>().is_err(), "{wrong}");
        }
    }
}
