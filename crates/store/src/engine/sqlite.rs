//! SQLite: one writer thread with group commit, readers in place.
//!
//! Every write is a closure that runs on the writer thread; up to [`GROUP`] of
//! them share one commit and one fsync, and nobody gets an answer before it.
//! Must never let one closure's failure reach another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, params_from_iter};
use tokio::sync::{mpsc, oneshot};

use super::{Seat, Settings, Tx, Visit, ready};
use crate::error::{Error, Result, from_sqlite};
use crate::sql::{Bulk, Sql};
use crate::value::{Arg, Row};
use crate::wake::{Topic, Wakes};

/// The most closures that share a commit.
const GROUP: usize = 64;

/// Writes that may wait for the writer; more wait before they queue.
const QUEUE: usize = 1_024;

/// The log begins anew at once when it is longer than this, and keeps no more than this on the disk.
const LONG_LOG: u64 = 64 << 20;
/// A page in the log, with its header.
const FRAME: u64 = 4_096 + 24;

/// How long a checkpoint lets writes pile up, and how long nothing must be
/// written before the log is cut back.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(100);
const IDLE: Duration = Duration::from_secs(1);

/// How long a statement waits for another *process* on the same file.
const BUSY: Duration = Duration::from_secs(5);

/// 3.7.0 to 3.51.2 could damage the file when a checkpoint met a writer
/// (sqlite.org/wal.html, "The WAL-reset bug"), which is what we do all day.
const OLDEST_SQLITE: i32 = 3_051_003;

/// An open SQLite database.
pub(crate) struct Lite {
    path: PathBuf,
    writer: mpsc::Sender<Message>,
    readers: Readers,
}

enum Message {
    Write(Box<dyn Write>),
    BeginLogAnew,
    CutLog,
    Close(oneshot::Sender<()>),
}

impl Lite {
    pub(crate) fn open(path: &Path, settings: &Settings, wakes: &Arc<Wakes>) -> Result<Self> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            let advice =
                format!("SQLite {} is too old: build with 3.51.3 or newer", rusqlite::version());
            return Err(Error::Unreachable {
                database: path.display().to_string(),
                advice,
                cause: None,
            });
        }
        make_file(path)?;
        let connection =
            connect_writer(path, settings).map_err(|cause| unreachable(path, cause))?;
        let (writer, messages) = mpsc::channel(QUEUE);
        let checkpoints = start_checkpoints(path, writer.downgrade())?;
        let thread = Writer { connection, wakes: Arc::clone(wakes), checkpoints };
        drop(spawn("lango-writer", path, move || thread.serve(messages))?);
        Ok(Self { path: path.to_owned(), writer, readers: Readers::new(path, settings) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn submit(&self, write: Box<dyn Write>) -> Result<()> {
        self.writer.send(Message::Write(write)).await.map_err(|_| Error::Closed)
    }

    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.writer.send(Message::Close(done)).await.is_ok() {
            // An error means that the thread is gone, which is what was asked for.
            let _ = closed.await;
        }
        self.readers.close();
    }

    /// Runs a reading closure in a snapshot of its own.
    pub(super) fn read<T, F>(&self, work: &F) -> Result<T>
    where
        F: AsyncFn(&mut Tx<'_>) -> Result<T>,
    {
        let mut reader = self.readers.take()?;
        reader.begin()?;
        let mut tx = Tx::new(Seat::Lite(&mut reader.connection));
        let answer = ready(|| work(&mut tx));
        let answer = tx.judge(answer);
        self.readers.give_back(reader);
        answer
    }

    /// Compiles a statement without running it.
    pub(crate) fn prepare(&self, text: &str) -> Result<()> {
        let reader = self.readers.take()?;
        let prepared = reader.connection.prepare(text).map(drop);
        self.readers.give_back(reader);
        prepared.map_err(|cause| from_sqlite("prepare", cause))
    }

    /// The lines of the statement's plan.
    pub(crate) fn explain(&self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<String>> {
        let reader = self.readers.take()?;
        let lines = explain(&reader.connection, sql, args);
        self.readers.give_back(reader);
        lines.map_err(|cause| from_sqlite(&sql.name(), cause))
    }

    /// The lines of the statement's plan before it has arguments.
    pub(crate) fn explain_unbound(&self, sql: Sql) -> Result<Vec<String>> {
        let reader = self.readers.take()?;
        let lines = explain_unbound(&reader.connection, sql);
        self.readers.give_back(reader);
        lines.map_err(|cause| from_sqlite(&sql.name(), cause))
    }

    /// One reading statement, without a transaction around it.
    pub(super) fn each(&self, sql: Sql, args: &[Arg<'_>], visit: Visit<'_>) -> Result<()> {
        let mut reader = self.readers.take()?;
        let done = each(&mut reader.connection, sql, args, visit);
        self.readers.give_back(reader);
        done
    }
}

fn unreachable(path: &Path, cause: rusqlite::Error) -> Error {
    let advice = match cause.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => "the file is not a SQLite database",
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => "the file is damaged: restore a backup",
        Some(rusqlite::ErrorCode::DatabaseBusy) => "another process holds it: stop that one first",
        _ => "check that the directory exists and belongs to the user who runs this program",
    };
    Error::Unreachable {
        database: format!("sqlite:{}", path.display()),
        advice: advice.to_owned(),
        cause: Some(Box::new(cause)),
    }
}

/// SQLite would make the file readable for everybody.
fn make_file(path: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    made.map(drop).map_err(|cause| {
        let advice =
            "check that the directory exists and belongs to the user who runs this program";
        Error::file("cannot open the database", path, advice, Some(cause))
    })
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn connect_writer(path: &Path, settings: &Settings) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = {LONG_LOG};
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF;
         PRAGMA cache_size = -{};",
        settings.sqlite_cache_kib
    ))?;
    if let Some(pages) = settings.sqlite_most_pages {
        connection.execute_batch(&format!("PRAGMA max_page_count = {pages};"))?;
    }
    connection.set_prepared_statement_cache_capacity(512);
    Ok(connection)
}

