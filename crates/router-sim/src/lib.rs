//! A simulated RouterOS router on real sockets: its menus, hotspot, PPP and firewall, and the
//! people behind it. Speaks the binary API and REST, and asks RADIUS servers as their NAS. Knows the router's rules and nobody's product.

mod clock;
mod faults;
mod nas;
mod router;
mod server;
mod world;

pub use clock::{Clock, ManualClock, SystemClock};
pub use faults::{Counting, Disturbance, Faults, PrintEnd};
pub use lango_radius::ErrorCause;
pub use lango_radius::accounting::{Status, TerminateCause};
pub use lango_routeros::values::MacAddress;
pub use router::{Account, Reboot, Router, RouterSim, Settings};
pub use world::{
    AccountingReport, Change, Delivery, Fetched, Obstacle, Pasted, PersonEvent, RadiusCounters,
    RadiusEvent, Row, Trap, Verdict, Way,
};
