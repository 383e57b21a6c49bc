//! Grants, and the one index that says which of them is due.

use crate::plans::TermsId;
use crate::{Arg, Error, FromRow, Order, Row, Sql, ToArg, ToArgs, Tx, args, bulk, sql};
use lango_domain::access::GrantKind;
use lango_domain::grant::{Grant, Meter, Presence, State};
use lango_domain::ids::{CustomerId, GrantId, Id, RouterId, TenantId};
use lango_domain::language::Language;
use lango_domain::mac_address::MacAddress;
use lango_domain::plan::Terms;
use lango_domain::time::Timestamp;
use std::cell::RefCell;

/// A grant as stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredGrant {
    /// The grant.
    pub grant: Grant,
    /// The number of its terms; to be looked up again when the terms change.
    pub terms_id: TermsId,
    /// What staff may see of its login.
    pub label: String,
    /// The only router it is good for; none is all of the tenant's.
    pub router: Option<RouterId>,
    /// Grows with every change.
    pub version: i64,
}

/// What is stored of a grant only once.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// The grant and its label.
    pub stored: StoredGrant,
    /// The keyed hash of its login.
    pub login_hash: Vec<u8>,
    /// The login itself, sealed.
    pub access: Vec<u8>,
}

/// A line of a list.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct GrantLine {
    /// The grant.
    pub id: GrantId,
    /// What it is called in the shop.
    pub kind: GrantKind,
    /// What staff may see of its login.
    pub label: String,
    /// The plan's name.
    pub plan: String,
    /// Who has it.
    pub customer: Option<CustomerId>,
    /// The word for its state.
    pub state: String,
    /// When it ends or ended.
    pub ends_at: Option<Timestamp>,
}

/// A grant as lists show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The grant.
    pub stored: StoredGrant,
    /// The plan's name.
    pub plan: String,
    /// Since when it exists.
    pub created_at: Timestamp,
}

/// A grant with the login that it is held by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The grant.
    pub stored: StoredGrant,
    /// The keyed hash of its login.
    pub login_hash: Vec<u8>,
    /// The login itself, sealed.
    pub access: Vec<u8>,
    /// The language of who has it, if he has one of his own.
    pub language: Option<Language>,
}

impl FromRow for Held {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let stored = StoredGrant::from_row(row)?;
        let (login_hash, access) = (row.get(11)?, row.get(12)?);
        Ok(Held { stored, login_hash, access, language: row.get(13)? })
    }
}

/// Which version of a grant stands behind a login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoginVersion {
    /// The keyed hash of the login.
    pub login_hash: Vec<u8>,
    /// The grant.
    pub grant: GrantId,
    /// Its version: whatever changes of a grant changes this.
    pub version: i64,
    /// The language of who has it, if he has one of his own.
    pub language: Option<Language>,
}

impl FromRow for LoginVersion {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let (login_hash, grant, version) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(LoginVersion { login_hash, grant, version, language: row.get(3)? })
    }
}

/// Which grants of a tenant are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pick {
    /// All.
    All,
    /// Those of a kind.
    Kind(GrantKind),
    /// Those in the state of that word.
    State(&'static str),
    /// Those of a customer.
    Customer(CustomerId),
}

/// What changes in a grant's life.
#[derive(serde::Serialize, serde::Deserialize)]
struct Life {
    at: State,
    meter: Meter,
    presence: Presence,
    warned_of: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locked_to: Option<MacAddress>,
}

impl FromRow for StoredGrant {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let life: Life = crate::json::read("grants.life", &row.get::<String>(7)?)?;
        let grant = Grant {
            id: row.get(0)?,
            tenant: row.get(1)?,
            plan: row.get(2)?,
            customer: row.get(3)?,
            kind: row.get(4)?,
            terms: terms(row.get(6)?)?,
            state: life.at,
            meter: life.meter,
            presence: life.presence,
            warned_of: life.warned_of,
            locked_to: life.locked_to,
        };
        let (terms_id, router, label, version) =
            (row.get(5)?, row.get(8)?, row.get(9)?, row.get(10)?);
        Ok(StoredGrant { grant, terms_id, label, router, version })
    }
}

