//! FreeRADIUS's tables, in the schema `radius` of a PostgreSQL database of ours: who may log in,
//! which NASes there are, and what FreeRADIUS wrote of sessions and logins. And beside them, among
//! our own tables, how far its account was counted.
//!
//! PostgreSQL only; the statements have no text for SQLite. A name is ours if its row
//! [`MARK_ATTRIBUTE`] says so. Must never touch the row of another name, nor an attribute that its
//! caller does not name: operators keep rows of their own here.

use crate::grants::StoredGrant;
use crate::json::id_list;
use crate::{Arg, Error, FromRow, Row, Sql, ToArg, ToArgs, Tx, args, bulk, sql};
use lango_domain::ids::{GrantId, Id};
use lango_domain::language::Language;
use lango_domain::quantity::DataSize;
use lango_domain::time::{Span, Timestamp};

/// The attribute of the row in `radcheck` by which a name is ours; its value is `lango:` and the
/// grant's id. It is one of FreeRADIUS's own, never goes to a NAS, and costs no further query, as
/// membership in a group would.
pub const MARK_ATTRIBUTE: &str = "Tmp-String-8";

/// Makes what is missing. Written after the columns that FreeRADIUS 3.0 to 3.2 asks for.
pub const TABLES: &str = "
CREATE SCHEMA IF NOT EXISTS radius;
CREATE TABLE IF NOT EXISTS radius.radcheck (
  id serial PRIMARY KEY,
  username text NOT NULL DEFAULT '',
  attribute text NOT NULL DEFAULT '',
  op varchar(2) NOT NULL DEFAULT '==',
  value text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS radcheck_username ON radius.radcheck (username, attribute);
CREATE TABLE IF NOT EXISTS radius.radreply (
  id serial PRIMARY KEY,
  username text NOT NULL DEFAULT '',
  attribute text NOT NULL DEFAULT '',
  op varchar(2) NOT NULL DEFAULT '=',
  value text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS radreply_username ON radius.radreply (username, attribute);
CREATE TABLE IF NOT EXISTS radius.radgroupcheck (
  id serial PRIMARY KEY,
  groupname text NOT NULL DEFAULT '',
  attribute text NOT NULL DEFAULT '',
  op varchar(2) NOT NULL DEFAULT '==',
  value text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS radgroupcheck_groupname ON radius.radgroupcheck (groupname, attribute);
CREATE TABLE IF NOT EXISTS radius.radgroupreply (
  id serial PRIMARY KEY,
  groupname text NOT NULL DEFAULT '',
  attribute text NOT NULL DEFAULT '',
  op varchar(2) NOT NULL DEFAULT '=',
  value text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS radgroupreply_groupname ON radius.radgroupreply (groupname, attribute);
CREATE TABLE IF NOT EXISTS radius.radusergroup (
  id serial PRIMARY KEY,
  username text NOT NULL DEFAULT '',
  groupname text NOT NULL DEFAULT '',
  priority integer NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS radusergroup_username ON radius.radusergroup (username);
CREATE TABLE IF NOT EXISTS radius.radacct (
  radacctid bigserial PRIMARY KEY,
  acctsessionid text NOT NULL,
  acctuniqueid text NOT NULL UNIQUE,
  username text,
  realm text,
  nasipaddress inet NOT NULL,
  nasportid text,
  nasporttype text,
  acctstarttime timestamptz,
  acctupdatetime timestamptz,
  acctstoptime timestamptz,
  acctinterval bigint,
  acctsessiontime bigint,
  acctauthentic text,
  connectinfo_start text,
  connectinfo_stop text,
  acctinputoctets bigint,
  acctoutputoctets bigint,
  calledstationid text,
  callingstationid text,
  acctterminatecause text,
  servicetype text,
  framedprotocol text,
  framedipaddress inet,
  framedipv6address inet,
  framedipv6prefix inet,
  framedinterfaceid text,
  delegatedipv6prefix inet,
  class text
);
-- By its number rather than its name: this is how the open ones are walked.
CREATE INDEX IF NOT EXISTS radacct_open ON radius.radacct (radacctid) WHERE acctstoptime IS NULL;
-- Asked at every login with a limit of devices.
CREATE INDEX IF NOT EXISTS radacct_open_of_user ON radius.radacct (username)
  WHERE acctstoptime IS NULL;
CREATE INDEX IF NOT EXISTS radacct_open_of_nas ON radius.radacct (nasipaddress, acctstarttime)
  WHERE acctstoptime IS NULL;
CREATE INDEX IF NOT EXISTS radacct_started ON radius.radacct (acctstarttime, username);
CREATE TABLE IF NOT EXISTS radius.radpostauth (
  id bigserial PRIMARY KEY,
  username text NOT NULL,
  pass text,
  reply text,
  calledstationid text,
  callingstationid text,
  authdate timestamptz NOT NULL DEFAULT now(),
  class text
);
CREATE INDEX IF NOT EXISTS radpostauth_username ON radius.radpostauth (username);
CREATE TABLE IF NOT EXISTS radius.nas (
  id serial PRIMARY KEY,
  nasname text NOT NULL,
  shortname text NOT NULL,
  type text NOT NULL DEFAULT 'other',
  ports integer,
  secret text NOT NULL,
  server text,
  community text,
  description text
);
CREATE INDEX IF NOT EXISTS nas_nasname ON radius.nas (nasname);
CREATE TABLE IF NOT EXISTS radius.nasreload (
  nasipaddress inet PRIMARY KEY,
  reloadtime timestamptz NOT NULL
);
";

/// What FreeRADIUS may do with them: no more than its queries need. The user `radius` is made by
/// whoever keeps the database.
pub const RIGHTS: &str = "
GRANT USAGE ON SCHEMA radius TO radius;
GRANT SELECT ON ALL TABLES IN SCHEMA radius TO radius;
GRANT INSERT, UPDATE ON radius.radacct, radius.nasreload TO radius;
GRANT INSERT ON radius.radpostauth TO radius;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA radius TO radius;
ALTER ROLE radius SET search_path TO radius;
";

/// Which of the two tables with a user's attributes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// `radcheck`: who may log in, and how he proves it.
    Check,
    /// `radreply`: what the NAS is told.
    Reply,
}

/// One attribute of one name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attribute {
    /// The table it is in.
    pub table: Table,
    /// Whose.
    pub name: String,
    /// Which.
    pub attribute: String,
    /// `:=`, `=` and so on.
    pub op: String,
    /// Its value, which may be a password.
    pub value: String,
}

/// Neither name nor value: a voucher's name is its password.
impl std::fmt::Debug for Attribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {} {} …", self.table, self.attribute, self.op)
    }
}

/// A row as it is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptRow {
    /// Its number in its table.
    pub id: i64,
    /// What it says.
    pub says: Attribute,
}

