//! What a transaction promises, on both databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lango_store::{Error, Result, Sql, Store, Topic, Tx, args, sql, stored_as};

use crate::schema::{ADD, ADD_JOB, ADD_MANY, COUNT, SET_USED, USED, add, add_grant, count};

crate::on_both!(
    values_come_back_as_they_were_stored,
    a_column_of_another_kind_is_named,
    an_error_undoes_the_transaction,
    a_refusal_undoes_and_is_an_answer,
    a_conflict_names_its_columns,
    a_missing_reference_is_told_apart,
    a_swallowed_failure_is_not_acknowledged,
    a_panic_undoes_its_transaction_only,
    a_transaction_may_wait_for_nothing_else,
    bulk_rows_arrive_together,
    a_counter_that_many_raise_loses_nothing,
    claims_never_overlap,
    a_wake_follows_the_commit_and_only_it,
    a_reader_cannot_write,
    a_reader_sees_one_snapshot,
    wrong_arguments_are_an_error,
    a_closed_store_says_so,
);

#[derive(Debug, PartialEq)]
struct Code(String);
stored_as!(Code: String, |text| text.starts_with("code").then_some(Code(text)), |code| code.0.as_str());

type Everything = (i64, Code, bool, Option<String>, String, Option<Vec<u8>>, Option<i64>);

async fn values_come_back_as_they_were_stored(store: &Store) {
    const PUT: Sql = sql!(
        "INSERT INTO grants (id, tenant_id, code, used, note, details, sealed, next_deadline) \
         VALUES ($1, 1, $2, $3, $4, $5, $6, $7)"
    );
    const TAKE: Sql =
        sql!("SELECT id, code, used, note, details, sealed, next_deadline FROM grants ORDER BY id");
    store
        .write(async move |tx: &mut Tx<'_>| {
            let bytes = [0_u8, 255, 7];
            let code = Code("code-é".to_owned());
            let full = args![i64::MAX, code, true, "a note", r#"{"a": 1}"#, bytes, -5_i64];
            tx.execute(PUT, &full).await?;
            let nothing = None::<i64>;
            let text = None::<String>;
            let blob = None::<Vec<u8>>;
            tx.execute(PUT, &args![1, "code-1", false, text, "{}", blob, nothing]).await
        })
        .await
        .unwrap();
    let rows: Vec<Everything> = store.all(TAKE, &[]).await.unwrap();
    assert_eq!(rows[0], (1, Code("code-1".into()), false, None, "{}".into(), None, None));
    let (id, code, used, note, details, sealed, deadline) = &rows[1];
    assert_eq!((*id, code.0.as_str(), *used), (i64::MAX, "code-é", true));
    assert_eq!(note.as_deref(), Some("a note"));
    assert_eq!(details, r#"{"a": 1}"#);
    assert_eq!((sealed.as_deref(), *deadline), (Some(&[0, 255, 7][..]), Some(-5)));
}

async fn a_column_of_another_kind_is_named(store: &Store) {
    add_grant(store, 1).await.unwrap();
    const TAKE: Sql = sql!("SELECT code FROM grants WHERE id = $1");
    let error = store.one::<i64>(TAKE, &args![1]).await.unwrap_err();
    assert!(error.to_string().contains("expected an integer, found text"), "{error}");
    assert!(error.to_string().contains("transactions.rs"), "{error}");
    assert!(matches!(store.one::<String>(TAKE, &args![2]).await, Err(Error::Missing { .. })));
    assert_eq!(store.optional::<String>(TAKE, &args![2]).await.unwrap(), None);
}

async fn an_error_undoes_the_transaction(store: &Store) {
    let wrong = store
        .write(async move |tx: &mut Tx<'_>| {
            add(tx, 1).await?;
            Err::<(), _>(Error::Missing { attempted: "find the plan".to_owned() })
        })
        .await;
    assert!(matches!(wrong, Err(Error::Missing { .. })));
    assert_eq!(count(store).await, 0);
}

async fn a_refusal_undoes_and_is_an_answer(store: &Store) {
    let redeem = |fits: bool| {
        store.attempt(async move |tx: &mut Tx<'_>| {
            add(tx, 1).await?;
            Ok(if fits { Ok("granted") } else { Err("used already") })
        })
    };
    assert_eq!(redeem(false).await.unwrap(), Err("used already"));
    assert_eq!(count(store).await, 0);
    assert_eq!(redeem(true).await.unwrap(), Ok("granted"));
    assert_eq!(count(store).await, 1);
}

