//! MTN's Mobile Money, Collections: the merchant's own UUID names a request, so repeating it is
//! harmless. Formats as observed in 2026.

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
use crate::signature::random;
use crate::subscribers::{Decision, Owner, Subscribers, digits};

/// What to start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 picks one.
    pub address: SocketAddr,
    /// The API user.
    pub api_user: String,
    /// Its key.
    pub api_key: String,
    /// `Ocp-Apim-Subscription-Key`.
    pub subscription_key: String,
    /// `X-Target-Environment`: `mtnuganda`, `mtnrwanda`, `sandbox`. In the sandbox, four payers
    /// are known for what they do, whatever else is said of them.
    pub target_environment: String,
    /// The one currency taken there.
    pub currency: String,
    /// How long a token is good.
    pub token_lasts: Duration,
    /// How long a prompt stands on a phone.
    pub prompt_lasts: Duration,
    /// How long after the owner's answer the callback is sent.
    pub callback_delay: Duration,
    /// How long a request that was taken is not found when asked for.
    pub hides_new_for: Duration,
    /// How long the end of a request is not shown when asked for, so that the callback comes
    /// before.
    pub shows_end_after: Duration,
}

impl Default for Settings {
    /// User `user`, key `key`, subscription `subscription`, Uganda.
    fn default() -> Settings {
        Settings {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_user: "user".to_owned(),
            api_key: "key".to_owned(),
            subscription_key: "subscription".to_owned(),
            target_environment: "mtnuganda".to_owned(),
            currency: "UGX".to_owned(),
            token_lasts: Duration::from_secs(3_600),
            prompt_lasts: Duration::from_secs(120),
            callback_delay: Duration::ZERO,
            hides_new_for: Duration::ZERO,
            shows_end_after: Duration::ZERO,
        }
    }
}

/// A stand-in for MTN's Mobile Money. Cheap to clone; it listens until the last clone is dropped.
#[derive(Clone)]
pub struct MobileMoney {
    desk: Arc<Desk>,
    listener: Arc<Listener>,
}

struct Desk {
    settings: Settings,
    charges: Charges,
    token: Mutex<Option<(String, i64)>>,
}

impl MobileMoney {
    /// Starts listening. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(subscribers: &Subscribers, settings: Settings) -> io::Result<MobileMoney> {
        let faults = Faults::default();
        let post = Post::new(&subscribers.agenda, &faults);
        let lasts = (settings.prompt_lasts, settings.callback_delay);
        let write = |charge: &Charge, url: &str, fate: &Fate| callback(charge, url, fate);
        let charges = Charges::new("momo", subscribers, post, lasts, receipt, write);
        let address = settings.address;
        let desk = Arc::new(Desk { settings, charges, token: Mutex::default() });
        let listener = Arc::new(Listener::start(address, &desk, &faults)?);
        Ok(MobileMoney { desk, listener })
    }

    /// What stands before `/collection/token/`.
    pub fn base_url(&self) -> &str {
        &self.listener.base_url
    }

    /// What goes wrong. Observed: callbacks doubled three minutes apart although answered by 200.
    pub fn faults(&self) -> &Faults {
        &self.desk.charges.post.faults
    }

    /// Every callback that was sent.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.desk.charges.post.deliveries()
    }

    /// The token that is good now dies.
    pub fn kill_token(&self) {
        *self.desk.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Posts a callback that the provider did not send, about a charge by its `X-Reference-Id`. `None`
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
        let sized =
            asked.header("content-length").is_some() || asked.header("transfer-encoding").is_some();
        if asked.method == Method::POST && !sized {
            return Answer::html(411, LENGTH_REQUIRED.to_owned());
        }
        if asked.header("ocp-apim-subscription-key") != Some(&self.settings.subscription_key) {
            let why = "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription.";
            return Answer::json(401, &json!({ "statusCode": 401, "message": why }));
        }
        match (&asked.method, asked.path.as_str()) {
            (&Method::POST, "/collection/token/") => self.give_token(&asked),
            (&Method::POST, "/collection/v1_0/requesttopay") => self.request(&asked).await,
            (&Method::GET, path) => match path.strip_prefix("/collection/v1_0/requesttopay/") {
                Some(id) => self.status(&asked, id),
                None => Answer::json(
                    404,
                    &json!({ "statusCode": 404, "message": "Resource not found" }),
                ),
            },
            _ => Answer::json(404, &json!({ "statusCode": 404, "message": "Resource not found" })),
        }
    }
}

