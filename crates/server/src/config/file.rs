//! `lango.toml`, as it stands in the file. An unknown key is an error: a setting that silently does
//! nothing is worse than none.

use crate::config::error::ConfigError;
use crate::config::nearest::nearest;
use std::path::{Path, PathBuf};

/// The settings that a file may have; the names are a contract with operators.
const KEYS: [&str; 19] = [
    "radius_authentication",
    "radius_accounting",
    "radius_certificate",
    "radius_key",
    "radsec",
    "radsec_authorities",
    "eap_authorities",
    "eap_newest_tls",
    "webhook_private_addresses",
    "tls_certificate",
    "tls_key",
    "trusted_proxies",
    "api_requests_per_second",
    "data_dir",
    "database_url",
    "http",
    "log_json",
    "router_connect_timeout",
    "router_reply_timeout",
];

/// What a file says.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) radius_authentication: Option<String>,
    pub(super) radius_accounting: Option<String>,
    pub(super) radius_certificate: Option<PathBuf>,
    pub(super) radius_key: Option<PathBuf>,
    pub(super) radsec: Option<String>,
    pub(super) radsec_authorities: Option<PathBuf>,
    pub(super) eap_authorities: Option<PathBuf>,
    pub(super) eap_newest_tls: Option<String>,
    pub(super) webhook_private_addresses: Option<bool>,
    pub(super) tls_certificate: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) trusted_proxies: Option<Vec<String>>,
    pub(super) api_requests_per_second: Option<u32>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) database_url: Option<String>,
    pub(super) http: Option<String>,
    pub(super) log_json: Option<bool>,
    pub(super) router_connect_timeout: Option<String>,
    pub(super) router_reply_timeout: Option<String>,
}

impl Written {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Written, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?;
        let malformed = |cause| ConfigError::Malformed { path: path.to_owned(), cause };
        let table: toml::Table = text.parse().map_err(malformed)?;
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(unknown(path, key));
        }
        toml::from_str(&text).map_err(malformed)
    }
}

fn unknown(path: &Path, key: &str) -> ConfigError {
    let advice = match nearest(key, &KEYS) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are {}", KEYS.join(", ")),
    };
    ConfigError::UnknownKey { path: path.to_owned(), key: key.to_owned(), advice }
}
