//! How a plan is put before customers: on which sites, at what hours, in which order, to whom.
//!
//! Belongs to the offer, never to what was sold: nothing here is copied into a grant, and a change
//! of it takes nothing from anybody. See `docs/decisions/0022-vouchers-and-plans-for-sale.md`.

use crate::calendar::Zone;
use crate::hours::{Door, Hours, Week};
use crate::ids::RouterId;
use crate::plan::{Starts, Terms};
use crate::time::Timestamp;
use std::num::NonZeroU16;

/// How a plan is put before customers.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sale {
    /// Whether the portal shows it; none leaves it to [`Sale::is_on_portal`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal: Option<bool>,
    /// Where it stands among the others: low numbers first.
    #[serde(default, skip_serializing_if = "is_first")]
    pub place: i32,
    /// The only routers whose customers are offered it; empty is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routers: Vec<RouterId>,
    /// When it is sold, in the zone of the business; none is always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Week>,
    /// Given away once to each device and each phone number.
    #[serde(default, skip_serializing_if = "is_false")]
    pub trial: bool,
    /// How many vouchers one purchase gives, each with everything that the plan promises.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub vouchers: NonZeroU16,
}

impl Default for Sale {
    fn default() -> Sale {
        Sale {
            portal: None,
            place: 0,
            routers: Vec::new(),
            hours: None,
            trial: false,
            vouchers: NonZeroU16::MIN,
        }
    }
}

/// Whether a plan may be bought now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offered {
    /// It may.
    Yes {
        /// Until then; none if no end of it is known.
        until: Option<Timestamp>,
    },
    /// Not at this hour.
    Later {
        /// From then on; none if no such instant can be named.
        from: Option<Timestamp>,
    },
    /// Not here: the portal does not show it, or not on this router.
    NotHere,
}

impl Sale {
    /// Whether one purchase gives several vouchers: then the price is that of all of them.
    pub fn is_bundle(&self) -> bool {
        self.vouchers.get() > 1
    }

    /// Whether the portal shows it at all. Unless somebody says otherwise it shows what begins at
    /// the first use: what begins at payment is a subscription, and an office sells that.
    pub fn is_on_portal(&self, terms: &Terms) -> bool {
        self.portal.unwrap_or(terms.starts == Starts::AtFirstUse)
    }

    /// Whether a customer of that router may buy it now; without a router only what is sold on all
    /// of them is offered.
    pub fn offered(
        &self,
        terms: &Terms,
        router: Option<RouterId>,
        zone: &Zone,
        now: Timestamp,
    ) -> Offered {
        let is_sold_there =
            self.routers.is_empty() || router.is_some_and(|router| self.routers.contains(&router));
        if !self.is_on_portal(terms) || !is_sold_there {
            return Offered::NotHere;
        }
        let Some(week) = &self.hours else { return Offered::Yes { until: None } };
        match (Hours { week: week.clone(), zone: zone.clone() }).at(now) {
            Door::Open { closes } => Offered::Yes { until: closes },
            Door::Closed { opens } => Offered::Later { from: opens },
        }
    }
}

const fn one() -> NonZeroU16 {
    NonZeroU16::MIN
}

fn is_one(number: &NonZeroU16) -> bool {
    number.get() == 1
}

fn is_first(place: &i32) -> bool {
    *place == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Id;
    use crate::time::Span;

    fn nairobi() -> Zone {
        "Africa/Nairobi".parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_jiff(text.parse().unwrap())
    }

    const ALWAYS: Offered = Offered::Yes { until: None };

    #[test]
    fn a_plan_of_which_nothing_is_said_is_sold_everywhere_if_it_begins_at_first_use() {
        let (sale, now) = (Sale::default(), at("2026-11-21T09:00:00Z"));
        let hour = Terms::hotspot(Span::hours(1));
        assert_eq!(sale.offered(&hour, None, &nairobi(), now), ALWAYS);
        assert_eq!(sale.offered(&hour, Some(RouterId::from_raw(1)), &nairobi(), now), ALWAYS);
        let month = Terms::service(Span::days(30));
        assert_eq!(sale.offered(&month, None, &nairobi(), now), Offered::NotHere);
        let shown = Sale { portal: Some(true), ..sale.clone() };
        assert_eq!(shown.offered(&month, None, &nairobi(), now), ALWAYS);
        let hidden = Sale { portal: Some(false), ..sale };
        assert_eq!(hidden.offered(&hour, None, &nairobi(), now), Offered::NotHere);
    }

    #[test]
    fn a_plan_of_one_site_is_not_sold_at_the_other() {
        let (beach, hill) = (RouterId::from_raw(1), RouterId::from_raw(2));
        let sale = Sale { routers: vec![beach], ..Sale::default() };
        let terms = Terms::hotspot(Span::hours(1));
        let offered = |router| sale.offered(&terms, router, &nairobi(), Timestamp::from_micros(0));
        assert_eq!(offered(Some(beach)), ALWAYS);
        assert_eq!(offered(Some(hill)), Offered::NotHere);
        assert_eq!(offered(None), Offered::NotHere);
    }

    #[test]
    fn hours_of_sale_are_those_of_the_place_and_may_run_over_midnight() {
        // Nairobi is three hours ahead of UTC; 2026-11-21 is a Saturday.
        let week = Some("Sa 22:00-06:00".parse().unwrap());
        let sale = Sale { hours: week, ..Sale::default() };
        let terms = Terms::hotspot(Span::hours(8));
        let offered = |now| sale.offered(&terms, None, &nairobi(), at(now));
        let opens = Some(at("2026-11-21T19:00:00Z"));
        assert_eq!(offered("2026-11-21T18:59:59Z"), Offered::Later { from: opens });
        let until = Some(at("2026-11-22T03:00:00Z"));
        assert_eq!(offered("2026-11-21T19:00:00Z"), Offered::Yes { until });
        assert_eq!(offered("2026-11-22T02:59:59Z"), Offered::Yes { until });
        let next = Some(at("2026-11-28T19:00:00Z"));
        assert_eq!(offered("2026-11-22T03:00:00Z"), Offered::Later { from: next });
    }

    #[test]
    fn what_is_stored_is_only_what_was_said() {
        assert_eq!(serde_json::to_string(&Sale::default()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<Sale>("{}").unwrap(), Sale::default());
        let said = Sale {
            portal: Some(true),
            place: -3,
            routers: vec![RouterId::from_raw(7)],
            hours: Some("Mo-Fr 08:00-18:00".parse().unwrap()),
            trial: true,
            vouchers: NonZeroU16::new(5).unwrap(),
        };
        let text = serde_json::to_string(&said).unwrap();
        assert_eq!(serde_json::from_str::<Sale>(&text).unwrap(), said);
    }
}
