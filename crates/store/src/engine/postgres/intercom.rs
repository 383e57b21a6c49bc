//! The line between nodes: one connection that tells the others what was committed, and hears them.
//!
//! A wake is told after its commit and never within it. PostgreSQL lets transactions that notify
//! commit one after the other, each until it is on the disk, so that on a busy node every write
//! would wait for the flush of the one before it. Whoever wrote waits until his wake was told: a
//! command that ends after its write has woken the server.
//!
//! Must never keep a writer waiting for a line that is down. A wake may be lost; timers find what
//! it would have told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Socket, tls::NoTlsStream};

use crate::wake::{Topic, Wakes, payload};

/// The one channel for wakes.
const CHANNEL: &str = "lango";
/// How many writers are told about at once.
const MOST_AT_ONCE: usize = 1_024;
/// How long a writer waits until his wake was told. It takes a round trip.
const PATIENCE: Duration = Duration::from_millis(500);

/// This node's end of the line.
pub(super) struct Intercom {
    errands: mpsc::UnboundedSender<Errand>,
    line: AbortHandle,
}

/// Somebody wrote, and waits until the others know.
struct Errand {
    topics: BTreeSet<Topic>,
    told: oneshot::Sender<()>,
}

impl Intercom {
    /// Connects on a connection of its own, because a pooler in transaction mode would break it.
    pub(super) fn open(config: Config, wakes: Arc<Wakes>) -> Intercom {
        let (errands, waiting) = mpsc::unbounded_channel();
        let line = Line { config, wakes, errands: waiting, untold: BTreeSet::new() };
        Intercom { errands, line: tokio::spawn(line.keep()).abort_handle() }
    }

    /// Tells the other nodes, together with what others wrote meanwhile.
    pub(super) async fn tell(&self, topics: BTreeSet<Topic>) {
        if topics.is_empty() {
            return;
        }
        let (told, wait) = oneshot::channel();
        if self.errands.send(Errand { topics, told }).is_ok() {
            // Told, not told in time, or the line is down: what was written is written.
            let _ = tokio::time::timeout(PATIENCE, wait).await;
        }
    }
}

impl Drop for Intercom {
    fn drop(&mut self) {
        self.line.abort();
    }
}

struct Line {
    config: Config,
    wakes: Arc<Wakes>,
    errands: mpsc::UnboundedReceiver<Errand>,
    /// What could not be told yet.
    untold: BTreeSet<Topic>,
}

impl Line {
    /// Comes back after every loss.
    async fn keep(mut self) {
        let mut losses: u32 = 0;
        loop {
            let began = tokio::time::Instant::now();
            if let Err(error) = self.talk().await {
                tracing::debug!(%error, "the line to the other nodes was lost");
            }
            let lasted = began.elapsed() > Duration::from_secs(30);
            losses = if lasted { 0 } else { losses.saturating_add(1) };
            let longest = Duration::from_millis(100 << losses.min(6));
            self.wait(longest.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        }
    }

    /// While the line is down nobody waits for it; what is to be told is told when it is back.
    async fn wait(&mut self, pause: Duration) {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return,
                Some(errand) = self.errands.recv() => self.untold.extend(errand.topics),
            }
        }
    }

    async fn talk(&mut self) -> Result<(), tokio_postgres::Error> {
        let Line { config, wakes, errands, untold } = self;
        let (client, connection) = config.connect(NoTls).await?;
        // No backend has it.
        let own = AtomicI32::new(0);
        tokio::select! {
            ended = hear(connection, &own, wakes) => ended,
            failed = tell(client, &own, wakes, errands, untold) => failed,
        }
    }
}

/// Nothing is heard of what this node itself told: its own listeners know.
async fn hear(
    mut connection: Connection<Socket, NoTlsStream>,
    own: &AtomicI32,
    wakes: &Wakes,
) -> Result<(), tokio_postgres::Error> {
    while let Some(message) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
        if let AsyncMessage::Notification(heard) = message?
            && heard.process_id() != own.load(Ordering::Relaxed)
        {
            wakes.fire_payload(heard.payload());
        }
    }
    Ok(())
}

async fn tell(
    client: Client,
    own: &AtomicI32,
    wakes: &Wakes,
    errands: &mut mpsc::UnboundedReceiver<Errand>,
    untold: &mut BTreeSet<Topic>,
) -> Result<(), tokio_postgres::Error> {
    // A wake that a crash of the database swallows is like any other that is lost.
    client.batch_execute("SET synchronous_commit = off").await?;
    let process: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.try_get(0)?;
    own.store(process, Ordering::Relaxed);
    client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
    // Nobody knows what was missed.
    wakes.fire_everything();
    let statement = client.prepare("SELECT pg_notify($1, $2)").await?;
    loop {
        let mut waiting = Vec::new();
        if untold.is_empty() && errands.recv_many(&mut waiting, MOST_AT_ONCE).await == 0 {
            // The store is gone; it takes this task with it.
            return std::future::pending().await;
        }
        untold.extend(waiting.iter().flat_map(|errand| &errand.topics));
        client.execute(&statement, &[&CHANNEL, &payload(untold)]).await?;
        untold.clear();
        for errand in waiting {
            // Whoever waited may be gone.
            let _ = errand.told.send(());
        }
    }
}
