//! Drivers: how what is wanted becomes what a router holds, and how what it holds is read.
//!
//! A driver knows menus and traps, never plans, money or SQL. It must never say "confirmed"
//! without having read the router back after acting, and never conclude anything from a reading
//! that was not complete: an error halfway is an error, not half an answer.

pub mod freeradius;
pub mod radius;
pub mod routeros;

use lango_domain::access::{Access, GrantKind, Secret};
use lango_domain::ids::GrantId;
use lango_domain::mac_address::MacAddress;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_domain::wanted::Wanted;
use std::net::Ipv4Addr;

/// The mark at the start of every comment of ours on a router, followed by the grant's id.
pub const MARK: &str = "lango:";

/// What a router is to hold for one grant.
#[derive(Clone, Debug)]
pub struct Order {
    /// For which grant.
    pub grant: GrantId,
    /// What kind of access it has.
    pub kind: GrantKind,
    /// What the customer presents.
    pub access: Access,
    /// What staff may see of it, for errors and logs.
    pub label: String,
    /// What is wanted.
    pub wanted: Wanted,
    /// Devices that were online by it before: their cookies, hosts and bindings go with a cut.
    pub devices: Vec<MacAddress>,
}

/// What became of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The router was read back and holds what is wanted.
    Confirmed {
        /// Who made it so.
        by: ConfirmedBy,
        /// How many live sessions were ended by us.
        sessions_ended: u32,
    },
    /// It does not, and why, in words an operator can act upon.
    Failed(String),
}

/// Who brought a router to what is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfirmedBy {
    /// Our commands.
    Lango,
    /// The router's own deadline had fired before we came.
    Router,
    /// Our commands by its API, because it did not answer orders by RADIUS.
    Api,
    /// Nobody: there was no session to end.
    Nobody,
}

impl ConfirmedBy {
    /// The word in the database and in reports.
    pub const fn word(self) -> &'static str {
        match self {
            ConfirmedBy::Lango => "lango",
            ConfirmedBy::Router => "router",
            ConfirmedBy::Api => "api",
            ConfirmedBy::Nobody => "nobody",
        }
    }

    /// The same in a sentence about a cut.
    pub const fn words(self) -> &'static str {
        match self {
            ConfirmedBy::Lango => "by our order",
            ConfirmedBy::Router => "by the router's own deadline",
            ConfirmedBy::Api => "by the API, CoA stayed silent",
            ConfirmedBy::Nobody => "nobody was online there",
        }
    }
}

/// What a complete reading of a router found.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// What the router said of itself.
    pub observed: Observed,
    /// Grants whose objects are not as wanted, and how they differ, as a person reads it:
    /// `user is enabled, wanted cut`.
    pub differences: Vec<(GrantId, String)>,
    /// Objects that are in our way or carry our mark without being ours.
    pub strangers: Vec<lango_store::routers::Stranger>,
    /// Who is online, by grant. Grants with nobody online may be there too, with what the router
    /// counted for them in the end.
    pub online: Vec<Online>,
}

/// What a router said of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Observed {
    /// `7.24.4 (stable)`.
    pub version: String,
    /// The name on the box.
    pub identity: String,
    /// The kind of box.
    pub board: String,
    /// Since its last start.
    pub uptime: Span,
    /// How far its clock is ahead of ours, in seconds; negative if behind; none if it did not say.
    #[serde(default)]
    pub clock_ahead_seconds: Option<i64>,
    /// Sessions of all kinds, ours or not.
    pub active_sessions: u64,
    /// Whether it leaves orders by RADIUS unanswered, so that they go by its API.
    #[serde(default)]
    pub by_api_only: bool,
}

/// One grant's presence on a router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Online {
    /// Which grant.
    pub grant: GrantId,
    /// Its sessions now.
    pub sessions: Vec<LiveSession>,
    /// The router's running total of time online, past sessions included where it counts them.
    pub uptime: Span,
    /// The router's running total of data, both directions, likewise.
    pub data: DataSize,
}

/// A connection as the router shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveSession {
    /// The device, if the router says.
    pub mac: Option<MacAddress>,
    /// Its address, if the router says.
    pub address: Option<Ipv4Addr>,
    /// How long it has been online.
    pub uptime: Span,
    /// What went through since it began.
    pub data: DataSize,
}