/// What is to be changed in one of the two tables.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// New rows.
    pub add: Vec<Attribute>,
    /// Rows that say something else from now on.
    pub change: Vec<KeptRow>,
    /// Rows that go.
    pub remove: Vec<(Table, i64)>,
}

impl Changes {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rows it concerns.
    pub fn len(&self) -> usize {
        self.add.len() + self.change.len() + self.remove.len()
    }
}

/// A grant that may have rows.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The grant.
    pub stored: StoredGrant,
    /// Its login, sealed.
    pub access: Vec<u8>,
    /// The customer's language, if it is not the tenant's.
    pub language: Option<Language>,
}

impl FromRow for Subject {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let stored = StoredGrant::from_row(row)?;
        Ok(Subject { stored, access: row.get(11)?, language: row.get(12)? })
    }
}

/// A grant with sessions.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The grant.
    pub stored: StoredGrant,
    /// Since when it exists: nobody was online by it before.
    pub created_at: Timestamp,
}

impl FromRow for Holder {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Holder { stored: StoredGrant::from_row(row)?, created_at: row.get(11)? })
    }
}

/// A session of one of our names, as FreeRADIUS has it, and how far it was counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accounted {
    /// The number of its row: what pages go by.
    pub row: i64,
    /// What FreeRADIUS calls it.
    pub unique_id: String,
    /// The mark of its name: whose it is, if it was never counted before.
    pub mark: String,
    /// The name, as the NAS sent it.
    pub name: String,
    /// The session's id, as the NAS sent it.
    pub session_id: String,
    /// The address that the NAS says it has.
    pub nas: String,
    /// The customer's address, if the NAS said.
    pub address: Option<String>,
    /// When it began, by the clock of the NAS.
    pub started_at: Option<Timestamp>,
    /// Whether no stop was seen.
    pub open: bool,
    /// Time online, as last reported.
    pub uptime: Span,
    /// Both directions together, as last reported.
    pub data: DataSize,
    /// How far it was counted; none if never.
    pub counted: Option<Counted>,
}

