//! The hours of the week in which a plan may be used, as people of the place read their clocks.
//!
//! A rule about logins, not about the life of a grant: outside its hours a grant runs on, and
//! nobody comes in. See `docs/decisions/0018-allowed-times.md`.

use crate::calendar::Zone;
use crate::time::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use std::fmt;
use std::str::FromStr;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// The days as they are written, Monday first.
const DAYS: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
/// Their names, of which any beginning of two letters or more is understood.
const NAMES: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// How long hours may be, written down: they are read at each login.
const LONGEST: usize = 500;

/// Hours of the week, and the zone in which they are read.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The hours.
    pub week: Week,
    /// The zone of the business.
    pub zone: Zone,
}

/// Hours of the week: at least one stretch. Written `Mo-Fr 08:00-12:00,14:00-18:00; Sa 09:00-13:00`.
#[derive(Clone, PartialEq, Eq)]
pub struct Week([Vec<Stretch>; 7]);

/// From when to when, in minutes from the day's midnight. What ends on the next day ends beyond
/// [`DAY`]; nothing lasts longer than a day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Stretch {
    from: u16,
    to: u16,
}

/// Whether somebody may come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// He may.
    Open {
        /// Until then; none if it never closes.
        closes: Option<Timestamp>,
    },
    /// Not now.
    Closed {
        /// From then on; none if no such instant can be named.
        opens: Option<Timestamp>,
    },
}

/// Why a text does not name hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` are no hours of the week: write for example `Mo-Fr 08:00-18:00; Sa 20:00-02:00`")]
pub struct NotHours(String);

impl Hours {
    /// Whether somebody may come in at that instant. Stretches that touch are one.
    pub fn at(&self, now: Timestamp) -> Door {
        /// How many days ahead is looked: whatever does not close in a week never does.
        const AHEAD: i64 = 8;
        let today = self.zone.date_of(now);
        let mut stretches: Vec<(Timestamp, Timestamp)> = (-1..=AHEAD)
            .filter_map(|days: i64| today.checked_add(days.days()).ok())
            .flat_map(|day| self.of_day(day))
            .collect();
        stretches.sort_unstable();
        let mut reach = None;
        for (from, to) in &stretches {
            match reach {
                None if *from <= now && now < *to => reach = Some(*to),
                None if *from > now => return Door::Closed { opens: Some(*from) },
                Some(end) if *from <= end => reach = Some(end.max(*to)),
                Some(_) => break,
                None => {}
            }
        }
        let Some(closes) = reach else { return Door::Closed { opens: None } };
        let horizon = today.checked_add(AHEAD.days()).ok();
        let horizon = horizon.and_then(|day| self.zone.instant(day.at(0, 0, 0, 0)));
        Door::Open { closes: Some(closes).filter(|closes| Some(*closes) < horizon) }
    }

    fn of_day(&self, day: Date) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        let weekday = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or_default();
        let stretches = self.week.0.get(weekday).map(Vec::as_slice).unwrap_or_default();
        stretches.iter().filter_map(move |stretch| {
            let (from, to) = (self.clock(day, stretch.from)?, self.clock(day, stretch.to)?);
            // Where clocks are put forward a short stretch may not happen at all.
            (from < to).then_some((from, to))
        })
    }

    /// The instant when clocks of the place show so many minutes after that day's midnight.
    fn clock(&self, day: Date, minutes: u16) -> Option<Timestamp> {
        let day = day.checked_add(i64::from(minutes / DAY).days()).ok()?;
        let (hour, minute) = ((minutes % DAY / 60) as i8, (minutes % 60) as i8);
        self.zone.instant(day.at(hour, minute, 0, 0))
    }
}

impl FromStr for Week {
    type Err = NotHours;

    /// Days, then their hours; again for other days. Without days, every day.
    fn from_str(text: &str) -> Result<Week, NotHours> {
        read(text).ok_or_else(|| NotHours(text.to_owned()))
    }
}

fn read(text: &str) -> Option<Week> {
    let mut week: [Vec<Stretch>; 7] = Default::default();
    let mut days: Vec<usize> = Vec::new();
    // Whether the days that were read have hours already: days after that are others.
    let mut has_hours = false;
    for part in text.split([',', ';', ' ']).filter(|part| !part.is_empty()) {
        if part.starts_with(|c: char| c.is_ascii_digit()) {
            if days.is_empty() {
                days = (0..7).collect();
            }
            let stretch = read_stretch(part)?;
            days.iter().for_each(|day| week[*day].push(stretch));
            has_hours = true;
        } else {
            if std::mem::take(&mut has_hours) {
                days.clear();
            }
            days.extend(read_days(part)?);
        }
    }
    for stretches in &mut week {
        stretches.sort_unstable();
        stretches.dedup();
    }
    (has_hours && text.len() <= LONGEST).then_some(Week(week))
}

