//! `lango plan …`: what is sold.

use super::Everywhere;
use super::desk::Desk;
use super::output::{json, line, shown};
use super::table::Table;
use crate::operations::add_plan::{NewPlan, add_plan};
use crate::operations::asked::By;
use anyhow::bail;
use clap::ValueEnum;
use lango_domain::calendar::{Calendar, CalendarRule, Zone};
use lango_domain::hours::{Hours, Week};
use lango_domain::logins::{KnownDevices, Logins, NameOnRouter, WhenFull};
use lango_domain::money::Money;
use lango_domain::plan::{AfterEnd, AtDataCap, Clock, Plan, Starts, Terms, WhenSessionEnds};
use lango_domain::quantity::{DataSize, Speed};
use lango_domain::time::Span;
use lango_store::Tx;
use lango_store::plans::StoredPlan;
use std::num::NonZeroU16;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(super) enum PlanCommand {
    /// Put a plan on sale
    Add(Box<AddArguments>),
    /// The plans there are
    List(ListArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango plan add \"1 hour\" --price 20 --time 1h\n  \
                        lango plan add Home10 --price 2500 --until months:1 --starts payment \
                        --speed 5M/10M")]
pub(super) struct AddArguments {
    /// What customers and staff call it
    name: String,
    /// What one purchase costs, in the currency of the business
    #[arg(long, value_name = "AMOUNT")]
    price: String,
    /// Ends so long after its start, online or not
    #[arg(long, value_name = "TIME")]
    time: Option<Span>,
    /// Ends after so much time online
    #[arg(long, value_name = "TIME")]
    online: Option<Span>,
    /// Ends by the calendar: midnight, midnights:3, day:5 (of the month), months:1, or 2026-12-31
    #[arg(long, value_name = "WHEN", value_parser = read_rule)]
    until: Option<CalendarRule>,
    /// Ends after so much data, both directions together
    #[arg(long, value_name = "DATA")]
    data: Option<DataSize>,
    /// With --data: goes on at this speed instead of ending
    #[arg(long, value_name = "UP/DOWN", requires = "data")]
    throttle: Option<Speed>,
    /// Speed, upload/download
    #[arg(long, value_name = "UP/DOWN")]
    speed: Option<Speed>,
    /// How many devices at a time
    #[arg(long, value_name = "COUNT", default_value = "1")]
    devices: NonZeroU16,
    /// When the clock starts
    #[arg(long, value_name = "WHEN", default_value = "first-use")]
    starts: StartsWord,
    /// How long an unsold voucher is good
    #[arg(long, value_name = "TIME")]
    shelf_life: Option<Span>,
    /// How soon after payment it must be used
    #[arg(long, value_name = "TIME")]
    activate_within: Option<Span>,
    /// Online that much longer than was paid
    #[arg(long, value_name = "TIME", default_value = "0s")]
    grace: Span,
    /// Ends when the customer logs out and does not come back within this time
    #[arg(long, value_name = "TIME")]
    end_with_session: Option<Span>,
    /// What is left after the end: nothing, or the pay page
    #[arg(long, value_name = "WHAT", default_value = "cut")]
    after_end: AfterEndWord,
    /// Tell the customer that long before the end
    #[arg(long, value_name = "TIME")]
    warn_before: Option<Span>,
    #[command(flatten)]
    logins: LoginArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What NASes that ask by RADIUS are told at a login.
#[derive(clap::Args)]
#[command(next_help_heading = "Logins, on routers that ask by RADIUS")]
struct LoginArguments {
    /// What becomes of a further device when all places are taken
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    when_full: WhenFullWord,
    /// Only the device of the first login may use it, until `lango service unlock`
    #[arg(long)]
    lock_to_first_device: bool,
    /// When it may be used, as in "Mo-Fr 08:00-18:00; Sa 09:00-13:00"
    #[arg(long, value_name = "HOURS")]
    hours: Option<Week>,
    /// How long a device may be silent before its session ends
    #[arg(long, value_name = "TIME")]
    idle_timeout: Option<Span>,
    /// The pool of addresses, by its name on the router
    #[arg(long, value_name = "NAME")]
    pool: Option<NameOnRouter>,
    /// The profile, by its name on the router
    #[arg(long, value_name = "NAME")]
    profile: Option<NameOnRouter>,
    /// A device that was online needs the password again, also where the router logs in by MAC
    #[arg(long)]
    always_ask: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum WhenFullWord {
    Refuse,
    EndOldest,
}

impl LoginArguments {
    fn read(self, zone: &Zone) -> Logins {
        Logins {
            when_full: match self.when_full {
                WhenFullWord::Refuse => WhenFull::Refuse,
                WhenFullWord::EndOldest => WhenFull::EndOldest,
            },
            lock_to_first_device: self.lock_to_first_device,
            hours: self.hours.map(|week| Hours { week, zone: zone.clone() }),
            idle_timeout: self.idle_timeout,
            pool: self.pool,
            profile: self.profile,
            known_devices: match self.always_ask {
                true => KnownDevices::NeedPassword,
                false => KnownDevices::Welcome,
            },
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum StartsWord {
    FirstUse,
    Payment,
}

#[derive(Clone, Copy, ValueEnum)]
enum AfterEndWord {
    Cut,
    Wall,
}

#[derive(clap::Args)]
pub(super) struct ListArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(everywhere: &Everywhere, command: PlanCommand) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    match command {
        PlanCommand::Add(arguments) => add(&desk, *arguments).await?,
        PlanCommand::List(arguments) => list(&desk, arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(desk: &Desk, arguments: AddArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let (name, wants_json) = (arguments.name.clone(), arguments.json);
    if name.trim().is_empty() {
        bail!("the plan needs a name");
    }
    let price = Money::parse(&arguments.price, tenant.currency)?;
    let terms = terms(arguments, tenant.zone);
    let new = NewPlan { tenant: tenant.id, name, price, terms };
    let plan = add_plan(&desk.app, new, &By::cli(), desk.now()).await?.plan;
    if wants_json {
        return json(&plan);
    }
    line(format!("{} is on sale: {}, {}", shown(&plan.name), plan.price, promise(&plan.terms)))
}

fn terms(arguments: AddArguments, zone: Zone) -> Terms {
    let logins = arguments.logins.read(&zone);
    let clock = Clock {
        wall: arguments.time,
        uptime: arguments.online,
        calendar: arguments.until.map(|rule| Calendar { rule, zone }),
        data: arguments.data,
    };
    Terms {
        starts: match arguments.starts {
            StartsWord::FirstUse => Starts::AtFirstUse,
            StartsWord::Payment => Starts::AtPayment,
        },
        clock,
        speed: arguments.speed,
        devices: arguments.devices,
        shelf_life: arguments.shelf_life,
        activate_within: arguments.activate_within,
        when_session_ends: arguments
            .end_with_session
            .map_or(WhenSessionEnds::Keep, WhenSessionEnds::EndAfter),
        at_data_cap: arguments.throttle.map_or(AtDataCap::End, AtDataCap::Throttle),
        grace: arguments.grace,
        after_end: match arguments.after_end {
            AfterEndWord::Cut => AfterEnd::Cut,
            AfterEndWord::Wall => AfterEnd::Wall,
        },
        warn_before: arguments.warn_before,
        logins,
    }
}

fn read_rule(text: &str) -> Result<CalendarRule, String> {
    let refused = || {
        format!(
            "`{text}` is not a date: write midnight, midnights:3, day:5, months:1 or 2026-12-31"
        )
    };
    let count = |text: &str| text.parse().ok().filter(|count: &u16| *count > 0).ok_or_else(refused);
    match text.split_once(':') {
        None if text == "midnight" => Ok(CalendarRule::Midnights { count: 1 }),
        None if text == "month" => Ok(CalendarRule::Months { count: 1 }),
        None => text.parse().map(|last_day| CalendarRule::Date { last_day }).map_err(|_| refused()),
        Some(("midnights", number)) => Ok(CalendarRule::Midnights { count: count(number)? }),
        Some(("months", number)) => Ok(CalendarRule::Months { count: count(number)? }),
        Some(("day", number)) => {
            let day = number.parse().ok().filter(|day| (1..=31).contains(day));
            Ok(CalendarRule::DayOfMonth { day: day.ok_or_else(refused)? })
        }
        Some(_) => Err(refused()),
    }
}

async fn list(desk: &Desk, arguments: ListArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?.id;
    let of_tenant = async move |tx: &mut Tx<'_>| lango_store::plans::of_tenant(tx, tenant).await;
    let stored: Vec<StoredPlan> = desk.app.store().read(of_tenant).await?;
    let plans: Vec<Plan> = stored.into_iter().map(|stored| stored.plan).collect();
    if arguments.json {
        return json(&plans);
    }
    if plans.is_empty() {
        return line("No plan yet: lango plan add \"1 hour\" --price 20 --time 1h");
    }
    let mut table = Table::new(["NAME", "PRICE", "GIVES", "SPEED", "DEVICES", "STARTS"]);
    for plan in plans {
        table.row([
            plan.name.clone(),
            plan.price.to_string(),
            promise(&plan.terms),
            plan.terms.speed.map_or("full".to_owned(), |speed| speed.to_string()),
            plan.terms.devices.to_string(),
            match plan.terms.starts {
                Starts::AtFirstUse => "at first use".to_owned(),
                Starts::AtPayment => "at payment".to_owned(),
            },
        ]);
    }
    table.print()
}

/// What ends it, the first to come.
fn promise(terms: &Terms) -> String {
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

    #[test]
    fn calendars_are_written_in_one_word() {
        assert_eq!(read_rule("midnight"), Ok(CalendarRule::Midnights { count: 1 }));
        assert_eq!(read_rule("day:5"), Ok(CalendarRule::DayOfMonth { day: 5 }));
        assert_eq!(read_rule("months:12"), Ok(CalendarRule::Months { count: 12 }));
        let date = CalendarRule::Date { last_day: "2026-12-31".parse().unwrap() };
        assert_eq!(read_rule("2026-12-31"), Ok(date));
        for wrong in ["day:32", "day:0", "months:0", "tomorrow", "", "midnights:", "2026-02-30"] {
            assert!(read_rule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_promise_names_every_limit() {
        let mut terms = Terms::hotspot(Span::hours(1));
        terms.clock.data = Some(DataSize::megabytes(500));
        assert_eq!(promise(&terms), "1h, 500 MB");
    }
}
