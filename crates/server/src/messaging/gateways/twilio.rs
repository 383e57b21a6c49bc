//! Twilio: Programmable Messaging, API of 2010-04-01, and the signature of its reports.

use super::{
    Handed, Outgoing, Taken, as_number, as_text, basic, by_status, form, get, ten_thousandths,
};
use crate::app::App;
use crate::outbound::{self, Answer, Reach};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lango_store::messages::{MessageState, Report};
use ring::hmac;
use std::collections::BTreeMap;

pub(super) fn usual_url() -> String {
    "https://api.twilio.com".to_owned()
}

pub(super) async fn send(
    app: &App,
    (url, sid, token): (&str, &str, &str),
    report_url: Option<&str>,
    out: Outgoing<'_>,
) -> Handed {
    let Some(from) = out.from else {
        return Handed::Faulty("Twilio needs a number or name to send from: set one".to_owned());
    };
    let mut fields = vec![("To", out.to), ("From", from), ("Body", out.text)];
    fields.extend(report_url.map(|url| ("StatusCallback", url)));
    let url = format!("{}/2010-04-01/Accounts/{sid}/Messages.json", url.trim_end_matches('/'));
    let request = match form(&url, ("authorization", &basic(sid, token)), &fields) {
        Ok(request) => request,
        Err(fault) => return fault,
    };
    match outbound::ask(request, Reach::of(app)).await {
        Ok(answer) => read(&answer),
        Err(none) => none.into(),
    }
}

fn read(answer: &Answer) -> Handed {
    let body = answer.json().unwrap_or_default();
    if !answer.is_success() {
        let refused = by_status(answer).unwrap_or_else(|| super::unreadable(answer));
        let told = || format!("{} {}", body["code"], body["message"].as_str().unwrap_or_default());
        return match as_number(body.get("code")) {
            // A bad number, a trial account's stranger, no route, opted out, no mobile.
            Some(21211 | 21608 | 21610 | 21612 | 21614) => Handed::Refused(told()),
            Some(20429) => Handed::NotNow(told()),
            _ => refused,
        };
    }
    match as_text(body.get("sid")) {
        Some(sid) => Handed::Taken(Taken::as_one(sid)),
        None => super::unreadable(answer),
    }
}

/// A report: a form with `MessageSid` and `MessageStatus`.
pub(super) fn report(fields: &BTreeMap<String, String>) -> Option<Report> {
    let state = match fields.get("MessageStatus")?.as_str() {
        "delivered" | "read" => MessageState::Delivered,
        "failed" | "undelivered" | "canceled" => MessageState::Failed,
        "accepted" | "queued" | "sending" | "sent" | "scheduled" => MessageState::Sent,
        _ => MessageState::Unknown,
    };
    let detail = fields.get("ErrorCode").filter(|code| !code.is_empty()).cloned();
    Some(Report { gateway_id: fields.get("MessageSid")?.clone(), state, detail })
}

/// Whether a report was signed with the account's token: base64 of HMAC-SHA-1 of the address as
/// the other side called it, followed by all names and values, sorted by name.
pub(super) fn is_signed(
    token: &str,
    url: &str,
    fields: &BTreeMap<String, String>,
    signature: &str,
) -> bool {
    let mut text = url.to_owned();
    for (name, value) in fields {
        text.push_str(name);
        text.push_str(value);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    STANDARD.decode(signature).is_ok_and(|tag| hmac::verify(&key, text.as_bytes(), &tag).is_ok())
}

pub(super) async fn ask_balance(
    app: &App,
    (url, sid, token): (&str, &str, &str),
) -> Option<(i64, String)> {
    let url = format!("{}/2010-04-01/Accounts/{sid}/Balance.json", url.trim_end_matches('/'));
    let basic = basic(sid, token);
    let answer = outbound::ask(get(&url, ("authorization", &basic))?, Reach::of(app)).await.ok()?;
    let body = answer.json()?;
    Some((ten_thousandths(&as_text(body.get("balance"))?)?, as_text(body.get("currency"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_the_documentation_is_right() {
        let fields = [
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        assert!(is_signed("12345", url, &fields, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
        assert!(!is_signed("12346", url, &fields, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
        assert!(!is_signed("12345", url, &fields, ""));
    }
}
