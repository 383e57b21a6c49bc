//! What the audience sees: each connect, each cut with its lateness, and the sum of it.

use super::auditor::Auditor;
use super::books::{Books, Times};
use super::town::{Town, VISITOR};
use crate::app::App;
use lango_domain::ids::{GrantId, MessageId, RouterId, TenantId};
use lango_domain::time::{Span, Timestamp};
use lango_router_sim::Change;
use lango_store::Tx;
use lango_store::cuts::Cut;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// So many of the latest messages are looked through each time for warnings.
const LAST_MESSAGES: i64 = 40;

/// Tells the story.
pub(super) struct Reporter {
    app: App,
    tenant: TenantId,
    speed: f64,
    json: bool,
    start: Timestamp,
    told: i64,
    cuts: Vec<Cut>,
    connects: usize,
    away: bool,
    payments: usize,
    /// Questions of which was told that they came to nothing.
    unpaid: BTreeSet<String>,
    /// Warnings that were told of.
    warned: BTreeSet<MessageId>,
}

/// The sum of a demonstration. Lateness is in real milliseconds.
#[derive(serde::Serialize)]
struct Summary {
    people: usize,
    payments: u32,
    connects: usize,
    cuts: usize,
    cut_by_lango: usize,
    cut_by_the_router_itself: usize,
    lateness_ms_p50: f64,
    lateness_ms_p99: f64,
    lateness_ms_max: f64,
    lateness_ms_max_after_outage: f64,
    messages: usize,
    texts_on_phones: usize,
    looks: u64,
    served: usize,
    wrongly_cut: Vec<String>,
    left_on: Vec<String>,
    unconfirmed: usize,
    money: Books,
    passed: bool,
}

impl Reporter {
    pub(super) fn new(app: &App, tenant: TenantId, speed: f64, json: bool) -> Reporter {
        let start = app.clock().now();
        Reporter {
            app: app.clone(),
            tenant,
            speed,
            json,
            start,
            told: 0,
            cuts: Vec::new(),
            connects: 0,
            away: false,
            payments: 0,
            unpaid: BTreeSet::new(),
            warned: BTreeSet::new(),
        }
    }

    pub(super) fn opening(&self, town: &Town, lasts: Span) {
        let (portal, phones) = (town.portal_for_a_visitor(), town.outside().phones.base_url());
        if self.json {
            let line = serde_json::json!({ "event": "open", "portal": portal, "phones": phones });
            return say(&line.to_string());
        }
        let routers: Vec<String> = town
            .places
            .iter()
            .map(|place| format!("{} by {}", place.name, place.protocol))
            .collect();
        say(&format!(
            "Two simulated RouterOS routers on real sockets: {}.\n\
             A minute passes in {:.1} s; {lasts} of business. Lateness is real time.\n\n\
             Be a customer yourself: choose a plan at\n  {portal}\n\
             with any phone number, and press Approve on that phone at\n  {phones}/\n\
             With `--speed 1` there is time for it.\n",
            routers.join(", "),
            60.0 / self.speed
        ));
    }

