//! The NASes we know, by the address from which they speak: never by what they say of themselves,
//! since behind NAT or a tunnel that is anything. And how each of them signs its requests.

use crate::app::App;
use crate::operations::add_router::{RouterAddress, RouterLogin, RouterProtocol};
use lango_domain::ids::{RouterId, TenantId};
use lango_domain::language::Language;
use lango_domain::time::{Span, Timestamp};
use lango_radius::{Secret, Signature};
use lango_store::routers::Router;
use lango_store::{Error, Tx};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

/// How soon a NAS that was added, changed or removed counts.
const LOAD_EVERY: Span = Span::seconds(2);
/// How often it is written down that a NAS was heard.
const NOTE_EVERY: Span = Span::seconds(30);

/// Whether a NAS's requests must carry a Message-Authenticator (CVE-2024-3596).
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Signing {
    /// Its first signed request decides; unsigned ones may not come through a proxy.
    Learning,
    /// They must.
    Required,
    /// They need not: a warning for as long as it is so.
    Off,
}

impl Signing {
    /// The word in the database and in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Signing::Learning => "learning",
            Signing::Required => "required",
            Signing::Off => "off",
        }
    }

    /// The meaning of such a word; whatever is none of them is learning.
    pub fn read(word: &str) -> Signing {
        match word {
            "required" => Signing::Required,
            "off" => Signing::Off,
            _ => Signing::Learning,
        }
    }

    const fn from_octet(octet: u8) -> Signing {
        match octet {
            1 => Signing::Required,
            2 => Signing::Off,
            _ => Signing::Learning,
        }
    }

    const fn octet(self) -> u8 {
        match self {
            Signing::Learning => 0,
            Signing::Required => 1,
            Signing::Off => 2,
        }
    }
}

/// A NAS.
#[derive(Debug)]
pub struct Nas {
    /// The router that it is.
    pub router: RouterId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What staff call it.
    pub name: String,
    /// What both sides know.
    pub secret: Secret,
    /// The language of those who have none of their own.
    pub language: Language,
    version: i64,
    signing: AtomicU8,
    heard_at: Arc<AtomicI64>,
    proven_at: Arc<AtomicI64>,
    mistrusted_at: Arc<AtomicI64>,
    clock_ahead: Arc<AtomicI64>,
    interim_at: Arc<AtomicI64>,
    noted_at: AtomicI64,
    noted: AtomicU8,
}

/// Where nothing was said about a NAS's clock.
const NO_CLOCK: i64 = i64::MIN;

impl Nas {
    /// How it signs.
    pub fn signing(&self) -> Signing {
        Signing::from_octet(self.signing.load(Ordering::Relaxed))
    }

    /// The same NAS as it speaks through TLS, where a secret that everybody knows takes the place
    /// of its own (RFC 6614 §2.3) and nobody can forge what is not signed.
    pub(super) fn through_tls(&self) -> Nas {
        Nas {
            router: self.router,
            tenant: self.tenant,
            name: self.name.clone(),
            secret: Secret::new("radsec").expect("it is not empty"),
            language: self.language,
            version: self.version,
            signing: AtomicU8::new(Signing::Off.octet()),
            heard_at: self.heard_at.clone(),
            proven_at: self.proven_at.clone(),
            mistrusted_at: self.mistrusted_at.clone(),
            clock_ahead: self.clock_ahead.clone(),
            interim_at: self.interim_at.clone(),
            noted_at: AtomicI64::new(0),
            noted: AtomicU8::new(0),
        }
    }

    /// Takes note that it said something that we trust, and whether that proves that it knows the
    /// secret: an unsigned Access-Request could be anybody's.
    pub(super) fn hear(&self, proven: bool, now: Timestamp) {
        self.heard_at.store(now.micros(), Ordering::Relaxed);
        if proven {
            self.proven_at.store(now.micros(), Ordering::Relaxed);
        }
    }

    /// Takes note of how far its clock is ahead of ours.
    pub(super) fn note_clock(&self, ahead_seconds: i64) {
        self.clock_ahead.store(ahead_seconds, Ordering::Relaxed);
    }

