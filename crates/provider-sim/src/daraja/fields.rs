//! Fields of requests. The documents' own example mixes numbers and text, so both are taken.

use serde_json::Value;

use super::{Desk, Refusal};

/// A field as text, whether it came as text or as a number; refused if absent or empty.
pub(super) fn text(body: &Value, name: &str) -> Result<String, Refusal> {
    optional(body, name).filter(|text| !text.is_empty()).ok_or_else(|| Refusal::field(name))
}

/// The same, where it may be absent.
pub(super) fn optional(body: &Value, name: &str) -> Option<String> {
    match body.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// At most so many signs.
pub(super) fn short(body: &Value, name: &str, most: usize) -> Result<String, Refusal> {
    Some(text(body, name)?)
        .filter(|text| text.chars().count() <= most)
        .ok_or_else(|| Refusal::field(name))
}

/// 254 and nine digits, no plus.
pub(super) fn phone(body: &Value, name: &str) -> Result<String, Refusal> {
    let good = |text: &String| {
        text.len() == 12 && text.starts_with("254") && text.bytes().all(|one| one.is_ascii_digit())
    };
    Some(text(body, name)?).filter(good).ok_or_else(|| Refusal::field(name))
}

/// Fourteen digits.
pub(super) fn timestamp(body: &Value) -> Result<String, Refusal> {
    let good = |text: &String| text.len() == 14 && text.bytes().all(|one| one.is_ascii_digit());
    Some(text(body, "Timestamp")?).filter(good).ok_or_else(|| Refusal::field("Timestamp"))
}

/// Whole shillings within what one payment may be.
pub(super) fn shillings(body: &Value) -> Result<i64, Refusal> {
    let amount = text(body, "Amount")?.parse::<i64>().ok();
    amount.filter(|amount| (1..=250_000).contains(amount)).ok_or_else(|| Refusal::field("Amount"))
}

/// Words that its documents forbid in URLs.
const FORBIDDEN: [&str; 8] = ["mpesa", "m-pesa", "safaricom", "exe", "exec", "cmd", "sql", "query"];

impl Desk {
    /// A URL to which the provider would send something.
    pub(super) fn url(&self, body: &Value, name: &str) -> Result<String, Refusal> {
        let url = text(body, name)?;
        let (scheme, rest) = url.split_once("://").ok_or_else(|| Refusal::field(name))?;
        let secure = scheme == "https" || (scheme == "http" && !self.settings.wants_https);
        let host = rest.split('/').next().unwrap_or_default();
        // Observed: a host in capitals is no valid URL to it.
        let lowercase = !host.is_empty() && !host.bytes().any(|one| one.is_ascii_uppercase());
        let lower = url.to_lowercase();
        let clean =
            !self.settings.forbids_words || !FORBIDDEN.iter().any(|word| lower.contains(word));
        (secure && lowercase && clean).then_some(url).ok_or_else(|| Refusal::field(name))
    }
}
