//! What becomes of a payment: an intent of ours, and what its provider says of it.
//!
//! Two rules cost money when they are broken, and both are here. Money that came is never called
//! failed, however late it came and whatever was said before. And what nobody knows is not a
//! failure: a provider that does not answer, or answers with a code that we have never seen, has
//! said nothing.

use crate::money::Money;
use crate::time::Timestamp;

/// Why a payment did not come about, in as many classes as a customer can do something about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// The payer said no.
    Cancelled,
    /// The payer's phone did not answer, or he did not.
    NoAnswer,
    /// There was not enough money.
    NotEnoughMoney,
    /// The secret number was wrong.
    WrongPin,
    /// The same payer has just paid the same amount, and the provider takes that for a mistake.
    TooSoon,
    /// The provider or the payer's line is busy.
    Busy,
    /// A limit of the payer, of the business or of the provider.
    OverLimit,
    /// The payer's account is locked or does not exist.
    Locked,
    /// The provider's time for it ran out.
    Expired,
    /// The question did not reach the phone.
    NotDelivered,
    /// Our settings with the provider are wrong; the operator has to look.
    Setup,
    /// Some other refusal.
    Refused,
}

impl FailureReason {
    /// All of them.
    pub const ALL: [FailureReason; 12] = [
        FailureReason::Cancelled,
        FailureReason::NoAnswer,
        FailureReason::NotEnoughMoney,
        FailureReason::WrongPin,
        FailureReason::TooSoon,
        FailureReason::Busy,
        FailureReason::OverLimit,
        FailureReason::Locked,
        FailureReason::Expired,
        FailureReason::NotDelivered,
        FailureReason::Setup,
        FailureReason::Refused,
    ];

    /// The word in lists.
    pub const fn word(self) -> &'static str {
        match self {
            FailureReason::Cancelled => "cancelled",
            FailureReason::NoAnswer => "no answer",
            FailureReason::NotEnoughMoney => "not enough money",
            FailureReason::WrongPin => "wrong PIN",
            FailureReason::TooSoon => "too soon",
            FailureReason::Busy => "busy",
            FailureReason::OverLimit => "over a limit",
            FailureReason::Locked => "locked",
            FailureReason::Expired => "expired",
            FailureReason::NotDelivered => "not delivered",
            FailureReason::Setup => "wrong settings",
            FailureReason::Refused => "refused",
        }
    }
}

/// A provider's word that it did not come about.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// Which class.
    pub why: FailureReason,
    /// The provider's own code, for whoever asks him.
    pub code: String,
    /// The provider's own sentence.
    pub sentence: String,
}

/// A provider's word that money came.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Proof {
    /// The provider's number of it: one such number is one payment, for ever. A provider that
    /// confirms without naming it (Daraja's query) is quoted with its number of the question; the
    /// receipt that is told later is of the same money.
    pub receipt: String,
    /// How much came; none where the provider does not say, which then is what was asked.
    pub amount: Option<Money>,
    /// Who paid, as far as the provider says: a number, a masked one, a hash.
    pub payer: Option<String>,
    /// When, by the provider's clock.
    pub paid_at: Option<Timestamp>,
}

/// What a provider says of a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Money came.
    Paid(Proof),
    /// It is known and under way.
    Pending,
    /// It did not come about; it still may, so we keep listening.
    Failed(Failure),
    /// Nothing was said: no answer, or one that nobody understands.
    Unknown(String),
}

/// Where a payment stands.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum PaymentState {
    /// Intended; the provider was not asked yet.
    Created,
    /// The provider is being asked, or was and did not answer. Never asked again: a second
    /// question is a second charge.
    Submitting,
    /// The provider has taken it; the payer's phone rings.
    Pending,
    /// The money is there.
    Paid {
        /// The provider's number of it.
        receipt: String,
    },
    /// It did not come about.
    Failed(Failure),
    /// Nobody has said anything for as long as we ask.
    Expired,
    /// Money came that does not fit; a person decides.
    Review {
        /// The provider's number of it.
        receipt: String,
        /// What does not fit.
        why: Misfit,
    },
    /// It is being given back.
    Refunding {
        /// The provider's number of the payment.
        receipt: String,
    },
    /// It was given back.
    Refunded {
        /// The provider's number of the payment.
        receipt: String,
    },
    /// Giving it back did not work.
    RefundFailed {
        /// The provider's number of the payment.
        receipt: String,
        /// What the provider says.
        why: String,
    },
}

