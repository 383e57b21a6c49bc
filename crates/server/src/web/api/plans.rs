//! Plans: what is sold.

use crate::operations::add_plan::{AddPlanError, NewPlan, add_plan};
use crate::operations::change_plan::{ChangePlanError, PlanChange, change_plan, of_tenant};
use crate::web::api::door::{Ask, Doors, Json, NoQuery, Reply, Shown, Sign};
use crate::web::api::list::Page;
use crate::web::api::problem::Problem;
use crate::web::api::words::{Bytes, Line, Seconds, Whole};
use lango_domain::calendar::{Calendar, CalendarRule};
use lango_domain::hours::Hours;
use lango_domain::ids::{PlanId, TenantId};
use lango_domain::logins::{KnownDevices, Logins, WhenFull};
use lango_domain::money::Money;
use lango_domain::plan::{AfterEnd, AtDataCap, Clock, Starts, WhenSessionEnds};
use lango_domain::quantity::Speed;
use lango_domain::role::Permission;
use lango_domain::time::{Span, Timestamp};
use lango_store::Tx;
use lango_store::plans::StoredPlan;
use lango_store::tenants::Tenant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::num::NonZeroU16;
use std::str::FromStr;

/// What is sold.
#[derive(Serialize, JsonSchema, Debug)]
struct Plan {
    id: PlanId,
    name: String,
    price: Money,
    terms: TermsShown,
    /// Since when it is not sold any more
    retired_at: Option<Timestamp>,
    version: i64,
}

impl Shown for Plan {}

/// What one purchase gives. The first limit to be reached ends it.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewPlanTerms")]
struct Terms {
    /// When the clock starts
    #[serde(default)]
    starts: StartsAt,
    /// Ends so long after its start, online or not
    time_seconds: Option<Seconds>,
    /// Ends after so much time online
    online_seconds: Option<Seconds>,
    /// Ends after so much data, both directions
    data_bytes: Option<Bytes>,
    /// Ends by the calendar, in the zone of the business
    until: Option<Until>,
    speed: Option<Speed>,
    /// How many devices may be online together
    devices: Option<Whole<1, 1000>>,
    /// How long an unused voucher may lie
    shelf_life_seconds: Option<Seconds>,
    /// How long after payment it must be used for the first time
    activate_within_seconds: Option<Seconds>,
    /// Ends when nobody has been online by it for so long
    end_after_session_seconds: Option<Seconds>,
    /// At the data limit it goes on at this speed
    throttle: Option<Speed>,
    /// How long access goes on after the end of the paid time
    grace_seconds: Option<Seconds>,
    /// What an ended customer sees: nothing, or the pay page
    #[serde(default)]
    after_end: After,
    /// How long before the end the customer is warned
    warn_before_seconds: Option<Seconds>,
    /// What becomes of a further device when all places are taken
    #[serde(default)]
    when_full: Full,
    /// Only the device of the first login may use it
    #[serde(default)]
    lock_to_first_device: bool,
    /// When it may be used, as in `Mo-Fr 08:00-18:00; Sa 09:00-13:00`, in the zone of the business
    #[schemars(extend("pattern" = HOURS))]
    hours: Option<Line<500>>,
    /// How long a device may be silent before its session ends
    idle_timeout_seconds: Option<Seconds>,
    /// The pool of addresses, by its name on the router
    #[schemars(extend("pattern" = NAME))]
    pool: Option<Line<63>>,
    /// The profile, by its name on the router
    #[schemars(extend("pattern" = NAME))]
    profile: Option<Line<63>>,
    /// Whether a device that was online comes back without the password, where the router asks so
    known_devices: Option<bool>,
}

/// The same as an answer has it.
#[derive(Serialize, JsonSchema, Clone, Debug)]
#[schemars(rename = "PlanTerms")]
struct TermsShown {
    starts: StartsAt,
    time_seconds: Option<i64>,
    online_seconds: Option<i64>,
    data_bytes: Option<u64>,
    until: Option<Until>,
    speed: Option<Speed>,
    devices: u16,
    shelf_life_seconds: Option<i64>,
    activate_within_seconds: Option<i64>,
    end_after_session_seconds: Option<i64>,
    throttle: Option<Speed>,
    grace_seconds: i64,
    after_end: After,
    warn_before_seconds: Option<i64>,
    when_full: Full,
    lock_to_first_device: bool,
    hours: Option<String>,
    idle_timeout_seconds: Option<i64>,
    pool: Option<String>,
    profile: Option<String>,
    known_devices: bool,
}

