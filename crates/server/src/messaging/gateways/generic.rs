//! Any gateway that takes a text by HTTP: what is asked is a template, what counts as taken is a
//! status and, where that is not enough, a value in the answer.

use super::{Handed, Outgoing, Taken, as_text, check_url};
use crate::app::App;
use crate::config::nearest::nearest;
use crate::outbound::{self, Answer, Reach};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use lango_store::messages::{MessageState, Report};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands between braces.
const PLACES: [&str; 6] = ["to", "number", "text", "from", "reference", "secret"];

/// How it is asked, with `{to}` (+254…), `{number}` (without the plus), `{text}`, `{from}`,
/// `{reference}` and `{secret}` in address, headers and body
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpGateway {
    /// The whole address
    pub url: String,
    /// GET or POST …
    #[serde(default = "usual_method")]
    pub method: String,
    /// Header by header
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What is sent; values are escaped for JSON or forms by its Content-Type
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Where in a JSON answer it says whether it took the text (RFC 6901); without it the status
    /// says so
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<String>,
    /// What stands there if it did
    #[serde(default)]
    pub taken_is: Vec<String>,
    /// Where in a JSON answer it says what it calls the text (RFC 6901); without it, it is our
    /// reference
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_at: Option<String>,
    /// Whether the same reference twice is one text there
    #[serde(default)]
    pub repeatable: bool,
    /// The field of its reports with what it calls the text
    #[serde(default = "usual_report_id")]
    pub report_id: String,
    /// The field of its reports with what became of it
    #[serde(default = "usual_report_state")]
    pub report_state: String,
    /// What stands there if the phone has it
    #[serde(default = "usual_delivered")]
    pub report_delivered: Vec<String>,
    /// What stands there if it will not arrive
    #[serde(default = "usual_failed")]
    pub report_failed: Vec<String>,
}

fn usual_method() -> String {
    "POST".to_owned()
}

fn usual_report_id() -> String {
    "id".to_owned()
}

fn usual_report_state() -> String {
    "status".to_owned()
}

fn usual_delivered() -> Vec<String> {
    ["delivered", "DELIVRD", "DELIVERED"].map(str::to_owned).to_vec()
}

fn usual_failed() -> Vec<String> {
    ["failed", "FAILED", "UNDELIV", "REJECTD", "EXPIRED"].map(str::to_owned).to_vec()
}

impl Default for HttpGateway {
    fn default() -> HttpGateway {
        HttpGateway {
            url: String::new(),
            method: usual_method(),
            headers: BTreeMap::new(),
            body: None,
            taken_at: None,
            taken_is: Vec::new(),
            id_at: None,
            repeatable: false,
            report_id: usual_report_id(),
            report_state: usual_report_state(),
            report_delivered: usual_delivered(),
            report_failed: usual_failed(),
        }
    }
}

/// How a value is written where it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    Not,
    Url,
    Json,
}

impl HttpGateway {
    pub(super) fn check(&self) -> Result<(), String> {
        let nobody = Outgoing { to: "+254700000000", text: "t", from: Some("f"), reference: "r" };
        check_url(&self.filled(&self.url, Escape::Url, nobody, "s")?)?;
        self.request(nobody, "s").map(drop)
    }

    fn escape_of_body(&self) -> Escape {
        let kind = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        match kind.map(|(_, kind)| kind.as_str()) {
            Some(kind) if kind.contains("json") => Escape::Json,
            Some(kind) if kind.contains("urlencoded") => Escape::Url,
            Some(_) => Escape::Not,
            None if self.body.as_deref().is_some_and(|body| body.trim_start().starts_with('{')) => {
                Escape::Json
            }
            None => Escape::Url,
        }
    }