/// Terms are few and come with every grant: what was read lately is not read again.
fn terms(body: String) -> Result<Terms, Error> {
    const KEPT: usize = 16;
    thread_local! {
        static READ: RefCell<Vec<(String, Terms)>> = const { RefCell::new(Vec::new()) };
    }
    READ.with_borrow_mut(|read| {
        if let Some((_, terms)) = read.iter().find(|(known, _)| *known == body) {
            return Ok(terms.clone());
        }
        let terms: Terms = crate::json::read("terms.body", &body)?;
        if read.len() == KEPT {
            read.clear();
        }
        read.push((body, terms.clone()));
        Ok(terms)
    })
}

impl FromRow for Listed {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let stored = StoredGrant::from_row(row)?;
        Ok(Listed { stored, plan: row.get(11)?, created_at: row.get(12)? })
    }
}

impl FromRow for GrantLine {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(GrantLine {
            id: row.get(0)?,
            kind: row.get(1)?,
            label: row.get(2)?,
            plan: row.get(3)?,
            customer: row.get(4)?,
            state: row.get(5)?,
            ends_at: row.get(6)?,
        })
    }
}

struct Saved<'g>(&'g StoredGrant);

impl ToArgs for Saved<'_> {
    fn to_args(&self) -> Vec<Arg<'_>> {
        let StoredGrant { grant, terms_id, version, .. } = self.0;
        vec![
            Arg::Text(life_of(grant).into()),
            grant.state.word().to_arg(),
            grant.state.ends_at().to_arg_owned(),
            ended_at(grant).to_arg_owned(),
            grant.next_deadline().map(|deadline| deadline.at).to_arg_owned(),
            terms_id.to_arg(),
            grant.customer.to_arg_owned(),
            grant.id.to_arg_owned(),
            version.to_arg(),
        ]
    }
}

/// Arguments of values that were computed for the row and have no home to borrow from.
trait ToArgOwned {
    fn to_arg_owned(self) -> Arg<'static>;
}

impl ToArgOwned for Option<Timestamp> {
    fn to_arg_owned(self) -> Arg<'static> {
        self.map_or(Arg::Null, |at| Arg::Int(at.micros()))
    }
}

impl ToArgOwned for GrantId {
    fn to_arg_owned(self) -> Arg<'static> {
        Arg::Int(self.raw())
    }
}

impl ToArgOwned for Option<CustomerId> {
    fn to_arg_owned(self) -> Arg<'static> {
        self.map_or(Arg::Null, |id| Arg::Int(id.raw()))
    }
}

