//! What providers want to see instead of a password, and for how long. At some of them a new token
//! ends the one before, so one is fetched once however many need it at that moment, refreshed
//! before it ends, and thrown away when the provider does not know it. Nodes on one database share
//! them through it.
//!
//! No lock and no transaction is held while a provider is asked.

use super::ProviderError;
use lango_domain::access::Secret;
use lango_domain::ids::GatewayId;
use lango_domain::time::{Span, Timestamp};
use lango_store::gateways::{self, ProviderToken};
use lango_store::secrets::SecretKey;
use lango_store::{Error, Store, Tx};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// So long before its end a token is no longer shown.
const AHEAD: Span = Span::seconds(60);

/// For so long nobody else fetches. Longer than any provider takes to answer.
const CLAIM: Span = Span::seconds(40);
/// How often somebody looks whether another node has fetched, and how often at most.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOKS: u32 = 225;

/// The tokens of all accounts. Cheap to clone; all clones are the same one.
#[derive(Clone, Default, Debug)]
pub struct Tokens {
    standings: Arc<Mutex<HashMap<GatewayId, Standing>>>,
    shelf: Option<Shelf>,
}

/// Where nodes find each other's tokens. Sealed, as a stolen database must open nothing.
#[derive(Clone)]
struct Shelf {
    store: Store,
    key: Arc<SecretKey>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf(…)")
    }
}

/// A token as a provider gives it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// The token.
    pub token: Secret,
    /// How long it is good.
    pub lasts: Span,
}

type News = Option<Result<Secret, ProviderError>>;

#[derive(Debug)]
enum Standing {
    Good {
        token: Secret,
        until: Timestamp,
    },
    /// Somebody is fetching one, and tells here.
    Fetching(watch::Receiver<News>),
}

/// What somebody who needs a token does now.
enum Turn {
    Show(Secret),
    Wait(watch::Receiver<News>),
    Fetch(Flight),
}

impl Tokens {
    /// Tokens that are shared with every other node on this database.
    pub fn shared(store: Store, key: Arc<SecretKey>) -> Tokens {
        Tokens { standings: Arc::default(), shelf: Some(Shelf { store, key }) }
    }

    /// The token to show. If there is none, or it is the one that was `dead` when it was shown,
    /// `fetch` gets one; whoever comes meanwhile waits for it, and gets the same or the same error.
    ///
    /// # Errors
    /// Whatever `fetch` says.
    pub async fn get<F, Fut>(
        &self,
        gateway: GatewayId,
        dead: Option<&Secret>,
        now: Timestamp,
        fetch: F,
    ) -> Result<Secret, ProviderError>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Fetched, ProviderError>>,
    {
        loop {
            match self.turn(gateway, dead, now) {
                Turn::Show(token) => return Ok(token),
                Turn::Fetch(flight) => {
                    let fetched = match &self.shelf {
                        Some(shelf) => shelf.get(gateway, dead, now, fetch).await,
                        None => fetch().await,
                    };
                    return flight.land(fetched, now);
                }
                Turn::Wait(mut news) => {
                    // Whoever fetched may have been stopped; then it is somebody else's turn.
                    let told = news.wait_for(Option::is_some).await;
                    if let Some(told) = told.ok().and_then(|told| told.clone()) {
                        return told;
                    }
                }
            }
        }
    }

    fn turn(&self, gateway: GatewayId, dead: Option<&Secret>, now: Timestamp) -> Turn {
        let mut all = self.all();
        match all.get(&gateway) {
            Some(Standing::Good { token, until }) if *until > now && Some(token) != dead => {
                return Turn::Show(token.clone());
            }
            Some(Standing::Fetching(news)) if news.has_changed().is_ok() => {
                return Turn::Wait(news.clone());
            }
            _ => {}
        }
        let (tell, news) = watch::channel(None);
        all.insert(gateway, Standing::Fetching(news));
        Turn::Fetch(Flight { tokens: self.clone(), gateway, tell })
    }

