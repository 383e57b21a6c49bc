//! "Paid but not connected?": one field for a receipt's code or the phone that paid. What is found is
//! connected; what is not is said, so that nobody pays twice.

use crate::web::portal::desk::{self, Found};
use crate::web::portal::pages::{Recover, Sent, VoucherForm};
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
    match desk::recover(app, &visitor.site, &visitor.visit, &what, visitor.now).await {
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
            respond::go(&visitor.link_with("sent", &[("phone", phone.as_str())]))
        }
        Found::NotSeen => back(visitor, what, "not_seen"),
        Found::UsedUp => back(visitor, what, "used_up"),
        Found::Review => back(visitor, what, "review"),
    }
}

fn back(visitor: &Visitor, what: &str, wrong: &str) -> Response {
    respond::go(&visitor.link_with("recover", &[("wrong", wrong), ("what", what)]))
}

/// `GET /p/{router}/sent`: the code is on its way to the phone, and is used as any other.
pub(crate) async fn sent(visitor: Visitor) -> Response {
    let phone = visitor.asked.get("phone").and_then(|phone| PhoneNumber::from_e164(phone));
    let Some(phone) = phone else { return respond::go(&visitor.link("recover")) };
    let say = visitor.say();
    let page = Sent {
        frame: visitor.frame(say.sent_title),
        text: fill(
            say.sent_text,
            &[("phone", &words::masked(&phone, visitor.site.tenant.country))],
        ),
        voucher: VoucherForm {
            action: visitor.link("voucher"),
            code: String::new(),
            wrong: None,
            quiet: false,
        },
    };
    respond::page(&visitor.headers, StatusCode::OK, &page)
}
