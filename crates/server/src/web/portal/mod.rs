//! The captive portal: what a customer sees, from joining the Wi-Fi to being online and back.
//!
//! Pages without any script, without cookies and without storage: mini-browsers have none of them.
//! What is going on is kept by the server under (site, device); links carry a signed visit. Every
//! step is a navigation, because phones look whether they are online after navigations only. It reads
//! and writes by `desk.rs` and nowhere else.

mod access;
mod desk;
pub(crate) mod guesses;
mod landing;
mod pages;
mod payment;
mod recover;
mod respond;
mod sentences;
mod status;
mod visit;
mod visitor;
mod voucher;
mod words;

#[cfg(test)]
mod snapshots;

use crate::web::Entrance;
use axum::Router;
use axum::routing::get;

/// The portal's addresses. `/V/…` is printed on vouchers: capitals make a smaller QR.
pub(crate) fn routes() -> Router<Entrance> {
    Router::new()
        .route("/p/{router}", get(landing::show))
        .route("/p/{router}/buy", get(payment::come_back).post(payment::buy))
        .route("/p/{router}/wait", get(payment::wait))
        .route("/p/{router}/again", get(payment::come_back).post(payment::again))
        .route("/p/{router}/voucher", get(voucher::show).post(voucher::redeem))
        .route("/p/{router}/connect", get(access::connect).post(access::want))
        .route("/p/{router}/online", get(access::online))
        .route("/p/{router}/move", get(access::ask_to_move).post(access::move_here))
        .route("/p/{router}/recover", get(recover::show).post(recover::find))
        .route("/p/{router}/sent", get(recover::sent))
        .route("/p/{router}/status", get(status::show))
        .route("/p/{router}/leave", get(status::show).post(status::leave))
        .route("/p/{router}/terms", get(landing::terms))
        .route("/V/{code}", get(voucher::printed))
        .route("/v/{code}", get(voucher::printed))
}
