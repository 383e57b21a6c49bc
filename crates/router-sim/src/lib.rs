//! A simulated RouterOS router on real sockets: its menus, hotspot, PPP and firewall, and the
//! people behind it. Speaks the binary API and REST. Knows the router's rules and nobody's product.

mod clock;
mod faults;
mod router;
mod server;
mod world;

pub use clock::{Clock, ManualClock, SystemClock};
pub use faults::{Faults, PrintEnd};
pub use lango_routeros::values::MacAddress;
pub use router::{Account, Reboot, Router, RouterSim, Settings};
pub use world::{Change, Obstacle, Pasted, PersonEvent, Row, Trap, Verdict, Way};
