//! The last steps: the router is told, the browser is handed over where it must be, and "you are
//! online" is a page of its own that is reached only when the router has the session.

use crate::operations::admit_device::{AdmissionState, NotAdmitted};
use crate::web::portal::desk::{self, Holding};
use crate::web::portal::pages::{Connecting, Move, Online, Onward};
use crate::web::portal::respond;
use crate::web::portal::sentences::fill;
use crate::web::portal::status::{devices, facts_online};
use crate::web::portal::visitor::{Reason, Visitor};
use crate::web::portal::words;
use axum::http::{StatusCode, header};
use axum::response::Response;
use lango_domain::time::{Span, Timestamp};
use lango_store::Error;

/// How soon the page looks again whether the router has the session.
const SOON: u8 = 2;
/// How soon once the router is slow.
const LATER: u8 = 5;
/// When somebody who waits is told why.
const SLOW: Span = Span::seconds(12);
/// A plain page of the web for whoever has nowhere to go: short, without HTTPS, and the one by which
/// iPhones see that they are online.
const ANYWHERE: &str = "http://captive.apple.com/hotspot-detect.html";

/// `GET /p/{router}/connect`
pub(crate) async fn connect(visitor: Visitor) -> Response {
    if visitor.visit.mac.is_none() {
        return visitor.trouble(Reason::Unseen);
    }
    match so_far(&visitor).await {
        Ok(response) => response,
        Err(error) => visitor.fault(&error),
    }
}

async fn so_far(visitor: &Visitor) -> Result<Response, Error> {
    let (app, site, visit) = (&visitor.here.app, &visitor.site, &visitor.visit);
    let state = desk::admission(app, site, visit, visitor.now).await?;
    // Not asked yet: paid while nobody looked, or a link that was kept. Online by something that is
    // over: what the browser holds is what counts.
    let asks = matches!(state, AdmissionState::NotAsked | AdmissionState::Refused { .. });
    let state = match (asks, visit.holds) {
        (true, Some(grant)) => desk::want_in(app, site, visit, grant, visitor.now).await?,
        _ => Some(state),
    };
    show(visitor, state.unwrap_or(AdmissionState::NotAsked)).await
}

/// `POST /p/{router}/connect`
pub(crate) async fn want(visitor: Visitor) -> Response {
    let Some(grant) = visitor.visit.holds else { return respond::go(&visitor.link("")) };
    let (app, site, visit) = (&visitor.here.app, &visitor.site, &visitor.visit);
    match desk::want_in(app, site, visit, grant, visitor.now).await {
        Ok(_) => respond::go(&visitor.link("connect")),
        Err(error) => visitor.fault(&error),
    }
}

async fn show(visitor: &Visitor, state: AdmissionState) -> Result<Response, Error> {
    match state {
        AdmissionState::Connected { .. } => Ok(respond::go(&visitor.link("online"))),
        AdmissionState::Connecting { since, last_error } => {
            connecting(visitor, since, last_error.is_some()).await
        }
        AdmissionState::HandOver { username, one_time_password, .. } => {
            Ok(hand_over(visitor, &username, one_time_password.reveal()))
        }
        AdmissionState::OtherDevice { .. } if visitor.visit.holds.is_some() => {
            Ok(respond::go(&visitor.link("move")))
        }
        AdmissionState::OtherDevice { .. } | AdmissionState::NotAsked => {
            Ok(respond::go(&visitor.link_with("", &[("stay", "1")])))
        }
        AdmissionState::Refused { why } => Ok(refused(visitor, &why)),
    }
}

fn refused(visitor: &Visitor, why: &NotAdmitted) -> Response {
    let code = visitor.visit.holds.map(|grant| grant.to_string());
    let reason = match why {
        NotAdmitted::Over => Reason::Expired,
        NotAdmitted::GaveUp(_) => Reason::Router,
        NotAdmitted::OtherPlace => Reason::Elsewhere,
        NotAdmitted::Closed => Reason::Closed,
        NotAdmitted::Locked => Reason::Locked,
        NotAdmitted::Unknown | NotAdmitted::NoHotspot => Reason::Barred,
    };
    visitor.trouble_about(reason, code)
}

async fn connecting(visitor: &Visitor, since: Timestamp, erred: bool) -> Result<Response, Error> {
    let say = visitor.say();
    let slow = visitor.now.since(since) >= SLOW || erred;
    let again = visitor.link("connect");
    let seconds = if slow { LATER } else { SOON };
    let page = Connecting {
        frame: visitor.moving_frame(say.connecting_title, seconds, again),
        text: (if slow { say.connecting_slow } else { say.connecting }).to_owned(),
        code: if slow { held_code(visitor).await? } else { None },
        link: None,
    };
    Ok(respond::repeated(&visitor.headers, &page))
}

/// The code of what the browser has proven to hold.
async fn held_code(visitor: &Visitor) -> Result<Option<String>, Error> {
    let Some(grant) = visitor.visit.holds else { return Ok(None) };
    let holding = desk::holding(&visitor.here.app, &visitor.site, grant).await?;
    Ok(holding.and_then(|holding| holding.code).as_deref().map(words::code))
}

