//! `lango backup`: a copy of the database, also while serving.

use super::Everywhere;
use super::desk::Desk;
use super::output::{json, line, note};
use super::progress::Progress;
use crate::observe::chain;
use crate::operations::note_backup::{BackupMade, note_backup};
use lango_domain::quantity::DataSize;
use lango_store::Tx;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How often it is looked how far the backup is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango backup /media/usb/lango-2026-11-21.backup\n  \
                        lango backup /media/usb/lango-$(date +%F).backup --json")]
pub(super) struct BackupArguments {
    /// The file to write; it must not exist yet
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: BackupArguments,
) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    let file = &arguments.file;
    let size = async |tx: &mut Tx<'_>| lango_store::facts::database_size(tx).await;
    let size = usize::try_from(desk.app.store().report(size).await?).unwrap_or_default();
    let backup = tokio::select! {
        written = lango_store::backup::backup(desk.app.store(), file) => written?,
        never = watch(file, size, arguments.json) => match never {},
    };
    let path = std::path::absolute(&backup.path).unwrap_or_else(|_| backup.path.clone());
    let path = path.display().to_string();
    let made = BackupMade { at: desk.now(), path, bytes: backup.bytes };
    if let Err(error) = note_backup(&desk.app, &made).await {
        note(format!("The backup is whole, only `lango check` will not know: {}", chain(&error)));
    }
    let key_file = desk.config.secret_key.is_none().then(|| desk.config.key_file());
    if arguments.json {
        json(&serde_json::json!({
            "path": made.path, "bytes": backup.bytes, "schema_version": backup.schema_version,
            "at": made.at, "key_file": key_file,
        }))?;
    } else {
        let size = DataSize::bytes(backup.bytes);
        line(format!("{}: {size}, schema {}", backup.path.display(), backup.schema_version))?;
    }
    match key_file {
        None => note("The secret key is not in it: keep LANGO_SECRET_KEY elsewhere."),
        Some(key) => note(format!(
            "The secret key is not in it: keep a copy of {} in another place.",
            key.display()
        )),
    }
    Ok(ExitCode::SUCCESS)
}

/// Says how far a backup is, by the size of its unfinished file.
async fn watch(file: &Path, size: usize, wants_json: bool) -> Infallible {
    let mut progress = Progress::of("MB", wants_json);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let written = usize::try_from(unfinished_bytes(file)).unwrap_or(usize::MAX);
        progress.done(written / 1_000_000, size / 1_000_000);
    }
}

/// The store writes beside the file, under its name with `.part-`.
fn unfinished_bytes(file: &Path) -> u64 {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let Some(name) = file.file_name() else { return 0 };
    let part = format!("{}.part-", name.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(directory.unwrap_or(Path::new("."))) else { return 0 };
    let parts =
        entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&part));
    parts.filter_map(|entry| Some(entry.metadata().ok()?.len())).max().unwrap_or(0)
}
