//! Owns a socket towards servers and its 256 identifiers: which exchange each belongs to.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Net;
use lango_radius::MAXIMUM_LENGTH;

/// A reply as it came, and from whom.
type Received = (Vec<u8>, SocketAddr);

/// Replies that may wait for one exchange; more are lost.
const REPLIES: usize = 16;

pub(super) struct Line {
    pub(super) socket: Arc<UdpSocket>,
    free: Arc<Semaphore>,
    identifiers: Mutex<Identifiers>,
}

#[derive(Default)]
struct Identifiers {
    next: u8,
    waiting: HashMap<u8, mpsc::Sender<Received>>,
}

/// An identifier for one exchange, given back when dropped.
pub(super) struct Ticket {
    pub(super) identifier: u8,
    pub(super) replies: mpsc::Receiver<Received>,
    pub(super) line: Arc<Line>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.line.identifiers().waiting.remove(&self.identifier);
    }
}

impl Line {
    pub(super) async fn open(net: &Net, source: Ipv4Addr) -> io::Result<Arc<Line>> {
        let socket = Arc::new(UdpSocket::bind((source, 0)).await?);
        let free = Arc::new(Semaphore::new(usize::from(u8::MAX) + 1));
        let line = Arc::new(Line { socket, free, identifiers: Mutex::default() });
        net.spawn(hear(net.clone(), line.clone()));
        Ok(line)
    }

    fn identifiers(&self) -> MutexGuard<'_, Identifiers> {
        self.identifiers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next identifier in turn that is free; waits for one.
    pub(super) async fn ticket(self: &Arc<Line>) -> Ticket {
        let permit = self.free.clone().acquire_owned().await;
        let permit = permit.expect("nothing closes the semaphore");
        let (told, replies) = mpsc::channel(REPLIES);
        let identifier = {
            let mut identifiers = self.identifiers();
            while identifiers.waiting.contains_key(&identifiers.next) {
                identifiers.next = identifiers.next.wrapping_add(1);
            }
            let identifier = identifiers.next;
            identifiers.next = identifier.wrapping_add(1);
            identifiers.waiting.insert(identifier, told);
            identifier
        };
        Ticket { identifier, replies, line: self.clone(), _permit: permit }
    }

    fn hand_over(&self, octets: Vec<u8>, from: SocketAddr) {
        let Some(&identifier) = octets.get(1) else { return };
        let waiting = self.identifiers().waiting.get(&identifier).cloned();
        if let Some(waiting) = waiting {
            // Whoever does not keep up loses replies, as a full socket does.
            let _ = waiting.try_send((octets, from));
        }
    }
}

async fn hear(net: Net, line: Arc<Line>) {
    let mut buffer = vec![0; MAXIMUM_LENGTH];
    loop {
        // An error tells of an earlier datagram that nobody took.
        let Ok((length, from)) = line.socket.recv_from(&mut buffer).await else { continue };
        let line = line.clone();
        let octets = buffer.get(..length).unwrap_or_default();
        net.receive(octets, move |octets| line.hand_over(octets, from));
    }
}
