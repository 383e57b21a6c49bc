//! Gateways: how each is asked to take a text, and how its answers and reports are read. Answers
//! are read by their codes, never by their prose; a code that is not known is unknown and not a
//! failure. Must never try again: that is decided by who knows what was tried before.

pub(crate) mod africas_talking;
pub(crate) mod beem;
pub(crate) mod generic;
pub(crate) mod next_sms;
pub(crate) mod smpp;
pub(crate) mod smtp;
pub(crate) mod twilio;

use crate::app::App;
use crate::outbound::{Answer, NoAnswer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;
use hyper::body::Bytes;
use lango_domain::time::Span;
use lango_store::messages::Report;
use lango_store::senders::Sender;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use generic::HttpGateway;
pub use smpp::SmppGateway;
pub use smtp::SmtpGateway;

/// How a gateway is spoken to. What is secret is kept apart from it, sealed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Gateway {
    /// Keeps texts in the message log and sends nothing
    Log,
    /// africastalking.com; the secret is its API key
    AfricasTalking {
        /// The name of the application; `sandbox` for trying
        user: String,
        /// Where it is, without path
        #[serde(default = "africas_talking::usual_url")]
        url: String,
    },
    /// nextsms.co.tz; the secret is the password
    NextSms {
        /// Who logs in
        user: String,
        /// Where it is, without path
        #[serde(default = "next_sms::usual_url")]
        url: String,
    },
    /// beem.africa; the secret is its secret key
    Beem {
        /// Its API key
        user: String,
        /// Where texts are sent, without path
        #[serde(default = "beem::usual_url")]
        url: String,
        /// Where it is asked what became of them, without path
        #[serde(default = "beem::usual_report_url")]
        report_url: String,
    },
    /// twilio.com; the secret is the auth token
    Twilio {
        /// The account's SID
        user: String,
        /// Where it is, without path
        #[serde(default = "twilio::usual_url")]
        url: String,
        /// Where Lango is reached from outside, for reports of delivery: `https://HOST`; else it
        /// is `public_url`
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reports_to: Option<String>,
    },
    /// Anything that takes a text by HTTP
    Http(HttpGateway),
    /// A message centre by SMPP 3.4; the secret is the password
    Smpp(SmppGateway),
    /// E-mail by SMTP, for what has an e-mail address; the secret is the password
    Smtp(SmtpGateway),
}

