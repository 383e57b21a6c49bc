//! Payment providers: how each is asked for money, what it says of it, and how its words are read.
//!
//! A provider's module turns wire formats into the words of `lango_domain::payment` and knows
//! nothing of plans, grants or the database. It never decides what a payment buys and never
//! repeats a question that may have been heard: the operations do the one and nobody does the
//! other. Codes are read, prose never; a code that is not known is [`Verdict::Unknown`].

mod airtel;
mod asking;
mod clickpesa;
mod credential;
mod daraja;
mod momo;
pub(crate) mod network;
pub mod pace;
pub mod provider;
pub mod settings;
mod signed_webhook;
pub mod tokens;
mod wire;

use lango_domain::ids::GatewayId;
use lango_domain::money::{Currency, Money};
use lango_domain::payment::{Failure, Verdict};
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::{Span, Timestamp};

/// Money that a customer is to be asked for.
#[derive(Clone, Debug)]
pub struct Charge {
    /// Ours, at most 12 capital letters and digits, unique by gateway. Payers may read it.
    pub reference: String,
    /// How much.
    pub amount: Money,
    /// Whose phone rings.
    pub phone: PhoneNumber,
    /// Where the provider tells what became of it: ends in a secret of this payment alone.
    pub callback: String,
    /// What it is for, at most 13 letters of ASCII.
    pub description: String,
}

/// A charge that was asked for before, to ask what became of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Ours.
    pub reference: String,
    /// The provider's number of the question, if it got as far as telling it.
    pub provider_id: Option<String>,
    /// How much.
    pub amount: Money,
    /// Whose phone rang.
    pub phone: PhoneNumber,
    /// When.
    pub submitted_at: Timestamp,
}

/// What came of asking for money.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Submitted {
    /// It was taken: the phone rings. Nothing is paid yet.
    Taken {
        /// The provider's number of the question; none where ours is the number.
        provider_id: Option<String>,
    },
    /// It was refused, and surely nobody was asked.
    Refused(Failure),
    /// Surely nothing reached the payer; it may be asked again after that time.
    NotSent {
        /// What is in the way.
        why: String,
        /// How long to wait at least.
        wait: Span,
    },
    /// Nobody knows whether it was heard. Never asked again.
    Unknown(String),
}

/// Money that came by itself: paid by hand to a paybill, a till or a control number.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct MoneyIn {
    /// The provider's number of it.
    pub receipt: String,
    /// How much.
    pub amount: Money,
    /// What the payer typed as account, as he typed it.
    pub account: String,
    /// Who paid, as far as it is said: a number, a masked one, a hash.
    pub payer: Option<String>,
    /// His name, as far as it is said.
    pub name: Option<String>,
    /// When, by the provider's clock.
    pub paid_at: Option<Timestamp>,
}

/// Which payment a provider speaks of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum About {
    /// By its own number of the question.
    ProviderId(String),
    /// By our reference.
    Reference(String),
}

/// What a provider told us of its own accord.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// What became of a charge.
    Charge {
        /// Which.
        about: About,
        /// What.
        verdict: Verdict,
    },
    /// Money came by itself.
    Money(MoneyIn),
    /// It asks whether it may take this money; nothing came yet.
    MayPay(MoneyIn),
    /// What became of money that we gave back.
    Refund {
        /// The provider's number of our order.
        order: String,
        /// What: paid is given back.
        verdict: Verdict,
    },
    /// What became of a receipt that we asked about: paid is that the money is with us.
    Receipt {
        /// The provider's number of our question.
        order: String,
        /// What.
        verdict: Verdict,
    },
    /// Something that asks for nothing, and what it was.
    Nothing(String),
}

/// What was told, and how far it can be believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Callback {
    /// What.
    pub heard: Heard,
    /// Whether it proves who sent it. What does not is asked back before money is believed.
    pub is_signed: bool,
}

/// Which of our addresses a message came by. Providers do not say what they speak of: the address
/// that we gave them for it does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Door {
    /// What became of a charge of Daraja.
    Stk,
    /// Daraja asks whether it may take money that is paid by hand.
    C2bValidate,
    /// Money was paid by hand through Daraja.
    C2bConfirm,
    /// What became of money that Daraja was told to give back.
    Result,
    /// What became of a receipt that Daraja was asked about.
    Status,
    /// Daraja did not get round to one of the two.
    Timeout,
    /// Everything that the other providers say.
    Webhook,
}

impl Door {
    /// All of them.
    pub const ALL: [Door; 7] = [
        Door::Stk,
        Door::C2bValidate,
        Door::C2bConfirm,
        Door::Result,
        Door::Status,
        Door::Timeout,
        Door::Webhook,
    ];

    /// The word in paths and in the inbox.
    pub const fn word(self) -> &'static str {
        match self {
            Door::Stk => "stk",
            Door::C2bValidate => "c2b-validate",
            Door::C2bConfirm => "c2b-confirm",
            Door::Result => "result",
            Door::Status => "status",
            Door::Timeout => "timeout",
            Door::Webhook => "webhook",
        }
    }
}

impl std::str::FromStr for Door {
    type Err = NoSuchDoor;
    fn from_str(text: &str) -> Result<Door, NoSuchDoor> {
        let door = Door::ALL.into_iter().find(|door| door.word() == text);
        door.ok_or_else(|| NoSuchDoor(text.to_owned()))
    }
}

/// A word that names no door.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no provider speaks at `{0}`")]
pub struct NoSuchDoor(String);

