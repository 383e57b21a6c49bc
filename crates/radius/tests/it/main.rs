//! The codec against published packets, packets that other implementations made or accepted, and
//! arbitrary octets.

mod properties;
mod vectors;
