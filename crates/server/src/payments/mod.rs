//! Payment providers: how each is asked for money, what it says of it, and how its words are read.
//!
//! A provider's module turns wire formats into the words of `lango_domain::payment` and knows
//! nothing of plans, grants or the database. It never decides what a payment buys and never
//! repeats a question that may have been heard: the operations do the one and nobody does the
//! other. Codes are read, prose never; a code that is not known is [`Verdict::Unknown`].

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
    /// Ours, unique: an order that is repeated with it is not a second one.
    pub reference: String,
    /// Where the provider tells what became of it.
    pub callback: String,
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
}

/// What every provider is given to work with.
#[derive(Clone, Copy, Debug)]
pub struct Till {
    /// The account with the provider.
    pub gateway: GatewayId,
    /// The money it takes.
    pub currency: Currency,
}
