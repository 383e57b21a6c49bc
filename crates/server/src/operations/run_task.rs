//! One action on many grants: asked for once, done row by row by the engine for jobs, with what came
//! of each row. Interrupted, it goes on with the rows that wait; a row is never done twice.

use crate::app::App;
use crate::operations::act_on_grant::{self, Action};
use crate::operations::asked::{self, Actor, By, Entry, KeyReused, Lost};
use crate::operations::settle_job::JobEnd;
use lango_domain::ids::{GrantId, JobId, TaskId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::jobs::{Job, NewJob};
use lango_store::tasks::{self, Task, TaskRow};
use lango_store::{Error, Tx};
use std::collections::HashSet;

/// The kind of job that works at a task.
pub const JOB: &str = "task";
/// How many rows a task may have.
pub const MOST_ROWS: usize = 10_000;
/// How many rows one transaction takes.
const BATCH: i64 = 100;
/// After so many batches the job ends and the next one goes on, so that messages are not kept
/// waiting.
const BATCHES: usize = 10;

/// Why a task could not be begun or stopped.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Nothing to do.
    #[error("name at least one grant")]
    Empty,
    /// Too much at once.
    #[error("at most {MOST_ROWS} grants at once: split them")]
    TooMany,
    /// The key was used for another request.
    #[error(transparent)]
    Reused(#[from] KeyReused),
    /// No such task.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// It is over, or was stopped before.
    #[error("it is over, or was stopped before")]
    Over,
    /// The database.
    #[error("working at a task")]
    Store(#[from] Error),
}

/// What a job of a task needs to know.
#[derive(serde::Serialize, serde::Deserialize)]
struct Payload {
    task: TaskId,
}

/// Asks for an action on many grants. One that is named twice is done once.
///
/// # Errors
/// See [`TaskError`].
pub async fn start_task(
    app: &App,
    tenant: TenantId,
    action: Action,
    grants: Vec<GrantId>,
    by: &By,
    now: Timestamp,
) -> Result<Task, TaskError> {
    let mut known = HashSet::new();
    let subjects: Vec<String> =
        grants.iter().filter(|id| known.insert(**id)).map(ToString::to_string).collect();
    match subjects.len() {
        0 => return Err(TaskError::Empty),
        1..=MOST_ROWS => {}
        _ => return Err(TaskError::TooMany),
    }
    let task = task(app, tenant, action, subjects.len(), by, now);
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            match asked::made_before::<TaskId>(tx, &by).await? {
                Err(reused) => return Ok(Err(reused.into())),
                Ok(Some(made)) => {
                    let found = match made.first() {
                        Some(id) => tasks::find(tx, tenant, *id).await?,
                        None => None,
                    };
                    return Ok(found.ok_or(Lost::Missing("task").into()));
                }
                Ok(None) => {}
            }
            tasks::insert(tx, &task, &subjects).await?;
            push_job(tx, &desk, tenant, task.id, 0, now).await?;
            asked::keep_made(tx, &by, &[task.id], now).await?;
            let detail = format!("{}: {} on {} grants", task.id, task.kind, task.total);
            let entry = Entry::of(tenant, "task started", detail);
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(Ok(task.clone()))
        })
        .await?
}

fn task(app: &App, tenant: TenantId, action: Action, rows: usize, by: &By, now: Timestamp) -> Task {
    // A word and ids: serialising cannot fail.
    let body = serde_json::to_value(action).unwrap_or_default();
    let kind = body["action"].as_str().unwrap_or_default().to_owned();
    Task {
        id: app.id(now),
        tenant,
        kind,
        actor: by.actor.word(),
        action: body.to_string(),
        total: rows as i64,
        done: 0,
        failed: 0,
        created_at: now,
        finished_at: None,
        stopped_at: None,
    }
}

async fn push_job(
    tx: &mut Tx<'_>,
    app: &App,
    tenant: TenantId,
    task: TaskId,
    settled: i64,
    now: Timestamp,
) -> Result<(), Error> {
    let job = NewJob {
        id: app.id::<JobId>(now),
        tenant,
        grant: None,
        kind: JOB,
        once_key: format!("{task} from {settled}"),
        payload: serde_json::to_string(&Payload { task }).unwrap_or_default(),
        run_at: now,
    };
    lango_store::jobs::push(tx, &[job]).await
}

