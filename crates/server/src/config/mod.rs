//! Settings: where they come from, what each of them means, and the application built from them.
//!
//! A flag beats a variable of the environment, that beats `lango.toml`, and that the default. Must
//! never guess: what cannot be read is an error that names where it stands and what to write.

pub mod error;
mod file;
pub(crate) mod nearest;
pub mod open;
mod place;

use crate::config::error::ConfigError;
use crate::radius;
use crate::radius::certificate::Sources;
use crate::radius::eap::NewestTls;
use file::Written;
use ipnet::IpNet;
use lango_domain::time::Span;
use lango_routeros::Timeouts;
use lango_store::DatabaseUrl;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the database, the secret key and other files of ours are.
    pub data_dir: PathBuf,
    /// Which database.
    pub database: DatabaseUrl,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// Where RADIUS is served; none if it is off.
    pub radius: Option<radius::Settings>,
    /// Whether somebody asked for that: then it must be possible.
    pub radius_is_asked_for: bool,
    /// By what certificate RADIUS is known.
    pub radius_certificate: radius::certificate::Sources,
    /// Where RadSec is served; none if it is off.
    pub radsec: Option<SocketAddr>,
    /// Whether the log is for machines.
    pub log_json: bool,
    /// The certificate and the key of HTTP, if it is encrypted here.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Who may say in whose name he asks.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether webhooks may lead into private networks.
    pub webhook_private_addresses: bool,
    /// How many requests a second a token of the API may make, over time.
    pub api_requests_per_second: u32,
    /// How long to wait for routers.
    pub router_timeouts: Timeouts,
    /// The secret key in hexadecimal, if the environment gives it; else it is in a file.
    pub secret_key: Option<String>,
}

/// What was said on the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--database-url`.
    pub database_url: Option<String>,
    /// `--http`.
    pub http: Option<String>,
    /// `--log-json`.
    pub log_json: bool,
    /// `--tls-certificate`.
    pub tls_certificate: Option<PathBuf>,
    /// `--tls-key`.
    pub tls_key: Option<PathBuf>,
}

/// Looks up a variable of the environment.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// A variable of this process. An empty one counts as absent.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Config {
    /// Puts the settings together.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(flags: &Flags, environment: Environment<'_>) -> Result<Config, ConfigError> {
        let said = Said::new(flags, environment);
        let written = said.file()?;
        let data_dir = match said.data_dir().or(written.data_dir.clone()) {
            Some(chosen) => chosen,
            None => place::usual_data_dir(environment)?,
        };
        let (radius, radius_is_asked_for) = said.radius(&written)?;
        Ok(Config {
            radius,
            radius_is_asked_for,
            radius_certificate: said.radius_certificate(&written, &data_dir)?,
            radsec: said.radsec(&written)?,
            database: said.database(&written, &data_dir)?,
            http: said.http(&written)?,
            log_json: said.log_json(&written)?,
            tls: said.tls(&written)?,
            trusted_proxies: said.trusted_proxies(&written)?,
            webhook_private_addresses: said.webhook_private_addresses(&written)?,
            api_requests_per_second: said.api_requests_per_second(&written)?,
            router_timeouts: said.router_timeouts(&written)?,
            secret_key: environment("LANGO_SECRET_KEY"),
            data_dir,
        })
    }

    /// The file of the secret key.
    pub fn key_file(&self) -> PathBuf {
        self.data_dir.join("secret.key")
    }
}

/// Flags and environment together: what is said for this run.
struct Said<'s> {
    flags: &'s Flags,
    environment: Environment<'s>,
}

