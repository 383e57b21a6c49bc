//! The checks that later modules hand their statements to.

use lango_store::checks::{plan, prepare_all};
use lango_store::{Bulk, Sql, Store, args, bulk, migrations, sql};

use crate::schema::{ADD, ADD_JOB, ADD_MANY, COUNT, SET_USED, USED};

crate::on_both!(every_statement_prepares, a_wrong_statement_is_named, a_plan_tells_index_from_scan);

async fn every_statement_prepares(store: &Store) {
    let faults = prepare_all(store, migrations::ALL, &[]).await.unwrap();
    assert_eq!(faults, [""; 0]);
    let ours: &[&Sql] = &[&ADD, &COUNT, &USED, &SET_USED, &ADD_JOB];
    assert_eq!(prepare_all(store, ours, &[&ADD_MANY]).await.unwrap(), [""; 0]);
}

async fn a_wrong_statement_is_named(store: &Store) {
    const NO_TABLE: Sql = sql!("SELECT x FROM nowhere");
    const BACKWARDS: Sql = sql!("SELECT id FROM grants WHERE id = $2 AND used = $1");
    const WRONG_BULK: Bulk = bulk!(sqlite: "INSERT", postgres: "INSERT");
    let faults =
        prepare_all(store, &[&NO_TABLE, &BACKWARDS, &COUNT], &[&WRONG_BULK]).await.unwrap();
    assert!(faults[0].contains("checks.rs") && faults[0].contains("nowhere"), "{faults:?}");
    assert!(faults[1].contains("ascend"), "{faults:?}");
    assert!(faults.last().unwrap().contains("checks.rs"), "{faults:?}");

    if store.url().sqlite_path().is_none() {
        const SUM: Sql = sql!("SELECT SUM(used) FROM grants");
        let faults = prepare_all(store, &[&SUM], &[]).await.unwrap();
        assert!(faults[0].contains("numeric: write a CAST"), "{faults:?}");
    }
}

async fn a_plan_tells_index_from_scan(store: &Store) {
    const DUE: Sql = sql!(
        "SELECT id FROM grants WHERE next_deadline <= $1 ORDER BY next_deadline LIMIT $2",
        SKIP_LOCKED
    );
    let due = plan(store, DUE, &args![5, 100]).await.unwrap();
    due.assert_no_full_scan(&["grants"]);
    due.assert_uses("grants_due");
    const BY_NOTE: Sql = sql!("SELECT id FROM grants WHERE note = $1");
    let by_note = plan(store, BY_NOTE, &args!["x"]).await.unwrap();
    assert_eq!(by_note.full_scan(&["jobs", "grants"]), Some("grants"), "{by_note:?}");
}
