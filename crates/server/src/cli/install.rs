//! `lango install …`: so that Lango starts with the machine, or cron does its work.

use super::Everywhere;
use super::output::{json, line, note};
use crate::config::{Config, environment};
use anyhow::{Context, bail};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a file of ours begins with; one without it is somebody else's.
const MARK: &str = "# Written by `lango install`; written again it is replaced.";

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
    next: Vec<String>,
    print: bool,
    wants_json: bool,
}

pub(super) fn run(everywhere: &Everywhere, command: InstallCommand) -> anyhow::Result<ExitCode> {
    let here = Here::found(everywhere)?;
    let plan = match command {
        InstallCommand::Systemd(arguments) => systemd(&here, arguments)?,
        InstallCommand::Cron(arguments) => cron(&here, arguments)?,
    };
    carry_out(plan)?;
    Ok(ExitCode::SUCCESS)
}

/// What this machine has: nothing of it is guessed.
struct Here {
    program: PathBuf,
    data_dir: PathBuf,
    config: Option<PathBuf>,
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
        let file = everywhere.config.as_ref().map(std::fs::canonicalize).transpose();
        let file = file.context("the file given by --config cannot be found")?;
        for path in [Some(&program), Some(&data_dir), file.as_ref()].into_iter().flatten() {
            check(path)?;
        }
        Ok(Here { program, data_dir, config: file })
    }

    /// The program with the settings of this machine.
    fn command(&self) -> String {
        let config = self.config.as_ref();
        let config = config.map(|file| format!(" --config {}", file.display()));
        let (program, data_dir) = (self.program.display(), self.data_dir.display());
        format!("{program} --data-dir {data_dir}{}", config.unwrap_or_default())
    }
}

fn has_database(config: &Config) -> bool {
    config.database.sqlite_path().is_none_or(Path::exists)
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

fn systemd(here: &Here, arguments: SystemdArguments) -> anyhow::Result<Plan> {
    check_user(&arguments.user)?;
    let (command, user) = (here.command(), &arguments.user);
    let data_dir = here.data_dir.display();
    // The minus lets the server start although a router is away. See systemd.exec(5).
    let text = format!(
        "{MARK}
[Unit]
Description=Lango, network access control
After=network-online.target
Wants=network-online.target

[Service]
User={user}
ExecStartPre=-{command} sync --once
ExecStart={command} serve
TimeoutStartSec=180
Restart=always
RestartSec=2
LimitNOFILE=65536
UMask=0077
ReadWritePaths={data_dir}
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
        format!("chown -R {user} {data_dir}"),
        "systemctl daemon-reload".to_owned(),
        "systemctl enable --now lango".to_owned(),
    ];
    let SystemdArguments { print, to, json: wants_json, .. } = arguments;
    Ok(Plan { to, text, next, print, wants_json })
}

fn cron(here: &Here, arguments: CronArguments) -> anyhow::Result<Plan> {
    check_user(&arguments.user)?;
    let (command, user) = (here.command(), &arguments.user);
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
    let next = vec![format!("chown -R {user} {}", here.data_dir.display())];
    let CronArguments { print, to, json: wants_json, .. } = arguments;
    Ok(Plan { to, text, next, print, wants_json })
}

fn carry_out(plan: Plan) -> anyhow::Result<()> {
    let Plan { to, text, next, print, wants_json } = plan;
    if !print {
        write(&to, &text)?;
    }
    if wants_json {
        let (file, written) = (to.display().to_string(), !print);
        return json(&serde_json::json!({
            "file": file, "text": text, "written": written, "next": next,
        }));
    }
    line(text.trim_end())?;
    if print {
        note(format!("Nothing was written; without --print this goes to {}.", to.display()));
    } else {
        note(format!("Written to {}. Next:", to.display()));
    }
    next.iter().for_each(|step| note(format!("  {step}")));
    Ok(())
}

fn write(to: &Path, text: &str) -> anyhow::Result<()> {
    if !to.is_absolute() {
        bail!("{} must be an absolute path", to.display());
    }
    match std::fs::read_to_string(to) {
        Ok(there) if !there.starts_with(MARK) => {
            bail!("{} is there and not ours: move it away, or choose another --to", to.display())
        }
        _ => {}
    }
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(to);
    let mut file = file.with_context(|| {
        format!("cannot write {}: it takes root; --print only shows it", to.display())
    })?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", to.display()))
}