/// Works at a task for a while. What is left is another job's.
///
/// # Errors
/// A fault of the store; what was settled stays.
pub async fn work(app: &App, job: &Job) -> Result<JobEnd, Error> {
    let Ok(Payload { task }) = serde_json::from_str(&job.payload) else {
        return Ok(JobEnd::Hopeless("the job's payload cannot be read".to_owned()));
    };
    for batch in 0..BATCHES {
        let is_last = batch + 1 == BATCHES;
        if work_batch(app, job.tenant, task, is_last).await? {
            break;
        }
    }
    Ok(JobEnd::NotNeeded("its rows are settled, or another job goes on"))
}

/// Settles one batch of rows. True if nothing is left to do.
async fn work_batch(app: &App, tenant: TenantId, id: TaskId, go_on: bool) -> Result<bool, Error> {
    let (desk, now) = (app.clone(), app.clock().now());
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let Some(task) = tasks::find(tx, tenant, id).await? else { return Ok(true) };
            if task.finished_at.is_some() || task.stopped_at.is_some() {
                return Ok(true);
            }
            let rows = tasks::waiting(tx, id, BATCH).await?;
            let mut settled = Vec::with_capacity(rows.len());
            for row in rows {
                settled.push(act(tx, &desk, &task, row, now).await?);
            }
            tasks::settle(tx, tenant, id, &settled).await?;
            if settled.is_empty() {
                finish(tx, &desk, &task, now).await?;
                return Ok(true);
            }
            if go_on {
                let so_far = task.done + task.failed + settled.len() as i64;
                push_job(tx, &desk, tenant, id, so_far, now).await?;
            }
            Ok(false)
        })
        .await
}

/// A refusal is a row that failed; it spoils no other.
async fn act(
    tx: &mut Tx<'_>,
    app: &App,
    task: &Task,
    row: TaskRow,
    now: Timestamp,
) -> Result<TaskRow, Error> {
    let by = By { actor: Actor::Task(task.id), request: None };
    let action = serde_json::from_str::<Action>(&task.action);
    let outcome = match (row.subject.parse::<GrantId>(), action) {
        (Ok(grant), Ok(action)) => match act_on_grant::of_tenant(tx, task.tenant, grant).await? {
            Some(stored) => act_on_grant::act(tx, app, stored, action, &by, now)
                .await?
                .map(|stored| stored.grant.state.word().to_owned())
                .map_err(|undone| undone.to_string()),
            None => Err(Lost::Missing("grant").to_string()),
        },
        _ => Err("it cannot be read".to_owned()),
    };
    let (ok, detail) = match outcome {
        Ok(state) => (true, state),
        Err(why) => (false, why),
    };
    Ok(TaskRow { ok: Some(ok), detail, ..row })
}

async fn finish(tx: &mut Tx<'_>, app: &App, task: &Task, now: Timestamp) -> Result<(), Error> {
    tasks::finish(tx, task.tenant, task.id, now).await?;
    let detail = format!("{}: {} done, {} failed", task.id, task.done, task.failed);
    let entry = Entry::of(task.tenant, "task finished", detail);
    asked::account(tx, app, &Actor::Task(task.id), entry, now).await
}

/// Leaves the rows alone that wait. What was done stays done.
///
/// # Errors
/// See [`TaskError`].
pub async fn stop_task(
    app: &App,
    tenant: TenantId,
    id: TaskId,
    by: &By,
    now: Timestamp,
) -> Result<Task, TaskError> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            if tasks::find(tx, tenant, id).await?.is_none() {
                return Ok(Err(Lost::Missing("task").into()));
            }
            if !tasks::stop(tx, tenant, id, now).await? {
                return Ok(Err(TaskError::Over));
            }
            let entry = Entry::of(tenant, "task stopped", id.to_string());
            asked::account(tx, &desk, &by.actor, entry, now).await?;
            Ok(tasks::find(tx, tenant, id).await?.ok_or(Lost::Missing("task").into()))
        })
        .await?
}
