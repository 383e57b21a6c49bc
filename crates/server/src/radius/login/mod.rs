//! Somebody wants to come in. What he presents is looked up, the domain says what he has a right
//! to, and the answer says how.

mod accept;
mod decision;
mod eap;
pub(super) mod lookup;
mod memory;
mod one_time;
mod proof;
mod reservations;
mod sentences;

pub(crate) use accept::put_speed;
pub(super) use reservations::Reservations;

use crate::app::App;
use crate::operations::asked::{self, Entry};
use crate::operations::change_grant::{self, Actor, Change};
use crate::radius::certificate::Certificate;
use crate::radius::directory::Nas;
use crate::radius::identity::{self, Pass};
use decision::{Asking, Decision, Refusal};
use eap::Tunnels;
use lango_domain::access::Access;
use lango_domain::grant::{Event, Grant, State};
use lango_domain::ids::{GrantId, TenantId};
use lango_domain::language::Language;
use lango_domain::logins::WhenFull;
use lango_domain::mac_address::MacAddress;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_radius::{Code, Credentials, Draft, EncodeError, Sealed, VerifiedRequest};
use lango_store::grants::StoredGrant;
use lango_store::radius::Occupant;
use lango_store::{Error, Topic, Tx};
use lookup::{Found, Lookup, Sought};
use memory::Known;
use proof::Proof;
use std::sync::Arc;

