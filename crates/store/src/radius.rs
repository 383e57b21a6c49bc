//! What NASes tell by RADIUS: sessions as they count them, usage by the hour, how they sign.

use crate::{Arg, Error, FromRow, Row, Sql, ToArg, ToArgs, Tx, args, bulk, sql};
use lango_domain::ids::{GrantId, Id, RouterId, SessionId, TenantId};
use lango_domain::mac_address::MacAddress;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};
use std::collections::BTreeMap;

/// A session as its NAS counts it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RadiusSession {
    /// Its identity; the session of the same id in `sessions` is what staff see.
    pub id: SessionId,
    /// Whose NAS.
    pub tenant: TenantId,
    /// On which NAS.
    pub router: RouterId,
    /// By which right; none if it is nobody's that we know.
    pub grant: Option<GrantId>,
    /// By what the NAS names it, hashed.
    pub key: Vec<u8>,
    /// The attributes that name it to the NAS, as received.
    pub identifiers: Vec<u8>,
    /// The device, if the NAS says.
    pub mac: Option<MacAddress>,
    /// Its address, if the NAS says.
    pub address: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When the NAS last spoke of it.
    pub updated_at: Timestamp,
    /// When it ended; none while it lasts.
    pub ended_at: Option<Timestamp>,
    /// Why it ended, in the NAS's words or ours.
    pub cause: Option<String>,
    /// How long it was or is.
    pub uptime: Span,
    /// What the customer sent.
    pub input: DataSize,
    /// What the customer received.
    pub output: DataSize,
    /// How much of the time the grant was told.
    pub uptime_noted: Span,
    /// How much of the data the grant was told.
    pub data_noted: DataSize,
    /// Whether the grant must hear every report: its time online or its data is limited.
    pub metered: bool,
    /// How much of what the customer sent the usage by the hour has; [`go_on`] lets it be.
    pub input_counted: DataSize,
    /// The same of what he received.
    pub output_counted: DataSize,
    /// Which writing of it was read; none yet is zero.
    pub version: i64,
}

impl FromRow for RadiusSession {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(RadiusSession {
            id: row.get(0)?,
            tenant: row.get(1)?,
            router: row.get(2)?,
            grant: row.get(3)?,
            key: row.get(4)?,
            identifiers: row.get(5)?,
            mac: row.get(6)?,
            address: row.get(7)?,
            started_at: row.get(8)?,
            updated_at: row.get(9)?,
            ended_at: row.get(10)?,
            cause: row.get(11)?,
            uptime: row.get(12)?,
            input: row.get(13)?,
            output: row.get(14)?,
            uptime_noted: row.get(15)?,
            data_noted: row.get(16)?,
            metered: row.get(17)?,
            input_counted: row.get(18)?,
            output_counted: row.get(19)?,
            version: row.get(20)?,
        })
    }
}

/// Who is online by a grant, as a login asks it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Occupant {
    /// The session.
    pub session: SessionId,
    /// By which grant.
    pub grant: GrantId,
    /// The device, if it is known.
    pub mac: Option<MacAddress>,
    /// On which router.
    pub router: RouterId,
    /// Since when.
    pub started_at: Timestamp,
    /// By when it must be over, if that was said.
    pub due_at: Option<Timestamp>,
}

impl FromRow for Occupant {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let (grant, mac, router, started_at) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let (session, due_at) = (row.get(4)?, row.get(5)?);
        Ok(Occupant { session, grant, mac, router, started_at, due_at })
    }
}

/// Why a session must be over before its grant is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DueWhy {
    /// Another device took its place.
    Displaced,
    /// The hours of its plan end.
    Hours,
}

/// A session that lasts and should not any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Overdue {
    /// The session.
    pub session: SessionId,
    /// On which router.
    pub router: RouterId,
    /// By which right.
    pub grant: GrantId,
    /// Why.
    pub why: DueWhy,
}

impl FromRow for Overdue {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let why = match row.get::<Option<String>>(3)?.as_deref() {
            Some("displaced") => DueWhy::Displaced,
            _ => DueWhy::Hours,
        };
        Ok(Overdue { session: row.get(0)?, router: row.get(1)?, grant: row.get(2)?, why })
    }
}

