//! What this process costs.

use anyhow::Context;

/// Processor time that this process has used, in milliseconds.
pub(crate) fn cpu_millis() -> anyhow::Result<u64> {
    /// Linux counts in hundredths of a second (proc(5), USER_HZ).
    const MILLIS_PER_TICK: u64 = 10;
    let text = std::fs::read_to_string("/proc/self/stat").context("this needs Linux")?;
    // The name in brackets may hold anything; user and system time are the 12th and 13th after it.
    let (_, fields) = text.rsplit_once(')').context("/proc/self/stat has no name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
    Ok(ticks * MILLIS_PER_TICK)
}
