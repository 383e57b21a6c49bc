//! A pass beside FreeRADIUS: read what it wrote of sessions, end what is due, write who may log
//! in, and end the sessions of whoever may not.
//!
//! Every step compares what is with what should be, so a pass that breaks off is finished by the
//! next one. It must never call a session ended that neither its NAS nor FreeRADIUS calls so.

use crate::app::App;
use crate::enforcement::freeradius::disconnect::{self, Outcome, Session, disconnect};
use crate::operations::add_router::{RouterAddress, RouterProtocol};
use crate::operations::end_due_grants::{DuePass, end_due_grants};
use crate::operations::keep_freeradius_rows::{Kept, keep_rows};
use crate::operations::read_freeradius_sessions::{Gone, Read, read_sessions, record_gone};
use ipnet::IpNet;
use lango_domain::ids::{GrantId, TenantId};
use lango_radius::Secret;
use lango_store::freeradius::{self, Accounted, Answers, Holder, Which};
use lango_store::routers::Router;
use lango_store::{Error, Tx};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use tokio::task::JoinSet;

/// How many sessions are looked through at once.
const PAGE: i64 = 500;
/// How many NASes are waited for at once.
const AT_ONCE: usize = 32;

/// What a pass did.
#[derive(Debug, serde::Serialize)]
pub struct FreeradiusPass {
    /// What was due.
    pub due: DuePass,
    /// What was read of sessions.
    pub read: Read,
    /// What was written of logins.
    pub kept: Kept,
    /// Sessions that had to end.
    pub disconnects: Vec<Disconnected>,
    /// What FreeRADIUS lately answered.
    pub answers: Answers,
}

/// A session that had to end.
#[derive(Debug, serde::Serialize)]
pub struct Disconnected {
    /// Whose.
    pub grant: GrantId,
    /// What staff may see of the login.
    pub label: String,
    /// The address of the NAS.
    pub nas: String,
    /// Whether the NAS confirmed that it is gone.
    pub confirmed: bool,
    /// What the NAS said.
    pub outcome: String,
}

impl FreeradiusPass {
    /// Whether nothing is left for a person to do.
    pub fn is_done(&self) -> bool {
        self.kept.in_the_way.is_empty() && self.disconnects.iter().all(|one| one.confirmed)
    }
}

