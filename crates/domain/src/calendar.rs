//! Ends that a calendar decides: midnight, the fifth of the month, a date. The only place where a
//! time zone takes part in a rule.

use crate::time::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};
use std::fmt;
use std::str::FromStr;

/// A time zone of the IANA database, known to exist.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// Why a text is not a zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time zone: write its IANA name, for example Africa/Nairobi")]
pub struct NotAZone(String);

/// When a calendar ends a period.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "rule")]
pub enum CalendarRule {
    /// At the end of the local day; so many midnights from the start, at least one.
    Midnights {
        /// 1 is the coming midnight.
        count: u16,
    },
    /// At the start of that day of the month, or of the month's last day if it has no such day.
    DayOfMonth {
        /// 1 to 31.
        day: u8,
    },
    /// At the same local time, so many months later; the month's last day if there is no such day.
    Months {
        /// At least one.
        count: u16,
    },
    /// At the end of that local day, once: a renewal does not move it.
    Date {
        /// The last day.
        last_day: Date,
    },
}

/// A rule and the zone in which it is read.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Calendar {
    /// The rule.
    pub rule: CalendarRule,
    /// The site's zone.
    pub zone: Zone,
}

impl Calendar {
    /// The end of the period that begins at `start`, always after it — except for a fixed date,
    /// which may lie in the past.
    pub fn end_of_period(&self, start: Timestamp) -> Timestamp {
        let local = start.to_jiff().to_zoned(self.zone.0.clone());
        let end = match self.rule {
            CalendarRule::Midnights { count } => local
                .date()
                .checked_add(i64::from(count.max(1)).days())
                .ok()
                .and_then(|day| self.start_of(day)),
            CalendarRule::DayOfMonth { day } => self.next_day_of_month(&local, day),
            CalendarRule::Months { count } => {
                local.checked_add(i64::from(count.max(1)).months()).ok()
            }
            CalendarRule::Date { last_day } => {
                last_day.tomorrow().ok().and_then(|day| self.start_of(day))
            }
        };
        // Beyond the calendar's last year there is no end to compute; the furthest instant stands in.
        end.map_or(Timestamp::from_jiff(jiff::Timestamp::MAX), |end| {
            Timestamp::from_jiff(end.timestamp())
        })
    }

    /// The first instant of a local day. Not always 00:00: where the clock jumps at midnight, the
    /// day begins later.
    fn start_of(&self, day: Date) -> Option<Zoned> {
        day.to_zoned(self.zone.0.clone()).ok()
    }

    fn next_day_of_month(&self, local: &Zoned, day: u8) -> Option<Zoned> {
        let this_month = local.date().first_of_month();
        (0..=1).find_map(|months: i64| {
            let month = this_month.checked_add(months.months()).ok()?;
            let day = (day.clamp(1, 31) as i8).min(month.days_in_month());
            let date = Date::new(month.year(), month.month(), day).ok()?;
            self.start_of(date).filter(|instant| instant > local)
        })
    }
}

impl Zone {
    /// The zone's name in the IANA database.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The instant that people at that place mean by `2026-12-31` (that whole day is paid), by
    /// `2026-12-31 18:00`, or by an instant with its own zone (RFC 3339). None for anything else.
    pub fn end_written(&self, text: &str) -> Option<Timestamp> {
        let text = text.trim();
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Some(Timestamp::from_jiff(instant));
        }
        let local = if let Some((date, _)) = text.split_once([' ', 'T']) {
            // Only with a date before it is a time complete.
            date.parse::<Date>().ok()?;
            text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(self.0.clone()).ok()?
        } else {
            text.parse::<Date>().ok()?.tomorrow().ok()?.to_zoned(self.0.clone()).ok()?
        };
        Some(Timestamp::from_jiff(local.timestamp()))
    }

    /// The day on which people at that place are.
    pub(crate) fn date_of(&self, at: Timestamp) -> Date {
        at.to_jiff().to_zoned(self.0.clone()).date()
    }

    /// The instant at which clocks of that place show it: the later one where clocks are put
    /// forward over it, the first one where they are put back.
    pub(crate) fn instant(&self, local: jiff::civil::DateTime) -> Option<Timestamp> {
        let zoned = local.to_zoned(self.0.clone()).ok()?;
        Some(Timestamp::from_jiff(zoned.timestamp()))
    }

    /// The day of the week, Monday being 0, and what clocks show: `08:00`.
    pub fn weekday_and_time(&self, at: Timestamp) -> (usize, String) {
        let local = at.to_jiff().to_zoned(self.0.clone());
        let weekday = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or_default();
        (weekday, local.strftime("%H:%M").to_string())
    }

    /// An instant as people at that place read it: `21 Nov 14:05`.
    pub fn local(&self, at: Timestamp) -> String {
        at.to_jiff().to_zoned(self.0.clone()).strftime("%-d %b %H:%M").to_string()
    }
}