    /// Takes note that it reported of a session that goes on: from then on its silence means
    /// something.
    pub(super) fn note_interim(&self, now: Timestamp) {
        self.interim_at.store(now.micros(), Ordering::Relaxed);
    }

    /// Takes note of something that another secret must have signed.
    pub(super) fn mistrust(&self, now: Timestamp) {
        self.mistrusted_at.store(now.micros(), Ordering::Relaxed);
    }

    /// Whether an Access-Request may be answered as far as its signature goes.
    ///
    /// Whoever signs once always can: from then on what comes unsigned is somebody else's. Only a
    /// Proxy-State lets an attacker work on an unsigned request, so while we learn those are
    /// dropped.
    pub(super) fn takes(&self, signature: Signature, is_eap: bool, has_proxy_state: bool) -> bool {
        match (self.signing(), signature.is_present()) {
            (Signing::Learning, true) => {
                // EAP is always signed: it says nothing of the NAS's other requests.
                if !is_eap {
                    self.signing.store(Signing::Required.octet(), Ordering::Relaxed);
                }
                true
            }
            (Signing::Learning, false) => !has_proxy_state,
            (Signing::Required, signed) => signed,
            (Signing::Off, _) => true,
        }
    }
}

/// All NASes.
#[derive(Debug, Default)]
pub struct Directory(RwLock<Arc<Known>>);

/// By the address from which they speak.
type Known = HashMap<IpAddr, Arc<Nas>>;

impl Directory {
    /// Who speaks from that address.
    pub fn of(&self, address: IpAddr) -> Option<Arc<Nas>> {
        self.read().get(&address.to_canonical()).cloned()
    }

    fn read(&self) -> Arc<Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn all(&self) -> Vec<Arc<Nas>> {
        self.read().values().cloned().collect()
    }

    /// Reads the NASes from the database. Those that did not change keep what they learned.
    ///
    /// # Errors
    /// A fault of the store; what is known stays.
    pub async fn load(&self, app: &App) -> Result<(), Error> {
        let (routers, states, languages) = app
            .store()
            .report(async |tx: &mut Tx<'_>| {
                let routers = lango_store::routers::all(tx).await?;
                let states = lango_store::radius::nases(tx).await?;
                let tenants = lango_store::tenants::all(tx).await?;
                let languages: HashMap<TenantId, Language> =
                    tenants.into_iter().map(|tenant| (tenant.id, tenant.language)).collect();
                Ok((routers, states, languages))
            })
            .await?;
        let old: HashMap<RouterId, Arc<Nas>> =
            self.all().into_iter().map(|nas| (nas.router, nas)).collect();
        let mut known = Known::new();
        for router in routers {
            let Some(source) = source(&router) else { continue };
            let signing = states
                .iter()
                .find(|state| state.router == router.id)
                .map_or(Signing::Learning, |state| Signing::read(&state.signature));
            let same = old.get(&router.id).filter(|old| old.version == router.version).cloned();
            let nas = match same {
                Some(nas) => {
                    // What another node learned. What a person said makes the router another
                    // version, and the NAS anew.
                    if signing != Signing::Learning {
                        nas.signing.store(signing.octet(), Ordering::Relaxed);
                    }
                    nas
                }
                None => {
                    let language = languages.get(&router.tenant).copied();
                    match nas(app, &router, signing, language.unwrap_or(Language::En)) {
                        Some(nas) => Arc::new(nas),
                        None => continue,
                    }
                }
            };
            known.insert(source, nas);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        Ok(())
    }

    /// Writes down how NASes stand with us, as far as that is news.
    async fn note(&self, app: &App, now: Timestamp) -> Result<(), Error> {
        let news: Vec<_> = self.all().into_iter().filter_map(|nas| news(&nas, now)).collect();
        if news.is_empty() {
            return Ok(());
        }
        app.store()
            .write(async move |tx: &mut Tx<'_>| {
                for (tenant, nas) in &news {
                    lango_store::radius::keep_nas(tx, *tenant, nas).await?;
                }
                Ok(())
            })
            .await
    }
}

