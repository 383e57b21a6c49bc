//! `lango backup`: a copy of the database, also while serving.

use super::Everywhere;
use super::desk::Desk;
use super::output::{line, note};
use lango_domain::quantity::DataSize;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango backup /media/usb/lango-2026-11-21.backup")]
pub(super) struct BackupArguments {
    /// The file to write; it must not exist yet
    file: PathBuf,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: BackupArguments,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    let backup = lango_store::backup::backup(desk.app.store(), &arguments.file).await?;
    let size = DataSize::bytes(backup.bytes);
    line(format!("{}: {size}, schema {}", backup.path.display(), backup.schema_version))?;
    match desk.config.secret_key {
        Some(_) => note("The secret key is not in it: keep LANGO_SECRET_KEY elsewhere."),
        None => note(format!(
            "The secret key is not in it: keep a copy of {} in another place.",
            desk.config.key_file().display()
        )),
    }
    Ok(ExitCode::SUCCESS)
}