/// The tables that are missing; none if a pass can be made.
///
/// # Errors
/// A fault of the store.
pub async fn missing_tables(app: &App) -> Result<Vec<String>, Error> {
    app.store().read(async |tx: &mut Tx<'_>| freeradius::missing(tx).await).await
}

/// Makes the tables that are missing.
///
/// # Errors
/// A fault of the store, such as no right to make tables.
pub async fn create_tables(app: &App) -> Result<(), Error> {
    app.store().write(async |tx: &mut Tx<'_>| freeradius::create(tx).await).await
}

/// Makes a pass. NASes are told at `port`.
///
/// # Errors
/// A fault of the store. What a NAS does not confirm is in its line.
pub async fn pass(app: &App, port: u16) -> Result<FreeradiusPass, Error> {
    // What happened first, then what follows from it: a first login that was not read yet would
    // end as never used.
    let read = read_sessions(app, app.clock().now()).await?;
    let due = end_due_grants(app, app.clock().now()).await?;
    // Nobody logs in again while he is being thrown off.
    let kept = keep_rows(app, app.clock().now()).await?;
    let disconnects = end_sessions(app, port).await?;
    let answers = app.store().read(async |tx: &mut Tx<'_>| freeradius::answers(tx).await).await?;
    Ok(FreeradiusPass { due, read, kept, disconnects, answers })
}

/// A session of a customer who is to be off.
struct Unwanted {
    session: Accounted,
    grant: GrantId,
    tenant: TenantId,
    label: String,
}

async fn end_sessions(app: &App, port: u16) -> Result<Vec<Disconnected>, Error> {
    let clients = Clients::read(app).await?;
    let (mut ended, mut after) = (Vec::new(), 0);
    loop {
        let page = async move |tx: &mut Tx<'_>| unwanted(tx, after).await;
        let (unwanted, last) = app.store().report(page).await?;
        ended.extend(end_page(app, unwanted, &clients, port).await?);
        match last {
            Some(last) => after = last,
            None => return Ok(ended),
        }
    }
}

async fn unwanted(tx: &mut Tx<'_>, after: i64) -> Result<(Vec<Unwanted>, Option<i64>), Error> {
    let open = freeradius::sessions(tx, Which::Open, after, PAGE).await?;
    let last = open.last().filter(|_| open.len() as i64 == PAGE).map(|session| session.row);
    // What was never counted began before we looked, or a moment ago: the next pass knows.
    let known = |session: Accounted| {
        let counted = session.counted.as_ref().filter(|counted| counted.gone_at.is_none())?;
        Some((counted.grant, session))
    };
    let open: Vec<(GrantId, Accounted)> = open.into_iter().filter_map(known).collect();
    let grants: HashSet<GrantId> = open.iter().map(|(grant, _)| *grant).collect();
    let grants: Vec<GrantId> = grants.into_iter().collect();
    let holders = freeradius::grants(tx, &grants).await?;
    let off: HashMap<GrantId, Holder> = holders
        .into_iter()
        .filter(|holder| !holder.stored.grant.wanted().is_online())
        .map(|holder| (holder.stored.grant.id, holder))
        .collect();
    let unwanted = open.into_iter().filter_map(|(grant, session)| {
        let stored = &off.get(&grant)?.stored;
        let (tenant, label) = (stored.grant.tenant, stored.label.clone());
        Some(Unwanted { session, grant, tenant, label })
    });
    Ok((unwanted.collect(), last))
}

async fn end_page(
    app: &App,
    unwanted: Vec<Unwanted>,
    clients: &Clients,
    port: u16,
) -> Result<Vec<Disconnected>, Error> {
    let mut waiting = unwanted.into_iter();
    let (mut running, mut done) = (JoinSet::new(), Vec::new());
    loop {
        while running.len() < AT_ONCE
            && let Some(one) = waiting.next()
        {
            let nas = clients.nas(&one.session.nas, port);
            running.spawn(async move { (end(&one, nas).await, one) });
        }
        match running.join_next().await {
            Some(Ok(outcome)) => done.push(outcome),
            // A task that broke confirmed nothing; the next pass tries again.
            Some(Err(_)) => {}
            None => break,
        }
    }
    let gone: Vec<Gone> = done.iter().filter_map(|(told, one)| gone(told, one)).collect();
    if !gone.is_empty() {
        record_gone(app, gone, app.clock().now()).await?;
    }
    Ok(done.into_iter().map(|(told, one)| line(&told, one)).collect())
}

/// What came of telling a NAS.
enum Told {
    Asked(Outcome),
    Unknown,
}

async fn end(one: &Unwanted, nas: Option<disconnect::Nas>) -> Told {
    let Some(nas) = nas else { return Told::Unknown };
    let session = Session {
        name: one.session.name.clone(),
        id: one.session.session_id.clone(),
        address: one.session.address.as_deref().and_then(|address| address.parse().ok()),
    };
    Told::Asked(disconnect(&session, &nas).await)
}

fn gone(told: &Told, one: &Unwanted) -> Option<Gone> {
    let Told::Asked(outcome) = told else { return None };
    outcome.is_gone().then(|| Gone {
        unique_id: one.session.unique_id.clone(),
        grant: one.grant,
        tenant: one.tenant,
        nas: one.session.nas.clone(),
        stop_was_lost: matches!(outcome, Outcome::WasGone),
    })
}

fn line(told: &Told, one: Unwanted) -> Disconnected {
    let (confirmed, outcome) = match told {
        Told::Asked(outcome) => (outcome.is_gone(), outcome.in_words()),
        Told::Unknown => {
            (false, "no row of nas has this address, so its secret is not known".to_owned())
        }
    };
    let Unwanted { session, grant, label, .. } = one;
    Disconnected { grant, label, nas: session.nas, confirmed, outcome }
}

/// The NASes that FreeRADIUS knows, by network, and the ports of those that Lango knows, too.
struct Clients {
    networks: Vec<(IpNet, Secret)>,
    ports: HashMap<IpAddr, u16>,
}

impl Clients {
    async fn read(app: &App) -> Result<Clients, Error> {
        let read = async |tx: &mut Tx<'_>| {
            Ok((freeradius::nases(tx).await?, lango_store::routers::all(tx).await?))
        };
        let (nases, routers) = app.store().read(read).await?;
        let networks = nases.iter().filter_map(client).collect();
        Ok(Clients { networks, ports: routers.iter().filter_map(port).collect() })
    }

    /// The one with the longest prefix that has the address, as FreeRADIUS chooses.
    fn nas(&self, address: &str, port: u16) -> Option<disconnect::Nas> {
        let address: IpAddr = address.parse().ok()?;
        let matching = self.networks.iter().filter(|(network, _)| network.contains(&address));
        let (_, secret) = matching.max_by_key(|(network, _)| network.prefix_len())?;
        let port = self.ports.get(&address).copied().unwrap_or(port);
        Some(disconnect::Nas { address: SocketAddr::new(address, port), secret: secret.clone() })
    }
}

fn port(router: &Router) -> Option<(IpAddr, u16)> {
    let known: RouterAddress = serde_json::from_str(&router.endpoint).ok()?;
    let takes_orders = known.protocol == RouterProtocol::Radius;
    takes_orders.then_some((known.host.parse().ok()?, known.port))
}

fn client(nas: &freeradius::Nas) -> Option<(IpNet, Secret)> {
    let network = nas.address.parse::<IpNet>().ok();
    let network = network.or_else(|| nas.address.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some((network, Secret::new(nas.secret.as_bytes()).ok()?))
}
