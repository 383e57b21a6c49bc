//! The RADIUS server: NASes ask who may come in and tell what became of them.
//!
//! A request is read, believed, looked up and answered in one task; what needs the database is
//! gathered with what others need at the same moment, so that one transaction serves hundreds.
//! Silence is an answer here: a NAS asks again, or asks another server. Must never say no because
//! we are in trouble, and never acknowledge a report that is not durable.

pub mod certificate;
mod closing;
pub mod directory;
mod duplicates;
pub mod eap;
mod identity;
pub mod ledger;
mod login;
pub mod overload;
mod own_certificate;
mod radsec;
mod reception;
mod sockets;
mod sweep;
mod wall;

pub(crate) use closing::closes;
pub(crate) use identity::{LetInAs, each_identifier, let_in_as};
pub(crate) use login::{put_speed, why_off};
pub use own_certificate::{NAME, ROOT};
pub use sockets::{Bound, Settings, bind};
pub(crate) use wall::is_walled;

use crate::app::App;
use directory::Directory;
use ledger::Ledger;
use login::Desk;
use reception::{Office, Reception};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Serves until it is stopped. What is under way then is answered or forgotten: NASes ask again.
pub async fn serve(app: App, bound: Bound, stop: CancellationToken) {
    let directory = Arc::new(Directory::default());
    if let Err(error) = directory.load(&app).await {
        tracing::error!(%error, "the NASes cannot be read; trying again");
    }
    let (desk, lookups) = Desk::open(app.clone(), bound.certificate.clone());
    let (ledger, pages) = Ledger::open();
    let mut tasks = JoinSet::new();
    tasks.spawn(directory::keep(app.clone(), directory.clone(), stop.clone()));
    tasks.spawn(login::lookup::run(app.clone(), lookups));
    tasks.spawn(ledger::run(app.clone(), pages, desk.reservations()));
    tasks.spawn(sweep::run(app.clone(), stop.clone()));
    let watched = overload::Watched::of(&bound.sockets);
    tasks.spawn(overload::watch(app.clone(), watched, stop.clone()));
    tasks.spawn(closing::run(app.clone(), stop.clone()));
    let office = Office { app: app.clone(), directory, desk, ledger };
    for ear in bound.sockets {
        let reception = Reception::new(office.clone(), ear);
        tasks.spawn(Arc::new(reception).run(stop.clone()));
    }
    if let Some(certificate) = bound.certificate {
        if let Some(listener) = bound.tls {
            let serve = radsec::serve(office, listener, certificate.clone(), stop.clone());
            tasks.spawn(serve);
        }
        let stop = stop.clone();
        tasks.spawn(async move { certificate.watch(app.clock(), stop).await });
    }
    stop.cancelled().await;
    tasks.shutdown().await;
}
