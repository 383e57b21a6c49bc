//! Backups that are taken while serving, and what restoring refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lango_store::backup::{Existing, backup, restore};
use lango_store::migrations::{Migration, migrate, version};
use lango_store::testing::{self, TestDatabase};
use lango_store::{Error, Result, Settings, Sql, Store, Tx, args, sql};

use crate::schema::{ADD_JOB, MIGRATIONS, add, add_grant, count};

crate::on_both!(
    a_backup_under_load_is_one_moment,
    a_backup_never_overwrites,
    a_restore_refuses_what_it_would_destroy,
    a_damaged_backup_changes_nothing,
    an_old_backup_is_brought_up_to_date,
);

/// An empty place of the same kind.
async fn elsewhere(store: &Store) -> TestDatabase {
    match store.url().sqlite_path() {
        Some(_) => TestDatabase::sqlite(),
        None => TestDatabase::postgres(&[]).await,
    }
}

struct File(std::path::PathBuf);

impl File {
    fn new() -> Self {
        Self(testing::temporary_directory().join("backup"))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_dir_all(self.0.parent().unwrap()).unwrap();
    }
}

const JOBS: Sql = sql!("SELECT COUNT(*) FROM jobs");
const ORPHANS: Sql =
    sql!("SELECT COUNT(*) FROM grants WHERE id NOT IN (SELECT grant_id FROM jobs)");

async fn add_with_job(store: &Store, id: i64) -> Result<()> {
    store
        .write(async move |tx: &mut Tx<'_>| {
            add(tx, id).await?;
            tx.execute(ADD_JOB, &args![id, id, "tab\tand \\ and\nline"]).await.map(drop)
        })
        .await
}

/// Each write adds a grant and its job: any moment has as many of one as of the other.
async fn a_backup_under_load_is_one_moment(store: &Store) {
    for id in 0..200 {
        add_with_job(store, id).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (store, stop) = (store.clone(), Arc::clone(&stop));
        async move {
            let mut id = 200;
            while !stop.load(Ordering::Relaxed) {
                add_with_job(&store, id).await.unwrap();
                id += 1;
            }
            id
        }
    });
    let file = File::new();
    let made = backup(store, &file.0).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let written = load.await.unwrap();
    assert_eq!(made.schema_version, 1);
    assert_eq!(made.bytes, std::fs::metadata(&file.0).unwrap().len());

    let place = elsewhere(store).await;
    restore(&file.0, place.url(), MIGRATIONS, Existing::Keep, 0).await.unwrap();
    let copy = place.open(Settings::default()).await;
    let grants = count(&copy).await;
    assert!((200..=written).contains(&grants), "{grants} of {written}");
    assert_eq!(copy.one::<i64>(JOBS, &[]).await.unwrap(), grants);
    assert_eq!(copy.one::<i64>(ORPHANS, &[]).await.unwrap(), 0);
    const KIND: Sql = sql!("SELECT kind FROM jobs WHERE id = 0");
    assert_eq!(copy.one::<String>(KIND, &[]).await.unwrap(), "tab\tand \\ and\nline");
    add_with_job(&copy, 1_000_000).await.unwrap();
}

async fn a_backup_never_overwrites(store: &Store) {
    let file = File::new();
    std::fs::write(&file.0, "precious").unwrap();
    let error = backup(store, &file.0).await.unwrap_err().to_string();
    assert!(error.contains("the file exists"), "{error}");
    assert_eq!(std::fs::read_to_string(&file.0).unwrap(), "precious");
    let files = std::fs::read_dir(file.0.parent().unwrap()).unwrap().count();
    assert_eq!(files, 1, "no unfinished file stays behind");
}

async fn a_restore_refuses_what_it_would_destroy(store: &Store) {
    let file = File::new();
    add_grant(store, 1).await.unwrap();
    backup(store, &file.0).await.unwrap();

    let place = elsewhere(store).await;
    let other = place.open(Settings::default()).await;
    migrate(&other, MIGRATIONS, 0).await.unwrap();
    add_grant(&other, 7).await.unwrap();
    add_grant(&other, 8).await.unwrap();
    if store.url().sqlite_path().is_some() {
        let in_use = restore(&file.0, place.url(), MIGRATIONS, Existing::Replace, 0).await;
        assert!(in_use.unwrap_err().to_string().contains("a program has it open"));
    }
    other.close().await;
    restore(&file.0, place.url(), MIGRATIONS, Existing::Keep, 0).await.unwrap_err();
    let kept = place.open(Settings::default()).await;
    assert_eq!(count(&kept).await, 2);
    kept.close().await;

    restore(&file.0, place.url(), MIGRATIONS, Existing::Replace, 0).await.unwrap();
    assert_eq!(count(&place.open(Settings::default()).await).await, 1);
}

async fn a_damaged_backup_changes_nothing(store: &Store) {
    let file = File::new();
    for id in 0..50 {
        add_grant(store, id).await.unwrap();
    }
    backup(store, &file.0).await.unwrap();
    let whole = std::fs::read(&file.0).unwrap();
    std::fs::write(&file.0, &whole[..whole.len() / 2]).unwrap();
    let place = elsewhere(store).await;
    let error = restore(&file.0, place.url(), MIGRATIONS, Existing::Keep, 0).await.unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    let untouched = place.open(Settings::default()).await;
    assert_eq!(version(&untouched).await.unwrap(), 0);
}

async fn an_old_backup_is_brought_up_to_date(store: &Store) {
    const LATER: &[Migration] = &[
        MIGRATIONS[0],
        Migration { number: 2, name: "price", text: "ALTER TABLE grants ADD COLUMN price {int};" },
    ];
    let file = File::new();
    add_grant(store, 1).await.unwrap();
    backup(store, &file.0).await.unwrap();
    let place = elsewhere(store).await;
    restore(&file.0, place.url(), LATER, Existing::Keep, 0).await.unwrap();
    let copy = place.open(Settings::default()).await;
    assert_eq!((version(&copy).await.unwrap(), count(&copy).await), (2, 1));

    let newer = File::new();
    backup(&copy, &newer.0).await.unwrap();
    let third = elsewhere(store).await;
    let refused = restore(&newer.0, third.url(), MIGRATIONS, Existing::Keep, 0).await;
    assert!(matches!(refused, Err(Error::NewerDatabase { found: 2, known: 1 })), "{refused:?}");
}
