//! `lango install …`: so that Lango starts with the machine, or cron does its work.
//!
//! What was set for this run comes along. It may hold a password or the secret key, so it stands in
//! a file that only its owner can read; must never show or write it anywhere else.

use super::Everywhere;
use super::output::{json, line, note};
use crate::config::{Config, environment};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a file of ours begins with; one without it is somebody else's.
const MARK: &str = "# Written by `lango install`; written again it is replaced.";
/// The file in the data directory with what was set.
const SETTINGS: &str = "lango.env";
/// Variables that do not come along: the first two stand in the command itself, neither a unit nor a
/// crontab is for one business alone, and a provider's secrets are typed in once.
const LEFT_BEHIND: [&str; 4] =
    ["LANGO_CONFIG", "LANGO_DATA_DIR", "LANGO_TENANT", "LANGO_GATEWAY_SECRETS"];

#[derive(clap::Subcommand)]
pub(super) enum InstallCommand {
    /// A hardened systemd unit that starts the server with the machine
    Systemd(SystemdArguments),
    /// Crontab lines for machines on which no server runs
    Cron(CronArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango install systemd --print\n  \
                        sudo lango --data-dir /var/lib/lango install systemd --user lango")]
pub(super) struct SystemdArguments {
    /// Only print it
    #[arg(long)]
    print: bool,
    /// The user it runs as; it must own the data directory
    #[arg(long, value_name = "USER", default_value = "lango")]
    user: String,
    /// Where the unit goes
    #[arg(long, value_name = "FILE", default_value = "/etc/systemd/system/lango.service")]
    to: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango install cron --print\n  \
                        sudo lango --data-dir /var/lib/lango install cron --user lango")]
pub(super) struct CronArguments {
    /// Only print them
    #[arg(long)]
    print: bool,
    /// The user they run as; it must own the data directory
    #[arg(long, value_name = "USER", default_value = "lango")]
    user: String,
    /// Where they go
    #[arg(long, value_name = "FILE", default_value = "/etc/cron.d/lango")]
    to: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is to be written, and where.
struct Plan {
    to: PathBuf,
    text: String,
    settings: Settings,
    next: Vec<String>,
    print: bool,
    wants_json: bool,
}

pub(super) fn run(everywhere: &Everywhere, command: InstallCommand) -> anyhow::Result<ExitCode> {
    let here = Here::found(everywhere)?;
    let plan = match command {
        InstallCommand::Systemd(arguments) => systemd(here, arguments)?,
        InstallCommand::Cron(arguments) => cron(here, arguments)?,
    };
    carry_out(plan)?;
    Ok(ExitCode::SUCCESS)
}

/// What this machine has: nothing of it is guessed.
struct Here {
    program: PathBuf,
    data_dir: PathBuf,
    config: Option<PathBuf>,
    /// Where a SQLite file is that is not in the data directory.
    elsewhere: Option<PathBuf>,
    settings: Settings,
}

impl Here {
    fn found(everywhere: &Everywhere) -> anyhow::Result<Here> {
        let config = Config::load(&everywhere.flags(), &environment)?;
        let program = std::env::current_exe().context("cannot find out where this program is")?;
        let data_dir = std::fs::canonicalize(&config.data_dir).ok();
        let Some(data_dir) = data_dir.filter(|_| has_database(&config)) else {
            bail!(
                "there is no database for {} yet: run `lango init` with the same --data-dir first",
                config.data_dir.display()
            );
        };
        let file =
            everywhere.config.clone().or_else(|| environment("LANGO_CONFIG").map(Into::into));
        let file = file.map(std::fs::canonicalize).transpose();
        let file = file.context("the settings file that was named cannot be found")?;
        let elsewhere = elsewhere(&config, &data_dir)?;
        for path in [Some(&program), Some(&data_dir), file.as_ref(), elsewhere.as_ref()] {
            path.map_or(Ok(()), |path| check(path))?;
        }
        let settings = Settings::found(everywhere, &config, &data_dir)?;
        Ok(Here { program, data_dir, config: file, elsewhere, settings })
    }

    /// The program with the settings of this machine.
    fn command(&self) -> String {
        let config = self.config.as_ref();
        let config = config.map(|file| format!(" --config {}", file.display()));
        let (program, data_dir) = (self.program.display(), self.data_dir.display());
        format!("{program} --data-dir {data_dir}{}", config.unwrap_or_default())
    }

    /// Where the program has to write.
    fn directories(&self) -> String {
        let all = [Some(&self.data_dir), self.elsewhere.as_ref()];
        let all: Vec<String> =
            all.into_iter().flatten().map(|path| path.display().to_string()).collect();
        all.join(" ")
    }
}

fn has_database(config: &Config) -> bool {
    config.database.sqlite_path().is_none_or(Path::exists)
}

fn elsewhere(config: &Config, data_dir: &Path) -> anyhow::Result<Option<PathBuf>> {
    let Some(file) = config.database.sqlite_path() else { return Ok(None) };
    let file = std::fs::canonicalize(file).context("cannot find the file of the database")?;
    let directory = file.parent().filter(|directory| !directory.starts_with(data_dir));
    Ok(directory.map(Path::to_owned))
}

/// What was set by variables and flags, and where it is kept.
#[derive(Debug)]
struct Settings {
    file: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Settings {
    fn found(
        everywhere: &Everywhere,
        config: &Config,
        data_dir: &Path,
    ) -> anyhow::Result<Settings> {
        let mut variables = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            let is_ours = name.starts_with("LANGO_") && !name.starts_with("LANGO_TEST_");
            if is_ours && !value.is_empty() && !LEFT_BEHIND.contains(&name.as_str()) {
                let Ok(value) = value.into_string() else { bail!("{name} is not UTF-8") };
                variables.insert(name, value);
            }
        }
        if let Some(url) = &everywhere.database_url {
            variables.insert("LANGO_DATABASE_URL".to_owned(), url.clone());
        }
        if everywhere.log_json {
            variables.insert("LANGO_LOG_JSON".to_owned(), "1".to_owned());
        }
        make_absolute(&mut variables, config)?;
        for (name, value) in &variables {
            check_value(name, value)?;
        }
        Ok(Settings { file: data_dir.join(SETTINGS), variables })
    }

    fn names(&self) -> Vec<&str> {
        self.variables.keys().map(String::as_str).collect()
    }

    /// As both systemd.exec(5) (EnvironmentFile) and a shell read it.
    fn text(&self) -> String {
        let lines = self.variables.iter().map(|(name, value)| format!("{name}='{value}'\n"));
        format!("{MARK}\n{}", lines.collect::<String>())
    }

    /// Never open to others, not for a moment; and a link that somebody put there is not followed.
    fn write(&self) -> anyhow::Result<()> {
        refuse_another(&self.file)?;
        let unfinished = self.file.with_extension(format!("{}", std::process::id()));
        let written = self.write_to(&unfinished);
        let written = written.and_then(|()| std::fs::rename(&unfinished, &self.file));
        if written.is_err() {
            // What is left of it is of no use; the fault that is told is the first.
            let _ = std::fs::remove_file(&unfinished);
        }
        written.with_context(|| {
            format!("cannot write {}: it takes who may write there", self.file.display())
        })
    }

    fn write_to(&self, path: &Path) -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let directory = std::fs::metadata(path.parent().unwrap_or(path))?;
        if directory.uid() != file.metadata()?.uid() {
            // The shell of cron reads it as the user to whom the data belongs.
            fchown(&file, Some(directory.uid()), Some(directory.gid()))?;
        }
        file.write_all(self.text().as_bytes())?;
        file.sync_all()
    }
}

/// Units and cron start elsewhere than where this was typed.
fn make_absolute(variables: &mut BTreeMap<String, String>, config: &Config) -> anyhow::Result<()> {
    if let (Some(url), Some(path)) =
        (variables.get_mut("LANGO_DATABASE_URL"), config.database.sqlite_path())
    {
        *url = format!("sqlite:{}", std::path::absolute(path)?.display());
    }
    for name in ["LANGO_TLS_CERTIFICATE", "LANGO_TLS_KEY"] {
        if let Some(path) = variables.get_mut(name) {
            *path = std::path::absolute(&*path)?.display().to_string();
        }
    }
    Ok(())
}

/// What systemd and every shell read in the same way between single quotes.
fn check_value(name: &str, value: &str) -> anyhow::Result<()> {
    if value.contains(|sign: char| sign == '\'' || sign == '\\' || sign.is_control()) {
        bail!(
            "{name} has a quote, a backslash or a control sign: write it into lango.toml, or as \
             %27 or %5C if it is an address"
        );
    }
    Ok(())
}

/// Units and crontabs give spaces and percent signs meanings of their own.
fn check(path: &Path) -> anyhow::Result<()> {
    let text = path.to_str().context("a path is not written in UTF-8")?;
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "/._-+".contains(sign);
    if !text.chars().all(plain) {
        bail!("{text} has signs that units and crontabs read in their own way: use a plain path");
    }
    Ok(())
}

fn check_user(user: &str) -> anyhow::Result<()> {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "._-".contains(sign);
    if user.is_empty() || user.starts_with('-') || !user.chars().all(plain) {
        bail!("`{user}` is not a user's name");
    }
    Ok(())
}

fn systemd(here: Here, arguments: SystemdArguments) -> anyhow::Result<Plan> {
    check_user(&arguments.user)?;
    let (command, user, directories) = (here.command(), &arguments.user, here.directories());
    let settings = match here.settings.variables.is_empty() {
        true => String::new(),
        false => format!("EnvironmentFile={}\n", here.settings.file.display()),
    };
    // The minus lets the server start although a router is away. See systemd.exec(5).
    let text = format!(
        "{MARK}
[Unit]
Description=Lango, network access control
After=network-online.target
Wants=network-online.target

[Service]
User={user}
{settings}ExecStartPre=-{command} sync --once
ExecStart={command} serve
TimeoutStartSec=180
Restart=always
RestartSec=2
LimitNOFILE=65536
UMask=0077
ReadWritePaths={directories}
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
NoNewPrivileges=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE

[Install]
WantedBy=multi-user.target
"
    );
    let next = vec![
        format!("useradd --system --no-create-home {user}   # if there is no such user yet"),
        format!("chown -R {user} {directories}"),
        "systemctl daemon-reload".to_owned(),
        "systemctl enable --now lango".to_owned(),
    ];
    let SystemdArguments { print, to, json: wants_json, .. } = arguments;
    Ok(Plan { to, text, settings: here.settings, next, print, wants_json })
}

fn cron(here: Here, arguments: CronArguments) -> anyhow::Result<Plan> {
    check_user(&arguments.user)?;
    let (command, user) = (here.command(), &arguments.user);
    let command = match here.settings.variables.is_empty() {
        true => command,
        false => format!("set -a; . {}; {command}", here.settings.file.display()),
    };
    let quiet = ">/dev/null";
    let text = format!(
        "{MARK}
# Cuts come up to a minute late this way; `lango serve` cuts the second time is up.
SHELL=/bin/sh
@reboot {user} {command} sync --once {quiet}
* * * * * {user} {command} expire --once {quiet}
* * * * * {user} {command} notify --once {quiet}
*/5 * * * * {user} {command} provision --once {quiet}
17 3 * * * {user} {command} cleanup --once {quiet}
"
    );
    let next = vec![format!("chown -R {user} {}", here.directories())];
    let CronArguments { print, to, json: wants_json, .. } = arguments;
    Ok(Plan { to, text, settings: here.settings, next, print, wants_json })
}

fn carry_out(plan: Plan) -> anyhow::Result<()> {
    let Plan { to, text, settings, next, print, wants_json } = plan;
    let has_settings = !settings.variables.is_empty();
    if !print {
        refuse_another(&to)?;
        if has_settings {
            settings.write()?;
        }
        write(&to, &text)?;
    }
    if wants_json {
        let (file, written) = (to.display().to_string(), !print);
        return json(&serde_json::json!({
            "file": file, "text": text, "written": written, "next": next,
            "settings": { "file": settings.file, "variables": settings.names() },
        }));
    }
    line(text.trim_end())?;
    if has_settings {
        let (names, file) = (settings.names().join(", "), settings.file.display());
        note(format!("What is set comes along in {file}, for its owner's eyes only: {names}."));
    }
    if print {
        note(format!("Nothing was written; without --print this goes to {}.", to.display()));
    } else {
        note(format!("Written to {}. Next:", to.display()));
    }
    next.iter().for_each(|step| note(format!("  {step}")));
    Ok(())
}

fn refuse_another(to: &Path) -> anyhow::Result<()> {
    match std::fs::read_to_string(to) {
        Ok(there) if !there.starts_with(MARK) => {
            bail!("{} is there and not ours: move it away, or choose another --to", to.display())
        }
        _ => Ok(()),
    }
}

fn write(to: &Path, text: &str) -> anyhow::Result<()> {
    if !to.is_absolute() {
        bail!("{} must be an absolute path", to.display());
    }
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(to);
    let mut file = file.with_context(|| {
        format!("cannot write {}: it takes root; --print only shows it", to.display())
    })?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", to.display()))
}
