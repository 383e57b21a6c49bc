//! A job that was given up, or waits for a later try, is tried at once.

use crate::app::App;
use lango_domain::ids::{JobId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::{Error, Tx};

/// Has these jobs of a tenant tried again. Returns how many there are to be tried; those that are
/// done or due already are none of them.
///
/// # Errors
/// A fault of the store.
pub async fn retry_jobs(
    app: &App,
    tenant: TenantId,
    jobs: Vec<JobId>,
    now: Timestamp,
) -> Result<usize, Error> {
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let mut hurried = 0;
            for job in jobs.iter().copied() {
                hurried += usize::from(lango_store::jobs::try_again(tx, tenant, job, now).await?);
            }
            Ok(hurried)
        })
        .await
}
