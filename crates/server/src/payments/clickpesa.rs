//! ClickPesa, Tanzania: formats as docs.clickpesa.com has them. Our reference is its order
//! reference, unique there, so that it can always be asked what became of a charge.
//!
//! What it tells is asked about before it is believed, unless its checksum is right and it names an
//! amount: by its own arithmetic it may write `0` for what was collected.

use super::asking::{self, Bearer, setup};
use super::provider::Links;
use super::tokens::Fetched;
use super::{
    Abilities, About, Asked, Callback, CallbackAnswer, CallbackError, Charge, Heard, ProviderError,
    Submitted, Till, settings, wire,
};
use crate::outbound::{Answer, NoAnswer};
use crate::payments::settings::ChecksumScheme;
use bytes::Bytes;
use hyper::{Method, Request};
use lango_domain::access::Secret;
use lango_domain::ids::GatewayId;
use lango_domain::money::{Currency, Money};
use lango_domain::payment::{Failure, FailureReason, Proof, Verdict};
use lango_domain::time::{Span, Timestamp};
use serde_json::{Map, Value, json};

const NAME: &str = "ClickPesa";
const TOKEN_LASTS: Span = Span::hours(1);

/// An application of ClickPesa.
#[derive(Clone, Debug)]
pub(crate) struct ClickPesa {
    till: Till,
    settings: settings::ClickPesa,
    links: Links,
}

impl Bearer for ClickPesa {
    const NAME: &'static str = NAME;

    fn gateway(&self) -> GatewayId {
        self.till.gateway
    }

    fn links(&self) -> &Links {
        &self.links
    }

    fn token_request(&self) -> Result<Request<Bytes>, NoAnswer> {
        let headers = [
            ("client-id", self.settings.client_id.as_str()),
            ("api-key", self.settings.api_key.reveal()),
        ];
        asking::request(Method::POST, &self.url("/generate-token"), &headers, Bytes::new())
    }

    /// The token has its `Bearer` already.
    fn read_token(&self, answer: &Answer) -> Option<Fetched> {
        let body = answer.json().filter(|_| answer.is_success())?;
        let token = wire::text(&body, "token")?;
        let token = token.strip_prefix("Bearer ").unwrap_or(&token).trim();
        Some(Fetched { token: Secret::new(token), lasts: TOKEN_LASTS })
    }

    fn refusal(&self, answer: &Answer) -> Option<(String, String)> {
        let body = answer.json()?;
        Some((answer.status.to_string(), sentence(&body)?))
    }
}

/// `message` is text, or a list of texts.
fn sentence(body: &Value) -> Option<String> {
    match body.get("message")? {
        Value::Array(all) => {
            let all: Vec<String> = all.iter().filter_map(wire::as_text).collect();
            Some(all.join("; "))
        }
        one => wire::as_text(one),
    }
}

impl ClickPesa {
    /// An application with these settings.
    pub(crate) fn new(till: Till, settings: settings::ClickPesa, links: Links) -> ClickPesa {
        ClickPesa { till, settings, links }
    }

    /// What it can do.
    pub(crate) fn abilities(&self) -> Abilities {
        Abilities {
            query_by_reference: true,
            signed_callbacks: self.settings.checksum_key.is_some(),
            idempotent_submit: true,
            ..Abilities::default()
        }
    }

    /// Asks a phone for money. A reference that was used is refused there, so it was taken before.
    pub(crate) async fn submit(&self, charge: &Charge, now: Timestamp) -> Submitted {
        if let Err(failure) = chargeable(charge) {
            return Submitted::Refused(failure);
        }
        let body = self.signed(self.charge_body(charge));
        if self.settings.preview
            && let Some(submitted) = self.preview(&body, now).await
        {
            return submitted;
        }
        match self.post("/payments/initiate-ussd-push-request", &body, now).await {
            Ok(answer) => taken(&answer),
            Err(unasked) => unasked.submitted(),
        }
    }

