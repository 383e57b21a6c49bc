//! A table as other programs write it: comma, semicolon or tab, with or without a byte order mark,
//! the columns in any order. Knows lines and cells, not what they mean.

use crate::config::nearest::nearest;
use std::fmt::Display;
use std::str::FromStr;

/// How many lines one import takes. Its writes are one transaction, and cuts wait for that.
pub const MOST_LINES: usize = 5_000;
/// How many faults are told one by one.
const MOST_FAULTS: usize = 100;
/// What a spreadsheet would run as a formula; our own tables put an apostrophe before it.
const FORMULA_SIGNS: [char; 5] = ['=', '+', '-', '@', '\t'];

/// A column that an import knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Whether the table must have it.
    pub(super) needed: bool,
}

/// Something that is wrong in a table.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Fault {
    /// The line in the file; the first is 1
    pub line: u64,
    /// The column, if one is to blame
    pub column: Option<String>,
    /// What is wrong and what to write
    pub problem: String,
}

/// What is wrong in a table: the first hundred, and how many there are.
#[derive(Default, Debug)]
pub(super) struct Faults {
    pub(super) told: Vec<Fault>,
    pub(super) count: usize,
}

impl Faults {
    pub(super) fn note(&mut self, line: u64, column: &str, problem: impl Display) {
        self.count += 1;
        if self.told.len() < MOST_FAULTS {
            let column = (!column.is_empty()).then(|| column.to_owned());
            self.told.push(Fault { line, column, problem: problem.to_string() });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// In the order of the file.
    pub(super) fn sorted(mut self) -> Faults {
        self.told.sort_by_key(|fault| fault.line);
        self
    }
}

/// A line of a table, its cells in the order of the known columns.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    columns: &'static [Column],
    cells: Vec<String>,
}

impl Row {
    /// A cell that says something.
    pub(super) fn text(&self, column: &str) -> Option<&str> {
        let place = self.columns.iter().position(|known| known.name == column)?;
        self.cells.get(place).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A cell that must say something.
    pub(super) fn needed(&self, column: &str, faults: &mut Faults) -> Option<&str> {
        let text = self.text(column);
        if text.is_none() {
            faults.note(self.line, column, "it must not be empty");
        }
        text
    }

    /// A cell as a value. An empty one is none; one that cannot be read is a fault.
    pub(super) fn value<T: FromStr<Err: Display>>(
        &self,
        column: &str,
        faults: &mut Faults,
    ) -> Option<T> {
        match self.text(column)?.parse() {
            Ok(value) => Some(value),
            Err(why) => {
                faults.note(self.line, column, why);
                None
            }
        }
    }

    /// A cell that must be one of these words.
    pub(super) fn word<T: Copy>(
        &self,
        column: &str,
        words: &[(&str, T)],
        faults: &mut Faults,
    ) -> Option<T> {
        let text = self.text(column)?;
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            faults.note(self.line, column, format!("`{text}` is none of {}", known.join(", ")));
        }
        found.map(|(_, value)| *value)
    }
}

/// Where a row stands. The reader notes its place before it passes over empty lines.
fn line_of(text: &[u8], position: &csv::Position) -> u64 {
    let begin = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.get(begin..).unwrap_or_default();
    let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + empty.filter(|byte| **byte == b'\n').count() as u64
}

/// Reads a table. Lines that cannot be read are faults; the others are there all the same, so that
/// all that is wrong is told at once.
pub(super) fn read(text: &[u8], columns: &'static [Column], faults: &mut Faults) -> Vec<Row> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    if text.contains(&0) {
        faults.note(1, "", "this is no text: save the table as CSV (UTF-8)");
        return Vec::new();
    }
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(text))
        .flexible(true)
        .has_headers(false)
        .from_reader(text);
    let mut places: Option<Vec<Option<usize>>> = None;
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        // From memory nothing fails but memory itself.
        let Ok(record) = record else { break };
        let line = record.position().map_or(0, |position| line_of(text, position));
        let cells = match cells(&record) {
            Ok(cells) => cells,
            Err(place) => {
                let problem =
                    format!("cell {} is no UTF-8: save the table as CSV UTF-8", place + 1);
                faults.note(line, "", problem);
                continue;
            }
        };
        if cells.iter().all(String::is_empty) {
            continue;
        }
        match &places {
            None => places = Some(header(&cells, line, columns, faults)),
            Some(_) if rows.len() == MOST_LINES => {
                let problem = format!("more than {MOST_LINES} lines: split the file");
                faults.note(line, "", problem);
                break;
            }
            Some(places) => rows.extend(row(line, &cells, places, columns, faults)),
        }
    }
    if places.is_none() {
        faults.note(1, "", format!("the table is empty: its first line names {}", names(columns)));
    }
    rows
}

