//! What goes to stdout and stderr, and in which colours.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Writes a line of the result.
pub(super) fn line(text: impl Display) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(())
}

/// Writes the result for machines.
pub(super) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)
}

/// How a list is printed.
#[derive(clap::Args, Clone, Copy)]
pub(super) struct Shape {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print a table of text for spreadsheets (RFC 4180)
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Writes a list for machines or spreadsheets, if that is what was asked for; else it is left to
/// be told in words.
pub(super) fn printed<R: serde::Serialize>(
    shape: Shape,
    rows: &[R],
    columns: &[&str],
) -> anyhow::Result<bool> {
    match shape {
        Shape { json: true, .. } => json(&rows)?,
        Shape { csv: true, .. } => {
            write!(io::stdout().lock(), "{}", crate::sheet::table(rows, columns))?;
        }
        Shape { .. } => return Ok(false),
    }
    Ok(true)
}

/// Writes progress or trouble. A stderr that is closed stops nothing.
pub(super) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether an error only says that nobody reads our output any more.
pub(super) fn is_closed(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Text from outside as it may be shown: nothing in it can steer a terminal.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect()
}

/// Text after a beginning such as a number, broken to fit the terminal; the lines that follow stand
/// under the first one's text. Where nobody looks nothing is broken.
pub(super) fn hanging(beginning: &str, text: &str, width: Option<usize>) -> String {
    let indent = beginning.chars().count();
    let Some(width) = width else { return format!("{beginning}{text}") };
    let (mut broken, mut column) = (beginning.to_owned(), indent);
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > indent && column + 1 + length > width {
            broken.push_str(&format!("\n{:indent$}", ""));
            column = indent;
        } else if column > indent {
            broken.push(' ');
            column += 1;
        }
        broken.push_str(word);
        column += length;
    }
    broken
}

/// `1 router`, `2 routers`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Colours on stdout, where a person looks at it.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// On for a terminal, unless `NO_COLOR` is set (no-color.org).
    pub(super) fn of_stdout() -> Paint {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Paint { on: io::stdout().is_terminal() && !unwanted }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(shown("ann\x1b[2J\n"), "ann [2J ");
    }

    #[test]
    fn long_sentences_are_broken_between_words_where_somebody_looks() {
        let broken = hanging("  1. ", "one two three four", Some(14));
        assert_eq!(broken, "  1. one two\n     three\n     four");
        assert_eq!(hanging("  1. ", "one two three", None), "  1. one two three");
        assert_eq!(hanging("> ", "unbreakable", Some(4)), "> unbreakable");
    }

    #[test]
    fn colours_are_left_out_where_nobody_sees_them() {
        assert_eq!(Paint { on: false }.red("cut"), "cut");
        assert_eq!(Paint { on: true }.red("cut"), "\x1b[31mcut\x1b[0m");
    }
}
