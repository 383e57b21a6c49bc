//! Airtel Money in Kenya, Uganda, Tanzania and Rwanda: formats as others copied them from
//! developers.airtel.africa. Our reference is its transaction id, so that a repeated question is
//! one and it can always be asked about.
//!
//! Over which octets a callback's hash goes is nowhere written. One that fits proves; one that does
//! not fit proves nothing, and the payment is asked about as if there were none.

use super::asking::{self, Bearer, setup};
use super::provider::Links;
use super::tokens::Fetched;
use super::{
    Abilities, About, Asked, Callback, CallbackAnswer, CallbackError, Charge, Heard, ProviderError,
    Refund, RefundAnswer, Submitted, Till, settings, wire,
};
use crate::outbound::{Answer, NoAnswer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::{Method, Request};
use lango_domain::access::Secret;
use lango_domain::ids::GatewayId;
use lango_domain::payment::{Failure, FailureReason, Proof, Verdict};
use lango_domain::time::{Span, Timestamp};
use serde_json::{Value, json};

const NAME: &str = "Airtel Money";
const TOKEN_LASTS: i64 = 180;

/// An application of Airtel's.
#[derive(Clone, Debug)]
pub(crate) struct Airtel {
    till: Till,
    settings: settings::Airtel,
    links: Links,
}

impl Bearer for Airtel {
    const NAME: &'static str = NAME;

    fn gateway(&self) -> GatewayId {
        self.till.gateway
    }

    fn links(&self) -> &Links {
        &self.links
    }

    fn token_request(&self) -> Result<Request<Bytes>, NoAnswer> {
        let body = json!({
            "client_id": self.settings.client_id,
            "client_secret": self.settings.client_secret.reveal(),
            "grant_type": "client_credentials",
        });
        asking::post_json(&self.url("/auth/oauth2/token"), &[], &body)
    }

    /// `expires_in` is text, and three minutes.
    fn read_token(&self, answer: &Answer) -> Option<Fetched> {
        let body = answer.json().filter(|_| answer.is_success())?;
        let lasts = wire::text(&body, "expires_in").and_then(|text| text.parse().ok());
        Some(Fetched {
            token: Secret::new(wire::text(&body, "access_token")?),
            lasts: Span::seconds(lasts.unwrap_or(TOKEN_LASTS)),
        })
    }

    fn refusal(&self, answer: &Answer) -> Option<(String, String)> {
        let body = answer.json()?;
        let code = code(&body).or_else(|| wire::text(&body, "error"))?;
        let sentence = wire::text_at(&body, "/status/message");
        let sentence = sentence.or_else(|| wire::text(&body, "error_description"));
        Some((code, sentence.unwrap_or_default()))
    }
}

/// The finer of its two codes.
fn code(body: &Value) -> Option<String> {
    wire::text_at(body, "/status/response_code")
        .or_else(|| wire::text_at(body, "/status/result_code"))
}

impl Airtel {
    /// An application with these settings.
    pub(crate) fn new(till: Till, settings: settings::Airtel, links: Links) -> Airtel {
        Airtel { till, settings, links }
    }

    /// What it can do. A refund is of the whole payment.
    pub(crate) fn abilities(&self) -> Abilities {
        Abilities {
            query_by_reference: true,
            signed_callbacks: self.settings.callback_key.is_some(),
            idempotent_submit: true,
            refunds: true,
            ..Abilities::default()
        }
    }

    /// Asks a phone for money.
    pub(crate) async fn submit(&self, charge: &Charge, now: Timestamp) -> Submitted {
        let body = match self.charge_body(charge) {
            Ok(body) => body,
            Err(failure) => return Submitted::Refused(failure),
        };
        // The second version wants the body encrypted as well; the first takes it as it is.
        match self.post("/merchant/v1/payments/", &body, now).await {
            Ok(answer) => taken(&answer),
            Err(unasked) => unasked.submitted(),
        }
    }

    /// Asks what became of a charge. It does not say how much.
    ///
    /// # Errors
    /// No answer that says anything.
    pub(crate) async fn query(
        &self,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<Verdict, ProviderError> {
        let url = self.url(&format!("/standard/v1/payments/{}", asked.reference));
        let answer = asking::ask(self, now, |token| {
            let bearer = format!("Bearer {token}");
            let mut headers = self.headers(&bearer).to_vec();
            headers.push(("accept", "application/json"));
            asking::request(Method::GET, &url, &headers, Bytes::new())
        })
        .await
        .map_err(|unasked| unasked.error(NAME))?;
        let body = answer.json().filter(|body| answer.status < 500 && body.is_object());
        match body {
            Some(body) => Ok(enquired(&body, &asked.reference)),
            None => Err(asking::refused(self, &answer)),
        }
    }

    /// Gives a payment back, all of it, at once.
    pub(crate) async fn refund(&self, refund: &Refund, now: Timestamp) -> RefundAnswer {
        let body = json!({ "transaction": { "airtel_money_id": refund.receipt } });
        match self.post("/standard/v2/payments/refund", &body, now).await {
            Ok(answer) => refunded(&answer),
            Err(unasked) => unasked.refund(),
        }
    }

    /// Reads what it tells.
    pub(crate) fn read_callback(&self, octets: &[u8]) -> Result<Callback, CallbackError> {
        let body = wire::object(octets, NAME)?;
        let is_signed = self.is_signed(octets, &body)?;
        let said = body.get("transaction").filter(|said| said.is_object());
        let id = said.and_then(|said| wire::text(said, "id"));
        let (Some(said), Some(id)) = (said, id) else {
            let why = "it has no transaction with an id".to_owned();
            return Err(CallbackError::Unreadable { provider: NAME, why });
        };
        let state = wire::text(said, "status_code").unwrap_or_default();
        let verdict = verdict(&state, None, said);
        Ok(Callback { heard: Heard::Charge { about: About::Reference(id), verdict }, is_signed })
    }

    /// What it wants to read.
    pub(crate) fn answer_to() -> CallbackAnswer {
        CallbackAnswer { status: 200, content_type: "application/json", body: "{}".to_owned() }
    }

    /// Proves the id and the secret.
    pub(crate) async fn check(&self, now: Timestamp) -> Result<(), ProviderError> {
        asking::token(self, None, now).await.map(drop)
    }

    fn is_signed(&self, octets: &[u8], body: &Value) -> Result<bool, CallbackError> {
        let Some(key) = &self.settings.callback_key else { return Ok(false) };
        let told = wire::text(body, "hash").ok_or(CallbackError::Unsigned("missing"))?;
        let compact = body.get("transaction").map(Value::to_string).unwrap_or_default();
        let is_of = |signed: &[u8]| {
            let right = STANDARD.encode(wire::hmac(key.reveal(), signed).as_ref());
            wire::is_same(told.as_bytes(), right.as_bytes())
        };
        let raw = member(octets, "transaction").is_some_and(is_of);
        Ok(raw | is_of(compact.as_bytes()))
    }

    fn charge_body(&self, charge: &Charge) -> Result<Value, Failure> {
        let ours = self.till.currency;
        if charge.amount.currency != ours {
            let sentence = format!("{} is not in {ours}, and this account is", charge.amount);
            return Err(setup("currency", sentence));
        }
        let whole = wire::whole_units(charge.amount).filter(|whole| *whole > 0);
        let whole = whole
            .ok_or_else(|| setup("amount", format!("{} is no whole amount", charge.amount)))?;
        let country = self.settings.country;
        let phone = charge.phone.as_str().trim_start_matches('+');
        let Some(subscriber) = phone.strip_prefix(country.calling_code()) else {
            return Err(Failure {
                why: FailureReason::Refused,
                code: "phone".to_owned(),
                sentence: format!("Airtel of {} asks numbers of its country only", country.name()),
            });
        };
        Ok(json!({
            "reference": charge.description,
            "subscriber": {
                "country": country.code(), "currency": ours.code(), "msisdn": subscriber,
            },
            "transaction": {
                "amount": whole, "country": country.code(), "currency": ours.code(),
                "id": charge.reference,
            },
        }))
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
            asking::post_json(&url, &self.headers(&bearer), body)
        })
        .await
    }

    fn headers<'a>(&'a self, bearer: &'a str) -> [(&'static str, &'a str); 3] {
        [
            ("authorization", bearer),
            ("x-country", self.settings.country.code()),
            ("x-currency", self.till.currency.code()),
        ]
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.base())
    }
}

