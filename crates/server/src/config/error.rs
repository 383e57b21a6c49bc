//! What can be wrong with settings, in words that say what to write instead.

use std::path::PathBuf;

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings in {path}: check that the file exists and is readable")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The file is not TOML, or a value is of the wrong kind.
    #[error("the settings in {path} cannot be understood")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and on which line.
        #[source]
        cause: toml::de::Error,
    },
    /// There is no such setting.
    #[error("{path} sets `{key}`, which Lango does not know: {advice}")]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Which one is meant, or which there are.
        advice: String,
    },
    /// Not a database.
    #[error("{setting} does not name a database")]
    Database {
        /// Where it is set.
        setting: String,
        /// What is wrong.
        #[source]
        cause: lango_store::Error,
    },
    /// Not an address to listen on.
    #[error(
        "{setting}: `{value}` is not an address to listen on: write for example 127.0.0.1:8080, \
         0.0.0.0:8080, or :0 for any free port"
    )]
    Listener {
        /// Where it is set.
        setting: String,
        /// As written.
        value: String,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("give both tls_certificate and tls_key, or neither")]
    HalfACertificate,
    /// The same of the certificate for RADIUS.
    #[error("give both radius_certificate and radius_key, or neither")]
    HalfARadiusCertificate,
    /// Not a version of TLS.
    #[error("{setting}: `{value}` is not offered to devices: write 1.2 or 1.3")]
    NewestTls {
        /// Where it is set.
        setting: String,
        /// What stands there.
        value: String,
    },
    /// Not an address or network.
    #[error("{setting}: `{value}` is not a network: write for example 127.0.0.1 or 10.0.0.0/8")]
    Network {
        /// Where it is set.
        setting: String,
        /// As written.
        value: String,
    },
    /// Not a number that counts something.
    #[error("{setting}: `{value}` is not a number: write a whole number above 0")]
    Number {
        /// Where it is set.
        setting: String,
        /// As written.
        value: String,
    },
    /// Not a waiting time.
    #[error("{setting}: `{value}` is not a time to wait: write for example `5s` or `500ms`")]
    Wait {
        /// Where it is set.
        setting: String,
        /// As written.
        value: String,
    },
    /// Not a yes or no.
    #[error("{setting}: `{value}` is neither yes nor no: write `true` or `false`")]
    Switch {
        /// Where it is set.
        setting: String,
        /// As written.
        value: String,
    },
    /// Nowhere to keep data.
    #[error("there is no home directory to keep data in: say where with --data-dir")]
    NoHome,
}
