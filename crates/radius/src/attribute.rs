//! Attributes as borrowed octets with an identity. Unknown ones are as good as known ones here;
//! meaning comes from [`crate::dictionary`].

use std::fmt;

use crate::dictionary::{self, number};
use crate::vendor::VendorAttributes;

/// Which attribute: a number of the RFCs, or a number within a vendor's space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttributeId {
    /// An attribute of the RFCs. `Standard(26)` is a Vendor-Specific one that could not be opened.
    Standard(u8),
    /// An attribute inside a Vendor-Specific one.
    Vendor {
        /// The vendor's enterprise number.
        vendor: u32,
        /// The number within the vendor's space.
        number: u32,
    },
}

/// The dictionary's name, or `Attr-200`, or `Attr-26.14988.99`.
impl fmt::Display for AttributeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (dictionary::definition(*self), self) {
            (Some(definition), _) => f.write_str(definition.name),
            (None, AttributeId::Standard(number)) => write!(f, "Attr-{number}"),
            (None, AttributeId::Vendor { vendor, number }) => {
                write!(f, "Attr-26.{vendor}.{number}")
            }
        }
    }
}

/// One attribute: what it is and its octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Which attribute.
    pub id: AttributeId,
    /// Its octets, without any header.
    pub value: &'a [u8],
}

/// Shows identity and size; the octets may be a password, a phone number or a MAC address.
impl fmt::Debug for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} octets)", self.id, self.value.len())
    }
}

/// One attribute as it lies in the packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawAttribute<'a> {
    /// The type octet.
    pub number: u8,
    /// The octets after type and length; may be empty.
    pub value: &'a [u8],
}

/// Iterates over attributes as they lie in the packet.
#[derive(Clone)]
pub struct RawAttributes<'a> {
    rest: &'a [u8],
}

impl<'a> RawAttributes<'a> {
    /// Over the attribute part of a packet. Stops at the first attribute that does not fit, of
    /// which a parsed packet has none.
    pub(crate) fn over(octets: &'a [u8]) -> RawAttributes<'a> {
        RawAttributes { rest: octets }
    }
}

impl<'a> Iterator for RawAttributes<'a> {
    type Item = RawAttribute<'a>;

    fn next(&mut self) -> Option<RawAttribute<'a>> {
        let (&[number, length], _) = self.rest.split_first_chunk::<2>()?;
        let (this, rest) = self.rest.split_at_checked(usize::from(length))?;
        let value = this.get(2..)?;
        self.rest = rest;
        Some(RawAttribute { number, value })
    }
}

/// Iterates over attributes with the Vendor-Specific ones opened and the empty ones left out.
#[derive(Clone)]
pub struct Attributes<'a> {
    raw: RawAttributes<'a>,
    opened: Option<VendorAttributes<'a>>,
}

impl<'a> Attributes<'a> {
    pub(crate) fn over(octets: &'a [u8]) -> Attributes<'a> {
        Attributes { raw: RawAttributes::over(octets), opened: None }
    }

    fn next_of_any_size(&mut self) -> Option<Attribute<'a>> {
        if let Some(attribute) = self.opened.as_mut().and_then(Iterator::next) {
            return Some(attribute);
        }
        let RawAttribute { number, value } = self.raw.next()?;
        if number == number::VENDOR_SPECIFIC
            && let Some(mut opened) = VendorAttributes::open(value)
        {
            let first = opened.next();
            self.opened = Some(opened);
            return first;
        }
        Some(Attribute { id: AttributeId::Standard(number), value })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        loop {
            let attribute = self.next_of_any_size()?;
            if !attribute.value.is_empty() || may_be_empty(attribute.id) {
                return Some(attribute);
            }
        }
    }
}

/// An empty Chargeable-User-Identity asks the server for one (RFC 4372 §2.1); every other
/// attribute has at least one octet (RFC 2865 §5).
pub(crate) fn may_be_empty(id: AttributeId) -> bool {
    id == dictionary::CHARGEABLE_USER_IDENTITY.id()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(octets: &[u8]) -> Vec<(String, &[u8])> {
        Attributes::over(octets).map(|held| (held.id.to_string(), held.value)).collect()
    }

    #[test]
    fn empty_attributes_say_nothing_except_the_chargeable_identity() {
        let octets = [1, 2, 89, 2, 24, 3, 7];
        assert_eq!(
            listed(&octets),
            [("Chargeable-User-Identity".into(), &[][..]), ("State".into(), &[7])]
        );
        assert_eq!(RawAttributes::over(&octets).count(), 3);
    }

    #[test]
    fn unknown_attributes_keep_their_octets() {
        let octets = [200, 4, 1, 2, 26, 9, 0, 0, 0x3a, 0x8c, 250, 3, 5];
        assert_eq!(
            listed(&octets),
            [("Attr-200".into(), &[1, 2][..]), ("Attr-26.14988.250".into(), &[5])]
        );
    }

    #[test]
    fn debug_hides_the_octets() {
        let attribute = Attribute { id: AttributeId::Standard(1), value: b"254700000000" };
        assert_eq!(format!("{attribute:?}"), "User-Name(12 octets)");
    }
}
