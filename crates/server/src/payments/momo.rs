//! MTN MoMo Collections, Uganda and Rwanda: as observed on its sandbox. Our reference becomes the
//! UUID of the question, so that a repeated question is one and it can always be asked about.
//!
//! Callbacks are unsigned, name our reference only, come twice and before the state that they tell:
//! everything is asked about.

use super::asking::{self, Bearer, setup};
use super::provider::Links;
use super::tokens::Fetched;
use super::{
    Abilities, About, Asked, Callback, CallbackAnswer, CallbackError, Charge, Heard, ProviderError,
    Submitted, Till, settings, wire,
};
use crate::outbound::{Answer, NoAnswer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::{Method, Request};
use lango_domain::access::Secret;
use lango_domain::ids::{GatewayId, Id as _};
use lango_domain::money::Money;
use lango_domain::payment::{Failure, FailureReason, Proof, Verdict};
use lango_domain::time::{Span, Timestamp};
use serde_json::{Value, json};

const NAME: &str = "MTN MoMo";
const TOKEN_LASTS: i64 = 3_600;
/// What the sandbox counts in, whatever the country.
const SANDBOX_CURRENCY: &str = "EUR";

/// An API user of MTN's.
#[derive(Clone, Debug)]
pub(crate) struct MobileMoney {
    till: Till,
    settings: settings::MobileMoney,
    links: Links,
}

impl Bearer for MobileMoney {
    const NAME: &'static str = NAME;

    fn gateway(&self) -> GatewayId {
        self.till.gateway
    }

    fn links(&self) -> &Links {
        &self.links
    }

    fn token_request(&self) -> Result<Request<Bytes>, NoAnswer> {
        let pair = format!("{}:{}", self.settings.api_user, self.settings.api_key.reveal());
        let basic = format!("Basic {}", STANDARD.encode(pair));
        let headers = [("authorization", basic.as_str()), self.subscription()];
        asking::request(Method::POST, &self.url("/collection/token/"), &headers, Bytes::new())
    }

    fn read_token(&self, answer: &Answer) -> Option<Fetched> {
        let body = answer.json().filter(|_| answer.is_success())?;
        let lasts = wire::text(&body, "expires_in").and_then(|text| text.parse().ok());
        Some(Fetched {
            token: Secret::new(wire::text(&body, "access_token")?),
            lasts: Span::seconds(lasts.unwrap_or(TOKEN_LASTS)),
        })
    }

    fn refusal(&self, answer: &Answer) -> Option<(String, String)> {
        refusal(&answer.json()?)
    }
}

/// `code` and `message`, or those of a gateway before it: `statusCode`, `error`.
fn refusal(body: &Value) -> Option<(String, String)> {
    let first = |names: [&str; 3]| names.into_iter().find_map(|name| wire::text(body, name));
    let code = first(["code", "statusCode", "error"])?;
    Some((code, first(["message", "error_description", "error"]).unwrap_or_default()))
}

impl MobileMoney {
    /// An API user with these settings.
    pub(crate) fn new(till: Till, settings: settings::MobileMoney, links: Links) -> MobileMoney {
        MobileMoney { till, settings, links }
    }

    /// What it can do.
    pub(crate) fn abilities() -> Abilities {
        Abilities { query_by_reference: true, idempotent_submit: true, ..Abilities::default() }
    }

    /// Asks a phone for money.
    pub(crate) async fn submit(&self, charge: &Charge, now: Timestamp) -> Submitted {
        let body = match self.charge_body(charge) {
            Ok(body) => body,
            Err(failure) => return Submitted::Refused(failure),
        };
        let (url, id) = (self.url("/collection/v1_0/requesttopay"), self.uuid(&charge.reference));
        let answer = asking::ask(self, now, |token| {
            let bearer = format!("Bearer {token}");
            let headers = [
                ("authorization", bearer.as_str()),
                self.subscription(),
                ("x-target-environment", self.settings.environment()),
                ("x-reference-id", &id),
                // Without it nothing is ever told.
                ("x-callback-url", &charge.callback),
            ];
            asking::post_json(&url, &headers, &body)
        })
        .await;
        match answer {
            Ok(answer) => taken(&answer, id),
            Err(unasked) => unasked.submitted(),
        }
    }

    /// Asks what became of a charge.
    ///
    /// # Errors
    /// No answer that says anything.
    pub(crate) async fn query(
        &self,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<Verdict, ProviderError> {
        let id = self.uuid(&asked.reference);
        let url = self.url(&format!("/collection/v1_0/requesttopay/{id}"));
        let answer = asking::ask(self, now, |token| {
            let bearer = format!("Bearer {token}");
            let headers = [
                ("authorization", bearer.as_str()),
                self.subscription(),
                ("x-target-environment", self.settings.environment()),
            ];
            asking::request(Method::GET, &url, &headers, Bytes::new())
        })
        .await
        .map_err(|unasked| unasked.error(NAME))?;
        self.told(&answer, &asked.reference)
    }

    /// Reads what it tells.
    pub(crate) fn read_callback(&self, body: &[u8]) -> Result<Callback, CallbackError> {
        let body = wire::object(body, NAME)?;
        let reference = wire::text(&body, "externalId").ok_or_else(|| {
            CallbackError::Unreadable { provider: NAME, why: "it has no externalId".to_owned() }
        })?;
        let verdict = self.state(&body, &reference);
        let heard = Heard::Charge { about: About::Reference(reference), verdict };
        Ok(Callback { heard, is_signed: false })
    }

    /// What it wants to read.
    pub(crate) fn answer_to() -> CallbackAnswer {
        CallbackAnswer { status: 200, content_type: "application/json", body: "{}".to_owned() }
    }

    /// Proves the user and his key.
    pub(crate) async fn check(&self, now: Timestamp) -> Result<(), ProviderError> {
        asking::token(self, None, now).await.map(drop)
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
        let currency = if self.settings.sandbox { SANDBOX_CURRENCY } else { ours.code() };
        Ok(json!({
            "amount": whole.to_string(),
            "currency": currency,
            "externalId": charge.reference,
            "payer": {
                "partyIdType": "MSISDN",
                "partyId": charge.phone.as_str().trim_start_matches('+'),
            },
            "payerMessage": charge.description,
            "payeeNote": charge.reference,
        }))
    }

    fn told(&self, answer: &Answer, reference: &str) -> Result<Verdict, ProviderError> {
        if answer.status == 404 {
            // Also right after it was taken.
            return Ok(Verdict::Unknown("MTN MoMo knows no such question yet".to_owned()));
        }
        match answer.json().filter(|body| answer.is_success() && body.is_object()) {
            Some(body) => Ok(self.state(&body, reference)),
            None => Err(asking::refused(self, answer)),
        }
    }

    fn state(&self, body: &Value, reference: &str) -> Verdict {
        if wire::text(body, "externalId").is_some_and(|about| about != reference) {
            return Verdict::Unknown("it is about another payment".to_owned());
        }
        let status = wire::text(body, "status").unwrap_or_default();
        match status.as_str() {
            "SUCCESSFUL" => Verdict::Paid(Proof {
                receipt: wire::text(body, "financialTransactionId")
                    .unwrap_or_else(|| self.uuid(reference)),
                amount: self.amount(body),
                payer: wire::text_at(body, "/payer/partyId"),
                paid_at: None,
            }),
            "PENDING" | "CREATED" => Verdict::Pending,
            "FAILED" => Verdict::Failed(failed(body)),
            _ => Verdict::Unknown(format!("status `{status}`")),
        }
    }

    fn amount(&self, body: &Value) -> Option<Money> {
        let code = wire::text(body, "currency").unwrap_or_default();
        let ours = self.till.currency;
        let is_play = self.settings.sandbox && code == SANDBOX_CURRENCY;
        let currency = if code.is_empty() || is_play { ours } else { code.parse().ok()? };
        wire::amount(body.get("amount")?, currency)
    }

    /// The name of a question at MTN, made of ours: the same again after a crash, and another one
    /// at another account. It has the form of version 4, which is all that MTN takes.
    fn uuid(&self, reference: &str) -> String {
        let name = format!("{}:{reference}", self.till.gateway.raw());
        let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
        let mut octets = [0; 16];
        octets.copy_from_slice(&digest.as_ref()[..16]);
        octets[6] = octets[6] & 0x0f | 0x40;
        octets[8] = octets[8] & 0x3f | 0x80;
        let hex = wire::hex(&octets);
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        parts.join("-")
    }

    fn subscription(&self) -> (&'static str, &str) {
        ("ocp-apim-subscription-key", self.settings.subscription_key.reveal())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.base())
    }
}

/// What the answer to a charge says.
fn taken(answer: &Answer, id: String) -> Submitted {
    let refusal = answer.json().as_ref().and_then(refusal);
    let (code, sentence) = refusal.unwrap_or_default();
    let setup = |code: &str| Submitted::Refused(setup(code, sentence.clone()));
    match (answer.status, code.as_str()) {
        (202, _) => Submitted::Taken { provider_id: Some(id) },
        // We asked before, and its answer was lost.
        (409, "RESOURCE_ALREADY_EXIST") => Submitted::Taken { provider_id: Some(id) },
        (429, _) => Submitted::NotSent { why: asking::strange(answer), wait: Span::seconds(30) },
        (401 | 403, _) => setup(&answer.status.to_string()),
        (400, "") => setup("400"),
        (_, code) => match reason(code) {
            Some(why) if answer.status < 500 => {
                Submitted::Refused(Failure { why, code: code.to_owned(), sentence })
            }
            _ if answer.status == 400 => setup(code),
            _ => Submitted::Unknown(asking::strange(answer)),
        },
    }
}

/// A failure is one by its status; the reason is text, or an object with code and message.
fn failed(body: &Value) -> Failure {
    let code = wire::text(body, "reason").or_else(|| wire::text_at(body, "/reason/code"));
    let code = code.unwrap_or_else(|| "FAILED".to_owned());
    Failure {
        why: reason(&code).unwrap_or(FailureReason::Refused),
        sentence: wire::text_at(body, "/reason/message").unwrap_or_default(),
        code,
    }
}

fn reason(code: &str) -> Option<FailureReason> {
    Some(match code {
        "APPROVAL_REJECTED" => FailureReason::Cancelled,
        "EXPIRED" => FailureReason::Expired,
        "PAYER_NOT_FOUND" => FailureReason::Locked,
        "NOT_ENOUGH_FUNDS" => FailureReason::NotEnoughMoney,
        "PAYER_LIMIT_REACHED" => FailureReason::OverLimit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Reach;
    use crate::payments::pace::Pace;
    use crate::payments::tokens::Tokens;
    use lango_domain::money::Currency;
    use lango_domain::phone_number::PhoneNumber;

    fn momo(is_sandbox: bool) -> MobileMoney {
        let typed = json!({
            "provider": "momo", "country": "UG", "api_user": "u", "api_key": "k",
            "subscription_key": "s", "sandbox": is_sandbox,
        });
        let read = settings::Settings::read(typed, Currency::UGX).unwrap();
        let settings::Settings::MobileMoney(settings) = read else { panic!() };
        let till = Till { gateway: GatewayId::from_raw(1), currency: Currency::UGX };
        let links =
            Links { reach: Reach::Anywhere, tokens: Tokens::default(), pace: Pace::default() };
        MobileMoney::new(till, settings, links)
    }

    fn answer(status: u16, body: &str) -> Answer {
        let headers = hyper::HeaderMap::new();
        Answer { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    fn state(status: &str, more: Value) -> String {
        let mut body = json!({
            "externalId": "R1", "amount": "1000", "currency": "UGX",
            "payer": { "partyIdType": "MSISDN", "partyId": "256772345678" }, "status": status,
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body.to_string()
    }

    #[test]
    fn a_question_has_one_name_for_ever() {
        let id = momo(false).uuid("R1");
        assert_eq!(id, momo(true).uuid("R1"));
        assert_ne!(id, momo(false).uuid("R2"));
        assert_eq!(id.len(), 36);
        assert_eq!((&id[14..15], id.matches('-').count()), ("4", 4));
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"));
    }

    #[test]
    fn money_is_asked_for_as_observed() {
        let charge = Charge {
            reference: "R1".to_owned(),
            amount: Money::new(1_000, Currency::UGX),
            phone: PhoneNumber::from_e164("+256772345678").unwrap(),
            callback: "https://wifi.example/cb/1".to_owned(),
            description: "wifi".to_owned(),
        };
        let body = momo(false).charge_body(&charge).unwrap();
        assert_eq!(
            body,
            json!({
                "amount": "1000", "currency": "UGX", "externalId": "R1",
                "payer": { "partyIdType": "MSISDN", "partyId": "256772345678" },
                "payerMessage": "wifi", "payeeNote": "R1",
            })
        );
        assert_eq!(momo(true).charge_body(&charge).unwrap()["currency"], "EUR");
        let cents = Charge { amount: Money::new(100, Currency::KES), ..charge };
        assert!(momo(false).charge_body(&cents).is_err());
    }

    #[test]
    fn asked_before_is_taken_and_a_page_for_people_is_unknown() {
        let read = |status, body: &str| taken(&answer(status, body), "id".to_owned());
        let yes = Submitted::Taken { provider_id: Some("id".to_owned()) };
        assert_eq!(read(202, ""), yes);
        let before = r#"{"code":"RESOURCE_ALREADY_EXIST","message":"Duplicated reference id."}"#;
        assert_eq!(read(409, before), yes);
        let nobody = r#"{"code":"PAYER_NOT_FOUND","message":"x"}"#;
        assert!(
            matches!(read(404, nobody), Submitted::Refused(f) if f.why == FailureReason::Locked)
        );
        let own = r#"{"code":"INVALID_CALLBACK_URL_HOST","message":"x"}"#;
        assert!(matches!(read(400, own), Submitted::Refused(f) if f.why == FailureReason::Setup));
        assert!(matches!(read(400, ""), Submitted::Refused(f) if f.why == FailureReason::Setup));
        for (status, strange) in [
            (500, r#"{"code":"INTERNAL_PROCESSING_ERROR","message":"x"}"#),
            (500, ""),
            (503, "<html>"),
            (411, "<html><body>Length Required</body></html>"),
            (409, ""),
            (200, ""),
        ] {
            assert!(matches!(read(status, strange), Submitted::Unknown(_)), "{status} {strange}");
        }
    }

    #[test]
    fn states_and_reasons_are_read() {
        let momo = momo(false);
        let read = |body: &str| momo.told(&answer(200, body), "R1").unwrap();
        let paid = read(&state("SUCCESSFUL", json!({ "financialTransactionId": "363440463" })));
        let Verdict::Paid(proof) = paid else { panic!() };
        assert_eq!(proof.receipt, "363440463");
        assert_eq!(proof.amount, Some(Money::new(1_000, Currency::UGX)));
        assert_eq!(proof.payer.as_deref(), Some("256772345678"));
        let Verdict::Paid(proof) = read(&state("SUCCESSFUL", json!({}))) else { panic!() };
        assert_eq!(proof.receipt, momo.uuid("R1"));
        for waiting in ["PENDING", "CREATED"] {
            assert_eq!(read(&state(waiting, json!({}))), Verdict::Pending);
        }
        for (code, why) in [
            ("APPROVAL_REJECTED", FailureReason::Cancelled),
            ("EXPIRED", FailureReason::Expired),
            ("PAYER_NOT_FOUND", FailureReason::Locked),
            ("NOT_ENOUGH_FUNDS", FailureReason::NotEnoughMoney),
            ("PAYER_LIMIT_REACHED", FailureReason::OverLimit),
            ("INTERNAL_PROCESSING_ERROR", FailureReason::Refused),
        ] {
            for reason in [json!(code), json!({ "code": code, "message": "m" })] {
                let body = state("FAILED", json!({ "reason": reason }));
                assert!(
                    matches!(read(&body), Verdict::Failed(f) if f.why == why && f.code == code)
                );
            }
        }
        assert!(matches!(read(&state("NEW WORD", json!({}))), Verdict::Unknown(_)));
        assert!(matches!(
            read(&state("FAILED", json!({ "externalId": "R2" }))),
            Verdict::Unknown(_)
        ));
        assert!(matches!(momo.told(&answer(404, ""), "R1"), Ok(Verdict::Unknown(_))));
        assert!(momo.told(&answer(500, "<html>"), "R1").is_err());
    }

    #[test]
    fn another_currency_is_told_as_it_is_and_play_money_as_ours() {
        let body = state("SUCCESSFUL", json!({ "currency": "EUR", "amount": "5" }));
        let read = |momo: &MobileMoney| match momo.told(&answer(200, &body), "R1") {
            Ok(Verdict::Paid(proof)) => proof.amount.unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(read(&momo(true)), Money::new(5, Currency::UGX));
        assert_eq!(read(&momo(false)).currency.code(), "EUR");
    }

    #[test]
    fn a_callback_names_our_reference_and_proves_nothing() {
        let body = state("SUCCESSFUL", json!({ "financialTransactionId": 363_440_463 }));
        let callback = momo(false).read_callback(body.as_bytes()).unwrap();
        assert!(!callback.is_signed);
        let Heard::Charge { about, verdict: Verdict::Paid(proof) } = callback.heard else {
            panic!()
        };
        assert_eq!(
            (about, proof.receipt.as_str()),
            (About::Reference("R1".to_owned()), "363440463")
        );
        assert!(
            momo(false).read_callback(b"{}").is_err() && momo(false).read_callback(b"").is_err()
        );
    }
}