const INSERT: crate::Bulk = bulk!(
    sqlite: "INSERT INTO grants (id, tenant_id, plan_id, customer_id, router_id, kind, label, \
             login_hash, access, terms_id, state, life, ends_at, ended_at, next_deadline, version, \
             created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
             $16, $17)",
    postgres: "INSERT INTO grants (id, tenant_id, plan_id, customer_id, router_id, kind, label, \
               login_hash, access, terms_id, state, life, ends_at, ended_at, next_deadline, \
               version, created_at) SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], \
               $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bytea[], $9::bytea[], \
               $10::bigint[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], \
               $15::bigint[], $16::bigint[], $17::bigint[])",
);
const SAVE: crate::Bulk = bulk!(
    sqlite: "UPDATE grants SET life = $1, state = $2, ends_at = $3, ended_at = $4, \
             next_deadline = $5, terms_id = $6, customer_id = $7, version = version + 1 \
             WHERE id = $8 AND version = $9",
    postgres: "UPDATE grants SET life = n.life, state = n.state, ends_at = n.ends_at, \
               ended_at = n.ended_at, next_deadline = n.next_deadline, terms_id = n.terms_id, \
               customer_id = n.customer_id, version = grants.version + 1 \
               FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], \
               $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]) \
               AS n (life, state, ends_at, ended_at, next_deadline, terms_id, customer_id, id, \
               version) WHERE grants.id = n.id AND grants.version = n.version",
);
// As IN (SELECT … LIMIT n FOR UPDATE SKIP LOCKED) some plans of PostgreSQL lock more than n.
const DUE: Sql = sql!(
    "WITH due AS (SELECT id, next_deadline FROM grants \
     WHERE next_deadline IS NOT NULL AND next_deadline <= $1 ORDER BY next_deadline LIMIT $2",
    SKIP_LOCKED,
    ") SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, g.life, \
     g.router_id, g.label, g.version FROM due JOIN grants g ON g.id = due.id \
     JOIN terms t ON t.id = g.terms_id ORDER BY due.next_deadline, g.id"
);
const NEXT_DEADLINE: Sql = sql!(
    "SELECT next_deadline FROM grants WHERE next_deadline IS NOT NULL ORDER BY next_deadline LIMIT 1"
);
const BY_ID: Sql = sql!(
    "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, g.life, \
     g.router_id, g.label, g.version FROM grants g JOIN terms t ON t.id = g.terms_id \
     WHERE g.id = $1"
);
const BY_LOGIN: Sql = sql!(
    "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, g.life, \
     g.router_id, g.label, g.version FROM grants g JOIN terms t ON t.id = g.terms_id \
     WHERE g.tenant_id = $1 AND g.login_hash = $2"
);
// No more than what tells whether something remembered still holds: rows are wide.
const VERSIONS_BY_LOGINS: Sql = sql!(
    sqlite: "SELECT g.login_hash, g.id, g.version, \
             (SELECT c.language FROM customers c WHERE c.id = g.customer_id) FROM grants g \
             WHERE g.tenant_id = $1 \
             AND g.login_hash IN (SELECT unhex(value) FROM json_each($2))",
    postgres: "SELECT g.login_hash, g.id, g.version, \
               (SELECT c.language FROM customers c WHERE c.id = g.customer_id) FROM grants g \
               WHERE g.tenant_id = $1 AND g.login_hash = ANY (ARRAY(SELECT decode(value, 'hex') \
               FROM json_array_elements_text($2::json) value))",
);
/// What a login is checked against, for several at once.
const HELD: Sql = sql!(
    sqlite: "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, \
             g.life, g.router_id, g.label, g.version, g.login_hash, g.access, \
             (SELECT c.language FROM customers c WHERE c.id = g.customer_id) \
             FROM grants g JOIN terms t ON t.id = g.terms_id \
             WHERE g.id IN (SELECT value FROM json_each($1))",
    postgres: "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, \
               g.life, g.router_id, g.label, g.version, g.login_hash, g.access, \
               (SELECT c.language FROM customers c WHERE c.id = g.customer_id) \
               FROM grants g JOIN terms t ON t.id = g.terms_id WHERE g.id = ANY (ARRAY( \
               SELECT value::bigint FROM json_array_elements_text($1::json) value))",
);
const BY_IDS: Sql = sql!(
    sqlite: "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, \
             g.life, g.router_id, g.label, g.version FROM grants g \
             JOIN terms t ON t.id = g.terms_id WHERE g.id IN (SELECT value FROM json_each($1))",
    postgres: "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, \
               g.life, g.router_id, g.label, g.version FROM grants g \
               JOIN terms t ON t.id = g.terms_id WHERE g.id = ANY (ARRAY(SELECT value::bigint \
               FROM json_array_elements_text($1::json) value))",
);
const TENANTS_OF: Sql = sql!(
    sqlite: "SELECT id, tenant_id FROM grants WHERE id IN (SELECT value FROM json_each($1))",
    postgres: "SELECT id, tenant_id FROM grants WHERE id = ANY (ARRAY(SELECT value::bigint \
               FROM json_array_elements_text($1::json) value))",
);
const BY_LOGINS: Sql = sql!(
    sqlite: "SELECT login_hash, id FROM grants WHERE tenant_id = $1 \
             AND login_hash IN (SELECT unhex(value) FROM json_each($2))",
    postgres: "SELECT login_hash, id FROM grants WHERE tenant_id = $1 \
               AND login_hash = ANY (ARRAY(SELECT decode(value, 'hex') \
               FROM json_array_elements_text($2::json) value))",
);
const OF_CUSTOMER: Sql = sql!(
    "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, g.life, \
     g.router_id, g.label, g.version FROM grants g JOIN terms t ON t.id = g.terms_id \
     WHERE +g.tenant_id = $1 AND g.customer_id = $2 ORDER BY g.id"
);
const BY_LABEL: Sql = sql!(
    "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, g.life, \
     g.router_id, g.label, g.version FROM grants g JOIN terms t ON t.id = g.terms_id \
     WHERE g.tenant_id = $1 AND g.label = $2 ORDER BY g.id LIMIT 20"
);
/// A list of grants as [`Listed`] reads it.
macro_rules! listed {
    ($which:literal) => {
        sql!(
            "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, \
             g.life, g.router_id, g.label, g.version, p.name, g.created_at FROM grants g \
             JOIN terms t ON t.id = g.terms_id JOIN plans p ON p.id = g.plan_id WHERE ",
            $which
        )
    };
}
const LISTED: Sql = listed!("g.id = $1");
// As pairs, or PostgreSQL walks along the ids through the rows of all tenants.
const BY_AGE: Sql = listed!(
    "(g.tenant_id, g.id) > ($1, $2) AND g.tenant_id <= $1 ORDER BY g.tenant_id, g.id LIMIT $3"
);
const BY_AGE_BACKWARDS: Sql = listed!(
    "(g.tenant_id, g.id) < ($1, $2) AND g.tenant_id >= $1 \
     ORDER BY g.tenant_id DESC, g.id DESC LIMIT $3"
);
const BY_KIND: Sql =
    listed!("g.tenant_id = $1 AND g.kind = $2 AND g.id > $3 ORDER BY g.id LIMIT $4");
