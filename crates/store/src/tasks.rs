//! Tasks: one action on many things, row by row, with what came of each. A task that was
//! interrupted goes on with the rows that wait.

use crate::{Error, FromRow, Order, Row, Sql, Tx, args, bulk, sql};
use lango_domain::ids::{Id, TaskId, TenantId};
use lango_domain::time::Timestamp;

/// One action on many things.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// Its identity.
    pub id: TaskId,
    /// Whose.
    pub tenant: TenantId,
    /// What sort of action, a word.
    pub kind: String,
    /// Who asked for it.
    pub actor: String,
    /// What is done to each row, as JSON.
    pub action: String,
    /// How many rows it has.
    pub total: i64,
    /// How many were done.
    pub done: i64,
    /// How many could not be done.
    pub failed: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its last row was settled.
    pub finished_at: Option<Timestamp>,
    /// When somebody stopped it.
    pub stopped_at: Option<Timestamp>,
}

impl FromRow for Task {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Task {
            id: row.get(0)?,
            tenant: row.get(1)?,
            kind: row.get(2)?,
            actor: row.get(3)?,
            action: row.get(4)?,
            total: row.get(5)?,
            done: row.get(6)?,
            failed: row.get(7)?,
            created_at: row.get(8)?,
            finished_at: row.get(9)?,
            stopped_at: row.get(10)?,
        })
    }
}

/// One thing that is acted on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskRow {
    /// Its place, from 1.
    pub number: i64,
    /// The id of what is acted on.
    pub subject: String,
    /// Whether it was done; none while it waits.
    pub ok: Option<bool>,
    /// What came of it, as a person reads it.
    pub detail: String,
}

impl FromRow for TaskRow {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(TaskRow {
            number: row.get(0)?,
            subject: row.get(1)?,
            ok: row.get::<Option<i64>>(2)?.map(|ok| ok != 0),
            detail: row.get(3)?,
        })
    }
}

const INSERT: Sql = sql!(
    "INSERT INTO tasks (id, tenant_id, kind, actor, action, total, done, failed, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7)"
);
const INSERT_ROWS: crate::Bulk = bulk!(
    sqlite: "INSERT INTO task_rows (task_id, row_number, subject, detail) \
             VALUES ($1, $2, $3, '')",
    postgres: "INSERT INTO task_rows (task_id, row_number, subject, detail) \
               SELECT n.task, n.number, n.subject, '' \
               FROM UNNEST($1::bigint[], $2::bigint[], $3::text[]) AS n (task, number, subject)",
);
const FIND: Sql = sql!(
    "SELECT id, tenant_id, kind, actor, action, total, done, failed, created_at, finished_at, \
     stopped_at FROM tasks WHERE tenant_id = $1 AND id = $2"
);
const PAGE: Sql = sql!(
    "SELECT id, tenant_id, kind, actor, action, total, done, failed, created_at, finished_at, \
     stopped_at FROM tasks WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3"
);
const PAGE_BACKWARDS: Sql = sql!(
    "SELECT id, tenant_id, kind, actor, action, total, done, failed, created_at, finished_at, \
     stopped_at FROM tasks WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
);
const ROWS: Sql = sql!(
    "SELECT row_number, subject, ok, detail FROM task_rows WHERE task_id = $1 AND row_number > $2 \
     ORDER BY row_number LIMIT $3"
);
const WAITING: Sql = sql!(
    "SELECT row_number, subject, ok, detail FROM task_rows WHERE task_id = $1 AND ok IS NULL \
     ORDER BY row_number LIMIT $2"
);
const SETTLE_ROW: Sql = sql!(
    "UPDATE task_rows SET ok = $1, detail = $2 \
     WHERE task_id = $3 AND row_number = $4 AND ok IS NULL"
);
const COUNT: Sql = sql!(
    "UPDATE tasks SET done = done + $1, failed = failed + $2 WHERE tenant_id = $3 AND id = $4"
);
const FINISH: Sql = sql!(
    "UPDATE tasks SET finished_at = $1 WHERE tenant_id = $2 AND id = $3 AND finished_at IS NULL"
);
const STOP: Sql = sql!(
    "UPDATE tasks SET stopped_at = $1 WHERE tenant_id = $2 AND id = $3 AND finished_at IS NULL \
     AND stopped_at IS NULL"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] =
    &[INSERT, FIND, PAGE, PAGE_BACKWARDS, ROWS, WAITING, SETTLE_ROW, COUNT, FINISH, STOP];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[INSERT_ROWS];

/// Adds a task with its rows, in order.
pub async fn insert(tx: &mut Tx<'_>, task: &Task, subjects: &[String]) -> Result<(), Error> {
    let t = task;
    let row = args![t.id, t.tenant, t.kind, t.actor, t.action, t.total, t.created_at];
    tx.execute(INSERT, &row).await?;
    let rows: Vec<_> = subjects
        .iter()
        .zip(1i64..)
        .map(|(subject, number)| (task.id, number, subject.clone()))
        .collect();
    tx.bulk(INSERT_ROWS, &rows).await.map(drop)
}

/// One task, if the tenant has such a one.
pub async fn find(tx: &mut Tx<'_>, tenant: TenantId, id: TaskId) -> Result<Option<Task>, Error> {
    tx.optional(FIND, &args![tenant, id]).await
}

/// A tenant's tasks, from the one given on.
pub async fn page(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    order: Order,
    from: Option<TaskId>,
    limit: i64,
) -> Result<Vec<Task>, Error> {
    let from = from.unwrap_or(TaskId::from_raw(order.beginning()));
    let statement = match order {
        Order::Ascending => PAGE,
        Order::Descending => PAGE_BACKWARDS,
    };
    tx.all(statement, &args![tenant, from, limit]).await
}

/// A task's rows, after the one of that number.
pub async fn rows(
    tx: &mut Tx<'_>,
    task: TaskId,
    after: i64,
    limit: i64,
) -> Result<Vec<TaskRow>, Error> {
    tx.all(ROWS, &args![task, after, limit]).await
}

/// The rows of a task that wait.
pub async fn waiting(tx: &mut Tx<'_>, task: TaskId, limit: i64) -> Result<Vec<TaskRow>, Error> {
    tx.all(WAITING, &args![task, limit]).await
}

/// Settles rows and counts them. A row that is settled already is left as it is and not counted.
pub async fn settle(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    task: TaskId,
    rows: &[TaskRow],
) -> Result<(), Error> {
    let (mut done, mut failed) = (0i64, 0i64);
    for row in rows {
        let ok = row.ok == Some(true);
        let settled = tx.execute(SETTLE_ROW, &args![ok, row.detail, task, row.number]).await?;
        match (settled, ok) {
            (0, _) => {}
            (_, true) => done += 1,
            (_, false) => failed += 1,
        }
    }
    tx.execute(COUNT, &args![done, failed, tenant, task]).await.map(drop)
}

/// Notes that nothing is left to do. Twice is once.
pub async fn finish(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: TaskId,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(FINISH, &args![now, tenant, id]).await.map(drop)
}

/// Notes that the rows which wait are to be left alone. False if it was over or stopped already.
pub async fn stop(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: TaskId,
    now: Timestamp,
) -> Result<bool, Error> {
    Ok(tx.execute(STOP, &args![now, tenant, id]).await? == 1)
}
