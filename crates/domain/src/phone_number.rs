//! Phone numbers in E.164, as customers of East Africa type them.
//!
//! Only the length and the first digit of the subscriber number are checked: numbering plans grow
//! faster than any table of prefixes, and a refused number is a lost sale.

use std::fmt;

/// A country whose national way of writing numbers we understand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Country {
    /// Kenya, +254.
    Ke,
    /// Tanzania, +255.
    Tz,
    /// Uganda, +256.
    Ug,
    /// Rwanda, +250.
    Rw,
}

/// A number in E.164 with its plus sign.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneNumber(String);

/// Why a text is not a phone number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPhoneNumber {
    /// Neither national nor international.
    #[error(
        "not a phone number of {country}: write for example {example}, or +… for another country"
    )]
    Unreadable {
        /// The country it was read for.
        country: &'static str,
        /// A number that would have been taken.
        example: &'static str,
    },
    /// No such country.
    #[error("`{0}` is not a country Lango knows: write KE, TZ, UG or RW")]
    NoSuchCountry(String),
}

impl Country {
    /// All of them.
    pub const ALL: [Country; 4] = [Country::Ke, Country::Tz, Country::Ug, Country::Rw];

    /// The ISO 3166 code.
    pub const fn code(self) -> &'static str {
        match self {
            Country::Ke => "KE",
            Country::Tz => "TZ",
            Country::Ug => "UG",
            Country::Rw => "RW",
        }
    }

    /// The country's own name in English.
    pub const fn name(self) -> &'static str {
        match self {
            Country::Ke => "Kenya",
            Country::Tz => "Tanzania",
            Country::Ug => "Uganda",
            Country::Rw => "Rwanda",
        }
    }

    /// The code to dial first.
    pub const fn calling_code(self) -> &'static str {
        match self {
            Country::Ke => "254",
            Country::Tz => "255",
            Country::Ug => "256",
            Country::Rw => "250",
        }
    }

    /// The currency that people pay with.
    pub const fn currency(self) -> crate::money::Currency {
        match self {
            Country::Ke => crate::money::Currency::KES,
            Country::Tz => crate::money::Currency::TZS,
            Country::Ug => crate::money::Currency::UGX,
            Country::Rw => crate::money::Currency::RWF,
        }
    }

    /// The time zone, by its name in the IANA database.
    pub const fn zone(self) -> &'static str {
        match self {
            Country::Ke => "Africa/Nairobi",
            Country::Tz => "Africa/Dar_es_Salaam",
            Country::Ug => "Africa/Kampala",
            Country::Rw => "Africa/Kigali",
        }
    }

    const fn example(self) -> &'static str {
        match self {
            Country::Ke => "0712 345 678",
            Country::Tz => "0754 345 678",
            Country::Ug => "0772 345 678",
            Country::Rw => "0788 345 678",
        }
    }

    /// Whether nine digits can be a mobile number here.
    fn has_subscriber(self, digits: &str) -> bool {
        let first: &[u8] = match self {
            Country::Ke => b"17",
            Country::Tz => b"67",
            Country::Ug | Country::Rw => b"7",
        };
        digits.len() == 9 && digits.bytes().next().is_some_and(|digit| first.contains(&digit))
    }
}

impl std::str::FromStr for Country {
    type Err = NotAPhoneNumber;
    fn from_str(text: &str) -> Result<Self, NotAPhoneNumber> {
        Country::ALL
            .into_iter()
            .find(|country| country.code().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| NotAPhoneNumber::NoSuchCountry(text.to_owned()))
    }
}

impl PhoneNumber {
    /// Reads a number as a person in `home` types it: `0712 345 678`, `712345678`,
    /// `254712345678`, `+254 712-345-678`, or any number abroad with its plus sign or `00`.
    pub fn parse(text: &str, home: Country) -> Result<PhoneNumber, NotAPhoneNumber> {
        read(text, home)
            .map(PhoneNumber)
            .ok_or(NotAPhoneNumber::Unreadable { country: home.name(), example: home.example() })
    }

    /// With the plus sign.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes back what [`PhoneNumber::as_str`] gave, for example from the database.
    pub fn from_e164(text: &str) -> Option<PhoneNumber> {
        let digits = text.strip_prefix('+')?;
        is_international(digits).then(|| PhoneNumber(text.to_owned()))
    }
}

fn read(text: &str, home: Country) -> Option<String> {
    let typed = text.trim();
    let noise = |c: char| matches!(c, ' ' | '-' | '(' | ')' | '.' | '\u{a0}');
    let abroad = typed.starts_with('+') || typed.starts_with("00");
    let digits: String = typed.chars().filter(|c| !noise(*c)).collect();
    let digits = digits.strip_prefix('+').unwrap_or(&digits);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if abroad {
        let digits = if typed.starts_with('+') { digits } else { digits.get(2..)? };
        return known_or_foreign(digits);
    }
    let national = digits.strip_prefix('0').unwrap_or(digits);
    if home.has_subscriber(national) {
        return Some(format!("+{}{national}", home.calling_code()));
    }
    let country = country_of(digits)?;
    country.has_subscriber(&digits[3..]).then(|| format!("+{digits}"))
}

fn known_or_foreign(digits: &str) -> Option<String> {
    let plausible = match country_of(digits) {
        Some(country) => country.has_subscriber(&digits[3..]),
        None => is_international(digits),
    };
    plausible.then(|| format!("+{digits}"))
}

fn country_of(digits: &str) -> Option<Country> {
    Country::ALL.into_iter().find(|country| digits.starts_with(country.calling_code()))
}

/// E.164: at most 15 digits, no leading zero.
fn is_international(digits: &str) -> bool {
    (8..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PhoneNumber {
    /// The last three digits only: logs are read by many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+…{}", &self.0[self.0.len().saturating_sub(3)..])
    }
}

impl serde::Serialize for PhoneNumber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_kenyan_number_however_it_is_typed() {
        for typed in
            ["0712345678", "712 345 678", "254712345678", "+254 712-345-678", "00254712345678"]
        {
            assert_eq!(PhoneNumber::parse(typed, Country::Ke).unwrap().as_str(), "+254712345678");
        }
        assert_eq!(
            PhoneNumber::parse("0110 345 678", Country::Ke).unwrap().as_str(),
            "+254110345678"
        );
    }

    #[test]
    fn a_neighbour_pays_from_across_the_border() {
        assert_eq!(
            PhoneNumber::parse("255754345678", Country::Ke).unwrap().as_str(),
            "+255754345678"
        );
        assert_eq!(
            PhoneNumber::parse("+44 7700 900123", Country::Ug).unwrap().as_str(),
            "+447700900123"
        );
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for typed in ["", "0", "12345", "07123456789", "+254612345678", "0712x45678", "+", "00"] {
            assert!(PhoneNumber::parse(typed, Country::Ke).is_err(), "{typed}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}") {
            if let Ok(number) = PhoneNumber::parse(&text, Country::Tz) {
                prop_assert!(PhoneNumber::from_e164(number.as_str()).is_some());
            }
        }
    }
}
