//! How the octets of an attribute are read and written (RFC 2865 §5, RFC 2868 §3, RFC 3162 §2).
//!
//! A format is a type without values; [`crate::dictionary::Field`] carries it, so that a number
//! cannot be written where a text belongs. Hidden and signed attributes are no [`Format`]: they
//! need the secret and go their own ways.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The shape of a value, for tables and for reading a value that a person typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// UTF-8 without NUL.
    Text,
    /// Any octets.
    Octets,
    /// 32 bits, unsigned.
    Integer,
    /// Seconds since 1970 in UTC, 32 bits.
    Date,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// An IPv6 prefix.
    Ipv6Prefix,
    /// An IPv6 interface identifier, 64 bits.
    InterfaceId,
    /// Text with an optional tag octet before it.
    TaggedText,
    /// 24 bits with a tag octet before them.
    TaggedInteger,
    /// Hidden as User-Password is.
    Hidden,
    /// Hidden with a salt.
    Salted,
    /// Hidden with a salt, after a tag octet.
    TaggedSalted,
    /// A signature over the whole packet.
    Signature,
}

/// A format with a known shape.
pub trait Shaped {
    /// The shape.
    const SHAPE: Shape;
}

/// A format whose values can be read and written without the secret.
pub trait Format: Shaped {
    /// A value, borrowed from the packet where that is possible.
    type Value<'a>;

    /// Reads the octets; nothing if they do not have this format.
    fn decode(octets: &[u8]) -> Option<Self::Value<'_>>;

    /// Appends the octets of a value.
    fn encode(value: Self::Value<'_>, octets: &mut Vec<u8>);
}

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub enum $name {}

            impl Shaped for $name {
                const SHAPE: Shape = Shape::$name;
            }
        )*
    };
}

shapes! {
    /// UTF-8 text. Trailing NULs, which some NASes append, are not part of it.
    Text;
    /// Any octets.
    Octets;
    /// 32 bits, unsigned.
    Integer;
    /// Seconds since 1970 in UTC.
    Date;
    /// An IPv4 address.
    Ipv4;
    /// An IPv6 address.
    Ipv6;
    /// An [`Ipv6Network`].
    Ipv6Prefix;
    /// The lower 64 bits of an IPv6 address.
    InterfaceId;
    /// [`Tagged`] text.
    TaggedText;
    /// [`Tagged`] 24-bit integer.
    TaggedInteger;
    /// Hidden as User-Password is: see [`crate::password`].
    Hidden;
    /// Hidden with a salt: see [`crate::password`].
    Salted;
    /// Hidden with a salt, after a tag octet.
    TaggedSalted;
    /// The Message-Authenticator.
    Signature;
}

/// A value that may belong to one of several tunnels (RFC 2868 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged<V> {
    /// 1..=31, or 0 for a value that belongs to no particular tunnel.
    pub tag: u8,
    /// The value.
    pub value: V,
}

const HIGHEST_TAG: u8 = 0x1f;

/// A tag as it is written: none that could be mistaken for the first octet of a text.
pub(crate) fn written_tag(tag: u8) -> u8 {
    tag.min(HIGHEST_TAG)
}

/// A tag as it is read: what is too high for one is none (RFC 2868 §3.1).
pub(crate) fn read_tag(octet: u8) -> u8 {
    if octet <= HIGHEST_TAG { octet } else { 0 }
}

/// An IPv6 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Network {
    address: Ipv6Addr,
    bits: u8,
}

impl Ipv6Network {
    /// A prefix of at most 128 bits; address bits after it are cleared.
    pub fn new(address: Ipv6Addr, bits: u8) -> Option<Ipv6Network> {
        let host_bits = 128_u32.checked_sub(bits.into())?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Ipv6Network { address: Ipv6Addr::from_bits(address.to_bits() & mask), bits })
    }

    /// The address whose first [`Ipv6Network::bits`] bits count.
    pub fn address(&self) -> Ipv6Addr {
        self.address
    }

    /// The length of the prefix, at most 128.
    pub fn bits(&self) -> u8 {
        self.bits
    }
}

impl Format for Text {
    type Value<'a> = &'a str;

    fn decode(octets: &[u8]) -> Option<&str> {
        let text = std::str::from_utf8(octets).ok()?.trim_end_matches('\0');
        (!text.contains('\0')).then_some(text)
    }

    fn encode(value: &str, octets: &mut Vec<u8>) {
        octets.extend(value.as_bytes());
    }
}

impl Format for Octets {
    type Value<'a> = &'a [u8];

    fn decode(octets: &[u8]) -> Option<&[u8]> {
        Some(octets)
    }

    fn encode(value: &[u8], octets: &mut Vec<u8>) {
        octets.extend(value);
    }
}

impl Format for Integer {
    type Value<'a> = u32;

    fn decode(octets: &[u8]) -> Option<u32> {
        octets.try_into().ok().map(u32::from_be_bytes)
    }

    fn encode(value: u32, octets: &mut Vec<u8>) {
        octets.extend(value.to_be_bytes());
    }
}

impl Format for Date {
    type Value<'a> = u32;

    fn decode(octets: &[u8]) -> Option<u32> {
        Integer::decode(octets)
    }

    fn encode(value: u32, octets: &mut Vec<u8>) {
        Integer::encode(value, octets);
    }
}

impl Format for Ipv4 {
    type Value<'a> = Ipv4Addr;

    fn decode(octets: &[u8]) -> Option<Ipv4Addr> {
        <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
    }

    fn encode(value: Ipv4Addr, octets: &mut Vec<u8>) {
        octets.extend(value.octets());
    }
}

