//! ClickPesa (Tanzania): token, preview, push, a list of attempts per order, one webhook for all.
//! Formats are those of docs.clickpesa.com.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::charges::{Charge, Charges};
use crate::clock::{micros, written};
use crate::faults::{Fate, Faults};
use crate::forgery::Forgery;
use crate::money::Amount;
use crate::post::{Delivery, Letter, Post};
use crate::server::{Answer, Answers, Asked, Listener};
use crate::signature::{random, sha256_hex, sorted};
use crate::subscribers::{Decision, Subscribers, digits};

const CURRENCY: &str = "TZS";
/// What stands before every path.
const ROOT: &str = "/third-parties";

/// How requests and webhooks are summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// Over the compact JSON with sorted fields.
    Json {
        /// The merchant's checksum key.
        key: String,
    },
    /// Over the values alone in the order of their names, as older documents have it.
    Values {
        /// The merchant's checksum key.
        key: String,
    },
}

impl Checksum {
    /// The sum of a body, whose own `checksum` and `checksumMethod` do not count.
    fn of(&self, body: &Value) -> String {
        let mut body = sorted(body);
        if let Some(fields) = body.as_object_mut() {
            fields.shift_remove("checksum");
            fields.shift_remove("checksumMethod");
        }
        match self {
            Checksum::Json { key } => sha256_hex(key, &body.to_string()),
            Checksum::Values { key } => sha256_hex(key, &values(&body)),
        }
    }
}

/// All values, one after the other.
fn values(value: &Value) -> String {
    match value {
        Value::Object(fields) => fields.values().map(values).collect(),
        Value::Array(all) => all.iter().map(values).collect(),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 picks one.
    pub address: SocketAddr,
    /// `client-id`.
    pub client_id: String,
    /// `api-key`.
    pub api_key: String,
    /// Whether and how bodies are summed up. A wrong sum is refused.
    pub checksum: Option<Checksum>,
    /// The one URL of all webhooks, as entered at the dashboard.
    pub webhook_url: Option<String>,
    /// How long a token is good.
    pub token_lasts: Duration,
    /// How long a prompt stands on a phone.
    pub prompt_lasts: Duration,
    /// How long after the owner's answer the webhook is sent.
    pub callback_delay: Duration,
    /// After which SUCCESS becomes SETTLED.
    pub settles_after: Duration,
    /// Webhooks say that an amount was collected that is floored to 0.
    pub floors_amounts: bool,
}

impl Default for Settings {
    /// Client `client`, key `key`, no checksum, no webhook.
    fn default() -> Settings {
        Settings {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            client_id: "client".to_owned(),
            api_key: "key".to_owned(),
            checksum: None,
            webhook_url: None,
            token_lasts: Duration::from_secs(3_600),
            prompt_lasts: Duration::from_secs(60),
            callback_delay: Duration::ZERO,
            settles_after: Duration::from_secs(24 * 60 * 60),
            floors_amounts: false,
        }
    }
}

/// A stand-in for ClickPesa. Cheap to clone; it listens until the last clone is dropped.
#[derive(Clone)]
pub struct ClickPesa {
    desk: Arc<Desk>,
    listener: Arc<Listener>,
    base_url: String,
}

struct Desk {
    settings: Settings,
    charges: Charges,
    token: Mutex<Option<(String, i64)>>,
    webhook_url: Mutex<Option<String>>,
}

impl ClickPesa {
    /// Starts listening. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(subscribers: &Subscribers, settings: Settings) -> io::Result<ClickPesa> {
        let faults = Faults::default();
        let post = Post::new(&subscribers.agenda, &faults);
        let lasts = (settings.prompt_lasts, settings.callback_delay);
        let told = settings.clone();
        let write =
            move |charge: &Charge, url: &str, fate: &Fate| webhook(&told, charge, url, fate);
        let charges = Charges::new("clickpesa", subscribers, post, lasts, receipt, write);
        let (address, webhook_url) = (settings.address, Mutex::new(settings.webhook_url.clone()));
        let desk = Arc::new(Desk { settings, charges, token: Mutex::default(), webhook_url });
        let listener = Arc::new(Listener::start(address, &desk, &faults)?);
        let base_url = format!("{}{ROOT}", listener.base_url);
        Ok(ClickPesa { desk, listener, base_url })
    }

    /// What stands before `/generate-token`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.desk.charges.post.faults
    }

    /// Every webhook that was sent.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.desk.charges.post.deliveries()
    }

    /// Enters another URL for webhooks at the dashboard; it counts for orders made from now on.
    pub fn send_webhooks_to(&self, url: &str) {
        *self.desk.webhook_url.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(url.to_owned());
    }

    /// The token that is good now dies.
    pub fn kill_token(&self) {
        *self.desk.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Somebody pays a control number from his phone. Returns the receipt.
    pub fn pay_by_hand(&self, msisdn: &str, control_number: &str, amount: Amount) -> String {
        let charge = self.desk.charge(control_number, &digits(msisdn), amount);
        self.desk.charges.by_hand(charge)
    }

    /// Posts a callback that the provider did not send, about a charge by its order reference. `None`
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
        let path = asked.path.strip_prefix(ROOT).unwrap_or_default().to_owned();
        if (&asked.method, path.as_str()) == (&Method::POST, "/generate-token") {
            return self.give_token(&asked);
        }
        if !self.knows(&asked) {
            return said(401, "Unauthorized");
        }
        match (&asked.method, path.as_str()) {
            (&Method::POST, "/payments/preview-ussd-push-request") => self.preview(&asked),
            (&Method::POST, "/payments/initiate-ussd-push-request") => self.initiate(&asked).await,
            (&Method::GET, path) => match path.strip_prefix("/payments/") {
                Some(reference) => self.attempts(reference),
                None => said(404, "Not Found"),
            },
            _ => said(404, "Not Found"),
        }
    }
}

