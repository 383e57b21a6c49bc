//! Owns how bytes add up: what was counted plus a steady rate since.

use super::units::SECOND;

/// Bytes in both directions, named as RouterOS does: `in` comes from the customer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl Traffic {
    pub(crate) fn total(self) -> u64 {
        self.bytes_in.saturating_add(self.bytes_out)
    }

    pub(crate) fn plus(self, other: Traffic) -> Traffic {
        Traffic {
            bytes_in: self.bytes_in.saturating_add(other.bytes_in),
            bytes_out: self.bytes_out.saturating_add(other.bytes_out),
        }
    }
}

/// A counter that may run by itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Meter {
    counted: Traffic,
    /// Bytes per second.
    rate: Traffic,
    since: i64,
}

impl Meter {
    pub(crate) fn running(rate: Traffic, now: i64) -> Meter {
        Meter { counted: Traffic::default(), rate, since: now }
    }

    pub(crate) fn rate(&self) -> Traffic {
        self.rate
    }

    pub(crate) fn read(&self, now: i64) -> Traffic {
        let grown = |rate: u64| {
            let micros = u128::try_from(now - self.since).unwrap_or(0);
            let bytes = u128::from(rate) * micros / SECOND.unsigned_abs() as u128;
            u64::try_from(bytes).unwrap_or(u64::MAX)
        };
        let grown =
            Traffic { bytes_in: grown(self.rate.bytes_in), bytes_out: grown(self.rate.bytes_out) };
        self.counted.plus(grown)
    }

    pub(crate) fn set_rate(&mut self, rate: Traffic, now: i64) {
        *self = Meter { counted: self.read(now), rate, since: now };
    }

    pub(crate) fn count(&mut self, traffic: Traffic) {
        self.counted = self.counted.plus(traffic);
    }
}

/// The first instant at which `left` more bytes have passed at `rate`; `None` if never.
pub(crate) fn reached_at(now: i64, left: u64, rate: u64) -> Option<i64> {
    if left == 0 {
        return Some(now);
    }
    if rate == 0 {
        return None;
    }
    let micros = (u128::from(left) * SECOND.unsigned_abs() as u128).div_ceil(u128::from(rate));
    i64::try_from(micros).ok()?.checked_add(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_reaches_a_limit_exactly_when_it_says() {
        let rate = Traffic { bytes_in: 0, bytes_out: 3 };
        let mut meter = Meter::running(rate, 0);
        let at = reached_at(0, 10, 3).unwrap();
        assert_eq!(meter.read(at).total(), 10);
        assert_eq!(meter.read(at - 1).total(), 9);
        meter.set_rate(Traffic::default(), at);
        meter.count(Traffic { bytes_in: 1, bytes_out: 0 });
        assert_eq!(meter.read(at + SECOND).total(), 11);
        assert_eq!(reached_at(7, 0, 0), Some(7));
        assert_eq!(reached_at(7, 1, 0), None);
    }
}
