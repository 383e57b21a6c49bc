//! The same subscribers for everybody, in Lango's database: written by the store's own functions
//! as if they had been sold and confirmed.

use crate::nas::SECRET;
use crate::sessions::{name, password};
use anyhow::Context;
use lango_domain::access::{Access, GrantKind, Secret};
use lango_domain::grant::{Birth, Grant, Standing};
use lango_domain::ids::{GrantId, RouterId, TenantId};
use lango_domain::language::Language;
use lango_domain::money::{Currency, Money};
use lango_domain::phone_number::Country;
use lango_domain::plan::Terms;
use lango_domain::quantity::Speed;
use lango_domain::time::{Span, Timestamp};
use lango_server::app::App;
use lango_server::clock::Clock;
use lango_server::operations::add_plan::{NewPlan, add_plan};
use lango_server::operations::add_router::{NewRouter, RouterLogin, add_router};
use lango_server::operations::asked::By;
use lango_server::operations::found_tenant::{Founding, found_tenant};
use lango_store::enforcements::{Confirmation, Wish};
use lango_store::grants::{NewGrant, StoredGrant};
use lango_store::plans::StoredPlan;
use lango_store::secrets::SecretKey;
use lango_store::{DatabaseUrl, Settings, Store, Tx};
use std::net::SocketAddr;
use std::sync::Arc;

/// How many subscribers one transaction takes.
const BATCH: usize = 1_000;

/// What all subscribers have: 5 megabits both ways.
pub(crate) const RATE_LIMIT: &str = "5000000/5000000";

/// Opens the database and what belongs to it, as a server does.
pub(crate) async fn open(url: &DatabaseUrl) -> anyhow::Result<App> {
    let store = Store::open(url, Settings::default()).await.context("opening the database")?;
    let clock = Clock::system();
    let now = clock.now().micros();
    lango_store::migrations::migrate(&store, lango_store::schema::MIGRATIONS, now).await?;
    Ok(App::new(store, clock, SecretKey::from_bytes(&[7; 32])))
}

/// A business with a NAS that takes orders there, and so many subscribers.
pub(crate) async fn found(
    url: &DatabaseUrl,
    orders: SocketAddr,
    subscribers: usize,
) -> anyhow::Result<()> {
    let app = open(url).await?;
    let now = app.clock().now();
    let founding = Founding {
        business: "ABC Fibre".to_owned(),
        email: "owner@abc.example".to_owned(),
        password: "benchmark".to_owned(),
        country: Country::Ke,
        zone: None,
        language: Language::En,
    };
    let tenant = found_tenant(&app, founding, &By::cli(), now).await?.tenant;
    let login = RouterLogin { user: String::new(), password: SECRET.to_owned() };
    let address = format!("radius://{orders}").parse().context("the address of the NAS")?;
    let new = NewRouter { tenant, name: "BRAS".to_owned(), address, login };
    let router = add_router(&app, new, &By::cli(), now).await?.id;
    let plan = plan(&app, tenant, now).await?;
    for begin in (0..subscribers).step_by(BATCH) {
        let batch = begin..subscribers.min(begin + BATCH);
        let grants: Arc<[NewGrant]> = batch.map(|number| grant(&app, &plan, number, now)).collect();
        app.store()
            .write(async move |tx: &mut Tx<'_>| write(tx, router, &grants, now).await)
            .await?;
    }
    app.store().close().await;
    Ok(())
}

async fn plan(app: &App, tenant: TenantId, now: Timestamp) -> anyhow::Result<StoredPlan> {
    const NAME: &str = "Home 5M";
    let price = Money::new(200_000, Currency::KES);
    let speed = Some(Speed { upload: 5_000_000, download: 5_000_000 });
    let terms = Terms { speed, ..Terms::service(Span::days(30)) };
    add_plan(app, NewPlan { tenant, name: NAME.to_owned(), price, terms }, &By::cli(), now).await?;
    app.store()
        .read(async |tx: &mut Tx<'_>| lango_store::plans::by_name(tx, tenant, NAME).await)
        .await?
        .context("the plan just added is not there")
}

fn grant(app: &App, stored: &StoredPlan, number: usize, now: Timestamp) -> NewGrant {
    let id: GrantId = app.id(now);
    let StoredPlan { plan, terms_id, .. } = stored;
    let birth = Birth {
        id,
        tenant: plan.tenant,
        plan: plan.id,
        customer: None,
        kind: GrantKind::Pppoe,
        terms: plan.terms.clone(),
        standing: Standing::Paid,
    };
    let access = Access::Pppoe {
        name: name(number),
        password: Secret::new(password(number)),
        address: None,
    };
    let grant = Grant::new(birth, now);
    NewGrant {
        login_hash: app.login_hash(&access),
        access: app.seal_access(id, &access),
        stored: StoredGrant {
            grant,
            terms_id: *terms_id,
            label: name(number),
            router: None,
            version: 1,
        },
    }
}

async fn write(
    tx: &mut Tx<'_>,
    router: RouterId,
    grants: &[NewGrant],
    now: Timestamp,
) -> Result<(), lango_store::Error> {
    use lango_store::enforcements;
    // Due before everything else, so that the claim below takes these and no others.
    let due_at = Timestamp::from_micros(1);
    lango_store::grants::insert(tx, grants, now).await?;
    let wish = |NewGrant { stored: StoredGrant { grant, .. }, .. }: &NewGrant| {
        let (tenant, wanted) = (grant.tenant, grant.wanted());
        Wish { router, grant: grant.id, tenant, wanted, due_at }
    };
    let wishes: Vec<Wish> = grants.iter().map(wish).collect();
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
    enforcements::confirm(tx, router, &confirmations, now).await.map(drop)
}

/// Sessions that the database holds as open, after whatever happened to its server.
pub(crate) async fn open_sessions(url: &DatabaseUrl) -> anyhow::Result<usize> {
    let app = open(url).await?;
    let read = async |tx: &mut Tx<'_>| {
        let mut count = 0;
        for router in lango_store::routers::all(tx).await? {
            let open = lango_store::radius::open_on(tx, router.id).await?;
            count += open.iter().filter(|session| session.grant.is_some()).count();
        }
        Ok(count)
    };
    let count = app.store().read(read).await?;
    app.store().close().await;
    Ok(count)
}