    fn all(&self) -> MutexGuard<'_, HashMap<GatewayId, Standing>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// The token that some node has fetched, or one that we fetch while no other may.
    async fn get<F, Fut>(
        &self,
        gateway: GatewayId,
        dead: Option<&Secret>,
        now: Timestamp,
        fetch: F,
    ) -> Result<Fetched, ProviderError>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Fetched, ProviderError>>,
    {
        for _ in 0..LOOKS {
            let look = async move |tx: &mut Tx<'_>| gateways::token(tx, gateway).await;
            let kept = self.store.read(look).await.map_err(|error| unkept(&error))?;
            if let Some(fetched) = kept.and_then(|kept| self.open(gateway, kept, now))
                && Some(&fetched.token) != dead
            {
                return Ok(fetched);
            }
            let claim = async move |tx: &mut Tx<'_>| {
                gateways::claim_fetch(tx, gateway, now + CLAIM, now).await
            };
            if self.store.write(claim).await.map_err(|error| unkept(&error))? {
                let fetched = fetch().await;
                self.keep(gateway, &fetched, now).await.map_err(|error| unkept(&error))?;
                return fetched;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let why = "another node fetches its token and does not come back".to_owned();
        Err(ProviderError::NoAnswer { provider: "the provider", why })
    }

    async fn keep(
        &self,
        gateway: GatewayId,
        fetched: &Result<Fetched, ProviderError>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Ok(Fetched { token, lasts }) = fetched else {
            let give_back = async move |tx: &mut Tx<'_>| gateways::not_fetched(tx, gateway).await;
            return self.store.write(give_back).await;
        };
        let sealed = self.key.seal(&context(gateway), token.reveal().as_bytes());
        let until = now + *lasts;
        let keep =
            async move |tx: &mut Tx<'_>| gateways::keep_token(tx, gateway, &sealed, until).await;
        self.store.write(keep).await
    }

    /// None where it has ended, will soon, or was sealed with another key.
    fn open(&self, gateway: GatewayId, kept: ProviderToken, now: Timestamp) -> Option<Fetched> {
        let lasts = kept.expires_at?.since(now);
        let clear = self.key.open(&context(gateway), &kept.token?).ok()?;
        let token = Secret::new(String::from_utf8(clear).ok()?);
        (lasts > AHEAD).then_some(Fetched { token, lasts })
    }
}

fn context(gateway: GatewayId) -> String {
    format!("token of {gateway}")
}

fn unkept(error: &Error) -> ProviderError {
    let why = format!("its token could not be kept: {error}");
    ProviderError::NoAnswer { provider: "the provider", why }
}

/// A fetching that is under way. One that is stopped drops its sender, which those who wait notice.
struct Flight {
    tokens: Tokens,
    gateway: GatewayId,
    tell: watch::Sender<News>,
}

impl Flight {
    fn land(
        self,
        fetched: Result<Fetched, ProviderError>,
        now: Timestamp,
    ) -> Result<Secret, ProviderError> {
        let told = fetched.map(|Fetched { token, lasts }| {
            // One that is short-lived is used for half of its life at least.
            let ahead = AHEAD.min(Span::from_micros(lasts.micros() / 2));
            let until = now + lasts.less(ahead);
            let good = Standing::Good { token: token.clone(), until };
            self.tokens.all().insert(self.gateway, good);
            token
        });
        if told.is_err() {
            self.tokens.all().remove(&self.gateway);
        }
        self.tell.send_replace(Some(told.clone()));
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lango_domain::ids::Id;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn gateway() -> GatewayId {
        GatewayId::from_raw(7)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(0) + Span::seconds(seconds)
    }

    /// A provider that numbers its tokens and thinks for a moment.
    #[derive(Clone, Default)]
    struct Issuer(Arc<AtomicU32>);

    impl Issuer {
        async fn issue(self) -> Result<Fetched, ProviderError> {
            tokio::task::yield_now().await;
            let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(Fetched { token: Secret::new(number.to_string()), lasts: Span::seconds(3_599) })
        }

        async fn shown(&self, tokens: &Tokens, dead: Option<&Secret>, now: Timestamp) -> String {
            let issuer = self.clone();
            let token = tokens.get(gateway(), dead, now, move || issuer.issue()).await;
            token.unwrap().reveal().to_owned()
        }
    }

    #[tokio::test]
    async fn one_is_fetched_however_many_need_it_and_again_before_it_ends() {
        let (tokens, issuer) = (Tokens::default(), Issuer::default());
        let all = (0..50).map(|_| issuer.shown(&tokens, None, at(0)));
        let shown = futures_util::future::join_all(all).await;
        assert!(shown.iter().all(|token| token == "1"), "{shown:?}");
        assert_eq!(issuer.shown(&tokens, None, at(3_538)).await, "1");
        assert_eq!(issuer.shown(&tokens, None, at(3_539)).await, "2");
    }

    #[tokio::test]
    async fn a_dead_one_is_replaced_once() {
        let (tokens, issuer) = (Tokens::default(), Issuer::default());
        let first = Secret::new(issuer.shown(&tokens, None, at(0)).await);
        let all = (0..50).map(|_| issuer.shown(&tokens, Some(&first), at(1)));
        let shown = futures_util::future::join_all(all).await;
        assert!(shown.iter().all(|token| token == "2"), "{shown:?}");
        assert_eq!(issuer.0.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn who_fetches_and_is_stopped_leaves_the_turn_to_the_next() {
        let (tokens, issuer) = (Tokens::default(), Issuer::default());
        let mut stuck = Box::pin(tokens.get(gateway(), None, at(0), std::future::pending));
        assert!(futures_util::poll!(&mut stuck).is_pending());
        let mut waiting = Box::pin(issuer.shown(&tokens, None, at(0)));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(stuck);
        assert_eq!(waiting.await, "1");
    }

    #[tokio::test]
    async fn a_refusal_is_told_to_all_who_wait_and_the_next_tries_again() {
        let (tokens, issuer) = (Tokens::default(), Issuer::default());
        let refused = || async {
            tokio::task::yield_now().await;
            Err(ProviderError::NotOffered("a provider"))
        };
        let one = tokens.get(gateway(), None, at(0), refused);
        let other = tokens.get(gateway(), None, at(0), std::future::pending);
        let (one, other) = futures_util::join!(one, other);
        assert!(one.is_err() && other.is_err());
        assert_eq!(issuer.shown(&tokens, None, at(0)).await, "1");
    }
}
