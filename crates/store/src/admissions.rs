//! Admissions: devices that wait to be logged in at a router, and what came of it. One row for a
//! device at a router; a new wish takes the place of the old one.

use crate::{Error, FromRow, Row, Sql, Topic, Tx, args, sql};
use lango_domain::ids::{GrantId, Id, RouterId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::time::Timestamp;
use std::net::IpAddr;

/// How far an admission has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// The router's worker is to log the device in.
    Wanted,
    /// The device is to present a one-time password itself, because the router asks us.
    HandedOver,
    /// Another device is online by the grant and is not silent.
    OtherDevice,
    /// The router showed the session.
    Connected,
    /// It was given up, and why is in the last error.
    Refused,
}

impl Progress {
    const ALL: [Progress; 5] = [
        Progress::Wanted,
        Progress::HandedOver,
        Progress::OtherDevice,
        Progress::Connected,
        Progress::Refused,
    ];

    /// The word in the database.
    pub const fn word(self) -> &'static str {
        match self {
            Progress::Wanted => "wanted",
            Progress::HandedOver => "handed_over",
            Progress::OtherDevice => "other_device",
            Progress::Connected => "connected",
            Progress::Refused => "refused",
        }
    }
}

crate::stored_as!(Progress: String,
    |word| Progress::ALL.into_iter().find(|one| one.word() == word), |one| one.word());

/// One device that waits at one router, or has waited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admission {
    /// At which router.
    pub router: RouterId,
    /// Which device.
    pub mac: MacAddress,
    /// Whose.
    pub tenant: TenantId,
    /// By which right.
    pub grant: GrantId,
    /// Where its owner's browser says it is.
    pub address: Option<IpAddr>,
    /// How far it has come.
    pub progress: Progress,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Until when it is tried.
    pub wanted_until: Timestamp,
    /// When it is tried next; none if there is no work.
    pub next_attempt_at: Option<Timestamp>,
    /// Grows with every wish and every claim.
    pub attempt: i64,
    /// Tries that failed.
    pub failures: i64,
    /// What last went wrong.
    pub last_error: Option<String>,
    /// Whether a session of another device may be ended for it.
    pub moves: bool,
    /// The device that is in the way.
    pub other: Option<MacAddress>,
    /// When the router showed the session.
    pub connected_at: Option<Timestamp>,
    /// The one-time password, sealed; none if there is none or it was used.
    pub password: Option<Vec<u8>>,
    /// Until when it is good.
    pub password_until: Option<Timestamp>,
}

impl FromRow for Admission {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Admission {
            router: row.get(0)?,
            mac: row.get(1)?,
            tenant: row.get(2)?,
            grant: row.get(3)?,
            address: row.get::<Option<String>>(4)?.and_then(|text| text.parse().ok()),
            progress: row.get(5)?,
            asked_at: row.get(6)?,
            wanted_until: row.get(7)?,
            next_attempt_at: row.get(8)?,
            attempt: row.get(9)?,
            failures: row.get(10)?,
            last_error: row.get(11)?,
            moves: row.get(12)?,
            other: row.get(13)?,
            connected_at: row.get(14)?,
            password: row.get(15)?,
            password_until: row.get(16)?,
        })
    }
}

/// A list of admissions as [`Admission`] reads it.
macro_rules! listed {
    ($which:literal) => {
        sql!(
            "SELECT router_id, mac, tenant_id, grant_id, address, state, asked_at, wanted_until, \
             next_attempt_at, attempt, failures, last_error, moves, other_mac, connected_at, \
             password, password_until FROM admissions WHERE ",
            $which
        )
    };
}
const FIND: Sql = listed!("router_id = $1 AND mac = $2");
const DUE: Sql = listed!(
    "router_id = $1 AND next_attempt_at IS NOT NULL AND next_attempt_at <= $2 \
     ORDER BY next_attempt_at LIMIT $3"
);
// The plus keeps SQLite from walking all that ever was admitted at the router, by the key.
const HANDED_OVER: Sql =
    listed!("grant_id = $1 AND +router_id = $2 AND password IS NOT NULL ORDER BY mac");
