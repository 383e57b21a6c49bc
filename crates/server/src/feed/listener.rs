//! One who listens to what happens in one business.

use crate::app::App;
use lango_domain::ids::TenantId;
use lango_store::activity::{self, Placed};
use lango_store::{Error, Tx};
use std::sync::Arc;
use tokio::sync::watch;

/// How many lines are read at once by somebody who is behind.
const PAGE: i64 = 200;

/// One who listens.
pub struct Listener {
    app: App,
    tenant: TenantId,
    after: i64,
    began_anew: Option<i64>,
    last: watch::Receiver<i64>,
}

impl Listener {
    /// Listens to what happens in a business after a place; with none, from now on. Also from now
    /// on if the place was never given here: it is from before an older backup was restored.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn new(app: &App, tenant: TenantId, after: Option<i64>) -> Result<Listener, Error> {
        let last = app.feed().last.subscribe();
        let given =
            app.store().read(async |tx: &mut Tx<'_>| activity::last_place(tx).await).await?;
        let began_anew = after.is_some_and(|after| after > given).then_some(given);
        let after = after.unwrap_or(given).min(given);
        Ok(Listener { app: app.clone(), tenant, after, began_anew, last })
    }

    /// Where it begins instead, if it was to begin after a place that was never given here.
    pub fn began_anew(&self) -> Option<i64> {
        self.began_anew
    }

    /// Waits for what happens next, in order. None when the server stops. Loses nothing when
    /// dropped and called again.
    ///
    /// # Errors
    /// A fault of the store; called again it goes on where it was.
    pub async fn next(&mut self) -> Result<Option<Vec<Arc<Placed>>>, Error> {
        loop {
            let known = *self.last.borrow_and_update();
            if self.after < known {
                let lines = self.lines_until(known).await?;
                if !lines.is_empty() {
                    return Ok(Some(lines));
                }
                continue;
            }
            let ended = self.app.feed().ended.clone();
            tokio::select! {
                () = ended.cancelled() => return Ok(None),
                changed = self.last.changed() => if changed.is_err() { return Ok(None) },
            }
        }
    }

    /// Every place up to `known` is committed: what is not among the lines is another's.
    async fn lines_until(&mut self, known: i64) -> Result<Vec<Arc<Placed>>, Error> {
        if let Some(lines) = self.app.feed().at_hand(self.after) {
            self.after = lines.last().map_or(known, |last| last.place).max(known);
            let own = |placed: &Arc<Placed>| placed.line.tenant == self.tenant;
            return Ok(lines.into_iter().filter(own).collect());
        }
        let (tenant, after) = (self.tenant, self.after);
        let read = async move |tx: &mut Tx<'_>| activity::news(tx, tenant, after, PAGE).await;
        let lines = self.app.store().read(read).await?;
        self.after = match lines.last() {
            Some(last) if lines.len() as i64 == PAGE => last.place,
            Some(last) => last.place.max(known),
            None => known,
        };
        Ok(lines.into_iter().map(Arc::new).collect())
    }
}