    /// Asks what became of a charge: all attempts at it.
    ///
    /// # Errors
    /// No answer that says anything.
    pub(crate) async fn query(
        &self,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<Verdict, ProviderError> {
        let url = self.url(&format!("/payments/{}", asked.reference));
        let answer = asking::ask(self, now, |token| {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str()), ("accept", "application/json")];
            asking::request(Method::GET, &url, &headers, Bytes::new())
        })
        .await
        .map_err(|unasked| unasked.error(NAME))?;
        self.told(&answer, &asked.reference)
    }

    /// Reads what its one address gets: everything that happens to the application.
    pub(crate) fn read_callback(&self, body: &[u8]) -> Result<Callback, CallbackError> {
        let body = wire::object(body, NAME)?;
        let is_signed = self.check_sum(&body)?;
        let event = wire::text(&body, "event").unwrap_or_default();
        let data = body.get("data").filter(|data| data.is_object());
        let (Some(data), true) = (data, event.starts_with("PAYMENT ")) else {
            return Ok(Callback { heard: Heard::Nothing(event), is_signed });
        };
        let reference = wire::text(data, "orderReference").ok_or_else(|| {
            CallbackError::Unreadable { provider: NAME, why: "it has no orderReference".to_owned() }
        })?;
        let verdict = attempt(data, self.till.currency);
        let has_amount = !matches!(&verdict, Verdict::Paid(Proof { amount: None, .. }));
        Ok(Callback {
            heard: Heard::Charge { about: About::Reference(reference), verdict },
            is_signed: is_signed && has_amount,
        })
    }

    /// What it wants to read.
    pub(crate) fn answer_to() -> CallbackAnswer {
        CallbackAnswer { status: 200, content_type: "application/json", body: "{}".to_owned() }
    }

    /// Proves the id and the key.
    pub(crate) async fn check(&self, now: Timestamp) -> Result<(), ProviderError> {
        asking::token(self, None, now).await.map(drop)
    }

    /// Whether the checksum is right. Without a key of ours nothing is proved, and nothing wrong.
    fn check_sum(&self, body: &Value) -> Result<bool, CallbackError> {
        let Some(key) = &self.settings.checksum_key else { return Ok(false) };
        let told = wire::text(body, "checksum").ok_or(CallbackError::Unsigned("missing"))?;
        let right = checksum(key.reveal(), self.settings.checksum_scheme, body);
        if wire::is_same(told.to_lowercase().as_bytes(), right.as_bytes()) {
            return Ok(true);
        }
        Err(CallbackError::Unsigned("wrong"))
    }

    fn signed(&self, mut body: Value) -> Value {
        if let Some(key) = &self.settings.checksum_key {
            let sum = checksum(key.reveal(), self.settings.checksum_scheme, &body);
            body["checksum"] = Value::String(sum);
        }
        body
    }

    fn charge_body(&self, charge: &Charge) -> Value {
        json!({
            "amount": wire::decimal(charge.amount),
            "currency": charge.amount.currency.code(),
            "orderReference": charge.reference,
            "phoneNumber": charge.phone.as_str().trim_start_matches('+'),
        })
    }

    /// Asks which networks work. Says what that comes to if the phone cannot be asked; whatever
    /// happens here, nobody was.
    async fn preview(&self, body: &Value, now: Timestamp) -> Option<Submitted> {
        let answer = match self.post("/payments/preview-ussd-push-request", body, now).await {
            Ok(answer) => answer,
            Err(unasked) => {
                return Some(match unasked.submitted() {
                    Submitted::Unknown(why) => not_now(why),
                    submitted => submitted,
                });
            }
        };
        match previewed(&answer) {
            Submitted::Taken { .. } => None,
            submitted => Some(submitted),
        }
    }

    fn told(&self, answer: &Answer, reference: &str) -> Result<Verdict, ProviderError> {
        let body = answer.json();
        let attempts = match body {
            Some(Value::Array(attempts)) if answer.is_success() => attempts,
            _ if answer.status == 404 => {
                return Ok(Verdict::Unknown("ClickPesa knows no such payment".to_owned()));
            }
            _ => return Err(asking::refused(self, answer)),
        };
        let ours = |attempt: &&Value| {
            wire::text(attempt, "orderReference").is_none_or(|about| about == reference)
        };
        let verdicts: Vec<Verdict> = attempts
            .iter()
            .filter(ours)
            .map(|one| self::attempt(one, self.till.currency))
            .collect();
        Ok(best(verdicts))
    }

    async fn post(
        &self,
        path: &str,
        body: &Value,
        now: Timestamp,
    ) -> Result<Answer, asking::Unasked> {
        let url = self.url(path);
        asking::ask(self, now, |token| {
            let bearer = format!("Bearer {token}");
            asking::post_json(&url, &[("authorization", &bearer)], body)
        })
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.base())
    }
}

