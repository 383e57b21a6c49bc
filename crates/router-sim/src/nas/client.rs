//! Owns an exchange with servers: sealing a packet for each of them in turn, sending it again
//! unchanged, telling good answers from bad ones. (RFC 2865 §2.4, RFC 2866 §2, RFC 5080 §2.2.1.)

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lango_radius::dictionary as field;
use lango_radius::mschap::{self, Known, MsChap2};
use lango_radius::{Code, Draft, EncodeError, Packet, Sealed, VerifiedReply, chap};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::Net;
use super::line::{Line, Ticket};
use crate::world::radius::{Entry, Grant, Order, Proof, Reply, What};
use crate::world::{Delivery, RadiusCounters};

/// How often RouterOS sends a packet again before it turns to the next server.
const RESENDS: u32 = 3;

/// One packet to one server.
struct Exchange {
    ticket: Ticket,
    sealed: Sealed,
    octets: Arc<[u8]>,
    entry: Entry,
    to: SocketAddr,
    /// What an acceptance of MS-CHAP version 2 must bring.
    proof_awaited: Option<Vec<u8>>,
    began: Instant,
}

/// A reply that counts.
enum Verdict {
    Access(Reply),
    Recorded,
}

/// Works off orders of one kind. First transmissions keep their order; waiting happens elsewhere.
pub(super) async fn serve(net: Net, mut ordered: mpsc::UnboundedReceiver<Order>) {
    let mut lines = Lines { net: net.clone(), open: HashMap::new() };
    while let Some(order) = ordered.recv().await {
        let mut opened = HashMap::new();
        for entry in &order.entries {
            if let Some(line) = lines.from(entry.source).await {
                opened.insert(entry.source, line);
            }
        }
        let first = net.begin(&order, 0, &opened).await;
        net.spawn(carry_through(net.clone(), order, opened, first));
    }
}

/// The sockets of one kind, by the address that they send from.
struct Lines {
    net: Net,
    open: HashMap<Ipv4Addr, Arc<Line>>,
}

impl Lines {
    async fn from(&mut self, source: Ipv4Addr) -> Option<Arc<Line>> {
        if let Some(line) = self.open.get(&source) {
            return Some(line.clone());
        }
        match Line::open(&self.net, source).await {
            Ok(line) => {
                self.open.insert(source, line.clone());
                Some(line)
            }
            Err(error) => {
                tracing::warn!(%error, %source, "cannot send RADIUS from this address");
                None
            }
        }
    }
}

type Opened = HashMap<Ipv4Addr, Arc<Line>>;

async fn carry_through(net: Net, order: Order, lines: Opened, first: Option<Exchange>) {
    let mut exchange = first;
    for next in 1..=order.entries.len() {
        if let Some(current) = exchange.take()
            && let Some(verdict) = net.await_verdict(&order, current).await
        {
            return net.settle(&order, verdict);
        }
        exchange = net.begin(&order, next, &lines).await;
    }
    net.give_up(&order);
}

impl Net {
    /// Seals the packet for the server at this place of the list and sends it once.
    async fn begin(&self, order: &Order, place: usize, lines: &Opened) -> Option<Exchange> {
        let entry = order.entries.get(place)?.clone();
        let ticket = lines.get(&entry.source)?.ticket().await;
        if !self.router.with(|world| world.still_wants(order)) {
            return None;
        }
        let port = match order.what {
            What::Access(..) => entry.authentication_port,
            What::Accounting(_) => entry.accounting_port,
        };
        let to = SocketAddr::new(IpAddr::V4(entry.address), port);
        let (sealed, proof_awaited) = self.seal(order, &entry, ticket.identifier).ok()?;
        let octets: Arc<[u8]> = sealed.octets().into();
        let began = Instant::now();
        let exchange = Exchange { ticket, sealed, octets, entry, to, proof_awaited, began };
        exchange.count(self, |counters| {
            counters.requests += 1;
            counters.pending += 1;
        });
        self.send(order, &exchange, 1).await;
        Some(exchange)
    }