impl<'s> Said<'s> {
    fn new(flags: &'s Flags, environment: Environment<'s>) -> Said<'s> {
        Said { flags, environment }
    }

    fn data_dir(&self) -> Option<PathBuf> {
        let from_environment = || (self.environment)("LANGO_DATA_DIR").map(PathBuf::from);
        self.flags.data_dir.clone().or_else(from_environment)
    }

    /// A file that was asked for must be there; one in a usual place may be missing.
    fn file(&self) -> Result<Written, ConfigError> {
        let from_environment = || (self.environment)("LANGO_CONFIG").map(PathBuf::from);
        if let Some(asked_for) = self.flags.file.clone().or_else(from_environment) {
            return Written::read(&asked_for);
        }
        let data_dir = self.data_dir().or_else(|| place::usual_data_dir(self.environment).ok());
        let beside_data = data_dir.map(|directory| directory.join("lango.toml"));
        let usual = [beside_data, Some(PathBuf::from("/etc/lango/lango.toml"))];
        match usual.into_iter().flatten().find(|path| path.exists()) {
            Some(found) => Written::read(&found),
            None => Ok(Written::default()),
        }
    }

    /// One setting from the first place that has it, and what that place calls it.
    fn setting(
        &self,
        variable: &'static str,
        key: &'static str,
        flag: Option<&String>,
        written: Option<&String>,
    ) -> Option<(String, String)> {
        let flag = flag.map(|value| (value.clone(), format!("--{}", key.replace('_', "-"))));
        let variable = || (self.environment)(variable).map(|value| (value, variable.to_owned()));
        let written = || written.map(|value| (value.clone(), format!("`{key}` of lango.toml")));
        flag.or_else(variable).or_else(written)
    }

    fn database(&self, written: &Written, data_dir: &Path) -> Result<DatabaseUrl, ConfigError> {
        let (flag, written) = (self.flags.database_url.as_ref(), written.database_url.as_ref());
        match self.setting("LANGO_DATABASE_URL", "database_url", flag, written) {
            Some((url, setting)) => {
                url.parse().map_err(|cause| ConfigError::Database { setting, cause })
            }
            None => Ok(DatabaseUrl::sqlite(data_dir.join("lango.db"))),
        }
    }

    fn http(&self, written: &Written) -> Result<SocketAddr, ConfigError> {
        let (flag, written) = (self.flags.http.as_ref(), written.http.as_ref());
        match self.setting("LANGO_HTTP", "http", flag, written) {
            Some((value, setting)) => {
                read_listener(&value).ok_or(ConfigError::Listener { setting, value })
            }
            None => Ok(SocketAddr::from(([127, 0, 0, 1], 8080))),
        }
    }

    /// Both or neither: a server that hears logins and no reports would never know who is online.
    fn radius(&self, written: &Written) -> Result<(Option<radius::Settings>, bool), ConfigError> {
        let one = |variable, key, written: &Option<String>, usual: u16| match self.setting(
            variable,
            key,
            None,
            written.as_ref(),
        ) {
            Some((value, _)) if value == "off" => Ok((None, true)),
            Some((value, setting)) => match read_listener(&value) {
                Some(address) => Ok((Some(address), true)),
                None => Err(ConfigError::Listener { setting, value }),
            },
            None => Ok((Some(SocketAddr::from(([0, 0, 0, 0], usual))), false)),
        };
        let (authentication, first) = one(
            "LANGO_RADIUS_AUTHENTICATION",
            "radius_authentication",
            &written.radius_authentication,
            1812,
        )?;
        let (accounting, second) =
            one("LANGO_RADIUS_ACCOUNTING", "radius_accounting", &written.radius_accounting, 1813)?;
        let settings = authentication
            .zip(accounting)
            .map(|(authentication, accounting)| radius::Settings { authentication, accounting });
        Ok((settings, first || second))
    }

    /// A file named by the environment or by `lango.toml`.
    fn path(&self, variable: &str, written: &Option<PathBuf>) -> Option<PathBuf> {
        (self.environment)(variable).map(PathBuf::from).or_else(|| written.clone())
    }

    fn radius_files(&self, written: &Written) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
        let certificate = self.path("LANGO_RADIUS_CERTIFICATE", &written.radius_certificate);
        match (certificate, self.path("LANGO_RADIUS_KEY", &written.radius_key)) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            _ => Err(ConfigError::HalfARadiusCertificate),
        }
    }

    fn radius_certificate(
        &self,
        written: &Written,
        data_dir: &Path,
    ) -> Result<Sources, ConfigError> {
        let newest = written.eap_newest_tls.as_ref();
        let newest = self.setting("LANGO_EAP_NEWEST_TLS", "eap_newest_tls", None, newest);
        let newest_tls = match newest {
            None => NewestTls::Tls12,
            Some((value, setting)) => match value.as_str() {
                "1.2" => NewestTls::Tls12,
                "1.3" => NewestTls::Tls13,
                _ => return Err(ConfigError::NewestTls { setting, value }),
            },
        };
        Ok(Sources {
            files: self.radius_files(written)?,
            directory: data_dir.to_owned(),
            eap_authorities: self.path("LANGO_EAP_AUTHORITIES", &written.eap_authorities),
            radsec_authorities: self.path("LANGO_RADSEC_AUTHORITIES", &written.radsec_authorities),
            newest_tls,
        })
    }

    /// Off until the operator gives a certificate, which NASes check, or asks for it.
    fn radsec(&self, written: &Written) -> Result<Option<SocketAddr>, ConfigError> {
        const USUAL: u16 = 2083;
        match self.setting("LANGO_RADSEC", "radsec", None, written.radsec.as_ref()) {
            Some((value, _)) if value == "off" => Ok(None),
            Some((value, setting)) => match read_listener(&value) {
                Some(address) => Ok(Some(address)),
                None => Err(ConfigError::Listener { setting, value }),
            },
            None if self.radius_files(written)?.is_some() => {
                Ok(Some(SocketAddr::from(([0, 0, 0, 0], USUAL))))
            }
            None => Ok(None),
        }
    }

    fn log_json(&self, written: &Written) -> Result<bool, ConfigError> {
        if self.flags.log_json {
            return Ok(true);
        }
        match (self.environment)("LANGO_LOG_JSON").as_deref() {
            Some("1" | "true" | "yes") => Ok(true),
            Some("0" | "false" | "no") => Ok(false),
            Some(value) => Err(ConfigError::Switch {
                setting: "LANGO_LOG_JSON".to_owned(),
                value: value.to_owned(),
            }),
            None => Ok(written.log_json.unwrap_or(false)),
        }
    }

    fn tls(&self, written: &Written) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
        let of = |variable: &str, flag: &Option<PathBuf>, written: &Option<PathBuf>| {
            let variable = || (self.environment)(variable).map(PathBuf::from);
            flag.clone().or_else(variable).or_else(|| written.clone())
        };
        let flags = self.flags;
        let certificate =
            of("LANGO_TLS_CERTIFICATE", &flags.tls_certificate, &written.tls_certificate);
        match (certificate, of("LANGO_TLS_KEY", &flags.tls_key, &written.tls_key)) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            _ => Err(ConfigError::HalfACertificate),
        }
    }

    fn trusted_proxies(&self, written: &Written) -> Result<Vec<IpNet>, ConfigError> {
        let written = written.trusted_proxies.as_ref().map(|list| list.join(","));
        let said = self.setting("LANGO_TRUSTED_PROXIES", "trusted_proxies", None, written.as_ref());
        let Some((list, setting)) = said else { return Ok(Vec::new()) };
        let named = list.split(',').map(str::trim).filter(|one| !one.is_empty());
        named.map(|one| read_network(one).ok_or_else(|| refused(&setting, one))).collect()
    }

    fn api_requests_per_second(&self, written: &Written) -> Result<u32, ConfigError> {
        const VARIABLE: &str = "LANGO_API_REQUESTS_PER_SECOND";
        const USUAL: u32 = 100;
        let written = written.api_requests_per_second.map(|number| number.to_string());
        let said = self.setting(VARIABLE, "api_requests_per_second", None, written.as_ref());
        let Some((value, setting)) = said else { return Ok(USUAL) };
        let number = value.trim().parse().ok().filter(|number| *number > 0);
        number.ok_or(ConfigError::Number { setting, value })
    }

    fn webhook_private_addresses(&self, written: &Written) -> Result<bool, ConfigError> {
        const VARIABLE: &str = "LANGO_WEBHOOK_PRIVATE_ADDRESSES";
        match (self.environment)(VARIABLE).as_deref() {
            Some("1" | "true" | "yes") => Ok(true),
            Some("0" | "false" | "no") => Ok(false),
            Some(value) => {
                let (setting, value) = (VARIABLE.to_owned(), value.to_owned());
                Err(ConfigError::Switch { setting, value })
            }
            None => Ok(written.webhook_private_addresses.unwrap_or(false)),
        }
    }

    fn router_timeouts(&self, written: &Written) -> Result<Timeouts, ConfigError> {
        let mut timeouts = Timeouts::default();
        let connect = written.router_connect_timeout.as_ref();
        let connect = ("LANGO_ROUTER_CONNECT_TIMEOUT", "router_connect_timeout", connect);
        let reply = written.router_reply_timeout.as_ref();
        let reply = ("LANGO_ROUTER_REPLY_TIMEOUT", "router_reply_timeout", reply);
        for (timeout, (variable, key, written)) in
            [(&mut timeouts.connect, connect), (&mut timeouts.reply, reply)]
        {
            if let Some((value, setting)) = self.setting(variable, key, None, written) {
                *timeout = read_timeout(&value).ok_or(ConfigError::Wait { setting, value })?;
            }
        }
        Ok(timeouts)
    }
}

