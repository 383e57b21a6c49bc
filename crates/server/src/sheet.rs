//! Tables of text for spreadsheets (RFC 4180). Must never write a cell that a spreadsheet runs as a
//! formula.

use serde::Serialize;
use serde_json::Value;

/// Rows with their heading.
pub(crate) fn table<T: Serialize>(rows: &[T], columns: &[impl AsRef<str>]) -> String {
    let heading = line(columns.iter().map(|column| column.as_ref().to_owned()));
    heading + &lines(rows, columns)
}

/// Rows alone. A cell is what the row's JSON has under the column's name; what is nested stands as
/// `price_amount`.
pub(crate) fn lines<T: Serialize>(rows: &[T], columns: &[impl AsRef<str>]) -> String {
    rows.iter().map(|row| line(cells(row, columns))).collect()
}

fn cells<T: Serialize>(row: &T, columns: &[impl AsRef<str>]) -> Vec<String> {
    // Rows are what goes out as JSON too: serialising cannot fail.
    let row = serde_json::to_value(row).unwrap_or_default();
    columns.iter().map(|column| cell(&row, column.as_ref()).unwrap_or_default()).collect()
}

fn cell(value: &Value, column: &str) -> Option<String> {
    let object = value.as_object()?;
    if let Some(found) = object.get(column) {
        return Some(match found {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
    }
    object.iter().find_map(|(name, value)| {
        cell(value, column.strip_prefix(name.as_str())?.strip_prefix('_')?)
    })
}

/// One line of cells.
pub(crate) fn line(cells: impl IntoIterator<Item = String>) -> String {
    let mut text = cells.into_iter().map(|cell| quoted(&cell)).collect::<Vec<_>>().join(",");
    text.push_str("\r\n");
    text
}

/// Quoted where RFC 4180 asks for it. What a spreadsheet would run as a formula gets an apostrophe
/// in front, as OWASP advises: customers choose their own names.
fn quoted(cell: &str) -> String {
    let is_number = cell.parse::<f64>().is_ok();
    let harmless = match cell.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') if !is_number => format!("'{cell}"),
        _ => cell.to_owned(),
    };
    if harmless.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", harmless.replace('"', "\"\""))
    } else {
        harmless
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_have_columns_and_formulas_are_text() {
        let rows = [
            serde_json::json!({ "name": "=HYPERLINK(1)", "price": { "amount": -50 }, "note": null }),
            serde_json::json!({ "name": "a, \"b\"", "price": { "amount": 7 }, "note": "x" }),
        ];
        let text = table(&rows, &["name", "price_amount", "note"]);
        let expected = "name,price_amount,note\r\n'=HYPERLINK(1),-50,\r\n\"a, \"\"b\"\"\",7,x\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_phone_number_is_no_formula() {
        assert_eq!(line(["+254712345678".to_owned()]), "+254712345678\r\n");
    }
}