/// What the answer to a charge says. Success is that it was taken.
fn taken(answer: &Answer) -> Submitted {
    let unknown = || Submitted::Unknown(asking::strange(answer));
    let body = match answer.json() {
        Some(body) if body.is_object() => body,
        _ if answer.status == 429 => {
            return Submitted::NotSent { why: asking::strange(answer), wait: Span::seconds(30) };
        }
        _ => return unknown(),
    };
    let sentence = wire::text_at(&body, "/status/message").unwrap_or_default();
    let result = wire::text_at(&body, "/status/result_code").unwrap_or_default();
    let response = wire::text_at(&body, "/status/response_code").unwrap_or_default();
    let refused = |why, code: &str| {
        Submitted::Refused(Failure { why, code: code.to_owned(), sentence: sentence.clone() })
    };
    match (result.as_str(), response.as_str()) {
        // We asked before, and its answer was lost.
        ("ESB000041", _) | (_, "DP00800001001" | "DP00800001006") => {
            Submitted::Taken { provider_id: None }
        }
        ("ESB000008" | "ESB000033", _) => refused(FailureReason::Setup, &result),
        (_, code) => match reason(code) {
            Some(why) => refused(why, code),
            None if matches!(answer.status, 401 | 403) => {
                refused(FailureReason::Setup, &answer.status.to_string())
            }
            None => unknown(),
        },
    }
}

