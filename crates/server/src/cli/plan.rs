//! `lango plan …`: what is sold.

use super::Everywhere;
use super::desk::Desk;
use super::output::{Shape, json, line, printed, shown};
use super::plan_facts::{after_end, as_json, facts_of, promise, speed, starts};
use super::table::Table;
use crate::operations::add_plan::{NewPlan, add_plan_for_sale};
use crate::operations::asked::By;
use crate::operations::change_plan::{PlanChange, change_plan};
use anyhow::bail;
use clap::ValueEnum;
use lango_domain::calendar::{Calendar, CalendarRule, Zone};
use lango_domain::hours::{Hours, Week};
use lango_domain::ids::TenantId;
use lango_domain::logins::{KnownDevices, Logins, NameOnRouter, WhenFull};
use lango_domain::money::Money;
use lango_domain::plan::{AfterEnd, AtDataCap, Clock, Starts, Terms, WhenSessionEnds};
use lango_domain::quantity::{DataSize, Speed};
use lango_domain::sale::Sale;
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
    /// A plan and everything one purchase of it gives
    Show(WhichArguments),
    /// Change a plan; what was sold keeps what it had
    Change(Box<ChangeArguments>),
    /// Sell it no more; what was sold keeps what it had
    Retire(WhichArguments),
    /// Sell a retired plan again
    Offer(WhichArguments),
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango plan add \"1 hour\" --price 20 --time 1h\n  \
                        lango plan add Home10 --price 2500 --until months:1 \\\n      \
                        --starts payment --speed 5M/10M")]