const WRITE: Sql = sql!(
    "INSERT INTO admissions (router_id, mac, tenant_id, grant_id, address, state, asked_at, \
     wanted_until, next_attempt_at, attempt, failures, last_error, moves, other_mac, connected_at, \
     password, password_until) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
     ON CONFLICT (router_id, mac) DO UPDATE SET tenant_id = excluded.tenant_id, \
     grant_id = excluded.grant_id, address = excluded.address, state = excluded.state, \
     asked_at = excluded.asked_at, wanted_until = excluded.wanted_until, \
     next_attempt_at = excluded.next_attempt_at, attempt = excluded.attempt, \
     failures = excluded.failures, last_error = excluded.last_error, moves = excluded.moves, \
     other_mac = excluded.other_mac, connected_at = excluded.connected_at, \
     password = excluded.password, password_until = excluded.password_until"
);
const CLAIM: Sql = sql!(
    "UPDATE admissions SET attempt = attempt + 1, next_attempt_at = $1 \
     WHERE router_id = $2 AND mac = $3 AND attempt = $4"
);
const NEXT_ATTEMPT: Sql = sql!(
    "SELECT next_attempt_at FROM admissions \
     WHERE router_id = $1 AND next_attempt_at IS NOT NULL ORDER BY next_attempt_at LIMIT 1"
);
const AT_ONCE: Sql = sql!(
    "UPDATE admissions SET next_attempt_at = asked_at \
     WHERE router_id = $1 AND next_attempt_at IS NOT NULL AND next_attempt_at > $2"
);
const USE_PASSWORD: Sql = sql!(
    "UPDATE admissions SET password = NULL WHERE router_id = $1 AND mac = $2 AND password = $3"
);
const FORGET: Sql = sql!("DELETE FROM admissions WHERE wanted_until < $1");

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] =
    &[FIND, DUE, HANDED_OVER, WRITE, CLAIM, NEXT_ATTEMPT, AT_ONCE, USE_PASSWORD, FORGET];

/// The admission of a device at a router, if one was ever asked for.
pub async fn find(
    tx: &mut Tx<'_>,
    router: RouterId,
    mac: MacAddress,
) -> Result<Option<Admission>, Error> {
    tx.optional(FIND, &args![router, mac]).await
}

/// Writes an admission as it is now, and wakes whoever waits for it and, if there is work, the
/// router's worker.
pub async fn write(tx: &mut Tx<'_>, admission: &Admission) -> Result<(), Error> {
    let a = admission;
    let address = a.address.map(|address| address.to_string());
    let moves = i64::from(a.moves);
    let row = args![
        a.router,
        a.mac,
        a.tenant,
        a.grant,
        address,
        a.progress,
        a.asked_at,
        a.wanted_until,
        a.next_attempt_at,
        a.attempt,
        a.failures,
        a.last_error,
        moves,
        a.other,
        a.connected_at,
        a.password,
        a.password_until
    ];
    tx.execute(WRITE, &row).await?;
    tx.wake(Topic::Admissions(a.router.raw()));
    if a.next_attempt_at.is_some() {
        tx.wake(Topic::Router(a.router.raw()));
    }
    Ok(())
}

/// Takes what is due at a router, most overdue first. Until `lease` nobody else takes it.
pub async fn claim(
    tx: &mut Tx<'_>,
    router: RouterId,
    now: Timestamp,
    lease: Timestamp,
    limit: i64,
) -> Result<Vec<Admission>, Error> {
    let mut claimed = Vec::new();
    for mut due in tx.all::<Admission>(DUE, &args![router, now, limit]).await? {
        if tx.execute(CLAIM, &args![lease, router, due.mac, due.attempt]).await? == 1 {
            due.attempt += 1;
            due.next_attempt_at = Some(lease);
            claimed.push(due);
        }
    }
    Ok(claimed)
}

/// When the next admission at a router is to be tried.
pub async fn next_attempt(tx: &mut Tx<'_>, router: RouterId) -> Result<Option<Timestamp>, Error> {
    tx.optional(NEXT_ATTEMPT, &args![router]).await
}

/// Has everything tried now that waits for a later try.
pub async fn try_at_once(tx: &mut Tx<'_>, router: RouterId, now: Timestamp) -> Result<(), Error> {
    tx.execute(AT_ONCE, &args![router, now]).await.map(drop)
}

/// The admissions by a grant at a router whose one-time password was not used yet.
pub async fn handed_over(
    tx: &mut Tx<'_>,
    grant: GrantId,
    router: RouterId,
) -> Result<Vec<Admission>, Error> {
    tx.all(HANDED_OVER, &args![grant, router]).await
}

/// Uses a one-time password up. Of two at the same moment one hears true.
pub async fn use_password(
    tx: &mut Tx<'_>,
    router: RouterId,
    mac: MacAddress,
    sealed: &[u8],
) -> Result<bool, Error> {
    let used = tx.execute(USE_PASSWORD, &args![router, mac, sealed]).await? == 1;
    if used {
        tx.wake(Topic::Admissions(router.raw()));
    }
    Ok(used)
}

/// Forgets what was not wanted any more before `before`.
pub async fn forget(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, Error> {
    tx.execute(FORGET, &args![before]).await
}
