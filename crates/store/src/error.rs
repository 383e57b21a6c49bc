//! What can go wrong below the domain, in words that say what to do next.
//!
//! Both databases are translated into this one list, here and nowhere else.
//! Must never carry a value that was stored: a message ends up in a log, and
//! values are phone numbers, codes and keys.

use std::fmt;

use tokio_postgres::error::SqlState;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault of the store. A refusal ("voucher already used") is not one: it is
/// a normal value that the domain operation returns.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The row is there already. The transaction cannot go on; write
    /// `ON CONFLICT … DO NOTHING` where this is a normal outcome.
    #[error("{attempted}: a row with the same {unique} exists already")]
    Conflict {
        /// The columns that must be unique together.
        unique: Unique,
        /// The statement.
        attempted: String,
    },
    /// The row points to one that is not there, or one that others point to
    /// was to be deleted.
    #[error("{attempted}: the row refers to one that does not exist, or is still referred to")]
    MissingReference {
        /// The statement.
        attempted: String,
    },
    /// `one` found no row.
    #[error("{attempted}: expected one row and found none")]
    Missing {
        /// The statement.
        attempted: String,
    },
    /// Another transaction was in the way or the connection broke, nothing was
    /// written, and the retries are used up.
    #[error("{attempted}: the database was busy or lost, nothing was written; try again")]
    Retry {
        /// The statement or step.
        attempted: String,
        /// What the database said.
        #[source]
        cause: Cause,
    },
    /// The connection broke while PostgreSQL was committing: the transaction
    /// is either there whole or not at all, and nobody here can know which.
    /// Not retried, because a second run could do the work twice.
    #[error(
        "the connection was lost during COMMIT: the transaction may or may not be stored; read it \
         back before doing it again"
    )]
    Uncertain {
        /// What the database said.
        #[source]
        cause: Cause,
    },
    /// The disk is full. The transaction was undone, what was acknowledged
    /// before is kept, and the next write succeeds as soon as there is room.
    #[error(
        "{attempted}: the disk of the database is full; nothing was lost, but nothing new can be \
         stored: free space or move the data directory"
    )]
    Full {
        /// The statement or step.
        attempted: String,
    },
    /// A later program has migrated this database.
    #[error(
        "the database has schema version {found}, this program knows versions up to {known}: start \
         the newer program, or restore the backup made before the upgrade"
    )]
    NewerDatabase {
        /// The version in the database.
        found: u32,
        /// The last version this program has.
        known: u32,
    },
    /// A migration that the database has applied is not the one this program
    /// has under the same number.
    #[error(
        "migration {number} ({name}) differs from the one that this database applied: run the \
         program that belongs to this database"
    )]
    ChangedMigration {
        /// Its number.
        number: u32,
        /// Its name in this program.
        name: String,
    },
    /// A transaction awaited something that is not the database.
    #[error(
        "a transaction awaited something other than its database; nothing was written: do that \
         work before or after the transaction"
    )]
    ForeignAwait,
    /// A statement failed earlier in this transaction and the closure went on.
    /// PostgreSQL would undo it silently, so both databases refuse.
    #[error(
        "a statement failed earlier in this transaction, so it was undone: return the error, or \
         use ON CONFLICT where the failure is expected"
    )]
    Poisoned,
    /// The closure of a transaction panicked; it was undone.
    #[error("a transaction panicked and was undone: {message}")]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// A column held what its reader did not expect.
    #[error("column {column} ({at}): expected {expected}, found {found}")]
    Column {
        /// Position or name.
        column: String,
        /// The statement.
        at: String,
        /// What the reader wanted.
        expected: &'static str,
        /// What kind of value was there.
        found: &'static str,
    },
    /// The database could not be opened or reached.
    #[error("cannot open {database}: {advice}")]
    Unreachable {
        /// Where, without the password.
        database: String,
        /// What to do.
        advice: String,
        /// What the system said.
        #[source]
        cause: Option<Cause>,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// A file of the data directory or a backup could not be used.
    #[error("{attempted} {path}: {advice}")]
    File {
        /// What was tried.
        attempted: &'static str,
        /// On which file.
        path: String,
        /// What to do.
        advice: String,
        /// What the system said.
        #[source]
        cause: Option<std::io::Error>,
    },
    /// A secret could not be opened.
    #[error("cannot decrypt {context}: {reason}")]
    Secret {
        /// Which secret.
        context: String,
        /// Why.
        reason: &'static str,
    },
    /// Anything else: a defect in a statement, or a damaged database.
    #[error("{attempted}: {cause}")]
    Broken {
        /// The statement or step.
        attempted: String,
        /// What the database said.
        #[source]
        cause: Cause,
    },
}

/// What a driver or a check said.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The columns of a unique rule, in the order of its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// The table; empty when the database named only the index.
    pub table: String,
    /// Its columns, or the name of the index when it is over expressions.
    pub columns: Vec<String>,
}

impl Unique {
    /// Whether this is the rule over exactly these columns of the table.
    #[must_use]
    pub fn is(&self, table: &str, columns: &[&str]) -> bool {
        self.table == table && self.columns.iter().map(String::as_str).eq(columns.iter().copied())
    }
}

impl fmt::Display for Unique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.table, self.columns.join(", "))
    }
}