    /// Tells what happened since the last time.
    pub(super) async fn tell(&mut self, town: &mut Town) -> anyhow::Result<()> {
        self.tell_outage(town);
        self.tell_who_did_not_pay(town);
        self.tell_payments(town);
        self.tell_connects(town);
        self.tell_warnings(town).await?;
        let tenant = self.tenant;
        let mut fresh = self
            .app
            .store()
            .read(async move |tx: &mut Tx<'_>| lango_store::cuts::page(tx, tenant, None, 200).await)
            .await?;
        fresh.retain(|cut| cut.id > self.told);
        fresh.sort_by_key(|cut| cut.id);
        for cut in fresh {
            self.told = cut.id;
            self.tell_cut(town, &cut);
            self.cuts.push(cut);
        }
        Ok(())
    }

    fn tell_outage(&mut self, town: &Town) {
        let place = &town.places[0];
        if place.away == self.away {
            return;
        }
        self.away = place.away;
        let what = if place.away { "cannot be reached any more" } else { "is back" };
        self.line(&format!("! the router in the {} {what}", place.name), || {
            serde_json::json!({ "event": if place.away { "outage" } else { "back" }, "router": place.name })
        });
    }

    fn tell_payments(&mut self, town: &Town) {
        let all = town.outside().people.transactions();
        for (number, paid) in all.iter().enumerate().skip(self.payments) {
            let who = owner(town, &paid.payer);
            let before = all.iter().take(number).any(|other| other.payer == paid.payer);
            let again = if before { " again" } else { "" };
            let (amount, receipt) = (paid.amount.to_string(), &paid.receipt);
            let price = amount.trim_end_matches(".00");
            self.line(&format!("$ {who} pays {price} by phone{again}, receipt {receipt}"), || {
                serde_json::json!({
                    "event": "payment", "who": who, "amount": amount, "receipt": receipt,
                    "again": before,
                })
            });
        }
        self.payments = all.len();
    }

    fn tell_who_did_not_pay(&mut self, town: &Town) {
        for push in town.outside().daraja.pushes() {
            let (Some(code), None) = (&push.result, &push.receipt) else { continue };
            if !self.unpaid.insert(push.checkout_request_id.clone()) {
                continue;
            }
            let who = owner(town, &push.msisdn);
            let why = match code.as_str() {
                "1032" => "says no on the phone",
                "1037" => "does not look at the phone",
                "1" => "has too little money on the phone",
                _ => "cannot pay by phone",
            };
            self.line(
                &format!("? {who} {why}"),
                || serde_json::json!({ "event": "not paid", "who": who, "code": code }),
            );
        }
    }

    async fn tell_warnings(&mut self, town: &Town) -> anyhow::Result<()> {
        let tenant = self.tenant;
        let last = async move |tx: &mut Tx<'_>| {
            lango_store::messages::page(tx, tenant, None, LAST_MESSAGES).await
        };
        let mut last = self.app.store().read(last).await?;
        last.reverse();
        for message in last.iter().filter(|message| message.reason == "ends soon") {
            if !self.warned.insert(message.id) {
                continue;
            }
            let who = message.grant.map_or_else(String::new, |grant| who(town, grant));
            self.line(
                &format!("~ {who} is warned by SMS: it ends soon"),
                || serde_json::json!({ "event": "warning", "who": who }),
            );
        }
        Ok(())
    }

    fn tell_connects(&mut self, town: &mut Town) {
        for number in 0..town.places.len() {
            while let Ok(event) = town.places[number].events.try_recv() {
                let Change::Connected { how } = &event.change else { continue };
                self.connects += 1;
                let place = town.places[number].name;
                let who = town
                    .people
                    .iter()
                    .find(|person| person.mac == event.mac)
                    .map_or_else(|| event.user.clone(), |person| person.name.clone());
                let who = if event.mac == VISITOR { "Your phone".to_owned() } else { who };
                let told = in_words(how);
                self.line(&format!("+ {who} is online in the {place}, {told}"), || {
                    serde_json::json!({ "event": "connect", "who": who, "router": place, "how": how })
                });
            }
        }
    }

    fn tell_cut(&self, town: &Town, cut: &Cut) {
        let (who, place) = (who(town, cut.grant), place(town, cut.router));
        let late = self.real_ms(cut.lateness);
        let by = if cut.confirmed_by == "router" { ", by the router's own deadline" } else { "" };
        self.line(&format!("- {who} is cut in the {place}, {late:.0} ms late{by}"), || {
            serde_json::json!({
                "event": "cut", "who": who, "router": place, "late_ms": late,
                "confirmed_by": cut.confirmed_by, "sessions_ended": cut.sessions_ended,
            })
        });
    }