fn spawn(
    name: &'static str,
    path: &Path,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|cause| {
        Error::file("cannot start a thread for", path, "the system has no thread left", Some(cause))
    })
}

// ---- statements -------------------------------------------------------------------

pub(super) fn each(
    connection: &mut Connection,
    sql: Sql,
    args: &[Arg<'_>],
    visit: Visit<'_>,
) -> Result<()> {
    let failed = |error| from_sqlite(&sql.name(), error);
    let mut statement = connection.prepare_cached(sql.sqlite).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(args)).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        visit(&Row::lite(row, sql.at))?;
    }
    Ok(())
}

fn explain(connection: &Connection, sql: Sql, args: &[Arg<'_>]) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.sqlite))?;
    statement.query_map(params_from_iter(args), |row| row.get("detail"))?.collect()
}

fn explain_unbound(connection: &Connection, sql: Sql) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.sqlite))?;
    let mut rows = statement.raw_query();
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        lines.push(row.get("detail")?);
    }
    Ok(lines)
}

pub(super) fn execute(connection: &mut Connection, sql: Sql, args: &[Arg<'_>]) -> Result<u64> {
    let failed = |error| from_sqlite(&sql.name(), error);
    let mut statement = connection.prepare_cached(sql.sqlite).map_err(failed)?;
    statement.execute(params_from_iter(args)).map(count).map_err(failed)
}

pub(super) fn bulk(connection: &mut Connection, bulk: Bulk, rows: &[Vec<Arg<'_>>]) -> Result<u64> {
    let failed = |error| from_sqlite(&bulk.name(), error);
    let mut statement = connection.prepare_cached(bulk.sqlite).map_err(failed)?;
    let mut changed = 0;
    for row in rows {
        changed += statement.execute(params_from_iter(row)).map(count).map_err(failed)?;
    }
    Ok(changed)
}

pub(super) fn batch(connection: &mut Connection, name: &str, text: &str) -> Result<()> {
    connection.execute_batch(text).map_err(|error| from_sqlite(name, error))
}

fn count(rows: usize) -> u64 {
    rows as u64
}

/// A word of transaction control, kept prepared.
fn control(connection: &Connection, word: &'static str) -> Result<()> {
    let run = connection.prepare_cached(word).and_then(|mut statement| statement.execute([]));
    run.map(drop).map_err(|error| from_sqlite(word, error))
}

// ---- readers ----------------------------------------------------------------------

/// Read-only connections. Reads run in place, so there are never more in use than
/// threads; those beyond `most` are closed after use.
struct Readers {
    path: PathBuf,
    most: usize,
    cache_kib: u32,
    /// `None` once the store is closed.
    idle: Mutex<Option<Vec<Reader>>>,
}

struct Reader {
    connection: Connection,
}

impl Reader {
    fn begin(&self) -> Result<()> {
        control(&self.connection, "BEGIN")
    }
}

impl Readers {
    fn new(path: &Path, settings: &Settings) -> Self {
        Self {
            path: path.to_owned(),
            most: settings.sqlite_readers,
            cache_kib: settings.sqlite_cache_kib,
            idle: Mutex::new(Some(Vec::new())),
        }
    }

    fn take(&self) -> Result<Reader> {
        let kept = match self.idle().as_mut() {
            None => return Err(Error::Closed),
            Some(idle) => idle.pop(),
        };
        match kept {
            Some(reader) => Ok(reader),
            None => self.connect().map_err(|cause| unreachable(&self.path, cause)),
        }
    }

    fn connect(&self) -> rusqlite::Result<Reader> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.execute_batch(&format!(
            "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;
             PRAGMA cache_size = -{};",
            self.cache_kib
        ))?;
        connection.set_prepared_statement_cache_capacity(512);
        Ok(Reader { connection })
    }

    fn give_back(&self, reader: Reader) {
        // Left open, the snapshot would keep the log from ever being cut back.
        if !reader.connection.is_autocommit() && control(&reader.connection, "ROLLBACK").is_err() {
            return;
        }
        if let Some(idle) = self.idle().as_mut().filter(|idle| idle.len() < self.most) {
            idle.push(reader);
        }
    }

    fn close(&self) {
        self.idle().take();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Option<Vec<Reader>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// ---- the writer -------------------------------------------------------------------

/// A closure on its way through the writer thread.
pub(super) trait Write: Send {
    /// Runs it, perhaps not for the first time; whether to keep what it wrote.
    /// Never panics.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;

    /// Answers the caller: with the closure's own answer, unless the commit failed.
    fn settle(self: Box<Self>, commit: Result<()>);
}

/// The caller's closure and the place of its answer.
pub(super) struct Closure<T, F> {
    work: F,
    keep: fn(&T) -> bool,
    answer: Option<Result<T>>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T, F> Closure<T, F>
where
    T: Send + 'static,
    F: AsyncFn(&mut Tx<'_>) -> Result<T> + Send + 'static,
{
    pub(super) fn boxed(
        work: F,
        keep: fn(&T) -> bool,
    ) -> (Box<dyn Write>, oneshot::Receiver<Result<T>>) {
        let (caller, answer) = oneshot::channel();
        (Box::new(Self { work, keep, answer: None, caller }), answer)
    }
}

impl<T, F> Write for Closure<T, F>
where
    T: Send + 'static,
    F: AsyncFn(&mut Tx<'_>) -> Result<T> + Send + 'static,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        self.answer = None;
        let answer = ready(|| (self.work)(tx));
        let answer = tx.judge(answer);
        let keep = answer.as_ref().is_ok_and(self.keep);
        self.answer = Some(answer);
        keep
    }

    fn settle(self: Box<Self>, commit: Result<()>) {
        let answer = match (self.answer, commit) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(fault)) => Err(fault),
            (Some(answer), Ok(())) => answer,
            (None, Ok(())) => Err(Error::Closed),
        };
        // The caller may have stopped waiting.
        let _ = self.caller.send(answer);
    }
}

/// What is undone when one of a group must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undo {
    Everything,
    Each,
}

struct Writer {
    connection: Connection,
    wakes: Arc<Wakes>,
    checkpoints: Checkpoints,
}

impl Writer {
    fn serve(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(message) = messages.blocking_recv() {
            let other = self.gather_and_commit(message, &mut messages);
            match other {
                None | Some(Message::Write(_)) => {}
                // While the file grows, every commit has to make its new length durable too: it
                // stays as long as it is.
                Some(Message::BeginLogAnew) => self.cut_log("PRAGMA wal_checkpoint(RESTART)"),
                Some(Message::CutLog) => self.cut_log("PRAGMA wal_checkpoint(TRUNCATE)"),
                Some(Message::Close(done)) => {
                    messages.close();
                    self.finish(messages);
                    let _ = done.send(());
                    return;
                }
            }
        }
        self.finish(messages);
    }

    /// Commits this write together with those that wait behind it, up to the
    /// first message that is something else, which is returned.
    fn gather_and_commit(
        &mut self,
        first: Message,
        messages: &mut mpsc::Receiver<Message>,
    ) -> Option<Message> {
        let Message::Write(first) = first else {
            return Some(first);
        };
        let mut group = vec![first];
        let mut other = None;
        while group.len() < GROUP && other.is_none() {
            match messages.try_recv() {
                Ok(Message::Write(write)) => group.push(write),
                Ok(message) => other = Some(message),
                Err(_) => break,
            }
        }
        self.commit(group);
        // A full channel means that a checkpoint is already asked for.
        let _ = self.checkpoints.commits.try_send(());
        other
    }

    /// What is still queued was accepted, so it is done before closing.
    fn finish(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(message) = messages.blocking_recv() {
            if let Some(Message::Close(done)) = self.gather_and_commit(message, &mut messages) {
                let _ = done.send(());
            }
        }
        self.cut_log("PRAGMA wal_checkpoint(TRUNCATE)");
        // Whoever waits for the end may want to replace the file next.
        self.checkpoints.end();
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the database could not be closed in order");
        }
    }

    /// Together if that works; else each alone, so that the one that made the
    /// commit fail (a deferred rule, the last page of a disk) fails alone.
    fn commit(&mut self, mut group: Vec<Box<dyn Write>>) {
        match self.commit_together(&mut group) {
            Ok(()) => group.into_iter().for_each(|write| write.settle(Ok(()))),
            Err(error) if group.len() == 1 => {
                group.into_iter().for_each(|write| write.settle(Err(repeat(&error))));
            }
            Err(error) => {
                tracing::debug!(%error, writes = group.len(), "group commit failed, one by one");
                group.into_iter().for_each(|write| self.commit(vec![write]));
            }
        }
    }

    /// One transaction for all; `Err` means nothing is stored.
    ///
    /// Only if one of several must be undone they run again, each in a savepoint. With a savepoint
    /// open, SQLite keeps every page as it was and walks along all that it kept at the end of each
    /// statement: what ends 50,000 sessions took minutes.
    fn commit_together(&mut self, group: &mut [Box<dyn Write>]) -> Result<()> {
        let is_done = self.transact(group, Undo::Everything)? || group.len() == 1;
        if is_done { Ok(()) } else { self.transact(group, Undo::Each).map(drop) }
    }

    /// False: everything was undone, because one of them had to be.
    fn transact(&mut self, group: &mut [Box<dyn Write>], undo: Undo) -> Result<bool> {
        control(&self.connection, "BEGIN IMMEDIATE")?;
        let done = self.run_all(group, undo).and_then(|wakes| match wakes {
            Some(wakes) => {
                control(&self.connection, "COMMIT")?;
                self.wakes.fire(&wakes);
                Ok(true)
            }
            None => Ok(false),
        });
        if !self.connection.is_autocommit() {
            control(&self.connection, "ROLLBACK")?;
        }
        done
    }

    /// Whom to wake afterwards; none if everything must be undone.
    fn run_all(
        &mut self,
        group: &mut [Box<dyn Write>],
        undo: Undo,
    ) -> Result<Option<BTreeSet<Topic>>> {
        let mut wakes = BTreeSet::new();
        for write in group {
            if undo == Undo::Each {
                control(&self.connection, "SAVEPOINT one")?;
            }
            let changes_before = self.connection.total_changes();
            let mut tx = Tx::new(Seat::Lite(&mut self.connection));
            let keep = write.run(&mut tx);
            let mut asked = std::mem::take(&mut tx.wakes);
            let has_batched = tx.has_batched;
            // A full disk or a failed read makes SQLite undo the whole transaction.
            if self.connection.is_autocommit() {
                return Err(Error::broken("group commit", "SQLite undid the transaction"));
            }
            let has_changed = has_batched || self.connection.total_changes() != changes_before;
            match (keep, undo) {
                (true, _) => wakes.append(&mut asked),
                (false, Undo::Each) => control(&self.connection, "ROLLBACK TO one")?,
                (false, Undo::Everything) if has_changed => return Ok(None),
                (false, Undo::Everything) => {}
            }
            if undo == Undo::Each {
                control(&self.connection, "RELEASE one")?;
            }
        }
        Ok(Some(wakes))
    }

    /// Moves the log into the file and begins it anew, unless a reader is in the
    /// way, who must not hold up the writes.
    fn cut_log(&mut self, how: &str) {
        let cut = self
            .connection
            .busy_timeout(Duration::from_millis(20))
            .and_then(|()| checkpoint(&self.connection, how))
            .and_then(|_| self.connection.busy_timeout(BUSY));
        if let Err(error) = cut {
            tracing::warn!(%error, "the log of the database could not be cut back");
        }
    }
}

