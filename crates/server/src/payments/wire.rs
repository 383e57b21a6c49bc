//! How providers write: numbers as text and text as numbers, amounts with and without cents, hours
//! of East Africa. Reads all of it, and says none where there is nothing that makes sense.

use super::CallbackError;
use jiff::tz::Offset;
use lango_domain::money::Currency;
use lango_domain::money::Money;
use lango_domain::time::Timestamp;
use serde_json::Value;

/// The hours by which East Africa is ahead of UTC, all year.
const EAST_AFRICA: i8 = 3;

/// A field as text, whether it came as text or as a number; none if there is nothing in it.
pub(super) fn text(object: &Value, name: &str) -> Option<String> {
    as_text(object.get(name)?)
}

/// The same along a path such as `/data/transaction/id`.
pub(super) fn text_at(object: &Value, path: &str) -> Option<String> {
    as_text(object.pointer(path)?)
}

/// Text or number; `0.0` is the code 0.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => {
            let text = number.to_string();
            Some(text.strip_suffix(".0").map(str::to_owned).unwrap_or(text))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An amount: `5`, `5.00`, `"5"`, `"5.00"`. Decimals that are nothing are nothing, also where a
/// currency has none.
pub(super) fn amount(value: &Value, currency: Currency) -> Option<Money> {
    let text = as_text(value)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let plain = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    Money::parse(&plain, currency).ok()
}

/// The amount in whole shillings or francs, if it is whole.
pub(super) fn whole_units(money: Money) -> Option<i64> {
    let unit = 10i64.pow(money.currency.decimals());
    (money.amount % unit == 0).then_some(money.amount / unit)
}

/// The amount with a point, as short as it goes: `1000`, `49.50`.
pub(super) fn decimal(money: Money) -> String {
    let decimals = money.currency.decimals() as usize;
    let unit = 10i64.pow(money.currency.decimals());
    match money.amount % unit {
        0 => (money.amount / unit).to_string(),
        cents => format!("{}.{:0decimals$}", money.amount / unit, cents.abs()),
    }
}

/// `20191219102115`, in East Africa.
pub(super) fn east_african(digits: &str) -> Option<Timestamp> {
    in_east_africa("%Y%m%d%H%M%S", digits)
}

/// What was written in this form in East Africa.
pub(super) fn in_east_africa(form: &str, text: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime(form, text).ok()?;
    Offset::constant(EAST_AFRICA).to_timestamp(civil).ok().map(Timestamp::from_jiff)
}

/// An instant in this form, as clocks in East Africa show it.
pub(super) fn written_in_east_africa(at: Timestamp, form: &str) -> String {
    Offset::constant(EAST_AFRICA).to_datetime(at.to_jiff()).strftime(form).to_string()
}

/// An instant as RFC 3339 has it.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(Timestamp::from_jiff)
}

/// A message that must be an object of JSON.
pub(super) fn object(body: &[u8], provider: &'static str) -> Result<Value, CallbackError> {
    let unreadable = |why: String| CallbackError::Unreadable { provider, why };
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| unreadable(format!("it is no JSON ({error})")))?;
    if value.is_object() { Ok(value) } else { Err(unreadable("it is no object".to_owned())) }
}

/// A header, however its name is written.
pub(super) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut all = headers.iter();
    all.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Octets in hexadecimal digits.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// HMAC-SHA-256.
pub(super) fn hmac(key: &str, message: &[u8]) -> ring::hmac::Tag {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
    ring::hmac::sign(&key, message)
}

/// Whether two proofs are the same, in a time that does not tell where they differ.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_are_read_however_they_are_written() {
        let kes = |value: Value| amount(&value, Currency::KES).map(|money| money.amount);
        for five in [json!(5), json!(5.0), json!("5"), json!("5.00"), json!(" 5.0 ")] {
            assert_eq!(kes(five.clone()), Some(500), "{five}");
        }
        assert_eq!(kes(json!(49.5)), Some(4_950));
        assert_eq!(kes(serde_json::from_str("1.00").unwrap()), Some(100));
        assert_eq!(amount(&json!("1000.00"), Currency::UGX).unwrap().amount, 1_000);
        for none in [json!("-5"), json!(-5), json!("5.001"), json!(1e300), json!(""), json!(null)] {
            assert_eq!(kes(none.clone()), None, "{none}");
        }
        assert_eq!(amount(&json!("1000.50"), Currency::UGX), None);
        assert_eq!(decimal(Money::new(100_000, Currency::TZS)), "1000");
        assert_eq!(decimal(Money::new(4_905, Currency::TZS)), "49.05");
        assert_eq!(whole_units(Money::new(4_905, Currency::TZS)), None);
    }

    #[test]
    fn hours_are_those_of_east_africa() {
        let at = east_african("20260102020405").unwrap();
        assert_eq!(at.to_string(), "2026-01-01T23:04:05Z");
        assert_eq!(written_in_east_africa(at, "%Y%m%d%H%M%S"), "20260102020405");
        assert_eq!(east_african("20261302020405"), None);
    }

    #[test]
    fn keyed_hashes_are_those_of_others() {
        let tag = hmac("test-key", br#"{"a":1}"#);
        assert!(hex(tag.as_ref()).starts_with("486ecd1b18e77ef1945ee984"));
    }
}
