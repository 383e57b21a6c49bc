//! Any other system: it tells us of money by messages that it signs, and is asked for money by
//! messages that we sign. `docs/payments-by-webhook.md` describes both sides.
//!
//! The signature is over the octets as they come, checked before anything in them is read.

use super::asking::{self, setup};
use super::provider::Links;
use super::{
    Abilities, About, Asked, Callback, CallbackAnswer, CallbackError, Charge, Heard, MoneyIn,
    ProviderError, Submitted, Till, settings, wire,
};
use crate::outbound::{self, Answer, NoAnswer};
use bytes::Bytes;
use hyper::{Method, Request};
use lango_domain::money::{Currency, Money};
use lango_domain::payment::{Failure, FailureReason, Proof, Verdict};
use lango_domain::time::{Span, Timestamp};
use serde_json::{Value, json};

const NAME: &str = "the payment system";
/// How old a signature may be, or how far ahead its clock.
const TOLERANCE: Span = Span::seconds(300);

/// Another system.
#[derive(Clone, Debug)]
pub(crate) struct SignedWebhook {
    till: Till,
    settings: settings::SignedWebhook,
    links: Links,
}

impl SignedWebhook {
    /// A system with these settings.
    pub(crate) fn new(till: Till, settings: settings::SignedWebhook, links: Links) -> Self {
        SignedWebhook { till, settings, links }
    }

    /// What it can do.
    pub(crate) fn abilities(&self) -> Abilities {
        Abilities {
            query_by_reference: self.settings.status_url.is_some(),
            signed_callbacks: true,
            idempotent_submit: true,
            ..Abilities::default()
        }
    }

    /// Asks the other system to ask a phone for money.
    pub(crate) async fn submit(&self, charge: &Charge, now: Timestamp) -> Submitted {
        let Some(url) = &self.settings.charge_url else {
            let sentence = "no charge_url is set: this system only tells of money";
            return Submitted::Refused(setup("charge_url", sentence));
        };
        let body = json!({
            "reference": charge.reference,
            "amount": wire::decimal(charge.amount),
            "currency": charge.amount.currency.code(),
            "phone": charge.phone,
            "description": charge.description,
            "callback": charge.callback,
        })
        .to_string();
        match self.ask(Method::POST, url, body, now).await {
            Ok(answer) => taken(&answer),
            Err(NoAnswer::NotSent { host, why }) => Submitted::NotSent {
                why: format!("{host} was not reached: {why}"),
                wait: asking::SHORT_WHILE,
            },
            Err(unknown) => Submitted::Unknown(unknown.to_string()),
        }
    }

