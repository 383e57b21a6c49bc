//! Texts that were handed to gateways, every try of it, and what gateways report of their parts.

use crate::{Error, FromRow, Row, Sql, Tx, args, sql, stored_as};
use lango_domain::ids::{GrantId, Id, JobId, MessageId, SenderId, TenantId};
use lango_domain::time::Timestamp;

/// What is known of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// No gateway has it yet.
    Queued,
    /// A gateway took it.
    Sent,
    /// The phone has it.
    Delivered,
    /// It will not arrive.
    Failed,
    /// It was handed over, and nobody knows what became of it.
    Unknown,
}

impl MessageState {
    /// All of them.
    pub const ALL: [MessageState; 5] = [
        MessageState::Queued,
        MessageState::Sent,
        MessageState::Delivered,
        MessageState::Failed,
        MessageState::Unknown,
    ];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            MessageState::Queued => "queued",
            MessageState::Sent => "sent",
            MessageState::Delivered => "delivered",
            MessageState::Failed => "failed",
            MessageState::Unknown => "unknown",
        }
    }
}

stored_as!(MessageState: String,
    |word| MessageState::ALL.into_iter().find(|state| state.word() == word), |state| state.word());

/// What came of handing a text to a gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took it.
    Taken,
    /// It surely did not take it, and may later.
    NotNow,
    /// It will not take this text for this number.
    Refused,
    /// Something is wrong with the gateway itself: money, password, the sender's name.
    Faulty,
}

/// One handing over.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Try {
    /// To which gateway.
    pub sender: SenderId,
    /// What staff called it then.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// What came of it; none is unknown.
    pub outcome: Option<Outcome>,
    /// In its own words.
    pub detail: Option<String>,
}

/// A text.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Message {
    /// Its identity.
    pub id: MessageId,
    /// In whose name.
    pub tenant: TenantId,
    /// The job that asked for it.
    pub job: JobId,
    /// About which grant.
    pub grant: Option<GrantId>,
    /// To which number.
    pub recipient: String,
    /// The text; what opens an access is not in it once a gateway has it.
    pub body: String,
    /// Why.
    pub reason: String,
    /// When it was first handed over.
    pub sent_at: Timestamp,
    /// What is known of it.
    pub state: MessageState,
    /// Since when.
    pub state_at: Timestamp,
    /// Who has it, or had it last.
    pub sender: Option<SenderId>,
    /// Every handing over.
    pub tries: Vec<Try>,
    /// SMS that it takes.
    pub parts: i64,
    /// What they cost, in ten-thousandths of the business's currency.
    pub cost: Option<i64>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When to ask next what became of it.
    pub poll_at: Option<Timestamp>,
    /// How often that was asked.
    pub polls: i64,
}

impl FromRow for Message {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Message {
            id: row.get(0)?,
            tenant: row.get(1)?,
            job: row.get(2)?,
            grant: row.get(3)?,
            recipient: row.get(4)?,
            body: row.get(5)?,
            reason: row.get(6)?,
            sent_at: row.get(7)?,
            state: row.get(8)?,
            state_at: row.get(9)?,
            sender: row.get(10)?,
            tries: crate::json::read("messages.tries", &row.get::<String>(11)?)?,
            parts: row.get(12)?,
            cost: row.get(13)?,
            last_error: row.get(14)?,
            poll_at: row.get(15)?,
            polls: row.get(16)?,
        })
    }
}

/// What a gateway says of one part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// What it calls the part.
    pub gateway_id: String,
    /// What became of it.
    pub state: MessageState,
    /// In its own words.
    pub detail: Option<String>,
}

