//! STK push: the payer's phone is asked, and later we ask what became of it.

use super::super::asking::{self, setup};
use super::super::{Asked, Charge, ProviderError, Submitted, wire};
use super::{Daraja, NAME, codes, minds, refusal};
use crate::outbound::Answer;
use lango_domain::money::{Currency, Money};
use lango_domain::payment::{Failure, FailureReason, Proof, Verdict};
use lango_domain::time::Timestamp;
use serde_json::{Value, json};

/// What one payment may be, in shillings.
const LEAST: i64 = 1;
const MOST: i64 = 250_000;
/// As many letters as the prompt and the form take.
const REFERENCE: usize = 12;
const DESCRIPTION: usize = 13;

impl Daraja {
    /// Asks a phone for money, once.
    pub(crate) async fn submit(&self, charge: &Charge, now: Timestamp) -> Submitted {
        let body = match self.push_body(charge, now) {
            Ok(body) => body,
            Err(failure) => return Submitted::Refused(failure),
        };
        let (pace, whom) = (&self.links.pace, self.pace_name());
        if let Err(wait) = pace.take(&whom, self.settings.pushes_per_second, now) {
            return Submitted::NotSent { why: "other payers are asked first".to_owned(), wait };
        }
        let answer = match self.post("/mpesa/stkpush/v1/processrequest", &body, now).await {
            Ok(answer) => answer,
            Err(unasked) => return unasked.submitted(),
        };
        match answer.json().as_ref().and_then(refusal) {
            Some((code, sentence)) if codes::is_too_much(&code) => {
                let wait = pace.too_much(&whom, now);
                Submitted::NotSent { why: format!("{code} {sentence}"), wait }
            }
            _ => {
                pace.went_well(&whom);
                taken(&answer)
            }
        }
    }

