//! Somebody wants to come in. What he presents is looked up, the domain says what he has a right
//! to, and the answer says how.

mod accept;
mod decision;
pub(super) mod lookup;
mod proof;
mod reservations;
mod sentences;

pub(crate) use accept::put_speed;
pub(super) use reservations::Reservations;

use crate::app::App;
use crate::operations::change_grant::{self, Actor, Change};
use crate::radius::directory::Nas;
use crate::radius::identity::{self, Pass};
use decision::{Decision, Refusal};
use lango_domain::access::Access;
use lango_domain::grant::{Event, Grant, State};
use lango_domain::ids::GrantId;
use lango_domain::language::Language;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use lango_radius::{Code, Credentials, Draft, EncodeError, Sealed, VerifiedRequest};
use lango_store::grants::StoredGrant;
use lango_store::{Error, Tx};
use lookup::{Found, Lookup, Sought};
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
}

impl Desk {
    /// A desk, and the questions that it will have.
    pub(super) fn open(app: App) -> (Desk, lookup::Questions) {
        let (lookup, questions) = Lookup::open();
        (Desk { app, lookup, reservations: Arc::default() }, questions)
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
        let Some(sought) = self.sought(request, &credentials) else {
            return self.refuse(nas, request, &credentials, Refusal::Wrong, None);
        };
        let found = self.lookup.find(nas.tenant, sought).await.ok_or(Silence::Unavailable)?;
        let Some(found) = found else {
            return self.refuse(nas, request, &credentials, Refusal::Wrong, None);
        };
        let proof = if found.by_device {
            Proof::Device
        } else {
            match Proof::of(&credentials, &found.access) {
                Some(proof) => proof,
                None => return self.refuse(nas, request, &credentials, Refusal::Wrong, None),
            }
        };
        match self.decide(nas, request, &found).await? {
            Ok(decision) => self.accept(nas, request, &found, &proof, &decision),
            Err(refusal) => {
                self.refuse(nas, request, &credentials, refusal, Some(&found.held.stored))
            }
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
        nas: &Nas,
        request: &VerifiedRequest<'_>,
        found: &Found,
    ) -> Result<Result<Decision, Refusal>, Silence> {
        let now = self.app.clock().now();
        let mac = identity::mac(request);
        let decision = match decision::decide(&found.held.stored, nas.router, now) {
            Ok(decision) => decision,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let others = found.occupants.iter().filter(|occupant| {
            // A device that comes again replaces its own session.
            occupant.mac.is_none() || occupant.mac != mac
        });
        let online: Vec<_> = others.map(|occupant| occupant.mac).collect();
        let grant = found.held.stored.grant.id;
        if !self.reservations.reserve(grant, mac, &online, decision.devices) {
            return Ok(Err(Refusal::TooManyDevices(decision.devices)));
        }
        if !decision.is_first_use {
            return Ok(Ok(decision));
        }
        match begin(&self.app, grant, online.len() as u16 + 1, now).await? {
            Some(stored) => Ok(decision::decide(&stored, nas.router, now)),
            None => Ok(Err(Refusal::Wrong)),
        }
    }

    fn accept(
        &self,
        nas: &Nas,
        request: &VerifiedRequest<'_>,
        found: &Found,
        proof: &Proof<'_>,
        decision: &Decision,
    ) -> Result<Sealed, Silence> {
        let mut draft = Draft::reply(request, Code::AccessAccept)?;
        let pass = Pass::new(found.held.stored.grant.id, fastrand::u64(..).to_be_bytes());
        accept::write(&mut draft, decision, pass, &found.access, identity::is_ppp(request))?;
        proof.put_into(&mut draft, &nas.secret)?;
        Ok(draft.seal(&nas.secret))
    }

    fn refuse(
        &self,
        nas: &Nas,
        request: &VerifiedRequest<'_>,
        credentials: &Credentials<'_>,
        refusal: Refusal,
        stored: Option<&StoredGrant>,
    ) -> Result<Sealed, Silence> {
        let sentence = sentences::sentence(&refusal, nas.language);
        tracing::debug!(
            nas.name = %nas.name,
            grant.id = stored.map(|stored| stored.grant.id.to_string()),
            "a login was refused: {sentence}"
        );
        let mut draft = Draft::reply(request, Code::AccessReject)?;
        draft.put(lango_radius::dictionary::REPLY_MESSAGE, &sentence)?;
        proof::put_refusal_into(&mut draft, credentials, &refusal, &sentence)?;
        Ok(draft.seal(&nas.secret))
    }
}

/// Starts the clock of a grant that is used for the first time. Of two at the same moment one
/// does it, and the other finds it done.
async fn begin(
    app: &App,
    grant: GrantId,
    devices: u16,
    now: Timestamp,
) -> Result<Option<StoredGrant>, Error> {
    let desk = app.clone();
    app.store()
        .write(async move |tx: &mut Tx<'_>| {
            let Some(stored) = lango_store::grants::find(tx, grant).await? else {
                return Ok(None);
            };
            if !matches!(stored.grant.state, State::Unused { .. }) {
                return Ok(Some(stored));
            }
            let (uptime, data) = (Span::ZERO, DataSize::ZERO);
            let event = Event::Seen { devices, since: now, uptime, data };
            let Ok(change) = Change::of(stored, event, now) else { return Ok(None) };
            let after = change.after.clone();
            change_grant::write(tx, &desk, vec![change], &Actor::Router, now).await?;
            Ok(Some(after))
        })
        .await
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
