//! The codes of a batch go onto paper once more. Each time is written down before the codes leave.

use crate::app::App;
use crate::operations::asked::{By, Lost};
use lango_domain::ids::{ActivityId, BatchId, GrantId, TenantId};
use lango_domain::plan::Terms;
use lango_domain::time::Timestamp;
use lango_store::activity::Activity;
use lango_store::batches::{self, ListedBatch, Print};
use lango_store::tenants::Tenant;
use lango_store::{Error, Tx};

/// How many vouchers one transaction reads.
const PORTION: i64 = 2_000;

/// A batch with all that is needed to print it.
#[derive(Clone, Debug)]
pub struct Printout {
    /// Whose.
    pub tenant: Tenant,
    /// The batch.
    pub batch: ListedBatch,
    /// What its vouchers give.
    pub terms: Terms,
    /// Those that are still good and unused.
    pub vouchers: Vec<Printable>,
    /// How often it went onto paper before.
    pub before: i64,
}

/// One voucher to be printed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Printable {
    /// Its number in the batch.
    pub serial: i64,
    /// Its grant.
    pub grant: GrantId,
    /// Its code as it is stored.
    pub code: String,
    /// When it lapses if it stays unused.
    pub lapses_at: Option<Timestamp>,
}

/// Why a batch is not printed.
#[derive(Debug, thiserror::Error)]
pub enum PrintBatchError {
    /// No such batch.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// It was voided.
    #[error("the batch {0} was voided: its vouchers open nothing, make others")]
    Voided(BatchId),
    /// Nothing of it is left.
    #[error("all vouchers of {0} are used or over: there is nothing to print")]
    Nothing(BatchId),
    /// The database.
    #[error("printing a batch of vouchers")]
    Store(#[from] Error),
}

/// Reads the codes of a batch that are still unused, and writes down that they are printed in that
/// layout.
///
/// # Errors
/// See [`PrintBatchError`].
pub async fn print_batch(
    app: &App,
    (tenant, id): (TenantId, BatchId),
    layout: &str,
    by: &By,
    now: Timestamp,
) -> Result<Printout, PrintBatchError> {
    let mut printout = note(app, (tenant, id), layout, by, now).await??;
    let mut after = 0;
    loop {
        let desk = app.clone();
        let portion = app
            .store()
            .read(async move |tx: &mut Tx<'_>| batches::vouchers(tx, id, after, PORTION).await)
            .await?;
        let Some(last) = portion.last() else { return Ok(printout) };
        after = last.serial;
        for voucher in portion.iter().filter(|voucher| voucher.state == "unused") {
            printout.vouchers.push(Printable {
                serial: voucher.serial,
                grant: voucher.grant,
                code: desk.open_access(voucher.grant, &voucher.access)?.login(),
                lapses_at: voucher.lapses_at,
            });
        }
    }
}

async fn note(
    app: &App,
    (tenant, id): (TenantId, BatchId),
    layout: &str,
    by: &By,
    now: Timestamp,
) -> Result<Result<Printout, PrintBatchError>, Error> {
    let (desk, by, layout) = (app.clone(), by.clone(), layout.to_owned());
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            let Some(batch) = batches::find(tx, tenant, id).await? else {
                return Ok(Err(Lost::Missing("voucher batch").into()));
            };
            if batch.batch.voided_at.is_some() {
                return Ok(Err(PrintBatchError::Voided(id)));
            }
            let count = batches::fate(tx, id).await?.left;
            if count == 0 {
                return Ok(Err(PrintBatchError::Nothing(id)));
            }
            let line: ActivityId = desk.id(now);
            let print =
                Print { id: line, at: now, actor: by.actor.word(), layout: layout.clone(), count };
            batches::note_print(tx, id, &print).await?;
            let what = if batch.prints == 0 { "vouchers printed" } else { "vouchers reprinted" };
            let line = Activity {
                id: line,
                tenant,
                at: now,
                actor: by.actor.word(),
                grant: None,
                router: None,
                what: what.to_owned(),
                detail: format!("{count} of {id}, layout {layout}"),
            };
            lango_store::activity::append(tx, &[line]).await?;
            let terms = batches::terms(tx, &batch.batch).await?;
            let owner = lango_store::tenants::one(tx, tenant).await?;
            let before = batch.prints;
            Ok(Ok(Printout { tenant: owner, batch, terms, vouchers: Vec::new(), before }))
        })
        .await
}
