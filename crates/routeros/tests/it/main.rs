//! The clients against scripted routers on real sockets.

// Marked as test code so that clippy lets helpers unwrap.
#[cfg(test)]
mod api;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod fake_router;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod tls;
