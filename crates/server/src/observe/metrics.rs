//! The numbers that scrapers read. Names are a contract: `lango_…`.

use crate::observe::pulse::Beats;
use lango_domain::time::Span;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// What a number about a request is told by. Only what we chose ourselves: a label that a caller
/// could choose would fill the memory.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct Asked {
    /// GET, POST …, or `other`.
    pub method: &'static str,
    /// The path as it is declared, with names for what varies.
    pub route: String,
    /// The status of the answer.
    pub status: u16,
}

/// All numbers of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Grants that ended.
    pub ended: Counter,
    /// Cuts that a router confirmed.
    pub cuts: Counter,
    /// Accesses that a router confirmed open.
    pub connects: Counter,
    /// Devices that we logged in and a router showed online.
    pub admissions: Counter,
    /// Orders to routers that failed and are tried again.
    pub failures: Counter,
    /// Lines that webhooks were to be told and never were.
    pub webhook_lines_given_up: Counter,
    /// Routers that answer.
    pub routers_up: Gauge,
    /// Routers that do not.
    pub routers_down: Gauge,
    /// Messages of payment providers that are to be worked off.
    pub letters_waiting: Gauge,
    payments: Family<[(&'static str, String); 1], Gauge>,
    granting: Histogram,
    lateness: Histogram,
    radius: Family<[(&'static str, &'static str); 2], Counter>,
    requests: Family<Asked, Histogram, fn() -> Histogram>,
    last_pass: Family<[(&'static str, &'static str); 1], Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("lango");
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let ended = counter("grants_ended", "Grants whose time or data was over");
        let cuts = counter("cuts_confirmed", "Cuts that a router confirmed");
        let connects = counter("connects_confirmed", "Accesses that a router confirmed open");
        let admissions =
            counter("admissions_confirmed", "Devices logged in that a router showed online");
        let failures =
            counter("orders_failed", "Orders to routers that failed and are tried again");
        let webhook_lines_given_up =
            counter("webhook_lines_given_up", "Lines that webhooks were to be told and never were");
        let (routers_up, routers_down) = (Gauge::default(), Gauge::default());
        registry.register("routers_up", "Routers that answer", routers_up.clone());
        registry.register("routers_down", "Routers that do not answer", routers_down.clone());
        let bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0, 3600.0];
        let lateness = Histogram::new(bounds);
        registry.register_with_unit(
            "cut_lateness",
            "From the deadline to the router's confirmation",
            Unit::Seconds,
            lateness.clone(),
        );
        let letters_waiting = Gauge::default();
        registry.register(
            "payment_letters_waiting",
            "Messages of payment providers that are to be worked off",
            letters_waiting.clone(),
        );
        let payments = Family::default();
        registry.register(
            "payments_of_a_day",
            "Payments of the last 24 hours, by where they stand",
            payments.clone(),
        );
        let granting = Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 15.0, 60.0]);
        registry.register_with_unit(
            "payment_confirmed_to_granted",
            "From a provider's message that it was paid to the access that it bought",
            Unit::Seconds,
            granting.clone(),
        );
        let radius = Family::default();
        registry.register(
            "radius_packets",
            "RADIUS requests and what came of them",
            radius.clone(),
        );
        let requests: Family<Asked, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| {
                Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 30.0])
            });
        registry.register_with_unit(
            "http_request_duration",
            "From the request to its answer",
            Unit::Seconds,
            requests.clone(),
        );
        let last_pass = Family::default();
        registry.register_with_unit(
            "engine_last_pass",
            "When each engine last finished a pass, since 1970",
            Unit::Seconds,
            last_pass.clone(),
        );
        Metrics {
            registry,
            ended,
            cuts,
            connects,
            admissions,
            failures,
            webhook_lines_given_up,
            routers_up,
            routers_down,
            letters_waiting,
            payments,
            granting,
            lateness,
            radius,
            requests,
            last_pass,
        }
    }
}

impl Metrics {
    /// Notes how late a cut was.
    pub fn note_lateness(&self, lateness: Span) {
        self.lateness.observe(lateness.to_std().as_secs_f64());
    }

    /// Notes how long it took from a provider's message to the access that was bought.
    pub fn note_granting(&self, took: Span) {
        self.granting.observe(took.to_std().as_secs_f64());
    }

    /// Says how many payments of the last day stand where; what is not named is none.
    pub fn say_payments(&self, by_state: Vec<(String, i64)>) {
        self.payments.clear();
        for (state, count) in by_state {
            self.payments.get_or_create(&[("state", state)]).inc_by(count);
        }
    }

    /// Notes a RADIUS request and what came of it.
    pub fn note_radius(&self, purpose: &'static str, came_of_it: &'static str) {
        self.radius.get_or_create(&[("purpose", purpose), ("outcome", came_of_it)]).inc();
    }

    /// Notes RADIUS requests that nobody here ever saw.
    pub fn note_radius_lost(&self, purpose: &'static str, outcome: &'static str, count: u64) {
        self.radius.get_or_create(&[("purpose", purpose), ("outcome", outcome)]).inc_by(count);
    }

    /// How many RADIUS requests came to that.
    pub fn radius_count(&self, purpose: &'static str, outcome: &'static str) -> u64 {
        self.radius.get_or_create(&[("purpose", purpose), ("outcome", outcome)]).get()
    }

    /// Notes an answered request.
    pub fn note_request(&self, asked: Asked, took: Duration) {
        self.requests.get_or_create(&asked).observe(took.as_secs_f64());
    }

    /// Everything in the Prometheus text format.
    pub fn text(&self, beats: &Beats) -> String {
        for (engine, at) in beats {
            let seconds = at.micros() / 1_000_000;
            self.last_pass.get_or_create(&[("engine", engine.word())]).set(seconds);
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
