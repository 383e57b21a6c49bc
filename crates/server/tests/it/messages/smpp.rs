//! A message centre on a real socket, written here: what binds, submits and is reported goes
//! through the library's codec on both sides, what was said is checked octet by octet.

use super::{credentials, house, order, pass_time, sender, states, text, work};
use crate::harness::Engine;
use futures_util::{SinkExt, StreamExt};
use lango_domain::time::Span;
use rusmpp::pdus::{BindTransceiverResp, DeliverSm, SubmitSm, SubmitSmResp};
use rusmpp::tokio_codec::CommandCodec;
use rusmpp::types::{COctetString, OctetString};
use rusmpp::values::EsmClass;
use rusmpp::{Command, CommandStatus, Pdu};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

/// What it does with the next text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Takes it and reports that it was delivered.
    Delivers,
    /// Says that it is too much.
    Throttles,
    /// Hangs up without an answer.
    HangsUp,
}

#[derive(Clone, Default)]
struct Centre {
    heard: Arc<Mutex<Vec<SubmitSm>>>,
    binds: Arc<Mutex<Vec<String>>>,
    does: Arc<Mutex<VecDeque<Does>>>,
    /// How often leave was taken of it.
    left: Arc<Mutex<usize>>,
}

impl Centre {
    async fn start(does: &[Does]) -> (Centre, Value) {
        let centre = Centre::default();
        centre.does.lock().unwrap().extend(does);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = centre.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        let gateway = json!({ "kind": "smpp", "host": "127.0.0.1", "port": port, "user": "lango",
                              "receipt_ids": "decimal" });
        (centre, gateway)
    }

    async fn serve(self, stream: TcpStream) {
        let mut line = Framed::new(stream, CommandCodec::new());
        while let Some(Ok(command)) = line.next().await {
            let number = command.sequence_number();
            let answer = |status, pdu: Pdu| Command::new(status, number, pdu);
            let ok = CommandStatus::EsmeRok;
            match command.pdu() {
                Some(Pdu::BindTransceiver(bind)) => {
                    self.binds.lock().unwrap().push(bind.password.as_str().to_owned());
                    let resp = BindTransceiverResp::default();
                    line.send(answer(ok, resp.into())).await.unwrap();
                }
                Some(Pdu::EnquireLink) => {
                    line.send(answer(ok, Pdu::EnquireLinkResp)).await.unwrap();
                }
                Some(Pdu::SubmitSm(submit)) => {
                    let taken = {
                        let mut heard = self.heard.lock().unwrap();
                        heard.push(submit.clone());
                        heard.len()
                    };
                    let does = self.does.lock().unwrap().pop_front().unwrap_or(Does::Delivers);
                    match does {
                        Does::HangsUp => return,
                        Does::Throttles => {
                            let none = SubmitSmResp::default();
                            let throttled = CommandStatus::EsmeRthrottled;
                            line.send(answer(throttled, none.into())).await.unwrap();
                        }
                        Does::Delivers => {
                            self.deliver(&mut line, number, 0xA0 + taken).await;
                        }
                    }
                }
                Some(Pdu::Unbind) => *self.left.lock().unwrap() += 1,
                _ => {}
            }
        }
    }

    /// The receipt comes before the answer, and has the id in another writing.
    async fn deliver(&self, line: &mut Framed<TcpStream, CommandCodec>, number: u32, id: usize) {
        let receipt = format!("id:{id:010} sub:001 dlvrd:001 stat:DELIVRD err:000 text:");
        let receipt = DeliverSm::builder()
            .esm_class(EsmClass::from(4u8))
            .short_message(OctetString::from_str(&receipt).unwrap())
            .build();
        let ok = CommandStatus::EsmeRok;
        line.send(Command::new(ok, 9_000 + number, receipt)).await.unwrap();
        let id = COctetString::from_str(&format!("{id:X}")).unwrap();
        let resp = SubmitSmResp::new(id, Vec::new());
        line.send(Command::new(ok, number, resp)).await.unwrap();
    }

    fn texts(&self) -> Vec<SubmitSm> {
        self.heard.lock().unwrap().clone()
    }
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_goes_in_parts_and_is_delivered_when_all_are() {
    let house = house(Engine::Sqlite).await;
    let (centre, gateway) = Centre::start(&[]).await;
    sender(&house, "centre", gateway).await;
    order(&house, "long", None, text(&"Habari ya leo. ".repeat(20))).await;
    work(&house).await;
    until(async || states(&house).await == ["delivered"]).await;
    let parts = centre.texts();
    assert_eq!(parts.len(), 2);
    assert_eq!(*centre.binds.lock().unwrap(), ["key"]);
    assert_eq!(parts[0].source_addr.as_str(), "DUKA");
    assert_eq!(parts[0].destination_addr.as_str(), "254712000111");
    assert_eq!(u8::from(parts[0].esm_class), 0x40);
    let octets = parts[1].short_message().as_ref();
    assert_eq!((octets[0], octets[4], octets[5]), (5, 2, 2));
    order(&house, "short", None, text("Asante €")).await;
    work(&house).await;
    assert_eq!(centre.binds.lock().unwrap().len(), 1, "one session for all");
    let short = centre.texts()[2].short_message().as_ref().to_vec();
    assert_eq!(short, b"Asante \x1b\x65");
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_is_tried_again_and_a_broken_session_is_unknown() {
    let house = house(Engine::Sqlite).await;
    let (centre, gateway) = Centre::start(&[Does::Throttles, Does::Delivers, Does::HangsUp]).await;
    sender(&house, "centre", gateway).await;
    order(&house, "one", None, text("One")).await;
    work(&house).await;
    assert_eq!(states(&house).await, ["queued"]);
    pass_time(&house, Span::minutes(1));
    work(&house).await;
    until(async || states(&house).await == ["delivered"]).await;
    order(&house, "two", None, text("Two")).await;
    work(&house).await;
    assert_eq!(states(&house).await[0], "unknown");
    pass_time(&house, Span::hours(1));
    work(&house).await;
    assert_eq!(centre.texts().len(), 3, "it may have arrived");
    // The next text binds anew.
    order(&house, "three", Some("voucher"), credentials()).await;
    work(&house).await;
    until(async || states(&house).await[0] == "delivered").await;
    assert_eq!(centre.binds.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_takes_leave_of_the_centre() {
    let house = house(Engine::Sqlite).await;
    let (centre, gateway) = Centre::start(&[]).await;
    sender(&house, "centre", gateway).await;
    order(&house, "one", None, text("One")).await;
    work(&house).await;
    assert_eq!(*centre.left.lock().unwrap(), 0);
    let stop = CancellationToken::new();
    stop.cancel();
    lango_server::messaging::engine::run(house.app.clone(), stop).await;
    until(async || *centre.left.lock().unwrap() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_centre_that_is_not_there_was_surely_not_sent_anything() {
    let house = house(Engine::Sqlite).await;
    let gateway = json!({ "kind": "smpp", "host": "127.0.0.1", "port": 9, "user": "lango" });
    sender(&house, "centre", gateway).await;
    order(&house, "one", None, text("One")).await;
    work(&house).await;
    assert_eq!(states(&house).await, ["queued"]);
}
