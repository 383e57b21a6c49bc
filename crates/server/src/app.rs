//! What is built once and handed to everybody: the store, the clock, the key, the numbers.

use crate::cashier::postbox::Postbox;
use crate::clock::Clock;
use crate::config::public_url::PublicUrl;
use crate::feed::Feed;
use crate::messaging::gateways::smpp;
use crate::observe::metrics::Metrics;
use crate::observe::pulse::Pulse;
use crate::outbound::Reach;
use crate::payments::provider::Links;
use crate::payments::tokens::Tokens;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lango_domain::access::Access;
use lango_domain::ids::{GatewayId, GrantId, Id, IdSequence, RouterId, SenderId, WebhookId};
use lango_domain::mac_address::MacAddress;
use lango_domain::time::Timestamp;
use lango_store::secrets::SecretKey;
use lango_store::{Error, Store};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use subtle::ConstantTimeEq;
use tokio::sync::Notify;

/// Octets of the mark in a link: 128 bits nobody guesses, and short enough for a link.
const PORTAL_MARK: usize = 16;

/// The application. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    store: Store,
    clock: Clock,
    key: Arc<SecretKey>,
    ids: Mutex<IdSequence>,
    metrics: Metrics,
    pulse: Pulse,
    routers_changed: Notify,
    feed: Feed,
    webhooks_may_be_private: AtomicBool,
    links: Links,
    smpp: smpp::Sessions,
    public_url: OnceLock<PublicUrl>,
    postbox: Postbox,
}

