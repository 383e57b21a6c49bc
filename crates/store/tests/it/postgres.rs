//! What only the server has to prove: lost connections, several nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lango_store::migrations::migrate;
use lango_store::testing::{self, TestDatabase};
use lango_store::{Bulk, Error, Settings, Sql, Store, Topic, Tx, args, bulk, sql};

use crate::schema::{MIGRATIONS, SET_USED, USED, add, add_grant, count};

const END_ME: Sql = sql!("SELECT CASE WHEN pg_terminate_backend(pg_backend_pid()) THEN 1 END");

async fn two_nodes() -> (TestDatabase, Store, Store) {
    let place = TestDatabase::postgres(MIGRATIONS).await;
    let one = place.open(Settings::default()).await;
    let other = place.open(Settings::default()).await;
    (place, one, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_before_the_commit_is_a_new_run() {
    let store = testing::postgres(MIGRATIONS).await;
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    store
        .write(async move |tx: &mut Tx<'_>| {
            add(tx, 1).await?;
            if counter.fetch_add(1, Ordering::Relaxed) == 0 {
                tx.optional::<i64>(END_ME, &[]).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(count(&store).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_while_committing_is_never_a_new_run() {
    const FUNCTION: Sql = sql!(
        "CREATE FUNCTION end_me() RETURNS trigger LANGUAGE plpgsql AS \
         $body$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $body$"
    );
    const TRIGGER: Sql = sql!(
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON grants \
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION end_me()"
    );
    let store = testing::postgres(MIGRATIONS).await;
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    let answer = store
        .write(async move |tx: &mut Tx<'_>| {
            counter.fetch_add(1, Ordering::Relaxed);
            tx.execute(FUNCTION, &[]).await?;
            tx.execute(TRIGGER, &[]).await?;
            add(tx, 1).await
        })
        .await;
    assert!(matches!(answer, Err(Error::Uncertain { .. })), "{answer:?}");
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(count(&store).await, 0, "the store goes on with another connection");
}

/// The first run meets a change that another node committed after its snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_race_is_run_again_on_what_is_true_now() {
    let (_place, one, other) = two_nodes().await;
    add_grant(&one, 1).await.unwrap();
    let runs = Arc::new(AtomicU32::new(0));
    let (counter, runtime) = (Arc::clone(&runs), tokio::runtime::Handle::current());
    one.write(async move |tx: &mut Tx<'_>| {
        let used: i64 = tx.one(USED, &args![1]).await?;
        if counter.fetch_add(1, Ordering::Relaxed) == 0 {
            let (other, runtime) = (other.clone(), runtime.clone());
            let interfere = async move |tx: &mut Tx<'_>| tx.execute(SET_USED, &args![10, 1]).await;
            std::thread::spawn(move || runtime.block_on(other.write(interfere))).join().unwrap()?;
        }
        tx.execute(SET_USED, &args![used + 1, 1]).await
    })
    .await
    .unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(one.one::<i64>(USED, &args![1]).await.unwrap(), 11);
}

/// Two nodes find that something is missing and both add it. The later one's snapshot is older than
/// what the other one added: it looks again instead of failing.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_added_meanwhile_is_found_and_no_conflict() {
    let (_place, one, other) = two_nodes().await;
    let runs = Arc::new(AtomicU32::new(0));
    let (counter, runtime) = (Arc::clone(&runs), tokio::runtime::Handle::current());
    let added = one.write(async move |tx: &mut Tx<'_>| {
        if tx.optional::<i64>(USED, &args![1]).await?.is_some() {
            return Ok(false);
        }
        if counter.fetch_add(1, Ordering::Relaxed) == 0 {
            let (other, runtime) = (other.clone(), runtime.clone());
            std::thread::spawn(move || runtime.block_on(add_grant(&other, 1))).join().unwrap()?;
        }
        add(tx, 1).await?;
        Ok(true)
    });
    assert!(!added.await.unwrap(), "it is the other's");
    assert_eq!(count(&one).await, 1);
    let twice = one.write(async |tx: &mut Tx<'_>| add(tx, 1).await).await;
    assert!(twice.unwrap_err().unique().is_some(), "what is there for good stays a conflict");
}

/// A planner that sees how many rows a bulk has reads the whole table for a long one.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_bulk_finds_its_rows_by_their_keys() {
    const TABLE: Sql = sql!("CREATE TABLE things (id BIGINT PRIMARY KEY, used BIGINT, name TEXT)");
    const FILL: Sql = sql!(
        "INSERT INTO things SELECT number, 0, REPEAT('x', 200) FROM generate_series(1, 10000) number"
    );
    const ANALYZE: Sql = sql!("ANALYZE things");
    const USE: Bulk = bulk!(
        sqlite: "UPDATE things SET used = $1 WHERE id = $2",
        postgres: "UPDATE things SET used = n.used FROM UNNEST($1::bigint[], $2::bigint[]) \
                   AS n (used, id) WHERE things.id = n.id",
    );
    const READ_WHOLE: Sql =
        sql!("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'things'");
    let store = testing::postgres(MIGRATIONS).await;
    for statement in [TABLE, FILL, ANALYZE] {
        store.write(async move |tx: &mut Tx<'_>| tx.execute(statement, &[]).await).await.unwrap();
    }
    let rows: Vec<(i64, i64)> = (1..=1_000).map(|number| (7, number * 10)).collect();
    let (written, read_whole) = store
        .write(async move |tx: &mut Tx<'_>| {
            let before: i64 = tx.one(READ_WHOLE, &[]).await?;
            let written = tx.bulk(USE, &rows).await?;
            Ok((written, tx.one::<i64>(READ_WHOLE, &[]).await? - before))
        })
        .await
        .unwrap();
    assert_eq!((written, read_whole), (1_000, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_reaches_the_other_node_and_survives_a_lost_listener() {
    const END_LISTENERS: Sql = sql!(
        "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND (query LIKE 'LISTEN%' OR query LIKE '%pg_notify%')"
    );
    let (_place, one, other) = two_nodes().await;
    let patience = Duration::from_secs(10);
    let router = other.subscribe(Topic::Router(7));
    // Listening begins with a wake of everybody; so does listening again.
    tokio::time::timeout(patience, router.woken()).await.unwrap();
    let wake = async |tx: &mut Tx<'_>| {
        tx.wake(Topic::Router(7));
        Ok(())
    };
    one.write(wake).await.unwrap();
    tokio::time::timeout(patience, router.woken()).await.expect("a wake from the other node");

    assert!(one.one::<i64>(END_LISTENERS, &[]).await.unwrap() >= 1);
    tokio::time::timeout(patience, router.woken()).await.expect("woken after listening again");
    one.write(wake).await.unwrap();
    tokio::time::timeout(patience, router.woken()).await.expect("a wake after the loss");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_migrate_once() {
    let place = TestDatabase::postgres(&[]).await;
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = place.open(Settings { postgres_connections: 2, ..Settings::default() }).await;
        nodes.spawn(async move { migrate(&store, MIGRATIONS, 0).await });
    }
    for migrated in nodes.join_all().await {
        assert_eq!(migrated.unwrap().to, 1);
    }
    let store = place.open(Settings::default()).await;
    add_grant(&store, 1).await.unwrap();
}

#[tokio::test]
async fn an_address_that_does_not_work_is_explained() {
    let open = async |url: &str| {
        Store::open(&url.parse().unwrap(), Settings::default()).await.unwrap_err().to_string()
    };
    let nobody = open("postgres://lango:geheim@127.0.0.1:1/lango").await;
    assert!(
        nobody.contains("check that the server runs") && !nobody.contains("geheim"),
        "{nobody}"
    );
    let tls = open("postgres://lango@127.0.0.1/lango?sslmode=require").await;
    assert!(tls.contains("without TLS"), "{tls}");
}