/// How far a session was counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// What FreeRADIUS calls the session.
    pub unique_id: String,
    /// Into which grant.
    pub grant: GrantId,
    /// The highest time online ever read.
    pub uptime: Span,
    /// The highest data ever read.
    pub data: DataSize,
    /// Whether it counts as a device that is online.
    pub online: bool,
    /// When a counter last grew, by our clock.
    pub grown_at: Timestamp,
    /// How often one did.
    pub readings: i64,
    /// Since when its NAS says that there is no such session.
    pub gone_at: Option<Timestamp>,
    /// How long its row is read again.
    pub watched_until: Timestamp,
}

impl FromRow for Accounted {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let unique_id: String = row.get(1)?;
        let counted = match row.get::<Option<GrantId>>(11)? {
            None => None,
            Some(grant) => Some(Counted {
                unique_id: unique_id.clone(),
                grant,
                uptime: row.get(12)?,
                data: row.get(13)?,
                online: row.get(14)?,
                grown_at: row.get(15)?,
                readings: row.get(16)?,
                gone_at: row.get(17)?,
                watched_until: row.get(18)?,
            }),
        };
        Ok(Accounted {
            row: row.get(0)?,
            unique_id,
            mark: row.get(2)?,
            name: row.get(3)?,
            session_id: row.get(4)?,
            nas: row.get(5)?,
            address: row.get(6)?,
            started_at: row.get(7)?,
            open: row.get(8)?,
            uptime: Span::seconds(row.get(9)?),
            data: DataSize::bytes(row.get::<i64>(10)?.unsigned_abs()),
            counted,
        })
    }
}

impl ToArgs for Counted {
    fn to_args(&self) -> Vec<Arg<'_>> {
        vec![
            self.unique_id.to_arg(),
            Arg::Int(self.grant.raw()),
            self.uptime.to_arg(),
            self.data.to_arg(),
            Arg::Int(i64::from(self.online)),
            self.grown_at.to_arg(),
            self.readings.to_arg(),
            self.gone_at.map_or(Arg::Null, |at| Arg::Int(at.micros())),
            self.watched_until.to_arg(),
        ]
    }
}

/// A NAS, as FreeRADIUS knows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Nas {
    /// The number of its row; 0 for a new one.
    pub id: i64,
    /// Its address or network.
    pub address: String,
    /// What it is called.
    pub name: String,
    /// The shared secret.
    pub secret: String,
    /// The mark, if the row is ours.
    pub description: Option<String>,
}

impl std::fmt::Debug for Nas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nas").field("address", &self.address).finish_non_exhaustive()
    }
}

impl FromRow for Nas {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Nas {
            id: row.get(0)?,
            address: row.get(1)?,
            name: row.get(2)?,
            secret: row.get(3)?,
            description: row.get(4)?,
        })
    }
}

