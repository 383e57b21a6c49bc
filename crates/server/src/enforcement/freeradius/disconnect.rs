//! Disconnect-Requests (RFC 5176) to the NAS that has a session: rows in tables are read at the
//! next login only, so whoever is online stays until his NAS is told.

use lango_radius::coa::{self, ErrorCause};
use lango_radius::{Draft, EncodeError, Packet, Sealed, Secret, dictionary};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

/// Where a NAS listens for these, if nobody says otherwise (RFC 5176 §2). RouterOS's own default
/// is 1700 in some versions: `/radius incoming set accept=yes port=3799`.
pub const PORT: u16 = 3799;

/// How long an answer is waited for, each time the request is sent.
const PATIENCE: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3)];

/// A session that is to end, by what its NAS called it. All of it must match there.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The name, as the NAS sent it.
    pub name: String,
    /// The session's id, as the NAS sent it.
    pub id: String,
    /// The customer's address; a RouterOS hotspot finds nothing without it.
    pub address: Option<Ipv4Addr>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A NAS that takes Disconnect-Requests.
#[derive(Clone, Debug)]
pub struct Nas {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it shares with us.
    pub secret: Secret,
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome {
    /// The NAS ended the session, and will report its stop.
    Ended,
    /// The NAS knows no such session; its stop was lost.
    WasGone,
    /// The NAS would not.
    Refused(Option<ErrorCause>),
    /// The NAS said nothing.
    Silent,
    /// Nothing could be sent.
    Unsent(Unsent),
}

/// Why nothing could be sent.
#[derive(Debug, thiserror::Error)]
pub enum Unsent {
    /// The session cannot be named in a packet.
    #[error("naming the session in a Disconnect-Request")]
    Unnameable(#[source] EncodeError),
    /// The network of this machine.
    #[error("sending a Disconnect-Request to {to}")]
    Network {
        /// Where it should have gone.
        to: SocketAddr,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
}

impl Outcome {
    /// Whether the NAS itself said that nobody is online there by this session.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Outcome::Ended | Outcome::WasGone)
    }

    /// What an operator reads.
    pub fn in_words(&self) -> String {
        match self {
            Outcome::Ended => "ended".to_owned(),
            Outcome::WasGone => "was gone already".to_owned(),
            Outcome::Refused(Some(cause)) => format!("the NAS refuses: {cause}"),
            Outcome::Refused(None) => "the NAS refuses and does not say why".to_owned(),
            Outcome::Silent => "the NAS does not answer: on RouterOS `/radius incoming set \
                                accept=yes port=3799`, and compare the secret"
                .to_owned(),
            Outcome::Unsent(why) => crate::observe::chain(why),
        }
    }
}

/// Ends a session. Sends the same octets again while there is no answer, as RFC 5176 §2.3 asks:
/// the NAS tells a repetition from a new request by them.
pub async fn disconnect(session: &Session, nas: &Nas) -> Outcome {
    let request = match request(session, &nas.secret) {
        Ok(request) => request,
        Err(why) => return Outcome::Unsent(Unsent::Unnameable(why)),
    };
    match exchange(&request, nas).await {
        Ok(outcome) => outcome,
        Err(cause) => Outcome::Unsent(Unsent::Network { to: nas.address, cause }),
    }
}

/// Identifiers and nothing else: a NAS refuses what it cannot match (RFC 5176 §3).
fn request(session: &Session, secret: &Secret) -> Result<Sealed, EncodeError> {
    let mut draft = Draft::disconnect_request(fastrand::u8(..));
    draft.put(dictionary::USER_NAME, &session.name)?;
    draft.put(dictionary::ACCT_SESSION_ID, &session.id)?;
    if let Some(address) = session.address {
        draft.put(dictionary::FRAMED_IP_ADDRESS, address)?;
    }
    Ok(draft.seal(secret))
}

async fn exchange(request: &Sealed, nas: &Nas) -> io::Result<Outcome> {
    let any: IpAddr = match nas.address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    // Only what comes from there is read from now on.
    socket.connect(nas.address).await?;
    for patience in PATIENCE {
        let until = Instant::now() + patience;
        // A NAS that restarts refuses its port for a moment: that is silence, too.
        let _ = socket.send(request.octets()).await;
        if let Some(outcome) = answer(&socket, request, nas, until).await {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Silent)
}

/// What does not verify is as if it had not come.
async fn answer(
    socket: &UdpSocket,
    request: &Sealed,
    nas: &Nas,
    until: Instant,
) -> Option<Outcome> {
    let mut datagram = [0; lango_radius::MAXIMUM_LENGTH];
    loop {
        match timeout_at(until, socket.recv(&mut datagram)).await {
            Err(_) => return None,
            Ok(Err(_)) => {
                tokio::time::sleep_until(until).await;
                return None;
            }
            Ok(Ok(length)) => {
                let octets = datagram.get(..length).unwrap_or_default();
                if let Some(outcome) = read(octets, request, nas) {
                    return Some(outcome);
                }
            }
        }
    }
}

fn read(octets: &[u8], request: &Sealed, nas: &Nas) -> Option<Outcome> {
    let reply = Packet::parse(octets).ok()?.verify_reply(&request.packet(), &nas.secret).ok()?;
    Some(match coa::outcome(&reply)? {
        coa::Outcome::Acknowledged => Outcome::Ended,
        // RouterOS says "unsupported extension" of a session that it does not have.
        coa::Outcome::Refused(Some(
            ErrorCause::SessionContextNotFound
            | ErrorCause::UnsupportedExtension
            | ErrorCause::ResidualSessionContextRemoved,
        )) => Outcome::WasGone,
        coa::Outcome::Refused(cause) => Outcome::Refused(cause),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOMER: Ipv4Addr = Ipv4Addr::new(10, 5, 50, 7);

    fn session() -> Session {
        Session { name: "ann".to_owned(), id: "81a00001".to_owned(), address: Some(CUSTOMER) }
    }

    fn secret() -> Secret {
        Secret::new("a secret of the NAS").unwrap()
    }

    /// A NAS that ignores so many requests and answers the next by `answer`; what it received.
    async fn nas_that(
        ignores: usize,
        answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
    ) -> (Nas, tokio::task::JoinHandle<Vec<Vec<u8>>>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let nas = Nas { address: socket.local_addr().unwrap(), secret: secret() };
        let heard = tokio::spawn(async move {
            let mut heard = Vec::new();
            let mut datagram = [0; 4096];
            loop {
                let (length, from) = socket.recv_from(&mut datagram).await.unwrap();
                heard.push(datagram[..length].to_vec());
                if heard.len() > ignores {
                    socket.send_to(&answer(&datagram[..length]), from).await.unwrap();
                    return heard;
                }
            }
        });
        (nas, heard)
    }

    fn answered(code: lango_radius::Code, cause: Option<u32>) -> impl Fn(&[u8]) -> Vec<u8> {
        move |octets| {
            let request = Packet::parse(octets).unwrap().verify_request(&secret()).unwrap();
            let mut draft = Draft::reply(&request, code).unwrap();
            if let Some(cause) = cause {
                draft.put(dictionary::ERROR_CAUSE, cause).unwrap();
            }
            draft.seal(&secret()).into_octets()
        }
    }

    #[tokio::test]
    async fn the_same_octets_are_sent_again_until_the_nas_answers() {
        let (nas, heard) = nas_that(1, answered(lango_radius::Code::DisconnectAck, None)).await;
        assert!(matches!(disconnect(&session(), &nas).await, Outcome::Ended));
        let heard = heard.await.unwrap();
        assert_eq!(heard.len(), 2);
        assert_eq!(heard[0], heard[1]);
        let packet = Packet::parse(&heard[0]).unwrap();
        assert_eq!(packet.attributes().count(), 3, "identifiers and nothing else");
        assert_eq!(packet.read(dictionary::FRAMED_IP_ADDRESS), Some(CUSTOMER));
    }

    #[tokio::test]
    async fn a_session_that_the_nas_does_not_have_is_gone() {
        for cause in [503, 406] {
            let nak = answered(lango_radius::Code::DisconnectNak, Some(cause));
            let (nas, _heard) = nas_that(0, nak).await;
            let outcome = disconnect(&session(), &nas).await;
            assert!(matches!(outcome, Outcome::WasGone) && outcome.is_gone(), "{cause}");
        }
    }

    #[tokio::test]
    async fn a_refusal_says_why_and_confirms_nothing() {
        let nak = answered(lango_radius::Code::DisconnectNak, Some(504));
        let (nas, _heard) = nas_that(0, nak).await;
        let outcome = disconnect(&session(), &nas).await;
        assert!(!outcome.is_gone());
        assert!(outcome.in_words().contains("504"), "{}", outcome.in_words());
    }

    #[tokio::test]
    async fn whoever_does_not_know_the_secret_confirms_nothing() {
        let forged = |octets: &[u8]| {
            let request = Packet::parse(octets).unwrap().verify_request(&secret()).unwrap();
            let draft = Draft::reply(&request, lango_radius::Code::DisconnectAck).unwrap();
            draft.seal(&Secret::new("a guess").unwrap()).into_octets()
        };
        let (nas, _heard) = nas_that(0, forged).await;
        assert!(matches!(disconnect(&session(), &nas).await, Outcome::Silent));
    }
}
