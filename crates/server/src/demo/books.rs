//! Compares the books at the end: what the payment provider's stand-in knows to have been paid, what
//! Lango says that came and what it bought, and who was online for it. Believes neither.

use super::outside::Outside;
use super::town::Town;
use crate::app::App;
use lango_domain::ids::{GatewayId, Id, TenantId};
use lango_provider_sim::Transaction;
use lango_router_sim::MacAddress;
use lango_store::ledger::Balance;
use lango_store::money_in::{Fate, MoneyIn};
use lango_store::receipts::Receipt;
use lango_store::{Error, Order, Tx};
use std::collections::{BTreeMap, BTreeSet};

/// More than a demonstration can have.
const ALL: i64 = 100_000;
/// A message about money that comes within this time came at once, in microseconds.
const AT_ONCE: i64 = 1_000_000;

/// What was found.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Books {
    /// Payments that the provider took.
    pub(super) paid: usize,
    /// Of them, those that bought something.
    pub(super) used: usize,
    /// Those that are in a wallet.
    pub(super) credited: usize,
    /// Those that wait for a person.
    pub(super) waiting: usize,
    /// Questions on phones that came to nothing.
    pub(super) not_paid: usize,
    /// Questions of which the provider never told what became.
    pub(super) never_told: usize,
    /// Of which it told more than once.
    pub(super) told_twice: usize,
    /// Of which it told late.
    pub(super) told_late: usize,
    /// From the provider's confirmation to the router showing the session, where it told at once
    /// and Lango logs the device in.
    pub(super) connected_ms: Times,
    /// The same where the customer's own phone presents a password to the router.
    pub(super) handed_over_ms: Times,
    /// The same where the provider told nothing or late.
    pub(super) found_by_asking_ms: Times,
    /// What is wrong, in words.
    pub(super) faults: Vec<String>,
}

/// Some times.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Times {
    pub(super) count: usize,
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) max: f64,
}

impl Times {
    fn of(mut all: Vec<f64>) -> Times {
        all.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let place = (all.len() * percent).div_ceil(100).max(1) - 1;
            all.get(place).copied().unwrap_or(0.0)
        };
        Times { count: all.len(), p50: at(50), p95: at(95), max: at(100) }
    }
}

struct Ours {
    money: Vec<MoneyIn>,
    receipts: Vec<Receipt>,
    balances: Vec<Balance>,
    unbalanced: i64,
}

impl Books {
    /// Compares everything.
    pub(super) async fn close(
        app: &App,
        town: &Town,
        served: &BTreeSet<MacAddress>,
        speed: f64,
    ) -> Result<Books, Error> {
        let ours = ours(app, town.tenant()).await?;
        let truth = town.outside().people.transactions();
        let mut books = Books { paid: truth.len(), ..Books::default() };
        books.each_receipt_once(&truth, &ours);
        books.nothing_is_invented(&truth, &ours);
        books.add_up(&truth, &ours, town.gateway());
        books.nobody_pays_for_nothing(&truth, town, served);
        books.what_was_told(town.outside());
        books.how_soon(&truth, town, speed);
        books.faults.extend(town.faults.iter().cloned());
        Ok(books)
    }

    fn each_receipt_once(&mut self, truth: &[Transaction], ours: &Ours) {
        for paid in truth {
            let Transaction { receipt, amount, .. } = paid;
            let came: Vec<&MoneyIn> =
                ours.money.iter().filter(|money| is_of(paid, &money.receipt)).collect();
            let [money] = came.as_slice() else {
                self.faults.push(format!("{receipt}, {amount}, is there {} times", came.len()));
                continue;
            };
            if money.amount.amount != amount.hundredths {
                self.faults.push(format!("{receipt}: {amount} was paid, {} came", money.amount));
            }
            let bought = ours.receipts.iter().filter(|one| is_of(paid, &one.receipt)).count();
            match money.fate {
                Fate::Used => self.used += 1,
                Fate::Credited => self.credited += 1,
                Fate::Waiting(_) | Fate::GivenBack => self.waiting += 1,
            }
            if bought != usize::from(money.fate == Fate::Used) {
                let fate = money.fate.word();
                self.faults.push(format!("{receipt} is {fate} and bought {bought} times"));
            }
        }
    }

    fn nothing_is_invented(&mut self, truth: &[Transaction], ours: &Ours) {
        let came = ours.money.iter().filter(|money| money.gateway.is_some());
        let invented = came.filter(|money| !truth.iter().any(|paid| is_of(paid, &money.receipt)));
        self.faults.extend(invented.map(|money| format!("nobody paid {}", money.receipt)));
    }