impl App {
    /// Puts the parts together.
    pub fn new(store: Store, clock: Clock, key: SecretKey) -> App {
        // Processes on one database need different numbers; a meeting by chance is a conflict on a
        // primary key, which fails one write and loses nothing.
        let ids = Mutex::new(IdSequence::new(fastrand::u8(..)));
        let key = Arc::new(key);
        // Also on other nodes: at some providers a new token ends the one before.
        let tokens = Tokens::shared(store.clone(), key.clone());
        let links = Links { tokens, ..Links::default() };
        let (metrics, routers_changed) = (Metrics::default(), Notify::new());
        let (pulse, feed) = (Pulse::default(), Feed::default());
        App(Arc::new(Shared {
            store,
            clock,
            key,
            ids,
            metrics,
            pulse,
            routers_changed,
            feed,
            webhooks_may_be_private: AtomicBool::new(false),
            links,
            smpp: smpp::Sessions::default(),
            public_url: OnceLock::new(),
            postbox: Postbox::default(),
        }))
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The numbers that scrapers read.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// When each engine last finished a pass.
    pub fn pulse(&self) -> &Pulse {
        &self.0.pulse
    }

    /// What happened lately, for whoever listens.
    pub fn feed(&self) -> &Feed {
        &self.0.feed
    }

    /// Whether webhooks may lead into private networks.
    pub fn webhooks_may_be_private(&self) -> bool {
        self.0.webhooks_may_be_private.load(Ordering::Relaxed)
    }

    /// Says whether webhooks may lead into private networks; they may not unless this says so.
    pub fn let_webhooks_be_private(&self, may: bool) {
        self.0.webhooks_may_be_private.store(may, Ordering::Relaxed);
    }

    /// Where customers reach the portal from outside, if it is said.
    pub fn public_url(&self) -> Option<&PublicUrl> {
        self.0.public_url.get()
    }

    /// Says where customers reach the portal from outside. The first to say it is believed.
    pub fn is_reached_at(&self, url: PublicUrl) {
        let _ = self.0.public_url.set(url);
    }

    /// Seals what a webhook's messages are signed with.
    pub fn seal_webhook(&self, webhook: WebhookId, clear: &[u8]) -> Vec<u8> {
        self.0.key.seal(&format!("secret of {webhook}"), clear)
    }

    /// Opens what a webhook's messages are signed with.
    ///
    /// # Errors
    /// It was sealed with another key.
    pub fn open_webhook(&self, webhook: WebhookId, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.key.open(&format!("secret of {webhook}"), sealed)
    }

    /// Where messages of payment providers are handed in.
    pub(crate) fn postbox(&self) -> &Postbox {
        &self.0.postbox
    }

    /// The sessions with message centres.
    pub(crate) fn smpp(&self) -> &smpp::Sessions {
        &self.0.smpp
    }

    /// Seals what proves to a gateway that it is us.
    pub fn seal_sender(&self, sender: SenderId, clear: &[u8]) -> Vec<u8> {
        self.0.key.seal(&format!("secret of {sender}"), clear)
    }

    /// Opens what proves to a gateway that it is us.
    ///
    /// # Errors
    /// It was sealed with another key.
    pub fn open_sender(&self, sender: SenderId, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.key.open(&format!("secret of {sender}"), sealed)
    }

    /// What a gateway's reports must have in their path.
    pub fn report_token(&self, sender: SenderId) -> String {
        let hash = self.0.key.keyed_hash("message reports", sender.to_string().as_bytes());
        hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A new id for a thing that comes into being at `now`.
    pub fn id<I: Id>(&self, now: Timestamp) -> I {
        self.0.ids.lock().unwrap_or_else(PoisonError::into_inner).next(now)
    }

    /// Says that routers were added, changed or removed.
    pub fn routers_changed(&self) {
        self.0.routers_changed.notify_one();
    }

    /// Waits until routers were added, changed or removed in this process.
    pub async fn until_routers_changed(&self) {
        self.0.routers_changed.notified().await;
    }

    /// How payment providers are reached: what they gave us to show, and how fast we may ask, is the
    /// same for everybody who asks them.
    pub fn links(&self) -> Links {
        Links { reach: Reach::of(self), ..self.0.links.clone() }
    }

    /// Seals how we are known to a payment provider.
    pub fn seal_gateway(&self, gateway: GatewayId, clear: &[u8]) -> Vec<u8> {
        self.0.key.seal(&format!("settings of {gateway}"), clear)
    }

    /// Opens how we are known to a payment provider.
    ///
    /// # Errors
    /// It was sealed with another key.
    pub fn open_gateway(&self, gateway: GatewayId, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.key.open(&format!("settings of {gateway}"), sealed)
    }

    /// Seals the secret end of a path by which a provider speaks of something.
    pub fn seal_door(&self, of: &str, door: &str) -> Vec<u8> {
        self.0.key.seal(&format!("door of {of}"), door.as_bytes())
    }

    /// Opens the secret end of a path.
    ///
    /// # Errors
    /// It was sealed with another key.
    pub fn open_door(&self, of: &str, sealed: &[u8]) -> Result<String, Error> {
        let context = format!("door of {of}");
        let clear = self.0.key.open(&context, sealed)?;
        String::from_utf8(clear).map_err(|_| Error::Secret { context, reason: "it is not a path" })
    }

    /// What the end of a path is looked up by.
    pub fn door_hash(&self, door: &str) -> Vec<u8> {
        self.0.key.keyed_hash("door", door.as_bytes()).to_vec()
    }

    /// Seals a customer's login for its grant.
    pub fn seal_access(&self, grant: GrantId, access: &Access) -> Vec<u8> {
        // A login is text and numbers; serialising it cannot fail.
        let clear = serde_json::to_vec(access).unwrap_or_default();
        self.0.key.seal(&format!("access of {grant}"), &clear)
    }

    /// Opens a customer's login.
    ///
    /// # Errors
    /// It was sealed with another key.
    pub fn open_access(&self, grant: GrantId, sealed: &[u8]) -> Result<Access, Error> {
        let context = format!("access of {grant}");
        let clear = self.0.key.open(&context, sealed)?;
        serde_json::from_slice(&clear)
            .map_err(|_| Error::Secret { context, reason: "it is not a login" })
    }

    /// Seals a router's user and password.
    pub fn seal_credentials(&self, router: RouterId, clear: &[u8]) -> Vec<u8> {
        self.0.key.seal(&format!("credentials of {router}"), clear)
    }

    /// Opens a router's user and password.
    ///
    /// # Errors
    /// They were sealed with another key.
    pub fn open_credentials(&self, router: RouterId, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.key.open(&format!("credentials of {router}"), sealed)
    }

    /// Seals the one-time password of a device at a router.
    pub fn seal_admission(&self, router: RouterId, mac: MacAddress, clear: &str) -> Vec<u8> {
        self.0.key.seal(&format!("admission of {mac} at {router}"), clear.as_bytes())
    }

    /// Opens the one-time password of a device at a router.
    ///
    /// # Errors
    /// It was sealed with another key.
    pub fn open_admission(
        &self,
        router: RouterId,
        mac: MacAddress,
        sealed: &[u8],
    ) -> Result<String, Error> {
        let context = format!("admission of {mac} at {router}");
        let clear = self.0.key.open(&context, sealed)?;
        String::from_utf8(clear).map_err(|_| Error::Secret { context, reason: "it is not text" })
    }

    /// What a login is looked up by. A stolen database without the key gives no codes away.
    pub fn login_hash(&self, access: &Access) -> Vec<u8> {
        self.hash_login(login_purpose(access), &access.login())
    }

    /// The same for a login of which only the text is known.
    pub fn hash_login(&self, purpose: &str, login: &str) -> Vec<u8> {
        self.0.key.keyed_hash(purpose, login.as_bytes()).to_vec()
    }

    /// What an API token is looked up by.
    pub fn token_hash(&self, token: &str) -> Vec<u8> {
        self.0.key.keyed_hash("token", token.as_bytes()).to_vec()
    }

    /// Signs what a link of the portal carries, so that it can be believed when it comes back.
    /// `bound` is where it is good; it is not carried.
    pub fn portal_token(&self, bound: &str, carried: &str) -> String {
        let mark = self.portal_mark(bound, carried);
        URL_SAFE_NO_PAD.encode([&mark[..], carried.as_bytes()].concat())
    }

    /// What a link of the portal carries; none if we have not signed it for that place.
    pub fn read_portal_token(&self, bound: &str, token: &str) -> Option<String> {
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (mark, carried) = token.split_at_checked(PORTAL_MARK)?;
        let carried = std::str::from_utf8(carried).ok()?;
        let is_ours = self.portal_mark(bound, carried).ct_eq(mark);
        bool::from(is_ours).then(|| carried.to_owned())
    }

    fn portal_mark(&self, bound: &str, carried: &str) -> [u8; PORTAL_MARK] {
        let hash = self.0.key.keyed_hash("portal", format!("{bound}\0{carried}").as_bytes());
        let mut mark = [0; PORTAL_MARK];
        mark.copy_from_slice(&hash[..PORTAL_MARK]);
        mark
    }

    /// A mark by which a wrong key is noticed before it does harm.
    pub fn key_mark(&self) -> String {
        let mark = self.0.key.keyed_hash("key mark", b"lango");
        mark.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A hotspot user and a PPPoE user may have the same name.
pub const fn login_purpose(access: &Access) -> &'static str {
    match access {
        Access::Hotspot { .. } => "hotspot",
        Access::Pppoe { .. } => "ppp",
        Access::StaticIp { .. } => "address",
    }
}