fn chargeable(charge: &Charge) -> Result<(), Failure> {
    if charge.amount.currency != Currency::TZS {
        let sentence = format!("{} is not in TZS, and ClickPesa is", charge.amount);
        return Err(setup("currency", sentence));
    }
    if wire::whole_units(charge.amount).is_none_or(|whole| whole < 1) {
        return Err(setup("amount", format!("{} is no whole amount", charge.amount)));
    }
    Ok(())
}

fn not_now(why: String) -> Submitted {
    Submitted::NotSent { why, wait: asking::SHORT_WHILE }
}

/// Whether any network works for this phone; taken stands for yes.
fn previewed(answer: &Answer) -> Submitted {
    let methods = answer.json().filter(|_| answer.is_success());
    let methods = methods.as_ref().and_then(|body| body.get("activeMethods")?.as_array());
    let Some(methods) = methods else {
        return match refused(answer) {
            Submitted::Unknown(why) => not_now(why),
            submitted => submitted,
        };
    };
    let works = |one: &Value| wire::text(one, "status").is_some_and(|text| text == "AVAILABLE");
    if methods.iter().any(works) {
        return Submitted::Taken { provider_id: None };
    }
    let sentence = methods.iter().find_map(|one| wire::text(one, "message"));
    Submitted::Refused(Failure {
        why: FailureReason::Busy,
        code: "activeMethods".to_owned(),
        sentence: sentence.unwrap_or_else(|| "no network is available".to_owned()),
    })
}

/// What the answer to a charge says.
fn taken(answer: &Answer) -> Submitted {
    let body = answer.json().filter(|_| answer.is_success());
    let Some(body) = body else { return refused(answer) };
    let status = wire::text(&body, "status").unwrap_or_default();
    match status.as_str() {
        "FAILED" => Submitted::Refused(failed(&body, "FAILED")),
        "PENDING" | "PROCESSING" | "SUCCESS" | "SETTLED" | "ON-HOLD" => {
            Submitted::Taken { provider_id: wire::text(&body, "id") }
        }
        _ => Submitted::Unknown(asking::strange(answer)),
    }
}

/// What an answer that is no success comes to. Its codes are those of HTTP.
fn refused(answer: &Answer) -> Submitted {
    let said = answer.json().as_ref().and_then(sentence);
    match (answer.status, said) {
        // The reference was used: by ourselves, when an answer was lost.
        (409, _) => Submitted::Taken { provider_id: None },
        (429, _) => Submitted::NotSent { why: asking::strange(answer), wait: Span::seconds(30) },
        (401 | 403, said) => {
            Submitted::Refused(setup(&answer.status.to_string(), said.unwrap_or_default()))
        }
        (400 | 404 | 422, Some(sentence)) => Submitted::Refused(Failure {
            why: FailureReason::Refused,
            code: answer.status.to_string(),
            sentence,
        }),
        _ => Submitted::Unknown(asking::strange(answer)),
    }
}

fn failed(attempt: &Value, status: &str) -> Failure {
    Failure {
        why: FailureReason::Refused,
        code: status.to_owned(),
        sentence: wire::text(attempt, "message").unwrap_or_default(),
    }
}

