//! A message centre by SMPP 3.4: one session for each sender, bound as transceiver, with a window
//! of requests under way. What was written and not answered when a session ends is unknown; what
//! was not written yet was surely not sent. A session that ends is bound anew by who needs it next,
//! and by the engine, because receipts come only to who is bound.

use super::{Handed, Outgoing, Taken};
use crate::app::App;
use crate::operations::hear_report::hear_reports;
use crate::outbound::{self, Reach};
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use lango_domain::ids::{SenderId, TenantId};
use lango_domain::sms_text::{self, Alphabet};
use lango_store::messages::{MessageState, Report};
use lango_store::senders::Sender;
use rusmpp::pdus::{BindTransceiver, DeliverSm, DeliverSmResp, SubmitSm};
use rusmpp::tokio_codec::CommandCodec;
use rusmpp::types::{COctetString, OctetString};
use rusmpp::values::{DataCoding, EsmClass, InterfaceVersion, Npi, RegisteredDelivery, Ton};
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::codec::Framed;

/// How long connecting and binding may take.
const BIND_LIMIT: Duration = Duration::from_secs(10);
/// How long taking leave may take: texts that are under way have so long to be answered.
const UNBIND_LIMIT: Duration = Duration::from_secs(3);
/// How long an answer to a text may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How often a silent session is asked whether it lives.
const ENQUIRE_EVERY: Duration = Duration::from_secs(30);
/// After throttling nothing is sent for so long, then twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A message centre
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmppGateway {
    /// Its name
    pub host: String,
    /// Its port
    pub port: u16,
    /// Who logs in: the system id, at most 15 signs
    pub user: String,
    /// The system type, where one is asked for
    #[serde(default)]
    pub system_type: String,
    /// How many texts may wait for their answers
    #[serde(default = "usual_window")]
    #[schemars(range(min = 1, max = 100))]
    pub window: u16,
    /// How its receipts write the ids of its answers
    #[serde(default)]
    pub receipt_ids: ReceiptIds,
}

/// How receipts write the ids of answers: centres disagree
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptIds {
    /// As in the answers
    #[default]
    Same,
    /// In decimal, while answers have them in hexadecimal
    Decimal,
    /// In hexadecimal, while answers have them in decimal
    Hexadecimal,
}

impl ReceiptIds {
    /// The id of an answer as receipts write it.
    fn of_answer(self, id: &str) -> String {
        let written = match self {
            ReceiptIds::Same => None,
            ReceiptIds::Decimal => u64::from_str_radix(id, 16).ok().map(|id| id.to_string()),
            ReceiptIds::Hexadecimal => id.parse::<u64>().ok().map(|id| format!("{id:x}")),
        };
        plain_id(&written.unwrap_or_else(|| id.to_owned()))
    }
}

/// Without what centres add and leave out: zeros in front, capital letters.
fn plain_id(id: &str) -> String {
    let id = id.trim().trim_start_matches('0').to_ascii_lowercase();
    if id.is_empty() { "0".to_owned() } else { id }
}

fn usual_window() -> u16 {
    10
}

impl SmppGateway {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.host.is_empty() || self.user.len() > 15 || self.system_type.len() > 12 {
            return Err("SMPP needs a host, and a user of at most 15 signs".to_owned());
        }
        match self.window {
            1..=100 => Ok(()),
            _ => Err("the window is 1 to 100".to_owned()),
        }
    }
}

/// The sessions of this process.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<SenderId, Bound>>);

struct Bound {
    /// Settings that were changed since need a new session.
    version: i64,
    texts: mpsc::Sender<Submit>,
    task: JoinHandle<()>,
}

/// A part to be sent.
struct Submit {
    pdu: SubmitSm,
    turn: Arc<Turn>,
    reply: oneshot::Sender<Answer>,
}

/// What came of it.
enum Answer {
    Said(CommandStatus, String),
    /// It was written, and then the session ended.
    Gone,
}

/// Whose it is to decide about a part: who waits can give it up until it is written.
#[derive(Default)]
struct Turn(AtomicU8);

impl Turn {
    const WRITTEN: u8 = 1;
    const GIVEN_UP: u8 = 2;

