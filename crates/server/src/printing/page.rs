//! Lines to cut along.

use krilla::color::luma;
use krilla::geom::PathBuilder;
use krilla::num::NormalizedF32;
use krilla::paint::{LineCap, LineJoin, Stroke, StrokeDash};
use krilla::surface::Surface;

/// A line to cut along: from where to where, in points from the upper left corner.
pub(super) type CutLine = ((f32, f32), (f32, f32));

/// Draws dashed lines from point to point.
pub(super) fn cut_lines(surface: &mut Surface<'_>, lines: &[CutLine]) {
    let mut path = PathBuilder::new();
    for ((from_x, from_y), (to_x, to_y)) in lines {
        path.move_to(*from_x, *from_y);
        path.line_to(*to_x, *to_y);
    }
    let Some(path) = path.finish() else { return };
    surface.set_fill(None);
    surface.set_stroke(Some(Stroke {
        paint: luma::Color::black().into(),
        width: 0.3,
        miter_limit: 10.0,
        line_cap: LineCap::Butt,
        line_join: LineJoin::Miter,
        opacity: NormalizedF32::ONE,
        dash: Some(StrokeDash { array: vec![2.0, 2.0], offset: 0.0 }),
    }));
    surface.draw_path(&path);
}
