//! M-Pesa of Safaricom, Kenya, by its Daraja API: formats as developer.safaricom.co.ke has them in
//! December 2025, and what others have observed where it is silent.
//!
//! A push cannot be repeated: the same body twice is two prompts. A callback proves nothing by
//! itself. 500.001.1001 means many things, and of a push that was taken it means no answer.

mod by_hand;
mod callback;
mod codes;
mod list;
mod orders;
mod push;

use super::asking::{self, Bearer};
use super::provider::Links;
use super::tokens::Fetched;
use super::{
    Abilities, Callback, CallbackAnswer, CallbackError, Door, ProviderError, Till, settings, wire,
};
use crate::outbound::{Answer, NoAnswer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::{Method, Request};
use lango_domain::access::Secret;
use lango_domain::ids::GatewayId;
use lango_domain::time::{Span, Timestamp};
use serde_json::{Value, json};

const NAME: &str = "M-Pesa";
/// If it does not say how long a token is good.
const TOKEN_LASTS: i64 = 3_599;

/// A shortcode of Safaricom's.
#[derive(Clone, Debug)]
pub(crate) struct Daraja {
    till: Till,
    settings: settings::Daraja,
    links: Links,
}

impl Bearer for Daraja {
    const NAME: &'static str = NAME;

    fn gateway(&self) -> GatewayId {
        self.till.gateway
    }

    fn links(&self) -> &Links {
        &self.links
    }

    fn token_request(&self) -> Result<Request<Bytes>, NoAnswer> {
        let settings::Daraja { consumer_key, consumer_secret, .. } = &self.settings;
        let pair = format!("{}:{}", consumer_key.reveal(), consumer_secret.reveal());
        let basic = format!("Basic {}", STANDARD.encode(pair));
        let url = self.url("/oauth/v1/generate?grant_type=client_credentials");
        asking::request(Method::GET, &url, &[("authorization", &basic)], Bytes::new())
    }

    /// `expires_in` is text in the documents and a number elsewhere.
    fn read_token(&self, answer: &Answer) -> Option<Fetched> {
        let body = answer.json().filter(|_| answer.is_success())?;
        let lasts = wire::text(&body, "expires_in").and_then(|text| text.parse().ok());
        Some(Fetched {
            token: Secret::new(wire::text(&body, "access_token")?),
            lasts: Span::seconds(lasts.unwrap_or(TOKEN_LASTS)),
        })
    }

    fn is_token_dead(&self, answer: &Answer) -> bool {
        let code = answer.json().and_then(|body| wire::text(&body, "errorCode"));
        match code {
            Some(code) => codes::is_about_token(&code),
            None => answer.status == 401,
        }
    }

    fn refusal(&self, answer: &Answer) -> Option<(String, String)> {
        refusal(&answer.json()?)
    }
}

/// `errorCode` and `errorMessage`, or the code of an order that was not taken.
fn refusal(body: &Value) -> Option<(String, String)> {
    let error = wire::text(body, "errorCode").map(|code| (code, "errorMessage"));
    let response = || wire::text(body, "ResponseCode").map(|code| (code, "ResponseDescription"));
    let (code, sentence) = error.or_else(response)?;
    Some((code, wire::text(body, sentence).unwrap_or_default()))
}

impl Daraja {
    /// A shortcode with these settings.
    pub(crate) fn new(till: Till, settings: settings::Daraja, links: Links) -> Daraja {
        Daraja { till, settings, links }
    }

    /// What it can do.
    pub(crate) fn abilities(&self) -> Abilities {
        let has_initiator = self.settings.initiator.is_some();
        Abilities {
            query_by_reference: false,
            signed_callbacks: false,
            idempotent_submit: false,
            lists_money: self.settings.pull_number.is_some(),
            refunds: has_initiator,
            looks_up_receipts: has_initiator,
            registers: true,
        }
    }

    /// Reads a message that came by one of its doors.
    pub(crate) fn read_callback(&self, door: Door, body: &[u8]) -> Result<Callback, CallbackError> {
        let currency = self.till.currency;
        let heard = match door {
            Door::Stk => callback::read(body, currency),
            Door::C2bValidate => by_hand::read(body, currency).map(super::Heard::MayPay),
            Door::C2bConfirm => by_hand::read(body, currency).map(super::Heard::Money),
            Door::Result => orders::read_reversal(body, currency),
            Door::Status => orders::read_status(body, currency),
            Door::Timeout => orders::read_timeout(body),
            Door::Webhook => Err(CallbackError::Unreadable {
                provider: NAME,
                why: "it has a door for each kind of message, and this is none".to_owned(),
            }),
        }?;
        Ok(Callback { heard, is_signed: false })
    }

    /// What it wants to read. Only a question whether money may be paid can be refused.
    pub(crate) fn answer_to(door: Door, is_accepted: bool) -> CallbackAnswer {
        let body = match door {
            Door::C2bValidate if is_accepted => {
                json!({ "ResultCode": "0", "ResultDesc": "Accepted" })
            }
            // Invalid account number: the payer is told to look at what he typed.
            Door::C2bValidate => json!({ "ResultCode": "C2B00012", "ResultDesc": "Rejected" }),
            _ => json!({ "ResultCode": 0, "ResultDesc": "Accepted" }),
        };
        CallbackAnswer { status: 200, content_type: "application/json", body: body.to_string() }
    }

    /// Proves the key and the secret.
    pub(crate) async fn check(&self, now: Timestamp) -> Result<(), ProviderError> {
        asking::token(self, None, now).await.map(drop)
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

    /// Password and timestamp belong together.
    fn password(&self, now: Timestamp) -> (String, String) {
        let timestamp = wire::written_in_east_africa(now, "%Y%m%d%H%M%S");
        let settings::Daraja { shortcode, passkey, .. } = &self.settings;
        let password = STANDARD.encode(format!("{shortcode}{}{timestamp}", passkey.reveal()));
        (password, timestamp)
    }

    /// The pace is of a shortcode, whatever gateway it stands in.
    fn pace_name(&self) -> String {
        format!("daraja {}", self.settings.shortcode)
    }
}

/// Words that Safaricom refuses in addresses.
const FORBIDDEN: [&str; 7] = ["mpesa", "m-pesa", "safaricom", "exe", "cmd", "sql", "query"];

/// What Safaricom minds about an address of ours, if anything. A random part can have a forbidden
/// word in it by chance: then another has to be made.
pub(crate) fn minds(url: &str) -> Option<String> {
    let lower = url.to_lowercase();
    if let Some(word) = FORBIDDEN.into_iter().find(|word| lower.contains(word)) {
        return Some(format!("Safaricom refuses addresses with `{word}` in them"));
    }
    let host = url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    match host {
        None | Some("") => Some("it is no address".to_owned()),
        Some(host) if host.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Some("Safaricom refuses hosts in capitals".to_owned())
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Reach;
    use crate::payments::pace::Pace;
    use crate::payments::tokens::Tokens;
    use lango_domain::ids::Id as _;
    use lango_domain::money::Currency;

    pub(super) fn daraja(more: Value) -> Daraja {
        let mut typed = json!({
            "provider": "daraja", "consumer_key": "key", "consumer_secret": "secret",
            "passkey": "testpasskey", "shortcode": "600000",
        });
        for (name, value) in more.as_object().unwrap() {
            typed[name] = value.clone();
        }
        let read = settings::Settings::read(typed, Currency::KES).unwrap();
        let settings::Settings::Daraja(settings) = read else { panic!() };
        let till = Till { gateway: GatewayId::from_raw(1), currency: Currency::KES };
        let links =
            Links { reach: Reach::Anywhere, tokens: Tokens::default(), pace: Pace::default() };
        Daraja::new(till, settings, links)
    }

    pub(super) fn answer(status: u16, body: &str) -> Answer {
        let headers = hyper::HeaderMap::new();
        Answer { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    pub(super) fn at(text: &str) -> Timestamp {
        Timestamp::from_jiff(text.parse().unwrap())
    }

    #[test]
    fn the_password_is_that_of_the_documents() {
        let (password, timestamp) = daraja(json!({})).password(at("2026-01-02T00:04:05Z"));
        assert_eq!(timestamp, "20260102030405");
        assert_eq!(password, "NjAwMDAwdGVzdHBhc3NrZXkyMDI2MDEwMjAzMDQwNQ==");
    }

    #[test]
    fn a_token_is_read_whatever_type_its_life_has() {
        let daraja = daraja(json!({}));
        for (life, seconds) in
            [("\"3599\"", 3_599), ("3599", 3_599), ("\"soon\"", 3_599), ("60", 60)]
        {
            let body = format!(r#"{{"access_token":"abc","expires_in":{life}}}"#);
            let fetched = daraja.read_token(&answer(200, &body)).unwrap();
            assert_eq!(fetched.lasts, Span::seconds(seconds), "{life}");
            assert_eq!(fetched.token.reveal(), "abc");
        }
        for strange in ["", "<html>", "[]", r#"{"expires_in":"3599"}"#] {
            assert_eq!(daraja.read_token(&answer(200, strange)), None, "{strange}");
        }
    }

    #[test]
    fn a_dead_token_is_told_by_its_codes() {
        let daraja = daraja(json!({}));
        for code in ["404.001.03", "400.003.01", "401.003.01"] {
            let body = format!(r#"{{"requestId":"1","errorCode":"{code}","errorMessage":"x"}}"#);
            assert!(
                daraja.is_token_dead(&answer(401, &body))
                    && daraja.is_token_dead(&answer(404, &body))
            );
        }
        assert!(daraja.is_token_dead(&answer(401, "")));
        assert!(!daraja.is_token_dead(&answer(404, r#"{"errorCode":"404.001.01"}"#)));
        assert!(!daraja.is_token_dead(&answer(500, "<html>")));
    }

    #[test]
    fn addresses_that_safaricom_refuses_are_known_before() {
        assert_eq!(minds("https://wifi.example/api/payments/daraja/callback/k3x9"), None);
        for url in [
            "https://wifi.example/api/payments/mpesa/callback/k3x9",
            "https://wifi.example/cb/8sqL1",
            "https://Wifi.example/cb/1",
            "wifi.example",
        ] {
            assert!(minds(url).is_some(), "{url}");
        }
    }

    #[test]
    fn everything_is_answered_as_it_is_wanted() {
        let body = |door, is_accepted| Daraja::answer_to(door, is_accepted).body;
        assert_eq!(body(Door::C2bValidate, true), r#"{"ResultCode":"0","ResultDesc":"Accepted"}"#);
        assert_eq!(
            body(Door::C2bValidate, false),
            r#"{"ResultCode":"C2B00012","ResultDesc":"Rejected"}"#
        );
        let accepted = r#"{"ResultCode":0,"ResultDesc":"Accepted"}"#;
        assert_eq!(body(Door::C2bConfirm, false), accepted, "it cannot be refused");
        assert_eq!(body(Door::Stk, true), accepted);
    }
}