async fn a_conflict_names_its_columns(store: &Store) {
    add_grant(store, 1).await.unwrap();
    let same_code = store
        .write(async move |tx: &mut Tx<'_>| tx.execute(ADD, &args![2, "code-1"]).await)
        .await
        .unwrap_err();
    assert!(same_code.unique().unwrap().is("grants", &["tenant_id", "code"]), "{same_code}");
    let same_id = add_grant(store, 1).await.unwrap_err();
    assert!(same_id.unique().unwrap().is("grants", &["id"]), "{same_id}");
    assert!(!same_code.to_string().contains("code-1"), "an error never holds values");
}

async fn a_missing_reference_is_told_apart(store: &Store) {
    let orphan = store
        .write(async move |tx: &mut Tx<'_>| tx.execute(ADD_JOB, &args![1, 99, "cut"]).await)
        .await;
    assert!(matches!(orphan, Err(Error::MissingReference { .. })), "{orphan:?}");
}

async fn a_swallowed_failure_is_not_acknowledged(store: &Store) {
    add_grant(store, 1).await.unwrap();
    let answer = store
        .write(async move |tx: &mut Tx<'_>| {
            add(tx, 2).await?;
            let _ = add(tx, 1).await;
            Ok("done")
        })
        .await;
    assert!(matches!(answer, Err(Error::Poisoned)), "{answer:?}");
    assert_eq!(count(store).await, 1);
}

async fn a_panic_undoes_its_transaction_only(store: &Store) {
    let answer: Result<()> = store
        .write(async move |tx: &mut Tx<'_>| {
            add(tx, 1).await?;
            panic!("a defect")
        })
        .await;
    assert!(matches!(&answer, Err(Error::Panicked { message }) if message == "a defect"));
    let reading: Result<()> = store.read(async |_: &mut Tx<'_>| panic!("another")).await;
    assert!(matches!(reading, Err(Error::Panicked { .. })));
    add_grant(store, 2).await.unwrap();
    assert_eq!(count(store).await, 1);
}

async fn a_transaction_may_wait_for_nothing_else(store: &Store) {
    let waiting = store
        .write(async move |tx: &mut Tx<'_>| {
            add(tx, 1).await?;
            tokio::task::yield_now().await;
            add(tx, 2).await
        })
        .await;
    assert!(matches!(waiting, Err(Error::ForeignAwait)), "{waiting:?}");
    let reading: Result<()> = store.read(async |_: &mut Tx<'_>| std::future::pending().await).await;
    assert!(matches!(reading, Err(Error::ForeignAwait)), "{reading:?}");
    assert_eq!(count(store).await, 0);
}

async fn bulk_rows_arrive_together(store: &Store) {
    let done = store
        .write(async move |tx: &mut Tx<'_>| {
            let rows: Vec<(i64, String, Option<&str>)> = (0..1_000)
                .map(|id| (id, format!("code-{id}"), (id % 2 == 0).then_some("even")))
                .collect();
            let nobody = tx.bulk(ADD_MANY, &rows[..0]).await?;
            Ok((nobody, tx.bulk(ADD_MANY, &rows).await?))
        })
        .await
        .unwrap();
    assert_eq!(done, (0, 1_000));
    const EVEN: Sql = sql!("SELECT COUNT(*) FROM grants WHERE note = $1");
    assert_eq!(store.one::<i64>(EVEN, &args!["even"]).await.unwrap(), 500);
}

/// Reads, adds one, writes: exactly what loses updates without isolation.
async fn a_counter_that_many_raise_loses_nothing(store: &Store) {
    add_grant(store, 1).await.unwrap();
    let runs = Arc::new(AtomicU32::new(0));
    let mut raises = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (store, runs) = (store.clone(), Arc::clone(&runs));
        raises.spawn(async move {
            store
                .write(async move |tx: &mut Tx<'_>| {
                    runs.fetch_add(1, Ordering::Relaxed);
                    let used: i64 = tx.one(USED, &args![1]).await?;
                    tx.execute(SET_USED, &args![used + 1, 1]).await
                })
                .await
        });
    }
    for raised in raises.join_all().await {
        raised.unwrap();
    }
    assert_eq!(store.one::<i64>(USED, &args![1]).await.unwrap(), 40);
    assert!(runs.load(Ordering::Relaxed) >= 40);
}

