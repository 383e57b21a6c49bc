//! A small schema with every kind of column, and what the stories do to it.

use lango_store::migrations::Migration;
use lango_store::{Bulk, Result, Sql, Store, Tx, args, bulk, sql};

pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "first",
    text: "
        CREATE TABLE grants (
            id {id} PRIMARY KEY,
            tenant_id {int} NOT NULL,
            code {key} NOT NULL,
            used {int} NOT NULL DEFAULT 0,
            note TEXT,
            details {json} NOT NULL DEFAULT '{}',
            sealed {bytes},
            next_deadline {time},
            UNIQUE (tenant_id, code)
        ) {strict};
        CREATE INDEX grants_due ON grants (next_deadline) WHERE next_deadline IS NOT NULL;
        CREATE TABLE jobs (
            id {id} PRIMARY KEY,
            grant_id {int} NOT NULL REFERENCES grants (id) DEFERRABLE INITIALLY IMMEDIATE,
            kind TEXT NOT NULL
        ) {strict};
    ",
}];

pub(crate) const ADD: Sql = sql!("INSERT INTO grants (id, tenant_id, code) VALUES ($1, 1, $2)");
pub(crate) const COUNT: Sql = sql!("SELECT COUNT(*) FROM grants");
pub(crate) const USED: Sql = sql!("SELECT used FROM grants WHERE id = $1");
pub(crate) const SET_USED: Sql = sql!("UPDATE grants SET used = $1 WHERE id = $2");
pub(crate) const ADD_JOB: Sql = sql!("INSERT INTO jobs (id, grant_id, kind) VALUES ($1, $2, $3)");
pub(crate) const ADD_MANY: Bulk = bulk!(
    sqlite: "INSERT INTO grants (id, tenant_id, code, note) VALUES ($1, 1, $2, $3)",
    postgres: "INSERT INTO grants (id, tenant_id, code, note) \
               SELECT id, 1, code, note \
               FROM UNNEST($1::bigint[], $2::text[], $3::text[]) AS given (id, code, note)",
);

pub(crate) async fn add(tx: &mut Tx<'_>, id: i64) -> Result<()> {
    let code = format!("code-{id}");
    tx.execute(ADD, &args![id, code]).await.map(drop)
}

pub(crate) async fn add_grant(store: &Store, id: i64) -> Result<()> {
    store.write(async move |tx: &mut Tx<'_>| add(tx, id).await).await
}

pub(crate) async fn count(store: &Store) -> i64 {
    store.one(COUNT, &[]).await.unwrap()
}
