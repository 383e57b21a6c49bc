//! Owns the router's RADIUS sockets: questions and reports go out, answers come in, orders from
//! outside are heard. Timeouts here are real time; whatever an answer means is the world's
//! business, which is never locked while the network is waited for.

mod client;
mod handle;
mod incoming;
mod line;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults::Heading;
use crate::router::Router;
use crate::world::radius::{Order, What};

/// The way from the world to the sockets. Unbounded: the world must not wait, and what it holds
/// is at most what the people of a story have caused.
#[derive(Debug)]
pub(crate) struct Orders {
    access: mpsc::UnboundedSender<Order>,
    accounting: mpsc::UnboundedSender<Order>,
}

/// The other end of [`Orders`].
#[derive(Debug)]
pub(crate) struct Ordered {
    access: mpsc::UnboundedReceiver<Order>,
    accounting: mpsc::UnboundedReceiver<Order>,
}

pub(crate) fn orders() -> (Orders, Ordered) {
    let (access, access_ordered) = mpsc::unbounded_channel();
    let (accounting, accounting_ordered) = mpsc::unbounded_channel();
    let ordered = Ordered { access: access_ordered, accounting: accounting_ordered };
    (Orders { access, accounting }, ordered)
}

impl Orders {
    pub(crate) fn give(&self, order: Order) {
        let way = match order.what {
            What::Access(..) => &self.access,
            What::Accounting(_) => &self.accounting,
        };
        // A stopped router sends nothing.
        let _ = way.send(order);
    }
}

/// What every task here needs.
#[derive(Debug, Clone)]
pub(crate) struct Net {
    router: Router,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Net {
    pub(crate) fn new(router: Router, tasks: TaskTracker, stop: CancellationToken) -> Net {
        Net { router, tasks, stop }
    }

    /// Runs until it ends or the router stops.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Sends a datagram, or whatever the faults make of it.
    async fn transmit(&self, socket: &Arc<UdpSocket>, octets: &Arc<[u8]>, to: SocketAddr) {
        for delay in self.router.faults().radius_fate(Heading::Out) {
            if delay.is_zero() {
                // A datagram that cannot be sent is a lost one.
                let _ = socket.send_to(octets, to).await;
                continue;
            }
            let (socket, octets) = (socket.clone(), octets.clone());
            self.spawn(async move {
                tokio::time::sleep(delay).await;
                let _ = socket.send_to(&octets, to).await;
            });
        }
    }

    /// Takes a datagram in, as often and as late as the faults have it.
    fn receive(&self, octets: &[u8], take: impl Fn(Vec<u8>) + Clone + Send + 'static) {
        for delay in self.router.faults().radius_fate(Heading::In) {
            let octets = octets.to_vec();
            if delay.is_zero() {
                take(octets);
                continue;
            }
            let take = take.clone();
            self.spawn(async move {
                tokio::time::sleep(delay).await;
                take(octets);
            });
        }
    }
}

/// Begins to work off what the world orders and to hear orders from outside.
pub(crate) fn start(net: Net, ordered: Ordered) {
    net.spawn(client::serve(net.clone(), ordered.access));
    net.spawn(client::serve(net.clone(), ordered.accounting));
    net.spawn(incoming::listen(net.clone()));
}
