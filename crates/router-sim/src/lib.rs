//! A simulated RouterOS router on real sockets.
