//! What only the embedded database has to prove: groups, a full disk, a kill.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;

use lango_store::migrations::migrate;
use lango_store::testing::{self, TestDatabase};
use lango_store::{Error, Result, Settings, Sql, Store, Tx, args, sql};

use crate::schema::{ADD_JOB, MIGRATIONS, add, add_grant, count};

/// Holds the writer inside a transaction until `release` is dropped, so that what
/// is submitted meanwhile forms one group.
async fn hold_writer(store: &Store) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let started = Arc::new(tokio::sync::Notify::new());
    let (store, starting) = (store.clone(), Arc::clone(&started));
    let holding = tokio::spawn(async move {
        store
            .write(async move |_: &mut Tx<'_>| {
                starting.notify_one();
                // Ends with an error when the other side is dropped.
                let _ = held.lock().unwrap().recv();
                Ok(())
            })
            .await
    });
    started.notified().await;
    (release, holding)
}

/// Submits while the writer is held; the first poll of each puts it in the queue.
async fn submit_together<T: Send + 'static>(
    store: &Store,
    writes: Vec<std::pin::Pin<Box<dyn Future<Output = T> + Send>>>,
) -> Vec<T> {
    let (release, holding) = hold_writer(store).await;
    let mut submitted = Vec::new();
    for mut write in writes {
        let first = tokio::time::timeout(std::time::Duration::ZERO, write.as_mut()).await;
        assert!(first.is_err(), "the writer was to be held");
        submitted.push(write);
    }
    drop(release);
    holding.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for write in submitted {
        answers.push(write.await);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_shares_a_commit_but_not_a_failure() {
    let store = testing::sqlite(MIGRATIONS).await;
    // 7 fails, 8 panics, 9 fails half way, 10 repeats the id of 1.
    let writes = (1..=10_i64).map(|id| {
        let store = store.clone();
        Box::pin(async move {
            store
                .write(async move |tx: &mut Tx<'_>| {
                    match id {
                        7 => return Err(Error::Missing { attempted: "seven".to_owned() }),
                        8 => panic!("eight"),
                        10 => return add(tx, 1).await,
                        _ => {}
                    }
                    add(tx, id).await?;
                    if id == 9 {
                        tx.execute(ADD_JOB, &args![1, 99, "x"]).await.map(drop)
                    } else {
                        Ok(())
                    }
                })
                .await
        }) as std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>
    });
    let answers = submit_together(&store, writes.collect()).await;
    let failed: Vec<usize> =
        answers.iter().enumerate().filter(|(_, one)| one.is_err()).map(|(at, _)| at + 1).collect();
    assert_eq!(failed, [7, 8, 9, 10]);
    assert!(matches!(answers[7], Err(Error::Panicked { .. })));
    assert!(matches!(answers[8], Err(Error::MissingReference { .. })));
    assert!(matches!(answers[9], Err(Error::Conflict { .. })));
    assert_eq!(count(&store).await, 6);
}

/// A deferred rule is checked at COMMIT, when the whole group hangs on it.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_at_commit_fails_alone() {
    const DEFER: Sql = sql!("PRAGMA defer_foreign_keys = ON");
    let store = testing::sqlite(MIGRATIONS).await;
    let writes = (1..=3_i64).map(|id| {
        let store = store.clone();
        Box::pin(async move {
            store
                .write(async move |tx: &mut Tx<'_>| {
                    if id == 2 {
                        tx.execute(DEFER, &[]).await?;
                        tx.execute(ADD_JOB, &args![1, 99, "orphan"]).await?;
                    }
                    add(tx, id).await
                })
                .await
        }) as std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>
    });
    let answers = submit_together(&store, writes.collect()).await;
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(matches!(answers[1], Err(Error::MissingReference { .. })), "{answers:?}");
    assert_eq!(count(&store).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_and_heals() {
    const FILL: Sql =
        sql!("INSERT INTO grants (id, tenant_id, code, sealed) VALUES ($1, 1, $2, $3)");
    const FREE: Sql = sql!("DELETE FROM grants WHERE id < $1");
    let place = TestDatabase::sqlite();
    let settings = Settings { sqlite_most_pages: Some(64), ..Settings::default() };
    let store = place.open(settings).await;
    migrate(&store, MIGRATIONS, 0).await.unwrap();
    let fill = async |id: i64| {
        store
            .write(async move |tx: &mut Tx<'_>| {
                let block = vec![7_u8; 20_000];
                tx.execute(FILL, &args![id, format!("code-{id}"), block]).await
            })
            .await
    };
    let mut stored = 0;
    let full = loop {
        match fill(stored).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, Error::Full { .. }), "{full:?}");
    assert!(full.to_string().contains("free space"), "{full}");
    assert!(stored > 3);
    assert_eq!(count(&store).await, stored);

    // In one group, those that fit are stored although a neighbour fills the disk.
    let writes = (0..4_i64).map(|at| {
        let store = store.clone();
        Box::pin(async move {
            store
                .write(async move |tx: &mut Tx<'_>| {
                    let block = if at == 1 { vec![7_u8; 200_000] } else { vec![7_u8; 10] };
                    let id = 1_000 + at;
                    tx.execute(FILL, &args![id, format!("code-{id}"), block]).await.map(drop)
                })
                .await
        }) as std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>
    });
    let answers = submit_together(&store, writes.collect()).await;
    assert!(matches!(answers[1], Err(Error::Full { .. })), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3, "{answers:?}");
    assert_eq!(count(&store).await, stored + 3);

    let freed = async |tx: &mut Tx<'_>| tx.execute(FREE, &args![2]).await;
    assert_eq!(store.write(freed).await.unwrap(), 2);
    fill(5_000).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_queued_before_closing_is_done() {
    let place = TestDatabase::sqlite();
    let store = place.open(Settings::default()).await;
    migrate(&store, MIGRATIONS, 0).await.unwrap();
    let (release, holding) = hold_writer(&store).await;
    let mut queued: Vec<_> = (1..=100).map(|id| Box::pin(add_grant(&store, id))).collect();
    for write in &mut queued {
        let first = tokio::time::timeout(std::time::Duration::ZERO, write.as_mut()).await;
        assert!(first.is_err());
    }
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    drop(release);
    for write in queued {
        write.await.unwrap();
    }
    holding.await.unwrap().unwrap();
    closing.await.unwrap();
    let again = place.open(Settings::default()).await;
    assert_eq!(count(&again).await, 100);
}

