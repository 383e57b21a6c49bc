//! The engine for effects: takes due jobs, does them, settles them. A job is done at least once;
//! what must not happen twice is guarded where it happens.

use crate::app::App;
use crate::messaging::notice::NoticeJob;
use crate::messaging::sender::{Sender, Sent};
use crate::messaging::{self, templates};
use crate::observe::pulse::Engine;
use crate::operations::run_task;
use crate::operations::settle_job::{JobEnd, settle_job};
use lango_domain::time::{Span, Timestamp};
use lango_store::customers::Customer;
use lango_store::jobs::{Job, Message};
use lango_store::tenants::Tenant;
use lango_store::{Error, Topic, Tx};
use tokio_util::sync::CancellationToken;

/// How long a claimed job is ours.
const LEASE: Span = Span::seconds(60);
/// How many jobs are claimed at once.
const BATCH: i64 = 100;
/// The longest sleep: wakes can be lost, the timer finds what they would have told.
const LONGEST_SLEEP: Span = Span::seconds(30);

/// Works until stopped. Faults of the store are logged and tried again.
pub async fn run(app: App, sender: Sender, stop: CancellationToken) {
    let news = app.store().subscribe(Topic::Jobs);
    while !stop.is_cancelled() {
        let until = match pass(&app, &sender).await {
            Ok(0) => next_look(&app).await,
            Ok(_) => continue,
            Err(error) => {
                tracing::error!(error = %error, "jobs could not be worked off; trying again");
                app.clock().now() + Span::seconds(1)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = news.woken() => {}
            () = app.clock().sleep_until(until) => {}
        }
    }
}

async fn next_look(app: &App) -> Timestamp {
    let latest = app.clock().now() + LONGEST_SLEEP;
    let next =
        app.store().read(async |tx: &mut Tx<'_>| lango_store::jobs::next_run(tx).await).await;
    next.ok().flatten().map_or(latest, |next| next.min(latest))
}

/// Does the jobs that are due now, one batch. Returns how many were claimed.
///
/// # Errors
/// A fault of the store.
pub async fn pass(app: &App, sender: &Sender) -> Result<usize, Error> {
    let now = app.clock().now();
    let jobs = app
        .store()
        .write(async move |tx: &mut Tx<'_>| {
            lango_store::jobs::claim(tx, now, now + LEASE, BATCH).await
        })
        .await?;
    let claimed = jobs.len();
    app.pulse().beat(Engine::Jobs, now);
    for job in jobs {
        let end = perform(app, sender, &job).await?;
        settle_job(app, job, end, app.clock().now()).await?;
    }
    Ok(claimed)
}

async fn perform(app: &App, sender: &Sender, job: &Job) -> Result<JobEnd, Error> {
    match job.kind.as_str() {
        messaging::JOB => notify(app, sender, job).await,
        run_task::JOB => run_task::work(app, job).await,
        other => Ok(JobEnd::Hopeless(format!("this version of Lango knows no job `{other}`"))),
    }
}

async fn notify(app: &App, sender: &Sender, job: &Job) -> Result<JobEnd, Error> {
    let Ok(NoticeJob { customer, notice, .. }) = serde_json::from_str(&job.payload) else {
        return Ok(JobEnd::Hopeless("the job's payload cannot be read".to_owned()));
    };
    let tenant = job.tenant;
    let (tenant, customer): (Tenant, Customer) = app
        .store()
        .read(async move |tx: &mut Tx<'_>| {
            let tenant = lango_store::tenants::one(tx, tenant).await?;
            Ok((tenant, lango_store::customers::one(tx, customer).await?))
        })
        .await?;
    let Some(phone) = customer.phone else {
        return Ok(JobEnd::NotNeeded("the customer has no phone number"));
    };
    let body = templates::text(&notice, &tenant, customer.language.unwrap_or(tenant.language));
    let now = app.clock().now();
    Ok(match sender.send(&phone, &body).await {
        Sent::Taken => JobEnd::Sent(Message {
            id: app.id(now),
            tenant: job.tenant,
            job: job.id,
            grant: job.grant,
            recipient: phone.to_string(),
            body,
            reason: notice.word().to_owned(),
            sent_at: now,
        }),
        Sent::NotNow(why) => JobEnd::Later(why),
        Sent::Refused(why) => JobEnd::Hopeless(why),
    })
}