    fn add_up(&mut self, truth: &[Transaction], ours: &Ours, gateway: GatewayId) {
        if ours.unbalanced != 0 {
            self.faults.push(format!("{} entries of the ledger do not add up", ours.unbalanced));
        }
        let with = |account: &str, owner: i64| -> i64 {
            let those = ours.balances.iter().filter(|one| one.account == account);
            those.filter(|one| one.owner == owner).map(|one| one.amount.amount).sum()
        };
        let (taken, booked): (i64, i64) = (
            truth.iter().map(|paid| paid.amount.hundredths).sum(),
            with("clearing", gateway.raw()),
        );
        if taken != booked {
            self.faults.push(format!("the provider holds {taken} cents, the books say {booked}"));
        }
    }

    fn nobody_pays_for_nothing(
        &mut self,
        truth: &[Transaction],
        town: &Town,
        served: &BTreeSet<MacAddress>,
    ) {
        let mut payments: BTreeMap<&str, usize> = BTreeMap::new();
        for paid in truth {
            *payments.entry(paid.payer.as_str()).or_default() += 1;
        }
        for person in &town.people {
            let Some(phone) = &person.phone else { continue };
            let paid = payments.get(phone.trim_start_matches('+')).copied().unwrap_or(0);
            if paid != person.purchases {
                let (name, got) = (&person.name, person.purchases);
                self.faults.push(format!("{name} paid {paid} times and was given {got}"));
            }
            if paid > 0 && !served.contains(&person.mac) {
                self.faults.push(format!("{} paid and was never online", person.name));
            }
        }
    }

    fn what_was_told(&mut self, outside: &Outside) {
        let told = outside.daraja.deliveries();
        for push in outside.daraja.pushes() {
            let Some(_) = &push.result else { continue };
            let id = &push.checkout_request_id;
            self.not_paid += usize::from(push.receipt.is_none());
            match told.iter().filter(|one| one.body.contains(id.as_str())).count() {
                0 => self.never_told += 1,
                1 => {}
                _ => self.told_twice += 1,
            }
        }
    }

    /// Who was off when he paid: how long it took until the router showed his session.
    fn how_soon(&mut self, truth: &[Transaction], town: &Town, speed: f64) {
        let told = town.outside().daraja.deliveries();
        let (mut connected, mut handed_over, mut found) = (Vec::new(), Vec::new(), Vec::new());
        let mut known = BTreeSet::new();
        for paid in truth {
            let payer = town.people.iter().find(|person| {
                person.phone.as_deref().map(|phone| phone.trim_start_matches('+'))
                    == Some(paid.payer.as_str())
            });
            let Some(payer) = payer.filter(|payer| known.insert(payer.mac)) else { continue };
            // Who left before he paid comes back when he likes, and a router may be away.
            if payer.left_before_paying || town.is_away_at(payer.at, paid.at_micros) {
                continue;
            }
            let Some(online) = town.next_connect(payer.mac, paid.at_micros) else { continue };
            let took = (online - paid.at_micros) as f64 / 1_000.0 / speed;
            let message = told.iter().find(|one| one.body.contains(&paid.receipt));
            let late = message.is_none_or(|one| one.at_micros - paid.at_micros > AT_ONCE);
            self.told_late += usize::from(late && message.is_some());
            match (late, payer.at) {
                (true, _) => found.push(took),
                (false, 0) => connected.push(took),
                (false, _) => handed_over.push(took),
            }
        }
        self.connected_ms = Times::of(connected);
        self.handed_over_ms = Times::of(handed_over);
        self.found_by_asking_ms = Times::of(found);
    }
}

/// Whether money is known by its receipt, or by the provider's number of the question: one that is
/// asked what became of it names no receipt.
fn is_of(paid: &Transaction, known_as: &str) -> bool {
    paid.receipt == known_as || paid.request.as_deref() == Some(known_as)
}

async fn ours(app: &App, tenant: TenantId) -> Result<Ours, Error> {
    app.store()
        .report(async move |tx: &mut Tx<'_>| {
            let order = Order::Ascending;
            Ok(Ours {
                money: lango_store::money_in::listed(tx, tenant, false, order, None, ALL).await?,
                receipts: lango_store::receipts::listed(tx, tenant, order, None, ALL).await?,
                balances: lango_store::ledger::balances(tx, tenant).await?,
                unbalanced: lango_store::ledger::count_unbalanced(tx, tenant).await?,
            })
        })
        .await
}