/// What a grant used in an hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HourOfUsage {
    /// Which grant.
    pub grant: GrantId,
    /// The beginning of the hour.
    pub hour: Timestamp,
    /// What the customer sent.
    pub input: DataSize,
    /// What he received.
    pub output: DataSize,
}

impl FromRow for HourOfUsage {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let (grant, hour) = (row.get(0)?, row.get(1)?);
        Ok(HourOfUsage { grant, hour, input: row.get(2)?, output: row.get(3)? })
    }
}

/// What a grant used in an hour, or in a day that is long past.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Used {
    /// The beginning.
    pub from: Timestamp,
    /// The end.
    pub to: Timestamp,
    /// What the customer sent.
    pub input: DataSize,
    /// What he received.
    pub output: DataSize,
}

impl FromRow for Used {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let (from, to) = (row.get(0)?, row.get(1)?);
        Ok(Used { from, to, input: row.get(2)?, output: row.get(3)? })
    }
}

/// How a NAS stands with us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nas {
    /// Which router.
    pub router: RouterId,
    /// The word for how it signs.
    pub signature: String,
    /// When it last said anything that we could trust.
    pub heard_at: Option<Timestamp>,
    /// When it last signed anything with the secret that we know.
    pub proven_at: Option<Timestamp>,
    /// When it last sent something that another secret had signed.
    pub mistrusted_at: Option<Timestamp>,
    /// How far its clock was ahead of ours when it last said what time it is, in seconds.
    pub clock_ahead_seconds: Option<i64>,
    /// When it last reported of a session that it goes on; some never do.
    pub interim_at: Option<Timestamp>,
}

impl FromRow for Nas {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Nas {
            router: row.get(0)?,
            signature: row.get(1)?,
            heard_at: row.get(2)?,
            proven_at: row.get(3)?,
            mistrusted_at: row.get(4)?,
            clock_ahead_seconds: row.get(5)?,
            interim_at: row.get(6)?,
        })
    }
}

/// Sessions as [`RadiusSession`] reads them.
macro_rules! session {
    ($sqlite:literal, $postgres:literal) => {
        sql!(
            sqlite: concat!(
                "SELECT id, tenant_id, router_id, grant_id, key, identifiers, mac, address, \
                 started_at, updated_at, ended_at, cause, uptime, input, output, uptime_noted, \
                 data_noted, metered, input_counted, output_counted, version \
                 FROM radius_sessions WHERE ", $sqlite
            ),
            postgres: concat!(
                "SELECT id, tenant_id, router_id, grant_id, key, identifiers, mac, address, \
                 started_at, updated_at, ended_at, cause, uptime, input, output, uptime_noted, \
                 data_noted, metered, input_counted, output_counted, version \
                 FROM radius_sessions WHERE ", $postgres
            ),
        )
    };
    ($both:literal) => {
        session!($both, $both)
    };
}
const BY_KEYS: Sql = session!(
    "key IN (SELECT unhex(value) FROM json_each($1))",
    "key = ANY (ARRAY(SELECT decode(value, 'hex') FROM json_array_elements_text($1::json) value))"
);
const BY_IDS: Sql = session!(
    "id IN (SELECT value FROM json_each($1))",
    "id = ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text($1::json) value))"
);
const OPEN_ON: Sql = session!("router_id = $1 AND ended_at IS NULL");
const SOME_OPEN_ON: Sql =
    session!("router_id = $1 AND ended_at IS NULL AND started_at <= $2 LIMIT $3");
