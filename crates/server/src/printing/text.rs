//! Writing: one font of equally wide signs, so that the width of a text is known before it is drawn.

use krilla::color::luma;
use krilla::geom::Point;
use krilla::num::NormalizedF32;
use krilla::paint::{Fill, FillRule};
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::charmap::Charmap;
use skrifa::{FontRef, MetadataProvider};

/// League Mono Condensed Medium, under the SIL Open Font License 1.1: see `font/OFL.txt`.
const FONT: &[u8] = include_bytes!("font/LeagueMono-CondensedMedium.otf");
/// How wide each sign is, as part of the size.
const ADVANCE: f32 = 0.45;
/// What stands where a text was too long.
const ELLIPSIS: char = '…';
/// What stands for a sign that the font does not have.
const UNKNOWN: char = '?';

/// What writes.
pub(super) struct Pen {
    font: Font,
    signs: Charmap<'static>,
}

/// A text that fits, and its size.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Fitted {
    pub(super) text: String,
    pub(super) size: f32,
}

impl Pen {
    /// None if the font were damaged, which a test excludes.
    pub(super) fn new() -> Option<Pen> {
        let font = Font::new(FONT.to_vec().into(), 0)?;
        let signs = FontRef::new(FONT).ok()?.charmap();
        Some(Pen { font, signs })
    }

    /// Writes one line whose foot is at `y`.
    pub(super) fn write(&self, surface: &mut Surface<'_>, (x, y): (f32, f32), line: &Fitted) {
        let glyphs: Vec<KrillaGlyph> = line
            .text
            .char_indices()
            .map(|(at, sign)| KrillaGlyph {
                glyph_id: GlyphId::new(self.glyph(sign)),
                text_range: at..at + sign.len_utf8(),
                x_advance: ADVANCE,
                x_offset: 0.0,
                y_offset: 0.0,
                y_advance: 0.0,
                location: None,
            })
            .collect();
        surface.set_stroke(None);
        surface.set_fill(Some(black()));
        let start = Point::from_xy(x, y);
        surface.draw_glyphs(start, &glyphs, self.font.clone(), &line.text, line.size, false);
    }

    fn glyph(&self, sign: char) -> u32 {
        let find = |sign: char| self.signs.map(sign).map(|glyph| glyph.to_u32());
        find(sign).or_else(|| find(UNKNOWN)).unwrap_or_default()
    }
}

/// Nothing is ever drawn in another colour.
pub(super) fn black() -> Fill {
    Fill {
        paint: luma::Color::black().into(),
        opacity: NormalizedF32::ONE,
        rule: FillRule::NonZero,
    }
}

/// How wide a text is.
pub(super) fn width(text: &str, size: f32) -> f32 {
    text.chars().count() as f32 * size * ADVANCE
}

/// How many signs have room.
fn room(width: f32, size: f32) -> usize {
    // A hair is granted: sums of fractions of millimetres come out a little short.
    (width / (size * ADVANCE) + 0.001).max(0.0) as usize
}

/// The text on one line: smaller if it is too long, and if that does not help, cut.
pub(super) fn fit(text: &str, within: f32, size: f32, smallest: f32) -> Fitted {
    let text = one_line(text);
    let needs = width(&text, 1.0);
    if needs * size <= within {
        return Fitted { text, size };
    }
    let size = (within / needs).max(smallest);
    Fitted { text: cut(&text, room(within, size)), size }
}

/// The text on at most so many lines, broken between words; what has no room is cut.
pub(super) fn wrap(text: &str, within: f32, size: f32, lines: usize) -> Vec<Fitted> {
    let (room, text) = (room(within, size), one_line(text));
    let mut wrapped: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match wrapped.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => wrapped.push(word.to_owned()),
        }
    }
    if wrapped.len() > lines {
        let rest = wrapped.split_off(lines.saturating_sub(1)).join(" ");
        wrapped.push(rest);
    }
    wrapped.iter().map(|line| Fitted { text: cut(line, room), size }).collect()
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{}{ELLIPSIS}", kept.trim_end())
}

/// Names come from outside: what steers a printer or breaks a line is a space.
fn one_line(text: &str) -> String {
    let plain: String =
        text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_is_as_wide_as_the_others() {
        let font = FontRef::new(FONT).unwrap();
        let metrics = font.glyph_metrics(
            skrifa::instance::Size::new(1.0),
            skrifa::instance::LocationRef::default(),
        );
        let pen = Pen::new().unwrap();
        for sign in "ABCXYZabcxyz0123456789 -·…:.,/éèàçùêîôâ".chars() {
            let glyph = pen.signs.map(sign);
            assert!(glyph.is_some(), "the font has no {sign}");
            // The library scales in fixed point, so it is off in the fifth place.
            let wide = metrics.advance_width(glyph.unwrap()).unwrap();
            assert!((wide - ADVANCE).abs() < 0.000_1, "{sign} is {wide} wide");
        }
    }

    #[test]
    fn what_is_long_becomes_smaller_and_then_shorter() {
        let within = width("0123456789", 10.0);
        assert_eq!(fit("0123456789", within, 10.0, 5.0).size, 10.0);
        let smaller = fit("0123456789abc", within, 10.0, 5.0);
        assert_eq!(smaller.text, "0123456789abc");
        assert!(smaller.size < 10.0 && width(&smaller.text, smaller.size) <= within + 0.01);
        let shorter = fit(&"0123456789".repeat(3), within, 10.0, 5.0);
        assert_eq!((shorter.text.as_str(), shorter.size), ("0123456789012345678…", 5.0));
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        let lines = |text: &str, count| -> Vec<String> {
            let wrapped = wrap(text, width("0123456789", 5.0), 5.0, count);
            wrapped.into_iter().map(|line| line.text).collect()
        };
        assert_eq!(lines("one two three four", 3), ["one two", "three four"]);
        assert_eq!(lines("one two three four five", 2), ["one two", "three fou…"]);
        assert_eq!(lines("unbreakable-word", 2), ["unbreakab…"]);
        assert_eq!(lines("a\nb\tc", 2), ["a b c"]);
    }
}
