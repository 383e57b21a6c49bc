//! Safaricom's Daraja: the handle, what it is set to, its tokens and its routes. The order of checks
//! is the provider's: route, token, body, merchant. Formats are those of developer.safaricom.co.ke
//! as of December 2025; what its documents leave out is as others observed it.

mod c2b;
mod fields;
mod orders;
mod pull;
mod push;
mod refusal;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::Method;
use serde_json::json;

use crate::clock::micros;
use crate::faults::{Faults, RequestFault};
use crate::forgery::Forgery;
use crate::money::{Amount, Transaction, Way};
use crate::post::{Delivery, Post};
use crate::server::{Answer, Answers, Asked, Listener};
use crate::subscribers::Subscribers;

pub use c2b::Rejected;
pub use push::Push;
use refusal::Refusal;

/// Its name in transactions and prompts.
const NAME: &str = "daraja";
/// Its currency.
const CURRENCY: &str = "KES";

/// How money is paid to a shortcode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortcode {
    /// A paybill number, with accounts.
    PayBill {
        /// The number that people type.
        number: String,
        /// The merchant's name, as prompts show it.
        name: String,
    },
    /// A till (Buy Goods). Requests are made for its store number.
    Till {
        /// The number that people type.
        number: String,
        /// The store or head office that requests name.
        store: String,
        /// The merchant's name, as prompts show it.
        name: String,
    },
}

impl Shortcode {
    fn number(&self) -> &str {
        match self {
            Shortcode::PayBill { number, .. } | Shortcode::Till { number, .. } => number,
        }
    }

    fn name(&self) -> &str {
        match self {
            Shortcode::PayBill { name, .. } | Shortcode::Till { name, .. } => name,
        }
    }

    /// What requests name as `BusinessShortCode`.
    fn asks_as(&self) -> &str {
        match self {
            Shortcode::PayBill { number, .. } => number,
            Shortcode::Till { store, .. } => store,
        }
    }
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 picks one.
    pub address: SocketAddr,
    /// The app's key.
    pub consumer_key: String,
    /// The app's secret.
    pub consumer_secret: String,
    /// The passkey of all shortcodes.
    pub passkey: String,
    /// The merchants. All belong to the one app.
    pub shortcodes: Vec<Shortcode>,
    /// Who may ask for status and reversal.
    pub initiator: String,
    /// How long a token is good.
    pub token_lasts: Duration,
    /// How long a prompt stands on a phone.
    pub prompt_lasts: Duration,
    /// How long after the owner's answer a callback, a confirmation or a result is sent.
    pub callback_delay: Duration,
    /// More pushes in one second meet Spike Arrest.
    pub pushes_per_second: Option<u32>,
    /// The same amount from the same payer within two minutes of a success is refused by code 17.
    pub refuses_repeats: bool,
    /// A second push to a phone that is being asked is refused: "Unable to lock subscriber".
    /// Otherwise the phone is asked twice.
    pub locks_subscriber: bool,
    /// URLs with the provider's own name or words such as `cmd` in them are refused, as its
    /// documents say.
    pub forbids_words: bool,
    /// URLs must begin with `https://`. Callbacks then cannot be sent; see decision 20.
    pub wants_https: bool,
    /// Queries meet 500.001.1001 in between, as observed.
    pub noisy_queries: bool,
    /// A payment by push is also confirmed by C2B, where URLs are registered.
    pub confirms_pushes: bool,
    /// URLs of C2B can be registered only once, as in production.
    pub registers_once: bool,
    /// C2B asks the validation URL before money is taken.
    pub validates: bool,
}

impl Default for Settings {
    /// Key `key`, secret `secret`, passkey `passkey`, initiator `initiator`; paybill 174379, and
    /// till 5600100 of store 600100.
    fn default() -> Settings {
        let shortcodes = vec![
            Shortcode::PayBill { number: "174379".to_owned(), name: "CAFE WIFI".to_owned() },
            Shortcode::Till {
                number: "5600100".to_owned(),
                store: "600100".to_owned(),
                name: "CAFE WIFI".to_owned(),
            },
        ];
        Settings {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            consumer_key: "key".to_owned(),
            consumer_secret: "secret".to_owned(),
            passkey: "passkey".to_owned(),
            shortcodes,
            initiator: "initiator".to_owned(),
            token_lasts: Duration::from_secs(3_599),
            prompt_lasts: Duration::from_secs(60),
            callback_delay: Duration::ZERO,
            pushes_per_second: None,
            refuses_repeats: true,
            locks_subscriber: false,
            forbids_words: true,
            wants_https: false,
            noisy_queries: true,
            confirms_pushes: false,
            registers_once: false,
            validates: false,
        }
    }
}

