//! The engine for effects: takes due jobs, does them, settles them. A job is done at least once;
//! what must not happen twice is guarded where it happens.

use crate::app::App;
use crate::messaging;
use crate::messaging::sender::Sender;
use crate::observe::pulse::Engine;
use crate::operations::settle_job::{JobEnd, settle_job};
use crate::operations::{run_task, send_message};
use futures_util::{StreamExt, TryStreamExt};
use lango_domain::time::{Span, Timestamp};
use lango_store::jobs::Job;
use lango_store::{Error, Topic, Tx};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a claimed job is ours.
const LEASE: Span = Span::seconds(60);
/// How many jobs are claimed at once.
const BATCH: i64 = 100;
/// How many of them are done at the same time.
const AT_ONCE: usize = 16;
/// How many jobs the engine has under way; gateways can be slow.
const MOST_AT_ONCE: usize = 64;
/// The longest sleep: wakes can be lost, the timer finds what they would have told.
const LONGEST_SLEEP: Span = Span::seconds(30);

/// Works until stopped. Faults of the store are logged and tried again. A slow job keeps no other
/// waiting, as long as there are not too many slow ones.
pub async fn run(app: App, sender: Sender, stop: CancellationToken) {
    let news = app.store().subscribe(Topic::Jobs);
    let mut working: JoinSet<()> = JoinSet::new();
    while !stop.is_cancelled() {
        while working.try_join_next().is_some() {}
        let room = MOST_AT_ONCE.saturating_sub(working.len());
        let until = match claim(&app, room as i64).await {
            Ok(jobs) if jobs.is_empty() => next_look(&app, room).await,
            Ok(jobs) => {
                for job in jobs {
                    working.spawn(settled(app.clone(), sender, job));
                }
                continue;
            }
            Err(error) => {
                tracing::error!(error = %error, "jobs could not be worked off; trying again");
                app.clock().now() + Span::seconds(1)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = news.woken() => {}
            Some(_) = working.join_next() => {}
            () = app.clock().sleep_until(until) => {}
        }
    }
    // Texts that are being handed over should be known to have been.
    while working.join_next().await.is_some() {}
}

async fn settled(app: App, sender: Sender, job: Job) {
    let id = job.id;
    if let Err(error) = do_one(&app, sender, job).await {
        tracing::error!(%error, job = %id, "a job could not be settled; it comes again");
    }
}

async fn do_one(app: &App, sender: Sender, job: Job) -> Result<(), Error> {
    let end = perform(app, sender, &job).await?;
    settle_job(app, job, end, app.clock().now()).await
}

async fn claim(app: &App, most: i64) -> Result<Vec<Job>, Error> {
    let now = app.clock().now();
    app.pulse().beat(Engine::Jobs, now);
    if most == 0 {
        return Ok(Vec::new());
    }
    let claim =
        async move |tx: &mut Tx<'_>| lango_store::jobs::claim(tx, now, now + LEASE, most).await;
    app.store().write(claim).await
}

async fn next_look(app: &App, room: usize) -> Timestamp {
    let latest = app.clock().now() + LONGEST_SLEEP;
    if room == 0 {
        return latest;
    }
    let next =
        app.store().read(async |tx: &mut Tx<'_>| lango_store::jobs::next_run(tx).await).await;
    next.ok().flatten().map_or(latest, |next| next.min(latest))
}

/// Does the jobs that are due now, one batch. Returns how many were claimed.
///
/// # Errors
/// A fault of the store.
pub async fn pass(app: &App, sender: &Sender) -> Result<usize, Error> {
    let jobs = claim(app, BATCH).await?;
    let claimed = jobs.len();
    let all = futures_util::stream::iter(jobs).map(Ok);
    all.try_for_each_concurrent(AT_ONCE, |job| do_one(app, *sender, job)).await?;
    Ok(claimed)
}

async fn perform(app: &App, sender: Sender, job: &Job) -> Result<JobEnd, Error> {
    match job.kind.as_str() {
        messaging::JOB => send_message::work(app, sender, job).await,
        run_task::JOB => run_task::work(app, job).await,
        other => Ok(JobEnd::Hopeless(format!("this version of Lango knows no job `{other}`"))),
    }
}
