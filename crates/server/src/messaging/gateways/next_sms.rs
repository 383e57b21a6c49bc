//! NextSMS of Tanzania: version 1 of its API, whose statuses are Infobip's groups.

use super::{Handed, Outgoing, Taken, as_number, as_text, basic, by_status, json, unreadable};
use crate::app::App;
use crate::outbound::{self, Answer, Reach};
use lango_store::messages::{MessageState, Report};
use serde_json::Value;

pub(super) fn usual_url() -> String {
    "https://messaging-service.co.tz".to_owned()
}

pub(super) async fn send(
    app: &App,
    (url, user, password): (&str, &str, &str),
    out: Outgoing<'_>,
) -> Handed {
    let Some(from) = out.from else {
        return Handed::Faulty("NextSMS needs a registered sender's name: set one".to_owned());
    };
    let body = serde_json::json!({
        "from": from, "to": out.digits(), "text": out.text, "reference": out.reference,
    });
    let url = format!("{}/api/sms/v1/text/single", url.trim_end_matches('/'));
    let request = match json(&url, &basic(user, password), &body) {
        Ok(request) => request,
        Err(fault) => return fault,
    };
    match outbound::ask(request, Reach::of(app)).await {
        Ok(answer) => by_status(&answer).unwrap_or_else(|| read(&answer)),
        Err(none) => none.into(),
    }
}

fn read(answer: &Answer) -> Handed {
    let Some(body) = answer.json() else { return unreadable(answer) };
    let Some(message) = body.pointer("/messages/0") else { return unreadable(answer) };
    let status = message.get("status");
    let code = as_number(status.and_then(|status| status.get("id")));
    let name = as_text(status.and_then(|status| status.get("name"))).unwrap_or_default();
    let told = format!("{} {name}", code.unwrap_or_default());
    match (as_number(status.and_then(|status| status.get("groupId"))), code) {
        (Some(1 | 3), _) => Handed::Taken(Taken {
            ids: as_text(message.get("messageId")).into_iter().collect(),
            ..Taken::default()
        }),
        // Wrong source, no credit, wrong sender, package over.
        (Some(5), Some(11 | 12 | 13 | 17)) => Handed::Faulty(told),
        (Some(2 | 5), _) => Handed::Refused(told),
        (Some(_), _) => Handed::Unknown(told),
        (None, _) => unreadable(answer),
    }
}

/// Reports in Infobip's shape: `results[].messageId` and its status' group.
pub(super) fn reports(body: &Value) -> Vec<Report> {
    let results = body.get("results").and_then(Value::as_array);
    let report = |result: &Value| {
        let status = result.get("status")?;
        let state = match as_number(status.get("groupId"))? {
            1 => MessageState::Sent,
            3 => MessageState::Delivered,
            2 | 4 | 5 => MessageState::Failed,
            _ => MessageState::Unknown,
        };
        let detail = as_text(status.get("name"));
        Some(Report { gateway_id: as_text(result.get("messageId"))?, state, detail })
    };
    results.into_iter().flatten().filter_map(report).collect()
}
