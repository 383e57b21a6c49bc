//! A table of customers.

use super::sheet::{Column, Faults, Row};
use super::{Shop, one_line};
use lango_domain::language::Language;
use lango_domain::phone_number::PhoneNumber;

/// What the table may have.
pub(super) const COLUMNS: &[Column] = &[
    Column { name: "name", needed: true },
    Column { name: "phone", needed: false },
    Column { name: "language", needed: false },
];

/// Somebody to be added.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) line: u64,
    pub(super) name: String,
    pub(super) phone: Option<PhoneNumber>,
    pub(super) language: Option<Language>,
}

/// Reads a line.
pub(super) fn read(row: &Row, shop: &Shop, faults: &mut Faults) -> Option<Newcomer> {
    let before = faults.count;
    let name = row.needed("name", faults).map(ToOwned::to_owned);
    let name = name.filter(|name| one_line(row, "name", name, 100, faults));
    let phone = phone(row, shop, faults);
    let language = row.value("language", faults);
    if faults.count > before {
        return None;
    }
    Some(Newcomer { line: row.line, name: name?, phone, language })
}

/// The phone number of a line, if it has one.
pub(super) fn phone(row: &Row, shop: &Shop, faults: &mut Faults) -> Option<PhoneNumber> {
    let text = row.text("phone")?;
    match PhoneNumber::parse(text, shop.tenant.country) {
        Ok(phone) => Some(phone),
        Err(_) if was_shortened(text) => {
            let problem = format!(
                "`{text}` was shortened by the spreadsheet: format the column as text and write \
                 the numbers again"
            );
            faults.note(row.line, "phone", problem);
            None
        }
        Err(why) => {
            faults.note(row.line, "phone", why);
            None
        }
    }
}

/// `2.54712E+11`: what a spreadsheet makes of a long number.
fn was_shortened(text: &str) -> bool {
    text.contains(['e', 'E']) && text.parse::<f64>().is_ok()
}