    /// Asks what became of a charge.
    ///
    /// # Errors
    /// It cannot be asked, or does not answer.
    pub(crate) async fn query(
        &self,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<Verdict, ProviderError> {
        let Some(url) = &self.settings.status_url else {
            return Err(ProviderError::NotOffered("a payment system without status_url"));
        };
        let joint = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{joint}reference={}", asked.reference);
        let no_answer = |why: String| ProviderError::NoAnswer { provider: NAME, why };
        let answer = self
            .ask(Method::GET, &url, String::new(), now)
            .await
            .map_err(|error| no_answer(error.to_string()))?;
        match answer.json().filter(|body| answer.is_success() && body.is_object()) {
            Some(body) if wire::text(&body, "reference").is_some_and(|r| r != asked.reference) => {
                Ok(Verdict::Unknown("it is about another payment".to_owned()))
            }
            Some(body) => Ok(verdict(&body, self.till.currency)),
            None if answer.status == 404 => {
                Ok(Verdict::Unknown("it knows no such payment".to_owned()))
            }
            None => Err(no_answer(asking::strange(&answer))),
        }
    }

    /// Reads what it tells.
    pub(crate) fn read_callback(
        &self,
        headers: &[(String, String)],
        octets: &[u8],
        now: Timestamp,
    ) -> Result<Callback, CallbackError> {
        self.check_signature(headers, octets, now)?;
        let body = wire::object(octets, NAME)?;
        let unreadable =
            |why: &str| CallbackError::Unreadable { provider: NAME, why: why.to_owned() };
        let heard = match wire::text(&body, "event").unwrap_or_default().as_str() {
            "charge" => {
                let reference = wire::text(&body, "reference");
                let about = reference.ok_or_else(|| unreadable("it has no reference"))?;
                let verdict = verdict(&body, self.till.currency);
                Heard::Charge { about: About::Reference(about), verdict }
            }
            "money" => Heard::Money(self.money(&body).ok_or_else(|| {
                unreadable("it has no receipt, or no amount that is one of its currency")
            })?),
            event => Heard::Nothing(event.to_owned()),
        };
        Ok(Callback { heard, is_signed: true })
    }

    /// What it wants to read.
    pub(crate) fn answer_to() -> CallbackAnswer {
        let body = r#"{"stored":true}"#.to_owned();
        CallbackAnswer { status: 200, content_type: "application/json", body }
    }

    fn money(&self, body: &Value) -> Option<MoneyIn> {
        Some(MoneyIn {
            receipt: wire::text(body, "receipt")?,
            amount: amount(body, self.till.currency)?,
            account: wire::text(body, "account").unwrap_or_default(),
            payer: wire::text(body, "payer"),
            name: wire::text(body, "name"),
            paid_at: wire::text(body, "paid_at").and_then(|text| wire::instant(&text)),
        })
    }

    /// `t=SECONDS,v1=HEX`, as our own messages have it. Several `v1` may stand there, while a
    /// secret is being changed.
    fn check_signature(
        &self,
        headers: &[(String, String)],
        octets: &[u8],
        now: Timestamp,
    ) -> Result<(), CallbackError> {
        let header = wire::header(headers, &self.settings.header);
        let header = header.ok_or(CallbackError::Unsigned("missing"))?;
        let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
        let of = |name: &'static str| parts().filter(move |part| part.0 == name).map(|part| part.1);
        let time = of("t").next().ok_or(CallbackError::Unsigned("without a time"))?;
        let seconds: i64 = time.parse().map_err(|_| CallbackError::Unsigned("without a time"))?;
        let right = self.signature(time, octets);
        if !of("v1").any(|told| wire::is_same(told.as_bytes(), right.as_bytes())) {
            return Err(CallbackError::Unsigned("wrong"));
        }
        let at = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
        if now.since(at).max(at.since(now)) > TOLERANCE {
            return Err(CallbackError::Unsigned("too old, or from a clock that is wrong"));
        }
        Ok(())
    }

    fn signature(&self, time: &str, octets: &[u8]) -> String {
        let mut signed = format!("{time}.").into_bytes();
        signed.extend(octets);
        wire::hex(wire::hmac(self.settings.secret.reveal(), &signed).as_ref())
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        body: String,
        now: Timestamp,
    ) -> Result<Answer, NoAnswer> {
        outbound::ask(self.signed(method, url, body, now)?, self.links.reach).await
    }

    fn signed(
        &self,
        method: Method,
        url: &str,
        body: String,
        now: Timestamp,
    ) -> Result<Request<Bytes>, NoAnswer> {
        let time = now.micros().div_euclid(1_000_000).to_string();
        // A question without a body is signed by its path, so that it cannot be asked of another.
        let path = url.parse::<hyper::Uri>().ok();
        let path = path.as_ref().and_then(|uri| uri.path_and_query()).map(|path| path.as_str());
        let what = if body.is_empty() { path.unwrap_or_default() } else { body.as_str() };
        let signature = format!("t={time},v1={}", self.signature(&time, what.as_bytes()));
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json"),
            (self.settings.header.as_str(), signature.as_str()),
        ];
        asking::request(method, url, &headers, body)
    }
}