/// What becomes of a further device when all places are taken.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Full {
    #[default]
    Refuse,
    EndOldest,
}

/// When the clock starts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum StartsAt {
    #[default]
    FirstUse,
    Payment,
}

/// What an ended customer sees.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum After {
    #[default]
    Cut,
    Wall,
}

/// An end by the calendar.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(rename_all = "snake_case", tag = "rule", deny_unknown_fields)]
#[schemars(inline)]
enum Until {
    /// So many midnights from the start
    Midnights {
        #[schemars(range(min = 1, max = 3660))]
        count: u16,
    },
    /// That day of the month
    DayOfMonth {
        #[schemars(range(min = 1, max = 31))]
        day: u8,
    },
    /// So many months later
    Months {
        #[schemars(range(min = 1, max = 120))]
        count: u16,
    },
    /// At the end of that day
    Date {
        #[schemars(with = "String", extend("format" = "date"))]
        last_day: jiff::civil::Date,
    },
}

impl Until {
    fn rule(&self) -> Result<CalendarRule, Problem> {
        let within = |number: u16, most: u16| {
            let problem = || Problem::unreadable(format!("it must be from 1 to {most}"));
            if (1..=most).contains(&number) {
                Ok(number)
            } else {
                Err(problem().at("/terms/until"))
            }
        };
        Ok(match *self {
            Until::Midnights { count } => CalendarRule::Midnights { count: within(count, 3660)? },
            Until::DayOfMonth { day } => {
                within(day.into(), 31)?;
                CalendarRule::DayOfMonth { day }
            }
            Until::Months { count } => CalendarRule::Months { count: within(count, 120)? },
            Until::Date { last_day } => CalendarRule::Date { last_day },
        })
    }

    fn of(rule: CalendarRule) -> Until {
        match rule {
            CalendarRule::Midnights { count } => Until::Midnights { count },
            CalendarRule::DayOfMonth { day } => Until::DayOfMonth { day },
            CalendarRule::Months { count } => Until::Months { count },
            CalendarRule::Date { last_day } => Until::Date { last_day },
        }
    }
}

impl Terms {
    fn sold_by(&self, tenant: &Tenant) -> Result<lango_domain::plan::Terms, Problem> {
        let span = |seconds: Option<Seconds>| seconds.map(Seconds::span);
        let zone = tenant.zone.clone();
        let rule = self.until.as_ref().map(Until::rule).transpose()?;
        Ok(lango_domain::plan::Terms {
            starts: match self.starts {
                StartsAt::FirstUse => Starts::AtFirstUse,
                StartsAt::Payment => Starts::AtPayment,
            },
            clock: Clock {
                wall: span(self.time_seconds),
                uptime: span(self.online_seconds),
                calendar: rule.map(|rule| Calendar { rule, zone }),
                data: self.data_bytes.map(Bytes::size),
            },
            speed: self.speed,
            devices: self
                .devices
                .and_then(|Whole(devices)| NonZeroU16::new(u16::try_from(devices).ok()?))
                .unwrap_or(NonZeroU16::MIN),
            shelf_life: span(self.shelf_life_seconds),
            activate_within: span(self.activate_within_seconds),
            when_session_ends: span(self.end_after_session_seconds)
                .map_or(WhenSessionEnds::Keep, WhenSessionEnds::EndAfter),
            at_data_cap: self.throttle.map_or(AtDataCap::End, AtDataCap::Throttle),
            grace: span(self.grace_seconds).unwrap_or(Span::ZERO),
            after_end: match self.after_end {
                After::Cut => AfterEnd::Cut,
                After::Wall => AfterEnd::Wall,
            },
            warn_before: span(self.warn_before_seconds),
            logins: self.logins(tenant)?,
        })
    }

    fn logins(&self, tenant: &Tenant) -> Result<Logins, Problem> {
        let hours = read(self.hours.as_ref(), "/terms/hours")?;
        Ok(Logins {
            when_full: match self.when_full {
                Full::Refuse => WhenFull::Refuse,
                Full::EndOldest => WhenFull::EndOldest,
            },
            lock_to_first_device: self.lock_to_first_device,
            hours: hours.map(|week| Hours { week, zone: tenant.zone.clone() }),
            idle_timeout: self.idle_timeout_seconds.map(Seconds::span),
            pool: read(self.pool.as_ref(), "/terms/pool")?,
            profile: read(self.profile.as_ref(), "/terms/profile")?,
            known_devices: match self.known_devices {
                Some(false) => KnownDevices::NeedPassword,
                Some(true) | None => KnownDevices::Welcome,
            },
        })
    }
}