const BY_KIND_BACKWARDS: Sql =
    listed!("g.tenant_id = $1 AND g.kind = $2 AND g.id < $3 ORDER BY g.id DESC LIMIT $4");
const BY_STATE: Sql =
    listed!("g.tenant_id = $1 AND g.state = $2 AND g.id > $3 ORDER BY g.id LIMIT $4");
const BY_STATE_BACKWARDS: Sql =
    listed!("g.tenant_id = $1 AND g.state = $2 AND g.id < $3 ORDER BY g.id DESC LIMIT $4");
const BY_CUSTOMER: Sql =
    listed!("+g.tenant_id = $1 AND g.customer_id = $2 AND g.id > $3 ORDER BY g.id LIMIT $4");
const BY_CUSTOMER_BACKWARDS: Sql =
    listed!("+g.tenant_id = $1 AND g.customer_id = $2 AND g.id < $3 ORDER BY g.id DESC LIMIT $4");
const BY_END: Sql = listed!(
    "g.tenant_id = $1 AND g.ended_at IS NULL AND g.ends_at IS NOT NULL \
     AND (g.ends_at, g.id) > ($2, $3) ORDER BY g.ends_at, g.id LIMIT $4"
);
const BY_END_BACKWARDS: Sql = listed!(
    "g.tenant_id = $1 AND g.ended_at IS NULL AND g.ends_at IS NOT NULL \
     AND (g.ends_at, g.id) < ($2, $3) ORDER BY g.ends_at DESC, g.id DESC LIMIT $4"
);
const LABELLED: Sql = listed!(
    "g.tenant_id = $1 AND (g.label, g.id) > ($2, $3) AND g.label < $4 \
     ORDER BY g.label, g.id LIMIT $5"
);
const MOVE: Sql = sql!(
    "UPDATE grants SET router_id = $1, plan_id = $2, customer_id = $3, version = version + 1 \
     WHERE id = $4 AND version = $5"
);
const ACCESS: Sql = sql!("SELECT access FROM grants WHERE id = $1");
const PAGE: Sql = sql!(
    "SELECT g.id, g.kind, g.label, p.name, g.customer_id, g.state, g.ends_at \
     FROM grants g JOIN plans p ON p.id = g.plan_id \
     WHERE g.tenant_id = $1 AND g.kind = $2 AND g.id > $3 ORDER BY g.id LIMIT $4"
);
const ENDING: Sql = sql!(
    "SELECT g.id, g.kind, g.label, p.name, g.customer_id, g.state, g.ends_at \
     FROM grants g JOIN plans p ON p.id = g.plan_id \
     WHERE g.tenant_id = $1 AND g.ended_at IS NULL AND g.ends_at IS NOT NULL \
     AND g.ends_at > $2 AND g.ends_at <= $3 ORDER BY g.ends_at LIMIT $4"
);
const COUNT_RUNNING: Sql = sql!(
    "SELECT COUNT(*) FROM grants WHERE tenant_id = $1 AND ended_at IS NULL AND ends_at IS NOT NULL \
     AND ends_at > $2"
);
// SQLite would walk through the ended ones too, which are most.
const FOR_NEW_ROUTER: Sql = sql!(
    sqlite: "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, \
             g.life, g.router_id, g.label, g.version \
             FROM grants g INDEXED BY grants_everywhere JOIN terms t ON t.id = g.terms_id \
             WHERE g.tenant_id = $1 AND g.id > $2 AND g.ended_at IS NULL AND g.router_id IS NULL \
             ORDER BY g.id LIMIT $3",
    postgres: "SELECT g.id, g.tenant_id, g.plan_id, g.customer_id, g.kind, g.terms_id, t.body, \
               g.life, g.router_id, g.label, g.version \
               FROM grants g JOIN terms t ON t.id = g.terms_id \
               WHERE g.tenant_id = $1 AND g.id > $2 AND g.ended_at IS NULL \
               AND g.router_id IS NULL ORDER BY g.id LIMIT $3",
);

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    DUE,
    NEXT_DEADLINE,
    BY_ID,
    BY_LOGIN,
    VERSIONS_BY_LOGINS,
    HELD,
    BY_IDS,
    TENANTS_OF,
    BY_LOGINS,
    OF_CUSTOMER,
    BY_LABEL,
    LISTED,
    BY_AGE,
    BY_AGE_BACKWARDS,
    BY_KIND,
    BY_KIND_BACKWARDS,
    BY_STATE,
    BY_STATE_BACKWARDS,
    BY_CUSTOMER,
    BY_CUSTOMER_BACKWARDS,
    BY_END,
    BY_END_BACKWARDS,
    LABELLED,
    MOVE,
    ACCESS,
    PAGE,
    ENDING,
    COUNT_RUNNING,
    FOR_NEW_ROUTER,
];
/// Bulk statements that the tests prepare on both databases.
pub(crate) const BULKS: &[crate::Bulk] = &[INSERT, SAVE];

