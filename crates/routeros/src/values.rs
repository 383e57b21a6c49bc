//! How RouterOS writes durations, counters, rates, switches, dates and addresses, and how it
//! takes them. Pure text in, typed values out; every version's spelling is read, one is written.
//!
//! A value that cannot be read is `None`, never a guess: callers keep the raw text. The router
//! normalises what it stores (`36h` comes back as `1d12h`), so compare parsed values, not text.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

// ---------------------------------------------------------------------------------------------
// Durations

/// A duration property that may also be switched off (`idle-timeout=none`, `timeout=never`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interval {
    /// The word `none`.
    None,
    /// The word `never`.
    Never,
    /// A length of time; zero often means "no limit".
    Of(Duration),
}

impl Interval {
    /// Reads a keyword or anything [`parse_duration`] reads.
    pub fn parse(text: &str) -> Option<Interval> {
        match text {
            "none" => Some(Interval::None),
            "never" => Some(Interval::Never),
            _ => parse_duration(text).map(Interval::Of),
        }
    }

    /// The length, if there is one.
    pub fn duration(self) -> Option<Duration> {
        match self {
            Interval::None | Interval::Never => None,
            Interval::Of(duration) => Some(duration),
        }
    }
}

impl Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interval::None => f.write_str("none"),
            Interval::Never => f.write_str("never"),
            Interval::Of(duration) => f.write_str(&write_duration(*duration)),
        }
    }
}

/// Reads `1w2d3h4m5s`, `300ms`, `01:22:53`, `1d01:02:03`, `90` (bare seconds) and mixtures.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        if is_clock(rest) {
            return total.checked_add(parse_clock(rest)?);
        }
        let (part, tail) = parse_unit(rest)?;
        total = total.checked_add(part)?;
        rest = tail;
    }
    Some(total)
}

fn is_clock(text: &str) -> bool {
    text.contains(':') && text.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'.')
}

/// One number with its unit, and what follows.
fn parse_unit(text: &str) -> Option<(Duration, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let (_, unit) = text.split_at(digits);
    let letters = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
    let (unit, tail) = unit.split_at(letters);
    let duration = match unit {
        "w" => Duration::from_secs(number.checked_mul(604_800)?),
        "d" => Duration::from_secs(number.checked_mul(86_400)?),
        "h" => Duration::from_secs(number.checked_mul(3_600)?),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        "s" => Duration::from_secs(number),
        "ms" => Duration::from_millis(number),
        "us" => Duration::from_micros(number),
        "ns" => Duration::from_nanos(number),
        _ => return None,
    };
    Some((duration, tail))
}

/// `hh:mm:ss`, `hh:mm` or `hh:mm:ss.fraction`; hours may exceed 23 (`36:00:00`).
fn parse_clock(text: &str) -> Option<Duration> {
    let mut parts = text.split(':');
    let hours: u64 = parts.next()?.parse().ok()?;
    let minutes: u64 = parts.next()?.parse().ok()?;
    let seconds = parse_seconds(parts.next().unwrap_or("0"))?;
    if parts.next().is_some() || minutes > 59 || seconds >= Duration::from_secs(60) {
        return None;
    }
    let whole = hours.checked_mul(3_600)?.checked_add(minutes * 60)?;
    Duration::from_secs(whole).checked_add(seconds)
}

fn parse_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = fraction.len();
    if !(1..=9).contains(&digits) || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = 10_u64.pow(9 - u32::try_from(digits).ok()?);
    let nanos = fraction.parse::<u64>().ok()? * scale;
    Duration::from_secs(whole.parse().ok()?).checked_add(Duration::from_nanos(nanos))
}

