//! What was measured, in one table, and what was promised.

/// A line of it.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) who: &'static str,
    pub(crate) cells: [String; 7],
}

/// The names of the columns after what and who.
const COLUMNS: [&str; 7] =
    ["per second", "p50 ms", "p99 ms", "lost", "CPU s/1000", "+ database", "ratio"];

/// All of it.
#[derive(Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
    targets: Vec<(bool, String)>,
}

impl Table {
    pub(crate) fn add(&mut self, line: Line) {
        eprintln!("  {}, {}: {}", line.what, line.who, line.cells.join("  "));
        self.lines.push(line);
    }

    /// Something that should be so.
    pub(crate) fn target(&mut self, holds: bool, what: String) {
        self.targets.push((holds, what));
    }

    pub(crate) fn all_hold(&self) -> bool {
        self.targets.iter().all(|(holds, _)| *holds)
    }

    pub(crate) fn print(&self, scale: f64) {
        let width = |cells: &mut dyn Iterator<Item = &str>| {
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let what = width(&mut self.lines.iter().map(|line| line.what.as_str()));
        let who = width(&mut self.lines.iter().map(|line| line.who));
        let widths: Vec<usize> = COLUMNS
            .iter()
            .enumerate()
            .map(|(place, name)| {
                width(&mut self.lines.iter().map(|line| line.cells[place].as_str()).chain([*name]))
            })
            .collect();
        println!(
            "\nscale {scale}; p50 and p99 at half of the peak; ratio to FreeRADIUS, PostgreSQL"
        );
        let row = |first: &str, second: &str, cells: &mut dyn Iterator<Item = &str>| {
            let mut text = format!("{first:what$}  {second:who$}");
            for (cell, width) in cells.zip(&widths) {
                text += &format!("  {cell:>width$}");
            }
            println!("{text}");
        };
        row("what", "who", &mut COLUMNS.iter().copied());
        for line in &self.lines {
            row(&line.what, line.who, &mut line.cells.iter().map(String::as_str));
        }
        println!();
        for (holds, target) in &self.targets {
            println!("{}  {target}", if *holds { "ok  " } else { "MISS" });
        }
    }
}
