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

/// One socket and all that is needed to answer.
pub(super) struct Reception {
    app: App,
    directory: Arc<Directory>,
    desk: Desk,
    ledger: Ledger,
    socket: Arc<UdpSocket>,
    purpose: Purpose,
    duplicates: Duplicates,
    under_way: AtomicUsize,
}

impl Reception {
    pub(super) fn new(
        app: App,
        directory: Arc<Directory>,
        desk: Desk,
        ledger: Ledger,
        ear: Ear,
    ) -> Reception {
        let Ear { socket, purpose } = ear;
        let (duplicates, under_way) = (Duplicates::default(), AtomicUsize::new(0));
        Reception { app, directory, desk, ledger, socket, purpose, duplicates, under_way }
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
        let metrics = self.app.metrics();
        let Some(nas) = self.directory.of(from.ip()) else {
            return metrics.note_radius(self.word(), "stranger");
        };
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= UNDER_WAY {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            return metrics.note_radius(self.word(), OVERLOAD);
        }
        let (reception, datagram) = (self.clone(), Box::<[u8]>::from(datagram));
        tokio::spawn(async move {
            let came_of_it = reception.answer(&nas, &datagram, from).await;
            reception.app.metrics().note_radius(reception.word(), came_of_it);
            reception.under_way.fetch_sub(1, Ordering::Relaxed);
        });
    }

    const fn word(&self) -> &'static str {
        self.purpose.word()
    }

    /// Answers a packet, or does not. What came of it, in a word.
    async fn answer(&self, nas: &Nas, datagram: &[u8], from: SocketAddr) -> &'static str {
        let Ok(packet) = Packet::parse(datagram) else { return "malformed" };
        let is_ours = match self.purpose {
            Purpose::Authentication => {
                matches!(packet.code(), Code::AccessRequest | Code::StatusServer)
            }
            Purpose::Accounting => {
                matches!(packet.code(), Code::AccountingRequest | Code::StatusServer)
            }
        };
        if !is_ours {
            return "misplaced";
        }
        let now = self.app.clock().now();
        let request = match packet.verify_request(&nas.secret) {
            Ok(request) => request,
            Err(why) => {
                if why.suggests_other_secret() {
                    nas.mistrust(now);
                    tracing::debug!(nas.name = %nas.name, "{why}");
                }
                return "mistrusted";
            }
        };
        if packet.code() == Code::AccessRequest {
            let is_eap = request.first(EAP_MESSAGE.id()).is_some();
            if !nas.takes(request.signature(), is_eap, request.has_proxy_state()) {
                return "unsigned";
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
            Met::UnderWay => "repeated",
            Met::Answered(octets) => {
                self.send(&octets, from).await;
                "answered again"
            }
            Met::New(ticket) => self.work(nas, &request, ticket, from).await,
        }
    }

    async fn work(
        &self,
        nas: &Nas,
        request: &VerifiedRequest<'_>,
        ticket: Ticket,
        from: SocketAddr,
    ) -> &'static str {
        let worked = match (request.code(), self.purpose) {
            (Code::StatusServer, _) => self.alive(nas, request).map(|octets| (octets, "alive")),
            (_, Purpose::Authentication) => self.log_in(nas, request).await,
            (_, Purpose::Accounting) => self.write_down(nas, request).await,
        };
        let Some((octets, word)) = worked else {
            self.duplicates.forget(&ticket);
            return "silence";
        };
        let octets: Arc<[u8]> = octets.into();
        self.duplicates.answered(&ticket, octets.clone());
        self.send(&octets, from).await;
        word
    }

    /// RFC 5997: an Accept says that logins are answered, and nothing about anybody.
    fn alive(&self, nas: &Nas, request: &VerifiedRequest<'_>) -> Option<Vec<u8>> {
        let code = match self.purpose {
            Purpose::Authentication => Code::AccessAccept,
            Purpose::Accounting => Code::AccountingResponse,
        };
        Some(Draft::reply(request, code).ok()?.seal(&nas.secret).into_octets())
    }

    async fn log_in(
        &self,
        nas: &Nas,
        request: &VerifiedRequest<'_>,
    ) -> Option<(Vec<u8>, &'static str)> {
        match self.desk.answer(nas, request).await {
            Ok(sealed) => {
                let is_accept = sealed.packet().code() == Code::AccessAccept;
                Some((sealed.into_octets(), if is_accept { "accept" } else { "reject" }))
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
        let told = Report::read(nas, request, self.app.clock().now())?;
        if !self.ledger.write(told).await {
            return None;
        }
        let draft = Draft::reply(request, Code::AccountingResponse).ok()?;
        Some((draft.seal(&nas.secret).into_octets(), "written"))
    }

    async fn send(&self, octets: &[u8], to: SocketAddr) {
        if let Err(error) = self.socket.send_to(octets, to).await {
            tracing::debug!(%error, %to, "an answer could not be sent");
        }
    }
}
