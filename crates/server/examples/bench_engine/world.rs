//! A business with its routers and its customers, written into the database by the store's own
//! functions as if Lango had sold and confirmed it all, and planted on the simulated routers.

use crate::simulators::{Plant, Planted, Simulators, name_of};
use anyhow::Context;
use lango_domain::access::{Access, GrantKind, Secret};
use lango_domain::grant::{Birth, Grant, Presence, Standing, State, Window};
use lango_domain::ids::{GrantId, Id, RouterId, TenantId};
use lango_domain::language::Language;
use lango_domain::mac_address::MacAddress;
use lango_domain::money::{Currency, Money};
use lango_domain::phone_number::Country;
use lango_domain::plan::{EndedBy, Terms};
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_server::app::App;
use lango_server::clock::Clock;
use lango_server::operations::add_plan::{NewPlan, add_plan};
use lango_server::operations::add_router::{
    NewRouter, RouterAddress, RouterLogin, RouterProtocol, RouterTls, add_router,
};
use lango_server::operations::asked::By;
use lango_server::operations::found_tenant::{Founding, found_tenant};
use lango_store::cuts::Cut;
use lango_store::enforcements::{Confirmation, Seen, Wish};
use lango_store::grants::{NewGrant, StoredGrant};
use lango_store::plans::StoredPlan;
use lango_store::secrets::SecretKey;
use lango_store::sessions::Session;
use lango_store::{DatabaseUrl, Settings, Store, Tx};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many accounts one transaction takes.
const BATCH: usize = 1_000;
/// The time that an unused voucher gives.
const SOLD: Span = Span::hours(24);
const PLAN: &str = "One day";

/// All of it.
pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) simulators: Simulators,
    pub(crate) tenant: TenantId,
    pub(crate) routers: Vec<RouterId>,
    plan: StoredPlan,
    place: tempfile::TempDir,
}

/// Whom to add.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'e> {
    /// Online until then; the ends are dealt out in turn.
    Online(&'e [Timestamp]),
    /// Vouchers that nobody has used.
    Unused,
}

/// Opens the database and what belongs to it, as a server does.
pub(crate) async fn open(path: &Path) -> anyhow::Result<App> {
    let url = DatabaseUrl::sqlite(path);
    let store = Store::open(&url, Settings::default()).await.context("opening the database")?;
    let clock = Clock::system();
    let now = clock.now().micros();
    lango_store::migrations::migrate(&store, lango_store::schema::MIGRATIONS, now).await?;
    Ok(App::new(store, clock, SecretKey::from_bytes(&[7; 32])))
}

/// What time it is, by the clock that every process here reads.
#[allow(dead_code, reason = "the benchmark of the doors waits by it")]
pub(crate) fn open_clock() -> Timestamp {
    Clock::system().now()
}

impl World {
    /// A business with so many routers and no customers.
    pub(crate) async fn found(routers: usize) -> anyhow::Result<World> {
        let place = tempfile::Builder::new().prefix("lango-bench-").tempdir()?;
        let app = open(&place.path().join("lango.db")).await?;
        let now = app.clock().now();
        let founding = Founding {
            business: "Hotel ABC WiFi".to_owned(),
            email: "owner@abc.example".to_owned(),
            password: "benchmark".to_owned(),
            country: Country::Ke,
            zone: None,
            language: Language::En,
        };
        let tenant = found_tenant(&app, founding, &By::cli(), now).await?.tenant;
        let (price, terms) = (Money::new(10_000, Currency::KES), Terms::hotspot(SOLD));
        add_plan(&app, NewPlan { tenant, name: PLAN.to_owned(), price, terms }, &By::cli(), now)
            .await?;
        let plan = app
            .store()
            .read(async |tx: &mut Tx<'_>| lango_store::plans::by_name(tx, tenant, PLAN).await)
            .await?
            .context("the plan just added is not there")?;
        let simulators = Simulators::start(routers)?;
        let mut world = World { app, simulators, tenant, routers: Vec::new(), plan, place };
        for number in 0..routers {
            world.add_router(number, now).await?;
        }
        Ok(world)
    }

    async fn add_router(&mut self, number: usize, now: Timestamp) -> anyhow::Result<()> {
        let address = RouterAddress {
            host: "127.0.0.1".to_owned(),
            port: self.simulators.ports[number],
            protocol: RouterProtocol::Api,
            tls: RouterTls::Off,
        };
        let login = RouterLogin { user: "lango".to_owned(), password: "secret".to_owned() };
        let name = format!("R{number:02}");
        let new = NewRouter { tenant: self.tenant, name, address, login };
        let id = add_router(&self.app, new, &By::cli(), now).await?.id;
        self.routers.push(id);
        Ok(())
    }

    /// The database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.place.path().join("lango.db")
    }

    /// Another file beside it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Adds grants that are confirmed on their routers already, dealt out over all of these.
    /// They are planted on the routers under the group's number. Returns their ids.
    pub(crate) async fn add(
        &mut self,
        count: usize,
        group: u8,
        kind: Kind<'_>,
    ) -> anyhow::Result<Vec<GrantId>> {
        let mut ids = Vec::with_capacity(count);
        let of_routers = self.routers.len();
        for place in 0..of_routers {
            let mut left = count / of_routers + usize::from(place < count % of_routers);
            while left > 0 {
                let batch = left.min(BATCH);
                // Dealt out in turn, so that every router has some of every end.
                let ends = (0..batch).map(|turn| (left - 1 - turn) * of_routers + place);
                let grants = self.grants(place, ends, kind);
                ids.extend(grants.iter().map(|grant| grant.stored.grant.id));
                self.install(place, group, grants, kind).await?;
                left -= batch;
            }
        }
        Ok(ids)
    }