async fn claims_never_overlap(store: &Store) {
    const CLAIM: Sql = sql!(
        "WITH free AS (SELECT id FROM grants WHERE used = 0 ORDER BY id LIMIT $1",
        SKIP_LOCKED,
        ") UPDATE grants SET used = 1 WHERE id IN (SELECT id FROM free) RETURNING id"
    );
    store
        .write(async move |tx: &mut Tx<'_>| {
            for id in 0..60 {
                add(tx, id).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let mut claimants = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = store.clone();
        claimants.spawn(async move {
            let claim = async |tx: &mut Tx<'_>| tx.all::<i64>(CLAIM, &args![10]).await;
            store.write(claim).await.unwrap()
        });
    }
    let mut claimed: Vec<i64> = claimants.join_all().await.into_iter().flatten().collect();
    claimed.sort_unstable();
    let before = claimed.len();
    claimed.dedup();
    assert_eq!(before, claimed.len(), "one row went to two claimants");
    assert!(!claimed.is_empty());
}

async fn a_wake_follows_the_commit_and_only_it(store: &Store) {
    let jobs = store.subscribe(Topic::Jobs);
    let router = store.subscribe(Topic::Router(7));
    // The listener of PostgreSQL wakes everybody when it is connected.
    let settle = std::time::Duration::from_secs(5);
    if store.url().sqlite_path().is_none() {
        tokio::time::timeout(settle, jobs.woken()).await.unwrap();
        tokio::time::timeout(settle, router.woken()).await.unwrap();
    }
    let undone: Result<()> = store
        .write(async move |tx: &mut Tx<'_>| {
            tx.wake(Topic::Router(7));
            Err(Error::Missing { attempted: "anything".to_owned() })
        })
        .await;
    assert!(undone.is_err());
    store
        .write(async move |tx: &mut Tx<'_>| {
            tx.wake(Topic::Jobs);
            add(tx, 1).await
        })
        .await
        .unwrap();
    tokio::time::timeout(settle, jobs.woken()).await.expect("woken after the commit");
    assert_eq!(count(store).await, 1);
    let slept = tokio::time::timeout(std::time::Duration::ZERO, router.woken()).await;
    assert!(slept.is_err(), "an undone write wakes nobody");
}

async fn a_reader_cannot_write(store: &Store) {
    let written = store.read(async |tx: &mut Tx<'_>| add(tx, 1).await).await;
    assert!(matches!(written, Err(Error::Broken { .. })), "{written:?}");
    let reported = store.report(async |tx: &mut Tx<'_>| tx.one::<i64>(COUNT, &[]).await).await;
    assert_eq!(reported.unwrap(), 0);
}

async fn a_reader_sees_one_snapshot(store: &Store) {
    add_grant(store, 1).await.unwrap();
    let other = store.clone();
    let runtime = tokio::runtime::Handle::current();
    let seen = store
        .report(async move |tx: &mut Tx<'_>| {
            let before: i64 = tx.one(COUNT, &[]).await?;
            let (other, runtime) = (other.clone(), runtime.clone());
            // A thread of its own, because a transaction may not await this.
            std::thread::spawn(move || runtime.block_on(add_grant(&other, 2))).join().unwrap()?;
            Ok((before, tx.one::<i64>(COUNT, &[]).await?))
        })
        .await
        .unwrap();
    assert_eq!(seen, (1, 1));
    assert_eq!(count(store).await, 2);
}

async fn wrong_arguments_are_an_error(store: &Store) {
    assert!(store.all::<i64>(USED, &[]).await.is_err());
    assert!(store.all::<i64>(USED, &args![1, 2]).await.is_err());
    let text_for_number = store.all::<i64>(USED, &args!["x"]).await;
    // SQLite compares any kinds; PostgreSQL refuses. Neither may panic or find a row.
    assert!(text_for_number.map_or(true, |rows| rows.is_empty()));
    store.ping().await.unwrap();
}

async fn a_closed_store_says_so(store: &Store) {
    add_grant(store, 1).await.unwrap();
    store.ping().await.unwrap();
    store.close().await;
    assert!(matches!(add_grant(store, 2).await, Err(Error::Closed)));
    assert!(matches!(store.ping().await, Err(Error::Closed)));
}
