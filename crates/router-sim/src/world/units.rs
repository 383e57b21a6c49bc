//! Owns how spans, sizes, rates and instants are written on a router.

use std::time::Duration;

use lango_routeros::values::{self, LocalDateTime};

pub(crate) const SECOND: i64 = 1_000_000;

/// Microseconds of a span in any of the router's spellings.
pub(crate) fn duration(text: &str) -> Option<i64> {
    values::parse_duration(text).and_then(|span| i64::try_from(span.as_micros()).ok())
}

/// A span as the router prints it; whole seconds, as everywhere except below one second.
pub(crate) fn duration_text(micros: i64) -> String {
    let micros = u64::try_from(micros).unwrap_or(0);
    let shown = if micros < 1_000_000 { micros } else { micros - micros % 1_000_000 };
    values::write_duration(Duration::from_micros(shown))
}

/// A calendar date and time of day of the router's own clock (which has no zone here).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) second_of_day: i64,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

impl Civil {
    pub(crate) fn at(wall_micros: i64) -> Civil {
        let seconds = wall_micros.div_euclid(SECOND);
        let days = seconds.div_euclid(86_400);
        // Days are counted from 0000-03-01 so that the leap day ends its year.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Civil { year, month, day, second_of_day: seconds.rem_euclid(86_400) }
    }

    /// ISO from 7.10 on, `jan/02/2026` before.
    pub(crate) fn date(self, iso: bool) -> String {
        if iso {
            return format!("{:04}-{:02}-{:02}", self.year, self.month, self.day);
        }
        let month = usize::try_from(self.month - 1).ok().and_then(|at| MONTHS.get(at).copied());
        format!("{}/{:02}/{:04}", month.unwrap_or("jan"), self.day, self.year)
    }

    pub(crate) fn time(self) -> String {
        let second = self.second_of_day;
        format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
    }
}

/// Microseconds on the router's own clock of a date and time in either spelling.
pub(crate) fn wall_micros(date: &str, time: &str) -> Option<i64> {
    LocalDateTime::from_parts(date, time)?.unix_seconds(0).checked_mul(SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_both_ways() {
        let instant = 1_767_348_000 * SECOND;
        let civil = Civil::at(instant);
        assert_eq!((civil.date(true).as_str(), civil.time().as_str()), ("2026-01-02", "10:00:00"));
        assert_eq!(civil.date(false), "jan/02/2026");
        assert_eq!(wall_micros("2026-01-02", "10:00:00"), Some(instant));
        assert_eq!(wall_micros("jan/02/2026", "10:00:00"), Some(instant));
        assert_eq!(Civil::at(0).date(true), "1970-01-01");
        assert_eq!(Civil::at(1_709_164_800 * SECOND).date(true), "2024-02-29");
    }
}
