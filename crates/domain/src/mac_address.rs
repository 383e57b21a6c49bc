//! The address of a network card as seen now. Phones change theirs at will: never an identity.

use std::fmt;
use std::str::FromStr;

/// Six octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddress([u8; 6]);

/// Why a text is not a MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a MAC address: write for example AA:BB:CC:DD:EE:FF")]
pub struct NotAMacAddress(String);

impl MacAddress {
    /// From its octets, first on the wire first.
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// Whether the phone made this address up (the locally administered bit, IEEE 802-2014 8.4.4).
    pub const fn is_private(self) -> bool {
        self.0[0] & 0b10 != 0
    }
}

impl FromStr for MacAddress {
    type Err = NotAMacAddress;

    /// Any case; colons, dashes, Cisco's dots or nothing between the digits.
    fn from_str(text: &str) -> Result<Self, NotAMacAddress> {
        let refused = || NotAMacAddress(text.to_owned());
        let digits: Vec<u8> = text
            .bytes()
            .filter(|byte| !matches!(byte, b':' | b'-' | b'.'))
            .map(|byte| char::from(byte).to_digit(16).map(|digit| digit as u8))
            .collect::<Option<_>>()
            .ok_or_else(refused)?;
        if digits.len() != 12 || text.len() > 17 {
            return Err(refused());
        }
        let mut octets = [0; 6];
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            *octet = pair[0] << 4 | pair[1];
        }
        Ok(Self(octets))
    }
}

impl fmt::Display for MacAddress {
    /// Capitals and colons, as RouterOS prints and PPPoE caller ids require.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

impl fmt::Debug for MacAddress {
    /// The maker's half only: a MAC in a log is a person in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:..")
    }
}

impl serde::Serialize for MacAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for MacAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_is_the_same_address() {
        let address: MacAddress = "AA:BB:CC:0D:EE:FF".parse().unwrap();
        for spelling in ["aa-bb-cc-0d-ee-ff", "aabb.cc0d.eeff", "AABBCC0DEEFF"] {
            assert_eq!(spelling.parse(), Ok(address));
        }
        assert!("AA:BB:CC:0D:EE".parse::<MacAddress>().is_err());
        assert!("GA:BB:CC:0D:EE:FF".parse::<MacAddress>().is_err());
        assert!("é".parse::<MacAddress>().is_err());
    }

    #[test]
    fn a_private_address_is_recognised() {
        assert!("DA:A1:19:00:00:01".parse::<MacAddress>().unwrap().is_private());
        assert!(!"B8:27:EB:00:00:01".parse::<MacAddress>().unwrap().is_private());
    }
}
