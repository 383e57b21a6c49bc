//! Who stands at a screen: site, visit and language, read from the request; and what every page of
//! his has around it.

use crate::web::Entrance;
use crate::web::api::rate::Taken;
use crate::web::listen::client_address::{ClientAddress, Origin};
use crate::web::portal::desk::{self, Site};
use crate::web::portal::pages::{Frame, Help, LanguageLink, Refresh, Trouble};
use crate::web::portal::respond;
use crate::web::portal::sentences::{Sentences, fill, sentences};
use crate::web::portal::visit::{Said, Visit};
use crate::web::portal::words;
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use lango_domain::ids::RouterId;
use lango_domain::language::Language;
use lango_domain::time::Timestamp;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::time::Instant;

/// No form of ours is larger.
const LARGEST_FORM: usize = 4 * 1_024;
/// The languages in their own words.
const LANGUAGES: [(Language, &str); 3] =
    [(Language::Sw, "Kiswahili"), (Language::En, "English"), (Language::Fr, "Français")];

/// Somebody at a screen of a site.
pub(crate) struct Visitor {
    pub(crate) here: Entrance,
    pub(crate) site: Site,
    pub(crate) visit: Visit,
    pub(crate) headers: HeaderMap,
    pub(crate) origin: Origin,
    pub(crate) now: Timestamp,
    /// What the address says besides the visit.
    pub(crate) asked: HashMap<String, String>,
    page: String,
}

/// Somebody at a screen who sent a form.
pub(crate) struct Typed<T> {
    pub(crate) visitor: Visitor,
    pub(crate) form: T,
}

/// Why somebody cannot have a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Router,
    Money,
    Expired,
    Barred,
    Elsewhere,
    Closed,
    Locked,
    Busy,
    /// That phone was asked for money often enough.
    Asked,
    Place,
    Unseen,
    Ours,
}

impl FromRequestParts<Entrance> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, here: &Entrance) -> Result<Self, Response> {
        let (headers, language) = (parts.headers.clone(), preferred(&parts.headers));
        let refuse = |status, reason| placeless(&headers, language, status, reason);
        let from = parts.extensions.get::<ClientAddress>().copied().unwrap_or_default();
        let origin = Origin::from(from.0);
        if let Taken::Wait(_) = here.limits.guests.take(origin, Instant::now()) {
            return Err(refuse(StatusCode::TOO_MANY_REQUESTS, Reason::Busy));
        }
        let mut steps = parts.uri.path().splitn(4, '/').skip(2);
        let (router, page) = (steps.next().unwrap_or_default(), steps.next().unwrap_or_default());
        let Ok(router) = router.parse::<RouterId>() else {
            return Err(refuse(StatusCode::NOT_FOUND, Reason::Place));
        };
        let site = match desk::site(&here.app, router).await {
            Ok(Some(site)) => site,
            Ok(None) => return Err(refuse(StatusCode::NOT_FOUND, Reason::Place)),
            Err(error) => {
                tracing::error!(%error, %router, "a page of the portal could not be made");
                return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, Reason::Ours));
            }
        };
        let query = parts.uri.query().unwrap_or_default();
        let said: Said = serde_urlencoded::from_str(query).unwrap_or_default();
        let asked = serde_urlencoded::from_str(query).unwrap_or_default();
        let otherwise = language.unwrap_or(site.tenant.language);
        let visit = Visit::read(&here.app, router, &said, otherwise);
        let (now, page) = (here.app.clock().now(), page.to_owned());
        Ok(Visitor { here: here.clone(), site, visit, headers, origin, now, asked, page })
    }
}

impl<T: DeserializeOwned> FromRequest<Entrance> for Typed<T> {
    type Rejection = Response;

    async fn from_request(request: Request, here: &Entrance) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, here).await?;
        let form = to_bytes(body, LARGEST_FORM).await.ok();
        let form = form.and_then(|form| serde_urlencoded::from_bytes(&form).ok());
        // A form that is not one of ours: the page it belongs to is the best answer.
        let form = form.ok_or_else(|| respond::go(&visitor.link(&visitor.page)))?;
        Ok(Typed { visitor, form })
    }
}