/// What one attempt says. Its `id` is the receipt: the operator's own number is not in all of them.
fn attempt(attempt: &Value, currency: Currency) -> Verdict {
    let status = wire::text(attempt, "status").unwrap_or_default();
    match (status.as_str(), wire::text(attempt, "id")) {
        ("SUCCESS" | "SETTLED", Some(receipt)) => Verdict::Paid(Proof {
            receipt,
            amount: collected(attempt, currency),
            payer: wire::text(attempt, "paymentPhoneNumber")
                .or_else(|| wire::text_at(attempt, "/customer/customerPhoneNumber")),
            paid_at: wire::text(attempt, "updatedAt").and_then(|text| wire::instant(&text)),
        }),
        ("PENDING" | "PROCESSING" | "ON-HOLD", _) => Verdict::Pending,
        // It came and went again.
        ("FAILED" | "REFUNDED" | "REVERSED", _) => Verdict::Failed(failed(attempt, &status)),
        _ => Verdict::Unknown(format!("status `{status}`")),
    }
}

/// None where it says nothing, and where it says 0.
fn collected(attempt: &Value, ours: Currency) -> Option<Money> {
    let currency = wire::text(attempt, "collectedCurrency");
    let currency = currency.and_then(|code| code.parse().ok()).unwrap_or(ours);
    let amount = attempt.get("collectedAmount").and_then(|value| wire::amount(value, currency));
    amount.filter(|amount| amount.amount > 0)
}

/// Of all attempts the one that counts: money, else what may still become money, else what nobody
/// understands, else a failure.
fn best(verdicts: Vec<Verdict>) -> Verdict {
    let place = |verdict: &Verdict| match verdict {
        Verdict::Paid(_) => 0,
        Verdict::Pending => 1,
        Verdict::Unknown(_) => 2,
        Verdict::Failed(_) => 3,
    };
    let nothing = || Verdict::Unknown("ClickPesa knows of no attempt".to_owned());
    verdicts.into_iter().min_by_key(place).unwrap_or_else(nothing)
}

/// The checksum of a message, without those of its fields that tell of it.
fn checksum(key: &str, scheme: ChecksumScheme, message: &Value) -> String {
    let mut fields: Vec<(&String, &Value)> = message
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !matches!(name.as_str(), "checksum" | "checksumMethod"))
        .collect();
    fields.sort_by_key(|(name, _)| *name);
    let text = match scheme {
        ChecksumScheme::Json => {
            let sorted: Map<String, Value> =
                fields.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            Value::Object(sorted).to_string()
        }
        ChecksumScheme::Values => fields.into_iter().map(|(_, value)| plain(value)).collect(),
    };
    wire::hex(wire::hmac(key, text.as_bytes()).as_ref())
}

/// With the keys of all objects in order, and numbers as JavaScript writes them.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            fields.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
        }
        Value::Array(all) => all.iter().map(sorted).collect(),
        Value::Number(number) => whole(number).unwrap_or_else(|| value.clone()),
        _ => value.clone(),
    }
}

/// `1000.0` is `1000` there.
fn whole(number: &serde_json::Number) -> Option<Value> {
    let text = number.to_string();
    text.strip_suffix(".0")?.parse::<i64>().ok().map(Value::from)
}

