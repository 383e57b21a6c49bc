//! Gateways that bring texts to phones: five formats on one listener, told apart by the first part
//! of the path. A text that was taken is in its phone's inbox at once; the report comes later.

mod africas_talking;
mod beem;
mod next_sms;
mod plain;
mod twilio;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::micros;
use crate::faults::{ALWAYS, Faults};
use crate::post::{Delivery, Letter, Line, Post};
use crate::server::{Answer, Answers, Asked, Listener};
use crate::signature::uuid;
use crate::subscribers::{Subscribers, Text, digits};

/// Whose format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gateway {
    /// Africa's Talking.
    AfricasTalking,
    /// NextSMS of Tanzania.
    NextSms,
    /// Beem of Tanzania. It sends no reports; they are asked for.
    Beem,
    /// Twilio.
    Twilio,
    /// Nobody in particular: `to`, `text` and `from` by form, query or JSON at `/send`.
    Plain,
}

impl Gateway {
    const ALL: [Gateway; 5] =
        [Gateway::AfricasTalking, Gateway::NextSms, Gateway::Beem, Gateway::Twilio, Gateway::Plain];

    /// Its name in inboxes, and the first part of its paths.
    pub fn name(self) -> &'static str {
        match self {
            Gateway::AfricasTalking => "africastalking",
            Gateway::NextSms => "nextsms",
            Gateway::Beem => "beem",
            Gateway::Twilio => "twilio",
            Gateway::Plain => "plain",
        }
    }
}

/// What becomes of a text, told beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFault {
    /// The sender's name is not registered. Africa's Talking answers 201 without recipients.
    WrongSender,
    /// There is too little on the account.
    NoBalance,
    /// The number is refused.
    WrongNumber,
    /// It is taken, never arrives, and the report says so.
    Undelivered,
    /// It is taken and arrives; before its report comes one about an id that nobody was given.
    UnknownReport,
}

/// What to start. One account for all gateways.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 picks one.
    pub address: SocketAddr,
    /// Africa's Talking's username, NextSMS's user, Beem's API key, Twilio's account.
    pub user: String,
    /// The secret beside it, of whatever name; for Plain, what `Authorization: Bearer` says.
    pub secret: String,
    /// How long after the answer a report is sent.
    pub report_delay: Duration,
}

impl Default for Settings {
    /// User `user`, secret `secret`, reports after three seconds.
    fn default() -> Settings {
        Settings {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            user: "user".to_owned(),
            secret: "secret".to_owned(),
            report_delay: Duration::from_secs(3),
        }
    }
}

/// Stand-ins for gateways of texts. Cheap to clone; they listen until the last clone is dropped.
#[derive(Clone)]
pub struct SmsGateways {
    desk: Arc<Desk>,
    listener: Arc<Listener>,
}

impl SmsGateways {
    /// Starts listening. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(subscribers: &Subscribers, settings: Settings) -> io::Result<SmsGateways> {
        let faults = Faults::default();
        let post = Post::new(&subscribers.agenda, &faults);
        let address = settings.address;
        let subscribers = subscribers.clone();
        let desk = Arc::new(Desk { settings, subscribers, post, state: Mutex::default() });
        let listener = Arc::new(Listener::start(address, &desk, &faults)?);
        Ok(SmsGateways { desk, listener })
    }

    /// What stands before a gateway's own paths, such as `/version1/messaging`.
    pub fn base_url(&self, gateway: Gateway) -> String {
        format!("{}/{}", self.listener.base_url, gateway.name())
    }

    /// What goes wrong with requests and reports. Paths begin with the gateway's name.
    pub fn faults(&self) -> &Faults {
        &self.desk.post.faults
    }

    /// What becomes of the next `times` texts.
    pub fn texts(&self, times: u32, fault: TextFault) {
        self.desk.state().faults.push((times, fault));
    }

    /// Enters the URL of a gateway's reports at its dashboard. Twilio is told with each text.
    pub fn send_reports_to(&self, gateway: Gateway, url: &str) {
        self.desk.state().report_urls.insert(gateway, url.to_owned());
    }

    /// Every report that was sent.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.desk.post.deliveries()
    }

    /// Stops listening.
    pub fn stop(&self) {
        self.listener.stop();
    }
}

struct Desk {
    settings: Settings,
    subscribers: Subscribers,
    post: Post,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: Vec<(u32, TextFault)>,
    report_urls: BTreeMap<Gateway, String>,
    /// What became of each text, by the gateway's id and the phone.
    sent: BTreeMap<(String, String), Sent>,
}