impl Gateway {
    /// Its word.
    pub const fn word(&self) -> &'static str {
        match self {
            Gateway::Log => "log",
            Gateway::AfricasTalking { .. } => "africas-talking",
            Gateway::NextSms { .. } => "next-sms",
            Gateway::Beem { .. } => "beem",
            Gateway::Twilio { .. } => "twilio",
            Gateway::Http(_) => "http",
            Gateway::Smpp(_) => "smpp",
            Gateway::Smtp(_) => "smtp",
        }
    }

    /// Reads it as it is stored.
    pub fn read(sender: &Sender) -> Option<Gateway> {
        serde_json::from_str(&sender.gateway).ok()
    }

    /// Whether it takes what is to go to that recipient.
    pub fn reaches(&self, recipient: &str) -> bool {
        let is_email = recipient.contains('@');
        match self {
            Gateway::Log => true,
            Gateway::Smtp(_) => is_email,
            _ => !is_email,
        }
    }

    /// Whether the same reference twice is one text there.
    pub const fn is_repeatable(&self) -> bool {
        matches!(self, Gateway::Http(HttpGateway { repeatable: true, .. }))
    }

    /// Whether its addresses can be addresses.
    ///
    /// # Errors
    /// Which one cannot.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Gateway::Log => Ok(()),
            Gateway::AfricasTalking { url, .. } | Gateway::NextSms { url, .. } => check_url(url),
            Gateway::Beem { url, report_url, .. } => check_url(url).and(check_url(report_url)),
            Gateway::Twilio { url, reports_to, .. } => {
                check_url(url).and(reports_to.as_deref().map_or(Ok(()), check_url))
            }
            Gateway::Http(http) => http.check(),
            Gateway::Smpp(smpp) => smpp.check(),
            Gateway::Smtp(smtp) => smtp.check(),
        }
    }

    /// Hands a text over.
    pub(crate) async fn hand_over(&self, app: &App, sender: &Sender, out: Outgoing<'_>) -> Handed {
        self.hand(app, sender, out).await.kept()
    }

    async fn hand(&self, app: &App, sender: &Sender, out: Outgoing<'_>) -> Handed {
        let Some(secret) = open_secret(app, sender) else {
            return Handed::Faulty("its secret was sealed with another key: set it again".into());
        };
        match self {
            Gateway::Log => {
                tracing::info!(recipient = hidden(out.to), "a text for the log");
                Handed::Taken(Taken { logged: true, ..Taken::default() })
            }
            Gateway::AfricasTalking { user, url } => {
                africas_talking::send(app, (url, user, &secret), out).await
            }
            Gateway::NextSms { user, url } => next_sms::send(app, (url, user, &secret), out).await,
            Gateway::Beem { user, url, .. } => beem::send(app, (url, user, &secret), out).await,
            Gateway::Twilio { user, url, reports_to } => {
                let report_url =
                    outside(app, reports_to.as_ref()).map(|base| report_url(app, sender, &base));
                twilio::send(app, (url, user, &secret), report_url.as_deref(), out).await
            }
            Gateway::Http(http) => http.send(app, &secret, out).await,
            Gateway::Smpp(smpp) => smpp::send(app, (sender, smpp), &secret, out).await,
            Gateway::Smtp(smtp) => smtp.send(app, &secret, out).await,
        }
    }

    /// Asks what became of a part. None: it cannot say yet.
    pub(crate) async fn ask_report(
        &self,
        app: &App,
        sender: &Sender,
        to: &str,
        gateway_id: &str,
    ) -> Option<Report> {
        let secret = open_secret(app, sender)?;
        match self {
            Gateway::Beem { user, report_url, .. } => {
                beem::ask_report(app, (report_url, user, &secret), to, gateway_id).await
            }
            _ => None,
        }
    }

    /// Asks how much is left to be spent: ten-thousandths and their currency. None if it does not
    /// say.
    pub(crate) async fn ask_balance(&self, app: &App, sender: &Sender) -> Option<(i64, String)> {
        let secret = open_secret(app, sender)?;
        match self {
            Gateway::AfricasTalking { user, url } => {
                africas_talking::ask_balance(app, (url, user, &secret)).await
            }
            Gateway::Twilio { user, url, .. } => {
                twilio::ask_balance(app, (url, user, &secret)).await
            }
            _ => None,
        }
    }
}

/// A text to be handed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'m> {
    /// `+254…`, or an e-mail address.
    pub(crate) to: &'m str,
    pub(crate) text: &'m str,
    /// Whom the phone shows as the sender.
    pub(crate) from: Option<&'m str>,
    /// Ours, different for every handing over.
    pub(crate) reference: &'m str,
}

impl Outgoing<'_> {
    /// The number without its plus sign.
    pub(crate) fn digits(&self) -> &str {
        self.to.trim_start_matches('+')
    }
}

/// What came of handing a text over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Handed {
    /// It took it.
    Taken(Taken),
    /// It surely did not take it, and may later; why.
    NotNow(String),
    /// It will never take this text for this number; why.
    Refused(String),
    /// Something is wrong with the gateway itself; what.
    Faulty(String),
    /// It may have taken it; what is known.
    Unknown(String),
}

impl Handed {
    /// The same in words that can be kept and shown.
    fn kept(self) -> Handed {
        match self {
            Handed::Taken(taken) => {
                let ids = taken.ids.iter().map(|id| kept(id)).collect();
                Handed::Taken(Taken { ids, ..taken })
            }
            Handed::NotNow(why) => Handed::NotNow(kept(&why)),
            Handed::Refused(why) => Handed::Refused(kept(&why)),
            Handed::Faulty(why) => Handed::Faulty(kept(&why)),
            Handed::Unknown(why) => Handed::Unknown(kept(&why)),
        }
    }
}