    /// Whether no router owes a confirmation.
    pub(super) async fn nothing_is_open(&self) -> anyhow::Result<bool> {
        Ok(self.open_cuts().await? == 0)
    }

    async fn open_cuts(&self) -> anyhow::Result<usize> {
        let tenant = self.tenant;
        let open = self
            .app
            .store()
            .read(async move |tx: &mut Tx<'_>| {
                lango_store::enforcements::uncut(tx, tenant, 1_000).await
            })
            .await?;
        Ok(open.len())
    }

    /// Tells the sum. True if every promise was kept.
    pub(super) async fn closing(
        &self,
        town: &Town,
        auditor: &Auditor,
        books: Books,
    ) -> anyhow::Result<bool> {
        let summary = self.summary(town, auditor, books).await?;
        if self.json {
            let line = serde_json::json!({ "event": "summary", "summary": summary });
            say(&line.to_string());
        } else {
            say(&text(&summary));
        }
        Ok(summary.passed)
    }

    async fn summary(
        &self,
        town: &Town,
        auditor: &Auditor,
        money: Books,
    ) -> anyhow::Result<Summary> {
        let tenant = self.tenant;
        let messages = self
            .app
            .store()
            .read(async move |tx: &mut Tx<'_>| {
                lango_store::messages::page(tx, tenant, None, 10_000).await
            })
            .await?
            .len();
        // What waited for a router that was away is counted apart: nobody could be faster.
        let away = Span::minutes(1);
        let (waited, prompt): (Vec<&Cut>, Vec<&Cut>) =
            self.cuts.iter().partition(|cut| cut.lateness > away);
        let mut late: Vec<f64> = prompt.iter().map(|cut| self.real_ms(cut.lateness)).collect();
        late.sort_by(f64::total_cmp);
        let by_router = self.cuts.iter().filter(|cut| cut.confirmed_by == "router").count();
        let unconfirmed = self.open_cuts().await?;
        let wrongly_cut: Vec<String> = auditor.wrongly_cut.values().cloned().collect();
        let left_on: Vec<String> = auditor.left_on.values().cloned().collect();
        let passed = wrongly_cut.is_empty()
            && left_on.is_empty()
            && unconfirmed == 0
            && money.faults.is_empty()
            && money.used > 0
            && !self.cuts.is_empty()
            && !auditor.served.is_empty();
        Ok(Summary {
            people: town.people.len(),
            payments: town.payments,
            connects: self.connects,
            cuts: self.cuts.len(),
            cut_by_lango: self.cuts.len() - by_router,
            cut_by_the_router_itself: by_router,
            lateness_ms_p50: percentile(&late, 50),
            lateness_ms_p99: percentile(&late, 99),
            lateness_ms_max: percentile(&late, 100),
            lateness_ms_max_after_outage: waited
                .iter()
                .map(|cut| self.real_ms(cut.lateness))
                .fold(0.0, f64::max),
            messages,
            texts_on_phones: town.outside().texts_that_arrived(),
            looks: auditor.looks,
            served: auditor.served.len(),
            wrongly_cut,
            left_on,
            unconfirmed,
            money,
            passed,
        })
    }

    fn real_ms(&self, span: Span) -> f64 {
        span.micros() as f64 / 1_000.0 / self.speed
    }

    fn line(&self, sentence: &str, json: impl FnOnce() -> serde_json::Value) {
        let passed = self.app.clock().now().since(self.start);
        if self.json {
            let mut object = json();
            object["at_seconds"] = passed.as_seconds().into();
            return say(&object.to_string());
        }
        say(&format!("{}  {sentence}", written(passed)));
    }
}

/// How far into the demonstration something happened, as every line of it begins.
pub(super) fn written(passed: Span) -> String {
    let seconds = passed.as_seconds();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Whose phone that is.
fn owner<'t>(town: &'t Town, phone: &str) -> &'t str {
    let has = |own: &String| own.trim_start_matches('+') == phone;
    let known = town.people.iter().find(|person| person.phone.as_ref().is_some_and(has));
    known.map_or("Somebody at the page of the phones", |person| &person.name)
}

