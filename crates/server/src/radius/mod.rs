//! RADIUS as a server speaks it.

pub mod eap;
