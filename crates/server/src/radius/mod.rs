//! The RADIUS server: NASes ask who may come in and tell what became of them.
//!
//! A request is read, believed, looked up and answered in one task; what needs the database is
//! gathered with what others need at the same moment, so that one transaction serves hundreds.
//! Silence is an answer here: a NAS asks again, or asks another server. Must never say no because
//! we are in trouble, and never acknowledge a report that is not durable.

pub mod directory;
mod duplicates;
pub mod eap;
mod identity;
pub mod ledger;
mod login;
pub mod overload;
mod reception;
mod sockets;
mod sweep;

pub(crate) use identity::each_identifier;
pub(crate) use login::{put_speed, why_off};
pub use sockets::{Bound, Settings, bind};

use crate::app::App;
use directory::Directory;
use ledger::Ledger;
use login::Desk;
use reception::Reception;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Serves until it is stopped. What is under way then is answered or forgotten: NASes ask again.
pub async fn serve(app: App, bound: Bound, stop: CancellationToken) {
    let directory = Arc::new(Directory::default());
    if let Err(error) = directory.load(&app).await {
        tracing::error!(%error, "the NASes cannot be read; trying again");
    }
    let (desk, lookups) = Desk::open(app.clone());
    let (ledger, pages) = Ledger::open();
    let mut tasks = JoinSet::new();
    tasks.spawn(directory::keep(app.clone(), directory.clone(), stop.clone()));
    tasks.spawn(login::lookup::run(app.clone(), lookups));
    tasks.spawn(ledger::run(app.clone(), pages, desk.reservations()));
    tasks.spawn(sweep::run(app.clone(), stop.clone()));
    let watched = overload::Watched::of(&bound.sockets);
    tasks.spawn(overload::watch(app.clone(), watched, stop.clone()));
    for socket in bound.sockets {
        let reception =
            Reception::new(app.clone(), directory.clone(), desk.clone(), ledger.clone(), socket);
        tasks.spawn(Arc::new(reception).run(stop.clone()));
    }
    stop.cancelled().await;
    tasks.shutdown().await;
}
