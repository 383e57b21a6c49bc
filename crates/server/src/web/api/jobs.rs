//! Jobs: effects that must happen at least once.

use crate::web::api::door::{Ask, Doors, Reply, Shown, Sign};
use crate::web::api::list::{Limit, Page, Place, walk};
use crate::web::api::problem::Problem;
use crate::web::api::sessions::AgeSort;
use crate::web::api::table::Paged;
use crate::web::api::words::Whole;
use lango_domain::ids::{GrantId, JobId};
use lango_domain::role::Permission;
use lango_domain::time::Timestamp;
use lango_store::Tx;
use lango_store::jobs::{self, JobLine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An effect that must happen at least once.
#[derive(Serialize, JsonSchema, Debug)]
struct Job {
    id: JobId,
    grant: Option<GrantId>,
    /// What sort of work: notice, webhook, task …
    kind: String,
    state: JobState,
    /// When it may be done next; null if it is over
    run_at: Option<Timestamp>,
    /// Tries that were begun
    attempts: i64,
    last_error: Option<String>,
    finished_at: Option<Timestamp>,
}

impl Shown for Job {}

/// Where a job stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum JobState {
    Waiting,
    Done,
    GivenUp,
}

impl JobState {
    fn of(line: &JobLine) -> JobState {
        match (line.run_at, line.gave_up) {
            (Some(_), _) => JobState::Waiting,
            (None, true) => JobState::GivenUp,
            (None, false) => JobState::Done,
        }
    }
}

impl From<JobLine> for Job {
    fn from(line: JobLine) -> Job {
        Job {
            id: line.id,
            grant: line.grant,
            state: JobState::of(&line),
            run_at: line.run_at,
            attempts: line.attempt,
            last_error: line.last_error,
            finished_at: line.finished_at,
            kind: line.kind,
        }
    }
}

/// Which jobs are listed.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct JobsQuery {
    state: Option<JobState>,
    sort: Option<AgeSort>,
    cursor: Option<String>,
    limit: Option<Limit>,
}

impl Paged for JobsQuery {
    fn going_on(&self, cursor: Option<String>) -> JobsQuery {
        JobsQuery { cursor, limit: Some(Whole(500)), ..self.clone() }
    }
}

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/jobs", "list_jobs").about("jobs", "Effects that are to happen");
    doors.open_list(list, async |ask: Ask<(), JobsQuery>| page(&ask).await);
    let show = Sign::get("/api/v1/jobs/{job}", "show_job").about("jobs", "One job");
    doors.open(show, async |ask: Ask<JobId>| one(&ask).await.map(Reply::ok));
    let retry = Sign::run("/api/v1/jobs/{job}/retry", "retry_job")
        .about("jobs", "Try a job at once that was given up or waits for a later try")
        .needs(Permission::Support);
    doors.open(retry, async |ask: Ask<JobId>| {
        let (tenant, id, now) = (ask.tenant(), ask.path, ask.now());
        one(&ask).await?;
        let again = async move |tx: &mut Tx<'_>| jobs::try_again(tx, tenant, id, now).await;
        if !ask.here.app.store().write(again).await? {
            return Err(Problem::conflict("it is done, or is due already"));
        }
        one(&ask).await.map(Reply::ok)
    });
}

async fn one(ask: &Ask<JobId>) -> Result<Job, Problem> {
    let (tenant, id) = (ask.tenant(), ask.path);
    let find = async move |tx: &mut Tx<'_>| jobs::find(tx, tenant, id).await;
    let found = ask.here.app.store().read(find).await?;
    found.map(Job::from).ok_or_else(|| Problem::missing("job"))
}

async fn page(ask: &Ask<(), JobsQuery>) -> Result<Reply<Page<Job>>, Problem> {
    let (query, tenant, store) = (&ask.query, ask.tenant(), ask.here.app.store());
    let order = AgeSort::order(query.sort);
    let place = Place::read("jobs", order, query.limit, query.cursor.as_deref())?;
    let read = |from: Option<JobId>, limit: i64| {
        let store = store.clone();
        async move {
            let read =
                async move |tx: &mut Tx<'_>| jobs::listed(tx, tenant, order, from, limit).await;
            store.read(read).await
        }
    };
    let keep = |line: &JobLine| query.state.is_none_or(|state| state == JobState::of(line));
    let (rows, next) = walk(&place, query.state.is_none(), read, |line| line.id, keep).await?;
    Ok(Reply::ok(place.page(rows.into_iter().map(Job::from).collect(), next)))
}
