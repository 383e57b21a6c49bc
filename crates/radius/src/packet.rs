//! The packet as it lies in the datagram: checked for shape, borrowed, not yet trusted.
//!
//! Never decides whether a packet is genuine (see [`crate::authenticator`]) and never copies it.

use crate::attribute::{Attribute, AttributeId, Attributes, RawAttributes};
use crate::code::Code;
use crate::dictionary::{self, Field};
use crate::format::Format;

/// The longest packet (RFC 2865 §3).
pub const MAXIMUM_LENGTH: usize = 4096;

/// Replies up to this length cross common links unfragmented; some firewalls drop fragments.
pub const UNFRAGMENTED_LENGTH: usize = 1400;

/// Code, identifier, length and authenticator.
pub(crate) const HEADER_LENGTH: usize = 20;

/// More attributes than any honest NAS sends; a bound on the work one datagram can ask for.
const MAXIMUM_ATTRIBUTES: usize = 200;

/// Why a datagram is not a RADIUS packet. The answer to every one of these is silence
/// (RFC 2865 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Shorter than a header.
    #[error("dropped a datagram of {received} octets: a RADIUS packet has at least 20")]
    Truncated {
        /// Octets in the datagram.
        received: usize,
    },
    /// The Length field is outside 20..=4096.
    #[error("dropped a datagram: its Length field says {length}, which is not within 20 and 4096")]
    LengthOutOfRange {
        /// The Length field.
        length: usize,
    },
    /// The datagram ends before the packet does.
    #[error("dropped a datagram: Length says {length} octets but only {received} came")]
    ShorterThanLength {
        /// The Length field.
        length: usize,
        /// Octets in the datagram.
        received: usize,
    },
    /// A code that nobody here speaks.
    #[error("dropped a datagram with the unknown packet code {code}")]
    UnknownCode {
        /// The code octet.
        code: u8,
    },
    /// An attribute is shorter than its own header or runs past the end.
    #[error(
        "dropped a datagram: attribute {number} at octet {offset} has the wrong length {length}"
    )]
    AttributeLength {
        /// The attribute number.
        number: u8,
        /// The attribute's own length octet; 0 if even that is missing.
        length: u8,
        /// Where it begins, from the start of the packet.
        offset: usize,
    },
    /// More attributes than are accepted.
    #[error("dropped a datagram with more than 200 attributes")]
    TooManyAttributes,
}

/// A well-formed packet, borrowed from the datagram. Padding after Length is not part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    code: Code,
    authenticator: &'a [u8; 16],
    /// Exactly Length octets, whose attributes are known to fit.
    octets: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram. Octets past the packet's own length are padding and ignored.
    pub fn parse(datagram: &'a [u8]) -> Result<Packet<'a>, Malformed> {
        let received = datagram.len();
        let truncated = Malformed::Truncated { received };
        let (&[code, _, high, low], rest) = datagram.split_first_chunk::<4>().ok_or(truncated)?;
        let (authenticator, _) = rest.split_first_chunk::<16>().ok_or(truncated)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(HEADER_LENGTH..=MAXIMUM_LENGTH).contains(&length) {
            return Err(Malformed::LengthOutOfRange { length });
        }
        let octets =
            datagram.get(..length).ok_or(Malformed::ShorterThanLength { length, received })?;
        let code = Code::from_octet(code).ok_or(Malformed::UnknownCode { code })?;
        check_attributes(octets)?;
        Ok(Packet { code, authenticator, octets })
    }

    /// What the packet is for.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The identifier that pairs a reply with its request.
    pub fn identifier(&self) -> u8 {
        self.octets.get(1).copied().unwrap_or_default()
    }

    /// The Request or Response Authenticator.
    pub fn authenticator(&self) -> &'a [u8; 16] {
        self.authenticator
    }

    /// The packet without padding: what duplicates are compared by.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The attributes as they lie there, Vendor-Specific ones unopened, empty ones included.
    pub fn raw_attributes(&self) -> RawAttributes<'a> {
        RawAttributes::over(self.attribute_octets())
    }

    /// The attributes that mean something, in order: Vendor-Specific ones opened, empty ones left
    /// out (except Chargeable-User-Identity, whose emptiness is a question).
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::over(self.attribute_octets())
    }

    /// The octets of the first attribute with this id.
    pub fn first(&self, id: AttributeId) -> Option<&'a [u8]> {
        self.attributes().find(|attribute| attribute.id == id).map(|attribute| attribute.value)
    }

    /// The first value of a field, if there is one and it has the field's format. A value of the
    /// wrong size is no error: its octets stay readable through [`Packet::first`].
    pub fn read<F: Format>(&self, field: Field<F>) -> Option<F::Value<'a>> {
        self.first(field.id()).and_then(F::decode)
    }

    /// Every well-formed value of a field, in order.
    pub fn read_all<F: Format>(&self, field: Field<F>) -> impl Iterator<Item = F::Value<'a>> {
        let id = field.id();
        self.attributes()
            .filter(move |attribute: &Attribute<'a>| attribute.id == id)
            .filter_map(|attribute| F::decode(attribute.value))
    }

    /// Whether the packet has an attribute with this number, even an empty one.
    pub(crate) fn has_raw(&self, number: u8) -> bool {
        self.raw_attributes().any(|attribute| attribute.number == number)
    }

    /// Whether a Proxy-State is present: without a Message-Authenticator beside it, the mark of
    /// the attack CVE-2024-3596.
    pub fn has_proxy_state(&self) -> bool {
        self.has_raw(dictionary::number::PROXY_STATE)
    }

    pub(crate) fn attribute_octets(&self) -> &'a [u8] {
        self.octets.get(HEADER_LENGTH..).unwrap_or_default()
    }
}