impl Desk {
    fn give_token(&self, asked: &Asked) -> Answer {
        let known = asked.header("client-id") == Some(&self.settings.client_id)
            && asked.header("api-key") == Some(&self.settings.api_key);
        if !known {
            return said(401, "Invalid Client Details");
        }
        // It comes with its scheme.
        let token = format!("Bearer ey{}", random(40));
        let until = self.charges.subscribers.now() + micros(self.settings.token_lasts);
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.clone(), until));
        Answer::json(200, &json!({ "success": true, "token": token }))
    }

    fn knows(&self, asked: &Asked) -> bool {
        let now = self.charges.subscribers.now();
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let good = token.as_ref().filter(|(_, until)| *until > now);
        good.is_some_and(|(token, _)| asked.header("authorization") == Some(token))
    }

    /// The body, its amount and its reference, or what is wrong.
    fn read(&self, asked: &Asked) -> Result<(Value, Amount, String), Answer> {
        let body = asked.json().ok_or_else(|| said(400, "Invalid JSON"))?;
        if let Some(checksum) = &self.settings.checksum
            && body["checksum"].as_str() != Some(&checksum.of(&body))
        {
            return Err(said(400, "Invalid checksum"));
        }
        if body["currency"] != CURRENCY {
            return Err(said(400, "Invalid currency"));
        }
        let amount = body["amount"].as_str().and_then(|text| Amount::parse(text, CURRENCY));
        let amount = amount.ok_or_else(|| said(400, "amount must be a number string"))?;
        let reference = body["orderReference"].as_str().unwrap_or_default().to_owned();
        let good = (1..=20).contains(&reference.len())
            && reference.bytes().all(|one| one.is_ascii_alphanumeric());
        if !good {
            return Err(said(400, "orderReference must be alphanumeric, at most 20"));
        }
        Ok((body, amount, reference))
    }

    fn preview(&self, asked: &Asked) -> Answer {
        let (body, _, _) = match self.read(asked) {
            Ok(read) => read,
            Err(answer) => return answer,
        };
        let phone = digits(body["phoneNumber"].as_str().unwrap_or_default());
        let methods = ["TIGO-PESA", "M-PESA", "AIRTEL-MONEY", "HALOPESA"]
            .map(|name| json!({ "name": name, "status": "AVAILABLE", "fee": 0, "message": null }));
        let sender = json!({ "accountName": "NEEMA", "accountNumber": phone, "accountProvider": channel(&phone) });
        Answer::json(200, &json!({ "activeMethods": methods, "sender": sender }))
    }

    async fn initiate(&self, asked: &Asked) -> Answer {
        let (body, amount, reference) = match self.read(asked) {
            Ok(read) => read,
            Err(answer) => return answer,
        };
        let phone = body["phoneNumber"].as_str().unwrap_or_default();
        let good = phone.len() == 12
            && phone.starts_with("255")
            && phone.bytes().all(|one| one.is_ascii_digit());
        if !good {
            return said(400, "phoneNumber must be 255 and nine digits");
        }
        let charge = self.charge(&reference, phone, amount);
        let taken = json!({
            "id": charge.own_id,
            "status": "PROCESSING",
            "channel": channel(phone),
            "orderReference": reference,
            "collectedAmount": charge.amount.short(),
            "collectedCurrency": CURRENCY,
            "createdAt": date(charge.at_micros),
            "clientId": self.settings.client_id,
        });
        if self.charges.submit(charge).await {
            Answer::json(200, &taken)
        } else {
            said(409, "Order reference already used")
        }
    }

    fn charge(&self, reference: &str, msisdn: &str, amount: Amount) -> Charge {
        let url = self.webhook_url.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Charge {
            id: reference.to_owned(),
            own_id: format!("LCP{}", random(12).to_uppercase()),
            msisdn: msisdn.to_owned(),
            payee: self.settings.client_id.clone(),
            amount,
            callback_url: url,
            at_micros: self.charges.subscribers.now(),
            ended: None,
        }
    }

    /// All attempts at an order: an array, even of one.
    fn attempts(&self, reference: &str) -> Answer {
        let Some(charge) = self.charges.get(reference) else {
            return said(404, "Payment not found");
        };
        let now = self.charges.subscribers.now();
        let settled = now.saturating_sub(charge.ended_at()) >= micros(self.settings.settles_after);
        let status = match state(&charge) {
            "SUCCESS" if settled => "SETTLED",
            state => state,
        };
        let attempt = json!({
            "id": charge.own_id,
            "status": status,
            "paymentReference": charge.receipt(),
            "paymentPhoneNumber": charge.msisdn,
            "orderReference": charge.id,
            "collectedAmount": charge.amount.hundredths / 100,
            "collectedCurrency": CURRENCY,
            "message": message(&charge),
            "updatedAt": date(charge.ended_at()),
            "createdAt": date(charge.at_micros),
            "customer": customer(&charge),
            "clientId": self.settings.client_id,
        });
        Answer::json(200, &json!([attempt]))
    }
}

