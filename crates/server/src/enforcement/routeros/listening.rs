//! Following a router's sessions where it can tell of changes. Only wakes; what has changed is
//! always read.

use futures_util::FutureExt;
use lango_routeros::menus::{HotspotActive, Menu, PppActive};
use lango_routeros::{Connection, Error, Listener};
use std::future::pending;

const MENUS: [&str; 2] = [HotspotActive::PATH, PppActive::PATH];

/// The menus followed.
#[derive(Default)]
pub(super) struct Listening {
    ears: [Ear; 2],
}

/// One menu's listener.
#[derive(Default)]
enum Ear {
    /// Not begun, or to begin again because changes were lost.
    #[default]
    Shut,
    Open(Listener),
    /// The router cannot tell, or the connection is over.
    Deaf,
}

impl Listening {
    /// Returns at the next change, or when following a menu ended; then never again for it.
    pub(super) async fn changed(&mut self, connection: &Connection) {
        for (ear, menu) in self.ears.iter_mut().zip(MENUS) {
            ear.open(connection, menu).await;
        }
        let [first, second] = &mut self.ears;
        tokio::select! {
            () = first.changed() => {}
            () = second.changed() => {}
        }
    }
}

impl Ear {
    async fn open(&mut self, connection: &Connection, menu: &str) {
        if let Ear::Shut = self {
            *self = connection.listen(menu, &[".id"]).await.map_or(Ear::Deaf, Ear::Open);
        }
    }

    async fn changed(&mut self) {
        let Ear::Open(listener) = self else { return pending().await };
        if listener.next().await.is_none() {
            let lagged = matches!(listener.failure(), Some(Error::Lagged { .. }));
            *self = if lagged { Ear::Shut } else { Ear::Deaf };
            return;
        }
        // One reading answers for all that is waiting.
        while let Some(Some(_)) = listener.next().now_or_never() {}
    }
}
