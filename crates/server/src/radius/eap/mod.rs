//! Logins by EAP, as WPA-Enterprise needs them: PEAP with MSCHAPv2 inside, TTLS with PAP, CHAP or
//! MSCHAPv2 inside; EAP-TLS where devices have certificates. TLS shows the device whom it talks to
//! before it says who it is.
//!
//! Owns the logins under way and bounds what they cost. Opens no socket, reads no clock, looks no
//! account up: messages, time and accounts come in as arguments, and what is to be done goes out
//! as a [`Step`].
//!
//! Methods without a tunnel (EAP-MD5, bare MSCHAPv2) are refused: whoever listens finds their
//! passwords, and they leave no keys for WPA.

mod account;
mod certificate;
mod conversation;
mod conversations;
mod eap_tls;
mod inner;
mod keys;
mod limits;
mod peap;
mod refusal;
mod ttls;
mod tunnel;

pub use account::Account;
pub use certificate::{CertificateError, Certificates, NewestTls};
pub use conversations::State;
pub use keys::Keys;
pub use limits::Limits;
pub use refusal::{Refusal, Silence};

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use lango_domain::time::Timestamp;
use lango_radius::eap::Packet;
use ring::rand::{SecureRandom, SystemRandom};

use certificate::Configs;
use conversation::{Conversation, Move};
use conversations::Conversations;

/// The server's side of all logins by EAP. A step takes as long as TLS computes, a few
/// milliseconds at most.
pub struct EapServer {
    configs: RwLock<Configs>,
    settings: Settings,
    conversations: Mutex<Conversations>,
}

/// What may differ from house to house.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The newest TLS that is offered.
    pub newest_tls: NewestTls,
    /// How much logins may cost.
    pub limits: Limits,
}

/// What is to be done with a message.
#[derive(Clone, Debug)]
pub enum Step {
    /// Send an Access-Challenge with this State and this EAP-Message.
    Challenge {
        /// The value of State.
        state: State,
        /// The EAP packet.
        eap: Vec<u8>,
    },
    /// Look the account up, then call [`EapServer::with_account`]. The device has shown nothing
    /// yet. An account that may not log in now is to be given as none.
    NeedsAccount {
        /// Which login.
        conversation: State,
        /// The name that counts, from inside the tunnel or the device's certificate; perhaps with `DOMAIN\` or `@realm`.
        user_name: String,
        /// The name outside, which anybody can claim: often `anonymous@realm`.
        outer_identity: String,
    },
    /// The device knows the account's password: send an Access-Accept.
    Accept {
        /// The name by which the account was looked up.
        user_name: String,
        /// The name outside.
        outer_identity: String,
        /// What WPA encrypts with.
        keys: Keys,
        /// The EAP packet that says Success.
        eap: Vec<u8>,
    },
    /// Send an Access-Reject.
    Reject {
        /// The name inside the tunnel, if the login came so far.
        user_name: Option<String>,
        /// The EAP packet that says Failure.
        eap: Vec<u8>,
        /// For the log.
        why: Refusal,
    },
}

/// A login that nobody finished.
#[derive(Clone, Debug)]
pub struct Abandoned {
    /// The name inside the tunnel, if the login came so far.
    pub user_name: Option<String>,
    /// The name outside.
    pub outer_identity: String,
    /// What is known of the reason. Devices that were told that their password is wrong often
    /// do not wait for the end.
    pub why: Refusal,
}

impl EapServer {
    /// A server with these certificates.
    pub fn new(
        certificates: &Certificates<'_>,
        settings: Settings,
    ) -> Result<EapServer, CertificateError> {
        let configs = RwLock::new(Configs::new(certificates, settings.newest_tls)?);
        let conversations = Mutex::new(Conversations::new(settings.limits));
        Ok(EapServer { configs, settings, conversations })
    }

    /// Takes renewed certificates into use. Logins under way end with the old ones; if the new
    /// ones cannot be used, so do all others.
    pub fn renew(&self, certificates: &Certificates<'_>) -> Result<(), CertificateError> {
        let configs = Configs::new(certificates, self.settings.newest_tls)?;
        *self.configs.write().unwrap_or_else(PoisonError::into_inner) = configs;
        Ok(())
    }

