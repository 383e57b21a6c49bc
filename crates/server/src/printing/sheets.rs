//! Sheets of A4 with cards to cut apart.

use super::card::Card;
use super::page::{CutLine, cut_lines};
use super::text::{Fitted, Pen, fit, width, wrap};
use super::{MILLIMETRE, qr};
use krilla::Document;
use krilla::page::PageSettings;
use krilla::surface::Surface;

/// A4.
const PAGE: (f32, f32) = (210.0 * MILLIMETRE, 297.0 * MILLIMETRE);
/// The code, on every card: what is typed on a phone must be read at arm's length.
const CODE: f32 = 14.0;
/// Smaller than this nobody reads.
const SMALLEST: f32 = 4.0;

/// How a sheet is divided, in points but for the grid.
pub(super) struct Sheet {
    columns: usize,
    rows: usize,
    /// Of a card.
    width: f32,
    height: f32,
    /// White around what stands on a card.
    margin: f32,
    /// The side of the QR code; none has none.
    qr: Option<f32>,
    name: f32,
    price: f32,
    small: f32,
    /// Lines for what to do.
    steps: usize,
}

pub(super) const SHEET_24: Sheet = Sheet {
    columns: 3,
    rows: 8,
    width: 63.0 * MILLIMETRE,
    height: 34.6 * MILLIMETRE,
    margin: 5.0,
    qr: Some(22.0 * MILLIMETRE),
    name: 7.0,
    price: 9.0,
    small: 6.0,
    steps: 3,
};
pub(super) const SHEET_40: Sheet = Sheet {
    columns: 4,
    rows: 10,
    width: 47.5 * MILLIMETRE,
    height: 27.7 * MILLIMETRE,
    margin: 3.5,
    qr: Some(17.0 * MILLIMETRE),
    name: 6.0,
    price: 7.5,
    small: 4.7,
    steps: 3,
};
pub(super) const SHEET_65: Sheet = Sheet {
    columns: 5,
    rows: 13,
    width: 38.0 * MILLIMETRE,
    height: 21.3 * MILLIMETRE,
    margin: 3.0,
    qr: None,
    name: 5.6,
    price: 6.2,
    small: 4.4,
    steps: 2,
};

/// Draws as many sheets as the cards need.
pub(super) fn draw(document: &mut Document, pen: &Pen, sheet: &Sheet, cards: &[Card]) {
    for cards in cards.chunks(sheet.columns * sheet.rows) {
        // The numbers of A4 are positive and finite: there is such a page.
        let Some(settings) = PageSettings::from_wh(PAGE.0, PAGE.1) else { return };
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        for (place, card) in cards.iter().enumerate() {
            let corner = sheet.corner(place % sheet.columns, place / sheet.columns);
            draw_card(&mut surface, pen, sheet, card, corner);
        }
        cut_lines(&mut surface, &sheet.grid(cards.len().div_ceil(sheet.columns)));
        surface.finish();
        page.finish();
    }
}

impl Sheet {
    fn corner(&self, column: usize, row: usize) -> (f32, f32) {
        let left = (PAGE.0 - self.columns as f32 * self.width) / 2.0;
        let top = (PAGE.1 - self.rows as f32 * self.height) / 2.0;
        (left + column as f32 * self.width, top + row as f32 * self.height)
    }

    /// Lines around so many rows of cards.
    fn grid(&self, rows: usize) -> Vec<CutLine> {
        let (left, top) = self.corner(0, 0);
        let (right, bottom) = self.corner(self.columns, rows);
        let across = (0..=rows).map(|row| self.corner(0, row).1).map(|y| ((left, y), (right, y)));
        let down = (0..=self.columns)
            .map(|column| self.corner(column, 0).0)
            .map(|x| ((x, top), (x, bottom)));
        across.chain(down).collect()
    }
}

/// From the top: who, what, for how much, the code, what to do, how long; from the bottom, over the
/// whole width: its number, whom to ask.
fn draw_card(
    surface: &mut Surface<'_>,
    pen: &Pen,
    sheet: &Sheet,
    card: &Card,
    (left, top): (f32, f32),
) {
    let whole = sheet.width - 2.0 * sheet.margin;
    let side = card.link.as_ref().and(sheet.qr);
    // The quiet zone of the QR code is white already: it may reach into the card's margin.
    let column = side.map_or(whole, |side| sheet.width - sheet.margin - side);
    if let (Some(link), Some(side)) = (&card.link, side) {
        qr::draw(surface, link, (left + sheet.width - side, top + 1.0), side);
    }
    let x = left + sheet.margin;
    let mut y = top + sheet.margin;
    for line in column_of(sheet, card, column) {
        y += line.size;
        pen.write(surface, (x, y), &line);
        y += gap(line.size);
    }
    let mut foot = top + sheet.height - sheet.margin;
    let under = [Some(&card.serial), card.help.as_ref()];
    for text in under.into_iter().flatten() {
        let line = fit(text, whole, sheet.small, SMALLEST);
        pen.write(surface, (x, foot), &line);
        foot -= line.size + gap(line.size);
    }
}

fn column_of(sheet: &Sheet, card: &Card, column: f32) -> Vec<Fitted> {
    let mut lines = vec![fit(&card.business, column, sheet.name, SMALLEST)];
    // Where there is no QR code there is no height either: plan and price share a line if they can.
    let both = format!("{} · {}", card.plan, card.price);
    if sheet.qr.is_none() && width(&both, sheet.price) <= column {
        lines.push(fit(&both, column, sheet.price, SMALLEST));
    } else if sheet.qr.is_none() {
        let price = width(&card.price, 1.0) + width(" · ", 1.0);
        let plan = fit(&card.plan, column - price * SMALLEST, SMALLEST, SMALLEST).text;
        lines.push(fit(&format!("{plan} · {}", card.price), column, sheet.price, SMALLEST));
    } else {
        lines.push(fit(&card.plan, column, sheet.name, SMALLEST));
        lines.push(fit(&card.price, column, sheet.price, SMALLEST));
    }
    lines.push(fit(&card.code, column, CODE, SMALLEST));
    lines.extend(wrap(&card.steps, column, sheet.small, sheet.steps));
    lines.push(fit(&card.validity, column, sheet.small, SMALLEST));
    lines
}

/// White between lines.
fn gap(size: f32) -> f32 {
    size * 0.12
}
