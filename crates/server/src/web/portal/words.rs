//! Amounts, lengths of time, instants and sizes as customers read them.

use crate::web::portal::sentences::{Sentences, fill};
use jiff::ToSpan;
use jiff::tz::TimeZone;
use lango_domain::calendar::Zone;
use lango_domain::hours::Week;
use lango_domain::money::Money;
use lango_domain::phone_number::{Country, PhoneNumber};
use lango_domain::quantity::{DataSize, Speed};
use lango_domain::time::{Span, Timestamp};

/// `KSh 20`, `TSh 1,500`, `USD 2.50`, never broken between two lines.
pub(crate) fn amount(money: Money) -> String {
    let sign = match money.currency.code() {
        "KES" => "KSh",
        "TZS" => "TSh",
        "UGX" => "USh",
        "RWF" => "FRw",
        other => other,
    };
    let unit = 10u64.pow(money.currency.decimals());
    let (whole, rest) = (money.amount.unsigned_abs() / unit, money.amount.unsigned_abs() % unit);
    let minus = if money.amount < 0 { "-" } else { "" };
    match rest {
        0 => format!("{sign}\u{a0}{minus}{}", grouped(whole)),
        _ => {
            let width = money.currency.decimals() as usize;
            format!("{sign}\u{a0}{minus}{}.{rest:0width$}", grouped(whole))
        }
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `2 hours 30 minutes`: the two largest units that count. Seconds only where there is nothing else.
pub(crate) fn duration(span: Span, say: &Sentences) -> String {
    let seconds = span.as_seconds().max(0);
    let units = [
        (86_400, say.day_1, say.day_many),
        (3_600, say.hour_1, say.hour_many),
        (60, say.minute_1, say.minute_many),
    ];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, one, many) in units {
        let count = rest / size;
        rest %= size;
        match count {
            0 if parts.is_empty() => {}
            0 => break,
            1 => parts.push(one.to_owned()),
            _ => parts.push(fill(many, &[("n", &count.to_string())])),
        }
        if parts.len() == 2 {
            break;
        }
    }
    match (parts.is_empty(), seconds) {
        (false, _) => parts.join(" "),
        (true, 1) => say.second_1.to_owned(),
        (true, _) => fill(say.second_many, &[("n", &seconds.to_string())]),
    }
}

/// `today 18:30`, `tomorrow 09:00`, `23 Nov 18:30`, as clocks at the site show it.
pub(crate) fn instant(at: Timestamp, now: Timestamp, zone: &Zone, say: &Sentences) -> String {
    // A zone that was read once is in the same table again.
    let zone = TimeZone::get(zone.name()).unwrap_or(TimeZone::UTC);
    let (at, now) = (at.to_jiff().to_zoned(zone.clone()), now.to_jiff().to_zoned(zone));
    let time = at.strftime("%H:%M").to_string();
    if at.date() == now.date() {
        return fill(say.today, &[("time", &time)]);
    }
    if now.date().checked_add(1.day()).is_ok_and(|tomorrow| tomorrow == at.date()) {
        return fill(say.tomorrow, &[("time", &time)]);
    }
    let month = usize::try_from(at.month() - 1).unwrap_or_default();
    let month = say.months.split(' ').nth(month).unwrap_or_default();
    let year = if at.year() == now.year() { String::new() } else { format!(" {}", at.year()) };
    format!("{} {month}{year} {time}", at.day())
}

/// `1.5 GB`, rounded down: nobody is promised what is not there.
pub(crate) fn data(size: DataSize, say: &Sentences) -> String {
    let bytes = size.as_bytes();
    let (unit, divisor) = match bytes {
        1_000_000_000.. => ("G", 1_000_000_000),
        1_000_000.. => ("M", 1_000_000),
        _ => ("k", 1_000),
    };
    let (whole, tenth) = (bytes / divisor, bytes % divisor * 10 / divisor);
    let number = match (unit, tenth) {
        ("G", 1..) => format!("{whole}{}{tenth}", say.decimal_sign),
        _ => whole.to_string(),
    };
    fill(say.data_unit, &[("n", &number), ("unit", unit)])
}

/// `5 Mbit/s`, of what comes down: that is what people notice.
pub(crate) fn speed(speed: Speed) -> String {
    match speed.download {
        bits @ 1_000_000.. if bits.is_multiple_of(1_000_000) => {
            format!("{} Mbit/s", bits / 1_000_000)
        }
        bits @ 1_000_000.. => format!("{:.1} Mbit/s", bits as f64 / 1e6),
        bits => format!("{} kbit/s", bits / 1_000),
    }
}

/// `0712 … 678` at home, `+256772 … 678` for a neighbour's, in one piece: enough to know one's own,
/// nothing for who looks over a shoulder.
pub(crate) fn masked(phone: &PhoneNumber, home: Country) -> String {
    let abroad = phone.as_str();
    let own = abroad.strip_prefix('+').and_then(|digits| digits.strip_prefix(home.calling_code()));
    let (digits, shown) = match own {
        Some(own) => (format!("0{own}"), 4),
        None => (abroad.to_owned(), 7),
    };
    let (head, tail) = (digits.get(..shown).unwrap_or(&digits), digits.len().saturating_sub(3));
    format!("{head}\u{a0}…\u{a0}{}", digits.get(tail..).unwrap_or_default())
}

/// So little of a number that only who knows it knows which it is.
pub(crate) fn last_digits(phone: &PhoneNumber) -> String {
    let digits = phone.as_str();
    digits.get(digits.len().saturating_sub(3)..).unwrap_or_default().to_owned()
}

/// `Sa-Su 08:00-18:00`, with the days as people of that language shorten them.
pub(crate) fn week(week: &Week, say: &Sentences) -> String {
    const DAYS: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
    let mut text = week.to_string();
    if let Some(hours) = text.strip_prefix("Mo-Su ") {
        return hours.to_owned();
    }
    // In two steps: a day in one language may be another day in the next.
    for (place, day) in DAYS.iter().enumerate() {
        text = text.replace(day, &format!("<{place}>"));
    }
    for (place, own) in say.weekdays.split(' ').enumerate() {
        text = text.replace(&format!("<{place}>"), own);
    }
    text
}

/// A number as people of that country write it.
pub(crate) const fn example_of_a_phone(country: Country) -> &'static str {
    match country {
        Country::Ke => "0712\u{a0}345\u{a0}678",
        Country::Tz => "0754\u{a0}345\u{a0}678",
        Country::Ug => "0772\u{a0}345\u{a0}678",
        Country::Rw => "0788\u{a0}345\u{a0}678",
    }
}

