//! A server in a process of its own, measured from inside: how soon it cuts after its start, and
//! what it costs when nothing happens.

use crate::cost::cpu_millis;
use crate::peer::span;
use crate::world;
use anyhow::{Context, bail};
use lango_domain::time::Span;
use lango_routeros::Timeouts;
use lango_server::messaging::sender::Sender;
use lango_server::reconcile::worker::Condition;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long everything may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the server found out about itself.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Served {
    /// From its start to the first cut that a router confirmed.
    pub(crate) first_cut: i64,
    /// To the last of those that waited.
    pub(crate) last_cut: i64,
    /// To the last router that was compared in full.
    pub(crate) all_up: i64,
    /// Processor time of all that.
    pub(crate) start_cpu_millis: u64,
    /// Processor time while idle, in millionths of one core.
    pub(crate) idle_cpu_millionths: u64,
    /// Memory in KiB while idle.
    pub(crate) memory_kib: u64,
    /// Memory in KiB at most.
    pub(crate) most_memory_kib: u64,
}

/// Serves, prints what it found as one JSON line, and ends.
pub(crate) async fn serve(database: &Path, waiting: u64, idle: u64) -> anyhow::Result<()> {
    let began = Instant::now();
    let app = world::open(database).await?;
    let running = lango_server::run::start(&app, Sender::LogOnly, Timeouts::default(), None, None);
    let (mut first, mut last, mut up) = (None, None, None);
    while first.is_none() || last.is_none() || up.is_none() {
        let cuts = app.metrics().cuts.get();
        if cuts > 0 || waiting == 0 {
            first.get_or_insert_with(|| span(began));
        }
        if cuts >= waiting {
            last.get_or_insert_with(|| span(began));
        }
        let boards = running.boards().read();
        let is_up = |board: &Condition| matches!(board, Condition::Up { .. });
        if !boards.is_empty() && boards.values().all(is_up) {
            up.get_or_insert_with(|| span(began));
        }
        if began.elapsed() > PATIENCE {
            bail!("{cuts} of {waiting} cut after {PATIENCE:?}; routers: {boards:?}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let start_cpu_millis = cpu_millis()?;
    // What the start left to do: proofs, presence, the log of the database.
    tokio::time::sleep(Duration::from_secs(idle.min(10))).await;
    let (calm, before) = (Instant::now(), cpu_millis()?);
    tokio::time::sleep(Duration::from_secs(idle)).await;
    let used = (cpu_millis()? - before) * 1_000;
    let micros = |span: Option<Span>| span.unwrap_or_default().micros();
    let served = Served {
        first_cut: micros(first),
        last_cut: micros(last),
        all_up: micros(up),
        start_cpu_millis,
        idle_cpu_millionths: used * 1_000_000 / span(calm).micros().unsigned_abs().max(1),
        memory_kib: status("VmRSS:")?,
        most_memory_kib: status("VmHWM:")?,
    };
    println!("{}", serde_json::to_string(&served)?);
    running.stop().await;
    app.store().close().await;
    Ok(())
}

fn status(name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status").context("this needs Linux")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.context("/proc/self/status lacks a line")?.parse().context("reading memory")
}
