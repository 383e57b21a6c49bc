//! `lango job …`: messages and other work that is to happen, and what went wrong with it.

use super::Everywhere;
use super::desk::Desk;
use super::output::{Shape, counted, json, line, note, printed};
use super::table::Table;
use crate::operations::retry_job::retry_jobs;
use anyhow::bail;
use clap::ValueEnum;
use lango_domain::ids::{JobId, TenantId};
use lango_store::jobs::JobLine;
use lango_store::{Order, Tx};
use std::process::ExitCode;

/// How many are read at a time.
const PAGE: i64 = 1_000;

#[derive(clap::Subcommand)]
pub(super) enum JobCommand {
    /// What is to happen and what was given up, latest first
    List(ListArguments),
    /// Try again at once
    Retry(RetryArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango job list --state given-up\n  \
                        lango job list --state waiting --last 20")]
pub(super) struct ListArguments {
    /// Only those in this state
    #[arg(long, value_name = "STATE")]
    state: Option<JobState>,
    /// How many
    #[arg(long, value_name = "COUNT", default_value = "100",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    last: u32,
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango job retry --all-given-up\n  \
                        lango job retry j3m8rq7w00002k")]
#[command(group(clap::ArgGroup::new("which").required(true).args(["jobs", "all_given_up"])))]
pub(super) struct RetryArguments {
    /// Their ids, from `lango job list`
    jobs: Vec<JobId>,
    /// All that were given up
    #[arg(long)]
    all_given_up: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum JobState {
    Waiting,
    Done,
    GivenUp,
}

impl JobState {
    fn of(job: &JobLine) -> JobState {
        match (job.run_at, job.gave_up) {
            (Some(_), _) => JobState::Waiting,
            (None, true) => JobState::GivenUp,
            (None, false) => JobState::Done,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            JobState::Waiting => "waiting",
            JobState::Done => "done",
            JobState::GivenUp => "given up",
        }
    }
}

pub(super) async fn run(everywhere: &Everywhere, command: JobCommand) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    match command {
        JobCommand::List(arguments) => list(&desk, &arguments).await?,
        JobCommand::Retry(arguments) => retry(&desk, arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The latest jobs in a state.
async fn latest(
    desk: &Desk,
    tenant: TenantId,
    state: Option<JobState>,
    most: usize,
) -> anyhow::Result<Vec<JobLine>> {
    let (mut found, mut from): (Vec<JobLine>, _) = (Vec::new(), None);
    while found.len() < most {
        let page = async move |tx: &mut Tx<'_>| {
            lango_store::jobs::listed(tx, tenant, Order::Descending, from, PAGE).await
        };
        let page = desk.app.store().report(page).await?;
        let is_last = (page.len() as i64) < PAGE;
        from = page.last().map(|last| last.id);
        found.extend(
            page.into_iter().filter(|job| state.is_none_or(|state| state == JobState::of(job))),
        );
        if is_last {
            break;
        }
    }
    found.truncate(most);
    Ok(found)
}

fn as_json(job: &JobLine) -> serde_json::Value {
    serde_json::json!({
        "id": job.id, "grant": job.grant, "kind": job.kind, "state": JobState::of(job),
        "run_at": job.run_at, "attempts": job.attempt, "last_error": job.last_error,
        "finished_at": job.finished_at,
    })
}

const COLUMNS: [&str; 8] =
    ["id", "kind", "grant", "state", "run_at", "attempts", "last_error", "finished_at"];

async fn list(desk: &Desk, arguments: &ListArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let jobs = latest(desk, tenant.id, arguments.state, arguments.last as usize).await?;
    let rows: Vec<serde_json::Value> = jobs.iter().map(as_json).collect();
    if printed(arguments.shape, &rows, &COLUMNS)? {
        return Ok(());
    }
    if jobs.is_empty() {
        return line("No such job.");
    }
    let mut table = Table::new(["WHAT", "STATE", "WHEN", "TRIES", "LAST TROUBLE", "ID"]);
    for job in jobs {
        table.row([
            job.kind.clone(),
            JobState::of(&job).word().to_owned(),
            job.run_at.or(job.finished_at).map(|at| tenant.zone.local(at)).unwrap_or_default(),
            job.attempt.to_string(),
            job.last_error.unwrap_or_default(),
            job.id.to_string(),
        ]);
    }
    table.print()
}

async fn retry(desk: &Desk, arguments: RetryArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?.id;
    let jobs = if arguments.all_given_up {
        let given_up = latest(desk, tenant, Some(JobState::GivenUp), usize::MAX).await?;
        given_up.iter().map(|job| job.id).collect()
    } else {
        arguments.jobs
    };
    let asked = jobs.len();
    let hurried = retry_jobs(&desk.app, tenant, jobs, desk.now()).await?;
    if hurried == 0 && asked > 0 {
        bail!("none of them can be tried: they are done, due already, or not of this business");
    }
    if arguments.json {
        return json(&serde_json::json!({ "asked": asked, "retried": hurried }));
    }
    line(format!("{} to be tried again", counted(hurried, "job", "jobs")))?;
    if hurried > 0 {
        note("`lango serve` does it by itself, `lango notify --once` does it now.");
    }
    Ok(())
}
