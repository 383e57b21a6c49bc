//! What stands on a voucher, in the language of the business.

use super::Card;
use crate::config::public_url::PublicUrl;
use crate::operations::issue_vouchers::printed;
use crate::operations::print_batch::{Printable, Printout};
use lango_domain::calendar::CalendarRule;
use lango_domain::language::Language;
use lango_domain::plan::Terms;
use lango_domain::time::Span;

/// What stands on one voucher of a printout.
pub fn card_of(printout: &Printout, voucher: &Printable, portal: Option<&PublicUrl>) -> Card {
    let Printout { tenant, batch, terms, .. } = printout;
    let language = tenant.language;
    let link = portal.map(|portal| portal.of_voucher(&voucher.code));
    let lapses = voucher.lapses_at.map(|at| tenant.zone.date_of(at).to_string());
    let validity = [Some(gives(language, terms)), lapses.map(|date| use_by(language, &date))];
    let validity: Vec<String> =
        validity.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    Card {
        business: tenant.name.clone(),
        plan: batch.plan.clone(),
        price: batch.batch.price.to_string(),
        code: printed(&voucher.code),
        steps: steps(language, link.is_some()).to_owned(),
        link,
        validity: validity.join(" · "),
        help: tenant.help_phone.as_ref().map(|phone| format!("{} {phone}", help(language))),
        serial: format!("{} {:05}", batch.batch.id, voucher.serial),
    }
}

const fn steps(language: Language, has_qr: bool) -> &'static str {
    match (language, has_qr) {
        (Language::En, true) => {
            "Join our Wi-Fi. Scan this, or type the code on the page that opens."
        }
        (Language::En, false) => "Join our Wi-Fi and type the code on the page that opens.",
        (Language::Sw, true) => {
            "Jiunge na Wi-Fi yetu. Scan hapa, au andika namba kwenye ukurasa unaofunguka."
        }
        (Language::Sw, false) => "Jiunge na Wi-Fi yetu, andika namba kwenye ukurasa unaofunguka.",
        (Language::Fr, true) => {
            "Rejoignez notre Wi-Fi. Scannez, ou tapez le code sur la page qui s'ouvre."
        }
        (Language::Fr, false) => "Rejoignez notre Wi-Fi et tapez le code sur la page qui s'ouvre.",
    }
}

const fn help(language: Language) -> &'static str {
    match language {
        Language::En => "Help:",
        Language::Sw => "Msaada:",
        Language::Fr => "Aide :",
    }
}

fn use_by(language: Language, date: &str) -> String {
    match language {
        Language::En => format!("use by {date}"),
        Language::Sw => format!("tumia kabla ya {date}"),
        Language::Fr => format!("à utiliser avant le {date}"),
    }
}

/// What the plan gives, the first limit to come.
fn gives(language: Language, terms: &Terms) -> String {
    let clock = &terms.clock;
    let time = clock.wall.map(|span| time(language, span));
    let online = clock.uptime.map(|span| online(language, &self::time(language, span)));
    let until = clock.calendar.as_ref().map(|calendar| until(language, calendar.rule));
    let data = clock.data.map(|data| data.to_string());
    let devices = Some(terms.devices.get()).filter(|count| *count > 1);
    let devices = devices.map(|count| devices_in_words(language, count));
    [time, online, until, data, devices].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// In the largest unit that leaves nothing over.
fn time(language: Language, span: Span) -> String {
    let minutes = span.as_seconds() / 60;
    let (count, one, many) = match (minutes % (24 * 60), minutes % 60) {
        (0, _) if minutes > 24 * 60 => {
            (minutes / 24 / 60, ["day", "siku", "jour"], ["days", "siku", "jours"])
        }
        (_, 0) => (minutes / 60, ["hour", "saa", "heure"], ["hours", "saa", "heures"]),
        _ => (minutes, ["minute", "dakika", "minute"], ["minutes", "dakika", "minutes"]),
    };
    let words = if count == 1 { one } else { many };
    let word = words[language as usize];
    match language {
        Language::Sw => format!("{word} {count}"),
        Language::En | Language::Fr => format!("{count} {word}"),
    }
}

fn online(language: Language, time: &str) -> String {
    match language {
        Language::En => format!("{time} online"),
        Language::Sw => format!("{time} mtandaoni"),
        Language::Fr => format!("{time} en ligne"),
    }
}

fn until(language: Language, rule: CalendarRule) -> String {
    match (language, rule) {
        (Language::En, CalendarRule::Midnights { count: 1 }) => "until midnight".to_owned(),
        (Language::Sw, CalendarRule::Midnights { count: 1 }) => "hadi usiku wa manane".to_owned(),
        (Language::Fr, CalendarRule::Midnights { count: 1 }) => "jusqu'à minuit".to_owned(),
        (_, CalendarRule::Midnights { count }) => time(language, Span::days(i64::from(count))),
        (Language::En, CalendarRule::DayOfMonth { day }) => format!("until day {day}"),
        (Language::Sw, CalendarRule::DayOfMonth { day }) => format!("hadi tarehe {day}"),
        (Language::Fr, CalendarRule::DayOfMonth { day }) => format!("jusqu'au {day}"),
        (Language::En, CalendarRule::Months { count: 1 }) => "1 month".to_owned(),
        (Language::En, CalendarRule::Months { count }) => format!("{count} months"),
        (Language::Sw, CalendarRule::Months { count }) => format!("mwezi {count}"),
        (Language::Fr, CalendarRule::Months { count }) => format!("{count} mois"),
        (Language::En, CalendarRule::Date { last_day }) => format!("until {last_day}"),
        (Language::Sw, CalendarRule::Date { last_day }) => format!("hadi {last_day}"),
        (Language::Fr, CalendarRule::Date { last_day }) => format!("jusqu'au {last_day}"),
    }
}

fn devices_in_words(language: Language, count: u16) -> String {
    match language {
        Language::En => format!("{count} devices"),
        Language::Sw => format!("simu {count}"),
        Language::Fr => format!("{count} appareils"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_said_in_the_largest_whole_unit() {
        for (span, en, sw, fr) in [
            (Span::minutes(30), "30 minutes", "dakika 30", "30 minutes"),
            (Span::hours(1), "1 hour", "saa 1", "1 heure"),
            (Span::hours(24), "24 hours", "saa 24", "24 heures"),
            (Span::days(7), "7 days", "siku 7", "7 jours"),
        ] {
            assert_eq!(time(Language::En, span), en);
            assert_eq!(time(Language::Sw, span), sw);
            assert_eq!(time(Language::Fr, span), fr);
        }
    }
}