    async fn send(&self, order: &Order, exchange: &Exchange, attempt: u32) {
        self.transmit(&exchange.ticket.line.socket, &exchange.octets, exchange.to).await;
        self.tell(order, exchange.to, Delivery::Sent { attempt });
    }

    fn tell(&self, order: &Order, server: SocketAddr, delivery: Delivery) {
        if let What::Accounting(report) = &order.what {
            self.router.with(|world| world.tell_delivery(server, report, delivery));
        }
    }

    /// Waits for this server, sending again; nothing if it stays silent or the router reboots.
    async fn await_verdict(&self, order: &Order, mut exchange: Exchange) -> Option<Verdict> {
        for attempt in 1..=RESENDS + 1 {
            if attempt > 1 {
                if !self.router.with(|world| world.still_wants(order)) {
                    return None;
                }
                exchange.count(self, |counters| counters.resends += 1);
                self.send(order, &exchange, attempt).await;
            }
            if let Some(verdict) = self.listen_for(&mut exchange).await {
                let rtt = exchange.began.elapsed();
                exchange.count(self, |counters| count_verdict(counters, &verdict, rtt));
                if let Verdict::Recorded = verdict {
                    self.tell(order, exchange.to, Delivery::Acknowledged);
                }
                return Some(verdict);
            }
        }
        if self.router.with(|world| world.still_wants(order)) {
            exchange.count(self, |counters| {
                counters.timeouts += 1;
                counters.pending = counters.pending.saturating_sub(1);
            });
        }
        None
    }

    async fn listen_for(&self, exchange: &mut Exchange) -> Option<Verdict> {
        let deadline = Instant::now() + exchange.entry.timeout;
        loop {
            let (octets, from) =
                timeout_at(deadline, exchange.ticket.replies.recv()).await.ok()??;
            match exchange.judge(&octets, from) {
                Some(verdict) => return Some(verdict),
                None => exchange.count(self, |counters| counters.bad_replies += 1),
            }
        }
    }

    fn settle(&self, order: &Order, verdict: Verdict) {
        if let Verdict::Access(reply) = verdict {
            self.router.with(|world| {
                if world.still_wants(order) {
                    world.radius_answered(order.number, reply);
                }
            });
        }
    }

    fn give_up(&self, order: &Order) {
        if !self.router.with(|world| world.still_wants(order)) {
            return;
        }
        if let Some(entry) = order.entries.last() {
            let to = SocketAddr::new(IpAddr::V4(entry.address), entry.accounting_port);
            self.tell(order, to, Delivery::GivenUp);
        }
        self.settle(order, Verdict::Access(Reply::Silent));
    }

    /// The packet for one server, and what must prove that the server knows the password too.
    fn seal(
        &self,
        order: &Order,
        entry: &Entry,
        identifier: u8,
    ) -> Result<(Sealed, Option<Vec<u8>>), EncodeError> {
        match &order.what {
            What::Access(facts, proof) => {
                let mut draft =
                    Draft::access_request(identifier, random_octets()).signed(entry.signs);
                facts.ask(&mut draft, entry.source)?;
                let awaited = prove(&mut draft, &facts.user, proof, entry)?;
                Ok((draft.seal(&entry.secret), awaited))
            }
            What::Accounting(report) => {
                let mut draft = Draft::accounting_request(identifier);
                let delay = self.router.with(|world| world.delay_of(order));
                let counting = self.router.faults().now().counting;
                report.write(&mut draft, entry.source, delay, counting)?;
                Ok((draft.seal(&entry.secret), None))
            }
        }
    }
}

impl Exchange {
    fn count(&self, net: &Net, count: impl FnOnce(&mut RadiusCounters)) {
        net.router.with(|world| world.count_radius(self.entry.id, count));
    }