const OPEN_OF_GRANT: Sql = session!("router_id = $1 AND grant_id = $2 AND ended_at IS NULL");
/// By way of `sessions`, where the open ones are found by their grant.
const OPEN_OF_GRANTS: Sql = session!(
    "ended_at IS NULL AND id IN (SELECT id FROM sessions WHERE ended_at IS NULL \
     AND grant_id IN (SELECT value FROM json_each($1)))",
    "ended_at IS NULL AND id = ANY (ARRAY(SELECT id FROM sessions WHERE ended_at IS NULL \
     AND grant_id = ANY (ARRAY(SELECT value::bigint \
     FROM json_array_elements_text($1::json) value))))"
);
// Where nobody ever reports of what goes on, silence means nothing for long.
const STALE: Sql = session!(
    "ended_at IS NULL AND heard_in <= $1 AND updated_at < $2 AND (updated_at < $3 OR uptime > 0 \
     OR router_id IN (SELECT router_id FROM nases WHERE interim_at IS NOT NULL)) \
     ORDER BY heard_in LIMIT $4"
);
const SAVE: crate::Bulk = bulk!(
    sqlite: "INSERT INTO radius_sessions (id, tenant_id, router_id, grant_id, key, identifiers, \
             mac, address, started_at, updated_at, ended_at, cause, uptime, input, output, \
             uptime_noted, data_noted, metered, heard_in, input_counted, output_counted, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
             $18, $19, $20, $21, $22) \
             ON CONFLICT (id) DO UPDATE SET key = excluded.key, \
             identifiers = excluded.identifiers, mac = excluded.mac, address = excluded.address, \
             started_at = excluded.started_at, updated_at = excluded.updated_at, \
             ended_at = excluded.ended_at, cause = excluded.cause, uptime = excluded.uptime, \
             input = excluded.input, output = excluded.output, \
             uptime_noted = excluded.uptime_noted, data_noted = excluded.data_noted, \
             metered = excluded.metered, heard_in = excluded.heard_in, \
             input_counted = excluded.input_counted, output_counted = excluded.output_counted, \
             version = excluded.version WHERE radius_sessions.version = excluded.version - 1",
    postgres: "INSERT INTO radius_sessions (id, tenant_id, router_id, grant_id, key, \
               identifiers, mac, address, started_at, updated_at, ended_at, cause, uptime, input, \
               output, uptime_noted, data_noted, metered, heard_in, input_counted, \
               output_counted, version) \
               SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], \
               $4::bigint[], $5::bytea[], $6::bytea[], $7::text[], $8::text[], $9::bigint[], \
               $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[], \
               $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], \
               $20::bigint[], $21::bigint[], $22::bigint[]) \
               ON CONFLICT (id) DO UPDATE SET key = excluded.key, \
               identifiers = excluded.identifiers, mac = excluded.mac, \
               address = excluded.address, started_at = excluded.started_at, \
               updated_at = excluded.updated_at, ended_at = excluded.ended_at, \
               cause = excluded.cause, uptime = excluded.uptime, input = excluded.input, \
               output = excluded.output, uptime_noted = excluded.uptime_noted, \
               data_noted = excluded.data_noted, metered = excluded.metered, \
               heard_in = excluded.heard_in, input_counted = excluded.input_counted, \
               output_counted = excluded.output_counted, version = excluded.version \
               WHERE radius_sessions.version = excluded.version - 1",
);
// What no index but the hour's depends on: most reports change nothing else, and SQLite writes an
// index anew for every column that a statement names, whether its value changes or not.
const GO_ON: crate::Bulk = bulk!(
    sqlite: "UPDATE radius_sessions SET identifiers = $1, mac = $2, address = $3, \
             started_at = $4, updated_at = $5, uptime = $6, input = $7, output = $8, \
             uptime_noted = $9, data_noted = $10, metered = $11, version = $12 \
             WHERE id = $13 AND version = $12 - 1",
    postgres: "UPDATE radius_sessions SET identifiers = n.identifiers, mac = n.mac, \
               address = n.address, started_at = n.started_at, updated_at = n.updated_at, \
               uptime = n.uptime, input = n.input, output = n.output, \
               uptime_noted = n.uptime_noted, data_noted = n.data_noted, metered = n.metered, \
               version = n.version \
               FROM UNNEST($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], \
               $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], \
               $11::bigint[], $12::bigint[], $13::bigint[]) AS n (identifiers, mac, address, \
               started_at, updated_at, uptime, input, output, uptime_noted, data_noted, metered, \
               version, id) \
               WHERE radius_sessions.id = n.id AND radius_sessions.version = n.version - 1",
);
// Most reports: nothing but counts grew. Half of the columns, and none of them as long as the others.
const GROW: crate::Bulk = bulk!(
    sqlite: "UPDATE radius_sessions SET started_at = $1, updated_at = $2, uptime = $3, \
             input = $4, output = $5, version = $6 WHERE id = $7 AND version = $6 - 1",
    postgres: "UPDATE radius_sessions SET started_at = n.started_at, updated_at = n.updated_at, \
               uptime = n.uptime, input = n.input, output = n.output, version = n.version \
               FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], \
               $6::bigint[], $7::bigint[]) AS n (started_at, updated_at, uptime, input, output, \
               version, id) \
               WHERE radius_sessions.id = n.id AND radius_sessions.version = n.version - 1",
);
const METER: Sql = sql!(
    "UPDATE radius_sessions SET metered = $1, version = version + 1 \
     WHERE router_id = $2 AND grant_id = $3 AND ended_at IS NULL"
);
const ADD_USAGE: crate::Bulk = bulk!(
    sqlite: "INSERT INTO usage_hours (grant_id, hour, input, output) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (grant_id, hour) DO UPDATE SET \
             input = usage_hours.input + excluded.input, \
             output = usage_hours.output + excluded.output",
    postgres: "INSERT INTO usage_hours (grant_id, hour, input, output) \
               SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) \
               ON CONFLICT (grant_id, hour) DO UPDATE SET \
               input = usage_hours.input + excluded.input, \
               output = usage_hours.output + excluded.output",
);
// An hour and a day have so many microseconds; what overlaps the time asked for counts. What
// lasting sessions used since their hour began is with them.
const USAGE: Sql = sql!(
    sqlite: "SELECT hour, hour + 3600000000, CAST(SUM(input) AS BIGINT), \
             CAST(SUM(output) AS BIGINT) FROM (SELECT hour, input, output FROM usage_hours \
             WHERE grant_id = $1 AND hour > $2 - 3600000000 AND hour < $3 UNION ALL \
             SELECT heard_in, input - input_counted, output - output_counted \
             FROM radius_sessions WHERE ended_at IS NULL AND heard_in > $2 - 3600000000 \
             AND heard_in < $3 AND (input > input_counted OR output > output_counted) \
             AND id IN (SELECT id FROM sessions WHERE ended_at IS NULL AND grant_id = $1)) AS told \
             GROUP BY hour UNION ALL \
             SELECT day, day + 86400000000, input, output FROM usage_days \
             WHERE grant_id = $1 AND day > $2 - 86400000000 AND day < $3 ORDER BY 1",
    postgres: "SELECT hour, hour + 3600000000, CAST(SUM(input) AS BIGINT), \
             CAST(SUM(output) AS BIGINT) FROM (SELECT hour, input, output FROM usage_hours \
             WHERE grant_id = $1 AND hour > $2 - 3600000000 AND hour < $3 UNION ALL \
             SELECT heard_in, input - input_counted, output - output_counted \
             FROM radius_sessions WHERE ended_at IS NULL AND heard_in > $2 - 3600000000 \
             AND heard_in < $3 AND (input > input_counted OR output > output_counted) \
             AND id = ANY (ARRAY(SELECT id FROM sessions WHERE ended_at IS NULL \
             AND grant_id = $1))) AS told \
             GROUP BY hour UNION ALL \
             SELECT day, day + 86400000000, input, output FROM usage_days \
             WHERE grant_id = $1 AND day > $2 - 86400000000 AND day < $3 ORDER BY 1",
);
// Whoever takes rows away adds them up: of two that roll up at the same time, each counts its own.
const TAKE_HOURS: Sql = sql!(
    "DELETE FROM usage_hours WHERE (hour, grant_id) IN (SELECT hour, grant_id FROM usage_hours \
     WHERE hour < $1 ORDER BY hour, grant_id LIMIT $2) RETURNING grant_id, hour, input, output"
);
const ADD_DAYS: crate::Bulk = bulk!(
    sqlite: "INSERT INTO usage_days (grant_id, day, input, output) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (grant_id, day) DO UPDATE SET \
             input = usage_days.input + excluded.input, \
             output = usage_days.output + excluded.output",
    postgres: "INSERT INTO usage_days (grant_id, day, input, output) \
               SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) \
               ON CONFLICT (grant_id, day) DO UPDATE SET \
               input = usage_days.input + excluded.input, \
               output = usage_days.output + excluded.output",
);
const FORGET_DAYS: Sql = sql!(
    "DELETE FROM usage_days WHERE (day, grant_id) IN (SELECT day, grant_id FROM usage_days \
     WHERE day < $1 ORDER BY day, grant_id LIMIT $2)"
);
const COUNT_OPEN: Sql =
    sql!("SELECT COUNT(*) FROM radius_sessions WHERE router_id = $1 AND ended_at IS NULL");
