//! Owns the socket on which servers give orders, and the memory of orders that were answered.
//! (RFC 5176 §2.3; RFC 5080 §2.2.2.)

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use lango_radius::{Code, Draft, MAXIMUM_LENGTH, Packet, Secret, VerifiedRequest, dictionary};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::Net;

/// How long an answer is remembered.
const MEMORY: Duration = Duration::from_secs(30);

/// Orders that may wait; more are lost.
const ORDERS: usize = 256;

/// Who sent it, by which identifier and authenticator.
type Sender = (SocketAddr, u8, [u8; 16]);

struct Answered {
    at: Instant,
    octets: Arc<[u8]>,
}

/// Hears orders for as long as `/radius/incoming` accepts them.
pub(super) async fn listen(net: Net) {
    let mut changed = net.router.changes();
    let mut bound: Option<(u16, Arc<UdpSocket>)> = None;
    let mut answered: HashMap<Sender, Answered> = HashMap::new();
    let (take, mut taken) = mpsc::channel(ORDERS);
    let mut buffer = vec![0; MAXIMUM_LENGTH];
    loop {
        changed.mark_unchanged();
        let port = net.router.with(|world| world.incoming_port());
        if port != bound.as_ref().map(|(port, _)| *port) {
            // The old socket goes before the new one comes: it may be the same port.
            drop(bound.take());
            bound = port.and_then(|port| open(&net, port)).zip(port).map(|(it, port)| (port, it));
        }
        tokio::select! {
            _ = changed.changed() => {}
            (length, from) = hear(bound.as_ref().map(|(_, socket)| socket), &mut buffer) => {
                let take = take.clone();
                net.receive(buffer.get(..length).unwrap_or_default(), move |octets| {
                    // A full queue loses orders, as a full socket does.
                    let _ = take.try_send((octets, from));
                });
            }
            Some((octets, from)) = taken.recv() => {
                answered.retain(|_, answered| answered.at.elapsed() < MEMORY);
                if let Some(reply) = answer(&net, &octets, from, &mut answered)
                    && let Some((_, socket)) = &bound
                {
                    net.transmit(socket, &reply, from).await;
                }
            }
        }
    }
}

fn open(net: &Net, port: u16) -> Option<Arc<UdpSocket>> {
    let ahead = net.router.bound_ahead().lock().unwrap_or_else(PoisonError::into_inner).take();
    let is_right = |socket: &std::net::UdpSocket| {
        socket.local_addr().is_ok_and(|address| address.port() == port)
    };
    let address = net.router.with(|world| world.own_address());
    let socket = match ahead.filter(is_right) {
        Some(socket) => Ok(socket),
        None => bind(address, port),
    };
    match socket.and_then(UdpSocket::from_std) {
        Ok(socket) => Some(Arc::new(socket)),
        Err(error) => {
            tracing::warn!(%error, %address, port, "cannot take RADIUS orders on this port");
            None
        }
    }
}

pub(super) fn bind(address: Ipv4Addr, port: u16) -> io::Result<std::net::UdpSocket> {
    let socket = std::net::UdpSocket::bind((address, port))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

async fn hear(socket: Option<&Arc<UdpSocket>>, buffer: &mut [u8]) -> (usize, SocketAddr) {
    let Some(socket) = socket else { return std::future::pending().await };
    loop {
        // An error tells of an earlier answer that nobody took.
        if let Ok(heard) = socket.recv_from(buffer).await {
            return heard;
        }
    }
}

/// The answer to a datagram; silence for whoever is not a server that the router knows.
fn answer(
    net: &Net,
    octets: &[u8],
    from: SocketAddr,
    answered: &mut HashMap<Sender, Answered>,
) -> Option<Arc<[u8]>> {
    let secrets = net.router.with(|world| world.secrets_of(from.ip()));
    let Some((order, secret)) = verify(octets, &secrets) else {
        net.router.with(|world| world.count_bad_order());
        return None;
    };
    let sender = (from, order.identifier(), *order.authenticator());
    if let Some(answered) = answered.get(&sender) {
        return Some(answered.octets.clone());
    }
    let outcome = net.router.with(|world| world.obey(&order));
    let code = match (order.code(), &outcome) {
        (Code::CoaRequest, Ok(())) => Code::CoaAck,
        (Code::CoaRequest, Err(_)) => Code::CoaNak,
        (_, Ok(())) => Code::DisconnectAck,
        (_, Err(_)) => Code::DisconnectNak,
    };
    let mut reply = Draft::reply(&order, code).ok()?.signed(order.signature().is_present());
    if let Err(cause) = outcome {
        reply.put(dictionary::ERROR_CAUSE, cause.number()).ok()?;
    }
    let octets: Arc<[u8]> = reply.seal(secret).octets().into();
    answered.insert(sender, Answered { at: Instant::now(), octets: octets.clone() });
    Some(octets)
}

fn verify<'a, 's>(
    octets: &'a [u8],
    secrets: &'s [Secret],
) -> Option<(VerifiedRequest<'a>, &'s Secret)> {
    let packet = Packet::parse(octets).ok()?;
    if !matches!(packet.code(), Code::DisconnectRequest | Code::CoaRequest) {
        return None;
    }
    secrets.iter().find_map(|secret| Some((packet.verify_request(secret).ok()?, secret)))
}