/// What FreeRADIUS lately answered to our names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Answers {
    /// So many were let in.
    pub accepted: i64,
    /// So many were turned away.
    pub rejected: i64,
    /// So many were written down with a password that anybody can read.
    pub with_password: i64,
}

const MISSING: Sql = sql!(
    "SELECT name FROM UNNEST(ARRAY['radcheck', 'radreply', 'radgroupcheck', 'radgroupreply', \
     'radusergroup', 'radacct', 'radpostauth', 'nas']) AS needed (name) \
     WHERE to_regclass('radius.' || name) IS NULL ORDER BY name"
);
const SUBJECTS: Sql = sql!(
    "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, g.life, \
     g.router_id, g.label, g.version, g.access, c.language FROM grants g \
     JOIN terms t ON t.id = g.terms_id LEFT JOIN customers c ON c.id = g.customer_id \
     WHERE g.id > $1 AND (g.ended_at IS NULL OR g.ended_at > $2) AND g.kind <> 'static_ip' \
     ORDER BY g.id LIMIT $3"
);
const CHECKS: Sql = sql!(
    "SELECT id, username, attribute, op, value FROM radius.radcheck WHERE username IN \
     (SELECT jsonb_array_elements_text(CAST($1 AS jsonb))) ORDER BY id"
);
const REPLIES: Sql = sql!(
    "SELECT id, username, attribute, op, value FROM radius.radreply WHERE username IN \
     (SELECT jsonb_array_elements_text(CAST($1 AS jsonb))) ORDER BY id"
);
const MARKS: Sql = sql!(
    "SELECT username, value FROM radius.radcheck WHERE attribute = 'Tmp-String-8' \
     AND value LIKE 'lango:%' AND username > $1 ORDER BY username LIMIT $2"
);
const LIVE: Sql = sql!(
    "SELECT id FROM grants WHERE id IN \
     (SELECT CAST(raw AS bigint) FROM jsonb_array_elements_text(CAST($1 AS jsonb)) AS given (raw)) \
     AND (ended_at IS NULL OR ended_at > $2)"
);
const GRANTS: Sql = sql!(
    "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, g.life, \
     g.router_id, g.label, g.version, g.created_at FROM grants g \
     JOIN terms t ON t.id = g.terms_id WHERE g.id IN \
     (SELECT CAST(raw AS bigint) FROM jsonb_array_elements_text(CAST($1 AS jsonb)) AS given (raw))"
);
const ADD_CHECK: crate::Bulk = bulk!(
    sqlite: "",
    postgres: "INSERT INTO radius.radcheck (username, attribute, op, value) \
               SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[])",
);
const ADD_REPLY: crate::Bulk = bulk!(
    sqlite: "",
    postgres: "INSERT INTO radius.radreply (username, attribute, op, value) \
               SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[])",
);
const CHANGE_CHECK: crate::Bulk = bulk!(
    sqlite: "",
    postgres: "UPDATE radius.radcheck SET op = n.op, value = n.value \
               FROM UNNEST($1::text[], $2::text[], $3::bigint[]) AS n (op, value, id) \
               WHERE radcheck.id = n.id",
);
const CHANGE_REPLY: crate::Bulk = bulk!(
    sqlite: "",
    postgres: "UPDATE radius.radreply SET op = n.op, value = n.value \
               FROM UNNEST($1::text[], $2::text[], $3::bigint[]) AS n (op, value, id) \
               WHERE radreply.id = n.id",
);
const REMOVE_CHECK: crate::Bulk = bulk!(
    sqlite: "",
    postgres: "DELETE FROM radius.radcheck USING UNNEST($1::bigint[]) AS n (id) \
               WHERE radcheck.id = n.id",
);
const REMOVE_REPLY: crate::Bulk = bulk!(
    sqlite: "",
    postgres: "DELETE FROM radius.radreply USING UNNEST($1::bigint[]) AS n (id) \
               WHERE radreply.id = n.id",
);