const OCCUPANTS: Sql = sql!(
    sqlite: "SELECT grant_id, mac, router_id, started_at, id, due_at FROM sessions \
             WHERE ended_at IS NULL AND grant_id IN (SELECT value FROM json_each($1))",
    postgres: "SELECT grant_id, mac, router_id, started_at, id, due_at FROM sessions \
               WHERE ended_at IS NULL AND grant_id = ANY (ARRAY(SELECT value::bigint \
               FROM json_array_elements_text($1::json) value))",
);
/// What another device displaces must be a session of which a NAS reports: nothing else is ended.
const DISPLACE: Sql = sql!(
    "UPDATE sessions SET due_at = $1, due_why = 'displaced' \
     WHERE id = $2 AND ended_at IS NULL AND id IN (SELECT id FROM radius_sessions WHERE id = $2)"
);
const LAST_END: Sql = sql!(
    "SELECT COALESCE(due_why, '') FROM sessions WHERE grant_id = $1 AND mac = $2 \
     ORDER BY id DESC LIMIT 1"
);
const CLOSE_AT: Sql = sql!(
    "UPDATE sessions SET due_at = $1, due_why = 'hours' \
     WHERE id = $2 AND ended_at IS NULL AND (due_why IS NULL OR due_why = 'hours')"
);
// What is work already waits for its own next try.
const OVERDUE: Sql = sql!(
    "SELECT s.id, s.router_id, s.grant_id, s.due_why FROM sessions s \
     JOIN enforcements e ON e.router_id = s.router_id AND e.grant_id = s.grant_id \
     WHERE s.ended_at IS NULL AND s.due_at IS NOT NULL AND s.due_at <= $1 \
     AND e.next_attempt_at IS NULL ORDER BY s.due_at LIMIT $2"
);
const OVERDUE_OF_GRANT: Sql = sql!(
    "SELECT id FROM sessions WHERE router_id = $1 AND grant_id = $2 AND ended_at IS NULL \
     AND due_at <= $3"
);
const NASES: Sql = sql!(
    "SELECT router_id, signature, heard_at, proven_at, mistrusted_at, clock_ahead_seconds, \
     interim_at FROM nases ORDER BY router_id"
);
const NASES_OF_TENANT: Sql = sql!(
    "SELECT router_id, signature, heard_at, proven_at, mistrusted_at, clock_ahead_seconds, \
     interim_at FROM nases WHERE tenant_id = $1 ORDER BY router_id"
);
// What is learned never undoes what a person said.
const KEEP_NAS: Sql = sql!(
    "INSERT INTO nases (router_id, tenant_id, signature, heard_at, proven_at, mistrusted_at, \
     clock_ahead_seconds, interim_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (router_id) DO UPDATE SET \
     signature = CASE nases.signature WHEN 'learning' THEN excluded.signature \
                 ELSE nases.signature END, \
     heard_at = COALESCE(excluded.heard_at, nases.heard_at), \
     proven_at = COALESCE(excluded.proven_at, nases.proven_at), \
     mistrusted_at = COALESCE(excluded.mistrusted_at, nases.mistrusted_at), \
     clock_ahead_seconds = COALESCE(excluded.clock_ahead_seconds, nases.clock_ahead_seconds), \
     interim_at = COALESCE(excluded.interim_at, nases.interim_at)"
);
const SAY_SIGNATURE: Sql = sql!(
    "INSERT INTO nases (router_id, tenant_id, signature) VALUES ($1, $2, $3) \
     ON CONFLICT (router_id) DO UPDATE SET signature = excluded.signature"
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    BY_KEYS,
    BY_IDS,
    OPEN_ON,
    SOME_OPEN_ON,
    OPEN_OF_GRANT,
    OPEN_OF_GRANTS,
    STALE,
    METER,
    USAGE,
    TAKE_HOURS,
    FORGET_DAYS,
    COUNT_OPEN,
    OCCUPANTS,
    DISPLACE,
    LAST_END,
    CLOSE_AT,
    OVERDUE,
    OVERDUE_OF_GRANT,
    NASES,
    NASES_OF_TENANT,
    KEEP_NAS,
    SAY_SIGNATURE,
];

