//! Owns what a story may do with a router's RADIUS: point it to a server, wait for its answers,
//! read its counters.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::PoisonError;

use lango_routeros::values::MacAddress;
use tokio::sync::broadcast;

use super::incoming;
use crate::router::{Reboot, Router};
use crate::world::hotspot::Login;
use crate::world::{Page, RadiusCounters, RadiusEvent, Trap, World};

impl Router {
    /// Adds a server for hotspot and PPP at the end of `/radius`, and lets both ask it and report
    /// to it. Returns the id of its row, by which `set` changes the rest, such as `timeout`.
    pub fn use_radius(
        &self,
        address: Ipv4Addr,
        authentication_port: u16,
        accounting_port: u16,
        secret: &str,
    ) -> Result<String, Trap> {
        let values = [
            ("service", "hotspot,ppp"),
            ("address", &address.to_string()),
            ("authentication-port", &authentication_port.to_string()),
            ("accounting-port", &accounting_port.to_string()),
            ("secret", secret),
        ];
        let id = self.add("/radius", &values)?;
        for profile in self.rows("/ip/hotspot/profile") {
            let profile = profile.text(".id").unwrap_or_default();
            self.set("/ip/hotspot/profile", &profile, &[("use-radius", "yes")])?;
        }
        self.set("/ppp/aaa", "", &[("use-radius", "yes")])?;
        Ok(id)
    }

    /// Like [`Router::login`], but waits for RADIUS if that is asked. `Err` is the text that the
    /// page shows, such as the Reply-Message of a Reject.
    pub async fn sign_in(&self, mac: MacAddress, user: &str, password: &str) -> Result<(), String> {
        self.outcome(|world| world.type_in(mac, user, password, Page::Own)).await
    }

    /// Like [`Router::login_from_portal`], but waits for RADIUS if that is asked.
    pub async fn sign_in_from_portal(
        &self,
        mac: MacAddress,
        user: &str,
        password: &str,
    ) -> Result<(), String> {
        self.outcome(|world| world.type_in(mac, user, password, Page::Portal)).await
    }

    pub(crate) async fn outcome(
        &self,
        attempt: impl FnOnce(&mut World) -> Result<Login, String>,
    ) -> Result<(), String> {
        let told = self.with(|world| {
            let login = attempt(world)?;
            Ok::<_, String>(match login {
                Login::In => None,
                Login::Asked(number) => world.radius.await_outcome(number),
            })
        })?;
        match told {
            Some(told) => told.await.unwrap_or_else(|_| Err("the router has rebooted".to_owned())),
            None => Ok(()),
        }
    }

    /// What the router has counted for all its servers together.
    pub fn radius_counters(&self) -> RadiusCounters {
        self.with(|world| world.radius_counters())
    }

    /// What becomes of accounting packets from now on. A receiver that is more than 16,384 events
    /// behind loses the oldest.
    pub fn radius_events(&self) -> broadcast::Receiver<RadiusEvent> {
        self.with(|world| world.radius.subscribe())
    }

    /// Takes Disconnect- and CoA-Requests from now on, on this port of the router's address; 0
    /// picks one. The same as `accept` and `port` of `/radius/incoming`, but ready on return.
    pub fn accept_incoming(&self, port: u16) -> io::Result<SocketAddr> {
        let own = self.with(|world| world.own_address());
        let socket = incoming::bind(own, port)?;
        let port = socket.local_addr()?.port();
        *self.bound_ahead().lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
        let values = [("accept", "yes"), ("port", &port.to_string())];
        self.set("/radius/incoming", "", &values).map_err(io::Error::other)?;
        Ok(SocketAddr::new(IpAddr::V4(own), port))
    }

    /// Whether the router announces its starts and orderly ends by Accounting-On and
    /// Accounting-Off, as other makes do. RouterOS does not, and neither does this one until told.
    pub fn announce_by_accounting(&self, announces: bool) {
        self.with(|world| world.radius.announces = announces);
    }

    /// A reboot that ends every session first, with a Stop that says NAS-Reboot; the reports still
    /// go out. [`Router::reboot`] is the power cut: no Stop, and nothing is sent again.
    pub fn reboot_in_order(&self, reboot: Reboot) {
        self.with(World::say_goodbye);
        self.reboot(reboot);
    }
}
