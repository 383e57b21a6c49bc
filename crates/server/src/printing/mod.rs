//! Vouchers on paper: sheets of A4 to cut apart, and rolls of till printers, as PDF.
//!
//! Black on white, one font, vectors only, so that the cheapest printer gives a code that a phone
//! can read. Must never decide which vouchers are printed, nor read the database: it is given cards
//! and draws them.

mod card;
mod page;
mod qr;
mod rolls;
mod sheets;
mod text;
mod words;

pub use card::Card;
pub use words::card_of;

use krilla::{Document, SerializeSettings};
use std::str::FromStr;

/// Points of a millimetre.
const MILLIMETRE: f32 = 72.0 / 25.4;

/// What vouchers are printed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Layout {
    /// A4, 3 by 8.
    #[default]
    Sheet24,
    /// A4, 4 by 10.
    Sheet40,
    /// A4, 5 by 13, too small for a QR code.
    Sheet65,
    /// A roll 58 mm wide.
    Roll58,
    /// A roll 80 mm wide.
    Roll80,
}

/// Not a sheet or roll that there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a sheet nor a roll: write 24, 40, 65, 58mm or 80mm")]
pub struct NotALayout(String);

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
#[error("the PDF cannot be written: {0}")]
pub struct PrintError(String);

impl Layout {
    /// All layouts.
    pub const ALL: [Layout; 5] =
        [Layout::Sheet24, Layout::Sheet40, Layout::Sheet65, Layout::Roll58, Layout::Roll80];

    /// As it is typed and written down.
    pub const fn word(self) -> &'static str {
        match self {
            Layout::Sheet24 => "24",
            Layout::Sheet40 => "40",
            Layout::Sheet65 => "65",
            Layout::Roll58 => "58mm",
            Layout::Roll80 => "80mm",
        }
    }

    /// Whether there is room for a QR code.
    pub const fn has_qr(self) -> bool {
        !matches!(self, Layout::Sheet65)
    }
}

impl FromStr for Layout {
    type Err = NotALayout;

    fn from_str(text: &str) -> Result<Layout, NotALayout> {
        let meant = |layout: &Layout| layout.word() == text.trim().to_ascii_lowercase();
        Layout::ALL.into_iter().find(meant).ok_or_else(|| NotALayout(text.to_owned()))
    }
}

/// Draws cards and gives the file.
///
/// # Errors
/// The library that writes PDF refuses; it never does for cards of ours.
pub fn print(layout: Layout, cards: &[Card]) -> Result<Vec<u8>, PrintError> {
    let settings = SerializeSettings { enable_tagging: false, ..SerializeSettings::default() };
    let mut document = Document::new_with(settings);
    let pen = text::Pen::new().ok_or_else(|| PrintError("its font is damaged".to_owned()))?;
    match layout {
        Layout::Sheet24 => sheets::draw(&mut document, &pen, &sheets::SHEET_24, cards),
        Layout::Sheet40 => sheets::draw(&mut document, &pen, &sheets::SHEET_40, cards),
        Layout::Sheet65 => sheets::draw(&mut document, &pen, &sheets::SHEET_65, cards),
        Layout::Roll58 => rolls::draw(&mut document, &pen, &rolls::ROLL_58, cards),
        Layout::Roll80 => rolls::draw(&mut document, &pen, &rolls::ROLL_80, cards),
    }
    document.finish().map_err(|error| PrintError(format!("{error:?}")))
}

#[cfg(test)]
mod tests;
