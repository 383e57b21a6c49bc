//! How fast a server can go: the rate is raised until it loses something or becomes slow, then
//! narrowed down. And what it is like at half of that. Other programs of the machine disturb: a rate
//! is too fast if it is so twice, and of three looks at half of the peak the middle one counts, for
//! whoever is measured.

use crate::nas::{Came, Fleet, Flow, Pace};
use crate::servers::Server;

/// Slower than this at the 99th percentile is no service: NASes begin to ask again.
const SLOW_MICROS: u32 = 200_000;
/// How often the peak is narrowed down: to about a tenth.
const NARROWINGS: usize = 3;
/// How often half of the peak is looked at.
const LOOKS: usize = 3;

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peak {
    /// Answers a second, at the highest rate of questions that it follows.
    pub(crate) rate: f64,
    /// At half of that, in microseconds.
    pub(crate) p50: u32,
    pub(crate) p99: u32,
    /// At half of that.
    pub(crate) lost: usize,
    /// Processor milliseconds for 1,000 requests: its own, and that of its database.
    pub(crate) cpu: f64,
    pub(crate) cpu_of_database: f64,
    /// Good passwords that were refused, in all of this.
    pub(crate) rejected: usize,
    /// Answers that do not belong to their question, in all of this.
    pub(crate) wrong: usize,
}

/// Finds it.
pub(crate) fn find(
    server: &Server,
    fleet: &mut Fleet,
    flow: Flow,
    seconds: f64,
) -> anyhow::Result<Peak> {
    let (mut rejected, mut wrong, mut sustained) = (0, 0, 0.0_f64);
    let mut follows_once = |rate: f64| {
        let came = fleet.run(flow, clock(rate, seconds));
        rejected += came.rejected;
        wrong += came.wrong;
        let ok = is_well(&came);
        // What was answered until the last answer came, not what was asked: a short try lets a
        // server fall behind by as much as it may be slow, and that is no throughput.
        let answered = came.answered() as f64 / came.took.as_secs_f64();
        if ok {
            sustained = sustained.max(answered);
        }
        let p99 = f64::from(percentile(&came, 99)) / 1_000.0;
        let verdict = if ok { "" } else { " - too fast" };
        eprintln!("    {rate:>8.0}/s: {answered:.0}/s answered, p99 {p99:.1} ms{verdict}");
        if !ok {
            fleet.calm_down();
        }
        ok
    };
    let mut follows = |rate: f64| follows_once(rate) || follows_once(rate);
    // The first questions meet cold caches and few threads: they are not counted.
    follows(500.0);
    let (mut good, mut bad) = (0.0, 1_000.0);
    while good == 0.0 && bad > 10.0 {
        if follows(bad) {
            good = bad;
        } else {
            bad /= 2.0;
        }
    }
    if good == 1_000.0 {
        bad = 2_000.0;
        while follows(bad) {
            (good, bad) = (bad, bad * 2.0);
        }
    } else {
        bad = good * 2.0;
    }
    for _ in 0..NARROWINGS {
        let middle = f64::sqrt(good * bad);
        if follows(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    let mut peak = at_half(server, fleet, flow, sustained, seconds)?;
    peak.rejected += rejected;
    peak.wrong += wrong;
    Ok(peak)
}

fn at_half(
    server: &Server,
    fleet: &mut Fleet,
    flow: Flow,
    rate: f64,
    seconds: f64,
) -> anyhow::Result<Peak> {
    let before = server.cpu_millis()?;
    let count = (rate / 2.0 * seconds) as usize;
    let pace = Pace::Clock { rate: rate / 2.0, count, to_the_end: true };
    let mut looks: Vec<Came> = (0..LOOKS).map(|_| fleet.run(flow, pace)).collect();
    let after = server.cpu_millis()?;
    let sum = |part: fn(&Came) -> usize| looks.iter().map(part).sum::<usize>();
    let thousands = sum(Came::answered).max(1) as f64 / 1_000.0;
    let peak = Peak {
        rate,
        lost: sum(|came| came.lost),
        cpu: (after.0 - before.0) as f64 / thousands,
        cpu_of_database: (after.1.saturating_sub(before.1)) as f64 / thousands,
        rejected: sum(|came| came.rejected),
        wrong: sum(|came| came.wrong),
        ..Peak::default()
    };
    looks.sort_by_key(|came| percentile(came, 99));
    let middle = &looks[LOOKS / 2];
    Ok(Peak { p50: percentile(middle, 50), p99: percentile(middle, 99), ..peak })
}

fn clock(rate: f64, seconds: f64) -> Pace {
    Pace::Clock { rate, count: (rate * seconds) as usize, to_the_end: false }
}

fn is_well(came: &Came) -> bool {
    let is_slow = percentile(came, 99) > SLOW_MICROS;
    !came.gave_up && came.lost == 0 && came.rejected == 0 && !is_slow && came.answered() > 0
}

/// The value below which so many per hundred of the answers lie, of both kinds.
pub(crate) fn percentile(came: &Came, percent: usize) -> u32 {
    let mut all: Vec<u32> = came.logins.iter().chain(&came.reports).copied().collect();
    all.sort_unstable();
    let place = (all.len() * percent).div_ceil(100).max(1) - 1;
    all.get(place).copied().unwrap_or_default()
}
