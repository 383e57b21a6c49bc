//! Who is meant, asked of the database. Questions that come while one answer is being read are
//! read together next: one transaction for hundreds of logins, and never anything from yesterday.
//! What did not change since it was last read is remembered, but only the database says so.

use super::memory::{Known, Memory};
use crate::app::App;
use lango_domain::ids::{GrantId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_store::grants::{Held, LoginVersion};
use lango_store::radius::Occupant;
use lango_store::{Error, Tx};
use std::collections::{HashMap, HashSet};
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
    pub(super) known: Arc<Known>,
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
    let memory = Arc::new(Memory::default());
    loop {
        // First a free reader, then the questions: what comes meanwhile is in the batch.
        let Ok(reader) = readers.clone().acquire_owned().await else { return };
        let mut batch = Vec::with_capacity(BATCH);
        if receiver.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let (app, memory) = (app.clone(), memory.clone());
        tokio::spawn(async move {
            answer(&app, memory, batch).await;
            drop(reader);
        });
    }
}

/// Who asked and is not told hears nothing: his sender is dropped.
async fn answer(app: &App, memory: Arc<Memory>, batch: Vec<Question>) {
    let (asked, replies): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|Question { tenant, sought, reply }| ((tenant, sought), reply))
        .unzip();
    let asked: Arc<[(TenantId, Sought)]> = asked.into();
    let read = {
        let (asked, memory) = (asked.clone(), memory.clone());
        app.store().read(async move |tx: &mut Tx<'_>| Page::read(tx, &asked, &memory).await)
    };
    let mut page = match read.await {
        Ok(page) => page,
        Err(error) => {
            tracing::warn!(%error, "logins cannot be looked up; NASes will ask again");
            return;
        }
    };
    page.open(app, &memory);
    for ((tenant, sought), reply) in asked.iter().zip(replies) {
        let Some(grant) = page.grant(*tenant, sought) else {
            // Whoever asked may be gone.
            drop(reply.send(None));
            continue;
        };
        if let Some(found) = page.found(grant, sought) {
            drop(reply.send(Some(found)));
        }
    }
}

/// What is known of a batch.
struct Page {
    by_login: HashMap<(TenantId, Vec<u8>), LoginVersion>,
    by_device: HashMap<(TenantId, MacAddress), GrantId>,
    known: HashMap<GrantId, Arc<Known>>,
    /// What was read because nobody remembered it as it is now; sealed.
    read: Vec<Held>,
    occupants: HashMap<GrantId, Vec<Occupant>>,
}

impl Page {
    async fn read(
        tx: &mut Tx<'_>,
        asked: &[(TenantId, Sought)],
        memory: &Memory,
    ) -> Result<Page, Error> {
        let by_login = by_login(tx, asked).await?;
        let by_device = by_device(tx, asked).await?;
        let known = memory.recall(by_login.values());
        let grants: HashSet<GrantId> = by_login
            .values()
            .map(|version| version.grant)
            .chain(by_device.values().copied())
            .collect();
        let grants: Vec<GrantId> = grants.into_iter().collect();
        let is_unknown = |grant: &GrantId| !known.contains_key(grant);
        let unknown: Vec<GrantId> = grants.iter().copied().filter(is_unknown).collect();
        let read = lango_store::grants::held(tx, &unknown).await?;
        let mut occupants: HashMap<GrantId, Vec<Occupant>> = HashMap::new();
        for occupant in lango_store::radius::occupants(tx, &grants).await? {
            occupants.entry(occupant.grant).or_default().push(occupant);
        }
        Ok(Page { by_login, by_device, known, read, occupants })
    }

    /// Unseals what was read. What cannot be unsealed stays unknown: nobody is answered then.
    fn open(&mut self, app: &App, memory: &Memory) {
        for Held { stored, access, language, .. } in self.read.drain(..) {
            let grant = stored.grant.id;
            match app.open_access(grant, &access) {
                Ok(access) => {
                    let known = Arc::new(Known { stored, access, language });
                    memory.keep(&known);
                    self.known.insert(grant, known);
                }
                Err(error) => tracing::error!(%error, "a login cannot be unsealed"),
            }
        }
    }

    fn grant(&self, tenant: TenantId, sought: &Sought) -> Option<GrantId> {
        match sought {
            Sought::Login(hashes) => {
                let version = |hash: &Vec<u8>| self.by_login.get(&(tenant, hash.clone()));
                hashes.iter().find_map(version).map(|version| version.grant)
            }
            Sought::Device(mac) => {
                let of_tenant = |grant: &GrantId| {
                    self.known.get(grant).is_none_or(|known| known.stored.grant.tenant == tenant)
                };
                self.by_device.get(&(tenant, *mac)).copied().filter(of_tenant)
            }
        }
    }

    fn found(&self, grant: GrantId, sought: &Sought) -> Option<Found> {
        let known = self.known.get(&grant)?.clone();
        let occupants = self.occupants.get(&grant).cloned().unwrap_or_default();
        Some(Found { known, occupants, by_device: matches!(sought, Sought::Device(_)) })
    }
}

async fn by_login(
    tx: &mut Tx<'_>,
    asked: &[(TenantId, Sought)],
) -> Result<HashMap<(TenantId, Vec<u8>), LoginVersion>, Error> {
    let mut hashes: HashMap<TenantId, Vec<&[u8]>> = HashMap::new();
    for (tenant, sought) in asked {
        if let Sought::Login(of_one) = sought {
            hashes.entry(*tenant).or_default().extend(of_one.iter().map(Vec::as_slice));
        }
    }
    let mut found = HashMap::new();
    for (tenant, hashes) in hashes {
        for version in lango_store::grants::versions_by_logins(tx, tenant, &hashes).await? {
            found.insert((tenant, version.login_hash.clone()), version);
        }
    }
    Ok(found)
}

async fn by_device(
    tx: &mut Tx<'_>,
    asked: &[(TenantId, Sought)],
) -> Result<HashMap<(TenantId, MacAddress), GrantId>, Error> {
    let mut found = HashMap::new();
    for (tenant, sought) in asked {
        let Sought::Device(mac) = sought else { continue };
        if let Some(grant) = lango_store::sessions::grant_of_device(tx, *tenant, *mac).await? {
            found.insert((*tenant, *mac), grant);
        }
    }
    Ok(found)
}
