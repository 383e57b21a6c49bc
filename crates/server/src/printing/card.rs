//! What stands on one voucher, as text that is ready to be drawn.

/// One voucher on paper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Card {
    /// Who sells access.
    pub business: String,
    /// What it is a voucher of.
    pub plan: String,
    /// What it costs.
    pub price: String,
    /// The code as it is typed: `XXXX-XXXX`.
    pub code: String,
    /// What its QR code says; none has no QR code.
    pub link: Option<String>,
    /// What to do with it, in the customer's language.
    pub steps: String,
    /// What it gives, and until when it can be used.
    pub validity: String,
    /// Whom to ask.
    pub help: Option<String>,
    /// Its number and its batch, for who has to find it again.
    pub serial: String,
}
