//! Logins by EAP: messages go to and fro under a State until the device has shown that it knows an
//! account's password. Nothing begins before that, and the last word is that of every other login.

use super::decision::{Asking, Refusal};
use super::lookup::{Found, Sought};
use super::{Desk, Silence, accept, decision, password, sentences};
use crate::radius::certificate::Certificate;
use crate::radius::directory::Nas;
use crate::radius::eap::{Account, Keys, State, Step, failure_instead_of};
use crate::radius::identity::{self, Pass};
use lango_domain::time::Timestamp;
use lango_radius::dictionary::{FRAMED_MTU, FRAMED_PROTOCOL, STATE, USER_NAME};
use lango_radius::eap::{Message, Packet};
use lango_radius::{Code, Draft, Sealed, VerifiedRequest};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// How many logins are remembered whose password was right and whose answer had to wait.
const MOST_PROVEN: usize = 256;

/// The logins by EAP, and the processors that they may have.
#[derive(Clone)]
pub(super) struct Tunnels {
    certificate: Arc<Certificate>,
    processors: Arc<Semaphore>,
    proven: Arc<Mutex<VecDeque<Proven>>>,
}

/// A password that was right. The conversation is over by then: if the database is away at that
/// moment, the NAS's next try must find this instead of a login that is not known.
struct Proven {
    state: Vec<u8>,
    message: Vec<u8>,
    welcome: Welcome,
}

/// What a device is let in with.
#[derive(Clone)]
struct Welcome {
    user_name: String,
    outer_identity: String,
    keys: Keys,
    eap: Vec<u8>,
}

impl Tunnels {
    pub(super) fn new(certificate: Arc<Certificate>) -> Tunnels {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let processors = Arc::new(Semaphore::new(cores));
        Tunnels { certificate, processors, proven: Arc::default() }
    }

    /// TLS computes for milliseconds: not where packets are received, and not more of it at a time
    /// than leaves room for other logins.
    async fn compute(
        &self,
        step: impl FnOnce(&Certificate) -> Step + Send + 'static,
    ) -> Result<Step, Silence> {
        let turn = self.processors.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Silence::Unavailable)?;
        let certificate = self.certificate.clone();
        let computed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            step(&certificate)
        });
        computed.await.map_err(|_| Silence::Unavailable)
    }

    async fn hear(
        &self,
        request: &VerifiedRequest<'_>,
        message: &Message<'_>,
        now: Timestamp,
    ) -> Result<Step, Silence> {
        let (message, mtu) = (message.octets().to_vec(), request.read(FRAMED_MTU));
        match request.read(STATE).map(<[u8]>::to_vec) {
            None => self.compute(move |held| held.eap().start(&message, mtu, now)).await,
            Some(state) => match self.take_proven(&state, &message) {
                Some(Welcome { user_name, outer_identity, keys, eap }) => {
                    Ok(Step::Accept { user_name, outer_identity, keys, eap })
                }
                None => self.compute(move |held| held.eap().go_on(&state, &message, now)).await,
            },
        }
    }

    async fn decide(
        &self,
        conversation: State,
        account: Option<Account>,
        now: Timestamp,
    ) -> Result<Step, Silence> {
        self.compute(move |held| held.eap().with_account(conversation, account, now)).await
    }

    fn keep_proven(&self, request: &VerifiedRequest<'_>, message: &Message<'_>, welcome: Welcome) {
        let Some(state) = request.read(STATE).map(<[u8]>::to_vec) else { return };
        let mut proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        if proven.len() >= MOST_PROVEN {
            proven.pop_front();
        }
        proven.push_back(Proven { state, message: message.octets().to_vec(), welcome });
    }

    fn take_proven(&self, state: &[u8], message: &[u8]) -> Option<Welcome> {
        let mut proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |one: &Proven| one.state == state && one.message == message;
        let place = proven.iter().position(is_same)?;
        proven.remove(place).map(|proven| proven.welcome)
    }
}

impl Desk {
    /// Answers a message of a login by EAP.
    pub(super) async fn answer_eap(
        &self,
        nas: &Nas,
        request: &VerifiedRequest<'_>,
        message: &Message<'_>,
    ) -> Result<Sealed, Silence> {
        let Some(tunnels) = &self.tunnels else {
            tracing::warn!(nas.name = %nas.name, "EAP is refused: there is no certificate");
            return reject(nas, request, &failure(message));
        };
        let now = self.app.clock().now();
        let mut step = tunnels.hear(request, message, now).await?;
        if let Step::NeedsAccount { conversation, user_name, .. } = &step {
            let account = self.account(nas, request, user_name, now).await?;
            step = tunnels.decide(*conversation, account, now).await?;
        }
        match step {
            Step::Challenge { state, eap } => challenge(nas, request, state, &eap),
            Step::Accept { user_name, outer_identity, keys, eap } => {
                let welcome = Welcome { user_name, outer_identity, keys, eap };
                let answered = self.welcome(nas, request, &welcome).await;
                if answered.is_err() {
                    tunnels.keep_proven(request, message, welcome);
                }
                answered
            }
            Step::Reject { user_name, eap, why } => {
                tracing::info!(nas.name = %nas.name, user_name, "a login by EAP failed: {why}");
                reject(nas, request, &eap)
            }
            Step::NeedsAccount { .. } => {
                Err(Silence::Unanswerable("its account is asked for twice".to_owned()))
            }
        }
    }