/// A text that has a form of its own.
fn read<const MOST: usize, T>(text: Option<&Line<MOST>>, at: &str) -> Result<Option<T>, Problem>
where
    T: FromStr,
    T::Err: Display,
{
    let read = |text: &Line<MOST>| text.0.parse();
    text.map(read).transpose().map_err(|why: T::Err| Problem::unreadable(why.to_string()).at(at))
}

impl From<lango_domain::plan::Terms> for TermsShown {
    fn from(terms: lango_domain::plan::Terms) -> TermsShown {
        let seconds = |span: Option<Span>| span.map(Span::as_seconds);
        TermsShown {
            starts: match terms.starts {
                Starts::AtFirstUse => StartsAt::FirstUse,
                Starts::AtPayment => StartsAt::Payment,
            },
            time_seconds: seconds(terms.clock.wall),
            online_seconds: seconds(terms.clock.uptime),
            data_bytes: terms.clock.data.map(|size| size.as_bytes()),
            until: terms.clock.calendar.map(|calendar| Until::of(calendar.rule)),
            speed: terms.speed,
            devices: terms.devices.get(),
            shelf_life_seconds: seconds(terms.shelf_life),
            activate_within_seconds: seconds(terms.activate_within),
            end_after_session_seconds: match terms.when_session_ends {
                WhenSessionEnds::Keep => None,
                WhenSessionEnds::EndAfter(span) => Some(span.as_seconds()),
            },
            throttle: match terms.at_data_cap {
                AtDataCap::End => None,
                AtDataCap::Throttle(speed) => Some(speed),
            },
            grace_seconds: terms.grace.as_seconds(),
            after_end: match terms.after_end {
                AfterEnd::Cut => After::Cut,
                AfterEnd::Wall => After::Wall,
            },
            warn_before_seconds: seconds(terms.warn_before),
            when_full: match terms.logins.when_full {
                WhenFull::Refuse => Full::Refuse,
                WhenFull::EndOldest => Full::EndOldest,
            },
            lock_to_first_device: terms.logins.lock_to_first_device,
            hours: terms.logins.hours.map(|hours| hours.week.to_string()),
            idle_timeout_seconds: seconds(terms.logins.idle_timeout),
            pool: terms.logins.pool.map(|pool| pool.to_string()),
            profile: terms.logins.profile.map(|profile| profile.to_string()),
            known_devices: terms.logins.known_devices == KnownDevices::Welcome,
        }
    }
}

impl From<StoredPlan> for Plan {
    fn from(stored: StoredPlan) -> Plan {
        let StoredPlan { plan, retired_at, version, .. } = stored;
        Plan {
            id: plan.id,
            name: plan.name,
            price: plan.price,
            terms: plan.terms.into(),
            retired_at,
            version,
        }
    }
}

/// A plan to be sold.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewPlan")]
struct NewPlanBody {
    name: Line<100>,
    /// What one purchase costs, in the currency of the business
    price: Money,
    terms: Terms,
}

/// What is to be different.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PlanChange")]
struct PlanChangeBody {
    name: Option<Line<100>>,
    price: Option<Money>,
    /// What one purchase gives, from the next one on
    terms: Option<Terms>,
    /// Whether it is sold
    on_sale: Option<bool>,
}

const TAG: &str = "plans";
/// Hours as programs write them; people may write them in more ways.
const HOURS: &str = "^((Mo|Tu|We|Th|Fr|Sa|Su)(-(Mo|Tu|We|Th|Fr|Sa|Su))?\
                     (,(Mo|Tu|We|Th|Fr|Sa|Su)(-(Mo|Tu|We|Th|Fr|Sa|Su))?)* \
                     ([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\
                     (,([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00))*\
                     (; |$))+$";
/// The name of something on a router.
const NAME: &str = "^[A-Za-z0-9._:/@-]([A-Za-z0-9 ._:/@-]*[A-Za-z0-9._:/@-])?$";

