//! Beem: texts at `/v1/send`, reports asked for at `/public/v1/delivery-reports`. Its two hosts are
//! one here.

use hyper::Method;
use serde_json::json;

use super::{Desk, Gateway, TextFault};
use crate::clock::micros;
use crate::server::{Answer, Asked};
use crate::subscribers::digits;

impl Desk {
    pub(super) fn beem(&self, asked: &Asked, path: &str) -> Answer {
        if !self.is_known(asked) {
            return Answer::json(
                401,
                &json!({ "code": 120, "message": "Invalid api_key or secret_id" }),
            );
        }
        match (&asked.method, path) {
            (&Method::POST, "/v1/send") => self.beem_texts(asked),
            (&Method::GET, "/public/v1/delivery-reports") => self.beem_report(asked),
            _ => Answer::empty(404),
        }
    }

    fn beem_texts(&self, asked: &Asked) -> Answer {
        let Some(body) = asked.json() else {
            return Answer::json(400, &json!({ "code": 105, "message": "Invalid JSON" }));
        };
        let fault = self.next_fault();
        let refused = match fault {
            Some(TextFault::WrongSender) => Some((111, "Invalid Sender Id")),
            Some(TextFault::NoBalance) => Some((102, "Insufficient balance")),
            Some(TextFault::WrongNumber) => Some((101, "Invalid phone number")),
            _ => None,
        };
        if let Some((code, message)) = refused {
            return Answer::json(400, &json!({ "code": code, "message": message }));
        }
        let id = 30_000_000 + self.subscribers.next_number();
        let field = |name: &str| body[name].as_str().unwrap_or_default();
        let (mut valid, mut invalid) = (0, 0);
        for one in body["recipients"].as_array().into_iter().flatten() {
            let to = one["dest_addr"].as_str().unwrap_or_default();
            if to.len() == 12 && to.bytes().all(|one| one.is_ascii_digit()) {
                let text = (field("source_addr"), to, field("message"));
                self.take(Gateway::Beem, &id.to_string(), text, fault);
                valid += 1;
            } else {
                invalid += 1;
            }
        }
        Answer::json(
            200,
            &json!({
                "successful": true, "request_id": id, "code": 100,
                "message": "Message Submitted Successfully",
                "valid": valid, "invalid": invalid, "duplicates": 0,
            }),
        )
    }

    fn beem_report(&self, asked: &Asked) -> Answer {
        let value = |name: &str| asked.query_value(name).unwrap_or_default();
        let key = (value("request_id"), digits(&value("dest_addr")));
        let sent = self.state().sent.get(&key).cloned();
        let Some(sent) = sent else { return Answer::json(404, &json!({ "error": "not found" })) };
        let passed = self.subscribers.now().saturating_sub(sent.at_micros);
        let status = match sent.arrives {
            _ if passed < micros(self.settings.report_delay) => "PENDING",
            true => "DELIVERED",
            false => "UNDELIVERED",
        };
        let (request_id, dest_addr) = key;
        Answer::json(
            200,
            &json!({ "dest_addr": dest_addr, "request_id": request_id, "status": status }),
        )
    }
}