/// `10.0.0.0/8`, or one address.
fn read_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn refused(setting: &str, value: &str) -> ConfigError {
    ConfigError::Network { setting: setting.to_owned(), value: value.to_owned() }
}

/// `127.0.0.1:8080`, `[::1]:8080`, or `:8080` for this machine alone.
fn read_listener(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    match text.strip_prefix(':') {
        Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
        None => text.replace("localhost:", "127.0.0.1:").parse().ok(),
    }
}

fn read_timeout(text: &str) -> Option<std::time::Duration> {
    text.parse::<Span>().ok().filter(|span| !span.is_zero()).map(Span::to_std)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn load(flags: &Flags, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        Config::load(flags, &|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    fn directory_with(toml: &str) -> (tempfile::TempDir, Flags) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("lango.toml"), toml).unwrap();
        let flags = Flags { data_dir: Some(directory.path().to_owned()), ..Flags::default() };
        (directory, flags)
    }

    #[test]
    fn a_flag_beats_the_environment_and_that_beats_the_file() {
        let (_directory, mut flags) = directory_with("http = \"127.0.0.1:1\"");
        assert_eq!(load(&flags, &[]).unwrap().http.port(), 1);
        let variables = [("LANGO_HTTP", "127.0.0.1:2")];
        assert_eq!(load(&flags, &variables).unwrap().http.port(), 2);
        flags.http = Some(":3".to_owned());
        assert_eq!(load(&flags, &variables).unwrap().http.to_string(), "127.0.0.1:3");
    }

    #[test]
    fn the_database_is_in_the_data_directory_unless_it_is_said_where() {
        let (directory, flags) = directory_with("");
        let config = load(&flags, &[]).unwrap();
        let expected = directory.path().join("lango.db");
        assert_eq!(config.database.sqlite_path(), Some(expected.as_path()));
        let elsewhere = load(&flags, &[("LANGO_DATABASE_URL", "sqlite:/x/y.db")]).unwrap();
        assert_eq!(elsewhere.database.to_string(), "sqlite:/x/y.db");
    }

    #[test]
    fn radsec_waits_for_a_certificate_or_an_order() {
        let (directory, flags) = directory_with("");
        let config = load(&flags, &[]).unwrap();
        assert_eq!((config.radsec, config.radius_certificate.files), (None, None));
        assert_eq!(config.radius_certificate.directory, directory.path());
        assert_eq!(config.radius_certificate.newest_tls, NewestTls::Tls12);
        let files = "radius_certificate = \"/c\"\nradius_key = \"/k\"\neap_newest_tls = \"1.3\"";
        let (_directory, flags) = directory_with(files);
        let config = load(&flags, &[]).unwrap();
        assert_eq!(config.radsec.unwrap().to_string(), "0.0.0.0:2083");
        assert_eq!(config.radius_certificate.newest_tls, NewestTls::Tls13);
        assert_eq!(load(&flags, &[("LANGO_RADSEC", "off")]).unwrap().radsec, None);
        let (_directory, flags) = directory_with("radsec = \":1\"");
        assert_eq!(load(&flags, &[]).unwrap().radsec.unwrap().to_string(), "127.0.0.1:1");
        let (_directory, flags) = directory_with("radius_key = \"/k\"");
        let said = load(&flags, &[]).unwrap_err().to_string();
        assert!(said.contains("radius_certificate and radius_key"), "{said}");
    }

    #[test]
    fn waiting_times_are_written_as_people_say_them() {
        let (_directory, flags) = directory_with("router_connect_timeout = \"1500ms\"");
        let timeouts = load(&flags, &[("LANGO_ROUTER_REPLY_TIMEOUT", "1m")]).unwrap();
        assert_eq!(timeouts.router_timeouts.connect.as_millis(), 1500);
        assert_eq!(timeouts.router_timeouts.reply.as_secs(), 60);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        let (_directory, mut flags) = directory_with("router_reply_timeout = \"soon\"");
        let said = load(&flags, &[]).unwrap_err().to_string();
        assert!(said.contains("`router_reply_timeout` of lango.toml"), "{said}");
        flags.http = Some("eighty".to_owned());
        flags.data_dir = Some("/nowhere".into());
        let said = load(&flags, &[]).unwrap_err().to_string();
        assert!(said.contains("--http") && said.contains("eighty"), "{said}");
    }

    #[test]
    fn a_key_written_wrong_is_refused_with_the_one_meant() {
        let (_directory, flags) = directory_with("htpp = \"127.0.0.1:1\"");
        let said = load(&flags, &[]).unwrap_err().to_string();
        assert!(said.contains("`htpp`") && said.contains("did you mean `http`?"), "{said}");
    }
}
