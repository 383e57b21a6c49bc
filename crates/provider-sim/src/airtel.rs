//! Airtel Money: tokens of three minutes, an enquiry with five states, a callback with a hash whose
//! exact bytes nobody documents. Formats as others copied them from developers.airtel.africa.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::charges::{Charge, Charges};
use crate::clock::micros;
use crate::faults::{Fate, Faults};
use crate::forgery::Forgery;
use crate::money::Amount;
use crate::post::{Delivery, Letter, Post};
use crate::server::{Answer, Answers, Asked, Listener};
use crate::signature::{random, sha256_base64};
use crate::subscribers::{Decision, Subscribers, digits};

const NAME: &str = "airtel";

/// Over which bytes of the callback's transaction its hash goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashOver {
    /// Those that were sent, blanks and all.
    Raw,
    /// The same value without blanks.
    Compact,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 picks one.
    pub address: SocketAddr,
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: String,
    /// `X-Country`, such as `UG`.
    pub country: String,
    /// `X-Currency`, such as `UGX`.
    pub currency: String,
    /// The country's code before numbers, such as `256`.
    pub calling_code: String,
    /// Where callbacks go, as entered at the portal.
    pub callback_url: Option<String>,
    /// The key of callbacks' hashes, if they are switched on, and what they go over.
    pub hash: Option<(String, HashOver)>,
    /// How long a token is good.
    pub token_lasts: Duration,
    /// How long a prompt stands on a phone.
    pub prompt_lasts: Duration,
    /// How long after the owner's answer the callback is sent.
    pub callback_delay: Duration,
}

impl Default for Settings {
    /// Client `client`, secret `secret`, Uganda, no hash, no callbacks.
    fn default() -> Settings {
        Settings {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            client_id: "client".to_owned(),
            client_secret: "secret".to_owned(),
            country: "UG".to_owned(),
            currency: "UGX".to_owned(),
            calling_code: "256".to_owned(),
            callback_url: None,
            hash: None,
            token_lasts: Duration::from_secs(180),
            prompt_lasts: Duration::from_secs(60),
            callback_delay: Duration::ZERO,
        }
    }
}

/// A stand-in for Airtel Money. Cheap to clone; it listens until the last clone is dropped.
#[derive(Clone)]
pub struct AirtelMoney {
    desk: Arc<Desk>,
    listener: Arc<Listener>,
}

struct Desk {
    settings: Settings,
    charges: Charges,
    token: Mutex<Option<(String, i64)>>,
    callback_url: Mutex<Option<String>>,
}

impl AirtelMoney {
    /// Starts listening. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(subscribers: &Subscribers, settings: Settings) -> io::Result<AirtelMoney> {
        let faults = Faults::default();
        let post = Post::new(&subscribers.agenda, &faults);
        let lasts = (settings.prompt_lasts, settings.callback_delay);
        let hash = settings.hash.clone();
        let write = move |charge: &Charge, url: &str, fate: &Fate| {
            callback(hash.as_ref(), charge, url, fate)
        };
        let charges = Charges::new(NAME, subscribers, post, lasts, receipt, write);
        let (address, callback_url) = (settings.address, Mutex::new(settings.callback_url.clone()));
        let desk = Arc::new(Desk { settings, charges, token: Mutex::default(), callback_url });
        let listener = Arc::new(Listener::start(address, &desk, &faults)?);
        Ok(AirtelMoney { desk, listener })
    }

    /// What stands before `/auth/oauth2/token`.
    pub fn base_url(&self) -> &str {
        &self.listener.base_url
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.desk.charges.post.faults
    }

    /// Every callback that was sent.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.desk.charges.post.deliveries()
    }

    /// Enters another URL for callbacks at the portal; it counts for payments asked from now on.
    pub fn send_callbacks_to(&self, url: &str) {
        *self.desk.callback_url.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(url.to_owned());
    }

    /// The token that is good now dies.
    pub fn kill_token(&self) {
        *self.desk.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Posts a callback that the provider did not send, about a charge by its transaction id. `None`
    /// if there is none, or no URL for callbacks.
    pub async fn forge(&self, id: &str, forgery: Forgery) -> Option<Delivery> {
        self.desk.charges.forge(id, forgery).await
    }

    /// Stops listening.
    pub fn stop(&self) {
        self.listener.stop();
    }
}