/// Writes the form the router itself prints: `1w2d3h4m5s`, `300ms`, `0s`. What is finer than a
/// microsecond is dropped; rounding is the caller's decision.
pub fn write_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let mut out = String::new();
    for (amount, unit) in [
        (seconds / 604_800, "w"),
        (seconds / 86_400 % 7, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (u64::from(duration.subsec_millis()), "ms"),
        (u64::from(duration.subsec_micros() % 1_000), "us"),
    ] {
        if amount > 0 {
            out.push_str(&amount.to_string());
            out.push_str(unit);
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

// ---------------------------------------------------------------------------------------------
// Counters, rates, switches

/// Reads a byte count: plain digits, or with the console's binary suffixes `k`, `M`, `G`, `T`.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (digits, suffix) = split_number(text.trim());
    let shift = match suffix {
        "" => 0,
        "k" | "K" | "KiB" => 10,
        "m" | "M" | "MiB" => 20,
        "g" | "G" | "GiB" => 30,
        "t" | "T" | "TiB" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Reads bits per second: `512k`, `10M`, `1500000`, `1.5Mbps`; here k = 1000. `unlimited` is 0.
pub fn parse_rate(text: &str) -> Option<u64> {
    let text = text.trim();
    if text == "unlimited" {
        return Some(0);
    }
    let (number, suffix) = split_number(text);
    let factor: u64 = match suffix.strip_suffix("bps").unwrap_or(suffix) {
        "" => 1,
        "k" | "K" => 1_000,
        "m" | "M" => 1_000_000,
        "g" | "G" => 1_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if fraction.is_empty() {
        return (!number.ends_with('.')).then_some(whole);
    }
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = fraction.parse::<u64>().ok()?.checked_mul(factor)? / scale;
    whole.checked_add(part)
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// Writes bits per second with the largest unit that loses nothing: `10M`, `512k`, `1500`.
pub fn write_rate(bits_per_second: u64) -> String {
    match bits_per_second {
        0 => "0".to_owned(),
        rate if rate % 1_000_000_000 == 0 => format!("{}G", rate / 1_000_000_000),
        rate if rate % 1_000_000 == 0 => format!("{}M", rate / 1_000_000),
        rate if rate % 1_000 == 0 => format!("{}k", rate / 1_000),
        rate => rate.to_string(),
    }
}

/// Reads `yes`/`no` (what is taken) and `true`/`false` (what is printed).
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

/// Writes `yes` or `no`, which every version takes.
pub fn write_bool(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// A pair the router writes `a/b`, seen from the customer: the router's rx is what the customer
/// uploads, so upload comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PerDirection<T> {
    /// From the customer (the router's rx).
    pub upload: T,
    /// To the customer (the router's tx).
    pub download: T,
}

impl<T: Copy> PerDirection<T> {
    /// The same in both directions.
    pub fn both(value: T) -> PerDirection<T> {
        PerDirection { upload: value, download: value }
    }

    /// Reads `a/b` with the given reader; a lone `a` counts for both.
    pub fn parse(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<PerDirection<T>> {
        match text.split_once('/') {
            Some((up, down)) => Some(PerDirection { upload: read(up)?, download: read(down)? }),
            None => read(text).map(PerDirection::both),
        }
    }

    fn write(self, write: impl Fn(T) -> String) -> String {
        format!("{}/{}", write(self.upload), write(self.download))
    }
}

/// Writes a pair of rates as `up/down`, for `rate-limit` and a queue's `max-limit`.
pub fn write_rates(rates: PerDirection<u64>) -> String {
    rates.write(write_rate)
}

/// The allowance to go faster for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Burst {
    /// Bits per second while bursting.
    pub rate: PerDirection<u64>,
    /// Average, in bits per second, below which a burst is allowed.
    pub threshold: PerDirection<u64>,
    /// Over how long the average is taken.
    pub time: PerDirection<Duration>,
}

/// A full `rate-limit` value (also the RADIUS attribute Mikrotik-Rate-Limit):
/// `rx[/tx] [burst[/] [threshold[/] [time[/] [priority [minimum[/]]]]]]`.
///
/// Equal meaning is equal value: what the router fills in by itself (missing download = upload,
/// missing threshold = rate, missing time = 1 s, a burst of zero = none) is filled in here too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Bits per second.
    pub rate: PerDirection<u64>,
    /// Burst, if any.
    pub burst: Option<Burst>,
    /// 1 (first) to 8 (last, the default).
    pub priority: u8,
    /// Guaranteed bits per second; zero is none.
    pub minimum: PerDirection<u64>,
}

/// The priority of a queue that nobody gave one.
const LAST_PRIORITY: u8 = 8;

impl RateLimit {
    /// A plain limit without burst.
    pub fn of(rate: PerDirection<u64>) -> RateLimit {
        let minimum = PerDirection::both(0);
        RateLimit { rate, burst: None, priority: LAST_PRIORITY, minimum }
    }

    /// Reads a `rate-limit` string; an empty one is no limit at all and therefore `None`.
    pub fn parse(text: &str) -> Option<RateLimit> {
        let mut fields = text.split_whitespace();
        let rate = PerDirection::parse(fields.next()?, parse_rate)?;
        let burst_rate = match fields.next() {
            Some(field) => PerDirection::parse(field, parse_rate)?,
            None => PerDirection::both(0),
        };
        let threshold = match fields.next() {
            Some(field) => PerDirection::parse(field, parse_rate)?,
            None => rate,
        };
        let time = match fields.next() {
            Some(field) => PerDirection::parse(field, parse_duration)?,
            None => PerDirection::both(Duration::from_secs(1)),
        };
        let priority = match fields.next() {
            Some(field) => parse_priority(field)?,
            None => LAST_PRIORITY,
        };
        let minimum = match fields.next() {
            Some(field) => PerDirection::parse(field, parse_rate)?,
            None => PerDirection::both(0),
        };
        let bursting = burst_rate != PerDirection::both(0);
        let burst = bursting.then_some(Burst { rate: burst_rate, threshold, time });
        fields.next().is_none().then_some(RateLimit { rate, burst, priority, minimum })
    }
}

fn parse_priority(text: &str) -> Option<u8> {
    let first = text.split('/').next()?;
    first.parse().ok().filter(|priority| (1..=LAST_PRIORITY).contains(priority))
}

impl Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write_rates(self.rate))?;
        let tail = self.priority != LAST_PRIORITY || self.minimum != PerDirection::both(0);
        match self.burst {
            Some(Burst { rate, threshold, time }) => {
                let seconds = time.write(write_burst_time);
                write!(f, " {} {} {seconds}", write_rates(rate), write_rates(threshold))?;
            }
            None if tail => f.write_str(" 0/0 0/0 0/0")?,
            None => {}
        }
        if tail {
            write!(f, " {} {}", self.priority, write_rates(self.minimum))?;
        }
        Ok(())
    }
}

/// Whole seconds are written bare, as the manual's examples do.
fn write_burst_time(time: Duration) -> String {
    match time.subsec_nanos() {
        0 => time.as_secs().to_string(),
        _ => write_duration(time),
    }
}

// ---------------------------------------------------------------------------------------------
// Dates

/// A date and time as the router shows it: local to the router, without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalDateTime {
    /// Full year.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// Seconds since local midnight.
    pub second_of_day: u32,
}

impl LocalDateTime {
    /// Reads `jan/02/2026 10:00:00` (up to 7.9) and `2026-01-02 10:00:00` (from 7.10); without a
    /// time it means midnight.
    pub fn parse(text: &str) -> Option<LocalDateTime> {
        let text = text.trim();
        let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
        LocalDateTime::from_parts(date, time)
    }

    /// Reads the two properties `/system/clock` prints.
    pub fn from_parts(date: &str, time: &str) -> Option<LocalDateTime> {
        let (year, month, day) = parse_date(date)?;
        let time = parse_clock(time).filter(|time| time.as_secs() < 86_400)?;
        let second_of_day = u32::try_from(time.as_secs()).ok()?;
        Some(LocalDateTime { year, month, day, second_of_day })
    }

    /// Seconds since 1970-01-01 00:00 UTC, given how far the router's zone is ahead of UTC.
    pub fn unix_seconds(self, ahead_of_utc_seconds: i64) -> i64 {
        // Years are counted from March: the leap day is then the last of the year, and the days
        // before a month are a linear formula.
        let month = i64::from(self.month);
        let year = i64::from(self.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        days * 86_400 + i64::from(self.second_of_day) - ahead_of_utc_seconds
    }
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

fn parse_date(text: &str) -> Option<(u16, u8, u8)> {
    let (year, month, day) = if text.contains('/') {
        let (month, rest) = text.split_once('/')?;
        let (day, year) = rest.split_once('/')?;
        let month = month.to_ascii_lowercase();
        let index = MONTHS.iter().position(|name| *name == month)?;
        (year, u8::try_from(index + 1).ok()?, day)
    } else {
        let (year, rest) = text.split_once('-')?;
        let (month, day) = rest.split_once('-')?;
        (year, month.parse().ok()?, day)
    };
    let (year, day): (u16, u8) = (year.parse().ok()?, day.parse().ok()?);
    let sane = (1..=12).contains(&month) && (1..=31).contains(&day) && year >= 1970;
    sane.then_some((year, month, day))
}

/// Reads `/system/clock` `gmt-offset`: `+03:00`, `-04:30`, or the bare seconds of REST and API
/// on some versions (which wrap below zero: 4294952896 is -4 h).
pub fn parse_utc_offset(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        let wrapped = if seconds > i64::from(i32::MAX) { seconds - (1 << 32) } else { seconds };
        return (wrapped.abs() <= 86_400).then_some(wrapped);
    }
    let (sign, clock) = match text.strip_prefix('-') {
        Some(clock) => (-1, clock),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let seconds = i64::try_from(parse_clock(clock)?.as_secs()).ok()?;
    (seconds <= 86_400).then_some(sign * seconds)
}

// ---------------------------------------------------------------------------------------------
// Addresses

/// A MAC address. Written upper-case with colons: caller-id matching wants capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Reads six bytes in hex, any case, with `:`, `-`, `.` or nothing between.
    pub fn parse(text: &str) -> Option<MacAddress> {
        let mut nibbles = [0_u8; 12];
        let mut count = 0;
        for char in text.trim().chars() {
            if matches!(char, ':' | '-' | '.') {
                continue;
            }
            *nibbles.get_mut(count)? = u8::try_from(char.to_digit(16)?).ok()?;
            count += 1;
        }
        let mut bytes = [0; 6];
        for (byte, pair) in bytes.iter_mut().zip(nibbles.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        (count == nibbles.len()).then_some(MacAddress(bytes))
    }
}

impl Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

/// An address with a prefix length. A single IPv4 address is written without `/32`, as the
/// router echoes it, so `10.0.0.5` and `10.0.0.5/32` are equal here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The address.
    pub address: IpAddr,
    /// Bits that matter.
    pub length: u8,
}

impl Prefix {
    /// One address.
    pub fn host(address: IpAddr) -> Prefix {
        Prefix { address, length: full_length(address) }
    }

    /// Reads `10.0.0.5`, `10.0.0.0/24`, `2001:db8::/56`. Ranges (`a-b`) are `None`.
    pub fn parse(text: &str) -> Option<Prefix> {
        let Some((address, length)) = text.trim().split_once('/') else {
            return text.trim().parse().ok().map(Prefix::host);
        };
        let address: IpAddr = address.parse().ok()?;
        let length: u8 = length.parse().ok()?;
        (length <= full_length(address)).then_some(Prefix { address, length })
    }

    /// The one IPv4 address this prefix stands for, if it is one.
    pub fn single_ipv4(self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(address) if self.length == 32 => Some(address),
            _ => None,
        }
    }
}

fn full_length(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single_ipv4() {
            Some(address) => address.fmt(f),
            None => write!(f, "{}/{}", self.address, self.length),
        }
    }
}

