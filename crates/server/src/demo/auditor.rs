//! Believes nobody. Knows what each person paid for by its own arithmetic, asks the routers
//! whether he can browse, and writes down where the two differ.

use super::report::written;
use super::town::{Kind, Town};
use lango_domain::time::{Span, Timestamp};
use lango_router_sim::MacAddress;
use std::collections::{BTreeMap, BTreeSet};

/// Routers count in whole seconds: nearer to an end than this nothing can be said.
const GRAIN: Span = Span::seconds(2);
/// How long after an end somebody may still be online before he counts as left on, in the
/// demonstration's time. At sixty times the speed of life it is a second, as promised; nearer than
/// that, a busy machine is all that is seen.
const LEFT_ON_AFTER: Span = Span::seconds(60);

/// How long a router may be back before it is found again: Lango asks once a minute at the least.
const FOUND_AGAIN_AFTER: Span = Span::seconds(90);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Auditor {
    /// When the demonstration began: what it says happened so long after that.
    began: Timestamp,
    /// Looks that somebody was given.
    pub(super) looks: u64,
    /// Who was online when he had paid.
    pub(super) served: BTreeSet<MacAddress>,
    /// Who was off although he had paid, and until when.
    pub(super) wrongly_cut: BTreeMap<MacAddress, String>,
    /// Who was still on well after his end, while the router could be reached.
    pub(super) left_on: BTreeMap<MacAddress, String>,
    off_since: BTreeMap<MacAddress, Timestamp>,
}

impl Auditor {
    /// Watches a demonstration that begins then.
    pub(super) fn from(began: Timestamp) -> Self {
        Auditor { began, ..Auditor::default() }
    }

    /// Looks at everybody once.
    pub(super) fn look(&mut self, town: &Town, now: Timestamp) {
        for person in &town.people {
            let (Some(end), Some(over)) = (person.paid_until, person.over_at()) else { continue };
            let online = town.browses(person);
            self.looks += 1;
            let place = &town.places[person.at];
            let fair_from = (over + LEFT_ON_AFTER).max(place.back_at + FOUND_AGAIN_AFTER);
            if now > fair_from && online && !place.away {
                let late = now.since(over);
                self.left_on.entry(person.mac).or_insert(format!("{} {late} after", person.name));
            }
            if now + GRAIN < end && now > person.steady_from {
                self.judge_paid(person.mac, &person.name, online, &person.kind, now);
            } else {
                self.off_since.remove(&person.mac);
            }
        }
    }

    /// A modem that lost its session dials again within seconds; everybody else has no excuse.
    fn judge_paid(
        &mut self,
        mac: MacAddress,
        name: &str,
        online: bool,
        kind: &Kind,
        now: Timestamp,
    ) {
        if online {
            self.served.insert(mac);
            self.off_since.remove(&mac);
            return;
        }
        let patience = if *kind == Kind::Pppoe { Span::seconds(30) } else { Span::ZERO };
        let since = *self.off_since.entry(mac).or_insert(now);
        if now.since(since) >= patience {
            let when = written(now.since(self.began));
            self.wrongly_cut.entry(mac).or_insert_with(|| format!("{name} at {when}"));
        }
    }

    /// The last look: everybody's time is over, nobody may be online.
    pub(super) fn close(&mut self, town: &Town, now: Timestamp) {
        for person in &town.people {
            let over = person.over_at().is_some_and(|over| over <= now);
            if over && town.browses(person) {
                self.left_on.entry(person.mac).or_insert(format!("{} at the end", person.name));
            }
        }
    }
}
