//! Where packets come in. Each is read, believed or dropped, recognised if it came before, and
//! answered by a task of its own.

use crate::app::App;
use crate::radius::directory::{Directory, Nas};
use crate::radius::duplicates::{Duplicates, Met, Ticket};
use crate::radius::ledger::{Ledger, Report};
use crate::radius::login::{Desk, Silence};
use crate::radius::overload::OVERLOAD;
use crate::radius::sockets::{Ear, Purpose};
use lango_radius::dictionary::EAP_MESSAGE;
use lango_radius::{Code, Draft, Packet, VerifiedRequest};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// How many requests of one socket are worked at together. More are dropped: whoever has to wait
/// longer than his NAS does has asked again already.
const UNDER_WAY: usize = 8_192;

/// All that is needed to answer.
#[derive(Clone)]
pub(super) struct Office {
    pub(super) app: App,
    pub(super) directory: Arc<Directory>,
    pub(super) desk: Desk,
    pub(super) ledger: Ledger,
}

/// One socket, and what answers there.
pub(super) struct Reception {
    counter: Counter,
    socket: Arc<UdpSocket>,
    under_way: AtomicUsize,
}

impl Reception {
    pub(super) fn new(office: Office, ear: Ear) -> Reception {
        let Ear { socket, purpose } = ear;
        let counter = Counter::new(office, purpose);
        Reception { counter, socket, under_way: AtomicUsize::new(0) }
    }

    /// Receives until stopped.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        // One octet more than a packet may have: what fills it is too long.
        let mut buffer = [0; lango_radius::MAXIMUM_LENGTH + 1];
        let mut stopped = std::pin::pin!(stop.cancelled());
        loop {
            let received = tokio::select! {
                () = &mut stopped => return,
                received = self.socket.recv_from(&mut buffer) => received,
            };
            match received {
                Ok((length, from)) => self.take(&buffer[..length], from),
                // As when an earlier answer of ours found nobody there.
                Err(error) => tracing::debug!(%error, "a packet could not be received"),
            }
        }
    }

    fn take(self: &Arc<Self>, datagram: &[u8], from: SocketAddr) {
        let Some(nas) = self.counter.office.directory.of(from.ip()) else {
            return self.counter.note("stranger");
        };
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= UNDER_WAY {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            return self.counter.note(OVERLOAD);
        }
        let (reception, datagram) = (self.clone(), Box::<[u8]>::from(datagram));
        tokio::spawn(async move {
            let answer = reception.counter.answer(&nas, &datagram, from).await;
            if let Some(octets) = answer.octets {
                reception.send(&octets, from).await;
            }
            reception.counter.note(answer.came_of_it);
            reception.under_way.fetch_sub(1, Ordering::Relaxed);
        });
    }

    async fn send(&self, octets: &[u8], to: SocketAddr) {
        if let Err(error) = self.socket.send_to(octets, to).await {
            tracing::debug!(%error, %to, "an answer could not be sent");
        }
    }
}

/// What came of a request.
pub(super) struct Answer {
    pub(super) came_of_it: &'static str,
    pub(super) octets: Option<Arc<[u8]>>,
}

impl From<&'static str> for Answer {
    fn from(came_of_it: &'static str) -> Answer {
        Answer { came_of_it, octets: None }
    }
}

/// Where requests are answered that come in by one socket or connection: their numbers are told
/// apart there.
pub(super) struct Counter {
    pub(super) office: Office,
    purpose: Purpose,
    duplicates: Duplicates,
}

impl Counter {
    pub(super) fn new(office: Office, purpose: Purpose) -> Counter {
        Counter { office, purpose, duplicates: Duplicates::default() }
    }

    /// Counts what came of a request.
    pub(super) fn note(&self, came_of_it: &'static str) {
        self.office.app.metrics().note_radius(self.word(), came_of_it);
    }

