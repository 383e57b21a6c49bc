//! QR codes: the modules of one as a single path of rectangles.

use super::text::black;
use fast_qr::ECL;
use fast_qr::qr::QRBuilder;
use krilla::geom::{PathBuilder, Rect};
use krilla::surface::Surface;

/// Modules of white around it (ISO/IEC 18004).
const QUIET: f32 = 4.0;

/// Draws a QR code into a square, its quiet zone within it. Nothing if the text is too long for
/// any.
pub(super) fn draw(surface: &mut Surface<'_>, text: &str, (left, top): (f32, f32), side: f32) {
    // Half of the errors that M repairs come from a cheap printer already; Q would need a finer grid.
    let Ok(code) = QRBuilder::new(text).ecl(ECL::M).build() else { return };
    let module = side / (code.size as f32 + 2.0 * QUIET);
    let mut path = PathBuilder::new();
    for row in 0..code.size {
        let dark = |column: usize| code[row][column].value();
        let mut column = 0;
        while column < code.size {
            let run = (column..code.size).take_while(|at| dark(*at)).count();
            if run > 0 {
                let x = left + (QUIET + column as f32) * module;
                let y = top + (QUIET + row as f32) * module;
                // Neighbours in a row are one rectangle: no printer can leave a gap between them.
                if let Some(bar) = Rect::from_xywh(x, y, run as f32 * module, module) {
                    path.push_rect(bar);
                }
            }
            column += run.max(1);
        }
    }
    if let Some(path) = path.finish() {
        surface.set_stroke(None);
        surface.set_fill(Some(black()));
        surface.draw_path(&path);
    }
}
