//! What customers are told, and how it leaves the house. A message is a job with one reason; the
//! job makes the text at the moment of sending, in the tenant's name and the customer's language,
//! and hands it to the first gateway that takes it.
//!
//! Must never hand a text over again that may have arrived, except as
//! `docs/decisions/0021-messages.md` allows for access codes; and never keep an access code in
//! clear where it was handed to somebody.

pub mod engine;
pub mod gateways;
pub mod notice;
pub mod sender;
pub mod settings;
pub mod templates;

use crate::app::App;
use crate::messaging::notice::{Notice, NoticeJob};
use lango_domain::ids::{GrantId, TenantId};
use lango_domain::language::Language;
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::Timestamp;
use lango_store::jobs::NewJob;
use lango_store::{Error, Tx};

/// The kind of job that sends a notice.
pub const JOB: &str = "notice";

/// Something to be told to a number, customer or not.
#[derive(Clone, Debug)]
pub struct MessageOrder {
    /// In whose name.
    pub tenant: TenantId,
    /// To whom.
    pub recipient: PhoneNumber,
    /// In which language; none is the tenant's.
    pub language: Option<Language>,
    /// About which grant; what opens it is read from there at the moment of sending.
    pub grant: Option<GrantId>,
    /// The reason: a second order for it sends nothing.
    pub once_key: String,
    /// What to tell.
    pub text: Notice,
}

/// Orders a message in the caller's transaction. It is sent after the commit, and once for its
/// reason, whatever repeats.
///
/// # Errors
/// A fault of the store.
pub async fn queue(
    tx: &mut Tx<'_>,
    app: &App,
    order: MessageOrder,
    now: Timestamp,
) -> Result<(), Error> {
    let MessageOrder { tenant, recipient, language, grant, once_key, text } = order;
    let job = NoticeJob {
        customer: None,
        recipient: Some(recipient.to_string()),
        language,
        label: String::new(),
        notice: text,
    };
    let job = NewJob {
        id: app.id(now),
        tenant,
        grant,
        kind: JOB,
        once_key,
        payload: job.payload(),
        run_at: now,
    };
    lango_store::jobs::push(tx, &[job]).await
}