/// Why a router could not be worked with. The connection is done for; outcomes of single orders
/// are [`Outcome::Failed`] instead.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// No connection, or no login.
    #[error("connecting to router {router}")]
    Connect {
        /// Its name.
        router: String,
        /// What went wrong.
        #[source]
        cause: lango_routeros::Error,
    },
    /// It does not answer to orders by RADIUS.
    #[error("router {router}: {why}")]
    Silent {
        /// Its name.
        router: String,
        /// What was tried, and what to do.
        why: String,
    },
    /// What it reported cannot be read from the database.
    #[error("reading what router {router} reported")]
    Reports {
        /// Its name.
        router: String,
        /// What went wrong.
        #[source]
        cause: lango_store::Error,
    },
    /// A reading or an act broke off.
    #[error("{attempted} on router {router}")]
    Broken {
        /// Its name.
        router: String,
        /// What was being done.
        attempted: &'static str,
        /// What went wrong.
        #[source]
        cause: lango_routeros::Error,
    },
}

/// What every driver does. One worker holds it; nothing here is called twice at a time.
///
/// `now` is the entrance's clock; relative deadlines on the router are computed from it.
pub enum Driver {
    /// RouterOS by binary API or REST.
    RouterOs(Box<routeros::RouterOs>),
    /// Any NAS that asks us by RADIUS.
    Radius(Box<radius::RadiusNas>),
}

impl Driver {
    /// Makes the router hold what each order wants, then reads back. One outcome per order, in
    /// order. Orders are independent: one that fails does not spoil the others.
    ///
    /// # Errors
    /// The connection broke: nothing is known of any order.
    pub async fn act(
        &mut self,
        orders: &[Order],
        now: Timestamp,
    ) -> Result<Vec<Outcome>, DriverError> {
        match self {
            Driver::RouterOs(router) => router.act(orders, now).await,
            Driver::Radius(nas) => nas.act(orders).await,
        }
    }

    /// Reads all of the router and compares it with what is expected. Changes nothing.
    ///
    /// # Errors
    /// Any part of the reading failed: then there is no answer at all.
    pub async fn survey(
        &mut self,
        expected: &[Order],
        now: Timestamp,
    ) -> Result<Survey, DriverError> {
        match self {
            Driver::RouterOs(router) => router.survey(expected, now).await,
            Driver::Radius(nas) => nas.survey(expected).await,
        }
    }

    /// Reads who is online, by user name or address as in [`Access::login`]. Much cheaper than a
    /// survey. Every session counts, ours or not; the caller knows whose they are. A login whose
    /// last session ended is absent; what that session used is in its totals the next time.
    ///
    /// # Errors
    /// The reading was not complete.
    pub async fn online(&mut self) -> Result<Vec<LoginOnline>, DriverError> {
        match self {
            Driver::RouterOs(router) => router.online().await,
            Driver::Radius(_) => Ok(Vec::new()),
        }
    }

    /// Waits until the router shows a change of its sessions, where it can tell (binary API);
    /// otherwise waits for ever. May wake for nothing; loses nothing when dropped.
    pub async fn changed(&mut self) {
        match self {
            Driver::RouterOs(router) => router.changed().await,
            Driver::Radius(_) => std::future::pending().await,
        }
    }

