//! Owns what a menu is: its properties, what may be written into them and what they look like when
//! read back. Knows nothing of any particular menu; those are in `menus`.

use std::net::Ipv4Addr;

use lango_routeros::values::{self, MacAddress};

use super::trap::Trap;
use super::units;

/// One menu of the router, such as `/ip/hotspot/user`.
#[derive(Debug)]
pub(crate) struct Menu {
    pub(crate) path: &'static str,
    pub(crate) fields: &'static [Field],
    /// The property by whose value an item can be named instead of by its id.
    pub(crate) name: Option<&'static str>,
    /// Properties that are looked up often.
    pub(crate) indexed: &'static [&'static str],
    /// Properties that together occur once, and the refusal of a second.
    pub(crate) unique: Option<(&'static [&'static str], &'static str)>,
    pub(crate) required: &'static [&'static str],
    pub(crate) shape: Shape,
}

/// How a menu holds its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Any number of items.
    List,
    /// Any number of items whose order matters: `place-before`, `move`.
    Ordered,
    /// Settings: always exactly one item without an id.
    Single,
}

/// One property.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What is read when nothing was written. None: the property is absent then.
    pub(crate) default: Option<&'static str>,
    pub(crate) access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Write,
    Read,
    /// Shown only to users whose group has the policy `sensitive`.
    Sensitive,
    /// Never shown.
    WriteOnly,
}

/// What a property accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Bool,
    Number,
    NumberOr(&'static str),
    Bytes,
    Duration,
    DurationOr(&'static str),
    Ip,
    /// An address, a prefix, a range or a name.
    Network,
    Mac,
    Rate,
    OneOf(&'static [&'static str]),
    Several(&'static [&'static str]),
    /// The name of an item of another menu, or one of some keywords.
    NameOf(&'static str, &'static [&'static str]),
    /// An address or the name of a pool.
    AddressOrPool,
}

impl Menu {
    pub(crate) const EMPTY: Menu = Menu {
        path: "",
        fields: &[],
        name: None,
        indexed: &[],
        unique: None,
        required: &[],
        shape: Shape::List,
    };

    pub(crate) fn field(&self, name: &str) -> Option<(usize, &'static Field)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }
}

impl Field {
    pub(crate) const fn of(name: &'static str, kind: Kind) -> Field {
        Field { name, kind, default: None, access: Access::Write }
    }

    pub(crate) const fn text(name: &'static str) -> Field {
        Field::of(name, Kind::Text)
    }

    pub(crate) const fn flag(name: &'static str) -> Field {
        Field::of(name, Kind::Bool).or("false")
    }

    pub(crate) const fn span(name: &'static str) -> Field {
        Field::of(name, Kind::Duration)
    }

    pub(crate) const fn read(name: &'static str) -> Field {
        Field { name, kind: Kind::Text, default: None, access: Access::Read }
    }

    pub(crate) const fn or(mut self, default: &'static str) -> Field {
        self.default = Some(default);
        self
    }

    pub(crate) const fn sensitive(mut self) -> Field {
        self.access = Access::Sensitive;
        self
    }

    pub(crate) const fn write_only(mut self) -> Field {
        self.access = Access::WriteOnly;
        self
    }

    /// The value as the router keeps and prints it, `None` if writing it clears the property.
    /// References are checked by the caller, who knows the other menus.
    pub(crate) fn normalise(&self, value: &[u8]) -> Result<Option<Vec<u8>>, Trap> {
        if value.is_empty() {
            return self.cleared();
        }
        let text = || {
            std::str::from_utf8(value).map(str::trim).map_err(|_| Trap::invalid_argument(self.name))
        };
        let refuse = || Trap::invalid_argument(self.name);
        let kept = match self.kind {
            Kind::Text | Kind::NameOf(..) => return Ok(Some(value.to_vec())),
            Kind::Bool => values::parse_bool(text()?).ok_or_else(refuse)?.to_string(),
            Kind::Number => text()?.parse::<i64>().map_err(|_| refuse())?.to_string(),
            Kind::NumberOr(word) if text()? == word => word.to_owned(),
            Kind::NumberOr(_) => text()?.parse::<i64>().map_err(|_| refuse())?.to_string(),
            Kind::Bytes => values::parse_bytes(text()?).ok_or_else(refuse)?.to_string(),
            Kind::DurationOr(word) if text()? == word => word.to_owned(),
            Kind::Duration | Kind::DurationOr(_) => {
                units::duration_text(units::duration(text()?).ok_or_else(refuse)?)
            }
            Kind::Ip => text()?.parse::<Ipv4Addr>().map_err(|_| refuse())?.to_string(),
            Kind::Network => network(text()?).ok_or_else(refuse)?,
            Kind::AddressOrPool => text()?.to_owned(),
            Kind::Mac => MacAddress::parse(text()?)
                .ok_or_else(|| Trap::invalid_value(self.name))?
                .to_string(),
            Kind::Rate => {
                values::RateLimit::parse(text()?).ok_or_else(refuse)?;
                text()?.to_owned()
            }
            Kind::OneOf(words) => one_of(words, text()?, self.name)?,
            Kind::Several(words) => {
                for word in text()?.split(',') {
                    one_of(words, word.trim_start_matches('!'), self.name)?;
                }
                text()?.to_owned()
            }
        };
        Ok(Some(kept.into_bytes()))
    }

    fn cleared(&self) -> Result<Option<Vec<u8>>, Trap> {
        match self.kind {
            Kind::Text | Kind::Mac | Kind::Rate | Kind::Bytes | Kind::Several(_) => Ok(None),
            Kind::NameOf(_, []) | Kind::OneOf(_) => Err(Trap::not_a_value_of(self.name)),
            Kind::NameOf(..) => Ok(None),
            _ => Err(Trap::invalid_argument(self.name)),
        }
    }
}

fn one_of(words: &[&str], value: &str, name: &str) -> Result<String, Trap> {
    if words.contains(&value) { Ok(value.to_owned()) } else { Err(Trap::not_a_value_of(name)) }
}

/// `/32` is not echoed; names are taken as they are.
fn network(text: &str) -> Option<String> {
    let bare = text.strip_suffix("/32").unwrap_or(text);
    if bare.starts_with(|c: char| c.is_ascii_digit()) && Range::parse(bare).is_none() {
        return None;
    }
    Some(bare.to_owned())
}

/// A contiguous set of addresses: one, a prefix, or `first-last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Range {
    pub(crate) fn parse(text: &str) -> Option<Range> {
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (address(first)?, address(last)?);
            return (first <= last).then_some(Range { first, last });
        }
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (address(base)?, bits.parse().ok().filter(|bits| *bits <= 32)?),
            None => (address(text)?, 32_u32),
        };
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        Some(Range { first: base & mask, last: base | !mask })
    }

    pub(crate) fn contains(&self, ip: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&u32::from(ip))
    }

    pub(crate) fn is_single(&self) -> bool {
        self.first == self.last
    }
}