/// What a gateway said when it took a text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Taken {
    /// What it calls the parts, for its reports.
    pub(crate) ids: Vec<String>,
    /// After how long it can be asked what became of them, if it must be asked.
    pub(crate) ask_after: Option<Span>,
    /// What it says that it costs, in ten-thousandths.
    pub(crate) cost: Option<i64>,
    /// It went no further than the log.
    pub(crate) logged: bool,
}

impl Taken {
    pub(crate) fn as_one(id: impl Into<String>) -> Taken {
        Taken { ids: vec![id.into()], ..Taken::default() }
    }
}

impl From<NoAnswer> for Handed {
    fn from(none: NoAnswer) -> Handed {
        match none {
            NoAnswer::NotSent { .. } => Handed::NotNow(none.to_string()),
            NoAnswer::Unknown { .. } => Handed::Unknown(none.to_string()),
        }
    }
}

/// What a status says by itself. What a server could not do, something before it may have done.
pub(crate) fn by_status(answer: &Answer) -> Option<Handed> {
    let told = || format!("status {}: {}", answer.status, answer.excerpt());
    match answer.status {
        200..300 => None,
        408 | 409 => Some(Handed::Unknown(told())),
        429 => Some(Handed::NotNow(told())),
        300..500 => Some(Handed::Faulty(told())),
        _ => Some(Handed::Unknown(told())),
    }
}

/// What cannot be read of an answer of success was perhaps a success.
pub(crate) fn unreadable(answer: &Answer) -> Handed {
    Handed::Unknown(format!("status {}, not understood: {}", answer.status, answer.excerpt()))
}

/// `Basic …` (RFC 7617).
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A request with a form as its body.
pub(crate) fn form(
    url: &str,
    authorization: (&str, &str),
    fields: &[(&str, &str)],
) -> Result<Request<Bytes>, Handed> {
    let body =
        serde_urlencoded::to_string(fields).map_err(|why| Handed::Faulty(why.to_string()))?;
    let request = Request::post(url)
        .header(authorization.0, authorization.1)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json");
    request.body(body.into()).map_err(|why| Handed::Faulty(why.to_string()))
}

/// A request with JSON as its body.
pub(crate) fn json(
    url: &str,
    authorization: &str,
    body: &serde_json::Value,
) -> Result<Request<Bytes>, Handed> {
    let request = Request::post(url)
        .header("authorization", authorization)
        .header("content-type", "application/json")
        .header("accept", "application/json");
    request.body(body.to_string().into()).map_err(|why| Handed::Faulty(why.to_string()))
}

/// A request that only asks.
pub(crate) fn get(url: &str, authorization: (&str, &str)) -> Option<Request<Bytes>> {
    let request = Request::get(url)
        .header(authorization.0, authorization.1)
        .header("accept", "application/json");
    request.body(Bytes::new()).ok()
}

