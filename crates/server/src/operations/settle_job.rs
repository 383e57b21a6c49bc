//! A job is over, or comes again. Settling and what the job leaves behind are one transaction.

use crate::app::App;
use lango_domain::time::{Span, Timestamp};
use lango_store::jobs::Job;
use lango_store::{Error, Tx};

/// How a job came out.
#[derive(Clone, Debug)]
pub enum JobEnd {
    /// Done.
    Done,
    /// Nothing had to be done, and why.
    NotNeeded(&'static str),
    /// Not yet; try again.
    Later(String),
    /// Not before then, however often that was so.
    LaterAt(Timestamp, String),
    /// Never; a person must look.
    Hopeless(String),
    /// Somebody else has it by now.
    Lost,
}

/// After how many tries a job is given up.
pub const MOST_ATTEMPTS: i64 = 20;

/// Settles a claimed job.
///
/// # Errors
/// A fault of the store; the job comes again after its lease.
pub async fn settle_job(app: &App, job: Job, end: JobEnd, now: Timestamp) -> Result<(), Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            use lango_store::jobs;
            match &end {
                JobEnd::Done | JobEnd::NotNeeded(_) => jobs::finish(tx, &job, now).await,
                JobEnd::LaterAt(at, why) => jobs::retry(tx, &job, *at, why).await,
                JobEnd::Lost => Ok(()),
                JobEnd::Later(why) if job.attempt < MOST_ATTEMPTS => {
                    jobs::retry(tx, &job, now + pause(job.attempt), why).await
                }
                JobEnd::Later(why) | JobEnd::Hopeless(why) => {
                    jobs::give_up(tx, &job, now, why).await
                }
            }
        })
        .await
}

/// 2 s, 4 s, 8 s … up to ten minutes.
fn pause(attempt: i64) -> Span {
    Span::seconds(2i64.saturating_pow(u32::try_from(attempt).unwrap_or(u32::MAX)).min(600))
}
