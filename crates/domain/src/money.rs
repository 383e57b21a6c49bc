//! Money: whole minor units of one currency. No floats, no arithmetic across currencies, no
//! silent overflow.

use std::fmt;
use std::str::FromStr;

/// A currency by its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

/// An amount of one currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// In the currency's smallest unit: cents for KES, whole shillings for UGX.
    pub amount: i64,
    /// The currency.
    pub currency: Currency,
}

/// Why two amounts cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Different currencies.
    #[error("cannot put {0} and {1} together: convert first")]
    Currencies(Currency, Currency),
    /// The sum does not fit.
    #[error("the sum is larger than {0} amounts can be")]
    Overflow(Currency),
    /// Not a currency code.
    #[error("`{0}` is not a currency: write three letters such as KES, TZS, UGX, RWF or USD")]
    NotACurrency(String),
    /// Not an amount.
    #[error("`{0}` is not an amount of {1}: write for example 50 or 49.50")]
    NotAnAmount(String, Currency),
}

impl Currency {
    /// Kenyan shilling.
    pub const KES: Currency = Currency(*b"KES");
    /// Tanzanian shilling.
    pub const TZS: Currency = Currency(*b"TZS");
    /// Ugandan shilling.
    pub const UGX: Currency = Currency(*b"UGX");
    /// Rwandan franc.
    pub const RWF: Currency = Currency(*b"RWF");

    /// The three letters.
    pub fn code(&self) -> &str {
        // Only ASCII capitals are ever stored, so this is always valid text.
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// How many decimal digits the minor unit has (ISO 4217).
    pub fn decimals(self) -> u32 {
        match &self.0 {
            b"UGX" | b"RWF" | b"BIF" | b"XAF" | b"XOF" | b"JPY" | b"DJF" | b"KMF" => 0,
            _ => 2,
        }
    }
}

impl Money {
    /// An amount in minor units.
    pub fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// The sum, if both are of one currency and it fits.
    pub fn plus(self, other: Money) -> Result<Money, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Currencies(self.currency, other.currency));
        }
        let amount =
            self.amount.checked_add(other.amount).ok_or(MoneyError::Overflow(self.currency))?;
        Ok(Money { amount, currency: self.currency })
    }

    /// Reads `50` or `49.50` as a person types it.
    pub fn parse(text: &str, currency: Currency) -> Result<Money, MoneyError> {
        parse_amount(text.trim(), currency.decimals())
            .map(|amount| Money { amount, currency })
            .ok_or_else(|| MoneyError::NotAnAmount(text.to_owned(), currency))
    }
}

fn parse_amount(text: &str, decimals: u32) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > decimals as usize {
        return None;
    }
    let unit = 10i64.pow(decimals);
    let missing = decimals - fraction.len() as u32;
    let minor = if fraction.is_empty() { 0 } else { fraction.parse::<i64>().ok()? };
    whole.parse::<i64>().ok()?.checked_mul(unit)?.checked_add(minor * 10i64.pow(missing))
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let code: [u8; 3] = text
            .to_ascii_uppercase()
            .into_bytes()
            .try_into()
            .map_err(|_| MoneyError::NotACurrency(text.to_owned()))?;
        if !code.iter().all(u8::is_ascii_uppercase) {
            return Err(MoneyError::NotACurrency(text.to_owned()));
        }
        Ok(Currency(code))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.currency.decimals() as usize;
        let unit = 10u64.pow(self.currency.decimals());
        let sign = if self.amount < 0 { "-" } else { "" };
        let size = self.amount.unsigned_abs();
        write!(f, "{} {sign}{}", self.currency, size / unit)?;
        if decimals > 0 && !size.is_multiple_of(unit) {
            write!(f, ".{:0decimals$}", size % unit)?;
        }
        Ok(())
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shillings_with_and_without_cents() {
        assert_eq!(Money::parse("49.5", Currency::KES).unwrap().amount, 4950);
        assert_eq!(Money::parse("500", Currency::UGX).unwrap().amount, 500);
        assert!(Money::parse("500.5", Currency::UGX).is_err(), "there is no half Ugandan shilling");
        assert!(Money::parse("-5", Currency::KES).is_err());
        assert_eq!(Money::new(4950, Currency::KES).to_string(), "KES 49.50");
        assert_eq!(Money::new(5000, Currency::KES).to_string(), "KES 50");
    }

    #[test]
    fn currencies_do_not_mix() {
        let kes = Money::new(1, Currency::KES);
        assert!(kes.plus(Money::new(1, Currency::TZS)).is_err());
        assert!(kes.plus(Money::new(i64::MAX, Currency::KES)).is_err());
    }

    proptest! {
        #[test]
        fn money_is_conserved(amounts in proptest::collection::vec(0..1_000_000i64, 0..50)) {
            let sum = amounts.iter().try_fold(Money::new(0, Currency::KES), |sum, amount| {
                sum.plus(Money::new(*amount, Currency::KES))
            });
            prop_assert_eq!(sum.unwrap().amount, amounts.iter().sum::<i64>());
        }

        #[test]
        fn printed_money_reads_back(amount in 0..i64::MAX / 100) {
            let money = Money::new(amount, Currency::KES);
            let text = money.to_string();
            prop_assert_eq!(Money::parse(text.trim_start_matches("KES "), Currency::KES), Ok(money));
        }
    }
}
