//! `lango restore`: a backup becomes the database.

use super::Everywhere;
use super::listeners::Exclusive;
use super::output::{json, line, note};
use crate::clock::Clock;
use crate::config::open::{OpenError, Want, make_directories, open};
use crate::config::{Config, environment};
use lango_store::backup::{Existing, restore};
use lango_store::schema::MIGRATIONS;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango restore /media/usb/lango-2026-11-21.backup\n  \
                        lango restore --force /media/usb/lango-2026-11-21.backup")]
pub(super) struct RestoreArguments {
    /// The backup
    file: PathBuf,
    /// Replace a database that holds something; everything in it is lost
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: RestoreArguments,
) -> anyhow::Result<ExitCode> {
    let config = Config::load(&everywhere.flags(), &environment)?;
    if !arguments.file.exists() {
        anyhow::bail!("there is no backup {}", arguments.file.display());
    }
    make_directories(&config)?;
    let _exclusive = Exclusive::take(&config)?;
    let existing = if arguments.force { Existing::Replace } else { Existing::Keep };
    let (clock, url) = (Clock::system(), &config.database);
    restore(&arguments.file, url, MIGRATIONS, existing, clock.now().micros()).await?;
    if arguments.json {
        let (file, database) = (&arguments.file, url.to_string());
        json(&serde_json::json!({ "restored": file, "database": database }))?;
    } else {
        line(format!("{} is restored to {url}", arguments.file.display()))?;
    }
    match open(&config, clock, Want::Existing).await {
        Ok(app) => app.store().close().await,
        // The data is there; what is missing can be put beside it now.
        Err(error @ (OpenError::NoKey { .. } | OpenError::WrongKey { .. })) => {
            note(format!("But {error}"));
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error.into()),
    }
    note("Run `lango sync --once --dry-run` to see how routers differ from it.");
    Ok(ExitCode::SUCCESS)
}
