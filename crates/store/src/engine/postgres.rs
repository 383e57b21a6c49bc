//! PostgreSQL: a pool, retries, and one connection to the other nodes.
//!
//! A write is retried while nothing can have been stored: after a lost
//! serialization, a deadlock, or a connection that broke before COMMIT. Must
//! never run a closure again once COMMIT was sent and its answer is unknown.

mod intercom;
mod uncounted;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Manager, Object, Pool, Runtime, StatementCache, Transaction,
};
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, IsolationLevel, NoTls};

use super::{DatabaseUrl, Seat as AnySeat, Settings, Tx, Visit, while_talking};
use crate::error::{Error, Result, from_postgres};
use crate::sql::{Bulk, Sql};
use crate::value::{Arg, Row};
use crate::wake::{Topic, Wakes};
use intercom::Intercom;
use uncounted::uncounted;

/// How often a write is run before its conflict is the caller's problem.
const TRIES: u32 = 8;

/// And for how long, when each try itself waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open PostgreSQL database.
pub(crate) struct Pg {
    pool: Pool,
    config: Config,
    intercom: Intercom,
}

impl Pg {
    pub(crate) async fn open(
        url: &DatabaseUrl,
        config: &Config,
        settings: &Settings,
        wakes: &Arc<Wakes>,
    ) -> Result<Self> {
        let config = tuned(url, config)?;
        let pool = Pool::builder(Manager::new(config.clone(), NoTls))
            .max_size(settings.postgres_connections)
            .wait_timeout(Some(settings.wait_for_connection))
            .create_timeout(Some(settings.wait_for_connection))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|cause| Error::broken("make the connection pool", cause))?;
        // Asks once, so that a wrong password is known at the start.
        let first = pool.get().await.map_err(|cause| unreachable(url, cause))?;
        drop(first);
        let intercom = Intercom::open(config.clone(), Arc::clone(wakes));
        Ok(Self { pool, config, intercom })
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }

    /// A connection of its own, outside the pool, for long work such as a backup.
    pub(crate) async fn connect_directly(&self) -> Result<Direct> {
        Direct::open(&self.config).await
    }

    /// The lines of the statement's plan, with whole-table reads made dear.
    pub(crate) async fn explain(&self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<String>> {
        let failed = |cause| from_postgres(&sql.name(), cause);
        let direct = self.connect_directly().await?;
        direct.client.batch_execute("SET enable_seqscan = off").await.map_err(failed)?;
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as _).collect();
        let text = format!("EXPLAIN {}", sql.postgres);
        let statement = direct.client.prepare(&text).await.map_err(failed)?;
        expect_arguments(statement.params().len(), args.len(), || sql.name())?;
        let rows = direct.client.query(&statement, &args).await.map_err(failed)?;
        rows.iter().map(|row| row.try_get(0).map_err(failed)).collect()
    }

    /// The lines of the plan that is made without looking at arguments.
    pub(crate) async fn explain_general(&self, sql: Sql) -> Result<Vec<String>> {
        let failed = |cause| from_postgres(&sql.name(), cause);
        let direct = self.connect_directly().await?;
        let client = &direct.client;
        let count = client.prepare(sql.postgres).await.map_err(failed)?.params().len();
        let nothing = vec!["NULL"; count].join(", ");
        let arguments = if count == 0 { String::new() } else { format!("({nothing})") };
        let prepare = format!(
            "SET plan_cache_mode = force_generic_plan; PREPARE checked AS {}",
            sql.postgres
        );
        client.batch_execute(&prepare).await.map_err(failed)?;
        let explain = format!("EXPLAIN EXECUTE checked{arguments}");
        let rows = client.query(&explain, &[]).await.map_err(failed)?;
        rows.iter().map(|row| row.try_get(0).map_err(failed)).collect()
    }

    async fn connection(&self) -> Result<Object> {
        use deadpool_postgres::PoolError;
        let attempted = "connect to PostgreSQL";
        self.pool.get().await.map_err(|fault| match fault {
            PoolError::Backend(cause) => from_postgres(attempted, cause),
            PoolError::Closed => Error::Closed,
            other => Error::Retry { attempted: attempted.to_owned(), cause: Box::new(other) },
        })
    }

    pub(super) async fn write<T, F>(
        &self,
        work: &F,
        keep: fn(&T) -> bool,
        wakes: &Wakes,
    ) -> Result<T>
    where
        F: AsyncFn(&mut Tx<'_>) -> Result<T>,
    {
        let mut retries = Retries::begin();
        loop {
            match self.write_once(work, keep).await {
                Err(error) => retries.after(error).await?,
                Ok((answer, topics)) => {
                    wakes.fire(&topics);
                    self.intercom.tell(topics).await;
                    return Ok(answer);
                }
            }
        }
    }

    /// The answer, and what there is news about.
    async fn write_once<T, F>(&self, work: &F, keep: fn(&T) -> bool) -> Result<(T, BTreeSet<Topic>)>
    where
        F: AsyncFn(&mut Tx<'_>) -> Result<T>,
    {
        let mut connection = self.connection().await?;
        let transaction = begin(&mut connection, false).await?;
        let talking = AtomicBool::new(false);
        let mut tx = Tx::new(AnySeat::Pg(Seat::within(&transaction, &talking)));
        let answer = while_talking(work(&mut tx), &talking).await;
        let answer = tx.judge(answer);
        let topics = std::mem::take(&mut tx.wakes);
        drop(tx);
        let done = if answer.as_ref().is_ok_and(keep) {
            transaction.commit().await.map_err(commit_fault)
        } else {
            undo(transaction).await
        };
        // A connection after a fault may hold stale statements or a lost session.
        if answer.as_ref().is_err_and(Error::is_retry) || done.is_err() {
            drop(Object::take(connection));
        }
        match (answer, done) {
            // Undone by the broken connection as well as by ROLLBACK.
            (Ok(answer), _) if !keep(&answer) => Ok((answer, BTreeSet::new())),
            (Ok(answer), Ok(())) => Ok((answer, topics)),
            (Ok(_), Err(fault)) => Err(fault),
            (Err(error), _) => Err(error),
        }
    }

    pub(super) async fn read<T, F>(&self, work: &F) -> Result<T>
    where
        F: AsyncFn(&mut Tx<'_>) -> Result<T>,
    {
        let mut retries = Retries::begin();
        loop {
            match self.read_once(work).await {
                Err(error) => retries.after(error).await?,
                answer => return answer,
            }
        }
    }

    async fn read_once<T, F>(&self, work: &F) -> Result<T>
    where
        F: AsyncFn(&mut Tx<'_>) -> Result<T>,
    {
        let mut connection = self.connection().await?;
        let transaction = begin(&mut connection, true).await?;
        let talking = AtomicBool::new(false);
        let mut tx = Tx::new(AnySeat::Pg(Seat::within(&transaction, &talking)));
        let answer = while_talking(work(&mut tx), &talking).await;
        let answer = tx.judge(answer);
        drop(tx);
        let done = undo(transaction).await;
        if answer.as_ref().is_err_and(Error::is_retry) || done.is_err() {
            drop(Object::take(connection));
        }
        answer
    }

    /// One reading statement in its own implicit transaction.
    pub(super) async fn each(&self, sql: Sql, args: &[Arg<'_>], visit: Visit<'_>) -> Result<()> {
        let mut retries = Retries::begin();
        let rows = loop {
            match self.rows_once(sql, args).await {
                Err(error) => retries.after(error).await?,
                Ok(rows) => break rows,
            }
        };
        rows.iter().try_for_each(|row| visit(&Row::pg(row, sql.at)))
    }

    async fn rows_once(&self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<tokio_postgres::Row>> {
        let connection = self.connection().await?;
        let talking = AtomicBool::new(false);
        let seat =
            Seat { client: &connection, cache: &connection.statement_cache, talking: &talking };
        let rows = seat.rows(sql, args).await;
        if rows.as_ref().is_err_and(Error::is_retry) {
            drop(Object::take(connection));
        }
        rows
    }
}

/// A connection outside the pool.
pub(crate) struct Direct {
    pub(crate) client: ClientWrapper,
}

impl Direct {
    pub(crate) async fn connect(url: &DatabaseUrl) -> Result<Self> {
        let config = url.postgres_config().ok_or(Error::Closed)?;
        Self::open(&tuned(url, config)?).await
    }

    async fn open(config: &Config) -> Result<Self> {
        let connected = config.connect(NoTls).await;
        let (client, connection) =
            connected.map_err(|cause| from_postgres("connect to PostgreSQL", cause))?;
        let driver = tokio::spawn(async move {
            // The client sees the same failure and reports it.
            let _ = connection.await;
        });
        Ok(Self { client: ClientWrapper::new(client, driver) })
    }
}

/// Runs an operation in a transaction that the caller has begun.
pub(crate) async fn within<T>(
    transaction: &Transaction<'_>,
    work: impl AsyncFn(&mut Tx<'_>) -> Result<T>,
) -> Result<T> {
    let talking = AtomicBool::new(false);
    let mut tx = Tx::new(AnySeat::Pg(Seat::within(transaction, &talking)));
    let answer = work(&mut tx).await;
    tx.judge(answer)
}

/// A dead server must be noticed in seconds, not in the hours of TCP's defaults.
fn tuned(url: &DatabaseUrl, config: &Config) -> Result<Config> {
    if config.get_ssl_mode() == SslMode::Require {
        let advice = "this program speaks to PostgreSQL without TLS: leave sslmode out and reach it \
                      over a private network, a Unix socket or a tunnel";
        let database = url.to_string();
        return Err(Error::Unreachable { database, advice: advice.to_owned(), cause: None });
    }
    let mut config = config.clone();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(5));
    }
    if config.get_application_name().is_none() {
        config.application_name("lango");
    }
    // Of several hosts, the one that takes writes: after a failover the old one
    // may come back as a standby.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    config.keepalives_idle(Duration::from_secs(15));
    config.keepalives_interval(Duration::from_secs(5));
    config.keepalives_retries(3);
    config.tcp_user_timeout(Duration::from_secs(30));
    Ok(config)
}

fn unreachable(url: &DatabaseUrl, cause: deadpool_postgres::PoolError) -> Error {
    use deadpool_postgres::PoolError;
    let code = match &cause {
        PoolError::Backend(error) => error.code().cloned(),
        _ => None,
    };
    let advice = match code {
        Some(SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            "the user or password is wrong"
        }
        Some(SqlState::INVALID_CATALOG_NAME) => "create the database first",
        _ => "check that the server runs and that this host may reach it",
    };
    let database = url.to_string();
    Error::Unreachable { database, advice: advice.to_owned(), cause: Some(Box::new(cause)) }
}

/// How often and how long one operation has been tried.
struct Retries {
    tries: u32,
    began: tokio::time::Instant,
    /// A unique rule was hit once.
    has_conflicted: bool,
}

impl Retries {
    fn begin() -> Self {
        Self { tries: 1, began: tokio::time::Instant::now(), has_conflicted: false }
    }

    /// Returns when the operation may run again, or with the error when that is
    /// no use. Waits longer each time, and never in step with other nodes.
    async fn after(&mut self, error: Error) -> Result<()> {
        let enough = self.tries >= TRIES || self.began.elapsed() > PATIENCE;
        if enough || !self.may_help(&error) {
            return Err(error);
        }
        tracing::debug!(%error, self.tries, "the operation will run again");
        let longest = Duration::from_millis(5 << self.tries.min(7));
        tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
        self.tries += 1;
        Ok(())
    }

    /// Whoever else has that row may have written it after this transaction began: it looked for
    /// the row and could not see it. Another run sees it, and does what is right then.
    fn may_help(&mut self, error: &Error) -> bool {
        if error.unique().is_some() {
            return !std::mem::replace(&mut self.has_conflicted, true);
        }
        error.is_retry()
    }
}

async fn begin(connection: &mut Object, read_only: bool) -> Result<Transaction<'_>> {
    let builder = connection
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(read_only);
    builder.start().await.map_err(|cause| from_postgres("BEGIN", cause))
}

/// Only an answer that proves the transaction undone may lead to another run.
fn commit_fault(cause: tokio_postgres::Error) -> Error {
    let undone = cause.code().is_some_and(|code| {
        code.code().starts_with("23")
            || code == &SqlState::T_R_SERIALIZATION_FAILURE
            || code == &SqlState::T_R_DEADLOCK_DETECTED
            || code == &SqlState::DISK_FULL
    });
    if undone {
        from_postgres("COMMIT", cause)
    } else {
        Error::Uncertain { cause: Box::new(cause) }
    }
}

async fn undo(transaction: Transaction<'_>) -> Result<()> {
    transaction.rollback().await.map_err(|cause| from_postgres("ROLLBACK", cause))
}

// ---- statements -------------------------------------------------------------------

/// A transaction's place at a connection.
pub(super) struct Seat<'t> {
    client: &'t Client,
    cache: &'t StatementCache,
    /// True while an answer of the server is awaited: the only wait allowed.
    talking: &'t AtomicBool,
}

impl<'t> Seat<'t> {
    fn within(transaction: &'t Transaction<'_>, talking: &'t AtomicBool) -> Self {
        Self { client: transaction.client(), cache: &transaction.statement_cache, talking }
    }

    pub(super) async fn each(&self, sql: Sql, args: &[Arg<'_>], visit: Visit<'_>) -> Result<()> {
        let rows = self.rows(sql, args).await?;
        rows.iter().try_for_each(|row| visit(&Row::pg(row, sql.at)))
    }

    async fn rows(&self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<tokio_postgres::Row>> {
        let _talk = self.talk();
        let failed = |cause| from_postgres(&sql.name(), cause);
        let statement = self.cache.prepare(self.client, sql.postgres).await.map_err(failed)?;
        expect_arguments(statement.params().len(), args.len(), || sql.name())?;
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as _).collect();
        self.client.query(&statement, &args).await.map_err(failed)
    }

    pub(super) async fn execute(&self, sql: Sql, args: &[Arg<'_>]) -> Result<u64> {
        let _talk = self.talk();
        let failed = |cause| from_postgres(&sql.name(), cause);
        let statement = self.cache.prepare(self.client, sql.postgres).await.map_err(failed)?;
        expect_arguments(statement.params().len(), args.len(), || sql.name())?;
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as _).collect();
        self.client.execute(&statement, &args).await.map_err(failed)
    }

    /// Rows become columns: `$1` is the array of all first arguments.
    pub(super) async fn bulk(&self, bulk: Bulk, rows: &[Vec<Arg<'_>>]) -> Result<u64> {
        let _talk = self.talk();
        let failed = |cause| from_postgres(&bulk.name(), cause);
        let text = uncounted(bulk.postgres);
        let statement = self.cache.prepare(self.client, &text).await.map_err(failed)?;
        let width = statement.params().len();
        for row in rows {
            expect_arguments(width, row.len(), || bulk.name())?;
        }
        let columns: Vec<Vec<&Arg<'_>>> = (0..width)
            .map(|column| rows.iter().filter_map(|row| row.get(column)).collect())
            .collect();
        let args: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| column as _).collect();
        self.client.execute(&statement, &args).await.map_err(failed)
    }

    pub(super) async fn batch(&self, name: &str, text: &str) -> Result<()> {
        let _talk = self.talk();
        self.client.batch_execute(text).await.map_err(|cause| from_postgres(name, cause))
    }

    fn talk(&self) -> Talk<'t> {
        self.talking.store(true, Ordering::Relaxed);
        Talk(self.talking)
    }
}

/// The driver panics when the number of arguments is wrong.
fn expect_arguments(expected: usize, found: usize, name: impl Fn() -> String) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::broken(name(), format!("it takes {expected} arguments and got {found}")))
}

struct Talk<'t>(&'t AtomicBool);

impl Drop for Talk<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