    /// Begins a login with the first message, which came without a State. The fragments to the
    /// device suit Framed-MTU, if the NAS sent one.
    pub fn start(&self, message: &[u8], framed_mtu: Option<u32>, now: Timestamp) -> Step {
        let configs = self.configs.read().unwrap_or_else(PoisonError::into_inner).clone();
        match Conversation::begin(configs, self.settings.limits, message, framed_mtu) {
            Ok((conversation, Move::Ask(eap))) => {
                Step::Challenge { state: self.held().open(conversation, now), eap }
            }
            Ok(_) => reject(message, None, Refusal::NotABeginning),
            Err(why) => reject(message, None, why),
        }
    }

    /// Goes on with the login that has this State.
    pub fn go_on(&self, state: &[u8], message: &[u8], now: Timestamp) -> Step {
        self.step(state, message, now, |conversation| conversation.hear(message))
    }

    /// Goes on with a login whose account was looked up, or of which it is known that no account
    /// may log in. The device learns of no difference between that and a wrong password.
    pub fn with_account(
        &self,
        conversation: State,
        account: Option<Account>,
        now: Timestamp,
    ) -> Step {
        self.step(conversation.octets(), &[], now, |held| held.decide(account.as_ref()))
    }

    /// The logins that nobody finished since this was last asked, for the log: no message tells of
    /// them. To be asked from time to time; who does not ask is told of the last ones only.
    pub fn abandoned(&self, now: Timestamp) -> Vec<Abandoned> {
        self.held().abandoned(now)
    }

    /// How many logins are under way.
    pub fn under_way(&self) -> usize {
        self.held().count()
    }

    fn step(
        &self,
        state: &[u8],
        message: &[u8],
        now: Timestamp,
        advance: impl FnOnce(&mut Conversation) -> Result<Move, Refusal>,
    ) -> Step {
        let Some((state, conversation)) = self.held().find(state, now) else {
            return reject(message, None, Refusal::UnknownConversation);
        };
        // Locked apart from the others: TLS takes its time.
        let mut conversation = conversation.lock().unwrap_or_else(PoisonError::into_inner);
        let outer_identity = conversation.outer_identity().to_owned();
        match advance(&mut conversation) {
            Ok(Move::Ask(eap)) => Step::Challenge { state, eap },
            Ok(Move::LookUp(user_name)) => {
                Step::NeedsAccount { conversation: state, user_name, outer_identity }
            }
            Ok(Move::Let(user_name, keys)) => {
                self.held().close(state);
                let eap = end(SUCCESS, conversation.heard());
                Step::Accept { user_name, outer_identity, keys, eap }
            }
            Err(why) => {
                self.held().close(state);
                let message = if message.is_empty() { conversation.heard() } else { message };
                reject(message, conversation.user_name(), why)
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Conversations> {
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows how many logins are under way, nothing of them.
impl std::fmt::Debug for EapServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EapServer")
            .field("settings", &self.settings)
            .field("under_way", &self.under_way())
            .finish_non_exhaustive()
    }
}

/// The Failure that ends a login which was to end by this Success: for a caller who finds at the
/// last moment that the account may not log in.
pub fn failure_instead_of(success: &[u8]) -> Vec<u8> {
    end(FAILURE, success)
}

fn reject(message: &[u8], user_name: Option<&str>, why: Refusal) -> Step {
    Step::Reject { user_name: user_name.map(str::to_owned), eap: end(FAILURE, message), why }
}

/// The constructors of [`Packet`] by which a login ends.
type End = fn(u8) -> Packet<'static>;

const SUCCESS: End = |identifier| Packet::Success { identifier };
const FAILURE: End = |identifier| Packet::Failure { identifier };

/// An end has the identifier of the message that it answers (RFC 3748 §4.2).
fn end(end: End, message: &[u8]) -> Vec<u8> {
    let identifier = message.get(1).copied().unwrap_or_default();
    end(identifier).encode().unwrap_or_default()
}

/// Octets that nobody can guess.
fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut octets = [0; LENGTH];
    SystemRandom::new().fill(&mut octets).expect("the operating system has random numbers");
    octets
}