/// A page that leads to the router's own login. Neither a form nor an answer with another address:
/// from HTTPS to a router without it, browsers stop at both and let this pass.
fn hand_over(visitor: &Visitor, username: &str, one_time_password: &str) -> Response {
    let Some(login) = &visitor.visit.login else { return visitor.trouble(Reason::Unseen) };
    let after = format!("{}{}", base(visitor), visitor.link("connect"));
    let link = login.with(username, one_time_password, &after);
    let say = visitor.say();
    let page = Connecting {
        frame: visitor.moving_frame(say.one_more, 0, link.clone()),
        text: say.connecting.to_owned(),
        code: None,
        link: Some(link),
    };
    respond::page(&visitor.headers, StatusCode::OK, &page)
}

/// Where the browser found us. It is sent back to no other place than that, so that whoever invents a
/// name sends himself there.
fn base(visitor: &Visitor) -> String {
    if let Some(public) = visitor.here.app.public_url() {
        return public.to_string();
    }
    let header = |name| {
        visitor.headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok())
    };
    let plain = |host: &&str| {
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    };
    let host = header(header::HOST).filter(plain).unwrap_or_default();
    let scheme = match header(header::HeaderName::from_static("x-forwarded-proto")) {
        Some("https") => "https",
        _ => "http",
    };
    format!("{scheme}://{host}")
}

/// `GET /p/{router}/online`
pub(crate) async fn online(visitor: Visitor) -> Response {
    match online_now(&visitor).await {
        Ok(response) => response,
        Err(error) => visitor.fault(&error),
    }
}

async fn online_now(visitor: &Visitor) -> Result<Response, Error> {
    let (here, site, visit) = (&visitor.here, &visitor.site, &visitor.visit);
    let grant = match (visit.holds, visit.mac) {
        (Some(grant), _) => Some(grant),
        (None, Some(mac)) => desk::of_device(&here.app, site, mac).await?,
        (None, None) => None,
    };
    let holding = match grant {
        Some(grant) => desk::holding(&here.app, site, grant).await?,
        None => None,
    };
    let Some(holding) = holding else { return Ok(respond::go(&visitor.link("status"))) };
    let here_now = holding.live.iter().any(|session| session.mac == visit.mac);
    let state = desk::admission(&here.app, site, visit, visitor.now).await?;
    let connected = matches!(state, AdmissionState::Connected { .. });
    if !(here_now || connected) || desk::end(&holding).is_some() {
        return Ok(respond::go(&visitor.link("status")));
    }
    let page = Online {
        frame: visitor.frame(visitor.say().online_title),
        facts: facts_online(visitor, &holding),
        code: shown_code(visitor, &holding),
        more_devices: holding.stored.grant.terms.devices.get() > 1,
        onward: onward(visitor),
        status: visitor.link("status"),
    };
    Ok(respond::page(&visitor.headers, StatusCode::OK, &page))
}

/// A code is shown to who has proven to hold it: a device's address alone anybody can name.
pub(crate) fn shown_code(visitor: &Visitor, holding: &Holding) -> Option<String> {
    let holds = visitor.visit.holds == Some(holding.stored.grant.id);
    holding.code.as_deref().filter(|_| holds).map(words::code)
}

fn onward(visitor: &Visitor) -> Onward {
    let say = visitor.say();
    match visitor.visit.onward.as_ref().filter(|link| !link.is_probe() && link.voucher().is_none())
    {
        Some(link) => {
            Onward { href: link.href().to_owned(), text: fill(say.go_to, &[("host", link.host())]) }
        }
        None => Onward { href: ANYWHERE.to_owned(), text: say.go_on.to_owned() },
    }
}

/// `GET /p/{router}/move`
pub(crate) async fn ask_to_move(visitor: Visitor) -> Response {
    match held(&visitor).await {
        Ok(Some(holding)) => {
            let page = Move {
                frame: visitor.frame(visitor.say().move_title),
                devices: devices(&visitor, &holding),
                action: visitor.link("move"),
            };
            respond::page(&visitor.headers, StatusCode::OK, &page)
        }
        Ok(None) => respond::go(&visitor.link("")),
        Err(error) => visitor.fault(&error),
    }
}

/// `POST /p/{router}/move`
pub(crate) async fn move_here(visitor: Visitor) -> Response {
    match held(&visitor).await {
        Ok(Some(_)) => {
            let (app, site, visit) = (&visitor.here.app, &visitor.site, &visitor.visit);
            match desk::move_in(app, site, visit, visitor.now).await {
                Ok(()) => respond::go(&visitor.link("connect")),
                Err(error) => visitor.fault(&error),
            }
        }
        Ok(None) => respond::go(&visitor.link("")),
        Err(error) => visitor.fault(&error),
    }
}

/// What the browser has proven to hold, if it is still good here.
async fn held(visitor: &Visitor) -> Result<Option<Holding>, Error> {
    let Some(grant) = visitor.visit.holds else { return Ok(None) };
    let holding = desk::holding(&visitor.here.app, &visitor.site, grant).await?;
    Ok(holding.filter(|holding| desk::is_good(holding, &visitor.site)))
}
