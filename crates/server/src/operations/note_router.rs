//! A router came within reach, or went out of it.

use crate::app::App;
use crate::operations::asked::{self, Actor, Entry};
use crate::operations::change_router::account;
use lango_domain::time::Timestamp;
use lango_store::routers::Router;
use lango_store::{Error, Tx};

/// Notes that a router was connected to and compared.
///
/// # Errors
/// A fault of the store.
pub async fn note_up(app: &App, router: &Router, now: Timestamp) -> Result<(), Error> {
    let (desk, router) = (app.clone(), router.clone());
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            account(tx, &desk, &Actor::Engine, &router, "router up", now).await
        })
        .await
}

/// Notes that a router could not be worked with. Only the first time is news.
///
/// # Errors
/// A fault of the store.
pub async fn note_down(
    app: &App,
    router: &Router,
    error: String,
    is_news: bool,
    now: Timestamp,
) -> Result<(), Error> {
    let (desk, router) = (app.clone(), router.clone());
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            if is_news {
                let detail = format!("{}: {error}", router.name);
                let entry = Entry {
                    router: Some(router.id),
                    ..Entry::of(router.tenant, "router down", detail)
                };
                asked::account(tx, &desk, &Actor::Engine, entry, now).await?;
            }
            lango_store::routers::note_failure(tx, router.id, &error, now).await
        })
        .await
}