    /// Asks what became of a push. It says neither receipt nor amount.
    ///
    /// # Errors
    /// No answer that says anything of it.
    pub(crate) async fn query(
        &self,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<Verdict, ProviderError> {
        let Some(id) = &asked.provider_id else {
            let why = "M-Pesa is asked by its own number of the push, which never came";
            return Ok(Verdict::Unknown(why.to_owned()));
        };
        let (password, timestamp) = self.password(now);
        let body = json!({
            "BusinessShortCode": self.settings.shortcode,
            "Password": password,
            "Timestamp": timestamp,
            "CheckoutRequestID": id,
        });
        let answer = self
            .post("/mpesa/stkpushquery/v1/query", &body, now)
            .await
            .map_err(|unasked| unasked.error(NAME))?;
        told(&answer, id)
    }

    fn push_body(&self, charge: &Charge, now: Timestamp) -> Result<Value, Failure> {
        let amount = shillings(charge.amount)?;
        let phone = charge.phone.as_str().trim_start_matches('+');
        if phone.len() != 12 || !phone.starts_with("254") {
            return Err(Failure {
                why: FailureReason::Refused,
                code: "phone".to_owned(),
                sentence: "M-Pesa of Kenya asks numbers of Kenya only".to_owned(),
            });
        }
        if let Some(why) = minds(&charge.callback) {
            return Err(setup("callback", why));
        }
        let (password, timestamp) = self.password(now);
        let kind = match self.settings.till {
            Some(_) => "CustomerBuyGoodsOnline",
            None => "CustomerPayBillOnline",
        };
        Ok(json!({
            "BusinessShortCode": self.settings.shortcode,
            "Password": password,
            "Timestamp": timestamp,
            "TransactionType": kind,
            "Amount": amount.to_string(),
            "PartyA": phone,
            "PartyB": self.settings.paid_number(),
            "PhoneNumber": phone,
            "CallBackURL": charge.callback,
            "AccountReference": first(&charge.reference, REFERENCE),
            "TransactionDesc": first(&charge.description, DESCRIPTION),
        }))
    }
}

fn first(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn shillings(money: Money) -> Result<i64, Failure> {
    if money.currency != Currency::KES {
        return Err(setup("currency", format!("{money} is not in KES, and M-Pesa of Kenya is")));
    }
    let whole = wire::whole_units(money);
    let whole = whole.ok_or_else(|| setup("amount", format!("{money} has cents: M-Pesa has none")));
    match whole? {
        whole @ LEAST..=MOST => Ok(whole),
        _ => Err(Failure {
            why: FailureReason::OverLimit,
            code: "amount".to_owned(),
            sentence: format!("{money} is outside of what M-Pesa takes, KES 1 to 250,000"),
        }),
    }
}

/// What the answer to a push says.
fn taken(answer: &Answer) -> Submitted {
    let unknown = || Submitted::Unknown(asking::strange(answer));
    let Some(body) = answer.json() else {
        return unknown();
    };
    let response = wire::text(&body, "ResponseCode");
    if wire::text(&body, "errorCode").is_none() && response.as_deref() == Some("0") {
        return Submitted::Taken { provider_id: wire::text(&body, "CheckoutRequestID") };
    }
    match refusal(&body) {
        Some((code, sentence)) => codes::not_taken(&code, &sentence),
        None => unknown(),
    }
}

/// What the answer to a query says of this push.
fn told(answer: &Answer, id: &str) -> Result<Verdict, ProviderError> {
    let no_answer = |why| ProviderError::NoAnswer { provider: NAME, why };
    let body = answer.json().ok_or_else(|| no_answer(asking::strange(answer)))?;
    if let Some(code) = wire::text(&body, "errorCode") {
        // Observed with status 200 as well as 500.
        let sentence = wire::text(&body, "errorMessage").unwrap_or_default();
        return Ok(codes::not_told(&code, &sentence));
    }
    let about = wire::text(&body, "CheckoutRequestID");
    let is_taken = wire::text(&body, "ResponseCode").is_none_or(|code| code == "0");
    let Some(code) = wire::text(&body, "ResultCode") else {
        return Ok(Verdict::Unknown(asking::strange(answer)));
    };
    if !is_taken || about.is_some_and(|about| about != id) {
        return Ok(Verdict::Unknown(asking::strange(answer)));
    }
    let sentence = wire::text(&body, "ResultDesc").unwrap_or_default();
    Ok(match codes::result(&code, &sentence) {
        codes::Result::Paid => Verdict::Paid(Proof {
            receipt: id.to_owned(),
            amount: None,
            payer: None,
            paid_at: None,
        }),
        codes::Result::Said(verdict) => verdict,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, at, daraja};
    use super::*;
    use lango_domain::phone_number::PhoneNumber;

    fn charge() -> Charge {
        Charge {
            reference: "LANGO12AB34".to_owned(),
            amount: Money::new(1_000, Currency::KES),
            phone: PhoneNumber::from_e164("+254712345678").unwrap(),
            callback: "https://wifi.example/cb/daraja/9k2m".to_owned(),
            description: "wifi".to_owned(),
        }
    }

    #[test]
    fn a_paybill_is_asked_for_as_documented() {
        let body = daraja(json!({})).push_body(&charge(), at("2026-01-02T00:04:05Z")).unwrap();
        assert_eq!(
            body,
            json!({
                "BusinessShortCode": "600000",
                "Password": "NjAwMDAwdGVzdHBhc3NrZXkyMDI2MDEwMjAzMDQwNQ==",
                "Timestamp": "20260102030405",
                "TransactionType": "CustomerPayBillOnline",
                "Amount": "10",
                "PartyA": "254712345678",
                "PartyB": "600000",
                "PhoneNumber": "254712345678",
                "CallBackURL": "https://wifi.example/cb/daraja/9k2m",
                "AccountReference": "LANGO12AB34",
                "TransactionDesc": "wifi",
            })
        );
    }

    #[test]
    fn a_till_is_paid_through_its_store() {
        let till = daraja(json!({ "till": "5600100" }));
        let body = till.push_body(&charge(), at("2026-01-02T00:04:05Z")).unwrap();
        assert_eq!(body["TransactionType"], "CustomerBuyGoodsOnline");
        assert_eq!(
            (&body["BusinessShortCode"], &body["PartyB"]),
            (&json!("600000"), &json!("5600100"))
        );
    }

    #[test]
    fn what_m_pesa_cannot_take_is_refused_before_it_is_asked() {
        let now = at("2026-01-02T00:04:05Z");
        let why = |change: fn(&mut Charge)| {
            let mut charge = charge();
            change(&mut charge);
            daraja(json!({})).push_body(&charge, now).unwrap_err().why
        };
        assert_eq!(why(|one| one.amount.amount = 1_050), FailureReason::Setup);
        assert_eq!(why(|one| one.amount.amount = 0), FailureReason::OverLimit);
        assert_eq!(why(|one| one.amount.amount = 25_000_100), FailureReason::OverLimit);
        assert_eq!(why(|one| one.amount.currency = Currency::TZS), FailureReason::Setup);
        assert_eq!(why(|one| one.callback.push_str("mpesa")), FailureReason::Setup);
        let abroad =
            |one: &mut Charge| one.phone = PhoneNumber::from_e164("+255712345678").unwrap();
        assert_eq!(why(abroad), FailureReason::Refused);
    }

    #[test]
    fn what_is_taken_is_not_paid_and_what_nobody_understands_is_unknown() {
        let read = |status, body: &str| taken(&answer(status, body));
        let yes = r#"{"MerchantRequestID":"1","CheckoutRequestID":"ws_CO_1","ResponseCode":"0","ResponseDescription":"Success","CustomerMessage":"Success"}"#;
        let id = Some("ws_CO_1".to_owned());
        assert_eq!(read(200, yes), Submitted::Taken { provider_id: id.clone() });
        assert_eq!(read(200, &yes.replace("\"0\"", "0")), Submitted::Taken { provider_id: id });
        for (status, strange) in [
            (200, ""),
            (502, "<html><body>Bad Gateway</body></html>"),
            (503, "{"),
            (200, "[]"),
            (200, "{}"),
            (200, r#"{"ResponseCode":"77","ResponseDescription":"?"}"#),
            (500, r#"{"requestId":"1","errorCode":"500.003.1001","errorMessage":"Internal"}"#),
        ] {
            assert!(matches!(read(status, strange), Submitted::Unknown(_)), "{strange}");
        }
        let field = r#"{"requestId":"1","errorCode":"400.002.02","errorMessage":"Bad Request - Invalid PhoneNumber"}"#;
        let Submitted::Refused(failure) = read(400, field) else { panic!() };
        assert_eq!((failure.why, failure.code.as_str()), (FailureReason::Setup, "400.002.02"));
        let quota = r#"{"errorCode":"500.003.03","errorMessage":"Quota Violation"}"#;
        assert!(matches!(read(500, quota), Submitted::NotSent { .. }));
    }

    #[test]
    fn queries_are_read_as_they_were_observed() {
        let result = |code: &str| {
            format!(
                r#"{{"ResponseCode":"0","ResponseDescription":"x","MerchantRequestID":"1","CheckoutRequestID":"ws_CO_1","ResultCode":{code},"ResultDesc":"said"}}"#
            )
        };
        let read = |status, body: &str| told(&answer(status, body), "ws_CO_1");
        let noise = r#"{"requestId":"1","errorCode":"500.001.1001","errorMessage":""}"#;
        // Approved.
        assert_eq!(read(200, &result("\"4999\"")), Ok(Verdict::Pending));
        for zero in ["\"0\"", "0"] {
            let Ok(Verdict::Paid(proof)) = read(200, &result(zero)) else { panic!() };
            assert_eq!((proof.receipt.as_str(), proof.amount), ("ws_CO_1", None));
        }
        // Dismissed, and the noise before it and after.
        for status in [200, 500] {
            assert!(matches!(read(status, noise), Ok(Verdict::Unknown(_))));
        }
        let failed = read(200, &result("\"1032\""));
        assert!(matches!(failed, Ok(Verdict::Failed(f)) if f.why == FailureReason::Cancelled));
        let failed = read(200, &result("1037"));
        assert!(matches!(failed, Ok(Verdict::Failed(f)) if f.why == FailureReason::NoAnswer));
        // Another's, a page for people, nothing.
        assert!(matches!(told(&answer(200, &result("0")), "ws_CO_2"), Ok(Verdict::Unknown(_))));
        assert!(read(502, "<html>").is_err() && read(200, "").is_err());
        assert!(matches!(read(200, "{}"), Ok(Verdict::Unknown(_))));
    }
}
