//! Orders to a NAS: Disconnect-Request and CoA-Request (RFC 5176), sent again unchanged until they
//! are answered. Every order has a socket of its own, so that its number is its own too.

use lango_radius::coa::{self, Outcome};
use lango_radius::{Draft, EncodeError, MAXIMUM_LENGTH, Packet, Sealed, Secret};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;

/// How many orders are under way to one NAS at a time.
pub(super) const AT_ONCE: usize = 16;
/// How long each try waits: three seconds and a half altogether, on lines that lose one packet in
/// ten all but one order in ten thousand gets through.
const PATIENCE: [Duration; 4] = [
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_millis(1_000),
    Duration::from_millis(1_600),
];

/// Why an order was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silent {
    /// Nothing came back.
    #[error(
        "no answer to orders at {0}: on RouterOS set `/radius incoming set accept=yes port={1}`, \
         and look that its secret is the same on both sides",
        address,
        address.port()
    )]
    Nothing {
        /// Where it was asked.
        address: SocketAddr,
    },
    /// It cannot be sent.
    #[error("no order can be sent to {address}")]
    Socket {
        /// Where to.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It cannot be written.
    #[error("the order cannot be written")]
    Encode(#[from] EncodeError),
}

/// Where orders to a NAS are sent from.
pub(super) struct Desk {
    address: SocketAddr,
    secret: Secret,
}

impl Desk {
    pub(super) fn new(address: SocketAddr, secret: Secret) -> Desk {
        Desk { address, secret }
    }

    /// What is said of an order that is not sent, because it would not be answered.
    pub(super) fn silence(&self) -> Silent {
        Silent::Nothing { address: self.address }
    }

    /// Sends an order and waits for the answer.
    pub(super) async fn order(
        &self,
        draft: impl FnOnce(u8) -> Result<Draft, EncodeError>,
    ) -> Result<Outcome, Silent> {
        let sealed = draft(fastrand::u8(..))?.seal(&self.secret);
        let broken = |cause| Silent::Socket { address: self.address, cause };
        let socket = self.socket().await.map_err(broken)?;
        for patience in PATIENCE {
            // Refused by an earlier try: the NAS may be starting.
            let _ = socket.send(sealed.octets()).await;
            if let Some(outcome) = self.answer(&socket, &sealed, patience).await {
                return Ok(outcome);
            }
        }
        Err(self.silence())
    }

    async fn socket(&self) -> io::Result<UdpSocket> {
        let any = match self.address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        // From nobody else does an answer reach us.
        socket.connect(self.address).await?;
        Ok(socket)
    }

    /// The first answer that proves itself, within the time.
    async fn answer(
        &self,
        socket: &UdpSocket,
        request: &Sealed,
        patience: Duration,
    ) -> Option<Outcome> {
        let listen = async {
            let mut buffer = [0; MAXIMUM_LENGTH + 1];
            loop {
                let Ok(length) = socket.recv(&mut buffer).await else {
                    // Nobody is there (yet): the pause is the pause.
                    tokio::time::sleep(patience).await;
                    continue;
                };
                let reply = Packet::parse(&buffer[..length]).ok();
                let verified = reply
                    .and_then(|reply| reply.verify_reply(&request.packet(), &self.secret).ok());
                if let Some(outcome) = verified.as_ref().and_then(coa::outcome) {
                    return outcome;
                }
            }
        };
        tokio::time::timeout(patience, listen).await.ok()
    }
}
