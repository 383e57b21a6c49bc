//! A simulated RouterOS router on real sockets: its menus, hotspot, PPP and firewall, and the
//! people behind it. Speaks the binary API and REST. Knows the router's rules and nobody's product.

mod clock;
mod world;

pub use clock::{Clock, ManualClock, SystemClock};
pub use lango_routeros::values::MacAddress;
pub use world::{Change, Obstacle, PersonEvent, Row, Trap, Verdict, Way};