    /// What a reply says; nothing if it is not to be believed.
    fn judge(&self, octets: &[u8], from: SocketAddr) -> Option<Verdict> {
        if from != self.to {
            return None;
        }
        let reply = Packet::parse(octets).ok()?;
        let reply = reply.verify_reply(&self.sealed.packet(), &self.entry.secret).ok()?;
        if reply.code() == Code::AccountingResponse {
            return Some(Verdict::Recorded);
        }
        if self.entry.signs && !reply.signature().is_present() {
            return None;
        }
        match reply.code() {
            Code::AccessAccept => Some(Verdict::Access(self.accepted(&reply))),
            // The router has nobody to put another question to.
            Code::AccessReject | Code::AccessChallenge => {
                Some(Verdict::Access(Reply::Rejected(refusal(&reply))))
            }
            _ => None,
        }
    }

    fn accepted(&self, reply: &VerifiedReply<'_>) -> Reply {
        let proof = reply.read(field::MS_CHAP2_SUCCESS);
        match &self.proof_awaited {
            Some(awaited) if proof != Some(awaited) => Reply::Unproven,
            _ => Reply::Accepted(Box::new(Grant::read(reply))),
        }
    }
}

fn count_verdict(counters: &mut RadiusCounters, verdict: &Verdict, rtt: Duration) {
    match verdict {
        Verdict::Access(Reply::Rejected(_)) => counters.rejects += 1,
        _ => counters.accepts += 1,
    }
    counters.pending = counters.pending.saturating_sub(1);
    counters.last_request_rtt = u64::try_from(rtt.as_millis()).unwrap_or(u64::MAX);
}

/// The text for the user: Reply-Message, or what follows `M=` in MS-CHAP-Error.
fn refusal(reply: &VerifiedReply<'_>) -> Option<String> {
    let message = reply.read(field::REPLY_MESSAGE).map(str::to_owned);
    message
        .or_else(|| {
            let error =
                String::from_utf8_lossy(reply.read(field::MS_CHAP_ERROR)?.get(1..)?).into_owned();
            let (_, message) = error.split_once(" M=")?;
            Some(message.to_owned())
        })
        .filter(|message| !message.is_empty())
}

/// Writes the user's proof, and says what must come back for it.
fn prove(
    draft: &mut Draft,
    user: &str,
    proof: &Proof,
    entry: &Entry,
) -> Result<Option<Vec<u8>>, EncodeError> {
    let identifier = fastrand::u8(1..);
    match proof {
        Proof::Pap(password) => {
            draft.hide(field::USER_PASSWORD, &entry.secret, password.as_bytes())?;
        }
        Proof::Chap(password) => {
            let challenge: [u8; 16] = random_octets();
            let value = chap::password(identifier, password.as_bytes(), &challenge);
            draft.put(field::CHAP_CHALLENGE, &challenge)?;
            draft.put(field::CHAP_PASSWORD, &value)?;
        }
        Proof::MsChap1(password) => {
            let challenge: [u8; 8] = random_octets();
            let response = mschap::response1(identifier, Known::ClearText(password), &challenge);
            draft.put(field::MS_CHAP_CHALLENGE, &challenge)?;
            draft.put(field::MS_CHAP_RESPONSE, &response)?;
        }
        Proof::MsChap2(password) => {
            let (challenge, peer): ([u8; 16], [u8; 16]) = (random_octets(), random_octets());
            let known = Known::ClearText(password);
            let name = user.as_bytes();
            let response = mschap::response2(identifier, known, name, &challenge, &peer);
            draft.put(field::MS_CHAP_CHALLENGE, &challenge)?;
            draft.put(field::MS_CHAP2_RESPONSE, &response)?;
            let answer = MsChap2::parse(&response, &challenge, name);
            let verified = answer.and_then(|answer| answer.verify(known));
            return Ok(verified.map(|verified| verified.success().to_vec()));
        }
    }
    Ok(None)
}

fn random_octets<const LENGTH: usize>() -> [u8; LENGTH] {
    std::array::from_fn(|_| fastrand::u8(..))
}