/// The fault of a commit of one, as its caller gets it.
fn repeat(error: &Error) -> Error {
    match error {
        Error::Full { attempted } => Error::Full { attempted: attempted.clone() },
        Error::MissingReference { attempted } => {
            Error::MissingReference { attempted: attempted.clone() }
        }
        Error::Retry { attempted, cause } => {
            Error::Retry { attempted: attempted.clone(), cause: cause.to_string().into() }
        }
        other => Error::broken("commit", other.to_string()),
    }
}

// ---- checkpoints ------------------------------------------------------------------

/// A thread that moves the log into the file beside the writer. It sleeps while
/// nothing is written, and asks the writer to cut the log when a burst is over.
fn start_checkpoints(path: &Path, writer: mpsc::WeakSender<Message>) -> Result<Checkpoints> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|cause| unreachable(path, cause))?;
    let (commits, committed) = std_mpsc::sync_channel(1);
    let keep = move || keep_log_short(&connection, &committed, &writer);
    Ok(Checkpoints { commits, thread: spawn("lango-checkpoint", path, keep)? })
}

/// The checkpoint thread, as the writer sees it.
struct Checkpoints {
    commits: std_mpsc::SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Checkpoints {
    fn end(self) {
        drop(self.commits);
        if self.thread.join().is_err() {
            tracing::warn!("the checkpoint thread had panicked");
        }
    }
}

fn keep_log_short(
    connection: &Connection,
    committed: &std_mpsc::Receiver<()>,
    writer: &mpsc::WeakSender<Message>,
) {
    while committed.recv().is_ok() {
        loop {
            if let Err(std_mpsc::RecvTimeoutError::Disconnected) = let_pile_up(committed) {
                return;
            }
            match checkpoint(connection, PASSIVE) {
                Ok(log) if log > LONG_LOG => begin_anew(connection, writer),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "checkpoint failed, the log grows until it succeeds");
                }
            }
            match committed.recv_timeout(IDLE) {
                Ok(()) => {}
                Err(std_mpsc::RecvTimeoutError::Timeout) => break,
                Err(std_mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
        if let Some(writer) = writer.upgrade() {
            // A full queue means that it is not idle after all.
            let _ = writer.try_send(Message::CutLog);
        }
    }
}

/// A log that is written to all the time begins anew only if the writer sees to it, with what little
/// is left to be moved by then.
fn begin_anew(connection: &Connection, writer: &mpsc::WeakSender<Message>) {
    let Some(writer) = writer.upgrade() else { return };
    // A fault shows the next time too; a full queue means that the next period asks again.
    let _ = checkpoint(connection, PASSIVE);
    let _ = writer.try_send(Message::BeginLogAnew);
}

/// Waits for one period, or shorter when the store closes.
fn let_pile_up(committed: &std_mpsc::Receiver<()>) -> Result<(), std_mpsc::RecvTimeoutError> {
    let end = Instant::now() + CHECKPOINT_EVERY;
    loop {
        match committed.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(()) if Instant::now() < end => {}
            Ok(()) | Err(std_mpsc::RecvTimeoutError::Timeout) => return Ok(()),
            Err(gone) => return Err(gone),
        }
    }
}

const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Moves what is in the log into the file; how many bytes the log has.
fn checkpoint(connection: &Connection, pragma: &str) -> rusqlite::Result<u64> {
    // Busy, frames in the log, frames moved; -1 where there is no log
    // (sqlite.org/pragma.html#pragma_wal_checkpoint).
    let frames: i64 = connection.query_row(pragma, [], |row| row.get(1))?;
    Ok(u64::try_from(frames).unwrap_or_default() * FRAME)
}
