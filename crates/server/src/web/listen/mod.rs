//! The listener: connections, how many, from whom, for how long. One slow or greedy client must
//! never be felt by the others; what it may not do ends its own connection and nothing else.

pub mod client_address;
pub(crate) mod patient;
pub mod tls;

use crate::web::listen::client_address::{ClientAddress, Origin, is_trusted};
use crate::web::listen::patient::Patient;
use crate::web::listen::tls::Certificate;
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How connections are dealt with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many connections at once.
    pub connections: usize,
    /// How many of them from one origin; trusted proxies are not counted.
    pub connections_of_one: usize,
    /// How long the headers of a request may take; also how long a connection may be idle.
    pub header_timeout: Duration,
    /// How long a reader may take nothing of what is sent.
    pub stall_timeout: Duration,
    /// Our certificate; without one there is no encryption.
    pub certificate: Option<Certificate>,
    /// Who may say in whose name he asks.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            connections: 8_192,
            connections_of_one: 2_048,
            header_timeout: Duration::from_secs(20),
            stall_timeout: Duration::from_secs(30),
            certificate: None,
            trusted_proxies: Vec::new(),
        }
    }
}

/// How long requests under way may take after a stop.
const DRAIN: Duration = Duration::from_secs(8);
/// More headers than this are no request of a program of good will.
const MOST_HEADERS: usize = 64;
/// The first line and the headers together.
const LONGEST_HEAD: usize = 32 * 1_024;
/// When the system has no room for another connection, trying again at once would only spin.
const BREATHE: Duration = Duration::from_millis(50);

/// Serves until stopped; requests under way are answered first.
pub async fn serve(
    router: Router,
    listener: TcpListener,
    settings: Settings,
    stop: CancellationToken,
) {
    let door = Arc::new(Door::new(router, settings));
    let renewal = door.settings.certificate.clone().map(|certificate| {
        let stop = stop.clone();
        tokio::spawn(async move { certificate.watch(stop).await })
    });
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => door.let_in(stream, peer, &stop, &mut connections).await,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATHE).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("some connections did not end in time and are cut off");
    }
    if let Some(renewal) = renewal {
        renewal.abort();
    }
}

struct Door {
    routes: TowerToHyperService<Router>,
    settings: Settings,
    room: Arc<Semaphore>,
    by_origin: Arc<Mutex<HashMap<Origin, usize>>>,
}

/// A place for one connection; it is free again when this goes.
struct Place {
    _room: OwnedSemaphorePermit,
    origin: Option<Origin>,
    by_origin: Arc<Mutex<HashMap<Origin, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(origin) = self.origin else { return };
        let mut by_origin = self.by_origin.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_origin.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                by_origin.remove(&origin);
            }
        }
    }
}

impl Door {
    fn new(router: Router, settings: Settings) -> Door {
        let room = Arc::new(Semaphore::new(settings.connections));
        let routes = TowerToHyperService::new(router);
        Door { routes, settings, room, by_origin: Arc::default() }
    }

    /// A full house says so at once: who waits in a queue nobody works off is served worse.
    async fn let_in(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        stop: &CancellationToken,
        connections: &mut JoinSet<()>,
    ) {
        let Some(place) = self.place(peer.ip()) else {
            turn_away(stream).await;
            return;
        };
        let (door, stop) = (self.clone(), stop.clone());
        connections.spawn(async move {
            let _place = place;
            if let Err(error) = door.serve_one(stream, peer, stop).await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }

    fn place(&self, address: IpAddr) -> Option<Place> {
        let room = self.room.clone().try_acquire_owned().ok()?;
        let is_counted = !is_trusted(address, &self.settings.trusted_proxies);
        let origin = is_counted.then(|| Origin::from(address));
        if let Some(origin) = origin {
            let mut by_origin = self.by_origin.lock().unwrap_or_else(PoisonError::into_inner);
            let count = by_origin.entry(origin).or_default();
            if *count >= self.settings.connections_of_one {
                return None;
            }
            *count += 1;
        }
        Some(Place { _room: room, origin, by_origin: self.by_origin.clone() })
    }

    async fn serve_one(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        stop: CancellationToken,
    ) -> io::Result<()> {
        // Small answers go out at once; a failure here costs only that.
        let _ = stream.set_nodelay(true);
        let stream = Patient::new(stream, self.settings.stall_timeout);
        match &self.settings.certificate {
            None => self.speak(stream, peer, stop).await,
            Some(certificate) => {
                let handshake = certificate.acceptor().accept(stream);
                let stream = tokio::time::timeout(self.settings.header_timeout, handshake)
                    .await
                    .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                self.speak(stream, peer, stop).await
            }
        }
    }

    async fn speak<S>(
        self: &Arc<Self>,
        stream: S,
        peer: SocketAddr,
        stop: CancellationToken,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let door = self.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let trusted = &door.settings.trusted_proxies;
            let address = ClientAddress::read(peer.ip(), request.headers(), trusted);
            request.extensions_mut().insert(address);
            door.routes.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.settings.header_timeout)
            .max_headers(MOST_HEADERS)
            .max_buf_size(LONGEST_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        ended.map_err(io::Error::other)
    }
}

async fn turn_away(mut stream: TcpStream) {
    const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
                          content-length: 0\r\nconnection: close\r\n\r\n";
    // He is told if he listens; nobody waits for it.
    let _ = tokio::time::timeout(BREATHE, stream.write_all(FULL)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(connections_of_one: usize) -> Door {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let settings = Settings { connections_of_one, trusted_proxies, ..Settings::default() };
        Door::new(Router::new(), settings)
    }

    fn place(door: &Door, address: &str) -> Option<Place> {
        door.place(address.parse().unwrap())
    }

    #[test]
    fn an_ipv4_address_is_counted_once_however_it_comes() {
        let door = door(1);
        let first = place(&door, "192.0.2.1");
        assert!(first.is_some() && place(&door, "::ffff:192.0.2.1").is_none());
        let proxies = [(); 3].map(|()| place(&door, "::ffff:10.1.2.3"));
        assert!(proxies.iter().all(Option::is_some), "a proxy is not counted");
    }

    #[test]
    fn a_customer_of_ipv6_has_no_more_places_than_one_of_ipv4() {
        let door = door(2);
        let held = ["2001:db8::1", "2001:db8::2"].map(|address| place(&door, address));
        assert!(held.iter().all(Option::is_some));
        assert!(place(&door, "2001:db8::3").is_none());
        assert!(place(&door, "2001:db8:0:1::1").is_some(), "his neighbour has his own");
        drop(held);
        assert!(place(&door, "2001:db8::3").is_some());
    }
}