/// Why there is no answer. The NAS asks again, or asks another server.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    /// The request is none that may be answered.
    #[error("the request cannot be answered: {0}")]
    Unanswerable(String),
    /// We are overloaded, or the database is away.
    #[error("nobody can be looked up now")]
    Unavailable,
    /// The database.
    #[error("the database")]
    Store(#[from] Error),
    /// The answer does not fit into a packet.
    #[error("the answer cannot be written")]
    Encode(#[from] EncodeError),
}

/// What a customer reads whose grant gives nothing now.
pub(crate) fn why_off(grant: &Grant, language: Language) -> String {
    sentences::sentence(&decision::refusal(grant), language)
}

/// Where logins are decided.
#[derive(Clone)]
pub(super) struct Desk {
    app: App,
    lookup: Lookup,
    reservations: Arc<Reservations>,
    /// None without a certificate.
    tunnels: Option<Tunnels>,
}

impl Desk {
    /// A desk, and the questions that it will have.
    pub(super) fn open(
        app: App,
        certificate: Option<Arc<Certificate>>,
    ) -> (Desk, lookup::Questions) {
        let (lookup, questions) = Lookup::open();
        let tunnels = certificate.map(Tunnels::new);
        (Desk { app, lookup, reservations: Arc::default(), tunnels }, questions)
    }

    /// Places that are promised and not taken yet.
    pub(super) fn reservations(&self) -> Arc<Reservations> {
        self.reservations.clone()
    }

    /// Answers an Access-Request.
    ///
    /// # Errors
    /// Whatever is not a clear yes or no is silence.
    pub(super) async fn answer(
        &self,
        nas: &Nas,
        request: &VerifiedRequest<'_>,
    ) -> Result<Sealed, Silence> {
        let credentials = Credentials::of(request, &nas.secret)
            .map_err(|why| Silence::Unanswerable(why.to_string()))?;
        if let Credentials::Eap(message) = &credentials {
            // Rare and large: every login would carry its memory along.
            return Box::pin(self.answer_eap(nas, request, message)).await;
        }
        let Some(sought) = self.sought(request, &credentials) else {
            return self.refuse(nas, request, &credentials, Refusal::Wrong, None);
        };
        let found = self.lookup.find(nas.tenant, sought).await.ok_or(Silence::Unavailable)?;
        let Some(found) = found else {
            return self.refuse(nas, request, &credentials, Refusal::Wrong, None);
        };
        let asking = Asking {
            router: nas.router,
            device: identity::mac(request),
            by_device: found.by_device,
        };
        let own = match found.by_device {
            true => Some(Proof::Device),
            false => Proof::of(&credentials, &found.known.access),
        };
        let (proof, one_time) = match own {
            Some(proof) => (proof, None),
            None => match Box::pin(self.one_time(&asking, &credentials, &found)).await? {
                Some((proof, password)) => (proof, Some(password)),
                None => return self.refuse(nas, request, &credentials, Refusal::Wrong, None),
            },
        };
        match self.decide(&asking, &found).await? {
            Ok(decision) => {
                // Last of all: a request that is not answered after all is sent once more.
                if let Some(password) = &one_time
                    && !Box::pin(self.use_up(password)).await?
                {
                    self.reservations.settle(found.known.stored.grant.id, asking.device);
                    return self.refuse(nas, request, &credentials, Refusal::Wrong, None);
                }
                self.accept(nas, request, &asking, &found, &proof, &decision)
            }
            Err(refusal) => self.refuse(nas, request, &credentials, refusal, Some(&found.known)),
        }
    }

    /// What to look up. A device that logs in by its address alone has a name that is one.
    fn sought(
        &self,
        request: &VerifiedRequest<'_>,
        credentials: &Credentials<'_>,
    ) -> Option<Sought> {
        let name = identity::name(request)?;
        if let (Ok(mac), Some(true)) = (name.parse(), proof::is_device(credentials, name)) {
            return Some(Sought::Device(mac));
        }
        let purpose = identity::purpose(identity::is_ppp(request));
        let mut hashes = vec![self.app.hash_login(purpose, name)];
        // Customers type codes in any case, with or without the dash.
        if purpose == "hotspot"
            && let Some(code) = crate::operations::issue_vouchers::read_code(name)
            && code != name
        {
            hashes.push(self.app.hash_login(purpose, &code));
        }
        Some(Sought::Login(hashes))
    }

    async fn decide(
        &self,
        asking: &Asking,
        found: &Found,
    ) -> Result<Result<Decision, Refusal>, Silence> {
        let now = self.app.clock().now();
        let decision = match decision::decide(&found.known.stored, asking, now) {
            Ok(decision) => decision,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let grant = found.known.stored.grant.id;
        let others: Vec<&Occupant> =
            found.occupants.iter().filter(|other| is_another(other, asking.device, now)).collect();
        if !self.take_place(&found.known.stored, asking.device, &others, &decision, now).await? {
            return Ok(Err(Refusal::TooManyDevices(decision.devices)));
        }
        let locks_to = asking.device.filter(|_| decision.locks);
        if !decision.is_first_use && locks_to.is_none() {
            return Ok(Ok(decision));
        }
        let begin = begin(&self.app, grant, others.len() as u16 + 1, locks_to, now);
        let begun = match Box::pin(begin).await {
            Ok(Some(stored)) => Ok(decision::decide(&stored, asking, now)),
            Ok(None) => Ok(Err(Refusal::Wrong)),
            Err(error) => Err(error.into()),
        };
        if !matches!(begun, Ok(Ok(_))) {
            // He does not come in now: nobody else is to be turned away for his place.
            self.reservations.settle(grant, asking.device);
        }
        begun
    }

    /// Takes a place beside those who are online; where the plan says so, that of who has been
    /// online for longest. False: there is none.
    async fn take_place(
        &self,
        stored: &StoredGrant,
        device: Option<MacAddress>,
        others: &[&Occupant],
        decision: &Decision,
        now: Timestamp,
    ) -> Result<bool, Silence> {
        let (grant, places) = (stored.grant.id, decision.devices);
        let macs = |online: &[&Occupant]| online.iter().map(|one| one.mac).collect::<Vec<_>>();
        if self.reservations.reserve(grant, device, &macs(others), places) {
            return Ok(true);
        }
        // A device that nobody can name could not be told from the one that it displaced.
        let (WhenFull::EndOldest, Some(device)) = (decision.logins.when_full, device) else {
            return Ok(false);
        };
        let mut by_age = others.to_vec();
        by_age.sort_by_key(|other| (other.started_at, other.session));
        let too_many = (by_age.len() + 1).saturating_sub(usize::from(places));
        let (oldest, rest) = by_age.split_at(too_many.min(by_age.len()));
        if oldest.is_empty() || !self.reservations.reserve(grant, Some(device), &macs(rest), places)
        {
            return Ok(false);
        }
        let oldest: Vec<Occupant> = oldest.iter().copied().cloned().collect();
        let displace = displace(&self.app, stored.grant.tenant, device, oldest, now);
        let displaced = Box::pin(displace).await;
        if !matches!(displaced, Ok(true)) {
            self.reservations.settle(grant, Some(device));
        }
        Ok(displaced?)
    }

    fn accept(
        &self,
        nas: &Nas,
        request: &VerifiedRequest<'_>,
        asking: &Asking,
        found: &Found,
        proof: &Proof<'_>,
        decision: &Decision,
    ) -> Result<Sealed, Silence> {
        let mut draft = Draft::reply(request, Code::AccessAccept)?;
        let pass = Pass::new(
            found.known.stored.grant.id,
            fastrand::u64(..).to_be_bytes(),
            decision.is_walled,
        );
        let is_ppp = identity::is_ppp(request);
        accept::write(&mut draft, decision, pass, &found.known.access, asking, is_ppp)?;
        proof.put_into(&mut draft, &nas.secret)?;
        Ok(draft.seal(&nas.secret))
    }

    fn refuse(
        &self,
        nas: &Nas,
        request: &VerifiedRequest<'_>,
        credentials: &Credentials<'_>,
        refusal: Refusal,
        known: Option<&Known>,
    ) -> Result<Sealed, Silence> {
        // A wrong password is refused in the language of the business: his own would tell that the
        // name exists.
        let language = known.and_then(|known| known.language).unwrap_or(nas.language);
        let sentence = sentences::sentence(&refusal, language);
        tracing::debug!(
            nas.name = %nas.name,
            grant.id = known.map(|known| known.stored.grant.id.to_string()),
            "a login was refused: {sentence}"
        );
        let mut draft = Draft::reply(request, Code::AccessReject)?;
        draft.put(lango_radius::dictionary::REPLY_MESSAGE, &sentence)?;
        proof::put_refusal_into(&mut draft, credentials, &refusal, &sentence)?;
        Ok(draft.seal(&nas.secret))
    }
}

/// Whether it is somebody else who takes a place. A device that comes again replaces its own
/// session, and what must be over takes none.
fn is_another(other: &Occupant, device: Option<MacAddress>, now: Timestamp) -> bool {
    (other.mac.is_none() || other.mac != device) && other.due_at.is_none_or(|due| due > now)
}

/// Starts the clock of a grant that is used for the first time, and locks it to the device where
/// its plan says so. Of two at the same moment one does it, and the other finds it done.
async fn begin(
    app: &App,
    grant: GrantId,
    devices: u16,
    locks_to: Option<MacAddress>,
    now: Timestamp,
) -> Result<Option<StoredGrant>, Error> {
    let desk = app.clone();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let Some(stored) = lango_store::grants::find(tx, grant).await? else {
                return Ok(None);
            };
            let is_unused = matches!(stored.grant.state, State::Unused { .. });
            let (uptime, data) = (Span::ZERO, DataSize::ZERO);
            let seen = Event::Seen { devices, since: now, uptime, data };
            let first = if is_unused { seen } else { Event::TimePassed };
            let Ok(mut change) = Change::of(stored.clone(), first, now) else { return Ok(None) };
            if let Some(device) = locks_to {
                change = match change.then(Event::Lock(device), now) {
                    Ok(change) => change,
                    // Another device was faster: what is decided next says so.
                    Err(_) => return Ok(Some(stored)),
                };
            }
            let after = change.after.clone();
            change_grant::write(tx, &desk, vec![change], &Actor::Router, now).await?;
            Ok(Some(after))
        })
        .await
}