pub(crate) fn open(doors: &mut Doors) {
    let list = Sign::list("/api/v1/plans", "list_plans").about(TAG, "What is sold, by name");
    doors.open_list(list, async |ask: Ask| {
        let tenant = ask.tenant();
        let all = async move |tx: &mut Tx<'_>| lango_store::plans::of_tenant(tx, tenant).await;
        let plans = ask.here.app.store().read(all).await?;
        let items: Vec<Plan> = plans.into_iter().map(Plan::from).collect();
        Ok(Reply::ok(Page { items, next: None }))
    });
    let show = Sign::get("/api/v1/plans/{plan}", "show_plan").about(TAG, "One plan");
    doors.open(show, async |ask: Ask<PlanId>| one(&ask, ask.path).await.map(reply));
    let add = Sign::make("/api/v1/plans", "add_plan")
        .about(TAG, "Put a plan on sale")
        .needs(Permission::Manage);
    doors.open(add, async |ask: Ask<(), NoQuery, Json<NewPlanBody>>| {
        let NewPlanBody { name, price, terms } = &ask.body.0;
        let tenant = tenant(&ask).await?;
        let (price, terms) = (own_money(*price, &tenant)?, terms.sold_by(&tenant)?);
        let new = NewPlan { tenant: tenant.id, name: name.0.clone(), price, terms };
        let stored = add_plan(&ask.here.app, new, ask.by(), ask.now()).await?;
        let location = format!("/api/v1/plans/{}", stored.plan.id);
        Ok(reply(stored).at(location))
    });
    let change = Sign::change("/api/v1/plans/{plan}", "change_plan")
        .about(TAG, "Change a plan; what was sold keeps what it had")
        .needs(Permission::Manage);
    doors.open(change, async |ask: Ask<PlanId, NoQuery, Json<PlanChangeBody>>| {
        let body = &ask.body.0;
        let tenant = tenant(&ask).await?;
        let change = PlanChange {
            name: body.name.as_ref().map(|name| name.0.clone()),
            price: body.price.map(|price| own_money(price, &tenant)).transpose()?,
            terms: body.terms.as_ref().map(|terms| terms.sold_by(&tenant)).transpose()?,
            on_sale: body.on_sale,
        };
        let whose = (tenant.id, ask.path);
        let by = ask.by();
        change_plan(&ask.here.app, whose, change, ask.expected, by, ask.now())
            .await
            .map(reply)
            .map_err(Problem::from)
    });
}

fn reply(stored: StoredPlan) -> Reply<Plan> {
    let version = stored.version;
    Reply::ok(Plan::from(stored)).version(version)
}

/// One plan of the caller's business.
pub(crate) async fn one<P, Q, B>(
    ask: &Ask<P, Q, B, TenantId>,
    id: PlanId,
) -> Result<StoredPlan, Problem> {
    let tenant = ask.tenant();
    let find = async move |tx: &mut Tx<'_>| of_tenant(tx, tenant, id).await;
    ask.here.app.store().read(find).await?.ok_or_else(|| Problem::missing("plan"))
}

/// The caller's business.
pub(crate) async fn tenant<P, Q, B>(ask: &Ask<P, Q, B, TenantId>) -> Result<Tenant, Problem> {
    let id = ask.tenant();
    let one = async move |tx: &mut Tx<'_>| lango_store::tenants::one(tx, id).await;
    Ok(ask.here.app.store().read(one).await?)
}

/// Money of a business is of one currency.
pub(crate) fn own_money(money: Money, tenant: &Tenant) -> Result<Money, Problem> {
    if money.currency != tenant.currency {
        let detail = format!("{} is paid in {}", tenant.name, tenant.currency);
        return Err(Problem::invalid(detail).at("/price/currency"));
    }
    if money.amount < 0 {
        return Err(Problem::invalid("an amount cannot be negative").at("/price/amount"));
    }
    Ok(money)
}

impl From<AddPlanError> for Problem {
    fn from(error: AddPlanError) -> Problem {
        match error {
            AddPlanError::Known(_) => Problem::conflict(error.to_string()).at("/name"),
            AddPlanError::Endless => Problem::invalid(
                "the plan would never end: give it time_seconds, online_seconds, until or data_bytes",
            )
            .at("/terms"),
            AddPlanError::NoName => Problem::invalid(error.to_string()).at("/name"),
            AddPlanError::Reused(reused) => reused.into(),
            AddPlanError::Lost(lost) => lost.into(),
            AddPlanError::Store(error) => error.into(),
        }
    }
}

impl From<ChangePlanError> for Problem {
    fn from(error: ChangePlanError) -> Problem {
        match error {
            ChangePlanError::Lost(lost) => lost.into(),
            ChangePlanError::Known => Problem::conflict(error.to_string()).at("/name"),
            ChangePlanError::NoName | ChangePlanError::Endless => {
                Problem::invalid(error.to_string())
            }
            ChangePlanError::Store(error) => error.into(),
        }
    }
}
