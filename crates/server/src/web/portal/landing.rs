//! The first page: who was here before goes on where he was; everybody else sees what is sold.

use crate::operations::admit_device::AdmissionState;
use crate::operations::plans_for_sale::{Later, Offer as Sold};
use crate::web::portal::desk::{self, OrderState, Purse};
use crate::web::portal::pages::{Gateway, Landing, Offer, Terms, VoucherForm, Wallet};
use crate::web::portal::respond;
use crate::web::portal::sentences::fill;
use crate::web::portal::visitor::Visitor;
use crate::web::portal::words;
use axum::http::StatusCode;
use axum::response::Response;
use lango_domain::calendar::Calendar;
use lango_domain::ids::{GatewayId, GrantId};
use lango_store::Error;
use std::time::Duration;
use tokio::time::Instant;

/// Longer messages of routers are not shown whole.
const LONGEST_MESSAGE: usize = 120;
/// How long it mostly takes until a router has been read again after somebody went.
const UNTIL_READ: Duration = Duration::from_secs(2);

/// `GET /p/{router}`
pub(crate) async fn show(visitor: Visitor) -> Response {
    match first_page(&visitor).await {
        Ok(response) => response,
        Err(error) => visitor.fault(&error),
    }
}

async fn first_page(visitor: &Visitor) -> Result<Response, Error> {
    if !visitor.asked.contains_key("stay")
        && let Some(elsewhere) = where_he_was(visitor).await?
    {
        return Ok(elsewhere);
    }
    plans(visitor).await
}

/// Closing the sheet loses nothing: what a device was doing at this site is found by the two alone.
async fn where_he_was(visitor: &Visitor) -> Result<Option<Response>, Error> {
    let (here, site, visit) = (&visitor.here, &visitor.site, &visitor.visit);
    if visit.onward.as_ref().is_some_and(|link| link.voucher().is_some()) {
        return Ok(Some(respond::go(&visitor.link("voucher"))));
    }
    let Some(mac) = visit.mac else { return Ok(None) };
    let order = desk::order(&here.app, site, visit, visitor.now).await?;
    if order.as_ref().is_some_and(|order| !matches!(order.state, OrderState::Paid(_))) {
        return Ok(Some(respond::go(&visitor.link("wait"))));
    }
    let bought = order.and_then(|order| match order.state {
        OrderState::Paid(grant) => Some(grant),
        _ => None,
    });
    let seen = match bought {
        Some(grant) => Some(grant),
        None => desk::of_device(&here.app, site, mac).await?,
    };
    // A router that refused him must not be asked again and again by his own phone.
    if visitor.error().is_some() {
        return Ok(None);
    }
    if is_on_his_way(visitor).await? {
        return Ok(Some(respond::go(&visitor.link("connect"))));
    }
    match seen {
        Some(grant) => go_in(visitor, grant).await,
        None => Ok(None),
    }
}

async fn is_on_his_way(visitor: &Visitor) -> Result<bool, Error> {
    Ok(match admission(visitor).await? {
        AdmissionState::Connecting { .. }
        | AdmissionState::HandOver { .. }
        | AdmissionState::Connected { .. } => true,
        AdmissionState::NotAsked
        | AdmissionState::OtherDevice { .. }
        | AdmissionState::Refused { .. } => false,
    })
}

