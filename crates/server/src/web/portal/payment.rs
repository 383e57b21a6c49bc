//! Asking a phone for money, and waiting for it. The wait page says little and says it again every
//! four seconds; what it knows is read anew each time, so that closing it loses nothing.

use crate::web::portal::desk::{self, FromWallet, NotBegun, Order, OrderState, Refusal, Trial};
use crate::web::portal::pages::{Frame, Line, Wait};
use crate::web::portal::respond;
use crate::web::portal::sentences::{Sentences, fill};
use crate::web::portal::visitor::{Reason, Typed, Visitor};
use crate::web::portal::words;
use axum::response::Response;
use lango_domain::ids::{GatewayId, PlanId};
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Span;
use lango_store::Error;
use serde::Deserialize;

/// How often the page asks for itself.
const EVERY: u8 = 4;
/// How often once it takes long: phones in pockets go on asking.
const SELDOM: u8 = 15;
/// When the request should have been on the phone for a while.
const SLOW: Span = Span::seconds(25);
/// When providers have mostly given up, and customers would pay again.
const LONG: Span = Span::seconds(90);

/// How long after its beginning a purchase shows that a device is its buyer's.
const PROVES_FOR: Span = Span::minutes(15);

/// What is to be paid, and by whom.
#[derive(Deserialize)]
pub(crate) struct Buying {
    #[serde(default)]
    plan: String,
    /// Nothing is the one that paid last.
    #[serde(default)]
    phone: String,
    /// Nothing is the one of the phone's network.
    #[serde(default)]
    gateway: String,
    /// `wallet`, or nothing for the phone.
    #[serde(default)]
    by: String,
    /// What the wallet held when it was shown.
    #[serde(default)]
    shown: String,
}

/// `POST /p/{router}/buy`
pub(crate) async fn buy(typed: Typed<Buying>) -> Response {
    let Typed { visitor, form } = typed;
    let Ok(plan) = form.plan.parse::<PlanId>() else { return back(&visitor, "plan", &form) };
    if form.by == "wallet" {
        return from_wallet(&visitor, plan, &form).await;
    }
    let phone = match payer(&visitor, &form.phone).await {
        Ok(Some(phone)) => phone,
        Ok(None) => return back(&visitor, "phone", &form),
        Err(error) => return visitor.fault(&error),
    };
    let (app, site, visit) = (&visitor.here.app, &visitor.site, &visitor.visit);
    match desk::try_out(app, site, visit, (plan, &phone), visitor.now).await {
        Ok(Trial::Given(grant)) => respond::go(&visit.holding(grant).link(app, "connect")),
        Ok(Trial::Had) => back(&visitor, "trial", &form),
        Ok(Trial::No) => ask(&visitor, (plan, form.gateway.parse().ok()), &phone).await,
        Err(error) => visitor.fault(&error),
    }
}

/// The phone that is to pay: the one that was typed, or without any the one that paid for this device
/// last. Its number is never shown: a device's address anybody can name.
async fn payer(visitor: &Visitor, typed: &str) -> Result<Option<PhoneNumber>, Error> {
    if typed.trim().is_empty() {
        return desk::known_phone(&visitor.here.app, &visitor.site, &visitor.visit).await;
    }
    Ok(PhoneNumber::parse(typed, visitor.site.tenant.country).ok())
}

async fn from_wallet(visitor: &Visitor, plan: PlanId, form: &Buying) -> Response {
    let (app, site, visit) = (&visitor.here.app, &visitor.site, &visitor.visit);
    let shown = form.shown.parse().unwrap_or_default();
    match desk::pay_from_wallet(app, site, visit, (plan, shown), visitor.now).await {
        Ok(FromWallet::Bought(grant)) => respond::go(&visit.holding(grant).link(app, "connect")),
        Ok(FromWallet::Changed) => respond::go(&visitor.link("status")),
        Ok(FromWallet::TooLittle) => back(visitor, "wallet", form),
        Ok(FromWallet::NoSuchPlan) => back(visitor, "plan", form),
        Err(error) => visitor.fault(&error),
    }
}

/// The plans again, with what was typed and what was wrong with it.
fn back(visitor: &Visitor, wrong: &str, form: &Buying) -> Response {
    let phone: String = form.phone.chars().take(24).collect();
    let (plan, gateway) = (form.plan.as_str(), form.gateway.as_str());
    let said =
        [("stay", "1"), ("wrong", wrong), ("plan", plan), ("phone", &phone), ("gateway", gateway)];
    respond::go(&visitor.link_with("", &said))
}

async fn ask(
    visitor: &Visitor,
    what: (PlanId, Option<GatewayId>),
    phone: &PhoneNumber,
) -> Response {
    let (app, site, visit) = (&visitor.here.app, &visitor.site, &visitor.visit);
    match desk::begin(app, site, visit, what, phone, visitor.now).await {
        Ok(Ok(())) => respond::go(&visitor.link("wait")),
        Ok(Err(NotBegun::NoSuchPlan)) => {
            respond::go(&visitor.link_with("", &[("stay", "1"), ("wrong", "plan")]))
        }
        Ok(Err(NotBegun::NoGateway)) => visitor.trouble(Reason::Money),
        Ok(Err(NotBegun::PhoneBusy)) => busy(visitor).await,
        // What is over for good is bought anew.
        Ok(Err(NotBegun::NotRenewable)) => respond::go(&visitor.visit.empty_handed().link(app, "")),
        Err(error) => visitor.fault(&error),
    }
}