impl Answers for Desk {
    async fn answer(self: Arc<Self>, asked: Asked) -> Answer {
        if (&asked.method, asked.path.as_str()) == (&Method::POST, "/auth/oauth2/token") {
            return self.give_token(&asked);
        }
        if let Some(answer) = self.is_stranger(&asked) {
            return answer;
        }
        match (&asked.method, asked.path.as_str()) {
            (&Method::POST, "/merchant/v1/payments/") => self.pay(&asked).await,
            (&Method::POST, "/merchant/v2/payments/") => {
                let signed =
                    ["x-signature", "x-key"].iter().all(|name| asked.header(name).is_some());
                if signed {
                    self.pay(&asked).await
                } else {
                    failed(400, "ESB000008", "Field validation")
                }
            }
            (&Method::POST, "/standard/v2/payments/refund") => self.refund(&asked),
            (&Method::GET, path) => match path.strip_prefix("/standard/v1/payments/") {
                Some(id) => self.enquire(id),
                None => Answer::json(404, &json!({ "error": "Not Found" })),
            },
            _ => Answer::json(404, &json!({ "error": "Not Found" })),
        }
    }
}

impl Desk {
    fn give_token(&self, asked: &Asked) -> Answer {
        let body = asked.json().unwrap_or_default();
        let known = body["client_id"] == self.settings.client_id.as_str()
            && body["client_secret"] == self.settings.client_secret.as_str()
            && body["grant_type"] == "client_credentials";
        if !known {
            let why = "Invalid client authentication";
            return Answer::json(
                401,
                &json!({ "error": "invalid_client", "error_description": why }),
            );
        }
        let token = random(32);
        let until = self.charges.subscribers.now() + micros(self.settings.token_lasts);
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.clone(), until));
        let lasts = self.settings.token_lasts.as_secs().to_string();
        Answer::json(
            200,
            &json!({ "token_type": "bearer", "access_token": token, "expires_in": lasts }),
        )
    }

    fn is_stranger(&self, asked: &Asked) -> Option<Answer> {
        let now = self.charges.subscribers.now();
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let good = token.filter(|(_, until)| *until > now);
        if good.is_none_or(|(token, _)| asked.bearer() != Some(&token)) {
            let why = "Access token is invalid or has expired";
            return Some(Answer::json(
                401,
                &json!({ "error": "invalid_token", "error_description": why }),
            ));
        }
        let here = asked.header("x-country") == Some(&self.settings.country)
            && asked.header("x-currency") == Some(&self.settings.currency);
        (!here).then(|| failed(400, "ESB000008", "Invalid country or currency"))
    }

    async fn pay(&self, asked: &Asked) -> Answer {
        let Some(charge) = self.read(asked) else {
            return failed(400, "ESB000008", "Field validation");
        };
        let id = charge.id.clone();
        if charge.msisdn.len() != self.settings.calling_code.len() + 9 {
            return failed(400, "ESB000033", "Invalid MSISDN Length. MSISDN Length should be 9");
        }
        if !self.charges.submit(charge).await {
            return failed(400, "ESB000041", "External Transaction ID already exists.");
        }
        let data = json!({ "transaction": { "id": id, "status": "Success." } });
        succeeded(&data, "DP00800001006", "Success.")
    }

    fn read(&self, asked: &Asked) -> Option<Charge> {
        let body = asked.json()?;
        let (subscriber, transaction) = (&body["subscriber"], &body["transaction"]);
        body["reference"].as_str()?;
        let msisdn = match &subscriber["msisdn"] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let amount = match &transaction["amount"] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some(Charge {
            id: transaction["id"].as_str()?.to_owned(),
            own_id: random(16),
            // It is written without the country's code.
            msisdn: format!("{}{}", self.settings.calling_code, digits(&msisdn)),
            payee: self.settings.client_id.clone(),
            amount: Amount::parse(&amount, &self.settings.currency)?,
            callback_url: self.callback_url.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            at_micros: self.charges.subscribers.now(),
            ended: None,
        })
    }

    fn enquire(&self, id: &str) -> Answer {
        let Some(charge) = self.charges.get(id) else {
            return failed(200, "DP00800001000", "The transaction was not found");
        };
        let reversed = charge
            .receipt()
            .and_then(|receipt| self.charges.subscribers.transaction(NAME, receipt))
            .is_some_and(|transaction| transaction.reversed);
        let state = if reversed { "TR" } else { state(&charge) };
        let code = match state {
            "TS" => "DP00800001001",
            "TIP" => "DP00800001006",
            "TA" => "DP00800001000",
            _ => "DP00800001005",
        };
        let data = json!({ "transaction": {
            "airtel_money_id": charge.receipt().unwrap_or_default(),
            "id": charge.id,
            "message": message(&charge),
            "status": state,
        } });
        succeeded(&data, code, "SUCCESS")
    }

    fn refund(&self, asked: &Asked) -> Answer {
        let body = asked.json().unwrap_or_default();
        let id = body["transaction"]["airtel_money_id"].as_str().unwrap_or_default();
        match self.charges.subscribers.reverse(NAME, id) {
            Ok(_) => {
                let data = json!({ "transaction": { "airtel_money_id": id, "status": "SUCCESS" } });
                succeeded(&data, "DP00800001001", "SUCCESS")
            }
            Err(_) => failed(200, "DP00800001005", "The transaction cannot be refunded"),
        }
    }
}

