//! Rolls of till printers: each card a page of its own, as long as it needs.

use super::card::Card;
use super::page::cut_lines;
use super::text::{Fitted, Pen, fit, width, wrap};
use super::{MILLIMETRE, qr};
use krilla::Document;
use krilla::page::PageSettings;

/// White above and below.
const EDGE: f32 = 3.0 * MILLIMETRE;
/// Till printers have dots of an eighth of a millimetre: smaller than this nobody reads.
const SMALLEST: f32 = 5.5;

/// How wide a roll is, in points.
pub(super) struct Roll {
    paper: f32,
    /// What the head of the printer reaches.
    printable: f32,
    qr: f32,
    code: f32,
    name: f32,
    small: f32,
}

/// The head reaches 48 mm: 32 signs.
pub(super) const ROLL_58: Roll = Roll {
    paper: 58.0 * MILLIMETRE,
    printable: 48.0 * MILLIMETRE,
    qr: 34.0 * MILLIMETRE,
    code: 20.0,
    name: 11.0,
    small: 8.0,
};
/// The head reaches 72 mm: 48 signs.
pub(super) const ROLL_80: Roll = Roll {
    paper: 80.0 * MILLIMETRE,
    printable: 72.0 * MILLIMETRE,
    qr: 38.0 * MILLIMETRE,
    code: 24.0,
    name: 13.0,
    small: 9.0,
};

/// Draws a page for each card.
pub(super) fn draw(document: &mut Document, pen: &Pen, roll: &Roll, cards: &[Card]) {
    for card in cards {
        draw_card(document, pen, roll, card);
    }
}

fn draw_card(document: &mut Document, pen: &Pen, roll: &Roll, card: &Card) {
    let above = above(roll, card);
    let below = below(roll, card);
    let side = card.link.as_ref().map_or(0.0, |_| roll.qr);
    let height = 2.0 * EDGE + side + tall(&above) + tall(&below);
    // Lines have heights above nothing: there is such a page.
    let Some(settings) = PageSettings::from_wh(roll.paper, height) else { return };
    let mut page = document.start_page_with(settings);
    let mut surface = page.surface();
    let mut y = EDGE;
    let write = |surface: &mut _, y: &mut f32, lines: &[Fitted]| {
        for line in lines {
            *y += line.size;
            let x = (roll.paper - width(&line.text, line.size)) / 2.0;
            pen.write(surface, (x, *y), line);
            *y += gap(line.size);
        }
    };
    write(&mut surface, &mut y, &above);
    if let Some(link) = &card.link {
        qr::draw(&mut surface, link, ((roll.paper - side) / 2.0, y), side);
        y += side;
    }
    write(&mut surface, &mut y, &below);
    cut_lines(&mut surface, &[((0.0, height - 0.5), (roll.paper, height - 0.5))]);
    surface.finish();
    page.finish();
}

fn above(roll: &Roll, card: &Card) -> Vec<Fitted> {
    let one = |text: &str, size| fit(text, roll.printable, size, SMALLEST);
    vec![
        one(&card.business, roll.name),
        one(&card.plan, roll.name),
        one(&card.price, roll.name),
        one(&card.code, roll.code),
    ]
}

fn below(roll: &Roll, card: &Card) -> Vec<Fitted> {
    let mut lines = wrap(&card.steps, roll.printable, roll.small, 4);
    lines.extend(wrap(&card.validity, roll.printable, roll.small, 2));
    let rest = card.help.iter().chain([&card.serial]);
    lines.extend(rest.map(|text| fit(text, roll.printable, roll.small, SMALLEST)));
    lines
}

fn tall(lines: &[Fitted]) -> f32 {
    lines.iter().map(|line| line.size + gap(line.size)).sum()
}

fn gap(size: f32) -> f32 {
    size * 0.25
}