fn life_of(grant: &Grant) -> String {
    crate::json::write(&Life {
        at: grant.state,
        meter: grant.meter,
        presence: grant.presence,
        warned_of: grant.warned_of,
        locked_to: grant.locked_to,
    })
}

fn ended_at(grant: &Grant) -> Option<Timestamp> {
    match grant.state {
        State::Ended { at, .. } => Some(at),
        _ => None,
    }
}

struct Inserted<'g>(&'g NewGrant, Timestamp);

impl ToArgs for Inserted<'_> {
    fn to_args(&self) -> Vec<Arg<'_>> {
        let NewGrant { stored, login_hash, access } = self.0;
        let grant = &stored.grant;
        vec![
            grant.id.to_arg_owned(),
            Arg::Int(grant.tenant.raw()),
            Arg::Int(grant.plan.raw()),
            grant.customer.to_arg_owned(),
            stored.router.map_or(Arg::Null, |id| Arg::Int(id.raw())),
            grant.kind.word().to_arg(),
            stored.label.to_arg(),
            login_hash.to_arg(),
            access.to_arg(),
            stored.terms_id.to_arg(),
            grant.state.word().to_arg(),
            Arg::Text(life_of(grant).into()),
            grant.state.ends_at().to_arg_owned(),
            ended_at(grant).to_arg_owned(),
            grant.next_deadline().map(|deadline| deadline.at).to_arg_owned(),
            stored.version.to_arg(),
            Arg::Int(self.1.micros()),
        ]
    }
}

