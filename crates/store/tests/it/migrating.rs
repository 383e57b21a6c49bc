//! Migrations: once, in order, and never over somebody else's schema.

use lango_store::migrations::{Migrated, Migration, migrate, version};
use lango_store::{Error, Sql, Store, sql};

use crate::schema::{MIGRATIONS, add_grant, count};

crate::on_both!(
    a_second_start_changes_nothing,
    a_later_program_adds_its_step,
    an_older_program_refuses_a_newer_database,
    an_edited_migration_is_refused,
    a_migration_that_fails_leaves_no_trace,
);

const SECOND: Migration = Migration {
    number: 2,
    name: "sites",
    text: "CREATE TABLE sites (id {id} PRIMARY KEY, name {key} NOT NULL) {strict};
           CREATE INDEX sites_by_name ON sites (name);",
};
const BOTH: &[Migration] = &[MIGRATIONS[0], SECOND];

async fn a_second_start_changes_nothing(store: &Store) {
    add_grant(store, 1).await.unwrap();
    let again = migrate(store, MIGRATIONS, 0).await.unwrap();
    assert_eq!(again, Migrated { from: 1, to: 1 });
    assert_eq!(count(store).await, 1);
}

async fn a_later_program_adds_its_step(store: &Store) {
    add_grant(store, 1).await.unwrap();
    assert_eq!(migrate(store, BOTH, 77).await.unwrap(), Migrated { from: 1, to: 2 });
    assert_eq!(version(store).await.unwrap(), 2);
    const WHEN: Sql = sql!("SELECT applied_at FROM schema_migrations WHERE number = 2");
    assert_eq!(store.one::<i64>(WHEN, &[]).await.unwrap(), 77);
    assert_eq!(count(store).await, 1);
}

async fn an_older_program_refuses_a_newer_database(store: &Store) {
    migrate(store, BOTH, 0).await.unwrap();
    let error = migrate(store, MIGRATIONS, 0).await.unwrap_err();
    assert!(matches!(error, Error::NewerDatabase { found: 2, known: 1 }), "{error:?}");
    assert!(error.to_string().contains("start the newer program"), "{error}");
}

async fn an_edited_migration_is_refused(store: &Store) {
    const EDITED: &[Migration] = &[Migration { text: "SELECT 1", ..MIGRATIONS[0] }];
    let error = migrate(store, EDITED, 0).await.unwrap_err();
    assert!(matches!(error, Error::ChangedMigration { number: 1, .. }), "{error:?}");
}

async fn a_migration_that_fails_leaves_no_trace(store: &Store) {
    const BROKEN: &[Migration] = &[
        MIGRATIONS[0],
        Migration {
            text: "CREATE TABLE sites (id {id} PRIMARY KEY); INSERT INTO nowhere VALUES (1);",
            ..SECOND
        },
    ];
    let error = migrate(store, BROKEN, 0).await.unwrap_err();
    assert!(error.to_string().contains("migration 2 (sites)"), "{error}");
    assert_eq!(version(store).await.unwrap(), 1);
    assert_eq!(migrate(store, BOTH, 0).await.unwrap(), Migrated { from: 1, to: 2 });
}