/// A phone is not asked once more. Whoever waits for it already is led to where he waits: browsers
/// show the answer to the last of two taps, and it was the first that made the phone ring.
async fn busy(visitor: &Visitor) -> Response {
    match waits(visitor).await {
        Ok(true) => respond::go(&visitor.link("wait")),
        Ok(false) => visitor.trouble(Reason::Asked),
        Err(error) => visitor.fault(&error),
    }
}

async fn waits(visitor: &Visitor) -> Result<bool, Error> {
    let (app, site, visit) = (&visitor.here.app, &visitor.site, &visitor.visit);
    let order = desk::order(app, site, visit, visitor.now).await?;
    Ok(order.is_some_and(|order| matches!(order.state, OrderState::Waiting | OrderState::Silent)))
}

/// `GET` of what takes a form: its answer is loaded again, or in another language, or from a list of
/// pages that were open. Nothing is asked for again.
pub(crate) async fn come_back(visitor: Visitor) -> Response {
    match waits(&visitor).await {
        Ok(true) => respond::go(&visitor.link("wait")),
        Ok(false) => respond::go(&visitor.link_with("", &[("stay", "1")])),
        Err(error) => visitor.fault(&error),
    }
}

/// `POST /p/{router}/again`: the same request on the same phone. Whether that is a new one is for the
/// operation to say; one that is open is not made twice.
pub(crate) async fn again(visitor: Visitor) -> Response {
    let order = desk::order(&visitor.here.app, &visitor.site, &visitor.visit, visitor.now).await;
    match order {
        Ok(Some(Order { plan, gateway, phone: Some(phone), .. })) => {
            ask(&visitor, (plan, Some(gateway)), &phone).await
        }
        Ok(_) => respond::go(&visitor.link("")),
        Err(error) => visitor.fault(&error),
    }
}

/// `GET /p/{router}/wait`
pub(crate) async fn wait(visitor: Visitor) -> Response {
    let (app, site, visit) = (&visitor.here.app, &visitor.site, &visitor.visit);
    let order = match desk::order(app, site, visit, visitor.now).await {
        Ok(Some(order)) => order,
        Ok(None) => return respond::go(&visitor.link("")),
        Err(error) => return visitor.fault(&error),
    };
    if let OrderState::Paid(grant) = order.state {
        // Who waits for it is who paid. Later on, an address of a device alone is no proof any more.
        let fresh = visitor.now.since(order.since) < PROVES_FOR;
        let visit = if fresh { visit.holding(grant) } else { visit.clone() };
        return respond::go(&visit.link(app, if fresh { "connect" } else { "" }));
    }
    respond::repeated(&visitor.headers, &page(&visitor, &order))
}

fn page(visitor: &Visitor, order: &Order) -> Wait {
    let waited = visitor.now.since(order.since);
    let open = matches!(order.state, OrderState::Waiting | OrderState::Silent);
    let long = waited >= LONG || order.state == OrderState::Silent;
    let retry = match order.state {
        OrderState::Failed(_) => {
            Some(visitor.visit.buy_again(&visitor.here.app, order.plan) + "&stay=1")
        }
        _ => None,
    };
    let again = open && waited >= SLOW && !long && order.phone.is_some();
    Wait {
        frame: frame(visitor, order, if long { SELDOM } else { EVERY }),
        lines: lines(visitor, order, waited, long),
        amount: words::amount(order.amount),
        plan: order.plan_name.clone(),
        order: order.code.clone(),
        again: again.then(|| visitor.link("again")),
        retry,
    }
}

fn frame(visitor: &Visitor, order: &Order, every: u8) -> Frame {
    let say = visitor.say();
    match order.state {
        OrderState::Failed(_) => visitor.frame(say.failed_title),
        _ => visitor.moving_frame(say.wait_title, every, visitor.link("wait")),
    }
}

/// The same words for as long as nothing changes: then the page need not be sent again.
fn lines(visitor: &Visitor, order: &Order, waited: Span, long: bool) -> Vec<Line> {
    let (say, home) = (visitor.say(), visitor.site.tenant.country);
    let strong = |text: &str| Line { text: text.to_owned(), strong: true };
    match order.state {
        OrderState::Failed(why) => vec![strong(refusal(why, say))],
        OrderState::Review => vec![strong(say.review)],
        _ if long => vec![strong(say.wait_long)],
        _ => {
            let phone =
                order.phone.as_ref().map(|phone| words::masked(phone, home)).unwrap_or_default();
            let look = strong(&fill(say.wait_look, &[("phone", &phone)]));
            let then = if waited >= SLOW { say.wait_slow } else { say.wait_moves };
            vec![look, Line { text: then.to_owned(), strong: false }]
        }
    }
}

fn refusal(why: Refusal, say: &Sentences) -> &'static str {
    match why {
        Refusal::Cancelled => say.failed_cancelled,
        Refusal::NoAnswer => say.failed_no_answer,
        Refusal::LowBalance => say.failed_low_balance,
        Refusal::WrongPin => say.failed_wrong_pin,
        Refusal::Busy => say.failed_busy,
        Refusal::Other => say.failed_other,
    }
}