/// Adds grants.
pub async fn insert(tx: &mut Tx<'_>, grants: &[NewGrant], now: Timestamp) -> Result<(), Error> {
    let rows: Vec<_> = grants.iter().map(|grant| Inserted(grant, now)).collect();
    tx.bulk(INSERT, &rows).await?;
    tx.wake(crate::Topic::Deadlines);
    Ok(())
}

/// Writes changed grants back. `version` must be as read; each grows by one.
///
/// # Errors
/// [`Error::Retry`] if somebody else changed one of them meanwhile.
pub async fn save(tx: &mut Tx<'_>, grants: &[StoredGrant]) -> Result<(), Error> {
    let rows: Vec<_> = grants.iter().map(Saved).collect();
    let saved = tx.bulk(SAVE, &rows).await?;
    if saved != rows.len() as u64 {
        return Err(Error::changed_meanwhile("saving grants"));
    }
    tx.wake(crate::Topic::Deadlines);
    Ok(())
}

/// Grants whose deadline is not after `now`, longest overdue first, for this transaction alone.
pub async fn due(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<StoredGrant>, Error> {
    tx.all(DUE, &args![now, limit]).await
}

/// The earliest deadline of all.
pub async fn next_deadline(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    tx.optional(NEXT_DEADLINE, &[]).await
}

/// One grant.
pub async fn one(tx: &mut Tx<'_>, id: GrantId) -> Result<StoredGrant, Error> {
    tx.one(BY_ID, &args![id]).await
}

/// One grant, if there is such a one.
pub async fn find(tx: &mut Tx<'_>, id: GrantId) -> Result<Option<StoredGrant>, Error> {
    tx.optional(BY_ID, &args![id]).await
}

/// The grant with that login, by its keyed hash.
pub async fn by_login(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    hash: &[u8],
) -> Result<Option<StoredGrant>, Error> {
    tx.optional(BY_LOGIN, &args![tenant, hash]).await
}

/// What stands behind these logins, by their keyed hashes, in no order.
pub async fn versions_by_logins(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    hashes: &[&[u8]],
) -> Result<Vec<LoginVersion>, Error> {
    tx.all(VERSIONS_BY_LOGINS, &args![tenant, crate::json::hex_list(hashes)]).await
}

/// The grants with these ids, in no order.
pub async fn held(tx: &mut Tx<'_>, ids: &[GrantId]) -> Result<Vec<Held>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    tx.all(HELD, &args![crate::json::id_list(ids)]).await
}

/// The grants with these ids, in no order.
pub async fn with_ids(tx: &mut Tx<'_>, ids: &[GrantId]) -> Result<Vec<StoredGrant>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    tx.all(BY_IDS, &args![crate::json::id_list(ids)]).await
}

/// Whose these grants are, those that exist.
pub async fn tenants_of(
    tx: &mut Tx<'_>,
    ids: &[GrantId],
) -> Result<Vec<(GrantId, TenantId)>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    tx.all(TENANTS_OF, &args![crate::json::id_list(ids)]).await
}

/// The ids of the grants with these logins, by their keyed hashes, in no order.
pub async fn by_logins(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    hashes: &[&[u8]],
) -> Result<Vec<(Vec<u8>, GrantId)>, Error> {
    tx.all(BY_LOGINS, &args![tenant, crate::json::hex_list(hashes)]).await
}

/// All grants of a customer.
pub async fn of_customer(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    customer: CustomerId,
) -> Result<Vec<StoredGrant>, Error> {
    tx.all(OF_CUSTOMER, &args![tenant, customer]).await
}

/// Grants that staff see under that label.
pub async fn by_label(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    label: &str,
) -> Result<Vec<StoredGrant>, Error> {
    tx.all(BY_LABEL, &args![tenant, label]).await
}

/// The sealed login of a grant.
pub async fn access(tx: &mut Tx<'_>, id: GrantId) -> Result<Vec<u8>, Error> {
    tx.one(ACCESS, &args![id]).await
}