/// Says of sessions that they must be over, for a device that takes their place, and wakes who
/// ends them. False: nothing is done, because the device was displaced itself when it was last
/// here (its phone comes back by itself, without anybody wishing it) or because one of the sessions
/// is on a router that is not told by RADIUS to end one.
async fn displace(
    app: &App,
    tenant: TenantId,
    device: MacAddress,
    oldest: Vec<Occupant>,
    now: Timestamp,
) -> Result<bool, Error> {
    let desk = app.clone();
    app.store()
        .attempt(async move |tx: &mut Tx<'_>| {
            for Occupant { session, grant, router, .. } in oldest.iter().cloned() {
                if lango_store::radius::was_displaced(tx, grant, device).await? {
                    return Ok(Err(()));
                }
                if !lango_store::radius::displace(tx, session, now).await? {
                    let known = lango_store::sessions::find(tx, session).await?;
                    match known {
                        Some(known) if known.ended_at.is_none() => return Ok(Err(())),
                        // It ended meanwhile: its place is free.
                        _ => continue,
                    }
                }
                let why = [(grant, "another device took the place of a session".to_owned())];
                lango_store::enforcements::repair(tx, router, &why, now).await?;
                tx.wake(Topic::Router(lango_domain::ids::Id::raw(router)));
                let detail = "the one that was online for longest, for another device";
                let entry = Entry {
                    grant: Some(grant),
                    router: Some(router),
                    ..Entry::of(tenant, "displaced", detail)
                };
                asked::account(tx, &desk, &Actor::Router, entry, now).await?;
            }
            Ok(Ok(()))
        })
        .await
        .map(|done| done.is_ok())
}

/// The password that a login is checked against.
fn password(access: &Access) -> Option<&str> {
    match access {
        Access::Hotspot { password, .. } | Access::Pppoe { password, .. } => {
            Some(password.reveal())
        }
        Access::StaticIp { .. } => None,
    }
}
