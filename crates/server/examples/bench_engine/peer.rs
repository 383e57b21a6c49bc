//! How it is done today: a job that runs every minute, reads all vouchers to find the expired,
//! and for each of them, one after the other, router after router, logs in for every command,
//! removes what the first row of a print shows, and writes "expired" whatever came of it.

use crate::simulators::{Plant, name_of};
use crate::world::World;
use anyhow::Context;
use lango_domain::ids::{GrantId, Id};
use lango_domain::time::{Span, Timestamp};
use lango_routeros::menus::{HotspotActive, HotspotUser};
use lango_routeros::{Connection, Credentials, Endpoint, Protocol, Query, Timeouts, Tls};
use lango_store::{Bulk, DatabaseUrl, Settings, Sql, Store, Tx, args, bulk, sql};
use std::time::Instant;

/// How often the job runs.
pub(crate) const CRON: Span = Span::minutes(1);

const TABLE: Sql = sql!(
    "CREATE TABLE vouchers (id INTEGER PRIMARY KEY, name TEXT, router INTEGER, ends_at INTEGER, \
     status TEXT)"
);
const INSERT: Bulk = bulk!(
    sqlite: "INSERT INTO vouchers (id, name, router, ends_at, status) \
             VALUES ($1, $2, $3, $4, 'active')",
    postgres: "",
);
const EXPIRED: Sql = sql!(
    "SELECT id, name, router, ends_at FROM vouchers WHERE status = 'active' AND ends_at <= $1"
);
const DONE: Sql = sql!("UPDATE vouchers SET status = 'expired' WHERE id = $1");

/// Today's way on the same routers, with a database of its own.
pub(crate) struct Peer {
    store: Store,
    ports: Vec<u16>,
}

/// What one run of the job came to.
pub(crate) struct Pass {
    /// Time for reading the table.
    pub(crate) scan: Span,
    /// Time per voucher after that.
    pub(crate) per_cut: Span,
    /// From each end to its being cut, sorted.
    pub(crate) lateness: Vec<Span>,
}

impl Peer {
    /// A table of so many vouchers that are not over.
    pub(crate) async fn with_vouchers(world: &World, count: usize) -> anyhow::Result<Peer> {
        let url = DatabaseUrl::sqlite(world.file("peer.db"));
        let store = Store::open(&url, Settings::default()).await?;
        store.write(async |tx: &mut Tx<'_>| tx.execute(TABLE, &[]).await.map(drop)).await?;
        let peer = Peer { store, ports: world.simulators.ports.clone() };
        let later = world.app.clock().now() + Span::hours(24);
        for from in (0..count).step_by(10_000) {
            let rows = (from..count.min(from + 10_000)).map(|number| {
                let name = format!("F{number:X}");
                (number as i64, name, (number % peer.ports.len()) as i64, later)
            });
            peer.insert(rows.collect()).await?;
        }
        Ok(peer)
    }

    async fn insert(&self, rows: Vec<(i64, String, i64, Timestamp)>) -> anyhow::Result<()> {
        Ok(self
            .store
            .write(async move |tx: &mut Tx<'_>| tx.bulk(INSERT, &rows).await.map(drop))
            .await?)
    }

    /// So many people online whose time ended in the course of the minute before the job runs;
    /// then the job runs once.
    pub(crate) async fn cut(
        &self,
        world: &mut World,
        count: usize,
        group: u8,
    ) -> anyhow::Result<Pass> {
        let ids: Vec<GrantId> = (0..count).map(|_| world.app.id(world.app.clock().now())).collect();
        let later = (world.app.clock().now() + Span::hours(1)).micros();
        let routers = self.ports.len();
        for router in 0..routers {
            let accounts =
                ids.iter().skip(router).step_by(routers).map(|id| (id.raw(), later)).collect();
            let plant = Plant { router, group, online: true, marked: false, accounts };
            world.simulators.plant(plant)?;
        }
        let now = world.app.clock().now();
        let share = CRON.micros() / count.max(1) as i64;
        let rows = ids.iter().enumerate().map(|(at, id)| {
            let end = now + Span::from_micros(share * at as i64);
            let end = Timestamp::from_micros(end.micros() - CRON.micros());
            (id.raw(), name_of(*id), (at % routers) as i64, end)
        });
        self.insert(rows.collect()).await?;
        self.run(world).await
    }

    async fn run(&self, world: &World) -> anyhow::Result<Pass> {
        let began = Instant::now();
        let expired = self.scan(world.app.clock().now()).await?;
        let scan = span(began);
        let began = Instant::now();
        let mut lateness = Vec::new();
        for (id, name, router, end) in expired {
            let port = *self.ports.get(usize::try_from(router)?).context("no such router")?;
            // Whether it worked is not asked.
            let _ = disable(port, &name).await;
            let _ = remove_active(port, &name).await;
            let row = async move |tx: &mut Tx<'_>| tx.execute(DONE, &args![id]).await.map(drop);
            self.store.write(row).await?;
            lateness.push(world.app.clock().now().since(end));
        }
        let per_cut = Span::from_micros(span(began).micros() / lateness.len().max(1) as i64);
        lateness.sort();
        Ok(Pass { scan, per_cut, lateness })
    }

    async fn scan(&self, now: Timestamp) -> anyhow::Result<Vec<(i64, String, i64, Timestamp)>> {
        Ok(self.store.all(EXPIRED, &args![now]).await?)
    }

    /// The time that finding nothing takes.
    pub(crate) async fn idle_scan(&self) -> anyhow::Result<Span> {
        let began = Instant::now();
        self.scan(Timestamp::from_micros(0)).await?;
        Ok(span(began))
    }

    /// The time that asking a router for one account takes, of so many asked one by one.
    pub(crate) async fn compare_one(
        &self,
        router: usize,
        names: &[String],
    ) -> anyhow::Result<Span> {
        let connection = log_in(self.ports[router]).await?;
        let began = Instant::now();
        for name in names {
            connection.all::<HotspotUser>(Some(Query::equals("name", name))).await?;
        }
        Ok(Span::from_micros(span(began).micros() / names.len().max(1) as i64))
    }
}

async fn disable(port: u16, name: &str) -> anyhow::Result<()> {
    let connection = log_in(port).await?;
    let users: Vec<HotspotUser> = connection.all(Some(Query::equals("name", name))).await?;
    if let Some(user) = users.first() {
        connection.set("/ip/hotspot/user", &user.id, &[("disabled", "yes")]).await?;
    }
    Ok(())
}

async fn remove_active(port: u16, name: &str) -> anyhow::Result<()> {
    let connection = log_in(port).await?;
    let active: Vec<HotspotActive> = connection.all(Some(Query::equals("user", name))).await?;
    if let Some(session) = active.first() {
        connection.remove("/ip/hotspot/active", &session.id).await?;
    }
    Ok(())
}

async fn log_in(port: u16) -> anyhow::Result<Connection> {
    let endpoint =
        Endpoint { host: "127.0.0.1".to_owned(), port, protocol: Protocol::Api, tls: Tls::Off };
    let credentials = Credentials::new("lango", "secret");
    Ok(Connection::open(&endpoint, &credentials, Timeouts::default()).await?)
}

/// The time since then.
pub(crate) fn span(since: Instant) -> Span {
    Span::from_micros(i64::try_from(since.elapsed().as_micros()).unwrap_or(i64::MAX))
}
