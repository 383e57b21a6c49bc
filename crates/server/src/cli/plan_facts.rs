//! What a plan is, as the command line shows it: to programs, in facts and in a line.

use lango_domain::calendar::CalendarRule;
use lango_domain::logins::KnownDevices;
use lango_domain::plan::{AfterEnd, AtDataCap, Starts, Terms, WhenSessionEnds};
use lango_domain::sale::Sale;
use lango_domain::time::Span;
use lango_store::plans::StoredPlan;

/// As the API shows it.
pub(super) fn as_json(stored: &StoredPlan) -> serde_json::Value {
    let (plan, terms) = (&stored.plan, &stored.plan.terms);
    let seconds = |span: Option<Span>| span.map(Span::as_seconds);
    serde_json::json!({
        "id": plan.id, "name": plan.name, "price": plan.price,
        "terms": {
            "starts": match terms.starts {
                Starts::AtFirstUse => "first_use",
                Starts::AtPayment => "payment",
            },
            "time_seconds": seconds(terms.clock.wall),
            "online_seconds": seconds(terms.clock.uptime),
            "data_bytes": terms.clock.data.map(|data| data.as_bytes()),
            "until": terms.clock.calendar.as_ref().map(|calendar| rule_as_json(calendar.rule)),
            "speed": terms.speed,
            "devices": terms.devices,
            "shelf_life_seconds": seconds(terms.shelf_life),
            "activate_within_seconds": seconds(terms.activate_within),
            "end_after_session_seconds": match terms.when_session_ends {
                WhenSessionEnds::Keep => None,
                WhenSessionEnds::EndAfter(span) => Some(span.as_seconds()),
            },
            "throttle": match terms.at_data_cap {
                AtDataCap::End => None,
                AtDataCap::Throttle(speed) => Some(speed),
            },
            "grace_seconds": terms.grace.as_seconds(),
            "after_end": match terms.after_end {
                AfterEnd::Cut => "cut",
                AfterEnd::Wall => "wall",
            },
            "warn_before_seconds": seconds(terms.warn_before),
            "when_full": terms.logins.when_full,
            "lock_to_first_device": terms.logins.lock_to_first_device,
            "hours": terms.logins.hours.as_ref().map(|hours| hours.week.to_string()),
            "idle_timeout_seconds": seconds(terms.logins.idle_timeout),
            "pool": terms.logins.pool,
            "profile": terms.logins.profile,
            "known_devices": terms.logins.known_devices == KnownDevices::Welcome,
        },
        "sale": {
            "portal": stored.sale.is_on_portal(terms),
            "place": stored.sale.place,
            "routers": stored.sale.routers,
            "hours": stored.sale.hours.as_ref().map(ToString::to_string),
            "trial": stored.sale.trial,
            "vouchers": stored.sale.vouchers,
        },
        "promise": promise(terms), "retired_at": stored.retired_at, "version": stored.version,
    })
}

fn rule_as_json(rule: CalendarRule) -> serde_json::Value {
    match rule {
        CalendarRule::Midnights { count } => {
            serde_json::json!({ "rule": "midnights", "count": count })
        }
        CalendarRule::DayOfMonth { day } => {
            serde_json::json!({ "rule": "day_of_month", "day": day })
        }
        CalendarRule::Months { count } => serde_json::json!({ "rule": "months", "count": count }),
        CalendarRule::Date { last_day } => {
            serde_json::json!({ "rule": "date", "last_day": last_day.to_string() })
        }
    }
}

/// How it is put before customers.
pub(super) fn facts_of(sale: &Sale, terms: &Terms) -> Vec<(&'static str, String)> {
    let portal = if sale.is_on_portal(terms) { "yes" } else { "no" };
    let mut facts = vec![("in the portal", format!("{portal}, place {}", sale.place))];
    if !sale.routers.is_empty() {
        let routers: Vec<String> = sale.routers.iter().map(ToString::to_string).collect();
        facts.push(("sold on routers", routers.join(", ")));
    }
    facts.extend(sale.hours.as_ref().map(|hours| ("sold at", hours.to_string())));
    if sale.trial {
        facts.push(("free trial", "once for each device and phone number".to_owned()));
    }
    if sale.is_bundle() {
        facts.push(("a bundle of", format!("{} vouchers", sale.vouchers)));
    }
    facts
}

pub(super) fn speed(terms: &Terms) -> String {
    terms.speed.map_or("full".to_owned(), |speed| speed.to_string())
}

pub(super) const fn starts(terms: &Terms) -> &'static str {
    match terms.starts {
        Starts::AtFirstUse => "at first use",
        Starts::AtPayment => "at payment",
    }
}

pub(super) const fn after_end(terms: &Terms) -> &'static str {
    match terms.after_end {
        AfterEnd::Cut => "cut",
        AfterEnd::Wall => "the pay page",
    }
}

/// What ends it, the first to come.
pub(super) fn promise(terms: &Terms) -> String {
    let mut limits = Vec::new();
    limits.extend(terms.clock.wall.map(|wall| wall.to_string()));
    limits.extend(terms.clock.uptime.map(|online| format!("{online} online")));
    limits.extend(terms.clock.calendar.as_ref().map(|calendar| rule_in_words(calendar.rule)));
    limits.extend(terms.clock.data.map(|data| match terms.at_data_cap {
        AtDataCap::End => data.to_string(),
        AtDataCap::Throttle(speed) => format!("{data}, then {speed}"),
    }));
    limits.extend(terms.logins.hours.as_ref().map(|hours| hours.week.to_string()));
    limits.join(", ")
}

fn rule_in_words(rule: CalendarRule) -> String {
    match rule {
        CalendarRule::Midnights { count: 1 } => "until midnight".to_owned(),
        CalendarRule::Midnights { count } => format!("until the {count}. midnight"),
        CalendarRule::DayOfMonth { day } => format!("until day {day} of the month"),
        CalendarRule::Months { count: 1 } => "1 month".to_owned(),
        CalendarRule::Months { count } => format!("{count} months"),
        CalendarRule::Date { last_day } => format!("until {last_day}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::quantity::DataSize;

    #[test]
    fn a_promise_names_every_limit() {
        let mut terms = Terms::hotspot(Span::hours(1));
        terms.clock.data = Some(DataSize::megabytes(500));
        assert_eq!(promise(&terms), "1h, 500 MB");
    }
}
