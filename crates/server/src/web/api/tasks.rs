//! Tasks: one action on many grants, with progress and what came of each.

use crate::operations::act_on_grant::Action;
use crate::operations::run_task::{TaskError, start_task, stop_task};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::list::{Limit, Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::sessions::AgeSort;
use crate::web::api::table::Paged;
use crate::web::api::words::{Seconds, Whole};
use axum::http::StatusCode;
use lango_domain::ids::{CustomerId, GrantId, PlanId, RouterId, TaskId, TenantId};
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::{Order, Tx, tasks};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One action on many grants.
#[derive(Serialize, JsonSchema, Debug)]
struct Task {
    id: TaskId,
    /// What is done to each: suspend, extend …
    action: String,
    /// Who asked for it
    actor: String,
    total: i64,
    done: i64,
    failed: i64,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
    stopped_at: Option<Timestamp>,
}

impl Shown for Task {}

impl From<tasks::Task> for Task {
    fn from(stored: tasks::Task) -> Task {
        let tasks::Task { id, kind, actor, total, done, failed, .. } = stored;
        let (created_at, finished_at) = (stored.created_at, stored.finished_at);
        let stopped_at = stored.stopped_at;
        Task { id, action: kind, actor, total, done, failed, created_at, finished_at, stopped_at }
    }
}

/// One grant of a task.
#[derive(Serialize, JsonSchema, Debug)]
#[schemars(rename = "TaskRow")]
struct Row {
    number: i64,
    grant: String,
    /// Whether it was done; null while it waits
    ok: Option<bool>,
    /// Its state afterwards, or why it was not done
    detail: String,
}

impl Shown for Row {}

impl From<tasks::TaskRow> for Row {
    fn from(row: tasks::TaskRow) -> Row {
        Row { number: row.number, grant: row.subject, ok: row.ok, detail: row.detail }
    }
}

/// What is to be done to each.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(rename_all = "snake_case", tag = "action", deny_unknown_fields)]
#[schemars(inline)]
enum Bulk {
    Suspend {},
    Disconnect {},
    Resume {},
    Pause {},
    End {},
    Retry {},
    Unlock {},
    Extend { seconds: Seconds },
    Move { router: Option<RouterId> },
    Replan { plan: PlanId },
    Assign { customer: Option<CustomerId> },
}

impl Bulk {
    fn action(&self) -> Action {
        match *self {
            Bulk::Suspend {} => Action::Suspend,
            Bulk::Disconnect {} => Action::Disconnect,
            Bulk::Resume {} => Action::Resume,
            Bulk::Pause {} => Action::Pause,
            Bulk::End {} => Action::End,
            Bulk::Retry {} => Action::Retry,
            Bulk::Unlock {} => Action::Unlock,
            Bulk::Extend { seconds } => Action::Extend { time: seconds.span() },
            Bulk::Move { router } => Action::Move { router },
            Bulk::Replan { plan } => Action::Replan { plan },
            Bulk::Assign { customer } => Action::Assign { customer },
        }
    }
}

/// One action on many grants, to be begun.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
struct NewTask {
    /// What is done to each
    each: Bulk,
    #[schemars(length(min = 1, max = 10_000))]
    grants: Vec<GrantId>,
}

/// A page of tasks.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct TasksQuery {
    sort: Option<AgeSort>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

impl Paged for TasksQuery {
    fn going_on(&self, cursor: Option<String>) -> TasksQuery {
        TasksQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

/// A page of rows.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct RowsQuery {
    /// Only rows that were not done
    failed: Option<bool>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

impl Paged for RowsQuery {
    fn going_on(&self, cursor: Option<String>) -> RowsQuery {
        RowsQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

const TAG: &str = "tasks";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/tasks", "list_tasks").about(TAG, "Actions on many grants");
    doors.open_list(list, async |ask: Ask<(), TasksQuery>| page(&ask).await);
    let show = Sign::get("/api/v1/tasks/{task}", "show_task").about(TAG, "One task, how far it is");
    doors.open(show, async |ask: Ask<TaskId>| {
        one(&ask, ask.path).await.map(|task| Reply::ok(Task::from(task)))
    });
    let rows = Sign::list("/api/v1/tasks/{task}/rows", "list_task_rows")
        .about(TAG, "What came of each grant");
    doors.open_list(rows, async |ask: Ask<TaskId, RowsQuery>| rows_page(&ask).await);
    let start = Sign::make("/api/v1/tasks", "start_task")
        .about(TAG, "Do one action to many grants")
        .needs(Permission::Manage)
        .answers_with(StatusCode::ACCEPTED);
    doors.open(start, async |ask: Ask<(), NoQuery, Json<NewTask>>| {
        let NewTask { each, grants } = &ask.body.0;
        let (tenant, action) = (ask.tenant(), each.action());
        let app = &ask.here.app;
        let task = start_task(app, tenant, action, grants.clone(), ask.by(), ask.now()).await?;
        let location = format!("/api/v1/tasks/{}", task.id);
        Ok(Reply::ok(Task::from(task)).at(location))
    });
    let stop = Sign::run("/api/v1/tasks/{task}/stop", "stop_task")
        .about(TAG, "Leave the grants alone that wait; what was done stays done")
        .needs(Permission::Manage);
    doors.open(stop, async |ask: Ask<TaskId>| {
        let task = stop_task(&ask.here.app, ask.tenant(), ask.path, ask.by(), ask.now()).await?;
        Ok(Reply::ok(Task::from(task)))
    });
}

async fn one<P, Q, B>(ask: &Ask<P, Q, B, TenantId>, id: TaskId) -> Result<tasks::Task, Problem> {
    let tenant = ask.tenant();
    let find = async move |tx: &mut Tx<'_>| tasks::find(tx, tenant, id).await;
    ask.here.app.store().read(find).await?.ok_or_else(|| Problem::missing("task"))
}

async fn page(ask: &Ask<(), TasksQuery>) -> Result<Reply<Page<Task>>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let order = AgeSort::order(query.sort);
    let place = Place::read("tasks", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<TaskId>, limit: i64| {
        let store = store.clone();
        async move {
            let read =
                async move |tx: &mut Tx<'_>| tasks::page(tx, tenant, order, from, limit).await;
            store.read(read).await
        }
    };
    let (rows, next) = walk(&place, true, read, |task| task.id, |_| true).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(Task::from).collect(), next)))
}

async fn rows_page(ask: &Ask<TaskId, RowsQuery>) -> Result<Reply<Page<Row>>, Problem> {
    let (query, store) = (&ask.query, ask.here.app.store());
    let task = one(ask, ask.path).await?.id;
    let order = Order::Ascending;
    let place = Place::read("task rows", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<i64>, limit: i64| {
        let store = store.clone();
        async move {
            let read =
                async move |tx: &mut Tx<'_>| tasks::rows(tx, task, from.unwrap_or(0), limit).await;
            store.read(read).await
        }
    };
    let only_failed = query.failed.unwrap_or(false);
    let keep = |row: &tasks::TaskRow| !only_failed || row.ok == Some(false);
    let (rows, next) = walk(&place, !only_failed, read, |row| row.number, keep).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(Row::from).collect(), next)))
}

impl From<TaskError> for Problem {
    fn from(error: TaskError) -> Problem {
        match error {
            TaskError::Empty | TaskError::TooMany => {
                Problem::unreadable(error.to_string()).at("/grants")
            }
            TaskError::Reused(reused) => reused.into(),
            TaskError::Lost(lost) => lost.into(),
            TaskError::Over => Problem::conflict(error.to_string()),
            TaskError::Store(error) => error.into(),
        }
    }
}