fn address(text: &str) -> Option<u32> {
    text.trim().parse::<Ipv4Addr>().ok().map(u32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(field: Field, value: &str) -> Result<Option<String>, Trap> {
        let kept = field.normalise(value.as_bytes())?;
        Ok(kept.map(|bytes| String::from_utf8(bytes).unwrap()))
    }

    #[test]
    fn values_are_read_back_as_the_router_writes_them() {
        assert_eq!(kept(Field::flag("disabled"), "yes").unwrap().unwrap(), "true");
        assert_eq!(kept(Field::span("limit-uptime"), "36:00:00").unwrap().unwrap(), "1d12h");
        let mac = Field::of("mac-address", Kind::Mac);
        assert_eq!(kept(mac, "aa:bb:cc:dd:ee:ff").unwrap().unwrap(), "AA:BB:CC:DD:EE:FF");
        let address = Field::of("address", Kind::Network);
        assert_eq!(kept(address, "10.0.0.5/32").unwrap().unwrap(), "10.0.0.5");
        assert_eq!(kept(Field::text("comment"), "").unwrap(), None);
    }

    #[test]
    fn nonsense_is_refused_with_the_routers_words() {
        let mac = Field::of("mac-address", Kind::Mac);
        assert_eq!(kept(mac, "12").unwrap_err().message, "invalid value of mac-address");
        let address = Field::of("remote-address", Kind::Ip);
        assert_eq!(
            kept(address, "").unwrap_err().message,
            "invalid value for argument remote-address"
        );
        let kind = Field::of("type", Kind::OneOf(&["regular", "bypassed"]));
        assert_eq!(kept(kind, "x").unwrap_err().message, "input does not match any value of type");
    }

    #[test]
    fn a_range_is_an_address_a_prefix_or_two_ends() {
        let inside = |range: &str, ip: &str| {
            Range::parse(range).unwrap().contains(ip.parse::<Ipv4Addr>().unwrap())
        };
        assert!(inside("10.0.0.0/24", "10.0.0.255"));
        assert!(!inside("10.0.0.0/24", "10.0.1.0"));
        assert!(inside("10.0.0.5-10.0.0.7", "10.0.0.6"));
        assert!(inside("0.0.0.0/0", "8.8.8.8"));
        assert!(Range::parse("10.0.0.0/33").is_none());
    }
}