const INSERT: Sql = sql!(
    "INSERT INTO messages (id, tenant_id, job_id, grant_id, recipient, body, reason, sent_at, \
     state, state_at, sender_id, tries, try_count, parts, cost, last_error) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
     ON CONFLICT DO NOTHING"
);
const CHANGE: Sql = sql!(
    "UPDATE messages SET body = $1, state = $2, state_at = $3, sender_id = $4, tries = $5, \
     try_count = $6, parts = $7, cost = $8, last_error = $9, poll_at = $10, polls = $11 \
     WHERE tenant_id = $12 AND id = $13 AND try_count = $14"
);
const SET_STATE: Sql = sql!(
    "UPDATE messages SET state = $1, state_at = $2, last_error = $3, poll_at = $4 \
     WHERE tenant_id = $5 AND id = $6"
);
const OF_JOB: Sql = sql!(
    "SELECT id, tenant_id, job_id, grant_id, recipient, body, reason, sent_at, state, state_at, \
     sender_id, tries, parts, cost, last_error, poll_at, polls FROM messages WHERE job_id = $1"
);
const BY_ID: Sql = sql!(
    "SELECT id, tenant_id, job_id, grant_id, recipient, body, reason, sent_at, state, state_at, \
     sender_id, tries, parts, cost, last_error, poll_at, polls FROM messages \
     WHERE tenant_id = $1 AND id = $2"
);
const PAGE: Sql = sql!(
    "SELECT id, tenant_id, job_id, grant_id, recipient, body, reason, sent_at, state, state_at, \
     sender_id, tries, parts, cost, last_error, poll_at, polls FROM messages \
     WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
);
const TO_POLL: Sql = sql!(
    "SELECT id, tenant_id, job_id, grant_id, recipient, body, reason, sent_at, state, state_at, \
     sender_id, tries, parts, cost, last_error, poll_at, polls FROM messages \
     WHERE poll_at IS NOT NULL AND poll_at <= $1 ORDER BY poll_at LIMIT $2",
    SKIP_LOCKED
);
const NEXT_POLL: Sql =
    sql!("SELECT poll_at FROM messages WHERE poll_at IS NOT NULL ORDER BY poll_at LIMIT 1");
const POLL_LATER: Sql =
    sql!("UPDATE messages SET poll_at = $1, polls = polls + 1 WHERE tenant_id = $2 AND id = $3");
// A report that came before is kept, and told to whom it concerns.
const NAME_PART: Sql = sql!(
    "INSERT INTO message_parts (sender_id, gateway_id, tenant_id, message_id, at) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (sender_id, gateway_id) \
     DO UPDATE SET message_id = excluded.message_id"
);
// What was delivered stays delivered, whatever comes later.
const HEAR: Sql = sql!(
    "INSERT INTO message_parts (sender_id, gateway_id, tenant_id, state, detail, at) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (sender_id, gateway_id) DO UPDATE \
     SET state = CASE WHEN message_parts.state = 'delivered' THEN 'delivered' \
     ELSE excluded.state END, detail = excluded.detail \
     RETURNING message_id"
);
const PARTS_OF: Sql = sql!(
    "SELECT sender_id, gateway_id, state, detail FROM message_parts \
     WHERE tenant_id = $1 AND message_id = $2 ORDER BY sender_id, gateway_id"
);
const FORGET_PARTS: Sql = sql!("DELETE FROM message_parts WHERE at < $1");
const FORGET_EARLY: Sql = sql!("DELETE FROM message_parts WHERE message_id IS NULL AND at < $1");

/// Statements that the tests prepare on both databases.
pub(crate) const STATEMENTS: &[Sql] = &[
    INSERT,
    CHANGE,
    SET_STATE,
    OF_JOB,
    BY_ID,
    PAGE,
    TO_POLL,
    NEXT_POLL,
    POLL_LATER,
    NAME_PART,
    HEAR,
    PARTS_OF,
    FORGET_PARTS,
    FORGET_EARLY,
];

/// Adds a text. False if its job has made one already: that one stays.
pub async fn insert(tx: &mut Tx<'_>, message: &Message) -> Result<bool, Error> {
    let m = message;
    let (tries, count) = (crate::json::write(&m.tries), m.tries.len() as i64);
    let row = args![
        m.id,
        m.tenant,
        m.job,
        m.grant,
        m.recipient,
        m.body,
        m.reason,
        m.sent_at,
        m.state,
        m.state_at,
        m.sender,
        tries,
        count,
        m.parts,
        m.cost,
        m.last_error
    ];
    Ok(tx.execute(INSERT, &row).await? == 1)
}

