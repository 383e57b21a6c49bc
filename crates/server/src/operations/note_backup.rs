//! A backup was written: the database remembers when, so that a diagnosis can miss the next one.

use crate::app::App;
use lango_domain::time::Timestamp;
use lango_store::{Error, Tx};

/// The fact under which it is kept.
const FACT: &str = "last backup";

/// A backup that was written.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct BackupMade {
    /// When.
    pub at: Timestamp,
    /// Where to.
    pub path: String,
    /// How large it is.
    pub bytes: u64,
}

/// Remembers a backup.
///
/// # Errors
/// A fault of the store.
pub async fn note_backup(app: &App, made: &BackupMade) -> Result<(), Error> {
    // Words and numbers: serialising cannot fail.
    let text = serde_json::to_string(made).unwrap_or_default();
    app.store()
        .write(async move |tx: &mut Tx<'_>| lango_store::facts::keep(tx, FACT, &text).await)
        .await
}

/// The last backup; none if none was ever written.
///
/// # Errors
/// A fault of the store.
pub async fn last_backup(tx: &mut Tx<'_>) -> Result<Option<BackupMade>, Error> {
    let kept = lango_store::facts::read(tx, FACT).await?;
    Ok(kept.and_then(|text| serde_json::from_str(&text).ok()))
}
