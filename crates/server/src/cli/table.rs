//! Tables that fit the terminal. Where nobody looks nothing is shortened.

use super::output::{Paint, line, shown};
use std::io::IsTerminal;

/// No column is made narrower than this to let others be wide.
const NARROWEST: usize = 8;
/// Between columns.
const GAP: &str = "  ";

/// A table.
pub(super) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    indent: usize,
}

impl Table {
    /// With these columns.
    pub(super) fn new<const N: usize>(heads: [&'static str; N]) -> Table {
        Table { heads: heads.to_vec(), rows: Vec::new(), indent: 0 }
    }

    /// Moved to the right.
    pub(super) fn indented(self, indent: usize) -> Table {
        Table { indent, ..self }
    }

    /// Adds a row.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.heads.len(), "a cell for every column");
        self.rows.push(cells.iter().map(|cell| shown(cell)).collect());
    }

    /// Writes it to stdout.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        let paint = Paint::of_stdout();
        let mut lines = self.lines(terminal_width()).into_iter();
        if let Some(heads) = lines.next() {
            line(paint.bold(&heads))?;
        }
        lines.try_for_each(line)
    }

    fn lines(&self, width: Option<usize>) -> Vec<String> {
        let widths = self.widths(width);
        let heads: Vec<String> = self.heads.iter().map(|head| (*head).to_owned()).collect();
        std::iter::once(&heads).chain(&self.rows).map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let cells: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| fitted(cell, *width)).collect();
        format!("{:indent$}{}", "", cells.join(GAP), indent = self.indent).trim_end().to_owned()
    }

    /// What every column needs; if that is too much, the widest ones give way.
    fn widths(&self, most: Option<usize>) -> Vec<usize> {
        let needs = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(self.heads[column].chars().count())
        };
        let mut widths: Vec<usize> = (0..self.heads.len()).map(needs).collect();
        let Some(most) = most else { return widths };
        let around = self.indent + GAP.len() * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + around > most {
            match widths.iter_mut().max() {
                Some(widest) if *widest > NARROWEST => *widest -= 1,
                _ => break,
            }
        }
        widths
    }
}

fn fitted(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return format!("{cell:width$}");
    }
    let kept: String = cell.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// How wide the terminal is, where somebody looks.
pub(super) fn terminal_width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routers() -> Table {
        let mut table = Table::new(["NAME", "WHY"]);
        table.row(["Router1".to_owned(), "no answer to the connection".to_owned()]);
        table.row(["Büro".to_owned(), String::new()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let expected = ["NAME     WHY", "Router1  no answer to the connection", "Büro"];
        assert_eq!(routers().lines(None), expected);
    }

    #[test]
    fn the_widest_column_gives_way() {
        let lines = routers().lines(Some(20));
        assert_eq!(lines[1], "Router1  no answer …");
        assert!(lines.iter().all(|line| line.chars().count() <= 20));
    }

    #[test]
    fn a_terminal_too_narrow_for_anything_gets_long_lines_and_no_endless_loop() {
        assert_eq!(routers().indented(2).lines(Some(1))[1], "  Router1  no answ…");
    }
}
