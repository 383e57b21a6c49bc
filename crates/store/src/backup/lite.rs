//! SQLite: a copy by the online backup interface, checked before it counts.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{Existing, Part, unwritable};
use crate::engine::with_suffix;
use crate::error::{Error, Result, from_sqlite};
use crate::migrations::{Migration, last_number};

/// Copies the database as it is now; returns its schema version.
pub(super) async fn copy(from: &Path, to: &Path) -> Result<u32> {
    let (from, to) = (from.to_owned(), to.to_owned());
    on_a_thread(move || copy_now(&from, &to)).await
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|cause| Error::broken("backup", cause))?
}

fn copy_now(from: &Path, to: &Path) -> Result<u32> {
    make_private(to)?;
    let copied = copy_pages(from, to).map_err(|cause| from_sqlite("copy the database", cause));
    copied.and_then(|()| check(to))
}

/// The copy holds as much as the original, so it is as private.
fn make_private(path: &Path) -> Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map(drop).map_err(|cause| unwritable(path, cause))
}

fn copy_pages(from: &Path, to: &Path) -> rusqlite::Result<()> {
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut copy = Connection::open(to)?;
    // All pages in one step: one snapshot, and with a log readers block nobody. In
    // small steps every write would start the copy over.
    let pages = rusqlite::backup::Backup::new(&source, &mut copy)?;
    pages.step(-1)?;
    drop(pages);
    // One file, without a log beside it.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    copy.close().map_err(|(_, cause)| cause)
}

/// Whether the file is whole; returns its schema version.
fn check(path: &Path) -> Result<u32> {
    let damaged = |said: String| {
        Error::file("cannot use the backup", path, format!("it is damaged: {said}"), None)
    };
    let open = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let copy = open.map_err(|cause| damaged(cause.to_string()))?;
    let said: String = copy
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|cause| damaged(cause.to_string()))?;
    if said != "ok" {
        return Err(damaged(said));
    }
    let version = copy.query_row("SELECT version FROM schema_version", [], |row| row.get(0));
    version.map_err(|_| damaged("it has no schema version".to_owned()))
}

/// Puts a checked copy of the backup where the database belongs.
pub(super) async fn restore(
    backup: &Path,
    target: &Path,
    migrations: &'static [Migration],
    existing: Existing,
) -> Result<()> {
    let (backup, target) = (backup.to_owned(), target.to_owned());
    on_a_thread(move || restore_now(&backup, &target, migrations, existing)).await
}

fn restore_now(
    backup: &Path,
    target: &Path,
    migrations: &[Migration],
    existing: Existing,
) -> Result<()> {
    let found = check(backup)?;
    let known = last_number(migrations);
    if found > known {
        return Err(Error::NewerDatabase { found, known });
    }
    let part = Part::beside(target);
    make_private(&part.path)?;
    std::fs::copy(backup, &part.path).map_err(|cause| unwritable(&part.path, cause))?;
    check(&part.path)?;
    if existing == Existing::Replace {
        remove_database(target)?;
    } else if holds_something(target) {
        let advice = "it holds a database: move it away, or force the restore to replace it";
        return Err(Error::file("cannot restore to", target, advice, None));
    } else {
        remove_database(target)?;
    }
    part.publish(target).map(drop)
}

/// An empty file is what an interrupted first start leaves behind.
fn holds_something(target: &Path) -> bool {
    std::fs::metadata(target).is_ok_and(|file| file.len() > 0)
}

/// The log goes first: an old log beside a new file would be taken for its own.
/// Refused while another program has the database open.
fn remove_database(target: &Path) -> Result<()> {
    if target.exists() {
        hold_alone(target)?;
    }
    let parts: [PathBuf; 3] =
        [with_suffix(target, "-wal"), with_suffix(target, "-shm"), target.to_owned()];
    for part in parts {
        match std::fs::remove_file(&part) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(unwritable(&part, cause));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Leaving the log mode needs the file alone, which is the question here. A file
/// that is damaged or no database is nobody's, and may be replaced.
fn hold_alone(target: &Path) -> Result<()> {
    let alone = Connection::open(target).and_then(|connection| {
        connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0))
    });
    match alone.map_err(|cause| cause.sqlite_error_code()) {
        Err(Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)) => {
            let advice = "a program has it open: stop that first";
            Err(Error::file("cannot replace", target, advice, None))
        }
        _ => Ok(()),
    }
}
