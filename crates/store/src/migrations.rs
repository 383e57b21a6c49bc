//! Migrations: numbered, applied once, never edited after a release.
//!
//! One text serves both databases; these words are replaced in it:
//!
//! | word | SQLite | PostgreSQL |
//! |---|---|---|
//! | `{id}`, `{int}`, `{time}` | `INTEGER` | `BIGINT` |
//! | `{key}` (text searched by prefix or order) | `TEXT` | `TEXT COLLATE "C"` |
//! | `{json}` | `TEXT` | `JSONB` |
//! | `{bytes}` | `BLOB` | `BYTEA` |
//! | `{strict}` (after the closing bracket) | `STRICT` | |
//! | `{clustered}` (the same, small rows found by their key) | `STRICT, WITHOUT ROWID` | |
//! | `{postgres}` (before a statement on one line) | `--` | |
//!
//! `{id}` is the type only: write `id {id} PRIMARY KEY` or name it in the table's
//! key. Flags are `{int}` with 0 and 1. Must never lose a database that a later
//! program has written: such a one is refused.

use crate::engine::{Store, Tx};
use crate::error::{Error, Result};
use crate::sql::Sql;
use crate::{args, sql};

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// From 1, without gaps.
    pub number: u32,
    /// What it does, in a word or two.
    pub name: &'static str,
    /// The statements, usually `include_str!("../migrations/0001_….sql")`.
    pub text: &'static str,
}

/// What [`migrate`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version found, 0 for an empty database.
    pub from: u32,
    /// The version now.
    pub to: u32,
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS schema_version (
        id {int} PRIMARY KEY CHECK (id = 1),
        version {int} NOT NULL
    ) {strict};
    CREATE TABLE IF NOT EXISTS schema_migrations (
        number {int} PRIMARY KEY,
        name TEXT NOT NULL,
        checksum TEXT NOT NULL,
        applied_at {time} NOT NULL
    ) {strict};
    INSERT INTO schema_version (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;
";

// The row is the lock: nodes that start together go one after the other.
const VERSION: Sql = sql!("SELECT version FROM schema_version WHERE id = 1", FOR_UPDATE);
const SET_VERSION: Sql = sql!("UPDATE schema_version SET version = $1 WHERE id = 1");
const APPLIED: Sql = sql!("SELECT number, checksum FROM schema_migrations ORDER BY number");
const RECORD: Sql = sql!(
    "INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES ($1, $2, $3, $4)"
);

/// Every statement of this module, for [`checks`](crate::checks).
pub const ALL: &[&Sql] = &[&VERSION, &SET_VERSION, &APPLIED, &RECORD];

/// Brings the database to the last of these migrations, each in a transaction of
/// its own. Does nothing when it is there already; several nodes may do it at once.
///
/// # Errors
/// [`Error::NewerDatabase`] or [`Error::ChangedMigration`] before anything is
/// changed; a fault of a statement, with what was applied before it kept.
pub async fn migrate(
    store: &Store,
    migrations: &'static [Migration],
    now_micros: i64,
) -> Result<Migrated> {
    migrate_known(store, Known(migrations), now_micros).await
}

async fn migrate_known(store: &Store, known: Known, now_micros: i64) -> Result<Migrated> {
    check_numbers(known.all())?;
    let from = begin_once(store, known).await?;
    for at in 0..known.all().len() {
        let apply = async move |tx: &mut Tx<'_>| apply_if_due(tx, known.at(at), now_micros).await;
        store.write(apply).await?;
    }
    Ok(Migrated { from, to: last_number(known.all()).max(from) })
}

/// Migrations as closures can capture them: with a reference in its type a closure
/// could not be spawned, see [`Store::write`].
#[derive(Clone, Copy)]
struct Known(&'static [Migration]);

impl Known {
    fn all(self) -> &'static [Migration] {
        self.0
    }

    fn at(self, position: usize) -> &'static Migration {
        &self.0[position]
    }
}

