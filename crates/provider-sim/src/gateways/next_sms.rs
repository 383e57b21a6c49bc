//! NextSMS: one text or several by JSON, statuses in Infobip's groups. Accepted is called PENDING.

use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};

use super::{Desk, Gateway, Sent, TextFault, parts};
use crate::post::Letter;
use crate::server::{Answer, Asked};

impl Desk {
    pub(super) async fn next_sms(self: &Arc<Self>, asked: &Asked, path: &str) -> Answer {
        let known = match path.strip_prefix("/api/sms/v2/") {
            Some(_) => asked.bearer() == Some(&self.settings.secret),
            None => self.is_known(asked),
        };
        if !known {
            return Answer::json(401, &json!({ "message": "Not authorized" }));
        }
        let rest = path.strip_prefix("/api/sms/v1/").or(path.strip_prefix("/api/sms/v2/"));
        let (Some(body), &Method::POST) = (asked.json(), &asked.method) else {
            return Answer::json(400, &json!({ "message": "Bad request" }));
        };
        let texts: Vec<&Value> = match rest {
            Some("text/single" | "test/text/single") => vec![&body],
            Some("text/multi") => body["messages"].as_array().into_iter().flatten().collect(),
            _ => return Answer::empty(404),
        };
        let is_test = rest.is_some_and(|rest| rest.starts_with("test/"));
        let mut messages = Vec::new();
        for text in texts {
            let receivers = match &text["to"] {
                Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
                one => vec![one.as_str().unwrap_or_default()],
            };
            for to in receivers {
                messages.push(self.next_sms_text(text, to, is_test).await);
            }
        }
        Answer::json(200, &json!({ "messages": messages }))
    }

    async fn next_sms_text(self: &Arc<Self>, body: &Value, to: &str, is_test: bool) -> Value {
        let fault = self.next_fault();
        let field = |name: &str| body[name].as_str().unwrap_or_default();
        let text = field("text");
        let good = to.len() == 12 && to.bytes().all(|one| one.is_ascii_digit());
        let refused = match fault {
            Some(TextFault::WrongSender) => Some((13, "REJECTED_SENDER")),
            Some(TextFault::NoBalance) => Some((12, "REJECTED_NOT_ENOUGH_CREDITS")),
            Some(TextFault::WrongNumber) => Some((14, "REJECTED_DESTINATION")),
            // A plus is one sign too many here.
            _ if !good => Some((14, "REJECTED_DESTINATION")),
            _ => None,
        };
        if let Some((id, name)) = refused {
            let status = status(5, "REJECTED", id, name);
            return json!({ "to": to, "status": status, "smsCount": parts(text) });
        }
        let id = format!("{}", 3_500_000_000_000_u64 + self.subscribers.next_number());
        if !is_test {
            let sent = self.take(Gateway::NextSms, &id, (field("from"), to, text), fault);
            if let Some(url) = self.report_url(Gateway::NextSms) {
                self.report(&sent, fault, move |sent| vec![report(&url, sent)]).await;
            }
        }
        let status = status(1, "PENDING", 7, "PENDING_ENROUTE");
        json!({ "to": to, "status": status, "messageId": id, "smsCount": parts(text) })
    }
}

fn status(group: i64, group_name: &str, id: i64, name: &str) -> Value {
    json!({ "groupId": group, "groupName": group_name, "id": id, "name": name, "description": name })
}

fn report(url: &str, sent: &Sent) -> Letter {
    let status = if sent.arrives {
        status(3, "DELIVERED", 5, "DELIVERED_TO_HANDSET")
    } else {
        status(2, "UNDELIVERABLE", 9, "UNDELIVERABLE_NOT_DELIVERED")
    };
    let result =
        json!({ "messageId": sent.id, "to": sent.to, "from": sent.from, "status": status });
    Letter::json(url, &json!({ "results": [result] }))
}