/// A session as [`Accounted`] reads it. What a NAS says of octets is bounded, or the sum of two
/// absurd numbers would fail and keep all others from being read.
macro_rules! accounted {
    ($from:literal, $which:literal) => {
        sql!(
            "SELECT a.radacctid, a.acctuniqueid, c.value, a.username, a.acctsessionid, \
             host(a.nasipaddress), host(a.framedipaddress), \
             CAST(EXTRACT(EPOCH FROM a.acctstarttime) * 1000000 AS bigint), \
             a.acctstoptime IS NULL, COALESCE(a.acctsessiontime, 0), \
             LEAST(GREATEST(COALESCE(a.acctinputoctets, 0), 0), 1152921504606846976) \
             + LEAST(GREATEST(COALESCE(a.acctoutputoctets, 0), 0), 1152921504606846976), \
             s.grant_id, s.uptime, s.data, s.online, s.grown_at, s.readings, s.gone_at, \
             s.watched_until FROM ",
            $from,
            " JOIN radius.radcheck c ON c.username = a.username \
             AND c.attribute = 'Tmp-String-8' AND c.value LIKE 'lango:%' WHERE ",
            $which
        )
    };
}
const OPEN: Sql = accounted!(
    "radius.radacct a LEFT JOIN freeradius_sessions s ON s.unique_id = a.acctuniqueid",
    "a.acctstoptime IS NULL AND a.radacctid > $1 ORDER BY a.radacctid LIMIT $2"
);
const CLOSED: Sql = accounted!(
    "radius.radacct a LEFT JOIN freeradius_sessions s ON s.unique_id = a.acctuniqueid",
    "a.acctstoptime IS NOT NULL AND a.radacctid > $1 ORDER BY a.radacctid LIMIT $2"
);
// A session that is open is watched for ever, so this finds the stops of those that were.
const WATCHED: Sql = accounted!(
    "freeradius_sessions s JOIN radius.radacct a ON a.acctuniqueid = s.unique_id",
    "s.watched_until > $1 AND a.acctstoptime IS NOT NULL AND a.radacctid > $2 \
     ORDER BY a.radacctid LIMIT $3"
);
const LAST_ROW: Sql = sql!("SELECT COALESCE(MAX(radacctid), 0) FROM radius.radacct");
const COUNT: crate::Bulk = bulk!(
    sqlite: "",
    postgres: "INSERT INTO freeradius_sessions (unique_id, grant_id, uptime, data, online, \
               grown_at, readings, gone_at, watched_until) SELECT * FROM UNNEST($1::text[], \
               $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], \
               $7::bigint[], $8::bigint[], $9::bigint[]) ON CONFLICT (unique_id) DO UPDATE SET \
               uptime = excluded.uptime, data = excluded.data, online = excluded.online, \
               grown_at = excluded.grown_at, readings = excluded.readings, \
               gone_at = excluded.gone_at, watched_until = excluded.watched_until",
);
const GONE: Sql = sql!(
    "UPDATE freeradius_sessions SET gone_at = $1, online = 0 WHERE unique_id = $2 \
     AND gone_at IS NULL"
);
const CLOSE: Sql = sql!(
    "UPDATE radius.radacct SET acctstoptime = COALESCE(acctupdatetime, acctstarttime), \
     acctterminatecause = 'Admin-Reset' WHERE acctuniqueid = $1 AND acctstoptime IS NULL"
);
const NASES: Sql =
    sql!("SELECT id, nasname, shortname, secret, description FROM radius.nas ORDER BY id");