/// TS done, TF failed, TIP under way, TA ambiguous.
fn state(charge: &Charge) -> &'static str {
    match charge.ended.as_ref().map(|ended| &ended.decision) {
        None => "TIP",
        Some(Decision::Approved) => "TS",
        Some(Decision::Code(code)) if code == "TA" => "TA",
        Some(Decision::Code(code)) if code == "TIP" => "TIP",
        Some(_) => "TF",
    }
}

fn message(charge: &Charge) -> String {
    match charge.ended.as_ref().map(|ended| &ended.decision) {
        None => "Transaction in progress".to_owned(),
        Some(Decision::Approved) => {
            format!("Paid {} to {}", charge.amount, charge.payee)
        }
        Some(Decision::Cancelled) => "Transaction was cancelled by the user".to_owned(),
        Some(Decision::TimedOut | Decision::Unreachable) => "Transaction timed out".to_owned(),
        Some(Decision::NoMoney) => "Insufficient money on the account".to_owned(),
        Some(Decision::WrongPin) => "Incorrect PIN".to_owned(),
        Some(Decision::Code(code)) => code.clone(),
    }
}

/// Only TS and TF are told. The transaction is written with blanks, so that the two ways to hash
/// it differ.
fn callback(hash: Option<&(String, HashOver)>, charge: &Charge, url: &str, fate: &Fate) -> Letter {
    let status = if charge.receipt().is_some() { "TS" } else { "TF" };
    let compact = json!({
        "id": charge.id,
        "message": message(charge),
        "status_code": status,
        "airtel_money_id": charge.receipt().unwrap_or_default(),
    });
    let raw = serde_json::to_string_pretty(&compact).unwrap_or_default();
    let body = match hash {
        None => format!("{{\"transaction\": {raw}}}"),
        Some((key, over)) => {
            let key = if fate.forged { "no key" } else { key };
            let hash = match over {
                HashOver::Raw => sha256_base64(key, &raw),
                HashOver::Compact => sha256_base64(key, &compact.to_string()),
            };
            format!("{{\"transaction\": {raw}, \"hash\": \"{hash}\"}}")
        }
    };
    Letter { url: url.to_owned(), kind: "application/json", headers: Vec::new(), body }
}

fn receipt(number: u64) -> String {
    format!("MP{:06}.1122.L{number:05}", fastrand::u32(100_000..999_999))
}

fn succeeded(data: &Value, code: &str, message: &str) -> Answer {
    let status = json!({ "code": "200", "message": message, "result_code": "ESB000010", "response_code": code, "success": true });
    Answer::json(200, &json!({ "data": data, "status": status }))
}

fn failed(http: u16, code: &str, message: &str) -> Answer {
    let result = if code.starts_with("ESB") { code } else { "ESB000010" };
    let response = if code.starts_with("DP") { code } else { "" };
    let status = json!({ "code": http.to_string(), "message": message, "result_code": result, "response_code": response, "success": false });
    Answer::json(http, &json!({ "status": status }))
}