/// Writes a text back that had so many tries when it was read. False if it has others by now.
pub async fn change(
    tx: &mut Tx<'_>,
    message: &Message,
    tries_before: usize,
) -> Result<bool, Error> {
    let m = message;
    let (tries, count) = (crate::json::write(&m.tries), m.tries.len() as i64);
    let before = tries_before as i64;
    let row = args![
        m.body,
        m.state,
        m.state_at,
        m.sender,
        tries,
        count,
        m.parts,
        m.cost,
        m.last_error,
        m.poll_at,
        m.polls,
        m.tenant,
        m.id,
        before
    ];
    Ok(tx.execute(CHANGE, &row).await? == 1)
}

/// Writes what is known of a text by now.
pub async fn set_state(tx: &mut Tx<'_>, message: &Message) -> Result<(), Error> {
    let m = message;
    let row = args![m.state, m.state_at, m.last_error, m.poll_at, m.tenant, m.id];
    tx.execute(SET_STATE, &row).await.map(drop)
}

/// The text that a job has made, if it has.
pub async fn of_job(tx: &mut Tx<'_>, job: JobId) -> Result<Option<Message>, Error> {
    tx.optional(OF_JOB, &args![job]).await
}

/// One text, if the tenant has such a one.
pub async fn find(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    id: MessageId,
) -> Result<Option<Message>, Error> {
    tx.optional(BY_ID, &args![tenant, id]).await
}

/// A tenant's texts, latest first, before the one given.
pub async fn page(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    before: Option<MessageId>,
    limit: i64,
) -> Result<Vec<Message>, Error> {
    let before = before.unwrap_or(MessageId::from_raw(i64::MAX));
    tx.all(PAGE, &args![tenant, before, limit]).await
}

/// Texts of which it is time to ask what became of them.
pub async fn to_poll(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<Message>, Error> {
    tx.all(TO_POLL, &args![now, limit]).await
}

/// When to ask next what became of a text.
pub async fn next_poll(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, Error> {
    tx.optional(NEXT_POLL, &[]).await
}

/// Puts the asking off, or ends it.
pub async fn poll_later(
    tx: &mut Tx<'_>,
    message: &Message,
    at: Option<Timestamp>,
) -> Result<(), Error> {
    tx.execute(POLL_LATER, &args![at, message.tenant, message.id]).await.map(drop)
}

/// Notes what a gateway calls a part of a text.
pub async fn name_part(
    tx: &mut Tx<'_>,
    sender: SenderId,
    gateway_id: &str,
    message: &Message,
    now: Timestamp,
) -> Result<(), Error> {
    let row = args![sender, gateway_id, message.tenant, message.id, now];
    tx.execute(NAME_PART, &row).await.map(drop)
}

/// Keeps what a gateway says of a part; the text that it is of, if that is known by now.
pub async fn hear(
    tx: &mut Tx<'_>,
    (tenant, sender): (TenantId, SenderId),
    report: &Report,
    now: Timestamp,
) -> Result<Option<MessageId>, Error> {
    let row = args![sender, report.gateway_id, tenant, report.state, report.detail, now];
    tx.one(HEAR, &row).await
}

/// What a gateway calls a part, and what it has said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Which gateway.
    pub sender: SenderId,
    /// What it calls the part.
    pub gateway_id: String,
    /// What became of it, as far as it said.
    pub state: Option<MessageState>,
    /// In its own words.
    pub detail: Option<String>,
}

impl FromRow for Part {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let (sender, gateway_id) = (row.get(0)?, row.get(1)?);
        Ok(Part { sender, gateway_id, state: row.get(2)?, detail: row.get(3)? })
    }
}

/// The parts of a text as gateways have named them.
pub async fn parts_of(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    message: MessageId,
) -> Result<Vec<Part>, Error> {
    tx.all(PARTS_OF, &args![tenant, message]).await
}

/// Forgets the names of parts from before, and reports from before that nobody was waiting for.
pub async fn forget_parts(
    tx: &mut Tx<'_>,
    before: Timestamp,
    early_before: Timestamp,
) -> Result<(), Error> {
    tx.execute(FORGET_PARTS, &args![before]).await?;
    tx.execute(FORGET_EARLY, &args![early_before]).await.map(drop)
}