/// One grant as lists show it, if there is such a one.
pub async fn show(tx: &mut Tx<'_>, id: GrantId) -> Result<Option<Listed>, Error> {
    tx.optional(LISTED, &args![id]).await
}

/// The picked grants of a tenant by age, from the one given on.
pub async fn listed(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    pick: Pick,
    order: Order,
    from: Option<GrantId>,
    limit: i64,
) -> Result<Vec<Listed>, Error> {
    let from = from.unwrap_or(GrantId::from_raw(order.beginning()));
    let is_up = order == Order::Ascending;
    match pick {
        Pick::All => {
            let statement = if is_up { BY_AGE } else { BY_AGE_BACKWARDS };
            tx.all(statement, &args![tenant, from, limit]).await
        }
        Pick::Kind(kind) => {
            let statement = if is_up { BY_KIND } else { BY_KIND_BACKWARDS };
            tx.all(statement, &args![tenant, kind, from, limit]).await
        }
        Pick::State(word) => {
            let statement = if is_up { BY_STATE } else { BY_STATE_BACKWARDS };
            tx.all(statement, &args![tenant, word, from, limit]).await
        }
        Pick::Customer(customer) => {
            let statement = if is_up { BY_CUSTOMER } else { BY_CUSTOMER_BACKWARDS };
            tx.all(statement, &args![tenant, customer, from, limit]).await
        }
    }
}

/// A tenant's grants with an end ahead of them, by that end, from the place given on.
pub async fn listed_by_end(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    order: Order,
    from: Option<(Timestamp, GrantId)>,
    limit: i64,
) -> Result<Vec<Listed>, Error> {
    let beginning =
        || (Timestamp::from_micros(order.beginning()), GrantId::from_raw(order.beginning()));
    let (end, id) = from.unwrap_or_else(beginning);
    let statement = match order {
        Order::Ascending => BY_END,
        Order::Descending => BY_END_BACKWARDS,
    };
    tx.all(statement, &args![tenant, end, id, limit]).await
}

/// A tenant's grants whose label begins with `prefix`, by label, after the place given.
pub async fn listed_by_label(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    prefix: &str,
    after: Option<(String, GrantId)>,
    limit: i64,
) -> Result<Vec<Listed>, Error> {
    let (label, id) = after.unwrap_or_else(|| (prefix.to_owned(), GrantId::from_raw(0)));
    let end = format!("{prefix}\u{10FFFF}");
    tx.all(LABELLED, &args![tenant, label, id, end, limit]).await
}

/// Writes where a grant is good, what it is sold as and who has it. Its version must be as read
/// and grows by one.
///
/// # Errors
/// [`Error::Retry`] if somebody else changed it meanwhile.
pub async fn move_to(tx: &mut Tx<'_>, stored: &StoredGrant) -> Result<(), Error> {
    let StoredGrant { grant, router, version, .. } = stored;
    let row = args![router, grant.plan, grant.customer, grant.id, version];
    crate::written_once(tx.execute(MOVE, &row).await?, "moving a grant")
}

/// Grants of a kind, oldest first, after the one given.
pub async fn page(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    kind: GrantKind,
    after: Option<GrantId>,
    limit: i64,
) -> Result<Vec<GrantLine>, Error> {
    let after = after.unwrap_or(GrantId::from_raw(0));
    tx.all(PAGE, &args![tenant, kind, after, limit]).await
}

/// Running grants that end after `from` and not after `until`, soonest first.
pub async fn ending(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    from: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<GrantLine>, Error> {
    tx.all(ENDING, &args![tenant, from, until, limit]).await
}

/// How many grants have an end ahead of them. Counts an index: for diagnosis, not for pages.
pub async fn count_running(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    now: Timestamp,
) -> Result<i64, Error> {
    tx.one(COUNT_RUNNING, &args![tenant, now]).await
}

/// Live grants that are good for all of a tenant's routers, in order, after the one given.
pub async fn for_all_routers(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    after: GrantId,
    limit: i64,
) -> Result<Vec<StoredGrant>, Error> {
    tx.all(FOR_NEW_ROUTER, &args![tenant, after, limit]).await
}