/// The sign that most often divides the first line: spreadsheets choose it by the user's language.
fn delimiter(text: &[u8]) -> u8 {
    let first: &[u8] = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |sign: &u8| first.iter().filter(|byte| **byte == *sign).count();
    // The last of several that are equal wins, and that is the comma.
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

fn cells(record: &csv::ByteRecord) -> Result<Vec<String>, usize> {
    let read = |(place, cell)| std::str::from_utf8(cell).map(clean).map_err(|_| place);
    record.iter().enumerate().map(read).collect()
}

/// Without the blanks around it, and without the apostrophe that keeps a spreadsheet from
/// calculating.
fn clean(cell: &str) -> String {
    let cell = cell.trim();
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(FORMULA_SIGNS) => rest.to_owned(),
        _ => cell.to_owned(),
    }
}

/// Which known column each column of the table is. Columns of our own lists that an import has no
/// use for are passed over.
fn header(
    cells: &[String],
    line: u64,
    columns: &'static [Column],
    faults: &mut Faults,
) -> Vec<Option<usize>> {
    const OF_LISTS: [&str; 6] = ["id", "created_at", "version", "ends_at", "state", "label"];
    let known: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let mut places = Vec::with_capacity(cells.len());
    for cell in cells {
        let name = cell.to_lowercase().replace([' ', '-'], "_");
        let place = known.iter().position(|known| *known == name);
        if place.is_some() && places.contains(&place) {
            faults.note(line, cell, "this column is there twice");
        } else if place.is_none() && !name.is_empty() && !OF_LISTS.contains(&name.as_str()) {
            let problem = match nearest(&name, &known) {
                Some(meant) => format!("there is no such column: is it `{meant}`?"),
                None => format!("there is no such column: known are {}", names(columns)),
            };
            faults.note(line, cell, problem);
        }
        places.push(place);
    }
    for (place, column) in columns.iter().enumerate() {
        if column.needed && !places.contains(&Some(place)) {
            faults.note(line, column.name, "this column is needed");
        }
    }
    places
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

fn row(
    line: u64,
    cells: &[String],
    places: &[Option<usize>],
    columns: &'static [Column],
    faults: &mut Faults,
) -> Option<Row> {
    if cells.iter().skip(places.len()).any(|cell| !cell.is_empty()) {
        let (has, heads) = (cells.len(), places.len());
        faults.note(line, "", format!("it has {has} cells and the first line {heads}"));
        return None;
    }
    let mut known = vec![String::new(); columns.len()];
    for (cell, place) in cells.iter().zip(places) {
        if let Some(place) = place {
            known[*place].clone_from(cell);
        }
    }
    Some(Row { line, columns, cells: known })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] =
        &[Column { name: "name", needed: true }, Column { name: "phone", needed: false }];

    fn told(text: &[u8]) -> (Vec<Row>, Vec<(u64, String)>) {
        let mut faults = Faults::default();
        let rows = read(text, COLUMNS, &mut faults);
        let told = faults.told.into_iter();
        (rows, told.map(|fault| (fault.line, fault.problem)).collect())
    }

    #[test]
    fn spreadsheets_of_every_country_are_read() {
        for text in [
            "name,phone\r\nAnn,0712\r\n",
            "\u{feff}Phone;Name\n0712;Ann",
            "name\tphone\n\n Ann \t0712\n\n",
            "id,name,phone,created_at\n7,\"Ann\",'+0712,x\n",
            "name,phone,,\nAnn,0712,,\n",
        ] {
            let (rows, faults) = told(text.as_bytes());
            assert_eq!(faults, [], "{text}");
            assert_eq!(rows.len(), 1, "{text}");
            assert_eq!(rows[0].text("name"), Some("Ann"), "{text}");
            assert_eq!(rows[0].text("phone").unwrap().trim_start_matches('+'), "0712", "{text}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_line() {
        let (_, faults) = told(b"nmae,phone\nAnn,1,2\n\n\xff,1\n");
        assert_eq!(
            faults,
            [
                (1, "there is no such column: is it `name`?".to_owned()),
                (1, "this column is needed".to_owned()),
                (2, "it has 3 cells and the first line 2".to_owned()),
                (4, "cell 1 is no UTF-8: save the table as CSV UTF-8".to_owned()),
            ]
        );
        for empty in ["", "\n\n", "\u{feff}"] {
            let (_, faults) = told(empty.as_bytes());
            assert_eq!(
                faults,
                [(1, "the table is empty: its first line names name, phone".to_owned())]
            );
        }
    }

    #[test]
    fn a_cell_over_several_lines_does_not_shift_the_count() {
        let (rows, faults) = told(b"name,phone\n\"Ann\nof the shop\",1\nBob,2\n");
        assert_eq!(faults, []);
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn no_bytes_at_all_make_it_fall_over() {
        for seed in 0..2_000u32 {
            let mut state = seed.wrapping_mul(2_654_435_761).max(1);
            let bytes: Vec<u8> = (0..seed % 97)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 17;
                    state ^= state << 5;
                    b"name,phone;\"\n\r\t'=\xff\x00ab"[state as usize % 21]
                })
                .collect();
            told(&bytes);
        }
    }
}
