//! What providers want to see instead of a password, and for how long. At some of them a new token
//! ends the one before, so one is fetched once however many need it at that moment, refreshed
//! before it ends, and thrown away when the provider does not know it.
//!
//! No lock is held while a provider is asked.

use super::ProviderError;
use lango_domain::access::Secret;
use lango_domain::ids::GatewayId;
use lango_domain::time::{Span, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// So long before its end a token is no longer shown.
const AHEAD: Span = Span::seconds(60);

/// The tokens of all accounts. Cheap to clone; all clones are the same one.
#[derive(Clone, Default, Debug)]
pub struct Tokens(Arc<Mutex<HashMap<GatewayId, Standing>>>);

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
                    let fetched = fetch().await;
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let other = tokens.get(gateway(), None, at(0), || std::future::pending());
        let (one, other) = futures_util::join!(one, other);
        assert!(one.is_err() && other.is_err());
        assert_eq!(issuer.shown(&tokens, None, at(0)).await, "1");
    }
}