    /// What is known of the password of somebody who may come in now. Nothing begins by that: who
    /// asks has proved nothing yet.
    async fn account(
        &self,
        nas: &Nas,
        request: &VerifiedRequest<'_>,
        user_name: &str,
        now: Timestamp,
    ) -> Result<Option<Account>, Silence> {
        let Some(found) = self.find_inner(nas, user_name).await? else { return Ok(None) };
        match decision::decide(&found.known.stored, &asking(nas, request), now) {
            Ok(_) => {
                Ok(password(&found.known.access).map(|clear| Account::ClearText(clear.to_owned())))
            }
            Err(refusal) => {
                self.note_refusal(nas, user_name, &refusal);
                Ok(None)
            }
        }
    }

    async fn find_inner(&self, nas: &Nas, user_name: &str) -> Result<Option<Found>, Silence> {
        let sought = Sought::Login(self.inner_hashes(user_name));
        self.lookup.find(nas.tenant, sought).await.ok_or(Silence::Unavailable)
    }

    /// Whoever joins a Wi-Fi writes the name of his voucher or of his PPPoE line; his device may
    /// have put a domain before or behind it.
    fn inner_hashes(&self, user_name: &str) -> Vec<Vec<u8>> {
        let without_domain = user_name.rsplit('\\').next().unwrap_or(user_name);
        let bare = without_domain.split('@').next().unwrap_or(without_domain);
        let mut names = vec![user_name, without_domain, bare];
        names.dedup();
        let mut hashes = Vec::with_capacity(3 * names.len());
        for name in names {
            hashes.push(self.app.hash_login("hotspot", name));
            if let Some(code) = crate::operations::issue_vouchers::read_code(name) {
                hashes.push(self.app.hash_login("hotspot", &code));
            }
            hashes.push(self.app.hash_login("ppp", name));
        }
        hashes
    }

    /// The password was right: now everything is decided as for every other login.
    async fn welcome(
        &self,
        nas: &Nas,
        request: &VerifiedRequest<'_>,
        welcome: &Welcome,
    ) -> Result<Sealed, Silence> {
        let asking = asking(nas, request);
        let decided = match self.find_inner(nas, &welcome.user_name).await? {
            Some(found) => match self.decide(&asking, &found).await? {
                Ok(decision) => Ok((found, decision)),
                Err(refusal) => Err(refusal),
            },
            // He was there a moment ago.
            None => Err(Refusal::Wrong),
        };
        let (found, decision) = match decided {
            Ok(decided) => decided,
            Err(refusal) => {
                self.note_refusal(nas, &welcome.user_name, &refusal);
                return reject(nas, request, &failure_instead_of(&welcome.eap));
            }
        };
        let mut draft = Draft::reply(request, Code::AccessAccept)?;
        let pass = Pass::new(
            found.known.stored.grant.id,
            fastrand::u64(..).to_be_bytes(),
            decision.is_walled,
        );
        accept::write(&mut draft, &decision, pass, &found.known.access, &asking, is_ppp(request))?;
        if welcome.user_name != welcome.outer_identity {
            // Reports are to name him and not `anonymous` (RFC 2865 §5.1).
            draft.put(USER_NAME, &welcome.user_name)?;
        }
        draft.put_eap(&welcome.eap)?;
        welcome.keys.put_into(&mut draft, &nas.secret, fastrand::u16(..))?;
        Ok(draft.seal(&nas.secret))
    }

    /// EAP has no words for the customer (RFC 3579 §2.6.5): they are for the log.
    fn note_refusal(&self, nas: &Nas, user_name: &str, refusal: &Refusal) {
        let sentence = sentences::sentence(refusal, nas.language);
        tracing::info!(nas.name = %nas.name, user_name, "a login by EAP is refused: {sentence}");
    }
}

/// A name and a password are always presented here, never a device alone.
fn asking(nas: &Nas, request: &VerifiedRequest<'_>) -> Asking {
    Asking { router: nas.router, device: identity::mac(request), by_device: false }
}

/// Only whoever says so: a port of a switch is framed and no PPP.
fn is_ppp(request: &VerifiedRequest<'_>) -> bool {
    request.read(FRAMED_PROTOCOL).is_some() && identity::is_ppp(request)
}

fn challenge(
    nas: &Nas,
    request: &VerifiedRequest<'_>,
    state: State,
    eap: &[u8],
) -> Result<Sealed, Silence> {
    let mut draft = Draft::reply(request, Code::AccessChallenge)?;
    draft.put(STATE, state.octets())?;
    draft.put_eap(eap)?;
    Ok(draft.seal(&nas.secret))
}

fn reject(nas: &Nas, request: &VerifiedRequest<'_>, eap: &[u8]) -> Result<Sealed, Silence> {
    let mut draft = Draft::reply(request, Code::AccessReject)?;
    draft.put_eap(eap)?;
    Ok(draft.seal(&nas.secret))
}

/// The Failure that answers a message.
fn failure(message: &Message<'_>) -> Vec<u8> {
    let identifier = message.packet().map_or(0, |packet| packet.identifier());
    Packet::Failure { identifier }.encode().unwrap_or_default()
}