fn news(nas: &Nas, now: Timestamp) -> Option<(TenantId, lango_store::radius::Nas)> {
    let at = |cell: &AtomicI64| match cell.load(Ordering::Relaxed) {
        0 => None,
        micros => Some(Timestamp::from_micros(micros)),
    };
    let (heard_at, mistrusted_at) = (at(&nas.heard_at), at(&nas.mistrusted_at));
    let proven_at = at(&nas.proven_at);
    let clock_ahead = nas.clock_ahead.load(Ordering::Relaxed);
    let last = heard_at.max(mistrusted_at)?;
    let noted = Timestamp::from_micros(nas.noted_at.load(Ordering::Relaxed));
    // That a secret turned out wrong, or right, is told at once; that a NAS still lives is not.
    let interim_at = at(&nas.interim_at);
    let standing = nas.signing().octet()
        | (u8::from(mistrusted_at > proven_at) << 2)
        | (u8::from(interim_at.is_some()) << 3);
    let is_same = nas.noted.swap(standing, Ordering::Relaxed) == standing;
    if last <= noted || (is_same && now.since(noted) < NOTE_EVERY) {
        return None;
    }
    nas.noted_at.store(now.micros(), Ordering::Relaxed);
    let signature = nas.signing().word().to_owned();
    let state = lango_store::radius::Nas {
        router: nas.router,
        signature,
        heard_at,
        proven_at,
        mistrusted_at,
        clock_ahead_seconds: (clock_ahead != NO_CLOCK).then_some(clock_ahead),
        interim_at,
    };
    Some((nas.tenant, state))
}

/// From where a router speaks RADIUS; none if it does not.
pub fn source(router: &Router) -> Option<IpAddr> {
    let address: RouterAddress = serde_json::from_str(&router.endpoint).ok()?;
    if address.protocol != RouterProtocol::Radius {
        return None;
    }
    address.host.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn nas(app: &App, router: &Router, signing: Signing, language: Language) -> Option<Nas> {
    let clear = app.open_credentials(router.id, &router.credentials).ok()?;
    let login: RouterLogin = serde_json::from_slice(&clear).ok()?;
    let secret = Secret::new(login.password).ok()?;
    Some(Nas {
        router: router.id,
        tenant: router.tenant,
        name: router.name.clone(),
        secret,
        language,
        version: router.version,
        signing: AtomicU8::new(signing.octet()),
        heard_at: Arc::default(),
        proven_at: Arc::default(),
        mistrusted_at: Arc::default(),
        clock_ahead: Arc::new(AtomicI64::new(NO_CLOCK)),
        interim_at: Arc::default(),
        noted_at: AtomicI64::new(0),
        noted: AtomicU8::new(0),
    })
}

/// Keeps the directory fresh, and what it learned written down.
pub(super) async fn keep(app: App, directory: Arc<Directory>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOAD_EVERY.to_std()) => {}
        }
        let kept = async {
            directory.note(&app, app.clock().now()).await?;
            directory.load(&app).await
        };
        if let Err(error) = kept.await {
            tracing::warn!(%error, "the NASes cannot be read; those known are served on");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::Id;

    fn learning() -> Nas {
        Nas {
            router: RouterId::from_raw(1),
            tenant: TenantId::from_raw(1),
            name: "Lobby".to_owned(),
            secret: Secret::new("testing123").unwrap(),
            language: Language::En,
            version: 1,
            signing: AtomicU8::new(0),
            heard_at: Arc::default(),
            proven_at: Arc::default(),
            mistrusted_at: Arc::default(),
            clock_ahead: Arc::new(AtomicI64::new(NO_CLOCK)),
            interim_at: Arc::default(),
            noted_at: AtomicI64::new(0),
            noted: AtomicU8::new(0),
        }
    }

    #[test]
    fn who_has_signed_once_must_sign_for_ever() {
        let nas = learning();
        assert!(nas.takes(Signature::Absent, false, false));
        assert!(!nas.takes(Signature::Absent, false, true), "a proxy's state, unsigned");
        assert!(nas.takes(Signature::Later, true, false));
        assert_eq!(nas.signing(), Signing::Learning, "EAP is always signed");
        assert!(nas.takes(Signature::First, false, true));
        assert_eq!(nas.signing(), Signing::Required);
        assert!(!nas.takes(Signature::Absent, false, false));
    }
}