/// The values alone, of what is inside as well.
fn plain(value: &Value) -> String {
    match sorted(value) {
        Value::Object(fields) => fields.values().map(plain).collect(),
        Value::Array(all) => all.iter().map(plain).collect(),
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Reach;
    use crate::payments::pace::Pace;
    use crate::payments::tokens::Tokens;
    use lango_domain::ids::Id as _;

    fn clickpesa(more: Value) -> ClickPesa {
        let mut typed = json!({ "provider": "clickpesa", "client_id": "id", "api_key": "key" });
        for (name, value) in more.as_object().unwrap() {
            typed[name] = value.clone();
        }
        let read = settings::Settings::read(typed, Currency::TZS).unwrap();
        let settings::Settings::ClickPesa(settings) = read else { panic!() };
        let till = Till { gateway: GatewayId::from_raw(1), currency: Currency::TZS };
        let links =
            Links { reach: Reach::Anywhere, tokens: Tokens::default(), pace: Pace::default() };
        ClickPesa::new(till, settings, links)
    }

    fn answer(status: u16, body: &str) -> Answer {
        let headers = hyper::HeaderMap::new();
        Answer { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    #[test]
    fn checksums_are_those_that_were_measured() {
        let message = json!({
            "phoneNumber": "255712345678", "amount": "1000", "currency": "TZS",
            "orderReference": "ORD123456", "checksum": "x", "checksumMethod": "canonical",
        });
        assert_eq!(
            checksum("test-key", ChecksumScheme::Json, &message),
            "5af0c9282a32960e9b57078095373bb3877931b571197bdccedc0bd52fdb0823"
        );
        assert_eq!(
            checksum("test-key", ChecksumScheme::Values, &message),
            "7dc48192d1db56d8af71138d66a70f5d30ba74626cc5963c7866911a8a849ae3"
        );
    }

    #[test]
    fn keys_are_sorted_all_the_way_down() {
        let one = json!({ "b": { "y": [ { "d": 1, "c": 2 } ], "x": 1.0 }, "a": null });
        assert_eq!(sorted(&one).to_string(), r#"{"a":null,"b":{"x":1,"y":[{"c":2,"d":1}]}}"#);
    }

    #[test]
    fn a_token_has_its_bearer_already() {
        let body = r#"{"success":true,"token":"Bearer eyJhbGci"}"#;
        let fetched = clickpesa(json!({})).read_token(&answer(200, body)).unwrap();
        assert_eq!(fetched.token.reveal(), "eyJhbGci");
        assert_eq!(clickpesa(json!({})).read_token(&answer(403, body)), None);
    }

    #[test]
    fn attempts_are_weighed() {
        let clickpesa = clickpesa(json!({}));
        let read = |body: &Value| clickpesa.told(&answer(200, &body.to_string()), "ORD1").unwrap();
        let one = |status: &str| {
            json!({
                "id": "CP1", "status": status, "paymentReference": "9871",
                "paymentPhoneNumber": "255712345678", "orderReference": "ORD1",
                "collectedAmount": 1000, "collectedCurrency": "TZS", "message": "m",
                "updatedAt": "2026-01-02T03:04:05.000Z", "createdAt": "2026-01-02T03:04:00.000Z",
                "customer": { "customerName": "Juma", "customerPhoneNumber": "255712345678" },
            })
        };
        let Verdict::Paid(proof) = read(&json!([one("FAILED"), one("SUCCESS")])) else { panic!() };
        assert_eq!(
            (proof.receipt.as_str(), proof.amount),
            ("CP1", Some(Money::new(100_000, Currency::TZS)))
        );
        assert_eq!(proof.paid_at.unwrap().to_string(), "2026-01-02T03:04:05Z");
        assert!(matches!(read(&json!([one("SETTLED")])), Verdict::Paid(_)));
        assert_eq!(read(&json!([one("FAILED"), one("PROCESSING")])), Verdict::Pending);
        assert_eq!(read(&json!([one("ON-HOLD")])), Verdict::Pending);
        assert!(matches!(read(&json!([one("FAILED")])), Verdict::Failed(_)));
        assert!(matches!(read(&json!([one("REVERSED")])), Verdict::Failed(_)));
        assert!(matches!(read(&json!([one("FAILED"), one("NEW WORD")])), Verdict::Unknown(_)));
        assert!(matches!(read(&json!([])), Verdict::Unknown(_)));
        let mut other = one("SUCCESS");
        other["orderReference"] = json!("ORD2");
        assert!(matches!(read(&json!([other])), Verdict::Unknown(_)));
        assert!(clickpesa.told(&answer(502, "<html>"), "ORD1").is_err());
        let gone = clickpesa.told(&answer(404, r#"{"message":"Not found"}"#), "ORD1");
        assert!(matches!(gone, Ok(Verdict::Unknown(_))));
    }

    #[test]
    fn a_reference_that_was_used_is_a_question_that_was_heard() {
        let before = answer(409, r#"{"message":"Order reference already used"}"#);
        assert_eq!(taken(&before), Submitted::Taken { provider_id: None });
        let yes = r#"{"id":"CP1","status":"PROCESSING","channel":"TIGO-PESA","orderReference":"ORD1","collectedAmount":"1000"}"#;
        assert_eq!(
            taken(&answer(200, yes)),
            Submitted::Taken { provider_id: Some("CP1".to_owned()) }
        );
        let no = answer(400, r#"{"message":["phoneNumber is invalid"]}"#);
        assert!(
            matches!(taken(&no), Submitted::Refused(f) if f.sentence == "phoneNumber is invalid")
        );
        for strange in
            [answer(500, "{}"), answer(502, "<html>"), answer(200, ""), answer(400, "<html>")]
        {
            assert!(matches!(taken(&strange), Submitted::Unknown(_)), "{strange:?}");
        }
    }

    #[test]
    fn nobody_is_asked_when_no_network_works() {
        let methods = |status: &str| {
            let body = json!({ "activeMethods": [{ "name": "TIGO-PESA", "status": status, "fee": 0, "message": "down" }] });
            previewed(&answer(200, &body.to_string()))
        };
        assert!(matches!(methods("AVAILABLE"), Submitted::Taken { .. }));
        assert!(
            matches!(methods("UNAVAILABLE"), Submitted::Refused(f) if f.why == FailureReason::Busy)
        );
        assert!(matches!(previewed(&answer(502, "<html>")), Submitted::NotSent { .. }));
    }

    #[test]
    fn a_checksum_that_is_wanted_must_be_there_and_right() {
        let clickpesa = clickpesa(json!({ "checksum_key": "test-key" }));
        let mut message = json!({
            "event": "PAYMENT RECEIVED",
            "data": { "id": "CP1", "status": "SUCCESS", "paymentReference": "9871",
                "orderReference": "ORD1", "collectedAmount": "1000", "collectedCurrency": "TZS",
                "channel": "TIGO-PESA", "customer": { "customerName": "Juma" } },
        });
        let read = |message: &Value| clickpesa.read_callback(message.to_string().as_bytes());
        assert_eq!(read(&message), Err(CallbackError::Unsigned("missing")));
        message["checksum"] = json!("00");
        assert_eq!(read(&message), Err(CallbackError::Unsigned("wrong")));
        let message = clickpesa.signed(message);
        let callback = read(&message).unwrap();
        assert!(callback.is_signed);
        let Heard::Charge { about, verdict: Verdict::Paid(proof) } = callback.heard else {
            panic!()
        };
        assert_eq!(about, About::Reference("ORD1".to_owned()));
        assert_eq!(proof.amount, Some(Money::new(100_000, Currency::TZS)));
    }

    #[test]
    fn an_amount_of_nothing_is_asked_about() {
        let signing = clickpesa(json!({ "checksum_key": "test-key" }));
        let message = signing.signed(json!({
            "event": "PAYMENT RECEIVED",
            "data": { "id": "CP1", "status": "SUCCESS", "orderReference": "ORD1",
                "collectedAmount": "0", "collectedCurrency": "TZS" },
        }));
        let callback = signing.read_callback(message.to_string().as_bytes()).unwrap();
        assert!(!callback.is_signed);
        let payout = signing.signed(json!({ "event": "PAYOUT INITIATED", "data": {} }));
        let callback = signing.read_callback(payout.to_string().as_bytes()).unwrap();
        assert_eq!(callback.heard, Heard::Nothing("PAYOUT INITIATED".to_owned()));
        let unsigned = clickpesa(json!({})).read_callback(message.to_string().as_bytes()).unwrap();
        assert!(!unsigned.is_signed);
    }
}