    /// Braces that hold no name are left alone: they are JSON.
    fn filled(
        &self,
        template: &str,
        escape: Escape,
        out: Outgoing<'_>,
        secret: &str,
    ) -> Result<String, String> {
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let name = after.split_once('}').map_or("", |(name, _)| name);
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
            if !is_name {
                filled.push('{');
                rest = after;
                continue;
            }
            let value = match name {
                "to" => out.to,
                "number" => out.digits(),
                "text" => out.text,
                "from" => out.from.unwrap_or_default(),
                "reference" => out.reference,
                "secret" => secret,
                unknown => {
                    let hint = nearest(unknown, &PLACES)
                        .map_or_else(|| PLACES.join("} {"), ToOwned::to_owned);
                    return Err(format!("there is no {{{unknown}}}: write {{{hint}}}"));
                }
            };
            filled.push_str(&escaped(value, escape));
            rest = &after[name.len() + 1..];
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn request(&self, out: Outgoing<'_>, secret: &str) -> Result<Request<Bytes>, String> {
        let url = self.filled(&self.url, Escape::Url, out, secret)?;
        let escape = self.escape_of_body();
        let mut request = Request::builder().method(self.method.as_str()).uri(url);
        for (name, value) in &self.headers {
            let value = self.filled(value, Escape::Not, out, secret)?;
            let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is no header"))?;
            let value = HeaderValue::from_str(&value)
                .map_err(|_| format!("the header {name} has signs that no header can have"))?;
            request = request.header(name, value);
        }
        let body = self.body.as_deref().map(|body| self.filled(body, escape, out, secret));
        let body = body.transpose()?.unwrap_or_default();
        let says_kind = self.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
        if !body.is_empty() && !says_kind {
            let form = "application/x-www-form-urlencoded";
            let kind = if escape == Escape::Json { "application/json" } else { form };
            request = request.header("content-type", kind);
        }
        request.body(body.into()).map_err(|why| why.to_string())
    }

    pub(super) async fn send(&self, app: &App, secret: &str, out: Outgoing<'_>) -> Handed {
        let request = match self.request(out, secret) {
            Ok(request) => request,
            Err(why) => return Handed::Faulty(why),
        };
        match outbound::ask(request, Reach::of(app)).await {
            Ok(answer) => super::by_status(&answer).unwrap_or_else(|| self.read(&answer, out)),
            Err(none) => none.into(),
        }
    }

    fn read(&self, answer: &Answer, out: Outgoing<'_>) -> Handed {
        let body = answer.json();
        if let Some(at) = &self.taken_at {
            let said = body.as_ref().and_then(|body| plain(body.pointer(at)));
            let Some(said) = said else { return super::unreadable(answer) };
            if !self.taken_is.iter().any(|taken| taken.eq_ignore_ascii_case(&said)) {
                return Handed::Refused(format!("it says `{said}`: {}", answer.excerpt()));
            }
        }
        let id = self.id_at.as_deref().and_then(|at| plain(body.as_ref()?.pointer(at)));
        Handed::Taken(Taken::as_one(id.unwrap_or_else(|| out.reference.to_owned())))
    }

    /// A report: a form, or a JSON object, with the fields that were named.
    pub(super) fn report(&self, fields: &BTreeMap<String, String>) -> Option<Report> {
        let gateway_id = fields.get(&self.report_id)?.clone();
        let said = fields.get(&self.report_state)?;
        let is = |words: &[String]| words.iter().any(|word| word.eq_ignore_ascii_case(said));
        let state = match () {
            () if is(&self.report_delivered) => MessageState::Delivered,
            () if is(&self.report_failed) => MessageState::Failed,
            () => MessageState::Sent,
        };
        Some(Report { gateway_id, state, detail: Some(said.clone()) })
    }
}

fn plain(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Bool(truth) => Some(truth.to_string()),
        other => as_text(Some(other)),
    }
}

fn escaped(value: &str, escape: Escape) -> String {
    match escape {
        Escape::Not => value.to_owned(),
        Escape::Json => {
            let quoted = Value::from(value).to_string();
            // What is quoted begins and ends with one quote each.
            quoted[1..quoted.len() - 1].to_owned()
        }
        Escape::Url => {
            let mut written = String::with_capacity(value.len());
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    written.push(char::from(byte));
                } else {
                    written.push_str(&format!("%{byte:02X}"));
                }
            }
            written
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> Outgoing<'_> {
        Outgoing { to: "+254712345678", text, from: Some("DUKA"), reference: "m1-1" }
    }

    #[test]
    fn values_are_escaped_for_where_they_go() {
        let gateway = HttpGateway {
            url: "https://sms.example/send?to={number}&t={text}&k={secret}".to_owned(),
            body: Some(r#"{"msg":"{text}","meta":{"ref":"{reference}"}}"#.to_owned()),
            ..HttpGateway::default()
        };
        gateway.check().unwrap();
        let request = gateway.request(out("a \"b\" & c"), "s/1").unwrap();
        assert_eq!(
            request.uri().to_string(),
            "https://sms.example/send?to=254712345678&t=a%20%22b%22%20%26%20c&k=s%2F1"
        );
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body["msg"], "a \"b\" & c");
        assert_eq!(body["meta"]["ref"], "m1-1");
        assert_eq!(request.headers()["content-type"], "application/json");
    }

    #[test]
    fn a_text_cannot_escape_its_quotes() {
        assert_eq!(escaped("\"\"", Escape::Json), "\\\"\\\"");
        assert_eq!(escaped("\\", Escape::Json), "\\\\");
    }

    #[test]
    fn a_misspelt_place_is_named() {
        let url = "https://sms.example/?to={too}".to_owned();
        let wrong = HttpGateway { url, ..HttpGateway::default() }.check().unwrap_err();
        assert_eq!(wrong, "there is no {too}: write {to}");
    }
}
