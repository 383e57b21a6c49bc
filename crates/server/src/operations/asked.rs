//! Who asks for something, and what a request that came before has made. A request with a key may
//! be repeated: the repetition finds what the first one made and makes nothing.

use crate::app::App;
use lango_domain::ids::{GrantId, Id, RouterId, TaskId, TenantId, TokenId};
use lango_domain::time::Timestamp;
use lango_store::activity::Activity;
use lango_store::requests::{self, Known, Request};
use lango_store::{Error, Tx};
use std::sync::Arc;

/// Who caused a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Time passed.
    Engine,
    /// A router told us.
    Router,
    /// Somebody at a terminal.
    Cli,
    /// Money arrived.
    Payment,
    /// Somebody with a token of that name.
    Token(Arc<str>),
    /// A task, which says who asked for it.
    Task(TaskId),
}

/// Who asks, and by which key he may ask again.
#[derive(Clone, Debug)]
pub struct By {
    /// Who asks.
    pub actor: Actor,
    /// The request, if it may be repeated.
    pub request: Option<Request>,
}

/// The key of a request was used for another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Idempotency-Key `{0}` was used for another request before: take a new key")]
pub struct KeyReused(pub String);

/// Why a thing could not be changed that somebody named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// There is none of that name, or not in this business.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// It is no longer as it was read.
    #[error("somebody changed the {0} meanwhile: read it again, then decide again")]
    Stale(&'static str),
}

impl Actor {
    /// The word in the account.
    pub fn word(&self) -> String {
        match self {
            Actor::Engine => "engine".to_owned(),
            Actor::Router => "router".to_owned(),
            Actor::Cli => "cli".to_owned(),
            Actor::Payment => "payment".to_owned(),
            Actor::Token(name) => format!("token {name}"),
            Actor::Task(id) => format!("task {id}"),
        }
    }
}

impl By {
    /// Somebody at a terminal.
    pub fn cli() -> By {
        By { actor: Actor::Cli, request: None }
    }

    /// Money that arrived by itself.
    pub fn payment() -> By {
        By { actor: Actor::Payment, request: None }
    }

    /// Somebody with a token.
    pub fn token(name: &str) -> By {
        By { actor: Actor::Token(name.into()), request: None }
    }

    /// The same with a key: what is asked for is told by its hash.
    pub fn with_key(self, token: TokenId, key: &str, fingerprint: Vec<u8>) -> By {
        By { request: Some(Request { token, key: key.to_owned(), fingerprint }), ..self }
    }
}

/// What a request that came before has made; none if this is the first.
///
/// # Errors
/// The outer one is a fault of the store.
pub async fn made_before<I: Id>(
    tx: &mut Tx<'_>,
    by: &By,
) -> Result<Result<Option<Vec<I>>, KeyReused>, Error> {
    let numbers = numbers_before(tx, by).await?;
    Ok(numbers.map(|made| made.map(|made| made.into_iter().map(I::from_raw).collect())))
}

/// How many a request that came before has made; none if this is the first.
///
/// # Errors
/// The outer one is a fault of the store.
pub async fn numbers_before(
    tx: &mut Tx<'_>,
    by: &By,
) -> Result<Result<Option<Vec<i64>>, KeyReused>, Error> {
    let Some(request) = &by.request else { return Ok(Ok(None)) };
    Ok(match requests::known(tx, request).await? {
        Known::New => Ok(None),
        Known::Done(made) => Ok(Some(made)),
        Known::Another => Err(KeyReused(request.key.clone())),
    })
}

/// Keeps what a request has made, in the transaction that makes it.
///
/// # Errors
/// [`Error::Retry`] if the same request is done elsewhere at this moment.
pub async fn keep_made<I: Id>(
    tx: &mut Tx<'_>,
    by: &By,
    made: &[I],
    now: Timestamp,
) -> Result<(), Error> {
    match &by.request {
        Some(request) => requests::keep(tx, request, made, now).await,
        None => Ok(()),
    }
}

/// Keeps how many a request has made, in the transaction that makes them.
///
/// # Errors
/// [`Error::Retry`] if the same request is done elsewhere at this moment.
pub async fn keep_numbers(
    tx: &mut Tx<'_>,
    by: &By,
    made: &[i64],
    now: Timestamp,
) -> Result<(), Error> {
    match &by.request {
        Some(request) => requests::keep_numbers(tx, request, made, now).await,
        None => Ok(()),
    }
}

/// What the account says of a change.
pub struct Entry<'e> {
    /// In whose business.
    pub tenant: TenantId,
    /// About which grant.
    pub grant: Option<GrantId>,
    /// About which router.
    pub router: Option<RouterId>,
    /// What happened, a word.
    pub what: &'e str,
    /// The facts.
    pub detail: String,
}

impl<'e> Entry<'e> {
    /// About the business itself.
    pub fn of(tenant: TenantId, what: &'e str, detail: impl Into<String>) -> Entry<'e> {
        Entry { tenant, grant: None, router: None, what, detail: detail.into() }
    }
}

/// Writes a line into the account, in the transaction of the change.
///
/// # Errors
/// A fault of the store.
pub async fn account(
    tx: &mut Tx<'_>,
    app: &App,
    actor: &Actor,
    entry: Entry<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    let Entry { tenant, grant, router, what, detail } = entry;
    let line = Activity {
        id: app.id(now),
        tenant,
        at: now,
        actor: actor.word(),
        grant,
        router,
        what: what.to_owned(),
        detail,
    };
    lango_store::activity::append(tx, &[line]).await
}

/// Whether a version is the one that somebody expects; no expectation is always met.
pub fn is_expected(version: i64, expected: Option<i64>) -> bool {
    expected.is_none_or(|expected| expected == version)
}