impl Desk {
    fn give_token(&self, asked: &Asked) -> Answer {
        let known = (self.settings.api_user.clone(), self.settings.api_key.clone());
        if asked.basic() != Some(known) {
            return Answer::json(401, &json!({ "error": "login_failed" }));
        }
        let token = random(60);
        let until = self.charges.subscribers.now() + micros(self.settings.token_lasts);
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.clone(), until));
        let lasts = self.settings.token_lasts.as_secs();
        Answer::json(
            200,
            &json!({ "access_token": token, "token_type": "access_token", "expires_in": lasts }),
        )
    }

    /// What is wrong before the request itself is looked at.
    fn check(&self, asked: &Asked) -> Result<(), Answer> {
        let now = self.charges.subscribers.now();
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let good = token.filter(|(_, until)| *until > now);
        if good.is_none_or(|(token, _)| asked.bearer() != Some(&token)) {
            return Err(Answer::json(
                401,
                &json!({ "statusCode": 401, "message": "Unauthorized" }),
            ));
        }
        if asked.header("x-target-environment") != Some(&self.settings.target_environment) {
            let why = "Access to target environment is forbidden.";
            return Err(refused(500, "NOT_ALLOWED_TARGET_ENVIRONMENT", why));
        }
        Ok(())
    }

    async fn request(&self, asked: &Asked) -> Answer {
        let charge = match self.check(asked).and_then(|()| self.read(asked)) {
            Ok(charge) => charge,
            Err(answer) => return answer,
        };
        if self.settings.target_environment == "sandbox" {
            self.play_known_payer(&charge.msisdn);
        }
        if self.charges.submit(charge).await {
            Answer::empty(202)
        } else {
            let why = "Duplicated reference id. Creation of resource failed.";
            refused(409, "RESOURCE_ALREADY_EXIST", why)
        }
    }

    fn read(&self, asked: &Asked) -> Result<Charge, Answer> {
        let id = asked.header("x-reference-id").filter(|id| is_uuid(id));
        let id = id.ok_or_else(|| Answer::empty(400))?;
        let body = asked.json().ok_or_else(|| Answer::empty(400))?;
        let currency = &self.settings.currency;
        if body["currency"] != currency.as_str() {
            return Err(refused(500, "INVALID_CURRENCY", "Currency not supported."));
        }
        let amount = body["amount"].as_str().and_then(|text| Amount::parse(text, currency));
        let payer =
            body["payer"]["partyId"].as_str().filter(|_| body["payer"]["partyIdType"] == "MSISDN");
        let external = body["externalId"].as_str();
        let (Some(amount), Some(payer), Some(external)) = (amount, payer, external) else {
            return Err(Answer::empty(400));
        };
        Ok(Charge {
            id: id.to_owned(),
            // The only id that a callback has is the merchant's own.
            own_id: external.to_owned(),
            msisdn: digits(payer),
            payee: self.settings.api_user.clone(),
            amount,
            callback_url: asked.header("x-callback-url").map(str::to_owned),
            at_micros: self.charges.subscribers.now(),
            ended: None,
        })
    }

    fn play_known_payer(&self, msisdn: &str) {
        let after = Duration::from_secs(1);
        let owner = match msisdn {
            "56733123453" => Owner::Approves { after },
            "46733123450" => Owner::Meets { code: "INTERNAL_PROCESSING_ERROR".to_owned(), after },
            "46733123451" => Owner::Cancels { after },
            "46733123452" => Owner::Ignores,
            _ => return,
        };
        self.charges.subscribers.owner(msisdn, owner);
    }

    fn status(&self, asked: &Asked, id: &str) -> Answer {
        if let Err(answer) = self.check(asked) {
            return answer;
        }
        let now = self.charges.subscribers.now();
        let seen = |charge: &Charge| {
            now.saturating_sub(charge.at_micros) >= micros(self.settings.hides_new_for)
        };
        let Some(mut charge) = self.charges.get(id).filter(seen) else {
            return refused(404, "RESOURCE_NOT_FOUND", "Requested resource was not found.");
        };
        if now.saturating_sub(charge.ended_at()) < micros(self.settings.shows_end_after) {
            charge.ended = None;
        }
        Answer::json(200, &shown(&charge))
    }
}

/// A request as both the callback and the status have it.
fn shown(charge: &Charge) -> Value {
    let mut body = json!({
        "externalId": charge.own_id,
        "amount": charge.amount.short(),
        "currency": charge.amount.currency,
        "payer": { "partyIdType": "MSISDN", "partyId": charge.msisdn },
    });
    let (status, reason) = state(charge);
    if let Some(receipt) = charge.receipt() {
        body["financialTransactionId"] = json!(receipt);
    }
    body["status"] = json!(status);
    if let Some(reason) = reason {
        body["reason"] = json!(reason);
    }
    body
}

fn state(charge: &Charge) -> (&'static str, Option<&str>) {
    let Some(ended) = &charge.ended else { return ("PENDING", None) };
    match &ended.decision {
        Decision::Approved => ("SUCCESSFUL", None),
        Decision::Cancelled => ("FAILED", Some("APPROVAL_REJECTED")),
        Decision::TimedOut | Decision::Unreachable => ("FAILED", Some("EXPIRED")),
        Decision::NoMoney => ("FAILED", Some("NOT_ENOUGH_FUNDS")),
        Decision::WrongPin => ("FAILED", Some("INTERNAL_PROCESSING_ERROR")),
        Decision::Code(code) if code == "CREATED" => ("CREATED", None),
        Decision::Code(code) => ("FAILED", Some(code)),
    }
}

fn callback(charge: &Charge, url: &str, fate: &Fate) -> Letter {
    let mut body = shown(charge);
    if let (Some(units), true) = (charge.amount.units(), fate.text_numbers) {
        // The other type than usual, which is text here.
        body["amount"] = json!(units);
    }
    Letter::json(url, &body)
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().bytes().all(|one| one.is_ascii_hexdigit())
}

fn receipt(number: u64) -> String {
    format!("{}", 23_500_000_000_u64 + number)
}

fn refused(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({ "code": code, "message": message }))
}

const LENGTH_REQUIRED: &str = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\">\r\n<HTML><HEAD><TITLE>Length Required</TITLE></HEAD>\r\n<BODY><h2>Length Required</h2>\r\n<hr><p>HTTP Error 411. The request must be chunked or have a content length.</p>\r\n</BODY></HTML>\r\n";