/// The version of the database, 0 when it has none.
///
/// # Errors
/// A fault of the database.
pub async fn version(store: &Store) -> Result<u32> {
    store.read(async move |tx: &mut Tx<'_>| version_of(tx).await).await
}

const HAS_VERSION: Sql = sql!(
    sqlite: "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'schema_version'",
    postgres: "SELECT COUNT(*) FROM pg_tables \
               WHERE schemaname = current_schema() AND tablename = 'schema_version'",
);
const READ_VERSION: Sql = sql!("SELECT version FROM schema_version WHERE id = 1");

pub(crate) async fn version_of(tx: &mut Tx<'_>) -> Result<u32> {
    if tx.one::<i64>(HAS_VERSION, &[]).await? == 0 {
        return Ok(0);
    }
    tx.one(READ_VERSION, &[]).await
}

/// Two nodes that make the very first tables at once meet in PostgreSQL's own
/// catalogue; the second try finds them made.
async fn begin_once(store: &Store, known: Known) -> Result<u32> {
    let first = store.write(async move |tx: &mut Tx<'_>| begin(tx, known.all()).await).await;
    if !matches!(first, Err(Error::Conflict { .. })) {
        return first;
    }
    store.write(async move |tx: &mut Tx<'_>| begin(tx, known.all()).await).await
}

/// Makes the tables of this module where they are missing, and refuses a database
/// that does not belong to this program.
async fn begin(tx: &mut Tx<'_>, migrations: &[Migration]) -> Result<u32> {
    let found = version_of(tx).await?;
    if found == 0 {
        let text = in_dialect(tx, "schema tables", TABLES)?;
        tx.batch("make the schema tables", &text).await?;
    }
    check_applied(tx, migrations).await?;
    Ok(found)
}

async fn check_applied(tx: &mut Tx<'_>, migrations: &[Migration]) -> Result<()> {
    let known = last_number(migrations);
    for (number, checksum) in tx.all::<(u32, String)>(APPLIED, &[]).await? {
        let Some(ours) = migrations.iter().find(|migration| migration.number == number) else {
            let found = tx.one(VERSION, &[]).await?;
            return Err(Error::NewerDatabase { found, known });
        };
        if ours.checksum() != checksum {
            return Err(Error::ChangedMigration { number, name: ours.name.to_owned() });
        }
    }
    Ok(())
}

async fn apply_if_due(tx: &mut Tx<'_>, migration: &Migration, now_micros: i64) -> Result<()> {
    let version: u32 = tx.one(VERSION, &[]).await?;
    if version >= migration.number {
        return Ok(());
    }
    apply(tx, migration, now_micros).await
}

async fn apply(tx: &mut Tx<'_>, migration: &Migration, now_micros: i64) -> Result<()> {
    let name = format!("migration {} ({})", migration.number, migration.name);
    let text = in_dialect(tx, &name, migration.text)?;
    tx.batch(&name, &text).await?;
    let checksum = migration.checksum();
    let record = &args![migration.number, migration.name, checksum, now_micros];
    tx.execute(RECORD, record).await?;
    tx.execute(SET_VERSION, &args![migration.number]).await?;
    Ok(())
}

/// Everything up to `version` at once, in the caller's transaction.
pub(crate) async fn apply_up_to(
    tx: &mut Tx<'_>,
    migrations: &[Migration],
    version: u32,
    now_micros: i64,
) -> Result<()> {
    begin(tx, migrations).await?;
    for migration in migrations.iter().filter(|migration| migration.number <= version) {
        apply_if_due(tx, migration, now_micros).await?;
    }
    Ok(())
}

pub(crate) fn last_number(migrations: &[Migration]) -> u32 {
    migrations.last().map_or(0, |last| last.number)
}

fn check_numbers(migrations: &[Migration]) -> Result<()> {
    let wrong = (1..).zip(migrations).find(|(expected, found)| found.number != *expected);
    match wrong {
        None => Ok(()),
        Some((expected, found)) => Err(Error::broken(
            format!("migration {} ({})", found.number, found.name),
            format!("it stands where number {expected} belongs"),
        )),
    }
}

impl Migration {
    pub(crate) fn checksum(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.text.as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn in_dialect(tx: &Tx<'_>, name: &str, text: &str) -> Result<String> {
    let pick = |sqlite, postgres| tx.pick(sqlite, postgres);
    replace_words(name, text, |word| {
        Some(match word {
            "id" | "int" | "time" => pick("INTEGER", "BIGINT"),
            "key" => pick("TEXT", "TEXT COLLATE \"C\""),
            "json" => pick("TEXT", "JSONB"),
            "bytes" => pick("BLOB", "BYTEA"),
            "strict" => pick("STRICT", ""),
            "clustered" => pick("STRICT, WITHOUT ROWID", ""),
            "postgres" => pick("--", ""),
            _ => return None,
        })
    })
}

/// Replaces `{word}`; braces around anything but small letters are left alone,
/// because they are JSON.
fn replace_words<'w>(
    name: &str,
    text: &str,
    meaning: impl Fn(&str) -> Option<&'w str>,
) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let word = after.split_once('}').map_or("", |(word, _)| word);
        if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
            out.push('{');
            rest = after;
            continue;
        }
        let meaning = meaning(word).ok_or_else(|| {
            Error::broken(name, format!("{{{word}}} is not a word of migrations"))
        })?;
        out.push_str(meaning);
        rest = &after[word.len() + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_replaced_and_json_is_left_alone() {
        let meaning = |word: &str| (word == "id").then_some("BIGINT");
        let text = "a {id}, b TEXT DEFAULT '{}', c TEXT DEFAULT '{\"x\": 1}', d {id}";
        let expected = "a BIGINT, b TEXT DEFAULT '{}', c TEXT DEFAULT '{\"x\": 1}', d BIGINT";
        assert_eq!(replace_words("m", text, meaning).unwrap(), expected);
    }

    #[test]
    fn a_misspelt_word_is_named() {
        let error = replace_words("migration 3 (jobs)", "a {tmie}", |_| None).unwrap_err();
        assert_eq!(error.to_string(), "migration 3 (jobs): {tmie} is not a word of migrations");
    }

    #[test]
    fn migrations_have_no_gaps() {
        let step = |number| Migration { number, name: "x", text: "" };
        assert!(check_numbers(&[step(1), step(2)]).is_ok());
        assert!(check_numbers(&[step(1), step(3)]).is_err());
    }
}
