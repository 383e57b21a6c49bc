//! Africa's Talking: bulk SMS, version 1 (developers.africastalking.com, SMS sending and delivery
//! reports).

use super::{
    Handed, Outgoing, Taken, as_number, as_text, by_status, form, get, ten_thousandths, unreadable,
};
use crate::app::App;
use crate::outbound::{self, Answer, Reach};
use lango_store::messages::{MessageState, Report};
use std::collections::BTreeMap;

pub(super) fn usual_url() -> String {
    "https://api.africastalking.com".to_owned()
}

pub(super) async fn send(
    app: &App,
    (url, user, key): (&str, &str, &str),
    out: Outgoing<'_>,
) -> Handed {
    let mut fields =
        vec![("username", user), ("to", out.to), ("message", out.text), ("bulkSMSMode", "1")];
    fields.extend(out.from.map(|from| ("from", from)));
    let url = format!("{}/version1/messaging", url.trim_end_matches('/'));
    let request = match form(&url, ("apiKey", key), &fields) {
        Ok(request) => request,
        Err(fault) => return fault,
    };
    match outbound::ask(request, Reach::of(app)).await {
        Ok(answer) => by_status(&answer).unwrap_or_else(|| read(&answer)),
        Err(none) => none.into(),
    }
}

/// A status of success says nothing: with a wrong sender's name there are no recipients in it.
fn read(answer: &Answer) -> Handed {
    let Some(body) = answer.json() else { return unreadable(answer) };
    let Some(data) = body.get("SMSMessageData") else { return unreadable(answer) };
    let Some(recipients) = data.get("Recipients").and_then(|list| list.as_array()) else {
        return unreadable(answer);
    };
    let Some(one) = recipients.first() else {
        let said = as_text(data.get("Message")).unwrap_or_default();
        return Handed::Faulty(format!("it took no recipient: {said}"));
    };
    let status = as_text(one.get("status")).unwrap_or_default();
    let told = |code| format!("{code} {status}");
    match as_number(one.get("statusCode")) {
        Some(100..=102) => Handed::Taken(Taken {
            ids: as_text(one.get("messageId")).into_iter().collect(),
            cost: as_text(one.get("cost")).as_deref().and_then(ten_thousandths),
            ..Taken::default()
        }),
        Some(code @ (402 | 405)) => Handed::Faulty(told(code)),
        Some(code @ (401 | 403 | 404 | 406 | 407 | 409)) => Handed::Refused(told(code)),
        Some(code @ 500..=502) => Handed::NotNow(told(code)),
        Some(code) => Handed::Unknown(told(code)),
        None => unreadable(answer),
    }
}

/// A report: a form with `id` and `status`.
pub(super) fn report(fields: &BTreeMap<String, String>) -> Option<Report> {
    let state = match fields.get("status")?.as_str() {
        "Success" => MessageState::Delivered,
        "Failed" | "Rejected" => MessageState::Failed,
        "Sent" | "Submitted" | "Buffered" => MessageState::Sent,
        _ => MessageState::Unknown,
    };
    let detail = fields.get("failureReason").filter(|why| !why.is_empty()).cloned();
    Some(Report { gateway_id: fields.get("id")?.clone(), state, detail })
}

pub(super) async fn ask_balance(
    app: &App,
    (url, user, key): (&str, &str, &str),
) -> Option<(i64, String)> {
    let user = serde_urlencoded::to_string([("username", user)]).ok()?;
    let url = format!("{}/version1/user?{user}", url.trim_end_matches('/'));
    let answer = outbound::ask(get(&url, ("apiKey", key))?, Reach::of(app)).await.ok()?;
    let body = answer.json()?;
    let text = as_text(body.pointer("/UserData/balance"))?;
    let currency = text.split(' ').next().filter(|word| word.len() == 3)?.to_owned();
    Some((ten_thousandths(&text)?, currency))
}
