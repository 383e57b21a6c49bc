//! Africa's Talking: `POST /version1/messaging`, reports by form to the one URL of its dashboard.

use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};

use super::{Desk, Gateway, Sent, TextFault, form, form_letter, parts};
use crate::server::{Answer, Asked};
use crate::signature::random;

impl Desk {
    pub(super) async fn africas_talking(self: &Arc<Self>, asked: &Asked, path: &str) -> Answer {
        if asked.header("apikey") != Some(&self.settings.secret) {
            return Answer::new(401, "text/plain", "The supplied authentication is invalid");
        }
        match (&asked.method, path) {
            (&Method::GET, "/version1/user") => {
                Answer::json(200, &json!({ "UserData": { "balance": "KES 1250.8000" } }))
            }
            (&Method::POST, "/version1/messaging") => self.africas_talking_texts(asked).await,
            _ => Answer::empty(404),
        }
    }

    async fn africas_talking_texts(self: &Arc<Self>, asked: &Asked) -> Answer {
        let fields = form(asked);
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        if field("username") != self.settings.user {
            return Answer::new(401, "text/plain", "The supplied authentication is invalid");
        }
        if field("to").is_empty() || field("message").is_empty() {
            return Answer::new(400, "text/plain", "Request is missing required form field");
        }
        let fault = self.next_fault();
        if fault == Some(TextFault::WrongSender) {
            // All went wrong, and the status says created.
            let none = json!({ "Message": "InvalidSenderId", "Recipients": [] });
            return Answer::json(201, &json!({ "SMSMessageData": none }));
        }
        let (from, text) =
            (fields.get("from").map_or("AFRICASTKNG", String::as_str), field("message"));
        let count = parts(text);
        let mut recipients = Vec::new();
        for to in field("to").split(',') {
            recipients.push(self.africas_talking_text((from, to, text), count, fault).await);
        }
        let taken = recipients.iter().filter(|one| one["statusCode"] == 101).count();
        let total = format!(
            "Sent to {taken}/{} Total Cost: KES {:.4}",
            recipients.len(),
            PRICE * f64::from(u32::try_from(taken * count).unwrap_or(u32::MAX))
        );
        Answer::json(
            201,
            &json!({ "SMSMessageData": { "Message": total, "Recipients": recipients } }),
        )
    }

    async fn africas_talking_text(
        self: &Arc<Self>,
        (from, to, text): (&str, &str, &str),
        count: usize,
        fault: Option<TextFault>,
    ) -> Value {
        let refused = |code: i64, status: &str| json!({ "statusCode": code, "number": to, "status": status, "cost": "0", "messageId": "None", "messageParts": 0 });
        let good = to.strip_prefix('+').is_some_and(|digits| {
            digits.len() >= 10 && digits.bytes().all(|one| one.is_ascii_digit())
        });
        match fault {
            Some(TextFault::NoBalance) => return refused(405, "InsufficientBalance"),
            Some(TextFault::WrongNumber) => return refused(403, "InvalidPhoneNumber"),
            _ if !good => return refused(403, "InvalidPhoneNumber"),
            _ => {}
        }
        let id = format!("ATXid_{}", random(32).to_lowercase());
        let sent = self.take(Gateway::AfricasTalking, &id, (from, to, text), fault);
        if let Some(url) = self.report_url(Gateway::AfricasTalking) {
            self.report(&sent, fault, move |sent| vec![report(&url, sent)]).await;
        }
        let cost = PRICE * f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        json!({
            "statusCode": 101, "number": to, "status": "Success", "cost": format!("KES {cost:.4}"),
            "messageId": id, "messageParts": count,
        })
    }
}

/// Of one part, in shillings.
const PRICE: f64 = 0.8;

fn report(url: &str, sent: &Sent) -> crate::post::Letter {
    let number = format!("+{}", sent.to);
    let mut fields =
        vec![("id", sent.id.as_str()), ("phoneNumber", &number), ("networkCode", "63902")];
    if sent.arrives {
        fields.push(("status", "Success"));
    } else {
        fields.extend([("status", "Failed"), ("failureReason", "AbsentSubscriber")]);
    }
    form_letter(url, &fields)
}