/// A text that was taken.
#[derive(Debug, Clone)]
struct Sent {
    id: String,
    to: String,
    from: String,
    arrives: bool,
    at_micros: i64,
}

impl Answers for Desk {
    async fn answer(self: Arc<Self>, asked: Asked) -> Answer {
        let (first, path) = asked.path.trim_start_matches('/').split_once('/').unwrap_or_default();
        let path = format!("/{path}");
        let gateway = Gateway::ALL.into_iter().find(|gateway| gateway.name() == first);
        match gateway {
            Some(Gateway::AfricasTalking) => self.africas_talking(&asked, &path).await,
            Some(Gateway::NextSms) => self.next_sms(&asked, &path).await,
            Some(Gateway::Beem) => self.beem(&asked, &path),
            Some(Gateway::Twilio) => self.twilio(&asked, &path).await,
            Some(Gateway::Plain) => self.plain(&asked, &path).await,
            None => Answer::empty(404),
        }
    }
}

impl Desk {
    /// What becomes of the next text; that fault is then used up.
    fn next_fault(&self) -> Option<TextFault> {
        let mut state = self.state();
        let (times, fault) = state.faults.first_mut()?;
        let fault = *fault;
        if *times != ALWAYS {
            *times = times.saturating_sub(1);
        }
        if *times == 0 {
            state.faults.remove(0);
        }
        Some(fault)
    }

    /// Takes a text: it is in the phone's inbox from now on, unless it is never to arrive.
    fn take(
        &self,
        gateway: Gateway,
        id: &str,
        (from, to, text): (&str, &str, &str),
        fault: Option<TextFault>,
    ) -> Sent {
        let at_micros = self.subscribers.now();
        let arrives = fault != Some(TextFault::Undelivered);
        let sent =
            Sent { id: id.to_owned(), to: digits(to), from: from.to_owned(), arrives, at_micros };
        self.state().sent.insert((id.to_owned(), digits(to)), sent.clone());
        if arrives {
            let (from, text, id) = (from.to_owned(), text.to_owned(), id.to_owned());
            let text = Text { gateway: gateway.name(), from, text, id, at_micros };
            self.subscribers.receive(to, text);
        }
        sent
    }

    /// Sends reports later, or before the answer if a fault says so.
    async fn report(
        self: &Arc<Self>,
        sent: &Sent,
        fault: Option<TextFault>,
        write: impl Fn(&Sent) -> Vec<Letter> + Send + 'static,
    ) {
        let unknown =
            (fault == Some(TextFault::UnknownReport)).then(|| Sent { id: uuid(), ..sent.clone() });
        let all: Vec<Sent> = unknown.into_iter().chain([sent.clone()]).collect();
        let (desk, line) = (self.clone(), Line::default());
        let tell = {
            let line = line.clone();
            move |at| {
                for letter in all.iter().flat_map(&write) {
                    desk.post.send(&line, at, |_| letter, || None);
                }
            }
        };
        let now = self.subscribers.now();
        if self.post.faults.take_before_answer() {
            tell(now);
            line.empty().await;
        } else {
            let at = now.saturating_add(micros(self.settings.report_delay));
            self.subscribers.agenda.enter(at, tell);
        }
    }

    fn report_url(&self, gateway: Gateway) -> Option<String> {
        self.state().report_urls.get(&gateway).cloned()
    }

    fn is_known(&self, asked: &Asked) -> bool {
        asked.basic() == Some((self.settings.user.clone(), self.settings.secret.clone()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fields of a form.
fn form(asked: &Asked) -> BTreeMap<String, String> {
    serde_urlencoded::from_bytes(&asked.body).unwrap_or_default()
}

/// A report as a form.
fn form_letter(url: &str, fields: &[(&str, &str)]) -> Letter {
    Letter {
        url: url.to_owned(),
        kind: "application/x-www-form-urlencoded",
        headers: Vec::new(),
        body: serde_urlencoded::to_string(fields).unwrap_or_default(),
    }
}

/// How many parts a text takes: GSM-7 holds 160 or 153 signs, anything else 70 or 67.
fn parts(text: &str) -> usize {
    const PLAIN: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
    const DOUBLE: &str = "^{}[]~\\|€";
    let width = |sign: char| match sign {
        _ if DOUBLE.contains(sign) => Some(2),
        _ if sign.is_ascii_alphanumeric() || PLAIN.contains(sign) => Some(1),
        _ => None,
    };
    let gsm: Option<usize> = text.chars().map(width).sum();
    match gsm.map_or((text.encode_utf16().count(), 70, 67), |length| (length, 160, 153)) {
        (length, one, _) if length <= one => 1,
        (length, _, many) => length.div_ceil(many),
    }
}