    const fn word(&self) -> &'static str {
        self.purpose.word()
    }

    /// Answers a packet, or does not. What came of it, in a word.
    pub(super) async fn answer(&self, nas: &Nas, datagram: &[u8], from: SocketAddr) -> Answer {
        let Ok(packet) = Packet::parse(datagram) else { return "malformed".into() };
        let is_ours = match self.purpose {
            Purpose::Authentication => {
                matches!(packet.code(), Code::AccessRequest | Code::StatusServer)
            }
            Purpose::Accounting => {
                matches!(packet.code(), Code::AccountingRequest | Code::StatusServer)
            }
            Purpose::Everything => matches!(
                packet.code(),
                Code::AccessRequest | Code::AccountingRequest | Code::StatusServer
            ),
        };
        if !is_ours {
            return "misplaced".into();
        }
        let now = self.office.app.clock().now();
        let request = match packet.verify_request(&nas.secret) {
            Ok(request) => request,
            Err(why) => {
                if why.suggests_other_secret() {
                    nas.mistrust(now);
                    tracing::debug!(nas.name = %nas.name, "{why}");
                }
                return "mistrusted".into();
            }
        };
        if packet.code() == Code::AccessRequest {
            let is_eap = request.first(EAP_MESSAGE.id()).is_some();
            if !nas.takes(request.signature(), is_eap, request.has_proxy_state()) {
                return "unsigned".into();
            }
        }
        let is_proof = packet.code() != Code::AccessRequest || request.signature().is_present();
        nas.hear(is_proof, now);
        let met = self.duplicates.meet(
            from,
            packet.code(),
            packet.identifier(),
            packet.authenticator(),
            Instant::now(),
        );
        match met {
            Met::UnderWay => "repeated".into(),
            Met::Answered(octets) => Answer { came_of_it: "answered again", octets: Some(octets) },
            Met::New(ticket) => self.work(nas, &request, ticket).await,
        }
    }

    async fn work(&self, nas: &Nas, request: &VerifiedRequest<'_>, ticket: Ticket) -> Answer {
        let worked = match request.code() {
            Code::StatusServer => self.alive(nas, request).map(|octets| (octets, "alive")),
            Code::AccessRequest => self.log_in(nas, request).await,
            _ => self.write_down(nas, request).await,
        };
        let Some((octets, word)) = worked else {
            self.duplicates.forget(&ticket);
            return "silence".into();
        };
        let octets: Arc<[u8]> = octets.into();
        self.duplicates.answered(&ticket, octets.clone());
        Answer { came_of_it: word, octets: Some(octets) }
    }

    /// RFC 5997: an Accept says that logins are answered, and nothing about anybody.
    fn alive(&self, nas: &Nas, request: &VerifiedRequest<'_>) -> Option<Vec<u8>> {
        let code = match self.purpose {
            Purpose::Authentication | Purpose::Everything => Code::AccessAccept,
            Purpose::Accounting => Code::AccountingResponse,
        };
        // Signed whatever the code: some clients believe no other sign of life.
        Some(Draft::reply(request, code).ok()?.signed(true).seal(&nas.secret).into_octets())
    }

    async fn log_in(
        &self,
        nas: &Nas,
        request: &VerifiedRequest<'_>,
    ) -> Option<(Vec<u8>, &'static str)> {
        match self.office.desk.answer(nas, request).await {
            Ok(sealed) => {
                let word = match sealed.packet().code() {
                    Code::AccessAccept => "accept",
                    Code::AccessChallenge => "challenge",
                    _ => "reject",
                };
                Some((sealed.into_octets(), word))
            }
            Err(Silence::Unavailable) => None,
            Err(error) => {
                tracing::warn!(nas.name = %nas.name, error = crate::observe::chain(&error),
                    "a login is not answered");
                None
            }
        }
    }

    async fn write_down(
        &self,
        nas: &Nas,
        request: &VerifiedRequest<'_>,
    ) -> Option<(Vec<u8>, &'static str)> {
        let told = Report::read(nas, request, self.office.app.clock().now())?;
        if !self.office.ledger.write(told).await {
            return None;
        }
        let draft = Draft::reply(request, Code::AccountingResponse).ok()?;
        Some((draft.seal(&nas.secret).into_octets(), "written"))
    }
}
