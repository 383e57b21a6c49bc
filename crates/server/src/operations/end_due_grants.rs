//! What fell due happens: ends, lapses, warnings. One batch is one transaction.

use crate::app::App;
use crate::operations::change_grant::{self, Actor, Change};
use lango_domain::grant::{Effect, Event};
use lango_domain::ids::TenantId;
use lango_domain::time::{Span, Timestamp};
use lango_store::{Error, Tx};
use std::collections::BTreeMap;

/// How many grants one transaction takes: large enough to share its commit, small enough not to
/// keep other writers waiting.
const BATCH: i64 = 500;

/// What one pass did.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct DuePass {
    /// Grants whose deadline was worked off.
    pub due: usize,
    /// Grants that ended.
    pub ended: usize,
    /// Customers to be warned.
    pub warned: usize,
    /// How long the longest overdue of them waited.
    pub longest_overdue: Span,
    /// Ends by tenant.
    pub by_tenant: BTreeMap<TenantId, usize>,
}

/// Works off everything due at `now`.
///
/// # Errors
/// A fault of the store. What was committed before it stays.
pub async fn end_due_grants(app: &App, now: Timestamp) -> Result<DuePass, Error> {
    let mut pass = DuePass::default();
    loop {
        let batch = end_batch(app, now).await?;
        let full = batch.due as i64 == BATCH;
        pass.add(batch);
        if !full {
            return Ok(pass);
        }
    }
}

async fn end_batch(app: &App, now: Timestamp) -> Result<DuePass, Error> {
    let desk = app.clone();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let mut pass = DuePass::default();
            let mut changes = Vec::new();
            for stored in lango_store::grants::due(tx, now, BATCH).await? {
                let overdue = stored.grant.next_deadline().map_or(now, |deadline| deadline.at);
                // Time passing is never refused; if it were, leaving the grant is the safe side.
                let Ok(change) = Change::of(stored, Event::TimePassed, now) else { continue };
                pass.count(&change, now.since(overdue));
                changes.push(change);
            }
            change_grant::write(tx, &desk, changes, &Actor::Engine, now).await?;
            Ok(pass)
        })
        .await
}

impl DuePass {
    fn count(&mut self, change: &Change, overdue: Span) {
        self.due += 1;
        self.longest_overdue = self.longest_overdue.max(overdue);
        for effect in &change.effects {
            match effect {
                Effect::Ended(_) => {
                    self.ended += 1;
                    *self.by_tenant.entry(change.after.grant.tenant).or_default() += 1;
                }
                Effect::Warn { .. } => self.warned += 1,
                _ => {}
            }
        }
    }

    fn add(&mut self, batch: DuePass) {
        self.due += batch.due;
        self.ended += batch.ended;
        self.warned += batch.warned;
        self.longest_overdue = self.longest_overdue.max(batch.longest_overdue);
        for (tenant, ended) in batch.by_tenant {
            *self.by_tenant.entry(tenant).or_default() += ended;
        }
    }
}