/// `Mo`, `Mo-Fr`, or over the weekend `Sa-Mo`.
fn read_days(text: &str) -> Option<Vec<usize>> {
    let day = |text: &str| {
        let text = text.to_ascii_lowercase();
        (text.len() >= 2).then(|| NAMES.iter().position(|name| name.starts_with(&text)))?
    };
    let Some((first, last)) = text.split_once('-') else { return Some(vec![day(text)?]) };
    let (first, last) = (day(first)?, day(last)?);
    let count = (last + 7 - first) % 7 + 1;
    Some((first..first + count).map(|day| day % 7).collect())
}

/// `08:00-18:00`, or until the next day `20:00-02:00`; to the same time is all around the clock.
fn read_stretch(text: &str) -> Option<Stretch> {
    let minutes = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let number = |text: &str| {
            let is_number =
                (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| text.parse::<u16>().ok())?
        };
        let (hour, minute) = (number(hour)?, number(minute)?);
        (hour <= 24 && minute < 60).then_some(hour * 60 + minute).filter(|all| *all <= DAY)
    };
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minutes(from)?, minutes(to)?);
    let to = if to <= from { to + DAY } else { to };
    (from < DAY).then_some(Stretch { from, to })
}

impl fmt::Display for Week {
    /// Days of the same hours together, as it can be read again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut day = 0;
        let mut written = false;
        while day < 7 {
            let last = (day..7).take_while(|other| self.0[*other] == self.0[day]).last();
            let last = last.unwrap_or(day);
            if !self.0[day].is_empty() {
                f.write_str(if written { "; " } else { "" })?;
                f.write_str(DAYS[day])?;
                if last > day {
                    write!(f, "-{}", DAYS[last])?;
                }
                for (index, stretch) in self.0[day].iter().enumerate() {
                    write!(f, "{}{stretch}", if index == 0 { " " } else { "," })?;
                }
                written = true;
            }
            day = last + 1;
        }
        Ok(())
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stretch { from, to } = *self;
        let to = if to > DAY { to - DAY } else { to };
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl fmt::Debug for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Week {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Week {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_jiff(text.parse().unwrap())
    }

    fn hours(week: &str, zone: &str) -> Hours {
        Hours { week: week.parse().unwrap(), zone: zone.parse().unwrap() }
    }

    fn open(closes: &str) -> Door {
        Door::Open { closes: Some(at(closes)) }
    }

    fn closed(opens: &str) -> Door {
        Door::Closed { opens: Some(at(opens)) }
    }

    #[test]
    fn an_office_is_open_when_its_people_are_there() {
        // Nairobi is three hours ahead; 2026-11-20 is a Friday.
        let office = hours("Mo-Fr 08:00-18:00", "Africa/Nairobi");
        assert_eq!(office.at(at("2026-11-20T04:59:59Z")), closed("2026-11-20T05:00:00Z"));
        assert_eq!(office.at(at("2026-11-20T05:00:00Z")), open("2026-11-20T15:00:00Z"));
        assert_eq!(office.at(at("2026-11-20T15:00:00Z")), closed("2026-11-23T05:00:00Z"));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let bar = hours("Sa 20:00-02:00", "Africa/Nairobi");
        assert_eq!(bar.at(at("2026-11-21T22:30:00Z")), open("2026-11-21T23:00:00Z"));
        assert_eq!(bar.at(at("2026-11-22T17:30:00Z")), closed("2026-11-28T17:00:00Z"));
    }

    #[test]
    fn what_touches_is_one() {
        let lab = hours("Mo 20:00-24:00; Tu 00:00-06:00", "UTC");
        assert_eq!(lab.at(at("2026-11-23T21:00:00Z")), open("2026-11-24T06:00:00Z"));
        for always in
            ["00:00-24:00", "Mo-Su 00:00-24:00", "12:00-00:00; 00:00-12:00", "09:00-09:00"]
        {
            let door = hours(always, "Europe/Berlin").at(at("2026-11-23T21:00:00Z"));
            assert_eq!(door, Door::Open { closes: None }, "{always}");
        }
    }

    #[test]
    fn clocks_that_are_put_forward_move_the_instant_and_not_the_hour() {
        let shop = hours("Su 08:00-12:00", "Europe/Berlin");
        assert_eq!(shop.at(at("2026-03-22T07:30:00Z")), open("2026-03-22T11:00:00Z"));
        assert_eq!(shop.at(at("2026-03-29T06:30:00Z")), open("2026-03-29T10:00:00Z"));
        // 02:00 to 03:00 does not happen that night.
        let night = hours("Su 02:00-03:00", "Europe/Berlin");
        assert_eq!(night.at(at("2026-03-29T01:00:00Z")), closed("2026-04-05T00:00:00Z"));
    }

    #[test]
    fn hours_are_written_as_people_write_them() {
        for (written, meant) in [
            ("mo-fr 8:00-18:00", "Mo-Fr 08:00-18:00"),
            (
                "Monday,Wed 09:00-12:00,14:00-18:00",
                "Mo 09:00-12:00,14:00-18:00; We 09:00-12:00,14:00-18:00",
            ),
            ("Sa-Mo 10:00-11:00", "Mo 10:00-11:00; Sa-Su 10:00-11:00"),
            ("22:00-06:00", "Mo-Su 22:00-06:00"),
            ("We 00:00-00:00,07:00-07:00", "We 00:00-24:00,07:00-07:00"),
            ("Mo 08:00-12:00, Tu 00:00-24:00", "Mo 08:00-12:00; Tu 00:00-24:00"),
        ] {
            assert_eq!(written.parse::<Week>().unwrap().to_string(), meant, "{written}");
        }
        for wrong in [
            "",
            "Mo",
            "08:00",
            "Xy 08:00-09:00",
            "Mo 25:00-26:00",
            "Mo 24:00-08:00",
            "Mo 08:00-24:30",
            "Mo 8-9",
            "M 08:00-09:00",
            "Mo 08:00-09:00 Tu",
            "Mo 0008:00-09:00",
            "é",
        ] {
            assert!(wrong.parse::<Week>().is_err(), "{wrong}");
        }
    }

    fn any_week() -> impl Strategy<Value = Week> {
        let stretch =
            (0..DAY, 1..DAY).prop_map(|(from, length)| Stretch { from, to: from + length });
        let day = proptest::collection::vec(stretch, 0..4);
        proptest::collection::vec(day, 7).prop_filter_map("at least one stretch", |days| {
            let mut week: [Vec<Stretch>; 7] = days.try_into().ok()?;
            for day in &mut week {
                day.sort_unstable();
                day.dedup();
            }
            week.iter().any(|day| !day.is_empty()).then_some(Week(week))
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(week in any_week()) {
            prop_assert_eq!(week.to_string().parse::<Week>(), Ok(week));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[MoTuFr0-9:;, -]{0,40}") {
            let _ = text.parse::<Week>();
        }

        /// A door stands as it stands until the instant that it names, and changes there.
        #[test]
        fn a_door_changes_when_it_says(
            week in any_week(),
            seconds in 1_700_000_000..1_900_000_000i64,
            zone in prop_oneof![
                Just("Africa/Nairobi"), Just("Europe/Berlin"), Just("America/New_York"), Just("UTC"),
            ],
        ) {
            let hours = Hours { week, zone: zone.parse().unwrap() };
            let now = Timestamp::from_micros(seconds * 1_000_000);
            let tick = Span::from_micros(1);
            match hours.at(now) {
                Door::Open { closes: Some(closes) } => {
                    prop_assert!(closes > now);
                    prop_assert_eq!(hours.at(closes - tick), Door::Open { closes: Some(closes) });
                    let is_closed = matches!(hours.at(closes), Door::Closed { .. });
                    prop_assert!(is_closed);
                }
                Door::Closed { opens: Some(opens) } => {
                    prop_assert!(opens > now);
                    prop_assert_eq!(hours.at(opens - tick), Door::Closed { opens: Some(opens) });
                    let is_open = matches!(hours.at(opens), Door::Open { .. });
                    prop_assert!(is_open);
                }
                // Nothing of a week closes it.
                Door::Open { closes: None } => for hour in 0..168 {
                    let open = hours.at(now + Span::hours(hour));
                    let is_open = matches!(open, Door::Open { .. });
                    prop_assert!(is_open);
                },
                Door::Closed { opens: None } => prop_assert!(false, "a week without an hour"),
            }
        }
    }
}