/// A stand-in for Daraja. Cheap to clone; it listens until the last clone is dropped.
#[derive(Clone)]
pub struct Daraja {
    desk: Arc<Desk>,
    listener: Arc<Listener>,
}

impl Daraja {
    /// Starts listening. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(subscribers: &Subscribers, settings: Settings) -> io::Result<Daraja> {
        let faults = Faults::default();
        let address = settings.address;
        let desk = Arc::new(Desk {
            settings,
            subscribers: subscribers.clone(),
            post: Post::new(&subscribers.agenda, &faults),
            state: Mutex::default(),
        });
        let listener = Arc::new(Listener::start(address, &desk, &faults)?);
        Ok(Daraja { desk, listener })
    }

    /// What stands before `/oauth/v1/generate`, such as `http://127.0.0.1:4711`.
    pub fn base_url(&self) -> &str {
        &self.listener.base_url
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.desk.post.faults
    }

    /// Every push that was taken, in order.
    pub fn pushes(&self) -> Vec<Push> {
        self.desk.state().pushes.values().map(|told| told.push.clone()).collect()
    }

    /// Every callback, confirmation and result that was sent, in the order of the answers.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.desk.post.deliveries()
    }

    /// How many tokens were given.
    pub fn tokens_given(&self) -> u64 {
        self.desk.state().tokens_given
    }

    /// The token that is good now dies, as when another program fetches one.
    pub fn kill_token(&self) {
        self.desk.state().token = None;
    }

    /// Posts a callback that the provider did not send, as somebody would who has read about its
    /// format. `None` if no such push was taken.
    pub async fn forge(&self, checkout_request_id: &str, forgery: Forgery) -> Option<Delivery> {
        self.desk.forge(checkout_request_id, forgery).await
    }

    /// Somebody types the shortcode and an account into his phone. Returns the receipt.
    ///
    /// # Errors
    /// The merchant's validation refused; no money was taken.
    pub async fn pay_by_hand(
        &self,
        msisdn: &str,
        shortcode: &str,
        account: &str,
        amount: Amount,
    ) -> Result<String, Rejected> {
        self.desk.pay_by_hand(msisdn, shortcode, account, amount).await
    }

    /// Posts a confirmation of money that nobody paid. `None` if no URL is registered.
    pub async fn forge_by_hand(
        &self,
        msisdn: &str,
        shortcode: &str,
        account: &str,
        amount: Amount,
    ) -> Option<Delivery> {
        self.desk.forge_by_hand(msisdn, shortcode, account, amount).await
    }

    /// Stops listening; open connections are closed.
    pub fn stop(&self) {
        self.listener.stop();
    }
}

/// The refusal of a gateway that gets too much at once.
pub fn spike_arrest() -> RequestFault {
    Refusal::spike_arrest().into_fault()
}

/// The refusal of a gateway when the day's quota is used up.
pub fn quota_violation() -> RequestFault {
    Refusal::new(500, "500.003.03", "Error Occurred: Quota Violation").into_fault()
}

/// 500.001.1001, which means many things, by its message: `Merchant does not exist`,
/// `Wrong credentials`, `Unable to lock subscriber`, or nothing.
pub fn overloaded(message: &str) -> RequestFault {
    Refusal::new(500, "500.001.1001", message).into_fault()
}

/// What the listener and the agenda hold.
struct Desk {
    settings: Settings,
    subscribers: Subscribers,
    post: Post,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The one token that is good, and until when.
    token: Option<(String, i64)>,
    tokens_given: u64,
    /// By CheckoutRequestID, which grows.
    pushes: BTreeMap<String, push::Told>,
    /// The last second in which somebody pushed, and how often.
    busy: (i64, u32),
    registered: BTreeMap<String, c2b::Registered>,
    pulling: Vec<String>,
}

impl Answers for Desk {
    async fn answer(self: Arc<Self>, asked: Asked) -> Answer {
        self.route(&asked).await.unwrap_or_else(Refusal::into_answer)
    }
}

