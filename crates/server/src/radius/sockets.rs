//! Where NASes are listened to. Several sockets share a port, and the kernel keeps each NAS with
//! one of them, so that cores do not wait for each other.

use super::certificate::Certificate;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, UdpSocket};

/// What the kernel keeps for us while we are busy: some 20,000 requests. It gives less if its own
/// limit (`net.core.rmem_max`) is lower.
const KEPT_BY_KERNEL: usize = 8 * 1_024 * 1_024;

/// Where RADIUS listens; none is not at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// For logins.
    pub authentication: SocketAddr,
    /// For reports.
    pub accounting: SocketAddr,
}

/// What a socket is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// Logins.
    Authentication,
    /// Reports.
    Accounting,
    /// Both: a connection of RadSec.
    Everything,
}

impl Purpose {
    /// The word in metrics.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Purpose::Authentication => "authentication",
            Purpose::Accounting => "accounting",
            Purpose::Everything => "radsec",
        }
    }
}

/// A socket and what it is for.
#[derive(Debug)]
pub(super) struct Ear {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) purpose: Purpose,
}

/// Sockets that listen.
#[derive(Debug)]
pub struct Bound {
    pub(super) sockets: Vec<Ear>,
    pub(super) certificate: Option<Arc<Certificate>>,
    pub(super) tls: Option<TcpListener>,
    /// Where it listens for RadSec, if it does.
    pub radsec: Option<SocketAddr>,
    /// Where it listens for logins.
    pub authentication: SocketAddr,
    /// Where it listens for reports.
    pub accounting: SocketAddr,
}

/// Begins to listen, with a socket for every core and purpose.
///
/// # Errors
/// An address is taken, or not ours.
pub fn bind(settings: Settings) -> io::Result<Bound> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut sockets = Vec::new();
    let mut listen = |address: SocketAddr, purpose| {
        // Ours share the port, and the kernel would let another program of this user share it too.
        drop(std::net::UdpSocket::bind(address)?);
        let first = open(address)?;
        let bound = first.local_addr()?;
        sockets.push(Ear { socket: Arc::new(first), purpose });
        for _ in 1..cores {
            sockets.push(Ear { socket: Arc::new(open(bound)?), purpose });
        }
        io::Result::Ok(bound)
    };
    let authentication = listen(settings.authentication, Purpose::Authentication)?;
    let accounting = listen(settings.accounting, Purpose::Accounting)?;
    let (certificate, tls, radsec) = (None, None, None);
    Ok(Bound { sockets, certificate, tls, radsec, authentication, accounting })
}

impl Bound {
    /// With a certificate there are logins by EAP, and RadSec where it is listened to.
    pub fn known_by(mut self, certificate: Certificate, radsec: Option<TcpListener>) -> Bound {
        self.certificate = Some(Arc::new(certificate));
        self.radsec = radsec.as_ref().and_then(|listener| listener.local_addr().ok());
        self.tls = radsec;
        self
    }
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_port(true)?;
    // Less is no reason not to listen.
    let _ = socket.set_recv_buffer_size(KEPT_BY_KERNEL);
    let _ = socket.set_send_buffer_size(KEPT_BY_KERNEL / 4);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