impl FromStr for Zone {
    type Err = NotAZone;
    fn from_str(text: &str) -> Result<Self, NotAZone> {
        TimeZone::get(text).map(Zone).map_err(|_| NotAZone(text.to_owned()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for Zone {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_jiff(text.parse().unwrap())
    }

    fn calendar(zone: &str, rule: CalendarRule) -> Calendar {
        Calendar { rule, zone: zone.parse().unwrap() }
    }

    #[test]
    fn an_end_is_read_as_the_people_of_the_place_mean_it() {
        let nairobi: Zone = "Africa/Nairobi".parse().unwrap();
        for (written, meant) in [
            ("2026-12-31", "2026-12-31T21:00:00Z"),
            ("2026-12-31 18:00", "2026-12-31T15:00:00Z"),
            ("2026-12-31T18:00:30", "2026-12-31T15:00:30Z"),
            (" 2026-12-31T18:00:00Z ", "2026-12-31T18:00:00Z"),
            ("2026-12-31T18:00:00+01:00", "2026-12-31T17:00:00Z"),
        ] {
            assert_eq!(nairobi.end_written(written), Some(at(meant)), "{written}");
        }
        for wrong in ["", "31/12/2026", "2026-13-01", "18:00", "soon", "2026-02-30", "9999-12-31"] {
            assert_eq!(nairobi.end_written(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn midnight_in_nairobi_is_nine_in_the_evening_in_utc() {
        let daily = calendar("Africa/Nairobi", CalendarRule::Midnights { count: 1 });
        assert_eq!(daily.end_of_period(at("2026-11-21T10:00:00Z")), at("2026-11-21T21:00:00Z"));
        // Bought one minute after local midnight: a whole day, not a minute.
        assert_eq!(daily.end_of_period(at("2026-11-21T21:01:00Z")), at("2026-11-22T21:00:00Z"));
    }

    #[test]
    fn a_day_can_last_twenty_five_hours() {
        let daily = calendar("Europe/Berlin", CalendarRule::Midnights { count: 1 });
        let start = at("2026-10-24T22:00:00Z");
        assert_eq!(daily.end_of_period(start).since(start), crate::time::Span::hours(25));
    }

    #[test]
    fn the_thirty_first_of_february_is_its_last_day() {
        let billing = calendar("Africa/Kampala", CalendarRule::DayOfMonth { day: 31 });
        assert_eq!(billing.end_of_period(at("2027-02-10T00:00:00Z")), at("2027-02-27T21:00:00Z"));
        // On the billing day itself the next month is meant.
        assert_eq!(billing.end_of_period(at("2027-02-27T21:00:00Z")), at("2027-03-30T21:00:00Z"));
    }

    #[test]
    fn a_month_from_the_thirty_first_is_a_month() {
        let monthly = calendar("Africa/Nairobi", CalendarRule::Months { count: 1 });
        assert_eq!(monthly.end_of_period(at("2027-01-31T09:00:00Z")), at("2027-02-28T09:00:00Z"));
    }

    #[test]
    fn an_unknown_zone_is_refused() {
        assert!("Africa/Nairobbery".parse::<Zone>().is_err());
    }

    proptest! {
        #[test]
        fn a_period_always_ends_after_it_began(
            micros in 0..4_000_000_000_000_000i64, day in 1..=31u8, count in 0..400u16,
        ) {
            let start = Timestamp::from_micros(micros);
            for rule in [
                CalendarRule::Midnights { count },
                CalendarRule::DayOfMonth { day },
                CalendarRule::Months { count },
            ] {
                prop_assert!(calendar("Africa/Nairobi", rule).end_of_period(start) > start);
            }
        }
    }
}