/// 2xx is that it asks, 409 that it was asked before, any other 4xx that it does not.
fn taken(answer: &Answer) -> Submitted {
    let body = answer.json().unwrap_or_default();
    match answer.status {
        200..=299 | 409 => Submitted::Taken { provider_id: wire::text(&body, "provider_id") },
        429 => Submitted::NotSent { why: asking::strange(answer), wait: Span::seconds(30) },
        401 | 403 => Submitted::Refused(setup(&answer.status.to_string(), answer.excerpt())),
        400..=499 => match failure(&body) {
            Some(failure) => Submitted::Refused(failure),
            None => Submitted::Unknown(asking::strange(answer)),
        },
        _ => Submitted::Unknown(asking::strange(answer)),
    }
}

fn verdict(body: &Value, currency: Currency) -> Verdict {
    let status = wire::text(body, "status").unwrap_or_default();
    match (status.as_str(), wire::text(body, "receipt")) {
        ("paid", Some(receipt)) => match amount(body, currency) {
            // An amount that cannot be read is not the amount that was asked.
            None => Verdict::Unknown("it says paid and names no amount".to_owned()),
            amount => Verdict::Paid(Proof {
                receipt,
                amount,
                payer: wire::text(body, "payer"),
                paid_at: wire::text(body, "paid_at").and_then(|text| wire::instant(&text)),
            }),
        },
        ("pending", _) => Verdict::Pending,
        ("failed", _) => Verdict::Failed(failure(body).unwrap_or_else(|| Failure {
            why: FailureReason::Refused,
            code: "failed".to_owned(),
            sentence: String::new(),
        })),
        _ => Verdict::Unknown(format!("status `{status}`")),
    }
}

/// `reason` is one of our own words for it; any other is a refusal.
fn failure(body: &Value) -> Option<Failure> {
    let code = wire::text(body, "reason")?;
    let why = serde_json::from_value(Value::String(code.clone()));
    Some(Failure {
        why: why.unwrap_or(FailureReason::Refused),
        code,
        sentence: wire::text(body, "message").unwrap_or_default(),
    })
}

