//! A gateway of nobody in particular: `to`, `text` and perhaps `from` by query, form or JSON at
//! `/send`; reports as JSON with `id` and `status`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Desk, Gateway, TextFault, form};
use crate::post::Letter;
use crate::server::{Answer, Asked};
use crate::signature::uuid;

impl Desk {
    pub(super) async fn plain(self: &Arc<Self>, asked: &Asked, path: &str) -> Answer {
        if path != "/send" {
            return Answer::empty(404);
        }
        if asked.bearer() != Some(&self.settings.secret) {
            return Answer::json(401, &json!({ "status": "refused", "why": "who are you?" }));
        }
        let fields = fields(asked);
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let (from, to, text) = (field("from"), field("to"), field("text"));
        if to.is_empty() || text.is_empty() {
            return refused("to and text are needed");
        }
        let fault = self.next_fault();
        match fault {
            Some(TextFault::WrongSender) => return refused("unknown sender"),
            Some(TextFault::NoBalance) => return refused("no balance"),
            Some(TextFault::WrongNumber) => return refused("unknown number"),
            _ => {}
        }
        let id = uuid();
        let sent = self.take(Gateway::Plain, &id, (from, to, text), fault);
        if let Some(url) = self.report_url(Gateway::Plain) {
            let write = move |sent: &super::Sent| {
                let status = if sent.arrives { "delivered" } else { "failed" };
                let body = json!({ "id": sent.id, "to": sent.to, "status": status });
                vec![Letter::json(&url, &body)]
            };
            self.report(&sent, fault, write).await;
        }
        Answer::json(200, &json!({ "id": id, "status": "accepted" }))
    }
}

fn refused(why: &str) -> Answer {
    Answer::json(200, &json!({ "status": "refused", "why": why }))
}

fn fields(asked: &Asked) -> BTreeMap<String, String> {
    if let Some(Value::Object(fields)) = asked.json() {
        let texts = fields.into_iter();
        return texts
            .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
            .collect();
    }
    let mut fields = form(asked);
    let query: BTreeMap<String, String> =
        serde_urlencoded::from_str(&asked.query).unwrap_or_default();
    fields.extend(query);
    fields
}