/// What does not fit about money that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfit {
    /// Less than the price.
    TooLittle,
    /// In another currency.
    OtherCurrency,
    /// For nobody we know.
    UnknownAccount,
    /// What it was for cannot be had any more.
    NotForSale,
}

impl Misfit {
    /// The word in lists.
    pub const fn word(self) -> &'static str {
        match self {
            Misfit::TooLittle => "too little",
            Misfit::OtherCurrency => "other currency",
            Misfit::UnknownAccount => "unknown account",
            Misfit::NotForSale => "not for sale",
        }
    }
}

impl PaymentState {
    /// The word in the database and in lists.
    pub const fn word(&self) -> &'static str {
        match self {
            PaymentState::Created => "created",
            PaymentState::Submitting => "submitting",
            PaymentState::Pending => "pending",
            PaymentState::Paid { .. } => "paid",
            PaymentState::Failed(_) => "failed",
            PaymentState::Expired => "expired",
            PaymentState::Review { .. } => "review",
            PaymentState::Refunding { .. } => "refunding",
            PaymentState::Refunded { .. } => "refunded",
            PaymentState::RefundFailed { .. } => "refund_failed",
        }
    }

    /// The provider's number of the money, if money came.
    pub fn receipt(&self) -> Option<&str> {
        match self {
            PaymentState::Paid { receipt }
            | PaymentState::Review { receipt, .. }
            | PaymentState::Refunding { receipt }
            | PaymentState::Refunded { receipt }
            | PaymentState::RefundFailed { receipt, .. } => Some(receipt),
            _ => None,
        }
    }

    /// The same by another number of the money, if money came: providers that confirm before they
    /// say by which receipt tell it later, whatever became of the money meanwhile.
    #[must_use]
    pub fn known_by(self, receipt: &str) -> PaymentState {
        let receipt = receipt.to_owned();
        match self {
            PaymentState::Paid { .. } => PaymentState::Paid { receipt },
            PaymentState::Review { why, .. } => PaymentState::Review { receipt, why },
            PaymentState::Refunding { .. } => PaymentState::Refunding { receipt },
            PaymentState::Refunded { .. } => PaymentState::Refunded { receipt },
            PaymentState::RefundFailed { why, .. } => PaymentState::RefundFailed { receipt, why },
            other => other,
        }
    }

    /// Whether the payer may still be about to pay: a second charge now could be a double one.
    pub const fn is_open(&self) -> bool {
        matches!(self, PaymentState::Created | PaymentState::Submitting | PaymentState::Pending)
    }

    /// Whether money for it has come, whatever became of it then.
    pub const fn has_money(&self) -> bool {
        matches!(
            self,
            PaymentState::Paid { .. }
                | PaymentState::Review { .. }
                | PaymentState::Refunding { .. }
                | PaymentState::Refunded { .. }
                | PaymentState::RefundFailed { .. }
        )
    }

    /// What it becomes by a provider's word; none if nothing changes. That money came is said by
    /// [`PaymentState::paid`], which wants to know whether it fits.
    #[must_use]
    pub fn hears(&self, verdict: &Verdict) -> Option<PaymentState> {
        match (self, verdict) {
            (PaymentState::Created | PaymentState::Submitting, Verdict::Pending) => {
                Some(PaymentState::Pending)
            }
            // A failure that is told twice may be told better the second time, but it is no news.
            (state, Verdict::Failed(failure)) if state.is_open() => {
                Some(PaymentState::Failed(failure.clone()))
            }
            _ => None,
        }
    }

    /// What it becomes by money that came; none if money for it came before.
    #[must_use]
    pub fn paid(&self, receipt: &str, fit: Fit) -> Option<PaymentState> {
        if self.has_money() {
            return None;
        }
        let receipt = receipt.to_owned();
        Some(match fit {
            Fit::Exact | Fit::Over(_) => PaymentState::Paid { receipt },
            Fit::Under => PaymentState::Review { receipt, why: Misfit::TooLittle },
            Fit::Foreign => PaymentState::Review { receipt, why: Misfit::OtherCurrency },
        })
    }

    /// What it becomes when nobody has said anything for as long as we ask.
    #[must_use]
    pub fn given_up(&self) -> Option<PaymentState> {
        self.is_open().then_some(PaymentState::Expired)
    }
}