fn amount(body: &Value, ours: Currency) -> Option<Money> {
    let currency = match wire::text(body, "currency") {
        Some(code) => code.parse().ok()?,
        None => ours,
    };
    wire::amount(body.get("amount")?, currency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payments::pace::Pace;
    use crate::payments::tokens::Tokens;
    use lango_domain::ids::{GatewayId, Id as _};

    const SECRET: &str = "a secret of sixteen letters";

    fn system() -> SignedWebhook {
        let typed = json!({
            "provider": "signed_webhook", "secret": SECRET, "charge_url": "https://pay.example/c",
            "status_url": "https://pay.example/s",
        });
        let read = settings::Settings::read(typed, Currency::KES).unwrap();
        let settings::Settings::SignedWebhook(settings) = read else { panic!() };
        let till = Till { gateway: GatewayId::from_raw(1), currency: Currency::KES };
        let links = Links {
            reach: outbound::Reach::Anywhere,
            tokens: Tokens::default(),
            pace: Pace::default(),
        };
        SignedWebhook::new(till, settings, links)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn told(body: &str, signature: &str, now: Timestamp) -> Result<Callback, CallbackError> {
        let headers = [("Lango-Signature".to_owned(), signature.to_owned())];
        system().read_callback(&headers, body.as_bytes(), now)
    }

    fn sign(body: &str, seconds: i64) -> String {
        let hex = system().signature(&seconds.to_string(), body.as_bytes());
        format!("t={seconds},v1={hex}")
    }

    #[test]
    fn the_form_of_the_signature_is_the_one_that_others_use() {
        let tag = wire::hmac("test-key", br#"1700000000.{"a":1}"#);
        assert!(wire::hex(tag.as_ref()).starts_with("fe8e300d70576272b1c2ee86"));
    }

    #[test]
    fn who_signs_is_believed_for_five_minutes() {
        let body = r#"{"event":"charge","reference":"R1","status":"paid","receipt":"X1","amount":"10.00","currency":"KES"}"#;
        let signature = sign(body, 1_700_000_000);
        for now in [1_700_000_000, 1_700_000_300, 1_699_999_700] {
            assert!(told(body, &signature, at(now)).unwrap().is_signed);
        }
        for now in [1_700_000_301, 1_699_999_699] {
            assert!(matches!(told(body, &signature, at(now)), Err(CallbackError::Unsigned(_))));
        }
        let now = at(1_700_000_000);
        let changed = body.replace("10.00", "90.00");
        assert_eq!(told(&changed, &signature, now), Err(CallbackError::Unsigned("wrong")));
        let two = format!("{},v1=00", signature.replace("v1=", "v1=11,v1="));
        assert!(told(body, &two, now).is_ok());
        for strange in ["", "t=1", "v1=00", "t=x,v1=00", "t=99999999999999999999,v1=0", "="] {
            assert!(
                matches!(told(body, strange, now), Err(CallbackError::Unsigned(_))),
                "{strange}"
            );
        }
        let none = system().read_callback(&[], body.as_bytes(), now);
        assert_eq!(none, Err(CallbackError::Unsigned("missing")));
    }

    #[test]
    fn money_and_charges_are_told() {
        let now = at(1_700_000_000);
        let heard = |body: &Value| {
            let body = body.to_string();
            told(&body, &sign(&body, 1_700_000_000), now).map(|callback| callback.heard)
        };
        let money = heard(&json!({
            "event": "money", "receipt": "B1", "amount": 500, "account": "acc 1",
            "payer": "+254712345678", "name": "Asha", "paid_at": "2026-01-02T03:04:05Z",
        }));
        let Ok(Heard::Money(money)) = money else { panic!("{money:?}") };
        assert_eq!(money.amount, Money::new(50_000, Currency::KES));
        let charge = |more: Value| {
            let mut body = json!({ "event": "charge", "reference": "R1" });
            for (name, value) in more.as_object().unwrap() {
                body[name] = value.clone();
            }
            match heard(&body) {
                Ok(Heard::Charge { verdict, .. }) => verdict,
                other => panic!("{other:?}"),
            }
        };
        let paid = json!({ "status": "paid", "receipt": "B1", "amount": "10", "currency": "TZS" });
        assert!(
            matches!(charge(paid), Verdict::Paid(p) if p.amount == Some(Money::new(1_000, Currency::TZS)))
        );
        let failed = charge(json!({ "status": "failed", "reason": "not_enough_money" }));
        assert!(matches!(failed, Verdict::Failed(f) if f.why == FailureReason::NotEnoughMoney));
        assert!(matches!(charge(json!({ "status": "failed" })), Verdict::Failed(_)));
        assert_eq!(charge(json!({ "status": "pending" })), Verdict::Pending);
        for strange in [
            json!({ "status": "paid" }),
            json!({ "status": "paid", "receipt": "B1" }),
            json!({}),
            json!({ "status": "Paid!" }),
        ] {
            assert!(matches!(charge(strange.clone()), Verdict::Unknown(_)), "{strange}");
        }
        assert!(heard(&json!({ "event": "money", "receipt": "B1" })).is_err());
        assert_eq!(heard(&json!({ "event": "hello" })), Ok(Heard::Nothing("hello".to_owned())));
    }

    #[test]
    fn our_own_questions_are_signed_as_well() {
        let now = at(1_700_000_000);
        let request = system()
            .signed(Method::GET, "https://pay.example/s?reference=R1", String::new(), now)
            .unwrap();
        let hex = system().signature("1700000000", b"/s?reference=R1");
        assert_eq!(request.headers()["lango-signature"], format!("t=1700000000,v1={hex}"));
    }

    #[test]
    fn only_a_refusal_that_says_why_is_one() {
        let answer = |status, body: &str| Answer {
            status,
            headers: hyper::HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        assert!(matches!(taken(&answer(202, "")), Submitted::Taken { provider_id: None }));
        assert!(matches!(taken(&answer(409, "")), Submitted::Taken { .. }));
        let no = answer(422, r#"{"reason":"over_limit","message":"m"}"#);
        assert!(matches!(taken(&no), Submitted::Refused(f) if f.why == FailureReason::OverLimit));
        assert!(matches!(taken(&answer(404, "<html>")), Submitted::Unknown(_)));
        assert!(matches!(taken(&answer(500, "{}")), Submitted::Unknown(_)));
    }
}
