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
