//! Which events a customer is told of, and the reason by which each is told once.

use crate::messaging::templates::Template;
use lango_domain::grant::{Effect, EndReason, Grant};
use lango_domain::ids::{CustomerId, GrantId};
use lango_domain::language::Language;
use lango_domain::money::Money;
use lango_domain::time::Timestamp;

/// Of bought data this much may be used before the customer is told that little is left.
const LOW_DATA_PERCENT: u128 = 80;

/// Something to tell a customer. What opens an access is never in it: it is read from the grant
/// when the text is made.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "notice")]
pub enum Notice {
    /// It was paid: here is what opens it.
    Credentials {
        /// What was paid.
        amount: Option<Money>,
        /// The proof of it.
        receipt: Option<String>,
    },
    /// What opens it, asked for again.
    ResumeCode,
    /// Money came in.
    Receipt {
        /// How much.
        amount: Money,
        /// The proof of it.
        receipt: String,
    },
    /// It ends soon.
    EndsSoon {
        /// When.
        ends_at: Timestamp,
    },
    /// It ended.
    Ended {
        /// When.
        at: Timestamp,
        /// Why.
        reason: EndReason,
    },
    /// Little of the data is left.
    LowData {
        /// What was allowed, in bytes: a top-up makes it another reason.
        allowed: u64,
    },
    /// What somebody of the staff wrote.
    Text {
        /// His words.
        body: String,
        /// Whether it is to sell something: such a one waits for decent hours.
        promotion: bool,
    },
}

/// What a notice job needs to know.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct NoticeJob {
    /// Whom to tell, if he is a customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// Where to tell it, if that is not the customer's own number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// In which language, if not the customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// What he calls his access.
    pub label: String,
    /// What to tell.
    #[serde(flatten)]
    pub notice: Notice,
}

impl NoticeJob {
    /// As the job keeps it.
    pub fn payload(&self) -> String {
        // Plain words and numbers: serialising cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Notice {
    /// What an effect has to tell, if anything.
    pub fn of(effect: Effect, grant: &Grant) -> Option<Notice> {
        match effect {
            Effect::Warn { ends_at } => Some(Notice::EndsSoon { ends_at }),
            Effect::Ended(reason) => {
                let at = grant.state.ends_at().unwrap_or_default();
                Some(Notice::Ended { at, reason })
            }
            _ => None,
        }
    }

    /// Whether a change of a grant has used up most of its data.
    pub fn of_use(before: &Grant, after: &Grant) -> Option<Notice> {
        let allowed = after.meter.data_allowed?.as_bytes();
        let most = |used: u64| u128::from(used) * 100 >= u128::from(allowed) * LOW_DATA_PERCENT;
        let was_told = before.meter.data_allowed == after.meter.data_allowed
            && most(before.meter.data.as_bytes());
        let is_low = allowed > 0 && most(after.meter.data.as_bytes());
        let has_some = after.meter.data_left()?.as_bytes() > 0;
        (is_low && has_some && !was_told && !after.state.is_ended())
            .then_some(Notice::LowData { allowed })
    }

    /// One grant, one reason, one end: one message, whatever repeats.
    pub fn once_key(&self, grant: GrantId) -> String {
        match self {
            Notice::EndsSoon { ends_at } => format!("{grant} ends soon {}", ends_at.micros()),
            Notice::Ended { at, reason } => format!("{grant} {} {}", reason.word(), at.micros()),
            Notice::LowData { allowed } => format!("{grant} low data {allowed}"),
            Notice::Credentials { receipt, .. } => {
                format!("{grant} credentials {}", receipt.as_deref().unwrap_or("first"))
            }
            Notice::Receipt { receipt, .. } => format!("{grant} receipt {receipt}"),
            Notice::ResumeCode | Notice::Text { .. } => format!("{grant} {}", self.word()),
        }
    }

    /// The payload of a job that tells it to a customer.
    pub fn payload(self, customer: CustomerId, label: &str) -> String {
        let (customer, label) = (Some(customer), label.to_owned());
        NoticeJob { customer, recipient: None, language: None, label, notice: self }.payload()
    }

    /// The word in the message log.
    pub const fn word(&self) -> &'static str {
        match self {
            Notice::Credentials { .. } => "credentials",
            Notice::ResumeCode => "resume code",
            Notice::Receipt { .. } => "receipt",
            Notice::EndsSoon { .. } => "ends soon",
            Notice::Ended { reason, .. } => reason.word(),
            Notice::LowData { .. } => "low data",
            Notice::Text { promotion: true, .. } => "promotion",
            Notice::Text { .. } => "text",
        }
    }

    /// Whether somebody waits for it to get in. Only such a one is handed over a second time when
    /// nobody knows whether the first one arrived.
    pub const fn opens_access(&self) -> bool {
        matches!(self, Notice::Credentials { .. } | Notice::ResumeCode)
    }

    /// Whether it is to sell something.
    pub const fn is_promotion(&self) -> bool {
        matches!(self, Notice::Text { promotion: true, .. })
    }

    /// The template that words it; none if it has its own words.
    pub const fn template(&self) -> Option<Template> {
        Some(match self {
            Notice::Credentials { .. } => Template::Credentials,
            Notice::ResumeCode => Template::ResumeCode,
            Notice::Receipt { .. } => Template::Receipt,
            Notice::EndsSoon { .. } => Template::EndsSoon,
            Notice::LowData { .. } => Template::LowData,
            Notice::Ended { reason, .. } => match reason {
                EndReason::TimeUp
                | EndReason::DateReached
                | EndReason::UptimeUsedUp
                | EndReason::SessionEnded => Template::Ended,
                EndReason::DataUsedUp => Template::DataUsedUp,
                EndReason::NeverUsed | EndReason::NeverActivated => Template::Lapsed,
                EndReason::Terminated => Template::Closed,
            },
            Notice::Text { .. } => return None,
        })
    }
}
