//! Owns the sockets: listening, connections and their end. What a command means is the world's
//! business; what goes wrong on the way is in `faults`.

pub(crate) mod api;
pub(crate) mod rest;
pub(crate) mod stream;
pub(crate) mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::router::Router;
use crate::world::command::Door;
use stream::Stream;

/// What a port speaks.
#[derive(Clone)]
pub(crate) enum Speaks {
    Api(Option<TlsAcceptor>),
    Rest(Option<TlsAcceptor>),
}

/// A port that is kept even while nobody listens on it, so that a router can be unreachable and
/// come back at the same address.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    keeper: TcpSocket,
    listener: Option<TcpListener>,
}

impl Port {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Port> {
        let keeper = socket(address)?;
        let address = keeper.local_addr()?;
        let listener = Some(listen(address)?);
        Ok(Port { address, keeper, listener })
    }

    fn set_open(&mut self, open: bool) -> io::Result<()> {
        // The keeper holds the number; it was bound and never listens.
        debug_assert_eq!(self.keeper.local_addr().ok(), Some(self.address));
        if !open {
            self.listener = None;
        } else if self.listener.is_none() {
            self.listener = Some(listen(self.address)?);
        }
        Ok(())
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match &self.listener {
            Some(listener) => listener.accept().await,
            None => std::future::pending().await,
        }
    }
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    socket(address)?.listen(1_024)
}

/// Accepts connections on a port until stopped.
pub(crate) async fn serve(
    mut port: Port,
    speaks: Speaks,
    router: Router,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let mut plan = router.faults().watch();
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let unreachable = plan.borrow_and_update().unreachable;
        if let Err(error) = port.set_open(!unreachable) {
            tracing::error!(%error, address = %port.address, "cannot listen again");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = plan.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            accepted = port.accept() => match accepted {
                Ok((stream, from)) => {
                    // Small replies must not wait for each other.
                    let _ = stream.set_nodelay(true);
                    let connection = connection(stream, from, speaks.clone(), router.clone(), open.clone(), stop.clone());
                    tasks.spawn(connection);
                }
                Err(error) => tracing::debug!(%error, "a connection was gone before it was accepted"),
            },
        }
    }
}

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    speaks: Speaks,
    router: Router,
    open: Arc<AtomicUsize>,
    stop: CancellationToken,
) {
    if router.faults().now().unreachable {
        // It came in before the port was closed.
        return Stream::Plain(stream).reset();
    }
    let _counted = Counted::new(&open);
    let service = match &speaks {
        Speaks::Api(None) => "api",
        Speaks::Api(Some(_)) => "api-ssl",
        Speaks::Rest(None) => "www",
        Speaks::Rest(Some(_)) => "www-ssl",
    };
    match router.with(|world| world.doorkeeper(service, from.ip())) {
        Door::Open => {}
        Door::Closed => return Stream::Plain(stream).reset(),
        // REST closes without a word, the API looks like a hang.
        Door::Ignored if service.starts_with("www") => return,
        Door::Ignored => return ignore(stream, &stop).await,
    }
    let most = router.faults().now().session_limit;
    let most = most.unwrap_or_else(|| router.with(|world| world.max_sessions(service)));
    if open.load(Ordering::SeqCst) > most {
        return;
    }
    let stopped = stop.cancelled();
    let served = async {
        match speaks {
            Speaks::Api(None) => api::serve(Stream::Plain(stream), router, from.ip()).await,
            Speaks::Api(Some(acceptor)) => {
                if !router.with(|world| world.shows_certificate(service)) {
                    return tls::refuse(stream).await;
                }
                if let Ok(stream) = acceptor.accept(stream).await {
                    api::serve(Stream::Tls(Box::new(stream)), router, from.ip()).await;
                }
            }
            Speaks::Rest(None) => rest::serve(stream, router, from.ip()).await,
            Speaks::Rest(Some(acceptor)) => {
                if !router.with(|world| world.shows_certificate(service)) {
                    return tls::refuse(stream).await;
                }
                if let Ok(stream) = acceptor.accept(stream).await {
                    rest::serve(stream, router, from.ip()).await;
                }
            }
        }
    };
    tokio::select! {
        () = stopped => {}
        () = served => {}
    }
}

/// Takes everything and answers nothing, until the peer has had enough.
async fn ignore(mut stream: TcpStream, stop: &CancellationToken) {
    let mut nowhere = tokio::io::sink();
    tokio::select! {
        () = stop.cancelled() => {}
        // Either way it is over.
        _ = tokio::io::copy(&mut stream, &mut nowhere) => {}
    }
}

/// One more open connection for as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(open: &'a AtomicUsize) -> Counted<'a> {
        open.fetch_add(1, Ordering::SeqCst);
        Counted(open)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