/// How a router calls a way in, for people.
fn in_words(how: &str) -> &str {
    match how {
        "admin" => "let in by Lango",
        "http-pap" => "handed over by the portal",
        "http-chap" => "with a voucher",
        "pppoe" => "by PPPoE",
        "cookie" | "mac-cookie" => "known to the router",
        other => other,
    }
}

fn who(town: &Town, grant: GrantId) -> String {
    let person = town.people.iter().find(|person| person.grant == grant);
    person.map_or_else(|| grant.to_string(), |person| person.name.clone())
}

fn place(town: &Town, router: RouterId) -> &'static str {
    let names: BTreeMap<RouterId, &'static str> =
        town.places.iter().map(|place| (place.id, place.name)).collect();
    names.get(&router).copied().unwrap_or("?")
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * percent / 100).min(last)).copied().unwrap_or(0.0)
}

fn text(summary: &Summary) -> String {
    let mut text = format!(
        "\n{} people made {} payments and were connected {} times.\n\
         {} cuts, each confirmed by its router: {} by Lango, {} by the router's own deadline.\n\
         Lateness from deadline to confirmation: p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms.\n",
        summary.people,
        summary.payments,
        summary.connects,
        summary.cuts,
        summary.cut_by_lango,
        summary.cut_by_the_router_itself,
        summary.lateness_ms_p50,
        summary.lateness_ms_p99,
        summary.lateness_ms_max,
    );
    if summary.lateness_ms_max_after_outage > 0.0 {
        text.push_str(&format!(
            "Confirmed late because the router was away: up to {:.1} s.\n",
            summary.lateness_ms_max_after_outage / 1_000.0
        ));
    }
    text.push_str(&money(&summary.money));
    text.push_str(&format!(
        "{} messages sent, {} reached their phones. {} of {} people were seen online, in {} looks.\n\
         Cut wrongly: {}. Left on: {}. Unconfirmed: {}.\n",
        summary.messages,
        summary.texts_on_phones,
        summary.served,
        summary.people,
        summary.looks,
        summary.wrongly_cut.len(),
        summary.left_on.len(),
        summary.unconfirmed,
    ));
    for (kind, names) in [("cut wrongly", &summary.wrongly_cut), ("left on", &summary.left_on)] {
        for name in names {
            text.push_str(&format!("  {kind}: {name}\n"));
        }
    }
    for fault in &summary.money.faults {
        text.push_str(&format!("  money: {fault}\n"));
    }
    text.push_str(if summary.passed { "Every promise was kept." } else { "A PROMISE WAS BROKEN." });
    text
}

fn money(books: &Books) -> String {
    let mut text = format!(
        "{} payments by phone: {} bought access once, {} are in wallets, {} wait for a person.\n\
         {} questions were cancelled, ignored or not covered.\n\
         Of its answers the provider lost {} and told {} twice. Faults in the books: {}.\n",
        books.paid,
        books.used,
        books.credited,
        books.waiting,
        books.not_paid,
        books.never_told,
        books.told_twice,
        books.faults.len(),
    );
    for (what, times) in [
        ("logged in by Lango", &books.connected_ms),
        ("handed over by the customer's phone", &books.handed_over_ms),
        ("after an answer that was late or lost", &books.found_by_asking_ms),
    ] {
        let Times { count, p50, p95, max } = times;
        if *count > 0 {
            text.push_str(&format!(
                "From paid to online, {what} ({count}): p50 {p50:.0} ms, p95 {p95:.0} ms, max \
                 {max:.0} ms.\n"
            ));
        }
    }
    text
}

/// A closed pipe (`lango demo | head`) ends the telling, not the demonstration.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
