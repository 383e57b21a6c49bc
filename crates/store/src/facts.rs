//! Single facts about the whole installation: which key sealed it, what ran last.

use crate::{Error, Sql, Tx, args, sql};

const READ: Sql = sql!("SELECT value FROM facts WHERE name = $1");
const KEEP: Sql = sql!(
    "INSERT INTO facts (name, value) VALUES ($1, $2) \
     ON CONFLICT (name) DO UPDATE SET value = excluded.value"
);
const SIZE: Sql = sql!(
    sqlite: "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    postgres: "SELECT pg_database_size(current_database())",
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[READ, KEEP, SIZE];

/// A fact, if it was ever kept.
pub async fn read(tx: &mut Tx<'_>, name: &str) -> Result<Option<String>, Error> {
    tx.optional(READ, &args![name]).await
}

/// Keeps a fact in place of what it was.
pub async fn keep(tx: &mut Tx<'_>, name: &str, value: &str) -> Result<(), Error> {
    tx.execute(KEEP, &args![name, value]).await.map(drop)
}

/// How large the whole database is, in bytes.
pub async fn database_size(tx: &mut Tx<'_>) -> Result<i64, Error> {
    tx.one(SIZE, &[]).await
}
