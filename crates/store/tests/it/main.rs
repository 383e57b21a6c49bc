//! The store as its users see it: the same stories on SQLite and PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]
#![allow(clippy::cloned_ref_to_slice_refs, reason = "lists that are expected read as lists")]

mod backups;
mod checks;
mod enforcements;
mod freeradius;
mod jobs;
mod migrating;
mod plans;
mod postgres;
mod records;
mod schema;
#[path = "../../examples/bench_store/seed.rs"]
mod seed;
mod sources;
mod sqlite;
mod statements;
mod transactions;

/// Each story on a fresh store of either database: with the small schema of these tests, or
/// `with` the given migrations.
#[macro_export]
macro_rules! on_both {
    (with $migrations:path; $($story:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let store = lango_store::testing::sqlite($migrations).await;
                super::$story(&store).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let store = lango_store::testing::postgres($migrations).await;
                super::$story(&store).await;
            })*
        }
    };
    ($($story:ident),* $(,)?) => {
        $crate::on_both!(with $crate::schema::MIGRATIONS; $($story),*);
    };
}