    fn take(&self, state: u8) -> bool {
        self.0.compare_exchange(0, state, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// Who a session is for.
#[derive(Clone)]
struct Peer {
    tenant: TenantId,
    sender: SenderId,
    gateway: SmppGateway,
    secret: String,
}

fn session(
    app: &App,
    (sender, gateway): (&Sender, &SmppGateway),
    secret: &str,
) -> mpsc::Sender<Submit> {
    let mut sessions = app.smpp().0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bound) = sessions.get(&sender.id)
        && bound.version == sender.version
        && !bound.texts.is_closed()
    {
        return bound.texts.clone();
    }
    let (texts, orders) = mpsc::channel(usize::from(gateway.window));
    let peer = Peer {
        tenant: sender.tenant,
        sender: sender.id,
        gateway: gateway.clone(),
        secret: secret.to_owned(),
    };
    let task = tokio::spawn(run(app.clone(), peer, orders));
    sessions.insert(sender.id, Bound { version: sender.version, texts: texts.clone(), task });
    texts
}

/// Keeps sessions for these and for no others.
pub(crate) fn keep(app: &App, senders: Vec<(Sender, SmppGateway)>) {
    {
        let mut sessions = app.smpp().0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|id, _| senders.iter().any(|(sender, _)| sender.id == *id));
    }
    for (sender, gateway) in senders {
        if let Some(secret) = super::open_secret(app, &sender) {
            session(app, (&sender, &gateway), &secret);
        }
    }
}

/// Takes leave of all centres. Most let one session in, and one that was not unbound keeps out the
/// process that comes next until it is found dead.
pub(crate) async fn unbind(app: &App) {
    let bound: Vec<Bound> = {
        let mut sessions = app.smpp().0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.drain().map(|(_, bound)| bound).collect()
    };
    // A session takes leave as soon as nobody is left who could have texts for it.
    let ends = bound.into_iter().map(|Bound { task, .. }| task).collect::<Vec<_>>();
    let _ = tokio::time::timeout(UNBIND_LIMIT, join_all(ends)).await;
}

pub(super) async fn send(
    app: &App,
    at: (&Sender, &SmppGateway),
    secret: &str,
    out: Outgoing<'_>,
) -> Handed {
    let parts = match parts(out) {
        Ok(parts) => parts,
        Err(why) => return Handed::Refused(why),
    };
    let texts = session(app, at, secret);
    let mut ids = Vec::new();
    for part in parts {
        let handed = submit(&texts, part, at.1).await;
        match handed {
            Handed::Taken(taken) => ids.extend(taken.ids),
            // Some of it is on its way: once more from the beginning would be twice.
            _ if !ids.is_empty() => {
                return Handed::Unknown(format!(
                    "{} parts were taken, then: {handed:?}",
                    ids.len()
                ));
            }
            other => return other,
        }
    }
    Handed::Taken(Taken { ids, ..Taken::default() })
}

async fn submit(texts: &mpsc::Sender<Submit>, pdu: SubmitSm, gateway: &SmppGateway) -> Handed {
    let (reply, answer) = oneshot::channel();
    let turn = Arc::new(Turn::default());
    let not_sent = || Handed::NotNow(format!("{} is not connected", gateway.host));
    let waiting = async {
        let submit = Submit { pdu, turn: turn.clone(), reply };
        if texts.send(submit).await.is_err() {
            return None;
        }
        answer.await.ok()
    };
    match tokio::time::timeout(ANSWER_LIMIT, waiting).await {
        Ok(Some(Answer::Said(status, id))) => said(status, &id, gateway),
        Ok(Some(Answer::Gone)) => Handed::Unknown("the session ended before the answer".to_owned()),
        Ok(None) => not_sent(),
        Err(_) if turn.take(Turn::GIVEN_UP) => not_sent(),
        Err(_) => Handed::Unknown(format!("no answer within {ANSWER_LIMIT:?}")),
    }
}

/// SMPP 3.4, 5.1.3.
fn said(status: CommandStatus, id: &str, gateway: &SmppGateway) -> Handed {
    let code = u32::from(status);
    let told = format!("command_status {code:#x}");
    match code {
        0 => Handed::Taken(Taken::as_one(gateway.receipt_ids.of_answer(id))),
        // The queue is full, too fast.
        0x14 | 0x58 => Handed::NotNow(told),
        // A bad recipient.
        0x0B | 0x50 | 0x51 => Handed::Refused(told),
        // Not bound, a bad sender, a bad password or type, no right.
        0x04 | 0x05 | 0x0A | 0x0D | 0x0E | 0x0F | 0x48 | 0x49 | 0x53 => Handed::Faulty(told),
        // It failed to submit: it says that it did not.
        0x45 => Handed::NotNow(told),
        _ => Handed::Unknown(told),
    }
}

/// The text as submit_sm, one for each part.
fn parts(out: Outgoing<'_>) -> Result<Vec<SubmitSm>, String> {
    static REFERENCE: AtomicU8 = AtomicU8::new(0);
    let alphabet = sms_text::alphabet(out.text);
    let pieces = sms_text::split(out.text);
    let total = u8::try_from(pieces.len()).map_err(|_| "the text is too long".to_owned())?;
    let reference = REFERENCE.fetch_add(1, Ordering::Relaxed);
    let (ton, npi, from) = source(out.from.unwrap_or_default());
    let from = COctetString::from_str(from).map_err(|why| format!("the sender's name: {why}"))?;
    let to = COctetString::from_str(out.digits()).map_err(|why| format!("the number: {why}"))?;
    let mut parts = Vec::new();
    for (number, piece) in (1u8..).zip(pieces) {
        let mut octets = Vec::new();
        if total > 1 {
            // 3GPP TS 23.040, 9.2.3.24.1: which text, of how many parts, which of them.
            octets.extend([5, 0, 3, reference, total, number]);
        }
        octets.extend(sms_text::octets(piece, alphabet));
        let message = OctetString::from_vec(octets).map_err(|why| why.to_string())?;
        // The library's own default has a bit set that means something else in GSM.
        let class = if total > 1 { 0x40u8 } else { 0 };
        let part = SubmitSm::builder()
            .source_addr_ton(ton)
            .source_addr_npi(npi)
            .source_addr(from.clone())
            .dest_addr_ton(Ton::International)
            .dest_addr_npi(Npi::Isdn)
            .destination_addr(to.clone())
            .esm_class(EsmClass::from(class))
            .registered_delivery(RegisteredDelivery::from(1u8))
            .data_coding(match alphabet {
                Alphabet::Gsm => DataCoding::McSpecific,
                Alphabet::Ucs2 => DataCoding::Ucs2,
            })
            .short_message(message)
            .build();
        parts.push(part);
    }
    Ok(parts)
}

fn source(from: &str) -> (Ton, Npi, &str) {
    match from.strip_prefix('+') {
        Some(number) => (Ton::International, Npi::Isdn, number),
        None if from.bytes().all(|byte| byte.is_ascii_digit()) => (Ton::Unknown, Npi::Isdn, from),
        None => (Ton::Alphanumeric, Npi::Unknown, from),
    }
}

type Line = Framed<TcpStream, CommandCodec>;

async fn run(app: App, peer: Peer, orders: mpsc::Receiver<Submit>) {
    let host = peer.gateway.host.clone();
    match tokio::time::timeout(BIND_LIMIT, bind(&app, &peer)).await {
        Ok(Ok(line)) => {
            tracing::info!(host, "bound to a message centre");
            let mut session = Session::new(app, peer, line);
            let end = session.work(orders).await;
            session.abandon();
            tracing::warn!(host, "the session with a message centre ended: {end}");
        }
        Ok(Err(why)) => tracing::warn!(host, "no session with a message centre: {why:#}"),
        Err(_) => tracing::warn!(host, "no session with a message centre within {BIND_LIMIT:?}"),
    }
}

async fn bind(app: &App, peer: &Peer) -> anyhow::Result<Line> {
    let SmppGateway { host, port, user, system_type, .. } = &peer.gateway;
    let at = outbound::address(host, *port, Reach::of(app)).await?;
    let mut line = Framed::new(TcpStream::connect(at).await?, CommandCodec::new());
    let bind = BindTransceiver::builder()
        .system_id(COctetString::from_str(user)?)
        .password(COctetString::from_str(&peer.secret)?)
        .system_type(COctetString::from_str(system_type)?)
        .interface_version(InterfaceVersion::Smpp3_4)
        .addr_ton(Ton::Unknown)
        .addr_npi(Npi::Unknown)
        .address_range(COctetString::empty())
        .build();
    line.send(Command::new(CommandStatus::EsmeRok, 1, bind)).await?;
    while let Some(command) = line.next().await {
        let command = command?;
        if command.id() != CommandId::BindTransceiverResp {
            continue;
        }
        let status = u32::from(command.status());
        anyhow::ensure!(status == 0, "it refused to bind: command_status {status:#x}");
        return Ok(line);
    }
    anyhow::bail!("it hung up")
}

struct Session {
    app: App,
    peer: Peer,
    line: Line,
    number: u32,
    under_way: HashMap<u32, oneshot::Sender<Answer>>,
    /// Asked whether it lives, and no answer yet.
    is_asked: bool,
    paused_until: Instant,
    pause: Duration,
}

impl Session {
    fn new(app: App, peer: Peer, line: Line) -> Session {
        Session {
            app,
            peer,
            line,
            number: 1,
            under_way: HashMap::new(),
            is_asked: false,
            paused_until: Instant::now(),
            pause: FIRST_PAUSE,
        }
    }