impl Format for Ipv6 {
    type Value<'a> = Ipv6Addr;

    fn decode(octets: &[u8]) -> Option<Ipv6Addr> {
        <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from)
    }

    fn encode(value: Ipv6Addr, octets: &mut Vec<u8>) {
        octets.extend(value.octets());
    }
}

/// RFC 3162 §2.3: a reserved octet, the length in bits, then up to 16 octets of address of which
/// trailing zeros may be missing.
impl Format for Ipv6Prefix {
    type Value<'a> = Ipv6Network;

    fn decode(octets: &[u8]) -> Option<Ipv6Network> {
        let (&[_reserved, bits], given) = octets.split_first_chunk::<2>()?;
        let mut address = [0; 16];
        address.get_mut(..given.len())?.copy_from_slice(given);
        Ipv6Network::new(Ipv6Addr::from(address), bits)
    }

    fn encode(value: Ipv6Network, octets: &mut Vec<u8>) {
        octets.extend([0, value.bits]);
        octets.extend(value.address.octets());
    }
}

impl Format for InterfaceId {
    type Value<'a> = [u8; 8];

    fn decode(octets: &[u8]) -> Option<[u8; 8]> {
        octets.try_into().ok()
    }

    fn encode(value: [u8; 8], octets: &mut Vec<u8>) {
        octets.extend(value);
    }
}

/// RFC 2868 §3.3: a first octet above 0x1F is no tag but the first of the text. Text is written
/// with its tag octet, even 0: a text could otherwise lose its first octet.
impl Format for TaggedText {
    type Value<'a> = Tagged<&'a str>;

    fn decode(octets: &[u8]) -> Option<Tagged<&str>> {
        let (tag, text) = match octets.split_first() {
            Some((&tag, text)) if tag <= HIGHEST_TAG => (tag, text),
            _ => (0, octets),
        };
        Some(Tagged { tag, value: Text::decode(text)? })
    }

    fn encode(value: Tagged<&str>, octets: &mut Vec<u8>) {
        octets.push(written_tag(value.tag));
        Text::encode(value.value, octets);
    }
}

/// RFC 2868 §3.1: the tag takes the highest octet; a value above 24 bits is cut to them.
impl Format for TaggedInteger {
    type Value<'a> = Tagged<u32>;

    fn decode(octets: &[u8]) -> Option<Tagged<u32>> {
        let [tag, high, middle, low] = <[u8; 4]>::try_from(octets).ok()?;
        Some(Tagged { tag: read_tag(tag), value: u32::from_be_bytes([0, high, middle, low]) })
    }

    fn encode(value: Tagged<u32>, octets: &mut Vec<u8>) {
        let [_, high, middle, low] = value.value.to_be_bytes();
        octets.extend([written_tag(value.tag), high, middle, low]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_loses_the_nul_that_a_nas_appended_but_not_one_inside() {
        assert_eq!(Text::decode(b"bob\0"), Some("bob"));
        assert_eq!(Text::decode(b"b\0b"), None);
        assert_eq!(Text::decode(&[0xff]), None);
    }

    #[test]
    fn numbers_and_addresses_have_one_size() {
        assert_eq!(Integer::decode(&[0, 0, 1, 0]), Some(256));
        assert_eq!(Ipv4::decode(&[10, 0, 0, 1]), Some(Ipv4Addr::new(10, 0, 0, 1)));
        for wrong in [&[][..], &[1], &[0, 0, 1], &[0; 5]] {
            assert_eq!(Integer::decode(wrong), None);
            assert_eq!(Ipv4::decode(wrong), None);
            assert_eq!(Ipv6::decode(wrong), None);
            assert_eq!(InterfaceId::decode(wrong), None);
        }
    }

    #[test]
    fn a_prefix_may_come_short_and_leaves_whole() {
        let network = Ipv6Network::new("2001:db8::".parse().unwrap(), 32).unwrap();
        assert_eq!(Ipv6Prefix::decode(&[0, 32, 0x20, 1, 0x0d, 0xb8]), Some(network));
        assert_eq!(
            Ipv6Prefix::decode(&[0, 0]),
            Ipv6Network::new(Ipv6Addr::UNSPECIFIED, 0),
            "a default route has no octets"
        );
        let mut written = Vec::new();
        Ipv6Prefix::encode(network, &mut written);
        assert_eq!(written.len(), 18);
        assert_eq!(Ipv6Prefix::decode(&written), Some(network));
        assert_eq!(Ipv6Prefix::decode(&[0, 129]), None);
        assert_eq!(Ipv6Prefix::decode(&[0; 19]), None);
        assert_eq!(Ipv6Prefix::decode(&[0]), None);
    }

    #[test]
    fn bits_after_a_prefix_do_not_count() {
        let network = Ipv6Network::new("2001:db8::1".parse().unwrap(), 64).unwrap();
        assert_eq!(network.address(), "2001:db8::".parse::<Ipv6Addr>().unwrap());
        assert_eq!(Ipv6Network::new(Ipv6Addr::LOCALHOST, 129), None);
    }

    #[test]
    fn a_high_first_octet_is_text_and_not_a_tag() {
        assert_eq!(TaggedText::decode(b"\x01pool"), Some(Tagged { tag: 1, value: "pool" }));
        assert_eq!(TaggedText::decode(b"pool"), Some(Tagged { tag: 0, value: "pool" }));
        assert_eq!(
            TaggedInteger::decode(&[2, 1, 0, 0]),
            Some(Tagged { tag: 2, value: 0x0001_0000 })
        );
    }
}
