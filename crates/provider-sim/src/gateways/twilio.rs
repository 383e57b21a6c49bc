//! Twilio: form in, JSON out, signed reports at the StatusCallback of each text.

use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};

use super::{Desk, Gateway, Sent, TextFault, form, form_letter, parts};
use crate::post::Letter;
use crate::server::{Answer, Asked};
use crate::signature::sha1_base64;

impl Desk {
    pub(super) async fn twilio(self: &Arc<Self>, asked: &Asked, path: &str) -> Answer {
        if !self.is_known(asked) {
            return refused(401, 20_003, "Authenticate");
        }
        let account = format!("/2010-04-01/Accounts/{}/", self.settings.user);
        match (&asked.method, path.strip_prefix(&account)) {
            (&Method::GET, Some("Balance.json")) => {
                let account = &self.settings.user;
                Answer::json(
                    200,
                    &json!({ "account_sid": account, "balance": "19.25", "currency": "USD" }),
                )
            }
            (&Method::POST, Some("Messages.json")) => self.twilio_text(asked).await,
            _ => refused(404, 20_404, "The requested resource was not found"),
        }
    }

    async fn twilio_text(self: &Arc<Self>, asked: &Asked) -> Answer {
        let fields = form(asked);
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let (from, to, text) = (field("From"), field("To"), field("Body"));
        let fault = self.next_fault();
        match fault {
            Some(TextFault::WrongSender) => {
                return refused(400, 21_212, "The 'From' number is not a valid phone number");
            }
            Some(TextFault::NoBalance) => return refused(403, 20_003, "Account has no balance"),
            Some(TextFault::WrongNumber) => {
                return refused(400, 21_211, "Invalid 'To' Phone Number");
            }
            _ if !to.starts_with('+') => return refused(400, 21_211, "Invalid 'To' Phone Number"),
            _ => {}
        }
        let id = format!("SM{:032x}", fastrand::u128(..));
        let sent = self.take(Gateway::Twilio, &id, (from, to, text), fault);
        if let Some(url) = fields.get("StatusCallback").cloned() {
            let (account, secret) = (self.settings.user.clone(), self.settings.secret.clone());
            self.report(&sent, fault, move |sent| reports(&url, &account, &secret, sent)).await;
        }
        let answer = json!({
            "sid": id, "account_sid": self.settings.user, "to": to, "from": from, "body": text,
            "status": "queued", "num_segments": parts(text).to_string(), "direction": "outbound-api",
            "price": Value::Null, "error_code": Value::Null, "error_message": Value::Null,
        });
        Answer::json(201, &answer)
    }
}

fn reports(url: &str, account: &str, secret: &str, sent: &Sent) -> Vec<Letter> {
    let last = if sent.arrives { "delivered" } else { "undelivered" };
    ["sent", last].map(|status| report(url, account, secret, sent, status)).to_vec()
}

fn report(url: &str, account: &str, secret: &str, sent: &Sent, status: &str) -> Letter {
    let to = format!("+{}", sent.to);
    let mut fields = vec![
        ("AccountSid", account),
        ("From", &sent.from),
        ("MessageSid", &sent.id),
        ("MessageStatus", status),
        ("SmsSid", &sent.id),
        ("SmsStatus", status),
        ("To", &to),
    ];
    if status == "undelivered" {
        fields.push(("ErrorCode", "30003"));
    }
    let mut letter = form_letter(url, &fields);
    fields.sort_unstable();
    let signed = fields.iter().map(|(name, value)| format!("{name}{value}"));
    let signed = format!("{url}{}", signed.collect::<String>());
    letter.headers.push(("x-twilio-signature", sha1_base64(secret, &signed)));
    letter
}

fn refused(status: u16, code: i64, message: &str) -> Answer {
    let more = format!("https://www.twilio.com/docs/errors/{code}");
    Answer::json(
        status,
        &json!({ "code": code, "message": message, "more_info": more, "status": status }),
    )
}