/// Bulk statements, for the same tests.
pub(crate) const BULKS: &[crate::Bulk] = &[SAVE, GO_ON, GROW, ADD_USAGE, ADD_DAYS];

/// The sessions with these keys.
pub async fn by_keys(tx: &mut Tx<'_>, keys: &[&[u8]]) -> Result<Vec<RadiusSession>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    tx.all(BY_KEYS, &args![crate::json::hex_list(keys)]).await
}

/// The sessions with these ids, in no order.
pub async fn by_ids(tx: &mut Tx<'_>, ids: &[SessionId]) -> Result<Vec<RadiusSession>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    tx.all(BY_IDS, &args![crate::json::id_list(ids)]).await
}

/// The sessions of these grants that last, on any NAS, in no order.
pub async fn open_of_grants(
    tx: &mut Tx<'_>,
    grants: &[GrantId],
) -> Result<Vec<RadiusSession>, Error> {
    if grants.is_empty() {
        return Ok(Vec::new());
    }
    tx.all(OPEN_OF_GRANTS, &args![crate::json::id_list(grants)]).await
}

/// The sessions that last on a NAS, in no order.
pub async fn open_on(tx: &mut Tx<'_>, router: RouterId) -> Result<Vec<RadiusSession>, Error> {
    tx.all(OPEN_ON, &args![router]).await
}

