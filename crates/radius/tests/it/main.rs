//! The codec against published packets, packets that other implementations made or accepted,
//! damaged ones, and arbitrary octets.

mod mutations;
mod properties;
mod public;
mod vectors;
