//! How far long work is, on stderr: a bar that a person watches, a line now and then where nobody
//! looks, nothing where a program reads. Work that is done at once says nothing at all.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Work that takes no longer is not worth a line.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How often a bar is drawn, at most.
const REDRAW: Duration = Duration::from_millis(100);
/// How many signs a bar has.
const WIDTH: usize = 30;
const CLEAR: &str = "\r\x1b[K";

/// Work on its way.
pub(super) struct Progress {
    what: &'static str,
    manner: Manner,
    started: Instant,
    drawn: Option<Instant>,
    tenths: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Bar,
    Lines,
    Silent,
}

impl Progress {
    /// Work on so many of these, in plural.
    pub(super) fn of(what: &'static str, wants_json: bool) -> Progress {
        let manner = match () {
            () if wants_json => Manner::Silent,
            () if io::stderr().is_terminal() => Manner::Bar,
            () => Manner::Lines,
        };
        Progress { what, manner, started: Instant::now(), drawn: None, tenths: 0 }
    }

    /// So many of so many are done.
    pub(super) fn done(&mut self, done: usize, total: usize) {
        if let Some(text) = self.text(done, total, Instant::now()) {
            let mut stderr = io::stderr().lock();
            // A stderr that is closed stops nothing.
            let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
        }
    }

    /// What is to be written now.
    fn text(&mut self, done: usize, total: usize, now: Instant) -> Option<String> {
        if total == 0 || now.duration_since(self.started) < AT_ONCE {
            return None;
        }
        let done = done.min(total);
        match self.manner {
            Manner::Silent => None,
            Manner::Bar => {
                let is_fresh = |drawn| now.duration_since(drawn) < REDRAW;
                if done < total && self.drawn.is_some_and(is_fresh) {
                    return None;
                }
                self.drawn = Some(now);
                Some(format!("{CLEAR}[{}] {done} of {total} {}", bar(done, total), self.what))
            }
            Manner::Lines => {
                let tenths = done.saturating_mul(10) / total;
                if tenths <= self.tenths {
                    return None;
                }
                self.tenths = tenths;
                Some(format!("{} %: {done} of {total} {}\n", tenths * 10, self.what))
            }
        }
    }
}

impl Drop for Progress {
    /// The bar makes room for the result.
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let mut stderr = io::stderr().lock();
            let _ = stderr.write_all(CLEAR.as_bytes()).and_then(|()| stderr.flush());
        }
    }
}

fn bar(done: usize, total: usize) -> String {
    let full = done.saturating_mul(WIDTH) / total;
    format!("{}{}", "#".repeat(full), "-".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(manner: Manner, steps: impl IntoIterator<Item = (usize, u64)>) -> Vec<String> {
        let started = Instant::now();
        let mut progress = Progress { what: "vouchers", manner, started, drawn: None, tenths: 0 };
        let texts = steps.into_iter().filter_map(|(done, millis)| {
            progress.text(done, 200, started + Duration::from_millis(millis))
        });
        let texts = texts.collect();
        // Nothing was drawn on a screen: there is nothing to clear.
        progress.drawn = None;
        texts
    }

    #[test]
    fn where_nobody_looks_there_is_a_line_for_every_tenth() {
        let lines = said(Manner::Lines, (1..=200).map(|done| (done, 1_000 + done as u64)));
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[0], "10 %: 20 of 200 vouchers\n");
        assert_eq!(lines[9], "100 %: 200 of 200 vouchers\n");
    }

    #[test]
    fn a_bar_is_drawn_over_itself_and_not_too_often() {
        let drawn = said(Manner::Bar, [(50, 1_000), (51, 1_050), (100, 1_100), (200, 1_101)]);
        assert_eq!(drawn.len(), 3, "{drawn:?}");
        assert!(drawn[0].starts_with(CLEAR) && drawn[0].ends_with("50 of 200 vouchers"));
        assert!(drawn[2].contains(&"#".repeat(WIDTH)) && !drawn[2].contains('-'));
    }

    #[test]
    fn programs_and_quick_work_are_left_in_peace() {
        assert_eq!(said(Manner::Silent, [(100, 5_000)]), [""; 0]);
        assert_eq!(said(Manner::Lines, [(100, 10), (200, 20)]), [""; 0]);
        assert_eq!(said(Manner::Bar, [(200, 999)]), [""; 0]);
    }
}
