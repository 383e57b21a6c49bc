//! Who is meant, asked of the database. Questions that come while one answer is being read are
//! read together next: one transaction for hundreds of logins, and never anything from yesterday.

use crate::app::App;
use lango_domain::access::Access;
use lango_domain::ids::{GrantId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_store::grants::Held;
use lango_store::radius::Occupant;
use lango_store::{Error, Tx};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// How many questions may wait; whoever comes then hears nothing and asks again.
const WAITING: usize = 8_192;
/// How many are read together.
const BATCH: usize = 256;
/// How many batches are read at the same time.
const READERS: usize = 2;

/// What is looked for.
#[derive(Clone, Debug)]
pub(super) enum Sought {
    /// A login, by the keyed hashes that it may have; the first that exists.
    Login(Vec<Vec<u8>>),
    /// The grant by which that device was last online.
    Device(MacAddress),
}

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) held: Held,
    pub(super) access: Access,
    /// Who is online by it.
    pub(super) occupants: Vec<Occupant>,
    /// Whether the device is what was looked for.
    pub(super) by_device: bool,
}

/// A question under way.
#[derive(Debug)]
struct Question {
    tenant: TenantId,
    sought: Sought,
    reply: oneshot::Sender<Option<Found>>,
}

/// Questions that wait.
pub(in crate::radius) struct Questions(mpsc::Receiver<Question>);

/// Where questions are asked.
#[derive(Clone, Debug)]
pub(super) struct Lookup(mpsc::Sender<Question>);

impl Lookup {
    pub(super) fn open() -> (Lookup, Questions) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Lookup(sender), Questions(receiver))
    }

    /// Looks somebody up. The outer none: nobody can be looked up now.
    pub(super) async fn find(&self, tenant: TenantId, sought: Sought) -> Option<Option<Found>> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Question { tenant, sought, reply }).ok()?;
        answer.await.ok()
    }
}

/// Reads answers until nobody can ask any more.
pub(in crate::radius) async fn run(app: App, questions: Questions) {
    let Questions(mut receiver) = questions;
    let readers = Arc::new(Semaphore::new(READERS));
    loop {
        // First a free reader, then the questions: what comes meanwhile is in the batch.
        let Ok(reader) = readers.clone().acquire_owned().await else { return };
        let mut batch = Vec::with_capacity(BATCH);
        if receiver.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let app = app.clone();
        tokio::spawn(async move {
            answer(&app, batch).await;
            drop(reader);
        });
    }
}

/// Who asked and is not told hears nothing: his sender is dropped.
async fn answer(app: &App, batch: Vec<Question>) {
    let (asked, replies): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|Question { tenant, sought, reply }| ((tenant, sought), reply))
        .unzip();
    let asked: Arc<[(TenantId, Sought)]> = asked.into();
    let read = app.store().read(async move |tx: &mut Tx<'_>| read(tx, &asked).await).await;
    let found = match read {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "logins cannot be looked up; NASes will ask again");
            return;
        }
    };
    for (reply, found) in replies.into_iter().zip(found) {
        let opened = found.map(|(held, occupants, by_device)| {
            let access = app.open_access(held.stored.grant.id, &held.access)?;
            Ok::<Found, Error>(Found { held, access, occupants, by_device })
        });
        match opened.transpose() {
            // Whoever asked may be gone.
            Ok(found) => drop(reply.send(found)),
            Err(error) => tracing::error!(%error, "a login cannot be unsealed"),
        }
    }
}

type Row = (Held, Vec<Occupant>, bool);

async fn read(tx: &mut Tx<'_>, asked: &[(TenantId, Sought)]) -> Result<Vec<Option<Row>>, Error> {
    let by_login = by_login(tx, asked).await?;
    let by_device = by_device(tx, asked).await?;
    let grants: Vec<GrantId> =
        by_login.values().chain(by_device.values()).map(|held| held.stored.grant.id).collect();
    let mut occupants: HashMap<GrantId, Vec<Occupant>> = HashMap::new();
    for occupant in lango_store::radius::occupants(tx, &grants).await? {
        occupants.entry(occupant.grant).or_default().push(occupant);
    }
    let row = |held: &Held, by_device| {
        let online = occupants.get(&held.stored.grant.id).cloned().unwrap_or_default();
        (held.clone(), online, by_device)
    };
    let found = asked.iter().map(|(tenant, sought)| match sought {
        Sought::Login(hashes) => hashes
            .iter()
            .find_map(|hash| by_login.get(&(*tenant, hash.clone())))
            .map(|held| row(held, false)),
        Sought::Device(mac) => by_device.get(&(*tenant, *mac)).map(|held| row(held, true)),
    });
    Ok(found.collect())
}

async fn by_login(
    tx: &mut Tx<'_>,
    asked: &[(TenantId, Sought)],
) -> Result<HashMap<(TenantId, Vec<u8>), Held>, Error> {
    let mut hashes: HashMap<TenantId, Vec<&[u8]>> = HashMap::new();
    for (tenant, sought) in asked {
        if let Sought::Login(of_one) = sought {
            hashes.entry(*tenant).or_default().extend(of_one.iter().map(Vec::as_slice));
        }
    }
    let mut found = HashMap::new();
    for (tenant, hashes) in hashes {
        for held in lango_store::grants::held_by_logins(tx, tenant, &hashes).await? {
            found.insert((tenant, held.login_hash.clone()), held);
        }
    }
    Ok(found)
}

async fn by_device(
    tx: &mut Tx<'_>,
    asked: &[(TenantId, Sought)],
) -> Result<HashMap<(TenantId, MacAddress), Held>, Error> {
    let mut found = HashMap::new();
    for (tenant, sought) in asked {
        let Sought::Device(mac) = sought else { continue };
        let Some(grant) = lango_store::sessions::grant_of_device(tx, *tenant, *mac).await? else {
            continue;
        };
        let held = lango_store::grants::held(tx, &[grant]).await?.pop();
        if let Some(held) = held.filter(|held| held.stored.grant.tenant == *tenant) {
            found.insert((*tenant, *mac), held);
        }
    }
    Ok(found)
}
