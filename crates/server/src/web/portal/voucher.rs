//! Codes: typed at a site, or read from a QR before we know at which.

use crate::operations::issue_vouchers::read_code;
use crate::web::portal::desk::{self, Redeemed, WrongCode};
use crate::web::portal::pages::{Frame, VoucherForm, VoucherPage};
use crate::web::portal::respond;
use crate::web::portal::sentences::{Sentences, fill};
use crate::web::portal::visit::OnwardLink;
use crate::web::portal::visitor::{Typed, Visitor, placeless_frame, preferred};
use crate::web::portal::words;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use lango_domain::language::Language;
use serde::Deserialize;
use std::collections::HashMap;

/// Nothing longer is a code.
const LONGEST: usize = 24;
/// An address that leads nowhere (RFC 5737). A router catches whoever asks for it without being
/// logged in, and sends him to its portal, which then knows site and device, with the code.
const NOWHERE: &str = "http://192.0.2.1";

/// What was typed.
#[derive(Deserialize)]
pub(crate) struct Typing {
    #[serde(default)]
    code: String,
}

/// `GET /p/{router}/voucher`
pub(crate) async fn show(visitor: Visitor) -> Response {
    let printed = visitor.visit.onward.as_ref().and_then(OnwardLink::voucher).map(words::code);
    let code = visitor.asked.get("code").cloned().or(printed).unwrap_or_default();
    let wrong = visitor.asked.get("wrong").and_then(|word| sentence(word, &visitor));
    let page = VoucherPage {
        frame: visitor.frame(visitor.say().voucher_title),
        voucher: VoucherForm { action: visitor.link("voucher"), code, wrong, quiet: false },
        onward: None,
    };
    respond::page(&visitor.headers, StatusCode::OK, &page)
}

/// `POST /p/{router}/voucher`
pub(crate) async fn redeem(typed: Typed<Typing>) -> Response {
    let Typed { visitor, form } = typed;
    let code: String = form.code.trim().chars().take(LONGEST).collect();
    let guesses = &visitor.here.limits.guesses;
    let (site, device) = (visitor.site.router.id, visitor.device());
    if let Err(wait) = guesses.may(site, &device, visitor.now) {
        let seconds = wait.as_seconds().max(1).to_string();
        return back(&visitor, &code, &[("wrong", "too_many"), ("wait", &seconds)]);
    }
    let app = &visitor.here.app;
    match desk::redeem(app, &visitor.site, &code).await {
        Ok(Redeemed::Good(grant)) => {
            respond::go(&visitor.visit.holding(grant).link(app, "connect"))
        }
        Ok(Redeemed::Not(why)) => {
            if why == WrongCode::Unknown {
                guesses.wrong(site, &device, visitor.now);
            }
            back(&visitor, &code, &[("wrong", why.word())])
        }
        Err(error) => visitor.fault(&error),
    }
}

fn back(visitor: &Visitor, code: &str, why: &[(&str, &str)]) -> Response {
    let said = [&[("code", code)], why].concat();
    respond::go(&visitor.link_with("voucher", &said))
}

impl WrongCode {
    /// The word in the address of the page that says it.
    const fn word(self) -> &'static str {
        match self {
            WrongCode::Typing => "typing",
            WrongCode::NeverOurs => "never",
            WrongCode::Unknown => "unknown",
            WrongCode::Over => "over",
            WrongCode::Unpaid => "unpaid",
            WrongCode::Barred => "barred",
            WrongCode::Paused => "paused",
            WrongCode::OtherSite => "other_site",
        }
    }
}

fn sentence(word: &str, visitor: &Visitor) -> Option<String> {
    let say: &Sentences = visitor.say();
    let sentence = match word {
        "typing" => say.code_typing,
        "never" => say.code_never,
        "unknown" => say.code_unknown,
        "over" => say.code_over,
        "unpaid" => say.code_unpaid,
        "barred" => say.code_barred,
        "paused" => say.code_paused,
        "other_site" => say.code_elsewhere,
        "too_many" => return Some(too_many(visitor)),
        _ => return None,
    };
    Some(sentence.to_owned())
}

fn too_many(visitor: &Visitor) -> String {
    let seconds = visitor.asked.get("wait").and_then(|wait| wait.parse().ok()).unwrap_or(60);
    let wait = lango_domain::time::Span::seconds(i64::from(u16::min(seconds, 600)));
    fill(visitor.say().too_many, &[("wait", &words::duration(wait, visitor.say()))])
}

/// `GET /V/{code}`: a QR was read. Which site this is, only the router next to the phone can say.
pub(crate) async fn printed(
    Path(typed): Path<String>,
    Query(asked): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let chosen = asked.get("lang").and_then(|code| code.parse().ok());
    let language = chosen.or_else(|| preferred(&headers)).unwrap_or(Language::En);
    let code = read_code(&typed);
    let path = format!("/V/{}", code.as_deref().unwrap_or("-"));
    let frame = placeless_frame(language, &path);
    let frame = Frame { title: frame.say.voucher_title.to_owned(), ..frame };
    let wrong = code.is_none().then(|| frame.say.code_typing.to_owned());
    let shown = code.as_deref().map(words::code).or(wrong).unwrap_or_default();
    let onward = Some(format!("{NOWHERE}{path}"));
    let voucher = VoucherForm { action: String::new(), code: shown, wrong: None, quiet: false };
    respond::page(&headers, StatusCode::OK, &VoucherPage { frame, voucher, onward })
}