/// A code as it is printed.
pub(crate) fn code(code: &str) -> String {
    match code.len() {
        8 if code.is_ascii() => format!("{}-{}", &code[..4], &code[4..]),
        _ => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::portal::sentences::sentences;
    use lango_domain::language::Language;
    use lango_domain::money::Currency;

    #[test]
    fn amounts_are_short() {
        assert_eq!(amount(Money::new(2_000, Currency::KES)), "KSh\u{a0}20");
        assert_eq!(amount(Money::new(150_000, Currency::TZS)), "TSh\u{a0}1,500");
        assert_eq!(amount(Money::new(1_500_000, Currency::UGX)), "USh\u{a0}1,500,000");
        assert_eq!(amount(Money::new(4_905, Currency::KES)), "KSh\u{a0}49.05");
    }

    #[test]
    fn a_number_is_told_as_its_owner_says_it() {
        let said = |number| masked(&PhoneNumber::from_e164(number).unwrap(), Country::Ke);
        assert_eq!(said("+254712345678"), "0712\u{a0}…\u{a0}678");
        assert_eq!(said("+256772345678"), "+256772\u{a0}…\u{a0}678");
    }

    #[test]
    fn durations_are_words() {
        let said = |seconds, language| duration(Span::seconds(seconds), sentences(language));
        assert_eq!(said(3_600, Language::En), "1 hour");
        assert_eq!(said(9_000, Language::Sw), "saa 2 dakika 30");
        assert_eq!(said(7 * 86_400, Language::Fr), "7 jours");
        assert_eq!(said(86_400 + 59, Language::En), "1 day");
        assert_eq!(said(45, Language::En), "45 seconds");
        assert_eq!(said(0, Language::En), "0 seconds");
    }

    #[test]
    fn times_are_those_of_the_place() {
        let (nairobi, say) = ("Africa/Nairobi".parse().unwrap(), sentences(Language::En));
        let noon = Timestamp::from_micros(1_795_251_600_000_000);
        let said = |hours| instant(noon + Span::hours(hours), noon, &nairobi, say);
        assert_eq!(said(0), "today 12:00");
        assert_eq!(said(24), "tomorrow 12:00");
        assert_eq!(said(48), "23 Nov 12:00");
        assert_eq!(said(24 * 60), "20 Jan 2027 12:00");
    }

    #[test]
    fn hours_are_told_with_the_days_of_the_language() {
        let said = |week: &str, language| super::week(&week.parse().unwrap(), sentences(language));
        assert_eq!(said("Mo-Su 08:00-18:00", Language::En), "08:00-18:00");
        assert_eq!(said("Sa-Su 22:00-06:00", Language::Sw), "Jms-Jpl 22:00-06:00");
        assert_eq!(said("Mo-Fr 08:00-18:00", Language::Fr), "lu-ve 08:00-18:00");
    }

    #[test]
    fn sizes_are_never_too_large() {
        let said = |bytes, language| data(DataSize::bytes(bytes), sentences(language));
        assert_eq!(said(1_590_000_000, Language::En), "1.5 GB");
        assert_eq!(said(1_590_000_000, Language::Fr), "1,5 Go");
        assert_eq!(said(500_000_000, Language::Sw), "MB 500");
        assert_eq!(said(999, Language::En), "0 kB");
    }
}
