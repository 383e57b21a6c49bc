//! Signatures and numbers as providers write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};
use serde_json::Value;

/// HMAC by SHA-256, in lowercase hexadecimal digits.
pub(crate) fn sha256_hex(key: &str, text: &str) -> String {
    hex(sign(hmac::HMAC_SHA256, key, text).as_ref())
}

/// HMAC by SHA-256, in base64.
pub(crate) fn sha256_base64(key: &str, text: &str) -> String {
    STANDARD.encode(sign(hmac::HMAC_SHA256, key, text))
}

/// HMAC by SHA-1, in base64.
pub(crate) fn sha1_base64(key: &str, text: &str) -> String {
    STANDARD.encode(sign(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key, text))
}

/// The SHA-256 of a text, in lowercase hexadecimal digits.
pub(crate) fn digest_hex(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn sign(algorithm: hmac::Algorithm, key: &str, text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same value with the fields of every object in the order of their names.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            let fields = names.into_iter().filter_map(|name| Some((name, fields.get(name)?)));
            Value::Object(fields.map(|(name, value)| (name.clone(), sorted(value))).collect())
        }
        Value::Array(all) => Value::Array(all.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// So many random letters and digits.
pub(crate) fn random(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
}

/// A random UUID.
pub(crate) fn uuid() -> String {
    let bits = fastrand::u128(..);
    let text = format!("{bits:032x}");
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}