/// How far he has come. A router sends nobody here whom it has online; where our books say otherwise
/// it has not been read yet since he went, and "you are online" would be the end of his way.
async fn admission(visitor: &Visitor) -> Result<AdmissionState, Error> {
    let (app, site, visit) = (&visitor.here.app, &visitor.site, &visitor.visit);
    let by_our_link = visitor.asked.contains_key("v");
    let latest = Instant::now() + UNTIL_READ;
    loop {
        let state = desk::admission(app, site, visit, visitor.now).await?;
        let is_online = matches!(state, AdmissionState::Connected { .. });
        if !is_online || by_our_link || Instant::now() >= latest {
            return Ok(state);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A device that has an access is let in without asking.
async fn go_in(visitor: &Visitor, grant: GrantId) -> Result<Option<Response>, Error> {
    let (here, site, visit) = (&visitor.here, &visitor.site, &visitor.visit);
    let Some(holding) = desk::holding(&here.app, site, grant).await? else { return Ok(None) };
    if !desk::is_good(&holding, site) {
        return Ok(None);
    }
    desk::want_in(&here.app, site, visit, grant, visitor.now).await?;
    Ok(Some(respond::go(&visitor.link("connect"))))
}

async fn plans(visitor: &Visitor) -> Result<Response, Error> {
    let (asked, say) = (&visitor.asked, visitor.say());
    let (app, site, visit) = (&visitor.here.app, &visitor.site, &visitor.visit);
    let shelf = desk::shelf(app, site, visit, visitor.now).await?;
    let purse = desk::purse(app, site, visit).await?;
    let chosen = asked.get("plan").map(String::as_str);
    let plans = &shelf.offers;
    let offers: Vec<Offer> =
        plans.iter().map(|plan| offer(visitor, plan, plans.len(), chosen)).collect();
    let wrong = asked.get("wrong").map(String::as_str);
    let known = desk::known_phone(&visitor.here.app, &visitor.site, &visitor.visit).await?;
    let known = known.as_ref().map(words::last_digits);
    let example = words::example_of_a_phone(visitor.site.tenant.country);
    let mut notices = notices(visitor);
    notices.extend(adds_to(visitor, plans).await?);
    let gives_away = plans.iter().any(|plan| plan.trial);
    let page = Landing {
        frame: visitor.frame(say.plans_title),
        notices,
        offers,
        later: shelf.later.iter().map(|plan| later(visitor, plan)).collect(),
        gateways: gateways(visitor, &shelf.gateways),
        wallet: purse.and_then(|purse| wallet(visitor, plans, purse)),
        go: if gives_away { say.go_ahead } else { say.pay },
        buy: visitor.link("buy"),
        phone: asked.get("phone").cloned().unwrap_or_default(),
        phone_known: known.map(|phone| fill(say.pay_known, &[("phone", &phone)])),
        phone_wrong: (wrong == Some("phone"))
            .then(|| fill(say.phone_wrong, &[("example", example)])),
        plan_wrong: match wrong {
            Some("plan") => Some(say.plan_wrong.to_owned()),
            Some("trial") => Some(say.trial_had.to_owned()),
            Some("wallet") => Some(say.wallet_short.to_owned()),
            _ => None,
        },
        voucher: VoucherForm {
            action: visitor.link("voucher"),
            code: String::new(),
            wrong: None,
            quiet: true,
        },
    };
    Ok(respond::page(&visitor.headers, StatusCode::OK, &page))
}

fn notices(visitor: &Visitor) -> Vec<String> {
    let say = visitor.say();
    let said = visitor.error().map(|error| {
        let error: String = error.chars().take(LONGEST_MESSAGE).collect();
        fill(say.router_said, &[("error", error.trim())])
    });
    let down = desk::is_down(&visitor.site, visitor.now);
    let down = down.then(|| say.notice_router.to_owned());
    let unseen = visitor.visit.mac.is_none().then(|| say.not_on_wifi.to_owned());
    said.into_iter().chain(down).chain(unseen).collect()
}

/// Who holds something buys more of it: said, so that nobody fears to lose what is left. Not where
/// something is sold that would be an access of its own.
async fn adds_to(visitor: &Visitor, offers: &[Sold]) -> Result<Option<String>, Error> {
    let (app, site) = (&visitor.here.app, &visitor.site);
    let Some(grant) = visitor.visit.holds else { return Ok(None) };
    if !desk::takes_all(app, site, grant, offers).await? {
        return Ok(None);
    }
    let holding = desk::holding(app, site, grant).await?;
    let good = holding.filter(|holding| desk::is_good(holding, site));
    Ok(good.map(|holding| fill(visitor.say().adds_to, &[("plan", &holding.plan)])))
}

/// One provider is no choice, and no question.
fn gateways(visitor: &Visitor, all: &[(GatewayId, String)]) -> Vec<Gateway> {
    if all.len() < 2 {
        return Vec::new();
    }
    let chosen = visitor.asked.get("gateway").map(String::as_str).unwrap_or_default();
    let each = all.iter().map(|(id, name)| (id.to_string(), name.clone()));
    let by_number = (String::new(), visitor.say().by_number.to_owned());
    std::iter::once(by_number)
        .chain(each)
        .map(|(id, name)| Gateway { chosen: id == chosen, id, name })
        .collect()
}

/// What is with us pays for something that is on the page, or is not spoken of.
fn wallet(visitor: &Visitor, plans: &[Sold], purse: Purse) -> Option<Wallet> {
    let say = visitor.say();
    let pays = |plan: &&Sold| !plan.trial && plan.price.amount <= purse.holds.amount;
    plans.iter().find(pays)?;
    let amount = words::amount(purse.holds);
    let text = fill(say.pay_from_wallet, &[("amount", &amount)]);
    Some(Wallet { shown: purse.holds.amount, text })
}

/// `Night, KSh 30: from today 22:00`
fn later(visitor: &Visitor, plan: &Later) -> String {
    let (price, from) = (words::amount(plan.price), visitor.when(plan.from));
    let blanks = [("plan", plan.name.as_str()), ("price", &price), ("from", &from)];
    fill(visitor.say().sold_later, &blanks)
}

fn offer(visitor: &Visitor, plan: &Sold, of: usize, chosen: Option<&str>) -> Offer {
    let (say, id) = (visitor.say(), plan.plan.to_string());
    let price = match plan.price.amount {
        _ if plan.trial => say.free.to_owned(),
        0 => say.free.to_owned(),
        _ => words::amount(plan.price),
    };
    let chosen = of == 1 || chosen == Some(id.as_str());
    Offer { id, name: plan.name.clone(), gives: gives(visitor, plan), price, chosen }
}

/// `1 hour · 2 devices · up to 5 Mbit/s`
fn gives(visitor: &Visitor, plan: &Sold) -> String {
    let say = visitor.say();
    let many = |sentence, number: u16| fill(sentence, &[("n", &number.to_string())]);
    let mut parts = Vec::new();
    parts.extend(plan.time.map(|span| words::duration(span, say)));
    let online = |span| format!("{} ({})", words::duration(span, say), say.counted_online);
    parts.extend(plan.online.map(online));
    let end = plan.until.map(|rule| {
        let calendar = Calendar { rule, zone: visitor.site.tenant.zone.clone() };
        visitor.when(calendar.end_of_period(visitor.now))
    });
    parts.extend(end.map(|end| fill(say.until_day, &[("end", &end)])));
    parts.extend(plan.data.map(|size| words::data(size, say)));
    if parts.is_empty() {
        parts.push(say.no_limit.to_owned());
    }
    parts.push(match plan.devices.get() {
        1 => say.devices_1.to_owned(),
        number => many(say.devices_many, number),
    });
    let bundle = Some(plan.vouchers.get()).filter(|number| *number > 1);
    parts.extend(bundle.map(|number| many(say.vouchers_many, number)));
    parts.extend(plan.speed.map(|speed| fill(say.speed_up_to, &[("speed", &words::speed(speed))])));
    let usable = plan.usable.as_ref().map(|week| words::week(week, say));
    parts.extend(usable.map(|hours| fill(say.usable_in, &[("hours", &hours)])));
    let sold_until = plan.sold_until.map(|until| visitor.when(until));
    parts.extend(sold_until.map(|until| fill(say.sold_until, &[("until", &until)])));
    parts.extend(plan.trial.then(|| say.trial_once.to_owned()));
    parts.join(" · ")
}

/// `GET /p/{router}/terms`
pub(crate) async fn terms(visitor: Visitor) -> Response {
    let say = visitor.say();
    let money = fill(say.terms_money, &[("business", &visitor.site.tenant.name)]);
    let page = Terms { frame: visitor.frame(say.terms_title), money };
    respond::page(&visitor.headers, StatusCode::OK, &page)
}
