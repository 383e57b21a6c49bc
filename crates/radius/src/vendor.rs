//! Vendor-Specific attributes (RFC 2865 §5.26): opening them and writing them.
//!
//! One attribute 26 may hold several of the vendor's own. What does not add up stays an opaque
//! attribute 26 and is never a reason to drop the packet.

use crate::attribute::{Attribute, AttributeId};

/// MikroTik, the maker of RouterOS.
pub const MIKROTIK: u32 = 14988;
/// Microsoft (RFC 2548).
pub const MICROSOFT: u32 = 311;
/// The Wi-Fi Alliance's roaming recommendations.
pub const WISPR: u32 = 14122;
/// Ascend, whose rate limits RouterOS also takes.
pub const ASCEND: u32 = 529;
/// ChilliSpot and CoovaChilli.
pub const CHILLISPOT: u32 = 14559;
/// Cisco.
pub const CISCO: u32 = 9;
/// Juniper's E series and those who follow it.
pub const JUNIPER_ERX: u32 = 4874;
/// Huawei.
pub const HUAWEI: u32 = 2011;
/// H3C.
pub const H3C: u32 = 25506;
/// ZTE.
pub const ZTE: u32 = 3902;
/// Aruba.
pub const ARUBA: u32 = 14823;

/// How many octets a vendor spends on the number and on the length of its attributes.
#[derive(Clone, Copy)]
struct Layout {
    number: usize,
    length: usize,
}

/// The vendors that do not follow the recommended one octet for each. WiMAX spreads one value
/// over several attributes by a continuation octet: its attributes stay opaque.
fn layout(vendor: u32) -> Option<Layout> {
    const USR: u32 = 429;
    const LUCENT: u32 = 4846;
    const STARENT: u32 = 8164;
    const WIMAX: u32 = 24757;
    match vendor {
        USR => Some(Layout { number: 4, length: 0 }),
        LUCENT => Some(Layout { number: 2, length: 1 }),
        STARENT => Some(Layout { number: 2, length: 2 }),
        WIMAX => None,
        _ => Some(Layout { number: 1, length: 1 }),
    }
}

/// The vendor's own attributes within one Vendor-Specific attribute.
#[derive(Clone)]
pub struct VendorAttributes<'a> {
    vendor: u32,
    layout: Layout,
    rest: &'a [u8],
}

impl<'a> VendorAttributes<'a> {
    /// Opens the value of an attribute 26, unless its inside does not add up.
    pub fn open(value: &'a [u8]) -> Option<VendorAttributes<'a>> {
        let (vendor, rest) = value.split_first_chunk::<4>()?;
        let vendor = u32::from_be_bytes(*vendor);
        let opened = VendorAttributes { vendor, layout: layout(vendor)?, rest };
        opened.adds_up().then_some(opened)
    }

    fn adds_up(&self) -> bool {
        let mut walk = self.clone();
        let held = walk.by_ref().count();
        held > 0 && walk.rest.is_empty()
    }
}

impl<'a> Iterator for VendorAttributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let Layout { number, length } = self.layout;
        let header = number + length;
        let end = match length {
            0 => self.rest.len(),
            _ => big_endian(self.rest.get(number..header)?) as usize,
        };
        let (this, rest) = self.rest.split_at_checked(end)?;
        let value = this.get(header..)?;
        let number = big_endian(this.get(..number)?);
        self.rest = rest;
        Some(Attribute { id: AttributeId::Vendor { vendor: self.vendor, number }, value })
    }
}

/// The header of a Vendor-Specific attribute that holds one attribute with `length` octets of
/// value, or nothing if the vendor's layout or the length of an attribute cannot hold it.
pub(crate) fn header(vendor: u32, number: u32, length: usize) -> Option<Vec<u8>> {
    let layout = layout(vendor)?;
    let inner = layout.number + layout.length + length;
    let mut header = vec![crate::dictionary::number::VENDOR_SPECIFIC];
    header.push(u8::try_from(6 + inner).ok()?);
    header.extend(vendor.to_be_bytes());
    header.extend(in_octets(number, layout.number)?);
    if layout.length > 0 {
        header.extend(in_octets(u32::try_from(inner).ok()?, layout.length)?);
    }
    Some(header)
}

fn big_endian(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |sum, octet| (sum << 8) | u32::from(*octet))
}

fn in_octets(value: u32, width: usize) -> Option<Vec<u8>> {
    let octets = value.to_be_bytes();
    let (unused, used) = octets.split_at_checked(octets.len().checked_sub(width)?)?;
    unused.iter().all(|octet| *octet == 0).then(|| used.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(value: &[u8]) -> Option<Vec<(u32, &[u8])>> {
        Some(
            VendorAttributes::open(value)?
                .map(|attribute| match attribute.id {
                    AttributeId::Vendor { number, .. } => (number, attribute.value),
                    AttributeId::Standard(_) => unreachable!("a vendor's attribute has a vendor"),
                })
                .collect(),
        )
    }

    #[test]
    fn one_attribute_may_hold_several() {
        let value = [0, 0, 0x3a, 0x8c, 8, 4, b'1', b'M', 3, 3, b'x'];
        assert_eq!(opened(&value), Some(vec![(8, &b"1M"[..]), (3, b"x")]));
    }

    #[test]
    fn inconsistent_lengths_leave_it_opaque() {
        for inside in [&[][..], &[8], &[8, 1], &[8, 0], &[8, 5, b'x'], &[8, 3, b'x', 9]] {
            let value = [&[0, 0, 0x3a, 0x8c], inside].concat();
            assert_eq!(opened(&value), None, "{inside:?}");
        }
        assert_eq!(opened(&[0, 0, 1]), None);
    }

    #[test]
    fn vendors_with_other_headers_are_read_and_written() {
        for (vendor, number, header_octets) in [
            (429_u32, 0x9866_u32, &[0, 0, 0x98, 0x66][..]),
            (4846, 515, &[2, 3, 5]),
            (8164, 515, &[2, 3, 0, 6]),
        ] {
            let value = [&vendor.to_be_bytes(), header_octets, b"hi"].concat();
            assert_eq!(opened(&value), Some(vec![(number, &b"hi"[..])]), "vendor {vendor}");
            let written = header(vendor, number, 2).unwrap();
            assert_eq!([&written[2..], b"hi"].concat(), value, "vendor {vendor}");
            assert_eq!(usize::from(written[1]), value.len() + 2);
        }
        assert_eq!(opened(&[0, 0, 0x60, 0xb5, 1, 4, 0, 7]), None, "WiMAX stays opaque");
    }

    #[test]
    fn a_vendor_value_has_at_most_247_octets() {
        assert!(header(MIKROTIK, 8, 247).is_some());
        assert!(header(MIKROTIK, 8, 248).is_none());
        assert!(header(MIKROTIK, 256, 1).is_none(), "the number takes one octet");
    }
}
