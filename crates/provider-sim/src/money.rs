//! Owns the truth about money: who really paid what, with which receipt. What anybody was told of
//! it is in `post`; nothing is taken back here but by a reversal.

use std::fmt;

/// An amount in hundredths of its currency, whatever the currency's own smallest unit is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Amount {
    /// Hundredths: 1,000 shillings are 100,000, also where shillings have no cents.
    pub hundredths: i64,
    /// Its code, such as `KES`.
    pub currency: String,
}

impl Amount {
    /// So many whole units.
    pub fn whole(units: i64, currency: &str) -> Amount {
        Amount { hundredths: units.saturating_mul(100), currency: currency.to_owned() }
    }

    /// As providers write it, such as `10`, `10.5` or `10.50`; `None` if it is no amount.
    pub fn parse(text: &str, currency: &str) -> Option<Amount> {
        let (units, cents) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if units.is_empty() || !digits(units) || !digits(cents) {
            return None;
        }
        let (kept, dropped) = cents.split_at(cents.len().min(2));
        if dropped.bytes().any(|byte| byte != b'0') {
            return None;
        }
        let hundredths = format!("{units}{kept:0<2}").parse().ok()?;
        Some(Amount { hundredths, currency: currency.to_owned() })
    }

    /// Its whole units, if there are no others.
    pub fn units(&self) -> Option<i64> {
        (self.hundredths % 100 == 0).then_some(self.hundredths / 100)
    }

    /// With two decimals and without the currency, such as `10.00`.
    pub fn decimal(&self) -> String {
        format!("{}.{:02}", self.hundredths / 100, self.hundredths % 100)
    }

    /// As short as it can be, such as `10` or `10.50`.
    pub(crate) fn short(&self) -> String {
        self.units().map_or_else(|| self.decimal(), |units| units.to_string())
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency, self.decimal())
    }
}

/// How somebody paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// He agreed to a prompt that the merchant had sent.
    Prompt,
    /// He typed the merchant's number himself.
    ByHand,
}

/// Money that left a phone and reached a merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Which provider moved it, such as `daraja`.
    pub provider: &'static str,
    /// The provider's number for it, which the payer sees.
    pub receipt: String,
    /// Who paid: digits with the country's code.
    pub payer: String,
    /// Who was paid: a shortcode, a merchant.
    pub payee: String,
    /// What the merchant or the payer called it: an account, an order.
    pub reference: String,
    /// The provider's id of the request, if the merchant asked for it.
    pub request: Option<String>,
    /// How much.
    pub amount: Amount,
    /// How.
    pub way: Way,
    /// When, in microseconds since 1970-01-01 UTC.
    pub at_micros: i64,
    /// It went back.
    pub reversed: bool,
}
