//! "My access": what is left, and what one can do with it. From the phone's Wi-Fi settings, from a
//! message, or from any browser.

use crate::web::portal::access::shown_code;
use crate::web::portal::desk::{self, Holding};
use crate::web::portal::pages::{Fact, Status};
use crate::web::portal::respond;
use crate::web::portal::sentences::Sentences;
use crate::web::portal::visitor::Visitor;
use crate::web::portal::words;
use axum::http::StatusCode;
use axum::response::Response;
use lango_domain::grant::State;
use lango_store::Error;
use std::time::Duration;
use tokio::time::Instant;

/// How many receipts are shown.
const RECEIPTS: usize = 5;
/// How long it takes at most until a router that answers has been read again.
const UNTIL_READ: Duration = Duration::from_secs(6);

/// `GET /p/{router}/status`
pub(crate) async fn show(visitor: Visitor) -> Response {
    match holding(&visitor).await {
        Ok(Some(holding)) => known(&visitor, &holding),
        Ok(None) => nobody(&visitor),
        Err(error) => visitor.fault(&error),
    }
}

async fn holding(visitor: &Visitor) -> Result<Option<Holding>, Error> {
    let (app, site, visit) = (&visitor.here.app, &visitor.site, &visitor.visit);
    let grant = match (visit.holds, visit.mac) {
        (Some(grant), _) => Some(grant),
        (None, Some(mac)) => desk::of_device(app, site, mac).await?,
        (None, None) => None,
    };
    match grant {
        Some(grant) => desk::holding(app, site, grant).await,
        None => Ok(None),
    }
}

fn known(visitor: &Visitor, holding: &Holding) -> Response {
    let say = visitor.say();
    let holds = visitor.visit.holds == Some(holding.stored.grant.id);
    let online = is_online(visitor, holding);
    let may_connect =
        holds && !online && visitor.visit.mac.is_some() && desk::is_good(holding, &visitor.site);
    let receipts = holding.receipts.iter().rev().take(RECEIPTS).map(|receipt| Fact {
        name: format!("{} · {}", visitor.when(receipt.paid_at), receipt.receipt),
        value: words::amount(receipt.amount),
    });
    let page = Status {
        frame: visitor.frame(say.status_title),
        notice: visitor.asked.contains_key("left").then(|| say.logged_out.to_owned()),
        facts: facts(visitor, holding),
        connect: may_connect.then(|| visitor.link("connect")),
        renew: visitor
            .link_with("", &[("stay", "1"), ("plan", &holding.stored.grant.plan.to_string())]),
        code: shown_code(visitor, holding),
        devices: if holds { devices(visitor, holding) } else { Vec::new() },
        receipts: if holds { receipts.collect() } else { Vec::new() },
        leave: (holds && online).then(|| visitor.link("leave")),
    };
    respond::page(&visitor.headers, StatusCode::OK, &page)
}

fn nobody(visitor: &Visitor) -> Response {
    let say = visitor.say();
    let page = Status {
        frame: visitor.frame(say.status_title),
        notice: Some(say.status_none.to_owned()),
        facts: Vec::new(),
        connect: None,
        renew: visitor.link_with("", &[("stay", "1")]),
        code: None,
        devices: Vec::new(),
        receipts: Vec::new(),
        leave: None,
    };
    respond::page(&visitor.headers, StatusCode::OK, &page)
}

/// What an access is and what is left of it, as far as anything limits it.
pub(crate) fn facts(visitor: &Visitor, holding: &Holding) -> Vec<Fact> {
    let (say, grant) = (visitor.say(), &holding.stored.grant);
    let fact = |name: &str, value: String| Fact { name: name.to_owned(), value };
    let mut facts =
        vec![fact(say.plan, holding.plan.clone()), fact(say.state, state(holding, say).to_owned())];
    let ends_at = grant.state.ends_at();
    if !grant.state.is_ended() {
        let by_clock = ends_at.map(|end| end.since(visitor.now));
        let left = by_clock.into_iter().chain(grant.meter.uptime_left()).min();
        let left = left.map(|left| words::duration(left, say));
        let waiting = matches!(grant.state, State::Unused { .. });
        let left = left.or_else(|| waiting.then(|| say.begins_at_use.to_owned()));
        facts.extend(left.map(|left| fact(say.time_left, left)));
        let data = grant.meter.data_left().map(|data| words::data(data, say));
        facts.extend(data.map(|data| fact(say.data_left, data)));
    }
    facts.extend(ends_at.map(|end| fact(say.ends, visitor.when(end))));
    facts
}

/// The same below "you are online", which nobody need be told twice. That it is slow, or over soon, he must.
pub(crate) fn facts_online(visitor: &Visitor, holding: &Holding) -> Vec<Fact> {
    let (say, mut facts) = (visitor.say(), facts(visitor, holding));
    if matches!(holding.stored.grant.state, State::Unused { .. } | State::Active(_)) {
        facts.retain(|fact| fact.name != say.state);
    }
    facts
}

fn state(holding: &Holding, say: &Sentences) -> &'static str {
    match holding.stored.grant.state {
        State::Unused { .. } => say.state_unused,
        State::Active(_) if holding.live.is_empty() => say.state_ready,
        State::Active(_) => say.state_online,
        State::Throttled(_) => say.state_slow,
        State::Grace { .. } => say.state_grace,
        State::Paused { .. } => say.state_paused,
        State::Suspended { .. } => say.state_barred,
        State::Ended { .. } => say.state_ended,
    }
}

/// The devices that are online with an access: enough of their addresses to tell them apart.
pub(crate) fn devices(visitor: &Visitor, holding: &Holding) -> Vec<String> {
    let say = visitor.say();
    let line = |session: &lango_store::sessions::Session| {
        let mac = session.mac.map(|mac| mac.to_string()).unwrap_or_default();
        let tail = mac.get(mac.len().saturating_sub(5)..).unwrap_or_default();
        let own = session.mac.is_some() && session.mac == visitor.visit.mac;
        let which = if own { format!(" ({})", say.this_device) } else { String::new() };
        format!("…{tail}{which}, {}", words::duration(session.uptime, say))
    };
    holding.live.iter().map(line).collect()
}

/// `POST /p/{router}/leave`
pub(crate) async fn leave(visitor: Visitor) -> Response {
    // Only who holds the access may end a session; anybody can name a device's address.
    let holding = match (visitor.visit.holds, holding(&visitor).await) {
        (Some(_), Ok(Some(holding))) => holding,
        (_, Err(error)) => return visitor.fault(&error),
        _ => return respond::go(&visitor.link("status")),
    };
    match desk::log_out(&visitor.here, &visitor.site, &holding, visitor.visit.mac).await {
        Ok(()) => left(&visitor).await,
        Err(error) => visitor.fault(&error),
    }
}

/// Says that somebody is logged out once it is so: until the router has been read again, each page
/// would call him online, and offer no way back.
async fn left(visitor: &Visitor) -> Response {
    let latest = Instant::now() + UNTIL_READ;
    loop {
        match holding(visitor).await {
            Ok(Some(holding)) if is_online(visitor, &holding) => {}
            Ok(_) => return respond::go(&visitor.link_with("status", &[("left", "1")])),
            Err(error) => return visitor.fault(&error),
        }
        if Instant::now() >= latest {
            return respond::go(&visitor.link("status"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn is_online(visitor: &Visitor, holding: &Holding) -> bool {
    holding.live.iter().any(|session| session.mac == visitor.visit.mac)
}
