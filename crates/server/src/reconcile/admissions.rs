//! The part of a visit that logs devices in: right after what is wanted was confirmed on the
//! router, over the same connection.

use super::visit::{Visit, VisitError};
use crate::enforcement::{Admitted, HotspotGuest};
use crate::operations::settle_admissions::{Due, claim_admissions, settle_admissions};

impl Visit {
    /// Tries what is due. Returns how many were tried.
    pub(super) async fn admit(&mut self) -> Result<usize, VisitError> {
        let router = self.router.id;
        let due = claim_admissions(&self.app, router, self.app.clock().now()).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let guests: Vec<HotspotGuest> = due.iter().map(|one| one.guest.clone()).collect();
        let admitted = self.driver.admit(&guests).await?;
        let now = self.app.clock().now();
        for (one, admitted) in due.iter().zip(&admitted) {
            self.tell(one, admitted, now.since(one.admission.asked_at).as_millis());
        }
        let tried = due.len();
        let outcomes = due.into_iter().zip(admitted).collect();
        let online = settle_admissions(&self.app, router, outcomes, now).await?;
        self.app.metrics().admissions.inc_by(online as u64);
        Ok(tried)
    }

    fn tell(&self, one: &Due, admitted: &Admitted, after_ms: i64) {
        let (grant, tenant) = (one.admission.grant, one.admission.tenant);
        let (router, mac) = (&self.router.name, one.admission.mac);
        match admitted {
            Admitted::In { .. } => tracing::info!(
                grant.id = %grant, tenant.id = %tenant, router.name = %router, %mac, after_ms,
                "{mac} is online at {router}, {after_ms} ms after it was asked for"
            ),
            Admitted::Occupied { .. } => tracing::info!(
                grant.id = %grant, tenant.id = %tenant, router.name = %router, %mac,
                "{mac} waits at {router}: another device is online by its grant"
            ),
            Admitted::Unseen(error) | Admitted::Refused(error) => tracing::info!(
                grant.id = %grant, tenant.id = %tenant, router.name = %router, %mac, error,
                "{mac} is not online at {router} yet; trying again"
            ),
        }
    }
}