/// What an enquiry says of this charge.
fn enquired(body: &Value, reference: &str) -> Verdict {
    let code = wire::text_at(body, "/status/response_code");
    let Some(said) = body.pointer("/data/transaction") else {
        return Verdict::Unknown(format!(
            "{} {}",
            code.unwrap_or_default(),
            wire::text_at(body, "/status/message").unwrap_or_default()
        ));
    };
    if wire::text(said, "id").is_some_and(|id| id != reference) {
        return Verdict::Unknown("it is about another payment".to_owned());
    }
    let state = wire::text(said, "status").unwrap_or_default();
    verdict(&state, code.as_deref(), said)
}

fn verdict(state: &str, code: Option<&str>, said: &Value) -> Verdict {
    let sentence = wire::text(said, "message").unwrap_or_default();
    let failed = |why| {
        let code = code.unwrap_or(state).to_owned();
        Verdict::Failed(Failure { why, code, sentence: sentence.clone() })
    };
    match (state, wire::text(said, "airtel_money_id")) {
        ("TS", Some(receipt)) => {
            Verdict::Paid(Proof { receipt, amount: None, payer: None, paid_at: None })
        }
        ("TIP", _) => Verdict::Pending,
        ("TF", _) => failed(code.and_then(reason).unwrap_or(FailureReason::Refused)),
        ("TE", _) => failed(FailureReason::Expired),
        // It came and went again.
        ("TR", _) => failed(FailureReason::Refused),
        // Ambiguous is its own word for it.
        _ => Verdict::Unknown(format!("state `{state}`: {sentence}")),
    }
}

fn refunded(answer: &Answer) -> RefundAnswer {
    let unknown = || RefundAnswer::Unknown(asking::strange(answer));
    let Some(body) = answer.json().filter(Value::is_object) else { return unknown() };
    let is_done = body.pointer("/status/success").and_then(Value::as_bool);
    let code = code(&body).unwrap_or_default();
    match (is_done, code.as_str()) {
        // Ambiguous, and under way: a person looks.
        (_, "DP00800001000" | "DP00800001006") => unknown(),
        (Some(true), _) => RefundAnswer::Done,
        (Some(false), code) if !code.is_empty() && answer.status < 500 => {
            RefundAnswer::Refused(Failure {
                why: FailureReason::Refused,
                code: code.to_owned(),
                sentence: wire::text_at(&body, "/status/message").unwrap_or_default(),
            })
        }
        _ => unknown(),
    }
}

fn reason(code: &str) -> Option<FailureReason> {
    Some(match code {
        "DP00800001002" => FailureReason::WrongPin,
        "DP00800001003" => FailureReason::OverLimit,
        "DP00800001004" => FailureReason::Setup,
        "DP00800001005" => FailureReason::NoAnswer,
        "DP00800001007" => FailureReason::NotEnoughMoney,
        "DP00800001008" => FailureReason::Refused,
        "DP00800001010" => FailureReason::Setup,
        "DP00800001024" => FailureReason::Expired,
        _ => return None,
    })
}

