//! JSON columns: read with an error that names the column, written without one.

use crate::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads a column's text; the error says which column is damaged.
pub(crate) fn read<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|cause| Error::broken(column, cause))
}

/// Writes a value of ours as text.
pub(crate) fn write<T: Serialize>(value: &T) -> String {
    // Our own values have string keys and no failing serializers: there is nothing to fail.
    serde_json::to_string(value).unwrap_or_default()
}

/// Bytes as a list that a statement takes apart: one argument for any number of keys, on both
/// databases.
pub(crate) fn hex_list(keys: &[&[u8]]) -> String {
    let mut text =
        String::with_capacity(2 + keys.iter().map(|key| 3 + 2 * key.len()).sum::<usize>());
    text.push('[');
    for (place, key) in keys.iter().enumerate() {
        text.push_str(if place == 0 { "\"" } else { ",\"" });
        for byte in *key {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        text.push('"');
    }
    text.push(']');
    text
}

/// Ids as a list that a statement takes apart.
pub(crate) fn id_list<I: lango_domain::ids::Id>(ids: &[I]) -> String {
    let numbers: Vec<i64> = ids.iter().map(|id| id.raw()).collect();
    write(&numbers)
}
