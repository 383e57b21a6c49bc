//! Beem of Tanzania: its SMS API, and the asking for reports, which it does not send by itself.

use super::{Handed, Outgoing, Taken, as_number, as_text, basic, by_status, get, json, unreadable};
use crate::app::App;
use crate::outbound::{self, Answer, Reach};
use lango_domain::time::Span;
use lango_store::messages::{MessageState, Report};

pub(super) fn usual_url() -> String {
    "https://apisms.beem.africa".to_owned()
}

pub(super) fn usual_report_url() -> String {
    "https://dlrapi.beem.africa".to_owned()
}

pub(super) async fn send(
    app: &App,
    (url, key, secret): (&str, &str, &str),
    out: Outgoing<'_>,
) -> Handed {
    let Some(from) = out.from else {
        return Handed::Faulty("Beem needs a registered sender's name: set one".to_owned());
    };
    let body = serde_json::json!({
        "source_addr": from, "encoding": 0, "schedule_time": "", "message": out.text,
        "recipients": [{ "recipient_id": 1, "dest_addr": out.digits() }],
    });
    let url = format!("{}/v1/send", url.trim_end_matches('/'));
    let request = match json(&url, &basic(key, secret), &body) {
        Ok(request) => request,
        Err(fault) => return fault,
    };
    match outbound::ask(request, Reach::of(app)).await {
        // What is wrong is in the body's code, also beside a status of failure.
        Ok(answer) => read(&answer).or(by_status(&answer)).unwrap_or_else(|| unreadable(&answer)),
        Err(none) => none.into(),
    }
}

fn read(answer: &Answer) -> Option<Handed> {
    let body = answer.json()?;
    let body = body.get("data").filter(|data| data.get("code").is_some()).unwrap_or(&body);
    let code = as_number(body.get("code"))?;
    let told = format!("{code} {}", as_text(body.get("message")).unwrap_or_default());
    Some(match code {
        100 if as_number(body.get("valid")) == Some(0) => Handed::Refused(told),
        100 => Handed::Taken(Taken {
            ids: as_text(body.get("request_id")).into_iter().collect(),
            ask_after: Some(Span::seconds(30)),
            ..Taken::default()
        }),
        101 | 106 => Handed::Refused(told),
        102 | 104 | 105 | 107..=120 => Handed::Faulty(told),
        _ => Handed::Unknown(told),
    })
}

pub(super) async fn ask_report(
    app: &App,
    (url, key, secret): (&str, &str, &str),
    to: &str,
    request_id: &str,
) -> Option<Report> {
    let number = to.trim_start_matches('+');
    let query =
        serde_urlencoded::to_string([("dest_addr", number), ("request_id", request_id)]).ok()?;
    let url = format!("{}/public/v1/delivery-reports?{query}", url.trim_end_matches('/'));
    let basic = basic(key, secret);
    let answer = outbound::ask(get(&url, ("authorization", &basic))?, Reach::of(app)).await.ok()?;
    let body = answer.is_success().then(|| answer.json())??;
    let one = body.get(0).unwrap_or(&body);
    let status = as_text(one.get("status"))?;
    let state = match status.to_ascii_uppercase().as_str() {
        "DELIVERED" => MessageState::Delivered,
        "UNDELIVERED" | "FAILED" | "REJECTED" | "EXPIRED" => MessageState::Failed,
        "PENDING" | "SENT" | "SUBMITTED" | "ACKNOWLEDGED" => MessageState::Sent,
        _ => return None,
    };
    Some(Report { gateway_id: request_id.to_owned(), state, detail: Some(status) })
}