/// The octets of a member of an object as they were sent: between its colon and what follows it.
/// The object was read before, so that it is one.
fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let quoted = serde_json::to_string(name).ok()?;
    let (mut depth, mut at) = (0usize, 0usize);
    while let Some(&octet) = object.get(at) {
        match octet {
            b'"' => {
                let end = end_of_text(object, at)?;
                let rest = object.get(end..)?;
                let blanks = rest.iter().take_while(|octet| octet.is_ascii_whitespace()).count();
                let is_key = rest.get(blanks) == Some(&b':');
                if depth == 1 && is_key && object.get(at..end)? == quoted.as_bytes() {
                    return value_at(object, end + blanks + 1);
                }
                at = end;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The first value from here on.
fn value_at(object: &[u8], from: usize) -> Option<&[u8]> {
    let rest = object.get(from..)?;
    let mut values =
        serde_json::Deserializer::from_slice(rest).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    Some(rest.get(..values.byte_offset())?.trim_ascii())
}

/// Behind the quotation mark that ends a text.
fn end_of_text(object: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 1;
    loop {
        match object.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Reach;
    use crate::payments::pace::Pace;
    use crate::payments::tokens::Tokens;
    use lango_domain::ids::Id as _;
    use lango_domain::money::{Currency, Money};
    use lango_domain::phone_number::PhoneNumber;
    use proptest::prelude::*;

    fn airtel(more: Value) -> Airtel {
        let mut typed = json!({
            "provider": "airtel", "country": "UG", "client_id": "c", "client_secret": "s",
        });
        for (name, value) in more.as_object().unwrap() {
            typed[name] = value.clone();
        }
        let read = settings::Settings::read(typed, Currency::UGX).unwrap();
        let settings::Settings::Airtel(settings) = read else { panic!() };
        let till = Till { gateway: GatewayId::from_raw(1), currency: Currency::UGX };
        let links =
            Links { reach: Reach::Anywhere, tokens: Tokens::default(), pace: Pace::default() };
        Airtel::new(till, settings, links)
    }

    fn answer(status: u16, body: &str) -> Answer {
        let headers = hyper::HeaderMap::new();
        Answer { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    fn said(result: &str, response: &str, is_success: bool) -> String {
        json!({
            "data": { "transaction": { "id": "R1", "status": "Success." } },
            "status": { "code": "200", "message": "m", "result_code": result,
                "response_code": response, "success": is_success },
        })
        .to_string()
    }

    #[test]
    fn a_number_is_written_without_its_country() {
        let charge = Charge {
            reference: "R1".to_owned(),
            amount: Money::new(1_000, Currency::UGX),
            phone: PhoneNumber::from_e164("+256752345678").unwrap(),
            callback: String::new(),
            description: "wifi".to_owned(),
        };
        assert_eq!(
            airtel(json!({})).charge_body(&charge).unwrap(),
            json!({
                "reference": "wifi",
                "subscriber": { "country": "UG", "currency": "UGX", "msisdn": "752345678" },
                "transaction": { "amount": 1000, "country": "UG", "currency": "UGX", "id": "R1" },
            })
        );
        let abroad = Charge { phone: PhoneNumber::from_e164("+254712345678").unwrap(), ..charge };
        assert!(airtel(json!({})).charge_body(&abroad).is_err());
    }

    #[test]
    fn success_is_that_it_was_taken() {
        let read = |status, body: &str| taken(&answer(status, body));
        let yes = Submitted::Taken { provider_id: None };
        assert_eq!(read(200, &said("ESB000010", "DP00800001006", true)), yes);
        assert_eq!(read(200, &said("ESB000010", "DP00800001001", true)), yes);
        assert_eq!(read(400, &said("ESB000041", "", false)), yes, "a repeated id");
        for (result, response, why) in [
            ("ESB000008", "", FailureReason::Setup),
            ("ESB000010", "DP00800001007", FailureReason::NotEnoughMoney),
            ("ESB000010", "DP00800001002", FailureReason::WrongPin),
        ] {
            let refused = read(400, &said(result, response, false));
            assert!(matches!(refused, Submitted::Refused(f) if f.why == why), "{result}");
        }
        for strange in [
            "",
            "<html>",
            "[]",
            "{}",
            &said("ESB000010", "DP00800001000", false),
            &said("ESB999999", "", false),
        ] {
            assert!(matches!(read(200, strange), Submitted::Unknown(_)), "{strange}");
        }
    }

    #[test]
    fn the_five_states_are_read_and_a_sixth_is_unknown() {
        let read = |state: &str, response: &str| {
            let body = json!({
                "data": { "transaction": { "airtel_money_id": "MP210603.1234.L06941", "id": "R1", "message": "m", "status": state } },
                "status": { "response_code": response, "success": true },
            });
            enquired(&body, "R1")
        };
        assert!(
            matches!(read("TS", "DP00800001001"), Verdict::Paid(p) if p.receipt == "MP210603.1234.L06941")
        );
        assert_eq!(read("TIP", "DP00800001006"), Verdict::Pending);
        assert!(matches!(read("TA", "DP00800001000"), Verdict::Unknown(_)));
        assert!(
            matches!(read("TF", "DP00800001007"), Verdict::Failed(f) if f.why == FailureReason::NotEnoughMoney)
        );
        assert!(
            matches!(read("TF", "DP00899999999"), Verdict::Failed(f) if f.why == FailureReason::Refused)
        );
        assert!(matches!(read("TR", ""), Verdict::Failed(_)));
        assert!(matches!(read("TX", ""), Verdict::Unknown(_)));
        let nobody =
            json!({ "status": { "response_code": "DP00800001000", "message": "not found" } });
        assert!(matches!(enquired(&nobody, "R1"), Verdict::Unknown(_)));
        let other = json!({ "data": { "transaction": { "id": "R2", "status": "TS", "airtel_money_id": "M" } } });
        assert!(matches!(enquired(&other, "R1"), Verdict::Unknown(_)));
    }

    #[test]
    fn a_hash_of_either_form_proves_and_a_wrong_one_does_not() {
        let airtel = airtel(json!({ "callback_key": "test-key" }));
        let raw = r#"{ "id": "R1", "message": "Paid \"}\"", "status_code": "TS", "airtel_money_id": "MP1" }"#;
        let compact = serde_json::from_str::<Value>(raw).unwrap().to_string();
        let sign = |text: &str| STANDARD.encode(wire::hmac("test-key", text.as_bytes()).as_ref());
        let body = |hash: &str| format!(r#"{{ "hash": "{hash}" , "transaction" : {raw} }}"#);
        for (hash, is_signed) in [(sign(raw), true), (sign(&compact), true), (sign("else"), false)]
        {
            let callback = airtel.read_callback(body(&hash).as_bytes()).unwrap();
            assert_eq!(callback.is_signed, is_signed);
            let Heard::Charge { about, verdict } = callback.heard else { panic!() };
            assert_eq!(about, About::Reference("R1".to_owned()));
            assert!(matches!(verdict, Verdict::Paid(proof) if proof.receipt == "MP1"));
        }
        let bare = format!(r#"{{"transaction":{raw}}}"#);
        assert_eq!(airtel.read_callback(bare.as_bytes()), Err(CallbackError::Unsigned("missing")));
    }

    #[test]
    fn the_hash_of_the_reference_is_ours() {
        let tag = wire::hmac("test-key", br#"{"a":1}"#);
        assert_eq!(STANDARD.encode(tag.as_ref()), "SG7NGxjnfvGUXumE138IgurzHHXJS+YySywEcq+VVuc=");
    }

    #[test]
    fn a_refund_is_done_refused_or_unknown() {
        let read = |status, body: &str| refunded(&answer(status, body));
        assert_eq!(read(200, &said("ESB000010", "DP00800001001", true)), RefundAnswer::Done);
        let no = read(200, &said("ESB000010", "DP00800001005", false));
        assert!(matches!(no, RefundAnswer::Refused(_)));
        for strange in ["", "<html>", "{}", &said("ESB000010", "DP00800001000", false)] {
            assert!(matches!(read(200, strange), RefundAnswer::Unknown(_)), "{strange}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_are_a_fault(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = member(&octets, "transaction");
        }

        #[test]
        fn a_member_is_found_as_it_was_sent(text in "\\PC{0,20}", blanks in "[ \n]{0,3}") {
            let value = json!({ "transaction": text, "b": [1, { "transaction": "}" }] }).to_string();
            let object = format!(r#"{{"a":{{"transaction":1}},{blanks}"transaction"{blanks}:{blanks}{value}{blanks}}}"#);
            prop_assert_eq!(member(object.as_bytes(), "transaction"), Some(value.as_bytes()));
        }
    }
}
