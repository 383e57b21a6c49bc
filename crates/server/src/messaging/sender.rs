//! How a text leaves the house. For now it only goes into the message log, where the operator and
//! the tests read it; gateways join here as further senders.

use lango_domain::phone_number::PhoneNumber;

/// Somebody who takes texts.
#[derive(Clone, Debug, Default)]
pub enum Sender {
    /// Keeps the text in the message log and sends nothing.
    #[default]
    LogOnly,
}

/// What became of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was taken.
    Taken,
    /// Not now; try again, and why.
    NotNow(String),
    /// Never, and why.
    Refused(String),
}

impl Sender {
    /// Hands a text over.
    pub async fn send(&self, recipient: &PhoneNumber, body: &str) -> Sent {
        match self {
            Sender::LogOnly => {
                tracing::info!(recipient = ?recipient, parts = parts(body), "SMS logged");
                Sent::Taken
            }
        }
    }
}

/// How many SMS parts a text of plain letters takes.
pub fn parts(body: &str) -> usize {
    const IN_MANY: usize = 153;
    if body.len() <= super::templates::ONE_PART { 1 } else { body.len().div_ceil(IN_MANY) }
}
