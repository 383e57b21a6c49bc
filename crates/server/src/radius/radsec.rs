//! RADIUS over TLS (RFC 6614): connections that NASes and proxies keep open and send any number of
//! requests through. A connection has bounds of its own; who reads slowly, sends half a packet or
//! asks too much at a time waits for himself alone.

use crate::radius::certificate::Certificate;
use crate::radius::directory::Nas;
use crate::radius::reception::{Counter, Office};
use crate::radius::sockets::Purpose;
use crate::web::listen::patient::Patient;
use lango_radius::MAXIMUM_LENGTH;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How many connections one address may have: a NAS needs one, a proxy some.
const CONNECTIONS_OF_ONE: usize = 32;
/// How many requests of one connection are worked at together. There are no more numbers (RFC 6613
/// §2.5); what comes beyond that waits in the network.
const UNDER_WAY: usize = 256;
/// How long TLS may take to be agreed on.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a packet may take from its first octet to its last, and an answer to be taken.
const STALL: Duration = Duration::from_secs(20);
/// How long a connection may say nothing. Whoever keeps one open asks for a sign of life much more
/// often.
const IDLE: Duration = Duration::from_secs(3_600);
/// When the system has no room for another connection, trying again at once would only spin.
const BREATHE: Duration = Duration::from_millis(50);
/// The octets before the attributes.
const HEADER: usize = 20;

/// Serves until stopped.
pub(super) async fn serve(
    office: Office,
    listener: TcpListener,
    certificate: Arc<Certificate>,
    stop: CancellationToken,
) {
    let door = Arc::new(Door { office, certificate, by_address: Arc::default() });
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Whoever is unknown or has too many is not even greeted.
                if let Some(place) = door.place(peer.ip()) {
                    let door = door.clone();
                    connections.spawn(async move {
                        let _place = place;
                        if let Err(error) = door.serve_one(stream, peer).await {
                            tracing::info!(%peer, "a RadSec connection ended: {error}");
                        }
                    });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a RadSec connection could not be accepted");
                tokio::time::sleep(BREATHE).await;
            }
        }
    }
}

struct Door {
    office: Office,
    certificate: Arc<Certificate>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A place for one connection; it is free again when this goes.
struct Place {
    address: IpAddr,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

impl Door {
    /// A place for a NAS that we know. There are as many NASes as routers: that bounds the whole.
    fn place(&self, address: IpAddr) -> Option<Place> {
        let nas = self.office.directory.of(address);
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.get(&address).copied().unwrap_or_default();
        if nas.is_none() || count >= CONNECTIONS_OF_ONE {
            let came_of_it = if nas.is_none() { "stranger" } else { "overload" };
            self.office.app.metrics().note_radius("radsec", came_of_it);
            return None;
        }
        by_address.insert(address, count + 1);
        Some(Place { address, by_address: self.by_address.clone() })
    }

    async fn serve_one(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        // Answers are small and waited for; a failure here costs only that.
        let _ = stream.set_nodelay(true);
        let handshake = self.certificate.acceptor().accept(Patient::new(stream, STALL));
        let stream = timeout(HANDSHAKE, handshake).await.map_err(|_| late("TLS"))??;
        let (reader, writer) = tokio::io::split(stream);
        let counter = Arc::new(Counter::new(self.office.clone(), Purpose::Everything));
        let (answers, queue) = mpsc::channel(UNDER_WAY);
        // What is under way when one of them ends is lost to somebody who is gone.
        tokio::select! {
            ended = hear(reader, counter, peer, answers) => ended,
            ended = say(writer, queue) => ended,
        }
    }
}

type Answers = mpsc::Sender<Arc<[u8]>>;

/// Reads requests until the other side ends.
async fn hear(
    mut reader: impl AsyncRead + Unpin,
    counter: Arc<Counter>,
    peer: SocketAddr,
    answers: Answers,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(UNDER_WAY));
    // Dropped with this, at the connection's end.
    let mut requests = JoinSet::new();
    loop {
        while requests.try_join_next().is_some() {}
        let place = room.clone().acquire_owned().await.map_err(io::Error::other)?;
        let Some(packet) = next(&mut reader).await? else { return Ok(()) };
        // Asked every time: a NAS that was removed is one no more.
        let Some(nas) = counter.office.directory.of(peer.ip()) else {
            return Err(wrong("its address is no NAS's any more"));
        };
        let (counter, answers, nas) = (counter.clone(), answers.clone(), nas.through_tls());
        if is_untrusted(&packet, &nas) {
            nas.mistrust(counter.office.app.clock().now());
            counter.note("mistrusted");
            return Err(wrong("it sent what the secret `radsec` has not signed"));
        }
        requests.spawn(async move {
            let answer = counter.answer(&nas, &packet, peer).await;
            counter.note(answer.came_of_it);
            if let Some(octets) = answer.octets {
                // Waits while the other side does not read, and holds its place meanwhile.
                let _ = answers.send(octets).await;
            }
            drop(place);
        });
    }
}

/// A stream that once lost its beat cannot be trusted further (RFC 6614 §2.4, RFC 6613 §2.6.4).
fn is_untrusted(packet: &[u8], nas: &Nas) -> bool {
    let parsed = lango_radius::Packet::parse(packet);
    parsed.is_err() || parsed.is_ok_and(|packet| packet.verify_request(&nas.secret).is_err())
}

/// The next packet; none at the end of the connection.
async fn next(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Box<[u8]>>> {
    let mut packet = vec![0; HEADER];
    let first = timeout(IDLE, reader.read(&mut packet[..1])).await.map_err(|_| late("a packet"))?;
    if first? == 0 {
        return Ok(None);
    }
    let rest = async {
        reader.read_exact(&mut packet[1..4]).await?;
        let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        if !(HEADER..=MAXIMUM_LENGTH).contains(&length) {
            return Err(wrong("it sent a length that no packet has"));
        }
        packet.resize(length, 0);
        reader.read_exact(&mut packet[4..]).await?;
        Ok(packet)
    };
    let packet = timeout(STALL, rest).await.map_err(|_| late("the rest of a packet"))??;
    Ok(Some(packet.into()))
}

/// Sends answers; many that wait go out together.
async fn say(
    mut writer: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Arc<[u8]>>,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(UNDER_WAY);
    while queue.recv_many(&mut batch, UNDER_WAY).await > 0 {
        let octets: Vec<u8> = batch.drain(..).flat_map(|answer| answer.to_vec()).collect();
        writer.write_all(&octets).await?;
        writer.flush().await?;
    }
    // Whoever reads has ended: it says why.
    std::future::pending().await
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} did not come in time"))
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
