//! Reports of NASes, written down before they are acknowledged. Reports that come while a
//! transaction is being made durable are in the next one: durability costs one flush for hundreds.

mod memory;
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
use memory::Memory;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How many reports may wait; whoever comes then hears nothing and tells again.
const WAITING: usize = 16_384;
/// How many are written together: while one batch is flushed the next gathers.
const BATCH: usize = 1_024;
/// How many writes of one batch may fail: three guilty ones among 1,024 are found with fewer.
const MOST_FAILURES: u32 = 64;

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

impl Told {
    /// By what somebody finds it at the NAS: the router, and the session's identifiers.
    fn names(&self) -> (RouterId, String) {
        match self {
            Told::Session(report) => {
                (report.router, String::from_utf8_lossy(&report.identifiers).into_owned())
            }
            Told::Reset { router, .. } => (*router, String::new()),
        }
    }
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

/// Closes the sessions of a NAS that was taken out of service, at the last word of them.
///
/// # Errors
/// A fault of the store.
pub(crate) async fn close_removed(
    tx: &mut Tx<'_>,
    app: &App,
    router: RouterId,
    now: Timestamp,
) -> Result<(), Error> {
    let open = lango_store::radius::open_on(tx, router).await?;
    if open.is_empty() {
        return Ok(());
    }
    write::close(tx, app, open, merge::REMOVED, |session| session.updated_at, now).await
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
    let mut memory = Memory::default();
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        if receiver.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        if let Err(error) = reset_all(&app, &batch).await {
            tracing::warn!(%error, "sessions of a NAS that was started anew are not closed; NASes tell again");
            continue;
        }
        write_all(&app, batch, &reservations, &mut memory).await;
    }
}

/// Closes what NASes had before they were started anew. What was told of it in this very batch is left
/// to the batch.
async fn reset_all(app: &App, batch: &[Page]) -> Result<(), Error> {
    for page in batch {
        if let Told::Reset { router, at } = page.told {
            write::reset(app, router, at).await?;
        }
    }
    Ok(())
}

/// Writes a batch. If the database refuses it for what is in it, it is halved until what is refused
/// stands alone: one report that cannot be written must not keep those of others out for ever.
async fn write_all(app: &App, batch: Vec<Page>, reservations: &Reservations, memory: &mut Memory) {
    let (mut waiting, mut failures) = (vec![batch], 0);
    while let Some(pages) = waiting.pop() {
        let (told, written): (Vec<Told>, Vec<_>) =
            pages.into_iter().map(|page| (page.told, page.written)).unzip();
        let told: Arc<[Told]> = told.into();
        let Err(error) = write::write(app, told.clone(), memory).await else {
            settle(&told, reservations);
            for written in written {
                // Whoever waited may be gone: it is written all the same.
                let _ = written.send(());
            }
            continue;
        };
        failures += 1;
        // What is dropped below was not written: its senders go too, and nobody is acknowledged.
        if error.is_passing() || failures > MOST_FAILURES {
            tracing::warn!(%error, "reports are not written; NASes tell again");
            return;
        }
        if let [told] = &told[..] {
            let (router, session) = told.names();
            tracing::error!(%error, router.id = %router, session,
                "a report cannot be written and is left out; the others are");
            continue;
        }
        let pages = told.iter().cloned().zip(written);
        let mut pages: Vec<Page> = pages.map(|(told, written)| Page { told, written }).collect();
        let later = pages.split_off(pages.len() / 2);
        // The earlier half is next: reports keep their order.
        waiting.extend([later, pages]);
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