/// Some of the sessions that last on a NAS and began by then.
pub async fn some_open_on(
    tx: &mut Tx<'_>,
    router: RouterId,
    began_by: Timestamp,
    most: i64,
) -> Result<Vec<RadiusSession>, Error> {
    tx.all(SOME_OPEN_ON, &args![router, began_by, most]).await
}

/// A grant's sessions that last on a NAS, in no order.
pub async fn open_of_grant(
    tx: &mut Tx<'_>,
    router: RouterId,
    grant: GrantId,
) -> Result<Vec<RadiusSession>, Error> {
    tx.all(OPEN_OF_GRANT, &args![router, grant]).await
}

/// Sessions that last and of which nothing was heard since `before`, those of older hours first. On
/// a NAS that never reported of a session that goes on: nothing since `long_before`.
pub async fn stale(
    tx: &mut Tx<'_>,
    before: Timestamp,
    long_before: Timestamp,
    limit: i64,
) -> Result<Vec<RadiusSession>, Error> {
    tx.all(STALE, &args![hour(before), before, long_before, limit]).await
}

/// A session as a row of a bulk.
struct Saved<'s>(&'s RadiusSession);

impl ToArgs for Saved<'_> {
    fn to_args(&self) -> Vec<Arg<'_>> {
        let s = self.0;
        vec![
            Arg::Int(s.id.raw()),
            Arg::Int(s.tenant.raw()),
            Arg::Int(s.router.raw()),
            s.grant.map_or(Arg::Null, |grant| Arg::Int(grant.raw())),
            s.key.to_arg(),
            s.identifiers.to_arg(),
            s.mac.map_or(Arg::Null, |mac| Arg::Text(mac.to_string().into())),
            s.address.to_arg(),
            Arg::Int(s.started_at.micros()),
            Arg::Int(s.updated_at.micros()),
            s.ended_at.map_or(Arg::Null, |at| Arg::Int(at.micros())),
            s.cause.to_arg(),
            s.uptime.to_arg(),
            s.input.to_arg(),
            s.output.to_arg(),
            s.uptime_noted.to_arg(),
            s.data_noted.to_arg(),
            Arg::Int(i64::from(s.metered)),
            Arg::Int(hour(s.updated_at).micros()),
            s.input_counted.to_arg(),
            s.output_counted.to_arg(),
            Arg::Int(s.version + 1),
        ]
    }
}

/// The hour in which an instant lies, as usage is counted.
pub fn hour(at: Timestamp) -> Timestamp {
    const HOUR: i64 = 3_600_000_000;
    Timestamp::from_micros(at.micros() - at.micros().rem_euclid(HOUR))
}

/// The same for one that just goes on.
struct GoingOn<'s>(&'s RadiusSession);

impl ToArgs for GoingOn<'_> {
    fn to_args(&self) -> Vec<Arg<'_>> {
        let s = self.0;
        vec![
            s.identifiers.to_arg(),
            s.mac.map_or(Arg::Null, |mac| Arg::Text(mac.to_string().into())),
            s.address.to_arg(),
            Arg::Int(s.started_at.micros()),
            Arg::Int(s.updated_at.micros()),
            s.uptime.to_arg(),
            s.input.to_arg(),
            s.output.to_arg(),
            s.uptime_noted.to_arg(),
            s.data_noted.to_arg(),
            Arg::Int(i64::from(s.metered)),
            Arg::Int(s.version + 1),
            Arg::Int(s.id.raw()),
        ]
    }
}

