//! Checks of statements, for tests: each one prepares on its database, and none
//! that runs often reads a whole table.
//!
//! Modules list their statements in `ALL`; a test hands the lists to
//! [`prepare_all`] on a fresh store of each database. Must never run a statement
//! that it checks.

use crate::engine::Store;
use crate::error::Result;
use crate::sql::{Bulk, Sql};
use crate::value::{Arg, PgKind};

/// Prepares every statement and returns what is wrong, one line each: a text that
/// the database does not take, arguments that do not ascend, a column or argument
/// of a kind this layer does not carry.
///
/// # Errors
/// Only when the database cannot be reached.
pub async fn prepare_all(store: &Store, all: &[&Sql], bulk: &[&Bulk]) -> Result<Vec<String>> {
    let bulk: Vec<Sql> = bulk.iter().map(|bulk| bulk.as_sql()).collect();
    let mut faults = Vec::new();
    for sql in all.iter().copied().chain(&bulk) {
        for text in [sql.sqlite, sql.postgres] {
            if !arguments_ascend(text) {
                faults.push(format!("{}: $n must ascend from $1 without gaps", sql.name()));
            }
        }
        faults.extend(prepare(store, sql).await?.map(|fault| format!("{}: {fault}", sql.name())));
    }
    Ok(faults)
}

async fn prepare(store: &Store, sql: &Sql) -> Result<Option<String>> {
    if let Some(lite) = store.lite() {
        return Ok(lite.prepare(sql.sqlite).err().map(|error| error.to_string()));
    }
    let Some(pg) = store.pg() else {
        return Ok(None);
    };
    let direct = pg.connect_directly().await?;
    Ok(match direct.client.prepare(sql.postgres).await {
        Err(error) => Some(
            error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned()),
        ),
        Ok(statement) => strange_kind(&statement),
    })
}

fn strange_kind(statement: &tokio_postgres::Statement) -> Option<String> {
    use tokio_postgres::types::Kind;
    let strange_argument = statement.params().iter().find(|kind| {
        let element = if let Kind::Array(element) = kind.kind() { element } else { kind };
        PgKind::of(element).is_none()
    });
    let strange_column =
        statement.columns().iter().find(|column| PgKind::of(column.type_()).is_none());
    match (strange_argument, strange_column) {
        (Some(kind), _) => Some(format!("an argument is {kind}: write a CAST")),
        (None, Some(column)) => {
            Some(format!("column {} is {}: write a CAST", column.name(), column.type_()))
        }
        (None, None) => None,
    }
}

/// Whether `$1`, `$2`, … appear for the first time in this order. SQLite takes
/// `$2` for a name and numbers names as it meets them.
#[must_use]
pub fn arguments_ascend(text: &str) -> bool {
    let mut highest = 0;
    for after in text.split('$').skip(1) {
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Ok(number) = after[..digits].parse::<u32>() else {
            continue;
        };
        if number > highest + 1 || number == 0 {
            return false;
        }
        highest = highest.max(number);
    }
    true
}

/// How the database would run a statement.
#[derive(Debug, Clone)]
pub struct Plan {
    lines: Vec<String>,
    at: &'static str,
}

/// Asks for the plan of a statement; it is not run. PostgreSQL is told to avoid
/// whole-table reads where an index would do, because its tables are empty in a
/// test and it would rightly read those whole.
///
/// # Errors
/// A fault of the database.
pub async fn plan(store: &Store, sql: Sql, args: &[Arg<'_>]) -> Result<Plan> {
    let lines = match (store.lite(), store.pg()) {
        (Some(lite), _) => lite.explain(sql, args)?,
        (None, Some(pg)) => pg.explain(sql, args).await?,
        (None, None) => Vec::new(),
    };
    Ok(Plan { lines, at: sql.at })
}

/// Asks for the plan that fits any arguments, with the tables as they are: what a prepared
/// statement is run by in the long run. The database should have rows, and PostgreSQL its
/// statistics of them.
///
/// # Errors
/// A fault of the database.
pub async fn general_plan(store: &Store, sql: Sql) -> Result<Plan> {
    let lines = match (store.lite(), store.pg()) {
        (Some(lite), _) => lite.explain_unbound(sql)?,
        (None, Some(pg)) => pg.explain_general(sql).await?,
        (None, None) => Vec::new(),
    };
    Ok(Plan { lines, at: sql.at })
}

impl Plan {
    /// The lines, as the database writes them.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The first of these tables that would be read whole. A walk through a whole
    /// index counts too, unless the statement's order asks for it: then it stops
    /// at its LIMIT.
    #[must_use]
    pub fn full_scan<'n>(&self, tables: &[&'n str]) -> Option<&'n str> {
        tables.iter().copied().find(|table| self.lines.iter().any(|line| scans(line, table)))
    }

    /// Fails the test when one of these tables would be read whole.
    ///
    /// # Panics
    /// Then, with the plan.
    #[track_caller]
    pub fn assert_no_full_scan(&self, tables: &[&str]) {
        if let Some(table) = self.full_scan(tables) {
            panic!("{} reads all of {table}:\n{}", self.at, self.lines.join("\n"));
        }
    }

    /// Whether a line speaks of this index.
    #[must_use]
    pub fn uses(&self, index: &str) -> bool {
        self.lines.iter().any(|line| line.split([' ', '(', ')']).any(|word| word == index))
    }

    /// Fails the test when no line speaks of this index.
    ///
    /// # Panics
    /// Then, with the plan.
    #[track_caller]
    pub fn assert_uses(&self, index: &str) {
        assert!(self.uses(index), "{} does not use {index}:\n{}", self.at, self.lines.join("\n"));
    }
}

/// SQLite: `SCAN grants`, but not `SCAN grants USING INDEX …`.
/// PostgreSQL: `Seq Scan on grants g`.
fn scans(line: &str, table: &str) -> bool {
    let first_word = |rest: &str| rest.split_whitespace().next() == Some(table);
    let line = line.trim_start_matches([' ', '-', '>']);
    if let Some(rest) = line.strip_prefix("SCAN ") {
        return first_word(rest) && !rest.contains("USING");
    }
    line.split_once("Seq Scan on ").is_some_and(|(_, rest)| first_word(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_out_of_order_are_found() {
        assert!(arguments_ascend("SELECT 1"));
        assert!(arguments_ascend("a = $1 AND b = $2 AND c = $1"));
        assert!(!arguments_ascend("a = $2 AND b = $1"));
        assert!(!arguments_ascend("a = $1 AND b = $3"));
    }

    #[test]
    fn a_whole_table_is_told_from_an_index() {
        assert!(scans("SCAN grants", "grants"));
        assert!(!scans("SCAN grants USING INDEX grants_due", "grants"));
        assert!(!scans("SEARCH grants USING INDEX grants_due (next_deadline<?)", "grants"));
        assert!(scans("  ->  Seq Scan on grants g  (cost=0.00..1.00 rows=1 width=8)", "grants"));
        assert!(scans("  ->  Parallel Seq Scan on grants", "grants"));
        assert!(!scans("Seq Scan on grants_history", "grants"));
        assert!(!scans("Index Scan using grants_due on grants", "grants"));
    }
}
