//! Statements: one text for both databases, written beside the operation.
//!
//! Only two kinds may differ: words that one database lacks (`SKIP_LOCKED`) and
//! bulk statements. Must never be built from values: values are arguments.

/// One statement. Make it with [`sql!`](crate::sql).
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    /// The text for SQLite.
    pub sqlite: &'static str,
    /// The text for PostgreSQL.
    pub postgres: &'static str,
    /// Where it is written: `file:line`.
    pub at: &'static str,
}

/// A statement that runs once per row: SQLite loops over it, PostgreSQL takes
/// every column as an array. Make it with [`bulk!`](crate::bulk).
#[derive(Debug, Clone, Copy)]
pub struct Bulk {
    /// One row: `INSERT INTO t (a, b) VALUES ($1, $2)`.
    pub sqlite: &'static str,
    /// All rows: `INSERT INTO t (a, b) SELECT * FROM UNNEST($1::bigint[], $2::text[])`.
    pub postgres: &'static str,
    /// Where it is written: `file:line`.
    pub at: &'static str,
}

impl Sql {
    /// For errors and logs: which statement this is, without its text.
    #[must_use]
    pub fn name(&self) -> String {
        format!("statement {}", self.at)
    }
}

impl Bulk {
    /// For errors and logs: which statement this is, without its text.
    #[must_use]
    pub fn name(&self) -> String {
        format!("bulk statement {}", self.at)
    }

    /// As one statement, for the checks that prepare and explain all.
    #[must_use]
    pub const fn as_sql(&self) -> Sql {
        Sql { sqlite: self.sqlite, postgres: self.postgres, at: self.at }
    }
}

/// A statement: texts and the words `SKIP_LOCKED` and `FOR_UPDATE`, which are
/// locks in PostgreSQL and nothing in SQLite, where there is one writer.
///
/// ```
/// use lango_store::{Sql, sql};
/// const DUE: Sql = sql!("SELECT id FROM grants WHERE ends_at <= $1 LIMIT $2", SKIP_LOCKED);
/// assert!(DUE.postgres.ends_with("FOR UPDATE SKIP LOCKED"));
/// assert!(DUE.sqlite.ends_with("LIMIT $2"));
/// ```
///
/// Keep `$n` ascending in the text: SQLite numbers by first appearance.
#[macro_export]
macro_rules! sql {
    (sqlite: $sqlite:expr, postgres: $postgres:expr $(,)?) => {
        $crate::Sql {
            sqlite: $sqlite,
            postgres: $postgres,
            at: concat!(file!(), ":", line!()),
        }
    };
    ($($part:tt),+ $(,)?) => {
        $crate::sql!(@parts [] [] $($part),+)
    };
    (@parts [$($lite:expr,)*] [$($pg:expr,)*] SKIP_LOCKED $(, $($rest:tt),+)?) => {
        $crate::sql!(@parts [$($lite,)*] [$($pg,)* " FOR UPDATE SKIP LOCKED",] $($($rest),+)?)
    };
    (@parts [$($lite:expr,)*] [$($pg:expr,)*] FOR_UPDATE $(, $($rest:tt),+)?) => {
        $crate::sql!(@parts [$($lite,)*] [$($pg,)* " FOR UPDATE",] $($($rest),+)?)
    };
    (@parts [$($lite:expr,)*] [$($pg:expr,)*] $text:literal $(, $($rest:tt),+)?) => {
        $crate::sql!(@parts [$($lite,)* $text,] [$($pg,)* $text,] $($($rest),+)?)
    };
    (@parts [$($lite:expr,)*] [$($pg:expr,)*]) => {
        $crate::Sql {
            sqlite: concat!($($lite),*),
            postgres: concat!($($pg),*),
            at: concat!(file!(), ":", line!()),
        }
    };
}

/// A bulk statement: the two texts side by side.
///
/// ```
/// use lango_store::{Bulk, bulk};
/// const PUSH: Bulk = bulk!(
///     sqlite: "INSERT INTO jobs (id, kind) VALUES ($1, $2)",
///     postgres: "INSERT INTO jobs (id, kind) SELECT * FROM UNNEST($1::bigint[], $2::text[])",
/// );
/// assert!(PUSH.at.contains(':'));
/// ```
#[macro_export]
macro_rules! bulk {
    (sqlite: $sqlite:expr, postgres: $postgres:expr $(,)?) => {
        $crate::Bulk { sqlite: $sqlite, postgres: $postgres, at: concat!(file!(), ":", line!()) }
    };
}

#[cfg(test)]
mod tests {
    use crate::Sql;

    #[test]
    fn a_lock_word_in_the_middle_vanishes_for_sqlite_only() {
        const CLAIM: Sql =
            sql!("WITH due AS (SELECT id FROM jobs", SKIP_LOCKED, ") SELECT id FROM due");
        assert_eq!(CLAIM.sqlite, "WITH due AS (SELECT id FROM jobs) SELECT id FROM due");
        assert_eq!(
            CLAIM.postgres,
            "WITH due AS (SELECT id FROM jobs FOR UPDATE SKIP LOCKED) SELECT id FROM due"
        );
        assert!(CLAIM.at.contains("sql.rs:"));
    }
}
