//! Which events a customer is told of, and the reason by which each is told once.

use lango_domain::grant::{Effect, EndReason, Grant};
use lango_domain::ids::{CustomerId, GrantId};
use lango_domain::time::Timestamp;

/// Something to tell a customer about his grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "notice")]
pub enum Notice {
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
}

/// What a notice job needs to know.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct NoticeJob {
    /// Whom to tell.
    pub customer: CustomerId,
    /// What he calls his access.
    pub label: String,
    /// What to tell.
    #[serde(flatten)]
    pub notice: Notice,
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

    /// One grant, one reason, one end: one message, whatever repeats.
    pub fn once_key(&self, grant: GrantId) -> String {
        match self {
            Notice::EndsSoon { ends_at } => format!("{grant} ends soon {}", ends_at.micros()),
            Notice::Ended { at, reason } => format!("{grant} {} {}", reason.word(), at.micros()),
        }
    }

    /// The job's payload.
    pub fn payload(self, customer: CustomerId, label: &str) -> String {
        let job = NoticeJob { customer, label: label.to_owned(), notice: self };
        // Plain words and numbers: serialising cannot fail.
        serde_json::to_string(&job).unwrap_or_default()
    }

    /// The word in the message log.
    pub const fn word(&self) -> &'static str {
        match self {
            Notice::EndsSoon { .. } => "ends soon",
            Notice::Ended { reason, .. } => reason.word(),
        }
    }
}