const ADD_NAS: Sql = sql!(
    "INSERT INTO radius.nas (nasname, shortname, secret, description) VALUES ($1, $2, $3, $4)"
);
const CHANGE_NAS: Sql = sql!(
    "UPDATE radius.nas SET nasname = $1, shortname = $2, secret = $3 WHERE id = CAST($4 AS bigint)"
);
const REMOVE_NAS: Sql = sql!("DELETE FROM radius.nas WHERE id = CAST($1 AS bigint)");
const ANSWERS: Sql = sql!(
    "SELECT COUNT(*) FILTER (WHERE p.reply = 'Access-Accept'), \
     COUNT(*) FILTER (WHERE p.reply = 'Access-Reject'), \
     COUNT(*) FILTER (WHERE p.pass <> '') \
     FROM (SELECT username, reply, pass FROM radius.radpostauth ORDER BY id DESC LIMIT 1000) p \
     WHERE EXISTS (SELECT 1 FROM radius.radcheck c WHERE c.username = p.username \
     AND c.attribute = 'Tmp-String-8' AND c.value LIKE 'lango:%')"
);

/// Statements that a test prepares on PostgreSQL, where FreeRADIUS's tables are.
pub const STATEMENTS: &[Sql] = &[
    MISSING, SUBJECTS, CHECKS, REPLIES, MARKS, LIVE, GRANTS, OPEN, CLOSED, WATCHED, LAST_ROW, GONE,
    CLOSE, NASES, ADD_NAS, CHANGE_NAS, REMOVE_NAS, ANSWERS,
];
/// Bulk statements, for the same test.
pub const BULKS: &[crate::Bulk] =
    &[ADD_CHECK, ADD_REPLY, CHANGE_CHECK, CHANGE_REPLY, REMOVE_CHECK, REMOVE_REPLY, COUNT];

/// Makes FreeRADIUS's tables where they are missing; what is there stays as it is.
pub async fn create(tx: &mut Tx<'_>) -> Result<(), Error> {
    tx.batch("make FreeRADIUS's tables", TABLES).await
}

/// Which of FreeRADIUS's tables are missing.
pub async fn missing(tx: &mut Tx<'_>) -> Result<Vec<String>, Error> {
    tx.all(MISSING, &[]).await
}

/// Grants with a login that live or ended after that instant, in order, after the one given.
pub async fn subjects(
    tx: &mut Tx<'_>,
    after: GrantId,
    ended_after: Timestamp,
    limit: i64,
) -> Result<Vec<Subject>, Error> {
    tx.all(SUBJECTS, &args![after, ended_after, limit]).await
}

/// All rows with these names, in both tables.
pub async fn rows_of(tx: &mut Tx<'_>, names: &[String]) -> Result<Vec<KeptRow>, Error> {
    let names = crate::json::write(&names);
    let mut rows = Vec::new();
    for (table, statement) in [(Table::Check, CHECKS), (Table::Reply, REPLIES)] {
        let found: Vec<(i64, String, String, String, String)> =
            tx.all(statement, &args![names]).await?;
        rows.extend(found.into_iter().map(|(id, name, attribute, op, value)| KeptRow {
            id,
            says: Attribute { table, name, attribute, op, value },
        }));
    }
    Ok(rows)
}

/// Names that are ours with their marks, in order, after the one given.
pub async fn marks(
    tx: &mut Tx<'_>,
    after: &str,
    limit: i64,
) -> Result<Vec<(String, String)>, Error> {
    tx.all(MARKS, &args![after, limit]).await
}

/// Those of these grants that live or ended after that instant.
pub async fn live(
    tx: &mut Tx<'_>,
    grants: &[GrantId],
    ended_after: Timestamp,
) -> Result<Vec<GrantId>, Error> {
    tx.all(LIVE, &args![id_list(grants), ended_after]).await
}

/// These grants.
pub async fn grants(tx: &mut Tx<'_>, grants: &[GrantId]) -> Result<Vec<Holder>, Error> {
    tx.all(GRANTS, &args![id_list(grants)]).await
}

