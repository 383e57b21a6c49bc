//! Requests that may come twice: what a key of a program has made. Written in the transaction that
//! made it, so that "was it done?" has one answer whatever broke in between.

use crate::{Error, Sql, Tx, args, sql};
use lango_domain::ids::{Id, TokenId};
use lango_domain::time::Timestamp;

/// A request that a program may repeat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Who asked.
    pub token: TokenId,
    /// The key he gave.
    pub key: String,
    /// What he asked for, hashed.
    pub fingerprint: Vec<u8>,
}

/// What is known of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Known {
    /// It is new.
    New,
    /// It was done, and these came of it: ids, or how many of what.
    Done(Vec<i64>),
    /// Its key was used for something else.
    Another,
}

const FIND: Sql = sql!("SELECT fingerprint, made FROM requests WHERE token_id = $1 AND key = $2");
const KEEP: Sql = sql!(
    "INSERT INTO requests (token_id, key, fingerprint, made, at) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT DO NOTHING"
);
const FORGET: Sql = sql!("DELETE FROM requests WHERE at < $1");

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[FIND, KEEP, FORGET];

/// What is known of a request.
pub async fn known(tx: &mut Tx<'_>, request: &Request) -> Result<Known, Error> {
    let row: Option<(Vec<u8>, String)> =
        tx.optional(FIND, &args![request.token, request.key]).await?;
    Ok(match row {
        None => Known::New,
        Some((fingerprint, _)) if fingerprint != request.fingerprint => Known::Another,
        Some((_, made)) => Known::Done(crate::json::read("requests.made", &made)?),
    })
}

/// Keeps the ids of what came of a request.
///
/// # Errors
/// [`Error::Retry`] if the same request is done elsewhere at this moment.
pub async fn keep<I: Id>(
    tx: &mut Tx<'_>,
    request: &Request,
    made: &[I],
    now: Timestamp,
) -> Result<(), Error> {
    let made: Vec<i64> = made.iter().map(|id| id.raw()).collect();
    keep_numbers(tx, request, &made, now).await
}

/// Keeps how many came of a request, where that is all that its answer tells.
///
/// # Errors
/// [`Error::Retry`] if the same request is done elsewhere at this moment.
pub async fn keep_numbers(
    tx: &mut Tx<'_>,
    request: &Request,
    made: &[i64],
    now: Timestamp,
) -> Result<(), Error> {
    let made = crate::json::write(&made);
    let row = args![request.token, request.key, request.fingerprint, made, now];
    crate::written_once(tx.execute(KEEP, &row).await?, "keeping a request")
}

/// Forgets requests that nobody will repeat any more. Returns how many.
pub async fn forget(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, Error> {
    tx.execute(FORGET, &args![before]).await
}