    fn grants(
        &self,
        place: usize,
        ends: impl Iterator<Item = usize>,
        kind: Kind<'_>,
    ) -> Vec<NewGrant> {
        let now = self.app.clock().now();
        let online = |end: usize| match kind {
            Kind::Online(ends) => ends.get(end % ends.len().max(1)).copied(),
            Kind::Unused => None,
        };
        ends.map(|end| self.grant(self.routers[place], online(end), now)).collect()
    }

    fn grant(&self, router: RouterId, end: Option<Timestamp>, now: Timestamp) -> NewGrant {
        let id: GrantId = self.app.id(now);
        let StoredPlan { plan, terms_id, .. } = &self.plan;
        let birth = Birth {
            id,
            tenant: self.tenant,
            plan: plan.id,
            customer: None,
            kind: GrantKind::Voucher,
            terms: plan.terms.clone(),
            standing: Standing::Paid,
        };
        let mut grant = Grant::new(birth, now);
        if let Some(end) = end {
            let window = Window { started: now, ends_at: Some(end), ended_by: EndedBy::Wall };
            grant.state = State::Active(window);
            grant.presence = Presence::Online { devices: 1, measured_at: now, asked_at: None };
        }
        let name = name_of(id);
        let access = Access::Hotspot { password: Secret::new(name.clone()), name: name.clone() };
        let label = format!("…{}", &name[name.len().saturating_sub(2)..]);
        let router = Some(router);
        NewGrant {
            login_hash: self.app.login_hash(&access),
            access: self.app.seal_access(id, &access),
            stored: StoredGrant { grant, terms_id: *terms_id, label, router, version: 1 },
        }
    }

    async fn install(
        &mut self,
        place: usize,
        group: u8,
        grants: Vec<NewGrant>,
        kind: Kind<'_>,
    ) -> anyhow::Result<()> {
        let account = |grant: &NewGrant| {
            let grant = &grant.stored.grant;
            (grant.id.raw(), grant.state.ends_at().map_or(SOLD.micros(), Timestamp::micros))
        };
        let planted = self.simulators.plant(Plant {
            router: place,
            group,
            online: matches!(kind, Kind::Online(_)),
            marked: true,
            accounts: grants.iter().map(account).collect(),
        })?;
        let (app, router) = (self.app.clone(), self.routers[place]);
        let batch = Arc::new((grants, planted));
        self.app
            .store()
            .write(async move |tx: &mut Tx<'_>| write(tx, &app, router, &batch.0, &batch.1).await)
            .await?;
        Ok(())
    }

    /// The cuts that routers confirmed, of these grants.
    pub(crate) async fn cuts_of(&self, grants: &[GrantId]) -> anyhow::Result<Vec<Cut>> {
        const PAGE: i64 = 5_000;
        let known: std::collections::HashSet<&GrantId> = grants.iter().collect();
        let (tenant, mut before, mut all) = (self.tenant, None, Vec::new());
        loop {
            let page = self
                .app
                .store()
                .report(async move |tx: &mut Tx<'_>| {
                    lango_store::cuts::page(tx, tenant, before, PAGE).await
                })
                .await?;
            let full = page.len() as i64 == PAGE;
            before = page.last().map(|cut| cut.id);
            all.extend(page.into_iter().filter(|cut| known.contains(&cut.grant)));
            if !full {
                return Ok(all);
            }
        }
    }
}

/// As if each had been sold, wished onto its router and confirmed there, and its customer seen.
async fn write(
    tx: &mut Tx<'_>,
    app: &App,
    router: RouterId,
    grants: &[NewGrant],
    planted: &Planted,
) -> Result<(), lango_store::Error> {
    use lango_store::{enforcements, sessions};
    let now = app.clock().now();
    // Due before everything else, so that the claim below takes these and no others.
    let due_at = Timestamp::from_micros(1);
    lango_store::grants::insert(tx, grants, now).await?;
    let wishes: Vec<Wish> = grants
        .iter()
        .map(|NewGrant { stored: StoredGrant { grant, .. }, .. }| {
            let (tenant, wanted) = (grant.tenant, grant.wanted());
            Wish { router, grant: grant.id, tenant, wanted, due_at }
        })
        .collect();
    enforcements::want(tx, &wishes, now).await?;
    let work = enforcements::claim(tx, router, now, now, grants.len() as i64).await?;
    let confirmations: Vec<Confirmation> = work
        .iter()
        .map(|work| Confirmation {
            grant: work.grant,
            attempt: work.attempt,
            revision: work.revision,
            access: work.wanted.word(),
            by: "lango",
        })
        .collect();
    enforcements::confirm(tx, router, &confirmations, now).await?;
    let started_at = Timestamp::from_micros(planted.at);
    let mut seen = Vec::new();
    for (grant, (mac, address)) in grants.iter().zip(&planted.devices) {
        let (mac, grant) = (MacAddress::new(*mac), &grant.stored.grant);
        let session = Session {
            id: app.id(now),
            tenant: grant.tenant,
            router,
            grant: grant.id,
            mac: Some(mac),
            address: Some(address.to_string()),
            started_at,
            ended_at: None,
            uptime: Span::ZERO,
            data: DataSize::ZERO,
        };
        sessions::open(tx, &session).await?;
        sessions::see_device(tx, grant.tenant, mac, grant.id, now).await?;
        let counted = Seen { router, devices: 1, uptime: Span::ZERO, data: DataSize::ZERO };
        seen.push((grant.id, counted));
    }
    enforcements::note_seen(tx, &seen).await
}