impl Desk {
    async fn route(self: &Arc<Self>, asked: &Asked) -> Result<Answer, Refusal> {
        let path = asked.path.as_str();
        if path == "/oauth/v1/generate" {
            return self.token(asked);
        }
        if !ROUTES.contains(&path) {
            return Err(Refusal::new(404, "404.001.01", "Resource not found"));
        }
        // The documents say GET for this one, clients post.
        let may_get = path == "/pulltransactions/v1/query" && asked.method == Method::GET;
        if asked.method != Method::POST && !may_get {
            return Err(Refusal::new(405, "405.001", "Method Not Allowed"));
        }
        self.check_token(asked)?;
        if !asked.is_json() {
            return Err(Refusal::new(400, "400.003.02", "Bad Request - Invalid Content-Type"));
        }
        let body = asked.json().filter(serde_json::Value::is_object);
        let body = body.ok_or_else(Refusal::payload)?;
        match path {
            "/mpesa/stkpush/v1/processrequest" => self.push(&body).await,
            "/mpesa/stkpushquery/v1/query" => self.query(&body),
            "/mpesa/c2b/v1/registerurl" => self.register(&body, c2b::Version::One),
            "/mpesa/c2b/v2/registerurl" => self.register(&body, c2b::Version::Two),
            "/pulltransactions/v1/register" => self.pull_register(&body),
            "/pulltransactions/v1/query" => self.pull(&body),
            "/mpesa/transactionstatus/v1/query" => self.status(&body),
            _ => self.reversal(&body),
        }
    }

    /// A new token kills the one before.
    fn token(&self, asked: &Asked) -> Result<Answer, Refusal> {
        if asked.method != Method::GET {
            return Err(Refusal::new(405, "405.001", "Method Not Allowed"));
        }
        if asked.query_value("grant_type").as_deref() != Some("client_credentials") {
            return Err(Refusal::new(400, "400.008.02", "Invalid grant type passed"));
        }
        let (key, secret) = asked.basic().unwrap_or_default();
        if key != self.settings.consumer_key || secret != self.settings.consumer_secret {
            return Err(Refusal::new(400, "400.008.01", "Invalid Authentication passed"));
        }
        let token: String = std::iter::repeat_with(fastrand::alphanumeric).take(28).collect();
        let until = self.subscribers.now().saturating_add(micros(self.settings.token_lasts));
        let mut state = self.state();
        state.token = Some((token.clone(), until));
        state.tokens_given += 1;
        let lasts = self.settings.token_lasts.as_secs().to_string();
        Ok(Answer::json(200, &json!({ "access_token": token, "expires_in": lasts })))
    }

    fn check_token(&self, asked: &Asked) -> Result<(), Refusal> {
        if asked.header("authorization").is_none() {
            return Err(Refusal::new(404, "404.001.04", "Invalid Authentication Header"));
        }
        let now = self.subscribers.now();
        let state = self.state();
        let good = state.token.as_ref().filter(|(_, until)| *until > now);
        match good {
            Some((token, _)) if asked.bearer() == Some(token) => Ok(()),
            _ => Err(Refusal::new(401, "404.001.03", "Invalid Access Token")),
        }
    }

    /// The merchant whose requests name this number.
    fn merchant(&self, asks_as: &str) -> Option<&Shortcode> {
        self.settings.shortcodes.iter().find(|one| one.asks_as() == asks_as)
    }

    /// Ten capitals and digits, as payers see them: never the same twice.
    fn receipt(&self) -> String {
        const SIGNS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let mut number = self.subscribers.next_number();
        let mut receipt = *b"SKAAAAAAAA";
        for sign in receipt.iter_mut().skip(2).rev() {
            *sign = usize::try_from(number % 36)
                .ok()
                .and_then(|place| SIGNS.get(place).copied())
                .unwrap_or(b'A');
            number /= 36;
        }
        String::from_utf8_lossy(&receipt).into_owned()
    }

    /// All that was paid to a shortcode.
    fn paid_to(&self, shortcode: &str) -> Vec<Transaction> {
        let mut all = self.subscribers.transactions();
        all.retain(|one| one.provider == NAME && one.payee == shortcode);
        all
    }

    fn transaction(&self, receipt: &str) -> Option<Transaction> {
        self.subscribers.transaction(NAME, receipt)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that wants a token.
const ROUTES: [&str; 8] = [
    "/mpesa/stkpush/v1/processrequest",
    "/mpesa/stkpushquery/v1/query",
    "/mpesa/c2b/v1/registerurl",
    "/mpesa/c2b/v2/registerurl",
    "/pulltransactions/v1/register",
    "/pulltransactions/v1/query",
    "/mpesa/transactionstatus/v1/query",
    "/mpesa/reversal/v1/request",
];

/// Money that was paid to a shortcode.
fn paid(
    receipt: &str,
    payer: &str,
    payee: &str,
    reference: &str,
    amount: Amount,
    way: Way,
    at_micros: i64,
) -> Transaction {
    Transaction {
        provider: NAME,
        receipt: receipt.to_owned(),
        payer: payer.to_owned(),
        payee: payee.to_owned(),
        reference: reference.to_owned(),
        request: None,
        amount,
        way,
        at_micros,
        reversed: false,
    }
}