/// Names the packet and its size; values may be personal or secret and are not shown.
impl std::fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<String> = self.attributes().map(|held| held.id.to_string()).collect();
        f.debug_struct("Packet")
            .field("code", &self.code)
            .field("identifier", &self.identifier())
            .field("length", &self.octets.len())
            .field("attributes", &ids)
            .finish()
    }
}

fn check_attributes(packet: &[u8]) -> Result<(), Malformed> {
    let mut offset = HEADER_LENGTH;
    let mut count = 0;
    while let Some(&number) = packet.get(offset) {
        let length = packet.get(offset + 1).copied().unwrap_or_default();
        let end = offset + usize::from(length);
        if length < 2 || end > packet.len() {
            return Err(Malformed::AttributeLength { number, length, offset });
        }
        count += 1;
        if count > MAXIMUM_ATTRIBUTES {
            return Err(Malformed::TooManyAttributes);
        }
        offset = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(length: u16, attributes: &[u8]) -> Vec<u8> {
        let mut octets = vec![1, 7];
        octets.extend(length.to_be_bytes());
        octets.extend([9; 16]);
        octets.extend(attributes);
        octets
    }

    #[test]
    fn padding_after_the_packet_is_not_part_of_it() {
        let octets = packet(25, &[1, 5, b'b', b'o', b'b', 0xde, 0xad]);
        let parsed = Packet::parse(&octets).unwrap();
        assert_eq!(parsed.octets().len(), 25);
        assert_eq!(parsed.identifier(), 7);
        assert_eq!(parsed.read(dictionary::USER_NAME), Some("bob"));
    }

    #[test]
    fn a_datagram_shorter_than_it_says_is_dropped() {
        let octets = packet(26, &[1, 5, b'b', b'o', b'b']);
        let expected = Malformed::ShorterThanLength { length: 26, received: 25 };
        assert_eq!(Packet::parse(&octets), Err(expected));
        assert_eq!(Packet::parse(&octets[..19]), Err(Malformed::Truncated { received: 19 }));
        assert_eq!(Packet::parse(&[]), Err(Malformed::Truncated { received: 0 }));
    }

    #[test]
    fn length_stays_between_20_and_4096() {
        for length in [0, 19, 4097, u16::MAX] {
            let octets = packet(length, &[0; 5000]);
            let expected = Malformed::LengthOutOfRange { length: length.into() };
            assert_eq!(Packet::parse(&octets), Err(expected));
        }
        assert!(Packet::parse(&packet(20, &[])).is_ok());
    }

    #[test]
    fn an_attribute_that_does_not_fit_drops_the_packet() {
        for (attributes, length) in
            [(&[1, 0][..], 0), (&[1, 1], 1), (&[1], 0), (&[1, 4, b'b'], 4), (&[1, 255], 255)]
        {
            let octets = packet(20 + attributes.len() as u16, attributes);
            let expected = Malformed::AttributeLength { number: 1, length, offset: 20 };
            assert_eq!(Packet::parse(&octets), Err(expected));
        }
    }

    #[test]
    fn two_hundred_attributes_are_enough() {
        assert!(Packet::parse(&packet(20 + 400, &[1, 2].repeat(200))).is_ok());
        let octets = packet(20 + 402, &[1, 2].repeat(201));
        assert_eq!(Packet::parse(&octets), Err(Malformed::TooManyAttributes));
    }

    #[test]
    fn an_unknown_code_is_dropped() {
        let mut octets = packet(20, &[]);
        octets[0] = 99;
        assert_eq!(Packet::parse(&octets), Err(Malformed::UnknownCode { code: 99 }));
    }

    #[test]
    fn a_wrong_size_integer_is_kept_as_octets() {
        let octets = packet(25, &[27, 5, 0, 0, 9]);
        let parsed = Packet::parse(&octets).unwrap();
        assert_eq!(parsed.read(dictionary::SESSION_TIMEOUT), None);
        assert_eq!(parsed.first(AttributeId::Standard(27)), Some(&[0, 0, 9][..]));
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let octets = packet(25, &[1, 5, b'b', b'o', b'b']);
        let shown = format!("{:?}", Packet::parse(&octets).unwrap());
        assert!(shown.contains("User-Name") && !shown.contains("bob"), "{shown}");
    }
}
