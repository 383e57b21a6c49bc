//! How long to wait before trying again: doubling, at most a minute, with jitter, so that fifty
//! routers behind one cut cable do not come back in step.

use lango_domain::time::Span;

const FIRST: Span = Span::millis(500);
const MOST: Span = Span::seconds(60);

/// The pause after so many failures before this one.
pub fn pause(failures: i64) -> Span {
    let doublings = failures.clamp(0, 10) as u32;
    let full = FIRST.micros().saturating_mul(1 << doublings).min(MOST.micros());
    Span::from_micros(full / 2 + fastrand::i64(0..=full / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_never_beyond() {
        assert!(pause(0) <= FIRST);
        for failures in 0..100 {
            assert!(pause(failures) <= MOST && !pause(failures).is_zero());
        }
        assert!(pause(50) >= Span::seconds(30));
    }
}
