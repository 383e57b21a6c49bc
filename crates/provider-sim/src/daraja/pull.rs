//! Pull Transactions: what reached a shortcode in the last 48 hours, for merchants who missed it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Desk, Refusal, Shortcode, fields};
use crate::clock::{EAST_AFRICA, micros, read, written};
use crate::money::Transaction;
use crate::server::Answer;

/// Older ones are not told.
const REACH: Duration = Duration::from_secs(48 * 60 * 60);
/// So many are told at once.
const PAGE: usize = 100;

impl Desk {
    pub(super) fn pull_register(&self, body: &Value) -> Result<Answer, Refusal> {
        let shortcode = fields::text(body, "ShortCode")?;
        if fields::text(body, "RequestType")? != "Pull" {
            return Err(Refusal::field("RequestType"));
        }
        fields::text(body, "NominatedNumber")?;
        self.url(body, "CallBackURL")?;
        if !self.settings.shortcodes.iter().any(|one| one.number() == shortcode) {
            return Err(Refusal::field("ShortCode"));
        }
        let mut state = self.state();
        let (status, description) = if state.pulling.contains(&shortcode) {
            ("1001", "ShortCode already Registered")
        } else {
            state.pulling.push(shortcode.clone());
            ("1000", "ShortCode Registered Successfully")
        };
        Ok(Answer::json(
            200,
            &json!({
                "ResponseRefID": reference(),
                "ResponseStatus": status,
                "ShortCode": shortcode,
                "ResponseDescription": description,
            }),
        ))
    }

    pub(super) fn pull(&self, body: &Value) -> Result<Answer, Refusal> {
        let shortcode = fields::text(body, "ShortCode")?;
        let since = instant(body, "StartDate")?;
        let until = instant(body, "EndDate")?;
        let skip = fields::text(body, "OffSetValue")?.parse::<usize>();
        let skip = skip.map_err(|_| Refusal::field("OffSetValue"))?;
        let now = self.subscribers.now();
        let since = since.max(now.saturating_sub(micros(REACH)));
        let mut told = Vec::new();
        if self.state().pulling.contains(&shortcode) {
            told = self.paid_to(&shortcode);
            told.retain(|one| (since..=until).contains(&one.at_micros));
        }
        let rows: Vec<Value> = told.iter().skip(skip).take(PAGE).map(|one| self.row(one)).collect();
        if rows.is_empty() {
            return Ok(Answer::json(
                200,
                &json!({ "ResponseRefID": reference(), "ResponseCode": "1001", "ResponseMessage": "No transactions found", "Response": [] }),
            ));
        }
        Ok(Answer::json(
            200,
            &json!({ "ResponseRefID": reference(), "ResponseCode": "1000", "ResponseMessage": "Success", "Response": [rows] }),
        ))
    }

    fn row(&self, one: &Transaction) -> Value {
        let merchant = self.settings.shortcodes.iter().find(|code| code.number() == one.payee);
        let kind = match merchant {
            Some(Shortcode::Till { .. }) => "c2b-buy-goods-debit",
            _ => "c2b-pay-bill-debit",
        };
        json!({
            "transactionId": one.receipt,
            "trxDate": written(one.at_micros, 0, "%Y-%m-%dT%H:%M:%SZ"),
            "msisdn": one.payer,
            "sender": "MPESA",
            "transactiontype": kind,
            "billreference": one.reference,
            "amount": one.amount.decimal(),
            "organizationname": merchant.map_or("", Shortcode::name),
        })
    }
}

/// Such as `2020-08-04 08:36:00`, in East Africa.
fn instant(body: &Value, name: &str) -> Result<i64, Refusal> {
    let text = fields::text(body, name)?;
    read(&text, EAST_AFRICA, "%Y-%m-%d %H:%M:%S").ok_or_else(|| Refusal::field(name))
}

fn reference() -> String {
    format!("{}-{}-1", fastrand::u16(10_000..), fastrand::u32(1_000_000..9_999_999))
}
