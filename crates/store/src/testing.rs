//! Fresh stores for tests, on both databases.
//!
//! SQLite is the real thing: a file with a log, in memory where the system has
//! such a directory. PostgreSQL is a server named by `LANGO_TEST_POSTGRES`
//! (`scripts/test-postgres` starts one); without it such a test fails and says
//! so. Must never be used outside tests: its databases are deleted.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::engine::{DatabaseUrl, Settings, Store};
use crate::migrations::{Migration, migrate};

/// A store that is deleted when the test ends.
#[derive(Debug)]
pub struct TestStore {
    store: Store,
    place: TestDatabase,
}

impl TestStore {
    /// Another way to the same database, as another program has it.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn open_again(&self) -> Store {
        self.place.open(Settings { postgres_connections: 4, ..Settings::default() }).await
    }
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// The place of a database, deleted on drop.
#[derive(Debug)]
pub struct TestDatabase {
    url: DatabaseUrl,
    cleanup: Cleanup,
}

#[derive(Debug)]
enum Cleanup {
    Directory(PathBuf),
    Database { admin: DatabaseUrl, name: String },
}

impl TestDatabase {
    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// A new directory for a SQLite file.
    ///
    /// # Panics
    /// When the directory cannot be made.
    #[must_use]
    pub fn sqlite() -> Self {
        let directory = temporary_directory();
        let url = DatabaseUrl::sqlite(directory.join("lango.db"));
        Self { url, cleanup: Cleanup::Directory(directory) }
    }

    /// A new database on the test server, copied from one that has these
    /// migrations already.
    ///
    /// # Panics
    /// When `LANGO_TEST_POSTGRES` is not set or the server does not do it.
    pub async fn postgres(migrations: &'static [Migration]) -> Self {
        let admin = postgres_server();
        let template = template(&admin, migrations).await;
        let name = format!("lango_test_{:016x}", fastrand::u64(..));
        run(&admin, &format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await
            .expect("the test server makes a database");
        let url = admin.with_database(&name);
        Self { url, cleanup: Cleanup::Database { admin, name } }
    }

    /// A store at this place.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn open(&self, settings: Settings) -> Store {
        Store::open(&self.url, settings).await.expect("the test database opens")
    }
}

/// A fresh SQLite store with these migrations.
///
/// # Panics
/// When that is not possible.
pub async fn sqlite(migrations: &'static [Migration]) -> TestStore {
    let place = TestDatabase::sqlite();
    let store = place.open(Settings::default()).await;
    migrate(&store, migrations, 0).await.expect("the migrations apply to SQLite");
    TestStore { store, place }
}

/// A fresh PostgreSQL store with these migrations.
///
/// # Panics
/// When `LANGO_TEST_POSTGRES` is not set, or the server does not do it.
pub async fn postgres(migrations: &'static [Migration]) -> TestStore {
    let place = TestDatabase::postgres(migrations).await;
    let settings = Settings { postgres_connections: 4, ..Settings::default() };
    TestStore { store: place.open(settings).await, place }
}

/// A new directory, in memory if the system has one there.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn temporary_directory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let name = format!("lango-test-{}-{:016x}", std::process::id(), fastrand::u64(..));
    let directory = parent.join(name);
    std::fs::create_dir(&directory).expect("the temporary directory can be written");
    directory
}

/// Leaves a database no room for anything new. For SQLite the store must have been opened with so
/// many pages at most; PostgreSQL answers new rows of what RADIUS writes as a full disk does.
///
/// # Panics
/// When that is not possible.
pub async fn fill_disk(url: &DatabaseUrl, most_pages: u32) {
    let Some(path) = url.sqlite_path() else {
        return run(url, FULL).await.expect("the test server makes triggers");
    };
    let ballast = rusqlite::Connection::open(path).expect("the test database opens");
    ballast.busy_timeout(Duration::from_secs(5)).expect("it can be told to wait");
    ballast.execute_batch("CREATE TABLE IF NOT EXISTS ballast (it BLOB)").expect("it is made");
    loop {
        let pages: u32 = ballast
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .expect("pages can be counted");
        if pages >= most_pages {
            return;
        }
        ballast.execute_batch("INSERT INTO ballast VALUES (zeroblob(8000))").expect("it fits");
    }
}

