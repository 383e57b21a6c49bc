//! The store and its transactions: the only place that knows there are two
//! databases.
//!
//! A domain operation is one async function over [`Tx`] that runs unchanged on
//! both. Must never let a caller see which one it is, and must never
//! acknowledge a write before it is durable.

mod postgres;
mod sqlite;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::sql::{Bulk, Sql};
use crate::value::{Arg, FromRow, Row, ToArgs};
use crate::wake::{Subscription, Topic, Wakes};

pub(crate) use postgres::{Direct, Pg, within};
pub(crate) use sqlite::{Lite, with_suffix};

/// Where the data is: `sqlite:PATH` or `postgres://user:password@host/name`.
#[derive(Clone)]
pub struct DatabaseUrl {
    place: Place,
}

#[derive(Clone)]
enum Place {
    Lite(PathBuf),
    Pg(Box<tokio_postgres::Config>),
}

impl DatabaseUrl {
    /// A SQLite file.
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::Lite(path.into()) }
    }

    /// The file, when this is SQLite.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.place {
            Place::Lite(path) => Some(path),
            Place::Pg(_) => None,
        }
    }

    pub(crate) fn postgres_config(&self) -> Option<&tokio_postgres::Config> {
        match &self.place {
            Place::Lite(_) => None,
            Place::Pg(config) => Some(config),
        }
    }

    /// The same server, another database.
    pub(crate) fn with_database(&self, name: &str) -> Self {
        let mut other = self.clone();
        if let Place::Pg(config) = &mut other.place {
            config.dbname(name);
        }
        other
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unreachable = |advice: &str, cause| Error::Unreachable {
            database: text.split(':').next().unwrap_or_default().to_owned() + ":…",
            advice: advice.to_owned(),
            cause,
        };
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err(unreachable("write the path of the file: sqlite:/var/lib/lango/lango.db", None))
            } else {
                Ok(Self::sqlite(path))
            };
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(unreachable("it must begin with sqlite: or postgres://", None));
        }
        let config: tokio_postgres::Config = text.parse().map_err(|cause| {
            unreachable("this is not an address of PostgreSQL", Some(Box::new(cause)))
        })?;
        Ok(Self { place: Place::Pg(Box::new(config)) })
    }
}

/// The address without its password.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use tokio_postgres::config::Host;
        match &self.place {
            Place::Lite(path) => write!(f, "sqlite:{}", path.display()),
            Place::Pg(config) => {
                let hosts: Vec<String> = config
                    .get_hosts()
                    .iter()
                    .map(|host| match host {
                        Host::Tcp(name) => name.clone(),
                        Host::Unix(path) => path.display().to_string(),
                    })
                    .collect();
                let name = config.get_dbname().unwrap_or_default();
                write!(f, "postgres://{}/{name}", hosts.join(","))
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How much a store may use.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections to PostgreSQL, without the one that listens.
    pub postgres_connections: usize,
    /// How long to wait for one of them before the operation fails.
    pub wait_for_connection: Duration,
    /// SQLite connections kept open for reading.
    pub sqlite_readers: usize,
    /// Page cache of each SQLite connection, in KiB.
    pub sqlite_cache_kib: u32,
    /// The largest SQLite file in pages of 4 KiB; a write beyond it fails with
    /// [`Error::Full`].
    pub sqlite_most_pages: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            postgres_connections: 8,
            wait_for_connection: Duration::from_secs(10),
            sqlite_readers: 8,
            sqlite_cache_kib: 32_000,
            sqlite_most_pages: None,
        }
    }
}

/// The database. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    url: DatabaseUrl,
    engine: Engine,
    wakes: Arc<Wakes>,
}

enum Engine {
    Lite(Lite),
    Pg(Pg),
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.inner.url)
    }
}