/// Its word for where a charge stands.
fn state(charge: &Charge) -> &str {
    match charge.ended.as_ref().map(|ended| &ended.decision) {
        None => "PROCESSING",
        Some(Decision::Approved) => "SUCCESS",
        Some(Decision::Code(code)) if STATES.contains(&code.as_str()) => code,
        Some(_) => "FAILED",
    }
}

/// Other states that an owner can be made to meet.
const STATES: [&str; 6] = ["PENDING", "PROCESSING", "SETTLED", "ON-HOLD", "REFUNDED", "REVERSED"];

fn message(charge: &Charge) -> String {
    match charge.ended.as_ref().map(|ended| &ended.decision) {
        None => "Awaiting customer".to_owned(),
        Some(Decision::Approved) => "Payment received".to_owned(),
        Some(Decision::Cancelled) => "Customer cancelled the request".to_owned(),
        Some(Decision::TimedOut | Decision::Unreachable) => "Request timed out".to_owned(),
        Some(Decision::NoMoney) => "Insufficient balance".to_owned(),
        Some(Decision::WrongPin) => "Invalid PIN".to_owned(),
        Some(Decision::Code(code)) => code.clone(),
    }
}

fn customer(charge: &Charge) -> Value {
    json!({ "customerName": "NEEMA", "customerPhoneNumber": charge.msisdn, "customerEmail": "" })
}

/// Amounts are text here, and can be floored by a calculation of its own.
fn webhook(settings: &Settings, charge: &Charge, url: &str, fate: &Fate) -> Letter {
    let event = if charge.receipt().is_some() { "PAYMENT RECEIVED" } else { "PAYMENT FAILED" };
    let amount = match charge.amount.units() {
        _ if settings.floors_amounts => json!("0"),
        // The other type than usual.
        Some(units) if fate.text_numbers => json!(units),
        _ => json!(charge.amount.short()),
    };
    let mut body = json!({
        "event": event,
        "data": {
            "id": charge.own_id,
            "status": state(charge),
            "paymentReference": charge.receipt(),
            "orderReference": charge.id,
            "collectedAmount": amount,
            "collectedCurrency": CURRENCY,
            "message": message(charge),
            "channel": channel(&charge.msisdn),
            "updatedAt": date(charge.ended_at()),
            "createdAt": date(charge.at_micros),
            "customer": customer(charge),
            "clientId": settings.client_id,
        },
    });
    if let (Some(checksum), Some(fields)) = (&settings.checksum, body.clone().as_object()) {
        let sum = checksum.of(&Value::Object(fields.clone()));
        body["checksum"] = if fate.forged { json!(sha256_hex("no key", &sum)) } else { json!(sum) };
    }
    Letter::json(url, &body)
}

/// Which operator a number began at. Numbers move, so this proves nothing.
fn channel(msisdn: &str) -> &'static str {
    match msisdn.get(3..5).unwrap_or_default() {
        "65" | "67" | "71" | "77" => "TIGO-PESA",
        "68" | "69" | "78" => "AIRTEL-MONEY",
        "61" | "62" => "HALOPESA",
        _ => "M-PESA",
    }
}

fn receipt(number: u64) -> String {
    format!("{}", 94_000_000_000_u64 + number)
}

fn date(at: i64) -> String {
    written(at, 0, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

fn said(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({ "message": message, "statusCode": status }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_checksums_match_the_measured_ones() {
        let body = json!({ "amount": "1000", "currency": "TZS", "orderReference": "ORD123456", "phoneNumber": "255712345678" });
        let key = "test-key".to_owned();
        assert_eq!(
            Checksum::Json { key: key.clone() }.of(&body),
            "5af0c9282a32960e9b57078095373bb3877931b571197bdccedc0bd52fdb0823"
        );
        assert_eq!(
            Checksum::Values { key }.of(&body),
            "7dc48192d1db56d8af71138d66a70f5d30ba74626cc5963c7866911a8a849ae3"
        );
    }
}