    /// Works until the session ends; why it did.
    async fn work(&mut self, mut orders: mpsc::Receiver<Submit>) -> String {
        let mut enquire = tokio::time::interval(ENQUIRE_EVERY);
        enquire.reset();
        loop {
            let has_room = self.under_way.len() < usize::from(self.peer.gateway.window);
            let may_send = has_room && Instant::now() >= self.paused_until;
            let paused_until = self.paused_until;
            let done = tokio::select! {
                order = orders.recv(), if may_send => match order {
                    Some(submit) => self.submit(submit).await,
                    // Nobody has texts for it any more: it was changed or removed.
                    None => {
                        let _ = self.write(Pdu::Unbind).await;
                        return "it is not needed any more".to_owned();
                    }
                },
                heard = self.line.next() => match heard {
                    Some(Ok(command)) => self.hear(command).await,
                    Some(Err(why)) => Err(format!("it does not speak SMPP: {why}")),
                    None => Err("it hung up".to_owned()),
                },
                _ = enquire.tick() => self.enquire().await,
                () = tokio::time::sleep_until(paused_until), if has_room && !may_send => Ok(()),
            };
            if let Err(why) = done {
                return why;
            }
        }
    }

    /// What was written and not answered: nobody knows.
    fn abandon(&mut self) {
        for (_, reply) in self.under_way.drain() {
            let _ = reply.send(Answer::Gone);
        }
    }

