//! Reports of NASes, written down before they are acknowledged. Reports that come while a
//! transaction is being made durable are in the next one: durability costs one flush for hundreds.

mod merge;
mod report;
mod write;

pub(crate) use merge::DISCONNECTED;
pub(super) use report::Report;

use crate::app::App;
use crate::radius::login::Reservations;
use lango_domain::ids::RouterId;
use lango_domain::time::Timestamp;
use lango_store::radius::RadiusSession;
use lango_store::{Error, Tx};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How many reports may wait; whoever comes then hears nothing and tells again.
const WAITING: usize = 16_384;
/// How many are written together: while one batch is flushed the next gathers.
const BATCH: usize = 1_024;

/// What a NAS told.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// Of a session.
    Session(Box<Report>),
    /// That it came up or goes down: no session that began before lives.
    Reset {
        /// Which NAS.
        router: RouterId,
        /// When.
        at: Timestamp,
    },
}

/// A report under way.
struct Page {
    told: Told,
    written: oneshot::Sender<()>,
}

/// Reports that wait.
pub(super) struct Pages(mpsc::Receiver<Page>);

/// Where reports are handed in.
#[derive(Clone)]
pub(super) struct Ledger(mpsc::Sender<Page>);

impl Ledger {
    /// A ledger, and what will be written into it.
    pub(super) fn open() -> (Ledger, Pages) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Ledger(sender), Pages(receiver))
    }

    /// Hands a report in and waits until it is durable. False: it is not, and may come again.
    pub(super) async fn write(&self, told: Told) -> bool {
        let (written, wait) = oneshot::channel();
        if self.0.try_send(Page { told, written }).is_err() {
            return false;
        }
        wait.await.is_ok()
    }
}

/// Closes sessions of which nothing was heard any more, at the last word of them.
///
/// # Errors
/// A fault of the store.
pub(super) async fn close_silent(
    tx: &mut Tx<'_>,
    app: &App,
    sessions: Vec<RadiusSession>,
    now: Timestamp,
) -> Result<(), Error> {
    write::close(tx, app, sessions, merge::SILENT, |session| session.updated_at, now).await
}

/// Closes sessions that a NAS confirmed to have ended at our word. Its own last report may still
/// come, and counts.
///
/// # Errors
/// A fault of the store.
pub(crate) async fn close_disconnected(
    tx: &mut Tx<'_>,
    app: &App,
    sessions: Vec<RadiusSession>,
    now: Timestamp,
) -> Result<(), Error> {
    write::close(tx, app, sessions, DISCONNECTED, |_| now, now).await
}

/// Writes until nobody can hand anything in any more.
pub(super) async fn run(app: App, pages: Pages, reservations: Arc<Reservations>) {
    let Pages(mut receiver) = pages;
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        if receiver.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let (told, written): (Vec<Told>, Vec<oneshot::Sender<()>>) =
            batch.into_iter().map(|page| (page.told, page.written)).unzip();
        let told: Arc<[Told]> = told.into();
        match write::write(&app, told.clone()).await {
            Ok(()) => {
                settle(&told, &reservations);
                for written in written {
                    // Whoever waited may be gone: it is written all the same.
                    let _ = written.send(());
                }
            }
            // Their senders are dropped: nobody is acknowledged.
            Err(error) => tracing::warn!(%error, "reports are not written; NASes tell again"),
        }
    }
}

/// Places that were promised to these sessions are counted by their reports now.
fn settle(told: &[Told], reservations: &Reservations) {
    for told in told {
        if let Told::Session(report) = told
            && let Some(pass) = report.pass
        {
            reservations.settle(pass.grant, report.mac);
        }
    }
}
