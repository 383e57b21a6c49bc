//! "Paid but not connected?": one field for a receipt's code or the phone that paid. What is found is
//! connected; what is not is said, so that nobody pays twice.

use crate::web::portal::desk::{self, Found};
use crate::web::portal::pages::{Digits, Recover};
use crate::web::portal::respond;
use crate::web::portal::sentences::{Sentences, fill};
use crate::web::portal::visitor::{Typed, Visitor};
use crate::web::portal::words;
use axum::http::StatusCode;
use axum::response::Response;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Span;
use serde::Deserialize;

/// Nothing longer is a receipt or a number.
const LONGEST: usize = 40;

/// A receipt's code or a phone number.
#[derive(Deserialize)]
pub(crate) struct What {
    #[serde(default)]
    what: String,
}

/// The digits from an SMS.
#[derive(Deserialize)]
pub(crate) struct SixDigits {
    #[serde(default)]
    digits: String,
}

/// `GET /p/{router}/recover`
pub(crate) async fn show(visitor: Visitor) -> Response {
    let say = visitor.say();
    let wrong = visitor.asked.get("wrong").and_then(|word| sentence(word, &visitor));
    let page = Recover {
        frame: visitor.frame(say.recover_title),
        action: visitor.link("recover"),
        what: visitor.asked.get("what").cloned().unwrap_or_default(),
        wrong,
    };
    respond::page(&visitor.headers, StatusCode::OK, &page)
}

fn sentence(word: &str, visitor: &Visitor) -> Option<String> {
    let say: &Sentences = visitor.say();
    let sentence = match word {
        "empty" => say.recover_empty,
        "not_seen" => say.recover_not_seen,
        "used_up" => say.recover_used_up,
        "review" => say.recover_review,
        "too_many" => {
            let wait = words::duration(Span::minutes(10), say);
            return Some(fill(say.too_many, &[("wait", &wait)]));
        }
        _ => return None,
    };
    Some(sentence.to_owned())
}

/// `POST /p/{router}/recover`
pub(crate) async fn find(typed: Typed<What>) -> Response {
    let Typed { visitor, form } = typed;
    let what: String = form.what.trim().chars().take(LONGEST).collect();
    if what.is_empty() {
        return back(&visitor, &what, "empty");
    }
    let guesses = &visitor.here.limits.guesses;
    let (router, device) = (visitor.site.router.id, visitor.device());
    if guesses.may(router, &device, visitor.now).is_err() {
        return back(&visitor, &what, "too_many");
    }
    let app = &visitor.here.app;
    match desk::recover(app, &visitor.site, &what, visitor.now).await {
        Ok(found) => {
            if found == Found::NotSeen {
                guesses.wrong(router, &device, visitor.now);
            }
            lead(&visitor, &what, found)
        }
        Err(error) => visitor.fault(&error),
    }
}

fn lead(visitor: &Visitor, what: &str, found: Found) -> Response {
    let app = &visitor.here.app;
    match found {
        Found::Good(grant) => respond::go(&visitor.visit.holding(grant).link(app, "connect")),
        Found::Asked(phone) => {
            respond::go(&visitor.link_with("digits", &[("phone", phone.as_str())]))
        }
        Found::NotSeen => back(visitor, what, "not_seen"),
        Found::UsedUp => back(visitor, what, "used_up"),
        Found::Review => back(visitor, what, "review"),
    }
}

fn back(visitor: &Visitor, what: &str, wrong: &str) -> Response {
    respond::go(&visitor.link_with("recover", &[("wrong", wrong), ("what", what)]))
}

/// `GET /p/{router}/digits`
pub(crate) async fn ask_digits(visitor: Visitor) -> Response {
    let Some(phone) = phone(&visitor) else { return respond::go(&visitor.link("recover")) };
    let say = visitor.say();
    let wrong = visitor.asked.contains_key("wrong").then(|| say.otp_wrong.to_owned());
    let page = Digits {
        frame: visitor.frame(say.otp_title),
        text: fill(say.otp_text, &[("phone", &words::masked(&phone))]),
        action: visitor.link_with("digits", &[("phone", phone.as_str())]),
        wrong,
    };
    respond::page(&visitor.headers, StatusCode::OK, &page)
}

/// `POST /p/{router}/digits`
pub(crate) async fn read_digits(typed: Typed<SixDigits>) -> Response {
    let Typed { visitor, form } = typed;
    let Some(phone) = phone(&visitor) else { return respond::go(&visitor.link("recover")) };
    let guesses = &visitor.here.limits.guesses;
    let (router, device) = (visitor.site.router.id, visitor.device());
    if guesses.may(router, &device, visitor.now).is_err() {
        return back(&visitor, phone.as_str(), "too_many");
    }
    let digits: String = form.digits.chars().filter(char::is_ascii_digit).take(8).collect();
    match desk::digits(&visitor.here.app, &visitor.site, &phone, &digits, visitor.now).await {
        Ok(Some(found)) => lead(&visitor, phone.as_str(), found),
        Ok(None) => {
            guesses.wrong(router, &device, visitor.now);
            let said = [("phone", phone.as_str()), ("wrong", "1")];
            respond::go(&visitor.link_with("digits", &said))
        }
        Err(error) => visitor.fault(&error),
    }
}

fn phone(visitor: &Visitor) -> Option<PhoneNumber> {
    visitor.asked.get("phone").and_then(|phone| PhoneNumber::from_e164(phone))
}
