//! FreeRADIUS as the package sets it up. Changed is only what must be: where it listens and keeps
//! its files, the secret, and where the users are.

use crate::Place;
use crate::business::RATE_LIMIT;
use crate::nas::SECRET;
use crate::sessions::{name, password};
use anyhow::{Context, bail};
use std::fmt::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Where its users are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Backend {
    /// In its own tables.
    Postgres {
        /// Whether every login is written into `radpostauth`, as it is by default.
        logs_logins: bool,
    },
    /// In its file of users.
    Files,
}

const PACKAGED: &str = "/etc/freeradius/3.0";
const DATABASE: &str = "freeradius_bench_radius";

/// Writes its configuration and its users, and starts it.
pub(crate) fn start(
    place: &Place,
    backend: Backend,
    ports: (u16, u16),
    subscribers: usize,
) -> anyhow::Result<Child> {
    let directory = place.fresh_directory("freeradius")?;
    let (configuration, logs) = (directory.join("raddb"), directory.join("log"));
    std::fs::create_dir(&logs)?;
    let copied = Command::new("cp").arg("-a").arg(PACKAGED).arg(&configuration).status()?;
    if !copied.success() {
        bail!("{PACKAGED} cannot be copied: is freeradius installed, and may you read it?");
    }
    let at = |file: &str| configuration.join(file);
    edit(&at("radiusd.conf"), |line| own_place(line, &configuration, &logs))?;
    edit(&at("clients.conf"), |line| {
        line.starts_with("secret").then(|| format!("secret = \"{SECRET}\""))
    })?;
    listen(&at("sites-available/default"), ports)?;
    edit(&at("sites-available/inner-tunnel"), |line| {
        line.starts_with("port = 18120").then(|| "port = 28120".to_owned())
    })?;
    match backend {
        Backend::Files => {
            let users = at("mods-config/files/authorize");
            let kept = std::fs::read_to_string(&users)?;
            std::fs::write(&users, format!("{}\n{kept}", users_file(subscribers)))?;
        }
        Backend::Postgres { logs_logins } => {
            fill(place, &configuration, subscribers)?;
            use_tables(place, &configuration)?;
            if !logs_logins {
                log_no_logins(&at("sites-available/default"))?;
            }
        }
    }
    let program = ["/usr/sbin/freeradius", "/usr/sbin/radiusd"];
    let program = program.iter().find(|path| Path::new(path).exists());
    Command::new(program.context("freeradius is not installed")?)
        .arg("-f")
        .arg("-d")
        .arg(&configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("starting freeradius")
}

/// Replaces the lines for which there is another one; comments stay comments.
fn edit(file: &Path, mut other: impl FnMut(&str) -> Option<String>) -> anyhow::Result<()> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let mut edited = String::with_capacity(text.len());
    for line in text.lines() {
        let other = other(line.trim());
        edited.push_str(other.as_deref().unwrap_or(line));
        edited.push('\n');
    }
    std::fs::write(file, edited).with_context(|| format!("writing {}", file.display()))
}

fn own_place(line: &str, configuration: &Path, logs: &Path) -> Option<String> {
    let (name, _) = line.split_once('=')?;
    match name.trim() {
        "raddbdir" => Some(format!("raddbdir = {}", configuration.display())),
        "logdir" => Some(format!("logdir = {}", logs.display())),
        "run_dir" => Some(format!("run_dir = {}", logs.display())),
        // As whoever runs this: the files above are his.
        "user" | "group" => Some(String::new()),
        _ => None,
    }
}

fn listen(site: &Path, (authentication, accounting): (u16, u16)) -> anyhow::Result<()> {
    // Logins and reports, then the same again for IPv6.
    let mut ports = [authentication, accounting, authentication, accounting].into_iter();
    edit(site, |line| {
        if line != "port = 0" {
            return None;
        }
        ports.next().map(|port| format!("port = {port}"))
    })
}

fn use_tables(place: &Place, configuration: &Path) -> anyhow::Result<()> {
    let connection = place.connection(DATABASE);
    let enabled = configuration.join("mods-enabled/sql");
    std::fs::copy(configuration.join("mods-available/sql"), &enabled)?;
    edit(&enabled, |line| {
        let (name, _) = line.split_once('=')?;
        match name.trim() {
            "dialect" => Some("dialect = \"postgresql\"".to_owned()),
            "driver" => Some("driver = \"rlm_sql_postgresql\"".to_owned()),
            "radius_db" => Some(format!("radius_db = \"{connection}\"")),
            _ => None,
        }
    })
}

/// The first `-sql` after `post-auth {` is the log of logins that were accepted.
fn log_no_logins(site: &Path) -> anyhow::Result<()> {
    let mut is_after = false;
    edit(site, |line| {
        is_after |= line == "post-auth {";
        (is_after && line == "-sql").then(String::new)
    })
}

fn users_file(subscribers: usize) -> String {
    let mut text = String::new();
    for number in 0..subscribers {
        let (name, password) = (name(number), password(number));
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "{name} Cleartext-Password := \"{password}\"\n\tAcct-Interim-Interval = 300,\n\
             \tMikrotik-Rate-Limit = \"{RATE_LIMIT}\"\n\n"
        );
    }
    text
}

fn fill(place: &Place, configuration: &Path, subscribers: usize) -> anyhow::Result<()> {
    place.fresh_database(DATABASE)?;
    let schema = configuration.join("mods-config/sql/main/postgresql/schema.sql");
    let mut text = std::fs::read_to_string(schema)?;
    text.push_str("\nCOPY radcheck (username, attribute, op, value) FROM stdin;\n");
    for number in 0..subscribers {
        let (name, password) = (name(number), password(number));
        let _ = writeln!(text, "{name}\tCleartext-Password\t:=\t{password}");
    }
    text.push_str("\\.\nCOPY radreply (username, attribute, op, value) FROM stdin;\n");
    for number in 0..subscribers {
        let name = name(number);
        let _ = writeln!(text, "{name}\tAcct-Interim-Interval\t=\t300");
        let _ = writeln!(text, "{name}\tMikrotik-Rate-Limit\t=\t{RATE_LIMIT}");
    }
    text.push_str("\\.\n");
    place.run_sql(DATABASE, &text)?;
    place.tidy(DATABASE)
}