    async fn submit(&mut self, submit: Submit) -> Result<(), String> {
        if !submit.turn.take(Turn::WRITTEN) {
            return Ok(());
        }
        let number = self.next_number();
        self.under_way.insert(number, submit.reply);
        self.send(Command::new(CommandStatus::EsmeRok, number, submit.pdu)).await
    }

    fn next_number(&mut self) -> u32 {
        // 1 to 0x7FFFFFFF (SMPP 3.4, 5.1.4).
        self.number = self.number % 0x7FFF_FFFF + 1;
        self.number
    }

    async fn write(&mut self, pdu: Pdu) -> Result<(), String> {
        let number = self.next_number();
        self.send(Command::new(CommandStatus::EsmeRok, number, pdu)).await
    }

    async fn send(&mut self, command: Command) -> Result<(), String> {
        match tokio::time::timeout(BIND_LIMIT, self.line.send(command)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(why.to_string()),
            Err(_) => Err("it takes nothing more".to_owned()),
        }
    }

    async fn enquire(&mut self) -> Result<(), String> {
        if self.is_asked {
            return Err(format!("silent for {ENQUIRE_EVERY:?}"));
        }
        self.is_asked = true;
        self.write(Pdu::EnquireLink).await
    }

    async fn hear(&mut self, command: Command) -> Result<(), String> {
        // Whatever it says, it lives.
        self.is_asked = false;
        let (number, status) = (command.sequence_number(), command.status());
        let answer = |pdu: Pdu| Command::new(CommandStatus::EsmeRok, number, pdu);
        match (command.id(), command.pdu()) {
            (CommandId::EnquireLink, _) => self.send(answer(Pdu::EnquireLinkResp)).await,
            (CommandId::Unbind, _) => {
                let _ = self.send(answer(Pdu::UnbindResp)).await;
                Err("it unbound us".to_owned())
            }
            (CommandId::DeliverSm, Some(Pdu::DeliverSm(deliver))) => {
                let heard = self.receipt(deliver).await;
                // One that could not be kept is not acknowledged: it comes again.
                match heard {
                    Ok(()) => self.send(answer(Pdu::DeliverSmResp(DeliverSmResp::default()))).await,
                    Err(error) => {
                        tracing::error!(%error, "a receipt could not be kept");
                        let busy = CommandStatus::EsmeRmsgqful;
                        let resp = Pdu::DeliverSmResp(DeliverSmResp::default());
                        self.send(Command::new(busy, number, resp)).await
                    }
                }
            }
            (CommandId::SubmitSmResp, Some(Pdu::SubmitSmResp(resp))) => {
                let id = resp.message_id().as_str().to_owned();
                self.answered(number, status, id);
                Ok(())
            }
            (CommandId::SubmitSmResp | CommandId::GenericNack, _) => {
                self.answered(number, status, String::new());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn answered(&mut self, number: u32, status: CommandStatus, id: String) {
        match u32::from(status) {
            0x14 | 0x58 => {
                self.paused_until = Instant::now() + self.pause;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
            0 => self.pause = FIRST_PAUSE,
            _ => {}
        }
        if let Some(reply) = self.under_way.remove(&number) {
            let _ = reply.send(Answer::Said(status, id));
        }
    }

    async fn receipt(&self, deliver: &DeliverSm) -> Result<(), lango_store::Error> {
        let text = String::from_utf8_lossy(deliver.short_message().as_ref()).into_owned();
        let Some(report) = read_receipt(&text) else { return Ok(()) };
        let whose = (self.peer.tenant, self.peer.sender);
        hear_reports(&self.app, whose, vec![report], self.app.clock().now()).await
    }
}

/// `id:… sub:001 dlvrd:001 submit date:… stat:DELIVRD err:000 text:…` (SMPP 3.4, appendix B);
/// fields may be missing. Texts of customers are none.
fn read_receipt(text: &str) -> Option<Report> {
    let field = |name: &str| {
        let (_, after) = text.split_once(name)?;
        after.split_whitespace().next()
    };
    let id = field("id:")?;
    let stat = field("stat:")?.to_ascii_uppercase();
    let state = match stat.as_str() {
        "DELIVRD" => MessageState::Delivered,
        "EXPIRED" | "DELETED" | "UNDELIV" | "REJECTD" => MessageState::Failed,
        "ENROUTE" | "ACCEPTD" => MessageState::Sent,
        _ => MessageState::Unknown,
    };
    let detail = field("err:").map(|code| format!("{stat}, error {code}"));
    Some(Report { gateway_id: plain_id(id), state, detail: detail.or(Some(stat)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_read_with_what_they_have() {
        let whole = "id:00AB12 sub:001 dlvrd:001 submit date:2611211200 done date:2611211201 \
                     stat:DELIVRD err:000 text:hello";
        let read = read_receipt(whole).unwrap();
        assert_eq!((read.gateway_id.as_str(), read.state), ("ab12", MessageState::Delivered));
        let bare = read_receipt("id:7 stat:UNDELIV").unwrap();
        assert_eq!((bare.gateway_id.as_str(), bare.state), ("7", MessageState::Failed));
        assert_eq!(read_receipt("hello, I want internet"), None);
        assert_eq!(read_receipt("id: stat:"), None);
    }

    #[test]
    fn ids_meet_however_they_are_written() {
        assert_eq!(ReceiptIds::Decimal.of_answer("1A"), "26");
        assert_eq!(ReceiptIds::Hexadecimal.of_answer("26"), "1a");
        assert_eq!(ReceiptIds::Same.of_answer("0007"), "7");
        assert_eq!(ReceiptIds::Decimal.of_answer("not hex"), "not hex");
    }

    #[test]
    fn a_long_text_has_a_header_in_each_part() {
        let text = "a".repeat(200);
        let out = Outgoing { to: "+254712000111", text: &text, from: Some("DUKA"), reference: "r" };
        let parts = parts(out).unwrap();
        assert_eq!(parts.len(), 2);
        let octets = parts[1].short_message().as_ref();
        assert_eq!(
            (&octets[..3], octets[4], octets[5], octets.len()),
            (&[5, 0, 3][..], 2, 2, 6 + 47)
        );
        assert_eq!(u8::from(parts[0].esm_class), 0x40);
    }
}