#[tokio::test]
async fn the_file_is_private_and_its_log_is_cut_at_the_end() {
    let place = TestDatabase::sqlite();
    let path = place.url().sqlite_path().unwrap().to_owned();
    let log = path.with_extension("db-wal");
    let store = place.open(Settings::default()).await;
    migrate(&store, MIGRATIONS, 0).await.unwrap();
    for file in [&path, &log] {
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    store.close().await;
    assert_eq!(std::fs::metadata(&log).map_or(0, |log| log.len()), 0);
}

#[tokio::test]
async fn a_place_that_cannot_be_opened_is_explained() {
    let nowhere = "sqlite:/nowhere/lango.db".parse().unwrap();
    let error = Store::open(&nowhere, Settings::default()).await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/lango.db") && error.contains("directory"), "{error}");

    let place = TestDatabase::sqlite();
    std::fs::write(
        place.url().sqlite_path().unwrap(),
        "no database, but long enough text ".repeat(9),
    )
    .unwrap();
    let error = Store::open(place.url(), Settings::default()).await.unwrap_err().to_string();
    assert!(error.contains("not a SQLite database"), "{error}");
}

/// The child of the next story: writes from many tasks and says what was
/// acknowledged. Run as a test of its own it does nothing, because nobody named a
/// place.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledging_child() {
    use std::io::Write as _;
    let Ok(url) = std::env::var("LANGO_CHILD_DATABASE") else {
        return;
    };
    let store = Store::open(&url.parse().unwrap(), Settings::default()).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8_i64 {
        let store = store.clone();
        writers.spawn(async move {
            for turn in 0.. {
                let id = turn * 8 + writer;
                add_grant(&store, id).await.unwrap();
                // One write call each, so that a line is never half there.
                std::io::stderr().write_all(format!("stored {id}\n").as_bytes()).unwrap();
            }
        });
    }
    writers.join_all().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let place = TestDatabase::sqlite();
    let store = place.open(Settings::default()).await;
    migrate(&store, MIGRATIONS, 0).await.unwrap();
    store.close().await;

    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::acknowledging_child", "--nocapture"])
        .env("LANGO_CHILD_DATABASE", place.url().to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut acknowledged: Vec<i64> = Vec::new();
    for line in lines.map_while(std::result::Result::ok) {
        if let Some(id) = line.strip_prefix("stored ").and_then(|id| id.parse().ok()) {
            acknowledged.push(id);
        }
        if acknowledged.len() == 300 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() >= 300, "the child ended by itself");

    const IDS: Sql = sql!("SELECT id FROM grants");
    let store = place.open(Settings::default()).await;
    let stored: std::collections::HashSet<i64> =
        store.all(IDS, &[]).await.unwrap().into_iter().collect();
    let lost: Vec<&i64> = acknowledged.iter().filter(|id| !stored.contains(id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}
