//! The application is built here and nowhere else: the database opened and brought up to date, the
//! secret key found and checked against it.

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use lango_store::secrets::SecretKey;
use lango_store::{DatabaseUrl, Settings, Store, Tx, migrations, schema};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The fact that says which key sealed the database.
const KEY_MARK: &str = "key mark";

/// Whether a database may be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// There must be one.
    Existing,
    /// One is made if there is none, and its key with it.
    MadeIfMissing,
}

/// Why the application could not be built.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing there.
    #[error("there is no database at {0} yet: run `lango init`")]
    NoDatabase(DatabaseUrl),
    /// The directory cannot be made.
    #[error("cannot make the data directory {path}: choose another with --data-dir")]
    NoDirectory {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The key is gone.
    #[error(
        "the secret key {path} is missing, and nothing sealed in {database} can be opened without \
         it: put it back from where you keep a copy, or set LANGO_SECRET_KEY"
    )]
    NoKey {
        /// Where it should be.
        path: PathBuf,
        /// Of which database.
        database: DatabaseUrl,
    },
    /// The key is another's.
    #[error(
        "the secret key in {key} is not the one that sealed {database}: put back the key that \
         belongs to this database; no password of a router or customer opens with another"
    )]
    WrongKey {
        /// Where it is from.
        key: String,
        /// Of which database.
        database: DatabaseUrl,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] lango_store::Error),
}

/// Builds the application.
///
/// # Errors
/// See [`OpenError`]. A database that a newer program has written is left as it is.
pub async fn open(config: &Config, clock: Clock, want: Want) -> Result<App, OpenError> {
    let url = &config.database;
    match want {
        Want::Existing if is_absent(url) => return Err(OpenError::NoDatabase(url.clone())),
        Want::Existing => {}
        Want::MadeIfMissing => make_directories(config)?,
    }
    let store = Store::open(url, Settings::default()).await?;
    if want == Want::Existing && migrations::version(&store).await? == 0 {
        store.close().await;
        return Err(OpenError::NoDatabase(url.clone()));
    }
    migrations::migrate(&store, schema::MIGRATIONS, clock.now().micros()).await?;
    let known_mark =
        store.read(async |tx: &mut Tx<'_>| lango_store::facts::read(tx, KEY_MARK).await).await?;
    let key = key(config, known_mark.is_some())?;
    let app = App::new(store, clock, key);
    if let Some(url) = &config.public_url {
        app.is_reached_at(url.clone());
    }
    check_key(&app, config, known_mark).await?;
    Ok(app)
}

fn is_absent(url: &DatabaseUrl) -> bool {
    // An empty file is what an interrupted first start leaves behind.
    let holds_nothing = |path: &Path| std::fs::metadata(path).map_or(true, |file| file.len() == 0);
    url.sqlite_path().is_some_and(holds_nothing)
}

/// Makes the directories of the data and of the database, for their owner only.
///
/// # Errors
/// [`OpenError::NoDirectory`].
pub fn make_directories(config: &Config) -> Result<(), OpenError> {
    let of_database = config.database.sqlite_path().and_then(Path::parent);
    let of_database = of_database.filter(|path| !path.as_os_str().is_empty());
    for path in [Some(config.data_dir.as_path()), of_database].into_iter().flatten() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|cause| OpenError::NoDirectory { path: path.to_owned(), cause })?;
    }
    Ok(())
}

/// A key is only made while nothing is sealed with another: a new one beside an old database would
/// look like success and open nothing.
fn key(config: &Config, sealed_already: bool) -> Result<SecretKey, OpenError> {
    if let Some(hex) = &config.secret_key {
        return Ok(SecretKey::from_hex(hex)?);
    }
    let path = config.key_file();
    if sealed_already && !path.exists() {
        return Err(OpenError::NoKey { path, database: config.database.clone() });
    }
    Ok(SecretKey::from_file(&path)?)
}

async fn check_key(
    app: &App,
    config: &Config,
    known_mark: Option<String>,
) -> Result<(), OpenError> {
    let mark = app.key_mark();
    match known_mark {
        Some(known) if known == mark => Ok(()),
        Some(_) => {
            let key = match config.secret_key {
                Some(_) => "LANGO_SECRET_KEY".to_owned(),
                None => config.key_file().display().to_string(),
            };
            Err(OpenError::WrongKey { key, database: config.database.clone() })
        }
        None => {
            let keep =
                async move |tx: &mut Tx<'_>| lango_store::facts::keep(tx, KEY_MARK, &mark).await;
            Ok(app.store().write(keep).await?)
        }
    }
}
