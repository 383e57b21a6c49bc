//! What is said inside the tunnel, by either method.

use super::account::Account;
use super::eap_tls::EapTls;
use super::peap::Peap;
use super::refusal::Refusal;
use super::ttls::Ttls;
use super::tunnel::Tunnel;
use lango_radius::eap::TlsMethod;

/// What we do when it is our turn.
pub(super) enum Reply {
    /// Say this inside.
    Say(Vec<u8>),
    /// Say nothing, which asks the device to go on.
    Nothing,
    /// Look an account up before anything else is said.
    LookUp(String),
    /// Let the user of this name in.
    Let(String),
}

/// How far the inner conversation is.
pub(super) enum Inner {
    Peap(Peap),
    Ttls(Ttls),
    EapTls(EapTls),
}

impl Inner {
    /// The conversation inside a method.
    pub(super) fn of(method: TlsMethod) -> Inner {
        match method {
            TlsMethod::Ttls => Inner::Ttls(Ttls::Begin),
            TlsMethod::Peap => Inner::Peap(Peap::Begin),
            TlsMethod::Tls => Inner::EapTls(EapTls::Begin),
        }
    }

    /// What is to be done after the device said this.
    pub(super) fn turn(
        &mut self,
        said: &[u8],
        tunnel: &Tunnel,
        identifier: u8,
    ) -> Result<Reply, Refusal> {
        match self {
            Inner::Peap(peap) => peap.turn(said, identifier),
            Inner::Ttls(ttls) => ttls.turn(said, tunnel),
            Inner::EapTls(eap_tls) => eap_tls.turn(said, tunnel),
        }
    }

    /// Why the device is not let in, if that is decided and the device being told.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Inner::Peap(Peap::Told(outcome) | Peap::Concluded(outcome)) => outcome.as_ref().err(),
            Inner::Peap(_) | Inner::Ttls(_) | Inner::EapTls(_) => None,
        }
    }

    /// What is to be done when the account is known; nothing if it was not asked for.
    pub(super) fn decide(&mut self, account: Option<&Account>) -> Option<Result<Reply, Refusal>> {
        match self {
            Inner::Peap(peap) => peap.decide(account).map(Ok),
            Inner::Ttls(ttls) => ttls.decide(account),
            Inner::EapTls(eap_tls) => eap_tls.decide(account),
        }
    }
}