impl Visitor {
    /// The sentences in his language.
    pub(crate) fn say(&self) -> &'static Sentences {
        sentences(self.visit.language)
    }

    /// A page of his.
    pub(crate) fn link(&self, page: &str) -> String {
        self.visit.link(&self.here.app, page)
    }

    /// A page of his that says something.
    pub(crate) fn link_with(&self, page: &str, more: &[(&str, &str)]) -> String {
        self.visit.link_with(&self.here.app, page, more)
    }

    /// What the router said was wrong.
    pub(crate) fn error(&self) -> Option<&str> {
        self.asked.get("error").map(|error| error.trim()).filter(|error| !error.is_empty())
    }

    /// What he is counted by: his device, or where he asks from.
    pub(crate) fn device(&self) -> String {
        self.visit.mac.map_or_else(|| format!("{:?}", self.origin), |mac| mac.to_string())
    }

    /// What stands around a screen.
    pub(crate) fn frame(&self, title: &str) -> Frame {
        let app = &self.here.app;
        let languages = LANGUAGES.map(|(language, word)| LanguageLink {
            word,
            code: language.code(),
            href: Visit { language, ..self.visit.clone() }.link(app, &self.page),
            current: language == self.visit.language,
        });
        let help = self.site.tenant.help_phone.as_ref().map(|phone| Help {
            number: phone.as_str().to_owned(),
            text: fill(self.say().help_call, &[("phone", phone.as_str())]),
        });
        Frame {
            language: self.visit.language,
            say: self.say(),
            title: title.to_owned(),
            business: self.site.tenant.name.clone(),
            help,
            languages: languages.into(),
            plans: self.link_with("", &[("stay", "1")]),
            recover: self.link("recover"),
            terms: self.link("terms"),
            refresh: None,
            offers_rescue: self.page != "recover",
            offers_plans: !self.page.is_empty(),
        }
    }

    /// The same for a page that goes on by itself.
    pub(crate) fn moving_frame(&self, title: &str, seconds: u8, to: String) -> Frame {
        Frame { refresh: Some(Refresh { seconds, to }), ..self.frame(title) }
    }

    /// A page that says what went wrong and what to do.
    pub(crate) fn trouble(&self, reason: Reason) -> Response {
        self.trouble_about(reason, None)
    }

    /// The same with what to tell on the phone.
    pub(crate) fn trouble_about(&self, reason: Reason, support_code: Option<String>) -> Response {
        let again = match reason {
            Reason::Router | Reason::Busy | Reason::Ours => Some(self.link("")),
            Reason::Expired | Reason::Money | Reason::Asked => {
                Some(self.link_with("", &[("stay", "1")]))
            }
            Reason::Barred
            | Reason::Elsewhere
            | Reason::Closed
            | Reason::Locked
            | Reason::Place
            | Reason::Unseen => None,
        };
        let (frame, text) = (self.frame(self.say().trouble_title), reason.text(self.say()));
        let page = Trouble { frame, text, again, support_code };
        respond::page(&self.headers, reason.status(), &page)
    }

    /// A fault of the store or the key: told in the log, and to the customer as far as it helps him.
    pub(crate) fn fault(&self, error: &lango_store::Error) -> Response {
        let code = format!("{:06x}", fastrand::u32(..1 << 24));
        let router = self.site.router.id;
        tracing::error!(%error, %router, code, page = self.page, "a page of the portal failed");
        self.trouble_about(Reason::Ours, Some(code))
    }

    /// An instant as clocks at the site show it.
    pub(crate) fn when(&self, at: Timestamp) -> String {
        words::instant(at, self.now, &self.site.tenant.zone, self.say())
    }
}

impl Reason {
    fn text(self, say: &Sentences) -> String {
        let text = match self {
            Reason::Router => say.trouble_router,
            Reason::Money => say.trouble_money,
            Reason::Expired => say.trouble_expired,
            Reason::Barred => say.trouble_barred,
            Reason::Elsewhere => say.trouble_elsewhere,
            Reason::Closed => say.trouble_closed,
            Reason::Locked => say.trouble_locked,
            Reason::Busy => say.trouble_busy,
            Reason::Asked => say.trouble_asked,
            Reason::Place => say.trouble_place,
            Reason::Unseen => say.trouble_unseen,
            Reason::Ours => say.trouble_ours,
        };
        text.to_owned()
    }

    fn status(self) -> StatusCode {
        match self {
            Reason::Busy | Reason::Asked => StatusCode::TOO_MANY_REQUESTS,
            Reason::Place => StatusCode::NOT_FOUND,
            Reason::Ours => StatusCode::SERVICE_UNAVAILABLE,
            // Mini-browsers show pages of their own for some errors; these are answers.
            _ => StatusCode::OK,
        }
    }
}

/// The language that a browser would rather have, if we speak one of its.
pub(crate) fn preferred(headers: &HeaderMap) -> Option<Language> {
    let list = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    let mut wishes: Vec<(u32, Language)> = list
        .split(',')
        .take(20)
        .filter_map(|wish| {
            let (tag, quality) = wish.split_once(';').unwrap_or((wish, ""));
            let quality = quality.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
            let language = tag.trim().split('-').next()?.parse().ok()?;
            Some(((quality.unwrap_or(1.0).clamp(0.0, 1.0) * 1_000.0) as u32, language))
        })
        .collect();
    wishes.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    wishes.first().filter(|(quality, _)| *quality > 0).map(|(_, language)| *language)
}

/// Trouble before anybody knows at which site.
fn placeless(
    headers: &HeaderMap,
    language: Option<Language>,
    status: StatusCode,
    reason: Reason,
) -> Response {
    let frame = placeless_frame(language.unwrap_or(Language::En), "");
    let text = reason.text(frame.say);
    let frame = Frame { title: frame.say.trouble_title.to_owned(), ..frame };
    let page = Trouble { frame, text, again: None, support_code: None };
    respond::page(headers, status, &page)
}

/// What stands around a page of no site. `path` is the page itself.
pub(crate) fn placeless_frame(language: Language, path: &str) -> Frame {
    let languages = LANGUAGES.map(|(other, word)| LanguageLink {
        word,
        code: other.code(),
        href: format!("{path}?lang={}", other.code()),
        current: other == language,
    });
    Frame {
        language,
        say: sentences(language),
        title: String::new(),
        business: "Wi-Fi".to_owned(),
        help: None,
        languages: languages.into(),
        plans: String::new(),
        recover: String::new(),
        terms: String::new(),
        refresh: None,
        offers_rescue: false,
        offers_plans: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_language_is_the_one_that_the_phone_would_rather_have() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(value));
            preferred(&headers)
        };
        assert_eq!(of("sw-KE,sw;q=0.9,en;q=0.8"), Some(Language::Sw));
        assert_eq!(of("de,fr;q=0.5,en;q=0.4"), Some(Language::Fr));
        assert_eq!(of("de"), None);
        assert_eq!(of("en;q=0"), None);
        assert_eq!(of(";;q=,,"), None);
    }
}