impl Store {
    /// Opens the database; makes the file when SQLite has none yet. Run the
    /// [migrations](crate::migrations) next.
    ///
    /// # Errors
    /// [`Error::Unreachable`] with what to do.
    pub async fn open(url: &DatabaseUrl, settings: Settings) -> Result<Self> {
        let wakes = Arc::new(Wakes::default());
        let engine = match &url.place {
            Place::Lite(path) => Engine::Lite(Lite::open(path, &settings, &wakes)?),
            Place::Pg(config) => Engine::Pg(Pg::open(url, config, &settings, &wakes).await?),
        };
        Ok(Self { inner: Arc::new(Inner { url: url.clone(), engine, wakes }) })
    }

    /// Where this store is.
    #[must_use]
    pub fn url(&self) -> &DatabaseUrl {
        &self.inner.url
    }

    /// Runs a transaction that writes. When this returns `Ok`, it is durable.
    ///
    /// The closure may run several times (a conflict with another node, a
    /// neighbour in the same group commit that failed), so it must do nothing
    /// but talk to its `tx`. On SQLite dropping the future does not stop it; on
    /// PostgreSQL it is undone.
    ///
    /// Write `async move` and let the closure own what it captures: numbers,
    /// `String`, `Arc`, whole structs. One that captures a reference compiles, but
    /// its future cannot be given to `tokio::spawn` ("`Send` is not general
    /// enough", rust-lang/rust#110338). The same holds for [`Store::read`].
    ///
    /// PostgreSQL runs it on one snapshot (REPEATABLE READ): a row changed by
    /// somebody else since is a retry, so read-then-write is safe *for the rows
    /// it writes*. A rule across rows that it only reads needs a unique index or
    /// `FOR_UPDATE` on a row that all contenders touch.
    ///
    /// # Errors
    /// The closure's error, after everything was undone; or a fault of the commit.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    {
        self.run(work, |_| true).await
    }

    /// Like [`Store::write`] for an operation that may refuse: an inner `Err` is
    /// a normal outcome, and everything it had written is undone.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn attempt<T, R, F>(&self, work: F) -> Result<Result<T, R>>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: AsyncFn(&mut Tx<'_>) -> Result<Result<T, R>> + Send + Sync + 'static,
    {
        self.run(work, Result::is_ok).await
    }

    async fn run<T, F>(&self, work: F, keep: fn(&T) -> bool) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    {
        match &self.inner.engine {
            Engine::Lite(lite) => {
                let (write, answer) = sqlite::Closure::boxed(work, keep);
                lite.submit(write).await?;
                answer.await.map_err(|_| Error::Closed)?
            }
            Engine::Pg(pg) => pg.write(&work, keep, &self.inner.wakes).await,
        }
    }

    /// Runs a transaction that only reads, on one snapshot. On SQLite it runs
    /// here and now, on the calling thread: for point reads and short lists.
    ///
    /// # Errors
    /// The closure's error, or a fault of the database.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        F: AsyncFn(&mut Tx<'_>) -> Result<T>,
    {
        match &self.inner.engine {
            Engine::Lite(lite) => {
                // Reads never yield by themselves: a loop of them would starve
                // the other tasks of this thread.
                tokio::task::coop::consume_budget().await;
                lite.read(&work)
            }
            Engine::Pg(pg) => pg.read(&work).await,
        }
    }

    /// Like [`Store::read`] for what takes long, such as reports and exports: on
    /// SQLite it runs on a thread of its own.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn report<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    {
        if let Engine::Pg(pg) = &self.inner.engine {
            return pg.read(&work).await;
        }
        let store = self.clone();
        let run = move || match &store.inner.engine {
            Engine::Lite(lite) => lite.read(&work),
            Engine::Pg(_) => Err(Error::Closed),
        };
        tokio::task::spawn_blocking(run).await.map_err(|_| Error::Closed)?
    }

    /// All rows of one reading statement, without the round trips of a transaction.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn all<T: FromRow + Send>(&self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        self.each(sql, args, &mut |row| {
            rows.push(T::from_row(row)?);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// The first row of one reading statement, if there is one.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn optional<T: FromRow + Send>(
        &self,
        sql: Sql,
        args: &[Arg<'_>],
    ) -> Result<Option<T>> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// The only row of one reading statement.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none, or a fault of the database.
    pub async fn one<T: FromRow + Send>(&self, sql: Sql, args: &[Arg<'_>]) -> Result<T> {
        self.optional(sql, args).await?.ok_or_else(|| Error::Missing { attempted: sql.name() })
    }

    async fn each(&self, sql: Sql, args: &[Arg<'_>], visit: Visit<'_>) -> Result<()> {
        match &self.inner.engine {
            Engine::Lite(lite) => {
                tokio::task::coop::consume_budget().await;
                lite.each(sql, args, visit)
            }
            Engine::Pg(pg) => pg.each(sql, args, visit).await,
        }
    }

    /// A place to wait for wakes of this topic, from this node or another.
    #[must_use]
    pub fn subscribe(&self, topic: Topic) -> Subscription {
        self.inner.wakes.subscribe(topic)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn ping(&self) -> Result<()> {
        const PING: Sql = crate::sql!("SELECT 1");
        self.one::<i64>(PING, &[]).await.map(drop)
    }

    /// Finishes what is queued and closes the database. Other clones of this
    /// store get [`Error::Closed`] from then on.
    pub async fn close(&self) {
        match &self.inner.engine {
            Engine::Lite(lite) => lite.close().await,
            Engine::Pg(pg) => pg.close(),
        }
    }

    pub(crate) fn lite(&self) -> Option<&Lite> {
        match &self.inner.engine {
            Engine::Lite(lite) => Some(lite),
            Engine::Pg(_) => None,
        }
    }

    pub(crate) fn pg(&self) -> Option<&Pg> {
        match &self.inner.engine {
            Engine::Lite(_) => None,
            Engine::Pg(pg) => Some(pg),
        }
    }
}

/// What is done with each row of a result.
pub(crate) type Visit<'v> = &'v mut (dyn FnMut(&Row<'_>) -> Result<()> + Send);

/// A transaction. After a failed statement it takes no further one.
pub struct Tx<'t> {
    seat: Seat<'t>,
    failed: bool,
    /// Statements were run that are not counted as changes of rows.
    has_batched: bool,
    wakes: BTreeSet<Topic>,
}

enum Seat<'t> {
    /// `&mut`, although `&` would do: a shared borrow of a connection cannot move
    /// to another thread, and the futures of operations must.
    Lite(&'t mut rusqlite::Connection),
    Pg(postgres::Seat<'t>),
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("failed", &self.failed).field("wakes", &self.wakes).finish()
    }
}

impl<'t> Tx<'t> {
    fn new(seat: Seat<'t>) -> Self {
        Self { seat, failed: false, has_batched: false, wakes: BTreeSet::new() }
    }

    /// All rows.
    ///
    /// # Errors
    /// A fault of the database, or of a column.
    pub async fn all<T: FromRow + Send>(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        self.each(sql, args, &mut |row| {
            rows.push(T::from_row(row)?);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// A fault of the database, or of a column.
    pub async fn optional<T: FromRow + Send>(
        &mut self,
        sql: Sql,
        args: &[Arg<'_>],
    ) -> Result<Option<T>> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// The only row.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none; a fault of the database, or of a column.
    pub async fn one<T: FromRow + Send>(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<T> {
        self.optional(sql, args).await?.ok_or_else(|| Error::Missing { attempted: sql.name() })
    }

    /// Runs a statement without rows; returns how many rows it changed.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn execute(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<u64> {
        self.refuse_after_failure()?;
        let done = match &mut self.seat {
            Seat::Lite(connection) => sqlite::execute(connection, sql, args),
            Seat::Pg(seat) => seat.execute(sql, args).await,
        };
        self.note(done)
    }

    /// Runs a bulk statement for all rows; returns how many rows it changed.
    /// PostgreSQL refuses an upsert that meets one key twice in one call.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn bulk<R: ToArgs>(&mut self, bulk: Bulk, rows: &[R]) -> Result<u64> {
        let rows: Vec<Vec<Arg<'_>>> = rows.iter().map(ToArgs::to_args).collect();
        self.bulk_args(bulk, &rows).await
    }

    async fn bulk_args(&mut self, bulk: Bulk, rows: &[Vec<Arg<'_>>]) -> Result<u64> {
        self.refuse_after_failure()?;
        if rows.is_empty() {
            return Ok(0);
        }
        let done = match &mut self.seat {
            Seat::Lite(connection) => sqlite::bulk(connection, bulk, rows),
            Seat::Pg(seat) => seat.bulk(bulk, rows).await,
        };
        self.note(done)
    }

    /// Asks for a wake of this topic once the transaction is committed.
    pub fn wake(&mut self, topic: Topic) {
        self.wakes.insert(topic);
    }

    async fn each(&mut self, sql: Sql, args: &[Arg<'_>], visit: Visit<'_>) -> Result<()> {
        self.refuse_after_failure()?;
        let done = match &mut self.seat {
            Seat::Lite(connection) => sqlite::each(connection, sql, args, visit),
            Seat::Pg(seat) => seat.each(sql, args, visit).await,
        };
        self.note(done)
    }

    /// Runs several statements without arguments, such as a migration.
    pub(crate) async fn batch(&mut self, name: &str, text: &str) -> Result<()> {
        self.refuse_after_failure()?;
        self.has_batched = true;
        let done = match &mut self.seat {
            Seat::Lite(connection) => sqlite::batch(connection, name, text),
            Seat::Pg(seat) => seat.batch(name, text).await,
        };
        self.note(done)
    }

    /// Which of two texts to run; for DDL words only.
    pub(crate) fn pick<'w>(&self, sqlite: &'w str, postgres: &'w str) -> &'w str {
        match self.seat {
            Seat::Lite(_) => sqlite,
            Seat::Pg(_) => postgres,
        }
    }

    fn refuse_after_failure(&self) -> Result<()> {
        if self.failed { Err(Error::Poisoned) } else { Ok(()) }
    }

    fn note<T>(&mut self, done: Result<T>) -> Result<T> {
        self.failed |= done.is_err();
        done
    }

    /// What the closure's answer is worth: an `Ok` after a failed statement is not.
    fn judge<T>(&self, answer: Result<T>) -> Result<T> {
        if self.failed && answer.is_ok() { Err(Error::Poisoned) } else { answer }
    }
}

/// Starts and polls a future that must be ready at once, because SQLite's
/// operations are.
fn ready<T, Work: Future<Output = Result<T>>>(start: impl FnOnce() -> Work) -> Result<T> {
    let poll = || pin!(start()).poll(&mut Context::from_waker(Waker::noop()));
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)) {
        Ok(Poll::Ready(answer)) => answer,
        Ok(Poll::Pending) => Err(Error::ForeignAwait),
        Err(panic) => Err(panicked(panic.as_ref())),
    }
}

/// Polls a future that may only wait while its transaction talks to the server.
async fn while_talking<T>(
    future: impl Future<Output = Result<T>>,
    talking: &AtomicBool,
) -> Result<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        let poll = std::panic::AssertUnwindSafe(|| future.as_mut().poll(context));
        match std::panic::catch_unwind(poll) {
            Ok(Poll::Ready(answer)) => Poll::Ready(answer),
            Ok(Poll::Pending) if talking.load(Ordering::Relaxed) => Poll::Pending,
            Ok(Poll::Pending) => Poll::Ready(Err(Error::ForeignAwait)),
            Err(panic) => Poll::Ready(Err(panicked(panic.as_ref()))),
        }
    })
    .await
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned());
    Error::Panicked { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_never_shows_its_password() {
        let url: DatabaseUrl = "postgres://lango:geheim@db.example/lango".parse().unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "postgres://db.example/lango postgres://db.example/lango"
        );
        let file: DatabaseUrl = "sqlite:/var/lib/lango/lango.db".parse().unwrap();
        assert_eq!(file.sqlite_path(), Some(Path::new("/var/lib/lango/lango.db")));
        for wrong in ["sqlite:", "mysql://x:geheim@y", "postgres://x:geheim@y:port/z"] {
            let error = wrong.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
