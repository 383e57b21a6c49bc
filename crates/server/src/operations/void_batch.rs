//! A batch of vouchers is voided: whatever is unused of it ends for good, what is used stays.

use crate::app::App;
use crate::operations::asked::{self, By, Entry, Lost};
use crate::operations::change_grant::{self, Change};
use lango_domain::grant::{Event, State};
use lango_domain::ids::{BatchId, GrantId, TenantId};
use lango_domain::time::Timestamp;
use lango_store::batches;
use lango_store::{Error, Tx};

/// How many vouchers one transaction ends: cuts of others wait for the writer meanwhile.
const PORTION: usize = 500;

/// What became of the vouchers of a voided batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Voided {
    /// How many were unused and are ended now.
    pub ended: usize,
    /// How many were used: they stay as they are.
    pub used: usize,
    /// How many were over unused already.
    pub over: usize,
}

/// Why a batch could not be voided.
#[derive(Debug, thiserror::Error)]
pub enum VoidError {
    /// No such batch.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The database.
    #[error("voiding a batch of vouchers")]
    Store(#[from] Error),
}

/// Voids a batch. Interrupted, it goes on where it stopped when it is asked for again.
///
/// # Errors
/// No such batch, or a fault of the store; what was ended before it stays ended.
pub async fn void_batch(
    app: &App,
    (tenant, id): (TenantId, BatchId),
    by: &By,
    now: Timestamp,
) -> Result<Voided, VoidError> {
    begin(app, (tenant, id), by, now).await??;
    let (mut after, mut voided) = (0, Voided::default());
    loop {
        let portion = end_portion(app, id, after, by, now).await?;
        voided.ended += portion.voided.ended;
        voided.used += portion.voided.used;
        voided.over += portion.voided.over;
        match portion.last {
            Some(last) => after = last,
            None => return Ok(voided),
        }
    }
}

/// From here on nothing is added to the batch and nothing of it is printed.
async fn begin(
    app: &App,
    (tenant, id): (TenantId, BatchId),
    by: &By,
    now: Timestamp,
) -> Result<Result<(), Lost>, Error> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            if batches::find(tx, tenant, id).await?.is_none() {
                return Ok(Err(Lost::Missing("voucher batch")));
            }
            if batches::void(tx, (tenant, id), now).await? {
                let entry = Entry::of(tenant, "vouchers voided", id.to_string());
                asked::account(tx, &desk, &by.actor, entry, now).await?;
            }
            Ok(Ok(()))
        })
        .await
}

struct Portion {
    voided: Voided,
    /// The number of its last voucher; none behind the last.
    last: Option<i64>,
}

async fn end_portion(
    app: &App,
    batch: BatchId,
    after: i64,
    by: &By,
    now: Timestamp,
) -> Result<Portion, Error> {
    let (desk, by) = (app.clone(), by.clone());
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let vouchers = batches::vouchers(tx, batch, after, PORTION as i64).await?;
            let unused: Vec<GrantId> = vouchers
                .iter()
                .filter(|voucher| voucher.state == "unused")
                .map(|voucher| voucher.grant)
                .collect();
            let mut changes = Vec::with_capacity(unused.len());
            for held in lango_store::grants::held(tx, &unused).await? {
                let is_unused = matches!(held.stored.grant.state, State::Unused { .. });
                // What is unused can always be ended.
                if let Some(change) = is_unused
                    .then(|| Change::of(held.stored, Event::Terminate, now))
                    .and_then(Result::ok)
                {
                    changes.push(change);
                }
            }
            let ended = changes.len();
            change_grant::write(tx, &desk, changes, &by.actor, now).await?;
            let used = vouchers.iter().filter(|voucher| voucher.sold_at.is_some()).count();
            let over = vouchers.len() - used - ended;
            let last = vouchers.last().map(|voucher| voucher.serial);
            Ok(Portion { voided: Voided { ended, used, over }, last })
        })
        .await
}
