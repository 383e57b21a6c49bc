//! What Daraja's codes mean. A code that is not here means nothing: it is never a failure.

use super::super::Submitted;
use super::super::asking::setup;
use lango_domain::payment::{Failure, FailureReason, Verdict};
use lango_domain::time::Span;

/// After "Unable to lock subscriber".
const WHILE_LOCKED: Span = Span::minutes(1);
/// After a token that was refused twice: somebody else fetches tokens with our key.
const WHILE_OTHERS_FETCH: Span = Span::seconds(5);
/// After the day's quota.
const WHILE_OVER_QUOTA: Span = Span::minutes(5);

/// What was said of a push, by the code of its result. Paid is not among them: it needs a receipt.
pub(super) enum Result {
    /// Code 0.
    Paid,
    /// Any other.
    Said(Verdict),
}

/// By the table of the documents, and of those who saw codes that it does not have: 4999, 26,
/// 1001, 9999.
pub(super) fn result(code: &str, sentence: &str) -> Result {
    use FailureReason as Why;
    let why = match code {
        "0" => return Result::Paid,
        "4999" => return Result::Said(Verdict::Pending),
        "1" => Why::NotEnoughMoney,
        "2" | "3" | "4" | "8" => Why::OverLimit,
        "17" => Why::TooSoon,
        "26" | "1001" => Why::Busy,
        "1019" => Why::Expired,
        "1025" | "9999" => Why::NotDelivered,
        "1032" => Why::Cancelled,
        "1037" => Why::NoAnswer,
        "2001" => Why::WrongPin,
        "2028" | "SFC_IC0003" => Why::Setup,
        "8006" => Why::Locked,
        _ => return Result::Said(Verdict::Unknown(format!("code {code}: {sentence}"))),
    };
    Result::Said(Verdict::Failed(failure(why, code, sentence)))
}

/// What was said of money that we gave back, or of a receipt, where it is not 0.
pub(super) fn order(code: &str, sentence: &str) -> Verdict {
    use FailureReason as Why;
    let why = match code {
        // Here it is the business that has too little.
        "1" => Why::NotEnoughMoney,
        // Here it is the initiator who is wrong or locked.
        "2001" | "8006" => Why::Setup,
        "R000002" => Why::Refused,
        _ => return Verdict::Unknown(format!("code {code}: {sentence}")),
    };
    Verdict::Failed(failure(why, code, sentence))
}

/// Reversed before: by an order of ours whose result was lost, or by hand.
pub(super) fn is_reversed_before(code: &str) -> bool {
    code == "R000001"
}

/// The token was not known.
pub(super) fn is_about_token(code: &str) -> bool {
    matches!(code, "404.001.03" | "400.003.01" | "401.003.01")
}

/// It is asked too fast.
pub(super) fn is_too_much(code: &str) -> bool {
    code == "500.003.02"
}

/// What a request came to that was answered by an error. The only place where a sentence is read:
/// one code stands for things that have nothing in common.
pub(super) fn not_taken(code: &str, sentence: &str) -> Submitted {
    let not_sent = |wait| Submitted::NotSent { why: format!("{code} {sentence}"), wait };
    match code {
        "400.002.02" | "400.002.05" | "400.003.02" | "404.001.01" | "404.003.01" | "404.001.04"
        | "405.001" => Submitted::Refused(setup(code, sentence)),
        code if is_about_token(code) => not_sent(WHILE_OTHERS_FETCH),
        "500.003.03" => not_sent(WHILE_OVER_QUOTA),
        "500.001.1001" => overloaded(code, sentence),
        _ => match result(code, sentence) {
            Result::Said(Verdict::Failed(failure)) => Submitted::Refused(failure),
            _ => Submitted::Unknown(format!("{code} {sentence}")),
        },
    }
}

fn overloaded(code: &str, sentence: &str) -> Submitted {
    let lower = sentence.to_lowercase();
    if lower.contains("merchant does not exist") || lower.contains("wrong credentials") {
        return Submitted::Refused(setup(code, sentence));
    }
    if lower.contains("unable to lock subscriber") {
        return Submitted::NotSent { why: format!("{code} {sentence}"), wait: WHILE_LOCKED };
    }
    Submitted::Unknown(format!("{code} {sentence}"))
}

/// What a query came to that was answered by an error: at best, that it is under way.
pub(super) fn not_told(code: &str, sentence: &str) -> Verdict {
    if code == "500.001.1001" && sentence.to_lowercase().contains("being processed") {
        return Verdict::Pending;
    }
    Verdict::Unknown(format!("{code} {sentence}"))
}

pub(super) fn failure(why: FailureReason, code: &str, sentence: &str) -> Failure {
    Failure { why, code: code.to_owned(), sentence: sentence.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_table_has_its_class() {
        use FailureReason as Why;
        for (code, why) in [
            ("1", Why::NotEnoughMoney),
            ("2", Why::OverLimit),
            ("3", Why::OverLimit),
            ("4", Why::OverLimit),
            ("8", Why::OverLimit),
            ("17", Why::TooSoon),
            ("26", Why::Busy),
            ("1001", Why::Busy),
            ("1019", Why::Expired),
            ("1025", Why::NotDelivered),
            ("9999", Why::NotDelivered),
            ("1032", Why::Cancelled),
            ("1037", Why::NoAnswer),
            ("2001", Why::WrongPin),
            ("2028", Why::Setup),
            ("SFC_IC0003", Why::Setup),
            ("8006", Why::Locked),
        ] {
            let Result::Said(Verdict::Failed(failure)) = result(code, "x") else {
                panic!("{code}")
            };
            assert_eq!(failure.why, why, "{code}");
        }
        assert!(matches!(result("0", ""), Result::Paid));
        assert!(matches!(result("4999", ""), Result::Said(Verdict::Pending)));
    }

    #[test]
    fn a_code_that_nobody_has_seen_is_no_failure() {
        for code in ["", "03", "99", "1036", "-1", "5000", "00", "nonsense"] {
            assert!(matches!(result(code, "Failed"), Result::Said(Verdict::Unknown(_))), "{code}");
            assert!(matches!(order(code, "Failed"), Verdict::Unknown(_)), "{code}");
            assert!(matches!(not_taken(code, "Failed"), Submitted::Unknown(_)), "{code}");
        }
    }

    #[test]
    fn one_code_is_told_apart_by_its_sentence() {
        let submitted = |sentence| not_taken("500.001.1001", sentence);
        assert!(matches!(submitted("Merchant does not exist"), Submitted::Refused(_)));
        assert!(matches!(submitted("Wrong credentials"), Submitted::Refused(_)));
        let locked = submitted(
            "Unable to lock subscriber, a transaction is already in process for the current \
             subscriber",
        );
        assert!(matches!(locked, Submitted::NotSent { wait, .. } if wait >= Span::minutes(1)));
        assert!(matches!(submitted(""), Submitted::Unknown(_)));
        let told = |sentence| not_told("500.001.1001", sentence);
        assert_eq!(told("The transaction is being processed"), Verdict::Pending);
        assert!(matches!(told(""), Verdict::Unknown(_)));
    }
}
