//! What was measured, and the table at the end.

use lango_domain::time::Span;

/// All that was measured and all that was broken.
#[derive(Default)]
pub(crate) struct Figures {
    lines: Vec<Line>,
    broken: Vec<String>,
}

struct Line {
    what: String,
    figure: String,
    target: String,
    ratio: String,
}

impl Figures {
    /// A figure without a target.
    pub(crate) fn add(&mut self, what: &str, figure: impl Into<String>, ratio: impl Into<String>) {
        self.push(what, figure.into(), "-".to_owned(), ratio.into());
    }

    /// A time that should stay below a target.
    pub(crate) fn add_below(&mut self, what: &str, is: Span, target: Span, ratio: String) {
        let verdict = if is < target { "ok" } else { "MISS" };
        self.push(what, shown(is), format!("< {} {verdict}", shown(target)), ratio);
    }

    fn push(&mut self, what: &str, figure: String, target: String, ratio: String) {
        eprintln!("  {what}: {figure} {target} {ratio}");
        self.lines.push(Line { what: what.to_owned(), figure, target, ratio });
    }

    /// Something that must hold, or the benchmark has failed whatever its times.
    pub(crate) fn promise(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            let text = otherwise();
            eprintln!("  BROKEN: {text}");
            self.broken.push(text);
        }
    }

    /// Whether nothing was broken.
    pub(crate) fn promises_are_kept(&self) -> bool {
        self.broken.is_empty()
    }

    /// The table.
    pub(crate) fn print(&self, scale: f64) {
        let width = |cell: fn(&Line) -> &String, title: &str| {
            let cells = self.lines.iter().map(|line| cell(line).chars().count());
            cells.chain([title.len()]).max().unwrap_or(0)
        };
        let (what, figure) = (width(|l| &l.what, "what"), width(|l| &l.figure, "figure"));
        let target = width(|l| &l.target, "target");
        println!("\nscale {scale}");
        println!(
            "{:what$}  {:figure$}  {:target$}  ratio to today's way",
            "what", "figure", "target"
        );
        for line in &self.lines {
            println!(
                "{:what$}  {:figure$}  {:target$}  {}",
                line.what, line.figure, line.target, line.ratio
            );
        }
        match self.broken.as_slice() {
            [] => println!("promises: kept (nobody left on, nobody else cut)"),
            broken => broken.iter().for_each(|text| println!("BROKEN PROMISE: {text}")),
        }
    }
}

/// A time for people.
pub(crate) fn shown(span: Span) -> String {
    match span.micros() {
        micros if micros < 10_000 => format!("{:.2} ms", micros as f64 / 1e3),
        micros if micros < 10_000_000 => format!("{} ms", micros / 1_000),
        micros => format!("{:.1} s", micros as f64 / 1e6),
    }
}

/// How many times the first goes into the second.
pub(crate) fn times(ours: Span, theirs: Span) -> String {
    let ratio = theirs.micros() as f64 / ours.micros().max(1) as f64;
    let digits = if ratio < 10.0 { 1 } else { 0 };
    format!("{ratio:.digits$} x")
}

/// The value below which so many per hundred lie; the largest for 100.
pub(crate) fn percentile(sorted: &[Span], percent: usize) -> Span {
    let place = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(place).copied().unwrap_or_default()
}