/// How money that came compares with what was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fit {
    /// It is what was asked.
    Exact,
    /// It is more, by so much.
    Over(Money),
    /// It is less.
    Under,
    /// It is another currency.
    Foreign,
}

impl Fit {
    /// Compares what came with what was asked.
    #[must_use]
    pub fn of(came: Money, asked: Money) -> Fit {
        if came.currency != asked.currency {
            return Fit::Foreign;
        }
        match came.amount.checked_sub(asked.amount) {
            Some(0) => Fit::Exact,
            Some(more) if more > 0 => Fit::Over(Money::new(more, asked.currency)),
            _ => Fit::Under,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;
    use proptest::prelude::*;

    fn failure() -> Failure {
        Failure {
            why: FailureReason::NoAnswer,
            code: "1037".to_owned(),
            sentence: "DS timeout user cannot be reached".to_owned(),
        }
    }

    fn verdicts() -> impl Strategy<Value = Option<Verdict>> {
        // None is money.
        prop_oneof![
            Just(None),
            Just(Some(Verdict::Pending)),
            Just(Some(Verdict::Failed(failure()))),
            Just(Some(Verdict::Unknown("4999".to_owned()))),
        ]
    }

    proptest! {
        #[test]
        fn money_that_came_stays_and_comes_once_whatever_else_is_said(
            said in proptest::collection::vec(verdicts(), 0..12)
        ) {
            let (mut state, mut came) = (PaymentState::Submitting, 0);
            for verdict in &said {
                let next = match verdict {
                    Some(verdict) => state.hears(verdict),
                    None => state.paid("NLJ7RT61SV", Fit::Exact),
                };
                came += u32::from(verdict.is_none() && next.is_some());
                prop_assert!(!state.has_money() || next.is_none(), "{state:?} by {verdict:?}");
                state = next.unwrap_or(state);
            }
            prop_assert_eq!(came, u32::from(said.contains(&None)));
            prop_assert_eq!(state.has_money(), said.contains(&None));
        }

        #[test]
        fn silence_and_unknown_codes_are_no_failure(
            said in proptest::collection::vec(Just(Verdict::Unknown("?".to_owned())), 0..5)
        ) {
            let heard = said.iter().find_map(|verdict| PaymentState::Pending.hears(verdict));
            prop_assert_eq!(heard, None);
        }
    }

    #[test]
    fn more_is_a_purchase_and_less_is_for_a_person() {
        let kes = |amount| Money::new(amount, Currency::KES);
        assert_eq!(Fit::of(kes(2_000), kes(2_000)), Fit::Exact);
        assert_eq!(Fit::of(kes(2_500), kes(2_000)), Fit::Over(kes(500)));
        assert_eq!(Fit::of(kes(1_999), kes(2_000)), Fit::Under);
        assert_eq!(Fit::of(Money::new(2_000, Currency::UGX), kes(2_000)), Fit::Foreign);
        let short = PaymentState::Pending.paid("R1", Fit::Under);
        assert!(matches!(short, Some(PaymentState::Review { why: Misfit::TooLittle, .. })));
    }

    #[test]
    fn a_payment_that_failed_is_paid_when_the_money_comes_after_all() {
        let failed = PaymentState::Pending.hears(&Verdict::Failed(failure())).unwrap();
        assert!(matches!(failed.paid("R1", Fit::Exact), Some(PaymentState::Paid { .. })));
        assert!(matches!(
            PaymentState::Expired.paid("R1", Fit::Exact),
            Some(PaymentState::Paid { .. })
        ));
    }
}
