//! Backups while serving, and restoring them.
//!
//! SQLite: a copy of the file, ready to open. PostgreSQL: an archive of every
//! table in one snapshot. A backup appears under its name only when it is whole
//! and on the disk. Must never overwrite a file, and never load into a database
//! that holds something unless forced. The secret key is not in it: keep a copy
//! of that elsewhere, or no password in the backup can be opened.

mod archive;
mod lite;
mod pg;

use std::path::{Path, PathBuf};

use crate::engine::{DatabaseUrl, Settings, Store, with_suffix};
use crate::error::{Error, Result};
use crate::migrations::Migration;
use crate::secrets::sync_directory_of;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The version of its schema.
    pub schema_version: u32,
}

/// What to do with a database that holds something already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail.
    Keep,
    /// Replace it. Everything in it is lost.
    Replace,
}

/// Writes a backup of the store to a new file, while the store serves.
///
/// # Errors
/// When the file exists, cannot be written, or the copy proves damaged; then
/// nothing appears under that name.
pub async fn backup(store: &Store, path: &Path) -> Result<Backup> {
    if path.exists() {
        return Err(refuse_to_overwrite(path));
    }
    let parts = Part::beside(path);
    let schema_version = match (store.lite(), store.pg()) {
        (Some(lite), _) => lite::copy(lite.path(), &parts.path).await?,
        (None, Some(pg)) => pg::copy(pg, &parts.path).await?,
        (None, None) => 0,
    };
    let bytes = parts.publish(path)?;
    Ok(Backup { path: path.to_owned(), bytes, schema_version })
}

/// Loads a backup of the same kind of database. An older one is brought to the
/// last migration. No program may use the database meanwhile.
///
/// # Errors
/// When the database holds something and may not be replaced, when the backup is
/// damaged or of a newer program; then the database is as it was.
pub async fn restore(
    path: &Path,
    url: &DatabaseUrl,
    migrations: &'static [Migration],
    existing: Existing,
    now_micros: i64,
) -> Result<()> {
    match url.sqlite_path() {
        Some(target) => lite::restore(path, target, migrations, existing).await?,
        None => pg::restore(path, url, migrations, existing, now_micros).await?,
    }
    let store = Store::open(url, Settings::default()).await?;
    let migrated = crate::migrations::migrate(&store, migrations, now_micros).await;
    store.close().await;
    migrated.map(drop)
}

fn refuse_to_overwrite(path: &Path) -> Error {
    Error::file("cannot write the backup to", path, "the file exists: choose another name", None)
}

fn unwritable(path: &Path, cause: std::io::Error) -> Error {
    let advice = "check that the directory exists, is writable and has room";
    Error::file("cannot write", path, advice, Some(cause))
}

/// An unfinished file. Deleted on drop, unless it was published.
struct Part {
    path: PathBuf,
}

impl Part {
    fn beside(path: &Path) -> Self {
        Self { path: with_suffix(path, &format!(".part-{:08x}", fastrand::u32(..))) }
    }

    /// Puts the finished file on the disk under its name, which must be free;
    /// returns its size.
    fn publish(self, path: &Path) -> Result<u64> {
        let publish = || {
            let file = std::fs::File::open(&self.path)?;
            file.sync_all()?;
            // A link fails where a rename would silently replace. File systems of
            // memory sticks have no links; there the check above must do.
            match std::fs::hard_link(&self.path, path) {
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => Err(cause),
                Err(_) => std::fs::rename(&self.path, path),
                Ok(()) => Ok(()),
            }?;
            sync_directory_of(path)?;
            Ok(file.metadata()?.len())
        };
        publish().map_err(|cause: std::io::Error| match cause.kind() {
            std::io::ErrorKind::AlreadyExists => refuse_to_overwrite(path),
            _ => unwritable(path, cause),
        })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already when it was renamed.
        let _ = std::fs::remove_file(&self.path);
    }
}
