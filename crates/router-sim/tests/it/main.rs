//! Stories about the simulated router, and its protocols over real sockets.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod api;
mod captive;
mod console;
mod cutting;
#[path = "../../../routeros/tests/it/exchange.rs"]
mod exchange;
mod free_radius;
mod hotspot;
mod lists;
mod ppp;
mod radius;
mod radius_orders;
mod radius_server;
mod recordings;
mod rest;
mod third_party;
mod time;

use std::net::Ipv4Addr;
use std::sync::Arc;

use lango_router_sim::{MacAddress, ManualClock, RouterSim, Settings};
use lango_routeros::{Connection, Credentials, Endpoint, Protocol, Timeouts, Tls};

/// 2026-01-02 10:00:00 UTC.
const START: i64 = 1_767_348_000_000_000;

/// A router whose time stands still until told otherwise.
struct Site {
    router: RouterSim,
    clock: Arc<ManualClock>,
}

impl Site {
    fn open() -> Site {
        Site::with(Settings::default())
    }

    fn with(settings: Settings) -> Site {
        let clock = Arc::new(ManualClock::at(START));
        let router = RouterSim::start(settings, clock.clone()).unwrap();
        Site { router, clock }
    }

    fn of_version(version: &str) -> Site {
        Site::with(Settings { version: version.to_owned(), ..Settings::default() })
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
    }

    fn user(&self, name: &str, more: &[(&str, &str)]) -> String {
        let values = [&[("name", name), ("password", "pw")], more].concat();
        self.router.add("/ip/hotspot/user", &values).unwrap()
    }

    /// A guest who joined and logged in.
    fn guest(&self, number: u8, user: &str) -> (MacAddress, Ipv4Addr) {
        let mac = mac(number);
        let ip = self.router.join(mac);
        self.router.login(mac, user, "pw").unwrap();
        (mac, ip)
    }

    fn browses(&self, mac: MacAddress, ip: Ipv4Addr) -> bool {
        self.router.can_browse(mac, ip).is_allowed()
    }

    fn active(&self) -> Vec<String> {
        let rows = self.router.rows("/ip/hotspot/active");
        rows.iter().map(|row| row.text("user").unwrap().into_owned()).collect()
    }

    fn endpoint(&self, protocol: Protocol) -> Endpoint {
        let address = match protocol {
            Protocol::Api => self.router.api_address(),
            Protocol::Rest => self.router.rest_address(),
        };
        let address = address.unwrap();
        Endpoint { host: address.ip().to_string(), port: address.port(), protocol, tls: Tls::Off }
    }

    async fn connect(&self, protocol: Protocol) -> Result<Connection, lango_routeros::Error> {
        Connection::open(&self.endpoint(protocol), &credentials("lango", "secret"), timeouts())
            .await
    }

    async fn api(&self) -> Connection {
        self.connect(Protocol::Api).await.unwrap()
    }
}

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials::new(user, password)
}

fn timeouts() -> Timeouts {
    let wait = std::time::Duration::from_secs(5);
    Timeouts { connect: wait, reply: wait }
}

fn mac(number: u8) -> MacAddress {
    MacAddress([0x02, 0x4C, 0, 0, 0, number])
}