    /// Takes the objects of ended grants off the router, whatever the orders want; who is still
    /// online by one is cut first. One outcome per order. A static address stays blocked until a
    /// new grant has it.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn remove(&mut self, orders: &[Order]) -> Result<Vec<Outcome>, DriverError> {
        match self {
            Driver::RouterOs(router) => router.remove(orders).await,
            // It holds nothing but sessions.
            Driver::Radius(nas) => nas.act(orders).await,
        }
    }

    /// What the router said of itself when it was opened or last surveyed.
    pub fn observed(&self) -> &Observed {
        match self {
            Driver::RouterOs(router) => router.observed(),
            Driver::Radius(nas) => nas.observed(),
        }
    }

    /// Logs a device in on the hotspot from our side. The router takes it or says why not.
    ///
    /// # Errors
    /// The outer one: the connection broke. The inner one: what the router said.
    pub async fn log_in(
        &mut self,
        login: &HotspotLogin,
    ) -> Result<Result<(), String>, DriverError> {
        match self {
            Driver::RouterOs(router) => router.log_in(login).await,
            Driver::Radius(_) => {
                Ok(Err("this router asks us by RADIUS: the customer logs in there".to_owned()))
            }
        }
    }

    /// Logs devices in on the hotspot from our side and reads back who is in. One answer per
    /// device, in order.
    ///
    /// # Errors
    /// The connection broke: whether anybody is in is not known. To try again does no harm.
    pub async fn admit(&mut self, guests: &[HotspotGuest]) -> Result<Vec<Admitted>, DriverError> {
        match self {
            Driver::RouterOs(router) => router.admit(guests).await,
            Driver::Radius(_) => {
                let asks = "this router asks us by RADIUS: the device logs in there".to_owned();
                Ok(guests.iter().map(|_| Admitted::Refused(asks.clone())).collect())
            }
        }
    }

    /// Ends a user's hotspot sessions: of one device, or all of them. He may log in again.
    /// Returns how many were ended.
    ///
    /// # Errors
    /// The connection broke, or the router refused.
    pub async fn log_out(
        &mut self,
        user: &str,
        mac: Option<MacAddress>,
    ) -> Result<usize, DriverError> {
        match self {
            Driver::RouterOs(router) => router.log_out(user, mac).await,
            Driver::Radius(_) => Ok(0),
        }
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// There was none.
    pub async fn ping(&mut self) -> Result<(), DriverError> {
        match self {
            Driver::RouterOs(router) => router.ping().await,
            Driver::Radius(nas) => nas.ping().await,
        }
    }

    /// Whether the router reports who is online by itself, and is not to be read for it.
    pub fn reports_by_itself(&self) -> bool {
        matches!(self, Driver::Radius(_))
    }
}

/// A device to be logged in on a hotspot in its user's name, which the router knows already.
#[derive(Clone, Debug)]
pub struct HotspotGuest {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// The device.
    pub mac: MacAddress,
    /// Where its browser says it is.
    pub address: Option<std::net::IpAddr>,
    /// How many devices of the user may be online together.
    pub devices: u16,
    /// Whether one of them goes for this one, however busy it is.
    pub displaces: bool,
}

/// What became of a device that was to be logged in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admitted {
    /// The router shows its session.
    In {
        /// All of the user's sessions.
        sessions: Vec<LiveSession>,
        /// The device that lost its place for it.
        instead_of: Option<MacAddress>,
    },
    /// The router does not see the device; it may come back.
    Unseen(String),
    /// There is no place beside the user's other devices, of which none is silent.
    Occupied {
        /// The one that is silent for longest, if the router named one.
        by: Option<MacAddress>,
    },
    /// The router said no, in its words.
    Refused(String),
}

/// A device to be logged in on a hotspot.
#[derive(Clone, Debug)]
pub struct HotspotLogin {
    /// User name or code.
    pub user: String,
    /// Password.
    pub password: Secret,
    /// The device's address now.
    pub address: Ipv4Addr,
    /// The device, if it is known.
    pub mac: Option<MacAddress>,
}

/// Who is online under one user name or address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoginOnline {
    /// Which sort of login it is.
    pub by: LoginKind,
    /// The user name or address.
    pub login: String,
    /// The sessions.
    pub sessions: Vec<LiveSession>,
    /// As in [`Online::uptime`].
    pub uptime: Span,
    /// As in [`Online::data`].
    pub data: DataSize,
}

/// The sorts of login that a router tells apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LoginKind {
    /// Hotspot user.
    Hotspot,
    /// PPP secret.
    Ppp,
    /// Static address.
    Address,
}

impl LoginKind {
    /// The sort of login that an access uses.
    pub const fn of(access: &Access) -> LoginKind {
        match access {
            Access::Hotspot { .. } => LoginKind::Hotspot,
            Access::Pppoe { .. } => LoginKind::Ppp,
            Access::StaticIp { .. } => LoginKind::Address,
        }
    }
}