pub(super) struct AddArguments {
    /// What customers and staff call it
    name: String,
    /// What one purchase costs, in the currency of the business
    #[arg(long, value_name = "AMOUNT")]
    price: String,
    #[command(flatten)]
    terms: TermsArguments,
    #[command(flatten)]
    sale: SaleArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How it is put before customers; what is not said stays as it is.
#[derive(clap::Args)]
#[command(next_help_heading = "Sale")]
struct SaleArguments {
    /// Whether the portal shows it [yes, unless its clock starts at payment]
    #[arg(long, value_name = "YES/NO")]
    portal: Option<YesNo>,
    /// Where it stands in the portal: low numbers first, then the cheapest [0]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    place: Option<i32>,
    /// Offered on these routers only, several with commas
    #[arg(long, value_name = "ROUTER", value_delimiter = ',')]
    sold_on: Vec<String>,
    /// When it is sold, as in "Mo-Fr 22:00-06:00"
    #[arg(long, value_name = "HOURS")]
    sold_at: Option<Week>,
    /// Free, once for each device and phone number; its price must be 0
    #[arg(long)]
    trial: bool,
    /// A bundle: one purchase gives so many vouchers, each with all the plan gives [1]
    #[arg(long, value_name = "COUNT")]
    vouchers: Option<NonZeroU16>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

impl SaleArguments {
    async fn over(self, desk: &Desk, tenant: TenantId, before: Sale) -> anyhow::Result<Sale> {
        let mut routers = Vec::new();
        for name in &self.sold_on {
            routers.push(desk.router(Some(tenant), name).await?.id);
        }
        Ok(Sale {
            portal: self.portal.map(|said| said == YesNo::Yes).or(before.portal),
            place: self.place.unwrap_or(before.place),
            routers: if routers.is_empty() { before.routers } else { routers },
            hours: self.sold_at.or(before.hours),
            trial: self.trial || before.trial,
            vouchers: self.vouchers.unwrap_or(before.vouchers),
        })
    }
}

/// What one purchase gives; what is not said stays as it is.
#[derive(clap::Args)]
struct TermsArguments {
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
    /// At the end of its data it goes on at this speed instead of ending
    #[arg(long, value_name = "UP/DOWN")]
    throttle: Option<Speed>,
    /// Speed, upload/download
    #[arg(long, value_name = "UP/DOWN")]
    speed: Option<Speed>,
    /// How many devices at a time [1]
    #[arg(long, value_name = "COUNT")]
    devices: Option<NonZeroU16>,
    /// When the clock starts [first-use]
    #[arg(long, value_name = "WHEN")]
    starts: Option<StartsWord>,
    /// How long an unsold voucher is good
    #[arg(long, value_name = "TIME")]
    shelf_life: Option<Span>,
    /// How soon after payment it must be used
    #[arg(long, value_name = "TIME")]
    activate_within: Option<Span>,
    /// Online that much longer than was paid
    #[arg(long, value_name = "TIME")]
    grace: Option<Span>,
    /// Ends when the customer logs out and does not come back within this time
    #[arg(long, value_name = "TIME")]
    end_with_session: Option<Span>,
    /// What is left after the end: nothing, or the pay page [cut]
    #[arg(long, value_name = "WHAT")]
    after_end: Option<AfterEndWord>,
    /// Tell the customer that long before the end
    #[arg(long, value_name = "TIME")]
    warn_before: Option<Span>,
    #[command(flatten)]
    logins: LoginArguments,
}

/// What NASes that ask by RADIUS are told at a login.
#[derive(clap::Args)]
#[command(next_help_heading = "Logins, on routers that ask by RADIUS")]
struct LoginArguments {
    /// What becomes of a further device when all places are taken [refuse]
    #[arg(long, value_name = "WHAT")]
    when_full: Option<WhenFullWord>,
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
    fn over(self, before: Logins, zone: &Zone) -> Logins {
        let hours = self.hours.map(|week| Hours { week, zone: zone.clone() });
        Logins {
            when_full: match self.when_full {
                Some(WhenFullWord::Refuse) => WhenFull::Refuse,
                Some(WhenFullWord::EndOldest) => WhenFull::EndOldest,
                None => before.when_full,
            },
            lock_to_first_device: self.lock_to_first_device || before.lock_to_first_device,
            hours: hours.or(before.hours),
            idle_timeout: self.idle_timeout.or(before.idle_timeout),
            pool: self.pool.or(before.pool),
            profile: self.profile.or(before.profile),
            known_devices: match self.always_ask {
                true => KnownDevices::NeedPassword,
                false => before.known_devices,
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
#[command(after_help = "Examples:\n  lango plan list\n  lango plan list --csv > plans.csv")]
pub(super) struct ListArguments {
    #[command(flatten)]
    shape: Shape,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  lango plan show \"1 hour\"\n  \
                        lango plan retire Home10\n  lango plan offer Home10")]
pub(super) struct WhichArguments {
    /// Its name or id
    plan: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                        lango plan change \"1 hour\" --price 25\n  \
                        lango plan change Home10 --name Home20 --speed 10M/20M\n  \
                        lango plan change Day --data 2GB --without speed,warn-before")]
pub(super) struct ChangeArguments {
    /// Its name or id
    plan: String,
    /// Call it so from now on
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What one purchase costs from now on, in the currency of the business
    #[arg(long, value_name = "AMOUNT")]
    price: Option<String>,
    #[command(flatten)]
    terms: TermsArguments,
    #[command(flatten)]
    sale: SaleArguments,
    /// Take these away, several with commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    without: Vec<Removable>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a plan can be without.
#[derive(Clone, Copy, ValueEnum)]
enum Removable {
    Time,
    Online,
    Until,
    Data,
    Throttle,
    Speed,
    ShelfLife,
    ActivateWithin,
    EndWithSession,
    WarnBefore,
    LockToFirstDevice,
    Hours,
    IdleTimeout,
    Pool,
    Profile,
    AlwaysAsk,
    SoldOn,
    SoldAt,
    Trial,
    Portal,
}

pub(super) async fn run(everywhere: &Everywhere, command: PlanCommand) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(everywhere).await?;
    match command {
        PlanCommand::Add(arguments) => add(&desk, *arguments).await?,
        PlanCommand::List(arguments) => list(&desk, &arguments).await?,
        PlanCommand::Show(arguments) => show(&desk, &arguments).await?,
        PlanCommand::Change(arguments) => change(&desk, *arguments).await?,
        PlanCommand::Retire(arguments) => sell(&desk, &arguments, false).await?,
        PlanCommand::Offer(arguments) => sell(&desk, &arguments, true).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(desk: &Desk, arguments: AddArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let AddArguments { name, price, terms, sale, json: wants_json } = arguments;
    if name.trim().is_empty() {
        bail!("the plan needs a name");
    }
    let price = Money::parse(&price, tenant.currency)?;
    let terms = terms.over(nothing_promised(), &tenant.zone);
    check_throttle(&terms)?;
    let new = NewPlan { tenant: tenant.id, name, price, terms };
    let sale = sale.over(desk, tenant.id, Sale::default()).await?;
    let stored = add_plan_for_sale(&desk.app, new, sale, &By::cli(), desk.now()).await?;
    tell(&stored, wants_json)
}

async fn change(desk: &Desk, arguments: ChangeArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let before = desk.plan(&tenant, &arguments.plan).await?;
    let price = arguments.price.as_deref().map(|price| Money::parse(price, tenant.currency));
    let slimmer = arguments.without.iter().fold(before.plan.terms.clone(), without);
    let terms = arguments.terms.over(slimmer, &tenant.zone);
    check_throttle(&terms)?;
    let plainer = arguments.without.iter().fold(before.sale.clone(), sold_without);
    let sale = arguments.sale.over(desk, tenant.id, plainer).await?;
    let change = PlanChange {
        name: arguments.name,
        price: price.transpose()?,
        terms: Some(terms).filter(|terms| *terms != before.plan.terms),
        on_sale: None,
        sale: Some(sale).filter(|sale| *sale != before.sale),
    };
    if change == PlanChange::default() {
        bail!("nothing is to change: say what, for example --price 25");
    }
    let whose = (tenant.id, before.plan.id);
    let (expected, by) = (Some(before.version), By::cli());
    let stored = change_plan(&desk.app, whose, change, expected, &by, desk.now()).await?;
    tell(&stored, arguments.json)
}

async fn sell(desk: &Desk, arguments: &WhichArguments, on_sale: bool) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let before = desk.plan(&tenant, &arguments.plan).await?;
    let change = PlanChange { on_sale: Some(on_sale), ..PlanChange::default() };
    let whose = (tenant.id, before.plan.id);
    let stored = change_plan(&desk.app, whose, change, None, &By::cli(), desk.now()).await?;
    tell(&stored, arguments.json)
}

fn tell(stored: &StoredPlan, wants_json: bool) -> anyhow::Result<()> {
    if wants_json {
        return json(&as_json(stored));
    }
    let plan = &stored.plan;
    let (name, promise) = (shown(&plan.name), promise(&plan.terms));
    line(match stored.retired_at {
        None => format!("{name} is on sale: {}, {promise}", plan.price),
        Some(_) => format!("{name} is not sold any more; what was sold keeps what it had"),
    })
}

fn nothing_promised() -> Terms {
    Terms {
        starts: Starts::AtFirstUse,
        clock: Clock { wall: None, uptime: None, calendar: None, data: None },
        speed: None,
        devices: NonZeroU16::MIN,
        shelf_life: None,
        activate_within: None,
        when_session_ends: WhenSessionEnds::Keep,
        at_data_cap: AtDataCap::End,
        grace: Span::ZERO,
        after_end: AfterEnd::Cut,
        warn_before: None,
        logins: Logins::default(),
    }
}

impl TermsArguments {
    /// Terms with what was said in place of what they had.
    fn over(self, before: Terms, zone: &Zone) -> Terms {
        let calendar = self.until.map(|rule| Calendar { rule, zone: zone.clone() });
        let session = self.end_with_session.map(WhenSessionEnds::EndAfter);
        Terms {
            starts: match self.starts {
                Some(StartsWord::FirstUse) => Starts::AtFirstUse,
                Some(StartsWord::Payment) => Starts::AtPayment,
                None => before.starts,
            },
            clock: Clock {
                wall: self.time.or(before.clock.wall),
                uptime: self.online.or(before.clock.uptime),
                calendar: calendar.or(before.clock.calendar),
                data: self.data.or(before.clock.data),
            },
            speed: self.speed.or(before.speed),
            devices: self.devices.unwrap_or(before.devices),
            shelf_life: self.shelf_life.or(before.shelf_life),
            activate_within: self.activate_within.or(before.activate_within),
            when_session_ends: session.unwrap_or(before.when_session_ends),
            at_data_cap: self.throttle.map_or(before.at_data_cap, AtDataCap::Throttle),
            grace: self.grace.unwrap_or(before.grace),
            after_end: match self.after_end {
                Some(AfterEndWord::Cut) => AfterEnd::Cut,
                Some(AfterEndWord::Wall) => AfterEnd::Wall,
                None => before.after_end,
            },
            warn_before: self.warn_before.or(before.warn_before),
            logins: self.logins.over(before.logins, zone),
        }
    }
}

fn without(mut terms: Terms, what: &Removable) -> Terms {
    match what {
        Removable::Time => terms.clock.wall = None,
        Removable::Online => terms.clock.uptime = None,
        Removable::Until => terms.clock.calendar = None,
        Removable::Data => terms.clock.data = None,
        Removable::Throttle => terms.at_data_cap = AtDataCap::End,
        Removable::Speed => terms.speed = None,
        Removable::ShelfLife => terms.shelf_life = None,
        Removable::ActivateWithin => terms.activate_within = None,
        Removable::EndWithSession => terms.when_session_ends = WhenSessionEnds::Keep,
        Removable::WarnBefore => terms.warn_before = None,
        Removable::LockToFirstDevice => terms.logins.lock_to_first_device = false,
        Removable::Hours => terms.logins.hours = None,
        Removable::IdleTimeout => terms.logins.idle_timeout = None,
        Removable::Pool => terms.logins.pool = None,
        Removable::Profile => terms.logins.profile = None,
        Removable::AlwaysAsk => terms.logins.known_devices = KnownDevices::Welcome,
        Removable::SoldOn | Removable::SoldAt | Removable::Trial | Removable::Portal => {}
    }
    terms
}

fn sold_without(mut sale: Sale, what: &Removable) -> Sale {
    match what {
        Removable::SoldOn => sale.routers.clear(),
        Removable::SoldAt => sale.hours = None,
        Removable::Trial => sale.trial = false,
        Removable::Portal => sale.portal = None,
        _ => {}
    }
    sale
}

fn check_throttle(terms: &Terms) -> anyhow::Result<()> {
    if matches!(terms.at_data_cap, AtDataCap::Throttle(_)) && terms.clock.data.is_none() {
        bail!("--throttle is for the end of the data, and its data has no end: give --data too");
    }
    Ok(())
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

const COLUMNS: [&str; 15] = [
    "id",
    "name",
    "price_amount",
    "price_currency",
    "promise",
    "terms_speed",
    "terms_devices",
    "terms_starts",
    "sale_portal",
    "sale_place",
    "sale_routers",
    "sale_hours",
    "sale_trial",
    "sale_vouchers",
    "retired_at",
];

async fn list(desk: &Desk, arguments: &ListArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?.id;
    let of_tenant = async move |tx: &mut Tx<'_>| lango_store::plans::of_tenant(tx, tenant).await;
    let plans: Vec<StoredPlan> = desk.app.store().read(of_tenant).await?;
    let rows: Vec<serde_json::Value> = plans.iter().map(as_json).collect();
    if printed(arguments.shape, &rows, &COLUMNS)? {
        return Ok(());
    }
    if plans.is_empty() {
        return line("No plan yet: lango plan add \"1 hour\" --price 20 --time 1h");
    }
    let mut table = Table::new(["NAME", "PRICE", "GIVES", "SPEED", "DEVICES", "STARTS", "ON SALE"]);
    for StoredPlan { plan, retired_at, .. } in plans {
        table.row([
            plan.name.clone(),
            plan.price.to_string(),
            promise(&plan.terms),
            speed(&plan.terms),
            plan.terms.devices.to_string(),
            starts(&plan.terms).to_owned(),
            if retired_at.is_none() { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table.print()
}

async fn show(desk: &Desk, arguments: &WhichArguments) -> anyhow::Result<()> {
    let tenant = desk.tenant().await?;
    let stored = desk.plan(&tenant, &arguments.plan).await?;
    if arguments.json {
        return json(&as_json(&stored));
    }
    let StoredPlan { plan, retired_at, sale, .. } = stored;
    let terms = &plan.terms;
    let sold = match retired_at {
        None => format!("on sale at {}", plan.price),
        Some(at) => format!("{}, not sold since {}", plan.price, tenant.zone.local(at)),
    };
    line(format!("{} ({}): {sold}", shown(&plan.name), plan.id))?;
    let mut facts = vec![
        ("gives", promise(terms)),
        ("speed", speed(terms)),
        ("devices", format!("{} at a time", terms.devices)),
        ("its clock starts", starts(terms).to_owned()),
        ("after the end", after_end(terms).to_owned()),
    ];
    let spans = [
        ("an unsold voucher is good for", terms.shelf_life),
        ("must be used within", terms.activate_within),
        ("goes on after its end for", Some(terms.grace).filter(|grace| !grace.is_zero())),
        ("the customer is warned before by", terms.warn_before),
        (
            "ends when offline for",
            match terms.when_session_ends {
                WhenSessionEnds::Keep => None,
                WhenSessionEnds::EndAfter(span) => Some(span),
            },
        ),
    ];
    facts.extend(spans.into_iter().filter_map(|(what, span)| Some((what, span?.to_string()))));
    facts.extend(facts_of(&sale, terms));
    facts.into_iter().try_for_each(|(what, fact)| line(format!("  {what}: {fact}")))
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
    fn what_was_said_of_logins_stays_until_it_is_taken_away() {
        let zone: Zone = "Africa/Nairobi".parse().unwrap();
        let nothing = || LoginArguments {
            when_full: None,
            lock_to_first_device: false,
            hours: None,
            idle_timeout: None,
            pool: None,
            profile: None,
            always_ask: false,
        };
        let said = LoginArguments {
            when_full: Some(WhenFullWord::EndOldest),
            lock_to_first_device: true,
            hours: Some("Mo-Fr 08:00-18:00".parse().unwrap()),
            pool: Some("guests".parse().unwrap()),
            always_ask: true,
            ..nothing()
        };
        let logins = said.over(Logins::default(), &zone);
        assert_eq!(nothing().over(logins.clone(), &zone), logins);
        let terms = Terms { logins, ..Terms::hotspot(Span::hours(1)) };
        assert_eq!(promise(&terms), "1h, Mo-Fr 08:00-18:00");
        let less =
            [Removable::LockToFirstDevice, Removable::Hours, Removable::Pool, Removable::AlwaysAsk];
        let terms = less.iter().fold(terms, without);
        let left = Logins { when_full: WhenFull::EndOldest, ..Logins::default() };
        assert_eq!(terms.logins, left);
    }
}