/// Writes changes of attributes.
pub async fn apply(tx: &mut Tx<'_>, changes: &Changes) -> Result<(), Error> {
    let tables = [
        (Table::Check, REMOVE_CHECK, CHANGE_CHECK, ADD_CHECK),
        (Table::Reply, REMOVE_REPLY, CHANGE_REPLY, ADD_REPLY),
    ];
    for (table, remove, change, add) in tables {
        let gone = changes.remove.iter().filter(|(of, _)| *of == table).map(|(_, id)| (*id,));
        tx.bulk(remove, &gone.collect::<Vec<_>>()).await?;
        let other = changes.change.iter().filter(|row| row.says.table == table);
        let other = other.map(|row| (row.says.op.clone(), row.says.value.clone(), row.id));
        tx.bulk(change, &other.collect::<Vec<_>>()).await?;
        let new = changes.add.iter().filter(|row| row.table == table).cloned();
        let new = new.map(|row| (row.name, row.attribute, row.op, row.value));
        tx.bulk(add, &new.collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// Which sessions of our names are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Those without a stop.
    Open,
    /// Those with a stop that were open when last read, or stopped not long before that instant.
    Watched(Timestamp),
    /// Those with a stop.
    Closed,
}

/// Sessions of our names, in order, after the row given.
pub async fn sessions(
    tx: &mut Tx<'_>,
    which: Which,
    after: i64,
    limit: i64,
) -> Result<Vec<Accounted>, Error> {
    match which {
        Which::Open => tx.all(OPEN, &args![after, limit]).await,
        Which::Closed => tx.all(CLOSED, &args![after, limit]).await,
        Which::Watched(now) => tx.all(WATCHED, &args![now, after, limit]).await,
    }
}

/// The number of the last session that FreeRADIUS wrote down.
pub async fn last_row(tx: &mut Tx<'_>) -> Result<i64, Error> {
    tx.one(LAST_ROW, &[]).await
}

/// Notes how far sessions were counted.
pub async fn count(tx: &mut Tx<'_>, counted: &[Counted]) -> Result<(), Error> {
    tx.bulk(COUNT, counted).await.map(drop)
}

/// Notes that the NAS of a session confirmed that it is gone. False if it had before.
pub async fn note_gone(tx: &mut Tx<'_>, unique_id: &str, now: Timestamp) -> Result<bool, Error> {
    Ok(tx.execute(GONE, &args![now, unique_id]).await? == 1)
}

/// Gives a session its stop that was lost. FreeRADIUS would count it as a device for ever.
pub async fn close(tx: &mut Tx<'_>, unique_id: &str) -> Result<(), Error> {
    tx.execute(CLOSE, &args![unique_id]).await.map(drop)
}

/// All NASes.
pub async fn nases(tx: &mut Tx<'_>) -> Result<Vec<Nas>, Error> {
    tx.all(NASES, &[]).await
}

/// Adds a NAS.
pub async fn add_nas(tx: &mut Tx<'_>, nas: &Nas) -> Result<(), Error> {
    let row = args![nas.address, nas.name, nas.secret, nas.description];
    tx.execute(ADD_NAS, &row).await.map(drop)
}

/// Writes address, name and secret of a NAS.
pub async fn change_nas(tx: &mut Tx<'_>, nas: &Nas) -> Result<(), Error> {
    tx.execute(CHANGE_NAS, &args![nas.address, nas.name, nas.secret, nas.id]).await.map(drop)
}

/// Removes a NAS.
pub async fn remove_nas(tx: &mut Tx<'_>, id: i64) -> Result<(), Error> {
    tx.execute(REMOVE_NAS, &args![id]).await.map(drop)
}

/// What FreeRADIUS answered to our names, of its last thousand answers.
pub async fn answers(tx: &mut Tx<'_>) -> Result<Answers, Error> {
    let (accepted, rejected, with_password) = tx.one(ANSWERS, &[]).await?;
    Ok(Answers { accepted, rejected, with_password })
}
