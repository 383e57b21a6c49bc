//! The store as its users see it: the same stories on SQLite and PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod backups;
mod migrating;
mod postgres;
mod schema;
mod sqlite;
mod statements;
mod transactions;

/// Each story on a fresh store of either database.
#[macro_export]
macro_rules! on_both {
    ($($story:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let store = lango_store::testing::sqlite($crate::schema::MIGRATIONS).await;
                super::$story(&store).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                let store = lango_store::testing::postgres($crate::schema::MIGRATIONS).await;
                super::$story(&store).await;
            })*
        }
    };
}