/// What a provider is answered at once, whatever its message turns out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackAnswer {
    /// Of HTTP.
    pub status: u16,
    /// Of the body.
    pub content_type: &'static str,
    /// What it wants to read.
    pub body: String,
}

/// A message that cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CallbackError {
    /// It is not what this provider sends.
    #[error("it is not a message of {provider}: {why}")]
    Unreadable {
        /// Whose it should be.
        provider: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The signature is missing or wrong.
    #[error("its signature is {0}: somebody else sent it, or the key in our settings is old")]
    Unsigned(&'static str),
}

/// A reason as programs read it: a word that stays the same.
pub(crate) fn word(reason: impl serde::Serialize) -> String {
    // A variant without contents: it is a word.
    let word = serde_json::to_value(reason).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

/// Why a message was not taken, as the inbox says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unread {
    /// Nobody could read it.
    Unreadable,
    /// It did not prove who sent it.
    Unsigned,
}

impl Unread {
    /// Reads it from the outcome of a message, which is the sentence of a [`CallbackError`].
    pub fn of(outcome: &str) -> Option<Unread> {
        match outcome {
            outcome if outcome.starts_with("it is not a message of ") => Some(Unread::Unreadable),
            outcome if outcome.starts_with("its signature is ") => Some(Unread::Unsigned),
            _ => None,
        }
    }
}

/// A question that came to nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider does not do this.
    #[error("{0} does not offer that")]
    NotOffered(&'static str),
    /// It refused, in its own words.
    #[error("{provider} refuses: {code} {sentence}")]
    Refused {
        /// Who.
        provider: &'static str,
        /// Its code.
        code: String,
        /// Its sentence.
        sentence: String,
    },
    /// No answer that means anything; ask again later.
    #[error("{provider} did not answer: {why}")]
    NoAnswer {
        /// Who.
        provider: &'static str,
        /// What happened.
        why: String,
    },
}

/// Money to be given back.
#[derive(Clone, Debug)]
pub struct Refund {
    /// The receipt of the payment.
    pub receipt: String,
    /// How much of it.
    pub amount: Money,
    /// Who gets it, where the provider wants to know.
    pub phone: Option<PhoneNumber>,
    /// Ours, unique, for whoever reads the provider's statement.
    pub reference: String,
    /// Where the provider tells what became of it ([`Door::Result`]).
    pub callback: String,
    /// Where it tells that it did not get round to it ([`Door::Timeout`]).
    pub timeout: String,
}

/// What came of telling a provider to give money back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefundAnswer {
    /// It was taken; [`Heard::Refund`] tells what became of it.
    Ordered {
        /// The provider's number of our order.
        order: String,
    },
    /// It is done.
    Done,
    /// It was refused, and surely nothing was given back.
    Refused(Failure),
    /// Surely nothing reached the provider; it may be told again after that time.
    NotSent {
        /// What is in the way.
        why: String,
        /// How long to wait at least.
        wait: Span,
    },
    /// Nobody knows whether it was heard. Never told again: a person looks.
    Unknown(String),
}

/// A receipt that a customer shows, to ask the provider whether there is money behind it.
#[derive(Clone, Debug)]
pub struct ReceiptQuestion {
    /// As it stands on his phone.
    pub receipt: String,
    /// Where the provider answers ([`Door::Status`]).
    pub callback: String,
    /// Where it tells that it did not get round to it ([`Door::Timeout`]).
    pub timeout: String,
}

/// Where a provider is to tell of money that comes by itself.
#[derive(Clone, Debug)]
pub struct Urls {
    /// Whether it may take it ([`Door::C2bValidate`]).
    pub validate: String,
    /// That it came ([`Door::C2bConfirm`]).
    pub confirm: String,
    /// Everything that the others say ([`Door::Webhook`]).
    pub webhook: String,
}

/// What came of telling a provider our addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registered {
    /// It knows them now.
    Now,
    /// It has some already and takes no others: whether they are ours is seen when money comes.
    Before,
    /// Our settings do not ask for it.
    NotWanted,
}

/// What came of telling a provider all of our addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registration {
    /// Where it tells of money.
    pub confirmations: Registered,
    /// That we list the money that came.
    pub list: Registered,
}

/// What a provider can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Abilities {
    /// It can be asked what became of a charge by our own reference, so also when its answer to
    /// our question was lost.
    pub query_by_reference: bool,
    /// Its messages prove who sent them.
    pub signed_callbacks: bool,
    /// A question that is repeated with the same reference is one question.
    pub idempotent_submit: bool,
    /// It lists the money that came.
    pub lists_money: bool,
    /// It gives money back.
    pub refunds: bool,
    /// It says whether there is money behind a receipt.
    pub looks_up_receipts: bool,
    /// It tells of money that comes by itself once it knows our addresses.
    pub registers: bool,
}

/// What every provider is given to work with.
#[derive(Clone, Copy, Debug)]
pub struct Till {
    /// The account with the provider.
    pub gateway: GatewayId,
    /// The money it takes.
    pub currency: Currency,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inbox_says_why_a_message_was_not_taken() {
        let unreadable =
            CallbackError::Unreadable { provider: "M-Pesa", why: "no JSON".to_owned() };
        assert_eq!(Unread::of(&unreadable.to_string()), Some(Unread::Unreadable));
        let unsigned = CallbackError::Unsigned("missing");
        assert_eq!(Unread::of(&unsigned.to_string()), Some(Unread::Unsigned));
        assert_eq!(Unread::of("paid, and known before"), None);
    }
}