/// Text or number, as text: gateways disagree with themselves about which it is.
pub(crate) fn as_text(value: Option<&serde_json::Value>) -> Option<String> {
    match value? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The same as a number.
pub(crate) fn as_number(value: Option<&serde_json::Value>) -> Option<i64> {
    as_text(value)?.trim().parse().ok()
}

/// `0.8000` or `KES 0.8000` in ten-thousandths; further digits are cut off.
pub fn ten_thousandths(text: &str) -> Option<i64> {
    let number = text.rsplit(' ').next()?.trim();
    let (negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain("0000".chars()).take(4).collect();
    let size = whole.parse::<i64>().ok()?.checked_mul(10_000)?;
    let size = size.checked_add(fraction.parse().ok()?)?;
    Some(if negative { -size } else { size })
}

/// Ten-thousandths as people write them: `0.8`.
pub fn written(ten_thousandths: i64) -> String {
    let size = ten_thousandths.unsigned_abs();
    let sign = if ten_thousandths < 0 { "-" } else { "" };
    let fraction = format!("{:04}", size % 10_000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", size / 10_000)
}

/// Where a gateway reports to.
pub fn report_path(app: &App, sender: &Sender) -> String {
    format!("/api/messages/{}/{}", sender.id, app.report_token(sender.id))
}

pub(crate) fn report_url(app: &App, sender: &Sender, base: &str) -> String {
    format!("{}{}", base.trim_end_matches('/'), report_path(app, sender))
}

/// Where we are reached from outside: where a sender says, else where all of Lango is.
fn outside(app: &App, said: Option<&String>) -> Option<String> {
    said.cloned().or_else(|| app.public_url().map(ToString::to_string))
}

/// What a gateway reports; none if it is not signed as it must be. What says nothing of a text is
/// no report and no trouble.
pub(crate) fn read_reports(
    app: &App,
    sender: &Sender,
    (kind, signature): (&str, Option<&str>),
    body: &[u8],
) -> Option<Vec<Report>> {
    let Some(gateway) = Gateway::read(sender) else { return Some(Vec::new()) };
    let json: Option<serde_json::Value> = match kind.contains("json") {
        true => serde_json::from_slice(body).ok(),
        false => None,
    };
    let fields = fields(json.as_ref(), body);
    Some(match &gateway {
        Gateway::AfricasTalking { .. } => africas_talking::report(&fields).into_iter().collect(),
        Gateway::NextSms { .. } => next_sms::reports(&json.unwrap_or_default()),
        Gateway::Twilio { reports_to, .. } => {
            let secret = open_secret(app, sender)?;
            let url = report_url(app, sender, &outside(app, reports_to.as_ref())?);
            if !twilio::is_signed(&secret, &url, &fields, signature.unwrap_or_default()) {
                return None;
            }
            twilio::report(&fields).into_iter().collect()
        }
        Gateway::Http(http) => http.report(&fields).into_iter().collect(),
        Gateway::Log | Gateway::Beem { .. } | Gateway::Smpp(_) | Gateway::Smtp(_) => Vec::new(),
    })
}

/// The fields of a form or of a JSON object.
fn fields(json: Option<&serde_json::Value>, body: &[u8]) -> BTreeMap<String, String> {
    match json.and_then(serde_json::Value::as_object) {
        Some(object) => object
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), as_text(Some(value))?)))
            .collect(),
        None => serde_urlencoded::from_bytes(body).unwrap_or_default(),
    }
}

fn open_secret(app: &App, sender: &Sender) -> Option<String> {
    let clear = app.open_sender(sender.id, &sender.secret).ok()?;
    String::from_utf8(clear).ok()
}

fn check_url(url: &str) -> Result<(), String> {
    let refused = || format!("`{url}` is no address: write https://HOST, without a password");
    let uri: axum::http::Uri = url.parse().map_err(|_| refused())?;
    let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if has_scheme && !authority.is_empty() && !authority.contains('@') {
        Ok(())
    } else {
        Err(refused())
    }
}

/// What a gateway said, as it can be kept and shown: PostgreSQL takes no NUL, people no novels.
pub(crate) fn kept(said: &str) -> String {
    const MOST: usize = 300;
    said.chars().filter(|sign| !sign.is_control()).take(MOST).collect()
}

/// The last digits only: logs are read by many.
pub(crate) fn hidden(recipient: &str) -> String {
    let signs: Vec<char> = recipient.chars().collect();
    format!("…{}", signs[signs.len().saturating_sub(3)..].iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_and_written() {
        for (text, amount, back) in
            [("KES 0.8000", 8_000, "0.8"), ("12", 120_000, "12"), ("-0.00525", -52, "-0.0052")]
        {
            assert_eq!(ten_thousandths(text), Some(amount));
            assert_eq!(written(amount), back);
        }
        assert_eq!(ten_thousandths("KES ?"), None);
    }
}