/// One of which nothing but counts grew.
struct Grown<'s>(&'s RadiusSession);

impl ToArgs for Grown<'_> {
    fn to_args(&self) -> Vec<Arg<'_>> {
        let s = self.0;
        vec![
            Arg::Int(s.started_at.micros()),
            Arg::Int(s.updated_at.micros()),
            s.uptime.to_arg(),
            s.input.to_arg(),
            s.output.to_arg(),
            Arg::Int(s.version + 1),
            Arg::Int(s.id.raw()),
        ]
    }
}

/// Writes sessions, new ones and known ones. No two of one call may have one id.
///
/// # Errors
/// [`Error::Conflict`] on `radius_sessions(key)` if another node wrote one of them meanwhile, and
/// [`Error::Retry`] if one is not as it was when it was read.
pub async fn save(tx: &mut Tx<'_>, sessions: &mut [RadiusSession]) -> Result<(), Error> {
    let rows: Vec<_> = sessions.iter().map(Saved).collect();
    let written = tx.bulk(SAVE, &rows).await?;
    note_written(written, sessions)
}

fn note_written(written: u64, sessions: &mut [RadiusSession]) -> Result<(), Error> {
    if written != sessions.len() as u64 {
        return Err(Error::changed_meanwhile("writing sessions"));
    }
    sessions.iter_mut().for_each(|session| session.version += 1);
    Ok(())
}

/// Writes sessions that lasted when they were read and last still, in the same hour: much cheaper
/// than [`save`]. Sessions of which another hour heard last are for [`save`].
///
/// # Errors
/// [`Error::Retry`] if one is not as it was when it was read.
pub async fn go_on(tx: &mut Tx<'_>, sessions: &mut [RadiusSession]) -> Result<(), Error> {
    let rows: Vec<_> = sessions.iter().map(GoingOn).collect();
    let written = tx.bulk(GO_ON, &rows).await?;
    note_written(written, sessions)
}

/// Writes sessions that go on, as [`go_on`], and of which nothing but the counts grew: when they began
/// and were last heard of, and what they used. What the grant was told of it is not written.
///
/// # Errors
/// [`Error::Retry`] if one is not as it was when it was read.
pub async fn grow(tx: &mut Tx<'_>, sessions: &mut [RadiusSession]) -> Result<(), Error> {
    let rows: Vec<_> = sessions.iter().map(Grown).collect();
    let written = tx.bulk(GROW, &rows).await?;
    note_written(written, sessions)
}

/// Whether two instants are of one hour, as [`go_on`] asks it.
pub fn is_same_hour(one: Timestamp, other: Timestamp) -> bool {
    hour(one) == hour(other)
}

/// Says whether a grant must hear every report of its sessions on a NAS.
pub async fn meter(
    tx: &mut Tx<'_>,
    router: RouterId,
    grant: GrantId,
    metered: bool,
) -> Result<(), Error> {
    tx.execute(METER, &args![metered, router, grant]).await.map(drop)
}

/// Adds to what grants used in an hour. No two of one call may be of one grant and hour.
pub async fn add_usage(tx: &mut Tx<'_>, used: &[HourOfUsage]) -> Result<(), Error> {
    let rows: Vec<_> =
        used.iter().map(|used| (used.grant, used.hour, used.input, used.output)).collect();
    tx.bulk(ADD_USAGE, &rows).await.map(drop)
}