impl Error {
    /// Whether running the same transaction again may succeed.
    #[must_use]
    pub fn is_retry(&self) -> bool {
        matches!(self, Self::Retry { .. })
    }

    /// Whether it is the database's trouble, not that of what was to be written: the same may be
    /// written later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Retry { .. }
                | Self::Uncertain { .. }
                | Self::Full { .. }
                | Self::Unreachable { .. }
                | Self::Closed
        )
    }

    /// The unique rule that was hit, if this is a conflict.
    #[must_use]
    pub fn unique(&self) -> Option<&Unique> {
        match self {
            Self::Conflict { unique, .. } => Some(unique),
            _ => None,
        }
    }

    /// A row was no longer as it had been read.
    pub fn changed_meanwhile(attempted: &str) -> Self {
        let cause = "somebody else changed it meanwhile";
        Self::Retry { attempted: attempted.to_owned(), cause: cause.into() }
    }

    pub(crate) fn broken(attempted: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self::Broken { attempted: attempted.into(), cause: cause.into() }
    }

    pub(crate) fn file(
        attempted: &'static str,
        path: &std::path::Path,
        advice: impl Into<String>,
        cause: Option<std::io::Error>,
    ) -> Self {
        Self::File { attempted, path: path.display().to_string(), advice: advice.into(), cause }
    }
}

/// Translates an error of SQLite.
pub(crate) fn from_sqlite(attempted: &str, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    use rusqlite::ffi;

    let attempted = attempted.to_owned();
    let Some(failure) = error.sqlite_error() else {
        return Error::broken(attempted, error);
    };
    match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => {
            return Error::Conflict { unique: unique_of_sqlite(&error), attempted };
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => return Error::MissingReference { attempted },
        _ => {}
    }
    match failure.code {
        ErrorCode::DiskFull => Error::Full { attempted },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Error::Retry { attempted, cause: Box::new(error) }
        }
        _ => Error::broken(attempted, error),
    }
}

/// "UNIQUE constraint failed: grants.tenant_id, grants.code", or
/// "… failed: index 'name'" for an index over expressions.
fn unique_of_sqlite(error: &rusqlite::Error) -> Unique {
    let text = error.to_string();
    let list = text.rsplit_once("failed: ").map_or("", |(_, list)| list);
    if let Some(index) = list.strip_prefix("index ") {
        return Unique { table: String::new(), columns: vec![index.trim_matches('\'').to_owned()] };
    }
    let mut table = String::new();
    let mut columns = Vec::new();
    for name in list.split(", ") {
        if let Some((of, column)) = name.split_once('.') {
            of.clone_into(&mut table);
            columns.push(column.to_owned());
        }
    }
    Unique { table, columns }
}

/// Translates an error of PostgreSQL.
pub(crate) fn from_postgres(attempted: &str, error: tokio_postgres::Error) -> Error {
    let attempted = attempted.to_owned();
    let Some(said) = error.as_db_error() else {
        return if is_connection_loss(&error) {
            Error::Retry { attempted, cause: Box::new(error) }
        } else {
            Error::broken(attempted, error)
        };
    };
    match said.code() {
        &SqlState::UNIQUE_VIOLATION => {
            Error::Conflict { unique: unique_of_postgres(said), attempted }
        }
        &SqlState::FOREIGN_KEY_VIOLATION => Error::MissingReference { attempted },
        &SqlState::DISK_FULL => Error::Full { attempted },
        code if is_worth_retrying(code) || is_stale_plan(said) => {
            Error::Retry { attempted, cause: Box::new(error) }
        }
        // The driver's own text is only "db error".
        _ => {
            let cause = format!("{} ({})", said.message(), said.code().code());
            Error::broken(attempted, cause)
        }
    }
}

fn is_worth_retrying(code: &SqlState) -> bool {
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::CONNECTION_EXCEPTION,
        SqlState::CONNECTION_FAILURE,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ]
    .contains(code)
}

/// Another node has migrated while this connection held prepared statements.
fn is_stale_plan(said: &tokio_postgres::error::DbError) -> bool {
    said.code() == &SqlState::FEATURE_NOT_SUPPORTED
        && said.routine() == Some("RevalidateCachedQuery")
}

fn is_connection_loss(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    error.is_closed() || error.source().is_some_and(|cause| cause.is::<std::io::Error>())
}

/// The detail "Key (tenant_id, code)=(…) already exists." in any language: only
/// the first bracket is taken, the second holds values.
fn unique_of_postgres(said: &tokio_postgres::error::DbError) -> Unique {
    let table = said.table().unwrap_or_default().to_owned();
    let columns = said.detail().and_then(columns_of_detail);
    let named = || vec![said.constraint().unwrap_or_default().to_owned()];
    Unique { table, columns: columns.unwrap_or_else(named) }
}

fn columns_of_detail(detail: &str) -> Option<Vec<String>> {
    let (_, rest) = detail.split_once('(')?;
    let (list, _) = rest.split_once(")=(")?;
    Some(list.split(", ").map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detail_of_postgresql_gives_columns_and_never_values() {
        let columns = columns_of_detail("Key (tenant_id, code)=(1, SECRET) already exists.");
        assert_eq!(columns, Some(vec!["tenant_id".to_owned(), "code".to_owned()]));
        assert_eq!(columns_of_detail("nothing like it"), None);
    }
}