/// The address in `10.0.0.5` or `10.0.0.5:443` (connection tracking prints both forms).
pub fn parse_address_with_port(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(address) = text.parse() {
        return Some((address, None));
    }
    let (address, port) = text.rsplit_once(':')?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    Some((address.parse().ok()?, Some(port.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(text: &str) -> Option<u64> {
        parse_duration(text).map(|duration| duration.as_secs())
    }

    #[test]
    fn durations_of_every_version_are_read() {
        let week = 604_800 + 2 * 86_400 + 3 * 3_600 + 4 * 60 + 5;
        assert_eq!(seconds("1w2d3h4m5s"), Some(week));
        assert_eq!(seconds("01:22:53"), Some(4_973));
        assert_eq!(seconds("1d01:02:03"), Some(90_123));
        assert_eq!(seconds("1w1d01:02:03"), Some(694_923));
        assert_eq!(seconds("36:00:00"), seconds("1d12h"));
        assert_eq!(seconds("90m"), Some(5_400));
        assert_eq!(seconds("90"), Some(90));
        assert_eq!(seconds("00:30"), Some(1_800));
        assert_eq!(parse_duration("300ms"), Some(Duration::from_millis(300)));
        assert_eq!(parse_duration("1s250ms"), Some(Duration::from_millis(1_250)));
        assert_eq!(parse_duration("00:00:01.5"), Some(Duration::from_millis(1_500)));
        assert_eq!(parse_duration("0s"), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "none", "1x", "h", "1h2", "01:60:00", "1:2:3:4", "-1s", "1.5h", "é"] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
        assert_eq!(parse_duration("99999999999999999999w"), None);
        assert_eq!(parse_duration("18446744073709551615w"), None);
    }

    #[test]
    fn durations_are_written_as_the_router_prints_them() {
        assert_eq!(write_duration(Duration::from_secs(36 * 3_600)), "1d12h");
        assert_eq!(write_duration(Duration::from_secs(788_645)), "1w2d3h4m5s");
        assert_eq!(write_duration(Duration::from_millis(300)), "300ms");
        assert_eq!(write_duration(Duration::ZERO), "0s");
    }

    #[test]
    fn intervals_know_their_keywords() {
        assert_eq!(Interval::parse("none"), Some(Interval::None));
        assert_eq!(Interval::parse("never"), Some(Interval::Never));
        assert_eq!(Interval::parse("5m"), Some(Interval::Of(Duration::from_secs(300))));
        assert_eq!(Interval::parse("received"), None);
        assert_eq!(Interval::Never.to_string(), "never");
        assert_eq!(Interval::Of(Duration::from_secs(300)).to_string(), "5m");
        assert_eq!(Interval::None.duration(), None);
    }

    #[test]
    fn counters_and_rates_use_different_kilos() {
        assert_eq!(parse_bytes("1500"), Some(1_500));
        assert_eq!(parse_bytes("1G"), Some(1 << 30));
        assert_eq!(parse_bytes("18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_bytes("18446744073709551616"), None);
        assert_eq!(parse_bytes("17179869184G"), None);
        assert_eq!(parse_bytes("-1"), None);
        assert_eq!(parse_rate("512k"), Some(512_000));
        assert_eq!(parse_rate("10M"), Some(10_000_000));
        assert_eq!(parse_rate("1.5Mbps"), Some(1_500_000));
        assert_eq!(parse_rate("0bps"), Some(0));
        assert_eq!(parse_rate("unlimited"), Some(0));
        assert_eq!(parse_rate("1."), None);
        assert_eq!(parse_rate("fast"), None);
        assert_eq!(write_rate(1_500_000), "1500k");
        assert_eq!(write_rate(2_000_000_000), "2G");
        assert_eq!(write_rate(1_234), "1234");
    }

    #[test]
    fn rx_is_what_the_customer_uploads() {
        let limit = RateLimit::parse("512k/1M").unwrap();
        assert_eq!(limit.rate, PerDirection { upload: 512_000, download: 1_000_000 });
        assert_eq!(limit.to_string(), "512k/1M");
        assert_eq!(RateLimit::parse("1M").unwrap().rate, PerDirection::both(1_000_000));
    }

    #[test]
    fn a_full_rate_limit_is_read_and_written() {
        let text = "64k/64k 256k/256k 128k/128k 10/10";
        let limit = RateLimit::parse(text).unwrap();
        let burst = limit.burst.unwrap();
        assert_eq!(burst.rate, PerDirection::both(256_000));
        assert_eq!(burst.threshold, PerDirection::both(128_000));
        assert_eq!(burst.time, PerDirection::both(Duration::from_secs(10)));
        assert_eq!(limit.to_string(), text);
        let full = RateLimit::parse("1M/2M 2M/4M 1M/1M 8/8 3 256k/512k").unwrap();
        assert_eq!((full.priority, full.minimum.download), (3, 512_000));
        assert_eq!(RateLimit::parse(&full.to_string()), Some(full));
    }

    #[test]
    fn what_the_router_fills_in_is_filled_in() {
        let short = RateLimit::parse("1M/2M 2M/4M").unwrap();
        let long = RateLimit::parse("1M/2M 2M/4M 1M/2M 1/1 8 0/0").unwrap();
        assert_eq!(short, long);
        assert_eq!(RateLimit::parse("1M/2M 0/0 0/0 0/0 8"), RateLimit::parse("1000k/2000000"));
    }

    #[test]
    fn what_is_no_rate_limit_is_refused() {
        for text in ["", " ", "1M/2M 1M 1M 1 9", "1M/2M/3M", "a", "1 1 1 1 1 1 1"] {
            assert_eq!(RateLimit::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn both_date_formats_name_the_same_instant() {
        let old = LocalDateTime::parse("jan/02/2026 10:00:00").unwrap();
        let new = LocalDateTime::parse("2026-01-02 10:00:00").unwrap();
        assert_eq!(old, new);
        assert_eq!(new.unix_seconds(0), 1_767_348_000);
        assert_eq!(new.unix_seconds(3_600), 1_767_344_400);
        let leap = LocalDateTime::from_parts("2024-02-29", "23:59:59").unwrap();
        assert_eq!(leap.unix_seconds(0), 1_709_251_199);
        let epoch = LocalDateTime::parse("jan/01/1970").unwrap();
        assert_eq!(epoch.unix_seconds(0), 0);
        for text in ["", "2026-13-01", "foo/01/2026", "2026-01-02 25:00:00", "10:00:00"] {
            assert_eq!(LocalDateTime::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_clock_offset_is_read_in_both_spellings() {
        assert_eq!(parse_utc_offset("+03:00"), Some(10_800));
        assert_eq!(parse_utc_offset("-04:30"), Some(-16_200));
        assert_eq!(parse_utc_offset("7200"), Some(7_200));
        assert_eq!(parse_utc_offset("4294952896"), Some(-14_400));
        assert_eq!(parse_utc_offset("east"), None);
    }

    #[test]
    fn mac_addresses_come_out_in_capitals() {
        let mac = MacAddress([0xAA, 0xBB, 0xCC, 0x0D, 0xEE, 0xFF]);
        for text in ["aa:bb:cc:0d:ee:ff", "AA-BB-CC-0D-EE-FF", "aabb.cc0d.eeff", "aabbcc0deeff"] {
            assert_eq!(MacAddress::parse(text), Some(mac), "{text:?}");
        }
        assert_eq!(mac.to_string(), "AA:BB:CC:0D:EE:FF");
        for text in ["", "aa:bb:cc:dd:ee", "aa:bb:cc:dd:ee:ff:00", "gg:bb:cc:dd:ee:ff"] {
            assert_eq!(MacAddress::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_single_address_is_not_echoed_with_its_length() {
        assert_eq!(Prefix::parse("10.0.0.5/32"), Prefix::parse("10.0.0.5"));
        assert_eq!(Prefix::parse("10.0.0.5/32").unwrap().to_string(), "10.0.0.5");
        assert_eq!(Prefix::parse("10.0.0.0/24").unwrap().to_string(), "10.0.0.0/24");
        assert_eq!(Prefix::parse("2001:db8::1").unwrap().to_string(), "2001:db8::1/128");
        assert_eq!(Prefix::parse("10.0.0.0/33"), None);
        assert_eq!(Prefix::parse("10.0.0.1-10.0.0.9"), None);
    }

    #[test]
    fn connection_addresses_carry_a_port_or_not() {
        let address: IpAddr = "10.0.0.5".parse().unwrap();
        assert_eq!(parse_address_with_port("10.0.0.5:443"), Some((address, Some(443))));
        assert_eq!(parse_address_with_port("10.0.0.5"), Some((address, None)));
        assert_eq!(parse_address_with_port("::1"), Some(("::1".parse().unwrap(), None)));
        assert_eq!(parse_address_with_port("10.0.0.5:x"), None);
    }

    #[test]
    fn switches_are_read_in_both_spellings() {
        assert_eq!(
            ["yes", "true", "no", "false", "maybe"].map(parse_bool),
            [Some(true), Some(true), Some(false), Some(false), None]
        );
        assert_eq!(parse_bool(write_bool(true)), Some(true));
        assert_eq!(parse_bool(write_bool(false)), Some(false));
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back(micros in 0_u64..10_000_000_000_000_000) {
            let duration = Duration::from_micros(micros);
            prop_assert_eq!(parse_duration(&write_duration(duration)), Some(duration));
        }

        #[test]
        fn a_written_rate_limit_reads_back(
            numbers in proptest::array::uniform6(1_u64..10_000_000_000),
            time in 1_u64..100_000,
            priority in 1_u8..=8,
            bursting: bool,
        ) {
            let [a, b, c, d, e, f] = numbers;
            let burst = Burst {
                rate: PerDirection { upload: c, download: d },
                threshold: PerDirection { upload: e, download: f },
                time: PerDirection::both(Duration::from_millis(time)),
            };
            let limit = RateLimit {
                rate: PerDirection { upload: a, download: b },
                burst: bursting.then_some(burst),
                priority,
                minimum: PerDirection { upload: e, download: 0 },
            };
            prop_assert_eq!(RateLimit::parse(&limit.to_string()), Some(limit));
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".{0,40}") {
            let _ = (Interval::parse(&text), parse_bytes(&text), parse_rate(&text));
            let _ = (RateLimit::parse(&text), LocalDateTime::parse(&text));
            let _ = (MacAddress::parse(&text), Prefix::parse(&text));
            let _ = (parse_address_with_port(&text), parse_utc_offset(&text));
        }

        #[test]
        fn number_like_text_never_panics(text in "[0-9:/.wdhmskMG -]{0,40}") {
            let _ = (Interval::parse(&text), parse_bytes(&text), parse_rate(&text));
            let _ = (RateLimit::parse(&text), LocalDateTime::parse(&text));
            let _ = (parse_address_with_port(&text), parse_utc_offset(&text));
        }
    }
}