/// What a grant used between two instants, hour by hour, and day by day where it is long past.
pub async fn usage(
    tx: &mut Tx<'_>,
    grant: GrantId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Used>, Error> {
    tx.all(USAGE, &args![grant, from, to]).await
}

/// Makes days of at most `limit` of the hours before `before`, oldest first. Returns of how many.
pub async fn roll_up_usage(tx: &mut Tx<'_>, before: Timestamp, limit: i64) -> Result<usize, Error> {
    const DAY: i64 = 86_400_000_000;
    let hours: Vec<HourOfUsage> = tx.all(TAKE_HOURS, &args![before, limit]).await?;
    let mut days: BTreeMap<(GrantId, i64), (u64, u64)> = BTreeMap::new();
    for HourOfUsage { grant, hour, input, output } in &hours {
        let day = hour.micros() - hour.micros().rem_euclid(DAY);
        let used = days.entry((*grant, day)).or_default();
        *used = (used.0 + input.as_bytes(), used.1 + output.as_bytes());
    }
    let rows: Vec<_> = days
        .into_iter()
        .map(|((grant, day), (input, output))| {
            let day = Timestamp::from_micros(day);
            (grant, day, DataSize::bytes(input), DataSize::bytes(output))
        })
        .collect();
    tx.bulk(ADD_DAYS, &rows).await?;
    Ok(hours.len())
}

/// Forgets at most `limit` of the days before `before`, oldest first. Returns how many.
pub async fn forget_usage(tx: &mut Tx<'_>, before: Timestamp, limit: i64) -> Result<u64, Error> {
    tx.execute(FORGET_DAYS, &args![before, limit]).await
}

/// How many sessions last on a NAS.
pub async fn count_open(tx: &mut Tx<'_>, router: RouterId) -> Result<i64, Error> {
    tx.one(COUNT_OPEN, &args![router]).await
}

/// Who is online by these grants, on any router.
pub async fn occupants(tx: &mut Tx<'_>, grants: &[GrantId]) -> Result<Vec<Occupant>, Error> {
    if grants.is_empty() {
        return Ok(Vec::new());
    }
    tx.all(OCCUPANTS, &args![crate::json::id_list(grants)]).await
}

/// Says that a session must be over now, because another device takes its place. False: it is over,
/// or no NAS reports of it.
pub async fn displace(tx: &mut Tx<'_>, session: SessionId, now: Timestamp) -> Result<bool, Error> {
    Ok(tx.execute(DISPLACE, &args![now, session]).await? > 0)
}

/// Whether that device's last session by a grant was ended for another device.
pub async fn was_displaced(
    tx: &mut Tx<'_>,
    grant: GrantId,
    mac: MacAddress,
) -> Result<bool, Error> {
    let why: Option<String> = tx.optional(LAST_END, &args![grant, mac]).await?;
    Ok(why.as_deref() == Some("displaced"))
}

/// Says when the hours end in which a session may last; none is never. What is displaced stays it.
pub async fn close_at(
    tx: &mut Tx<'_>,
    session: SessionId,
    closes: Option<Timestamp>,
) -> Result<(), Error> {
    tx.execute(CLOSE_AT, &args![closes, session]).await.map(drop)
}

/// Sessions that last, should not any more, and are nobody's work yet; most overdue first.
pub async fn overdue(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<Overdue>, Error> {
    tx.all(OVERDUE, &args![now, limit]).await
}

/// A grant's sessions on a router that last and should not any more.
pub async fn overdue_of_grant(
    tx: &mut Tx<'_>,
    router: RouterId,
    grant: GrantId,
    now: Timestamp,
) -> Result<Vec<SessionId>, Error> {
    tx.all(OVERDUE_OF_GRANT, &args![router, grant, now]).await
}

/// How all NASes stand with us.
pub async fn nases(tx: &mut Tx<'_>) -> Result<Vec<Nas>, Error> {
    tx.all(NASES, &[]).await
}

/// How a tenant's NASes stand with us.
pub async fn nases_of_tenant(tx: &mut Tx<'_>, tenant: TenantId) -> Result<Vec<Nas>, Error> {
    tx.all(NASES_OF_TENANT, &args![tenant]).await
}

/// Keeps how a NAS stands with us. What is none here stays as it was, and so does a signature that
/// is no longer being learned.
pub async fn keep_nas(tx: &mut Tx<'_>, tenant: TenantId, nas: &Nas) -> Result<(), Error> {
    let Nas { router, signature, heard_at, proven_at, mistrusted_at, .. } = nas;
    let row = args![
        *router,
        tenant,
        *signature,
        *heard_at,
        *proven_at,
        *mistrusted_at,
        nas.clock_ahead_seconds,
        nas.interim_at
    ];
    tx.execute(KEEP_NAS, &row).await.map(drop)
}

/// Keeps what a person said about how a NAS signs.
pub async fn say_signature(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    router: RouterId,
    signature: &str,
) -> Result<(), Error> {
    tx.execute(SAY_SIGNATURE, &args![router, tenant, signature]).await.map(drop)
}