/// Gives it room again.
///
/// # Panics
/// When that is not possible.
pub async fn free_disk(url: &DatabaseUrl) {
    let Some(path) = url.sqlite_path() else {
        return run(url, NOT_FULL).await.expect("the test server drops triggers");
    };
    let ballast = rusqlite::Connection::open(path).expect("the test database opens");
    ballast.busy_timeout(Duration::from_secs(5)).expect("it can be told to wait");
    ballast.execute_batch("DELETE FROM ballast").expect("it is thrown out");
}

/// 53100 is disk_full.
const FULL: &str = "
    CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER no_room BEFORE INSERT ON radius_sessions
        FOR EACH ROW EXECUTE FUNCTION no_room();
    CREATE TRIGGER no_room BEFORE INSERT ON activity
        FOR EACH ROW EXECUTE FUNCTION no_room();";
const NOT_FULL: &str = "DROP FUNCTION no_room CASCADE";

fn postgres_server() -> DatabaseUrl {
    let Ok(url) = std::env::var("LANGO_TEST_POSTGRES") else {
        panic!("this test needs PostgreSQL: export LANGO_TEST_POSTGRES=$(scripts/test-postgres)");
    };
    url.parse().expect("LANGO_TEST_POSTGRES is an address of PostgreSQL")
}

/// The database to copy. Test processes race to make it; the rename decides.
async fn template(admin: &DatabaseUrl, migrations: &'static [Migration]) -> String {
    let sum: String = migrations.iter().map(Migration::checksum).collect();
    let digest = ring::digest::digest(&ring::digest::SHA256, sum.as_bytes());
    let name: String = digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("lango_template_{name}");
    if exists(admin, &name).await {
        return name;
    }
    let building = format!("lango_building_{:016x}", fastrand::u64(..));
    run(admin, &format!("CREATE DATABASE {building}")).await.expect("the test server makes one");
    let settings = Settings { postgres_connections: 1, ..Settings::default() };
    let store = Store::open(&admin.with_database(&building), settings).await;
    let store = store.expect("the new database opens");
    migrate(&store, migrations, 0).await.expect("the migrations apply to PostgreSQL");
    drop(store);
    run(admin, &end_sessions(&building)).await.expect("sessions can be ended");
    if run(admin, &format!("ALTER DATABASE {building} RENAME TO {name}")).await.is_err() {
        // Somebody else was first.
        run(admin, &format!("DROP DATABASE {building} WITH (FORCE)")).await.expect("it is ours");
        assert!(exists(admin, &name).await, "the template {name} could not be made");
    }
    name
}

fn end_sessions(database: &str) -> String {
    format!(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'"
    )
}

async fn exists(admin: &DatabaseUrl, name: &str) -> bool {
    let client = connect(admin).await.expect("the test server answers");
    let found = client.query("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await;
    !found.expect("databases can be listed").is_empty()
}

async fn run(admin: &DatabaseUrl, statement: &str) -> Result<(), tokio_postgres::Error> {
    let client = connect(admin).await?;
    loop {
        match client.batch_execute(statement).await {
            // Another test copies the same template right now.
            Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            done => return done,
        }
    }
}

async fn connect(admin: &DatabaseUrl) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let config = admin.postgres_config().expect("tests on PostgreSQL have its address");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        match &self.cleanup {
            Cleanup::Directory(directory) => remove_directory(directory),
            Cleanup::Database { admin, name } => drop_database(admin.clone(), name.clone()),
        }
    }
}

/// The writer of a store that was just dropped may still be closing its files, so
/// the directory is asked for until it is gone.
fn remove_directory(directory: &Path) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while std::fs::remove_dir_all(directory).is_err() && directory.exists() {
        if Instant::now() > deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A drop cannot await and may run inside a runtime, so a thread does it.
fn drop_database(admin: DatabaseUrl, name: String) {
    let dropped = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(|runtime| {
            runtime.block_on(run(&admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")))
        })
    });
    // A database that stays behind has our name in it; the next start of the test
    // server removes it.
    let _ = dropped.join();
}

/// The instant now in µs, for what tests do not control.
#[must_use]
pub fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
